//! Waking agents up, as GLPI's cron task `wakeupAgents` does: agents with work are asked to come now.

mod driven;
mod now;
mod summary;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, TimeDelta};
use chrono_tz::Tz;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use self::summary::Summary;
use crate::clock::{Clock, moment};
use crate::db::actors::KnownGroups;
use crate::db::wakeup::{Known, Place, Prepared};
use crate::db::{Db, DbError};
use crate::domain::catalogue::Catalogue;
use crate::domain::crons::Chore;
use crate::domain::driven::TaskMode;
use crate::domain::eligibility::Decision;
use crate::domain::ids::{AgentId, ComputerId, JobId, RunId, TaskId};
use crate::domain::modules::Module;
use crate::domain::policy::Policy;
use crate::domain::prepare::{Ahead, if_asked};
use crate::domain::schedule::next_pass;
use crate::domain::wakeup::{CRON, Memory, Plan, Skip, Sleeper, Wish, at_work, names};
use crate::knock::{Heard, Knocker, Whereabouts};
use crate::telemetry::metrics::WAKEUPS;
use crate::work::doors::{self, Halt};
use crate::work::gate::Gate;

/// Runs of a task that are looked at together.
const WINDOW: usize = 512;

/// The plugin's default `agent_port`.
const DEFAULT_PORT: u16 = 62354;

/// Wakes agents up, and remembers whom it asked.
#[derive(Clone)]
pub struct WakeUp {
    db: Db,
    clock: Arc<dyn Clock>,
    zone: Tz,
    policy: Policy,
    task_mode: TaskMode,
    at_work: TimeDelta,
    knocker: Arc<Knocker>,
    memory: Arc<Mutex<Memory>>,
}

impl fmt::Debug for WakeUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WakeUp")
            .field("policy", &self.policy)
            .field("knocker", &self.knocker)
            .finish_non_exhaustive()
    }
}

/// A task in a pass.
struct Source {
    wish: Wish,
    jobs: Vec<JobId>,
    /// The last run that was looked at.
    after: RunId,
    /// All its prepared runs were.
    runs_are_seen: bool,
    /// Agents that are still to be looked at, if they drive the task and its runs were seen.
    actors: Option<driven::Actors>,
    is_claimed: bool,
}

/// A pass under way.
struct Pass {
    at: DateTime<Tz>,
    catalogue: Catalogue,
    port: u16,
    sources: HashMap<TaskId, Source>,
    /// Where the agents are that may be asked, and when they were in contact last.
    known: HashMap<AgentId, (Whereabouts, Option<NaiveDateTime>)>,
    skipped: HashMap<AgentId, Skip>,
    groups: KnownGroups,
    summary: Summary,
}

/// What an agent's answer means for the plan.
#[derive(Clone, Copy)]
enum Outcome {
    Heard(Heard),
    /// To the question whether it waits; none = no agent answers.
    Waits(Option<bool>),
}

impl WakeUp {
    /// Wakes up by the rules of `policy` what is in `db`, in local time of `zone`.
    #[must_use]
    pub fn new(db: Db, clock: Arc<dyn Clock>, zone: Tz, policy: Policy, knocker: Knocker) -> Self {
        Self {
            db,
            clock,
            zone,
            policy,
            task_mode: TaskMode::default(),
            at_work: at_work(Duration::ZERO),
            knocker: Arc::new(knocker),
            memory: Arc::default(),
        }
    }

    /// `mode` is that of tasks that do not say one.
    #[must_use]
    pub fn with_task_mode(mut self, mode: TaskMode) -> Self {
        self.task_mode = mode;
        self
    }

    /// `timeout` is that of runs whose jobs do not say one; zero = none.
    #[must_use]
    pub fn with_run_timeout(mut self, timeout: Duration) -> Self {
        self.at_work = at_work(timeout);
        self
    }

