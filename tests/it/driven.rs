//! Tasks that agents drive: nothing is prepared, a run is made as it is sent.

#[path = "driven/kinds.rs"]
mod kinds;
#[path = "driven/sequence.rs"]
mod sequence;
#[path = "driven/together.rs"]
mod together;

use std::time::Duration;

use fusion_sidecar::domain::driven::TaskMode;
use fusion_sidecar::domain::policy::Policy;
use rstest::rstest;
use serde_json::json;

use crate::support::app::{self, TestApp};
use crate::support::network::site;
use crate::support::site::{SLOT_OPENS_AT_ONE, office};

const HOUR: Duration = Duration::from_hours(1);
const SECOND: Duration = Duration::from_secs(1);

const BY_AGENT: &str = "INSERT INTO {p}sidecar_tasks ({f}tasks_id, mode) VALUES (1, 'agent')";

/// The small site, whose task agents drive.
async fn driven() -> TestApp {
    let app = site(Policy::Redux).await;
    app.db.set(BY_AGENT).await;
    app
}

impl TestApp {
    /// The agent is told of no work and gets none, and nothing is written for it.
    async fn gives_nothing(&self, agent: &str) {
        let before = self.db.states().await;
        assert_eq!(self.config(agent).await, Vec::<String>::new());
        assert_eq!(self.jobs(agent).await, json!({}));
        self.prolog(agent).await;
        assert_eq!(self.db.states().await, before);
    }

    /// The agent is told of its work and gets so many runs; their names.
    async fn gives(&self, agent: &str, runs: usize) -> Vec<String> {
        let before = self.db.states().await;
        assert_eq!(self.config(agent).await, ["Deploy"]);
        assert_eq!(self.db.states().await, before, "getConfig writes nothing");
        let given = self.handed_out(agent).await;
        assert_eq!(given.len(), runs, "{given:?}");
        given
    }

    /// The open runs of an agent end like this.
    async fn ended(&self, agent: u32, state: u32) {
        self.db
            .set(&format!(
                "UPDATE {{p}}taskjobstates SET state = {state} WHERE {{f}}agents_id = {agent} AND state IN (0, 1, 2)"
            ))
            .await;
    }
}

#[tokio::test]
async fn a_run_is_made_as_it_is_sent() {
    let app = driven().await;
    app.db.keep_states().await;
    let given = app.gives("wks-1", 1).await;
    assert_eq!(app.db.states().await, [1]);
    assert_eq!(
        app.db.log(1).await,
        [(7, String::new()), (1, "Sent to the agent.".into())]
    );
    let noted: Vec<(u64, u32, u32, String)> = app
        .db
        .ask(
            "SELECT s.{f}taskjobstates_id, s.{f}agents_id, s.sends, CAST(a.heard_at AS CHAR) FROM {p}sidecar_runs s \
             JOIN {p}sidecar_answers a ON a.{f}agents_id = s.{f}agents_id AND a.sent_at = s.sent_at",
        )
        .await;
    assert_eq!(noted, [(1, 1, 1, "2026-03-04 12:00:00".into())]);
    // What was sent is sent again while the agent is silent, as any run; another one is not made.
    assert_eq!(app.handed_out("wks-1").await, given);
    for said in [
        "currentStep=checking&status=ok&msg=ok",
        "msg=job%20successfully%20completed",
    ] {
        app.tell(&format!(
            "action=setStatus&machineid=wks-1&uuid={}&{said}",
            given[0]
        ))
        .await;
    }
    assert_eq!(app.db.seen(1).await, [0, 1, 2, 3]);
    app.gives_nothing("wks-1").await;
}

