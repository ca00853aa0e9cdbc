//! Which tables a replay may empty and fill, and which must hold nobody else's rows: this program's own list, whatever a base says.

use std::collections::BTreeSet;

use super::ScratchError;
use super::claim::TABLE;
use crate::db::names::Names;
use crate::db::schema::{AGENT_BUCKETS, FOUND_BUCKETS, shared_tables};

/// Begins the names of the sidecar's own tables.
const OWN: &str = "{p}sidecar_";
/// The own table that says which version the others have.
const VERSION: &str = "{p}sidecar_schema";

/// Shared tables that say nothing of a site: what an installation of GLPI 10.0 and the plugin 10.0.6+1.1 knows of hardware, rights and
/// settings, and what GLPI logs of itself. No replay touches them, so nobody's rows in them are looked at.
const STOCK: [&str; 19] = [
    "glpi_configs",
    "glpi_plugins",
    "glpi_crontasks",
    "glpi_crontasklogs",
    "glpi_logs",
    "glpi_profiles",
    "glpi_profiles_users",
    "glpi_profilerights",
    "{p}configlogfields",
    "{p}inventorycomputerblacklists",
    "{p}inventorycomputercriterias",
    "{p}inventorycomputerstats",
    "{p}mappings",
    "{p}networkporttypes",
    "{p}ouis",
    "{p}pcidevices",
    "{p}pcivendors",
    "{p}usbdevices",
    "{p}usbvendors",
];

/// The other tables in which a fresh GLPI 10.0 with the plugin 10.0.6+1.1 and the sidecar has rows, and how many at most.
const FRESH: [(&str, u64); 9] = [
    ("glpi_entities", 1),
    // GLPI's five accounts and the plugin's.
    ("glpi_users", 6),
    ("{p}entities", 1),
    ("{p}agentmodules", 20),
    ("{p}configs", 100),
    // Two communities that every installation begins with.
    ("{p}configsecurities", 2),
    // A sidecar that serves it.
    ("{p}sidecar_leases", 10),
    ("{p}sidecar_heartbeats", 1000),
    ("{p}sidecar_locks", (AGENT_BUCKETS + FOUND_BUCKETS) as u64),
];

/// The shared tables that replays may empty and fill. Each must hold nobody else's rows.
pub(super) fn replayed() -> BTreeSet<String> {
    let names = Names::fusioninventory();
    let mut tables: BTreeSet<String> = shared_tables().into_iter().collect();
    for stock in STOCK {
        tables.remove(&names.replace(stock));
    }
    tables
}

/// Whether `table` is one of the sidecar's own that hold content.
pub(super) fn is_own(table: &str) -> bool {
    let names = Names::fusioninventory();
    table.starts_with(&*names.expand(OWN))
        && ![TABLE, VERSION]
            .map(|name| names.expand(name))
            .contains(&table.into())
}

/// How many rows `table` has at most after a fresh installation.
pub(super) fn most_fresh(table: &str) -> u64 {
    let names = Names::fusioninventory();
    let fresh = FRESH.iter().find(|(name, _)| *names.expand(name) == *table);
    fresh.map_or(0, |(_, most)| *most)
}

/// Refuses tables to be emptied (`watched`) that are not this program's to empty, and tables to be filled that are not emptied.
pub(crate) fn permit<'a>(
    watched: &[String],
    filled: impl IntoIterator<Item = &'a String>,
) -> Result<(), ScratchError> {
    let replayed = replayed();
    if let Some(table) = watched.iter().find(|table| !replayed.contains(*table)) {
        return Err(ScratchError::NotReplayed(table.clone()));
    }
    match filled.into_iter().find(|table| !watched.contains(table)) {
        Some(table) => Err(ScratchError::NotWatched(table.clone())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn every_table_that_is_named_is_shared_or_own() {
        let names = Names::fusioninventory();
        let shared = shared_tables();
        for table in STOCK {
            assert!(shared.contains(&names.replace(table)), "{table}");
            assert_eq!(most_fresh(&names.replace(table)), 0, "{table}");
        }
        let replayed = replayed();
        for (table, most) in FRESH {
            let table = names.replace(table);
            assert!(replayed.contains(&table) || is_own(&table), "{table}");
            assert_eq!(most_fresh(&table), most);
        }
        assert_eq!(replayed.len() + STOCK.len(), shared.len());
    }

    #[rstest]
    #[case("glpi_plugin_fusioninventory_sidecar_hours", true)]
    #[case("glpi_plugin_fusioninventory_sidecar_of_a_later_version", true)]
    #[case("glpi_plugin_fusioninventory_sidecar_schema", false)]
    #[case("glpi_plugin_fusioninventory_sidecar_scratch", false)]
    #[case("glpi_plugin_fusioninventory_tasks", false)]
    #[case("glpi_plugin_other_sidecar_hours", false)]
    fn own_tables(#[case] table: &str, #[case] own: bool) {
        assert_eq!(is_own(table), own);
    }
}
