//! The one decision: may a run go out now?
//!
//! getConfig, getJobs, PROLOG and whoever asks why nothing is happening ask this function; what differs between them is the
//! [`Occasion`].

use chrono::{DateTime, NaiveDateTime};
use chrono_tz::Tz;

use super::ids::JobId;
use super::policy::Policy;
use super::run::RunState;
use super::schedule::{Dates, Phase};
use super::timeslot::Week;

/// On what occasion is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// The agent asks which of its tasks have work; nothing is handed out.
    GetConfig,
    /// The agent asks for the work itself: by getJobs, or by PROLOG for network tasks.
    GetJobs,
}

/// Everything that the decision looks at.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Whose rules.
    pub policy: Policy,
    /// On what occasion.
    pub occasion: Occasion,
    /// The moment, in the zone that PHP compares in.
    pub now: DateTime<Tz>,
    /// State of the run.
    pub state: RunState,
    /// A user put it off to this moment.
    pub date_start: Option<NaiveDateTime>,
    /// How often it was sent.
    pub sends: u32,
    /// How often it may be sent.
    pub max_sends: u32,
    /// The task is switched on.
    pub task_active: bool,
    /// The task's dates.
    pub dates: Dates,
    /// When the task's runs may be handed out; none = any time.
    pub exec_slot: Option<&'a Week>,
    /// The agent is among the actors.
    pub is_actor: bool,
    /// What its place in its task keeps it back for, and until when: its delay, or that it has run.
    pub held: Option<(Waiting, Option<NaiveDateTime>)>,
    /// The job whose success this one waits for, if the agent has an open run of it.
    pub awaits: Option<JobId>,
    /// An older open run of the same job, target and agent exists.
    pub is_duplicate: bool,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It may go out now.
    Deliver,
    /// Not now: from then on, if that can be said.
    Wait(Waiting, Option<NaiveDateTime>),
    /// Never: it ends in this state.
    End(Ending),
}

/// Why a run waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// A user put it off.
    Postponed,
    /// The task's start date lies ahead.
    BeforeStart,
    /// The execution timeslot is closed.
    SlotClosed,
    /// Its agent has it and is at work.
    UnderWay,
    /// The job before has not ended on this agent.
    JobBefore,
    /// The job's delay is not over (agent-driven tasks).
    Delayed,
    /// The agent has run the job in this occurrence, in the minimum period, or for good (agent-driven tasks).
    Done,
    /// The task's occurrence is over: the run is about to be cancelled.
    OccurrenceOver,
}

/// Why a run ends without having run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Asked again for what was sent already (policy `plugin`).
    AskedAgain,
    /// Sent as often as allowed without a word from the agent.
    SentTooOften,
    /// The task was switched off.
    TaskInactive,
    /// Outside the task's dates.
    OutsideDates,
    /// Outside the execution timeslot (policy `plugin`).
    OutsideSlot,
    /// The agent left the actors.
    NotAnActor,
    /// The agent's module is off.
    ModuleOff,
    /// Another open run does the same.
    Duplicate,
}

impl Ending {
    /// The state it ends in.
    #[must_use]
    pub const fn state(self) -> RunState {
        match self {
            Self::AskedAgain | Self::SentTooOften => RunState::InError,
            Self::TaskInactive
            | Self::OutsideDates
            | Self::OutsideSlot
            | Self::NotAnActor
            | Self::ModuleOff
            | Self::Duplicate => RunState::Cancelled,
        }
    }

    /// What the run's log says.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::AskedAgain => {
                "The agent came back for work that it had been handed before and had not finished; it probably broke off."
            }
            Self::SentTooOften => {
                "The run was sent as often as allowed and the agent never reported on it."
            }
            Self::TaskInactive => {
                "Cancelled: the task was switched off after the run had been prepared."
            }
            Self::OutsideDates => "Cancelled: the task's start and end dates do not allow it now.",
            Self::OutsideSlot => "Cancelled: the task's execution timeslot is closed now.",
            Self::NotAnActor => "Cancelled: the agent is no longer among the actors of the job.",
            Self::ModuleOff => "Cancelled: the module is switched off for this agent.",
            Self::Duplicate => {
                "Cancelled: the agent has another open run of this job on the same target."
            }
        }
    }
}

/// May the run go out now?
#[must_use]
pub fn decide(q: &Question<'_>) -> Decision {
    match q.policy {
        Policy::Plugin => decide_as_plugin(q),
        Policy::Redux => decide_redux(q),
    }
}

