//! The page of one run: its whole story.

use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use chrono::NaiveDateTime;
use url::form_urlencoded::parse;

use super::error::PageError;
use super::language::Language;
use super::moments::span;
use super::page::{Frame, answer};
use super::routes::{BASE, Pages};
use super::task::rows::{Eyes, Line, Moment, Named, line_state};
use super::task::timeouts;
use super::texts::fill;
use super::texts::task::{self, Texts};
use super::visitor::Viewer;
use crate::clock;
use crate::db::run_pages::LogLine;
use crate::domain::actors::Target;
use crate::domain::ids::RunId;
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

async fn show(pages: &Pages, viewer: &Viewer, id: &str, query: &str) -> Result<RunPage, PageError> {
    let id = id.parse().map(RunId).map_err(|_| PageError::NotFound)?;
    let rows = pages.db.run_rows(&[id]).await?;
    let row = rows.first().ok_or(PageError::NotFound)?;
    let (task_id, entity) = row.task.ok_or(PageError::NotFound)?;
    let catalogue = &pages.catalogues.current().await?.catalogue;
    let (Some(task), Some(job)) = (catalogue.tasks.get(&task_id), catalogue.jobs.get(&row.job))
    else {
        return Err(PageError::NotFound);
    };
    if !viewer.access().sees(entity, &catalogue.entities) {
        // As if there were none.
        return Err(PageError::NotFound);
    }
    let from = from(query).map_err(PageError::BadQuery)?;
    // One more says whether there are others, and from the second page on the first one is the last of the page before.
    let most = PAGE + 1 + usize::from(from > 0);
    let mut log = pages.db.log_of_run(id, from, most).await?;
    let is_more = log.len() == most;
    log.truncate(most - 1);
    let frame = Frame::of(viewer);
    let t = task::of(frame.language);
    let mut targets = vec![row.target.clone()];
    targets.extend(log.iter().flat_map(items));
    let names = pages.db.target_names(&targets).await?;
    let links = pages.links();
    let eyes = Eyes {
        language: frame.language,
        links: &links,
        names: &names,
        now: clock::moment(pages.clock.as_ref(), pages.zone),
    };
    let timeout = timeouts(pages, &[job]).await?;
    let timeout = timeout.get(&job.id).copied().flatten();
    let name = decode(&task.name).into_owned();
    let more = log.last().filter(|_| is_more);
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
        line: eyes.line(row, &decode(&job.name), timeout),
        more: more.map(|last| at(format!("?from={}", last.id))),
        first: (from > 0).then(|| at(String::new())),
        told: told(&eyes, &log, from > 0),
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

/// The lines; the first of a later page was shown on the one before.
fn told(eyes: &Eyes<'_>, log: &[LogLine], is_later: bool) -> Vec<Told> {
    let t = task::of(eyes.language);
    let mut before: Option<NaiveDateTime> = None;
    let mut told = Vec::with_capacity(log.len());
    for (at, line) in log.iter().enumerate() {
        if at > 0 || !is_later {
            told.push(Told {
                at: line.date.map(Moment::of),
                after: after(before, line.date, eyes.language),
                state: line_state(line.state, t),
                words: eyes.words(&line.comment),
            });
        }
        before = line.date.or(before);
    }
    told
}

/// The time from one line to the next.
fn after(
    before: Option<NaiveDateTime>,
    date: Option<NaiveDateTime>,
    language: Language,
) -> Option<String> {
    let passed = (date? - before?).num_seconds();
    Some(span(passed, language))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use chrono::TimeZone as _;
    use chrono_tz::Tz;

    use super::*;
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
        let all = told(&eyes, &log, false);
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
        let later = told(&eyes, &log[1..], true);
        assert_eq!(later, all[2..]);
    }
}
