use proptest::prelude::*;

use super::*;

/// `ok`, `ko`, `unneeded`, `prepared`, `running`.
fn counts([ok, ko, unneeded, prepared, running]: [u64; 5]) -> Counts {
    Counts {
        prepared,
        running,
        ok,
        unneeded,
        ko,
        ..Counts::default()
    }
}

fn part(items_id: u32, name: &str, counts: Counts) -> Part {
    Part {
        itemtype: "PluginFusioninventoryDeployPackage".to_owned(),
        items_id,
        name: name.to_owned(),
        counts,
    }
}

fn found(itemtype: &str, new: u64, updated: u64) -> Found {
    Found {
        itemtype: itemtype.to_owned(),
        new,
        updated,
    }
}

fn job(method: &str, parts: Vec<Part>) -> JobFacts {
    JobFacts {
        id: JobId(1),
        name: "job".to_owned(),
        method: method.to_owned(),
        parts,
        found: vec![],
        ranges: vec![],
        why: None,
        error: None,
    }
}

fn task(name: &str, devices: &[(Kind, u64)], jobs: Vec<JobFacts>) -> TaskFacts {
    TaskFacts {
        id: TaskId(1),
        name: name.to_owned(),
        entity: EntityId(0),
        is_active: true,
        why: None,
        jobs,
        devices: devices.to_vec(),
    }
}

/// The specification's first example: 80 deployments, of which 15 are open.
fn office() -> TaskFacts {
    let packages = vec![
        part(1, "LibreOffice", counts([30, 2, 3, 4, 1])),
        part(2, "Thunderbird", counts([20, 10, 0, 9, 1])),
    ];
    let jobs = vec![job("deployinstall", packages)];
    task("Office Apps install", &[(Kind::Deploy, 40)], jobs)
}

#[test]
fn the_specifications_deployment() {
    assert_eq!(
        summarise(office()).to_string(),
        "\
<DEPLOY icon> - Office Apps install - 80 deployments (ok: 50, ko : 12, unneeded : 3) - completion : 81 % - <RUNNING icon>
    + Total targetted devices : 40
    + LibreOffice - ok : 30, ko :  2,  unneeded : 3
    + Thunderbird - ok : 20, ko : 10,  unneeded : 0"
    );
}

#[test]
fn the_specifications_discovery() {
    let mut discovery = job(
        "networkdiscovery",
        vec![part(7, "Building 42", counts([1, 0, 0, 0, 0]))],
    );
    discovery.found = vec![
        found("PluginFusioninventoryUnmanaged", 10, 90),
        found("Printer", 30, 5),
        found("NetworkEquipment", 10, 5),
    ];
    assert_eq!(
        summarise(task("Building 42", &[], vec![discovery])).to_string(),
        "\
<NETDISCOVERY icon> - Building 42 - discoveries : (50 new devices , 100 updated devices) - completion : N/A - <FINISHED icon>
    + networking devices - 10 new devices, 5 updated devices
    + printers           - 30 new devices, 5 updated devices
    + unknown devices    - 10 new devices, 90 updated devices"
    );
}

#[test]
fn the_specifications_network_inventory() {
    let mut inventory = job("networkinventory", vec![]);
    inventory.ranges = ["9th circle", "8th circle", "7th circle"]
        .map(String::from)
        .into();
    inventory.error = Some("no devices found to be inventoried".to_owned());
    assert_eq!(
        summarise(task("Building 666", &[], vec![inventory])).to_string(),
        "\
<NETINVENTORY icon> - Building 666 - targetted devices : 0 - completion : 0 % - <INERROR icon>
    + Total targets : 0
    + IP range :
        9th circle, 8th circle, 7th circle
    + Error :
        no devices found to be inventoried"
    );
}

