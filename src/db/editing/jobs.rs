//! The plugin's rows of jobs, as its own form writes them, with what goes along in our tables.

use chrono::NaiveDateTime;
use mysql_async::prelude::Queryable;
use mysql_async::{Params, Transaction, Value};

use super::{LOCK, Planned, Saved, read, write_places};
use crate::db::cleaning::note_gone;
use crate::db::history::{Author, JobWas, changes, note, note_job};
use crate::db::preparation::lock_job;
use crate::db::sequence::lock_task;
use crate::db::{Db, DbError, OnLock};
use crate::domain::actors::parse_targets;
use crate::domain::editing::job::{Draft, write_list};
use crate::domain::editing::{Change, JobPlan, Plan};
use crate::domain::ids::{JobId, TaskId};
use crate::proto::text::{decode, encode};

/// A job as a form shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drafted {
    /// Its task.
    pub task: TaskId,
    /// What it is told to do.
    pub draft: Draft,
}

/// How many runs a job has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Runs {
    /// All of them.
    pub total: u64,
    /// Those that have not ended.
    pub open: u64,
}

/// What becomes of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// One more of this name in that task does the same.
    Copy(TaskId, String),
    /// It becomes one of that task.
    Move(TaskId),
    /// It is deleted.
    Delete,
}

/// What came of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It was done; which job it is now.
    Done(JobId),
    /// The job, or how many runs it has, is not as it was shown: nothing was written.
    Changed,
    /// So many runs have not ended: nothing was written.
    Open(u64),
    /// It would start when the maximum duration of that task is over: nothing was written.
    Late,
    /// There is no such job or task.
    Gone,
}

/// Task, name, comment, method, targets, actors.
type DraftRow = (
    u32,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
);

async fn drafted(
    db: &Db,
    on: &mut impl Queryable,
    job: JobId,
    lock: &str,
) -> Result<Option<Drafted>, DbError> {
    let sql = db.names.replace(&format!(
        "/* drafted */ SELECT {{f}}tasks_id, name, comment, method, targets, actors FROM {{p}}taskjobs WHERE id = ? {lock}"
    ));
    let row: Option<DraftRow> = on.exec_first(sql, (job.0,)).await?;
    let text = |text: Option<String>| decode(&text.unwrap_or_default()).into_owned();
    let list = |text: Option<String>| parse_targets(&text.unwrap_or_default());
    Ok(
        row.map(|(task, name, comment, method, targets, actors)| Drafted {
            task: TaskId(task),
            draft: Draft {
                name: text(name),
                comment: text(comment),
                method: method.unwrap_or_default(),
                targets: list(targets),
                actors: list(actors),
            },
        }),
    )
}

async fn runs(db: &Db, on: &mut impl Queryable, job: JobId) -> Result<Runs, DbError> {
    let sql = db.sql(
        "/* runs_of_job */ SELECT COUNT(*), CAST(COALESCE(SUM(state NOT IN (3, 4, 5)), 0) AS UNSIGNED) FROM {p}taskjobstates \
         WHERE {f}taskjobs_id = ?",
    );
    let row: Option<(u64, u64)> = on.exec_first(sql.as_ref(), (job.0,)).await?;
    let (total, open) = row.unwrap_or_default();
    Ok(Runs { total, open })
}

