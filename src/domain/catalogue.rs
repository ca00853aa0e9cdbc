//! What is small, read often and changed by PHP behind our back: tasks, jobs, timeslots, groups, modules, settings, entities.
//!
//! A catalogue is one immutable snapshot; a newer one replaces it whole. Runs are never in it: their rows are the truth.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, TimeZone as _};
use chrono_tz::Tz;

use super::actors::{Actor, Members, Target};
use super::driven::TaskMode;
use super::entities::Entities;
use super::ids::{DeployGroupId, JobId, RunId, TaskId, TemplateId, TimeslotId};
use super::mirrors::Mirror;
use super::modules::Modules;
use super::policy::Policy;
use super::schedule::{Dates, Phase};
use super::sequence::{Current, Over, Sequence};
use super::site::Site;
use super::timeslot::Week;
use super::timeslot::hours::HourRow;

/// How long an occurrence has to be over for it to be left alone: preparation and expiry end it within minutes where they run at all.
const LEFT_AFTER: TimeDelta = TimeDelta::hours(1);

/// A dynamic group's search.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Search {
    /// The group's name.
    pub group: String,
    /// The search as PHP stores it.
    pub stored: Vec<u8>,
}

/// The snapshot.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    /// Whether GLPI and the plugin can be used.
    pub site: Site,
    /// The plugin's settings.
    pub config: PluginConfig,
    /// Who may do what.
    pub modules: Modules,
    /// The tree of entities.
    pub entities: Entities,
    /// Tasks by id.
    pub tasks: HashMap<TaskId, Task>,
    /// Tasks whose rows cannot be read: they exist, but nothing can be said of them.
    pub unreadable: HashSet<TaskId>,
    /// Jobs by id.
    pub jobs: HashMap<JobId, Job>,
    /// The jobs in sequence of the tasks that run in occurrences.
    pub sequences: HashMap<TaskId, Sequence>,
    /// Modes of the tasks that say one.
    pub modes: HashMap<TaskId, TaskMode>,
    /// Tasks whose mode is no mode, with the word; they have the default.
    pub odd_modes: Vec<(TaskId, String)>,
    /// The occurrences of these tasks that had not ended when the catalogue was read.
    pub occurrences: HashMap<TaskId, Current>,
    /// Timeslots by id.
    pub timeslots: HashMap<TimeslotId, Week>,
    /// Hour rows of tasks that make no sense, as they were read; they open nothing.
    pub odd_hours: Vec<(TaskId, HourRow)>,
    /// Members of the groups that jobs name.
    pub members: Members,
    /// Stored searches of the dynamic groups that jobs name. One without an entry in `members` has no cache, see [`Catalogue::uncached`].
    pub searches: HashMap<DeployGroupId, Search>,
    /// Mirrors that are switched on, the deepest entity first.
    pub mirrors: Vec<Mirror>,
    /// JSON of the user-interaction templates.
    pub templates: HashMap<TemplateId, Arc<str>>,
}

impl Catalogue {
    /// Who drives `task`; `default` = where it does not say.
    #[must_use]
    pub fn mode(&self, task: TaskId, default: TaskMode) -> TaskMode {
        self.modes.get(&task).copied().unwrap_or(default)
    }

    /// When runs of `task` are prepared; none = any time.
    #[must_use]
    pub fn preparation_week(&self, task: &Task) -> Option<&Week> {
        self.slot(task.prep_slot)
    }

    /// When runs of `task` are handed out; none = any time. Its hour rows take the place of its slot, but not for policy `plugin`, as the
    /// plugin does not know them.
    #[must_use]
    pub fn execution_week<'a>(&'a self, task: &'a Task, policy: Policy) -> Option<&'a Week> {
        let hours = task.hours.as_ref().filter(|_| policy == Policy::Redux);
        hours.or_else(|| self.slot(task.exec_slot))
    }

    /// The search of a dynamic group that has no cache. To the plugin an empty one is none (`retrieveCache` of 10.0.6+1.1).
    #[must_use]
    pub fn uncached(&self, group: DeployGroupId, policy: Policy) -> Option<&Search> {
        let cached = self.members.computers.get(&group);
        let stands = cached.is_some_and(|ids| policy == Policy::Redux || !ids.is_empty());
        self.searches.get(&group).filter(|_| !stands)
    }

