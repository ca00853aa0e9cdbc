//! Policy `plugin` beyond the recordings: what the plugin's PHP (10.0.6+1.1) does in cases that nobody recorded.

use fusion_sidecar::domain::policy::Policy;
use fusion_sidecar::proto::envelope::Coding;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::agent::prolog;
use crate::support::app::{self, TestApp};
use crate::support::site::{SLOT_OPENS_AT_ONE, office, package, text};

/// A sidecar on the small site that does as the plugin does.
async fn plugin() -> TestApp {
    let app = app::start(|settings| settings.dispatch.policy = Policy::Plugin).await;
    office(&app.db).await;
    app
}

async fn status_code(app: &TestApp, path: &str) -> u16 {
    app.get(path).await.status
}

mod agents {
    use super::*;

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
            ("/?action=getConfig&machineid=&task[Deploy]=2.8", 400),
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
}

mod config {
    use super::*;

    /// Runs of the three kinds, prepared for agent 1.
    async fn three_kinds(app: &TestApp) {
        app.db
            .set(
                "INSERT INTO {p}taskjobs (id, {f}tasks_id, method, targets, actors) VALUES \
                 (2, 1, 'collect', '[{\"PluginFusioninventoryCollect\":\"1\"}]', '[{\"Computer\":\"1\"}]'), \
                 (3, 1, 'InventoryComputerESX', '[{\"PluginFusioninventoryCredentialIp\":\"1\"}]', '[{\"Computer\":\"1\"}]');
                 INSERT INTO {p}taskjobstates (id, {f}taskjobs_id, itemtype, items_id, state, {f}agents_id, uniqid) VALUES \
                 (1, 1, 'PluginFusioninventoryDeployPackage', 1, 0, 1, 'run-1'), \
                 (2, 2, 'PluginFusioninventoryCollect', 1, 0, 1, 'run-2'), \
                 (3, 3, 'PluginFusioninventoryCredentialIp', 1, 0, 1, 'run-3')",
            )
            .await;
    }

    fn tasks(answer: &Value) -> Vec<&str> {
        let schedule = answer["schedule"].as_array().unwrap().iter();
        schedule
            .map(|task| task["task"].as_str().unwrap())
            .collect()
    }

    #[rstest]
    #[case("task[deploy]=1&task[collect]=1&task[esx]=1", &["Deploy", "Collect", "ESX"])]
    #[case("task[ESX]=1&task[DEPLOY]=1", &["ESX", "Deploy"])]
    #[case("task%5BDeploy%5D=2.8&task%5bCollect%5d=2.7", &["Deploy", "Collect"])]
    #[case("task[Deploy]=&task[Inventory]=2.6&task[NetDiscovery]=2", &["Deploy"])]
    #[case("task[Deploy]=1&task[Deploy]=2", &["Deploy"])]
    #[case("task[Deploy]=1&task[deploy]=2", &["Deploy", "Deploy"])]
    #[case("task=Deploy", &[])]
    #[case("task[]=Deploy", &[])]
    #[case("", &[])]
    #[tokio::test]
    async fn tasks_as_agents_write_them(#[case] query: &str, #[case] expected: &[&str]) {
        let app = plugin().await;
        three_kinds(&app).await;
        // Parameters come in any order.
        let answer = app
            .get(&format!("/?{query}&machineid=wks-1&action=getConfig"))
            .await;
        assert_eq!(tasks(&answer.json()), expected);
        assert_eq!(app.db.states().await, [0, 0, 0]);
    }

    #[tokio::test]
    async fn each_module_is_switched_by_itself() {
        let app = plugin().await;
        three_kinds(&app).await;
        for (module, left) in [
            ("DEPLOY", ["Collect", "ESX"]),
            ("Collect", ["Deploy", "ESX"]),
            ("InventoryComputerESX", ["Deploy", "Collect"]),
        ] {
            app.db
                .set(&format!(
                    "UPDATE {{p}}agentmodules SET is_active = 1, exceptions = '[]';
                     UPDATE {{p}}agentmodules SET is_active = 0 WHERE modulename = '{module}'"
                ))
                .await;
            assert_eq!(app.config("wks-1").await, left, "{module}");
            app.db
                .set(&format!(
                    "UPDATE {{p}}agentmodules SET exceptions = '[\"1\"]' WHERE modulename = '{module}'"
                ))
                .await;
            assert_eq!(app.config("wks-1").await, ["Deploy", "Collect", "ESX"]);
        }
    }

