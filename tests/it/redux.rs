//! Policy `redux` through the front door: what is handed out when, what a report does, what preparation creates.

#[path = "redux/admission.rs"]
mod admission;
#[path = "redux/catalogue.rs"]
mod catalogue;
#[path = "redux/hours.rs"]
mod hours;
#[path = "redux/occurrences.rs"]
mod occurrences;
#[path = "redux/preparation.rs"]
mod preparation;
#[path = "redux/reports.rs"]
mod reports;
#[path = "redux/sequence.rs"]
mod sequence;

use std::time::Duration;

use fusion_sidecar::domain::policy::Policy;
use rstest::rstest;
use serde_json::json;

use crate::support::app::{self, TestApp};
use crate::support::network::site;
use crate::support::site::{self, SLOT_OPENS_AT_ONE, office, text};

const HOUR: Duration = Duration::from_hours(1);

/// A sidecar on the small site.
async fn redux() -> TestApp {
    site(Policy::Redux).await
}

async fn status(app: &TestApp, agent: &str, run: u64, rest: &str) {
    app.tell(&format!(
        "action=setStatus&machineid={agent}&uuid=run-{run}&{rest}"
    ))
    .await;
}

#[rstest]
#[case::start_date("UPDATE {p}tasks SET datetime_start = '2026-03-04 13:00:00'")]
#[case::execution_slot(SLOT_OPENS_AT_ONE)]
#[case::put_off("UPDATE {p}taskjobstates SET date_start = '2026-03-04 13:00:00'")]
#[tokio::test]
async fn a_run_that_is_too_early_waits_untouched(#[case] early: &str) {
    let app = redux().await;
    app.db.run(1, 1, 0).await;
    app.db.set(early).await;
    for _ in 0..2 {
        assert_eq!(app.config("wks-1").await, Vec::<String>::new());
        assert_eq!(app.jobs("wks-1").await, json!({}));
        app.prolog("wks-1").await;
        assert_eq!(app.db.state(1).await, 0);
        assert_eq!(app.db.log(1).await, []);
        app.clock.advance(HOUR / 3);
    }
    app.clock.advance(HOUR / 3);
    assert_eq!(app.config("wks-1").await, ["Deploy"]);
    assert_eq!(app.handed_out("wks-1").await, ["run-1"]);
    assert_eq!(app.db.state(1).await, 1);
}

#[rstest]
#[case::over(
    "UPDATE {p}tasks SET datetime_start = '2026-03-01 00:00:00', datetime_end = '2026-03-04 11:59:59'",
    "start and end dates"
)]
#[case::over_without_a_start(
    "UPDATE {p}tasks SET datetime_end = '2026-03-04 11:59:59'",
    "start and end dates"
)]
#[case::task_off("UPDATE {p}tasks SET is_active = 0", "the task was switched off")]
#[case::actor_gone(
    "UPDATE {p}taskjobs SET actors = '[{\"Computer\":\"2\"}]'",
    "no longer among the actors"
)]
#[case::trash(
    "UPDATE glpi_computers SET is_deleted = 1",
    "no longer among the actors"
)]
#[case::template(
    "UPDATE glpi_computers SET is_template = 1",
    "no longer among the actors"
)]
#[case::module_off(
    "UPDATE {p}agentmodules SET is_active = 0 WHERE modulename = 'DEPLOY'",
    "the module is switched off"
)]
#[tokio::test]
async fn a_run_that_may_never_go_out_is_cancelled_and_its_log_says_why(
    #[case] change: &str,
    #[case] reason: &str,
) {
    let app = redux().await;
    app.db.run(1, 1, 0).await;
    app.db.set(change).await;
    assert_eq!(app.config("wks-1").await, Vec::<String>::new());
    app.prolog("wks-1").await;
    assert_eq!(app.db.state(1).await, 0, "only getJobs ends runs");
    assert_eq!(app.jobs("wks-1").await, json!({}));
    assert_eq!(app.db.state(1).await, 5);
    let log = app.db.log(1).await;
    assert_eq!(log.len(), 1, "{log:?}");
    assert!(log[0].0 == 5 && log[0].1.contains(reason), "{log:?}");
}

