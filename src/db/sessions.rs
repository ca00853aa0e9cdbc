//! The sessions of the pool, and the zone that they are in.
//!
//! A server without time zone tables knows no zone by name, only by an offset, which is right until the clocks change. So every piece of
//! work asks [`Sessions::pool`] for its connection: the first one after a change makes a new pool. The connections of the old one are closed
//! as soon as the last piece of work that has one is done; until then there may be twice as many as allowed.
//!
//! [`KEPT`] of the connections are kept for what is written together: whatever else takes its time, agents' messages are written. These
//! sessions do not wait for a row that somebody else has locked.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Offset, TimeZone, Utc};
use chrono_tz::Tz;
use mysql_async::{Opts, OptsBuilder, Pool, PoolConstraints, PoolOpts};

use crate::clock::Clock;

/// Connections kept for what is written together: one for the batches, one for what hit a lock.
const KEPT: usize = 2;

/// Statements that make a session one that does not wait for locked rows. A server for which no wait is too short (MySQL, MariaDB before
/// 10.3) waits for one second, its shortest.
const NO_WAIT: &str = "SET SESSION innodb_lock_wait_timeout = 0";

/// Pools, one at a time.
#[derive(Debug)]
pub(super) struct Sessions {
    opts: OptsBuilder,
    setup: Vec<String>,
    most: usize,
    follows: Option<(Tz, Arc<dyn Clock>)>,
    current: Mutex<Current>,
}

#[derive(Debug)]
struct Current {
    /// `SET time_zone` takes it; empty: the server's own zone.
    zone: String,
    pool: Pool,
    kept: Pool,
}

impl Sessions {
    /// At most `most` with `opts`, set up by the statements `setup`, in `zone` as the server knows it, or in the server's own where it is
    /// empty. Too few to keep some are one, and the kept ones.
    pub(super) fn in_zone(opts: OptsBuilder, setup: Vec<String>, most: usize, zone: &str) -> Self {
        Self {
            current: Mutex::new(current(&opts, &setup, most, zone)),
            opts,
            setup,
            most,
            follows: None,
        }
    }

    /// The same, always at the offset that `zone` has at the moment.
    pub(super) fn following(
        opts: OptsBuilder,
        setup: Vec<String>,
        most: usize,
        zone: Tz,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let mut sessions = Self::in_zone(opts, setup, most, &offset_of(zone, clock.now()));
        sessions.follows = Some((zone, clock));
        sessions
    }

    /// The zone whose offset is followed.
    pub(super) fn followed(&self) -> Option<Tz> {
        self.follows.as_ref().map(|(zone, _)| *zone)
    }

    /// The pool of the sessions that are in the right zone now.
    pub(super) fn pool(&self) -> Pool {
        self.now(|current| &current.pool)
    }

    /// As [`Sessions::pool`], of the sessions that are kept for what is written together.
    pub(super) fn kept(&self) -> Pool {
        self.now(|current| &current.kept)
    }

    fn now(&self, which: impl FnOnce(&Current) -> &Pool) -> Pool {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((zone, clock)) = &self.follows {
            let offset = offset_of(*zone, clock.now());
            if offset != current.zone {
                tracing::info!(zone = %zone, from = current.zone, to = offset, "the clocks have changed: new sessions of the database");
                *current = self::current(&self.opts, &self.setup, self.most, &offset);
            }
        }
        which(&current).clone()
    }
}

fn current(opts: &OptsBuilder, setup: &[String], most: usize, zone: &str) -> Current {
    let mut setup = setup.to_vec();
    if !zone.is_empty() {
        setup.push(format!("SET SESSION time_zone = '{zone}'"));
    }
    let pool = pool(opts, setup.clone(), most.saturating_sub(KEPT).max(1));
    setup.push(NO_WAIT.to_owned());
    Current {
        zone: zone.to_owned(),
        pool,
        kept: self::pool(opts, setup, KEPT),
    }
}

fn pool(opts: &OptsBuilder, setup: Vec<String>, most: usize) -> Pool {
    let constraints = PoolConstraints::new(1, most).unwrap_or_default();
    let pool_opts = PoolOpts::new()
        .with_constraints(constraints)
        .with_reset_connection(false);
    Pool::new(Opts::from(opts.clone().pool_opts(pool_opts).setup(setup)))
}

/// `zone`'s offset at `now` in MySQL's notation, `+01:00`.
fn offset_of(zone: Tz, now: DateTime<Utc>) -> String {
    let seconds = zone
        .offset_from_utc_datetime(&now.naive_utc())
        .fix()
        .local_minus_utc();
    let (sign, minutes) = (if seconds < 0 { '-' } else { '+' }, seconds.abs() / 60);
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_in_mysql_notation() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        for (zone, now, offset) in [
            (chrono_tz::UTC, "2026-11-24T12:00:00Z", "+00:00"),
            (chrono_tz::Europe::Paris, "2026-11-24T12:00:00Z", "+01:00"),
            (chrono_tz::Europe::Paris, "2026-07-24T12:00:00Z", "+02:00"),
            (
                chrono_tz::America::St_Johns,
                "2026-11-24T12:00:00Z",
                "-03:30",
            ),
        ] {
            assert_eq!(offset_of(zone, at(now)), offset, "{zone} {now}");
        }
    }
}
