//! Occurrences: when one is done, when it is over, and what must not end it.

use std::time::Duration;

use fusion_sidecar::db::sequence::Stage;
use fusion_sidecar::domain::cleaning::Duty;
use fusion_sidecar::domain::ids::{JobId, TaskId};
use fusion_sidecar::domain::policy::Policy;
use fusion_sidecar::domain::sequence::Over;
use fusion_sidecar::work::expire::Mode;
use mysql_async::prelude::Queryable as _;
use rstest::rstest;

use super::HOUR;
use super::sequence::{campaign, jobs};
use crate::support::site::expand;

/// What an admin changes for a moment, so that a job has no agent or no target.
#[rstest]
#[case::no_agents(
    "INSERT INTO {p}deploygroups (id, name, type) VALUES (5, 'empty', 'STATIC'); \
     UPDATE {p}taskjobs SET actors = '[{\"PluginFusioninventoryDeployGroup\":\"5\"}]'"
)]
#[case::no_targets("UPDATE {p}taskjobs SET targets = '[]'")]
#[tokio::test]
async fn jobs_without_agents_or_targets_for_a_moment_cancel_nothing(#[case] change: &str) {
    let app = campaign("(1, 0, 0, 0)").await;
    let begun = app.prepared().await;
    app.db
        .set(&format!(
            "CREATE TABLE kept AS SELECT id, actors, targets FROM {{p}}taskjobs; {change}"
        ))
        .await;
    assert_eq!(app.prepared().await, begun);
    assert_eq!(app.occurrence().await, (1, 0, String::new()));
    app.db
        .set(
            "UPDATE {p}taskjobs j JOIN kept k ON k.id = j.id SET j.actors = k.actors, j.targets = k.targets",
        )
        .await;
    assert_eq!(app.prepared().await, begun);
    assert_eq!(app.outlook(1).await, "up to date, 1 under way");
}

/// A run that GLPI made ("force start") is neither cancelled nor passed over, wherever its job's targets are.
#[tokio::test]
async fn a_run_that_is_open_keeps_the_occurrence_whoever_made_it() {
    let app = campaign("(1, 0, 0, 0)").await;
    app.prepared().await;
    app.db.run_of(500, 1, 1, 0).await;
    for job in 2..=3 {
        app.end(job, None, 3).await;
    }
    app.db
        .set("UPDATE {p}taskjobstates SET state = 3 WHERE state = 0 AND id < 500; UPDATE {p}taskjobs SET targets = '[]' WHERE id = 1")
        .await;
    app.prepared().await;
    assert_eq!(app.db.state(500).await, 0);
    assert_eq!(app.occurrence().await, (1, 0, String::new()));
}

/// What a pass has seen is old by the time that it says so: the database decides.
#[tokio::test]
async fn an_occurrence_is_done_when_it_has_had_runs_and_none_is_open() {
    let app = campaign("(1, 0, 0, 0)").await;
    let preparation = app.preparation(Policy::Redux);
    let db = preparation.db();
    // The test's noon.
    let began = 1_772_625_600;
    let one = db.begin_occurrence(TaskId(1), 0, began).await.unwrap();
    assert!(
        !db.finish_occurrence(one.within, 1).await.unwrap(),
        "no run yet"
    );
    app.prepared().await;
    assert!(
        !db.finish_occurrence(one.within, 1).await.unwrap(),
        "all are open"
    );
    for job in 1..=3 {
        app.end(job, None, 3).await;
    }
    assert!(db.finish_occurrence(one.within, 1).await.unwrap());
    assert!(!db.finish_occurrence(one.within, 1).await.unwrap(), "once");
    assert_eq!(app.occurrence().await, (1, 2, "done".to_owned()));
}

/// A pass that stood still after it had seen the end of one occurrence cancels nothing of the next.
#[tokio::test]
async fn a_stalled_pass_leaves_the_next_occurrence_alone() {
    let app = campaign("(1, 0, 0, 0)").await;
    app.prepared().await;
    let preparation = app.preparation(Policy::Redux);
    let db = preparation.db();
    let old = db.occurrences().await.unwrap()[&TaskId(1)];
    app.clock.advance(24 * HOUR);
    let next = app.prepared().await;
    assert_eq!(
        next,
        jobs([(1, &[5, 0]), (2, &[5, 5, 0, 0]), (3, &[5, 5, 0, 0])])
    );
    assert!(!db.end_occurrence(old.within, Over::Time, 1).await.unwrap());
    let at = "2026-03-05T12:00:00".parse().unwrap();
    let text = Over::Time.text().unwrap();
    for job in 1..=3 {
        let count = db.cancel_unstarted(JobId(job), old.within, text, at).await;
        assert_eq!(count.unwrap(), 0);
    }
    db.close_occurrence(old.within).await.unwrap();
    assert_eq!(app.by_job().await, next);
    let now = db.occurrences().await.unwrap()[&TaskId(1)];
    assert_eq!((now.within.number, now.stage), (2, Stage::Open));
}

