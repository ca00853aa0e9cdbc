//! One batch in one transaction.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::IpAddr;

use chrono::NaiveDateTime;
use mysql_async::prelude::Queryable;
use mysql_async::{Params, Transaction, Value};

use super::{Change, Line, Outcome, Request, Step, findings};
use crate::db::agents::{Contact, with_version};
use crate::db::bulk::{LIST_MAX, add_lines, list, marks, pad};
use crate::db::{Db, DbError};
use crate::domain::ids::{AgentId, JobId, RunId};
use crate::domain::policy::Policy;
use crate::domain::run::{Effect, RunState, on_report, on_report_as_plugin};

mod sends;

/// An answer: its agent, and when it was given.
type Answer = (AgentId, NaiveDateTime);

/// State of a run inside the transaction.
#[derive(Debug, Clone, Copy)]
struct Locked {
    job: JobId,
    state: RunState,
    sends: u32,
    /// The answer that handed it out last, if that was noted.
    answer: Option<Answer>,
}

/// What a transaction writes, gathered over its requests. Of a run's several moves the last one counts.
#[derive(Debug, Default)]
struct Gathered<'a> {
    /// New states.
    states: BTreeMap<RunId, RunState>,
    /// Runs that are put off: to when, how often now, how often at most.
    deferred: BTreeMap<RunId, (NaiveDateTime, u32, u32)>,
    /// Sends counted: to whom, how many, when the last.
    sends: BTreeMap<RunId, (AgentId, u32, NaiveDateTime)>,
    /// Answers that were given, with their address, or of whose runs their agents spoke: when.
    answers: BTreeMap<Answer, (NaiveDateTime, Option<IpAddr>)>,
    /// Log lines in the order of the changes.
    lines: Vec<(NaiveDateTime, &'a Change, &'a Line)>,
}

impl Gathered<'_> {
    /// At `at` the agent of `answer` was heard of.
    fn heard(&mut self, answer: Answer, at: NaiveDateTime, from: Option<IpAddr>) {
        let (last, address) = self.answers.entry(answer).or_insert((at, from));
        *last = at.max(*last);
        *address = from.or(*address);
    }
}

/// The outcome of each request, and the jobs whose runs moved.
type Made = (Vec<Result<Vec<Outcome>, DbError>>, BTreeSet<JobId>);

/// Writes `requests`; with `skip` none of those whose run or agent somebody has locked, of which it returns that.
pub(super) async fn write(
    db: &Db,
    tx: &mut Transaction<'static>,
    requests: &[Request],
    skip: bool,
) -> Result<Made, DbError> {
    let mut stored = findings::read(db, tx, requests).await?;
    let held = if skip {
        held_elsewhere(db, tx, requests).await?
    } else {
        Elsewhere::default()
    };
    let all = requests;
    let requests: Vec<&Request> = all.iter().filter(|request| !held.has(request)).collect();
    let mut locked = lock_runs(db, tx, &requests).await?;
    let mut gathered = Gathered::default();
    let mut outcomes = Vec::with_capacity(all.len());
    for request in all {
        if held.has(request) {
            let reason = "a run or an agent is in use".to_owned();
            outcomes.push(Err(DbError::Locked(reason)));
            continue;
        }
        let mut made = Vec::with_capacity(request.changes.len());
        for change in &request.changes {
            let outcome = match locked.get_mut(&change.run) {
                None if change.step == Step::Note => Outcome::Logged,
                None => Outcome::Missed,
                Some(run) => follow(db, tx, request, change, run, &mut gathered).await?,
            };
            if outcome != Outcome::Missed {
                let lines = change.lines.iter();
                gathered
                    .lines
                    .extend(lines.map(|line| (request.at, change, line)));
                if let Some(finding) = &change.finding {
                    stored.add(db, tx, request.at, change.run, finding).await?;
                }
            }
            made.push(outcome);
        }
        outcomes.push(Ok(made));
    }
    write_states(db, tx, &gathered).await?;
    sends::write(db, tx, &gathered).await?;
    write_lines(db, tx, &gathered).await?;
    write_contacts(db, tx, &requests).await?;
    let moved = gathered.states.keys().chain(gathered.deferred.keys());
    let jobs = moved.filter_map(|run| locked.get(run)).map(|run| run.job);
    Ok((outcomes, jobs.collect()))
}

/// Runs and agents that somebody else has locked.
#[derive(Debug, Default)]
struct Elsewhere {
    runs: HashSet<u64>,
    agents: HashSet<u64>,
}

