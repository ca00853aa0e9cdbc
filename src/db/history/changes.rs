//! What was changed in GLPI, found by comparing tasks with how they were last seen.
//!
//! `sidecar_snapshots` has a row for each task, and one of task 0 that says when all were last looked at. Whoever writes any of them locks that
//! one first, and every writing counts the row's version on: what was worked out from a version is stored only while the row has it.

mod edit;
mod states;

use std::collections::HashMap;

use chrono::NaiveDateTime;
use mysql_async::prelude::Queryable;
use mysql_async::{Params, Transaction, Value};

pub(in crate::db) use self::edit::{begin, end, forget};
use crate::db::bulk::{LIST_MAX, insert, list, marks};
use crate::db::{Db, DbError, OnLock};
use crate::domain::changes::{Change, Field, Packed, State};
use crate::domain::ids::{EntityId, JobId, TaskId, TimeslotId};
use crate::proto::text::decode;

/// Most rows that are deleted at once.
const FORGOTTEN: u32 = 1_000;

/// The row that says when all tasks were looked at.
const ALL: u32 = 0;

/// How a task was last seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// How often its row was written.
    pub version: u32,
    /// The moment (local time).
    pub at: Option<NaiveDateTime>,
    /// Of what it was; none: it was gone.
    pub digest: Option<String>,
}

/// How all tasks were last seen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshots {
    /// When all were looked at (local time); none: never.
    pub looked_at: Option<NaiveDateTime>,
    /// The tasks.
    pub tasks: HashMap<TaskId, Seen>,
}

/// What a look at a task found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Find {
    /// The task.
    pub task: TaskId,
    /// The version of the row that it was compared with; none: there was none.
    pub version: Option<u32>,
    /// What it is now; none: gone.
    pub now: Option<Packed>,
    /// What is different.
    pub changes: Vec<Change>,
    /// When it was still as the row says.
    pub since: Option<NaiveDateTime>,
}

/// A change as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its row.
    pub id: u64,
    /// When it was not there yet (local time).
    pub since: Option<NaiveDateTime>,
    /// When it was seen (local time).
    pub until: Option<NaiveDateTime>,
    /// What.
    pub change: Change,
}

/// Row, the two moments, field, job and its name, values.
type FoundRow = (
    u64,
    Option<NaiveDateTime>,
    Option<NaiveDateTime>,
    String,
    u32,
    String,
    String,
    String,
);

