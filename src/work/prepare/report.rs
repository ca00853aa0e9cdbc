//! What a pass of preparation did, job by job, and why nothing where nothing was done.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, NaiveDateTime};
use chrono_tz::Tz;

use crate::db::preparation::Prepared;
use crate::domain::ids::JobId;
use crate::domain::opening::Reason;
use crate::domain::site::Closed;
use crate::work::groups::Kept;
use crate::work::turn;

/// A pass over all jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pass {
    /// When it began.
    pub at: DateTime<Tz>,
    /// Jobs by id, and what became of each.
    pub jobs: Vec<(JobId, Outcome)>,
    /// Dynamic groups among their actors that were not evaluated.
    pub kept: Vec<Kept>,
    /// Why it ended before it had come to all jobs, or to the end of the last one.
    pub closed: Option<Closed>,
    /// When the first of the jobs that wait for a moment can be prepared: local time.
    pub due: Option<NaiveDateTime>,
    /// Where only is looked: prepared runs that would go out to agents that ask now, by job.
    pub ready: BTreeMap<JobId, usize>,
}

/// What a pass did for a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Runs were created or cancelled.
    Prepared(Prepared),
    /// Nothing to do.
    UpToDate {
        /// Runs that are under way.
        open: usize,
        /// Runs that ended well and are not prepared again.
        done: usize,
    },
    /// Nothing was done, for this reason.
    Passed(Reason),
    /// The database did not let it go on; the log has the error with this code.
    Failed {
        /// Code of the error.
        code: &'static str,
        /// What was done before.
        before: Prepared,
    },
    /// This was done, then GLPI was closed.
    Stopped(Prepared),
}

impl Outcome {
    /// Runs created and cancelled.
    #[must_use]
    pub fn prepared(&self) -> Prepared {
        match self {
            Self::Prepared(prepared)
            | Self::Stopped(prepared)
            | Self::Failed {
                before: prepared, ..
            } => *prepared,
            Self::UpToDate { .. } | Self::Passed(_) => Prepared::default(),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prepared(prepared) => prepared.fmt(f),
            Self::UpToDate { open, done: 0 } => write!(f, "up to date, {open} under way"),
            Self::UpToDate { open: 0, done } => write!(f, "done, {done} ended well"),
            Self::UpToDate { open, done } => {
                write!(f, "up to date, {open} under way, {done} ended well")
            }
            Self::Passed(reason) => reason.fmt(f),
            Self::Failed { code, before } => write!(f, "failed ({code}) after {before}"),
            Self::Stopped(before) => write!(f, "stopped after {before}"),
        }
    }
}

impl fmt::Display for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} prepared, {} cancelled", self.created, self.cancelled)
    }
}

impl turn::Outcome for Arc<Pass> {
    fn result(&self) -> String {
        let failed = |(_, outcome): &&(JobId, Outcome)| matches!(outcome, Outcome::Failed { .. });
        match (self.closed, self.jobs.iter().filter(failed).count()) {
            (Some(closed), _) => format!("stopped: {closed}"),
            (None, 0) => "ok".to_owned(),
            (None, failed) => format!("{failed} jobs failed"),
        }
    }

    fn runs(&self) -> u64 {
        self.total().created as u64
    }

    fn closed(&self) -> Option<Closed> {
        self.closed
    }
}

impl Pass {
    /// Runs created and cancelled in all.
    #[must_use]
    pub fn total(&self) -> Prepared {
        let outcomes = self.jobs.iter().map(|(_, outcome)| outcome.prepared());
        outcomes.fold(Prepared::default(), |sum, p| Prepared {
            created: sum.created + p.created,
            cancelled: sum.cancelled + p.cancelled,
        })
    }

    /// Whether a job failed, or the pass was not done to its end.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        if self.closed.is_some() {
            return true;
        }
        let mut outcomes = self.jobs.iter().map(|(_, outcome)| outcome);
        outcomes.any(|outcome| matches!(outcome, Outcome::Failed { .. }))
    }

    /// One line in the log for the pass, one at debug level for each job that was passed over.
    pub fn log(&self) {
        let total = self.total();
        if total == Prepared::default() {
            tracing::debug!(jobs = self.jobs.len(), "nothing to prepare");
        } else {
            tracing::info!(
                jobs = self.jobs.len(),
                runs.created = total.created,
                runs.cancelled = total.cancelled,
                "runs prepared"
            );
        }
        for (job, outcome) in &self.jobs {
            if let Outcome::Passed(reason) = outcome {
                tracing::debug!(job.id = job.0, reason = %reason, "job passed over");
            }
        }
    }
}

/// What a pass would do, and where the plugin's would do something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outlook {
    /// Why a pass would do nothing now.
    pub closed: Option<Closed>,
    /// By the rules that hold here.
    pub ours: Pass,
    /// By those of the plugin; GLPI's cron stops at about 500 runs a target and does the rest the next time.
    pub plugin: Pass,
}

impl fmt::Display for Outlook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(closed) = self.closed {
            writeln!(f, "{closed}: no pass begins until that is over")?;
        }
        writeln!(
            f,
            "nothing was written; a pass would do this:\n{}",
            self.ours
        )?;
        let ready = &self.ours.ready;
        let jobs: Vec<String> = ready
            .iter()
            .map(|(job, runs)| format!("job {job}: {runs}"))
            .collect();
        let runs: usize = ready.values().sum();
        write!(
            f,
            "prepared runs that agents would be sent if they asked now: {runs}"
        )?;
        if !jobs.is_empty() {
            write!(f, " ({})", jobs.join(", "))?;
        }
        writeln!(f)?;
        // The catalogue was read for each of the two: a job that came or went between says nothing.
        let mut differing = self.plugin.jobs.iter().filter(|(job, plugin)| {
            let mut ours = self.ours.jobs.iter();
            ours.any(|(own, ours)| own == job && ours != plugin)
        });
        let Some(first) = differing.next() else {
            return f.write_str("GLPI's cron would do the same");
        };
        f.write_str("GLPI's cron would do otherwise:")?;
        for (job, outcome) in std::iter::once(first).chain(differing) {
            write!(f, "\njob {job}: {outcome}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for kept in &self.kept {
            writeln!(f, "{kept}")?;
        }
        for (job, outcome) in &self.jobs {
            writeln!(f, "job {job}: {outcome}")?;
        }
        let total = self.total();
        write!(
            f,
            "{} jobs: {} runs prepared, {} cancelled",
            self.jobs.len(),
            total.created,
            total.cancelled
        )?;
        if let Some(closed) = self.closed {
            write!(
                f,
                "\n{closed}: the pass stopped there, the next one does the rest"
            )?;
        }
        Ok(())
    }
}
