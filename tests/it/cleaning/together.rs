//! Cleaning beside others of its kind, beside preparation and GLPI's cron, and broken off.

use std::time::Duration;

use fusion_sidecar::domain::cleaning::Duty;
use fusion_sidecar::domain::policy::Policy;
use futures_util::future::{join, join3};
use mysql_async::prelude::Queryable as _;

use super::{OLD, YOUNG, site};
use crate::support::app::TestApp;
use crate::support::database::{TestDb, fresh};
use crate::support::process::{run, spawn, told, url};
use crate::support::site::{expand, office};
use crate::support::until::until;

/// Agent 1 has `runs` old runs of job 1 with ten lines each.
async fn long_past(db: &TestDb, runs: u64) {
    db.set(&format!(
        "INSERT INTO {{p}}taskjobstates (id, {{f}}taskjobs_id, items_id, itemtype, state, {{f}}agents_id, uniqid) \
         SELECT seq, 1, 1, 'PluginFusioninventoryDeployPackage', 3, 1, CONCAT('run-', seq) FROM seq_1_to_{runs};
         INSERT INTO {{p}}taskjoblogs ({{f}}taskjobstates_id, date, state, comment) SELECT 1 + (seq - 1) DIV 10, '2020-01-01', 6, '' \
         FROM seq_1_to_{}",
        runs * 10
    ))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_at_once_delete_each_row_once() {
    let app = site(Policy::Redux, |s| s.scheduler.cleaning_batch = 50).await;
    long_past(&app.db, 300).await;
    app.db
        .set("INSERT INTO {p}taskjoblogs ({f}taskjobstates_id, date, state) SELECT 1000 + seq, '2020-01-01', 6 FROM seq_1_to_300")
        .await;
    let (one, two, three) = join3(
        app.clean(Duty::Runs),
        app.clean(Duty::Runs),
        app.clean(Duty::Runs),
    )
    .await;
    let all = [one.unwrap(), two.unwrap(), three.unwrap()];
    let sum =
        |of: fn(&fusion_sidecar::work::clean::Summary) -> u64| -> u64 { all.iter().map(of).sum() };
    assert_eq!(
        (
            sum(|s| s.runs),
            sum(|s| s.lines),
            sum(|s| s.strays),
            sum(|s| s.failed)
        ),
        (299, 2990, 300, 0)
    );
    assert_eq!(app.db.run_ids().await, [300]);
    assert_eq!(app.db.line_runs().await, [300; 10]);
}

/// Preparation knows the job from before the task was deleted.
#[tokio::test(flavor = "multi_thread")]
async fn no_run_is_prepared_for_a_task_that_is_being_deleted() {
    let app = site(Policy::Redux, |_| {}).await;
    app.db.setting("clean_on_demand_tasks", "5").await;
    for round in 0..40 {
        app.db
            .set(
                "DELETE FROM {p}tasks; DELETE FROM {p}taskjobs; DELETE FROM {p}taskjobstates; DELETE FROM {p}taskjoblogs;
                 INSERT INTO {p}tasks (id, name, is_active, is_deploy_on_demand) VALUES (1, 'office', 1, 1);
                 INSERT INTO {p}taskjobs (id, {f}tasks_id, name, method, targets, actors) VALUES \
                 (1, 1, 'job 1', 'deployinstall', '[{\"PluginFusioninventoryDeployPackage\":\"1\"}]', '[{\"Computer\":\"1\"}]')",
            )
            .await;
        // In error: it is prepared again.
        app.db.past(1, 1, 4, &[OLD]).await;
        let late = async {
            tokio::time::sleep(Duration::from_micros(200 * (round % 20))).await;
            app.clean(Duty::OnDemand).await
        };
        let (prepared, cleaned) = join(app.prepare(), late).await;
        prepared.unwrap();
        let cleaned = cleaned.unwrap();
        let runs = app.db.run_ids().await;
        let jobs: Vec<u32> = app.db.ask("SELECT id FROM {p}taskjobs").await;
        if cleaned.tasks == 1 {
            assert_eq!((runs, jobs), (vec![], vec![]), "round {round}");
        } else {
            assert_eq!((runs.len(), jobs), (2, vec![1]), "round {round}");
        }
    }
}

/// A report on a run that goes at the same moment is answered, and leaves no line.
#[tokio::test(flavor = "multi_thread")]
async fn a_report_on_a_run_that_goes_leaves_nothing() {
    let app = site(Policy::Redux, |s| s.scheduler.cleaning_batch = 5).await;
    long_past(&app.db, 60).await;
    let report = async |run: u64| {
        app.tell(&format!(
            "action=setStatus&machineid=wks-1&uuid=run-{run}&status=ok&currentStep=checking&msg=late"
        ))
        .await;
    };
    let reports = async {
        for run in 1..60 {
            report(run).await;
        }
    };
    let (cleaned, ()) = join(app.clean(Duty::Runs), reports).await;
    cleaned.unwrap();
    assert_eq!(app.db.strays().await, 0);
}

/// Killed again and again in the middle of its work, in the end it has done it; no line was ever without its run.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_moment_leaves_no_line_without_its_run() {
    let db = fresh().await;
    office(&db).await;
    long_past(&db, 400).await;
    let url = url(&db);
    let environment = [("FUSION_SIDECAR_DATABASE_URL", url.as_str())];
    // Transactions that end amid the lines of a run, at its end, and after several.
    for batch in ["3", "10", "1", "25", "7", "10", "4"] {
        let before = db.line_runs().await.len();
        // The one after it waits until the turn of the one that was killed has run out.
        let arguments = ["once", "clean", "--cleaning-batch", batch, "--lease", "2"];
        let mut child = spawn(&arguments, &environment);
        until("lines go", async || db.line_runs().await.len() < before).await;
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(db.strays().await, 0, "batch {batch}");
        assert!(
            db.run_ids().await.len() > 1,
            "nothing was left to break off"
        );
    }
    let (code, out, _) = told(&run(&["once", "clean"], &environment));
    assert!(code == 0 && out.starts_with("0 tasks, "), "{out}");
    assert_eq!(db.run_ids().await, [400]);
    assert_eq!(db.line_runs().await, [400; 10]);
}

