//! Which runs a job needs, and which it no longer does.
//!
//! A preparation first surveys the job without holding anything up, and then does what is missing in pieces, each of which looks again
//! under the job's lock. The survey may therefore be wrong about what changes meanwhile: it only says where to look.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, NaiveDateTime};
use chrono_tz::Tz;

use super::actors::{Agent, Target, is_actor};
use super::catalogue::{Catalogue, Job};
use super::eligibility::{Decision, Occasion, Question, Waiting, decide};
use super::ids::{AgentId, JobId, RunId};
use super::policy::Policy;
use super::run::RunState;
use super::sequence::{Before, Success};

/// A run of the job that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenRun {
    /// Its row.
    pub id: RunId,
    /// Its agent.
    pub agent: AgentId,
    /// On what.
    pub target: Target,
    /// Where it stands.
    pub state: RunState,
}

/// A prepared run whose agent has not asked yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ahead {
    /// Its row.
    pub run: RunId,
    /// Not before this moment.
    pub date_start: Option<NaiveDateTime>,
    /// The job whose success it waits for, if its agent has an open run of it.
    pub awaits: Option<JobId>,
    /// An older open run of the same job, target and agent exists.
    pub is_duplicate: bool,
}

/// What the one decision function says about a run of `job` if `agent` asks now; none if the job's task is gone.
#[must_use]
pub fn if_asked(
    catalogue: &Catalogue,
    job: &Job,
    agent: &Agent,
    ahead: &Ahead,
    policy: Policy,
    now: DateTime<Tz>,
) -> Option<Decision> {
    let task = catalogue.tasks.get(&job.task)?;
    Some(decide(&Question {
        policy,
        occasion: Occasion::GetJobs,
        now,
        state: RunState::Prepared,
        date_start: ahead.date_start,
        sends: 0,
        max_sends: 1,
        task_active: task.is_active,
        dates: task.dates,
        exec_slot: catalogue.execution_week(task, policy),
        is_actor: is_actor(agent, &job.actors, &catalogue.members, policy),
        held: (policy == Policy::Redux && catalogue.is_late(task, ahead.run, now))
            .then_some((Waiting::OccurrenceOver, None)),
        awaits: ahead.awaits,
        is_duplicate: ahead.is_duplicate,
    }))
}

/// Agents that need a run on a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The target.
    pub target: Target,
    /// The agents, in the order of the actors.
    pub agents: Vec<AgentId>,
}

/// What is known of a job's runs while they are read.
///
/// Memory: a byte for each target and agent of the job, and eight for each run whose agent left.
#[derive(Debug)]
pub struct Survey<'a> {
    targets: Vec<&'a Target>,
    agents: &'a [AgentId],
    target_index: HashMap<&'a Target, usize>,
    agent_index: HashMap<AgentId, usize>,
    /// By target, then agent.
    marks: Vec<Mark>,
    left: Vec<Vec<RunId>>,
}

/// What is known of a target and an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    /// No run was seen.
    Free,
    /// A run that is open.
    Busy,
    /// None that is open, and one that has ended and stands in the way.
    Done,
}

impl<'a> Survey<'a> {
    /// Of a job with these targets and agents, before any run was seen. A target that is listed twice counts once.
    #[must_use]
    pub fn new(targets: &'a [Target], agents: &'a [AgentId]) -> Self {
        let mut target_index = HashMap::new();
        let mut once = Vec::new();
        for target in targets {
            target_index.entry(target).or_insert_with(|| {
                once.push(target);
                once.len() - 1
            });
        }
        Self {
            marks: vec![Mark::Free; once.len() * agents.len()],
            left: vec![Vec::new(); once.len()],
            targets: once,
            agents,
            target_index,
            agent_index: agents.iter().copied().zip(0..).collect(),
        }
    }

    /// Takes a run into account. Runs on targets that the job no longer has stay as they are, as in the plugin.
    pub fn see(&mut self, run: &OpenRun) {
        let Some(target) = self.target_index.get(&run.target).copied() else {
            return;
        };
        match (self.agent_index.get(&run.agent), run.state) {
            (Some(agent), RunState::Prepared | RunState::Sent | RunState::Running) => {
                self.marks[target * self.agents.len() + agent] = Mark::Busy;
            }
            // Put off for good: the agent gets a new one. An ended one is none of the survey's.
            (Some(_), _) | (None, RunState::Finished | RunState::InError | RunState::Cancelled) => {
            }
            (
                None,
                RunState::Prepared | RunState::Sent | RunState::Running | RunState::Postponed,
            ) => {
                self.left[target].push(run.id);
            }
        }
    }

