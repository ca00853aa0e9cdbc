//! `check`: what it says of a first day's mistakes.

#[path = "check/crons.rs"]
mod crons;
#[path = "check/hours.rs"]
mod hours;
#[path = "check/maintenance.rs"]
mod maintenance;
#[path = "check/modes.rs"]
mod modes;
#[path = "check/ops.rs"]
mod ops;
#[path = "check/pages.rs"]
mod pages;
#[path = "check/rights.rs"]
mod rights;
#[path = "check/sequence.rs"]
mod sequence;
#[path = "check/server.rs"]
mod server_log;
#[path = "check/wakeup.rs"]
mod wakeup;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Redirect, Response};
use chrono_tz::Tz;
use fusion_sidecar::check::{self, Report};
use fusion_sidecar::clock::SystemClock;
use fusion_sidecar::config::{Database, Settings};
use fusion_sidecar::db::{grants, schema};
use tokio::net::TcpListener;

use crate::support::account::{self, PASSWORD};
use crate::support::app;
use crate::support::database::{TestDb, empty, fresh};
use crate::support::listen::{free, serving};

/// An installation in which nothing is wrong.
struct Site {
    db: TestDb,
    documents: tempfile::TempDir,
    settings: Settings,
}

impl Site {
    /// On `db`, for an account of its own if `account` is given; agents are sent to the listener itself.
    async fn on(db: TestDb, database: Database) -> Self {
        let documents = tempfile::tempdir().unwrap();
        for part in ["repository", "manifests"] {
            std::fs::create_dir_all(documents.path().join("files").join(part)).unwrap();
        }
        let mut settings = Settings::for_database(database);
        settings.server.listen = free();
        // Whatever the limit of open files is where the tests run.
        settings.server.max_connections = 100;
        settings.dispatch.plugin_doc_dir = Some(documents.path().to_owned());
        settings.upstream_url = Some(format!("http://{}", plugin().await).parse().unwrap());
        let site = Self {
            db,
            documents,
            settings,
        };
        let listen = site.settings.server.listen;
        site.send_agents_to(&format!("http://{listen}")).await;
        site
    }

    async fn new() -> Self {
        let db = fresh().await;
        let database = db.database.clone();
        Self::on(db, database).await
    }

    async fn send_agents_to(&self, url: &str) {
        self.db
            .exec(&format!("UPDATE glpi_plugin_fusioninventory_entities SET agent_base_url = '{url}' WHERE id = 1"))
            .await;
    }

    async fn check(&self) -> Report {
        check::examine(&self.settings, Arc::new(SystemClock)).await
    }
}

/// PHP with the plugin, as far as `check` asks it.
async fn plugin() -> SocketAddr {
    serving(Router::new().fallback(async |uri: Uri| -> Response {
        let php = [("x-powered-by", "PHP/8.2.7")];
        match (uri.path(), uri.query()) {
            ("/plugins/fusioninventory/", Some(query)) if query.contains("action=getConfig") => (
                StatusCode::BAD_REQUEST,
                [("server-type", "glpi/fusioninventory 10.0.6+1.1")],
                php,
            )
                .into_response(),
            ("/plugins/fusioninventory/b/deploy/", _) => (php, "{}").into_response(),
            _ => StatusCode::NOT_FOUND.into_response(),
        }
    }))
    .await
}

/// The lines of `report` that begin with `severity`.
fn lines(report: &Report, severity: &str) -> Vec<String> {
    let begin = format!("{severity}: ");
    report
        .0
        .iter()
        .map(ToString::to_string)
        .filter(|line| line.starts_with(&begin))
        .collect()
}

/// There are as many errors as `expected` parts, each in a line of its own, and every one says how to mend it.
#[track_caller]
fn assert_errors(report: &Report, expected: &[&str]) {
    let errors = lines(report, "error");
    for part in expected {
        assert!(
            errors.iter().any(|line| line.contains(part)),
            "no error says '{part}':\n{report}"
        );
    }
    assert_eq!(errors.len(), expected.len(), "{report}");
    assert!(errors.iter().all(|line| line.contains(" -> ")), "{report}");
}

