//! Jobs in sequence: what is prepared when, what waits for what, and when an occurrence ends.

use std::collections::BTreeMap;
use std::time::Duration;

use fusion_sidecar::domain::policy::Policy;
use mysql_async::prelude::Queryable as _;
use rstest::rstest;

use super::{HOUR, redux, site};
use crate::support::app::TestApp;
use crate::support::site::expand;

const PACKAGE: &str = "PluginFusioninventoryDeployPackage";
const SECOND: Duration = Duration::from_secs(1);

/// Job 1 on agent 1, and jobs 2 and 3 on both, with these rows in `sidecar_sequence` (job, rank, delay, after success).
pub(super) async fn campaign(rows: &str) -> TestApp {
    let app = redux().await;
    for job in [2, 3] {
        app.db.job(job, "deployinstall", PACKAGE, &[1]).await;
    }
    if !rows.is_empty() {
        app.db
            .set(&format!(
                "INSERT INTO {{p}}sidecar_sequence ({{f}}taskjobs_id, `rank`, delay, after_success) VALUES {rows}"
            ))
            .await;
    }
    app
}

impl TestApp {
    /// How many runs in which state each job has, after a preparation.
    pub(super) async fn prepared(&self) -> BTreeMap<u32, Vec<u32>> {
        self.prepare().await.unwrap();
        self.by_job().await
    }

    pub(super) async fn by_job(&self) -> BTreeMap<u32, Vec<u32>> {
        let rows: Vec<(u32, u32)> = self
            .db
            .ask("SELECT {f}taskjobs_id, state FROM {p}taskjobstates ORDER BY id")
            .await;
        let mut jobs = BTreeMap::<u32, Vec<u32>>::new();
        for (job, state) in rows {
            jobs.entry(job).or_default().push(state);
        }
        jobs
    }

    /// The runs of a job end like this; those of one agent if one is given.
    pub(super) async fn end(&self, job: u32, agent: Option<u32>, state: u32) {
        let which = agent.map_or(String::new(), |agent| {
            format!(" AND {{f}}agents_id = {agent}")
        });
        self.db
            .set(&format!(
                "UPDATE {{p}}taskjobstates SET state = {state} WHERE {{f}}taskjobs_id = {job} AND state IN (0, 1, 2){which}"
            ))
            .await;
    }

    pub(super) async fn occurrence(&self) -> (u32, u32, String) {
        let rows = self
            .db
            .ask("SELECT number, state, why FROM {p}sidecar_occurrences")
            .await;
        rows.into_iter().next().unwrap()
    }

    /// What a preparation says of a job.
    pub(super) async fn outlook(&self, job: usize) -> String {
        let outlook = self.preparation(Policy::Redux).outlook().await.unwrap();
        outlook.ours.jobs[job - 1].1.to_string()
    }
}

pub(super) fn jobs<const N: usize>(jobs: [(u32, &[u32]); N]) -> BTreeMap<u32, Vec<u32>> {
    jobs.into_iter()
        .map(|(job, states)| (job, states.to_vec()))
        .collect()
}

/// Wake-on-LAN and deploy 1 at t+0, nothing at t+1 h, deploy 2 at t+2 h.
#[tokio::test]
async fn the_example_of_the_specification() {
    let app = campaign("(3, 0, 7200, 0)").await;
    app.db
        .set("UPDATE {p}taskjobs SET method = 'wakeonlan', targets = '[{\"Computer\":\"2\"}]' WHERE id = 1")
        .await;
    assert_eq!(app.outlook(1).await, "1 prepared, 0 cancelled");
    assert_eq!(
        app.outlook(3).await,
        "waits for its delay until 2026-03-04 14:00:00"
    );
    let at_once = jobs([(1, &[0]), (2, &[0, 0])]);
    assert_eq!(app.prepared().await, at_once);
    assert_eq!(app.prepared().await, at_once, "again");
    app.clock.advance(HOUR);
    assert_eq!(app.prepared().await, at_once);
    app.clock.advance(Duration::from_secs(3_599));
    assert_eq!(app.prepared().await, at_once);
    assert_eq!(
        app.outlook(3).await,
        "waits for its delay until 2026-03-04 14:00:00"
    );
    app.clock.advance(SECOND);
    let all = jobs([(1, &[0]), (2, &[0, 0]), (3, &[0, 0])]);
    assert_eq!(app.prepared().await, all);
    assert_eq!(app.prepared().await, all);
}

