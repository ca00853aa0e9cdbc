//! The only place that may ask for the wall time.
//!
//! Everything else gets a [`Clock`] handed in, so that a test can stand at any moment of any year. Durations between two
//! points of one process may use [`std::time::Instant`].

use std::fmt::Debug;
use std::sync::Mutex;
use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, SubsecRound, Utc};
use chrono_tz::Tz;

/// Says what time it is.
pub trait Clock: Debug + Send + Sync + 'static {
    /// The current moment, UTC.
    fn now(&self) -> DateTime<Utc>;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the wall clock"
    )]
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}

/// A clock that moves only when told to, for tests.
#[derive(Debug)]
pub struct ManualClock(Mutex<DateTime<Utc>>);

impl ManualClock {
    /// Stands at `now`.
    #[must_use]
    pub fn new(now: DateTime<Utc>) -> Self {
        Self(Mutex::new(now))
    }

    /// Moves on by `by`.
    pub fn advance(&self, by: Duration) {
        let mut now = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        *now += by;
    }

    /// Moves to `now`.
    pub fn set(&self, now: DateTime<Utc>) {
        *self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = now;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        *self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The clock's moment in `zone`, cut to the second.
#[must_use]
pub fn moment(clock: &dyn Clock, zone: Tz) -> DateTime<Tz> {
    clock.now().trunc_subsecs(0).with_timezone(&zone)
}

/// The clock's moment as local time of `zone`, cut to the second: what the tables hold and rules compare.
#[must_use]
pub fn local(clock: &dyn Clock, zone: Tz) -> NaiveDateTime {
    moment(clock, zone).naive_local()
}
