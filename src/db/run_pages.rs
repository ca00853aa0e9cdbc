//! Runs as people see them, the whole story of one, and what a task's page needs beside the catalogue.

use std::collections::HashMap;

use chrono::NaiveDateTime;
use mysql_async::prelude::Queryable;
use mysql_async::{Params, Row, Value};

use super::bulk::{LIST_MAX, list, marks, pad};
use super::expiry::{noted, spooled};
use super::row::{Columns, readable};
use super::{Db, DbError};
use crate::domain::actors::Target;
use crate::domain::expiry::Signs;
use crate::domain::ids::{AgentId, ComputerId, EntityId, JobId, RunId, TaskId, TimeslotId};
use crate::domain::run::RunState;
use crate::proto::text::decode;

/// Most characters of a log line in a list of runs; the run's own page has all.
const SHOWN: u32 = 300;

/// The last word of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Its row.
    pub id: u64,
    /// When (local time).
    pub date: Option<NaiveDateTime>,
    /// Its state, as stored.
    pub state: u32,
    /// What it says, decoded.
    pub comment: String,
}

/// A run as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRow {
    /// The run.
    pub id: RunId,
    /// Its job.
    pub job: JobId,
    /// Its task; none if the job is gone.
    pub task: Option<(TaskId, EntityId)>,
    /// On what.
    pub target: Target,
    /// Its state; none for a number that the plugin does not know.
    pub state: Option<RunState>,
    /// Its agent.
    pub agent: AgentId,
    /// What that is called; empty if it is gone.
    pub agent_name: String,
    /// Its computer; 0 = none.
    pub computer: ComputerId,
    /// What that is called.
    pub computer_name: String,
    /// Not before this moment, as a user wished.
    pub not_before: Option<NaiveDateTime>,
    /// When it began.
    pub began: Option<NaiveDateTime>,
    /// Its last log line, which may be cut.
    pub last: Option<LogLine>,
    /// What is known of its agent's being at work on it.
    pub signs: Signs,
}

/// What a page of a task needs beside the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskRow {
    /// Its entity.
    pub entity: EntityId,
    /// Names of its timeslots.
    pub slots: HashMap<TimeslotId, String>,
}

macro_rules! run_columns {
    () => {
        concat!(
            "r.id, r.{f}taskjobs_id, j.{f}tasks_id, t.entities_id, r.itemtype, r.items_id, r.state, r.{f}agents_id, a.name, a.computers_id, \
             c.name, r.date_start, b.date, e.id, e.date, e.state, LEFT(e.comment, ?), s.sent_at, w.heard_at, d.fetched_at, ",
            spooled!(),
            " AS spooled"
        )
    };
}

