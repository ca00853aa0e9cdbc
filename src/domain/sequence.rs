//! Jobs in sequence: the order of a task's jobs, and its occurrences.
//!
//! A task with rows of ours runs in occurrences. One begins when a preparation finds the task open and none under way, and its jobs become
//! preparable one delay after the other, whether or not the preparation slot is still open then.

use std::collections::HashMap;
use std::fmt;

use chrono::{DateTime, TimeDelta, TimeZone as _};
use chrono_tz::Tz;

use super::ids::{AgentId, JobId};
use super::schedule::Dates;
use super::timeslot::Week;

/// Seconds that an occurrence lasts at the most, and from one to the next, where nothing else says it.
const DAY: u32 = 86_400;

/// No opening of a slot lasts longer, if it ends at all: a week, and a day for changes of the clocks.
const LONGEST_OPENING: TimeDelta = TimeDelta::days(8);

/// A job's place in its task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The job.
    pub job: JobId,
    /// Its order among those that start with it.
    pub rank: u32,
    /// Seconds from the beginning of an occurrence.
    pub delay: u32,
    /// It waits for the success of the job before it.
    pub after_success: bool,
}

impl Place {
    /// Of a job without a row of ours.
    #[must_use]
    pub const fn plain(job: JobId) -> Self {
        Self {
            job,
            rank: 0,
            delay: 0,
            after_success: false,
        }
    }
}

/// A task's jobs in their order, and the bounds of its occurrences.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sequence {
    places: Vec<Place>,
    /// Seconds after which an occurrence ends.
    pub max_duration: Option<u32>,
    /// Seconds from the beginning of an occurrence to that of the next, at the least.
    pub min_period: Option<u32>,
}

impl Sequence {
    /// Of these jobs: grouped by starting time, in order inside a group, by id where nothing is said.
    #[must_use]
    pub fn new(mut places: Vec<Place>, max_duration: Option<u32>, min_period: Option<u32>) -> Self {
        places.sort_by_key(|place| (place.delay, place.rank, place.job));
        Self {
            places,
            max_duration,
            min_period,
        }
    }

    /// The jobs in their order.
    #[must_use]
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// Whether a job of it waits after the beginning.
    #[must_use]
    pub fn has_delays(&self) -> bool {
        self.places.iter().any(|place| place.delay > 0)
    }

    /// The place of `job`, and the job whose success it waits for.
    #[must_use]
    pub fn place(&self, job: JobId) -> Option<(Place, Option<JobId>)> {
        let at = self.places.iter().position(|place| place.job == job)?;
        let place = self.places[at];
        let before = at.checked_sub(1).map(|before| self.places[before].job);
        Some((place, before.filter(|_| place.after_success)))
    }

    /// The seats of the jobs: the first in order takes the place in an answer that the one with the lowest id would have in the plugin,
    /// and so on, so that nothing changes for the jobs of other tasks.
    pub fn seats(&self) -> impl Iterator<Item = (JobId, JobId)> {
        let mut seats: Vec<JobId> = self.places.iter().map(|place| place.job).collect();
        seats.sort_unstable();
        self.places.iter().map(|place| place.job).zip(seats)
    }

    /// When the occurrence after the one of `t0` may begin: at the next opening of the preparation slot, without one after the minimum
    /// period. With both, the period counts from the beginning of the opening in which `t0` lies, by the clocks on the wall: a week from a
    /// Monday evening is the next Monday evening, also when this one began late or the clocks change between. None if the slot never opens
    /// again.
    #[must_use]
    pub fn next(&self, t0: DateTime<Tz>, slot: Option<&Week>) -> Option<DateTime<Tz>> {
        let Some(week) = slot else {
            return after(t0, self.min_period.unwrap_or(DAY));
        };
        let Some(closes) = week.next_close(t0) else {
            // It is always open.
            return after(t0, self.min_period.unwrap_or(DAY));
        };
        let opens = week.next_open(closes)?;
        let Some(period) = self.min_period else {
            return Some(opens);
        };
        let period = TimeDelta::seconds(period.into());
        let local = opened(week, t0).naive_local().checked_add_signed(period)?;
        // In the hour that the clocks leave out: as they show after it.
        let earliest = t0
            .timezone()
            .from_local_datetime(&local)
            .earliest()
            .or_else(|| {
                let later = local.checked_add_signed(TimeDelta::hours(1))?;
                t0.timezone().from_local_datetime(&later).earliest()
            })?;
        week.next_open(opens.max(earliest))
    }

