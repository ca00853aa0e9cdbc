//! What `migrate` makes, against what GLPI and the plugin have.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeZone as _, Utc};
use fusion_sidecar::db::schema::{self, Report, SchemaError, SharedTables, VERSION};
use fusion_sidecar::mariadb::{self, Durability, PrivateServer, Start};
use mysql_async::prelude::Queryable as _;
use rstest::rstest;

use crate::support::database::{self, connect, empty, fresh};

const COLUMNS: &str = include_str!("../../fixtures/schema/columns.tsv");
const INDEXES: &str = include_str!("../../fixtures/schema/indexes.tsv");
const OWN: &str = "table_name NOT LIKE 'glpi\\_plugin\\_fusioninventory\\_sidecar\\_%'";

fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 3, 29, 1, 30, 0).unwrap()
}

/// Rows of a fixture without its heading, sorted: the recorded server's order of names is its collation's.
fn recorded(fixture: &str) -> Vec<String> {
    let mut rows: Vec<String> = fixture.lines().skip(1).map(str::to_owned).collect();
    rows.sort();
    rows
}

#[tokio::test]
async fn columns_are_those_of_glpi_and_the_plugin() {
    let db = fresh().await;
    let mut made: Vec<String> = db
        .rows(&format!(
            "SELECT CONCAT_WS('\\t', table_name, ordinal_position, column_name, column_type, is_nullable, IFNULL(column_default, ''), extra) \
             FROM information_schema.columns WHERE table_schema = DATABASE() AND {OWN}"
        ))
        .await;
    made.sort();
    let recorded = recorded(COLUMNS);
    assert_eq!((made.len(), recorded.len()), (1122, 1122));
    for (made, recorded) in made.iter().zip(recorded) {
        assert_eq!(*made, recorded);
    }
}

#[tokio::test]
async fn indexes_are_those_of_glpi_and_the_plugin() {
    let db = fresh().await;
    let mut made: Vec<String> = db
        .rows(&format!(
            "SELECT CONCAT_WS('\\t', table_name, index_name, 1 - non_unique, GROUP_CONCAT(column_name ORDER BY seq_in_index)) \
             FROM information_schema.statistics WHERE table_schema = DATABASE() AND {OWN} GROUP BY table_name, index_name, non_unique"
        ))
        .await;
    made.sort();
    let recorded = recorded(INDEXES);
    assert_eq!((made.len(), recorded.len()), (512, 512));
    for (made, recorded) in made.iter().zip(recorded) {
        assert_eq!(*made, recorded);
    }
}

#[tokio::test]
async fn every_table_is_innodb_with_glpis_collation() {
    let db = fresh().await;
    let kinds: Vec<(String, String, String)> = db
        .rows(
            "SELECT DISTINCT engine, table_collation, row_format FROM information_schema.tables WHERE table_schema = DATABASE()",
        )
        .await;
    assert_eq!(
        kinds,
        [(
            "InnoDB".into(),
            "utf8mb4_unicode_ci".into(),
            "Dynamic".into()
        )]
    );
}

