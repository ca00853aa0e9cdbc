//! PHP's `serialize` format and the criteria of groups in it: bounded depth, and a value that is written comes back.

use fusion_sidecar::proto::criteria;
use fusion_sidecar::proto::php::{PhpKey, PhpValue};

/// Arrays inside each other.
const DEPTH: usize = 8;

pub(crate) fn check(stored: &[u8]) {
    let _ = criteria::parse(stored);
    let Ok(value) = PhpValue::parse(stored, DEPTH) else {
        return;
    };
    assert!(depth(&value) <= DEPTH);
    let mut written = Vec::new();
    write(&value, &mut written);
    let again = PhpValue::parse(&written, DEPTH);
    // Not by value: a NaN is unlike itself.
    assert_eq!(format!("{again:?}"), format!("{:?}", Ok::<_, ()>(value)));
}

fn depth(value: &PhpValue) -> usize {
    let inner = value
        .entries()
        .map(|entries| entries.iter().map(|(_, value)| depth(value)).max());
    inner.map_or(0, |inner| 1 + inner.unwrap_or(0))
}

fn write(value: &PhpValue, to: &mut Vec<u8>) {
    match value {
        PhpValue::Null => to.extend(b"N;"),
        PhpValue::Bool(value) => to.extend(format!("b:{};", u8::from(*value)).bytes()),
        PhpValue::Int(value) => to.extend(format!("i:{value};").bytes()),
        // PHP writes INF, -INF and NAN.
        PhpValue::Float(value) if value.is_nan() => to.extend(b"d:NAN;"),
        PhpValue::Float(value) if value.is_infinite() => {
            to.extend(if *value > 0.0 {
                &b"d:INF;"[..]
            } else {
                b"d:-INF;"
            });
        }
        PhpValue::Float(value) => to.extend(format!("d:{value:?};").bytes()),
        PhpValue::Str(bytes) => write_bytes(bytes, to),
        PhpValue::Array(entries) => {
            to.extend(format!("a:{}:{{", entries.len()).bytes());
            for (key, value) in entries {
                match key {
                    PhpKey::Int(key) => to.extend(format!("i:{key};").bytes()),
                    PhpKey::Str(key) => write_bytes(key, to),
                }
                write(value, to);
            }
            to.push(b'}');
        }
    }
}

fn write_bytes(bytes: &[u8], to: &mut Vec<u8>) {
    to.extend(format!("s:{}:\"", bytes.len()).bytes());
    to.extend(bytes);
    to.extend(b"\";");
}
