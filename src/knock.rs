//! Knocking at agents: a question to the small web server that an agent has, at whichever of its addresses it answers first.
//!
//! All questions together keep to a number at once and a number a second.

mod allowed;
mod ask;

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::FuturesUnordered;
use hyper::StatusCode;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use self::allowed::{is_allowed, is_host_name};
use self::ask::{Said, Silence, ask};
use crate::config::Wakeup;

/// Most addresses of an agent that are tried; a machine with more has virtual ones.
const MOST_ADDRESSES: usize = 16;

/// Most names that are looked up at once: each takes a thread until the system's resolver gives up.
const MOST_LOOKUPS: usize = 16;

/// The page on which an agent says what it is doing.
const STATUS: &str = "/status";

/// Where an agent may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whereabouts {
    /// Addresses, as the tables have them.
    pub addresses: Vec<String>,
    /// Names of its machine.
    pub names: Vec<String>,
    /// Port of its web server.
    pub port: u16,
    /// What it wants to hear, if it is an old one.
    pub token: String,
}

/// What became of waking an agent up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// It obeys.
    Awake,
    /// It answers, and does not obey this machine, which it sees at this address.
    Refused(IpAddr),
    /// No agent answers.
    Nobody,
}

/// Knocks.
#[derive(Debug)]
pub struct Knocker {
    settings: Wakeup,
    at_once: Semaphore,
    lookups: Arc<Semaphore>,
    pace: Pace,
}

/// Spaces beginnings evenly.
#[derive(Debug)]
struct Pace {
    gap: Duration,
    next: Mutex<Option<Instant>>,
}

impl Pace {
    async fn turn(&self) {
        let mine = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let mine = next.map_or(now, |next| next.max(now));
            *next = Some(mine + self.gap);
            mine
        };
        tokio::time::sleep_until(mine).await;
    }
}

/// A step on the way to an answer.
enum Step {
    Found(Vec<IpAddr>),
    Tried(Result<Said, Silence>),
}

impl Knocker {
    /// Within the bounds of `settings`.
    #[must_use]
    pub fn new(settings: &Wakeup) -> Self {
        Self {
            at_once: Semaphore::new(settings.at_once),
            lookups: Arc::new(Semaphore::new(MOST_LOOKUPS)),
            pace: Pace {
                gap: Duration::from_secs(1) / settings.rate.max(1),
                next: Mutex::default(),
            },
            settings: settings.clone(),
        }
    }

    /// Whether there is an address or a name of `place` that may be asked.
    #[must_use]
    pub fn has_way(&self, place: &Whereabouts) -> bool {
        !self.addresses(place).is_empty() || self.names(place).next().is_some()
    }

    /// Tells the agent to come now.
    pub async fn wake(&self, place: &Whereabouts) -> Heard {
        // An old agent obeys its token; the others take what stands there for nothing.
        let plain = |byte: u8| byte.is_ascii_alphanumeric();
        let token = Some(place.token.as_str()).filter(|token| token.bytes().all(plain));
        let path = format!("/now/{}", token.unwrap_or_default());
        let mut heard = Heard::Nobody;
        self.knock(place, &path, |said| {
            if !said.is_agent {
                return false;
            }
            match said.status {
                StatusCode::OK => heard = Heard::Awake,
                StatusCode::FORBIDDEN => heard = Heard::Refused(said.here),
                _ => {}
            }
            heard == Heard::Awake
        })
        .await;
        heard
    }

    /// Whether the agent says that it waits for work; none when no agent answers.
    pub async fn is_waiting(&self, place: &Whereabouts) -> Option<bool> {
        let mut waits = None;
        self.knock(place, STATUS, |said| {
            if said.status == StatusCode::OK {
                let state = said.text.strip_prefix("status: ");
                waits = state.map(|state| state.trim_end() == "waiting");
            }
            waits.is_some()
        })
        .await;
        waits
    }

    /// Asks all addresses of `place` side by side until `is_enough` of an answer.
    async fn knock(
        &self,
        place: &Whereabouts,
        path: &str,
        mut is_enough: impl FnMut(&Said) -> bool,
    ) {
        let mut steps: FuturesUnordered<BoxFuture<'_, Step>> = FuturesUnordered::new();
        let mut known: HashSet<IpAddr> = HashSet::new();
        steps.push(std::future::ready(Step::Found(self.addresses(place))).boxed());
        for name in self.names(place) {
            steps.push(self.look_up(name.to_owned()).map(Step::Found).boxed());
        }
        while let Some(step) = steps.next().await {
            match step {
                Step::Found(addresses) => {
                    for address in addresses {
                        if known.len() < MOST_ADDRESSES && known.insert(address) {
                            let address = SocketAddr::new(address, place.port);
                            steps.push(self.ask(address, path).map(Step::Tried).boxed());
                        }
                    }
                }
                Step::Tried(Ok(said)) if is_enough(&said) => return,
                Step::Tried(_) => {}
            }
        }
    }

