//! The page of a task: how it is set and stands, its jobs, and its runs a page at a time.

pub(super) mod asked;
pub(super) mod jobs;
pub(super) mod reasons;
pub(super) mod rows;
pub(super) mod settings;

use std::collections::HashMap;
use std::time::Duration;

use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;

use self::asked::{Asked, MOST_NAME, MOST_TEXT, STATES, target_word};
use self::jobs::{JobCard, card};
use self::reasons::told;
use self::rows::{Eyes, Line, state};
use self::settings::{Setting, WeekShown, scheduler, settings, weeks};
use super::edit::history::{self, Before, Rows};
use super::error::PageError;
use super::links::Links;
use super::monitoring::{kind, status};
use super::page::{Frame, answer};
use super::routes::{BASE, Pages};
use super::texts::fill;
use super::texts::task::{self, Texts};
use super::texts::{edit, job};
use super::visitor::Viewer;
use crate::clock;
use crate::db::run_pages::RunRow;
use crate::db::run_search::PATIENCE;
use crate::domain::actors::Target;
use crate::domain::catalogue::Job;
use crate::domain::expiry::timeout_of;
use crate::domain::ids::{JobId, TaskId};
use crate::domain::policy::Policy;
use crate::proto::text::decode;

/// Runs on a page: as many as somebody looks through.
const PAGE: usize = 50;

/// Most targets to choose from; others are named in the address.
const MOST_CHOICES: usize = 200;

/// A choice of a form.
#[derive(Debug, PartialEq, Eq)]
struct Choice {
    value: String,
    name: String,
    chosen: bool,
}

/// The form as it was sent.
#[derive(Debug)]
struct Search {
    jobs: Vec<Choice>,
    states: Vec<Choice>,
    targets: Vec<Choice>,
    agent: String,
    from: String,
    until: String,
    text: String,
    most_name: usize,
    most_text: usize,
}

#[derive(Template)]
#[template(path = "task.html", config = "src/web/askama.toml")]
struct TaskPage {
    frame: Frame,
    t: &'static Texts,
    id: TaskId,
    name: String,
    href: Option<String>,
    kind: (&'static str, &'static str),
    status: Option<(&'static str, &'static str)>,
    completion: Option<u8>,
    /// Why its runs are not handed out, and when the next time is.
    why: Option<(String, Option<String>)>,
    settings: Vec<Setting>,
    weeks: Vec<WeekShown>,
    scheduler: Vec<String>,
    jobs: Vec<JobCard>,
    search: Search,
    narrowed: bool,
    lines: Vec<Line>,
    cut: Option<String>,
    /// Where the next page is.
    older: Option<String>,
    /// What was changed, the newest first.
    history: Rows,
    changes: &'static edit::Texts,
    /// What leads to the form of a new job.
    plus: &'static str,
    may_change: bool,
    /// Where the first page is, on another one.
    newest: Option<String>,
}

/// `GET /sidecar/tasks/{id}`.
pub async fn page(
    State(pages): State<Pages>,
    viewer: Viewer,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    match show(&pages, &viewer, &id, &query.unwrap_or_default()).await {
        Ok(page) => answer(&viewer, StatusCode::OK, &page),
        Err(error) => viewer.refuse(error),
    }
}

