//! Preparations, requests, reports, expiry and cleaning at two sidecars at once, in any order: no run is created twice, a run that was sent is
//! not taken back, and each one ends, also where all agents fall silent.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use fusion_sidecar::app::Running;
use fusion_sidecar::domain::cleaning::Duty;
use fusion_sidecar::work::expire::Mode;
use futures_util::future::{join, join_all};
use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use crate::kills::fleet::{AGENTS, ONCE, fill};
use crate::kills::held;
use crate::network::message;
use crate::support::agent::runs;
use crate::support::app::{self, TestApp};
use crate::support::chance::{seeded, show};
use crate::support::wire::{DEPLOY, get, post, prolog};

const SEED: &str = "INTERLEAVINGS_SEED";

/// Batches of things that are done at once.
const BATCHES: u32 = 100;

/// What agents say of a package.
const STATUS: [&str; 3] = [
    "ok&msg=hello",
    "ok&msg=job+successfully+completed",
    "ko&msg=no",
];

/// One thing that is done, and the runs that it gave to an agent: packages by name, discoveries by id.
type Done = (u32, Vec<String>, Vec<String>);

struct Site {
    app: TestApp,
    second: Running,
    /// What each agent was handed: packages, and discoveries.
    known: HashMap<u32, (Vec<String>, Vec<String>)>,
}

impl Site {
    fn somewhere(&self, rng: &mut StdRng) -> SocketAddr {
        *[self.app.address(), self.second.address]
            .choose(rng)
            .unwrap()
    }

    /// Something that is done now.
    fn any<'a>(&'a self, rng: &mut StdRng) -> Pin<Box<dyn Future<Output = Done> + 'a>> {
        let agent = rng.random_range(1..=AGENTS);
        let address = self.somewhere(rng);
        let nothing = (agent, vec![], vec![]);
        match rng.random_range(0..100) {
            0..15 => {
                let first = rng.random_bool(0.5);
                Box::pin(async move {
                    let done = if first {
                        self.app.prepare().await
                    } else {
                        self.app.prepare_at(&self.second).await
                    };
                    done.unwrap();
                    nothing
                })
            }
            15..22 => Box::pin(async move {
                self.app.expiry().pass(Mode::Write).await.unwrap();
                nothing
            }),
            22..25 => Box::pin(async move {
                self.app.clean(Duty::Runs).await.unwrap();
                nothing
            }),
            // Its runs are cancelled as they are asked for, also those that were sent.
            25..28 => Box::pin(async move {
                let turn = "UPDATE {p}tasks SET is_active = 1 - is_active WHERE id = 1";
                self.app.db.set(turn).await;
                nothing
            }),
            28..50 => Box::pin(ask(address, agent)),
            50..58 => {
                let other = self.somewhere(rng);
                Box::pin(async move {
                    let (one, two) = join(ask(address, agent), ask(other, agent)).await;
                    (agent, [one.1, two.1].concat(), vec![])
                })
            }
            58..66 => Box::pin(hello(address, agent)),
            _ => self.report(agent, address, rng),
        }
    }

    /// An agent speaks of a run that it was handed, however long ago.
    fn report<'a>(
        &'a self,
        agent: u32,
        address: SocketAddr,
        rng: &mut StdRng,
    ) -> Pin<Box<dyn Future<Output = Done> + 'a>> {
        let nothing = (agent, vec![], vec![]);
        let Some((packages, discoveries)) = self.known.get(&agent) else {
            return Box::pin(async { nothing });
        };
        let recent = |runs: &'a [String], rng: &mut StdRng| {
            let few = runs.len().saturating_sub(4);
            runs[few..].choose(rng)
        };
        let status = *STATUS.choose(rng).unwrap();
        let what = if rng.random_bool(0.5) { "START" } else { "END" };
        match (recent(packages, rng), recent(discoveries, rng)) {
            (_, Some(run)) if rng.random_bool(0.2) => Box::pin(async move {
                let content = format!("<AGENT><{what}>1</{what}></AGENT>");
                let xml = message(&format!("wks-{agent}"), "NETDISCOVERY", run, &content);
                assert_eq!(
                    post(address, "application/xml", xml.as_bytes())
                        .await
                        .status,
                    200
                );
                nothing
            }),
            (Some(run), _) => Box::pin(async move {
                let path = format!(
                    "{DEPLOY}?action=setStatus&machineid=wks-{agent}&uuid={run}&status={status}"
                );
                let answer = get(address, &path).await;
                assert_eq!((answer.status, answer.body.as_str()), (200, "{}"));
                nothing
            }),
            _ => Box::pin(async { nothing }),
        }
    }

    /// What holds between any two batches.
    async fn holds(&self, batch: u32) {
        held::at_any_time(&self.app.db, batch).await;
        let twice: Vec<(u32, u32)> = self
            .app
            .db
            .ask(&format!(
                "SELECT {{f}}agents_id, COUNT(*) FROM {{p}}taskjobstates WHERE {{f}}taskjobs_id = {ONCE} AND state IN (0, 1, 2, 3) \
                 GROUP BY 1 HAVING COUNT(*) > 1"
            ))
            .await;
        assert!(
            twice.is_empty(),
            "batch {batch}: runs of what is done once, by agent: {twice:?}"
        );
    }

    /// The states that each run has had.
    async fn histories(&self) -> BTreeMap<u32, Vec<u32>> {
        let seen: Vec<(u32, u32)> = self
            .app
            .db
            .ask("SELECT run, state FROM seen ORDER BY id")
            .await;
        let mut histories = BTreeMap::<u32, Vec<u32>>::new();
        for (run, state) in seen {
            histories.entry(run).or_default().push(state);
        }
        histories
    }
}

