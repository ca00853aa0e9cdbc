//! Monitoring: what is counted of a task, and the line that it makes.
//!
//! What counts is the last run of each job, target and agent: a task that is prepared anew each week shows this week. Cancelled ones are told
//! apart and count for nothing else: nobody waits for them any more.
//!
//! **Status**, the first that applies:
//!
//! 1. *running*: a run is with its agent;
//! 2. *off*: the task is switched off;
//! 3. *in error*: something keeps a job from working at all, such as a network inventory without devices;
//! 4. *running*: some runs have ended and some have not;
//! 5. *prepared*: runs wait for their agents, none has ended;
//! 6. *in error*: all have ended, one or more of them badly;
//! 7. *finished*: all have ended well;
//! 8. *waiting*: there are no runs yet, and a moment is known before which there will be none, or a job that has to end first;
//! 9. *idle*: there is nothing to do.
//!
//! **Completion** is the share of runs that have ended, well, badly or unneeded, in whole per cent, rounded down: 100 % only when nothing is
//! open, and 0 % when there is nothing at all. Discoveries have none, as nobody knows beforehand how many devices there are.

mod board;
mod held;
mod text;

use serde::Serialize;

use super::ids::{EntityId, JobId, TaskId};
use super::modules::Module;
use super::run::RunState;

pub use board::Board;
pub use held::Held;
pub use text::Style;

/// Kind of work, in the order in which a task of several kinds shows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Packages.
    Deploy,
    /// Network discovery.
    NetDiscovery,
    /// Network inventory.
    NetInventory,
    /// Files, registry, WMI.
    Collect,
    /// Hypervisors.
    Esx,
    /// Waking computers up.
    WakeOnLan,
}

impl Kind {
    /// By a job's method; none for one that no agent does.
    #[must_use]
    pub fn of_method(method: &str) -> Option<Self> {
        Some(match Module::of_method(method)? {
            Module::Deploy => Self::Deploy,
            Module::Discovery => Self::NetDiscovery,
            Module::NetworkInventory => Self::NetInventory,
            Module::Collect => Self::Collect,
            Module::Esx => Self::Esx,
            Module::WakeOnLan => Self::WakeOnLan,
            Module::Inventory => return None,
        })
    }

    /// Whether its targets are devices themselves, and not what agents do on their own computers.
    #[must_use]
    pub const fn targets_devices(self) -> bool {
        matches!(self, Self::NetInventory | Self::WakeOnLan)
    }
}

/// How a task stands; see the rule above.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Under way.
    Running,
    /// Switched off.
    Off,
    /// Ended badly, or cannot work.
    InError,
    /// Waits for its agents.
    Prepared,
    /// Ended well.
    Finished,
    /// Will be prepared later.
    Waiting,
    /// Nothing to do.
    Idle,
}

/// Runs by what became of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    /// Wait for their agents.
    pub prepared: u64,
    /// Handed out, nothing heard.
    pub sent: u64,
    /// Their agents are at work.
    pub running: u64,
    /// Put off by a user.
    pub postponed: u64,
    /// Ended well.
    pub ok: u64,
    /// Ended well as their checks found nothing to do.
    pub unneeded: u64,
    /// Ended badly.
    pub ko: u64,
    /// Ended before they could run; part of no sum.
    pub cancelled: u64,
}

impl Counts {
    /// Adds `runs` in `state`, of which so many are unneeded, if they ended well.
    pub fn add(&mut self, state: RunState, runs: u64, unneeded: u64) {
        let count = match state {
            RunState::Prepared => &mut self.prepared,
            RunState::Sent => &mut self.sent,
            RunState::Running => &mut self.running,
            RunState::Postponed => &mut self.postponed,
            RunState::InError => &mut self.ko,
            RunState::Cancelled => &mut self.cancelled,
            RunState::Finished => {
                let unneeded = unneeded.min(runs);
                self.unneeded += unneeded;
                self.ok += runs - unneeded;
                return;
            }
        };
        *count += runs;
    }

