use super::*;

/// GLPI's own turns: what has no row is found by "not equals", not by "not under".
#[test]
fn what_has_no_row() {
    for (verb, id, link, negated, or_none) in [
        (Verb::Equals, 5, Link::And, false, false),
        (Verb::Equals, 0, Link::And, false, true),
        (Verb::Equals, 5, Link::AndNot, true, true),
        (Verb::Equals, 0, Link::OrNot, true, false),
        (Verb::NotEquals, 5, Link::And, true, true),
        (Verb::NotEquals, 0, Link::And, true, false),
        (Verb::NotEquals, 5, Link::AndNot, false, false),
        (Verb::Under, 5, Link::Or, false, false),
        (Verb::Under, 0, Link::Or, false, true),
        (Verb::Under, 5, Link::OrNot, true, true),
        (Verb::NotUnder, 5, Link::And, true, false),
        (Verb::NotUnder, 0, Link::And, true, true),
        (Verb::NotUnder, 5, Link::AndNot, false, true),
    ] {
        let comparison = Comparison::new(Field::Location, verb, &id.to_string(), link).unwrap();
        let test = match verb {
            Verb::Equals | Verb::NotEquals => Test::Row { id, or_none },
            _ => Test::Below { id, or_none },
        };
        assert_eq!(
            (comparison.negated, comparison.test),
            (negated, test),
            "{verb:?} {id} {link:?}"
        );
    }
    // The name stands for the thing itself, which is always there.
    let name = Comparison::new(Field::Name, Verb::NotEquals, "5", Link::And).unwrap();
    let or_none = false;
    assert_eq!(name.test, Test::Row { id: 5, or_none });
}

#[test]
fn turned_twice_is_not_turned() {
    for (verb, link, negated) in [
        (Verb::Contains, Link::And, false),
        (Verb::Contains, Link::AndNot, true),
        (Verb::NotContains, Link::Or, true),
        (Verb::NotContains, Link::OrNot, false),
    ] {
        let comparison = Comparison::new(Field::Serial, verb, "x", link).unwrap();
        assert_eq!(comparison.negated, negated, "{verb:?} {link:?}");
    }
}

#[test]
fn parts_of_moments() {
    for (value, is_read) in [
        ("2026", true),
        ("^2026-03", true),
        ("^2026-03-04 10:00$", true),
        ("03-04", true),
        ("10:00", true),
        ("NULL", true),
        ("04-03-2026", false),
        ("^4-3-2026", false),
        ("04/03/2026", false),
        ("TODAY", false),
        (">2026-03-04", false),
    ] {
        let comparison = Comparison::new(Field::Created, Verb::Contains, value, Link::And);
        assert_eq!(comparison.is_some(), is_read, "{value}");
    }
}
