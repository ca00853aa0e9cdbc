//! What others hold is in nobody's way: rows that somebody keeps locked, tables that are slow, another sidecar that writes the same.

use std::time::{Duration, Instant};

use fusion_sidecar::domain::policy::Policy;
use futures_util::future::{join, join_all};
use mysql_async::prelude::Queryable as _;
use rstest::rstest;

use crate::collect;
use crate::network;
use crate::support::app;
use crate::support::fleet;
use crate::support::network::{COLLECT, site};
use crate::support::site::expand;
use crate::support::until::{until, until_waiting};
use crate::support::wire::{MAIN, get, post, prolog};

/// How long nobody may wait for what others hold: far less than that is held, and time for a busy machine.
const SOON: Duration = Duration::from_secs(2);

/// An import by PHP that takes its time, or a forgotten console.
#[tokio::test(flavor = "multi_thread")]
async fn agents_whose_rows_are_locked_stop_no_other() {
    const HALF: u32 = 30;
    let app =
        app::start(|settings| settings.dispatch.catalogue_refresh = Duration::from_hours(1)).await;
    app.db.exec(&fleet::agents(2 * HALF)).await;
    let hello = async |agent: u32| {
        let begun = Instant::now();
        let body = prolog(&format!("wks-{agent}"));
        let answer = post(app.address(), "application/xml", body.as_bytes()).await;
        (answer.status, begun.elapsed())
    };
    hello(1).await;
    let mut holder = app.db.conn().await;
    holder
        .query_drop(expand(&format!(
            "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED;
             BEGIN; SELECT id FROM {{p}}agents WHERE id <= {HALF} FOR UPDATE"
        )))
        .await
        .unwrap();
    let free = async {
        let answers = join_all((HALF + 1..=2 * HALF).map(hello)).await;
        // And those who come while the locked ones are still waited for.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let later = hello(2 * HALF).await;
        holder.query_drop("ROLLBACK").await.unwrap();
        (answers, later)
    };
    let (locked, (free, later)) = join(join_all((1..=HALF).map(hello)), free).await;
    let slowest = free.iter().map(|(_, took)| *took).max().unwrap();
    assert!(free.iter().all(|(status, _)| *status == 200), "{free:?}");
    assert!(slowest < SOON, "{slowest:?}");
    assert!(later.0 == 200 && later.1 < SOON, "{later:?}");
    assert!(
        locked.iter().all(|(status, _)| *status == 200),
        "they were let go in time: {locked:?}"
    );
}

/// Whose row stays locked is refused in the end, and so is, at once, whoever comes when too many wait for such rows.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_locked_rows_is_bounded() {
    let app = app::start(|settings| settings.dispatch.write_queue = 3).await;
    app.db.exec(&fleet::agents(2)).await;
    let mut holder = app.db.conn().await;
    holder
        .query_drop(expand(
            "BEGIN; SELECT id FROM {p}agents WHERE id = 1 FOR UPDATE",
        ))
        .await
        .unwrap();
    let hello = async |agent: u32, after: u64| {
        tokio::time::sleep(Duration::from_millis(after)).await;
        let begun = Instant::now();
        let body = prolog(&format!("wks-{agent}"));
        let answer = post(app.address(), "application/xml", body.as_bytes()).await;
        (answer, begun.elapsed())
    };
    // One after the other, so that none is refused for the others' sake before it is known to be in the way.
    let mut answers = join_all((0..12).map(|index| hello(1, 40 * index))).await;
    for (answer, took) in &answers {
        assert_eq!(
            (answer.status, answer.header("retry-after")),
            (503, Some("60"))
        );
        assert!(*took < Duration::from_secs(8), "{took:?}");
    }
    answers.sort_by_key(|(_, took)| *took);
    assert!(
        answers[0].1 < Duration::from_millis(900),
        "{:?}",
        answers[0].1
    );
    assert!(
        answers[11].1 > Duration::from_millis(1500),
        "{:?}",
        answers[11].1
    );
    assert_eq!(hello(2, 0).await.0.status, 200);
    holder.query_drop("ROLLBACK").await.unwrap();
    assert_eq!(hello(1, 0).await.0.status, 200);
}

/// A table of findings that is slow, or that somebody holds, takes neither the connections nor the time of those who found nothing.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_found_is_stored_beside_the_others() {
    let app = app::start(|settings| {
        settings.database.max_connections = 4;
        settings.dispatch.write_queue = 5;
    })
    .await;
    crate::support::site::office(&app.db).await;
    collect::stock(&app).await;
    collect::jobs(&app, "wks-1").await;
    let mut holder = app.db.conn().await;
    holder
        .query_drop(expand("LOCK TABLES {p}collects_files_contents WRITE"))
        .await
        .unwrap();
    let forms: Vec<String> = (0..20)
        .map(|index| format!("_sid=31&path=/etc/{index}&size=12"))
        .collect();
    let found = join_all(forms.iter().map(|form| collect::posted(&app, 3, form)));
    let others = async {
        until_waiting(&app.db, "%found").await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        let begun = Instant::now();
        let body = prolog("wks-2");
        let answer = post(app.address(), "application/xml", body.as_bytes()).await;
        let took = begun.elapsed();
        holder.query_drop("UNLOCK TABLES").await.unwrap();
        (answer.status, took)
    };
    let (found, (status, took)) = join(found, others).await;
    assert!(status == 200 && took < SOON, "{status} after {took:?}");
    let (taken, refused): (Vec<_>, Vec<_>) = found.iter().partition(|answer| answer.status == 200);
    assert!(
        !taken.is_empty() && !refused.is_empty(),
        "{} taken",
        taken.len()
    );
    for answer in &refused {
        assert_eq!(
            (answer.status, answer.header("retry-after")),
            (503, Some("60"))
        );
    }
    let files: Vec<usize> = app
        .db
        .ask("SELECT COUNT(*) FROM {p}collects_files_contents")
        .await;
    assert_eq!(files, [taken.len()]);
}

