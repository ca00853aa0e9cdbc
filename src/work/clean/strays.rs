//! What is left of what is gone.

use super::{Cleaning, Summary};
use crate::db::cleaning::{Lot, Window};
use crate::db::leftovers::Kept;
use crate::domain::ids::JobId;
use crate::work::doors::{Halt, look};

impl Cleaning {
    /// What PHP, which deletes a run first and its lines after, or not at all, has left, and the sidecar's own rows about what is gone.
    pub(super) async fn strays(&self, summary: &mut Summary) -> Result<(), Halt> {
        let mut next = Some(0);
        while let Some(from) = next {
            let window = self.db.runs_of_stray_lines(from, self.batch).await?;
            next = window.next;
            self.delete(&window.seen, Lot::Remains, summary).await?;
        }
        let mut next = Some(0);
        while let Some(from) = next {
            let window = self.db.runs_of_stray_rows(from, self.batch).await?;
            next = window.next;
            self.delete(&window.seen, Lot::Remains, summary).await?;
        }
        for kept in Kept::ALL {
            self.orphans(kept, summary).await?;
        }
        Ok(())
    }

    /// The runs of a job that was deleted here. What fails is left to the next pass.
    pub(super) async fn rest_of(&self, job: JobId, summary: &mut Summary) -> Result<(), Halt> {
        let failed = summary.failed;
        self.runs_of(job, None, Lot::Ended, summary).await?;
        if summary.failed == failed {
            let forgotten = self.db.forget_gone(job).await;
            self.unless_failed(forgotten, (), 1, summary).await?;
        }
        Ok(())
    }

    /// Rows of a table about what is gone. A window that cannot be read ends the table, and no more.
    async fn orphans(&self, kept: Kept, summary: &mut Summary) -> Result<(), Halt> {
        let mut next = Some(0);
        while let Some(from) = next {
            let window = self.db.orphans(kept, from, self.batch).await;
            let none = Window {
                seen: Vec::new(),
                next: None,
            };
            let window = self.unless_failed(window, none, 1, summary).await?;
            next = window.next;
            if !window.seen.is_empty() {
                look(&self.db).await?;
                let deleted = self.db.delete_orphans(kept, &window.seen).await;
                self.unless_failed(deleted, 0, window.seen.len(), summary)
                    .await?;
            }
        }
        Ok(())
    }
}
