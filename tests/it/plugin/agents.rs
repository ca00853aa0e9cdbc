//! Whom a request means, and who may speak of what.

use fusion_sidecar::proto::envelope::Coding;
use rstest::rstest;
use serde_json::json;

use super::{plugin, status_code};
use crate::support::agent::prolog;

/// Of agents with one `device_id`, getConfig, setStatus and setUserEvent take the last that is not locked, getJobs the first.
#[tokio::test]
async fn of_duplicates_requests_mean_different_ones() {
    let app = plugin().await;
    app.db
        .set(
            "INSERT INTO glpi_computers (id, name, entities_id) VALUES (3, 'wks-3', 0);
             INSERT INTO {p}agents (id, name, device_id, computers_id) VALUES (3, 'wks-1', 'wks-1', 3);
             UPDATE {p}taskjobs SET actors = '[{\"Computer\":\"1\"},{\"Computer\":\"3\"}]'",
        )
        .await;
    app.db.run(1, 1, 0).await;
    assert_eq!(app.config("wks-1").await, Vec::<String>::new());
    assert_eq!(app.handed_out("wks-1").await, ["run-1"]);
    app.db.run(2, 3, 0).await;
    assert_eq!(app.config("wks-1").await, ["Deploy"]);
    app.db
        .set("UPDATE {p}taskjobstates SET state = 3 WHERE id = 1")
        .await;
    assert_eq!(app.jobs("wks-1").await, json!({}));
    assert_eq!(app.db.state(2).await, 0);

    app.db
        .set("UPDATE {p}agents SET `lock` = 1 WHERE id = 3")
        .await;
    assert_eq!(app.config("wks-1").await, Vec::<String>::new());
    app.db.run(3, 1, 0).await;
    assert_eq!(app.config("wks-1").await, ["Deploy"]);
}

#[tokio::test]
async fn a_locked_agent_is_refused_except_by_get_jobs() {
    let app = plugin().await;
    app.db.set("UPDATE {p}agents SET `lock` = 1").await;
    app.db.run(1, 1, 0).await;
    let path = "/?action=getConfig&machineid=wks-1&task[Deploy]=2.8";
    assert_eq!(status_code(&app, path).await, 400);
    assert_eq!(app.handed_out("wks-1").await, ["run-1"]);
    let path = "/b/deploy/?action=setStatus&machineid=wks-1&uuid=run-1&msg=job%20skipped";
    assert_eq!(status_code(&app, path).await, 400);
    assert_eq!(app.db.state(1).await, 1);
    assert_eq!(app.db.log(1).await, []);
}

/// PHP looks for the run without asking who speaks: the log line is refused, what follows is not.
#[rstest]
#[case::unknown("nobody", "stop", 5, &[5])]
#[case::locked("wks-2", "stop", 5, &[5])]
#[case::postponed("nobody", "postpone", 6, &[5])]
#[case::went_on("nobody", "continue", 1, &[])]
#[case::bad_event("nobody", "error_bad_event", 1, &[])]
#[tokio::test]
async fn a_strangers_user_event_takes_effect(
    #[case] agent: &str,
    #[case] behaviour: &str,
    #[case] state: u32,
    #[case] lines: &[u32],
) {
    let app = plugin().await;
    app.db
        .set("UPDATE {p}agents SET `lock` = 1 WHERE id = 2")
        .await;
    app.db.run(1, 1, 1).await;
    let path = format!(
        "/b/deploy/?action=setUserEvent&machineid={agent}&uuid=run-1&behavior={behaviour}&type=before&event=on_no&user=x"
    );
    assert_eq!(status_code(&app, &path).await, 400);
    assert_eq!(app.db.state(1).await, state);
    assert_eq!(app.db.log_states(1).await, lines);
}

/// Another agent's run may be reported on.
#[tokio::test]
async fn a_report_on_another_agents_run_is_taken() {
    let app = plugin().await;
    app.db.run(1, 1, 1).await;
    app.tell("action=setStatus&machineid=wks-2&uuid=run-1&msg=job%20successfully%20completed")
        .await;
    assert_eq!(app.db.state(1).await, 3);
}

/// The tables compare without case.
#[tokio::test]
async fn names_are_compared_without_case() {
    let app = plugin().await;
    app.db.run(1, 1, 0).await;
    assert_eq!(app.config("WKS-1").await, ["Deploy"]);
    let answer = app.post(&prolog("Wks-1"), Coding::Plain).await;
    assert_eq!(answer.status, 200);
    let agents: Vec<(u32, Option<String>)> = app
        .db
        .ask("SELECT id, token FROM {p}agents ORDER BY id")
        .await;
    assert_eq!(agents, [(1, Some("12345678".to_owned())), (2, None)]);
    assert_eq!(app.handed_out("wKs-1").await, ["run-1"]);
    app.tell("action=setStatus&machineid=WKS-1&uuid=RUN-1&msg=job%20skipped")
        .await;
    assert_eq!(app.db.state(1).await, 3);
}

#[tokio::test]
async fn an_agent_without_a_name_is_nobody() {
    let app = plugin().await;
    app.db.run(1, 1, 0).await;
    for (path, status) in [
        // The page for people: nothing is said to an agent.
        ("/?action=getConfig&machineid=&task[Deploy]=2.8", 200),
        ("/?action=getConfig&machineid[]=wks-1&task[Deploy]=2.8", 400),
        ("/b/deploy/?action=getJobs", 200),
        ("/b/deploy/?action=getJobs&machineid[]=wks-1", 200),
        (
            "/b/deploy/?action=setStatus&uuid=run-1&msg=job%20skipped",
            400,
        ),
    ] {
        assert_eq!(status_code(&app, path).await, status, "{path}");
    }
    assert_eq!(app.db.state(1).await, 0);
}