impl Db {
    /// How all tasks were last seen. To be read before [`Db::task_states`], so that what is compared with a row is no older than it.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn snapshots(&self) -> Result<Snapshots, DbError> {
        self.timed("snapshots", async {
            let sql = self.sql(
                "/* snapshots */ SELECT {f}tasks_id, version, seen_at, digest FROM {p}sidecar_snapshots",
            );
            let rows: Vec<(u32, u32, Option<NaiveDateTime>, String)> =
                self.conn().await?.query(sql.as_ref()).await?;
            let mut snapshots = Snapshots::default();
            for (task, version, at, digest) in rows {
                if task == ALL {
                    snapshots.looked_at = at;
                    continue;
                }
                let digest = Some(digest).filter(|digest| !digest.is_empty());
                let seen = Seen { version, at, digest };
                snapshots.tasks.insert(TaskId(task), seen);
            }
            Ok(snapshots)
        })
        .await
    }

    /// What these tasks were when they were last seen; those of another version of this program are left out.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn last_seen(&self, tasks: &[TaskId]) -> Result<HashMap<TaskId, State>, DbError> {
        self.timed("last_seen", async {
            let mut conn = self.conn().await?;
            let mut states = HashMap::with_capacity(tasks.len());
            let ids: Vec<u32> = tasks.iter().map(|task| task.0).collect();
            for chunk in ids.chunks(LIST_MAX) {
                let text = format!(
                    "/* last_seen */ SELECT {{f}}tasks_id, state FROM {{p}}sidecar_snapshots WHERE {{f}}tasks_id IN ({})",
                    marks(chunk.len())
                );
                let rows: Vec<(u32, String)> =
                    conn.exec(self.names.replace(&text), list(chunk)).await?;
                let rows = rows.into_iter();
                states.extend(
                    rows.filter_map(|(task, text)| Some((TaskId(task), State::unpack(&text)?))),
                );
            }
            Ok(states)
        })
        .await
    }

    /// Stores what a look found that began at `begun` and ended at `until`, of tasks whose rows have not been written since they were read; how
    /// many changes were stored.
    ///
    /// # Errors
    ///
    /// When the database fails; then nothing was stored.
    pub async fn store_finds(
        &self,
        finds: &[Find],
        begun: NaiveDateTime,
        until: NaiveDateTime,
    ) -> Result<usize, DbError> {
        self.tx(
            "store_finds",
            OnLock::TryAgain,
            (finds, begun, until),
            |db, (finds, begun, until), tx| Box::pin(store_finds(db, tx, finds, *begun, *until)),
        )
        .await
    }

    /// Notes that all tasks were looked at from `begun` on.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn looked(&self, begun: NaiveDateTime) -> Result<(), DbError> {
        self.timed("looked", async {
            let sql = self.sql(
                "/* looked */ INSERT INTO {p}sidecar_snapshots ({f}tasks_id, version, seen_at, digest, state) VALUES (?, 1, ?, '', '') \
                 ON DUPLICATE KEY UPDATE version = version + 1, seen_at = GREATEST(COALESCE(seen_at, VALUES(seen_at)), VALUES(seen_at))",
            );
            let mut conn = self.conn().await?;
            Ok(conn.exec_drop(sql.as_ref(), (ALL, begun)).await?)
        })
        .await
    }

    /// Deletes changes that were seen before `before`, and rows of `gone` tasks; a bounded number.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn forget_changes(
        &self,
        before: NaiveDateTime,
        gone: &[TaskId],
    ) -> Result<(), DbError> {
        self.timed("forget_changes", async {
            let mut conn = self.conn().await?;
            let sql = self.sql(
                "/* forget_changes */ DELETE FROM {p}sidecar_changes WHERE `until` < ? ORDER BY `until` LIMIT ?",
            );
            conn.exec_drop(sql.as_ref(), (before, FORGOTTEN)).await?;
            let ids: Vec<u32> = gone.iter().map(|task| task.0).collect();
            for chunk in ids.chunks(LIST_MAX).take(FORGOTTEN as usize / LIST_MAX) {
                let text = format!(
                    "/* forget_changes */ DELETE FROM {{p}}sidecar_snapshots WHERE digest = '' AND {{f}}tasks_id IN ({})",
                    marks(chunk.len())
                );
                conn.exec_drop(self.names.replace(&text), list(chunk)).await?;
            }
            Ok(())
        })
        .await
    }

    /// What was found of `task` before row `before`, at most `most` rows, the newest first.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn found(
        &self,
        task: TaskId,
        before: Option<u64>,
        most: usize,
    ) -> Result<Vec<Found>, DbError> {
        self.timed("found", async {
            let sql = self.sql(
                "/* found */ SELECT id, since, `until`, field, {f}taskjobs_id, job, old_value, new_value FROM {p}sidecar_changes \
                 WHERE {f}tasks_id = ? AND id < ? ORDER BY id DESC LIMIT ?",
            );
            let values = (task.0, before.unwrap_or(u64::MAX), most);
            let rows: Vec<FoundRow> = self.conn().await?.exec(sql.as_ref(), values).await?;
            Ok(rows.into_iter().filter_map(found).collect())
        })
        .await
    }

    /// What a task that is gone was called, and its entity; none if nothing is known of it.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn gone_task(&self, task: TaskId) -> Result<Option<(String, EntityId)>, DbError> {
        self.timed("gone_task", async {
            let sql = self.sql(
                "/* gone_task */ SELECT state FROM {p}sidecar_snapshots WHERE {f}tasks_id = ? AND digest = '' AND {f}tasks_id > 0",
            );
            let text: Option<String> = self.conn().await?.exec_first(sql.as_ref(), (task.0,)).await?;
            let state = text.and_then(|text| State::unpack(&text));
            Ok(state.map(|state| {
                let entity = state.values.get(Field::Entity).parse().unwrap_or_default();
                (state.name().to_owned(), EntityId(entity))
            }))
        })
        .await
    }

    /// What timeslots and entities are called, as far as they are there.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn names_of_changed(
        &self,
        slots: &[TimeslotId],
        entities: &[EntityId],
    ) -> Result<(HashMap<TimeslotId, String>, HashMap<EntityId, String>), DbError> {
        self.timed("names_of_changed", async {
            let mut conn = self.conn().await?;
            let mut names =
                async |what: &str, ids: Vec<u32>| -> Result<Vec<(u32, String)>, DbError> {
                    let mut found = Vec::new();
                    for chunk in ids.chunks(LIST_MAX) {
                        let text = format!(
                            "/* names_of_changed */ SELECT id, {what} WHERE id IN ({})",
                            marks(chunk.len())
                        );
                        let rows: Vec<(u32, Option<String>)> =
                            conn.exec(self.names.replace(&text), list(chunk)).await?;
                        let rows = rows.into_iter();
                        found.extend(rows.filter_map(|(id, name)| {
                            let name = decode(&name?).into_owned();
                            Some((id, name)).filter(|(_, name)| !name.is_empty())
                        }));
                    }
                    Ok(found)
                };
            let slots = slots.iter().map(|slot| slot.0).collect();
            let slots = names("name FROM {p}timeslots", slots).await?;
            let entities = entities.iter().map(|entity| entity.0).collect();
            let entities = names("completename FROM glpi_entities", entities).await?;
            let (slots, entities) = (slots.into_iter(), entities.into_iter());
            Ok((
                slots.map(|(id, name)| (TimeslotId(id), name)).collect(),
                entities.map(|(id, name)| (EntityId(id), name)).collect(),
            ))
        })
        .await
    }
}

