//! Server-driven preparation: runs are created ahead, as GLPI's cron task `taskscheduler` does.

mod of_task;
mod ready;
mod report;
mod rounds;
mod steps;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::DateTime;
use chrono_tz::Tz;

use crate::clock::{Clock, moment};
use crate::db::preparation::{Again, Prepared};
use crate::db::{Db, DbError};
use crate::domain::catalogue::{Catalogue, Job};
use crate::domain::driven::TaskMode;
use crate::domain::ids::{JobId, TaskId};
use crate::domain::opening::{Reason, opening, under_way};
use crate::domain::policy::Policy;
use crate::domain::prepare::{Survey, count, keep_back};
use crate::domain::schedule::next_pass;
use crate::domain::sequence::{Before, Sequence};
use crate::work::doors::{Halt, look};
use crate::work::groups::{Cache, Groups};

use rounds::{Round, Rounds, Stand};

pub(super) use rounds::end_late;

pub use report::{Outcome, Outlook, Pass};

/// Kind of a target that stands for the devices in it.
pub(super) const IP_RANGE: &str = "PluginFusioninventoryIPRange";

/// Prepares jobs.
#[derive(Clone)]
pub struct Preparation {
    db: Db,
    clock: Arc<dyn Clock>,
    zone: Tz,
    policy: Policy,
    task_mode: TaskMode,
    last: Arc<Mutex<Option<Arc<Pass>>>>,
}

impl fmt::Debug for Preparation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Preparation")
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// All that follows.
    Write,
    /// Nothing.
    Look,
}

impl Preparation {
    /// Prepares on `db`, by the rules of `policy`, in local time of `zone`.
    #[must_use]
    pub fn new(db: Db, clock: Arc<dyn Clock>, zone: Tz, policy: Policy) -> Self {
        Self {
            db,
            clock,
            zone,
            policy,
            task_mode: TaskMode::default(),
            last: Arc::default(),
        }
    }

    /// `mode` is that of tasks that do not say one.
    #[must_use]
    pub fn with_task_mode(mut self, mode: TaskMode) -> Self {
        self.task_mode = mode;
        self
    }

    /// Whether agents drive `task`: not to the plugin.
    fn is_agent_driven(&self, catalogue: &Catalogue, task: TaskId, policy: Policy) -> bool {
        policy == Policy::Redux && catalogue.mode(task, self.task_mode) == TaskMode::Agent
    }

