//! What somebody changed in GLPI: the plugin writes no history of tasks, so that two snapshots of a task are compared.
//!
//! A snapshot holds what the plugin's tables say of a task, its jobs and its timeslots, each field as a short text. Long texts and lists are cut
//! with a digest of the whole, so that it stays small and no change is missed.

mod list;
#[cfg(test)]
mod tests;
mod values;

use std::collections::BTreeMap;

use chrono::NaiveDateTime;
use sha2::{Digest as _, Sha256};

pub use self::list::{Item, items};
pub use self::values::{Field, Kind, Values};
use super::ids::JobId;

/// The shape of a packed snapshot: one of another shape is compared with none.
const FORMAT: u32 = 1;

/// Most changes of a task that one comparison names.
pub const MOST_CHANGES: usize = 100;

/// A task as GLPI has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// Its own fields, and the times of its timeslots.
    pub values: Values,
    /// The fields of its jobs.
    pub jobs: BTreeMap<JobId, Values>,
}

/// A snapshot as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// JSON.
    pub text: String,
    /// Tells it from any other: 32 hexadecimal digits.
    pub digest: String,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Of what.
    pub field: Field,
    /// Of which job, and what that is called; none: of the task.
    pub job: Option<(JobId, String)>,
    /// What it was. Of a list, what is gone.
    pub old: String,
    /// What it is. Of a list, what was added.
    pub new: String,
}

/// JSON: format, fields, fields by job.
type Written = (
    u32,
    BTreeMap<String, String>,
    BTreeMap<u32, BTreeMap<String, String>>,
);

/// The first 32 hexadecimal digits of SHA-256.
fn digest(text: &str) -> String {
    let mut hex = format!("{:x}", Sha256::digest(text));
    hex.truncate(32);
    hex
}

impl State {
    /// For storage.
    #[must_use]
    pub fn pack(&self) -> Packed {
        let jobs = self.jobs.iter();
        let jobs: BTreeMap<u32, _> = jobs.map(|(job, of)| (job.0, of.words())).collect();
        let text = serde_json::to_string(&(FORMAT, self.values.words(), jobs)).unwrap_or_default();
        let digest = digest(&text);
        Packed { text, digest }
    }

    /// What [`State::pack`] made; none if another version of this program made it differently.
    #[must_use]
    pub fn unpack(text: &str) -> Option<Self> {
        let (format, values, jobs): Written = serde_json::from_str(text).ok()?;
        if format != FORMAT {
            return None;
        }
        let jobs = jobs.into_iter();
        let jobs = jobs.map(|(job, of)| Some((JobId(job), Values::from_words(of)?)));
        Some(Self {
            values: Values::from_words(values)?,
            jobs: jobs.collect::<Option<_>>()?,
        })
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        self.values.get(Field::Name)
    }

    /// What makes `after` of it, at most [`MOST_CHANGES`].
    #[must_use]
    pub fn changes(&self, after: &Self) -> Vec<Change> {
        let mut changes = self.values.changes(&after.values, None);
        let mut jobs: Vec<JobId> = self.jobs.keys().chain(after.jobs.keys()).copied().collect();
        jobs.sort_unstable();
        jobs.dedup();
        for job in jobs {
            let named = |of: &Values| Some((job, of.get(Field::Name).to_owned()));
            let whole = |field, of: &Values| Change {
                field,
                job: named(of),
                old: String::new(),
                new: String::new(),
            };
            match (self.jobs.get(&job), after.jobs.get(&job)) {
                (Some(old), Some(new)) => changes.extend(old.changes(new, named(new).as_ref())),
                (Some(old), None) => changes.push(whole(Field::JobRemoved, old)),
                (None, Some(new)) => changes.push(whole(Field::JobAdded, new)),
                (None, None) => {}
            }
        }
        if changes.len() > MOST_CHANGES {
            let more = changes.split_off(MOST_CHANGES - 1).len();
            changes.push(Change {
                field: Field::More,
                job: None,
                old: String::new(),
                new: more.to_string(),
            });
        }
        changes
    }

    /// It with what an edit of the task's row and of `jobs`, which nobody else could change meanwhile, made of them in `after`. Whatever else
    /// differs there somebody else did, and is left to be found.
    #[must_use]
    pub fn edited(&self, after: &Self, jobs: &[JobId]) -> Self {
        let mut edited = Self {
            values: after.values.clone(),
            jobs: self.jobs.clone(),
        };
        for (slot, times) in values::SLOTS {
            if self.values.get(slot) == after.values.get(slot) {
                edited.values.set(times, self.values.get(times).to_owned());
            }
        }
        for job in jobs {
            match after.jobs.get(job) {
                Some(of) => edited.jobs.insert(*job, of.clone()),
                None => edited.jobs.remove(job),
            };
        }
        edited
    }
}

impl Change {
    /// The whole task appeared or went.
    #[must_use]
    pub fn whole(field: Field, name: &str) -> Self {
        Self {
            field,
            job: None,
            old: String::new(),
            new: name.to_owned(),
        }
    }
}

/// Two lists of moments, each with the newest first, as one: whether the next comes from the second, at most `most` of them. What has no
/// moment comes as soon as it is its list's turn.
#[must_use]
pub fn interleaved(
    first: &[Option<NaiveDateTime>],
    second: &[Option<NaiveDateTime>],
    most: usize,
) -> Vec<bool> {
    let mut a = first.iter().copied().peekable();
    let mut b = second.iter().copied().peekable();
    let mut order = Vec::new();
    while order.len() < most {
        let is_second = match (a.peek(), b.peek()) {
            (None, None) => break,
            (Some(_), None) | (Some(None), Some(_)) => false,
            (None, Some(_)) => true,
            // What was found was done before.
            (Some(Some(a)), Some(b)) => b.is_none_or(|b| b > *a),
        };
        if is_second {
            b.next();
        } else {
            a.next();
        }
        order.push(is_second);
    }
    order
}
