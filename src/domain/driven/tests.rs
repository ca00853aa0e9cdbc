use super::*;
use crate::domain::timeslot::Entry;
use chrono::{NaiveDate, TimeDelta};

/// Noon of a Wednesday.
fn noon() -> DateTime<Tz> {
    let day = NaiveDate::from_ymd_opt(2026, 3, 4).unwrap();
    Tz::UTC.from_utc_datetime(&day.and_hms_opt(12, 0, 0).unwrap())
}

fn ago(seconds: i64) -> DateTime<Tz> {
    noon() - TimeDelta::seconds(seconds)
}

fn begun(seconds_ago: i64) -> Occurrence {
    Occurrence {
        number: 3,
        began_at: ago(seconds_ago).timestamp(),
        first_run: 100,
    }
}

/// Wednesdays from 11:00 to 13:00.
fn slot() -> Week {
    Week::from_entries([Entry {
        day: 3,
        begin: 39_600,
        end: 46_800,
    }])
}

fn last(run: u64, state: RunState, sent_ago: Option<i64>) -> Past {
    Past {
        open: state <= RunState::Running,
        well: state == RunState::Finished,
        last: Some(Last {
            run: RunId(run),
            state,
            sent_at: sent_ago.map(|seconds| ago(seconds).naive_local()),
        }),
    }
}

#[test]
fn modes_are_words() {
    for mode in [TaskMode::Server, TaskMode::Agent] {
        assert_eq!(mode.to_string().parse(), Ok(mode));
    }
    for word in ["", "Agent", "agents", " server"] {
        assert!(word.parse::<TaskMode>().is_err(), "{word:?}");
    }
}

#[test]
fn where_an_agent_stands() {
    let day = 86_400;
    let bounded = |max_duration, min_period| Sequence::new(vec![], max_duration, min_period);
    let free = bounded(None, None);
    let short = bounded(Some(1800), Some(7200));
    let long = bounded(Some(1_000_000), None);
    let week = slot();
    let (in_one, next) = (begun(60), noon() + TimeDelta::days(7) - TimeDelta::hours(1));
    for (last, sequence, week, expected) in [
        (None, &free, None, Stand::Begins(1)),
        (Some(in_one), &free, None, Stand::In(in_one, ago(60))),
        (
            Some(begun(day - 1)),
            &free,
            None,
            Stand::In(begun(day - 1), ago(day - 1)),
        ),
        (Some(begun(day)), &free, None, Stand::Begins(4)),
        (
            Some(begun(1799)),
            &short,
            None,
            Stand::In(begun(1799), ago(1799)),
        ),
        (
            Some(begun(1800)),
            &short,
            None,
            Stand::Rests(Some((noon() + TimeDelta::seconds(5400)).naive_local())),
        ),
        (Some(begun(7200)), &short, None, Stand::Begins(4)),
        (Some(in_one), &free, Some(&week), Stand::In(in_one, ago(60))),
        (Some(begun(7 * day)), &free, Some(&week), Stand::Begins(4)),
        (
            Some(begun(7 * day)),
            &long,
            Some(&week),
            Stand::In(begun(7 * day), ago(7 * day)),
        ),
        (
            Some(begun(1800)),
            &short,
            Some(&week),
            Stand::Rests(Some(next.naive_local())),
        ),
    ] {
        let stand = Stand::new(last, sequence, week, noon());
        assert_eq!(stand, expected, "{last:?} {sequence:?} {week:?}");
    }
}