#[test]
fn the_other_kinds_and_a_task_of_several() {
    let of = |method: &str, name: &str, counts| {
        let mut part = part(3, name, counts);
        part.itemtype = "X".to_owned();
        job(method, vec![part])
    };
    let switches = Part {
        itemtype: "NetworkEquipment".to_owned(),
        items_id: 0,
        name: String::new(),
        counts: counts([8, 1, 0, 0, 0]),
    };
    let mut cancelled = counts([9, 0, 0, 0, 0]);
    cancelled.cancelled = 2;
    for (jobs, devices, expected) in [
        (
            vec![of("collect", "registry", counts([10, 1, 0, 1, 0]))],
            (Kind::Collect, 12),
            "<COLLECT icon> - t - 12 collects (ok: 10, ko : 1) - completion : 91 % - <RUNNING icon>\n    \
             + Total targetted devices : 12\n    + registry - ok : 10, ko : 1",
        ),
        (
            vec![of(
                "InventoryComputerESX",
                "vcenter",
                counts([0, 3, 0, 0, 0]),
            )],
            (Kind::Esx, 1),
            "<ESX icon> - t - 3 hypervisors (ok: 0, ko : 3) - completion : 100 % - <INERROR icon>\n    \
             + vcenter - ok : 0, ko : 3",
        ),
        (
            vec![of("wakeonlan", "", counts([0, 0, 0, 2, 0]))],
            (Kind::WakeOnLan, 2),
            "<WAKEONLAN icon> - t - 2 wake-ups (ok: 0, ko : 0) - completion : 0 % - <PREPARED icon>\n    \
             + Total targetted devices : 2",
        ),
        (
            vec![job("networkinventory", vec![switches])],
            (Kind::NetInventory, 9),
            "<NETINVENTORY icon> - t - targetted devices : 9 - completion : 100 % - <INERROR icon>\n    \
             + Total targets : 9\n    + networking devices - ok : 8, ko : 1",
        ),
        (
            vec![
                of("wakeonlan", "", counts([9, 0, 0, 0, 0])),
                of("deployinstall", "a\u{1b}[31m\nb\u{202e}", cancelled),
            ],
            (Kind::Deploy, 9),
            "<DEPLOY icon> - t - 9 deployments (ok: 9, ko : 0, unneeded : 0); 9 wake-ups (ok: 9, ko : 0) \
             - completion : 100 % - <FINISHED icon>\n    + Total targetted devices : 9\n    \
             + a [31m b  - ok : 9, ko : 0,  unneeded : 0\n    + Cancelled : 2\n    + Total targetted devices : 0",
        ),
        (
            vec![job("tea", vec![])],
            (Kind::Deploy, 0),
            "<TASK icon> - t - no jobs - completion : N/A - <IDLE icon>",
        ),
    ] {
        assert_eq!(summarise(task("t", &[devices], jobs)).to_string(), expected);
    }
}

#[test]
fn a_terminal_gets_a_bar() {
    let line = summarise(office()).headline(Style::Terminal);
    assert!(
        line.ends_with(" - completion : [################....] 81 % - <RUNNING icon>"),
        "{line}"
    );
    for (percent, full) in [(0, 0), (4, 0), (5, 1), (99, 19), (100, 20)] {
        let mut facts = office();
        facts.jobs[0].parts = vec![part(1, "x", counts([percent, 0, 0, 100 - percent, 0]))];
        let line = summarise(facts).headline(Style::Terminal);
        assert_eq!(line.matches('#').count(), full, "{line}");
    }
}

#[test]
fn the_same_target_of_two_jobs_is_one_part() {
    let mut facts = office();
    let again = part(2, "Thunderbird", counts([1, 0, 0, 0, 0]));
    facts.jobs.push(job("deployinstall", vec![again]));
    let line = summarise(facts);
    assert_eq!((line.sections.len(), line.jobs.len()), (1, 2));
    let parts: Vec<u64> = line.sections[0]
        .parts
        .iter()
        .map(|part| part.counts.ok)
        .collect();
    assert_eq!(parts, [30, 21]);
}

/// Runs that are under way, waiting, ended well, ended badly; on; cannot work; due: and the status.
type Case = ([u64; 4], bool, bool, bool, Status);

#[test]
fn the_first_status_that_applies_counts() {
    use Status::{Finished, Idle, InError, Off, Prepared, Running, Waiting};
    let (on, off) = (true, false);
    let cases: [Case; 16] = [
        ([1, 1, 1, 1], on, true, true, Running),
        ([1, 0, 0, 0], off, false, false, Running),
        ([0, 1, 1, 1], off, true, true, Off),
        ([0, 0, 0, 0], off, false, true, Off),
        ([0, 1, 1, 1], on, true, true, InError),
        ([0, 0, 0, 0], on, true, true, InError),
        ([0, 1, 1, 0], on, false, false, Running),
        ([0, 1, 0, 1], on, false, true, Running),
        ([0, 1, 0, 0], on, false, true, Prepared),
        ([0, 0, 1, 1], on, false, true, InError),
        ([0, 0, 0, 1], on, false, false, InError),
        ([0, 0, 1, 0], on, false, true, Finished),
        ([0, 0, 1, 0], on, false, false, Finished),
        ([0, 0, 0, 0], on, false, true, Waiting),
        ([0, 0, 0, 0], on, false, false, Idle),
        ([0, 0, 0, 0], off, true, false, Off),
    ];
    for ([running, prepared, ok, ko], is_active, cannot_work, is_due, expected) in cases {
        let counts = counts([ok, ko, 0, prepared, running]);
        let status = status(&counts, is_active, cannot_work, is_due);
        assert_eq!(
            status, expected,
            "{counts:?} {is_active} {cannot_work} {is_due}"
        );
    }
    // Sent counts as running, put off as prepared, unneeded as finished; cancelled as nothing.
    for (state, expected) in RunState::ALL.into_iter().zip([
        Prepared, Running, Running, Finished, InError, Idle, Prepared,
    ]) {
        let mut counts = Counts::default();
        counts.add(state, 2, 1);
        assert_eq!(status(&counts, true, false, false), expected, "{state:?}");
    }
}

