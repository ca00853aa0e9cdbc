//! The hour rows of a task: when its runs are handed out.

use std::time::Duration;

use chrono_tz::Tz;
use fusion_sidecar::domain::policy::Policy;
use rstest::rstest;
use serde_json::json;

use super::redux;
use crate::support::app::{self, TestApp};
use crate::support::network::site;
use crate::support::site::{SLOT_OPENS_AT_ONE, office};

/// Rows of a task, as weekday (0 = Monday), first hour, first hour that is closed again.
async fn hours(app: &TestApp, task: u32, rows: &[(u8, u8, u8)]) {
    for (weekday, start, end) in rows {
        app.db
            .set(&format!(
                "INSERT INTO {{p}}sidecar_hours ({{f}}tasks_id, weekday, hour_start, hour_end) VALUES ({task}, {weekday}, {start}, {end})"
            ))
            .await;
    }
}

/// The run is not to be had now, and nothing happens to it.
async fn waits(app: &TestApp) {
    assert_eq!(app.config("wks-1").await, Vec::<String>::new());
    assert_eq!(app.jobs("wks-1").await, json!({}));
    app.prolog("wks-1").await;
    assert_eq!(app.db.state(1).await, 0);
    assert_eq!(app.db.log(1).await, []);
}

async fn is_handed_out(app: &TestApp) {
    assert_eq!(app.config("wks-1").await, ["Deploy"]);
    assert_eq!(app.handed_out("wks-1").await, ["run-1"]);
    assert_eq!(app.db.state(1).await, 1);
}

/// It is Wednesday noon. The slot, where there is one, opens at one; closed for good is one without entries.
#[rstest]
#[case::no_slot("")]
#[case::slot_that_never_opens("UPDATE {p}tasks SET {f}timeslots_exec_id = 9")]
#[case::slot_that_is_open(
    "INSERT INTO {p}timeslotentries ({f}timeslots_id, day, `begin`, `end`) VALUES (1, 3, 0, 50399);
     UPDATE {p}tasks SET {f}timeslots_exec_id = 1"
)]
#[tokio::test]
async fn a_run_waits_for_the_hours_of_its_task_whatever_its_slot_says(#[case] slot: &str) {
    let app = redux().await;
    app.db.run(1, 1, 0).await;
    app.db.set(slot).await;
    hours(&app, 1, &[(2, 14, 15), (1, 0, 24)]).await;
    waits(&app).await;
    app.clock.advance(Duration::from_secs(2 * 3600 - 1));
    waits(&app).await;
    app.clock.advance(Duration::from_secs(1));
    is_handed_out(&app).await;
}

#[tokio::test]
async fn open_hours_count_although_the_slot_is_closed() {
    let app = redux().await;
    app.db.run(1, 1, 0).await;
    app.db.set(SLOT_OPENS_AT_ONE).await;
    hours(&app, 1, &[(2, 12, 13)]).await;
    is_handed_out(&app).await;
}

#[tokio::test]
async fn the_preparation_slot_is_not_theirs() {
    let app = redux().await;
    hours(&app, 1, &[(2, 14, 15)]).await;
    app.prepare().await.unwrap();
    assert_eq!(app.db.states().await, [0]);
    app.db
        .set("UPDATE {p}tasks SET {f}timeslots_prep_id = 9; DELETE FROM {p}taskjobstates")
        .await;
    hours(&app, 1, &[(2, 12, 13)]).await;
    app.prepare().await.unwrap();
    assert_eq!(app.db.states().await, Vec::<u32>::new());
}

/// Rows of a task that is gone, or of another one, are nobody's here.
#[tokio::test]
async fn rows_of_other_tasks_do_not_count() {
    let app = redux().await;
    app.db.run(1, 1, 0).await;
    hours(&app, 99, &[(0, 0, 1)]).await;
    is_handed_out(&app).await;
}

#[tokio::test]
async fn rows_that_make_no_sense_open_nothing_and_still_take_the_place_of_the_slot() {
    let app = redux().await;
    app.db.run(1, 1, 0).await;
    hours(
        &app,
        1,
        &[(7, 0, 24), (2, 13, 12), (2, 12, 12), (2, 11, 25)],
    )
    .await;
    waits(&app).await;
    hours(&app, 1, &[(2, 10, 13)]).await;
    is_handed_out(&app).await;
}

#[tokio::test]
async fn policy_plugin_does_not_know_them() {
    let app = site(Policy::Plugin).await;
    app.db.run(1, 1, 0).await;
    hours(&app, 1, &[(0, 0, 1)]).await;
    assert_eq!(app.handed_out("wks-1").await, ["run-1"]);
    app.db.run(2, 1, 0).await;
    app.db.set(SLOT_OPENS_AT_ONE).await;
    hours(&app, 1, &[(2, 0, 24)]).await;
    assert_eq!(app.jobs("wks-1").await, json!({}));
    assert_eq!(app.db.state(2).await, 5, "outside the slot it is cancelled");
}

/// On 29 March 2026 clocks in Paris go from 2:00 to 3:00, at 1:00 UTC; on 25 October from 3:00 to 2:00, at 1:00 UTC.
#[rstest]
#[case::summer_comes(
    (6, 3, 4),
    &[("2026-03-29T00:59:59Z", false), ("2026-03-29T01:00:00Z", true)]
)]
#[case::in_the_hour_that_is_left_out(
    (6, 2, 3),
    &[("2026-03-29T00:59:59Z", false), ("2026-03-29T01:00:00Z", false), ("2026-04-05T00:00:00Z", true)]
)]
#[case::in_the_hour_that_comes_twice(
    (6, 2, 3),
    &[("2026-10-24T23:59:59Z", false), ("2026-10-25T01:59:59Z", true)]
)]
#[case::winter_comes(
    (6, 3, 4),
    &[("2026-10-25T01:00:00Z", false), ("2026-10-25T01:59:59Z", false), ("2026-10-25T02:00:00Z", true)]
)]
#[tokio::test]
async fn hours_are_those_of_the_zone(#[case] row: (u8, u8, u8), #[case] moments: &[(&str, bool)]) {
    let app = app::start(|settings| settings.timezone = Tz::Europe__Paris).await;
    office(&app.db).await;
    app.db.run(1, 1, 0).await;
    hours(&app, 1, &[row]).await;
    for (moment, open) in moments {
        app.clock.set(moment.parse().unwrap());
        if *open {
            is_handed_out(&app).await;
        } else {
            waits(&app).await;
        }
    }
}
