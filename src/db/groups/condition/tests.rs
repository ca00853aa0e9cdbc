use chrono::NaiveDate;
use rstest::rstest;

use super::*;
use crate::domain::criteria::Verb;

fn now() -> NaiveDateTime {
    let day = NaiveDate::from_ymd_opt(2026, 3, 4).unwrap();
    day.and_hms_opt(12, 0, 0).unwrap()
}

fn of(field: Field, verb: Verb, value: &str, link: Link) -> Criterion {
    Criterion {
        link,
        condition: Condition::Field(Comparison::new(field, verb, value, link).unwrap()),
    }
}

/// The part of the statement behind what they all have.
fn condition(criteria: &[Criterion]) -> (String, Vec<Argument>) {
    let text = Text::new(criteria, now()).unwrap();
    let (_, condition) = text.sql.split_once("is_template = 0").unwrap();
    (condition.to_owned(), text.arguments)
}

fn texts(texts: &[&str]) -> Vec<Argument> {
    texts
        .iter()
        .map(|text| Argument::Text((*text).to_owned()))
        .collect()
}

#[test]
fn criteria_are_joined_as_glpi_writes_them() {
    let inner = vec![
        of(Field::Serial, Verb::Contains, "c", Link::OrNot),
        Criterion {
            link: Link::Or,
            condition: Condition::Group(vec![]),
        },
    ];
    let criteria = [
        of(Field::Name, Verb::Contains, "^a", Link::AndNot),
        of(Field::Name, Verb::NotContains, "b$", Link::Or),
        Criterion {
            link: Link::AndNot,
            condition: Condition::Group(inner),
        },
    ];
    let (sql, arguments) = condition(&criteria);
    assert_eq!(
        sql,
        " AND ((c.name NOT LIKE ? OR c.name IS NULL) OR (c.name NOT LIKE ? OR c.name IS NULL) AND \
         NOT ((c.serial NOT LIKE ? OR c.serial IS NULL))) GROUP BY c.id"
    );
    assert_eq!(arguments, texts(&["a%", "%b", "%c%"]));
}

#[test]
fn what_all_rows_must_fit_is_asked_of_a_computer_as_a_whole() {
    let criteria = [
        of(Field::SoftwareName, Verb::Contains, "office", Link::AndNot),
        of(Field::Name, Verb::Contains, "a", Link::And),
        of(Field::SoftwareVersion, Verb::Equals, "7", Link::Or),
    ];
    let (sql, arguments) = condition(&criteria);
    assert_eq!(
        sql,
        " AND ((c.name LIKE ?) OR (sv.id = ?)) GROUP BY c.id) found WHERE (all_0 = 0)"
    );
    let sql = Text::new(&criteria, now()).unwrap().sql;
    let head = "/* search_computers */ SELECT found.id FROM (SELECT c.id, COALESCE(MAX(sw.name LIKE ?), 0) AS all_0 FROM glpi_computers c LEFT";
    assert!(sql.starts_with(head), "{sql}");
    let mut expected = texts(&["%office%", "%a%"]);
    expected.push(Argument::Id(7));
    assert_eq!(arguments, expected);
}

#[test]
fn what_is_joined_is_joined_once() {
    let criteria = [
        of(Field::System, Verb::Contains, "a", Link::And),
        of(Field::SystemVersion, Verb::Contains, "a", Link::And),
        of(Field::System, Verb::Equals, "1", Link::And),
    ];
    let sql = Text::new(&criteria, now()).unwrap().sql;
    assert_eq!(sql.matches("LEFT JOIN").count(), 3, "{sql}");
    assert_eq!(
        Text::new(&[], now()).unwrap().sql.matches("JOIN").count(),
        0
    );
}

#[rstest]
#[case(
    Field::Changed,
    Verb::LessThan,
    "-1DAY",
    Link::And,
    "c.date_mod < ?",
    "2026-03-03"
)]
#[case(
    Field::Changed,
    Verb::MoreThan,
    "NOW",
    Link::OrNot,
    "NOT (c.date_mod > ?)",
    "2026-03-04 12:00:00"
)]
#[case(
    Field::Created,
    Verb::Equals,
    "NOW",
    Link::And,
    "c.date_creation LIKE ?",
    "2026-03-04 12:00%"
)]
#[case(
    Field::LastInventory,
    Verb::NotEquals,
    "TODAY",
    Link::And,
    "c.last_inventory_update NOT LIKE ? OR c.last_inventory_update IS NULL",
    "2026-03-04%"
)]
#[case(
    Field::LastBoot,
    Verb::Contains,
    "^2026",
    Link::And,
    "CONVERT(c.last_boot USING utf8mb4) LIKE ?",
    "2026%"
)]
#[case(Field::Serial, Verb::NotEquals, "x", Link::And, "c.serial <> ?", "x")]
#[case(
    Field::Serial,
    Verb::Contains,
    "Null",
    Link::AndNot,
    "c.serial NOT LIKE ? AND c.serial <> '' OR c.serial IS NULL",
    "%Null%"
)]
fn single_texts(
    #[case] field: Field,
    #[case] verb: Verb,
    #[case] value: &str,
    #[case] link: Link,
    #[case] expected: &str,
    #[case] argument: &str,
) {
    let (sql, arguments) = condition(&[of(field, verb, value, link)]);
    assert_eq!(sql, format!(" AND (({expected})) GROUP BY c.id"));
    assert_eq!(arguments, texts(&[argument]));
}

#[test]
fn a_moment_beyond_the_calendar_makes_no_statement() {
    let criterion = of(Field::Changed, Verb::LessThan, "2000000000YEAR", Link::And);
    assert!(Text::new(&[criterion], now()).is_none());
}
