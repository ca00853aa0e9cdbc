//! Answers to requests: read from HTTP, compared with recorded ones.

use std::io::Read;

use flate2::read::{DeflateDecoder, GzDecoder, ZlibDecoder};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::same::{Difference, Said, same};
use super::xml;

/// Longest text that is kept as it is, bytes; of a longer one its checksum and length.
const MAX_TEXT: usize = 2000;
/// Where the root element of an agent's XML answer is looked for, bytes.
const HEAD: usize = 200;

/// An answer, as a recording writes it: one of `xml`, `json`, `text`, or `sha256` with `length`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Content type without parameters, where it tells the agent how to decode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// An XML REPLY.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xml: Option<String>,
    /// A JSON value, `null` too.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    pub json: Option<Value>,
    /// Any other body without blanks around it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// SHA-256 of a long body, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Length of a long body, bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<usize>,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// Why the body of an answer cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It is not what its content type says.
    #[error("the body does not decode as its content type says: {0}")]
    Coding(#[from] std::io::Error),
    /// It is longer, or inflates to more, than the subject may answer.
    #[error("the body is longer than {0} bytes")]
    TooLong(usize),
}

impl Answer {
    /// Reads an answer of at most `limit` bytes, inflated.
    pub fn read(
        status: u16,
        content_type: &str,
        body: &[u8],
        limit: usize,
    ) -> Result<Self, BodyError> {
        let content_type = content_type.split(';').next().unwrap_or_default().trim();
        let body = decode(body, content_type, limit)?;
        let matters = content_type.contains("compress")
            || content_type.contains("xml")
            || content_type == "application/json";
        let mut answer = Self {
            status,
            content_type: matters.then(|| content_type.to_owned()),
            ..Self::default()
        };
        let trimmed = body.trim_ascii();
        if trimmed.starts_with(b"<")
            && trimmed[..trimmed.len().min(HEAD)]
                .windows(5)
                .any(|window| window == b"REPLY")
        {
            answer.xml = Some(String::from_utf8_lossy(trimmed).into_owned());
        } else if let Ok(value) = serde_json::from_slice(trimmed) {
            answer.json = Some(value);
        } else if trimmed.len() > MAX_TEXT {
            answer.sha256 = Some(format!("{:x}", Sha256::digest(&body)));
            answer.length = Some(body.len());
        } else {
            answer.text = Some(String::from_utf8_lossy(trimmed).into_owned());
        }
        Ok(answer)
    }

    /// Where `got` differs from this recorded answer. Bodies of errors are free, unless they are XML or JSON: the plugin's
    /// name paths of its server.
    pub(super) fn differences(&self, got: &Self, said: &Said) -> Vec<Difference> {
        let mut found = Vec::new();
        if self.status != got.status {
            found.push(Difference::expected("status", self.status, got.status));
        }
        // PHP's default type says nothing about the body.
        if let Some(expected) = self
            .content_type
            .as_ref()
            .filter(|expected| *expected != "text/html")
            && self.content_type != got.content_type
        {
            found.push(Difference::expected(
                "content type",
                expected,
                got.content_type.as_deref().unwrap_or("another"),
            ));
        }
        if let Some(expected) = &self.xml {
            found.extend(got.xml.as_ref().map_or_else(
                || Some(got.instead_of("XML")),
                |got| same_xml(expected, got),
            ));
        } else if let Some(expected) = &self.json {
            match &got.json {
                Some(got) => found.extend(same(expected, got, "json", said)),
                None => found.push(got.instead_of("JSON")),
            }
        } else if self.status < 400
            && (&self.text, &self.sha256, self.length) != (&got.text, &got.sha256, got.length)
        {
            found.push(Difference::expected("body", self.body(), got.body()));
        }
        found
    }

    fn instead_of(&self, kind: &str) -> Difference {
        Difference::expected("body", kind, self.body())
    }

    fn body(&self) -> String {
        match self {
            Self { xml: Some(xml), .. } => xml.clone(),
            Self {
                json: Some(json), ..
            } => json.to_string(),
            Self {
                text: Some(text), ..
            } => format!("{text:?}"),
            Self { sha256, length, .. } => {
                format!(
                    "{} bytes, sha256 {}",
                    length.unwrap_or_default(),
                    sha256.as_deref().unwrap_or("none")
                )
            }
        }
    }
}

fn same_xml(expected: &str, got: &str) -> Option<Difference> {
    match (xml::parse(expected), xml::parse(got)) {
        (Ok(a), Ok(b)) if a == b => None,
        (Ok(_), Ok(_)) => Some(Difference::expected("xml", expected, got)),
        (Err(error), _) => Some(Difference::new(
            "xml",
            format!("the recorded answer is {error}"),
        )),
        (_, Err(error)) => Some(Difference::expected(
            "xml",
            expected,
            format_args!("{error}: {got}"),
        )),
    }
}

