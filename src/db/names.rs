//! The one place that knows what the plugin's tables and foreign keys are called.
//!
//! SQL texts are written with placeholders: `{p}` for the prefix of the plugin's tables and `{f}` for the stem of its foreign keys, as
//! in `SELECT {f}tasks_id FROM {p}taskjobs`. [`Names::expand`] puts a plugin's names in, once a text: statements are cached by
//! text on each connection, so a text must always come out the same.
//!
//! The plugin GLPI Inventory has the same tables under another prefix and stem, and agents in `glpi_agents`: serving it takes another
//! value of [`Names`].

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

/// What one plugin calls its tables and foreign keys.
#[derive(Debug)]
pub struct Names {
    prefix: &'static str,
    stem: &'static str,
    /// Texts already expanded. Keys are literals of this program: the map is bounded by its source.
    texts: RwLock<HashMap<&'static str, Arc<str>>>,
}

static FUSIONINVENTORY: LazyLock<Names> =
    LazyLock::new(|| Names::new("glpi_plugin_fusioninventory_", "plugin_fusioninventory_"));

impl Names {
    /// The names of the FusionInventory plugin.
    #[must_use]
    pub fn fusioninventory() -> &'static Self {
        &FUSIONINVENTORY
    }

    fn new(prefix: &'static str, stem: &'static str) -> Self {
        Self {
            prefix,
            stem,
            texts: RwLock::default(),
        }
    }

    /// `text` with this plugin's names in it.
    #[must_use]
    pub fn expand(&self, text: &'static str) -> Arc<str> {
        if let Some(known) = self
            .texts
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(text)
        {
            return Arc::clone(known);
        }
        let mut texts = self.texts.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(
            texts
                .entry(text)
                .or_insert_with(|| self.replace(text).into()),
        )
    }

    /// As [`Names::expand`], uncached: for a text put together at run time, such as a multi-row insert.
    #[must_use]
    pub fn replace(&self, text: &str) -> String {
        text.replace("{p}", self.prefix).replace("{f}", self.stem)
    }
}

/// `name` as a statement names a table, column or database.
pub(super) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_placeholders_are_expanded_everywhere() {
        let cases = [
            ("SELECT 1", "SELECT 1"),
            ("{p}tasks", "glpi_plugin_fusioninventory_tasks"),
            (
                "SELECT s.{f}agents_id, s.{f}taskjobs_id FROM {p}taskjobstates s JOIN {p}taskjobs j ON j.id = s.{f}taskjobs_id",
                "SELECT s.plugin_fusioninventory_agents_id, s.plugin_fusioninventory_taskjobs_id FROM \
                 glpi_plugin_fusioninventory_taskjobstates s JOIN glpi_plugin_fusioninventory_taskjobs j ON j.id = \
                 s.plugin_fusioninventory_taskjobs_id",
            ),
            ("JSON_OBJECT('{x}', '{p')", "JSON_OBJECT('{x}', '{p')"),
        ];
        for (text, expected) in cases {
            assert_eq!(&*Names::fusioninventory().expand(text), expected);
        }
    }

    #[test]
    fn names_are_quoted() {
        assert_eq!(quoted("a`; DROP TABLE b"), "`a``; DROP TABLE b`");
    }

    #[test]
    fn a_text_is_expanded_once() {
        let names = Names::new("p_", "f_");
        let first = names.expand("SELECT {f}x FROM {p}y");
        assert_eq!(&*first, "SELECT f_x FROM p_y");
        assert!(Arc::ptr_eq(&first, &names.expand("SELECT {f}x FROM {p}y")));
    }
}
