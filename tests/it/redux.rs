//! Policy `redux` through the front door: what is handed out when, what a report does, what preparation creates.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusBuilder;
use rstest::rstest;
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use crate::support::app::{self, TestApp};
use crate::support::site::{self, SLOT_OPENS_AT_ONE, office, text};

const HOUR: Duration = Duration::from_hours(1);

/// A sidecar on the small site.
async fn redux() -> TestApp {
    let app = app::start(|_| {}).await;
    office(&app.db).await;
    app
}

async fn status(app: &TestApp, agent: &str, run: u64, rest: &str) {
    app.tell(&format!(
        "action=setStatus&machineid={agent}&uuid=run-{run}&{rest}"
    ))
    .await;
}

async fn user_event(app: &TestApp, run: u64, behaviour: &str, moment: &str) {
    app.tell(&format!(
        "action=setUserEvent&machineid=wks-1&uuid=run-{run}&behavior={behaviour}&type={moment}&event=on_no&user=jdoe"
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

/// What was logged on this thread.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Captured {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

// On one thread, so that recorder and subscriber are those of the server's tasks.
#[tokio::test(flavor = "current_thread")]
async fn a_report_on_another_agents_run_is_ignored_counted_and_logged() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let counted = recorder.handle();
    let _recorder = metrics::set_default_local_recorder(&recorder);
    let logged = Captured::default();
    let _subscriber = tracing::subscriber::set_default(
        tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(logged.clone())
            .finish(),
    );
    let app = redux().await;
    app.db.run(1, 1, 1).await;
    status(&app, "wks-2", 1, "msg=job%20successfully%20completed").await;
    status(&app, "wks-2", 1, "status=ko&msg=x&log[]=y").await;
    app.tell("action=setUserEvent&machineid=wks-2&uuid=run-1&behavior=stop&type=before&event=on_no&user=x")
        .await;
    assert_eq!(app.db.state(1).await, 1);
    assert_eq!(app.db.log(1).await, []);
    let shown = counted.render();
    assert!(
        shown.contains("fusion_sidecar_reports_ignored_total{reason=\"foreign-run\"} 3"),
        "{shown}"
    );
    let log = logged.text();
    let warnings: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("another agent's run is ignored"))
        .collect();
    assert_eq!(warnings.len(), 3, "{log}");
    assert!(
        warnings[0].contains("agent.id=2") && warnings[0].contains("run-1"),
        "{log}"
    );
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

#[tokio::test]
async fn a_job_that_was_put_off_may_end_well() {
    let app = redux().await;
    app.db.run(1, 1, 1).await;
    user_event(&app, 1, "postpone", "before").await;
    assert_eq!(app.db.state(1).await, 0);
    status(&app, "wks-1", 1, "msg=job%20successfully%20completed").await;
    assert_eq!(app.db.state(1).await, 3);
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

mod preparation {
    use super::*;

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
}

mod catalogue {
    use super::*;

    async fn until(mut holds: impl AsyncFnMut() -> bool) {
        for _ in 0..200 {
            if holds().await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("it did not come about within ten seconds");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_php_changes_is_seen_after_the_refresh() {
        let refresh = Duration::from_millis(400);
        let app = app::start(|settings| settings.dispatch.catalogue_refresh = refresh).await;
        office(&app.db).await;
        app.db.run(1, 1, 0).await;
        until(async || app.config("wks-1").await == ["Deploy"]).await;
        app.db.set("UPDATE {p}tasks SET is_active = 0").await;
        until(async || app.config("wks-1").await.is_empty()).await;
        app.db.set("UPDATE {p}tasks SET is_active = 1").await;
        until(async || app.config("wks-1").await == ["Deploy"]).await;
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
}
