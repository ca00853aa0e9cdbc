//! GLPI's encodings of texts.
//!
//! GLPI 10 stores `&`, `<` and `>` as numeric entities, in JSON columns too; rows written by GLPI 9 have `&lt;` and `&gt;` and a bare `&`.

use std::borrow::Cow;

/// Undoes the encoding of a stored text, once.
///
/// As GLPI 10 does: a text with any of the numeric entities is decoded by these alone, any other by the two of GLPI 9. `&` comes last,
/// so that nothing is decoded twice.
#[must_use]
pub fn decode(text: &str) -> Cow<'_, str> {
    const CURRENT: [(&str, &str); 3] = [("&#62;", ">"), ("&#60;", "<"), ("&#38;", "&")];
    const LEGACY: [(&str, &str); 2] = [("&gt;", ">"), ("&lt;", "<")];
    let used = |entities: &[(&str, &str)]| entities.iter().any(|(entity, _)| text.contains(entity));
    let replace = |entities: &[(&str, &str)]| {
        let decoded = entities
            .iter()
            .fold(text.to_owned(), |text, (entity, c)| text.replace(entity, c));
        Cow::Owned(decoded)
    };
    if used(&CURRENT) {
        replace(&CURRENT)
    } else if used(&LEGACY) {
        replace(&LEGACY)
    } else {
        Cow::Borrowed(text)
    }
}

/// Encodes a text for storing, as GLPI 10 does. What looks encoded already is encoded again: [`decode`] gives back exactly `text`.
#[must_use]
pub fn encode(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>']) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&#38;"),
            '<' => out.push_str("&#60;"),
            '>' => out.push_str("&#62;"),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// A text with backslashes as `MySQL`'s `real_escape_string` sets them. Never for SQL: the plugin sends `cmd.exec` like that to
/// agents, and comparing with it needs the same bytes.
#[must_use]
pub fn sql_escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let escaped = match c {
            '\0' => '0',
            '\n' => 'n',
            '\r' => 'r',
            '\u{1a}' => 'Z',
            '\\' | '\'' | '"' => c,
            c => {
                out.push(c);
                continue;
            }
        };
        out.push('\\');
        out.push(escaped);
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn decoding() {
        let cases = [
            ("plain", "plain"),
            ("a&#38;b&#60;c&#62;", "a&b<c>"),
            ("&#38;#60;", "&#60;"),
            ("&#38;lt;", "&lt;"),
            ("&#38;#38;", "&#38;"),
            ("a&lt;b&gt;", "a<b>"),
            ("a & b &lt;", "a & b <"),
            ("&amp;lt;", "&amp;lt;"),
            ("&lt;&#60;", "&lt;<"),
            ("a & b", "a & b"),
            ("&quot;&#39;", "&quot;&#39;"),
        ];
        for (stored, text) in cases {
            assert_eq!(decode(stored), text, "{stored}");
        }
    }

    #[test]
    fn encoding() {
        assert_eq!(encode("a&b<c>\"'"), "a&#38;b&#60;c&#62;\"'");
        assert!(matches!(encode("a"), Cow::Borrowed("a")));
        assert!(matches!(decode("a & b"), Cow::Borrowed(_)));
    }

    #[test]
    fn escaping() {
        assert_eq!(
            sql_escape("a\"b'c\\d\0\n\r\u{1a}é%_"),
            "a\\\"b\\'c\\\\d\\0\\n\\r\\Zé%_"
        );
    }

    proptest! {
        #[test]
        fn decode_undoes_encode(text in "([&<>;#ltg368]|.){0,40}") {
            let encoded = encode(&text).into_owned();
            prop_assert!(!encoded.contains(['<', '>']));
            prop_assert_eq!(decode(&encoded), text.as_str());
        }

        #[test]
        fn no_quote_stays_bare(text in ".*") {
            let escaped = sql_escape(&text);
            let mut chars = escaped.chars();
            while let Some(c) = chars.next() {
                prop_assert!(!matches!(c, '"' | '\'' | '\n' | '\0'));
                if c == '\\' {
                    prop_assert!(chars.next().is_some());
                }
            }
        }
    }
}
