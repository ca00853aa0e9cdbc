use chrono::{NaiveDate, NaiveDateTime};

use super::ask::{Ask, Given, Step, Wrong, entity, scope};
use super::build;
use super::counted::{Aged, Discovered, Ended, Failed, Missing, Silent};
use super::*;
use crate::domain::access::{Access, Place};
use crate::domain::entities::{Entities, Entity};
use crate::domain::ids::{EntityId, TaskId};
use crate::domain::run::RunState;

fn at(text: &str) -> NaiveDateTime {
    text.parse().unwrap()
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn shown(table: &Table) -> Vec<Vec<String>> {
    let rows = table.rows.iter();
    rows.map(|row| row.iter().map(|cell| cell.text(Tongue::English)).collect())
        .collect()
}

/// 0 above 1 and 3, 1 above 2.
fn tree() -> Entities {
    let mut tree = Entities::default();
    for (id, parent, level) in [
        (0, None, 1),
        (1, Some(0), 2),
        (2, Some(1), 3),
        (3, Some(0), 2),
    ] {
        let parent = parent.map(EntityId);
        tree.insert(EntityId(id), Entity { parent, level });
    }
    tree
}

#[test]
fn names_and_words_are_unique_and_in_both_languages() {
    for name in Name::ALL {
        assert_eq!(Name::of_word(name.word()), Some(name));
        for text in [name.title(), name.about()] {
            assert!(!text.en.is_empty() && !text.fr.is_empty() && text.en != text.fr);
        }
    }
    assert_eq!(Name::of_word("Deploy"), None);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a few lines a case")]
fn what_is_given_is_read_or_refused() {
    let today = day("2026-03-04");
    let read = |name, fields: Given<'_>| Ask::read(name, &fields, today, 10);
    let none = Given::default();
    for (fields, from, to, step) in [
        (none, "2026-02-03", "2026-03-04", Step::Day),
        (
            Given {
                from: Some(""),
                to: Some(" "),
                ..none
            },
            "2026-02-03",
            "2026-03-04",
            Step::Day,
        ),
        (
            Given {
                from: Some("2026-03-02"),
                ..none
            },
            "2026-03-02",
            "2026-03-04",
            Step::Hour,
        ),
        (
            Given {
                to: Some("2025-01-30"),
                ..none
            },
            "2025-01-01",
            "2025-01-30",
            Step::Day,
        ),
        (
            Given {
                from: Some("2027-01-01"),
                ..none
            },
            "2027-01-01",
            "2027-01-01",
            Step::Hour,
        ),
        (
            Given {
                from: Some("2025-01-01"),
                to: Some("2025-12-31"),
                ..none
            },
            "2025-01-01",
            "2025-12-31",
            Step::Month,
        ),
    ] {
        let ask = read(Name::Deploy, fields).unwrap();
        assert_eq!(
            (ask.from, ask.to, ask.step()),
            (day(from), day(to), step),
            "{fields:?}"
        );
    }
    let ask = read(
        Name::Deploy,
        Given {
            task: Some(" 7 "),
            entity: Some("Root > North"),
            ..none
        },
    );
    let ask = ask.unwrap();
    assert_eq!(
        (ask.task, ask.entity.as_deref()),
        (Some(TaskId(7)), Some("Root > North"))
    );
    assert_eq!(
        ask.moments(),
        (at("2026-02-03T00:00:00"), at("2026-03-05T00:00:00"))
    );
    let ask = read(
        Name::SilentAgents,
        Given {
            days: Some("90"),
            ..none
        },
    )
    .unwrap();
    assert_eq!(ask.days, 90);

    let wrong = |text: &str| Wrong::Day("from", text.to_owned());
    for text in [
        "yesterday",
        "2026-02-30",
        "2026-3-1",
        "1969-12-31",
        "2038-01-01",
        "02026-03-01",
        "2026-03-01T00",
    ] {
        assert_eq!(
            read(
                Name::Deploy,
                Given {
                    from: Some(text),
                    ..none
                }
            ),
            Err(wrong(text))
        );
    }
    for (name, fields, wrong) in [
        (
            Name::Deploy,
            Given {
                from: Some("2026-03-05"),
                to: Some("2026-03-04"),
                ..none
            },
            Wrong::Order,
        ),
        (
            Name::Deploy,
            Given {
                from: Some("2001-01-01"),
                ..none
            },
            Wrong::Long,
        ),
        (
            Name::Deploy,
            Given {
                task: Some("x"),
                ..none
            },
            Wrong::Task("x".to_owned()),
        ),
        (
            Name::Deploy,
            Given {
                task: Some("-1"),
                ..none
            },
            Wrong::Task("-1".to_owned()),
        ),
        (
            Name::Deploy,
            Given {
                days: Some("3"),
                ..none
            },
            Wrong::Field(Name::Deploy, "days"),
        ),
        (
            Name::SilentAgents,
            Given {
                from: Some("2026-03-01"),
                ..none
            },
            Wrong::Field(Name::SilentAgents, "from"),
        ),
        (
            Name::SilentAgents,
            Given {
                task: Some("1"),
                ..none
            },
            Wrong::Field(Name::SilentAgents, "task"),
        ),
        (
            Name::SilentAgents,
            Given {
                days: Some("0"),
                ..none
            },
            Wrong::Silence("0".to_owned()),
        ),
        (
            Name::SilentAgents,
            Given {
                days: Some("3661"),
                ..none
            },
            Wrong::Silence("3661".to_owned()),
        ),
        (
            Name::SilentAgents,
            Given {
                days: Some("many"),
                ..none
            },
            Wrong::Silence("many".to_owned()),
        ),
    ] {
        assert_eq!(read(name, fields), Err(wrong.clone()), "{fields:?}");
        assert_ne!(wrong.text(Tongue::English), wrong.text(Tongue::French));
    }
}

#[test]
fn steps_cover_a_period_without_gaps() {
    let between = |step: Step, from, until| step.between(at(from), at(until));
    assert_eq!(
        between(Step::Hour, "2026-03-01T22:00:00", "2026-03-02T00:00:01"),
        ["2026-03-01 22", "2026-03-01 23", "2026-03-02 00"]
    );
    assert_eq!(
        between(Step::Day, "2024-02-28T00:00:00", "2024-03-02T00:00:00"),
        ["2024-02-28", "2024-02-29", "2024-03-01"]
    );
    assert_eq!(
        between(Step::Month, "2025-11-30T00:00:00", "2026-01-02T00:00:00"),
        ["2025-11", "2025-12", "2026-01"]
    );
    assert!(between(Step::Day, "2026-03-02T00:00:00", "2026-03-01T00:00:00").is_empty());
}

#[test]
fn entities_are_named_by_number_or_name_and_only_those_that_are_seen() {
    let names = [
        (1, "North", "Root > North"),
        (2, "Lab", "Root > North > Lab"),
        (3, "Lab", "Root > Lab"),
    ];
    let names =
        names.map(|(id, name, complete)| (EntityId(id), name.to_owned(), complete.to_owned()));
    let found = |text: &str| entity(text, &names, |_| true);
    assert_eq!(found("2"), Ok(EntityId(2)));
    assert_eq!(found("Root > Lab"), Ok(EntityId(3)));
    assert_eq!(found("North"), Ok(EntityId(1)));
    assert_eq!(found("Lab"), Err(Wrong::Entities("Lab".to_owned())));
    for unknown in ["9", "south", "north", "%"] {
        assert_eq!(found(unknown), Err(Wrong::Entity(unknown.to_owned())));
    }
    let some = |text: &str| entity(text, &names, |id| id == EntityId(3));
    assert_eq!(some("Lab"), Ok(EntityId(3)), "the other one is not seen");
    assert_eq!(some("1"), Err(Wrong::Entity("1".to_owned())));

    let place = |entity, recursive| {
        Access::Places(vec![Place {
            entity: EntityId(entity),
            recursive,
            rights: 1,
        }])
    };
    for (access, chosen, expected) in [
        (Access::Open, None, None),
        (Access::Open, Some(1), Some(vec![1, 2])),
        (place(0, true), None, None),
        (place(0, false), None, Some(vec![0])),
        (place(1, true), None, Some(vec![1, 2])),
        (place(1, true), Some(2), Some(vec![2])),
        (place(1, false), Some(3), Some(vec![])),
    ] {
        let within = scope(&tree(), &access, chosen.map(EntityId));
        let within = within.map(|ids| ids.iter().map(|id| id.0).collect::<Vec<_>>());
        assert_eq!(within, expected, "{access:?} {chosen:?}");
    }
}

#[test]
fn progress_has_a_row_for_each_step() {
    let ended = |step: &str, well, unneeded, runs| Ended {
        step: step.to_owned(),
        well,
        unneeded,
        runs,
    };
    let table = build::progress(
        Step::Day,
        at("2026-03-01T00:00:00"),
        at("2026-03-04T00:00:00"),
        &[
            ended("2026-03-01", true, false, 2),
            ended("2026-03-03", false, false, 1),
            ended("2026-03-03", true, true, 1),
            ended("2026-03-03", true, false, 1),
            ended("2026-03-09", true, false, 5),
        ],
    );
    assert_eq!(
        shown(&table),
        [
            ["2026-03-01", "2", "0", "0", "100 %"],
            ["2026-03-02", "0", "0", "0", ""],
            ["2026-03-03", "1", "1", "1", "66 %"],
        ]
    );
    assert!(!table.cut);
}

#[test]
fn messages_that_are_the_same_are_one_row_and_the_most_frequent_comes_first() {
    let failed = |message: &str, count, last: &str| Failed {
        message: message.to_owned(),
        count,
        last: Some(at(last)),
    };
    let rows = vec![
        failed("exit 1", 2, "2026-03-01T10:00:00"),
        failed(" exit 1 ", 2, "2026-03-02T10:00:00"),
        failed("", 3, "2026-03-01T09:00:00"),
        failed("a", 1, "2026-03-01T09:00:00"),
    ];
    let table = build::failures(rows.clone(), 2);
    assert_eq!(
        shown(&table),
        [
            ["exit 1", "4", "2026-03-02 10:00:00"],
            ["(no message)", "3", "2026-03-01 09:00:00"]
        ]
    );
    assert!(table.cut);
    assert_eq!(
        write::cut(&table, Tongue::English).unwrap(),
        "Only the first 2 rows are shown; there are more."
    );
    let table = build::errors(rows, 3);
    assert!(!table.cut && write::cut(&table, Tongue::French).is_none());
}

#[test]
fn missing_hosts_discoveries_ages_and_silence() {
    let target = ("PluginFusioninventoryDeployPackage".to_owned(), 1);
    let row = Missing {
        host: "pc".to_owned(),
        target: target.clone(),
        state: RunState::InError,
        last_contact: None,
    };
    let table = build::missing(vec![row], |target| format!("package {}", target.1), 5);
    assert_eq!(shown(&table), [["pc", "package 1", "in error", ""]]);

    let found = |step: &str, range, itemtype: &str, new, updated| Discovered {
        step: step.to_owned(),
        target: ("PluginFusioninventoryIPRange".to_owned(), range),
        itemtype: itemtype.to_owned(),
        new,
        updated,
    };
    let all = [
        found("2026-03-01", 1, "Printer", 1, 0),
        found("2026-03-01", 1, "NetworkEquipment", 2, 1),
        found("2026-03-02", 2, "Printer", 0, 4),
        found("2026-03-02", 2, "Toaster", 1, 0),
    ];
    let when = (
        Step::Day,
        at("2026-03-01T00:00:00"),
        at("2026-03-03T00:00:00"),
    );
    let tables = build::discovery(&all, when, |target| format!("range {}", target.1), 9);
    let [devices, days, kinds] = &tables[..] else {
        panic!("{tables:?}")
    };
    assert_eq!(
        shown(devices),
        [
            ["2026-03-02", "range 2", "1", "4"],
            ["2026-03-01", "range 1", "3", "1"]
        ]
    );
    assert_eq!(
        shown(days),
        [["2026-03-01", "3", "1"], ["2026-03-02", "1", "4"]]
    );
    assert_eq!(
        shown(kinds),
        [
            ["networking devices", "2", "1"],
            ["printers", "1", "4"],
            ["Toaster", "1", "0"]
        ]
    );

    let aged = |age, known, agents| Aged { age, known, agents };
    let table = build::ages(&[aged(0, true, 5), aged(0, false, 2), aged(5, false, 1)]);
    assert_eq!(shown(&table)[0], ["up to 1 day", "7", "5", "2"]);
    assert_eq!(shown(&table)[5], ["never", "1", "0", "1"]);
    assert_eq!(table.rows.len(), 6);

    let silent = |last_contact: Option<&str>| Silent {
        agent: "a".to_owned(),
        computer: None,
        entity: "Root".to_owned(),
        version: "2.6".to_owned(),
        last_contact: last_contact.map(at),
    };
    let now = at("2026-03-04T12:00:00");
    let table = build::silent(
        vec![silent(None), silent(Some("2026-01-01T12:00:00"))],
        now,
        9,
    );
    assert_eq!(shown(&table)[0], ["a", "", "Root", "2.6", "", ""]);
    assert_eq!(shown(&table)[1][4..], ["2026-01-01 12:00:00", "62"]);
}

mod ranges;
mod writing;
