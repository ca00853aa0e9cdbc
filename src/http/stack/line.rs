//! The request line in the log, and the request metrics.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, MatchedPath, Request};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use http_body_util::BodyExt as _;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tracing::Instrument as _;
use uuid::Uuid;

use crate::http::client::Client;
use crate::http::error::Dialect;
use crate::telemetry::metrics::{REQUEST_DURATION, REQUESTS};

/// How much of a client's text goes into a line, bytes: enough to tell agents apart, too little to fill the disk with.
const MAX_TEXT: usize = 200;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What handlers add to the request line. Clones write to the same line; each field keeps its last value.
///
/// Queries are never logged as a whole, as they can hold what agents found on a computer.
#[derive(Debug, Clone, Default)]
pub struct LineFields(Arc<Mutex<Fields>>);

#[derive(Debug, Default)]
struct Fields {
    action: Option<String>,
    agent: Option<String>,
    query: Option<String>,
    error: Option<&'static str>,
    reason: Option<String>,
    expected: bool,
    dialect: Dialect,
}

impl LineFields {
    /// `action`: the query parameter of that name.
    pub fn action(&self, action: &str) {
        self.set(|fields| fields.action = Some(shortened(action).to_owned()));
    }

    /// `agent.device_id`: the agent's device id or `machineid`.
    pub fn agent(&self, device_id: &str) {
        self.set(|fields| fields.agent = Some(shortened(device_id).to_owned()));
    }

    /// `query`: the name of an XML message, such as PROLOG.
    pub fn query(&self, query: &str) {
        self.set(|fields| fields.query = Some(shortened(query).to_owned()));
    }

    /// `error`: the short, stable code of what went wrong.
    pub fn error(&self, code: &'static str) {
        self.set(|fields| fields.error = Some(code));
    }

    /// `reason`: what went wrong, for people, where the code of [`Self::error`] does not say all.
    pub fn reason(&self, reason: String) {
        self.set(|fields| fields.reason = Some(reason));
    }

    /// An answer of 5xx is no failure of this request.
    pub fn expected(&self) {
        self.set(|fields| fields.expected = true);
    }

    /// In which dialect the client is told when the handler is not in time.
    pub fn speaks(&self, dialect: Dialect) {
        self.set(|fields| fields.dialect = dialect);
    }

    /// What [`Self::speaks`] said last.
    pub(in crate::http) fn dialect(&self) -> Dialect {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .dialect
    }

    fn set(&self, change: impl FnOnce(&mut Fields)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl<S: Sync> FromRequestParts<S> for LineFields {
    type Rejection = std::convert::Infallible;

    /// The request's own; outside the stack, fields that nobody reads.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}

fn shortened(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_TEXT)]
}

/// Middleware: writes the line when the last byte of the answer is on its way, or the client is gone.
pub(super) async fn write(mut request: Request, next: Next) -> Response {
    // In the answer's X-Request-Id and, as `request_id`, on all log lines that the request causes.
    let id = Uuid::new_v4();
    let fields = LineFields::default();
    let mut line = Line {
        id,
        method: request.method().clone(),
        path: shortened(request.uri().path()).to_owned(),
        route: request.extensions().get::<MatchedPath>().cloned(),
        client: request.extensions().get::<Client>().copied(),
        fields: fields.clone(),
        begun: Instant::now(),
        answer: None,
        bytes_in: Arc::default(),
        bytes_out: 0,
        complete: false,
    };
    request.extensions_mut().insert(fields);
    let bytes_in = Arc::clone(&line.bytes_in);
    let count = move |frame: &Frame<Bytes>| {
        bytes_in.fetch_add(data_len(frame), Ordering::Relaxed);
    };
    let request = request.map(|body| Body::new(body.inspect_frame(count)));

    let span = tracing::info_span!("request", request_id = %id);
    let mut response = next.run(request).instrument(span).await;
    // A UUID's text is a header's value.
    if let Ok(value) = HeaderValue::try_from(id.to_string()) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    line.answered(response.status());
    response.map(|body| Body::new(CountedOut { body, line }))
}

/// The line of one request; written when dropped, so that there is always exactly one.
struct Line {
    id: Uuid,
    method: Method,
    path: String,
    route: Option<MatchedPath>,
    client: Option<Client>,
    fields: LineFields,
    begun: Instant,
    answer: Option<(StatusCode, Duration)>,
    bytes_in: Arc<AtomicU64>,
    bytes_out: u64,
    /// Whether the whole body of the answer was taken.
    complete: bool,
}

impl Line {
    fn answered(&mut self, status: StatusCode) {
        let took = self.begun.elapsed();
        self.answer = Some((status, took));
        metrics::histogram!(REQUEST_DURATION, "route" => self.route()).record(took);
        metrics::counter!(REQUESTS, "route" => self.route(), "status" => status.as_str().to_owned()).increment(1);
    }

    /// The pattern, never the path: anybody can ask for any number of paths.
    fn route(&self) -> String {
        let route = self.route.as_ref().map_or("unmatched", MatchedPath::as_str);
        route.to_owned()
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.answer.is_none() {
            metrics::counter!(REQUESTS, "route" => self.route(), "status" => "gone").increment(1);
        }
        let status = self.answer.map(|(status, _)| status.as_u16());
        let duration_ms = self
            .answer
            .map_or_else(|| self.begun.elapsed(), |(_, took)| took);
        let fields = self.fields.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A level is part of the call site, so there are several.
        macro_rules! emit {
            ($level:expr, $message:literal) => {
                tracing::event!(
                    $level,
                    request_id = %self.id,
                    method = %self.method,
                    path = self.path,
                    status,
                    duration_ms = millis(duration_ms),
                    sent_ms = millis(self.begun.elapsed()),
                    bytes_in = self.bytes_in.load(Ordering::Relaxed),
                    bytes_out = self.bytes_out,
                    client = self.client.map(|client| tracing::field::display(client.address)),
                    action = fields.action,
                    agent.device_id = fields.agent,
                    query = fields.query,
                    error = fields.error,
                    reason = fields.reason,
                    $message
                )
            };
        }
        match status {
            Some(500) if !fields.expected => emit!(tracing::Level::ERROR, "request failed"),
            Some(501..) if !fields.expected => emit!(tracing::Level::WARN, "request failed"),
            Some(_) if self.complete => emit!(tracing::Level::INFO, "request"),
            _ => emit!(tracing::Level::INFO, "request, client gone"),
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The body of an answer, counted; it ends with the request's line.
struct CountedOut {
    body: Body,
    line: Line,
}

impl HttpBody for CountedOut {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => self.line.bytes_out += data_len(frame),
            Some(Err(_)) => {}
            None => self.line.complete = true,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for CountedOut {
    fn drop(&mut self) {
        // hyper does not ask a body with a known length for its end, nor the answer to HEAD for a body at all.
        self.line.complete |= self.body.is_end_stream() || self.line.method == Method::HEAD;
    }
}

fn data_len(frame: &Frame<Bytes>) -> u64 {
    let len = frame.data_ref().map_or(0, Bytes::len);
    u64::try_from(len).unwrap_or(u64::MAX)
}
