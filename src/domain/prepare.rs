//! Which runs a job needs, and which it no longer does.

use std::collections::{HashMap, HashSet};

use super::actors::Target;
use super::ids::{AgentId, RunId};
use super::run::RunState;

/// A run of the job that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Existing {
    /// Its row.
    pub id: RunId,
    /// Its agent.
    pub agent: AgentId,
    /// On what.
    pub target: Target,
    /// Where it stands.
    pub state: RunState,
}

/// What to do for one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The target.
    pub target: Target,
    /// Open runs whose agent is no longer an actor, by row.
    pub cancel: Vec<RunId>,
    /// Agents that get a run, in order.
    pub create: Vec<AgentId>,
}

/// What a preparation of a job does, target by target, in the order of the job.
///
/// An agent that has an open run on the target is passed over, and one that ended well, unless `reprepare`. Nothing is done without
/// agents: a group that is empty for a moment must not cancel what is under way.
#[must_use]
pub fn plan(
    targets: &[Target],
    agents: &[AgentId],
    existing: &[Existing],
    reprepare: bool,
) -> Vec<Step> {
    if agents.is_empty() {
        return Vec::new();
    }
    let members: HashSet<AgentId> = agents.iter().copied().collect();
    let mut by_target: HashMap<&Target, Vec<&Existing>> = HashMap::new();
    for run in existing {
        by_target.entry(&run.target).or_default().push(run);
    }
    // A target that the job lists twice is prepared once: the second time every agent has its run.
    let mut created: HashSet<&Target> = HashSet::new();
    targets
        .iter()
        .filter(|target| created.insert(target))
        .map(|target| {
            let runs = by_target.get(target).map(Vec::as_slice).unwrap_or_default();
            let busy: HashSet<AgentId> = runs
                .iter()
                .filter(|run| match run.state {
                    RunState::Prepared | RunState::Sent | RunState::Running => true,
                    RunState::Finished => !reprepare,
                    RunState::InError | RunState::Cancelled | RunState::Postponed => false,
                })
                .map(|run| run.agent)
                .collect();
            let left = |run: &&&Existing| {
                !members.contains(&run.agent)
                    && !matches!(
                        run.state,
                        RunState::Finished | RunState::InError | RunState::Cancelled
                    )
            };
            let mut cancel: Vec<RunId> = runs.iter().filter(left).map(|run| run.id).collect();
            cancel.sort_unstable();
            Step {
                target: target.clone(),
                cancel,
                create: agents
                    .iter()
                    .copied()
                    .filter(|agent| !busy.contains(agent))
                    .collect(),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn target(items_id: u32) -> Target {
        Target {
            itemtype: "PluginFusioninventoryDeployPackage".into(),
            items_id,
        }
    }

    fn run(id: u64, agent: u32, items_id: u32, state: RunState) -> Existing {
        Existing {
            id: RunId(id),
            agent: AgentId(agent),
            target: target(items_id),
            state,
        }
    }

    #[test]
    fn by_state_of_what_exists() {
        use RunState::{Cancelled, Finished, InError, Postponed, Prepared, Running, Sent};
        for (state, reprepare, created) in [
            (Prepared, true, false),
            (Sent, true, false),
            (Running, true, false),
            (Finished, true, true),
            (Finished, false, false),
            (InError, false, true),
            (Cancelled, false, true),
            (Postponed, true, true),
        ] {
            let steps = plan(
                &[target(1)],
                &[AgentId(1)],
                &[run(1, 1, 1, state)],
                reprepare,
            );
            assert_eq!(
                !steps[0].create.is_empty(),
                created,
                "{state:?} {reprepare}"
            );
            assert!(steps[0].cancel.is_empty());
        }
    }

    #[test]
    fn who_left_is_cancelled_while_open() {
        let existing: Vec<Existing> = RunState::ALL
            .into_iter()
            .zip(1..)
            .map(|(s, id)| run(id, 9, 1, s))
            .collect();
        let steps = plan(&[target(1)], &[AgentId(1)], &existing, true);
        assert_eq!(steps[0].cancel, [RunId(1), RunId(2), RunId(3), RunId(7)]);
        assert_eq!(plan(&[target(1)], &[], &existing, true), []);
    }

    #[test]
    fn targets_in_the_order_of_the_job_each_once() {
        let steps = plan(
            &[target(2), target(1), target(2)],
            &[AgentId(3), AgentId(1)],
            &[],
            true,
        );
        let order: Vec<u32> = steps.iter().map(|step| step.target.items_id).collect();
        assert_eq!(order, [2, 1]);
        assert_eq!(steps[0].create, [AgentId(3), AgentId(1)]);
    }

    proptest! {
        #[test]
        fn preparing_twice_creates_nothing_more(agents in prop::collection::hash_set(1u32..20, 1..10), targets in prop::collection::hash_set(1u32..5, 1..4)) {
            let agents: Vec<AgentId> = agents.into_iter().map(AgentId).collect();
            let targets: Vec<Target> = targets.into_iter().map(target).collect();
            let mut existing = Vec::new();
            for step in plan(&targets, &agents, &[], true) {
                for agent in step.create {
                    existing.push(Existing { id: RunId(existing.len() as u64), agent, target: step.target.clone(), state: RunState::Prepared });
                }
            }
            prop_assert_eq!(existing.len(), agents.len() * targets.len());
            for step in plan(&targets, &agents, &existing, true) {
                prop_assert!(step.create.is_empty() && step.cancel.is_empty());
            }
        }
    }
}
