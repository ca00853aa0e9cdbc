//! What somebody who looks at a task lets be done at once. Each has two halves: what would be done, to be confirmed, and doing that.

use std::fmt;
use std::sync::Arc;

use chrono_tz::Tz;

use crate::clock::{Clock, local};
use crate::db::actions::CHANGED_AT_ONCE;
use crate::db::cleaning::Lot;
use crate::db::{Db, DbError};
use crate::domain::catalogue::Catalogue;
use crate::domain::ids::{AgentId, JobId, RunId, TaskId};
use crate::domain::site::Closed;
use crate::proto::selection::{Selection, rows};
use crate::proto::text::encode;
use crate::work::prepare::{Pass, Preparation};
use crate::work::wakeup::{Summary, WakeUp};

/// Most runs that are selected at once: the others are left for the next time.
pub const MOST_RUNS: usize = 100_000;

/// Most runs, and most of their lines, that one transaction deletes.
const CLEARED_AT_ONCE: u32 = 1000;

/// Does it.
pub struct Actions {
    db: Db,
    clock: Arc<dyn Clock>,
    zone: Tz,
    preparation: Preparation,
    wakeup: WakeUp,
}

impl fmt::Debug for Actions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Actions")
    }
}

/// What was done with runs that somebody confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Done {
    /// As they confirmed it.
    pub done: usize,
    /// Runs that were no longer as they were shown, and were left alone.
    pub changed: usize,
    /// Why it ended before it was done.
    pub closed: Option<Closed>,
}

/// What is done with runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What<'a> {
    Cancel(&'a str),
    Retry,
}

impl Actions {
    /// On `db`, with what prepares and wakes up there.
    #[must_use]
    pub fn new(
        db: Db,
        clock: Arc<dyn Clock>,
        zone: Tz,
        preparation: Preparation,
        wakeup: WakeUp,
    ) -> Self {
        Self {
            db,
            clock,
            zone,
            preparation,
            wakeup,
        }
    }

    /// Why nothing is done now.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn closed(&self) -> Result<Option<Closed>, DbError> {
        Ok(self.db.site().await?.open().err())
    }

    /// The runs of `task` that wait for their agents, by job.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn waiting(&self, catalogue: &Catalogue, task: TaskId) -> Result<Selection, DbError> {
        let mut selection = Selection::new();
        for job in jobs(catalogue, task) {
            let most = MOST_RUNS - rows(&selection);
            add(
                &mut selection,
                job,
                self.db.cancellable_runs(job, most).await?,
            );
        }
        Ok(selection)
    }

    /// The last runs of `task` on each target and agent that are in error, by job.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn failed(&self, catalogue: &Catalogue, task: TaskId) -> Result<Selection, DbError> {
        let mut selection = Selection::new();
        for job in jobs(catalogue, task) {
            let most = MOST_RUNS - rows(&selection);
            add(&mut selection, job, self.db.failed_runs(job, most).await?);
        }
        Ok(selection)
    }

    /// Cancels those of `selection` that still wait and are runs of `task`, in the name of `by`.
    ///
    /// # Errors
    ///
    /// When the database fails; what was done before stays.
    pub async fn cancel(
        &self,
        catalogue: &Catalogue,
        task: TaskId,
        selection: &Selection,
        by: &str,
    ) -> Result<Done, DbError> {
        let text = encode(&format!("Cancelled by {by}.")).into_owned();
        self.each(catalogue, task, selection, What::Cancel(&text))
            .await
    }

    /// Prepares anew what those of `selection` were about that are still the last ones, in error, and runs of `task`.
    ///
    /// # Errors
    ///
    /// When the database fails; what was done before stays.
    pub async fn retry(
        &self,
        catalogue: &Catalogue,
        task: TaskId,
        selection: &Selection,
    ) -> Result<Done, DbError> {
        self.each(catalogue, task, selection, What::Retry).await
    }

    async fn each(
        &self,
        catalogue: &Catalogue,
        task: TaskId,
        selection: &Selection,
        what: What<'_>,
    ) -> Result<Done, DbError> {
        let mut done = Done::default();
        let own = jobs(catalogue, task);
        let at = local(self.clock.as_ref(), self.zone);
        for (job, runs) in selection {
            let job = JobId(*job);
            let runs: Vec<RunId> = runs.iter().copied().map(RunId).collect();
            for piece in runs.chunks(CHANGED_AT_ONCE) {
                if done.closed.is_none() {
                    done.closed = self.closed().await?;
                }
                let count = match what {
                    _ if done.closed.is_some() || !own.contains(&job) => 0,
                    What::Cancel(text) => self.db.cancel_waiting(job, piece, text, at).await?,
                    What::Retry => self.db.retry_runs(job, piece, at).await?,
                };
                done.done += count;
                done.changed += piece.len() - count;
            }
        }
        Ok(done)
    }

    /// Deletes the runs of `job`, which was deleted, with their lines; how many. What is left, as when GLPI is closed meanwhile, goes with
    /// the cleaning of tasks on demand.
    ///
    /// # Errors
    ///
    /// When the database fails; what was deleted before stays so.
    pub async fn clear(&self, job: JobId) -> Result<u64, DbError> {
        let (mut runs, mut next) = (0, Some(0));
        while let Some(from) = next {
            let window = self.db.ended_runs(job, None, from, CLEARED_AT_ONCE).await?;
            next = window.next;
            let mut rest = window.seen;
            while !rest.is_empty() {
                if self.closed().await?.is_some() {
                    return Ok(runs);
                }
                let deleted = self.db.delete_runs(&rest, Lot::Ended, CLEARED_AT_ONCE);
                let deleted = deleted.await?;
                runs += deleted.runs;
                rest = deleted.rest;
            }
        }
        self.db.forget_gone(job).await?;
        Ok(runs)
    }

    /// What a preparation of `task` would do now.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn would_prepare(&self, task: TaskId) -> Result<Pass, DbError> {
        self.preparation.outlook_of(task).await
    }

    /// Prepares `task`.
    ///
    /// # Errors
    ///
    /// When the database fails; what was done before stays.
    pub async fn prepare(&self, task: TaskId) -> Result<Pass, DbError> {
        self.preparation.pass_of(task).await
    }

    /// The agents with work of `task` that may be woken up, and how many may not.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn would_wake(&self, task: TaskId) -> Result<(Vec<AgentId>, Summary), DbError> {
        self.wakeup.sleepers(task).await
    }

    /// Wakes up those of `agents` that may still be. It ends when all have answered, or had the time to.
    ///
    /// # Errors
    ///
    /// When the database fails; then nobody was asked.
    pub async fn wake(&self, task: TaskId, agents: &[AgentId]) -> Result<Summary, DbError> {
        self.wakeup.wake(task, agents).await
    }
}

/// The jobs of `task`, by id.
fn jobs(catalogue: &Catalogue, task: TaskId) -> Vec<JobId> {
    let jobs = catalogue.jobs.values().filter(|job| job.task == task);
    let mut jobs: Vec<JobId> = jobs.map(|job| job.id).collect();
    jobs.sort_unstable();
    jobs
}

fn add(selection: &mut Selection, job: JobId, runs: Vec<RunId>) {
    if !runs.is_empty() {
        selection.push((job.0, runs.into_iter().map(|run| run.0).collect()));
    }
}
