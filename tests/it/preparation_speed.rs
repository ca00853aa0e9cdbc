//! How long preparing takes, against the bare inserts of the same rows, how that grows with the number of runs, and what a pass costs that
//! finds everything done.
//!
//! The short form has up to 4,800 agents; the README has the command of the full one.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use fusion_sidecar::db::preparation::Prepared;
use fusion_sidecar::domain::policy::Policy;
use fusion_sidecar::work::prepare::Outcome;
use mysql_async::prelude::Queryable as _;

use crate::support::app::{self, TestApp};
use crate::support::site::expand;

/// About how many runs are prepared at the most in the full form, on 20,000 agents.
const RUNS: &str = "RUNS_TO_PREPARE";

const JOBS: u32 = 40;

/// How many times as long preparing may take. The program that is built for use takes at most twice as long; one without optimisation
/// spends several times as much on its own side of the connection, while the texts of the bare inserts are built before their time counts
/// (five times were seen, for the smallest fleet on a busy machine): there the bound says no more than that nothing is done run by run.
const MOST_TIMES: u32 = if cfg!(debug_assertions) { 12 } else { 2 };

/// How many times as long a run may take among many as it takes among few, beyond what the bare inserts of the same rows take longer, which
/// the machine and the database answer for. More than once, as nothing is measured twice alike; what grows with the square would be the number
/// of times as many.
const MOST_GROWTH: f64 = 2.0;

/// Rows of one bare insert.
const ROWS: usize = 1000;

/// The fleet: agents with computers, and jobs on static groups: each a slice of the fleet, every tenth all of it; each job has as many
/// packages as make up `runs`.
struct Fleet {
    agents: u32,
    packages: u32,
}

impl Fleet {
    /// Three sizes, from small to large: in the full form about a twentieth and a fifth of `runs`, and `runs`.
    fn sizes(runs: Option<u32>) -> [Self; 3] {
        match runs {
            None => [1_000, 2_400, 4_800].map(|agents| Self {
                agents,
                packages: 1,
            }),
            Some(runs) => [runs / 20, runs / 5, runs].map(|runs| {
                // Of fewer runs than agents need for a package each, there are fewer agents.
                // As many for each job's slice.
                let agents = (20_000.min(runs * 10 / 49) / JOBS * JOBS).max(JOBS);
                let packages = runs.div_ceil(agents * 49 / 10).max(1);
                Self { agents, packages }
            }),
        }
    }

    /// Runs that its jobs need.
    fn runs(&self) -> usize {
        let full = JOBS / 10;
        let in_groups = full * self.agents + (JOBS - full) * (self.agents / JOBS);
        (in_groups * self.packages) as usize
    }

    async fn fill(&self, app: &TestApp) {
        let Self { agents, packages } = self;
        let targets: Vec<String> = (1..=*packages)
            .map(|id| format!(r#"{{"PluginFusioninventoryDeployPackage":"{id}"}}"#))
            .collect();
        let targets = targets.join(",");
        app.db
            .exec(&expand(&format!(
                "INSERT INTO glpi_computers (id, name, entities_id) SELECT seq, CONCAT('wks-', seq), 0 FROM seq_1_to_{agents};
                 INSERT INTO {{p}}agents (id, name, device_id, computers_id) SELECT seq, CONCAT('wks-', seq), CONCAT('wks-', seq), seq FROM seq_1_to_{agents};
                 INSERT INTO {{p}}deploygroups (id, name, type) SELECT seq, CONCAT('group ', seq), 'STATIC' FROM seq_1_to_{JOBS};
                 INSERT INTO {{p}}deploygroups_staticdatas ({{f}}deploygroups_id, itemtype, items_id) \
                 SELECT g.seq, 'Computer', c.seq FROM seq_1_to_{JOBS} g JOIN seq_1_to_{agents} c ON g.seq % 10 = 0 OR c.seq % {JOBS} = g.seq % {JOBS};
                 INSERT INTO {{p}}tasks (id, name, is_active) SELECT seq, CONCAT('task ', seq), 1 FROM seq_1_to_{JOBS};
                 INSERT INTO {{p}}taskjobs (id, {{f}}tasks_id, name, method, targets, actors) SELECT seq, seq, CONCAT('job ', seq), 'deployinstall', \
                 '[{targets}]', CONCAT('[{{\"PluginFusioninventoryDeployGroup\":\"', seq, '\"}}]') FROM seq_1_to_{JOBS};
                 ANALYZE TABLE {{p}}agents, {{p}}deploygroups_staticdatas"
            )))
            .await;
    }
}

async fn empty(app: &TestApp) {
    app.db
        .exec(&expand(
            "TRUNCATE {p}taskjobstates; TRUNCATE {p}taskjoblogs",
        ))
        .await;
}

/// The texts that insert what is in the two tables now.
async fn bare_inserts(app: &TestApp) -> Vec<String> {
    type Run = (u64, u32, u32, String, u32, u32, String);
    let runs: Vec<Run> = app
        .db
        .rows(&expand(
            "SELECT id, {f}taskjobs_id, items_id, itemtype, state, {f}agents_id, uniqid FROM {p}taskjobstates ORDER BY id",
        ))
        .await;
    let lines: Vec<(u64, String, u32)> = app
        .db
        .rows(&expand(
            "SELECT {f}taskjobstates_id, CAST(date AS CHAR), state FROM {p}taskjoblogs ORDER BY id",
        ))
        .await;
    let mut texts = Vec::new();
    for (runs, lines) in runs.chunks(ROWS).zip(lines.chunks(ROWS)) {
        let mut text = expand(
            "INSERT INTO {p}taskjobstates (id, {f}taskjobs_id, items_id, itemtype, state, {f}agents_id, uniqid) VALUES ",
        );
        for (id, job, item, itemtype, state, agent, uniqid) in runs {
            write!(
                text,
                "({id},{job},{item},'{itemtype}',{state},{agent},'{uniqid}'),"
            )
            .unwrap();
        }
        text.pop();
        texts.push(text);
        let mut text = expand(
            "INSERT INTO {p}taskjoblogs ({f}taskjobstates_id, date, items_id, itemtype, state, comment) VALUES ",
        );
        for (run, date, state) in lines {
            write!(text, "({run},'{date}',0,NULL,{state},''),").unwrap();
        }
        text.pop();
        texts.push(text);
    }
    texts
}

#[expect(
    clippy::print_stdout,
    reason = "numbers for whoever runs this with --no-capture"
)]
fn show(line: &str) {
    println!("{line}");
}