#[tokio::test]
async fn an_occurrence_without_runs_waits_for_its_agents() {
    let app = campaign("(1, 0, 0, 0)").await;
    let module = async |on: u8| {
        let sql =
            format!("UPDATE {{p}}agentmodules SET is_active = {on} WHERE modulename = 'DEPLOY'");
        app.db.set(&sql).await;
    };
    module(0).await;
    assert!(app.prepared().await.is_empty());
    assert_eq!(app.occurrence().await, (1, 0, String::new()));
    module(1).await;
    app.clock.advance(HOUR);
    let all = jobs([(1, &[0]), (2, &[0, 0]), (3, &[0, 0])]);
    assert_eq!(app.prepared().await, all);
}

/// An agent with two runs of one job on one target is sent one, and the other is cancelled.
#[tokio::test]
async fn a_duplicate_that_is_cancelled_is_no_failure() {
    let app = campaign("(2, 0, 0, 1), (3, 0, 0, 1)").await;
    app.prepared().await;
    app.db.run_of(50, 1, 1, 0).await;
    assert_eq!(app.handed_out("wks-1").await.len(), 1);
    app.end(1, None, 3).await;
    assert_eq!(app.by_job().await[&1].len(), 2);
    assert_eq!(app.prepared().await[&2], [0, 0]);
}

/// Job 1 is for agents 1 and 2, the others are for agent 3: one computer in the bin does not stop it.
#[tokio::test]
async fn an_agent_that_left_is_no_failure_for_the_others() {
    let app = campaign("(2, 0, 0, 1), (3, 0, 0, 1)").await;
    app.db
        .set(
            "UPDATE {p}taskjobs SET actors = '[{\"Computer\":\"1\"},{\"Computer\":\"2\"}]' WHERE id = 1;
             INSERT INTO glpi_computers (id, name) VALUES (3, 'c');
             INSERT INTO {p}agents (id, name, device_id, computers_id) VALUES (3, 'wks-3', 'wks-3', 3);
             UPDATE {p}taskjobs SET actors = '[{\"Computer\":\"3\"}]' WHERE id IN (2, 3)",
        )
        .await;
    app.prepared().await;
    app.db
        .set("UPDATE glpi_computers SET is_deleted = 1 WHERE id = 2")
        .await;
    app.prepared().await;
    app.end(1, Some(1), 3).await;
    assert_eq!(app.prepared().await, jobs([(1, &[3, 5]), (2, &[0])]));
}

#[tokio::test]
async fn a_task_on_demand_stays_until_its_occurrence_has_ended() {
    let app = campaign("(2, 0, 864000, 0), (3, 0, 864000, 0)").await;
    app.db
        .set(
            "UPDATE {p}tasks SET is_deploy_on_demand = 1;
             UPDATE {p}configs SET value = '5' WHERE type = 'clean_on_demand_tasks';
             INSERT INTO {p}sidecar_tasks ({f}tasks_id, max_duration, min_period) VALUES (1, 8640000, 8640000)",
        )
        .await;
    app.prepared().await;
    app.end(1, None, 3).await;
    app.clock.advance(7 * 24 * HOUR);
    app.clean(Duty::OnDemand).await.unwrap();
    assert_eq!(app.db.ask::<u32>("SELECT id FROM {p}tasks").await, [1]);
    let preparation = app.preparation(Policy::Redux);
    let db = preparation.db();
    assert!(!db.delete_task(TaskId(1), Policy::Redux).await.unwrap());
    app.db
        .set("UPDATE {p}sidecar_occurrences SET state = 2, why = 'done'")
        .await;
    app.clean(Duty::OnDemand).await.unwrap();
    assert!(
        app.db
            .ask::<u32>("SELECT id FROM {p}tasks")
            .await
            .is_empty()
    );
}

