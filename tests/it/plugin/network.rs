//! Messages of network tasks.

use fusion_sidecar::domain::policy::Policy;
use fusion_sidecar::proto::envelope::Coding;
use rstest::rstest;

use crate::network::{message, tell, under_way};
use crate::support::app::TestApp;

const START: &str = "<AGENT><START>1</START></AGENT>";
const END: &str = "<AGENT><END>1</END></AGENT>";
const EXIT: &str = "<AGENT><EXIT>1</EXIT></AGENT>";
const FAILED: &str =
    "<DEVICE><ERROR><ID>1</ID><MESSAGE>m</MESSAGE><TYPE>PRINTER</TYPE></ERROR></DEVICE>";

async fn discovered(app: &TestApp, content: &str) {
    tell(app, &message("wks-1", "NETDISCOVERY", "1", content)).await;
}

async fn queried(app: &TestApp, run: &str, content: &str) {
    tell(app, &message("wks-1", "SNMPQUERY", run, content)).await;
}

/// Run, kind and row under which each line is filed, state and text.
async fn lines(app: &TestApp) -> Vec<(u32, String, u32, u32, String)> {
    app.db
        .ask("SELECT {f}taskjobstates_id, itemtype, items_id, state, comment FROM {p}taskjoblogs ORDER BY id")
        .await
}

fn filed(run: u32, state: u32, text: &str) -> (u32, String, u32, u32, String) {
    let agent = "PluginFusioninventoryAgent".to_owned();
    (run, agent, 1, state, text.to_owned())
}

/// Versions of the agents' tasks.
async fn versions(app: &TestApp) -> Vec<Option<String>> {
    app.db
        .ask("SELECT version FROM {p}agents ORDER BY id")
        .await
}

