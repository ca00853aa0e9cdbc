//! The durable queue of messages to PHP, and how they are handed over.

use std::time::Duration;

/// How large the durable queue for messages to PHP may become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpoolBounds {
    /// Most bytes of its files.
    pub max_bytes: u64,
    /// How long a message may wait before it is parked.
    pub max_age: Duration,
    /// Bytes of the disk that it leaves free.
    pub min_free: u64,
}

impl Default for SpoolBounds {
    fn default() -> Self {
        Self {
            max_bytes: 4 << 30,
            max_age: Duration::from_hours(30 * 24),
            min_free: 1 << 30,
        }
    }
}

/// How messages are handed to PHP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Most messages at once.
    pub at_once: usize,
    /// How often a message is tried before it is parked.
    pub attempts: u32,
    /// Longest wait for PHP's answer to one.
    pub timeout: Duration,
    /// Whether a full inventory takes the place of older ones of its device that wait.
    pub supersede: bool,
    /// How long the end of a run waits for messages that other sidecars have.
    pub run_wait: Duration,
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            at_once: 2,
            attempts: 10,
            timeout: Duration::from_mins(5),
            supersede: true,
            run_wait: Duration::from_mins(10),
        }
    }
}
