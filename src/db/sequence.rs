//! Occurrences of tasks, and the places of jobs in them.

use std::collections::HashMap;

use chrono::NaiveDateTime;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Params, Value};

use self::moves::{begin, cancel_unstarted, end, finish};
pub(super) use self::moves::{is_under_way, lock_task};
use super::preparation::Within;
use super::{Db, DbError, OnLock};
use crate::domain::catalogue::Catalogue;
use crate::domain::driven::TaskMode;
use crate::domain::ids::{AgentId, JobId, TaskId};
use crate::domain::sequence::{Current, Over, Place, Sequence, Tally};

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

impl Occurrence {
    /// Whether it has not ended.
    #[must_use]
    pub const fn is_current(&self) -> bool {
        !matches!(self.stage, Stage::Ended(_))
    }
}

/// Task, number, beginning, first run, state, why.
type OccurrenceRow = (u32, u32, i64, u64, u8, String);

/// Task, mode, maximum duration, minimum period.
type BoundsRow = (u32, Option<String>, Option<u32>, Option<u32>);

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

mod moves;

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
            "/* catalogue */ SELECT {f}tasks_id, mode, max_duration, min_period FROM {p}sidecar_tasks",
        );
        let bounds: Vec<BoundsRow> = conn.query(sql.as_ref()).await?;
        let mut tasks: HashMap<TaskId, (Option<u32>, Option<u32>)> = catalogue
            .jobs
            .values()
            .filter(|job| rows.contains_key(&job.id))
            .map(|job| (job.task, (None, None)))
            .collect();
        for (task, mode, max_duration, min_period) in bounds {
            match mode.map(|word| (word.parse::<TaskMode>(), word)) {
                None => {}
                Some((Ok(mode), _)) => {
                    catalogue.modes.insert(TaskId(task), mode);
                }
                Some((Err(_), word)) => catalogue.odd_modes.push((TaskId(task), word)),
            }
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
        catalogue.odd_modes.sort_unstable();
        for (task, places) in places {
            let (max_duration, min_period) = tasks.get(&task).copied().unwrap_or_default();
            let sequence = Sequence::new(places, max_duration, min_period);
            catalogue.sequences.insert(task, sequence);
        }
        if catalogue.sequences.is_empty() {
            return Ok(());
        }
        let sql = self.sql(concat!(
            "/* catalogue */ SELECT ",
            occurrence_columns!(),
            " WHERE state < 2"
        ));
        let rows: Vec<OccurrenceRow> = conn.query(sql.as_ref()).await?;
        let current = rows.into_iter().map(occurrence).map(|one| {
            let current = Current {
                first_run: one.within.first_run,
                began_at: one.began_at,
                is_ending: one.stage != Stage::Open,
            };
            (one.within.task, current)
        });
        catalogue.occurrences = current.collect();
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
            |db, (within, over, at), tx| Box::pin(end(db, tx, *within, 1, *over, *at)),
        )
        .await
    }

    /// Says that an occurrence is done, `at` in Unix time, if it is: it is under way, has had a run, and none of the task's is open. Whether
    /// it ended; nothing is to be cancelled then.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn finish_occurrence(&self, within: Within, at: i64) -> Result<bool, DbError> {
        self.tx(
            "finish_occurrence",
            OnLock::TryAgain,
            (within, at),
            |db, (within, at), tx| Box::pin(finish(db, tx, *within, *at)),
        )
        .await
    }

    /// Ends the occurrences of tasks that have no rows of ours any more, `at` in Unix time: what is prepared for these is none of an
    /// occurrence's.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn end_plain_occurrences(&self, at: i64) -> Result<(), DbError> {
        self.tx(
            "end_plain_occurrences",
            OnLock::TryAgain,
            at,
            |db, at, tx| {
                Box::pin(async move {
                    let sql = db.sql(
                        "/* end_plain_occurrences */ UPDATE {p}sidecar_occurrences o SET state = 2, why = ?, ended_at = ? WHERE state < 2 \
                         AND NOT EXISTS (SELECT 1 FROM {p}sidecar_tasks t WHERE t.{f}tasks_id = o.{f}tasks_id) AND NOT EXISTS (\
                         SELECT 1 FROM {p}taskjobs j JOIN {p}sidecar_sequence s ON s.{f}taskjobs_id = j.id WHERE j.{f}tasks_id = o.{f}tasks_id)",
                    );
                    Ok(tx.exec_drop(sql.as_ref(), (Over::Plain.word(), *at)).await?)
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

    /// Cancels runs of `job` in an occurrence that is over that have not started, with `text` in their logs: how many. As many as were cancelled
    /// at once at the most; none are left when there was none, or somebody has closed the occurrence.
    ///
    /// # Errors
    ///
    /// When the database fails; then none was cancelled.
    pub async fn cancel_unstarted(
        &self,
        job: JobId,
        within: Within,
        text: &'static str,
        at: NaiveDateTime,
    ) -> Result<usize, DbError> {
        self.tx(
            "cancel_unstarted",
            OnLock::TryAgain,
            (job, within, text, at),
            |db, (job, within, text, at), tx| {
                Box::pin(cancel_unstarted(db, tx, *job, *within, text, *at))
            },
        )
        .await
        .inspect(|_| self.written.note([job]))
    }

    /// How the runs of `job` stand, agent by agent: those from `first_run` on, those that are open, and with `before` whether one ended well
    /// at any time. What has ended before otherwise is not read.
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
            // Each part is a range of an index on job, the row's id being the last part of every index; the last one is answered agent by
            // agent by the first run that says yes, as is whether what was only cancelled had ended well before.
            let (never_well, well_before) = if before {
                (
                    " AND (SELECT 1 FROM {p}taskjobstates r WHERE r.{f}agents_id = t.agent AND r.{f}taskjobs_id = ? AND r.id < ? \
                     AND r.itemtype = t.itemtype AND r.items_id = t.items_id AND r.state = 3 LIMIT 1) IS NULL",
                    "UNION ALL SELECT a.id, NULL, NULL, 3 FROM {p}agents a WHERE (SELECT 1 FROM {p}taskjobstates r WHERE r.{f}agents_id = a.id \
                     AND r.{f}taskjobs_id = ? AND r.id < ? AND r.state = 3 LIMIT 1) IS NOT NULL",
                )
            } else {
                ("", "")
            };
            let text = format!(
                "/* tallies */ SELECT t.agent, CAST(SUM(t.open) AS UNSIGNED), CAST(SUM(t.well) AS UNSIGNED), CAST(SUM(t.ill) AS UNSIGNED), \
                 CAST(SUM(IF(t.open + t.well + t.ill = 0{never_well}, t.cancelled, 0)) AS UNSIGNED) FROM (\
                 SELECT u.agent, u.itemtype, u.items_id, SUM(u.state IN (0, 1, 2)) AS open, SUM(u.state = 3) AS well, SUM(u.state = 4) AS ill, \
                 SUM(u.state = 5) AS cancelled FROM (\
                 SELECT {{f}}agents_id AS agent, itemtype, items_id, state FROM {{p}}taskjobstates WHERE {{f}}taskjobs_id = ? AND id >= ? \
                 UNION ALL SELECT {{f}}agents_id, itemtype, items_id, state FROM {{p}}taskjobstates \
                 WHERE {{f}}taskjobs_id = ? AND id < ? AND state IN (0, 1, 2) \
                 {well_before}) u GROUP BY u.agent, u.itemtype, u.items_id) t GROUP BY t.agent"
            );
            let part = [u64::from(job.0), first_run];
            let parts = part.repeat(if before { 4 } else { 2 });
            let parts = parts.into_iter().map(Value::from).collect();
            let rows: Vec<(u32, u32, u32, u32, u32)> = self
                .conn()
                .await?
                .exec(self.names.replace(&text), Params::Positional(parts))
                .await?;
            Ok(rows
                .into_iter()
                .map(|(agent, open, well, ill, cancelled)| {
                    let tally = Tally {
                        open,
                        well,
                        ill,
                        cancelled,
                    };
                    (AgentId(agent), tally)
                })
                .collect())
        })
        .await
    }
}
