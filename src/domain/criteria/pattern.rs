//! What a text must contain, in GLPI's notation.

/// Blanks, as PHP's `trim` knows them.
const BLANKS: [char; 6] = [' ', '\t', '\n', '\r', '\0', '\u{b}'];

/// What a text is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    /// `NULL` or `null`: no value, or an empty one.
    Nothing,
    /// `^$`: no value. An empty one is not found.
    Absent,
    /// Nothing but blanks, or `$`: no value; without it: any.
    Blank,
    /// A pattern of SQL's LIKE.
    Like {
        /// The pattern: `%` stands for anything, `\_` for `_`.
        pattern: String,
        /// The word is a `Null` in another case than GLPI's own two: an empty text counts as one that has it.
        or_empty: bool,
    },
}

impl Pattern {
    /// Reads a value of GLPI's `contains`: `^` and `$` tie it to the start and the end, `%` stands for anything, blanks around it do not
    /// count, `^` alone is any value. None when it has a character that GLPI stores in another form than the form sends it
    /// (`&`, `<`, `>`), or takes for an escape (`\`): releases of GLPI 10.0 treat them differently.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        if value.contains(['&', '<', '>', '\\']) || is_id_of_any_table(value) {
            return None;
        }
        match value {
            "NULL" | "null" => return Some(Self::Nothing),
            "^$" => return Some(Self::Absent),
            _ => {}
        }
        let escaped = value.replace('_', "\\_");
        let words = escaped.trim_matches(BLANKS);
        let pattern = match words {
            "^" => "%".to_owned(),
            "" | "^$" | "$" => return Some(Self::Blank),
            _ => {
                let (before, words) = words
                    .strip_prefix('^')
                    .map_or(("%", words), |words| ("", words.trim_start_matches(BLANKS)));
                let (words, after) = words
                    .strip_suffix('$')
                    .map_or((words, "%"), |words| (words.trim_end_matches(BLANKS), ""));
                format!("{before}{words}{after}")
            }
        };
        Some(if pattern.is_empty() {
            Self::Blank
        } else {
            Self::Like {
                pattern,
                or_empty: value.eq_ignore_ascii_case("null"),
            }
        })
    }

    /// Whether the pattern cannot reach over a blank between two texts.
    pub(super) fn is_one_word(&self) -> bool {
        match self {
            Self::Like { pattern, .. } => {
                pattern == "%" || !pattern.trim_matches('%').contains(['%', ' '])
            }
            Self::Nothing | Self::Absent | Self::Blank => true,
        }
    }
}

/// GLPI's way to ask for a row of whatever table the option is about.
fn is_id_of_any_table(value: &str) -> bool {
    let id = value.strip_prefix("$$$$");
    id.is_some_and(|id| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn glpis_notation() {
        for (value, pattern) in [
            ("wks", "%wks%"),
            ("^wks", "wks%"),
            ("wks$", "%wks"),
            ("^wks$", "wks"),
            ("  wks ", "%wks%"),
            ("^ wks $", "wks"),
            ("^", "%"),
            (" ^ ", "%"),
            ("$^", "%$^%"),
            ("^^a$$", "^a$"),
            ("a ^ in the middle$", "%a ^ in the middle"),
            ("w%s", "%w%s%"),
            ("100%", "%100%%"),
            ("a_b", "%a\\_b%"),
            ("a*b?", "%a*b?%"),
            ("O'Brien", "%O'Brien%"),
            ("0", "%0%"),
            (" NULL", "%NULL%"),
            ("$$$$", "%$$$"),
        ] {
            let like = Pattern::Like {
                pattern: pattern.to_owned(),
                or_empty: false,
            };
            assert_eq!(Pattern::parse(value), Some(like), "{value:?}");
        }
        for (value, pattern) in [
            ("NULL", Pattern::Nothing),
            ("null", Pattern::Nothing),
            ("^$", Pattern::Absent),
            (" ^$", Pattern::Blank),
            ("$", Pattern::Blank),
            ("  ", Pattern::Blank),
            ("^ $", Pattern::Blank),
            (
                "Null",
                Pattern::Like {
                    pattern: "%Null%".to_owned(),
                    or_empty: true,
                },
            ),
        ] {
            assert_eq!(Pattern::parse(value), Some(pattern), "{value:?}");
        }
        for value in ["a\\b", "R&D", "<5", ">5", "&#60;5", "$$$$12"] {
            assert_eq!(Pattern::parse(value), None, "{value:?}");
        }
    }

    #[test]
    fn one_word() {
        for (value, one) in [
            ("doe", true),
            ("^doe$", true),
            ("^", true),
            ("NULL", true),
            ("%doe%", true),
            ("j%doe", false),
            ("jane doe", false),
        ] {
            assert_eq!(
                Pattern::parse(value).unwrap().is_one_word(),
                one,
                "{value:?}"
            );
        }
    }
}
