//! Jobs that cleaning, or somebody at a page, has deleted and whose runs are still to go: noted by the transaction that deletes the job, so that a pass that is killed
//! after it leaves nothing for good.

use mysql_async::Transaction;
use mysql_async::prelude::Queryable;

use crate::db::{Db, DbError};
use crate::domain::ids::JobId;

fn name(job: JobId) -> String {
    format!("gone:{job}")
}

/// Notes that the runs of `job`, which is being deleted, are to go.
pub(in crate::db) async fn note_gone(
    db: &Db,
    tx: &mut Transaction<'static>,
    job: JobId,
) -> Result<(), DbError> {
    let sql = db.sql(
        "/* note_gone */ INSERT INTO {p}sidecar_locks (name, counter) VALUES (?, 1) ON DUPLICATE KEY UPDATE counter = 1",
    );
    Ok(tx.exec_drop(sql.as_ref(), (name(job),)).await?)
}

impl Db {
    /// The jobs that were deleted here and whose runs are to go.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn gone_jobs(&self) -> Result<Vec<JobId>, DbError> {
        self.timed("gone_jobs", async {
            let sql = self.sql(
                "/* gone_jobs */ SELECT name FROM {p}sidecar_locks WHERE name LIKE 'gone:%' AND counter > 0 ORDER BY name",
            );
            let names: Vec<String> = self.conn().await?.query(sql.as_ref()).await?;
            let ids = names.iter().filter_map(|name| name.strip_prefix("gone:")?.parse().ok());
            Ok(ids.map(JobId).collect())
        })
        .await
    }

    /// Notes that the runs of `job` are gone too.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn forget_gone(&self, job: JobId) -> Result<(), DbError> {
        self.timed("forget_gone", async {
            let sql = self
                .sql("/* forget_gone */ UPDATE {p}sidecar_locks SET counter = 0 WHERE name = ?");
            Ok(self
                .conn()
                .await?
                .exec_drop(sql.as_ref(), (name(job),))
                .await?)
        })
        .await
    }
}