/// Preparation may be late or rest: what is over is held at the door, and expiry ends it.
#[tokio::test]
async fn the_maximum_duration_holds_at_the_door_and_by_expiry() {
    let app = campaign("(3, 0, 3600, 0)").await;
    app.db
        .set("INSERT INTO {p}sidecar_tasks ({f}tasks_id, max_duration) VALUES (1, 1800)")
        .await;
    app.prepared().await;
    app.clock.advance(Duration::from_secs(1_799));
    assert_eq!(app.config("wks-1").await, ["Deploy"]);
    app.clock.advance(Duration::from_secs(1));
    assert!(app.config("wks-1").await.is_empty());
    assert!(app.handed_out("wks-1").await.is_empty());
    assert_eq!(app.by_job().await, jobs([(1, &[0]), (2, &[0, 0])]));

    let looked = app.expiry().pass(Mode::Look).await.unwrap();
    let would = "nothing was written; 0 runs would time out; 3 would be cancelled, their occurrence is over";
    assert_eq!((looked.cancelled, looked.to_string().as_str()), (3, would));
    assert_eq!(app.occurrence().await, (1, 0, String::new()));
    let ended = app.expiry().pass(Mode::Write).await.unwrap();
    let did = "0 runs timed out; 3 cancelled, their occurrence was over";
    assert_eq!((ended.cancelled, ended.to_string().as_str()), (3, did));
    assert_eq!(app.by_job().await, jobs([(1, &[5]), (2, &[5, 5])]));
    assert_eq!(app.occurrence().await, (1, 2, "time".to_owned()));
    // GLPI's "force start" between two occurrences goes out.
    app.db.run_of(500, 1, 1, 0).await;
    assert_eq!(app.handed_out("wks-1").await, ["run-500"]);
}

/// Where neither preparation nor expiry runs, what PHP prepares later must go out.
#[tokio::test]
async fn what_nobody_ends_keeps_nothing_back_for_good() {
    let app = campaign("(3, 0, 3600, 0)").await;
    app.db
        .set("INSERT INTO {p}sidecar_tasks ({f}tasks_id, max_duration) VALUES (1, 1800)")
        .await;
    app.prepared().await;
    app.clock.advance(Duration::from_secs(1_800 + 3_599));
    assert!(app.config("wks-1").await.is_empty());
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(app.config("wks-1").await, ["Deploy"]);
    app.db.run_of(500, 3, 1, 0).await;
    assert!(
        app.handed_out("wks-1")
            .await
            .contains(&"run-500".to_owned())
    );
}

/// A run that somebody holds: the other tasks' runs end all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_held_prepared_run_does_not_stop_expiry() {
    let app = campaign("(3, 0, 3600, 0)").await;
    app.db
        .set(
            "INSERT INTO {p}sidecar_tasks ({f}tasks_id, max_duration) VALUES (1, 1800); \
             INSERT INTO {p}tasks (id, name, is_active) VALUES (2, 'another', 1); \
             INSERT INTO {p}taskjobs (id, {f}tasks_id, name, method, targets, actors) VALUES (9, 2, 'another', 'deployinstall', '[]', '[]')",
        )
        .await;
    app.prepared().await;
    app.db.run_of(500, 9, 1, 1).await;
    app.clock.advance(HOUR * 3);
    let mut holder = app.db.conn().await;
    holder
        .query_drop(expand(
            "BEGIN; SELECT id FROM {p}taskjobstates WHERE {f}taskjobs_id = 1 FOR UPDATE",
        ))
        .await
        .unwrap();
    // PHP noted nothing of when it sent it: from the first look on it counts as sent.
    let first = app.expiry().pass(Mode::Write).await.unwrap();
    assert_eq!((first.total(), first.failed), (0, 1), "{first}");
    app.clock.advance(HOUR * 3);
    let second = app.expiry().pass(Mode::Write).await.unwrap();
    assert_eq!((second.total(), second.failed), (1, 1), "{second}");
    assert!(second.has_failed());
    assert!(
        second.to_string().ends_with("; 1 tasks and jobs failed"),
        "{second}"
    );
    holder.query_drop("ROLLBACK").await.unwrap();
    holder.disconnect().await.unwrap();
    let third = app.expiry().pass(Mode::Write).await.unwrap();
    assert_eq!((third.cancelled, third.failed), (3, 0), "{third}");
}

