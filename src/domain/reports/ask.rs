//! What a report is asked for.

use chrono::{Datelike as _, Days, NaiveDate, NaiveDateTime, NaiveTime};

use super::{Name, Tongue};
use crate::domain::access::Access;
use crate::domain::entities::Entities;
use crate::domain::ids::{EntityId, TaskId};

/// Most rows of a table in a file: a spreadsheet opens as many without trouble, and the whole report is in memory while it is written.
pub const MOST_ROWS: usize = 10_000;

/// Most rows of a table on a page, which people read; files have more.
pub const MOST_SHOWN: usize = 200;

/// Days of the period if none is named.
const USUAL: u64 = 30;

/// Days of silence if none are named.
const SILENCE: u32 = 30;

/// Longest period and silence, days: ten years. Beyond, the bars of a picture would have no width.
const LONGEST: u32 = 3660;

/// Everything that a report can be asked with; each takes some of it.
pub const FIELDS: [&str; 5] = ["from", "to", "entity", "task", "days"];

/// As it was given, by names of fields; nothing and an empty text are the same, as forms send all their fields.
#[derive(Debug, Clone, Copy, Default)]
pub struct Given<'a> {
    /// First day.
    pub from: Option<&'a str>,
    /// Last day.
    pub to: Option<&'a str>,
    /// Number or name of an entity.
    pub entity: Option<&'a str>,
    /// Number of a task.
    pub task: Option<&'a str>,
    /// Days of silence.
    pub days: Option<&'a str>,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// Which report.
    pub name: Name,
    /// First day.
    pub from: NaiveDate,
    /// Last day.
    pub to: NaiveDate,
    /// Days of silence.
    pub days: u32,
    /// Number or name of an entity, with those below it.
    pub entity: Option<String>,
    /// One task.
    pub task: Option<TaskId>,
    /// Most rows of a table.
    pub rows: usize,
}

/// What is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// No day.
    Day(&'static str, String),
    /// The last day comes before the first.
    Order,
    /// A period that is too long.
    Long,
    /// No number of days.
    Silence(String),
    /// No such task, or none that may be seen.
    Task(String),
    /// No such entity, or none that may be seen.
    Entity(String),
    /// Several entities have this name.
    Entities(String),
    /// The report has no such field.
    Field(Name, &'static str),
    /// The report has no such table; those that it has.
    Table(String, Vec<&'static str>),
}

impl Wrong {
    /// For people.
    #[must_use]
    pub fn text(&self, tongue: Tongue) -> String {
        let french = tongue == Tongue::French;
        match self {
            Self::Day(field, text) if french => {
                format!(
                    "{field} : « {text} » n’est pas une date de la forme 2026-03-31, de 1970 à 2037"
                )
            }
            Self::Day(field, text) => {
                format!("{field}: '{text}' is no date such as 2026-03-31, from 1970 to 2037")
            }
            Self::Order if french => "la période se termine avant de commencer".to_owned(),
            Self::Order => "the period ends before it begins".to_owned(),
            Self::Long if french => format!("la période dépasse {LONGEST} jours"),
            Self::Long => format!("the period is longer than {LONGEST} days"),
            Self::Silence(text) if french => {
                format!("days : « {text} » n’est pas un nombre de 1 à {LONGEST}")
            }
            Self::Silence(text) => format!("days: '{text}' is no number from 1 to {LONGEST}"),
            Self::Task(text) if french => {
                format!("task : aucune tâche visible de ce rapport n’a le numéro « {text} »")
            }
            Self::Task(text) => {
                format!("task: no task of this report that may be seen has the number '{text}'")
            }
            Self::Entity(text) if french => {
                format!("entity : aucune entité visible n’a le numéro ou le nom « {text} »")
            }
            Self::Entity(text) => {
                format!("entity: no entity that may be seen has the number or name '{text}'")
            }
            Self::Entities(text) if french => {
                format!(
                    "entity : plusieurs entités s’appellent « {text} » ; indiquez le numéro ou le nom complet"
                )
            }
            Self::Entities(text) => {
                format!(
                    "entity: several entities are called '{text}'; give the number or the complete name"
                )
            }
            Self::Field(name, field) if french => {
                format!("le rapport {} n’a pas de {field}", name.word())
            }
            Self::Field(name, field) => format!("the report {} has no {field}", name.word()),
            Self::Table(text, tables) if french => {
                format!(
                    "ce rapport n’a pas de tableau « {text} », mais {}",
                    tables.join(", ")
                )
            }
            Self::Table(text, tables) => {
                format!(
                    "this report has no table '{text}', but {}",
                    tables.join(", ")
                )
            }
        }
    }
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text(Tongue::English))
    }
}

impl std::error::Error for Wrong {}

fn given(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}

fn day(field: &'static str, text: &str) -> Result<NaiveDate, Wrong> {
    // Columns of dates are timestamps, which end in 2038.
    let day = text
        .parse::<NaiveDate>()
        .ok()
        .filter(|day| text.len() == 10 && (1970..=2037).contains(&day.year()));
    day.ok_or_else(|| Wrong::Day(field, text.to_owned()))
}

