//! Changes of rows between two dumps, written so that they do not depend on ids, times and random values.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::moment::Moment;
use super::recording::Base;
use crate::db::scratch::{Cell, Dump, Row};

/// Changes by table.
pub type Changes = BTreeMap<String, Vec<Change>>;

/// One row that was added, removed or changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Change {
    /// A new row. Ids of new rows are `new N`, N by id within the table, also where a row refers to them.
    Added {
        /// All columns.
        added: Map<String, Value>,
    },
    /// A row that is gone.
    Removed {
        /// Its id.
        removed: i64,
    },
    /// A row with other values.
    Changed {
        /// Its id.
        changed: i64,
        /// The new values.
        to: Map<String, Value>,
    },
}

/// The changes of the watched rows from `before` to `after`.
pub(super) fn changes(before: &Dump, after: &Dump, base: &Base, moment: &Moment) -> Changes {
    let nothing = BTreeMap::new();
    let earlier = |table: &str| before.get(table).unwrap_or(&nothing);
    let new: BTreeMap<(&str, i64), String> = after
        .iter()
        .flat_map(|(table, rows)| {
            let added = rows.keys().filter(|id| !earlier(table).contains_key(id));
            added
                .enumerate()
                .map(|(n, id)| ((table.as_str(), *id), format!("new {}", n + 1)))
        })
        .collect();

    let mut found = Changes::new();
    for (table, rows) in after {
        let old = earlier(table);
        let matters = |column: &str| {
            !base
                .ignored
                .get(table)
                .is_some_and(|columns| columns.contains(column))
        };
        let added = rows
            .iter()
            .filter(|(id, _)| !old.contains_key(id))
            .map(|(_, row)| {
                let columns = row.iter().filter(|(column, _)| matters(column));
                let column = |(column, cell): (&String, &Cell)| {
                    let of = if column == "id" {
                        Some(table)
                    } else {
                        base.references.get(column)
                    };
                    let name = of.and_then(|of| new.get(&(of.as_str(), cell.integer()?)));
                    let value = name.map_or_else(
                        || written_new(column, cell, moment),
                        |name| name.as_str().into(),
                    );
                    (column.clone(), value)
                };
                Change::Added {
                    added: columns.map(column).collect(),
                }
            });
        let removed = old
            .keys()
            .filter(|id| !rows.contains_key(id))
            .map(|id| Change::Removed { removed: *id });
        let changed = rows.iter().filter_map(|(id, row)| {
            let to = changed_values(old.get(id)?, row, moment, matters);
            (!to.is_empty()).then_some(Change::Changed { changed: *id, to })
        });
        let all: Vec<Change> = added.chain(removed).chain(changed).collect();
        if !all.is_empty() {
            found.insert(table.clone(), all);
        }
    }
    found
}

fn changed_values(
    old: &Row,
    row: &Row,
    moment: &Moment,
    matters: impl Fn(&str) -> bool,
) -> Map<String, Value> {
    row.iter()
        .filter(|(column, cell)| matters(column) && old.get(*column) != Some(cell))
        .map(|(column, cell)| (column.clone(), written(column, cell, moment)))
        .collect()
}

fn written_new(column: &str, cell: &Cell, moment: &Moment) -> Value {
    match cell {
        Cell::Text(text) if column == "uniqid" && !text.is_empty() => "<uniqid>".into(),
        _ => written(column, cell, moment),
    }
}

fn written(column: &str, cell: &Cell, moment: &Moment) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Integer(number) => (*number).into(),
        Cell::Float(number) => (*number).into(),
        Cell::Text(text) if column == "computers_id_cache" && !text.is_empty() => {
            members(text).into()
        }
        Cell::Text(text) => text.as_str().into(),
        Cell::Bytes(bytes) => format!("base64:{}", BASE64_STANDARD.encode(bytes)).into(),
        Cell::Time(at) => moment.written(*at).into(),
    }
}

