//! Making a report: what is asked of the database, and with which bounds.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};

use crate::db::reports::{Of, Period, Way};
use crate::db::{Db, DbError};
use crate::domain::access::Access;
use crate::domain::actors::Target;
use crate::domain::catalogue::Catalogue;
use crate::domain::ids::{EntityId, TaskId};
use crate::domain::reports::ask::{self, Ask, Wrong};
use crate::domain::reports::build;
use crate::domain::reports::counted::Failed;
use crate::domain::reports::{Name, Note, Report, Table, coverage};
use crate::domain::summary::{Board, Kind, TaskSummary};

/// Up to so many runs, their lines are looked for one by one, which finds all of them; above, only so many of the newest lines are read.
const FEW_RUNS: u64 = 10_000;

/// Most lines that are read for a period where there are more runs. On two cores it takes about a tenth of a second, with the look at the runs
/// that they are of.
const LINES: u64 = 20_000;

/// Most lines on devices that are read of the runs of discoveries.
const FINDINGS: u64 = 50_000;

/// Most addresses of switches, and of printers, that are read.
const ADDRESSES: u64 = 20_000;

/// Most stored results that are read of each kind of collect.
const RESULTS: u64 = 15_000;

/// What a report is made of.
#[derive(Debug, Clone, Copy)]
pub struct Sources<'a> {
    /// The tables.
    pub db: &'a Db,
    /// What changes seldom.
    pub catalogue: &'a Catalogue,
    /// What became of tasks.
    pub board: &'a Board,
    /// The moment.
    pub now: DateTime<Utc>,
    /// The same in local time.
    pub local: NaiveDateTime,
    /// Who asks.
    pub access: &'a Access,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Something was asked that cannot be.
    #[error("{0}")]
    Wrong(#[from] Wrong),
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Runs of a report, the way to them, and what has to be said of it.
struct Found<'a> {
    of: Of<'a>,
    period: Option<(Period, Way)>,
    notes: Vec<Note>,
}

/// The tasks that have jobs of `kind`, the newest first; those that `access` sees, in `entities` if there is a list.
///
/// # Errors
///
/// When the database fails.
pub async fn tasks(
    sources: &Sources<'_>,
    kind: Kind,
    entities: Option<&[EntityId]>,
) -> Result<Vec<(TaskId, String)>, DbError> {
    let places = sources.db.task_entities().await?;
    let catalogue = sources.catalogue;
    let jobs = catalogue.jobs.values();
    let mut ids: Vec<TaskId> = jobs
        .filter(|job| Kind::of_method(&job.method) == Some(kind))
        .map(|job| job.task)
        .filter(|task| {
            let entity = places.get(task);
            entity.is_some_and(|entity| {
                sources.access.sees(*entity, &catalogue.entities)
                    && entities.is_none_or(|list| list.contains(entity))
            })
        })
        .collect();
    ids.sort_unstable_by(|one, other| other.cmp(one));
    ids.dedup();
    let named = ids.into_iter().filter_map(|id| {
        let task = catalogue.tasks.get(&id)?;
        Some((id, task.name.clone()))
    });
    Ok(named.collect())
}

/// The report that is asked for.
///
/// # Errors
///
/// When something was asked that cannot be, or the database fails.
pub async fn make(sources: &Sources<'_>, ask: &Ask) -> Result<Report, Failure> {
    let tree = &sources.catalogue.entities;
    let chosen = match &ask.entity {
        None => None,
        Some(text) => {
            let names = sources.db.entity_names().await?;
            let sees = |id| sources.access.sees(id, tree);
            Some(ask::entity(text, &names, sees)?)
        }
    };
    let entities = ask::scope(tree, sources.access, chosen);
    let entities = entities.as_deref();
    if let (Some(task), Some(kind)) = (ask.task, ask.name.kind()) {
        let seen = tasks(sources, kind, entities).await?;
        if !seen.iter().any(|(id, _)| *id == task) {
            return Err(Wrong::Task(task.to_string()).into());
        }
    }
    let (mut notes, tables) = match ask.name {
        Name::Deploy => deploy(sources, ask, entities).await?,
        Name::Discovery => discovery(sources, ask, entities).await?,
        Name::Inventory => inventory(sources, ask, entities).await?,
        Name::Collect => collect(sources, ask, entities).await?,
        Name::SilentAgents => silent(sources, ask, entities).await?,
    };
    if matches!(ask.name, Name::Deploy | Name::Collect) {
        let board = sources.board;
        notes.insert(
            0,
            board
                .age(sources.now)
                .map_or(Note::NotCounted, Note::Counted),
        );
        if board.counted_at.is_some() && board.pending > 0 {
            notes.insert(1, Note::Pending(board.pending));
        }
    }
    let has_period = ask.name.has_period();
    Ok(Report {
        name: ask.name,
        made: sources.local,
        period: has_period.then_some((ask.from, ask.to)),
        days: (!has_period).then_some(ask.days),
        notes,
        tables,
    })
}

