//! What lies in the directory: reads all segments with their moves, and changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use serde::Serialize;

use super::files::{Files, Reading};
use super::message::{MessageId, Meta, Move, State};
use super::record::{HEAD, Head, Type};
use super::segment::{Found, Name, scan};
use super::shared::Slot;

/// What a message is parked with whose body is not what was written.
pub(super) const DAMAGED: &str = "damaged: what lies on the disk is not what was written";

/// What was found in the directory of a spool.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Recovery {
    /// Segments.
    pub segments: u64,
    /// Messages that wait.
    pub waiting: u64,
    /// Messages that are parked.
    pub parked: u64,
    /// Records that were not written whole: at the end of a segment, where they were never acknowledged, and copies whose originals count.
    pub torn: u64,
    /// Places in segments that are no record where one should be, and messages whose body is not what was written, which are
    /// parked, or cannot be read, which wait until it can be.
    pub damaged: u64,
    /// Bytes in such places and bodies.
    pub damaged_bytes: u64,
    /// Places in the files of moves that are no record: what they said is not known any more, and a message may be delivered again.
    pub damaged_moves: u64,
    /// Segments that the disk did not let be read; they are left alone.
    pub unreadable: Vec<String>,
}

impl Recovery {
    /// Whether anything is not as it was written, but for what was never acknowledged.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.damaged > 0 || self.damaged_moves > 0 || !self.unreadable.is_empty()
    }
}

/// A segment as it was found.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) name: Name,
    pub(super) length: u64,
    /// It ends with its seal: all of it is durable.
    pub(super) sealed: bool,
    /// All messages in it, gone or not.
    pub(super) ids: Vec<MessageId>,
    /// Copies that were not written whole: the originals count.
    pub(super) void: Vec<MessageId>,
    /// From where on nothing was acknowledged.
    pub(super) abandoned: Option<u64>,
    /// Length of its file of moves, if it has one.
    pub(super) moves: Option<u64>,
    /// Where its last record is torn.
    pub(super) torn: Option<u64>,
    /// Ranges that are no record.
    pub(super) damaged: Vec<(u64, u64)>,
}

/// Everything that was found.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) segments: BTreeMap<u64, Segment>,
    pub(super) slots: BTreeMap<MessageId, Slot>,
    pub(super) recovery: Recovery,
    /// The lowest number that no message has had.
    pub(super) next_id: u64,
    /// The lowest number that no segment has had.
    pub(super) next_number: u64,
    /// Files of ours that belong to no segment.
    pub(super) orphans: Vec<String>,
}

pub(super) fn load(files: &dyn Files) -> io::Result<Loaded> {
    let listed: BTreeMap<String, u64> = files.list()?.into_iter().collect();
    let mut names: Vec<Name> = listed.keys().filter_map(|name| Name::parse(name)).collect();
    names.sort_unstable_by_key(|name| name.number);
    let mut loaded = Loaded {
        next_id: 1,
        next_number: 1,
        ..Loaded::default()
    };
    let segments: BTreeSet<String> = names.iter().map(Name::segment).collect();
    for name in listed.keys() {
        let of_segment = Name::parse_moves(name.strip_suffix(".new").unwrap_or(name));
        let is_orphan = |moves: Name| {
            !segments.contains(&moves.segment()) || name.strip_suffix(".new").is_some()
        };
        if of_segment.is_some_and(is_orphan) {
            loaded.orphans.push(name.clone());
        }
    }
    for name in names {
        loaded.next_id = loaded.next_id.max(name.first);
        loaded.next_number = loaded.next_number.max(name.number.saturating_add(1));
        loaded.recovery.segments += 1;
        if let Ok(segment) = segment(files, name, &listed, &mut loaded) {
            loaded.segments.insert(name.number, segment);
        } else {
            let name_of = name.segment();
            let length = listed.get(&name_of).copied().unwrap_or_default();
            let after = name.first.saturating_add(length / HEAD as u64);
            loaded.next_id = loaded.next_id.max(after);
            loaded.recovery.unreadable.push(name_of);
        }
    }
    for slot in loaded.slots.values() {
        if slot.entry.is_waiting() {
            loaded.recovery.waiting += 1;
        } else {
            loaded.recovery.parked += 1;
        }
    }
    Ok(loaded)
}

