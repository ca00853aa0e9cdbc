//! The shape of the house, held by reading the sources: who may use whom, where SQL and the wall clock are, what lies where.

#[path = "architecture/files.rs"]
mod files;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use fusion_sidecar::telemetry::metrics;

/// Most lines of a file, tests and comments counted: longer ones have a second reason to change.
const MAX_LINES: usize = 500;

/// The rooms of `src`, each with the rooms that it may use beside itself. Those without a list put everything together.
const ROOMS: [(&str, Option<&[&str]>); 22] = [
    ("domain", Some(&[])),
    ("proto", Some(&["domain"])),
    ("clock", Some(&[])),
    ("config", Some(&["domain"])),
    ("telemetry", Some(&["config"])),
    ("lifecycle", Some(&[])),
    ("mariadb", Some(&["config"])),
    ("upstream", Some(&["config"])),
    ("knock", Some(&["config"])),
    ("spool", Some(&["clock", "config", "telemetry"])),
    (
        "db",
        Some(&["clock", "config", "domain", "proto", "telemetry"]),
    ),
    (
        "dispatch",
        Some(&["clock", "config", "db", "domain", "proto", "telemetry"]),
    ),
    (
        "work",
        Some(&[
            "clock",
            "config",
            "db",
            "domain",
            "knock",
            "proto",
            "telemetry",
        ]),
    ),
    (
        "delivery",
        Some(&[
            "clock",
            "config",
            "db",
            "domain",
            "lifecycle",
            "proto",
            "spool",
            "telemetry",
            "upstream",
        ]),
    ),
    (
        "http",
        Some(&[
            "config",
            "db",
            "delivery",
            "dispatch",
            "domain",
            "lifecycle",
            "proto",
            "spool",
            "telemetry",
            "upstream",
        ]),
    ),
    ("web", Some(&WEB)),
    (
        "replay",
        Some(&["clock", "config", "db", "domain", "proto"]),
    ),
    ("app", None),
    ("check", None),
    ("cli", None),
    ("demo", None),
    ("main", None),
];

/// Those below the pages.
#[rustfmt::skip]
const WEB: [&str; 10] = ["clock", "config", "db", "dispatch", "domain", "http", "proto", "telemetry", "upstream", "work"];

/// What a room must not name: crates, and parts of the standard library that do IO or know the time.
const FOREIGN: [(&str, &[&str]); 9] = [
    ("domain", &PURE),
    ("proto", &PURE),
    ("db", &["axum", "hyper", "reqwest", "tower"]),
    ("dispatch", &INNER),
    ("work", &INNER),
    ("http", &["mysql_async", "reqwest"]),
    ("web", &["mysql_async", "reqwest", "std::fs"]),
    ("spool", &INNER),
    ("delivery", &INNER),
];

const INNER: [&str; 5] = ["axum", "hyper", "mysql_async", "reqwest", "tower"];

const PURE: [&str; 15] = [
    "tokio",
    "axum",
    "hyper",
    "tower",
    "mysql_async",
    "reqwest",
    "tracing",
    "metrics",
    "std::env",
    "std::fs",
    "std::net",
    "std::process",
    "std::time::Instant",
    "std::time::SystemTime",
    "chrono::Local",
];

/// How a string literal with a statement begins.
const STATEMENTS: [&str; 9] = [
    "SELECT ",
    "INSERT ",
    "UPDATE ",
    "DELETE ",
    "REPLACE ",
    "CREATE ",
    "ALTER ",
    "DROP ",
    "TRUNCATE ",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file of `src`.
struct Source {
    /// Below `src`, without `.rs`, split at the slashes.
    module: Vec<String>,
    /// Its code without tests and comment lines.
    code: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        let code: Vec<&str> = without_tests(text)
            .into_iter()
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect();
        Self {
            module: path
                .trim_end_matches(".rs")
                .split('/')
                .map(str::to_owned)
                .collect(),
            code: code.join("\n"),
        }
    }

    fn room(&self) -> &str {
        &self.module[0]
    }

    fn path(&self) -> String {
        format!("src/{}.rs", self.module.join("/"))
    }

    /// The rooms that its paths lead to.
    fn uses(&self) -> BTreeSet<String> {
        let mut rooms = heads_behind(&self.code, "crate::");
        // As many `super::` as the module is deep lead to the root of the crate.
        let climb = "super::".repeat(self.module.len());
        rooms.extend(heads_behind(&self.code, &climb));
        rooms.remove("super");
        rooms.remove(self.room());
        rooms
    }

    fn names(&self, path: &str) -> bool {
        let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':';
        self.code.match_indices(path).any(|(at, _)| {
            let before = self.code[..at].bytes().next_back();
            let after = self.code[at + path.len()..].bytes().next();
            !before.is_some_and(word)
                && (after == Some(b':') || path.contains("::") && !after.is_some_and(word))
        })
    }
}

