//! The history of a task: GLPI's `glpi_logs`, as its class `Log` writes it, and what was [found](changes) to be changed in GLPI.

pub mod changes;

use chrono::NaiveDateTime;
use mysql_async::prelude::Queryable;
use mysql_async::{Transaction, Value};

use super::bulk::insert;
use super::{Db, DbError};
use crate::domain::editing::Change;
use crate::domain::ids::{JobId, TaskId, UserId};
use crate::proto::text::{decode, encode};

/// GLPI's class of tasks.
const CLASS: &str = "PluginFusioninventoryTask";

/// `Log::HISTORY_LOG_SIMPLE_MESSAGE`: GLPI shows `new_value` as it is. Our own tables have no search options that a change could name.
const MESSAGE: u32 = 12;

/// GLPI's class of jobs.
const JOBS: &str = "PluginFusioninventoryTaskjob";

/// `Log::HISTORY_ADD_SUBITEM` and `HISTORY_DELETE_SUBITEM`: a job of the task, named in the new or the old value.
const ADDED: u32 = 17;
const DELETED: u32 = 19;

/// Most characters of a value; GLPI cuts there too.
const MOST: usize = 255;

/// Who changes something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Author {
    /// An account, and what it is called.
    Account(UserId, String),
    /// Somebody who was not asked.
    Unknown,
}

impl Author {
    /// As GLPI names them: "Name (id)".
    fn name(&self) -> String {
        match self {
            Self::Account(id, name) => {
                let id = format!(" ({id})");
                format!("{}{id}", cut(&encode(name), MOST - id.len()))
            }
            Self::Unknown => "fusion-sidecar".to_owned(),
        }
    }
}

/// A row of history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The row.
    pub id: u32,
    /// Who.
    pub user: String,
    /// When (local time).
    pub at: Option<NaiveDateTime>,
    /// What, in a sentence.
    pub text: String,
}

/// The first characters of an encoded text, with no entity cut apart.
fn cut(text: &str, most: usize) -> &str {
    let Some((end, _)) = text.char_indices().nth(most) else {
        return text;
    };
    let kept = &text[..end];
    match kept.rfind('&') {
        // The longest entity of [`encode`] has five characters.
        Some(at) if !kept[at..].contains(';') && text[at..].find(';').is_some_and(|to| to < 5) => {
            &kept[..at]
        }
        _ => kept,
    }
}

/// A change in a sentence; where that is too long it begins with what is new, as the old value stands beside it.
fn message(change: &Change) -> String {
    let text = change.to_string();
    if text.chars().count() <= MOST {
        return text;
    }
    format!("{}: → {}", change.what, change.new)
}

/// Writes `changes` of `task` into its history.
pub(super) async fn note(
    db: &Db,
    tx: &mut Transaction<'static>,
    task: TaskId,
    changes: &[Change],
    author: &Author,
    at: NaiveDateTime,
) -> Result<(), DbError> {
    let user = author.name();
    let rows: Vec<[Value; 8]> = changes
        .iter()
        .map(|change| {
            let (old, new) = (encode(&change.old).into_owned(), message(change));
            [
                CLASS.into(),
                task.0.into(),
                MESSAGE.into(),
                user.as_str().into(),
                at.into(),
                0.into(),
                cut(&old, MOST).into(),
                cut(&encode(&new), MOST).into(),
            ]
        })
        .collect();
    let head = "/* history */ INSERT INTO glpi_logs (itemtype, items_id, linked_action, user_name, date_mod, id_search_option, old_value, new_value)";
    insert(db, tx, head, &rows, "").await
}

/// What became of a job of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JobWas {
    Added,
    Deleted,
}

/// Writes into the history of `task` what became of a job: as GLPI names a part of a thing, "Name (id)".
pub(super) async fn note_job(
    db: &Db,
    tx: &mut Transaction<'static>,
    task: TaskId,
    was: JobWas,
    (job, name): (JobId, &str),
    author: &Author,
    at: NaiveDateTime,
) -> Result<(), DbError> {
    let id = format!(" ({job})");
    let name = format!("{}{id}", cut(&encode(name), MOST - id.len()));
    let (action, old, new) = match was {
        JobWas::Added => (ADDED, "", name.as_str()),
        JobWas::Deleted => (DELETED, name.as_str(), ""),
    };
    let row: [Value; 9] = [
        CLASS.into(),
        task.0.into(),
        JOBS.into(),
        action.into(),
        author.name().into(),
        at.into(),
        0.into(),
        old.into(),
        new.into(),
    ];
    let head = "/* history */ INSERT INTO glpi_logs \
                (itemtype, items_id, itemtype_link, linked_action, user_name, date_mod, id_search_option, old_value, new_value)";
    insert(db, tx, head, &[row], "").await
}

impl Db {
    /// The history of `task` before row `before`, at most `most` rows, the newest first.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn history(
        &self,
        task: TaskId,
        before: Option<u32>,
        most: usize,
    ) -> Result<Vec<Entry>, DbError> {
        self.timed("history", async {
            // `id + 0` keeps the server from going through the whole table in the order of its ids.
            let sql = "/* history */ SELECT id, user_name, date_mod, linked_action, id_search_option, old_value, new_value FROM glpi_logs \
                       WHERE itemtype = ? AND items_id = ? AND id < ? ORDER BY id + 0 DESC LIMIT ?";
            let mut conn = self.conn().await?;
            let rows: Vec<Row> = conn
                .exec(sql, (CLASS, task.0, before.unwrap_or(u32::MAX), most))
                .await?;
            Ok(rows.into_iter().map(entry).collect())
        })
        .await
    }
}

/// Row, user, moment, action, option, old and new value.
type Row = (
    u32,
    Option<String>,
    Option<NaiveDateTime>,
    u32,
    u32,
    Option<String>,
    Option<String>,
);

fn entry((id, user, at, action, option, old, new): Row) -> Entry {
    let text = |text: Option<String>| decode(&text.unwrap_or_default()).into_owned();
    let (old, new) = (text(old), text(new));
    Entry {
        id,
        user: text(user),
        at,
        text: match action {
            MESSAGE => new,
            ADDED => format!("added: {new}"),
            DELETED => format!("deleted: {old}"),
            // A field, by the number of GLPI's search option.
            0 => format!("field {option}: {old} → {new}"),
            // Anything else GLPI itself, or another plugin, did.
            _ => [format!("action {action}"), old, new]
                .into_iter()
                .filter(|part| !part.is_empty())
                .collect::<Vec<_>>()
                .join(": "),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_cut_between_characters_and_entities() {
        for (text, most, kept) in [
            ("abc", 3, "abc"),
            ("abcd", 3, "abc"),
            ("é→x", 2, "é→"),
            ("a&#60;b", 7, "a&#60;b"),
            ("a&#60;b", 6, "a&#60;"),
            ("a&#60;b", 5, "a"),
            ("a&#60;b", 2, "a"),
            ("a&#60;b", 1, "a"),
        ] {
            assert_eq!(cut(text, most), kept, "{text} {most}");
        }
    }

    #[test]
    fn authors_as_glpi_names_them() {
        let author = |name: &str| Author::Account(UserId(7), name.to_owned()).name();
        assert_eq!(author("Ada <Min>"), "Ada &#60;Min&#62; (7)");
        let long = author(&"é".repeat(300));
        assert_eq!(long.chars().count(), MOST);
        assert!(long.ends_with(" (7)"));
    }
}
