//! Which agents a job's actors are.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};

use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use super::bulk::{LIST_MAX, list, marks};
use super::{Db, DbError};
use crate::domain::actors::{Actor, Members};
use crate::domain::ids::AgentId;
use crate::domain::policy::Policy;

/// An agent that is linked to a computer, and whether that is neither in the trash nor a template.
type Linked = (u32, bool);

/// The agents of the groups that were asked about: a pass asks about each once, however many jobs name it.
#[derive(Debug, Default)]
pub struct KnownGroups(HashMap<Actor, Vec<Linked>>);

impl Db {
    /// The agents that `actors` stand for: those named themselves first, then those of computers by id, each once. Groups that are in `known`
    /// are not asked about, the others are put there.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn agents_of(
        &self,
        actors: &[Actor],
        members: &Members,
        policy: Policy,
        known: &mut KnownGroups,
    ) -> Result<Vec<AgentId>, DbError> {
        self.timed("agents_of", async {
            let mut conn = self.conn().await?;
            let (mut named, mut single, mut groups) = (vec![], BTreeSet::new(), vec![]);
            for actor in actors {
                match actor {
                    Actor::Agent(id) => named.push(id.0),
                    Actor::Computer(id) => drop(single.insert(id.0)),
                    Actor::Group(_) | Actor::DeployGroup(_) => groups.push(*actor),
                }
            }
            let mut agents = existing_agents(self, &mut conn, &named).await?;
            let single: Vec<u32> = single.into_iter().collect();
            let mut linked = BTreeSet::new();
            // The plugin looks whether a computer that is named itself exists, but not at members of groups.
            for (agent, exists, usable) in agents_of_computers(self, &mut conn, &single).await? {
                let fits = match policy {
                    Policy::Plugin => exists,
                    Policy::Redux => usable,
                };
                if fits {
                    linked.insert(agent);
                }
            }
            for group in groups {
                let found = match known.0.entry(group) {
                    Entry::Occupied(entry) => entry.into_mut(),
                    Entry::Vacant(entry) => {
                        entry.insert(agents_of_group(self, &mut conn, group, members).await?)
                    }
                };
                let fit = found
                    .iter()
                    .filter(|(_, usable)| policy == Policy::Plugin || *usable);
                linked.extend(fit.map(|(agent, _)| *agent));
            }
            let known: HashSet<u32> = agents.iter().copied().collect();
            agents.extend(linked.into_iter().filter(|id| !known.contains(id)));
            Ok(agents.into_iter().map(AgentId).collect())
        })
        .await
    }
}

async fn existing_agents(db: &Db, conn: &mut Conn, named: &[u32]) -> Result<Vec<u32>, DbError> {
    let mut found = HashSet::new();
    for chunk in named.chunks(LIST_MAX) {
        let text = format!(
            "/* existing_agents */ SELECT id FROM {{p}}agents WHERE id IN ({})",
            marks(chunk.len())
        );
        let ids: Vec<u32> = conn.exec(db.names.replace(&text), list(chunk)).await?;
        found.extend(ids);
    }
    // `remove` keeps the order of the actors and each agent once.
    Ok(named
        .iter()
        .copied()
        .filter(|id| found.remove(id))
        .collect())
}

/// The agents of a group: of the computers in a GLPI group and those of its members, or in a group of the plugin.
async fn agents_of_group(
    db: &Db,
    conn: &mut Conn,
    group: Actor,
    members: &Members,
) -> Result<Vec<Linked>, DbError> {
    match group {
        Actor::Group(id) if members.users.contains_key(&id) => {
            let sql = db.sql(
                "/* agents_of_group */ SELECT a.id, c.is_deleted = 0 AND c.is_template = 0 FROM glpi_computers c \
                 JOIN {p}agents a ON a.computers_id = c.id WHERE c.groups_id = ? \
                 UNION SELECT a.id, c.is_deleted = 0 AND c.is_template = 0 FROM glpi_groups_users u \
                 JOIN glpi_computers c ON c.users_id = u.users_id JOIN {p}agents a ON a.computers_id = c.id WHERE u.groups_id = ?",
            );
            Ok(conn.exec(sql.as_ref(), (id.0, id.0)).await?)
        }
        Actor::DeployGroup(id) if members.statics.contains(&id) => {
            let sql = db.sql(
                "/* agents_of_group */ SELECT a.id, COALESCE(c.is_deleted = 0 AND c.is_template = 0, 0) \
                 FROM {p}deploygroups_staticdatas s JOIN {p}agents a ON a.computers_id = s.items_id \
                 LEFT JOIN glpi_computers c ON c.id = a.computers_id WHERE s.{f}deploygroups_id = ? AND s.itemtype = 'Computer'",
            );
            Ok(conn.exec(sql.as_ref(), (id.0,)).await?)
        }
        // Its members were found by a search and may be stored nowhere.
        Actor::DeployGroup(id) => {
            let computers = members.computers.get(&id);
            let computers: Vec<u32> = computers.into_iter().flat_map(|ids| ids.iter()).collect();
            let found = agents_of_computers(db, conn, &computers).await?;
            Ok(found
                .into_iter()
                .map(|(agent, _, usable)| (agent, usable))
                .collect())
        }
        Actor::Group(_) | Actor::Computer(_) | Actor::Agent(_) => Ok(Vec::new()),
    }
}

/// (agent, its computer exists, it is neither in the trash nor a template).
async fn agents_of_computers(
    db: &Db,
    conn: &mut Conn,
    computers: &[u32],
) -> Result<Vec<(u32, bool, bool)>, DbError> {
    let mut agents = Vec::new();
    for chunk in computers.chunks(LIST_MAX) {
        let text = format!(
            "/* agents_of_computers */ SELECT a.id, c.id IS NOT NULL, COALESCE(c.is_deleted = 0 AND c.is_template = 0, 0) \
             FROM {{p}}agents a LEFT JOIN glpi_computers c ON c.id = a.computers_id WHERE a.computers_id IN ({})",
            marks(chunk.len())
        );
        agents.extend(
            conn.exec::<(u32, bool, bool), _, _>(db.names.replace(&text), list(chunk))
                .await?,
        );
    }
    Ok(agents)
}
