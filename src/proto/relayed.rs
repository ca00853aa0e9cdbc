//! Messages that PHP reads again: whether its parser finds in the bytes what was judged here.
//!
//! PHP (plugin 10.0.6+1.1) lets libxml read the bytes. What it refuses is read again in the charset that PHP guesses (for ASCII that may be
//! UTF-7, in which other fields stand), and then once more without whatever stands between `<FOLDER>` and `</SOURCE>` in a line. So nothing that
//! libxml may refuse is passed on.

use super::envelope::{Coding, Opened, inflate};
use super::xml::{Limits, Request, judge_request};

/// How far the end of an XML declaration may be, bytes.
const DECLARATION: usize = 256;

/// The flag of gzip that a file's name stands in front (RFC 1952, 2.3.1).
const FILE_NAME: u8 = 0x08;

/// The mark of UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// Charsets of one byte a character in which ASCII is itself, for every decoder, beside the numbered ones.
const SINGLE_BYTE: [&str; 9] = [
    "us-ascii",
    "iso8859-1",
    "iso88591",
    "iso_8859-1",
    "latin1",
    "l1",
    "cp819",
    "ibm819",
    "cp1252",
];

/// What the bytes of a document are, as far as every decoder agrees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Charset {
    /// UTF-8, declared or not.
    Utf8,
    /// ISO 8859-1.
    Latin1,
    /// Another one that leaves ASCII as it is.
    Ascii,
}

/// Whether PHP finds the fields of `request` in `body`, a message without its compression that was read here as `text`.
#[must_use]
pub fn reads_alike(body: &[u8], text: &str, request: &Request, limits: &Limits) -> bool {
    // UTF-16 and UTF-32 hold zeros, and so does nothing else.
    if body.contains(&0) {
        return false;
    }
    let Some(charset) = charset(body) else {
        return false;
    };
    let whole = match charset {
        Charset::Utf8 => str::from_utf8(body).is_ok(),
        Charset::Latin1 => true,
        Charset::Ascii => false,
    };
    (whole || fields(request).all(str::is_ascii)) && survives_cut(text, request, limits)
}

/// The content type under which the plugin opens `body` as it was opened here; none when it would not.
#[must_use]
pub fn relayed_as(opened: &Opened, body: &[u8], max_inflated: usize) -> Option<&'static str> {
    // The plugin's own reader of gzip looks for the extra field's length in the wrong place, and would unpack another stream.
    if opened.answer == Coding::Gzip && body.get(3).is_none_or(|flags| flags & !FILE_NAME != 0) {
        return None;
    }
    if opened.answer != Coding::Deflate {
        return Some(opened.answer.content_type());
    }
    // The plugin has no name for it, and tries it last, behind two bytes.
    let stream = body.strip_prefix(b"x\x9c")?;
    let text = inflate(Coding::Deflate, stream, max_inflated).ok()?;
    (text == opened.body).then_some("application/x-compress")
}

/// The fields that are judged.
fn fields(request: &Request) -> impl Iterator<Item = &str> {
    [
        &request.device_id,
        &request.query,
        &request.token,
        &request.module_version,
        &request.version_client,
        &request.process_number,
    ]
    .into_iter()
    .filter_map(|field| field.as_deref())
}

/// The charset of a document; none when decoders may differ about it.
fn charset(body: &[u8]) -> Option<Charset> {
    let (marked, document) = match body.strip_prefix(MARK) {
        Some(rest) => (true, rest),
        None => (false, body),
    };
    // Marks of UTF-16.
    if document.starts_with(b"\xfe\xff") || document.starts_with(b"\xff\xfe") {
        return None;
    }
    let Some(rest) = document.strip_prefix(b"<?xml") else {
        return Some(Charset::Utf8);
    };
    // Another instruction, such as a style sheet's.
    if !rest.first().is_some_and(u8::is_ascii_whitespace) {
        return Some(Charset::Utf8);
    }
    let head = rest.get(..rest.len().min(DECLARATION))?;
    let end = head.windows(2).position(|pair| pair == b"?>")?;
    let declaration = str::from_utf8(head.get(..end)?).ok()?;
    let label = encoding(declaration)?.to_ascii_lowercase();
    if label == "utf-8" {
        return Some(Charset::Utf8);
    }
    if marked {
        return None;
    }
    if label == "iso-8859-1" {
        return Some(Charset::Latin1);
    }
    let numbered = |family: &str, numbers: std::ops::RangeInclusive<u8>| {
        let number = label.strip_prefix(family);
        let plain = number.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        plain
            .and_then(|digits| digits.parse().ok())
            .is_some_and(|number| numbers.contains(&number))
    };
    let known = SINGLE_BYTE.contains(&label.as_str())
        || numbered("iso-8859-", 1..=16)
        || numbered("windows-125", 0..=8);
    known.then_some(Charset::Ascii)
}

/// The charset that a declaration names, UTF-8 if it names none; none when the declaration is not exactly as XML 1.0 has it.
fn encoding(declaration: &str) -> Option<&str> {
    let mut rest = declaration;
    let mut names = ["version", "encoding", "standalone"].into_iter();
    let mut label = "utf-8";
    let mut any = false;
    let blank = |c: char| matches!(c, ' ' | '\t' | '\r' | '\n');
    while !rest.trim_start_matches(blank).is_empty() {
        let part = rest.trim_start_matches(blank);
        if part.len() == rest.len() {
            return None;
        }
        let (name, value) = part.split_once('=')?;
        let name = name.trim_end_matches(blank);
        let value = value.trim_start_matches(blank);
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let (value, behind) = value.get(1..)?.split_once(quote)?;
        names.find(|expected| *expected == name)?;
        match name {
            "version" if value == "1.0" => any = true,
            "encoding" if any => label = value,
            "standalone" if any && matches!(value, "yes" | "no") => {}
            _ => return None,
        }
        rest = behind;
    }
    any.then_some(label)
}

/// Whether the fields are the same in what PHP reads when it could not read the whole.
fn survives_cut(text: &str, request: &Request, limits: &Limits) -> bool {
    cut(text).is_none_or(|left| match judge_request(&left, limits) {
        Ok((again, clear)) => clear && again == *request,
        // PHP cannot read it either.
        Err(_) => true,
    })
}

/// `text` without what stands between `<FOLDER>` and `</SOURCE>` in a line, these included; none when there is no such place.
fn cut(text: &str) -> Option<String> {
    const BEGIN: &str = "<FOLDER>";
    const END: &str = "</SOURCE>";
    let mut left = String::new();
    let mut any = false;
    for line in text.split_inclusive('\n') {
        let mut rest = line;
        while let Some((before, inside)) = rest.split_once(BEGIN)
            && let Some((_, behind)) = inside.split_once(END)
        {
            left.push_str(before);
            rest = behind;
            any = true;
        }
        left.push_str(rest);
    }
    any.then_some(left)
}

#[cfg(test)]
mod tests;