impl Ask {
    /// Reads what was given; the last 30 days up to `today` without a period.
    ///
    /// # Errors
    ///
    /// The first field that cannot be taken.
    pub fn read(
        name: Name,
        fields: &Given<'_>,
        today: NaiveDate,
        rows: usize,
    ) -> Result<Self, Wrong> {
        let values = [
            fields.from,
            fields.to,
            fields.entity,
            fields.task,
            fields.days,
        ]
        .map(given);
        for (field, value) in FIELDS.into_iter().zip(values) {
            if value.is_some() && !name.takes(field) {
                return Err(Wrong::Field(name, field));
            }
        }
        let [from, to, entity, task, days] = values;
        let from = from.map(|text| day("from", text)).transpose()?;
        let to = to.map(|text| day("to", text)).transpose()?;
        let back = Days::new(USUAL - 1);
        let (from, to) = match (from, to) {
            (Some(from), Some(to)) => (from, to),
            (Some(from), None) => (from, today.max(from)),
            (None, to) => {
                let to = to.unwrap_or(today);
                (to.checked_sub_days(back).unwrap_or(to), to)
            }
        };
        if from > to {
            return Err(Wrong::Order);
        }
        if (to - from).num_days() >= i64::from(LONGEST) {
            return Err(Wrong::Long);
        }
        let days = match days {
            None => SILENCE,
            Some(text) => {
                let days = text.parse().ok();
                days.filter(|days| (1..=LONGEST).contains(days))
                    .ok_or_else(|| Wrong::Silence(text.to_owned()))?
            }
        };
        let task = task.map(|text| {
            let task = text.parse().map(TaskId);
            task.map_err(|_| Wrong::Task(text.to_owned()))
        });
        Ok(Self {
            name,
            from,
            to,
            days,
            entity: entity.map(str::to_owned),
            task: task.transpose()?,
            rows,
        })
    }

    /// The period as moments of local time: from the first on, before the second.
    #[must_use]
    pub fn moments(&self) -> (NaiveDateTime, NaiveDateTime) {
        let after = self.to.succ_opt().unwrap_or(NaiveDate::MAX);
        (
            self.from.and_time(NaiveTime::MIN),
            after.and_time(NaiveTime::MIN),
        )
    }

    /// How finely time is cut.
    #[must_use]
    pub fn step(&self) -> Step {
        match (self.to - self.from).num_days() {
            ..3 => Step::Hour,
            3..100 => Step::Day,
            _ => Step::Month,
        }
    }
}

/// How finely time is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Hours.
    Hour,
    /// Days.
    Day,
    /// Months.
    Month,
}

impl Step {
    /// How many characters of a written moment, `2026-03-04 11:00:00`, name one.
    #[must_use]
    pub const fn characters(self) -> u8 {
        match self {
            Self::Hour => 13,
            Self::Day => 10,
            Self::Month => 7,
        }
    }

    /// All from a moment up to before another one, as they are written.
    #[must_use]
    pub fn between(self, from: NaiveDateTime, until: NaiveDateTime) -> Vec<String> {
        let mut steps: Vec<String> = Vec::new();
        let mut at = from;
        while at < until {
            let written = at.format("%Y-%m-%d %H:%M:%S").to_string();
            let name = &written[..usize::from(self.characters())];
            if steps.last().is_none_or(|last| last != name) {
                steps.push(name.to_owned());
            }
            at += match self {
                Self::Hour => chrono::TimeDelta::hours(1),
                Self::Day | Self::Month => chrono::TimeDelta::days(1),
            };
        }
        steps
    }
}

/// The entity that `text` names, by number, complete name or a name that no other has, among those that may be seen. `names` are number, name
/// and complete name.
///
/// # Errors
///
/// When there is none, or more than one.
pub fn entity(
    text: &str,
    names: &[(EntityId, String, String)],
    sees: impl Fn(EntityId) -> bool,
) -> Result<EntityId, Wrong> {
    let visible = || names.iter().filter(|(id, ..)| sees(*id));
    let wrong = || Wrong::Entity(text.to_owned());
    if let Ok(id) = text.parse().map(EntityId) {
        return visible()
            .any(|row| row.0 == id)
            .then_some(id)
            .ok_or_else(wrong);
    }
    if let Some(found) = visible().find(|row| row.2 == text) {
        return Ok(found.0);
    }
    let found: Vec<EntityId> = visible()
        .filter(|row| row.1 == text)
        .map(|row| row.0)
        .collect();
    match found[..] {
        [] => Err(wrong()),
        [id] => Ok(id),
        [..] => Err(Wrong::Entities(text.to_owned())),
    }
}

/// The entities that a report is of: those seen by `access`, within `chosen` if one is; none if that is all there are.
#[must_use]
pub fn scope(tree: &Entities, access: &Access, chosen: Option<EntityId>) -> Option<Vec<EntityId>> {
    let all = tree.ids();
    let inside = |id: &EntityId| {
        access.sees(*id, tree) && chosen.is_none_or(|above| tree.is_within(*id, above))
    };
    let within: Vec<EntityId> = all.iter().copied().filter(inside).collect();
    (within.len() < all.len()).then_some(within)
}
