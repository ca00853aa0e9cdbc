//! Whether GLPI and its plugin are there to be worked with: if not, nothing is answered, prepared or cleaned.

use std::fmt;

/// GLPI and its plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Site {
    /// Everything is up.
    #[default]
    Open,
    /// Hands off.
    Closed(Closed),
}

/// Why GLPI is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// GLPI is in maintenance.
    Maintenance,
    /// The plugin is not installed, switched off, or being updated (`glpi_plugins.state`).
    PluginOff,
}

/// The state of a plugin that is active. With every other one, a pending update among them, PHP does not answer agents either.
const ACTIVE: i64 = 1;

impl Site {
    /// By the state of the plugin's row in `glpi_plugins`, and GLPI's setting `maintenance_mode`.
    #[must_use]
    pub fn of(plugin_state: Option<i64>, maintenance_mode: Option<&str>) -> Self {
        if plugin_state != Some(ACTIVE) {
            return Self::Closed(Closed::PluginOff);
        }
        match maintenance_mode {
            None | Some("" | "0") => Self::Open,
            Some(_) => Self::Closed(Closed::Maintenance),
        }
    }

    /// # Errors
    ///
    /// When it is closed.
    pub const fn open(self) -> Result<(), Closed> {
        match self {
            Self::Open => Ok(()),
            Self::Closed(closed) => Err(closed),
        }
    }
}

impl Closed {
    /// For people, agents among them.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Maintenance => "GLPI is in maintenance",
            Self::PluginOff => "the FusionInventory plugin is not in service",
        }
    }

    /// A stable short word for logs and metrics.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Maintenance => "maintenance",
            Self::PluginOff => "plugin-off",
        }
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_open_with_an_active_plugin_and_without_maintenance() {
        let (maintenance, off) = (Err(Closed::Maintenance), Err(Closed::PluginOff));
        for (state, mode, open) in [
            (Some(1), None, Ok(())),
            (Some(1), Some(""), Ok(())),
            (Some(1), Some("0"), Ok(())),
            (Some(1), Some("1"), maintenance),
            // Not installed; new, to be configured, not activated, to be cleaned, being updated.
            (None, None, off),
            (Some(0), None, off),
            (Some(3), None, off),
            (Some(4), None, off),
            (Some(5), None, off),
            (Some(6), Some("0"), off),
            (Some(6), Some("1"), off),
        ] {
            assert_eq!(Site::of(state, mode).open(), open, "{state:?} {mode:?}");
        }
    }
}
