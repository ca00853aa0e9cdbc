//! The runs that messages in the spool are about, noted for the other sidecars: their ends wait for these messages.
//!
//! What is noted is never less than what there is: a message is announced before it is kept.

use std::collections::{BTreeSet, HashMap};

use tokio::sync::{Mutex, MutexGuard};

use crate::db::{Db, DbError};
use crate::domain::ids::RunId;

/// What is noted of the runs of one spool.
#[derive(Debug)]
pub(super) struct Runs {
    db: Db,
    spool: String,
    noted: Mutex<Noted>,
}

#[derive(Debug, Default)]
struct Noted {
    /// Whether what an earlier process left is known.
    read: bool,
    /// Messages that are announced and not in the queue yet.
    announced: HashMap<i64, u64>,
    rows: HashMap<i64, u64>,
}

/// The row of a run, if it can have one.
fn row(run: i64) -> Option<RunId> {
    u64::try_from(run).ok().map(RunId)
}

impl Runs {
    pub(super) fn new(db: Db, spool: String) -> Self {
        Self {
            db,
            spool,
            noted: Mutex::default(),
        }
    }

    /// A message about `run` will be kept; `queued` are in the queue.
    pub(super) async fn announce(
        &self,
        run: i64,
        queued: impl Fn(i64) -> u64,
    ) -> Result<(), DbError> {
        let mut noted = self.noted.lock().await;
        *noted.announced.entry(run).or_default() += 1;
        let written = self.write(&mut noted, run, &queued).await;
        if written.is_err() {
            take(&mut noted.announced, run);
        }
        written
    }

    /// It is in the queue, or will not come.
    pub(super) async fn arrived(&self, run: i64) {
        take(&mut self.noted.lock().await.announced, run);
    }

    /// Notes how many messages about `run` there are.
    pub(super) async fn settle(
        &self,
        run: i64,
        queued: impl Fn(i64) -> u64,
    ) -> Result<(), DbError> {
        let mut noted = self.noted.lock().await;
        self.write(&mut noted, run, &queued).await
    }

    /// Notes it of all runs, `known` and noted before.
    pub(super) async fn settle_all(
        &self,
        known: Vec<i64>,
        queued: impl Fn(i64) -> u64,
    ) -> Result<(), DbError> {
        let mut noted = self.noted.lock().await;
        // Somebody's hand may have been at the rows, too; nobody but this process writes them.
        if !noted.read || !noted.rows.is_empty() {
            let rows = self.db.spooled_in(&self.spool).await?;
            let rows = rows
                .into_iter()
                .filter_map(|(run, messages)| Some((i64::try_from(run.0).ok()?, messages)));
            noted.rows = rows.collect();
            noted.read = true;
        }
        let runs: BTreeSet<i64> = known
            .into_iter()
            .chain(noted.rows.keys().copied())
            .collect();
        for run in runs {
            self.write(&mut noted, run, &queued).await?;
        }
        Ok(())
    }

    /// Keeps the rows of this spool alive.
    pub(super) async fn keep(&self) -> Result<(), DbError> {
        self.db.keep_spooled(&self.spool).await
    }

    /// Messages about `run` in the spools of others.
    pub(super) async fn elsewhere(&self, run: i64) -> Result<u64, DbError> {
        match row(run) {
            Some(run) => self.db.spooled_elsewhere(&self.spool, run).await,
            None => Ok(0),
        }
    }

    async fn write(
        &self,
        noted: &mut MutexGuard<'_, Noted>,
        run: i64,
        queued: &impl Fn(i64) -> u64,
    ) -> Result<(), DbError> {
        let Some(id) = row(run) else {
            return Ok(());
        };
        let there = noted.announced.get(&run).copied().unwrap_or_default() + queued(run);
        if noted.rows.get(&run).copied().unwrap_or_default() == there {
            return Ok(());
        }
        self.db.note_spooled(&self.spool, id, there).await?;
        if there == 0 {
            noted.rows.remove(&run);
        } else {
            noted.rows.insert(run, there);
        }
        Ok(())
    }
}

fn take(announced: &mut HashMap<i64, u64>, run: i64) {
    if let Some(count) = announced.get_mut(&run) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            announced.remove(&run);
        }
    }
}
