use std::collections::BTreeMap;

use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::domain::eligibility::{Ending, Waiting};

fn noon() -> NaiveDateTime {
    "2026-03-04T12:00:00".parse().unwrap()
}

fn ago(minutes: i64) -> NaiveDateTime {
    noon() - TimeDelta::minutes(minutes)
}

#[rstest]
#[case::never_before(3, 5, None, true, true)]
#[case::just_in_time(3, 5, Some(ago(5)), true, true)]
#[case::too_early(3, 5, Some(ago(4)), false, false)]
#[case::nobody(0, 5, None, false, false)]
#[case::never(3, 0, None, false, false)]
#[case::a_clock_set_back(3, 5, Some(ago(-60)), false, true)]
#[case::a_little_ahead(3, 5, Some(ago(-4)), false, false)]
fn a_task_is_due(
    #[case] most: u32,
    #[case] minutes: u32,
    #[case] last: Option<NaiveDateTime>,
    #[case] plugin: bool,
    #[case] redux: bool,
) {
    let wish = Wish {
        task: TaskId(1),
        most,
        minutes,
        last,
    };
    let now = noon().and_utc().with_timezone(&Tz::UTC);
    assert_eq!(wish.is_due(now, Policy::Plugin), plugin);
    assert_eq!(wish.is_due(now, Policy::Redux), redux);
}

/// Twenty minutes between two times, in Paris.
#[rstest]
// The clocks leave out 2:00 to 3:00: nine and nineteen minutes have passed, then twenty.
#[case("2026-03-29T01:51:00", "2026-03-29T01:00:00Z", false)]
#[case("2026-03-29T01:51:00", "2026-03-29T01:10:00Z", false)]
#[case("2026-03-29T01:51:00", "2026-03-29T01:11:00Z", true)]
// 2:00 to 3:00 comes twice: 2:55 of the first, ten and twenty minutes later.
#[case("2026-10-25T02:55:00", "2026-10-25T01:05:00Z", false)]
#[case("2026-10-25T02:55:00", "2026-10-25T01:15:00Z", true)]
fn a_task_is_due_when_the_time_has_passed_not_by_the_clock(
    #[case] last: NaiveDateTime,
    #[case] now: DateTime<chrono::Utc>,
    #[case] redux: bool,
) {
    let wish = Wish {
        task: TaskId(1),
        most: 3,
        minutes: 20,
        last: Some(last),
    };
    let now = now.with_timezone(&Tz::Europe__Paris);
    assert_eq!(wish.is_due(now, Policy::Redux), redux);
}

#[rstest]
#[case(5, Some("10"), 5)]
#[case(20, Some("10"), 10)]
#[case(20, Some(" 10 "), 10)]
#[case(20, Some("0"), 0)]
#[case(20, Some(""), 20)]
#[case(20, None, 20)]
fn the_settings_bound_every_task(
    #[case] most: u32,
    #[case] setting: Option<&str>,
    #[case] places: usize,
) {
    let wish = Wish {
        task: TaskId(1),
        most,
        minutes: 1,
        last: None,
    };
    assert_eq!(wish.places(setting), places);
}

fn sleeper() -> Sleeper {
    Sleeper {
        agent: AgentId(1),
        locked: false,
        module_on: true,
        last_contact: Some(ago(600)),
        under_way: None,
    }
}

#[rstest]
#[case::asleep(|_: &mut Sleeper| {}, None)]
#[case::never_seen(|s: &mut Sleeper| s.last_contact = None, None)]
#[case::locked(|s: &mut Sleeper| s.locked = true, Some(Skip::Locked))]
#[case::module_off(|s: &mut Sleeper| s.module_on = false, Some(Skip::ModuleOff))]
#[case::just_here(|s: &mut Sleeper| s.last_contact = Some(ago(0)), Some(Skip::JustHere))]
#[case::just_gone(|s: &mut Sleeper| s.last_contact = Some(ago(1)), None)]
#[case::sent(|s: &mut Sleeper| s.under_way = Some(Some(ago(119))), Some(Skip::AtWork))]
#[case::sent_long_ago(|s: &mut Sleeper| s.under_way = Some(Some(ago(120))), None)]
#[case::sent_by_php(|s: &mut Sleeper| s.under_way = Some(None), None)]
#[case::sent_by_php_and_seen(|s: &mut Sleeper| (s.last_contact, s.under_way) = (Some(ago(119)), Some(None)), Some(Skip::AtWork))]
#[case::seen_and_not_sent(|s: &mut Sleeper| s.last_contact = Some(ago(119)), None)]
fn whom_not_to_wake(#[case] change: impl FnOnce(&mut Sleeper), #[case] expected: Option<Skip>) {
    let mut sleeper = sleeper();
    change(&mut sleeper);
    let memory = Memory::default();
    let two_hours = at_work(Duration::from_hours(2));
    let skip = |policy| sleeper.skip(&Decision::Deliver, noon(), &memory, policy, two_hours);
    assert_eq!(skip(Policy::Redux), expected);
    assert_eq!(skip(Policy::Plugin), None);
}

