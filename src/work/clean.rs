//! Cleaning: old runs with their log lines, and tasks on demand that are done, as GLPI's cron tasks `cleantaskjob` and `cleanondemand`
//! do.
//!
//! Rows are looked at in windows and deleted in transactions of the same size, so that nobody waits for a lock for more than a moment.
//! A pass can be broken off anywhere: what it has not come to is found by the next one. Several at once do no harm.

mod strays;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::NaiveDateTime;
use chrono_tz::Tz;
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, local, moment};
use crate::config::Scheduler;
use crate::db::cleaning::{Deleted, Lot};
use crate::db::{Db, DbError};
use crate::domain::cleaning::Duty;
use crate::domain::crons::Chore;
use crate::domain::driven::is_under_way;
use crate::domain::ids::{JobId, RunId, TaskId};
use crate::domain::policy::Policy;
use crate::domain::site::Closed;
use crate::work::doors::{Halt, look};
use crate::work::gate::Gate;
use crate::work::turn::Outcome;

/// Cleans.
#[derive(Clone)]
pub struct Cleaning {
    db: Db,
    clock: Arc<dyn Clock>,
    zone: Tz,
    policy: Policy,
    keep: u32,
    batch: u32,
}

impl fmt::Debug for Cleaning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cleaning")
            .field("policy", &self.policy)
            .field("keep", &self.keep)
            .field("batch", &self.batch)
            .finish_non_exhaustive()
    }
}

/// What a pass did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// The setting of the plugin that says that nothing is ever old; then nothing was looked at.
    pub off: Option<&'static str>,
    /// Tasks deleted, with their jobs.
    pub tasks: u64,
    /// Runs deleted.
    pub runs: u64,
    /// Log lines deleted, with their runs.
    pub lines: u64,
    /// Log lines deleted whose run was gone.
    pub strays: u64,
    /// Tasks, runs and the sidecar's own rows that could not be deleted; the log has the errors.
    pub failed: u64,
    /// Why it ended before it was done.
    pub closed: Option<Closed>,
}

impl Summary {
    /// Whether something could not be deleted, or the pass was not done to its end.
    #[must_use]
    pub const fn has_failed(&self) -> bool {
        self.failed > 0 || self.closed.is_some()
    }

    /// One line in the log for the pass.
    pub fn log(&self, duty: Duty) {
        let cleaned = duty.cron();
        if let Some(setting) = self.off {
            tracing::debug!(duty = cleaned, setting, "cleaning is off");
        } else if (Self {
            closed: None,
            ..*self
        }) == Self::default()
        {
            tracing::debug!(duty = cleaned, "nothing to clean");
        } else {
            tracing::info!(
                duty = cleaned,
                tasks = self.tasks,
                runs = self.runs,
                lines = self.lines,
                lines.strays = self.strays,
                failed = self.failed,
                "cleaned"
            );
        }
    }
}

impl Outcome for Summary {
    fn result(&self) -> String {
        if let Some(setting) = self.off {
            format!("off by the plugin's {setting}")
        } else if let Some(closed) = self.closed {
            format!("stopped: {closed}")
        } else if self.failed > 0 {
            format!("{} tasks and rows failed", self.failed)
        } else {
            "ok".to_owned()
        }
    }

    fn runs(&self) -> u64 {
        self.runs
    }

    fn closed(&self) -> Option<Closed> {
        self.closed
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(setting) = self.off {
            return write!(
                f,
                "off: {setting} of the plugin's settings is no number of days from 0 up"
            );
        }
        write!(
            f,
            "{} tasks, {} runs, {} log lines and {} log lines without a run deleted",
            self.tasks, self.runs, self.lines, self.strays
        )?;
        if self.failed > 0 {
            write!(f, ", {} tasks and rows failed", self.failed)?;
        }
        if let Some(closed) = self.closed {
            write!(
                f,
                "\n{closed}: the pass stopped there, the next one does the rest"
            )?;
        }
        Ok(())
    }
}

impl Cleaning {
    /// Cleans `db`, by the rules of `policy`, in local time of `zone`, within the bounds of `settings`.
    #[must_use]
    pub fn new(
        db: Db,
        clock: Arc<dyn Clock>,
        zone: Tz,
        policy: Policy,
        settings: &Scheduler,
    ) -> Self {
        Self {
            db,
            clock,
            zone,
            policy,
            keep: settings.keep_runs,
            batch: settings.cleaning_batch,
        }
    }

