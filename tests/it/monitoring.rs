//! Counting what became of runs, on real tables that others write too.

#[path = "monitoring/changes.rs"]
mod changes;
#[path = "monitoring/command.rs"]
mod command;

use fusion_sidecar::domain::ids::TaskId;
use fusion_sidecar::domain::summary::{Board, Kind, Status, TaskSummary};

use crate::support::app::{self, TestApp};
use crate::support::campaign::{Runs, add};
use crate::support::database::TestDb;
use crate::support::site::office;

/// The specification's first example, as task 8: two packages for 40 agents, one of whose names GLPI stored encoded.
pub(crate) async fn office_apps(db: &TestDb) {
    db.set(
        "INSERT INTO {p}deploypackages (id, name, json) VALUES (11, 'LibreOffice', '{}'), (12, 'Thunderbird', '{}');
         INSERT INTO {p}tasks (id, name, is_active, entities_id) VALUES (8, 'Office Apps install', 1, 3);
         INSERT INTO {p}taskjobs (id, {f}tasks_id, name, method, targets, actors) VALUES (80, 8, 'apps &#38; more', 'deployinstall', \
         '[{\"PluginFusioninventoryDeployPackage\":\"11\"},{\"PluginFusioninventoryDeployPackage\":\"12\"}]', \
         '[{\"PluginFusioninventoryAgent\":\"1\"}]')",
    )
    .await;
    let package = Runs::of_package;
    let skipped = Runs {
        line: Some((2, "job skipped")),
        ..package(80, 11, (33, 3), 3)
    };
    add(
        db,
        &[
            package(80, 11, (1, 30), 3),
            package(80, 11, (31, 2), 4),
            skipped,
            package(80, 11, (36, 4), 0),
            package(80, 11, (40, 1), 1),
            package(80, 12, (1, 20), 3),
            package(80, 12, (21, 10), 4),
            package(80, 12, (31, 9), 0),
            package(80, 12, (40, 1), 2),
        ],
    )
    .await;
}

/// The line that the specification gives it.
pub(crate) const OFFICE_APPS: &str = "\
<DEPLOY icon> - Office Apps install - 80 deployments (ok: 50, ko : 12, unneeded : 3) - completion : 81 % - <RUNNING icon>
    + Total targetted devices : 40
    + LibreOffice - ok : 30, ko :  2,  unneeded : 3
    + Thunderbird - ok : 20, ko : 10,  unneeded : 0";

/// The other two, as tasks 9 and 10.
pub(crate) async fn buildings(db: &TestDb) {
    db.set(
        "INSERT INTO {p}ipranges (id, name, entities_id, ip_start, ip_end) VALUES (1, 'Building 42', 0, '10.0.0.1', '10.0.0.9'), \
         (9, '9th circle', 0, '10.9.0.1', '10.9.0.9'), (8, '8th circle', 0, '10.8.0.1', '10.8.0.9'), (7, '7th circle', 0, '10.7.0.1', '10.7.0.9');
         INSERT INTO {p}tasks (id, name, is_active) VALUES (9, 'Building 42', 1), (10, 'Building 666', 1);
         INSERT INTO {p}taskjobs (id, {f}tasks_id, name, method, targets, actors) VALUES \
         (90, 9, 'd', 'networkdiscovery', '[{\"PluginFusioninventoryIPRange\":\"1\"}]', '[{\"PluginFusioninventoryAgent\":\"1\"}]'), \
         (100, 10, 'i', 'networkinventory', '[{\"PluginFusioninventoryIPRange\":\"9\"},{\"PluginFusioninventoryIPRange\":\"8\"},\
         {\"PluginFusioninventoryIPRange\":\"7\"}]', '[{\"PluginFusioninventoryAgent\":\"1\"}]')",
    )
    .await;
    let discovery = |line| Runs {
        itemtype: "PluginFusioninventoryIPRange",
        line: Some((6, line)),
        ..Runs::of_package(90, 1, (1, 1), 3)
    };
    // What an earlier discovery found does not count.
    let first = add(
        db,
        &[
            discovery("[==detail==] ==addtheitem== x [[Printer::1]]"),
            discovery("3 ==devicesfound=="),
        ],
    )
    .await;
    for (count, code, class) in [
        (10, "addtheitem", "NetworkEquipment"),
        (5, "updatetheitem", "NetworkEquipment"),
        (30, "addtheitem", "Printer"),
        (5, "updatetheitem", "Printer"),
        (10, "addtheitem", "PluginFusioninventoryUnmanaged"),
        (90, "updatetheitem", "PluginFusioninventoryUnmanaged"),
    ] {
        db.set(&format!(
            "INSERT INTO {{p}}taskjoblogs ({{f}}taskjobstates_id, items_id, itemtype, state, comment) \
             SELECT {}, 1, 'PluginFusioninventoryAgent', 6, CONCAT('[==detail==] =={code}== kind [[{class}::', seq, ']]') FROM seq_1_to_{count}",
            first + 1
        ))
        .await;
    }
}

