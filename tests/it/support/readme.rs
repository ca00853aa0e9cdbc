//! The README and its examples.

pub(crate) const README: &str = include_str!("../../../README.md");

/// The fenced blocks of `language`, without the indentation of their fences.
pub(crate) fn blocks(language: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = README.lines();
    while let Some(line) = lines.next() {
        let Some(opened) = line.trim_start().strip_prefix("```") else {
            continue;
        };
        let indent = line.len() - line.trim_start().len();
        let block: Vec<&str> = lines
            .by_ref()
            .take_while(|line| line.trim() != "```")
            .map(|line| line.get(indent..).unwrap_or_default())
            .collect();
        if opened == language {
            found.push(block.join("\n") + "\n");
        }
    }
    assert!(!found.is_empty(), "no block of {language}");
    found
}
