//! Reports as pages, and their tables as files.

mod chart;

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;

use super::error::PageError;
use super::language::Language;
use super::page::{Frame, answer};
use super::routes::Pages;
use super::texts::{Texts, fill};
use super::visitor::Viewer;
use crate::clock;
use crate::db::DbError;
use crate::domain::access::Access;
use crate::domain::catalogue::Catalogue;
use crate::domain::ids::TaskId;
use crate::domain::reports::ask::{Ask, Given, MOST_ROWS, MOST_SHOWN, Wrong};
use crate::domain::reports::{Name, Report, Table, Tongue, write};
use crate::domain::summary::Board;
use crate::work::reports::{Failure, Sources, make, tasks};
use chart::Picture;

/// Most tasks, and most entities, to choose from: a longer list is no help. Others are reached by their numbers.
const CHOICES: usize = 500;

/// What an address can ask.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fields {
    from: Option<String>,
    to: Option<String>,
    entity: Option<String>,
    task: Option<String>,
    days: Option<String>,
    format: Option<String>,
    table: Option<String>,
}

impl Fields {
    /// What is asked of the report itself.
    pub(super) fn given(&self) -> Given<'_> {
        Given {
            from: self.from.as_deref(),
            to: self.to.as_deref(),
            entity: self.entity.as_deref(),
            task: self.task.as_deref(),
            days: self.days.as_deref(),
        }
    }

    /// Whether it is of how the page is shown too.
    pub(super) const fn is_of_page(&self) -> bool {
        self.format.is_some() || self.table.is_some()
    }
}

/// What a report for somebody who has `access` is made of, now.
pub(super) fn sources<'a>(
    pages: &'a Pages,
    catalogue: &'a Catalogue,
    board: &'a Board,
    access: &'a Access,
) -> Sources<'a> {
    Sources {
        db: &pages.db,
        catalogue,
        board,
        now: pages.clock.now(),
        local: clock::local(pages.clock.as_ref(), pages.zone),
        access,
    }
}

/// A report in the list.
#[derive(Debug)]
struct Entry {
    word: &'static str,
    title: &'static str,
    about: &'static str,
}

#[derive(Template)]
#[template(path = "reports.html", config = "src/web/askama.toml")]
struct ListPage {
    frame: Frame,
    entries: Vec<Entry>,
}

/// The form above a report.
#[derive(Debug, Default)]
struct Form {
    has_period: bool,
    from: String,
    to: String,
    days: String,
    entity: String,
    entities: Vec<String>,
    /// Number, name, chosen; none for a report that is of no task.
    tasks: Option<Vec<(u32, String, bool)>>,
}

/// A table as it is shown.
#[derive(Debug)]
struct Shown {
    name: &'static str,
    title: &'static str,
    /// Title, and whether its cells stand at the right.
    heads: Vec<(&'static str, bool)>,
    rows: Vec<Vec<(String, bool)>>,
    cut: Option<String>,
    picture: Option<Picture>,
    picture_title: String,
    csv: String,
    csv_label: String,
}

#[derive(Template)]
#[template(path = "report.html", config = "src/web/askama.toml")]
struct ReportPage {
    frame: Frame,
    word: &'static str,
    title: &'static str,
    about: &'static str,
    form: Form,
    error: Option<String>,
    made: Option<String>,
    notes: Vec<String>,
    tables: Vec<Shown>,
    json: String,
}

const fn tongue(language: Language) -> Tongue {
    match language {
        Language::English => Tongue::English,
        Language::French => Tongue::French,
    }
}

/// `GET /sidecar/reports`.
pub async fn list(viewer: Viewer) -> Response {
    let frame = Frame::of(&viewer);
    let tongue = tongue(frame.language);
    let entries = Name::ALL.map(|name| Entry {
        word: name.word(),
        title: name.title().of(tongue),
        about: name.about().of(tongue),
    });
    let page = ListPage {
        frame,
        entries: entries.into(),
    };
    answer(&viewer, StatusCode::OK, &page)
}

/// `GET /sidecar/reports/NAME`: the page, or with `format` a file.
pub async fn page(
    State(pages): State<Pages>,
    Path(word): Path<String>,
    fields: Result<Query<Fields>, QueryRejection>,
    viewer: Viewer,
) -> Response {
    let Some(name) = Name::of_word(&word) else {
        return viewer.refuse(PageError::NotFound);
    };
    match shown(&pages, &viewer, name, fields).await {
        Ok(response) => response,
        Err(error) => viewer.refuse(error.into()),
    }
}

/// How it is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Page,
    Csv,
    Json,
}

