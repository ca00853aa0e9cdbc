//! Agents that have work of a task that they drive themselves: no run is prepared for them, so they are looked for among the actors.

use std::collections::{HashSet, VecDeque};

use super::{Pass, WINDOW, WakeUp};
use crate::db::DbError;
use crate::domain::catalogue::Catalogue;
use crate::domain::driven::{
    Candidate, Targets, TaskMode, asked, awaited, does, may_do, offers, open_jobs,
};
use crate::domain::eligibility::Decision;
use crate::domain::ids::{AgentId, JobId, TaskId};
use crate::domain::modules::Module;
use crate::domain::policy::Policy;

/// Agents of a task that have not been looked at in this pass.
#[derive(Debug)]
pub(super) struct Actors {
    left: VecDeque<AgentId>,
    /// What its jobs, and those that they wait for, run on.
    targets: Targets,
}

impl WakeUp {
    /// Whether agents drive `task`: not to the plugin.
    pub(super) fn is_agent_driven(&self, pass: &Pass, task: TaskId) -> bool {
        self.policy == Policy::Redux && pass.catalogue.mode(task, self.task_mode) == TaskMode::Agent
    }

    /// All agents that the actors of the jobs of `task` are which are open now.
    async fn actors(&self, pass: &mut Pass, task: TaskId) -> Result<Actors, DbError> {
        let catalogue = &pass.catalogue;
        let methods = methods(catalogue, task);
        let jobs: Vec<_> = open_jobs(catalogue, self.task_mode, &methods, pass.at)
            .into_iter()
            .filter(|(job, _)| job.task == task)
            .collect();
        let (mut once, mut left) = (HashSet::new(), VecDeque::new());
        for (job, _) in &jobs {
            let groups = &mut pass.groups;
            let agents = self
                .db
                .agents_of(&job.actors, &catalogue.members, self.policy, groups)
                .await?;
            left.extend(agents.into_iter().filter(|agent| once.insert(*agent)));
        }
        let mut targets = Targets::new();
        let own = jobs.iter().map(|(job, _)| *job);
        for job in own.chain(awaited(catalogue, &jobs)) {
            let all = self
                .db
                .targets_of(job, &catalogue.entities, self.policy)
                .await?;
            let mut once = HashSet::new();
            let all = all.iter().filter(|target| once.insert(*target)).cloned();
            targets.insert(job.id, all.collect());
        }
        Ok(Actors { left, targets })
    }

    /// The next of the agents that would be given work of `task` if they asked now, and whether these are all.
    pub(super) async fn look_at_actors(
        &self,
        pass: &mut Pass,
        task: TaskId,
    ) -> Result<(Vec<AgentId>, bool), DbError> {
        let known = pass
            .sources
            .get_mut(&task)
            .and_then(|source| source.actors.take());
        let mut actors = match known {
            Some(actors) => actors,
            None => self.actors(pass, task).await?,
        };
        let most = actors.left.len().min(WINDOW);
        let window: Vec<AgentId> = actors.left.drain(..most).collect();
        let known = self.db.agents_to_wake(&window).await?;
        let catalogue = &pass.catalogue;
        let methods = methods(catalogue, task);
        let jobs: Vec<_> = open_jobs(catalogue, self.task_mode, &methods, pass.at)
            .into_iter()
            .filter(|(job, _)| job.task == task)
            .collect();
        let targets = |job: JobId| actors.targets.get(&job).cloned().unwrap_or_default();
        let all: Vec<Candidate<'_>> = jobs
            .iter()
            .map(|(job, task)| Candidate {
                job,
                task,
                targets: targets(job.id),
            })
            .collect();
        let (tasks, pairs) = asked(&all, &actors.targets);
        let stored = self.db.driven(&window, &tasks, &pairs).await?;
        let (mut wants, mut dues) = (Vec::new(), Vec::new());
        for known in window.iter().filter_map(|agent| known.get(agent)) {
            let agent = &known.agent;
            let is_done = |job| does(catalogue, &catalogue.members, agent, job);
            let own: Vec<Candidate<'_>> =
                all.iter().filter(|one| is_done(one.job)).cloned().collect();
            let may_do = |job| may_do(catalogue, &catalogue.members, agent, job);
            let before = awaited(catalogue, &jobs)
                .into_iter()
                .filter_map(|job| match job {
                    job if is_done(job) => Some((job.id, targets(job.id))),
                    job if may_do(job) => Some((job.id, Vec::new())),
                    _ => None,
                })
                .collect();
            let offers = offers(
                catalogue, agent.id, &own, &before, &stored, &methods, pass.at,
            );
            if !offers.runs.is_empty() {
                wants.push((agent.id, Decision::Deliver, true));
            }
            dues.extend(offers.due);
        }
        pass.summary.due = dues.into_iter().chain(pass.summary.due).min();
        let is_whole = actors.left.is_empty();
        if let Some(source) = pass.sources.get_mut(&task) {
            source.actors = Some(actors);
        }
        Ok((self.sift(pass, &known, wants).await?, is_whole))
    }
}

/// The methods of the jobs of `task` that agents do.
fn methods(catalogue: &Catalogue, task: TaskId) -> Vec<&str> {
    let jobs = catalogue.jobs.values();
    let methods: HashSet<&str> = jobs
        .filter(|job| job.task == task && Module::of_method(&job.method).is_some())
        .map(|job| job.method.as_str())
        .collect();
    methods.into_iter().collect()
}
