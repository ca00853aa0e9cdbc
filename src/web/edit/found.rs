//! What was found to be changed in GLPI, in words.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDateTime};
use chrono_tz::Tz;

use crate::db::Db;
use crate::db::DbError;
use crate::db::history::changes::Found;
use crate::domain::actors::Target;
use crate::domain::changes::{Change, Field, Item, Kind, items};
use crate::domain::ids::{EntityId, TimeslotId};
use crate::domain::timeslot::Entry;
use crate::proto::week;
use crate::web::language::Language;
use crate::web::moments::moment;
use crate::web::texts::changes::{self, Texts};
use crate::web::texts::{fill, fill_texts};

/// What numbers are called.
#[derive(Debug, Default)]
pub(super) struct Names {
    slots: HashMap<TimeslotId, String>,
    entities: HashMap<EntityId, String>,
    things: HashMap<Target, String>,
}

/// The numbers of a kind among the values of `changes`.
fn numbers(changes: &[Found], kind: Kind) -> Vec<u32> {
    let of_kind = changes.iter().map(|found| &found.change);
    let of_kind = of_kind.filter(|change| change.field.kind() == kind);
    let mut numbers: Vec<u32> = of_kind
        .flat_map(|change| [&change.old, &change.new])
        .map(|value| value.parse().unwrap_or_default())
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// What is named in a list.
fn things(change: &Change) -> Vec<Target> {
    if change.field.kind() != Kind::Things {
        return vec![];
    }
    let all = [&change.old, &change.new].map(|list| items(list));
    let things = all.into_iter().flatten().filter_map(|item| match item {
        Item::Thing(thing) => Some(thing),
        _ => None,
    });
    things.collect()
}

impl Names {
    /// Of what `changes` name; of the entities, those that are seen.
    pub(super) async fn of(
        db: &Db,
        changes: &[Found],
        sees: impl Fn(EntityId) -> bool,
    ) -> Result<Self, DbError> {
        let slots = numbers(changes, Kind::Slot).into_iter().map(TimeslotId);
        let entities = numbers(changes, Kind::Entity).into_iter().map(EntityId);
        let entities = entities.filter(|entity| sees(*entity));
        let (slots, entities): (Vec<_>, Vec<_>) = (slots.collect(), entities.collect());
        let things: Vec<Target> = changes.iter().flat_map(|of| things(&of.change)).collect();
        let (slots, entities) = db.names_of_changed(&slots, &entities).await?;
        Ok(Self {
            slots,
            entities,
            things: db.target_names(&things).await?,
        })
    }
}

/// When it was: between which moments.
pub(super) fn when(found: &Found, language: Language) -> String {
    let t = changes::of(language);
    let text = |at: Option<NaiveDateTime>| at.map(moment);
    let until = text(found.until).unwrap_or_else(|| t.none.to_owned());
    match text(found.since) {
        Some(since) => fill_texts(t.between, &[&since, &until]),
        None => fill(t.until, until),
    }
}

/// From what to what; moments are shown as local time of `zone`.
pub(super) fn what(change: &Change, names: &Names, zone: Tz, language: Language) -> String {
    let text = Words {
        t: changes::of(language),
        names,
        zone,
        language,
    }
    .of(change);
    match &change.job {
        Some((job, name)) => {
            let of_job = changes::of(language).of_job;
            fill_texts(of_job, &[&job.to_string(), name, &text])
        }
        None => text,
    }
}

struct Words<'a> {
    t: &'static Texts,
    names: &'a Names,
    zone: Tz,
    language: Language,
}

