//! Counting for who looks at tasks, kept in memory.
//!
//! A *round* looks at all jobs: one statement over the index on job and state, in pieces, says which have other runs, or runs in other states, than
//! when they were counted last, whoever changed, added or deleted them; new log lines name jobs too. Only the tasks of these jobs are counted
//! again. Rounds begin a period apart, or further while one takes more than a twentieth of that. Between two rounds this sidecar's own writes
//! have their tasks counted at once, at most every second.
//!
//! What no round can see, because runs and their states stay the same (a log line deleted or a target changed by hand), is found as each round also
//! counts some tasks that have not changed, those counted longest ago.

mod facts;
mod tally;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono_tz::Tz;
use futures_util::future::BoxFuture;
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, moment};
use crate::db::{Db, DbError};
use crate::domain::catalogue::Catalogue;
use crate::domain::ids::{JobId, TaskId};
use crate::domain::policy::Policy;
use crate::domain::summary::Board;
use crate::work::prepare::Preparation;
use tally::Tally;

/// Where catalogues come from.
pub type Source =
    Arc<dyn Fn() -> BoxFuture<'static, Result<Arc<Catalogue>, DbError>> + Send + Sync>;

/// What part of the time counting may take: one in so many.
const SHARE: u32 = 20;

/// By how many times the period may be exceeded for that.
const PATIENCE: u32 = 5;

/// Shortest time between two counts for our own writes.
const NUDGED: Duration = Duration::from_secs(1);

/// How long tasks that have not changed are counted in a round, as a part of the period.
const AGAIN: u32 = 100;

/// How often a count that goes on shows what it has.
const SHOWN: Duration = Duration::from_millis(500);

/// Counts.
pub struct Monitor {
    db: Db,
    clock: Arc<dyn Clock>,
    zone: Tz,
    policy: Policy,
    period: Duration,
    source: Source,
    /// What prepares, and how long its report stands.
    preparation: Option<(Arc<Preparation>, Duration)>,
    tally: Mutex<Tally>,
    board: watch::Sender<Arc<Board>>,
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitor")
            .field("period", &self.period)
            .finish_non_exhaustive()
    }
}

impl Monitor {
    /// Counts on `db` every `period`, for the tasks of the catalogues of `source`.
    #[must_use]
    pub fn new(
        db: Db,
        clock: Arc<dyn Clock>,
        zone: Tz,
        policy: Policy,
        period: Duration,
        source: Source,
    ) -> Self {
        Self {
            db,
            clock,
            zone,
            policy,
            period,
            source,
            preparation: None,
            tally: Mutex::default(),
            board: watch::Sender::new(Arc::default()),
        }
    }

    /// Reasons come from what `preparation` did in its last pass, if that is not longer ago than `stands`; else from the catalogue alone.
    #[must_use]
    pub fn with_reasons(mut self, preparation: Arc<Preparation>, stands: Duration) -> Self {
        self.preparation = Some((preparation, stands));
        self
    }

    /// What was counted last. It takes no time.
    #[must_use]
    pub fn board(&self) -> Arc<Board> {
        Arc::clone(&self.board.borrow())
    }

