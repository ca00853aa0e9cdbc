//! Server-driven preparation: runs are created ahead, as GLPI's cron task `taskscheduler` does.

mod report;

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use chrono_tz::Tz;

use crate::clock::{Clock, moment};
use crate::db::preparation::{CANCELLED_AT_ONCE, PIECE, Prepared};
use crate::db::{Db, DbError};
use crate::domain::actors::Target;
use crate::domain::catalogue::{Catalogue, Job};
use crate::domain::opening::{Reason, opening};
use crate::domain::policy::Policy;
use crate::domain::prepare::{Step, Survey, count, pieces, without};
use crate::work::doors::{Halt, look};
use crate::work::groups::{Cache, evaluate};

pub use report::{Outcome, Outlook, Pass};

/// Method whose jobs can have IP ranges as targets that stand for the devices in them.
const INVENTORY: &str = "networkinventory";

/// Kind of such a target.
const IP_RANGE: &str = "PluginFusioninventoryIPRange";

/// Prepares jobs.
#[derive(Clone)]
pub struct Preparation {
    db: Db,
    clock: Arc<dyn Clock>,
    zone: Tz,
    policy: Policy,
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
enum Mode {
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
            last: Arc::default(),
        }
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
        let pass = Arc::new(self.over_all_jobs(Mode::Write, self.policy).await?);
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
            ours: self.over_all_jobs(Mode::Look, self.policy).await?,
            plugin: self.over_all_jobs(Mode::Look, Policy::Plugin).await?,
        })
    }

    async fn over_all_jobs(&self, mode: Mode, policy: Policy) -> Result<Pass, DbError> {
        let mut catalogue = self.db.catalogue().await?;
        let at = moment(self.clock.as_ref(), self.zone);
        let mut jobs: Vec<Job> = std::mem::take(&mut catalogue.jobs).into_values().collect();
        jobs.sort_unstable_by_key(|job| job.id);
        let mut pass = Pass {
            at,
            jobs: vec![],
            kept: vec![],
            closed: None,
        };
        for job in &jobs {
            match self.may_go_on(mode).await {
                Ok(()) => {}
                Err(Halt::Closed(closed)) => {
                    pass.closed = Some(closed);
                    break;
                }
                Err(Halt::Db(error)) => return Err(error),
            }
            let mut prepared = Prepared::default();
            let outcome = self.job(&mut catalogue, job, mode, policy, &mut pass, &mut prepared);
            let outcome = match outcome.await {
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
        Ok(pass)
    }

    /// Looks whether GLPI is still open, before anything is written.
    async fn may_go_on(&self, mode: Mode) -> Result<(), Halt> {
        match mode {
            Mode::Write => look(&self.db).await,
            Mode::Look => Ok(()),
        }
    }

    /// `prepared` is what was done, also when it ends in an error.
    async fn job(
        &self,
        catalogue: &mut Catalogue,
        job: &Job,
        mode: Mode,
        policy: Policy,
        pass: &mut Pass,
        prepared: &mut Prepared,
    ) -> Result<Outcome, Halt> {
        let (reprepare, module) = match opening(catalogue, job, pass.at, policy) {
            Ok((task, module)) => (task.reprepare_if_successful, module),
            Err(reason) => return Ok(Outcome::Passed(reason)),
        };
        let at = pass.at.naive_local();
        let cache = match mode {
            Mode::Write => Cache::Store,
            Mode::Look => Cache::Leave,
        };
        pass.kept
            .extend(evaluate(&self.db, catalogue, &job.actors, at, cache).await?);
        let agents = self
            .db
            .agents_of(&job.actors, &catalogue.members, policy)
            .await?;
        // A group that is empty for a moment must not cancel what is under way.
        if agents.is_empty() {
            return Ok(Outcome::Passed(Reason::NoAgents));
        }
        let targets = self.targets(catalogue, job, policy).await?;
        if targets.is_empty() {
            return Ok(Outcome::Passed(Reason::NoTargets));
        }
        let mut survey = Survey::new(&targets, &agents);
        self.db
            .open_runs_of_job(job.id, |run| survey.see(&run))
            .await?;
        // For the plugin a module counts only when its agent asks; then the run is cancelled, and the next pass creates another.
        let may = |agent| policy == Policy::Plugin || catalogue.modules.allows(module, agent);
        let mut missing = survey.missing(may);
        let mut done = 0;
        if !reprepare {
            let all = count(&missing);
            missing = self.without_the_done(job, missing).await?;
            done = all - count(&missing);
        }
        match mode {
            Mode::Look => {
                prepared.created = count(&missing);
                prepared.cancelled = survey.left().map(|(_, runs)| runs.len()).sum();
            }
            Mode::Write => {
                for (target, runs) in survey.left() {
                    for runs in runs.chunks(CANCELLED_AT_ONCE) {
                        self.may_go_on(mode).await?;
                        prepared.cancelled += self.db.cancel_runs(job.id, target, runs, at).await?;
                    }
                }
                for piece in pieces(&missing, PIECE) {
                    self.may_go_on(mode).await?;
                    prepared.created += self.db.create_runs(job.id, &piece, reprepare, at).await?;
                }
            }
        }
        Ok(if *prepared != Prepared::default() {
            Outcome::Prepared(*prepared)
        } else if !agents.iter().any(|agent| may(*agent)) {
            Outcome::Passed(Reason::ModuleOff(module))
        } else {
            Outcome::UpToDate {
                open: survey.busy(),
                done,
            }
        })
    }

    /// The targets of `job`; a network inventory's IP ranges give way to the devices in them, behind the other targets.
    async fn targets<'a>(
        &self,
        catalogue: &Catalogue,
        job: &'a Job,
        policy: Policy,
    ) -> Result<Cow<'a, [Target]>, DbError> {
        if job.method != INVENTORY {
            return Ok(Cow::Borrowed(&job.targets));
        }
        let (ranges, mut targets): (Vec<Target>, Vec<Target>) = job
            .targets
            .iter()
            .cloned()
            .partition(|target| target.itemtype == IP_RANGE);
        let ranges: Vec<u32> = ranges.iter().map(|range| range.items_id).collect();
        if !ranges.is_empty() {
            targets.extend(
                self.db
                    .devices_of_ranges(&ranges, &catalogue.entities, policy)
                    .await?,
            );
        }
        Ok(Cow::Owned(targets))
    }

    /// `steps` without those that ended well.
    async fn without_the_done(&self, job: &Job, steps: Vec<Step>) -> Result<Vec<Step>, DbError> {
        let mut missing = Vec::new();
        for piece in pieces(&steps, PIECE) {
            let taken = self.db.taken(job.id, &piece, false).await?;
            missing.extend(without(piece, &taken));
        }
        Ok(missing)
    }
}