impl Db {
    /// `job` as a form shows it.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn drafted(&self, job: JobId) -> Result<Option<Drafted>, DbError> {
        self.timed("drafted", async {
            drafted(self, &mut self.conn().await?, job, "").await
        })
        .await
    }

    /// How many runs `job` has.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn runs_of_job(&self, job: JobId) -> Result<Runs, DbError> {
        self.timed("runs_of_job", async {
            runs(self, &mut self.conn().await?, job).await
        })
        .await
    }

    /// Adds a job to `task`, behind those that it has; none if there is no such task.
    ///
    /// # Errors
    ///
    /// When the database fails; then nothing was written.
    pub async fn add_job(
        &self,
        task: TaskId,
        draft: &Draft,
        author: &Author,
        at: NaiveDateTime,
    ) -> Result<Option<JobId>, DbError> {
        self.tx(
            "add_job",
            OnLock::TryAgain,
            (task, draft, author, at),
            |db, (task, draft, author, at), tx| {
                Box::pin(add_job(db, tx, *task, draft, author, *at))
            },
        )
        .await
    }

    /// Makes `job` what `draft` says, if it is as `shown` still.
    ///
    /// # Errors
    ///
    /// When the database fails; then nothing was written.
    pub async fn save_job(
        &self,
        job: JobId,
        shown: &Draft,
        draft: &Draft,
        author: &Author,
        at: NaiveDateTime,
    ) -> Result<Saved, DbError> {
        self.tx(
            "save_job",
            OnLock::TryAgain,
            (job, shown, draft, author, at),
            |db, (job, shown, draft, author, at), tx| {
                Box::pin(save_job(db, tx, *job, (shown, draft), author, *at))
            },
        )
        .await
    }

    /// Copies, moves or deletes `job`, if it is as `shown` still, and to move or delete it only if its runs have all ended and are no more
    /// than `total`.
    ///
    /// # Errors
    ///
    /// When the database fails; then nothing was written.
    pub async fn take_job(
        &self,
        job: JobId,
        shown: &Drafted,
        total: u64,
        fate: &Fate,
        author: &Author,
        at: NaiveDateTime,
    ) -> Result<Taken, DbError> {
        self.tx(
            "take_job",
            OnLock::TryAgain,
            (job, shown, total, fate, author, at),
            |db, (job, shown, total, fate, author, at), tx| {
                Box::pin(take_job(db, tx, *job, (shown, *total), fate, author, *at))
            },
        )
        .await
    }
}

async fn add_job(
    db: &Db,
    tx: &mut Transaction<'static>,
    task: TaskId,
    draft: &Draft,
    author: &Author,
    at: NaiveDateTime,
) -> Result<Option<JobId>, DbError> {
    lock_task(db, tx, task).await?;
    let Some(now) = read(db, tx, task, LOCK).await? else {
        return Ok(None);
    };
    let before = changes::begin(db, tx, task, at).await?;
    let targets = write_list(&draft.targets);
    let actors = write_list(&draft.actors);
    let values: [Value; 7] = [
        encode(&draft.name).as_ref().into(),
        encode(&draft.comment).as_ref().into(),
        draft.method.as_str().into(),
        targets.into(),
        actors.into(),
        at.into(),
        task.0.into(),
    ];
    let sql = db.sql(
        "/* add_job */ INSERT INTO {p}taskjobs (name, comment, method, targets, actors, date_creation, {f}tasks_id, entities_id) \
         SELECT ?, ?, ?, ?, ?, ?, id, entities_id FROM {p}tasks WHERE id = ?",
    );
    tx.exec_drop(sql.as_ref(), Params::Positional(values.into()))
        .await?;
    let Some(job) = new_id(tx) else {
        return Ok(None);
    };
    let place = JobPlan {
        job,
        delay: 0,
        timeout: None,
        after_success: false,
    };
    join(db, tx, task, &now.plan, place).await?;
    changes::end(db, tx, before, &[job], at).await?;
    note_job(db, tx, task, JobWas::Added, (job, &draft.name), author, at).await?;
    Ok(Some(job))
}

/// The row that was added last.
fn new_id(tx: &Transaction<'static>) -> Option<JobId> {
    let id = tx.last_insert_id()?;
    u32::try_from(id).ok().map(JobId)
}

/// Writes the places of a task that `place` joins.
async fn join(
    db: &Db,
    tx: &mut Transaction<'static>,
    task: TaskId,
    before: &Plan,
    place: JobPlan,
) -> Result<(), DbError> {
    let after = before.joined_by(place);
    if before.is_plain() && after.is_plain() {
        return Ok(());
    }
    write_places(db, tx, task, &after).await
}

