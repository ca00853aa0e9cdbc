//! A task's dates.

use chrono::NaiveDateTime;

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

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::NaiveDate;

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
