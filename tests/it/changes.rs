//! What is changed in GLPI is found by comparing, once, however many sidecars look, and whatever a sidecar changes itself is not taken for it.
//! PHP is raw SQL here, as it writes these tables.

use std::time::Duration;

use chrono::NaiveDateTime;
use fusion_sidecar::db::Db;
use fusion_sidecar::db::editing::Saved;
use fusion_sidecar::db::editing::jobs::{Drafted, Fate, Taken};
use fusion_sidecar::db::history::Author;
use fusion_sidecar::domain::cleaning::Duty;
use fusion_sidecar::domain::editing::Change;
use fusion_sidecar::domain::editing::job::Draft;
use fusion_sidecar::domain::ids::TaskId;
use fusion_sidecar::domain::policy::Policy;
use fusion_sidecar::domain::timeslot::hours::HourRow;
use fusion_sidecar::work::changes::Changes;
use futures_util::future::join3;

use crate::support::app::{TestApp, start_on};
use crate::support::database::fresh;
use crate::support::site::{CLOSED, office};

/// Noon, when everything was looked at first.
const NOON: &str = "2026-03-04 12:00:00";

/// The small site, its task on slot 1, with nothing looked at yet.
async fn unseen() -> TestApp {
    let db = fresh().await;
    office(&db).await;
    db.set(
        "INSERT INTO {p}timeslots (id, name) VALUES (1, 'Days');
         INSERT INTO {p}timeslotentries (id, {f}timeslots_id, day, `begin`, `end`) VALUES (1, 1, 1, 28800, 43200), (2, 2, 1, 0, 60);
         UPDATE {p}tasks SET {f}timeslots_prep_id = 1",
    )
    .await;
    start_on(db, |_| {}).await
}

/// The same, looked at at noon; it is a minute later now.
async fn seen() -> TestApp {
    let app = unseen().await;
    assert_eq!(look(&app).await, 0);
    app.clock.advance(Duration::from_mins(1));
    app
}

fn db(app: &TestApp) -> Db {
    app.preparation(Policy::Redux).db().clone()
}

fn changes(app: &TestApp) -> Changes {
    Changes::new(db(app), app.clock.clone(), chrono_tz::UTC, 365)
}

/// One look; how many changes it found.
async fn look(app: &TestApp) -> usize {
    changes(app).pass().await.unwrap().changes
}

/// Task, job, field, old and new value of each change.
async fn found(app: &TestApp) -> Vec<String> {
    let rows: Vec<(u32, u32, String, String, String, String)> = app
        .db
        .ask("SELECT {f}tasks_id, {f}taskjobs_id, job, field, old_value, new_value FROM {p}sidecar_changes ORDER BY id")
        .await;
    rows.into_iter()
        .map(|(task, job, name, field, old, new)| match job {
            0 => format!("{task} {field}: {old} → {new}"),
            job => format!("{task} {job} {name} {field}: {old} → {new}"),
        })
        .collect()
}

async fn between(app: &TestApp) -> Vec<(NaiveDateTime, NaiveDateTime)> {
    app.db
        .ask("SELECT DISTINCT since, `until` FROM {p}sidecar_changes ORDER BY 1, 2")
        .await
}

fn at(text: &str) -> NaiveDateTime {
    text.parse().unwrap()
}