fn segment(
    files: &dyn Files,
    name: Name,
    listed: &BTreeMap<String, u64>,
    loaded: &mut Loaded,
) -> io::Result<Segment> {
    let mut segment = Segment {
        name,
        length: 0,
        sealed: false,
        ids: Vec::new(),
        void: Vec::new(),
        abandoned: None,
        moves: listed.get(&name.moves()).copied(),
        torn: None,
        damaged: Vec::new(),
    };
    let moves = if segment.moves.is_some() {
        moves(files, name, &mut loaded.recovery)?
    } else {
        Vec::new()
    };
    segment.abandoned = moves.iter().find_map(|what| match what {
        Move::Abandoned { from } => Some(*from),
        _ => None,
    });
    let file = files.open(&name.segment())?;
    segment.length = file.length()?;
    segment.sealed = is_sealed(file.as_ref(), name, segment.length);
    // What was synced before the next segment began needs no reading here: a body is checked when it is read, too.
    let mut found = Vec::new();
    scan(file.as_ref(), name.mark, !segment.sealed, |record| {
        found.push(record);
    })?;
    let mut alive: BTreeMap<MessageId, Slot> = BTreeMap::new();
    let voids = moves.iter().filter(|what| what.voids());
    let voids: BTreeSet<MessageId> = voids.filter_map(Move::id).collect();
    for record in found {
        let acknowledged = segment.abandoned.is_none_or(|from| record.at() < from);
        match record {
            Found::Torn { from, .. } => {
                segment.torn = Some(from);
                loaded.recovery.torn += u64::from(acknowledged);
            }
            Found::Damaged { from, to } if acknowledged => segment.damaged.push((from, to)),
            Found::Record {
                at,
                head,
                meta,
                sound,
            } if head.what == Type::Message => {
                let Ok(Meta { mut entry, .. }) = serde_json::from_slice(&meta) else {
                    if acknowledged {
                        segment.damaged.push((at, at + head.length()));
                    }
                    continue;
                };
                loaded.next_id = loaded.next_id.max(entry.id.0.saturating_add(1));
                if !acknowledged {
                    continue;
                }
                let is_checked = sound == Some(true) || segment.sealed;
                let is_void = voids.contains(&entry.id);
                // A power failure amid a compaction: the copy's head came to the disk, its body did not, and the original is still there.
                if is_void || (!is_checked && loaded.slots.contains_key(&entry.id)) {
                    if !is_void {
                        loaded.recovery.torn += 1;
                        let lost = moves.iter().filter(|what| what.id() == Some(entry.id));
                        loaded.recovery.damaged_moves += lost.count() as u64;
                    }
                    segment.void.push(entry.id);
                    continue;
                }
                if !is_checked {
                    loaded.recovery.damaged += 1;
                    loaded.recovery.damaged_bytes += u64::from(head.body);
                }
                if sound == Some(false) {
                    entry.state = State::Parked {
                        reason: DAMAGED.to_owned(),
                        at: entry.received_at,
                    };
                }
                segment.ids.push(entry.id);
                let slot = Slot {
                    entry: Arc::new(entry),
                    name,
                    at,
                    head,
                };
                alive.insert(slot.entry.id, slot);
            }
            Found::Damaged { .. } | Found::Record { .. } => {}
        }
    }
    conclude(&segment, &moves, alive, loaded);
    Ok(segment)
}

/// Counts what is damaged in a segment, and lets its messages be what their moves made of them.
fn conclude(
    segment: &Segment,
    moves: &[Move],
    mut alive: BTreeMap<MessageId, Slot>,
    loaded: &mut Loaded,
) {
    let mut damaged = 0;
    for (from, to) in &segment.damaged {
        loaded.recovery.damaged += 1;
        damaged += to - from;
    }
    loaded.recovery.damaged_bytes += damaged;
    // No more messages than this can have stood there, and none of their numbers is given again.
    let highest = segment.ids.iter().max();
    let highest = highest.map_or(0, |id| id.0.saturating_add(1));
    let after = highest
        .max(segment.name.first)
        .saturating_add(damaged / HEAD as u64);
    loaded.next_id = loaded.next_id.max(after);
    for what in moves {
        let Some(id) = what.id() else { continue };
        let Some(slot) = alive.get_mut(&id) else {
            continue;
        };
        match what.applied(&slot.entry) {
            Some(entry) => slot.entry = Arc::new(entry),
            None => drop(alive.remove(&id)),
        }
    }
    // A copy in a newer segment is the one that counts, also where it is gone.
    for id in &segment.ids {
        loaded.slots.remove(id);
    }
    loaded.slots.extend(alive);
}

/// Cuts off what was not written whole, and keeps bytes aside that nobody could read. What the disk does not let be mended stays as it is.
///
/// What a killed process wrote and did not sync is made durable: there may be copies among it, whose originals go now.
///
/// # Errors
///
/// When the disk does not make it so.
pub(super) fn mend(files: &dyn Files, loaded: &mut Loaded) -> io::Result<()> {
    for segment in loaded.segments.values_mut() {
        if let Some(from) = segment.torn {
            let cut = files.append(&segment.name.segment());
            if cut.and_then(|mut file| file.truncate(from)).is_ok() {
                segment.length = from;
            }
        }
        for (from, to) in &segment.damaged {
            let _ = keep_aside(files, segment.name, *from, *to);
        }
        if !segment.sealed {
            files.append(&segment.name.segment())?.sync()?;
        }
    }
    files.sync_directory()
}

fn keep_aside(files: &dyn Files, name: Name, from: u64, to: u64) -> io::Result<()> {
    let damaged = files.open(&name.segment())?;
    let mut aside = match files.create(&name.damaged(from)) {
        // It was kept at an earlier start.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        aside => aside?,
    };
    let mut buffer = vec![0; 64 * 1024];
    let mut at = from;
    while at < to {
        let part = usize::try_from(to - at).map_or(buffer.len(), |left| left.min(buffer.len()));
        damaged.read_exact_at(&mut buffer[..part], at)?;
        aside.write_all(&buffer[..part])?;
        at += part as u64;
    }
    aside.sync()
}

/// Whether a segment ends with its seal: everything before was synced then.
fn is_sealed(file: &dyn Reading, name: Name, length: u64) -> bool {
    let Some(at) = length.checked_sub(HEAD as u64) else {
        return false;
    };
    let mut bytes = [0; HEAD];
    // Where its end cannot be read all of it is.
    file.read_exact_at(&mut bytes, at).is_ok()
        && Head::decode(&bytes, name.mark).is_some_and(|head| head.what == Type::Seal)
}

fn moves(files: &dyn Files, name: Name, recovery: &mut Recovery) -> io::Result<Vec<Move>> {
    let file = files.open(&name.moves())?;
    let mut moves = Vec::new();
    scan(file.as_ref(), name.mark, false, |found| match found {
        Found::Record { head, meta, .. } if head.what == Type::Move => {
            match serde_json::from_slice(&meta) {
                Ok(what) => moves.push(what),
                Err(_) => recovery.damaged_moves += 1,
            }
        }
        Found::Record { .. } | Found::Damaged { .. } => recovery.damaged_moves += 1,
        Found::Torn { .. } => {}
    })?;
    Ok(moves)
}
