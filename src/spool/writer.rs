//! The one thread that writes: takes what is asked of it together, writes it, syncs once, and answers.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::files::{Appending, Files};
use super::message::{Message, MessageId, Meta, Move};
use super::meter;
use super::moves::Ledger;
use super::record::{HEAD, Type, put};
use super::recover::{self, Recovery};
use super::segment::Name;
use super::shared::{Index, Shared, Slot};
use super::{Bounds, Full, SpoolError};
use crate::clock::Clock;

/// How long moves that nobody waits for may be written and not synced.
pub const SYNC_WITHIN: Duration = Duration::from_millis(500);

/// Bytes of messages that are written with one sync; a larger message goes alone.
const BATCH: usize = 8 << 20;

/// Where the answer to a request goes.
pub(super) type Reply<T> = oneshot::Sender<Result<T, SpoolError>>;

/// What is asked of the writer.
pub(super) enum Request {
    Append {
        message: Box<Message>,
        reply: Reply<MessageId>,
    },
    Move {
        what: Move,
        reply: Reply<bool>,
    },
    /// Sync and tidy now.
    Settle {
        reply: Reply<()>,
    },
}

/// A segment that this process may be writing or not.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) name: Name,
    pub(super) length: u64,
    /// All messages in it, gone or not.
    pub(super) ids: Vec<MessageId>,
    /// How many of them are not gone.
    pub(super) alive: usize,
    /// Bytes of their records.
    pub(super) alive_bytes: u64,
    /// Something in it could not be read, so that it is not moved together.
    pub(super) stuck: bool,
    pub(super) ledger: Ledger,
}

#[derive(Debug)]
pub(super) struct Current {
    pub(super) number: u64,
    file: Box<dyn Appending>,
}

#[derive(Debug)]
pub(super) struct Writer {
    pub(super) files: Arc<dyn Files>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) bounds: Bounds,
    pub(super) shared: Arc<Shared>,
    pub(super) segments: BTreeMap<u64, Segment>,
    pub(super) current: Option<Current>,
    next_id: u64,
    next_number: u64,
    /// Names of files whose segment is gone and that could not be removed.
    pub(super) doomed: Vec<String>,
    /// A file was removed, which may not be durable.
    pub(super) unlinked: bool,
    last_tidy: Instant,
}

impl Writer {
    /// Reads what is there and mends what can be mended.
    pub(super) fn open(
        files: Arc<dyn Files>,
        bounds: Bounds,
        clock: Arc<dyn Clock>,
    ) -> io::Result<(Self, Arc<Shared>, Recovery)> {
        let mut loaded = recover::load(files.as_ref())?;
        recover::mend(files.as_ref(), &mut loaded)?;
        let mut segments: BTreeMap<u64, Segment> = loaded
            .segments
            .into_values()
            .map(|found| {
                let segment = Segment {
                    name: found.name,
                    length: found.length,
                    ids: found.ids,
                    alive: 0,
                    alive_bytes: 0,
                    stuck: false,
                    ledger: Ledger::found(found.moves, found.abandoned, found.void),
                };
                (segment.name.number, segment)
            })
            .collect();
        for slot in loaded.slots.values() {
            if let Some(segment) = segments.get_mut(&slot.name.number) {
                segment.alive += 1;
                segment.alive_bytes += slot.head.length();
            }
        }
        for segment in segments.values_mut().filter(|s| s.ledger.has_void()) {
            // Where this fails it is owed, and done with the moves.
            let _ =
                segment
                    .ledger
                    .settle(files.as_ref(), segment.name, &segment.ids, &loaded.slots);
        }
        let index = Index {
            slots: loaded.slots,
            ..Index::default()
        };
        let shared = Arc::new(Shared::new(Arc::clone(&files), Arc::clone(&clock), index));
        let mut writer = Self {
            files,
            clock,
            bounds,
            shared: Arc::clone(&shared),
            segments,
            current: None,
            next_id: loaded.next_id,
            next_number: loaded.next_number,
            doomed: loaded.orphans,
            unlinked: false,
            last_tidy: Instant::now(),
        };
        writer.remove_empty();
        writer.count();
        meter::damaged(loaded.recovery.damaged + loaded.recovery.damaged_moves);
        Ok((writer, shared, loaded.recovery))
    }

