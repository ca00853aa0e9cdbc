use super::*;
use crate::domain::timeslot::Entry;
use proptest::prelude::*;

const HOUR: u32 = 3_600;

/// Noon of a Tuesday.
fn noon() -> DateTime<Tz> {
    Tz::Europe__Paris
        .with_ymd_and_hms(2026, 11, 24, 12, 0, 0)
        .unwrap()
}

fn hours(hours: i64) -> DateTime<Tz> {
    noon() + TimeDelta::hours(hours)
}

fn place(job: u32, delay: u32, rank: u32, after_success: bool) -> Place {
    Place {
        job: JobId(job),
        rank,
        delay,
        after_success,
    }
}

/// Tuesdays 10:00 to 14:00.
fn tuesdays() -> Week {
    Week::from_entries([Entry {
        day: 2,
        begin: 10 * HOUR,
        end: 14 * HOUR - 1,
    }])
}

fn always() -> Week {
    Week::from_entries((1..=7).map(|day| Entry {
        day,
        begin: 0,
        end: DAY,
    }))
}

#[test]
fn jobs_are_grouped_by_starting_time_and_in_order_inside_a_group() {
    let sequence = Sequence::new(
        vec![
            place(1, 7200, 0, true),
            place(2, 0, 2, false),
            place(3, 0, 1, true),
            place(4, 7200, 0, true),
        ],
        None,
        None,
    );
    let order: Vec<u32> = sequence.places().iter().map(|place| place.job.0).collect();
    assert_eq!(order, [3, 2, 1, 4]);
    let waits_for = |job| sequence.place(JobId(job)).unwrap().1;
    assert_eq!(waits_for(3), None, "nothing is before it");
    assert_eq!(waits_for(2), None, "it does not ask for it");
    assert_eq!(waits_for(1), Some(JobId(2)));
    assert_eq!(waits_for(4), Some(JobId(1)));
    assert_eq!(sequence.place(JobId(9)), None);
    let seats: Vec<(u32, u32)> = sequence
        .seats()
        .map(|(job, seat)| (job.0, seat.0))
        .collect();
    assert_eq!(seats, [(3, 1), (2, 2), (1, 3), (4, 4)]);
}

#[test]
fn the_next_occurrence_and_the_end_of_this_one() {
    let (slot, always) = (
        tuesdays(),
        Week::from_entries((1..=7).map(|day| Entry {
            day,
            begin: 0,
            end: 86_399,
        })),
    );
    let closed = Week::CLOSED;
    // The opening of next Tuesday lies 166 hours after noon.
    for (slot, max, min, next, until) in [
        (None, None, None, Some(24), Some(24)),
        (None, None, Some(HOUR), Some(1), Some(1)),
        (None, Some(3 * HOUR), None, Some(24), Some(3)),
        (Some(&slot), None, None, Some(166), Some(166)),
        (Some(&slot), Some(HOUR), None, Some(166), Some(1)),
        (Some(&slot), None, Some(HOUR), Some(166), Some(166)),
        // From ten o'clock on, when the slot opened.
        (Some(&slot), None, Some(167 * HOUR), Some(166), Some(166)),
        (Some(&slot), None, Some(171 * HOUR), Some(169), Some(169)),
        (Some(&slot), None, Some(173 * HOUR), Some(334), Some(334)),
        (Some(&always), None, None, Some(24), Some(24)),
        (Some(&always), None, Some(HOUR), Some(1), Some(1)),
        (Some(&closed), None, None, None, Some(24)),
    ] {
        let sequence = Sequence::new(vec![], max, min);
        assert_eq!(
            sequence.next(noon(), slot),
            next.map(hours),
            "{max:?} {min:?}"
        );
        assert_eq!(
            sequence.until(noon(), slot),
            until.map(hours),
            "{max:?} {min:?}"
        );
    }
}

