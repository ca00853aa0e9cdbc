//! Dynamic groups without a stored cache, as agents' requests meet them.

use std::time::Duration;

use fusion_sidecar::domain::policy::Policy;
use mysql_async::prelude::Queryable as _;

use super::model::{Criterion, leaf, stored};
use crate::support::app::{self, TestApp};
use crate::support::heard::hearing;
use crate::support::site::{office, text};
use crate::support::until::until;
use crate::support::wire::{DEPLOY, MAIN, get};

/// The class of what the jobs install.
const PACKAGE: &str = "PluginFusioninventoryDeployPackage";

/// Job 1 is for the dynamic group 5, which nobody has evaluated, and agent 1 has a prepared run of it.
async fn site(refresh: Duration, criteria: &[Criterion]) -> TestApp {
    let app = app::start(|settings| {
        settings.dispatch.policy = Policy::Redux;
        settings.dispatch.catalogue_refresh = refresh;
        settings.database.timeout = Duration::from_millis(700);
    })
    .await;
    office(&app.db).await;
    let search = text(&stored(criteria));
    app.db
        .set(&format!(
            "UPDATE {{p}}taskjobs SET actors = '[{{\"PluginFusioninventoryDeployGroup\":\"5\"}}]';
             INSERT INTO {{p}}deploygroups (id, name, type) VALUES (5, 'Lab', 'DYNAMIC');
             INSERT INTO {{p}}deploygroups_dynamicdatas ({{f}}deploygroups_id, fields_array, computers_id_cache) \
             VALUES (5, {search}, NULL)"
        ))
        .await;
    app.db.run_on(1, 1, PACKAGE, 1).await;
    app
}

/// The runs that getJobs hands out to agent 1.
async fn handed_out(app: &TestApp) -> usize {
    let target = format!("{DEPLOY}?action=getJobs&machineid=wks-1&version=2.8");
    let answer = get(app.address(), &target).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["jobs"].as_array().map_or(0, Vec::len)
}

async fn states(app: &TestApp) -> Vec<u32> {
    app.db
        .ask("SELECT state FROM {p}taskjobstates ORDER BY id")
        .await
}

async fn cache(app: &TestApp) -> Vec<Option<String>> {
    app.db
        .ask("SELECT computers_id_cache FROM {p}deploygroups_dynamicdatas")
        .await
}

/// With a snapshot that lasts, whoever refreshes it evaluates and stores the members; the run waits for that, and is not cancelled.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_waits_for_the_members_and_goes_out() {
    let app = site(Duration::from_mins(5), &[leaf(1, "contains", "wks-1")]).await;
    until("the run goes out", async || handed_out(&app).await == 1).await;
    assert_eq!(states(&app).await, [1]);
    assert_eq!(cache(&app).await, [Some(r#"{"1":1}"#.to_owned())]);
}

/// A search that the database does not answer in time is no reason to refuse the agent, or to cancel its run.
#[tokio::test(flavor = "multi_thread")]
async fn a_search_that_fails_leaves_the_run_alone() {
    let app = site(Duration::ZERO, &[leaf(31, "contains", "used")]).await;
    app.db
        .set(
            "INSERT INTO glpi_states (id, name, completename) VALUES (1, 'used', 'used');
             UPDATE glpi_computers SET states_id = 1 WHERE id = 1",
        )
        .await;
    let mut holder = app.db.conn().await;
    holder
        .query_drop("LOCK TABLES glpi_states WRITE")
        .await
        .unwrap();
    assert_eq!(handed_out(&app).await, 0);
    assert_eq!(states(&app).await, [0]);
    // An agent that is an actor by itself needs no group.
    app.db
        .set(
            "INSERT INTO {p}taskjobs (id, {f}tasks_id, name, method, targets, actors) SELECT 2, 1, 'job 2', method, targets, \
             '[{\"PluginFusioninventoryDeployGroup\":\"5\"},{\"PluginFusioninventoryAgent\":\"1\"}]' FROM {p}taskjobs WHERE id = 1",
        )
        .await;
    app.db.run_on(2, 2, PACKAGE, 1).await;
    assert_eq!(handed_out(&app).await, 1);
    assert_eq!(states(&app).await, [0, 1]);
    holder.query_drop("UNLOCK TABLES").await.unwrap();
    holder.disconnect().await.unwrap();
    // Run 2 is under way: another progress than that of run 1 is not looked for.
    app.db.put(2, 3).await;
    assert_eq!(handed_out(&app).await, 1);
    assert_eq!(states(&app).await, [1, 3]);
}

/// getConfig is asked again and again: what is wrong with a group is said once.
#[test]
fn what_cannot_be_searched_is_said_once() {
    hearing(async |heard| {
        let app = site(Duration::from_millis(40), &[leaf(205, "contains", "x")]).await;
        let said = || heard.warnings("search option 205").len();
        let target = format!("{MAIN}?action=getConfig&machineid=wks-1&task[Deploy]=2.8");
        until("it is said", async || {
            assert_eq!(get(app.address(), &target).await.status, 200);
            said() > 0
        })
        .await;
        for _ in 0..5 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            get(app.address(), &target).await;
        }
        assert_eq!(said(), 1, "{:?}", heard.warnings(""));
    });
}