    async fn ask(&self, address: SocketAddr, path: &str) -> Result<Said, Silence> {
        let _permit = self.at_once.acquire().await.map_err(|_| Silence)?;
        self.pace.turn().await;
        tokio::time::timeout(self.settings.timeout, ask(address, path))
            .await
            .unwrap_or(Err(Silence))
    }

    /// The addresses of `place` that may be asked; names are not looked up.
    #[must_use]
    pub fn addresses(&self, place: &Whereabouts) -> Vec<IpAddr> {
        let parsed = place.addresses.iter().filter_map(|text| text.parse().ok());
        self.allowed(parsed)
    }

    fn allowed(&self, addresses: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
        addresses
            .map(|address| address.to_canonical())
            .filter(|address| is_allowed(*address, &self.settings.networks))
            .collect()
    }

    /// The names of `place` that may be looked up.
    fn names<'a>(&'a self, place: &'a Whereabouts) -> impl Iterator<Item = &'a str> {
        let names = place.names.iter().map(String::as_str);
        names.filter(|name| self.settings.names && is_host_name(name))
    }

    /// The addresses of `name` that may be asked.
    async fn look_up(&self, name: String) -> Vec<IpAddr> {
        let lookups = Arc::clone(&self.lookups);
        let found = async {
            let permit = lookups.acquire_owned().await.ok()?;
            // The resolver cannot be broken off: its place is free again when it has ended.
            let task = tokio::spawn(async move {
                let _permit = permit;
                let found = tokio::net::lookup_host((name, 0)).await;
                found.map(|found| found.map(|address| address.ip()).collect::<Vec<_>>())
            });
            task.await.ok()?.ok()
        };
        let found = tokio::time::timeout(self.settings.timeout, found).await;
        self.allowed(found.ok().flatten().unwrap_or_default().into_iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn knocker(change: impl FnOnce(&mut Wakeup)) -> Knocker {
        let mut settings = Wakeup::default();
        change(&mut settings);
        Knocker::new(&settings)
    }

    fn place(addresses: &[&str], names: &[&str]) -> Whereabouts {
        let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
        Whereabouts {
            addresses: texts(addresses),
            names: texts(names),
            port: 62354,
            token: String::new(),
        }
    }

    #[test]
    fn there_is_a_way_by_an_address_or_a_name_that_may_be_asked() {
        let by_default = knocker(|_| {});
        for (addresses, names, expected) in [
            (&["10.0.0.7"][..], &[][..], true),
            (&["127.0.0.1", "nonsense", ""], &[], false),
            (&["::ffff:127.0.0.1"], &[], false),
            (&["127.0.0.1"], &["wks-1"], true),
            (&[], &["127.0.0.1", "localhost"], false),
        ] {
            let place = place(addresses, names);
            assert_eq!(by_default.has_way(&place), expected, "{place:?}");
        }
        let without_names = knocker(|settings| settings.names = false);
        assert!(!without_names.has_way(&place(&[], &["wks-1"])));
        let nearby = knocker(|settings| settings.networks = vec!["127.0.0.0/8".parse().unwrap()]);
        assert!(nearby.has_way(&place(&["::ffff:127.0.0.1"], &[])));
        assert!(!nearby.has_way(&place(&["10.0.0.7"], &[])));
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_a_second_and_no_more_in_a_burst() {
        let knocker = knocker(|settings| settings.rate = 50);
        let begun = Instant::now();
        for turn in 0..=100 {
            knocker.pace.turn().await;
            let passed = begun.elapsed().as_secs_f64();
            assert!(passed + 0.001 >= f64::from(turn) / 50.0, "{turn} {passed}");
        }
        assert!(begun.elapsed() < Duration::from_millis(2200));
        // A time of rest is not made up for.
        tokio::time::advance(Duration::from_secs(10)).await;
        let begun = Instant::now();
        for _ in 0..=50 {
            knocker.pace.turn().await;
        }
        assert!(begun.elapsed() >= Duration::from_millis(980));
    }
}
