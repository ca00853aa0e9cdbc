//! Several sidecars on one database: which one leads, and that no two do the same at once.

use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable as _;

use crate::support::database::{TestDb, fresh};
use crate::support::process::{LIMIT, Sidecar, run, told, url};
use crate::support::site::{expand, office};
use crate::support::until::{until, until_waiting};

/// `serve` that prepares every second, with a lease of so many.
fn serve(db: &TestDb, lease: &str, more: &[&str]) -> Sidecar {
    let mut all = vec![
        "--timezone",
        "UTC",
        "--scheduler-period",
        "1",
        "--lease",
        lease,
    ];
    all.extend(more);
    Sidecar::serve(&all, &[("FUSION_SIDECAR_DATABASE_URL", &url(db))])
}

fn leads(sidecar: &Sidecar) -> bool {
    let (status, metrics) = sidecar.get("/sidecar/metrics");
    assert_eq!(status, 200);
    metrics.contains("\nfusion_sidecar_leader 1\n")
}

async fn one_that_leads(sidecars: [Sidecar; 2]) -> (Sidecar, Sidecar) {
    until("one leads", async || sidecars.iter().any(leads)).await;
    let [one, two] = sidecars;
    assert!(leads(&one) != leads(&two), "only one leads");
    if leads(&one) { (one, two) } else { (two, one) }
}

/// What there is to prepare is prepared again.
async fn until_prepared(db: &TestDb) {
    db.set("DELETE FROM {p}taskjobstates").await;
    until("a run is prepared", async || db.states().await == [0]).await;
}

