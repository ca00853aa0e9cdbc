//! Comparison of what was recorded with what was got: exact, but for what another right server may do differently.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

/// Ids of runs that recordings load themselves begin so; others were made during the case.
const RECORDED_RUN: &str = "5f0c2ab";
/// Most distance between two postponed starts, seconds: the plugin cuts them to the minute.
const START_TOLERANCE: i64 = 60;
/// Longest part of a value that a difference shows, characters.
const SHOWN: usize = 400;

/// One difference between a recording and a replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Where: step, table, path in the value.
    pub at: String,
    /// What was expected there, and what was got.
    pub what: String,
}

impl Difference {
    pub(super) fn new(at: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            at: at.into(),
            what: what.into(),
        }
    }

    pub(super) fn expected(at: &str, expected: impl fmt::Display, got: impl fmt::Display) -> Self {
        Self::new(
            at,
            format!(
                "expected {}, got {}",
                cut(&expected.to_string()),
                cut(&got.to_string())
            ),
        )
    }

    pub(super) fn below(mut self, place: &str) -> Self {
        self.at = format!("{place}: {}", self.at);
        self
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.what)
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text.to_owned(),
    }
}

/// Words that the requests of a case brought: where the reference repeats one in a log line, so must the subject.
pub(super) type Said = BTreeSet<String>;

/// The differences between two values at `path`.
pub(super) fn same(expected: &Value, got: &Value, path: &str, said: &Said) -> Vec<Difference> {
    match (expected, got) {
        (Value::String(expected), Value::String(got)) => {
            same_text(expected, got, path, said).into_iter().collect()
        }
        (Value::Object(expected), Value::Object(got)) => {
            let keys: BTreeSet<&String> = expected.keys().chain(got.keys()).collect();
            keys.into_iter()
                .flat_map(|key| {
                    let path = format!("{path}.{key}");
                    match (expected.get(key), got.get(key)) {
                        (Some(expected), Some(got)) => same(expected, got, &path, said),
                        (Some(expected), None) => {
                            vec![Difference::expected(&path, expected, "nothing")]
                        }
                        (None, got) => vec![Difference::expected(
                            &path,
                            "nothing",
                            got.unwrap_or(&Value::Null),
                        )],
                    }
                })
                .collect()
        }
        (Value::Array(expected), Value::Array(got)) if expected.len() == got.len() => expected
            .iter()
            .zip(got)
            .enumerate()
            .flat_map(|(i, (expected, got))| same(expected, got, &format!("{path}[{i}]"), said))
            .collect(),
        _ if expected == got || same_number(expected, got) => Vec::new(),
        _ => vec![Difference::expected(path, expected, got)],
    }
}

/// PHP writes a number from the database as a text or as a number, by driver and version: both mean the same.
fn same_number(expected: &Value, got: &Value) -> bool {
    match (expected, got) {
        (Value::Number(number), Value::String(text))
        | (Value::String(text), Value::Number(number)) => number.to_string() == *text,
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        _ => false,
    }
}

fn same_text(expected: &str, got: &str, path: &str, said: &Said) -> Option<Difference> {
    let differs = || {
        Some(Difference::expected(
            path,
            format_args!("{expected:?}"),
            format_args!("{got:?}"),
        ))
    };
    if expected == got {
        return None;
    }
    let made = !got.is_empty();
    let free = match path.rsplit('.').next().unwrap_or_default() {
        "token" if path.starts_with("json") => made && is_token(expected),
        "uuid" => made && !expected.starts_with(RECORDED_RUN),
        "comment"
            if !expected.contains("==") && expected.trim().is_empty() == got.trim().is_empty() =>
        {
            let lost: Vec<&String> = said
                .iter()
                .filter(|word| expected.contains(*word) && !got.contains(*word))
                .collect();
            if !lost.is_empty() {
                let what = format!(
                    "the request's {lost:?} is missing in {got:?}, the reference has {expected:?}"
                );
                return Some(Difference::new(path, what));
            }
            true
        }
        "date_start" => match (from_now(expected), from_now(got)) {
            (Some(expected), Some(got)) => expected.abs_diff(got) <= START_TOLERANCE.unsigned_abs(),
            _ => false,
        },
        _ => false,
    };
    if free { None } else { differs() }
}

