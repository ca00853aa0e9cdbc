//! A run: one job, one target, one agent. Its states, its log lines, and which state follows which.

use super::ids::{AgentId, JobId, RunId};
use chrono::NaiveDateTime;

/// State of a run, as numbered in `taskjobstates.state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum RunState {
    /// Created, not yet handed to its agent.
    Prepared = 0,
    /// Handed to its agent, which has said nothing yet.
    Sent = 1,
    /// Its agent has reported progress.
    Running = 2,
    /// Ended well.
    Finished = 3,
    /// Ended badly.
    InError = 4,
    /// Ended before it could run.
    Cancelled = 5,
    /// Put off by a user; the plugin leaves it here when the package has no template for the event.
    Postponed = 6,
}

impl RunState {
    /// Every state, by number.
    pub const ALL: [Self; 7] = [
        Self::Prepared,
        Self::Sent,
        Self::Running,
        Self::Finished,
        Self::InError,
        Self::Cancelled,
        Self::Postponed,
    ];

    /// The number in the tables.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The state of a number; none for a number that the plugin does not know.
    #[must_use]
    pub fn from_code(code: u32) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|state| u32::from(state.code()) == code)
    }
}

/// State of a log line, as numbered in `taskjoblogs.state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum LogState {
    /// The run was handed out, or will be at a named time.
    Started = 1,
    /// It ended well.
    Ok = 2,
    /// It ended badly.
    Error = 4,
    /// Something worth knowing, a cancellation among it.
    Info = 5,
    /// Progress.
    Running = 6,
    /// It was created.
    Prepared = 7,
}

impl LogState {
    /// The number in the tables.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }
}

/// What a run's row says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Its row.
    pub id: RunId,
    /// Its job.
    pub job: JobId,
    /// Its agent.
    pub agent: AgentId,
    /// Kind of its target, a GLPI class name.
    pub itemtype: String,
    /// Row of its target.
    pub items_id: u32,
    /// Where it stands.
    pub state: RunState,
    /// The part of its target that it is about, if it is not all of it.
    pub specificity: Option<String>,
    /// The name that the agent knows it by.
    pub uniqid: String,
    /// Not before this moment (local time): set when a user put it off.
    pub date_start: Option<NaiveDateTime>,
    /// How often a user has put it off.
    pub nb_retry: u32,
    /// How often a user may put it off; 0 = without end.
    pub max_retry: u32,
    /// How often it was sent, as far as the sidecar counted.
    pub sends: u32,
}

impl Run {
    /// Whether its agent has been given it, as far as its row tells: only then can the agent know its name.
    #[must_use]
    pub const fn was_handed_out(&self) -> bool {
        match self.state {
            RunState::Sent | RunState::Running | RunState::Finished | RunState::InError => true,
            // It may have been cancelled after it was sent, by the sidecar.
            RunState::Cancelled => self.sends > 0,
            RunState::Prepared | RunState::Postponed => false,
        }
    }
}

/// A set of states, for compare-and-set: the states that a move may start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StateSet(u8);

impl StateSet {
    /// Every state.
    pub const ANY: Self = Self(0x7f);

    /// The set of `states`.
    #[must_use]
    pub const fn of(states: &[RunState]) -> Self {
        let mut bits = 0;
        let mut i = 0;
        while i < states.len() {
            bits |= 1 << states[i].code();
            i += 1;
        }
        Self(bits)
    }

    /// Whether `state` is among them.
    #[must_use]
    pub const fn contains(self, state: RunState) -> bool {
        self.0 & (1 << state.code()) != 0
    }
}

impl From<RunState> for StateSet {
    fn from(state: RunState) -> Self {
        Self::of(&[state])
    }
}

/// What an agent says of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reported {
    /// It goes on.
    Progress,
    /// It ended well, or its checks found it unneeded.
    Success,
    /// It ended badly.
    Failure,
}

/// What a report does to a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// The run moves and the line is kept.
    Move(RunState),
    /// The run moves and the line is kept, unless a newer run of the same job, target and agent exists: then only the line is kept.
    MoveUnlessSuperseded(RunState),
    /// The line is kept, the run stays.
    Line,
    /// Said before; nothing is written.
    Nothing,
}

