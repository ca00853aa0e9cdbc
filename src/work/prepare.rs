//! Server-driven preparation: runs are created ahead, as GLPI's cron task `taskscheduler` does.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, NaiveDateTime};
use chrono_tz::Tz;

use crate::clock::{Clock, moment};
use crate::db::preparation::Prepared;
use crate::db::{Db, DbError};
use crate::domain::actors::{Actor, Members};
use crate::domain::catalogue::{Catalogue, Job, Task};
use crate::domain::ids::JobId;
use crate::domain::policy::Policy;
use crate::domain::schedule::Phase;
use crate::proto::criteria;

/// Prepares jobs.
#[derive(Clone)]
pub struct Preparation {
    db: Db,
    clock: Arc<dyn Clock>,
    zone: Tz,
    policy: Policy,
}

impl fmt::Debug for Preparation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Preparation")
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

/// What a pass did, job by job.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary(pub Vec<(JobId, Outcome)>);

/// What a pass did for a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Runs were created or cancelled.
    Prepared(Prepared),
    /// Every agent has its run, or has ended it well.
    UpToDate,
    /// Nothing was done, for this reason.
    Passed(Reason),
    /// The database did not let it; the log has the error with this code.
    Failed(&'static str),
}

/// Why nothing was prepared for a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Its task does not exist.
    NoTask,
    /// Its task is switched off.
    TaskInactive,
    /// Its task's dates lie ahead, or behind.
    OutsideDates,
    /// The preparation slot is closed until then, or for good.
    SlotClosed(Option<NaiveDateTime>),
    /// The actors are no agent at all.
    NoAgents,
    /// A network inventory of IP ranges: which devices these are is not worked out here.
    IpRangeTargets,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTask => f.write_str("its task does not exist"),
            Self::TaskInactive => f.write_str("its task is switched off"),
            Self::OutsideDates => f.write_str("its task is outside its dates"),
            Self::SlotClosed(Some(until)) => {
                write!(f, "the preparation slot is closed until {until}")
            }
            Self::SlotClosed(None) => f.write_str("the preparation slot never opens"),
            Self::NoAgents => f.write_str("its actors are no agent"),
            Self::IpRangeTargets => f.write_str("devices of IP ranges are left to GLPI's cron"),
        }
    }
}

impl Summary {
    /// Runs created and cancelled in all.
    #[must_use]
    pub fn total(&self) -> Prepared {
        self.0
            .iter()
            .fold(Prepared::default(), |sum, (_, outcome)| match outcome {
                Outcome::Prepared(p) => Prepared {
                    created: sum.created + p.created,
                    cancelled: sum.cancelled + p.cancelled,
                },
                Outcome::UpToDate | Outcome::Passed(_) | Outcome::Failed(_) => sum,
            })
    }

