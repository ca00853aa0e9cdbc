//! Query strings: what is listed is there, and what is encoded comes back.

use fusion_sidecar::proto::query::{Limits, Query, Value};
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};

pub(crate) fn check(raw: &[u8]) {
    let limits = Limits {
        max_parameters: 64,
        max_value: 1024,
    };
    if let Ok(query) = Query::parse(raw, &limits) {
        let mut count = 0;
        for (name, value) in query.iter() {
            count += 1;
            assert!(query.has(name));
            assert_eq!(query.value(name), value);
            assert!(value == Value::Array || query.keys(name).is_empty());
            assert_eq!(query.get(name).is_some(), matches!(value, Value::Text(_)));
            assert!(query.list(name).len() <= limits.max_parameters);
        }
        assert!(count <= limits.max_parameters);
    }

    let encoded = percent_encode(raw, NON_ALPHANUMERIC);
    let parsed = Query::parse(format!("a={encoded}&b[]={encoded}"), &limits);
    if raw.len() > limits.max_value {
        assert!(parsed.is_err());
        return;
    }
    let query = parsed.unwrap_or_default();
    match std::str::from_utf8(raw) {
        Ok(text) => {
            assert_eq!(query.get("a"), Some(text));
            assert_eq!(query.list("b"), [text]);
        }
        Err(_) => assert_eq!(query.value("a"), Value::NotUtf8(raw)),
    }
}
