//! Preparation: what a job has, and the runs that it needs.
//!
//! Reading takes pages, writing takes pieces: each is an operation of its own with all of the time allowed, and whoever is stopped
//! between two has lost nothing of the first. A piece takes the job's lock row and looks again before it writes, so that nobody else
//! creates the same runs: `taskjobstates` has no unique key that would refuse them.

use std::collections::{BTreeSet, HashSet};
use std::ops::ControlFlow;

use chrono::NaiveDateTime;
use mysql_async::prelude::Queryable;
use mysql_async::{Params, Transaction, Value};
use uuid::Uuid;

use super::bulk::{LIST_MAX, add_lines, cancel_locked, insert, list, marks, pad};
use super::{Db, DbError, OnLock};
use crate::domain::actors::Target;
use crate::domain::ids::{AgentId, JobId, RunId, TaskId};
use crate::domain::prepare::{OpenRun, Pairs, Step, without};
use crate::domain::run::{LogState, RunState};

/// What the log of a run says whose agent left the actors before it ran.
const LEFT: &str = "Cancelled: the agent's computer is no longer among the actors of the job.";

/// Runs that are read at once.
const PAGE: u32 = 10_000;

/// Most runs that are cancelled at once.
pub const CANCELLED_AT_ONCE: usize = 1024;

/// Most pairs of agent and target that are looked at and written at once: a good part of a second at the most, which another one who
/// prepares the same job waits for.
pub const PIECE: usize = 4096;

/// What a preparation did for one job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Prepared {
    /// Runs created.
    pub created: usize,
    /// Runs cancelled.
    pub cancelled: usize,
}

/// Which runs stand in the way of another one of the same job, target and agent, beside those that are open.
#[derive(Debug, Clone, Copy)]
pub struct Again {
    /// One that ended well does not.
    pub reprepare: bool,
    /// Every one of this occurrence does, and nothing is created once it is over.
    pub within: Option<Within>,
    /// Nor one that has not started, from this id on: it is about to be cancelled. For looking ahead.
    pub gone_from: Option<u64>,
}

impl Again {
    /// Whether `run` is about to be cancelled.
    #[must_use]
    pub fn is_gone(&self, run: &OpenRun) -> bool {
        run.state == RunState::Prepared && self.gone_from.is_some_and(|from| run.id.0 >= from)
    }

    /// The lowest id from which on a run in `state`, which is not open, stands in the way; none if none does.
    fn first_in_the_way(&self, state: RunState) -> Option<u64> {
        if state == RunState::Finished && !self.reprepare {
            return Some(0);
        }
        self.within.map(|within| within.first_run)
    }
}

/// An occurrence of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Within {
    /// The task.
    pub task: TaskId,
    /// The how manieth.
    pub number: u32,
    /// The lowest id that a run of it can have.
    pub first_run: u64,
}

