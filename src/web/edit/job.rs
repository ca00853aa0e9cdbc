//! A job of its own: added to a task and edited by a form as the plugin has one, or copied, moved and deleted ([`fate`]).
//!
//! The form needs no script: a button that finds, adds or removes a target or an actor shows it again with what was typed, and saves nothing.

mod fate;
mod form;
mod shown;

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::http::{Method as Verb, StatusCode};
use axum::response::Response;
use axum::routing::get;

use self::form::{Asked, Field, Form};
use self::shown::{Doing, render};
use super::{Said, author, saved};
use crate::clock;
use crate::db::editing::Saved;
use crate::db::editing::items::Item;
use crate::db::editing::jobs::Drafted;
use crate::domain::access::CREATE;
use crate::domain::actors::Target;
use crate::domain::editing::job::{Draft, Side, Wrong};
use crate::domain::ids::JobId;
use crate::proto::text::encode;
use crate::web::actions::{Place, by, place_with};
use crate::web::error::PageError;
use crate::web::forms::Posted;
use crate::web::routes::{BASE, Pages};
use crate::web::texts::job::{self, Texts};
use crate::web::texts::{edit, fill};
use crate::web::visitor::{Viewer, Visitor, Who, to_login};

/// The addresses.
pub(super) fn routes() -> Router<Pages> {
    let at = |word: &str| format!("{BASE}jobs/{{id}}/{word}");
    Router::new()
        .route(
            &format!("{BASE}tasks/{{id}}/jobs/new"),
            get(empty).post(create),
        )
        .route(&at("edit"), get(show).post(save))
        .merge(fate::routes(at))
}

/// A job of a task that somebody may change.
struct JobPlace {
    job: JobId,
    task: Place,
    drafted: Drafted,
}

async fn job_place(pages: &Pages, who: &Who, id: &str, rights: u32) -> Result<JobPlace, PageError> {
    let job = JobId(id.parse().map_err(|_| PageError::NotFound)?);
    let drafted = pages.db.drafted(job).await?;
    let drafted = drafted.ok_or(PageError::NotFound)?;
    let task = place_with(pages, who, &drafted.task.to_string(), rights).await?;
    Ok(JobPlace { job, task, drafted })
}

/// `GET tasks/ID/jobs/new`.
async fn empty(State(pages): State<Pages>, Path(id): Path<String>, viewer: Viewer) -> Response {
    let shown = async {
        let task = place_with(&pages, viewer.who(), &id, CREATE).await?;
        let doing = Doing::adding(&viewer, viewer.who(), &task);
        render(
            &pages,
            doing,
            StatusCode::OK,
            &Form::of(None),
            Said::default(),
        )
        .await
    };
    shown.await.unwrap_or_else(|error| viewer.refuse(error))
}

/// `GET jobs/ID/edit`.
async fn show(
    State(pages): State<Pages>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    viewer: Viewer,
) -> Response {
    let shown = async {
        let place = job_place(&pages, viewer.who(), &id, CREATE).await?;
        let said = Said::after(query.as_deref(), edit::of(viewer.language));
        let form = Form::of(Some(&place.drafted.draft));
        let doing = Doing::editing(&viewer, viewer.who(), &place);
        render(&pages, doing, StatusCode::OK, &form, said).await
    };
    shown.await.unwrap_or_else(|error| viewer.refuse(error))
}

/// `POST tasks/ID/jobs/new`.
async fn create(
    State(pages): State<Pages>,
    Path(id): Path<String>,
    posted: Posted<Vec<Field>>,
) -> Response {
    let Posted { visitor, fields } = posted;
    let Some(who) = visitor.viewer.clone() else {
        return to_login(&visitor, &Verb::POST);
    };
    let done = async {
        let task = place_with(&pages, &who, &id, CREATE).await?;
        let mut form = Form::read(&fields, None).map_err(PageError::BadForm)?;
        let doing = Doing::adding(&visitor, &who, &task);
        if let Some(shown) = turn(&pages, doing, &mut form).await? {
            return Ok(shown);
        }
        let (at, author) = (clock::local(pages.clock.as_ref(), pages.zone), author(&who));
        let added = pages.db.add_job(task.id, &form.draft, &author, at).await;
        let job = added?.ok_or(PageError::NotFound)?;
        log(&task, &who, job, "a job was added");
        Ok(saved(&format!("{BASE}tasks/{}/edit", task.id), 1))
    };
    done.await.unwrap_or_else(|error| visitor.refuse(error))
}

/// `POST jobs/ID/edit`.
async fn save(
    State(pages): State<Pages>,
    Path(id): Path<String>,
    posted: Posted<Vec<Field>>,
) -> Response {
    let Posted { visitor, fields } = posted;
    let Some(who) = visitor.viewer.clone() else {
        return to_login(&visitor, &Verb::POST);
    };
    let done = change(&pages, &visitor, &who, &id, &fields).await;
    done.unwrap_or_else(|error| visitor.refuse(error))
}

