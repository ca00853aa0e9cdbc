//! getConfig: which of its tasks an agent has work for, and where to fetch it.

use serde_json::{Value, json};

use super::collect::COLLECT;
use super::deploy::DEPLOY;
use super::esx::ESX;
use super::hand_out::Asked;
use super::{Approach, Backend, DispatchError, Dispatcher};
use crate::domain::eligibility::{Decision, Occasion};
use crate::domain::policy::Policy;
use crate::domain::run::RunState;

/// Seconds for which an agent may rely on the answer, as the plugin says.
const VALIDITY: u32 = 600;

/// Seconds between two runs of the ESX task, and before the first, as the plugin says.
const ESX_PERIOD: u32 = 3600;

/// The tasks that are fetched from a REST back end.
const TASKS: [&Asked; 3] = [&DEPLOY, &ESX, &COLLECT];

impl Dispatcher {
    /// The answer to getConfig; `tasks` are the keys of the parameter `task`, in their order.
    ///
    /// # Errors
    ///
    /// When the agent is unknown or locked, GLPI is closed, or the database fails. Nothing is written.
    pub async fn get_config(
        &self,
        machineid: &str,
        tasks: &[&str],
        approach: &Approach,
    ) -> Result<Value, DispatchError> {
        let mut snapshot = self.open_catalogue().await?;
        let agent = self.unlocked_agent(machineid).await?;
        let modules = &snapshot.catalogue.modules;
        let mut asked: Vec<&Asked> = Vec::new();
        for name in tasks {
            let task = TASKS
                .into_iter()
                .find(|task| task.name.eq_ignore_ascii_case(name));
            asked.extend(task.filter(|task| modules.allows(task.module, agent.id)));
        }
        let mut schedule = Vec::new();
        if !asked.is_empty() {
            let runs = self.db.open_runs(agent.id).await?;
            let ready: Vec<String> = match self.policy {
                // PHP counts prepared runs by the kind of their target and looks at nothing else.
                Policy::Plugin => runs
                    .into_iter()
                    .filter(|run| run.state == RunState::Prepared)
                    .map(|run| run.itemtype)
                    .collect(),
                Policy::Redux => {
                    let methods: Vec<&str> = asked.iter().map(|task| task.method).collect();
                    let judged = self
                        .judge(&mut snapshot, &agent, runs, Occasion::GetConfig, &methods)
                        .await?;
                    let deliverable = judged
                        .into_iter()
                        .filter(|judged| judged.decision == Decision::Deliver);
                    let judged = deliverable.map(|judged| judged.run.itemtype);
                    let offered = self.offered(&snapshot, &agent, &methods).await?.runs;
                    let offered = offered.into_iter().map(|(_, run)| run.itemtype);
                    judged.chain(offered).collect()
                }
            };
            for task in asked {
                if ready.iter().any(|itemtype| itemtype == task.itemtype) {
                    let remote =
                        self.address(&snapshot.catalogue, approach, task.backend, agent.entity)?;
                    schedule.push(match task.backend {
                        Backend::Esx => json!({
                            "periodicity": ESX_PERIOD, "delayStartup": ESX_PERIOD, "task": task.name, "remote": remote,
                        }),
                        Backend::Deploy | Backend::Collect => json!({ "task": task.name, "remote": remote }),
                    });
                }
            }
        }
        Ok(json!({ "configValidityPeriod": VALIDITY, "schedule": schedule }))
    }
}