    /// One pass over all tasks whose time has come. It can be dropped at any time: who was asked, was asked, and the tasks' next times are
    /// written. It takes no further task or run when GLPI is closed or the turn is lost.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn pass(&self) -> Result<Summary, DbError> {
        let mut pass = self.begin(None).await?;
        if pass.summary.closed.is_some() {
            return Ok(pass.summary);
        }
        self.memory().tidy(pass.at.naive_local());
        let most = self.db.plugin_setting("wakeup_agent_max").await?;
        let mut places: Vec<(TaskId, usize)> = pass
            .sources
            .values()
            .map(|source| (source.wish.task, source.wish.places(most.as_deref())))
            .collect();
        places.sort_unstable();
        let mut plan = Plan::new(self.policy, places);
        let mut waiting: Vec<AgentId> = Vec::new();
        // Tasks, as answers come in while the database is read.
        let mut asked: JoinSet<(AgentId, Outcome)> = JoinSet::new();
        loop {
            while let Some(task) = plan.hungry() {
                let (agents, is_whole) = self.look(&mut pass, task).await?;
                plan.feed(task, agents, is_whole);
                // Whoever is there is asked before the next look.
                while let Some(agent) = plan.next_agent() {
                    asked.spawn(self.ask(&mut pass, agent));
                }
            }
            while let Some(agent) = plan.next_agent() {
                asked.spawn(self.ask(&mut pass, agent));
            }
            let (agent, outcome) = match asked.join_next().await {
                Some(Ok(answer)) => answer,
                Some(Err(error)) => {
                    tracing::error!(duty = CRON, error = %error, "an agent was not asked to the end");
                    continue;
                }
                None => break,
            };
            let counts = pass.heard(agent, outcome, &mut waiting);
            plan.heard(agent, counts);
        }
        self.wake_all(&mut pass, waiting).await;
        for skip in pass.skipped.values() {
            *pass.summary.skipped.entry(*skip).or_default() += 1;
        }
        Ok(pass.summary)
    }

    /// A pass over the tasks whose time has come, or over one whatever its time.
    async fn begin(&self, only: Option<TaskId>) -> Result<Pass, DbError> {
        let catalogue = self.db.catalogue().await?;
        let at = moment(self.clock.as_ref(), self.zone);
        let now = at.naive_local();
        let mut summary = Summary::default();
        let mut sources = HashMap::new();
        summary.closed = catalogue.site.open().err();
        if summary.closed.is_none() {
            let wishes = match only {
                Some(task) => vec![Wish::now(task)],
                None => self.db.wakeup_wishes().await?,
            };
            for wish in wishes {
                let Some(task) = catalogue.tasks.get(&wish.task) else {
                    continue;
                };
                // `redux` decides run by run.
                let is_closed = catalogue
                    .execution_week(task, self.policy)
                    .is_some_and(|week| !week.is_open(now));
                if only.is_none() && !wish.is_due(at, self.policy)
                    || self.policy == Policy::Plugin && is_closed
                {
                    continue;
                }
                let jobs = catalogue.jobs.values().filter(|job| job.task == wish.task);
                let source = Source {
                    jobs: jobs.map(|job| job.id).collect(),
                    wish,
                    after: RunId(0),
                    runs_are_seen: false,
                    actors: None,
                    is_claimed: only.is_some(),
                };
                sources.insert(wish.task, source);
            }
        }
        summary.tasks = sources.len();
        let port = self.db.plugin_setting("agent_port").await?;
        let port = port.and_then(|text| text.trim().parse().ok());
        Ok(Pass {
            at,
            catalogue,
            port: port.filter(|port| *port != 0).unwrap_or(DEFAULT_PORT),
            sources,
            known: HashMap::new(),
            skipped: HashMap::new(),
            groups: KnownGroups::default(),
            summary,
        })
    }

    /// The next agents of a task that may be woken up, and whether these are all.
    async fn look(&self, pass: &mut Pass, task: TaskId) -> Result<(Vec<AgentId>, bool), DbError> {
        match doors::look(&self.db).await {
            Ok(()) => {}
            Err(Halt::Closed(closed)) => {
                pass.summary.closed = Some(closed);
                return Ok((Vec::new(), true));
            }
            Err(Halt::Db(error)) => return Err(error),
        }
        let Some(source) = pass.sources.get_mut(&task) else {
            return Ok((Vec::new(), true));
        };
        // PHP writes the time down whether or not there is anybody. Here a run that is prepared next does not wait for the next time.
        if self.policy == Policy::Plugin && !self.claim(source, pass.at).await? {
            return Ok((Vec::new(), true));
        }
        let (agents, is_whole) = if source.runs_are_seen {
            self.look_at_actors(pass, task).await?
        } else {
            let runs = self
                .db
                .prepared_runs(&source.jobs, source.after, WINDOW)
                .await?;
            source.runs_are_seen = runs.len() < WINDOW;
            source.after = runs.last().map_or(source.after, |last| last.run);
            let is_whole = source.runs_are_seen && !self.is_agent_driven(pass, task);
            (self.sift_runs(pass, &runs).await?, is_whole)
        };
        if agents.is_empty() {
            return Ok((agents, is_whole));
        }
        let is_ours = match pass.sources.get_mut(&task) {
            Some(source) => self.claim(source, pass.at).await?,
            None => false,
        };
        Ok(if is_ours {
            (agents, is_whole)
        } else {
            (Vec::new(), true)
        })
    }

    /// Makes this time of a task ours. Another sidecar, or PHP, may have been quicker.
    async fn claim(&self, source: &mut Source, at: DateTime<Tz>) -> Result<bool, DbError> {
        if !source.is_claimed {
            source.is_claimed = self.db.claim_wakeup(&source.wish, at.naive_local()).await?;
        }
        Ok(source.is_claimed)
    }

    /// The agents of `runs` that may be asked, in order; the plugin's once for each run.
    async fn sift_runs(&self, pass: &mut Pass, runs: &[Prepared]) -> Result<Vec<AgentId>, DbError> {
        let ids: HashSet<AgentId> = runs.iter().map(|run| run.agent).collect();
        let ids: Vec<AgentId> = ids.into_iter().collect();
        let known = self.db.agents_to_wake(&ids).await?;
        let mut wants = Vec::with_capacity(runs.len());
        for run in runs {
            if let Some(known) = known.get(&run.agent)
                && let Some((decision, module_on)) = self.decision(pass, run, known)
            {
                wants.push((run.agent, decision, module_on));
            }
        }
        self.sift(pass, &known, wants).await
    }

    /// The agents that may be asked, in order, of those that work waits for: what was decided on it, and whether its module is on.
    async fn sift(
        &self,
        pass: &mut Pass,
        known: &HashMap<AgentId, Known>,
        wants: Vec<(AgentId, Decision, bool)>,
    ) -> Result<Vec<AgentId>, DbError> {
        let ids: HashSet<AgentId> = wants.iter().map(|(agent, ..)| *agent).collect();
        let ids: Vec<AgentId> = ids.into_iter().collect();
        let at_work = self.db.agents_at_work(&ids).await?;
        let now = pass.at.naive_local();
        let mut fit: Vec<&Known> = Vec::new();
        for (agent, decision, module_on) in wants {
            let Some(known) = known.get(&agent) else {
                continue;
            };
            let sleeper = Sleeper {
                agent,
                locked: known.agent.locked,
                module_on,
                last_contact: known.last_contact,
                under_way: at_work.get(&agent).copied(),
            };
            match sleeper.skip(&decision, now, &self.memory(), self.policy, self.at_work) {
                None => fit.push(known),
                Some(skip) => {
                    pass.skip(agent, skip);
                }
            }
        }
        let computers: HashSet<ComputerId> = fit
            .iter()
            .filter_map(|known| known.agent.computer.map(|computer| computer.id))
            .collect();
        let computers: Vec<ComputerId> = computers.into_iter().collect();
        let places = self.db.places(&computers).await?;
        let mut agents = Vec::with_capacity(fit.len());
        for known in fit {
            let id = known.agent.id;
            let place = known.agent.computer.and_then(|c| places.get(&c.id));
            let place = whereabouts(known, place, pass.port);
            if self.knocker.has_way(&place) {
                pass.skipped.remove(&id);
                pass.known.insert(id, (place, known.last_contact));
                agents.push(id);
            } else {
                pass.skip(id, Skip::NoAddress);
            }
        }
        Ok(agents)
    }

    /// What the one decision function says about a prepared run, and whether its module is on; none if its job is gone.
    fn decision(&self, pass: &Pass, run: &Prepared, known: &Known) -> Option<(Decision, bool)> {
        let catalogue = &pass.catalogue;
        let job = catalogue.jobs.get(&run.job)?;
        let ahead = Ahead {
            run: run.run,
            date_start: run.date_start,
            // The run that it would wait for wakes the agent itself.
            awaits: None,
            is_duplicate: false,
        };
        let decision = if_asked(catalogue, job, &known.agent, &ahead, self.policy, pass.at)?;
        let module = Module::of_method(&job.method);
        let is_on = |module| catalogue.modules.allows(module, run.agent);
        Some((decision, module.is_some_and(is_on)))
    }

    /// Asks an agent: the plugin, whether it waits; `redux`, to come.
    fn ask(
        &self,
        pass: &mut Pass,
        agent: AgentId,
    ) -> impl Future<Output = (AgentId, Outcome)> + Send + 'static {
        pass.summary.asked += 1;
        let known = pass.known.get(&agent).cloned();
        if let Some((_, last_contact)) = &known {
            let now = pass.at.naive_local();
            self.memory().asked(agent, *last_contact, now);
        }
        let (knocker, policy) = (Arc::clone(&self.knocker), self.policy);
        async move {
            let Some((place, _)) = known else {
                return (agent, Outcome::Heard(Heard::Nobody));
            };
            let outcome = match policy {
                Policy::Plugin => Outcome::Waits(knocker.is_waiting(&place).await),
                Policy::Redux => Outcome::Heard(knocker.wake(&place).await),
            };
            (agent, outcome)
        }
    }

    /// Tells `agents`, which wait, to come.
    async fn wake_all(&self, pass: &mut Pass, agents: Vec<AgentId>) {
        let places = agents
            .iter()
            .filter_map(|agent| pass.known.get(agent))
            .map(|(place, _)| self.knocker.wake(place));
        let heard: Vec<Heard> = places.collect::<FuturesUnordered<_>>().collect().await;
        for heard in heard {
            pass.summary.count(heard);
        }
    }

    /// How long it is until the next pass, which a job that is due at `due`, local time, wants before the `period` is over.
    fn wait(&self, due: Option<NaiveDateTime>, period: Duration) -> Duration {
        next_pass(due, moment(self.clock.as_ref(), self.zone), period)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass {
    /// Counts what came of asking an agent; whether it comes, at once or when it is told to as one of `waiting`.
    fn heard(&mut self, agent: AgentId, outcome: Outcome, waiting: &mut Vec<AgentId>) -> bool {
        match outcome {
            Outcome::Heard(heard) => self.summary.count(heard),
            Outcome::Waits(Some(true)) => {
                waiting.push(agent);
                true
            }
            Outcome::Waits(Some(false)) => self.summary.count_busy(),
            Outcome::Waits(None) => self.summary.count(Heard::Nobody),
        }
    }

    /// An agent is left out, unless another run of it lets it in.
    fn skip(&mut self, agent: AgentId, skip: Skip) {
        if !self.known.contains_key(&agent) {
            self.skipped.insert(agent, skip);
        }
    }
}

fn whereabouts(known: &Known, place: Option<&Place>, port: u16) -> Whereabouts {
    let domains = place.map(|place| place.domains.as_slice());
    let domains = domains.unwrap_or_default().iter().map(String::as_str);
    Whereabouts {
        addresses: place
            .map(|place| place.addresses.clone())
            .unwrap_or_default(),
        names: names(&known.computer, domains, &known.agent.device_id),
        port: known.port.filter(|port| *port != 0).unwrap_or(port),
        token: known.token.clone(),
    }
}

/// Wakes agents up every `period` until `stop`, which also ends a pass under way, and before that on a `nudge` and when a job of a task that
/// agents drive has waited for its delay; keeps off while GLPI's cron does it, and rests while GLPI is closed.
pub async fn regularly(
    wakeup: WakeUp,
    gate: Arc<Gate>,
    period: Duration,
    nudge: Arc<Notify>,
    stop: CancellationToken,
) {
    let mut leading = gate.leading();
    let work = async {
        loop {
            leading.look();
            let mut wait = period;
            match gate
                .pass(Chore::WakeUp, period, Box::pin(wakeup.pass()))
                .await
            {
                Ok(None) => {}
                Ok(Some(summary)) => {
                    summary.log();
                    wait = wakeup.wait(summary.due, period);
                }
                Err(error) => {
                    tracing::error!(duty = CRON, error = %error, code = error.code(), "waking agents up failed, trying again");
                }
            }
            tokio::select! {
                () = leading.or_in(wait) => {}
                () = nudge.notified() => {}
            }
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = work => {}
    }
}
