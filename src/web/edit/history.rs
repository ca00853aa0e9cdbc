//! The history of a task, a page at a time.

use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;

use crate::db::history::Entry;
use crate::domain::ids::TaskId;
use crate::web::error::PageError;
use crate::web::moments::{machine, moment};
use crate::web::page::{Frame, answer};
use crate::web::routes::{BASE, Pages};
use crate::web::texts::edit::{self, Texts};
use crate::web::texts::fill;
use crate::web::visitor::Viewer;

/// Rows on a page.
const PAGE: usize = 50;

/// A row.
#[derive(Debug)]
pub(in crate::web) struct Row {
    /// As machines read it, and as people do.
    pub(in crate::web) at: Option<(String, String)>,
    pub(in crate::web) user: String,
    pub(in crate::web) text: String,
}

/// The newest rows before one.
#[derive(Debug)]
pub(in crate::web) struct Rows {
    pub(in crate::web) rows: Vec<Row>,
    /// Where older ones are.
    pub(in crate::web) older: Option<String>,
}

#[derive(Template)]
#[template(path = "history.html", config = "src/web/askama.toml")]
struct HistoryPage {
    frame: Frame,
    t: &'static Texts,
    id: TaskId,
    name: String,
    back: String,
    history: Rows,
}

/// The rows of `task` before row `before`.
pub(in crate::web) async fn rows(
    pages: &Pages,
    task: TaskId,
    before: Option<u32>,
) -> Result<Rows, PageError> {
    let mut found = pages.db.history(task, before, PAGE + 1).await?;
    let is_more = found.len() > PAGE;
    found.truncate(PAGE);
    let last = found.last().filter(|_| is_more);
    let older = last.map(|last| format!("{BASE}tasks/{task}/history?before={}", last.id));
    let row = |entry: Entry| Row {
        at: entry.at.map(|at| (machine(at), moment(at))),
        user: entry.user,
        text: entry.text,
    };
    Ok(Rows {
        rows: found.into_iter().map(row).collect(),
        older,
    })
}

/// `GET tasks/ID/history`.
pub(super) async fn page(
    State(pages): State<Pages>,
    viewer: Viewer,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    match show(&pages, &viewer, &id, query.as_deref()).await {
        Ok(page) => answer(&viewer, StatusCode::OK, &page),
        Err(error) => viewer.refuse(error),
    }
}

async fn show(
    pages: &Pages,
    viewer: &Viewer,
    id: &str,
    query: Option<&str>,
) -> Result<HistoryPage, PageError> {
    let id = id.parse().map(TaskId).map_err(|_| PageError::NotFound)?;
    let catalogue = &pages.catalogues.current().await?.catalogue;
    let found = pages.db.task_place(id).await?;
    let found = found.filter(|(_, entity)| viewer.access().sees(*entity, &catalogue.entities));
    let (name, _) = found.ok_or(PageError::NotFound)?;
    let before = match query.filter(|query| !query.is_empty()) {
        None => None,
        Some(query) => {
            let before = query.strip_prefix("before=");
            let before = before.and_then(|before| before.parse().ok());
            Some(before.ok_or(PageError::BadQuery("before"))?)
        }
    };
    let frame = Frame::of(viewer);
    let t = edit::of(frame.language);
    Ok(HistoryPage {
        t,
        id,
        back: fill(t.to_task, &name),
        name,
        history: rows(pages, id, before).await?,
        frame,
    })
}
