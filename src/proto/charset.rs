//! Any charset to UTF-8, before the XML parser sees the text.
//!
//! Order of trust: byte order mark, UTF-16 that shows in its first character, the XML declaration if the bytes fit it, UTF-8 if the bytes
//! fit it, Windows-1252, which fits anything.

use std::borrow::Cow;
use std::ops::Range;

use encoding_rs::{Encoding, REPLACEMENT, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252, mem};

/// How far the end of an XML declaration is looked for, bytes.
const DECLARATION: usize = 256;

/// Names of ISO 8859-1. `encoding_rs` reads them as Windows-1252, as browsers do. PHP's parser reads them literally, and a device id
/// is a key that both programs look up: the bytes 0x80-0x9f stay control characters here too.
const LATIN1: [&str; 8] = [
    "iso-8859-1",
    "iso8859-1",
    "iso88591",
    "iso_8859-1",
    "latin1",
    "l1",
    "cp819",
    "ibm819",
];

/// The text of a document. Never fails: bytes that fit nothing else are Windows-1252.
///
/// No byte order mark is left, nor an `encoding=` in the XML declaration that names another charset than UTF-8.
#[must_use]
pub fn to_utf8(body: &[u8]) -> Cow<'_, str> {
    without_encoding(decode(body))
}

fn decode(body: &[u8]) -> Cow<'_, str> {
    if let Some((encoding, mark)) = Encoding::for_bom(body) {
        let body = body.get(mark..).unwrap_or_default();
        return if encoding == UTF_8 {
            undeclared(body)
        } else {
            encoding.decode_without_bom_handling(body).0
        };
    }
    match body {
        [b'<', 0, ..] => return UTF_16LE.decode_without_bom_handling(body).0,
        [0, b'<', ..] => return UTF_16BE.decode_without_bom_handling(body).0,
        _ => {}
    }
    declared(body).unwrap_or_else(|| undeclared(body))
}

/// `None` when nothing usable is declared, or when the bytes are not what is declared.
fn declared(body: &[u8]) -> Option<Cow<'_, str>> {
    let label = body.get(encoding_of(body)?.label)?;
    if LATIN1
        .iter()
        .any(|name| label.eq_ignore_ascii_case(name.as_bytes()))
    {
        return Some(mem::decode_latin1(body));
    }
    let encoding = Encoding::for_label(label)?;
    // A declaration that could be read byte by byte is not UTF-16.
    if [UTF_8, UTF_16LE, UTF_16BE, REPLACEMENT].contains(&encoding) {
        return None;
    }
    encoding.decode_without_bom_handling_and_without_replacement(body)
}

fn undeclared(body: &[u8]) -> Cow<'_, str> {
    match str::from_utf8(body) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => WINDOWS_1252.decode_without_bom_handling(body).0,
    }
}

/// Places in a document, bytes from its start.
struct Declared {
    /// The charset's name.
    label: Range<usize>,
    /// ` encoding="…"` with the blanks before it.
    whole: Range<usize>,
}

fn encoding_of(document: &[u8]) -> Option<Declared> {
    let head = document.get(..document.len().min(DECLARATION))?;
    head.strip_prefix(b"<?xml")
        .filter(|rest| rest.first().is_some_and(u8::is_ascii_whitespace))?;
    let end = head.windows(2).position(|pair| pair == b"?>")?;
    let head = head.get(..end)?;
    let word = b"encoding";
    let start = head.windows(word.len()).position(|part| part == word)?;
    let blanks = |from: usize| {
        head.iter()
            .skip(from)
            .take_while(|byte| byte.is_ascii_whitespace())
            .count()
    };
    let equals = start + word.len() + blanks(start + word.len());
    if head.get(equals) != Some(&b'=') {
        return None;
    }
    let open = equals + 1 + blanks(equals + 1);
    let quote = head.get(open).filter(|byte| matches!(byte, b'"' | b'\''))?;
    let length = head.iter().skip(open + 1).position(|byte| byte == quote)?;
    let before = head
        .iter()
        .take(start)
        .rev()
        .take_while(|byte| byte.is_ascii_whitespace())
        .count();
    Some(Declared {
        label: open + 1..open + 1 + length,
        whole: start - before..open + length + 2,
    })
}

