//! What the spool counts.

use std::time::Instant;

use chrono::{DateTime, Utc};

use super::SpoolError;
use super::message::Move;
use super::shared::Usage;
use crate::telemetry::metrics::{
    SPOOL_APPENDED, SPOOL_BYTES, SPOOL_DAMAGED, SPOOL_DELIVERED, SPOOL_DROPPED, SPOOL_MESSAGES,
    SPOOL_OLDEST, SPOOL_PARKED, SPOOL_REFUSED, SPOOL_SUPERSEDED, SPOOL_SYNC,
};

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
pub(super) fn show(usage: &Usage, now: DateTime<Utc>) {
    metrics::gauge!(SPOOL_MESSAGES, "state" => "waiting").set(usage.waiting as f64);
    metrics::gauge!(SPOOL_MESSAGES, "state" => "parked").set(usage.parked as f64);
    metrics::gauge!(SPOOL_BYTES).set(usage.bytes as f64);
    let age = usage
        .oldest
        .map_or(0, |oldest| (now - oldest).num_seconds().max(0));
    metrics::gauge!(SPOOL_OLDEST).set(age as f64);
}

pub(super) fn appended(messages: usize) {
    metrics::counter!(SPOOL_APPENDED).increment(messages as u64);
}

pub(super) fn damaged(records: u64) {
    metrics::counter!(SPOOL_DAMAGED).increment(records);
}

pub(super) fn refused(error: &SpoolError) {
    metrics::counter!(SPOOL_REFUSED, "reason" => error.code()).increment(1);
}

pub(super) fn moved(what: &Move) {
    match what {
        Move::Done { .. } => metrics::counter!(SPOOL_DELIVERED).increment(1),
        Move::Superseded { .. } => metrics::counter!(SPOOL_SUPERSEDED).increment(1),
        Move::Dropped { .. } => metrics::counter!(SPOOL_DROPPED).increment(1),
        Move::Parked { .. } => metrics::counter!(SPOOL_PARKED).increment(1),
        Move::Failed { .. } | Move::Retried { .. } | Move::Abandoned { .. } => {}
    }
}

/// Measures a sync.
pub(super) fn timed<T>(sync: impl FnOnce() -> T) -> T {
    let begin = Instant::now();
    let outcome = sync();
    metrics::histogram!(SPOOL_SYNC).record(begin.elapsed());
    outcome
}
