//! The page of one run: its whole story.

use std::collections::HashMap;
use std::time::Duration;

use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use chrono::NaiveDateTime;
use url::form_urlencoded::parse;

use super::error::PageError;
use super::moments::span;
use super::page::{Frame, answer};
use super::routes::{BASE, Pages};
use super::task::rows::{Eyes, Line, Moment, Named, line_state};
use super::task::timeouts;
use super::texts::fill;
use super::texts::task::{self, Texts};
use super::visitor::Viewer;
use crate::clock;
use crate::db::run_pages::{LogLine, RunRow};
use crate::domain::access::Access;
use crate::domain::actors::Target;
use crate::domain::catalogue::{Catalogue, Job, Task};
use crate::domain::ids::{RunId, TaskId};
use crate::proto::coded::{Piece, pieces};
use crate::proto::text::decode;

/// Log lines on a page: runs have ten or twenty, discoveries one and more a device.
const PAGE: usize = 500;

/// A line of the log.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    at: Option<Moment>,
    /// From the line before it.
    after: Option<String>,
    /// Class of the style, and its name.
    state: (&'static str, &'static str),
    /// What it says; none = a new line.
    words: Vec<Option<Named>>,
}

#[derive(Template)]
#[template(path = "run.html", config = "src/web/askama.toml")]
struct RunPage {
    frame: Frame,
    t: &'static Texts,
    heading: String,
    /// Its task, and where that is here and in GLPI.
    task: (String, String, Option<String>),
    back: String,
    line: Line,
    told: Vec<Told>,
    /// Where the following lines are.
    more: Option<String>,
    /// Where the first lines are, on another page.
    first: Option<String>,
}

/// `GET /sidecar/runs/{id}`.
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

/// A run, and a page of its log.
#[derive(Debug)]
pub(super) struct Story<'a> {
    pub(super) row: RunRow,
    pub(super) task: (TaskId, &'a Task),
    pub(super) job: &'a Job,
    pub(super) timeout: Option<Duration>,
    /// With the last line of the page before, if there is one.
    log: Vec<LogLine>,
    /// It is not the first page.
    is_later: bool,
    /// What is named in the run and its log.
    pub(super) names: HashMap<Target, String>,
    /// The line after which the next page begins.
    pub(super) next: Option<u64>,
}

/// The run `id` and the page of its log that `query` asks for, for who has `access`.
pub(super) async fn story<'a>(
    pages: &Pages,
    access: &Access,
    catalogue: &'a Catalogue,
    id: &str,
    query: &str,
) -> Result<Story<'a>, PageError> {
    let id = id.parse().map(RunId).map_err(|_| PageError::NotFound)?;
    let rows = pages.db.run_rows(&[id]).await?;
    let row = rows.into_iter().next().ok_or(PageError::NotFound)?;
    let (task_id, entity) = row.task.ok_or(PageError::NotFound)?;
    let (Some(task), Some(job)) = (catalogue.tasks.get(&task_id), catalogue.jobs.get(&row.job))
    else {
        return Err(PageError::NotFound);
    };
    if !access.sees(entity, &catalogue.entities) {
        // As if there were none.
        return Err(PageError::NotFound);
    }
    let from = from(query).map_err(PageError::BadQuery)?;
    let is_later = from > 0;
    // One more says whether there are others, and from the second page on the first one is the last of the page before.
    let most = PAGE + 1 + usize::from(is_later);
    let mut log = pages.db.log_of_run(id, from, most).await?;
    let is_more = log.len() == most;
    log.truncate(most - 1);
    let mut targets = vec![row.target.clone()];
    targets.extend(log.iter().flat_map(items));
    let timeout = timeouts(pages, &[job]).await?;
    Ok(Story {
        names: pages.db.target_names(&targets).await?,
        timeout: timeout.get(&job.id).copied().flatten(),
        next: log.last().filter(|_| is_more).map(|last| last.id),
        task: (task_id, task),
        row,
        job,
        log,
        is_later,
    })
}

impl Story<'_> {
    /// The lines, and the seconds from each before it; the first of a later page was shown on the one before.
    pub(super) fn steps(&self) -> Vec<(&LogLine, Option<i64>)> {
        steps(&self.log, self.is_later)
    }
}

fn steps(log: &[LogLine], is_later: bool) -> Vec<(&LogLine, Option<i64>)> {
    let mut before: Option<NaiveDateTime> = None;
    let mut steps = Vec::with_capacity(log.len());
    for (at, line) in log.iter().enumerate() {
        if at > 0 || !is_later {
            let passed = line.date.zip(before).map(|(date, before)| date - before);
            steps.push((line, passed.map(|passed| passed.num_seconds())));
        }
        before = line.date.or(before);
    }
    steps
}

