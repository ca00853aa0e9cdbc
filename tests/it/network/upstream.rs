//! Results, where PHP takes them.

use axum::http::Method;
use fusion_sidecar::domain::policy::Policy;
use fusion_sidecar::proto::envelope::{Coding, seal};
use rstest::rstest;

use super::{DEVICE, EMPTY, END, START, message, prepare, tell};
use crate::support::app::{self, TestApp};
use crate::support::php::FakePhp;
use crate::support::site::office;

async fn with_php(policy: Policy) -> (TestApp, FakePhp) {
    let php = FakePhp::start().await;
    let app = app::start(|settings| {
        settings.dispatch.policy = policy;
        settings.upstream_url = Some(php.url.clone());
    })
    .await;
    office(&app.db).await;
    prepare(&app).await;
    app.prolog("wks-1").await;
    (app, php)
}

#[rstest]
#[tokio::test]
async fn own_runs_reach_php_byte_for_byte(
    #[values(Policy::Redux, Policy::Plugin)] policy: Policy,
    #[values(Coding::Zlib, Coding::Gzip, Coding::Plain)] coding: Coding,
) {
    let (app, php) = with_php(policy).await;
    let before = (app.db.log(1).await, app.db.log(2).await);
    for (query, run) in [
        ("NETDISCOVERY", "1"),
        ("SNMPQUERY", "2"),
        ("SNMPINVENTORY", "2"),
    ] {
        for content in [START, DEVICE, END] {
            let xml = message("wks-1", query, run, content);
            let answer = app.post(&xml, coding).await;
            let got = php.got().pop().unwrap();
            assert_eq!(got.method, Method::POST);
            assert_eq!(got.target, "/glpi/plugins/fusioninventory/");
            assert_eq!(got.body, seal(&xml, coding));
            assert_eq!(got.header("content-type"), [coding.content_type()]);
            assert_eq!(answer.header("x-php"), Some("1"), "PHP's own answer");
            assert_eq!(answer.body, seal("<REPLY></REPLY>", coding));
        }
    }
    assert_eq!(php.got().len(), 9);
    // PHP moves the runs and writes the log.
    assert_eq!(app.db.states().await, [1, 1]);
    assert_eq!((app.db.log(1).await, app.db.log(2).await), before);
    assert_eq!(app.db.discoveries().await, []);
}

#[rstest]
#[case::another_agents("wks-2", "NETDISCOVERY", "1")]
#[case::another_agents_inventory("wks-2", "SNMPQUERY", "2")]
#[case::another_task("wks-1", "NETDISCOVERY", "2")]
#[case::unknown_agent("new-1", "NETDISCOVERY", "1")]
#[case::no_run("wks-1", "NETDISCOVERY", "4711")]
#[case::text("wks-1", "SNMPQUERY", "x")]
#[case::nothing("wks-1", "SNMPQUERY", "")]
#[tokio::test]
async fn what_is_not_the_senders_does_not_reach_php(
    #[values(Policy::Redux, Policy::Plugin)] policy: Policy,
    #[case] agent: &str,
    #[case] query: &str,
    #[case] run: &str,
) {
    let (app, php) = with_php(policy).await;
    let xml = message(agent, query, run, DEVICE);
    match policy {
        Policy::Redux => {
            tell(&app, &xml).await;
            assert_eq!(php.got().len(), 0);
        }
        // PHP does not ask whose run it is.
        Policy::Plugin => {
            let answer = app.post(&xml, Coding::Zlib).await;
            assert_eq!((answer.status, php.got().len()), (200, 1));
        }
    }
    assert_eq!(app.db.states().await, [1, 1]);
}

#[rstest]
#[tokio::test]
async fn without_php_nothing_is_passed_on(#[values(Policy::Redux, Policy::Plugin)] policy: Policy) {
    let app = super::under_way(policy).await;
    let answer = app
        .post(
            &message("wks-1", "NETDISCOVERY", "1", DEVICE),
            Coding::Plain,
        )
        .await;
    assert_eq!((answer.status, answer.header("x-php")), (200, None));
    assert!(
        answer.text().trim_end().ends_with(EMPTY),
        "{}",
        answer.text()
    );
}
