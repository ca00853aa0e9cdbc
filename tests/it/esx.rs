//! The ESX back end through the front door.

use fusion_sidecar::domain::policy::Policy;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::heard::hearing;
use crate::support::network::{HYPERVISOR, site};
use crate::support::site::SLOT_OPENS_AT_ONE;

/// Hypervisors 1 and 2 with a login, 3 without; run N is of hypervisor N, of agent 1.
async fn hypervisors(policy: Policy) -> TestApp {
    let app = site(policy).await;
    app.db
        .set(
            "INSERT INTO {p}credentials (id, username, password) VALUES (1, 'R&#38;D', 'a&#60;b&#62;\"c'), (2, '', '');
             INSERT INTO {p}credentialips (id, {f}credentials_id, ip) VALUES (1, 1, '127.0.0.9'), (2, 2, '127.0.0.8'), (3, 9, '127.0.0.7')",
        )
        .await;
    app.db
        .job(2, "InventoryComputerESX", HYPERVISOR, &[1, 2, 3, 4])
        .await;
    for run in [1, 2] {
        app.db
            .run_on(run, 2, HYPERVISOR, u32::try_from(run).unwrap())
            .await;
    }
    app
}

async fn jobs(app: &TestApp, agent: &str) -> Value {
    app.jobs_of("esx", &format!("machineid={agent}")).await
}

async fn log(app: &TestApp, query: &str) -> (u16, String) {
    let answer = app.get(&format!("/b/esx/?action=setLog&{query}")).await;
    (answer.status, answer.text())
}

fn taken() -> (u16, String) {
    (200, "{}".to_owned())
}

#[rstest]
#[case::redux(Policy::Redux, "R&D", "a<b>\"c", &[1])]
#[case::plugin(Policy::Plugin, "R&#38;D", "a&#60;b&#62;\"c", &[])]
#[tokio::test]
async fn all_hypervisors_go_out_in_one_answer(
    #[case] policy: Policy,
    #[case] user: &str,
    #[case] password: &str,
    #[case] said: &[u32],
) {
    let app = hypervisors(policy).await;
    assert_eq!(app.config("wks-1").await, ["ESX"]);
    assert_eq!(
        jobs(&app, "wks-1").await,
        json!({"jobs": [
            {"uuid": "run-1", "host": "127.0.0.9", "user": user, "password": password},
            {"uuid": "run-2", "host": "127.0.0.8", "user": "", "password": ""},
        ]})
    );
    assert_eq!(app.db.states().await, [1, 1]);
    assert_eq!(app.db.log_states(1).await, said);
    assert_eq!(app.config("wks-2").await, Vec::<String>::new());
    assert_eq!(jobs(&app, "wks-2").await, json!({}));
}

#[rstest]
#[case::redux(Policy::Redux, &[1, 1, 4, 4], json!([]))]
#[case::plugin(Policy::Plugin, &[1, 1, 1, 1], json!([
    {"uuid": "run-3", "host": "127.0.0.7", "user": null, "password": null},
    {"uuid": "run-4", "host": null, "user": null, "password": null},
]))]
#[tokio::test]
async fn without_a_login_or_a_hypervisor(
    #[case] policy: Policy,
    #[case] states: &[u32],
    #[case] more: Value,
) {
    let app = hypervisors(policy).await;
    app.db.run_on(3, 2, HYPERVISOR, 3).await;
    app.db.run_on(4, 2, HYPERVISOR, 4).await;
    let answer = jobs(&app, "wks-1").await;
    let handed_out = answer["jobs"].as_array().unwrap();
    assert_eq!(handed_out[2..], *more.as_array().unwrap());
    assert_eq!(app.db.states().await, states);
}