fn decode(body: &[u8], content_type: &str, limit: usize) -> Result<Vec<u8>, BodyError> {
    let mut decoded = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    if content_type.contains("zlib") {
        ZlibDecoder::new(body)
            .take(most)
            .read_to_end(&mut decoded)?;
    } else if content_type.contains("gzip") {
        GzDecoder::new(body).take(most).read_to_end(&mut decoded)?;
    } else if content_type.contains("deflate") {
        DeflateDecoder::new(body)
            .take(most)
            .read_to_end(&mut decoded)?;
    } else {
        body.take(most).read_to_end(&mut decoded)?;
    }
    if decoded.len() > limit {
        Err(BodyError::TooLong(limit))
    } else {
        Ok(decoded)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;
    use serde_json::json;

    use super::super::request::Coding;
    use super::*;

    fn answer(value: Value) -> Answer {
        serde_json::from_value(value).unwrap()
    }

    fn found(expected: &Answer, got: &Answer) -> Vec<String> {
        expected
            .differences(got, &Said::new())
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[rstest]
    #[case("application/x-compress-zlib", Coding::Zlib)]
    #[case("application/x-compress-gzip", Coding::Gzip)]
    #[case("application/x-compress-deflate", Coding::Deflate)]
    #[case("application/xml; charset=UTF-8", Coding::None)]
    fn coded_xml(#[case] content_type: &str, #[case] coding: Coding) {
        let body = coding
            .encode(b"\n<?xml version=\"1.0\"?><REPLY/>\n")
            .unwrap();
        let expected = content_type.split(';').next().unwrap();
        assert_eq!(
            Answer::read(200, content_type, &body, 1000).unwrap(),
            answer(
                json!({"status": 200, "content_type": expected, "xml": "<?xml version=\"1.0\"?><REPLY/>"})
            )
        );
    }

    #[test]
    fn kinds_of_bodies() {
        let read =
            |content_type, body: &[u8]| Answer::read(200, content_type, body, 10_000).unwrap();
        assert_eq!(
            read("text/html", b" {} "),
            answer(json!({"status": 200, "json": {}}))
        );
        assert_eq!(
            read("text/html", b"null"),
            Answer {
                json: Some(Value::Null),
                ..answer(json!({"status": 200}))
            }
        );
        assert_eq!(
            answer(json!({"status": 200, "json": null})).json,
            Some(Value::Null)
        );
        assert_eq!(
            read("text/plain", b" file "),
            answer(json!({"status": 200, "text": "file"}))
        );
        assert_eq!(
            read("", b"<p>no answer</p>"),
            answer(json!({"status": 200, "text": "<p>no answer</p>"}))
        );
        let long = read("application/octet-stream", &[b'a'; 2001]);
        assert_eq!(long.length, Some(2001));
        assert_eq!(
            long.sha256.as_deref(),
            Some("a0b153f094495e7397ecded317f606264cb1b8dd33e650ddd4be00c2674aa5e7")
        );
    }

    #[test]
    fn bodies_are_bounded_before_and_after_inflating() {
        let bomb = Coding::Zlib.encode(&vec![b'a'; 100_000]).unwrap();
        assert!(matches!(
            Answer::read(200, "application/x-compress-zlib", &bomb, 99_999),
            Err(BodyError::TooLong(99_999))
        ));
        assert!(Answer::read(200, "application/x-compress-zlib", &bomb, 100_000).is_ok());
        assert!(matches!(
            Answer::read(200, "", b"12345", 4),
            Err(BodyError::TooLong(4))
        ));
    }

    #[test]
    fn a_wrong_coding_is_told() {
        let read = Answer::read(200, "application/x-compress-zlib", b"<REPLY/>", 1000);
        assert!(matches!(read, Err(BodyError::Coding(_))));
    }

    #[rstest]
    #[case(json!({"status": 200, "json": {}}), json!({"status": 500, "json": {}}))]
    #[case(json!({"status": 200, "json": {}}), json!({"status": 200, "json": []}))]
    #[case(json!({"status": 200, "json": {}}), json!({"status": 200, "text": ""}))]
    #[case(json!({"status": 200, "content_type": "application/xml", "xml": "<REPLY/>"}), json!({"status": 200, "xml": "<REPLY/>"}))]
    #[case(json!({"status": 200, "xml": "<REPLY/>"}), json!({"status": 200, "xml": "<REPLY>x</REPLY>"}))]
    #[case(json!({"status": 200, "xml": "<REPLY/>"}), json!({"status": 200, "xml": "<REPLY>"}))]
    #[case(json!({"status": 200, "xml": "<REPLY/>"}), json!({"status": 200, "json": {}}))]
    #[case(json!({"status": 200, "text": "a"}), json!({"status": 200, "text": "b"}))]
    #[case(json!({"status": 200, "text": ""}), json!({"status": 200, "json": {}}))]
    #[case(json!({"status": 200, "sha256": "ab", "length": 3000}), json!({"status": 200, "sha256": "ac", "length": 3000}))]
    #[case(json!({"status": 200, "sha256": "ab", "length": 3000}), json!({"status": 200, "sha256": "ab", "length": 3001}))]
    #[case(json!({"status": 404, "text": "a path"}), json!({"status": 403, "text": "a path"}))]
    fn different(#[case] expected: Value, #[case] got: Value) {
        assert_eq!(found(&answer(expected), &answer(got)).len(), 1);
    }

    #[rstest]
    #[case(json!({"status": 200, "xml": "<REPLY/>"}), json!({"status": 200, "content_type": "application/xml", "xml": "<REPLY></REPLY>"}))]
    #[case(json!({"status": 200, "content_type": "text/html", "json": {}}), json!({"status": 200, "content_type": "application/json", "json": {}}))]
    #[case(json!({"status": 404, "text": "a path"}), json!({"status": 404, "text": ""}))]
    fn the_same(#[case] expected: Value, #[case] got: Value) {
        assert_eq!(found(&answer(expected), &answer(got)), Vec::<String>::new());
    }

    proptest! {
        #[test]
        fn reading_never_panics(body in proptest::collection::vec(any::<u8>(), 0..300), kind in "(zlib|gzip|deflate|xml|)") {
            let _ = Answer::read(200, &kind, &body, 1000);
        }
    }
}