/// The members of a group's cache in order; PHP searches the keys of the JSON object.
fn members(cache: &str) -> String {
    let ids = match serde_json::from_str(cache) {
        Ok(Value::Object(object)) => {
            let ids: Result<Vec<i64>, _> = object.keys().map(|key| key.parse()).collect();
            ids.ok()
        }
        // PHP writes an empty map so.
        Ok(Value::Array(array)) if array.is_empty() => Some(Vec::new()),
        _ => None,
    };
    ids.map_or_else(
        || format!("not an object of ids: {cache}"),
        |mut ids| {
            ids.sort_unstable();
            format!(
                "<cache> {}",
                ids.iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(",")
            )
        },
    )
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};
    use chrono_tz::Tz;
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn moment() -> Moment {
        Moment::new(
            DateTime::<Utc>::UNIX_EPOCH + TimeDelta::days(20_000),
            Tz::UTC,
        )
    }

    fn base() -> Base {
        serde_json::from_value(json!({
            "watched": [], "natural_keys": {}, "rows": {},
            "references": {"runs_id": "runs"},
            "ignored": {"runs": ["noise"]}
        }))
        .unwrap()
    }

    fn row(id: i64, cells: &[(&str, Cell)]) -> (i64, Row) {
        let id_cell = ("id".to_owned(), Cell::Integer(id));
        (
            id,
            cells
                .iter()
                .map(|(column, cell)| ((*column).to_owned(), cell.clone()))
                .chain([id_cell])
                .collect(),
        )
    }

    fn dump<const N: usize>(tables: [(&str, Vec<(i64, Row)>); N]) -> Dump {
        tables
            .into_iter()
            .map(|(table, rows)| (table.to_owned(), rows.into_iter().collect()))
            .collect()
    }

    fn text(text: &str) -> Cell {
        Cell::Text(text.to_owned())
    }

    #[test]
    fn added_removed_and_changed_rows() {
        let before = dump([
            (
                "runs",
                vec![
                    row(1, &[("state", Cell::Integer(0))]),
                    row(2, &[("state", Cell::Integer(0))]),
                ],
            ),
            ("logs", vec![]),
            ("still", vec![row(1, &[])]),
        ]);
        let now = moment().local();
        let uniqid = ("uniqid", text("65f1"));
        let after = dump([
            (
                "runs",
                vec![
                    row(2, &[("state", Cell::Integer(1))]),
                    row(7, std::slice::from_ref(&uniqid)),
                    row(9, &[uniqid]),
                ],
            ),
            (
                "logs",
                vec![
                    row(
                        3,
                        &[("runs_id", Cell::Integer(9)), ("date", Cell::Time(now))],
                    ),
                    row(
                        4,
                        &[
                            ("runs_id", Cell::Integer(2)),
                            ("date", Cell::Time(now + TimeDelta::hours(1))),
                        ],
                    ),
                ],
            ),
            ("still", vec![row(1, &[])]),
        ]);
        assert_eq!(
            json!(changes(&before, &after, &base(), &moment())),
            json!({
                "logs": [
                    {"added": {"id": "new 1", "runs_id": "new 2", "date": "@now"}},
                    {"added": {"id": "new 2", "runs_id": 2, "date": "@now+3600"}}
                ],
                "runs": [
                    {"added": {"id": "new 1", "uniqid": "<uniqid>"}},
                    {"added": {"id": "new 2", "uniqid": "<uniqid>"}},
                    {"removed": 1},
                    {"changed": 2, "to": {"state": 1}}
                ]
            })
        );
    }

    #[test]
    fn ignored_columns_do_not_count() {
        let before = dump([("runs", vec![row(1, &[("noise", text("a"))])])]);
        let after = dump([("runs", vec![row(1, &[("noise", text("b"))])])]);
        assert_eq!(changes(&before, &after, &base(), &moment()), Changes::new());
        let after = dump([(
            "runs",
            vec![
                row(1, &[("noise", text("a"))]),
                row(2, &[("noise", text("b"))]),
            ],
        )]);
        assert_eq!(
            json!(changes(&before, &after, &base(), &moment())),
            json!({"runs": [{"added": {"id": "new 1"}}]})
        );
    }

    #[rstest]
    #[case("uniqid", text("65f1"), json!("65f1"))]
    #[case("a", Cell::Null, json!(null))]
    #[case("a", Cell::Float(0.5), json!(0.5))]
    #[case("a", Cell::Bytes(vec![0, 255]), json!("base64:AP8="))]
    #[case("computers_id_cache", text(r#"{"10":10,"9":9}"#), json!("<cache> 9,10"))]
    #[case("computers_id_cache", text("{}"), json!("<cache> "))]
    #[case("computers_id_cache", text("[]"), json!("<cache> "))]
    #[case("computers_id_cache", text("[9,10]"), json!("not an object of ids: [9,10]"))]
    #[case("computers_id_cache", text("{"), json!("not an object of ids: {"))]
    #[case("computers_id_cache", text(""), json!(""))]
    #[case("computers_id_cache", Cell::Null, json!(null))]
    fn changed_value(#[case] column: &str, #[case] cell: Cell, #[case] expected: Value) {
        assert_eq!(written(column, &cell, &moment()), expected);
    }

    #[test]
    fn an_added_row_without_a_unique_id_is_seen() {
        assert_eq!(written_new("uniqid", &text(""), &moment()), json!(""));
    }
}
