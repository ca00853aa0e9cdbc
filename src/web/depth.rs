//! How full the spool of this sidecar is, asked of whoever holds it.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};

/// What is in a spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Depth {
    /// Messages that wait for GLPI.
    pub waiting: u64,
    /// Messages that are parked.
    pub parked: u64,
    /// When the oldest waiting one was received.
    pub oldest: Option<DateTime<Utc>>,
}

type Ask = dyn Fn() -> Depth + Send + Sync;

/// Who knows it; nobody where there is no spool.
#[derive(Clone, Default)]
pub struct SpoolDepth(Option<Arc<Ask>>);

impl SpoolDepth {
    /// What `ask` says each time.
    pub fn of(ask: impl Fn() -> Depth + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(ask)))
    }

    /// How full it is now; none without a spool.
    #[must_use]
    pub fn now(&self) -> Option<Depth> {
        self.0.as_ref().map(|ask| ask())
    }
}

impl fmt::Debug for SpoolDepth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SpoolDepth").field(&self.now()).finish()
    }
}
