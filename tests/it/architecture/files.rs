//! What lies where in the repository, and says what.

use super::*;

#[test]
fn only_what_belongs_there_lies_at_the_top() {
    let allowed = [
        ".ci",
        ".gitignore",
        "Cargo.lock",
        "Cargo.toml",
        "LICENSE",
        "README.md",
        "fixtures",
        "sql",
        "src",
        "tests",
    ];
    let tracked = tracked();
    let top: BTreeSet<&str> = tracked
        .iter()
        .filter_map(|(name, _)| name.split('/').next())
        .collect();
    let unknown: Vec<&&str> = top.iter().filter(|name| !allowed.contains(name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    assert!(top.contains("src") && top.contains("README.md"));
    for (name, _) in tracked.iter().filter(|(name, _)| name.starts_with(".ci/")) {
        assert_eq!(name, ".ci/run");
    }
}

#[test]
fn no_file_tells_where_it_was_written() {
    // Put together here, or this file would be the first to be found.
    let marks = ["/wo|rk/", "/ro|ot/", "/ho|me/", "../sh|ared"];
    let marks = marks.map(|mark| mark.replace('|', ""));
    let telling = |text: &str| marks.iter().any(|mark| text.contains(mark.as_str()));
    assert!(telling(&format!("x{}y", marks[2])));
    let mut found = Vec::new();
    // Recordings are data of another machine, with names in them that Windows gives its own things.
    let written = tracked()
        .into_iter()
        .filter(|(name, _)| !name.starts_with("fixtures/recordings/"));
    for (name, bytes) in written {
        let text = String::from_utf8_lossy(&bytes);
        found.extend(
            text.lines()
                .enumerate()
                .filter(|(_, line)| telling(line))
                .map(|(at, _)| format!("{name}:{}", at + 1)),
        );
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
