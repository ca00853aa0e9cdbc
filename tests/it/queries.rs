//! What a request costs the database: the statements that it sends and the rows that the server touches for it.
//!
//! Counters of a server are those of all its users, so these tests have a server of their own, and the sidecar one connection to it:
//! whatever is counted between two looks is one request's.

#[path = "queries/driven.rs"]
mod driven;
#[path = "queries/expiry.rs"]
mod expiry;
#[path = "queries/groups.rs"]
mod groups;
#[path = "queries/seldom.rs"]
mod seldom;
#[path = "queries/sequence.rs"]
mod sequence;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::Method;
use fusion_sidecar::app::{self, Running};
use fusion_sidecar::clock::ManualClock;
use fusion_sidecar::config::Settings;
use fusion_sidecar::db::preparation::Prepared;
use fusion_sidecar::db::schema;
use fusion_sidecar::domain::policy::Policy;
use fusion_sidecar::mariadb::{Durability, PrivateServer, Start};
use fusion_sidecar::proto::envelope::{Coding, seal};
use fusion_sidecar::work::prepare::Preparation;
use mysql_async::Conn;
use mysql_async::prelude::Queryable as _;
use tokio::net::TcpListener;

use crate::groups::model::{leaf, stored};
use crate::support::agent::{prolog, send};
use crate::support::database::connect;
use crate::support::site::{expand, package, text};

/// A number of finished runs other than the default, for one who has the time: `RUNS_OF_THE_PAST=1000000`.
const PAST: &str = "RUNS_OF_THE_PAST";

/// Finished runs in the table: enough that a scan of them would stand out a thousandfold, few enough to be made in a second or two.
const DEFAULT_PAST: u32 = 100_000;

/// Dynamic groups that no computer is in.
const EMPTY_GROUPS: u32 = 20;

/// Agents of the big site, with a computer each.
const AGENTS: u32 = 10_000;

/// Rows by which a request may touch more on a big site than on a small one: a page more or less in a search tree is no row, but what
/// InnoDB looks at beside a range may be.
const TOLERANCE: u64 = 8;

/// What a request cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Cost {
    /// Statements sent.
    statements: u64,
    /// Rows and index entries read.
    read: u64,
    /// Of these, rows read in the order of the table: a scan.
    scanned: u64,
    /// Statements that had to be prepared first.
    prepared: u64,
}

/// The site on a server of its own.
struct Site {
    server: PrivateServer,
    conn: Conn,
}

impl Site {
    /// Ten agents, a task with a job that installs a package on a static group of all computers.
    async fn small() -> Self {
        let start = Start {
            durability: Durability::Fast,
            time_zone: Some("+00:00".into()),
            dir: None,
        };
        let server = PrivateServer::start(start).await.unwrap();
        let mut conn = connect(server.socket(), None).await.unwrap();
        conn.query_drop(
            "CREATE DATABASE site CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci; USE site",
        )
        .await
        .unwrap();
        let made_at = "2026-01-01T00:00:00Z".parse().unwrap();
        schema::migrate(&mut conn, true, made_at).await.unwrap();
        let mut site = Self { server, conn };
        site.set(&format!(
            "SET SESSION sql_mode = '';
             UPDATE {{p}}entities SET agent_base_url = 'http://glpi.example.com';
             INSERT INTO {{p}}deploypackages (id, name, json) VALUES (1, 'editor', {});
             INSERT INTO {{p}}deploygroups (id, name, type) VALUES (1, 'all', 'STATIC')",
            text(&package("echo hello"))
        ))
        .await;
        site.agents(1, 10).await;
        site.tasks(1, 1).await;
        site
    }

    async fn set(&mut self, sql: &str) {
        self.conn.query_drop(expand(sql)).await.unwrap();
    }

