//! Waking agents up: which tasks ask for it, which agents come into question, and who is asked next.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, TimeDelta};
use chrono_tz::Tz;

use super::eligibility::Decision;
use super::expiry::silence;
use super::ids::{AgentId, TaskId};
use super::policy::Policy;

/// The cron task of GLPI that does the same.
pub const CRON: &str = "wakeupAgents";

/// An agent that was in contact so short a time ago has heard of its work, or is about to.
const JUST_NOW: TimeDelta = TimeDelta::minutes(1);

/// How long an agent with a run that was sent or has begun is left alone after its last sign of life, where runs have no time-out.
const AT_WORK: TimeDelta = TimeDelta::hours(2);

/// How long an agent with a run that was sent or has begun is left alone after its last sign of life: as long as its silence does not end
/// the run. Zero as a time-out is none.
#[must_use]
pub fn at_work(run_timeout: Duration) -> TimeDelta {
    TimeDelta::from_std(run_timeout)
        .ok()
        .filter(|timeout| !timeout.is_zero())
        .unwrap_or(AT_WORK)
}

/// How long an agent that was asked and did not come is left alone, at first; each further time twice as long.
const REST: TimeDelta = TimeDelta::minutes(15);

/// The longest such time.
const LONGEST_REST: TimeDelta = TimeDelta::hours(4);

/// How many agents one place of a task may cost in a pass (policy `redux`): of a fleet that is switched off, only so many are tried.
const TRIES_A_PLACE: usize = 10;

/// But so many at least.
const LEAST_TRIES: usize = 100;

/// What a task says about waking agents up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish {
    /// The task.
    pub task: TaskId,
    /// At most so many agents at a time (`wakeup_agent_counter`); 0 = none.
    pub most: u32,
    /// So many minutes from one time to the next (`wakeup_agent_time`); 0 = never.
    pub minutes: u32,
    /// The last time (`last_agent_wakeup`).
    pub last: Option<NaiveDateTime>,
}

impl Wish {
    /// As if `task` woke everybody up now.
    #[must_use]
    pub const fn now(task: TaskId) -> Self {
        Self {
            task,
            most: u32::MAX,
            minutes: 1,
            last: None,
        }
    }

    /// Whether its time has come.
    ///
    /// A last time in the future, which a clock set back leaves, holds the plugin off until it has passed; `redux` for no longer than
    /// the time between two. The plugin counts by the clock on the wall, `redux` what has passed, also when the clocks are changed.
    #[must_use]
    pub fn is_due(&self, now: DateTime<Tz>, policy: Policy) -> bool {
        if self.most == 0 || self.minutes == 0 {
            return false;
        }
        let Some(last) = self.last else {
            return true;
        };
        let since = match policy {
            Policy::Plugin => now.naive_local() - last,
            Policy::Redux => silence(last, now).abs(),
        };
        since >= TimeDelta::minutes(i64::from(self.minutes))
    }

    /// How many agents it may wake up: as many as it says, and no more than `most` of the plugin's settings (`wakeup_agent_max`), if that is
    /// a number.
    #[must_use]
    pub fn places(&self, most: Option<&str>) -> usize {
        let most = most.and_then(|text| text.trim().parse().ok());
        self.most.min(most.unwrap_or(u32::MAX)) as usize
    }
}

/// Why an agent with work is not woken up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Skip {
    /// Its work may not go out now.
    NotNow,
    /// An admin locked it.
    Locked,
    /// The module is off for it.
    ModuleOff,
    /// It was in contact a moment ago.
    JustHere,
    /// It is at work.
    AtWork,
    /// It was asked and did not come.
    Resting,
    /// There is no address at which it may be asked.
    NoAddress,
}

impl Skip {
    /// Every reason.
    pub const ALL: [Self; 7] = [
        Self::NotNow,
        Self::Locked,
        Self::ModuleOff,
        Self::JustHere,
        Self::AtWork,
        Self::Resting,
        Self::NoAddress,
    ];

    /// In words, behind a number of agents.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::NotNow => "whose work may not go out now",
            Self::Locked => "locked",
            Self::ModuleOff => "with the module off",
            Self::JustHere => "just in contact",
            Self::AtWork => "at work",
            Self::Resting => "asked in vain before",
            Self::NoAddress => "without an address",
        }
    }
}

