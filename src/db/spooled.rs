//! Which runs have messages in a spool on their way to PHP, for the other sidecars on the database.

use mysql_async::prelude::Queryable as _;

use super::{Db, DbError};
use crate::domain::ids::{RunId, TaskId};

/// Most rows that one statement forgets.
const FORGOTTEN_AT_ONCE: u32 = 1000;

/// Since when a spool must have been heard of: one of which nothing was heard for a week is gone, and its rows say nothing.
macro_rules! alive {
    () => {
        "UTC_TIMESTAMP(6) - INTERVAL 7 DAY"
    };
}

pub(super) use alive;

impl Db {
    /// Notes that `messages` about `run` are in `spool`; the row goes when there are none.
    ///
    /// # Errors
    ///
    /// When the database fails; then nothing was noted.
    pub async fn note_spooled(
        &self,
        spool: &str,
        run: RunId,
        messages: u64,
    ) -> Result<(), DbError> {
        self.timed("note_spooled", async {
            let mut conn = self.conn().await?;
            if messages == 0 {
                let sql = self.sql("/* note_spooled */ DELETE FROM {p}sidecar_spooled WHERE {f}taskjobstates_id = ? AND spool = ?");
                return Ok(conn.exec_drop(sql.as_ref(), (run.0, spool)).await?);
            }
            let sql = self.sql(
                "/* note_spooled */ INSERT INTO {p}sidecar_spooled ({f}taskjobstates_id, spool, messages, seen_at) \
                 VALUES (?, ?, ?, UTC_TIMESTAMP(6)) ON DUPLICATE KEY UPDATE messages = VALUES(messages), seen_at = VALUES(seen_at)",
            );
            Ok(conn.exec_drop(sql.as_ref(), (run.0, spool, messages)).await?)
        })
        .await
    }

    /// The runs of which there are messages in `spool`, with their number, as far as noted.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn spooled_in(&self, spool: &str) -> Result<Vec<(RunId, u64)>, DbError> {
        self.timed("spooled_in", async {
            let sql = self.sql("/* spooled_in */ SELECT {f}taskjobstates_id, messages FROM {p}sidecar_spooled WHERE spool = ?");
            let rows: Vec<(u64, u64)> = self.conn().await?.exec(sql.as_ref(), (spool,)).await?;
            Ok(rows.into_iter().map(|(run, messages)| (RunId(run), messages)).collect())
        })
        .await
    }

    /// How many messages about `run` are in other spools than `spool` that are alive.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn spooled_elsewhere(&self, spool: &str, run: RunId) -> Result<u64, DbError> {
        self.timed("spooled_elsewhere", async {
            let sql = self.sql(concat!(
                "/* spooled_elsewhere */ SELECT CAST(COALESCE(SUM(messages), 0) AS UNSIGNED) FROM {p}sidecar_spooled \
                 WHERE {f}taskjobstates_id = ? AND spool <> ? AND seen_at >= ",
                alive!()
            ));
            let count: Option<u64> = self.conn().await?.exec_first(sql.as_ref(), (run.0, spool)).await?;
            Ok(count.unwrap_or_default())
        })
        .await
    }

    /// How many messages about runs of `task` are in any spool that is alive.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn spooled_of(&self, task: TaskId) -> Result<u64, DbError> {
        self.timed("spooled_of", async {
            // From what waits to its runs, which are few among those of the task.
            let sql = self.sql(concat!(
                "/* spooled_of */ SELECT CAST(COALESCE(SUM(s.messages), 0) AS UNSIGNED) FROM {p}sidecar_spooled s \
                 STRAIGHT_JOIN {p}taskjobstates r ON r.id = s.{f}taskjobstates_id STRAIGHT_JOIN {p}taskjobs j ON j.id = r.{f}taskjobs_id \
                 WHERE j.{f}tasks_id = ? AND s.seen_at >= ",
                alive!()
            ));
            let count: Option<u64> = self.conn().await?.exec_first(sql.as_ref(), (task.0,)).await?;
            Ok(count.unwrap_or_default())
        })
        .await
    }

    /// Keeps the rows of `spool`.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn keep_spooled(&self, spool: &str) -> Result<(), DbError> {
        self.timed("keep_spooled", async {
            let sql = self.sql("/* keep_spooled */ UPDATE {p}sidecar_spooled SET seen_at = UTC_TIMESTAMP(6) WHERE spool = ?");
            Ok(self.conn().await?.exec_drop(sql.as_ref(), (spool,)).await?)
        })
        .await
    }

    /// Forgets some rows of spools of which nothing was heard for a week; whether there may be more.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn forget_spooled(&self) -> Result<bool, DbError> {
        self.timed("forget_spooled", async {
            let mut conn = self.conn().await?;
            let sql = self.sql(concat!(
                "/* forget_spooled */ DELETE FROM {p}sidecar_spooled WHERE seen_at < ",
                alive!(),
                " ORDER BY seen_at LIMIT ?"
            ));
            conn.exec_drop(sql.as_ref(), (FORGOTTEN_AT_ONCE,)).await?;
            Ok(conn.affected_rows() >= u64::from(FORGOTTEN_AT_ONCE))
        })
        .await
    }
}
