//! How much memory `serve` takes on a large fleet: groups that hold all of it, as actors of tasks that are prepared while agents ask.
//!
//! The short form has 20,000 agents; the README has the command of the full one.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use rand::Rng as _;
use serde_json::Value;

use crate::support::chance::{number, seeded, show};
use crate::support::database::{TestDb, fresh};
use crate::support::process::{Sidecar, ask, url};
use crate::support::site::{package, text};
use crate::support::wire::{DEPLOY, MAIN, prolog};

/// Agents of the full form.
const AGENTS: &str = "AGENTS_IN_MEMORY";

const SEED: &str = "MEMORY_SEED";

/// What it may take at the most with a hundred thousand agents, KiB.
const MOST: u64 = 150 * 1024;

/// Agents at which it may take that much.
const FLEET: u64 = 100_000;

/// Jobs: one on a dynamic group, the others on static ones.
const JOBS: u64 = 4;

/// Requests at once.
const AT_ONCE: usize = 16;

/// A fleet, groups that hold all of it, and a task with a job for each group.
async fn fill(db: &TestDb, agents: u64) {
    let criteria = r#"a:1:{i:0;a:3:{s:5:"field";s:1:"1";s:10:"searchtype";s:8:"contains";s:5:"value";s:3:"wks";}}"#;
    let fields = format!(r#"a:1:{{s:8:"criteria";{criteria}}}"#);
    db.set(&format!(
        "INSERT INTO glpi_computers (id, name, entities_id) SELECT seq, CONCAT('wks-', seq), 0 FROM seq_1_to_{agents};
         INSERT INTO {{p}}agents (id, name, device_id, computers_id) SELECT seq, CONCAT('wks-', seq), CONCAT('wks-', seq), seq FROM seq_1_to_{agents};
         UPDATE {{p}}entities SET agent_base_url = 'http://glpi.example.com' WHERE id = 1;
         INSERT INTO {{p}}deploygroups (id, name, type) SELECT seq, 'g', IF(seq = {JOBS}, 'DYNAMIC', 'STATIC') FROM seq_1_to_{JOBS};
         INSERT INTO {{p}}deploygroups_staticdatas ({{f}}deploygroups_id, itemtype, items_id) \
         SELECT g.seq, 'Computer', c.seq FROM seq_1_to_{JOBS} g JOIN seq_1_to_{agents} c ON g.seq < {JOBS};
         INSERT INTO {{p}}deploygroups_dynamicdatas ({{f}}deploygroups_id, fields_array) VALUES ({JOBS}, {});
         INSERT INTO {{p}}deploypackages (id, name, json) SELECT seq, 'p', {} FROM seq_1_to_{JOBS};
         INSERT INTO {{p}}tasks (id, name, is_active) SELECT seq, 't', 1 FROM seq_1_to_{JOBS};
         INSERT INTO {{p}}taskjobs (id, {{f}}tasks_id, name, method, targets, actors) SELECT seq, seq, 'j', 'deployinstall', \
         CONCAT('[{{\"PluginFusioninventoryDeployPackage\":\"', seq, '\"}}]'), CONCAT('[{{\"PluginFusioninventoryDeployGroup\":\"', seq, '\"}}]') \
         FROM seq_1_to_{JOBS};
         ANALYZE TABLE {{p}}agents, {{p}}deploygroups_staticdatas, glpi_computers",
        text(&fields),
        text(&package("echo"))
    ))
    .await;
}

/// How much it takes with `agents` agents, KiB, and what was done in that time.
async fn peak(agents: u64) -> (u64, String) {
    let mut rng = seeded(SEED);
    let db = fresh().await;
    fill(&db, agents).await;
    let begun = Instant::now();
    let sidecar = Sidecar::serve(
        &["--timezone", "UTC", "--scheduler-period", "1"],
        &[("FUSION_SIDECAR_DATABASE_URL", &url(&db))],
    );
    let (mut asked, mut handed_out, mut unanswered) = (0, 0, 0);
    let mut passes = None;
    // Until all is prepared, and looked at once more with nothing left to do.
    loop {
        let contacts = (0..AT_ONCE).map(|_| {
            let name = format!("wks-{}", rng.random_range(1..=agents));
            let address = sidecar.address;
            tokio::task::spawn_blocking(move || {
                let hello = ask(address, "POST", MAIN, &prolog(&name)).is_ok();
                let config = format!("{MAIN}?action=getConfig&machineid={name}&task[Deploy]=2.8");
                let config = ask(address, "GET", &config, "").is_ok();
                let jobs = format!("{DEPLOY}?action=getJobs&machineid={name}&version=2.8");
                let Ok((200, jobs)) = ask(address, "GET", &jobs, "") else {
                    return (0, 1);
                };
                let jobs: Value = serde_json::from_str(&jobs).unwrap();
                let runs = jobs["jobs"].as_array().map_or(0, Vec::len);
                (runs, usize::from(!hello || !config))
            })
        });
        for contact in join_all(contacts).await {
            let (runs, late) = contact.unwrap();
            handed_out += runs;
            unanswered += late;
        }
        asked += AT_ONCE;
        let runs: Vec<u64> = db.ask("SELECT COUNT(*) FROM {p}taskjobstates").await;
        if runs == [JOBS * agents] && passes.is_none() {
            passes = Some(ended(&db).await);
        }
        if let Some(before) = &passes
            && ended(&db).await != *before
        {
            break;
        }
        assert!(begun.elapsed() < Duration::from_mins(20), "{runs:?} runs");
    }
    assert!(handed_out > 0);
    let done = format!(
        "{} runs prepared, {asked} agents asked, {handed_out} runs handed out, {unanswered} without an answer in {:?}",
        JOBS * agents,
        begun.elapsed()
    );
    // A machine that is busy otherwise may keep a few waiting for too long.
    assert!(
        unanswered * 10 < asked,
        "{done}; the log ends with {:?}",
        sidecar.log().iter().rev().take(5).collect::<Vec<_>>()
    );
    (sidecar.peak(), done)
}

/// The ends of preparations so far.
async fn ended(db: &TestDb) -> Vec<String> {
    db.ask("SELECT CAST(ended_at AS CHAR) FROM {p}sidecar_heartbeats WHERE duty = 'prepare' AND ended_at > started_at")
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_agents_take_less_than_150_mib() {
    let agents = number(AGENTS).unwrap_or(20_000);
    let few = agents / 10;
    let (base, done) = peak(few).await;
    show(&format!("{few} agents: {base} KiB; {done}"));
    let (most, done) = peak(agents).await;
    show(&format!("{agents} agents: {most} KiB; {done}"));
    assert!(most < MOST, "{most} KiB");
    // What each agent adds, at that rate, would stay below it in a whole fleet too.
    let more = most.saturating_sub(base);
    let each = more * 1024 / (agents - few);
    let whole = base + more * FLEET.saturating_sub(few) / (agents - few);
    show(&format!("{each} bytes an agent; {whole} KiB with {FLEET}"));
    assert!(whole < MOST, "{whole} KiB with {FLEET} agents");
}
