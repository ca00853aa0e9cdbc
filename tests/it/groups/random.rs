//! Random computers and searches.

use std::fmt::Write as _;

use proptest::prelude::*;
use proptest::sample::select;

use super::model::{Computer, Criterion, Leaf, NAMES, USERS};
use crate::support::site::text;

fn literal(value: Option<&str>) -> String {
    value.map_or_else(|| "NULL".to_owned(), text)
}

/// What computers are linked to: rows 1 to 3 of every table, locations and entities each below the one before.
pub(super) fn surroundings() -> String {
    let mut sql = "UPDATE glpi_entities SET completename = 'a' WHERE id = 0; \
         INSERT INTO glpi_entities (id, entities_id, name, completename) VALUES (1, 0, 'x', 'ab_'), (2, 1, 'y', NULL);"
        .to_owned();
    for (id, name) in (1..).zip(&NAMES[1..]) {
        let name = literal(*name);
        let parent = id - 1;
        write!(
            sql,
            "INSERT INTO glpi_locations (id, locations_id, name, completename) VALUES ({id}, {parent}, 'x', {name}); \
             INSERT INTO glpi_operatingsystems (id, name) VALUES ({id}, {name}); \
             INSERT INTO glpi_operatingsystemversions (id, name) VALUES ({id}, {name}); \
             INSERT INTO glpi_softwares (id, name) VALUES ({id}, {name}); \
             INSERT INTO glpi_softwareversions (id, softwares_id, name) VALUES ({id}, {id}, {name});"
        )
        .unwrap();
    }
    for (id, [last, first, login]) in (1..).zip(USERS) {
        let [last, first, login] = [last, first, login].map(literal);
        write!(
            sql,
            "INSERT INTO glpi_users (id, realname, firstname, name) VALUES ({id}, {last}, {first}, {login});"
        )
        .unwrap();
    }
    sql
}

/// The rows of `computers`, and no others.
pub(super) fn rows(computers: &[Computer]) -> String {
    let mut sql = "DELETE FROM glpi_computers; DELETE FROM glpi_items_operatingsystems; \
         DELETE FROM glpi_items_softwareversions; DELETE FROM glpi_ipaddresses;"
        .to_owned();
    for computer in computers {
        let Computer {
            id,
            location,
            entity,
            user,
            gone,
            ..
        } = computer;
        let [name, serial, changed] = [&computer.name, &computer.serial, &computer.changed]
            .map(|value| literal(value.as_deref()));
        write!(
            sql,
            "INSERT INTO glpi_computers (id, name, serial, date_mod, locations_id, entities_id, users_id, is_deleted) \
             VALUES ({id}, {name}, {serial}, {changed}, {location}, {entity}, {user}, {gone});"
        )
        .unwrap();
        for (system, version) in &computer.systems {
            write!(
                sql,
                "INSERT INTO glpi_items_operatingsystems (items_id, itemtype, operatingsystems_id, operatingsystemversions_id) \
                 VALUES ({id}, 'Computer', {system}, {version});"
            )
            .unwrap();
        }
        for (version, deleted) in &computer.software {
            write!(
                sql,
                "INSERT INTO glpi_items_softwareversions (items_id, itemtype, softwareversions_id, is_deleted) \
                 VALUES ({id}, 'Computer', {version}, {deleted});"
            )
            .unwrap();
        }
        for ip in &computer.ips {
            let ip = text(ip);
            write!(
                sql,
                "INSERT INTO glpi_ipaddresses (name, mainitems_id, mainitemtype) VALUES ({ip}, {id}, 'Computer'), ('', {id}, 'Computer');"
            )
            .unwrap();
        }
    }
    sql
}

fn word() -> impl Strategy<Value = Option<String>> {
    select(vec![
        None,
        Some(""),
        Some("a"),
        Some("AB"),
        Some("b"),
        Some("a_b"),
        Some("axb"),
        Some("null"),
    ])
    .prop_map(|word| word.map(str::to_owned))
}

