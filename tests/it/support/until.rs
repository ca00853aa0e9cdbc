//! Waiting for what comes about by itself.

use std::time::{Duration, Instant};

use super::database::TestDb;
use super::process::LIMIT;

/// Asks until `holds`, and fails with `what` if it does not within [`LIMIT`].
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while begun.elapsed() < LIMIT {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{what}: it did not come about");
}

/// Until a sidecar has been kept waiting in a statement that is called `name`.
pub(crate) async fn until_waiting(db: &TestDb, name: &str) {
    let statement = format!(
        "SELECT COUNT(*) FROM information_schema.processlist WHERE db = '{}' AND info LIKE '/* {} */%' \
         AND id <> CONNECTION_ID()",
        db.database.name,
        name.replace('_', "\\_")
    );
    until("somebody waits", async || {
        db.rows::<u64>(&statement).await != [0]
    })
    .await;
}
