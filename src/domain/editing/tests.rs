use proptest::prelude::*;

use super::*;

fn job(job: u32, delay: u32) -> JobPlan {
    JobPlan {
        job: JobId(job),
        delay,
        timeout: None,
        after_success: false,
    }
}

#[test]
fn spans_as_people_write_them() {
    for (text, seconds) in [
        ("0", Some(0)),
        ("90", Some(90)),
        (" 90 s ", Some(90)),
        ("5min", Some(300)),
        ("5 M", Some(300)),
        ("1h30m", Some(5_400)),
        ("1 d 12 h", Some(129_600)),
        ("2 j", Some(172_800)),
        ("366 d", Some(LONGEST)),
        ("366 d 1 s", None),
        ("49710 d", None),
        ("99999999999", None),
        ("", None),
        ("h", None),
        ("-1", None),
        ("1.5 h", None),
        ("1 h 2 h", None),
        ("1 min 2 h", None),
        ("1 h 30", None),
        ("1 fortnight", None),
        ("１ h", None),
    ] {
        assert_eq!(span::parse(text), seconds, "{text:?}");
    }
}

#[test]
fn what_cannot_be() {
    let plan = |delays: &[u32]| Plan {
        jobs: (1..)
            .zip(delays)
            .map(|(id, delay)| job(id, *delay))
            .collect(),
        ..Plan::default()
    };
    assert_eq!(plan(&[]).check(), Ok(()));
    assert_eq!(plan(&[0, 0, 60]).check(), Ok(()));
    assert_eq!(plan(&[0, 60, 59]).check(), Err(Fault::Order(2)));
    let mut late = plan(&[0, 60]);
    late.max_duration = Some(61);
    assert_eq!(late.check(), Ok(()));
    late.max_duration = Some(60);
    assert_eq!(late.check(), Err(Fault::Late(1)));
    let mut first = plan(&[0, 0]);
    first.jobs[1].after_success = true;
    assert_eq!(first.check(), Ok(()));
    first.jobs[0].after_success = true;
    assert_eq!(first.check(), Err(Fault::First));
    for (mode, is) in [("server", true), ("agent", true), ("", false), ("x", false)] {
        let mut plan = plan(&[0]);
        plan.mode = Some(mode.to_owned());
        assert_eq!(plan.check().is_ok(), is, "{mode}");
    }
}

#[test]
fn changes_as_history_tells_them() {
    let before = Plan {
        jobs: vec![job(1, 0), job(2, 0), job(3, 60)],
        ..Plan::default()
    };
    let mut after = before.clone();
    after.jobs.swap(0, 1);
    after.jobs[1].after_success = true;
    after.jobs[2].delay = 7_200;
    after.jobs[2].timeout = Some(0);
    after.mode = Some("agent".to_owned());
    after.min_period = Some(604_800);
    let lines =
        |changes: Vec<Change>| -> Vec<String> { changes.iter().map(ToString::to_string).collect() };
    let name = |job: JobId| format!("job {job}");
    assert_eq!(
        lines(before.changes(&after, name)),
        [
            "mode: default → agent",
            "minimum period: default → 7 d",
            "order of jobs: job 1, job 2, job 3 → job 2, job 1, job 3",
            "job 1: after success of the job before: no → yes",
            "job 3: delay: 1 min → 2 h",
            "job 3: time-out: default → never",
        ]
    );
    // A job that went, and one that came, change nobody's order.
    after = before.clone();
    after.jobs.remove(1);
    after.jobs.insert(0, job(4, 0));
    assert_eq!(
        lines(before.changes(&after, name)),
        [
            "job 2: a job of the task → none",
            "job 4: none → a job of the task"
        ]
    );
}

fn plan() -> impl Strategy<Value = Plan> {
    let bound = || prop::option::of(0..=LONGEST);
    let job = (0u32..9, 0u32..3, bound(), any::<bool>());
    let jobs = prop::collection::vec(job, 0..5);
    let mode = prop::option::of("agent|server|x\"\\\\");
    (mode, bound(), bound(), jobs).prop_map(|(mode, max_duration, min_period, jobs)| {
        let mut plan = Plan {
            mode,
            max_duration,
            min_period,
            jobs: vec![],
        };
        for (id, delay, timeout, after_success) in jobs {
            if plan.jobs.iter().all(|of| of.job != JobId(id)) {
                plan.jobs.push(JobPlan {
                    job: JobId(id),
                    delay,
                    timeout,
                    after_success,
                });
            }
        }
        plan
    })
}

proptest! {
    #[test]
    fn a_form_brings_back_what_it_showed(plan in plan()) {
        prop_assert_eq!(Plan::unpack(&plan.pack()), Some(plan));
    }

    #[test]
    fn there_is_a_change_exactly_when_something_differs(one in plan(), other in plan()) {
        let changes = one.changes(&other, |job| job.to_string());
        // A mode without rows, and one that says nothing, are called the same by their words alone.
        prop_assert_eq!(changes.is_empty(), one == other);
        prop_assert!(one.changes(&one, |job| job.to_string()).is_empty());
    }

    #[test]
    fn spans_come_back(seconds in 0..=LONGEST) {
        prop_assert_eq!(span::parse(&span::text(seconds)), Some(seconds));
    }
}
