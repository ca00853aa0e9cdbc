//! What others change meanwhile is found.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fusion_sidecar::domain::summary::Board;

use super::{counted, line, office_apps};
use crate::support::app::{self, TestApp};
use crate::support::campaign::{Runs, add};
use crate::support::process::LIMIT;
use crate::support::site::office;

/// What the line of task 8 says of ok, ko, unneeded and all.
fn numbers(board: &Board) -> (u64, u64, u64, u64) {
    let counts = line(board, 8).counts;
    (counts.ok, counts.ko, counts.unneeded, counts.total())
}

#[tokio::test]
async fn a_round_finds_whatever_was_written_past_it() {
    let app = app::start(|_| {}).await;
    office_apps(&app.db).await;
    assert_eq!(numbers(&*counted(&app).await), (50, 12, 3, 80));
    for (change, expected) in [
        // A run ends, without a line.
        (
            "UPDATE {p}taskjobstates SET state = 3 WHERE {f}agents_id = 40 AND items_id = 11",
            (51, 12, 3, 80),
        ),
        // Two change places: as many in each state as before, but not of each package.
        (
            "UPDATE {p}taskjobstates SET state = 7 - state WHERE ({f}agents_id, items_id) IN ((32, 11), (1, 12))",
            (51, 12, 3, 80),
        ),
        (
            "DELETE FROM {p}taskjobstates WHERE {f}agents_id = 40",
            (50, 12, 3, 78),
        ),
        // One goes as another comes.
        (
            "DELETE FROM {p}taskjobstates WHERE {f}agents_id = 39 AND items_id = 12; \
          INSERT INTO {p}taskjobstates ({f}taskjobs_id, items_id, itemtype, state, {f}agents_id) \
          VALUES (80, 11, 'PluginFusioninventoryDeployPackage', 0, 41)",
            (50, 12, 3, 78),
        ),
        // A line that comes after its run was counted as ended.
        (
            "INSERT INTO {p}taskjoblogs ({f}taskjobstates_id, items_id, itemtype, state, comment) \
          SELECT id, 0, '', 2, 'job skipped' FROM {p}taskjobstates WHERE {f}agents_id = 2 AND items_id = 11",
            (49, 12, 4, 78),
        ),
        // Lines that vanish while their runs stay: a small site is counted again in each round.
        (
            "DELETE FROM {p}taskjoblogs WHERE comment = 'job skipped'",
            (53, 12, 0, 78),
        ),
        // And a target that is another one.
        (
            "UPDATE {p}taskjobstates SET items_id = 12 WHERE items_id = 11 AND {f}agents_id = 41",
            (53, 12, 0, 78),
        ),
        (
            "UPDATE {p}taskjobstates SET state = 9 WHERE items_id = 12 AND {f}agents_id = 41",
            (53, 12, 0, 77),
        ),
    ] {
        app.db.set(change).await;
        let board = counted(&app).await;
        assert_eq!(numbers(&board), expected, "{change}");
        assert_eq!(by_package(&board), truth(&app).await, "{change}");
    }
    app.db.set("DELETE FROM {p}tasks WHERE id = 8").await;
    assert_eq!(counted(&app).await.tasks, []);
}

/// Of each package: all runs and those that ended well.
fn by_package(board: &Board) -> Vec<(u32, u64, u64)> {
    let parts = line(board, 8).sections[0].parts.iter();
    let parts = parts.map(|part| {
        let counts = part.counts;
        (part.items_id, counts.total(), counts.ok + counts.unneeded)
    });
    let mut parts: Vec<_> = parts.collect();
    parts.sort_unstable();
    parts
}

/// The same by a query of its own: here each pair of package and agent has one run.
async fn truth(app: &TestApp) -> Vec<(u32, u64, u64)> {
    app.db
        .ask(
            "SELECT items_id, COUNT(*), CAST(SUM(state = 3) AS UNSIGNED) FROM {p}taskjobstates \
             WHERE {f}taskjobs_id = 80 AND state <= 6 GROUP BY items_id ORDER BY items_id",
        )
        .await
}

/// Waits for a board that `holds`: how long it took.
async fn shown(app: &TestApp, holds: impl Fn(&Board) -> bool) -> Duration {
    let begun = Instant::now();
    let mut boards = app.monitor().subscribe();
    let waiting = boards.wait_for(|board| holds(board));
    let found = tokio::time::timeout(LIMIT, waiting).await;
    found.expect("it was not shown").unwrap();
    begun.elapsed()
}