#[rstest]
#[case::shorter(3600, None)]
#[case::longer(7201, Some(Skip::AtWork))]
#[case::none(0, None)]
fn who_is_at_work_is_left_alone_as_long_as_a_run_lasts(
    #[case] seconds: u64,
    #[case] expected: Option<Skip>,
) {
    let mut sleeper = sleeper();
    sleeper.under_way = Some(Some(ago(120)));
    let timeout = at_work(Duration::from_secs(seconds));
    let memory = Memory::default();
    let skip = sleeper.skip(&Decision::Deliver, noon(), &memory, Policy::Redux, timeout);
    assert_eq!(skip, expected);
}

#[test]
fn nobody_is_woken_for_what_may_not_go_out() {
    let memory = Memory::default();
    for decision in [
        Decision::Wait(Waiting::SlotClosed, None),
        Decision::End(Ending::NotAnActor),
    ] {
        let skip =
            |policy| sleeper().skip(&decision, noon(), &memory, policy, at_work(Duration::ZERO));
        assert_eq!(skip(Policy::Redux), Some(Skip::NotNow));
        assert_eq!(skip(Policy::Plugin), None);
    }
}

#[test]
fn whoever_was_asked_in_vain_rests_longer_each_time_until_it_comes() {
    let (agent, seen) = (AgentId(1), Some(ago(600)));
    let mut memory = Memory::default();
    let mut now = noon();
    for minutes in [15, 30, 60, 120, 240, 240] {
        memory.asked(agent, seen, now);
        let after = |minutes| now + TimeDelta::minutes(minutes);
        assert!(memory.rests(agent, seen, now));
        assert!(memory.rests(agent, seen, after(minutes - 1)), "{minutes}");
        assert!(!memory.rests(agent, seen, after(minutes)), "{minutes}");
        assert!(!memory.rests(AgentId(2), seen, now));
        // It came.
        assert!(!memory.rests(agent, Some(now), after(1)));
        now = after(minutes);
    }
    memory.asked(agent, Some(now), now);
    assert!(!memory.rests(agent, seen, now + TimeDelta::minutes(15)));
    // A clock that was set back keeps nobody asleep.
    assert!(!memory.rests(agent, seen, now - TimeDelta::minutes(1)));
    memory.tidy(now + TimeDelta::hours(7));
    assert_eq!(memory.0.len(), 1);
    memory.tidy(now + TimeDelta::hours(8));
    assert_eq!(memory.0.len(), 0);
}

fn plan(policy: Policy, tasks: &[(usize, &[u32])]) -> Plan {
    let ids = (1..).map(TaskId);
    let places = tasks.iter().map(|(places, _)| *places);
    let mut plan = Plan::new(policy, ids.clone().zip(places));
    for (task, (_, agents)) in ids.zip(tasks) {
        plan.feed(task, agents.iter().copied().map(AgentId), true);
    }
    plan
}

fn asked(plan: &mut Plan) -> Vec<u32> {
    std::iter::from_fn(|| plan.next_agent())
        .map(|id| id.0)
        .collect()
}

#[test]
fn a_place_is_given_on_when_its_agent_does_not_wake_up() {
    let mut plan = plan(Policy::Redux, &[(2, &[1, 2, 3, 4, 5])]);
    assert_eq!(asked(&mut plan), [1, 2]);
    plan.heard(AgentId(2), false);
    assert_eq!(asked(&mut plan), [3]);
    plan.heard(AgentId(1), true);
    plan.heard(AgentId(3), true);
    assert_eq!(asked(&mut plan), Vec::<u32>::new());
}

#[test]
fn an_agent_of_several_tasks_is_asked_once_and_takes_a_place_of_each() {
    let mut plan = plan(
        Policy::Redux,
        &[(1, &[1, 2]), (2, &[3, 1, 4]), (1, &[1, 5])],
    );
    assert_eq!(asked(&mut plan), [1, 3]);
    plan.heard(AgentId(1), false);
    // Both that it held up go on.
    assert_eq!(asked(&mut plan), [2, 4, 5]);
    plan.heard(AgentId(3), true);
    plan.heard(AgentId(4), false);
    assert_eq!(asked(&mut plan), Vec::<u32>::new());
}

