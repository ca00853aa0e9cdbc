//! What happens on an agent's request, one use case a file.
//!
//! A use case reads (catalogue from memory, agent and runs from the database), asks [`crate::domain`] what follows, has it written, and
//! returns only then what the agent is told.

pub mod addresses;
pub mod catalogues;
pub mod collect;
pub mod contact;
pub mod deploy;
pub mod esx;
pub mod file_part;
pub mod get_config;
pub mod network;
pub mod nonce;
pub mod prolog;
pub mod readiness;
pub mod signs;
pub mod status;
pub mod user_event;

mod driven;
mod hand_out;
mod judge;
mod members;

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use chrono::NaiveDateTime;
use chrono_tz::Tz;

use crate::clock::{Clock, local};
use crate::config::PluginBase;
use crate::db::writer::{Change, Driven, Line, MAX_COMMENT, Request, Step, Writer};
use crate::db::{Db, DbError};
use crate::domain::actors::Agent;
use crate::domain::admission::Admission;
use crate::domain::catalogue::Catalogue;
use crate::domain::driven::TaskMode;
use crate::domain::ids::EntityId;
use crate::domain::policy::Policy;
use crate::domain::run::{LogState, Run, StateSet};
use crate::domain::site::Closed;
use crate::proto::text;
use crate::telemetry::metrics::REPORTS_IGNORED;
use addresses::Addresses;
use catalogues::Catalogues;
use readiness::Completeness;
use signs::Signs;

/// What every use case works with.
#[derive(Clone)]
pub struct Dispatcher {
    /// Whose rules hold.
    pub policy: Policy,
    /// The database, for reading.
    pub db: Db,
    /// The database, for writing.
    pub writer: Writer,
    /// What is small and read often.
    pub catalogues: Arc<Catalogues>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// In which zone PHP compares.
    pub zone: Tz,
    /// Address handed out instead of the one in the tables.
    pub public_url: Option<url::Url>,
    /// The directory in which the plugin lies, where GLPI's own directory says so.
    pub plugin_base: Option<PluginBase>,
    /// The plugin's document directory.
    pub doc_dir: Option<PathBuf>,
    /// How often a run is sent while its agent says nothing.
    pub max_sends: u32,
    /// Who drives a task that does not say it.
    pub task_mode: TaskMode,
    /// What is heard of runs beside reports.
    pub signs: Arc<Signs>,
    /// How many unknown agents register.
    pub admission: Arc<Mutex<Admission>>,
    /// Whether somebody else imports the devices of network tasks.
    pub imports: bool,
    /// Whether the database has what is needed.
    pub complete: Arc<Completeness>,
}

impl fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatcher")
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

/// Why a use case has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DispatchError {
    /// GLPI is in maintenance, or the plugin is off.
    #[error("{0}")]
    Closed(Closed),
    /// No such agent, or it is locked.
    #[error("no such agent, or it is locked")]
    UnknownAgent,
    /// As many unknown agents have registered as may in a minute.
    #[error("too many unknown agents")]
    TooManyNewAgents,
    /// No entity has an address to hand out.
    #[error("no address to hand out to agents")]
    NoAddress,
    /// The request says something that nobody says.
    #[error("{0}")]
    BadRequest(&'static str),
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl DispatchError {
    /// A stable short word for logs and metrics.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Closed(closed) => closed.code(),
            Self::UnknownAgent => "unknown-agent",
            Self::TooManyNewAgents => "too-many-new-agents",
            Self::NoAddress => "no-address",
            Self::BadRequest(_) => "bad-request",
            Self::Db(error) => error.code(),
        }
    }
}

/// How the request reached us: what addresses handed out are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approach {
    /// The prefix below which it came in, such as `/plugins/fusioninventory`.
    pub prefix: String,
    /// Scheme and host that the agent used, `https://glpi.example.com`, if it named one.
    pub origin: Option<String>,
    /// Where it came from.
    pub client: Option<IpAddr>,
}

/// A REST back end of the plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// Packages.
    Deploy,
    /// Files, registry, WMI.
    Collect,
    /// Hypervisors.
    Esx,
}

impl Backend {
    const fn directory(self) -> &'static str {
        match self {
            Self::Deploy => "deploy",
            Self::Collect => "collect",
            Self::Esx => "esx",
        }
    }
}

impl Dispatcher {
    fn now(&self) -> NaiveDateTime {
        local(self.clock.as_ref(), self.zone)
    }

    /// The catalogue, if GLPI is in service.
    async fn open_catalogue(&self) -> Result<Arc<catalogues::Snapshot>, DispatchError> {
        let snapshot = self.catalogues.current().await?;
        match snapshot.catalogue.site.open() {
            Ok(()) => Ok(snapshot),
            Err(closed) => Err(DispatchError::Closed(closed)),
        }
    }