/// The staleness of a period, and what a loaded machine adds.
#[tokio::test(flavor = "multi_thread")]
async fn raw_updates_and_deletes_are_shown_within_the_staleness() {
    let db = crate::support::database::fresh().await;
    office_apps(&db).await;
    let period = Duration::from_secs(1);
    let app = app::start_on(db, |settings| {
        settings.scheduler.monitoring_period = period;
    })
    .await;
    shown(&app, |board| {
        board.tasks.len() == 1 && numbers(board) == (50, 12, 3, 80)
    })
    .await;
    app.db
        .set("UPDATE {p}taskjobstates SET state = 4 WHERE state = 0")
        .await;
    let updated = shown(&app, |board| numbers(board) == (50, 25, 3, 80)).await;
    app.db
        .set("DELETE FROM {p}taskjobstates WHERE state = 4")
        .await;
    let deleted = shown(&app, |board| numbers(board) == (50, 0, 3, 55)).await;
    for took in [updated, deleted] {
        assert!(took < period * 5, "{took:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn own_writes_are_shown_at_once() {
    let db = crate::support::database::fresh().await;
    office(&db).await;
    let hour = Duration::from_hours(1);
    let app = app::start_on(db, |settings| settings.scheduler.monitoring_period = hour).await;
    shown(&app, |board| board.tasks.len() == 1).await;
    let is = |states: [u64; 4]| {
        move |board: &Board| {
            let counts = line(board, 1).counts;
            [
                counts.prepared,
                counts.sent,
                counts.running,
                counts.unneeded,
            ] == states
        }
    };
    app.prepare().await.unwrap();
    shown(&app, is([1, 0, 0, 0])).await;
    app.jobs("wks-1").await;
    shown(&app, is([0, 1, 0, 0])).await;
    let uniqid: Vec<String> = app.db.ask("SELECT uniqid FROM {p}taskjobstates").await;
    let report = |words: &str| {
        format!(
            "action=setStatus&machineid=wks-1&part=job&uuid={}&{words}",
            uniqid[0]
        )
    };
    app.tell(&report("currentStep=checking&msg=starting")).await;
    shown(&app, is([0, 0, 1, 0])).await;
    app.tell(&report("currentStep=checking&status=ok&msg=job%20skipped"))
        .await;
    shown(&app, is([0, 0, 0, 1])).await;
}

/// While others write, no count mixes what was before and after one statement, and the last one is right.
#[tokio::test(flavor = "multi_thread")]
async fn counts_stay_whole_while_runs_move() {
    let app = app::start(|_| {}).await;
    office_apps(&app.db).await;
    add(&app.db, &[Runs::of_package(80, 12, (100, 500), 0)]).await;
    let done = Arc::new(AtomicBool::new(false));
    let writing = {
        let done = Arc::clone(&done);
        let mut conn = app.db.conn().await;
        tokio::spawn(async move {
            use mysql_async::prelude::Queryable as _;
            for agent in 100..600 {
                let state = if agent % 3 == 0 { 4 } else { 3 };
                conn.query_drop(crate::support::site::expand(&format!(
                    "UPDATE {{p}}taskjobstates SET state = {state} WHERE {{f}}agents_id = {agent}"
                )))
                .await
                .unwrap();
            }
            done.store(true, Ordering::SeqCst);
        })
    };
    let (mut rounds, mut ended) = (0, 0);
    while !done.load(Ordering::SeqCst) && rounds < 100_000 {
        let board = counted(&app).await;
        let counts = line(&board, 8).counts;
        assert_eq!(counts.total(), 580);
        assert!(counts.ended() >= ended, "{counts:?} after {ended}");
        ended = counts.ended();
        rounds += 1;
    }
    writing.await.unwrap();
    assert!(rounds > 0);
    let board = counted(&app).await;
    assert_eq!(by_package(&board), truth(&app).await);
    assert_eq!(line(&board, 8).counts.ended(), 65 + 500);
}

#[tokio::test]
async fn a_failure_keeps_what_was_counted_and_what_was_written() {
    let app = app::start(|_| {}).await;
    office(&app.db).await;
    counted(&app).await;
    app.prepare().await.unwrap();
    app.db
        .set("RENAME TABLE {p}taskjoblogs TO {p}elsewhere")
        .await;
    assert!(app.monitor().round().await.is_err());
    assert_eq!(line(&app.monitor().board(), 1).counts.total(), 0);
    app.db
        .set("RENAME TABLE {p}elsewhere TO {p}taskjoblogs")
        .await;
    assert_eq!(line(&*counted(&app).await, 1).counts.total(), 1);
}
