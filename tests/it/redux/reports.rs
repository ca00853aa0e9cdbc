//! setStatus and setUserEvent.

use rstest::rstest;
use serde_json::json;

use super::{redux, status};
use crate::support::app::{self, TestApp};
use crate::support::site::{office, text};

use crate::support::heard::hearing;

async fn user_event(app: &TestApp, run: u64, behaviour: &str, moment: &str) {
    app.tell(&format!(
        "action=setUserEvent&machineid=wks-1&uuid=run-{run}&behavior={behaviour}&type={moment}&event=on_no&user=jdoe"
    ))
    .await;
}

#[tokio::test]
async fn output_lines_are_kept() {
    let app = redux().await;
    app.db.run(1, 1, 1).await;
    status(
        &app,
        "wks-1",
        1,
        "currentStep=processing&status=ko&msg=exit%201&log[]=first&log[]=second&log%5B%5D=third",
    )
    .await;
    assert_eq!(app.db.state(1).await, 4);
    let line = |state, text: &str| (state, text.to_owned());
    assert_eq!(
        app.db.log(1).await,
        [
            line(6, "Actions:first"),
            line(6, "Actions:second"),
            line(6, "Actions:third"),
            line(4, "Actions:exit 1"),
        ]
    );
}

#[test]
fn a_report_on_another_agents_run_is_ignored_counted_and_logged() {
    hearing(async |heard| {
        let app = redux().await;
        app.db.run(1, 1, 1).await;
        status(&app, "wks-2", 1, "msg=job%20successfully%20completed").await;
        status(&app, "wks-2", 1, "status=ko&msg=x&log[]=y").await;
        app.tell("action=setUserEvent&machineid=wks-2&uuid=run-1&behavior=stop&type=before&event=on_no&user=x")
            .await;
        assert_eq!(app.db.state(1).await, 1);
        assert_eq!(app.db.log(1).await, []);
        let counter = r#"fusion_sidecar_reports_ignored_total{reason="foreign-run"}"#;
        assert!(heard.counted(counter, 3));
        let warnings = heard.warnings("another agent's run is ignored");
        assert_eq!(warnings.len(), 3, "{warnings:?}");
        assert!(
            warnings[0].contains("agent.id=2") && warnings[0].contains("run-1"),
            "{warnings:?}"
        );
    });
}

#[rstest]
#[case::in_error(4)]
#[case::cancelled(5)]
#[tokio::test]
async fn a_late_success_wins_unless_a_newer_run_exists(#[case] ended: u32) {
    let app = redux().await;
    let success = "currentStep=end&status=ok&msg=job%20successfully%20completed";
    app.db.run(1, 1, ended).await;
    status(&app, "wks-1", 1, success).await;
    assert_eq!(app.db.state(1).await, 3);
    assert_eq!(app.db.log_states(1).await, [2]);

    app.db.run(2, 1, ended).await;
    app.db.run(3, 1, 0).await;
    // Runs of other agents and jobs do not count.
    app.db.run(4, 2, ended).await;
    app.db.run_of(5, 7, 1, ended).await;
    for run in [2, 5] {
        status(&app, "wks-1", run, success).await;
    }
    status(&app, "wks-2", 4, success).await;
    assert_eq!(app.db.states().await, [3, ended, 0, 3, 3]);
    assert_eq!(
        app.db.log_states(2).await,
        [2],
        "what it said is kept nevertheless"
    );
}

/// A package that broke off after its run had been cancelled is known to have done so; what a newer run does is not touched.
#[tokio::test]
async fn a_late_failure_wins_over_a_cancellation_alone() {
    let app = redux().await;
    for (run, state) in [(1, 4), (2, 5)] {
        app.db.run(run, 1, state).await;
        app.db
            .set(&format!(
                "UPDATE {{p}}taskjobstates SET items_id = {run} WHERE id = {run}"
            ))
            .await;
        status(&app, "wks-1", run, "status=ko&msg=x").await;
    }
    assert_eq!(app.db.states().await, [4, 4]);
    app.db.run(3, 1, 5).await;
    app.db.run(4, 1, 1).await;
    status(&app, "wks-1", 3, "status=ko&msg=x").await;
    assert_eq!(app.db.states().await, [4, 4, 5, 1]);
    assert_eq!(app.db.log_states(3).await, [4]);
}

#[tokio::test]
async fn a_success_is_final() {
    let app = redux().await;
    app.db.run(1, 1, 3).await;
    status(&app, "wks-1", 1, "status=ko&msg=late").await;
    status(&app, "wks-1", 1, "msg=job%20successfully%20completed").await;
    assert_eq!(app.db.state(1).await, 3);
    assert_eq!(
        app.db.log_states(1).await,
        [4],
        "said twice is written once"
    );
}

