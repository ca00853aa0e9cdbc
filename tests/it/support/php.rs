//! GLPI's PHP as far as the sidecar passes things on to it: it remembers the requests and the devices whose inventory it imported.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use fusion_sidecar::proto::envelope::{open, seal};
use fusion_sidecar::proto::xml::{Limits, parse_request};

use super::listen::serving;

/// A request as PHP got it.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    pub(crate) method: Method,
    /// Path and query, undecoded.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Got {
    /// A header's values.
    pub(crate) fn header(&self, name: &str) -> Vec<&str> {
        let values = self.headers.get_all(name).iter();
        values.map(|value| value.to_str().unwrap()).collect()
    }
}

#[derive(Debug, Default)]
struct Memory {
    got: Vec<Got>,
    imported: BTreeSet<String>,
}

/// A PHP that listens.
#[derive(Debug)]
pub(crate) struct FakePhp {
    /// GLPI's address, with a path.
    pub(crate) url: url::Url,
    memory: Arc<Mutex<Memory>>,
}

/// The body of a page that says that it is compressed, and is not: whoever decodes it fails.
pub(crate) const NOT_GZIP: &[u8] = b"\x1f\x8bnot gzip at all";

impl FakePhp {
    /// Starts it on a port of its own.
    pub(crate) async fn start() -> Self {
        let memory = Arc::<Mutex<Memory>>::default();
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&memory));
        let url = format!("http://{}/glpi", serving(router).await);
        Self {
            url: url.parse().unwrap(),
            memory,
        }
    }

    /// The requests so far, oldest first.
    pub(crate) fn got(&self) -> Vec<Got> {
        self.memory.lock().unwrap().got.clone()
    }

    /// The devices whose inventory arrived.
    pub(crate) fn imported(&self) -> Vec<String> {
        let memory = self.memory.lock().unwrap();
        memory.imported.iter().cloned().collect()
    }
}

async fn answer(State(memory): State<Arc<Mutex<Memory>>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 24).await.unwrap().to_vec();
    let target = parts.uri.to_string();
    memory.lock().unwrap().got.push(Got {
        method: parts.method.clone(),
        target: target.clone(),
        headers: parts.headers.clone(),
        body: body.clone(),
    });
    // As Apache: a directory is asked for with its slash, and the address that it names is its own.
    if target == "/glpi/plugins/fusioninventory" {
        return (
            StatusCode::MOVED_PERMANENTLY,
            [("location", "http://inside.example.com/")],
        )
            .into_response();
    }
    let kind = parts
        .headers
        .get("content-type")
        .and_then(|kind| kind.to_str().ok());
    match kind {
        Some(kind)
            if !body.is_empty()
                && (kind.starts_with("application/x-compress") || kind == "application/xml") =>
        {
            let opened = open(Some(kind), &body, 1 << 24).unwrap();
            let text = String::from_utf8(opened.body).unwrap();
            let message = parse_request(&text, &Limits::default()).unwrap();
            let reply = if message.query.as_deref() == Some("INVENTORY") {
                memory
                    .lock()
                    .unwrap()
                    .imported
                    .insert(message.device_id.unwrap());
                "<REPLY><IMPORTED/></REPLY>"
            } else {
                "<REPLY></REPLY>"
            };
            (
                [("content-type", kind), ("x-php", "1")],
                seal(reply, opened.answer),
            )
                .into_response()
        }
        _ => (
            StatusCode::FOUND,
            [
                ("location", "http://elsewhere.example.com/login?a=%20b"),
                ("content-encoding", "gzip"),
                ("keep-alive", "timeout=5"),
                ("set-cookie", "glpi=1"),
            ],
            NOT_GZIP.to_vec(),
        )
            .into_response(),
    }
}
