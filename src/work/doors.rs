//! Background work rests while GLPI is closed, by the rule by which agents are put off.

use std::sync::{Mutex, PoisonError};

use crate::db::{Db, DbError};
use crate::domain::site::Closed;
use crate::work::turn;

/// Why a pass ends before its work is done.
#[derive(Debug)]
pub(super) enum Halt {
    /// GLPI was closed.
    Closed(Closed),
    /// The database.
    Db(DbError),
}

impl From<DbError> for Halt {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

/// Looks before a piece of work is written: GLPI is open, and the turn was not lost.
pub(super) async fn look(db: &Db) -> Result<(), Halt> {
    db.site().await?.open().map_err(Halt::Closed)?;
    Ok(turn::holds(db).await?)
}

/// What the background work of a process has seen of GLPI, so that the log has a line for each change and no more.
#[derive(Debug, Default)]
pub(super) struct Doors(Mutex<Option<Closed>>);

impl Doors {
    /// Whether GLPI is open now.
    pub(super) async fn are_open(&self, db: &Db) -> Result<bool, DbError> {
        let closed = db.site().await?.open().err();
        self.seen(closed);
        Ok(closed.is_none())
    }

    /// Takes note of how GLPI was found.
    pub(super) fn seen(&self, closed: Option<Closed>) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *last == closed {
            return;
        }
        *last = closed;
        if let Some(closed) = closed {
            tracing::warn!(reason = %closed, code = closed.code(), "the periodic work rests");
        } else {
            tracing::info!("the periodic work goes on");
        }
    }
}
