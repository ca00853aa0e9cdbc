//! Old runs.

use fusion_sidecar::domain::cleaning::Duty;
use fusion_sidecar::domain::policy::Policy;
use fusion_sidecar::work::clean::Summary;
use rstest::rstest;

use super::{OLD, YOUNG, site};

const NONE: Summary = Summary {
    off: None,
    tasks: 0,
    runs: 0,
    lines: 0,
    strays: 0,
    failed: 0,
    closed: None,
};

#[rstest]
#[case::one(1, &[4, 6])]
#[case::two(2, &[3, 4, 5, 6])]
#[case::three(3, &[2, 3, 4, 5, 6])]
#[case::as_many_as_there_are(4, &[1, 2, 3, 4, 5, 6])]
#[tokio::test]
async fn the_last_runs_of_each_are_kept_whatever_their_age(
    #[case] keep: u32,
    #[case] left: &[u64],
) {
    let app = site(Policy::Redux, |s| s.scheduler.keep_runs = keep).await;
    for id in 1..=4 {
        app.db.past(id, 1, 3, &[OLD, OLD]).await;
    }
    for id in 5..=6 {
        app.db.past(id, 2, 3, &[OLD, OLD]).await;
    }
    let gone = 6 - left.len() as u64;
    let summary = Summary {
        runs: gone,
        lines: 2 * gone,
        ..NONE
    };
    assert_eq!(app.clean(Duty::Runs).await, Ok(summary));
    assert_eq!(app.db.run_ids().await, left);
    let lines: Vec<u64> = left.iter().flat_map(|run| [*run, *run]).collect();
    assert_eq!(app.db.line_runs().await, lines);
    assert_eq!(app.clean(Duty::Runs).await, Ok(NONE));
}

/// What makes two runs of one agent runs of different things.
#[rstest]
#[case::job("{f}taskjobs_id = 2")]
#[case::target("items_id = 2")]
#[case::kind_of_target("itemtype = 'PluginFusioninventoryCollect'")]
#[case::agent("{f}agents_id = 2")]
#[case::none_at_all("itemtype = NULL")]
#[tokio::test]
async fn runs_of_something_else_do_not_count(#[case] else_: &str) {
    let app = site(Policy::Redux, |_| {}).await;
    app.db
        .set("INSERT INTO {p}taskjobs (id, {f}tasks_id, name, method, targets, actors) SELECT 2, 1, name, method, targets, actors FROM {p}taskjobs")
        .await;
    for id in 1..=4 {
        app.db.past(id, 1, 3, &[OLD]).await;
    }
    app.db
        .set(&format!(
            "UPDATE {{p}}taskjobstates SET {else_} WHERE id < 3"
        ))
        .await;
    app.clean(Duty::Runs).await.unwrap();
    assert_eq!(app.db.run_ids().await, [2, 4]);
}

#[rstest]
#[case::a_young_last_line(3, &[OLD, YOUNG], true)]
#[case::a_young_first_line(3, &[YOUNG, OLD], true)]
#[case::no_line(3, &[], false)]
#[case::in_error(4, &[OLD], false)]
#[case::cancelled(5, &[OLD], false)]
#[case::prepared(0, &[OLD], true)]
#[case::sent(1, &[OLD], true)]
#[case::running(2, &[OLD], true)]
#[case::put_off(6, &[OLD], true)]
#[case::of_no_state(9, &[OLD], true)]
#[case::by_a_second(3, &["2026-02-12 11:59:59"], false)]
#[case::not_by_a_second(3, &["2026-02-12 12:00:00"], true)]
#[tokio::test]
async fn a_run_with_a_newer_one(#[case] state: u32, #[case] lines: &[&str], #[case] stays: bool) {
    let app = site(Policy::Redux, |_| {}).await;
    app.db.past(1, 1, state, lines).await;
    app.db.past(2, 1, 3, &[OLD]).await;
    app.clean(Duty::Runs).await.unwrap();
    let left: &[u64] = if stays { &[1, 2] } else { &[2] };
    assert_eq!(app.db.run_ids().await, left);
}

/// The plugin prepares a job again whose success it does not find, and the package is installed a second time.
#[rstest]
#[case::not_to_be_repeated(0, &[2, 4])]
#[case::repeated_anyway(1, &[4])]
#[tokio::test]
async fn the_success_that_keeps_a_job_from_being_prepared_stays(
    #[case] repeated: u32,
    #[case] left: &[u64],
) {
    let app = site(Policy::Redux, |_| {}).await;
    app.db
        .set(&format!(
            "UPDATE {{p}}tasks SET reprepare_if_successful = {repeated}"
        ))
        .await;
    for (id, state) in [(1, 3), (2, 3), (3, 4), (4, 5)] {
        app.db.past(id, 1, state, &[OLD]).await;
    }
    app.clean(Duty::Runs).await.unwrap();
    assert_eq!(app.db.run_ids().await, left);
    app.prepare().await.unwrap();
    assert_eq!(app.db.run_ids().await.len(), left.len() + repeated as usize);
}

