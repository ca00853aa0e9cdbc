//! What has been counted so far.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::facts::{OfJob, OfTask};
use crate::db::monitoring::Mark;
use crate::domain::actors::Target;
use crate::domain::catalogue::{Catalogue, Job, Task};
use crate::domain::ids::{EntityId, JobId, TaskId};
use crate::domain::opening::{Reason, opening};
use crate::domain::policy::Policy;
use crate::domain::schedule::Phase;
use crate::domain::summary::{Board, Held, JobFacts, Part, TaskFacts, Why, summarise};
use crate::proto::text::decode;
use crate::work::prepare::{IP_RANGE, Outcome, Pass};

/// What a network inventory says that has no device.
const NO_DEVICES: &str = "no devices found to be inventoried";

/// The counts of all tasks.
#[derive(Debug, Default)]
pub(super) struct Tally {
    catalogue: Arc<Catalogue>,
    /// Tasks with their jobs in order.
    tasks: HashMap<TaskId, Vec<JobId>>,
    counts: HashMap<TaskId, (u64, OfTask)>,
    /// Rises with each count.
    turn: u64,
    marks: HashMap<JobId, Mark>,
    /// As the jobs were when they were counted.
    definitions: HashMap<JobId, Job>,
    /// The last log line at the look before the last one, and at the last one.
    pub(super) lines: Option<(u64, u64)>,
    pub(super) names: HashMap<Target, String>,
    pub(super) entities: HashMap<TaskId, EntityId>,
    pub(super) counted_at: Option<DateTime<Utc>>,
}

impl Tally {
    /// Goes on with the tasks of `catalogue`; what it does not have is forgotten.
    pub(super) fn take_over(&mut self, catalogue: Arc<Catalogue>) {
        self.tasks.clear();
        for task in catalogue.tasks.keys() {
            self.tasks.insert(*task, Vec::new());
        }
        for job in catalogue.jobs.values() {
            if let Some(jobs) = self.tasks.get_mut(&job.task) {
                jobs.push(job.id);
            }
        }
        for (task, jobs) in &mut self.tasks {
            let sequence = catalogue.sequences.get(task);
            let rank = |job: &JobId| {
                let places = sequence.map_or(&[][..], |sequence| sequence.places());
                places.iter().position(|place| place.job == *job)
            };
            jobs.sort_unstable_by_key(|job| (rank(job).unwrap_or(usize::MAX), *job));
        }
        let (tasks, jobs) = (&self.tasks, &catalogue.jobs);
        self.counts.retain(|task, _| tasks.contains_key(task));
        self.marks.retain(|job, _| jobs.contains_key(job));
        self.definitions.retain(|job, _| jobs.contains_key(job));
        self.catalogue = catalogue;
    }

    pub(super) fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// The jobs of all tasks.
    pub(super) fn jobs(&self) -> Vec<JobId> {
        self.tasks.values().flatten().copied().collect()
    }

    /// The jobs of `task`, in order.
    pub(super) fn jobs_of(&self, task: TaskId) -> Option<Vec<&Job>> {
        let jobs = self.tasks.get(&task)?.iter();
        Some(
            jobs.filter_map(|job| self.catalogue.jobs.get(job))
                .collect(),
        )
    }

    /// All targets.
    pub(super) fn targets(&self) -> Vec<Target> {
        let named = self.catalogue.jobs.values().flat_map(|job| &job.targets);
        let counted = self.counts.values().flat_map(|(_, counts)| &counts.jobs);
        let counted = counted.flat_map(|(_, of_job)| &of_job.counted);
        let counted = counted.map(|part| &part.target);
        let all: std::collections::HashSet<&Target> = named.chain(counted).collect();
        all.into_iter().cloned().collect()
    }

    /// The tasks of which some job is not as it was counted, or is one that `is_touched`, the newest first.
    pub(super) fn changed(
        &self,
        marks: &HashMap<JobId, Mark>,
        is_touched: impl Fn(JobId) -> bool,
    ) -> Vec<TaskId> {
        let is_changed = |job: &JobId| {
            is_touched(*job)
                || self.marks.get(job) != Some(marks.get(job).unwrap_or(&Mark::new()))
                || self.definitions.get(job) != self.catalogue.jobs.get(job)
        };
        let tasks = self.tasks.iter();
        let mut changed: Vec<TaskId> = tasks
            .filter(|(task, jobs)| {
                let counted = self.counts.get(task);
                // One that was deleted is gone from the counts only when they are made anew.
                let same = counted.is_some_and(|(_, counts)| {
                    counts.jobs.iter().map(|(job, _)| job).eq(jobs.iter())
                });
                !same || jobs.iter().any(is_changed)
            })
            .map(|(task, _)| *task)
            .collect();
        changed.sort_unstable_by_key(|task| std::cmp::Reverse(*task));
        changed
    }

    /// The tasks of `jobs`.
    pub(super) fn tasks_of(&self, jobs: &BTreeSet<JobId>) -> BTreeSet<TaskId> {
        let jobs = jobs.iter();
        jobs.filter_map(|job| self.catalogue.jobs.get(job))
            .map(|job| job.task)
            .collect()
    }

    /// The tasks, that which was counted longest ago first.
    pub(super) fn oldest(&self) -> Vec<TaskId> {
        let mut tasks: Vec<(u64, TaskId)> = self
            .counts
            .iter()
            .map(|(task, (turn, _))| (*turn, *task))
            .collect();
        tasks.sort_unstable();
        tasks.into_iter().map(|(_, task)| task).collect()
    }

