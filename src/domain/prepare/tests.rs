use super::*;
use proptest::prelude::*;

fn target(items_id: u32) -> Target {
    Target {
        itemtype: "PluginFusioninventoryDeployPackage".into(),
        items_id,
    }
}

fn run(id: u64, agent: u32, items_id: u32, state: RunState) -> OpenRun {
    OpenRun {
        id: RunId(id),
        agent: AgentId(agent),
        target: target(items_id),
        state,
    }
}

/// (runs of who left, pairs without a run) of a job with these targets and agents.
fn survey(targets: &[u32], agents: &[u32], runs: &[OpenRun]) -> (Vec<RunId>, Vec<(u32, u32)>) {
    let targets: Vec<Target> = targets.iter().copied().map(target).collect();
    let agents: Vec<AgentId> = agents.iter().copied().map(AgentId).collect();
    let mut survey = Survey::new(&targets, &agents);
    for run in runs {
        survey.see(run);
    }
    let left = survey.left().flat_map(|(_, runs)| runs.to_vec()).collect();
    (left, pairs(&survey.missing(|_| true)))
}

fn pairs(steps: &[Step]) -> Vec<(u32, u32)> {
    steps
        .iter()
        .flat_map(|step| {
            step.agents
                .iter()
                .map(|agent| (step.target.items_id, agent.0))
        })
        .collect()
}

#[test]
fn an_agent_at_work_needs_no_other_run() {
    use RunState::{Postponed, Prepared, Running, Sent};
    for (state, missing) in [
        (Prepared, false),
        (Sent, false),
        (Running, false),
        (Postponed, true),
    ] {
        let (left, pairs) = survey(&[1], &[1], &[run(1, 1, 1, state)]);
        assert_eq!(!pairs.is_empty(), missing, "{state:?}");
        assert_eq!(left, []);
    }
}

#[test]
fn runs_of_who_left_are_found_while_open() {
    let runs: Vec<OpenRun> = RunState::ALL
        .into_iter()
        .zip(1..)
        .map(|(state, id)| run(id, 9, 1, state))
        .collect();
    let (left, _) = survey(&[1], &[1], &runs);
    assert_eq!(left, [RunId(1), RunId(2), RunId(3), RunId(7)]);
    let (left, _) = survey(&[2], &[1], &runs);
    assert_eq!(left, [], "the job no longer has that target");
}

#[test]
fn targets_in_the_order_of_the_job_each_once() {
    let (_, pairs) = survey(&[2, 1, 2], &[3, 1], &[]);
    assert_eq!(pairs, [(2, 3), (2, 1), (1, 3), (1, 1)]);
    let (_, pairs) = survey(&[1], &[], &[]);
    assert_eq!(pairs, []);
}

#[test]
fn who_has_had_a_target_is_not_missing_on_it() {
    let targets: Vec<Target> = [1, 2].map(target).into();
    let agents = [1, 2].map(AgentId);
    let mut survey = Survey::new(&targets, &agents);
    survey.see(&run(1, 1, 1, RunState::Sent));
    assert!(survey.see_done(AgentId(2), &target(1)));
    assert!(!survey.see_done(AgentId(2), &target(1)), "seen before");
    assert!(!survey.see_done(AgentId(1), &target(1)), "its run is open");
    assert!(!survey.see_done(AgentId(3), &target(1)), "no actor");
    assert!(!survey.see_done(AgentId(1), &target(3)), "no target");
    assert_eq!(survey.busy(), 1);
    assert_eq!(pairs(&survey.missing(|_| true)), [(2, 1), (2, 2)]);
}

#[test]
fn who_may_not_gets_none() {
    let (targets, agents) = ([target(1)], [AgentId(1), AgentId(2)]);
    let survey = Survey::new(&targets, &agents);
    assert_eq!(
        pairs(&survey.missing(|agent| agent == AgentId(2))),
        [(1, 2)]
    );
}

#[test]
fn pairs_that_are_taken_go() {
    let steps = vec![
        Step {
            target: target(1),
            agents: vec![AgentId(1), AgentId(2)],
        },
        Step {
            target: target(2),
            agents: vec![AgentId(1)],
        },
    ];
    let taken = Pairs::from([
        (target(2), HashSet::from([AgentId(1)])),
        (target(1), HashSet::from([AgentId(2)])),
    ]);
    assert_eq!(count(&steps), 3);
    assert_eq!(pairs(&without(steps, &taken)), [(1, 1)]);
}

proptest! {
    #[test]
    fn pieces_hold_everything_once_and_are_rectangles(
        missing in prop::collection::vec(prop::collection::btree_set(1u32..60, 1..40), 0..12), most in 1usize..50,
    ) {
        let steps: Vec<Step> = missing
            .iter()
            .zip(1..)
            .map(|(agents, id)| Step { target: target(id), agents: agents.iter().copied().map(AgentId).collect() })
            .collect();
        let pieces = pieces(&steps, most);
        let (mut all, mut expected) = (pairs(&pieces.concat()), pairs(&steps));
        for piece in &pieces {
            let agents: HashSet<AgentId> = piece.iter().flat_map(|step| step.agents.iter().copied()).collect();
            prop_assert!(agents.len() * piece.len() <= most);
            prop_assert!(!agents.is_empty());
            let targets: Vec<u32> = piece.iter().map(|step| step.target.items_id).collect();
            prop_assert!(targets.is_sorted_by(|a, b| a < b), "each once, in order");
        }
        all.sort_unstable();
        expected.sort_unstable();
        prop_assert_eq!(all, expected);
    }

    #[test]
    fn a_small_job_is_one_piece_in_order(agents in prop::collection::btree_set(1u32..60, 1..10), targets in 1u32..6) {
        let steps: Vec<Step> =
            (1..=targets).map(|id| Step { target: target(id), agents: agents.iter().copied().map(AgentId).collect() }).collect();
        prop_assert_eq!(pieces(&steps, 64), vec![steps]);
    }

    #[test]
    fn preparing_twice_creates_nothing_more(agents in prop::collection::hash_set(1u32..20, 1..10), targets in prop::collection::hash_set(1u32..5, 1..4)) {
        let (agents, targets): (Vec<u32>, Vec<u32>) = (agents.into_iter().collect(), targets.into_iter().collect());
        let (_, missing) = survey(&targets, &agents, &[]);
        prop_assert_eq!(missing.len(), agents.len() * targets.len());
        let made: Vec<OpenRun> = missing.iter().zip(1..).map(|((target, agent), id)| run(id, *agent, *target, RunState::Prepared)).collect();
        prop_assert_eq!(survey(&targets, &agents, &made), (vec![], vec![]));
    }
}
