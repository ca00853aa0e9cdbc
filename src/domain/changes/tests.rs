use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::domain::actors::Target;
use crate::domain::timeslot::Entry;

fn thing(class: &str, id: u32) -> Item {
    Item::Thing(Target {
        itemtype: class.to_owned(),
        items_id: id,
    })
}

const fn time(day: u32, begin: u32, end: u32) -> Item {
    Item::Time(Entry { day, begin, end })
}

fn computers(ids: impl IntoIterator<Item = u32>) -> Vec<Item> {
    ids.into_iter().map(|id| thing("Computer", id)).collect()
}

/// Task “t” on a slot, with job 5, which is called “a”.
fn state() -> State {
    let job = Values::default()
        .text(Field::Name, "a")
        .text(Field::Method, "deployinstall")
        .list(
            Field::Targets,
            &[thing("PluginFusioninventoryDeployPackage", 1)],
        )
        .list(Field::Actors, &computers([1, 2]));
    State {
        values: Values::default()
            .text(Field::Name, "t")
            .number(Field::PrepSlot, 3)
            .list(Field::PrepTimes, &[time(1, 0, 60)])
            .flag(Field::Active, true)
            .flag(Field::Again, false),
        jobs: [(JobId(5), job)].into(),
    }
}

/// The task's fields with one set.
fn with(set: impl Fn(Values) -> Values) -> State {
    let mut state = state();
    state.values = set(state.values);
    state
}

/// The job's.
fn with_job(set: impl Fn(Values) -> Values) -> State {
    let mut state = state();
    let job = state.jobs.remove(&JobId(5)).unwrap();
    state.jobs.insert(JobId(5), set(job));
    state
}

/// Without it, and with another one.
fn another_job() -> State {
    let mut state = state();
    let job = Values::default().text(Field::Name, "b");
    state.jobs = [(JobId(6), job)].into();
    state
}

#[rstest]
#[case(with(|of| of.text(Field::Name, "u")), &["name: t → u"])]
#[case(with(|of| of.flag(Field::Active, false)), &["active: 1 → "])]
#[case(with(|of| of.flag(Field::Again, true)), &["again:  → 1"])]
#[case(with(|of| of.number(Field::Entity, 2)), &["entity:  → 2"])]
#[case(with(|of| of.moment(Field::Start, Some(7)).moment(Field::End, Some(9))), &["start:  → 7", "end:  → 9"])]
#[case(with(|of| of.number(Field::WakeupAgents, 10)), &["wakeup_agents:  → 10"])]
// Another slot has other times; the same slot had entries added and taken away.
#[case(with(|of| of.number(Field::PrepSlot, 4).list(Field::PrepTimes, &[])), &["prep_slot: 3 → 4"])]
#[case(with(|of| of.list(Field::PrepTimes, &[time(1, 0, 90), time(2, 0, 9)])), &["prep_times: 1 0 60 → 1 0 90,2 0 9"])]
#[case(with(|of| of.number(Field::ExecSlot, 3).list(Field::ExecTimes, &[time(1, 0, 60)])), &["exec_slot:  → 3"])]
#[case(another_job(), &["5 a job_removed:  → ", "6 b job_added:  → "])]
#[case(with_job(|of| of.text(Field::Name, "b").text(Field::Comment, "c")), &["5 b name: a → b", "5 b comment:  → c"])]
#[case(with_job(|of| of.text(Field::Method, "collect")), &["5 a method: deployinstall → collect"])]
#[case(with_job(|of| of.list(Field::Actors, &computers([2, 3, 4]))), &["5 a actors: Computer 1 → Computer 3,Computer 4"])]
#[case(with_job(|of| of.list(Field::Actors, &computers([1, 1, 2]))), &["5 a actors:  → Computer 1"])]
#[case(with_job(|of| of.list(Field::Actors, &computers([2, 1]))), &["5 a actors:  → "])]
#[case(with_job(|of| of.list(Field::Actors, &computers(0..101))), &["5 a actors: #2 → #101"])]
fn what_differs_is_named(#[case] after: State, #[case] expected: &[&str]) {
    let told: Vec<String> = state().changes(&after).iter().map(tell).collect();
    assert_eq!(told, expected);
    assert_eq!(after.changes(&after), []);
    assert_ne!(state().pack().digest, after.pack().digest);
}