    /// The searches without a cache whose result matters: of a task that is switched off `redux` ends the runs whoever their agents are,
    /// while the plugin takes an agent that is an actor of any of its jobs for one of all.
    #[must_use]
    pub fn searches_wanted(&self, policy: Policy) -> HashMap<DeployGroupId, &Search> {
        let is_active = |job: &&Job| {
            policy == Policy::Plugin || self.tasks.get(&job.task).is_some_and(|t| t.is_active)
        };
        let actors = self
            .jobs
            .values()
            .filter(is_active)
            .flat_map(|job| &job.actors);
        actors
            .filter_map(|actor| match *actor {
                Actor::DeployGroup(group) => Some((group, self.uncached(group, policy)?)),
                Actor::Group(_) | Actor::Computer(_) | Actor::Agent(_) => None,
            })
            .collect()
    }

    /// Why the occurrence of `task` that began at `t0` is over at `now`, if it is.
    #[must_use]
    pub fn over(&self, task: &Task, t0: DateTime<Tz>, now: DateTime<Tz>) -> Option<Over> {
        if matches!(
            task.dates.phase(now.naive_local(), Policy::Redux),
            Phase::Over
        ) {
            return Some(Over::Dates);
        }
        let sequence = self.sequences.get(&task.id)?;
        let until = sequence.until(t0, self.preparation_week(task));
        until
            .is_some_and(|until| until <= now)
            .then_some(Over::Time)
    }

    /// Whether `run` of `task`, which has not started, belongs to an occurrence that is over at `now` (policy `redux`): it is about to be
    /// cancelled. The next occurrence's runs can be among these while the catalogue is older than its beginning, so that this is nothing to
    /// end a run for. What nobody has ended for an hour, nobody will, as with the scheduler off: then it keeps nothing back.
    #[must_use]
    pub fn is_late(&self, task: &Task, run: RunId, now: DateTime<Tz>) -> bool {
        self.occurrences.get(&task.id).is_some_and(|one| {
            let t0 = now.timezone().timestamp_opt(one.began_at, 0).single();
            let is_over = |at| t0.is_some_and(|t0| self.over(task, t0, at).is_some());
            let is_left = is_over(now - LEFT_AFTER);
            run.0 >= one.first_run && (one.is_ending || is_over(now)) && !is_left
        })
    }

    /// Whether nobody can say yet who all the actors of `job` are: a dynamic group among them has no members in `members` and is being
    /// searched for.
    #[must_use]
    pub fn has_unknown_actors(&self, job: &Job, members: &Members) -> bool {
        job.actors.iter().any(|actor| {
            matches!(actor, Actor::DeployGroup(group) if !members.computers.contains_key(group) && self.searches.contains_key(group))
        })
    }

    /// Whether job `id` and its task are there.
    #[must_use]
    pub fn has(&self, id: JobId) -> bool {
        self.jobs.get(&id).is_some_and(|job| {
            self.tasks.contains_key(&job.task) || self.unreadable.contains(&job.task)
        })
    }

    /// The jobs of `task` in their order: that of its sequence, else by id.
    #[must_use]
    pub fn jobs_of(&self, task: TaskId) -> Vec<&Job> {
        let sequence = self.sequences.get(&task);
        let rank = |job: JobId| {
            let places = sequence.map_or(&[][..], Sequence::places);
            places.iter().position(|place| place.job == job)
        };
        let mut jobs: Vec<&Job> = self.jobs.values().filter(|job| job.task == task).collect();
        jobs.sort_unstable_by_key(|job| (rank(job.id).unwrap_or(usize::MAX), job.id));
        jobs
    }

    /// A slot without entries, or that does not exist, is closed for good, as in the plugin.
    fn slot(&self, id: TimeslotId) -> Option<&Week> {
        static CLOSED: Week = Week::CLOSED;
        (id != TimeslotId(0)).then(|| self.timeslots.get(&id).unwrap_or(&CLOSED))
    }
}

/// A task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Its row.
    pub id: TaskId,
    /// Its name.
    pub name: String,
    /// Switched on.
    pub is_active: bool,
    /// When it may run at all.
    pub dates: Dates,
    /// When its runs are prepared; 0 = any time.
    pub prep_slot: TimeslotId,
    /// When its runs are handed out; 0 = any time.
    pub exec_slot: TimeslotId,
    /// When its runs are handed out by its hour rows, if it has any.
    pub hours: Option<Week>,
    /// Whether a job that ended well is prepared again.
    pub reprepare_if_successful: bool,
}

/// A job of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its row.
    pub id: JobId,
    /// Its task.
    pub task: TaskId,
    /// Its name.
    pub name: String,
    /// What kind of work: `deployinstall`, `collect`, `InventoryComputerESX`, `networkdiscovery`, `networkinventory`, `wakeonlan`.
    pub method: String,
    /// On what.
    pub targets: Vec<Target>,
    /// By whom.
    pub actors: Vec<Actor>,
}

