//! The durable queue of messages to PHP: what was taken from an agent lies here until PHP has it.
//!
//! # What holds
//!
//! - [`Spool::append`] returns after the message is on the disk (written, synced, its file's name too). Concurrent calls share a sync.
//! - What was acknowledged is lost by no end of the process, at whatever byte: records carry checksums, and what does not fit its own is
//!   left out, counted, and its bytes kept aside.
//! - After a sync that failed nothing of it is acknowledged, and nothing is written behind it: the next message goes into a new file.
//! - Moves ([`Spool::done`] and its like) are records too. They are written when the call returns, so that the end of the process alone
//!   undoes none. What a deliverer has in its hands at a `kill -9` is therefore delivered again only if PHP had it and `done` had not
//!   returned: a deliverer must await `done` before it says or does anything that follows from the delivery.
//!   [`Spool::done`] and [`Spool::failed`] are synced within [`SYNC_WITHIN`]: after a power failure, not after a kill, messages that were
//!   delivered in that last moment are delivered again. The other moves are synced when they return.
//! - Bodies are in memory only until they are written, and again when they are read.
//!
//! # Files
//!
//! Segments, `NUMBER.FIRST.MARK.spool`, hold messages (`record` has the form); beside each, `….moves` holds what became of its messages.
//! A segment is written by one process, never again by a later one, and goes with its moves when all its messages are gone. `lock` is
//! locked by the process that writes. `….damaged` holds bytes that were no record where one should have been.
//!
//! What is delivered, when, and in which order is not decided here.

mod apply;
mod compact;
pub mod control;
pub mod files;
mod message;
mod meter;
mod moves;
mod record;
mod recover;
mod segment;
mod shared;
#[doc(hidden)]
pub mod stretches;
pub mod view;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::{oneshot, watch};

pub use message::{Entry, Kind, Message, MessageId, Origin, State};
pub use recover::Recovery;
pub use shared::Usage;
pub use writer::SYNC_WITHIN;

use crate::clock::Clock;
use crate::config::SpoolBounds;
use control::{Control, Order, Outcome};
use files::{Directory, Files};
use message::Move;
use shared::Shared;
use writer::{Request, Writer};

/// How large the spool may become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Most bytes of its files (`spool-max-bytes`); a message for which there is no room is refused.
    pub max_bytes: u64,
    /// How long a message may wait (`spool-max-age`); an older one is parked.
    pub max_age: Duration,
    /// Bytes of the disk that are left free (`spool-min-free`); a message that would take of them is refused.
    pub min_free: u64,
    /// Size from which on a new segment is begun, bytes.
    pub segment: u64,
}

impl Bounds {
    /// Default of [`Bounds::segment`]: what a single parked message can hold back.
    pub const SEGMENT: u64 = 32 << 20;
}

impl From<SpoolBounds> for Bounds {
    fn from(bounds: SpoolBounds) -> Self {
        Self {
            max_bytes: bounds.max_bytes,
            max_age: bounds.max_age,
            min_free: bounds.min_free,
            // The one that is written stays when all its messages are gone: it must not be all the room that there is.
            segment: Self::SEGMENT.min(bounds.max_bytes / 8),
        }
    }
}

impl Default for Bounds {
    fn default() -> Self {
        SpoolBounds::default().into()
    }
}

/// What there is too little of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Full {
    /// `spool-max-bytes` is reached.
    Bytes,
    /// `spool-min-free` is reached.
    Free,
    /// The disk itself has no more room, or the user's quota.
    Disk,
}

/// Why the spool did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpoolError {
    /// Another process has it.
    #[error("{0} is in use by another fusion-sidecar")]
    InUse(PathBuf),
    /// The directory cannot be used.
    #[error("{path}: {reason}", path = .path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// There is no room for the message; it was not taken.
    #[error("the spool is full: {}", .0.reason())]
    Full(Full),
    /// The disk refuses to write; a message was not taken.
    #[error("the spool cannot be written: {0}")]
    Unwritable(String),
    /// The message is too large for a record (a body of 4 GiB, or 1 MiB of everything else).
    #[error("the message is too large for the spool")]
    TooLarge,
    /// There is no such message, or not any more.
    #[error("there is no message {0} in the spool")]
    Unknown(MessageId),
    /// What lies on the disk is not what was written; the message was parked.
    #[error("message {0} is damaged")]
    Damaged(MessageId),
    /// The disk could not be read; the message stays where it is.
    #[error("message {id} cannot be read: {reason}")]
    Unreadable {
        /// The message.
        id: MessageId,
        /// What the system said.
        reason: String,
    },
    /// The spool was closed.
    #[error("the spool is closed")]
    Closed,
}

impl Full {
    const fn reason(self) -> &'static str {
        match self {
            Self::Bytes => "spool-max-bytes is reached",
            Self::Free => "no more than spool-min-free is left on the disk",
            Self::Disk => "the disk has no room left",
        }
    }
}

