//! The collect back end through the front door: what goes out.

#[path = "collect/answers.rs"]
mod answers;
#[path = "collect/files.rs"]
mod files;

use axum::http::Method;
use fusion_sidecar::domain::policy::Policy;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::agent::{Answer, runs, send};
use crate::support::app::TestApp;
use crate::support::network::{COLLECT, site};
use crate::support::site::SLOT_OPENS_AT_ONE;

/// Collects 1 (registry, orders 11 and 12), 2 (WMI, order 21), 3 (files, orders 31 and 32), and run N of collect N for agent 1.
pub(crate) async fn collecting(policy: Policy) -> TestApp {
    let app = site(policy).await;
    stock(&app).await;
    app
}

pub(crate) async fn stock(app: &TestApp) {
    app.db
        .set(
            "INSERT INTO {p}collects (id, name, type, is_active) VALUES (1, 'r', 'registry', 1), (2, 'w', 'wmi', 1), (3, 'f', 'file', 1);
             INSERT INTO {p}collects_registries (id, {f}collects_id, hive, path, `key`) VALUES \
             (11, 1, 'HKEY_LOCAL_MACHINE', '/SOFTWARE/R&#38;D/', '*'), (12, 1, 'HKEY_CURRENT_USER', '/a/', 'b');
             INSERT INTO {p}collects_wmis (id, {f}collects_id, moniker, class, properties) VALUES (21, 2, '', 'Win32_BIOS', 'Name');
             INSERT INTO {p}collects_files (id, {f}collects_id, dir, `limit`, filter_is_file, filter_name) VALUES \
             (31, 3, '/etc', 5, 1, 'a&#60;b'), (32, 3, '/var', 5, 1, '')",
        )
        .await;
    app.db.job(2, "collect", COLLECT, &[1, 2, 3]).await;
    for run in [1, 2, 3] {
        app.db
            .run_on(run, 2, COLLECT, u32::try_from(run).unwrap())
            .await;
    }
}

pub(crate) async fn jobs(app: &TestApp, agent: &str) -> Value {
    app.jobs_of("collect", &format!("machineid={agent}")).await
}

/// The runs of the orders that getJobs hands out, one for each order.
pub(crate) async fn orders(app: &TestApp) -> Vec<String> {
    runs(&jobs(app, "wks-1").await)
}

/// As agent 2.6 after `postmethod`.
pub(crate) async fn posted(app: &TestApp, run: u64, form: &str) -> Answer {
    let url = format!(
        "{}/b/collect/?action=setAnswer&uuid=run-{run}&method=POST",
        app.base_url()
    );
    let form = format!("action=setAnswer&uuid=run-{run}&_cpt=1&_glpi_csrf_token=0123&{form}");
    let kind = [("content-type", "application/x-www-form-urlencoded")];
    send(Method::POST, &url, &kind, form.into_bytes()).await
}

#[rstest]
#[case::redux(Policy::Redux, "R&D", "a<b")]
#[case::plugin(Policy::Plugin, "R&#38;D", "a&#60;b")]
#[tokio::test]
async fn all_orders_of_all_runs_go_out_in_one_answer(
    #[case] policy: Policy,
    #[case] key: &str,
    #[case] name: &str,
) {
    let app = collecting(policy).await;
    let mut answer = jobs(&app, "wks-1").await;
    let token = answer["token"].take();
    assert!(
        token.as_str().is_some_and(|token| token.len() >= 32),
        "{token}"
    );
    let file = |dir: &str, filter: Value, sid: u32| json!({"function": "findFile", "dir": dir, "limit": 5, "recursive": 0, "filter": filter, "uuid": "run-3", "_sid": sid});
    assert_eq!(
        answer,
        json!({
            "jobs": [
                {"function": "getFromRegistry", "path": format!("HKEY_LOCAL_MACHINE/SOFTWARE/{key}/*"), "uuid": "run-1", "_sid": 11},
                {"function": "getFromRegistry", "path": "HKEY_CURRENT_USER/a/b", "uuid": "run-1", "_sid": 12},
                {"function": "getFromWMI", "class": "Win32_BIOS", "properties": ["Name"], "uuid": "run-2", "_sid": 21},
                file("/etc", json!({"is_file": 1, "is_dir": 0, "name": name}), 31),
                file("/var", json!({"is_file": 1, "is_dir": 0}), 32),
            ],
            "postmethod": "POST",
            "token": null,
        })
    );
    assert_eq!(app.db.states().await, [1, 1, 1]);
    assert_eq!(app.db.log_states(1).await, [1]);
}

