//! How a task is set, its weeks, and whether anybody works on it.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, TimeZone as _, Utc};
use chrono_tz::Tz;

use crate::domain::catalogue::{Catalogue, Task};
use crate::domain::crons::Chore;
use crate::domain::driven::TaskMode;
use crate::domain::ids::{TaskId, TimeslotId};
use crate::domain::policy::Policy;
use crate::proto::week::{self, draw};
use crate::web::depth::Depth;
use crate::web::error::PageError;
use crate::web::language::Language;
use crate::web::moments::{moment, span};
use crate::web::routes::Pages;
use crate::web::texts::task::{self, Texts};
use crate::web::texts::{fill, fill_texts};

/// Names of timeslots.
type Slots = HashMap<TimeslotId, String>;

/// Most sidecars that are named: those seen last.
const MOST_SIDECARS: usize = 5;

/// A setting.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::web) struct Setting {
    pub(in crate::web) name: &'static str,
    pub(in crate::web) value: String,
}

impl Setting {
    pub(in crate::web) const fn new(name: &'static str, value: String) -> Self {
        Self { name, value }
    }
}

/// A week as a picture.
#[derive(Debug)]
pub(super) struct WeekShown {
    pub(super) heading: String,
    /// SVG, with all texts escaped.
    pub(super) picture: String,
}

pub(in crate::web) fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

/// The settings of `task`.
pub(super) fn settings(
    pages: &Pages,
    catalogue: &Catalogue,
    task: &Task,
    slots: &Slots,
    language: Language,
) -> Vec<Setting> {
    let t = task::of(language);
    let policy = pages.rules.policy;
    let mode = match policy {
        Policy::Plugin => TaskMode::Server,
        Policy::Redux => catalogue.mode(task.id, pages.rules.task_mode),
    };
    let mode = match mode {
        TaskMode::Server => t.mode_server,
        TaskMode::Agent => t.mode_agent,
    };
    let again = if task.reprepare_if_successful {
        t.yes
    } else {
        t.no
    };
    let sequence = catalogue.sequences.get(&task.id);
    let bound = |bound: Option<u32>| {
        bound.map_or_else(
            || t.not_set.to_owned(),
            |seconds| span(seconds.into(), language),
        )
    };
    vec![
        Setting::new(t.mode, mode.to_owned()),
        Setting::new(t.dates, dates(task, t)),
        Setting::new(t.preparation_slot, slot(task.prep_slot, slots, t)),
        Setting::new(t.execution_slot, execution_slot(task, policy, slots, t)),
        Setting::new(
            t.max_duration,
            bound(sequence.and_then(|of| of.max_duration)),
        ),
        Setting::new(t.min_period, bound(sequence.and_then(|of| of.min_period))),
        Setting::new(t.again, again.to_owned()),
    ]
}

fn dates(task: &Task, t: &Texts) -> String {
    let parts = [(t.since, task.dates.start), (t.to, task.dates.end)];
    let parts: Vec<String> = parts
        .into_iter()
        .filter_map(|(text, at)| Some(fill(text, moment(at?))))
        .collect();
    if parts.is_empty() {
        t.no_dates.to_owned()
    } else {
        parts.join(", ")
    }
}

fn slot(id: TimeslotId, slots: &Slots, t: &Texts) -> String {
    if id == TimeslotId(0) {
        return t.any_time.to_owned();
    }
    let name = slots.get(&id).filter(|name| !name.is_empty());
    name.cloned().unwrap_or_else(|| fill(t.slot_of_id, id))
}

fn execution_slot(task: &Task, policy: Policy, slots: &Slots, t: &Texts) -> String {
    if task.hours.is_some() && policy == Policy::Redux {
        t.own_hours.to_owned()
    } else {
        slot(task.exec_slot, slots, t)
    }
}

/// The weeks of a task's slots.
pub(super) fn weeks(
    pages: &Pages,
    catalogue: &Catalogue,
    task: &Task,
    slots: &Slots,
    language: Language,
) -> Vec<WeekShown> {
    let t = task::of(language);
    let policy = pages.rules.policy;
    let words = match language {
        Language::English => &week::ENGLISH,
        Language::French => &week::FRENCH,
    };
    let preparation = catalogue.preparation_week(task);
    let execution = catalogue.execution_week(task, policy);
    let all = [
        (
            t.preparation_slot,
            slot(task.prep_slot, slots, t),
            preparation,
        ),
        (
            t.execution_slot,
            execution_slot(task, policy, slots, t),
            execution,
        ),
    ];
    let shown = all.into_iter().filter_map(|(name, value, week)| {
        let heading = fill_texts(t.so_many, &[name, &value]);
        Some(WeekShown {
            picture: draw(week?, &fill(t.week_of, &heading), words),
            heading,
        })
    });
    shown.collect()
}

/// Who prepared last, when the next time is, which sidecars are there, and what of `id` and beside it waits for GLPI.
pub(super) async fn scheduler(
    pages: &Pages,
    id: TaskId,
    language: Language,
) -> Result<Vec<String>, PageError> {
    let t = task::of(language);
    let beats = pages.db.beats().await?;
    let duty = Chore::Prepare.word();
    let mut lines = Vec::new();
    match beats.passes.iter().find(|pass| pass.duty == duty) {
        Some(last) => {
            let ended = local(last.ended, pages.zone);
            let said = [ended.as_str(), last.host.as_str(), last.result.as_str()];
            lines.push(fill_texts(t.last_preparation, &said));
            if let Some(next) = last.next {
                lines.push(fill(t.next_preparation, local(next, pages.zone)));
            }
        }
        None => lines.push(t.never_prepared.to_owned()),
    }
    for (host, version, silent) in beats.serving.iter().take(MOST_SIDECARS) {
        let silent = span(*silent, language);
        lines.push(fill_texts(t.seen, &[host, version, &silent]));
    }
    lines.push(fill(t.task_spooled, pages.db.spooled_of(id).await?));
    if let Some(depth) = pages.spool.now() {
        lines.push(spool(depth, pages.clock.now(), language));
    }
    Ok(lines)
}

/// What waits in this sidecar's spool.
fn spool(depth: Depth, now: DateTime<Utc>, language: Language) -> String {
    let t = task::of(language);
    let counts = [depth.waiting, depth.parked].map(|count| count.to_string());
    let [waiting, parked] = counts.each_ref().map(String::as_str);
    match depth.oldest {
        Some(oldest) => {
            let age = span((now - oldest).num_seconds().max(0), language);
            fill_texts(t.spool_holds, &[waiting, &age, parked])
        }
        None => fill_texts(t.spool_empty, &[parked]),
    }
}

/// A moment of UTC in local time.
fn local(at: NaiveDateTime, zone: Tz) -> String {
    moment(zone.from_utc_datetime(&at).naive_local())
}