/// Counts what has changed.
pub(crate) async fn counted(app: &TestApp) -> std::sync::Arc<Board> {
    app.monitor().round().await.unwrap()
}

/// The line of a task.
pub(crate) fn line(board: &Board, task: u32) -> &TaskSummary {
    let mut tasks = board.tasks.iter();
    tasks.find(|line| line.id == TaskId(task)).unwrap()
}

#[tokio::test]
async fn the_specifications_lines_come_from_the_tables() {
    let app = app::start(|_| {}).await;
    assert_eq!(app.monitor().board().counted_at, None);
    office_apps(&app.db).await;
    buildings(&app.db).await;
    let board = counted(&app).await;
    assert_eq!((board.pending, board.counted_at), (0, Some(app.now())));
    let ids: Vec<u32> = board.tasks.iter().map(|task| task.id.0).collect();
    assert_eq!(ids, [10, 9, 8]);
    assert_eq!(line(&board, 8).to_string(), OFFICE_APPS);
    assert_eq!(line(&board, 8).entity.0, 3);
    assert_eq!(line(&board, 8).jobs[0].name, "apps & more");
    assert_eq!(
        line(&board, 9).to_string(),
        "\
<NETDISCOVERY icon> - Building 42 - discoveries : (50 new devices , 100 updated devices) - completion : N/A - <FINISHED icon>
    + networking devices - 10 new devices, 5 updated devices
    + printers           - 30 new devices, 5 updated devices
    + unknown devices    - 10 new devices, 90 updated devices"
    );
    assert_eq!(
        line(&board, 10).to_string(),
        "\
<NETINVENTORY icon> - Building 666 - targetted devices : 0 - completion : 0 % - <INERROR icon>
    + Total targets : 0
    + IP range :
        9th circle, 8th circle, 7th circle
    + Error :
        no devices found to be inventoried"
    );
    assert_eq!(app.monitor().board(), board);
}

#[tokio::test]
async fn the_last_run_of_each_job_target_and_agent_counts() {
    let app = app::start(|_| {}).await;
    office_apps(&app.db).await;
    // All once more, of which the first ten are done; agent 40 left.
    let again = [
        Runs::of_package(80, 11, (1, 10), 3),
        Runs::of_package(80, 11, (11, 29), 0),
        Runs::of_package(80, 11, (40, 1), 5),
        Runs::of_package(80, 12, (1, 39), 0),
        Runs::of_package(80, 12, (40, 1), 5),
    ];
    add(&app.db, &again).await;
    let board = counted(&app).await;
    let line = line(&board, 8);
    assert_eq!((line.counts.ok, line.counts.prepared), (10, 68));
    assert_eq!((line.counts.total(), line.counts.cancelled), (78, 2));
    assert_eq!(line.sections[0].devices, 39);
    assert_eq!((line.completion, line.status), (Some(12), Status::Running));
}

#[tokio::test]
async fn network_inventories_count_each_device_once() {
    let app = app::start(|_| {}).await;
    buildings(&app.db).await;
    let device = |items_id, itemtype, agents, state| Runs {
        itemtype,
        ..Runs::of_package(100, items_id, agents, state)
    };
    let runs = [
        device(1, "NetworkEquipment", (1, 2), 3),
        device(2, "NetworkEquipment", (1, 2), 4),
        device(1, "Printer", (1, 1), 3),
        device(2, "Printer", (1, 1), 5),
    ];
    add(&app.db, &runs).await;
    let board = counted(&app).await;
    assert_eq!(
        line(&board, 10).to_string(),
        "\
<NETINVENTORY icon> - Building 666 - targetted devices : 3 - completion : 100 % - <INERROR icon>
    + Total targets : 3
    + networking devices - ok : 2, ko : 2
    + printers - ok : 1, ko : 0
    + IP range :
        9th circle, 8th circle, 7th circle
    + Cancelled : 1"
    );
}