/// What is known of an agent that has work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sleeper {
    /// Its row.
    pub agent: AgentId,
    /// Locked by an admin.
    pub locked: bool,
    /// Its module is on.
    pub module_on: bool,
    /// When it was in contact last.
    pub last_contact: Option<NaiveDateTime>,
    /// It has a run that was sent or has begun; when that was sent last, as far as it is known.
    pub under_way: Option<Option<NaiveDateTime>>,
}

impl Sleeper {
    /// Why it is not woken up for work on which was decided so; none = it may be. `at_work` is that of [`at_work`].
    ///
    /// The plugin looks at nothing but what the agent itself says of its state.
    #[must_use]
    pub fn skip(
        &self,
        decision: &Decision,
        now: NaiveDateTime,
        memory: &Memory,
        policy: Policy,
        at_work: TimeDelta,
    ) -> Option<Skip> {
        if policy == Policy::Plugin {
            return None;
        }
        let within = |moment: Option<NaiveDateTime>, time: TimeDelta| {
            moment.is_some_and(|moment| (now - moment).abs() < time)
        };
        if *decision != Decision::Deliver {
            Some(Skip::NotNow)
        } else if self.locked {
            Some(Skip::Locked)
        } else if !self.module_on {
            Some(Skip::ModuleOff)
        } else if within(self.last_contact, JUST_NOW) {
            Some(Skip::JustHere)
        } else if self
            .under_way
            .is_some_and(|sent| within(sent.max(self.last_contact), at_work))
        {
            Some(Skip::AtWork)
        } else if memory.rests(self.agent, self.last_contact, now) {
            Some(Skip::Resting)
        } else {
            None
        }
    }
}

/// The names under which the machine of an agent may be found: its computer's, with each of its domains and without, and the one that the
/// agent puts before the date in its own.
#[must_use]
pub fn names<'a>(
    computer: &str,
    domains: impl IntoIterator<Item = &'a str>,
    device_id: &str,
) -> Vec<String> {
    let mut names = Vec::new();
    let mut add = |name: String| {
        if !names.contains(&name) {
            names.push(name);
        }
    };
    if !computer.is_empty() {
        add(computer.to_owned());
        for domain in domains.into_iter().filter(|domain| !domain.is_empty()) {
            add(format!("{computer}.{domain}"));
        }
    }
    if let Some(name) = machine(device_id) {
        add(name.to_owned());
    }
    names
}

/// What stands before `-YYYY-MM-DD-HH-MM-SS`.
fn machine(device_id: &str) -> Option<&str> {
    let (name, date) = device_id.split_at_checked(device_id.len().checked_sub(20)?)?;
    let fits = |(place, byte): (usize, u8)| match place {
        0 | 5 | 8 | 11 | 14 | 17 => byte == b'-',
        _ => byte.is_ascii_digit(),
    };
    (!name.is_empty() && date.bytes().enumerate().all(fits)).then_some(name)
}

/// Who was asked when, and has not come since.
#[derive(Debug, Clone, Default)]
pub struct Memory(HashMap<AgentId, (NaiveDateTime, u32)>);

impl Memory {
    /// `agent` is asked, whatever it answers: what counts is that it comes.
    pub fn asked(
        &mut self,
        agent: AgentId,
        last_contact: Option<NaiveDateTime>,
        now: NaiveDateTime,
    ) {
        let times = match self.0.get(&agent) {
            Some((at, times)) if last_contact.is_none_or(|contact| contact < *at) => *times,
            _ => 0,
        };
        self.0.insert(agent, (now, times.saturating_add(1)));
    }

    /// Whether it is left alone for a while.
    #[must_use]
    pub fn rests(
        &self,
        agent: AgentId,
        last_contact: Option<NaiveDateTime>,
        now: NaiveDateTime,
    ) -> bool {
        self.0.get(&agent).is_some_and(|(at, times)| {
            last_contact.is_none_or(|contact| contact < *at)
                && (TimeDelta::zero()..rest(*times)).contains(&(now - *at))
        })
    }

