//! Working on passwords: never on a thread that others wait for, never more than a few at once, and as long for an account that there is not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Semaphore;

use crate::proto::password::{USUAL_COST, cost, verify, work};

/// Verifies passwords.
#[derive(Debug)]
pub struct Passwords {
    places: Semaphore,
    /// The work factor of the last hash that was worked on: accounts of one GLPI have the same, as a rule.
    cost: AtomicU32,
}

impl Passwords {
    /// For so many at once.
    #[must_use]
    pub fn new(at_once: usize) -> Arc<Self> {
        Arc::new(Self {
            places: Semaphore::new(at_once),
            cost: AtomicU32::new(USUAL_COST),
        })
    }

    /// Whether `hash` is that of `password`; no hash is that of none, and costs as much.
    pub async fn verify(&self, password: &SecretString, hash: Option<String>) -> bool {
        // The semaphore is never closed; were it, nobody would come in.
        let Ok(_place) = self.places.acquire().await else {
            return false;
        };
        let usual = self.cost.load(Ordering::Relaxed);
        let known = hash.as_deref().and_then(cost);
        if let Some(cost) = known {
            self.cost.store(cost, Ordering::Relaxed);
        }
        let password = password.clone();
        let verified = tokio::task::spawn_blocking(move || {
            let password = password.expose_secret();
            let verified = hash.as_deref().is_some_and(|hash| verify(password, hash));
            // The old forms cost nothing, and would tell that there is such an account.
            let is_slow = hash.is_some_and(|hash| hash.starts_with('$'));
            if !is_slow {
                work(password, usual);
            }
            verified
        });
        verified.await.unwrap_or(false)
    }
}
