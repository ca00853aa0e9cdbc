//! The runs of a task that an address asks for.

use std::collections::HashMap;
use std::time::Duration;

use super::asked::Asked;
use super::timeouts;
use crate::db::run_pages::{RunRow, TaskRow};
use crate::db::run_search::{PATIENCE, RunPage};
use crate::domain::access::Access;
use crate::domain::catalogue::{Catalogue, Job, Task};
use crate::domain::ids::{JobId, TaskId};
use crate::proto::text::decode;
use crate::web::error::PageError;
use crate::web::routes::Pages;
use crate::web::texts::task::Texts;

/// Runs on a page: as many as somebody looks through.
const PAGE: usize = 50;

/// A page of them, and the task.
#[derive(Debug)]
pub(in crate::web) struct Runs<'a> {
    pub(in crate::web) id: TaskId,
    pub(in crate::web) task: &'a Task,
    pub(in crate::web) row: TaskRow,
    pub(in crate::web) asked: Asked,
    /// All of the task, in their order.
    pub(in crate::web) jobs: Vec<&'a Job>,
    pub(in crate::web) found: RunPage,
    /// Those that were found.
    pub(in crate::web) rows: Vec<RunRow>,
    timeouts: HashMap<JobId, Option<Duration>>,
}

impl Runs<'_> {
    /// What a job of the task is called.
    pub(in crate::web) fn job_name(&self, id: JobId) -> String {
        let job = self.jobs.iter().find(|job| job.id == id);
        job.map_or_else(String::new, |job| decode(&job.name).into_owned())
    }

    /// After what silence a run of a job is given up.
    pub(in crate::web) fn timeout(&self, job: JobId) -> Option<Duration> {
        self.timeouts.get(&job).copied().flatten()
    }
}

/// The runs that `query` asks for, of the task `id`, for who has `access`. Texts are looked for in the words of `t` too.
pub(in crate::web) async fn runs<'a>(
    pages: &Pages,
    access: &Access,
    catalogue: &'a Catalogue,
    (id, query): (&str, &str),
    t: &Texts,
) -> Result<Runs<'a>, PageError> {
    let id = id.parse().map(TaskId).map_err(|_| PageError::NotFound)?;
    let task = catalogue.tasks.get(&id).ok_or(PageError::NotFound)?;
    let row = pages.db.task_row(id, [task.prep_slot, task.exec_slot]);
    let row = row.await?.ok_or(PageError::NotFound)?;
    if !access.sees(row.entity, &catalogue.entities) {
        // As if there were none.
        return Err(PageError::NotFound);
    }
    let asked = Asked::parse(query).map_err(PageError::BadQuery)?;
    let jobs = catalogue.jobs_of(id);
    let ids: Vec<JobId> = match asked.job {
        Some(job) if !jobs.iter().any(|of| of.id == job) => {
            return Err(PageError::BadQuery("job"));
        }
        Some(job) => vec![job],
        None => jobs.iter().map(|job| job.id).collect(),
    };
    let search = asked.search(t);
    let found = pages
        .db
        .find_runs(&ids, &search, asked.before, PAGE, PATIENCE)
        .await?;
    Ok(Runs {
        id,
        task,
        row,
        rows: pages.db.run_rows(&found.runs).await?,
        timeouts: timeouts(pages, &jobs).await?,
        asked,
        jobs,
        found,
    })
}
