//! Copying, moving and deleting a job: a page that says what is done, and does it where all is still as it was shown.

use std::str::FromStr as _;
use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{Method as Verb, StatusCode};
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;

use super::{JobPlace, called, job_place, log, name_of};
use crate::clock;
use crate::db::editing::jobs::{Drafted, Fate, Taken};
use crate::domain::access::{CREATE, PURGE};
use crate::domain::actors::Target;
use crate::domain::editing::job::{Draft, Side};
use crate::domain::ids::{JobId, TaskId};
use crate::proto::text::{decode, encode};
use crate::web::actions::{Place, place_with};
use crate::web::edit::{Said, author, saved};
use crate::web::error::PageError;
use crate::web::forms::Posted;
use crate::web::page::{Frame, answer};
use crate::web::routes::{BASE, Pages};
use crate::web::texts::job::{self, Texts};
use crate::web::texts::{edit, fill};
use crate::web::visitor::{Viewer, Visitor, Who, to_login};

/// Most tasks that are offered; the number of any other can be typed.
const MOST_TASKS: usize = 500;

/// Longest name as it is stored.
const MOST_NAME: usize = 255;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    Copy,
    Move,
    Delete,
}

impl Doing {
    const ALL: [Self; 3] = [Self::Copy, Self::Move, Self::Delete];

    const fn word(self) -> &'static str {
        match self {
            Self::Copy => "copy",
            Self::Move => "move",
            Self::Delete => "delete",
        }
    }

    /// What it takes beside the right to update: as GLPI asks for it, a job that is moved leaves one task and comes into another.
    const fn rights(self) -> u32 {
        match self {
            Self::Copy => CREATE,
            Self::Move => CREATE | PURGE,
            Self::Delete => PURGE,
        }
    }

    fn heading(self, name: &str, t: &Texts) -> String {
        let text = match self {
            Self::Copy => t.copy_job,
            Self::Move => t.move_job,
            Self::Delete => t.delete_job,
        };
        fill(text, name)
    }

    /// What the log says.
    const fn done(self) -> &'static str {
        match self {
            Self::Copy => "a job was copied",
            Self::Move => "a job was moved",
            Self::Delete => "a job was deleted",
        }
    }
}

/// The addresses; `at` = below that of the job.
pub(super) fn routes(at: impl Fn(&str) -> String) -> Router<Pages> {
    let mut router = Router::new();
    for doing in Doing::ALL {
        let show = move |state, path, viewer| ask(doing, state, path, viewer);
        let act = move |state, path, posted| act(doing, state, path, posted);
        router = router.route(&at(doing.word()), get(show).post(act));
    }
    router
}

/// What the form carries.
#[derive(Debug, Default, Deserialize)]
struct Sent {
    /// The job as it was shown, and its task.
    #[serde(default)]
    shown: String,
    #[serde(default)]
    from: u32,
    /// How many runs it had.
    #[serde(default)]
    total: u64,
    /// Where it goes, as it was typed.
    #[serde(default)]
    to: String,
    /// What the copy is called.
    #[serde(default)]
    name: String,
}

#[derive(Template)]
#[template(path = "fate.html", config = "src/web/askama.toml")]
struct FatePage {
    frame: Frame,
    t: &'static Texts,
    heading: String,
    task: String,
    back: (String, String),
    action: String,
    said: Said,
    text: String,
    /// It can be done.
    is_possible: bool,
    shown: String,
    from: TaskId,
    total: u64,
    /// Where it goes is asked, with these to choose from.
    tasks: Option<Vec<(TaskId, String)>>,
    to: String,
    /// What a copy is called.
    name: Option<String>,
}

/// `GET jobs/ID/copy`, `move` and `delete`.
async fn ask(
    doing: Doing,
    State(pages): State<Pages>,
    Path(id): Path<String>,
    viewer: Viewer,
) -> Response {
    let shown = async {
        let at = job_place(&pages, viewer.who(), &id, doing.rights()).await?;
        let sent = Sent {
            to: if doing == Doing::Copy {
                at.task.id.to_string()
            } else {
                String::new()
            },
            name: at.drafted.draft.name.clone(),
            ..Sent::default()
        };
        let who = viewer.who();
        render(
            &pages,
            (&viewer, who),
            doing,
            &at,
            sent,
            StatusCode::OK,
            Said::default(),
        )
        .await
    };
    shown.await.unwrap_or_else(|error| viewer.refuse(error))
}

