//! Runs that come into being with the request that sends them, and the occurrences that begin with it.
//!
//! The lock rows of the jobs are taken first, as preparation takes them, and what stands in the way is looked for again under them: of
//! two requests, or a request and a preparation, one makes the run.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use mysql_async::prelude::Queryable;
use mysql_async::{Params, Transaction, Value};

use crate::db::bulk::{LIST_MAX, add_lines, insert, list, marks, pad};
use crate::db::preparation::prepared_line;
use crate::db::writer::{Beginning, Birth, Request};
use crate::db::{Db, DbError};
use crate::domain::ids::{AgentId, RunId, TaskId};
use crate::domain::run::RunState;

/// Task and agent, and number and first run of the occurrence that they are in.
type Occurrences = HashMap<(TaskId, AgentId), (u32, u64)>;

/// Makes the runs of those `requests` that are `free`: the requests with the runs' ids in the place of their aliases, and which these are. A
/// change to a run that was not made keeps its alias, which is no run's.
pub(super) async fn create<'a>(
    db: &Db,
    tx: &mut Transaction<'static>,
    requests: &'a [Request],
    free: &[bool],
) -> Result<(Cow<'a, [Request]>, HashSet<RunId>), DbError> {
    let driven = || {
        let free = requests.iter().zip(free).filter(|(_, free)| **free);
        free.map(|(request, _)| request)
    };
    if driven().all(|request| request.driven.is_empty()) {
        return Ok((Cow::Borrowed(requests), HashSet::new()));
    }
    let births: Vec<(&Birth, &Request)> = driven()
        .flat_map(|request| {
            request
                .driven
                .births
                .iter()
                .map(move |birth| (birth, request))
        })
        .collect();
    let begins: Vec<&Beginning> = driven()
        .flat_map(|request| &request.driven.begins)
        .collect();
    let jobs: BTreeSet<u32> = births.iter().map(|(birth, _)| birth.job.0).collect();
    lock_jobs(db, tx, &jobs).await?;
    begin(db, tx, &begins).await?;
    if births.is_empty() {
        return Ok((Cow::Borrowed(requests), HashSet::new()));
    }
    let jobs = existing_jobs(db, tx, &jobs).await?;
    let occurrences = occurrences(db, tx, births.iter().map(|(birth, _)| *birth)).await?;
    let mut once = HashSet::new();
    let mut wanted: Vec<(&Birth, &Request, u64)> = Vec::new();
    for (birth, request) in births {
        let occurrence = occurrences.get(&(birth.task, birth.agent));
        if let Some((number, first_run)) = occurrence
            && *number == birth.number
            && jobs.contains(&birth.job.0)
            && once.insert((birth.job, birth.agent, &birth.itemtype, birth.items_id))
        {
            wanted.push((birth, request, *first_run));
        }
    }
    let taken = taken(db, tx, &wanted).await?;
    let wanted: Vec<(&Birth, &Request)> = (0..)
        .zip(wanted)
        .filter(|(at, _): &(u32, _)| !taken.contains(at))
        .map(|(_, (birth, request, _))| (birth, request))
        .collect();
    let made = insert_runs(db, tx, &wanted).await?;
    Ok(renamed(requests, &made))
}

/// The requests with the ids of the runs that were made, by `uniqid`.
fn renamed<'a>(
    requests: &'a [Request],
    made: &HashMap<String, RunId>,
) -> (Cow<'a, [Request]>, HashSet<RunId>) {
    let mut requests = requests.to_vec();
    for request in &mut requests {
        let births = request.driven.births.iter();
        let ids: HashMap<RunId, RunId> = births
            .filter_map(|birth| Some((birth.alias, *made.get(&birth.uniqid)?)))
            .collect();
        for change in &mut request.changes {
            change.run = ids.get(&change.run).copied().unwrap_or(change.run);
        }
    }
    (Cow::Owned(requests), made.values().copied().collect())
}