    /// Whether XML messages must come over HTTPS (`ssl_only`).
    ///
    /// # Errors
    ///
    /// When GLPI is closed or the database fails.
    pub async fn requires_ssl(&self) -> Result<bool, DispatchError> {
        Ok(self.open_catalogue().await?.catalogue.config.ssl_only)
    }

    /// Version of the plugin, as far as it is known.
    #[must_use]
    pub fn plugin_version(&self) -> Option<String> {
        self.catalogues
            .last()
            .map(|snapshot| snapshot.catalogue.config.version.clone())
    }

    /// The agent that answers to `device_id` where locked ones do not count (getConfig, setStatus).
    ///
    /// PHP takes the last of several; `redux` the oldest, as everywhere.
    async fn unlocked_agent(&self, device_id: &str) -> Result<Agent, DispatchError> {
        let mut agents = self.db.agents_by_device_id(device_id).await?;
        agents.retain(|agent| !agent.locked);
        let agent = match self.policy {
            Policy::Plugin => agents.pop(),
            Policy::Redux => agents.into_iter().next(),
        };
        agent.ok_or(DispatchError::UnknownAgent)
    }

    /// The agent that answers to `device_id`, locked or not (getJobs, PROLOG).
    async fn any_agent(&self, device_id: &str) -> Result<Option<Agent>, DispatchError> {
        let agents = self.db.agents_by_device_id(device_id).await?;
        let unlocked = agents
            .iter()
            .position(|agent| !agent.locked)
            .filter(|_| self.policy == Policy::Redux);
        Ok(agents.into_iter().nth(unlocked.unwrap_or_default()))
    }

    /// The address of a back end for agents of `entity`, see [`Addresses::address`].
    fn address(
        &self,
        catalogue: &Catalogue,
        approach: &Approach,
        backend: Backend,
        entity: EntityId,
    ) -> Result<String, DispatchError> {
        let addresses = Addresses {
            policy: self.policy,
            public_url: self.public_url.as_ref(),
            plugin_base: self.plugin_base,
        };
        addresses
            .address(&catalogue.entities, approach, backend, entity)
            .ok_or(DispatchError::NoAddress)
    }

    /// `changes`, to be written now.
    fn request(&self, changes: Vec<Change>) -> Request {
        Request {
            at: self.now(),
            contact: None,
            driven: Driven::default(),
            changes,
        }
    }

    /// A log line whose text comes from an agent or a package: for `redux` encoded as GLPI stores texts, since PHP prints log lines raw,
    /// and cut to what the table holds.
    fn foreign_line(&self, state: LogState, said: &str) -> Line {
        let text = match self.policy {
            Policy::Plugin => said.into(),
            Policy::Redux => text::encode(said),
        };
        Line {
            state,
            text: cut(&text, MAX_COMMENT).to_owned(),
        }
    }
}

/// A change to `run`; its `lines` are filed under the run's target.
fn change(run: &Run, step: Step, lines: Vec<Line>) -> Change {
    Change {
        run: run.id,
        itemtype: run.itemtype.clone(),
        items_id: run.items_id,
        step,
        unless: StateSet::default(),
        lines,
        finding: None,
    }
}

/// Counts and logs that a report on the run that the agent calls `run` is ignored, for a `reason` that metrics can be labelled with.
fn ignore_report(reason: &'static str, run: &str) {
    metrics::counter!(REPORTS_IGNORED, "reason" => reason).increment(1);
    tracing::warn!(reason, run = cut(run, 64), "a report is ignored");
}

/// Counts and logs that `agent` spoke of a run that is not its own.
fn ignore_foreign(agent: &Agent, run: &str) {
    metrics::counter!(REPORTS_IGNORED, "reason" => "foreign-run").increment(1);
    tracing::warn!(
        agent.id = agent.id.0,
        run.uniqid = cut(run, 64),
        "a report on another agent's run is ignored"
    );
}

/// A log line of the sidecar's own.
fn line(state: LogState, text: impl Into<String>) -> Line {
    Line {
        state,
        text: text.into(),
    }
}

/// `text` cut to `most` bytes, at a character.
fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

/// `text` cut to `most` characters.
fn cut_chars(text: &str, most: usize) -> &str {
    text.char_indices()
        .nth(most)
        .map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_at_characters() {
        assert_eq!(cut("aéb", 2), "a");
        assert_eq!(cut("aéb", 3), "aé");
        assert_eq!(cut("ab", 9), "ab");
        assert_eq!(cut_chars("aéb", 2), "aé");
        assert_eq!(cut_chars("aéb", 3), "aéb");
    }
}
