//! What a PROLOG does to runs.

use rstest::rstest;
use serde_json::json;

use super::plugin;
use crate::support::site::SLOT_OPENS_AT_ONE;

/// A PROLOG's check does not stop at the runs that a PROLOG hands out.
#[rstest]
#[case("deployinstall")]
#[case("collect")]
#[case("InventoryComputerESX")]
#[case("networkdiscovery")]
#[case("networkinventory")]
#[case("wakeonlan")]
#[tokio::test]
async fn a_prolog_ends_runs_of_every_method(#[case] method: &str) {
    let app = plugin().await;
    app.db.run(1, 1, 1).await;
    app.db.run(2, 1, 2).await;
    app.db.run(3, 1, 0).await;
    app.db.run(4, 2, 1).await;
    app.db
        .set(&format!("UPDATE {{p}}taskjobs SET method = '{method}'"))
        .await;
    app.db.set(SLOT_OPENS_AT_ONE).await;
    app.prolog("wks-1").await;
    assert_eq!(app.db.states().await, [4, 4, 5, 1]);
    for run in 1..=3 {
        assert_eq!(app.db.log(run).await.len(), 1);
    }
}

#[tokio::test]
async fn a_prolog_leaves_deployments_that_may_go_out() {
    let app = plugin().await;
    app.db.run(1, 1, 0).await;
    app.db.run(2, 1, 0).await;
    app.db
        .set("UPDATE {p}taskjobstates SET date_start = '2030-01-01' WHERE id = 2")
        .await;
    app.prolog("wks-1").await;
    assert_eq!(app.db.states().await, [0, 0]);
}

/// Runs whose job is gone are left where they are by every request.
#[tokio::test]
async fn a_run_without_its_job_stays() {
    let app = plugin().await;
    app.db.run_of(1, 9, 1, 1).await;
    app.prolog("wks-1").await;
    assert_eq!(app.jobs("wks-1").await, json!({}));
    assert_eq!(app.db.state(1).await, 1);
}