fn computer() -> impl Strategy<Value = Computer> {
    let moment = select(vec![
        None,
        Some("2026-03-03 00:00:00"),
        Some("2026-03-03 10:00:00"),
        Some("2026-03-04 00:00:00"),
        Some("2026-03-04 12:00:00"),
    ]);
    let own = (word(), word(), moment, proptest::bool::weighted(0.1));
    let links = (0..4_u32, 0..3_u32, 0..4_u32);
    let many = (
        prop::collection::btree_map(0..4_u32, 0..4_u32, 0..3),
        prop::collection::btree_map(1..4_u32, any::<bool>(), 0..4),
        prop::collection::vec(
            select(vec!["10.0.0.1".to_owned(), "10.0.1.2".to_owned()]),
            0..3,
        ),
    );
    (own, links, many).prop_map(|(own, links, many)| Computer {
        id: 0,
        name: own.0,
        serial: own.1,
        changed: own.2.map(str::to_owned),
        gone: own.3,
        location: links.0,
        entity: links.1,
        user: links.2,
        systems: many.0.into_iter().collect(),
        software: many.1.into_iter().collect(),
        ips: many.2,
    })
}

/// What may be asked: option, of software, verbs, values.
type Question = (u32, bool, &'static [&'static str], &'static [&'static str]);

const WORDS: &[&str] = &[
    "a", "^a", "b$", "^ab$", "a%b", "_", " a ", "^", "$", "^$", " ^$", "NULL", "null", "Null", "",
    "^axb$",
];
const TEXT: &[&str] = &["contains", "notcontains"];
const EQUAL: &[&str] = &["equals", "notequals"];
const TREE: &[&str] = &["equals", "notequals", "under", "notunder"];
const IDS: &[&str] = &["0", "1", "2", "3", "9"];

const QUESTIONS: [Question; 19] = [
    (1, false, TEXT, WORDS),
    (1, false, EQUAL, IDS),
    (5, false, TEXT, WORDS),
    (5, false, EQUAL, &["a", "ab", "null", "9"]),
    (3, false, TEXT, WORDS),
    (3, false, TREE, IDS),
    (80, false, TEXT, WORDS),
    (80, false, TREE, IDS),
    (45, false, TEXT, WORDS),
    (45, false, EQUAL, IDS),
    (46, false, EQUAL, IDS),
    (126, false, TEXT, &["10.0.0", "^10.0.1", "2$", "NULL", "^"]),
    (
        70,
        false,
        TEXT,
        &["a", "^ab", "b$", "^", "^$", "$", "NULL", "_"],
    ),
    (70, false, EQUAL, IDS),
    (
        19,
        false,
        &["lessthan", "morethan", "equals", "notequals"],
        &["TODAY", "-1DAY", "2026-03-04"],
    ),
    (19, false, TEXT, &["^2026-03-04", "10:00", "NULL", "^"]),
    (1, true, TEXT, &["a", "^a", "b_", "NULL"]),
    (1, true, EQUAL, &["1", "2", "9"]),
    (5, true, EQUAL, IDS),
];

fn leaf() -> impl Strategy<Value = Criterion> {
    let question = select(&QUESTIONS[..]);
    let link = select(vec!["AND", "OR", "AND NOT", "OR NOT"]);
    (
        question,
        link,
        any::<prop::sample::Index>(),
        any::<prop::sample::Index>(),
    )
        .prop_map(
            |((option, software, verbs, values), mut link, verb, value)| {
                let mut verb = verbs[verb.index(verbs.len())];
                let mut value = values[value.index(values.len())];
                if software && link == "AND NOT" {
                    // Of these GLPI looks at all software together; what else could be asked so is refused.
                    if option == 1 && verb.ends_with("contains") {
                        verb = "contains";
                        value = if value.contains('b') { "b_" } else { "a" };
                    } else {
                        link = "OR NOT";
                    }
                }
                let mut leaf = Leaf::new(link, option, verb, value);
                leaf.software = software;
                Criterion::Leaf(leaf)
            },
        )
}

fn search() -> impl Strategy<Value = Vec<Criterion>> {
    let criterion = leaf().prop_recursive(2, 8, 3, |inner| {
        let link = select(vec!["AND", "OR", "AND NOT", "OR NOT"]);
        (link, prop::collection::vec(inner, 0..4))
            .prop_map(|(link, inner)| Criterion::Group(link.to_owned(), inner))
    });
    prop::collection::vec(criterion, 1..4)
}

/// Computers, and searches among them.
pub(super) fn case() -> impl Strategy<Value = (Vec<Computer>, Vec<Vec<Criterion>>)> {
    let computers = prop::collection::vec(computer(), 1..8).prop_map(|mut computers| {
        for (id, computer) in (1..).zip(&mut computers) {
            computer.id = id;
        }
        computers
    });
    (computers, prop::collection::vec(search(), 10))
}
