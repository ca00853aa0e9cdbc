//! Occurrences of tasks, and the places of jobs in them.

use std::collections::HashMap;

use chrono::NaiveDateTime;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Transaction, Value};

use super::bulk::{add_lines, list, marks};
use super::preparation::{CANCELLED_AT_ONCE, Within, lock_job};
use super::{Db, DbError, OnLock};
use crate::domain::catalogue::Catalogue;
use crate::domain::ids::{AgentId, JobId, TaskId};
use crate::domain::run::LogState;
use crate::domain::sequence::{Over, Place, Sequence, Tally};

/// How far an occurrence is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Under way.
    Open,
    /// Over, and what has not started is being cancelled.
    Ending(Over),
    /// Over.
    Ended(Over),
}

/// The last occurrence of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Occurrence {
    /// Which one, and which runs are its own.
    pub within: Within,
    /// When it began, in Unix time.
    pub began_at: i64,
    /// How far it is.
    pub stage: Stage,
}

/// Task, number, beginning, first run, state, why.
type OccurrenceRow = (u32, u32, i64, u64, u8, String);

fn occurrence((task, number, began_at, first_run, state, why): OccurrenceRow) -> Occurrence {
    let over = Over::from_word(&why);
    Occurrence {
        within: Within {
            task: TaskId(task),
            number,
            first_run,
        },
        began_at,
        stage: match state {
            0 => Stage::Open,
            1 => Stage::Ending(over),
            _ => Stage::Ended(over),
        },
    }
}

macro_rules! occurrence_columns {
    () => {
        "{f}tasks_id, number, began_at, first_run, state, why FROM {p}sidecar_occurrences"
    };
}

impl Db {
    /// Adds the sequences of the tasks that have rows of ours to the catalogue.
    pub(super) async fn sequences(
        &self,
        conn: &mut Conn,
        catalogue: &mut Catalogue,
    ) -> Result<(), DbError> {
        let sql = self.sql(
            "/* catalogue */ SELECT {f}taskjobs_id, `rank`, delay, after_success <> 0 FROM {p}sidecar_sequence",
        );
        let rows: Vec<(u32, u32, u32, bool)> = conn.query(sql.as_ref()).await?;
        let rows: HashMap<JobId, Place> = rows
            .into_iter()
            .map(|(job, rank, delay, after_success)| {
                let job = JobId(job);
                let place = Place {
                    job,
                    rank,
                    delay,
                    after_success,
                };
                (job, place)
            })
            .collect();
        let sql = self.sql(
            "/* catalogue */ SELECT {f}tasks_id, max_duration, min_period FROM {p}sidecar_tasks",
        );
        let bounds: Vec<(u32, Option<u32>, Option<u32>)> = conn.query(sql.as_ref()).await?;
        let mut tasks: HashMap<TaskId, (Option<u32>, Option<u32>)> = catalogue
            .jobs
            .values()
            .filter(|job| rows.contains_key(&job.id))
            .map(|job| (job.task, (None, None)))
            .collect();
        for (task, max_duration, min_period) in bounds {
            // None of zero seconds is meant: it would begin and end at each pass.
            let bound = |seconds: Option<u32>| seconds.filter(|seconds| *seconds > 0);
            tasks.insert(TaskId(task), (bound(max_duration), bound(min_period)));
        }
        let mut places: HashMap<TaskId, Vec<Place>> = HashMap::new();
        for job in catalogue.jobs.values() {
            if tasks.contains_key(&job.task) {
                let place = rows.get(&job.id).copied();
                let place = place.unwrap_or_else(|| Place::plain(job.id));
                places.entry(job.task).or_default().push(place);
            }
        }
        for (task, places) in places {
            let (max_duration, min_period) = tasks.get(&task).copied().unwrap_or_default();
            let sequence = Sequence::new(places, max_duration, min_period);
            catalogue.sequences.insert(task, sequence);
        }
        Ok(())
    }