/// However many find something at once, the tables without an index are read through a few times.
#[tokio::test(flavor = "multi_thread")]
async fn many_findings_are_one_reading() {
    let app = site(Policy::Redux).await;
    collect::stock(&app).await;
    collect::jobs(&app, "wks-1").await;
    let mut holder = app.db.conn().await;
    holder
        .query_drop(expand("LOCK TABLES {p}collects_files_contents WRITE"))
        .await
        .unwrap();
    let forms: Vec<String> = (0..30)
        .map(|index| format!("_sid=31&path=/etc/{index}&size=12"))
        .collect();
    let batches =
        "SELECT COALESCE(SUM(counter), 0) FROM {p}sidecar_locks WHERE name LIKE 'found:%'";
    let found = join_all(forms.iter().map(|form| collect::posted(&app, 3, form)));
    let (answers, ()) = join(found, async {
        until_waiting(&app.db, "%found").await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        holder.query_drop("UNLOCK TABLES").await.unwrap();
    })
    .await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    // All of one computer and order: one lock row, counted once in each transaction.
    let taken: Vec<u32> = app.db.ask(batches).await;
    assert!((2..=10).contains(&taken[0]), "{taken:?} transactions");
}

/// Two runs look for the same on one computer, and their answers come at two sidecars.
#[tokio::test(flavor = "multi_thread")]
async fn what_two_runs_found_is_stored_once() {
    let app = collect::collecting(Policy::Redux).await;
    app.db.run_on(4, 2, COLLECT, 1).await;
    app.db.run_on(5, 2, COLLECT, 3).await;
    collect::jobs(&app, "wks-1").await;
    let second = app.another(|_| {}).await;
    for round in 0..5 {
        app.db
            .set("DELETE FROM {p}collects_registries_contents; DELETE FROM {p}collects_files_contents")
            .await;
        let answer = async |address, run: u64, found: &str| {
            let query = format!("action=setAnswer&uuid=run-{run}&_cpt=1&{found}");
            get(address, &format!("{MAIN}b/collect/?{query}"))
                .await
                .status
        };
        let (value, file) = ("_sid=11&A=x", "_sid=31&path=/etc/hosts&size=12");
        let statuses = tokio::join!(
            answer(app.address(), 1, value),
            answer(second.address, 4, value),
            answer(app.address(), 3, file),
            answer(second.address, 5, file),
        );
        assert_eq!(statuses, (200, 200, 200, 200));
        let stored: Vec<(u32, u32)> = app
            .db
            .ask(
                "SELECT (SELECT COUNT(*) FROM {p}collects_registries_contents), \
                 (SELECT COUNT(*) FROM {p}collects_files_contents)",
            )
            .await;
        assert_eq!(stored, [(1, 1)], "round {round}");
    }
    second.stop().await.unwrap();
}

/// A discovery and an inventory of one agent tell their versions at two sidecars.
#[tokio::test(flavor = "multi_thread")]
async fn no_version_is_lost() {
    let app = network::under_way(Policy::Redux).await;
    let second = app.another(|_| {}).await;
    for round in 0..10 {
        app.db
            .set("UPDATE {p}agents SET version = '{\"INVENTORY\":\"v2.6\"}'")
            .await;
        let tell = async |address, query: &str, run: &str| {
            let body = network::message("wks-1", query, run, network::DEVICE);
            post(address, "application/xml", body.as_bytes())
                .await
                .status
        };
        let statuses = join(
            tell(app.address(), "NETDISCOVERY", "1"),
            tell(second.address, "SNMPQUERY", "2"),
        )
        .await;
        assert_eq!(statuses, (200, 200));
        let versions: Vec<String> = app
            .db
            .ask("SELECT version FROM {p}agents WHERE id = 1")
            .await;
        let versions: serde_json::Value = serde_json::from_str(&versions[0]).unwrap();
        assert_eq!(
            versions,
            serde_json::json!({"INVENTORY": "v2.6", "NETWORKDISCOVERY": "4.2", "NETWORKINVENTORY": "4.2"}),
            "round {round}"
        );
    }
    second.stop().await.unwrap();
}

/// Agent 2.6 says the end of a discovery twice. Of two messages that come at once one ends it, and the other says nothing.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_discovery_ends_once(#[values(Policy::Redux, Policy::Plugin)] policy: Policy) {
    let app = network::under_way(policy).await;
    let second = app.another(|_| {}).await;
    let body = network::message("wks-1", "NETDISCOVERY", "1", "<AGENT><END>1</END></AGENT>");
    let mut holder = app.db.conn().await;
    holder
        .query_drop(expand(
            "BEGIN; SELECT id FROM {p}taskjobstates WHERE id = 1 FOR UPDATE",
        ))
        .await
        .unwrap();
    let tell = async |address| {
        post(address, "application/xml", body.as_bytes())
            .await
            .status
    };
    let both = join(tell(app.address()), tell(second.address));
    let (statuses, ()) = join(both, async {
        // Both have read the run by then, or come after it has ended.
        until_waiting(&app.db, "lock_runs").await;
        tokio::time::sleep(Duration::from_millis(400)).await;
        holder.query_drop("ROLLBACK").await.unwrap();
    })
    .await;
    assert_eq!(statuses, (200, 200));
    until("it has ended", async || app.db.state(1).await == 3).await;
    assert_eq!(app.db.log_states(1).await, [2]);
    second.stop().await.unwrap();
}