#[track_caller]
fn assert_says(report: &Report, line: &str) {
    assert!(
        report
            .to_string()
            .lines()
            .any(|said| said.starts_with(line)),
        "'{line}' is missing:\n{report}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_wrong_before_the_first_start_and_nothing_stays_behind() {
    let site = Site::new().await;
    let report = site.check().await;
    assert_eq!(
        (lines(&report, "error"), lines(&report, "warning")),
        (vec![], vec![]),
        "{report}"
    );
    let listen = site.settings.server.listen;
    assert_says(&report, &format!("ok: listener: {listen} is free"));
    assert_says(
        &report,
        &format!(
            "ok: addresses: http://{listen}/plugins/fusioninventory/b/deploy/ (entity 0) leads here"
        ),
    );
    assert_says(
        &report,
        &format!(
            "ok: grants: all rights on {} tables",
            grants::needed().len()
        ),
    );
    assert_says(&report, "ok: upstream: ");
    assert!(report.to_string().ends_with("0 errors, 0 warnings"));

    let nonces: Vec<u32> = site
        .db
        .rows("SELECT COUNT(*) FROM glpi_plugin_fusioninventory_sidecar_nonces")
        .await;
    assert_eq!(nonces, [0]);
    TcpListener::bind(listen)
        .await
        .expect("the listener of the check is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_sidecar_is_recognised_and_another_one_told_from_it() {
    let mut site = Site::new().await;
    let (ours, theirs) = (site.db.database.clone(), app::start(|_| {}).await);
    let running = app::start_on(fresh().await, |settings| settings.database = ours).await;
    site.settings.server.listen = running.address();
    site.send_agents_to(&format!("http://{}", running.address()))
        .await;
    let report = site.check().await;
    assert_says(
        &report,
        &format!("ok: listener: a sidecar answers on {}", running.address()),
    );
    assert!(!report.has_errors(), "{report}");

    site.settings.server.listen = theirs.address();
    assert_errors(
        &site.check().await,
        &["a sidecar on another database answers on"],
    );

    site.settings.server.listen = plugin().await;
    assert_errors(&site.check().await, &["another program listens on"]);

    // The database is gone for both: what answers 503 is not to be stopped for that.
    let health = axum::routing::get(|| async { "ok\n" });
    let waiting = Router::new()
        .route("/sidecar/health", health)
        .fallback(|| async { StatusCode::SERVICE_UNAVAILABLE });
    let waiting = serving(waiting).await;
    site.settings.server.listen = waiting;
    site.settings.database.socket = Some("/nonexistent/socket".into());
    let report = site.check().await;
    assert_says(
        &report,
        &format!(
            "ok: listener: a sidecar answers on {waiting}; on which database, nobody can tell now"
        ),
    );
    assert!(!report.to_string().contains("another program"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_looked_at_without_a_database() {
    let mut site = Site::new().await;
    let nowhere = site.documents.path().join("nowhere");
    let occupied = TcpListener::bind("127.0.0.1:0").await.unwrap();
    site.settings.database.socket = Some(nowhere.join("mysqld.sock"));
    site.settings.server.listen = occupied.local_addr().unwrap();
    site.settings.server.tls = Some((nowhere.join("cert.pem"), nowhere.join("key.pem")));
    site.settings.dispatch.plugin_doc_dir = Some(nowhere.clone());
    site.settings.spool_dir = Some(nowhere);
    site.settings.upstream_url = Some(format!("http://{}", free()).parse().unwrap());
    drop(occupied);
    let occupied = serving(Router::new()).await;
    site.settings.server.listen = occupied;
    assert_errors(
        &site.check().await,
        &[
            "tls: tls-cert: ",
            "tls: tls-key: ",
            "files/repository: ",
            "files/manifests: ",
            "/nowhere: entity not found",
            "the server cannot be reached",
            "another program listens",
            "upstream: http://127.0.0.1",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spool_without_an_upstream_is_said_to_only_collect() {
    let mut site = Site::new().await;
    let spool = tempfile::tempdir().unwrap();
    site.settings.spool_dir = Some(spool.path().to_owned());
    site.settings.upstream_url = None;
    let report = site.check().await;
    let only = "warning: upstream: no address of GLPI is given: the spool only collects, and inventories are not imported";
    assert_says(&report, only);
    assert_says(
        &report,
        "ok: spool: 0 messages wait, 0 are parked, in 0 of ",
    );
    site.settings.spool_dir = None;
    let report = site.check().await;
    let none = "warning: upstream: no address of GLPI is given: inventories are refused";
    assert_says(&report, none);
    assert!(!report.to_string().contains("spool"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_connections_are_told_apart() {
    let mut site = Site::new().await;
    let account = account::without_rights(&site.db).await;
    let root = site.settings.database.clone();

    site.settings.database = account.database.clone();
    site.settings.database.password = Some("wrong".into());
    assert_errors(
        &site.check().await,
        &["the server refuses user and password (1045"],
    );

    site.settings.database = account.database;
    assert_errors(
        &site.check().await,
        &["the user may not use the database, or it does not exist (1044"],
    );

    site.settings.database = root.clone();
    site.settings.database.name = "no_such_database".into();
    assert_errors(&site.check().await, &["there is no such database (1049"]);

    site.settings.database = root;
    let said = site.check().await.to_string();
    assert!(!said.contains(PASSWORD), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_are_missing_are_named() {
    let db = empty().await;
    let database = db.database.clone();
    let mut conn = db.conn().await;
    schema::migrate(&mut conn, true, "2026-01-01T00:00:00Z".parse().unwrap())
        .await
        .unwrap();
    let site = Site::on(db, database).await;
    site.db
        .exec(
            "DROP TABLE glpi_plugin_fusioninventory_sidecar_runs; DROP TABLE glpi_groups_users; \
             ALTER TABLE glpi_plugin_fusioninventory_taskjobs DROP COLUMN actors; ALTER TABLE glpi_groups ENGINE=MyISAM",
        )
        .await;
    assert_errors(
        &site.check().await,
        &[
            "table glpi_groups is MyISAM",
            "the database lacks table glpi_groups_users, glpi_plugin_fusioninventory_taskjobs.actors -> ",
            "the database lacks table glpi_plugin_fusioninventory_sidecar_runs (made by `fusion-sidecar migrate`) -> run fusion-sidecar migrate",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_a_later_version_are_refused() {
    let site = Site::new().await;
    site.db
        .exec("UPDATE glpi_plugin_fusioninventory_sidecar_schema SET version = 99")
        .await;
    assert_errors(
        &site.check().await,
        &["the sidecar's tables have version 99"],
    );
    site.db
        .exec("UPDATE glpi_plugin_fusioninventory_sidecar_schema SET version = 0")
        .await;
    assert_errors(
        &site.check().await,
        &["the sidecar's tables have version 0"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_session_has_to_be_in_the_zone_of_the_rules() {
    let mut site = Site::new().await;
    site.settings.timezone = Tz::Asia__Tokyo;
    assert_errors(
        &site.check().await,
        &["timezone: in the database's session (time_zone +00:00) it is "],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_peculiar_in_glpi_is_named() {
    let site = Site::new().await;
    site.db
        .exec(
            "INSERT INTO glpi_crontasks (itemtype, name, frequency, state) VALUES ('PluginFusioninventoryTask', 'taskscheduler', 60, 1); \
             INSERT INTO glpi_plugin_fusioninventory_deploygroups (id, name, type) VALUES (5, 'Lab', 'DYNAMIC'), (6, 'Old', 'DYNAMIC'); \
             INSERT INTO glpi_plugin_fusioninventory_deploygroups_dynamicdatas (plugin_fusioninventory_deploygroups_id, fields_array) \
             VALUES (6, 'garbage'), (5, 'a:1:{s:8:\"criteria\";a:1:{i:0;a:3:{s:5:\"field\";s:2:\"32\";s:10:\"searchtype\";s:6:\"equals\";s:5:\"value\";s:1:\"4\";}}}'); \
             UPDATE glpi_plugins SET version = '10.0.7+1.0'",
        )
        .await;
    let report = site.check().await;
    for line in [
        "warning: preparation: GLPI's automatic action 'taskscheduler' is on",
        "warning: groups: of the dynamic group 'Lab' (5) search option 32 cannot be searched: Table",
        "warning: groups: of the dynamic group 'Old' (6) the stored search (",
        "warning: plugin: GLPI has FusionInventory 10.0.7+1.0, its tables say 10.0.6+1.1",
    ] {
        assert_says(&report, line);
    }
    assert!(!report.has_errors(), "{report}");

    site.db
        .exec("UPDATE glpi_plugins SET state = 4; UPDATE glpi_configs SET value = '1' WHERE name = 'maintenance_mode'")
        .await;
    assert_errors(
        &site.check().await,
        &["GLPI is in maintenance", "FusionInventory is switched off"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_address_is_asked_and_told_what_is_wrong_with_it() {
    let site = Site::new().await;
    let redirecting =
        serving(Router::new().fallback(async || Redirect::permanent("https://elsewhere/"))).await;
    let other = app::start(|_| {}).await;
    let nobody = free();
    let urls = [
        (1, format!("http://{nobody}")),
        (2, format!("http://{}", plugin().await)),
        (3, format!("http://{redirecting}")),
        (4, format!("http://{}", other.address())),
        (5, "glpi.example".to_owned()),
    ];
    for (entity, url) in &urls {
        site.db
            .exec(&format!(
                "INSERT INTO glpi_entities (id, name, entities_id, completename, level) VALUES ({entity}, 'e{entity}', 0, 'e{entity}', 2); \
                 INSERT INTO glpi_plugin_fusioninventory_entities (entities_id, agent_base_url) VALUES ({entity}, '{url}')"
            ))
            .await;
    }
    let report = site.check().await;
    assert_errors(
        &report,
        &[
            "(entity 1) cannot be reached: ",
            "(entity 2) is answered by another server (PHP/8.2.7, status 200)",
            "(entity 3) redirects to https://elsewhere/ (308)",
            "(entity 4) leads to a sidecar on another database",
            "(entity 5) cannot be reached: ",
        ],
    );
    assert_says(&report, "ok: addresses: ");

    site.db
        .exec("DELETE FROM glpi_plugin_fusioninventory_entities WHERE entities_id > 0")
        .await;
    site.send_agents_to("").await;
    assert_errors(
        &site.check().await,
        &["no address is configured for agents of entities 0, 1, 2, 3, 4 and 1 more"],
    );

    let mut site = site;
    site.settings.dispatch.public_url = Some(
        format!("http://{}", site.settings.server.listen)
            .parse()
            .unwrap(),
    );
    let report = site.check().await;
    assert!(!report.has_errors(), "{report}");
    assert_says(&report, "ok: addresses: ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_this_machine_does_not_trust_is_a_warning() {
    let mut site = Site::new().await;
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (
        site.documents.path().join("cert.pem"),
        site.documents.path().join("key.pem"),
    );
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    site.settings.server.tls = Some((certificate, key));
    site.send_agents_to(&format!(
        "https://localhost:{}",
        site.settings.server.listen.port()
    ))
    .await;
    let report = site.check().await;
    assert!(!report.has_errors(), "{report}");
    assert_says(&report, "warning: addresses: https://localhost");
    assert_says(&report, "ok: tls: ");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_upstream_has_to_be_the_plugin() {
    let mut site = Site::new().await;
    let ssl_only =
        "UPDATE glpi_plugin_fusioninventory_configs SET value = '1' WHERE type = 'ssl_only'";
    site.db.exec(ssl_only).await;
    site.settings.server.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    assert_errors(&site.check().await, &["PHP would refuse every message"]);
    site.db.exec(&ssl_only.replace("'1'", "'0'")).await;

    site.settings.upstream_url = Some(
        format!("http://{}", site.settings.server.listen)
            .parse()
            .unwrap(),
    );
    assert_errors(&site.check().await, &["is a sidecar itself"]);

    let other = app::start(|_| {}).await;
    site.settings.upstream_url = Some(format!("http://{}", other.address()).parse().unwrap());
    assert_errors(&site.check().await, &["is a sidecar on another database"]);

    let unrelated = serving(Router::new().fallback(async || "hello")).await;
    site.settings.upstream_url = Some(format!("http://{unrelated}").parse().unwrap());
    assert_errors(
        &site.check().await,
        &["does not answer like the plugin (status 200)"],
    );

    site.settings.upstream_url = None;
    assert_says(
        &site.check().await,
        "warning: upstream: no address of GLPI is given",
    );
}

const DEVICE: &str = "wks-1-2026-03-01-09-30-00";
