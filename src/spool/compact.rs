//! Room that is given back: segments without messages go, and messages of segments that are mostly empty are moved together, so that one that is
//! parked for long holds back no more than itself.

use std::io;
use std::sync::Arc;

use super::message::Meta;
use super::segment::Name;
use super::shared::{Slot, parts};
use super::writer::{Writer, encode};

/// Segments' worth of bytes of messages that are gone which are put up with.
const SPARE: u64 = 2;
/// Of all bytes, the part of messages that are gone which is put up with, beside [`SPARE`]: one of so many.
const PART: u64 = 4;

impl Writer {
    /// Removes segments without messages, but for the last one: its name holds the numbers that were given.
    pub(super) fn remove_empty(&mut self) {
        let last = self.segments.keys().next_back().copied();
        let current = self.current.as_ref().map(|current| current.number);
        let empty: Vec<u64> = self
            .segments
            .iter()
            .filter(|(number, segment)| {
                segment.alive == 0 && Some(**number) != last && Some(**number) != current
            })
            .map(|(number, _)| *number)
            .collect();
        for number in empty {
            self.doom(number);
        }
        self.remove_doomed();
    }

    fn doom(&mut self, number: u64) {
        if let Some(segment) = self.segments.remove(&number) {
            self.doomed.push(segment.name.segment());
            if segment.ledger.exists() {
                self.doomed.push(segment.name.moves());
            }
        }
    }

    /// Removes what is of no use. Segments go one by one, oldest first, each durably before the next: a segment that holds the copy of a
    /// message must not be gone while the one that it was copied from comes back. The moves of a segment go after it: without them its
    /// messages would be back.
    fn remove_doomed(&mut self) {
        self.doomed
            .sort_unstable_by_key(|name| (Name::parse(name).is_none(), name.clone()));
        while let Some(name) = self.doomed.first() {
            let is_segment = Name::parse(name).is_some();
            if self.unlinked && self.files.sync_directory().is_err() {
                return;
            }
            self.unlinked = false;
            match self.files.remove(name) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return,
                _ => {}
            }
            self.unlinked = is_segment;
            self.doomed.remove(0);
        }
        if self.unlinked {
            self.unlinked = self.files.sync_directory().is_err();
        }
    }

    /// Moves the messages of one segment to the current one, if too many bytes are of messages that are gone.
    pub(super) fn compact(&mut self) {
        let total = self.bytes();
        let alive: u64 = self.segments.values().map(|s| s.alive_bytes).sum();
        let gone = total.saturating_sub(alive);
        if gone <= SPARE * self.bounds.segment || gone < total / PART {
            return;
        }
        let current = self.current.as_ref().map(|current| current.number);
        let emptiest = self
            .segments
            .values()
            .filter(|segment| Some(segment.name.number) != current && !segment.stuck)
            .max_by_key(|segment| segment.length - segment.alive_bytes.min(segment.length));
        let Some(number) = emptiest.map(|segment| segment.name.number) else {
            return;
        };
        // Fewer bytes must be written than are given back.
        if let Some(true) = self
            .segments
            .get(&number)
            .map(|s| s.alive_bytes <= s.length / 2)
            && self.move_together(number).is_err()
            && let Some(segment) = self.segments.get_mut(&number)
        {
            segment.stuck = true;
        }
    }

    fn move_together(&mut self, number: u64) -> Result<(), ()> {
        let name = self.segments.get(&number).ok_or(())?.name;
        let slots: Vec<Slot> = {
            let index = self.shared.index();
            let slots = index.slots.values().filter(|slot| slot.name == name);
            slots.cloned().collect()
        };
        let into = self.current_segment().map_err(drop)?;
        let (into, begin) = (into.name, into.length);
        let mut buffer = Vec::new();
        let mut copies = Vec::new();
        for slot in slots {
            // A damaged message stays where it is.
            let parts = parts(self.files.as_ref(), &slot).ok().flatten();
            let (meta, body) = parts.ok_or(())?;
            let mut meta: Meta = serde_json::from_slice(&meta).map_err(drop)?;
            meta.entry = slot.entry.as_ref().clone();
            let at = begin + buffer.len() as u64;
            let head = encode(&mut buffer, into, &meta, &body).ok_or(())?;
            copies.push(Slot {
                entry: Arc::clone(&slot.entry),
                name: into,
                at,
                head,
            });
        }
        self.write(&buffer).map_err(drop)?;
        {
            let mut index = self.shared.index();
            let segment = self.segments.get_mut(&into.number).ok_or(())?;
            for copy in copies {
                segment.ids.push(copy.entry.id);
                segment.alive += 1;
                segment.alive_bytes += copy.head.length();
                index.slots.insert(copy.entry.id, copy);
            }
        }
        self.doom(number);
        self.remove_doomed();
        self.roll();
        Ok(())
    }
}
