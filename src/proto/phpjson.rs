//! What stored JSON looks like after PHP has decoded and encoded it, and how PHP compares versions.

use std::cmp::Ordering;

use serde_json::{Number, Value};

/// The shapes that `json_encode(json_decode(…, true))` gives: PHP has one kind of array for objects and lists.
///
/// An empty object becomes a list, so does one whose keys are `"0"`, `"1"`, … in this order; a list stays one. A whole number
/// beyond 64 bits with sign becomes a float. Recursion is as deep as the value, which `serde_json` bounds when it reads.
#[must_use]
pub fn reencode(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(reencode).collect()),
        Value::Object(entries) => {
            let is_list = entries
                .keys()
                .enumerate()
                .all(|(index, key)| *key == index.to_string());
            if is_list {
                Value::Array(
                    entries
                        .into_iter()
                        .map(|(_, value)| reencode(value))
                        .collect(),
                )
            } else {
                Value::Object(
                    entries
                        .into_iter()
                        .map(|(key, value)| (key, reencode(value)))
                        .collect(),
                )
            }
        }
        Value::Number(number) if number.is_u64() && !number.is_i64() => number
            .as_f64()
            .and_then(Number::from_f64)
            .map_or(Value::Number(number), Value::Number),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

/// PHP's `version_compare(a, b, 'lt')`.
///
/// Versions are split into runs of digits and of other characters; numbers compare as numbers, words in the order
/// any other word < dev < alpha = a < beta = b < RC = rc < a number < pl = p.
#[must_use]
pub fn version_lt(a: &str, b: &str) -> bool {
    compare(a, b) == Ordering::Less
}

/// Stands for "a number" where a number meets a word.
const NUMBER: &str = "#N#";

fn compare(a: &str, b: &str) -> Ordering {
    if a.is_empty() || b.is_empty() {
        return b.is_empty().cmp(&a.is_empty());
    }
    let (a, b) = (canonical(a), canonical(b));
    let (mut rest_a, mut rest_b) = (Some(a.as_str()), Some(b.as_str()));
    while let (Some(left), Some(right)) = (rest_a, rest_b)
        && !left.is_empty()
        && !right.is_empty()
    {
        let (part_a, next_a) = split(left);
        let (part_b, next_b) = split(right);
        let order = compare_parts(part_a, part_b);
        if order.is_ne() {
            return order;
        }
        (rest_a, rest_b) = (next_a, next_b);
    }
    match (rest_a, rest_b) {
        (Some(rest), _) if starts_with_digit(rest) => Ordering::Greater,
        (Some(rest), _) => compare(rest, NUMBER),
        (None, Some(rest)) if starts_with_digit(rest) => Ordering::Less,
        (None, Some(rest)) => compare(NUMBER, rest),
        (None, None) => Ordering::Equal,
    }
}

fn split(version: &str) -> (&str, Option<&str>) {
    version
        .split_once('.')
        .map_or((version, None), |(part, rest)| (part, Some(rest)))
}

fn starts_with_digit(part: &str) -> bool {
    part.starts_with(|c: char| c.is_ascii_digit())
}

/// A dot between digits and words, and in place of everything that is neither. A `#` in front is left for [`NUMBER`].
fn canonical(version: &str) -> String {
    let mut out = String::with_capacity(version.len() * 2);
    if version.starts_with('#') {
        return version.to_owned();
    }
    let mut before = None;
    for c in version.chars() {
        // A sign at the very front stays with its number, which makes a word of the two.
        let changes = before.is_some_and(|before: char| {
            before.is_ascii_digit() != c.is_ascii_digit() && !matches!(before, '-' | '_' | '+')
        });
        if before.is_some() && !c.is_ascii_alphanumeric() {
            dot(&mut out);
        } else {
            if changes {
                dot(&mut out);
            }
            out.push(c);
        }
        before = Some(c);
    }
    out
}

fn dot(out: &mut String) {
    if !out.ends_with('.') {
        out.push('.');
    }
}

fn compare_parts(a: &str, b: &str) -> Ordering {
    match (starts_with_digit(a), starts_with_digit(b)) {
        (true, true) => number(a).cmp(&number(b)),
        (false, false) => rank(a).cmp(&rank(b)),
        (false, true) => rank(a).cmp(&rank(NUMBER)),
        (true, false) => rank(NUMBER).cmp(&rank(b)),
    }
}

/// The digits in front; as large as can be where they are too many.
fn number(part: &str) -> i64 {
    let digits = part
        .find(|c: char| !c.is_ascii_digit())
        .map_or(part, |end| part.get(..end).unwrap_or_default());
    digits.parse().unwrap_or(i64::MAX)
}