/// Each Monday from eight to nine in the evening, a week apart: also after a late start, and over both changes of the clocks.
#[test]
fn a_weekly_evening_stays_a_weekly_evening() {
    let mondays = Week::from_entries([Entry {
        day: 1,
        begin: 20 * HOUR,
        end: 21 * HOUR - 1,
    }]);
    let weekly = Sequence::new(vec![], None, Some(7 * DAY));
    for (month, day, next_month, next_day) in [(3, 23, 3, 30), (6, 1, 6, 8), (10, 19, 10, 26)] {
        let at = |month, day, minute| {
            let evening = Tz::Europe__Paris.with_ymd_and_hms(2026, month, day, 20, minute, 0);
            evening.unwrap()
        };
        for minute in [0, 40] {
            let next = weekly.next(at(month, day, minute), Some(&mondays));
            assert_eq!(
                next,
                Some(at(next_month, next_day, 0)),
                "{day}.{month}. 20:{minute}"
            );
        }
    }
}

#[test]
fn success_of_the_agent_itself_else_of_the_whole_job() {
    let tally = |open, well, ill| Tally {
        open,
        well,
        ill,
        cancelled: 0,
    };
    let cancelled = |open, well| Tally {
        cancelled: 1,
        ..tally(open, well, 0)
    };
    let (own, other) = (AgentId(1), AgentId(2));
    for (agents, settled, expected) in [
        (vec![(own, tally(0, 2, 0))], false, Success::Yes),
        (vec![(own, tally(1, 1, 0))], true, Success::Pending),
        (vec![(own, tally(1, 1, 1))], true, Success::Never),
        (
            vec![(own, tally(0, 1, 0)), (other, tally(1, 0, 1))],
            true,
            Success::Yes,
        ),
        (vec![(other, tally(0, 1, 0))], true, Success::Yes),
        (vec![(other, tally(0, 1, 0))], false, Success::Pending),
        (vec![(other, tally(1, 1, 0))], true, Success::Pending),
        (vec![(other, tally(0, 0, 1))], true, Success::Never),
        (vec![], true, Success::Pending),
        (vec![(own, cancelled(0, 1))], true, Success::Never),
        (vec![(own, cancelled(1, 1))], true, Success::Pending),
        (vec![(other, cancelled(0, 1))], true, Success::Yes),
        (vec![(other, cancelled(0, 0))], true, Success::Never),
        (vec![(other, cancelled(0, 0))], false, Success::Pending),
    ] {
        let before = Before {
            agents: agents.into_iter().collect(),
            settled,
        };
        assert_eq!(before.by_agent()(own), expected, "{before:?}");
    }
}

#[test]
fn words_are_read_as_they_were_written() {
    for over in [Over::Done, Over::Time, Over::Dates, Over::Plain] {
        assert_eq!(Over::from_word(over.word()), over);
    }
}

proptest! {
    /// No campaign starts over the minute it ends: the next begins later, and where there is a slot, while it is open.
    #[test]
    fn the_next_begins_later(
        offset in 0_i64..40_000_000,
        entries in proptest::collection::vec((1_u32..=7, 0_u32..86_400, 0_u32..86_400), 0..4),
        min in proptest::option::of(60_u32..2_000_000),
    ) {
        let t0 = noon() + TimeDelta::seconds(offset);
        let week = Week::from_entries(entries.into_iter().map(|(day, begin, length)| Entry { day, begin, end: begin + length }));
        let sequence = Sequence::new(vec![], None, min);
        for slot in [None, Some(&week)] {
            if let Some(next) = sequence.next(t0, slot) {
                prop_assert!(next > t0);
                // The clock on the wall may gain an hour.
                let (from, lost) = slot.map_or((t0, 0), |week| (opened(week, t0), 1));
                prop_assert!(from <= t0);
                prop_assert!(min.is_none_or(|min| next >= from + TimeDelta::seconds(min.into()) - TimeDelta::hours(lost)));
                prop_assert!(slot.is_none_or(|week| week.is_open(next.naive_local())));
            }
            prop_assert!(sequence.until(t0, slot).is_some_and(|until| until > t0));
        }
    }

    /// Seats are the same jobs, each once, and the order is that of the starting times.
    #[test]
    fn seats_are_a_permutation(places in proptest::collection::vec((0_u32..4, 0_u32..4), 0..8)) {
        let places = (1..).zip(places).map(|(job, (delay, rank))| place(job, delay, rank, false)).collect();
        let sequence = Sequence::new(places, None, None);
        let mut jobs: Vec<JobId> = sequence.places().iter().map(|place| place.job).collect();
        let seats: Vec<JobId> = sequence.seats().map(|(_, seat)| seat).collect();
        jobs.sort_unstable();
        prop_assert_eq!(seats, jobs);
        prop_assert!(sequence.places().is_sorted_by_key(|place| (place.delay, place.rank, place.job)));
    }
}