async fn show(pages: &Pages, viewer: &Viewer, id: &str, query: &str) -> Result<RunPage, PageError> {
    let catalogue = &pages.catalogues.current().await?.catalogue;
    let story = story(pages, viewer.access(), catalogue, id, query).await?;
    let frame = Frame::of(viewer);
    let t = task::of(frame.language);
    let links = pages.links();
    let eyes = Eyes {
        language: frame.language,
        links: &links,
        names: &story.names,
        now: clock::moment(pages.clock.as_ref(), pages.zone),
    };
    let (id, (task_id, task)) = (story.row.id, story.task);
    let name = decode(&task.name).into_owned();
    let at = |query: String| format!("{BASE}runs/{id}{query}#log");
    Ok(RunPage {
        t,
        heading: fill(t.run, id),
        back: fill(t.to_task, &name),
        task: (
            name,
            format!("{BASE}tasks/{task_id}"),
            links.item("PluginFusioninventoryTask", task_id.0),
        ),
        line: eyes.line(&story.row, &decode(&story.job.name), story.timeout),
        more: story.next.map(|last| at(format!("?from={last}"))),
        first: story.is_later.then(|| at(String::new())),
        told: told(&eyes, &story.steps()),
        frame,
    })
}

/// The line that a page begins with.
fn from(query: &str) -> Result<u64, &'static str> {
    let from = parse(query.as_bytes()).find(|(name, value)| name == "from" && !value.is_empty());
    from.map_or(Ok(0), |(_, value)| value.parse().map_err(|_| "from"))
}

/// What a line names.
fn items(line: &LogLine) -> Vec<Target> {
    let items = pieces(&line.comment)
        .into_iter()
        .filter_map(|piece| match piece {
            Piece::Item { itemtype, items_id } => Some(Target {
                itemtype: itemtype.to_owned(),
                items_id,
            }),
            Piece::Text(_) | Piece::Code(_) | Piece::Break => None,
        });
    items.collect()
}

/// The lines in words.
fn told(eyes: &Eyes<'_>, steps: &[(&LogLine, Option<i64>)]) -> Vec<Told> {
    let t = task::of(eyes.language);
    let told = steps.iter().map(|(line, passed)| Told {
        at: line.date.map(Moment::of),
        after: passed.map(|passed| span(passed, eyes.language)),
        state: line_state(line.state, t),
        words: eyes.words(&line.comment),
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;
    use chrono_tz::Tz;

    use super::*;
    use crate::web::language::Language;
    use crate::web::links::Links;

    #[test]
    fn pages_of_a_log() {
        for (query, expected) in [
            ("", Ok(0)),
            ("from=", Ok(0)),
            ("x=1&from=7", Ok(7)),
            ("from=-1", Err("from")),
            ("from=a", Err("from")),
        ] {
            assert_eq!(from(query), expected, "{query}");
        }
    }

    #[test]
    fn a_story_in_words_and_times() {
        let line = |id, time: &str, state, comment: &str| LogLine {
            id,
            date: format!("2026-03-04T{time}").parse().ok(),
            state,
            comment: comment.to_owned(),
        };
        let log = [
            line(1, "11:00:00", 7, ""),
            line(2, "11:00:05", 6, "==inventorystarted=="),
            line(3, "", 6, "no date"),
            line(
                4,
                "11:02:05",
                6,
                "[==detail==] ==addtheitem== [[Printer::7]],[x]",
            ),
        ];
        let eyes = Eyes {
            language: Language::English,
            links: &Links::default(),
            names: &HashMap::new(),
            now: Tz::UTC.with_ymd_and_hms(2026, 3, 4, 12, 0, 0).unwrap(),
        };
        let all = told(&eyes, &steps(&log, false));
        let afters: Vec<Option<&str>> = all.iter().map(|of| of.after.as_deref()).collect();
        assert_eq!(afters, [None, Some("5 s"), None, Some("2 min")]);
        let words = |of: &Told| -> Vec<String> {
            let words = of.words.iter();
            let words = words.map(|part| part.as_ref().map_or("\n", |named| &named.text));
            words.map(str::to_owned).collect()
        };
        assert_eq!((words(&all[0]), all[0].state.1), (vec![], "Prepared"));
        assert_eq!(words(&all[1]), ["Inventory started"]);
        assert_eq!(words(&all[3]).concat(), "[Detail] Added: Printer 7\n[x]");
        let later = told(&eyes, &steps(&log[1..], true));
        assert_eq!(later, all[2..]);
    }
}
