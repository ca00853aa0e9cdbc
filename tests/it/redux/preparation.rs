//! What preparation creates and cancels.

use mysql_async::prelude::Queryable as _;
use rstest::rstest;

use super::redux;
use crate::support::site::expand;

#[tokio::test]
async fn preparing_again_creates_nothing_more() {
    let app = redux().await;
    for _ in 0..3 {
        app.prepare().await.unwrap();
    }
    assert_eq!(app.db.states().await, [0]);
    let uniqids: Vec<String> = app.db.ask("SELECT uniqid FROM {p}taskjobstates").await;
    let uuid = uuid::Uuid::parse_str(&uniqids[0]).unwrap();
    assert_eq!(uuid.get_version_num(), 4);
    assert_eq!(app.db.log_states(1).await, [7]);
    assert_eq!(app.handed_out("wks-1").await, uniqids);
    app.prepare().await.unwrap();
    assert_eq!(app.db.states().await, [1]);
}

/// Somebody keeps the first job's lock: the second is prepared all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_cannot_be_prepared_does_not_stop_the_others() {
    let app = redux().await;
    app.prepare().await.unwrap();
    app.db
        .set(
            "INSERT INTO {p}taskjobs (id, {f}tasks_id, name, method, targets, actors) \
             SELECT 2, 1, 'job 2', method, targets, actors FROM {p}taskjobs WHERE id = 1;
             DELETE FROM {p}taskjobstates",
        )
        .await;
    let mut other = app.db.conn().await;
    other
        .query_drop(expand(
            "BEGIN; SELECT * FROM {p}sidecar_locks WHERE name = 'job:1' FOR UPDATE",
        ))
        .await
        .unwrap();
    app.prepare().await.unwrap();
    let prepared: Vec<u32> = app
        .db
        .ask("SELECT {f}taskjobs_id FROM {p}taskjobstates")
        .await;
    assert_eq!(prepared, [2]);
    other.query_drop("ROLLBACK").await.unwrap();
    app.prepare().await.unwrap();
    assert_eq!(app.db.states().await, [0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_prepare_at_once_create_each_run_once() {
    let app = redux().await;
    app.db
        .set(
            "INSERT INTO glpi_computers (id, name, entities_id) SELECT seq, seq, 0 FROM seq_10_to_309;
             INSERT INTO {p}agents (id, device_id, computers_id) SELECT id, name, id FROM glpi_computers WHERE id >= 10;
             INSERT INTO {p}deploygroups (id, name, type) VALUES (1, 'all', 'STATIC');
             INSERT INTO {p}deploygroups_staticdatas ({f}deploygroups_id, itemtype, items_id) SELECT 1, 'Computer', id FROM glpi_computers;
             UPDATE {p}taskjobs SET actors = '[{\"PluginFusioninventoryDeployGroup\":\"1\"}]'",
        )
        .await;
    let (a, b, c) = tokio::join!(app.prepare(), app.prepare(), app.prepare());
    assert_eq!((a, b, c), (Ok(()), Ok(()), Ok(())));
    let counted: Vec<(u32, u32, u32)> = app
        .db
        .ask(
            "SELECT COUNT(*), COUNT(DISTINCT {f}agents_id), COUNT(DISTINCT uniqid) FROM {p}taskjobstates",
        )
        .await;
    assert_eq!(counted, [(302, 302, 302)]);
}

#[rstest]
#[case::inactive("UPDATE {p}tasks SET is_active = 0")]
#[case::before_its_dates("UPDATE {p}tasks SET datetime_start = '2026-03-04 12:00:01'")]
#[case::after_its_dates("UPDATE {p}tasks SET datetime_end = '2026-03-04 11:59:59'")]
#[case::slot_closed("UPDATE {p}tasks SET {f}timeslots_prep_id = 9")]
#[case::trash("UPDATE glpi_computers SET is_deleted = 1")]
#[case::template("UPDATE glpi_computers SET is_template = 1")]
#[case::ended_well_and_not_again(
    "UPDATE {p}tasks SET reprepare_if_successful = 0;
     INSERT INTO {p}taskjobstates ({f}taskjobs_id, items_id, itemtype, state, {f}agents_id, uniqid) VALUES \
     (1, 1, 'PluginFusioninventoryDeployPackage', 3, 1, 'x')"
)]
#[tokio::test]
async fn nothing_is_prepared(#[case] change: &str) {
    let app = redux().await;
    app.db.set(change).await;
    let before = app.db.states().await;
    app.prepare().await.unwrap();
    assert_eq!(app.db.states().await, before);
}

#[tokio::test]
async fn a_task_with_an_end_alone_is_prepared_until_then() {
    let app = redux().await;
    app.db
        .set("UPDATE {p}tasks SET datetime_end = '2026-03-04 12:00:00'")
        .await;
    app.prepare().await.unwrap();
    assert_eq!(app.db.states().await, [0]);
}

#[tokio::test]
async fn trashed_members_of_groups_are_no_actors() {
    let app = redux().await;
    app.db
        .set(
            "INSERT INTO {p}deploygroups (id, name, type) VALUES (1, 'g', 'STATIC');
             INSERT INTO {p}deploygroups_staticdatas ({f}deploygroups_id, itemtype, items_id) VALUES (1, 'Computer', 1), (1, 'Computer', 2);
             UPDATE {p}taskjobs SET actors = '[{\"PluginFusioninventoryDeployGroup\":\"1\"}]';
             UPDATE glpi_computers SET is_deleted = 1 WHERE id = 1",
        )
        .await;
    app.db.run(1, 1, 0).await;
    app.prepare().await.unwrap();
    let agents: Vec<(u32, u32)> = app
        .db
        .ask("SELECT {f}agents_id, state FROM {p}taskjobstates ORDER BY id")
        .await;
    assert_eq!(agents, [(1, 5), (2, 0)], "the run of who left is cancelled");
}
