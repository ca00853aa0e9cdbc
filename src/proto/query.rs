//! Query strings and form bodies as PHP reads them into `$_GET` and `$_POST`.
//!
//! Agents rely on PHP's reading: `task[Deploy]=2.8`, `log[]=…`, percent-encoded brackets. Only the first level of an array is kept; nothing
//! in the protocol nests deeper.

use std::collections::HashMap;

use percent_encoding::percent_decode;

/// How much is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Parameters, counted with repetitions.
    pub max_parameters: usize,
    /// Length of one name or value, decoded, bytes.
    pub max_value: usize,
}

impl Default for Limits {
    /// 1,000 parameters, PHP's `max_input_vars`; 65,535 bytes, the most that a TEXT column holds.
    fn default() -> Self {
        Self {
            max_parameters: 1000,
            max_value: 65_535,
        }
    }
}

/// Why a query is not taken. PHP drops what is too much and goes on; a report that is half lost is worse than one refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// Too many parameters.
    #[error("more than {limit} parameters")]
    TooMany {
        /// [`Limits::max_parameters`].
        limit: usize,
    },
    /// A name or value is too long.
    #[error("a parameter is longer than {limit} bytes")]
    TooLong {
        /// [`Limits::max_value`].
        limit: usize,
    },
}

/// What is known of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'q> {
    /// No such parameter.
    Missing,
    /// One value.
    Text(&'q str),
    /// One value, which is not UTF-8.
    NotUtf8(&'q [u8]),
    /// `name[]=…` or `name[key]=…`.
    Array,
}

/// Decoded parameters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    slots: Ordered<Slot>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Slot {
    Scalar(Vec<u8>),
    Array(Entries),
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Entries {
    items: Ordered<Entry>,
    /// The key of the next `name[]=`.
    next: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Entry {
    Scalar(Vec<u8>),
    Array,
}

impl Query {
    /// Reads what stands behind the `?`, or a form body. Percent-encodings that do not decode stay as they are.
    ///
    /// # Errors
    /// When it is more than `limits` allow.
    pub fn parse(raw: impl AsRef<[u8]>, limits: &Limits) -> Result<Self, QueryError> {
        let mut query = Self::default();
        let pairs = raw
            .as_ref()
            .split(|byte| *byte == b'&')
            .filter(|pair| !pair.is_empty());
        for (count, pair) in pairs.enumerate() {
            if count >= limits.max_parameters {
                let limit = limits.max_parameters;
                return Err(QueryError::TooMany { limit });
            }
            let equals = pair
                .iter()
                .position(|byte| *byte == b'=')
                .unwrap_or(pair.len());
            let name = decode(pair.get(..equals).unwrap_or_default());
            let value = decode(pair.get(equals + 1..).unwrap_or_default());
            if name.len() > limits.max_value || value.len() > limits.max_value {
                let limit = limits.max_value;
                return Err(QueryError::TooLong { limit });
            }
            query.insert(&name, value);
        }
        Ok(query)
    }

    /// The value of a scalar parameter that is UTF-8; the last one if it is repeated. An array has none.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        match self.value(name) {
            Value::Text(text) => Some(text),
            Value::Missing | Value::NotUtf8(_) | Value::Array => None,
        }
    }

    /// The same, telling apart why there is no text.
    #[must_use]
    pub fn value(&self, name: &str) -> Value<'_> {
        self.slots
            .get(name.as_bytes())
            .map_or(Value::Missing, Slot::value)
    }

    /// Whether the parameter is there, scalar or array.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.slots.get(name.as_bytes()).is_some()
    }

    /// The keys of an array, in order of their first appearance. One that is not UTF-8 is left out.
    #[must_use]
    pub fn keys(&self, name: &str) -> Vec<&str> {
        self.entries(name)
            .filter_map(|(key, _)| str::from_utf8(key).ok())
            .collect()
    }

    /// The values of an array, in order. One that is not UTF-8, or an array itself, is left out.
    #[must_use]
    pub fn list(&self, name: &str) -> Vec<&str> {
        self.entries(name)
            .filter_map(|(_, entry)| match entry {
                Entry::Scalar(value) => str::from_utf8(value).ok(),
                Entry::Array => None,
            })
            .collect()
    }

    /// All parameters in order of their first appearance. One whose name is not UTF-8 is left out.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Value<'_>)> {
        self.slots
            .items
            .iter()
            .filter_map(|(name, slot)| Some((str::from_utf8(name).ok()?, slot.value())))
    }

    fn entries(&self, name: &str) -> impl Iterator<Item = (&[u8], &Entry)> {
        let entries = match self.slots.get(name.as_bytes()) {
            Some(Slot::Array(entries)) => entries.items.items.as_slice(),
            _ => &[],
        };
        entries.iter().map(|(key, entry)| (key.as_slice(), entry))
    }

    fn insert(&mut self, name: &[u8], value: Vec<u8>) {
        let Some(place) = Place::of(name) else { return };
        let Some(key) = place.key else {
            self.slots.set(place.base, Slot::Scalar(value));
            return;
        };
        let entry = if place.nested {
            Entry::Array
        } else {
            Entry::Scalar(value)
        };
        if let Some(Slot::Array(entries)) = self.slots.get_mut(&place.base) {
            entries.insert(key, entry);
        } else {
            let mut entries = Entries::default();
            entries.insert(key, entry);
            self.slots.set(place.base, Slot::Array(entries));
        }
    }
}

