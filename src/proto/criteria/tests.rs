use rstest::rstest;

use super::*;
use crate::domain::criteria::{Pattern, Test};

fn text(value: &str) -> String {
    format!("s:{}:\"{value}\";", value.len())
}

/// PHP-serializes an array of keys and serialized values.
fn map(pairs: &[(&str, &str)]) -> String {
    let items: Vec<String> = pairs
        .iter()
        .map(|(key, value)| format!("{}{value}", text(key)))
        .collect();
    format!("a:{}:{{{}}}", pairs.len(), items.concat())
}

fn list(items: &[String]) -> String {
    let numbered: Vec<String> = (0..)
        .zip(items)
        .map(|(index, item)| format!("i:{index};{item}"))
        .collect();
    format!("a:{}:{{{}}}", items.len(), numbered.concat())
}

fn search(criteria: &[String]) -> String {
    map(&[("criteria", &list(criteria)), ("metacriteria", "a:0:{}")])
}

fn one(link: &str, field: &str, how: &str, value: &str) -> String {
    map(&[
        ("link", &text(link)),
        ("field", &text(field)),
        ("searchtype", &text(how)),
        ("value", &text(value)),
    ])
}

fn linked(type_: &str, field: &str, link: &str, value: &str) -> String {
    map(&[
        ("link", &text(link)),
        ("itemtype", &text(type_)),
        ("meta", "b:1;"),
        ("field", &text(field)),
        ("searchtype", &text("contains")),
        ("value", &text(value)),
    ])
}

fn field(criterion: &Criterion) -> &Comparison {
    match &criterion.condition {
        Condition::Field(comparison) => comparison,
        Condition::Group(_) => unreachable!("a field"),
    }
}

/// Serialized by PHP 8.2 from a group that was saved in GLPI 10.0.10.
const SAVED: &str = "a:2:{s:8:\"criteria\";a:2:{i:0;a:2:{s:4:\"link\";s:3:\"AND\";s:8:\"criteria\";a:2:{i:0;a:4:{s:4:\"link\";s:3:\"AND\";\
    s:5:\"field\";s:1:\"1\";s:10:\"searchtype\";s:8:\"contains\";s:5:\"value\";s:8:\"wks-0041\";}i:1;a:4:{s:4:\"link\";s:2:\"OR\";s:5:\"field\";\
    s:1:\"1\";s:10:\"searchtype\";s:8:\"contains\";s:5:\"value\";s:3:\"srv\";}}}i:1;a:4:{s:4:\"link\";s:3:\"AND\";s:5:\"field\";s:2:\"31\";\
    s:10:\"searchtype\";s:6:\"equals\";s:5:\"value\";s:1:\"1\";}}s:12:\"metacriteria\";a:0:{}}";

#[test]
fn a_search_as_glpi_saves_it() {
    let read = parse(SAVED.as_bytes()).unwrap();
    let Condition::Group(inner) = &read[0].condition else {
        unreachable!("a group")
    };
    assert_eq!((inner[0].link, inner[1].link), (Link::And, Link::Or));
    let pattern = Pattern::parse("srv").unwrap();
    assert_eq!(field(&inner[1]).test, Test::Fits(pattern));
    let state = field(&read[1]);
    assert_eq!(state.field, Field::State);
    assert_eq!((state.negated, state.over_all), (false, false));
    let or_none = false;
    assert_eq!(state.test, Test::Row { id: 1, or_none });
}

