//! SQL files, statement by statement.
//!
//! The server takes one statement at a time (several only where a client asks for it), and a file is easier to read and to load by
//! hand than a list of literals.

/// The statements of `script` in order, without comments and closing semicolons. A semicolon or comment sign within quotes belongs
/// to its statement. MySQL's executable comments (`/*! … */`) are comments here too.
#[must_use]
pub fn statements(script: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut statement = String::new();
    let mut rest = script;
    while let Some(c) = rest.chars().next() {
        let taken = match c {
            '\'' | '"' | '`' => {
                let end = quoted(rest, c);
                statement.push_str(&rest[..end]);
                end
            }
            '#' => to_line_end(rest),
            '-' if is_dash_comment(rest) => to_line_end(rest),
            '/' if rest.starts_with("/*") => rest[2..].find("*/").map_or(rest.len(), |at| at + 4),
            ';' => {
                finish(&mut statement, &mut found);
                1
            }
            other => {
                statement.push(other);
                other.len_utf8()
            }
        };
        rest = &rest[taken..];
    }
    finish(&mut statement, &mut found);
    found
}

fn finish(statement: &mut String, found: &mut Vec<String>) {
    let text = statement.trim();
    if !text.is_empty() {
        found.push(text.to_owned());
    }
    statement.clear();
}

/// The length of the quoted text that `rest` begins with; all of it if the quote never closes. A doubled quote reads as two texts
/// side by side, which comes to the same.
fn quoted(rest: &str, quote: char) -> usize {
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        if c == quote {
            return at + 1;
        }
        if c == '\\' && quote != '`' {
            chars.next();
        }
    }
    rest.len()
}

/// SQL's `--` opens a comment only before white space: `5--1` is a sum.
fn is_dash_comment(rest: &str) -> bool {
    rest.strip_prefix("--")
        .is_some_and(|after| after.is_empty() || after.starts_with(char::is_whitespace))
}

fn to_line_end(rest: &str) -> usize {
    rest.find('\n').unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn statements_end_at_semicolons_outside_quotes_and_comments() {
        let cases: &[(&str, &[&str])] = &[
            ("", &[]),
            (" ;; \n;", &[]),
            ("SELECT 1", &["SELECT 1"]),
            ("SELECT 1; SELECT 2;\n", &["SELECT 1", "SELECT 2"]),
            (
                "SELECT ';', \";\", `;`; SELECT 2",
                &["SELECT ';', \";\", `;`", "SELECT 2"],
            ),
            (
                r"SELECT 'it\';s'; SELECT 2",
                &[r"SELECT 'it\';s'", "SELECT 2"],
            ),
            (
                "SELECT 'it'';s'; SELECT 2",
                &["SELECT 'it'';s'", "SELECT 2"],
            ),
            (r"SELECT `a\`; SELECT 2", &[r"SELECT `a\`", "SELECT 2"]),
            ("-- a; b\nSELECT 1 -- c;\n; --", &["SELECT 1"]),
            ("# a; b\nSELECT 1", &["SELECT 1"]),
            (
                "SELECT 5--1; SELECT '-- x'",
                &["SELECT 5--1", "SELECT '-- x'"],
            ),
            (
                "/* a; ' */SELECT 1; SELECT 4 / 2",
                &["SELECT 1", "SELECT 4 / 2"],
            ),
            ("SELECT 'open; ", &["SELECT 'open;"]),
            ("SELECT 1 /* open;", &["SELECT 1"]),
            ("SELECT 'ü;é'; SELECT 'ß'", &["SELECT 'ü;é'", "SELECT 'ß'"]),
        ];
        for (script, expected) in cases {
            assert_eq!(statements(script), *expected, "{script}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_split_without_panic(script in "[-'\"`#/*;\\\\\n aé]{0,60}") {
            for statement in statements(&script) {
                prop_assert!(!statement.trim().is_empty());
            }
        }

        #[test]
        fn what_was_joined_comes_apart_again(values in proptest::collection::vec("[^'\\\\]{0,20}", 1..6)) {
            let written: Vec<String> = values.iter().map(|value| format!("SELECT '{value}'")).collect();
            prop_assert_eq!(statements(&written.join(";\n-- next; one\n")), written);
        }
    }
}
