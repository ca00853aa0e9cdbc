//! What somebody changes about a task: written where all is still as it was shown, with GLPI's history in the same transaction. How its jobs
//! run is in our own tables; the jobs themselves ([`jobs`]) are the plugin's.

pub mod items;
pub mod jobs;

use chrono::NaiveDateTime;
use mysql_async::prelude::Queryable;
use mysql_async::{Transaction, Value};

use super::bulk::insert;
use super::history::{Author, changes, note};
use super::sequence::lock_task;
use super::{Db, DbError, OnLock};
use crate::domain::access::Access;
use crate::domain::editing::{Change, JobPlan, Plan};
use crate::domain::entities::Entities;
use crate::domain::ids::{EntityId, JobId, TaskId, TimeslotId};
use crate::domain::timeslot::hours::HourRow;
use crate::proto::text::decode;

/// Most tasks of a slot that are read.
const MOST_SHARERS: u32 = 1_000;

/// A task as a form shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// How it is set.
    pub plan: Plan,
    /// What its jobs are called, in its order.
    pub names: Vec<(JobId, String)>,
}

impl Planned {
    /// What a job is called in a sentence.
    #[must_use]
    pub fn name(&self, job: JobId) -> String {
        match self.names.iter().find(|(of, _)| *of == job) {
            Some((_, name)) => format!("job {job} “{name}”"),
            None => format!("job {job}"),
        }
    }
}

/// What became of what somebody wished to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Saved {
    /// These changes were written; none: there was nothing to do.
    Done(Vec<Change>),
    /// It is not as it was shown: nothing was written.
    Changed,
    /// There is no such task.
    Gone,
}

/// Another task whose runs are handed out by a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sharer {
    /// The task.
    pub task: TaskId,
    /// Its name, decoded.
    pub name: String,
}

/// Job, name, rank, delay, after success, time-out.
type JobRow = (u32, Option<String>, u32, u32, bool, Option<u32>);

/// Mode, maximum duration, minimum period.
type BoundsRow = (Option<String>, Option<u32>, Option<u32>);

async fn read(
    db: &Db,
    on: &mut impl Queryable,
    task: TaskId,
    lock: &str,
) -> Result<Option<Planned>, DbError> {
    let sql = db.names.replace(&format!(
        "/* planned */ SELECT o.mode, o.max_duration, o.min_period FROM {{p}}tasks t LEFT JOIN {{p}}sidecar_tasks o ON o.{{f}}tasks_id = t.id \
         WHERE t.id = ? {lock}"
    ));
    let bounds: Option<BoundsRow> = on.exec_first(sql, (task.0,)).await?;
    let Some((mode, max_duration, min_period)) = bounds else {
        return Ok(None);
    };
    let sql = db.names.replace(&format!(
        "/* planned */ SELECT j.id, j.name, COALESCE(s.`rank`, 0), COALESCE(s.delay, 0), COALESCE(s.after_success, 0) <> 0, o.timeout \
         FROM {{p}}taskjobs j LEFT JOIN {{p}}sidecar_sequence s ON s.{{f}}taskjobs_id = j.id \
         LEFT JOIN {{p}}sidecar_jobs o ON o.{{f}}taskjobs_id = j.id WHERE j.{{f}}tasks_id = ? {lock}"
    ));
    let mut rows: Vec<JobRow> = on.exec(sql, (task.0,)).await?;
    // As `Sequence::new` has them.
    rows.sort_by_key(|(job, _, rank, delay, ..)| (*delay, *rank, *job));
    let names = rows.iter().map(|(job, name, ..)| {
        let name = name.as_deref().unwrap_or_default();
        (JobId(*job), decode(name).into_owned())
    });
    let names = names.collect();
    let job = |(job, _, _, delay, after_success, timeout)| JobPlan {
        job: JobId(job),
        delay,
        timeout,
        after_success,
    };
    // Of zero seconds none is meant, see `sequences`.
    let bound = |seconds: Option<u32>| seconds.filter(|seconds| *seconds > 0);
    Ok(Some(Planned {
        plan: Plan {
            mode,
            max_duration: bound(max_duration),
            min_period: bound(min_period),
            jobs: rows.into_iter().map(job).collect(),
        },
        names,
    }))
}

async fn hours(
    db: &Db,
    on: &mut impl Queryable,
    task: TaskId,
    lock: &str,
) -> Result<Vec<HourRow>, DbError> {
    let sql = db.names.replace(&format!(
        "/* own_hours */ SELECT weekday, hour_start, hour_end FROM {{p}}sidecar_hours WHERE {{f}}tasks_id = ? \
         ORDER BY weekday, hour_start {lock}"
    ));
    let rows: Vec<(u8, u8, u8)> = on.exec(sql, (task.0,)).await?;
    let rows = rows.into_iter();
    Ok(rows
        .map(|(weekday, start, end)| HourRow::new(weekday, start, end))
        .collect())
}

