//! The rows about jobs in sequence: those that are of no use.

use std::fmt;
use std::sync::Arc;

use super::{Report, database};
use crate::clock::{Clock, moment};
use crate::config::Settings;
use crate::db::Db;
use crate::db::names::Names;
use crate::domain::catalogue::{Catalogue, Task};
use crate::domain::ids::TaskId;
use crate::domain::policy::Policy;
use crate::domain::sequence::{Futile, Place};

/// How many rows of a kind are shown.
const SHOWN: usize = 3;

pub(super) async fn examine(
    settings: &Settings,
    clock: &Arc<dyn Clock>,
    db: &Db,
    catalogue: &Catalogue,
    report: &mut Report,
) {
    if settings.dispatch.policy == Policy::Plugin {
        return;
    }
    let now = moment(clock.as_ref(), settings.timezone);
    let mut tasks: Vec<TaskId> = catalogue.sequences.keys().copied().collect();
    tasks.sort_unstable();
    for id in tasks {
        if let Some(task) = catalogue.tasks.get(&id) {
            let week = catalogue.preparation_week(task);
            let futile = catalogue.sequences[&id].futile(week, task.dates, now);
            places(catalogue, task, &futile, report);
        }
    }
    gone(db, report).await;
}

fn places(catalogue: &Catalogue, task: &Task, futile: &[(Place, Futile)], report: &mut Report) {
    let (first, late): (Vec<_>, Vec<_>) = futile.iter().partition(|(_, why)| *why == Futile::First);
    let name = |place: &Place| {
        let job = catalogue.jobs.get(&place.job);
        let name = job.map(|job| job.name.as_str()).unwrap_or_default();
        format!("'{name}' ({})", place.job)
    };
    let whose = format!("task '{}' ({})", task.name, task.id);
    for (place, _) in first {
        report.warning(
            "sequence",
            format!(
                "job {} of {whose} waits for the success of the job before it, and is the first",
                name(&place)
            ),
            format!(
                "give it a higher rank or delay, or after_success 0, in {}",
                table("{p}sidecar_sequence")
            ),
        );
    }
    if !late.is_empty() {
        let jobs = late.iter().map(|(place, why)| {
            let (delay, bound) = (place.delay, Bound(*why));
            format!("{} after {delay} s, but {bound}", name(place))
        });
        report.warning(
            "sequence",
            format!("jobs of {whose} never start: {}", shown(jobs)),
            format!(
                "shorten the delay in {}, or lengthen max_duration or min_period in {} or the task's dates",
                table("{p}sidecar_sequence"),
                table("{p}sidecar_tasks")
            ),
        );
    }
}

/// What ends before a job's delay does.
struct Bound(Futile);

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Futile::First => f.write_str("it is the first"),
            Futile::AfterMaxDuration(seconds) => write!(f, "max_duration is {seconds} s"),
            Futile::AfterNext(seconds) => {
                write!(f, "the next occurrence begins within {seconds} s")
            }
            Futile::AfterDates(seconds) => {
                write!(f, "the task's dates are {seconds} s apart")
            }
        }
    }
}

/// Rows about what was deleted.
async fn gone(db: &Db, report: &mut Report) {
    let leftovers = match db.leftovers().await {
        Ok(leftovers) => leftovers,
        Err(error) => return database::failed(&error, report),
    };
    for (what, ids, place) in [
        ("tasks", leftovers.tasks, "{p}sidecar_tasks"),
        ("jobs", leftovers.places, "{p}sidecar_sequence"),
        ("jobs", leftovers.jobs, "{p}sidecar_jobs"),
    ] {
        if !ids.is_empty() {
            let place = table(place);
            report.warning(
                "sequence",
                format!(
                    "{place} has rows of {what} that are gone: {}",
                    shown(ids.iter().map(u32::to_string))
                ),
                format!("delete them from {place}, or correct their ids"),
            );
        }
    }
}

fn table(name: &str) -> String {
    Names::fusioninventory().replace(name)
}

/// The first few of `rows`, and how many more there are.
fn shown(rows: impl ExactSizeIterator<Item = String>) -> String {
    let more = match rows.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    let rows: Vec<String> = rows.take(SHOWN).collect();
    format!("{}{more}", rows.join("; "))
}
