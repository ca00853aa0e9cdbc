//! From the spool to PHP: messages are taken in, wait in their order, and are handed over at the pace that PHP can hold.
//!
//! The spool is the truth; the queue in memory only says which message goes next, and is compared with the spool now and then.

mod deliverer;
mod flight;
mod runs;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{fs, io};

use tokio::sync::Notify;
use uuid::Uuid;

use crate::clock::Clock;
use crate::db::{Db, DbError};
use crate::domain::delivery::queue::{Queue, Ticket};
use crate::spool::{Entry, Message, MessageId, Spool, SpoolError};
pub use deliverer::Deliverer;
use runs::Runs;

/// The longest pause of a message that failed.
const LONGEST: Duration = Duration::from_hours(1);

/// The file in a spool's directory with its name.
const NAME: &str = "name";

/// The name of the spool in `dir`, by which the other sidecars on the database tell it from their own: made once, kept as long as the
/// directory is.
///
/// # Errors
///
/// When it can neither be read nor made.
pub fn name_of(dir: &Path) -> io::Result<String> {
    let path = dir.join(NAME);
    match fs::read_to_string(&path) {
        Ok(text) if Uuid::try_parse(text.trim()).is_ok() => return Ok(text.trim().to_owned()),
        // What a kill left of it.
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let name = Uuid::new_v4().to_string();
    let mut file = fs::File::create(&path)?;
    io::Write::write_all(&mut file, name.as_bytes())?;
    file.sync_all()?;
    Ok(name)
}

/// Why a message was not taken in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IntakeError {
    /// The spool did not take it.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// It could not be noted for the other sidecars that its run has a message on its way.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl IntakeError {
    /// A stable short word for logs and metrics.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Spool(error) => error.code(),
            Self::Db(error) => error.code(),
        }
    }
}

/// Where messages for PHP are taken in. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Intake(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    spool: Spool,
    clock: Arc<dyn Clock>,
    queue: Mutex<Queue>,
    supersedes: bool,
    /// Full inventories that are parked, by device: a newer one makes them needless too.
    parked: Mutex<HashMap<String, BTreeSet<u64>>>,
    /// Messages that need not be delivered any more, each with the newer one.
    superseded: Mutex<Vec<(u64, u64)>>,
    runs: Runs,
    nudge: Notify,
}

impl Intake {
    /// Into `spool`, which is called `name` in the database; with `supersedes` a full inventory takes the place of an older one of the same
    /// device that waits.
    #[must_use]
    pub fn new(
        spool: Spool,
        name: String,
        db: Db,
        clock: Arc<dyn Clock>,
        supersedes: bool,
    ) -> Self {
        let intake = Self(Arc::new(Inner {
            spool,
            clock,
            queue: Mutex::new(Queue::new(supersedes)),
            supersedes,
            parked: Mutex::default(),
            superseded: Mutex::default(),
            runs: Runs::new(db, name),
            nudge: Notify::new(),
        }));
        intake.compare();
        intake
    }

    /// Takes `message` in. It is durable when this returns, and may be acknowledged.
    ///
    /// # Errors
    ///
    /// When it is not: its sender has to come again.
    pub async fn accept(&self, message: Message) -> Result<MessageId, IntakeError> {
        let intake = self.clone();
        // To its end, whether or not the sender is still there.
        let taken = tokio::spawn(async move { intake.take_in(message).await }).await;
        taken.unwrap_or(Err(IntakeError::Spool(SpoolError::Closed)))
    }

    async fn take_in(&self, message: Message) -> Result<MessageId, IntakeError> {
        let inner = &self.0;
        let run = message.run;
        let mut ticket = Ticket {
            id: 0,
            device: message.device.clone(),
            run,
            full: message.full,
            due: message.received_at,
            attempts: 0,
            since: message.received_at,
        };
        if let Some(run) = run {
            inner.runs.announce(run, |run| self.queued(run)).await?;
        }
        let kept = inner.spool.append(message).await;
        if let Ok(id) = &kept {
            ticket.id = id.0;
            self.push(&ticket);
            inner.nudge.notify_one();
        }
        if let Some(run) = run {
            inner.runs.arrived(run).await;
        }
        Ok(kept?)
    }

    /// What the spool is like.
    #[must_use]
    pub fn spool(&self) -> &Spool {
        &self.0.spool
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn queued(&self, run: i64) -> u64 {
        self.queue().of_run(run) as u64
    }

    fn push(&self, ticket: &Ticket) {
        let by = ticket.id;
        let mut superseded = self.queue().push(ticket);
        if ticket.full
            && let Some(parked) = self.parked().get_mut(&ticket.device)
        {
            let newer = parked.split_off(&by);
            superseded.extend(std::mem::replace(parked, newer));
        }
        if !superseded.is_empty() {
            let mut all = self
                .0
                .superseded
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            all.extend(superseded.into_iter().map(|id| (id, by)));
        }
    }

    fn parked(&self) -> MutexGuard<'_, HashMap<String, BTreeSet<u64>>> {
        let parked = self.0.parked.lock();
        parked.unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is parked and a newer one would say all that it says.
    fn may_become_needless(&self, entry: &Entry) -> bool {
        self.0.supersedes && entry.full && !entry.is_waiting()
    }

    /// Takes note that message `id` is parked.
    fn is_parked(&self, id: MessageId) {
        if let Some(entry) = self.0.spool.entry(id)
            && self.may_become_needless(&entry)
        {
            let mut parked = self.parked();
            let of_device = parked.entry(entry.device.clone()).or_default();
            of_device.insert(id.0);
        }
    }

    fn take_superseded(&self) -> Vec<(u64, u64)> {
        std::mem::take(
            &mut *self
                .0
                .superseded
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// Takes from the spool what the queue does not know, and out of the queue what the spool does not have: somebody's hand was there, or
    /// another process before this one.
    fn compare(&self) {
        // In this order: what is taken in between is there and not yet known, rather than known and taken for gone.
        let known: HashSet<u64> = self.queue().ids().into_iter().collect();
        let entries = self.0.spool.entries();
        let mut parked: HashMap<String, BTreeSet<u64>> = HashMap::new();
        for entry in entries
            .iter()
            .filter(|entry| self.may_become_needless(entry))
        {
            let of_device = parked.entry(entry.device.clone()).or_default();
            of_device.insert(entry.id.0);
        }
        *self.parked() = parked;
        let waiting: Vec<&Arc<Entry>> = entries.iter().filter(|entry| entry.is_waiting()).collect();
        let there: HashSet<u64> = waiting.iter().map(|entry| entry.id.0).collect();
        for id in known.difference(&there) {
            self.queue().drop_waiting(*id);
        }
        for entry in waiting {
            let due = entry.not_before.unwrap_or_else(|| entry.since());
            if known.contains(&entry.id.0) {
                self.queue()
                    .renew(entry.id.0, entry.since(), due, entry.attempts);
            } else {
                self.push(&Ticket {
                    id: entry.id.0,
                    device: entry.device.clone(),
                    run: entry.run,
                    full: entry.full,
                    due,
                    attempts: entry.attempts,
                    since: entry.since(),
                });
            }
        }
        // The clock may have been set back.
        self.queue().hasten(self.0.clock.now() + LONGEST);
    }
}