#[rstest]
#[case::redux(Policy::Redux, &[1, 2], &["run-1"])]
#[case::plugin(Policy::Plugin, &[4, 4], &[])]
#[tokio::test]
async fn after_a_lost_answer(
    #[case] policy: Policy,
    #[case] states: &[u32],
    #[case] again: &[&str],
) {
    let app = hypervisors(policy).await;
    jobs(&app, "wks-1").await;
    log(&app, "machineid=wks-1&uuid=run-2&code=running&msg=x").await;
    if policy == Policy::Plugin {
        assert_eq!(app.db.state(2).await, 1, "a word is no progress");
    }
    let answer = jobs(&app, "wks-1").await;
    let runs: Vec<&str> = answer["jobs"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
        .iter()
        .map(|job| job["uuid"].as_str().unwrap())
        .collect();
    assert_eq!(runs, again);
    assert_eq!(app.db.states().await, states);
}

#[rstest]
#[case::start_date("UPDATE {p}tasks SET datetime_start = '2026-03-04 13:00:00'")]
#[case::execution_slot(SLOT_OPENS_AT_ONE)]
#[tokio::test]
async fn too_early(#[values(Policy::Redux, Policy::Plugin)] policy: Policy, #[case] early: &str) {
    let app = hypervisors(policy).await;
    app.db.set(early).await;
    assert_eq!(jobs(&app, "wks-1").await, json!({}));
    let state = if policy == Policy::Redux { 0 } else { 5 };
    assert_eq!(app.db.states().await, [state; 2]);
}

/// PHP's back end looks at no module.
#[rstest]
#[case::redux(Policy::Redux, 0, 5)]
#[case::plugin(Policy::Plugin, 2, 1)]
#[tokio::test]
async fn where_the_module_is_off(
    #[case] policy: Policy,
    #[case] orders: usize,
    #[case] state: u32,
) {
    let app = hypervisors(policy).await;
    app.db
        .set("UPDATE {p}agentmodules SET is_active = 0 WHERE modulename = 'InventoryComputerESX'")
        .await;
    assert_eq!(app.config("wks-1").await, Vec::<String>::new());
    let answer = jobs(&app, "wks-1").await;
    assert_eq!(answer["jobs"].as_array().map_or(0, Vec::len), orders);
    assert_eq!(app.db.states().await, [state; 2]);
}

/// To the plugin only a deployment can be put off.
#[rstest]
#[case::redux(Policy::Redux, 0)]
#[case::plugin(Policy::Plugin, 1)]
#[tokio::test]
async fn what_was_put_off(#[case] policy: Policy, #[case] state: u32) {
    let app = hypervisors(policy).await;
    app.db
        .set("UPDATE {p}taskjobstates SET date_start = '2030-01-01'")
        .await;
    jobs(&app, "wks-1").await;
    assert_eq!(app.db.states().await, [state; 2]);
}

#[rstest]
#[case::well("code=ok&msg=done", 3, 3, Some((2, "done")))]
#[case::badly("code=ko&msg=refused", 4, 4, Some((4, "refused")))]
#[case::on_its_way("code=running&msg=login", 2, 1, Some((6, "login")))]
#[case::no_text("code=ok", 3, 3, Some((2, "ok")))]
#[case::unknown_code("code=maybe&msg=x", 1, 1, None)]
#[case::no_code("msg=x", 1, 1, None)]
#[case::list("code[]=ok&msg=x", 1, 1, None)]
#[case::markup("code=ko&msg=%3Cb%3E", 4, 4, None)]
#[tokio::test]
async fn what_an_agent_reports(
    #[values(Policy::Redux, Policy::Plugin)] policy: Policy,
    #[case] query: &str,
    #[case] redux: u32,
    #[case] plugin: u32,
    #[case] last: Option<(u32, &str)>,
) {
    let app = hypervisors(policy).await;
    jobs(&app, "wks-1").await;
    let before = app.db.log(1).await;
    let reply = log(
        &app,
        &format!("machineid=wks-1&part=login&uuid=run-1&{query}"),
    )
    .await;
    assert_eq!(reply, taken());
    let state = if policy == Policy::Redux {
        redux
    } else {
        plugin
    };
    assert_eq!(app.db.state(1).await, state);
    let written = app.db.log(1).await[before.len()..].to_vec();
    if query.ends_with("%3E") {
        let text = if policy == Policy::Redux {
            "&#60;b&#62;"
        } else {
            "<b>"
        };
        assert_eq!(written, [(4, text.to_owned())]);
    } else {
        let expected: Vec<(u32, String)> = last
            .map(|(state, text)| (state, text.to_owned()))
            .into_iter()
            .collect();
        assert_eq!(written, expected);
    }
}

#[rstest]
#[case::redux(Policy::Redux, 65_535)]
#[case::plugin(Policy::Plugin, 15_000)]
#[tokio::test]
async fn a_text_is_cut_where_it_is_too_long_once_encoded(
    #[case] policy: Policy,
    #[case] length: usize,
) {
    let app = hypervisors(policy).await;
    jobs(&app, "wks-1").await;
    let long = "%26".repeat(15_000);
    assert_eq!(
        log(
            &app,
            &format!("machineid=wks-1&uuid=run-1&code=ko&msg={long}")
        )
        .await,
        taken()
    );
    let (_, text) = app.db.log(1).await.pop().unwrap();
    assert_eq!(text.len(), length);
    assert_eq!(app.db.state(1).await, 4);
}

#[rstest]
#[case::redux(Policy::Redux, 3)]
#[case::plugin(Policy::Plugin, 4)]
#[tokio::test]
async fn of_two_results(#[case] policy: Policy, #[case] last: u32) {
    let app = hypervisors(policy).await;
    jobs(&app, "wks-1").await;
    log(&app, "machineid=wks-1&uuid=run-1&code=ok&msg=x").await;
    log(&app, "machineid=wks-1&uuid=run-1&code=ko&msg=y").await;
    assert_eq!(app.db.state(1).await, last);
}

#[rstest]
#[case::redux(Policy::Redux, 1)]
#[case::plugin(Policy::Plugin, 3)]
#[tokio::test]
async fn another_agents_run(#[case] policy: Policy, #[case] state: u32) {
    let app = hypervisors(policy).await;
    jobs(&app, "wks-1").await;
    let reply = log(&app, "machineid=wks-2&uuid=run-1&code=ok&msg=x").await;
    assert_eq!(reply, taken());
    assert_eq!(app.db.state(1).await, state);
}

#[test]
fn what_is_said_of_another_agents_run_is_counted() {
    hearing(async |heard| {
        let app = hypervisors(Policy::Redux).await;
        jobs(&app, "wks-1").await;
        log(&app, "machineid=wks-2&uuid=run-1&code=ok&msg=x").await;
        let counter = r#"fusion_sidecar_reports_ignored_total{reason="foreign-run"}"#;
        assert!(heard.counted(counter, 1));
    });
}

#[rstest]
#[tokio::test]
async fn locked_and_unknown_agents(#[values(Policy::Redux, Policy::Plugin)] policy: Policy) {
    let app = hypervisors(policy).await;
    app.db.set("UPDATE {p}agents SET `lock` = 1").await;
    assert_eq!(jobs(&app, "nobody").await, json!({}));
    // Served, though it may not report.
    assert_eq!(
        jobs(&app, "wks-1").await["jobs"].as_array().unwrap().len(),
        2
    );
    for agent in ["wks-1", "nobody"] {
        let (status, _) = log(&app, &format!("machineid={agent}&uuid=run-1&code=ok&msg=x")).await;
        assert_eq!(status, 400, "{agent}");
    }
    assert_eq!(app.db.states().await, [1, 1]);
}

#[rstest]
#[case("action=getJobs")]
#[case("action=getJobs&machineid=")]
#[case("action=getJobs&machineid[]=wks-1")]
#[case("action=setLog&uuid=run-1&code=ok")]
#[case("action=setLog&machineid=wks-1&code=ok")]
#[case("action=setLog&machineid=wks-1&uuid=nobodys&code=ok")]
#[case("action=other&machineid=wks-1")]
#[case("machineid=wks-1")]
#[tokio::test]
async fn what_says_nothing_changes_nothing(
    #[values(Policy::Redux, Policy::Plugin)] policy: Policy,
    #[case] query: &str,
) {
    let app = hypervisors(policy).await;
    let answer = app.get(&format!("/b/esx/?{query}")).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "{}"));
    assert_eq!(app.db.states().await, [0, 0]);
}
