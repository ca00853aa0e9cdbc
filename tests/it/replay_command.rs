//! The `replay` command, as the built program: against sidecars of both policies, and on databases that it must not touch.

use std::path::PathBuf;
use std::process::{Command, Output};

use fusion_sidecar::db::scratch::claim::{self, ClaimError};
use rstest::rstest;

use crate::support::database::{self, TestDb};
use crate::support::listen;
use crate::support::process::{Sidecar, url};

const PROGRAM: &str = env!("CARGO_BIN_EXE_fusion-sidecar");
const RUNS: &str = "glpi_plugin_fusioninventory_taskjobstates";

fn recordings() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/recordings")
}

/// What a sidecar needs to be compared: it does nothing on its own and sees every change at once.
fn options(db: &TestDb, policy: &str, files: &tempfile::TempDir) -> Vec<String> {
    let mut options = vec!["--database-url".to_owned(), url(db)];
    options.extend(
        [
            "--policy",
            policy,
            "--timezone",
            "UTC",
            "--scheduler",
            "off",
            "--catalogue-refresh",
            "0",
            "--plugin-doc-dir",
        ]
        .map(str::to_owned),
    );
    options.push(files.path().display().to_string());
    options
}

/// A sidecar, and the agents' address of it.
fn serve(db: &TestDb, policy: &str, files: &tempfile::TempDir) -> (Sidecar, String) {
    let options = options(db, policy, files);
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let sidecar = Sidecar::serve(&options, &[]);
    let url = format!("http://{}/plugins/fusioninventory", sidecar.address);
    (sidecar, url)
}