/// Slots: none, Tuesdays 10:00 to 14:00, always open.
#[test]
fn rows_that_never_come_about() {
    let (tuesdays, always) = (tuesdays(), always());
    let weeks = [None, Some(&tuesdays), Some(&always)];
    let week = 7 * DAY;
    let dates = |seconds: i64| Dates {
        start: Some(noon().naive_local()),
        end: Some(noon().naive_local() + TimeDelta::seconds(seconds)),
    };
    let open = Dates::default();
    for (slot, delay, max_duration, min_period, dates, why) in [
        (0, HOUR, None, None, open, None),
        (0, DAY - 1, None, None, open, None),
        (0, DAY, None, None, open, Some(Futile::AfterNext(DAY))),
        (2, DAY, None, None, open, Some(Futile::AfterNext(DAY))),
        (
            0,
            HOUR,
            None,
            Some(HOUR),
            open,
            Some(Futile::AfterNext(HOUR)),
        ),
        (0, DAY, None, Some(DAY + 1), open, None),
        (1, week, None, None, open, None),
        (
            1,
            week + 1,
            None,
            None,
            open,
            Some(Futile::AfterNext(week + 1)),
        ),
        (1, week + 1, None, Some(HOUR), open, None),
        (0, 2 * DAY, Some(2 * DAY + 1), None, open, None),
        (
            0,
            HOUR,
            Some(HOUR),
            None,
            open,
            Some(Futile::AfterMaxDuration(HOUR)),
        ),
        (
            1,
            HOUR,
            Some(60),
            None,
            open,
            Some(Futile::AfterMaxDuration(60)),
        ),
        (0, HOUR, None, None, dates(3_600), None),
        (
            0,
            HOUR,
            None,
            None,
            dates(3_599),
            Some(Futile::AfterDates(3_599)),
        ),
        (0, 0, None, None, dates(0), None),
    ] {
        let places = vec![place(1, 0, 0, false), place(2, delay, 1, true)];
        let sequence = Sequence::new(places, max_duration, min_period);
        let found = sequence.futile(weeks[slot], dates, noon());
        let expected: Vec<_> = why
            .map(|why| (place(2, delay, 1, true), why))
            .into_iter()
            .collect();
        assert_eq!(found, expected, "slot {slot}, delay {delay}");
    }
    let first = Sequence::new(vec![place(1, 0, 0, true), place(2, 0, 1, true)], None, None);
    let found = first.futile(None, open, noon());
    assert_eq!(found, [(place(1, 0, 0, true), Futile::First)]);
}

proptest! {
    /// What is called futile was over before its delay, whenever an occurrence began.
    #[test]
    fn nothing_futile_ever_starts(
        delay in 0..20 * DAY,
        max_duration in proptest::option::of(1..20 * DAY),
        min_period in proptest::option::of(1..20 * DAY),
        slot in 0..3_usize,
        begins in 0..14 * i64::from(DAY),
    ) {
        let (tuesdays, always) = (tuesdays(), always());
        let week = [None, Some(&tuesdays), Some(&always)][slot];
        let sequence = Sequence::new(vec![place(1, delay, 0, false)], max_duration, min_period);
        let begins = noon() + TimeDelta::seconds(begins);
        let t0 = week.map_or(Some(begins), |week| week.next_open(begins)).unwrap();
        if !sequence.futile(week, Dates::default(), noon()).is_empty() {
            prop_assert!(sequence.until(t0, week).unwrap() <= after(t0, delay).unwrap());
        }
    }
}
