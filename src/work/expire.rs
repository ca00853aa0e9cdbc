//! Expiry: runs that were sent and whose agents have been silent for too long end in error.
//!
//! No cron of GLPI does this. A pass goes over the runs under way of one job after the other, in pieces, and can be broken off anywhere.
//! Several at once do no harm: a run ends once.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use chrono_tz::Tz;
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, moment};
use crate::db::expiry::{JobUnderWay, Terms};
use crate::db::{Db, DbError};
use crate::domain::crons::Chore;
use crate::domain::expiry::{Verdict, timeout_of};
use crate::domain::policy::Policy;
use crate::domain::run::RunState;
use crate::domain::site::Closed;
use crate::telemetry::metrics::RUNS_EXPIRED;
use crate::work::doors::{Halt, look};
use crate::work::gate::Gate;
use crate::work::prepare;
use crate::work::turn::Outcome;

/// Runs that are looked at with one statement.
const PAGE: u32 = 1000;

/// What was heard of an answer is remembered for at least so long, and as long as any job's time-out.
const MEMORY: Duration = Duration::from_hours(24);

/// And at most so long.
const LONGEST_MEMORY: Duration = Duration::from_hours(24 * 3650);

/// Ends silent runs.
#[derive(Clone)]
pub struct Expiry {
    db: Db,
    clock: Arc<dyn Clock>,
    zone: Tz,
    policy: Policy,
    timeout: Duration,
}

impl fmt::Debug for Expiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expiry")
            .field("policy", &self.policy)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// What a pass does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Ends runs.
    Write,
    /// Only counts them.
    Look,
}

/// What a pass did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Whether runs were ended or counted.
    pub mode: Mode,
    /// Whose rules held.
    pub policy: Policy,
    /// Runs by the method of their jobs.
    pub expired: BTreeMap<String, usize>,
    /// Runs that had not started and were cancelled, as their task's occurrence was over.
    pub cancelled: usize,
    /// Tasks and jobs whose runs could not all be ended; the log has the errors.
    pub failed: usize,
    /// Why it ended before it was done.
    pub closed: Option<Closed>,
}

impl Summary {
    /// Runs of all methods.
    #[must_use]
    pub fn total(&self) -> usize {
        self.expired.values().sum()
    }

    /// Whether something could not be ended, or the pass was not done to its end.
    #[must_use]
    pub const fn has_failed(&self) -> bool {
        self.failed > 0 || self.closed.is_some()
    }

    /// One line in the log for the pass.
    fn log(&self) {
        match self.total() {
            0 => tracing::debug!("no run has timed out"),
            runs => tracing::info!(runs, "runs have timed out"),
        }
        if self.cancelled > 0 {
            tracing::info!(
                runs = self.cancelled,
                "runs were cancelled, as their task's occurrence was over"
            );
        }
    }
}

impl Outcome for Summary {
    fn result(&self) -> String {
        match (self.closed, self.failed) {
            (Some(closed), _) => format!("stopped: {closed}"),
            (None, 0) => "ok".to_owned(),
            (None, failed) => format!("{failed} tasks and jobs failed"),
        }
    }

    fn runs(&self) -> u64 {
        self.total() as u64
    }

    fn closed(&self) -> Option<Closed> {
        self.closed
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.policy == Policy::Plugin {
            return f.write_str("off: under policy plugin no run times out");
        }
        let total = self.total();
        match self.mode {
            Mode::Write => write!(f, "{total} runs timed out")?,
            Mode::Look => write!(f, "nothing was written; {total} runs would time out")?,
        }
        let methods: Vec<String> = self
            .expired
            .iter()
            .map(|(method, runs)| format!("{method} {runs}"))
            .collect();
        if !methods.is_empty() {
            write!(f, " ({})", methods.join(", "))?;
        }
        if self.cancelled > 0 {
            let (runs, did) = match self.mode {
                Mode::Write => (self.cancelled, "cancelled, their occurrence was over"),
                Mode::Look => (
                    self.cancelled,
                    "would be cancelled, their occurrence is over",
                ),
            };
            write!(f, "; {runs} {did}")?;
        }
        if self.failed > 0 {
            write!(f, "; {} tasks and jobs failed", self.failed)?;
        }
        if let Some(closed) = self.closed {
            write!(f, "; {closed}: the next pass does the rest")?;
        }
        Ok(())
    }
}

impl Expiry {
    /// Ends runs on `db`, by the rules of `policy`, in local time of `zone`; `timeout` is that of jobs that have none of their own, zero is
    /// none.
    #[must_use]
    pub fn new(db: Db, clock: Arc<dyn Clock>, zone: Tz, policy: Policy, timeout: Duration) -> Self {
        Self {
            db,
            clock,
            zone,
            policy,
            timeout,
        }
    }

