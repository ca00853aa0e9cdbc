//! What happens without a request.
//!
//! A pass takes no input: it reads the state, acts, and can be run again at any time. Inside `serve` it runs every period and when
//! nudged; the nudge only lowers latency.

pub mod clean;
pub mod prepare;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use prepare::Preparation;

/// Prepares every `period`, and on a nudge, until `stop`; keeps off while the plugin's own cron does it.
pub async fn prepare_regularly(
    preparation: Arc<Preparation>,
    nudge: Arc<Notify>,
    period: Duration,
    stop: CancellationToken,
) {
    let mut kept_off = false;
    loop {
        match preparation.db().plugin_scheduler_state().await {
            Ok(None | Some(0)) => {
                kept_off = false;
                match preparation.pass().await {
                    Ok(summary) => summary.log(),
                    Err(error) => {
                        tracing::error!(error = %error, code = error.code(), "preparation failed, trying again");
                    }
                }
            }
            Ok(Some(_)) => {
                if !kept_off {
                    tracing::warn!(
                        "GLPI's cron task 'taskscheduler' is on: it prepares runs, the sidecar keeps off. Switch it off in GLPI."
                    );
                }
                kept_off = true;
            }
            Err(error) => {
                tracing::error!(error = %error, code = error.code(), "preparation failed, trying again");
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = nudge.notified() => {}
            () = tokio::time::sleep(period) => {}
        }
    }
}