impl Elsewhere {
    fn has(&self, request: &Request) -> bool {
        let agent = request.contact.as_ref().map(|(agent, _)| agent.0);
        agent.is_some_and(|agent| self.agents.contains(&u64::from(agent)))
            || request
                .changes
                .iter()
                .any(|change| self.runs.contains(&change.run.0))
    }
}

/// Locks the runs and agents of all requests that nobody else has locked; which ones somebody has.
async fn held_elsewhere(
    db: &Db,
    tx: &mut Transaction<'static>,
    requests: &[Request],
) -> Result<Elsewhere, DbError> {
    let changes = requests.iter().flat_map(|request| &request.changes);
    let runs = changes.map(|change| change.run.0).collect();
    let contacts = requests
        .iter()
        .filter_map(|request| request.contact.as_ref());
    let agents = contacts.map(|(agent, _)| u64::from(agent.0)).collect();
    Ok(Elsewhere {
        runs: skipped(db, tx, "taskjobstates", &runs).await?,
        agents: skipped(db, tx, "agents", &agents).await?,
    })
}

/// Locks those of these rows that nobody else has locked, in ascending order; which others there are.
async fn skipped(
    db: &Db,
    tx: &mut Transaction<'static>,
    table: &str,
    ids: &BTreeSet<u64>,
) -> Result<HashSet<u64>, DbError> {
    let ids: Vec<u64> = ids.iter().copied().collect();
    let mut held = HashSet::new();
    for chunk in ids.chunks(LIST_MAX) {
        let text = format!(
            "/* skip_locked */ SELECT id FROM {{p}}{table} WHERE id IN ({}) ORDER BY id",
            marks(chunk.len())
        );
        let text = db.names.replace(&text);
        let locking = format!("{text} FOR UPDATE SKIP LOCKED");
        let free: Vec<u64> = tx.exec(locking, list(chunk)).await?;
        if free.len() < chunk.len() {
            // One that does not exist is in nobody's way.
            let there: Vec<u64> = tx.exec(text, list(chunk)).await?;
            held.extend(there.into_iter().filter(|id| !free.contains(id)));
        }
    }
    Ok(held)
}

/// Run, state, sends, and the agent and moment of the last one.
type LockedRow = (
    u64,
    u32,
    u32,
    Option<u32>,
    Option<u32>,
    Option<NaiveDateTime>,
);

/// Locks all runs of all requests, in ascending order: two instances never wait for each other crosswise.
async fn lock_runs(
    db: &Db,
    tx: &mut Transaction<'static>,
    requests: &[&Request],
) -> Result<HashMap<RunId, Locked>, DbError> {
    let ids: BTreeSet<u64> = requests
        .iter()
        .flat_map(|request| &request.changes)
        .map(|change| change.run.0)
        .collect();
    let ids: Vec<u64> = ids.into_iter().collect();
    let mut locked = HashMap::with_capacity(ids.len());
    for chunk in ids.chunks(LIST_MAX) {
        let text = format!(
            "/* lock_runs */ SELECT r.id, r.{{f}}taskjobs_id, r.state, s.sends, s.{{f}}agents_id, s.sent_at FROM {{p}}taskjobstates r \
             LEFT JOIN {{p}}sidecar_runs s ON s.{{f}}taskjobstates_id = r.id WHERE r.id IN ({}) ORDER BY r.id FOR UPDATE",
            marks(chunk.len())
        );
        let rows: Vec<LockedRow> = tx.exec(db.names.replace(&text), list(chunk)).await?;
        for (id, job, code, sends, agent, sent_at) in rows {
            let state = RunState::from_code(code).ok_or_else(|| DbError::CorruptRow {
                table: "taskjobstates",
                column: "state",
                value: code.to_string(),
            })?;
            locked.insert(
                RunId(id),
                Locked {
                    job: JobId(job),
                    state,
                    sends: sends.unwrap_or_default(),
                    answer: agent.map(AgentId).zip(sent_at),
                },
            );
        }
    }
    Ok(locked)
}

