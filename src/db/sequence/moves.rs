//! The moves of an occurrence, each in its transaction.

use chrono::NaiveDateTime;
use mysql_async::Transaction;
use mysql_async::prelude::Queryable;

use super::{Occurrence, OccurrenceRow, Stage, occurrence};
use crate::db::bulk::{Named, cancel_locked};
use crate::db::preparation::{CANCELLED_AT_ONCE, Within, lock_job};
use crate::db::{Db, DbError};
use crate::domain::ids::{JobId, TaskId};
use crate::domain::sequence::Over;

/// Whether runs of this occurrence may be created: it does not end before this transaction.
pub(in crate::db) async fn is_under_way(
    db: &Db,
    tx: &mut Transaction<'static>,
    within: Within,
) -> Result<bool, DbError> {
    is_in_state(db, tx, within, 0).await
}

/// Whether the task's last occurrence is this one and stands there, until the end of this transaction.
async fn is_in_state(
    db: &Db,
    tx: &mut Transaction<'static>,
    within: Within,
    state: u8,
) -> Result<bool, DbError> {
    let sql = db.sql(
        "/* is_in_state */ SELECT 1 FROM {p}sidecar_occurrences WHERE {f}tasks_id = ? AND number = ? AND state = ? LOCK IN SHARE MODE",
    );
    let found: Option<u8> = tx
        .exec_first(sql.as_ref(), (within.task.0, within.number, state))
        .await?;
    Ok(found.is_some())
}

/// Takes the lock row of `task`: whoever begins an occurrence of it, or deletes it, comes after this transaction.
pub(in crate::db) async fn lock_task(
    db: &Db,
    tx: &mut Transaction<'static>,
    task: TaskId,
) -> Result<(), DbError> {
    let lock = db.sql(
        "/* lock_task */ INSERT INTO {p}sidecar_locks (name, counter) VALUES (?, 1) ON DUPLICATE KEY UPDATE counter = counter + 1",
    );
    Ok(tx
        .exec_drop(lock.as_ref(), (format!("task:{task}"),))
        .await?)
}

/// Moves an occurrence from under way to `state`; whether it was under way.
pub(super) async fn end(
    db: &Db,
    tx: &mut Transaction<'static>,
    within: Within,
    state: u8,
    over: Over,
    at: i64,
) -> Result<bool, DbError> {
    let sql = db.sql(
        "/* end_occurrence */ UPDATE {p}sidecar_occurrences SET state = ?, why = ?, ended_at = ? \
         WHERE {f}tasks_id = ? AND number = ? AND state = 0",
    );
    let (task, number) = (within.task.0, within.number);
    tx.exec_drop(sql.as_ref(), (state, over.word(), at, task, number))
        .await?;
    Ok(tx.affected_rows() > 0)
}

/// From the update on nobody creates a run of the occurrence, and whoever was creating some has: what is read then stands.
pub(super) async fn finish(
    db: &Db,
    tx: &mut Transaction<'static>,
    within: Within,
    at: i64,
) -> Result<bool, DbError> {
    let sql = db.sql(
        "/* finish_occurrence */ SELECT 1 FROM {p}sidecar_occurrences WHERE {f}tasks_id = ? AND number = ? AND state = 0 FOR UPDATE",
    );
    let task = within.task.0;
    let found: Option<u8> = tx.exec_first(sql.as_ref(), (task, within.number)).await?;
    if found.is_none() {
        return Ok(false);
    }
    let sql = db.sql(
        "/* finish_occurrence */ SELECT EXISTS (SELECT 1 FROM {p}taskjobs j JOIN {p}taskjobstates r ON r.{f}taskjobs_id = j.id \
         WHERE j.{f}tasks_id = ? AND r.id >= ?), EXISTS (SELECT 1 FROM {p}taskjobs j JOIN {p}taskjobstates r ON r.{f}taskjobs_id = j.id \
         WHERE j.{f}tasks_id = ? AND r.state IN (0, 1, 2))",
    );
    let runs: Option<(bool, bool)> = tx
        .exec_first(sql.as_ref(), (task, within.first_run, task))
        .await?;
    match runs {
        Some((true, false)) => end(db, tx, within, 2, Over::Done, at).await,
        _ => Ok(false),
    }
}

pub(super) async fn begin(
    db: &Db,
    tx: &mut Transaction<'static>,
    task: TaskId,
    last: u32,
    at: i64,
) -> Result<Occurrence, DbError> {
    lock_task(db, tx, task).await?;
    let sql = db.sql(concat!(
        "/* begin_occurrence */ SELECT ",
        occurrence_columns!(),
        " WHERE {f}tasks_id = ?"
    ));
    let found: Option<OccurrenceRow> = tx.exec_first(sql.as_ref(), (task.0,)).await?;
    if let Some(found) = found.map(occurrence)
        && (found.within.number != last || !matches!(found.stage, Stage::Ended(_)))
    {
        return Ok(found);
    }
    let sql =
        db.sql("/* begin_occurrence */ SELECT COALESCE(MAX(id), 0) + 1 FROM {p}taskjobstates");
    let first_run: Option<u64> = tx.query_first(sql.as_ref()).await?;
    let within = Within {
        task,
        number: last.wrapping_add(1),
        first_run: first_run.unwrap_or(1),
    };
    let sql = db.sql(
        "/* begin_occurrence */ INSERT INTO {p}sidecar_occurrences ({f}tasks_id, number, began_at, first_run, state, why, ended_at) \
         VALUES (?, ?, ?, ?, 0, '', NULL) ON DUPLICATE KEY UPDATE number = VALUES(number), began_at = VALUES(began_at), \
         first_run = VALUES(first_run), state = 0, why = '', ended_at = NULL",
    );
    tx.exec_drop(sql.as_ref(), (task.0, within.number, at, within.first_run))
        .await?;
    Ok(Occurrence {
        within,
        began_at: at,
        stage: Stage::Open,
    })
}

pub(super) async fn cancel_unstarted(
    db: &Db,
    tx: &mut Transaction<'static>,
    job: JobId,
    within: Within,
    text: &str,
    at: NaiveDateTime,
) -> Result<usize, DbError> {
    lock_job(db, tx, job).await?;
    // The runs of the next one have ids from its first run on, too.
    if !is_in_state(db, tx, within, 1).await? {
        return Ok(0);
    }
    let sql = db.sql(
        "/* cancel_unstarted */ SELECT id, items_id, itemtype FROM {p}taskjobstates \
         WHERE {f}taskjobs_id = ? AND state = 0 AND id >= ? ORDER BY id LIMIT ? FOR UPDATE",
    );
    let runs: Vec<Named> = tx
        .exec(sql.as_ref(), (job.0, within.first_run, CANCELLED_AT_ONCE))
        .await?;
    cancel_locked(db, tx, runs, text, at).await
}
