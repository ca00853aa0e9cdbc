//! Changing how a task is set: its jobs in their order and the bounds of its occurrences, which GLPI does not show, and the jobs themselves
//! (`job`).
//!
//! The form carries what it showed. What differs from that is written, with GLPI's history, and nothing if somebody else has changed it.

mod form;
mod found;
pub(super) mod history;
mod job;
mod week;

use askama::Template;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, RawQuery, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::get;

use self::form::{Field, Form};
use super::actions::{Place, place};
use super::error::PageError;
use super::forms::Posted;
use super::page::{Frame, answer};
use super::routes::{BASE, Pages};
use super::texts::edit::{self, Texts};
use super::texts::{fill, job as texts_of_jobs, task};
use super::visitor::{Viewer, Visitor, Who, to_login};
use crate::clock;
use crate::db::editing::{Planned, Saved};
use crate::db::history::Author;
use crate::domain::driven::TaskMode;
use crate::domain::editing::{Fault, Plan};
use crate::domain::ids::TaskId;
use crate::domain::policy::Policy;

/// Most bytes of a form: what it showed is in it.
const MOST_FORM: usize = 2 * 1024 * 1024;

/// The addresses of all, below `/sidecar/tasks/ID/`.
pub(super) fn routes() -> Router<Pages> {
    let at = |word: &str| format!("{BASE}tasks/{{id}}/{word}");
    Router::new()
        .route(&at("edit"), get(show).post(save))
        .route(&at("week"), get(week::show).post(week::save))
        .route(&at("history"), get(history::page))
        .merge(job::routes())
        .layer(DefaultBodyLimit::max(MOST_FORM))
}

#[derive(Template)]
#[template(path = "edit.html", config = "src/web/askama.toml")]
struct EditPage {
    frame: Frame,
    t: &'static Texts,
    j: &'static texts_of_jobs::Texts,
    id: TaskId,
    heading: String,
    back: String,
    said: Said,
    form: Form,
    modes: Vec<(&'static str, String)>,
    is_plugin: bool,
}

/// What is said above a form.
#[derive(Debug, Default)]
struct Said {
    done: Option<String>,
    error: Option<String>,
    /// What others changed, in the words of history.
    notes: Vec<String>,
}

impl Said {
    fn error(error: String) -> Self {
        Self {
            error: Some(error),
            ..Self::default()
        }
    }