    /// The last occurrence of each task that had one.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn occurrences(&self) -> Result<HashMap<TaskId, Occurrence>, DbError> {
        self.timed("occurrences", async {
            let sql = self.sql(concat!("/* occurrences */ SELECT ", occurrence_columns!()));
            let rows: Vec<OccurrenceRow> = self.conn().await?.query(sql.as_ref()).await?;
            let occurrences = rows.into_iter().map(occurrence);
            Ok(occurrences.map(|one| (one.within.task, one)).collect())
        })
        .await
    }

    /// Begins the next occurrence of `task` after the one of number `last` (0: the first), at `at` in Unix time, unless somebody has: the one
    /// that there is then.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn begin_occurrence(
        &self,
        task: TaskId,
        last: u32,
        at: i64,
    ) -> Result<Occurrence, DbError> {
        self.tx(
            "begin_occurrence",
            OnLock::TryAgain,
            (task, last, at),
            |db, (task, last, at), tx| Box::pin(begin(db, tx, *task, *last, *at)),
        )
        .await
    }

    /// Says that an occurrence is over, `at` in Unix time; whether it was under way. From here on no run of it is created.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn end_occurrence(
        &self,
        within: Within,
        over: Over,
        at: i64,
    ) -> Result<bool, DbError> {
        self.tx(
            "end_occurrence",
            OnLock::TryAgain,
            (within, over, at),
            |db, (within, over, at), tx| {
                Box::pin(async move {
                    let sql = db.sql(
                        "/* end_occurrence */ UPDATE {p}sidecar_occurrences SET state = 1, why = ?, ended_at = ? \
                         WHERE {f}tasks_id = ? AND number = ? AND state = 0",
                    );
                    tx.exec_drop(sql.as_ref(), (over.word(), *at, within.task.0, within.number))
                        .await?;
                    Ok(tx.affected_rows() > 0)
                })
            },
        )
        .await
    }

    /// Says that nothing is left to be cancelled of an occurrence that is over: the next one may begin.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn close_occurrence(&self, within: Within) -> Result<(), DbError> {
        self.tx(
            "close_occurrence",
            OnLock::TryAgain,
            within,
            |db, within, tx| {
                Box::pin(async move {
                    let sql = db.sql(
                        "/* close_occurrence */ UPDATE {p}sidecar_occurrences SET state = 2 \
                         WHERE {f}tasks_id = ? AND number = ? AND state = 1",
                    );
                    Ok(tx
                        .exec_drop(sql.as_ref(), (within.task.0, within.number))
                        .await?)
                })
            },
        )
        .await
    }

    /// How many runs of `job` from `first_run` on have not started.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn unstarted_runs(&self, job: JobId, first_run: u64) -> Result<usize, DbError> {
        self.timed("unstarted_runs", async {
            let sql = self.sql(
                "/* unstarted_runs */ SELECT COUNT(*) FROM {p}taskjobstates WHERE {f}taskjobs_id = ? AND state = 0 AND id >= ?",
            );
            let count: Option<usize> = self
                .conn()
                .await?
                .exec_first(sql.as_ref(), (job.0, first_run))
                .await?;
            Ok(count.unwrap_or_default())
        })
        .await
    }

    /// Cancels runs of `job` from `first_run` on that have not started, with `text` in their logs: how many. As many as were cancelled at once
    /// at the most; none are left when there was none.
    ///
    /// # Errors
    ///
    /// When the database fails; then none was cancelled.
    pub async fn cancel_unstarted(
        &self,
        job: JobId,
        first_run: u64,
        text: &'static str,
        at: NaiveDateTime,
    ) -> Result<usize, DbError> {
        self.tx(
            "cancel_unstarted",
            OnLock::TryAgain,
            (job, first_run, text, at),
            |db, (job, first_run, text, at), tx| {
                Box::pin(cancel_unstarted(db, tx, *job, *first_run, text, *at))
            },
        )
        .await
        .inspect(|_| self.written.note([job]))
    }

    /// How the runs of `job` stand, agent by agent: those from `first_run` on, those that are open, and with `before` those that ended well at
    /// any time.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn tallies(
        &self,
        job: JobId,
        first_run: u64,
        before: bool,
    ) -> Result<HashMap<AgentId, Tally>, DbError> {
        self.timed("tallies", async {
            let sql = self.sql(
                "/* tallies */ SELECT {f}agents_id, CAST(SUM(state IN (0, 1, 2)) AS UNSIGNED), CAST(SUM(state = 3) AS UNSIGNED), \
                 CAST(SUM(state IN (4, 5)) AS UNSIGNED) FROM {p}taskjobstates \
                 WHERE {f}taskjobs_id = ? AND (id >= ? OR state IN (0, 1, 2) OR (? AND state = 3)) GROUP BY {f}agents_id",
            );
            let rows: Vec<(u32, u32, u32, u32)> = self
                .conn()
                .await?
                .exec(sql.as_ref(), (job.0, first_run, before))
                .await?;
            Ok(rows
                .into_iter()
                .map(|(agent, open, well, ill)| (AgentId(agent), Tally { open, well, ill }))
                .collect())
        })
        .await
    }

    /// Deletes the sidecar's rows about tasks and jobs that are gone.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn forget_sequences(&self) -> Result<(), DbError> {
        self.tx("forget_sequences", OnLock::TryAgain, (), |db, (), tx| {
            Box::pin(async move {
                for text in [
                    "/* forget_sequences */ DELETE FROM {p}sidecar_occurrences WHERE NOT EXISTS (\
                     SELECT 1 FROM {p}tasks t WHERE t.id = {p}sidecar_occurrences.{f}tasks_id)",
                    "/* forget_sequences */ DELETE FROM {p}sidecar_tasks WHERE NOT EXISTS (\
                     SELECT 1 FROM {p}tasks t WHERE t.id = {p}sidecar_tasks.{f}tasks_id)",
                    "/* forget_sequences */ DELETE FROM {p}sidecar_sequence WHERE NOT EXISTS (\
                     SELECT 1 FROM {p}taskjobs j WHERE j.id = {p}sidecar_sequence.{f}taskjobs_id)",
                ] {
                    tx.query_drop(db.sql(text).as_ref()).await?;
                }
                Ok(())
            })
        })
        .await
    }
}

