//! What somebody who may change a task lets be done at once: a page that says exactly what, and what came of it.
//!
//! The form carries what was shown, so that what has changed since is left alone and told: see [`crate::proto::selection`].

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;

use super::error::PageError;
use super::forms::Posted;
use super::page::{Frame, answer};
use super::routes::{BASE, Pages};
use super::texts::{Texts, fill, fill_all};
use super::visitor::{Viewer, Visitor, Who, to_login};
use crate::db::DbError;
use crate::domain::access::UPDATE;
use crate::domain::catalogue::Catalogue;
use crate::domain::ids::{AgentId, EntityId, TaskId};
use crate::domain::site::Closed;
use crate::proto::selection::{Selection, pack, rows, unpack};
use crate::work::actions::MOST_RUNS;
use crate::work::prepare::{Outcome, Pass};
use crate::work::wakeup::Summary;

/// Most bytes of a form: the runs that somebody confirms are in it.
const MOST_FORM: usize = 2 * 1024 * 1024;

/// How long a page waits for agents to answer; the rest goes on without it.
const PATIENCE: Duration = Duration::from_secs(15);

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Prepare,
    Retry,
    Cancel,
    Wake,
}

impl Action {
    const ALL: [Self; 4] = [Self::Prepare, Self::Retry, Self::Cancel, Self::Wake];

    /// Its word in addresses and in the log.
    const fn word(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Retry => "retry",
            Self::Cancel => "cancel",
            Self::Wake => "wake",
        }
    }

    const fn name(self, t: &Texts) -> &'static str {
        match self {
            Self::Prepare => t.act_prepare,
            Self::Retry => t.act_retry,
            Self::Cancel => t.act_cancel,
            Self::Wake => t.act_wake,
        }
    }
}

/// The addresses of all, below `/sidecar/tasks/ID/`; `actions` has the others.
pub(super) fn routes() -> Router<Pages> {
    let at = |word: &str| format!("{BASE}tasks/{{id}}/{word}");
    let mut router = Router::new().route(&at("actions"), get(all));
    for action in Action::ALL {
        let show = move |state, path, viewer| confirm(action, state, path, viewer);
        let act = move |state, path, posted| perform(action, state, path, posted);
        router = router.route(&at(action.word()), get(show).post(act));
    }
    router.layer(DefaultBodyLimit::max(MOST_FORM))
}

/// What the form carries.
#[derive(Debug, Default, Deserialize)]
struct Confirmed {
    /// The runs or agents that were shown.
    #[serde(default)]
    selected: String,
    /// How many runs would be prepared, and cancelled.
    #[serde(default)]
    created: usize,
    #[serde(default)]
    cancelled: usize,
}

/// What would be done.
#[derive(Debug, Default)]
struct Plan {
    text: String,
    /// Nothing would.
    is_empty: bool,
    notes: Vec<String>,
    confirmed: Confirmed,
}