    /// How many agents have their run, over all targets.
    #[must_use]
    pub fn busy(&self) -> usize {
        let busy = self.marks.iter().filter(|mark| **mark == Mark::Busy);
        busy.count()
    }

    /// Takes into account that `agent` has had `target`, by a run that has ended and stands in the way of another one: whether that is new.
    pub fn see_done(&mut self, agent: AgentId, target: &Target) -> bool {
        let place = self
            .target_index
            .get(target)
            .zip(self.agent_index.get(&agent));
        let Some((target, agent)) = place else {
            return false;
        };
        let mark = &mut self.marks[target * self.agents.len() + agent];
        let is_new = *mark == Mark::Free;
        if is_new {
            *mark = Mark::Done;
        }
        is_new
    }

    /// The runs whose agent is no longer an actor, by target.
    pub fn left(&self) -> impl Iterator<Item = (&'a Target, &[RunId])> {
        self.targets
            .iter()
            .copied()
            .zip(self.left.iter().map(Vec::as_slice))
            .filter(|(_, runs)| !runs.is_empty())
    }

    /// The agents without a run that `may` have one, target by target, in the order of the job.
    pub fn missing(&self, may: impl Fn(AgentId) -> bool) -> Vec<Step> {
        // Without agents there is nothing to do, and no chunk of zero.
        let rows = self.marks.chunks(self.agents.len().max(1));
        let steps = self.targets.iter().zip(rows).map(|(target, marks)| Step {
            target: (*target).clone(),
            agents: self
                .agents
                .iter()
                .zip(marks)
                .filter(|(agent, mark)| **mark == Mark::Free && may(**agent))
                .map(|(agent, _)| *agent)
                .collect(),
        });
        steps.filter(|step| !step.agents.is_empty()).collect()
    }
}

/// Agents by target.
pub type Pairs = HashMap<Target, HashSet<AgentId>>;

/// `steps` without the pairs in `taken`.
#[must_use]
pub fn without(mut steps: Vec<Step>, taken: &Pairs) -> Vec<Step> {
    for step in &mut steps {
        if let Some(taken) = taken.get(&step.target) {
            step.agents.retain(|agent| !taken.contains(agent));
        }
    }
    steps.retain(|step| !step.agents.is_empty());
    steps
}

/// How many runs `steps` are.
#[must_use]
pub fn count(steps: &[Step]) -> usize {
    steps.iter().map(|step| step.agents.len()).sum()
}

/// Cuts `steps` into pieces: rectangles of some agents and all targets, or if those are too many some of them, of at most `most` runs.
///
/// Rows of one agent lie side by side in most indexes of the table. All targets of an agent in one piece touch each page of these once
/// for a job, instead of once for each target; a piece goes target by target, as the plugin does, which small jobs are in whole.
#[must_use]
pub fn pieces(steps: &[Step], most: usize) -> Vec<Vec<Step>> {
    let mut once = HashSet::new();
    let agents = steps.iter().flat_map(|step| step.agents.iter().copied());
    let agents: Vec<AgentId> = agents.filter(|agent| once.insert(*agent)).collect();
    let width = (most / steps.len().max(1)).max(1);
    // By block of agents, then target.
    let block_of: HashMap<AgentId, usize> = agents
        .iter()
        .zip(0..)
        .map(|(agent, at): (_, usize)| (*agent, at / width))
        .collect();
    let blocks = agents.len().div_ceil(width);
    let mut pieces = Vec::new();
    for steps in steps.chunks(most) {
        let mut rectangles: Vec<Vec<Step>> = vec![Vec::new(); blocks];
        for step in steps {
            for agent in &step.agents {
                let rectangle = &mut rectangles[block_of[agent]];
                match rectangle.last_mut() {
                    Some(last) if last.target == step.target => last.agents.push(*agent),
                    _ => rectangle.push(Step {
                        target: step.target.clone(),
                        agents: vec![*agent],
                    }),
                }
            }
        }
        pieces.extend(
            rectangles
                .into_iter()
                .filter(|rectangle| !rectangle.is_empty()),
        );
    }
    pieces
}

/// Takes those out of `steps` for whom the job before has not ended well: how many wait, and how many wait in vain.
#[must_use]
pub fn keep_back(steps: &mut Vec<Step>, before: &Before) -> (usize, usize) {
    let (mut pending, mut never) = (0, 0);
    let heard = before.by_agent();
    for step in &mut *steps {
        step.agents.retain(|agent| {
            let success = heard(*agent);
            pending += usize::from(success == Success::Pending);
            never += usize::from(success == Success::Never);
            success == Success::Yes
        });
    }
    steps.retain(|step| !step.agents.is_empty());
    (pending, never)
}

#[cfg(test)]
mod tests;