impl Db {
    /// Shows every open run of `job` to `see`, also those put off, page by page. One that changes its state meanwhile may be missed.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn open_runs_of_job(
        &self,
        job: JobId,
        mut see: impl FnMut(OpenRun),
    ) -> Result<(), DbError> {
        // The index on job and state holds the row's id as its last part: each page begins where the one before ended.
        let sql = self.sql(
            "/* open_runs_of_job */ SELECT id, {f}agents_id, itemtype, items_id FROM {p}taskjobstates \
             WHERE {f}taskjobs_id = ? AND state = ? AND id > ? ORDER BY id LIMIT ?",
        );
        for state in [
            RunState::Prepared,
            RunState::Sent,
            RunState::Running,
            RunState::Postponed,
        ] {
            let mut after = 0;
            loop {
                let page: Vec<(u64, u32, Option<String>, u32)> = self
                    .timed("open_runs_of_job", async {
                        let mut conn = self.conn().await?;
                        let values = (job.0, state.code(), after, PAGE);
                        Ok(conn.exec(sql.as_ref(), values).await?)
                    })
                    .await?;
                let is_last = page.len() < PAGE as usize;
                for (id, agent, itemtype, items_id) in page {
                    after = id;
                    see(OpenRun {
                        id: RunId(id),
                        agent: AgentId(agent),
                        target: Target {
                            itemtype: itemtype.unwrap_or_default(),
                            items_id,
                        },
                        state,
                    });
                }
                if is_last {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Shows the runs of `job` that have ended or were put off and stand in the way of others `again` to `see`, the newest first, page by page:
    /// `most` at the most, and until it has seen enough. Whether it has, or none is left.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn ended_runs_of_job(
        &self,
        job: JobId,
        again: Again,
        most: usize,
        mut see: impl FnMut(AgentId, &Target) -> ControlFlow<()>,
    ) -> Result<bool, DbError> {
        let sql = self.sql(
            "/* ended_runs_of_job */ SELECT id, {f}agents_id, itemtype, items_id FROM {p}taskjobstates \
             WHERE {f}taskjobs_id = ? AND state = ? AND id >= ? AND id < ? ORDER BY id DESC LIMIT ?",
        );
        let mut left = u32::try_from(most).unwrap_or(u32::MAX);
        for state in [
            RunState::Finished,
            RunState::InError,
            RunState::Cancelled,
            RunState::Postponed,
        ] {
            let Some(first) = again.first_in_the_way(state) else {
                continue;
            };
            // The column is a signed one in some installations of the plugin.
            let mut before = i64::MAX.unsigned_abs();
            loop {
                let limit = left.min(PAGE);
                if limit == 0 {
                    return Ok(false);
                }
                let page: Vec<(u64, u32, Option<String>, u32)> = self
                    .timed("ended_runs_of_job", async {
                        let mut conn = self.conn().await?;
                        let values = (job.0, state.code(), first, before, limit);
                        Ok(conn.exec(sql.as_ref(), values).await?)
                    })
                    .await?;
                let read = u32::try_from(page.len()).unwrap_or(limit);
                left -= read;
                for (id, agent, itemtype, items_id) in page {
                    before = id;
                    let target = Target {
                        itemtype: itemtype.unwrap_or_default(),
                        items_id,
                    };
                    if see(AgentId(agent), &target).is_break() {
                        return Ok(true);
                    }
                }
                if read < limit {
                    break;
                }
            }
        }
        Ok(true)
    }

    /// The pairs of `piece` whose agent has an open run of `job`, or one that stands in the way `again`.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn taken(&self, job: JobId, piece: &[Step], again: Again) -> Result<Pairs, DbError> {
        self.timed("taken", async {
            let mut conn = self.conn().await?;
            taken(self, &mut conn, job, piece, again).await
        })
        .await
    }

    /// Creates the runs of a `piece` that nobody has created meanwhile, in one transaction: how many.
    ///
    /// # Errors
    ///
    /// When the database fails; then none was created.
    pub async fn create_runs(
        &self,
        job: JobId,
        piece: &[Step],
        again: Again,
        at: NaiveDateTime,
    ) -> Result<usize, DbError> {
        self.tx(
            "create_runs",
            OnLock::TryAgain,
            (job, piece, again, at),
            |db, (job, piece, again, at), tx| Box::pin(create(db, tx, *job, piece, *again, *at)),
        )
        .await
        .inspect(|_| self.written.note([job]))
    }

    /// Cancels `runs` of `job` on `target`, at most [`CANCELLED_AT_ONCE`], because their agents left, as far as they are still open; how many
    /// it were.
    ///
    /// # Errors
    ///
    /// When the database fails; then none was.
    pub async fn cancel_runs(
        &self,
        job: JobId,
        target: &Target,
        runs: &[RunId],
        at: NaiveDateTime,
    ) -> Result<usize, DbError> {
        self.tx(
            "cancel_runs",
            OnLock::TryAgain,
            (job, target, runs, at),
            |db, (job, target, runs, at), tx| Box::pin(cancel(db, tx, *job, target, runs, *at)),
        )
        .await
        .inspect(|_| self.written.note([job]))
    }

    /// State of the plugin's own preparation in GLPI's cron (`taskscheduler`): 0 off, 1 on, 2 running; none when it is not there.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn plugin_scheduler_state(&self) -> Result<Option<i64>, DbError> {
        self.timed("plugin_scheduler_state", async {
            let mut conn = self.conn().await?;
            Ok(conn
                .query_first(
                    "/* plugin_scheduler_state */ SELECT MAX(state) FROM glpi_crontasks \
                     WHERE itemtype LIKE 'PluginFusioninventory%' AND name = 'taskscheduler'",
                )
                .await?)
        })
        .await
    }
}

