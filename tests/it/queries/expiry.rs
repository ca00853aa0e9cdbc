//! A pass of expiry.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fusion_sidecar::clock::ManualClock;
use fusion_sidecar::domain::policy::Policy;
use fusion_sidecar::work::expire::{Expiry, Mode};

use super::{AGENTS, DEFAULT_PAST, PAST, Site, TOLERANCE, show};

/// Runs under way.
const OPEN: u32 = 600;

impl Site {
    /// [`OPEN`] runs under way of each of the jobs 1 and 2, of an answer each, and what their agents said.
    async fn under_way(&mut self, said: &str) {
        for (job, state) in [(1, 1), (2, 2)] {
            self.set(&format!(
                "INSERT INTO {{p}}taskjobstates ({{f}}taskjobs_id, items_id, itemtype, state, {{f}}agents_id, uniqid) \
                 SELECT {job}, 1, 'PluginFusioninventoryDeployPackage', {state}, seq, UUID() FROM seq_1_to_{OPEN}"
            ))
            .await;
        }
        self.set(&format!(
            "INSERT INTO {{p}}sidecar_runs ({{f}}taskjobstates_id, {{f}}agents_id, sends, sent_at) \
             SELECT id, {{f}}agents_id, 1, '{said}' FROM {{p}}taskjobstates WHERE state < 3;
             INSERT INTO {{p}}sidecar_answers ({{f}}agents_id, sent_at, heard_at) SELECT seq, '{said}', '{said}' FROM seq_1_to_{OPEN}"
        ))
        .await;
    }
}

/// What has ended is not read, however much there is, and a pass that finds nothing to do costs a handful of statements.
#[tokio::test(flavor = "multi_thread")]
async fn a_pass_reads_what_is_under_way_and_no_more() {
    let mut site = Site::small().await;
    site.agents(11, AGENTS).await;
    site.tasks(2, 20).await;
    site.under_way("2026-03-04 11:00:00").await;
    let running = site.sidecar().await;
    let clock = Arc::new(ManualClock::new("2026-03-04T12:00:00Z".parse().unwrap()));
    let expiry = Expiry::new(
        running.db.clone(),
        clock.clone(),
        chrono_tz::UTC,
        Policy::Redux,
        Duration::from_hours(2),
    );
    let runs = std::env::var(PAST).map_or(DEFAULT_PAST, |runs| runs.parse().unwrap());
    let mut costs = BTreeMap::new();
    for (name, past) in [("nothing has ended", 0), ("much has ended", runs)] {
        if past > 0 {
            site.past(past).await;
            site.set(
                "INSERT INTO {p}taskjoblogs ({f}taskjobstates_id, date, state) SELECT id, '2026-01-01', 2 FROM {p}taskjobstates WHERE state = 3;
                 INSERT INTO {p}sidecar_runs ({f}taskjobstates_id, {f}agents_id, sends, sent_at) \
                 SELECT id, {f}agents_id, 1, '2026-01-01' FROM {p}taskjobstates WHERE state = 3",
            )
            .await;
        }
        site.set("ANALYZE TABLE {p}taskjobstates, {p}taskjoblogs, {p}sidecar_runs, {p}sidecar_answers, {p}agents")
            .await;
        for _ in 0..2 {
            let cost = site
                .cost(async {
                    assert_eq!(expiry.pass(Mode::Write).await.unwrap().total(), 0);
                })
                .await;
            costs.insert(name, cost);
        }
    }
    // All of them end now.
    clock.advance(Duration::from_hours(2));
    let ending = site
        .cost(async {
            let ended = usize::try_from(OPEN * 2).unwrap();
            assert_eq!(expiry.pass(Mode::Write).await.unwrap().total(), ended);
        })
        .await;
    costs.insert("all that is under way ends", ending);
    running.stop().await.unwrap();
    show("a pass of expiry", &costs);
    let (few, many) = (costs["nothing has ended"], costs["much has ended"]);
    assert_eq!(few.statements, many.statements, "{few:?} {many:?}");
    // The occurrences, the jobs, those that are gone, a page of each of the two states, whether GLPI is open, what may be forgotten.
    assert!(many.statements <= 12, "{many:?}");
    assert!(many.read <= few.read + TOLERANCE, "{few:?} {many:?}");
    let open = u64::from(OPEN * 2);
    assert!(many.read <= open * 5, "{many:?}");
    // In pieces of 256 runs; log lines are inserted in pieces of 256, 16 and 1.
    assert!(ending.statements <= 120, "{ending:?}");
    assert!(ending.read <= open * 40, "{ending:?}");
}
