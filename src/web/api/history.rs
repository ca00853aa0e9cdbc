//! What was changed of a task.

use axum::extract::{Path, RawQuery, State};
use axum::response::Json;
use chrono::NaiveDateTime;
use serde::Serialize;

use super::caller::Caller;
use super::{Named, Refusal};
use crate::web::edit::history::{Listed, asked, listed};
use crate::web::language::Language;
use crate::web::routes::Pages;

/// A page of it.
#[derive(Debug, Serialize)]
pub(super) struct History {
    task: Named,
    changes: Vec<Change>,
    /// Before what the next page begins.
    next: Option<String>,
}

/// A change. Moments are GLPI's local time.
#[derive(Debug, Serialize)]
struct Change {
    source: &'static str,
    at: Option<NaiveDateTime>,
    /// When it was not there yet, of what was found to be changed.
    since: Option<NaiveDateTime>,
    user: Option<String>,
    text: String,
}

impl From<Listed> for Change {
    fn from(listed: Listed) -> Self {
        match listed {
            Listed::Log(entry) => Self {
                source: "log",
                at: entry.at,
                since: None,
                user: Some(entry.user),
                text: entry.text,
            },
            Listed::Glpi(found, text) => Self {
                source: "glpi",
                at: found.until,
                since: found.since,
                user: None,
                text,
            },
        }
    }
}

/// `GET tasks/ID/history`: as its page lists it.
pub(super) async fn history(
    State(pages): State<Pages>,
    caller: Caller,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<History>, Refusal> {
    let tree = &pages.catalogues.current().await?.catalogue.entities;
    let access = &caller.access;
    let (id, name, before) = asked(&pages, access, tree, &id, query.as_deref()).await?;
    let who = (access, Language::English);
    let (all, next) = listed(&pages, who, tree, id, before).await?;
    Ok(Json(History {
        task: Named::of(id.0, name),
        changes: all.into_iter().map(Change::from).collect(),
        next: next.map(|next| next.to_string()),
    }))
}
