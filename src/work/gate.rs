//! The one place that decides whether a duty may run now: this sidecar leads, GLPI is open, GLPI's cron does not do it, and nobody else is
//! at it.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::doors::Doors;
use super::turn::{self, Outcome, Turn};
use crate::clock::Clock;
use crate::config::Scheduler;
use crate::db::leases::{Ask, Instance};
use crate::db::{Db, DbError};
use crate::domain::crons::Chore;
use crate::domain::lease::{look_every, renew_every};
use crate::telemetry::metrics::LEADER;

/// The lease of the sidecar that does the periodic work.
pub const LEADER_LEASE: &str = "leader";

/// Time between two looks for rows of sidecars that are gone.
const FORGET_EVERY: Duration = Duration::from_hours(1);

/// Decides for the sidecar of this process.
pub struct Gate {
    db: Db,
    who: Instance,
    clock: Arc<dyn Clock>,
    length: Duration,
    beside_cron: bool,
    doors: Doors,
    leads: watch::Sender<bool>,
    kept_off: Mutex<HashSet<Chore>>,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("who", &self.who)
            .field("leads", &*self.leads.borrow())
            .finish_non_exhaustive()
    }
}

impl Gate {
    /// For `who`, which does not lead yet.
    #[must_use]
    pub fn new(db: Db, who: Instance, clock: Arc<dyn Clock>, settings: &Scheduler) -> Self {
        Self {
            db,
            who,
            clock,
            length: settings.lease,
            beside_cron: settings.beside_cron,
            doors: Doors::default(),
            leads: watch::Sender::new(false),
            kept_off: Mutex::default(),
        }
    }

    /// Does one pass of `chore` if it may run now; the next one is due in `next`. None if it may not.
    pub(super) async fn pass<T: Outcome>(
        &self,
        chore: Chore,
        next: Duration,
        work: impl Future<Output = Result<T, DbError>>,
    ) -> Result<Option<T>, DbError> {
        let Some(turn) = self.enter(chore).await? else {
            return Ok(None);
        };
        let outcome = turn.run(work, Some(next)).await?;
        if outcome.closed().is_some() {
            self.doors.seen(outcome.closed());
        }
        Ok(Some(outcome))
    }

    async fn enter(&self, chore: Chore) -> Result<Option<Turn>, DbError> {
        if !*self.leads.borrow() || !self.doors.are_open(&self.db).await? {
            return Ok(None);
        }
        if let Some(cron) = chore.cron().filter(|_| !self.beside_cron)
            && self.db.plugin_cron_is_on(cron).await?
        {
            self.keep_off(chore, cron);
            return Ok(None);
        }
        self.comes_back_to(chore);
        let (db, clock) = (self.db.clone(), Arc::clone(&self.clock));
        let turn = Turn::take(db, clock, &self.who, chore, self.length, Some(LEADER_LEASE)).await?;
        if turn.is_none() {
            tracing::info!(
                duty = chore.word(),
                "another one is at it, the sidecar keeps off"
            );
        }
        Ok(turn)
    }

    fn comes_back_to(&self, chore: Chore) {
        let mut kept_off = self.kept_off.lock().unwrap_or_else(PoisonError::into_inner);
        kept_off.remove(&chore);
    }

    /// A line in the log when it begins, not at every look.
    fn keep_off(&self, chore: Chore, cron: &str) {
        let mut kept_off = self.kept_off.lock().unwrap_or_else(PoisonError::into_inner);
        if kept_off.insert(chore) {
            tracing::warn!(
                duty = chore.word(),
                "GLPI's cron task '{cron}' is on: the sidecar keeps off. Switch it off with `fusion-sidecar migrate --take-over`, or in GLPI."
            );
        }
    }

    /// What tells when this sidecar begins to lead.
    pub(super) fn leading(&self) -> Leading {
        Leading(self.leads.subscribe())
    }

    /// Takes and keeps the lease of the leader whenever it can be had, with a sign of life now and then, until `stop`; then gives back
    /// what this sidecar has.
    pub async fn lead(&self, stop: CancellationToken) {
        let mut last_beat: Option<Instant> = None;
        let mut last_forgotten: Option<Instant> = None;
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                wait = self.campaign(&mut last_beat, &mut last_forgotten) => {
                    tokio::select! {
                        () = stop.cancelled() => break,
                        () = tokio::time::sleep(wait) => {}
                    }
                }
            }
        }
        self.set_leads(false);
        if let Err(error) = self.db.release_leases(None, &self.who.id).await {
            tracing::warn!(error = %error, code = error.code(), "leases were not given back, they run out");
        }
    }

    /// One look; the time until the next.
    async fn campaign(
        &self,
        last_beat: &mut Option<Instant>,
        last_forgotten: &mut Option<Instant>,
    ) -> Duration {
        let leads = self
            .db
            .lease(LEADER_LEASE, &self.who, self.length, Ask::Take)
            .await;
        let wait = match leads {
            Ok(leads) => {
                self.set_leads(leads);
                if leads {
                    renew_every(self.length)
                } else {
                    look_every(self.length)
                }
            }
            Err(error) => {
                if self.set_leads(false) {
                    tracing::warn!(error = %error, code = error.code(), "the lease of the leader could not be renewed, trying again");
                }
                return look_every(self.length);
            }
        };
        let is_due = |last: &Option<Instant>, period| last.is_none_or(|at| at.elapsed() >= period);
        if is_due(last_beat, renew_every(self.length)) {
            match self.db.beat(&self.who, turn::VERSION).await {
                Ok(()) => *last_beat = Some(Instant::now()),
                Err(error) => {
                    tracing::warn!(error = %error, code = error.code(), "no sign of life was stored");
                }
            }
        }
        if *self.leads.borrow() && is_due(last_forgotten, FORGET_EVERY) {
            match self.db.forget_silent().await {
                Ok(()) => *last_forgotten = Some(Instant::now()),
                Err(error) => {
                    tracing::warn!(error = %error, code = error.code(), "rows of sidecars that are gone were not deleted");
                }
            }
        }
        wait
    }

    /// Whether that is a change.
    fn set_leads(&self, leads: bool) -> bool {
        metrics::gauge!(LEADER).set(if leads { 1.0 } else { 0.0 });
        let changed = self
            .leads
            .send_if_modified(|led| std::mem::replace(led, leads) != leads);
        if changed && leads {
            tracing::info!("this sidecar leads: it does the periodic work");
        } else if changed {
            tracing::info!("this sidecar does not lead any more");
        }
        changed
    }
}

/// Tells when this sidecar begins to lead.
#[derive(Debug)]
pub(super) struct Leading(watch::Receiver<bool>);

impl Leading {
    /// What comes after this counts.
    pub(super) fn look(&mut self) {
        self.0.borrow_and_update();
    }

    /// Waits for `period`, or until this sidecar begins to lead after the last look.
    pub(super) async fn or_in(&mut self, period: Duration) {
        let begins = async {
            while self.0.changed().await.is_ok() {
                if *self.0.borrow_and_update() {
                    return;
                }
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = begins => {}
            () = tokio::time::sleep(period) => {}
        }
    }
}