async fn lock_jobs(
    db: &Db,
    tx: &mut Transaction<'static>,
    jobs: &BTreeSet<u32>,
) -> Result<(), DbError> {
    let rows: Vec<[Value; 1]> = jobs
        .iter()
        .map(|job| [format!("job:{job}").into()])
        .collect();
    let head = "/* lock_jobs */ INSERT INTO {p}sidecar_locks (name)";
    insert(
        db,
        tx,
        head,
        &rows,
        "ON DUPLICATE KEY UPDATE counter = counter + 1",
    )
    .await
}

async fn existing_jobs(
    db: &Db,
    tx: &mut Transaction<'static>,
    jobs: &BTreeSet<u32>,
) -> Result<HashSet<u32>, DbError> {
    let jobs: Vec<u32> = jobs.iter().copied().collect();
    let mut found = HashSet::new();
    for chunk in jobs.chunks(LIST_MAX) {
        let text = format!(
            "/* existing_jobs */ SELECT id FROM {{p}}taskjobs WHERE id IN ({})",
            marks(chunk.len())
        );
        let ids: Vec<u32> = tx.exec(db.names.replace(&text), list(chunk)).await?;
        found.extend(ids);
    }
    Ok(found)
}

/// Begins occurrences that nobody has begun: each follows the one that was read.
async fn begin(
    db: &Db,
    tx: &mut Transaction<'static>,
    begins: &[&Beginning],
) -> Result<(), DbError> {
    if begins.is_empty() {
        return Ok(());
    }
    let sql = db
        .sql("/* begin_agent_occurrences */ SELECT COALESCE(MAX(id), 0) + 1 FROM {p}taskjobstates");
    let first_run: Option<u64> = tx.query_first(sql.as_ref()).await?;
    let first_run = first_run.unwrap_or(1);
    let rows: BTreeMap<(u32, u32), [Value; 5]> = begins
        .iter()
        .map(|begin| {
            let row = [
                begin.agent.0.into(),
                begin.task.0.into(),
                begin.number.into(),
                begin.at.into(),
                first_run.into(),
            ];
            ((begin.agent.0, begin.task.0), row)
        })
        .collect();
    let rows: Vec<[Value; 5]> = rows.into_values().collect();
    let head = "/* begin_agent_occurrences */ INSERT INTO {p}sidecar_agent_occurrences ({f}agents_id, {f}tasks_id, number, began_at, first_run)";
    // From left to right: the number changes last.
    let tail = "ON DUPLICATE KEY UPDATE began_at = IF(number + 1 = VALUES(number), VALUES(began_at), began_at), \
        first_run = IF(number + 1 = VALUES(number), VALUES(first_run), first_run), \
        number = IF(number + 1 = VALUES(number), VALUES(number), number)";
    insert(db, tx, head, &rows, tail).await
}

async fn occurrences(
    db: &Db,
    tx: &mut Transaction<'static>,
    births: impl Iterator<Item = &Birth>,
) -> Result<Occurrences, DbError> {
    let (mut agents, mut tasks) = (BTreeSet::new(), BTreeSet::new());
    for birth in births {
        agents.insert(birth.agent);
        tasks.insert(birth.task);
    }
    let agents: Vec<AgentId> = agents.into_iter().collect();
    let tasks: Vec<TaskId> = tasks.into_iter().collect();
    let found = crate::db::driven::occurrences(db, tx, &agents, &tasks).await?;
    Ok(found
        .into_iter()
        .map(|(key, one)| (key, (one.number, one.first_run)))
        .collect())
}

/// Place, first run of the occurrence, whether one that ended well is no matter; the last run, whether one is open, whether one ended well.
type StandingRow = (u32, u64, bool, Option<u64>, bool, bool);