/// A declaration may name several charsets, though it must not; each one that is not UTF-8's goes, until there is none before it.
fn without_encoding(text: Cow<'_, str>) -> Cow<'_, str> {
    let mut text = text;
    while let Some(found) = encoding_of(text.as_bytes()) {
        let label = text.get(found.label).unwrap_or_default();
        if label.eq_ignore_ascii_case("utf-8") {
            break;
        }
        text.to_mut().replace_range(found.whole, "");
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn every_kind_of_document() {
        let latin1 = b"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><A>\xe9t\xe9</A>".to_vec();
        let cases: Vec<(&str, Vec<u8>, &str)> = vec![
            ("utf-8", "<A>été</A>".into(), "<A>été</A>"),
            (
                "two charsets declared",
                b"<?xml encoding='nosuch' encoding='ISO-8859-1'?><A>\xe9</A>".to_vec(),
                "<?xml?><A>é</A>",
            ),
            (
                "utf-8 declared behind another",
                "<?xml encoding='nosuch' encoding='UTF-8'?><A>é</A>".into(),
                "<?xml encoding='UTF-8'?><A>é</A>",
            ),
            ("utf-8 with mark", "\u{feff}<A>été</A>".into(), "<A>été</A>"),
            (
                "recorded: latin-1 declared",
                latin1,
                "<?xml version=\"1.0\"?><A>été</A>",
            ),
            (
                "recorded: latin-1 undeclared",
                b"<A>\xe9dge</A>".to_vec(),
                "<A>édge</A>",
            ),
            (
                "utf-8 declared but not so",
                b"<?xml encoding='utf-8'?><A>\xe9</A>".to_vec(),
                "<?xml encoding='utf-8'?><A>é</A>",
            ),
            (
                "mark but not utf-8",
                b"\xef\xbb\xbf<A>\xe9</A>".to_vec(),
                "<A>é</A>",
            ),
            (
                "declared latin-1 is literal",
                b"<?xml encoding='latin1'?>\x80".to_vec(),
                "<?xml?>\u{80}",
            ),
            (
                "undeclared is windows-1252",
                b"<A>\x80\x81</A>".to_vec(),
                "<A>€\u{81}</A>",
            ),
            (
                "windows-1252",
                b"<?xml encoding='Windows-1252'?>\x80".to_vec(),
                "<?xml?>€",
            ),
            (
                "windows-1251",
                b"<?xml encoding = 'windows-1251'  ?>\xff".to_vec(),
                "<?xml  ?>я",
            ),
            (
                "unknown name",
                "<?xml encoding='none-such'?>é".into(),
                "<?xml?>é",
            ),
            (
                "unusable name",
                "<?xml encoding='iso-2022-kr'?>é".into(),
                "<?xml?>é",
            ),
            (
                "utf-16 declared in bytes",
                "<?xml encoding='utf-16'?>é".into(),
                "<?xml?>é",
            ),
            (
                "not shift_jis",
                b"<?xml encoding='shift_jis'?>\xff".to_vec(),
                "<?xml?>ÿ",
            ),
            (
                "no declaration",
                b"<A encoding='latin1'>\xc3\xa9</A>".to_vec(),
                "<A encoding='latin1'>é</A>",
            ),
            ("empty", Vec::new(), ""),
        ];
        all(cases);
    }

    #[test]
    fn utf16_with_and_without_mark() {
        all(vec![
            (
                "utf-16le",
                utf16("\u{feff}<?xml encoding='utf-16'?>é", u16::to_le_bytes),
                "<?xml?>é",
            ),
            (
                "utf-16be",
                utf16("\u{feff}<A>é</A>", u16::to_be_bytes),
                "<A>é</A>",
            ),
            (
                "utf-16le without mark",
                utf16("<A>é</A>", u16::to_le_bytes),
                "<A>é</A>",
            ),
            (
                "utf-16be without mark",
                utf16("<A>é</A>", u16::to_be_bytes),
                "<A>é</A>",
            ),
        ]);
    }

    fn all(cases: Vec<(&str, Vec<u8>, &str)>) {
        for (name, body, text) in cases {
            assert_eq!(to_utf8(&body), text, "{name}");
        }
    }

    #[test]
    fn utf8_is_not_copied() {
        assert!(matches!(
            to_utf8("<?xml version='1.0' encoding='UTF-8'?><A>é</A>".as_bytes()),
            Cow::Borrowed(_)
        ));
    }

    proptest! {
        #[test]
        fn never_panics(head in "(<\\?xml ?)?(encoding ?=? ?['\"]?)?[a-z0-9-]{0,12}['\"]?(\\?>)?", tail in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = to_utf8(&[head.as_bytes(), &tail].concat());
        }

        #[test]
        fn utf8_comes_back(text in "<[^\u{0}\u{feff}?][^\u{feff}]{0,60}") {
            prop_assert_eq!(to_utf8(text.as_bytes()), text.as_str());
        }
    }
}
