//! All tasks at once.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::TaskSummary;

/// Every task's line: what the monitoring page, `/api/v1/tasks` and `fusion-sidecar tasks --json` show.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Board {
    /// What was written before this moment is in it; none before the first count has ended.
    pub counted_at: Option<DateTime<Utc>>,
    /// Tasks that have not been counted yet and are missing.
    pub pending: usize,
    /// The lines, the newest task first.
    pub tasks: Vec<TaskSummary>,
}

impl Board {
    /// Seconds from [`Board::counted_at`] to `now`.
    #[must_use]
    pub fn age(&self, now: DateTime<Utc>) -> Option<u64> {
        let age = now.signed_duration_since(self.counted_at?).num_seconds();
        Some(u64::try_from(age).unwrap_or_default())
    }
}
