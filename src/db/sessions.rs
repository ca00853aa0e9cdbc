//! The sessions of the pool, and the zone that they are in.
//!
//! A server without time zone tables knows no zone by name, only by an offset, which is right until the clocks change. So every piece of
//! work asks [`Sessions::pool`] for its connection: the first one after a change makes a new pool. The connections of the old one are closed
//! as soon as the last piece of work that has one is done; until then there may be twice as many as allowed.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Offset, TimeZone, Utc};
use chrono_tz::Tz;
use mysql_async::{Opts, OptsBuilder, Pool};

use crate::clock::Clock;

/// Pools, one at a time.
#[derive(Debug)]
pub(super) struct Sessions {
    opts: OptsBuilder,
    setup: Vec<String>,
    follows: Option<(Tz, Arc<dyn Clock>)>,
    current: Mutex<Current>,
}

#[derive(Debug)]
struct Current {
    /// `SET time_zone` takes it; empty: the server's own zone.
    zone: String,
    pool: Pool,
}

impl Sessions {
    /// With `opts`, set up by the statements `setup`, in `zone` as the server knows it, or in the server's own where it is empty.
    pub(super) fn in_zone(opts: OptsBuilder, setup: Vec<String>, zone: &str) -> Self {
        let current = Current {
            pool: pool(&opts, &setup, zone),
            zone: zone.to_owned(),
        };
        Self {
            opts,
            setup,
            follows: None,
            current: Mutex::new(current),
        }
    }

    /// The same, always at the offset that `zone` has at the moment.
    pub(super) fn following(
        opts: OptsBuilder,
        setup: Vec<String>,
        zone: Tz,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let mut sessions = Self::in_zone(opts, setup, &offset_of(zone, clock.now()));
        sessions.follows = Some((zone, clock));
        sessions
    }

    /// The zone whose offset is followed.
    pub(super) fn followed(&self) -> Option<Tz> {
        self.follows.as_ref().map(|(zone, _)| *zone)
    }

    /// The pool of the sessions that are in the right zone now.
    pub(super) fn pool(&self) -> Pool {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((zone, clock)) = &self.follows {
            let offset = offset_of(*zone, clock.now());
            if offset != current.zone {
                tracing::info!(zone = %zone, from = current.zone, to = offset, "the clocks have changed: new sessions of the database");
                *current = Current {
                    pool: pool(&self.opts, &self.setup, &offset),
                    zone: offset,
                };
            }
        }
        current.pool.clone()
    }
}

fn pool(opts: &OptsBuilder, setup: &[String], zone: &str) -> Pool {
    let mut setup = setup.to_vec();
    if !zone.is_empty() {
        setup.push(format!("SET SESSION time_zone = '{zone}'"));
    }
    Pool::new(Opts::from(opts.clone().setup(setup)))
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