    /// Works until nobody can ask any more.
    pub(super) fn run(mut self, requests: &Receiver<Request>) {
        loop {
            match requests.recv_timeout(SYNC_WITHIN) {
                Ok(first) => self.turn(first, requests),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.last_tidy.elapsed() >= SYNC_WITHIN {
                // What it cannot do now is tried again; the trouble is kept where it can be seen.
                let _ = self.tidy();
            }
        }
        let _ = self.tidy();
        self.seal();
    }

    /// Does `first` and what else was asked meanwhile.
    fn turn(&mut self, first: Request, requests: &Receiver<Request>) {
        let mut appends = Vec::new();
        let mut moves = Vec::new();
        let mut settle = Vec::new();
        let mut size = 0;
        let mut next = Some(first);
        while let Some(request) = next {
            match request {
                Request::Append { message, reply } => {
                    size += message.body.len();
                    appends.push((message, reply));
                }
                Request::Move { what, reply } => moves.push((what, reply)),
                Request::Settle { reply } => settle.push(reply),
            }
            next = if size < BATCH {
                requests.try_recv().ok()
            } else {
                None
            };
        }
        self.moves(moves);
        self.append(appends);
        self.count();
        self.shared.tell();
        if !settle.is_empty() {
            let settled = self.tidy();
            for reply in settle {
                let _ = reply.send(settled.clone());
            }
        }
    }

    fn append(&mut self, appends: Vec<(Box<Message>, Reply<MessageId>)>) {
        let free = self.files.free();
        let used = self.bytes();
        let mut buffer = Vec::new();
        let mut written = Vec::new();
        for (message, reply) in appends {
            let segment = match self.current_segment() {
                Ok(segment) => segment,
                Err(error) => {
                    meter::refused(&error);
                    let _ = reply.send(Err(error));
                    continue;
                }
            };
            let (name, begin) = (segment.name, segment.length);
            let id = MessageId(self.next_id);
            let (meta, body) = Meta::new(id, *message);
            let at = buffer.len();
            let head = encode(&mut buffer, name, &meta, &body);
            let refused = match head {
                None => Some(SpoolError::TooLarge),
                Some(_) => self.no_room(used, free.as_ref().ok(), buffer.len() as u64),
            };
            match (head, refused) {
                (Some(head), None) => {
                    self.next_id += 1;
                    let slot = Slot {
                        entry: Arc::new(meta.entry),
                        name,
                        at: begin + at as u64,
                        head,
                    };
                    written.push((slot, reply));
                }
                (_, error) => {
                    buffer.truncate(at);
                    let error = error.unwrap_or(SpoolError::TooLarge);
                    meter::refused(&error);
                    let _ = reply.send(Err(error));
                }
            }
        }
        if written.is_empty() {
            return;
        }
        match self.write(&buffer) {
            Ok(()) => {
                meter::appended(written.len());
                let mut index = self.shared.index();
                index.trouble = None;
                for (slot, reply) in written {
                    let id = slot.entry.id;
                    if let Some(segment) = self.segments.get_mut(&slot.name.number) {
                        segment.ids.push(id);
                        segment.alive += 1;
                        segment.alive_bytes += slot.head.length();
                    }
                    index.slots.insert(id, slot);
                    // Whoever asked may have gone; the message is kept all the same.
                    let _ = reply.send(Ok(id));
                }
            }
            Err(error) => {
                self.shared.index().trouble = Some(error.to_string());
                let error = refused(&error);
                for (_, reply) in written {
                    meter::refused(&error);
                    let _ = reply.send(Err(error.clone()));
                }
            }
        }
        self.roll();
    }

    fn no_room(&self, used: u64, free: Option<&u64>, more: u64) -> Option<SpoolError> {
        if used + more > self.bounds.max_bytes {
            return Some(SpoolError::Full(Full::Bytes));
        }
        // A disk that does not say how much is free is left to refuse by itself.
        let short = free.is_some_and(|free| free.saturating_sub(more) < self.bounds.min_free);
        short.then_some(SpoolError::Full(Full::Free))
    }

    /// Writes to the current segment and syncs it.
    pub(super) fn write(&mut self, buffer: &[u8]) -> io::Result<()> {
        let Some(current) = &mut self.current else {
            return Err(io::Error::other("no segment is open"));
        };
        let Some(segment) = self.segments.get_mut(&current.number) else {
            return Err(io::Error::other("no segment is open"));
        };
        let begin = segment.length;
        let outcome = match current.file.write_all(buffer) {
            // What was not written whole is cut off again; a file that can be cut can be written on.
            Err(error) => match current.file.truncate(begin) {
                Ok(()) => return Err(error),
                Err(_) => Err(error),
            },
            Ok(()) => meter::timed(|| current.file.sync()),
        };
        if let Err(error) = outcome {
            // The file may hold any of it, now or after a restart: nothing more goes there, and what it holds from here does not count.
            let _ = current.file.truncate(begin);
            segment.ledger.abandoned = Some(begin);
            let note = Move::Abandoned { from: begin };
            let (files, name) = (self.files.as_ref(), segment.name);
            // Where this fails it is written with the moves, later.
            let _ = segment.ledger.write(files, name, &note);
            self.current = None;
            return Err(error);
        }
        segment.length += buffer.len() as u64;
        Ok(())
    }

    /// The segment that is written to, a new one if there is none.
    pub(super) fn current_segment(&mut self) -> Result<&mut Segment, SpoolError> {
        let number = match &self.current {
            Some(current) => current.number,
            None => self.begin().map_err(|error| {
                self.shared.index().trouble = Some(error.to_string());
                refused(&error)
            })?,
        };
        self.segments.get_mut(&number).ok_or(SpoolError::Closed)
    }

    fn begin(&mut self) -> io::Result<u64> {
        let name = Name {
            number: self.next_number,
            first: self.next_id,
            mark: super::record::Mark(rand::random()),
        };
        // Whatever of it may be there after a failure, the name is not used again.
        self.next_number += 1;
        let file = self.files.create(&name.segment())?;
        if let Err(error) = self.files.sync_directory() {
            self.doomed.push(name.segment());
            return Err(error);
        }
        self.segments.insert(
            name.number,
            Segment {
                name,
                length: 0,
                ids: Vec::new(),
                alive: 0,
                alive_bytes: 0,
                stuck: false,
                ledger: Ledger::default(),
            },
        );
        self.current = Some(Current {
            number: name.number,
            file,
        });
        // The one before was kept for its number.
        self.remove_empty();
        Ok(name.number)
    }

    /// Ends a segment that is large enough.
    pub(super) fn roll(&mut self) {
        let long = |segment: &Segment| segment.length >= self.bounds.segment;
        let current = self.current.as_ref();
        if current
            .and_then(|current| self.segments.get(&current.number))
            .is_some_and(long)
        {
            self.seal();
        }
    }

    /// Says behind the last record of the current segment that all before was synced. Without it the bodies are read at the next start.
    pub(super) fn seal(&mut self) {
        let Some(mut current) = self.current.take() else {
            return;
        };
        let Some(segment) = self.segments.get_mut(&current.number) else {
            return;
        };
        let mut seal = Vec::new();
        put(&mut seal, segment.name.mark, Type::Seal, &[], &[]);
        if current.file.write_all(&seal).is_ok() && current.file.sync().is_ok() {
            segment.length += seal.len() as u64;
        } else {
            let _ = current.file.truncate(segment.length);
        }
    }

    /// What is to be done from time to time.
    fn tidy(&mut self) -> Result<(), SpoolError> {
        self.last_tidy = Instant::now();
        let settled = self.sync_moves();
        self.park_old();
        self.remove_empty();
        self.compact();
        self.count();
        meter::show(&self.shared.usage(), self.clock.now());
        // The moves of a segment that is to go are not synced any more: they are durable when it is durably gone.
        if self.unlinked || !self.doomed.is_empty() {
            let reason = "files that are done with cannot be removed";
            self.shared.index().trouble = Some(reason.to_owned());
            return settled.and_then(|()| Err(SpoolError::Unwritable(reason.to_owned())));
        }
        settled
    }

    pub(super) fn bytes(&self) -> u64 {
        let segments = self.segments.values();
        segments
            .map(|segment| segment.length + segment.ledger.length)
            .sum()
    }

    fn count(&self) {
        self.shared.index().bytes = self.bytes();
    }
}

/// Adds the record of a message to `buffer`.
pub(super) fn encode(
    buffer: &mut Vec<u8>,
    name: Name,
    meta: &Meta,
    body: &Bytes,
) -> Option<super::record::Head> {
    let meta = serde_json::to_vec(meta).ok()?;
    buffer.reserve(HEAD + meta.len() + body.len());
    put(buffer, name.mark, Type::Message, &meta, body)
}

/// What a message is refused with where the disk does not take it.
pub(super) fn refused(error: &io::Error) -> SpoolError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => SpoolError::Full(Full::Disk),
        _ => SpoolError::Unwritable(error.to_string()),
    }
}