impl Db {
    /// How `task` is set, as a form shows it; none if there is no such task.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn planned(&self, task: TaskId) -> Result<Option<Planned>, DbError> {
        self.timed("planned", async {
            read(self, &mut self.conn().await?, task, "").await
        })
        .await
    }

    /// Makes `task` what `plan` says, if it is as `shown` still.
    ///
    /// # Errors
    ///
    /// When the database fails; then nothing was written.
    pub async fn save_plan(
        &self,
        task: TaskId,
        shown: &Plan,
        plan: &Plan,
        author: &Author,
        at: NaiveDateTime,
    ) -> Result<Saved, DbError> {
        self.tx(
            "save_plan",
            OnLock::TryAgain,
            (task, shown, plan, author, at),
            |db, (task, shown, plan, author, at), tx| {
                Box::pin(save_plan(db, tx, *task, shown, plan, author, *at))
            },
        )
        .await
    }

    /// The hour rows of `task`, in the order of the week.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn own_hours(&self, task: TaskId) -> Result<Vec<HourRow>, DbError> {
        self.timed("own_hours", async {
            hours(self, &mut self.conn().await?, task, "").await
        })
        .await
    }

    /// Puts `rows` in the place of the hour rows of `task`, if these are `shown` still. `change` is what history tells.
    ///
    /// # Errors
    ///
    /// When the database fails; then nothing was written.
    pub async fn save_hours(
        &self,
        task: TaskId,
        shown: &[HourRow],
        rows: &[HourRow],
        change: &Change,
        author: &Author,
        at: NaiveDateTime,
    ) -> Result<Saved, DbError> {
        self.tx(
            "save_hours",
            OnLock::TryAgain,
            (task, shown, rows, change, author, at),
            |db, (task, shown, rows, change, author, at), tx| {
                Box::pin(save_hours(
                    db,
                    tx,
                    *task,
                    (shown, rows),
                    change,
                    author,
                    *at,
                ))
            },
        )
        .await
    }

    /// The other tasks whose runs are handed out by `slot`, and not by hours of their own: those that are seen, at most so many, and how many
    /// there are beside.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn sharers(
        &self,
        slot: TimeslotId,
        task: TaskId,
        access: &Access,
        tree: &Entities,
        most: usize,
    ) -> Result<(Vec<Sharer>, usize), DbError> {
        let rows: Vec<(u32, Option<String>, u32)> = self
            .timed("sharers", async {
                let sql = self.sql(
                    "/* sharers */ SELECT t.id, t.name, t.entities_id FROM {p}tasks t WHERE t.{f}timeslots_exec_id = ? AND t.id <> ? \
                     AND NOT EXISTS (SELECT 1 FROM {p}sidecar_hours h WHERE h.{f}tasks_id = t.id) ORDER BY t.id LIMIT ?",
                );
                let mut conn = self.conn().await?;
                Ok(conn
                    .exec(sql.as_ref(), (slot.0, task.0, MOST_SHARERS))
                    .await?)
            })
            .await?;
        let total = rows.len();
        let seen = rows
            .into_iter()
            .filter(|(.., entity)| access.sees(EntityId(*entity), tree))
            .take(most);
        let sharers: Vec<Sharer> = seen
            .map(|(task, name, _)| Sharer {
                task: TaskId(task),
                name: decode(&name.unwrap_or_default()).into_owned(),
            })
            .collect();
        let others = total - sharers.len();
        Ok((sharers, others))
    }
}

/// Whoever saves, begins an occurrence or deletes the task comes after this; what is read is locked against PHP and other writers too.
const LOCK: &str = "FOR UPDATE";

