//! Many inventories at once.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use flate2::{Compress, Compression, FlushCompress};
use fusion_sidecar::proto::envelope::open;

use crate::support::database;
use crate::support::importer::{Importer, Manner, ZLIB};
use crate::support::process::Sidecar;
use crate::support::real_agent::RealAgent;
use crate::support::site::office;
use crate::support::wire::{MAIN, SOON, raw, request};

/// Inventories, unless `INVENTORIES` says how many; they arrive at the pace of ten thousand in a minute.
const INVENTORIES: u32 = 50;

/// Time between two: ten thousand in a minute.
const PACE: Duration = Duration::from_millis(6);

/// A hundredth of `times` were longer.
fn p99(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() * 99 / 100]
}

/// The middle of `times`.
fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Times of getConfig, asked for one after the other for so long; in between, the machine may rest.
async fn questions(address: SocketAddr, long: Duration) -> Vec<Duration> {
    let target = format!("{MAIN}?action=getConfig&machineid=wks-1&task[Deploy]=2.8");
    let question = request("GET", &target, &[], b"");
    let (begun, mut times) = (Instant::now(), Vec::new());
    while begun.elapsed() < long {
        let asked = Instant::now();
        assert_eq!(raw(address, &question).await.unwrap().status, 200);
        times.push(asked.elapsed());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    times
}

/// An inventory as zlib in three pieces, of which only that with the device has to be packed anew for another device: what the senders do
/// takes next to nothing from the processors that the sidecar has.
struct Packed {
    pieces: [(Vec<u8>, Checksum, usize); 2],
}

/// Adler-32 (RFC 1950) in its two halves.
#[derive(Clone, Copy)]
struct Checksum(u32, u32);

impl Checksum {
    const BASE: u32 = 65_521;

    fn of(bytes: &[u8]) -> Self {
        bytes.iter().fold(Self(1, 0), |Self(a, b), byte| {
            let a = (a + u32::from(*byte)) % Self::BASE;
            Self(a, (b + a) % Self::BASE)
        })
    }

    /// That of these bytes and `length` more, whose own is `next`.
    fn and(self, next: Self, length: usize) -> Self {
        let base = u64::from(Self::BASE);
        let before = u64::from(self.0) + base - 1;
        let sum = u64::from(self.1) + u64::from(next.1) + before * (length as u64 % base);
        let a = (before + u64::from(next.0)) % base;
        Self(
            u32::try_from(a).unwrap(),
            u32::try_from(sum % base).unwrap(),
        )
    }
}

/// `text` as blocks of raw deflate; further ones may follow unless they are the `last`.
fn blocks(text: &[u8], last: bool) -> Vec<u8> {
    let mut packer = Compress::new(Compression::default(), false);
    let mut to = Vec::with_capacity(text.len() + 1024);
    let flush = if last {
        FlushCompress::Finish
    } else {
        FlushCompress::Sync
    };
    packer.compress_vec(text, &mut to, flush).unwrap();
    assert_eq!(packer.total_in(), text.len() as u64);
    to
}

impl Packed {
    /// An inventory of device `wks-1`.
    fn new(xml: &str) -> Self {
        let (head, tail) = xml.split_once(&device("wks-1")).unwrap();
        let piece = |text: &str, last| {
            let bytes = text.as_bytes();
            (blocks(bytes, last), Checksum::of(bytes), bytes.len())
        };
        Self {
            pieces: [piece(head, false), piece(tail, true)],
        }
    }

    /// The same of another device.
    fn of(&self, name: &str) -> Vec<u8> {
        let [(head, sum, _), (tail, tail_sum, tail_length)] = &self.pieces;
        let own = device(name);
        let sum = sum
            .and(Checksum::of(own.as_bytes()), own.len())
            .and(*tail_sum, *tail_length);
        let sum = (sum.1 << 16 | sum.0).to_be_bytes();
        [
            b"\x78\x9c",
            &head[..],
            &blocks(own.as_bytes(), false),
            tail,
            &sum,
        ]
        .concat()
    }
}

fn device(name: &str) -> String {
    format!("<DEVICEID>{name}<")
}

/// `INVENTORIES=10000 cargo nextest run --release --config-file tests/policy/nextest.toml --no-capture ten_thousand_in_a_minute` is the full
/// form, and prints its numbers; the bounds here leave room for a busy machine and a build without optimisation.
#[tokio::test(flavor = "multi_thread")]
async fn inventories_at_the_pace_of_ten_thousand_in_a_minute_are_no_event() {
    let full = std::env::var("INVENTORIES").ok();
    let count = full
        .as_ref()
        .map_or(INVENTORIES, |text| text.parse().unwrap());
    let packed = Packed::new(&real_inventory().await);
    let example = packed.of("pc-1");
    let opened = open(Some(ZLIB.content_type()), &example, 1 << 26).unwrap();
    let opened = String::from_utf8(opened.body).unwrap();
    assert!(opened.contains(&device("pc-1")) && opened.ends_with("</REQUEST>\n"));
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
    let long = PACE * count;
    let mut alone = questions(address, long.min(Duration::from_secs(10))).await;

    let begun = Instant::now();
    let asking = tokio::spawn(questions(address, long));
    let mut senders = Vec::new();
    for number in 0..count {
        tokio::time::sleep_until((begun + PACE * number).into()).await;
        let message = request(
            "POST",
            MAIN,
            &[("Content-Type", ZLIB.content_type())],
            &packed.of(&format!("pc-{number}")),
        );
        senders.push(tokio::spawn(async move {
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
    let peak = sidecar.peak();
    let kept = usize::try_from(count).unwrap() - php.count();
    say(format!(
        "{count} inventories of {} kB packed, {} kB unpacked, in {took:?}: median {:?}, p99 {:?}; {kept} wait; peak {} MiB; getConfig alone \
         {:?}, p99 {:?}, beside them {:?}, p99 {:?}",
        example.len() / 1000,
        opened.len() / 1000,
        median(&mut times),
        p99(&mut times),
        peak / 1024,
        median(&mut alone),
        p99(&mut alone),
        median(&mut beside),
        p99(&mut beside),
    ));
    let p99 = p99(&mut times);
    if full.is_some() {
        let (alone, beside) = (median(&mut alone), median(&mut beside));
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
pub(super) async fn real_inventory() -> String {
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
pub(super) fn say(line: String) {
    println!("{line}");
}
