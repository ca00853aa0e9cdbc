//! Beside a fleet that reports all the time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::Method;
use fusion_sidecar::app;
use fusion_sidecar::clock::ManualClock;
use fusion_sidecar::config::Settings;
use fusion_sidecar::db::{Db, schema};
use fusion_sidecar::domain::cleaning::Duty;
use fusion_sidecar::domain::policy::Policy;
use fusion_sidecar::mariadb::{Durability, PrivateServer, Start};
use fusion_sidecar::work::clean::Cleaning;
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, OptsBuilder};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::support::agent::send;
use crate::support::site::{expand, package, text};

/// A number of log lines other than the default, for one who has the time: `LINES_OF_THE_PAST=10000000`.
const PAST: &str = "LINES_OF_THE_PAST";

/// Log lines in the table; one in ten stays.
const DEFAULT_PAST: u64 = 100_000;

/// Agents, each with a run under way.
const AGENTS: u64 = 200;

/// Agents that report at the same moment.
const AT_ONCE: u64 = 8;

/// How long the fleet reports before the cleaning begins.
const BEFORE: Duration = Duration::from_secs(2);

/// How long reports took, in order.
#[derive(Default)]
struct Waits(Vec<Duration>);

impl Waits {
    fn longest(&self) -> Duration {
        self.0.last().copied().unwrap_or_default()
    }
}

impl std::fmt::Display for Waits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let at = |part: usize| {
            self.0
                .get(self.0.len() * part / 1000)
                .copied()
                .unwrap_or_default()
        };
        write!(
            f,
            "{} reports, half within {:?}, 99 % within {:?}, all within {:?}",
            self.0.len(),
            at(500),
            at(990),
            self.longest()
        )
    }
}

