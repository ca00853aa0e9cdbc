//! The rules of the fuzz targets, on their seeds and on random bytes: what they say holds, and none of them can rot.

use std::path::{Path, PathBuf};

use proptest::prelude::*;

#[path = "../fuzz/rules/envelope.rs"]
mod envelope;
#[path = "../fuzz/rules/php.rs"]
mod php;
#[path = "../fuzz/rules/query.rs"]
mod query;
#[path = "../fuzz/rules/record.rs"]
mod record;
#[path = "../fuzz/rules/xml.rs"]
mod xml;

/// Fails when it does not hold for these bytes.
type Rule = fn(&[u8]);

/// The rules by the names of their targets.
const RULES: [(&str, Rule); 5] = [
    ("envelope", envelope::check),
    ("php", php::check),
    ("query", query::check),
    ("record", record::check),
    ("xml", xml::check),
];

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz")
}

#[test]
fn every_target_has_its_rule_here_and_is_run() {
    let manifest: toml::Table = std::fs::read_to_string(directory().join("Cargo.toml"))
        .unwrap()
        .parse()
        .unwrap();
    let mut targets: Vec<&str> = manifest["bin"]
        .as_array()
        .unwrap()
        .iter()
        .map(|target| target["name"].as_str().unwrap())
        .collect();
    targets.sort_unstable();
    assert_eq!(targets, RULES.map(|(name, _)| name));
    let script = std::fs::read_to_string(directory().join("run")).unwrap();
    let run = script
        .lines()
        .find_map(|line| line.strip_prefix("for target in "))
        .unwrap();
    for target in targets {
        assert!(
            run.split([' ', ';']).any(|word| word == target),
            "{target}: {run}"
        );
    }
}

/// Seeds, cut at every length and with every byte changed: where a format is nearly right, readers go wrong.
#[test]
fn the_rules_hold_near_the_seeds() {
    for (name, check) in RULES {
        let mut seeds = 0;
        for entry in std::fs::read_dir(directory().join("seeds").join(name)).unwrap() {
            let seed = std::fs::read(entry.unwrap().path()).unwrap();
            seeds += 1;
            check(&seed);
            for i in 0..seed.len() {
                check(&seed[..i]);
                for flip in [0x01, 0x20, 0x80, 0xff] {
                    let mut changed = seed.clone();
                    changed[i] ^= flip;
                    check(&changed);
                }
            }
        }
        assert!(seeds >= 2, "{name}");
    }
}

proptest! {
    #[test]
    fn the_rules_hold_for_random_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for (_, check) in RULES {
            check(&bytes);
        }
    }
}
