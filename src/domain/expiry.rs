//! Expiry: a run that its agent was given and has been silent about for too long is given up.
//!
//! An agent works off the runs of one answer one after the other and says nothing of the later ones, nor during a long download. So the
//! clock of a run begins anew with every message about any run of its answer, and with every file part that is fetched from the address
//! that the answer went to.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, TimeDelta, TimeZone};
use chrono_tz::Tz;

use super::policy::Policy;
use super::run::RunState;

/// When, in local time, something was last known of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Signs {
    /// It was sent, as far as the sidecar noted that.
    pub sent: Option<NaiveDateTime>,
    /// Its agent spoke of a run of the same answer.
    pub heard: Option<NaiveDateTime>,
    /// A file part was fetched from the address that its answer went to.
    pub fetched: Option<NaiveDateTime>,
    /// The last line of its log.
    pub line: Option<NaiveDateTime>,
    /// Its agent was last in contact. Only of a run that PHP sent without a word in its log, so that nothing else says when.
    pub contact: Option<NaiveDateTime>,
    /// Messages about it are in a spool on their way to PHP.
    pub spooled: bool,
}

impl Signs {
    /// The last of them.
    #[must_use]
    pub fn last(&self) -> Option<NaiveDateTime> {
        [self.sent, self.heard, self.fetched, self.line, self.contact]
            .into_iter()
            .flatten()
            .max()
    }
}

/// What becomes of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It stays as it is.
    Stays,
    /// It stays, and counts as sent at this moment from now on: later contacts of its agent are none with it.
    CountsAsSent(NaiveDateTime),
    /// It ends in error.
    Expires(Expired),
}

/// Why a run is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expired {
    /// How long its agent was silent.
    pub silent: TimeDelta,
    /// How long it might have been.
    pub timeout: Duration,
}

impl fmt::Display for Expired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let silent = self.silent.to_std().unwrap_or_default();
        write!(
            f,
            "Timed out: the agent had been silent for {}, its time-out is {}.",
            Words(silent),
            Words(self.timeout)
        )
    }
}

/// A duration for people: its two largest units.
struct Words(Duration);

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let (large, small) = match seconds {
            0..60 => ((seconds, "s"), (0, "")),
            60..3_600 => ((seconds / 60, "min"), (seconds % 60, "s")),
            3_600..86_400 => ((seconds / 3_600, "h"), (seconds % 3_600 / 60, "min")),
            _ => ((seconds / 86_400, "d"), (seconds % 86_400 / 3_600, "h")),
        };
        write!(f, "{} {}", large.0, large.1)?;
        if small.0 > 0 {
            write!(f, " {} {}", small.0, small.1)?;
        }
        Ok(())
    }
}

/// The time-out of a job: its own, where it has one, else the `default`; zero is none.
#[must_use]
pub fn timeout_of(own: Option<u32>, default: Duration) -> Option<Duration> {
    let timeout = own.map_or(default, |seconds| Duration::from_secs(seconds.into()));
    (!timeout.is_zero()).then_some(timeout)
}

/// What becomes of a run at `now`.
#[must_use]
pub fn verdict(
    policy: Policy,
    state: RunState,
    timeout: Option<Duration>,
    signs: &Signs,
    now: DateTime<Tz>,
) -> Verdict {
    // The plugin gives up no run.
    let (Policy::Redux, RunState::Sent | RunState::Running, Some(timeout)) =
        (policy, state, timeout)
    else {
        return Verdict::Stays;
    };
    // What its agent said of it is not read yet.
    if signs.spooled {
        return Verdict::Stays;
    }
    let Some(last) = signs.last() else {
        return Verdict::CountsAsSent(now.naive_local());
    };
    let silent = silence(last, now);
    if TimeDelta::from_std(timeout).is_ok_and(|timeout| silent > timeout) {
        return Verdict::Expires(Expired { silent, timeout });
    }
    signs
        .contact
        .map_or(Verdict::Stays, |_| Verdict::CountsAsSent(last))
}

/// How long ago the local time `last` was, at most: of an hour that came twice, the later one; and where the clocks were changed since, what
/// a session of the database reads that does not know of it.
#[must_use]
pub fn silence(last: NaiveDateTime, now: DateTime<Tz>) -> TimeDelta {
    let moments = now.timezone().from_local_datetime(&last);
    let by_the_clock = now.naive_local() - last;
    let passed = [moments.earliest(), moments.latest()]
        .into_iter()
        .flatten()
        .map(|moment| now - moment)
        .chain([by_the_clock]);
    let shortest = passed.filter(|passed| *passed >= TimeDelta::zero()).min();
    // It lies ahead.
    shortest.unwrap_or(by_the_clock)
}

