//! The sidecar's own rows about tasks, jobs and agents that are gone: nobody waits for their end.

use fusion_sidecar::domain::cleaning::Duty;
use fusion_sidecar::domain::policy::Policy;
use futures_util::future::join;
use mysql_async::prelude::Queryable as _;

use super::site;
use crate::support::app::TestApp;
use crate::support::database::TestDb;
use crate::support::site::expand;
use crate::support::until::until;

/// Of the task, the job and the agents that are there, and of 8 and 9, which are not; the transactions delete one row each.
async fn leftovers() -> TestApp {
    let app = site(Policy::Redux, |s| s.scheduler.cleaning_batch = 1).await;
    app.db
        .set(
            "INSERT INTO {p}sidecar_agent_occurrences ({f}agents_id, {f}tasks_id, number, began_at, first_run) VALUES \
             (1, 1, 1, 0, 0), (1, 8, 1, 0, 0), (2, 1, 1, 0, 0), (8, 1, 1, 0, 0), (9, 1, 1, 0, 0);
             INSERT INTO {p}sidecar_occurrences ({f}tasks_id, number, began_at, first_run) VALUES (1, 1, 0, 0), (9, 1, 0, 0);
             INSERT INTO {p}sidecar_tasks ({f}tasks_id) VALUES (1), (8), (9);
             INSERT INTO {p}sidecar_sequence ({f}taskjobs_id) VALUES (1), (8), (9);
             INSERT INTO {p}sidecar_jobs ({f}taskjobs_id, timeout) VALUES (1, 60), (8, 60), (9, 60);
             INSERT INTO {p}sidecar_hours VALUES (1, 0, 1, 2), (1, 1, 1, 2), (8, 0, 1, 2), (8, 1, 1, 2), (8, 2, 1, 2), (9, 0, 1, 2)",
        )
        .await;
    app
}

/// The agents of occurrences, the tasks of others, the tasks with a row, the jobs with a place, those with a time-out, the tasks of hours.
async fn left(db: &TestDb) -> [Vec<u32>; 6] {
    [
        db.ask("SELECT {f}agents_id FROM {p}sidecar_agent_occurrences ORDER BY 1")
            .await,
        db.ask("SELECT {f}tasks_id FROM {p}sidecar_occurrences ORDER BY 1")
            .await,
        db.ask("SELECT {f}tasks_id FROM {p}sidecar_tasks ORDER BY 1")
            .await,
        db.ask("SELECT {f}taskjobs_id FROM {p}sidecar_sequence ORDER BY 1")
            .await,
        db.ask("SELECT {f}taskjobs_id FROM {p}sidecar_jobs ORDER BY 1")
            .await,
        db.ask("SELECT {f}tasks_id FROM {p}sidecar_hours ORDER BY 1")
            .await,
    ]
}

/// With `tasks` that have a row still.
fn rest(tasks: &[u32]) -> [Vec<u32>; 6] {
    [
        vec![1, 2],
        vec![1],
        tasks.to_vec(),
        vec![1],
        vec![1],
        vec![1, 1],
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn who_holds_an_agent_a_task_or_a_job_is_not_waited_for() {
    let app = leftovers().await;
    let mut holder = app.db.conn().await;
    holder
        .query_drop(expand(
            "BEGIN; SELECT id FROM {p}agents FOR UPDATE; SELECT id FROM {p}tasks FOR UPDATE; SELECT id FROM {p}taskjobs FOR UPDATE",
        ))
        .await
        .unwrap();
    let summary = app.clean(Duty::Runs).await.unwrap();
    assert_eq!(summary.failed, 0);
    assert_eq!(left(&app.db).await, rest(&[1]));
    holder.query_drop("ROLLBACK").await.unwrap();
    holder.disconnect().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_is_written_while_rows_are_being_deleted() {
    let app = leftovers().await;
    let mut holder = app.db.conn().await;
    holder
        .query_drop(expand(
            "BEGIN; SELECT * FROM {p}sidecar_sequence WHERE {f}taskjobs_id = 9 FOR UPDATE",
        ))
        .await
        .unwrap();
    let agent = async {
        until("the deletion is under way", async || {
            let waiting: Vec<u32> = app
                .db
                .ask(
                    "SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID() \
                     AND info LIKE '%delete_orphans%sidecar_sequence%'",
                )
                .await;
            waiting == [1]
        })
        .await;
        app.db
            .set("SET SESSION innodb_lock_wait_timeout = 1; UPDATE {p}agents SET last_contact = '2026-03-04 12:00:00'")
            .await;
        holder.query_drop("ROLLBACK").await.unwrap();
    };
    let (cleaned, ()) = join(app.clean(Duty::Runs), agent).await;
    assert_eq!(cleaned.unwrap().failed, 0);
    assert_eq!(left(&app.db).await, rest(&[1]));
    holder.disconnect().await.unwrap();
}

/// One row that the server refuses to delete costs that row and no other.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_stays_is_a_failure_and_the_rest_goes() {
    let app = leftovers().await;
    app.db
        .set(
            "CREATE TRIGGER refused BEFORE DELETE ON {p}sidecar_tasks FOR EACH ROW \
             SET @refused = IF(OLD.{f}tasks_id = 8, (SELECT 1 UNION SELECT 2), 0)",
        )
        .await;
    let summary = app.clean(Duty::Runs).await.unwrap();
    assert_eq!(summary.failed, 1);
    assert_eq!(left(&app.db).await, rest(&[1, 8]));
}
