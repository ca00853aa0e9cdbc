//! getJobs of the deploy back end: what goes out, in which order, with which mirrors.

use rstest::rstest;
use serde_json::json;

use super::{plugin, status_code};
use crate::support::site::{package, text};

#[tokio::test]
async fn an_actor_of_one_job_is_an_actor_of_all_in_the_answer() {
    let app = plugin().await;
    app.db
        .set(
            "INSERT INTO {p}taskjobs (id, {f}tasks_id, method, targets, actors) \
             SELECT 2, 1, method, targets, '[{\"Computer\":\"2\"}]' FROM {p}taskjobs WHERE id = 1",
        )
        .await;
    app.db.run_of(1, 2, 1, 0).await;
    app.db.run_of(2, 1, 1, 0).await;
    // By job, whatever the order of the runs.
    assert_eq!(app.handed_out("wks-1").await, ["run-2", "run-1"]);

    app.db.run_of(3, 2, 1, 0).await;
    app.db
        .set("UPDATE {p}taskjobstates SET state = 3 WHERE id <> 3")
        .await;
    assert_eq!(app.jobs("wks-1").await, json!({}), "alone it is none");
    assert_eq!(app.db.state(3).await, 5);
}

/// The order is that of the targets of the run's own type; a target that the job no longer has counts as the first.
#[tokio::test]
async fn runs_go_out_in_the_order_of_the_targets() {
    let app = plugin().await;
    app.db
        .set(&format!(
            "INSERT INTO {{p}}deploypackages (id, name, json) VALUES (2, 'b', {json}), (3, 'c', {json}), (4, 'd', {json});
             UPDATE {{p}}taskjobs SET targets = '[{{\"PluginFusioninventoryCollect\":\"1\"}},{{\"PluginFusioninventoryDeployPackage\":\"3\"}},\
             {{\"PluginFusioninventoryCollect\":\"2\"}},{{\"PluginFusioninventoryDeployPackage\":\"1\"}},{{\"PluginFusioninventoryDeployPackage\":\"2\"}}]'",
            json = text(&package("true"))
        ))
        .await;
    for run in 1..=4 {
        app.db.run(run, 1, 0).await;
    }
    app.db
        .set("UPDATE {p}taskjobstates SET items_id = id")
        .await;
    assert_eq!(
        app.handed_out("wks-1").await,
        ["run-3", "run-4", "run-1", "run-2"]
    );
}

#[tokio::test]
async fn with_the_module_off_runs_are_cancelled_also_those_put_off() {
    let app = plugin().await;
    app.db.run(1, 1, 0).await;
    app.db.run(2, 1, 0).await;
    app.db.run(3, 1, 1).await;
    app.db.run(4, 1, 6).await;
    app.db
        .set(
            "UPDATE {p}taskjobstates SET date_start = '2030-01-01' WHERE id = 2;
             UPDATE {p}agentmodules SET is_active = 0 WHERE modulename = 'DEPLOY'",
        )
        .await;
    assert_eq!(app.jobs("wks-1").await, json!({}));
    assert_eq!(app.db.states().await, [5, 5, 4, 6]);
    assert_eq!(app.db.log_states(2).await, [5]);
}

/// A package that asks by template 1 before the download.
const ASKS: &str = r#"{"jobs":{"checks":[],"actions":[],"associatedFiles":[],"userinteractions":[{"type":"before","text":"?","template":"1"}]},"associatedFiles":[]}"#;

#[rstest]
#[case::never_put_off(0, 2, true)]
#[case::once_more(1, 2, true)]
#[case::as_often_as_allowed(2, 2, false)]
#[case::without_end(9, 0, true)]
#[tokio::test]
async fn who_put_a_job_off_as_often_as_allowed_is_not_asked(
    #[case] nb_retry: u32,
    #[case] max_retry: u32,
    #[case] asked: bool,
) {
    let app = plugin().await;
    app.db.run(1, 1, 0).await;
    app.db
        .set(&format!(
            "UPDATE {{p}}deploypackages SET json = '{ASKS}';
             INSERT INTO {{p}}deployuserinteractiontemplates (id, name, json) VALUES (1, 'ask', '{{\"buttons\":\"ok_async\"}}');
             UPDATE {{p}}taskjobstates SET nb_retry = {nb_retry}, max_retry = {max_retry}"
        ))
        .await;
    let job = app.jobs("wks-1").await["jobs"][0].clone();
    let question = json!([{"type": "before", "text": "?", "buttons": "ok", "wait": "no"}]);
    assert_eq!(
        job.get("userinteractions"),
        asked.then_some(&question),
        "{job}"
    );
}

const LIST: &str = "INSERT INTO glpi_entities (id, name, entities_id, level) VALUES (1, 'North', 0, 2), (2, 'Lab', 1, 3), (3, 'South', 0, 2);
     INSERT INTO {p}deploymirrors (id, entities_id, is_active, is_recursive, name, url, locations_id) VALUES \
     (1, 0, 1, 1, 'root', 'root', 7), (2, 1, 1, 0, 'north', 'north', 0), (3, 1, 1, 1, 'north, below', 'below', 7), \
     (4, 2, 0, 1, 'off', 'off', 7), (5, 2, 1, 0, 'lab', 'lab', 0), (6, 3, 1, 1, 'south', 'south', 7);
     UPDATE {p}agents SET entities_id = 2;
     UPDATE glpi_computers SET entities_id = 2, locations_id = 7;
     UPDATE {p}deploypackages SET json = \
     '{\"jobs\":{\"checks\":[],\"actions\":[],\"associatedFiles\":[]},\"associatedFiles\":{\"ab\":{\"name\":\"x\"}}}'";