/// The plugin's order of checks; getConfig of the plugin only looks whether a prepared run exists.
fn decide_as_plugin(q: &Question<'_>) -> Decision {
    match q.state {
        RunState::Prepared if q.occasion == Occasion::GetConfig => return Decision::Deliver,
        RunState::Prepared => {}
        RunState::Sent | RunState::Running if q.occasion == Occasion::GetConfig => {
            return Decision::Wait(Waiting::UnderWay, None);
        }
        RunState::Sent | RunState::Running => return Decision::End(Ending::AskedAgain),
        _ => return Decision::Wait(Waiting::UnderWay, None),
    }
    if !q.task_active {
        return Decision::End(Ending::TaskInactive);
    }
    if q.dates.phase(q.now.naive_local(), q.policy) != Phase::Within {
        return Decision::End(Ending::OutsideDates);
    }
    if q.exec_slot
        .is_some_and(|week| !week.is_open(q.now.naive_local()))
    {
        return Decision::End(Ending::OutsideSlot);
    }
    if !q.is_actor {
        return Decision::End(Ending::NotAnActor);
    }
    postponed(q).unwrap_or(Decision::Deliver)
}

fn decide_redux(q: &Question<'_>) -> Decision {
    match q.state {
        RunState::Prepared => {}
        // The answer may have been lost on its way, but only so often.
        RunState::Sent if q.sends < q.max_sends => {}
        RunState::Sent => return Decision::End(Ending::SentTooOften),
        _ => return Decision::Wait(Waiting::UnderWay, None),
    }
    if q.is_duplicate {
        return Decision::End(Ending::Duplicate);
    }
    if !q.task_active {
        return Decision::End(Ending::TaskInactive);
    }
    if !q.is_actor {
        return Decision::End(Ending::NotAnActor);
    }
    match q.dates.phase(q.now.naive_local(), q.policy) {
        Phase::Over => return Decision::End(Ending::OutsideDates),
        Phase::Before(start) => return Decision::Wait(Waiting::BeforeStart, Some(start)),
        Phase::Within => {}
    }
    if let Some(decision) = postponed(q) {
        return decision;
    }
    if let Some(week) = q.exec_slot
        && !week.is_open(q.now.naive_local())
    {
        let opens = week.next_open(q.now).map(|opens| opens.naive_local());
        return Decision::Wait(Waiting::SlotClosed, opens);
    }
    if let Some((waiting, until)) = q.held {
        return Decision::Wait(waiting, until);
    }
    if q.awaits.is_some() {
        return Decision::Wait(Waiting::JobBefore, None);
    }
    Decision::Deliver
}

fn postponed(q: &Question<'_>) -> Option<Decision> {
    q.date_start
        .filter(|start| *start > q.now.naive_local())
        .map(|start| Decision::Wait(Waiting::Postponed, Some(start)))
}

#[cfg(test)]
mod tests {
    use super::super::timeslot::Entry;
    use super::Decision::{Deliver, End, Wait};
    use super::*;
    use chrono::{Duration, NaiveDate, TimeZone as _};
    use std::sync::LazyLock;

    fn noon() -> NaiveDateTime {
        NaiveDate::from_ymd_opt(2026, 11, 24)
            .unwrap()
            .and_hms_opt(12, 0, 0)
            .unwrap()
    }

