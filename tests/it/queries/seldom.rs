//! What is done now and then, and not for each request.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fusion_sidecar::clock::ManualClock;
use fusion_sidecar::domain::policy::Policy;
use fusion_sidecar::proto::criteria;
use fusion_sidecar::work::changes::Changes;
use mysql_async::prelude::Queryable as _;

use super::{EMPTY_GROUPS, Kind, Site, ask, show};
use crate::groups::model::{leaf, stored};
use crate::support::site::expand;

/// Policy `plugin` takes an empty cache for none, as PHP does: such groups are searched beside the requests, once in a while, however many
/// requests and snapshots there are, and whether or not an agent is an actor by another group.
#[tokio::test(flavor = "multi_thread")]
async fn requests_search_for_no_members() {
    let mut site = Site::small().await;
    site.dynamic_groups().await;
    let refresh = Duration::from_millis(100);
    let running = site
        .sidecar_with(|settings| {
            settings.dispatch.policy = Policy::Plugin;
            settings.dispatch.catalogue_refresh = refresh;
            settings.database.max_connections = 4;
        })
        .await;
    let origin = format!("http://{}", running.address);
    site.set("SET GLOBAL log_output = 'TABLE', GLOBAL general_log = 1")
        .await;
    for _ in 0..20 {
        site.set("DELETE FROM {p}taskjobstates").await;
        site.prepared(1, 1).await;
        ask(&origin, 1, Kind::Config).await;
        ask(&origin, 1, Kind::Jobs).await;
        let sent: Option<u32> = site
            .conn
            .query_first(expand("SELECT state FROM {p}taskjobstates"))
            .await
            .unwrap();
        assert_eq!(sent, Some(1));
        tokio::time::sleep(refresh / 2).await;
    }
    running.stop().await.unwrap();
    let searches: Vec<(u64, u64)> = site
        .conn
        .query(
            "SELECT COUNT(*), COUNT(DISTINCT argument) FROM mysql.general_log \
             WHERE command_type = 'Execute' AND argument LIKE '%search\\_computers%'",
        )
        .await
        .unwrap();
    assert_eq!(
        searches,
        [(u64::from(EMPTY_GROUPS) + 1, u64::from(EMPTY_GROUPS) + 1)]
    );
}

/// Every search has its own text: none keeps a place among the prepared statements that a connection has room for.
#[tokio::test(flavor = "multi_thread")]
async fn searches_leave_no_prepared_statement_behind() {
    let mut site = Site::small().await;
    let running = site.sidecar().await;
    let search = async |criteria: usize, option: u32| {
        let leaves = vec![leaf(option, "contains", "wks"); criteria];
        let criteria = criteria::parse(stored(&leaves).as_bytes()).unwrap();
        let now = chrono::NaiveDateTime::default();
        let found = running.db.search_computers(&criteria, now).await.unwrap();
        let lacking = running.db.lacks_for(&criteria).await.unwrap();
        assert_eq!(found.is_err(), lacking.is_some());
        found.is_ok_and(|computers| computers.len() == 10)
    };
    site.set("ALTER TABLE glpi_computers DROP COLUMN serial")
        .await;
    let mut kept = async || {
        let rows: Vec<(String, u64)> = site
            .conn
            .query("SHOW GLOBAL STATUS LIKE 'Prepared_stmt_count'")
            .await
            .unwrap();
        rows[0].1
    };
    let before = kept().await;
    for criteria in 1..=20 {
        assert!(search(criteria, 1).await, "{criteria}");
        assert!(!search(criteria, 5).await, "there is no serial number");
    }
    assert_eq!(kept().await, before);
    running.stop().await.unwrap();
}

/// PHP leaves runs of jobs that it deleted: looking for their job costs once what the catalogue costs, not at each request.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_without_its_job_costs_nothing_each_time() {
    let mut site = Site::small().await;
    let running = site.sidecar().await;
    let origin = format!("http://{}", running.address);
    site.prepared(1, 1).await;
    site.set("UPDATE {p}taskjobstates SET {f}taskjobs_id = 99")
        .await;
    ask(&origin, 1, Kind::Config).await;
    let known = site.cost(ask(&origin, 2, Kind::Config)).await;
    let orphan = site.cost(ask(&origin, 1, Kind::Config)).await;
    running.stop().await.unwrap();
    assert_eq!(orphan.statements, known.statements, "{orphan:?}");
}

/// A look for what was changed in GLPI sends as many statements for a thousand tasks with five thousand jobs as for one.
#[tokio::test(flavor = "multi_thread")]
async fn looking_for_changes_costs_no_statement_for_each_task() {
    let mut site = Site::small().await;
    let running = site.sidecar().await;
    let clock = Arc::new(ManualClock::new("2026-03-04T12:00:00Z".parse().unwrap()));
    let changes = Changes::new(running.db.clone(), clock, chrono_tz::UTC, 365);
    let (mut costs, mut times) = (BTreeMap::new(), BTreeMap::new());
    for (names, changed) in [
        (["one task", "one of one"], 1),
        (["1,000 tasks", "250 of them"], 250),
    ] {
        if changed > 1 {
            site.tasks(2, 1_000).await;
            site.set(
                "INSERT INTO {p}taskjobs (id, {f}tasks_id, name, method, targets, actors) SELECT 1000 + seq, 1 + seq % 1000, 'job', 'deployinstall', \
                 '[{\"PluginFusioninventoryDeployPackage\":\"1\"}]', \
                 '[{\"PluginFusioninventoryDeployGroup\":\"1\"},{\"Computer\":\"7\"}]' FROM seq_1_to_4000",
            )
            .await;
        }
        // Twice, so that statements are prepared.
        for round in 0..2 {
            changes.pass().await.unwrap();
            for (name, changed) in names.into_iter().zip([0, changed]) {
                site.set(&format!(
                    "UPDATE {{p}}tasks SET comment = 'round {round}' WHERE id <= {changed}"
                ))
                .await;
                let mut found = 0;
                let begun = Instant::now();
                let work = async { found = changes.pass().await.unwrap().changes };
                costs.insert(name, site.cost(work).await);
                times.insert(name, begun.elapsed());
                assert_eq!(found, changed);
            }
        }
    }
    running.stop().await.unwrap();
    show(&format!("looks for changes, took {times:?}"), &costs);
    assert_eq!(
        costs["one task"].statements,
        costs["1,000 tasks"].statements
    );
    assert!(costs["one task"].statements <= 12, "{costs:?}");
    // Rows come in pieces of 256, 16 and one.
    assert!(
        costs["250 of them"].statements <= costs["one of one"].statements + 50,
        "{costs:?}"
    );
    assert!(times["1,000 tasks"] < Duration::from_secs(2), "{times:?}");
    let sizes: Option<(u32, u32)> = site
        .conn
        .query_first(expand("SELECT COUNT(*), CAST(AVG(LENGTH(state)) AS UNSIGNED) FROM {p}sidecar_snapshots WHERE {f}tasks_id > 0"))
        .await
        .unwrap();
    let (rows, bytes) = sizes.unwrap();
    assert!(rows == 1_000 && bytes < 1_000, "{bytes} bytes a task");
}