    /// Agents with computers, all in the group.
    async fn agents(&mut self, from: u32, to: u32) {
        self.set(&format!(
            "INSERT INTO glpi_computers (id, name, entities_id) SELECT seq, CONCAT('wks-', seq), 0 FROM seq_{from}_to_{to};
             INSERT INTO {{p}}agents (id, name, device_id, computers_id) SELECT seq, CONCAT('wks-', seq), CONCAT('wks-', seq), seq \
             FROM seq_{from}_to_{to};
             INSERT INTO {{p}}deploygroups_staticdatas ({{f}}deploygroups_id, itemtype, items_id) SELECT 1, 'Computer', seq FROM seq_{from}_to_{to}"
        ))
        .await;
    }

    /// Active tasks with a slot and a job each; the group is the actor of every job.
    async fn tasks(&mut self, from: u32, to: u32) {
        self.set(&format!(
            "INSERT INTO {{p}}timeslotentries ({{f}}timeslots_id, day, `begin`, `end`) SELECT seq, 3, 0, 86399 FROM seq_{from}_to_{to};
             INSERT INTO {{p}}tasks (id, name, is_active, {{f}}timeslots_exec_id) SELECT seq, CONCAT('task ', seq), 1, seq FROM seq_{from}_to_{to};
             INSERT INTO {{p}}taskjobs (id, {{f}}tasks_id, name, method, targets, actors) SELECT seq, seq, 'job', 'deployinstall', \
             '[{{\"PluginFusioninventoryDeployPackage\":\"1\"}}]', '[{{\"PluginFusioninventoryDeployGroup\":\"1\"}}]' FROM seq_{from}_to_{to}"
        ))
        .await;
    }

    /// Groups that nobody needs now, and those that every job of the big site names beside the first.
    async fn groups(&mut self) {
        self.set(
            "INSERT INTO {p}deploygroups (id, name, type) SELECT seq, 'group', 'STATIC' FROM seq_2_to_51;
             INSERT INTO {p}deploygroups_staticdatas ({f}deploygroups_id, itemtype, items_id) \
             SELECT g.seq, 'Computer', c.seq FROM seq_2_to_51 g JOIN seq_1_to_200 c;
             UPDATE {p}taskjobs SET actors = CONCAT('[{\"PluginFusioninventoryDeployGroup\":\"1\"},{\"PluginFusioninventoryDeployGroup\":\"', \
             2 + id % 50, '\"}]') WHERE id > 1",
        )
        .await;
    }

    /// Job 1 is for the static group and for dynamic ones: [`EMPTY_GROUPS`] without members, one that has all computers and that nobody has
    /// evaluated, one whose search is not understood.
    async fn dynamic_groups(&mut self) {
        let search = |option: u32, value: &str| stored(&[leaf(option, "contains", value)]);
        let (first, last) = (100, 100 + EMPTY_GROUPS);
        let mut rows: Vec<String> = (first..last)
            .map(|id| format!("({id}, {}, '[]')", text(&search(1, &format!("none-{id}")))))
            .collect();
        rows.push(format!("({last}, {}, NULL)", text(&search(1, "wks"))));
        rows.push(format!("({}, {}, NULL)", last + 1, text(&search(205, "x"))));
        let actors: Vec<String> = [1]
            .into_iter()
            .chain(first..=last + 1)
            .map(|id| format!("{{\"PluginFusioninventoryDeployGroup\":\"{id}\"}}"))
            .collect();
        self.set(&format!(
            "INSERT INTO {{p}}deploygroups (id, name, type) SELECT seq, 'group', 'DYNAMIC' FROM seq_{first}_to_{};
             INSERT INTO {{p}}deploygroups_dynamicdatas ({{f}}deploygroups_id, fields_array, computers_id_cache) VALUES {};
             UPDATE {{p}}taskjobs SET actors = '[{}]' WHERE id = 1",
            last + 1,
            rows.join(","),
            actors.join(",")
        ))
        .await;
    }

