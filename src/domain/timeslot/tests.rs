use chrono::{Duration, NaiveDate, TimeZone as _};
use chrono_tz::America::St_Johns;
use chrono_tz::Australia::Lord_Howe;
use chrono_tz::Europe::Paris;
use chrono_tz::Pacific::Apia;
use proptest::prelude::*;

use super::hours::Grid;
use super::*;

/// Monday 2026-11-23 plus `day` days and `second` seconds.
fn at(day: u32, second: u32) -> NaiveDateTime {
    NaiveDate::from_ymd_opt(2026, 11, 23 + day)
        .unwrap()
        .and_hms_opt(0, 0, 0)
        .unwrap()
        + Duration::seconds(i64::from(second))
}

/// The same where clocks are never changed.
fn utc(day: u32, second: u32) -> DateTime<Tz> {
    Tz::UTC.from_utc_datetime(&at(day, second))
}

fn entry(day: u32, begin: u32, end: u32) -> Entry {
    Entry { day, begin, end }
}

#[test]
fn both_ends_of_an_entry_are_open() {
    let week = Week::from_entries([entry(2, 3600, 7200)]);
    for (second, open) in [(3599, false), (3600, true), (7200, true), (7201, false)] {
        assert_eq!(week.is_open(at(1, second)), open, "{second}");
    }
    assert!(!week.is_open(at(2, 3600)));
}

#[test]
fn the_last_hour_of_a_row_is_closed() {
    let week = Week::from_hours([HourRow::new(1, 1, 2), HourRow::new(1, 23, 24)]);
    for (day, second, open) in [
        (1, HOUR - 1, false),
        (1, HOUR, true),
        (1, 2 * HOUR - 1, true),
        (1, 2 * HOUR, false),
        (1, DAY - 1, true),
        (2, 0, false),
        (0, HOUR, false),
    ] {
        assert_eq!(week.is_open(at(day, second)), open, "{day} {second}");
    }
}

/// The week of Tasks Redux, with what its picture shows. On Tuesday its comment says until midnight, row and picture say 23; "Friday(5)"
/// is Saturday.
#[test]
fn the_example_of_tasks_redux() {
    let rows: Vec<HourRow> = include_str!("../../../fixtures/timeslots/example.tsv")
        .lines()
        .skip(1)
        .map(|line| {
            let mut numbers = line.split('\t').map(|number| number.parse().unwrap());
            let mut next = || numbers.next().unwrap();
            HourRow::new(next(), next(), next())
        })
        .collect();
    let picture = [
        "#######............#####",
        "####..####..####...####.",
        "............###.........",
        "........####............",
        "............##..........",
        "########################",
        "########################",
    ];
    let week = Week::from_hours(rows.iter().copied());
    for (day, hours) in (0..).zip(picture) {
        for (hour, shown) in (0..).zip(hours.chars()) {
            for second in [0, HOUR - 1] {
                let open = week.is_open(at(day, hour * HOUR + second));
                assert_eq!(open, shown == '#', "{day} {hour}");
            }
        }
    }
    let grid = Grid(picture.map(|hours| {
        let mut open = hours.chars().map(|hour| hour == '#');
        std::array::from_fn(|_| open.next().unwrap())
    }));
    assert_eq!(grid.rows(), rows);
    assert_eq!(Grid::from_rows(rows), grid);
    // Monday's first opening began on Saturday.
    assert_eq!(week.next_close(utc(5, 0)), Some(utc(7, 7 * HOUR)));
    assert_eq!(week.next_open(utc(4, 14 * HOUR)), Some(utc(5, 0)));
}

#[test]
fn touching_entries_are_one_opening_also_over_midnight() {
    let week = Week::from_entries([
        entry(1, 82_800, 86_399),
        entry(2, 0, 3_600),
        entry(1, 80_000, 82_799),
        entry(2, 1_000, 2_000),
    ]);
    assert_eq!(week.intervals, vec![(80_000, DAY + 3_601)]);
    let opening = |weekday, begin, end| Opening {
        weekday,
        begin,
        end,
    };
    let by_day: Vec<Opening> = week.openings().collect();
    assert_eq!(by_day, [opening(0, 80_000, DAY), opening(1, 0, 3_601)]);
}

