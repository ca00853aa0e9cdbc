//! PHP's `serialize` format, in which GLPI stores the criteria of dynamic groups.
//!
//! `phpserz` cuts the text into tokens; here they become a tree of bounded depth. Objects and references are refused: no stored
//! value of ours has them, and PHP's own hazards lie there.

use std::collections::HashMap;

use phpserz::{PhpParser, PhpToken};

/// A value. Strings are bytes, as in PHP.
#[derive(Debug, Clone, PartialEq)]
pub enum PhpValue {
    /// `N;`
    Null,
    /// `b:1;`
    Bool(bool),
    /// `i:1;`
    Int(i64),
    /// `d:1.5;`
    Float(f64),
    /// `s:1:"a";`
    Str(Vec<u8>),
    /// `a:1:{…}`, in order; no key twice.
    Array(Vec<(PhpKey, Self)>),
}

/// A key of an array.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PhpKey {
    /// A number, or a string that PHP takes for one (`"7"`, not `"07"`).
    Int(i64),
    /// Any other string.
    Str(Vec<u8>),
}

/// Why a text is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PhpError {
    /// Not the serialized form of one value.
    #[error("not a serialized PHP value at byte {position}")]
    Syntax {
        /// Where, bytes from the start.
        position: usize,
    },
    /// An object or a reference.
    #[error("an object or reference at byte {position} is not accepted")]
    Refused {
        /// Behind it, bytes from the start.
        position: usize,
    },
    /// Too many arrays inside each other.
    #[error("arrays lie more than {limit} deep")]
    TooDeep {
        /// The limit given.
        limit: usize,
    },
}

impl PhpValue {
    /// Reads one value with at most `max_depth` arrays inside each other. What follows the value is ignored, as PHP does.
    ///
    /// # Errors
    /// See [`PhpError`].
    pub fn parse(text: &[u8], max_depth: usize) -> Result<Self, PhpError> {
        let mut parser = PhpParser::new(text);
        value(&mut parser, max_depth, max_depth)
    }

    /// The element of an array under a key, which may also be a number (`"7"`).
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        let key = PhpKey::from_bytes(key.as_bytes());
        self.entries()?
            .iter()
            .find(|(own, _)| *own == key)
            .map(|(_, value)| value)
    }

    /// The elements of an array.
    #[must_use]
    pub fn entries(&self) -> Option<&[(PhpKey, Self)]> {
        match self {
            Self::Array(entries) => Some(entries),
            _ => None,
        }
    }

    /// A string, if it is UTF-8.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(bytes) => str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// A number, or a string that is the decimal text of one, blanks around it ignored: GLPI's forms store numbers as strings.
    #[must_use]
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            Self::Str(_) => self.as_str()?.trim_ascii().parse().ok(),
            _ => None,
        }
    }
}

impl PhpKey {
    fn from_bytes(bytes: &[u8]) -> Self {
        let number = str::from_utf8(bytes)
            .ok()
            .and_then(|text| text.parse::<i64>().ok());
        match number {
            Some(number) if number.to_string().as_bytes() == bytes => Self::Int(number),
            _ => Self::Str(bytes.to_vec()),
        }
    }
}

fn next<'a>(parser: &mut PhpParser<'a>) -> Result<PhpToken<'a>, PhpError> {
    parser.read_token().map_err(|error| PhpError::Syntax {
        position: error.position().unwrap_or_else(|| parser.position()),
    })
}

/// Recursion is as deep as `left`.
fn value(parser: &mut PhpParser<'_>, left: usize, limit: usize) -> Result<PhpValue, PhpError> {
    let token = next(parser)?;
    let position = parser.position();
    match token {
        PhpToken::Null => Ok(PhpValue::Null),
        PhpToken::Boolean(yes) => Ok(PhpValue::Bool(yes)),
        PhpToken::Integer(number) => Ok(PhpValue::Int(number)),
        PhpToken::Float(number) => Ok(PhpValue::Float(number)),
        PhpToken::String(bytes) => Ok(PhpValue::Str(bytes.as_bytes().to_vec())),
        PhpToken::Array { elements } => {
            let left = left.checked_sub(1).ok_or(PhpError::TooDeep { limit })?;
            array(parser, elements, left, limit)
        }
        PhpToken::Object { .. } | PhpToken::CustomObject { .. } | PhpToken::Reference { .. } => {
            Err(PhpError::Refused { position })
        }
        PhpToken::End => Err(PhpError::Syntax { position }),
    }
}

