//! A server whose binary log holds statements: it refuses the sidecar's writes, and `check` says so beforehand.

use std::process::Stdio;
use std::sync::Arc;

use chrono::NaiveDateTime;
use fusion_sidecar::check;
use fusion_sidecar::clock::{Clock, SystemClock};
use fusion_sidecar::config::{Database, Settings};
use fusion_sidecar::db::{Db, schema};
use fusion_sidecar::mariadb::{self, Durability, Programs, Start};
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, OptsBuilder};
use tokio::process::{Child, Command};

use super::{assert_errors, assert_says};
use crate::support::listen;

/// A server with a binary log in this format; it ends with the value.
async fn logging(dir: &std::path::Path, format: &str) -> (Child, Database) {
    let (data, log, socket) = (dir.join("data"), dir.join("log"), dir.join("s"));
    let programs = Programs::find().unwrap();
    programs.install(&data, Durability::Fast).await.unwrap();
    let start = Start {
        durability: Durability::Fast,
        time_zone: Some("+00:00".into()),
        dir: None,
    };
    let line = programs.server_command(&data, &socket, &start);
    let mut server = Command::new(&line[0])
        .args(&line[1..])
        .args(["--log-bin=changes", "--server-id=1"])
        .arg(format!("--binlog-format={format}"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&log).unwrap())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    mariadb::wait_for_answer(&mut server, &socket, &log)
        .await
        .unwrap();
    (server, mariadb::database(&socket, "glpi"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_of_statements_is_an_error_with_its_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let (mut server, database) = logging(dir.path(), "STATEMENT").await;
    let socket = database.socket.as_ref().unwrap().to_string_lossy();
    let opts = OptsBuilder::default()
        .socket(Some(socket))
        .user(Some("root"));
    let mut root = Conn::new(opts).await.unwrap();
    root.query_drop(
        "CREATE DATABASE glpi CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci; USE glpi",
    )
    .await
    .unwrap();
    schema::migrate(&mut root, true, SystemClock.now())
        .await
        .unwrap();
    let mut settings = Settings::for_database(database);
    settings.server.listen = listen::free();
    settings.dispatch.public_url = Some(
        format!("http://{}", settings.server.listen)
            .parse()
            .unwrap(),
    );
    let refused = Db::new(&settings.database, "")
        .unwrap()
        .store_nonce("1", "2", NaiveDateTime::default())
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("BINLOG_FORMAT"), "{refused}");
    let check = async || check::examine(&settings, Arc::new(SystemClock)).await;
    assert_errors(
        &check().await,
        &[
            "(binlog_format=STATEMENT), and refuses every write of sessions that are READ COMMITTED, as the sidecar's are -> set binlog_format=MIXED",
        ],
    );

    root.query_drop("SET GLOBAL binlog_format = 'MIXED'")
        .await
        .unwrap();
    let report = check().await;
    assert!(!report.has_errors(), "{report}");
    assert_says(&report, "ok: addresses: ");
    server.kill().await.unwrap();
}