async fn ask(address: SocketAddr, agent: u32) -> Done {
    let path = format!("{DEPLOY}?action=getJobs&machineid=wks-{agent}&version=2.8");
    let answer = get(address, &path).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    (agent, runs(&answer.json()), vec![])
}

async fn hello(address: SocketAddr, agent: u32) -> Done {
    let xml = prolog(&format!("wks-{agent}"));
    let answer = post(address, "application/xml", xml.as_bytes()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let parts = answer.body.split(" PID=\"").skip(1);
    let ids = parts.map(|rest| rest.split('"').next().unwrap().to_owned());
    (agent, vec![], ids.collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_run_is_created_twice_and_each_that_was_sent_ends() {
    let mut rng = seeded(SEED);
    let app = app::start(|_| {}).await;
    fill(&app.db).await;
    app.db.keep_states().await;
    let second = app.another(|_| {}).await;
    let mut site = Site {
        app,
        second,
        known: HashMap::new(),
    };
    for batch in 1..=BATCHES {
        let things: Vec<_> = (0..rng.random_range(2..10))
            .map(|_| site.any(&mut rng))
            .collect();
        for (agent, packages, discoveries) in join_all(things).await {
            let known = site.known.entry(agent).or_default();
            known.0.extend(packages);
            known.1.extend(discoveries);
        }
        site.holds(batch).await;
        let passed = Duration::from_millis(rng.random_range(0..3000));
        site.app.clock.advance(passed);
    }
    // From here on nobody says anything. What was sent last times out by the default; none is sent again.
    site.app.clock.advance(Duration::from_secs(7201));
    let expiry = site.app.expiry();
    let (one, two) = join(expiry.pass(Mode::Write), expiry.pass(Mode::Write)).await;
    let (one, two) = (one.unwrap().total(), two.unwrap().total());
    site.holds(BATCHES).await;
    let (mut sent, mut ended) = (0, BTreeMap::<u32, u32>::new());
    for (run, states) in site.histories().await {
        assert!(
            !states.contains(&1) || states.last().is_some_and(|last| [3, 4, 5].contains(last)),
            "run {run} was sent and does not end: {states:?}"
        );
        for pair in states.windows(2) {
            // Late results alone move what has ended: an error becomes a success, a cancellation what the agent says.
            let follows = match pair[0] {
                0 => pair[1] != 2,
                1 => pair[1] > 1,
                2 => pair[1] > 2,
                4 => pair[1] == 3,
                5 => [3, 4].contains(&pair[1]),
                _ => false,
            };
            assert!(follows, "run {run}: {states:?}");
        }
        if states.contains(&1) {
            sent += 1;
            *ended.entry(*states.last().unwrap()).or_default() += 1;
        }
    }
    show(&format!(
        "{sent} runs sent; ends by state {ended:?}, of these {one} and {two} in the last pass"
    ));
    assert!(
        sent > 20 && one + two > 0,
        "{sent} sent, {one} and {two} timed out"
    );
    let Site { second, .. } = site;
    second.stop().await.unwrap();
}
