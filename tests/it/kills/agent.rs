//! Agents as threads: each works off what it is handed, and says again what was not acknowledged.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use serde_json::Value;

use super::fleet::{ONCE, SILENT, order};
use crate::network::message;
use crate::support::process::{LIMIT, ask};
use crate::support::wire::{DEPLOY, MAIN, prolog};

/// Where the sidecars are, as far as they are.
#[derive(Debug, Default)]
pub(super) struct Places(Mutex<[Option<SocketAddr>; 2]>);

impl Places {
    pub(super) fn set(&self, index: usize, address: Option<SocketAddr>) {
        self.0.lock().unwrap()[index] = address;
    }

    fn any(&self, rng: &mut StdRng) -> Option<SocketAddr> {
        *self.0.lock().unwrap().choose(rng)?
    }
}

/// What one agent was told, and what it said and was acknowledged.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) agent: u32,
    /// Runs that it was handed, by their names, each time; network runs by their ids.
    pub(super) received: Vec<String>,
    /// Texts by the run, acknowledged.
    pub(super) lines: Vec<(String, String)>,
    /// Runs whose good end was acknowledged.
    pub(super) well: Vec<String>,
    /// Runs whose bad end was acknowledged.
    pub(super) ill: Vec<String>,
    /// Network runs whose end was acknowledged.
    pub(super) discovered: Vec<String>,
    /// Runs that it has fallen silent on.
    pub(super) dropped: usize,
    /// Requests without an answer.
    pub(super) unanswered: usize,
}

/// The threads of all agents.
pub(super) struct Agents {
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Told>>,
}

/// Starts `count` agents.
pub(super) fn start(count: u32, places: &Arc<Places>, rng: &mut StdRng) -> Agents {
    let over = Arc::<AtomicBool>::default();
    let threads = (1..=count).map(|agent| {
        let mut one = Agent {
            places: Arc::clone(places),
            rng: StdRng::seed_from_u64(rng.random()),
            told: Told {
                agent,
                ..Told::default()
            },
            reported: HashSet::new(),
        };
        let over = Arc::clone(&over);
        std::thread::spawn(move || {
            while !over.load(Ordering::SeqCst) {
                one.come();
            }
            one.told
        })
    });
    let threads = threads.collect();
    Agents { over, threads }
}

impl Agents {
    /// Lets them end what they are at.
    pub(super) fn stop(self) -> Vec<Told> {
        self.over.store(true, Ordering::SeqCst);
        let threads = self.threads.into_iter();
        threads.map(|thread| thread.join().unwrap()).collect()
    }
}

struct Agent {
    places: Arc<Places>,
    rng: StdRng,
    told: Told,
    /// Runs that it has said something of, acknowledged.
    reported: HashSet<String>,
}

impl Agent {
    /// One contact: PROLOG or getConfig, and the work.
    fn come(&mut self) {
        let name = format!("wks-{}", self.told.agent);
        match self.rng.random_range(0..10) {
            0 => {
                let path = format!("{MAIN}?action=getConfig&machineid={name}&task[Deploy]=2.8");
                self.ask("GET", &path, "");
            }
            1..4 => {
                if let Some(answer) = self.ask("POST", MAIN, &prolog(&name)) {
                    self.discover(&name, &answer);
                }
            }
            _ => {
                let path = format!("{DEPLOY}?action=getJobs&machineid={name}&version=2.8");
                if let Some(answer) = self.ask("GET", &path, "") {
                    self.install(&name, &answer);
                }
            }
        }
        std::thread::sleep(Duration::from_millis(self.rng.random_range(0..60)));
    }

    /// One request to any sidecar: its whole answer, if there was one.
    fn ask(&mut self, method: &str, path: &str, body: &str) -> Option<String> {
        let address = self.places.any(&mut self.rng)?;
        match ask(address, method, path, body) {
            Ok((200, body)) => Some(body),
            Ok((503, _)) | Err(_) => {
                self.told.unanswered += 1;
                None
            }
            Ok(other) => panic!("{method} {path}: {other:?}"),
        }
    }

    /// The same until it is answered.
    fn insist(&mut self, method: &str, path: &str, body: &str) -> String {
        let begun = Instant::now();
        while begun.elapsed() < LIMIT {
            if let Some(answer) = self.ask(method, path, body) {
                return answer;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("{method} {path}: not answered");
    }

    /// Takes a run that it was handed.
    fn receive(&mut self, run: &str) {
        assert!(
            !self.reported.contains(run),
            "wks-{} is handed {run} again, of which it has reported",
            self.told.agent
        );
        self.told.received.push(run.to_owned());
    }

    fn install(&mut self, name: &str, answer: &str) {
        // Cut off where the sidecar was killed: as if it had not come.
        let Ok(answer) = serde_json::from_str::<Value>(answer) else {
            self.told.unanswered += 1;
            return;
        };
        let jobs = answer["jobs"].as_array().cloned().unwrap_or_default();
        let works: Vec<(String, String)> = jobs
            .iter()
            .map(|job| {
                let order = job["actions"][0]["cmd"]["exec"].as_str().unwrap();
                (job["uuid"].as_str().unwrap().to_owned(), order.to_owned())
            })
            .collect();
        for (run, _) in &works {
            self.receive(run);
        }
        for (run, order) in works {
            self.work(name, &run, &order);
        }
    }

    fn work(&mut self, name: &str, run: &str, what: &str) {
        let is_silent = what == order(SILENT);
        if is_silent && self.rng.random_bool(0.3) {
            self.told.dropped += 1;
            return;
        }
        let text = format!("line-{}-{}", self.told.agent, self.told.lines.len());
        let report = format!("{DEPLOY}?action=setStatus&machineid={name}&uuid={run}");
        self.insist("GET", &format!("{report}&status=ok&msg={text}"), "");
        self.reported.insert(run.to_owned());
        self.told.lines.push((run.to_owned(), text));
        if is_silent && self.rng.random_bool(0.5) {
            self.told.dropped += 1;
            return;
        }
        if what == order(ONCE) || self.rng.random_bool(0.8) {
            self.insist(
                "GET",
                &format!("{report}&status=ok&msg=job+successfully+completed"),
                "",
            );
            self.told.well.push(run.to_owned());
        } else {
            self.insist("GET", &format!("{report}&status=ko&msg=broken"), "");
            self.told.ill.push(run.to_owned());
        }
    }

    fn discover(&mut self, name: &str, answer: &str) {
        let mut runs = Vec::new();
        if answer.contains("</REPLY>") {
            for rest in answer.split(" PID=\"").skip(1) {
                runs.push(rest.split('"').next().unwrap().to_owned());
            }
        }
        for run in &runs {
            self.receive(run);
        }
        for run in runs {
            for what in ["START", "END"] {
                let content = format!("<AGENT><{what}>1</{what}></AGENT>");
                let xml = message(name, "NETDISCOVERY", &run, &content);
                self.insist("POST", MAIN, &xml);
                self.reported.insert(run.clone());
            }
            self.told.discovered.push(run);
        }
    }
}