async fn save_plan(
    db: &Db,
    tx: &mut Transaction<'static>,
    task: TaskId,
    shown: &Plan,
    plan: &Plan,
    author: &Author,
    at: NaiveDateTime,
) -> Result<Saved, DbError> {
    lock_task(db, tx, task).await?;
    let Some(now) = read(db, tx, task, LOCK).await? else {
        return Ok(Saved::Gone);
    };
    if now.plan != *shown {
        return Ok(Saved::Changed);
    }
    let changes = shown.changes(plan, |job| now.name(job));
    if changes.is_empty() {
        return Ok(Saved::Done(changes));
    }
    let before = changes::begin(db, tx, task, at).await?;
    if !plan.runs_as(shown) {
        write_places(db, tx, task, plan).await?;
    }
    for job in &plan.jobs {
        let before = shown.jobs.iter().find(|of| of.job == job.job);
        if before.is_some_and(|before| before.timeout == job.timeout) {
            continue;
        }
        if let Some(timeout) = job.timeout {
            let sql = db.sql(
                "/* save_plan */ INSERT INTO {p}sidecar_jobs ({f}taskjobs_id, timeout) VALUES (?, ?) \
                 ON DUPLICATE KEY UPDATE timeout = VALUES(timeout)",
            );
            tx.exec_drop(sql.as_ref(), (job.job.0, timeout)).await?;
        } else {
            let sql =
                db.sql("/* save_plan */ DELETE FROM {p}sidecar_jobs WHERE {f}taskjobs_id = ?");
            tx.exec_drop(sql.as_ref(), (job.job.0,)).await?;
        }
    }
    let jobs: Vec<JobId> = plan.jobs.iter().map(|job| job.job).collect();
    changes::end(db, tx, before, &jobs, at).await?;
    note(db, tx, task, &changes, author, at).await?;
    Ok(Saved::Done(changes))
}

/// The rows of a task and of its jobs' places; a plain task has none.
async fn write_places(
    db: &Db,
    tx: &mut Transaction<'static>,
    task: TaskId,
    plan: &Plan,
) -> Result<(), DbError> {
    let bounds = (&plan.mode, plan.max_duration, plan.min_period);
    if bounds == (&None, None, None) {
        let sql = db.sql("/* save_plan */ DELETE FROM {p}sidecar_tasks WHERE {f}tasks_id = ?");
        tx.exec_drop(sql.as_ref(), (task.0,)).await?;
    } else {
        let sql = db.sql(
            "/* save_plan */ INSERT INTO {p}sidecar_tasks ({f}tasks_id, mode, max_duration, min_period) VALUES (?, ?, ?, ?) \
             ON DUPLICATE KEY UPDATE mode = VALUES(mode), max_duration = VALUES(max_duration), min_period = VALUES(min_period)",
        );
        let (mode, max_duration, min_period) = bounds;
        tx.exec_drop(sql.as_ref(), (task.0, mode, max_duration, min_period))
            .await?;
    }
    if plan.is_plain() {
        for job in &plan.jobs {
            let sql =
                db.sql("/* save_plan */ DELETE FROM {p}sidecar_sequence WHERE {f}taskjobs_id = ?");
            tx.exec_drop(sql.as_ref(), (job.job.0,)).await?;
        }
        return Ok(());
    }
    let rows: Vec<[Value; 4]> = (0u32..)
        .zip(&plan.jobs)
        .map(|(rank, job)| {
            [
                job.job.0.into(),
                rank.into(),
                job.delay.into(),
                job.after_success.into(),
            ]
        })
        .collect();
    insert(
        db,
        tx,
        "/* save_plan */ INSERT INTO {p}sidecar_sequence ({f}taskjobs_id, `rank`, delay, after_success)",
        &rows,
        "ON DUPLICATE KEY UPDATE `rank` = VALUES(`rank`), delay = VALUES(delay), after_success = VALUES(after_success)",
    )
    .await
}

async fn save_hours(
    db: &Db,
    tx: &mut Transaction<'static>,
    task: TaskId,
    (shown, rows): (&[HourRow], &[HourRow]),
    change: &Change,
    author: &Author,
    at: NaiveDateTime,
) -> Result<Saved, DbError> {
    lock_task(db, tx, task).await?;
    let sql = db.sql("/* save_hours */ SELECT 1 FROM {p}tasks WHERE id = ? FOR UPDATE");
    let there: Option<u8> = tx.exec_first(sql.as_ref(), (task.0,)).await?;
    if there.is_none() {
        return Ok(Saved::Gone);
    }
    let now = hours(db, tx, task, LOCK).await?;
    if now != shown {
        return Ok(Saved::Changed);
    }
    if now == rows {
        return Ok(Saved::Done(vec![]));
    }
    let before = changes::begin(db, tx, task, at).await?;
    let sql = db.sql("/* save_hours */ DELETE FROM {p}sidecar_hours WHERE {f}tasks_id = ?");
    tx.exec_drop(sql.as_ref(), (task.0,)).await?;
    let rows: Vec<[Value; 4]> = rows
        .iter()
        .map(|row| {
            [
                task.0.into(),
                row.weekday.into(),
                row.start.into(),
                row.end.into(),
            ]
        })
        .collect();
    insert(
        db,
        tx,
        "/* save_hours */ INSERT INTO {p}sidecar_hours ({f}tasks_id, weekday, hour_start, hour_end)",
        &rows,
        "",
    )
    .await?;
    changes::end(db, tx, before, &[], at).await?;
    let changes = vec![change.clone()];
    note(db, tx, task, &changes, author, at).await?;
    Ok(Saved::Done(changes))
}
