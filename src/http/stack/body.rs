//! Bodies of requests, bounded in size and time.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt as _, stream};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Frame, SizeHint};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::config;
use crate::http::error::retry_later;

/// Bodies up to here take no room from the others: when large ones fill it, agents' everyday requests are still answered.
const SMALL: usize = 16 << 10;
/// The unit in which room is counted, bytes.
const UNIT: usize = 1 << 10;

/// The whole body of a request, as sent: at most `max_body` bytes, within `body_timeout`. As long as any of it lives, it counts towards
/// `max_bodies`.
#[derive(Debug, Clone)]
pub struct AgentBody(pub Bytes);

/// The body of a request that is passed on as it comes, however large: what people upload is not an agent's. It breaks off when no piece of
/// it came within `body_timeout`; the time for the answer begins anew with every piece.
#[derive(Debug)]
pub struct PassedBody(pub Body);

/// Why a body was not taken. Take `Result<AgentBody, BodyRejection>` to answer it in the agent's own dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyRejection {
    /// More than `max_body`, announced or sent.
    #[error("the message is too large")]
    TooLarge,
    /// All bodies that are in memory would be more than `max_bodies`.
    #[error("the server is busy")]
    NoRoom,
    /// Not there within `body_timeout`.
    #[error("the message did not arrive in time")]
    TooSlow,
    /// The connection broke off, or the transfer coding is wrong.
    #[error("the message broke off")]
    Broken,
}

impl BodyRejection {
    /// The status of an answer about it: 413, 503, 408 or 400.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NoRoom => StatusCode::SERVICE_UNAVAILABLE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Broken => StatusCode::BAD_REQUEST,
        }
    }

    /// A stable short word for logs and metrics.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooLarge => "body-too-large",
            Self::NoRoom => "body-no-room",
            Self::TooSlow => "body-too-slow",
            Self::Broken => "body-broken",
        }
    }
}

impl IntoResponse for BodyRejection {
    fn into_response(self) -> Response {
        retry_later((self.status(), format!("{self}\n")).into_response())
    }
}

/// The bounds of every body.
#[derive(Debug, Clone)]
pub(super) struct BodyBounds {
    max: usize,
    timeout: Duration,
    /// Room that is free, in units.
    room: Arc<Semaphore>,
}

impl BodyBounds {
    pub(super) fn new(settings: &config::Server) -> Self {
        Self {
            max: settings.max_body,
            timeout: settings.body_timeout,
            room: Arc::new(Semaphore::new(
                settings
                    .max_bodies
                    .div_ceil(UNIT)
                    .min(Semaphore::MAX_PERMITS),
            )),
        }
    }

    pub(super) fn of_request(&self) -> Reading {
        Reading {
            bounds: self.clone(),
            clock: Arc::default(),
        }
    }
}

/// A body in memory and the room that it takes.
#[derive(Debug, Default)]
struct Held {
    bytes: Vec<u8>,
    room: Option<OwnedSemaphorePermit>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Held {
    /// Adds a piece; nobody waits for room, as those who wait would hold what they have.
    fn push(&mut self, piece: &[u8], bounds: &BodyBounds) -> Result<(), BodyRejection> {
        let len = self.bytes.len() + piece.len();
        if len > bounds.max {
            return Err(BodyRejection::TooLarge);
        }
        if len > self.bytes.capacity() {
            // Room is taken for what is allocated.
            let capacity = len.max(self.bytes.capacity() * 2).min(bounds.max);
            if capacity > SMALL {
                let held = self
                    .room
                    .as_ref()
                    .map_or(0, OwnedSemaphorePermit::num_permits);
                let missing = u32::try_from(capacity.div_ceil(UNIT) - held)
                    .map_err(|_| BodyRejection::NoRoom)?;
                let more = Arc::clone(&bounds.room)
                    .try_acquire_many_owned(missing)
                    .map_err(|_| BodyRejection::NoRoom)?;
                match &mut self.room {
                    Some(room) => room.merge(more),
                    none => *none = Some(more),
                }
            }
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        self.bytes.extend_from_slice(piece);
        Ok(())
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

    /// The reading and the body of `request`.
    fn in_pieces(request: Request) -> Result<(Self, Body), BodyRejection> {
        let (mut parts, body) = request.into_parts();
        // Outside the stack there are no bounds, so nothing is read.
        let reading = parts.extensions.remove::<Self>();
        Ok((reading.ok_or(BodyRejection::Broken)?, body))
    }

    /// The same, unless it announces too much: that is refused before it is sent.
    fn of(request: Request) -> Result<(Self, Body), BodyRejection> {
        let (reading, body) = Self::in_pieces(request)?;
        let announced = usize::try_from(body.size_hint().lower());
        if announced.map_or(true, |announced| announced > reading.bounds.max) {
            return Err(BodyRejection::TooLarge);
        }
        Ok((reading, body))
    }

    async fn read(&self, body: Body) -> Result<Bytes, BodyRejection> {
        let begun = Instant::now();
        self.allow(self.bounds.timeout);
        let read = tokio::time::timeout(self.bounds.timeout, self.whole(body)).await;
        self.allow(begun.elapsed());
        read.unwrap_or(Err(BodyRejection::TooSlow))
    }

    async fn whole(&self, mut body: Body) -> Result<Bytes, BodyRejection> {
        let mut held = Held::default();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| BodyRejection::Broken)?;
            if let Ok(piece) = frame.into_data() {
                held.push(&piece, &self.bounds)?;
            }
        }
        Ok(Bytes::from_owner(held))
    }
}

/// A body whose length the client announced: that is passed on too.
struct Announced {
    body: Body,
    size: SizeHint,
}

impl hyper::body::Body for Announced {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn size_hint(&self) -> SizeHint {
        self.size
    }
}

impl<S: Sync> FromRequest<S> for AgentBody {
    type Rejection = BodyRejection;

    async fn from_request(request: Request, _: &S) -> Result<Self, Self::Rejection> {
        let (reading, body) = Reading::of(request)?;
        reading.read(body).await.map(Self)
    }
}

impl<S: Sync> FromRequest<S> for PassedBody {
    type Rejection = BodyRejection;

    async fn from_request(request: Request, _: &S) -> Result<Self, Self::Rejection> {
        let (reading, body) = Reading::in_pieces(request)?;
        let size = body.size_hint();
        let begun = Instant::now();
        let pieces = stream::unfold(Some(body.into_data_stream()), move |body| {
            let reading = reading.clone();
            async move {
                let mut body = body?;
                let timeout = reading.bounds.timeout;
                // Counted from here, as long as it is waited for.
                reading.allow(begun.elapsed() + timeout);
                let next = tokio::time::timeout(timeout, body.next()).await;
                reading.allow(begun.elapsed());
                match next {
                    Ok(None) => None,
                    Ok(Some(Ok(piece))) => Some((Ok(piece), Some(body))),
                    Ok(Some(Err(_))) => Some((Err(BodyRejection::Broken), None)),
                    Err(_) => Some((Err(BodyRejection::TooSlow), None)),
                }
            }
        });
        Ok(Self(Body::new(Announced {
            body: Body::from_stream(pieces),
            size,
        })))
    }
}
