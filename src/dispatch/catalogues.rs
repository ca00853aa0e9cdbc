//! The catalogue in memory: one snapshot, swapped whole, read again when it is old.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::{Mutex, OnceCell};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::db::{Db, DbError};
use crate::domain::actors::{Actor, IdSet, Members};
use crate::domain::catalogue::{Catalogue, Job};
use crate::domain::ids::{DeployGroupId, JobId};
use crate::proto::criteria;

/// A catalogue and what was worked out from it.
#[derive(Debug)]
pub struct Snapshot {
    /// What was read.
    pub catalogue: Catalogue,
    /// Dynamic groups without a cache, evaluated since: each once a snapshot, however many requests ask.
    evaluated: std::sync::Mutex<HashMap<DeployGroupId, Arc<OnceCell<Arc<IdSet>>>>>,
    /// When it was read.
    read_at: Instant,
}

/// Keeps the snapshot.
#[derive(Debug)]
pub struct Catalogues {
    db: Db,
    refresh: Duration,
    snapshot: ArcSwapOption<Snapshot>,
    reading: Mutex<()>,
    /// Jobs that runs name and that a snapshot read for their sake did not have: PHP deleted them, and their ids never come back.
    gone: std::sync::Mutex<HashSet<JobId>>,
}

/// Most deleted jobs that are remembered; beyond it all are forgotten, which costs a read each.
const MOST_GONE: usize = 10_000;

/// By how many times its age may exceed the allowed one while a snapshot's successor is being read.
const PATIENCE: u32 = 5;

impl Catalogues {
    /// Reads from `db`; a snapshot is used for `refresh`, and up to five times as long while the next one is being read; zero = never
    /// twice.
    #[must_use]
    pub fn new(db: Db, refresh: Duration) -> Self {
        Self {
            db,
            refresh,
            snapshot: ArcSwapOption::empty(),
            reading: Mutex::new(()),
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
            return self.read().await;
        }
        if let Some(snapshot) = self.younger(self.refresh) {
            return Ok(snapshot);
        }
        // One reads. The others go on with what there is, unless that is too old: then they wait for what it reads.
        let _reading = match self.reading.try_lock() {
            Ok(reading) => reading,
            Err(_) => match self.younger(self.refresh.saturating_mul(PATIENCE)) {
                Some(snapshot) => return Ok(snapshot),
                None => self.reading.lock().await,
            },
        };
        match self.younger(self.refresh) {
            Some(snapshot) => Ok(snapshot),
            None => self.read().await,
        }
    }

    /// Puts a fresh snapshot in the place of `snapshot` if that lacks one of `jobs`, which may be newer than it; not for one that is known
    /// to be gone.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn with_jobs(
        &self,
        snapshot: &mut Arc<Snapshot>,
        jobs: impl Iterator<Item = JobId>,
    ) -> Result<(), DbError> {
        let mut lacking: Vec<JobId> = jobs
            .filter(|job| !snapshot.catalogue.jobs.contains_key(job))
            .collect();
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
        lacking.retain(|job| !snapshot.catalogue.jobs.contains_key(job));
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
        let _reading = self.reading.lock().await;
        match self
            .snapshot
            .load_full()
            .filter(|snapshot| snapshot.read_at > asked)
        {
            Some(snapshot) => Ok(snapshot),
            None => self.read().await,
        }
    }

    /// Reads ahead, so that requests find a young snapshot, until `stop`.
    pub async fn refresh_regularly(&self, stop: CancellationToken) {
        // At half the age a request never waits for a read, unless reading takes that long.
        let period = self.refresh / 2;
        while !period.is_zero() {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(period) => {}
            }
            if let Err(error) = self.reread().await {
                tracing::warn!(error = %error, code = error.code(), "the catalogue could not be read");
            }
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
        let catalogue = self.db.catalogue().await?;
        let snapshot = Arc::new(Snapshot {
            catalogue,
            evaluated: std::sync::Mutex::default(),
            read_at,
        });
        self.snapshot.store(Some(Arc::clone(&snapshot)));
        Ok(snapshot)
    }
}

impl Snapshot {
    /// Members of the groups among the actors of `jobs`; dynamic groups without a cache are evaluated now.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn members(
        &self,
        db: &Db,
        jobs: impl Iterator<Item = &Job>,
    ) -> Result<Members, DbError> {
        let catalogue = &self.catalogue;
        let mut members = Members::default();
        for actor in jobs.flat_map(|job| &job.actors) {
            match actor {
                Actor::Group(id) => {
                    members.users.extend(
                        catalogue
                            .members
                            .users
                            .get(id)
                            .map(|users| (*id, Arc::clone(users))),
                    );
                }
                Actor::DeployGroup(id) => {
                    let computers = match catalogue.members.computers.get(id) {
                        Some(computers) => Some(Arc::clone(computers)),
                        None => self.evaluate(db, *id).await?,
                    };
                    members
                        .computers
                        .extend(computers.map(|computers| (*id, computers)));
                }
                Actor::Computer(_) | Actor::Agent(_) => {}
            }
        }
        Ok(members)
    }

    async fn evaluate(&self, db: &Db, group: DeployGroupId) -> Result<Option<Arc<IdSet>>, DbError> {
        let Some(search) = self.catalogue.searches.get(&group) else {
            return Ok(None);
        };
        // Who asks for one group waits for nobody who asks for another.
        let cell = {
            let mut evaluated = self
                .evaluated
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            Arc::clone(evaluated.entry(group).or_default())
        };
        let computers = cell
            .get_or_try_init(async || match criteria::parse(search) {
                Ok(criteria) => Ok::<_, DbError>(Arc::new(db.evaluate_group(group, &criteria).await?)),
                Err(error) => {
                    tracing::warn!(deploygroup.id = group.0, error = %error, "the group has no members: GLPI stored none");
                    Ok(Arc::default())
                }
            })
            .await?;
        Ok(Some(Arc::clone(computers)))
    }
}
