//! A week with open and closed hours.
//!
//! PHP compares the clock on the wall, in the zone that it is set to, and so do slots here, at the changes of the clocks too:
//!
//! - An opening that lies in an hour which is left out does not take place that week; what reaches beyond that hour opens when the clocks
//!   have moved.
//! - In an hour that comes twice a slot is open both times: one of 2:15 to 2:45 opens twice, one from 2:30 on opens, closes when the clocks
//!   go back, and opens again.
//!
//! So whether it is open follows from the local time alone, but when it opens or closes next does not: between now and then the clocks may
//! move. Those answers are moments with their zone, which have both their local time and their instant.
//!
//! The plugin writes a slot as entries of day 1 (Monday) to 7, begin and end in seconds of the day, *both included* (`timeslotentries`),
//! Tasks Redux as rows of [`hours`]. Here both are a list of half-open intervals of the week, sorted, not touching, so that entries which
//! overlap or touch, also across midnight, are one opening.

pub mod hours;
#[cfg(test)]
mod tests;

use chrono::{DateTime, Datelike, NaiveDateTime, Offset, SubsecRound, TimeDelta, Timelike};
use chrono_tz::Tz;

use self::hours::HourRow;

const HOUR: u32 = 3_600;
const DAY: u32 = 24 * HOUR;
const WEEK: u32 = 7 * DAY;

/// When in the week something is allowed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Week {
    /// Seconds of the week, Monday 0:00 = 0; `[open, close)`.
    intervals: Vec<(u32, u32)>,
}

/// One row of the plugin's `timeslotentries`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// 1 = Monday … 7 = Sunday; other rows are never open, as in the plugin.
    pub day: u32,
    /// First open second of the day.
    pub begin: u32,
    /// Last open second of the day.
    pub end: u32,
}

/// Part of a day that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    /// 0 = Monday … 6 = Sunday.
    pub weekday: u32,
    /// First open second of the day.
    pub begin: u32,
    /// First second that is closed again; 86,400 = midnight.
    pub end: u32,
}

impl Week {
    /// Never open.
    pub const CLOSED: Self = Self {
        intervals: Vec::new(),
    };

    /// The week that the plugin's `entries` open.
    #[must_use]
    pub fn from_entries(entries: impl IntoIterator<Item = Entry>) -> Self {
        let sound = entries
            .into_iter()
            .filter(|e| (1..=7).contains(&e.day) && e.begin <= e.end && e.begin < DAY);
        Self::joined(sound.map(|e| {
            let midnight = (e.day - 1) * DAY;
            let end = e.end.saturating_add(1).min(DAY);
            (midnight + e.begin, midnight + end)
        }))
    }

    /// The week that `rows` open; those that make no sense open nothing.
    #[must_use]
    pub fn from_hours(rows: impl IntoIterator<Item = HourRow>) -> Self {
        let sound = rows.into_iter().filter(|row| row.makes_sense());
        Self::joined(sound.map(|row| {
            let midnight = u32::from(row.weekday) * DAY;
            let second = |hour| midnight + u32::from(hour) * HOUR;
            (second(row.start), second(row.end))
        }))
    }

    fn joined(parts: impl Iterator<Item = (u32, u32)>) -> Self {
        let mut parts: Vec<(u32, u32)> = parts.collect();
        parts.sort_unstable();
        let mut intervals: Vec<(u32, u32)> = Vec::with_capacity(parts.len());
        for (open, close) in parts {
            match intervals.last_mut() {
                Some(last) if open <= last.1 => last.1 = last.1.max(close),
                _ => intervals.push((open, close)),
            }
        }
        Self { intervals }
    }

    /// Whether it is open at the local time `at`.
    #[must_use]
    pub fn is_open(&self, at: NaiveDateTime) -> bool {
        let second = second_of_week(at);
        self.intervals
            .iter()
            .any(|(open, close)| (*open..*close).contains(&second))
    }

    /// The next moment at which it is open: `at` itself when open; none when it never opens.
    #[must_use]
    pub fn next_open(&self, at: DateTime<Tz>) -> Option<DateTime<Tz>> {
        self.next(true, at)
    }

    /// The next moment at which it is closed: `at` itself when closed; none when it never closes.
    #[must_use]
    pub fn next_close(&self, at: DateTime<Tz>) -> Option<DateTime<Tz>> {
        self.next(false, at)
    }

    /// What is open, day by day, cut at midnight.
    pub fn openings(&self) -> impl Iterator<Item = Opening> {
        (0..7).flat_map(|weekday| {
            let midnight = weekday * DAY;
            self.intervals.iter().filter_map(move |(open, close)| {
                let begin = (*open).max(midnight) - midnight;
                let end = (*close).min(midnight + DAY).checked_sub(midnight)?;
                (begin < end).then_some(Opening {
                    weekday,
                    begin,
                    end,
                })
            })
        })
    }

    fn next(&self, open: bool, at: DateTime<Tz>) -> Option<DateTime<Tz>> {
        if self.is_open(at.naive_local()) == open {
            return Some(at);
        }
        let mut from = at.trunc_subsecs(0);
        // Up to the next change of the clocks the clock on the wall runs evenly; there it is looked at again. The changes of a zone end
        // some day, so this ends.
        loop {
            let until = from.checked_add_signed(self.until_change(from.naive_local())?)?;
            match clocks_moved(from, until) {
                None => return Some(until),
                Some(moved) if self.is_open(moved.naive_local()) == open => return Some(moved),
                Some(moved) => from = moved,
            }
        }
    }

    /// How long after `at` it opens or closes, by a clock that is not changed; none when it never does.
    fn until_change(&self, at: NaiveDateTime) -> Option<TimeDelta> {
        let second = second_of_week(at);
        // One opening goes from Sunday into Monday: midnight is no edge of it.
        let around = self.intervals.first().is_some_and(|first| first.0 == 0)
            && self.intervals.last().is_some_and(|last| last.1 == WEEK);
        self.intervals
            .iter()
            .flat_map(|(open, close)| [*open, close % WEEK])
            .filter(|edge| !(around && *edge == 0))
            .map(|edge| (edge + WEEK - second - 1) % WEEK + 1)
            .min()
            .map(|seconds| TimeDelta::seconds(seconds.into()))
    }
}

fn second_of_week(at: NaiveDateTime) -> u32 {
    at.weekday().num_days_from_monday() * DAY + at.num_seconds_from_midnight()
}

/// The first moment after `from`, at the latest `until`, at which the clocks of the zone are set otherwise than at `from`.
fn clocks_moved(from: DateTime<Tz>, until: DateTime<Tz>) -> Option<DateTime<Tz>> {
    // No zone has changed its clocks twice within six days since 1970, so that a day in between cannot hide a change.
    const STEP: TimeDelta = TimeDelta::days(1);
    let same = |at: DateTime<Tz>| at.offset().fix() == from.offset().fix();
    let mut before = from;
    let mut after = from;
    while same(after) {
        if after == until {
            return None;
        }
        before = after;
        after = before.checked_add_signed(STEP)?.min(until);
    }
    while after - before > TimeDelta::seconds(1) {
        let middle = before + TimeDelta::seconds((after - before).num_seconds() / 2);
        if same(middle) {
            before = middle;
        } else {
            after = middle;
        }
    }
    Some(after)
}