/// Takes the lock row of `job`: whoever creates or cancels its runs, or deletes it, comes after this transaction.
pub(super) async fn lock_job(
    db: &Db,
    tx: &mut Transaction<'static>,
    job: JobId,
) -> Result<(), DbError> {
    let lock = db.sql(
        "/* lock_job */ INSERT INTO {p}sidecar_locks (name, counter) VALUES (?, 1) ON DUPLICATE KEY UPDATE counter = counter + 1",
    );
    Ok(tx.exec_drop(lock.as_ref(), (format!("job:{job}"),)).await?)
}

/// Looks at the whole rectangle of the piece's agents and targets, which is no larger than a piece.
async fn taken(
    db: &Db,
    conn: &mut impl Queryable,
    job: JobId,
    piece: &[Step],
    again: Again,
) -> Result<Pairs, DbError> {
    let mut pairs = Pairs::new();
    let itemtypes: BTreeSet<&str> = piece
        .iter()
        .map(|step| step.target.itemtype.as_str())
        .collect();
    for itemtype in itemtypes {
        let steps = piece.iter().filter(|step| step.target.itemtype == itemtype);
        let items: Vec<u32> = steps.clone().map(|step| step.target.items_id).collect();
        let agents: BTreeSet<u32> = steps
            .flat_map(|step| step.agents.iter().map(|agent| agent.0))
            .collect();
        let agents: Vec<u32> = agents.into_iter().collect();
        for items in items.chunks(LIST_MAX) {
            for agents in agents.chunks(LIST_MAX) {
                let rows = taken_by(db, conn, job, itemtype, items, agents, again).await?;
                for (agent, items_id) in rows {
                    let target = Target {
                        itemtype: itemtype.to_owned(),
                        items_id,
                    };
                    pairs.entry(target).or_default().insert(AgentId(agent));
                }
            }
        }
    }
    Ok(pairs)
}

/// (agent, target) of those that have such a run. The question is asked pair by pair, on the server, and each answered by the first run
/// that says yes: an agent's history is not read.
async fn taken_by(
    db: &Db,
    conn: &mut impl Queryable,
    job: JobId,
    itemtype: &str,
    items: &[u32],
    agents: &[u32],
    again: Again,
) -> Result<Vec<(u32, u32)>, DbError> {
    let states = if again.reprepare {
        "0, 1, 2"
    } else {
        "0, 1, 2, 3"
    };
    let within = again.within.map(|within| within.first_run);
    let or_within = if within.is_some() {
        " OR r.id >= ?"
    } else {
        ""
    };
    let and_not_gone = if again.gone_from.is_some() {
        " AND NOT (r.state = 0 AND r.id >= ?)"
    } else {
        ""
    };
    let more = "UNION SELECT CAST(? AS UNSIGNED) ".repeat(pad(items).count() - 1);
    let text = format!(
        "/* taken */ SELECT a.id, t.items_id FROM (SELECT CAST(? AS UNSIGNED) AS items_id {more}) t JOIN {{p}}agents a \
         WHERE a.id IN ({}) AND (SELECT 1 FROM {{p}}taskjobstates r WHERE r.{{f}}agents_id = a.id AND r.{{f}}taskjobs_id = ? \
         AND r.items_id = t.items_id AND r.itemtype = ? AND (r.state IN ({states}){or_within}){and_not_gone} LIMIT 1) IS NOT NULL",
        marks(agents.len())
    );
    let values = pad(items)
        .chain(pad(agents))
        .map(Value::from)
        .chain([job.0.into(), itemtype.into()])
        .chain(within.map(Value::from))
        .chain(again.gone_from.map(Value::from));
    Ok(conn
        .exec(
            db.names.replace(&text),
            Params::Positional(values.collect()),
        )
        .await?)
}

async fn create(
    db: &Db,
    tx: &mut Transaction<'static>,
    job: JobId,
    piece: &[Step],
    again: Again,
    at: NaiveDateTime,
) -> Result<usize, DbError> {
    lock_job(db, tx, job).await?;
    let sql = db.sql("/* create_runs */ SELECT 1 FROM {p}taskjobs WHERE id = ?");
    let job_is_there: Option<u8> = tx.exec_first(sql.as_ref(), (job.0,)).await?;
    if job_is_there.is_none() {
        // Deleted since the catalogue was read: a run of it would never end.
        return Ok(0);
    }
    if let Some(within) = again.within
        && !super::sequence::is_under_way(db, tx, within).await?
    {
        return Ok(0);
    }
    let taken = taken(db, tx, job, piece, again).await?;
    let piece = without(piece.to_vec(), &taken);
    let mut pairs: Vec<(AgentId, &Target)> = Vec::new();
    for Step { target, agents } in &piece {
        for agent in agents {
            pairs.push((*agent, target));
        }
    }
    insert_prepared(db, tx, job, &pairs, at).await
}

