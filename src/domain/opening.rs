//! Whether a job may be prepared now, and if not, why.

use std::fmt;

use chrono::{DateTime, NaiveDateTime};
use chrono_tz::Tz;

use super::catalogue::{Catalogue, Job, Task};
use super::ids::JobId;
use super::modules::Module;
use super::policy::Policy;
use super::schedule::Phase;
use super::sequence::Over;

/// Why nothing is prepared for a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Its task does not exist.
    NoTask,
    /// Its task is switched off.
    TaskInactive,
    /// No agent does work of this kind.
    UnknownMethod(String),
    /// Its task starts then.
    NotYet(NaiveDateTime),
    /// Its task's dates are over.
    Over,
    /// Its task has an end date and no start date (policy `plugin`).
    EndAlone,
    /// The preparation slot is closed until then, or for good.
    SlotClosed(Option<NaiveDateTime>),
    /// The job's delay is over then.
    Delayed(NaiveDateTime),
    /// It waits for the success of that job.
    AwaitsSuccess(JobId),
    /// That job, whose success it waits for, ended badly.
    NoSuccess(JobId),
    /// The task's occurrence is over for this reason; the next can begin then.
    OccurrenceOver(Over, NaiveDateTime),
    /// The actors are no agent at all.
    NoAgents,
    /// The module is off for all agents that the actors are (policy `redux`).
    ModuleOff(Module),
    /// It has no target, or its IP ranges hold no device that could be queried.
    NoTargets,
}

impl Reason {
    /// The moment before which nothing is prepared, if it is known.
    #[must_use]
    pub const fn until(&self) -> Option<NaiveDateTime> {
        match self {
            Self::NotYet(until)
            | Self::SlotClosed(Some(until))
            | Self::Delayed(until)
            | Self::OccurrenceOver(_, until) => Some(*until),
            _ => None,
        }
    }

    /// Whether it ends by itself: at that moment, or when another job has ended.
    #[must_use]
    pub const fn passes(&self) -> bool {
        self.until().is_some() || matches!(self, Self::AwaitsSuccess(_))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTask => f.write_str("its task does not exist"),
            Self::TaskInactive => f.write_str("its task is switched off"),
            Self::UnknownMethod(method) => write!(f, "no agent does work of the kind '{method}'"),
            Self::NotYet(start) => write!(f, "its task starts at {start}"),
            Self::Over => f.write_str("its task's dates are over"),
            Self::EndAlone => f.write_str("its task has an end date without a start date"),
            Self::SlotClosed(Some(until)) => {
                write!(f, "the preparation slot is closed until {until}")
            }
            Self::SlotClosed(None) => f.write_str("the preparation slot never opens"),
            Self::Delayed(until) => write!(f, "waits for its delay until {until}"),
            Self::AwaitsSuccess(job) => write!(f, "waits for the success of job {job}"),
            Self::NoSuccess(job) => {
                write!(f, "job {job} before it did not end well in this occurrence")
            }
            Self::OccurrenceOver(over, next) => {
                write!(
                    f,
                    "the task's occurrence is over ({over}); the next begins at {next} at the earliest"
                )
            }
            Self::NoAgents => f.write_str("its actors are no agent"),
            Self::ModuleOff(module) => {
                write!(f, "the module {} is off for its agents", module.name())
            }
            Self::NoTargets => f.write_str(
                "it has no target, or no device in its IP ranges has an SNMP credential",
            ),
        }
    }
}

/// The task of `job` and the module that its agents need, if `job` may be prepared at `now`.
///
/// # Errors
///
/// Why it may not.
pub fn opening<'a>(
    catalogue: &'a Catalogue,
    job: &Job,
    now: DateTime<Tz>,
    policy: Policy,
) -> Result<(&'a Task, Module), Reason> {
    let (task, module) = under_way(catalogue, job, now, policy)?;
    if let Some(week) = catalogue.preparation_week(task)
        && !week.is_open(now.naive_local())
    {
        let opens = week.next_open(now).map(|opens| opens.naive_local());
        return Err(Reason::SlotClosed(opens));
    }
    Ok((task, module))
}

