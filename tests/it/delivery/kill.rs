//! The real `serve`, killed under load.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fusion_sidecar::proto::envelope::seal;

use super::speed::say;
use crate::support::database;
use crate::support::importer::{Importer, Manner, ZLIB, inventory};
use crate::support::process::Sidecar;
use crate::support::site::office;
use crate::support::until::until;

/// Kills, unless `KILLS` says how many.
const KILLS: usize = 3;

/// Senders of messages at the same time.
const SENDERS: usize = 8;

/// `KILLS=300 cargo nextest run --release --config-file tests/policy/nextest.toml --no-capture killed_under_load` is the full form.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_killed_under_load_loses_nothing_that_was_acknowledged() {
    let kills = std::env::var("KILLS").map_or(KILLS, |text| text.parse().unwrap());
    let (php, dir) = (Importer::with(4).await, tempfile::tempdir().unwrap());
    php.set(Manner::Takes(Duration::from_millis(2)));
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
        "--deliver-supersede",
        "off",
        "--deliver-at-once",
        "4",
    ];
    let sent = Arc::new(AtomicUsize::new(0));
    let mut acknowledged: Vec<String> = Vec::new();
    for kill in 0..kills {
        let sidecar = Sidecar::on(&db, &more);
        let address = sidecar.address;
        let senders: Vec<_> = (0..SENDERS)
            .map(|sender| {
                let sent = Arc::clone(&sent);
                tokio::spawn(async move {
                    let mut thanked = Vec::new();
                    loop {
                        let tag = sent.fetch_add(1, Ordering::Relaxed).to_string();
                        let xml = inventory(&format!("pc-{sender}"), &tag);
                        if !post(address, &xml).await {
                            return thanked;
                        }
                        thanked.push(tag);
                    }
                })
            })
            .collect();
        // Somewhere in the middle, each time elsewhere.
        let enough = Duration::from_millis(150 + 37 * (kill as u64 % 10));
        tokio::time::sleep(enough).await;
        sidecar.signal("KILL");
        for sender in senders {
            acknowledged.extend(sender.await.unwrap());
        }
        drop(sidecar);
    }
    let begun = Instant::now();
    let last = Sidecar::on(&db, &more);
    let all: std::collections::HashSet<String> = acknowledged.iter().cloned().collect();
    // However much there is, it goes on.
    loop {
        let before = php.count();
        let imported: std::collections::HashSet<String> =
            php.imported().into_iter().map(|(_, tag)| tag).collect();
        if all.is_subset(&imported) {
            break;
        }
        until("more of what was acknowledged is imported", async || {
            php.count() > before
        })
        .await;
    }
    let mut times: HashMap<String, usize> = HashMap::new();
    for (_, tag) in php.imported() {
        *times.entry(tag).or_default() += 1;
    }
    let twice = times.values().filter(|count| **count > 1).count();
    say(format!(
        "{kills} kills, {} acknowledged, {} imported, {twice} twice, the last drained in {:?}",
        all.len(),
        times.len(),
        begun.elapsed()
    ));
    assert!(all.len() > kills * SENDERS, "{} acknowledged", all.len());
    assert!(
        twice <= kills * 4,
        "{twice} twice: only what was on its way at a kill may be"
    );
    assert!(times.values().all(|count| *count <= 2 + kills));
    drop(last);
}

/// Whether the message was acknowledged.
async fn post(address: std::net::SocketAddr, xml: &str) -> bool {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let body = seal(xml, ZLIB);
    let request = crate::support::wire::request(
        "POST",
        crate::support::wire::MAIN,
        &[("Content-Type", ZLIB.content_type())],
        &body,
    );
    let Ok(mut stream) = tokio::net::TcpStream::connect(address).await else {
        return false;
    };
    if stream.write_all(&request).await.is_err() {
        return false;
    }
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.is_ok() && bytes.starts_with(b"HTTP/1.1 200 ") && {
        let end = bytes.windows(4).position(|part| part == b"\r\n\r\n");
        end.is_some_and(|end| {
            let said = fusion_sidecar::proto::said::said(
                Some(ZLIB.content_type()),
                &bytes[end + 4..],
                1 << 20,
            );
            said == fusion_sidecar::domain::delivery::answer::Said::Reply
        })
    }
}
