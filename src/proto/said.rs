//! What PHP says to a message that was delivered to it.

use super::charset::to_utf8;
use super::envelope::{Coding, inflate, open};
use crate::domain::delivery::answer::Said;

/// How far behind warnings of PHP a packed reply is looked for, bytes.
const FAR: usize = 64 << 10;

/// How many places that look like the begin of a packed reply are tried.
const PLACES: usize = 64;

/// Longest error that is kept, characters.
const LONGEST: usize = 300;

/// What an answer of content type `kind` with this body is; inflated it may have `max` bytes.
#[must_use]
pub fn said(kind: Option<&str>, body: &[u8], max: usize) -> Said {
    let whole = open(kind, body, max).ok();
    let text = whole.as_ref().map(|opened| to_utf8(&opened.body));
    let plain = to_utf8(body);
    let found = text
        .as_deref()
        .and_then(reply)
        .or_else(|| reply(&plain))
        // The plugin (10.0.6+1.1) lets PHP print warnings, and prints some of its own, in front of the packed reply.
        .or_else(|| {
            let places = packed(body).take(PLACES);
            places.into_iter().find_map(|(coding, at)| {
                let text = inflate(coding, body.get(at..)?, max).ok()?;
                reply(&to_utf8(&text))
            })
        });
    if let Some(said) = found {
        return said;
    }
    let text = text.as_deref().unwrap_or(&plain);
    if text.trim().is_empty() {
        return Said::Nothing;
    }
    let begin: String = text.chars().take(FAR).collect();
    let begin = begin.to_ascii_lowercase();
    if begin.contains("<html") || begin.contains("<!doctype html") {
        Said::Page
    } else {
        Said::Garbled
    }
}

/// Where a packed text may begin.
fn packed(body: &[u8]) -> impl Iterator<Item = (Coding, usize)> {
    let begin = body.get(..FAR).unwrap_or(body);
    begin
        .windows(2)
        .enumerate()
        .filter_map(|(at, pair)| match pair {
            [0x78, 0x01 | 0x5e | 0x9c | 0xda] => Some((Coding::Zlib, at)),
            [0x1f, 0x8b] => Some((Coding::Gzip, at)),
            _ => None,
        })
}

/// The reply in `text`, whole or a sign that it was cut off; none if there is none.
fn reply(text: &str) -> Option<Said> {
    let (_, behind) = text.split_once("<REPLY")?;
    if behind.trim_start().starts_with("/>") {
        return Some(Said::Reply);
    }
    let Some((inside, _)) = behind.split_once("</REPLY>") else {
        return Some(Said::Garbled);
    };
    let Some((_, error)) = inside.split_once("<ERROR>") else {
        return Some(Said::Reply);
    };
    let (error, _) = error.split_once("</ERROR>").unwrap_or((error, ""));
    let error = error.trim();
    let error = error.strip_prefix("<![CDATA[").unwrap_or(error);
    let error = error.strip_suffix("]]>").unwrap_or(error);
    Some(Said::Error(error.chars().take(LONGEST).collect()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;
    use crate::proto::envelope::seal;

    const EMPTY: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<REPLY>\n</REPLY>\n";

    fn error(text: &str) -> Said {
        Said::Error(text.to_owned())
    }

    #[rstest]
    #[case::empty_reply(EMPTY, Said::Reply)]
    #[case::native("<REPLY><RESPONSE>SEND</RESPONSE></REPLY>", Said::Reply)]
    #[case::short("<REPLY/>", Said::Reply)]
    #[case::error(
        "<REPLY>\n   <ERROR>XML not well formed!</ERROR>\n</REPLY>",
        error("XML not well formed!")
    )]
    #[case::cdata("<REPLY><ERROR><![CDATA[no]]></ERROR></REPLY>", error("no"))]
    #[case::cut("<?xml version=\"1.0\"?>\n<REPLY>\n", Said::Garbled)]
    #[case::page("<!DOCTYPE html><title>GLPI</title>", Said::Page)]
    #[case::page_below_warnings("Warning: x\n<HTML><body>", Said::Page)]
    #[case::nothing(" \n", Said::Nothing)]
    #[case::json("{}", Said::Garbled)]
    fn replies_are_told_from_what_else_comes(
        #[case] text: &str,
        #[case] expected: Said,
        #[values(Coding::Plain, Coding::Zlib, Coding::Gzip)] coding: Coding,
    ) {
        let body = seal(text, coding);
        for kind in [Some(coding.content_type()), None, Some("text/html")] {
            assert_eq!(said(kind, &body, 1 << 20), expected, "{kind:?}");
        }
    }

    #[test]
    fn a_packed_reply_is_found_behind_warnings() {
        let mut body = b"<br />\n<b>Deprecated</b>: x\x1f\x8b in y\n".to_vec();
        body.extend(seal(EMPTY, Coding::Zlib));
        for kind in ["application/x-compress-zlib", "text/html"] {
            assert_eq!(said(Some(kind), &body, 1 << 20), Said::Reply);
        }
    }

    #[test]
    fn what_is_cut_off_is_no_reply() {
        let body = seal(EMPTY, Coding::Zlib);
        for length in 1..body.len() - 5 {
            let kind = Some(Coding::Zlib.content_type());
            let said = said(kind, &body[..length], 1 << 20);
            assert!(said != Said::Reply, "{length} of {}", body.len());
        }
        assert_eq!(said(None, b"", 1 << 20), Said::Nothing);
    }

    proptest! {
        #[test]
        fn anything_at_all_is_something(body: Vec<u8>) {
            let said = said(Some("application/x-compress-zlib"), &body, 1 << 16);
            prop_assert!(!body.is_empty() || said == Said::Nothing);
        }
    }
}
