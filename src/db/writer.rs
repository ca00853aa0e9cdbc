//! Group commit: the changes of concurrent requests in one transaction, each request answered after the commit.
//!
//! One task takes what waits (at most 256 requests), locks the rows of all their runs by primary key in ascending order, follows
//! every change in memory on the states so locked, and writes the outcome with few multi-row statements. While it commits, the next
//! batch gathers: under load a batch is large, without load a request does not wait for others. A change never overwrites what it
//! did not expect: it names the states it may start from, and says whether it was made.
//!
//! A request with a [`Finding`] has a transaction of its own beside the queue: most tables of findings have no index but their primary
//! key, and nobody else shall wait while they are read through.
//!
//! When a batch is refused for one request's sake, its requests are tried one by one, so that the others go through. When the
//! connection breaks, every request of the batch hears that the database is not available: it may or may not have been committed,
//! and the agent asks again.

use std::time::Instant;

use chrono::NaiveDateTime;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::agents::Contact;
use super::collect::Found;
use super::network::Progress;
use super::{Db, DbError, OnLock};
use crate::domain::ids::{AgentId, ComputerId, RunId};
use crate::domain::policy::Policy;
use crate::domain::run::{LogState, Reported, RunState, StateSet};
use crate::telemetry::metrics::WRITE_BATCH;

mod commit;

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
    /// What is stored with it; not without it.
    pub finding: Option<Finding>,
}

/// What an agent found, or looks for anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// It found this on its computer for an order of a collect.
    Collected {
        /// The computer.
        computer: ComputerId,
        /// The order's row.
        order: u32,
        /// What it found.
        found: Found,
    },
    /// It is about to name every file that these orders find on its computer: those named before are forgotten.
    FilesAnew {
        /// The computer.
        computer: ComputerId,
        /// The orders' rows.
        orders: Vec<u32>,
    },
    /// Its discovery got on.
    Discovered {
        /// The agent.
        agent: AgentId,
        /// How far.
        progress: Progress,
    },
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
pub struct Writer {
    db: Db,
    queue: mpsc::Sender<(Request, Answer)>,
}

impl Writer {
    /// A writer and its task; `queue` is how many requests may wait. The task ends when the last writer is gone and everything is
    /// written, or at once on `hard`.
    pub fn new(
        db: Db,
        queue: usize,
        hard: CancellationToken,
    ) -> (Self, impl Future<Output = ()> + use<>) {
        let (queue, receiver) = mpsc::channel(queue.max(1));
        let task = run(db.clone(), receiver, hard);
        (Self { db, queue }, task)
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
        if request
            .changes
            .iter()
            .any(|change| change.finding.is_some())
        {
            let alone = std::slice::from_ref(&request);
            return only(commit(&self.db, OnLock::TryAgain, alone).await);
        }
        let (answer, outcome) = oneshot::channel();
        self.queue
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
        metrics::histogram!(WRITE_BATCH).record(u32::try_from(batch.len()).unwrap_or(u32::MAX));
        let (requests, answers): (Vec<Request>, Vec<Answer>) = batch.drain(..).unzip();
        let outcomes = write_batch(&db, requests).await;
        for (answer, outcome) in answers.into_iter().zip(outcomes) {
            // A client that went away does not undo what was committed.
            let _ = answer.send(outcome);
        }
    }
}

async fn write_batch(db: &Db, requests: Vec<Request>) -> Vec<Result<Vec<Outcome>, DbError>> {
    // What waits behind a locked row is a whole batch, and its other requests can be written without it.
    match commit(db, OnLock::GiveUp, &requests).await {
        Ok(outcomes) => outcomes.into_iter().map(Ok).collect(),
        Err(DbError::Unavailable(reason)) => requests
            .iter()
            .map(|_| Err(DbError::Unavailable(reason.clone())))
            .collect(),
        Err(error) if requests.len() == 1 => vec![Err(error)],
        Err(error) => {
            tracing::warn!(error = %error, requests = requests.len(), "a batch was refused, writing its requests one by one");
            let begun = Instant::now();
            let mut outcomes = Vec::with_capacity(requests.len());
            for request in requests {
                // Each row that somebody keeps locked costs a wait, and the next batch is waiting too.
                if begun.elapsed() > db.timeout {
                    outcomes.push(Err(DbError::Busy));
                    continue;
                }
                outcomes.push(only(
                    commit(db, OnLock::GiveUp, std::slice::from_ref(&request)).await,
                ));
            }
            outcomes
        }
    }
}

async fn commit(
    db: &Db,
    on_lock: OnLock,
    requests: &[Request],
) -> Result<Vec<Vec<Outcome>>, DbError> {
    db.tx("write_batch", on_lock, requests, |db, requests, tx| {
        Box::pin(commit::write(db, tx, requests))
    })
    .await
}

/// The outcomes of a request that was written alone.
fn only(outcomes: Result<Vec<Vec<Outcome>>, DbError>) -> Result<Vec<Outcome>, DbError> {
    outcomes.map(|mut outcomes| outcomes.pop().unwrap_or_default())
}