    /// The database that is prepared on.
    #[must_use]
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// What the last pass did, if there was one.
    #[must_use]
    pub fn last(&self) -> Option<Arc<Pass>> {
        let last = self.last.lock();
        last.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// One pass over all jobs, by id: the failure of one leaves the others prepared. It can be dropped at any time: what it has done
    /// holds, and the next one does the rest. It ends by itself, between two pieces, when GLPI is closed.
    ///
    /// # Errors
    ///
    /// When the database is not there.
    pub async fn pass(&self) -> Result<Arc<Pass>, DbError> {
        let pass = Arc::new(Box::pin(self.over_jobs(Mode::Write, self.policy, None)).await?);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some(Arc::clone(&pass));
        Ok(pass)
    }

    /// What a pass would do now. Nothing is written.
    ///
    /// # Errors
    ///
    /// When the database is not there.
    pub async fn outlook(&self) -> Result<Outlook, DbError> {
        Ok(Outlook {
            closed: self.db.site().await?.open().err(),
            ours: self.over_jobs(Mode::Look, self.policy, None).await?,
            plugin: self.over_jobs(Mode::Look, Policy::Plugin, None).await?,
        })
    }

    /// Over all jobs, or those of one task.
    async fn over_jobs(
        &self,
        mode: Mode,
        policy: Policy,
        only: Option<TaskId>,
    ) -> Result<Pass, DbError> {
        let mut catalogue = self.db.catalogue().await?;
        if let Some(task) = only {
            catalogue.jobs.retain(|_, job| job.task == task);
            catalogue.sequences.retain(|id, _| *id == task);
        }
        let at = moment(self.clock.as_ref(), self.zone);
        let mut jobs: Vec<Job> = std::mem::take(&mut catalogue.jobs).into_values().collect();
        let seats: HashMap<JobId, JobId> = match policy {
            Policy::Plugin => HashMap::new(),
            Policy::Redux => {
                let sequences = catalogue.sequences.values();
                sequences.flat_map(Sequence::seats).collect()
            }
        };
        jobs.sort_unstable_by_key(|job| seats.get(&job.id).copied().unwrap_or(job.id));
        let mut pass = Pass {
            at,
            jobs: vec![],
            kept: vec![],
            closed: None,
            due: None,
            ready: BTreeMap::new(),
        };
        let mut rounds = match Box::pin(self.rounds(&catalogue, mode, policy, at)).await {
            Ok(rounds) => rounds,
            Err(Halt::Closed(closed)) => {
                pass.closed = Some(closed);
                return Ok(pass);
            }
            Err(Halt::Db(error)) => return Err(error),
        };
        let mut groups = Groups::default();
        for job in &jobs {
            match self.may_go_on(mode).await {
                Ok(()) => {}
                Err(Halt::Closed(closed)) => {
                    pass.closed = Some(closed);
                    break;
                }
                Err(Halt::Db(error)) => return Err(error),
            }
            let mut prepared = Prepared {
                created: 0,
                cancelled: rounds.cancelled(job.id),
            };
            let outcome = self.placed(
                &mut catalogue,
                &mut groups,
                &mut rounds,
                job,
                mode,
                policy,
                &mut pass,
                &mut prepared,
            );
            let outcome = match Box::pin(outcome).await {
                Ok(outcome) => outcome,
                Err(Halt::Closed(closed)) => {
                    pass.jobs.push((job.id, Outcome::Stopped(prepared)));
                    pass.closed = Some(closed);
                    break;
                }
                Err(Halt::Db(error)) => {
                    // One job's trouble (a locked row, say) must not keep those behind it from being prepared, pass after pass.
                    // Without a database there is no use in going on.
                    if matches!(error, DbError::Unavailable(_)) {
                        self.db.ping().await?;
                    }
                    tracing::error!(job.id = job.id.0, error = %error, code = error.code(), "a job could not be prepared");
                    Outcome::Failed {
                        code: error.code(),
                        before: prepared,
                    }
                }
            };
            pass.jobs.push((job.id, outcome));
        }
        pass.jobs.sort_unstable_by_key(|(job, _)| *job);
        if mode == Mode::Look && policy == self.policy {
            pass.ready = ready::count(&self.db, &catalogue, &jobs, policy, at).await?;
        }
        if mode == Mode::Write && pass.closed.is_none() {
            match Box::pin(self.end_rounds(&catalogue, &rounds, at)).await {
                Ok(()) => {}
                Err(Halt::Closed(closed)) => pass.closed = Some(closed),
                Err(Halt::Db(error)) => return Err(error),
            }
        }
        Ok(pass)
    }

    /// How long it is until the pass after `pass`, a `period` at the most.
    pub(super) fn wait(&self, pass: &Pass, period: Duration) -> Duration {
        next_pass(pass.due, moment(self.clock.as_ref(), self.zone), period)
    }

    /// Looks whether GLPI is still open, before anything is written.
    async fn may_go_on(&self, mode: Mode) -> Result<(), Halt> {
        match mode {
            Mode::Write => look(&self.db).await,
            Mode::Look => Ok(()),
        }
    }

    /// A job in its task's occurrence, if the task runs in these, else as the plugin takes it.
    #[expect(clippy::too_many_arguments, reason = "all that a pass knows")]
    async fn placed(
        &self,
        catalogue: &mut Catalogue,
        groups: &mut Groups,
        rounds: &mut Rounds,
        job: &Job,
        mode: Mode,
        policy: Policy,
        pass: &mut Pass,
        prepared: &mut Prepared,
    ) -> Result<Outcome, Halt> {
        let ended = *prepared;
        let outcome = match rounds.of(job.task) {
            _ if self.is_agent_driven(catalogue, job.task, policy) => {
                self.left_to_agents(catalogue, groups, job, mode, policy, pass)
                    .await?
            }
            None => {
                self.job(catalogue, groups, job, None, mode, policy, pass, prepared)
                    .await?
            }
            Some(Stand::Open(round)) => {
                let round = Some(&mut *round);
                self.job(catalogue, groups, job, round, mode, policy, pass, prepared)
                    .await?
            }
            Some(Stand::Failed(code)) => Outcome::Failed {
                code,
                before: ended,
            },
            Some(Stand::Between(why)) => {
                let reason = match opening(catalogue, job, pass.at, policy) {
                    Err(reason @ Reason::SlotClosed(_)) => why.clone().unwrap_or(reason),
                    Err(reason) => reason,
                    Ok(_) => match why.clone() {
                        Some(reason) => reason,
                        // Another pass has just moved it on.
                        None => return Ok(Outcome::UpToDate { open: 0, done: 0 }),
                    },
                };
                Outcome::Passed(reason)
            }
        };
        if let Outcome::Passed(reason) = &outcome {
            pass.due = reason.until().into_iter().chain(pass.due).min();
        }
        Ok(match outcome {
            // What was cancelled as an occurrence was over is said where nothing else was done.
            Outcome::Passed(_) | Outcome::UpToDate { .. } if ended != Prepared::default() => {
                Outcome::Prepared(ended)
            }
            outcome => outcome,
        })
    }

    /// A job that agents drive: what they are told by depends on the members of its dynamic groups, which are kept up to date here.
    async fn left_to_agents(
        &self,
        catalogue: &mut Catalogue,
        groups: &mut Groups,
        job: &Job,
        mode: Mode,
        policy: Policy,
        pass: &mut Pass,
    ) -> Result<Outcome, Halt> {
        if let Err(reason) = under_way(catalogue, job, pass.at, policy) {
            return Ok(Outcome::Passed(reason));
        }
        if mode == Mode::Write {
            let at = pass.at.naive_local();
            let kept = groups.evaluate(&self.db, catalogue, &job.actors, at, Cache::Store);
            pass.kept.extend(kept.await?);
        }
        Ok(Outcome::Passed(Reason::AgentDriven))
    }

    /// `prepared` is what was done, also when it ends in an error.
    #[expect(clippy::too_many_arguments, reason = "all that a pass knows")]
    async fn job(
        &self,
        catalogue: &mut Catalogue,
        groups: &mut Groups,
        job: &Job,
        mut round: Option<&mut Round>,
        mode: Mode,
        policy: Policy,
        pass: &mut Pass,
        prepared: &mut Prepared,
    ) -> Result<Outcome, Halt> {
        let may_be = match &round {
            None => opening(catalogue, job, pass.at, policy),
            Some(_) => under_way(catalogue, job, pass.at, policy),
        };
        let (reprepare, module) = match may_be {
            Ok((task, module)) => (task.reprepare_if_successful, module),
            Err(reason) => {
                if let (Some(round), Reason::UnknownMethod(_)) = (&mut round, &reason) {
                    round.settled.insert(job.id);
                }
                return Ok(Outcome::Passed(reason));
            }
        };
        let need = self
            .need(catalogue, job, round.as_deref(), reprepare, pass.at)
            .await?;
        let (again, before) = match need {
            Ok(need) => need,
            Err(reason) => return Ok(Outcome::Passed(reason)),
        };
        let at = pass.at.naive_local();
        let cache = match mode {
            Mode::Write => Cache::Store,
            Mode::Look => Cache::Leave,
        };
        let kept = groups.evaluate(&self.db, catalogue, &job.actors, at, cache);
        pass.kept.extend(kept.await?);
        let agents = groups.agents_of(&self.db, &job.actors, &catalogue.members, policy);
        let agents = agents.await?;
        // A group that is empty for a moment must not cancel what is under way.
        if agents.is_empty() {
            return Ok(Outcome::Passed(Reason::NoAgents));
        }
        let targets = self.db.targets_of(job, &catalogue.entities, policy).await?;
        if targets.is_empty() {
            return Ok(Outcome::Passed(Reason::NoTargets));
        }
        let mut survey = Survey::new(&targets, &agents);
        self.db
            .open_runs_of_job(job.id, |run| {
                if !again.is_gone(&run) {
                    survey.see(&run);
                }
            })
            .await?;
        // For the plugin a module counts only when its agent asks; then the run is cancelled, and the next pass creates another.
        let may = |agent| policy == Policy::Plugin || catalogue.modules.allows(module, agent);
        let mut missing = survey.missing(may);
        let mut done = 0;
        if !reprepare || again.within.is_some() {
            let all = count(&missing);
            missing = self
                .without_the_done(job, &mut survey, missing, again, may)
                .await?;
            done = all - count(&missing);
        }
        let (pending, never) = before
            .as_ref()
            .map_or((0, 0), |(_, before)| keep_back(&mut missing, before));
        match mode {
            Mode::Look => {
                prepared.created += count(&missing);
                prepared.cancelled += survey.left().map(|(_, runs)| runs.len()).sum::<usize>();
            }
            Mode::Write => {
                self.write(job, &survey, &missing, again, at, prepared)
                    .await?;
            }
        }
        if let Some(round) = &mut round
            && pending == 0
            && (mode == Mode::Write || missing.is_empty())
            // While its module is off, it was not prepared.
            && agents.iter().any(|agent| may(*agent))
        {
            round.settled.insert(job.id);
        }
        Ok(if *prepared != Prepared::default() {
            Outcome::Prepared(*prepared)
        } else if let Some((before, _)) = &before
            && pending > 0
        {
            Outcome::Passed(Reason::AwaitsSuccess(*before))
        } else if let Some((before, _)) = &before
            && never > 0
            && survey.busy() + done == 0
        {
            Outcome::Passed(Reason::NoSuccess(*before))
        } else if !agents.iter().any(|agent| may(*agent)) {
            Outcome::Passed(Reason::ModuleOff(module))
        } else {
            Outcome::UpToDate {
                open: survey.busy(),
                done,
            }
        })
    }

    /// What stands in the way of a run of `job`, and in an occurrence the job that it waits for with how that stands; or why it waits itself.
    async fn need(
        &self,
        catalogue: &Catalogue,
        job: &Job,
        round: Option<&Round>,
        reprepare: bool,
        now: DateTime<Tz>,
    ) -> Result<Result<(Again, Option<(JobId, Before)>), Reason>, DbError> {
        let again = Again {
            reprepare,
            within: round.map(|round| round.within),
            gone_from: round.and_then(|round| round.gone_from),
        };
        let sequence = catalogue.sequences.get(&job.task);
        let place = sequence.and_then(|sequence| sequence.place(job.id));
        let (Some(round), Some((place, waits_for))) = (round, place) else {
            return Ok(Ok((again, None)));
        };
        if let Some(due) = round.delayed(place.delay, now) {
            return Ok(Err(Reason::Delayed(due.naive_local())));
        }
        let Some(waits_for) = waits_for else {
            return Ok(Ok((again, None)));
        };
        let first = round.within.first_run;
        let agents = self.db.tallies(waits_for, first, !reprepare).await?;
        let settled = round.settled.contains(&waits_for);
        Ok(Ok((again, Some((waits_for, Before { agents, settled })))))
    }
}