    /// Whether a job failed.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        let mut outcomes = self.0.iter().map(|(_, outcome)| outcome);
        outcomes.any(|outcome| matches!(outcome, Outcome::Failed(_)))
    }

    /// One line in the log for the pass, one at debug level for each job that was passed over.
    pub fn log(&self) {
        let total = self.total();
        if total == Prepared::default() {
            tracing::debug!(jobs = self.0.len(), "nothing to prepare");
        } else {
            tracing::info!(
                jobs = self.0.len(),
                runs.created = total.created,
                runs.cancelled = total.cancelled,
                "runs prepared"
            );
        }
        for (job, outcome) in &self.0 {
            if let Outcome::Passed(reason) = outcome {
                tracing::debug!(job.id = job.0, reason = %reason, "job passed over");
            }
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (job, outcome) in &self.0 {
            match outcome {
                Outcome::Prepared(p) => writeln!(
                    f,
                    "job {job}: {} prepared, {} cancelled",
                    p.created, p.cancelled
                )?,
                Outcome::UpToDate => writeln!(f, "job {job}: up to date")?,
                Outcome::Passed(reason) => writeln!(f, "job {job}: {reason}")?,
                Outcome::Failed(code) => writeln!(f, "job {job}: failed ({code})")?,
            }
        }
        let total = self.total();
        write!(
            f,
            "{} jobs: {} runs prepared, {} cancelled",
            self.0.len(),
            total.created,
            total.cancelled
        )
    }
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
        }
    }

    /// The database that is prepared on.
    #[must_use]
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// One pass over all jobs, by id. Jobs are prepared each in a transaction of its own: the failure of one leaves the others prepared.
    ///
    /// # Errors
    ///
    /// When the database is not there.
    pub async fn pass(&self) -> Result<Summary, DbError> {
        let mut catalogue = self.db.catalogue().await?;
        let now = moment(self.clock.as_ref(), self.zone);
        let mut jobs: Vec<Job> = catalogue.jobs.values().cloned().collect();
        jobs.sort_unstable_by_key(|job| job.id);
        let mut summary = Summary::default();
        for job in jobs {
            let outcome = match self.job(&mut catalogue, &job, now).await {
                Ok(outcome) => outcome,
                Err(error) => {
                    // One job's trouble (a locked row, too many runs for the time allowed) must not keep those behind it from being
                    // prepared, pass after pass. Without a database there is no use in going on.
                    if matches!(error, DbError::Unavailable(_)) {
                        self.db.plugin_scheduler_state().await?;
                    }
                    tracing::error!(job.id = job.id.0, error = %error, code = error.code(), "a job could not be prepared");
                    Outcome::Failed(error.code())
                }
            };
            summary.0.push((job.id, outcome));
        }
        Ok(summary)
    }

    async fn job(
        &self,
        catalogue: &mut Catalogue,
        job: &Job,
        now: DateTime<Tz>,
    ) -> Result<Outcome, DbError> {
        if let Err(reason) = opening(catalogue, job, now, self.policy) {
            return Ok(Outcome::Passed(reason));
        }
        let reprepare = catalogue
            .tasks
            .get(&job.task)
            .is_some_and(|task| task.reprepare_if_successful);
        self.evaluate_groups(catalogue, &job.actors).await?;
        let members: &Members = &catalogue.members;
        let agents = self.db.agents_of(&job.actors, members, self.policy).await?;
        if agents.is_empty() {
            return Ok(Outcome::Passed(Reason::NoAgents));
        }
        let prepared = self
            .db
            .prepare_job(job.id, &job.targets, &agents, reprepare, now.naive_local())
            .await?;
        Ok(if prepared == Prepared::default() {
            Outcome::UpToDate
        } else {
            Outcome::Prepared(prepared)
        })
    }

    /// Evaluates the dynamic groups among `actors` anew, once a pass; one that is not understood keeps the members that PHP stored.
    async fn evaluate_groups(
        &self,
        catalogue: &mut Catalogue,
        actors: &[Actor],
    ) -> Result<(), DbError> {
        for actor in actors {
            let Actor::DeployGroup(group) = actor else {
                continue;
            };
            let Some(search) = catalogue.searches.remove(group) else {
                continue;
            };
            match criteria::parse(&search) {
                Ok(criteria) => {
                    let computers = self.db.evaluate_group(*group, &criteria).await?;
                    catalogue
                        .members
                        .computers
                        .insert(*group, Arc::new(computers));
                }
                Err(error) => {
                    tracing::warn!(deploygroup.id = group.0, error = %error, "the group keeps the members that GLPI stored");
                }
            }
        }
        Ok(())
    }
}

/// Whether `job` may be prepared at `now`.
fn opening(
    catalogue: &Catalogue,
    job: &Job,
    now: DateTime<Tz>,
    policy: Policy,
) -> Result<(), Reason> {
    let task: &Task = catalogue.tasks.get(&job.task).ok_or(Reason::NoTask)?;
    if !task.is_active {
        return Err(Reason::TaskInactive);
    }
    let local = now.naive_local();
    if !task.dates.prepares(local, policy) {
        debug_assert!(policy == Policy::Plugin || task.dates.phase(local, policy) != Phase::Within);
        return Err(Reason::OutsideDates);
    }
    if let Some(week) = catalogue.preparation_week(task)
        && !week.is_open(local)
    {
        let opens = week.next_open(now).map(|opens| opens.naive_local());
        return Err(Reason::SlotClosed(opens));
    }
    if has_ip_ranges(job) {
        return Err(Reason::IpRangeTargets);
    }
    Ok(())
}

/// Whether `job` is a network inventory of IP ranges, which no pass prepares.
#[must_use]
pub fn has_ip_ranges(job: &Job) -> bool {
    let mut targets = job.targets.iter();
    job.method == "networkinventory"
        && targets.any(|target| target.itemtype == "PluginFusioninventoryIPRange")
}
