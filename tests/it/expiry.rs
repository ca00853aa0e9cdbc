//! Runs whose agents are silent: when they end, what keeps them alive, and who has the last word.

#[path = "expiry/alive.rs"]
mod alive;
#[path = "expiry/together.rs"]
mod together;

use std::time::Duration;

use fusion_sidecar::config::{SessionZone, Settings};
use fusion_sidecar::domain::policy::Policy;
use fusion_sidecar::work::expire::Mode;
use rstest::rstest;

use crate::support::app::{TestApp, start};
use crate::support::site::office;

const PACKAGE: &str = "PluginFusioninventoryDeployPackage";

/// The log's line of a run that was silent for a second too long.
const TIMED_OUT: &str = "Timed out: the agent had been silent for 2 h, its time-out is 2 h.";

/// A sidecar on the small site, with job 2 for both agents beside job 1.
async fn site(configure: impl FnOnce(&mut Settings)) -> TestApp {
    let app = start(configure).await;
    office(&app.db).await;
    app.db.job(2, "deployinstall", PACKAGE, &[1]).await;
    app
}

impl TestApp {
    /// Time passes.
    fn pass_minutes(&self, minutes: u64) {
        self.clock.advance(Duration::from_mins(minutes));
    }

    /// A second passes.
    fn tick(&self) {
        self.clock.advance(Duration::from_secs(1));
    }

    /// A pass of expiry: how many runs it ended.
    async fn expire(&self) -> usize {
        self.expiry().pass(Mode::Write).await.unwrap().total()
    }

    /// An agent reports on its run `run-ID`.
    async fn report(&self, agent: u32, run: u64, status: &str) {
        let said = match status {
            "ok" => "job+successfully+completed",
            _ => "hello",
        };
        self.tell(&format!(
            "action=setStatus&machineid=wks-{agent}&uuid=run-{run}&status={status}&msg={said}"
        ))
        .await;
    }
}

#[rstest]
#[case::sent(false)]
#[case::running(true)]
#[tokio::test]
async fn a_run_ends_once_its_agent_was_silent_for_too_long(#[case] reported: bool) {
    let app = site(|_| {}).await;
    app.db.run(1, 1, 0).await;
    assert_eq!(app.handed_out("wks-1").await, ["run-1"]);
    if reported {
        app.report(1, 1, "").await;
    }
    let before = app.db.log(1).await;
    app.pass_minutes(120);
    assert_eq!(app.expire().await, 0);
    let open = if reported { 2 } else { 1 };
    assert_eq!(app.db.state(1).await, open);
    app.tick();
    let look = app.expiry().pass(Mode::Look).await.unwrap();
    assert_eq!((look.total(), app.db.state(1).await), (1, open));
    assert_eq!(app.expire().await, 1);
    assert_eq!(app.db.state(1).await, 4);
    let mut after = app.db.log(1).await;
    assert_eq!(after.pop(), Some((4, TIMED_OUT.to_owned())));
    assert_eq!(after, before);
    let filed: Vec<(String, u32, String)> = app
        .db
        .ask("SELECT CAST(date AS CHAR), items_id, itemtype FROM {p}taskjoblogs ORDER BY id DESC LIMIT 1")
        .await;
    assert_eq!(
        filed,
        [("2026-03-04 14:00:01".to_owned(), 1, PACKAGE.to_owned())]
    );
    assert_eq!(app.expire().await, 0);
}

#[tokio::test]
async fn only_what_was_sent_ends() {
    let app = site(|_| {}).await;
    for state in 0..=6 {
        app.db.run(10 + u64::from(state), 1, state).await;
    }
    app.db
        .set("INSERT INTO {p}taskjoblogs ({f}taskjobstates_id, date, state, comment) SELECT id, '2026-01-01', 1, '' FROM {p}taskjobstates")
        .await;
    assert_eq!(app.expire().await, 2);
    assert_eq!(app.db.states().await, [0, 4, 4, 3, 4, 5, 6]);
    let lines: Vec<u64> = app
        .db
        .ask("SELECT {f}taskjobstates_id FROM {p}taskjoblogs WHERE state = 4 ORDER BY 1")
        .await;
    assert_eq!(lines, [11, 12]);
}

