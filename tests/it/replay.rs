//! Replays against a subject that the tests know: what is loaded, what is seen.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::Router;
use axum::response::IntoResponse as _;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use fusion_sidecar::db::scratch::{Cell, Row, Scratch, ScratchError};
use fusion_sidecar::replay::{self, Base, Job, Limits, Moment, Outcome, Recording, Subject};
use mysql_async::Conn;
use mysql_async::prelude::Queryable as _;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::database::{self, TestDb};
use crate::support::listen::serving;

const RUNS: &str = "glpi_plugin_fusioninventory_taskjobstates";
const LOGS: &str = "glpi_plugin_fusioninventory_taskjoblogs";

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/recordings")
}

fn base() -> Base {
    Base::read(&directory().join("base.json")).unwrap()
}

fn moment(zone: Tz) -> Moment {
    Moment::new(
        "2026-03-04T12:00:00Z".parse::<DateTime<Utc>>().unwrap(),
        zone,
    )
}

/// A server that answers every request with `answer`.
async fn subject(answer: Value) -> Subject {
    let router = Router::new().fallback(async move || answer.to_string().into_response());
    Subject {
        base_url: format!("http://{}", serving(router).await),
        files: PathBuf::from("/nonexistent"),
        limits: Limits {
            timeout: Duration::from_secs(10),
            answer: 10_000,
        },
    }
}

/// One run; a request; a job that may write. The reference answered `{}`, moved the run, added another, and logged it.
fn recording() -> Recording {
    serde_json::from_value(json!({
        "name": "example",
        "rows": {RUNS: [{"id": 5, "plugin_fusioninventory_taskjobs_id": 1, "state": 0, "uniqid": "5f0c2ab000001", "date_start": "@now+3600"}]},
        "steps": [
            {"path": "/", "reference": {"status": 200, "json": {}}},
            {"cron": "prepare", "reference": {"rc": 0}}
        ],
        "reference_changes": {
            RUNS: [
                {"added": {
                    "id": "new 1", "plugin_fusioninventory_taskjobs_id": 1, "items_id": 0, "itemtype": null, "state": 0,
                    "plugin_fusioninventory_agents_id": 0, "specificity": null, "uniqid": "<uniqid>", "date_start": "@now",
                    "nb_retry": 0, "max_retry": 1
                }},
                {"changed": 5, "to": {"state": 1}}
            ],
            LOGS: [{"added": {
                "id": "new 1", "plugin_fusioninventory_taskjobstates_id": "new 1", "date": "@now-3600", "items_id": 0, "itemtype": null,
                "state": 7, "comment": "prepared"
            }}]
        }
    }))
    .unwrap()
}

async fn play(db: &TestDb, subject: &Subject, sql: &[&str]) -> Outcome {
    let mut conn = db.conn().await;
    let job = async |job| {
        assert_eq!(job, Job::Prepare);
        for statement in sql {
            db.exec(statement).await;
        }
        if sql.is_empty() {
            Err("nothing to do".to_owned())
        } else {
            Ok(())
        }
    };
    let outcome = replay::play(
        &recording(),
        &base(),
        subject,
        &moment(Tz::UTC),
        &mut conn,
        job,
    )
    .await
    .unwrap();
    conn.disconnect().await.unwrap();
    outcome
}

fn differences(outcome: &Outcome) -> Vec<String> {
    replay::differences(&recording(), outcome)
        .iter()
        .map(ToString::to_string)
        .collect()
}

/// What the reference did, as SQL; the ids are not those of the recording.
const AS_RECORDED: [&str; 4] = [
    "SET time_zone = '+00:00'",
    "UPDATE glpi_plugin_fusioninventory_taskjobstates SET state = 1 WHERE id = 5",
    "INSERT INTO glpi_plugin_fusioninventory_taskjobstates (id, plugin_fusioninventory_taskjobs_id, uniqid, date_start) \
     VALUES (77, 1, 'abc', '2026-03-04 12:00:10')",
    "INSERT INTO glpi_plugin_fusioninventory_taskjoblogs (id, plugin_fusioninventory_taskjobstates_id, date, state, comment) \
     VALUES (3, 77, '2026-03-04 11:00:00', 7, 'ready')",
];

#[tokio::test]
async fn a_subject_that_does_what_is_recorded_conforms_again_and_again() {
    let (db, subject) = (database::fresh().await, subject(json!({})).await);
    for _ in 0..2 {
        assert_eq!(
            differences(&play(&db, &subject, &AS_RECORDED).await),
            Vec::<String>::new()
        );
    }
}

#[tokio::test]
async fn what_a_subject_does_otherwise_is_found() {
    let (db, subject) = (database::fresh().await, subject(json!({"jobs": []})).await);
    let found = differences(&play(&db, &subject, &[]).await);
    assert_eq!(
        found[..2],
        [
            "step 0: json.jobs: expected nothing, got []",
            "step 1: exit code: expected 0, got 1 (nothing to do)"
        ]
    );
    let tables: Vec<&str> = found[2..]
        .iter()
        .filter_map(|line| line.split(": expected [{").next())
        .collect();
    assert_eq!(tables, [LOGS, RUNS], "{found:?}");
    let mut other = AS_RECORDED;
    other[1] = "UPDATE glpi_plugin_fusioninventory_taskjobstates SET state = 2 WHERE id = 5";
    let outcome = play(&db, &subject, &other).await;
    assert_eq!(
        differences(&outcome)[1..],
        ["glpi_plugin_fusioninventory_taskjobstates[1].to.state: expected 1, got 2"]
    );
}

