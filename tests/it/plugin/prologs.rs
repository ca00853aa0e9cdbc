//! What a PROLOG does to runs.

use rstest::rstest;
use serde_json::json;

use super::plugin;
use crate::support::app::TestApp;
use crate::support::site::SLOT_OPENS_AT_ONE;

/// A PROLOG's check does not stop at the runs that a PROLOG hands out.
#[rstest]
#[case("deployinstall")]
#[case("collect")]
#[case("InventoryComputerESX")]
#[case("networkdiscovery")]
#[case("networkinventory")]
#[case("wakeonlan")]
#[tokio::test]
async fn a_prolog_ends_runs_of_every_method(#[case] method: &str) {
    let app = plugin().await;
    app.db.run(1, 1, 1).await;
    app.db.run(2, 1, 2).await;
    app.db.run(3, 1, 0).await;
    app.db.run(4, 2, 1).await;
    app.db
        .set(&format!("UPDATE {{p}}taskjobs SET method = '{method}'"))
        .await;
    app.db.set(SLOT_OPENS_AT_ONE).await;
    app.prolog("wks-1").await;
    assert_eq!(app.db.states().await, [4, 4, 5, 1]);
    for run in 1..=3 {
        assert_eq!(app.db.log(run).await.len(), 1);
    }
}

#[tokio::test]
async fn a_prolog_leaves_deployments_that_may_go_out() {
    let app = plugin().await;
    app.db.run(1, 1, 0).await;
    app.db.run(2, 1, 0).await;
    app.db
        .set("UPDATE {p}taskjobstates SET date_start = '2030-01-01' WHERE id = 2")
        .await;
    app.prolog("wks-1").await;
    assert_eq!(app.db.states().await, [0, 0]);
}

/// Runs whose job is gone are left where they are by every request.
#[tokio::test]
async fn a_run_without_its_job_stays() {
    let app = plugin().await;
    app.db.run_of(1, 9, 1, 1).await;
    app.prolog("wks-1").await;
    assert_eq!(app.jobs("wks-1").await, json!({}));
    assert_eq!(app.db.state(1).await, 1);
}

/// PHP's join keeps a run whose task is gone: it is taken for one of a task that is switched off.
#[rstest]
#[case::prepared(0, 5, 5)]
#[case::sent(1, 4, 4)]
#[tokio::test]
async fn a_run_without_its_task_ends(
    #[case] state: u32,
    #[case] ended: u32,
    #[case] line: u32,
    #[values(true, false)] by_prolog: bool,
) {
    let app = plugin().await;
    app.db.run(1, 1, state).await;
    app.db.set("DELETE FROM {p}tasks").await;
    let named: &[&str] = if state == 0 { &["Deploy"] } else { &[] };
    assert_eq!(app.config("wks-1").await, named);
    assert_eq!(app.db.state(1).await, state);
    if by_prolog {
        app.prolog("wks-1").await;
    } else {
        assert_eq!(app.jobs("wks-1").await, json!({}));
    }
    assert_eq!(app.db.state(1).await, ended);
    assert_eq!(app.db.log_states(1).await, [line]);
}

/// One that is there but cannot be read is not gone.
#[tokio::test]
async fn a_run_whose_task_cannot_be_read_stays() {
    let app = plugin().await;
    app.db.run(1, 1, 0).await;
    app.db
        .set("UPDATE {p}tasks SET datetime_start = '0000-00-00 00:00:00'")
        .await;
    app.prolog("wks-1").await;
    assert_eq!(app.jobs("wks-1").await, json!({}));
    assert_eq!(app.db.state(1).await, 0);
}

/// Methods that the plugin does not know are in none of its lists.
#[tokio::test]
async fn a_run_of_an_unknown_method_stays() {
    let app = plugin().await;
    app.db.run(1, 1, 1).await;
    app.db
        .set("UPDATE {p}taskjobs SET method = 'deployuninstall'")
        .await;
    app.prolog("wks-1").await;
    assert_eq!(app.db.state(1).await, 1);
}

