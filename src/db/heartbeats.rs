//! What each sidecar did last, by the database server's own clock.

use std::time::Duration;

use chrono::NaiveDateTime;
use mysql_async::prelude::Queryable;

use super::leases::Instance;
use super::{Db, DbError};

/// The duty that stands for the process of a `serve` itself.
pub const PROCESS: &str = "serve";

/// Days after which the rows of a sidecar that is gone go too.
const KEPT_DAYS: u32 = 7;

/// Longest text of a result.
const RESULT: usize = 255;

/// The last pass of a duty by any sidecar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastPass {
    /// Which duty.
    pub duty: String,
    /// The machine that did it.
    pub host: String,
    /// When it ended, UTC.
    pub ended: NaiveDateTime,
    /// How.
    pub result: String,
    /// Runs that were prepared or deleted.
    pub runs: u64,
    /// When the next one is due, UTC; none after one by hand.
    pub next: Option<NaiveDateTime>,
}

/// What is known of the sidecars on a database.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Beats {
    /// The last pass of each duty.
    pub passes: Vec<LastPass>,
    /// Passes that began and have not ended: the duty, the machine, since when (UTC), and seconds since that sidecar's last sign of life.
    pub begun: Vec<(String, String, NaiveDateTime, i64)>,
    /// The machine, version and seconds of silence of each `serve` of the last days, the most recent first.
    pub serving: Vec<(String, String, i64)>,
}

type PassRow = (
    String,
    String,
    NaiveDateTime,
    String,
    u64,
    Option<NaiveDateTime>,
);

impl Db {
    /// A sign of life of `who`: all its rows are kept.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn beat(&self, who: &Instance, version: &str) -> Result<(), DbError> {
        self.timed("beat", async {
            let mut conn = self.conn().await?;
            let sql = self.sql(
                "/* beat */ INSERT INTO {p}sidecar_heartbeats (instance, duty, host, version, seen_at, started_at) \
                 VALUES (?, ?, ?, ?, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6)) ON DUPLICATE KEY UPDATE seen_at = UTC_TIMESTAMP(6)",
            );
            conn.exec_drop(sql.as_ref(), (&who.row, PROCESS, &who.host, version)).await?;
            let sql = self.sql("/* beat */ UPDATE {p}sidecar_heartbeats SET seen_at = UTC_TIMESTAMP(6) WHERE instance = ?");
            Ok(conn.exec_drop(sql.as_ref(), (&who.row,)).await?)
        })
        .await
    }

    /// A pass of `duty` begins.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn pass_begins(
        &self,
        who: &Instance,
        duty: &str,
        version: &str,
    ) -> Result<(), DbError> {
        self.timed("pass_begins", async {
            let sql = self.sql(
                "/* pass_begins */ INSERT INTO {p}sidecar_heartbeats (instance, duty, host, version, seen_at, started_at) \
                 VALUES (?, ?, ?, ?, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6)) ON DUPLICATE KEY UPDATE version = VALUES(version), \
                 seen_at = VALUES(seen_at), started_at = VALUES(started_at)",
            );
            let values = (&who.row, duty, &who.host, version);
            Ok(self.conn().await?.exec_drop(sql.as_ref(), values).await?)
        })
        .await
    }

    /// A pass of `duty` has ended; the next one begins in `next`.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn pass_ended(
        &self,
        who: &Instance,
        duty: &str,
        result: &str,
        runs: u64,
        next: Option<Duration>,
    ) -> Result<(), DbError> {
        self.timed("pass_ended", async {
            let sql = self.sql(
                "/* pass_ended */ UPDATE {p}sidecar_heartbeats SET seen_at = UTC_TIMESTAMP(6), ended_at = UTC_TIMESTAMP(6), result = ?, \
                 runs = ?, next_at = UTC_TIMESTAMP(6) + INTERVAL ? MICROSECOND WHERE instance = ? AND duty = ?",
            );
            let result: String = result.chars().take(RESULT).collect();
            let next = next.and_then(|next| i64::try_from(next.as_micros()).ok());
            let values = (result, runs, next, &who.row, duty);
            Ok(self.conn().await?.exec_drop(sql.as_ref(), values).await?)
        })
        .await
    }

    /// Removes what sidecars left that have been silent for days.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn forget_silent(&self) -> Result<(), DbError> {
        self.timed("forget_silent", async {
            let sql = self.sql(
                "/* forget_silent */ DELETE FROM {p}sidecar_heartbeats WHERE seen_at < UTC_TIMESTAMP(6) - INTERVAL ? DAY",
            );
            Ok(self.conn().await?.exec_drop(sql.as_ref(), (KEPT_DAYS,)).await?)
        })
        .await
    }

    /// What is known of the sidecars on this database.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn beats(&self) -> Result<Beats, DbError> {
        self.timed("beats", async {
            let mut conn = self.conn().await?;
            let sql = self.sql(
                "/* beats */ SELECT duty, host, ended_at, result, runs, next_at FROM {p}sidecar_heartbeats \
                 WHERE ended_at IS NOT NULL ORDER BY duty, ended_at DESC",
            );
            let rows: Vec<PassRow> = conn.query(sql.as_ref()).await?;
            let mut passes: Vec<LastPass> = rows
                .into_iter()
                .map(|(duty, host, ended, result, runs, next)| LastPass { duty, host, ended, result, runs, next })
                .collect();
            passes.dedup_by(|later, first| later.duty == first.duty);
            let sql = self.sql(
                "/* beats */ SELECT host, version, TIMESTAMPDIFF(SECOND, seen_at, UTC_TIMESTAMP(6)) FROM {p}sidecar_heartbeats \
                 WHERE duty = ? ORDER BY seen_at DESC",
            );
            let serving = conn.exec(sql.as_ref(), (PROCESS,)).await?;
            let sql = self.sql(
                "/* beats */ SELECT duty, host, started_at, TIMESTAMPDIFF(SECOND, seen_at, UTC_TIMESTAMP(6)) FROM {p}sidecar_heartbeats \
                 WHERE duty <> ? AND (ended_at IS NULL OR ended_at < started_at) ORDER BY started_at",
            );
            let begun = conn.exec(sql.as_ref(), (PROCESS,)).await?;
            Ok(Beats { passes, begun, serving })
        })
        .await
    }
}
