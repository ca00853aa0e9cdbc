//! Who shall run a job, and on what: the JSON lists `actors` and `targets` of a job.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use super::ids::{self, AgentId, ComputerId, DeployGroupId, EntityId, GroupId, LocationId, UserId};
use super::policy::Policy;

/// One entry of `taskjobs.actors`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Actor {
    /// `{"Computer":"3"}`.
    Computer(ComputerId),
    /// `{"PluginFusioninventoryAgent":"3"}`.
    Agent(AgentId),
    /// `{"Group":"3"}`: a GLPI group, standing for the computers in it and those of its members.
    Group(GroupId),
    /// `{"PluginFusioninventoryDeployGroup":"3"}`.
    DeployGroup(DeployGroupId),
}

/// One entry of `taskjobs.targets`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// GLPI class name.
    pub itemtype: String,
    /// Its row.
    pub items_id: u32,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.itemtype, self.items_id)
    }
}

/// The class of agents, as actors and as what log lines are filed under.
pub const AGENT: &str = "PluginFusioninventoryAgent";

/// Reads a job's `actors`; entries of kinds that the plugin does not know either are left out.
#[must_use]
pub fn parse_actors(json: &str) -> Vec<Actor> {
    parse_targets(json)
        .into_iter()
        .filter_map(|Target { itemtype, items_id }| match itemtype.as_str() {
            "Computer" => Some(Actor::Computer(ComputerId(items_id))),
            AGENT => Some(Actor::Agent(AgentId(items_id))),
            "Group" => Some(Actor::Group(GroupId(items_id))),
            "PluginFusioninventoryDeployGroup" => Some(Actor::DeployGroup(DeployGroupId(items_id))),
            _ => None,
        })
        .collect()
}

/// Reads a job's `targets`: a list of one-entry objects. What is none of these says nothing.
#[must_use]
pub fn parse_targets(json: &str) -> Vec<Target> {
    let listed = serde_json::from_str::<Vec<serde_json::Map<String, serde_json::Value>>>(json)
        .unwrap_or_default();
    listed
        .into_iter()
        .filter_map(|entry| {
            let (itemtype, value) = entry.into_iter().next()?;
            let items_id = ids::number(&value)?;
            Some(Target { itemtype, items_id })
        })
        .collect()
}

/// What is known of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// Its row.
    pub id: AgentId,
    /// The name it gives itself (`machineid`).
    pub device_id: String,
    /// Its entity.
    pub entity: EntityId,
    /// Locked by an admin.
    pub locked: bool,
    /// Its computer, if it is linked to one that exists.
    pub computer: Option<Computer>,
}

/// What is known of an agent's computer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Computer {
    /// Its row.
    pub id: ComputerId,
    /// Its entity.
    pub entity: EntityId,
    /// Its location; 0 = none.
    pub location: LocationId,
    /// Its group; 0 = none.
    pub group: GroupId,
    /// Its user; 0 = none.
    pub user: UserId,
    /// In the trash.
    pub deleted: bool,
    /// A template.
    pub template: bool,
}

/// Members of the groups that jobs name.
#[derive(Debug, Clone, Default)]
pub struct Members {
    /// Users of GLPI groups. A group that does not exist has no entry.
    pub users: HashMap<GroupId, Arc<HashSet<UserId>>>,
    /// Computers of deploy groups. A group that does not exist, or whose members are not known yet, has no entry.
    pub computers: HashMap<DeployGroupId, Arc<IdSet>>,
    /// Of these groups, the static ones: somebody has chosen their computers.
    pub statics: HashSet<DeployGroupId>,
}

/// A set of row ids, compact: sorted, four bytes an id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IdSet(Box<[u32]>);

impl FromIterator<u32> for IdSet {
    fn from_iter<I: IntoIterator<Item = u32>>(ids: I) -> Self {
        let mut ids: Vec<u32> = ids.into_iter().collect();
        ids.sort_unstable();
        ids.dedup();
        Self(ids.into_boxed_slice())
    }
}

