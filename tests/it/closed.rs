//! GLPI in maintenance, or without its plugin: preparation and cleaning rest as the answers to agents do, also in the middle of a pass,
//! and go on by themselves.

use fusion_sidecar::db::preparation::{CANCELLED_AT_ONCE, PIECE, Prepared};
use fusion_sidecar::domain::cleaning::Duty;
use fusion_sidecar::domain::ids::JobId;
use fusion_sidecar::domain::policy::Policy;
use fusion_sidecar::domain::site::Closed;
use fusion_sidecar::work::prepare::Outcome;
use rstest::rstest;

use crate::support::app::{TestApp, start};
use crate::support::database::{TestDb, fresh};
use crate::support::process::{Sidecar, run, told, url};
use crate::support::site::{CLOSED, office};
use crate::support::until::until;

const PACKAGE: &str = "PluginFusioninventoryDeployPackage";
const MAINTENANCE: &str = CLOSED[0].0;
const OVER: &str = CLOSED[0].1;

/// Job 1 lacks a run, run 1 is old, and task 2, on demand, is done.
async fn work_to_do(db: &TestDb) {
    office(db).await;
    db.set(
        "INSERT INTO {p}tasks (id, name, is_active, is_deploy_on_demand) VALUES (2, 'demand', 0, 1);
         INSERT INTO {p}taskjobs (id, {f}tasks_id, name, method) VALUES (2, 2, 'job 2', 'deployinstall');
         UPDATE {p}configs SET value = '5' WHERE type IN ('delete_task', 'clean_on_demand_tasks')",
    )
    .await;
    for (id, job) in [(1, 1), (2, 1), (3, 2)] {
        db.run_of(id, job, 1, 3).await;
        db.set(&format!(
            "INSERT INTO {{p}}taskjoblogs ({{f}}taskjobstates_id, date, state) VALUES ({id}, '2020-01-01', 2)"
        ))
        .await;
    }
}