type Made = (Vec<Note>, Vec<Table>);

/// The runs of `method` in the period, and the shorter way to them.
async fn find<'a>(
    db: &Db,
    ask: &Ask,
    method: &'a str,
    entities: Option<&'a [EntityId]>,
) -> Result<Found<'a>, DbError> {
    let of = Of {
        method,
        task: ask.task,
        entities,
    };
    let (from, until) = ask.moments();
    let (period, is_large) = tokio::try_join!(
        db.report_period(from, until),
        db.report_is_large(&of, FEW_RUNS)
    )?;
    let mut found = Found {
        of,
        period: period.map(|period| (period, Way::Runs)),
        notes: Vec::new(),
    };
    if let Some((period, way)) = &mut found.period
        && is_large
    {
        *way = Way::Lines;
        let first = (period.last + 1).saturating_sub(LINES);
        if first > period.first {
            period.first = first;
            let since = db.report_date(first).await?;
            found.notes.push(Note::Lines(LINES, since));
        }
    }
    Ok(found)
}

/// The end of what is drawn: that of the period, or now if it is still going on.
fn end(sources: &Sources<'_>, until: NaiveDateTime) -> NaiveDateTime {
    until.min(sources.local + TimeDelta::seconds(1))
}

/// The counted tasks of the report.
fn counted<'a>(
    board: &'a Board,
    ask: &Ask,
    entities: Option<&'a [EntityId]>,
) -> impl Iterator<Item = &'a TaskSummary> {
    let task = ask.task;
    board.tasks.iter().filter(move |of| {
        entities.is_none_or(|list| list.contains(&of.entity)) && task.is_none_or(|id| of.id == id)
    })
}

/// What targets are called.
async fn names(
    db: &Db,
    targets: &[Target],
) -> Result<impl Fn(&(String, u32)) -> String + use<>, DbError> {
    let named = db.target_names(targets).await?;
    let named: HashMap<(String, u32), String> = named
        .into_iter()
        .map(|(target, name)| ((target.itemtype, target.items_id), name))
        .collect();
    Ok(move |target: &(String, u32)| {
        let name = named.get(target).cloned();
        name.unwrap_or_else(|| format!("{} {}", target.0, target.1))
    })
}

fn targets<'a>(all: impl Iterator<Item = &'a (String, u32)>) -> Vec<Target> {
    let mut targets: Vec<Target> = all
        .map(|(itemtype, items_id)| Target {
            itemtype: itemtype.clone(),
            items_id: *items_id,
        })
        .collect();
    targets.sort_unstable_by(|one, other| {
        (&one.itemtype, one.items_id).cmp(&(&other.itemtype, other.items_id))
    });
    targets.dedup();
    targets
}

/// More than are kept, so that it is seen whether there are more.
const fn one_more(ask: &Ask) -> usize {
    ask.rows + 1
}

async fn failed(db: &Db, ask: &Ask, found: &Found<'_>) -> Result<Vec<Failed>, DbError> {
    match &found.period {
        None => Ok(Vec::new()),
        Some((period, way)) => {
            db.report_failed(&found.of, period, *way, one_more(ask))
                .await
        }
    }
}

async fn deploy(
    sources: &Sources<'_>,
    ask: &Ask,
    entities: Option<&[EntityId]>,
) -> Result<Made, DbError> {
    let (db, method) = (sources.db, "deployinstall");
    let (mut found, missing) = tokio::try_join!(find(db, ask, method, entities), async {
        match ask.task {
            None => Ok(Vec::new()),
            Some(task) => db.report_missing(task, method, one_more(ask)).await,
        }
    })?;
    let step = ask.step();
    let (ended, failed) = tokio::try_join!(
        async {
            match &found.period {
                None => Ok(Vec::new()),
                Some((period, way)) => db.report_ended(&found.of, period, *way, step).await,
            }
        },
        failed(db, ask, &found)
    )?;
    let (from, until) = ask.moments();
    let name_of = names(db, &targets(missing.iter().map(|row| &row.target))).await?;
    let mut tables = vec![
        build::progress(step, from, end(sources, until), &ended),
        build::failures(failed, ask.rows),
        build::parts(
            Kind::Deploy,
            counted(sources.board, ask, entities),
            ask.rows,
        ),
    ];
    if ask.task.is_some() {
        tables.push(build::missing(missing, name_of, ask.rows));
    } else {
        found.notes.push(Note::OneTask);
    }
    Ok((found.notes, tables))
}

