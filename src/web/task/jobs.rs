//! A job of a task: how far it is, how it is set, and why nothing happens.

use std::time::Duration;

use super::reasons::told;
use super::rows::{Eyes, Named};
use super::settings::{Setting, seconds};
use crate::domain::catalogue::{Catalogue, Job};
use crate::domain::ids::JobId;
use crate::domain::sequence::Place;
use crate::domain::summary::{Counts, JobSummary, Kind};
use crate::proto::text::decode;
use crate::web::language::Language;
use crate::web::moments::span;
use crate::web::monitoring::kind;
use crate::web::texts::task::{self, Texts};
use crate::web::texts::{fill, fill_texts};

/// Most targets that are named.
const MOST_NAMED: usize = 20;

/// A job.
#[derive(Debug)]
pub(super) struct JobCard {
    pub(super) id: JobId,
    pub(super) number: usize,
    pub(super) name: String,
    pub(super) kind: (&'static str, &'static str),
    /// Per cent; none for discoveries, and before it was counted.
    pub(super) completion: Option<u8>,
    /// What became of its runs.
    pub(super) counts: String,
    pub(super) targets: Vec<Named>,
    pub(super) more_targets: Option<String>,
    pub(super) settings: Vec<Setting>,
    pub(super) why: Option<(String, Option<String>)>,
    pub(super) error: Option<String>,
}

/// The card of `job`, the how manieth of its task.
pub(super) fn card(
    eyes: &Eyes<'_>,
    catalogue: &Catalogue,
    job: &Job,
    number: usize,
    counted: Option<&JobSummary>,
    timeout: Option<Duration>,
) -> JobCard {
    let t = task::of(eyes.language);
    let of_kind = Kind::of_method(&job.method);
    let more = job.targets.len().saturating_sub(MOST_NAMED);
    let why = counted.and_then(|of| of.why.as_ref());
    let targets = job.targets.iter().take(MOST_NAMED);
    JobCard {
        id: job.id,
        number,
        name: decode(&job.name).into_owned(),
        kind: kind(of_kind, eyes.language.texts()),
        completion: completion(of_kind, counted),
        counts: counted.map_or_else(String::new, |of| counts(&of.counts, t)),
        targets: targets.map(|target| eyes.target(target)).collect(),
        more_targets: (more > 0).then(|| fill(t.and_more, more)),
        settings: settings(catalogue, job, timeout, eyes.language),
        why: why.map(|why| told(why, eyes.language)),
        error: counted.and_then(|of| of.error.clone()),
    }
}

/// How far a job is, per cent; none for discoveries, which nobody can say of, and before it was counted.
pub(in crate::web) fn completion(kind: Option<Kind>, counted: Option<&JobSummary>) -> Option<u8> {
    let measured = kind.is_some_and(|kind| kind != Kind::NetDiscovery);
    counted
        .filter(|_| measured)
        .map(|of| of.counts.completion())
}

/// The place of a job among those of its task, and whose success it waits for.
pub(in crate::web) fn place(catalogue: &Catalogue, job: &Job) -> (Place, Option<JobId>) {
    let sequence = catalogue.sequences.get(&job.task);
    let place = sequence.and_then(|sequence| sequence.place(job.id));
    place.unwrap_or_else(|| (Place::plain(job.id), None))
}

/// When a job starts, in words.
pub(in crate::web) fn starts(delay: u32, language: Language) -> String {
    let t = task::of(language);
    if delay == 0 {
        t.at_once.to_owned()
    } else {
        fill(t.later, span(delay.into(), language))
    }
}

fn settings(
    catalogue: &Catalogue,
    job: &Job,
    timeout: Option<Duration>,
    language: Language,
) -> Vec<Setting> {
    let t = task::of(language);
    let (place, after) = place(catalogue, job);
    let mut settings = vec![
        Setting::new(t.starts, starts(place.delay, language)),
        Setting::new(
            t.timeout,
            timeout.map_or_else(
                || t.no_timeout.to_owned(),
                |timeout| span(seconds(timeout), language),
            ),
        ),
    ];
    if let Some(after) = after {
        let name = catalogue.jobs.get(&after).map(|job| decode(&job.name));
        settings.push(Setting::new(
            t.after_success,
            name.map_or_else(|| after.to_string(), std::borrow::Cow::into_owned),
        ));
    }
    settings
}

/// Counts that are not zero, in words.
pub(in crate::web) fn counts(counts: &Counts, t: &Texts) -> String {
    let parts = [
        (t.ok, counts.ok),
        (t.ko, counts.ko),
        (t.unneeded, counts.unneeded),
        (t.under_way, counts.under_way()),
        (t.waits, counts.prepared),
        (t.put_off, counts.postponed),
        (t.dropped, counts.cancelled),
    ];
    let parts = parts.into_iter().filter(|(_, count)| *count > 0);
    let parts: Vec<String> = parts
        .map(|(name, count)| fill_texts(t.so_many, &[name, &count.to_string()]))
        .collect();
    if parts.is_empty() {
        t.no_runs_yet.to_owned()
    } else {
        parts.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_in_words() {
        let t = task::of(Language::English);
        let some = Counts {
            ok: 3,
            sent: 1,
            running: 1,
            cancelled: 2,
            ..Counts::default()
        };
        assert_eq!(counts(&some, t), "ok: 3, under way: 2, cancelled: 2");
        assert_eq!(counts(&Counts::default(), t), "There are no runs.");
        assert_eq!(starts(0, Language::French), "Au départ");
        assert_eq!(starts(7_200, Language::French), "2 h après le départ");
    }
}
