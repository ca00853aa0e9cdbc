//! What somebody who looks at a task has done about its runs.

use chrono::NaiveDateTime;
use mysql_async::prelude::Queryable;
use mysql_async::{Params, Transaction, Value};

use super::bulk::{LIST_MAX, Named, cancel_locked, marks, pad};
use super::preparation::{insert_prepared, lock_job};
use super::{Db, DbError, OnLock};
use crate::domain::actors::Target;
use crate::domain::ids::{AgentId, EntityId, JobId, RunId, TaskId};
use crate::proto::text::decode;

/// Most runs that one transaction changes.
pub const CHANGED_AT_ONCE: usize = 1024;

impl Db {
    /// Name and entity of a task, if it is there.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn task_place(&self, task: TaskId) -> Result<Option<(String, EntityId)>, DbError> {
        self.timed("task_place", async {
            let sql =
                self.sql("/* task_place */ SELECT name, entities_id FROM {p}tasks WHERE id = ?");
            let row: Option<(Option<String>, u32)> = self
                .conn()
                .await?
                .exec_first(sql.as_ref(), (task.0,))
                .await?;
            Ok(row.map(|(name, entity)| {
                let name = name.unwrap_or_default();
                (decode(&name).into_owned(), EntityId(entity))
            }))
        })
        .await
    }

    /// Runs of `job` that wait for their agents, also those put off, by id; at most so many.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn cancellable_runs(&self, job: JobId, most: usize) -> Result<Vec<RunId>, DbError> {
        self.timed("cancellable_runs", async {
            let sql = self.sql(
                "/* cancellable_runs */ SELECT id FROM {p}taskjobstates WHERE {f}taskjobs_id = ? AND state IN (0, 6) ORDER BY id LIMIT ?",
            );
            let ids: Vec<u64> = self.conn().await?.exec(sql.as_ref(), (job.0, most)).await?;
            Ok(ids.into_iter().map(RunId).collect())
        })
        .await
    }

    /// The last runs of `job` on each target and agent that are in error, by id; at most so many.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn failed_runs(&self, job: JobId, most: usize) -> Result<Vec<RunId>, DbError> {
        self.timed("failed_runs", async {
            let sql = self.sql(
                "/* failed_runs */ SELECT last >> 4 FROM (SELECT MAX(id * 16 + LEAST(state, 15)) AS last FROM {p}taskjobstates \
                 WHERE {f}taskjobs_id = ? GROUP BY itemtype, items_id, {f}agents_id) AS x WHERE last & 15 = 4 ORDER BY last LIMIT ?",
            );
            let ids: Vec<u64> = self.conn().await?.exec(sql.as_ref(), (job.0, most)).await?;
            Ok(ids.into_iter().map(RunId).collect())
        })
        .await
    }

    /// Cancels those of `runs`, at most [`CHANGED_AT_ONCE`], that are runs of `job` and still wait; how many it were. `text` is the log line.
    ///
    /// # Errors
    ///
    /// When the database fails; then none was.
    pub async fn cancel_waiting(
        &self,
        job: JobId,
        runs: &[RunId],
        text: &str,
        at: NaiveDateTime,
    ) -> Result<usize, DbError> {
        self.tx(
            "cancel_waiting",
            OnLock::TryAgain,
            (job, runs, text, at),
            |db, (job, runs, text, at), tx| Box::pin(cancel_waiting(db, tx, *job, runs, text, *at)),
        )
        .await
        .inspect(|_| self.written.note([job]))
    }

    /// Prepares anew what those of `runs`, at most [`CHANGED_AT_ONCE`], were about that are runs of `job`, in error, and the last of their
    /// target and agent, of which none is open either: how many.
    ///
    /// # Errors
    ///
    /// When the database fails; then none was.
    pub async fn retry_runs(
        &self,
        job: JobId,
        runs: &[RunId],
        at: NaiveDateTime,
    ) -> Result<usize, DbError> {
        self.tx(
            "retry_runs",
            OnLock::TryAgain,
            (job, runs, at),
            |db, (job, runs, at), tx| Box::pin(retry(db, tx, *job, runs, *at)),
        )
        .await
        .inspect(|_| self.written.note([job]))
    }
}

async fn cancel_waiting(
    db: &Db,
    tx: &mut Transaction<'static>,
    job: JobId,
    runs: &[RunId],
    text: &str,
    at: NaiveDateTime,
) -> Result<usize, DbError> {
    lock_job(db, tx, job).await?;
    let wanted: Vec<u64> = runs.iter().map(|run| run.0).collect();
    let mut cancelled = 0;
    for chunk in wanted.chunks(LIST_MAX) {
        // Locked: an agent may be given one, or report on it, at this moment.
        let sql = format!(
            "/* cancel_waiting */ SELECT id, items_id, itemtype FROM {{p}}taskjobstates WHERE id IN ({}) AND {{f}}taskjobs_id = ? \
             AND state IN (0, 6) ORDER BY id FOR UPDATE",
            marks(chunk.len())
        );
        let values = pad(chunk).map(Value::from).chain([job.0.into()]).collect();
        let waiting: Vec<Named> = tx
            .exec(db.names.replace(&sql), Params::Positional(values))
            .await?;
        cancelled += cancel_locked(db, tx, waiting, text, at).await?;
    }
    Ok(cancelled)
}

async fn retry(
    db: &Db,
    tx: &mut Transaction<'static>,
    job: JobId,
    runs: &[RunId],
    at: NaiveDateTime,
) -> Result<usize, DbError> {
    // Whoever else makes runs of the job comes after this, and what came before is seen by the statements below.
    lock_job(db, tx, job).await?;
    let wanted: Vec<u64> = runs.iter().map(|run| run.0).collect();
    let mut pairs: Vec<(AgentId, Target)> = Vec::new();
    for chunk in wanted.chunks(LIST_MAX) {
        let sql = format!(
            "/* retry_runs */ SELECT r.{{f}}agents_id, r.itemtype, r.items_id FROM {{p}}taskjobstates r \
             JOIN {{p}}taskjobs j ON j.id = r.{{f}}taskjobs_id WHERE r.id IN ({}) AND r.{{f}}taskjobs_id = ? AND r.state = 4 \
             AND NOT EXISTS (SELECT 1 FROM {{p}}taskjobstates n WHERE n.{{f}}agents_id = r.{{f}}agents_id \
             AND n.{{f}}taskjobs_id = r.{{f}}taskjobs_id AND n.items_id = r.items_id AND n.itemtype = r.itemtype \
             AND (n.id > r.id OR n.state IN (0, 1, 2, 6))) ORDER BY r.id",
            marks(chunk.len())
        );
        let values = pad(chunk).map(Value::from).chain([job.0.into()]).collect();
        let rows: Vec<(u32, Option<String>, u32)> = tx
            .exec(db.names.replace(&sql), Params::Positional(values))
            .await?;
        pairs.extend(rows.into_iter().map(|(agent, itemtype, items_id)| {
            let target = Target {
                itemtype: itemtype.unwrap_or_default(),
                items_id,
            };
            (AgentId(agent), target)
        }));
    }
    let mut made: Vec<(AgentId, &Target)> = Vec::new();
    for (agent, target) in &pairs {
        made.push((*agent, target));
    }
    insert_prepared(db, tx, job, &made, at).await
}