impl Slot {
    fn value(&self) -> Value<'_> {
        match self {
            Self::Array(_) => Value::Array,
            Self::Scalar(bytes) => str::from_utf8(bytes).map_or(Value::NotUtf8(bytes), Value::Text),
        }
    }
}

impl Entries {
    fn insert(&mut self, key: Key, entry: Entry) {
        let key = match key {
            Key::Named(key) => key,
            Key::Append => self.next.to_string().into_bytes(),
        };
        if let Some(number) = canonical_index(&key) {
            self.next = self.next.max(number.saturating_add(1));
        }
        self.items.set(key, entry);
    }
}

/// A key that PHP turns into a number: digits without a leading zero.
fn canonical_index(key: &[u8]) -> Option<u64> {
    let number: u64 = str::from_utf8(key).ok()?.parse().ok()?;
    (number.to_string().as_bytes() == key).then_some(number)
}

enum Key {
    Append,
    Named(Vec<u8>),
}

/// Where a decoded name puts its value.
struct Place {
    base: Vec<u8>,
    key: Option<Key>,
    nested: bool,
}

impl Place {
    /// `None` for names that PHP ignores: empty ones and those that begin with a bracket.
    fn of(name: &[u8]) -> Option<Self> {
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        let blanks = name.iter().take_while(|byte| **byte == b' ').count();
        let name = name.get(blanks..).unwrap_or_default();
        let bracket = name
            .iter()
            .position(|byte| *byte == b'[')
            .unwrap_or(name.len());
        let (base, rest) = name.split_at_checked(bracket)?;
        if base.is_empty() {
            return None;
        }
        let Some((key, after)) = index(rest) else {
            // A bracket that is never closed is an ordinary character of the name.
            return Some(Self {
                base: variable(name),
                key: None,
                nested: false,
            });
        };
        Some(Self {
            base: variable(base),
            key: Some(key),
            nested: index(after).is_some(),
        })
    }
}

/// Splits `[key]` off; `None` if that is not how the text begins.
fn index(text: &[u8]) -> Option<(Key, &[u8])> {
    let inner = text.strip_prefix(b"[")?;
    let close = match inner {
        [b']', ..] => 0,
        [blank, b']', ..] if blank.is_ascii_whitespace() => 1,
        _ => {
            let close = inner.iter().position(|byte| *byte == b']')?;
            let key = Key::Named(inner.get(..close)?.to_vec());
            return Some((key, inner.get(close + 1..)?));
        }
    };
    Some((Key::Append, inner.get(close + 1..)?))
}

/// The characters that cannot stand in the name of a PHP variable.
fn variable(name: &[u8]) -> Vec<u8> {
    name.iter()
        .map(|byte| {
            if matches!(byte, b' ' | b'.' | b'[') {
                b'_'
            } else {
                *byte
            }
        })
        .collect()
}

fn decode(raw: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> = raw
        .iter()
        .map(|byte| if *byte == b'+' { b' ' } else { *byte })
        .collect();
    percent_decode(&spaced).collect()
}

/// A map that keeps the order of first insertion.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Ordered<V> {
    items: Vec<(Vec<u8>, V)>,
    places: HashMap<Vec<u8>, usize>,
}

impl<V> Default for Ordered<V> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            places: HashMap::new(),
        }
    }
}

impl<V> Ordered<V> {
    fn get(&self, name: &[u8]) -> Option<&V> {
        let place = *self.places.get(name)?;
        self.items.get(place).map(|(_, value)| value)
    }

    fn set(&mut self, name: Vec<u8>, value: V) {
        let place = *self.places.entry(name.clone()).or_insert(self.items.len());
        if let Some((_, old)) = self.items.get_mut(place) {
            *old = value;
        } else {
            self.items.push((name, value));
        }
    }