/// Saves hours of task 1 as the pages do.
async fn save_hours(app: &TestApp, old: &[HourRow], new: &[HourRow]) {
    let db = db(app);
    let change = Change {
        what: "hours".to_owned(),
        old: String::new(),
        new: String::new(),
    };
    let now = app.now().naive_utc();
    let saved = db.save_hours(TaskId(1), old, new, &change, &Author::Unknown, now);
    assert!(matches!(saved.await.unwrap(), Saved::Done(changes) if changes.len() == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_php_changes_is_found_once() {
    let app = seen().await;
    assert_eq!(look(&app).await, 0);
    for (sql, expected) in [
        (
            "UPDATE {p}tasks SET name = 'a &#60;b&#62;', is_active = 0",
            &["1 name: office → a <b>", "1 active: 1 → "][..],
        ),
        (
            "UPDATE {p}tasks SET entities_id = 7, comment = 'c'",
            &["1 comment:  → c", "1 entity:  → 7"],
        ),
        (
            "UPDATE {p}tasks SET datetime_start = '2026-03-05 10:00:00', datetime_end = FROM_UNIXTIME(1772791200)",
            &["1 start:  → 1772704800", "1 end:  → 1772791200"],
        ),
        (
            "UPDATE {p}tasks SET wakeup_agent_counter = 10, wakeup_agent_time = 5, reprepare_if_successful = 0",
            &[
                "1 wakeup_agents:  → 10",
                "1 wakeup_every:  → 5",
                "1 again: 1 → ",
            ],
        ),
        // Waking up is the sidecar's own note, and PHP's.
        ("UPDATE {p}tasks SET last_agent_wakeup = NOW()", &[]),
        (
            "UPDATE {p}tasks SET {f}timeslots_exec_id = 2",
            &["1 exec_slot:  → 2"],
        ),
        (
            "INSERT INTO {p}timeslotentries ({f}timeslots_id, day, `begin`, `end`) VALUES (1, 6, 0, 86399), (3, 1, 0, 1); \
             DELETE FROM {p}timeslotentries WHERE id = 1",
            &["1 prep_times: 1 28800 43200 → 6 0 86399"],
        ),
        ("UPDATE {p}timeslots SET name = 'Nights'", &[]),
        (
            "DELETE FROM {p}timeslotentries WHERE id = 2",
            &["1 exec_times: 1 0 60 → "],
        ),
        (
            "INSERT INTO {p}taskjobs (id, {f}tasks_id, name, method) VALUES (2, 1, 'new', 'collect'), (3, 99, 'of no task', 'collect')",
            &["1 2 new job_added:  → "],
        ),
        (
            "UPDATE {p}taskjobs SET name = 'newer', targets = '[{\"PluginFusioninventoryCollect\":\"4\"}]', actors = '[{\"Group\":5},{\"Computer\":\"1\"}]' \
             WHERE id = 2",
            &[
                "1 2 newer name: new → newer",
                "1 2 newer targets:  → PluginFusioninventoryCollect 4",
                "1 2 newer actors:  → Group 5,Computer 1",
            ],
        ),
        (
            "UPDATE {p}taskjobs SET actors = '[{\"Computer\": \"1\"}, {\"Group\": 5}]' WHERE id = 2",
            &["1 2 newer actors:  → "],
        ),
        // The same in other words.
        (
            "UPDATE {p}taskjobs SET actors = '[ {\"Computer\":1},{\"Group\":\"5\"} ]' WHERE id = 2",
            &[],
        ),
        (
            "UPDATE {p}taskjobs SET method = 'deployinstall', comment = 'x' WHERE id = 2",
            &[
                "1 2 newer comment:  → x",
                "1 2 newer method: collect → deployinstall",
            ],
        ),
        (
            "DELETE FROM {p}taskjobs WHERE id = 2",
            &["1 2 newer job_removed:  → "],
        ),
    ] {
        app.db.set("DELETE FROM {p}sidecar_changes").await;
        app.db.set(sql).await;
        assert_eq!(look(&app).await, expected.len(), "{sql}");
        assert_eq!(found(&app).await, expected, "{sql}");
        assert_eq!(look(&app).await, 0, "{sql}");
    }
    // There is no history of GLPI's that says who did it, as nobody knows.
    assert_eq!(
        app.db.ask::<u32>("SELECT COUNT(*) FROM glpi_logs").await,
        [0]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_come_and_go() {
    let app = unseen().await;
    // An edit before anybody looked: the task is not new for that.
    save_hours(&app, &[], &[HourRow::new(0, 1, 2)]).await;
    assert_eq!(look(&app).await, 0);
    app.clock.advance(Duration::from_mins(1));
    app.db
        .set(
            "INSERT INTO {p}tasks (id, name, entities_id) VALUES (2, 'second', 3), (3, 'third', 0)",
        )
        .await;
    assert_eq!(look(&app).await, 2);
    app.clock.advance(Duration::from_mins(1));
    assert_eq!(look(&app).await, 0);
    assert_eq!(
        between(&app).await,
        [(at("2026-03-04T12:00:00"), at("2026-03-04T12:01:00"))]
    );
    app.clock.advance(Duration::from_mins(1));
    app.db
        .set("DELETE FROM {p}tasks WHERE id = 2; DELETE FROM {p}tasks WHERE id = 1; DELETE FROM {p}taskjobs")
        .await;
    assert_eq!(look(&app).await, 2);
    assert_eq!(look(&app).await, 0);
    let told = [
        "2 created:  → second",
        "3 created:  → third",
        "1 deleted:  → ",
        "2 deleted:  → ",
    ];
    assert_eq!(found(&app).await, told);
    assert_eq!(
        between(&app).await[1],
        (at("2026-03-04T12:02:00"), at("2026-03-04T12:03:00"))
    );
    // Its name and entity are known as long as the change is.
    let gone = async |task| db(&app).gone_task(TaskId(task)).await.unwrap();
    let (name, entity) = gone(2).await.unwrap();
    assert_eq!((&*name, entity.0), ("second", 3));
    assert_eq!(
        (gone(3).await, gone(9).await, gone(0).await),
        (None, None, None)
    );
    // Restored from a backup.
    app.db
        .set("INSERT INTO {p}tasks (id, name) VALUES (2, 'again')")
        .await;
    assert_eq!(look(&app).await, 1);
    assert_eq!(found(&app).await[4], "2 created:  → again");
    // A year later nothing is left but of what is there.
    app.clock.advance(Duration::from_hours(24 * 366));
    look(&app).await;
    assert_eq!(found(&app).await, [""; 0]);
    let rows: Vec<u32> = app
        .db
        .ask("SELECT {f}tasks_id FROM {p}sidecar_snapshots ORDER BY 1")
        .await;
    assert_eq!(rows, [0, 2, 3]);
}

/// Between two looks PHP changes a task and a sidecar edits it. A trigger stands for an edit that also writes to the plugin's tables.
#[tokio::test(flavor = "multi_thread")]
async fn an_edit_of_a_sidecar_is_not_taken_for_phps() {
    let app = seen().await;
    app.db
        .set(
            "CREATE TRIGGER edits AFTER INSERT ON {p}sidecar_hours FOR EACH ROW UPDATE {p}tasks SET comment = 'ours', {f}timeslots_exec_id = 2;
             UPDATE {p}tasks SET name = 'before'",
        )
        .await;
    save_hours(&app, &[], &[HourRow::new(0, 1, 2)]).await;
    // What PHP did before is stored with the edit, what it does after it by the next look.
    assert_eq!(found(&app).await, ["1 name: office → before"]);
    assert_eq!(
        between(&app).await,
        [(at("2026-03-04T12:00:00"), at("2026-03-04T12:01:00"))]
    );
    app.clock.advance(Duration::from_mins(1));
    app.db.set("UPDATE {p}tasks SET name = 'after'").await;
    assert_eq!(look(&app).await, 1);
    assert_eq!(found(&app).await[1..], ["1 name: before → after"]);
    assert_eq!(
        between(&app).await[1],
        (at("2026-03-04T12:01:00"), at("2026-03-04T12:02:00"))
    );
    assert_eq!(look(&app).await, 0);
    // A job that PHP makes while the edit is under way is PHP's.
    app.db
        .set(
            "DROP TRIGGER edits;
             CREATE TRIGGER edits AFTER DELETE ON {p}sidecar_hours FOR EACH ROW \
             INSERT INTO {p}taskjobs (id, {f}tasks_id, name, method) VALUES (2, 1, 'theirs', 'collect')",
        )
        .await;
    save_hours(&app, &[HourRow::new(0, 1, 2)], &[]).await;
    assert_eq!(look(&app).await, 1);
    assert_eq!(found(&app).await[2..], ["1 2 theirs job_added:  → "]);
    // A task that is new when it is edited.
    app.db
        .set("DELETE FROM {p}tasks; DELETE FROM {p}sidecar_snapshots WHERE {f}tasks_id = 1; INSERT INTO {p}tasks (id, name) VALUES (1, 'new')")
        .await;
    save_hours(&app, &[], &[HourRow::new(0, 1, 2)]).await;
    assert_eq!(look(&app).await, 0);
    assert_eq!(found(&app).await[3..], ["1 created:  → new"]);
}

/// What the forms of jobs write is the sidecar's, in both tasks of a move; what PHP did to these before is found all the same.
#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_a_sidecar_edits_were_not_changed_in_glpi() {
    let app = seen().await;
    app.db
        .set("INSERT INTO {p}tasks (id, name) VALUES (2, 'second')")
        .await;
    assert_eq!(look(&app).await, 1);
    let (db, at, author) = (db(&app), app.now().naive_utc(), Author::Unknown);
    let draft = |name: &str| Draft {
        name: name.to_owned(),
        comment: String::new(),
        method: "collect".to_owned(),
        targets: vec![],
        actors: vec![],
    };
    let job = db
        .add_job(TaskId(1), &draft("a"), &author, at)
        .await
        .unwrap();
    let job = job.unwrap();
    let saved = db
        .save_job(job, &draft("a"), &draft("b"), &author, at)
        .await;
    assert!(matches!(saved.unwrap(), Saved::Done(changes) if changes.len() == 1));
    app.db
        .set("UPDATE {p}tasks SET wakeup_agent_counter = id")
        .await;
    for (task, fate) in [
        (1, Fate::Copy(TaskId(2), "c".to_owned())),
        (1, Fate::Move(TaskId(2))),
        (2, Fate::Delete),
    ] {
        let shown = Drafted {
            task: TaskId(task),
            draft: draft("b"),
        };
        let taken = db.take_job(job, &shown, 0, &fate, &author, at).await;
        assert!(matches!(taken.unwrap(), Taken::Done(_)), "{fate:?}");
    }
    assert_eq!(look(&app).await, 0);
    assert_eq!(
        found(&app).await[1..],
        ["1 wakeup_agents:  → 1", "2 wakeup_agents:  → 2"]
    );
}

/// Two sidecars look and one edits at the same time, again and again: every change of PHP's is stored once, and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn however_many_look_a_change_is_stored_once() {
    let app = seen().await;
    app.db
        .set("CREATE TRIGGER edits AFTER INSERT ON {p}sidecar_hours FOR EACH ROW UPDATE {p}tasks SET comment = CONCAT(COALESCE(comment, ''), 'x')")
        .await;
    let (mut hours, mut expected) = (vec![], vec![]);
    for round in 0u8..12 {
        let hour = vec![HourRow::new(0, round, round + 1)];
        app.db
            .set(&format!(
                "UPDATE {{p}}tasks SET wakeup_agent_counter = {}",
                round + 1
            ))
            .await;
        let ((), one, other) = join3(save_hours(&app, &hours, &hour), look(&app), look(&app)).await;
        assert!(one + other <= 1, "{one} {other}");
        hours = hour;
        let old = if round == 0 {
            String::new()
        } else {
            round.to_string()
        };
        expected.push(format!("1 wakeup_agents: {old} → {}", round + 1));
        assert_eq!(found(&app).await, expected);
    }
    assert_eq!(look(&app).await, 0);
}

/// What the sidecar itself cleans away was not deleted in GLPI.
#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_a_sidecar_deletes_is_forgotten() {
    let app = seen().await;
    app.db
        .set(
            "INSERT INTO {p}tasks (id, name, is_active, is_deploy_on_demand) VALUES (2, 'on demand', 1, 1);
             INSERT INTO {p}taskjobs (id, {f}tasks_id, name, method) VALUES (2, 2, 'x', 'deployinstall');
             UPDATE {p}configs SET value = '1' WHERE type = 'clean_on_demand_tasks'",
        )
        .await;
    app.db.run_of(7, 2, 1, 3).await;
    app.db
        .set("INSERT INTO {p}taskjoblogs ({f}taskjobstates_id, date, state, comment) VALUES (7, '2026-01-01 12:00:00', 2, '')")
        .await;
    assert_eq!(look(&app).await, 1);
    assert_eq!(app.clean(Duty::OnDemand).await.unwrap().tasks, 1);
    assert_eq!(look(&app).await, 0);
    assert_eq!(found(&app).await, [""; 0]);
}

/// A snapshot of another version of this program is taken for none; one of a task that another sidecar wrote meanwhile is left to it.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_compared_is_no_change() {
    let app = seen().await;
    app.db
        .set("UPDATE {p}sidecar_snapshots SET state = REPLACE(state, '[1,', '[0,'), digest = 'other' WHERE {f}tasks_id = 1; UPDATE {p}tasks SET name = 'x'")
        .await;
    assert_eq!(look(&app).await, 0);
    app.db.set("UPDATE {p}tasks SET name = 'y'").await;
    assert_eq!(look(&app).await, 1);
    for (close, open, _) in CLOSED {
        app.db
            .set(&format!(
                "{close}; UPDATE {{p}}tasks SET name = CONCAT(name, 'z')"
            ))
            .await;
        let summary = changes(&app).pass().await.unwrap();
        assert!(
            summary.closed.is_some() && summary.changes == 0,
            "{summary:?}"
        );
        app.db.set(open).await;
        assert_eq!(look(&app).await, 1);
    }
    let looked: Vec<String> = app
        .db
        .ask("SELECT CAST(seen_at AS CHAR) FROM {p}sidecar_snapshots WHERE {f}tasks_id = 0")
        .await;
    assert_ne!(looked, [NOON]);
}