/// Somebody else has a lease for so many seconds.
async fn held_by_another(db: &TestDb, name: &str, seconds: u32) {
    db.set(&format!(
        "REPLACE INTO {{p}}sidecar_leases (name, holder, host, until) VALUES \
         ('{name}', 'another', 'glpi-9', UTC_TIMESTAMP(6) + INTERVAL {seconds} SECOND)"
    ))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_takes_over_from_a_killed_leader_when_its_lease_ends() {
    let db = fresh().await;
    office(&db).await;
    let pair = [serve(&db, "3", &[]), serve(&db, "3", &[])];
    let (leader, mut other) = one_that_leads(pair).await;
    until_prepared(&db).await;
    assert!(!other.log().iter().any(|line| line.contains("leads")));
    let killed = Instant::now();
    leader.signal("KILL");
    other.line("this sidecar leads");
    until_prepared(&db).await;
    // Lease and period, and what a busy machine takes.
    let took = killed.elapsed();
    assert!(took < Duration::from_secs(3 + 1 + 6), "{took:?}");
    assert!(leads(&other));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_stops_hands_over_at_once() {
    let db = fresh().await;
    office(&db).await;
    let pair = [serve(&db, "600", &[]), serve(&db, "600", &[])];
    let (mut leader, mut other) = one_that_leads(pair).await;
    until_prepared(&db).await;
    leader.signal("TERM");
    assert_eq!(leader.ended().0.code(), Some(0));
    other.line("this sidecar leads");
    until_prepared(&db).await;
}

/// The pass of a leader that was paused waits in the middle of job 1; when it goes on another one leads.
#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_was_paused_ends_its_pass_before_the_next_piece() {
    let db = fresh().await;
    office(&db).await;
    db.set(
        "INSERT INTO {p}taskjobs (id, {f}tasks_id, name, method, targets, actors) VALUES \
         (2, 1, 'job 2', 'deployinstall', '[{\"PluginFusioninventoryDeployPackage\":\"1\"}]', '[{\"Computer\":\"1\"}]')",
    )
    .await;
    let mut holder = db.conn().await;
    holder
        .query_drop(expand(
            "BEGIN; INSERT INTO {p}sidecar_locks (name) VALUES ('job:1')",
        ))
        .await
        .unwrap();
    let mut leader = serve(&db, "600", &["--database-timeout", "60"]);
    leader.line("this sidecar leads");
    until_waiting(&db, "lock_job").await;
    leader.signal("STOP");
    // As when its lease has ended, and another one has taken it.
    held_by_another(&db, "leader", 600).await;
    holder.query_drop("ROLLBACK").await.unwrap();
    leader.signal("CONT");
    leader.line("lease-lost");
    let jobs: Vec<u32> = db
        .ask("SELECT DISTINCT {f}taskjobs_id FROM {p}taskjobstates WHERE {f}taskjobs_id > 1")
        .await;
    assert_eq!(jobs, [0; 0], "job 2 is not its own to prepare any more");
    holder.disconnect().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn once_waits_for_its_turn_but_not_for_ever() {
    let db = fresh().await;
    office(&db).await;
    let url = url(&db);
    let once = |lease: &str| {
        let arguments = ["once", "prepare", "--lease", lease];
        told(&run(
            &arguments,
            &[("FUSION_SIDECAR_DATABASE_URL", url.as_str())],
        ))
    };
    held_by_another(&db, "prepare", 600).await;
    let (code, out, log) = once("2");
    assert_eq!((code, out.as_str()), (1, ""), "{log}");
    assert!(log.contains("glpi-9 is at it"), "{log}");
    assert_eq!(db.states().await, [0_u32; 0]);
    // A turn that is lost while it waits is not needed; the leader's lease is none of its business.
    held_by_another(&db, "leader", 600).await;
    held_by_another(&db, "prepare", 2).await;
    let begun = Instant::now();
    let (code, out, log) = once("10");
    assert!(
        code == 0 && out.contains("1 runs prepared"),
        "{code} {out} {log}"
    );
    assert!(begun.elapsed() > Duration::from_secs(1), "{log}");
    // It gave the turn back.
    let (code, _, log) = once("600");
    assert!(code == 0 && !log.contains("waiting"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_leaves_out_a_pass_while_once_is_at_it() {
    let db = fresh().await;
    office(&db).await;
    held_by_another(&db, "prepare", 600).await;
    let mut sidecar = serve(&db, "600", &[]);
    sidecar.line("another one is at it");
    assert_eq!(db.states().await, [0_u32; 0]);
    db.set("UPDATE {p}sidecar_leases SET holder = '' WHERE name = 'prepare'")
        .await;
    until("a run is prepared", async || db.states().await == [0]).await;
    // And `once` finds its turn beside a `serve` that prepares every second.
    let (code, out, log) = told(&run(
        &["once", "prepare"],
        &[("FUSION_SIDECAR_DATABASE_URL", &url(&db))],
    ));
    assert!(code == 0 && out.contains("up to date"), "{out}{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn heartbeats_tell_who_did_what_and_go_with_the_sidecar() {
    let db = fresh().await;
    office(&db).await;
    db.set(
        "INSERT INTO {p}sidecar_heartbeats (instance, duty, host, version, seen_at, started_at) VALUES \
         ('gone', 'serve', 'old', '0', UTC_TIMESTAMP(6) - INTERVAL 8 DAY, '2020-01-01'), \
         ('quiet', 'serve', 'old', '0', UTC_TIMESTAMP(6) - INTERVAL 6 DAY, '2020-01-01')",
    )
    .await;
    let sidecar = serve(&db, "3", &[]);
    let duties = async || -> Vec<(String, String, u64)> {
        db.ask(
            "SELECT duty, result, next_at > ended_at FROM {p}sidecar_heartbeats \
             WHERE instance NOT IN ('gone', 'quiet') AND ended_at IS NOT NULL ORDER BY duty",
        )
        .await
    };
    until("all duties are done", async || duties().await.len() == 6).await;
    let off = "off by the plugin's clean_on_demand_tasks";
    let expected = [
        ("changes", "ok"),
        ("clean", "ok"),
        ("cleanondemand", off),
        ("expire", "ok"),
        ("prepare", "ok"),
        ("wakeup", "ok"),
    ];
    assert_eq!(
        duties().await,
        expected.map(|(duty, result)| (duty.to_owned(), result.to_owned(), 1))
    );
    let old: Vec<String> = db
        .ask("SELECT instance FROM {p}sidecar_heartbeats WHERE host = 'old'")
        .await;
    assert_eq!(old, ["quiet"]);
    let (_, metrics) = sidecar.get("/sidecar/metrics");
    for duty in [
        "prepare",
        "clean",
        "cleanondemand",
        "expire",
        "wakeup",
        "changes",
    ] {
        let line = format!("\nfusion_sidecar_duty_last_end_timestamp_seconds{{duty=\"{duty}\"}} 1");
        assert!(metrics.contains(&line), "{metrics}");
    }

    let url = url(&db);
    let environment = [("FUSION_SIDECAR_DATABASE_URL", url.as_str())];
    let checked = || told(&run(&["check", "--timezone", "UTC"], &environment)).1;
    let said = checked();
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let host = host.trim();
    for line in [
        format!("ok: scheduler: last preparation by {host} at 2"),
        format!("ok: scheduler: last cleaning by {host} at 2"),
        format!("ok: scheduler: the sidecar at {host} leads"),
        "ok: scheduler: last sign of life of a sidecar (".to_owned(),
    ] {
        assert!(said.contains(&line), "'{line}' is missing:\n{said}");
    }
    drop(sidecar);
    db.set("UPDATE {p}sidecar_heartbeats SET seen_at = seen_at - INTERVAL 1 HOUR")
        .await;
    let silent = "warning: scheduler: nobody prepares runs: GLPI's cron task is off";
    let said = checked();
    assert!(said.contains(silent), "{said}");
    db.set("INSERT INTO glpi_crontasks (itemtype, name, frequency, state) VALUES ('PluginFusioninventoryTask', 'taskscheduler', 60, 1)")
        .await;
    let said = checked();
    assert!(!said.contains(silent), "{said}");

    // However often: one row a duty and machine.
    for _ in 0..2 {
        assert_eq!(told(&run(&["once", "clean"], &environment)).0, 0);
    }
    let once: Vec<(String, u64)> = db
        .ask("SELECT duty, next_at IS NULL FROM {p}sidecar_heartbeats WHERE instance LIKE 'once %'")
        .await;
    assert_eq!(once, [("clean".to_owned(), 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_the_cron_of_glpi_only_when_it_is_asked_to() {
    let db = fresh().await;
    office(&db).await;
    db.set("INSERT INTO glpi_crontasks (itemtype, name, frequency, state) VALUES ('PluginFusioninventoryTask', 'taskscheduler', 60, 1)")
        .await;
    let mut sidecar = serve(&db, "3", &[]);
    sidecar.line("GLPI's cron task 'taskscheduler' is on");
    assert_eq!(db.states().await, [0_u32; 0]);
    drop(sidecar);
    let _forced = serve(&db, "3", &["--scheduler-beside-cron", "on"]);
    until("a run is prepared", async || db.states().await == [0]).await;
}

/// A signal ends a pass by hand, and the next one need not wait for its turn to run out.
#[tokio::test(flavor = "multi_thread")]
async fn once_gives_its_turn_back_when_it_is_stopped() {
    let db = fresh().await;
    office(&db).await;
    let mut holder = db.conn().await;
    holder
        .query_drop(expand(
            "BEGIN; INSERT INTO {p}sidecar_locks (name) VALUES ('job:1')",
        ))
        .await
        .unwrap();
    let url = url(&db);
    let environment = [("FUSION_SIDECAR_DATABASE_URL", url.as_str())];
    let mut child = crate::support::process::spawn(
        &[
            "once",
            "prepare",
            "--lease",
            "600",
            "--database-timeout",
            "60",
        ],
        &environment,
    );
    until_waiting(&db, "lock_job").await;
    let status = std::process::Command::new("/bin/kill")
        .args(["-TERM", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(status.success());
    let begun = Instant::now();
    let status = child.wait().unwrap();
    assert!(status.code() == Some(1) && begun.elapsed() < LIMIT);
    holder.query_drop("ROLLBACK").await.unwrap();
    holder.disconnect().await.unwrap();
    let (code, out, log) = told(&run(&["once", "prepare", "--lease", "600"], &environment));
    assert!(code == 0 && out.contains("1 runs prepared"), "{out}{log}");
}
