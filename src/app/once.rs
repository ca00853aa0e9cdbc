//! Passes by hand: `once`.

use std::process::ExitCode;
use std::sync::Arc;

use super::{cleaning, expiry, instance, open_database, preparation, wakeup};
use crate::cli;
use crate::clock::{Clock, SystemClock};
use crate::config::Settings;
use crate::db::leases::Instance;
use crate::db::{Db, DbError};
use crate::domain::cleaning::Duty;
use crate::domain::crons::Chore;
use crate::lifecycle::stop_signal;
use crate::work::{expire, turn};

/// `once prepare`: one pass of preparation, and what it did on standard output; or, without writing, what it would do.
///
/// # Errors
///
/// When the database does not fit or fails.
pub async fn once_prepare(settings: Settings, dry_run: bool) -> anyhow::Result<ExitCode> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let db = open_database(&settings, &clock).await?;
    let preparation = preparation(&settings, db.clone(), Arc::clone(&clock));
    let has_failed = if dry_run {
        let outlook = preparation.outlook().await?;
        cli::say(&outlook.to_string());
        outlook.ours.has_failed()
    } else {
        refuse_while_closed(&db).await?;
        let pass = Box::pin(preparation.pass());
        let pass = once(&settings, &db, clock, Chore::Prepare, pass).await?;
        cli::say(&pass.to_string());
        pass.has_failed()
    };
    db.close().await;
    Ok(ended(has_failed))
}

/// A pass by hand that could do nothing is refused: whoever calls for it learns why.
async fn refuse_while_closed(db: &Db) -> anyhow::Result<()> {
    match db.site().await?.open() {
        Ok(()) => Ok(()),
        Err(closed) => anyhow::bail!("{closed}: nothing was done, try again when that is over"),
    }
}

/// One pass by hand, in turn with the sidecars that run. A signal ends it, and gives the turn back.
async fn once<T: turn::Outcome>(
    settings: &Settings,
    db: &Db,
    clock: Arc<dyn Clock>,
    chore: Chore,
    work: impl Future<Output = Result<T, DbError>>,
) -> anyhow::Result<T> {
    let who = passing_instance();
    let pass = turn::once(db, clock, &who, chore, settings.scheduler.lease, work);
    let ended = tokio::select! {
        ended = pass => Some(ended?),
        signal = stop_signal() => {
            signal?;
            None
        }
    };
    if let Some(outcome) = ended {
        return Ok(outcome);
    }
    db.release_leases(None, &who.id).await?;
    anyhow::bail!("stopped; what was done holds, the next pass does the rest")
}

/// The exit code of a pass.
fn ended(has_failed: bool) -> ExitCode {
    if has_failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// `once expire`: one pass that ends silent runs, or with `dry_run` only counts them, and how many on standard output.
///
/// # Errors
///
/// When the database does not fit or fails.
pub async fn once_expire(settings: Settings, dry_run: bool) -> anyhow::Result<ExitCode> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let db = open_database(&settings, &clock).await?;
    let expiry = expiry(&settings, db.clone(), Arc::clone(&clock));
    let summary = if dry_run {
        expiry.pass(expire::Mode::Look).await?
    } else {
        refuse_while_closed(&db).await?;
        let pass = Box::pin(expiry.pass(expire::Mode::Write));
        once(&settings, &db, clock, Chore::Expire, pass).await?
    };
    cli::say(&summary.to_string());
    db.close().await;
    Ok(ended(summary.has_failed()))
}

/// `once clean` and `once cleanondemand`: one pass of cleaning, and what it did on standard output.
///
/// # Errors
///
/// When the database does not fit or fails.
pub async fn once_clean(settings: Settings, duty: Duty) -> anyhow::Result<ExitCode> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let db = open_database(&settings, &clock).await?;
    refuse_while_closed(&db).await?;
    let cleaning = cleaning(&settings, db.clone(), Arc::clone(&clock));
    let pass = Box::pin(cleaning.pass(duty));
    let summary = once(&settings, &db, clock, Chore::Clean(duty), pass).await?;
    cli::say(&summary.to_string());
    db.close().await;
    Ok(ended(summary.has_failed()))
}

/// `once wakeup`: one pass of waking agents up, and what became of it on standard output.
///
/// # Errors
///
/// When the database does not fit or fails.
pub async fn once_wakeup(settings: Settings) -> anyhow::Result<ExitCode> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let db = open_database(&settings, &clock).await?;
    refuse_while_closed(&db).await?;
    let wakeup = wakeup(&settings, db.clone(), Arc::clone(&clock));
    let pass = Box::pin(wakeup.pass());
    let summary = once(&settings, &db, clock, Chore::WakeUp, pass).await?;
    cli::say(&summary.to_string());
    db.close().await;
    Ok(ended(summary.has_failed()))
}

/// The same for a command that ends by itself: its rows are those of the last one on this machine.
fn passing_instance() -> Instance {
    let instance = instance();
    Instance {
        row: format!("once {}", instance.host).chars().take(64).collect(),
        ..instance
    }
}
