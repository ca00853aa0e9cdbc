//! Whether PHP takes messages at present.
//!
//! While it does not, all deliveries rest and one question at a time asks whether it is back. Then one message goes first: a PHP that
//! answers questions and takes nothing is not back.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::pause;

/// The first pause of an outage.
const FIRST: Duration = Duration::from_secs(5);

/// Its longest one, unless PHP asks for more.
const LONGEST: Duration = Duration::from_mins(1);

/// The longest one that PHP may ask for.
const ASKED: Duration = Duration::from_hours(1);

/// The state of PHP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Line {
    /// It takes messages.
    #[default]
    Open,
    /// It takes none.
    Down(Outage),
    /// It answered again, and one message goes first.
    Trial(Outage),
}

/// An outage under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    /// When it began.
    pub since: DateTime<Utc>,
    /// How often PHP failed since.
    pub tries: u32,
    /// When it is asked next.
    pub ask_at: DateTime<Utc>,
}

/// What may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// So many messages at once.
    Send(usize),
    /// Ask PHP whether it is back.
    Ask,
    /// Nothing before this moment.
    Wait(DateTime<Utc>),
}

impl Line {
    /// What may be done at `now`, where up to `at_once` messages are sent at once.
    #[must_use]
    pub fn leave(&self, now: DateTime<Utc>, at_once: usize) -> Leave {
        // So far off only where the clock was set back.
        let is_far =
            |outage: &Outage| outage.ask_at - now > TimeDelta::from_std(ASKED).unwrap_or_default();
        match self {
            Self::Open => Leave::Send(at_once),
            Self::Trial(_) => Leave::Send(1),
            Self::Down(outage) if now >= outage.ask_at || is_far(outage) => Leave::Ask,
            Self::Down(outage) => Leave::Wait(outage.ask_at),
        }
    }

    /// Whether an attempt counts that fails now: not while PHP has taken nothing since its outage.
    #[must_use]
    pub const fn counts_attempts(&self) -> bool {
        matches!(self, Self::Open)
    }

    /// PHP takes nothing; it asked to be left alone for `asked`. Whether that is news.
    pub fn fails(&mut self, now: DateTime<Utc>, asked: Option<Duration>, jitter: f64) -> bool {
        let (since, tries, news) = match self {
            Self::Open => (now, 1, true),
            Self::Down(outage) | Self::Trial(outage) => {
                (outage.since, outage.tries.saturating_add(1), false)
            }
        };
        let own = pause(tries, FIRST, LONGEST, jitter);
        let wait = asked.map_or(own, |asked| asked.clamp(own, ASKED.max(own)));
        let wait = TimeDelta::from_std(wait).unwrap_or_default();
        *self = Self::Down(Outage {
            since,
            tries,
            ask_at: now + wait,
        });
        news
    }

    /// PHP answered a question.
    pub fn answers(&mut self) {
        if let Self::Down(outage) = self {
            *self = Self::Trial(*outage);
        }
    }

    /// PHP took a message; the outage that is over with it.
    pub fn takes(&mut self) -> Option<Outage> {
        match std::mem::take(self) {
            Self::Open => None,
            Self::Down(outage) | Self::Trial(outage) => Some(outage),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    #[test]
    fn an_outage_begins_is_probed_and_ends_with_a_message() {
        let mut line = Line::default();
        assert_eq!(line.leave(at(0), 2), Leave::Send(2));
        assert!(line.counts_attempts());
        assert!(line.fails(at(0), None, 1.0));
        assert_eq!(line.leave(at(4), 2), Leave::Wait(at(5)));
        assert_eq!(line.leave(at(5), 2), Leave::Ask);
        assert!(!line.fails(at(5), None, 1.0));
        assert_eq!(line.leave(at(5), 2), Leave::Wait(at(15)));
        line.answers();
        assert_eq!(line.leave(at(15), 2), Leave::Send(1));
        assert!(!line.counts_attempts());
        // It answers, and takes nothing.
        assert!(!line.fails(at(16), None, 1.0));
        assert_eq!(line.leave(at(16), 2), Leave::Wait(at(36)));
        line.answers();
        assert_eq!(line.takes().unwrap().since, at(0));
        assert_eq!(line.leave(at(40), 2), Leave::Send(2));
        assert_eq!(line.takes(), None);
    }

    #[test]
    fn php_is_asked_also_when_the_clock_was_set_back() {
        let mut line = Line::default();
        line.fails(at(1_000_000), None, 1.0);
        assert_eq!(line.leave(at(1_000_001), 2), Leave::Wait(at(1_000_005)));
        assert_eq!(line.leave(at(0), 2), Leave::Ask);
    }

    #[test]
    fn php_may_ask_for_a_longer_pause_but_not_for_any() {
        for (asked, seconds) in [(1, 5), (120, 120), (1_000_000, 3600)] {
            let mut line = Line::default();
            line.fails(at(0), Some(Duration::from_secs(asked)), 1.0);
            assert_eq!(line.leave(at(0), 2), Leave::Wait(at(seconds)), "{asked}");
        }
    }

    proptest! {
        /// Whatever happens: no outage without a next question within an hour, and never more at once than allowed.
        #[test]
        fn php_is_always_asked_again(steps in proptest::collection::vec((0..3, 0_i64..100, proptest::option::of(0_u64..10_000)), 1..50)) {
            let (mut line, mut now) = (Line::default(), at(0));
            for (what, passed, asked) in steps {
                now += TimeDelta::seconds(passed);
                match what {
                    0 => drop(line.fails(now, asked.map(Duration::from_secs), 0.5)),
                    1 => line.answers(),
                    _ => drop(line.takes()),
                }
                match line.leave(now, 3) {
                    Leave::Send(most) => prop_assert!((1..=3).contains(&most)),
                    Leave::Ask => {}
                    Leave::Wait(until) => prop_assert!(until > now && until - now <= TimeDelta::hours(1)),
                }
            }
        }
    }
}