#[cfg(test)]
mod tests {
    use chrono_tz::Europe::Paris;
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    const TWO_HOURS: Duration = Duration::from_hours(2);

    fn at(text: &str) -> NaiveDateTime {
        format!("2026-03-04T{text}:00").parse().unwrap()
    }

    fn now(local: NaiveDateTime) -> DateTime<Tz> {
        Tz::UTC.from_utc_datetime(&local)
    }

    fn judged(signs: &Signs, local: NaiveDateTime) -> Verdict {
        let state = RunState::Sent;
        verdict(Policy::Redux, state, Some(TWO_HOURS), signs, now(local))
    }

    fn expires(minutes: i64) -> Verdict {
        Verdict::Expires(Expired {
            silent: TimeDelta::minutes(minutes),
            timeout: TWO_HOURS,
        })
    }

    #[rstest]
    #[case(&[("sent", "10:00")], "12:00", Verdict::Stays)]
    #[case(&[("sent", "10:00")], "12:01", expires(121))]
    // Whatever came last counts.
    #[case(&[("sent", "10:00"), ("heard", "11:30")], "13:30", Verdict::Stays)]
    #[case(&[("sent", "10:00"), ("heard", "11:30")], "13:31", expires(121))]
    #[case(&[("sent", "10:00"), ("fetched", "12:00")], "14:00", Verdict::Stays)]
    #[case(&[("sent", "10:00"), ("fetched", "12:00")], "14:05", expires(125))]
    #[case(&[("sent", "10:00"), ("line", "10:01")], "12:01", Verdict::Stays)]
    // A part that another one fetched there before.
    #[case(&[("sent", "10:00"), ("fetched", "09:00")], "12:01", expires(121))]
    // PHP sent it.
    #[case(&[("line", "09:00")], "12:00", expires(180))]
    #[case(&[("line", "09:00"), ("contact", "11:00")], "12:00", Verdict::CountsAsSent(at("11:00")))]
    #[case(&[("line", "08:00"), ("contact", "09:00")], "12:00", expires(180))]
    #[case(&[("line", "11:00"), ("contact", "09:00")], "12:00", Verdict::CountsAsSent(at("11:00")))]
    // Nothing at all is known: its clock begins now.
    #[case(&[], "12:00", Verdict::CountsAsSent(at("12:00")))]
    // A clock that was wrong.
    #[case(&[("sent", "15:00")], "12:00", Verdict::Stays)]
    fn what_was_last_known_counts(
        #[case] known: &[(&str, &str)],
        #[case] now: &str,
        #[case] expected: Verdict,
    ) {
        let mut signs = Signs::default();
        for (sign, time) in known {
            let slot = match *sign {
                "sent" => &mut signs.sent,
                "heard" => &mut signs.heard,
                "fetched" => &mut signs.fetched,
                "line" => &mut signs.line,
                _ => &mut signs.contact,
            };
            *slot = Some(at(time));
        }
        assert_eq!(judged(&signs, at(now)), expected);
    }

    #[test]
    fn only_what_was_sent_and_only_under_redux() {
        let signs = Signs {
            sent: Some(at("01:00")),
            ..Signs::default()
        };
        let noon = now(at("12:00"));
        for state in RunState::ALL {
            let given_up = matches!(
                verdict(Policy::Redux, state, Some(TWO_HOURS), &signs, noon),
                Verdict::Expires(_)
            );
            let is_under_way = matches!(state, RunState::Sent | RunState::Running);
            assert_eq!(given_up, is_under_way, "{state:?}");
            for (policy, timeout) in [(Policy::Plugin, Some(TWO_HOURS)), (Policy::Redux, None)] {
                assert_eq!(
                    verdict(policy, state, timeout, &signs, noon),
                    Verdict::Stays
                );
            }
        }
    }

    #[test]
    fn a_jobs_own_timeout_comes_first_and_zero_is_none() {
        let minute = Duration::from_mins(1);
        for (own, default, expected) in [
            (None, TWO_HOURS, Some(TWO_HOURS)),
            (None, Duration::ZERO, None),
            (Some(60), TWO_HOURS, Some(minute)),
            (Some(60), Duration::ZERO, Some(minute)),
            (Some(0), TWO_HOURS, None),
        ] {
            assert_eq!(timeout_of(own, default), expected, "{own:?} {default:?}");
        }
    }

