//! Network runs whose messages go to PHP through the spool.

use std::time::Duration;

use fusion_sidecar::work::expire::Mode;

use super::{is_thanked, kept, sidecar, until_empty};
use crate::support::agent::send;
use crate::support::app::TestApp;
use crate::support::importer::{DEVICE, END, Importer, Run, START, ZLIB, about};
use crate::support::network::RANGE;
use crate::support::until::until;
use crate::support::wire;
use axum::http::Method;
use fusion_sidecar::proto::envelope::seal;

/// Run 11, a discovery of agent `wks-1` that was sent.
async fn run(app: &TestApp) {
    app.db.job(9, "networkdiscovery", RANGE, &[1]).await;
    app.db.run_on(11, 9, RANGE, 1).await;
    app.db.put(11, 1).await;
}

async fn tell(origin: &str, content: &str) {
    let xml = about("wks-1", "NETDISCOVERY", 11, content);
    let url = format!("{origin}/plugins/fusioninventory/");
    let headers = [("content-type", ZLIB.content_type())];
    let answer = send(Method::POST, &url, &headers, seal(&xml, ZLIB)).await;
    is_thanked(&answer, ZLIB);
}

fn whole(devices: u32) -> Run {
    Run {
        started: 1,
        devices,
        ended: true,
        ignored: 0,
    }
}

async fn spooled(app: &TestApp) -> Vec<(u64, u64)> {
    app.db
        .ask("SELECT {f}taskjobstates_id, messages FROM {p}sidecar_spooled ORDER BY 1")
        .await
}

/// The page of the task tells what of its runs waits in any spool, and how full this sidecar's is.
async fn is_told(app: &TestApp, of_task: &str, of_spool: &str) {
    let asked = b"GET /sidecar/tasks/1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let page = wire::raw(app.pages(), asked).await.unwrap();
    for part in [of_task, of_spool] {
        assert!(page.body.contains(part), "{part}: {page:?}");
    }
}

#[tokio::test]
async fn all_messages_of_a_run_reach_php_in_their_order() {
    let (php, dir) = (Importer::start().await, tempfile::tempdir().unwrap());
    php.is_down(true);
    let app = sidecar(&php, dir.path(), |settings| {
        settings.delivery.at_once = 8;
        settings.web.listen = Some(([127, 0, 0, 1], 0).into());
        settings.web.open = true;
    })
    .await;
    run(&app).await;
    let before = app.db.log(11).await;
    tell(&app.origin(), START).await;
    for _ in 0..10 {
        tell(&app.origin(), DEVICE).await;
    }
    tell(&app.origin(), END).await;
    tell(&app.origin(), END).await;
    assert_eq!(spooled(&app).await, [(11, 13)]);
    is_told(
        &app,
        "GLPI: 13.",
        "13 messages wait, the oldest for 0 s, and 0 are parked",
    )
    .await;
    // Its agent is not silent: what it said is not read yet.
    app.clock.advance(Duration::from_hours(24));
    assert_eq!(app.expiry().pass(Mode::Write).await.unwrap().total(), 0);

    php.is_down(false);
    until("PHP is asked again", async || {
        app.clock.advance(Duration::from_mins(2));
        php.count() >= 13
    })
    .await;
    assert_eq!(php.runs()[&11], whole(10));
    until_empty(dir.path()).await;
    until("no message is noted", async || {
        spooled(&app).await.is_empty()
    })
    .await;
    is_told(&app, "GLPI: 0.", "no message waits, and 0 are parked").await;
    // PHP moves and logs it, nobody else.
    assert_eq!((app.db.state(11).await, app.db.log(11).await), (1, before));
    // From now on silence counts.
    let mut expired = 0;
    for _ in 0..2 {
        app.clock.advance(Duration::from_hours(24));
        expired += app.expiry().pass(Mode::Write).await.unwrap().total();
    }
    assert_eq!(expired, 1);
}

#[tokio::test]
async fn anothers_run_is_not_kept() {
    let (php, dir) = (Importer::start().await, tempfile::tempdir().unwrap());
    let app = sidecar(&php, dir.path(), |_| {}).await;
    run(&app).await;
    let xml = about("wks-2", "NETDISCOVERY", 11, DEVICE);
    is_thanked(&app.post(&xml, ZLIB).await, ZLIB);
    assert_eq!((kept(dir.path()).len(), php.arrived().len()), (0, 0));
}