async fn shown(
    pages: &Pages,
    viewer: &Viewer,
    name: Name,
    fields: Result<Query<Fields>, QueryRejection>,
) -> Result<Response, DbError> {
    let frame = Frame::of(viewer);
    let (t, tongue) = (frame.t, tongue(frame.language));
    let mut error = None;
    let fields = fields.map_or_else(
        |_| {
            error = Some(t.report_field_wrong.to_owned());
            Fields::default()
        },
        |Query(fields)| fields,
    );
    let format = match fields.format.as_deref() {
        None | Some("") => Format::Page,
        Some("csv") => Format::Csv,
        Some("json") => Format::Json,
        Some(other) => {
            error = Some(fill(t.report_format_wrong, other));
            Format::Page
        }
    };
    let snapshot = pages.catalogues.current().await?;
    let board = pages.monitor.board();
    let sources = sources(pages, &snapshot.catalogue, &board, viewer.access());
    let rows = if format == Format::Page {
        MOST_SHOWN
    } else {
        MOST_ROWS
    };
    let today = sources.local.date();
    let ask = Ask::read(name, &fields.given(), today, rows);
    let (made, form) = tokio::try_join!(
        report(&sources, &ask, error.is_some()),
        form(&sources, name, &fields, ask.as_ref().ok())
    )?;
    let made = match made {
        Ok(report) => report,
        Err(wrong) => {
            error = error.or_else(|| Some(wrong.text(tongue)));
            None
        }
    };
    if let (Some(report), None, Ok(ask)) = (&made, &error, &ask)
        && format != Format::Page
    {
        match file(report, ask, format, fields.table.as_deref()) {
            Ok(file) => return Ok(file),
            Err(wrong) => error = Some(wrong.text(tongue)),
        }
    }
    let status = if error.is_some() {
        StatusCode::BAD_REQUEST
    } else {
        StatusCode::OK
    };
    let report = made.filter(|_| error.is_none());
    let link = |more: &[(&str, &str)]| link(&form, more);
    let tables = report.iter().flat_map(|report| &report.tables);
    let page = ReportPage {
        word: name.word(),
        title: name.title().of(tongue),
        about: name.about().of(tongue),
        made: report.as_ref().map(|report| {
            let made = report.made.format("%Y-%m-%d %H:%M:%S");
            fill(t.report_made, made)
        }),
        notes: report
            .iter()
            .flat_map(|report| &report.notes)
            .map(|note| note.text(tongue))
            .collect(),
        tables: tables
            .map(|table| {
                let csv = link(&[("format", "csv"), ("table", table.name)]);
                show(table, t, tongue, csv)
            })
            .collect(),
        json: link(&[("format", "json")]),
        error,
        form,
        frame,
    };
    Ok(answer(viewer, status, &page))
}

/// The report, if nothing is wrong yet; or what is wrong with what is asked.
async fn report(
    sources: &Sources<'_>,
    ask: &Result<Ask, Wrong>,
    is_wrong: bool,
) -> Result<Result<Option<Report>, Wrong>, DbError> {
    let ask = match ask {
        _ if is_wrong => return Ok(Ok(None)),
        Err(wrong) => return Ok(Err(wrong.clone())),
        Ok(ask) => ask,
    };
    match make(sources, ask).await {
        Ok(report) => Ok(Ok(Some(report))),
        Err(Failure::Wrong(wrong)) => Ok(Err(wrong)),
        Err(Failure::Db(error)) => Err(error),
    }
}

