//! What the writer knows and everybody may look at: where each message lies and how it stands.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio::sync::watch;

use super::SpoolError;
use super::files::Files;
use super::message::{Entry, Message, MessageId, Meta};
use super::record::{HEAD, Head};
use super::segment::Name;
use crate::clock::Clock;

/// How often a message is looked for again that was moved to another segment while it was read.
const LOOKS: usize = 5;

/// How full a spool is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Bytes of its files.
    pub bytes: u64,
    /// Messages that wait.
    pub waiting: u64,
    /// Messages that are parked.
    pub parked: u64,
    /// When the oldest waiting message was received.
    pub oldest: Option<DateTime<Utc>>,
    /// Bytes free on the disk, where it could be asked.
    pub free: Option<u64>,
    /// Why the disk refused to be written last, until it is written again.
    pub trouble: Option<String>,
}

/// Where a message lies, and how it stands.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    pub(super) entry: Arc<Entry>,
    pub(super) name: Name,
    pub(super) at: u64,
    pub(super) head: Head,
}

#[derive(Debug, Default)]
pub(super) struct Index {
    pub(super) slots: BTreeMap<MessageId, Slot>,
    pub(super) bytes: u64,
    pub(super) trouble: Option<String>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) files: Arc<dyn Files>,
    pub(super) clock: Arc<dyn Clock>,
    index: Mutex<Index>,
    changes: watch::Sender<u64>,
}

impl Shared {
    pub(super) fn new(files: Arc<dyn Files>, clock: Arc<dyn Clock>, index: Index) -> Self {
        Self {
            files,
            clock,
            index: Mutex::new(index),
            changes: watch::channel(0).0,
        }
    }

    pub(super) fn index(&self) -> MutexGuard<'_, Index> {
        // Each change is one assignment, so that a panic leaves nothing half done.
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that the index has changed.
    pub(super) fn tell(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    pub(super) fn changed(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(super) fn entries(&self) -> Vec<Arc<Entry>> {
        let index = self.index();
        let entries = index.slots.values().map(|slot| Arc::clone(&slot.entry));
        entries.collect()
    }

    pub(super) fn entry(&self, id: MessageId) -> Option<Arc<Entry>> {
        let index = self.index();
        index.slots.get(&id).map(|slot| Arc::clone(&slot.entry))
    }

    pub(super) fn usage(&self) -> Usage {
        let mut usage = {
            let index = self.index();
            summary(index.slots.values(), &index)
        };
        usage.free = self.files.free().ok();
        usage
    }

    /// Reads a message, wherever it lies by then.
    pub(super) fn read(&self, id: MessageId) -> Result<Message, SpoolError> {
        for _ in 0..LOOKS {
            let slot = self.index().slots.get(&id).cloned();
            let slot = slot.ok_or(SpoolError::Unknown(id))?;
            match read(self.files.as_ref(), &slot) {
                Ok(Some(message)) => return Ok(message),
                Ok(None) => return Err(SpoolError::Damaged(id)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    return Err(SpoolError::Unreadable {
                        id,
                        reason: error.to_string(),
                    });
                }
            }
        }
        Err(SpoolError::Unreadable {
            id,
            reason: "its file is gone".to_owned(),
        })
    }
}

/// The sums over `slots`.
pub(super) fn summary<'a>(slots: impl Iterator<Item = &'a Slot>, index: &Index) -> Usage {
    let mut usage = Usage {
        bytes: index.bytes,
        trouble: index.trouble.clone(),
        ..Usage::default()
    };
    for slot in slots {
        if slot.entry.is_waiting() {
            usage.waiting += 1;
            let received = slot.entry.received_at;
            usage.oldest = Some(usage.oldest.map_or(received, |oldest| oldest.min(received)));
        } else {
            usage.parked += 1;
        }
    }
    usage
}

/// Reads the message in `slot`; nothing if it is not what was written.
pub(super) fn read(files: &dyn Files, slot: &Slot) -> io::Result<Option<Message>> {
    let Some((meta, body)) = parts(files, slot)? else {
        return Ok(None);
    };
    let meta: Option<Meta> = serde_json::from_slice(&meta).ok();
    Ok(meta.map(|meta| meta.into_message(body)))
}

/// Meta part and body of the record in `slot`, checked.
pub(super) fn parts(files: &dyn Files, slot: &Slot) -> io::Result<Option<(Vec<u8>, Bytes)>> {
    let file = files.open(&slot.name.segment())?;
    let mut meta = vec![0; slot.head.meta as usize];
    let mut body = vec![0; slot.head.body as usize];
    let read = file
        .read_exact_at(&mut meta, slot.at + HEAD as u64)
        .and_then(|()| file.read_exact_at(&mut body, slot.at + slot.head.body_at()));
    match read {
        // The file was cut short.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let sound = crc32fast::hash(&meta) == slot.head.meta_sum
        && crc32fast::hash(&body) == slot.head.body_sum;
    Ok(sound.then(|| (meta, body.into())))
}
