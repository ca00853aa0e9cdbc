//! XML messages: requests read as a stream, replies written.
//!
//! A message is checked to its end before anything of it counts; what a request holds beyond the few fields in [`Request`] is
//! for PHP and is never kept here.

mod reply;
mod request;

pub use reply::{Element, Node, Reply};
pub(super) use request::resolve;
pub use request::{Limits, Request, XmlError, judge_request, parse_request};

/// Whether XML 1.0 allows the character, as it is or as a reference.
fn is_allowed(c: char) -> bool {
    !matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}

/// Whether the text can be an element's or attribute's name. Beyond ASCII every character is taken.
fn is_name(text: &str) -> bool {
    let begins = |c: char| c.is_ascii_alphabetic() || matches!(c, '_' | ':') || !c.is_ascii();
    let goes_on = |c: char| begins(c) || c.is_ascii_digit() || matches!(c, '-' | '.');
    text.starts_with(begins) && text.chars().all(goes_on)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allowed_characters() {
        for c in [
            '\t',
            '\n',
            '\r',
            ' ',
            '~',
            '\u{7f}',
            '\u{81}',
            '\u{d7ff}',
            '\u{e000}',
            '\u{fffd}',
            '\u{10ffff}',
        ] {
            assert!(is_allowed(c), "{c:?}");
        }
        for c in [
            '\0', '\u{8}', '\u{b}', '\u{c}', '\u{1f}', '\u{fffe}', '\u{ffff}',
        ] {
            assert!(!is_allowed(c), "{c:?}");
        }
    }

    #[test]
    fn names() {
        for name in ["A", "a1", "_x", "n:a-b.c", "é"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "1a", "-a", "a b", "a<b", "a\"", "a="] {
            assert!(!is_name(name), "{name}");
        }
    }
}