/// A change of a field that only a later version knows is left out.
fn found((id, since, until, field, job, name, old, new): FoundRow) -> Option<Found> {
    Some(Found {
        id,
        since,
        until,
        change: Change {
            field: Field::from_word(&field)?,
            job: (job != 0).then_some((JobId(job), name)),
            old,
            new,
        },
    })
}

/// Takes the row that every writer of snapshots takes first.
async fn lock(db: &Db, tx: &mut Transaction<'static>) -> Result<(), DbError> {
    let sql = db.sql(
        "/* lock_snapshots */ INSERT INTO {p}sidecar_snapshots ({f}tasks_id, version, digest, state) VALUES (?, 1, '', '') \
         ON DUPLICATE KEY UPDATE version = version + 1",
    );
    Ok(tx.exec_drop(sql.as_ref(), (ALL,)).await?)
}

async fn store_finds(
    db: &Db,
    tx: &mut Transaction<'static>,
    finds: &[Find],
    begun: NaiveDateTime,
    until: NaiveDateTime,
) -> Result<usize, DbError> {
    // Before the lock, as who edits or deletes a task has its row before it comes to the snapshots: one that is deleted by a sidecar meanwhile
    // must get no row that nobody takes away.
    let new = finds.iter().filter(|find| find.version.is_none());
    let new: Vec<u32> = new.map(|find| find.task.0).collect();
    let there = ids(db, tx, &new, "id", "{p}tasks", "LOCK IN SHARE MODE").await?;
    lock(db, tx).await?;
    let all: Vec<u32> = finds.iter().map(|find| find.task.0).collect();
    let versions = ids(
        db,
        tx,
        &all,
        "{f}tasks_id",
        "{p}sidecar_snapshots",
        "FOR UPDATE",
    )
    .await?;
    let (mut rows, mut changes): (Vec<[Value; 4]>, Vec<[Value; 8]>) = (Vec::new(), Vec::new());
    let mut gone: Vec<u32> = Vec::new();
    for find in finds {
        let is_there = find.version.is_some() || there.contains_key(&find.task.0);
        if !is_there || versions.get(&find.task.0).copied() != find.version {
            continue;
        }
        match &find.now {
            Some(now) => rows.push(row(find.task, begun, now)),
            None => gone.push(find.task.0),
        }
        changes.extend(change_rows(find.task, &find.changes, find.since, until));
    }
    write_rows(db, tx, &rows).await?;
    for chunk in gone.chunks(LIST_MAX) {
        // What it was stays: its name, and who may know of it.
        let text = format!(
            "/* store_finds */ UPDATE {{p}}sidecar_snapshots SET version = version + 1, seen_at = ?, digest = '' WHERE {{f}}tasks_id IN ({})",
            marks(chunk.len())
        );
        let ids = crate::db::bulk::pad(chunk).map(Value::from);
        let values = [Value::from(until)].into_iter().chain(ids).collect();
        tx.exec_drop(db.names.replace(&text), Params::Positional(values))
            .await?;
    }
    write_changes(db, tx, &changes).await?;
    Ok(changes.len())
}