/// PHP deletes a job, or a task with its jobs, and leaves their runs.
#[rstest]
#[case::the_job("DELETE FROM {p}taskjobs")]
#[case::the_task("DELETE FROM {p}tasks")]
#[case::all_of_it("DELETE FROM {p}taskjobs; DELETE FROM {p}tasks")]
#[tokio::test]
async fn a_run_of_what_is_gone_ends_too(#[case] delete: &str) {
    let app = site(|_| {}).await;
    app.db.run(1, 1, 0).await;
    app.db.run_of(2, 2, 2, 0).await;
    assert_eq!(app.handed_out("wks-1").await, ["run-1"]);
    assert_eq!(app.handed_out("wks-2").await, ["run-2"]);
    app.report(2, 2, "").await;
    app.db.set(delete).await;
    app.pass_minutes(120);
    assert_eq!(app.expire().await, 0);
    assert_eq!(app.db.states().await, [1, 2]);
    app.tick();
    assert_eq!(app.expire().await, 2);
    assert_eq!(app.db.states().await, [4, 4]);
    assert_eq!(app.db.log(1).await.pop(), Some((4, TIMED_OUT.to_owned())));
}

#[tokio::test]
async fn a_pass_says_how_many_runs_had_no_job() {
    let app = site(|_| {}).await;
    app.db.run(1, 1, 0).await;
    app.db.run_of(2, 2, 1, 0).await;
    assert_eq!(app.handed_out("wks-1").await, ["run-1", "run-2"]);
    app.db.set("DELETE FROM {p}taskjobs WHERE id = 1").await;
    app.pass_minutes(121);
    let summary = app.expiry().pass(Mode::Write).await.unwrap();
    assert_eq!(
        summary.to_string(),
        "2 runs timed out (deployinstall 1, gone 1)"
    );
}

#[tokio::test]
async fn under_policy_plugin_no_run_ends() {
    let app = site(|settings| settings.dispatch.policy = Policy::Plugin).await;
    app.db.run(1, 1, 0).await;
    assert_eq!(app.handed_out("wks-1").await, ["run-1"]);
    app.pass_minutes(1_000_000);
    let summary = app.expiry().pass(Mode::Write).await.unwrap();
    assert_eq!(summary.total(), 0);
    assert_eq!(
        summary.to_string(),
        "off: under policy plugin no run times out"
    );
    assert_eq!(app.db.state(1).await, 1);
    let noted: Vec<u32> = app.db.ask("SELECT COUNT(*) FROM {p}sidecar_answers").await;
    assert_eq!(noted, [0]);
}

/// Jobs 1 and 2, with time-outs of their own or the default.
#[rstest]
#[case::the_default(7200, ["NULL", "NULL"], 121, [4, 4])]
#[case::shorter(7200, ["600", "NULL"], 11, [4, 1])]
#[case::longer(7200, ["10800", "NULL"], 121, [1, 4])]
#[case::never(7200, ["0", "NULL"], 100_000, [1, 4])]
#[case::none_by_default(0, ["NULL", "600"], 100_000, [1, 4])]
#[tokio::test]
async fn a_jobs_own_timeout_counts(
    #[case] default: u64,
    #[case] own: [&str; 2],
    #[case] minutes: u64,
    #[case] states: [u32; 2],
) {
    let app = site(|settings| settings.scheduler.run_timeout = Duration::from_secs(default)).await;
    app.db
        .set(&format!(
            "INSERT INTO {{p}}sidecar_jobs ({{f}}taskjobs_id, timeout) VALUES (1, {}), (2, {})",
            own[0], own[1]
        ))
        .await;
    app.db.run(1, 1, 0).await;
    app.db.run_of(2, 2, 1, 0).await;
    assert_eq!(app.handed_out("wks-1").await, ["run-1", "run-2"]);
    app.pass_minutes(minutes);
    app.expire().await;
    assert_eq!(app.db.states().await, states);
}

/// The truth of the machine wins.
#[rstest]
#[case("ok", 3, 2)]
#[case("ko", 4, 4)]
#[tokio::test]
async fn a_late_result_wins(#[case] status: &str, #[case] state: u32, #[case] line: u32) {
    let app = site(|_| {}).await;
    app.db.run(1, 1, 0).await;
    app.jobs("wks-1").await;
    app.pass_minutes(121);
    assert_eq!(app.expire().await, 1);
    app.pass_minutes(10);
    app.report(1, 1, status).await;
    assert_eq!(app.db.state(1).await, state);
    assert_eq!(app.db.log_states(1).await, [1, 4, line]);
    assert_eq!(app.expire().await, 0);
}

#[tokio::test]
async fn a_late_success_loses_to_a_newer_run() {
    let app = site(|_| {}).await;
    app.db.run(1, 1, 0).await;
    app.jobs("wks-1").await;
    app.pass_minutes(121);
    assert_eq!(app.expire().await, 1);
    app.prepare().await.unwrap();
    app.report(1, 1, "ok").await;
    let states: Vec<(u64, u32)> = app
        .db
        .ask("SELECT id, state FROM {p}taskjobstates WHERE {f}taskjobs_id = 1 ORDER BY id")
        .await;
    assert_eq!(states.len(), 2);
    assert_eq!((states[0].1, states[1].1), (4, 0));
    assert_eq!(app.db.log_states(1).await, [1, 4, 2], "the line is kept");
}

