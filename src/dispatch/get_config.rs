//! getConfig: which of its tasks an agent has work for, and where to fetch it.

use serde_json::{Value, json};

use super::{Approach, Backend, DispatchError, Dispatcher};
use crate::domain::eligibility::{Decision, Occasion};
use crate::domain::modules::Module;
use crate::domain::policy::Policy;
use crate::domain::run::RunState;

/// Seconds for which an agent may rely on the answer, as the plugin says.
const VALIDITY: u32 = 600;

/// Seconds between two runs of the ESX task, and before the first, as the plugin says.
const ESX_PERIOD: u32 = 3600;

/// A task that is fetched from a REST back end.
struct Kind {
    /// Its name in the answer; asked for in any case.
    name: &'static str,
    module: Module,
    backend: Backend,
    /// Method of its jobs.
    method: &'static str,
    /// Kind of its runs' targets.
    itemtype: &'static str,
}

const KINDS: [Kind; 3] = [
    Kind {
        name: "Deploy",
        module: Module::Deploy,
        backend: Backend::Deploy,
        method: "deployinstall",
        itemtype: "PluginFusioninventoryDeployPackage",
    },
    Kind {
        name: "ESX",
        module: Module::Esx,
        backend: Backend::Esx,
        method: "InventoryComputerESX",
        itemtype: "PluginFusioninventoryCredentialIp",
    },
    Kind {
        name: "Collect",
        module: Module::Collect,
        backend: Backend::Collect,
        method: "collect",
        itemtype: "PluginFusioninventoryCollect",
    },
];

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
        let mut asked: Vec<&Kind> = Vec::new();
        for task in tasks {
            let kind = KINDS
                .iter()
                .find(|kind| kind.name.eq_ignore_ascii_case(task));
            asked.extend(kind.filter(|kind| modules.allows(kind.module, agent.id)));
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
                    let methods: Vec<&str> = asked.iter().map(|kind| kind.method).collect();
                    let judged = self
                        .judge(
                            &mut snapshot,
                            &agent,
                            runs,
                            Occasion::GetConfig,
                            Some(&methods),
                        )
                        .await?;
                    let deliverable = judged
                        .into_iter()
                        .filter(|judged| judged.decision == Decision::Deliver);
                    deliverable.map(|judged| judged.run.itemtype).collect()
                }
            };
            for kind in asked {
                if ready.iter().any(|itemtype| itemtype == kind.itemtype) {
                    let remote =
                        self.address(&snapshot.catalogue, approach, kind.backend, agent.entity)?;
                    schedule.push(match kind.backend {
                        Backend::Esx => json!({
                            "periodicity": ESX_PERIOD, "delayStartup": ESX_PERIOD, "task": kind.name, "remote": remote,
                        }),
                        Backend::Deploy | Backend::Collect => json!({ "task": kind.name, "remote": remote }),
                    });
                }
            }
        }
        Ok(json!({ "configValidityPeriod": VALIDITY, "schedule": schedule }))
    }
}