#[tokio::test]
async fn migrating_twice_changes_nothing() {
    let db = empty().await;
    let mut conn = db.conn().await;
    let first = schema::migrate(&mut conn, true, now()).await.unwrap();
    assert_eq!(
        first,
        Report {
            shared: SharedTables::Created,
            from: None,
            version: VERSION,
            made_again: Vec::new(),
        }
    );
    db.exec(
        "UPDATE glpi_plugin_fusioninventory_sidecar_locks SET counter = 7 WHERE name = 'agent:255'",
    )
    .await;

    let again = schema::migrate(&mut conn, true, now() + Duration::from_mins(1))
        .await
        .unwrap();
    assert_eq!(
        again,
        Report {
            shared: SharedTables::Kept,
            from: Some(VERSION),
            version: VERSION,
            made_again: Vec::new(),
        }
    );
    let plain = schema::migrate(&mut conn, false, now() + Duration::from_mins(1))
        .await
        .unwrap();
    assert_eq!(
        plain,
        Report {
            shared: SharedTables::Foreign,
            from: Some(VERSION),
            version: VERSION,
            made_again: Vec::new(),
        }
    );

    let state: Vec<(u32, i64)> =
        db.rows("SELECT version, UNIX_TIMESTAMP(migrated_at) FROM glpi_plugin_fusioninventory_sidecar_schema").await;
    assert_eq!(state, [(VERSION, now().timestamp())]);
    let locks: Vec<(u32, u32)> = db
        .rows("SELECT COUNT(*), SUM(counter) FROM glpi_plugin_fusioninventory_sidecar_locks")
        .await;
    assert_eq!(locks, [(schema::AGENT_BUCKETS + schema::FOUND_BUCKETS, 7)]);
    let rows: Vec<(u32, u32)> =
        db.rows("SELECT (SELECT COUNT(*) FROM glpi_entities), (SELECT COUNT(*) FROM glpi_plugin_fusioninventory_agentmodules)").await;
    assert_eq!(rows, [(1, 7)]);
    schema::verify(&mut conn, &db.database.name).await.unwrap();
}

/// What version 1 made is kept, what has come since is made.
#[tokio::test]
async fn version_1_is_moved_on() {
    let db = fresh().await;
    db.exec(
        "DROP TABLE glpi_plugin_fusioninventory_sidecar_hours; \
         UPDATE glpi_plugin_fusioninventory_sidecar_schema SET version = 1; \
         INSERT INTO glpi_plugin_fusioninventory_sidecar_runs VALUES (1, 2, 3, NULL); \
         UPDATE glpi_plugin_fusioninventory_sidecar_locks SET counter = 7 WHERE name = 'agent:255'",
    )
    .await;
    let mut conn = db.conn().await;
    let error = schema::verify(&mut conn, &db.database.name)
        .await
        .unwrap_err();
    let lacking = "the database lacks table glpi_plugin_fusioninventory_sidecar_hours (made by `fusion-sidecar migrate`)";
    assert!(error.to_string().starts_with(lacking), "{error}");
    let report = schema::migrate(&mut conn, false, now()).await.unwrap();
    assert_eq!(
        report,
        Report {
            shared: SharedTables::Foreign,
            from: Some(1),
            version: VERSION,
            made_again: Vec::new(),
        }
    );
    assert_eq!(
        report.to_string(),
        format!("own tables moved from version 1 to {VERSION}")
    );
    schema::verify(&mut conn, &db.database.name).await.unwrap();
    let kept: Vec<(u32, u32, u32)> = db
        .rows(
            "SELECT (SELECT sends FROM glpi_plugin_fusioninventory_sidecar_runs), \
             (SELECT SUM(counter) FROM glpi_plugin_fusioninventory_sidecar_locks), \
             (SELECT COUNT(*) FROM glpi_plugin_fusioninventory_sidecar_hours)",
        )
        .await;
    assert_eq!(kept, [(3, 7, 0)]);
    let state: Vec<(u32, i64)> =
        db.rows("SELECT version, UNIX_TIMESTAMP(migrated_at) FROM glpi_plugin_fusioninventory_sidecar_schema").await;
    assert_eq!(state, [(VERSION, now().timestamp())]);
}

/// Version 3 came with what expiry notes, leases and sequences; version 5 with what is in spools, version 6 with what was changed in GLPI.
#[rstest]
#[case(2, &["answers", "downloads", "jobs", "leases", "heartbeats", "crontasks", "tasks", "sequence", "occurrences"])]
#[case(4, &["spooled"])]
#[case(5, &["snapshots", "changes"])]
#[tokio::test]
async fn later_versions_are_moved_on(#[case] version: u32, #[case] later: &[&str]) {
    let db = fresh().await;
    for table in later {
        db.exec(&format!(
            "DROP TABLE glpi_plugin_fusioninventory_sidecar_{table}"
        ))
        .await;
    }
    db.exec(&format!(
        "UPDATE glpi_plugin_fusioninventory_sidecar_schema SET version = {version}"
    ))
    .await;
    let mut conn = db.conn().await;
    let error = schema::verify(&mut conn, &db.database.name)
        .await
        .unwrap_err()
        .to_string();
    for table in later {
        let lacking = format!(
            "table glpi_plugin_fusioninventory_sidecar_{table} (made by `fusion-sidecar migrate`)"
        );
        assert!(error.contains(&lacking), "{error}");
    }
    let report = schema::migrate(&mut conn, false, now()).await.unwrap();
    assert_eq!(
        report.to_string(),
        format!("own tables moved from version {version} to {VERSION}")
    );
    schema::verify(&mut conn, &db.database.name).await.unwrap();
}

