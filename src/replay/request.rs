//! Requests of a recording, sent over HTTP.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::read::{DeflateEncoder, GzEncoder, ZlibEncoder};
use futures_util::StreamExt as _;
use reqwest::header::{CONTENT_TYPE, USER_AGENT};
use serde::{Deserialize, Serialize};

use super::answer::{Answer, BodyError};

/// What the agent calls itself.
const AGENT: &str = "FusionInventory-Agent_v2.6";
/// Before a body in base64.
const BASE64_MARK: &str = "base64:";

/// A request of an agent, as a recording writes it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Path and query below the agents' address.
    pub path: String,
    /// Method; POST with a body and GET without, where none is named.
    pub method: Option<String>,
    /// Headers. `User-Agent` is the agent's, `Content-Type` empty, where they are not named.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Body before coding; in base64 after `base64:`.
    pub body: Option<String>,
    /// Compression of the body.
    #[serde(default)]
    pub encoding: Option<Coding>,
    /// Charset of the body.
    #[serde(default)]
    pub charset: Charset,
    /// The reference's answer.
    pub reference: Answer,
}

/// Compression of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Coding {
    /// As it is.
    None,
    /// RFC 1950.
    Zlib,
    /// RFC 1952.
    Gzip,
    /// RFC 1951 without any frame, as OCS agents send it.
    Deflate,
}

/// Charset of a body.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum Charset {
    /// UTF-8.
    #[default]
    #[serde(rename = "utf8")]
    Utf8,
    /// ISO 8859-1.
    #[serde(rename = "latin-1")]
    Latin1,
}

impl Coding {
    pub(super) fn encode(self, body: &[u8]) -> io::Result<Vec<u8>> {
        let level = Compression::default();
        let mut coded = Vec::new();
        match self {
            Self::None => return Ok(body.to_vec()),
            Self::Zlib => ZlibEncoder::new(body, level).read_to_end(&mut coded)?,
            Self::Gzip => GzEncoder::new(body, level).read_to_end(&mut coded)?,
            Self::Deflate => DeflateEncoder::new(body, level).read_to_end(&mut coded)?,
        };
        Ok(coded)
    }
}

/// Why a request got no answer that can be compared.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The recording asks for what cannot be sent.
    #[error("the request cannot be sent: {0}")]
    Recording(String),
    /// No or half an answer.
    #[error("no answer")]
    Http(#[from] reqwest::Error),
    /// An answer that cannot be read.
    #[error(transparent)]
    Body(#[from] BodyError),
}

impl Request {
    /// The bytes to send, charset and compression applied.
    fn body(&self) -> Result<Option<Vec<u8>>, RequestError> {
        let Some(text) = &self.body else {
            return Ok(None);
        };
        let raw = match text.strip_prefix(BASE64_MARK) {
            Some(coded) => BASE64_STANDARD
                .decode(coded)
                .map_err(|error| RequestError::Recording(error.to_string()))?,
            None if self.charset == Charset::Latin1 => latin1(text)?,
            None => text.clone().into_bytes(),
        };
        let coded = self.encoding.unwrap_or(Coding::None).encode(&raw);
        coded
            .map(Some)
            .map_err(|error| RequestError::Recording(error.to_string()))
    }

    fn has_header(&self, name: &str) -> bool {
        self.headers
            .keys()
            .any(|key| key.eq_ignore_ascii_case(name))
    }
}

fn latin1(text: &str) -> Result<Vec<u8>, RequestError> {
    let bytes: Result<Vec<u8>, _> = text.chars().map(u8::try_from).collect();
    bytes.map_err(|_| {
        RequestError::Recording("the body has characters that ISO 8859-1 has not".to_owned())
    })
}

/// Bounds of one request.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Longest time until the answer is complete.
    pub timeout: Duration,
    /// Longest body of an answer, also after inflating, bytes.
    pub answer: usize,
}

/// Sends requests as agents do: directly, following no redirect, with no header of its own but `Accept: */*`. Plain HTTP only.
#[derive(Debug, Clone)]
pub(super) struct Sender {
    client: reqwest::Client,
    base_url: String,
    limits: Limits,
}

impl Sender {
    pub(super) fn new(base_url: &str, limits: Limits) -> Result<Self, RequestError> {
        // reqwest wants TLS settings, even where nothing uses them, and panics without a process-wide provider.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| RequestError::Recording(error.to_string()))?
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(limits.timeout)
            .build()?;
        Ok(Self {
            client,
            base_url: base_url.trim_end_matches('/').to_owned(),
            limits,
        })
    }