#[test]
fn rows_that_make_no_sense_open_nothing() {
    for e in [
        entry(0, 0, 10),
        entry(8, 0, 10),
        entry(1, 10, 5),
        entry(1, DAY, DAY + 5),
    ] {
        assert_eq!(Week::from_entries([e]), Week::CLOSED, "{e:?}");
    }
    for (weekday, start, end) in [(7, 0, 24), (0, 9, 9), (0, 9, 8), (0, 20, 25)] {
        let row = HourRow::new(weekday, start, end);
        assert_eq!(Week::from_hours([row]), Week::CLOSED, "{row}");
    }
}

#[test]
fn next_opening_and_closing() {
    let week = Week::from_entries([
        entry(1, 3600, 7200),
        entry(3, 0, 60),
        entry(7, 80_000, 86_399),
        entry(1, 0, 99),
    ]);
    for (from, opens, closes) in [
        (utc(0, 0), utc(0, 0), utc(0, 100)),
        (utc(0, 100), utc(0, 3600), utc(0, 100)),
        (utc(0, 7200), utc(0, 7200), utc(0, 7201)),
        (utc(0, 7201), utc(2, 0), utc(0, 7201)),
        (utc(2, 61), utc(6, 80_000), utc(2, 61)),
        (utc(6, 80_000), utc(6, 80_000), utc(7, 100)),
    ] {
        assert_eq!(week.next_open(from), Some(opens), "{from}");
        assert_eq!(week.next_close(from), Some(closes), "{from}");
    }
    // A part of a second is none of the week's.
    let half = TimeDelta::milliseconds(500);
    assert_eq!(
        week.next_open(utc(0, 3599) + half),
        Some(utc(0, 3600)),
        "not half a second late"
    );
}

#[test]
fn never_and_always() {
    let always = Week::from_hours((0..7).map(|day| HourRow::new(day, 0, 24)));
    for (week, open) in [(Week::CLOSED, false), (always, true)] {
        for from in [utc(0, 0), utc(3, 5000), utc(6, DAY - 1)] {
            assert_eq!(week.is_open(from.naive_local()), open);
            assert_eq!(week.next_open(from), open.then_some(from));
            assert_eq!(week.next_close(from), (!open).then_some(from));
        }
    }
}

/// `2026-03-29T02:30:00+02:00`, in a zone.
fn moment(text: &str, zone: Tz) -> DateTime<Tz> {
    let moment = DateTime::parse_from_rfc3339(text).unwrap();
    let here = moment.with_timezone(&zone);
    assert_eq!(here.to_rfc3339(), text, "that is no local time of {zone}");
    here
}

/// An opening, and when it opens and closes after a moment: one after the other, up to four.
type Change = (
    Tz,
    &'static str,
    (u32, u32, u32),
    &'static str,
    &'static [&'static str],
);

