//! A pass of preparation over jobs that name one group.

use std::sync::Arc;

use fusion_sidecar::clock::ManualClock;
use fusion_sidecar::db::Db;
use fusion_sidecar::domain::opening::Reason;
use fusion_sidecar::domain::policy::Policy;
use fusion_sidecar::work::prepare::{Outcome, Preparation};

use super::{Cost, Site};
use crate::groups::model::{leaf, stored};
use crate::support::site::text;

/// Jobs that name the group.
const JOBS: u32 = 40;

/// Statements that the sidecar may have sent beside a pass.
const BESIDE: u64 = 8;

/// Members of a group that were found by a search go in lists of 256.
const MEMBERS: u32 = 600;

impl Site {
    /// What a pass over all jobs costs whose statements are known.
    async fn pass(&mut self, db: &Db, fits: fn(&Outcome) -> bool) -> Cost {
        let clock = Arc::new(ManualClock::new("2026-03-04T12:00:00Z".parse().unwrap()));
        let preparation = Preparation::new(db.clone(), clock, chrono_tz::UTC, Policy::Redux);
        let mut cost = Cost::default();
        for _ in 0..2 {
            cost = self
                .cost(async {
                    let pass = preparation.pass().await.unwrap();
                    assert_eq!(pass.jobs.len(), JOBS as usize);
                    for (_, outcome) in &pass.jobs {
                        assert!(fits(outcome), "{outcome:?}");
                    }
                })
                .await;
        }
        cost
    }

    /// All jobs are for a dynamic group.
    async fn dynamic(&mut self) {
        self.set(&format!(
            "INSERT INTO {{p}}deploygroups (id, name, type) VALUES (2, 'found', 'DYNAMIC');
             INSERT INTO {{p}}deploygroups_dynamicdatas ({{f}}deploygroups_id, fields_array) VALUES (2, {});
             UPDATE {{p}}taskjobs SET actors = '[{{\"PluginFusioninventoryDeployGroup\":\"2\"}}]'",
            text(&stored(&[leaf(1, "contains", "wks")]))
        ))
        .await;
    }
}

/// However many jobs name it, and however many it has, a static group is one statement, and a dynamic one its search and its lists.
#[tokio::test(flavor = "multi_thread")]
async fn a_pass_asks_about_a_group_once() {
    let mut site = Site::small().await;
    site.tasks(2, JOBS).await;
    // Nothing is prepared.
    site.set("UPDATE {p}agentmodules SET is_active = 0, exceptions = '[]'")
        .await;
    let is_off = |outcome: &Outcome| matches!(outcome, Outcome::Passed(Reason::ModuleOff(_)));
    let running = site.sidecar().await;
    let few = site.pass(&running.db, is_off).await.statements;
    site.agents(11, MEMBERS).await;
    let many = site.pass(&running.db, is_off).await.statements;
    assert!(few.abs_diff(many) <= BESIDE, "{few} and {many}");
    site.set("UPDATE {p}taskjobs SET actors = '[{\"PluginFusioninventoryAgent\":\"1\"}]'")
        .await;
    let named = site.pass(&running.db, is_off).await.statements;
    // Each job asks whether its own agent exists.
    let expected = named - u64::from(JOBS) + 1;
    assert!(many.abs_diff(expected) <= BESIDE, "{many}, not {expected}");

    site.dynamic().await;
    let dynamic = site.pass(&running.db, is_off).await.statements;
    // Whether GLPI is open, the search, the members that PHP has, and three lists instead of the one statement.
    assert!(dynamic.abs_diff(many + 5) <= BESIDE, "{dynamic} and {many}");
    running.stop().await.unwrap();
}

/// A search that the server gives up costs a pass one search, not one for each job.
#[tokio::test(flavor = "multi_thread")]
async fn a_search_that_fails_is_not_tried_again_by_the_same_pass() {
    let mut site = Site::small().await;
    site.tasks(2, JOBS).await;
    site.dynamic().await;
    let running = site.sidecar().await;
    site.set(
        "RENAME TABLE glpi_computers TO kept; CREATE VIEW glpi_computers AS SELECT * FROM kept; RENAME TABLE kept TO elsewhere",
    )
    .await;
    let has_failed = |outcome: &Outcome| {
        matches!(
            outcome,
            Outcome::Failed {
                code: "db-refused",
                ..
            }
        )
    };
    let cost = site.pass(&running.db, has_failed).await;
    // Each search is prepared anew.
    assert_eq!(cost.prepared, 1, "{cost:?}");
    site.set("DROP VIEW glpi_computers; RENAME TABLE elsewhere TO glpi_computers")
        .await;
    let pass = site.pass(&running.db, |outcome| {
        !matches!(outcome, Outcome::Failed { .. })
    });
    assert!(pass.await.prepared >= 1, "the next pass searches again");
    running.stop().await.unwrap();
}