    /// Remembers what the runs of a task that was just counted looked like before.
    pub(super) fn mark(&mut self, task: TaskId, marks: &HashMap<JobId, Mark>) {
        let jobs = self.tasks.get(&task).cloned().unwrap_or_default();
        for job in &jobs {
            if let Some(definition) = self.catalogue.jobs.get(job) {
                self.definitions.insert(*job, definition.clone());
            }
        }
        self.mark_jobs(&jobs, marks);
    }

    /// Remembers what the runs of `jobs` looked like.
    pub(super) fn mark_jobs(&mut self, jobs: &[JobId], marks: &HashMap<JobId, Mark>) {
        for job in jobs {
            let mark = marks.get(job).cloned().unwrap_or_default();
            self.marks.insert(*job, mark);
        }
    }

    /// The counts of a task.
    pub(super) fn put(&mut self, task: TaskId, counts: OfTask) {
        self.turn += 1;
        self.counts.insert(task, (self.turn, counts));
    }

    /// The lines at `now`, with the reasons of `report`.
    pub(super) fn board(&self, now: DateTime<Tz>, policy: Policy, report: Option<&Pass>) -> Board {
        let outcomes = report.map(|pass| pass.jobs.iter().map(|(job, outcome)| (*job, outcome)));
        let outcomes: HashMap<JobId, &Outcome> = outcomes.into_iter().flatten().collect();
        let mut tasks: Vec<_> = self
            .catalogue
            .tasks
            .values()
            .filter_map(|task| {
                let (_, counts) = self.counts.get(&task.id)?;
                Some(summarise(self.facts(task, counts, now, policy, &outcomes)))
            })
            .collect();
        tasks.sort_unstable_by_key(|task| std::cmp::Reverse(task.id));
        Board {
            counted_at: self.counted_at,
            pending: self.catalogue.tasks.len() - tasks.len(),
            tasks,
        }
    }

    fn facts(
        &self,
        task: &Task,
        counts: &OfTask,
        now: DateTime<Tz>,
        policy: Policy,
        outcomes: &HashMap<JobId, &Outcome>,
    ) -> TaskFacts {
        let jobs = counts.jobs.iter().filter_map(|(id, of_job)| {
            let job = self.catalogue.jobs.get(id)?;
            let outcome = outcomes.get(id).copied();
            Some(self.job(task, job, of_job, now, policy, outcome))
        });
        TaskFacts {
            id: task.id,
            name: decode(&task.name).into_owned(),
            entity: self.entities.get(&task.id).copied().unwrap_or(EntityId(0)),
            is_active: task.is_active,
            why: self.held(task, now, policy),
            jobs: jobs.collect(),
            devices: counts.devices.clone(),
        }
    }

    fn job(
        &self,
        task: &Task,
        job: &Job,
        of_job: &OfJob,
        now: DateTime<Tz>,
        policy: Policy,
        outcome: Option<&Outcome>,
    ) -> JobFacts {
        let place = |target: &Target| job.targets.iter().position(|named| named == target);
        let mut counted: Vec<_> = of_job.counted.iter().collect();
        counted.sort_by_key(|part| {
            let place = place(&part.target).unwrap_or(usize::MAX);
            (place, part.target.items_id)
        });
        let parts = counted.into_iter().map(|part| Part {
            itemtype: part.target.itemtype.clone(),
            items_id: part.target.items_id,
            name: self.name(&part.target),
            counts: part.counts,
        });
        let ranges = job.targets.iter();
        let ranges = ranges.filter(|target| target.itemtype == IP_RANGE);
        let reason = match outcome {
            Some(Outcome::Passed(reason)) => Some(reason.clone()),
            Some(_) => None,
            None => opening(&self.catalogue, job, now, policy).err(),
        };
        let error = match outcome {
            _ if !task.is_active => None,
            Some(Outcome::Failed { code, .. }) => {
                Some(format!("it could not be prepared ({code})"))
            }
            _ => of_job.has_no_devices.then(|| NO_DEVICES.to_owned()),
        };
        JobFacts {
            id: job.id,
            name: decode(&job.name).into_owned(),
            method: job.method.clone(),
            parts: parts.collect(),
            found: of_job.found.clone(),
            ranges: ranges.map(|target| self.name(target)).collect(),
            why: reason.map(|reason| Held::Unprepared(reason).into()),
            error,
        }
    }

    fn name(&self, target: &Target) -> String {
        let short = || {
            let class = target.itemtype.strip_prefix("PluginFusioninventory");
            format!("{} {}", class.unwrap_or(&target.itemtype), target.items_id)
        };
        self.names.get(target).cloned().unwrap_or_else(short)
    }

    /// Why nothing of `task` is handed out at `now`.
    fn held(&self, task: &Task, now: DateTime<Tz>, policy: Policy) -> Option<Why> {
        if let Err(closed) = self.catalogue.site.open() {
            return Some(Held::Closed(closed).into());
        }
        let why = |reason| Some(Held::Unprepared(reason).into());
        if !task.is_active {
            return why(Reason::TaskInactive);
        }
        let local = now.naive_local();
        match task.dates.phase(local, policy) {
            Phase::Before(start) => return why(Reason::NotYet(start)),
            Phase::Over => return why(Reason::Over),
            Phase::Within => {}
        }
        let week = self.catalogue.execution_week(task, policy)?;
        if week.is_open(local) {
            return None;
        }
        let opens = week.next_open(now).map(|opens| opens.naive_local());
        Some(Held::SlotClosed(opens).into())
    }
}
