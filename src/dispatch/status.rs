//! setStatus: an agent reports on a deployment.

use super::{DispatchError, Dispatcher};
use crate::db::writer::{Change, Line, Step};
use crate::domain::policy::Policy;
use crate::domain::report::{Status, read};
use crate::domain::run::{LogState, Reported, Run, log_state};

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
        agent: &crate::domain::actors::Agent,
        uuid: &str,
    ) -> Result<Vec<Run>, DispatchError> {
        let mut runs = self.db.runs_by_uniqid(uuid).await?;
        if self.policy == Policy::Redux {
            let before = runs.len();
            runs.retain(|run| run.agent == agent.id);
            if runs.len() < before {
                self.ignore_foreign(agent, uuid);
            }
        }
        Ok(runs)
    }

    /// Counts and logs that a report on the run that the agent calls `run` is ignored, for a `reason` that metrics can be labelled with.
    #[expect(
        clippy::unused_self,
        reason = "what a use case does stands with the use cases"
    )]
    pub(super) fn ignore_report(&self, reason: &'static str, run: &str) {
        metrics::counter!("fusion_sidecar_reports_ignored_total", "reason" => reason).increment(1);
        tracing::warn!(reason, run = super::cut(run, 64), "a report is ignored");
    }

    /// Counts and logs that `agent` spoke of a run that is not its own.
    #[expect(
        clippy::unused_self,
        reason = "what a use case does stands with the use cases"
    )]
    pub(super) fn ignore_foreign(&self, agent: &crate::domain::actors::Agent, uuid: &str) {
        metrics::counter!("fusion_sidecar_reports_ignored_total", "reason" => "foreign-run")
            .increment(1);
        tracing::warn!(
            agent.id = agent.id.0,
            run.uniqid = uuid,
            "a report on another agent's run is ignored"
        );
    }

    pub(super) fn reported(&self, run: &Run, reported: Reported, lines: Vec<Line>) -> Change {
        Change {
            run: run.id,
            itemtype: run.itemtype.clone(),
            items_id: run.items_id,
            step: Step::Report {
                policy: self.policy,
                reported,
            },
            lines,
        }
    }
}
