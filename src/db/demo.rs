//! The demo's own database: made, filled, watched. Never GLPI's.

use chrono::NaiveDateTime;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, Row};

use super::row::Columns;
use super::script::statements;
use super::{Db, DbError, connection};
use crate::config::Database;
use crate::domain::ids::{AgentId, PackageId, RunId};
use crate::domain::run::{LogState, RunState};

/// Name of the demo's database.
pub const DATABASE: &str = "glpi";

/// Most log lines of a run that one look takes.
const LINES: usize = 500;

/// A file of a package, as `deployfiles` lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedFile {
    /// Its name.
    pub name: &'static str,
    /// Its media type.
    pub mimetype: &'static str,
    /// Bytes of the whole content.
    pub size: u64,
    /// SHA-512 of the whole content, hexadecimal.
    pub sha512: String,
}

/// A log line of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its row.
    pub id: u64,
    /// Its state, as stored.
    pub state: u32,
    /// Its text, as stored.
    pub text: String,
}

/// Makes an empty database [`DATABASE`] on the server of `settings`, in place of one that may be there.
///
/// # Errors
///
/// When the server cannot be reached or refuses.
pub async fn make_database(settings: &Database) -> Result<(), DbError> {
    let opts = connection(settings).db_name(None::<String>);
    let mut conn = Conn::new(Opts::from(opts)).await?;
    conn.query_drop("DROP DATABASE IF EXISTS glpi").await?;
    conn.query_drop("CREATE DATABASE glpi CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
        .await?;
    Ok(conn.disconnect().await?)
}

impl Db {
    /// Runs the statements of `script`, all or none.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn run_script(&self, script: &str) -> Result<(), DbError> {
        let statements = statements(&self.names.replace(script));
        self.tx("run_script", statements, |_, statements, tx| {
            Box::pin(async move {
                for statement in statements {
                    tx.query_drop(statement).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// Stores the definition of a package, and lists its one file under the same number.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn put_package(
        &self,
        package: PackageId,
        json: &str,
        file: &ListedFile,
    ) -> Result<(), DbError> {
        self.tx("put_package", (package, json, file), |db, (package, json, file), tx| {
            Box::pin(async move {
                let sql = db.sql("/* put_package */ UPDATE {p}deploypackages SET json = ? WHERE id = ?");
                tx.exec_drop(sql.as_ref(), (json, package.0)).await?;
                let sql = db.sql(
                    "/* put_file */ REPLACE INTO {p}deployfiles (id, name, mimetype, filesize, sha512, shortsha512, entities_id, is_recursive) \
                     VALUES (?, ?, ?, ?, ?, LEFT(?, 6), 0, 1)",
                );
                let row = (package.0, file.name, file.mimetype, file.size, &file.sha512, &file.sha512);
                Ok(tx.exec_drop(sql.as_ref(), row).await?)
            })
        })
        .await
    }

    /// Cancels the runs of `agent` that are sent or running, with a log line of `reason`; how many they were.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn cancel_interrupted(
        &self,
        agent: AgentId,
        now: NaiveDateTime,
        reason: &str,
    ) -> Result<u64, DbError> {
        self.tx("cancel_interrupted", (agent, now, reason), |db, (agent, now, reason), tx| {
            Box::pin(async move {
                let sql = db.sql(
                    "/* interrupted_lines */ INSERT INTO {p}taskjoblogs ({f}taskjobstates_id, date, items_id, itemtype, state, comment) \
                     SELECT id, ?, items_id, itemtype, ?, ? FROM {p}taskjobstates WHERE {f}agents_id = ? AND state IN (1, 2)",
                );
                tx.exec_drop(sql.as_ref(), (now, LogState::Info.code(), reason, agent.0)).await?;
                let sql = db.sql("/* cancel_interrupted */ UPDATE {p}taskjobstates SET state = ? WHERE {f}agents_id = ? AND state IN (1, 2)");
                tx.exec_drop(sql.as_ref(), (RunState::Cancelled.code(), agent.0)).await?;
                Ok(tx.affected_rows())
            })
        })
        .await
    }

    /// Where `run` stands; none if there is no such run.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn run_state(&self, run: RunId) -> Result<Option<RunState>, DbError> {
        self.timed("run_state", async {
            let sql = self.sql("/* run_state */ SELECT state FROM {p}taskjobstates WHERE id = ?");
            let row: Option<Row> = self
                .conn()
                .await?
                .exec_first(sql.as_ref(), (run.0,))
                .await?;
            let Some(row) = row else { return Ok(None) };
            let mut columns = Columns::new("taskjobstates", row);
            let code: u32 = columns.take("state")?;
            let state = RunState::from_code(code);
            Ok(Some(state.ok_or_else(|| {
                columns.corrupt("state", code.to_string())
            })?))
        })
        .await
    }

    /// The log lines of `run` after the line `after`, oldest first, at most 500.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn log_lines(&self, run: RunId, after: u64) -> Result<Vec<Line>, DbError> {
        self.timed("log_lines", async {
            let sql = self.sql(
                "/* log_lines */ SELECT id, state, comment FROM {p}taskjoblogs WHERE {f}taskjobstates_id = ? AND id > ? ORDER BY id LIMIT ?",
            );
            let rows: Vec<(u64, u32, Option<String>)> = self.conn().await?.exec(sql.as_ref(), (run.0, after, LINES)).await?;
            let line = |(id, state, text): (u64, u32, Option<String>)| Line { id, state, text: text.unwrap_or_default() };
            Ok(rows.into_iter().map(line).collect())
        })
        .await
    }
}