    /// Follows what is counted.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Arc<Board>> {
        self.board.subscribe()
    }

    /// How old a count may be while everything goes well, see the option `monitoring-period`; zero: only [`Monitor::round`] counts.
    #[must_use]
    pub const fn period(&self) -> Duration {
        self.period
    }

    /// One round: what has changed since the last one is counted again.
    ///
    /// # Errors
    ///
    /// When the database fails; what was counted before stays.
    pub async fn round(&self) -> Result<Arc<Board>, DbError> {
        let mut tally = self.tally.lock().await;
        let at = self.clock.now();
        let written = self.db.written().take();
        match Box::pin(self.look(&mut tally, &written)).await {
            Ok(()) => {
                tally.counted_at = Some(at);
                Ok(self.publish(&tally))
            }
            Err(error) => {
                // Who looks next has to know of them too.
                self.db.written().note(written);
                Err(error)
            }
        }
    }

    async fn look(&self, tally: &mut Tally, written: &BTreeSet<JobId>) -> Result<(), DbError> {
        let catalogue = (self.source)().await?;
        tally.take_over(catalogue);
        let with_lines = self.new_lines(tally).await?;
        let jobs = tally.jobs();
        let marks = self.db.marks(&jobs).await?;
        tally.entities = self.db.task_entities().await?;
        tally.names = self.db.target_names(&tally.targets()).await?;
        let changed = tally.changed(&marks, |job| {
            with_lines.contains(&job) || written.contains(&job)
        });
        let mut shown = Instant::now();
        for task in changed {
            self.count(tally, task).await?;
            tally.mark(task, &marks);
            if shown.elapsed() >= SHOWN {
                self.publish(tally);
                shown = Instant::now();
            }
        }
        let begun = Instant::now();
        for task in tally.oldest() {
            self.count(tally, task).await?;
            if begun.elapsed() >= self.period / AGAIN {
                break;
            }
        }
        Ok(())
    }

    /// Jobs with log lines since the look before the last one: a line with a lower id than one that was seen may be committed after it.
    async fn new_lines(&self, tally: &mut Tally) -> Result<BTreeSet<JobId>, DbError> {
        let last = self.db.last_line().await?;
        let Some((before, seen)) = tally.lines else {
            tally.lines = Some((last, last));
            return Ok(BTreeSet::new());
        };
        let jobs = self.db.jobs_with_lines(before.min(last), last).await?;
        tally.lines = Some((seen, last));
        Ok(jobs.into_iter().collect())
    }

    /// The tasks of what this process wrote, at once.
    async fn nudged(&self) -> Result<(), DbError> {
        let mut tally = self.tally.lock().await;
        let written = self.db.written().take();
        let jobs: Vec<JobId> = written.iter().copied().collect();
        let outcome = async {
            let tasks = tally.tasks_of(&written);
            let marks = self.db.marks(&jobs).await?;
            for task in tasks {
                self.count(&mut tally, task).await?;
                tally.mark_jobs(&jobs, &marks);
            }
            Ok(())
        }
        .await;
        if outcome.is_err() {
            self.db.written().note(written);
        } else {
            self.publish(&tally);
        }
        outcome
    }

    /// Shows what has been counted.
    fn publish(&self, tally: &Tally) -> Arc<Board> {
        let now = moment(self.clock.as_ref(), self.zone);
        let report = self.preparation.as_ref().and_then(|(preparation, stands)| {
            let pass = preparation.last()?;
            let age = now.signed_duration_since(pass.at).to_std();
            age.is_ok_and(|age| age <= *stands).then_some(pass)
        });
        let board = Arc::new(tally.board(now, self.policy, report.as_deref()));
        self.board.send_if_modified(|shown| {
            let is_new = **shown != *board;
            *shown = Arc::clone(&board);
            is_new
        });
        board
    }

    /// Counts until `stop`; not at all with a period of zero.
    pub async fn regularly(&self, stop: CancellationToken) {
        if self.period.is_zero() {
            stop.cancelled().await;
            return;
        }
        let work = async {
            let mut is_first = true;
            loop {
                let begun = Instant::now();
                if let Err(error) = self.round().await {
                    tracing::warn!(error = %error, code = error.code(), "tasks could not be counted, trying again");
                }
                let took = begun.elapsed();
                metrics::histogram!(crate::telemetry::metrics::MONITORING_DURATION)
                    .record(took.as_secs_f64());
                // The first one counts everything; nobody has to wait for that again.
                let pause = if is_first {
                    self.period
                } else {
                    pause(took, self.period)
                };
                is_first = false;
                self.follow_writes(pause).await;
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = work => {}
        }
    }

    /// For `pause`, counts what this process writes.
    async fn follow_writes(&self, pause: Duration) {
        let until = tokio::time::Instant::now() + pause;
        let following = async {
            loop {
                self.db.written().some().await;
                let begun = Instant::now();
                if let Err(error) = self.nudged().await {
                    tracing::debug!(error = %error, code = error.code(), "the next round counts what was written");
                }
                tokio::time::sleep(NUDGED.max(begun.elapsed() * SHARE)).await;
            }
        };
        let _ = tokio::time::timeout_at(until, following).await;
    }

    /// Counts a task's runs.
    async fn count(&self, tally: &mut Tally, task: TaskId) -> Result<(), DbError> {
        let Some(jobs) = tally.jobs_of(task) else {
            return Ok(());
        };
        let counts = facts::count(&self.db, tally.catalogue(), self.policy, &jobs).await?;
        tally.put(task, counts);
        Ok(())
    }
}

/// How long after a round that took `took` the next one begins.
fn pause(took: Duration, period: Duration) -> Duration {
    took.saturating_mul(SHARE - 1)
        .clamp(period, period.saturating_mul(PATIENCE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counting_takes_a_twentieth_of_the_time_unless_it_took_too_long() {
        let seconds = Duration::from_secs_f64;
        for (took, period, expected) in [
            (0.0, 10.0, 10.0),
            (0.4, 10.0, 10.0),
            (1.0, 10.0, 19.0),
            (5.0, 10.0, 50.0),
            (0.0, 1.0, 1.0),
        ] {
            assert_eq!(pause(seconds(took), seconds(period)), seconds(expected));
        }
    }
}