#[tokio::test]
async fn texts_from_agents_are_stored_encoded() {
    let app = redux().await;
    app.db.run(1, 1, 1).await;
    status(
        &app,
        "wks-1",
        1,
        "status=ok&msg=%3Cscript%3E&log[]=a%20%26%20b",
    )
    .await;
    app.tell(
        "action=setUserEvent&machineid=wks-1&uuid=run-1&behavior=continue&type=before&event=on_ok&user=%3Cb%3E",
    )
    .await;
    let texts: Vec<String> = app.db.log(1).await.into_iter().map(|line| line.1).collect();
    assert_eq!(texts[..2], ["a &#38; b", "&#60;script&#62;"]);
    assert!(texts[2].contains("&#60;b&#62;") && !texts[2].contains('<'));
}

#[tokio::test]
async fn a_user_who_stops_a_job_cancels_its_run_in_one_step() {
    let app = redux().await;
    for state in 0..=6 {
        app.db.run(u64::from(state) + 1, 1, state).await;
        user_event(&app, u64::from(state) + 1, "stop", "before").await;
    }
    // Under way: cancelled. Anything else has not asked anybody, or is over.
    assert_eq!(app.db.states().await, [0, 5, 5, 3, 4, 5, 6]);
    assert_eq!(app.db.log_states(2).await, [4, 5]);
    assert_eq!(app.db.log_states(1).await, [4]);
}

#[rstest]
#[case::with_a_template(true, "2026-03-04 12:10:00", 3)]
#[case::without(false, "2026-03-04 13:00:00", 1)]
#[tokio::test]
async fn a_user_puts_a_job_off(
    #[case] template: bool,
    #[case] until: &str,
    #[case] max_retry: u32,
) {
    let app = redux().await;
    if template {
        let stored = json!({
            "jobs": {"checks": [], "associatedFiles": [], "actions": [],
                     "userinteractions": [{"type": "before", "text": "?", "template": "1"}]},
            "associatedFiles": {},
        });
        app.db
            .set(&format!(
                "UPDATE {{p}}deploypackages SET json = {};
                 INSERT INTO {{p}}deployuserinteractiontemplates (id, name, json) VALUES \
                 (1, 'ask', '{{\"retry_after\":\"600\",\"nb_max_retry\":3}}')",
                text(&stored.to_string())
            ))
            .await;
    }
    app.db.run(1, 1, 0).await;
    assert_eq!(app.handed_out("wks-1").await, ["run-1"]);
    user_event(&app, 1, "postpone", "before").await;
    let stored: Vec<(u32, String, u32, u32)> = app
        .db
        .ask("SELECT state, CAST(date_start AS CHAR), nb_retry, max_retry FROM {p}taskjobstates")
        .await;
    assert_eq!(stored, [(0, until.to_owned(), 1, max_retry)]);
    assert_eq!(app.db.log_states(1).await, [1, 6, 5, 5, 1, 5]);
    assert_eq!(app.config("wks-1").await, Vec::<String>::new());
    assert_eq!(app.jobs("wks-1").await, json!({}));

    // Agent 2.6 says this right after a postponement that followed a failure.
    status(&app, "wks-1", 1, "status=ko&msg=failed").await;
    assert_eq!(app.db.state(1).await, 0, "it stays put off");

    app.clock
        .set(format!("{}Z", until.replace(' ', "T")).parse().unwrap());
    assert_eq!(app.config("wks-1").await, ["Deploy"]);
    for _ in 0..3 {
        assert_eq!(
            app.handed_out("wks-1").await,
            ["run-1"],
            "sends before the postponement do not count"
        );
    }
}

/// An hour is an hour, also in a night when the clocks change: half past one in Berlin, 3600 seconds later.
#[rstest]
#[case::spring("2026-03-29T00:30:00Z", "2026-03-29 03:30:00")]
#[case::autumn("2026-10-25T00:30:00Z", "2026-10-25 02:30:00")]
#[tokio::test]
async fn a_job_is_put_off_by_time_that_passes(#[case] now: &str, #[case] until: &str) {
    let app = app::start(|settings| settings.timezone = chrono_tz::Europe::Berlin).await;
    office(&app.db).await;
    app.clock.set(now.parse().unwrap());
    app.db.run(1, 1, 1).await;
    user_event(&app, 1, "postpone", "before").await;
    let stored: Vec<String> = app
        .db
        .ask("SELECT CAST(date_start AS CHAR) FROM {p}taskjobstates")
        .await;
    assert_eq!(stored, [until]);
}

#[tokio::test]
async fn a_job_that_was_put_off_may_end_well() {
    let app = redux().await;
    app.db.run(1, 1, 1).await;
    user_event(&app, 1, "postpone", "before").await;
    assert_eq!(app.db.state(1).await, 0);
    status(&app, "wks-1", 1, "msg=job%20successfully%20completed").await;
    assert_eq!(app.db.state(1).await, 3);
}