/// To the plugin each run of an agent that wakes up counts.
#[test]
fn two_runs_of_one_agent() {
    for (policy, expected) in [(Policy::Plugin, vec![1]), (Policy::Redux, vec![1, 2])] {
        let mut plan = plan(policy, &[(2, &[1, 1, 2])]);
        assert_eq!(asked(&mut plan), expected, "{policy}");
        plan.heard(AgentId(1), true);
        assert_eq!(asked(&mut plan), Vec::<u32>::new(), "{policy}");
    }
}

#[test]
fn a_list_is_asked_for_when_it_is_needed() {
    let mut plan = Plan::new(Policy::Redux, [(TaskId(1), 1), (TaskId(2), 1)]);
    assert_eq!(plan.hungry(), Some(TaskId(1)));
    plan.feed(TaskId(1), [AgentId(1)], false);
    assert_eq!(plan.hungry(), Some(TaskId(2)));
    plan.feed(TaskId(2), [], true);
    assert_eq!(plan.hungry(), None);
    assert_eq!(asked(&mut plan), [1]);
    // Its place is taken: nobody else is needed.
    assert_eq!(plan.hungry(), None);
    plan.heard(AgentId(1), false);
    assert_eq!(plan.hungry(), Some(TaskId(1)));
}

#[rstest]
#[case(Policy::Redux, 1, LEAST_TRIES)]
#[case(Policy::Redux, 20, 200)]
#[case(Policy::Plugin, 1, 1000)]
fn a_fleet_that_is_switched_off_is_not_asked_through(
    #[case] policy: Policy,
    #[case] places: usize,
    #[case] expected: usize,
) {
    let all: Vec<u32> = (0..1000).collect();
    let mut plan = plan(policy, &[(places, &all)]);
    let mut tries = 0;
    while let Some(agent) = plan.next_agent() {
        plan.heard(agent, false);
        tries += 1;
    }
    assert_eq!(tries, expected);
}

proptest! {
    /// Whatever the order in which they answer, and whoever wakes up: no task has more agents awake or asked than places, nobody is asked
    /// twice, and those that a task woke up are the first of its list that wake up at all.
    #[test]
    fn a_pass(
        policy in prop_oneof![Just(Policy::Plugin), Just(Policy::Redux)],
        tasks in prop::collection::vec((0usize..5, prop::collection::vec(0u32..20, 0..20)), 1..5),
        wakes in prop::collection::vec(any::<bool>(), 20),
        order in prop::collection::vec(any::<prop::sample::Index>(), 100),
    ) {
        let lists: Vec<(usize, &[u32])> = tasks.iter().map(|(n, list)| (*n, list.as_slice())).collect();
        let mut plan = plan(policy, &lists);
        let mut asked: BTreeMap<u32, bool> = BTreeMap::new();
        let mut open: Vec<u32> = Vec::new();
        for choice in order {
            while let Some(AgentId(agent)) = plan.next_agent() {
                prop_assert_eq!(asked.insert(agent, wakes[agent as usize]), None);
                open.push(agent);
            }
            for list in &plan.tasks {
                prop_assert!(list.taken <= list.places);
            }
            if open.is_empty() {
                break;
            }
            let agent = open.swap_remove(choice.index(open.len()));
            plan.heard(AgentId(agent), wakes[agent as usize]);
        }
        prop_assert!(open.is_empty());
        let mut wanted: HashSet<u32> = HashSet::new();
        for (places, list) in &tasks {
            let mut seen = HashSet::new();
            let once = list.iter().filter(|agent| policy == Policy::Plugin || seen.insert(**agent));
            wanted.extend(once.filter(|agent| wakes[**agent as usize]).take(*places));
        }
        let woken: HashSet<u32> = asked.iter().filter(|(_, awake)| **awake).map(|(id, _)| *id).collect();
        prop_assert_eq!(woken, wanted);
    }
}

#[rstest]
#[case("wks-1", &[], "wks-1-2026-03-01-09-30-00", &["wks-1"])]
#[case("wks-1", &["office.lan", ""], "old-1-2026-03-01-09-30-00", &["wks-1", "wks-1.office.lan", "old-1"])]
#[case("", &["office.lan"], "wks-1-2026-03-01-09-30-0x", &[])]
#[case("", &[], "-2026-03-01-09-30-00", &[])]
#[case("", &[], "\u{e9}\u{e9}26-03-01-09-30-00", &[])]
#[case("", &[], "", &[])]
fn names_of_a_machine(
    #[case] computer: &str,
    #[case] domains: &[&str],
    #[case] device_id: &str,
    #[case] expected: &[&str],
) {
    assert_eq!(
        names(computer, domains.iter().copied(), device_id),
        expected
    );
}
