//! A change of the clocks, on a database server that knows no zone by name: what is written stays the moment that it was.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use fusion_sidecar::clock::{Clock, ManualClock};
use fusion_sidecar::config::SessionZone;
use fusion_sidecar::db::Db;
use fusion_sidecar::mariadb::{Durability, PrivateServer, Start};
use mysql_async::prelude::Queryable as _;

use crate::support::app::{self, TestApp};
use crate::support::database::{TestDb, fresh};
use crate::support::process::{Sidecar, url};
use crate::support::until::until;
use crate::support::wire::{post, prolog};

/// Seconds of the epoch at which the agent was last heard of.
async fn heard(app: &TestApp) -> i64 {
    let answer = post(app.address(), "application/xml", prolog("wks-1").as_bytes()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let moments: Vec<i64> = app
        .db
        .rows("SELECT UNIX_TIMESTAMP(last_contact) FROM glpi_plugin_fusioninventory_agents")
        .await;
    moments[0]
}

/// The sidecar's connections.
async fn connections(db: &TestDb) -> Vec<u64> {
    db.rows(&format!(
        "SELECT id FROM information_schema.processlist WHERE db = '{}' AND id <> CONNECTION_ID()",
        db.database.name
    ))
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_follow_the_offset_of_the_zone() {
    let app = app::start(|settings| {
        settings.timezone = Tz::Europe__Paris;
        settings.database.session_zone = SessionZone::Timezone;
    })
    .await;
    let mut old = Vec::new();
    // In Paris: half past one in winter, half past three in summer, half past two in summer, half past two in winter.
    for moment in [
        "2026-03-29T00:30:00Z",
        "2026-03-29T01:30:00Z",
        "2026-10-25T00:30:00Z",
        "2026-10-25T01:30:00Z",
    ] {
        let now: DateTime<Utc> = moment.parse().unwrap();
        app.clock.set(now);
        assert_eq!(heard(&app).await, now.timestamp(), "{moment}");
        if moment.ends_with("-29T01:30:00Z") {
            until("no connection of the winter is left", async || {
                let open = connections(&app.db).await;
                !open.iter().any(|id| old.contains(id))
            })
            .await;
        }
        old = connections(&app.db).await;
        assert!(!old.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_says_that_it_has_only_the_offset() {
    let db = fresh().await;
    let environment = [("FUSION_SIDECAR_DATABASE_URL", url(&db))];
    let environment = environment
        .each_ref()
        .map(|(key, value)| (*key, value.as_str()));
    let warned = |zone: &[&str]| {
        let arguments = [&["--scheduler", "off"], zone].concat();
        let mut sidecar = Sidecar::serve(&arguments, &environment);
        sidecar.signal("TERM");
        let (_, log) = sidecar.ended();
        log.iter()
            .any(|line| line.contains(" WARN ") && line.contains("does not know the zone by name"))
    };
    assert!(warned(&["--timezone", "Europe/Paris"]));
    assert!(!warned(&[]));
}

/// As on most servers of a GLPI that uses time zones.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_knows_the_zone_has_sessions_in_it() {
    let server = PrivateServer::start(Start {
        dir: None,
        durability: Durability::Fast,
        time_zone: Some("+00:00".into()),
    })
    .await
    .unwrap();
    server.load_time_zones().await.unwrap();
    let mut database = server.database("mysql");
    database.session_zone = SessionZone::Timezone;
    let noon: DateTime<Utc> = "2026-07-01T12:00:00Z".parse().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(noon));
    let db = Db::open(&database, Tz::America__St_Johns, &clock)
        .await
        .unwrap();
    assert_eq!(db.zone_by_offset(), None);
    let mut conn = db.conn().await.unwrap();
    let session: Option<(String, String)> = conn
        .query_first("SELECT @@session.time_zone, CAST(FROM_UNIXTIME(1782907200) AS CHAR)")
        .await
        .unwrap();
    assert_eq!(
        session,
        Some(("America/St_Johns".into(), "2026-07-01 09:30:00".into()))
    );
    drop(conn);
    db.close().await;
    server.stop().await.unwrap();
}