    /// When the occurrence of `t0` is over whatever has become of it: after its maximum duration, without one when the next may begin.
    #[must_use]
    pub fn until(&self, t0: DateTime<Tz>, slot: Option<&Week>) -> Option<DateTime<Tz>> {
        match self.max_duration {
            Some(seconds) => after(t0, seconds),
            None => self.next(t0, slot).or_else(|| after(t0, DAY)),
        }
    }
}

/// When the opening of `week` began in which `at` lies; `at` itself if it is in none.
fn opened(week: &Week, at: DateTime<Tz>) -> DateTime<Tz> {
    let mut from = at.checked_sub_signed(LONGEST_OPENING);
    while let Some(opens) = from.and_then(|from| week.next_open(from)) {
        if opens > at {
            break;
        }
        from = week.next_close(opens);
        if from.is_some_and(|closes| closes > at) {
            return opens;
        }
    }
    at
}

/// Why a row about a job's place does not do what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Futile {
    /// It waits for the success of the job before it, and is the first.
    First,
    /// Its delay is not over before the task's maximum duration, in seconds, is.
    AfterMaxDuration(u32),
    /// Its delay is not over before the next occurrence may begin: after so many seconds at the latest.
    AfterNext(u32),
    /// Its delay is longer than the task's dates are apart, in seconds.
    AfterDates(u32),
}

impl Sequence {
    /// The places whose rows are of no use whenever an occurrence begins, with the preparation slot `week` and the task's `dates`; the week is
    /// gone through from `now` on. Each job has one reason at the most.
    #[must_use]
    pub fn futile(
        &self,
        week: Option<&Week>,
        dates: Dates,
        now: DateTime<Tz>,
    ) -> Vec<(Place, Futile)> {
        let longest = match self.max_duration {
            Some(_) => None,
            None => self.longest(week, now),
        };
        let apart = dates.start.zip(dates.end).and_then(|(start, end)| {
            let apart = (end - start).num_seconds();
            u32::try_from(apart).ok()
        });
        let reason = |(at, place): (usize, &Place)| {
            let delay = place.delay;
            let late = |seconds: Option<u32>| seconds.filter(|seconds| *seconds <= delay);
            let why = match (late(self.max_duration), late(longest), apart) {
                (Some(seconds), ..) => Futile::AfterMaxDuration(seconds),
                (_, Some(seconds), _) if delay > 0 => Futile::AfterNext(seconds),
                (.., Some(seconds)) if seconds < delay => Futile::AfterDates(seconds),
                _ if at == 0 && place.after_success => Futile::First,
                _ => return None,
            };
            Some((*place, why))
        };
        self.places.iter().enumerate().filter_map(reason).collect()
    }

    /// Seconds, rounded up, that no occurrence without a maximum duration outlasts; none if there is no such bound.
    fn longest(&self, week: Option<&Week>, now: DateTime<Tz>) -> Option<u32> {
        let Some(week) = week else {
            return Some(self.min_period.unwrap_or(DAY));
        };
        // Every opening comes again within a week, but for an hour that the clocks leave out.
        let last = now.checked_add_signed(TimeDelta::weeks(2))?;
        let mut opens = week.next_open(now)?;
        let mut longest = TimeDelta::zero();
        while opens < last {
            let Some(closes) = week.next_close(opens) else {
                return Some(self.min_period.unwrap_or(DAY));
            };
            let next = week.next_open(closes)?;
            longest = longest.max(next - opens);
            opens = next;
        }
        // Where the minimum period ends while the slot is closed, it is waited for once more.
        let seconds = longest.num_seconds().checked_add(1)?;
        u32::try_from(seconds + i64::from(self.min_period.unwrap_or(0))).ok()
    }
}