/// What PHP sent has no row of the sidecar's; its log may have no word of it either.
#[rstest]
// A line of the agent, or of whom ever, is what counts.
#[case::a_line(&[(6, "10:00:01")], None, 1)]
#[case::an_old_line(&[(7, "08:00:00"), (6, "09:59:59")], None, 4)]
#[case::contact_does_not_count_beside_it(&[(7, "08:00:00"), (6, "09:59:59")], Some("11:59:00"), 4)]
// It was prepared, and sent at the agent's last contact at the latest.
#[case::prepared(&[(7, "08:00:00")], None, 4)]
#[case::prepared_and_contact(&[(7, "08:00:00")], Some("11:00:00"), 1)]
#[case::prepared_and_old_contact(&[(7, "08:00:00")], Some("09:00:00"), 4)]
#[case::nothing_at_all(&[], None, 1)]
#[tokio::test]
async fn what_php_sent_ends_too(
    #[case] lines: &[(u32, &str)],
    #[case] contact: Option<&str>,
    #[case] state: u32,
) {
    let app = site(|_| {}).await;
    app.db.run(1, 1, 1).await;
    for (state, time) in lines {
        app.db
            .set(&format!(
                "INSERT INTO {{p}}taskjoblogs ({{f}}taskjobstates_id, date, state, comment) VALUES (1, '2026-03-04 {time}', {state}, '')"
            ))
            .await;
    }
    if let Some(time) = contact {
        app.db
            .set(&format!(
                "UPDATE {{p}}agents SET last_contact = '2026-03-04 {time}'"
            ))
            .await;
    }
    app.expire().await;
    assert_eq!(app.db.state(1).await, state);
    // Later contacts are none with this run: it ends in any case.
    for _ in 0..3 {
        app.pass_minutes(60);
        let now = app.now().format("%F %T");
        app.db
            .set(&format!("UPDATE {{p}}agents SET last_contact = '{now}'"))
            .await;
        app.expire().await;
    }
    assert_eq!(app.db.state(1).await, 4);
    assert_eq!(app.db.log(1).await.len(), lines.len() + 1);
}

/// The clocks are put forward at 1:00 UTC on 29 March, and back at 1:00 UTC on 25 October: no run ends early, and none more than an hour
/// late.
#[rstest]
#[case::forward("2026-03-29T00:30:00Z", 0)]
#[case::back("2026-10-24T23:30:00Z", 60)]
#[case::in_the_hour_that_comes_twice("2026-10-25T00:30:00Z", 60)]
#[case::in_the_hour_that_comes_again("2026-10-25T01:30:00Z", 0)]
#[tokio::test]
async fn the_clocks_change(#[case] sent: &str, #[case] late: u64) {
    let app = site(|settings| {
        settings.timezone = chrono_tz::Europe::Paris;
        settings.database.session_zone = SessionZone::Timezone;
    })
    .await;
    app.clock.set(sent.parse().unwrap());
    app.db.run(1, 1, 0).await;
    app.jobs("wks-1").await;
    app.pass_minutes(120);
    assert_eq!(app.expire().await, 0);
    app.pass_minutes(late);
    app.tick();
    assert_eq!(app.expire().await, 1);
}

/// What was heard is forgotten once it cannot matter any more.
#[tokio::test]
async fn what_was_heard_is_forgotten() {
    let app = site(|_| {}).await;
    app.db
        .set(
            "INSERT INTO {p}sidecar_jobs ({f}taskjobs_id, timeout) VALUES (2, 259200);
             INSERT INTO {p}sidecar_answers ({f}agents_id, sent_at, heard_at, address) \
             SELECT seq, '2026-01-01', '2026-03-01 11:59:59', NULL FROM seq_1_to_2500;
             INSERT INTO {p}sidecar_answers ({f}agents_id, sent_at, heard_at, address) VALUES \
             (3000, '2026-01-01', '2026-03-01 12:00:00', NULL), (3001, '2026-01-01', '2026-01-01', '192.0.2.1'), \
             (3002, '2026-01-01', '2026-01-01', '192.0.2.2');
             INSERT INTO {p}sidecar_downloads (address, fetched_at) VALUES ('192.0.2.1', '2026-03-04 11:00:00'), ('192.0.2.2', '2026-02-01')",
        )
        .await;
    app.expire().await;
    let answers: Vec<u32> = app
        .db
        .ask("SELECT {f}agents_id FROM {p}sidecar_answers ORDER BY 1")
        .await;
    let downloads: Vec<String> = app.db.ask("SELECT address FROM {p}sidecar_downloads").await;
    assert_eq!(answers, [3000, 3001]);
    assert_eq!(downloads, ["192.0.2.1"]);
}
