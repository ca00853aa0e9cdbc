//! Runs of a task, and the story of one.

use std::collections::HashMap;
use std::time::Duration;

use axum::extract::{Path, RawQuery, State};
use axum::response::Json;
use chrono::NaiveDateTime;
use serde::Serialize;

use super::caller::Caller;
use super::{Named, Refusal};
use crate::clock;
use crate::db::run_pages::{LogLine, RunRow};
use crate::domain::actors::Target;
use crate::domain::ids::{AgentId, RunId};
use crate::proto::text::decode;
use crate::web::language::Language;
use crate::web::links::Links;
use crate::web::routes::Pages;
use crate::web::runs::story;
use crate::web::task::asked::word;
use crate::web::task::rows::{Eyes, duration, line_word, not_before, silent};
use crate::web::task::search;
use crate::web::texts::task;

/// A page of them.
#[derive(Debug, Serialize)]
pub(super) struct RunsPage {
    runs: Vec<Run>,
    /// The page before which this one ends.
    next: Option<RunId>,
    /// The time was over before the page was full.
    is_cut: bool,
    looked_at: u64,
}

/// A run. Moments are GLPI's local time.
#[derive(Debug, Serialize)]
struct Run {
    id: RunId,
    job: Named,
    target: On,
    agent: Agent,
    computer: Option<Named>,
    state: Option<&'static str>,
    not_before: Option<NaiveDateTime>,
    began: Option<NaiveDateTime>,
    /// The last log line, and what it says.
    last: Option<NaiveDateTime>,
    said: Option<String>,
    /// Seconds.
    duration: Option<i64>,
    silent: Option<i64>,
    timeout: Option<u64>,
}

/// A target.
#[derive(Debug, Serialize)]
struct On {
    itemtype: String,
    items_id: u32,
    name: String,
}

/// An agent; without a name it is gone.
#[derive(Debug, Serialize)]
struct Agent {
    id: AgentId,
    name: Option<String>,
}

/// A run with its log.
#[derive(Debug, Serialize)]
pub(super) struct Story {
    task: Named,
    run: Run,
    lines: Vec<Line>,
    /// The line after which the next page begins.
    next: Option<u64>,
}

/// A line of the log.
#[derive(Debug, Serialize)]
struct Line {
    id: u64,
    at: Option<NaiveDateTime>,
    /// Seconds since the line before it.
    after: Option<i64>,
    state: &'static str,
    text: String,
}

fn eyes<'a>(pages: &Pages, names: &'a HashMap<Target, String>, links: &'a Links) -> Eyes<'a> {
    Eyes {
        language: Language::English,
        links,
        names,
        now: clock::moment(pages.clock.as_ref(), pages.zone),
    }
}

fn run(eyes: &Eyes<'_>, row: &RunRow, job: String, timeout: Option<Duration>) -> Run {
    let named = |name: &str| (!name.is_empty()).then(|| name.to_owned());
    Run {
        id: row.id,
        job: Named::of(row.job.0, job),
        target: On {
            itemtype: row.target.itemtype.clone(),
            items_id: row.target.items_id,
            name: eyes.target(&row.target).text,
        },
        agent: Agent {
            id: row.agent,
            name: named(&row.agent_name),
        },
        computer: named(&row.computer_name).map(|name| Named::of(row.computer.0, name)),
        state: row.state.map(word),
        not_before: not_before(row),
        began: row.began,
        last: row.last.as_ref().and_then(|line| line.date),
        said: row.last.as_ref().map(|line| eyes.plain(line)),
        duration: duration(row, eyes.now).map(|seconds| seconds.max(0)),
        silent: silent(row, eyes.now),
        timeout: timeout.map(|timeout| timeout.as_secs()),
    }
}

/// `GET tasks/ID/runs`: as the page of a task shows them.
pub(super) async fn runs(
    State(pages): State<Pages>,
    caller: Caller,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<RunsPage>, Refusal> {
    let catalogue = &pages.catalogues.current().await?.catalogue;
    let asked = (id.as_str(), query.as_deref().unwrap_or_default());
    let t = task::of(Language::English);
    let found = search::runs(&pages, &caller.access, catalogue, asked, t).await?;
    let targets: Vec<Target> = found.rows.iter().map(|row| row.target.clone()).collect();
    let names = pages.db.target_names(&targets).await?;
    let links = Links::default();
    let eyes = eyes(&pages, &names, &links);
    let runs = found.rows.iter().map(|row| {
        let job = found.job_name(row.job);
        run(&eyes, row, job, found.timeout(row.job))
    });
    Ok(Json(RunsPage {
        runs: runs.collect(),
        next: found.found.next,
        is_cut: found.found.is_cut,
        looked_at: found.found.looked_at,
    }))
}

/// `GET runs/ID`: as its page tells it.
pub(super) async fn one(
    State(pages): State<Pages>,
    caller: Caller,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<Story>, Refusal> {
    let catalogue = &pages.catalogues.current().await?.catalogue;
    let query = query.unwrap_or_default();
    let story = story(&pages, &caller.access, catalogue, &id, &query).await?;
    let links = Links::default();
    let eyes = eyes(&pages, &story.names, &links);
    let (task_id, task) = story.task;
    let steps = story.steps();
    let line = |(line, after): (&LogLine, Option<i64>)| Line {
        id: line.id,
        at: line.date,
        after,
        state: line_word(line.state),
        text: eyes.text(&line.comment, "\n").unwrap_or_default(),
    };
    Ok(Json(Story {
        task: Named::of(task_id.0, decode(&task.name).into_owned()),
        run: run(
            &eyes,
            &story.row,
            decode(&story.job.name).into_owned(),
            story.timeout,
        ),
        lines: steps.into_iter().map(line).collect(),
        next: story.next,
    }))
}