    fn get_mut(&mut self, name: &[u8]) -> Option<&mut V> {
        let place = *self.places.get(name)?;
        self.items.get_mut(place).map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(raw: &str) -> Query {
        Query::parse(raw, &Limits::default()).unwrap()
    }

    #[test]
    fn scalars() {
        let cases = [
            ("a=1", Some("1")),
            ("a=1&a=2", Some("2")),
            ("a", Some("")),
            ("a=", Some("")),
            ("&&a=1&", Some("1")),
            ("a=1=2", Some("1=2")),
            ("a=it%27s+%3Cb%3E", Some("it's <b>")),
            ("a=%zz%4", Some("%zz%4")),
            ("a=%C3%A9", Some("é")),
            ("a=é", Some("é")),
            ("a=x%00y", Some("x\0y")),
            ("%61=1", Some("1")),
            ("a%00b=1", Some("1")),
            ("++a=1", Some("1")),
            ("A=1", None),
            ("b=1", None),
            ("=1", None),
            ("", None),
            ("a[]=1", None),
            ("a[k]=1", None),
            ("a[k]=1&a=2", Some("2")),
            ("a=2&a[k]=1", None),
            ("a=%E9", None),
        ];
        for (raw, value) in cases {
            assert_eq!(parse(raw).get("a"), value, "{raw}");
        }
    }

    #[test]
    fn why_there_is_no_text() {
        let query = parse("a=%E9&b[]=1&c=x");
        assert_eq!(query.value("a"), Value::NotUtf8(b"\xe9"));
        assert_eq!(query.value("b"), Value::Array);
        assert_eq!(query.value("c"), Value::Text("x"));
        assert_eq!(query.value("d"), Value::Missing);
        assert_eq!(
            ["a", "b", "c", "d"].map(|name| query.has(name)),
            [true, true, true, false]
        );
        let all: Vec<_> = query.iter().map(|(name, _)| name).collect();
        assert_eq!(all, ["a", "b", "c"]);
    }

    #[test]
    fn arrays() {
        type Case = (
            &'static str,
            &'static [&'static str],
            &'static [&'static str],
        );
        let cases: [Case; 18] = [
            (
                "a[Deploy]=2.8&a[Collect]=2.7&x=1&a[ESX]=2.2",
                &["Deploy", "Collect", "ESX"],
                &["2.8", "2.7", "2.2"],
            ),
            (
                "a%5BDeploy%5D=2.8&a%5bESX%5d=2",
                &["Deploy", "ESX"],
                &["2.8", "2"],
            ),
            ("a[k]=1&a[j]=2&a[k]=3", &["k", "j"], &["3", "2"]),
            ("a[]=x&a[]=y&a[k]=z", &["0", "1", "k"], &["x", "y", "z"]),
            (
                "a[5]=x&a[]=y&a[05]=z&a[]=w",
                &["5", "6", "05", "7"],
                &["x", "y", "z", "w"],
            ),
            ("a[0]=x&a[]=y&a[0]=z", &["0", "1"], &["z", "y"]),
            ("a[+]=x&a[ k]=y", &["0", " k"], &["x", "y"]),
            ("a[k]x=1", &["k"], &["1"]),
            ("a[k", &[], &[]),
            ("a[k]=1&a[k][j]=2", &["k"], &[]),
            ("a[k][j]=2&a[k]=1", &["k"], &["1"]),
            ("a[k][j=1", &["k"], &["1"]),
            ("a[][]=1&a[]=2", &["0", "1"], &["2"]),
            ("a=1&a[k]=2", &["k"], &["2"]),
            ("a[k]=1&a=2", &[], &[]),
            ("a[k]=1&a=2&a[j]=3", &["j"], &["3"]),
            ("a[%E9]=1&a[k]=%E9", &["k"], &["1"]),
            ("[k]=1&a=1", &[], &[]),
        ];
        for (raw, keys, list) in cases {
            let query = parse(raw);
            assert_eq!(
                (query.keys("a").as_slice(), query.list("a").as_slice()),
                (keys, list),
                "{raw}"
            );
        }
    }

    #[test]
    fn names_become_variables() {
        for (raw, name) in [
            ("a.b=1", "a_b"),
            ("a+b=1", "a_b"),
            ("a[b.c=1", "a_b_c"),
            ("a[b[c=1", "a_b_c"),
            ("a]=1", "a]"),
        ] {
            assert_eq!(parse(raw).get(name), Some("1"), "{raw}");
        }
        assert_eq!(parse("a.b[c.d]=1").keys("a_b"), ["c.d"]);
    }

    #[test]
    fn limits_are_exact() {
        let limits = Limits {
            max_parameters: 2,
            max_value: 3,
        };
        let cases = [
            ("a=1&&b=2&", None),
            ("a=1&a=2&a=3", Some(QueryError::TooMany { limit: 2 })),
            ("a=%41%41%41", None),
            ("a=1234", Some(QueryError::TooLong { limit: 3 })),
            ("abc=1", None),
            ("abcd=1", Some(QueryError::TooLong { limit: 3 })),
        ];
        for (raw, error) in cases {
            assert_eq!(Query::parse(raw, &limits).err(), error, "{raw}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(raw in any::<String>(), shaped in "[ab%+&=\\[\\]. 0-9\u{0}]{0,40}") {
            for raw in [raw, shaped] {
                let query = parse(&raw);
                for (name, value) in query.iter() {
                    prop_assert!(query.has(name));
                    prop_assert!(value == Value::Array || query.keys(name).is_empty());
                }
            }
        }

        #[test]
        fn encoded_values_come_back(name in "[a-z]{1,8}", value in any::<String>()) {
            let encoded = percent_encoding::utf8_percent_encode(&value, percent_encoding::NON_ALPHANUMERIC);
            let query = parse(&format!("{name}={encoded}&{name}2[]={encoded}"));
            prop_assert_eq!(query.get(&name), Some(value.as_str()));
            prop_assert_eq!(query.list(&format!("{name}2")), [value.as_str()]);
        }
    }
}
