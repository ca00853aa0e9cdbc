//! The catalogue in memory: one snapshot, swapped whole, read again when it is old.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use chrono_tz::Tz;
use tokio::sync::{Mutex, MutexGuard, Notify};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::members::{Evaluated, STANDS};
use crate::clock::Clock;
use crate::db::{Db, DbError};
use crate::domain::actors::Members;
use crate::domain::catalogue::{Catalogue, Job};
use crate::domain::ids::JobId;
use crate::domain::policy::Policy;

/// A catalogue and what was worked out from it.
#[derive(Debug)]
pub struct Snapshot {
    /// What was read.
    pub catalogue: Arc<Catalogue>,
    evaluated: Arc<Evaluated>,
    /// When it was read.
    read_at: Instant,
}

/// Keeps the snapshot.
#[derive(Debug)]
pub struct Catalogues {
    db: Db,
    refresh: Duration,
    snapshot: ArcSwapOption<Snapshot>,
    /// Who reads has it; in it is how the last attempt failed, and when.
    reading: Mutex<Option<(Instant, DbError)>>,
    /// A snapshot was read.
    renewed: Notify,
    /// Outlives snapshots.
    evaluated: Arc<Evaluated>,
    /// Jobs that runs name and that a snapshot read for their sake did not have: PHP deleted them, and their ids never come back.
    gone: std::sync::Mutex<HashSet<JobId>>,
}

/// Most deleted jobs that are remembered; beyond it all are forgotten, which costs a read each.
const MOST_GONE: usize = 10_000;

/// How long a failure to read stands for all who ask: as long as one attempt may take, those who come would queue for attempts of their own.
const FAILURE_STANDS: Duration = Duration::from_secs(1);

/// By how many times its age may exceed the allowed one while a snapshot's successor is being read.
const PATIENCE: u32 = 5;

impl Catalogues {
    /// Reads from `db`; a snapshot is used for `refresh`, and up to five times as long while the next one is being read; zero = never
    /// twice. Criteria of dynamic groups are about moments of `clock` in `zone`; `policy` says which groups have no cache.
    #[must_use]
    pub fn new(db: Db, refresh: Duration, policy: Policy, clock: Arc<dyn Clock>, zone: Tz) -> Self {
        Self {
            evaluated: Arc::new(Evaluated::new(db.clone(), policy, clock, zone)),
            db,
            refresh,
            snapshot: ArcSwapOption::empty(),
            reading: Mutex::default(),
            renewed: Notify::new(),
            gone: std::sync::Mutex::default(),
        }
    }

    /// A snapshot that is young enough.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn current(&self) -> Result<Arc<Snapshot>, DbError> {
        if self.refresh.is_zero() {
            let snapshot = self.read().await?;
            self.evaluated
                .refresh(&snapshot.catalogue, Duration::ZERO)
                .await;
            return Ok(snapshot);
        }
        if let Some(snapshot) = self.younger(self.refresh) {
            return Ok(snapshot);
        }
        let asked = Instant::now();
        // One reads. The others go on with what there is, unless that is too old: then they wait for what it reads.
        let reading = match self.reading.try_lock() {
            Ok(reading) => reading,
            Err(_) => match self.younger(self.refresh.saturating_mul(PATIENCE)) {
                Some(snapshot) => return Ok(snapshot),
                None => self.reading.lock().await,
            },
        };
        match self.younger(self.refresh) {
            Some(snapshot) => Ok(snapshot),
            None => self.read_for_all(reading, asked).await,
        }
    }

    /// Puts a fresh snapshot in the place of `snapshot` if that lacks one of `jobs` or its task, which may be newer than it; not for one
    /// that is known to be gone.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn with_jobs(
        &self,
        snapshot: &mut Arc<Snapshot>,
        jobs: impl Iterator<Item = JobId>,
    ) -> Result<(), DbError> {
        let mut lacking: Vec<JobId> = jobs.filter(|job| !snapshot.catalogue.has(*job)).collect();
        if lacking.is_empty() {
            return Ok(());
        }
        {
            let gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
            lacking.retain(|job| !gone.contains(job));
        }
        if lacking.is_empty() {
            return Ok(());
        }
        *snapshot = self.reread().await?;
        lacking.retain(|job| !snapshot.catalogue.has(*job));
        let mut gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        if gone.len() + lacking.len() > MOST_GONE {
            gone.clear();
        }
        gone.extend(lacking);
        Ok(())
    }

    /// A snapshot read after this call.
    ///
    /// # Errors
    ///
    /// When the database fails.
    async fn reread(&self) -> Result<Arc<Snapshot>, DbError> {
        let asked = Instant::now();
        let reading = self.reading.lock().await;
        match self
            .snapshot
            .load_full()
            .filter(|snapshot| snapshot.read_at > asked)
        {
            Some(snapshot) => Ok(snapshot),
            None => self.read_for_all(reading, asked).await,
        }
    }

    /// Reads, unless an attempt has just failed: since `asked`, which is when the caller began to wait, or a moment ago.
    async fn read_for_all(
        &self,
        mut last_failure: MutexGuard<'_, Option<(Instant, DbError)>>,
        asked: Instant,
    ) -> Result<Arc<Snapshot>, DbError> {
        if let Some((at, error)) = last_failure.as_ref()
            && (*at >= asked || at.elapsed() < FAILURE_STANDS)
        {
            return Err(error.clone());
        }
        let outcome = self.read().await;
        *last_failure = match &outcome {
            Ok(_) => None,
            Err(error) => Some((Instant::now(), error.clone())),
        };
        outcome
    }

    /// Reads ahead, so that requests find a young snapshot, and evaluates beside that the dynamic groups without a cache; until `stop`.
    pub async fn refresh_regularly(&self, stop: CancellationToken) {
        // At half the age a request never waits for a read, unless reading takes that long.
        let period = self.refresh / 2;
        if period.is_zero() {
            return;
        }
        let reading = async {
            loop {
                tokio::time::sleep(period).await;
                if let Err(error) = self.reread().await {
                    tracing::warn!(error = %error, code = error.code(), "the catalogue could not be read");
                }
            }
        };
        // Snapshots do not wait for it, however long it takes.
        let evaluating = async {
            loop {
                self.renewed.notified().await;
                if let Some(snapshot) = self.last() {
                    self.evaluated.refresh(&snapshot.catalogue, STANDS).await;
                }
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = reading => {}
            () = evaluating => {}
        }
    }

    /// The snapshot read last, however old.
    #[must_use]
    pub fn last(&self) -> Option<Arc<Snapshot>> {
        self.snapshot.load_full()
    }

    fn younger(&self, age: Duration) -> Option<Arc<Snapshot>> {
        self.snapshot
            .load_full()
            .filter(|snapshot| snapshot.read_at.elapsed() < age)
    }

    async fn read(&self) -> Result<Arc<Snapshot>, DbError> {
        let read_at = Instant::now();
        let catalogue = Arc::new(self.db.catalogue().await?);
        let snapshot = Arc::new(Snapshot {
            catalogue,
            evaluated: Arc::clone(&self.evaluated),
            read_at,
        });
        self.snapshot.store(Some(Arc::clone(&snapshot)));
        self.renewed.notify_one();
        Ok(snapshot)
    }
}

impl Snapshot {
    /// Members of the groups among the actors of `jobs`, from memory.
    ///
    /// A dynamic group that GLPI has no cache of has an entry once it was evaluated.
    #[must_use]
    pub fn members<'a>(&self, jobs: impl Iterator<Item = &'a Job>) -> Members {
        self.evaluated.members(&self.catalogue, jobs)
    }
}
