//! setUserEvent: a user answered a question that a package asked.

use super::{DispatchError, Dispatcher, change, line};
use crate::db::writer::{Change, Step};
use crate::domain::catalogue::Catalogue;
use crate::domain::ids::PackageId;
use crate::domain::interaction::{Behaviour, Deferral, log_text};
use crate::domain::policy::Policy;
use crate::domain::run::{LogState, Reported, Run, RunState, StateSet};
use crate::proto::deploy::Package;

/// The parameters of a setUserEvent request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UserEvent<'a> {
    /// What the agent does about it: `behavior`.
    pub behaviour: Option<&'a str>,
    /// When the question was asked: `type`.
    pub moment: &'a str,
    /// What the user did: `event`.
    pub event: &'a str,
    /// Who.
    pub user: &'a str,
}

impl Dispatcher {
    /// Takes the answer for the run that the agent calls `uuid`. A behaviour that nobody knows changes nothing.
    ///
    /// # Errors
    ///
    /// When the agent is unknown or locked, GLPI is closed, or the database fails. For policy `plugin` an unknown agent's stop or
    /// postponement takes effect nevertheless, as in PHP.
    pub async fn set_user_event(
        &self,
        machineid: &str,
        uuid: &str,
        event: &UserEvent<'_>,
    ) -> Result<(), DispatchError> {
        let snapshot = self.open_catalogue().await?;
        let agent = self.unlocked_agent(machineid).await;
        let Some(behaviour) = event.behaviour.and_then(Behaviour::parse) else {
            return agent.map(drop);
        };
        let (runs, known) = match (&agent, self.policy) {
            (Ok(agent), _) => (self.own_runs(agent, uuid).await?, true),
            (Err(DispatchError::UnknownAgent), Policy::Plugin) => {
                (self.db.runs_by_uniqid(uuid).await?, false)
            }
            (Err(_), _) => return agent.map(drop),
        };
        let said = log_text(behaviour, event.moment, event.event, event.user);
        let mut changes = Vec::new();
        for (index, run) in runs.iter().enumerate() {
            if known {
                let (reported, state) = match behaviour {
                    Behaviour::Continue | Behaviour::Postpone => {
                        (Reported::Progress, LogState::Running)
                    }
                    Behaviour::Stop | Behaviour::BadEvent => (Reported::Failure, LogState::Error),
                };
                let lines = vec![self.foreign_line(state, &said)];
                changes.push(match (behaviour, self.policy) {
                    // The run is cancelled, not in error on the way there.
                    (Behaviour::Stop | Behaviour::Postpone, Policy::Redux) => {
                        change(run, Step::Log, lines)
                    }
                    _ => self.reported(run, reported, lines),
                });
            }
            // Of runs with one name PHP logs on all, but stops or puts off the first.
            if index > 0 && self.policy == Policy::Plugin {
                continue;
            }
            match behaviour {
                Behaviour::Stop => changes.push(self.stop(run)),
                Behaviour::Postpone => changes.extend(
                    self.postpone(&snapshot.catalogue, run, event.moment)
                        .await?,
                ),
                Behaviour::Continue | Behaviour::BadEvent => {}
            }
        }
        self.writer.write(self.request(changes)).await?;
        agent.map(drop)
    }

    /// States in which a user's answer still counts.
    fn answerable(&self) -> StateSet {
        match self.policy {
            Policy::Plugin => StateSet::ANY,
            Policy::Redux => StateSet::of(&[RunState::Sent, RunState::Running]),
        }
    }

    fn stop(&self, run: &Run) -> Change {
        let step = Step::Move {
            from: self.answerable(),
            to: RunState::Cancelled,
        };
        change(
            run,
            step,
            vec![line(LogState::Info, "Cancelled by a user.")],
        )
    }

    /// Puts `run` off as the template of the package's question says.
    async fn postpone(
        &self,
        catalogue: &Catalogue,
        run: &Run,
        moment: &str,
    ) -> Result<Vec<Change>, DispatchError> {
        let packages = self.db.packages(&[PackageId(run.items_id)]).await?;
        let package = packages
            .first()
            .and_then(|(_, json)| Package::parse(json).ok());
        let asked = package
            .iter()
            .flat_map(Package::interactions)
            .filter(|(when, _)| *when == moment);
        let mut deferrals: Vec<Deferral> = asked
            .filter_map(|(_, id)| catalogue.templates.get(&id))
            .filter_map(|json| serde_json::from_str(json).ok())
            .map(|json| Deferral::from_template(&json))
            .collect();
        if self.policy == Policy::Redux {
            let fallback = Deferral {
                retry_after: Deferral::DEFAULT_RETRY_AFTER,
                max_retry: run.max_retry,
            };
            deferrals.truncate(1);
            if deferrals.is_empty() {
                deferrals.push(fallback);
            }
        }
        let mut changes = Vec::new();
        if self.policy == Policy::Plugin {
            let step = Step::Move {
                from: self.answerable(),
                to: RunState::Postponed,
            };
            changes.push(change(run, step, vec![line(LogState::Info, POSTPONED)]));
        }
        let now = self.clock.now().with_timezone(&self.zone);
        let mut nb_retry = run.nb_retry;
        for deferral in deferrals {
            nb_retry = nb_retry.saturating_add(1);
            let next = deferral.next(now);
            // The plugin takes 0 for "never", policy `redux` for "without end", as the rest of the plugin does.
            let limited = self.policy == Policy::Plugin || deferral.max_retry > 0;
            let last = limited && nb_retry > deferral.max_retry;
            let retry = if last {
                "The next time nobody is asked: it was put off as often as allowed.".to_owned()
            } else {
                format!("Put off {nb_retry} of {} times.", deferral.max_retry)
            };
            let mut lines = vec![
                line(LogState::Info, SEPARATOR),
                line(
                    LogState::Started,
                    format!(
                        "To be handed out again at {}.",
                        next.format("%Y-%m-%d %H:%M")
                    ),
                ),
                line(LogState::Info, retry),
            ];
            if self.policy == Policy::Redux {
                lines.insert(0, line(LogState::Info, POSTPONED));
            }
            let step = Step::Defer {
                from: self.answerable(),
                date_start: next,
                nb_retry,
                max_retry: deferral.max_retry,
            };
            changes.push(change(run, step, lines));
        }
        Ok(changes)
    }
}

const POSTPONED: &str = "Put off by a user.";

/// What screens show between two tries of a run.
const SEPARATOR: &str = "----------------------------------------";