    /// Finished runs of job 1, the same number for each agent.
    async fn past(&mut self, runs: u32) {
        self.set(&format!(
            "INSERT INTO {{p}}taskjobstates ({{f}}taskjobs_id, items_id, itemtype, state, {{f}}agents_id, uniqid) \
             SELECT 1, 1, 'PluginFusioninventoryDeployPackage', 3, 1 + seq % {AGENTS}, CONCAT('past-', seq) FROM seq_1_to_{runs}"
        ))
        .await;
    }

    /// A prepared run of each of the first `jobs` jobs for an agent.
    async fn prepared(&mut self, agent: u32, jobs: u32) {
        self.set(&format!(
            "INSERT INTO {{p}}taskjobstates ({{f}}taskjobs_id, items_id, itemtype, state, {{f}}agents_id, uniqid) \
             SELECT seq, 1, 'PluginFusioninventoryDeployPackage', 0, {agent}, UUID() FROM seq_1_to_{jobs}"
        ))
        .await;
    }

    /// The server's counters, with what this look itself adds to them.
    async fn counters(&mut self) -> BTreeMap<String, u64> {
        let rows: Vec<(String, u64)> = self
            .conn
            .query(
                "SHOW GLOBAL STATUS WHERE Variable_name = 'Questions' OR Variable_name = 'Com_stmt_prepare' OR Variable_name LIKE 'Handler_read%'",
            )
            .await
            .unwrap();
        rows.into_iter().collect()
    }

    /// What `work` cost.
    async fn cost(&mut self, work: impl Future<Output = ()>) -> Cost {
        let since = |before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>| Cost {
            statements: after["Questions"] - before["Questions"],
            read: before
                .keys()
                .filter(|name| name.starts_with("Handler_read"))
                .map(|name| after[name] - before[name])
                .sum(),
            scanned: after["Handler_read_rnd_next"] - before["Handler_read_rnd_next"],
            prepared: after["Com_stmt_prepare"] - before["Com_stmt_prepare"],
        };
        let first = self.counters().await;
        let idle = self.counters().await;
        work.await;
        let busy = self.counters().await;
        let (look, all) = (since(&first, &idle), since(&idle, &busy));
        Cost {
            statements: all.statements - look.statements,
            read: all.read - look.read,
            scanned: all.scanned - look.scanned,
            prepared: all.prepared - look.prepared,
        }
    }

    /// What each kind of request costs a sidecar that has been running for a while.
    async fn measure(&mut self) -> BTreeMap<&'static str, Cost> {
        // As a database has them that has been there for a while.
        self.set("ANALYZE TABLE {p}taskjobstates, {p}agents, glpi_computers")
            .await;
        let running = self.sidecar().await;
        let origin = format!("http://{}", running.address);
        // Agents 1 and 2 make the sidecar read its catalogue and prepare its statements; 3 and 4 are measured.
        let mut costs = BTreeMap::new();
        for (with, without) in [(1, 2), (1, 2), (3, 4)] {
            self.set("DELETE FROM {p}taskjobstates WHERE state <> 3; DELETE FROM {p}sidecar_runs")
                .await;
            self.prepared(with, 1).await;
            for (name, agent, request) in [
                ("getConfig, a run", with, Kind::Config),
                ("getConfig, no run", without, Kind::Config),
                ("getJobs, a run", with, Kind::Jobs),
                ("getJobs, no run", without, Kind::Jobs),
                ("setStatus", with, Kind::Status(self.uniqid(with).await)),
                ("PROLOG", with, Kind::Prolog),
            ] {
                let cost = self.cost(ask(&origin, agent, request)).await;
                costs.insert(name, cost);
            }
        }
        running.stop().await.unwrap();
        costs
    }

    async fn uniqid(&mut self, agent: u32) -> String {
        let sql = format!(
            "SELECT uniqid FROM {{p}}taskjobstates WHERE {{f}}agents_id = {agent} AND state < 3"
        );
        self.conn.query_first(expand(&sql)).await.unwrap().unwrap()
    }

    async fn sidecar(&self) -> Running {
        self.sidecar_with(|_| {}).await
    }

    async fn sidecar_with(&self, configure: impl FnOnce(&mut Settings)) -> Running {
        let mut settings = Settings::for_database(self.server.database("site"));
        settings.database.max_connections = 1;
        settings.server.listen = ([127, 0, 0, 1], 0).into();
        settings.scheduler.enabled = false;
        settings.scheduler.monitoring_period = Duration::ZERO;
        settings.dispatch.catalogue_refresh = Duration::from_hours(1);
        configure(&mut settings);
        let clock = Arc::new(ManualClock::new("2026-03-04T12:00:00Z".parse().unwrap()));
        let listener = TcpListener::bind(settings.server.listen).await.unwrap();
        app::start(&settings, listener, clock, None).await.unwrap()
    }
}

