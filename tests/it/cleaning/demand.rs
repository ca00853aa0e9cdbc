//! Tasks on demand.

use fusion_sidecar::db::Db;
use fusion_sidecar::db::preparation::Again;
use fusion_sidecar::domain::actors::Target;
use fusion_sidecar::domain::cleaning::Duty;
use fusion_sidecar::domain::ids::{AgentId, JobId, TaskId};
use fusion_sidecar::domain::policy::Policy;
use fusion_sidecar::domain::prepare::Step;
use rstest::rstest;

use super::{OLD, YOUNG, site};
use crate::support::app::TestApp;
use crate::support::database::TestDb;

/// A day of which a task on demand is old after five days, to the second; and one of which it is not.
const LONG_AGO: &str = "2026-02-26 23:59:59";
const NOT_LONG_AGO: &str = "2026-02-27 00:00:00";

/// Task 1 is on demand, for five days; task 2 with job 2 is not, and has an old run.
async fn on_demand(policy: Policy, batch: u32) -> TestApp {
    let app = site(policy, |s| s.scheduler.cleaning_batch = batch).await;
    app.db
        .set(
            "INSERT INTO {p}tasks (id, name, is_active) VALUES (2, 'planned', 1);
             INSERT INTO {p}taskjobs (id, {f}tasks_id, name, method, targets, actors) SELECT 2, 2, name, method, targets, actors FROM {p}taskjobs;
             UPDATE {p}tasks SET is_deploy_on_demand = 1 WHERE id = 1",
        )
        .await;
    app.db.run_of(100, 2, 1, 3).await;
    app.db.line(100, OLD).await;
    app.db.setting("clean_on_demand_tasks", "5").await;
    app
}

impl TestDb {
    async fn tasks_and_jobs(&self) -> Vec<(u32, Option<u32>)> {
        self.ask(
            "SELECT t.id, j.id FROM {p}tasks t LEFT JOIN {p}taskjobs j ON j.{f}tasks_id = t.id ORDER BY t.id, j.id",
        )
        .await
    }
}

#[rstest]
#[case::done(&[(3, LONG_AGO), (4, LONG_AGO), (5, LONG_AGO)], true)]
#[case::not_for_long(&[(3, LONG_AGO), (3, NOT_LONG_AGO)], false)]
#[case::prepared(&[(3, OLD), (0, OLD)], false)]
#[case::sent(&[(3, OLD), (1, OLD)], false)]
#[case::running(&[(3, OLD), (2, OLD)], false)]
#[case::put_off(&[(3, OLD), (6, OLD)], false)]
#[case::not_begun(&[], false)]
#[tokio::test]
async fn a_task_goes_when_all_its_runs_have_ended_long_ago(
    #[case] runs: &[(u32, &str)],
    #[case] goes: bool,
    #[values(1, 1000)] batch: u32,
) {
    let app = on_demand(Policy::Redux, batch).await;
    for (id, (state, date)) in (1..).zip(runs) {
        app.db.past(id, 1, *state, &[OLD, date]).await;
    }
    let summary = app.clean(Duty::OnDemand).await.unwrap();
    let runs = if goes { runs.len() as u64 } else { 0 };
    assert_eq!(
        (summary.tasks, summary.runs, summary.lines, summary.strays),
        (u64::from(goes), runs, 2 * runs, 0)
    );
    let kept: &[(u32, Option<u32>)] = if goes {
        &[(2, Some(2))]
    } else {
        &[(1, Some(1)), (2, Some(2))]
    };
    assert_eq!(app.db.tasks_and_jobs().await, kept);
    assert_eq!(app.db.strays().await, 0);
    assert!(app.db.run_ids().await.contains(&100));
}

#[tokio::test]
async fn a_task_of_several_jobs_goes_as_a_whole() {
    let app = on_demand(Policy::Redux, 2).await;
    app.db
        .set("UPDATE {p}taskjobs SET {f}tasks_id = 1 WHERE id = 2")
        .await;
    for id in 1..=5 {
        app.db.past(id, 1, 3, &[LONG_AGO; 3]).await;
    }
    let summary = app.clean(Duty::OnDemand).await.unwrap();
    assert_eq!((summary.tasks, summary.runs, summary.lines), (1, 6, 16));
    assert_eq!(app.db.tasks_and_jobs().await, [(2, None)]);
    assert_eq!(app.db.run_ids().await, Vec::<u64>::new());
}

#[tokio::test]
async fn minus_one_is_off() {
    let app = on_demand(Policy::Redux, 1000).await;
    app.db.past(1, 1, 3, &[LONG_AGO]).await;
    app.db.setting("clean_on_demand_tasks", "-1").await;
    let summary = app.clean(Duty::OnDemand).await.unwrap();
    assert_eq!(summary.off, Some("clean_on_demand_tasks"));
    assert_eq!(app.db.run_ids().await, [1, 100]);
}