/// Entries as day, first and last minute.
const CHANGES: [Change; 15] = [
    (
        Paris,
        "an opening in the hour that is left out",
        (7, 135, 164),
        "2026-03-28T12:00:00+01:00",
        &["2026-04-05T02:15:00+02:00", "2026-04-05T02:45:00+02:00"],
    ),
    (
        Paris,
        "one that begins in it",
        (7, 150, 239),
        "2026-03-28T12:00:00+01:00",
        &["2026-03-29T03:00:00+02:00", "2026-03-29T04:00:00+02:00"],
    ),
    (
        Paris,
        "one that ends in it",
        (7, 60, 149),
        "2026-03-28T12:00:00+01:00",
        &["2026-03-29T01:00:00+01:00", "2026-03-29T03:00:00+02:00"],
    ),
    (
        Paris,
        "one around it is an hour shorter",
        (7, 60, 239),
        "2026-03-28T12:00:00+01:00",
        &["2026-03-29T01:00:00+01:00", "2026-03-29T04:00:00+02:00"],
    ),
    (
        Paris,
        "the hour that is left out and nothing else",
        (7, 120, 179),
        "2026-03-29T01:59:59+01:00",
        &["2026-04-05T02:00:00+02:00"],
    ),
    (
        Paris,
        "one in the hour that comes twice",
        (7, 135, 164),
        "2026-10-24T12:00:00+02:00",
        &[
            "2026-10-25T02:15:00+02:00",
            "2026-10-25T02:45:00+02:00",
            "2026-10-25T02:15:00+01:00",
            "2026-10-25T02:45:00+01:00",
        ],
    ),
    (
        Paris,
        "one that begins in it is interrupted",
        (7, 150, 239),
        "2026-10-24T12:00:00+02:00",
        &[
            "2026-10-25T02:30:00+02:00",
            "2026-10-25T02:00:00+01:00",
            "2026-10-25T02:30:00+01:00",
            "2026-10-25T04:00:00+01:00",
        ],
    ),
    (
        Paris,
        "one that ends in it opens again as the clocks go back",
        (7, 60, 149),
        "2026-10-24T12:00:00+02:00",
        &[
            "2026-10-25T01:00:00+02:00",
            "2026-10-25T02:30:00+02:00",
            "2026-10-25T02:00:00+01:00",
            "2026-10-25T02:30:00+01:00",
        ],
    ),
    (
        Paris,
        "one around it is an hour longer",
        (7, 60, 239),
        "2026-10-24T12:00:00+02:00",
        &["2026-10-25T01:00:00+02:00", "2026-10-25T04:00:00+01:00"],
    ),
    (
        Paris,
        "the wall's hour that is over comes again",
        (7, 120, 130),
        "2026-10-25T02:50:00+02:00",
        &["2026-10-25T02:00:00+01:00", "2026-10-25T02:11:00+01:00"],
    ),
    (
        Lord_Howe,
        "half an hour is left out",
        (7, 120, 164),
        "2026-10-04T01:00:00+10:30",
        &["2026-10-04T02:30:00+11:00", "2026-10-04T02:45:00+11:00"],
    ),
    (
        Lord_Howe,
        "half an hour comes twice",
        (7, 105, 119),
        "2026-04-05T01:00:00+11:00",
        &[
            "2026-04-05T01:45:00+11:00",
            "2026-04-05T01:30:00+10:30",
            "2026-04-05T01:45:00+10:30",
            "2026-04-05T02:00:00+10:30",
        ],
    ),
    (
        St_Johns,
        "an offset of half an hour",
        (7, 150, 194),
        "2026-03-07T12:00:00-03:30",
        &["2026-03-08T03:00:00-02:30", "2026-03-08T03:15:00-02:30"],
    ),
    (
        St_Johns,
        "a minute after midnight the day before begins again",
        (6, 1410, 1439),
        "2010-11-06T12:00:00-02:30",
        &[
            "2010-11-06T23:30:00-02:30",
            "2010-11-07T00:00:00-02:30",
            "2010-11-06T23:30:00-03:30",
            "2010-11-07T00:00:00-03:30",
        ],
    ),
    (
        Apia,
        "a Friday that there was not",
        (5, 0, 1439),
        "2011-12-29T12:00:00-10:00",
        &["2012-01-06T00:00:00+14:00"],
    ),
];

#[test]
fn at_the_changes_of_the_clocks() {
    for (zone, what, (day, first, last), from, changes) in CHANGES {
        let week = Week::from_entries([entry(day, first * 60, last * 60 + 59)]);
        let mut from = moment(from, zone);
        for (turn, expected) in changes.iter().enumerate() {
            let next = match turn % 2 {
                0 => week.next_open(from),
                _ => week.next_close(from),
            };
            assert_eq!(
                next.map(|next| next.to_rfc3339()).as_deref(),
                Some(*expected),
                "{zone}: {what}"
            );
            from = next.unwrap();
        }
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
        let in_a_day = week.openings().any(|o| o.weekday == day && (o.begin..o.end).contains(&second));
        prop_assert_eq!(in_a_day, said);
    }
}

/// Whether an entry says that it is open, by the clock on the wall and nothing else.
fn said(entries: &[Entry], at: DateTime<Tz>) -> bool {
    let local = at.naive_local();
    let (day, second) = (
        local.weekday().number_from_monday(),
        local.num_seconds_from_midnight(),
    );
    entries
        .iter()
        .any(|e| e.day == day && e.begin <= second && second <= e.end)
}