async fn render(
    pages: &Pages,
    (visitor, who): (&Visitor, &Who),
    doing: Doing,
    at: &JobPlace,
    sent: Sent,
    status: StatusCode,
    said: Said,
) -> Result<Response, PageError> {
    let frame = Frame::of(visitor);
    let t = job::of(frame.language);
    let runs = pages.db.runs_of_job(at.job).await?;
    let is_held = doing != Doing::Copy && runs.open > 0;
    let text = match doing {
        _ if is_held => fill(t.still_open, runs.open),
        Doing::Copy => t.ask_copy.to_owned(),
        Doing::Move => fill(t.ask_move, runs.total),
        Doing::Delete => fill(t.ask_delete, runs.total),
    };
    let tasks = match doing {
        Doing::Delete => None,
        Doing::Copy | Doing::Move => Some(tasks(pages, who, at).await?),
    };
    let draft = &at.drafted.draft;
    let page = FatePage {
        t,
        heading: doing.heading(&name_of(at.job, draft), t),
        task: at.task.name.clone(),
        back: (
            format!("{BASE}tasks/{}/edit", at.task.id),
            fill(edit::of(frame.language).to_task, &at.task.name),
        ),
        action: format!("{BASE}jobs/{}/{}", at.job, doing.word()),
        said,
        text,
        is_possible: !is_held,
        shown: draft.pack(),
        from: at.task.id,
        total: runs.total,
        tasks,
        to: sent.to,
        name: (doing == Doing::Copy).then_some(sent.name),
        frame,
    };
    Ok(answer(visitor, status, &page))
}

/// The newest tasks that somebody may change.
async fn tasks(
    pages: &Pages,
    who: &Who,
    at: &JobPlace,
) -> Result<Vec<(TaskId, String)>, PageError> {
    let catalogue = &at.task.catalogue;
    let entities = pages.db.task_entities().await?;
    let may_change = |task: &TaskId| {
        let entity = entities.get(task);
        entity.is_some_and(|entity| who.access.may(CREATE, *entity, &catalogue.entities))
    };
    let tasks = catalogue.tasks.iter().filter(|(id, _)| may_change(id));
    let mut tasks: Vec<(TaskId, String)> = tasks
        .map(|(id, task)| (*id, decode(&task.name).into_owned()))
        .collect();
    tasks.sort_unstable_by_key(|(id, _)| std::cmp::Reverse(*id));
    tasks.truncate(MOST_TASKS);
    Ok(tasks)
}

/// `POST jobs/ID/copy`, `move` and `delete`.
async fn act(
    doing: Doing,
    State(pages): State<Pages>,
    Path(id): Path<String>,
    posted: Posted<Sent>,
) -> Response {
    let Posted { visitor, fields } = posted;
    let Some(who) = visitor.viewer.clone() else {
        return to_login(&visitor, &Verb::POST);
    };
    let done = take(&pages, (&visitor, &who), doing, &id, fields).await;
    done.unwrap_or_else(|error| visitor.refuse(error))
}