/// Between the look and the end a run may have been prepared, or the task been made one that is not on demand.
#[rstest]
#[case::nothing("DO 1", true)]
#[case::prepared("UPDATE {p}taskjobstates SET state = 0 WHERE id = 1", false)]
#[case::planned("UPDATE {p}tasks SET is_deploy_on_demand = 0", false)]
#[case::gone("DELETE FROM {p}tasks WHERE id = 1", false)]
#[tokio::test]
async fn a_task_is_looked_at_again_before_it_goes(#[case] change: &str, #[case] goes: bool) {
    let app = on_demand(Policy::Redux, 1000).await;
    app.db.past(1, 1, 3, &[LONG_AGO]).await;
    app.db.set(change).await;
    let db = Db::new(&app.db.database, "").unwrap();
    let deleted = db.delete_task(TaskId(1), Policy::Redux).await.unwrap();
    assert_eq!(deleted, goes);
    let jobs: Vec<u32> = app.db.ask("SELECT id FROM {p}taskjobs").await;
    assert_eq!(jobs.contains(&1), !goes);
    db.close().await;
}

/// A pass that is killed after the task went leaves its runs. Runs of jobs that somebody else deleted are not for it: with -1 they are kept.
#[tokio::test]
async fn the_runs_of_a_task_that_went_go_with_the_next_pass() {
    let app = on_demand(Policy::Redux, 2).await;
    app.db.setting("delete_task", "-1").await;
    for id in 1..=5 {
        app.db.past(id, 1, 3, &[LONG_AGO; 2]).await;
    }
    let db = Db::new(&app.db.database, "").unwrap();
    assert!(db.delete_task(TaskId(1), Policy::Redux).await.unwrap());
    db.close().await;
    app.db.set("DELETE FROM {p}taskjobs WHERE id = 2").await;
    assert_eq!(app.db.run_ids().await, [1, 2, 3, 4, 5, 100]);
    let summary = app.clean(Duty::OnDemand).await.unwrap();
    assert_eq!((summary.tasks, summary.runs, summary.lines), (0, 5, 10));
    assert_eq!(app.db.run_ids().await, [100]);
    // That is done.
    app.db.past(6, 1, 3, &[LONG_AGO]).await;
    app.clean(Duty::OnDemand).await.unwrap();
    assert_eq!(app.db.run_ids().await, [6, 100]);
}

/// As a preparation finds it that read the catalogue before the task went.
#[tokio::test]
async fn nothing_is_prepared_for_a_job_that_is_gone() {
    let app = on_demand(Policy::Redux, 1000).await;
    app.db.set("DELETE FROM {p}taskjobs WHERE id = 1").await;
    let db = Db::new(&app.db.database, "").unwrap();
    let piece = [Step {
        target: Target {
            itemtype: "PluginFusioninventoryDeployPackage".to_owned(),
            items_id: 1,
        },
        agents: vec![AgentId(2)],
    }];
    let at = app.now().naive_utc();
    for (job, created) in [(1, 0), (2, 1)] {
        let again = Again {
            reprepare: true,
            within: None,
            gone_from: None,
        };
        let prepared = db.create_runs(JobId(job), &piece, again, at).await;
        assert_eq!(prepared.unwrap(), created, "job {job}");
    }
    db.close().await;
}

/// The plugin (10.0.6+1.1) takes ended runs with any old line, leaves their lines, then takes tasks without runs, also those that have
/// not had any yet; -1 is a number of days to it.
#[rstest]
#[case::old("5", &[(3, LONG_AGO)], &[], &[2])]
#[case::young("5", &[(3, NOT_LONG_AGO)], &[1], &[1, 2])]
#[case::one_of_two("5", &[(4, LONG_AGO), (3, YOUNG)], &[2], &[1, 2])]
#[case::under_way("5", &[(5, LONG_AGO), (1, LONG_AGO)], &[2], &[1, 2])]
#[case::without_runs("5", &[], &[], &[2])]
#[case::off("-1", &[(3, "2026-03-04 23:59:59"), (0, OLD)], &[2], &[1, 2])]
#[case::not_even_so("-1", &[(3, "2026-03-05 00:00:00")], &[1], &[1, 2])]
#[case::no_number("", &[(3, OLD)], &[1], &[1, 2])]
#[case::no_number_without_runs("", &[], &[], &[2])]
#[tokio::test]
async fn as_the_plugin_does(
    #[case] days: &str,
    #[case] runs: &[(u32, &str)],
    #[case] left: &[u64],
    #[case] tasks: &[u32],
    #[values(1, 1000)] batch: u32,
) {
    let app = on_demand(Policy::Plugin, batch).await;
    app.db.setting("clean_on_demand_tasks", days).await;
    for (id, (state, date)) in (1..).zip(runs) {
        app.db.past(id, 1, *state, &[date]).await;
    }
    let lines = app.db.line_runs().await;
    app.clean(Duty::OnDemand).await.unwrap();
    assert_eq!(app.db.run_ids().await, [left, &[100]].concat());
    assert_eq!(app.db.line_runs().await, lines);
    let found: Vec<(u32, Option<u32>)> = tasks.iter().map(|task| (*task, Some(*task))).collect();
    assert_eq!(app.db.tasks_and_jobs().await, found);
}