/// The versions of rows, or 0 where the table has none, by their ids.
async fn ids(
    db: &Db,
    tx: &mut Transaction<'static>,
    ids: &[u32],
    key: &str,
    table: &str,
    lock: &str,
) -> Result<HashMap<u32, u32>, DbError> {
    let version = if key == "id" { "0" } else { "version" };
    let mut found = HashMap::with_capacity(ids.len());
    for chunk in ids.chunks(LIST_MAX) {
        let text = format!(
            "/* store_finds */ SELECT {key}, {version} FROM {table} WHERE {key} IN ({}) {lock}",
            marks(chunk.len())
        );
        let rows: Vec<(u32, u32)> = tx.exec(db.names.replace(&text), list(chunk)).await?;
        found.extend(rows);
    }
    Ok(found)
}

/// A row of snapshots.
fn row(task: TaskId, at: NaiveDateTime, now: &Packed) -> [Value; 4] {
    [
        task.0.into(),
        at.into(),
        now.digest.as_str().into(),
        now.text.as_str().into(),
    ]
}

/// Rows of changes.
fn change_rows(
    task: TaskId,
    changes: &[Change],
    since: Option<NaiveDateTime>,
    until: NaiveDateTime,
) -> impl Iterator<Item = [Value; 8]> {
    // Another sidecar's clock may be ahead.
    let until = since.map_or(until, |since| since.max(until));
    changes.iter().map(move |change| {
        let (job, name) = match &change.job {
            Some((job, name)) => (job.0, name.as_str()),
            None => (0, ""),
        };
        [
            task.0.into(),
            since.into(),
            until.into(),
            change.field.word().into(),
            job.into(),
            name.into(),
            change.old.as_str().into(),
            change.new.as_str().into(),
        ]
    })
}

async fn write_rows(
    db: &Db,
    tx: &mut Transaction<'static>,
    rows: &[[Value; 4]],
) -> Result<(), DbError> {
    insert(
        db,
        tx,
        "/* write_snapshots */ INSERT INTO {p}sidecar_snapshots ({f}tasks_id, seen_at, digest, state)",
        rows,
        "ON DUPLICATE KEY UPDATE version = version + 1, seen_at = VALUES(seen_at), digest = VALUES(digest), state = VALUES(state)",
    )
    .await
}

async fn write_changes(
    db: &Db,
    tx: &mut Transaction<'static>,
    rows: &[[Value; 8]],
) -> Result<(), DbError> {
    let head = "/* write_changes */ INSERT INTO {p}sidecar_changes ({f}tasks_id, since, `until`, field, {f}taskjobs_id, job, old_value, new_value)";
    insert(db, tx, head, rows, "").await
}
