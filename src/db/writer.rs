//! Group commit: the changes of concurrent requests in one transaction, each request answered after the commit.
//!
//! One task takes what waits (at most 256 requests), locks the rows of all their runs by primary key in ascending order, follows
//! every change in memory on the states so locked, and writes the outcome with few multi-row statements. While it commits, the next
//! batch gathers: under load a batch is large, without load a request does not wait for others. A change never overwrites what it
//! did not expect: it names the states it may start from, and says whether it was made.
//!
//! When a batch is refused for one request's sake, its requests are tried one by one, so that the others go through. When the
//! connection breaks, every request of the batch hears that the database is not available: it may or may not have been committed,
//! and the agent asks again.

use std::collections::{BTreeSet, HashMap};

use chrono::NaiveDateTime;
use mysql_async::prelude::Queryable;
use mysql_async::{Params, Transaction, Value};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::agents::Contact;
use super::{Db, DbError, LIST_MAX, marks, pad};
use crate::domain::ids::{AgentId, RunId};
use crate::domain::policy::Policy;
use crate::domain::run::{
    Effect, LogState, Reported, RunState, StateSet, on_report, on_report_as_plugin,
};

/// Most requests in one transaction.
const BATCH: usize = 256;

/// Longest log text, bytes: the column is a TEXT.
pub const MAX_COMMENT: usize = 65_535;

/// A log line to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its state.
    pub state: LogState,
    /// Its text, as stored.
    pub text: String,
}

/// A change to one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The run.
    pub run: RunId,
    /// Kind of its target, for its log lines.
    pub itemtype: String,
    /// Row of its target, for its log lines.
    pub items_id: u32,
    /// What happens to it.
    pub step: Step,
    /// What its log says then.
    pub lines: Vec<Line>,
}

/// What happens to a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// It is handed out: from prepared to sent, or once more when it was sent `before` times and the agent has said nothing.
    Send {
        /// Its agent.
        agent: AgentId,
        /// Sends counted so far, as read with the run.
        before: u32,
        /// Whether sends are counted (policy `redux`).
        counted: bool,
    },
    /// It ends, or moves, if it is in one of these states.
    Move {
        /// From one of these.
        from: StateSet,
        /// To this.
        to: RunState,
    },
    /// Its agent reports; what follows is the policy's table.
    Report {
        /// Whose table.
        policy: Policy,
        /// What it reports.
        reported: Reported,
    },
    /// It waits again, from this moment on, if it is in one of these states.
    Defer {
        /// From one of these.
        from: StateSet,
        /// Not before.
        date_start: NaiveDateTime,
        /// Put off so often now.
        nb_retry: u32,
        /// And at most so often.
        max_retry: u32,
    },
    /// Only its log grows.
    Log,
}

/// What a request wants written, all of it or, for each change that comes too late, nothing of that change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// When, local time: the date of the log lines.
    pub at: NaiveDateTime,
    /// An agent's contact.
    pub contact: Option<(AgentId, Contact)>,
    /// Changes to runs, in order.
    pub changes: Vec<Change>,
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Made.
    Done,
    /// Only the log lines were written: the run stays where it is.
    Logged,
    /// Nothing was written: the run was not, or no longer, where the change expected it.
    Missed,
}

type Answer = oneshot::Sender<Result<Vec<Outcome>, DbError>>;

/// The door to the writing task.
#[derive(Debug, Clone)]
pub struct Writer(mpsc::Sender<(Request, Answer)>);

impl Writer {
    /// A writer and its task; `queue` is how many requests may wait. The task ends when the last writer is gone and everything is
    /// written, or at once on `hard`.
    pub fn new(
        db: Db,
        queue: usize,
        hard: CancellationToken,
    ) -> (Self, impl Future<Output = ()> + use<>) {
        let (sender, receiver) = mpsc::channel(queue.max(1));
        (Self(sender), run(db, receiver, hard))
    }

    /// Writes `request`; returns after the commit, with the outcome of each change.
    ///
    /// # Errors
    ///
    /// When the queue is full or the database fails; then nothing was acknowledged.
    pub async fn write(&self, request: Request) -> Result<Vec<Outcome>, DbError> {
        if request.contact.is_none() && request.changes.is_empty() {
            return Ok(Vec::new());
        }
        let (answer, outcome) = oneshot::channel();
        self.0
            .try_send((request, answer))
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => DbError::Busy,
                mpsc::error::TrySendError::Closed(_) => {
                    DbError::Unavailable("the writer has stopped".to_owned())
                }
            })?;
        outcome
            .await
            .map_err(|_| DbError::Unavailable("the writer has stopped".to_owned()))?
    }
}

async fn run(db: Db, mut receiver: mpsc::Receiver<(Request, Answer)>, hard: CancellationToken) {
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        tokio::select! {
            taken = receiver.recv_many(&mut batch, BATCH) => if taken == 0 { return },
            () = hard.cancelled() => return,
        }
        metrics::histogram!("fusion_sidecar_write_batch_requests")
            .record(u32::try_from(batch.len()).unwrap_or(u32::MAX));
        let (requests, answers): (Vec<Request>, Vec<Answer>) = batch.drain(..).unzip();
        let outcomes = write_batch(&db, requests).await;
        for (answer, outcome) in answers.into_iter().zip(outcomes) {
            // A client that went away does not undo what was committed.
            let _ = answer.send(outcome);
        }
    }
}

