//! Databases that `replay` must not touch: whatever a base says, however the last replay ended.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::database::{self, TestDb};
use crate::support::listen;
use crate::support::process::url;
use crate::support::site::expand;
use crate::support::until::until;

const PROGRAM: &str = env!("CARGO_BIN_EXE_fusion-sidecar");
const RUNS: &str = "glpi_plugin_fusioninventory_taskjobstates";
const AGENTS: &str = "glpi_plugin_fusioninventory_agents";

/// A directory with a base that watches `watched` and one recording with `rows`.
fn recording(watched: &[&str], rows: &Value) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let base = json!({
        "watched": watched, "natural_keys": {}, "references": {}, "ignored": {}, "rows": {}
    });
    let step = json!({"path": "/", "reference": {"status": 200, "json": {}}});
    let one = json!({"name": "one", "rows": rows, "steps": [step], "reference_changes": {}});
    for (name, content) in [("base.json", base), ("one.json", one)] {
        std::fs::write(dir.path().join(name), content.to_string()).unwrap();
    }
    dir
}

/// One run, in a table that is watched.
fn one_run() -> tempfile::TempDir {
    recording(&[RUNS], &json!({RUNS: [{"id": 5, "uniqid": "u5"}]}))
}

fn command(db: &TestDb, url_of_agents: &str, dir: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .args(["replay", "--url", url_of_agents, "--database-url", &url(db)])
        .args(more)
        .arg(dir)
        .stdin(Stdio::null());
    command
}

fn replay(db: &TestDb, dir: &Path, more: &[&str]) -> Output {
    let nobody = listen::closing();
    command(db, &nobody, dir, more).output().unwrap()
}

/// What a replay that played nothing complained of.
fn complaint(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stdout.is_empty(), "it was played: {output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// That it was played: without an answer it differs.
fn played(output: &Output) {
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        said.contains("0 conform, 1 differ, 0 left out"),
        "{output:?}"
    );
}

#[rstest]
#[case::task("{p}tasks", "(id, name) VALUES (900, 'production')")]
#[case::own_hours("{p}sidecar_hours", "VALUES (1, 0, 8, 12)")]
#[case::computer("glpi_computers", "(id, name) VALUES (900, 'wks')")]
#[case::never_watched("{p}printerlogs", "(id, printers_id) VALUES (900, 1)")]
#[tokio::test]
async fn what_a_narrow_base_does_not_watch_is_looked_at_all_the_same(
    #[case] table: &str,
    #[case] values: &str,
    #[values(false, true)] given_before: bool,
) {
    let db = database::fresh().await;
    let dir = one_run();
    if given_before {
        played(&replay(&db, dir.path(), &["--init"]));
    }
    let table = expand(table);
    db.exec(&format!("INSERT INTO {table} {values}")).await;
    let refused = complaint(&replay(&db, dir.path(), &["--init"]));
    assert!(
        refused.contains(&format!("table {table} holds 1 rows")),
        "{refused}"
    );
    let left: Vec<u32> = db.rows(&format!("SELECT COUNT(*) FROM {table}")).await;
    assert_eq!(left, [1]);
}

#[rstest]
#[case::not_watched(&[RUNS], AGENTS, "is not among those that its base watches")]
#[case::not_the_programs(&[RUNS, "glpi_profiles"], RUNS, "glpi_profiles is none that replays may empty")]
#[case::another_schema(&[RUNS, "mysql.user"], RUNS, "mysql.user is none that replays may empty")]
#[case::the_marker(&["glpi_plugin_fusioninventory_sidecar_scratch"], RUNS, "none that replays may empty")]
#[tokio::test]
async fn rows_and_tables_beyond_the_programs_list_are_refused_before_anything_is_written(
    #[case] watched: &[&str],
    #[case] filled: &str,
    #[case] expected: &str,
) {
    let db = database::fresh().await;
    let dir = recording(watched, &json!({filled: [{"id": 5}]}));
    let refused = complaint(&replay(&db, dir.path(), &["--init"]));
    assert!(refused.contains(expected), "{refused}");
    let marker: Vec<String> = db.rows("SHOW TABLES LIKE '%sidecar_scratch'").await;
    assert_eq!(marker, [""; 0]);
    let rows: Vec<u32> = db.rows(&format!("SELECT id FROM {filled}")).await;
    assert_eq!(rows, [0; 0]);
}