/// `getConfig` says no, `getJobs` and PROLOG make nothing.
#[rstest]
#[case::task_off("UPDATE {p}tasks SET is_active = 0")]
#[case::too_early("UPDATE {p}tasks SET datetime_start = '2026-03-04 12:00:01'")]
#[case::too_late("UPDATE {p}tasks SET datetime_end = '2026-03-04 11:59:59'")]
#[case::slot_closed(SLOT_OPENS_AT_ONE)]
#[case::hours_closed(
    "INSERT INTO {p}sidecar_hours ({f}tasks_id, weekday, hour_start, hour_end) VALUES (1, 2, 13, 14)"
)]
#[case::module_off("UPDATE {p}agentmodules SET is_active = 0 WHERE modulename = 'DEPLOY'")]
#[case::no_actor("UPDATE {p}taskjobs SET actors = '[{\"Computer\":\"2\"}]'")]
#[case::in_the_trash("UPDATE glpi_computers SET is_deleted = 1")]
#[case::locked("UPDATE {p}agents SET `lock` = 1")]
#[case::not_in_the_group(
    "INSERT INTO {p}deploygroups (id, name, type) VALUES (1, 'g', 'STATIC');
     INSERT INTO {p}deploygroups_staticdatas ({f}deploygroups_id, itemtype, items_id) VALUES (1, 'Computer', 2);
     UPDATE {p}taskjobs SET actors = '[{\"PluginFusioninventoryDeployGroup\":\"1\"}]'"
)]
#[case::no_target("UPDATE {p}taskjobs SET targets = '[]'")]
#[case::by_the_server("UPDATE {p}sidecar_tasks SET mode = 'server'")]
#[tokio::test]
async fn nothing_is_made_for_who_may_not(#[case] change: &str) {
    let app = driven().await;
    app.db.set(change).await;
    if change.contains("`lock`") {
        let config = "/?action=getConfig&machineid=wks-1&task[Deploy]=2.8";
        assert_ne!(app.get(config).await.status, 200);
        app.prolog("wks-1").await;
        assert_eq!(app.jobs("wks-1").await, json!({}));
    } else {
        app.gives_nothing("wks-1").await;
    }
    assert_eq!(app.db.states().await, Vec::<u32>::new());
}

#[rstest]
#[case::static_group(
    "INSERT INTO {p}deploygroups (id, name, type) VALUES (1, 'g', 'STATIC');
     INSERT INTO {p}deploygroups_staticdatas ({f}deploygroups_id, itemtype, items_id) VALUES (1, 'Computer', 1);
     UPDATE {p}taskjobs SET actors = '[{\"PluginFusioninventoryDeployGroup\":\"1\"}]'"
)]
#[case::members_of_a_group(
    "INSERT INTO glpi_groups (id, name) VALUES (3, 'g');
     INSERT INTO glpi_groups_users (users_id, groups_id) VALUES (9, 3);
     UPDATE glpi_computers SET users_id = 9 WHERE id = 1;
     UPDATE {p}taskjobs SET actors = '[{\"Group\":\"3\"}]'"
)]
#[case::agent("UPDATE {p}taskjobs SET actors = '[{\"PluginFusioninventoryAgent\":\"1\"}]'")]
#[case::hours_open(
    "INSERT INTO {p}sidecar_hours ({f}tasks_id, weekday, hour_start, hour_end) VALUES (1, 2, 12, 13)"
)]
#[tokio::test]
async fn every_kind_of_actor_is_given_what_it_asks_for(#[case] change: &str) {
    let app = driven().await;
    app.db.set(change).await;
    app.gives("wks-1", 1).await;
    app.gives_nothing("wks-2").await;
}

/// Wednesdays from 13:00 to 14:00: once an opening, though it is less than a day to the next contact.
#[tokio::test]
async fn once_in_each_opening_of_the_slot() {
    let app = driven().await;
    app.db.set(SLOT_OPENS_AT_ONE).await;
    app.gives_nothing("wks-1").await;
    app.clock.advance(HOUR + HOUR / 2);
    app.gives("wks-1", 1).await;
    app.ended(1, 3).await;
    app.clock.advance(HOUR / 3);
    app.gives_nothing("wks-1").await;
    // Next week, at 13:10.
    app.clock.advance(Duration::from_mins(10_040));
    app.gives("wks-1", 1).await;
    app.ended(1, 3).await;
    app.clock.advance(HOUR * 24);
    app.gives_nothing("wks-1").await;
}

