//! What makes a computer a member of a dynamic group.
//!
//! The plugin stores a search of GLPI's engine. What is understood here is evaluated exactly as GLPI does; what is not is never
//! guessed: reading it gives [`Unsupported`], and the group then keeps the members that the plugin stored.

/// How a criterion is joined to what stands before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// And.
    And,
    /// Or.
    Or,
    /// And not.
    AndNot,
    /// Or not.
    OrNot,
}

/// A column of a computer that is searched as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextField {
    /// Search option 1.
    Name,
    /// Search option 5.
    Serial,
    /// Search option 6, the inventory number.
    OtherSerial,
}

impl TextField {
    /// By the number of GLPI's search option.
    #[must_use]
    pub const fn from_option(number: i64) -> Option<Self> {
        match number {
            1 => Some(Self::Name),
            5 => Some(Self::Serial),
            6 => Some(Self::OtherSerial),
            _ => None,
        }
    }
}

/// What a text must contain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// The words themselves.
    pub words: String,
    /// They must stand at the start (`^`).
    pub at_start: bool,
    /// They must stand at the end (`$`).
    pub at_end: bool,
}

impl Pattern {
    /// Reads GLPI's notation.
    ///
    /// # Errors
    ///
    /// Values that GLPI treats in its own way: none at all, `NULL`, and SQL's or GLPI's wildcards.
    pub fn parse(value: &str) -> Result<Self, Unsupported> {
        let (words, at_start) = value
            .strip_prefix('^')
            .map_or((value, false), |rest| (rest, true));
        let (words, at_end) = words
            .strip_suffix('$')
            .map_or((words, false), |rest| (rest, true));
        if words.is_empty()
            || value.eq_ignore_ascii_case("null")
            || words.contains(['%', '_', '*', '\\'])
        {
            return Err(Unsupported(format!("the value '{value}'")));
        }
        Ok(Self {
            words: words.to_owned(),
            at_start,
            at_end,
        })
    }
}

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// A text field contains something, or does not.
    Text {
        /// Which.
        field: TextField,
        /// Must not.
        negated: bool,
        /// What.
        pattern: Pattern,
    },
    /// Conditions in brackets.
    Group(Vec<Criterion>),
}

/// A condition and how it is joined; the link of the first one says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Criterion {
    /// To what stands before.
    pub link: Link,
    /// The condition.
    pub condition: Condition,
}

/// A search that is not understood, in the words of what was not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not understood")]
pub struct Unsupported(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors() {
        for (value, words, at_start, at_end) in [
            ("wks", "wks", false, false),
            ("^wks", "wks", true, false),
            ("wks$", "wks", false, true),
            ("^wks$", "wks", true, true),
        ] {
            assert_eq!(
                Pattern::parse(value),
                Ok(Pattern {
                    words: words.into(),
                    at_start,
                    at_end
                }),
                "{value}"
            );
        }
        for value in [
            "", "^", "$", "^$", "NULL", "null", "a%", "a_b", "w*", "a\\b",
        ] {
            assert!(Pattern::parse(value).is_err(), "{value}");
        }
    }
}
