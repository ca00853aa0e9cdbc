//! Reports, and with what they can be asked.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::Json;
use serde::Serialize;
use serde_json::Value;

use super::Refusal;
use super::caller::Caller;
use crate::domain::reports::ask::{Ask, FIELDS, MOST_ROWS};
use crate::domain::reports::{Name, write};
use crate::web::language::Language;
use crate::web::reports::{Fields, sources};
use crate::web::routes::Pages;
use crate::work::reports::{Failure, make};

/// All reports.
#[derive(Debug, Serialize)]
pub(super) struct List {
    reports: Vec<Entry>,
}

/// A report.
#[derive(Debug, Serialize)]
struct Entry {
    name: &'static str,
    title: &'static str,
    about: &'static str,
    /// What it can be asked with.
    parameters: Vec<&'static str>,
}

/// `GET reports`.
pub(super) async fn list(_: Caller) -> Json<List> {
    let reports = Name::ALL.into_iter().map(|name| Entry {
        name: name.word(),
        title: name.title().en,
        about: name.about().en,
        parameters: FIELDS
            .into_iter()
            .filter(|field| name.takes(field))
            .collect(),
    });
    Json(List {
        reports: reports.collect(),
    })
}

/// `GET reports/NAME`: as `fusion-sidecar report NAME --format json`.
pub(super) async fn report(
    State(pages): State<Pages>,
    caller: Caller,
    Path(word): Path<String>,
    fields: Result<Query<Fields>, QueryRejection>,
) -> Result<Json<Value>, Refusal> {
    let name = Name::of_word(&word).ok_or(Refusal::NotFound)?;
    let unknown = || Refusal::BadQuery(Language::English.texts().report_field_wrong.to_owned());
    let Query(fields) = fields.map_err(|_| unknown())?;
    if fields.is_of_page() {
        return Err(unknown());
    }
    let snapshot = pages.catalogues.current().await?;
    let board = pages.monitor.board();
    let sources = sources(&pages, &snapshot.catalogue, &board, &caller.access);
    let ask = Ask::read(name, &fields.given(), sources.local.date(), MOST_ROWS);
    let ask = ask.map_err(|wrong| Refusal::BadQuery(wrong.to_string()))?;
    match make(&sources, &ask).await {
        Ok(report) => Ok(Json(write::json(&report))),
        Err(Failure::Wrong(wrong)) => Err(Refusal::BadQuery(wrong.to_string())),
        Err(Failure::Db(error)) => Err(error.into()),
    }
}
