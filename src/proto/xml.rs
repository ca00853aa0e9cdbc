//! XML messages.