#[tokio::test]
async fn the_time_of_migration_does_not_depend_on_the_session_zone() {
    let db = empty().await;
    let mut conn = db.conn().await;
    conn.query_drop("SET time_zone = '+02:00'").await.unwrap();
    schema::migrate(&mut conn, true, now()).await.unwrap();
    let at: Vec<i64> = db
        .rows("SELECT UNIX_TIMESTAMP(migrated_at) FROM glpi_plugin_fusioninventory_sidecar_schema")
        .await;
    assert_eq!(at, [now().timestamp()]);
}

#[tokio::test]
async fn tables_of_others_keep_standalone_out() {
    let db = empty().await;
    db.exec("CREATE TABLE wp_posts (id int); CREATE TABLE glpi_tickets (id int)")
        .await;
    let error = schema::migrate(&mut db.conn().await, true, now())
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "not an empty database, it has glpi_tickets, wp_posts; `--standalone` is for one without GLPI"
    );
    let tables: Vec<String> = db.rows("SHOW TABLES").await;
    assert_eq!(tables, ["glpi_tickets", "wp_posts"]);
}

#[tokio::test]
async fn half_a_shared_schema_is_refused() {
    let db = fresh().await;
    db.exec("DROP TABLE glpi_printers, glpi_plugin_fusioninventory_tasks")
        .await;
    let error = schema::migrate(&mut db.conn().await, true, now())
        .await
        .unwrap_err();
    let SchemaError::Partial(absent) = error else {
        panic!("{error}")
    };
    assert_eq!(
        absent,
        ["glpi_printers", "glpi_plugin_fusioninventory_tasks"]
    );
}

#[tokio::test]
async fn rows_lost_to_a_cut_off_migration_come_with_the_next() {
    let db = fresh().await;
    db.exec(
        "TRUNCATE glpi_entities; TRUNCATE glpi_plugins; TRUNCATE glpi_configs; TRUNCATE glpi_plugin_fusioninventory_entities; \
         TRUNCATE glpi_plugin_fusioninventory_agentmodules; TRUNCATE glpi_plugin_fusioninventory_configs",
    )
    .await;
    schema::migrate(&mut db.conn().await, true, now())
        .await
        .unwrap();
    let entity: Vec<(u32, String)> = db.rows("SELECT id, name FROM glpi_entities").await;
    assert_eq!(entity, [(0, "Root entity".into())]);
    let counts: Vec<(u64, u64, u64, u64, u64)> = db
        .rows(
            "SELECT (SELECT COUNT(*) FROM glpi_plugins), (SELECT COUNT(*) FROM glpi_configs), \
             (SELECT COUNT(*) FROM glpi_plugin_fusioninventory_entities), \
             (SELECT COUNT(*) FROM glpi_plugin_fusioninventory_agentmodules), \
             (SELECT COUNT(*) FROM glpi_plugin_fusioninventory_configs)",
        )
        .await;
    assert_eq!(counts, [(1, 3, 1, 7, 16)]);
}

#[tokio::test]
async fn without_the_plugin_nothing_is_made() {
    let db = empty().await;
    let error = schema::migrate(&mut db.conn().await, false, now())
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("the database lacks table glpi_configs, "),
        "{error}"
    );
    let tables: Vec<String> = db.rows("SHOW TABLES").await;
    assert!(tables.is_empty(), "{tables:?}");
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let db = fresh().await;
    db.exec(
        "ALTER TABLE glpi_plugin_fusioninventory_taskjobstates DROP COLUMN max_retry; \
         ALTER TABLE glpi_computers ADD COLUMN of_a_later_version int; \
         DROP TABLE glpi_groups_users, glpi_plugin_fusioninventory_sidecar_runs",
    )
    .await;
    let error = schema::verify(&mut db.conn().await, &db.database.name)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the database lacks table glpi_groups_users, glpi_plugin_fusioninventory_taskjobstates.max_retry, \
         table glpi_plugin_fusioninventory_sidecar_runs (made by `fusion-sidecar migrate`)"
    );
}