/// The table of policy `redux`: which state follows on a report.
///
/// The truth of the machine wins: a result that comes after a time-out or a cancellation ends the run as the agent says, since the
/// package *is* installed. A success is final. A failure does not undo a user's postponing, which agent 2.6 reports right before it
/// (`setUserEvent` of type `after_failure`, then `status=ko`).
#[must_use]
pub fn on_report(state: RunState, reported: Reported) -> Effect {
    use Effect::{Line, Move, MoveUnlessSuperseded, Nothing};
    use Reported::{Failure, Progress, Success};
    use RunState::{Cancelled, Finished, InError, Postponed, Prepared, Running, Sent};
    match (state, reported) {
        (Sent, Progress) => Move(Running),
        (Sent | Running | Prepared | Postponed, Success) => Move(Finished),
        (Sent | Running, Failure) => Move(InError),
        (InError | Cancelled, Success) => MoveUnlessSuperseded(Finished),
        (Cancelled, Failure) => MoveUnlessSuperseded(InError),
        (Finished, Success) => Nothing,
        (Prepared | Running | Postponed | Finished | InError | Cancelled, Progress)
        | (Prepared | Postponed | Finished | InError, Failure) => Line,
    }
}

/// The table of policy `plugin`: every report moves the run, whatever its state.
#[must_use]
pub fn on_report_as_plugin(reported: Reported) -> Effect {
    match reported {
        Reported::Progress => Effect::Line,
        Reported::Success => Effect::Move(RunState::Finished),
        Reported::Failure => Effect::Move(RunState::InError),
    }
}

/// The log state that goes with a report.
#[must_use]
pub fn log_state(reported: Reported) -> LogState {
    match reported {
        Reported::Progress => LogState::Running,
        Reported::Success => LogState::Ok,
        Reported::Failure => LogState::Error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_the_tables() {
        for (code, state) in [0, 1, 2, 3, 4, 5, 6].into_iter().zip(RunState::ALL) {
            assert_eq!(RunState::from_code(code), Some(state));
            assert_eq!(u32::from(state.code()), code);
        }
        assert_eq!(RunState::from_code(7), None);
    }

    #[test]
    fn a_finished_run_never_moves_again() {
        for reported in [Reported::Progress, Reported::Success, Reported::Failure] {
            assert!(!matches!(
                on_report(RunState::Finished, reported),
                Effect::Move(_) | Effect::MoveUnlessSuperseded(_)
            ));
        }
    }

    #[test]
    fn a_success_ends_every_other_state_well() {
        for state in RunState::ALL
            .into_iter()
            .filter(|state| *state != RunState::Finished)
        {
            assert!(
                matches!(
                    on_report(state, Reported::Success),
                    Effect::Move(RunState::Finished)
                        | Effect::MoveUnlessSuperseded(RunState::Finished)
                ),
                "{state:?}"
            );
        }
    }

    #[test]
    fn a_failure_keeps_what_a_user_put_off() {
        assert_eq!(
            on_report(RunState::Prepared, Reported::Failure),
            Effect::Line
        );
        assert_eq!(
            on_report(RunState::Running, Reported::Failure),
            Effect::Move(RunState::InError)
        );
    }

    #[test]
    fn first_progress_starts_a_sent_run_only() {
        for state in RunState::ALL {
            let expected = if state == RunState::Sent {
                Effect::Move(RunState::Running)
            } else {
                Effect::Line
            };
            assert_eq!(on_report(state, Reported::Progress), expected, "{state:?}");
        }
    }

    #[test]
    fn sets_hold_what_they_were_made_of() {
        for state in RunState::ALL {
            assert!(StateSet::ANY.contains(state));
            let open = StateSet::of(&[RunState::Prepared, RunState::Sent, RunState::Running]);
            assert_eq!(open.contains(state), state <= RunState::Running);
            assert!(StateSet::from(state).contains(state));
        }
    }

    #[test]
    fn what_was_not_handed_out_is_known_to_nobody() {
        use RunState::{Cancelled, Finished, InError, Postponed, Prepared, Running, Sent};
        for (state, sends, expected) in [
            (Prepared, 0, false),
            (Prepared, 2, false),
            (Sent, 0, true),
            (Running, 0, true),
            (Finished, 0, true),
            (InError, 0, true),
            (Cancelled, 0, false),
            (Cancelled, 1, true),
            (Postponed, 1, false),
        ] {
            let run = Run {
                id: RunId(1),
                job: JobId(1),
                agent: AgentId(1),
                itemtype: String::new(),
                items_id: 1,
                state,
                specificity: None,
                uniqid: String::new(),
                date_start: None,
                nb_retry: 0,
                max_retry: 0,
                sends,
            };
            assert_eq!(run.was_handed_out(), expected, "{state:?} {sends}");
        }
    }
}
