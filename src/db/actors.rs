//! Which agents a job's actors are.

use std::collections::{BTreeSet, HashSet};

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Params, Value};

use super::bulk::{LIST_MAX, list, marks, pad};
use super::{Db, DbError};
use crate::domain::actors::{Actor, Members};
use crate::domain::ids::AgentId;
use crate::domain::policy::Policy;

impl Db {
    /// The agents that `actors` stand for: those named themselves first, then those of computers by id, each once.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn agents_of(
        &self,
        actors: &[Actor],
        members: &Members,
        policy: Policy,
    ) -> Result<Vec<AgentId>, DbError> {
        self.timed("agents_of", async {
            let mut conn = self.conn().await?;
            let (mut named, mut single, mut grouped, mut groups) =
                (vec![], BTreeSet::new(), BTreeSet::new(), vec![]);
            for actor in actors {
                match actor {
                    Actor::Agent(id) => named.push(id.0),
                    Actor::Computer(id) => drop(single.insert(id.0)),
                    Actor::DeployGroup(id) => grouped.extend(
                        members
                            .computers
                            .get(id)
                            .into_iter()
                            .flat_map(|ids| ids.iter()),
                    ),
                    Actor::Group(id) if members.users.contains_key(id) => groups.push(id.0),
                    Actor::Group(_) => {}
                }
            }
            grouped.extend(computers_of_groups(&mut conn, &groups).await?);
            let mut agents = existing_agents(self, &mut conn, &named).await?;
            let all: Vec<u32> = single.union(&grouped).copied().collect();
            let mut linked = BTreeSet::new();
            for (agent, computer, exists, usable) in
                agents_of_computers(self, &mut conn, &all).await?
            {
                // The plugin looks whether a computer that is named itself exists, but not at members of groups.
                let fits = match policy {
                    Policy::Plugin => exists || grouped.contains(&computer),
                    Policy::Redux => usable,
                };
                if fits {
                    linked.insert(agent);
                }
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

/// Computers in GLPI groups, and those of the groups' members.
async fn computers_of_groups(conn: &mut Conn, groups: &[u32]) -> Result<Vec<u32>, DbError> {
    let mut computers = Vec::new();
    for chunk in groups.chunks(LIST_MAX) {
        let marks = marks(chunk.len());
        let text = format!(
            "/* computers_of_groups */ SELECT id FROM glpi_computers WHERE groups_id IN ({marks}) UNION SELECT c.id FROM glpi_groups_users u \
             JOIN glpi_computers c ON c.users_id = u.users_id WHERE u.groups_id IN ({marks})"
        );
        let values = pad(chunk).chain(pad(chunk)).map(Value::from).collect();
        computers.extend(
            conn.exec::<u32, _, _>(text, Params::Positional(values))
                .await?,
        );
    }
    Ok(computers)
}

/// (agent, computer, the computer exists, it is neither in the trash nor a template).
async fn agents_of_computers(
    db: &Db,
    conn: &mut Conn,
    computers: &[u32],
) -> Result<Vec<(u32, u32, bool, bool)>, DbError> {
    let mut agents = Vec::new();
    for chunk in computers.chunks(LIST_MAX) {
        let text = format!(
            "/* agents_of_computers */ SELECT a.id, a.computers_id, c.id IS NOT NULL, COALESCE(c.is_deleted = 0 AND c.is_template = 0, 0) \
             FROM {{p}}agents a LEFT JOIN glpi_computers c ON c.id = a.computers_id WHERE a.computers_id IN ({})",
            marks(chunk.len())
        );
        agents.extend(
            conn.exec::<(u32, u32, bool, bool), _, _>(db.names.replace(&text), list(chunk))
                .await?,
        );
    }
    Ok(agents)
}
