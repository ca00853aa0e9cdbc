//! The jobs of all tasks, line by line, grouped by when they start, with ways to change each.

use std::collections::HashMap;
use std::time::Duration;

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use url::form_urlencoded::parse;

use super::error::PageError;
use super::moments::span;
use super::monitoring::kind;
use super::page::{Frame, answer};
use super::routes::{BASE, Pages};
use super::task::jobs::{completion, counts, place, starts};
use super::task::reasons::told;
use super::task::settings::seconds;
use super::task::timeouts;
use super::texts::job;
use super::texts::task::{self, Texts};
use super::visitor::Viewer;
use crate::domain::access::Access;
use crate::domain::catalogue::{Catalogue, Job};
use crate::domain::ids::{EntityId, JobId, TaskId};
use crate::domain::summary::{Board, JobSummary, Kind};
use crate::proto::text::decode;

/// Jobs on a page.
const PAGE: usize = 100;

/// Where a job stands: seconds after the beginning, task, order in it, job.
pub(super) type Key = (u32, TaskId, u32, JobId);

/// Jobs that start together.
#[derive(Debug)]
struct Group {
    heading: String,
    lines: Vec<JobLine>,
}

/// A job.
#[derive(Debug)]
struct JobLine {
    id: JobId,
    name: String,
    href: String,
    task: String,
    task_href: String,
    kind: (&'static str, &'static str),
    completion: Option<u8>,
    counts: String,
    timeout: String,
    after: Option<String>,
    why: Option<(String, Option<String>)>,
    error: Option<String>,
    /// They may edit, copy, move and delete it.
    may_change: bool,
}

#[derive(Template)]
#[template(path = "jobs.html", config = "src/web/askama.toml")]
struct JobsPage {
    frame: Frame,
    t: &'static Texts,
    j: &'static job::Texts,
    groups: Vec<Group>,
    next: Option<String>,
    first: Option<String>,
}

/// `GET /sidecar/jobs`.
pub async fn page(
    State(pages): State<Pages>,
    viewer: Viewer,
    RawQuery(query): RawQuery,
) -> Response {
    match show(&pages, &viewer, &query.unwrap_or_default()).await {
        Ok(page) => answer(&viewer, StatusCode::OK, &page),
        Err(error) => viewer.refuse(error),
    }
}

/// A page of them.
#[derive(Debug)]
pub(super) struct Listed<'a> {
    /// By when they start, task and place in it.
    pub(super) jobs: Vec<(Key, &'a Job)>,
    /// The entities of tasks.
    entities: HashMap<TaskId, EntityId>,
    timeouts: HashMap<JobId, Option<Duration>>,
    /// Where the next page begins.
    pub(super) next: Option<String>,
    /// It is not the first page.
    is_later: bool,
}

impl Listed<'_> {
    /// After what silence a run of a job is given up.
    pub(super) fn timeout(&self, job: JobId) -> Option<Duration> {
        self.timeouts.get(&job).copied().flatten()
    }
}

/// The page of jobs that `query` asks for, for who has `access`.
pub(super) async fn listed<'a>(
    pages: &Pages,
    access: &Access,
    catalogue: &'a Catalogue,
    query: &str,
) -> Result<Listed<'a>, PageError> {
    let after = after(query).map_err(PageError::BadQuery)?;
    let entities = pages.db.task_entities().await?;
    let seen = catalogue.jobs.values().filter(|job| {
        let entity = entities.get(&job.task);
        catalogue.tasks.contains_key(&job.task)
            && entity.is_some_and(|entity| access.sees(*entity, &catalogue.entities))
    });
    let mut seen: Vec<(Key, &Job)> = seen.map(|job| (key(catalogue, job), job)).collect();
    seen.retain(|(key, _)| after.is_none_or(|after| *key > after));
    seen.sort_unstable_by_key(|(key, _)| *key);
    let is_more = seen.len() > PAGE;
    seen.truncate(PAGE);
    let jobs: Vec<&Job> = seen.iter().map(|(_, job)| *job).collect();
    Ok(Listed {
        entities,
        timeouts: timeouts(pages, &jobs).await?,
        next: seen
            .last()
            .filter(|_| is_more)
            .map(|(key, _)| written(*key)),
        jobs: seen,
        is_later: after.is_some(),
    })
}

