//! The plugin's own periodic work, rows of GLPI's `glpi_crontasks`: which of it the sidecar does too, and how it is taken over and handed
//! back.

use std::fmt;

use super::{cleaning, wakeup};

/// What is done without a request, by whoever's turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Chore {
    /// Preparation of runs.
    Prepare,
    /// Cleaning.
    Clean(cleaning::Duty),
    /// The end of silent runs.
    Expire,
    /// Waking agents up.
    WakeUp,
    /// Finding what was changed in GLPI.
    Changes,
}

impl Chore {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Prepare,
        Self::Clean(cleaning::Duty::Runs),
        Self::Clean(cleaning::Duty::OnDemand),
        Self::Expire,
        Self::WakeUp,
        Self::Changes,
    ];

    /// Its word on the command line, in metrics and in the tables.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Clean(cleaning::Duty::Runs) => "clean",
            Self::Clean(cleaning::Duty::OnDemand) => "cleanondemand",
            Self::Expire => "expire",
            Self::WakeUp => "wakeup",
            Self::Changes => "changes",
        }
    }

    /// The name of the plugin's cron task that does the same; the plugin ends no silent runs, and keeps no history.
    #[must_use]
    pub const fn cron(self) -> Option<&'static str> {
        match self {
            Self::Prepare => Some("taskscheduler"),
            Self::Clean(duty) => Some(duty.cron()),
            Self::Expire | Self::Changes => None,
            Self::WakeUp => Some(wakeup::CRON),
        }
    }
}

/// The plugin's cron tasks that a sidecar takes over: class and name.
pub const TAKEN_OVER: [(&str, &str); 4] = [
    ("PluginFusioninventoryTask", "taskscheduler"),
    ("PluginFusioninventoryTaskjobstate", "cleantaskjob"),
    ("PluginFusioninventoryTask", "cleanondemand"),
    ("PluginFusioninventoryAgentWakeup", "wakeupAgents"),
];

/// GLPI's states of a cron task.
pub mod state {
    /// Off.
    pub const OFF: i64 = 0;
    /// On, waiting for its time.
    pub const WAITING: i64 = 1;
    /// On, at work now.
    pub const RUNNING: i64 = 2;
}

/// What becomes of a cron task that is taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takeover {
    /// There is none.
    Absent,
    /// It was off, and nobody took it over.
    WasOff,
    /// It was taken over before.
    Taken,
    /// It is switched off.
    SwitchedOff,
    /// GLPI has been at it for so long that it will not end by itself: it is switched off.
    SwitchedOffStuck,
    /// GLPI is at it: nothing may be switched off until it has ended.
    AtWork,
    /// It had been taken over and somebody switched it on again: it is switched off again.
    Again,
}

/// What becomes of a task in `now`, remembered or not; `is_fresh` when GLPI began its last pass not long ago.
#[must_use]
pub const fn take_over(now: Option<i64>, is_remembered: bool, is_fresh: bool) -> Takeover {
    match (now, is_remembered) {
        (None, _) => Takeover::Absent,
        (Some(state::RUNNING), _) if is_fresh => Takeover::AtWork,
        (Some(state::OFF), false) => Takeover::WasOff,
        (Some(state::OFF), true) => Takeover::Taken,
        (Some(_), true) => Takeover::Again,
        (Some(state::RUNNING), false) => Takeover::SwitchedOffStuck,
        (Some(_), false) => Takeover::SwitchedOff,
    }
}

impl Takeover {
    /// Whether the row is changed, and its state remembered.
    #[must_use]
    pub const fn switches_off(self) -> bool {
        matches!(
            self,
            Self::SwitchedOff | Self::SwitchedOffStuck | Self::Again
        )
    }
}

impl fmt::Display for Takeover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "not there",
            Self::WasOff => "off already, left as it is",
            Self::Taken => "taken over before",
            Self::SwitchedOff => "switched off",
            Self::SwitchedOffStuck => {
                "switched off; GLPI has it as at work for more than an hour, a pass that broke off"
            }
            Self::AtWork => "at work",
            Self::Again => "was on again, switched off",
        })
    }
}

/// The state that is given back to a task that was in `state`: one that was at work then is no longer.
#[must_use]
pub const fn to_give_back(state: i64) -> i64 {
    if state == state::RUNNING {
        state::WAITING
    } else {
        state
    }
}

/// What becomes of a cron task that is handed back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handback {
    /// It gets its former state.
    Restored,
    /// It is gone.
    Gone,
    /// Somebody switched it on since: it is left alone.
    IsOn,
    /// Somebody changed it in GLPI since, and it is off: it is left alone.
    Changed,
}

/// What becomes of a remembered task in `now`; `is_changed` when it was changed in GLPI since it was taken over.
#[must_use]
pub const fn hand_back(now: Option<i64>, is_changed: bool) -> Handback {
    match (now, is_changed) {
        (None, _) => Handback::Gone,
        (Some(state::OFF), false) => Handback::Restored,
        (Some(state::OFF), true) => Handback::Changed,
        (Some(_), _) => Handback::IsOn,
    }
}

impl fmt::Display for Handback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Restored => "on again",
            Self::Gone => "not there any more",
            Self::IsOn => "switched on in GLPI since it was taken over, left as it is",
            Self::Changed => {
                "changed in GLPI since it was taken over, left as it is: off (switch it on in GLPI, Setup, Automatic actions)"
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn every_chore_that_the_plugin_has_is_taken_over() {
        for chore in Chore::ALL {
            let names = TAKEN_OVER.map(|(_, name)| name);
            let is_taken_over = chore.cron().is_none_or(|cron| names.contains(&cron));
            assert!(is_taken_over, "{}", chore.word());
        }
    }

    #[rstest]
    #[case(None, false, false, Takeover::Absent, false)]
    #[case(None, true, false, Takeover::Absent, false)]
    #[case(Some(0), false, true, Takeover::WasOff, false)]
    #[case(Some(0), true, true, Takeover::Taken, false)]
    #[case(Some(1), false, true, Takeover::SwitchedOff, true)]
    #[case(Some(2), false, false, Takeover::SwitchedOffStuck, true)]
    #[case(Some(2), false, true, Takeover::AtWork, false)]
    #[case(Some(1), true, true, Takeover::Again, true)]
    #[case(Some(2), true, false, Takeover::Again, true)]
    #[case(Some(2), true, true, Takeover::AtWork, false)]
    fn taking_over(
        #[case] now: Option<i64>,
        #[case] is_remembered: bool,
        #[case] is_fresh: bool,
        #[case] expected: Takeover,
        #[case] switches_off: bool,
    ) {
        let found = take_over(now, is_remembered, is_fresh);
        assert_eq!(found, expected);
        assert_eq!(found.switches_off(), switches_off);
    }

    #[rstest]
    #[case(None, false, Handback::Gone)]
    #[case(None, true, Handback::Gone)]
    #[case(Some(0), false, Handback::Restored)]
    #[case(Some(0), true, Handback::Changed)]
    #[case(Some(1), false, Handback::IsOn)]
    #[case(Some(1), true, Handback::IsOn)]
    #[case(Some(2), true, Handback::IsOn)]
    fn handing_back(
        #[case] now: Option<i64>,
        #[case] is_changed: bool,
        #[case] expected: Handback,
    ) {
        assert_eq!(hand_back(now, is_changed), expected);
    }

    #[test]
    fn nothing_is_given_back_as_at_work() {
        assert_eq!([0, 1, 2].map(to_give_back), [0, 1, 1]);
    }
}
