//! How a recording's values are stored in rows.

use std::io;

use serde::Serialize as _;
use serde_json::Value;
use serde_json::ser::{Formatter, Serializer};

use super::moment::Moment;
use super::recording::Row;
use crate::db::scratch::{Cell, Row as Cells};

/// The cells of `row`: relative times resolved, lists and objects as JSON text.
pub(super) fn row(row: &Row, moment: &Moment) -> Cells {
    row.iter()
        .map(|(column, value)| (column.clone(), cell(&moment.resolve(value))))
        .collect()
}

fn cell(value: &Value) -> Cell {
    match value {
        Value::Null => Cell::Null,
        Value::Bool(truth) => Cell::Integer((*truth).into()),
        Value::Number(number) => match number.as_i64() {
            Some(number) => Cell::Integer(number),
            None => number
                .as_f64()
                .map_or_else(|| Cell::Text(number.to_string()), Cell::Float),
        },
        Value::String(text) => Cell::Text(text.clone()),
        Value::Array(_) | Value::Object(_) => Cell::Text(json(value)),
    }
}

/// As the texts of the recordings were stored: a blank after commas and colons, all but ASCII escaped.
fn json(value: &Value) -> String {
    let mut text = Vec::new();
    match value.serialize(&mut Serializer::with_formatter(&mut text, Spaced)) {
        Ok(()) => String::from_utf8_lossy(&text).into_owned(),
        // Only for what a `Value` cannot be, such as a map with other keys than texts.
        Err(_) => value.to_string(),
    }
}

struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first {
            Ok(())
        } else {
            writer.write_all(b", ")
        }
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.begin_array_value(writer, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        for char in fragment.chars() {
            if matches!(char, ' '..='~') {
                writer.write_all(char.encode_utf8(&mut [0; 4]).as_bytes())?;
            } else {
                for unit in char.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use chrono_tz::Tz;
    use proptest::prelude::*;
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case(json!([]), "[]")]
    #[case(json!({}), "{}")]
    #[case(json!([{"Computer": "1"}, {"Computer": "2"}]), r#"[{"Computer": "1"}, {"Computer": "2"}]"#)]
    #[case(json!({"b": 1, "a": [true, null, 0.5]}), r#"{"b": 1, "a": [true, null, 0.5]}"#)]
    #[case(json!(["é€😀\"\\\n\u{7f}"]), r#"["\u00e9\u20ac\ud83d\ude00\"\\\n\u007f"]"#)]
    fn json_text(#[case] value: Value, #[case] text: &str) {
        assert_eq!(cell(&value), Cell::Text(text.to_owned()));
    }

    #[rstest]
    #[case(json!(null), Cell::Null)]
    #[case(json!(true), Cell::Integer(1))]
    #[case(json!(-7), Cell::Integer(-7))]
    #[case(json!(0.5), Cell::Float(0.5))]
    #[case(json!("@dow"), Cell::Integer(4))]
    #[case(json!("@now+60"), Cell::Text("1970-01-01 00:01:00".to_owned()))]
    #[case(json!("[]"), Cell::Text("[]".to_owned()))]
    fn cells(#[case] value: Value, #[case] expected: Cell) {
        let written = Row::from_iter([("column".to_owned(), value)]);
        let moment = Moment::new(DateTime::<Utc>::UNIX_EPOCH, Tz::UTC);
        assert_eq!(
            row(&written, &moment),
            Cells::from([("column".to_owned(), expected)])
        );
    }

    proptest! {
        #[test]
        fn json_text_decodes_to_the_same(text in any::<String>(), number in any::<i64>()) {
            let value = json!({"list": [text, number], text.as_str(): null});
            prop_assert_eq!(serde_json::from_str::<Value>(&json(&value)).unwrap(), value);
        }
    }
}