async fn show(pages: &Pages, viewer: &Viewer, query: &str) -> Result<JobsPage, PageError> {
    let catalogue = &pages.catalogues.current().await?.catalogue;
    let access = viewer.access();
    let listed = listed(pages, access, catalogue, query).await?;
    let frame = Frame::of(viewer);
    let t = task::of(frame.language);
    let board = pages.monitor.board();
    let groups = listed
        .jobs
        .chunk_by(|(one, _), (other, _)| one.0 == other.0);
    let groups = groups.map(|group| Group {
        heading: starts(group[0].0.0, frame.language),
        lines: group
            .iter()
            .map(|(_, job)| {
                let timeout = listed.timeout(job.id);
                let mut line = line(catalogue, job, counted(&board, job), timeout, &frame);
                let entity = listed.entities.get(&job.task);
                line.may_change =
                    entity.is_some_and(|entity| access.changes(*entity, &catalogue.entities));
                line
            })
            .collect(),
    });
    Ok(JobsPage {
        t,
        j: job::of(frame.language),
        groups: groups.collect(),
        next: listed
            .next
            .as_ref()
            .map(|next| format!("{BASE}jobs?after={next}")),
        first: listed.is_later.then(|| format!("{BASE}jobs")),
        frame,
    })
}

fn key(catalogue: &Catalogue, job: &Job) -> Key {
    let (place, _) = place(catalogue, job);
    (place.delay, job.task, place.rank, job.id)
}

fn written((delay, task, rank, job): Key) -> String {
    format!("{delay}-{task}-{rank}-{job}")
}

/// The job that the page before ended with.
fn after(query: &str) -> Result<Option<Key>, &'static str> {
    let after = parse(query.as_bytes()).find(|(name, value)| name == "after" && !value.is_empty());
    let Some((_, value)) = after else {
        return Ok(None);
    };
    let numbers: Result<Vec<u32>, _> = value.split('-').map(str::parse).collect();
    match numbers.as_deref() {
        Ok(&[delay, task, rank, job]) => Ok(Some((delay, TaskId(task), rank, JobId(job)))),
        _ => Err("after"),
    }
}

/// What was counted of a job.
pub(super) fn counted<'a>(board: &'a Board, job: &Job) -> Option<&'a JobSummary> {
    // The newest task is the first.
    let at = board
        .tasks
        .binary_search_by(|task| job.task.cmp(&task.id))
        .ok()?;
    board.tasks[at].jobs.iter().find(|of| of.id == job.id)
}

fn line(
    catalogue: &Catalogue,
    job: &Job,
    counted: Option<&JobSummary>,
    timeout: Option<Duration>,
    frame: &Frame,
) -> JobLine {
    let t = task::of(frame.language);
    let of_kind = Kind::of_method(&job.method);
    let (_, after) = place(catalogue, job);
    let before = after.and_then(|before| catalogue.jobs.get(&before));
    let task_name = catalogue.tasks.get(&job.task).map(|task| &task.name);
    let why = counted.and_then(|of| of.why.as_ref());
    JobLine {
        id: job.id,
        name: decode(&job.name).into_owned(),
        href: format!("{BASE}tasks/{}?job={}#runs", job.task, job.id),
        task: task_name.map_or_else(String::new, |name| decode(name).into_owned()),
        task_href: format!("{BASE}tasks/{}", job.task),
        kind: kind(of_kind, frame.t),
        completion: completion(of_kind, counted),
        counts: counted.map_or_else(String::new, |of| counts(&of.counts, t)),
        timeout: timeout.map_or_else(
            || t.no_timeout.to_owned(),
            |timeout| span(seconds(timeout), frame.language),
        ),
        after: before.map(|before| decode(&before.name).into_owned()),
        why: why.map(|why| told(why, frame.language)),
        error: counted.and_then(|of| of.error.clone()),
        may_change: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_begins_behind_the_job_that_the_one_before_ended_with() {
        let key = (7_200, TaskId(3), 1, JobId(9));
        assert_eq!(written(key), "7200-3-1-9");
        for (query, expected) in [
            ("", Ok(None)),
            ("after=", Ok(None)),
            ("after=7200-3-1-9", Ok(Some(key))),
            ("after=7200-3-1", Err("after")),
            ("after=7200-3-1-9-1", Err("after")),
            ("after=a-3-1-9", Err("after")),
            ("after=-1-3-1-9", Err("after")),
        ] {
            assert_eq!(after(query), expected, "{query}");
        }
    }
}