    fn question(policy: Policy) -> Question<'static> {
        Question {
            policy,
            occasion: Occasion::GetJobs,
            now: Tz::UTC.from_utc_datetime(&noon()),
            state: RunState::Prepared,
            date_start: None,
            sends: 0,
            max_sends: 3,
            task_active: true,
            dates: Dates::default(),
            exec_slot: None,
            is_actor: true,
            held: None,
            awaits: None,
            is_duplicate: false,
        }
    }

    #[test]
    fn an_open_run_goes_out() {
        for policy in [Policy::Plugin, Policy::Redux] {
            for occasion in [Occasion::GetConfig, Occasion::GetJobs] {
                assert_eq!(
                    decide(&Question {
                        occasion,
                        ..question(policy)
                    }),
                    Deliver,
                    "{policy} {occasion:?}"
                );
            }
        }
    }

    /// Decisions of both policies on the same question.
    fn both(change: impl Fn(&mut Question<'static>)) -> (Decision, Decision) {
        let (mut plugin, mut redux) = (question(Policy::Plugin), question(Policy::Redux));
        change(&mut plugin);
        change(&mut redux);
        (decide(&plugin), decide(&redux))
    }

    #[test]
    fn too_early_ends_for_the_plugin_and_waits_for_redux() {
        static CLOSED: LazyLock<Week> = LazyLock::new(|| {
            Week::from_entries([Entry {
                day: 3,
                begin: 0,
                end: 60,
            }])
        });
        let later = noon() + Duration::hours(1);
        let opening =
            NaiveDate::from_ymd_opt(2026, 11, 25).and_then(|day| day.and_hms_opt(0, 0, 0));
        let (plugin, redux) = both(|q| q.dates.start = Some(later));
        assert_eq!(plugin, End(Ending::OutsideDates));
        assert_eq!(redux, Wait(Waiting::BeforeStart, Some(later)));
        let (plugin, redux) = both(|q| q.exec_slot = Some(&CLOSED));
        assert_eq!(plugin, End(Ending::OutsideSlot));
        assert_eq!(redux, Wait(Waiting::SlotClosed, opening));
        let (plugin, redux) = both(|q| q.date_start = Some(later));
        assert_eq!(plugin, Wait(Waiting::Postponed, Some(later)));
        assert_eq!(redux, plugin);
        assert_eq!(both(|q| q.date_start = Some(noon())), (Deliver, Deliver));
    }

    /// In Paris, on the day without 2:00 to 3:00.
    #[test]
    fn a_closed_slot_opens_at_a_time_that_there_is() {
        let week = Week::from_entries([Entry {
            day: 7,
            begin: 9_000,
            end: 14_400,
        }]);
        let local = |day: u32, hour| NaiveDate::from_ymd_opt(2026, 3, day)?.and_hms_opt(hour, 0, 0);
        let decision = decide(&Question {
            now: Tz::Europe__Paris
                .from_local_datetime(&local(28, 12).unwrap())
                .unwrap(),
            exec_slot: Some(&week),
            ..question(Policy::Redux)
        });
        assert_eq!(decision, Wait(Waiting::SlotClosed, local(29, 3)));
    }

    #[test]
    fn asked_again_ends_for_the_plugin_and_is_sent_again_for_redux() {
        let again = |sends| {
            both(|q| {
                q.state = RunState::Sent;
                q.sends = sends;
            })
        };
        assert_eq!(again(2), (End(Ending::AskedAgain), Deliver));
        assert_eq!(
            again(3),
            (End(Ending::AskedAgain), End(Ending::SentTooOften))
        );
        let at_work = both(|q| q.state = RunState::Running);
        assert_eq!(
            at_work,
            (End(Ending::AskedAgain), Wait(Waiting::UnderWay, None))
        );
    }

    #[test]
    fn a_job_in_sequence_waits_for_the_one_before() {
        let (plugin, redux) = both(|q| q.awaits = Some(JobId(1)));
        assert_eq!((plugin, redux), (Deliver, Wait(Waiting::JobBefore, None)));
    }

    #[test]
    fn a_place_in_the_task_keeps_back_for_redux_alone() {
        let due = Some(noon() + Duration::hours(1));
        for waiting in [Waiting::Delayed, Waiting::Done] {
            let (plugin, redux) = both(|q| q.held = Some((waiting, due)));
            assert_eq!((plugin, redux), (Deliver, Wait(waiting, due)));
        }
        let (_, over) = both(|q| {
            q.held = Some((Waiting::Done, None));
            q.task_active = false;
        });
        assert_eq!(over, End(Ending::TaskInactive), "what ends it comes first");
    }

    #[test]
    fn what_has_not_started_in_an_occurrence_that_is_over_is_held() {
        let (plugin, redux) = both(|q| q.held = Some((Waiting::OccurrenceOver, None)));
        assert_eq!(
            (plugin, redux),
            (Deliver, Wait(Waiting::OccurrenceOver, None))
        );
    }

    #[test]
    fn what_may_never_run_ends_for_both() {
        let over = Dates {
            start: Some(noon() - Duration::hours(2)),
            end: Some(noon() - Duration::hours(1)),
        };
        let ended = |ending| (End(ending), End(ending));
        assert_eq!(both(|q| q.dates = over), ended(Ending::OutsideDates));
        assert_eq!(both(|q| q.task_active = false), ended(Ending::TaskInactive));
        assert_eq!(both(|q| q.is_actor = false), ended(Ending::NotAnActor));
        let twice = both(|q| q.is_duplicate = true);
        assert_eq!(twice, (Deliver, End(Ending::Duplicate)));
    }

    #[test]
    fn getconfig_never_ends_a_run_for_the_plugin_and_names_none_that_was_sent_too_often_for_redux()
    {
        for state in RunState::ALL {
            let q = Question {
                state,
                occasion: Occasion::GetConfig,
                task_active: false,
                ..question(Policy::Plugin)
            };
            assert!(!matches!(decide(&q), End(_)), "{state:?}");
            let q = Question {
                state,
                occasion: Occasion::GetConfig,
                sends: 9,
                ..question(Policy::Redux)
            };
            assert_eq!(
                decide(&q) == Deliver,
                state == RunState::Prepared,
                "{state:?}"
            );
            let asked = Question {
                occasion: Occasion::GetJobs,
                ..q
            };
            assert_eq!(decide(&q), decide(&asked), "{state:?}");
        }
    }
}
