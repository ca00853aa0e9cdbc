//! Kills between two statements of one transaction: it did not take place, and another sidecar makes it whole.

use mysql_async::prelude::Queryable as _;

use super::serve;
use crate::support::database::{TestDb, fresh};
use crate::support::site::{expand, office};
use crate::support::until::{until, until_waiting};

/// Starts a sidecar, kills it in a statement called `waiting` that `held` keeps waiting, and starts another one.
async fn killed(db: &TestDb, held: &str, waiting: &str, released: &str, meanwhile: &str) {
    let mut holder = db.conn().await;
    holder.query_drop(expand(held)).await.unwrap();
    let first = serve(db);
    until_waiting(db, waiting).await;
    first.signal("KILL");
    drop(first);
    holder.query_drop(expand(released)).await.unwrap();
    holder.disconnect().await.unwrap();
    until("the transaction is undone", async || {
        let open: Vec<u32> = db
            .ask(&format!(
                "SELECT COUNT(*) FROM information_schema.processlist WHERE db = '{}' AND id <> CONNECTION_ID()",
                db.database.name
            ))
            .await;
        open == [0]
    })
    .await;
    let left: Vec<u32> = db.ask(meanwhile).await;
    assert_eq!(left, [0], "{meanwhile}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_occurrence_whose_beginning_was_killed_begins_once() {
    let db = fresh().await;
    office(&db).await;
    db.set(
        "INSERT INTO {p}sidecar_sequence ({f}taskjobs_id, `rank`, delay, after_success) VALUES (1, 1, 0, 0);
         CREATE TABLE begun (number INT);
         CREATE TRIGGER began_first AFTER INSERT ON {p}sidecar_occurrences FOR EACH ROW INSERT INTO begun VALUES (NEW.number)",
    )
    .await;
    killed(
        &db,
        "BEGIN; INSERT INTO {p}sidecar_occurrences ({f}tasks_id, number, began_at, first_run) VALUES (1, 9, 0, 0)",
        "begin_occurrence",
        "ROLLBACK",
        "SELECT COUNT(*) FROM {p}sidecar_occurrences",
    )
    .await;
    let _second = serve(&db);
    until("a run is prepared", async || db.states().await == [0]).await;
    let begun: Vec<u32> = db.ask("SELECT number FROM begun").await;
    assert_eq!(begun, [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_whose_creation_was_killed_are_created_once_with_their_lines() {
    let db = fresh().await;
    office(&db).await;
    killed(
        &db,
        "LOCK TABLES {p}taskjoblogs WRITE",
        "add_lines",
        "UNLOCK TABLES",
        "SELECT COUNT(*) FROM {p}taskjobstates",
    )
    .await;
    let _second = serve(&db);
    until("a run is prepared", async || db.states().await == [0]).await;
    let lines: Vec<u32> = db.ask("SELECT state FROM {p}taskjoblogs").await;
    assert_eq!(lines, [7]);
}