/// The lines without modules that only tests have.
fn without_tests(text: &str) -> Vec<&str> {
    let mut kept = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let indent = &line[..line.len() - line.trim_start().len()];
        let module = format!("{indent}mod ");
        match lines.peek() {
            Some(next) if line.trim() == "#[cfg(test)]" && next.starts_with(&module) => {
                let end = format!("{indent}}}");
                let one_line = next.trim_end().ends_with(';');
                lines.next();
                if !one_line {
                    lines.by_ref().find(|line| *line == end);
                }
            }
            _ => kept.push(line),
        }
    }
    kept
}

/// The first words of the paths that follow `prefix`: one, or those of a list in braces.
fn heads_behind(code: &str, prefix: &str) -> BTreeSet<String> {
    let ident = |text: &str| -> String {
        text.trim_start()
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect()
    };
    let mut heads = BTreeSet::new();
    for (at, _) in code.match_indices(prefix) {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
            continue;
        }
        let rest = &code[at + prefix.len()..];
        let Some(list) = rest.strip_prefix('{') else {
            heads.insert(ident(rest));
            continue;
        };
        let mut depth = 0_u32;
        let mut item = String::new();
        for c in list.chars() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    heads.insert(ident(&item));
                    item.clear();
                    continue;
                }
                _ => {}
            }
            item.push(c);
        }
        heads.insert(ident(&item));
    }
    heads.remove("");
    heads
}

/// The Rust files below `top`, with their texts; the names begin below it.
fn rust_files(top: &str) -> Vec<(String, String)> {
    let top = root().join(top);
    let mut found = Vec::new();
    let mut waiting: Vec<PathBuf> = vec![top.clone()];
    while let Some(dir) = waiting.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let below = path.strip_prefix(&top).unwrap().to_str().unwrap();
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((below.to_owned(), text));
            }
        }
    }
    assert!(found.len() > 50, "only {} files found", found.len());
    found
}

/// All files below `src` but those of tests.
fn sources() -> Vec<Source> {
    rust_files("src")
        .iter()
        .filter(|(name, _)| name != "lib.rs" && name != "tests.rs" && !name.ends_with("/tests.rs"))
        .map(|(name, text)| Source::new(name, text))
        .collect()
}

/// The files that git has, with their bytes.
fn tracked() -> Vec<(String, Vec<u8>)> {
    // A checkout that belongs to somebody else is as good.
    let output = Command::new("git")
        .args(["-c", "safe.directory=*", "ls-files", "-z"])
        .current_dir(root())
        .output()
        .expect("git is needed: apt-get install -y git");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let names = String::from_utf8(output.stdout).unwrap();
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for name in names.split_terminator('\0') {
        // One that is being removed is still in the index.
        if let Ok(bytes) = std::fs::read(root().join(name)) {
            files.push((name.to_owned(), bytes));
        }
    }
    assert!(files.len() > 100, "only {} files found", files.len());
    files
}

#[test]
fn sources_are_read_as_they_are_meant() {
    let text = "\
use super::super::clock;
use super::here;
use crate::db::{Db, writer};
use crate::{cli, config::{self, Settings}, telemetry};
// use crate::comment::X;
fn f() { crate::proto::text::x(); tokio::spawn(y); a_tokio::z(); mycrate::w(); std::fs::read(p); }
mod inner {
    #[cfg(test)]
    mod tests {
        use crate::demo;
    }
}
#[cfg(test)]
mod tests;
#[cfg(test)]
mod more {
    use crate::app;
}
const A: u8 = 1;";
    let source = Source::new("http/error.rs", text);
    let uses: Vec<String> = source.uses().into_iter().collect();
    assert_eq!(uses, ["cli", "clock", "config", "db", "proto", "telemetry"]);
    assert_eq!(source.room(), "http");
    assert_eq!(source.code.lines().count(), 8);
    for (name, is_there) in [
        ("tokio", true),
        ("std::fs", true),
        ("std", true),
        ("fs", false),
        ("toki", false),
        ("mysql_async", false),
    ] {
        assert_eq!(source.names(name), is_there, "{name}");
    }
}