impl Job {
    /// Where a run stands in an answer, on the `seat` of its job, which is its own but in a sequence: seat × 1000 + the index of its target among the job's targets *of the same type* (0 when
    /// the job no longer has it), as the plugin orders them.
    #[must_use]
    pub fn position(&self, seat: JobId, itemtype: &str, items_id: u32) -> u64 {
        let same_type = self
            .targets
            .iter()
            .filter(|target| target.itemtype == itemtype);
        let index = same_type
            .clone()
            .position(|target| target.items_id == items_id)
            .unwrap_or_default();
        u64::from(seat.0) * 1000 + index as u64
    }
}

/// Settings of the plugin (`configs`), as far as they concern agents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginConfig {
    /// Version of the plugin's tables.
    pub version: String,
    /// Agents must come over HTTPS.
    pub ssl_only: bool,
    /// Hours between two contacts of an agent, as it is stored.
    pub inventory_frequence: String,
    /// GLPI itself serves file parts.
    pub server_as_mirror: bool,
    /// How mirrors are chosen.
    pub mirror_match: MirrorMatch,
    /// Threads and time-out (seconds) of discoveries, as stored.
    pub discovery_pace: (String, String),
    /// Threads and time-out (seconds) of network inventories, as stored.
    pub inventory_pace: (String, String),
}

impl Default for PluginConfig {
    fn default() -> Self {
        Self {
            version: String::new(),
            ssl_only: false,
            inventory_frequence: "24".to_owned(),
            server_as_mirror: false,
            mirror_match: MirrorMatch::Location,
            discovery_pace: ("20".to_owned(), "1".to_owned()),
            inventory_pace: ("10".to_owned(), "15".to_owned()),
        }
    }
}

/// `mirror_match` of the plugin's settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MirrorMatch {
    /// 0: mirrors at the computer's location.
    Location,
    /// 1: mirrors of the computer's entity.
    Entity,
    /// 2: either.
    Both,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::actors::IdSet;

    #[test]
    fn searches_are_wanted_where_there_is_no_cache_and_the_result_matters() {
        let task = |id, is_active| Task {
            id: TaskId(id),
            name: String::new(),
            is_active,
            dates: Dates::default(),
            prep_slot: TimeslotId(0),
            exec_slot: TimeslotId(0),
            hours: None,
            reprepare_if_successful: false,
        };
        let job = |id, task, groups: &[u32]| Job {
            id: JobId(id),
            task: TaskId(task),
            name: String::new(),
            method: String::new(),
            targets: vec![],
            actors: groups
                .iter()
                .map(|group| Actor::DeployGroup(DeployGroupId(*group)))
                .collect(),
        };
        let mut catalogue = Catalogue::default();
        // Task 1 is on, task 2 off; group 1 is static, 2 has members, 3 an empty cache, 4 and 5 none.
        for task in [task(1, true), task(2, false)] {
            catalogue.tasks.insert(task.id, task);
        }
        for job in [job(1, 1, &[1, 2, 3, 4]), job(2, 2, &[4, 5])] {
            catalogue.jobs.insert(job.id, job);
        }
        for (group, ids) in [(1, vec![]), (2, vec![7]), (3, vec![])] {
            let ids = Arc::new(IdSet::from_iter(ids));
            catalogue
                .members
                .computers
                .insert(DeployGroupId(group), ids);
        }
        for group in 2..=5 {
            catalogue
                .searches
                .insert(DeployGroupId(group), Search::default());
        }
        for (policy, expected) in [
            (Policy::Redux, vec![DeployGroupId(4)]),
            (Policy::Plugin, [3, 4, 5].map(DeployGroupId).to_vec()),
        ] {
            let wanted = catalogue.searches_wanted(policy);
            let mut wanted: Vec<DeployGroupId> = wanted.into_keys().collect();
            wanted.sort_unstable_by_key(|group| group.0);
            assert_eq!(wanted, expected, "{policy}");
        }
    }

    #[test]
    fn position_counts_targets_of_the_same_type() {
        let target = |itemtype: &str, items_id| Target {
            itemtype: itemtype.into(),
            items_id,
        };
        let job = Job {
            id: JobId(3),
            task: TaskId(1),
            name: String::new(),
            method: "deployinstall".into(),
            targets: vec![
                target("A", 5),
                target("B", 7),
                target("A", 6),
                target("A", 5),
            ],
            actors: vec![],
        };
        for (itemtype, items_id, position) in [
            ("A", 5, 3000),
            ("A", 6, 3001),
            ("B", 7, 3000),
            ("A", 9, 3000),
            ("C", 5, 3000),
        ] {
            assert_eq!(
                job.position(job.id, itemtype, items_id),
                position,
                "{itemtype} {items_id}"
            );
        }
    }
}
