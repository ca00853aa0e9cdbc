//! Expiry beside reports, beside others of its kind, by hand and inside `serve`.

use std::time::Duration;

use fusion_sidecar::config::SessionZone;
use fusion_sidecar::domain::policy::Policy;
use fusion_sidecar::work::expire::Mode;
use futures_util::future::{join, join3};
use mysql_async::prelude::Queryable as _;

use super::{TIMED_OUT, site};
use crate::support::database::{TestDb, fresh};
use crate::support::process::{run, told, url};
use crate::support::site::{CLOSED, expand, office};
use crate::support::until::until;

/// `runs` runs of job 1 that PHP sent long ago.
async fn long_silent(db: &TestDb, runs: u32) {
    db.set(&format!(
        "INSERT INTO {{p}}taskjobstates (id, {{f}}taskjobs_id, items_id, itemtype, state, {{f}}agents_id, uniqid) \
         SELECT seq, 1, 1, 'PluginFusioninventoryDeployPackage', 1 + seq % 2, 1, CONCAT('run-', seq) FROM seq_1_to_{runs};
         INSERT INTO {{p}}taskjoblogs ({{f}}taskjobstates_id, date, state, comment) SELECT seq, '2026-03-01', 6, '' FROM seq_1_to_{runs}"
    ))
    .await;
}

/// Whoever comes first: a report keeps the run, or comes after its end. A success is the last word in any case.
#[tokio::test(flavor = "multi_thread")]
async fn a_report_at_the_same_moment_wins_or_comes_after() {
    let app = site(|_| {}).await;
    let mut kept = 0;
    let mut ended = 0;
    for round in 0..200_u64 {
        app.db
            .set("DELETE FROM {p}taskjobstates; DELETE FROM {p}taskjoblogs; DELETE FROM {p}sidecar_runs; DELETE FROM {p}sidecar_answers")
            .await;
        app.db.run(1, 1, 0).await;
        app.jobs("wks-1").await;
        app.pass_minutes(121);
        let is_success = round % 2 == 0;
        let status = if is_success { "ok" } else { "" };
        // Now the one, now the other is a little later.
        let report = async {
            tokio::time::sleep(Duration::from_micros(round % 20 * 200)).await;
            app.report(1, 1, status).await;
        };
        let pass = async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            app.expire().await
        };
        let (expired, ()) = join(pass, report).await;
        let lines = app.db.log_states(1).await;
        let state = app.db.state(1).await;
        let word = if is_success { 2 } else { 6 };
        match (expired, is_success) {
            (0, true) => assert_eq!((state, lines), (3, vec![1, word]), "round {round}"),
            (0, false) => assert_eq!((state, lines), (2, vec![1, word]), "round {round}"),
            (1, true) => assert_eq!((state, lines), (3, vec![1, 4, word]), "round {round}"),
            (1, false) => assert_eq!((state, lines), (4, vec![1, 4, word]), "round {round}"),
            _ => panic!("round {round}: {expired} runs"),
        }
        kept += 1 - expired;
        ended += expired;
    }
    assert!(kept > 0 && ended > 0, "{kept} kept, {ended} ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_at_once_end_each_run_once() {
    let app = site(|_| {}).await;
    long_silent(&app.db, 2_600).await;
    let (one, two, three) = join3(app.expire(), app.expire(), app.expire()).await;
    // What one had locked the others left to it.
    assert_eq!(one + two + three, 2_600, "{one} {two} {three}");
    let states: Vec<(u32, u32)> = app
        .db
        .ask("SELECT state, COUNT(*) FROM {p}taskjobstates GROUP BY state")
        .await;
    assert_eq!(states, [(4, 2_600)]);
    let lines: Vec<(u32, u32)> = app
        .db
        .ask("SELECT COUNT(*), COUNT(DISTINCT {f}taskjobstates_id) FROM {p}taskjoblogs WHERE state = 4")
        .await;
    assert_eq!(lines, [(2_600, 2_600)]);
}

