//! Where things are in GLPI.

use url::Url;

/// GLPI's pages, if it is known where they are.
#[derive(Debug, Clone, Default)]
pub struct Links {
    /// GLPI's own address, without a slash at its end.
    glpi: Option<String>,
    /// That of the plugin.
    plugin: Option<String>,
}

/// Classes with a page of their own in GLPI.
const OF_GLPI: [(&str, &str); 6] = [
    ("Computer", "computer"),
    ("NetworkEquipment", "networkequipment"),
    ("Printer", "printer"),
    ("Phone", "phone"),
    ("Peripheral", "peripheral"),
    ("Monitor", "monitor"),
];

/// The same in the plugin.
const OF_PLUGIN: [(&str, &str); 7] = [
    ("PluginFusioninventoryAgent", "agent"),
    ("PluginFusioninventoryCollect", "collect"),
    ("PluginFusioninventoryCredentialIp", "credentialip"),
    ("PluginFusioninventoryDeployPackage", "deploypackage"),
    ("PluginFusioninventoryIPRange", "iprange"),
    ("PluginFusioninventoryTask", "task"),
    ("PluginFusioninventoryUnmanaged", "unmanaged"),
];

impl Links {
    /// GLPI at `glpi`, the plugin's pages at `plugin`.
    #[must_use]
    pub fn new(glpi: Option<&Url>, plugin: Option<&str>) -> Self {
        Self {
            glpi: glpi.map(|url| url.as_str().trim_end_matches('/').to_owned()),
            plugin: plugin.map(str::to_owned),
        }
    }

    /// The page of a row of `itemtype`; none for row 0, and for a class that is not known to have one.
    #[must_use]
    pub fn item(&self, itemtype: &str, id: u32) -> Option<String> {
        let form = |classes: &[(&str, &'static str)]| {
            let known = classes.iter().find(|(class, _)| *class == itemtype);
            known.map(|(_, form)| *form)
        };
        let (base, form) = match (form(&OF_GLPI), form(&OF_PLUGIN)) {
            (Some(form), _) => (&self.glpi, form),
            (None, Some(form)) => (&self.plugin, form),
            (None, None) => return None,
        };
        let base = base.as_ref().filter(|_| id > 0)?;
        Some(format!("{base}/front/{form}.form.php?id={id}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_classes_have_pages() {
        let glpi: Url = "https://g.example/glpi/".parse().unwrap();
        let plugin = "https://g.example/glpi/plugins/fusioninventory";
        let links = Links::new(Some(&glpi), Some(plugin));
        for (class, id, page) in [
            ("Computer", 7, Some("front/computer.form.php?id=7")),
            (
                "PluginFusioninventoryDeployPackage",
                3,
                Some("plugins/fusioninventory/front/deploypackage.form.php?id=3"),
            ),
            ("Computer", 0, None),
            ("javascript:alert(1)//", 1, None),
            ("../../x", 1, None),
            ("", 1, None),
        ] {
            let page = page.map(|page| format!("https://g.example/glpi/{page}"));
            assert_eq!(links.item(class, id), page, "{class}");
        }
        assert_eq!(Links::default().item("Computer", 7), None);
    }
}
