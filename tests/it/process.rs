//! The built binary: how it starts, what it refuses, what it logs, how it ends.

#[path = "process/commands.rs"]
mod commands;
#[path = "process/configuration.rs"]
mod configuration;
#[path = "process/log.rs"]
mod log;
#[path = "process/several.rs"]
mod several;
#[path = "process/signals.rs"]
mod signals;
#[path = "process/takeover.rs"]
mod takeover;

use std::collections::BTreeSet;

use crate::support::database::{TestDb, fresh};

const AGENT: &str = "pc-1-2026-01-01-00-00-00";
const RUN: &str = "/plugins/fusioninventory/b/deploy/?action=setStatus&machineid=pc-1-2026-01-01-00-00-00&uuid=run-1\
    &part=job&currentStep=checking&status=ok&msg=";

/// An agent with one run that was sent to it.
const SENT_RUN: &str = "\
    INSERT INTO glpi_plugin_fusioninventory_agents (id, name, device_id) VALUES (1, 'pc-1', 'pc-1-2026-01-01-00-00-00'); \
    INSERT INTO glpi_plugin_fusioninventory_taskjobstates (id, plugin_fusioninventory_taskjobs_id, items_id, itemtype, state, \
      plugin_fusioninventory_agents_id, uniqid) VALUES (1, 1, 1, 'PluginFusioninventoryDeployPackage', 1, 1, 'run-1')";

/// A database with [`SENT_RUN`].
async fn with_sent_run() -> TestDb {
    let db = fresh().await;
    db.exec(SENT_RUN).await;
    db
}

async fn comments(db: &TestDb) -> BTreeSet<String> {
    let rows: Vec<String> = db
        .rows("SELECT comment FROM glpi_plugin_fusioninventory_taskjoblogs")
        .await;
    rows.into_iter().collect()
}