    /// In Paris 02:00 to 03:00 is left out on 29 March 2026 and comes twice on 25 October.
    #[rstest]
    #[case("2026-03-29T01:30:00", "2026-03-29T01:30:00", 60)]
    #[case("2026-03-29T01:30:00", "2026-03-29T00:30:00", 0)]
    // It may have been either half past two: the later one, but none that lies ahead.
    #[case("2026-10-25T02:30:00", "2026-10-25T03:30:00", 120)]
    #[case("2026-10-25T02:30:00", "2026-10-25T00:40:00", 10)]
    #[case("2026-10-25T02:30:00", "2026-10-25T01:10:00", 40)]
    // Half past one by a session that has the offset of now: half past two by that of then.
    #[case("2026-10-25T01:30:00", "2026-10-25T02:30:00", 120)]
    // A time that no clock showed.
    #[case("2026-03-29T02:30:00", "2026-03-29T01:40:00", 70)]
    fn the_clocks_change(#[case] last: &str, #[case] utc: &str, #[case] minutes: i64) {
        let now = Paris.from_utc_datetime(&utc.parse().unwrap());
        assert_eq!(
            silence(last.parse().unwrap(), now),
            TimeDelta::minutes(minutes)
        );
    }

    #[rstest]
    #[case(0, "0 s")]
    #[case(59, "59 s")]
    #[case(60, "1 min")]
    #[case(61, "1 min 1 s")]
    #[case(7_200, "2 h")]
    #[case(7_501, "2 h 5 min")]
    #[case(86_400, "1 d")]
    #[case(100_000, "1 d 3 h")]
    fn durations_for_people(#[case] seconds: u64, #[case] words: &str) {
        assert_eq!(Words(Duration::from_secs(seconds)).to_string(), words);
    }

    #[test]
    fn the_log_says_how_long_and_how_long_it_might_have_been() {
        let expired = Expired {
            silent: TimeDelta::minutes(125),
            timeout: TWO_HOURS,
        };
        assert_eq!(
            expired.to_string(),
            "Timed out: the agent had been silent for 2 h 5 min, its time-out is 2 h."
        );
    }

    prop_compose! {
        fn moment()(seconds in 0_i64..400 * 86_400) -> DateTime<Tz> {
            let new_year = Paris.with_ymd_and_hms(2026, 1, 1, 0, 0, 0).unwrap();
            new_year + TimeDelta::seconds(seconds)
        }
    }

    proptest! {
        /// Whatever the clocks do, no run is given up early, and each at most an hour late.
        #[test]
        fn never_early_and_never_for_good(sent in moment(), passed in 0_i64..100_000, timeout in 1_u64..50_000) {
            let now = sent + TimeDelta::seconds(passed);
            let signs = Signs { sent: Some(sent.naive_local()), ..Signs::default() };
            let timeout = Duration::from_secs(timeout);
            let verdict = verdict(Policy::Redux, RunState::Running, Some(timeout), &signs, now);
            let over = passed - i64::try_from(timeout.as_secs()).unwrap();
            match verdict {
                Verdict::Expires(expired) => {
                    prop_assert!(over > 0 && expired.silent <= TimeDelta::seconds(passed));
                }
                _ => prop_assert!(over <= 3_600),
            }
        }

        /// A further sign never ends a run.
        #[test]
        fn more_signs_never_shorten(minutes in proptest::array::uniform5(proptest::option::of(0_i64..600))) {
            let noon = at("12:00");
            let times = minutes.map(|minutes| minutes.map(|minutes| noon - TimeDelta::minutes(minutes)));
            let [sent, heard, fetched, line, contact] = times;
            let all = Signs { sent, heard, fetched, line, contact, spooled: false };
            let spooled = Signs { spooled: true, ..all };
            prop_assert_eq!(judged(&spooled, noon), Verdict::Stays);
            for less in [
                Signs { heard: None, ..all },
                Signs { fetched: None, ..all },
                Signs { line: None, ..all },
                Signs { contact: None, ..all },
            ] {
                if less.last().is_some() && matches!(judged(&all, noon), Verdict::Expires(_)) {
                    prop_assert!(matches!(judged(&less, noon), Verdict::Expires(_)));
                }
            }
        }
    }
}