/// Only a deployment is put off.
#[tokio::test]
async fn a_date_does_not_put_off_a_discovery() {
    let app = plugin().await;
    app.db
        .set(
            "UPDATE {p}taskjobs SET method = 'networkdiscovery';
             INSERT INTO {p}ipranges (id, name, ip_start, ip_end) VALUES (1, 'r', '10.0.0.1', '10.0.0.9')",
        )
        .await;
    app.db.run(1, 1, 0).await;
    app.db
        .set("UPDATE {p}taskjobstates SET date_start = '2030-01-01'")
        .await;
    let answer = app.prolog("wks-1").await;
    assert!(answer.contains(r#"IPSTART="10.0.0.1""#), "{answer}");
    assert_eq!(app.db.state(1).await, 1);
}

/// A discovery of range 1 that has these ends, and what its order says of them.
#[rstest]
#[case::swapped("'10.0.0.9'", "'10.0.0.1'", r#"IPSTART="10.0.0.9" IPEND="10.0.0.1""#)]
#[case::equal("'10.0.0.1'", "'10.0.0.1'", r#"IPSTART="10.0.0.1" IPEND="10.0.0.1""#)]
#[case::empty("''", "NULL", r#"IPSTART="" IPEND="""#)]
#[case::text(
    "'printers'",
    "'10.0.0.256'",
    r#"IPSTART="printers" IPEND="10.0.0.256""#
)]
#[case::v6(
    "'2001:db8::1'",
    "'2001:db8::9'",
    r#"IPSTART="2001:db8::1" IPEND="2001:db8::9""#
)]
#[tokio::test]
async fn odd_ranges(#[case] start: &str, #[case] end: &str, #[case] attributes: &str) {
    let app = discovering(start, end).await;
    let answer = app.prolog("wks-1").await;
    let range = format!(r#"<RANGEIP ID="1" {attributes} ENTITY="0"/>"#);
    assert!(answer.contains(&range), "{answer}");
    assert_eq!(app.db.states().await, [1, 1]);
}

/// Run 1 and 2 of a discovery of range 1.
async fn discovering(start: &str, end: &str) -> TestApp {
    let app = plugin().await;
    app.db
        .set(&format!(
            "UPDATE {{p}}taskjobs SET method = 'networkdiscovery';
             INSERT INTO {{p}}ipranges (id, name, ip_start, ip_end) VALUES (1, 'r', {start}, {end})"
        ))
        .await;
    app.db.run(1, 1, 0).await;
    app.db.run(2, 1, 0).await;
    app
}

/// A part is reckoned from the start, and one that begins or ends at 0.0.0.0 has no ends.
#[rstest]
#[case::swapped("'10.0.0.9'", "2-1", r#" IPSTART="10.0.0.11" IPEND="10.0.0.10""#)]
#[case::no_address("'printers'", "1-2", r#" IPSTART="0.0.0.1" IPEND="0.0.0.2""#)]
#[case::from_nothing("''", "0-2", "")]
#[case::beyond("'255.255.255.255'", "0-1", "")]
#[case::half("'10.0.0.9'", "2", r#" IPSTART="10.0.0.11" IPEND="10.0.0.9""#)]
#[tokio::test]
async fn parts_of_odd_ranges(#[case] start: &str, #[case] part: &str, #[case] attributes: &str) {
    let app = discovering(start, "''").await;
    app.db
        .set(&format!(
            "UPDATE {{p}}taskjobstates SET specificity = '{part}'"
        ))
        .await;
    let answer = app.prolog("wks-1").await;
    let range = format!(r#"<RANGEIP ID="1"{attributes} ENTITY="0"/>"#);
    assert_eq!(answer.matches(&range).count(), 2, "{answer}");
    assert_eq!(app.db.states().await, [1, 1]);
}

/// PHP breaks off at a part that is none.
#[tokio::test]
async fn a_part_that_is_none_stops_those_behind_it() {
    let app = discovering("'10.0.0.1'", "'10.0.0.9'").await;
    app.db.run(3, 1, 0).await;
    app.db
        .set("UPDATE {p}taskjobstates SET specificity = 'x' WHERE id = 2")
        .await;
    assert_eq!(app.prolog("wks-1").await.matches("<OPTION>").count(), 1);
    assert_eq!(app.db.states().await, [1, 0, 0]);
    assert_eq!(app.db.log(2).await, []);
}

/// PHP orders the discovery of nothing.
#[tokio::test]
async fn a_range_that_is_gone() {
    let app = discovering("''", "''").await;
    app.db.set("DELETE FROM {p}ipranges").await;
    let answer = app.prolog("wks-1").await;
    let range = r#"<RANGEIP ID="" IPSTART="" IPEND="" ENTITY=""/>"#;
    assert_eq!(answer.matches(range).count(), 2, "{answer}");
    assert_eq!(app.db.states().await, [1, 1]);
    assert_eq!(app.db.log_states(1).await, [1]);
}

/// Whatever is to be woken up is a computer to PHP, and its line is filed as one's.
#[tokio::test]
async fn what_is_woken_up_is_a_computer() {
    let app = plugin().await;
    app.db
        .set(
            "UPDATE {p}taskjobs SET method = 'wakeonlan';
             INSERT INTO glpi_networkports (items_id, itemtype, mac) VALUES (1, 'Computer', '02:00:00:00:00:01')",
        )
        .await;
    app.db.run(1, 1, 0).await;
    let answer = app.prolog("wks-1").await;
    assert!(answer.contains(r#"MAC="02:00:00:00:00:01""#), "{answer}");
    let filed: Vec<(String, u32, u32)> = app
        .db
        .ask("SELECT itemtype, items_id, state FROM {p}taskjoblogs ORDER BY id")
        .await;
    let package = "PluginFusioninventoryDeployPackage".to_owned();
    assert_eq!(filed, [("Computer".to_owned(), 0, 1), (package, 1, 2)]);
}