fn tell(change: &Change) -> String {
    let job = change.job.as_ref();
    let job = job.map(|(id, name)| format!("{id} {name} "));
    let (job, field) = (job.unwrap_or_default(), change.field.word());
    format!("{job}{field}: {} → {}", change.old, change.new)
}

#[test]
fn long_values_are_cut_and_a_change_behind_the_cut_is_seen() {
    let long =
        |last: &str| with(|of| of.text(Field::Comment, &format!("{}{last}", "é".repeat(300))));
    let changes = long("a").changes(&long("b"));
    assert_eq!(changes.len(), 1);
    assert!(
        changes[0]
            .new
            .starts_with(&format!("{}… #", "é".repeat(255)))
    );
    assert!(changes[0].new.chars().count() < 300);
    let many = |ids: Vec<u32>| with_job(|of| of.list(Field::Actors, &computers(ids.clone())));
    let (one, other) = (many((0..5_000).collect()), many((1..5_001).collect()));
    let told: Vec<String> = one.changes(&other).iter().map(tell).collect();
    assert_eq!(told, ["5 a actors: #5000 → #5000"]);
    assert!(one.pack().text.len() < 400, "{}", one.pack().text);
    // What a change names has a bound too, and tells how many it leaves out.
    let changes = many(vec![]).changes(&many((10_000..10_100).collect()));
    let named = items(&changes[0].new);
    assert_eq!(named[0], thing("Computer", 10_000));
    assert_eq!(named.last(), Some(&Item::More(101 - named.len())));
    assert!(changes[0].new.len() < 1_000);
    // A class is whatever somebody wrote into the JSON.
    let odd = with_job(|of| {
        of.list(
            Field::Targets,
            &[thing("<b>,# ", 1), thing(&"x".repeat(5_000), 2)],
        )
    });
    let changes = state().changes(&odd);
    assert_eq!(items(&changes[0].new)[0], thing("b", 1));
    assert!(changes[0].new.len() < 300);
}

#[test]
fn many_changes_are_counted() {
    let after = State {
        jobs: (1..=300)
            .map(|job| (JobId(job), Values::default()))
            .collect(),
        ..state()
    };
    let changes = state().changes(&after);
    assert_eq!(changes.len(), MOST_CHANGES);
    assert_eq!(tell(&changes[99]), "more:  → 204");
}

#[test]
fn what_another_version_packed_is_compared_with_none() {
    let text = state().pack().text;
    assert_eq!(State::unpack(&text), Some(state()));
    for other in [
        text.replacen("[1,", "[2,", 1),
        text.replacen("\"name\"", "\"title\"", 1),
        String::new(),
        "[1]".to_owned(),
    ] {
        assert_eq!(State::unpack(&other), None, "{other}");
    }
}

/// While a task is edited PHP can change its timeslots and add a job: that is left to be found.
#[test]
fn what_others_did_meanwhile_is_not_the_editors() {
    let mut after = with(|of| of.text(Field::Name, "mine").list(Field::PrepTimes, &[]));
    let job = |name| Values::default().text(Field::Name, name);
    after.jobs = [(JobId(6), job("mine")), (JobId(7), job("theirs"))].into();
    let edited = state().edited(&after, &[JobId(5), JobId(6)]);
    let told: Vec<String> = edited.changes(&after).iter().map(tell).collect();
    assert_eq!(told, ["prep_times: 1 0 60 → ", "7 theirs job_added:  → "]);
    let told: Vec<String> = state().changes(&edited).iter().map(tell).collect();
    assert_eq!(
        told,
        [
            "name: t → mine",
            "5 a job_removed:  → ",
            "6 mine job_added:  → "
        ]
    );
    // Its slot is another one by the edit, and so are the times.
    let after = with(|of| {
        of.number(Field::PrepSlot, 4)
            .list(Field::PrepTimes, &[time(7, 0, 1)])
    });
    assert_eq!(state().edited(&after, &[]), after);
}