/// A task without rows is prepared again at each pass; with rows not the minute it ends, nor within an occurrence.
#[tokio::test]
async fn nothing_is_repeated_the_minute_it_ends() {
    let app = campaign("").await;
    app.prepared().await;
    app.end(1, None, 3).await;
    assert_eq!(app.prepared().await[&1], [3, 0], "without rows");

    let app = campaign("(3, 0, 3600, 0)").await;
    app.prepared().await;
    for job in [1, 2] {
        app.end(job, None, 3).await;
    }
    assert_eq!(app.prepared().await, jobs([(1, &[3]), (2, &[3, 3])]));
    assert_eq!(app.occurrence().await, (1, 0, String::new()));
    app.clock.advance(HOUR);
    app.prepared().await;
    app.end(3, None, 4).await;
    let done = jobs([(1, &[3]), (2, &[3, 3]), (3, &[4, 4])]);
    assert_eq!(app.prepared().await, done);
    assert_eq!(app.occurrence().await, (1, 2, "done".to_owned()));
    assert_eq!(app.prepared().await, done);
    let over = "the task's occurrence is over (done); the next begins at 2026-03-05 12:00:00 at the earliest";
    assert_eq!(app.outlook(1).await, over);
    app.clock.advance(Duration::from_secs(82_799));
    assert_eq!(app.prepared().await, done);
    app.clock.advance(SECOND);
    assert_eq!(app.prepared().await[&1], [3, 0]);
    assert_eq!(app.occurrence().await, (2, 0, String::new()));
}

#[tokio::test]
async fn the_minimum_period_of_a_task() {
    let app = campaign("").await;
    app.db
        .set("INSERT INTO {p}sidecar_tasks ({f}tasks_id, min_period) VALUES (1, 1800)")
        .await;
    app.prepared().await;
    for job in 1..=3 {
        app.end(job, None, 3).await;
    }
    app.prepared().await;
    app.clock.advance(Duration::from_secs(1_799));
    assert_eq!(app.prepared().await[&1], [3]);
    app.clock.advance(SECOND);
    assert_eq!(app.prepared().await[&1], [3, 0]);
}

/// It would begin and end at each pass.
#[tokio::test]
async fn an_occurrence_of_no_time_is_not_meant() {
    let app = campaign("").await;
    app.db
        .set(
            "INSERT INTO {p}sidecar_tasks ({f}tasks_id, max_duration, min_period) VALUES (1, 0, 0)",
        )
        .await;
    let begun = app.prepared().await;
    assert_eq!(begun[&1], [0]);
    app.clock.advance(SECOND);
    assert_eq!(app.prepared().await, begun);
}

/// The second job has a run of the first one's agent, and one of an agent without.
#[tokio::test]
async fn success_of_the_same_agent_else_of_the_whole_job() {
    let app = campaign("(2, 0, 0, 1), (3, 0, 0, 1)").await;
    assert_eq!(app.prepared().await, jobs([(1, &[0])]));
    assert_eq!(app.outlook(2).await, "waits for the success of job 1");
    app.end(1, None, 3).await;
    // Agent 2 has no run of job 1, which succeeded whole.
    assert_eq!(app.prepared().await, jobs([(1, &[3]), (2, &[0, 0])]));
    app.end(2, Some(2), 3).await;
    // Each agent waits for itself alone.
    app.prepared().await;
    let agents: Vec<u32> = app
        .db
        .ask("SELECT {f}agents_id FROM {p}taskjobstates WHERE {f}taskjobs_id = 3")
        .await;
    assert_eq!(agents, [2]);
    app.end(2, Some(1), 4).await;
    assert_eq!(app.prepared().await[&3].len(), 1);
    app.end(3, None, 3).await;
    // What can never be prepared does not keep the occurrence.
    app.prepared().await;
    assert_eq!(app.occurrence().await, (1, 2, "done".to_owned()));
}

