//! The demo's own database: made, filled, watched. Never GLPI's.

use chrono::NaiveDateTime;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, Row};

use super::names::quoted;
use super::row::Columns;
use super::script::statements;
use super::{Db, DbError, OnLock, connection};
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
    let name = quoted(DATABASE);
    conn.query_drop(format!(
        "DROP DATABASE IF EXISTS {name}; CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci"
    ))
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
        self.tx(
            "run_script",
            OnLock::TryAgain,
            statements,
            |_, statements, tx| {
                Box::pin(async move {
                    for statement in statements {
                        tx.query_drop(statement).await?;
                    }
                    Ok(())
                })
            },
        )
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
        self.tx("put_package", OnLock::TryAgain, (package, json, file), |db, (package, json, file), tx| {
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
        self.tx("cancel_interrupted", OnLock::TryAgain, (agent, now, reason), |db, (agent, now, reason), tx| {
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

    /// Where `run` stands, and its log lines after the line `after`, oldest first, at most 500; none if there is no such run.
    ///
    /// One statement: what it returns was true at one moment.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn run_progress(
        &self,
        run: RunId,
        after: u64,
    ) -> Result<Option<(RunState, Vec<Line>)>, DbError> {
        self.timed("run_progress", async {
            let sql = self.sql(
                "/* run_progress */ SELECT r.state AS run_state, l.id, l.state, l.comment FROM {p}taskjobstates r \
                 LEFT JOIN {p}taskjoblogs l ON l.{f}taskjobstates_id = r.id AND l.id > ? WHERE r.id = ? ORDER BY l.id LIMIT ?",
            );
            let mut conn = self.conn().await?;
            let rows: Vec<Row> = conn.exec(sql.as_ref(), (after, run.0, LINES)).await?;
            let mut progress = None;
            for row in rows {
                let mut columns = Columns::new("taskjobstates", row);
                let code: u32 = columns.take("run_state")?;
                let state = RunState::from_code(code);
                let state = state.ok_or_else(|| columns.corrupt("state", code.to_string()))?;
                let (_, lines) = progress.get_or_insert_with(|| (state, Vec::new()));
                let line: (Option<u64>, Option<u32>, Option<String>) = (
                    columns.take("id")?,
                    columns.take("state")?,
                    columns.take("comment")?,
                );
                // A run without new lines is one row, whose line is absent.
                if let (Some(id), Some(state), text) = line {
                    lines.push(Line {
                        id,
                        state,
                        text: text.unwrap_or_default(),
                    });
                }
            }
            Ok(progress)
        })
        .await
    }
}
