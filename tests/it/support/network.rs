//! Jobs of other kinds than deployment, on the small site.

use fusion_sidecar::domain::policy::Policy;

use super::app::{self, TestApp};
use super::database::TestDb;
use super::site::{office, text};

/// Classes of targets.
pub(crate) const RANGE: &str = "PluginFusioninventoryIPRange";
pub(crate) const SWITCH: &str = "NetworkEquipment";
pub(crate) const PRINTER: &str = "Printer";
pub(crate) const COMPUTER: &str = "Computer";
pub(crate) const COLLECT: &str = "PluginFusioninventoryCollect";
pub(crate) const HYPERVISOR: &str = "PluginFusioninventoryCredentialIp";

/// A sidecar on the small site.
pub(crate) async fn site(policy: Policy) -> TestApp {
    let app = app::start(|settings| settings.dispatch.policy = policy).await;
    office(&app.db).await;
    app
}

impl TestDb {
    /// Job `id` of task 1, for agents 1 and 2: `method` on targets of one class.
    pub(crate) async fn job(&self, id: u32, method: &str, class: &str, targets: &[u32]) {
        let targets: Vec<String> = targets
            .iter()
            .map(|target| format!(r#"{{"{class}":"{target}"}}"#))
            .collect();
        self.set(&format!(
            "INSERT INTO {{p}}taskjobs (id, {{f}}tasks_id, name, method, targets, actors) VALUES ({id}, 1, 'job {id}', '{method}', {}, \
             '[{{\"PluginFusioninventoryAgent\":\"1\"}},{{\"PluginFusioninventoryAgent\":\"2\"}}]')",
            text(&format!("[{}]", targets.join(",")))
        ))
        .await;
    }

    /// Run `id` of a job on a target for agent 1, prepared, with the `uniqid` `run-ID`.
    pub(crate) async fn run_on(&self, id: u64, job: u32, class: &str, target: u32) {
        self.set(&format!(
            "INSERT INTO {{p}}taskjobstates (id, {{f}}taskjobs_id, items_id, itemtype, state, {{f}}agents_id, uniqid) \
             VALUES ({id}, {job}, {target}, '{class}', 0, 1, 'run-{id}')"
        ))
        .await;
    }

    /// Moves a run.
    pub(crate) async fn put(&self, run: u64, state: u32) {
        self.set(&format!(
            "UPDATE {{p}}taskjobstates SET state = {state} WHERE id = {run}"
        ))
        .await;
    }

    /// From now on the states that runs go through are kept; see [`TestDb::seen`].
    pub(crate) async fn keep_states(&self) {
        self.set(
            "CREATE TABLE seen (id INT AUTO_INCREMENT PRIMARY KEY, run INT, state INT);
             CREATE TRIGGER made AFTER INSERT ON {p}taskjobstates FOR EACH ROW INSERT INTO seen (run, state) VALUES (NEW.id, NEW.state);
             CREATE TRIGGER moved AFTER UPDATE ON {p}taskjobstates FOR EACH ROW \
             INSERT INTO seen (run, state) SELECT NEW.id, NEW.state FROM DUAL WHERE NEW.state <> OLD.state",
        )
        .await;
    }

    /// The states that a run has had, in order.
    pub(crate) async fn seen(&self, run: u64) -> Vec<u32> {
        self.ask(&format!(
            "SELECT state FROM seen WHERE run = {run} ORDER BY id"
        ))
        .await
    }

    /// An address range with credentials by rank.
    pub(crate) async fn range(&self, id: u32, first: &str, last: &str, credentials: &[u32]) {
        self.set(&format!(
            "INSERT INTO {{p}}ipranges (id, name, entities_id, ip_start, ip_end) VALUES ({id}, 'r', 0, '{first}', '{last}')"
        ))
        .await;
        for (rank, credential) in (1..).zip(credentials) {
            self.set(&format!(
                "INSERT INTO {{p}}ipranges_configsecurities ({{f}}ipranges_id, {{f}}configsecurities_id, `rank`) VALUES ({id}, {credential}, {rank})"
            ))
            .await;
        }
    }

    /// SNMP credential `id` for version 1 (`1`) or 2c (`2`).
    pub(crate) async fn community(&self, id: u32, version: u32, community: &str) {
        self.set(&format!(
            "INSERT INTO {{p}}configsecurities (id, name, snmpversion, community, authentication, encryption) \
             VALUES ({id}, 'c', '{version}', {}, '0', '0')",
            text(community)
        ))
        .await;
    }

    /// A switch or printer `id` at `address` (none = without one) that is asked with `credential`.
    pub(crate) async fn device(&self, class: &str, id: u32, address: &str, credential: u32) {
        let (table, key) = match class {
            SWITCH => ("networkequipments", "networkequipments_id"),
            PRINTER => ("printers", "printers_id"),
            other => panic!("{other} is no device"),
        };
        self.set(&format!(
            "INSERT INTO glpi_{table} (id, name, entities_id) VALUES ({id}, 'd', 0);
             INSERT INTO {{p}}{table} ({key}, {{f}}configsecurities_id) VALUES ({id}, {credential});
             INSERT INTO glpi_networkports (items_id, itemtype, instantiation_type) VALUES ({id}, '{class}', 'NetworkPortEthernet');
             SET @port = LAST_INSERT_ID();
             INSERT INTO glpi_networknames (items_id, itemtype) VALUES (@port, 'NetworkPort');
             SET @name = LAST_INSERT_ID();
             INSERT INTO glpi_ipaddresses (items_id, itemtype, name) VALUES (@name, 'NetworkName', '{address}')"
        ))
        .await;
    }

    /// `nb_ip`, `nb_found` and whether there is a start, of each row of `statediscoveries`.
    pub(crate) async fn discoveries(&self) -> Vec<(u32, u32, bool)> {
        self.ask(
            "SELECT nb_ip, nb_found, start_time IS NOT NULL FROM {p}statediscoveries ORDER BY id",
        )
        .await
    }
}