#[tokio::test]
async fn a_subject_that_is_gone_has_no_answer() {
    let db = database::fresh().await;
    let mut subject = subject(json!({})).await;
    "http://127.0.0.1:1".clone_into(&mut subject.base_url);
    let found = differences(&play(&db, &subject, &AS_RECORDED).await);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].starts_with("step 0: answer: expected one, got no answer"),
        "{found:?}"
    );
}

/// Plays without steps, to see what is loaded.
async fn load(recording: &mut Recording, conn: &mut Conn, zone: Tz, files: &Path) {
    recording.steps.clear();
    let mut subject = subject(json!({})).await;
    subject.files = files.to_owned();
    let job = async |_| Err("no step".to_owned());
    let outcome = replay::play(recording, &base(), &subject, &moment(zone), conn, job)
        .await
        .unwrap();
    assert!(outcome.changes.is_empty() && outcome.ends.is_empty());
}

#[tokio::test]
async fn every_recording_loads_whole() {
    let db = database::fresh().await;
    let mut conn = db.conn().await;
    let base = base();
    let files = tempfile::tempdir().unwrap();
    let mut loaded = 0;
    for entry in std::fs::read_dir(directory()).unwrap() {
        let path = entry.unwrap().path();
        if path.ends_with("base.json") {
            continue;
        }
        loaded += 1;
        let mut recording = Recording::read(&path).unwrap();
        let expected: BTreeMap<String, usize> = recording
            .rows_on(&base)
            .into_iter()
            .map(|(table, rows)| (table, rows.len()))
            .collect();
        load(&mut recording, &mut conn, Tz::UTC, files.path()).await;
        let scratch = Scratch::open(&mut conn, &base.watched, "+00:00")
            .await
            .unwrap();
        let dump = scratch.dump(&mut conn).await.unwrap();
        assert_eq!(
            dump.len(),
            base.watched.len(),
            "the database lacks a watched table"
        );
        let got: BTreeMap<String, usize> = dump
            .into_iter()
            .map(|(table, rows)| (table, rows.len()))
            .filter(|(_, rows)| *rows > 0)
            .collect();
        let expected: BTreeMap<String, usize> =
            expected.into_iter().filter(|(_, rows)| *rows > 0).collect();
        assert_eq!(got, expected, "{}", recording.name);
    }
    assert!(loaded > 100, "only {loaded} recordings");
    conn.disconnect().await.unwrap();
}

#[rstest]
#[case(Tz::UTC, "2026-03-04 13:00:00", "2026-03-04 13:00:00")]
#[case(Tz::Europe__Berlin, "2026-03-04 14:00:00", "2026-03-04 13:00:00")]
#[tokio::test]
async fn values_are_stored_as_they_are_meant(
    #[case] zone: Tz,
    #[case] shown: &str,
    #[case] stored: &str,
) {
    let db = database::fresh().await;
    let mut conn = db.conn().await;
    let files = tempfile::tempdir().unwrap();
    load(&mut recording(), &mut conn, zone, files.path()).await;
    let start = "SELECT CAST(date_start AS CHAR) FROM glpi_plugin_fusioninventory_taskjobstates";
    assert_eq!(
        conn.query_first::<String, _>(start).await.unwrap().unwrap(),
        shown
    );
    conn.query_drop("SET time_zone = '+00:00'").await.unwrap();
    assert_eq!(
        conn.query_first::<String, _>(start).await.unwrap().unwrap(),
        stored
    );
    let entities: Vec<u32> = conn
        .query("SELECT id FROM glpi_entities ORDER BY id")
        .await
        .unwrap();
    assert_eq!(entities, [0, 1, 2, 3]);
    conn.disconnect().await.unwrap();
}

#[tokio::test]
async fn own_rows_of_runs_are_emptied_and_others_stay() {
    let db = database::fresh().await;
    let mut conn = db.conn().await;
    db.exec(
        "CREATE TABLE glpi_plugin_fusioninventory_sidecar_a (plugin_fusioninventory_agents_id INT);
         CREATE TABLE glpi_plugin_fusioninventory_sidecar_b (agents INT);
         INSERT INTO glpi_plugin_fusioninventory_sidecar_a VALUES (1);
         INSERT INTO glpi_plugin_fusioninventory_sidecar_b VALUES (1)",
    )
    .await;
    let scratch = Scratch::open(&mut conn, &base().watched, "+00:00")
        .await
        .unwrap();
    scratch.clear(&mut conn).await.unwrap();
    for (table, left) in [("sidecar_a", 0), ("sidecar_b", 1)] {
        let count: Vec<u32> = db
            .rows(&format!(
                "SELECT COUNT(*) FROM glpi_plugin_fusioninventory_{table}"
            ))
            .await;
        assert_eq!(count, [left], "{table}");
    }
    conn.disconnect().await.unwrap();
}

#[tokio::test]
async fn names_that_the_database_does_not_have_reach_no_statement() {
    let db = database::fresh().await;
    let mut conn = db.conn().await;
    let scratch = Scratch::open(&mut conn, &base().watched, "+00:00")
        .await
        .unwrap();
    let row = |column: &str| Row::from([(column.to_owned(), Cell::Integer(1))]);
    let table = "glpi_states`; DROP TABLE glpi_states; --";
    let inserted = scratch.insert(&mut conn, table, &row("id")).await;
    assert!(matches!(inserted, Err(ScratchError::NoTable(name)) if name == table));
    let inserted = scratch
        .insert(&mut conn, "glpi_states", &row("id`) VALUES (1); --"))
        .await;
    assert!(
        matches!(inserted, Err(ScratchError::NoColumn { .. })),
        "{inserted:?}"
    );
    assert!(scratch.dump(&mut conn).await.unwrap()["glpi_states"].is_empty());
    conn.disconnect().await.unwrap();
}
