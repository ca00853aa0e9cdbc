//! What counting costs, what a look at all lines or at a page does, and how long reports take.
//!
//! The short form has 100 tasks; the README has the command of the full one.

#[path = "monitoring_speed/pages.rs"]
mod pages;
#[path = "monitoring_speed/reports.rs"]
mod reports;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use chrono::{NaiveDateTime, TimeDelta};

use fusion_sidecar::domain::summary::Style;
use mysql_async::prelude::Queryable as _;

use crate::support::app;
use crate::support::site::expand;

/// How many runs there are in the full form, on 1,000 tasks and 20,000 agents, with five log lines each.
const RUNS: &str = "RUNS_TO_COUNT";

/// Rows of one insert.
const ROWS: u64 = 5000;

/// What a round may take with nothing changed: a twentieth of the default period, which is what counting may cost.
const QUIET: Duration = Duration::from_millis(500);

/// What showing all lines may take.
const LOOK: Duration = Duration::from_millis(150);

#[expect(
    clippy::print_stdout,
    reason = "numbers for whoever runs this with --no-capture"
)]
fn show(line: &str) {
    println!("{line}");
}

/// When the last log lines were written; those before over so many days.
const LAST: &str = "2026-03-04T11:00:00";
const DAYS: u64 = 60;

/// The moment of a run's lines, the later the higher its number.
fn moment(id: u64, runs: u64) -> NaiveDateTime {
    let back = (runs - id) * DAYS * 86_400 / runs;
    LAST.parse::<NaiveDateTime>().unwrap() - TimeDelta::seconds(i64::try_from(back).unwrap())
}

/// Of ten runs six ended well (one of them unneeded), one badly, one each was cancelled, is prepared and is under way.
async fn fill(db: &crate::support::database::TestDb, runs: u64, tasks: u64, agents: u64) {
    db.set(&format!(
        "INSERT INTO {{p}}deploypackages (id, name, json) SELECT seq, CONCAT('package ', seq), '{{}}' FROM seq_1_to_{tasks};
         INSERT INTO {{p}}tasks (id, name, is_active) SELECT seq, CONCAT('task ', seq), 1 FROM seq_1_to_{tasks};
         INSERT INTO {{p}}taskjobs (id, {{f}}tasks_id, name, method, targets, actors) SELECT seq, seq, 'job', 'deployinstall', \
         CONCAT('[{{\"PluginFusioninventoryDeployPackage\":\"', seq, '\"}}]'), '[]' FROM seq_1_to_{tasks}"
    ))
    .await;
    let mut conn = db.conn().await;
    for first in (1..=runs).step_by(usize::try_from(ROWS).unwrap()) {
        let mut rows = expand(
            "INSERT INTO {p}taskjobstates (id, {f}taskjobs_id, items_id, itemtype, state, {f}agents_id, uniqid) VALUES ",
        );
        let mut lines = expand(
            "INSERT INTO {p}taskjoblogs ({f}taskjobstates_id, date, items_id, itemtype, state, comment) VALUES ",
        );
        for id in first..=(first + ROWS - 1).min(runs) {
            let (job, turn) = (1 + id % tasks, id / tasks);
            let agent = 1 + (turn + job * 17) % agents;
            let state = [3, 3, 3, 3, 3, 3, 4, 5, 0, 2][usize::try_from(turn % 10).unwrap()];
            let (ended, said) = match (state, turn % 10) {
                (3, 0) => (2, "job skipped"),
                (3, _) => (2, "job successfully completed"),
                (4, _) => (4, "Actions:exit 1"),
                _ => (6, "Checks:all checks are ok"),
            };
            write!(
                rows,
                "({id},{job},{job},'PluginFusioninventoryDeployPackage',{state},{agent},'u{id}'),"
            )
            .unwrap();
            let date = moment(id, runs).format("%Y-%m-%d %H:%M:%S");
            for (state, text) in [
                (7, ""),
                (1, ""),
                (6, "Checks:starting"),
                (6, "Files download:success"),
                (ended, said),
            ] {
                write!(lines, "({id},'{date}',0,'',{state},'{text}'),").unwrap();
            }
        }
        for text in [rows, lines] {
            conn.query_drop(text.trim_end_matches(',')).await.unwrap();
        }
    }
    conn.query_drop(expand("ANALYZE TABLE {p}taskjobstates, {p}taskjoblogs"))
        .await
        .unwrap();
    conn.disconnect().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn counting_costs_little_and_looking_nothing() {
    let wanted = std::env::var(RUNS).ok().map(|runs| runs.parse().unwrap());
    let (runs, tasks, agents): (u64, u64, u64) =
        wanted.map_or((20_000, 100, 2_000), |runs| (runs, 1_000, 20_000));
    let app = app::start(|_| {}).await;
    fill(&app.db, runs, tasks, agents).await;
    let monitor = app.monitor();

    let begun = Instant::now();
    let board = monitor.round().await.unwrap();
    let first = begun.elapsed();
    let counted: u64 = board
        .tasks
        .iter()
        .map(|task| task.counts.total() + task.counts.cancelled)
        .sum();
    let unneeded: u64 = board.tasks.iter().map(|task| task.counts.unneeded).sum();
    assert_eq!((board.tasks.len() as u64, counted), (tasks, runs));
    assert!(unneeded * 11 > runs && unneeded * 9 < runs, "{unneeded}");

    let mut quiet = Duration::MAX;
    for _ in 0..5 {
        let begun = Instant::now();
        monitor.round().await.unwrap();
        quiet = quiet.min(begun.elapsed());
    }

    app.db
        .set("UPDATE {p}taskjobstates SET state = 3 WHERE {f}taskjobs_id = 7 AND state = 2")
        .await;
    let begun = Instant::now();
    let board = monitor.round().await.unwrap();
    let changed = begun.elapsed();
    let line = board.tasks.iter().find(|task| task.id.0 == 7).unwrap();
    assert_eq!(line.counts.running, 0);

    let mut looks: Vec<Duration> = (0..100)
        .map(|_| {
            let begun = Instant::now();
            let board = monitor.board();
            let lines = board.tasks.iter().map(|task| task.text(Style::Plain).len());
            assert!(lines.sum::<usize>() > board.tasks.len());
            assert!(serde_json::to_string(&*board).unwrap().len() > board.tasks.len());
            begun.elapsed()
        })
        .collect();
    looks.sort_unstable();
    show(&format!(
        "{runs} runs of {tasks} tasks: all counted in {first:?}; a round with nothing changed {quiet:?}, with one task changed {changed:?}; \
         all lines as text and JSON {:?} (p95)",
        looks[94]
    ));
    assert!(looks[94] < LOOK, "{:?}", looks[94]);
    assert!(quiet < QUIET, "{quiet:?}");
    reports::all(&app, &board, agents, wanted.is_some()).await;
    pages::answer_at_once(&app, tasks, runs, wanted.is_some()).await;
}
