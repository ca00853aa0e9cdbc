//! The collect back end: getJobs, setAnswer, jobsDone.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};

use super::error::{self, Dialect, NOTHING, answered, done, nothing};
use super::request::Get;
use super::routes::Limits;
use super::stack::{AgentBody, BodyRejection, LineFields};
use crate::dispatch::Dispatcher;
use crate::dispatch::collect::Answer;
use crate::proto::query::{Query, QueryError, Value};

/// A request to the collect back end.
pub async fn rest(
    State(dispatcher): State<Arc<Dispatcher>>,
    State(limits): State<Limits>,
    line: LineFields,
    method: Method,
    Get(query): Get,
    body: Result<AgentBody, BodyRejection>,
) -> Response {
    // No HEAD: an order that is handed out without a body is lost.
    if !matches!(method, Method::GET | Method::POST) {
        return error::method_not_allowed();
    }
    line.speaks(Dialect::Rest(NOTHING));
    let uuid = query.get("uuid").unwrap_or_default();
    match query.get("action") {
        Some("getJobs") => match query.get("machineid").filter(|name| !name.is_empty()) {
            None => nothing(),
            Some(machineid) => answered(dispatcher.collect_jobs(machineid).await, &line),
        },
        Some("setAnswer") if !uuid.is_empty() => {
            let answer = match answer(&query, body, &limits) {
                Ok(answer) => answer,
                Err(Unreadable::Body(rejection)) => return error::unread_plain(rejection, &line),
                Err(Unreadable::Form(refused)) => {
                    line.error("answer-unreadable");
                    return (StatusCode::BAD_REQUEST, format!("{refused}\n")).into_response();
                }
            };
            let machineid = query.get("machineid");
            answered(dispatcher.set_answer(machineid, uuid, &answer).await, &line)
        }
        Some("jobsDone") => done(
            dispatcher.jobs_done(query.get("machineid"), uuid).await,
            &line,
        ),
        Some(_) | None => nothing(),
    }
}

/// Why an answer cannot be read.
enum Unreadable {
    Body(BodyRejection),
    Form(QueryError),
}

/// The values of an answer: in the form where the query says so (agent 2.6, after `postmethod`), else in the query (before 2.5).
fn answer(
    query: &Query,
    body: Result<AgentBody, BodyRejection>,
    limits: &Limits,
) -> Result<Answer, Unreadable> {
    let posted = query.get("method") == Some("POST");
    let form = if posted {
        let AgentBody(body) = body.map_err(Unreadable::Body)?;
        Some(Query::parse(body, &limits.query).map_err(Unreadable::Form)?)
    } else {
        None
    };
    let values = form
        .as_ref()
        .unwrap_or(query)
        .iter()
        .filter_map(|(name, value)| match value {
            Value::Text(text) => Some((name.to_owned(), text.to_owned())),
            // Windows agents report paths in their own charset when they cannot do better.
            Value::NotUtf8(bytes) => Some((
                name.to_owned(),
                crate::proto::charset::to_utf8(bytes).into_owned(),
            )),
            Value::Missing | Value::Array => None,
        });
    Ok(Answer {
        values: values.collect(),
        posted,
    })
}