/// A balancer gives the devices to one sidecar and the end to another.
#[tokio::test]
async fn the_end_waits_for_devices_in_another_spool_but_not_for_ever() {
    let php = Importer::start().await;
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let app = sidecar(&php, dirs[0].path(), |_| {}).await;
    run(&app).await;
    // It collects, as if its PHP were away.
    let other = app
        .another(|settings| {
            settings.upstream_url = None;
            settings.spool_dir = Some(dirs[1].path().to_owned());
        })
        .await;
    let elsewhere = format!("http://{}", other.address);
    tell(&app.origin(), START).await;
    php.until_imported(1).await;
    tell(&elsewhere, DEVICE).await;
    tell(&app.origin(), END).await;
    // Another run's messages do not wait.
    app.post(&crate::support::importer::inventory("wks-2", "1"), ZLIB)
        .await;
    php.until_imported(2).await;
    for _ in 0..3 {
        app.clock.advance(Duration::from_secs(100));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(!php.runs()[&11].ended, "{:?}", php.runs());
    // It gets on when the devices have.
    other.stop().await.unwrap();
    let other = app
        .another(|settings| settings.spool_dir = Some(dirs[1].path().to_owned()))
        .await;
    php.until_imported(3).await;
    until("the end follows", async || {
        app.clock.advance(Duration::from_secs(2));
        php.count() == 4
    })
    .await;
    assert_eq!(php.runs()[&11], whole(1));
    until("nothing is noted", async || spooled(&app).await.is_empty()).await;
    other.stop().await.unwrap();

    // A sidecar that does not come back.
    app.db
        .set("INSERT INTO {p}sidecar_spooled VALUES (11, 'gone', 1, UTC_TIMESTAMP())")
        .await;
    tell(&app.origin(), END).await;
    app.clock.advance(Duration::from_secs(2));
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert_eq!(php.count(), 4);
    until("it goes all the same", async || {
        app.clock.advance(Duration::from_secs(601));
        php.count() == 5
    })
    .await;
}

/// Somebody's hand, a backup of the database, a week without the sidecar: the row of a run is gone while its messages wait.
#[tokio::test]
async fn a_row_that_is_lost_is_written_again() {
    let (php, dir) = (Importer::start().await, tempfile::tempdir().unwrap());
    php.is_down(true);
    let app = sidecar(&php, dir.path(), |_| {}).await;
    run(&app).await;
    let other = app
        .another(|settings| {
            settings.spool_dir = Some(dir.path().join("other"));
            settings.upstream_url = Some(php.url.clone());
        })
        .await;
    let elsewhere = format!("http://{}", other.address);
    tell(&elsewhere, START).await;
    tell(&elsewhere, DEVICE).await;
    let lose = async || {
        app.db.set("DELETE FROM {p}sidecar_spooled").await;
    };
    lose().await;
    until("the one that has them notes them", async || {
        spooled(&app).await == [(11, 2)]
    })
    .await;
    // Lost while nobody was there.
    other.stop().await.unwrap();
    lose().await;
    let other = app
        .another(|settings| {
            settings.spool_dir = Some(dir.path().join("other"));
            settings.upstream_url = Some(php.url.clone());
        })
        .await;
    until("they are noted at the start", async || {
        spooled(&app).await == [(11, 2)]
    })
    .await;
    // And with the next message, whatever becomes of the row in between.
    lose().await;
    tell(&format!("http://{}", other.address), DEVICE).await;
    assert_eq!(spooled(&app).await, [(11, 3)]);
    tell(&app.origin(), END).await;
    php.is_down(false);
    until("all is delivered, the end last", async || {
        app.clock.advance(Duration::from_secs(30));
        php.count() == 4
    })
    .await;
    assert_eq!(php.runs()[&11], whole(2));
    until("nothing is noted", async || spooled(&app).await.is_empty()).await;
    other.stop().await.unwrap();
}

/// GLPI's own reader knows no runs: devices alone go there, and the run is moved and logged here, once.
#[tokio::test]
async fn with_glpis_own_address_the_run_is_moved_here() {
    let (php, dir) = (Importer::start().await, tempfile::tempdir().unwrap());
    let native = format!("{}/front/inventory.php", php.url);
    let app = sidecar(&php, dir.path(), |settings| {
        settings.upstream_url = Some(native.parse().unwrap());
    })
    .await;
    run(&app).await;
    for content in [START, DEVICE, END, END] {
        tell(&app.origin(), content).await;
    }
    php.until_imported(1).await;
    until_empty(dir.path()).await;
    let arrived = php.arrived();
    let targets: Vec<&str> = arrived
        .iter()
        .map(|message| message.target.as_str())
        .collect();
    assert_eq!(targets, ["/glpi/front/inventory.php"]);
    assert_eq!(app.db.state(11).await, 3);
    let log = app.db.log(11).await;
    let found = log
        .iter()
        .filter(|(_, text)| text == "1 ==devicesfound==")
        .count();
    assert_eq!(found, 1, "{log:?}");
    assert_eq!(spooled(&app).await, []);
    // Inventories go there too, and their agents are known here.
    app.post(&crate::support::importer::inventory("new-1", "1"), ZLIB)
        .await;
    php.until_imported(2).await;
    let known: Vec<u32> = app
        .db
        .ask("SELECT COUNT(*) FROM {p}agents WHERE device_id = 'new-1'")
        .await;
    assert_eq!(known, [1]);
}