/// PHP logs an inventory under whatever number it names.
#[rstest]
#[case::no_run("4711", 4711)]
#[case::zero("0", 0)]
#[tokio::test]
async fn an_inventory_of_a_run_that_does_not_exist(#[case] number: &str, #[case] run: u32) {
    let app = under_way(Policy::Plugin).await;
    for content in [START, FAILED, END] {
        queried(&app, number, content).await;
    }
    assert_eq!(
        lines(&app).await,
        [
            filed(run, 6, "==inventorystarted=="),
            filed(run, 6, "1 ==devicesqueried=="),
            filed(run, 6, "[==detail==] m [[Printer::1]]"),
            filed(run, 2, "0 devices updated."),
        ]
    );
    assert_eq!(app.db.states().await, [1, 1]);
    assert_eq!(
        versions(&app).await[0].as_deref(),
        Some(r#"{"NETWORKINVENTORY":"4.2"}"#)
    );
}

/// The log's column could not hold these.
#[rstest]
#[case("x")]
#[case("")]
#[case("-1")]
#[case("4294967296")]
#[tokio::test]
async fn an_inventory_under_a_number_that_is_none(#[case] number: &str) {
    let app = under_way(Policy::Plugin).await;
    queried(&app, number, FAILED).await;
    queried(&app, number, END).await;
    assert_eq!(lines(&app).await, []);
}

/// Without a number PHP takes an inventory for one of run 1, a discovery for one of none.
#[tokio::test]
async fn without_a_number() {
    let app = under_way(Policy::Plugin).await;
    for query in ["SNMPQUERY", "NETDISCOVERY"] {
        tell(
            &app,
            &format!(
                "<REQUEST><CONTENT>{FAILED}</CONTENT><DEVICEID>wks-1</DEVICEID><QUERY>{query}</QUERY></REQUEST>"
            ),
        )
        .await;
    }
    assert_eq!(
        lines(&app).await,
        [
            filed(1, 6, "1 ==devicesqueried=="),
            filed(1, 6, "[==detail==] m [[Printer::1]]"),
        ]
    );
    assert_eq!(app.db.states().await, [1, 1]);
}

/// A discovery of no run leaves nothing but the agent's contact and version.
#[tokio::test]
async fn a_discovery_of_a_run_that_does_not_exist() {
    let app = under_way(Policy::Plugin).await;
    for content in [START, FAILED, EXIT, END] {
        tell(&app, &message("wks-1", "NETDISCOVERY", "4711", content)).await;
    }
    assert_eq!(lines(&app).await, []);
    assert_eq!(app.db.discoveries().await, []);
    assert_eq!(
        versions(&app).await[0].as_deref(),
        Some(r#"{"NETWORKDISCOVERY":"4.2"}"#)
    );
}

/// An inventory moves at its end, whatever the run's state; before, its log grows.
#[tokio::test]
async fn an_inventory_that_has_ended() {
    let app = under_way(Policy::Plugin).await;
    for state in [3, 4, 5] {
        app.db.put(2, state).await;
        for content in [START, FAILED] {
            queried(&app, "2", content).await;
            assert_eq!(app.db.state(2).await, state);
        }
        queried(&app, "2", END).await;
        assert_eq!(app.db.state(2).await, 3);
    }
    assert_eq!(app.db.log_states(2).await, [6, 6, 6, 2].repeat(3));
}

/// What is a discovery and what an inventory is said by the message, not by the run.
#[tokio::test]
async fn a_discovery_of_an_inventorys_run() {
    let app = under_way(Policy::Plugin).await;
    tell(&app, &message("wks-1", "NETDISCOVERY", "2", FAILED)).await;
    queried(&app, "1", FAILED).await;
    assert_eq!(app.db.states().await, [1, 2]);
    assert_eq!(app.db.log_states(2).await, [6]);
    assert_eq!(app.db.log_states(1).await, [6, 6]);
}

/// Lines that PHP writes of what an inventory holds, in its order.
#[tokio::test]
async fn what_an_inventory_says_beside() {
    let app = under_way(Policy::Plugin).await;
    let content = "<VERSIONCLIENT>x</VERSIONCLIENT><DEVICE><INFO><ID>7</ID><TYPE>NETWORKING</TYPE><NAME/></INFO></DEVICE>\
         <Other>1</Other><DEVICE><ERROR><ID>8</ID><MESSAGE>it's &lt;b&gt;</MESSAGE></ERROR></DEVICE>\
         <DEVICE><INFO><ID>9</ID><TYPE>PHONE</TYPE><NAME>n</NAME></INFO></DEVICE><OTHER/>";
    queried(&app, "2", content).await;
    assert_eq!(
        app.db.log(2).await,
        [
            "3 ==devicesqueried==",
            "[==detail==] Unattended element in CONTENT : VERSIONCLIENT",
            "[==detail==] No informations [[NetworkEquipment::7]]",
            r"[==detail==] it\'s &#60;b&#62; [[::8]]",
            "[==detail==] No informations [[::9]]",
            "[==detail==] Unattended element in CONTENT : OTHER",
        ]
        .map(|text| (6, text.to_owned()))
    );
}

/// PHP has nowhere to file what else comes with a start or an end.
#[rstest]
#[case(START, "==inventorystarted==", 6)]
#[case(END, "0 devices updated.", 2)]
#[tokio::test]
async fn beside_a_start_or_an_end(#[case] bound: &str, #[case] text: &str, #[case] state: u32) {
    let app = under_way(Policy::Plugin).await;
    queried(&app, "2", &format!("{bound}{FAILED}<OTHER/>")).await;
    assert_eq!(app.db.log(2).await, [(state, text.to_owned())]);
}

/// A start and an end in one message: the end comes first.
#[tokio::test]
async fn an_inventory_that_starts_and_ends() {
    let app = under_way(Policy::Plugin).await;
    queried(&app, "2", "<AGENT><START/><END/></AGENT>").await;
    assert_eq!(app.db.log_states(2).await, [2, 6]);
    assert_eq!(app.db.state(2).await, 3);
}

/// `nb_ip`, `nb_found`, whether there is a start and whether there is an end.
async fn rows(app: &TestApp) -> Vec<(u32, u32, bool, bool)> {
    app.db
        .ask("SELECT nb_ip, nb_found, start_time IS NOT NULL, end_time IS NOT NULL FROM {p}statediscoveries ORDER BY id")
        .await
}

#[rstest]
#[case::start(START, &[(0, 0, true, true)], &[])]
#[case::nothing("", &[], &["0 ==devicesfound=="])]
#[case::exit(EXIT, &[], &["0 ==devicesfound=="])]
#[case::exit_with_addresses("<AGENT><EXIT/><NBIP>5</NBIP></AGENT>", &[], &["0 ==devicesfound=="])]
#[case::exit_with_a_device("<AGENT><EXIT/></AGENT><DEVICE><IP>1</IP></DEVICE>", &[(0, 1, false, true)], &["1 ==devicesfound=="])]
#[case::start_with_addresses("<AGENT><START/><NBIP>5</NBIP></AGENT>", &[(0, 0, true, true)], &[])]
#[case::addresses("<AGENT><NBIP>5</NBIP></AGENT>", &[(5, 0, false, true)], &["0 ==devicesfound=="])]
#[case::no_addresses("<AGENT><NBIP>0</NBIP></AGENT>", &[(0, 0, false, true)], &["0 ==devicesfound=="])]
#[tokio::test]
async fn the_first_message_of_a_discovery(
    #[case] content: &str,
    #[case] row: &[(u32, u32, bool, bool)],
    #[case] log: &[&str],
) {
    let app = under_way(Policy::Plugin).await;
    discovered(&app, content).await;
    assert_eq!(rows(&app).await, row);
    let said: Vec<String> = app
        .db
        .log(1)
        .await
        .into_iter()
        .map(|(_, text)| text)
        .collect();
    assert_eq!(said, log);
    assert_eq!(app.db.state(1).await, 2);
}

/// Where an older plugin has counted threads, PHP leaves the end to the end.
#[tokio::test]
async fn a_discovery_with_threads_ends_at_its_end() {
    let app = under_way(Policy::Plugin).await;
    app.db
        .set("INSERT INTO {p}statediscoveries ({f}taskjob_id, {f}agents_id, threads) VALUES (1, 1, 4)")
        .await;
    discovered(&app, START).await;
    discovered(&app, "<AGENT><NBIP>5</NBIP></AGENT>").await;
    assert_eq!(rows(&app).await, [(5, 0, true, false)]);
    discovered(&app, EXIT).await;
    assert_eq!(rows(&app).await, [(5, 0, true, true)]);
    discovered(&app, END).await;
    assert_eq!(app.db.state(1).await, 3);
    let said = lines(&app).await.len();
    // The second end finds it ended.
    discovered(&app, END).await;
    assert_eq!(lines(&app).await.len(), said);
}

/// A message that PHP does not know is answered as a PROLOG, but tells a version.
#[rstest]
#[case::unknown("FOO", Policy::Plugin, Some(r#"{"FOO":"4.2"}"#))]
#[case::a_prolog("PROLOG", Policy::Plugin, None)]
#[case::redux("FOO", Policy::Redux, None)]
#[tokio::test]
async fn the_version_of_an_unknown_task(
    #[case] query: &str,
    #[case] policy: Policy,
    #[case] version: Option<&str>,
) {
    let app = under_way(policy).await;
    for agent in ["wks-2", "new-1"] {
        app.post(&message(agent, query, "1", ""), Coding::Zlib)
            .await;
    }
    let versions = versions(&app).await;
    assert_eq!(versions[1].as_deref(), version);
    assert_eq!(versions[2].as_deref(), version);
}