#[tokio::test(flavor = "multi_thread")]
async fn once_says_what_it_did() {
    let db = fresh().await;
    office(&db).await;
    long_past(&db, 3).await;
    db.line(9, OLD).await;
    let url = url(&db);
    let once = |arguments: &[&str]| {
        let arguments = [&["once"], arguments].concat();
        told(&run(&arguments, &[("FUSION_SIDECAR_DATABASE_URL", &url)]))
    };
    let off =
        "off: clean_on_demand_tasks of the plugin's settings is no number of days from 0 up\n";
    for (arguments, said) in [
        (
            &["clean"][..],
            "0 tasks, 2 runs, 20 log lines and 1 log lines without a run deleted\n",
        ),
        (
            &["clean"],
            "0 tasks, 0 runs, 0 log lines and 0 log lines without a run deleted\n",
        ),
        (&["cleanondemand"], off),
        (
            &["cleanondemand", "--policy", "plugin"],
            "0 tasks, 0 runs, 0 log lines and 0 log lines without a run deleted\n",
        ),
    ] {
        assert_eq!(once(arguments), (0, said.to_owned(), String::new()));
    }
}

/// A row that somebody else holds costs that row and no other.
#[tokio::test(flavor = "multi_thread")]
async fn a_held_row_is_a_failure_and_the_rest_goes() {
    let db = fresh().await;
    office(&db).await;
    long_past(&db, 4).await;
    let mut holder = db.conn().await;
    holder
        .query_drop(expand(
            "BEGIN; SELECT id FROM {p}taskjobstates WHERE id = 2 FOR UPDATE",
        ))
        .await
        .unwrap();
    let arguments = ["once", "clean", "--cleaning-batch", "1"];
    let (code, out, log) = told(&run(
        &arguments,
        &[("FUSION_SIDECAR_DATABASE_URL", &url(&db))],
    ));
    assert_eq!(
        (code, out.as_str()),
        (
            1,
            "0 tasks, 2 runs, 20 log lines and 0 log lines without a run deleted, 1 tasks and rows failed\n"
        )
    );
    assert!(log.contains("db-locked"), "{log}");
    assert_eq!(db.run_ids().await, [2, 4]);
    holder.query_drop("ROLLBACK").await.unwrap();
    holder.disconnect().await.unwrap();
}

/// Agent 1 has two old runs, and task 1 is an old one on demand of agent 2.
async fn something_to_clean(app: &TestApp) {
    app.db
        .set(
            "UPDATE {p}tasks SET is_deploy_on_demand = 1, is_active = 0;
             INSERT INTO {p}tasks (id, name) VALUES (2, 'planned');
             INSERT INTO {p}taskjobs (id, {f}tasks_id, name, method, targets, actors) VALUES (2, 2, '', 'deployinstall', '[]', '[]')",
        )
        .await;
    app.db.run_of(1, 2, 1, 3).await;
    app.db.run_of(2, 2, 1, 3).await;
    app.db.line(1, OLD).await;
    app.db.line(2, YOUNG).await;
    app.db.past(3, 2, 3, &[OLD]).await;
    app.db.setting("clean_on_demand_tasks", "5").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_cleans_unless_the_plugin_does() {
    let app = site(Policy::Redux, |_| {}).await;
    something_to_clean(&app).await;
    app.db
        .set("INSERT INTO glpi_crontasks (itemtype, name, frequency, state) VALUES \
              ('PluginFusioninventoryTaskjobstate', 'cleantaskjob', 86400, 1), ('PluginFusioninventoryTask', 'cleanondemand', 86400, 0)")
        .await;
    let serving = app
        .another(|settings| {
            settings.scheduler.enabled = true;
            settings.scheduler.period = Duration::from_millis(50);
        })
        .await;
    // Runs come first: by now they have been left to the plugin.
    until("the task on demand goes", async || {
        !app.db.run_ids().await.contains(&3)
    })
    .await;
    assert_eq!(app.db.run_ids().await, [1, 2]);
    app.db.set("UPDATE glpi_crontasks SET state = 0").await;
    until("the old run goes", async || app.db.run_ids().await == [2]).await;
    // The next time is a day from now.
    app.db.run_of(5, 2, 1, 3).await;
    app.db
        .set("UPDATE {p}taskjoblogs SET date = '2020-01-01'")
        .await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(app.db.run_ids().await, [2, 5]);
    serving.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_cleans_every_period() {
    let app = site(Policy::Redux, |_| {}).await;
    let serving = app
        .another(|settings| {
            settings.scheduler.enabled = true;
            settings.scheduler.period = Duration::from_millis(20);
            settings.scheduler.cleaning_period = Duration::from_millis(40);
        })
        .await;
    for _ in 0..3 {
        app.db.line(7, OLD).await;
        until("the line goes", async || app.db.strays().await == 0).await;
    }
    serving.stop().await.unwrap();
}