    /// One pass. What cannot be deleted is passed over. It ends by itself, between two transactions, when GLPI is closed.
    ///
    /// # Errors
    ///
    /// When the database is not there or cannot be read.
    pub async fn pass(&self, duty: Duty) -> Result<Summary, DbError> {
        let mut summary = Summary::default();
        match self.work(duty, &mut summary).await {
            Ok(()) => {}
            Err(Halt::Closed(closed)) => summary.closed = Some(closed),
            Err(Halt::Db(error)) => return Err(error),
        }
        Ok(summary)
    }

    /// `summary` is what was done, also when it ends in an error.
    async fn work(&self, duty: Duty, summary: &mut Summary) -> Result<(), Halt> {
        look(&self.db).await?;
        let days = self.db.plugin_setting(duty.setting()).await?;
        let now = local(self.clock.as_ref(), self.zone);
        let before = duty.old_before(days.as_deref(), now, self.policy);
        if duty == Duty::OnDemand {
            // Of jobs that are gone whatever the settings keep: those that somebody deleted, and what a pass that was broken off has left.
            for job in self.db.gone_jobs().await? {
                self.rest_of(job, summary).await?;
            }
        }
        match (duty, self.policy, before) {
            // The plugin deletes tasks without runs even so.
            (Duty::OnDemand, Policy::Plugin, before) => {
                self.demand_as_plugin(before, summary).await?;
            }
            (duty, _, None) => summary.off = Some(duty.setting()),
            (Duty::Runs, Policy::Plugin, Some(before)) => {
                self.runs_as_plugin(before, summary).await?;
            }
            (Duty::Runs, Policy::Redux, Some(before)) => {
                self.runs(before, summary).await?;
                self.strays(summary).await?;
            }
            (Duty::OnDemand, Policy::Redux, Some(before)) => {
                self.demand(before, summary).await?;
            }
        }
        Ok(())
    }

    /// Ended runs but the last few of each job, target and agent, if their last line is old.
    async fn runs(&self, before: NaiveDateTime, summary: &mut Summary) -> Result<(), Halt> {
        let mut next = Some(0);
        while let Some(from) = next {
            let window = self.db.past_runs(from, self.keep, self.batch).await?;
            next = window.next;
            let may_go: Vec<RunId> = window
                .seen
                .into_iter()
                .filter(|(_, past)| past.may_go())
                .map(|(run, _)| run)
                .collect();
            let old = self.db.silent_runs(&may_go, before).await?;
            self.delete(&old, Lot::Ended, summary).await?;
        }
        Ok(())
    }

    /// Runs with an old line, in whatever state.
    async fn runs_as_plugin(
        &self,
        before: NaiveDateTime,
        summary: &mut Summary,
    ) -> Result<(), Halt> {
        let mut next = Some(0);
        while let Some(from) = next {
            let window = self.db.old_lines(from, before, self.batch).await?;
            next = window.next;
            self.delete(&window.seen, Lot::All, summary).await?;
        }
        Ok(())
    }

