//! The four queues of the writer.
//!
//! - The first is written in a session that waits for no row. Where one is locked by somebody else, those that are not are found out
//!   (`SKIP LOCKED`) and written, and what is about a locked one goes to the last queue.
//! - The second, of requests that found something, is written in smaller batches, in one of the pool's sessions.
//! - The third, of requests that make runs, is written in the same way: it waits for the lock rows of jobs.
//! - The last tries again every now and then, for as long as [`PATIENCE`].
//!
//! A server without `SKIP LOCKED` (MariaDB before 10.6, MySQL before 8.0) has the requests of such a batch written one by one. One whose
//! sessions always wait (MySQL) waits once before a lock is noticed.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{self, Receiver, Sender};

use super::{Answer, Outcome, Request, commit};
use crate::db::{Db, DbError, OnLock};
use crate::telemetry::metrics::WRITE_BATCH;

/// Most requests in one transaction.
const BATCH: usize = 256;

/// The same with findings: many are answered by one reading of a large table, and no transaction forgets more files than so many
/// computers have.
const FINDINGS: usize = 32;

/// How long a request is tried again when somebody else has locked its rows: what an import by PHP takes, and less than an agent waits.
const PATIENCE: Duration = Duration::from_secs(2);

/// Between two tries of what hit a lock.
const PAUSE: Duration = Duration::from_millis(50);

/// How a queue is written.
#[derive(Debug, Clone, Copy)]
struct Manner {
    /// Name of the operation.
    name: &'static str,
    on_lock: OnLock,
    /// Most requests in one transaction.
    most: usize,
}

type Waiting = (Request, Answer);

/// Who waits for an answer, and since when a locked row is in the way.
struct Held {
    answer: Answer,
    since: Option<Instant>,
}

/// What the queues know of locked rows.
struct Locks<'a> {
    db: &'a Db,
    /// Somebody has locked rows of requests that wait in the third queue.
    wary: AtomicBool,
}

/// Writes what comes until the queues are closed and empty; at most `queue` requests wait for locked rows.
pub(super) async fn run(
    db: &Db,
    batches: Receiver<Waiting>,
    [findings, births]: [Receiver<Waiting>; 2],
    queue: usize,
) {
    let locks = Locks {
        db,
        wary: AtomicBool::new(false),
    };
    let together = Manner {
        name: "write_batch",
        on_lock: OnLock::NoWait,
        most: BATCH,
    };
    let found = Manner {
        name: "write_found",
        on_lock: OnLock::GiveUp,
        most: FINDINGS,
    };
    let made = Manner {
        name: "write_made",
        on_lock: OnLock::GiveUp,
        most: FINDINGS,
    };
    let late = Manner {
        name: "write_late",
        on_lock: OnLock::NoWait,
        most: BATCH.min(queue),
    };
    let (aside, locked) = mpsc::channel(queue);
    tokio::join!(
        locks.at_once(together, batches, aside),
        locks.patiently(found, findings),
        locks.patiently(made, births),
        locks.patiently(late, locked),
    );
}

impl Locks<'_> {
    /// The first queue.
    async fn at_once(&self, manner: Manner, mut queue: Receiver<Waiting>, aside: Sender<Waiting>) {
        let mut batch = Vec::with_capacity(manner.most);
        while queue.recv_many(&mut batch, manner.most).await > 0 {
            metrics::histogram!(WRITE_BATCH).record(u32::try_from(batch.len()).unwrap_or(u32::MAX));
            let (requests, answers): (Vec<Request>, Vec<Answer>) = batch.drain(..).unzip();
            let wary = self.wary.load(Ordering::Relaxed);
            let outcomes = self.write(manner, wary, &requests).await;
            for ((request, answer), outcome) in requests.into_iter().zip(answers).zip(outcomes) {
                if matches!(outcome, Err(DbError::Locked(_))) {
                    self.wary.store(true, Ordering::Relaxed);
                    if let Err(full) = aside.try_send((request, answer)) {
                        let (_, answer) = full.into_inner();
                        let _ = answer.send(Err(DbError::Busy));
                    }
                    continue;
                }
                // A client that went away does not undo what was committed.
                let _ = answer.send(outcome);
            }
        }
    }

    /// The other queues: what finds a row locked is tried again with what comes next.
    async fn patiently(&self, manner: Manner, mut queue: Receiver<Waiting>) {
        let mut requests: Vec<Request> = Vec::new();
        let mut held: VecDeque<Held> = VecDeque::new();
        let late = manner.on_lock == OnLock::NoWait;
        loop {
            if requests.is_empty() {
                if late && queue.is_empty() {
                    self.wary.store(false, Ordering::Relaxed);
                }
                let Some((request, answer)) = queue.recv().await else {
                    return;
                };
                let since = late.then(Instant::now);
                requests.push(request);
                held.push_back(Held { answer, since });
            }
            if held.iter().any(|one| one.since.is_some()) {
                tokio::time::sleep(PAUSE).await;
            }
            while requests.len() < manner.most
                && let Ok((request, answer)) = queue.try_recv()
            {
                let since = late.then(Instant::now);
                requests.push(request);
                held.push_back(Held { answer, since });
            }
            let careful = held.iter().any(|one| one.since.is_some());
            let outcomes = self.write(manner, careful, &requests).await;
            let mut again = Vec::new();
            for (request, outcome) in std::mem::take(&mut requests).into_iter().zip(outcomes) {
                let Some(mut one) = held.pop_front() else {
                    return;
                };
                let since = *one.since.get_or_insert_with(Instant::now);
                if matches!(outcome, Err(DbError::Locked(_))) && since.elapsed() < PATIENCE {
                    again.push(request);
                    held.push_back(one);
                } else {
                    let _ = one.answer.send(outcome);
                }
            }
            requests = again;
        }
    }

    /// Writes a batch, or all of it that can be; a `careful` one finds out first which rows somebody has locked.
    async fn write(
        &self,
        manner: Manner,
        careful: bool,
        requests: &[Request],
    ) -> Vec<Result<Vec<Outcome>, DbError>> {
        let mut written = self.commit(manner, careful, requests).await;
        if !careful && requests.len() > 1 && matches!(written, Err(DbError::Locked(_))) {
            written = self.commit(manner, true, requests).await;
        }
        match written {
            Ok(outcomes) => outcomes,
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
                    // Each row that somebody keeps locked may cost a wait, and the next batch is waiting too.
                    if begun.elapsed() > self.db.timeout {
                        outcomes.push(Err(DbError::Busy));
                        continue;
                    }
                    let alone = std::slice::from_ref(request);
                    let outcome = self.commit(manner, false, alone).await;
                    outcomes.push(
                        outcome.and_then(|mut made| made.pop().unwrap_or_else(|| Ok(Vec::new()))),
                    );
                }
                outcomes
            }
        }
    }

    async fn commit(
        &self,
        manner: Manner,
        careful: bool,
        requests: &[Request],
    ) -> Result<Vec<Result<Vec<Outcome>, DbError>>, DbError> {
        let skip = careful && self.db.skips_locked().await;
        let (outcomes, jobs) = self
            .db
            .tx(
                manner.name,
                manner.on_lock,
                (requests, skip),
                |db, (requests, skip), tx| Box::pin(commit::write(db, tx, requests, *skip)),
            )
            .await?;
        self.db.written().note(jobs);
        Ok(outcomes)
    }
}
