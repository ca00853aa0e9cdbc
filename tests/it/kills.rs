//! Two sidecars on one database that are killed and started again at random, with `once prepare` beside them, while agents ask and report:
//! no run is created twice, every run that was sent ends, nothing acknowledged is lost, and an occurrence begins once.
//!
//! The short form has a few rounds; the README has the command of the full one. What was chosen at random follows from a seed that is printed.

#[path = "kills/agent.rs"]
mod agent;
#[path = "kills/amid.rs"]
mod amid;
#[path = "kills/fleet.rs"]
pub(crate) mod fleet;
#[path = "kills/held.rs"]
pub(crate) mod held;

use std::process::Child;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::Rng as _;
use rand::rngs::StdRng;

use self::agent::{Places, Told};
use self::fleet::{AGENTS, fill};
use crate::support::chance::{number, seeded, show};
use crate::support::database::{TestDb, fresh};
use crate::support::process::{Sidecar, run, spawn, told, url};
use crate::support::until::until;

/// Rounds of the full form.
const ROUNDS: &str = "KILL_ROUNDS";

/// The seed of a run that is to be repeated. Threads and processes take their own time: what is chosen is the same, not what comes of it.
const SEED: &str = "KILL_SEED";

/// Rounds of the short form.
const FEW: u32 = 12;

/// `serve` that prepares every second, and leads two seconds after another one was killed.
fn serve(db: &TestDb) -> Sidecar {
    let arguments = [
        "--timezone",
        "UTC",
        "--scheduler-period",
        "1",
        "--lease",
        "2",
        "--catalogue-refresh",
        "1",
    ];
    Sidecar::serve(&arguments, &[("FUSION_SIDECAR_DATABASE_URL", &url(db))])
}

fn once(db: &TestDb) -> Child {
    spawn(
        &["once", "prepare", "--timezone", "UTC", "--lease", "2"],
        &[("FUSION_SIDECAR_DATABASE_URL", &url(db))],
    )
}

/// What is killed and started.
struct Machines<'a> {
    db: &'a TestDb,
    places: Arc<Places>,
    serving: [Option<Sidecar>; 2],
    once: Option<Child>,
    kills: u32,
}

impl<'a> Machines<'a> {
    fn start(db: &'a TestDb) -> Self {
        let mut machines = Self {
            db,
            places: Arc::default(),
            serving: [None, None],
            once: None,
            kills: 0,
        };
        machines.start_what_is_off();
        machines
    }

    fn start_what_is_off(&mut self) {
        for (index, place) in self.serving.iter_mut().enumerate() {
            if place.is_none() {
                let sidecar = serve(self.db);
                self.places.set(index, Some(sidecar.address));
                *place = Some(sidecar);
            }
        }
    }

    /// Kills a `serve`; agents go on asking where it was until it is started again.
    fn kill(&mut self, index: usize) {
        if let Some(mut sidecar) = self.serving[index].take() {
            sidecar.signal("KILL");
            let (status, log) = sidecar.ended();
            assert_eq!(status.code(), None, "{}", log.join("\n"));
            self.kills += 1;
        }
    }

    /// Ends the `once` of the round before, by a kill or by itself, and starts another one.
    fn prepare_once(&mut self, kill: bool) {
        if let Some(mut child) = self.once.take() {
            if kill && child.try_wait().unwrap().is_none() {
                child.kill().unwrap();
                self.kills += 1;
            }
            child.wait().unwrap();
        }
        self.once = Some(once(self.db));
    }
}

fn pause(rng: &mut StdRng, most: u64) {
    std::thread::sleep(Duration::from_millis(rng.random_range(0..=most)));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_done_twice_or_lost_whatever_is_killed() {
    let rounds = number(ROUNDS).map_or(FEW, |rounds| u32::try_from(rounds).unwrap());
    let mut rng = seeded(SEED);
    let db = fresh().await;
    fill(&db).await;
    let begun = Instant::now();
    let mut machines = Machines::start(&db);
    let agents = agent::start(AGENTS, &machines.places, &mut rng);
    for round in 1..=rounds {
        // As long as a leader needs to lead and prepare, or much shorter.
        let most = [100, 600, 3000][rng.random_range(0..3)];
        pause(&mut rng, most);
        if rng.random_bool(0.5) {
            let kill = rng.random_bool(0.5);
            machines.prepare_once(kill);
            pause(&mut rng, 150);
        }
        let first = rng.random_range(0..2);
        machines.kill(first);
        if rng.random_bool(0.2) {
            machines.kill(1 - first);
        }
        pause(&mut rng, 100);
        machines.start_what_is_off();
        held::at_any_time(&db, round).await;
    }
    // All agents end what they are at.
    let told: Vec<Told> = agents.stop();
    held::at_any_time(&db, rounds).await;
    // The task's end is no reason to forget what was sent; nothing is prepared any more.
    db.set("UPDATE {p}tasks SET is_active = 0").await;
    until("every run that was sent ends", async || {
        let (code, out, log) = self::told(&run(
            &[
                "once",
                "expire",
                "--timezone",
                "UTC",
                "--run-timeout",
                "1",
                "--lease",
                "2",
            ],
            &[("FUSION_SIDECAR_DATABASE_URL", &url(&db))],
        ));
        assert!(code == 0, "{out}{log}");
        let open: Vec<u32> = db
            .ask("SELECT COUNT(*) FROM {p}taskjobstates WHERE state IN (1, 2)")
            .await;
        open == [0]
    })
    .await;
    let kills = machines.kills;
    drop(machines);
    let numbers = held::in_the_end(&db, &told).await;
    show(&format!(
        "{rounds} rounds, {kills} kills, {:?}: {numbers}",
        begun.elapsed()
    ));
}