/// Makes a run of `job` for each of `pairs`: how many. The job's lock row must have been taken, and nothing must stand in their way.
pub(super) async fn insert_prepared(
    db: &Db,
    tx: &mut Transaction<'static>,
    job: JobId,
    pairs: &[(AgentId, &Target)],
    at: NaiveDateTime,
) -> Result<usize, DbError> {
    let mut uniqids: Vec<String> = Vec::new();
    let mut runs: Vec<[Value; 6]> = Vec::new();
    for (agent, target) in pairs {
        // Its agent reports under this name: at random, so that nobody guesses it.
        let uniqid = Uuid::new_v4().to_string();
        runs.push([
            job.0.into(),
            target.items_id.into(),
            target.itemtype.as_str().into(),
            RunState::Prepared.code().into(),
            agent.0.into(),
            uniqid.as_str().into(),
        ]);
        uniqids.push(uniqid);
    }
    if runs.is_empty() {
        return Ok(0);
    }
    let last =
        db.sql("/* create_runs */ SELECT MAX(id) FROM {p}taskjobstates WHERE {f}taskjobs_id = ?");
    let last: Option<Option<u64>> = tx.exec_first(last.as_ref(), (job.0,)).await?;
    let head = "/* create_runs */ INSERT INTO {p}taskjobstates ({f}taskjobs_id, items_id, itemtype, state, {f}agents_id, uniqid)";
    insert(db, tx, head, &runs, "").await?;
    drop(runs);
    // The ids of one insert are not consecutive on every server (Galera), and PHP may have inserted meanwhile: ours are the ones with
    // our names.
    let made = db.sql(
        "/* create_runs */ SELECT id, uniqid FROM {p}taskjobstates WHERE {f}taskjobs_id = ? AND id > ? ORDER BY id",
    );
    let made: Vec<(u64, String)> = tx
        .exec(made.as_ref(), (job.0, last.flatten().unwrap_or_default()))
        .await?;
    let ours: HashSet<&str> = uniqids.iter().map(String::as_str).collect();
    let lines: Vec<[Value; 6]> = made
        .iter()
        .filter(|(_, uniqid)| ours.contains(uniqid.as_str()))
        .map(|(run, _)| prepared_line(*run, at))
        .collect();
    add_lines(db, tx, &lines).await?;
    Ok(lines.len())
}

/// The log line of a run that was made, as [`add_lines`] takes it.
pub(super) fn prepared_line(run: u64, at: NaiveDateTime) -> [Value; 6] {
    let state = LogState::Prepared.code();
    [
        run.into(),
        at.into(),
        0.into(),
        Value::NULL,
        state.into(),
        "".into(),
    ]
}

async fn cancel(
    db: &Db,
    tx: &mut Transaction<'static>,
    job: JobId,
    target: &Target,
    runs: &[RunId],
    at: NaiveDateTime,
) -> Result<usize, DbError> {
    lock_job(db, tx, job).await?;
    let wanted: Vec<u64> = runs.iter().map(|run| run.0).collect();
    let mut cancelled = 0;
    for chunk in wanted.chunks(LIST_MAX) {
        // Locked and looked at again: a report may have ended one since it was read.
        let text = format!(
            "/* cancel_runs */ SELECT id FROM {{p}}taskjobstates WHERE id IN ({}) AND state IN (0, 1, 2, 6) ORDER BY id FOR UPDATE",
            marks(chunk.len())
        );
        let open: Vec<u64> = tx.exec(db.names.replace(&text), list(chunk)).await?;
        let named = |run| (run, target.items_id, Some(target.itemtype.clone()));
        let open = open.into_iter().map(named).collect();
        cancelled += cancel_locked(db, tx, open, LEFT, at).await?;
    }
    Ok(cancelled)
}