    /// The sum of both.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            prepared: self.prepared + other.prepared,
            sent: self.sent + other.sent,
            running: self.running + other.running,
            postponed: self.postponed + other.postponed,
            ok: self.ok + other.ok,
            unneeded: self.unneeded + other.unneeded,
            ko: self.ko + other.ko,
            cancelled: self.cancelled + other.cancelled,
        }
    }

    /// With their agents.
    #[must_use]
    pub const fn under_way(&self) -> u64 {
        self.sent + self.running
    }

    /// Not ended.
    #[must_use]
    pub const fn open(&self) -> u64 {
        self.under_way() + self.prepared + self.postponed
    }

    /// Ended, but for those cancelled.
    #[must_use]
    pub const fn ended(&self) -> u64 {
        self.ok + self.ko + self.unneeded
    }

    /// All but those cancelled.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.open() + self.ended()
    }

    /// Per cent of [`Counts::total`] that have ended, rounded down.
    #[must_use]
    pub fn completion(&self) -> u8 {
        let share = self.ended().saturating_mul(100).checked_div(self.total());
        u8::try_from(share.unwrap_or_default()).unwrap_or(100)
    }
}

impl std::iter::Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), Self::plus)
    }
}

/// The runs of a job on one target, or on all devices of a class where the targets are devices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Part {
    /// GLPI's class of the target.
    pub itemtype: String,
    /// Its row; 0 for all of the class.
    pub items_id: u32,
    /// Its name, for people.
    pub name: String,
    /// What became of them.
    pub counts: Counts,
}

/// Devices of a class that discoveries found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    /// GLPI's class.
    pub itemtype: String,
    /// New ones.
    pub new: u64,
    /// Those that were there.
    pub updated: u64,
}

/// Why nothing happens, and until when at least, if that can be said (local time).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Why {
    /// For people, in English.
    pub reason: String,
    /// Until then.
    pub until: Option<chrono::NaiveDateTime>,
    /// It ends by itself: at that moment, or when another job has ended.
    pub passes: bool,
    /// For pages in other languages.
    #[serde(skip)]
    pub held: Held,
}

/// What is known of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobFacts {
    /// The job.
    pub id: JobId,
    /// Its name.
    pub name: String,
    /// Its method, as stored.
    pub method: String,
    /// Its runs by target.
    pub parts: Vec<Part>,
    /// What its discoveries found, by class.
    pub found: Vec<Found>,
    /// Names of the IP ranges among its targets.
    pub ranges: Vec<String>,
    /// Why nothing is prepared for it.
    pub why: Option<Why>,
    /// What keeps it from working at all.
    pub error: Option<String>,
}

impl JobFacts {
    /// What became of its runs.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.parts.iter().map(|part| part.counts).sum()
    }
}

/// What is known of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskFacts {
    /// The task.
    pub id: TaskId,
    /// Its name.
    pub name: String,
    /// Its entity.
    pub entity: EntityId,
    /// Switched on.
    pub is_active: bool,
    /// Why its prepared runs are not handed out now.
    pub why: Option<Why>,
    /// Its jobs, in their order.
    pub jobs: Vec<JobFacts>,
    /// How many devices the runs of each kind are about.
    pub devices: Vec<(Kind, u64)>,
}

/// What a task's jobs of one kind come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Section {
    /// Their kind.
    pub kind: Kind,
    /// What became of their runs.
    pub counts: Counts,
    /// Devices that they are about.
    pub devices: u64,
    /// By package, collect, hypervisor or class of device.
    pub parts: Vec<Part>,
    /// What discoveries found, by class.
    pub found: Vec<Found>,
    /// Names of their IP ranges.
    pub ranges: Vec<String>,
    /// What keeps them from working.
    pub errors: Vec<String>,
}

/// A job's part in the line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobSummary {
    /// The job.
    pub id: JobId,
    /// Its name.
    pub name: String,
    /// Its method, as stored.
    pub method: String,
    /// What became of its runs.
    pub counts: Counts,
    /// Why nothing is prepared for it.
    pub why: Option<Why>,
    /// What keeps it from working at all.
    pub error: Option<String>,
}

/// A task's line, with all that stands below it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TaskSummary {
    /// The task.
    pub id: TaskId,
    /// Its name.
    pub name: String,
    /// Its entity.
    pub entity: EntityId,
    /// Switched on.
    pub is_active: bool,
    /// How it stands.
    pub status: Status,
    /// Per cent that have ended; none for discoveries and for a task without jobs.
    pub completion: Option<u8>,
    /// What became of its runs.
    pub counts: Counts,
    /// Why its prepared runs are not handed out now.
    pub why: Option<Why>,
    /// By kind of work, in the order of [`Kind`]; the first gives the task its icon.
    pub sections: Vec<Section>,
    /// By job, in their order.
    pub jobs: Vec<JobSummary>,
}

