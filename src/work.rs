//! What happens without a request.
//!
//! A pass takes no input: it reads the state, acts, and can be run again at any time. Inside `serve` it runs every period.

pub mod clean;
pub mod doors;
pub mod expire;
pub mod groups;
pub mod prepare;
pub mod wakeup;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::db::DbError;
use doors::Doors;
use prepare::Preparation;

/// Prepares every `period` until `stop`, which also ends a pass under way; keeps off while the plugin's own cron does it, and rests while GLPI is
/// closed.
pub async fn prepare_regularly(
    preparation: Arc<Preparation>,
    doors: Arc<Doors>,
    period: Duration,
    stop: CancellationToken,
) {
    let mut kept_off = false;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = prepare_if_it_may(&preparation, &doors, &mut kept_off) => {}
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(period) => {}
        }
    }
}

async fn prepare_if_it_may(preparation: &Preparation, doors: &Doors, kept_off: &mut bool) {
    if let Err(error) = prepare(preparation, doors, kept_off).await {
        tracing::error!(error = %error, code = error.code(), "preparation failed, trying again");
    }
}

async fn prepare(
    preparation: &Preparation,
    doors: &Doors,
    kept_off: &mut bool,
) -> Result<(), DbError> {
    let db = preparation.db();
    if !doors.are_open(db).await? {
        return Ok(());
    }
    if let None | Some(0) = db.plugin_scheduler_state().await? {
        *kept_off = false;
        let pass = preparation.pass().await?;
        pass.log();
        if pass.closed.is_some() {
            doors.seen(pass.closed);
        }
    } else if !std::mem::replace(kept_off, true) {
        tracing::warn!(
            "GLPI's cron task 'taskscheduler' is on: it prepares runs, the sidecar keeps off. Switch it off in GLPI."
        );
    }
    Ok(())
}