async fn write_batch(db: &Db, requests: Vec<Request>) -> Vec<Result<Vec<Outcome>, DbError>> {
    match commit(db, &requests).await {
        Ok(outcomes) => outcomes.into_iter().map(Ok).collect(),
        Err(DbError::Unavailable(reason)) => requests
            .iter()
            .map(|_| Err(DbError::Unavailable(reason.clone())))
            .collect(),
        Err(error) if requests.len() == 1 => vec![Err(error)],
        Err(error) => {
            tracing::warn!(error = %error, requests = requests.len(), "a batch was refused, writing its requests one by one");
            let mut outcomes = Vec::with_capacity(requests.len());
            for request in requests {
                let alone = commit(db, std::slice::from_ref(&request)).await;
                outcomes.push(alone.map(|mut outcomes| outcomes.pop().unwrap_or_default()));
            }
            outcomes
        }
    }
}

async fn commit(db: &Db, requests: &[Request]) -> Result<Vec<Vec<Outcome>>, DbError> {
    db.tx("write_batch", requests, |db, requests, tx| {
        Box::pin(write(db, tx, requests))
    })
    .await
}

/// State of a run inside the transaction.
#[derive(Debug, Clone, Copy)]
struct Locked {
    state: RunState,
    sends: u32,
}

/// What a transaction writes, gathered over its requests.
#[derive(Debug, Default)]
struct Gathered<'a> {
    /// New states, last one wins.
    states: HashMap<RunId, RunState>,
    /// Runs that are put off.
    deferred: Vec<(RunId, &'a Step)>,
    /// Sends counted.
    sends: HashMap<RunId, (AgentId, u32, NaiveDateTime)>,
    lines: Vec<(RunId, NaiveDateTime, &'a Change, &'a Line)>,
}

async fn write(
    db: &Db,
    tx: &mut Transaction<'static>,
    requests: &[Request],
) -> Result<Vec<Vec<Outcome>>, DbError> {
    let mut locked = lock_runs(db, tx, requests).await?;
    let mut gathered = Gathered::default();
    let mut outcomes = Vec::with_capacity(requests.len());
    for request in requests {
        let mut made = Vec::with_capacity(request.changes.len());
        for change in &request.changes {
            let outcome = match locked.get_mut(&change.run) {
                None => Outcome::Missed,
                Some(run) => follow(db, tx, request, change, run, &mut gathered).await?,
            };
            if outcome != Outcome::Missed {
                gathered.lines.extend(
                    change
                        .lines
                        .iter()
                        .map(|line| (change.run, request.at, change, line)),
                );
            }
            made.push(outcome);
        }
        outcomes.push(made);
    }
    write_states(db, tx, &gathered).await?;
    write_sends(db, tx, &gathered).await?;
    write_lines(db, tx, &gathered).await?;
    write_contacts(db, tx, requests).await?;
    Ok(outcomes)
}

/// Locks all runs of all requests, in ascending order: two instances never wait for each other crosswise.
async fn lock_runs(
    db: &Db,
    tx: &mut Transaction<'static>,
    requests: &[Request],
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
            "/* lock_runs */ SELECT r.id, r.state, s.sends FROM {{p}}taskjobstates r \
             LEFT JOIN {{p}}sidecar_runs s ON s.{{f}}taskjobstates_id = r.id WHERE r.id IN ({}) ORDER BY r.id FOR UPDATE",
            marks(chunk.len())
        );
        let values = Params::Positional(pad(chunk).map(Value::from).collect());
        let rows: Vec<(u64, u32, Option<u32>)> = tx.exec(db.names.replace(&text), values).await?;
        for (id, code, sends) in rows {
            let state = RunState::from_code(code).ok_or_else(|| DbError::CorruptRow {
                table: "taskjobstates",
                column: "state",
                value: code.to_string(),
            })?;
            locked.insert(
                RunId(id),
                Locked {
                    state,
                    sends: sends.unwrap_or_default(),
                },
            );
        }
    }
    Ok(locked)
}