#[rstest]
#[case::by_location(0, "", &["below", "root"])]
#[case::by_entity(1, "", &["lab", "below", "root"])]
#[case::by_both(2, "", &["lab", "below", "root"])]
#[case::by_both_elsewhere(2, "UPDATE glpi_computers SET locations_id = 1", &["lab", "below", "root"])]
#[case::by_both_in_another_entity(2, "UPDATE glpi_computers SET entities_id = 3", &["below", "root"])]
#[case::nowhere(0, "UPDATE glpi_computers SET locations_id = 0", &[])]
#[case::location_without_a_computer(0, "UPDATE {p}agents SET computers_id = 0", &[])]
// For PHP an agent without a computer is in the root entity.
#[case::entity_without_a_computer(1, "UPDATE {p}agents SET computers_id = 0", &["root"])]
#[tokio::test]
async fn mirrors(#[case] matched: u32, #[case] change: &str, #[case] expected: &[&str]) {
    let app = plugin().await;
    // An agent as its own actor, as a computer may be missing.
    app.db
        .set(&format!(
            "{LIST};
             UPDATE {{p}}taskjobs SET actors = '[{{\"PluginFusioninventoryAgent\":\"1\"}}]';
             UPDATE {{p}}configs SET value = {matched} WHERE type = 'mirror_match';
             UPDATE {{p}}configs SET value = 0 WHERE type = 'server_as_mirror'"
        ))
        .await;
    if !change.is_empty() {
        app.db.set(change).await;
    }
    app.db.run(1, 1, 0).await;
    let answer = app.jobs("wks-1").await;
    assert_eq!(answer["associatedFiles"]["ab"]["mirrors"], json!(expected));
}

#[tokio::test]
async fn the_server_comes_last_among_the_mirrors() {
    let app = plugin().await;
    app.db.set(LIST).await;
    app.db.run(1, 1, 0).await;
    assert_eq!(
        app.jobs("wks-1").await["associatedFiles"]["ab"]["mirrors"],
        json!([
            "below",
            "root",
            "http://glpi.example.com/plugins/fusioninventory/b/deploy/?action=getFilePart&file="
        ])
    );
}

/// Without an address to hand out PHP gives up, whether or not the package has files; what was decided before stays undone.
#[tokio::test]
async fn without_an_address_nothing_is_handed_out() {
    let app = plugin().await;
    app.db
        .set("UPDATE {p}entities SET agent_base_url = ''")
        .await;
    app.db.run(1, 1, 0).await;
    let path = "/b/deploy/?action=getJobs&machineid=wks-1&version=2.8";
    assert_eq!(status_code(&app, path).await, 400);
    assert_eq!(app.db.state(1).await, 0);
    app.db
        .set("UPDATE {p}configs SET value = 0 WHERE type = 'server_as_mirror'")
        .await;
    assert_eq!(app.handed_out("wks-1").await, ["run-1"]);
}

/// What PHP has ended by then stays ended.
#[tokio::test]
async fn without_an_address_what_may_not_run_ends_all_the_same() {
    let app = plugin().await;
    app.db
        .set("UPDATE {p}entities SET agent_base_url = ''")
        .await;
    app.db.run(1, 1, 0).await;
    app.db.run(2, 1, 1).await;
    let path = "/b/deploy/?action=getJobs&machineid=wks-1&version=2.8";
    assert_eq!(status_code(&app, path).await, 400);
    assert_eq!(app.db.states().await, [0, 4]);
}

/// PHP looks for the package by the target's row, whatever its class.
#[tokio::test]
async fn a_target_of_another_class_is_taken_for_a_package() {
    let app = plugin().await;
    app.db.run(1, 1, 0).await;
    app.db
        .set("UPDATE {p}taskjobstates SET itemtype = 'Computer'")
        .await;
    assert_eq!(app.config("wks-1").await, Vec::<String>::new());
    assert_eq!(app.handed_out("wks-1").await, ["run-1"]);
    assert_eq!(app.db.state(1).await, 1);
}

/// PHP breaks off at a package that is missing: what went before it is sent, what comes after it waits, and what ends has ended.
#[rstest]
#[case::missing("DELETE FROM {p}deploypackages WHERE id = 2")]
#[case::no_json("UPDATE {p}deploypackages SET json = '' WHERE id = 2")]
#[case::no_files("UPDATE {p}deploypackages SET json = '{\"jobs\":{}}' WHERE id = 2")]
#[tokio::test]
async fn a_package_that_is_none_stops_those_behind_it(#[case] change: &str) {
    let app = plugin().await;
    app.db
        .set(&format!(
            "INSERT INTO {{p}}deploypackages (id, name, json) VALUES (2, 'b', {json}), (3, 'c', {json});
             UPDATE {{p}}taskjobs SET targets = '[{{\"PluginFusioninventoryDeployPackage\":\"1\"}},\
             {{\"PluginFusioninventoryDeployPackage\":\"2\"}},{{\"PluginFusioninventoryDeployPackage\":\"3\"}}]'",
            json = text(&package("true"))
        ))
        .await;
    for run in 1..=3 {
        app.db.run(run, 1, 0).await;
    }
    app.db
        .set("UPDATE {p}taskjobstates SET items_id = id")
        .await;
    app.db.run(4, 1, 2).await;
    app.db.set(change).await;
    assert_eq!(app.handed_out("wks-1").await, ["run-1"]);
    assert_eq!(app.db.states().await, [1, 0, 0, 4]);
    assert_eq!(app.db.log(2).await, []);
}