#[tokio::test]
async fn a_row_without_id_is_refused_before_anything_is_written() {
    let db = database::fresh().await;
    let dir = recording(&[RUNS], &json!({RUNS: [{"uniqid": "u5"}]}));
    let refused = complaint(&replay(&db, dir.path(), &["--init"]));
    assert!(refused.contains("row without id"), "{refused}");
    let marker: Vec<String> = db.rows("SHOW TABLES LIKE '%sidecar_scratch'").await;
    assert_eq!(marker, [""; 0]);
}

/// A replay that has loaded its run and waits for a server that never answers.
async fn waiting(db: &TestDb, dir: &Path) -> (Child, TcpListener) {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url_of_agents = format!("http://{}", silent.local_addr().unwrap());
    let child = command(db, &url_of_agents, dir, &["--init"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until("the run is loaded", async || {
        db.ask::<u32>("SELECT id FROM {p}taskjobstates").await == [5]
    })
    .await;
    (child, silent)
}

#[tokio::test]
async fn of_two_replays_at_once_the_second_is_refused() {
    let (db, dir) = (database::fresh().await, one_run());
    let (mut first, _silent) = waiting(&db, dir.path()).await;
    for more in [&[][..], &["--init"]] {
        let refused = complaint(&replay(&db, dir.path(), more));
        assert!(refused.contains("another replay is at work"), "{refused}");
    }
    let runs: Vec<u32> = db.ask("SELECT id FROM {p}taskjobstates").await;
    assert_eq!(runs, [5]);
    first.kill().unwrap();
    first.wait().unwrap();
}

#[tokio::test]
async fn after_a_killed_replay_only_what_it_loaded_is_emptied() {
    let (db, dir) = (database::fresh().await, one_run());
    let (mut first, _silent) = waiting(&db, dir.path()).await;
    first.kill().unwrap();
    first.wait().unwrap();
    db.set("INSERT INTO glpi_computers (id, name) VALUES (900, 'mine'), (901, 'mine')")
        .await;
    let refused = complaint(&replay(&db, dir.path(), &["--init"]));
    assert!(
        refused.contains("table glpi_computers holds 2 rows"),
        "{refused}"
    );
    db.set("DELETE FROM glpi_computers").await;
    db.set("INSERT INTO {p}taskjobstates (id, uniqid) VALUES (6, 'mine')")
        .await;
    let refused = complaint(&replay(&db, dir.path(), &[]));
    assert!(
        refused.contains(&format!("table {RUNS} holds 1 rows")),
        "{refused}"
    );
    let runs: Vec<u32> = db.ask("SELECT id FROM {p}taskjobstates ORDER BY id").await;
    assert_eq!(runs, [5, 6]);
    db.set("DELETE FROM {p}taskjobstates WHERE id = 6").await;
    played(&replay(&db, dir.path(), &[]));
    let runs: Vec<u32> = db.ask("SELECT id FROM {p}taskjobstates").await;
    assert_eq!(runs, [0; 0]);
}

#[tokio::test]
async fn a_database_that_is_as_a_fresh_installation_again_can_be_given_again() {
    let (db, dir) = (database::fresh().await, one_run());
    let (mut first, _silent) = waiting(&db, dir.path()).await;
    first.kill().unwrap();
    first.wait().unwrap();
    db.set("DELETE FROM {p}taskjobstates").await;
    db.set("INSERT INTO {p}configs (id, type, value) VALUES (500, 'later', '1')")
        .await;
    let refused = complaint(&replay(&db, dir.path(), &[]));
    assert!(refused.contains("configs holds 1 rows"), "{refused}");
    played(&replay(&db, dir.path(), &["--init"]));
    let settings: Vec<u32> = db.ask("SELECT id FROM {p}configs WHERE id = 500").await;
    assert_eq!(settings, [500], "not watched, so not emptied");
}
