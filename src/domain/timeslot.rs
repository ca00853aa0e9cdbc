//! A week with open and closed hours.
//!
//! Times are local to the zone that PHP compares in. The plugin writes a slot as entries of day 1 (Monday) to 7, begin and end in
//! seconds of the day, *both included* (`timeslotentries`); here it is a list of half-open intervals of the week, sorted, not
//! touching, so that entries which overlap or touch, also across midnight, are one opening.

use chrono::{Datelike, Duration, NaiveDateTime, Timelike};

const DAY: u32 = 86_400;
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

impl Week {
    /// The week that the plugin's `entries` open.
    #[must_use]
    pub fn from_entries(entries: impl IntoIterator<Item = Entry>) -> Self {
        let mut parts: Vec<(u32, u32)> = entries
            .into_iter()
            .filter(|e| (1..=7).contains(&e.day) && e.begin <= e.end && e.begin < DAY)
            .map(|e| {
                let monday = (e.day - 1) * DAY;
                (monday + e.begin, monday + e.end.saturating_add(1).min(DAY))
            })
            .collect();
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

    /// The local time of the next opening: `at` itself when open; none when it never opens.
    #[must_use]
    pub fn next_open(&self, at: NaiveDateTime) -> Option<NaiveDateTime> {
        if self.is_open(at) {
            return Some(at);
        }
        let second = second_of_week(at);
        let opening = self.intervals.iter().map(|(open, _)| *open);
        let next = opening
            .clone()
            .filter(|open| *open > second)
            .min()
            .or_else(|| opening.min().map(|open| open + WEEK))?;
        let whole = at.with_nanosecond(0).unwrap_or(at);
        whole.checked_add_signed(Duration::seconds(i64::from(next - second)))
    }
}

fn second_of_week(at: NaiveDateTime) -> u32 {
    at.weekday().num_days_from_monday() * DAY + at.num_seconds_from_midnight()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::NaiveDate;
    use proptest::prelude::*;

    /// Monday 2026-11-23 plus `day` days and `second` seconds.
    fn at(day: u32, second: u32) -> NaiveDateTime {
        NaiveDate::from_ymd_opt(2026, 11, 23 + day)
            .unwrap()
            .and_hms_opt(0, 0, 0)
            .unwrap()
            + Duration::seconds(i64::from(second))
    }

    fn entry(day: u32, begin: u32, end: u32) -> Entry {
        Entry { day, begin, end }
    }

    #[test]
    fn both_ends_are_open() {
        let week = Week::from_entries([entry(2, 3600, 7200)]);
        for (second, open) in [(3599, false), (3600, true), (7200, true), (7201, false)] {
            assert_eq!(week.is_open(at(1, second)), open, "{second}");
        }
        assert!(!week.is_open(at(2, 3600)));
    }

    #[test]
    fn a_slot_without_entries_is_closed_for_good() {
        let week = Week::from_entries([]);
        assert!(!week.is_open(at(0, 0)));
        assert_eq!(week.next_open(at(0, 0)), None);
    }

    #[test]
    fn touching_entries_are_one_opening_also_over_midnight() {
        let week = Week::from_entries([
            entry(1, 82_800, 86_399),
            entry(2, 0, 3_600),
            entry(1, 80_000, 82_799),
        ]);
        assert_eq!(week.intervals, vec![(80_000, DAY + 3_601)]);
    }

    #[test]
    fn next_opening() {
        let week = Week::from_entries([entry(1, 3600, 7200), entry(3, 0, 60)]);
        for (from, next) in [
            (at(0, 0), at(0, 3600)),
            (at(0, 5000), at(0, 5000)),
            (at(0, 8000), at(2, 0)),
            (at(2, 61), at(7, 3600)),
        ] {
            assert_eq!(week.next_open(from), Some(next), "{from}");
        }
    }

    #[test]
    fn rows_that_make_no_sense_open_nothing() {
        for e in [
            entry(0, 0, 10),
            entry(8, 0, 10),
            entry(1, 10, 5),
            entry(1, DAY, DAY + 5),
        ] {
            assert_eq!(Week::from_entries([e]), Week::default(), "{e:?}");
        }
    }

    proptest! {
        #[test]
        fn open_exactly_when_an_entry_says_so(
            rows in prop::collection::vec((1u32..=7, 0u32..DAY, 0u32..DAY), 0..8),
            day in 0u32..7, second in 0u32..DAY,
        ) {
            let week = Week::from_entries(rows.iter().map(|(d, a, b)| entry(*d, *a, *b)));
            let said = rows.iter().any(|(d, a, b)| *d == day + 1 && *a <= second && second <= *b);
            prop_assert_eq!(week.is_open(at(day, second)), said);
        }

        #[test]
        fn the_next_opening_is_open_and_nothing_before_it(
            rows in prop::collection::vec((1u32..=7, 0u32..DAY, 0u32..DAY), 1..6),
            day in 0u32..7, second in 0u32..DAY,
        ) {
            let week = Week::from_entries(rows.iter().map(|(d, a, b)| entry(*d, *a.min(b), *a.max(b))));
            let from = at(day, second);
            let next = week.next_open(from).unwrap();
            prop_assert!(week.is_open(next));
            prop_assert!(next >= from && next < from + Duration::days(7) + Duration::seconds(1));
            if next > from {
                prop_assert!(!week.is_open(next - Duration::seconds(1)));
            }
        }
    }
}
