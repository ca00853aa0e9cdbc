//! Tasks that agents drive themselves: nothing is prepared for them, what an agent may run is worked out when it asks.
//!
//! Each agent is in an occurrence of its own, which begins with its first contact while the task is open, and in which each job runs once on
//! each of its targets. The bounds are those of [`Sequence`], with the execution slot or the task's own hours for a slot: the preparation
//! slot does not count, as nothing is prepared.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDateTime, TimeZone as _};
use chrono_tz::Tz;

use super::actors::{Agent, Members, Target, is_actor};
use super::catalogue::{Catalogue, Job, Task};
use super::eligibility::{Decision, Occasion, Question, Waiting, decide};
use super::ids::{AgentId, JobId, RunId, TaskId};
use super::modules::Module;
use super::policy::Policy;
use super::run::RunState;
use super::sequence::{Place, Sequence, Success, Tally, after};
use super::timeslot::Week;

/// Who says when a task's runs come into being.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TaskMode {
    /// The server, ahead of time, as the plugin does.
    #[default]
    Server,
    /// The agent, by asking.
    Agent,
}

/// A word that names no mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no mode of a task: server or agent")]
pub struct UnknownMode(String);

impl FromStr for TaskMode {
    type Err = UnknownMode;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match word {
            "server" => Ok(Self::Server),
            "agent" => Ok(Self::Agent),
            other => Err(UnknownMode(other.to_owned())),
        }
    }
}

impl fmt::Display for TaskMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Server => "server",
            Self::Agent => "agent",
        })
    }
}

/// The last occurrence of a task for one agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Occurrence {
    /// The how manieth, from 1.
    pub number: u32,
    /// When it began, in Unix time.
    pub began_at: i64,
    /// The lowest id that a run of it can have.
    pub first_run: u64,
}

/// What an agent's runs of a job on a target say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Past {
    /// One is prepared, sent or running.
    pub open: bool,
    /// One has ended well.
    pub well: bool,
    /// The last one.
    pub last: Option<Last>,
}

/// The last run of a job on a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Last {
    /// Its row.
    pub run: RunId,
    /// Where it stands.
    pub state: RunState,
    /// When the sidecar sent it last (local time), if it did.
    pub sent_at: Option<NaiveDateTime>,
}

/// Agent, job and target.
pub type Pair = (AgentId, JobId, Target);

/// What jobs run on.
pub type Targets = BTreeMap<JobId, Vec<Target>>;

/// What is stored of the agents that are looked at.
#[derive(Debug, Clone, Default)]
pub struct Stored {
    /// Their last occurrences.
    pub occurrences: HashMap<(TaskId, AgentId), Occurrence>,
    /// Their runs; a pair without an entry has none.
    pub pasts: HashMap<Pair, Past>,
}

/// Where an agent stands in a task that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stand {
    /// In an occurrence, which began then.
    In(Occurrence, DateTime<Tz>),
    /// This one, the how manieth, begins with this contact.
    Begins(u32),
    /// Between two: until then, or for good.
    Rests(Option<NaiveDateTime>),
}

impl Stand {
    fn new(
        last: Option<Occurrence>,
        sequence: &Sequence,
        week: Option<&Week>,
        now: DateTime<Tz>,
    ) -> Self {
        let Some(one) = last else {
            return Self::Begins(1);
        };
        let begun = now.timezone().timestamp_opt(one.began_at, 0).single();
        let t0 = begun.unwrap_or(now);
        if sequence.until(t0, week).is_some_and(|until| until > now) {
            return Self::In(one, t0);
        }
        match sequence.next(t0, week) {
            Some(next) if next <= now => Self::Begins(one.number.saturating_add(1)),
            next => Self::Rests(next.map(|next| next.naive_local())),
        }
    }

    /// The lowest id of a run of the occurrence.
    const fn first_run(&self) -> u64 {
        match self {
            Self::In(one, _) => one.first_run,
            Self::Begins(_) | Self::Rests(_) => u64::MAX,
        }
    }
}

/// A job of a task that is open to an agent, and what it runs on.
#[derive(Debug, Clone)]
pub struct Candidate<'a> {
    /// The job.
    pub job: &'a Job,
    /// Its task.
    pub task: &'a Task,
    /// Its targets, each once.
    pub targets: Vec<Target>,
}

/// A run that may be created now, and sent with that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Its task.
    pub task: TaskId,
    /// Its job.
    pub job: JobId,
    /// On what.
    pub target: Target,
    /// The how manieth occurrence of the task for the agent it belongs to.
    pub number: u32,
    /// Whether a run that ended well does not stand in its way.
    pub reprepare: bool,
}

/// What an agent may be given now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Offers {
    /// The runs.
    pub runs: Vec<Offer>,
    /// Occurrences that begin with this contact: the task, and the how manieth.
    pub begins: Vec<(TaskId, u32)>,
    /// When the next job that only waits for its delay can be given.
    pub due: Option<NaiveDateTime>,
}

