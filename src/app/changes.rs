//! Starting to look for what was changed in GLPI.

use std::sync::Arc;

use crate::clock::Clock;
use crate::config::Settings;
use crate::db::Db;
use crate::lifecycle::Lifecycle;
use crate::work::changes::{Changes, regularly};
use crate::work::gate::Gate;

/// Starts looking every `scheduler-period`, as far as `gate` lets it.
pub(super) fn look(
    settings: &Settings,
    db: &Db,
    clock: &Arc<dyn Clock>,
    gate: &Arc<Gate>,
    lifecycle: &Lifecycle,
) {
    let scheduler = &settings.scheduler;
    let (clock, keep) = (Arc::clone(clock), scheduler.keep_changes);
    let changes = Changes::new(db.clone(), clock, settings.timezone, keep);
    let (gate, period) = (Arc::clone(gate), scheduler.period);
    let soft = lifecycle.stop().soft;
    lifecycle.spawn("changes", async move {
        regularly(changes, gate, period, soft.clone()).await;
        soft.cancelled().await;
        Ok::<(), std::convert::Infallible>(())
    });
}