enum Kind {
    Config,
    Jobs,
    Status(String),
    Prolog,
}

/// A request, and that it was answered as it should be.
async fn ask(origin: &str, agent: u32, kind: Kind) {
    let agent = format!("wks-{agent}");
    let get = async |path: &str| {
        let answer = send(Method::GET, &format!("{origin}{path}"), &[], vec![]).await;
        assert_eq!(answer.status, 200, "{path}");
        answer
    };
    match kind {
        Kind::Config => drop(
            get(&format!(
                "/?action=getConfig&machineid={agent}&task[Deploy]=2.8&task[Collect]=2.7&task[ESX]=2.2"
            ))
            .await,
        ),
        Kind::Jobs => drop(
            get(&format!(
                "/b/deploy/?action=getJobs&machineid={agent}&version=2.8"
            ))
            .await,
        ),
        Kind::Status(uniqid) => drop(
            get(&format!(
                "/b/deploy/?action=setStatus&machineid={agent}&uuid={uniqid}&status=ok&currentStep=checking&msg=ok"
            ))
            .await,
        ),
        Kind::Prolog => {
            let headers = [("content-type", Coding::Zlib.content_type())];
            let body = seal(&prolog(&agent), Coding::Zlib);
            let answer = send(Method::POST, &format!("{origin}/"), &headers, body).await;
            assert_eq!(answer.status, 200);
        }
    }
}

#[expect(
    clippy::print_stdout,
    reason = "numbers for whoever runs this with --no-capture"
)]
fn show(site: &str, costs: &BTreeMap<&'static str, Cost>) {
    println!("{site}");
    for (name, cost) in costs {
        println!("  {name:<20} {cost:?}");
    }
}

/// With [`PAST`] in the environment that many finished runs are made, else [`DEFAULT_PAST`].
#[tokio::test(flavor = "multi_thread")]
async fn a_request_costs_the_same_however_much_there_is() {
    let mut site = Site::small().await;
    let small = site.measure().await;
    show("10 agents, 1 task", &small);

    site.agents(11, AGENTS).await;
    site.tasks(2, 200).await;
    site.groups().await;
    let big = site.measure().await;
    show("10,000 agents, 200 tasks, 51 groups", &big);

    let runs = std::env::var(PAST).map_or(DEFAULT_PAST, |runs| runs.parse().unwrap());
    let begun = Instant::now();
    site.past(runs).await;
    let made = begun.elapsed();
    let old = site.measure().await;
    show(&format!("and {runs} finished runs, made in {made:?}"), &old);

    for costs in [&small, &big, &old] {
        for (name, cost) in costs {
            let at_first = small[name];
            assert_eq!(cost.prepared, 0, "{name}: statements are known by then");
            assert_eq!(cost.statements, at_first.statements, "{name}");
            assert_eq!(cost.scanned, 0, "{name}: no table is read through");
            assert!(
                cost.read <= at_first.read + TOLERANCE,
                "{name}: {cost:?}, at first {at_first:?}"
            );
        }
    }
    for (name, most) in [
        ("getConfig, a run", 2),
        ("getConfig, no run", 2),
        ("getJobs, no run", 2),
        // Orders of network tasks are in its answer, so it reads the agent's runs.
        ("PROLOG", 5),
    ] {
        assert!(small[name].statements <= most, "{name}: {:?}", small[name]);
    }
    assert!(
        small["getJobs, a run"].statements <= 10,
        "{:?}",
        small["getJobs, a run"]
    );
}