/// The jobs of agent-driven tasks that are open at `now`: those that have one of `methods`, and those of
/// tasks with delays, whose occurrence begins with any contact.
#[must_use]
pub fn open_jobs<'a>(
    catalogue: &'a Catalogue,
    default: TaskMode,
    methods: &[&str],
    now: DateTime<Tz>,
) -> Vec<(&'a Job, &'a Task)> {
    let some = catalogue
        .modes
        .values()
        .any(|mode| *mode == TaskMode::Agent);
    if default == TaskMode::Server && !some {
        return Vec::new();
    }
    let local = now.naive_local();
    let open = |task: &Task| {
        catalogue.mode(task.id, default) == TaskMode::Agent
            && task.is_active
            && task.dates.prepares(local, Policy::Redux)
            && catalogue
                .execution_week(task, Policy::Redux)
                .is_none_or(|week| week.is_open(local))
    };
    let mut jobs: Vec<(&Job, &Task)> = catalogue
        .jobs
        .values()
        .filter(|job| {
            methods.contains(&job.method.as_str())
                || Module::of_method(&job.method).is_some()
                    && catalogue
                        .sequences
                        .get(&job.task)
                        .is_some_and(Sequence::has_delays)
        })
        .filter_map(|job| Some((job, catalogue.tasks.get(&job.task)?)))
        .filter(|(_, task)| open(task))
        .collect();
    jobs.sort_unstable_by_key(|(job, _)| job.id);
    jobs
}

/// Whether `agent` does `job`: it is an actor, not locked, and its module is on.
#[must_use]
pub fn does(catalogue: &Catalogue, members: &Members, agent: &Agent, job: &Job) -> bool {
    !agent.locked
        && Module::of_method(&job.method)
            .is_some_and(|module| catalogue.modules.allows(module, agent.id))
        && is_actor(agent, &job.actors, members, Policy::Redux)
}

/// Whether `agent` may turn out to do `job` once the members of its dynamic groups are known.
#[must_use]
pub fn may_do(catalogue: &Catalogue, members: &Members, agent: &Agent, job: &Job) -> bool {
    !agent.locked
        && Module::of_method(&job.method)
            .is_some_and(|module| catalogue.modules.allows(module, agent.id))
        && catalogue.has_unknown_actors(job, members)
}

/// Whether the occurrence of `task` that an agent began at `began_at`, in Unix time, is not over at `now`. One that began later is not
/// over sooner.
#[must_use]
pub fn is_under_way(catalogue: &Catalogue, task: TaskId, began_at: i64, now: DateTime<Tz>) -> bool {
    let none = Sequence::default();
    let sequence = catalogue.sequences.get(&task).unwrap_or(&none);
    let week = catalogue
        .tasks
        .get(&task)
        .and_then(|task| catalogue.execution_week(task, Policy::Redux));
    let begun = now.timezone().timestamp_opt(began_at, 0).single();
    begun
        .and_then(|t0| sequence.until(t0, week))
        .is_some_and(|until| until > now)
}

/// The jobs that `jobs` wait for.
#[must_use]
pub fn awaited<'a>(catalogue: &'a Catalogue, jobs: &[(&Job, &Task)]) -> Vec<&'a Job> {
    let before = |(job, task): &(&Job, &Task)| {
        let (_, before) = catalogue.sequences.get(&task.id)?.place(job.id)?;
        catalogue.jobs.get(&before?)
    };
    jobs.iter().filter_map(before).collect()
}

