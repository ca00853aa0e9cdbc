//! A task's dates.

use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, TimeZone as _};
use chrono_tz::Tz;

use super::policy::Policy;

/// `datetime_start` and `datetime_end` of a task, local time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dates {
    /// First moment.
    pub start: Option<NaiveDateTime>,
    /// Last moment.
    pub end: Option<NaiveDateTime>,
}

/// How a moment lies to a task's dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Before the start.
    Before(NaiveDateTime),
    /// Within, both ends included.
    Within,
    /// After the end.
    Over,
}

impl Dates {
    /// Where `now` lies for a run that already exists.
    ///
    /// The plugin does not look at an end without a start; policy `redux` does.
    #[must_use]
    pub fn phase(self, now: NaiveDateTime, policy: Policy) -> Phase {
        match (self.start, self.end) {
            (Some(start), _) if now < start => Phase::Before(start),
            (None, Some(_)) if policy == Policy::Plugin => Phase::Within,
            (_, Some(end)) if now > end => Phase::Over,
            _ => Phase::Within,
        }
    }

    /// Whether runs are prepared at `now`. For the plugin an end alone never matches.
    #[must_use]
    pub fn prepares(self, now: NaiveDateTime, policy: Policy) -> bool {
        if policy == Policy::Plugin && self.start.is_none() && self.end.is_some() {
            return false;
        }
        self.phase(now, policy) == Phase::Within
    }
}

/// Shortest wait for a moment at which something is due.
pub const SOON: Duration = Duration::from_secs(1);

/// How long after `now` the next pass of a duty is: a `period`, or until `due` (local time) if that is sooner; [`SOON`] at least. In the hour
/// that comes twice the next of the two moments counts.
#[must_use]
pub fn next_pass(due: Option<NaiveDateTime>, now: DateTime<Tz>, period: Duration) -> Duration {
    let Some(due) = due.map(|due| now.timezone().from_local_datetime(&due)) else {
        return period;
    };
    let Some(last) = due.latest() else {
        return period;
    };
    let next = due.earliest().filter(|due| *due > now).unwrap_or(last);
    let wait = (next - now).to_std().unwrap_or_default();
    wait.max(SOON).min(period)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::NaiveDate;

    #[test]
    fn a_pass_comes_when_something_is_due() {
        const PERIOD: Duration = Duration::from_mins(5);
        let paris = Tz::Europe__Paris;
        // An hour before the clocks go back from 3:00 to 2:00, and in each of the two hours that follow.
        let first = |minutes: i64| {
            paris
                .timestamp_opt(1_792_886_400 + minutes * 60, 0)
                .unwrap()
        };
        let at = |hour, minute, second| {
            NaiveDate::from_ymd_opt(2026, 10, 25)
                .and_then(|day| day.and_hms_opt(hour, minute, second))
        };
        let minutes = Duration::from_mins;
        for (due, now, wait) in [
            (None, first(0), PERIOD),
            (at(2, 3, 0), first(0), minutes(3)),
            (at(2, 5, 0), first(0), PERIOD),
            (at(2, 30, 0), first(0), PERIOD),
            (at(1, 59, 59), first(0), SOON),
            (at(2, 0, 0), first(0), PERIOD),
            (at(2, 30, 0), first(27), minutes(3)),
            (at(2, 30, 0), first(30), PERIOD),
            (at(2, 30, 0), first(88), minutes(2)),
            (at(2, 30, 0), first(90), SOON),
            (at(2, 30, 0), first(91), SOON),
        ] {
            assert_eq!(next_pass(due, now, PERIOD), wait, "{due:?} {now}");
        }
        // There is no such moment on the day that leaves an hour out.
        let left_out =
            NaiveDate::from_ymd_opt(2026, 3, 29).and_then(|day| day.and_hms_opt(2, 30, 0));
        let before = paris.with_ymd_and_hms(2026, 3, 29, 1, 59, 0).unwrap();
        assert_eq!(next_pass(left_out, before, PERIOD), PERIOD);
        assert_eq!(
            next_pass(at(2, 0, 1), first(0), Duration::ZERO),
            Duration::ZERO
        );
    }

    fn day(day: u32) -> NaiveDateTime {
        NaiveDate::from_ymd_opt(2026, 11, day)
            .unwrap()
            .and_hms_opt(12, 0, 0)
            .unwrap()
    }

    #[test]
    fn phases() {
        use Phase::{Before, Over, Within};
        use Policy::{Plugin, Redux};
        let (a, b) = (Some(day(10)), Some(day(20)));
        for (start, end, now, policy, phase, prepares) in [
            (None, None, day(1), Plugin, Within, true),
            (a, None, day(9), Plugin, Before(day(10)), false),
            (a, None, day(10), Plugin, Within, true),
            (a, None, day(30), Redux, Within, true),
            (a, b, day(20), Plugin, Within, true),
            (a, b, day(21), Redux, Over, false),
            (None, b, day(15), Plugin, Within, false),
            (None, b, day(25), Plugin, Within, false),
            (None, b, day(15), Redux, Within, true),
            (None, b, day(25), Redux, Over, false),
        ] {
            let dates = Dates { start, end };
            assert_eq!(dates.phase(now, policy), phase, "{dates:?} {now} {policy}");
            assert_eq!(
                dates.prepares(now, policy),
                prepares,
                "{dates:?} {now} {policy}"
            );
        }
    }
}