/// An agent with fifty runs does not cost fifty times as much as one with a single run.
#[tokio::test(flavor = "multi_thread")]
async fn no_request_costs_a_statement_for_each_run() {
    let mut site = Site::small().await;
    site.tasks(2, 50).await;
    let running = site.sidecar().await;
    let origin = format!("http://{}", running.address);
    let mut costs = BTreeMap::new();
    for (name, agent, runs) in [
        ("warm, one run", 1, 1),
        ("warm, fifty runs", 2, 50),
        ("one run", 3, 1),
        ("fifty runs", 4, 50),
    ] {
        site.prepared(agent, runs).await;
        let config = site.cost(ask(&origin, agent, Kind::Config)).await;
        let jobs = site.cost(ask(&origin, agent, Kind::Jobs)).await;
        costs.insert(name, config);
        costs.insert(if runs == 1 { "one job" } else { "fifty jobs" }, jobs);
        let sent = format!(
            "SELECT COUNT(*) FROM {{p}}taskjobstates WHERE {{f}}agents_id = {agent} AND state = 1"
        );
        let sent: Option<u32> = site.conn.query_first(expand(&sent)).await.unwrap();
        assert_eq!(sent, Some(runs));
    }
    running.stop().await.unwrap();
    show("an agent's own runs", &costs);
    assert_eq!(costs["one run"].statements, costs["fifty runs"].statements);
    // Rows are inserted in pieces of 16 and single ones: fifty sends and fifty lines in five statements each.
    assert!(
        costs["fifty jobs"].statements <= costs["one job"].statements + 8,
        "{costs:?}"
    );
}

/// A pass of preparation reads of a job's history the newest runs of its agents, or nothing at all.
#[tokio::test(flavor = "multi_thread")]
async fn a_pass_does_not_read_what_has_ended() {
    let mut site = Site::small().await;
    site.agents(11, AGENTS).await;
    site.past(AGENTS).await;
    let running = site.sidecar().await;
    let clock = Arc::new(ManualClock::new("2026-03-04T12:00:00Z".parse().unwrap()));
    let (zone, policy) = (chrono_tz::UTC, Policy::Redux);
    let preparation = Preparation::new(running.db.clone(), clock, zone, policy);
    let runs = std::env::var(PAST).map_or(DEFAULT_PAST, |runs| runs.parse().unwrap());
    let mut costs = BTreeMap::new();
    for (name, more) in [("one run of each", 0), ("many of each", runs)] {
        if more > 0 {
            site.past(more).await;
        }
        site.set("ANALYZE TABLE {p}taskjobstates, {p}agents").await;
        site.set("UPDATE {p}tasks SET reprepare_if_successful = 0")
            .await;
        let mut done = 0;
        for _ in 0..2 {
            let cost = site
                .cost(async {
                    let pass = preparation.pass().await.unwrap();
                    assert_eq!(pass.total(), Prepared::default());
                    done = pass.jobs.len();
                })
                .await;
            costs.insert(name, cost);
        }
        assert_eq!(done, 1);
    }
    running.stop().await.unwrap();
    show("a pass over 10,000 agents that are done", &costs);
    let (few, many) = (costs["one run of each"], costs["many of each"]);
    assert_eq!(few.statements, many.statements);
    // A row of the index and one of the table for each.
    assert!(few.read <= 3 * u64::from(AGENTS), "{few:?}");
    assert!(
        many.read <= few.read + few.read / 100,
        "{many:?}, at first {few:?}"
    );
}
