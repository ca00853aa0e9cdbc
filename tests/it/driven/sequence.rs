//! Each agent is in an occurrence of its own.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{BY_AGENT, HOUR, SECOND};
use crate::support::app::TestApp;
use crate::support::network::site;
use fusion_sidecar::domain::cleaning::Duty;
use fusion_sidecar::domain::policy::Policy;

const PACKAGE: &str = "PluginFusioninventoryDeployPackage";

/// Job 1 for agent 1, jobs 2 and 3 for both, with these rows in `sidecar_sequence` (job, rank, delay, after success).
async fn campaign(rows: &str) -> TestApp {
    let app = site(Policy::Redux).await;
    for job in [2, 3] {
        app.db.job(job, "deployinstall", PACKAGE, &[1]).await;
    }
    app.db
        .set(&format!(
            "{BY_AGENT}; INSERT INTO {{p}}sidecar_sequence ({{f}}taskjobs_id, `rank`, delay, after_success) VALUES {rows}"
        ))
        .await;
    app
}

impl TestApp {
    /// The jobs whose runs an agent is given now, in the order of the answer.
    async fn given(&self, agent: &str) -> Vec<u32> {
        let uniqids = self.handed_out(agent).await;
        let rows: Vec<(String, u32)> = self
            .db
            .ask("SELECT uniqid, {f}taskjobs_id FROM {p}taskjobstates")
            .await;
        let jobs: BTreeMap<String, u32> = rows.into_iter().collect();
        uniqids.iter().map(|uniqid| jobs[uniqid]).collect()
    }

    async fn job_ended(&self, job: u32, agent: u32, state: u32) {
        self.db
            .set(&format!(
                "UPDATE {{p}}taskjobstates SET state = {state} WHERE {{f}}taskjobs_id = {job} AND {{f}}agents_id = {agent} AND state = 1"
            ))
            .await;
    }
}

/// Agent 2 comes half an hour after agent 1: its delay ends half an hour later.
#[tokio::test]
async fn delays_begin_with_an_agents_own_first_contact() {
    let app = campaign("(3, 0, 7200, 0)").await;
    assert_eq!(app.given("wks-1").await, [1, 2]);
    app.ended(1, 3).await;
    app.clock.advance(HOUR / 2);
    assert_eq!(app.given("wks-2").await, [2]);
    app.ended(2, 3).await;
    let began: Vec<(u32, i64)> = app
        .db
        .ask("SELECT {f}agents_id, began_at FROM {p}sidecar_agent_occurrences ORDER BY 1")
        .await;
    let noon = app.now().timestamp() - 1800;
    assert_eq!(began, [(1, noon), (2, noon + 1800)]);
    app.clock.advance(Duration::from_secs(5399));
    app.gives_nothing("wks-1").await;
    app.clock.advance(SECOND);
    assert_eq!(app.given("wks-1").await, [3]);
    app.gives_nothing("wks-2").await;
    app.clock.advance(HOUR / 2);
    assert_eq!(app.given("wks-2").await, [3]);
}

/// Where nothing can be given at first, the PROLOG begins; getConfig does not.
#[tokio::test]
async fn a_contact_begins_though_every_job_waits() {
    let app = campaign("(1, 0, 60, 0), (2, 0, 60, 0), (3, 0, 120, 0)").await;
    let begun = async || {
        let rows = app
            .db
            .ask("SELECT COUNT(*) FROM {p}sidecar_agent_occurrences")
            .await;
        let rows: Vec<u32> = rows;
        rows[0]
    };
    assert_eq!(app.config("wks-2").await, Vec::<String>::new());
    assert_eq!(begun().await, 0);
    app.prolog("wks-2").await;
    app.prolog("wks-2").await;
    assert_eq!(begun().await, 1);
    app.clock.advance(SECOND * 60);
    assert_eq!(app.config("wks-2").await, ["Deploy"]);
    assert_eq!(app.given("wks-2").await, [2]);
    app.ended(2, 3).await;
    app.clock.advance(SECOND * 60);
    assert_eq!(app.given("wks-2").await, [3]);
    // A deploy task alone begins one, too.
    assert_eq!(app.given("wks-1").await, Vec::<u32>::new());
    assert_eq!(begun().await, 2);
}

/// Job 3 after the success of 2, 2 after that of 1, which agent 2 does not do.
#[tokio::test]
async fn success_is_an_agents_own() {
    let app = campaign("(1, 1, 0, 0), (2, 2, 0, 1), (3, 3, 0, 1)").await;
    assert_eq!(app.given("wks-1").await, [1]);
    assert_eq!(app.given("wks-2").await, [2], "it does not do job 1");
    app.job_ended(1, 1, 3).await;
    assert_eq!(app.given("wks-1").await, [2]);
    app.job_ended(2, 1, 4).await;
    app.job_ended(2, 2, 3).await;
    app.gives_nothing("wks-1").await;
    assert_eq!(app.given("wks-2").await, [3]);
    // A day later all begins anew, job by job.
    app.ended(2, 3).await;
    app.clock.advance(HOUR * 24);
    assert_eq!(app.given("wks-1").await, [1]);
    app.job_ended(1, 1, 3).await;
    assert_eq!(app.given("wks-1").await, [2]);
    app.job_ended(2, 1, 3).await;
    assert_eq!(app.given("wks-1").await, [3]);
}

