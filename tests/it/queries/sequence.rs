//! How the runs of a job stand in an occurrence.

use std::collections::BTreeMap;

use fusion_sidecar::domain::ids::{AgentId, JobId};
use fusion_sidecar::domain::sequence::Tally;
use rstest::rstest;

use super::{AGENTS, DEFAULT_PAST, PAST, Site, TOLERANCE, show};

/// Runs of the occurrence.
const OPEN: u32 = 600;

/// What had ended before the occurrence is not read, but for a run of each agent where one counts that ended well at any time. What is read
/// is put together by agent and target, and then by agent.
#[rstest]
#[case::of_this_occurrence(false, u64::from(OPEN) * 16)]
#[case::of_any_time(true, u64::from(OPEN * 3 + AGENTS) * 10)]
#[tokio::test(flavor = "multi_thread")]
async fn a_jobs_past_is_not_read(#[case] before: bool, #[case] most: u64) {
    let mut site = Site::small().await;
    site.agents(11, AGENTS).await;
    let first_run = 10_000_000;
    // Prepared before it, prepared in it, and ended otherwise in it.
    for (base, state) in [(1, 0), (first_run, 1), (first_run + u64::from(OPEN), 4)] {
        site.set(&format!(
            "INSERT INTO {{p}}taskjobstates (id, {{f}}taskjobs_id, items_id, itemtype, state, {{f}}agents_id, uniqid) \
             SELECT {base} + seq, 1, 1, 'PluginFusioninventoryDeployPackage', {state}, seq, UUID() FROM seq_1_to_{OPEN}"
        ))
        .await;
    }
    site.past_before(AGENTS, 1_000).await;
    let running = site.sidecar().await;
    let runs = std::env::var(PAST).map_or(DEFAULT_PAST, |runs| runs.parse().unwrap());
    let mut costs = BTreeMap::new();
    for (name, past) in [("one run of each", 0), ("many of each", runs)] {
        if past > 0 {
            site.past_before(past, 100_000).await;
        }
        site.set("ANALYZE TABLE {p}taskjobstates, {p}agents").await;
        for _ in 0..2 {
            let cost = site
                .cost(async {
                    let tallies = running
                        .db
                        .tallies(JobId(1), first_run, before)
                        .await
                        .unwrap();
                    let agents = if before { AGENTS } else { OPEN };
                    assert_eq!(tallies.len(), usize::try_from(agents).unwrap());
                    let (open, well, ill) = (2, u32::from(before), 1);
                    assert_eq!(
                        tallies[&AgentId(1)],
                        Tally {
                            open,
                            well,
                            ill,
                            cancelled: 0
                        }
                    );
                })
                .await;
            costs.insert(name, cost);
        }
    }
    running.stop().await.unwrap();
    show("how the runs of a job stand", &costs);
    let (few, many) = (costs["one run of each"], costs["many of each"]);
    assert!(many.read <= few.read + TOLERANCE, "{few:?} {many:?}");
    assert!(many.read <= most, "{many:?}");
}

impl Site {
    /// Runs of job 1 that ended well, from id `from` on, the same number for each agent.
    async fn past_before(&mut self, runs: u32, from: u32) {
        self.set(&format!(
            "INSERT INTO {{p}}taskjobstates (id, {{f}}taskjobs_id, items_id, itemtype, state, {{f}}agents_id, uniqid) \
             SELECT {from} + seq, 1, 1, 'PluginFusioninventoryDeployPackage', 3, 1 + seq % {AGENTS}, UUID() FROM seq_1_to_{runs}"
        ))
        .await;
    }
}
