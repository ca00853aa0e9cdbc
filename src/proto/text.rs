//! GLPI's encoding of texts.