/// What passes would change: tasks, runs, log lines.
async fn counts(db: &TestDb) -> (u32, u32, u32) {
    let counts: Vec<(u32, u32, u32)> = db
        .ask(
            "SELECT (SELECT COUNT(*) FROM {p}tasks), (SELECT COUNT(*) FROM {p}taskjobstates), (SELECT COUNT(*) FROM {p}taskjoblogs)",
        )
        .await;
    counts[0]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pass_by_hand_is_refused_and_goes_on_afterwards() {
    let db = fresh().await;
    work_to_do(&db).await;
    let url = url(&db);
    let on = |arguments: &[&str]| {
        let mut all = vec!["once"];
        all.extend(arguments);
        told(&run(&all, &[("FUSION_SIDECAR_DATABASE_URL", &url)]))
    };
    for (close, open, reason) in CLOSED {
        db.exec(close).await;
        for work in ["prepare", "clean", "cleanondemand"] {
            let refused = format!(
                "fusion-sidecar: {reason}: nothing was done, try again when that is over\n"
            );
            assert_eq!(on(&[work]), (1, String::new(), refused), "{close}");
        }
        assert_eq!(counts(&db).await, (2, 3, 3), "{close}");
        let (code, out, log) = on(&["prepare", "--dry-run"]);
        assert_eq!((code, log.as_str()), (0, ""), "{close}");
        let said = format!("{reason}: no pass begins until that is over\nnothing was written;");
        assert!(out.starts_with(&said), "{out}");
        assert!(out.contains("job 1: 1 prepared, 0 cancelled"), "{out}");
        assert_eq!(counts(&db).await, (2, 3, 3), "{close}");
        db.exec(open).await;
        let (_, out, _) = on(&["prepare", "--dry-run"]);
        assert!(out.starts_with("nothing was written;"), "{out}");
    }
    for (work, left) in [
        ("prepare", (2, 4, 4)),
        ("clean", (2, 2, 2)),
        ("cleanondemand", (1, 1, 1)),
    ] {
        let (code, _, log) = on(&[work]);
        assert_eq!((code, log.as_str()), (0, ""), "{work}");
        assert_eq!(counts(&db).await, left, "{work}");
    }
}

/// Preparation, and both cleanings.
#[tokio::test(flavor = "multi_thread")]
async fn serve_rests_and_goes_on_by_itself() {
    let db = fresh().await;
    work_to_do(&db).await;
    db.exec(MAINTENANCE).await;
    let environment = [("FUSION_SIDECAR_DATABASE_URL", url(&db))];
    let environment = environment.each_ref().map(|(k, v)| (*k, v.as_str()));
    let arguments = ["--timezone", "UTC", "--scheduler-period", "1"];
    let mut sidecar = Sidecar::serve(&arguments, &environment);
    sidecar.line("the periodic work rests");
    // Several periods.
    tokio::time::sleep(std::time::Duration::from_millis(2500)).await;
    assert_eq!(counts(&db).await, (2, 3, 3));
    db.exec("UPDATE glpi_plugins SET state = 6").await;
    sidecar.line("the FusionInventory plugin is not in service");
    db.exec(OVER).await;
    db.exec("UPDATE glpi_plugins SET state = 1").await;
    let done = async || counts(&db).await.0 == 1 && db.states().await.contains(&0);
    until("it goes on", done).await;
    sidecar.line("the periodic work goes on");
    sidecar.signal("TERM");
    let (_, log) = sidecar.ended();
    let lines = |text: &str| log.iter().filter(|line| line.contains(text)).count();
    assert_eq!(
        (
            lines("the periodic work rests"),
            lines("GLPI is in maintenance"),
            lines("the FusionInventory plugin is not in service"),
            lines("the periodic work goes on"),
            lines("ERROR"),
        ),
        (2, 1, 1, 1, 0),
        "{log:#?}"
    );
}

async fn site(policy: Policy) -> TestApp {
    let app = start(|settings| {
        settings.dispatch.policy = policy;
        settings.scheduler.cleaning_batch = 10;
    })
    .await;
    office(&app.db).await;
    app
}

/// GLPI is put into maintenance as soon as `event` happens on a row that `holds`.
async fn close_on(app: &TestApp, event: &str, table: &str, holds: &str) {
    app.db
        .set(&format!(
            "CREATE TRIGGER closing AFTER {event} ON {{p}}{table} FOR EACH ROW IF {holds} THEN {MAINTENANCE}; END IF"
        ))
        .await;
}

/// It is over, and does not begin again.
async fn reopen(app: &TestApp) {
    app.db.set("DROP TRIGGER closing").await;
    app.db.exec(OVER).await;
}

const fn prepared(created: usize, cancelled: usize) -> Prepared {
    Prepared { created, cancelled }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn jobs_behind_the_one_under_way_wait(
    #[values(Policy::Plugin, Policy::Redux)] policy: Policy,
) {
    let app = site(policy).await;
    for job in 2..=4 {
        app.db.job(job, "deployinstall", PACKAGE, &[1]).await;
    }
    close_on(&app, "INSERT", "taskjobstates", "NEW.{f}taskjobs_id = 2").await;
    let preparation = app.preparation(policy);
    let pass = preparation.pass().await.unwrap();
    let two = Outcome::Prepared(prepared(2, 0));
    let (one, two) = (
        (JobId(1), Outcome::Prepared(prepared(1, 0))),
        (JobId(2), two),
    );
    assert_eq!(pass.jobs, [one, two]);
    assert_eq!(pass.closed, Some(Closed::Maintenance));
    assert!(pass.has_failed());
    assert!(
        pass.to_string().ends_with(
            "GLPI is in maintenance: the pass stopped there, the next one does the rest"
        ),
        "{pass}"
    );
    assert!(preparation.pass().await.unwrap().jobs.is_empty());
    assert_eq!(app.db.states().await.len(), 3);

    reopen(&app).await;
    let pass = preparation.pass().await.unwrap();
    assert_eq!((pass.total(), pass.closed), (prepared(4, 0), None));
    assert!(!pass.has_failed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_big_job_stops_between_two_pieces() {
    let app = site(Policy::Redux).await;
    let last = PIECE + 1029;
    app.db
        .set(&format!(
            "INSERT INTO {{p}}agents (id, name, device_id, computers_id) SELECT seq, seq, CONCAT('pc-', seq), seq FROM seq_10_to_{last};
             INSERT INTO glpi_computers (id, name) SELECT seq, seq FROM seq_10_to_{last};
             INSERT INTO {{p}}deploygroups (id, name, type) VALUES (1, 'all', 'STATIC');
             INSERT INTO {{p}}deploygroups_staticdatas ({{f}}deploygroups_id, itemtype, items_id) SELECT 1, 'Computer', seq FROM seq_10_to_{last};
             UPDATE {{p}}taskjobs SET actors = '[{{\"PluginFusioninventoryDeployGroup\":\"1\"}}]' WHERE id = 1"
        ))
        .await;
    let stopped = async |prepared| {
        let pass = app.preparation(Policy::Redux).pass().await.unwrap();
        assert_eq!(pass.jobs, [(JobId(1), Outcome::Stopped(prepared))]);
        assert_eq!(pass.closed, Some(Closed::Maintenance));
    };
    let ended = async |prepared| {
        reopen(&app).await;
        let pass = app.preparation(Policy::Redux).pass().await.unwrap();
        assert_eq!(pass.jobs, [(JobId(1), Outcome::Prepared(prepared))]);
    };
    close_on(&app, "INSERT", "taskjobstates", "TRUE").await;
    stopped(prepared(PIECE, 0)).await;
    ended(prepared(1020, 0)).await;

    // All but two leave.
    app.db
        .set("DELETE FROM {p}deploygroups_staticdatas WHERE items_id > 11")
        .await;
    close_on(&app, "UPDATE", "taskjobstates", "TRUE").await;
    stopped(prepared(0, CANCELLED_AT_ONCE)).await;
    ended(prepared(0, PIECE + 1020 - 2 - CANCELLED_AT_ONCE)).await;
}

/// The members of dynamic groups are stored for PHP, group by group.
#[tokio::test(flavor = "multi_thread")]
async fn members_are_not_stored_once_it_is_closed() {
    let app = site(Policy::Redux).await;
    app.db
        .set(
            "INSERT INTO {p}deploygroups (id, name, type) VALUES (5, 'd', 'DYNAMIC'), (6, 'e', 'DYNAMIC');
             INSERT INTO {p}deploygroups_dynamicdatas ({f}deploygroups_id, fields_array, computers_id_cache) \
             SELECT id, 'a:1:{s:8:\"criteria\";a:1:{i:0;a:3:{s:5:\"field\";s:1:\"1\";s:10:\"searchtype\";s:8:\"contains\";s:5:\"value\";s:5:\"wks-2\";}}}', '' \
             FROM {p}deploygroups;
             UPDATE {p}taskjobs SET actors = '[{\"PluginFusioninventoryDeployGroup\":\"5\"},{\"PluginFusioninventoryDeployGroup\":\"6\"}]'",
        )
        .await;
    close_on(&app, "UPDATE", "deploygroups_dynamicdatas", "TRUE").await;
    let pass = app.preparation(Policy::Redux).pass().await.unwrap();
    assert_eq!(pass.jobs, [(JobId(1), Outcome::Stopped(prepared(0, 0)))]);
    let stored = async || -> Vec<bool> {
        app.db
            .ask("SELECT computers_id_cache <> '' FROM {p}deploygroups_dynamicdatas ORDER BY {f}deploygroups_id")
            .await
    };
    assert_eq!(stored().await, [true, false]);
    reopen(&app).await;
    let pass = app.preparation(Policy::Redux).pass().await.unwrap();
    assert_eq!(pass.total(), prepared(1, 0));
    assert_eq!(stored().await, [true, true]);
}

/// Ten log lines are deleted at once, and the runs of which none is left for sure.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn cleaning_stops_between_two_transactions(
    #[values(Policy::Plugin, Policy::Redux)] policy: Policy,
) {
    let app = site(policy).await;
    app.db
        .set(
            "INSERT INTO {p}taskjobstates (id, {f}taskjobs_id, items_id, itemtype, state, {f}agents_id, uniqid) \
             SELECT seq, 99, 1, 'PluginFusioninventoryDeployPackage', 3, 1, CONCAT('run-', seq) FROM seq_1_to_30;
             INSERT INTO {p}taskjoblogs ({f}taskjobstates_id, date, state) SELECT 1 + (seq - 1) DIV 2, '2020-01-01', 6 FROM seq_1_to_60;
             UPDATE {p}configs SET value = '5' WHERE type = 'delete_task'",
        )
        .await;
    close_on(&app, "DELETE", "taskjobstates", "TRUE").await;
    let summary = app.clean(Duty::Runs).await.unwrap();
    assert_eq!(summary.closed, Some(Closed::Maintenance));
    assert!(summary.has_failed());
    assert_eq!((summary.runs, summary.lines), (4, 10));
    assert_eq!(app.db.states().await.len(), 26);
    let nothing = app.clean(Duty::Runs).await.unwrap();
    assert_eq!(nothing.runs, 0);
    assert_eq!(
        nothing.to_string(),
        "0 tasks, 0 runs, 0 log lines and 0 log lines without a run deleted\n\
         GLPI is in maintenance: the pass stopped there, the next one does the rest"
    );
    reopen(&app).await;
    let summary = app.clean(Duty::Runs).await.unwrap();
    assert_eq!((summary.closed, summary.has_failed()), (None, false));
    assert!(app.db.states().await.len() <= 1);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn cleaning_stops_between_two_tasks(#[values(Policy::Plugin, Policy::Redux)] policy: Policy) {
    let app = site(policy).await;
    app.db
        .set(
            "INSERT INTO {p}tasks (id, name, is_deploy_on_demand) VALUES (2, 'a', 1), (3, 'b', 1), (4, 'c', 1);
             INSERT INTO {p}taskjobs (id, {f}tasks_id, name, method) SELECT id, id, 'j', 'deployinstall' FROM {p}tasks WHERE id > 1;
             UPDATE {p}configs SET value = '5' WHERE type = 'clean_on_demand_tasks'",
        )
        .await;
    if policy == Policy::Redux {
        for job in 2..=4 {
            app.db.run_of(job.into(), job, 1, 3).await;
        }
    }
    close_on(&app, "DELETE", "tasks", "TRUE").await;
    let summary = app.clean(Duty::OnDemand).await.unwrap();
    assert_eq!(
        (summary.tasks, summary.closed),
        (1, Some(Closed::Maintenance))
    );
    reopen(&app).await;
    let summary = app.clean(Duty::OnDemand).await.unwrap();
    assert_eq!((summary.tasks, summary.closed), (2, None));
}