/// Those of `wanted`, by their place, in whose way a run stands: an open one, one that ended well, one of the same occurrence.
async fn taken(
    db: &Db,
    tx: &mut Transaction<'static>,
    wanted: &[(&Birth, &Request, u64)],
) -> Result<HashSet<u32>, DbError> {
    let mut by_type: BTreeMap<&str, Vec<[u64; 6]>> = BTreeMap::new();
    for (at, (birth, _, first_run)) in (0_u64..).zip(wanted) {
        let row = [
            at,
            birth.agent.0.into(),
            birth.job.0.into(),
            birth.items_id.into(),
            *first_run,
            birth.reprepare.into(),
        ];
        by_type.entry(&birth.itemtype).or_default().push(row);
    }
    let mut taken = HashSet::new();
    for (itemtype, rows) in by_type {
        for chunk in rows.chunks(LIST_MAX) {
            let columns = ["at", "agent", "job", "items_id", "first_run", "again"];
            let first = columns.map(|column| format!("CAST(? AS UNSIGNED) AS `{column}`"));
            let more = "UNION SELECT ?, ?, ?, ?, ?, ? ".repeat(pad(chunk).count() - 1);
            let of_birth = "FROM {p}taskjobstates r WHERE r.{f}agents_id = a.id AND r.{f}taskjobs_id = w.job \
                AND r.items_id = w.items_id AND r.itemtype = ?";
            let text = format!(
                "/* taken_by_births */ SELECT w.at, w.first_run, w.again, (SELECT r.id {of_birth} ORDER BY r.id DESC LIMIT 1), \
                 (SELECT 1 {of_birth} AND r.state IN (0, 1, 2) LIMIT 1) IS NOT NULL, \
                 (SELECT 1 {of_birth} AND r.state = 3 LIMIT 1) IS NOT NULL \
                 FROM (SELECT {} {more}) w JOIN {{p}}agents a ON a.id = w.agent",
                first.join(", ")
            );
            let types = [itemtype; 3].map(Value::from).into_iter();
            let values = types.chain(pad(chunk).flatten().map(Value::from));
            let values = Params::Positional(values.collect());
            let rows: Vec<StandingRow> = tx.exec(db.names.replace(&text), values).await?;
            let stands = |(_, first_run, again, last, open, well): &StandingRow| {
                *open || *well && !again || last.is_some_and(|last| last >= *first_run)
            };
            taken.extend(rows.iter().filter(|row| stands(row)).map(|row| row.0));
        }
    }
    Ok(taken)
}

/// Inserts runs as a preparation does: their rows by name.
async fn insert_runs(
    db: &Db,
    tx: &mut Transaction<'static>,
    births: &[(&Birth, &Request)],
) -> Result<HashMap<String, RunId>, DbError> {
    let rows: Vec<[Value; 6]> = births
        .iter()
        .map(|(birth, _)| {
            [
                birth.job.0.into(),
                birth.items_id.into(),
                birth.itemtype.as_str().into(),
                RunState::Prepared.code().into(),
                birth.agent.0.into(),
                birth.uniqid.as_str().into(),
            ]
        })
        .collect();
    let head = "/* make_runs */ INSERT INTO {p}taskjobstates ({f}taskjobs_id, items_id, itemtype, state, {f}agents_id, uniqid)";
    insert(db, tx, head, &rows, "").await?;
    let names: Vec<&str> = births
        .iter()
        .map(|(birth, _)| birth.uniqid.as_str())
        .collect();
    let mut made = HashMap::with_capacity(births.len());
    for chunk in names.chunks(LIST_MAX) {
        let text = format!(
            "/* make_runs */ SELECT uniqid, id FROM {{p}}taskjobstates WHERE uniqid IN ({})",
            marks(chunk.len())
        );
        let found: Vec<(String, u64)> = tx.exec(db.names.replace(&text), list(chunk)).await?;
        made.extend(found.into_iter().map(|(uniqid, id)| (uniqid, RunId(id))));
    }
    let lines: Vec<[Value; 6]> = births
        .iter()
        .filter_map(|(birth, request)| {
            let run = made.get(&birth.uniqid)?;
            Some(prepared_line(run.0, request.at))
        })
        .collect();
    add_lines(db, tx, &lines).await?;
    Ok(made)
}
