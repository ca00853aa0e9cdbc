//! What may be deleted: runs and their log lines, and tasks on demand that are done.

use chrono::{NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};

use super::policy::Policy;
use super::run::RunState;

/// The two kinds of cleaning, each a cron task of the plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Duty {
    /// Old runs with their log lines.
    Runs,
    /// Tasks on demand that are done.
    OnDemand,
}

impl Duty {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Runs, Self::OnDemand];

    /// The plugin's setting that says after how many days.
    #[must_use]
    pub const fn setting(self) -> &'static str {
        match self {
            Self::Runs => "delete_task",
            Self::OnDemand => "clean_on_demand_tasks",
        }
    }

    /// Its name in GLPI's `glpi_crontasks`.
    #[must_use]
    pub const fn cron(self) -> &'static str {
        match self {
            Self::Runs => "cleantaskjob",
            Self::OnDemand => "cleanondemand",
        }
    }

    /// The moment before which a log line is old, in local time; none when nothing ever is.
    ///
    /// `days` is the plugin's setting. Tasks on demand age by calendar days, as the plugin compares only dates there. To the plugin
    /// (10.0.6+1.1) a negative number of days is one like any other: what will be written tomorrow is old.
    #[must_use]
    pub fn old_before(
        self,
        days: Option<&str>,
        now: NaiveDateTime,
        policy: Policy,
    ) -> Option<NaiveDateTime> {
        let days: i64 = days?.trim().parse().ok()?;
        if policy == Policy::Redux && days < 0 {
            return None;
        }
        let from = match self {
            Self::Runs => now,
            Self::OnDemand => now.date().and_time(NaiveTime::MIN),
        };
        from.checked_sub_signed(TimeDelta::try_days(days)?)
            .filter(|moment| moment.date() >= NaiveDate::default())
    }
}

/// What counts when a run is judged under policy `redux`; its age is looked at only if it [may go](Past::may_go).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Past {
    /// Where it stands; none for a number that is no state.
    pub state: Option<RunState>,
    /// Its job is still there.
    pub has_job: bool,
    /// As many newer runs of its job, target and agent exist as are kept.
    pub is_outnumbered: bool,
    /// It is the last success of its job, target and agent, and its task is not to be repeated after one: without it the job would be
    /// prepared, and its package installed, again.
    pub holds_off: bool,
}

impl Past {
    /// Whether it may go once it is old.
    #[must_use]
    pub fn may_go(self) -> bool {
        self.state.is_some_and(has_ended)
            && (!self.has_job || self.is_outnumbered && !self.holds_off)
    }
}

/// Whether a run in `state` has ended.
#[must_use]
pub const fn has_ended(state: RunState) -> bool {
    matches!(
        state,
        RunState::Finished | RunState::InError | RunState::Cancelled
    )
}

/// What counts when a task on demand is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    /// It has a run.
    pub has_runs: bool,
    /// A run of it has not ended.
    pub has_open_runs: bool,
    /// An occurrence of it has not ended: jobs of it may still wait for their delays.
    pub is_under_way: bool,
}

impl Demand {
    /// Whether the task may go: under policy `redux` once all its runs have ended (and are old), which a task that has had none yet has
    /// before it, and its occurrence has; to the plugin when it has none.
    #[must_use]
    pub const fn may_go(self, policy: Policy) -> bool {
        match policy {
            Policy::Plugin => !self.has_runs,
            Policy::Redux => self.has_runs && !self.has_open_runs && !self.is_under_way,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn at(text: &str) -> NaiveDateTime {
        text.parse().unwrap()
    }

    #[rstest]
    #[case(
        Duty::Runs,
        Some("20"),
        Some("2026-02-12T12:30:00"),
        Some("2026-02-12T12:30:00")
    )]
    #[case(
        Duty::Runs,
        Some("0"),
        Some("2026-03-04T12:30:00"),
        Some("2026-03-04T12:30:00")
    )]
    #[case(Duty::Runs, Some("-1"), None, Some("2026-03-05T12:30:00"))]
    #[case(
        Duty::OnDemand,
        Some("5"),
        Some("2026-02-27T00:00:00"),
        Some("2026-02-27T00:00:00")
    )]
    #[case(Duty::OnDemand, Some("-1"), None, Some("2026-03-05T00:00:00"))]
    #[case(
        Duty::OnDemand,
        Some(" 1 "),
        Some("2026-03-03T00:00:00"),
        Some("2026-03-03T00:00:00")
    )]
    // The tables hold no earlier moment.
    #[case(Duty::Runs, Some("40000"), None, None)]
    #[case(Duty::Runs, Some("9223372036854775807"), None, None)]
    #[case(Duty::Runs, Some("twenty"), None, None)]
    #[case(Duty::Runs, Some(""), None, None)]
    #[case(Duty::Runs, None, None, None)]
    fn ages(
        #[case] duty: Duty,
        #[case] days: Option<&str>,
        #[case] redux: Option<&str>,
        #[case] plugin: Option<&str>,
    ) {
        let now = at("2026-03-04T12:30:00");
        for (policy, expected) in [(Policy::Redux, redux), (Policy::Plugin, plugin)] {
            assert_eq!(
                duty.old_before(days, now, policy),
                expected.map(at),
                "{policy}"
            );
        }
    }

    #[rstest]
    #[case(true, true, false, true)]
    #[case(true, false, false, false)]
    #[case(true, true, true, false)]
    // Nothing is prepared for a job that is gone.
    #[case(false, false, false, true)]
    #[case(false, true, true, true)]
    fn an_ended_run(
        #[case] has_job: bool,
        #[case] is_outnumbered: bool,
        #[case] holds_off: bool,
        #[case] may_go: bool,
    ) {
        for state in RunState::ALL.map(Some).into_iter().chain([None]) {
            let past = Past {
                state,
                has_job,
                is_outnumbered,
                holds_off,
            };
            let ended = matches!(
                state,
                Some(RunState::Finished | RunState::InError | RunState::Cancelled)
            );
            assert_eq!(past.may_go(), ended && may_go, "{state:?}");
        }
    }

    #[rstest]
    #[case(false, false, false, true, false)]
    #[case(true, false, false, false, true)]
    #[case(true, true, false, false, false)]
    #[case(true, false, true, false, false)]
    fn tasks_on_demand(
        #[case] has_runs: bool,
        #[case] has_open_runs: bool,
        #[case] is_under_way: bool,
        #[case] plugin: bool,
        #[case] redux: bool,
    ) {
        let demand = Demand {
            has_runs,
            has_open_runs,
            is_under_way,
        };
        assert_eq!(
            (demand.may_go(Policy::Plugin), demand.may_go(Policy::Redux)),
            (plugin, redux)
        );
    }

    proptest! {
        #[test]
        fn under_redux_nothing_younger_than_its_days_is_old(days in 0_i64..10_000, seconds in 0_u32..86_400) {
            let now = NaiveDate::from_ymd_opt(2026, 3, 4).unwrap().and_time(NaiveTime::MIN) + TimeDelta::seconds(seconds.into());
            for duty in Duty::ALL {
                let before = duty.old_before(Some(&days.to_string()), now, Policy::Redux).unwrap();
                let age = now - before;
                prop_assert!(age >= TimeDelta::days(days) && age < TimeDelta::days(days + 1));
            }
        }
    }
}
