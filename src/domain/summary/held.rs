//! What holds a task or a job back.

use std::fmt;

use chrono::NaiveDateTime;

use super::Why;
use crate::domain::opening::Reason;
use crate::domain::site::Closed;

/// What holds a task or a job back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// GLPI is closed.
    Closed(Closed),
    /// Nothing is prepared.
    Unprepared(Reason),
    /// The execution slot is closed until then, or for good.
    SlotClosed(Option<NaiveDateTime>),
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(closed) => closed.fmt(f),
            Self::Unprepared(reason) => reason.fmt(f),
            Self::SlotClosed(Some(until)) => {
                write!(f, "the execution slot is closed until {until}")
            }
            Self::SlotClosed(None) => f.write_str("the execution slot never opens"),
        }
    }
}

impl From<Held> for Why {
    fn from(held: Held) -> Self {
        let (until, passes) = match &held {
            Held::Closed(_) => (None, true),
            Held::Unprepared(reason) => (reason.until(), reason.passes()),
            Held::SlotClosed(until) => (*until, until.is_some()),
        };
        Self {
            reason: held.to_string(),
            until,
            passes,
            held,
        }
    }
}