async fn take(
    pages: &Pages,
    (visitor, who): (&Visitor, &Who),
    doing: Doing,
    id: &str,
    sent: Sent,
) -> Result<Response, PageError> {
    let at = job_place(pages, who, id, doing.rights()).await?;
    let t = job::of(visitor.language);
    let draft = Draft::unpack(&sent.shown).ok_or(PageError::BadForm("shown"))?;
    let fate = match fate(pages, who, doing, &at, &sent, t).await? {
        Ok(fate) => fate,
        Err(error) => {
            let (status, said) = (StatusCode::BAD_REQUEST, Said::error(error));
            return render(pages, (visitor, who), doing, &at, sent, status, said).await;
        }
    };
    let shown = Drafted {
        task: TaskId(sent.from),
        draft,
    };
    let (now, author) = (clock::local(pages.clock.as_ref(), pages.zone), author(who));
    let taking = pages
        .db
        .take_job(at.job, &shown, sent.total, &fate, &author, now);
    let error = match taking.await? {
        Taken::Done(job) => {
            let task = match fate {
                Fate::Copy(to, _) | Fate::Move(to) => to,
                Fate::Delete => {
                    clear(pages, job);
                    at.task.id
                }
            };
            log(&at.task, who, job, doing.done());
            return Ok(saved(&format!("{BASE}tasks/{task}/edit"), 1));
        }
        Taken::Open(open) => fill(t.still_open, open),
        Taken::Changed => t.job_changed.to_owned(),
        Taken::Late => t.too_late.to_owned(),
        Taken::Gone => return Err(PageError::NotFound),
    };
    let now = job_place(pages, who, id, doing.rights()).await?;
    let (status, said) = (StatusCode::CONFLICT, Said::error(error));
    render(pages, (visitor, who), doing, &now, sent, status, said).await
}

/// Deletes the runs of a job that was deleted, which may take a while.
fn clear(pages: &Pages, job: JobId) {
    let actions = Arc::clone(&pages.actions);
    tokio::spawn(async move {
        match actions.clear(job).await {
            Ok(runs) => tracing::info!(job.id = job.0, runs, "its runs were deleted"),
            Err(error) => {
                tracing::warn!(job.id = job.0, error = %error, code = error.code(), "its runs are left to cleaning");
            }
        }
    });
}

/// What is to become of the job; or what is wrong with what was typed.
async fn fate(
    pages: &Pages,
    who: &Who,
    doing: Doing,
    at: &JobPlace,
    sent: &Sent,
    t: &'static Texts,
) -> Result<Result<Fate, String>, PageError> {
    if doing == Doing::Delete {
        return Ok(Ok(Fate::Delete));
    }
    let typed = sent.to.trim();
    let Ok(number) = u32::from_str(typed) else {
        return Ok(Err(fill(t.bad_task, typed)));
    };
    let to = match place_with(pages, who, &number.to_string(), CREATE).await {
        Ok(to) => to,
        // Whether there is one is not told to who may not see it.
        Err(PageError::NotFound | PageError::Forbidden) => {
            return Ok(Err(fill(t.bad_task, typed)));
        }
        Err(error) => return Err(error),
    };
    if let Some(odd) = foreign(pages, who, at, &to).await? {
        return Ok(Err(fill(t.bad_item, called(&odd, t))));
    }
    let to = to.id;
    if doing == Doing::Move {
        let is_there = to == at.task.id;
        return Ok(if is_there {
            Err(t.same_task.to_owned())
        } else {
            Ok(Fate::Move(to))
        });
    }
    let name = sent.name.trim();
    if name.is_empty() {
        return Ok(Err(t.no_name.to_owned()));
    }
    if encode(name).chars().count() > MOST_NAME {
        return Ok(Err(t.too_long.to_owned()));
    }
    Ok(Ok(Fate::Copy(to, name.to_owned())))
}

/// A target or actor of the job that `who` could not choose for a job of the other task, if there is one.
async fn foreign(
    pages: &Pages,
    who: &Who,
    at: &JobPlace,
    to: &Place,
) -> Result<Option<Target>, PageError> {
    if to.id == at.task.id {
        return Ok(None);
    }
    let draft = &at.drafted.draft;
    let all = Side::ALL.map(|side| draft.new_of(None, side));
    let all: Vec<Target> = all.into_iter().flatten().cloned().collect();
    let found = pages.db.items(&all).await?;
    let tree = &to.catalogue.entities;
    let mut found = found.into_iter();
    let odd = found.find(|item| {
        let lies = (item.entity, item.recursive);
        !who.access.offers(lies, to.entity, tree)
    });
    Ok(odd.map(|item| item.target))
}
