//! Many at once: one run, whoever asks where.

use fusion_sidecar::domain::driven::TaskMode;
use fusion_sidecar::domain::policy::Policy;
use futures_util::future::join_all;
use mysql_async::prelude::Queryable as _;

use super::BY_AGENT;
use crate::support::app::{self, TestApp};
use crate::support::network::site;
use crate::support::site::{expand, office};
use crate::support::until::until_waiting;
use crate::support::wire::get;

const JOBS: &str = "/plugins/fusioninventory/b/deploy/?action=getJobs&machineid=wks-1&version=2.8";

/// The names that answers to eight requests carry, half of them at each sidecar.
async fn eight(addresses: [std::net::SocketAddr; 2]) -> Vec<String> {
    let answers = join_all((0..8).map(|number| get(addresses[number % 2], JOBS))).await;
    let mut names = Vec::new();
    for answer in answers {
        assert_eq!(answer.status, 200, "{answer:?}");
        let jobs = answer.json()["jobs"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        names.extend(
            jobs.iter()
                .map(|job| job["uuid"].as_str().unwrap().to_owned()),
        );
    }
    names
}

async fn cleared(app: &TestApp) {
    app.db
        .set(
            "DELETE FROM {p}taskjobstates; DELETE FROM {p}taskjoblogs; DELETE FROM {p}sidecar_runs; DELETE FROM {p}sidecar_answers; \
             DELETE FROM {p}sidecar_agent_occurrences",
        )
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_requests_of_an_agent_at_two_sidecars_make_one_run() {
    let app = app::start(|settings| settings.dispatch.max_sends = 1).await;
    office(&app.db).await;
    app.db.set(BY_AGENT).await;
    let other = app.another(|_| {}).await;
    for round in 0..10 {
        // One that comes after the first was answered finds a run that was sent as often as allowed: it ends, but none is made.
        let names = eight([app.address(), other.address]).await;
        assert_eq!(names.len(), 1, "round {round}");
        let rows: Vec<(String, u32)> = app
            .db
            .ask("SELECT r.uniqid, s.sends FROM {p}taskjobstates r JOIN {p}sidecar_runs s ON s.{f}taskjobstates_id = r.id")
            .await;
        assert_eq!(rows, [(names[0].clone(), 1)], "round {round}");
        let begun: Vec<u32> = app
            .db
            .ask("SELECT number FROM {p}sidecar_agent_occurrences")
            .await;
        assert_eq!(begun, [1]);
        cleared(&app).await;
    }
    other.stop().await.unwrap();
}

/// One sidecar prepares the task, as its configuration says, while the other leaves it to the agents.
#[tokio::test(flavor = "multi_thread")]
async fn a_preparation_and_requests_at_once_make_one_run() {
    let app = site(Policy::Redux).await;
    let by_agents = app
        .another(|settings| settings.dispatch.task_mode = TaskMode::Agent)
        .await;
    for round in 0..10 {
        let address = by_agents.address;
        let (prepared, again, _) =
            tokio::join!(app.prepare(), app.prepare(), eight([address, address]));
        assert_eq!((prepared, again), (Ok(()), Ok(())));
        let runs: Vec<u32> = app.db.ask("SELECT COUNT(*) FROM {p}taskjobstates").await;
        assert_eq!(runs, [1], "round {round}");
        cleared(&app).await;
    }
    by_agents.stop().await.unwrap();
}

/// A preparation has the job's lock: the request waits for it, and finds the run that it made.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_looks_again_under_the_jobs_lock() {
    let app = site(Policy::Redux).await;
    app.db.set(BY_AGENT).await;
    let mut other = app.db.conn().await;
    other
        .query_drop(expand(
            "BEGIN; INSERT INTO {p}sidecar_locks (name) VALUES ('job:1')",
        ))
        .await
        .unwrap();
    let prepares = async {
        until_waiting(&app.db, "lock_jobs").await;
        let run = "INSERT INTO {p}taskjobstates (id, {f}taskjobs_id, items_id, itemtype, state, {f}agents_id, uniqid) \
                   VALUES (1, 1, 1, 'PluginFusioninventoryDeployPackage', 0, 1, 'run-1'); COMMIT";
        other
            .query_drop(format!("SET SESSION sql_mode = ''; {}", expand(run)))
            .await
            .unwrap();
    };
    let (given, ()) = tokio::join!(app.handed_out("wks-1"), prepares);
    assert_eq!(given, Vec::<String>::new());
    assert_eq!(app.db.states().await, [0]);
    assert_eq!(app.handed_out("wks-1").await, ["run-1"]);
}

/// The job is deleted after the catalogue was read.
#[tokio::test(flavor = "multi_thread")]
async fn no_run_is_made_of_a_job_that_is_gone() {
    let app = app::start(|settings| {
        settings.dispatch.catalogue_refresh = std::time::Duration::from_hours(1);
    })
    .await;
    office(&app.db).await;
    app.db.set(BY_AGENT).await;
    // Read as late as now.
    assert_eq!(app.config("wks-1").await, ["Deploy"]);
    app.db.set("DELETE FROM {p}taskjobs").await;
    assert_eq!(app.handed_out("wks-1").await, Vec::<String>::new());
    assert_eq!(app.db.states().await, Vec::<u32>::new());
}