impl Words<'_> {
    const fn field(&self, field: Field) -> &'static str {
        let t = self.t;
        match field {
            Field::Created => t.created,
            Field::Deleted => t.deleted,
            Field::Name => t.name,
            Field::Comment => t.comment,
            Field::Entity => t.entity,
            Field::Active => t.active,
            Field::Start => t.start,
            Field::End => t.end,
            Field::PrepSlot => t.prep_slot,
            Field::PrepTimes => t.prep_times,
            Field::ExecSlot => t.exec_slot,
            Field::ExecTimes => t.exec_times,
            Field::WakeupAgents => t.wakeup_agents,
            Field::WakeupEvery => t.wakeup_every,
            Field::Again => t.again,
            Field::OnDemand => t.on_demand,
            Field::JobAdded => t.job_added,
            Field::JobRemoved => t.job_removed,
            Field::Method => t.method,
            Field::Targets => t.targets,
            Field::Actors => t.actors,
            Field::More => t.more,
        }
    }

    fn of(&self, change: &Change) -> String {
        let (t, field) = (self.t, self.field(change.field));
        match change.field.kind() {
            Kind::Whole => field.to_owned(),
            Kind::Number if change.field == Field::More => fill(t.more, &change.new),
            Kind::Things | Kind::Times => {
                let (gone, new) = (items(&change.old), items(&change.new));
                let is_counted = matches!(gone[..], [Item::All(_)]);
                let (gone, new) = (self.list(&gone), self.list(&new));
                match (gone.as_str(), new.as_str()) {
                    ("", "") => fill(t.reordered, field),
                    (gone, new) if is_counted => fill_texts(t.from_to, &[field, gone, new]),
                    (gone, "") => fill_texts(t.removed, &[field, gone]),
                    ("", new) => fill_texts(t.added, &[field, new]),
                    (gone, new) => fill_texts(t.removed_added, &[field, gone, new]),
                }
            }
            kind => {
                let [old, new] = [&change.old, &change.new].map(|value| self.value(kind, value));
                fill_texts(t.from_to, &[field, &old, &new])
            }
        }
    }

    fn value(&self, kind: Kind, value: &str) -> String {
        let t = self.t;
        let number: u32 = value.parse().unwrap_or_default();
        let named =
            |name: Option<&String>, or: &str| name.cloned().unwrap_or_else(|| fill(or, number));
        match kind {
            Kind::Flag if value.is_empty() => t.no.to_owned(),
            Kind::Flag => t.yes.to_owned(),
            Kind::Number => number.to_string(),
            Kind::Slot if value.is_empty() => t.any_time.to_owned(),
            Kind::Slot => named(self.names.slots.get(&TimeslotId(number)), t.slot_of_id),
            Kind::Entity => named(self.names.entities.get(&EntityId(number)), t.entity_of_id),
            Kind::Moment => {
                let at = value
                    .parse()
                    .ok()
                    .and_then(|at| DateTime::from_timestamp(at, 0));
                let at = at.map(|at| moment(at.with_timezone(&self.zone).naive_local()));
                at.unwrap_or_else(|| t.none.to_owned())
            }
            Kind::Whole | Kind::Text | Kind::Things | Kind::Times if value.is_empty() => {
                t.none.to_owned()
            }
            Kind::Whole | Kind::Text | Kind::Things | Kind::Times => value.to_owned(),
        }
    }

    fn list(&self, items: &[Item]) -> String {
        let texts: Vec<String> = items.iter().map(|item| self.item(item)).collect();
        texts.join(", ")
    }

    fn item(&self, item: &Item) -> String {
        match item {
            Item::Thing(thing) => {
                let class = thing.itemtype.as_str();
                let class = class.strip_prefix("PluginFusioninventory").unwrap_or(class);
                match self.names.things.get(thing) {
                    Some(name) => format!("{class} {} “{name}”", thing.items_id),
                    None => format!("{class} {}", thing.items_id),
                }
            }
            Item::Time(time) => self.time(*time),
            Item::More(count) => fill(self.t.and_more, count),
            Item::All(count) => fill(self.t.so_many, count),
        }
    }

    fn time(&self, time: Entry) -> String {
        let words = match self.language {
            Language::English => &week::ENGLISH,
            Language::French => &week::FRENCH,
        };
        let day = usize::try_from(time.day).ok();
        let day = day.and_then(|day| words.days.get(day.checked_sub(1)?));
        format!(
            "{} {}–{}",
            day.unwrap_or(&"?"),
            hour(time.begin),
            hour(time.end)
        )
    }
}

