//! Moves of messages: written beside the segment of each, then so in the index.

use std::io;
use std::sync::Arc;

use super::SpoolError;
use super::message::{MessageId, Move};
use super::meter;
use super::shared::Slot;
use super::writer::{Reply, Writer, refused};

impl Writer {
    pub(super) fn moves(&mut self, moves: Vec<(Move, Reply<bool>)>) {
        let mut waiting = Vec::new();
        for (what, reply) in moves {
            let lazy = matches!(what, Move::Done { .. } | Move::Failed { .. });
            match self.apply(&what) {
                Ok(true) if !lazy => waiting.push(reply),
                outcome => drop(reply.send(outcome)),
            }
        }
        if !waiting.is_empty() {
            let outcome = self.sync_moves();
            for reply in waiting {
                let _ = reply.send(outcome.clone().map(|()| true));
            }
        }
        self.remove_empty();
    }

    /// Writes what becomes of a message, and lets it be so.
    fn apply(&mut self, what: &Move) -> Result<bool, SpoolError> {
        let Some(id) = what.id() else {
            return Ok(false);
        };
        let Some(slot) = self.shared.index().slots.get(&id).cloned() else {
            return Ok(false);
        };
        if matches!(what, Move::Failed { .. }) && !slot.entry.is_waiting() {
            return Ok(false);
        }
        let Some(segment) = self.segments.get_mut(&slot.name.number) else {
            return Ok(false);
        };
        let written = segment
            .ledger
            .write(self.files.as_ref(), segment.name, what);
        // What PHP has is not given to it again, whatever the disk says.
        if written.is_err() && !matches!(what, Move::Done { .. }) {
            return self.refuse(written);
        }
        let after = what.applied(&slot.entry);
        let mut index = self.shared.index();
        if let Some(entry) = after {
            let entry = Arc::new(entry);
            index.slots.insert(id, Slot { entry, ..slot });
        } else {
            index.slots.remove(&id);
            segment.alive -= 1;
            segment.alive_bytes -= slot.head.length();
        }
        drop(index);
        meter::moved(what);
        self.refuse(written)
    }

    fn refuse(&self, written: io::Result<()>) -> Result<bool, SpoolError> {
        written.map(|()| true).map_err(|error| {
            self.shared.index().trouble = Some(error.to_string());
            refused(&error)
        })
    }

    /// Makes all moves durable, also those that could not be written before.
    pub(super) fn sync_moves(&mut self) -> Result<(), SpoolError> {
        let (mut outcome, mut any) = (Ok(()), false);
        for segment in self.segments.values_mut() {
            let index = self.shared.index();
            let synced = segment.ledger.settle(
                self.files.as_ref(),
                segment.name,
                &segment.ids,
                &index.slots,
            );
            drop(index);
            match synced {
                Ok(wrote) => any |= wrote,
                Err(error) => outcome = Err(error),
            }
        }
        if any && outcome.is_ok() {
            self.shared.index().trouble = None;
        }
        outcome.map_err(|error| {
            self.shared.index().trouble = Some(error.to_string());
            refused(&error)
        })
    }

    /// Parks what has waited for too long.
    pub(super) fn park_old(&mut self) {
        let now = self.clock.now();
        let Ok(longest) = chrono::Duration::from_std(self.bounds.max_age) else {
            return;
        };
        let old: Vec<MessageId> = {
            let index = self.shared.index();
            let entries = index.slots.values().map(|slot| &slot.entry);
            entries
                .filter(|entry| entry.is_waiting() && now - entry.since() > longest)
                .map(|entry| entry.id)
                .collect()
        };
        let parked = old.iter().filter(|id| {
            let reason = format!(
                "older than spool-max-age ({} s)",
                self.bounds.max_age.as_secs()
            );
            let what = Move::Parked {
                id: **id,
                reason,
                at: now,
            };
            matches!(self.apply(&what), Ok(true))
        });
        if parked.count() > 0 {
            let _ = self.sync_moves();
            self.shared.tell();
        }
    }
}