/// The first moment from `from` on, in steps of `step`, at which [`said`] is `open`; none up to and with `last`.
fn walked(
    entries: &[Entry],
    open: bool,
    from: DateTime<Tz>,
    step: TimeDelta,
    last: DateTime<Tz>,
) -> Option<DateTime<Tz>> {
    std::iter::successors(Some(from), |at| Some(*at + step))
        .take_while(|at| *at <= last)
        .find(|at| said(entries, *at) == open)
}

/// Zones, each with the two moments of a year at which its clocks change.
const ZONES: [(Tz, &str, &str); 5] = [
    (Paris, "2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z"),
    (St_Johns, "2026-03-08T05:30:00Z", "2026-11-01T04:30:00Z"),
    (St_Johns, "2010-03-14T03:31:00Z", "2010-11-07T02:31:00Z"),
    (Lord_Howe, "2026-10-03T15:30:00Z", "2026-04-04T15:00:00Z"),
    (
        Tz::Asia__Kolkata,
        "2026-03-29T01:00:00Z",
        "2026-10-25T01:00:00Z",
    ),
];

/// A change of the clocks in one of the zones.
fn change() -> impl Strategy<Value = DateTime<Tz>> {
    (0..ZONES.len(), any::<bool>()).prop_map(|(zone, first)| {
        let (zone, one, other) = ZONES[zone];
        let moment: DateTime<chrono::Utc> = if first { one } else { other }.parse().unwrap();
        moment.with_timezone(&zone)
    })
}

#[test]
fn the_clocks_do_change_then() {
    for (zone, one, other) in &ZONES[..4] {
        for change in [one, other] {
            let after: DateTime<chrono::Utc> = change.parse().unwrap();
            let offset = |at: DateTime<chrono::Utc>| at.with_timezone(zone).offset().fix();
            assert_ne!(
                offset(after),
                offset(after - TimeDelta::seconds(1)),
                "{zone} {change}"
            );
        }
    }
}

/// Entries on the days around a change, which is on a Saturday or Sunday, in the units of `unit` seconds.
fn around(unit: u32, up_to: u32) -> impl Strategy<Value = Vec<Entry>> {
    let one = (
        prop::sample::select(vec![6u32, 7, 7, 7, 1]),
        0..up_to,
        1..up_to / 3,
    )
        .prop_map(move |(day, first, length)| {
            let begin = if day == 6 {
                DAY - (first + 1) * unit
            } else {
                first * unit
            };
            entry(day, begin, (begin + length * unit - 1).min(DAY - 1))
        });
    prop::collection::vec(one, 1..6)
}

proptest! {
    /// To the second, in the six hours around a change.
    #[test]
    fn as_one_who_looks_every_second_finds(change in change(), entries in around(1, 4 * HOUR), before in 0i64..10_000, open in any::<bool>()) {
        let from = change - TimeDelta::seconds(before);
        let last = change + TimeDelta::hours(3);
        let walked = walked(&entries, open, from, TimeDelta::seconds(1), last);
        let week = Week::from_entries(entries);
        let next = if open { week.next_open(from) } else { week.next_close(from) };
        prop_assert_eq!(next.filter(|next| *next <= last), walked);
    }

    /// To the minute, over more than a week.
    #[test]
    fn as_one_who_looks_every_minute_finds(
        change in change(), mut entries in around(60, 300), before in 0i64..8 * 1440, open in any::<bool>(),
        whole_days in prop::collection::vec(1u32..=7, 0..8),
    ) {
        entries.extend(whole_days.into_iter().map(|day| entry(day, 0, DAY - 1)));
        let from = change - TimeDelta::minutes(before);
        let last = from + TimeDelta::days(15);
        let walked = walked(&entries, open, from, TimeDelta::minutes(1), last);
        let week = Week::from_entries(entries);
        let next = if open { week.next_open(from) } else { week.next_close(from) };
        prop_assert_eq!(next, walked);
        prop_assert!(next.is_none_or(|next| week.is_open(next.naive_local()) == open));
    }
}