#[tokio::test]
async fn a_failure_of_the_whole_job_is_said() {
    let app = campaign("(2, 0, 0, 1)").await;
    app.prepared().await;
    app.end(1, None, 4).await;
    app.prepared().await;
    assert_eq!(
        app.outlook(2).await,
        "job 1 before it did not end well in this occurrence"
    );
    assert!(!app.by_job().await.contains_key(&2));
}

/// Agent 2 is switched off: at the end of the occurrence its run is cancelled, and all begin anew.
#[tokio::test]
async fn one_machine_that_is_off_does_not_hold_up_the_others() {
    let app = campaign("(1, 0, 0, 0)").await;
    app.prepared().await;
    for job in 1..=3 {
        app.end(job, Some(1), 3).await;
    }
    app.clock.advance(Duration::from_secs(86_399));
    assert_eq!(app.prepared().await[&2], [3, 0]);
    assert_eq!(app.occurrence().await, (1, 0, String::new()));
    app.clock.advance(SECOND);
    assert_eq!(app.prepared().await[&2], [3, 5, 0, 0]);
    assert_eq!(app.occurrence().await, (2, 0, String::new()));
}

/// What was sent goes on; what was not is cancelled, and says why.
#[tokio::test]
async fn the_maximum_duration_cancels_what_has_not_started() {
    let app = campaign("(3, 0, 3600, 0)").await;
    app.db
        .set("INSERT INTO {p}sidecar_tasks ({f}tasks_id, max_duration) VALUES (1, 1800)")
        .await;
    app.prepared().await;
    assert_eq!(app.handed_out("wks-2").await.len(), 1);
    app.clock.advance(HOUR / 2);
    assert_eq!(app.outlook(1).await, "0 prepared, 1 cancelled");
    assert_eq!(app.prepared().await, jobs([(1, &[5]), (2, &[5, 1])]));
    assert_eq!(app.occurrence().await, (1, 2, "time".to_owned()));
    let lines: Vec<String> = app
        .db
        .ask("SELECT comment FROM {p}taskjoblogs WHERE state = 5")
        .await;
    assert_eq!(lines.len(), 2);
    assert!(
        lines
            .iter()
            .all(|line| line.contains("was over before the run had started")),
        "{lines:?}"
    );
    app.clock.advance(HOUR);
    assert!(
        !app.prepared().await.contains_key(&3),
        "its delay was beyond the end"
    );
}

/// The slot is open on Wednesdays from 11:30 to 12:30.
#[tokio::test]
async fn an_occurrence_goes_on_while_the_slot_is_closed() {
    let app = campaign("(3, 0, 3600, 0)").await;
    app.db
        .set(
            "INSERT INTO {p}timeslotentries ({f}timeslots_id, day, `begin`, `end`) VALUES (7, 3, 41400, 45000);
             UPDATE {p}tasks SET {f}timeslots_prep_id = 7",
        )
        .await;
    app.prepared().await;
    app.clock.advance(HOUR);
    assert_eq!(app.prepared().await[&3], [0, 0]);
    for job in 1..=3 {
        app.end(job, None, 3).await;
    }
    app.prepared().await;
    assert_eq!(app.occurrence().await, (1, 2, "done".to_owned()));
    let over = "the task's occurrence is over (done); the next begins at 2026-03-11 11:30:00 at the earliest";
    assert_eq!(app.outlook(1).await, over);
    app.clock.advance(Duration::from_mins(9_990));
    assert_eq!(app.prepared().await[&1], [3, 0]);
}