#[derive(Template)]
#[template(path = "action.html", config = "src/web/askama.toml")]
struct ActionPage {
    frame: Frame,
    task: String,
    heading: &'static str,
    /// Where the form leads; none without one.
    form: Option<String>,
    text: String,
    notes: Vec<String>,
    /// The text is what was done.
    is_done: bool,
    confirmed: Confirmed,
    /// The actions.
    links: Vec<(String, &'static str)>,
}

/// A task that somebody may change.
pub(super) struct Place {
    pub(super) id: TaskId,
    pub(super) name: String,
    pub(super) entity: EntityId,
    pub(super) catalogue: Arc<Catalogue>,
}

/// The task of number `id`, if `who` may change it.
pub(super) async fn place(pages: &Pages, who: &Who, id: &str) -> Result<Place, PageError> {
    place_with(pages, who, id, UPDATE).await
}

/// The same, if `who` may change it in such a way that it takes these `rights` too.
pub(super) async fn place_with(
    pages: &Pages,
    who: &Who,
    id: &str,
    rights: u32,
) -> Result<Place, PageError> {
    let id = TaskId(id.parse().map_err(|_| PageError::NotFound)?);
    let snapshot = pages.catalogues.current().await?;
    let tree = &snapshot.catalogue.entities;
    let found = pages.db.task_place(id).await?;
    let found = found.filter(|(_, entity)| who.access.sees(*entity, tree));
    let (name, entity) = found.ok_or(PageError::NotFound)?;
    if !who.access.may(rights, entity, tree) {
        return Err(PageError::Forbidden);
    }
    Ok(Place {
        id,
        name,
        entity,
        catalogue: Arc::clone(&snapshot.catalogue),
    })
}

/// `GET tasks/ID/actions`.
async fn all(State(pages): State<Pages>, Path(id): Path<String>, viewer: Viewer) -> Response {
    let place = match place(&pages, viewer.who(), &id).await {
        Ok(place) => place,
        Err(error) => return viewer.refuse(error),
    };
    let frame = Frame::of(&viewer);
    let links = Action::ALL.map(|action| {
        let href = format!("{BASE}tasks/{}/{}", place.id, action.word());
        (href, action.name(frame.t))
    });
    let page = ActionPage {
        task: place.name,
        heading: frame.t.actions,
        form: None,
        text: String::new(),
        notes: vec![],
        is_done: false,
        confirmed: Confirmed::default(),
        links: links.into(),
        frame,
    };
    answer(&viewer, StatusCode::OK, &page)
}

/// `GET tasks/ID/ACTION`: what would be done.
async fn confirm(
    action: Action,
    State(pages): State<Pages>,
    Path(id): Path<String>,
    viewer: Viewer,
) -> Response {
    let planned = async {
        let place = place(&pages, viewer.who(), &id).await?;
        let plan = plan(&pages, action, &place, viewer.language.texts()).await?;
        Ok::<_, PageError>((place, plan))
    };
    match planned.await {
        Ok((place, plan)) => ask(&viewer, action, &place, plan),
        Err(error) => viewer.refuse(error),
    }
}

/// The page that asks whether to do what is planned.
fn ask(visitor: &Visitor, action: Action, place: &Place, plan: Plan) -> Response {
    let frame = Frame::of(visitor);
    let page = ActionPage {
        task: place.name.clone(),
        heading: action.name(frame.t),
        form: (!plan.is_empty).then(|| format!("{BASE}tasks/{}/{}", place.id, action.word())),
        text: plan.text,
        notes: plan.notes,
        is_done: false,
        confirmed: plan.confirmed,
        links: vec![],
        frame,
    };
    answer(visitor, StatusCode::OK, &page)
}

async fn plan(
    pages: &Pages,
    action: Action,
    place: &Place,
    t: &'static Texts,
) -> Result<Plan, DbError> {
    let actions = &pages.actions;
    let mut plan = match action {
        Action::Prepare => plan_of(&actions.would_prepare(place.id).await?, t),
        Action::Retry => {
            let failed = actions.failed(&place.catalogue, place.id).await?;
            select(&failed, t.ask_retry, t)
        }
        Action::Cancel => {
            let waiting = actions.waiting(&place.catalogue, place.id).await?;
            select(&waiting, t.ask_cancel, t)
        }
        Action::Wake => {
            let (agents, summary) = actions.would_wake(place.id).await?;
            let agents = agents.into_iter().map(|agent| u64::from(agent.0));
            let mut plan = select(&vec![(place.id.0, agents.collect())], t.ask_wake, t);
            plan.notes.extend(skipped(&summary));
            plan
        }
    };
    if let Some(closed) = actions.closed().await? {
        plan.is_empty = true;
        plan.notes.push(closed.to_string());
    }
    Ok(plan)
}

fn select(selection: &Selection, text: &str, t: &Texts) -> Plan {
    let count = rows(selection);
    let only_first = count >= MOST_RUNS;
    Plan {
        text: fill(text, count),
        is_empty: count == 0,
        notes: only_first
            .then(|| fill(t.only_first, count))
            .into_iter()
            .collect(),
        confirmed: Confirmed {
            selected: pack(selection),
            ..Confirmed::default()
        },
    }
}

fn plan_of(pass: &Pass, t: &Texts) -> Plan {
    let total = pass.total();
    Plan {
        text: fill_all(
            t.ask_prepare,
            &[total.created as u64, total.cancelled as u64],
        ),
        is_empty: total.created + total.cancelled == 0,
        notes: reasons(pass),
        confirmed: Confirmed {
            created: total.created,
            cancelled: total.cancelled,
            ..Confirmed::default()
        },
    }
}

/// Why nothing would be, or was, done for some jobs.
fn reasons(pass: &Pass) -> Vec<String> {
    let jobs = pass.jobs.iter().filter(|(_, outcome)| {
        let is_done = matches!(outcome, Outcome::Prepared(_));
        !is_done
    });
    jobs.map(|(job, outcome)| format!("job {job}: {outcome}"))
        .collect()
}

/// Agents with work that are not asked.
fn skipped(summary: &Summary) -> Vec<String> {
    let all = summary.skipped.iter();
    all.map(|(skip, count)| format!("{count} {}", skip.text()))
        .collect()
}

/// `POST tasks/ID/ACTION`: does what was confirmed, as far as it is still so.
async fn perform(
    action: Action,
    State(pages): State<Pages>,
    Path(id): Path<String>,
    posted: Posted<Confirmed>,
) -> Response {
    let Posted { visitor, fields } = posted;
    let Some(who) = visitor.viewer.clone() else {
        return to_login(&visitor, &axum::http::Method::POST);
    };
    let placed = place(&pages, &who, &id).await;
    let place = match placed {
        Ok(place) => place,
        Err(error) => return visitor.refuse(error),
    };
    let t = visitor.language.texts();
    match act(&pages, action, &place, &who, &fields, t).await {
        Ok(Done::Done(text, notes)) => {
            let frame = Frame::of(&visitor);
            let page = ActionPage {
                task: place.name,
                heading: action.name(t),
                form: None,
                text,
                notes,
                is_done: true,
                confirmed: Confirmed::default(),
                links: vec![],
                frame,
            };
            answer(&visitor, StatusCode::OK, &page)
        }
        Ok(Done::Again(plan)) => ask(&visitor, action, &place, plan),
        Err(error) => visitor.refuse(error),
    }
}

enum Done {
    /// What came of it, and what else is to be said.
    Done(String, Vec<String>),
    /// Nothing was done: it is to be asked again.
    Again(Plan),
}

async fn act(
    pages: &Pages,
    action: Action,
    place: &Place,
    who: &Who,
    confirmed: &Confirmed,
    t: &'static Texts,
) -> Result<Done, PageError> {
    let most = MOST_RUNS + place.catalogue.jobs.len();
    let selection = || unpack(&confirmed.selected, most).ok_or(PageError::BadForm("runs"));
    let (actions, task) = (&pages.actions, place.id);
    let by = by(who);
    let (text, notes) = match action {
        Action::Prepare => {
            let plan = plan_of(&actions.would_prepare(task).await?, t);
            let shown = (confirmed.created, confirmed.cancelled);
            if (plan.confirmed.created, plan.confirmed.cancelled) != shown {
                let mut plan = plan;
                plan.notes.insert(0, t.changed_plan.to_owned());
                return Ok(Done::Again(plan));
            }
            let pass = actions.prepare(task).await?;
            let total = pass.total();
            let counts = [total.created as u64, total.cancelled as u64];
            let mut notes = reasons(&pass);
            notes.extend(closed(pass.closed));
            (fill_all(t.did_prepare, &counts), notes)
        }
        Action::Retry | Action::Cancel => {
            let (selection, catalogue) = (selection()?, &place.catalogue);
            let (done, text) = if action == Action::Retry {
                let done = actions.retry(catalogue, task, &selection).await?;
                (done, t.did_retry)
            } else {
                let done = actions.cancel(catalogue, task, &selection, &by.1).await?;
                (done, t.did_cancel)
            };
            let changed =
                (done.changed > 0 && done.closed.is_none()).then(|| fill(t.changed, done.changed));
            let notes = changed.into_iter().chain(closed(done.closed));
            (fill(text, done.done), notes.collect())
        }
        Action::Wake => {
            let agents: Vec<AgentId> = selection()?
                .into_iter()
                .flat_map(|(_, agents)| agents)
                .filter_map(|agent| u32::try_from(agent).ok().map(AgentId))
                .collect();
            wake(pages, task, agents, t).await?
        }
    };
    tracing::info!(
        task.id = task.0,
        action = action.word(),
        user = by.0,
        "{text}"
    );
    Ok(Done::Done(text, notes))
}

/// Asks agents; whoever waits longer than a page may is told that it goes on.
async fn wake(
    pages: &Pages,
    task: TaskId,
    agents: Vec<AgentId>,
    t: &'static Texts,
) -> Result<(String, Vec<String>), PageError> {
    let (actions, count) = (Arc::clone(&pages.actions), agents.len());
    let asking = tokio::spawn(async move {
        let summary = actions.wake(task, &agents).await;
        if let Ok(summary) = &summary {
            summary.log();
        }
        summary
    });
    let Ok(ended) = tokio::time::timeout(PATIENCE, asking).await else {
        return Ok((fill(t.did_wake_on, count), vec![]));
    };
    let summary = ended.map_err(|_| PageError::Render)??;
    let counts = [
        summary.asked,
        summary.awake,
        summary.refused,
        summary.unreachable,
    ];
    let text = fill_all(t.did_wake, &counts.map(|count| count as u64));
    let changed = count.saturating_sub(summary.asked);
    let mut notes: Vec<String> = (changed > 0)
        .then(|| fill(t.changed, changed))
        .into_iter()
        .collect();
    notes.extend(closed(summary.closed));
    Ok((text, notes))
}

fn closed(closed: Option<Closed>) -> Option<String> {
    closed.map(|closed| closed.to_string())
}

/// Who does it: as they sign in, and as they are called.
pub(super) fn by(who: &Who) -> (String, String) {
    match &who.account {
        Some(account) => (account.name.clone(), account.shown.clone()),
        None => (
            "-".to_owned(),
            "somebody who was not asked to sign in".to_owned(),
        ),
    }
}
