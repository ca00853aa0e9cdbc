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

/// Members of a group that were found by a search go in lists of 256.
const MEMBERS: u32 = 600;

impl Site {
    /// What a pass over all jobs costs whose statements are known. Nothing is prepared: the module of all jobs is off.
    async fn pass(&mut self, db: &Db) -> Cost {
        let clock = Arc::new(ManualClock::new("2026-03-04T12:00:00Z".parse().unwrap()));
        let preparation = Preparation::new(db.clone(), clock, chrono_tz::UTC, Policy::Redux);
        let mut cost = Cost::default();
        for _ in 0..2 {
            cost = self
                .cost(async {
                    let pass = preparation.pass().await.unwrap();
                    assert_eq!(pass.jobs.len(), JOBS as usize);
                    for (_, outcome) in &pass.jobs {
                        let is_off = matches!(outcome, Outcome::Passed(Reason::ModuleOff(_)));
                        assert!(is_off, "{outcome:?}");
                    }
                })
                .await;
        }
        cost
    }
}

/// However many jobs name it, and however many it has, a static group is one statement, and a dynamic one its search and its lists.
#[tokio::test(flavor = "multi_thread")]
async fn a_pass_asks_about_a_group_once() {
    let mut site = Site::small().await;
    site.tasks(2, JOBS).await;
    site.set("UPDATE {p}agentmodules SET is_active = 0, exceptions = '[]'")
        .await;
    let running = site.sidecar().await;
    let few = site.pass(&running.db).await.statements;
    site.agents(11, MEMBERS).await;
    let many = site.pass(&running.db).await.statements;
    assert_eq!(few, many);
    site.set("UPDATE {p}taskjobs SET actors = '[{\"PluginFusioninventoryAgent\":\"1\"}]'")
        .await;
    let named = site.pass(&running.db).await.statements;
    // Each job asks whether its own agent exists.
    assert_eq!(many, named - u64::from(JOBS) + 1);

    site.set(&format!(
        "INSERT INTO {{p}}deploygroups (id, name, type) VALUES (2, 'found', 'DYNAMIC');
         INSERT INTO {{p}}deploygroups_dynamicdatas ({{f}}deploygroups_id, fields_array) VALUES (2, {});
         UPDATE {{p}}taskjobs SET actors = '[{{\"PluginFusioninventoryDeployGroup\":\"2\"}}]'",
        text(&stored(&[leaf(1, "contains", "wks")]))
    ))
    .await;
    let dynamic = site.pass(&running.db).await.statements;
    // Whether GLPI is open, the search, the members that PHP has, and three lists instead of the one statement.
    assert_eq!(dynamic, many + 5);
    running.stop().await.unwrap();
}