impl SpoolError {
    /// A stable short word for logs and metrics.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InUse(_) => "spool-in-use",
            Self::Directory { .. } => "spool-directory",
            Self::Full(Full::Bytes) => "spool-full",
            Self::Full(Full::Free) => "spool-min-free",
            Self::Full(Full::Disk) => "spool-disk-full",
            Self::Unwritable(_) => "spool-unwritable",
            Self::TooLarge => "spool-too-large",
            Self::Unknown(_) => "spool-unknown",
            Self::Damaged(_) => "spool-damaged",
            Self::Unreadable { .. } => "spool-unreadable",
            Self::Closed => "spool-closed",
        }
    }
}

/// The spool of this process. Clones are the same one; it is closed, with what is owed to the disk written, when the last is dropped.
#[derive(Debug, Clone)]
pub struct Spool(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    control: Option<Control>,
    /// Taken at the end, which ends the thread.
    requests: Option<mpsc::Sender<Request>>,
    writer: Option<JoinHandle<()>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.control = None;
        self.requests = None;
        if let Some(writer) = self.writer.take() {
            // It has said what there was to say.
            let _ = writer.join();
        }
    }
}

impl Spool {
    /// Opens the spool in `dir`, which is made if it is missing, and finds what earlier processes left there. Blocks while it reads heads
    /// and origins of all messages, and the bodies of the segment that was written last.
    ///
    /// # Errors
    ///
    /// When another process has it open, or the directory cannot be written. Damage to what lies there is none: it is in [`Recovery`].
    pub fn open(
        dir: &Path,
        bounds: Bounds,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Recovery), SpoolError> {
        let failed = |error: std::io::Error| SpoolError::Directory {
            path: dir.to_owned(),
            reason: error.to_string(),
        };
        let files: Arc<dyn Files> = Arc::new(Directory::lock(dir)?);
        let (mut spool, recovery) = Self::open_on(files, bounds, clock).map_err(failed)?;
        if let Some(inner) = Arc::get_mut(&mut spool.0)
            && let Some(requests) = inner.requests.clone()
        {
            let shared = Arc::clone(&inner.shared);
            match Control::start(dir, shared, requests) {
                Ok(control) => inner.control = Some(control),
                // A path that is too long for a socket's is no reason not to keep messages.
                Err(error) => tracing::warn!(
                    "{}: no orders can be given to this spool while it is open: {error}",
                    dir.display()
                ),
            }
        }
        Ok((spool, recovery))
    }

    /// As [`Self::open`], on any files.
    pub fn open_on(
        files: Arc<dyn Files>,
        bounds: Bounds,
        clock: Arc<dyn Clock>,
    ) -> std::io::Result<(Self, Recovery)> {
        let (writer, shared, recovery) = Writer::open(files, bounds, clock)?;
        let (requests, received) = mpsc::channel();
        let writer = std::thread::Builder::new()
            .name("spool".to_owned())
            .spawn(move || writer.run(&received))?;
        let inner = Inner {
            shared,
            control: None,
            requests: Some(requests),
            writer: Some(writer),
        };
        Ok((Self(Arc::new(inner)), recovery))
    }

    /// Keeps `message`. It is durable when this returns, and may be acknowledged.
    ///
    /// # Errors
    ///
    /// [`SpoolError::Full`] and [`SpoolError::Unwritable`]: it was not taken, and the sender has to come again. Whoever stops waiting for
    /// this may still have added it.
    pub async fn append(&self, message: Message) -> Result<MessageId, SpoolError> {
        let message = Box::new(message);
        self.ask(|reply| Request::Append { message, reply }).await
    }

    /// All kept messages, waiting and parked, by number.
    #[must_use]
    pub fn entries(&self) -> Vec<Arc<Entry>> {
        self.0.shared.entries()
    }

    /// What is known of one message.
    #[must_use]
    pub fn entry(&self, id: MessageId) -> Option<Arc<Entry>> {
        self.0.shared.entry(id)
    }

