//! PROLOG: an agent says hello, is registered, and hears what to do.

use super::judge::end;
use super::{DispatchError, Dispatcher, cut_chars};
use crate::db::agents::{Contact, MAX_TEXT};
use crate::db::writer::Request;
use crate::domain::actors::Agent;
use crate::domain::eligibility::{Decision, Occasion};
use crate::domain::ids::{AgentId, EntityId};
use crate::domain::modules::Module;
use crate::domain::policy::Policy;

/// What an agent says in its PROLOG.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hello<'a> {
    /// `DEVICEID`.
    pub device_id: &'a str,
    /// `TOKEN`, which it obeys when woken up.
    pub token: Option<&'a str>,
    /// The header User-Agent.
    pub useragent: Option<&'a str>,
}

/// What it hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Welcome {
    /// Send an inventory (`RESPONSE` `SEND`).
    pub inventory: bool,
    /// Hours until the next contact (`PROLOG_FREQ`), as configured.
    pub frequency: String,
}

impl Dispatcher {
    /// Registers or updates the agent and says what it shall do.
    ///
    /// For policy `plugin` its runs of all kinds go through the check, and those that may not run end; `redux` touches only what it hands
    /// out.
    ///
    /// # Errors
    ///
    /// When the device id cannot be one, GLPI is closed, or the database fails.
    pub async fn prolog(&self, hello: &Hello<'_>) -> Result<Welcome, DispatchError> {
        if hello.device_id.is_empty() {
            return Err(DispatchError::BadRequest("DEVICEID is empty"));
        }
        if hello.device_id.chars().count() > MAX_TEXT {
            return Err(DispatchError::BadRequest("DEVICEID is too long"));
        }
        let mut snapshot = self.open_catalogue().await?;
        let at = self.now();
        let contact = Contact {
            at,
            useragent: hello
                .useragent
                .map(|name| cut_chars(name, MAX_TEXT).to_owned()),
            // A token that the table cannot hold is none that GLPI could use.
            token: hello
                .token
                .filter(|token| token.chars().count() <= MAX_TEXT)
                .map(str::to_owned),
        };
        let agent = if let Some(agent) = self.any_agent(hello.device_id).await? {
            let changes = match self.policy {
                Policy::Plugin => self.ended_by_prolog(&mut snapshot, &agent).await?,
                Policy::Redux => Vec::new(),
            };
            self.writer
                .write(Request {
                    at,
                    contact: Some((agent.id, contact)),
                    changes,
                })
                .await?;
            agent
        } else {
            let id = self.db.register_agent(hello.device_id, &contact).await?;
            tracing::info!(
                agent.id = id.0,
                agent.device_id = hello.device_id,
                "agent registered"
            );
            new_agent(id, hello.device_id)
        };
        Ok(Welcome {
            inventory: snapshot
                .catalogue
                .modules
                .allows(Module::Inventory, agent.id),
            frequency: snapshot.catalogue.config.inventory_frequence.clone(),
        })
    }

    async fn ended_by_prolog(
        &self,
        snapshot: &mut std::sync::Arc<super::catalogues::Snapshot>,
        agent: &Agent,
    ) -> Result<Vec<crate::db::writer::Change>, DispatchError> {
        let runs = self.db.open_runs(agent.id).await?;
        let judged = self
            .judge(snapshot, agent, runs, Occasion::Prolog, None)
            .await?;
        Ok(judged
            .iter()
            .filter_map(|judged| match judged.decision {
                Decision::End(ending) => Some(end(&judged.run, ending)),
                Decision::Deliver | Decision::Wait(..) => None,
            })
            .collect())
    }
}

fn new_agent(id: AgentId, device_id: &str) -> Agent {
    Agent {
        id,
        device_id: device_id.to_owned(),
        entity: EntityId(0),
        locked: false,
        computer: None,
    }
}