async fn save_job(
    db: &Db,
    tx: &mut Transaction<'static>,
    job: JobId,
    (shown, draft): (&Draft, &Draft),
    author: &Author,
    at: NaiveDateTime,
) -> Result<Saved, DbError> {
    lock_job(db, tx, job).await?;
    let Some(now) = drafted(db, tx, job, LOCK).await? else {
        return Ok(Saved::Gone);
    };
    if now.draft != *shown {
        return Ok(Saved::Changed);
    }
    let changes = shown.changes(draft, &called(job, &now.draft.name));
    if changes.is_empty() {
        return Ok(Saved::Done(changes));
    }
    let before = changes::begin(db, tx, now.task, at).await?;
    // A list that nobody changed stays as it is stored.
    let list = |old, new: &Vec<_>| (old != new).then(|| write_list(new));
    let values: [Value; 5] = [
        encode(&draft.name).as_ref().into(),
        encode(&draft.comment).as_ref().into(),
        list(&shown.targets, &draft.targets).into(),
        list(&shown.actors, &draft.actors).into(),
        job.0.into(),
    ];
    let sql = db.sql(
        "/* save_job */ UPDATE {p}taskjobs SET name = ?, comment = ?, targets = COALESCE(?, targets), actors = COALESCE(?, actors) \
         WHERE id = ?",
    );
    tx.exec_drop(sql.as_ref(), Params::Positional(values.into()))
        .await?;
    changes::end(db, tx, before, &[job], at).await?;
    note(db, tx, now.task, &changes, author, at).await?;
    Ok(Saved::Done(changes))
}

fn called(job: JobId, name: &str) -> String {
    format!("job {job} “{name}”")
}

async fn take_job(
    db: &Db,
    tx: &mut Transaction<'static>,
    job: JobId,
    (shown, total): (&Drafted, u64),
    fate: &Fate,
    author: &Author,
    at: NaiveDateTime,
) -> Result<Taken, DbError> {
    let to = match fate {
        Fate::Copy(to, _) | Fate::Move(to) => Some(*to),
        Fate::Delete => None,
    };
    // From here on no run of it is created, and nobody else changes the tasks. In one order: two moves never wait for each other crosswise.
    lock_job(db, tx, job).await?;
    let mut tasks: Vec<TaskId> = [shown.task].into_iter().chain(to).collect();
    tasks.sort_unstable();
    tasks.dedup();
    for task in &tasks {
        lock_task(db, tx, *task).await?;
    }
    let Some(now) = drafted(db, tx, job, LOCK).await? else {
        return Ok(Taken::Gone);
    };
    if now != *shown {
        return Ok(Taken::Changed);
    }
    let Some(from) = read(db, tx, shown.task, LOCK).await? else {
        return Ok(Taken::Gone);
    };
    if !matches!(fate, Fate::Copy(..)) {
        let runs = runs(db, tx, job).await?;
        if runs.open > 0 {
            return Ok(Taken::Open(runs.open));
        }
        if runs.total > total {
            return Ok(Taken::Changed);
        }
    }
    let mut before = Vec::with_capacity(tasks.len());
    for task in tasks {
        before.push(changes::begin(db, tx, task, at).await?);
    }
    let place = place(&from, job);
    let name = shown.draft.name.as_str();
    let taken = match fate {
        Fate::Copy(to, name) => copy(db, tx, (job, place), (*to, name), author, at).await,
        Fate::Move(to) => {
            move_to(db, tx, (name, place), (shown.task, &from), *to, author, at).await
        }
        Fate::Delete => {
            delete(db, tx, job).await?;
            leave(db, tx, shown.task, &from.plan, job).await?;
            note_job(db, tx, shown.task, JobWas::Deleted, (job, name), author, at).await?;
            note_gone(db, tx, job).await?;
            Ok(Taken::Done(job))
        }
    }?;
    if let Taken::Done(done) = taken {
        for before in before {
            changes::end(db, tx, before, &[job, done], at).await?;
        }
    }
    Ok(taken)
}

/// Where `job` stands in its task.
fn place(task: &Planned, job: JobId) -> JobPlan {
    let place = task.plan.jobs.iter().find(|of| of.job == job);
    place.copied().unwrap_or(JobPlan {
        job,
        delay: 0,
        timeout: None,
        after_success: false,
    })
}

