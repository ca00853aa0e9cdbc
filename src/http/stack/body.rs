//! Bodies of requests, bounded in size and time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Body as _;
use tokio::sync::Notify;
use tokio::time::Instant;

/// The whole body of a request, as sent: at most `max_body` bytes, within `body_timeout`.
#[derive(Debug, Clone)]
pub struct AgentBody(pub Bytes);

/// Why a body was not taken. Take `Result<AgentBody, BodyRejection>` to answer it in the agent's own dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyRejection {
    /// More than `max_body`, announced or sent.
    #[error("body is too large")]
    TooLarge,
    /// Not there within `body_timeout`.
    #[error("body took too long")]
    TooSlow,
    /// The connection broke off, or the transfer coding is wrong.
    #[error("body broke off")]
    Broken,
}

impl BodyRejection {
    /// The status of an answer about it: 413, 408 or 400.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Broken => StatusCode::BAD_REQUEST,
        }
    }
}

impl IntoResponse for BodyRejection {
    fn into_response(self) -> Response {
        self.status().into_response()
    }
}

/// The bounds of every body.
#[derive(Debug, Clone, Copy)]
pub(super) struct BodyBounds {
    pub(super) max: usize,
    pub(super) timeout: Duration,
}

impl BodyBounds {
    pub(super) fn of_request(self) -> Reading {
        let clock = Arc::default();
        Reading {
            bounds: self,
            clock,
        }
    }
}

/// Request extension: the bounds of the body, and how long reading it may hold up the answer.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    bounds: BodyBounds,
    clock: Arc<Clock>,
}

#[derive(Debug, Default)]
struct Clock {
    /// Microseconds: the whole time-out while the body is read, then what it really took.
    allowed: AtomicU64,
    changed: Notify,
}

impl Reading {
    /// By how much reading the body puts off the end of the request's time.
    pub(super) fn allowed(&self) -> Duration {
        Duration::from_micros(self.clock.allowed.load(Ordering::Relaxed))
    }

    /// Waits until [`Self::allowed`] is another.
    pub(super) async fn changed(&self) {
        self.clock.changed.notified().await;
    }

    fn allow(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.clock.allowed.store(micros, Ordering::Relaxed);
        self.clock.changed.notify_one();
    }

    async fn read(&self, body: Body) -> Result<Bytes, BodyRejection> {
        // One that announces too much is refused before it has sent it.
        if usize::try_from(body.size_hint().lower()).map_or(true, |lower| lower > self.bounds.max) {
            return Err(BodyRejection::TooLarge);
        }
        let begun = Instant::now();
        self.allow(self.bounds.timeout);
        let whole = Limited::new(body, self.bounds.max).collect();
        let read = tokio::time::timeout(self.bounds.timeout, whole).await;
        self.allow(begun.elapsed());
        match read {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(BodyRejection::TooLarge),
            Ok(Err(_)) => Err(BodyRejection::Broken),
            Err(_) => Err(BodyRejection::TooSlow),
        }
    }
}

impl<S: Sync> FromRequest<S> for AgentBody {
    type Rejection = BodyRejection;

    async fn from_request(request: Request, _: &S) -> Result<Self, Self::Rejection> {
        let (mut parts, body) = request.into_parts();
        // Outside the stack there are no bounds, so nothing is read.
        let reading = parts
            .extensions
            .remove::<Reading>()
            .ok_or(BodyRejection::Broken)?;
        reading.read(body).await.map(Self)
    }
}