    /// A run counts by the kind of its target and its state alone: whether it may go out is not asked.
    #[rstest]
    #[case::task_off("UPDATE {p}tasks SET is_active = 0", true)]
    #[case::slot_closed(SLOT_OPENS_AT_ONE, true)]
    #[case::put_off("UPDATE {p}taskjobstates SET date_start = '2030-01-01'", true)]
    #[case::without_its_job("DELETE FROM {p}taskjobs", true)]
    #[case::sent("UPDATE {p}taskjobstates SET state = 1", false)]
    #[case::another_agents("UPDATE {p}taskjobstates SET {f}agents_id = 2", false)]
    #[tokio::test]
    async fn a_prepared_run_is_enough(#[case] change: &str, #[case] named: bool) {
        let app = plugin().await;
        app.db.run(1, 1, 0).await;
        app.db.set(change).await;
        assert_eq!(app.config("wks-1").await.is_empty(), !named);
    }

    /// An entity's own address, else that of the nearest above, else row 1.
    #[rstest]
    #[case(0, "http://root")]
    #[case(1, "http://north")]
    #[case(2, "http://north")]
    #[case(3, "http://root")]
    #[case(9, "http://root")]
    #[tokio::test]
    async fn addresses_go_by_entity(#[case] entity: u32, #[case] base: &str) {
        let app = plugin().await;
        app.db
            .set(&format!(
                "INSERT INTO glpi_entities (id, name, entities_id, level) VALUES (1, 'North', 0, 2), (2, 'Lab', 1, 3), (3, 'South', 0, 2);
                 UPDATE {{p}}entities SET agent_base_url = 'http://root';
                 INSERT INTO {{p}}entities (entities_id, agent_base_url) VALUES (1, 'http://north'), (2, '');
                 UPDATE {{p}}agents SET entities_id = {entity}"
            ))
            .await;
        app.db.run(1, 1, 0).await;
        let answer = app
            .get("/?action=getConfig&machineid=wks-1&task[Deploy]=1")
            .await
            .json();
        assert_eq!(
            answer["schedule"][0]["remote"],
            format!("{base}/plugins/fusioninventory/b/deploy/")
        );
    }
}

mod jobs {
    use super::*;

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
}

mod reports {
    use super::*;

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
            .ask(
                "SELECT state, CAST(date_start AS CHAR), nb_retry, max_retry FROM {p}taskjobstates",
            )
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
}

mod prologs {
    use super::*;

    /// A PROLOG's check does not stop at the runs that a PROLOG hands out.
    #[rstest]
    #[case("deployinstall")]
    #[case("collect")]
    #[case("InventoryComputerESX")]
    #[case("networkdiscovery")]
    #[case("networkinventory")]
    #[case("wakeonlan")]
    #[tokio::test]
    async fn a_prolog_ends_runs_of_every_method(#[case] method: &str) {
        let app = plugin().await;
        app.db.run(1, 1, 1).await;
        app.db.run(2, 1, 2).await;
        app.db.run(3, 1, 0).await;
        app.db.run(4, 2, 1).await;
        app.db
            .set(&format!("UPDATE {{p}}taskjobs SET method = '{method}'"))
            .await;
        app.db.set(SLOT_OPENS_AT_ONE).await;
        app.prolog("wks-1").await;
        assert_eq!(app.db.states().await, [4, 4, 5, 1]);
        for run in 1..=3 {
            assert_eq!(app.db.log(run).await.len(), 1);
        }
    }

    #[tokio::test]
    async fn a_prolog_leaves_deployments_that_may_go_out() {
        let app = plugin().await;
        app.db.run(1, 1, 0).await;
        app.db.run(2, 1, 0).await;
        app.db
            .set("UPDATE {p}taskjobstates SET date_start = '2030-01-01' WHERE id = 2")
            .await;
        app.prolog("wks-1").await;
        assert_eq!(app.db.states().await, [0, 0]);
    }

    /// Runs whose job is gone are left where they are by every request.
    #[tokio::test]
    async fn a_run_without_its_job_stays() {
        let app = plugin().await;
        app.db.run_of(1, 9, 1, 1).await;
        app.prolog("wks-1").await;
        assert_eq!(app.jobs("wks-1").await, json!({}));
        assert_eq!(app.db.state(1).await, 1);
    }
}