/// Makes one change in memory, if the run is where the change expects it.
async fn follow(
    db: &Db,
    tx: &mut Transaction<'static>,
    request: &Request,
    change: &Change,
    run: &mut Locked,
    gathered: &mut Gathered<'_>,
) -> Result<Outcome, DbError> {
    if let Step::Report { .. } | Step::Defer { .. } | Step::Log = change.step
        && let Some(answer) = run.answer
    {
        // Whatever becomes of it: the agent is alive.
        gathered.heard(answer, request.at, None);
    }
    if change.unless.contains(run.state) {
        return Ok(Outcome::Missed);
    }
    let to = match &change.step {
        Step::Log | Step::Note => return Ok(Outcome::Done),
        Step::Send {
            agent,
            before,
            counted,
            to,
        } => {
            let resent = *counted && run.state == RunState::Sent;
            if run.state != RunState::Prepared && !resent || *counted && run.sends != *before {
                return Ok(Outcome::Missed);
            }
            if *counted {
                run.sends += 1;
                gathered
                    .sends
                    .insert(change.run, (*agent, run.sends, request.at));
                let answer = (*agent, request.at);
                run.answer = Some(answer);
                gathered.heard(answer, request.at, *to);
            }
            RunState::Sent
        }
        Step::Move { from, to } if from.contains(run.state) => *to,
        Step::Defer {
            from,
            date_start,
            nb_retry,
            max_retry,
        } if from.contains(run.state) => {
            let deferral = (*date_start, *nb_retry, *max_retry);
            gathered.deferred.insert(change.run, deferral);
            // Whatever was counted belonged to the sends before, be it in this batch.
            run.sends = 0;
            run.answer = None;
            gathered.sends.remove(&change.run);
            RunState::Prepared
        }
        Step::Move { .. } | Step::Defer { .. } => return Ok(Outcome::Missed),
        Step::Report { policy, reported } => {
            let effect = match policy {
                Policy::Plugin => on_report_as_plugin(*reported),
                Policy::Redux => on_report(run.state, *reported),
            };
            match effect {
                Effect::Move(to) => to,
                Effect::MoveUnlessSuperseded(to) if !superseded(db, tx, change.run).await? => to,
                Effect::MoveUnlessSuperseded(_) | Effect::Line => return Ok(Outcome::Logged),
                Effect::Nothing => return Ok(Outcome::Missed),
            }
        }
    };
    if to != run.state {
        run.state = to;
        gathered.states.insert(change.run, to);
    }
    Ok(Outcome::Done)
}

/// Whether a newer run of the same job, target and agent exists.
async fn superseded(db: &Db, tx: &mut Transaction<'static>, run: RunId) -> Result<bool, DbError> {
    let sql = db.sql(
        "/* superseded */ SELECT 1 FROM {p}taskjobstates o JOIN {p}taskjobstates n ON n.{f}agents_id = o.{f}agents_id \
         AND n.{f}taskjobs_id = o.{f}taskjobs_id AND n.items_id = o.items_id AND n.itemtype = o.itemtype AND n.id > o.id \
         WHERE o.id = ? LIMIT 1",
    );
    Ok(tx
        .exec_first::<u8, _, _>(sql.as_ref(), (run.0,))
        .await?
        .is_some())
}

async fn write_states(
    db: &Db,
    tx: &mut Transaction<'static>,
    gathered: &Gathered<'_>,
) -> Result<(), DbError> {
    for (run, (date_start, nb_retry, max_retry)) in &gathered.deferred {
        let sql = db.sql("/* defer_run */ UPDATE {p}taskjobstates SET date_start = ?, nb_retry = ?, max_retry = ? WHERE id = ?");
        tx.exec_drop(sql.as_ref(), (date_start, nb_retry, max_retry, run.0))
            .await?;
    }
    let deferred: Vec<u64> = gathered.deferred.keys().map(|run| run.0).collect();
    for chunk in deferred.chunks(LIST_MAX) {
        let text = format!(
            "/* defer_run */ DELETE FROM {{p}}sidecar_runs WHERE {{f}}taskjobstates_id IN ({})",
            marks(chunk.len())
        );
        tx.exec_drop(db.names.replace(&text), list(chunk)).await?;
    }
    for state in RunState::ALL {
        let moved = gathered.states.iter().filter(|(_, to)| **to == state);
        let ids: Vec<u64> = moved.map(|(run, _)| run.0).collect();
        for chunk in ids.chunks(LIST_MAX) {
            let text = format!(
                "/* move_runs */ UPDATE {{p}}taskjobstates SET state = ? WHERE id IN ({})",
                marks(chunk.len())
            );
            let values = std::iter::once(Value::from(state.code()))
                .chain(pad(chunk).map(Value::from))
                .collect();
            tx.exec_drop(db.names.replace(&text), Params::Positional(values))
                .await?;
        }
    }
    Ok(())
}

