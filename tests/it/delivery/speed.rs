//! Many inventories at once.

use std::time::{Duration, Instant};

use fusion_sidecar::proto::envelope::{open, seal};

use crate::support::database;
use crate::support::importer::{Importer, Manner, ZLIB};
use crate::support::process::Sidecar;
use crate::support::real_agent::RealAgent;
use crate::support::site::office;
use crate::support::wire::{MAIN, SOON, raw, request};

/// Inventories, unless `INVENTORIES` says how many; they arrive at the pace of ten thousand in a minute.
const INVENTORIES: u32 = 50;

/// Time between two.
const PACE: Duration = Duration::from_millis(6);

/// A hundredth of `times` were longer.
fn p99(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() * 99 / 100]
}

/// Times of getConfig for `count` questions in a row.
async fn questions(address: std::net::SocketAddr, count: u32) -> Vec<Duration> {
    let target = format!("{MAIN}?action=getConfig&machineid=wks-1&task[Deploy]=2.8");
    let question = request("GET", &target, &[], b"");
    let mut times = Vec::new();
    for _ in 0..count {
        let begun = Instant::now();
        assert_eq!(raw(address, &question).await.unwrap().status, 200);
        times.push(begun.elapsed());
    }
    times
}

/// `INVENTORIES=10000 cargo nextest run --release --config-file tests/policy/nextest.toml --no-capture ten_thousand_in_a_minute` is the full
/// form, and prints its numbers; the bounds here leave room for a busy machine and a build without optimisation.
#[tokio::test(flavor = "multi_thread")]
async fn inventories_at_the_pace_of_ten_thousand_in_a_minute_are_no_event() {
    let full = std::env::var("INVENTORIES").ok();
    let count = full
        .as_ref()
        .map_or(INVENTORIES, |text| text.parse().unwrap());
    let xml = real_inventory().await;
    let (php, dir) = (Importer::start().await, tempfile::tempdir().unwrap());
    php.set(Manner::Takes(Duration::from_millis(400)));
    let db = database::fresh().await;
    office(&db).await;
    let spool = dir.path().join("spool");
    let (url, spool) = (php.url.as_str(), spool.to_str().unwrap());
    let sidecar = Sidecar::on(
        &db,
        &[
            "--upstream-url",
            url,
            "--spool-dir",
            spool,
            "--policy",
            "plugin",
            "--log",
            "warn,fusion_sidecar::app=info",
        ],
    );
    let address = sidecar.address;
    let mut alone = questions(address, 200).await;

    let begun = Instant::now();
    let asking = tokio::spawn(async move {
        let mut times = Vec::new();
        while begun.elapsed() < PACE * count {
            times.extend(questions(address, 1).await);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        times
    });
    let mut senders = Vec::new();
    for number in 0..count {
        tokio::time::sleep_until((begun + PACE * number).into()).await;
        let own = xml.replace("<DEVICEID>wks-1<", &format!("<DEVICEID>pc-{number}<"));
        senders.push(tokio::spawn(async move {
            let message = request(
                "POST",
                MAIN,
                &[("Content-Type", ZLIB.content_type())],
                &seal(&own, ZLIB),
            );
            let begun = Instant::now();
            let answer = raw(address, &message).await.unwrap();
            assert!(
                answer.status == 200 && answer.body.contains("<REPLY>"),
                "{answer:?}"
            );
            begun.elapsed()
        }));
    }
    let mut times = Vec::new();
    for sender in senders {
        times.push(sender.await.unwrap());
    }
    let took = begun.elapsed();
    let mut beside = asking.await.unwrap();
    let (p99, peak) = (p99(&mut times), sidecar.peak());
    let middle = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        times[times.len() / 2]
    };
    let (alone, beside) = (middle(&mut alone), middle(&mut beside));
    say(format!(
        "{count} inventories of {} kB packed in {took:?}: median {:?}, p99 {p99:?}; peak {} MiB; getConfig {alone:?} alone, {beside:?} beside",
        seal(&xml, ZLIB).len() / 1000,
        times[times.len() / 2],
        peak / 1024,
    ));
    if full.is_some() {
        assert!(p99 < Duration::from_millis(250), "{p99:?}");
        assert!(beside < alone * 5 / 4, "{beside:?} beside, {alone:?} alone");
        assert!(peak < 100 * 1024, "{peak} KiB");
    } else {
        assert!(p99 < SOON, "{p99:?}");
        assert!(peak < 200 * 1024, "{peak} KiB");
    }
    drop(sidecar);
}

/// An inventory of this machine by the real agent, as text.
async fn real_inventory() -> String {
    let (php, dir) = (Importer::start().await, tempfile::tempdir().unwrap());
    let app = super::sidecar(&php, dir.path(), |_| {}).await;
    let agent = RealAgent::new("wks-1").await;
    agent.run(&app.base_url(), &["--tasks=inventory"]).await;
    php.until_imported(1).await;
    let arrived = php.arrived().pop().unwrap();
    let opened = open(Some(ZLIB.content_type()), &arrived.body, 1 << 26).unwrap();
    String::from_utf8(opened.body).unwrap()
}

/// A line of what was measured.
#[expect(
    clippy::print_stdout,
    clippy::needless_pass_by_value,
    reason = "the full form is run by hand, for its numbers"
)]
fn say(line: String) {
    println!("{line}");
}
