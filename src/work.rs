//! What happens without a request.
//!
//! A pass takes no input: it reads the state, acts, and can be run again at any time. Inside `serve` it runs every period.

pub mod clean;
pub mod groups;
pub mod prepare;
pub mod wakeup;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use prepare::Preparation;

/// Prepares every `period` until `stop`, which also ends a pass under way; keeps off while the plugin's own cron does it.
pub async fn prepare_regularly(
    preparation: Arc<Preparation>,
    period: Duration,
    stop: CancellationToken,
) {
    let mut kept_off = false;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = prepare_unless_kept_off(&preparation, &mut kept_off) => {}
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(period) => {}
        }
    }
}

async fn prepare_unless_kept_off(preparation: &Preparation, kept_off: &mut bool) {
    let outcome = match preparation.db().plugin_scheduler_state().await {
        Ok(None | Some(0)) => {
            *kept_off = false;
            preparation.pass().await.map(|pass| pass.log())
        }
        Ok(Some(_)) => {
            if !std::mem::replace(kept_off, true) {
                tracing::warn!(
                    "GLPI's cron task 'taskscheduler' is on: it prepares runs, the sidecar keeps off. Switch it off in GLPI."
                );
            }
            Ok(())
        }
        Err(error) => Err(error),
    };
    if let Err(error) = outcome {
        tracing::error!(error = %error, code = error.code(), "preparation failed, trying again");
    }
}
