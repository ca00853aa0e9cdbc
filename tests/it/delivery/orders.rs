//! What people have done with messages while `serve` works on them, and what it says of its spool.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use fusion_sidecar::clock::{ManualClock, SystemClock};
use fusion_sidecar::spool::control::Order;
use fusion_sidecar::spool::{Bounds, Spool, State};

use super::append::message;
use super::{kept, sidecar, until_empty};
use crate::support::database;
use crate::support::importer::{Importer, Manner, ZLIB, inventory};
use crate::support::process::Sidecar;
use crate::support::site::office;
use crate::support::until::until;

/// `spool retry` of one that waits through the pause after a failure.
#[tokio::test]
async fn a_message_that_is_to_be_tried_again_does_not_wait_out_its_pause() {
    let (php, dir) = (Importer::start().await, tempfile::tempdir().unwrap());
    let app = sidecar(&php, dir.path(), |_| {}).await;
    let page = "<!DOCTYPE html><html><title>GLPI</title></html>";
    php.set_for("wks-1", Manner::Says(500, page, Vec::new()));
    app.post(&inventory("wks-1", "1"), ZLIB).await;
    until(
        "an attempt is noted",
        async || matches!(&kept(dir.path())[..], [entry] if entry.attempts == 1),
    )
    .await;
    php.set_for("wks-1", Manner::Takes(Duration::ZERO));
    // The moment of the order is another than that of its coming; the pause is not over.
    app.clock.advance(Duration::from_secs(1));
    let order = Order::Retry(vec![kept(dir.path())[0].id]);
    let bounds = Bounds::default();
    Spool::order(dir.path(), bounds, Arc::new(SystemClock), order)
        .await
        .unwrap();
    php.until_imported(1).await;
}

/// A parked inventory is not imported after a newer one that PHP has.
#[tokio::test]
async fn a_newer_inventory_takes_the_place_of_one_that_is_parked() {
    let (php, dir) = (Importer::start().await, tempfile::tempdir().unwrap());
    let app = sidecar(&php, dir.path(), |_| {}).await;
    php.set_for("wks-1", Manner::Errs("no"));
    app.post(&inventory("wks-1", "old"), ZLIB).await;
    until(
        "it is parked",
        async || matches!(&kept(dir.path())[..], [entry] if !entry.is_waiting()),
    )
    .await;
    php.set_for("wks-1", Manner::Takes(Duration::ZERO));
    app.post(&inventory("wks-1", "new"), ZLIB).await;
    php.until_imported(1).await;
    until_empty(dir.path()).await;
    assert_eq!(php.imported(), [("wks-1".to_owned(), "new".to_owned())]);
}

/// GLPI's own address knows no runs, and what a message says of its devices is not known: it is no delivery.
#[tokio::test]
async fn a_message_that_cannot_be_read_is_parked_before_the_native_address() {
    let (php, dir) = (Importer::start().await, tempfile::tempdir().unwrap());
    // The coding that its head names is not that of its body.
    let bounds = Bounds {
        min_free: 0,
        ..Bounds::default()
    };
    let noon: DateTime<Utc> = "2026-03-04T12:00:00Z".parse().unwrap();
    let clock = Arc::new(ManualClock::new(noon));
    let (spool, _) = Spool::open(dir.path(), bounds, clock).unwrap();
    let mut odd = message(1, b"no zlib");
    odd.run = Some(1);
    odd.received_at = noon;
    spool.append(odd).await.unwrap();
    drop(spool);
    let _app = sidecar(&php, dir.path(), |settings| {
        let native = format!("{}/front/inventory.php", php.url);
        settings.upstream_url = Some(native.parse().unwrap());
    })
    .await;
    until(
        "it is parked",
        async || matches!(&kept(dir.path())[..], [entry] if !entry.is_waiting()),
    )
    .await;
    let State::Parked { reason, .. } = &kept(dir.path())[0].state else {
        unreachable!()
    };
    assert!(reason.contains("it cannot be read"), "{reason}");
    assert_eq!(php.arrived().len(), 0);
}

/// Damage that is found at the start.
#[tokio::test(flavor = "multi_thread")]
async fn serve_says_what_is_damaged() {
    let (php, dir) = (Importer::start().await, tempfile::tempdir().unwrap());
    php.is_down(true);
    let db = database::fresh().await;
    office(&db).await;
    let bounds = Bounds {
        min_free: 0,
        ..Bounds::default()
    };
    let (spool, _) = Spool::open(dir.path(), bounds, Arc::new(SystemClock)).unwrap();
    for number in 0..3 {
        let body = vec![b'x'; 1000];
        spool.append(message(number, &body)).await.unwrap();
    }
    drop(spool);
    let mut files = fs::read_dir(dir.path())
        .unwrap()
        .map(|file| file.unwrap().path());
    let segment = files.find(|path| path.extension().is_some_and(|end| end == "spool"));
    let segment = segment.unwrap();
    let mut bytes = fs::read(&segment).unwrap();
    let at = (bytes.len() - 32) / 3 + 13;
    bytes[at] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let more = [
        "--upstream-url",
        php.url.as_str(),
        "--spool-dir",
        dir.path().to_str().unwrap(),
        "--spool-min-free",
        "0",
    ];
    let sidecar = Sidecar::on(&db, &more);
    until("it is said", async || {
        let log = sidecar.log();
        log.iter()
            .any(|line| line.contains("the spool is not as it was written"))
    })
    .await;
    let metrics = sidecar.get("/sidecar/metrics").1;
    assert!(
        metrics.contains("fusion_sidecar_spool_damaged_total 1"),
        "{metrics}"
    );
}
