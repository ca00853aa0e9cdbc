//! A file from disk as an answer: the parts of packages that agents fetch.
//!
//! tower-http's `ServeFile` does not fit: its entity tag comes from the file's time, which differs between hosts that
//! serve the same repository; it knows no If-Range and refuses several ranges.

use std::io::{self, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use axum::body::Body;
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    ETAG, IF_NONE_MATCH, IF_RANGE, RANGE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::Response;
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;

/// Bytes read at once: large enough that the blocking pool is rarely asked, small enough for many downloads at a time.
const CHUNK: usize = 64 * 1024;

/// Why a file cannot be sent. None of them names the path: they may reach the client.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// There is no regular file of that name.
    #[error("no such file")]
    Missing,
    /// The file is there, but may not be read.
    #[error("file is not readable")]
    Unreadable,
    /// Reading failed.
    #[error("file could not be read: {0}")]
    Io(io::ErrorKind),
}

impl From<io::Error> for FileError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Self::Missing,
            io::ErrorKind::PermissionDenied => Self::Unreadable,
            kind => Self::Io(kind),
        }
    }
}

/// Which bytes a Range header asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RangeOutcome {
    /// All: no range, one that is not understood, or several of them.
    Whole,
    /// These, both ends included.
    Part {
        /// Offset of the first byte.
        first: u64,
        /// Offset of the last byte.
        last: u64,
    },
    /// None that the file has.
    Unsatisfiable,
}

/// Reads a Range header (RFC 9110, 14.2) for a file of `len` bytes.
///
/// Several ranges are answered with the whole file, which the RFC allows and every client must take.
fn parse_range(header: &str, len: u64) -> RangeOutcome {
    let Some((unit, set)) = header.split_once('=') else {
        return RangeOutcome::Whole;
    };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return RangeOutcome::Whole;
    }
    let Some((first, last)) = set.trim().split_once('-') else {
        return RangeOutcome::Whole;
    };
    match (first, offset(first), last, offset(last)) {
        ("", _, _, Some(suffix)) if suffix == 0 || len == 0 => RangeOutcome::Unsatisfiable,
        ("", _, _, Some(suffix)) => RangeOutcome::Part {
            first: len.saturating_sub(suffix),
            last: len - 1,
        },
        (_, Some(first), "", _) if first >= len => RangeOutcome::Unsatisfiable,
        (_, Some(first), "", _) => RangeOutcome::Part {
            first,
            last: len - 1,
        },
        (_, Some(first), _, Some(last)) if first > last => RangeOutcome::Whole,
        (_, Some(first), _, Some(_)) if first >= len => RangeOutcome::Unsatisfiable,
        (_, Some(first), _, Some(last)) => RangeOutcome::Part {
            first,
            last: last.min(len - 1),
        },
        _ => RangeOutcome::Whole,
    }
}

/// A number of digits only. One too large for us is larger than any file: the largest we have stands for it.
fn offset(digits: &str) -> Option<u64> {
    let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    all_digits.then(|| digits.parse().unwrap_or(u64::MAX))
}

/// Answers GET or HEAD with the file at `path`, whose content has the hash `sha512`: its name for the client and its
/// strong entity tag.
///
/// The headers are those of the plugin (10.0.6+1.1), without its Expires and Pragma, and those of ranges. The last
/// component of `path` is not followed if it is a link: what may write into the repository must not choose which files of
/// the host are sent.
///
/// # Errors
///
/// [`FileError`]; all but [`FileError::Missing`] are logged here with the path.
pub async fn send(
    path: &Path,
    headers: &HeaderMap,
    method: &Method,
    sha512: &str,
) -> Result<Response, FileError> {
    let answer = answer(path, headers, method, sha512).await;
    if let Err(error @ (FileError::Unreadable | FileError::Io(_))) = &answer {
        tracing::error!(path = %path.display(), %error, "cannot send file");
    }
    answer
}

async fn answer(
    path: &Path,
    headers: &HeaderMap,
    method: &Method,
    sha512: &str,
) -> Result<Response, FileError> {
    // A hash that no header can hold names no file of a repository.
    let header = |text: String| HeaderValue::try_from(text).map_err(|_| FileError::Missing);
    let etag = header(format!("\"{sha512}\""))?;
    let disposition = header(format!("attachment; filename={sha512}"))?;

    let (mut file, len) = open(path).await?;
    let mut response = Response::new(Body::empty());
    let sent = response.headers_mut();
    sent.insert(
        CACHE_CONTROL,
        HeaderValue::from_static("must-revalidate, post-check=0, pre-check=0"),
    );
    sent.insert(ETAG, etag.clone());
    sent.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if none_match_fails(headers, &etag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(response);
    }

    let (first, size) = match range(headers, method, &etag, len) {
        RangeOutcome::Whole => (0, len),
        RangeOutcome::Part { first, last } => {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            let range = header(format!("bytes {first}-{last}/{len}"))?;
            response.headers_mut().insert(CONTENT_RANGE, range);
            (first, last - first + 1)
        }
        RangeOutcome::Unsatisfiable => {
            *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
            response
                .headers_mut()
                .insert(CONTENT_RANGE, header(format!("bytes */{len}"))?);
            return Ok(response);
        }
    };
    let sent = response.headers_mut();
    sent.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/octet-stream"),
    );
    sent.insert(CONTENT_DISPOSITION, disposition);
    sent.insert(
        HeaderName::from_static("content-transfer-encoding"),
        HeaderValue::from_static("binary"),
    );
    sent.insert(CONTENT_LENGTH, size.into());
    if method != Method::HEAD {
        if first > 0 {
            file.seek(SeekFrom::Start(first)).await?;
        }
        // A file that grows meanwhile is cut here; one that shrinks makes the connection break off before Content-Length.
        *response.body_mut() =
            Body::from_stream(ReaderStream::with_capacity(file.take(size), CHUNK));
    }
    Ok(response)
}