#[tokio::test]
async fn a_run_whose_job_is_gone_goes_once_it_has_ended_and_is_old() {
    let app = site(Policy::Redux, |_| {}).await;
    app.db.past(1, 1, 3, &[OLD]).await;
    app.db.past(2, 2, 3, &[YOUNG]).await;
    app.db.past(3, 1, 1, &[OLD]).await;
    app.db.set("DELETE FROM {p}taskjobs").await;
    app.clean(Duty::Runs).await.unwrap();
    assert_eq!(app.db.run_ids().await, [2, 3]);
}

#[tokio::test]
async fn lines_and_own_rows_without_a_run_go() {
    let app = site(Policy::Redux, |_| {}).await;
    app.db.past(2, 1, 3, &[YOUNG]).await;
    app.db.past(4, 1, 1, &[YOUNG]).await;
    for run in [0, 1, 3, 3, 4_294_967_295] {
        app.db.line(run, YOUNG).await;
    }
    app.db
        .set("INSERT INTO {p}sidecar_runs ({f}taskjobstates_id, {f}agents_id) VALUES (1, 1), (4, 1), (5, 1)")
        .await;
    let summary = Summary { strays: 5, ..NONE };
    assert_eq!(app.clean(Duty::Runs).await, Ok(summary));
    assert_eq!(app.db.line_runs().await, [2, 4]);
    let own: Vec<u64> = app
        .db
        .ask("SELECT {f}taskjobstates_id FROM {p}sidecar_runs")
        .await;
    assert_eq!(own, [4]);
}

/// Runs with fewer lines than a transaction takes, just as many, and more; whatever the size, the same goes.
#[rstest]
#[tokio::test]
async fn batches_of_any_size_do_the_same(
    #[values(1, 2, 3, 7, 1000)] batch: u32,
    #[values(Policy::Redux, Policy::Plugin)] policy: Policy,
) {
    let app = site(policy, |s| s.scheduler.cleaning_batch = batch).await;
    for (id, lines) in (1..=9).zip(1..) {
        app.db.past(id, 1, 3, &vec![OLD; lines]).await;
    }
    app.db.past(10, 1, 3, &[YOUNG; 5]).await;
    for _ in 0..5 {
        app.db.line(11, OLD).await;
    }
    app.db
        .set("INSERT INTO {p}sidecar_runs ({f}taskjobstates_id, {f}agents_id) SELECT id, 1 FROM {p}taskjobstates")
        .await;
    let strays = if policy == Policy::Redux { 5 } else { 0 };
    // The last success, which is run 10, is the one that counts.
    let summary = Summary {
        runs: 9,
        lines: 45 + 5 - strays,
        strays,
        ..NONE
    };
    assert_eq!(app.clean(Duty::Runs).await, Ok(summary));
    assert_eq!(app.db.run_ids().await, [10]);
    assert_eq!(app.db.line_runs().await, [10; 5]);
    let own: Vec<u64> = app
        .db
        .ask("SELECT {f}taskjobstates_id FROM {p}sidecar_runs")
        .await;
    assert_eq!(own, [10]);
}

#[rstest]
#[case::off("-1")]
#[case::no_number("twenty")]
#[tokio::test]
async fn without_days_nothing_goes(#[case] days: &str) {
    let app = site(Policy::Redux, |_| {}).await;
    app.db.past(1, 1, 3, &[OLD]).await;
    app.db.past(2, 1, 3, &[OLD]).await;
    app.db.line(3, OLD).await;
    app.db.setting("delete_task", days).await;
    let summary = Summary {
        off: Some("delete_task"),
        ..NONE
    };
    assert_eq!(app.clean(Duty::Runs).await, Ok(summary));
    assert_eq!(app.db.line_runs().await, [1, 2, 3]);
    assert_eq!(app.db.run_ids().await, [1, 2]);
}

/// The plugin (10.0.6+1.1) takes whatever has an old line, also what is under way, and no account of the last run.
#[tokio::test]
async fn the_plugin_goes_by_the_age_of_any_line() {
    let app = site(Policy::Plugin, |_| {}).await;
    app.db.past(1, 1, 1, &[OLD, YOUNG]).await;
    app.db.past(2, 1, 0, &[YOUNG, OLD]).await;
    app.db.past(3, 2, 3, &[]).await;
    app.db.past(4, 2, 3, &[YOUNG]).await;
    app.db.line(5, OLD).await;
    app.db.line(5, YOUNG).await;
    app.db.line(6, YOUNG).await;
    let summary = Summary {
        runs: 2,
        lines: 6,
        ..NONE
    };
    assert_eq!(app.clean(Duty::Runs).await, Ok(summary));
    assert_eq!(app.db.run_ids().await, [3, 4]);
    assert_eq!(app.db.line_runs().await, [4, 6]);
}

#[tokio::test]
async fn to_the_plugin_a_day_less_than_none_is_tomorrow() {
    let app = site(Policy::Plugin, |_| {}).await;
    app.db.past(1, 1, 3, &["2026-03-05 11:59:59"]).await;
    app.db.past(2, 1, 3, &["2026-03-05 12:00:00"]).await;
    app.db.setting("delete_task", "-1").await;
    app.clean(Duty::Runs).await.unwrap();
    assert_eq!(app.db.run_ids().await, [2]);
}