#[tokio::test]
async fn an_occurrence_ends_with_the_dates() {
    let app = campaign("(3, 0, 3600, 0)").await;
    app.db
        .set("UPDATE {p}tasks SET datetime_start = '2026-03-04 00:00:00', datetime_end = '2026-03-04 12:29:59'")
        .await;
    app.prepared().await;
    app.clock.advance(HOUR / 2);
    assert_eq!(app.prepared().await, jobs([(1, &[5]), (2, &[5, 5])]));
    assert_eq!(app.occurrence().await, (1, 2, "dates".to_owned()));
    app.clock.advance(48 * HOUR);
    app.prepared().await;
    assert_eq!(app.occurrence().await, (1, 2, "dates".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn preparations_at_the_same_moment_make_one_occurrence_and_each_run_once() {
    let app = campaign("(3, 0, 0, 0)").await;
    let other = app.another(|_| {}).await;
    for day in 1..=40 {
        let passes = tokio::join!(
            app.prepare(),
            app.prepare_at(&other),
            app.prepare(),
            app.prepare(),
            app.prepare_at(&other),
            app.prepare()
        );
        let ok = Ok(());
        let all = [
            &passes.0, &passes.1, &passes.2, &passes.3, &passes.4, &passes.5,
        ];
        assert!(all.iter().all(|pass| **pass == ok), "{passes:?}");
        assert_eq!(app.occurrence().await.0, day);
        let open: Vec<(u32, u32)> = app
            .db
            .ask("SELECT {f}taskjobs_id, COUNT(*) FROM {p}taskjobstates WHERE state = 0 GROUP BY 1 ORDER BY 1")
            .await;
        assert_eq!(open, [(1, 1), (2, 2), (3, 2)], "day {day}");
        app.clock.advance(24 * HOUR);
    }
}

/// A pass was killed after it had said that the occurrence is over, or in the middle of what it then cancels.
#[rstest]
#[case::before_any("")]
#[case::in_the_middle("UPDATE {p}taskjobstates SET state = 5 WHERE {f}taskjobs_id = 1;")]
#[tokio::test]
async fn the_next_pass_ends_what_was_broken_off(#[case] done: &str) {
    let app = campaign("(3, 0, 0, 0)").await;
    app.prepared().await;
    app.db
        .set(&format!(
            "{done} UPDATE {{p}}sidecar_occurrences SET state = 1, why = 'time'"
        ))
        .await;
    let cancelled = jobs([(1, &[5]), (2, &[5, 5]), (3, &[5, 5])]);
    assert_eq!(app.prepared().await, cancelled);
    assert_eq!(app.occurrence().await, (1, 2, "time".to_owned()));
}

/// Somebody ended the occurrence after a pass had seen it under way: the piece that waits for the job's lock creates nothing.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_created_for_an_occurrence_that_is_over() {
    let app = campaign("(3, 0, 3600, 0)").await;
    app.prepared().await;
    app.clock.advance(HOUR);
    let mut other = app.db.conn().await;
    other
        .query_drop(expand(
            "BEGIN; SELECT * FROM {p}sidecar_locks WHERE name = 'job:2' FOR UPDATE; \
             UPDATE {p}sidecar_occurrences SET state = 1, why = 'time'",
        ))
        .await
        .unwrap();
    let pass = app.prepare();
    let commit = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        other.query_drop("COMMIT").await.unwrap();
    };
    let (pass, ()) = tokio::join!(pass, commit);
    pass.unwrap();
    assert!(!app.by_job().await.contains_key(&3));
}

/// Job 3 comes first by its rank, whatever its id.
#[tokio::test]
async fn answers_carry_jobs_in_their_order_and_keep_back_what_waits() {
    let app = campaign("(1, 2, 0, 1), (2, 1, 0, 0), (3, 0, 0, 0)").await;
    for job in 1..=3 {
        app.db.run_of(job, u32::try_from(job).unwrap(), 1, 0).await;
    }
    assert_eq!(app.handed_out("wks-1").await, ["run-3", "run-2"]);
    assert_eq!(app.db.state(1).await, 0);
    app.end(2, None, 3).await;
    app.end(3, None, 3).await;
    assert_eq!(app.config("wks-1").await, ["Deploy"]);
    assert_eq!(app.handed_out("wks-1").await, ["run-1"]);
}

#[tokio::test]
async fn the_plugins_policy_knows_no_sequence() {
    let app = site(Policy::Plugin).await;
    for job in [2, 3] {
        app.db.job(job, "deployinstall", PACKAGE, &[1]).await;
    }
    app.db
        .set("INSERT INTO {p}sidecar_sequence ({f}taskjobs_id, `rank`, delay, after_success) VALUES (1, 5, 0, 1), (2, 0, 7200, 0)")
        .await;
    assert_eq!(
        app.prepared().await,
        jobs([(1, &[0]), (2, &[0, 0]), (3, &[0, 0])])
    );
    let order: Vec<u32> = app
        .db
        .ask("SELECT COUNT(*) FROM {p}sidecar_occurrences")
        .await;
    assert_eq!(order, [0]);
}

#[tokio::test]
async fn rows_of_what_is_gone_are_cleaned() {
    let app = campaign("(1, 0, 0, 0), (3, 0, 0, 0), (99, 0, 0, 0)").await;
    app.db
        .set(
            "INSERT INTO {p}sidecar_tasks ({f}tasks_id) VALUES (1), (99);
             INSERT INTO {p}sidecar_occurrences ({f}tasks_id, number, began_at, first_run) VALUES (1, 1, 0, 1), (99, 1, 0, 1);
             UPDATE {p}configs SET value = '30' WHERE type = 'delete_task'",
        )
        .await;
    app.clean(fusion_sidecar::domain::cleaning::Duty::Runs)
        .await
        .unwrap();
    let left: Vec<(u32, u32, u32)> = app
        .db
        .ask(
            "SELECT (SELECT COUNT(*) FROM {p}sidecar_sequence), (SELECT MAX({f}tasks_id) FROM {p}sidecar_tasks), \
             (SELECT MAX({f}tasks_id) FROM {p}sidecar_occurrences)",
        )
        .await;
    assert_eq!(left, [(2, 1, 1)]);
}

/// However many there are, no transaction deletes more than so many of a table.
#[tokio::test]
async fn rows_of_what_is_gone_are_deleted_in_pieces() {
    use fusion_sidecar::db::leftovers::Kept;
    let app = campaign("(1, 0, 0, 0)").await;
    app.db
        .set(
            "INSERT INTO {p}sidecar_sequence ({f}taskjobs_id) SELECT seq FROM seq_1000_to_1600;
             INSERT INTO {p}sidecar_agent_occurrences ({f}agents_id, {f}tasks_id, number, began_at, first_run) \
             SELECT 1 + seq DIV 7, 1 + seq % 7, 1, 0, 0 FROM seq_0_to_699",
        )
        .await;
    let preparation = app.preparation(Policy::Redux);
    // Job 1 is there; so are the agents 1 and 2, and task 1.
    for (kept, pieces) in [
        (Kept::Places, vec![299, 300, 2, 0]),
        (Kept::AgentOccurrences, vec![298, 300, 100, 0]),
    ] {
        let (mut next, mut deleted) = (Some(0), Vec::new());
        while let Some(from) = next {
            let window = preparation.db().orphans(kept, from, 300).await.unwrap();
            next = window.next;
            deleted.push(
                preparation
                    .db()
                    .delete_orphans(kept, &window.seen)
                    .await
                    .unwrap(),
            );
        }
        assert_eq!(deleted, pieces);
    }
    let left: Vec<(u32, u32)> = app
        .db
        .ask(
            "SELECT (SELECT COUNT(*) FROM {p}sidecar_sequence), \
             (SELECT COUNT(*) FROM {p}sidecar_agent_occurrences WHERE {f}tasks_id = 1 AND {f}agents_id < 3)",
        )
        .await;
    assert_eq!(left, [(1, 2)]);
}