/// A row that somebody else holds is left to the next pass, and nobody waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_held_run_is_left_alone() {
    let app = site(|_| {}).await;
    long_silent(&app.db, 3).await;
    let mut holder = app.db.conn().await;
    holder
        .query_drop(expand(
            "BEGIN; SELECT id FROM {p}taskjobstates WHERE id = 2 FOR UPDATE",
        ))
        .await
        .unwrap();
    assert_eq!(app.expire().await, 2);
    assert_eq!(app.db.states().await, [4, 1, 4]);
    holder.query_drop("ROLLBACK").await.unwrap();
    holder.disconnect().await.unwrap();
    assert_eq!(app.expire().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn once_says_what_it_did() {
    let db = fresh().await;
    office(&db).await;
    long_silent(&db, 3).await;
    let url = url(&db);
    let once = |arguments: &[&str]| {
        let arguments = [&["once", "expire"], arguments].concat();
        told(&run(&arguments, &[("FUSION_SIDECAR_DATABASE_URL", &url)]))
    };
    let said = |text: &str| (0, format!("{text}\n"), String::new());
    assert_eq!(
        once(&["--dry-run"]),
        said("nothing was written; 3 runs would time out (deployinstall 3)")
    );
    assert_eq!(
        once(&["--policy", "plugin"]),
        said("off: under policy plugin no run times out")
    );
    assert_eq!(once(&["--run-timeout", "0"]), said("0 runs timed out"));
    let (close, open, reason) = CLOSED[0];
    db.exec(close).await;
    let refused =
        format!("fusion-sidecar: {reason}: nothing was done, try again when that is over\n");
    assert_eq!(once(&[]), (1, String::new(), refused));
    db.exec(open).await;
    assert_eq!(db.states().await, [2, 1, 2]);
    let (code, out, log) = once(&[]);
    assert_eq!(
        (code, out.as_str()),
        (0, "3 runs timed out (deployinstall 3)\n"),
        "{log}"
    );
    assert_eq!(once(&[]), said("0 runs timed out"));
    assert_eq!(db.states().await, [4, 4, 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_ends_silent_runs_while_glpi_is_open() {
    let app = site(|_| {}).await;
    let (close, open, _) = CLOSED[0];
    app.db.exec(close).await;
    long_silent(&app.db, 1).await;
    let serving = app
        .another(|settings| {
            settings.scheduler.enabled = true;
            settings.scheduler.period = Duration::from_millis(20);
        })
        .await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(app.db.state(1).await, 2);
    app.db.exec(open).await;
    until("the run ends", async || app.db.state(1).await == 4).await;
    // And every period.
    app.db.run(99, 1, 1).await;
    app.db
        .set("INSERT INTO {p}taskjoblogs ({f}taskjobstates_id, date, state) VALUES (99, '2026-01-01', 1)")
        .await;
    until("the next one ends", async || app.db.state(99).await == 4).await;
    serving.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_leaves_them_with_the_scheduler_off_and_under_policy_plugin() {
    let app = site(|_| {}).await;
    long_silent(&app.db, 1).await;
    let off = app
        .another(|settings| settings.scheduler.period = Duration::from_millis(20))
        .await;
    let plugin = app
        .another(|settings| {
            settings.dispatch.policy = Policy::Plugin;
            settings.scheduler.enabled = true;
            settings.scheduler.period = Duration::from_millis(20);
        })
        .await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(app.db.state(1).await, 2);
    off.stop().await.unwrap();
    assert_eq!(
        plugin.stop().await.unwrap(),
        fusion_sidecar::lifecycle::Outcome::Stopped
    );
}

/// The pass stops between two pieces, and the next one does the rest.
#[tokio::test(flavor = "multi_thread")]
async fn a_pass_stops_when_glpi_is_closed() {
    let app = site(|_| {}).await;
    long_silent(&app.db, 1_500).await;
    let (close, open, reason) = CLOSED[0];
    // As soon as the first run has ended.
    app.db
        .set(&format!(
            "CREATE TRIGGER closing AFTER INSERT ON {{p}}taskjoblogs FOR EACH ROW {close}"
        ))
        .await;
    let summary = app.expiry().pass(Mode::Write).await.unwrap();
    let done = summary.total();
    assert!(done > 0 && done < 1_500, "{done}");
    assert!(
        summary
            .to_string()
            .ends_with(&format!("; {reason}: the next pass does the rest")),
        "{summary}"
    );
    app.db.set("DROP TRIGGER closing").await;
    app.db.exec(open).await;
    assert_eq!(app.expire().await, 1_500 - done);
    let line = app.db.log(1).await.pop().unwrap();
    assert!(
        line.0 == 4 && line.1 != TIMED_OUT && line.1.starts_with("Timed out: "),
        "{line:?}"
    );
}

/// Who notes a download at the moment is not waited for, and does not wait.
#[tokio::test(flavor = "multi_thread")]
async fn old_answers_are_forgotten_while_a_download_is_held() {
    let app = site(|_| {}).await;
    app.db
        .set(
            "INSERT INTO {p}sidecar_answers ({f}agents_id, sent_at, heard_at, address) VALUES \
             (1, '2026-01-01', '2026-01-01', '192.0.2.1'), (2, '2026-01-01', '2026-01-01', '192.0.2.2');
             INSERT INTO {p}sidecar_downloads (address, fetched_at) VALUES ('192.0.2.1', '2026-03-04 11:00:00'), ('192.0.2.3', '2026-01-01')",
        )
        .await;
    let mut holder = app.db.conn().await;
    holder
        .query_drop(expand(
            "BEGIN; SELECT * FROM {p}sidecar_downloads WHERE address = '192.0.2.1' FOR UPDATE",
        ))
        .await
        .unwrap();
    assert_eq!(app.expire().await, 0);
    let left: Vec<(u32, String)> = app
        .db
        .ask("SELECT {f}agents_id, (SELECT GROUP_CONCAT(address) FROM {p}sidecar_downloads) FROM {p}sidecar_answers")
        .await;
    assert_eq!(left, [(1, "192.0.2.1".to_owned())]);
    holder.query_drop("ROLLBACK").await.unwrap();
    holder.disconnect().await.unwrap();
}

/// Of two answers an hour apart that local time calls the same, the one of which nothing was heard goes.
#[tokio::test]
async fn the_hour_that_comes_twice_hides_no_answer() {
    let app = site(|settings| {
        settings.timezone = chrono_tz::Europe::Paris;
        settings.database.session_zone = SessionZone::Timezone;
    })
    .await;
    app.db
        .set(
            "SET time_zone = '+00:00'; INSERT INTO {p}sidecar_answers ({f}agents_id, sent_at, heard_at) VALUES \
             (1, '2025-10-26 00:30:00', '2025-10-26 00:30:00'), (1, '2025-10-26 01:30:00', '2025-10-26 01:30:00')",
        )
        .await;
    app.expire().await;
    let left: Vec<u32> = app.db.ask("SELECT COUNT(*) FROM {p}sidecar_answers").await;
    assert_eq!(left, [0]);
}
