//! The end of rows that came into question, by primary key, in transactions that touch so many and no more.

use std::collections::HashSet;

use mysql_async::prelude::Queryable;
use mysql_async::{Params, Transaction, Value};

use super::gone::note_gone;
use super::jobs_of;
use crate::db::bulk::{LIST_MAX, list, marks, pad};
use crate::db::history::changes::forget;
use crate::db::preparation::lock_job;
use crate::db::sequence::lock_task;
use crate::db::{Db, DbError, OnLock};
use crate::domain::cleaning::Demand;
use crate::domain::ids::{RunId, TaskId};
use crate::domain::policy::Policy;

/// What goes with the runs that are deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lot {
    /// Runs in whatever state, with all their lines; also lines whose run is gone.
    All,
    /// Runs that have ended by then, with all their lines.
    Ended,
    /// Runs that have ended by then; their lines stay.
    EndedWithoutLines,
    /// What is left of runs that are gone.
    Remains,
}

/// What a transaction deleted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Deleted {
    /// Runs.
    pub runs: u64,
    /// Log lines.
    pub lines: u64,
    /// Runs that it did not come to.
    pub rest: Vec<RunId>,
}

impl Db {
    /// Deletes a task on demand with its jobs, if by then it still may go; whether it did. Nothing is prepared for it meanwhile. Its runs
    /// stay; under policy `redux` it is noted that they are to go.
    ///
    /// # Errors
    ///
    /// When the database fails; then nothing was deleted.
    pub async fn delete_task(&self, task: TaskId, policy: Policy) -> Result<bool, DbError> {
        self.tx(
            "delete_task",
            OnLock::TryAgain,
            (task, policy),
            |db, (task, policy), tx| Box::pin(delete_task(db, tx, *task, *policy)),
        )
        .await
    }

    /// Deletes of `runs` what `lot` says, from the lowest id on, until it has deleted `most` log lines. Whoever reports on one of them
    /// meanwhile waits, and then finds it gone.
    ///
    /// # Errors
    ///
    /// When the database fails; then nothing was deleted.
    pub async fn delete_runs(
        &self,
        runs: &[RunId],
        lot: Lot,
        most: u32,
    ) -> Result<Deleted, DbError> {
        let mut ids: Vec<u64> = runs.iter().map(|run| run.0).collect();
        ids.sort_unstable();
        self.tx(
            "delete_runs",
            OnLock::TryAgain,
            (ids, lot, most),
            |db, (ids, lot, most), tx| Box::pin(delete_runs(db, tx, ids, *lot, *most)),
        )
        .await
    }
}

async fn delete_task(
    db: &Db,
    tx: &mut Transaction<'static>,
    task: TaskId,
    policy: Policy,
) -> Result<bool, DbError> {
    let jobs = jobs_of(db, tx, task).await?;
    for job in &jobs {
        lock_job(db, tx, *job).await?;
    }
    lock_task(db, tx, task).await?;
    let sql = db.sql(concat!(
        "/* delete_task */ SELECT ",
        demand!(),
        " FROM {p}tasks t WHERE t.id = ? AND t.is_deploy_on_demand = 1"
    ));
    let demand: Option<(bool, bool, bool)> = tx.exec_first(sql.as_ref(), (task.0,)).await?;
    let goes = demand.is_some_and(|(has_runs, has_open_runs, is_under_way)| {
        Demand {
            has_runs,
            has_open_runs,
            is_under_way,
        }
        .may_go(policy)
    });
    if goes {
        let ids: Vec<u64> = jobs.iter().map(|job| job.0.into()).collect();
        delete_rows(db, tx, "{p}taskjobs", "id", &ids).await?;
        delete_rows(db, tx, "{p}tasks", "id", &[task.0.into()]).await?;
        forget(db, tx, task).await?;
        if policy == Policy::Redux {
            for job in &jobs {
                note_gone(db, tx, *job).await?;
            }
        }
    }
    Ok(goes)
}

