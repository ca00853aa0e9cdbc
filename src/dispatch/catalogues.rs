//! The catalogue in memory: one snapshot, swapped whole, read again when it is old.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::db::{Db, DbError};
use crate::domain::actors::{Actor, IdSet, Members};
use crate::domain::catalogue::{Catalogue, Job};
use crate::domain::ids::DeployGroupId;
use crate::proto::criteria;

/// A catalogue and what was worked out from it.
#[derive(Debug)]
pub struct Snapshot {
    /// What was read.
    pub catalogue: Catalogue,
    /// Dynamic groups without a cache, evaluated since: each once a snapshot, however many requests ask.
    evaluated: Mutex<HashMap<DeployGroupId, Arc<IdSet>>>,
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
}

impl Catalogues {
    /// Reads from `db`; a snapshot is used for `refresh`, zero = never twice.
    #[must_use]
    pub fn new(db: Db, refresh: Duration) -> Self {
        Self {
            db,
            refresh,
            snapshot: ArcSwapOption::empty(),
            reading: Mutex::new(()),
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
        if let Some(snapshot) = self.young() {
            return Ok(snapshot);
        }
        // One reads, the others wait for what it reads.
        let _reading = self.reading.lock().await;
        match self.young() {
            Some(snapshot) => Ok(snapshot),
            None => self.read().await,
        }
    }

    /// A snapshot read after this call: for a request that names a job which the current one does not have.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn reread(&self) -> Result<Arc<Snapshot>, DbError> {
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

    fn young(&self) -> Option<Arc<Snapshot>> {
        self.snapshot
            .load_full()
            .filter(|snapshot| snapshot.read_at.elapsed() < self.refresh)
    }

    async fn read(&self) -> Result<Arc<Snapshot>, DbError> {
        let read_at = Instant::now();
        let catalogue = self.db.catalogue().await?;
        let snapshot = Arc::new(Snapshot {
            catalogue,
            evaluated: Mutex::default(),
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
    pub async fn members(&self, db: &Db, jobs: &[&Job]) -> Result<Members, DbError> {
        let catalogue = &self.catalogue;
        let mut members = Members::default();
        for actor in jobs.iter().flat_map(|job| &job.actors) {
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
        let mut evaluated = self.evaluated.lock().await;
        if let Some(computers) = evaluated.get(&group) {
            return Ok(Some(Arc::clone(computers)));
        }
        let computers = match criteria::parse(search) {
            Ok(criteria) => Arc::new(db.evaluate_group(group, &criteria).await?),
            Err(error) => {
                tracing::warn!(deploygroup.id = group.0, error = %error, "the group has no members: GLPI stored none");
                Arc::default()
            }
        };
        evaluated.insert(group, Arc::clone(&computers));
        Ok(Some(computers))
    }
}
