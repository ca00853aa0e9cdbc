//! Which waiting message goes next.
//!
//! Messages of one device keep their order, and so do those of one run: each stands in the line of its device and in that of its run, and
//! goes when it is the first of both and its pause is over. One that failed holds up its own lines until it is delivered or parked, and no
//! others.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};

/// A message as far as its order goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// Its number; a later one is greater.
    pub id: u64,
    /// The device that it is of.
    pub device: String,
    /// The run that it is about.
    pub run: Option<i64>,
    /// It is a full inventory of its device.
    pub full: bool,
    /// It does not go before this moment.
    pub due: DateTime<Utc>,
    /// How often it was tried.
    pub attempts: u32,
    /// From when its age counts: another moment when somebody lets it be tried again.
    pub since: DateTime<Utc>,
}

#[derive(Debug, Clone)]
struct Item {
    device: Arc<str>,
    run: Option<i64>,
    full: bool,
    due: DateTime<Utc>,
    attempts: u32,
    since: DateTime<Utc>,
    /// It is on its way to PHP.
    flying: bool,
}

/// Messages that wait, and those on their way.
#[derive(Debug, Clone, Default)]
pub struct Queue {
    supersedes: bool,
    items: BTreeMap<u64, Item>,
    devices: HashMap<Arc<str>, BTreeSet<u64>>,
    runs: HashMap<i64, BTreeSet<u64>>,
    /// The devices and runs of which one is on its way.
    devices_busy: HashSet<Arc<str>>,
    runs_busy: HashSet<i64>,
    /// Those that are the first of their lines and not on their way, by the moment from which they may go.
    ready: BTreeSet<(DateTime<Utc>, u64)>,
    flying: usize,
}

impl Queue {
    /// An empty one; in one that `supersedes`, a full inventory takes the place of older ones of its device that wait.
    #[must_use]
    pub fn new(supersedes: bool) -> Self {
        Self {
            supersedes,
            ..Self::default()
        }
    }

    /// Adds a message, once. The older ones that need not be delivered any more, and are gone from here.
    pub fn push(&mut self, ticket: &Ticket) -> Vec<u64> {
        let id = ticket.id;
        if self.items.contains_key(&id) {
            return Vec::new();
        }
        let known = self.devices.get_key_value(ticket.device.as_str());
        let device = known.map_or_else(
            || Arc::from(ticket.device.as_str()),
            |(key, _)| Arc::clone(key),
        );
        let mut superseded = Vec::new();
        if self.supersedes && ticket.full {
            let older = self.devices.get(&device).into_iter().flatten().copied();
            superseded = older.filter(|old| *old < id && self.may_go(*old)).collect();
            for old in &superseded {
                self.remove(*old);
            }
        }
        self.devices
            .entry(Arc::clone(&device))
            .or_default()
            .insert(id);
        if let Some(run) = ticket.run {
            self.runs.entry(run).or_default().insert(id);
        }
        let item = Item {
            device,
            run: ticket.run,
            full: ticket.full,
            due: ticket.due,
            attempts: ticket.attempts,
            since: ticket.since,
            flying: false,
        };
        self.items.insert(id, item);
        // One with a lower number may have come later.
        self.look_again(id);
        superseded
    }

    fn may_go(&self, id: u64) -> bool {
        self.items
            .get(&id)
            .is_some_and(|item| item.full && !item.flying)
    }

    /// The next message that may go at `now`; it is on its way then, until [`Self::remove`] or [`Self::put_off`].
    pub fn take(&mut self, now: DateTime<Utc>) -> Option<u64> {
        let (due, id) = self.ready.first().copied().filter(|(due, _)| *due <= now)?;
        self.ready.remove(&(due, id));
        if let Some(item) = self.items.get_mut(&id) {
            item.flying = true;
            self.flying += 1;
            self.devices_busy.insert(Arc::clone(&item.device));
            self.runs_busy.extend(item.run);
        }
        Some(id)
    }

    /// When the next one may go.
    #[must_use]
    pub fn next_due(&self) -> Option<DateTime<Utc>> {
        self.ready.first().map(|(due, _)| *due)
    }

    /// One that was on its way comes back, to go again at `due`, after so many `attempts`.
    pub fn put_off(&mut self, id: u64, due: DateTime<Utc>, attempts: u32) {
        let Some(item) = self.items.get_mut(&id) else {
            return;
        };
        let was_flying = std::mem::take(&mut item.flying);
        let before = std::mem::replace(&mut item.due, due);
        item.attempts = attempts;
        let (device, run) = (Arc::clone(&item.device), item.run);
        self.ready.remove(&(before, id));
        self.look_again(id);
        if was_flying {
            self.lands(&device, run);
        }
    }