async fn discovery(
    sources: &Sources<'_>,
    ask: &Ask,
    entities: Option<&[EntityId]>,
) -> Result<Made, DbError> {
    let (db, step) = (sources.db, ask.step());
    let mut found = find(db, ask, "networkdiscovery", entities).await?;
    let (devices, read) = match &found.period {
        None => (Vec::new(), 0),
        Some((period, way)) => {
            db.report_discovered(&found.of, period, *way, step, FINDINGS)
                .await?
        }
    };
    if read >= FINDINGS {
        found.notes.push(Note::Findings(FINDINGS));
    }
    let (from, until) = ask.moments();
    let name_of = names(db, &targets(devices.iter().map(|row| &row.target))).await?;
    let when = (step, from, end(sources, until));
    let tables = build::discovery(&devices, when, name_of, ask.rows);
    Ok((found.notes, tables))
}

async fn inventory(
    sources: &Sources<'_>,
    ask: &Ask,
    entities: Option<&[EntityId]>,
) -> Result<Made, DbError> {
    let db = sources.db;
    let not_queried = async {
        let found = find(db, ask, "networkinventory", entities).await?;
        let errors = match &found.period {
            None => Vec::new(),
            Some((period, way)) => {
                db.report_not_queried(&found.of, period, *way, one_more(ask))
                    .await?
            }
        };
        Ok::<_, DbError>((found.notes, errors))
    };
    let ((mut notes, errors), ranges, mut devices, aged) = tokio::try_join!(
        not_queried,
        db.report_ranges(entities, one_more(ask)),
        db.report_addresses(ADDRESSES),
        db.report_ages(entities, sources.local)
    )?;
    if devices.len() as u64 >= ADDRESSES {
        notes.push(Note::Devices(ADDRESSES));
    }
    let tree = &sources.catalogue.entities;
    let ranges = coverage::ranges(&ranges, &mut devices, tree, ask.moments(), ask.rows);
    let tables = vec![ranges, build::errors(errors, ask.rows), build::ages(&aged)];
    Ok((notes, tables))
}

async fn collect(
    sources: &Sources<'_>,
    ask: &Ask,
    entities: Option<&[EntityId]>,
) -> Result<Made, DbError> {
    let db = sources.db;
    let failures = async {
        let found = find(db, ask, "collect", entities).await?;
        let failed = failed(db, ask, &found).await?;
        Ok::<_, DbError>((found.notes, failed))
    };
    let ((mut notes, failed), (mut stored, more)) =
        tokio::try_join!(failures, db.report_stored(entities, RESULTS))?;
    if more {
        notes.push(Note::Results(RESULTS));
    }
    if let Some(task) = ask.task {
        let jobs = sources.catalogue.jobs.values();
        let targets: Vec<u32> = jobs
            .filter(|job| job.task == task)
            .flat_map(|job| &job.targets)
            .map(|target| target.items_id)
            .collect();
        stored.retain(|of| targets.contains(&of.collect));
    }
    let counted = counted(sources.board, ask, entities);
    let tables = vec![
        build::parts(Kind::Collect, counted, ask.rows),
        build::failures(failed, ask.rows),
        build::stored(stored, ask.rows),
    ];
    Ok((notes, tables))
}

async fn silent(
    sources: &Sources<'_>,
    ask: &Ask,
    entities: Option<&[EntityId]>,
) -> Result<Made, DbError> {
    let (db, now) = (sources.db, sources.local);
    let since = now - TimeDelta::days(i64::from(ask.days));
    let (silent, aged) = tokio::try_join!(
        db.report_silent(entities, since, one_more(ask)),
        db.report_ages(entities, now)
    )?;
    let tables = vec![build::silent(silent, now, ask.rows), build::ages(&aged)];
    Ok((Vec::new(), tables))
}
