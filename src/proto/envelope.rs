//! Compression of messages: which coding a body has, and in which its answer goes out.
//!
//! Agents name the coding in the content type. OCS agents name none that the plugin knows, so that any other type means: try.
//! Nothing here inflates more than its caller allows, and a stream that breaks off is an error, never half a document.

use std::io::{BufRead, Read, Write};

use flate2::Compression;
use flate2::bufread::{DeflateDecoder, GzDecoder, ZlibDecoder};
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

/// Bytes inflated at a time: how far a bomb is followed past the limit.
const CHUNK: usize = 16 * 1024;

/// Bytes that are kept while it is not known how long the whole is: more than most inventories have.
const KEPT: usize = 4 * 1024 * 1024;

/// Leading bytes of a raw deflate body that OCS agent 2.0 sends before the stream (they are a zlib header; its checksum is missing).
const OCS_JUNK: usize = 2;

/// How a message is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Coding {
    /// Not at all.
    Plain,
    /// RFC 1950.
    Zlib,
    /// RFC 1952.
    Gzip,
    /// RFC 1951, without any header.
    Deflate,
}

impl Coding {
    /// The content type of an answer in this coding (plugin 10.0.6+1.1).
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Plain => "application/xml",
            Self::Zlib => "application/x-compress-zlib",
            Self::Gzip => "application/x-compress-gzip",
            Self::Deflate => "application/x-compress-deflate",
        }
    }
}

/// A body without its compression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The document's bytes, in whatever charset.
    pub body: Vec<u8>,
    /// The coding that the answer has to have.
    pub answer: Coding,
}

/// Why a body could not be opened. Each variant tells in which coding the agent expects to hear of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// It inflates to more than the limit.
    #[error("the body inflates to more than {limit} bytes")]
    TooLarge {
        /// The limit, bytes.
        limit: usize,
        /// Coding of the answer.
        answer: Coding,
    },
    /// Declared as zlib or gzip, but it is not, or breaks off, or its checksum is wrong.
    #[error("the body is not the complete {answer:?} stream that its content type declares")]
    Corrupt {
        /// Coding of the answer.
        answer: Coding,
    },
}

impl OpenError {
    /// The coding that the answer has to have.
    #[must_use]
    pub fn answer(&self) -> Coding {
        match self {
            Self::TooLarge { answer, .. } | Self::Corrupt { answer } => *answer,
        }
    }
}

/// Takes the compression off `body`.
///
/// The content type decides, without regard to case and parameters; for any other type zlib, gzip, raw deflate after two junk bytes
/// (OCS agent 2.0), raw deflate, and plain are tried in this order. At most `max_inflated` bytes are kept; a plain body is
/// taken as it is, its length is the listener's matter.
///
/// # Errors
/// See [`OpenError`]. With a type that declares nothing only `TooLarge` occurs.
pub fn open(
    content_type: Option<&str>,
    body: &[u8],
    max_inflated: usize,
) -> Result<Opened, OpenError> {
    let Some(coding) = content_type.and_then(declared) else {
        return guess(body, max_inflated);
    };
    match inflate(coding, body, max_inflated) {
        Ok(body) => Ok(Opened {
            body,
            answer: coding,
        }),
        Err(Stop::TooLarge) => Err(OpenError::TooLarge {
            limit: max_inflated,
            answer: coding,
        }),
        Err(Stop::Corrupt) => Err(OpenError::Corrupt { answer: coding }),
    }
}

/// Compresses `text` for an answer.
#[must_use]
#[expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "writing to a Vec cannot fail"
)]
pub fn seal(text: &str, coding: Coding) -> Vec<u8> {
    let level = Compression::default();
    let written = match coding {
        Coding::Plain => Ok(text.as_bytes().to_vec()),
        Coding::Zlib => {
            let mut to = ZlibEncoder::new(Vec::new(), level);
            to.write_all(text.as_bytes()).and_then(|()| to.finish())
        }
        Coding::Gzip => {
            let mut to = GzEncoder::new(Vec::new(), level);
            to.write_all(text.as_bytes()).and_then(|()| to.finish())
        }
        Coding::Deflate => {
            let mut to = DeflateEncoder::new(Vec::new(), level);
            to.write_all(text.as_bytes()).and_then(|()| to.finish())
        }
    };
    written.expect("a Vec takes every write")
}

/// The coding that a Content-Type declares, in any case; none for one that says nothing of it.
#[must_use]
pub fn declared(content_type: &str) -> Option<Coding> {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    [Coding::Plain, Coding::Zlib, Coding::Gzip]
        .into_iter()
        .find(|coding| essence.eq_ignore_ascii_case(coding.content_type()))
}