    /// None of `device` and `run` is on its way any more: one that came back meanwhile and has a lower number is next.
    fn lands(&mut self, device: &Arc<str>, run: Option<i64>) {
        self.flying -= 1;
        self.devices_busy.remove(device);
        let of_run = run.and_then(|run| {
            self.runs_busy.remove(&run);
            self.runs.get(&run)
        });
        let lines = [self.devices.get(device), of_run];
        let firsts = lines.map(|line| line.and_then(|line| line.first().copied()));
        for first in firsts.into_iter().flatten() {
            self.look_again(first);
        }
    }

    /// Somebody may have let it be tried again, as `since` tells: then it goes at `due`, after so many `attempts`. One that is on its way is
    /// left alone.
    pub fn renew(&mut self, id: u64, since: DateTime<Utc>, due: DateTime<Utc>, attempts: u32) {
        if let Some(item) = self.items.get_mut(&id)
            && !item.flying
            && item.since != since
        {
            item.since = since;
            self.put_off(id, due, attempts);
        }
    }

    /// No message that is first waits beyond `latest`.
    pub fn hasten(&mut self, latest: DateTime<Utc>) {
        let far = self.ready.range((latest, u64::MAX)..).copied();
        for (_, id) in far.collect::<Vec<_>>() {
            let attempts = self.attempts(id);
            self.put_off(id, latest, attempts);
        }
    }

    /// A message goes from here: delivered, parked, superseded, dropped.
    pub fn remove(&mut self, id: u64) {
        let Some(item) = self.items.remove(&id) else {
            return;
        };
        self.ready.remove(&(item.due, id));
        let mut behind = Vec::new();
        if let Some(line) = self.devices.get_mut(&item.device) {
            line.remove(&id);
            behind.extend(line.first().copied());
            if line.is_empty() {
                self.devices.remove(&item.device);
            }
        }
        if let Some(run) = item.run
            && let Some(line) = self.runs.get_mut(&run)
        {
            line.remove(&id);
            behind.extend(line.first().copied());
            if line.is_empty() {
                self.runs.remove(&run);
            }
        }
        if item.flying {
            self.lands(&item.device, item.run);
        }
        for next in behind {
            self.look_again(next);
        }
    }

    /// The same for one that is not on its way.
    pub fn drop_waiting(&mut self, id: u64) {
        if self.items.get(&id).is_some_and(|item| !item.flying) {
            self.remove(id);
        }
    }

    /// How often it was tried.
    #[must_use]
    pub fn attempts(&self, id: u64) -> u32 {
        self.items.get(&id).map_or(0, |item| item.attempts)
    }

    /// The run that it is about.
    #[must_use]
    pub fn run(&self, id: u64) -> Option<i64> {
        self.items.get(&id)?.run
    }

    /// How many messages about `run` are here.
    #[must_use]
    pub fn of_run(&self, run: i64) -> usize {
        self.runs.get(&run).map_or(0, BTreeSet::len)
    }

    /// The runs that messages here are about.
    #[must_use]
    pub fn runs(&self) -> Vec<i64> {
        self.runs.keys().copied().collect()
    }

    /// The numbers of all messages here.
    #[must_use]
    pub fn ids(&self) -> Vec<u64> {
        self.items.keys().copied().collect()
    }

    /// How many are here, those on their way among them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// How many are on their way.
    #[must_use]
    pub const fn flying(&self) -> usize {
        self.flying
    }

    /// Puts `id` and those behind it where they belong among the ready.
    fn look_again(&mut self, id: u64) {
        let Some(item) = self.items.get(&id) else {
            return;
        };
        let (due, flying) = (item.due, item.flying);
        let lines = [
            self.devices.get(&item.device),
            item.run.and_then(|run| self.runs.get(&run)),
        ];
        let lines = lines.into_iter().flatten();
        let mut first = true;
        let mut behind = Vec::new();
        for line in lines {
            first &= line.first() == Some(&id);
            behind.extend(line.range(id.saturating_add(1)..).next().copied());
        }
        // One on its way may have a higher number, if this one was let go again after it.
        let is_busy = self.devices_busy.contains(&item.device)
            || item.run.is_some_and(|run| self.runs_busy.contains(&run));
        if first && !flying && !is_busy {
            self.ready.insert((due, id));
        }
        for other in behind {
            if let Some(item) = self.items.get(&other) {
                self.ready.remove(&(item.due, other));
            }
        }
    }
}

#[cfg(test)]
mod tests;