#[rstest]
#[case(one("AND", "3", "under", "7"), Field::Location, false)]
#[case(one("AND NOT", "80", "notunder", "7"), Field::Entity, false)]
#[case(one("OR NOT", "5", "contains", "x"), Field::Serial, true)]
#[case(one("XOR", "5", "contains", "x"), Field::Serial, false)]
#[case(one("AND", "2", "equals", "7"), Field::Id, false)]
#[case(one("AND", "19", "lessthan", "-3MONTH"), Field::Changed, false)]
#[case(one("AND", "1", "empty", "null"), Field::Name, false)]
#[case(map(&[("field", "i:6;"), ("searchtype", &text("equals")), ("value", "i:12;")]), Field::OtherSerial, false)]
#[case(linked("Software", "1", "AND", "office"), Field::SoftwareName, false)]
#[case(linked("Software", "5", "OR NOT", "7."), Field::SoftwareVersion, true)]
#[case(map(&[("meta", "s:1:\"0\";"), ("itemtype", &text("Monitor")), ("field", "i:1;"), ("searchtype", &text("contains")), ("value", "i:1;")]), Field::Name, false)]
fn what_is_understood(#[case] stored: String, #[case] of: Field, #[case] negated: bool) {
    let read = parse(search(&[stored]).as_bytes()).unwrap();
    let comparison = field(&read[0]);
    assert_eq!((comparison.field, comparison.negated), (of, negated));
    assert!(!comparison.over_all);
}

#[test]
fn without_software_is_asked_of_all_software() {
    let read = parse(search(&[linked("Software", "1", "AND NOT", "office")]).as_bytes()).unwrap();
    assert!(field(&read[0]).over_all && field(&read[0]).negated);
}

/// Before GLPI 9.4 criteria over linked items stood apart; they come last.
#[test]
fn criteria_over_linked_items_of_an_older_glpi() {
    let meta = map(&[
        ("link", &text("AND")),
        ("itemtype", &text("Software")),
        ("field", &text("1")),
        ("searchtype", &text("contains")),
        ("value", &text("office")),
    ]);
    let own = one("AND", "1", "contains", "wks");
    let stored = map(&[
        ("metacriteria", &list(&[meta])),
        ("criteria", &list(&[own])),
    ]);
    let read = parse(stored.as_bytes()).unwrap();
    let fields: Vec<Field> = read
        .iter()
        .map(|criterion| field(criterion).field)
        .collect();
    assert_eq!(fields, [Field::Name, Field::SoftwareName]);
}

#[rstest]
#[case("a:0:{}".to_owned())]
#[case(map(&[("criteria", "a:0:{}"), ("metacriteria", "s:0:\"\";")]))]
#[case(map(&[("criteria", "N;")]))]
#[case(search(&[one("AND", "view", "contains", ""), one("AND", "205", "regex", "")]))]
#[case(search(&[map(&[("field", "i:1;")])]))]
fn what_has_no_value_does_not_count(#[case] stored: String) {
    assert_eq!(parse(stored.as_bytes()), Ok(vec![]));
}