/// Makes one change in memory, if the run is where the change expects it.
async fn follow<'a>(
    db: &Db,
    tx: &mut Transaction<'static>,
    request: &Request,
    change: &'a Change,
    run: &mut Locked,
    gathered: &mut Gathered<'a>,
) -> Result<Outcome, DbError> {
    let to = match &change.step {
        Step::Log => return Ok(Outcome::Done),
        Step::Send {
            agent,
            before,
            counted,
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
            }
            RunState::Sent
        }
        Step::Move { from, to } if from.contains(run.state) => *to,
        Step::Defer { from, .. } if from.contains(run.state) => {
            gathered.deferred.push((change.run, &change.step));
            // Whatever was counted belonged to the sends before.
            run.sends = 0;
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
    for (run, step) in &gathered.deferred {
        if let Step::Defer {
            date_start,
            nb_retry,
            max_retry,
            ..
        } = step
        {
            let sql = db.sql("/* defer_run */ UPDATE {p}taskjobstates SET date_start = ?, nb_retry = ?, max_retry = ? WHERE id = ?");
            tx.exec_drop(sql.as_ref(), (date_start, nb_retry, max_retry, run.0))
                .await?;
            let sql =
                db.sql("/* defer_run */ DELETE FROM {p}sidecar_runs WHERE {f}taskjobstates_id = ?");
            tx.exec_drop(sql.as_ref(), (run.0,)).await?;
        }
    }
    for state in RunState::ALL {
        let mut ids: Vec<u64> = gathered
            .states
            .iter()
            .filter(|(_, to)| **to == state)
            .map(|(run, _)| run.0)
            .collect();
        ids.sort_unstable();
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

async fn write_sends(
    db: &Db,
    tx: &mut Transaction<'static>,
    gathered: &Gathered<'_>,
) -> Result<(), DbError> {
    let mut sends: Vec<_> = gathered
        .sends
        .iter()
        .map(|(run, sent)| (run.0, *sent))
        .collect();
    sends.sort_unstable_by_key(|(run, _)| *run);
    for chunk in sends.chunks(LIST_MAX) {
        let text = format!(
            "/* count_sends */ INSERT INTO {{p}}sidecar_runs ({{f}}taskjobstates_id, {{f}}agents_id, sends, sent_at) VALUES {} \
             ON DUPLICATE KEY UPDATE sends = VALUES(sends), sent_at = VALUES(sent_at)",
            rows(chunk.len(), 4)
        );
        let values = chunk
            .iter()
            .flat_map(|(run, (agent, sends, at))| {
                [
                    Value::from(*run),
                    agent.0.into(),
                    (*sends).into(),
                    (*at).into(),
                ]
            })
            .collect();
        tx.exec_drop(db.names.replace(&text), Params::Positional(values))
            .await?;
    }
    Ok(())
}

/// Log lines in the order of the changes: their ids are what screens sort by.
async fn write_lines(
    db: &Db,
    tx: &mut Transaction<'static>,
    gathered: &Gathered<'_>,
) -> Result<(), DbError> {
    let mut rest = gathered.lines.as_slice();
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(statement_rows(rest.len()));
        rest = after;
        let text = format!(
            "/* add_lines */ INSERT INTO {{p}}taskjoblogs ({{f}}taskjobstates_id, date, items_id, itemtype, state, comment) VALUES {}",
            rows(chunk.len(), 6)
        );
        let values = chunk
            .iter()
            .flat_map(|(run, at, change, line)| {
                [
                    Value::from(run.0),
                    (*at).into(),
                    change.items_id.into(),
                    change.itemtype.as_str().into(),
                    line.state.code().into(),
                    line.text.as_str().into(),
                ]
            })
            .collect();
        tx.exec_drop(db.names.replace(&text), Params::Positional(values))
            .await?;
    }
    Ok(())
}

/// Contacts that say the same (most do) in one statement.
async fn write_contacts(
    db: &Db,
    tx: &mut Transaction<'static>,
    requests: &[Request],
) -> Result<(), DbError> {
    let mut groups: Vec<(&Contact, Vec<u32>)> = Vec::new();
    for (agent, contact) in requests
        .iter()
        .filter_map(|request| request.contact.as_ref())
    {
        match groups.iter_mut().find(|(known, _)| *known == contact) {
            Some((_, agents)) => agents.push(agent.0),
            None => groups.push((contact, vec![agent.0])),
        }
    }
    for (contact, mut agents) in groups {
        agents.sort_unstable();
        for chunk in agents.chunks(LIST_MAX) {
            let text = format!(
                "/* agents_seen */ UPDATE {{p}}agents SET last_contact = ?, useragent = ?, token = COALESCE(?, token) WHERE id IN ({})",
                marks(chunk.len())
            );
            let told = [
                contact.at.into(),
                contact.useragent.as_deref().into(),
                contact.token.as_deref().into(),
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

/// How many of `waiting` rows go into one insert: a length that statements exist for, so that there are few texts.
pub(super) fn statement_rows(waiting: usize) -> usize {
    super::LIST_SIZES
        .into_iter()
        .rev()
        .find(|size| *size <= waiting)
        .unwrap_or(waiting)
}

/// `(?,…),(?,…)` for `count` rows of `columns` columns.
pub(super) fn rows(count: usize, columns: usize) -> String {
    let row = format!("({})", vec!["?"; columns].join(","));
    vec![row; count].join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inserts_come_in_few_lengths() {
        for (waiting, taken) in [
            (1, 1),
            (15, 1),
            (16, 16),
            (255, 16),
            (256, 256),
            (1000, 256),
        ] {
            assert_eq!(statement_rows(waiting), taken);
        }
        assert_eq!(rows(2, 3), "(?,?,?),(?,?,?)");
    }
}