/// A second of the day; the last one is midnight.
fn hour(second: u32) -> String {
    let second = if second == 86_399 { 86_400 } else { second };
    let (hours, minutes) = (second / 3_600, second % 3_600 / 60);
    match second % 60 {
        0 => format!("{hours}:{minutes:02}"),
        seconds => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::domain::ids::JobId;

    fn change(field: Field, old: &str, new: &str) -> Change {
        Change {
            field,
            job: None,
            old: old.to_owned(),
            new: new.to_owned(),
        }
    }

    #[rstest]
    #[case(
        Field::Created,
        "",
        "t",
        "the task was created",
        "la tâche a été créée"
    )]
    #[case(
        Field::Deleted,
        "",
        "",
        "the task was deleted",
        "la tâche a été supprimée"
    )]
    #[case(Field::Name, "", "{} t", "name: – → {} t", "nom : – → {} t")]
    #[case(Field::Active, "1", "", "active: yes → no", "active : oui → non")]
    #[case(
        Field::WakeupAgents,
        "",
        "7",
        "agents to wake up: 0 → 7",
        "agents à réveiller : 0 → 7"
    )]
    #[case(
        Field::PrepSlot,
        "3",
        "",
        "preparation timeslot: Nights → any time",
        "créneau de préparation : Nights → à tout moment"
    )]
    #[case(
        Field::ExecSlot,
        "3",
        "4",
        "execution timeslot: Nights → timeslot 4",
        "créneau d’exécution : Nights → créneau 4"
    )]
    #[case(
        Field::Entity,
        "",
        "9",
        "entity: Root → entity 9",
        "entité : Root → entité 9"
    )]
    #[case(
        Field::Start,
        "",
        "1772532000",
        "start date: – → 2026-03-03 11:00:00",
        "date de début : – → 2026-03-03 11:00:00"
    )]
    #[case(
        Field::PrepTimes,
        "1 28800 30615",
        "7 0 86399",
        "times of the preparation timeslot: without Monday 8:00–8:30:15; with Sunday 0:00–24:00",
        "horaires du créneau de préparation : sans Lundi 8:00–8:30:15 ; avec Dimanche 0:00–24:00"
    )]
    #[case(
        Field::Targets,
        "",
        "PluginFusioninventoryDeployPackage 5,Computer 6,+7",
        "targets: with DeployPackage 5 “Editor”, Computer 6, 7 more",
        "cibles : avec DeployPackage 5 “Editor”, Computer 6, 7 autres"
    )]
    #[case(
        Field::Actors,
        "Computer 6",
        "",
        "actors: without Computer 6",
        "acteurs : sans Computer 6"
    )]
    #[case(
        Field::Actors,
        "",
        "",
        "actors: in another order",
        "acteurs : dans un autre ordre"
    )]
    #[case(
        Field::Actors,
        "#5",
        "#500",
        "actors: 5 in number → 500 in number",
        "acteurs : au nombre de 5 → au nombre de 500"
    )]
    #[case(
        Field::More,
        "",
        "12",
        "and 12 changes more",
        "et 12 autres modifications"
    )]
    fn changes_in_words(
        #[case] field: Field,
        #[case] old: &str,
        #[case] new: &str,
        #[case] english: &str,
        #[case] french: &str,
    ) {
        let package = Target {
            itemtype: "PluginFusioninventoryDeployPackage".to_owned(),
            items_id: 5,
        };
        let names = Names {
            slots: [(TimeslotId(3), "Nights".to_owned())].into(),
            entities: [(EntityId(0), "Root".to_owned())].into(),
            things: [(package, "Editor".to_owned())].into(),
        };
        let change = change(field, old, new);
        let zone = chrono_tz::Europe::Paris;
        assert_eq!(what(&change, &names, zone, Language::English), english);
        assert_eq!(what(&change, &names, zone, Language::French), french);
    }

    #[test]
    fn changes_of_a_job_name_it() {
        let of_job = Change {
            job: Some((JobId(4), "wake".to_owned())),
            ..change(Field::JobAdded, "", "")
        };
        let told = |language| what(&of_job, &Names::default(), chrono_tz::UTC, language);
        assert_eq!(told(Language::English), "job 4 “wake”: added");
        assert_eq!(told(Language::French), "travail 4 « wake » : ajouté");
    }

    #[test]
    fn moments_between_which_it_was() {
        let at = |hour| {
            chrono::NaiveDate::from_ymd_opt(2026, 3, 4).and_then(|day| day.and_hms_opt(hour, 0, 0))
        };
        let found = |since| Found {
            id: 1,
            since,
            until: at(12),
            change: change(Field::Created, "", ""),
        };
        for (since, language, text) in [
            (
                at(11),
                Language::English,
                "changed in GLPI between 2026-03-04 11:00:00 and 2026-03-04 12:00:00",
            ),
            (
                at(11),
                Language::French,
                "modifié dans GLPI entre 2026-03-04 11:00:00 et 2026-03-04 12:00:00",
            ),
            (
                None,
                Language::English,
                "changed in GLPI before 2026-03-04 12:00:00",
            ),
        ] {
            assert_eq!(when(&found(since), language), text);
        }
    }
}
