//! Cleaning: which runs, log lines and tasks go, that nobody waits for it, and that it can be broken off anywhere.

#[path = "cleaning/demand.rs"]
mod demand;
#[path = "cleaning/fleet.rs"]
mod fleet;
#[path = "cleaning/leftovers.rs"]
mod leftovers;
#[path = "cleaning/runs.rs"]
mod runs;
#[path = "cleaning/together.rs"]
mod together;

use fusion_sidecar::config::Settings;
use fusion_sidecar::domain::policy::Policy;

use crate::support::app::{TestApp, start_on};
use crate::support::database::{TestDb, fresh};
use crate::support::site::office;

/// Older than the 20 days of `delete_task`: the clock stands at 2026-03-04 12:00.
const OLD: &str = "2026-02-01 12:00:00";
/// Younger.
const YOUNG: &str = "2026-03-01 12:00:00";

/// A sidecar on the small site, the task not to be repeated after a success.
async fn site(policy: Policy, configure: impl FnOnce(&mut Settings)) -> TestApp {
    let db = fresh().await;
    office(&db).await;
    db.set("UPDATE {p}tasks SET reprepare_if_successful = 0")
        .await;
    start_on(db, |settings| {
        settings.dispatch.policy = policy;
        configure(settings);
    })
    .await
}

impl TestDb {
    /// A run of job 1 for an agent in a state, with a log line of each of `dates`.
    async fn past(&self, id: u64, agent: u32, state: u32, dates: &[&str]) {
        self.run(id, agent, state).await;
        for date in dates {
            self.line(id, date).await;
        }
    }

    /// A log line of a run.
    async fn line(&self, run: u64, date: &str) {
        self.set(&format!(
            "INSERT INTO {{p}}taskjoblogs ({{f}}taskjobstates_id, date, state, comment) VALUES ({run}, '{date}', 5, '')"
        ))
        .await;
    }

    /// Sets one of the plugin's settings.
    async fn setting(&self, name: &str, value: &str) {
        self.set(&format!(
            "UPDATE {{p}}configs SET value = '{value}' WHERE type = '{name}'"
        ))
        .await;
    }

    /// Ids of all runs.
    async fn run_ids(&self) -> Vec<u64> {
        self.ask("SELECT id FROM {p}taskjobstates ORDER BY id")
            .await
    }

    /// The run of each log line.
    async fn line_runs(&self) -> Vec<u64> {
        self.ask("SELECT {f}taskjobstates_id FROM {p}taskjoblogs ORDER BY 1")
            .await
    }

    /// How many log lines have no run.
    async fn strays(&self) -> u64 {
        let count: Vec<u64> = self
            .ask(
                "SELECT COUNT(*) FROM {p}taskjoblogs l LEFT JOIN {p}taskjobstates r ON r.id = l.{f}taskjobstates_id WHERE r.id IS NULL",
            )
            .await;
        count[0]
    }
}
