//! Where PHP is, by the form of `upstream-url`.

use url::Url;

use crate::config::PluginBase;

/// How addresses of the plugin's own directory end.
const DIRECTORIES: [&str; 2] = ["/plugins/fusioninventory", "/marketplace/fusioninventory"];

/// How the address of GLPI's own reader of inventories ends.
const NATIVE: &str = "/front/inventory.php";

/// Addresses at PHP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The plugin's own directory, without a slash at the end.
    pub(super) plugin: String,
    /// GLPI's own reader of inventories, where messages go to it.
    pub(super) native: Option<String>,
}

impl Place {
    /// By `url`: GLPI's address, with the plugin where `plugin_base` says; the plugin's own; or that of GLPI's `front/inventory.php`.
    #[must_use]
    pub fn of(url: &Url, plugin_base: Option<PluginBase>) -> Self {
        let base = plugin_base.unwrap_or_default().directory();
        let text = url.as_str().trim_end_matches('/');
        if DIRECTORIES.iter().any(|ending| text.ends_with(ending)) {
            return Self {
                plugin: text.to_owned(),
                native: None,
            };
        }
        let native = text.ends_with(NATIVE).then(|| text.to_owned());
        let glpi = text.strip_suffix(NATIVE).unwrap_or(text);
        Self {
            plugin: format!("{glpi}/{base}/fusioninventory"),
            native,
        }
    }

    /// Whether messages go to GLPI's own reader, which knows no runs.
    #[must_use]
    pub const fn is_native(&self) -> bool {
        self.native.is_some()
    }

    /// The address of messages that came to `path` behind the agents' prefix; none is the directory itself, which goes on with its slash: a
    /// web server would answer with a redirection to an address of its own, which agents may not reach.
    pub(super) fn of_message(&self, path: &str) -> String {
        match &self.native {
            Some(native) => native.clone(),
            None => self.of_page(path, None),
        }
    }

    /// The address of a page.
    pub(super) fn of_page(&self, path: &str, query: Option<&str>) -> String {
        let path = if path.is_empty() { "/" } else { path };
        match query {
            Some(query) => format!("{}{path}?{query}", self.plugin),
            None => format!("{}{path}", self.plugin),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const MARKET: Option<PluginBase> = Some(PluginBase::Marketplace);

    #[rstest]
    #[case(
        "https://glpi.example",
        None,
        "https://glpi.example/plugins/fusioninventory"
    )]
    #[case(
        "https://glpi.example/glpi/",
        MARKET,
        "https://glpi.example/glpi/marketplace/fusioninventory"
    )]
    // The plugin's own address says where it lies.
    #[case(
        "http://127.0.0.1:8087/glpi/plugins/fusioninventory/",
        MARKET,
        "http://127.0.0.1:8087/glpi/plugins/fusioninventory"
    )]
    #[case(
        "http://x/marketplace/fusioninventory",
        None,
        "http://x/marketplace/fusioninventory"
    )]
    // Another directory of GLPI's address that happens to have its name.
    #[case(
        "http://x/fusioninventory",
        None,
        "http://x/fusioninventory/plugins/fusioninventory"
    )]
    fn the_plugin_is_found(
        #[case] url: &str,
        #[case] base: Option<PluginBase>,
        #[case] plugin: &str,
    ) {
        let place = Place::of(&url.parse().unwrap(), base);
        assert!(!place.is_native());
        assert_eq!(place.of_message(""), format!("{plugin}/"));
        assert_eq!(
            place.of_message("/front/communication.php"),
            format!("{plugin}/front/communication.php")
        );
        assert_eq!(
            place.of_page("/front/x.php", Some("a=%20")),
            format!("{plugin}/front/x.php?a=%20")
        );
    }

    #[test]
    fn messages_go_to_glpis_own_reader_and_pages_to_the_plugin() {
        let url = "https://x/glpi/front/inventory.php".parse().unwrap();
        let place = Place::of(&url, MARKET);
        assert!(place.is_native());
        for path in ["", "/", "/index.php"] {
            assert_eq!(place.of_message(path), url.as_str());
        }
        assert_eq!(
            place.of_page("/front/x.php", None),
            "https://x/glpi/marketplace/fusioninventory/front/x.php"
        );
    }
}
