//! Leases: who does the periodic work, by the database server's own clock.

use std::time::Duration;

use chrono::NaiveDateTime;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Params, Value};

use super::bulk::marks;
use super::{Db, DbError};
use crate::domain::lease::{Lease, renewed, taken};

/// A sidecar as the leases and heartbeats name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Its name, no other's.
    pub id: String,
    /// The name of its rows among the heartbeats.
    pub row: String,
    /// The machine that it runs on, for people.
    pub host: String,
}

/// How a lease is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// To have it, unless another has.
    Take,
    /// To keep it.
    Renew,
}

/// Who has a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The machine.
    pub host: String,
    /// Seconds that are left.
    pub left: i64,
}

impl Db {
    /// Takes or renews the lease `name` for `who`; whether it has it now.
    ///
    /// # Errors
    ///
    /// When the database fails; it may then have it or not.
    pub async fn lease(
        &self,
        name: &str,
        who: &Instance,
        length: Duration,
        ask: Ask,
    ) -> Result<bool, DbError> {
        self.timed("lease", async {
            let mut conn = self.conn().await?;
            let (stored, now) = self.stored_lease(&mut conn, name).await?;
            let next = match ask {
                Ask::Take => taken(stored.as_ref(), &who.id, now, length),
                Ask::Renew => renewed(stored.as_ref(), &who.id, now, length),
            };
            let Some(next) = next else {
                return Ok(false);
            };
            let changed = if let Some(stored) = stored {
                    let sql = self.sql(
                        "/* lease */ UPDATE {p}sidecar_leases SET holder = ?, host = ?, until = ? WHERE name = ? AND holder = ? AND until = ?",
                    );
                    let values = (next.holder, &who.host, next.until, name, stored.holder, stored.until);
                    conn.exec_drop(sql.as_ref(), values).await
                } else {
                    let sql = self.sql(
                        "/* lease */ INSERT IGNORE INTO {p}sidecar_leases (name, holder, host, until) VALUES (?, ?, ?, ?)",
                    );
                    conn.exec_drop(sql.as_ref(), (name, next.holder, &who.host, next.until)).await
            };
            match changed.map_err(DbError::from) {
                Ok(()) => Ok(conn.affected_rows() == 1),
                // The other one has it.
                Err(DbError::Conflict(_)) => Ok(false),
                Err(error) => Err(error),
            }
        })
        .await
    }

    async fn stored_lease(
        &self,
        conn: &mut Conn,
        name: &str,
    ) -> Result<(Option<Lease>, NaiveDateTime), DbError> {
        let sql = self.sql(
            "/* lease */ SELECT UTC_TIMESTAMP(6), l.holder, l.until FROM (SELECT 1) one LEFT JOIN {p}sidecar_leases l ON l.name = ?",
        );
        let row: Option<(NaiveDateTime, Option<String>, Option<NaiveDateTime>)> =
            conn.exec_first(sql.as_ref(), (name,)).await?;
        let (now, holder, until) =
            row.ok_or_else(|| DbError::Refused("no row for a lease".to_owned()))?;
        let stored = holder
            .zip(until)
            .map(|(holder, until)| Lease { holder, until });
        Ok((stored, now))
    }

    /// Whether `who` has all of the leases `names` now.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn holds_leases(&self, names: &[&str], who: &str) -> Result<bool, DbError> {
        self.timed("holds_leases", async {
            let text = format!(
                "/* holds_leases */ SELECT COUNT(*) FROM {{p}}sidecar_leases WHERE holder = ? AND until > UTC_TIMESTAMP(6) AND name IN ({})",
                marks(names.len())
            );
            let mut values = vec![Value::from(who)];
            values.extend(super::bulk::pad(names).map(Value::from));
            let held: Option<usize> = self
                .conn()
                .await?
                .exec_first(self.names.replace(&text), Params::Positional(values))
                .await?;
            Ok(held == Some(names.len()))
        })
        .await
    }

    /// Gives back the lease `name`, or all that `who` has.
    ///
    /// # Errors
    ///
    /// When the database fails; they then run out.
    pub async fn release_leases(&self, name: Option<&str>, who: &str) -> Result<(), DbError> {
        self.timed("release_leases", async {
            let sql = self.sql(
                "/* release_leases */ UPDATE {p}sidecar_leases SET holder = '', until = UTC_TIMESTAMP(6) WHERE holder = ? AND name = COALESCE(?, name)",
            );
            Ok(self.conn().await?.exec_drop(sql.as_ref(), (who, name)).await?)
        })
        .await
    }

    /// Who has the lease `name` now.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn lease_holder(&self, name: &str) -> Result<Option<Holder>, DbError> {
        self.timed("lease_holder", async {
            let sql = self.sql(
                "/* lease_holder */ SELECT host, TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(6), until) FROM {p}sidecar_leases \
                 WHERE name = ? AND holder <> '' AND until > UTC_TIMESTAMP(6)",
            );
            let row: Option<(String, i64)> = self.conn().await?.exec_first(sql.as_ref(), (name,)).await?;
            Ok(row.map(|(host, left)| Holder { host, left }))
        })
        .await
    }
}
