//! Addresses for those who watch the sidecar.

use std::net::SocketAddr;
use std::path::PathBuf;

use fusion_sidecar::db::grants::{self, Privilege};
use fusion_sidecar::telemetry::metrics::{ALL, Kind};

use crate::support::account;
use crate::support::app::{self, TestApp};
use crate::support::database;
use crate::support::heard::hearing;
use crate::support::process::{Sidecar, ask};
use crate::support::until::until;
use crate::support::wire::get;

const WATCHED: [&str; 3] = ["/sidecar/health", "/sidecar/ready", "/sidecar/metrics"];
const AGENTS: &str = "/plugins/fusioninventory/b/deploy/?action=sidecarNonce";

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_of_their_own_takes_them_from_agents() {
    let db = database::fresh().await;
    let mut sidecar = Sidecar::on(&db, &["--ops-listen", "127.0.0.2:0"]);
    let line = sidecar.line("answering operators");
    let port = line.rsplit_once("127.0.0.2:").unwrap().1.trim();
    let watched: SocketAddr = format!("127.0.0.2:{port}").parse().unwrap();
    let status = |address, path| ask(address, "GET", path, "").unwrap().0;

    for path in WATCHED {
        assert_eq!(status(watched, path), 200, "{path}");
        assert_eq!(status(sidecar.address, path), 404, "{path}");
    }
    assert_eq!(status(sidecar.address, AGENTS), 200);
    assert_eq!(status(watched, AGENTS), 404);

    sidecar.signal("TERM");
    assert_eq!(sidecar.ended().0.code(), Some(0));
    assert!(ask(watched, "GET", WATCHED[0], "").is_err());
}

#[tokio::test]
async fn that_listener_speaks_plain_http_beside_tls() {
    let dir = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let files: [PathBuf; 2] = ["cert.pem", "key.pem"].map(|name| dir.path().join(name));
    std::fs::write(&files[0], made.cert.pem()).unwrap();
    std::fs::write(&files[1], made.signing_key.serialize_pem()).unwrap();
    let [certificate, key] = files;
    let app = app::start(|_| {}).await;
    let running = app
        .another(|settings| {
            settings.server.tls = Some((certificate, key));
            settings.server.ops_listen = Some(([127, 0, 0, 1], 0).into());
        })
        .await;
    let answer = get(running.ops_address.unwrap(), "/sidecar/ready").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "ready\n"));
    running.stop().await.unwrap();
}

#[tokio::test]
async fn an_address_that_is_taken_is_said() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let db = database::fresh().await;
    let mut settings = fusion_sidecar::config::Settings::for_database(db.database.clone());
    settings.server.ops_listen = Some(address);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let clock = std::sync::Arc::new(fusion_sidecar::clock::SystemClock);
    let refused = fusion_sidecar::app::start(&settings, listener, clock, None).await;
    let error = format!("{:#}", refused.unwrap_err());
    let expected = format!("cannot listen on {address}: Address already in use");
    assert!(error.starts_with(&expected), "{error}");
}

/// Probes come every few seconds: the log has a line when they are told another thing.
#[test]
fn a_change_of_readiness_is_logged_once() {
    hearing(async |heard| {
        let app = app::start(|_| {}).await;
        let probe = async |expected: u16| {
            for _ in 0..3 {
                let answer = get(app.address(), "/sidecar/ready").await;
                assert_eq!(answer.status, expected, "{answer:?}");
            }
        };
        let warnings = || heard.warnings("").len();
        probe(200).await;
        assert_eq!(warnings(), 0);
        let maintenance = async |on: u8| {
            app.db
                .set(&format!(
                    "UPDATE glpi_configs SET value = '{on}' WHERE name = 'maintenance_mode'"
                ))
                .await;
        };
        for told in 1..=2 {
            maintenance(1).await;
            probe(503).await;
            assert_eq!(warnings(), told, "{:?}", heard.warnings(""));
            maintenance(0).await;
            probe(200).await;
            assert_eq!(warnings(), told, "{:?}", heard.warnings(""));
        }
        assert_eq!(heard.warnings("agents are not answered").len(), 2);
    });
}

/// Waits until probes are told `body`, with 503 unless they are told that all is well.
async fn told(app: &TestApp, body: &str) {
    until(body, async || {
        let answer = get(app.address(), "/sidecar/ready").await;
        let status = if body == "ready\n" { 200 } else { 503 };
        answer.status == status && answer.body == body
    })
    .await;
}

/// One that every request reads through the catalogue, one that only some requests need, one of the sidecar's own.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_gone_is_named() {
    for (table, hint) in [
        ("tasks", ""),
        ("taskjoblogs", ""),
        ("sidecar_runs", " (made by `fusion-sidecar migrate`)"),
    ] {
        let app = app::start(|_| {}).await;
        app.db
            .set(&format!("RENAME TABLE {{p}}{table} TO {{p}}elsewhere"))
            .await;
        let answer = get(app.address(), "/sidecar/ready").await;
        let lacks = format!("the database lacks table fusioninventory_{table}{hint}\n");
        assert_eq!((answer.status, answer.body), (503, lacks));
        app.db
            .set(&format!("RENAME TABLE {{p}}elsewhere TO {{p}}{table}"))
            .await;
        told(&app, "ready\n").await;
        // That all was well does not stand for long.
        if table == "tasks" {
            app.db.set("DROP TABLE {p}tasks").await;
            let lacks = "the database lacks table fusioninventory_tasks\n";
            told(&app, lacks).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_is_missing_is_named() {
    let db = database::fresh().await;
    let account = account::sidecar(&db).await;
    let app = app::start_on(db, |settings| settings.database = account.database.clone()).await;
    let mut lacking = grants::needed()
        .into_iter()
        .find(|grant| grant.table.ends_with("_taskjoblogs"))
        .unwrap();
    lacking.privileges = vec![Privilege::Insert];
    account::revoke(&app.db, &account, &lacking).await;
    let lacks = "the database lacks rights on fusioninventory_taskjoblogs (INSERT)\n";
    told(&app, lacks).await;
    let given = lacking.statement(&app.db.database.name, &account.name);
    app.db.exec(&given).await;
    told(&app, "ready\n").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_counter_is_there_from_the_start() {
    let db = database::fresh().await;
    let sidecar = Sidecar::on(&db, &[]);
    let (status, shown) = sidecar.get("/sidecar/metrics");
    assert_eq!(status, 200);
    for metric in ALL.iter().filter(|metric| metric.kind == Kind::Counter) {
        let line = format!("{} 0", metric.name);
        assert!(shown.lines().any(|shown| shown == line), "{line}:\n{shown}");
    }
    // The one that asks.
    let open = "fusion_sidecar_connections_open 1";
    assert!(shown.lines().any(|shown| shown == open), "{shown}");
}