    /// After a redirect: how many changes were saved.
    fn after(query: Option<&str>, t: &Texts) -> Self {
        let count = query.and_then(|query| query.strip_prefix("saved="));
        let count = count.and_then(|count| count.parse::<u32>().ok());
        Self {
            done: count.map(|count| match count {
                0 => t.nothing.to_owned(),
                count => fill(t.saved, count),
            }),
            ..Self::default()
        }
    }
}

/// Who changes something, for history.
fn author(who: &Who) -> Author {
    who.account.as_ref().map_or(Author::Unknown, |account| {
        Author::Account(account.id, account.shown.clone())
    })
}

/// To the page that says how many changes were saved, which can be loaded again.
fn saved(at: &str, count: usize) -> Response {
    Redirect::to(&format!("{at}?saved={count}")).into_response()
}

/// `GET tasks/ID/edit`.
async fn show(
    State(pages): State<Pages>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    viewer: Viewer,
) -> Response {
    let found = async {
        let place = place(&pages, viewer.who(), &id).await?;
        let planned = pages.db.planned(place.id).await?;
        Ok::<_, PageError>((place, planned.ok_or(PageError::NotFound)?))
    };
    match found.await {
        Ok((place, planned)) => {
            let said = Said::after(query.as_deref(), edit::of(viewer.language));
            let form = Form::of(&planned.plan, &planned);
            render(&pages, &viewer, &place, StatusCode::OK, form, said)
        }
        Err(error) => viewer.refuse(error),
    }
}

fn render(
    pages: &Pages,
    visitor: &Visitor,
    place: &Place,
    status: StatusCode,
    form: Form,
    said: Said,
) -> Response {
    let frame = Frame::of(visitor);
    let t = edit::of(frame.language);
    let of_tasks = task::of(frame.language);
    let default = match pages.rules.task_mode {
        TaskMode::Server => of_tasks.mode_server,
        TaskMode::Agent => of_tasks.mode_agent,
    };
    let page = EditPage {
        t,
        j: texts_of_jobs::of(frame.language),
        id: place.id,
        heading: fill(t.edit, &place.name),
        back: fill(t.to_task, &place.name),
        said,
        form,
        modes: vec![
            ("", fill(t.mode_default, default)),
            ("server", of_tasks.mode_server.to_owned()),
            ("agent", of_tasks.mode_agent.to_owned()),
        ],
        is_plugin: pages.rules.policy == Policy::Plugin,
        frame,
    };
    answer(visitor, status, &page)
}

/// `POST tasks/ID/edit`.
async fn save(
    State(pages): State<Pages>,
    Path(id): Path<String>,
    posted: Posted<Vec<Field>>,
) -> Response {
    let Posted { visitor, fields } = posted;
    let Some(who) = visitor.viewer.clone() else {
        return to_login(&visitor, &Method::POST);
    };
    match act(&pages, &visitor, &who, &id, &fields).await {
        Ok(response) => response,
        Err(error) => visitor.refuse(error),
    }
}

async fn act(
    pages: &Pages,
    visitor: &Visitor,
    who: &Who,
    id: &str,
    fields: &[Field],
) -> Result<Response, PageError> {
    let place = place(pages, who, id).await?;
    let now = pages.db.planned(place.id).await?;
    let now = now.ok_or(PageError::NotFound)?;
    let t = edit::of(visitor.language);
    let (mut form, shown) = Form::read(fields, &now).map_err(PageError::BadForm)?;
    let again = |form, status, said| Ok(render(pages, visitor, &place, status, form, said));
    if let Some((job, is_up)) = form.asked_move {
        form.move_job(job, is_up);
        let said = Said {
            done: Some(t.moved.to_owned()),
            ..Said::default()
        };
        return again(form, StatusCode::OK, said);
    }
    let plan = match form.plan(t) {
        Ok(plan) => plan,
        Err(error) => return again(form, StatusCode::BAD_REQUEST, Said::error(error)),
    };
    if let Err(fault) = plan.check() {
        let error = fault_text(fault, &plan, &now, t);
        return again(form, StatusCode::BAD_REQUEST, Said::error(error));
    }
    let at = clock::local(pages.clock.as_ref(), pages.zone);
    let author = author(who);
    let saving = pages.db.save_plan(place.id, &shown, &plan, &author, at);
    match saving.await? {
        Saved::Done(changes) => {
            log(&place, who, changes.len());
            Ok(saved(
                &format!("{BASE}tasks/{}/edit", place.id),
                changes.len(),
            ))
        }
        Saved::Changed => {
            let now = pages.db.planned(place.id).await?;
            let now = now.ok_or(PageError::NotFound)?;
            let changes = shown.changes(&now.plan, |job| now.name(job));
            let said = Said {
                notes: changes.iter().map(ToString::to_string).collect(),
                ..Said::error(t.stale.to_owned())
            };
            again(Form::of(&now.plan, &now), StatusCode::CONFLICT, said)
        }
        Saved::Gone => Err(PageError::NotFound),
    }
}

fn log(place: &Place, who: &Who, changes: usize) {
    if changes > 0 {
        let user = super::actions::by(who).0;
        tracing::info!(task.id = place.id.0, user, changes, "a task was edited");
    }
}

fn fault_text(fault: Fault, plan: &Plan, now: &Planned, t: &Texts) -> String {
    let name = |at: usize| {
        let job = plan.jobs.get(at).map(|job| job.job);
        let name = now.names.iter().find(|(of, _)| Some(*of) == job);
        let name = name.map(|(_, name)| name.as_str()).unwrap_or_default();
        format!("{}. {name}", at + 1)
    };
    match fault {
        Fault::Mode => t.bad_mode.to_owned(),
        Fault::First => t.bad_first.to_owned(),
        Fault::Order(at) => fill(t.bad_order, name(at)),
        Fault::Late(at) => fill(t.bad_late, name(at)),
    }
}
