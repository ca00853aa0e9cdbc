//! Disks with too little room, and many messages. That a disk can be written no more while the process runs is shown by the spool's own tests on
//! a disk that fails as told: no system makes one read-only while a file on it is open for writing.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use fusion_sidecar::clock::SystemClock;
use fusion_sidecar::proto::envelope::Coding;
use fusion_sidecar::spool::{Bounds, Spool};
use futures_util::future::join_all;

use super::append::message;
use super::speed::say;
use crate::support::database::{self, TestDb};
use crate::support::importer::{Importer, inventory};
use crate::support::process::{LIMIT, Sidecar, command_on_disk};
use crate::support::site::office;
use crate::support::until::until;
use crate::support::wire::{Answer, MAIN, raw, request};

/// Size of an inventory here, bytes.
const SIZE: usize = 50_000;

/// Most that `serve` may have in memory while [`WAITING`] messages of [`SIZE`] / 5 wait, KiB.
const MEMORY: u64 = 90 * 1024;

const WAITING: u32 = 10_000;

/// The command on such a disk; without where none can be made, which is said.
fn disk(place: &Path, options: &str, db: &TestDb, more: &[&str]) -> Option<Command> {
    match command_on_disk(place, options, db, more) {
        Ok(command) => Some(command),
        Err(why) => {
            say(format!("skipped: no disk can be mounted here: {why}"));
            None
        }
    }
}

async fn post(address: SocketAddr, device: &str) -> Answer {
    let xml = inventory(device, &"x".repeat(SIZE));
    let kind = [("Content-Type", Coding::Plain.content_type())];
    let message = request("POST", MAIN, &kind, xml.as_bytes());
    raw(address, &message).await.unwrap()
}

/// A disk of one MiB that is really full.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_and_takes_messages_again_when_php_has_some() {
    let (php, dir) = (Importer::start().await, tempfile::tempdir().unwrap());
    php.is_down(true);
    let db = database::fresh().await;
    office(&db).await;
    let spool = dir.path().join("spool");
    let more = [
        "--policy",
        "plugin",
        "--upstream-url",
        php.url.as_str(),
        "--spool-dir",
        spool.to_str().unwrap(),
        "--spool-min-free",
        "0",
        // Segments of an eighth.
        "--spool-max-bytes",
        "2097152",
    ];
    let Some(command) = disk(dir.path(), "size=1m", &db, &more) else {
        return;
    };
    let sidecar = Sidecar::on_disk(command);
    let mut taken = 0;
    let refused = loop {
        let answer = post(sidecar.address, &format!("pc-{taken}")).await;
        if answer.status != 200 {
            break answer;
        }
        taken += 1;
        assert!(taken * SIZE < 1 << 20, "{taken} do not fit");
    };
    assert!(taken > 10, "{taken}");
    assert!(
        refused.status == 503
            && refused
                .head
                .to_ascii_lowercase()
                .contains("retry-after: 60")
            && refused
                .body
                .contains("<ERROR>there is no room for messages to GLPI</ERROR>"),
        "{refused:?}"
    );
    let log = sidecar.log().join("\n");
    assert!(log.contains("spool-disk-full"), "{log}");
    // Nobody else is held up.
    assert_eq!(sidecar.get("/sidecar/health").0, 200);
    php.is_down(false);
    until("all that was taken is delivered", async || {
        php.count() >= taken
    })
    .await;
    assert_eq!(php.count(), taken, "each once");
    until("there is room again", async || {
        post(sidecar.address, "pc-late").await.status == 200
    })
    .await;
    php.until_imported(taken + 1).await;
}

/// `serve` does not start where it could keep nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_disk_is_said_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let db = database::fresh().await;
    let spool = dir.path().join("spool");
    let more = ["--spool-dir", spool.to_str().unwrap()];
    let Some(command) = disk(dir.path(), "ro", &db, &more) else {
        return;
    };
    let ended = assert_cmd::Command::from_std(command)
        .timeout(LIMIT)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(
        ended.status.code() == Some(1) && said.contains("/spool: Read-only file system"),
        "{ended:?}"
    );
}

/// Bodies are on the disk, not in memory.
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_waiting_messages_take_little_memory() {
    let (php, dir) = (Importer::start().await, tempfile::tempdir().unwrap());
    php.is_down(true);
    let db = database::fresh().await;
    office(&db).await;
    let bounds = Bounds {
        min_free: 0,
        ..Bounds::default()
    };
    let (spool, _) = Spool::open(dir.path(), bounds, Arc::new(SystemClock)).unwrap();
    let body = vec![b'x'; SIZE / 5];
    let appended = (0..WAITING).map(|number| spool.append(message(number, &body)));
    for id in join_all(appended).await {
        id.unwrap();
    }
    drop(spool);
    let more = [
        "--upstream-url",
        php.url.as_str(),
        "--spool-dir",
        dir.path().to_str().unwrap(),
        "--spool-min-free",
        "0",
    ];
    let sidecar = Sidecar::on(&db, &more);
    let waiting = format!("fusion_sidecar_spool_messages{{state=\"waiting\"}} {WAITING}");
    until("it knows them", async || {
        sidecar.get("/sidecar/metrics").1.contains(&waiting)
    })
    .await;
    let peak = sidecar.peak();
    say(format!(
        "{WAITING} waiting messages of {} kB: {peak} KiB",
        body.len() / 1000
    ));
    assert!(peak < MEMORY, "{peak} KiB");
}