/// Nothing is reserved for the number of elements that the text claims to have.
fn array(
    parser: &mut PhpParser<'_>,
    elements: u32,
    left: usize,
    limit: usize,
) -> Result<PhpValue, PhpError> {
    let mut entries: Vec<(PhpKey, PhpValue)> = Vec::new();
    let mut places = HashMap::new();
    for _ in 0..elements {
        let key = match next(parser)? {
            PhpToken::Integer(number) => PhpKey::Int(number),
            PhpToken::String(bytes) => PhpKey::from_bytes(bytes.as_bytes()),
            _ => {
                return Err(PhpError::Syntax {
                    position: parser.position(),
                });
            }
        };
        let value = value(parser, left, limit)?;
        let place = *places.entry(key.clone()).or_insert(entries.len());
        if let Some(entry) = entries.get_mut(place) {
            entry.1 = value;
        } else {
            entries.push((key, value));
        }
    }
    match next(parser)? {
        PhpToken::End => Ok(PhpValue::Array(entries)),
        _ => Err(PhpError::Syntax {
            position: parser.position(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<PhpValue, PhpError> {
        PhpValue::parse(text.as_bytes(), 8)
    }

    #[test]
    fn criteria_of_a_group() {
        let text = "a:2:{s:8:\"criteria\";a:1:{i:0;a:4:{s:4:\"link\";s:3:\"AND\";s:5:\"field\";s:1:\"1\";s:10:\"searchtype\";\
                    s:8:\"contains\";s:5:\"value\";s:5:\"été\";}}s:12:\"metacriteria\";s:0:\"\";}";
        let value = parse(text).unwrap();
        let first = value.get("criteria").unwrap().get("0").unwrap();
        assert_eq!(first.get("link").unwrap().as_str(), Some("AND"));
        assert_eq!(first.get("field").unwrap().as_int(), Some(1));
        assert_eq!(first.get("value").unwrap().as_str(), Some("été"));
        assert_eq!(first.entries().unwrap().len(), 4);
        assert_eq!(value.get("metacriteria").unwrap().as_str(), Some(""));
        assert_eq!(value.get("none"), None);
    }

    #[test]
    fn scalars() {
        let cases = [
            ("N;", PhpValue::Null),
            ("b:1;", PhpValue::Bool(true)),
            ("b:0;", PhpValue::Bool(false)),
            ("i:-7;", PhpValue::Int(-7)),
            ("d:0.5;", PhpValue::Float(0.5)),
            ("s:3:\"a\"b\";", PhpValue::Str(b"a\"b".to_vec())),
            ("a:0:{}", PhpValue::Array(Vec::new())),
            ("i:1;behind", PhpValue::Int(1)),
        ];
        for (text, value) in cases {
            assert_eq!(parse(text), Ok(value), "{text}");
        }
        assert_eq!(PhpValue::parse(b"s:1:\"\xe9\";", 0).unwrap().as_str(), None);
    }

    #[test]
    fn numbers_in_strings() {
        let cases = [
            ("s:2:\"42\";", Some(42)),
            ("s:3:\" 7 \";", Some(7)),
            ("s:2:\"-1\";", Some(-1)),
            ("i:3;", Some(3)),
        ];
        for (text, number) in cases.into_iter().chain([
            ("s:0:\"\";", None),
            ("s:2:\"4x\";", None),
            ("s:3:\"1.5\";", None),
            ("N;", None),
        ]) {
            assert_eq!(parse(text).unwrap().as_int(), number, "{text}");
        }
    }

    #[test]
    fn keys_are_php_keys() {
        let value = parse("a:4:{s:1:\"7\";i:1;s:2:\"07\";i:2;i:7;i:3;s:2:\"-0\";i:4;}").unwrap();
        let keys: Vec<_> = value
            .entries()
            .unwrap()
            .iter()
            .map(|(key, value)| (key.clone(), value.as_int().unwrap()))
            .collect();
        let string = |text: &str| PhpKey::Str(text.as_bytes().to_vec());
        assert_eq!(
            keys,
            [(PhpKey::Int(7), 3), (string("07"), 2), (string("-0"), 4)]
        );
    }

    #[test]
    fn refusals() {
        let is_syntax = |text: &str| matches!(parse(text), Err(PhpError::Syntax { .. }));
        for text in [
            "",
            "x",
            "i:;",
            "i:1",
            "s:9:\"a\";",
            "s:1:\"ab\";",
            "a:1:{}",
            "a:0:{i:0;i:1;}",
            "a:1:{N;i:1;}",
            "}",
            "a:4294967295:{",
            "a:1:{i:0;}",
        ] {
            assert!(is_syntax(text), "{text}: {:?}", parse(text));
        }
        for text in [
            "O:1:\"A\":0:{}",
            "C:1:\"A\":0:{}",
            "r:1;",
            "R:1;",
            "a:1:{i:0;O:1:\"A\":0:{}}",
        ] {
            assert!(
                matches!(parse(text), Err(PhpError::Refused { .. })),
                "{text}: {:?}",
                parse(text)
            );
        }
    }

    #[test]
    fn depth_is_exact() {
        let nested = |depth: usize| format!("{}N;{}", "a:1:{i:0;".repeat(depth), "}".repeat(depth));
        assert!(PhpValue::parse(nested(3).as_bytes(), 3).is_ok());
        assert_eq!(
            PhpValue::parse(nested(4).as_bytes(), 3),
            Err(PhpError::TooDeep { limit: 3 })
        );
        assert_eq!(
            PhpValue::parse(nested(100_000).as_bytes(), 64),
            Err(PhpError::TooDeep { limit: 64 })
        );
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..64), shaped in "([asibdNOCrR}{:;\"-]|[0-9]){0,40}") {
            let _ = PhpValue::parse(&bytes, 8);
            let _ = parse(&shaped);
        }

        #[test]
        fn strings_come_back(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut text = format!("s:{}:\"", bytes.len()).into_bytes();
            text.extend_from_slice(&bytes);
            text.extend_from_slice(b"\";");
            prop_assert_eq!(PhpValue::parse(&text, 0), Ok(PhpValue::Str(bytes)));
        }
    }
}