async fn copy(
    db: &Db,
    tx: &mut Transaction<'static>,
    (job, place): (JobId, JobPlan),
    (to, name): (TaskId, &str),
    author: &Author,
    at: NaiveDateTime,
) -> Result<Taken, DbError> {
    let Some(there) = read(db, tx, to, LOCK).await? else {
        return Ok(Taken::Gone);
    };
    // Its id comes later and is the highest.
    let first = JobId(u32::MAX);
    let joined = there.plan.joined_by(JobPlan {
        job: first,
        ..place
    });
    if !joined.is_in_time(first) {
        return Ok(Taken::Late);
    }
    let sql = db.sql(
        "/* copy_job */ INSERT INTO {p}taskjobs (name, comment, method, targets, actors, statuscomments, enduser, date_creation, {f}tasks_id, \
         entities_id) SELECT ?, j.comment, j.method, j.targets, j.actors, j.statuscomments, j.enduser, ?, t.id, t.entities_id \
         FROM {p}taskjobs j JOIN {p}tasks t ON t.id = ? WHERE j.id = ?",
    );
    let stored = encode(name);
    tx.exec_drop(sql.as_ref(), (stored.as_ref(), at, to.0, job.0))
        .await?;
    let Some(copy) = new_id(tx) else {
        return Ok(Taken::Gone);
    };
    join(db, tx, to, &there.plan, JobPlan { job: copy, ..place }).await?;
    let sql = db.sql(
        "/* copy_job */ INSERT INTO {p}sidecar_jobs ({f}taskjobs_id, timeout) SELECT ?, timeout FROM {p}sidecar_jobs WHERE {f}taskjobs_id = ?",
    );
    tx.exec_drop(sql.as_ref(), (copy.0, job.0)).await?;
    note_job(db, tx, to, JobWas::Added, (copy, name), author, at).await?;
    Ok(Taken::Done(copy))
}

async fn move_to(
    db: &Db,
    tx: &mut Transaction<'static>,
    (name, place): (&str, JobPlan),
    (task, from): (TaskId, &Planned),
    to: TaskId,
    author: &Author,
    at: NaiveDateTime,
) -> Result<Taken, DbError> {
    let Some(there) = read(db, tx, to, LOCK).await? else {
        return Ok(Taken::Gone);
    };
    if !there.plan.joined_by(place).is_in_time(place.job) {
        return Ok(Taken::Late);
    }
    let job = place.job;
    let sql = db.sql(
        "/* move_job */ UPDATE {p}taskjobs j JOIN {p}tasks t ON t.id = ? SET j.{f}tasks_id = t.id, j.entities_id = t.entities_id WHERE j.id = ?",
    );
    tx.exec_drop(sql.as_ref(), (to.0, job.0)).await?;
    leave(db, tx, task, &from.plan, job).await?;
    join(db, tx, to, &there.plan, place).await?;
    let change = |old: TaskId, new: TaskId| Change {
        what: format!("{}: task", called(job, name)),
        old: old.to_string(),
        new: new.to_string(),
    };
    for side in [task, to] {
        note(db, tx, side, &[change(task, to)], author, at).await?;
    }
    Ok(Taken::Done(job))
}

/// Deletes a job's own row and its time-out.
async fn delete(db: &Db, tx: &mut Transaction<'static>, job: JobId) -> Result<(), DbError> {
    for text in [
        "/* delete_job */ DELETE FROM {p}taskjobs WHERE id = ?",
        "/* delete_job */ DELETE FROM {p}sidecar_jobs WHERE {f}taskjobs_id = ?",
    ] {
        tx.exec_drop(db.sql(text).as_ref(), (job.0,)).await?;
    }
    Ok(())
}

/// Deletes the place of a job in a task, and writes those that stay.
async fn leave(
    db: &Db,
    tx: &mut Transaction<'static>,
    task: TaskId,
    before: &Plan,
    job: JobId,
) -> Result<(), DbError> {
    let sql = db.sql("/* leave_task */ DELETE FROM {p}sidecar_sequence WHERE {f}taskjobs_id = ?");
    tx.exec_drop(sql.as_ref(), (job.0,)).await?;
    let after = before.left_by(job);
    if before.is_plain() && after.is_plain() {
        return Ok(());
    }
    write_places(db, tx, task, &after).await
}
