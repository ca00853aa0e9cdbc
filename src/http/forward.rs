//! What only PHP can answer: messages for GLPI's rule engine, and the plugin's own pages.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

use super::client::Client;
use super::stack::LineFields;
use crate::dispatch::Approach;
use crate::upstream::{Upstream, UpstreamError};

/// A page below a prefix that the sidecar does not serve itself.
pub async fn rest(
    State(upstream): State<Option<Upstream>>,
    client: Client,
    approach: Approach,
    line: LineFields,
    request: Request,
) -> Response {
    let Some(upstream) = upstream else {
        return missing();
    };
    let (parts, body) = request.into_parts();
    pass(
        &upstream,
        client,
        &approach,
        &parts.method,
        &parts.uri,
        parts.headers,
        body,
        &line,
    )
    .await
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
#[expect(
    clippy::too_many_arguments,
    reason = "the parts of one request, which the callers have taken apart in different ways"
)]
pub async fn pass(
    upstream: &Upstream,
    client: Client,
    approach: &Approach,
    method: &Method,
    uri: &Uri,
    headers: HeaderMap,
    body: Body,
    line: &LineFields,
) -> Response {
    let path = uri
        .path()
        .strip_prefix(approach.prefix.as_str())
        .unwrap_or_default();
    match upstream
        .pass(
            client.address,
            client.https,
            method.clone(),
            path,
            uri.query(),
            headers,
            body,
        )
        .await
    {
        Ok(response) => response,
        Err(failed) => {
            line.error(failed.code());
            tracing::warn!(error = %failed, "GLPI did not answer");
            let status = match failed {
                UpstreamError::Unreachable(_) | UpstreamError::Broken(_) => StatusCode::BAD_GATEWAY,
                UpstreamError::TimedOut => StatusCode::GATEWAY_TIMEOUT,
            };
            (status, "GLPI did not answer\n").into_response()
        }
    }
}