fn guess(body: &[u8], max_inflated: usize) -> Result<Opened, OpenError> {
    let too_large = |answer| OpenError::TooLarge {
        limit: max_inflated,
        answer,
    };
    for answer in [Coding::Zlib, Coding::Gzip] {
        match inflate(answer, body, max_inflated) {
            Ok(body) => return Ok(Opened { body, answer }),
            Err(Stop::TooLarge) => return Err(too_large(answer)),
            Err(Stop::Corrupt) => {}
        }
    }
    for raw in [body.get(OCS_JUNK..), Some(body)].into_iter().flatten() {
        match inflate(Coding::Deflate, raw, max_inflated) {
            // Raw deflate has no header and no checksum: short plain bodies can happen to be a valid stream.
            Ok(body) if looks_like_markup(&body) => {
                let answer = if is_ocs_prolog(&body) {
                    Coding::Zlib
                } else {
                    Coding::Deflate
                };
                return Ok(Opened { body, answer });
            }
            Err(Stop::TooLarge) => return Err(too_large(Coding::Deflate)),
            Ok(_) | Err(Stop::Corrupt) => {}
        }
    }
    Ok(Opened {
        body: body.to_vec(),
        answer: Coding::Plain,
    })
}

/// The plugin looks for these very bytes, so that a PROLOG with blanks in its tags is answered in deflate.
fn is_ocs_prolog(body: &[u8]) -> bool {
    let has = |needle: &[u8]| body.windows(needle.len()).any(|part| part == needle);
    has(b"<QUERY>PROLOG</QUERY>") && !has(b"<TOKEN>")
}

