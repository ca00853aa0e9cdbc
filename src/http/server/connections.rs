//! Which connections are open, and which of them have been idle the longest.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::telemetry::metrics::{CONNECTIONS_EVICTED, CONNECTIONS_OPEN, CONNECTIONS_REFUSED};

/// The open connections of a listener, bounded.
#[derive(Debug)]
pub(super) struct Connections {
    limit: usize,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    /// Connections that hold a place.
    open: usize,
    /// Those of them that are idle, by the order in which they became so.
    idle: BTreeMap<u64, CancellationToken>,
    /// Next key of `idle`.
    next: u64,
}

impl Connections {
    /// At most `limit` connections.
    pub(super) fn new(limit: usize) -> Arc<Self> {
        let table = Mutex::default();
        Arc::new(Self { limit, table })
    }

    /// A place for a new connection, which is idle until its first request; that of the longest idle one if none is free.
    /// `None` when all have a request running.
    pub(super) fn admit(self: &Arc<Self>) -> Option<Arc<Slot>> {
        let mut table = self.table();
        if table.open >= self.limit && !table.evict() {
            metrics::counter!(CONNECTIONS_REFUSED).increment(1);
            return None;
        }
        table.open += 1;
        metrics::gauge!(CONNECTIONS_OPEN).increment(1);
        let evicted = CancellationToken::new();
        let key = table.wait(evicted.clone());
        drop(table);
        Some(Arc::new(Slot {
            connections: Arc::clone(self),
            evicted,
            state: Mutex::new(State::Idle(key)),
        }))
    }

    /// Closes the connection that has been idle the longest, if there is one.
    pub(super) fn evict(&self) {
        self.table().evict();
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Nothing below a lock can panic halfway through a change.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn evict(&mut self) -> bool {
        let Some((_, evicted)) = self.idle.pop_first() else {
            return false;
        };
        evicted.cancel();
        metrics::counter!(CONNECTIONS_EVICTED).increment(1);
        self.close();
        true
    }

    fn wait(&mut self, evicted: CancellationToken) -> u64 {
        let key = self.next;
        self.next += 1;
        self.idle.insert(key, evicted);
        key
    }

    fn close(&mut self) {
        self.open -= 1;
        metrics::gauge!(CONNECTIONS_OPEN).decrement(1);
    }
}

/// The place of one connection; given back when dropped.
#[derive(Debug)]
pub(super) struct Slot {
    connections: Arc<Connections>,
    evicted: CancellationToken,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No request: nothing received yet, a head in part, or between two requests. With the key in [`Table::idle`], where
    /// it is missing after an eviction.
    Idle(u64),
    /// A request is running or its answer being made.
    Running,
    /// The whole answer was made, but parts of it may not have been handed to the kernel.
    Answered,
}

impl Slot {
    /// Cancelled when the connection has to make room.
    pub(super) fn evicted(&self) -> &CancellationToken {
        &self.evicted
    }

    /// A request begins: the connection cannot be evicted until the answer is written. `None` if it has been already.
    pub(super) fn begin(self: &Arc<Self>) -> Option<Running> {
        let mut state = self.state();
        if let State::Idle(key) = *state {
            self.connections.table().idle.remove(&key)?;
        }
        *state = State::Running;
        drop(state);
        Some(Running(Arc::clone(self)))
    }

    /// All that was written so far is the kernel's: after the end of an answer, the connection is idle.
    pub(super) fn flushed(&self) {
        let mut state = self.state();
        if *state == State::Answered {
            *state = State::Idle(self.connections.table().wait(self.evicted.clone()));
        }
    }

    fn answered(&self) {
        *self.state() = State::Answered;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let state = *self.state();
        let mut table = self.connections.table();
        let evicted = match state {
            State::Idle(key) => table.idle.remove(&key).is_none(),
            State::Running | State::Answered => false,
        };
        if !evicted {
            table.close();
        }
    }
}

/// A request and its answer; dropped when there is nothing more to write.
#[derive(Debug)]
pub(super) struct Running(Arc<Slot>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.answered();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(connections: &Connections) -> usize {
        connections.table().open
    }

    #[test]
    fn the_longest_idle_makes_room() {
        let connections = Connections::new(2);
        let first = connections.admit().unwrap();
        let second = connections.admit().unwrap();
        // `first` has a request meanwhile, so that `second` has been idle longer.
        drop(first.begin().unwrap());
        first.flushed();
        let third = connections.admit().unwrap();
        assert!(second.evicted().is_cancelled());
        assert!(!first.evicted().is_cancelled() && !third.evicted().is_cancelled());
        assert!(
            second.begin().is_none(),
            "an evicted connection starts no request"
        );
        assert_eq!(open(&connections), 2);
        drop(second);
        assert_eq!(
            open(&connections),
            2,
            "an evicted connection gave its place away already"
        );
        drop((first, third));
        assert_eq!(open(&connections), 0);
        assert!(connections.table().idle.is_empty());
    }

    #[test]
    fn running_requests_are_never_evicted() {
        let connections = Connections::new(1);
        let slot = connections.admit().unwrap();
        let running = slot.begin().unwrap();
        assert!(connections.admit().is_none());
        slot.flushed();
        assert!(
            connections.admit().is_none(),
            "a flush in the middle of an answer ends nothing"
        );
        drop(running);
        assert!(
            connections.admit().is_none(),
            "the end of the answer is not written"
        );
        slot.flushed();
        assert!(connections.admit().is_some());
        assert!(slot.evicted().is_cancelled());
    }

    #[test]
    fn a_connection_that_ends_amid_a_request_gives_its_place_back() {
        let connections = Connections::new(1);
        let slot = connections.admit().unwrap();
        let running = slot.begin().unwrap();
        drop(slot);
        drop(running);
        assert_eq!(open(&connections), 0);
        assert!(connections.admit().is_some());
    }

    #[test]
    fn a_limit_of_zero_admits_nobody() {
        assert!(Connections::new(0).admit().is_none());
    }
}
