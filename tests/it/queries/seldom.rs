//! What is done now and then, and not for each request.

use std::time::Duration;

use fusion_sidecar::domain::policy::Policy;
use fusion_sidecar::proto::criteria;
use mysql_async::prelude::Queryable as _;

use super::{EMPTY_GROUPS, Kind, Site, ask};
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
