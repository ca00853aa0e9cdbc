//! What the pages need: rights, tables, a listener; and GLPI's API.

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use fusion_sidecar::app as sidecar;
use fusion_sidecar::config::Settings;
use fusion_sidecar::db::{Db, grants, schema};

use super::pages;
use crate::support::account::{self, revoke};
use crate::support::database::fresh;
use crate::support::listen::serving;
use crate::support::people::{Browser, accounts};
use crate::support::{app, wire};

/// GLPI's API, with an account `ldap` of a directory, whose number is 9, and with two called `twice`, of which 11 has the password; `unheard of` is one that GLPI takes and the database does not have.
pub(super) async fn glpi_api() -> url::Url {
    let init = async |headers: HeaderMap| {
        use base64::Engine as _;
        let basic = headers["authorization"].to_str().unwrap();
        let basic = basic.strip_prefix("Basic ").unwrap();
        let basic = base64::engine::general_purpose::STANDARD
            .decode(basic)
            .unwrap();
        match String::from_utf8(basic).unwrap().as_str() {
            "ldap:of the directory" | "unheard of:of the directory" => (
                StatusCode::OK,
                r#"{"session_token":"83af7e620c83a50a18d3eac2f6ed05a3ca0bea62"}"#,
            ),
            "twice:of the directory" => (StatusCode::OK, r#"{"session_token":"twice"}"#),
            "odd:of the directory" => (StatusCode::OK, r#"{"session_token":"odd"}"#),
            "broken:of the directory" => (
                StatusCode::BAD_REQUEST,
                r#"["ERROR_WRONG_APP_TOKEN_PARAMETER",""]"#,
            ),
            "not json:of the directory" => (StatusCode::OK, "<html>a page</html>"),
            _ => (StatusCode::UNAUTHORIZED, r#"["ERROR_GLPI_LOGIN",""]"#),
        }
    };
    let full = async |headers: HeaderMap| match headers["session-token"].to_str().unwrap() {
        "twice" => r#"{"session":{"glpiID":11,"glpiname":"twice"}}"#,
        "odd" => r#"["ERROR_SESSION_TOKEN_INVALID","odd"]"#,
        _ => r#"{"session":{"glpiID":"9","glpiname":"ldap"}}"#,
    };
    let kill = async |headers: HeaderMap| {
        assert!(
            ["83af7e620c83a50a18d3eac2f6ed05a3ca0bea62", "twice", "odd"]
                .contains(&headers["session-token"].to_str().unwrap())
        );
    };
    let router = Router::new()
        .route("/glpi/apirest.php/initSession", get(init))
        .route("/glpi/apirest.php/getFullSession", get(full))
        .route("/glpi/apirest.php/killSession", get(kill));
    format!("http://{}/glpi/", serving(router).await)
        .parse()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_no_pages_without_an_address_for_them() {
    let app = app::start(|_| {}).await;
    for path in ["/sidecar/", "/sidecar/login"] {
        assert_eq!(wire::get(app.address(), path).await.status, 404);
    }
    let app = pages(|_| {}).await;
    assert_eq!(
        wire::get(app.address(), "/sidecar/login").await.status,
        404,
        "agents' address"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rights_of_the_readme_are_enough_and_each_is_missed() {
    let db = fresh().await;
    accounts(&db).await;
    let account = account::sidecar(&db).await;
    let name = db.database.name.clone();
    let probed = Db::new(&account.database, "").unwrap();
    let lacks = probed.lacks_for_pages().await.unwrap().unwrap();
    assert!(
        lacks.starts_with("the database lacks rights on glpi_users (SELECT)"),
        "{lacks}"
    );
    for grant in grants::for_pages() {
        db.exec(&grant.statement(&name, &account.name)).await;
    }
    assert_eq!(probed.lacks_for_pages().await.unwrap(), None);
    for grant in grants::for_pages() {
        revoke(&db, &account, &grant).await;
        let lacks = probed.lacks_for_pages().await.unwrap();
        assert!(
            lacks.is_some_and(|lacks| lacks.contains(&grant.table.replace("glpi_plugin_", "")))
        );
        db.exec(&grant.statement(&name, &account.name)).await;
    }
    probed.close().await;
    let app = app::start_on(db, |settings| {
        settings.database = account.database;
        settings.web.listen = Some(([127, 0, 0, 1], 0).into());
    })
    .await;
    let mut browser = Browser::of(app.pages(), "admin").await;
    assert!(browser.is_inside().await);
    browser.sign_out().await;
}

async fn does_not_start(
    db: &crate::support::database::TestDb,
    configure: impl FnOnce(&mut Settings),
) -> String {
    let mut settings = Settings::for_database(db.database.clone());
    settings.server.listen = ([127, 0, 0, 1], 0).into();
    settings.scheduler.enabled = false;
    configure(&mut settings);
    let listener = tokio::net::TcpListener::bind(settings.server.listen)
        .await
        .unwrap();
    let clock = std::sync::Arc::new(fusion_sidecar::clock::SystemClock);
    let started = sidecar::start(&settings, listener, clock, None).await;
    format!("{:#}", started.expect_err("it starts"))
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_table_of_sessions_only_the_pages_are_missed() {
    let db = fresh().await;
    db.set("DROP TABLE {p}sidecar_sessions").await;
    let said = does_not_start(&db, |settings| {
        settings.web.listen = Some(([127, 0, 0, 1], 0).into());
    })
    .await;
    assert!(
        said.contains("sidecar_sessions (made by `fusion-sidecar migrate`)"),
        "{said}"
    );
    let app = app::start_on(db, |_| {}).await;
    assert_eq!(
        wire::get(app.address(), "/sidecar/health").await.status,
        200
    );
}

#[tokio::test]
async fn migrating_from_before_the_pages_makes_the_table() {
    let db = fresh().await;
    db.set("DROP TABLE {p}sidecar_sessions; UPDATE {p}sidecar_schema SET version = 3")
        .await;
    let mut conn = db.conn().await;
    let now = "2026-03-04T12:00:00Z".parse().unwrap();
    let report = schema::migrate(&mut conn, false, now).await.unwrap();
    assert_eq!((report.from, report.version), (Some(3), schema::VERSION));
    let rows: Vec<u32> = db.ask("SELECT COUNT(*) FROM {p}sidecar_sessions").await;
    assert_eq!(rows, [0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_without_a_sign_in_are_shown_on_loopback_alone() {
    let db = fresh().await;
    let said = does_not_start(&db, |settings| {
        settings.web.listen = Some(([0, 0, 0, 0], 0).into());
        settings.web.open = true;
    })
    .await;
    assert!(said.contains("for this machine alone"), "{said}");

    let app = pages(|settings| settings.web.open = true).await;
    let mut browser = Browser::at(app.pages());
    // The test's host is no name of this machine: a page from elsewhere could have had it lead here.
    assert_eq!(browser.get("/sidecar/").await.status, 421);
    let answer = wire::raw(
        app.pages(),
        b"GET /sidecar/ HTTP/1.1\r\nHost: 127.0.0.1:1\r\nConnection: close\r\n\r\n",
    )
    .await
    .unwrap();
    assert!(
        answer.status == 200 && answer.body.contains("id=\"open\""),
        "{answer:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_gone_is_told_without_a_word_of_it() {
    let app = pages(|_| {}).await;
    let mut browser = Browser::of(app.pages(), "admin").await;
    app.db.set("DROP TABLE {p}sidecar_sessions").await;
    let answer = browser.get("/sidecar/").await;
    assert!(
        answer.status == 500 && answer.body.contains("Something went wrong"),
        "{answer:?}"
    );
}