/// Whether the first byte after marks, blanks and UTF-16's zeros is `<`.
fn looks_like_markup(body: &[u8]) -> bool {
    let ignorable = |byte: &u8| {
        byte.is_ascii_whitespace() || matches!(byte, 0 | 0xef | 0xbb | 0xbf | 0xfe | 0xff)
    };
    body.iter().find(|byte| !ignorable(byte)) == Some(&b'<')
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stop {
    TooLarge,
    Corrupt,
}

pub(super) fn inflate(coding: Coding, body: &[u8], limit: usize) -> Result<Vec<u8>, Stop> {
    match coding {
        Coding::Plain => Ok(body.to_vec()),
        // What follows a complete zlib or deflate stream is ignored, as PHP does.
        Coding::Zlib => read_bounded(|| ZlibDecoder::new(body), limit).map(|(out, _)| out),
        Coding::Deflate => read_bounded(|| DeflateDecoder::new(body), limit).map(|(out, _)| out),
        Coding::Gzip => {
            let (out, from) = read_bounded(|| GzDecoder::new(body), limit)?;
            // A second member would be lost silently; the plugin takes the last eight bytes as the checksum and refuses it too.
            let mut rest = from.into_inner();
            match rest.fill_buf() {
                Ok([]) => Ok(out),
                _ => Err(Stop::Corrupt),
            }
        }
    }
}

/// Reads a stream to its end; what it holds, and the stream.
///
/// Beyond [`KEPT`] bytes the rest is only counted, and a stream that turns out to fit is read again into a buffer of its very length: a bomb
/// takes no more memory than that, an honest message none that it does not fill.
fn read_bounded<R: Read>(open: impl Fn() -> R, limit: usize) -> Result<(Vec<u8>, R), Stop> {
    let mut from = open();
    let mut out = Vec::new();
    if drain(&mut from, limit.min(KEPT), |chunk| {
        out.extend_from_slice(chunk);
    })
    .map_err(|()| Stop::Corrupt)?
    .is_some()
    {
        return Ok((out, from));
    }
    drop(out);
    let len = drain(&mut open(), limit, |_| {})
        .map_err(|()| Stop::Corrupt)?
        .ok_or(Stop::TooLarge)?;
    let mut from = open();
    let mut out = Vec::with_capacity(len);
    drain(&mut from, len, |chunk| out.extend_from_slice(chunk)).map_err(|()| Stop::Corrupt)?;
    Ok((out, from))
}

/// Reads to the end; how many bytes it were, `None` once they are more than `limit`.
fn drain(
    from: &mut impl Read,
    limit: usize,
    mut take: impl FnMut(&[u8]),
) -> Result<Option<usize>, ()> {
    let mut chunk = [0; CHUNK];
    let mut len = 0;
    loop {
        let count = from.read(&mut chunk).map_err(drop)?;
        if count == 0 {
            return Ok(Some(len));
        }
        len += count;
        if len > limit {
            return Ok(None);
        }
        take(chunk.get(..count).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use flate2::{Compress, FlushCompress};
    use proptest::prelude::*;

    use super::*;

    const MAX: usize = 1 << 20;
    const PROLOG: &str =
        "<?xml version=\"1.0\"?><REQUEST><DEVICEID>d</DEVICEID><QUERY>PROLOG</QUERY></REQUEST>";
    const TOKEN: &str =
        "<REQUEST><DEVICEID>d</DEVICEID><QUERY>PROLOG</QUERY><TOKEN>1</TOKEN></REQUEST>";
    const INVENTORY: &str =
        "\u{feff}\n<REQUEST><DEVICEID>d</DEVICEID><QUERY>INVENTORY</QUERY></REQUEST>";

    /// A recorded message in the form that OCS agent 2.0 sends.
    const OCS: &[u8] =
        b"x\x9c\xb3\xb1\xaf\xc8\xcdQ(K-*\xce\xcc\xcf\xb3U2\xd43PRH\xcdK\xceO\xc9\xccK\xb7U\x0a\x0d\
          q\xd3\xb5P\xb2\xb7\xb3\x09r\x0d\x0cu\x0d\x0e\xb1\xb3qq\x0d\xf3tv\xf5t\xb1KMIO\xd55202\
          \xd350\x04#\x03\x08\xb2\xd1\x87+\xb1\x01\xea\x09\x8a\xb4\x0b\x08\xf2\xf7\xf1w\xb7\xd1\
          \x87\xf0l\xf4af\x01\x00";

    fn opened(text: &str, answer: Coding) -> Opened {
        Opened {
            body: text.as_bytes().to_vec(),
            answer,
        }
    }

    fn with_junk(body: &[u8]) -> Vec<u8> {
        [b"x\x9c", body].concat()
    }

    #[test]
    fn content_type_decides() {
        for coding in [Coding::Plain, Coding::Zlib, Coding::Gzip] {
            let name = coding.content_type();
            for declared in [
                name.to_owned(),
                name.to_uppercase(),
                format!(" {name} ; charset=utf-8"),
            ] {
                assert_eq!(
                    open(Some(&declared), &seal(PROLOG, coding), MAX),
                    Ok(opened(PROLOG, coding)),
                    "{declared}"
                );
            }
        }
    }

    #[test]
    fn any_other_type_is_tried() {
        let deflated = |text| seal(text, Coding::Deflate);
        let cases = [
            (seal(PROLOG, Coding::Zlib), PROLOG, Coding::Zlib),
            (seal(PROLOG, Coding::Gzip), PROLOG, Coding::Gzip),
            (seal(PROLOG, Coding::Plain), PROLOG, Coding::Plain),
            (with_junk(&deflated(PROLOG)), PROLOG, Coding::Zlib),
            (with_junk(&deflated(TOKEN)), TOKEN, Coding::Deflate),
            (with_junk(&deflated(INVENTORY)), INVENTORY, Coding::Deflate),
            (deflated(PROLOG), PROLOG, Coding::Zlib),
            (deflated(TOKEN), TOKEN, Coding::Deflate),
            (deflated(INVENTORY), INVENTORY, Coding::Deflate),
        ];
        for (body, text, answer) in cases {
            for name in [
                None,
                Some(""),
                Some("text/xml"),
                Some("application/octet-stream"),
                Some("application/x-compress-deflate"),
            ] {
                assert_eq!(
                    open(name, &body, MAX),
                    Ok(opened(text, answer)),
                    "{name:?} {text}"
                );
            }
        }
    }

    #[test]
    fn recorded_ocs_message() {
        let whole = open(Some("application/octet-stream"), OCS, MAX).unwrap();
        assert_eq!(whole.answer, Coding::Zlib);
        let text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><REQUEST><DEVICEID>edge-2026-01-01-00-00-00</DEVICEID>\
                    <QUERY>PROLOG</QUERY></REQUEST>";
        assert_eq!(str::from_utf8(&whole.body).unwrap(), text);
    }

    #[test]
    fn plain_text_that_is_a_deflate_stream_stays_plain() {
        // One fixed-Huffman block that holds `K` and nothing else.
        let body = seal("K", Coding::Deflate);
        assert_eq!(open(None, &body, MAX).unwrap().answer, Coding::Plain);
    }

    #[test]
    fn declared_but_not_so_is_corrupt_in_the_declared_coding() {
        for answer in [Coding::Zlib, Coding::Gzip] {
            let whole = seal(&PROLOG.repeat(50), answer);
            let mut flipped = whole.clone();
            *flipped.last_mut().unwrap() ^= 1;
            let mut bodies = vec![PROLOG.as_bytes().to_vec(), Vec::new(), flipped];
            bodies.extend((0..whole.len()).map(|len| whole[..len].to_vec()));
            for body in bodies {
                let result = open(Some(answer.content_type()), &body, MAX);
                assert_eq!(
                    result,
                    Err(OpenError::Corrupt { answer }),
                    "{} bytes",
                    body.len()
                );
            }
        }
        let twice = seal(PROLOG, Coding::Gzip).repeat(2);
        let corrupt = Err(OpenError::Corrupt {
            answer: Coding::Gzip,
        });
        assert_eq!(
            open(Some("application/x-compress-gzip"), &twice, MAX),
            corrupt
        );
    }

    #[test]
    fn limit_is_exact_in_every_coding() {
        let text = format!("<A>{}</A>", "x".repeat(100_000));
        for answer in [Coding::Zlib, Coding::Gzip, Coding::Deflate] {
            let body = seal(&text, answer);
            let whole = open(None, &body, text.len()).unwrap();
            assert_eq!(whole.body.len(), text.len());
            assert!(
                whole.body.capacity() <= 2 * text.len(),
                "{} bytes reserved",
                whole.body.capacity()
            );
            let limit = text.len() - 1;
            assert_eq!(
                open(None, &body, limit),
                Err(OpenError::TooLarge { limit, answer })
            );
        }
    }

    /// A raw deflate stream of `mebibytes` MiB of zeros, made of one block's bytes over and over.
    fn zeros(mebibytes: usize) -> Vec<u8> {
        let mut from = Compress::new(Compression::best(), false);
        let input = vec![0; 1 << 20];
        let mut block = Vec::with_capacity(8192);
        from.compress_vec(&input, &mut block, FlushCompress::Full)
            .unwrap();
        assert_eq!(from.total_in(), 1 << 20);
        block.repeat(mebibytes)
    }

    /// Highest resident size of this process so far, KiB.
    #[cfg(target_os = "linux")]
    fn peak() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmHWM:"))
            .unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    #[test]
    fn a_bomb_costs_no_memory() {
        let bomb = with_junk(&zeros(1024));
        assert!(bomb.len() < 2 << 20, "{} bytes", bomb.len());
        #[cfg(target_os = "linux")]
        let before = peak();
        for (name, answer) in [
            (Some("application/x-compress-zlib"), Coding::Zlib),
            (None, Coding::Zlib),
        ] {
            assert_eq!(
                open(name, &bomb, MAX),
                Err(OpenError::TooLarge { limit: MAX, answer })
            );
        }
        let raw = OpenError::TooLarge {
            limit: MAX,
            answer: Coding::Deflate,
        };
        assert_eq!(open(None, &bomb[2..], MAX), Err(raw));
        #[cfg(target_os = "linux")]
        assert!(peak() - before < 512 * 1024, "{} KiB more", peak() - before);
    }

    proptest! {
        #[test]
        fn opens_what_it_sealed(text in "<[^\u{0}]{0,200}") {
            for coding in [Coding::Plain, Coding::Zlib, Coding::Gzip] {
                let whole = open(Some(coding.content_type()), &seal(&text, coding), MAX).unwrap();
                prop_assert_eq!(&whole.body, text.as_bytes());
                prop_assert_eq!(whole.answer, coding);
            }
            let sealed = seal(&text, Coding::Deflate);
            // Without its first two bytes it can happen to be a stream too, as for `<.<`: then it is an OCS agent's.
            let junk = inflate(Coding::Deflate, &sealed[OCS_JUNK..], MAX);
            prop_assume!(!junk.is_ok_and(|body| looks_like_markup(&body)));
            let whole = open(None, &sealed, MAX).unwrap();
            prop_assert_eq!(&whole.body, text.as_bytes());
        }

        #[test]
        fn never_panics(body in proptest::collection::vec(any::<u8>(), 0..300), kind in 0..4_usize, limit in 0..400_usize) {
            let name = [None, Some("application/xml"), Some("application/x-compress-zlib"), Some("application/x-compress-gzip")][kind];
            if let Ok(whole) = open(name, &body, limit) {
                prop_assert!(whole.answer == Coding::Plain || whole.body.len() <= limit);
            }
        }
    }
}