impl IdSet {
    /// Whether `id` is in it.
    #[must_use]
    pub fn contains(&self, id: u32) -> bool {
        self.0.binary_search(&id).is_ok()
    }

    /// Its ids, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        self.0.iter().copied()
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Whether `agent` is one of `actors`.
///
/// For the plugin a computer in the trash or a template counts; for `redux` it does not.
#[must_use]
pub fn is_actor(agent: &Agent, actors: &[Actor], members: &Members, policy: Policy) -> bool {
    let computer = agent
        .computer
        .filter(|c| policy == Policy::Plugin || !(c.deleted || c.template));
    actors.iter().any(|actor| match *actor {
        Actor::Agent(id) => id == agent.id,
        Actor::Computer(id) => computer.is_some_and(|c| c.id == id),
        Actor::Group(id) => members.users.get(&id).is_some_and(|users| {
            computer.is_some_and(|c| c.group == id || users.contains(&c.user))
        }),
        Actor::DeployGroup(id) => members
            .computers
            .get(&id)
            .is_some_and(|ids| computer.is_some_and(|c| ids.contains(c.id.0))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent() -> Agent {
        Agent {
            id: AgentId(1),
            device_id: "wks".into(),
            entity: EntityId(0),
            locked: false,
            computer: Some(Computer {
                id: ComputerId(10),
                entity: EntityId(0),
                location: LocationId(0),
                group: GroupId(7),
                user: UserId(2),
                deleted: false,
                template: false,
            }),
        }
    }

    #[test]
    fn lists_are_read_as_the_plugin_writes_them() {
        assert_eq!(
            parse_actors(
                r#"[{"Computer":"1"},{"PluginFusioninventoryAgent":2},{"Group":"x"},{"Nothing":"3"},{}]"#
            ),
            [Actor::Computer(ComputerId(1)), Actor::Agent(AgentId(2))]
        );
        for broken in [
            "",
            "null",
            "{}",
            "[1]",
            "[[]]",
            "[{\"Computer\":\"-1\"}]",
            "[{\"Computer\":99999999999}]",
        ] {
            assert_eq!(parse_actors(broken), [], "{broken}");
        }
    }

    #[test]
    fn every_kind_of_actor() {
        let mut members = Members::default();
        members.users.insert(GroupId(7), Arc::default());
        members
            .users
            .insert(GroupId(8), Arc::new(HashSet::from([UserId(2)])));
        members
            .computers
            .insert(DeployGroupId(4), Arc::new(IdSet::from_iter([11, 10])));
        for (actor, is) in [
            (Actor::Agent(AgentId(1)), true),
            (Actor::Agent(AgentId(10)), false),
            (Actor::Computer(ComputerId(10)), true),
            (Actor::Computer(ComputerId(1)), false),
            (Actor::Group(GroupId(7)), true),
            (Actor::Group(GroupId(8)), true),
            (Actor::Group(GroupId(9)), false),
            (Actor::DeployGroup(DeployGroupId(4)), true),
            (Actor::DeployGroup(DeployGroupId(5)), false),
        ] {
            assert_eq!(
                is_actor(&agent(), &[actor], &members, Policy::Redux),
                is,
                "{actor:?}"
            );
            assert_eq!(
                is_actor(&agent(), &[actor], &members, Policy::Plugin),
                is,
                "{actor:?}"
            );
        }
        assert!(!is_actor(&agent(), &[], &members, Policy::Redux));
    }

    #[test]
    fn trash_and_templates_are_actors_for_the_plugin_only() {
        let actors = [Actor::Computer(ComputerId(10))];
        for (deleted, template) in [(true, false), (false, true)] {
            let mut agent = agent();
            agent.computer = agent.computer.map(|c| Computer {
                deleted,
                template,
                ..c
            });
            assert!(is_actor(
                &agent,
                &actors,
                &Members::default(),
                Policy::Plugin
            ));
            assert!(!is_actor(
                &agent,
                &actors,
                &Members::default(),
                Policy::Redux
            ));
            assert!(is_actor(
                &agent,
                &[Actor::Agent(AgentId(1))],
                &Members::default(),
                Policy::Redux
            ));
        }
    }
}
