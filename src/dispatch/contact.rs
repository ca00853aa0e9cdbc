//! Who an agent says it is.

use std::sync::PoisonError;

use chrono::NaiveDateTime;

use super::{DispatchError, Dispatcher, cut_chars};
use crate::db::agents::{Contact, MAX_TEXT};
use crate::db::writer::{Driven, Request};
use crate::domain::actors::Agent;
use crate::domain::ids::EntityId;
use crate::domain::modules::Module;
use crate::domain::policy::Policy;
use crate::telemetry::metrics::AGENTS_REFUSED;

/// What an agent says of itself in every XML message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hello<'a> {
    /// `DEVICEID`.
    pub device_id: &'a str,
    /// `TOKEN`, which it obeys when woken up.
    pub token: Option<&'a str>,
    /// The header User-Agent.
    pub useragent: Option<&'a str>,
}

impl Hello<'_> {
    /// Whether the table can hold this device id.
    ///
    /// # Errors
    ///
    /// When it is empty, too long, or has characters that the table's comparison passes over.
    pub fn check(&self) -> Result<(), DispatchError> {
        if self.device_id.is_empty() {
            return Err(DispatchError::BadRequest("DEVICEID is empty"));
        }
        if self.device_id.chars().count() > MAX_TEXT {
            return Err(DispatchError::BadRequest("DEVICEID is too long"));
        }
        if self.device_id.contains(char::is_control) {
            return Err(DispatchError::BadRequest("DEVICEID has control characters"));
        }
        Ok(())
    }

    pub(super) fn contact(&self, at: NaiveDateTime, version: Option<(String, String)>) -> Contact {
        let fits = |text: &&str| text.chars().count() <= MAX_TEXT;
        Contact {
            at,
            useragent: self
                .useragent
                .map(|name| cut_chars(name, MAX_TEXT).to_owned()),
            // A token that the table cannot hold is none that GLPI could use.
            token: self.token.filter(fits).map(str::to_owned),
            version,
        }
    }
}

impl Dispatcher {
    /// Whether PHP may be handed an inventory of this agent; for `redux` only so many a minute that it would register.
    ///
    /// # Errors
    ///
    /// When the device id cannot be one, too many unknown agents came, GLPI is closed, or the database fails.
    pub async fn admit_inventory(&self, hello: &Hello<'_>) -> Result<(), DispatchError> {
        hello.check()?;
        self.open_catalogue().await?;
        if self.policy == Policy::Redux && self.any_agent(hello.device_id).await?.is_none() {
            self.admit()?;
        }
        Ok(())
    }

    /// Notes that an agent sent an inventory, where it does not go to the plugin, which does that itself: it is registered, or its last contact
    /// and the version that it told are.
    ///
    /// # Errors
    ///
    /// When GLPI is closed or the database fails.
    pub async fn heard_inventory(
        &self,
        hello: &Hello<'_>,
        version: Option<&str>,
    ) -> Result<(), DispatchError> {
        let version =
            version.map(|version| (Module::Inventory.name().to_owned(), version.to_owned()));
        let at = self.now();
        let contact = hello.contact(at, version);
        match self.any_agent(hello.device_id).await? {
            None => drop(self.db.register_agent(hello.device_id, &contact).await?),
            Some(agent) => {
                let request = Request {
                    at,
                    contact: Some((agent.id, contact)),
                    changes: Vec::new(),
                    driven: Driven::default(),
                };
                self.writer.write(request).await?;
            }
        }
        Ok(())
    }

    /// Counts one more unknown agent, if it may register; for `plugin` every one may.
    fn admit(&self) -> Result<(), DispatchError> {
        if self.policy == Policy::Plugin {
            return Ok(());
        }
        let mut admission = self
            .admission
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if admission.admit(self.clock.now()) {
            return Ok(());
        }
        metrics::counter!(AGENTS_REFUSED).increment(1);
        Err(DispatchError::TooManyNewAgents)
    }

    /// Registers an agent that has no row yet; for `redux` only so many a minute.
    pub(super) async fn register(
        &self,
        hello: &Hello<'_>,
        contact: &Contact,
    ) -> Result<Agent, DispatchError> {
        self.admit()?;
        let id = self.db.register_agent(hello.device_id, contact).await?;
        tracing::info!(
            agent.id = id.0,
            agent.device_id = hello.device_id,
            "agent registered"
        );
        Ok(Agent {
            id,
            device_id: hello.device_id.to_owned(),
            entity: EntityId(0),
            locked: false,
            computer: None,
        })
    }
}