/// PHP looks at how a word begins: `patch` counts as `p`, `release` as unknown.
fn rank(part: &str) -> i8 {
    const WORDS: [(&str, i8); 10] = [
        ("dev", 0),
        ("alpha", 1),
        ("a", 1),
        ("beta", 2),
        ("b", 2),
        ("RC", 3),
        ("rc", 3),
        ("#", 4),
        ("pl", 5),
        ("p", 5),
    ];
    WORDS
        .iter()
        .find(|(word, _)| part.starts_with(word))
        .map_or(-1, |(_, rank)| *rank)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn shapes() {
        let cases = [
            (r"{}", "[]"),
            (r"[]", "[]"),
            (r#"{"a":{}}"#, r#"{"a":[]}"#),
            (r#"{"0":1,"1":{"b":{}}}"#, r#"[1,{"b":[]}]"#),
            (r#"{"1":1,"0":2}"#, r#"{"1":1,"0":2}"#),
            (r#"{"1":1}"#, r#"{"1":1}"#),
            (r#"{"00":1}"#, r#"{"00":1}"#),
            (r#"{"0":1,"a":2}"#, r#"{"0":1,"a":2}"#),
            (r#"{"0":1,"0":2}"#, "[2]"),
            (r#"{"":1}"#, r#"{"":1}"#),
            (
                r#"[{},[{}],null,true,"x",1.5,-1]"#,
                r#"[[],[[]],null,true,"x",1.5,-1]"#,
            ),
            (
                "[9223372036854775807,9223372036854775808]",
                "[9223372036854775807,9.223372036854775808e18]",
            ),
        ];
        for (stored, sent) in cases {
            let stored: Value = serde_json::from_str(stored).unwrap();
            let expected: Value = serde_json::from_str(sent).unwrap();
            assert_eq!(reencode(stored).to_string(), expected.to_string());
        }
    }

    #[test]
    fn order_of_keys_is_kept() {
        let sent = reencode(json!({"z": 1, "a": {"y": {}, "b": 2}}));
        assert_eq!(sent.to_string(), r#"{"z":1,"a":{"y":[],"b":2}}"#);
    }

    /// Each row ascends.
    #[test]
    fn versions_ascend() {
        let rows: [&[&str]; 9] = [
            // The order of words in PHP's manual.
            &[
                "5.2.x",
                "5.2.dev",
                "5.2.alpha",
                "5.2.beta",
                "5.2.RC",
                "5.2",
                "5.2.0",
            ],
            &["5.2.RC1", "5.2", "5.2pl1"],
            &[
                "1.0-dev", "1.0a1", "1.0b1", "1.0b2", "1.0rc1", "1.0", "1.0.0", "1.0.1",
            ],
            &["2.2", "2.8", "2.10", "2.10.1", "3"],
            &["2.2", "2.3.19", "2.3.20", "2.4"],
            &["", "2.8"],
            &["release", "1"],
            &["1.", "1", "1.0"],
            &["1.99999999999999999998", "2"],
        ];
        for row in rows {
            for (index, low) in row.iter().enumerate() {
                for high in &row[index + 1..] {
                    assert!(version_lt(low, high), "{low} < {high}");
                    assert!(!version_lt(high, low), "{high} > {low}");
                }
            }
        }
    }

    #[test]
    fn versions_that_are_the_same() {
        let pairs = [
            ("", ""),
            ("2.8", "2.8"),
            ("2-8", "2_8"),
            ("2+8", "2.8"),
            ("2..8", "2.8"),
            ("1alpha1", "1.a.1"),
            ("1beta1", "1-b-1"),
            ("1RC1", "1rc1"),
            ("1pl1", "1p1"),
            ("02.08", "2.8"),
            ("1.0.patch", "1.0.pl"),
        ];
        for (a, b) in pairs {
            assert!(!version_lt(a, b) && !version_lt(b, a), "{a} = {b}");
        }
    }

    #[test]
    fn oddities() {
        assert!(version_lt("1.", "1.") && version_lt("1.", "1"));
        assert!(version_lt("-1", "1") && version_lt("-1", "dev"));
    }

    proptest! {
        #[test]
        fn never_below_itself_and_never_both(
            a in "([0-9.+_#-]|dev|alpha|rc|pl|x|é){0,8}[0-9a-z]",
            b in "([0-9.+_#-]|dev|alpha|rc|pl|x|é){0,8}[0-9a-z]",
        ) {
            prop_assert!(!version_lt(&a, &a));
            prop_assert!(!(version_lt(&a, &b) && version_lt(&b, &a)));
        }

        #[test]
        fn never_panics(a in any::<String>(), b in any::<String>()) {
            let _ = version_lt(&a, &b);
        }
    }
}
