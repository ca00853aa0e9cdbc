//! setStatus and setUserEvent.

use rstest::rstest;

use super::plugin;

/// A report moves a run whatever its state: nothing is final.
#[rstest]
#[case::progress("status=ok&currentStep=checking&msg=x", None, 6)]
#[case::success("status=ok&msg=job%20successfully%20completed", Some(3), 2)]
#[case::skipped("status=ok&msg=job%20skipped", Some(3), 2)]
#[case::failure("status=ko&currentStep=processing&msg=x", Some(4), 4)]
#[case::failure_after_all("status=ko&msg=job%20successfully%20completed", Some(4), 4)]
#[tokio::test]
async fn a_report_in_each_state(
    #[case] report: &str,
    #[case] moved: Option<u32>,
    #[case] line: u32,
) {
    let app = plugin().await;
    for state in 0..=6 {
        let run = u64::from(state) + 1;
        app.db.run(run, 1, state).await;
        for times in 1..=2 {
            app.tell(&format!(
                "action=setStatus&machineid=wks-1&uuid=run-{run}&{report}"
            ))
            .await;
            assert_eq!(app.db.state(run).await, moved.unwrap_or(state), "{state}");
            assert_eq!(app.db.log_states(run).await, vec![line; times], "{state}");
        }
    }
}

#[rstest]
#[case::went_on("continue", None, &[6])]
#[case::stopped("stop", Some(5), &[4, 5])]
#[case::bad_event("error_bad_event", Some(4), &[4])]
// No template says until when: it stays put off for good.
#[case::put_off("postpone", Some(6), &[6, 5])]
#[case::nonsense("nonsense", None, &[])]
#[tokio::test]
async fn a_user_event_in_each_state(
    #[case] behaviour: &str,
    #[case] moved: Option<u32>,
    #[case] lines: &[u32],
) {
    let app = plugin().await;
    for state in 0..=6 {
        let run = u64::from(state) + 1;
        app.db.run(run, 1, state).await;
        app.tell(&format!(
            "action=setUserEvent&machineid=wks-1&uuid=run-{run}&behavior={behaviour}&type=before&event=on_no&user=x"
        ))
        .await;
        assert_eq!(app.db.state(run).await, moved.unwrap_or(state), "{state}");
        assert_eq!(app.db.log_states(run).await, lines, "{state}");
    }
}

/// Each question of that moment puts the job off anew; questions of other moments and without a template do not.
#[tokio::test]
async fn several_templates_put_off_one_after_the_other() {
    let app = plugin().await;
    app.db
        .set(
            "UPDATE {p}deploypackages SET json = '{\"jobs\":{\"checks\":[],\"actions\":[],\"associatedFiles\":[],\"userinteractions\":[\
             {\"type\":\"before\",\"template\":\"1\"},{\"type\":\"after\",\"template\":\"3\"},{\"type\":\"before\",\"template\":\"0\"},\
             {\"type\":\"before\",\"template\":\"9\"},{\"type\":\"before\",\"template\":2}]},\"associatedFiles\":[]}';
             INSERT INTO {p}deployuserinteractiontemplates (id, name, json) VALUES \
             (1, 'a', '{\"retry_after\":\"600\",\"nb_max_retry\":\"5\"}'), (2, 'b', '{\"retry_after\":90,\"nb_max_retry\":2}'), \
             (3, 'c', '{\"retry_after\":9000,\"nb_max_retry\":9}')",
        )
        .await;
    app.db.run(1, 1, 1).await;
    app.db.set("UPDATE {p}taskjobstates SET nb_retry = 1").await;
    app.tell(
        "action=setUserEvent&machineid=wks-1&uuid=run-1&behavior=postpone&type=before&event=on_no&user=x",
    )
    .await;
    let stored: Vec<(u32, String, u32, u32)> = app
        .db
        .ask("SELECT state, CAST(date_start AS CHAR), nb_retry, max_retry FROM {p}taskjobstates")
        .await;
    // Cut to the minute.
    assert_eq!(stored, [(0, "2026-03-04 12:01:00".to_owned(), 3, 2)]);
    assert_eq!(app.db.log_states(1).await, [6, 5, 5, 1, 5, 5, 1, 5]);
}

/// PHP's clock-derived ids may collide: a report moves all runs of that name, a user's stop cancels the first.
#[tokio::test]
async fn two_runs_of_one_name() {
    let app = plugin().await;
    app.db.run(1, 1, 1).await;
    app.db.run(2, 2, 1).await;
    app.db
        .set("UPDATE {p}taskjobstates SET uniqid = 'same'")
        .await;
    app.tell("action=setStatus&machineid=wks-1&uuid=same&status=ok&msg=x")
        .await;
    assert_eq!(app.db.log_states(1).await, [6]);
    assert_eq!(app.db.log_states(2).await, [6]);
    app.tell(
        "action=setUserEvent&machineid=wks-1&uuid=same&behavior=stop&type=before&event=on_no&user=x",
    )
    .await;
    assert_eq!(app.db.states().await, [5, 4]);
    app.tell("action=setStatus&machineid=wks-1&uuid=same&msg=job%20skipped")
        .await;
    assert_eq!(app.db.states().await, [3, 3]);
}

/// Texts are stored as they come.
#[tokio::test]
async fn texts_are_stored_as_they_come() {
    let app = plugin().await;
    app.db.run(1, 1, 1).await;
    app.tell("action=setStatus&machineid=wks-1&uuid=run-1&msg=%3Cb%3E%20'%22%5C&log[]=lost")
        .await;
    assert_eq!(app.db.log(1).await, [(6, "<b> '\"\\".to_owned())]);
}