/// How long preparing the runs of a fleet takes, and the bare inserts of the same rows: the best of some tries, as what else the machine
/// does must not decide.
async fn measured(fleet: &Fleet, tries: u32) -> (Duration, Duration) {
    let app = app::start(|_| {}).await;
    fleet.fill(&app).await;
    let preparation = app.preparation(Policy::Redux);
    let (mut preparing, mut inserting) = (Duration::MAX, Duration::MAX);
    for _ in 0..tries {
        empty(&app).await;
        let begun = Instant::now();
        let pass = preparation.pass().await.unwrap();
        preparing = preparing.min(begun.elapsed());
        assert_eq!(pass.total().created, fleet.runs());

        let begun = Instant::now();
        let again = preparation.pass().await.unwrap();
        show(&format!("a pass with nothing to do: {:?}", begun.elapsed()));
        assert!(
            again
                .jobs
                .iter()
                .all(|(_, outcome)| matches!(outcome, Outcome::UpToDate { .. }))
        );

        app.db
            .exec(&expand(
                "UPDATE {p}tasks SET reprepare_if_successful = 0; UPDATE {p}taskjobstates SET state = 3",
            ))
            .await;
        let begun = Instant::now();
        let done = preparation.pass().await.unwrap();
        let took = begun.elapsed();
        show(&format!(
            "a pass over runs that have all ended well: {took:?}"
        ));
        assert_eq!(done.total(), Prepared::default());
        let ended = |outcome: &Outcome| match outcome {
            Outcome::UpToDate { open: 0, done } => *done,
            other => panic!("{other:?}"),
        };
        let ended: usize = done.jobs.iter().map(|(_, outcome)| ended(outcome)).sum();
        assert_eq!(ended, fleet.runs());
        // What is done is looked at in one go, not run by run.
        assert!(
            took < preparing / 2,
            "{took:?} where preparing took {preparing:?}"
        );
        app.db
            .exec(&expand("UPDATE {p}taskjobstates SET state = 0"))
            .await;

        let texts = bare_inserts(&app).await;
        empty(&app).await;
        let mut conn = app.db.conn().await;
        let begun = Instant::now();
        for text in &texts {
            conn.query_drop(text).await.unwrap();
        }
        inserting = inserting.min(begun.elapsed());
        conn.disconnect().await.unwrap();
    }
    (preparing, inserting)
}

#[tokio::test(flavor = "multi_thread")]
async fn preparing_takes_little_longer_than_the_bare_inserts_and_grows_with_them() {
    let wanted = std::env::var(RUNS).ok().map(|runs| runs.parse().unwrap());
    let mut before: Option<(f64, f64)> = None;
    for fleet in Fleet::sizes(wanted) {
        let tries = match (wanted, fleet.runs()) {
            (None, _) => 2,
            (Some(_), ..=500_000) => 3,
            (Some(_), _) => 1,
        };
        let (preparing, inserting) = measured(&fleet, tries).await;
        let runs = u32::try_from(fleet.runs()).unwrap();
        let each = preparing.as_secs_f64() * 1e6 / f64::from(runs);
        show(&format!(
            "{runs} runs on {} agents: prepared in {preparing:?} ({each:.1} µs a run), inserted in {inserting:?}, {:.2} times",
            fleet.agents,
            preparing.as_secs_f64() / inserting.as_secs_f64()
        ));
        assert!(
            preparing < inserting * MOST_TIMES,
            "{preparing:?} against {inserting:?}"
        );
        let bare = inserting.as_secs_f64() * 1e6 / f64::from(runs);
        let (least, least_bare) = before.unwrap_or((each, bare));
        assert!(
            each < least * MOST_GROWTH * (bare / least_bare).max(1.0),
            "{runs} runs take {each:.1} µs each, fewer took {least:.1}; bare {bare:.1} and {least_bare:.1}"
        );
        before = Some((least.min(each), least_bare.min(bare)));
    }
}
