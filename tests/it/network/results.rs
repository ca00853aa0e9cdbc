//! Results, where there is no PHP to pass them to.

use fusion_sidecar::domain::policy::Policy;
use rstest::rstest;

use super::{DEVICE, END, FAILED, START, discovered, message, queried, tell, under_way};
use crate::support::app::TestApp;
use crate::support::heard::hearing;

fn addresses(count: &str) -> String {
    format!("<AGENT><NBIP>{count}</NBIP></AGENT>")
}

async fn versions(app: &TestApp) -> Vec<Option<String>> {
    app.db
        .ask("SELECT version FROM {p}agents ORDER BY id")
        .await
}

fn line(state: u32, text: &str) -> (u32, String) {
    (state, text.to_owned())
}

#[rstest]
#[tokio::test]
async fn the_course_of_a_discovery(#[values(Policy::Redux, Policy::Plugin)] policy: Policy) {
    let app = under_way(policy).await;
    discovered(&app, START).await;
    assert_eq!(app.db.state(1).await, 2);
    assert_eq!(app.db.discoveries().await, [(0, 0, true)]);
    discovered(&app, &addresses("9")).await;
    discovered(&app, DEVICE).await;
    discovered(&app, &DEVICE.repeat(2)).await;
    assert_eq!(app.db.discoveries().await, [(9, 3, true)]);
    assert_eq!(app.db.state(1).await, 2);
    // What PHP's rule engine writes as it imports.
    app.db
        .set(
            "INSERT INTO {p}taskjoblogs ({f}taskjobstates_id, state, comment) VALUES (1, 6, '==addtheitem== [[Computer::1]]'), \
             (1, 6, '==updatetheitem== [[Computer::2]]'), (1, 6, '[==detail==] ==updatetheitem== [[NetworkEquipment::1]]')",
        )
        .await;
    // Agent 2.6 says it twice.
    discovered(&app, END).await;
    discovered(&app, END).await;
    assert_eq!(app.db.state(1).await, 3);
    assert_eq!(app.db.discoveries().await, [(9, 3, true)]);
    let mut log = app.db.log(1).await;
    log.retain(|(_, text)| !text.contains("theitem=="));
    let mut expected = vec![
        line(6, "1 ==devicesfound=="),
        line(6, "2 ==devicesfound=="),
        line(2, "3 devices: 1 created, 2 updated."),
    ];
    if policy == Policy::Plugin {
        expected.insert(0, line(6, "0 ==devicesfound=="));
    }
    assert_eq!(log, expected);
    let filed: Vec<(String, u32)> = app
        .db
        .ask("SELECT DISTINCT itemtype, items_id FROM {p}taskjoblogs WHERE items_id > 0")
        .await;
    assert_eq!(filed, [("PluginFusioninventoryAgent".to_owned(), 1)]);
    assert_eq!(
        app.db.state(2).await,
        1,
        "the other run is none of its business"
    );
    assert_eq!(
        versions(&app).await[0].as_deref(),
        Some(r#"{"NETWORKDISCOVERY":"4.2"}"#)
    );
}

#[rstest]
#[tokio::test]
async fn the_course_of_an_inventory(
    #[values(Policy::Redux, Policy::Plugin)] policy: Policy,
    #[values("SNMPQUERY", "SNMPINVENTORY")] query: &str,
) {
    let app = under_way(policy).await;
    let say = async |content: &str| tell(&app, &message("wks-1", query, "2", content)).await;
    say(START).await;
    say(DEVICE).await;
    say(FAILED).await;
    // PHP moves an inventory only at its end.
    let state = if policy == Policy::Redux { 2 } else { 1 };
    assert_eq!(app.db.state(2).await, state);
    say(END).await;
    say(END).await;
    assert_eq!(app.db.state(2).await, 3);
    let failed = "no response from host &#60;10.0.0.1&#62;";
    let mut expected = vec![
        line(6, "==inventorystarted=="),
        line(6, "1 ==devicesqueried=="),
        line(6, "1 ==devicesqueried=="),
        line(6, &format!("[==detail==] {failed} [[NetworkEquipment::1]]")),
        line(2, "0 devices updated."),
    ];
    if policy == Policy::Plugin {
        // The device tells nothing of itself.
        expected.insert(2, line(6, "[==detail==] No informations [[::]]"));
        expected.push(line(2, "0 devices updated."));
    }
    assert_eq!(app.db.log(2).await, expected);
    assert_eq!(app.db.discoveries().await, []);
    assert_eq!(
        versions(&app).await[0].as_deref(),
        Some(r#"{"NETWORKINVENTORY":"4.2"}"#)
    );
}

/// One message must not hold up what others have to write.
#[rstest]
#[case::redux(Policy::Redux, 1002, "… and 2 more devices could not be queried.")]
#[case::plugin(Policy::Plugin, 1003, "[==detail==]  [[::]]")]
#[tokio::test]
async fn errors_of_very_many_devices(
    #[case] policy: Policy,
    #[case] lines: usize,
    #[case] last: &str,
) {
    let app = under_way(policy).await;
    let failed = "<DEVICE><ERROR/></DEVICE>".repeat(1002);
    tell(&app, &message("wks-1", "SNMPQUERY", "2", &failed)).await;
    let mut log = app.db.log(2).await;
    assert_eq!(log.len(), lines);
    assert_eq!(log.pop().unwrap().1, last);
}

#[rstest]
#[case::networking("<TYPE>NETWORKING</TYPE>", "NetworkEquipment")]
#[case::storage("<TYPE>STORAGE</TYPE>", "NetworkEquipment")]
#[case::printer("<TYPE>PRINTER</TYPE>", "Printer")]
#[case::unknown("<TYPE>TOASTER</TYPE>", "")]
#[case::none("", "")]
#[tokio::test]
async fn devices_in_error(
    #[values(Policy::Redux, Policy::Plugin)] policy: Policy,
    #[case] kind: &str,
    #[case] class: &str,
) {
    let app = under_way(policy).await;
    let error = |id: u32| {
        format!("<DEVICE><ERROR><ID>{id}</ID><MESSAGE>m{id}</MESSAGE>{kind}</ERROR></DEVICE>")
    };
    queried(&app, &format!("{}{}", error(7), error(8))).await;
    assert_eq!(
        app.db.log(2).await,
        [
            line(6, "2 ==devicesqueried=="),
            line(6, &format!("[==detail==] m7 [[{class}::7]]")),
            line(6, &format!("[==detail==] m8 [[{class}::8]]")),
        ]
    );
}

#[tokio::test]
async fn no_mark_up_of_an_agent_is_logged() {
    let app = under_way(Policy::Redux).await;
    let markup = "&lt;script&gt;";
    queried(
        &app,
        &format!("<DEVICE><ERROR><ID>{markup}</ID><MESSAGE>{markup}</MESSAGE><TYPE>{markup}</TYPE></ERROR></DEVICE>"),
    )
    .await;
    let log = app.db.log(2).await;
    assert!(
        log.len() == 2 && log.iter().all(|(_, text)| !text.contains('<')),
        "{log:?}"
    );
}

#[rstest]
#[tokio::test]
async fn long_errors_are_cut(#[values(Policy::Redux, Policy::Plugin)] policy: Policy) {
    let app = under_way(policy).await;
    let long = "é".repeat(40_000);
    queried(
        &app,
        &format!("<DEVICE><ERROR><ID>1</ID><MESSAGE>{long}</MESSAGE><TYPE>PRINTER</TYPE></ERROR></DEVICE>"),
    )
    .await;
    let log = app.db.log(2).await;
    assert!(
        (65_530..=65_535).contains(&log[1].1.len()),
        "{}",
        log[1].1.len()
    );
}

#[rstest]
#[tokio::test]
async fn what_was_broken_off_goes_on(#[values(Policy::Redux, Policy::Plugin)] policy: Policy) {
    let app = under_way(policy).await;
    discovered(&app, "<AGENT><EXIT>1</EXIT></AGENT>").await;
    assert_eq!(app.db.state(1).await, 2, "the agent may begin again");
    // PHP notes it only in a row that is there.
    let noted: &[_] = match policy {
        Policy::Redux => &[(0, 0, false)],
        Policy::Plugin => &[],
    };
    assert_eq!(app.db.discoveries().await, noted);
}

#[rstest]
#[case::twice(&["4", "5"], 9)]
#[case::nonsense(&["x", "-1", "", "1.5", "3"], 3)]
#[case::too_many(&["4294967295", "4294967295", "1"], u32::MAX)]
#[case::beyond(&["4294967296", "2"], 2)]
#[tokio::test]
async fn numbers_of_addresses_are_added_up(
    #[values(Policy::Redux, Policy::Plugin)] policy: Policy,
    #[case] counts: &[&str],
    #[case] sum: u32,
) {
    let app = under_way(policy).await;
    discovered(&app, START).await;
    for count in counts {
        discovered(&app, &addresses(count)).await;
    }
    assert_eq!(app.db.discoveries().await, [(sum, 0, true)]);
    assert_eq!(app.db.state(1).await, 2);
}

/// Times are those of the last message; only a start sets the start.
#[rstest]
#[tokio::test]
async fn times_of_a_discovery(#[values(Policy::Redux, Policy::Plugin)] policy: Policy) {
    let app = under_way(policy).await;
    discovered(&app, START).await;
    app.clock.advance(std::time::Duration::from_mins(1));
    discovered(&app, DEVICE).await;
    let times: Vec<(String, String, String)> = app
        .db
        .ask("SELECT CAST(start_time AS CHAR), CAST(end_time AS CHAR), CAST(date_mod AS CHAR) FROM {p}statediscoveries")
        .await;
    let minute = |minute: u32| format!("2026-03-04 12:0{minute}:00");
    assert_eq!(times, [(minute(0), minute(1), minute(1))]);
}

/// Whatever is wrong with the number, the answer is the usual one.
#[rstest]
#[case::text("wks-1", "x")]
#[case::nothing("wks-1", "")]
#[case::negative("wks-1", "-1")]
#[case::fraction("wks-1", "1.0")]
#[case::more("wks-1", "1 OR 1=1")]
#[case::no_run("wks-1", "4711")]
#[case::zero("wks-1", "0")]
#[case::huge("wks-1", "18446744073709551615")]
#[case::beyond("wks-1", "99999999999999999999999")]
#[tokio::test]
async fn a_number_that_is_no_run(
    #[values(Policy::Redux, Policy::Plugin)] policy: Policy,
    #[values("NETDISCOVERY", "SNMPQUERY")] query: &str,
    #[case] agent: &str,
    #[case] number: &str,
) {
    let app = under_way(policy).await;
    for content in [START, DEVICE, FAILED, END] {
        tell(&app, &message(agent, query, number, content)).await;
    }
    assert_eq!(app.db.states().await, [1, 1]);
    assert_eq!((app.db.log(1).await, app.db.log(2).await), (vec![], vec![]));
    assert_eq!(app.db.discoveries().await, []);
}

#[rstest]
#[case::another_agents(Policy::Redux, "wks-2", "NETDISCOVERY", "1", 1)]
#[case::another_agents_as_plugin(Policy::Plugin, "wks-2", "NETDISCOVERY", "1", 3)]
#[case::another_agents_inventory(Policy::Redux, "wks-2", "SNMPQUERY", "2", 1)]
#[case::another_agents_inventory_as_plugin(Policy::Plugin, "wks-2", "SNMPQUERY", "2", 3)]
#[case::another_task(Policy::Redux, "wks-1", "SNMPQUERY", "1", 1)]
#[case::unknown_agent(Policy::Redux, "new-1", "NETDISCOVERY", "1", 1)]
#[tokio::test]
async fn a_run_that_is_not_the_senders(
    #[case] policy: Policy,
    #[case] agent: &str,
    #[case] query: &str,
    #[case] number: &str,
    #[case] state: u32,
) {
    let app = under_way(policy).await;
    for content in [START, DEVICE, FAILED, END] {
        tell(&app, &message(agent, query, number, content)).await;
    }
    let run = number.parse().unwrap();
    assert_eq!(app.db.state(run).await, state);
    assert_eq!(app.db.log(run).await.is_empty(), state == 1);
    assert_eq!(
        app.db.discoveries().await.is_empty(),
        state == 1 || query == "SNMPQUERY"
    );
}

#[test]
fn what_is_ignored_is_counted_and_logged() {
    hearing(async |heard| {
        let app = under_way(Policy::Redux).await;
        for (agent, number) in [
            ("wks-2", "1"),
            ("wks-1", "x"),
            ("wks-1", "4711"),
            ("wks-2", "1"),
        ] {
            tell(&app, &message(agent, "NETDISCOVERY", number, DEVICE)).await;
        }
        for (reason, count) in [("foreign-run", 2), ("unknown-run", 2)] {
            let counter = format!("fusion_sidecar_reports_ignored_total{{reason=\"{reason}\"}}");
            assert!(heard.counted(&counter, count), "{reason}");
        }
        assert_eq!(heard.warnings("ignored").len(), 4);
        // Nothing of it would have been imported.
        assert!(heard.counted("fusion_sidecar_devices_not_imported_total", 0));
    });
}

#[test]
fn devices_that_nobody_imports_are_counted_and_logged() {
    hearing(async |heard| {
        let app = under_way(Policy::Redux).await;
        discovered(&app, START).await;
        assert_eq!(heard.warnings("upstream-url").len(), 0);
        discovered(&app, &DEVICE.repeat(2)).await;
        queried(&app, &format!("{DEVICE}{FAILED}")).await;
        queried(&app, FAILED).await;
        assert!(heard.counted("fusion_sidecar_devices_not_imported_total", 3));
        let warnings = heard.warnings("upstream-url");
        assert!(
            warnings.len() == 2
                && warnings[0].contains("devices=2")
                && warnings[0].contains("run.id=1"),
            "{warnings:?}"
        );
    });
}

/// PHP ignores a discovery that has ended well, and nothing else.
#[rstest]
#[case(3, Policy::Redux, 3, 3)]
#[case(3, Policy::Plugin, 3, 3)]
#[case(4, Policy::Redux, 4, 3)]
#[case(4, Policy::Plugin, 2, 3)]
#[case(5, Policy::Redux, 5, 3)]
#[case(5, Policy::Plugin, 2, 3)]
#[tokio::test]
async fn a_discovery_that_has_ended(
    #[case] ended: u32,
    #[case] policy: Policy,
    #[case] under_way_again: u32,
    #[case] at_last: u32,
) {
    let app = under_way(policy).await;
    app.db.put(1, ended).await;
    discovered(&app, DEVICE).await;
    assert_eq!(app.db.state(1).await, under_way_again);
    discovered(&app, END).await;
    assert_eq!(app.db.state(1).await, at_last);
    let silent = ended == 3;
    assert_eq!(app.db.log(1).await.is_empty(), silent);
    assert_eq!(app.db.discoveries().await.is_empty(), silent);
}

#[tokio::test]
async fn a_late_end_does_not_win_over_a_newer_run() {
    let app = under_way(Policy::Redux).await;
    app.db.put(1, 4).await;
    app.db.run_on(3, 2, crate::support::network::RANGE, 1).await;
    discovered(&app, END).await;
    assert_eq!(app.db.states().await, [4, 1, 0]);
    assert_eq!(app.db.log_states(1).await, [2], "it is kept in the log");
}

#[rstest]
#[tokio::test]
async fn an_agent_that_nobody_knows_is_registered(
    #[values(Policy::Redux, Policy::Plugin)] policy: Policy,
) {
    let app = under_way(policy).await;
    tell(&app, &message("new-1", "NETDISCOVERY", "x", START)).await;
    let agents: Vec<(String, Option<String>)> = app
        .db
        .ask("SELECT device_id, version FROM {p}agents WHERE id > 2")
        .await;
    assert_eq!(
        agents,
        [(
            "new-1".to_owned(),
            Some(r#"{"NETWORKDISCOVERY":"4.2"}"#.to_owned())
        )]
    );
}

#[rstest]
#[case::own_name(
    "<VERSIONCLIENT>FusionInventory-Agent_v2.6</VERSIONCLIENT>",
    Some("v2.6")
)]
#[case::task_first(
    "<VERSIONCLIENT>x</VERSIONCLIENT><MODULEVERSION>5</MODULEVERSION>",
    Some("5")
)]
#[case::none("", None)]
#[tokio::test]
async fn versions_are_kept_by_task(
    #[values(Policy::Redux, Policy::Plugin)] policy: Policy,
    #[case] said: &str,
    #[case] version: Option<&str>,
) {
    let app = under_way(policy).await;
    app.db
        .set(r#"UPDATE {p}agents SET version = '{"INVENTORY":"v2.5"}'"#)
        .await;
    tell(
        &app,
        &format!(
            "<REQUEST><CONTENT>{START}{said}<PROCESSNUMBER>2</PROCESSNUMBER></CONTENT><DEVICEID>wks-1</DEVICEID><QUERY>SNMPQUERY</QUERY></REQUEST>"
        ),
    )
    .await;
    let kept = r#"{"INVENTORY":"v2.5""#;
    let expected = match version {
        Some(version) => format!(r#"{kept},"NETWORKINVENTORY":"{version}"}}"#),
        None => format!("{kept}}}"),
    };
    assert_eq!(versions(&app).await[0].as_deref(), Some(expected.as_str()));
}

/// The table has no unique key for it, and each message adds to what is there.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_messages_at_once_make_one_row(
    #[values(Policy::Redux, Policy::Plugin)] policy: Policy,
) {
    let app = under_way(policy).await;
    let content = format!("{}{}", addresses("2"), DEVICE.repeat(3));
    let messages = (0..100).map(|_| discovered(&app, &content));
    futures_util::future::join_all(messages).await;
    assert_eq!(app.db.discoveries().await, [(200, 300, false)]);
    assert_eq!(app.db.log_states(1).await, [6; 100]);
    assert_eq!(app.db.state(1).await, 2);
}