    pub(super) async fn send(&self, request: &Request) -> Result<Answer, RequestError> {
        let body = request.body()?;
        let method = request
            .method
            .as_deref()
            .unwrap_or_else(|| if body.is_some() { "POST" } else { "GET" });
        let method = method
            .parse()
            .map_err(|_| RequestError::Recording(format!("no method: {method}")))?;
        let mut sent = self
            .client
            .request(method, format!("{}{}", self.base_url, request.path));
        if !request.has_header(USER_AGENT.as_str()) {
            sent = sent.header(USER_AGENT, AGENT);
        }
        for (name, value) in &request.headers {
            sent = sent.header(name, value);
        }
        if let Some(body) = body {
            if !request.has_header(CONTENT_TYPE.as_str()) {
                sent = sent.header(CONTENT_TYPE, "");
            }
            sent = sent.body(body);
        }
        let answer = sent.send().await.map_err(reqwest::Error::without_url)?;
        let status = answer.status().as_u16();
        let content_type = answer
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let content_type = content_type.to_owned();
        let mut body = Vec::new();
        let mut chunks = answer.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            body.extend_from_slice(&chunk.map_err(reqwest::Error::without_url)?);
            if body.len() > self.limits.answer {
                return Err(BodyError::TooLong(self.limits.answer).into());
            }
        }
        Ok(Answer::read(
            status,
            &content_type,
            &body,
            self.limits.answer,
        )?)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const LIMITS: Limits = Limits {
        timeout: Duration::from_secs(10),
        answer: 1000,
    };

    fn request(mut value: Value) -> Request {
        value["reference"] = json!({"status": 200});
        serde_json::from_value(value).unwrap()
    }

    #[rstest]
    #[case(json!({"path": "/"}), None)]
    #[case(json!({"path": "/", "body": "é"}), Some("é".as_bytes()))]
    #[case(json!({"path": "/", "body": "é", "charset": "latin-1"}), Some(&b"\xe9"[..]))]
    #[case(json!({"path": "/", "body": "base64:AP8=", "encoding": null}), Some(&b"\x00\xff"[..]))]
    #[case(json!({"path": "/", "body": "a", "encoding": "none"}), Some(&b"a"[..]))]
    fn bodies(#[case] written: Value, #[case] sent: Option<&[u8]>) {
        assert_eq!(request(written).body().unwrap().as_deref(), sent);
    }

    #[rstest]
    #[case(json!({"path": "/", "body": "€", "charset": "latin-1"}))]
    #[case(json!({"path": "/", "body": "base64:?"}))]
    fn bodies_that_cannot_be_sent(#[case] written: Value) {
        assert!(matches!(
            request(written).body(),
            Err(RequestError::Recording(_))
        ));
    }

    /// Answers one connection with `answer`; returns the address and what will have been read.
    async fn once(answer: String) -> (String, tokio::task::JoinHandle<String>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/base/", listener.local_addr().unwrap());
        let read = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut read = vec![0; 4096];
            let mut length = 0;
            while !String::from_utf8_lossy(&read[..length]).contains("\r\n\r\n") {
                length += stream.read(&mut read[length..]).await.unwrap();
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8_lossy(&read[..length]).into_owned()
        });
        (address, read)
    }

    #[tokio::test]
    async fn sends_what_is_written_and_follows_no_redirect() {
        let (address, read) =
            once("HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 2\r\n\r\n{}".to_owned())
                .await;
        let sender = Sender::new(&address, LIMITS).unwrap();
        let answer = sender
            .send(&request(
                json!({"path": "/?task[Deploy]=2.8", "body": "x", "encoding": "zlib"}),
            ))
            .await
            .unwrap();
        assert_eq!((answer.status, answer.json), (302, Some(json!({}))));
        let read = read.await.unwrap();
        let mut lines: Vec<&str> = read.split("\r\n\r\n").next().unwrap().lines().collect();
        assert_eq!(lines.remove(0), "POST /base/?task[Deploy]=2.8 HTTP/1.1");
        let mut names: Vec<&str> = lines
            .iter()
            .map(|line| line.split(':').next().unwrap())
            .collect();
        names.sort_unstable();
        assert_eq!(
            names,
            [
                "accept",
                "content-length",
                "content-type",
                "host",
                "user-agent"
            ]
        );
        assert!(
            lines.contains(&"user-agent: FusionInventory-Agent_v2.6")
                && lines.contains(&"content-type: ")
        );
    }

    #[tokio::test]
    async fn a_long_answer_is_refused() {
        let (address, _read) = once(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n{}",
            "a".repeat(1001)
        ))
        .await;
        let sent = Sender::new(&address, LIMITS)
            .unwrap()
            .send(&request(json!({"path": "/"})))
            .await;
        assert!(
            matches!(sent, Err(RequestError::Body(BodyError::TooLong(1000)))),
            "{sent:?}"
        );
    }
}