/// Tokens are random: 128 bits or more in hex.
fn is_token(text: &str) -> bool {
    text.len() >= 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn from_now(text: &str) -> Option<i64> {
    match text.strip_prefix("@now")? {
        "" => Some(0),
        distance => distance.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn found(expected: &Value, got: &Value) -> Vec<String> {
        let said = Said::from(["disk full".to_owned()]);
        same(expected, got, "json", &said)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[rstest]
    #[case(json!({"a": 1, "b": [1, 2]}), json!({"b": [1, 2], "a": 1}))]
    #[case(json!({"id": 3}), json!({"id": "3"}))]
    #[case(json!("3"), json!(3))]
    #[case(json!(1), json!(1.0))]
    #[case(json!({"comment": "gone"}), json!({"comment": "another text"}))]
    #[case(json!({"comment": "error: disk full"}), json!({"comment": "disk full, says the agent"}))]
    #[case(json!({"comment": ""}), json!({"comment": " "}))]
    #[case(json!({"comment": "==1=="}), json!({"comment": "==1=="}))]
    #[case(json!({"token": "0123456789abcdef0123456789abcdef"}), json!({"token": "x"}))]
    #[case(json!({"uuid": "65f1"}), json!({"uuid": "99ab"}))]
    #[case(json!({"date_start": "@now+3600"}), json!({"date_start": "@now+3540"}))]
    #[case(json!({"date_start": "@now"}), json!({"date_start": "@now-60"}))]
    fn the_same(#[case] expected: Value, #[case] got: Value) {
        assert_eq!(found(&expected, &got), Vec::<String>::new());
    }

    #[rstest]
    #[case(json!({"a": 1}), json!({"a": 2}))]
    #[case(json!({"a": 1}), json!({}))]
    #[case(json!({}), json!({"a": null}))]
    #[case(json!({}), json!([]))]
    #[case(json!([1]), json!([1, 1]))]
    #[case(json!([1, 2]), json!([2, 1]))]
    #[case(json!("a"), json!("A"))]
    #[case(json!(null), json!("null"))]
    #[case(json!(true), json!("true"))]
    #[case(json!(0), json!(false))]
    #[case(json!(1), json!("1.0"))]
    #[case(json!({"comment": "gone"}), json!({"comment": ""}))]
    #[case(json!({"comment": ""}), json!({"comment": "gone"}))]
    #[case(json!({"comment": "error: disk full"}), json!({"comment": "error"}))]
    #[case(json!({"comment": "==1=="}), json!({"comment": "==2=="}))]
    #[case(json!({"token": "0123456789abcdef0123456789abcdef"}), json!({"token": ""}))]
    #[case(json!({"token": "short"}), json!({"token": "other"}))]
    #[case(json!({"sha": "0123456789abcdef0123456789abcdef"}), json!({"sha": "1123456789abcdef0123456789abcdef"}))]
    #[case(json!({"uuid": "5f0c2ab000001"}), json!({"uuid": "5f0c2ab000002"}))]
    #[case(json!({"uuid": "65f1"}), json!({"uuid": ""}))]
    #[case(json!({"date_start": "@now+3600"}), json!({"date_start": "@now+3480"}))]
    #[case(json!({"date": "@now+3600"}), json!({"date": "@now+3540"}))]
    #[case(json!({"date_start": "@now"}), json!({"date_start": "2026-01-01 00:00:00"}))]
    fn different(#[case] expected: Value, #[case] got: Value) {
        assert!(!found(&expected, &got).is_empty());
    }

    #[test]
    fn each_difference_names_its_place() {
        let found = found(
            &json!({"a": [{"b": 1}, {"b": 2}], "c": "x"}),
            &json!({"a": [{"b": 1}, {"b": 3}], "c": "y"}),
        );
        assert_eq!(
            found,
            [
                "json.a[1].b: expected 2, got 3",
                "json.c: expected \"x\", got \"y\""
            ]
        );
    }

    #[test]
    fn long_values_are_cut() {
        let found = found(&json!("a"), &json!("é".repeat(10_000)));
        assert!(found[0].len() < 1000, "{}", found[0].len());
    }
}
