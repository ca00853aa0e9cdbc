//! What only PHP can answer: messages for GLPI's rule engine, and the plugin's own pages.

use axum::body::Body;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

use super::client::Client;
use super::error;
use super::place::Place;
use super::stack::{BodyRejection, LineFields, PassedBody};
use crate::dispatch::Approach;
use crate::proto::envelope::Coding;
use crate::upstream::{Passed, Upstream, UpstreamError, What};

/// What is said of an agents' address that is written in a way of its own.
const RESPELT: &str = "This address is another spelling of one for agents; it is not served.\n";

/// What is said of an address that servers may read differently.
const REFUSED: &str =
    "This address is not plainly one of the plugin's pages; it is not passed on.\n";

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
    let prefix = head.approach.prefix.as_str();
    let path = head.uri.path().strip_prefix(prefix).unwrap_or_default();
    match Place::of(path) {
        Place::Page => {}
        Place::Agents | Place::Respelt => {
            line.error("respelt-address");
            return (StatusCode::NOT_FOUND, RESPELT).into_response();
        }
        Place::Refused => {
            line.error("refused-address");
            return (StatusCode::NOT_FOUND, REFUSED).into_response();
        }
    }
    let Some(upstream) = upstream else {
        return missing();
    };
    match body {
        Ok(PassedBody(body)) => pass(&upstream, head, body, &line).await,
        Err(rejection) => error::unread_plain(rejection, &line),
    }
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
    let query = head.uri.query().map(str::to_owned);
    match ask(upstream, head, What::Page(query.as_deref()), body).await {
        Ok(response) => response,
        Err(UpstreamError::BrokenOff) => error::unread_plain(BodyRejection::Broken, line),
        Err(failed) => {
            note(&failed, line);
            (status(&failed), "GLPI did not answer\n").into_response()
        }
    }
}

/// The same, where the caller says what it is, and what becomes of an error.
///
/// # Errors
///
/// When PHP gives no answer.
pub async fn ask(
    upstream: &Upstream,
    head: Head,
    what: What<'_>,
    body: Body,
) -> Result<Response, UpstreamError> {
    let prefix = head.approach.prefix.as_str();
    let request = Passed {
        client: head.client.address,
        https: head.client.https,
        method: head.method,
        path: head.uri.path().strip_prefix(prefix).unwrap_or_default(),
        what,
        headers: head.headers,
        body,
    };
    upstream.pass(request).await
}

/// What an agent is told whose message PHP did not take.
#[must_use]
pub fn no_answer_xml(failed: &UpstreamError, coding: Coding, line: &LineFields) -> Response {
    note(failed, line);
    error::xml_text(status(failed), "GLPI did not answer", coding)
}

fn note(failed: &UpstreamError, line: &LineFields) {
    line.error(failed.code());
    line.reason(failed.to_string());
}

const fn status(failed: &UpstreamError) -> StatusCode {
    match failed {
        UpstreamError::BrokenOff => StatusCode::BAD_REQUEST,
        UpstreamError::Unreachable(_) | UpstreamError::Broken(_) => StatusCode::BAD_GATEWAY,
        UpstreamError::TimedOut => StatusCode::GATEWAY_TIMEOUT,
    }
}
