//! How old what the sidecar knows may be.

use std::time::Duration;

use mysql_async::prelude::Queryable as _;

use super::HOUR;
use crate::support::app;
use crate::support::site::{expand, office};
use crate::support::until::until;

#[tokio::test(flavor = "multi_thread")]
async fn what_php_changes_is_seen_after_the_refresh() {
    let refresh = Duration::from_millis(400);
    let app = app::start(|settings| settings.dispatch.catalogue_refresh = refresh).await;
    office(&app.db).await;
    app.db.run(1, 1, 0).await;
    until("the run is seen", async || {
        app.config("wks-1").await == ["Deploy"]
    })
    .await;
    app.db.set("UPDATE {p}tasks SET is_active = 0").await;
    until("the task is off", async || {
        app.config("wks-1").await.is_empty()
    })
    .await;
    app.db.set("UPDATE {p}tasks SET is_active = 1").await;
    until("the task is on again", async || {
        app.config("wks-1").await == ["Deploy"]
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn within_the_refresh_a_snapshot_stands() {
    let app = app::start(|settings| settings.dispatch.catalogue_refresh = HOUR).await;
    office(&app.db).await;
    app.db.run(1, 1, 0).await;
    assert_eq!(app.config("wks-1").await, ["Deploy"]);
    app.db.set("UPDATE {p}tasks SET is_active = 0").await;
    assert_eq!(app.config("wks-1").await, ["Deploy"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_a_job_newer_than_the_snapshot_is_handed_out() {
    let app = app::start(|settings| settings.dispatch.catalogue_refresh = HOUR).await;
    office(&app.db).await;
    assert_eq!(app.config("wks-1").await, Vec::<String>::new());
    app.db
        .set(
            "INSERT INTO {p}tasks (id, name, is_active) VALUES (2, 'new', 1);
             INSERT INTO {p}taskjobs (id, {f}tasks_id, method, targets, actors) \
             SELECT 2, 2, method, targets, actors FROM {p}taskjobs WHERE id = 1",
        )
        .await;
    app.db.run_of(1, 2, 1, 0).await;
    assert_eq!(app.config("wks-1").await, ["Deploy"]);
    assert_eq!(app.handed_out("wks-1").await, ["run-1"]);
}

/// Who asks while the catalogue is being read goes on with the one before, until that is too old.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_refresh_holds_nobody_up_before_the_snapshot_is_too_old() {
    let refresh = Duration::from_millis(600);
    let app = app::start(|settings| settings.dispatch.catalogue_refresh = refresh).await;
    office(&app.db).await;
    app.db.run(1, 1, 0).await;
    until("the run is seen", async || {
        app.config("wks-1").await == ["Deploy"]
    })
    .await;
    // Only the catalogue reads this table.
    let mut holder = app.db.conn().await;
    let lock = expand("LOCK TABLES {p}deployuserinteractiontemplates WRITE");
    holder.query_drop(lock).await.unwrap();
    app.db.set("UPDATE {p}tasks SET is_active = 0").await;

    tokio::time::sleep(refresh * 3 / 2).await;
    let soon = tokio::time::timeout(refresh, app.config("wks-1")).await;
    assert_eq!(soon.unwrap(), ["Deploy"]);

    tokio::time::sleep(refresh * 5).await;
    let asking = app.config("wks-1");
    tokio::pin!(asking);
    let soon = tokio::time::timeout(refresh, &mut asking).await;
    assert!(soon.is_err(), "{soon:?}");
    holder.query_drop("UNLOCK TABLES").await.unwrap();
    assert_eq!(asking.await, Vec::<String>::new());
    holder.disconnect().await.unwrap();
}