#[rstest]
#[case::a_day("NULL", 86_400)]
#[case::half_an_hour("1800", 1800)]
#[tokio::test]
async fn a_period_lies_between_two_runs(#[case] period: &str, #[case] seconds: u64) {
    let app = driven().await;
    app.db
        .set(&format!(
            "UPDATE {{p}}sidecar_tasks SET min_period = {period}"
        ))
        .await;
    app.gives("wks-1", 1).await;
    app.ended(1, 4).await;
    app.clock.advance(Duration::from_secs(seconds - 1));
    app.gives_nothing("wks-1").await;
    app.clock.advance(SECOND);
    app.gives("wks-1", 1).await;
}

#[tokio::test]
async fn what_ended_well_is_not_repeated_where_the_task_says_so() {
    let app = driven().await;
    app.db
        .set("UPDATE {p}tasks SET reprepare_if_successful = 0")
        .await;
    for (ended, again) in [(4, 1), (3, 0)] {
        app.gives("wks-1", 1).await;
        app.ended(1, ended).await;
        app.clock.advance(48 * HOUR);
        if again == 0 {
            app.gives_nothing("wks-1").await;
        }
    }
}

/// "Force start" of GLPI prepares a run whatever the task's mode.
#[rstest]
#[case::by_agents("agent")]
#[case::by_the_server("server")]
#[tokio::test]
async fn a_run_that_php_made_is_delivered_in_either_mode(#[case] mode: &str) {
    let app = site(Policy::Redux).await;
    app.db
        .set(&BY_AGENT.replace("'agent'", &format!("'{mode}'")))
        .await;
    app.db.run(1, 1, 0).await;
    assert_eq!(app.gives("wks-1", 1).await, ["run-1"]);
    assert_eq!(app.db.states().await, [1], "no other one");
    app.ended(1, 3).await;
    // It counts as any run does.
    app.gives_nothing("wks-1").await;
}

#[tokio::test]
async fn preparation_leaves_it_alone_and_says_so() {
    let app = driven().await;
    let outlook = app.preparation(Policy::Redux).outlook().await.unwrap();
    let says = "agents drive its task: a run is made when an agent asks for it";
    assert_eq!(outlook.ours.jobs[0].1.to_string(), says);
    assert!(
        outlook
            .to_string()
            .contains("job 1: 1 prepared, 0 cancelled"),
        "{outlook}"
    );
    app.prepare().await.unwrap();
    assert_eq!(app.db.states().await, Vec::<u32>::new());
    app.db.set("UPDATE {p}tasks SET is_active = 0").await;
    let outlook = app.preparation(Policy::Redux).outlook().await.unwrap();
    assert_eq!(
        outlook.ours.jobs[0].1.to_string(),
        "its task is switched off"
    );
}

/// Requests look members up in what is stored, which a preparation keeps up to date for tasks that it does not prepare too.
#[tokio::test]
async fn dynamic_groups_are_kept_up_to_date() {
    use crate::groups::model::{leaf, stored};
    use crate::support::site::text;
    let app = driven().await;
    app.db
        .set(&format!(
            "INSERT INTO {{p}}deploygroups (id, name, type) VALUES (1, 'g', 'DYNAMIC');
             INSERT INTO {{p}}deploygroups_dynamicdatas ({{f}}deploygroups_id, fields_array, computers_id_cache) VALUES (1, {}, '[]');
             UPDATE {{p}}taskjobs SET actors = '[{{\"PluginFusioninventoryDeployGroup\":\"1\"}}]'",
            text(&stored(&[leaf(1, "contains", "wks-1")]))
        ))
        .await;
    app.gives_nothing("wks-1").await;
    app.prepare().await.unwrap();
    app.gives("wks-1", 1).await;
    app.gives_nothing("wks-2").await;
}

