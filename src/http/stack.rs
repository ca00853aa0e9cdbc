//! The one stack of middleware around every route.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use ipnet::IpNet;
use tokio::time::Instant;
use tower_http::catch_panic::CatchPanicLayer;

use super::client;
use super::error::late;
use crate::config;

mod body;
mod line;

pub use body::{AgentBody, BodyRejection, PassedBody};
pub use line::LineFields;

use body::BodyBounds;

/// Puts the stack around all routes and the fallback that `router` has.
///
/// Handlers may ask for [`Client`](client::Client), [`LineFields`], [`AgentBody`] and [`PassedBody`].
pub fn apply(router: Router, settings: &config::Server) -> Router {
    let trusted: Arc<[IpNet]> = settings.trusted_proxies.as_slice().into();
    let bounds = BodyBounds::new(settings);
    // `layer` wraps what stands so far: the last is the first to see a request.
    router
        // Nearest to the handlers, as it is a setting for axum's own extractors: none of them reads more than AgentBody does.
        .layer(DefaultBodyLimit::max(settings.max_body))
        // Within the panic handler, so that the handler's future is dropped under its eyes. It also gives AgentBody its bounds,
        // as the time for the body is not the time for the answer.
        .layer(middleware::from_fn_with_state(
            (settings.request_timeout, bounds),
            limit_time,
        ))
        // Within the request line, which is to show the 500.
        .layer(CatchPanicLayer::custom(panicked))
        // Around everything that makes an answer: each request has exactly one line and is counted once. The request id is made
        // here, and lies on all that is logged below.
        .layer(middleware::from_fn(line::write))
        // First, as the request line names the client.
        .layer(middleware::from_fn_with_state(trusted, client::identify))
}

/// Answers 503, in the client's dialect, when no answer began within `request_timeout`, not counting the time in which [`AgentBody`] read.
async fn limit_time(
    State((request_timeout, bounds)): State<(Duration, BodyBounds)>,
    mut request: Request,
    next: Next,
) -> Response {
    let begun = Instant::now();
    let reading = bounds.of_request();
    let line = request.extensions().get::<LineFields>().cloned();
    request.extensions_mut().insert(reading.clone());
    let mut answer = std::pin::pin!(next.run(request));
    loop {
        tokio::select! {
            response = &mut answer => return response,
            // Twice a request: reading begins and ends.
            () = reading.changed() => {}
            () = tokio::time::sleep_until(begun + request_timeout + reading.allowed()) => break,
        }
    }
    late(&line.unwrap_or_default())
}

/// What panicked is for the log; the client learns nothing of it.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the shape CatchPanicLayer asks for"
)]
fn panicked(payload: Box<dyn Any + Send>) -> Response {
    let message = payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    tracing::error!(panic = message, "handler panicked");
    let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
    // The state of what the handler was about to read from the connection is unknown.
    response.headers_mut().insert(
        axum::http::header::CONNECTION,
        HeaderValue::from_static("close"),
    );
    response
}

#[cfg(test)]
mod tests;