#[rstest]
#[case(one("AND", "33", "contains", "x"), "search option 33")]
#[case(one("AND", "205", "contains", "x"), "search option 205")]
#[case(one("AND", "view", "contains", "x"), "search option view")]
#[case(one("AND", "all", "contains", "x"), "search option all")]
#[case(one("AND", "1", "regex", "x"), "search option 1 with 'regex' 'x'")]
#[case(
    one("AND", "1", "equals", "wks"),
    "search option 1 with 'equals' 'wks'"
)]
#[case(one("AND", "1", "under", "5"), "search option 1 with 'under' '5'")]
#[case(
    one("AND", "1", "contains", "R&D"),
    "search option 1 with 'contains' 'R&D'"
)]
#[case(
    one("AND", "7", "contains", "DOM\\x"),
    "search option 7 with 'contains' 'DOM\\x'"
)]
#[case(
    one("AND", "3", "contains", "$$$$5"),
    "search option 3 with 'contains' '$$$$5'"
)]
#[case(one("AND", "3", "equals", "-1"), "search option 3 with 'equals' '-1'")]
#[case(
    one("AND", "3", "lessthan", "5"),
    "search option 3 with 'lessthan' '5'"
)]
#[case(one("AND", "45", "under", "5"), "search option 45 with 'under' '5'")]
#[case(one("AND", "91", "equals", "5"), "search option 91 with 'equals' '5'")]
#[case(
    one("AND", "5", "equals", "a\"b"),
    "search option 5 with 'equals' 'a\"b'"
)]
#[case(
    one("AND", "2", "contains", ">5"),
    "search option 2 with 'contains' '>5'"
)]
#[case(
    one("AND", "2", "notcontains", "5"),
    "search option 2 with 'notcontains' '5'"
)]
#[case(
    one("AND", "70", "equals", "myself"),
    "search option 70 with 'equals' 'myself'"
)]
#[case(
    one("AND", "71", "under", "mygroups"),
    "search option 71 with 'under' 'mygroups'"
)]
#[case(
    one("AND", "70", "contains", "jane doe"),
    "search option 70 with 'contains' 'jane doe'"
)]
#[case(
    one("AND", "19", "morethan", "soon"),
    "search option 19 with 'morethan' 'soon'"
)]
#[case(
    one("AND", "19", "contains", "12-10-2023"),
    "search option 19 with 'contains' '12-10-2023'"
)]
#[case(one("AND", "1", "empty", "x"), "search option 1 with 'empty' 'x'")]
#[case(
    linked("Monitor", "1", "AND", "x"),
    "a search over linked items of type 'Monitor'"
)]
#[case(linked("Software", "2", "AND", "x"), "search option 2")]
#[case(
    linked("Software", "1", "AND NOT", "7"),
    "software's search option 1 (not) with 'contains' '7'"
)]
#[case(
    linked("Software", "1", "AND NOT", "^office"),
    "software's search option 1 (not) with 'contains' '^office'"
)]
#[case(
    linked("Software", "5", "AND NOT", "a"),
    "software's search option 5 (not) with 'contains' 'a'"
)]
#[case(map(&[("value", "a:0:{}"), ("field", "i:1;")]), "a value that is no text")]
#[case(map(&[("value", "s:1:\"x\";")]), "a criterion without a search option")]
#[case("i:1;".to_owned(), "a criterion that is no list")]
fn what_is_not_is_named(#[case] criterion: String, #[case] named: &str) {
    let whole = |criteria: &[String]| parse(search(criteria).as_bytes()).unwrap_err().to_string();
    let named = format!("{named} is not understood");
    assert_eq!(whole(std::slice::from_ref(&criterion)), named);
    let good = one("AND", "1", "contains", "wks");
    let group = map(&[
        ("link", &text("OR")),
        ("criteria", &list(&[good.clone(), criterion])),
    ]);
    assert_eq!(whole(&[good, group]), named, "in brackets");
}

#[test]
fn searches_that_are_none_are_named() {
    for (stored, named) in [
        ("garbage", "the stored search (not a serialized PHP value"),
        ("", "the stored search (not a serialized PHP value"),
        ("b:0;", "the stored search is"),
        (
            "a:1:{s:8:\"criteria\";s:1:\"x\";}",
            "the list of criteria is",
        ),
        (
            "a:1:{s:12:\"metacriteria\";i:1;}",
            "the list of metacriteria is",
        ),
        (
            "a:1:{s:10:\"is_deleted\";s:1:\"1\";}",
            "a search in the trash is",
        ),
    ] {
        let said = parse(stored.as_bytes()).unwrap_err().to_string();
        assert!(said.starts_with(named), "{stored}: {said}");
    }
    let deep = (0..MAX_DEPTH).fold(one("AND", "1", "contains", "x"), |inner, _| {
        map(&[("criteria", &list(&[inner]))])
    });
    let said = parse(search(&[deep]).as_bytes()).unwrap_err().to_string();
    assert!(said.contains("16 deep"), "{said}");
    let latin =
        b"a:1:{s:8:\"criteria\";a:1:{i:0;a:2:{s:5:\"field\";i:1;s:5:\"value\";s:1:\"\xe9\";}}}";
    let said = parse(latin).unwrap_err().to_string();
    assert_eq!(said, "a value that is not UTF-8 is not understood");
}

#[test]
fn a_long_value_is_cut() {
    let long = one("AND", "3", "equals", &"é".repeat(500));
    let said = parse(search(&[long]).as_bytes()).unwrap_err().to_string();
    assert!(
        said.ends_with(&format!("'{}' is not understood", "é".repeat(SHOWN))),
        "{said}"
    );
}