async fn delete_runs(
    db: &Db,
    tx: &mut Transaction<'static>,
    ids: &[u64],
    lot: Lot,
    most: u32,
) -> Result<Deleted, DbError> {
    // Whoever writes a line locks the run first: from here on none of these gets another one.
    let mut here: Vec<(u64, bool)> = Vec::with_capacity(ids.len());
    for chunk in ids.chunks(LIST_MAX) {
        let text = format!(
            concat!(
                "/* delete_runs */ SELECT id, state IN ",
                ended!(),
                " FROM {{p}}taskjobstates WHERE id IN ({}) ORDER BY id FOR UPDATE"
            ),
            marks(chunk.len())
        );
        let rows: Vec<(u64, bool)> = tx.exec(db.names.replace(&text), list(chunk)).await?;
        here.extend(rows);
    }
    let chosen: Vec<u64> = match lot {
        Lot::All => ids.to_vec(),
        Lot::Ended | Lot::EndedWithoutLines => here
            .iter()
            .filter(|(_, ended)| *ended)
            .map(|(id, _)| *id)
            .collect(),
        Lot::Remains => {
            let here: HashSet<u64> = here.iter().map(|(id, _)| *id).collect();
            ids.iter()
                .copied()
                .filter(|id| !here.contains(id))
                .collect()
        }
    };
    if lot == Lot::EndedWithoutLines {
        return delete_whole(db, tx, &chosen, 0).await;
    }
    let lines = lines_of(db, tx, &chosen, most).await?;
    let is_enough = lines.len() as u64 >= u64::from(most);
    // The last one may have more lines.
    let last = lines.last().filter(|_| is_enough).map(|(run, _)| *run);
    let whole = chosen.partition_point(|run| last.is_none_or(|last| *run < last));
    let mut lines: Vec<u64> = lines.into_iter().map(|(_, line)| line).collect();
    // In the order of the table: two cleaners never wait for each other crosswise.
    lines.sort_unstable();
    let lines = delete_rows(db, tx, "{p}taskjoblogs", "id", &lines).await?;
    let mut deleted = delete_whole(db, tx, &chosen[..whole], lines).await?;
    deleted.rest = chosen[whole..].iter().copied().map(RunId).collect();
    Ok(deleted)
}

/// Deletes runs after their lines, of which there were `lines`.
async fn delete_whole(
    db: &Db,
    tx: &mut Transaction<'static>,
    runs: &[u64],
    lines: u64,
) -> Result<Deleted, DbError> {
    let deleted = delete_rows(db, tx, "{p}taskjobstates", "id", runs).await?;
    delete_rows(db, tx, "{p}sidecar_runs", "{f}taskjobstates_id", runs).await?;
    delete_rows(db, tx, "{p}sidecar_spooled", "{f}taskjobstates_id", runs).await?;
    Ok(Deleted {
        runs: deleted,
        lines,
        rest: Vec::new(),
    })
}

/// The first `most` log lines of `runs` by run: run and line.
async fn lines_of(
    db: &Db,
    tx: &mut Transaction<'static>,
    runs: &[u64],
    most: u32,
) -> Result<Vec<(u64, u64)>, DbError> {
    let mut lines: Vec<(u64, u64)> = Vec::new();
    for chunk in runs.chunks(LIST_MAX) {
        let text = format!(
            "/* lines_of */ SELECT {{f}}taskjobstates_id, id FROM {{p}}taskjoblogs WHERE {{f}}taskjobstates_id IN ({}) \
             ORDER BY {{f}}taskjobstates_id LIMIT ?",
            marks(chunk.len())
        );
        let room = u64::from(most).saturating_sub(lines.len() as u64);
        if room == 0 {
            break;
        }
        let values = pad(chunk).map(Value::from).chain([room.into()]).collect();
        let found: Vec<(u64, u64)> = tx
            .exec(db.names.replace(&text), Params::Positional(values))
            .await?;
        lines.extend(found);
    }
    Ok(lines)
}

/// Deletes rows by the primary key `key`; how many there were.
async fn delete_rows(
    db: &Db,
    tx: &mut Transaction<'static>,
    table: &str,
    key: &str,
    ids: &[u64],
) -> Result<u64, DbError> {
    let mut deleted = 0;
    for chunk in ids.chunks(LIST_MAX) {
        let text = format!(
            "/* delete_rows */ DELETE FROM {table} WHERE {key} IN ({})",
            marks(chunk.len())
        );
        tx.exec_drop(db.names.replace(&text), list(chunk)).await?;
        deleted += tx.affected_rows();
    }
    Ok(deleted)
}
