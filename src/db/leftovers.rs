//! The sidecar's rows about tasks and jobs that are gone: PHP deletes its own and knows nothing of them.

use mysql_async::Transaction;
use mysql_async::prelude::Queryable;

use super::{Db, DbError, OnLock};

/// Most rows of a table that one transaction deletes.
pub const FORGOTTEN_AT_ONCE: u32 = 1000;

/// The tables that cleaning keeps free of such rows, their keys, and what these stand for.
const FORGOTTEN: [(&str, &str, &str); 5] = [
    ("{p}sidecar_occurrences", "{f}tasks_id", "{p}tasks"),
    ("{p}sidecar_agent_occurrences", "{f}tasks_id", "{p}tasks"),
    ("{p}sidecar_agent_occurrences", "{f}agents_id", "{p}agents"),
    ("{p}sidecar_tasks", "{f}tasks_id", "{p}tasks"),
    ("{p}sidecar_sequence", "{f}taskjobs_id", "{p}taskjobs"),
];

/// Rows that somebody wrote about tasks or jobs that are gone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leftovers {
    /// Tasks with a row in `sidecar_tasks`.
    pub tasks: Vec<u32>,
    /// Jobs with a row in `sidecar_sequence`.
    pub places: Vec<u32>,
    /// Jobs with a row in `sidecar_jobs`.
    pub jobs: Vec<u32>,
}

impl Db {
    /// The rows about tasks and jobs that are gone.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn leftovers(&self) -> Result<Leftovers, DbError> {
        self.timed("leftovers", async {
            let mut conn = self.conn().await?;
            let mut ids = async |table: &str, key: &str, owner: &str| -> Result<Vec<u32>, DbError> {
                let text = format!(
                    "/* leftovers */ SELECT s.{key} FROM {table} s LEFT JOIN {owner} o ON o.id = s.{key} WHERE o.id IS NULL ORDER BY 1"
                );
                Ok(conn.query(self.names.replace(&text)).await?)
            };
            Ok(Leftovers {
                tasks: ids("{p}sidecar_tasks", "{f}tasks_id", "{p}tasks").await?,
                places: ids("{p}sidecar_sequence", "{f}taskjobs_id", "{p}taskjobs").await?,
                jobs: ids("{p}sidecar_jobs", "{f}taskjobs_id", "{p}taskjobs").await?,
            })
        })
        .await
    }

    /// Deletes some of the sidecar's rows about tasks and jobs that are gone; whether there may be more.
    ///
    /// # Errors
    ///
    /// When the database fails; then none was deleted.
    pub async fn forget_sequences(&self) -> Result<bool, DbError> {
        self.tx("forget_sequences", OnLock::TryAgain, (), |db, (), tx| {
            Box::pin(forget(db, tx))
        })
        .await
    }
}

async fn forget(db: &Db, tx: &mut Transaction<'static>) -> Result<bool, DbError> {
    let mut may_be_more = false;
    for (table, key, owner) in FORGOTTEN {
        let text = format!(
            "/* forget_sequences */ DELETE FROM {table} WHERE NOT EXISTS (SELECT 1 FROM {owner} o WHERE o.id = {table}.{key}) \
             ORDER BY {key} LIMIT ?"
        );
        tx.exec_drop(db.names.replace(&text), (FORGOTTEN_AT_ONCE,))
            .await?;
        may_be_more |= tx.affected_rows() >= u64::from(FORGOTTEN_AT_ONCE);
    }
    Ok(may_be_more)
}
