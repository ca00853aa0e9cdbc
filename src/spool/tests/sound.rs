//! Copies that came to the disk in part, and disks with a place that cannot be read.

use std::io;

use super::super::files::{Appending, Reading};
use super::super::message::Meta;
use super::super::record::{Mark, Type, put};
use super::super::segment::Name;
use super::*;

/// What a power failure amid a compaction leaves: head and meta part of a copy came to the disk, its body did not.
#[tokio::test]
async fn a_copy_that_was_not_written_whole_does_not_take_the_place_of_its_original() {
    let disk = Disk::default();
    let open = || Spool::open_on(Arc::new(disk.clone()), small(), clock()).unwrap();
    let (spool, _) = open();
    let id = spool.append(message("a", 1000)).await.unwrap();
    drop(spool);
    let name = Name {
        number: 2,
        first: 2,
        mark: Mark(0x1234_5678_9abc_def1),
    };
    let (meta, body) = Meta::new(id, message("a", 1000));
    let meta = serde_json::to_vec(&meta).unwrap();
    let mut bytes = Vec::new();
    put(&mut bytes, name.mark, Type::Message, &meta, &body).unwrap();
    let hole = bytes.len() - 500;
    bytes[hole..].fill(0);
    let (meta, body) = Meta::new(MessageId(2), message("b", 10));
    let meta = serde_json::to_vec(&meta).unwrap();
    put(&mut bytes, name.mark, Type::Message, &meta, &body).unwrap();
    let mut file = disk.create(&name.segment()).unwrap();
    file.write_all(&bytes).unwrap();
    file.sync().unwrap();
    drop(file);

    let (spool, recovery) = open();
    assert_eq!(
        (recovery.torn, recovery.damaged, recovery.waiting),
        (1, 0, 2)
    );
    assert_eq!(spool.read(id).await.unwrap(), message("a", 1000));
    drop(spool);
    // That is said once, and the original can go while the copy is still there.
    let (spool, recovery) = open();
    assert_eq!((recovery.torn, recovery.waiting), (0, 2));
    assert!(spool.done(id).await.unwrap());
    spool.settle().await.unwrap();
    drop(spool);
    let (spool, recovery) = open();
    assert_eq!((recovery.torn, recovery.is_damaged()), (0, false));
    assert_eq!(spool.entry(id), None);
    assert_eq!(spool.entries().len(), 1);
}

/// A disk on which a byte of each segment cannot be read.
#[derive(Debug)]
struct Bad(Disk, u64);

#[derive(Debug)]
struct BadFile(Box<dyn Reading>, u64);

impl Reading for BadFile {
    fn length(&self) -> io::Result<u64> {
        self.0.length()
    }
    fn read_exact_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()> {
        if (at..at + buffer.len() as u64).contains(&self.1) {
            return Err(io::Error::other("input/output error"));
        }
        self.0.read_exact_at(buffer, at)
    }
}

impl Files for Bad {
    fn list(&self) -> io::Result<Vec<(String, u64)>> {
        self.0.list()
    }
    fn create(&self, name: &str) -> io::Result<Box<dyn Appending>> {
        self.0.create(name)
    }
    fn append(&self, name: &str) -> io::Result<Box<dyn Appending>> {
        self.0.append(name)
    }
    fn open(&self, name: &str) -> io::Result<Box<dyn Reading>> {
        let file = self.0.open(name)?;
        Ok(match Name::parse(name) {
            Some(_) => Box::new(BadFile(file, self.1)),
            None => file,
        })
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename(from, to)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.remove(name)
    }
    fn sync_directory(&self) -> io::Result<()> {
        self.0.sync_directory()
    }
    fn free(&self) -> io::Result<u64> {
        self.0.free()
    }
}

/// Of five messages, none sealed.
#[tokio::test]
async fn a_place_that_cannot_be_read_costs_one_record() {
    let disk = Disk::default();
    let bounds = Bounds {
        segment: 1 << 20,
        ..small()
    };
    let (spool, _) = Spool::open_on(Arc::new(disk.clone()), bounds, clock()).unwrap();
    let mut ids = Vec::new();
    for device in ["a", "b", "c", "d", "e"] {
        ids.push(spool.append(message(device, 1000)).await.unwrap());
    }
    disk.cut();
    drop(spool);
    disk.restart(false, 0);
    let record = disk.list().unwrap()[0].1 / 5;
    // In head, meta part and body of the second.
    for (at, waiting) in [(4, 4), (100, 4), (record - 1, 5)] {
        let bad = Bad(disk.clone(), record + at);
        let (spool, recovery) = Spool::open_on(Arc::new(bad), bounds, clock()).unwrap();
        assert_eq!(
            (recovery.waiting, recovery.damaged, recovery.parked),
            (waiting, 1, 0),
            "{at}: {recovery:?}"
        );
        assert!(recovery.unreadable.is_empty() && recovery.damaged_bytes > 0);
        let read = spool.read(ids[1]).await.unwrap_err();
        let expected = if waiting == 5 {
            "spool-unreadable"
        } else {
            "spool-unknown"
        };
        assert_eq!(read.code(), expected, "{at}");
        for (id, device) in ids.iter().zip(["a", "b", "c", "d", "e"]).skip(2) {
            assert_eq!(spool.read(*id).await.unwrap(), message(device, 1000));
        }
    }
}

/// It is told of a disk that can be read and not written, too.
#[tokio::test]
async fn a_damaged_message_is_said_to_be_damaged_where_that_cannot_be_noted() {
    let disk = Disk::default();
    let (spool, _) = Spool::open_on(Arc::new(disk.clone()), small(), clock()).unwrap();
    let id = spool.append(message("a", 1000)).await.unwrap();
    let last = disk.list().unwrap()[0].1 - 1;
    assert!(disk.flip(last << 3));
    disk.fault(Some(Fault::ReadOnly));
    let error = spool.read(id).await.unwrap_err();
    assert_eq!(error.code(), "spool-damaged");
}