#[tokio::test]
async fn a_mode_that_is_switched_keeps_what_is_open() {
    let app = site(Policy::Redux).await;
    app.prepare().await.unwrap();
    app.db.set(BY_AGENT).await;
    // What was prepared goes out, and no second run beside it.
    let given = app.gives("wks-1", 1).await;
    assert_eq!(app.db.states().await, [1]);
    app.db
        .set("UPDATE {p}sidecar_tasks SET mode = 'server'")
        .await;
    app.prepare().await.unwrap();
    assert_eq!(app.db.states().await, [1], "it is under way");
    assert_eq!(app.handed_out("wks-1").await, given);
}

/// An occurrence that the server began ends in its time, and what was prepared for it with it.
#[tokio::test]
async fn what_an_earlier_mode_prepared_ends_in_its_time() {
    let app = site(Policy::Redux).await;
    app.db
        .set("INSERT INTO {p}sidecar_tasks ({f}tasks_id, max_duration) VALUES (1, 1800)")
        .await;
    app.prepare().await.unwrap();
    app.db
        .set("UPDATE {p}sidecar_tasks SET mode = 'agent'")
        .await;
    app.clock.advance(HOUR);
    app.prepare().await.unwrap();
    assert_eq!(app.db.states().await, [5]);
    app.gives("wks-1", 1).await;
}

#[rstest]
#[case::default_agent(TaskMode::Agent, "DO 1", true)]
#[case::says_server(
    TaskMode::Agent,
    "INSERT INTO {p}sidecar_tasks ({f}tasks_id, mode) VALUES (1, 'server')",
    false
)]
#[case::says_nothing(
    TaskMode::Agent,
    "INSERT INTO {p}sidecar_tasks ({f}tasks_id) VALUES (1)",
    true
)]
#[case::no_mode(
    TaskMode::Server,
    "INSERT INTO {p}sidecar_tasks ({f}tasks_id, mode) VALUES (1, 'agents')",
    false
)]
#[case::no_mode_and_default_agent(
    TaskMode::Agent,
    "INSERT INTO {p}sidecar_tasks ({f}tasks_id, mode) VALUES (1, 'Server')",
    true
)]
#[tokio::test]
async fn the_mode_of_a_task_and_the_default(
    #[case] default: TaskMode,
    #[case] says: &str,
    #[case] by_agents: bool,
) {
    let app = app::start(|settings| settings.dispatch.task_mode = default).await;
    office(&app.db).await;
    app.db.set(says).await;
    app.prepare().await.unwrap();
    assert_eq!(app.db.states().await.is_empty(), by_agents);
    app.gives("wks-1", 1).await;
}

#[tokio::test]
async fn the_plugins_policy_knows_no_mode() {
    let app = site(Policy::Plugin).await;
    app.db.set(BY_AGENT).await;
    app.gives_nothing("wks-1").await;
    app.prepare().await.unwrap();
    assert_eq!(app.db.states().await, [0]);
}

/// Rows of tasks and agents that are gone.
#[tokio::test]
async fn occurrences_of_what_is_gone_are_cleaned() {
    let app = driven().await;
    app.gives("wks-1", 1).await;
    app.db
        .set(
            "INSERT INTO {p}sidecar_agent_occurrences ({f}agents_id, {f}tasks_id, number, began_at, first_run) VALUES (1, 99, 1, 0, 1), (99, 1, 1, 0, 1);
             UPDATE {p}configs SET value = '30' WHERE type = 'delete_task'",
        )
        .await;
    app.clean(fusion_sidecar::domain::cleaning::Duty::Runs)
        .await
        .unwrap();
    let left: Vec<(u32, u32)> = app
        .db
        .ask("SELECT {f}agents_id, {f}tasks_id FROM {p}sidecar_agent_occurrences")
        .await;
    assert_eq!(left, [(1, 1)]);
}