/// The same in an occurrence that is under way, which goes on when the preparation slot closes.
///
/// # Errors
///
/// Why it may not be prepared.
pub fn under_way<'a>(
    catalogue: &'a Catalogue,
    job: &Job,
    now: DateTime<Tz>,
    policy: Policy,
) -> Result<(&'a Task, Module), Reason> {
    let task = catalogue.tasks.get(&job.task).ok_or(Reason::NoTask)?;
    if !task.is_active {
        return Err(Reason::TaskInactive);
    }
    let module =
        Module::of_method(&job.method).ok_or_else(|| Reason::UnknownMethod(job.method.clone()))?;
    let local = now.naive_local();
    if !task.dates.prepares(local, policy) {
        return Err(match task.dates.phase(local, policy) {
            Phase::Before(start) => Reason::NotYet(start),
            Phase::Over => Reason::Over,
            Phase::Within => Reason::EndAlone,
        });
    }
    Ok((task, module))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{TaskId, TimeslotId};
    use crate::domain::schedule::Dates;
    use crate::domain::timeslot::{Entry, Week};
    use chrono::{Duration, NaiveDate};

    /// Noon of a Tuesday.
    fn noon() -> NaiveDateTime {
        NaiveDate::from_ymd_opt(2026, 11, 24)
            .unwrap()
            .and_hms_opt(12, 0, 0)
            .unwrap()
    }

    fn site() -> (Catalogue, Job) {
        let task = Task {
            id: TaskId(1),
            name: "office".into(),
            is_active: true,
            dates: Dates::default(),
            prep_slot: TimeslotId(0),
            exec_slot: TimeslotId(0),
            reprepare_if_successful: true,
            hours: None,
        };
        let job = Job {
            id: JobId(1),
            task: TaskId(1),
            name: "editor".into(),
            method: "deployinstall".into(),
            targets: vec![],
            actors: vec![],
        };
        let mut catalogue = Catalogue::default();
        catalogue.tasks.insert(TaskId(1), task);
        let tomorrow = Entry {
            day: 3,
            begin: 3600,
            end: 7200,
        };
        catalogue
            .timeslots
            .insert(TimeslotId(7), Week::from_entries([tomorrow]));
        (catalogue, job)
    }

    /// A change, the reason by the rules of `plugin`, and by those of `redux`.
    type Case = (fn(&mut Task, &mut Job), Option<Reason>, Option<Reason>);

    fn same(change: fn(&mut Task, &mut Job), reason: Reason) -> Case {
        (change, Some(reason.clone()), Some(reason))
    }

    #[test]
    fn reasons() {
        let soon = noon() + Duration::hours(1);
        let tomorrow = noon() + Duration::hours(13);
        let cases: [Case; 10] = [
            (|_, _| {}, None, None),
            same(|_, job| job.task = TaskId(9), Reason::NoTask),
            same(|task, _| task.is_active = false, Reason::TaskInactive),
            same(
                |_, job| job.method = "tea".into(),
                Reason::UnknownMethod("tea".into()),
            ),
            same(
                |task, _| task.dates.start = Some(noon() + Duration::hours(1)),
                Reason::NotYet(soon),
            ),
            same(
                |task, _| {
                    task.dates.start = Some(noon() - Duration::hours(2));
                    task.dates.end = Some(noon() - Duration::hours(1));
                },
                Reason::Over,
            ),
            (
                |task, _| task.dates.end = Some(noon() + Duration::hours(1)),
                Some(Reason::EndAlone),
                None,
            ),
            (
                |task, _| task.dates.end = Some(noon() - Duration::hours(1)),
                Some(Reason::EndAlone),
                Some(Reason::Over),
            ),
            same(
                |task, _| task.prep_slot = TimeslotId(7),
                Reason::SlotClosed(Some(tomorrow)),
            ),
            same(
                |task, _| task.prep_slot = TimeslotId(8),
                Reason::SlotClosed(None),
            ),
        ];
        for (change, plugin, redux) in cases {
            let (mut catalogue, mut job) = site();
            change(catalogue.tasks.get_mut(&TaskId(1)).unwrap(), &mut job);
            for (policy, expected) in [(Policy::Plugin, plugin), (Policy::Redux, redux)] {
                let answer = opening(
                    &catalogue,
                    &job,
                    noon().and_utc().with_timezone(&Tz::UTC),
                    policy,
                );
                assert_eq!(answer.err(), expected, "{policy}");
            }
        }
    }
}
