//! The jobs of all tasks.

use axum::extract::{RawQuery, State};
use axum::response::Json;
use chrono::{DateTime, Utc};
use serde::Serialize;

use super::caller::Caller;
use super::{Named, Refusal};
use crate::domain::catalogue::Catalogue;
use crate::domain::ids::JobId;
use crate::domain::summary::{Counts, Kind, Why};
use crate::proto::text::decode;
use crate::web::jobs::{counted, listed};
use crate::web::routes::Pages;
use crate::web::task::jobs::{completion, place};

/// A page of them.
#[derive(Debug, Serialize)]
pub(super) struct JobsPage {
    /// What was written before this moment is in the counts; none before the first count has ended.
    counted_at: Option<DateTime<Utc>>,
    jobs: Vec<Job>,
    /// The job after which the next page begins.
    next: Option<String>,
}

/// A job.
#[derive(Debug, Serialize)]
struct Job {
    id: JobId,
    name: String,
    task: Named,
    method: String,
    kind: Option<Kind>,
    /// Seconds after the beginning of its task.
    starts: u32,
    /// The one whose success it waits for.
    after: Option<Named>,
    /// Seconds.
    timeout: Option<u64>,
    completion: Option<u8>,
    counts: Option<Counts>,
    why: Option<Why>,
    error: Option<String>,
}

/// `GET jobs`: as the page of all jobs shows them.
pub(super) async fn jobs(
    State(pages): State<Pages>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<JobsPage>, Refusal> {
    let catalogue = &pages.catalogues.current().await?.catalogue;
    let query = query.unwrap_or_default();
    let listed = listed(&pages, &caller.access, catalogue, &query).await?;
    let board = pages.monitor.board();
    let jobs = listed.jobs.iter().map(|(_, job)| {
        let counted = counted(&board, job);
        let kind = Kind::of_method(&job.method);
        let (place, after) = place(catalogue, job);
        let task = catalogue.tasks.get(&job.task);
        let task = task.map_or_else(String::new, |task| decode(&task.name).into_owned());
        Job {
            id: job.id,
            name: decode(&job.name).into_owned(),
            task: Named::of(job.task.0, task),
            method: job.method.clone(),
            kind,
            starts: place.delay,
            after: after.and_then(|after| named(catalogue, after)),
            timeout: listed.timeout(job.id).map(|timeout| timeout.as_secs()),
            completion: completion(kind, counted),
            counts: counted.map(|of| of.counts),
            why: counted.and_then(|of| of.why.clone()),
            error: counted.and_then(|of| of.error.clone()),
        }
    });
    Ok(Json(JobsPage {
        counted_at: board.counted_at,
        jobs: jobs.collect(),
        next: listed.next.clone(),
    }))
}

fn named(catalogue: &Catalogue, job: JobId) -> Option<Named> {
    let name = decode(&catalogue.jobs.get(&job)?.name).into_owned();
    Some(Named::of(job.0, name))
}
