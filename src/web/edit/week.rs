//! The hours of a task, by a square for each hour of the week.

use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::http::{Method, StatusCode};
use axum::response::Response;

use super::form::Field;
use super::{Said, author, log, saved};
use crate::clock;
use crate::db::editing::{Saved, Sharer};
use crate::domain::catalogue::Task;
use crate::domain::editing::Change;
use crate::domain::ids::{TaskId, TimeslotId};
use crate::domain::policy::Policy;
use crate::domain::timeslot::hours::{Grid, HourRow, text};
use crate::proto::week;
use crate::web::actions::{Place, place};
use crate::web::error::PageError;
use crate::web::forms::Posted;
use crate::web::language::Language;
use crate::web::page::{Frame, answer};
use crate::web::routes::{BASE, Pages};
use crate::web::texts::edit::{self, Texts};
use crate::web::texts::{fill, fill_texts, task};
use crate::web::visitor::{Viewer, Visitor, Who, to_login};

/// Most tasks that are named as users of the same slot.
const MOST_NAMED: usize = 50;

/// An hour.
#[derive(Debug)]
struct Cell {
    value: String,
    label: String,
    is_open: bool,
}

/// A day.
#[derive(Debug)]
struct Day {
    name: &'static str,
    /// Ticks all of it.
    whole: String,
    cells: Vec<Cell>,
}

#[derive(Template)]
#[template(path = "week.html", config = "src/web/askama.toml")]
struct WeekPage {
    frame: Frame,
    t: &'static Texts,
    id: TaskId,
    name: String,
    back: String,
    said: Said,
    /// How it stands, and what else is to be known.
    told: Vec<String>,
    shown: String,
    has_own: bool,
    /// Hours with the words that tick a column.
    hours: Vec<(usize, String)>,
    days: Vec<Day>,
    sharers: Option<Sharers>,
    is_plugin: bool,
}

/// Who else uses the slot.
#[derive(Debug)]
struct Sharers {
    heading: String,
    tasks: Vec<Sharer>,
    more: Option<String>,
}

fn pack(rows: &[HourRow]) -> String {
    let rows: Vec<(u8, u8, u8)> = rows
        .iter()
        .map(|row| (row.weekday, row.start, row.end))
        .collect();
    serde_json::to_string(&rows).unwrap_or_default()
}

fn unpack(text: &str) -> Option<Vec<HourRow>> {
    let rows: Vec<(u8, u8, u8)> = serde_json::from_str(text).ok()?;
    let rows = rows.into_iter();
    Some(
        rows.map(|(weekday, start, end)| HourRow::new(weekday, start, end))
            .collect(),
    )
}

/// The hours that are ticked; none if a value is no hour.
fn ticked(fields: &[Field]) -> Option<Grid> {
    let mut grid = Grid::default();
    for (_, value) in fields.iter().filter(|(name, _)| name == "hour") {
        let (weekday, hour) = value.split_once('-')?;
        let (weekday, hour): (usize, usize) = (weekday.parse().ok()?, hour.parse().ok()?);
        *grid.0.get_mut(weekday)?.get_mut(hour)? = true;
    }
    Some(grid)
}

/// `GET tasks/ID/week`.
pub(super) async fn show(
    State(pages): State<Pages>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    viewer: Viewer,
) -> Response {
    let shown = async {
        let place = place(&pages, viewer.who(), &id).await?;
        let said = Said::after(query.as_deref(), edit::of(viewer.language));
        render(
            &pages,
            (&viewer, viewer.who()),
            &place,
            StatusCode::OK,
            None,
            said,
        )
        .await
    };
    match shown.await {
        Ok(response) => response,
        Err(error) => viewer.refuse(error),
    }
}

/// The page, with what is ticked in `grid` instead of what holds.
async fn render(
    pages: &Pages,
    (visitor, who): (&Visitor, &Who),
    place: &Place,
    status: StatusCode,
    grid: Option<Grid>,
    said: Said,
) -> Result<Response, PageError> {
    let catalogue = &place.catalogue;
    let of_task = catalogue.tasks.get(&place.id).ok_or(PageError::NotFound)?;
    let own = pages.db.own_hours(place.id).await?;
    let frame = Frame::of(visitor);
    let t = edit::of(frame.language);
    let slot = slot_name(pages, of_task, frame.language).await?;
    // By the rules of the plugin hours of a task do not count, so that its slot is what this says.
    let week = catalogue.execution_week(of_task, Policy::Plugin);
    let mut told = vec![];
    let holds = if own.is_empty() {
        told.push(fill(t.week_slot, &slot));
        let (grid, is_whole) = week.map_or((ALWAYS, true), Grid::from_week);
        if !is_whole {
            told.push(t.week_parts.to_owned());
        }
        grid
    } else {
        told.push(t.week_own.to_owned());
        Grid::from_rows(own.iter().copied())
    };
    let words = match frame.language {
        Language::English => &week::ENGLISH,
        Language::French => &week::FRENCH,
    };
    let page = WeekPage {
        t,
        id: place.id,
        name: place.name.clone(),
        back: fill(t.to_task, &place.name),
        said,
        told,
        shown: pack(&own),
        has_own: !own.is_empty(),
        hours: (0..24)
            .map(|hour| (hour, fill(t.whole_hour, hour)))
            .collect(),
        days: days(&grid.unwrap_or(holds), words.days, t),
        sharers: sharers(pages, who, place, of_task.exec_slot, &slot, t).await?,
        is_plugin: pages.rules.policy == Policy::Plugin,
        frame,
    };
    Ok(answer(visitor, status, &page))
}

