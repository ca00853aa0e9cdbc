//! What only PHP can answer: messages for GLPI's rule engine, and the plugin's own pages.

use axum::body::Body;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

use super::client::Client;
use super::error;
use super::stack::{BodyRejection, LineFields, PassedBody};
use crate::dispatch::Approach;
use crate::upstream::{Passed, Upstream, UpstreamError};

/// A request but for its body.
#[derive(Debug, Clone)]
pub struct Head {
    /// Who sends it.
    pub client: Client,
    /// How it reached us.
    pub approach: Approach,
    /// Its method.
    pub method: Method,
    /// Its address.
    pub uri: Uri,
    /// Its headers.
    pub headers: HeaderMap,
}

impl<S: Send + Sync> FromRequestParts<S> for Head {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let Ok(approach) = Approach::from_request_parts(parts, state).await;
        Ok(Self {
            client: Client::from_request_parts(parts, state).await?,
            approach,
            method: parts.method.clone(),
            uri: parts.uri.clone(),
            headers: parts.headers.clone(),
        })
    }
}

/// A page below a prefix that the sidecar does not serve itself.
pub async fn rest(
    State(upstream): State<Option<Upstream>>,
    line: LineFields,
    head: Head,
    body: Result<PassedBody, BodyRejection>,
) -> Response {
    let Some(upstream) = upstream.filter(|_| stays_below(head.uri.path())) else {
        return missing();
    };
    match body {
        Ok(PassedBody(body)) => pass(&upstream, head, body, &line).await,
        Err(rejection) => error::unread_plain(rejection, &line),
    }
}

/// Whether no segment of `path` means its parent or itself: the client that passes it on resolves these, also percent-encoded ones, and
/// would ask for pages outside the plugin's directory.
fn stays_below(path: &str) -> bool {
    path.split(['/', '\\']).all(|segment| {
        !matches!(
            segment.to_ascii_lowercase().replace("%2e", ".").as_str(),
            "." | ".."
        )
    })
}

/// An address that is nobody's.
pub async fn fallback() -> Response {
    missing()
}

fn missing() -> Response {
    (
        StatusCode::NOT_FOUND,
        "fusion-sidecar does not serve this address, and no upstream is configured for it.\n",
    )
        .into_response()
}

/// Passes a request to PHP and its answer back.
pub async fn pass(upstream: &Upstream, head: Head, body: Body, line: &LineFields) -> Response {
    let prefix = head.approach.prefix.as_str();
    let request = Passed {
        client: head.client.address,
        https: head.client.https,
        method: head.method,
        path: head.uri.path().strip_prefix(prefix).unwrap_or_default(),
        query: head.uri.query(),
        headers: head.headers,
        body,
    };
    match upstream.pass(request).await {
        Ok(response) => response,
        Err(failed) => {
            let status = match failed {
                UpstreamError::TooLarge => {
                    return error::unread_plain(BodyRejection::TooLarge, line);
                }
                UpstreamError::Unreachable(_) | UpstreamError::Broken(_) => StatusCode::BAD_GATEWAY,
                UpstreamError::TimedOut => StatusCode::GATEWAY_TIMEOUT,
            };
            line.error(failed.code());
            line.reason(failed.to_string());
            (status, "GLPI did not answer\n").into_response()
        }
    }
}
