//! What an agent may run of the tasks that it drives itself: worked out from the catalogue when it asks.

use std::collections::HashSet;

use uuid::Uuid;

use super::catalogues::Snapshot;
use super::judge::{MOST_MOVED, seat};
use super::{DispatchError, Dispatcher};
use crate::clock::moment;
use crate::db::writer::{Beginning, Birth, Driven, alias};
use crate::domain::actors::{Agent, Target};
use crate::domain::catalogue::Job;
use crate::domain::driven::{Candidate, Targets, asked, awaited, does, may_do, offers, open_jobs};
use crate::domain::policy::Policy;
use crate::domain::run::{Run, RunState};

/// Runs that would come into being as they are sent.
#[derive(Debug, Default)]
pub(super) struct Offered {
    /// They, with their place in an answer; their ids are aliases.
    pub(super) runs: Vec<(u64, Run)>,
    /// What has to be written for it.
    pub(super) driven: Driven,
}

impl Dispatcher {
    /// What `agent` may be given now of jobs of `methods` that agents drive. Nothing is written, and where no agent drives a task nothing is
    /// read. Members of a dynamic group that are not known yet are none: they ask again.
    pub(super) async fn offered(
        &self,
        snapshot: &Snapshot,
        agent: &Agent,
        methods: &[&str],
    ) -> Result<Offered, DispatchError> {
        let mut offered = Offered::default();
        if self.policy == Policy::Plugin {
            return Ok(offered);
        }
        let catalogue = &snapshot.catalogue;
        let now = moment(self.clock.as_ref(), self.zone);
        let mut jobs = open_jobs(catalogue, self.task_mode, methods, now);
        if jobs.is_empty() {
            return Ok(offered);
        }
        let waited_for = awaited(catalogue, &jobs);
        let all = jobs.iter().map(|(job, _)| *job).chain(waited_for.clone());
        let members = snapshot.members(all);
        jobs.retain(|(job, _)| does(catalogue, &members, agent, job));
        if jobs.is_empty() {
            return Ok(offered);
        }
        let mut before = Targets::new();
        for job in awaited(catalogue, &jobs) {
            if does(catalogue, &members, agent, job) {
                let targets = self.targets(snapshot, job).await?;
                before.insert(job.id, targets);
            } else if may_do(catalogue, &members, agent, job) {
                before.insert(job.id, Vec::new());
            }
        }
        let mut candidates = Vec::with_capacity(jobs.len());
        for (job, task) in jobs {
            let targets = self.targets(snapshot, job).await?;
            candidates.push(Candidate { job, task, targets });
        }
        let (tasks, pairs) = asked(&candidates, &before);
        let stored = self.db.driven(&[agent.id], &tasks, &pairs).await?;
        let offers = offers(
            catalogue,
            agent.id,
            &candidates,
            &before,
            &stored,
            methods,
            now,
        );
        let at = now.timestamp();
        offered.driven.begins = offers
            .begins
            .iter()
            .map(|(task, number)| Beginning {
                task: *task,
                agent: agent.id,
                number: *number,
                at,
            })
            .collect();
        for (nth, offer) in (0..).zip(offers.runs.into_iter().take(MOST_MOVED)) {
            let Some(job) = catalogue.jobs.get(&offer.job) else {
                continue;
            };
            let Target { itemtype, items_id } = offer.target;
            let seat = seat(catalogue.sequences.get(&offer.task), job);
            let position = job.position(seat, &itemtype, items_id);
            let run = Run {
                id: alias(nth),
                job: job.id,
                agent: agent.id,
                itemtype,
                items_id,
                state: RunState::Prepared,
                specificity: None,
                // Its agent reports under this name: at random, so that nobody guesses it.
                uniqid: Uuid::new_v4().to_string(),
                date_start: None,
                nb_retry: 0,
                max_retry: 0,
                sends: 0,
            };
            offered.driven.births.push(Birth {
                alias: run.id,
                task: offer.task,
                number: offer.number,
                job: run.job,
                agent: run.agent,
                itemtype: run.itemtype.clone(),
                items_id: run.items_id,
                uniqid: run.uniqid.clone(),
                reprepare: offer.reprepare,
            });
            offered.runs.push((position, run));
        }
        Ok(offered)
    }

    /// The targets of `job`, each once.
    async fn targets(&self, snapshot: &Snapshot, job: &Job) -> Result<Vec<Target>, DispatchError> {
        let entities = &snapshot.catalogue.entities;
        let targets = self.db.targets_of(job, entities, self.policy).await?;
        let mut once = HashSet::new();
        let targets = targets.iter().filter(|target| once.insert(*target));
        Ok(targets.cloned().collect())
    }
}