    /// One pass over all runs under way. It ends by itself, between two pieces, when GLPI is closed.
    ///
    /// # Errors
    ///
    /// When the database fails; runs that were ended before are.
    pub async fn pass(&self, mode: Mode) -> Result<Summary, DbError> {
        let mut summary = Summary {
            mode,
            policy: self.policy,
            expired: BTreeMap::new(),
            cancelled: 0,
            failed: 0,
            closed: None,
        };
        if self.policy == Policy::Plugin {
            return Ok(summary);
        }
        match Box::pin(self.over_all_jobs(&mut summary)).await {
            Ok(()) => {}
            Err(Halt::Closed(closed)) => summary.closed = Some(closed),
            Err(Halt::Db(error)) => {
                summary.log();
                return Err(error);
            }
        }
        Ok(summary)
    }

    async fn over_all_jobs(&self, summary: &mut Summary) -> Result<(), Halt> {
        let now = moment(self.clock.as_ref(), self.zone);
        let mode = match summary.mode {
            Mode::Write => prepare::Mode::Write,
            Mode::Look => prepare::Mode::Look,
        };
        (summary.cancelled, summary.failed) = prepare::end_late(&self.db, mode, now).await?;
        let mut longest = MEMORY;
        for job in self.db.jobs_under_way().await? {
            let timeout = timeout_of(job.timeout, self.timeout);
            longest = timeout.map_or(longest, |timeout| longest.max(timeout));
            let terms = Terms {
                policy: self.policy,
                timeout,
                now,
            };
            if timeout.is_some() {
                match self.over_states(&job, &terms, summary).await {
                    Err(Halt::Db(error)) => {
                        tracing::error!(job.id = job.id.0, error = %error, code = error.code(), "a job's silent runs could not all be ended");
                        self.db.ping().await?;
                        summary.failed += 1;
                    }
                    other => other?,
                }
            }
        }
        if summary.mode == Mode::Write {
            let memory = TimeDelta::from_std(longest.min(LONGEST_MEMORY)).unwrap_or_default();
            let before = now.naive_local() - memory;
            look(&self.db).await?;
            while self.db.forget_signs(before).await? {
                look(&self.db).await?;
            }
        }
        Ok(())
    }

    async fn over_states(
        &self,
        job: &JobUnderWay,
        terms: &Terms,
        summary: &mut Summary,
    ) -> Result<(), Halt> {
        for state in &job.states {
            self.over_runs(job, *state, terms, summary).await?;
        }
        Ok(())
    }

    async fn over_runs(
        &self,
        job: &JobUnderWay,
        state: RunState,
        terms: &Terms,
        summary: &mut Summary,
    ) -> Result<(), Halt> {
        let (most, mut next) = (self.db.ended_at_once().await, Some(0));
        while let Some(from) = next {
            let window = self
                .db
                .silent_candidates(job.id, state, from, PAGE, terms)
                .await?;
            next = window.next;
            for runs in window.seen.chunks(most) {
                let judged = self.db.verdicts(runs, terms).await?;
                let expired = match summary.mode {
                    Mode::Look => judged
                        .iter()
                        .filter(|(_, verdict)| matches!(verdict, Verdict::Expires(_)))
                        .count(),
                    Mode::Write if judged.is_empty() => 0,
                    Mode::Write => {
                        look(&self.db).await?;
                        let runs: Vec<_> = judged.into_iter().map(|(run, _)| run).collect();
                        let expired = self.db.expire_runs(&runs, terms).await?;
                        metrics::counter!(RUNS_EXPIRED, "method" => job.method.clone())
                            .increment(expired as u64);
                        expired
                    }
                };
                if expired > 0 {
                    *summary.expired.entry(job.method.clone()).or_default() += expired;
                }
            }
        }
        Ok(())
    }
}

/// Makes a pass every `period` until `stop`, which also ends one under way; rests while GLPI is closed.
pub async fn regularly(expiry: Expiry, gate: Arc<Gate>, period: Duration, stop: CancellationToken) {
    if expiry.policy == Policy::Plugin {
        return;
    }
    let mut leading = gate.leading();
    let work = async {
        loop {
            leading.look();
            match gate
                .pass(Chore::Expire, period, expiry.pass(Mode::Write))
                .await
            {
                Ok(None) => {}
                Ok(Some(summary)) => summary.log(),
                Err(error) => {
                    tracing::error!(error = %error, code = error.code(), "silent runs could not be ended, trying again");
                }
            }
            leading.or_in(period).await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = work => {}
    }
}