fn replay(arguments: &[&str]) -> Output {
    Command::new(PROGRAM)
        .arg("replay")
        .args(arguments)
        .arg(recordings())
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn complaint(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The rows of the marker: whether a replay is at work.
async fn busy(db: &TestDb) -> bool {
    let busy = db.ask("SELECT busy FROM {p}sidecar_scratch").await;
    busy[0]
}

#[tokio::test]
async fn a_sidecar_that_does_as_the_plugin_conforms_again_and_again() {
    let db = database::fresh().await;
    let documents = tempfile::tempdir().unwrap();
    let (_sidecar, url_of_agents) = serve(&db, "plugin", &documents);
    let (database, files) = (url(&db), documents.path().join("files"));
    let cron: Vec<String> = options(&db, "plugin", &documents)
        .iter()
        .map(|word| format!("'{word}'"))
        .collect();
    let cron = format!("{PROGRAM} once {{job}} {}", cron.join(" "));
    let common = [
        "--url",
        &url_of_agents,
        "--database-url",
        &database,
        "--filter",
    ];
    for (filter, more, summary) in [
        (
            "getconfig-",
            &["--init"][..],
            "11 conform, 0 differ, 1 left out",
        ),
        (
            "prepare-agent-actor",
            &["--cron", &cron],
            "1 conform, 0 differ, 0 left out",
        ),
        (
            "deploy-filepart",
            &["--files", files.to_str().unwrap()],
            "3 conform, 0 differ, 0 left out",
        ),
    ] {
        let output = replay(&[&common[..], &[filter], more].concat());
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(said(&output).lines().last(), Some(summary), "{output:?}");
        assert!(!busy(&db).await);
    }
    // What is not given is not guessed.
    let output = replay(&[&common[..], &["prepare-agent-actor"]].concat());
    assert!(
        complaint(&output).contains("nothing was played"),
        "{output:?}"
    );
    assert!(
        said(&output).contains("left out  prepare-agent-actor  needs --cron"),
        "{output:?}"
    );
    let output = replay(&[&common[..], &["deploy-filepart"]].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(said(&output).contains("needs --files"), "{output:?}");
}

#[tokio::test]
async fn where_a_sidecar_differs_is_listed() {
    let db = database::fresh().await;
    let documents = tempfile::tempdir().unwrap();
    let (_sidecar, url_of_agents) = serve(&db, "redux", &documents);
    let database = url(&db);
    let output = replay(&[
        "--init",
        "--url",
        &url_of_agents,
        "--database-url",
        &database,
        "--filter",
        "deploy-getjobs-s",
    ]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = said(&output);
    // Policy redux logs that it sends.
    let differs = said
        .lines()
        .find(|line| line.starts_with("differs   deploy-getjobs-static-group "));
    assert!(
        differs
            .is_some_and(|line| line
                .contains("glpi_plugin_fusioninventory_taskjoblogs: expected [], got [{")),
        "{said}"
    );
    assert!(said.ends_with(" left out\n"), "{said}");
    assert!(!busy(&db).await);
}

#[tokio::test]
async fn without_a_database_what_needs_no_rows_is_played() {
    let db = database::fresh().await;
    let documents = tempfile::tempdir().unwrap();
    let (_sidecar, url_of_agents) = serve(&db, "plugin", &documents);
    let output = replay(&["--url", &url_of_agents]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = said(&output);
    let played: Vec<&str> = said
        .lines()
        .filter_map(|line| line.strip_prefix("conforms  "))
        .collect();
    assert_eq!(
        played,
        [
            "deploy-filepart-bad-name",
            "deploy-filepart-missing",
            "getconfig-unknown-agent",
            "prolog-latin1-body",
            "prolog-plain-new-agent"
        ],
        "{said}"
    );
    assert!(said.contains("needs --database-url"), "{said}");
}

#[tokio::test]
async fn without_a_server_one_error_says_so_and_nothing_is_played() {
    let db = given().await;
    let database = url(&db);
    for more in [&[][..], &["--database-url", &database]] {
        let output = replay(&[&["--url", "http://127.0.0.1:1/x"], more].concat());
        assert_eq!(said(&output), "");
        let complaint = complaint(&output);
        assert_eq!(complaint.lines().count(), 1, "{complaint}");
        assert!(
            complaint.starts_with(
                "fusion-sidecar: nothing was played: no server at http://127.0.0.1:1/x: "
            ),
            "{complaint}"
        );
        assert!(!busy(&db).await);
    }
}

#[test]
fn a_server_that_does_not_answer_differs() {
    let url = listen::closing();
    let output = replay(&["--url", &url, "--filter", "getconfig-unknown-agent"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = said(&output);
    assert!(
        said.starts_with(
            "differs   getconfig-unknown-agent  step 0: answer: expected one, got no answer"
        ),
        "{said}"
    );
}

#[rstest]
#[case(&["--url", "https://127.0.0.1/x"], "--url must begin with http://")]
#[case(&["--url", "http://127.0.0.1:1/x", "--filter", "nosuch"], "no recording matches")]
#[case(&["--url", "http://127.0.0.1:1/x", "--database-url", "postgres://a/b"], "--database-url must begin with mysql://")]
fn what_cannot_be_done_is_said(#[case] arguments: &[&str], #[case] expected: &str) {
    let complaint = complaint(&replay(arguments));
    assert!(complaint.contains(expected), "{complaint}");
}

#[tokio::test]
async fn a_database_that_was_not_given_is_not_touched() {
    let db = database::fresh().await;
    db.set("INSERT INTO {p}taskjobstates (id, uniqid) VALUES (7, 'mine')")
        .await;
    let database = url(&db);
    let arguments = ["--url", "http://127.0.0.1:1/x", "--database-url", &database];
    let refused = complaint(&replay(&arguments));
    assert!(refused.contains("was not given to replays"), "{refused}");
    let refused = complaint(&replay(&[&arguments[..], &["--init"]].concat()));
    assert!(
        refused.contains(&format!("table {RUNS} holds 1 rows, more than")),
        "{refused}"
    );
    let runs: Vec<u64> = db.ask("SELECT id FROM {p}taskjobstates").await;
    assert_eq!(runs, [7]);
    let refused = complaint(&replay(&arguments));
    assert!(
        refused.contains("was not given to replays"),
        "a refused gift leaves no marker: {refused}"
    );
}

async fn taken(db: &TestDb) -> Result<(), ClaimError> {
    let mut conn = db.conn().await;
    let taken = claim::take(&mut conn).await.map(drop);
    conn.disconnect().await.unwrap();
    taken
}

/// A database that is given to replays.
async fn given() -> TestDb {
    let db = database::fresh().await;
    let mut conn = db.conn().await;
    claim::give(&mut conn).await.unwrap();
    conn.disconnect().await.unwrap();
    db
}

#[rstest]
#[case("INSERT INTO glpi_computers (id, name) VALUES (1, 'wks-1')")]
#[case("INSERT INTO glpi_entities (id, name) VALUES (5, 'South')")]
#[case("INSERT INTO glpi_users (id, name) VALUES (2, 'glpi')")]
#[case("DELETE FROM {p}configs")]
#[tokio::test]
async fn rows_that_came_since_are_noticed(#[case] sql: &str) {
    let db = given().await;
    db.set(sql).await;
    let refused = taken(&db).await;
    assert!(
        matches!(
            refused,
            Err(ClaimError::Foreign { rows: 1, .. } | ClaimError::Gone { rows: 16, .. })
        ),
        "{refused:?}"
    );
    assert!(!busy(&db).await);
}

#[tokio::test]
async fn a_copy_was_not_given() {
    let db = given().await;
    db.set("UPDATE {p}sidecar_scratch SET name = 'another'")
        .await;
    let refused = taken(&db).await;
    assert!(
        matches!(&refused, Err(ClaimError::Copy { given, .. }) if given == "another"),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_database_without_the_tables_cannot_be_given() {
    let db = database::empty().await;
    let mut conn = db.conn().await;
    let refused = claim::give(&mut conn).await;
    assert!(
        matches!(refused, Err(ClaimError::NoTable(_))),
        "{refused:?}"
    );
    conn.disconnect().await.unwrap();
}

#[tokio::test]
async fn a_given_database_can_be_migrated_and_given_again() {
    let db = given().await;
    let mut conn = db.conn().await;
    let at = "2026-01-01T00:00:00Z".parse().unwrap();
    fusion_sidecar::db::schema::migrate(&mut conn, true, at)
        .await
        .unwrap();
    claim::give(&mut conn).await.unwrap();
    conn.disconnect().await.unwrap();
}
