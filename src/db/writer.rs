//! Group commit: the changes of concurrent requests in one transaction, each request answered after the commit.
//!
//! What waits (at most 256 requests) is taken together: the rows of all their runs are locked by primary key in ascending order, every
//! change is followed in memory on the states so locked, and the outcome is written with few multi-row statements. While it commits, the
//! next batch gathers: under load a batch is large, without load a request does not wait for others. A change never overwrites what it
//! did not expect: it names the states it may start from, and says whether it was made.
//!
//! A request may also name runs that are made as it is written, see [`Driven`].
//!
//! There are four queues of the same kind, so that nobody waits for what another one's request may take: most requests go through the
//! first, those with a [`Finding`] through the second, as tables without an index are read through for them, those that make runs through the
//! third, as they wait for a preparation of the same job, and what finds a row locked by somebody else (an import by PHP, a forgotten
//! console) through the fourth. Each refuses what is too much for it.
//!
//! When a batch is refused for one request's sake, its requests are tried one by one, so that the others go through. When the
//! connection breaks, every request of the batch hears that the database is not available: it may or may not have been committed,
//! and the agent asks again.

use std::net::IpAddr;

use chrono::NaiveDateTime;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::agents::Contact;
use super::collect::Found;
use super::network::Progress;
use super::{Db, DbError};
use crate::domain::ids::{AgentId, ComputerId, JobId, RunId, TaskId};
use crate::domain::policy::Policy;
use crate::domain::run::{LogState, Reported, RunState, StateSet};

mod commit;
mod findings;
mod lanes;

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
    /// Not if it is in one of these states, whatever the step says.
    pub unless: StateSet,
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
        /// The address that asked for it, if its file parts are fetched from there.
        to: Option<IpAddr>,
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
    /// Only its log grows, even if there is no such run.
    Note,
}

/// A run that is made in the transaction that sends it, unless one that stands in its way has been made meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Birth {
    /// What the changes of its request call it, see [`alias`].
    pub alias: RunId,
    /// Its task.
    pub task: TaskId,
    /// The how manieth occurrence of the task for the agent it belongs to.
    pub number: u32,
    /// Its job.
    pub job: JobId,
    /// Its agent.
    pub agent: AgentId,
    /// Kind of its target.
    pub itemtype: String,
    /// Row of its target.
    pub items_id: u32,
    /// The name that the agent knows it by.
    pub uniqid: String,
    /// Whether one that ended well does not stand in its way.
    pub reprepare: bool,
}

/// The id that changes of a request name its `nth` new run by: no row has it.
#[must_use]
pub const fn alias(nth: u64) -> RunId {
    RunId(u64::MAX - nth)
}

/// An occurrence of a task that begins for an agent, unless somebody has begun it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beginning {
    /// The task.
    pub task: TaskId,
    /// The agent.
    pub agent: AgentId,
    /// The how manieth.
    pub number: u32,
    /// When, in Unix time.
    pub at: i64,
}

/// What comes into being as an agent asks for it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Driven {
    /// Occurrences.
    pub begins: Vec<Beginning>,
    /// Runs.
    pub births: Vec<Birth>,
}

impl Driven {
    /// Whether it is nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.begins.is_empty() && self.births.is_empty()
    }
}

/// What a request wants written, all of it or, for each change that comes too late, nothing of that change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// When, local time: the date of the log lines.
    pub at: NaiveDateTime,
    /// An agent's contact.
    pub contact: Option<(AgentId, Contact)>,
    /// What comes into being before its changes.
    pub driven: Driven,
    /// Changes to runs, in order.
    pub changes: Vec<Change>,
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Made.
    Done,
    /// Made, of a run that came into being with it.
    Created(RunId),
    /// Only the log lines were written: the run stays where it is.
    Logged,
    /// Nothing was written: the run was not, or no longer, where the change expected it.
    Missed,
}

type Answer = oneshot::Sender<Result<Vec<Outcome>, DbError>>;

/// The door to the writing task.
#[derive(Debug, Clone)]
pub struct Writer {
    batches: mpsc::Sender<(Request, Answer)>,
    findings: mpsc::Sender<(Request, Answer)>,
    births: mpsc::Sender<(Request, Answer)>,
}

impl Writer {
    /// A writer and its task; `queue` is how many requests may wait in each of its queues. The task ends when the last writer is gone
    /// and everything is written, or at once on `hard`.
    pub fn new(
        db: Db,
        queue: usize,
        hard: CancellationToken,
    ) -> (Self, impl Future<Output = ()> + use<>) {
        let (batches, written) = mpsc::channel(queue.max(1));
        let (findings, found) = mpsc::channel(queue.max(1));
        let (births, made) = mpsc::channel(queue.max(1));
        let task = async move {
            tokio::select! {
                () = lanes::run(&db, written, [found, made], queue.max(1)) => {}
                () = hard.cancelled() => {}
            }
        };
        (
            Self {
                batches,
                findings,
                births,
            },
            task,
        )
    }

    /// Writes `request`; returns after the commit, with the outcome of each change.
    ///
    /// # Errors
    ///
    /// When the queue is full or the database fails; then nothing was acknowledged.
    pub async fn write(&self, request: Request) -> Result<Vec<Outcome>, DbError> {
        if request.contact.is_none() && request.changes.is_empty() && request.driven.is_empty() {
            return Ok(Vec::new());
        }
        let mut changes = request.changes.iter();
        let queue = if !request.driven.is_empty() {
            &self.births
        } else if changes.any(|change| change.finding.is_some()) {
            &self.findings
        } else {
            &self.batches
        };
        let (answer, outcome) = oneshot::channel();
        queue
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
