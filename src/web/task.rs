//! The page of a task: how it is set and stands, its jobs, and its runs a page at a time.

pub(super) mod asked;
pub(super) mod jobs;
pub(super) mod reasons;
pub(super) mod rows;
pub(super) mod search;
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
use crate::db::DbError;
use crate::db::run_pages::RunRow;
use crate::domain::actors::Target;
use crate::domain::catalogue::Job;
use crate::domain::expiry::timeout_of;
use crate::domain::ids::{JobId, TaskId};
use crate::domain::policy::Policy;
use crate::proto::text::decode;

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
    let catalogue = &pages.catalogues.current().await?.catalogue;
    let frame = Frame::of(viewer);
    let t = task::of(frame.language);
    let found = search::runs(pages, viewer.access(), catalogue, (id, query), t).await?;
    let (id, task, asked, jobs) = (found.id, found.task, &found.asked, &found.jobs);
    let names = names(pages, jobs, &found.rows, asked).await?;
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
    let shown = found
        .rows
        .iter()
        .map(|row| eyes.line(row, &found.job_name(row.job), found.timeout(row.job)));
    let cards = jobs.iter().enumerate().map(|(at, job)| {
        let counted = counted.and_then(|task| task.jobs.iter().find(|of| of.id == job.id));
        card(
            &eyes,
            catalogue,
            job,
            at + 1,
            counted,
            found.timeout(job.id),
        )
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
        settings: settings(pages, catalogue, task, &found.row.slots, frame.language),
        weeks: weeks(pages, catalogue, task, &found.row.slots, frame.language),
        scheduler: scheduler(pages, id, frame.language).await?,
        jobs: cards.collect(),
        search: form(asked, jobs, &eyes, t),
        narrowed: asked.is_narrowed(),
        lines: shown.collect(),
        cut: found
            .found
            .is_cut
            .then(|| fill(t.cut, found.found.looked_at)),
        older: found.found.next.map(|next| at(asked.query(Some(next)))),
        newest: asked.before.map(|_| at(asked.query(None))),
        history: history::rows(pages, viewer, &catalogue.entities, id, Before::default()).await?,
        changes: edit::of(frame.language),
        plus: job::of(frame.language).plus,
        may_change: viewer
            .access()
            .changes(found.row.entity, &catalogue.entities),
        frame,
    })
}

/// After how long runs of `jobs` are given up.
pub(super) async fn timeouts(
    pages: &Pages,
    jobs: &[&Job],
) -> Result<HashMap<JobId, Option<Duration>>, DbError> {
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
