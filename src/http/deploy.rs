//! The deploy back end: getJobs, getFilePart, setStatus, setUserEvent.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::error::{self, Dialect, NOTHING, answered, done, nothing};
use super::file::{self, FileError};
use super::request::Get;
use super::stack::LineFields;
use crate::dispatch::file_part::PartError;
use crate::dispatch::user_event::UserEvent;
use crate::dispatch::{Approach, Dispatcher};
use crate::domain::report::Status;
use crate::proto::query::Query;

/// A request to the deploy back end.
pub async fn rest(
    State(dispatcher): State<Arc<Dispatcher>>,
    approach: Approach,
    line: LineFields,
    (method, headers): (Method, HeaderMap),
    Get(query): Get,
) -> Response {
    // HEAD is answered for files alone: an order that is handed out without a body is lost.
    let allowed = match query.get("action") {
        Some("getFilePart") => matches!(method, Method::GET | Method::HEAD | Method::POST),
        _ => matches!(method, Method::GET | Method::POST),
    };
    if !allowed {
        return error::method_not_allowed();
    }
    line.speaks(Dialect::Rest(NOTHING));
    let machineid = query.get("machineid");
    let uuid = query.get("uuid").unwrap_or_default();
    match query.get("action") {
        Some("getJobs") => {
            let Some(machineid) = machineid else {
                return nothing();
            };
            // An agent before 2.2 sends no version.
            let version = query.get("version").unwrap_or("0");
            let order = dispatcher.deploy_jobs(machineid, version, &approach).await;
            answered(order, &line)
        }
        Some("getFilePart") => {
            let answer = part(&dispatcher, &query, &method, &headers, &line).await;
            if answer.status().is_success() {
                dispatcher.hands_out_part(&approach);
            }
            answer
        }
        Some("setStatus") => {
            let status = Status {
                status: query.get("status"),
                current_step: query.get("currentStep"),
                msg: query.get("msg"),
                log: query.list("log"),
            };
            done(
                dispatcher
                    .set_status(machineid.unwrap_or_default(), uuid, &status)
                    .await,
                &line,
            )
        }
        Some("setUserEvent") => {
            let event = UserEvent {
                behaviour: query.get("behavior"),
                moment: query.get("type").unwrap_or_default(),
                event: query.get("event").unwrap_or_default(),
                user: query.get("user").unwrap_or_default(),
            };
            done(
                dispatcher
                    .set_user_event(machineid.unwrap_or_default(), uuid, &event)
                    .await,
                &line,
            )
        }
        // `check` asks whether this address leads to a sidecar on its database.
        Some("sidecarNonce") => {
            let secret = dispatcher.nonce(query.get("id").unwrap_or_default()).await;
            answered(secret.map(|secret| json!({ "secret": secret })), &line)
        }
        Some(_) | None => nothing(),
    }
}

/// A file part; agents look at the status alone, and nobody learns a path.
async fn part(
    dispatcher: &Dispatcher,
    query: &Query,
    method: &Method,
    headers: &HeaderMap,
    line: &LineFields,
) -> Response {
    let part = match dispatcher.file_part(query.get("file")) {
        Ok(part) => part,
        Err(refused) => {
            let (status, code) = match refused {
                PartError::Unnamed => (StatusCode::BAD_REQUEST, "part-unnamed"),
                PartError::BadName => (StatusCode::FORBIDDEN, "part-bad-name"),
                PartError::NoDirectory => (StatusCode::NOT_FOUND, "part-no-directory"),
            };
            line.error(code);
            return (status, format!("{refused}\n")).into_response();
        }
    };
    match file::send(&part.path, headers, method, &part.sha512).await {
        Ok(response) => response,
        Err(failed) => {
            let (status, text, code) = match failed {
                FileError::Missing => {
                    (StatusCode::NOT_FOUND, "no such file part\n", "part-missing")
                }
                FileError::Unreadable => (
                    StatusCode::FORBIDDEN,
                    "this file part cannot be read\n",
                    "part-unreadable",
                ),
                FileError::Io(_) => (
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "this file part cannot be read\n",
                    "part-io",
                ),
            };
            line.error(code);
            (status, text).into_response()
        }
    }
}
