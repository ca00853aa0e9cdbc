//! The fields of a task or job as short texts.

use std::collections::BTreeMap;

use super::list::{self, Item};
use super::{Change, digest};
use crate::domain::ids::JobId;

/// Most characters of a text; GLPI's history cuts there too.
const MOST_TEXT: usize = 255;

/// Of what kind a field is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The task or a job as a whole.
    Whole,
    /// A text.
    Text,
    /// `1` or nothing.
    Flag,
    /// A number; nothing is 0.
    Number,
    /// A timeslot's id; nothing is none.
    Slot,
    /// An entity's id; nothing is the root.
    Entity,
    /// Unix time.
    Moment,
    /// A list of things: of a change, those that are gone and those that were added.
    Things,
    /// The same of times of a week.
    Times,
}

macro_rules! fields {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $kind:ident;)+) => {
        /// What can change.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Field {$(
            $(#[$doc])*
            $name,
        )+}

        impl Field {
            /// All.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// Its word in the tables, 16 characters at the most.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self {$(Self::$name => $word,)+}
            }

            /// Of what kind it is.
            #[must_use]
            pub const fn kind(self) -> Kind {
                match self {$(Self::$name => Kind::$kind,)+}
            }
        }
    };
}

fields! {
    /// The task appeared.
    Created = "created", Whole;
    /// The task went.
    Deleted = "deleted", Whole;
    /// `name`, of tasks and jobs.
    Name = "name", Text;
    /// `comment`, of tasks and jobs.
    Comment = "comment", Text;
    /// `entities_id`.
    Entity = "entity", Entity;
    /// `is_active`.
    Active = "active", Flag;
    /// `datetime_start`.
    Start = "start", Moment;
    /// `datetime_end`.
    End = "end", Moment;
    /// The preparation timeslot.
    PrepSlot = "prep_slot", Slot;
    /// What that opens.
    PrepTimes = "prep_times", Times;
    /// The execution timeslot.
    ExecSlot = "exec_slot", Slot;
    /// What that opens.
    ExecTimes = "exec_times", Times;
    /// `wakeup_agent_counter`.
    WakeupAgents = "wakeup_agents", Number;
    /// `wakeup_agent_time`, minutes.
    WakeupEvery = "wakeup_every", Number;
    /// `reprepare_if_successful`.
    Again = "again", Flag;
    /// `is_deploy_on_demand`.
    OnDemand = "on_demand", Flag;
    /// A job appeared.
    JobAdded = "job_added", Whole;
    /// A job went.
    JobRemoved = "job_removed", Whole;
    /// `method`, of jobs.
    Method = "method", Text;
    /// `targets`, of jobs.
    Targets = "targets", Things;
    /// `actors`, of jobs.
    Actors = "actors", Things;
    /// So many changes more than are named.
    More = "more", Number;
}

/// Timeslots, and the times that they open.
pub(super) const SLOTS: [(Field, Field); 2] = [
    (Field::PrepSlot, Field::PrepTimes),
    (Field::ExecSlot, Field::ExecTimes),
];

impl Field {
    /// The field of that word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|field| field.word() == word)
    }
}

/// Fields and their values; one without a value is as one that is empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Values(BTreeMap<Field, String>);

impl Values {
    /// Its value.
    #[must_use]
    pub fn get(&self, field: Field) -> &str {
        self.0.get(&field).map_or("", String::as_str)
    }

    pub(super) fn set(&mut self, field: Field, value: String) {
        if value.is_empty() {
            self.0.remove(&field);
        } else {
            self.0.insert(field, value);
        }
    }

    fn with(mut self, field: Field, value: String) -> Self {
        self.set(field, value);
        self
    }

    /// With a text, which is cut where it is long.
    #[must_use]
    pub fn text(self, field: Field, text: &str) -> Self {
        let value = match text.char_indices().nth(MOST_TEXT) {
            None => text.to_owned(),
            Some((end, _)) => format!("{}… #{}", &text[..end], &digest(text)[..8]),
        };
        self.with(field, value)
    }

    /// With a number or id.
    #[must_use]
    pub fn number(self, field: Field, number: u32) -> Self {
        self.with(
            field,
            if number == 0 {
                String::new()
            } else {
                number.to_string()
            },
        )
    }

    /// With a flag.
    #[must_use]
    pub fn flag(self, field: Field, is_set: bool) -> Self {
        self.number(field, is_set.into())
    }

    /// With a moment in Unix time.
    #[must_use]
    pub fn moment(self, field: Field, at: Option<i64>) -> Self {
        self.with(field, at.map(|at| at.to_string()).unwrap_or_default())
    }

    /// With a list, which is cut where it is long.
    #[must_use]
    pub fn list(self, field: Field, items: &[Item]) -> Self {
        self.with(field, list::pack(items))
    }

    pub(super) fn words(&self) -> BTreeMap<&'static str, &str> {
        let values = self.0.iter();
        values
            .map(|(field, value)| (field.word(), value.as_str()))
            .collect()
    }

    pub(super) fn from_words(words: BTreeMap<String, String>) -> Option<Self> {
        let words = words.into_iter();
        let values = words.map(|(word, value)| Some((Field::from_word(&word)?, value)));
        values.collect::<Option<_>>().map(Self)
    }

    /// What makes `after` of it, as changes of `job`. The times of another timeslot are not compared: that it is another one says it.
    pub(super) fn changes(&self, after: &Self, job: Option<&(JobId, String)>) -> Vec<Change> {
        let is_of_another = |field: Field| {
            let of = SLOTS.iter().find(|(_, times)| *times == field);
            of.is_some_and(|(slot, _)| self.get(*slot) != after.get(*slot))
        };
        let differs = |field: &Field| self.get(*field) != after.get(*field);
        let fields = Field::ALL.iter().copied().filter(differs);
        fields
            .filter(|field| !is_of_another(*field))
            .map(|field| {
                let (old, new) = (self.get(field), after.get(field));
                let (old, new) = match field.kind() {
                    Kind::Things | Kind::Times => list::difference(old, new),
                    _ => (old.to_owned(), new.to_owned()),
                };
                Change {
                    field,
                    job: job.cloned(),
                    old,
                    new,
                }
            })
            .collect()
    }
}
