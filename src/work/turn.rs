//! A turn: the right to do one pass of a duty, which no two have at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::db::leases::{Ask, Instance};
use crate::db::{Db, DbError};
use crate::domain::crons::Chore;
use crate::domain::lease::{look_every, patience, renew_every};
use crate::domain::site::Closed;
use crate::telemetry::metrics::DUTY_LAST_END;

/// The version of this program.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What a heartbeat tells of a pass.
pub trait Outcome {
    /// How it ended: `ok`, or what was wrong.
    fn result(&self) -> String;
    /// Runs that were prepared, ended or deleted.
    fn runs(&self) -> u64;
    /// Why it ended before it was done.
    fn closed(&self) -> Option<Closed>;
}

/// Why a pass by hand was not done.
#[derive(Debug, thiserror::Error)]
pub enum OnceError {
    /// Somebody else was at it all the time.
    #[error(
        "{0} is at it, and was for {1} s of waiting: nothing was done, try again later or see what it does"
    )]
    Busy(String, u64),
    /// The database.
    #[error(transparent)]
    Database(#[from] DbError),
}

tokio::task_local! {
    /// What the pass that this task does stands on.
    static HELD: Held;
}

/// Leases and who has them.
#[derive(Debug, Clone)]
struct Held {
    leases: Arc<[&'static str]>,
    who: Arc<str>,
}

/// Whether the turn in which this task works still holds, by the database's word; without a turn there is none to lose.
pub(super) async fn holds(db: &Db) -> Result<(), DbError> {
    let Ok(held) = HELD.try_with(Clone::clone) else {
        return Ok(());
    };
    if db.holds_leases(&held.leases, &held.who).await? {
        Ok(())
    } else {
        Err(DbError::LeaseLost)
    }
}

/// The right to do one pass. Dropped before its end it runs out by itself.
pub(super) struct Turn {
    db: Db,
    clock: Arc<dyn Clock>,
    who: Instance,
    chore: Chore,
    held: Held,
    renewing: Renewing,
}

/// Keeps a lease until it is dropped.
struct Renewing(JoinHandle<()>);

impl Drop for Renewing {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Turn {
    /// The turn of `who` at `chore`, if nobody has it; it holds as long as `who` also has `besides`.
    pub(super) async fn take(
        db: Db,
        clock: Arc<dyn Clock>,
        who: &Instance,
        chore: Chore,
        length: Duration,
        besides: Option<&'static str>,
    ) -> Result<Option<Self>, DbError> {
        let name = chore.word();
        if !db.lease(name, who, length, Ask::Take).await? {
            return Ok(None);
        }
        let renewing = Renewing(tokio::spawn(renew(db.clone(), name, who.clone(), length)));
        if let Err(error) = db.pass_begins(who, name, VERSION).await {
            tracing::warn!(duty = name, error = %error, code = error.code(), "the beginning of a pass was not stored");
        }
        Ok(Some(Self {
            db,
            clock,
            who: who.clone(),
            chore,
            held: Held {
                leases: [name].into_iter().chain(besides).collect(),
                who: who.id.as_str().into(),
            },
            renewing,
        }))
    }

    /// Does `work` in this turn, tells how it ended, and gives the turn back; the next pass is due in `next`, if one is.
    pub(super) async fn run<T: Outcome>(
        self,
        work: impl Future<Output = Result<T, DbError>>,
        next: Option<Duration>,
    ) -> Result<T, DbError> {
        let outcome = HELD.scope(self.held.clone(), work).await;
        let (result, runs) = match &outcome {
            Ok(outcome) => (outcome.result(), outcome.runs()),
            Err(error) => (format!("failed: {error}"), 0),
        };
        let duty = self.chore.word();
        #[expect(
            clippy::cast_precision_loss,
            reason = "seconds since 1970 are exact in it"
        )]
        metrics::gauge!(DUTY_LAST_END, "duty" => duty).set(self.clock.now().timestamp() as f64);
        drop(self.renewing);
        let stored = async {
            self.db
                .pass_ended(&self.who, duty, &result, runs, next)
                .await?;
            self.db.release_leases(Some(duty), &self.who.id).await
        };
        if let Err(error) = stored.await {
            tracing::warn!(duty, error = %error, code = error.code(), "the end of a pass was not stored");
        }
        outcome
    }
}

async fn renew(db: Db, name: &'static str, who: Instance, length: Duration) {
    loop {
        tokio::time::sleep(renew_every(length)).await;
        match db.lease(name, &who, length, Ask::Renew).await {
            Ok(true) => {}
            Ok(false) => {
                tracing::warn!(duty = name, "the turn is lost, the pass ends");
                return;
            }
            Err(error) => {
                tracing::warn!(duty = name, error = %error, code = error.code(), "the turn could not be renewed, trying again");
            }
        }
    }
}

/// Does one pass of `chore` by hand, in turn with every sidecar on the database: waits while another is at it, longer than one that was
/// killed can keep the turn.
///
/// # Errors
///
/// When the turn does not come, or the database fails.
pub async fn once<T: Outcome>(
    db: &Db,
    clock: Arc<dyn Clock>,
    who: &Instance,
    chore: Chore,
    length: Duration,
    work: impl Future<Output = Result<T, DbError>>,
) -> Result<T, OnceError> {
    let begun = Instant::now();
    let mut is_told = false;
    let turn = loop {
        let taken = Turn::take(db.clone(), Arc::clone(&clock), who, chore, length, None).await?;
        if let Some(turn) = taken {
            break turn;
        }
        let holder = db.lease_holder(chore.word()).await?;
        let host = holder.map_or_else(|| "another one".to_owned(), |holder| holder.host);
        if begun.elapsed() >= patience(length) {
            return Err(OnceError::Busy(host, begun.elapsed().as_secs()));
        }
        if !std::mem::replace(&mut is_told, true) {
            tracing::info!(
                duty = chore.word(),
                host,
                "another one is at it, waiting for the turn"
            );
        }
        tokio::time::sleep(look_every(length)).await;
    };
    Ok(turn.run(work, None).await?)
}