async fn write_lines(
    db: &Db,
    tx: &mut Transaction<'static>,
    gathered: &Gathered<'_>,
) -> Result<(), DbError> {
    let lines: Vec<[Value; 6]> = gathered
        .lines
        .iter()
        .map(|(at, change, line)| {
            [
                change.run.0.into(),
                (*at).into(),
                change.items_id.into(),
                change.itemtype.as_str().into(),
                line.state.code().into(),
                line.text.as_str().into(),
            ]
        })
        .collect();
    add_lines(db, tx, &lines).await
}

/// Contacts that say the same (most do) in one statement.
async fn write_contacts(
    db: &Db,
    tx: &mut Transaction<'static>,
    requests: &[&Request],
) -> Result<(), DbError> {
    let contacts: Vec<&(AgentId, Contact)> = requests
        .iter()
        .filter_map(|request| request.contact.as_ref())
        .collect();
    let versions = merge_versions(db, tx, &contacts).await?;
    let mut groups: Vec<(&Contact, Option<&str>, Vec<u32>)> = Vec::new();
    for (agent, contact) in contacts {
        let merged = versions.get(&agent.0).map(String::as_str);
        let same = groups
            .iter_mut()
            .find(|(known, versions, _)| *versions == merged && says_the_same(known, contact));
        match same {
            Some((_, _, agents)) => agents.push(agent.0),
            None => groups.push((contact, merged, vec![agent.0])),
        }
    }
    if groups.len() > 1 {
        // Groups overlap those of another instance in any way: locked in one order first, neither waits for the other crosswise.
        let all = groups.iter().flat_map(|(_, _, agents)| agents);
        lock_agents(db, tx, all.copied().collect()).await?;
    }
    for (contact, versions, mut agents) in groups {
        agents.sort_unstable();
        for chunk in agents.chunks(LIST_MAX) {
            let text = format!(
                "/* agents_seen */ UPDATE {{p}}agents SET last_contact = ?, useragent = ?, token = COALESCE(?, token), version = COALESCE(?, version) WHERE id IN ({})",
                marks(chunk.len())
            );
            let told = [
                contact.at.into(),
                contact.useragent.as_deref().into(),
                contact.token.as_deref().into(),
                versions.into(),
            ];
            let values = told
                .into_iter()
                .chain(pad(chunk).map(Value::from))
                .collect();
            tx.exec_drop(db.names.replace(&text), Params::Positional(values))
                .await?;
        }
    }
    Ok(())
}

/// Whether they differ in nothing but the versions that they tell.
fn says_the_same(one: &Contact, other: &Contact) -> bool {
    (one.at, &one.useragent, &one.token) == (other.at, &other.useragent, &other.token)
}

/// The maps of versions that change, by agent. All agents are locked first then: what another task of one told meanwhile stays.
async fn merge_versions(
    db: &Db,
    tx: &mut Transaction<'static>,
    contacts: &[&(AgentId, Contact)],
) -> Result<HashMap<u32, String>, DbError> {
    let mut merged = HashMap::new();
    if contacts
        .iter()
        .all(|(_, contact)| contact.version.is_none())
    {
        return Ok(merged);
    }
    let all = contacts.iter().map(|(agent, _)| agent.0).collect();
    let mut stored = lock_agents(db, tx, all).await?;
    for (agent, contact) in contacts {
        if let Some((module, version)) = &contact.version
            && let Some(known) = stored.get_mut(&agent.0)
            && let Some(map) = with_version(known, module, version)
        {
            known.clone_from(&map);
            merged.insert(agent.0, map);
        }
    }
    Ok(merged)
}

/// Locks agents in ascending order; the versions of their tasks as stored.
async fn lock_agents(
    db: &Db,
    tx: &mut Transaction<'static>,
    agents: BTreeSet<u32>,
) -> Result<HashMap<u32, String>, DbError> {
    let agents: Vec<u32> = agents.into_iter().collect();
    let mut versions = HashMap::with_capacity(agents.len());
    for chunk in agents.chunks(LIST_MAX) {
        let text = format!(
            "/* lock_agents */ SELECT id, version FROM {{p}}agents WHERE id IN ({}) ORDER BY id FOR UPDATE",
            marks(chunk.len())
        );
        let rows: Vec<(u32, Option<String>)> =
            tx.exec(db.names.replace(&text), list(chunk)).await?;
        versions.extend(
            rows.into_iter()
                .map(|(id, version)| (id, version.unwrap_or_default())),
        );
    }
    Ok(versions)
}