#[rstest]
#[case::redux(Policy::Redux, &[1, 1, 2], &["run-1", "run-2"])]
#[case::plugin(Policy::Plugin, &[4, 4, 4], &[])]
#[tokio::test]
async fn after_a_lost_answer(
    #[case] policy: Policy,
    #[case] states: &[u32],
    #[case] again: &[&str],
) {
    let app = collecting(policy).await;
    assert_eq!(orders(&app).await.len(), 5);
    // This run is under way.
    posted(&app, 3, "_sid=31&path=/etc/a&size=1").await;
    let mut runs = orders(&app).await;
    runs.dedup();
    assert_eq!(runs, again);
    assert_eq!(app.db.states().await, states);
}

#[rstest]
#[case::start_date("UPDATE {p}tasks SET datetime_start = '2026-03-04 13:00:00'")]
#[case::execution_slot(SLOT_OPENS_AT_ONE)]
#[tokio::test]
async fn too_early(#[values(Policy::Redux, Policy::Plugin)] policy: Policy, #[case] early: &str) {
    let app = collecting(policy).await;
    app.db.set(early).await;
    assert_eq!(jobs(&app, "wks-1").await, json!({}));
    let (state, later) = match policy {
        Policy::Redux => (0, 5),
        Policy::Plugin => (5, 0),
    };
    assert_eq!(app.db.states().await, [state; 3]);
    app.clock.advance(std::time::Duration::from_hours(1));
    assert_eq!(orders(&app).await.len(), later);
}

#[rstest]
#[tokio::test]
async fn where_the_module_is_off_runs_are_cancelled(
    #[values(Policy::Redux, Policy::Plugin)] policy: Policy,
    #[values((0, "[]"), (1, "[\"1\"]"))] module: (u32, &str),
) {
    let app = collecting(policy).await;
    app.db
        .set(&format!(
            "UPDATE {{p}}agentmodules SET is_active = {}, exceptions = '{}' WHERE modulename = 'Collect'",
            module.0, module.1
        ))
        .await;
    assert_eq!(app.config("wks-1").await, Vec::<String>::new());
    assert_eq!(jobs(&app, "wks-1").await, json!({}));
    assert_eq!(app.db.states().await, [5, 5, 5]);
}

#[rstest]
#[tokio::test]
async fn a_locked_agent_is_served_here_and_an_unknown_one_is_not(
    #[values(Policy::Redux, Policy::Plugin)] policy: Policy,
) {
    let app = collecting(policy).await;
    app.db.set("UPDATE {p}agents SET `lock` = 1").await;
    for nobody in ["nobody", ""] {
        assert_eq!(jobs(&app, nobody).await, json!({}), "{nobody}");
    }
    assert_eq!(app.db.states().await, [0, 0, 0]);
    assert_eq!(orders(&app).await.len(), 5);
}

#[rstest]
#[case::redux(Policy::Redux, 4, &["run-1", "run-2"])]
#[case::plugin(Policy::Plugin, 1, &["run-1", "run-2"])]
#[tokio::test]
async fn a_collect_that_is_empty(
    #[case] policy: Policy,
    #[case] state: u32,
    #[case] others: &[&str],
) {
    let app = collecting(policy).await;
    app.db.set("DELETE FROM {p}collects_files").await;
    let mut runs = orders(&app).await;
    runs.dedup();
    assert_eq!(runs, others);
    assert_eq!(app.db.states().await, [1, 1, state]);
}

/// PHP still has the collect before it in hand; the first of an answer has none.
#[rstest]
#[case::redux(Policy::Redux, 2, &["run-1", "run-3"], &[1, 4, 1])]
#[case::plugin(Policy::Plugin, 2, &["run-1", "run-2", "run-3"], &[1, 1, 1])]
#[case::the_first_for_redux(Policy::Redux, 1, &["run-2", "run-3"], &[4, 1, 1])]
#[case::the_first_for_the_plugin(Policy::Plugin, 1, &["run-2", "run-3"], &[1, 1, 1])]
#[tokio::test]
async fn a_collect_that_is_gone(
    #[case] policy: Policy,
    #[case] gone: u32,
    #[case] expected: &[&str],
    #[case] states: &[u32],
) {
    let app = collecting(policy).await;
    app.db
        .set(&format!(
            "DELETE FROM {{p}}collects WHERE id = {gone};
             DELETE FROM {{p}}collects_registries WHERE {{f}}collects_id = {gone};
             DELETE FROM {{p}}collects_wmis WHERE {{f}}collects_id = {gone}"
        ))
        .await;
    let answer = jobs(&app, "wks-1").await;
    let mut handed_out = runs(&answer);
    handed_out.dedup();
    assert_eq!(handed_out, expected);
    assert_eq!(app.db.states().await, states);
    if expected.contains(&"run-2") && gone == 2 {
        assert_eq!(answer["jobs"][2]["function"], "getFromRegistry");
        assert_eq!(answer["jobs"][3]["_sid"], 12);
    }
}