#[tokio::test]
async fn a_later_version_is_left_alone() {
    let db = fresh().await;
    db.exec("UPDATE glpi_plugin_fusioninventory_sidecar_schema SET version = 9")
        .await;
    let mut conn = db.conn().await;
    for standalone in [false, true] {
        let error = schema::migrate(&mut conn, standalone, now())
            .await
            .unwrap_err();
        assert!(matches!(error, SchemaError::Newer { found: 9 }), "{error}");
    }
    let error = schema::verify(&mut conn, &db.database.name)
        .await
        .unwrap_err();
    assert!(matches!(error, SchemaError::Newer { found: 9 }), "{error}");
}

#[tokio::test]
async fn a_connection_without_database_is_told_so() {
    let mut conn = connect(database::socket(), None).await.unwrap();
    let error = schema::migrate(&mut conn, false, now()).await.unwrap_err();
    assert!(matches!(error, SchemaError::NoDatabase), "{error}");
}

/// The best of three: what is shown is the cost, not how busy the machine is.
#[tokio::test]
async fn a_fresh_database_takes_well_under_a_second() {
    let mut best = Duration::MAX;
    for _ in 0..3 {
        let began = Instant::now();
        let db = fresh().await;
        best = best.min(began.elapsed());
        drop(db);
    }
    assert!(best < Duration::from_millis(800), "made in {best:?}");
}

#[tokio::test]
async fn a_private_server_keeps_its_directory_and_nothing_else() {
    let home = tempfile::tempdir().unwrap();
    let start = Start {
        dir: Some(home.path().join("kept")),
        durability: Durability::Durable,
        time_zone: Some("+01:00".into()),
    };
    // What a preparation that was cut off leaves.
    std::fs::create_dir_all(home.path().join("kept/data.part/mysql")).unwrap();
    let server = PrivateServer::start(start.clone()).await.unwrap();
    let socket = server.socket().to_owned();
    let mut conn = connect(&socket, None).await.unwrap();
    conn.query_drop("CREATE DATABASE kept; CREATE TABLE kept.t (id int) ENGINE=InnoDB; INSERT INTO kept.t VALUES (1)").await.unwrap();
    conn.disconnect().await.unwrap();
    server.load_time_zones().await.unwrap();
    server.stop().await.unwrap();
    assert!(!socket.parent().unwrap().exists());

    let server = PrivateServer::start(start).await.unwrap();
    assert_eq!(
        server.database("kept").socket.as_deref(),
        Some(server.socket())
    );
    let mut conn = connect(server.socket(), None).await.unwrap();
    let row: Option<(u32, String, String)> = conn
        .query_first("SELECT (SELECT COUNT(*) FROM kept.t), @@time_zone, CONVERT_TZ('2026-07-01 12:00:00', 'UTC', 'Europe/Berlin')")
        .await
        .unwrap();
    assert_eq!(
        row,
        Some((1, "+01:00".into(), "2026-07-01 14:00:00".into()))
    );
    let socket = server.socket().to_owned();
    drop(server);
    assert!(!socket.parent().unwrap().exists());
    assert!(connect(&socket, None).await.is_err());
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why() {
    let home = tempfile::tempdir().unwrap();
    let start = Start {
        dir: Some(home.path().to_owned()),
        time_zone: Some("nowhere".into()),
        ..Start::default()
    };
    let error = PrivateServer::start(start).await.unwrap_err();
    assert!(
        matches!(error, mariadb::StartError::Ended { .. }),
        "{error}"
    );
    assert!(error.to_string().contains("nowhere"), "{error}");
}
