//! Members of dynamic groups without a cache: worked out beside the requests, which only look them up.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::NaiveDateTime;
use chrono_tz::Tz;
use futures_util::stream::{self, StreamExt as _};
use tokio::time::Instant;

use crate::clock::{Clock, local};
use crate::db::{Db, DbError};
use crate::domain::actors::{Actor, IdSet, Members};
use crate::domain::catalogue::{Catalogue, Job, Search};
use crate::domain::criteria::Unsupported;
use crate::domain::ids::DeployGroupId;
use crate::domain::policy::Policy;
use crate::proto::criteria;

/// How long a result stands. Without it policy `plugin` would search every empty group again for each snapshot, and a search that fails
/// would be tried all the time; PHP works members out anew when it prepares, which is no more often than this.
pub(super) const STANDS: Duration = Duration::from_mins(1);

/// Most searches at once: each keeps one of the connections that requests need, too.
const AT_ONCE: usize = 2;

/// What is known of the groups that snapshots name without a cache.
pub(super) struct Evaluated {
    db: Db,
    policy: Policy,
    clock: Arc<dyn Clock>,
    zone: Tz,
    known: Mutex<HashMap<DeployGroupId, Known>>,
}

impl std::fmt::Debug for Evaluated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Evaluated")
            .field("policy", &self.policy)
            .field("known", &self.known)
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Known {
    /// None as long as no search has come to its end.
    members: Option<Arc<IdSet>>,
    /// What stood in the way of the last search.
    trouble: Option<String>,
    /// When it ended.
    at: Instant,
}

impl Evaluated {
    pub(super) fn new(db: Db, policy: Policy, clock: Arc<dyn Clock>, zone: Tz) -> Self {
        Self {
            db,
            policy,
            clock,
            zone,
            known: Mutex::default(),
        }
    }

    /// Evaluates the groups of `catalogue` that have no cache and no result younger than `stands`, and stores what is found for PHP. Fails
    /// for none: what was found before stays, and what stands in the way is logged when it changes.
    pub(super) async fn refresh(&self, catalogue: &Catalogue, stands: Duration) {
        let wanted = catalogue.searches_wanted(self.policy);
        let due: Vec<(DeployGroupId, &Search)> = {
            let mut known = self.known();
            known.retain(|group, _| wanted.contains_key(group));
            let is_due = |group: &DeployGroupId| {
                known
                    .get(group)
                    .is_none_or(|known: &Known| known.at.elapsed() >= stands)
            };
            wanted
                .into_iter()
                .filter(|(group, _)| is_due(group))
                .collect()
        };
        let now = local(self.clock.as_ref(), self.zone);
        stream::iter(due)
            .for_each_concurrent(AT_ONCE, async |(group, search)| {
                let found = found(&self.db, group, search, now).await;
                self.learn(group, &search.group, found);
            })
            .await;
    }

    fn learn(
        &self,
        group: DeployGroupId,
        name: &str,
        found: Result<Result<IdSet, Unsupported>, DbError>,
    ) {
        let mut known = self.known();
        let before = known.remove(&group);
        let (said, older) = before.map_or((None, None), |known| (known.trouble, known.members));
        let (members, trouble) = match found {
            Ok(Ok(computers)) => (Some(Arc::new(computers)), None),
            // What GLPI stored stands, and that is nothing.
            Ok(Err(why)) => (Some(Arc::default()), Some(why.to_string())),
            Err(error) => (older, Some(error.to_string())),
        };
        if let Some(why) = trouble.as_ref().filter(|why| said.as_ref() != Some(why)) {
            tracing::warn!(
                deploygroup.id = group.0,
                deploygroup.name = name,
                error = why,
                "the members of the group cannot be worked out, and GLPI stored none"
            );
        }
        let at = Instant::now();
        known.insert(
            group,
            Known {
                members,
                trouble,
                at,
            },
        );
    }

    /// Members of the groups among the actors of `jobs`; a dynamic group that has no cache and was not evaluated yet has no entry.
    pub(super) fn members<'a>(
        &self,
        catalogue: &Catalogue,
        jobs: impl Iterator<Item = &'a Job>,
    ) -> Members {
        let known = self.known();
        let mut members = Members::default();
        for actor in jobs.flat_map(|job| &job.actors) {
            match actor {
                Actor::Group(id) => {
                    let users = catalogue.members.users.get(id);
                    members
                        .users
                        .extend(users.map(|users| (*id, Arc::clone(users))));
                }
                Actor::DeployGroup(id) => {
                    let computers = if catalogue.uncached(*id, self.policy).is_some() {
                        known.get(id).and_then(|known| known.members.as_ref())
                    } else {
                        catalogue.members.computers.get(id)
                    };
                    members
                        .computers
                        .extend(computers.map(|computers| (*id, Arc::clone(computers))));
                }
                Actor::Computer(_) | Actor::Agent(_) => {}
            }
        }
        members
    }

    fn known(&self) -> MutexGuard<'_, HashMap<DeployGroupId, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn found(
    db: &Db,
    group: DeployGroupId,
    search: &Search,
    now: NaiveDateTime,
) -> Result<Result<IdSet, Unsupported>, DbError> {
    match criteria::parse(&search.stored) {
        Ok(criteria) => db.evaluate_group(group, &criteria, now).await,
        Err(why) => Ok(Err(why)),
    }
}
