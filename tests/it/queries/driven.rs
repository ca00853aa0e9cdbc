//! What requests cost where agents drive a task.

use std::collections::BTreeMap;

use super::{AGENTS, Cost, Kind, Site, TOLERANCE, ask, show};

impl Site {
    /// As [`Site::measure`]: agent 1 makes the sidecar prepare its statements; agents 2 and 3 are measured, without a run and with one.
    async fn measure_driven(&mut self) -> BTreeMap<&'static str, Cost> {
        self.set("ANALYZE TABLE {p}taskjobstates, {p}agents, glpi_computers")
            .await;
        let running = self.sidecar().await;
        let origin = format!("http://{}", running.address);
        let mut costs = BTreeMap::new();
        for agent in [1, 1, 2] {
            self.set(
                "DELETE FROM {p}taskjobstates WHERE state <> 3; DELETE FROM {p}sidecar_runs; DELETE FROM {p}sidecar_agent_occurrences",
            )
            .await;
            for (name, kind) in [
                ("getConfig before", Kind::Config),
                ("getJobs that makes a run", Kind::Jobs),
                ("getConfig after", Kind::Config),
                ("setStatus", Kind::Status(String::new())),
                ("getJobs after", Kind::Jobs),
                ("PROLOG", Kind::Prolog),
            ] {
                let kind = match kind {
                    Kind::Status(_) => Kind::Status(self.uniqid(agent).await),
                    other => other,
                };
                let cost = self.cost(ask(&origin, agent, kind)).await;
                costs.insert(name, cost);
            }
        }
        running.stop().await.unwrap();
        costs
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_of_a_task_that_agents_drive_costs_the_same_however_many_there_are() {
    let mut site = Site::small().await;
    site.set("INSERT INTO {p}sidecar_tasks ({f}tasks_id, mode) VALUES (1, 'agent')")
        .await;
    let small = site.measure_driven().await;
    show("10 agents, 1 task that they drive", &small);
    site.agents(11, AGENTS).await;
    site.tasks(2, 200).await;
    site.groups().await;
    let big = site.measure_driven().await;
    show("10,000 agents, and 199 tasks that they do not", &big);
    site.past(AGENTS * 10).await;
    let old = site.measure_driven().await;
    show("and ten finished runs of each", &old);
    site.past(AGENTS * 10).await;
    let older = site.measure_driven().await;
    show("and twenty", &older);
    // The first run of a job costs more than none; how many there have been counts only where another one is made: then the server reads
    // the agent's own runs of the job from their index.
    let own = |name: &str| match name {
        "getJobs that makes a run" => 10,
        _ => 0,
    };
    for (costs, before) in [(&big, &small), (&older, &old)] {
        for (name, cost) in costs {
            let at_first = before[name];
            assert_eq!(cost.prepared, 0, "{name}: statements are known by then");
            assert_eq!(cost.statements, at_first.statements, "{name}");
            assert_eq!(
                cost.scanned, at_first.scanned,
                "{name}: no table is read through"
            );
            assert!(
                cost.read <= at_first.read + TOLERANCE + own(name),
                "{name}: {cost:?}, at first {at_first:?}"
            );
        }
    }
    for (name, cost) in &old {
        // The last of them is read.
        assert!(
            cost.statements <= small[name].statements + 1,
            "{name}: {cost:?}"
        );
    }
    for (name, most) in [
        // Agent, runs, occurrence, past, and the last run where there is one.
        ("getConfig before", 4),
        ("getConfig after", 5),
        ("getJobs after", 5),
        ("getJobs that makes a run", 22),
        // No network job is driven by agents.
        ("PROLOG", 5),
    ] {
        assert!(small[name].statements <= most, "{name}: {:?}", small[name]);
    }
}
