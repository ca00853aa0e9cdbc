//! Members of dynamic groups, worked out anew by each pass.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use chrono::NaiveDateTime;

use crate::db::actors::KnownGroups;
use crate::db::{Db, DbError};
use crate::domain::actors::{Actor, Members};
use crate::domain::catalogue::Catalogue;
use crate::domain::criteria::Unsupported;
use crate::domain::ids::{AgentId, DeployGroupId};
use crate::domain::policy::Policy;
use crate::proto::criteria;
use crate::work::doors::{Halt, look};

/// A dynamic group that is not evaluated here: it keeps the members that GLPI stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The group.
    pub group: DeployGroupId,
    /// Its name.
    pub name: String,
    /// The criterion that stands in the way.
    pub why: Unsupported,
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "group '{}' ({}) keeps the members that GLPI stored: {}",
            self.name, self.group, self.why
        )
    }
}

/// What becomes of members that were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cache {
    /// They are stored for PHP.
    Store,
    /// They are used and not written.
    Leave,
}

/// What a pass has found of the groups that its jobs name.
#[derive(Debug, Default)]
pub(super) struct Groups {
    /// Dynamic groups whose search, or the storing of what it found, failed.
    failed: HashMap<DeployGroupId, DbError>,
    agents: KnownGroups,
}

impl Groups {
    /// Puts the members of the dynamic groups among `actors`, as they are at `now`, into `catalogue`, and takes their searches out of it, so
    /// that a pass evaluates each group once. Returns those that keep what was there.
    ///
    /// # Errors
    ///
    /// When the database fails, or GLPI is closed before members are stored; the groups that are left are evaluated when the next job names
    /// them. A group that failed fails for all jobs of the pass, and is not tried again: a search that takes too long once would do so for
    /// each of them.
    pub(super) async fn evaluate(
        &mut self,
        db: &Db,
        catalogue: &mut Catalogue,
        actors: &[Actor],
        now: NaiveDateTime,
        cache: Cache,
    ) -> Result<Vec<Kept>, Halt> {
        let mut kept = Vec::new();
        for actor in actors {
            let Actor::DeployGroup(group) = *actor else {
                continue;
            };
            let Some(search) = catalogue.searches.get(&group) else {
                continue;
            };
            if let Some(error) = self.failed.get(&group) {
                return Err(error.clone().into());
            }
            let found = match criteria::parse(&search.stored) {
                Ok(criteria) => {
                    let found = match cache {
                        Cache::Store => {
                            look(db).await?;
                            db.evaluate_group(group, &criteria, now).await
                        }
                        Cache::Leave => db.search_computers(&criteria, now).await,
                    };
                    match found {
                        Ok(found) => found,
                        Err(error) => {
                            self.failed.insert(group, error.clone());
                            return Err(error.into());
                        }
                    }
                }
                Err(unsupported) => Err(unsupported),
            };
            let name = catalogue.searches.remove(&group).unwrap_or_default().group;
            match found {
                Ok(computers) => {
                    let members = &mut catalogue.members.computers;
                    members.insert(group, Arc::new(computers));
                }
                Err(why) => {
                    tracing::warn!(
                        deploygroup.id = group.0,
                        deploygroup.name = name,
                        error = %why,
                        "the group keeps the members that GLPI stored"
                    );
                    kept.push(Kept { group, name, why });
                }
            }
        }
        Ok(kept)
    }

    /// The agents that `actors` stand for, once their groups are evaluated. A pass asks about each group once.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub(super) async fn agents_of(
        &mut self,
        db: &Db,
        actors: &[Actor],
        members: &Members,
        policy: Policy,
    ) -> Result<Vec<AgentId>, DbError> {
        db.agents_of(actors, members, policy, &mut self.agents)
            .await
    }
}
