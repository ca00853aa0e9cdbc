//! The ESX back end: which hypervisors an agent inventories, and how that went.

use serde_json::{Value, json};

use super::hand_out::{Asked, HandOut};
use super::{Backend, DispatchError, Dispatcher, line};
use crate::domain::modules::Module;
use crate::domain::policy::Policy;
use crate::domain::run::{LogState, Reported, log_state};
use crate::proto::text;

pub(super) const ESX: Asked = Asked {
    name: "ESX",
    backend: Backend::Esx,
    method: "InventoryComputerESX",
    itemtype: "PluginFusioninventoryCredentialIp",
    module: Module::Esx,
};

impl Dispatcher {
    /// The answer to getJobs of the ESX back end; `{}` when there is nothing to do.
    ///
    /// # Errors
    ///
    /// When GLPI is closed or the database fails; then nothing was handed out.
    pub async fn esx_jobs(&self, machineid: &str) -> Result<Value, DispatchError> {
        let mut snapshot = self.open_catalogue().await?;
        let Some(agent) = self.any_agent(machineid).await? else {
            return Ok(json!({}));
        };
        let (deliver, ended) = self.deliverable(&mut snapshot, &agent, &ESX).await?;
        let ids: Vec<u32> = deliver.iter().map(|run| run.items_id).collect();
        let hosts = self.db.hypervisors(&ids).await?;
        let mut hand_out = HandOut::new(ended);
        for run in &deliver {
            let host = hosts.get(&run.items_id);
            let order = match (
                host.and_then(|host| Some((host, host.login.as_ref()?))),
                self.policy,
            ) {
                (Some((host, (user, password))), _) => {
                    let told = |stored: &str| match self.policy {
                        Policy::Plugin => stored.to_owned(),
                        Policy::Redux => text::decode(stored).into_owned(),
                    };
                    json!({"uuid": run.uniqid, "host": told(&host.host), "user": told(user), "password": told(password)})
                }
                // PHP sends what is missing as null; the agent then tries to log in to nothing.
                (None, Policy::Plugin) => {
                    json!({"uuid": run.uniqid, "host": host.map(|host| &host.host), "user": null, "password": null})
                }
                (None, Policy::Redux) => {
                    hand_out.broken(
                        run,
                        line(
                            LogState::Error,
                            "The hypervisor or its credential does not exist.",
                        ),
                    );
                    continue;
                }
            };
            hand_out.send(self.sending(run, &agent, Vec::new()), order);
        }
        let claimed = hand_out
            .claim(self, ESX.method, |changes| self.request(changes))
            .await?;
        let jobs: Vec<Value> = claimed.into_iter().map(|(_, order)| order).collect();
        Ok(if jobs.is_empty() {
            json!({})
        } else {
            json!({ "jobs": jobs })
        })
    }

    /// setLog: an agent reports on a hypervisor; `code` is `ok`, `ko` or `running`, every other one says nothing.
    ///
    /// # Errors
    ///
    /// When the agent is unknown or locked, GLPI is closed, or the database fails; then nothing was written.
    pub async fn set_log(
        &self,
        machineid: &str,
        uuid: &str,
        code: &str,
        msg: Option<&str>,
    ) -> Result<(), DispatchError> {
        self.open_catalogue().await?;
        let agent = self.unlocked_agent(machineid).await?;
        let reported = match code {
            "running" => Reported::Progress,
            "ok" => Reported::Success,
            "ko" => Reported::Failure,
            _ => return Ok(()),
        };
        let runs = self.own_runs(&agent, uuid).await?;
        // What the plugin says when the agent says nothing.
        let lines = vec![self.foreign_line(log_state(reported), msg.unwrap_or("ok"))];
        let changes = runs
            .iter()
            .map(|run| self.reported(run, reported, lines.clone()))
            .collect();
        self.writer.write(self.request(changes)).await?;
        Ok(())
    }
}