/// `seconds` after `t0`; none beyond the end of the calendar.
#[must_use]
pub fn after(t0: DateTime<Tz>, seconds: u32) -> Option<DateTime<Tz>> {
    t0.checked_add_signed(TimeDelta::seconds(seconds.into()))
}

/// An occurrence that has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Current {
    /// The lowest id that a run of it can have.
    pub first_run: u64,
    /// When it began, in Unix time.
    pub began_at: i64,
    /// It is over, and what has not started is being cancelled.
    pub is_ending: bool,
}

/// Why an occurrence ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// Every job was prepared, and all runs have ended.
    Done,
    /// Its time was over.
    Time,
    /// The task's dates were over.
    Dates,
    /// The task's rows were taken away: it no longer runs in occurrences.
    Plain,
}

impl Over {
    /// The word in the table.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Time => "time",
            Self::Dates => "dates",
            Self::Plain => "plain",
        }
    }

    /// What the log of a run says that had not started and is cancelled; none where no run is.
    #[must_use]
    pub const fn text(self) -> Option<&'static str> {
        match self {
            Self::Done | Self::Plain => None,
            Self::Time => Some(
                "Cancelled: the time of the task's occurrence was over before the run had started.",
            ),
            Self::Dates => {
                Some("Cancelled: the task's dates were over before the run had started.")
            }
        }
    }

    /// Of a word in the table.
    #[must_use]
    pub fn from_word(word: &str) -> Self {
        match word {
            "done" => Self::Done,
            "dates" => Self::Dates,
            "plain" => Self::Plain,
            _ => Self::Time,
        }
    }
}

impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Done => "done",
            Self::Time => "its time is over",
            Self::Dates => "the task's dates are over",
            Self::Plain => "the task was without a sequence meanwhile",
        })
    }
}

/// An agent's runs of a job in an occurrence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Not ended.
    pub open: u32,
    /// Ended well.
    pub well: u32,
    /// Ended badly.
    pub ill: u32,
    /// Cancelled, on targets that the agent has no other run on: one that only gave way to another is none of these.
    pub cancelled: u32,
}

/// What a job that waits for success hears of the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Success {
    /// It may go on.
    Yes,
    /// Not yet.
    Pending,
    /// Never in this occurrence.
    Never,
}

impl From<Tally> for Success {
    fn from(tally: Tally) -> Self {
        match tally {
            Tally { ill: 1.., .. } => Self::Never,
            Tally { open: 1.., .. } => Self::Pending,
            Tally { cancelled: 1.., .. } => Self::Never,
            Tally { well: 1.., .. } => Self::Yes,
            _ => Self::Pending,
        }
    }
}

/// The job before another one, in an occurrence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Before {
    /// The runs of each agent that has some.
    pub agents: HashMap<AgentId, Tally>,
    /// All its runs are there: none is still to be prepared.
    pub settled: bool,
}

impl Before {
    /// What each agent hears: of its own runs, if it has some, else of all. Of all, those that were cancelled count only if nothing else is
    /// there: one machine that was taken away must not stop the next job for every other.
    pub fn by_agent(&self) -> impl Fn(AgentId) -> Success {
        let mut all = Tally::default();
        for tally in self.agents.values() {
            all.open = all.open.saturating_add(tally.open);
            all.well = all.well.saturating_add(tally.well);
            all.ill = all.ill.saturating_add(tally.ill);
            all.cancelled = all.cancelled.saturating_add(tally.cancelled);
        }
        // More of them may still come.
        if all.well > 0 || !self.settled {
            all.cancelled = 0;
        }
        let of_all = match all.into() {
            Success::Yes if !self.settled => Success::Pending,
            success => success,
        };
        move |agent| {
            let own = self.agents.get(&agent);
            own.map_or(of_all, |tally| (*tally).into())
        }
    }
}

#[cfg(test)]
mod tests;
