//! The history of a task, a page at a time: what GLPI's log has, and what was found to be changed in GLPI.

use std::fmt;

use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::found::{Names, what, when};
use crate::db::DbError;
use crate::db::history::Entry;
use crate::db::history::changes::Found;
use crate::domain::access::Access;
use crate::domain::changes::interleaved;
use crate::domain::entities::Entities;
use crate::domain::ids::TaskId;
use crate::web::error::PageError;
use crate::web::language::Language;
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
    /// The log is in English, whatever the page is in.
    pub(in crate::web) is_english: bool,
}

/// Where a page begins: before which row of the log, and before which of those that were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::web) struct Before {
    log: Option<u32>,
    found: Option<u64>,
}

impl Before {
    /// As an address has it; the number of a row of the log alone was one too.
    fn parse(text: &str) -> Option<Self> {
        let (log, found) = text.split_once('-').unwrap_or((text, ""));
        let found = (!found.is_empty()).then(|| found.parse());
        Some(Self {
            log: Some(log.parse().ok()?),
            found: found.transpose().ok()?,
        })
    }
}

impl fmt::Display for Before {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.log.unwrap_or(u32::MAX))?;
        self.found.map_or(Ok(()), |found| write!(f, "-{found}"))
    }
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

/// A change.
#[derive(Debug)]
pub(in crate::web) enum Listed {
    /// Of GLPI's log.
    Log(Entry),
    /// Found to be changed in GLPI, and what that is in words.
    Glpi(Found, String),
}

/// The changes of `task` before `before`, those of both lists by time, and where older ones begin. Of entities, those that `access` sees are
/// named.
pub(in crate::web) async fn listed(
    pages: &Pages,
    (access, language): (&Access, Language),
    tree: &Entities,
    task: TaskId,
    before: Before,
) -> Result<(Vec<Listed>, Option<Before>), DbError> {
    let log = pages.db.history(task, before.log, PAGE + 1).await?;
    let found = pages.db.found(task, before.found, PAGE + 1).await?;
    let (of_log, of_found): (Vec<_>, Vec<_>) = (
        log.iter().map(|entry| entry.at).collect(),
        found.iter().map(|found| found.until).collect(),
    );
    let turns = interleaved(&of_log, &of_found, PAGE);
    let is_more = log.len() + found.len() > turns.len();
    let names = Names::of(&pages.db, &found, |entity| access.sees(entity, tree)).await?;
    let mut last = before;
    let (mut log, mut found) = (log.into_iter(), found.into_iter());
    let mut all = Vec::with_capacity(turns.len());
    for is_found in turns {
        if is_found {
            all.extend(found.next().map(|found| {
                last.found = Some(found.id);
                let text = what(&found.change, &names, pages.zone, language);
                Listed::Glpi(found, text)
            }));
        } else {
            all.extend(log.next().map(|entry| {
                last.log = Some(entry.id);
                Listed::Log(entry)
            }));
        }
    }
    Ok((all, is_more.then_some(last)))
}

/// The same as rows of a page.
pub(in crate::web) async fn rows(
    pages: &Pages,
    viewer: &Viewer,
    tree: &Entities,
    task: TaskId,
    before: Before,
) -> Result<Rows, PageError> {
    let language = viewer.language;
    let who = (viewer.access(), language);
    let (all, older) = listed(pages, who, tree, task, before).await?;
    let rows = all.into_iter().map(|one| match one {
        Listed::Log(entry) => of_entry(entry),
        Listed::Glpi(found, text) => of_glpi(&found, text, language),
    });
    Ok(Rows {
        rows: rows.collect(),
        older: older.map(|last| format!("{BASE}tasks/{task}/history?before={last}")),
    })
}

/// The task whose history is asked for, its name, and where the page begins, for who has `access`.
pub(in crate::web) async fn asked(
    pages: &Pages,
    access: &Access,
    tree: &Entities,
    id: &str,
    query: Option<&str>,
) -> Result<(TaskId, String, Before), PageError> {
    let id = id.parse().map(TaskId).map_err(|_| PageError::NotFound)?;
    let mut found = pages.db.task_place(id).await?;
    if found.is_none() {
        // It is deleted, which its history tells.
        found = pages.db.gone_task(id).await?;
    }
    let found = found.filter(|(_, entity)| access.sees(*entity, tree));
    let (name, _) = found.ok_or(PageError::NotFound)?;
    let before = match query.filter(|query| !query.is_empty()) {
        None => Before::default(),
        Some(query) => {
            let before = query.strip_prefix("before=").and_then(Before::parse);
            before.ok_or(PageError::BadQuery("before"))?
        }
    };
    Ok((id, name, before))
}

fn of_entry(entry: Entry) -> Row {
    Row {
        at: entry.at.map(|at| (machine(at), moment(at))),
        user: entry.user,
        text: entry.text,
        is_english: true,
    }
}

fn of_glpi(found: &Found, text: String, language: Language) -> Row {
    Row {
        at: found.until.map(|at| (machine(at), moment(at))),
        user: when(found, language),
        text,
        is_english: false,
    }
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
    let tree = &pages.catalogues.current().await?.catalogue.entities;
    let (id, name, before) = asked(pages, viewer.access(), tree, id, query).await?;
    let frame = Frame::of(viewer);
    let t = edit::of(frame.language);
    Ok(HistoryPage {
        t,
        id,
        back: fill(t.to_task, &name),
        name,
        history: rows(pages, viewer, tree, id, before).await?,
        frame,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_page_begins() {
        for (text, log, found) in [
            ("7", 7, None),
            ("7-9", 7, Some(9)),
            ("4294967295-1", u32::MAX, Some(1)),
        ] {
            let before = Before::parse(text).unwrap();
            assert_eq!(
                before,
                Before {
                    log: Some(log),
                    found
                }
            );
            assert_eq!(before.to_string(), text);
        }
        let only_found = Before {
            log: None,
            found: Some(3),
        };
        assert_eq!(only_found.to_string(), "4294967295-3");
        for bad in ["", "-", "x", "-3", "1-x", "1--2", "1-2-3", "4294967296"] {
            assert_eq!(Before::parse(bad), None, "{bad}");
        }
    }
}
