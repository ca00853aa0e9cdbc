//! Which agent may do what: the plugin's `agentmodules`.

use std::collections::{HashMap, HashSet};

use super::ids::{self, AgentId};

/// A kind of work that agents can be allowed, by its `modulename`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Module {
    /// Inventory of the agent's own machine.
    Inventory,
    /// Packages.
    Deploy,
    /// Files, registry, WMI.
    Collect,
    /// Hypervisors.
    Esx,
    /// Devices on the network.
    Discovery,
    /// Switches and printers.
    NetworkInventory,
    /// Waking computers up.
    WakeOnLan,
}

impl Module {
    /// The name in the table.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inventory => "INVENTORY",
            Self::Deploy => "DEPLOY",
            Self::Collect => "Collect",
            Self::Esx => "InventoryComputerESX",
            Self::Discovery => "NETWORKDISCOVERY",
            Self::NetworkInventory => "NETWORKINVENTORY",
            Self::WakeOnLan => "WAKEONLAN",
        }
    }
}

/// All modules: on or off, with the agents for which it is the contrary.
#[derive(Debug, Clone, Default)]
pub struct Modules(HashMap<String, (bool, HashSet<AgentId>)>);

impl Modules {
    /// Takes a row. `exceptions` is a JSON list of agent ids, mostly strings; what is no id in it says nothing.
    pub fn insert(&mut self, name: &str, active: bool, exceptions: &str) {
        let listed = serde_json::from_str::<Vec<serde_json::Value>>(exceptions).unwrap_or_default();
        let ids = listed.iter().filter_map(ids::number);
        self.0
            .insert(name.to_owned(), (active, ids.map(AgentId).collect()));
    }

    /// Whether `agent` may do `module`. A module without a row is off, as in the plugin.
    #[must_use]
    pub fn allows(&self, module: Module, agent: AgentId) -> bool {
        self.0
            .get(module.name())
            .is_some_and(|(active, exceptions)| *active != exceptions.contains(&agent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceptions_turn_the_switch_round() {
        for (active, exceptions, allowed) in [
            (true, "[]", true),
            (false, "[]", false),
            (true, r#"["1"]"#, false),
            (false, r#"["1"]"#, true),
            (false, "[1]", true),
            (true, r#"["2", "x", null]"#, true),
            (true, "broken", true),
            (true, "", true),
        ] {
            let mut modules = Modules::default();
            modules.insert("DEPLOY", active, exceptions);
            assert_eq!(
                modules.allows(Module::Deploy, AgentId(1)),
                allowed,
                "{active} {exceptions}"
            );
            assert!(
                !modules.allows(Module::Collect, AgentId(1)),
                "a module without a row is off"
            );
        }
    }
}
