//! The decision on each of an agent's runs.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, NaiveDateTime};
use chrono_tz::Tz;

use super::catalogues::Snapshot;
use super::deploy::DEPLOY;
use super::{DispatchError, Dispatcher, change, line};
use crate::clock::moment;
use crate::db::writer::{Change, Step};
use crate::domain::actors::{Agent, is_actor};
use crate::domain::catalogue::{Catalogue, Job, Task};
use crate::domain::eligibility::{Decision, Ending, Occasion, Question, Waiting, decide};
use crate::domain::ids::JobId;
use crate::domain::policy::Policy;
use crate::domain::run::{LogState, Run, RunState, StateSet};
use crate::domain::sequence::Sequence;

/// Most runs that one answer hands out or ends; the others follow when the agent asks next. All are written in one transaction, which has to
/// be over in the time of an operation.
pub(super) const MOST_MOVED: usize = 5_000;

/// A run, its job, and what was decided.
#[derive(Debug)]
pub(super) struct Judged {
    pub run: Run,
    /// Its place in an answer.
    pub position: u64,
    pub decision: Decision,
}

impl Dispatcher {
    /// Decides on the `runs` of `agent` whose job has one of `methods`, in the order of an answer.
    ///
    /// Runs of a job that does not exist are left alone, as by PHP's join; where the snapshot may just be too old, a fresh one is read.
    /// So are those for a dynamic group whose members are not known yet. To the plugin a task that does not exist is one that is
    /// switched off; `redux` leaves its runs alone too.
    pub(super) async fn judge(
        &self,
        snapshot: &mut Arc<Snapshot>,
        agent: &Agent,
        runs: Vec<Run>,
        occasion: Occasion,
        methods: &[&str],
    ) -> Result<Vec<Judged>, DispatchError> {
        self.catalogues
            .with_jobs(snapshot, runs.iter().map(|run| run.job))
            .await?;
        let catalogue = &snapshot.catalogue;
        // To the plugin there are no sequences.
        let sequence = |job: &Job| match self.policy {
            Policy::Plugin => None,
            Policy::Redux => catalogue.sequences.get(&job.task),
        };
        let open_jobs: HashSet<JobId> = runs.iter().map(|run| run.job).collect();
        let mut placed: Vec<(u64, Run, &Job, Option<&Task>)> = runs
            .into_iter()
            .filter_map(|run| {
                let job = catalogue.jobs.get(&run.job)?;
                let task = catalogue.tasks.get(&job.task);
                let stands = match self.policy {
                    Policy::Plugin => !catalogue.unreadable.contains(&job.task),
                    Policy::Redux => task.is_some(),
                };
                let asked = stands && methods.contains(&job.method.as_str());
                asked.then(|| {
                    let seat = seat(sequence(job), job);
                    let position = job.position(seat, &run.itemtype, run.items_id);
                    (position, run, job, task)
                })
            })
            .collect();
        // Stable: runs of one position stay oldest first.
        placed.sort_by_key(|(position, ..)| *position);

        let jobs: BTreeMap<JobId, &Job> =
            placed.iter().map(|(_, _, job, _)| (job.id, *job)).collect();
        let members = snapshot.members(jobs.values().copied());
        let is_actor = |job: &Job| is_actor(agent, &job.actors, &members, self.policy);
        // The plugin takes an agent that is an actor of any of these jobs for an actor of all.
        let actor_of_any = self.policy == Policy::Plugin && jobs.values().copied().any(is_actor);
        // Whoever may turn out to be an actor waits: what is cancelled for want of a search would not come back.
        let undecided: HashSet<JobId> = jobs
            .values()
            .filter(|job| {
                let unknown = catalogue.has_unknown_actors(job, &members);
                unknown && !actor_of_any && !is_actor(job)
            })
            .map(|job| job.id)
            .collect();
        placed.retain(|(.., job, task)| {
            !(task.is_some_and(|task| task.is_active) && undecided.contains(&job.id))
        });
        let now = moment(self.clock.as_ref(), self.zone);
        let mut seen = HashSet::new();
        let judged = placed.into_iter().map(|(position, run, job, task)| {
            // Runs on different parts of a target are no duplicates.
            let key = (
                run.job,
                run.itemtype.clone(),
                run.items_id,
                run.specificity.clone(),
            );
            let decision = decide(&Question {
                policy: self.policy,
                occasion,
                now,
                state: run.state,
                // To the plugin only a deployment can be put off.
                date_start: run
                    .date_start
                    .filter(|_| self.policy == Policy::Redux || job.method == DEPLOY.method),
                sends: run.sends,
                max_sends: self.max_sends,
                task_active: task.is_some_and(|task| task.is_active),
                dates: task.map(|task| task.dates).unwrap_or_default(),
                exec_slot: task.and_then(|task| catalogue.execution_week(task, self.policy)),
                is_actor: match self.policy {
                    Policy::Plugin => actor_of_any,
                    Policy::Redux => is_actor(job),
                },
                held: task.and_then(|task| self.held(catalogue, task, &run, now)),
                awaits: sequence(job)
                    .and_then(|sequence| sequence.place(job.id)?.1)
                    .filter(|before| open_jobs.contains(before)),
                is_duplicate: seen.contains(&key),
            });
            // One that ends here stands in nobody's way.
            if !matches!(decision, Decision::End(_)) {
                seen.insert(key);
            }
            Judged {
                run,
                position,
                decision,
            }
        });
        let mut moved = 0;
        let within = judged.filter(|judged| {
            if matches!(judged.decision, Decision::Wait(..)) {
                return true;
            }
            moved += 1;
            moved <= MOST_MOVED
        });
        Ok(within.collect())
    }
}

/// The seat of `job` in an answer: its own, or the one that it has in its task's `sequence`.
pub(super) fn seat(sequence: Option<&Sequence>, job: &Job) -> JobId {
    let mut seats = sequence.into_iter().flat_map(Sequence::seats);
    let seat = seats.find(|(id, _)| *id == job.id);
    seat.map_or(job.id, |(_, seat)| seat)
}

impl Dispatcher {
    /// What keeps `run` back as its task's occurrence is over, before preparation or expiry has come to cancel it.
    fn held(
        &self,
        catalogue: &Catalogue,
        task: &Task,
        run: &Run,
        now: DateTime<Tz>,
    ) -> Option<(Waiting, Option<NaiveDateTime>)> {
        let is_late = self.policy == Policy::Redux
            && run.state == RunState::Prepared
            && catalogue.is_late(task, run.id, now);
        is_late.then_some((Waiting::OccurrenceOver, None))
    }
}

/// The change that ends `run` without its having run.
pub(super) fn end(run: &Run, ending: Ending) -> Change {
    let to = ending.state();
    let state = if to == RunState::InError {
        LogState::Error
    } else {
        LogState::Info
    };
    let from = StateSet::from(run.state);
    let step = Step::Move { from, to };
    change(run, step, vec![line(state, ending.text())])
}
