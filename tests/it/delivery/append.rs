//! How fast the spool takes messages, beside a program that does nothing but append and sync.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fusion_sidecar::clock::{Clock as _, SystemClock};
use fusion_sidecar::proto::envelope::seal;
use fusion_sidecar::spool::files::{Appending, Directory, Files, Reading};
use fusion_sidecar::spool::{Bounds, Kind, Message, Origin, Spool};
use futures_util::future::join_all;

use super::speed::{real_inventory, say};
use crate::support::importer::ZLIB;

/// Messages in each run, unless `APPENDS` says how many.
const APPENDS: u32 = 240;

/// Senders at the same time.
const SENDERS: usize = 16;

/// Runs of either, one after the other: the disk of a shared machine has better and worse moments.
const RUNS: usize = 3;

/// What it may take at the most, as a multiple of what the disk takes. A build without optimisation reached
/// 0.44 of the disk's pace on a busy machine; why was not looked into.
const SLOWER: u32 = if cfg!(debug_assertions) { 4 } else { 2 };

/// A directory that notes how much was written before each sync.
#[derive(Debug)]
struct Noting {
    inner: Directory,
    groups: Arc<Mutex<Vec<usize>>>,
}

#[derive(Debug)]
struct NotingFile {
    inner: Box<dyn Appending>,
    written: usize,
    groups: Arc<Mutex<Vec<usize>>>,
}

impl Noting {
    fn noting(&self, inner: Box<dyn Appending>) -> Box<dyn Appending> {
        Box::new(NotingFile {
            inner,
            written: 0,
            groups: Arc::clone(&self.groups),
        })
    }
}

impl Files for Noting {
    fn list(&self) -> io::Result<Vec<(String, u64)>> {
        self.inner.list()
    }
    fn create(&self, name: &str) -> io::Result<Box<dyn Appending>> {
        Ok(self.noting(self.inner.create(name)?))
    }
    fn append(&self, name: &str) -> io::Result<Box<dyn Appending>> {
        Ok(self.noting(self.inner.append(name)?))
    }
    fn open(&self, name: &str) -> io::Result<Box<dyn Reading>> {
        self.inner.open(name)
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.inner.rename(from, to)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.inner.remove(name)
    }
    fn sync_directory(&self) -> io::Result<()> {
        self.inner.sync_directory()
    }
    fn free(&self) -> io::Result<u64> {
        self.inner.free()
    }
}

impl Appending for NotingFile {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.written += bytes.len();
        self.inner.write_all(bytes)
    }
    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.inner.truncate(length)
    }
    fn sync(&mut self) -> io::Result<()> {
        let written = std::mem::take(&mut self.written);
        self.groups.lock().unwrap().push(written);
        self.inner.sync()
    }
}

/// An inventory of a device.
pub(super) fn message(device: u32, body: &[u8]) -> Message {
    Message {
        received_at: SystemClock.now(),
        kind: Kind::Inventory,
        device: format!("pc-{device}"),
        run: None,
        full: true,
        origin: Origin {
            client: [127, 0, 0, 1].into(),
            https: false,
            host: None,
            content_type: Some(ZLIB.content_type().to_owned()),
            user_agent: Some("FusionInventory-Agent_v2.6".to_owned()),
            headers: Vec::new(),
            path: "/".to_owned(),
            query: None,
        },
        body: body.to_vec().into(),
    }
}

/// Lets senders have `count` messages kept, each one after the other; how long that took, and the bytes of each group.
async fn kept(dir: &Path, count: u32, body: &[u8]) -> (Duration, Vec<usize>) {
    let groups = Arc::new(Mutex::new(Vec::new()));
    let files = Arc::new(Noting {
        inner: Directory::lock(dir).unwrap(),
        groups: Arc::clone(&groups),
    });
    let bounds = Bounds {
        min_free: 0,
        max_bytes: u64::MAX,
        ..Bounds::default()
    };
    let (spool, _) = Spool::open_on(files, bounds, Arc::new(SystemClock)).unwrap();
    let next = AtomicU32::new(0);
    groups.lock().unwrap().clear();
    let begun = Instant::now();
    join_all((0..SENDERS).map(async |_| {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return;
            }
            spool.append(message(number, body)).await.unwrap();
        }
    }))
    .await;
    let took = begun.elapsed();
    let groups = groups.lock().unwrap().clone();
    assert_eq!(spool.entries().len(), count as usize);
    (took, groups)
}

/// The program that only appends and syncs.
fn appended(path: &Path, groups: &[usize], body: &[u8]) -> Duration {
    let most = groups.iter().max().copied().unwrap_or_default();
    let bytes: Vec<u8> = body.iter().copied().cycle().take(most).collect();
    let begun = Instant::now();
    let mut file: File = OpenOptions::new()
        .append(true)
        .create_new(true)
        .open(path)
        .unwrap();
    for group in groups {
        file.write_all(&bytes[..*group]).unwrap();
        file.sync_data().unwrap();
    }
    begun.elapsed()
}

/// `APPENDS=5000 cargo nextest run --release --config-file tests/policy/nextest.toml --no-capture appended_and_synced` is the full form, with an
/// inventory of the real agent, and prints its numbers.
#[tokio::test(flavor = "multi_thread")]
async fn messages_are_appended_and_synced_at_half_the_disks_pace_at_least() {
    let full = std::env::var("APPENDS").ok();
    let count = full.as_ref().map_or(APPENDS, |text| text.parse().unwrap());
    // As many bytes as an inventory has: what they are is nothing to a spool.
    let body = if full.is_some() {
        seal(&real_inventory().await, ZLIB)
    } else {
        (0..100_000_u32)
            .map(|number| number.to_le_bytes()[1])
            .collect()
    };
    // Where the sidecar's spool would lie: a disk, not memory.
    let home = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (mut own, mut plain) = (Duration::MAX, Duration::MAX);
    for run in 0..RUNS {
        let dir = tempfile::tempdir_in(home).unwrap();
        let (took, groups) = kept(&dir.path().join("spool"), count, &body).await;
        let bare = appended(&dir.path().join("plain"), &groups, &body);
        let rate = |took: Duration| f64::from(count) / took.as_secs_f64();
        say(format!(
            "{run}: {count} messages of {} kB in {} groups: {:.0} a second; only appended and synced: {:.0} a second",
            body.len() / 1000,
            groups.len(),
            rate(took),
            rate(bare),
        ));
        (own, plain) = (own.min(took), plain.min(bare));
    }
    assert!(own < plain * SLOWER, "{own:?} where {plain:?} is the least");
}