/// Whether runs of this occurrence may be created: it does not end before this transaction.
pub(super) async fn is_under_way(
    db: &Db,
    tx: &mut Transaction<'static>,
    within: Within,
) -> Result<bool, DbError> {
    let sql = db.sql(
        "/* is_under_way */ SELECT 1 FROM {p}sidecar_occurrences WHERE {f}tasks_id = ? AND number = ? AND state = 0 LOCK IN SHARE MODE",
    );
    let found: Option<u8> = tx
        .exec_first(sql.as_ref(), (within.task.0, within.number))
        .await?;
    Ok(found.is_some())
}

async fn begin(
    db: &Db,
    tx: &mut Transaction<'static>,
    task: TaskId,
    last: u32,
    at: i64,
) -> Result<Occurrence, DbError> {
    let lock = db.sql(
        "/* begin_occurrence */ INSERT INTO {p}sidecar_locks (name, counter) VALUES (?, 1) ON DUPLICATE KEY UPDATE counter = counter + 1",
    );
    tx.exec_drop(lock.as_ref(), (format!("task:{task}"),))
        .await?;
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

async fn cancel_unstarted(
    db: &Db,
    tx: &mut Transaction<'static>,
    job: JobId,
    first_run: u64,
    text: &str,
    at: NaiveDateTime,
) -> Result<usize, DbError> {
    lock_job(db, tx, job).await?;
    let sql = db.sql(
        "/* cancel_unstarted */ SELECT id, items_id, itemtype FROM {p}taskjobstates \
         WHERE {f}taskjobs_id = ? AND state = 0 AND id >= ? ORDER BY id LIMIT ? FOR UPDATE",
    );
    let rows: Vec<(u64, u32, Option<String>)> = tx
        .exec(sql.as_ref(), (job.0, first_run, CANCELLED_AT_ONCE))
        .await?;
    if rows.is_empty() {
        return Ok(0);
    }
    let ids: Vec<u64> = rows.iter().map(|row| row.0).collect();
    for chunk in ids.chunks(super::bulk::LIST_MAX) {
        let sql = format!(
            "/* cancel_unstarted */ UPDATE {{p}}taskjobstates SET state = 5 WHERE id IN ({})",
            marks(chunk.len())
        );
        tx.exec_drop(db.names.replace(&sql), list(chunk)).await?;
    }
    let lines: Vec<[Value; 6]> = rows
        .into_iter()
        .map(|(run, items_id, itemtype)| {
            [
                run.into(),
                at.into(),
                items_id.into(),
                itemtype.unwrap_or_default().into(),
                LogState::Info.code().into(),
                text.into(),
            ]
        })
        .collect();
    add_lines(db, tx, &lines).await?;
    Ok(lines.len())
}
