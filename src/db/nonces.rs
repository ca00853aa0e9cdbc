//! Secrets that prove an address leads to a sidecar on this database.

use chrono::NaiveDateTime;
use mysql_async::prelude::Queryable;

use super::{Db, DbError};

impl Db {
    /// The secret stored under `id`.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn nonce(&self, id: &str) -> Result<Option<String>, DbError> {
        self.timed("nonce", async {
            let sql = self.sql("/* nonce */ SELECT secret FROM {p}sidecar_nonces WHERE id = ?");
            Ok(self.conn().await?.exec_first(sql.as_ref(), (id,)).await?)
        })
        .await
    }

    /// Stores `secret` under `id`.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn store_nonce(
        &self,
        id: &str,
        secret: &str,
        at: NaiveDateTime,
    ) -> Result<(), DbError> {
        self.timed("store_nonce", async {
            let sql = self.sql("/* store_nonce */ INSERT INTO {p}sidecar_nonces (id, secret, made_at) VALUES (?, ?, ?)");
            Ok(self.conn().await?.exec_drop(sql.as_ref(), (id, secret, at)).await?)
        })
        .await
    }

    /// Removes what is stored under `id`, and what an interrupted check left behind before `stale`.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn remove_nonce(&self, id: &str, stale: NaiveDateTime) -> Result<(), DbError> {
        self.timed("remove_nonce", async {
            let sql = self.sql(
                "/* remove_nonce */ DELETE FROM {p}sidecar_nonces WHERE id = ? OR made_at < ?",
            );
            Ok(self
                .conn()
                .await?
                .exec_drop(sql.as_ref(), (id, stale))
                .await?)
        })
        .await
    }
}
