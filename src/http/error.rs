//! What an error looks like to an agent: one match a dialect.

use axum::Json;
use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::stack::{BodyRejection, LineFields};
use crate::db::DbError;
use crate::dispatch::DispatchError;
use crate::proto::envelope::{Coding, OpenError, seal};
use crate::proto::xml::{Reply, XmlError};

/// Seconds after which a client may try again when something is out of service.
const RETRY_AFTER_SECONDS: u16 = 60;

/// How a client is spoken to when something goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    /// By the status alone.
    #[default]
    None,
    /// By the status and this body, see [`rest`].
    Rest(&'static str),
    /// By an `ERROR` in this coding.
    Xml(Coding),
}

/// The status of an error, and what it may say about itself.
fn told(error: &DispatchError) -> (StatusCode, &'static str) {
    match error {
        DispatchError::Closed(closed) => (StatusCode::SERVICE_UNAVAILABLE, closed.text()),
        DispatchError::UnknownAgent => (StatusCode::BAD_REQUEST, "unknown or locked agent"),
        DispatchError::TooManyNewAgents => (
            StatusCode::SERVICE_UNAVAILABLE,
            "too many unknown agents at once",
        ),
        DispatchError::NoAddress => (
            StatusCode::BAD_REQUEST,
            "no address is configured for agents",
        ),
        DispatchError::BadRequest(reason) => (StatusCode::BAD_REQUEST, reason),
        DispatchError::Db(
            DbError::Unavailable(_) | DbError::Busy | DbError::Conflict(_) | DbError::Locked(_),
        ) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "the database is not available",
        ),
        DispatchError::Db(
            DbError::CorruptRow { .. } | DbError::Refused(_) | DbError::LeaseLost,
        ) => (StatusCode::INTERNAL_SERVER_ERROR, "internal error"),
    }
}

/// Puts `error` into the request's line, and its reason where the code does not say all.
fn note(error: &DispatchError, line: &LineFields) {
    line.error(error.code());
    match error {
        DispatchError::Db(inner) => {
            line.reason(inner.to_string());
        }
        DispatchError::NoAddress => {
            tracing::error!("no entity has an agent_base_url: set one in GLPI, or --public-url");
        }
        DispatchError::Closed(_)
        | DispatchError::UnknownAgent
        | DispatchError::TooManyNewAgents
        | DispatchError::BadRequest(_) => {}
    }
}

/// What agents are told where there is nothing to say; they insist on a JSON object.
pub const NOTHING: &str = "{}";

/// An answer that says nothing.
#[must_use]
pub fn nothing() -> Response {
    ([(CONTENT_TYPE, "application/json")], NOTHING).into_response()
}

/// The answer to a question: as JSON, or what went wrong.
#[must_use]
pub fn answered(outcome: Result<impl Serialize, DispatchError>, line: &LineFields) -> Response {
    match outcome {
        Ok(answer) => Json(answer).into_response(),
        Err(failed) => rest(&failed, NOTHING, line),
    }
}

/// The answer to a report.
#[must_use]
pub fn done(outcome: Result<(), DispatchError>, line: &LineFields) -> Response {
    match outcome {
        Ok(()) => nothing(),
        Err(failed) => rest(&failed, NOTHING, line),
    }
}

/// An error to a REST request, with `body`: agents read a JSON object from some back ends and nothing from others.
#[must_use]
pub fn rest(error: &DispatchError, body: &'static str, line: &LineFields) -> Response {
    note(error, line);
    let (status, _) = told(error);
    rest_body(status, body)
}

fn rest_body(status: StatusCode, body: &'static str) -> Response {
    // An empty body has no type: a client that trusts one would read JSON out of nothing.
    let mut response = if body.is_empty() {
        ().into_response()
    } else {
        ([(CONTENT_TYPE, "application/json")], body).into_response()
    };
    *response.status_mut() = status;
    retry_later(response)
}

/// An error to an XML message.
#[must_use]
pub fn xml(error: &DispatchError, coding: Coding, line: &LineFields) -> Response {
    note(error, line);
    let (status, text) = told(error);
    xml_text(status, text, coding)
}

/// The answer to a request whose own was not ready in time.
#[must_use]
pub fn late(line: &LineFields) -> Response {
    line.error("too-late");
    let status = StatusCode::SERVICE_UNAVAILABLE;
    match line.dialect() {
        Dialect::None => retry_later(status.into_response()),
        Dialect::Rest(body) => rest_body(status, body),
        Dialect::Xml(coding) => xml_text(status, "the answer was not ready in time", coding),
    }
}

/// A message that could not be unpacked.
#[must_use]
pub fn unpacked(error: &OpenError, line: &LineFields) -> Response {
    if let OpenError::TooLarge { .. } = error {
        line.error("body-inflates-too-far");
        return xml_text(
            StatusCode::PAYLOAD_TOO_LARGE,
            "the message is too large",
            error.answer(),
        );
    }
    // The reference says this of every message that it cannot make sense of.
    line.error("body-corrupt");
    xml_text(StatusCode::OK, NOT_WELL_FORMED, error.answer())
}

/// What the plugin answers to what it cannot read.
const NOT_WELL_FORMED: &str = "XML not well formed!";

/// A message that could not be parsed.
#[must_use]
pub fn unparsed(error: &XmlError, coding: Coding, line: &LineFields) -> Response {
    let (status, text, code) = match error {
        XmlError::Malformed { .. } | XmlError::Empty => {
            (StatusCode::OK, NOT_WELL_FORMED, "xml-malformed")
        }
        XmlError::Doctype => (
            StatusCode::BAD_REQUEST,
            "a DOCTYPE is not allowed",
            "xml-doctype",
        ),
        XmlError::TooDeep { .. } => (
            StatusCode::BAD_REQUEST,
            "the message is nested too deeply",
            "xml-too-deep",
        ),
        XmlError::TooManyElements { .. } => (
            StatusCode::PAYLOAD_TOO_LARGE,
            "the message has too many elements",
            "xml-too-many",
        ),
        XmlError::TooLong { .. } => (
            StatusCode::BAD_REQUEST,
            "a field of the message is too long",
            "xml-too-long",
        ),
    };
    line.error(code);
    xml_text(status, text, coding)
}

/// The body of an XML message that could not be read.
#[must_use]
pub fn unread(error: BodyRejection, coding: Coding, line: &LineFields) -> Response {
    line.error(error.code());
    xml_text(error.status(), &error.to_string(), coding)
}

/// A body that could not be read, where no dialect is spoken.
#[must_use]
pub fn unread_plain(error: BodyRejection, line: &LineFields) -> Response {
    line.error(error.code());
    error.into_response()
}

/// An `ERROR` reply.
#[must_use]
pub fn xml_text(status: StatusCode, text: &str, coding: Coding) -> Response {
    retry_later((status, xml_reply(&Reply::new().error(text), coding)).into_response())
}

/// A reply in `coding`.
#[must_use]
pub fn xml_reply(reply: &Reply, coding: Coding) -> Response {
    let kind = HeaderValue::from_static(coding.content_type());
    ([(CONTENT_TYPE, kind)], seal(&reply.to_xml(), coding)).into_response()
}

/// A method that no agent uses.
#[must_use]
pub fn method_not_allowed() -> Response {
    (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "GET, HEAD, POST")]).into_response()
}

/// Says when to come back, if `response` is about something that is out of service.
pub(super) fn retry_later(mut response: Response) -> Response {
    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
        response
            .headers_mut()
            .insert(RETRY_AFTER, RETRY_AFTER_SECONDS.into());
    }
    response
}