    /// Tasks on demand whose runs have all ended and are old. The task goes first: were it there without its runs, they would be
    /// prepared again.
    async fn demand(&self, before: NaiveDateTime, summary: &mut Summary) -> Result<(), Halt> {
        let mut next = Some(0);
        while let Some(from) = next {
            let window = self.db.tasks_on_demand(from, self.batch).await?;
            next = window.next;
            for (task, demand) in window.seen {
                if !demand.may_go(self.policy) {
                    continue;
                }
                let jobs = self.db.jobs_of_task(task).await?;
                if !self.are_silent(&jobs, before).await? || self.agents_are_at(task).await? {
                    continue;
                }
                if self.delete_task(task, summary).await? {
                    for job in jobs {
                        self.rest_of(job, summary).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether an agent is in an occurrence of `task`, which it drives itself: jobs of it may still wait for their delays.
    async fn agents_are_at(&self, task: TaskId) -> Result<bool, Halt> {
        let Some(began_at) = self.db.last_agent_occurrence(task).await? else {
            return Ok(false);
        };
        let catalogue = self.db.catalogue().await?;
        let now = moment(self.clock.as_ref(), self.zone);
        Ok(is_under_way(&catalogue, task, began_at, now))
    }

    /// Whether no ended run of `jobs` has a log line of `since` or later.
    async fn are_silent(&self, jobs: &[JobId], since: NaiveDateTime) -> Result<bool, Halt> {
        for job in jobs {
            let mut next = Some(0);
            while let Some(from) = next {
                let window = self.db.ended_runs(*job, None, from, self.batch).await?;
                next = window.next;
                let silent = self.db.silent_runs(&window.seen, since).await?;
                if silent.len() < window.seen.len() {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Old ended runs of tasks on demand, and these tasks when they have no runs.
    async fn demand_as_plugin(
        &self,
        before: Option<NaiveDateTime>,
        summary: &mut Summary,
    ) -> Result<(), Halt> {
        if before.is_some() {
            let mut next = Some(0);
            while let Some(from) = next {
                let window = self.db.tasks_on_demand(from, self.batch).await?;
                next = window.next;
                for (task, _) in window.seen {
                    for job in self.db.jobs_of_task(task).await? {
                        self.runs_of(job, before, Lot::EndedWithoutLines, summary)
                            .await?;
                    }
                }
            }
        }
        let mut next = Some(0);
        while let Some(from) = next {
            let window = self.db.tasks_on_demand(from, self.batch).await?;
            next = window.next;
            for (task, demand) in window.seen {
                if demand.may_go(self.policy) {
                    self.delete_task(task, summary).await?;
                }
            }
        }
        Ok(())
    }

    /// Ended runs of a job; with `before`, those with a line that is older.
    async fn runs_of(
        &self,
        job: JobId,
        before: Option<NaiveDateTime>,
        lot: Lot,
        summary: &mut Summary,
    ) -> Result<(), Halt> {
        let mut next = Some(0);
        while let Some(from) = next {
            let window = self.db.ended_runs(job, before, from, self.batch).await?;
            next = window.next;
            self.delete(&window.seen, lot, summary).await?;
        }
        Ok(())
    }

    async fn delete(&self, runs: &[RunId], lot: Lot, summary: &mut Summary) -> Result<(), Halt> {
        let mut rest = runs.to_vec();
        while !rest.is_empty() {
            look(&self.db).await?;
            let deleted = self.db.delete_runs(&rest, lot, self.batch).await;
            let failed = Deleted::default();
            let deleted = self
                .unless_failed(deleted, failed, rest.len(), summary)
                .await?;
            let lines = match lot {
                Lot::Remains => &mut summary.strays,
                Lot::All | Lot::Ended | Lot::EndedWithoutLines => &mut summary.lines,
            };
            *lines += deleted.lines;
            summary.runs += deleted.runs;
            rest = deleted.rest;
        }
        Ok(())
    }

    async fn delete_task(&self, task: TaskId, summary: &mut Summary) -> Result<bool, Halt> {
        look(&self.db).await?;
        let deleted = self.db.delete_task(task, self.policy).await;
        let deleted = self.unless_failed(deleted, false, 1, summary).await?;
        summary.tasks += u64::from(deleted);
        Ok(deleted)
    }

    /// One deletion's trouble (a locked row) must not keep the rest from being done: it is logged, and counted as `count` failures.
    /// Without a database there is no use in going on.
    async fn unless_failed<T>(
        &self,
        outcome: Result<T, DbError>,
        failed: T,
        count: usize,
        summary: &mut Summary,
    ) -> Result<T, DbError> {
        match outcome {
            Ok(value) => Ok(value),
            Err(error) => {
                tracing::error!(error = %error, code = error.code(), "rows could not be deleted");
                self.db.ping().await?;
                summary.failed += count as u64;
                Ok(failed)
            }
        }
    }
}

/// Does both kinds of cleaning every `period` until `stop`, each as far as `gate` lets it; looks every `look`, and when this sidecar begins
/// to lead, whether one is due. A pass that failed is tried again at the next look.
pub async fn regularly(
    cleaning: Cleaning,
    gate: Arc<Gate>,
    period: Duration,
    look: Duration,
    stop: CancellationToken,
) {
    let mut passed: [Option<Instant>; 2] = [None; 2];
    let mut leading = gate.leading();
    let work = async {
        loop {
            leading.look();
            for (duty, last) in Duty::ALL.into_iter().zip(&mut passed) {
                if last.is_some_and(|last| last.elapsed() < period) {
                    continue;
                }
                match gate
                    .pass(Chore::Clean(duty), period, cleaning.pass(duty))
                    .await
                {
                    Ok(None) => {}
                    Ok(Some(summary)) => {
                        summary.log(duty);
                        // What it did not come to is not left for a whole period.
                        if summary.closed.is_none() {
                            *last = Some(Instant::now());
                        }
                    }
                    Err(error) => {
                        tracing::error!(duty = duty.cron(), error = %error, code = error.code(), "cleaning failed, trying again");
                    }
                }
            }
            leading.or_in(look).await;
        }
    };
    // A pass may take minutes: it is broken off, the transaction under way undone.
    tokio::select! {
        () = stop.cancelled() => {}
        () = work => {}
    }
}
