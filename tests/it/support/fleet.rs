//! A small fleet in the tables: agents, packages, one task with a job for each package, and runs.

use super::database::TestDb;

const P: &str = "glpi_plugin_fusioninventory_";
const F: &str = "plugin_fusioninventory_";
const PACKAGE: &str = "PluginFusioninventoryDeployPackage";

/// A package without files that does nothing.
pub(crate) const EMPTY: &str = r#"{"jobs":{"checks":[],"associatedFiles":[],"actions":[],"userinteractions":[]},"associatedFiles":{}}"#;

/// The statements that make agents `wks-1` … `wks-N` (row 1 … N).
pub(crate) fn agents(count: u32) -> String {
    let rows: Vec<String> = (1..=count)
        .map(|id| format!("({id}, 0, 'wks-{id}', 'wks-{id}', 0)"))
        .collect();
    format!(
        "INSERT INTO {P}agents (id, entities_id, name, device_id, computers_id) VALUES {};
         UPDATE {P}entities SET agent_base_url = 'http://glpi.example.com' WHERE id = 1;
         INSERT INTO {P}tasks (id, entities_id, name, is_active) VALUES (1, 0, 'office', 1);",
        rows.join(",")
    )
}

/// A package, and job of the same row that hands it to all of `agents`; `json` and the run's `uniqid` hold no quote `'` or backslash.
pub(crate) fn package(id: u32, json: &str, agents: &[u32]) -> String {
    format!(
        "INSERT INTO {P}deploypackages (id, name, entities_id, json) VALUES ({id}, 'package {id}', 0, '{json}');{}",
        job(id, 1, agents)
    )
}

/// A job of `task` that hands package `id` to all of `agents`, and a prepared run `run-ID-AGENT` for each.
pub(crate) fn job(id: u32, task: u32, agents: &[u32]) -> String {
    let actors: Vec<String> = agents
        .iter()
        .map(|agent| format!(r#"{{"PluginFusioninventoryAgent":"{agent}"}}"#))
        .collect();
    let runs: Vec<String> = agents
        .iter()
        .map(|agent| format!("({id}, {id}, '{PACKAGE}', 0, {agent}, 'run-{id}-{agent}')"))
        .collect();
    format!(
        "INSERT INTO {P}taskjobs (id, {F}tasks_id, entities_id, name, method, targets, actors)
           VALUES ({id}, {task}, 0, 'job {id}', 'deployinstall', '[{{\"{PACKAGE}\":\"{id}\"}}]', '[{}]');
         INSERT INTO {P}taskjobstates ({F}taskjobs_id, items_id, itemtype, state, {F}agents_id, uniqid) VALUES {};",
        actors.join(","),
        runs.join(",")
    )
}

/// Sums over all that a PROLOG or the deploy back end may change: equal before and after, nothing has changed.
pub(crate) async fn sums(db: &TestDb) -> Vec<(String, Option<i64>)> {
    db.rows(&format!(
        "CHECKSUM TABLE {P}agents, {P}taskjobstates, {P}taskjoblogs, {P}sidecar_runs"
    ))
    .await
}

/// State of a run.
pub(crate) async fn state(db: &TestDb, uniqid: &str) -> u32 {
    let rows: Vec<u32> = db
        .rows(&format!(
            "SELECT state FROM {P}taskjobstates WHERE uniqid = '{uniqid}'"
        ))
        .await;
    assert_eq!(rows.len(), 1, "runs called {uniqid}");
    rows[0]
}

/// State and text of a run's log lines, oldest first.
pub(crate) async fn lines(db: &TestDb, uniqid: &str) -> Vec<(u32, String)> {
    db.rows(&format!(
        "SELECT l.state, l.comment FROM {P}taskjoblogs l JOIN {P}taskjobstates r ON r.id = l.{F}taskjobstates_id
         WHERE r.uniqid = '{uniqid}' ORDER BY l.id"
    ))
    .await
}