async fn show(
    pages: &Pages,
    viewer: &Viewer,
    id: &str,
    query: &str,
) -> Result<TaskPage, PageError> {
    let id = id.parse().map(TaskId).map_err(|_| PageError::NotFound)?;
    let catalogue = &pages.catalogues.current().await?.catalogue;
    let task = catalogue.tasks.get(&id).ok_or(PageError::NotFound)?;
    let row = pages.db.task_row(id, [task.prep_slot, task.exec_slot]);
    let row = row.await?.ok_or(PageError::NotFound)?;
    if !viewer.access().sees(row.entity, &catalogue.entities) {
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
    let frame = Frame::of(viewer);
    let t = task::of(frame.language);
    let search = asked.search(t);
    let found = pages
        .db
        .find_runs(&ids, &search, asked.before, PAGE, PATIENCE)
        .await?;
    let rows = pages.db.run_rows(&found.runs).await?;
    let timeouts = timeouts(pages, &jobs).await?;
    let names = names(pages, &jobs, &rows, &asked).await?;
    let links = pages.links();
    let now = clock::moment(pages.clock.as_ref(), pages.zone);
    let eyes = Eyes {
        language: frame.language,
        links: &links,
        names: &names,
        now,
    };
    let board = pages.monitor.board();
    let counted = board.tasks.iter().find(|counted| counted.id == id);
    let names_of_jobs: HashMap<JobId, String> = jobs
        .iter()
        .map(|job| (job.id, decode(&job.name).into_owned()))
        .collect();
    let shown = rows.iter().map(|row| {
        let job = names_of_jobs.get(&row.job).map_or("", String::as_str);
        eyes.line(row, job, timeouts.get(&row.job).copied().flatten())
    });
    let cards = jobs.iter().enumerate().map(|(at, job)| {
        let counted = counted.and_then(|task| task.jobs.iter().find(|of| of.id == job.id));
        let timeout = timeouts.get(&job.id).copied().flatten();
        card(&eyes, catalogue, job, at + 1, counted, timeout)
    });
    let at = |query: String| format!("{BASE}tasks/{id}{query}#runs");
    let first = counted.and_then(|task| task.sections.first());
    Ok(TaskPage {
        t,
        id,
        name: decode(&task.name).into_owned(),
        href: links.item("PluginFusioninventoryTask", id.0),
        kind: kind(first.map(|section| section.kind), frame.t),
        status: counted.map(|task| status(task.status, frame.t)),
        completion: counted.and_then(|task| task.completion),
        why: counted
            .and_then(|task| task.why.as_ref())
            .map(|why| told(why, frame.language)),
        settings: settings(pages, catalogue, task, &row.slots, frame.language),
        weeks: weeks(pages, catalogue, task, &row.slots, frame.language),
        scheduler: scheduler(pages, id, frame.language).await?,
        jobs: cards.collect(),
        search: form(&asked, &jobs, &eyes, t),
        narrowed: asked.is_narrowed(),
        lines: shown.collect(),
        cut: found.is_cut.then(|| fill(t.cut, found.looked_at)),
        older: found.next.map(|next| at(asked.query(Some(next)))),
        newest: asked.before.map(|_| at(asked.query(None))),
        history: history::rows(pages, viewer, &catalogue.entities, id, Before::default()).await?,
        changes: edit::of(frame.language),
        plus: job::of(frame.language).plus,
        may_change: viewer.access().changes(row.entity, &catalogue.entities),
        frame,
    })
}

/// After how long runs of `jobs` are given up.
pub(super) async fn timeouts(
    pages: &Pages,
    jobs: &[&Job],
) -> Result<HashMap<JobId, Option<Duration>>, PageError> {
    let ids: Vec<JobId> = jobs.iter().map(|job| job.id).collect();
    // The plugin gives up no run.
    if pages.rules.policy == Policy::Plugin {
        return Ok(HashMap::new());
    }
    let own = pages.db.job_timeouts(&ids).await?;
    let of = |id: JobId| timeout_of(own.get(&id).copied(), pages.rules.run_timeout);
    Ok(ids.into_iter().map(|id| (id, of(id))).collect())
}

/// Names of all targets that the page shows.
async fn names(
    pages: &Pages,
    jobs: &[&Job],
    rows: &[RunRow],
    asked: &Asked,
) -> Result<HashMap<Target, String>, PageError> {
    let mut targets: Vec<Target> = Vec::new();
    for job in jobs {
        targets.extend(job.targets.iter().take(MOST_CHOICES).cloned());
    }
    targets.extend(rows.iter().map(|row| row.target.clone()));
    targets.extend(asked.target.clone());
    Ok(pages.db.target_names(&targets).await?)
}

fn form(asked: &Asked, jobs: &[&Job], eyes: &Eyes<'_>, t: &Texts) -> Search {
    let of_jobs = jobs.iter().map(|job| Choice {
        value: job.id.to_string(),
        name: decode(&job.name).into_owned(),
        chosen: asked.job == Some(job.id),
    });
    let of_states = STATES.iter().map(|(of, word)| Choice {
        value: (*word).to_owned(),
        name: state(Some(*of), t).1.to_owned(),
        chosen: asked.state == Some(*of),
    });
    let mut targets: Vec<&Target> = asked.target.iter().collect();
    for target in jobs.iter().flat_map(|job| &job.targets) {
        if targets.len() >= MOST_CHOICES {
            break;
        }
        if !targets.contains(&target) {
            targets.push(target);
        }
    }
    let of_targets = targets.into_iter().map(|target| Choice {
        value: target_word(target),
        name: eyes.target(target).text,
        chosen: asked.target.as_ref() == Some(target),
    });
    let day = |day: Option<chrono::NaiveDate>| day.map(|day| day.to_string()).unwrap_or_default();
    Search {
        jobs: of_jobs.collect(),
        states: of_states.collect(),
        targets: of_targets.collect(),
        agent: asked.agent.clone().unwrap_or_default(),
        from: day(asked.from),
        until: day(asked.until),
        text: asked.text.clone().unwrap_or_default(),
        most_name: MOST_NAME,
        most_text: MOST_TEXT,
    }
}

impl Pages {
    /// Where things are in GLPI.
    pub(super) fn links(&self) -> Links {
        Links::new(self.settings.glpi_url.as_ref(), self.plugin_url.as_deref())
    }
}