/// The precedence above, for a task whose runs came to `counts`.
#[must_use]
pub const fn status(counts: &Counts, is_active: bool, cannot_work: bool, is_due: bool) -> Status {
    let (open, ended) = (counts.open(), counts.ended());
    if counts.under_way() > 0 {
        Status::Running
    } else if !is_active {
        Status::Off
    } else if cannot_work {
        Status::InError
    } else if open > 0 && ended > 0 {
        Status::Running
    } else if open > 0 {
        Status::Prepared
    } else if counts.ko > 0 {
        Status::InError
    } else if ended > 0 {
        Status::Finished
    } else if is_due {
        Status::Waiting
    } else {
        Status::Idle
    }
}

/// The line of a task.
#[must_use]
pub fn summarise(facts: TaskFacts) -> TaskSummary {
    let sections = sections(&facts);
    let jobs: Vec<JobSummary> = facts.jobs.into_iter().map(job).collect();
    let counts: Counts = jobs.iter().map(|job| job.counts).sum();
    let cannot_work = jobs.iter().any(|job| job.error.is_some());
    let is_due = jobs.iter().filter_map(|job| job.why.as_ref());
    let is_due = is_due.clone().any(|why| why.passes);
    let measured = sections.iter();
    let mut measured = measured
        .filter(|section| section.kind != Kind::NetDiscovery)
        .peekable();
    let completion = measured.peek().is_some().then(|| {
        let counts: Counts = measured.map(|section| section.counts).sum();
        counts.completion()
    });
    TaskSummary {
        id: facts.id,
        name: facts.name,
        entity: facts.entity,
        is_active: facts.is_active,
        status: status(&counts, facts.is_active, cannot_work, is_due),
        completion,
        counts,
        why: facts.why,
        sections,
        jobs,
    }
}

fn job(facts: JobFacts) -> JobSummary {
    JobSummary {
        counts: facts.counts(),
        id: facts.id,
        name: facts.name,
        method: facts.method,
        why: facts.why,
        error: facts.error,
    }
}

fn sections(facts: &TaskFacts) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for job in &facts.jobs {
        let Some(kind) = Kind::of_method(&job.method) else {
            continue;
        };
        let at = sections.iter().position(|section| section.kind == kind);
        let section = if let Some(at) = at {
            &mut sections[at]
        } else {
            let devices = facts.devices.iter().find(|(of, _)| *of == kind);
            sections.push(Section {
                kind,
                counts: Counts::default(),
                devices: devices.map_or(0, |(_, devices)| *devices),
                parts: Vec::new(),
                found: Vec::new(),
                ranges: Vec::new(),
                errors: Vec::new(),
            });
            let last = sections.len() - 1;
            &mut sections[last]
        };
        section.counts = section.counts.plus(job.counts());
        for part in &job.parts {
            section.add_part(part);
        }
        for found in &job.found {
            section.add_found(found);
        }
        for range in &job.ranges {
            if !section.ranges.contains(range) {
                section.ranges.push(range.clone());
            }
        }
        if let Some(error) = &job.error
            && !section.errors.contains(error)
        {
            section.errors.push(error.clone());
        }
    }
    for section in &mut sections {
        section
            .found
            .sort_by_key(|found| text::place(&found.itemtype));
        if section.kind.targets_devices() {
            section
                .parts
                .sort_by_key(|part| text::place(&part.itemtype));
        }
    }
    sections.sort_by_key(|section| section.kind);
    sections
}

impl Section {
    /// The same target of two jobs is one part.
    fn add_part(&mut self, part: &Part) {
        let mut parts = self.parts.iter_mut();
        let same =
            |known: &&mut Part| known.items_id == part.items_id && known.itemtype == part.itemtype;
        match parts.find(same) {
            Some(known) => known.counts = known.counts.plus(part.counts),
            None => self.parts.push(part.clone()),
        }
    }

    fn add_found(&mut self, found: &Found) {
        let mut all = self.found.iter_mut();
        match all.find(|known| known.itemtype == found.itemtype) {
            Some(known) => {
                known.new += found.new;
                known.updated += found.updated;
            }
            None => self.found.push(found.clone()),
        }
    }
}

#[cfg(test)]
mod tests;