/// The file and its length, if the last component of `path` is a regular file.
async fn open(path: &Path) -> Result<(File, u64), FileError> {
    let named = tokio::fs::symlink_metadata(path).await?;
    // Asked before opening, as opening a named pipe waits for its writer.
    if !named.is_file() {
        return Err(FileError::Missing);
    }
    let file = File::open(path).await?;
    let opened = file.metadata().await?;
    // Replaced by a link between the two calls.
    if (opened.dev(), opened.ino()) != (named.dev(), named.ino()) {
        return Err(FileError::Missing);
    }
    Ok((file, opened.len()))
}

/// Whether If-None-Match names our tag (weak comparison; the tag, being a hash, holds no comma).
fn none_match_fails(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let values = headers.get_all(IF_NONE_MATCH).iter();
    let mut tags = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    tags.any(|tag| {
        let tag = tag.trim_ascii();
        tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == etag.as_bytes()
    })
}

/// The range to send: only GET has one (RFC 9110, 14.2), and If-Range must name our tag (strong comparison; a date never
/// matches, as no Last-Modified is sent).
fn range(headers: &HeaderMap, method: &Method, etag: &HeaderValue, len: u64) -> RangeOutcome {
    if method != Method::GET || headers.get(IF_RANGE).is_some_and(|tag| tag != etag) {
        return RangeOutcome::Whole;
    }
    let mut ranges = headers.get_all(RANGE).iter();
    match (ranges.next().map(HeaderValue::to_str), ranges.next()) {
        (Some(Ok(range)), None) => parse_range(range, len),
        _ => RangeOutcome::Whole,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use axum::body::to_bytes;
    use proptest::prelude::*;

    use super::*;

    const HASH: &str = "c0ffee";

    #[test]
    fn ranges() {
        use RangeOutcome::{Part, Unsatisfiable, Whole};
        let cases = [
            ("bytes=0-9", Part { first: 0, last: 9 }),
            ("bytes=0-0", Part { first: 0, last: 0 }),
            (
                "bytes=99-",
                Part {
                    first: 99,
                    last: 99,
                },
            ),
            (
                "bytes=50-1000",
                Part {
                    first: 50,
                    last: 99,
                },
            ),
            (
                "bytes=0-99999999999999999999999",
                Part { first: 0, last: 99 },
            ),
            (
                "bytes=-10",
                Part {
                    first: 90,
                    last: 99,
                },
            ),
            ("bytes=-1000", Part { first: 0, last: 99 }),
            ("Bytes = 1-2", Part { first: 1, last: 2 }),
            ("bytes=100-", Unsatisfiable),
            ("bytes=100-200", Unsatisfiable),
            ("bytes=99999999999999999999999-", Unsatisfiable),
            ("bytes=-0", Unsatisfiable),
            ("bytes=0-1,5-6", Whole),
            ("bytes=0-1,500-600", Whole),
            ("bytes=5-4", Whole),
            ("bytes=-", Whole),
            ("bytes=", Whole),
            ("bytes=+1-2", Whole),
            ("bytes=a-b", Whole),
            ("bytes=1", Whole),
            ("lines=0-9", Whole),
            ("", Whole),
        ];
        for (header, expected) in cases {
            assert_eq!(parse_range(header, 100), expected, "{header}");
        }
        for header in ["bytes=0-", "bytes=0-0", "bytes=-5"] {
            assert_eq!(
                parse_range(header, 0),
                Unsatisfiable,
                "{header} of an empty file"
            );
        }
    }

    proptest! {
        #[test]
        fn a_part_lies_within_the_file(header in "(bytes=)?[0-9]{0,22}-?[0-9]{0,22}(,0-1)?", len: u64) {
            if let RangeOutcome::Part { first, last } = parse_range(&header, len) {
                prop_assert!(first <= last && last < len);
            }
        }
    }

    /// Status, headers and body for a file of 200,000 bytes.
    async fn get(method: Method, lines: &[(HeaderName, &str)]) -> (StatusCode, HeaderMap, Vec<u8>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(HASH);
        std::fs::write(&path, content()).unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, value.parse().unwrap());
        }
        let response = send(&path, &headers, &method, HASH).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        (parts.status, parts.headers, body.to_vec())
    }

    fn content() -> Vec<u8> {
        (0..200_000_u32)
            .map(|at| at.to_le_bytes()[0] ^ at.to_le_bytes()[1])
            .collect()
    }

    #[tokio::test]
    async fn the_whole_file_has_the_plugins_headers() {
        let (status, headers, body) = get(Method::GET, &[]).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(body, content());
        let expected = [
            ("content-type", "application/octet-stream"),
            ("content-disposition", "attachment; filename=c0ffee"),
            ("content-transfer-encoding", "binary"),
            ("content-length", "200000"),
            ("accept-ranges", "bytes"),
            ("etag", "\"c0ffee\""),
            (
                "cache-control",
                "must-revalidate, post-check=0, pre-check=0",
            ),
        ];
        for (name, value) in expected {
            assert_eq!(headers[name], value);
        }
        assert_eq!(headers.len(), expected.len());
    }

    #[tokio::test]
    async fn head_has_the_length_and_no_body() {
        let (status, headers, body) = get(Method::HEAD, &[(RANGE, "bytes=0-1")]).await;
        assert_eq!((status, body.len()), (StatusCode::OK, 0));
        assert_eq!(headers[CONTENT_LENGTH], "200000");
    }

    #[tokio::test]
    async fn one_range_is_sent_alone() {
        let (status, headers, body) = get(Method::GET, &[(RANGE, "bytes=100000-100009")]).await;
        assert_eq!(status, StatusCode::PARTIAL_CONTENT);
        assert_eq!(headers[CONTENT_RANGE], "bytes 100000-100009/200000");
        assert_eq!(headers[CONTENT_LENGTH], "10");
        assert_eq!(body, content()[100_000..100_010]);
    }

    #[tokio::test]
    async fn a_range_beyond_the_end_is_refused() {
        let (status, headers, body) = get(Method::GET, &[(RANGE, "bytes=200000-")]).await;
        assert_eq!((status, body.len()), (StatusCode::RANGE_NOT_SATISFIABLE, 0));
        assert_eq!(headers[CONTENT_RANGE], "bytes */200000");
    }

    #[tokio::test]
    async fn conditions_decide_what_is_sent() {
        let range = (RANGE, "bytes=0-1");
        let cases: &[(&[(HeaderName, &str)], u16)] = &[
            (&[(IF_NONE_MATCH, "\"c0ffee\"")], 304),
            (&[(IF_NONE_MATCH, "\"a\", W/\"c0ffee\"")], 304),
            (&[(IF_NONE_MATCH, "\"a\""), (IF_NONE_MATCH, "*")], 304),
            (&[(IF_NONE_MATCH, "\"a\"")], 200),
            (&[(IF_NONE_MATCH, "c0ffee")], 200),
            (&[(IF_NONE_MATCH, "\"c0ffee\""), range.clone()], 304),
            (&[(IF_NONE_MATCH, "\"a\""), range.clone()], 206),
            (&[(IF_RANGE, "\"c0ffee\""), range.clone()], 206),
            (&[(IF_RANGE, "W/\"c0ffee\""), range.clone()], 200),
            (&[(IF_RANGE, "\"a\""), range.clone()], 200),
            (
                &[(IF_RANGE, "Tue, 24 Nov 2026 00:00:00 GMT"), range.clone()],
                200,
            ),
            (&[range.clone(), range], 200),
        ];
        for (lines, expected) in cases {
            let (status, _, body) = get(Method::GET, lines).await;
            assert_eq!(status, *expected, "{lines:?}");
            let size = match *expected {
                304 => 0,
                206 => 2,
                _ => 200_000,
            };
            assert_eq!(body.len(), size, "{lines:?}");
        }
    }

    #[tokio::test]
    async fn only_a_regular_file_is_sent_and_errors_keep_the_path_to_themselves() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("real"), "x").unwrap();
        symlink(dir.path().join("real"), dir.path().join("link")).unwrap();
        let get = async |name: &str, hash: &str| {
            let path = dir.path().join(name);
            send(&path, &HeaderMap::new(), &Method::GET, hash)
                .await
                .unwrap_err()
        };
        for (name, hash) in [
            ("none", HASH),
            ("link", HASH),
            ("", HASH),
            ("real/below", HASH),
            ("real", "\n"),
        ] {
            assert!(
                matches!(get(name, hash).await, FileError::Missing),
                "{name}"
            );
        }
        let denied = FileError::from(io::Error::new(io::ErrorKind::PermissionDenied, "/secret"));
        assert_eq!(denied.to_string(), "file is not readable");
        let broken = FileError::from(io::Error::other("/secret"));
        assert!(!format!("{broken:?} {broken}").contains("/secret"));
    }
}