#[test]
fn two_lists_by_time() {
    let at = |moments: &[i64]| -> Vec<Option<NaiveDateTime>> {
        let of = |at: &i64| chrono::DateTime::from_timestamp(*at, 0).map(|at| at.naive_utc());
        moments
            .iter()
            .map(|at| if *at < 0 { None } else { of(at) })
            .collect()
    };
    for (first, second, most, order) in [
        (&[][..], &[][..], 9, ""),
        (&[9, 5, 1], &[8, 6, 5], 9, "abbaba"),
        (&[9, 5, 1], &[8, 6, 5], 4, "abba"),
        (&[5, -1, 4], &[9, 4], 9, "baaab"),
        (&[5], &[-1, 4], 9, "bab"),
        (&[], &[3, 2], 1, "b"),
    ] {
        let found = interleaved(&at(first), &at(second), most);
        let found: String = found
            .into_iter()
            .map(|is_b| if is_b { 'b' } else { 'a' })
            .collect();
        assert_eq!(found, order, "{first:?} {second:?}");
    }
}

/// Values of every kind; few of each, so that many are the same.
fn values(fields: &'static [Field]) -> impl Strategy<Value = Values> {
    let value = prop_oneof![Just(""), Just("1"), Just("2"), Just("é &\",'")];
    let all = proptest::collection::vec((proptest::sample::select(fields), value, 0..4u32), 0..9);
    all.prop_map(|all| {
        all.into_iter().fold(
            Values::default(),
            |values, (field, text, number)| match field.kind() {
                Kind::Text => values.text(field, text),
                Kind::Things => values.list(field, &computers(0..number)),
                Kind::Times => values.list(field, &[time(number, 1, 2)]),
                Kind::Moment => values.moment(field, Some(number.into())),
                Kind::Flag => values.flag(field, number > 1),
                Kind::Slot | Kind::Entity | Kind::Number | Kind::Whole => {
                    values.number(field, number)
                }
            },
        )
    })
}

const OF_TASK: [Field; 12] = [
    Field::Name,
    Field::Comment,
    Field::Entity,
    Field::Active,
    Field::Start,
    Field::End,
    Field::PrepSlot,
    Field::PrepTimes,
    Field::ExecSlot,
    Field::ExecTimes,
    Field::WakeupAgents,
    Field::Again,
];

const OF_JOB: [Field; 4] = [Field::Name, Field::Method, Field::Targets, Field::Actors];

fn states() -> impl Strategy<Value = State> {
    let jobs = proptest::collection::btree_map((1..5u32).prop_map(JobId), values(&OF_JOB), 0..4);
    (values(&OF_TASK), jobs).prop_map(|(values, jobs)| State { values, jobs })
}

proptest! {
    #[test]
    fn exactly_what_differs_is_named(before in states(), after in states()) {
        prop_assert_eq!(before.changes(&before), vec![]);
        prop_assert_eq!(State::unpack(&before.pack().text), Some(before.clone()));
        prop_assert_eq!(before == after, before.pack() == after.pack());
        let differs = |a: &Values, b: &Values, field: Field| a.get(field) != b.get(field);
        let mut expected: Vec<(Field, Option<JobId>)> = vec![];
        for field in OF_TASK {
            let is_of_another = match field {
                Field::PrepTimes => differs(&before.values, &after.values, Field::PrepSlot),
                Field::ExecTimes => differs(&before.values, &after.values, Field::ExecSlot),
                _ => false,
            };
            if !is_of_another && differs(&before.values, &after.values, field) {
                expected.push((field, None));
            }
        }
        for id in (1..5).map(JobId) {
            match (before.jobs.get(&id), after.jobs.get(&id)) {
                (None, Some(_)) => expected.push((Field::JobAdded, Some(id))),
                (Some(_), None) => expected.push((Field::JobRemoved, Some(id))),
                (Some(a), Some(b)) => {
                    expected.extend(OF_JOB.iter().filter(|of| differs(a, b, **of)).map(|of| (*of, Some(id))));
                }
                (None, None) => {}
            }
        }
        let changes = before.changes(&after);
        let mut named: Vec<_> = changes.iter().map(|of| (of.field, of.job.as_ref().map(|job| job.0))).collect();
        named.sort_unstable();
        expected.sort_unstable();
        prop_assert_eq!(named, expected);
        // Each says from what to what.
        let value = |state: &State, change: &Change| match &change.job {
            Some((id, _)) => state.jobs.get(id).map(|of| of.get(change.field).to_owned()),
            None => Some(state.values.get(change.field).to_owned()),
        };
        for change in &changes {
            if !matches!(change.field.kind(), Kind::Whole | Kind::Things | Kind::Times) {
                prop_assert_eq!(Some(change.old.clone()), value(&before, change));
                prop_assert_eq!(Some(change.new.clone()), value(&after, change));
            }
        }
    }
}
