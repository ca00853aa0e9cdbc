//! Signs of life that no report brings: a file part is fetched, a message about a run is passed on to PHP.
//!
//! There may be hundreds a second, and none is worth a transaction of its own or a wait: they are gathered in memory and noted together.
//! What a kill loses is noted again with the next part.

use std::collections::BTreeSet;
use std::mem;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono_tz::Tz;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{Approach, Dispatcher};
use crate::clock::{Clock, local};
use crate::db::Db;
use crate::domain::ids::RunId;
use crate::domain::policy::Policy;

/// Least time between two notes.
const PAUSE: Duration = Duration::from_secs(1);

/// Most addresses, and most runs, between two notes; the others are heard of again.
const MOST: usize = 65_536;

/// What is gathered.
#[derive(Debug, Default)]
struct Gathered {
    addresses: BTreeSet<IpAddr>,
    runs: BTreeSet<RunId>,
}

/// Signs of life on their way to the database.
#[derive(Debug, Default)]
pub struct Signs {
    gathered: Mutex<Gathered>,
    some: Notify,
}

impl Signs {
    /// A file part is fetched from `address`.
    pub fn fetched_from(&self, address: IpAddr) {
        self.gather(|gathered| insert(&mut gathered.addresses, address));
    }

    /// The agent of `run` speaks of it.
    pub fn spoke_of(&self, run: RunId) {
        self.gather(|gathered| insert(&mut gathered.runs, run));
    }

    fn gather(&self, add: impl FnOnce(&mut Gathered)) {
        let mut gathered = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        add(&mut gathered);
        drop(gathered);
        self.some.notify_one();
    }

    fn take(&self) -> Gathered {
        let mut gathered = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        mem::take(&mut *gathered)
    }

    /// Notes what is gathered until `stop`, and the rest then. What cannot be noted is tried again.
    pub async fn note(&self, db: &Db, clock: &dyn Clock, zone: Tz, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.some.notified() => {}
            }
            self.note_now(db, clock, zone).await;
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
        self.note_now(db, clock, zone).await;
    }

    async fn note_now(&self, db: &Db, clock: &dyn Clock, zone: Tz) {
        let Gathered { addresses, runs } = self.take();
        let at = local(clock, zone);
        let noted = db
            .note_signs(
                &addresses.iter().copied().collect::<Vec<_>>(),
                &runs.iter().copied().collect::<Vec<_>>(),
                at,
            )
            .await;
        if let Err(error) = noted {
            tracing::warn!(error = %error, code = error.code(), "signs of life were not noted, trying again");
            for address in addresses {
                self.fetched_from(address);
            }
            for run in runs {
                self.spoke_of(run);
            }
        }
    }
}

fn insert<T: Ord>(set: &mut BTreeSet<T>, one: T) {
    if set.len() < MOST {
        set.insert(one);
    }
}

impl Dispatcher {
    /// Takes note that a file part is fetched; from where is all that is known of the agent.
    pub fn hands_out_part(&self, approach: &Approach) {
        // The plugin gives up no run.
        if let (Policy::Redux, Some(address)) = (self.policy, approach.client) {
            self.signs.fetched_from(address);
        }
    }
}