#[tokio::test]
async fn a_dry_run_sees_the_next_occurrence_begin() {
    let app = campaign("(1, 0, 0, 0)").await;
    app.prepared().await;
    app.clock.advance(24 * HOUR);
    let outlook = app.preparation(Policy::Redux).outlook().await.unwrap();
    let pass = app.preparation(Policy::Redux).pass().await.unwrap();
    assert_eq!(outlook.ours.jobs, pass.jobs);
    let said: Vec<String> = pass.jobs.iter().map(|job| job.1.to_string()).collect();
    let both = "2 prepared, 2 cancelled";
    assert_eq!(said, ["1 prepared, 1 cancelled", both, both]);
}

/// What was prepared while the rows were away is none of the old occurrence's.
#[rstest]
#[case::each("")]
#[case::the_only(
    "INSERT INTO {p}tasks (id, name, is_active) VALUES (2, 'other', 1); INSERT INTO {p}sidecar_tasks ({f}tasks_id) VALUES (2)"
)]
#[tokio::test]
async fn rows_that_come_back_cancel_nothing(#[case] beside: &str) {
    let app = campaign("(1, 0, 0, 0)").await;
    app.prepared().await;
    app.db
        .set(&format!("DELETE FROM {{p}}sidecar_sequence; {beside}"))
        .await;
    for job in 1..=3 {
        app.end(job, None, 3).await;
    }
    app.clock.advance(23 * HOUR);
    let plain = app.prepared().await;
    assert_eq!(
        plain,
        jobs([(1, &[3, 0]), (2, &[3, 3, 0, 0]), (3, &[3, 3, 0, 0])])
    );
    assert_eq!(app.occurrence().await, (1, 2, "plain".to_owned()));
    app.db
        .set("INSERT INTO {p}sidecar_sequence ({f}taskjobs_id, `rank`, delay, after_success) VALUES (1, 0, 0, 0)")
        .await;
    assert_eq!(app.prepared().await, plain);
    app.clock.advance(2 * HOUR);
    assert_eq!(app.prepared().await, plain);
    assert_eq!(app.occurrence().await, (2, 0, String::new()));
}

#[tokio::test]
async fn a_dry_run_counts_what_agents_would_be_sent() {
    let app = campaign("(2, 1, 0, 0), (3, 2, 0, 1)").await;
    let ready = async || {
        let outlook = app.preparation(Policy::Redux).outlook().await.unwrap();
        let said = outlook.to_string();
        let said = said.lines().find_map(|line| {
            line.strip_prefix("prepared runs that agents would be sent if they asked now: ")
        });
        said.map(str::to_owned)
    };
    assert_eq!(ready().await.as_deref(), Some("0"));
    app.prepared().await;
    assert_eq!(ready().await.as_deref(), Some("3 (job 1: 1, job 2: 2)"));
    // A duplicate, one that was put off, one that waits for an open one of the job before, and what agents may not have.
    app.db.run_of(50, 2, 2, 0).await;
    app.db.run_of(51, 3, 2, 0).await;
    assert_eq!(ready().await.as_deref(), Some("3 (job 1: 1, job 2: 2)"));
    app.db
        .set("UPDATE {p}taskjobstates SET date_start = '2026-03-04 13:00:00' WHERE {f}taskjobs_id = 1")
        .await;
    assert_eq!(ready().await.as_deref(), Some("2 (job 2: 2)"));
    app.db
        .set("UPDATE {p}agents SET `lock` = 1 WHERE id = 2")
        .await;
    assert_eq!(ready().await.as_deref(), Some("1 (job 2: 1)"));
    let sent = app.handed_out("wks-1").await;
    assert_eq!(sent.len(), 1);
    assert_eq!(ready().await.as_deref(), Some("0"));
}

#[tokio::test]
async fn a_pass_knows_when_the_next_job_can_be_prepared() {
    let app = campaign("(2, 0, 7200, 0), (3, 0, 3600, 0)").await;
    let due = async || {
        let pass = app.preparation(Policy::Redux).pass().await.unwrap();
        pass.due.map(|due| due.to_string())
    };
    assert_eq!(due().await.as_deref(), Some("2026-03-04 13:00:00"));
    app.clock.advance(HOUR);
    assert_eq!(due().await.as_deref(), Some("2026-03-04 14:00:00"));
    app.clock.advance(HOUR);
    assert_eq!(due().await, None);
}