#[tokio::test]
async fn a_network_inventory_with_a_device_to_come_is_no_error() {
    let app = app::start(|_| {}).await;
    buildings(&app.db).await;
    app.db
        .set(
            "UPDATE {p}taskjobs SET targets = '[{\"NetworkEquipment\":\"1\"}]' WHERE id = 100;
             UPDATE {p}tasks SET is_active = 0 WHERE id = 9",
        )
        .await;
    let board = counted(&app).await;
    assert_eq!(line(&board, 10).status, Status::Idle);
    assert_eq!(line(&board, 9).status, Status::Off);
    // The job was changed, no run was.
    app.db
        .set("UPDATE {p}taskjobs SET targets = '[{\"PluginFusioninventoryIPRange\":\"9\"}]' WHERE id = 100")
        .await;
    let board = counted(&app).await;
    assert_eq!(line(&board, 10).status, Status::InError);
    assert_eq!(line(&board, 10).sections[0].kind, Kind::NetInventory);
    app.db.set("UPDATE {p}tasks SET is_active = 0").await;
    let board = counted(&app).await;
    assert_eq!(line(&board, 10).status, Status::Off);
    assert_eq!(line(&board, 10).sections[0].errors, [""; 0]);
}

#[tokio::test]
async fn what_does_not_happen_has_a_reason_and_a_moment() {
    let app = app::start(|_| {}).await;
    office(&app.db).await;
    // Wednesday noon: the slot opens at one.
    app.db
        .set(
            "INSERT INTO {p}timeslotentries ({f}timeslots_id, day, `begin`, `end`) VALUES (1, 3, 46800, 50400);
             UPDATE {p}tasks SET {f}timeslots_prep_id = 1, {f}timeslots_exec_id = 1",
        )
        .await;
    let board = counted(&app).await;
    let task = line(&board, 1);
    assert_eq!(task.status, Status::Waiting);
    let one = "2026-03-04T13:00:00".parse().unwrap();
    let held = task.why.as_ref().unwrap();
    assert_eq!((held.until, held.passes), (Some(one), true));
    assert_eq!(task.jobs[0].why.as_ref().unwrap().until, Some(one));
    assert_eq!(
        task.reasons(),
        [
            "the execution slot is closed until 2026-03-04 13:00:00",
            "job 1 : the preparation slot is closed until 2026-03-04 13:00:00",
        ]
    );
    app.clock.advance(std::time::Duration::from_hours(1));
    let board = counted(&app).await;
    assert_eq!(line(&board, 1).reasons(), [""; 0]);
    assert_eq!(line(&board, 1).status, Status::Idle);
}

/// What only a preparation knows is told by its report, as long as that stands.
#[tokio::test]
async fn reasons_come_from_the_last_preparation() {
    use fusion_sidecar::domain::policy::Policy;
    use fusion_sidecar::work::monitor::{Monitor, Source};
    use std::sync::Arc;
    use std::time::Duration;

    let app = app::start(|_| {}).await;
    office(&app.db).await;
    app.db
        .set("UPDATE {p}taskjobs SET actors = '[{\"Computer\":\"99\"}]'")
        .await;
    let preparation = Arc::new(app.preparation(Policy::Redux));
    preparation.pass().await.unwrap();
    let db = preparation.db().clone();
    let read = db.clone();
    let source: Source = Arc::new(move || {
        let db = read.clone();
        Box::pin(async move { Ok(Arc::new(db.catalogue().await?)) })
    });
    let zone = chrono_tz::UTC;
    let monitor = Monitor::new(
        db,
        app.clock.clone(),
        zone,
        Policy::Redux,
        Duration::ZERO,
        source,
    )
    .with_reasons(preparation, Duration::from_secs(150));
    let board = monitor.round().await.unwrap();
    let expected = ["job 1 : its actors are no agent"];
    assert_eq!(line(&board, 1).reasons(), expected);
    assert_eq!(line(&board, 1).status, Status::Idle);
    app.clock.advance(Duration::from_secs(151));
    let board = monitor.round().await.unwrap();
    assert_eq!(line(&board, 1).reasons(), [""; 0]);
}