#[tokio::test]
async fn a_task_is_open_until_its_last_second() {
    let app = redux().await;
    app.db.run(1, 1, 0).await;
    app.db
        .set("UPDATE {p}tasks SET datetime_end = '2026-03-04 12:00:00'")
        .await;
    assert_eq!(app.handed_out("wks-1").await, ["run-1"]);
}

#[tokio::test]
async fn actors_are_those_of_the_runs_own_job() {
    let app = redux().await;
    app.db
        .set(
            "INSERT INTO {p}taskjobs (id, {f}tasks_id, method, targets, actors) \
             SELECT 2, 1, method, targets, actors FROM {p}taskjobs WHERE id = 1;
             UPDATE {p}taskjobs SET actors = '[{\"Computer\":\"2\"}]' WHERE id = 1",
        )
        .await;
    app.db.run_of(1, 1, 1, 0).await;
    app.db.run_of(2, 2, 1, 0).await;
    assert_eq!(app.handed_out("wks-1").await, ["run-2"]);
    assert_eq!(app.db.states().await, [5, 1]);
}

#[tokio::test]
async fn a_run_is_sent_again_while_its_agent_is_silent_up_to_the_limit() {
    let app = redux().await;
    app.db.run(1, 1, 0).await;
    for sends in 1..=3 {
        assert_eq!(app.config("wks-1").await, ["Deploy"], "before send {sends}");
        assert_eq!(app.handed_out("wks-1").await, ["run-1"], "at send {sends}");
        app.prolog("wks-1").await;
        assert_eq!(app.db.state(1).await, 1);
        assert_eq!(app.db.log_states(1).await, vec![1; sends]);
    }
    assert_eq!(app.config("wks-1").await, Vec::<String>::new());
    assert_eq!(app.db.state(1).await, 1, "getConfig writes nothing");
    assert_eq!(app.jobs("wks-1").await, json!({}));
    assert_eq!(app.db.state(1).await, 4);
    assert_eq!(app.db.log_states(1).await, [1, 1, 1, 4]);
}

#[tokio::test]
async fn the_limit_of_sends_is_a_setting() {
    let app = app::start(|settings| settings.dispatch.max_sends = 1).await;
    office(&app.db).await;
    app.db.run(1, 1, 0).await;
    assert_eq!(app.handed_out("wks-1").await, ["run-1"]);
    assert_eq!(app.jobs("wks-1").await, json!({}));
    assert_eq!(app.db.state(1).await, 4);
}

#[tokio::test]
async fn an_agent_that_reports_progress_is_left_alone() {
    let app = redux().await;
    app.db.run(1, 1, 0).await;
    assert_eq!(app.handed_out("wks-1").await, ["run-1"]);
    status(&app, "wks-1", 1, "currentStep=checking&status=ok&msg=ok").await;
    assert_eq!(app.db.state(1).await, 2, "the first report starts the run");
    for _ in 0..5 {
        assert_eq!(app.config("wks-1").await, Vec::<String>::new());
        assert_eq!(app.jobs("wks-1").await, json!({}));
        app.prolog("wks-1").await;
    }
    assert_eq!(app.db.state(1).await, 2);
    assert_eq!(app.db.log_states(1).await, [1, 6]);
}

/// Of requests that come at once one gets the run: it is claimed before it is answered.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_claimed_once() {
    let app = app::start(|settings| settings.dispatch.max_sends = 1).await;
    office(&app.db).await;
    app.db.run(1, 1, 0).await;
    let requests = (0..16).map(|_| app.handed_out("wks-1"));
    let answers = futures_util::future::join_all(requests).await;
    assert_eq!(answers.concat(), ["run-1"]);
    let sends: Vec<u32> = app.db.ask("SELECT sends FROM {p}sidecar_runs").await;
    assert_eq!(sends, [1]);
}

