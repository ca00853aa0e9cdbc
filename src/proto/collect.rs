//! Collecting: orders for agents, and what they found.

use serde_json::{Map, Value, json};

use super::{phpjson, text};

/// Something to collect: one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its row, `_sid` for the agent.
    pub id: u32,
    /// What.
    pub what: What,
}

/// What is collected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A key of the Windows registry, all of hive, path and key.
    Registry {
        /// Hive, path and key in one.
        path: String,
    },
    /// A WMI class.
    Wmi {
        /// Namespace, empty for the default one.
        moniker: String,
        /// Class.
        class: String,
        /// Property.
        property: String,
    },
    /// Files.
    File(FileSearch),
}

/// A search for files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FileSearch {
    /// Where.
    pub dir: String,
    /// How many at most.
    pub limit: u32,
    /// Also below.
    pub recursive: u32,
    /// Files count.
    pub is_file: u32,
    /// Directories count.
    pub is_dir: u32,
    /// Size in bytes equal to this, greater, or lower; the first that is not 0 counts.
    pub size: [u32; 3],
    /// Further conditions, by the name that agents know; empty ones are left out.
    pub filters: Vec<(&'static str, String)>,
}

/// Names of the conditions on a file's size, in the order of [`FileSearch::size`].
const SIZES: [&str; 3] = ["sizeEquals", "sizeGreater", "sizeLower"];

/// The order for `item` of the run `uuid`.
#[must_use]
pub fn order(item: &Item, uuid: &str) -> Value {
    match &item.what {
        What::Registry { path } => {
            json!({"function": "getFromRegistry", "path": path, "uuid": uuid, "_sid": item.id})
        }
        What::Wmi {
            moniker,
            class,
            property,
        } => {
            let mut order = json!({"function": "getFromWMI", "class": class, "properties": [property], "uuid": uuid, "_sid": item.id});
            if !moniker.is_empty() {
                order["moniker"] = json!(moniker);
            }
            order
        }
        What::File(search) => {
            let mut filter = Map::new();
            filter.insert("is_file".to_owned(), search.is_file.into());
            filter.insert("is_dir".to_owned(), search.is_dir.into());
            if let Some((name, size)) = SIZES.iter().zip(search.size).find(|(_, size)| *size > 0) {
                filter.insert((*name).to_owned(), size.into());
            }
            for (name, value) in search.filters.iter().filter(|(_, value)| !value.is_empty()) {
                filter.insert((*name).to_owned(), json!(value));
            }
            json!({
                "function": "findFile", "dir": search.dir, "limit": search.limit, "recursive": search.recursive, "filter": filter,
                "uuid": uuid, "_sid": item.id,
            })
        }
    }
}

/// A value of the registry as it is stored: `0x…` becomes decimal.
#[must_use]
pub fn registry_value(value: &str) -> String {
    let is_number =
        |digits: &&str| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let digits = value.strip_prefix("0x").filter(is_number);
    match digits.map(|digits| u128::from_str_radix(digits, 16)) {
        Some(Ok(number)) => number.to_string(),
        _ => value.to_owned(),
    }
}

/// A path as it is stored: with slashes.
#[must_use]
pub fn stored_path(path: &str) -> String {
    path.replace('\\', "/").replace("//", "/")
}

/// What the log says of an answer: its values as JSON, as PHP writes it. `nested` puts them under the order's row, as for files.
#[must_use]
pub fn log_text(values: &[(String, String)], nested: Option<&str>) -> String {
    let told = |value: &str| Value::from(text::encode(value).into_owned());
    let map: Map<String, Value> = values
        .iter()
        .map(|(key, value)| (key.clone(), told(value)))
        .collect();
    let value = match nested {
        Some(id) => Value::Object(Map::from_iter([(id.to_owned(), Value::Object(map))])),
        None => Value::Object(map),
    };
    phpjson::reencode(value).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders() {
        let item = |what| Item { id: 7, what };
        for (what, expected) in [
            (
                What::Registry {
                    path: "HKEY_LOCAL_MACHINE/a".into(),
                },
                json!({"function": "getFromRegistry", "path": "HKEY_LOCAL_MACHINE/a", "uuid": "u", "_sid": 7}),
            ),
            (
                What::Wmi {
                    moniker: String::new(),
                    class: "C".into(),
                    property: "P".into(),
                },
                json!({"function": "getFromWMI", "class": "C", "properties": ["P"], "uuid": "u", "_sid": 7}),
            ),
            (
                What::File(FileSearch {
                    dir: "/etc".into(),
                    limit: 5,
                    is_file: 1,
                    size: [0, 9, 8],
                    filters: vec![("regex", String::new()), ("name", "hosts".into())],
                    ..FileSearch::default()
                }),
                json!({"function": "findFile", "dir": "/etc", "limit": 5, "recursive": 0,
                    "filter": {"is_file": 1, "is_dir": 0, "sizeGreater": 9, "name": "hosts"}, "uuid": "u", "_sid": 7}),
            ),
        ] {
            assert_eq!(order(&item(what), "u"), expected);
        }
    }

    #[test]
    fn registry_numbers_become_decimal() {
        for (value, stored) in [
            ("0x1f", "31"),
            ("0x0000001F", "31"),
            ("0x", "0x"),
            ("0xg", "0xg"),
            ("0x+1f", "0x+1f"),
            ("0xffffffffffffffff", "18446744073709551615"),
            ("1f", "1f"),
            ("", ""),
        ] {
            assert_eq!(registry_value(value), stored, "{value}");
        }
    }

    #[test]
    fn texts() {
        assert_eq!(stored_path("c:\\a\\\\b"), "c:/a/b");
        let values = [
            ("path".to_owned(), "/a<b".to_owned()),
            ("size".to_owned(), "3".to_owned()),
        ];
        assert_eq!(
            log_text(&values, Some("31")),
            r#"{"31":{"path":"/a&#60;b","size":"3"}}"#
        );
        assert_eq!(log_text(&values, None), r#"{"path":"/a&#60;b","size":"3"}"#);
    }
}