#[test]
fn every_room_uses_only_rooms_below_it() {
    let mut wrong = Vec::new();
    for source in sources() {
        let room = ROOMS.iter().find(|(name, _)| *name == source.room());
        let Some((_, allowed)) = room else {
            wrong.push(format!("{}: a room that is not listed here", source.path()));
            continue;
        };
        for used in source.uses() {
            if allowed.is_some_and(|allowed| !allowed.contains(&used.as_str())) {
                wrong.push(format!("{} uses {used}", source.path()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_room_names_only_the_crates_of_its_trade() {
    let mut wrong = Vec::new();
    for source in sources() {
        let foreign = FOREIGN.iter().filter(|(room, _)| *room == source.room());
        for name in foreign.flat_map(|(_, names)| names.iter()) {
            if source.names(name) {
                wrong.push(format!("{} names {name}", source.path()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn sql_is_written_in_one_room() {
    let has_statement = |code: &str| {
        code.split('"').skip(1).any(|text| {
            let text = text.trim_start();
            let text = text
                .strip_prefix("/*")
                .and_then(|rest| rest.split_once("*/"))
                .map_or(text, |(_, rest)| rest.trim_start());
            STATEMENTS.iter().any(|verb| text.starts_with(verb))
        })
    };
    let (mut with, mut wrong) = (0, Vec::new());
    for source in sources() {
        if has_statement(&source.code) {
            if source.room() == "db" {
                with += 1;
            } else {
                wrong.push(source.path());
            }
        }
    }
    assert!(with > 3, "statements were found in {with} files only");
    assert!(wrong.is_empty(), "SQL in {}", wrong.join(", "));
}

#[test]
fn only_the_clock_asks_for_the_time() {
    let asking: Vec<String> = sources()
        .iter()
        .filter(|source| {
            ["Utc::now", "Local::now", "SystemTime::now"]
                .iter()
                .any(|call| source.code.contains(call))
        })
        .map(Source::path)
        .collect();
    assert_eq!(asking, ["src/clock.rs"]);
}

/// The names that the macros which count are given in `code`, without the path before them.
fn counted_in(code: &str) -> BTreeSet<String> {
    let macros = ["counter!(", "gauge!(", "histogram!("];
    let calls = macros.iter().flat_map(|name| code.match_indices(name));
    let names = calls.map(|(at, name)| {
        let given = code[at + name.len()..].split([',', ')']).next();
        given.unwrap_or_default().trim().rsplit("::").next()
    });
    names.flatten().map(str::to_owned).collect()
}

/// Each by its constant, so that no other name can be counted.
#[test]
fn every_metric_is_described_and_counted() {
    let telemetry = std::fs::read_to_string(root().join("src/telemetry.rs")).unwrap();
    let constants: BTreeMap<&str, &str> = telemetry
        .lines()
        .filter_map(|line| line.trim().strip_prefix("pub const "))
        .filter_map(|line| line.strip_suffix("\";")?.split_once(": &str = \""))
        .collect();
    let described: BTreeSet<&str> = metrics::ALL.iter().map(|metric| metric.name).collect();
    assert_eq!(described, constants.values().copied().collect());

    let mut counted = BTreeSet::new();
    for source in sources() {
        if source.room() != "telemetry" {
            counted.extend(counted_in(&source.code));
        }
    }
    let constants: BTreeSet<String> = constants.into_keys().map(str::to_owned).collect();
    assert_eq!(counted, constants);
    // An alias, an import or a mention is no count.
    let code =
        "use m::A; const B: &str = m::A; metrics::counter!(m::C, \"x\" => y); histogram!(\n  D\n)";
    assert_eq!(counted_in(code), ["C", "D"].map(str::to_owned).into());
}

#[test]
fn no_file_is_too_long() {
    let mut long = Vec::new();
    for top in ["src", "tests/it"] {
        for (name, text) in rust_files(top) {
            let lines = text.lines().count();
            if lines > MAX_LINES {
                long.push(format!("{top}/{name} has {lines} lines"));
            }
        }
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}