#[tokio::test]
async fn texts_to_agents_are_decoded_once_everywhere() {
    let app = redux().await;
    let sha512 = "a".repeat(128);
    let stored = json!({
        "jobs": {
            "checks": [{"type": "fileExists", "path": "C:\\a &#38; b", "value": "&#60;x&#62;", "return": "error"}],
            "associatedFiles": [sha512],
            "actions": [{"cmd": {"exec": "echo \"&#38;#60;\" 'a' &#62; C:\\out", "name": "R&#38;D"}}],
            "userinteractions": [{"name": "ask", "type": "before", "title": "R&#38;D", "text": "a &#60; b$#r$#nc", "template": 1}],
        },
        "associatedFiles": {&sha512: {"name": "R&#38;D.zip", "p2p": 0, "p2p-retention-duration": 0, "uncompress": 0}},
    });
    app.db
        .set(&format!(
            "UPDATE {{p}}deploypackages SET json = {};
             INSERT INTO {{p}}deployuserinteractiontemplates (id, name, json) VALUES (1, 'ask', {});
             INSERT INTO {{p}}deploymirrors (entities_id, is_active, name, url, locations_id) VALUES (0, 1, 'm', 'http://m/?a=1&#38;f=', 0);
             UPDATE {{p}}configs SET value = 1 WHERE type = 'mirror_match'",
            text(&stored.to_string()),
            text(r#"{"buttons":"ok","icon":"R&#38;D","timeout":60}"#),
        ))
        .await;
    let manifests = app.files().join("manifests");
    std::fs::create_dir_all(&manifests).unwrap();
    std::fs::write(manifests.join(&sha512), "one\ntwo\n").unwrap();
    app.db.run(1, 1, 0).await;
    let answer = app.jobs("wks-1").await;
    assert_eq!(
        answer,
        json!({
            "jobs": [{
                "checks": [{"type": "fileExists", "path": "C:\\a & b", "value": "<x>", "return": "error"}],
                "associatedFiles": [sha512],
                "actions": [{"cmd": {"exec": "echo \"&#60;\" 'a' > C:\\out", "name": "R&D"}}],
                "userinteractions": [{
                    "name": "ask", "type": "before", "title": "R&D", "text": "a < b\r\nc",
                    "buttons": "ok", "icon": "R&D", "timeout": 60, "wait": "yes",
                }],
                "uuid": "run-1",
            }],
            "associatedFiles": {&sha512: {
                "name": "R&D.zip", "p2p": 0, "p2p-retention-duration": 0, "uncompress": 0, "multiparts": ["one", "two"],
                "mirrors": [
                    "http://m/?a=1&f=",
                    "http://glpi.example.com/plugins/fusioninventory/b/deploy/?action=getFilePart&file=",
                ],
            }},
        })
    );
}

#[tokio::test]
async fn of_duplicates_one_is_handed_out_and_the_others_are_cancelled() {
    let app = redux().await;
    for run in 1..=3 {
        app.db.run(run, 1, 0).await;
    }
    assert_eq!(app.config("wks-1").await, ["Deploy"]);
    assert_eq!(app.handed_out("wks-1").await, ["run-1"]);
    assert_eq!(app.db.states().await, [1, 5, 5]);
    assert!(app.db.log(2).await[0].1.contains("another open run"));
}

/// PHP cuts a large range into runs; they share job, target and agent.
#[tokio::test]
async fn parts_of_one_range_are_no_duplicates() {
    let app = redux().await;
    app.db
        .set(
            "INSERT INTO {p}ipranges (id, name, entities_id, ip_start, ip_end) VALUES (1, 'r', 0, '10.0.0.0', '10.0.0.255');
             INSERT INTO {p}taskjobs (id, {f}tasks_id, name, method, targets, actors) VALUES (2, 1, 'discovery', 'networkdiscovery', \
             '[{\"PluginFusioninventoryIPRange\":\"1\"}]', '[{\"PluginFusioninventoryAgent\":\"1\"}]')",
        )
        .await;
    app.db.run_of(1, 2, 1, 0).await;
    app.db.run_of(2, 2, 1, 0).await;
    app.db
        .set(
            "UPDATE {p}taskjobstates SET itemtype = 'PluginFusioninventoryIPRange', specificity = IF(id = 1, '0-127', '128-255')",
        )
        .await;
    let answer = app.prolog("wks-1").await;
    assert_eq!(answer.matches("<RANGEIP").count(), 2, "{answer}");
    assert_eq!(app.db.states().await, [1, 1]);
}

#[tokio::test]
async fn a_duplicate_that_ends_stands_in_nobodys_way() {
    let app = app::start(|settings| settings.dispatch.max_sends = 1).await;
    office(&app.db).await;
    app.db.run(1, 1, 0).await;
    assert_eq!(app.handed_out("wks-1").await, ["run-1"]);
    app.db.run(2, 1, 0).await;
    assert_eq!(app.handed_out("wks-1").await, ["run-2"]);
    assert_eq!(app.db.states().await, [4, 1]);
}

/// getConfig and getJobs decide alike: the task is named for what would go out, not for what would end.
#[tokio::test]
async fn a_run_that_was_sent_too_often_neither_names_its_task_nor_hides_another() {
    let app = app::start(|settings| settings.dispatch.max_sends = 1).await;
    office(&app.db).await;
    app.db.run(1, 1, 0).await;
    assert_eq!(app.config("wks-1").await, ["Deploy"]);
    assert_eq!(app.handed_out("wks-1").await, ["run-1"]);
    assert_eq!(app.config("wks-1").await, Vec::<String>::new());
    app.db.run(2, 1, 0).await;
    assert_eq!(app.config("wks-1").await, ["Deploy"]);
    assert_eq!(app.db.states().await, [1, 0], "getConfig writes nothing");
    assert_eq!(app.handed_out("wks-1").await, ["run-2"]);
}

#[tokio::test]
async fn a_duplicate_of_a_run_under_way_is_not_handed_out() {
    let app = redux().await;
    app.db.run(1, 1, 2).await;
    app.db.run(2, 1, 0).await;
    assert_eq!(app.config("wks-1").await, Vec::<String>::new());
    assert_eq!(app.jobs("wks-1").await, json!({}));
    assert_eq!(app.db.states().await, [2, 5]);
}

#[tokio::test]
async fn one_bad_package_does_not_hold_up_the_others() {
    let app = redux().await;
    app.db
        .set(&format!(
            "INSERT INTO {{p}}deploypackages (id, name, json) VALUES (2, 'broken', '{{'), (3, 'whole', {});
             UPDATE {{p}}taskjobs SET targets = '[{{\"PluginFusioninventoryDeployPackage\":\"2\"}},{{\"PluginFusioninventoryDeployPackage\":\"3\"}}]'",
            text(&site::package("true"))
        ))
        .await;
    app.db.run(1, 1, 0).await;
    app.db.run(2, 1, 0).await;
    app.db
        .set("UPDATE {p}taskjobstates SET items_id = id + 1")
        .await;
    assert_eq!(app.handed_out("wks-1").await, ["run-2"]);
    assert_eq!(app.db.states().await, [4, 1]);
    assert_eq!(app.db.log_states(1).await, [4]);
}

/// The table has no unique key for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_agent_that_says_hello_several_times_at_once_is_registered_once() {
    let app = redux().await;
    let hellos = (0..16).map(|number| app.prolog(if number % 2 == 0 { "new-1" } else { "NEW-1" }));
    let answers = futures_util::future::join_all(hellos).await;
    assert!(answers.iter().all(|answer| answer.contains("PROLOG_FREQ")));
    let agents: Vec<u32> = app
        .db
        .ask("SELECT COUNT(*) FROM {p}agents WHERE device_id = 'new-1'")
        .await;
    assert_eq!(agents, [1]);
}

#[tokio::test]
async fn duplicates_of_an_agent_are_one_agent() {
    let app = redux().await;
    app.db
        .set(
            "INSERT INTO {p}agents (id, name, device_id, computers_id) VALUES (7, 'wks-1', 'wks-1', 1);
             UPDATE {p}agents SET `lock` = 1 WHERE id = 1",
        )
        .await;
    app.db.run(1, 7, 0).await;
    // The first that is not locked, whatever is asked.
    assert_eq!(app.config("wks-1").await, ["Deploy"]);
    assert_eq!(app.handed_out("wks-1").await, ["run-1"]);
    status(&app, "wks-1", 1, "msg=job%20successfully%20completed").await;
    assert_eq!(app.db.state(1).await, 3);
}