impl Db {
    /// These runs, the newest first; those that are gone are left out.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn run_rows(&self, runs: &[RunId]) -> Result<Vec<RunRow>, DbError> {
        let mut rows = Vec::with_capacity(runs.len());
        for chunk in runs.chunks(LIST_MAX) {
            let marks = marks(chunk.len());
            let text = concat!(
                    "/* run_rows */ SELECT ",
                    run_columns!(),
                    " FROM {p}taskjobstates r LEFT JOIN {p}taskjobs j ON j.id = r.{f}taskjobs_id LEFT JOIN {p}tasks t ON t.id = j.{f}tasks_id \
                     LEFT JOIN {p}agents a ON a.id = r.{f}agents_id LEFT JOIN glpi_computers c ON c.id = a.computers_id \
                     ",
                    noted!(),
                    "LEFT JOIN (SELECT {f}taskjobstates_id AS run, MIN(id) AS first, MAX(id) AS last FROM {p}taskjoblogs \
                     WHERE {f}taskjobstates_id IN ({marks}) GROUP BY {f}taskjobstates_id) AS x ON x.run = r.id \
                     LEFT JOIN {p}taskjoblogs b ON b.id = x.first LEFT JOIN {p}taskjoblogs e ON e.id = x.last \
                     WHERE r.id IN ({marks}) ORDER BY r.id DESC"
            )
            .replace("{marks}", &marks);
            let ids: Vec<u64> = chunk.iter().map(|run| run.0).collect();
            let ids: Vec<Value> = pad(&ids).map(Value::from).collect();
            let values = [Value::from(SHOWN)].into_iter().chain(ids.clone());
            let values = Params::Positional(values.chain(ids).collect());
            let read: Vec<Row> = self
                .timed("run_rows", async {
                    let mut conn = self.conn().await?;
                    Ok(conn.exec(self.names.replace(&text), values).await?)
                })
                .await?;
            rows.extend(readable(read.into_iter().map(run_row)));
        }
        Ok(rows)
    }

    /// The log of a run from line `from` on, at most `most` lines, the oldest first.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn log_of_run(
        &self,
        run: RunId,
        from: u64,
        most: usize,
    ) -> Result<Vec<LogLine>, DbError> {
        self.timed("log_of_run", async {
            // The sum keeps the server from going through the whole table in the order of its ids.
            let sql = self.sql(
                "/* log_of_run */ SELECT l.id, l.date, l.state, l.comment FROM (SELECT id FROM {p}taskjoblogs \
                 WHERE {f}taskjobstates_id = ? AND id + 0 >= ? ORDER BY id + 0 LIMIT ?) AS x \
                 STRAIGHT_JOIN {p}taskjoblogs l ON l.id = x.id ORDER BY l.id",
            );
            let mut conn = self.conn().await?;
            let rows: Vec<(u64, Option<NaiveDateTime>, u32, Option<String>)> =
                conn.exec(sql.as_ref(), (run.0, from, most)).await?;
            let lines = rows.into_iter().map(|(id, date, state, comment)| LogLine {
                id,
                date,
                state,
                comment: decode(&comment.unwrap_or_default()).into_owned(),
            });
            Ok(lines.collect())
        })
        .await
    }

    /// A task's row, with the names of `slots`; none if there is no such task.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn task_row(
        &self,
        task: TaskId,
        slots: [TimeslotId; 2],
    ) -> Result<Option<TaskRow>, DbError> {
        self.timed("task_row", async {
            let mut conn = self.conn().await?;
            let sql = self.sql("/* task_row */ SELECT entities_id FROM {p}tasks WHERE id = ?");
            let entity: Option<u32> = conn.exec_first(sql.as_ref(), (task.0,)).await?;
            let Some(entity) = entity else {
                return Ok(None);
            };
            let sql =
                self.sql("/* task_row */ SELECT id, name FROM {p}timeslots WHERE id IN (?, ?)");
            let names: Vec<(u32, Option<String>)> =
                conn.exec(sql.as_ref(), (slots[0].0, slots[1].0)).await?;
            let names = names.into_iter().map(|(slot, name)| {
                let name = name.unwrap_or_default();
                (TimeslotId(slot), decode(&name).into_owned())
            });
            Ok(Some(TaskRow {
                entity: EntityId(entity),
                slots: names.collect(),
            }))
        })
        .await
    }

    /// The time-outs, in seconds, of those of `jobs` that have one of their own.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn job_timeouts(&self, jobs: &[JobId]) -> Result<HashMap<JobId, u32>, DbError> {
        let mut timeouts = HashMap::new();
        for chunk in jobs.chunks(LIST_MAX) {
            let text = format!(
                "/* job_timeouts */ SELECT {{f}}taskjobs_id, timeout FROM {{p}}sidecar_jobs WHERE {{f}}taskjobs_id IN ({}) AND timeout IS NOT NULL",
                marks(chunk.len())
            );
            let ids: Vec<u32> = chunk.iter().map(|job| job.0).collect();
            let rows: Vec<(u32, u32)> = self
                .timed("job_timeouts", async {
                    let mut conn = self.conn().await?;
                    Ok(conn.exec(self.names.replace(&text), list(&ids)).await?)
                })
                .await?;
            timeouts.extend(rows.into_iter().map(|(job, timeout)| (JobId(job), timeout)));
        }
        Ok(timeouts)
    }
}

fn run_row(row: Row) -> Result<RunRow, DbError> {
    let mut columns = Columns::new("taskjobstates", row);
    let name = |columns: &mut Columns, column| -> Result<String, DbError> {
        Ok(decode(&columns.text(column)?).into_owned())
    };
    let (id, job) = (columns.take("id")?, columns.take("taskjobs_id")?);
    let task: Option<u32> = columns.take("tasks_id")?;
    let entity: Option<u32> = columns.take("entities_id")?;
    let target = Target {
        itemtype: columns.text("itemtype")?,
        items_id: columns.take("items_id")?,
    };
    let state = RunState::from_code(columns.take("state")?);
    let agent = AgentId(columns.take("agents_id")?);
    let agent_name = name(&mut columns, "name")?;
    let computer: Option<u32> = columns.take("computers_id")?;
    let computer_name = name(&mut columns, "name")?;
    let (not_before, began) = (columns.take("date_start")?, columns.take("date")?);
    let line: Option<u64> = columns.take("id")?;
    let date: Option<NaiveDateTime> = columns.take("date")?;
    let line_state: Option<u32> = columns.take("state")?;
    let comment = name(&mut columns, "comment")?;
    let last = line.map(|id| LogLine {
        id,
        date,
        state: line_state.unwrap_or_default(),
        comment,
    });
    Ok(RunRow {
        id: RunId(id),
        job: JobId(job),
        task: task.map(TaskId).zip(entity.map(EntityId)),
        target,
        state,
        agent,
        agent_name,
        computer: ComputerId(computer.unwrap_or_default()),
        computer_name,
        not_before,
        began,
        last,
        signs: Signs {
            sent: columns.take("sent_at")?,
            heard: columns.take("heard_at")?,
            fetched: columns.take("fetched_at")?,
            line: date,
            contact: None,
            spooled: columns.take("spooled")?,
        },
    })
}