async fn change(
    pages: &Pages,
    visitor: &Visitor,
    who: &Who,
    id: &str,
    fields: &[Field],
) -> Result<Response, PageError> {
    let place = job_place(pages, who, id, CREATE).await?;
    let mut form = Form::read(fields, Some("shown")).map_err(PageError::BadForm)?;
    let doing = Doing::editing(visitor, who, &place);
    if let Some(shown) = turn(pages, doing, &mut form).await? {
        return Ok(shown);
    }
    let shown = form.shown.as_ref().ok_or(PageError::BadForm("shown"))?;
    let (at, author) = (clock::local(pages.clock.as_ref(), pages.zone), author(who));
    let saving = pages
        .db
        .save_job(place.job, shown, &form.draft, &author, at);
    match saving.await? {
        Saved::Done(changes) => {
            if !changes.is_empty() {
                log(&place.task, who, place.job, "a job was edited");
            }
            let at = format!("{BASE}jobs/{}/edit", place.job);
            Ok(saved(&at, changes.len()))
        }
        Saved::Changed => {
            let now = job_place(pages, who, id, CREATE).await?;
            let called = format!("job {}", now.job);
            let changes = shown.changes(&now.drafted.draft, &called);
            let said = Said {
                notes: changes.iter().map(ToString::to_string).collect(),
                ..Said::error(edit::of(visitor.language).stale.to_owned())
            };
            let form = Form::of(Some(&now.drafted.draft));
            let doing = Doing::editing(visitor, who, &now);
            render(pages, doing, StatusCode::CONFLICT, &form, said).await
        }
        Saved::Gone => Err(PageError::NotFound),
    }
}

fn log(task: &Place, who: &Who, job: JobId, what: &'static str) {
    let user = by(who).0;
    tracing::info!(task.id = task.id.0, job.id = job.0, user, "{what}");
}

/// The form that is shown again, as something was asked for or is wrong; none if it is to be saved.
async fn turn(
    pages: &Pages,
    doing: Doing<'_>,
    form: &mut Form,
) -> Result<Option<Response>, PageError> {
    let t = job::of(doing.visitor.language);
    if form.apply() != Asked::Save {
        let said = Said {
            done: Some(t.not_saved.to_owned()),
            ..Said::default()
        };
        let page = render(pages, doing, StatusCode::OK, form, said).await?;
        return Ok(Some(page));
    }
    if let Some(error) = wrong(pages, &doing, form).await? {
        let said = Said::error(error);
        let page = render(pages, doing, StatusCode::BAD_REQUEST, form, said).await?;
        return Ok(Some(page));
    }
    Ok(None)
}

/// Why the form cannot be saved, in words, if it cannot.
async fn wrong(pages: &Pages, doing: &Doing<'_>, form: &Form) -> Result<Option<String>, PageError> {
    let t = job::of(doing.visitor.language);
    let (draft, before) = (&form.draft, form.shown.as_ref());
    let stored = |text: &str| {
        let text = encode(text);
        (text.chars().count(), text.len())
    };
    if let Err(wrong) = draft.check(before, stored) {
        return Ok(Some(wrong_text(&wrong, t)));
    }
    let new = Side::ALL.map(|side| draft.new_of(before, side));
    let new: Vec<Target> = new.into_iter().flatten().cloned().collect();
    let found = pages.db.items(&new).await?;
    let is_offered = |target: &&Target| {
        let mut found = found.iter();
        found.any(|item| item.target == **target && doing.offers(item))
    };
    let odd = new.iter().find(|target| !is_offered(target));
    Ok(odd.map(|odd| fill(t.bad_item, called(odd, t))))
}

fn wrong_text(wrong: &Wrong, t: &'static Texts) -> String {
    match wrong {
        Wrong::NoName => t.no_name.to_owned(),
        Wrong::TooLong => t.too_long.to_owned(),
        Wrong::Method => t.bad_method.to_owned(),
        Wrong::Class(target) => fill(t.bad_class, called(target, t)),
    }
}

/// The name of a class that jobs name.
fn class<'a>(class: &'a str, t: &'static Texts) -> &'a str {
    match class {
        "PluginFusioninventoryDeployPackage" => t.package,
        "PluginFusioninventoryCollect" => t.collect,
        "PluginFusioninventoryAgent" => t.agent,
        "PluginFusioninventoryDeployGroup" => t.deploy_group,
        "PluginFusioninventoryIPRange" => t.ip_range,
        "PluginFusioninventoryCredentialIp" => t.credential_ip,
        "Group" => t.group,
        "Computer" => t.computer,
        "NetworkEquipment" => t.network_equipment,
        "Printer" => t.printer,
        other => other,
    }
}

/// A target or actor by its class and number.
fn called(target: &Target, t: &'static Texts) -> String {
    format!("{} {}", class(&target.itemtype, t), target.items_id)
}

/// By its name too.
fn named(item: &Item, t: &'static Texts) -> String {
    let class = class(&item.target.itemtype, t);
    format!("{class}: {} ({})", item.name, item.target.items_id)
}

/// The name of a job, as the plugin shows one that has none.
fn name_of(job: JobId, draft: &Draft) -> String {
    if draft.name.is_empty() {
        format!("({job})")
    } else {
        draft.name.clone()
    }
}
