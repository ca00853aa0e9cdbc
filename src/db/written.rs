//! Which jobs this process wrote runs of, for whoever counts them.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use crate::domain::ids::JobId;

/// Jobs whose runs this process has written since somebody last looked; there are no more of them than jobs.
#[derive(Debug, Default)]
pub struct Written {
    jobs: Mutex<BTreeSet<JobId>>,
    notify: Notify,
}

impl Written {
    /// After a commit: runs of `jobs` are not what they were.
    pub fn note(&self, jobs: impl IntoIterator<Item = JobId>) {
        let mut noted = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let before = noted.len();
        noted.extend(jobs);
        if noted.len() > before {
            self.notify.notify_one();
        }
    }

    /// The jobs noted since the last call.
    #[must_use]
    pub fn take(&self) -> BTreeSet<JobId> {
        std::mem::take(&mut *self.jobs.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns when there may be some; at once if there were before it was called.
    pub async fn some(&self) {
        self.notify.notified().await;
    }
}
