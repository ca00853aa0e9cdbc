//! setStatus: an agent reports on a deployment.

use super::{DispatchError, Dispatcher, change, ignore_foreign};
use crate::db::writer::{Change, Line, Step};
use crate::domain::actors::Agent;
use crate::domain::policy::Policy;
use crate::domain::report::{Status, read};
use crate::domain::run::{LogState, Reported, Run, RunState, StateSet, log_state};

impl Dispatcher {
    /// Takes a report on the run that the agent calls `uuid`. A run that does not exist is no error: the agent is told the same.
    ///
    /// # Errors
    ///
    /// When the agent is unknown or locked, GLPI is closed, or the database fails; then nothing was written.
    pub async fn set_status(
        &self,
        machineid: &str,
        uuid: &str,
        status: &Status<'_>,
    ) -> Result<(), DispatchError> {
        self.open_catalogue().await?;
        let agent = self.unlocked_agent(machineid).await?;
        let runs = self.own_runs(&agent, uuid).await?;
        let report = read(status);
        let mut lines = Vec::new();
        if self.policy == Policy::Redux {
            // The plugin loses these.
            lines.extend(
                report
                    .output
                    .iter()
                    .map(|text| self.foreign_line(LogState::Running, text)),
            );
        }
        let speaks = status.msg.is_some_and(|msg| !msg.is_empty());
        if speaks || lines.is_empty() || report.reported != Reported::Progress {
            lines.push(self.foreign_line(log_state(report.reported), &report.text));
        }
        let changes = runs
            .iter()
            .map(|run| self.reported(run, report.reported, lines.clone()))
            .collect();
        self.writer.write(self.request(changes)).await?;
        Ok(())
    }

    /// The runs called `uuid` that `agent` may speak of: for `redux` only its own.
    pub(super) async fn own_runs(
        &self,
        agent: &Agent,
        uuid: &str,
    ) -> Result<Vec<Run>, DispatchError> {
        let mut runs = self.db.runs_by_uniqid(uuid).await?;
        if self.policy == Policy::Redux {
            let before = runs.len();
            runs.retain(|run| run.agent == agent.id);
            if runs.len() < before {
                ignore_foreign(agent, uuid);
            }
        }
        Ok(runs)
    }

    /// What a report of progress does where the plugin moves the run whatever its state: collects and discoveries.
    pub(super) fn progress(&self) -> Step {
        match self.policy {
            Policy::Plugin => Step::Move {
                from: StateSet::ANY,
                to: RunState::Running,
            },
            Policy::Redux => Step::Report {
                policy: self.policy,
                reported: Reported::Progress,
            },
        }
    }

    pub(super) fn reported(&self, run: &Run, reported: Reported, lines: Vec<Line>) -> Change {
        let policy = self.policy;
        change(run, Step::Report { policy, reported }, lines)
    }
}
