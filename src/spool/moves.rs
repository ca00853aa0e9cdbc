//! The file of moves beside a segment.

use std::collections::BTreeMap;
use std::io;

use super::files::{Appending, Files};
use super::message::{MessageId, Move, State};
use super::record::{Type, put};
use super::segment::Name;
use super::shared::Slot;

/// Records that a file of moves may have beside four for each message before it is written anew.
const SLACK: usize = 256;

/// What is written beside a segment.
#[derive(Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own about the file"
)]
pub(super) struct Ledger {
    file: Option<Box<dyn Appending>>,
    pub(super) length: u64,
    /// From where on the segment holds nothing that was acknowledged.
    pub(super) abandoned: Option<u64>,
    /// Messages in the segment that are copies which were not written whole.
    void: Vec<MessageId>,
    /// Whether there is a file, open or not.
    on_disk: bool,
    /// Records written by this process.
    records: usize,
    /// Something was written since the last sync.
    dirty: bool,
    /// The name of the file may not be durable.
    fresh: bool,
    /// The file lacks something, or is in doubt: it has to be written anew.
    owing: bool,
}

impl Ledger {
    /// That of a segment of an earlier process.
    pub(super) fn found(length: Option<u64>, abandoned: Option<u64>, void: Vec<MessageId>) -> Self {
        Self {
            length: length.unwrap_or_default(),
            on_disk: length.is_some(),
            // What an earlier process wrote may be in the system's memory alone, and a sync that failed then may not fail again: it is
            // written anew.
            owing: length.is_some() || !void.is_empty(),
            abandoned,
            void,
            ..Self::default()
        }
    }

    /// Whether it must be said that copies are none, before their originals are gone.
    pub(super) fn has_void(&self) -> bool {
        !self.void.is_empty()
    }

    /// Whether there may be a file.
    pub(super) fn exists(&self) -> bool {
        self.on_disk
    }

    /// Writes a move, without a sync. After an error the file is written anew at the next [`Self::settle`].
    pub(super) fn write(&mut self, files: &dyn Files, name: Name, what: &Move) -> io::Result<()> {
        let mut buffer = Vec::new();
        encode(&mut buffer, name, what)?;
        let length = self.length;
        let outcome = self.open(files, name).and_then(|file| {
            let written = file.write_all(&buffer);
            if written.is_err() {
                // What is left of it is damage that harms nothing: the file is written anew, or passed over at the next start.
                let _ = file.truncate(length);
            }
            written
        });
        match outcome {
            Ok(()) => {
                self.length += buffer.len() as u64;
                self.records += 1;
                self.dirty = true;
            }
            Err(_) => self.owing = true,
        }
        outcome
    }

    fn open(&mut self, files: &dyn Files, name: Name) -> io::Result<&mut Box<dyn Appending>> {
        if self.file.is_none() {
            let file = if self.on_disk {
                files.append(&name.moves())?
            } else {
                let file = files.create(&name.moves())?;
                (self.on_disk, self.fresh) = (true, true);
                file
            };
            self.file = Some(file);
        }
        self.file
            .as_mut()
            .ok_or_else(|| io::Error::other("no file of moves"))
    }

    /// Makes durable what was written; writes all anew, from how the messages stand, where that is owed or shorter by far.
    /// Says whether there was anything to do.
    pub(super) fn settle(
        &mut self,
        files: &dyn Files,
        name: Name,
        ids: &[MessageId],
        slots: &BTreeMap<MessageId, Slot>,
    ) -> io::Result<bool> {
        let wrote = self.owing || self.dirty;
        if self.records > 4 * ids.len() + SLACK {
            self.owing = true;
        }
        if !self.owing && self.dirty {
            let synced = self.open(files, name).and_then(|file| file.sync());
            let synced = if self.fresh {
                synced.and_then(|()| files.sync_directory())
            } else {
                synced
            };
            // Nothing is known of the file after a sync that failed.
            (self.dirty, self.owing) = (false, synced.is_err());
            self.fresh &= synced.is_err();
        }
        if self.owing {
            self.rewrite(files, name, ids, slots)?;
        }
        Ok(wrote)
    }

    fn rewrite(
        &mut self,
        files: &dyn Files,
        name: Name,
        ids: &[MessageId],
        slots: &BTreeMap<MessageId, Slot>,
    ) -> io::Result<()> {
        let mut buffer = Vec::new();
        let mut records = 0;
        let mut add = |what: &Move| {
            records += 1;
            encode(&mut buffer, name, what)
        };
        if let Some(from) = self.abandoned {
            add(&Move::Abandoned { from })?;
        }
        for id in &self.void {
            add(&Move::Superseded { id: *id, by: *id })?;
        }
        for id in ids {
            let slot = slots.get(id).filter(|slot| slot.name == name);
            let Some(slot) = slot else {
                add(&Move::Done { id: *id })?;
                continue;
            };
            let entry = &slot.entry;
            if let Some(at) = entry.retried_at {
                add(&Move::Retried { id: *id, at })?;
            }
            if entry.attempts > 0 || entry.not_before.is_some() {
                add(&Move::Failed {
                    id: *id,
                    attempts: entry.attempts,
                    not_before: entry.not_before,
                })?;
            }
            if let State::Parked { reason, at } = &entry.state {
                add(&Move::Parked {
                    id: *id,
                    reason: reason.clone(),
                    at: *at,
                })?;
            }
        }
        let beside = format!("{}.new", name.moves());
        match files.remove(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = files.create(&beside)?;
        file.write_all(&buffer)?;
        file.sync()?;
        files.rename(&beside, &name.moves())?;
        self.on_disk = true;
        self.file = Some(file);
        self.length = buffer.len() as u64;
        self.records = 0;
        files.sync_directory()?;
        (self.dirty, self.fresh, self.owing) = (false, false, false);
        Ok(())
    }
}

fn encode(buffer: &mut Vec<u8>, name: Name, what: &Move) -> io::Result<()> {
    let meta = serde_json::to_vec(what)?;
    put(buffer, name.mark, Type::Move, &meta, &[])
        .map(|_| ())
        .ok_or_else(|| io::Error::other("the move is too large for a record"))
}