    /// Tells of every change of [`Self::entries`]: mark as seen, look, then wait.
    #[must_use]
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.0.shared.changed()
    }

    /// The message with its body.
    ///
    /// # Errors
    ///
    /// [`SpoolError::Damaged`] if it is not what was written: it has been parked with that reason then, unless the disk refuses to
    /// note it. [`SpoolError::Unknown`] if it is gone.
    pub async fn read(&self, id: MessageId) -> Result<Message, SpoolError> {
        let shared = Arc::clone(&self.0.shared);
        let read = tokio::task::spawn_blocking(move || shared.read(id)).await;
        let read = read.map_err(|_| SpoolError::Closed)?;
        if matches!(read, Err(SpoolError::Damaged(_))) {
            meter::damaged(1);
            // Where the disk refuses to note it, that is seen by the next who writes; here it matters that the message is damaged.
            let _ = self.park(id, recover::DAMAGED).await;
        }
        read
    }

    /// PHP has it: it goes. `false` if it was gone already, which somebody's drop may have done.
    ///
    /// # Errors
    ///
    /// [`SpoolError::Unwritable`] if the disk refuses to note it. The message is gone from [`Self::entries`] all the same, and is noted as
    /// soon as the disk allows: when [`Self::settle`] succeeds it is, and until then the end of the process would bring it back. A second
    /// call only says that it is gone. Whoever delivers waits, or a full disk makes every delivery one that is repeated.
    pub async fn done(&self, id: MessageId) -> Result<bool, SpoolError> {
        self.move_on(Move::Done { id }).await
    }

    /// The newer message `by` says all that it says: it goes. `false` if it was gone already.
    ///
    /// # Errors
    ///
    /// When it cannot be noted; the message stays then.
    pub async fn supersede(&self, id: MessageId, by: MessageId) -> Result<bool, SpoolError> {
        self.move_on(Move::Superseded { id, by }).await
    }

    /// Keeps it without delivering it, for `reason`. `false` if it is gone.
    ///
    /// # Errors
    ///
    /// When it cannot be noted; the message waits on then.
    pub async fn park(&self, id: MessageId, reason: impl Into<String>) -> Result<bool, SpoolError> {
        let at = self.0.shared.now();
        let reason = reason.into();
        self.move_on(Move::Parked { id, reason, at }).await
    }

    /// Its delivery failed: `attempts` times by now, and it is not to be tried before `not_before`. `false` if it does not wait any more.
    ///
    /// # Errors
    ///
    /// When it cannot be noted; nothing is changed then.
    pub async fn failed(
        &self,
        id: MessageId,
        attempts: u32,
        not_before: Option<DateTime<Utc>>,
    ) -> Result<bool, SpoolError> {
        self.move_on(Move::Failed {
            id,
            attempts,
            not_before,
        })
        .await
    }

    /// Lets it be tried again at once, parked or not, without earlier failures; its age counts from now. `false` if it is gone.
    ///
    /// # Errors
    ///
    /// When it cannot be noted; nothing is changed then.
    pub async fn retry(&self, id: MessageId) -> Result<bool, SpoolError> {
        let at = self.0.shared.now();
        self.move_on(Move::Retried { id, at }).await
    }

    /// Throws it away, as an admin wants it. `false` if it was gone already.
    ///
    /// # Errors
    ///
    /// When it cannot be noted; the message stays then.
    pub async fn discard(&self, id: MessageId) -> Result<bool, SpoolError> {
        self.move_on(Move::Dropped { id }).await
    }

    /// How full it is.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.0.shared.usage()
    }

    /// Syncs now what is not synced yet, and gives room back that nobody needs.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub async fn settle(&self) -> Result<(), SpoolError> {
        self.ask(|reply| Request::Settle { reply }).await
    }

    /// Carries out `order` on the spool in `dir`: by the process that has it open, or here if none has.
    ///
    /// # Errors
    ///
    /// When there is no spool, or a process has it open that does not answer.
    pub async fn order(
        dir: &Path,
        bounds: Bounds,
        clock: Arc<dyn Clock>,
        order: Order,
    ) -> Result<Outcome, SpoolError> {
        let path = dir.to_owned();
        let failed = |reason: String| SpoolError::Directory {
            path: dir.to_owned(),
            reason,
        };
        if !dir.is_dir() {
            return Err(failed("there is no such directory".to_owned()));
        }
        let given = tokio::task::spawn_blocking(move || {
            if let Some(outcome) =
                control::ask(&path, &order).map_err(|error| SpoolError::Directory {
                    path: path.clone(),
                    reason: format!("the fusion-sidecar that has it open does not answer: {error}"),
                })?
            {
                return Ok(outcome);
            }
            files::refuse_foreign(&path)?;
            let (spool, _) = Self::open(&path, bounds, clock)?;
            let requests = spool.0.requests.as_ref().ok_or(SpoolError::Closed)?;
            Ok(control::carry_out(order, &spool.0.shared, requests))
        });
        given.await.map_err(|error| failed(error.to_string()))?
    }

    async fn move_on(&self, what: Move) -> Result<bool, SpoolError> {
        self.ask(|reply| Request::Move { what, reply }).await
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, SpoolError>>) -> Request,
    ) -> Result<T, SpoolError> {
        let (reply, answer) = oneshot::channel();
        let requests = self.0.requests.as_ref().ok_or(SpoolError::Closed)?;
        requests
            .send(request(reply))
            .map_err(|_| SpoolError::Closed)?;
        answer.await.map_err(|_| SpoolError::Closed)?
    }
}

#[cfg(test)]
mod tests;
