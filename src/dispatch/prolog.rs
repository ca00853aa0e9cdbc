//! PROLOG: an agent says hello, is registered, and hears what to do.

use super::contact::Hello;
use super::{DispatchError, Dispatcher};
use crate::db::writer::{Driven, Request};
use crate::domain::modules::Module;
use crate::domain::policy::Policy;
use crate::proto::network::numbered;
use crate::proto::xml::Element;

/// What it hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Welcome {
    /// Orders of network tasks (`OPTION`), in order.
    pub orders: Vec<Element>,
    /// Send an inventory (`RESPONSE` `SEND`).
    pub inventory: bool,
    /// Hours until the next contact (`PROLOG_FREQ`), as configured.
    pub frequency: String,
}

impl Dispatcher {
    /// Registers or updates the agent and says what it shall do. `told` is the QUERY of a message that the plugin does not know and answers
    /// as this one, with the version in it: the plugin keeps that as one of a task of this name.
    ///
    /// For policy `plugin` its runs of all kinds go through the check, and those that may not run end; `redux` touches only what it hands
    /// out: the orders of network tasks.
    ///
    /// # Errors
    ///
    /// When the device id cannot be one, GLPI is closed, or the database fails.
    pub async fn prolog(
        &self,
        hello: &Hello<'_>,
        told: Option<(&str, &str)>,
    ) -> Result<Welcome, DispatchError> {
        hello.check()?;
        let mut snapshot = self.open_catalogue().await?;
        let at = self.now();
        let version = told
            .filter(|_| self.policy == Policy::Plugin)
            .map(|(query, version)| (query.to_owned(), version.to_owned()));
        let contact = hello.contact(at, version);
        let (agent, orders) = match self.any_agent(hello.device_id).await? {
            None => (self.register(hello, &contact).await?, Vec::new()),
            Some(agent) => {
                let hand_out = self.network_orders(&mut snapshot, &agent).await?;
                let contact = Some((agent.id, contact));
                let orders = hand_out
                    .claim(self, "network", |changes| Request {
                        at,
                        contact,
                        driven: Driven::default(),
                        changes,
                    })
                    .await?;
                // Of a run that has just been made the order does not say the id yet.
                let orders = orders
                    .into_iter()
                    .map(|(run, order)| numbered(order, run.0))
                    .collect();
                (agent, orders)
            }
        };
        let catalogue = &snapshot.catalogue;
        Ok(Welcome {
            orders,
            inventory: catalogue.modules.allows(Module::Inventory, agent.id),
            frequency: catalogue.config.inventory_frequence.clone(),
        })
    }
}
