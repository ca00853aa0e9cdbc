//! What somebody changes about a task: its jobs in their order, and the bounds of its occurrences.
//!
//! A form carries what it showed ([`Plan::pack`]). What is written is the difference from that, and only where the database still has it.

pub mod job;
mod places;
pub mod span;
#[cfg(test)]
mod tests;

use std::fmt;

use super::driven::TaskMode;
use super::ids::JobId;

/// Longest time that a form takes, seconds: a leap year.
pub const LONGEST: u32 = 366 * 86_400;

/// How a job is set, beside what GLPI shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobPlan {
    /// The job.
    pub job: JobId,
    /// Seconds from the beginning of an occurrence.
    pub delay: u32,
    /// Seconds of silence after which a run is given up: none = as everywhere, 0 = never.
    pub timeout: Option<u32>,
    /// It waits for the success of the job before it.
    pub after_success: bool,
}

/// How a task is set, beside what GLPI shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// The word of its mode, as stored.
    pub mode: Option<String>,
    /// Seconds after which an occurrence ends.
    pub max_duration: Option<u32>,
    /// Seconds from one occurrence to the next.
    pub min_period: Option<u32>,
    /// Its jobs in their order.
    pub jobs: Vec<JobPlan>,
}

/// Why a plan cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The mode is none.
    Mode,
    /// The first job waits for the success of the one before it.
    First,
    /// The job at this place (from 0) would start before the one that stands before it.
    Order(usize),
    /// The job at this place would start when the occurrence is over.
    Late(usize),
}

/// One change, as history tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Of what.
    pub what: String,
    /// What it was.
    pub old: String,
    /// What it is.
    pub new: String,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} → {}", self.what, self.old, self.new)
    }
}

type Packed = (
    Option<String>,
    Option<u32>,
    Option<u32>,
    Vec<(u32, u32, Option<u32>, bool)>,
);

impl Plan {
    /// As text, for a form.
    #[must_use]
    pub fn pack(&self) -> String {
        let jobs = self.jobs.iter();
        let jobs = jobs.map(|of| (of.job.0, of.delay, of.timeout, of.after_success));
        let packed: Packed = (
            self.mode.clone(),
            self.max_duration,
            self.min_period,
            jobs.collect(),
        );
        serde_json::to_string(&packed).unwrap_or_default()
    }

    /// What [`Plan::pack`] made.
    #[must_use]
    pub fn unpack(text: &str) -> Option<Self> {
        let (mode, max_duration, min_period, jobs): Packed = serde_json::from_str(text).ok()?;
        let job = |(job, delay, timeout, after_success)| JobPlan {
            job: JobId(job),
            delay,
            timeout,
            after_success,
        };
        Some(Self {
            mode,
            max_duration,
            min_period,
            jobs: jobs.into_iter().map(job).collect(),
        })
    }

    /// Why it cannot be, if it cannot.
    ///
    /// # Errors
    ///
    /// The first fault from the top.
    pub fn check(&self) -> Result<(), Fault> {
        let mode = self.mode.as_deref().map(str::parse::<TaskMode>);
        if mode.is_some_and(|mode| mode.is_err()) {
            return Err(Fault::Mode);
        }
        if self.jobs.first().is_some_and(|job| job.after_success) {
            return Err(Fault::First);
        }
        for (at, job) in self.jobs.iter().enumerate() {
            if at > 0 && job.delay < self.jobs[at - 1].delay {
                return Err(Fault::Order(at));
            }
            if self.max_duration.is_some_and(|most| job.delay >= most) {
                return Err(Fault::Late(at));
            }
        }
        Ok(())
    }

    /// Whether it says what holds where nothing is said, so that the task needs no rows of ours but for time-outs.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        let is_plain = |job: &JobPlan| job.delay == 0 && !job.after_success;
        self.mode.is_none()
            && self.max_duration.is_none()
            && self.min_period.is_none()
            && self.jobs.iter().all(is_plain)
            && self.jobs.is_sorted_by_key(|job| job.job)
    }

    /// Whether `other` has the same occurrences and the same places in them.
    #[must_use]
    pub fn runs_as(&self, other: &Self) -> bool {
        let timeless = |plan: &Self| {
            let mut plan = plan.clone();
            for job in &mut plan.jobs {
                job.timeout = None;
            }
            plan
        };
        timeless(self) == timeless(other)
    }

    /// What makes `after` of it; `name` = what a job is called.
    #[must_use]
    pub fn changes(&self, after: &Self, name: impl Fn(JobId) -> String) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut note = |what: String, old: String, new: String| {
            if old != new {
                changes.push(Change { what, old, new });
            }
        };
        let word = |mode: &Option<String>| mode.as_deref().unwrap_or("default").to_owned();
        note("mode".to_owned(), word(&self.mode), word(&after.mode));
        let bound = |bound: Option<u32>| bound.map_or_else(|| "default".to_owned(), span::text);
        for (what, old, new) in [
            ("maximum duration", self.max_duration, after.max_duration),
            ("minimum period", self.min_period, after.min_period),
        ] {
            note(what.to_owned(), bound(old), bound(new));
        }
        let known = |plan: &Self, other: &Self| -> Vec<JobId> {
            let both = |job: &&JobPlan| other.jobs.iter().any(|of| of.job == job.job);
            plan.jobs.iter().filter(both).map(|job| job.job).collect()
        };
        let (old, new) = (known(self, after), known(after, self));
        if old != new {
            let list = |jobs: &[JobId]| {
                let names: Vec<String> = jobs.iter().map(|job| name(*job)).collect();
                names.join(", ")
            };
            note("order of jobs".to_owned(), list(&old), list(&new));
        }
        for job in &self.jobs {
            let of = name(job.job);
            let Some(new) = after.jobs.iter().find(|of| of.job == job.job) else {
                note(of, "a job of the task".to_owned(), "none".to_owned());
                continue;
            };
            let delay = [job.delay, new.delay].map(span::text);
            let [old_delay, new_delay] = delay;
            note(format!("{of}: delay"), old_delay, new_delay);
            let timeout = |timeout: Option<u32>| match timeout {
                Some(0) => "never".to_owned(),
                timeout => bound(timeout),
            };
            note(
                format!("{of}: time-out"),
                timeout(job.timeout),
                timeout(new.timeout),
            );
            let yes = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
            note(
                format!("{of}: after success of the job before"),
                yes(job.after_success),
                yes(new.after_success),
            );
        }
        for job in &after.jobs {
            if !self.jobs.iter().any(|of| of.job == job.job) {
                note(
                    name(job.job),
                    "none".to_owned(),
                    "a job of the task".to_owned(),
                );
            }
        }
        changes
    }
}