/// A task without a slot.
const ALWAYS: Grid = Grid([[true; 24]; 7]);

fn days(grid: &Grid, names: [&'static str; 7], t: &Texts) -> Vec<Day> {
    let days = grid.0.iter().zip(names).enumerate();
    days.map(|(weekday, (hours, name))| Day {
        name,
        whole: fill(t.whole_day, name),
        cells: hours
            .iter()
            .enumerate()
            .map(|(hour, is_open)| Cell {
                value: format!("{weekday}-{hour}"),
                label: fill_texts(
                    t.from_to,
                    &[name, &hour.to_string(), &(hour + 1).to_string()],
                ),
                is_open: *is_open,
            })
            .collect(),
    })
    .collect()
}

async fn slot_name(pages: &Pages, task: &Task, language: Language) -> Result<String, PageError> {
    let t = task::of(language);
    if task.exec_slot == TimeslotId(0) {
        return Ok(t.any_time.to_owned());
    }
    let row = pages.db.task_row(task.id, [task.exec_slot; 2]).await?;
    let name = row.and_then(|mut row| row.slots.remove(&task.exec_slot));
    let name = name.filter(|name| !name.is_empty());
    Ok(name.unwrap_or_else(|| fill(t.slot_of_id, task.exec_slot)))
}

async fn sharers(
    pages: &Pages,
    who: &Who,
    place: &Place,
    slot: TimeslotId,
    name: &str,
    t: &Texts,
) -> Result<Option<Sharers>, PageError> {
    if slot == TimeslotId(0) {
        return Ok(None);
    }
    let tree = &place.catalogue.entities;
    let (tasks, others) = pages
        .db
        .sharers(slot, place.id, &who.access, tree, MOST_NAMED)
        .await?;
    Ok(Some(Sharers {
        heading: fill(t.sharers, name),
        tasks,
        more: (others > 0).then(|| fill(t.sharers_more, others)),
    }))
}

/// `POST tasks/ID/week`.
pub(super) async fn save(
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
    let t = edit::of(visitor.language);
    let value = |name: &str| fields.iter().find(|(of, _)| of == name);
    let shown = value("shown").and_then(|(_, text)| unpack(text));
    let shown = shown.ok_or(PageError::BadForm("shown"))?;
    let grid = ticked(fields).ok_or(PageError::BadForm("hours"))?;
    let rows = match value("do").map(|(_, what)| what.as_str()) {
        Some("give-back") => vec![],
        Some("save") if grid == Grid::default() => {
            let said = Said::error(t.no_hours.to_owned());
            let at = StatusCode::BAD_REQUEST;
            return render(pages, (visitor, who), &place, at, Some(grid), said).await;
        }
        Some("save") if grid == Grid::from_rows(shown.iter().copied()) => shown.clone(),
        Some("save") => grid.rows(),
        _ => return Err(PageError::BadForm("button")),
    };
    let told = |rows: &[HourRow]| {
        if rows.is_empty() {
            "those of its slot".to_owned()
        } else {
            text(rows)
        }
    };
    let change = |old: &[HourRow], new: &[HourRow]| Change {
        what: "hours".to_owned(),
        old: told(old),
        new: told(new),
    };
    let at = clock::local(pages.clock.as_ref(), pages.zone);
    let (author, change_here) = (author(who), change(&shown, &rows));
    let saving = pages
        .db
        .save_hours(place.id, &shown, &rows, &change_here, &author, at);
    match saving.await? {
        Saved::Done(changes) => {
            log(&place, who, changes.len());
            Ok(saved(
                &format!("{BASE}tasks/{}/week", place.id),
                changes.len(),
            ))
        }
        Saved::Changed => {
            let now = pages.db.own_hours(place.id).await?;
            let said = Said {
                notes: vec![change(&shown, &now).to_string()],
                ..Said::error(t.stale.to_owned())
            };
            render(
                pages,
                (visitor, who),
                &place,
                StatusCode::CONFLICT,
                None,
                said,
            )
            .await
        }
        Saved::Gone => Err(PageError::NotFound),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_of_a_form() {
        let fields = |values: &[&str]| -> Vec<Field> {
            let of = |value: &&str| ("hour".to_owned(), (*value).to_owned());
            values.iter().map(of).collect()
        };
        let rows = |values: &[&str]| ticked(&fields(values)).map(|grid| grid.rows());
        assert_eq!(rows(&[]), Some(vec![]));
        let both = vec![HourRow::new(0, 8, 10), HourRow::new(6, 23, 24)];
        assert_eq!(rows(&["0-9", "6-23", "0-8", "0-9"]), Some(both));
        for bad in ["7-0", "0-24", "0", "-1-3", "a-b", "0-", ""] {
            assert_eq!(rows(&["0-1", bad]), None, "{bad:?}");
        }
        let rows = [HourRow::new(0, 8, 10), HourRow::new(7, 9, 9)];
        assert_eq!(unpack(&pack(&rows)), Some(rows.to_vec()));
        assert_eq!(unpack("[[0,8,300]]"), None);
    }
}
