//! Preparing one task, as somebody asked for it.

use super::{Mode, Pass, Preparation};
use crate::db::DbError;
use crate::domain::ids::TaskId;

impl Preparation {
    /// One pass over the jobs of `task` alone, by the rules of every pass. It does not count as the last one.
    ///
    /// # Errors
    ///
    /// When the database is not there.
    pub async fn pass_of(&self, task: TaskId) -> Result<Pass, DbError> {
        Box::pin(self.over_jobs(Mode::Write, self.policy, Some(task))).await
    }

    /// What that would do now. Nothing is written.
    ///
    /// # Errors
    ///
    /// When the database is not there.
    pub async fn outlook_of(&self, task: TaskId) -> Result<Pass, DbError> {
        let mut pass = Box::pin(self.over_jobs(Mode::Look, self.policy, Some(task))).await?;
        pass.closed = self.db.site().await?.open().err();
        Ok(pass)
    }
}
