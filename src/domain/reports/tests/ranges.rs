use super::*;
use crate::domain::reports::coverage::{self, Addressed, IpRange};

#[test]
fn devices_are_in_a_range_by_address_and_entity_and_count_once() {
    let range = |name: &str, entity, first: &str, last: &str| IpRange {
        name: name.to_owned(),
        entity: EntityId(entity),
        first: first.parse().ok(),
        last: last.parse().ok(),
    };
    let device = |printer, id, entity, address: &str, inventoried: Option<&str>| Addressed {
        printer,
        id,
        entity: EntityId(entity),
        address: address.parse().unwrap(),
        inventoried: inventoried.map(at),
    };
    let mut devices = [
        device(false, 1, 0, "10.0.0.255", Some("2026-03-01T00:00:00")),
        device(false, 1, 0, "10.0.0.3", Some("2026-03-01T00:00:00")),
        device(true, 1, 1, "10.0.0.1", None),
        device(true, 2, 2, "10.0.0.9", Some("2026-03-01T00:00:00")),
        device(true, 3, 1, "10.0.1.0", Some("2026-02-01T00:00:00")),
        device(true, 4, 3, "9.255.255.255", None),
    ];
    let ranges = [
        range("north", 1, "10.0.0.1", "10.0.0.255"),
        range("wide", 1, "10.0.0.0", "10.0.1.0"),
        range("empty", 1, "10.0.0.9", "10.0.0.1"),
        range("odd", 1, "here", "there"),
    ];
    let period = (at("2026-03-01T00:00:00"), at("2026-03-02T00:00:00"));
    let table = coverage::ranges(&ranges, &mut devices, &tree(), period, 9);
    assert_eq!(
        shown(&table),
        [
            // The printer of entity 2, which is below, is none of theirs.
            [
                "north",
                "10.0.0.1",
                "10.0.0.255",
                "2",
                "1",
                "0",
                "1",
                "50 %"
            ],
            ["wide", "10.0.0.0", "10.0.1.0", "3", "1", "1", "1", "33 %"],
            ["empty", "10.0.0.9", "10.0.0.1", "0", "0", "0", "0", ""],
            ["odd", "", "", "0", "0", "0", "0", ""],
        ]
    );
}