#[test]
fn what_stands_in_the_way_of_a_run() {
    use RunState::{Finished, InError, Prepared};
    let sequence = Sequence::default();
    let stand = Stand::In(begun(3600), ago(3600));
    let tomorrow = |seconds| Some((ago(seconds) + TimeDelta::days(1)).naive_local());
    let none = Past::default();
    for (past, delay, reprepare, expected) in [
        (none, 0, true, None),
        (none, 3600, true, None),
        (
            none,
            3601,
            true,
            Some((
                Waiting::Delayed,
                Some((noon() + TimeDelta::seconds(1)).naive_local()),
            )),
        ),
        // Of the occurrence, of the period, before both.
        (
            last(100, InError, Some(60)),
            0,
            true,
            Some((Waiting::Done, tomorrow(60))),
        ),
        (
            last(100, InError, None),
            0,
            true,
            Some((Waiting::Done, tomorrow(3600))),
        ),
        (
            last(99, InError, Some(86_399)),
            0,
            true,
            Some((Waiting::Done, tomorrow(86_399))),
        ),
        (last(99, Finished, Some(86_400)), 0, true, None),
        (
            last(99, Finished, Some(86_400)),
            0,
            false,
            Some((Waiting::Done, None)),
        ),
        (last(99, InError, None), 0, false, None),
        (
            last(99, Prepared, None),
            0,
            true,
            Some((Waiting::UnderWay, None)),
        ),
    ] {
        let place = Place {
            delay,
            ..Place::plain(JobId(1))
        };
        let held = held(&past, &stand, place, reprepare, &sequence, None, noon());
        assert_eq!(held, expected, "{past:?} {delay} {reprepare}");
    }
    let rests = Stand::Rests(None);
    let place = Place::plain(JobId(1));
    let held = held(&none, &rests, place, true, &sequence, None, noon());
    assert_eq!(held, Some((Waiting::Done, None)));
}

#[test]
fn success_of_the_job_before_is_that_of_all_its_targets() {
    use RunState::{Cancelled, Finished, InError, Running};
    let stand = Stand::In(begun(60), ago(60));
    let (now, before) = (Some(30), Some(90_000));
    for (pasts, reprepare, expected) in [
        (vec![Past::default()], true, Success::Pending),
        (vec![last(100, Finished, now)], true, Success::Yes),
        (vec![last(99, Finished, now)], true, Success::Yes),
        (vec![last(99, Finished, before)], true, Success::Pending),
        (vec![last(99, Finished, before)], false, Success::Yes),
        (vec![last(100, Running, now)], true, Success::Pending),
        (vec![last(100, InError, now)], true, Success::Never),
        (vec![last(100, Cancelled, None)], true, Success::Never),
        (vec![last(99, InError, before)], true, Success::Pending),
        (
            vec![last(100, Finished, now), Past::default()],
            true,
            Success::Pending,
        ),
        (
            vec![last(100, Finished, now), last(101, InError, now)],
            true,
            Success::Never,
        ),
    ] {
        let sequence = Sequence::default();
        let told = success(
            pasts.iter().copied(),
            &stand,
            reprepare,
            &sequence,
            None,
            noon(),
        );
        assert_eq!(told, expected, "{pasts:?} {reprepare}");
    }
}

/// Whatever is stored, a run is offered only while the slot is open, after the delay, and when none of the job is open or of the same
/// occurrence.
#[test]
fn no_offer_outside_the_rules() {
    use proptest::prelude::*;
    let state = prop_oneof![
        Just(RunState::Prepared),
        Just(RunState::Running),
        Just(RunState::Finished),
        Just(RunState::InError)
    ];
    let stored = (
        0_i64..200_000,
        90_u64..110,
        state,
        proptest::option::of(0_i64..200_000),
    );
    let run =
        |(began, run, state, sent): (i64, u64, RunState, Option<i64>), delay: u32, reprepare| {
            let sequence = Sequence::new(
                vec![Place {
                    delay,
                    ..Place::plain(JobId(1))
                }],
                None,
                None,
            );
            let past = last(run, state, sent);
            let stand = Stand::new(Some(begun(began)), &sequence, None, noon());
            let place = Place {
                delay,
                ..Place::plain(JobId(1))
            };
            (
                held(&past, &stand, place, reprepare, &sequence, None, noon()),
                past,
            )
        };
    proptest!(|(stored in stored, delay in 0_u32..100_000, reprepare: bool)| {
        let (began, id, ..) = stored;
        let (held, past) = run(stored, delay, reprepare);
        if held.is_none() {
            prop_assert!(!past.open);
            prop_assert!(reprepare || !past.well);
            let in_one = began < 86_400;
            prop_assert!(!in_one || id < 100);
            let since_t0 = if in_one { began } else { 0 };
            prop_assert!(since_t0 >= i64::from(delay));
            if let Some(sent) = stored.3 {
                prop_assert!(sent >= 86_400);
            }
        }
    });
}
