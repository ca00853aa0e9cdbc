//! A small site in the tables, and what became of its runs. `{p}` and `{f}` in statements are the plugin's table prefix and
//! foreign-key stem.

use serde_json::json;

use super::database::TestDb;

const P: &str = "glpi_plugin_fusioninventory_";
const F: &str = "plugin_fusioninventory_";

/// Two agents with a computer each (`wks-1`, `wks-2`), and task 1 with job 1, which installs package 1 on computer 1, at any time, and
/// again when it ended well. No run is prepared.
pub(crate) async fn office(db: &TestDb) {
    db.set(&format!(
        "UPDATE {{p}}entities SET agent_base_url = 'http://glpi.example.com' WHERE id = 1;
         INSERT INTO glpi_computers (id, name, entities_id) VALUES (1, 'wks-1', 0), (2, 'wks-2', 0);
         INSERT INTO {{p}}agents (id, name, device_id, computers_id) VALUES (1, 'wks-1', 'wks-1', 1), (2, 'wks-2', 'wks-2', 2);
         INSERT INTO {{p}}deploypackages (id, name, json) VALUES (1, 'editor', {});
         INSERT INTO {{p}}tasks (id, name, is_active, reprepare_if_successful) VALUES (1, 'office', 1, 1);
         INSERT INTO {{p}}taskjobs (id, {{f}}tasks_id, name, method, targets, actors) VALUES \
         (1, 1, 'job 1', 'deployinstall', '[{{\"PluginFusioninventoryDeployPackage\":\"1\"}}]', '[{{\"Computer\":\"1\"}}]')",
        text(&package("echo hello"))
    ))
    .await;
}

/// How GLPI is closed, how it is opened again, and what is said meanwhile.
pub(crate) const CLOSED: [(&str, &str, &str); 4] = [
    (
        "UPDATE glpi_configs SET value = '1' WHERE name = 'maintenance_mode'",
        "UPDATE glpi_configs SET value = '0' WHERE name = 'maintenance_mode'",
        "GLPI is in maintenance",
    ),
    (
        "UPDATE glpi_plugins SET state = 4",
        "UPDATE glpi_plugins SET state = 1",
        "the FusionInventory plugin is not in service",
    ),
    (
        "UPDATE glpi_plugins SET state = 6",
        "UPDATE glpi_plugins SET state = 1",
        "the FusionInventory plugin is not in service",
    ),
    (
        "UPDATE glpi_plugins SET directory = 'gone'",
        "UPDATE glpi_plugins SET directory = 'fusioninventory'",
        "the FusionInventory plugin is not in service",
    ),
];

/// A statement with the names that stand for `{p}` and `{f}`.
pub(crate) fn expand(sql: &str) -> String {
    sql.replace("{p}", P).replace("{f}", F)
}

/// `value` as a literal of SQL.
pub(crate) fn text(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "''"))
}

/// The stored definition of a package that runs `command`.
pub(crate) fn package(command: &str) -> String {
    json!({
        "jobs": {
            "checks": [], "associatedFiles": [], "userinteractions": [],
            "actions": [{"cmd": {"exec": command, "name": "say hello"}}],
        },
        "associatedFiles": {},
    })
    .to_string()
}

/// The execution slot of task 1 is open on Wednesdays from 13:00 to 14:00.
pub(crate) const SLOT_OPENS_AT_ONE: &str =
    "INSERT INTO {p}timeslotentries ({f}timeslots_id, day, `begin`, `end`) VALUES (1, 3, 46800, 50400);
     UPDATE {p}tasks SET {f}timeslots_exec_id = 1";

impl TestDb {
    /// Runs statements; as in GLPI's own sessions, columns that are not named get the default of their type.
    pub(crate) async fn set(&self, sql: &str) {
        let sql = sql.replace("{p}", P).replace("{f}", F);
        self.exec(&format!("SET SESSION sql_mode = ''; {sql}"))
            .await;
    }

    /// The rows of a query.
    pub(crate) async fn ask<T: mysql_async::prelude::FromRow + Send + 'static>(
        &self,
        sql: &str,
    ) -> Vec<T> {
        self.rows(&expand(sql)).await
    }

    /// A run of job 1 for an agent, with the `uniqid` `run-ID`.
    pub(crate) async fn run(&self, id: u64, agent: u32, state: u32) {
        self.run_of(id, 1, agent, state).await;
    }

    /// A run of a job on package 1 for an agent.
    pub(crate) async fn run_of(&self, id: u64, job: u32, agent: u32, state: u32) {
        self.set(&format!(
            "INSERT INTO {{p}}taskjobstates (id, {{f}}taskjobs_id, items_id, itemtype, state, {{f}}agents_id, uniqid) \
             VALUES ({id}, {job}, 1, 'PluginFusioninventoryDeployPackage', {state}, {agent}, 'run-{id}')"
        ))
        .await;
    }

    /// The state of a run.
    pub(crate) async fn state(&self, run: u64) -> u32 {
        let states = self
            .ask(&format!(
                "SELECT state FROM {{p}}taskjobstates WHERE id = {run}"
            ))
            .await;
        assert_eq!(states.len(), 1, "run {run}");
        states[0]
    }

    /// The states of all runs by id.
    pub(crate) async fn states(&self) -> Vec<u32> {
        self.ask("SELECT state FROM {p}taskjobstates ORDER BY id")
            .await
    }

    /// The log of a run: state and text of each line.
    pub(crate) async fn log(&self, run: u64) -> Vec<(u32, String)> {
        self.ask(&format!(
            "SELECT state, comment FROM {{p}}taskjoblogs WHERE {{f}}taskjobstates_id = {run} ORDER BY id"
        ))
        .await
    }

    /// The states of a run's log lines.
    pub(crate) async fn log_states(&self, run: u64) -> Vec<u32> {
        self.log(run)
            .await
            .into_iter()
            .map(|(state, _)| state)
            .collect()
    }
}