#[tokio::test]
async fn ranks_are_the_order_of_an_answer() {
    let app = campaign("(1, 3, 0, 0), (2, 2, 0, 0), (3, 1, 0, 0)").await;
    assert_eq!(app.given("wks-1").await, [3, 2, 1]);
}

/// What has not been given by then is not given; the next begins when the period is over.
#[tokio::test]
async fn the_maximum_duration_ends_an_agents_occurrence() {
    let app = campaign("(3, 0, 1200, 0)").await;
    app.db
        .set("UPDATE {p}sidecar_tasks SET max_duration = 1800, min_period = 7200")
        .await;
    assert_eq!(app.given("wks-1").await, [1, 2]);
    app.ended(1, 3).await;
    app.clock.advance(HOUR / 4);
    assert_eq!(app.given("wks-2").await, [2]);
    app.ended(2, 3).await;
    app.clock.advance(HOUR / 4);
    app.gives_nothing("wks-1").await;
    // The other one has a quarter of an hour left.
    app.clock.advance(HOUR / 8);
    assert_eq!(app.given("wks-2").await, [3]);
    app.gives_nothing("wks-1").await;
    app.clock.advance(HOUR * 11 / 8);
    assert_eq!(app.given("wks-1").await, [1, 2]);
    let numbers: Vec<(u32, u32)> = app
        .db
        .ask("SELECT {f}agents_id, number FROM {p}sidecar_agent_occurrences ORDER BY 1")
        .await;
    assert_eq!(numbers, [(1, 2), (2, 1)]);
}

/// A job that was given late does not run again sooner than the period allows.
#[tokio::test]
async fn the_period_is_between_two_runs_of_a_job() {
    let app = campaign("(3, 0, 3600, 0)").await;
    assert_eq!(app.given("wks-2").await, [2]);
    app.ended(2, 3).await;
    // It is switched off until twenty hours later.
    app.clock.advance(HOUR * 20);
    assert_eq!(app.given("wks-2").await, [3]);
    app.ended(2, 3).await;
    app.clock.advance(HOUR * 4);
    assert_eq!(app.given("wks-2").await, [2], "a day after its last run");
    app.ended(2, 3).await;
    app.clock.advance(HOUR * 2);
    app.gives_nothing("wks-2").await;
    app.clock.advance(HOUR * 18);
    assert_eq!(app.given("wks-2").await, [3]);
}

/// Nobody can say that job 1 is done where it has no target for a moment.
#[tokio::test]
async fn a_job_without_targets_for_a_moment_is_waited_for() {
    let app = campaign("(1, 1, 0, 0), (2, 2, 0, 1), (3, 3, 0, 1)").await;
    let targets = async |of: &str| {
        let sql = format!("UPDATE {{p}}taskjobs SET targets = '{of}' WHERE id = 1");
        app.db.set(&sql).await;
    };
    targets("[]").await;
    app.gives_nothing("wks-1").await;
    targets(&format!("[{{\"{PACKAGE}\":\"1\"}}]")).await;
    assert_eq!(app.given("wks-1").await, [1]);
    app.job_ended(1, 1, 3).await;
    targets("[]").await;
    app.gives_nothing("wks-1").await;
    targets(&format!("[{{\"{PACKAGE}\":\"1\"}}]")).await;
    assert_eq!(app.given("wks-1").await, [2]);
}

#[tokio::test]
async fn a_task_on_demand_stays_while_an_agent_is_in_its_occurrence() {
    let app = campaign("(2, 0, 864000, 0), (3, 0, 864000, 0)").await;
    app.db
        .set(
            "UPDATE {p}tasks SET is_deploy_on_demand = 1;
             UPDATE {p}configs SET value = '5' WHERE type = 'clean_on_demand_tasks';
             UPDATE {p}sidecar_tasks SET max_duration = 8640000, min_period = 8640000",
        )
        .await;
    assert_eq!(app.given("wks-1").await, [1]);
    app.ended(1, 3).await;
    app.clock.advance(HOUR * 24 * 7);
    app.clean(Duty::OnDemand).await.unwrap();
    assert_eq!(app.db.ask::<u32>("SELECT id FROM {p}tasks").await, [1]);
    app.clock.advance(HOUR * 24 * 93);
    app.clean(Duty::OnDemand).await.unwrap();
    let left: Vec<u32> = app.db.ask("SELECT id FROM {p}tasks").await;
    assert!(left.is_empty(), "{left:?}");
}
