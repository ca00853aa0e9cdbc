//! The fleet of the rounds: a few agents, and a task of each kind.

use crate::support::database::TestDb;
use crate::support::site::{package, text};

/// Agents `wks-1` … `wks-N`.
pub(crate) const AGENTS: u32 = 8;

/// Its runs end well, and none is prepared after that.
pub(crate) const ONCE: u32 = 2;

/// Agents fall silent on its runs, which are given up after two seconds.
pub(super) const SILENT: u32 = 3;

/// Network discovery.
pub(super) const NETWORK: u32 = 4;

/// The task whose jobs 5 and 6 run in sequence.
pub(super) const SEQUENCED: u32 = 4;

/// Job 7's task, which agents drive: once a second each, without delay.
pub(super) const DRIVEN: u32 = 5;

const PACKAGE: &str = "PluginFusioninventoryDeployPackage";
const RANGE: &str = "PluginFusioninventoryIPRange";

/// What an agent runs for a job: it knows the job by that.
pub(super) fn order(job: u32) -> String {
    format!("job-{job}")
}

/// Job 1 is prepared again and again, as are [`SILENT`] and [`NETWORK`]; [`ONCE`] is not. Each beginning of an occurrence is kept.
pub(crate) async fn fill(db: &TestDb) {
    let actors: Vec<String> = (1..=AGENTS)
        .map(|agent| format!(r#"{{"PluginFusioninventoryAgent":"{agent}"}}"#))
        .collect();
    let actors = text(&format!("[{}]", actors.join(",")));
    db.set(&format!(
        "INSERT INTO {{p}}agents (id, name, device_id) SELECT seq, CONCAT('wks-', seq), CONCAT('wks-', seq) FROM seq_1_to_{AGENTS};
         UPDATE {{p}}entities SET agent_base_url = 'http://glpi.example.com' WHERE id = 1;
         INSERT INTO {{p}}tasks (id, name, is_active, reprepare_if_successful) VALUES (1, 'again', 1, 1), (2, 'once', 1, 0), (3, 'silent', 1, 1), \
         ({SEQUENCED}, 'sequenced', 1, 1), ({DRIVEN}, 'driven', 1, 1);
         INSERT INTO {{p}}ipranges (id, name, entities_id, ip_start, ip_end) VALUES (1, 'r', 0, '10.0.0.1', '10.0.0.9');
         INSERT INTO {{p}}sidecar_jobs ({{f}}taskjobs_id, timeout) VALUES ({SILENT}, 2);
         INSERT INTO {{p}}sidecar_sequence ({{f}}taskjobs_id, `rank`, delay, after_success) VALUES (5, 1, 0, 0), (6, 1, 1, 0);
         INSERT INTO {{p}}sidecar_tasks ({{f}}tasks_id, mode, max_duration, min_period) VALUES ({SEQUENCED}, NULL, 4, 2), ({DRIVEN}, 'agent', NULL, 1);
         CREATE TABLE begun (id INT AUTO_INCREMENT PRIMARY KEY, task INT, number INT, first_run BIGINT);
         CREATE TRIGGER began_first AFTER INSERT ON {{p}}sidecar_occurrences FOR EACH ROW \
         INSERT INTO begun (task, number, first_run) VALUES (NEW.{{f}}tasks_id, NEW.number, NEW.first_run);
         CREATE TRIGGER began_next AFTER UPDATE ON {{p}}sidecar_occurrences FOR EACH ROW \
         INSERT INTO begun (task, number, first_run) SELECT NEW.{{f}}tasks_id, NEW.number, NEW.first_run FROM DUAL \
         WHERE NEW.number <> OLD.number OR NEW.first_run <> OLD.first_run OR NEW.state < OLD.state;
         CREATE TABLE begun_of_agents (agent INT, task INT, number INT, first_run BIGINT, KEY (agent, first_run));
         CREATE TRIGGER agents_first AFTER INSERT ON {{p}}sidecar_agent_occurrences FOR EACH ROW \
         INSERT INTO begun_of_agents VALUES (NEW.{{f}}agents_id, NEW.{{f}}tasks_id, NEW.number, NEW.first_run);
         CREATE TRIGGER agents_next AFTER UPDATE ON {{p}}sidecar_agent_occurrences FOR EACH ROW \
         INSERT INTO begun_of_agents SELECT NEW.{{f}}agents_id, NEW.{{f}}tasks_id, NEW.number, NEW.first_run FROM DUAL \
         WHERE NEW.number <> OLD.number OR NEW.first_run <> OLD.first_run"
    ))
    .await;
    for (job, task, method, class, target) in [
        (1, 1, "deployinstall", PACKAGE, 1),
        (ONCE, 2, "deployinstall", PACKAGE, 2),
        (SILENT, 3, "deployinstall", PACKAGE, 3),
        (NETWORK, 1, "networkdiscovery", RANGE, 1),
        (5, SEQUENCED, "deployinstall", PACKAGE, 5),
        (6, SEQUENCED, "deployinstall", PACKAGE, 6),
        (7, DRIVEN, "deployinstall", PACKAGE, 7),
    ] {
        db.set(&format!(
            "INSERT INTO {{p}}deploypackages (id, name, json) VALUES ({job}, 'package {job}', {});
             INSERT INTO {{p}}taskjobs (id, {{f}}tasks_id, name, method, targets, actors) VALUES \
             ({job}, {task}, 'job {job}', '{method}', '[{{\"{class}\":\"{target}\"}}]', {actors})",
            text(&package(&order(job)))
        ))
        .await;
    }
}