/// What was asked, and what can be.
async fn form(
    sources: &Sources<'_>,
    name: Name,
    fields: &Fields,
    ask: Option<&Ask>,
) -> Result<Form, DbError> {
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    let tree = &sources.catalogue.entities;
    let entities = sources.db.entity_names().await?;
    let seen = entities.into_iter();
    let seen = seen.filter(|(id, ..)| sources.access.sees(*id, tree));
    let chosen = ask.and_then(|ask| ask.task);
    let choice = match name.kind() {
        None => None,
        Some(kind) => {
            let all = tasks(sources, kind, None).await?;
            let mut choice: Vec<(u32, String, bool)> = Vec::new();
            for (at, (TaskId(id), name)) in all.into_iter().enumerate() {
                let is_chosen = chosen == Some(TaskId(id));
                if at < CHOICES || is_chosen {
                    choice.push((id, name, is_chosen));
                }
            }
            Some(choice)
        }
    };
    let has_period = name.has_period();
    Ok(Form {
        has_period,
        from: ask.map_or_else(|| text(&fields.from), |ask| ask.from.to_string()),
        to: ask.map_or_else(|| text(&fields.to), |ask| ask.to.to_string()),
        days: ask.map_or_else(|| text(&fields.days), |ask| ask.days.to_string()),
        entity: text(&fields.entity),
        entities: seen.map(|(.., complete)| complete).take(CHOICES).collect(),
        tasks: choice,
    })
}

/// The query of this report with `more` fields.
fn link(form: &Form, more: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    if form.has_period {
        query.append_pair("from", &form.from);
        query.append_pair("to", &form.to);
    } else {
        query.append_pair("days", &form.days);
    }
    if !form.entity.is_empty() {
        query.append_pair("entity", &form.entity);
    }
    let chosen = form.tasks.iter().flatten().find(|task| task.2);
    if let Some((id, ..)) = chosen {
        query.append_pair("task", &id.to_string());
    }
    query.extend_pairs(more);
    format!("?{}", query.finish())
}

fn file(
    report: &Report,
    ask: &Ask,
    format: Format,
    table: Option<&str>,
) -> Result<Response, Wrong> {
    let table = table.filter(|name| !name.is_empty());
    let Some(found) = report.table(table) else {
        let names = report.tables.iter().map(|table| table.name).collect();
        return Err(Wrong::Table(table.unwrap_or_default().to_owned(), names));
    };
    let word = report.name.word();
    let when = if report.period.is_some() {
        format!("{}-{}", ask.from, ask.to)
    } else {
        report.made.date().to_string()
    };
    let (file, kind, body) = if format == Format::Csv {
        (
            format!("{word}-{}-{when}.csv", found.name),
            "text/csv; charset=utf-8; header=present",
            write::csv(found),
        )
    } else {
        (
            format!("{word}-{when}.json"),
            "application/json",
            write::json(report).to_string(),
        )
    };
    let headers: [(HeaderName, String); 2] = [
        (CONTENT_TYPE, kind.to_owned()),
        // Words of ours and dates: nothing that would have to be quoted otherwise.
        (
            CONTENT_DISPOSITION,
            format!("attachment; filename=\"{file}\""),
        ),
    ];
    Ok((headers, body).into_response())
}

fn show(table: &Table, t: &Texts, tongue: Tongue, csv: String) -> Shown {
    let title = table.title.of(tongue);
    let columns = table.columns.iter();
    let rows = table.rows.iter().map(|row| {
        let cells = row.iter().zip(table.columns);
        let cells = cells.map(|(cell, column)| (cell.text(tongue), column.holds.is_number()));
        cells.collect()
    });
    Shown {
        name: table.name,
        title,
        heads: columns
            .map(|column| (column.title.of(tongue), column.holds.is_number()))
            .collect(),
        rows: rows.collect(),
        cut: write::cut(table, tongue),
        picture: chart::draw(table, tongue),
        picture_title: fill(t.report_chart, title),
        csv,
        csv_label: fill(t.report_csv, title),
    }
}
