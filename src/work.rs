//! What happens without a request.
//!
//! A pass takes no input: it reads the state, acts, and can be run again at any time. Inside `serve` it runs every period, at the sidecar
//! that leads.

pub mod actions;
pub mod changes;
pub mod clean;
pub mod doors;
pub mod expire;
pub mod gate;
pub mod groups;
pub mod monitor;
pub mod prepare;
pub mod reports;
pub mod turn;
pub mod wakeup;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::domain::crons::Chore;
use gate::Gate;
use prepare::Preparation;

/// Prepares every `period`, at the moment for which a job waits, and when this sidecar begins to lead, as far as `gate` lets it, until `stop`, which also ends a pass under way.
/// A pass that created runs is told by `nudge` to who wakes agents up.
pub async fn prepare_regularly(
    preparation: Arc<Preparation>,
    gate: Arc<Gate>,
    period: Duration,
    nudge: Arc<Notify>,
    stop: CancellationToken,
) {
    let mut leading = gate.leading();
    let work = async {
        loop {
            leading.look();
            let mut wait = period;
            match gate.pass(Chore::Prepare, period, preparation.pass()).await {
                Ok(None) => {}
                Ok(Some(pass)) => {
                    pass.log();
                    wait = preparation.wait(&pass, period);
                    if pass.total().created > 0 {
                        nudge.notify_one();
                    }
                }
                Err(error) => {
                    tracing::error!(error = %error, code = error.code(), "preparation failed, trying again");
                }
            }
            leading.or_in(wait).await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = work => {}
    }
}
