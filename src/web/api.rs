//! The same as JSON, for programs: below `/api/v1`, and below `/sidecar/api/v1` for who reaches the pages alone.
//!
//! Asked by a program with one of the configured tokens, which sees all entities, or by the browser of somebody who is signed in. What the
//! answers hold is written down in `assets/openapi.json`, which is served too.

mod caller;
mod history;
mod jobs;
mod reports;
mod runs;
mod status;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Json, Response};
use axum::routing::get;
use chrono::{DateTime, Utc};
use serde::Serialize;

use super::error::PageError;
use super::routes::{BASE, Pages};
use crate::db::DbError;
use crate::domain::ids::TaskId;
use crate::domain::summary::{Board, Style, TaskSummary};
use caller::Caller;

/// The description of all answers, in `OpenAPI` 3.1.
const OPENAPI: &str = include_str!("assets/openapi.json");

/// Where it is.
const ROOT: &str = "api/v1";

/// All its addresses, below `/` and below [`BASE`].
pub(super) fn routes() -> Router<Pages> {
    let below = || {
        Router::new()
            .route("/openapi.json", get(openapi))
            .route("/tasks", get(tasks))
            .route("/tasks/{id}", get(task))
            .route("/tasks/{id}/runs", get(runs::runs))
            .route("/tasks/{id}/history", get(history::history))
            .route("/runs/{id}", get(runs::one))
            .route("/jobs", get(jobs::jobs))
            .route("/status", get(status::status))
            .route("/reports", get(reports::list))
            .route("/reports/{name}", get(reports::report))
            .fallback(nothing)
            .method_not_allowed_fallback(no_method)
    };
    Router::new()
        .nest(&format!("/{ROOT}"), below())
        .nest(&format!("{BASE}{ROOT}"), below())
}

/// Why there is no other answer.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Nobody, or nobody known.
    Unauthorized {
        /// A token was shown.
        shown: bool,
    },
    /// There is no such thing, or the caller may not see it.
    NotFound,
    /// A parameter is not what it can be; what is wrong, for people.
    BadQuery(String),
    /// Not by this method.
    NoMethod,
    /// The database.
    Db(DbError),
}

impl From<DbError> for Refusal {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

/// Why a page could not be shown, for what pages and the API read in the same way.
impl From<PageError> for Refusal {
    fn from(error: PageError) -> Self {
        match error {
            PageError::BadQuery(name) => {
                Self::BadQuery(format!("the parameter '{name}' is not what it can be"))
            }
            PageError::Db(error) => Self::Db(error),
            // The last three are of forms and templates, which it has none of.
            PageError::NotFound
            | PageError::Forbidden
            | PageError::BadForm(_)
            | PageError::Render => Self::NotFound,
        }
    }
}

/// The body of a [`Refusal`].
#[derive(Debug, Serialize)]
struct Problem<'a> {
    /// A stable word.
    error: &'static str,
    /// For people.
    message: &'a str,
}

impl axum::response::IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, error, message) = match &self {
            Self::Unauthorized { .. } => (
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                "show a token: Authorization: Bearer TOKEN",
            ),
            Self::NotFound => (StatusCode::NOT_FOUND, "not-found", "there is no such thing"),
            Self::BadQuery(what) => (StatusCode::BAD_REQUEST, "bad-query", what.as_str()),
            Self::NoMethod => (
                StatusCode::METHOD_NOT_ALLOWED,
                "no-method",
                "this address only answers GET",
            ),
            Self::Db(error) => {
                tracing::warn!(error = %error, code = error.code(), "the API could not answer");
                (
                    StatusCode::SERVICE_UNAVAILABLE,
                    "unavailable",
                    "GLPI's database does not give it now",
                )
            }
        };
        let mut response = (status, Json(Problem { error, message })).into_response();
        if let Self::Unauthorized { shown } = self {
            let challenge = if shown {
                "Bearer realm=\"fusion-sidecar\", error=\"invalid_token\""
            } else {
                "Bearer realm=\"fusion-sidecar\""
            };
            let challenge = HeaderValue::from_static(challenge);
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

/// A row by its name.
#[derive(Debug, Serialize)]
struct Named {
    id: u32,
    name: String,
}

impl Named {
    const fn of(id: u32, name: String) -> Self {
        Self { id, name }
    }
}

async fn nothing() -> Refusal {
    Refusal::NotFound
}

async fn no_method() -> Refusal {
    Refusal::NoMethod
}

/// `GET openapi.json`, for anybody: it is the same on every site.
async fn openapi() -> Response {
    ([(CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}

/// `GET tasks`: as `fusion-sidecar tasks --json`.
async fn tasks(State(pages): State<Pages>, caller: Caller) -> Result<Json<Board>, Refusal> {
    let snapshot = pages.catalogues.current().await?;
    let tree = &snapshot.catalogue.entities;
    let board = pages.monitor.board();
    let seen = |task: &&TaskSummary| caller.access.sees(task.entity, tree);
    Ok(Json(Board {
        counted_at: board.counted_at,
        pending: board.pending,
        tasks: board.tasks.iter().filter(seen).cloned().collect(),
    }))
}

/// A task by itself.
#[derive(Debug, Serialize)]
struct Detail {
    /// As in [`Board`].
    counted_at: Option<DateTime<Utc>>,
    /// Its lines in the specification's format.
    text: String,
    /// Why nothing happens.
    reasons: Vec<String>,
    #[serde(flatten)]
    summary: TaskSummary,
}

/// `GET tasks/ID`.
async fn task(
    State(pages): State<Pages>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Detail>, Refusal> {
    let id = id.parse().map_err(|_| Refusal::NotFound)?;
    let snapshot = pages.catalogues.current().await?;
    let board = pages.monitor.board();
    let found = board.tasks.iter().find(|task| task.id == TaskId(id));
    let found = found.filter(|task| {
        let tree = &snapshot.catalogue.entities;
        caller.access.sees(task.entity, tree)
    });
    let summary = found.cloned().ok_or(Refusal::NotFound)?;
    Ok(Json(Detail {
        counted_at: board.counted_at,
        text: summary.text(Style::Plain),
        reasons: summary.reasons(),
        summary,
    }))
}
