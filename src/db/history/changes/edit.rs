//! Snapshots beside what a sidecar itself changes: that is no change made in GLPI.

use chrono::NaiveDateTime;
use mysql_async::Transaction;
use mysql_async::prelude::Queryable;

use super::states::{Which, read};
use super::{ALL, change_rows, lock, row, write_changes, write_rows};
use crate::db::{Db, DbError};
use crate::domain::changes::{Change, Field, State};
use crate::domain::ids::{JobId, TaskId};

/// A task, and moment, digest and state of its row.
type SeenRow = (u32, Option<NaiveDateTime>, String, String);

/// A task as it was before an edit.
#[derive(Debug)]
pub(in crate::db) struct Before {
    task: TaskId,
    state: State,
}

/// Before a transaction edits `task`, whose lock row it has: stores what was changed in GLPI until now, and what the task is. None if there is
/// no such task. Until the end of the transaction nobody else changes the task's row or its jobs.
pub(in crate::db) async fn begin(
    db: &Db,
    tx: &mut Transaction<'static>,
    task: TaskId,
    at: NaiveDateTime,
) -> Result<Option<Before>, DbError> {
    let states = read(db, tx, Which::Locked(task)).await?;
    let Some((_, now)) = states.into_iter().next() else {
        return Ok(None);
    };
    lock(db, tx).await?;
    let sql = db.sql(
        "/* seen */ SELECT {f}tasks_id, seen_at, digest, state FROM {p}sidecar_snapshots WHERE {f}tasks_id IN (?, ?) FOR UPDATE",
    );
    let rows: Vec<SeenRow> = tx.exec(sql.as_ref(), (ALL, task.0)).await?;
    let looked_at = rows.iter().find(|row| row.0 == ALL).and_then(|row| row.1);
    let packed = now.pack();
    let seen = rows.into_iter().find(|row| row.0 == task.0);
    let (changes, since) = match seen {
        Some((_, _, digest, _)) if digest == packed.digest => {
            return Ok(Some(Before { task, state: now }));
        }
        Some((_, at, digest, text)) if !digest.is_empty() => {
            let changes = State::unpack(&text).map(|before| before.changes(&now));
            (changes.unwrap_or_default(), at.max(looked_at))
        }
        // It is new, unless nobody has looked at all yet.
        _ if looked_at.is_some() => (vec![Change::whole(Field::Created, now.name())], looked_at),
        _ => (vec![], None),
    };
    write_rows(db, tx, &[row(task, at, &packed)]).await?;
    let changes: Vec<_> = change_rows(task, &changes, since, at).collect();
    write_changes(db, tx, &changes).await?;
    Ok(Some(Before { task, state: now }))
}

/// After the edit, which changed the task's row and `jobs`, or made or deleted these: how the task was last seen is what that made of
/// `before`.
pub(in crate::db) async fn end(
    db: &Db,
    tx: &mut Transaction<'static>,
    before: Option<Before>,
    jobs: &[JobId],
    at: NaiveDateTime,
) -> Result<(), DbError> {
    let Some(Before { task, state }) = before else {
        return Ok(());
    };
    let states = read(db, tx, Which::Locked(task)).await?;
    let Some((_, after)) = states.into_iter().next() else {
        return Ok(());
    };
    let edited = state.edited(&after, jobs);
    if edited == state {
        return Ok(());
    }
    write_rows(db, tx, &[row(task, at, &edited.pack())]).await
}

/// With a task that a sidecar deletes, what is known of it goes.
pub(in crate::db) async fn forget(
    db: &Db,
    tx: &mut Transaction<'static>,
    task: TaskId,
) -> Result<(), DbError> {
    for sql in [
        "/* forget */ DELETE FROM {p}sidecar_snapshots WHERE {f}tasks_id = ?",
        "/* forget */ DELETE FROM {p}sidecar_changes WHERE {f}tasks_id = ?",
    ] {
        tx.exec_drop(db.sql(sql).as_ref(), (task.0,)).await?;
    }
    Ok(())
}