/// What has to be known of the runs of an agent to decide on `candidates`: their tasks, and jobs and targets.
#[must_use]
pub fn asked(
    candidates: &[Candidate<'_>],
    before: &Targets,
) -> (Vec<TaskId>, Vec<(JobId, Target)>) {
    let tasks: BTreeSet<TaskId> = candidates.iter().map(|one| one.task.id).collect();
    let own = candidates
        .iter()
        .flat_map(|one| one.targets.iter().map(|target| (one.job.id, target)));
    let others = before
        .iter()
        .flat_map(|(job, targets)| targets.iter().map(|target| (*job, target)));
    let pairs: HashSet<(JobId, &Target)> = own.chain(others).collect();
    let pairs = pairs.into_iter().map(|(job, target)| (job, target.clone()));
    (tasks.into_iter().collect(), pairs.collect())
}

/// What `agent`, who does all `candidates` and the jobs in `before` that they wait for, may be given now by what is `stored`. Only jobs of
/// `methods` are given. A job in `before` without targets has none for a moment, or may turn out to be the agent's: it is waited for.
#[must_use]
pub fn offers(
    catalogue: &Catalogue,
    agent: AgentId,
    candidates: &[Candidate<'_>],
    before: &Targets,
    stored: &Stored,
    methods: &[&str],
    now: DateTime<Tz>,
) -> Offers {
    let mut offers = Offers::default();
    let past = |job: JobId, target: &Target| {
        let past = stored.pasts.get(&(agent, job, target.clone()));
        past.copied().unwrap_or_default()
    };
    let none = Sequence::default();
    let mut dues: Vec<NaiveDateTime> = Vec::new();
    for candidate in candidates {
        let Candidate { job, task, targets } = candidate;
        let sequence = catalogue.sequences.get(&task.id).unwrap_or(&none);
        let week = catalogue.execution_week(task, Policy::Redux);
        let last = stored.occurrences.get(&(task.id, agent)).copied();
        let stand = Stand::new(last, sequence, week, now);
        let (place, waits_for) = sequence
            .place(job.id)
            .unwrap_or_else(|| (Place::plain(job.id), None));
        // A job that the agent does not do is not waited for: nobody can say which of the others' occurrences would count.
        let awaits = waits_for.filter(|before_it| {
            before.get(before_it).is_some_and(|targets| {
                let pasts = targets.iter().map(|target| past(*before_it, target));
                success(
                    pasts,
                    &stand,
                    task.reprepare_if_successful,
                    sequence,
                    week,
                    now,
                ) != Success::Yes
            })
        });
        if let Stand::Begins(number) = stand
            && sequence.has_delays()
            && !offers.begins.contains(&(task.id, number))
        {
            offers.begins.push((task.id, number));
        }
        for target in targets {
            let past = past(job.id, target);
            let held = held(
                &past,
                &stand,
                place,
                task.reprepare_if_successful,
                sequence,
                week,
                now,
            );
            let decision = decide(&Question {
                policy: Policy::Redux,
                occasion: Occasion::GetJobs,
                now,
                state: RunState::Prepared,
                date_start: None,
                sends: 0,
                max_sends: 1,
                task_active: task.is_active,
                dates: task.dates,
                exec_slot: week,
                is_actor: true,
                held,
                awaits,
                is_duplicate: false,
            });
            match decision {
                Decision::Deliver if methods.contains(&job.method.as_str()) => {
                    let number = match stand {
                        Stand::In(one, _) => one.number,
                        Stand::Begins(number) => number,
                        Stand::Rests(_) => continue,
                    };
                    if matches!(stand, Stand::Begins(_))
                        && !offers.begins.contains(&(task.id, number))
                    {
                        offers.begins.push((task.id, number));
                    }
                    offers.runs.push(Offer {
                        task: task.id,
                        job: job.id,
                        target: target.clone(),
                        number,
                        reprepare: task.reprepare_if_successful,
                    });
                }
                Decision::Wait(Waiting::Delayed, Some(due)) => dues.push(due),
                _ => {}
            }
        }
    }
    offers.due = dues.into_iter().min();
    offers
}

/// Why no run of a job on a target is created now, and until when, if anything stands in the way of it.
fn held(
    past: &Past,
    stand: &Stand,
    place: Place,
    reprepare: bool,
    sequence: &Sequence,
    week: Option<&Week>,
    now: DateTime<Tz>,
) -> Option<(Waiting, Option<NaiveDateTime>)> {
    if past.open {
        return Some((Waiting::UnderWay, None));
    }
    if past.well && !reprepare {
        return Some((Waiting::Done, None));
    }
    let t0 = match stand {
        Stand::In(_, t0) => *t0,
        Stand::Begins(_) => now,
        Stand::Rests(until) => return Some((Waiting::Done, *until)),
    };
    if let Some(last) = past.last {
        let again = match last.again(sequence, week, now) {
            Some(again) if again > now => Some(again),
            _ => (last.run.0 >= stand.first_run())
                .then(|| sequence.next(t0, week))
                .flatten(),
        };
        if again.is_some() || last.run.0 >= stand.first_run() {
            return Some((Waiting::Done, again.map(|again| again.naive_local())));
        }
    }
    match after(t0, place.delay) {
        Some(due) if due <= now => None,
        due => Some((Waiting::Delayed, due.map(|due| due.naive_local()))),
    }
}

impl Last {
    /// When the job may run on the target again for the period's sake, if that can be said.
    fn again(
        &self,
        sequence: &Sequence,
        week: Option<&Week>,
        now: DateTime<Tz>,
    ) -> Option<DateTime<Tz>> {
        let sent = now.timezone().from_local_datetime(&self.sent_at?);
        // In the hour that comes twice in autumn either may be meant.
        sequence.next(sent.earliest()?, week)
    }
}

/// How the job before stands on the agent itself: over all its targets, in this occurrence or in the period that keeps it from running again.
fn success(
    pasts: impl Iterator<Item = Past>,
    stand: &Stand,
    reprepare: bool,
    sequence: &Sequence,
    week: Option<&Week>,
    now: DateTime<Tz>,
) -> Success {
    let mut tally = Tally::default();
    for past in pasts {
        let counts = |last: &Last| {
            last.run.0 >= stand.first_run()
                || last
                    .again(sequence, week, now)
                    .is_some_and(|again| again > now)
        };
        match past.last.filter(counts).map(|last| last.state) {
            _ if past.open => tally.open += 1,
            _ if past.well && !reprepare => tally.well += 1,
            Some(RunState::Finished) => tally.well += 1,
            Some(RunState::InError | RunState::Cancelled) => tally.ill += 1,
            // Still to be given.
            _ => tally.open += 1,
        }
    }
    tally.into()
}

#[cfg(test)]
mod tests;