/// Reports of all agents in turn until `stop`.
async fn reports(origin: &str, stop: CancellationToken) -> Waits {
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..AT_ONCE {
        let (origin, stop) = (origin.to_owned(), stop.clone());
        workers.spawn(async move {
            let mut waits = Vec::new();
            for agent in (1..=AGENTS).filter(|agent| agent % AT_ONCE == worker).cycle() {
                if stop.is_cancelled() {
                    break;
                }
                let url = format!(
                    "{origin}/b/deploy/?action=setStatus&machineid=wks-{agent}&uuid=now-{agent}&status=ok&currentStep=checking&msg=ok"
                );
                let begun = Instant::now();
                let answer = send(Method::GET, &url, &[], vec![]).await;
                waits.push(begun.elapsed());
                assert_eq!(answer.status, 200);
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            waits
        });
    }
    let mut waits = Waits(workers.join_all().await.concat());
    waits.0.sort_unstable();
    waits
}

/// A run under way of each agent, and ten old generations of runs with ten lines each, the youngest of which stays.
async fn site(conn: &mut Conn, lines: u64) {
    conn.query_drop(
        "CREATE DATABASE site CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci; USE site",
    )
    .await
    .unwrap();
    let made_at = "2026-01-01T00:00:00Z".parse().unwrap();
    schema::migrate(conn, true, made_at).await.unwrap();
    let runs = lines / 10;
    let jobs = runs / 10 / AGENTS;
    let sql = format!(
        "SET SESSION sql_mode = '', unique_checks = 0;
         UPDATE {{p}}entities SET agent_base_url = 'http://glpi.example.com';
         INSERT INTO {{p}}deploypackages (id, name, json) VALUES (1, 'editor', {});
         INSERT INTO glpi_computers (id, name) SELECT seq, CONCAT('wks-', seq) FROM seq_1_to_{AGENTS};
         INSERT INTO {{p}}agents (id, name, device_id, computers_id) SELECT seq, CONCAT('wks-', seq), CONCAT('wks-', seq), seq FROM seq_1_to_{AGENTS};
         INSERT INTO {{p}}tasks (id, name, is_active, reprepare_if_successful) VALUES (1, 'office', 1, 0);
         INSERT INTO {{p}}taskjobs (id, {{f}}tasks_id, name, method, targets, actors) SELECT seq, 1, 'job', 'deployinstall', \
         '[{{\"PluginFusioninventoryDeployPackage\":\"1\"}}]', '[]' FROM seq_1_to_{jobs};
         INSERT INTO {{p}}taskjobstates (id, {{f}}taskjobs_id, items_id, itemtype, state, {{f}}agents_id, uniqid) \
         SELECT seq, 1 + (seq - 1) DIV {AGENTS} % {jobs}, 1, 'PluginFusioninventoryDeployPackage', 3, 1 + (seq - 1) % {AGENTS}, \
         CONCAT('past-', seq) FROM seq_1_to_{runs};
         INSERT INTO {{p}}taskjoblogs ({{f}}taskjobstates_id, date, state, comment) SELECT 1 + (seq - 1) DIV 10, '2025-01-01', 6, \
         'Checks: all checks have passed' FROM seq_1_to_{lines};
         INSERT INTO {{p}}taskjobstates ({{f}}taskjobs_id, items_id, itemtype, state, {{f}}agents_id, uniqid) \
         SELECT {jobs} + 1, 1, 'PluginFusioninventoryDeployPackage', 2, seq, CONCAT('now-', seq) FROM seq_1_to_{AGENTS}",
        text(&package("echo hello"))
    );
    conn.query_drop(expand(&sql)).await.unwrap();
}

/// How often somebody had to wait for a row.
async fn lock_waits(conn: &mut Conn) -> u64 {
    let row: Option<(String, u64)> = conn
        .query_first("SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_waits'")
        .await
        .unwrap();
    row.unwrap().1
}

async fn count(conn: &mut Conn, what: &str) -> u64 {
    conn.query_first(expand(&format!("SELECT COUNT(*) FROM {what}")))
        .await
        .unwrap()
        .unwrap()
}

/// With [`PAST`] in the environment that many lines are made, else [`DEFAULT_PAST`].
#[tokio::test(flavor = "multi_thread")]
#[expect(
    clippy::print_stdout,
    reason = "numbers for whoever runs this with --no-capture"
)]
async fn while_it_runs_a_report_takes_well_under_a_second() {
    let lines: u64 = std::env::var(PAST).map_or(DEFAULT_PAST, |lines| lines.parse().unwrap());
    let server = PrivateServer::start(Start {
        durability: Durability::Fast,
        time_zone: Some("+00:00".into()),
        dir: None,
    })
    .await
    .unwrap();
    let opts = OptsBuilder::default()
        .socket(Some(server.socket().to_string_lossy()))
        .user(Some("root"));
    let mut conn = Conn::new(opts).await.unwrap();
    site(&mut conn, lines).await;

    let mut settings = Settings::for_database(server.database("site"));
    settings.server.listen = ([127, 0, 0, 1], 0).into();
    settings.scheduler.enabled = false;
    settings.scheduler.monitoring_period = Duration::ZERO;
    let clock = Arc::new(ManualClock::new("2026-03-04T12:00:00Z".parse().unwrap()));
    let listener = TcpListener::bind(settings.server.listen).await.unwrap();
    let running = app::start(&settings, listener, clock.clone(), None)
        .await
        .unwrap();
    let origin = format!("http://{}", running.address);

    let stop = CancellationToken::new();
    let fleet = reports(&origin, stop.clone());
    let (quiet, ()) = tokio::join!(fleet, async {
        tokio::time::sleep(BEFORE).await;
        stop.cancel();
    });
    println!("before: {quiet}");

    let db = Db::new(&server.database("site"), "").unwrap();
    let cleaning = Cleaning::new(
        db.clone(),
        clock,
        settings.timezone,
        Policy::Redux,
        &settings.scheduler,
    );
    let waited = lock_waits(&mut conn).await;
    let stop = CancellationToken::new();
    let fleet = reports(&origin, stop.clone());
    let begun = Instant::now();
    let (busy, (summary, took)) = tokio::join!(fleet, async {
        let summary = cleaning.pass(Duty::Runs).await.unwrap();
        let took = begun.elapsed();
        stop.cancel();
        (summary, took)
    });
    println!("while {lines} lines are cleaned in {took:?} ({summary}): {busy}");
    assert_eq!(
        lock_waits(&mut conn).await,
        waited,
        "somebody waited for a row"
    );
    // A machine with much else to do shows in the reports before.
    let bound = Duration::from_secs(1) + 3 * quiet.longest();
    assert!(busy.longest() < bound, "{busy}; before: {quiet}");

    let gone = lines / 10 * 9;
    assert_eq!(
        (summary.runs, summary.lines, summary.failed),
        (gone / 10, gone, 0)
    );
    assert_eq!(
        count(&mut conn, "{p}taskjobstates WHERE state = 3").await,
        lines / 100
    );
    let reported = (quiet.0.len() + busy.0.len()) as u64;
    assert_eq!(
        count(&mut conn, "{p}taskjoblogs WHERE date < '2026-01-01'").await,
        lines / 10
    );
    assert!(count(&mut conn, "{p}taskjoblogs").await >= lines / 10 + reported);

    let begun = Instant::now();
    let again = cleaning.pass(Duty::Runs).await.unwrap();
    println!("again: {:?} ({again})", begun.elapsed());
    assert_eq!((again.runs, again.lines, again.strays), (0, 0, 0));
    db.close().await;
    running.stop().await.unwrap();
    server.stop().await.unwrap();
}
