//! What the database counted.

use chrono::NaiveDateTime;

use super::{Words, words};
use crate::domain::run::RunState;

/// Runs that ended in a step of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The step, as [`Step::between`](super::ask::Step::between) writes it.
    pub step: String,
    /// They ended well; else badly.
    pub well: bool,
    /// Their checks found nothing to do.
    pub unneeded: bool,
    /// How many.
    pub runs: u64,
}

/// Runs, or devices, that failed with the same words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// The words, decoded.
    pub message: String,
    /// How many.
    pub count: u64,
    /// The last of them.
    pub last: Option<NaiveDateTime>,
}

/// A host that lacks what a task brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Its name.
    pub host: String,
    /// Class and row of what it lacks.
    pub target: (String, u32),
    /// The state of its last run.
    pub state: RunState,
    /// When its agent was last there.
    pub last_contact: Option<NaiveDateTime>,
}

/// Devices that were found in a step of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovered {
    /// The step.
    pub step: String,
    /// Class and row of where they were found.
    pub target: (String, u32),
    /// Their class.
    pub itemtype: String,
    /// New ones.
    pub new: u64,
    /// Known ones.
    pub updated: u64,
}

/// Agents by the time since their last contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aged {
    /// Its place in [`AGES`].
    pub age: usize,
    /// GLPI knows their computers.
    pub known: bool,
    /// How many.
    pub agents: u64,
}

/// An agent that has not been heard of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silent {
    /// Its name.
    pub agent: String,
    /// Its computer's name.
    pub computer: Option<String>,
    /// The complete name of its entity.
    pub entity: String,
    /// Its version.
    pub version: String,
    /// When it was last there; none if never.
    pub last_contact: Option<NaiveDateTime>,
}

/// What is stored of an order of a collect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The collect.
    pub collect: u32,
    /// Its name.
    pub name: String,
    /// What is collected: `file`, `registry` or `wmi`, as the plugin has it.
    pub kind: &'static str,
    /// Where it looks.
    pub place: String,
    /// Computers that have results.
    pub computers: u64,
    /// Results.
    pub results: u64,
}

/// Upper ends of ages, in days, and what they are called; then older ones and those that were never there.
pub const AGES: [(Option<i64>, Words); 6] = [
    (Some(1), words("up to 1 day", "jusqu’à 1 jour")),
    (Some(7), words("up to 7 days", "jusqu’à 7 jours")),
    (Some(30), words("up to 30 days", "jusqu’à 30 jours")),
    (Some(90), words("up to 90 days", "jusqu’à 90 jours")),
    (None, words("longer ago", "plus ancien")),
    (None, words("never", "jamais")),
];