#[test]
fn a_reason_that_passes_by_itself_makes_a_task_wait() {
    for (passes, expected) in [(true, Status::Waiting), (false, Status::Idle)] {
        let mut job = job("deployinstall", vec![]);
        job.why = Some(Why {
            reason: "the preparation slot".to_owned(),
            until: None,
            passes,
            held: Held::SlotClosed(None),
        });
        let line = summarise(task("t", &[], vec![job]));
        assert_eq!(line.status, expected);
        assert_eq!(line.reasons(), ["job 1 : the preparation slot"]);
    }
}

#[test]
fn completion_is_rounded_down() {
    for (numbers, expected) in [
        ([50, 12, 3, 15, 0], 81),
        ([0, 0, 0, 0, 0], 0),
        ([199, 0, 0, 0, 1], 99),
        ([u64::from(u32::MAX), 0, 0, 1, 0], 99),
        ([0, 0, 1, 0, 0], 100),
        ([0, 1, 0, 0, 0], 100),
    ] {
        assert_eq!(counts(numbers).completion(), expected, "{numbers:?}");
    }
}

/// What `/api/v1/tasks` and `tasks --json` promise.
#[test]
fn the_shape_of_the_json() {
    let line = serde_json::to_value(summarise(office())).unwrap();
    for (pointer, expected) in [
        ("/id", serde_json::json!(1)),
        ("/status", "running".into()),
        ("/completion", 81.into()),
        ("/counts/ok", 50.into()),
        ("/why", serde_json::Value::Null),
        ("/sections/0/kind", "deploy".into()),
        ("/sections/0/devices", 40.into()),
        ("/sections/0/parts/1/name", "Thunderbird".into()),
        ("/sections/0/parts/1/counts/ko", 10.into()),
        ("/jobs/0/method", "deployinstall".into()),
    ] {
        assert_eq!(line.pointer(pointer), Some(&expected), "{pointer}");
    }
}

fn any_counts() -> impl Strategy<Value = Counts> {
    prop::collection::vec((0_u32..7, 0_u64..1_000_000, 0_u64..1_000_000), 0..20).prop_map(|adds| {
        let mut counts = Counts::default();
        for (code, runs, unneeded) in adds {
            counts.add(RunState::from_code(code).unwrap(), runs, unneeded);
        }
        counts
    })
}

proptest! {
    #[test]
    fn parts_make_up_the_whole(adds in prop::collection::vec((0_u32..7, 0_u64..1000, 0_u64..2000), 0..20)) {
        let mut counts = Counts::default();
        let mut whole = 0;
        for (code, runs, unneeded) in adds {
            counts.add(RunState::from_code(code).unwrap(), runs, unneeded);
            whole += runs;
        }
        prop_assert_eq!(counts.total() + counts.cancelled, whole);
        prop_assert_eq!(counts.open() + counts.ended(), counts.total());
    }

    #[test]
    fn completion_is_full_only_when_nothing_is_open(counts in any_counts()) {
        let full = counts.total() > 0 && counts.open() == 0;
        prop_assert!(counts.completion() <= 100);
        prop_assert_eq!(counts.completion() == 100, full);
    }

    #[test]
    fn nothing_open_is_neither_running_nor_prepared(counts in any_counts(), active: bool, broken: bool, due: bool) {
        let status = status(&counts, active, broken, due);
        let busy = matches!(status, Status::Running | Status::Prepared);
        prop_assert!(!busy || counts.open() > 0);
        prop_assert!(status != Status::Finished || counts.ko == 0);
    }

    #[test]
    fn sections_add_up_to_the_task(parts in prop::collection::vec((0_usize..6, 0_u32..4, any_counts()), 0..12)) {
        let methods = ["deployinstall", "networkdiscovery", "networkinventory", "collect", "InventoryComputerESX", "wakeonlan"];
        let jobs = parts.into_iter().map(|(method, id, counts)| job(methods[method], vec![part(id, "p", counts)]));
        let line = summarise(task("t", &[], jobs.collect()));
        let of_sections: Counts = line.sections.iter().map(|section| section.counts).sum();
        prop_assert_eq!(of_sections, line.counts);
        for section in &line.sections {
            let of_parts: Counts = section.parts.iter().map(|part| part.counts).sum();
            prop_assert_eq!(of_parts, section.counts);
        }
        prop_assert_eq!(line.to_string().lines().count(), 1 + line.details().len());
    }
}
