//! Runs (`taskjobstates`) and the packages that they hand out: reading.

use mysql_async::Row;
use mysql_async::prelude::Queryable;

use super::agents::{MOST_DUPLICATES, can_match};
use super::bulk::{LIST_MAX, list, marks};
use super::row::{Columns, readable};
use super::{Db, DbError};
use crate::domain::ids::{AgentId, JobId, PackageId, RunId};
use crate::domain::run::{Run, RunState};

/// Open runs of an agent that one statement reads. All are read, within the time that an operation has: any that were left out could be the
/// only ones that can be handed out.
const PIECE: usize = 5_000;

macro_rules! run_columns {
    () => {
        "r.id, r.{f}taskjobs_id, r.{f}agents_id, r.itemtype, r.items_id, r.state, r.specificity, r.uniqid, r.date_start, r.nb_retry, r.max_retry, s.sends"
    };
}

impl Db {
    /// The runs of an agent that are prepared, sent or running, oldest first.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn open_runs(&self, agent: AgentId) -> Result<Vec<Run>, DbError> {
        self.timed("open_runs", async {
            let sql = self.sql(concat!(
                "/* open_runs */ SELECT ",
                run_columns!(),
                " FROM {p}taskjobstates r LEFT JOIN {p}sidecar_runs s ON s.{f}taskjobstates_id = r.id \
                 WHERE r.{f}agents_id = ? AND r.state IN (0, 1, 2) AND r.id > ? ORDER BY r.id LIMIT ?"
            ));
            let mut conn = self.conn().await?;
            let (mut runs, mut last) = (Vec::new(), 0_u64);
            loop {
                let rows: Vec<Row> = conn.exec(sql.as_ref(), (agent.0, last, PIECE)).await?;
                let is_last = rows.len() < PIECE;
                // Also that of a row that cannot be read, so that each piece begins behind the one before.
                last = rows
                    .last()
                    .and_then(|row| row.get("id"))
                    .unwrap_or(u64::MAX);
                runs.extend(readable(rows.into_iter().map(run)));
                if is_last {
                    return Ok(runs);
                }
            }
        })
        .await
    }

    /// The runs that agents call `uniqid`: one, unless PHP's clock-derived ids collided.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn runs_by_uniqid(&self, uniqid: &str) -> Result<Vec<Run>, DbError> {
        if uniqid.is_empty() || !can_match(uniqid) {
            return Ok(Vec::new());
        }
        self.timed("runs_by_uniqid", async {
            let sql = self.sql(concat!(
                "/* runs_by_uniqid */ SELECT ",
                run_columns!(),
                " FROM {p}taskjobstates r LEFT JOIN {p}sidecar_runs s ON s.{f}taskjobstates_id = r.id \
                 WHERE r.uniqid = ? ORDER BY r.id LIMIT ?"
            ));
            let rows: Vec<Row> = self.conn().await?.exec(sql.as_ref(), (uniqid, MOST_DUPLICATES)).await?;
            Ok(readable(rows.into_iter().map(run)).collect())
        })
        .await
    }

    /// The run of a row.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn run(&self, id: RunId) -> Result<Option<Run>, DbError> {
        self.timed("run", async {
            let sql = self.sql(concat!(
                "/* run */ SELECT ",
                run_columns!(),
                " FROM {p}taskjobstates r LEFT JOIN {p}sidecar_runs s ON s.{f}taskjobstates_id = r.id WHERE r.id = ?"
            ));
            let row: Option<Row> = self.conn().await?.exec_first(sql.as_ref(), (id.0,)).await?;
            row.map(run).transpose()
        })
        .await
    }

    /// How many lines of a run's log have `code` (`==addtheitem==` and the like) in their text.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn coded_lines(&self, id: RunId, code: &str) -> Result<u64, DbError> {
        self.timed("coded_lines", async {
            let sql = self.sql(
                "/* coded_lines */ SELECT COUNT(*) FROM {p}taskjoblogs WHERE {f}taskjobstates_id = ? AND INSTR(comment, ?) > 0",
            );
            let count: Option<u64> = self.conn().await?.exec_first(sql.as_ref(), (id.0, code)).await?;
            Ok(count.unwrap_or_default())
        })
        .await
    }

    /// Stored definitions of packages.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn packages(&self, ids: &[PackageId]) -> Result<Vec<(PackageId, String)>, DbError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        self.timed("packages", async {
            let mut conn = self.conn().await?;
            let mut packages = Vec::with_capacity(ids.len());
            for chunk in ids.chunks(LIST_MAX) {
                let text = format!(
                    "/* packages */ SELECT id, json FROM {{p}}deploypackages WHERE id IN ({})",
                    marks(chunk.len())
                );
                let wanted: Vec<u32> = chunk.iter().map(|id| id.0).collect();
                let rows: Vec<(u32, Option<String>)> =
                    conn.exec(self.names.replace(&text), list(&wanted)).await?;
                packages.extend(
                    rows.into_iter()
                        .map(|(id, json)| (PackageId(id), json.unwrap_or_default())),
                );
            }
            Ok(packages)
        })
        .await
    }
}

fn run(row: Row) -> Result<Run, DbError> {
    let mut columns = Columns::new("taskjobstates", row);
    Ok(Run {
        id: RunId(columns.take("id")?),
        job: JobId(columns.take("taskjobs_id")?),
        agent: AgentId(columns.take("agents_id")?),
        itemtype: columns.text("itemtype")?,
        items_id: columns.take("items_id")?,
        state: {
            let code: u32 = columns.take("state")?;
            RunState::from_code(code).ok_or_else(|| columns.corrupt("state", code.to_string()))?
        },
        specificity: columns.take("specificity")?,
        uniqid: columns.text("uniqid")?,
        date_start: columns.take("date_start")?,
        nb_retry: columns.take("nb_retry")?,
        max_retry: columns.take("max_retry")?,
        sends: columns.take::<Option<u32>>("sends")?.unwrap_or_default(),
    })
}