    /// Forgets those that have not been asked for so long that it says nothing any more.
    pub fn tidy(&mut self, now: NaiveDateTime) {
        self.0
            .retain(|_, (at, _)| (now - *at).abs() < LONGEST_REST * 2);
    }
}

/// How long an agent rests that was asked so many times.
fn rest(times: u32) -> TimeDelta {
    let doubled = 2_i32.saturating_pow(times.saturating_sub(1).min(10));
    (REST * doubled).min(LONGEST_REST)
}

/// Who is asked next in a pass, so that no task wakes up more agents than it has places, and none is asked twice.
///
/// An agent that has work of several tasks takes a place of each that comes to it in its list, though it is asked once. One that does not
/// wake up gives its places back.
#[derive(Debug, Clone)]
pub struct Plan {
    policy: Policy,
    tasks: Vec<List>,
    agents: HashMap<AgentId, Stand>,
}

#[derive(Debug, Clone)]
struct List {
    task: TaskId,
    places: usize,
    /// Places of agents that are awake or being asked.
    taken: usize,
    tries: usize,
    waiting: VecDeque<AgentId>,
    /// Those that were in the list; for the plugin an agent is in it once for each of its runs.
    seen: HashSet<AgentId>,
    is_whole: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Stand {
    /// Being asked; the lists whose places it has.
    Asked(Vec<usize>),
    Awake,
    Asleep,
}

impl List {
    fn has_place(&self, policy: Policy) -> bool {
        let tries = (self.places * TRIES_A_PLACE).max(LEAST_TRIES);
        self.taken < self.places && (policy == Policy::Plugin || self.tries < tries)
    }
}

impl Plan {
    /// For tasks with so many places, in this order.
    #[must_use]
    pub fn new(policy: Policy, tasks: impl IntoIterator<Item = (TaskId, usize)>) -> Self {
        let list = |(task, places)| List {
            task,
            places,
            taken: 0,
            tries: 0,
            waiting: VecDeque::new(),
            seen: HashSet::new(),
            is_whole: false,
        };
        Self {
            policy,
            tasks: tasks.into_iter().map(list).collect(),
            agents: HashMap::new(),
        }
    }

    /// A task that has places left for more agents than are known to it.
    #[must_use]
    pub fn hungry(&self) -> Option<TaskId> {
        let hungry =
            |list: &&List| !list.is_whole && list.waiting.is_empty() && list.has_place(self.policy);
        self.tasks.iter().find(hungry).map(|list| list.task)
    }

    /// Agents that have work of `task`, in their order, behind those that it was told before; `is_whole` = there are no more.
    pub fn feed(
        &mut self,
        task: TaskId,
        agents: impl IntoIterator<Item = AgentId>,
        is_whole: bool,
    ) {
        let policy = self.policy;
        if let Some(list) = self.tasks.iter_mut().find(|list| list.task == task) {
            for agent in agents {
                if list.seen.insert(agent) || policy == Policy::Plugin {
                    list.waiting.push_back(agent);
                }
            }
            list.is_whole |= is_whole;
        }
    }

    /// Whom to ask now. None while all places are taken by agents that are awake or have not answered yet, or nobody is left.
    pub fn next_agent(&mut self) -> Option<AgentId> {
        for (index, list) in self.tasks.iter_mut().enumerate() {
            while list.has_place(self.policy) {
                let Some(agent) = list.waiting.pop_front() else {
                    break;
                };
                match self.agents.get_mut(&agent) {
                    Some(Stand::Asleep) => {}
                    Some(Stand::Awake) => list.taken += 1,
                    Some(Stand::Asked(lists)) => {
                        list.taken += 1;
                        lists.push(index);
                    }
                    None => {
                        list.taken += 1;
                        list.tries += 1;
                        self.agents.insert(agent, Stand::Asked(vec![index]));
                        return Some(agent);
                    }
                }
            }
        }
        None
    }

    /// What became of an agent that was to be asked.
    pub fn heard(&mut self, agent: AgentId, is_awake: bool) {
        let stand = if is_awake {
            Stand::Awake
        } else {
            Stand::Asleep
        };
        if let Some(Stand::Asked(lists)) = self.agents.insert(agent, stand)
            && !is_awake
        {
            for index in lists {
                if let Some(list) = self.tasks.get_mut(index) {
                    list.taken -= 1;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
