//! Orders.

use fusion_sidecar::domain::policy::Policy;
use rstest::rstest;

use super::prepare;
use crate::support::network::{COMPUTER, PRINTER, RANGE, SWITCH, site};
use crate::support::site::SLOT_OPENS_AT_ONE;

/// The `OPTION`s of a PROLOG's answer, each in one line without its frame.
fn options(answer: &str) -> Vec<String> {
    answer
        .split("<OPTION>")
        .skip(1)
        .map(|rest| {
            let (option, _) = rest.split_once("</OPTION>").unwrap();
            option.lines().map(str::trim).collect()
        })
        .collect()
}

const PUBLIC: &str = r#"<AUTHENTICATION ID="1" VERSION="2c" COMMUNITY="public"/>"#;

/// An agent has one thread where nobody says otherwise, and the general time-out.
#[rstest]
#[tokio::test]
async fn both_kinds_in_one_answer(#[values(Policy::Redux, Policy::Plugin)] policy: Policy) {
    let app = site(policy).await;
    prepare(&app).await;
    assert_eq!(
        options(&app.prolog("wks-1").await),
        [
            format!(
                r#"<NAME>NETDISCOVERY</NAME><PARAM THREADS_DISCOVERY="1" TIMEOUT="1" PID="1"/><RANGEIP ID="1" IPSTART="10.0.0.1" IPEND="10.0.0.9" ENTITY="0"/>{PUBLIC}"#
            ),
            format!(
                r#"<NAME>SNMPQUERY</NAME><PARAM THREADS_QUERY="1" TIMEOUT="15" PID="2"/><DEVICE TYPE="NETWORKING" ID="1" IP="10.0.0.1" AUTHSNMP_ID="1"/>{PUBLIC}"#
            ),
        ]
    );
    assert_eq!(app.db.states().await, [1, 1]);
    assert_eq!(
        (app.db.log_states(1).await, app.db.log_states(2).await),
        (vec![1], vec![1])
    );
    assert_eq!(options(&app.prolog("wks-2").await), Vec::<String>::new());
}

/// 0 means the general setting, each number for itself.
#[rstest]
#[case(0, 0, 0, 0, ["20", "1"], ["10", "15"])]
#[case(3, 4, 5, 6, ["3", "4"], ["5", "6"])]
#[case(7, 0, 0, 8, ["7", "1"], ["10", "8"])]
#[tokio::test]
async fn threads_and_timeouts(
    #[values(Policy::Redux, Policy::Plugin)] policy: Policy,
    #[case] discovery_threads: u32,
    #[case] discovery_timeout: u32,
    #[case] inventory_threads: u32,
    #[case] inventory_timeout: u32,
    #[case] discovery: [&str; 2],
    #[case] inventory: [&str; 2],
) {
    let app = site(policy).await;
    prepare(&app).await;
    app.db
        .set(&format!(
            "UPDATE {{p}}agents SET threads_networkdiscovery = {discovery_threads}, timeout_networkdiscovery = {discovery_timeout}, \
             threads_networkinventory = {inventory_threads}, timeout_networkinventory = {inventory_timeout}"
        ))
        .await;
    let answer = app.prolog("wks-1").await;
    for (name, [threads, timeout], run) in [
        ("THREADS_DISCOVERY", discovery, 1),
        ("THREADS_QUERY", inventory, 2),
    ] {
        let expected = format!(r#"<PARAM {name}="{threads}" TIMEOUT="{timeout}" PID="{run}"/>"#);
        assert!(answer.contains(&expected), "{expected}\n{answer}");
    }
}

/// The last column: whether the agent could walk from there to there. What it cannot it leaves out in silence, and the run would stay
/// sent.
#[rstest]
#[case::whole("NULL", "10.0.0.1", "10.0.0.9", true)]
#[case::part("'2-4'", "10.0.0.3", "10.0.0.5", true)]
#[case::one("'0-0'", "10.0.0.1", "10.0.0.1", true)]
#[case::across_a_byte("'254-256'", "10.0.0.255", "10.0.1.1", true)]
#[case::backwards("'4-2'", "10.0.0.5", "10.0.0.3", false)]
#[tokio::test]
async fn parts_of_ranges(
    #[values(Policy::Redux, Policy::Plugin)] policy: Policy,
    #[case] part: &str,
    #[case] start: &str,
    #[case] end: &str,
    #[case] walkable: bool,
) {
    let app = site(policy).await;
    prepare(&app).await;
    app.db
        .set(&format!(
            "UPDATE {{p}}taskjobstates SET specificity = {part} WHERE id = 1"
        ))
        .await;
    let answer = app.prolog("wks-1").await;
    let sent = walkable || policy == Policy::Plugin;
    let range = format!(r#"<RANGEIP ID="1" IPSTART="{start}" IPEND="{end}" ENTITY="0"/>"#);
    assert_eq!(answer.contains(&range), sent, "{answer}");
    assert_eq!(answer.contains("NETDISCOVERY"), sent, "{answer}");
    assert!(answer.contains("SNMPQUERY"), "the other goes out: {answer}");
    assert_eq!(app.db.states().await, [if sent { 1 } else { 4 }, 1]);
}

#[rstest]
#[case::no_part("UPDATE {p}taskjobstates SET specificity = 'x' WHERE id = 1")]
#[case::gone("DELETE FROM {p}ipranges")]
#[case::empty("UPDATE {p}ipranges SET ip_start = NULL, ip_end = ''")]
#[case::backwards("UPDATE {p}ipranges SET ip_end = '10.0.0.0'")]
#[case::no_address("UPDATE {p}ipranges SET ip_end = 'printers'")]
#[tokio::test]
async fn a_range_that_is_none_ends_in_error_at_once(#[case] change: &str) {
    let app = site(Policy::Redux).await;
    prepare(&app).await;
    app.db.set(change).await;
    let orders = options(&app.prolog("wks-1").await);
    assert!(
        orders.len() == 1 && orders[0].contains("SNMPQUERY"),
        "{orders:?}"
    );
    assert_eq!(app.db.states().await, [4, 1]);
    assert_eq!(app.db.log_states(1).await, [4]);
}

/// (version, authentication, encryption) and the order's attributes.
#[rstest]
#[case::v1("1", "0", "0", r#"VERSION="1" COMMUNITY="c&amp;&lt;""#)]
#[case::v2c("2", "1", "1", r#"VERSION="2c" COMMUNITY="c&amp;&lt;""#)]
#[case::v3_open(
    "3",
    "0",
    "0",
    r#"VERSION="3" USERNAME="u" AUTHPASSPHRASE="a" PRIVPASSPHRASE="p""#
)]
#[case::v3_md5(
    "3",
    "1",
    "0",
    r#"VERSION="3" USERNAME="u" AUTHPROTOCOL="MD5" AUTHPASSPHRASE="a" PRIVPASSPHRASE="p""#
)]
#[case::v3_sha_des("3", "2", "1", r#"VERSION="3" USERNAME="u" AUTHPROTOCOL="SHA" AUTHPASSPHRASE="a" PRIVPROTOCOL="DES" PRIVPASSPHRASE="p""#)]
#[case::v3_sha_aes("3", "2", "2", r#"VERSION="3" USERNAME="u" AUTHPROTOCOL="SHA" AUTHPASSPHRASE="a" PRIVPROTOCOL="AES" PRIVPASSPHRASE="p""#)]
#[case::v3_md5_3des("3", "1", "5", r#"VERSION="3" USERNAME="u" AUTHPROTOCOL="MD5" AUTHPASSPHRASE="a" PRIVPROTOCOL="3DES" PRIVPASSPHRASE="p""#)]
#[tokio::test]
async fn credentials(
    #[values(Policy::Redux, Policy::Plugin)] policy: Policy,
    #[case] version: &str,
    #[case] authentication: &str,
    #[case] encryption: &str,
    #[case] attributes: &str,
) {
    let app = site(policy).await;
    prepare(&app).await;
    app.db
        .set(&format!(
            "UPDATE {{p}}configsecurities SET snmpversion = '{version}', community = 'c&#38;&#60;', username = 'u', \
             authentication = '{authentication}', auth_passphrase = 'a', encryption = '{encryption}', priv_passphrase = 'p'"
        ))
        .await;
    // As stored, PHP's secret is another one.
    let attributes = match policy {
        Policy::Redux => attributes.to_owned(),
        Policy::Plugin => attributes.replace("c&amp;&lt;", "c&amp;#38;&amp;#60;"),
    };
    let answer = app.prolog("wks-1").await;
    let credential = format!(r#"<AUTHENTICATION ID="1" {attributes}/>"#);
    assert_eq!(answer.matches(&credential).count(), 2, "{answer}");
}

/// The credentials of a range go by rank.
#[rstest]
#[tokio::test]
async fn a_range_has_its_own_credentials(#[values(Policy::Redux, Policy::Plugin)] policy: Policy) {
    let app = site(policy).await;
    prepare(&app).await;
    for (id, community) in [(2, "second"), (3, "third"), (4, "others")] {
        app.db.community(id, 1, community).await;
    }
    app.db
        .range(2, "10.0.1.1", "10.0.1.2", &[3, 99, 1, 2])
        .await;
    app.db.run_on(3, 2, RANGE, 2).await;
    let orders = options(&app.prolog("wks-1").await);
    let of_range = orders
        .iter()
        .find(|order| order.contains(r#"RANGEIP ID="2""#))
        .unwrap();
    let ids: Vec<&str> = of_range
        .split(r#"<AUTHENTICATION ID=""#)
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    assert_eq!(ids, ["3", "1", "2"]);
}

/// One answer of many runs, each with its own PID.
#[rstest]
#[case::only_what_is_needed(Policy::Redux, 1)]
#[case::all_for_every_device(Policy::Plugin, 3)]
#[tokio::test]
async fn many_devices(#[case] policy: Policy, #[case] credentials: usize) {
    let app = site(policy).await;
    for (id, community) in [(1, "one"), (2, "two"), (3, "three")] {
        app.db.community(id, 2, community).await;
    }
    let devices: Vec<u32> = (1..=40).collect();
    app.db.job(2, "networkinventory", SWITCH, &devices).await;
    app.db.job(3, "networkinventory", PRINTER, &devices).await;
    for id in &devices {
        app.db
            .device(SWITCH, *id, &format!("10.0.0.{id}"), id % 3 + 1)
            .await;
        app.db
            .device(PRINTER, *id, &format!("10.0.1.{id}"), id % 3 + 1)
            .await;
        app.db.run_on(u64::from(*id), 2, SWITCH, *id).await;
        app.db.run_on(u64::from(100 + *id), 3, PRINTER, *id).await;
    }
    let orders = options(&app.prolog("wks-1").await);
    assert_eq!(orders.len(), 80);
    for (order, (kind, net, id, run)) in orders.iter().zip(
        (1..=40)
            .map(|id| ("NETWORKING", 0, id, id))
            .chain((1..=40).map(|id| ("PRINTER", 1, id, id + 100))),
    ) {
        let credential = id % 3 + 1;
        let device = format!(
            r#"PID="{run}"/><DEVICE TYPE="{kind}" ID="{id}" IP="10.0.{net}.{id}" AUTHSNMP_ID="{credential}"/>"#
        );
        assert!(order.contains(&device), "{device}\n{order}");
        assert_eq!(
            order.matches("<AUTHENTICATION ").count(),
            credentials,
            "{order}"
        );
        assert!(
            order.contains(&format!(r#"<AUTHENTICATION ID="{credential}""#)),
            "{order}"
        );
    }
    assert_eq!(app.db.states().await, vec![1; 80]);
}

#[rstest]
#[case::no_address("UPDATE glpi_ipaddresses SET name = ''", 4, 4)]
#[case::loopback_alone("UPDATE glpi_ipaddresses SET name = '127.0.0.1'", 4, 4)]
#[case::no_port("DELETE FROM glpi_networkports", 4, 4)]
#[case::no_credential("UPDATE {p}networkequipments SET {f}configsecurities_id = 0", 4, 1)]
#[case::credential_gone("UPDATE {p}networkequipments SET {f}configsecurities_id = 9", 4, 1)]
#[case::never_inventoried("DELETE FROM {p}networkequipments", 4, 1)]
#[case::no_device("UPDATE {p}taskjobstates SET itemtype = 'Monitor' WHERE id = 2", 4, 4)]
#[tokio::test]
async fn a_device_that_cannot_be_asked(
    #[values(Policy::Redux, Policy::Plugin)] policy: Policy,
    #[case] change: &str,
    #[case] redux: u32,
    #[case] plugin: u32,
) {
    let app = site(policy).await;
    prepare(&app).await;
    app.db.set(change).await;
    let orders = options(&app.prolog("wks-1").await);
    let state = if policy == Policy::Redux {
        redux
    } else {
        plugin
    };
    assert_eq!(app.db.state(2).await, state);
    let sent = orders.iter().any(|order| order.contains("SNMPQUERY"));
    assert_eq!(sent, state == 1, "{orders:?}");
    assert_eq!(app.db.log_states(2).await, [state]);
    assert_eq!(app.db.state(1).await, 1, "the other order goes out");
}

/// PHP asks whatever has an address: a device that is neither switch nor printer goes without its kind.
#[rstest]
#[case::computer("Computer")]
#[case::phone("Phone")]
#[case::monitor("Monitor")]
#[tokio::test]
async fn a_device_of_another_class(
    #[values(Policy::Redux, Policy::Plugin)] policy: Policy,
    #[case] class: &str,
) {
    let app = site(policy).await;
    prepare(&app).await;
    app.db
        .set(&format!(
            "UPDATE {{p}}taskjobstates SET itemtype = '{class}' WHERE id = 2;
             UPDATE glpi_networkports SET itemtype = '{class}'"
        ))
        .await;
    let orders = options(&app.prolog("wks-1").await);
    let device = r#"<DEVICE ID="1" IP="10.0.0.1" AUTHSNMP_ID="0"/>"#;
    let sent = policy == Policy::Plugin;
    let found = orders.iter().any(|order| order.contains(device));
    assert_eq!(found, sent, "{orders:?}");
    assert_eq!(app.db.states().await, [1, if sent { 1 } else { 4 }]);
}

/// To PHP an empty address is the first one.
#[rstest]
#[case::redux(Policy::Redux, 1)]
#[case::plugin(Policy::Plugin, 4)]
#[tokio::test]
async fn an_empty_address_comes_first(
    #[case] policy: Policy,
    #[case] state: u32,
    #[values("''", "NULL")] address: &str,
) {
    let app = site(policy).await;
    prepare(&app).await;
    app.db
        .set(&format!(
            "UPDATE glpi_ipaddresses SET name = {address};
             INSERT INTO glpi_ipaddresses (items_id, itemtype, name) SELECT items_id, itemtype, '10.9.0.2' FROM glpi_ipaddresses LIMIT 1"
        ))
        .await;
    app.prolog("wks-1").await;
    assert_eq!(app.db.state(2).await, state);
}

/// The first address that is no loopback.
#[rstest]
#[tokio::test]
async fn of_several_addresses(#[values(Policy::Redux, Policy::Plugin)] policy: Policy) {
    let app = site(policy).await;
    prepare(&app).await;
    app.db
        .set(
            "UPDATE glpi_ipaddresses SET name = '127.0.0.1';
             INSERT INTO glpi_ipaddresses (items_id, itemtype, name) SELECT items_id, itemtype, '::1' FROM glpi_ipaddresses LIMIT 1;
             INSERT INTO glpi_ipaddresses (items_id, itemtype, name) SELECT items_id, itemtype, '10.9.0.2' FROM glpi_ipaddresses LIMIT 1;
             INSERT INTO glpi_ipaddresses (items_id, itemtype, name) SELECT items_id, itemtype, '10.9.0.1' FROM glpi_ipaddresses LIMIT 1",
        )
        .await;
    let answer = app.prolog("wks-1").await;
    assert!(answer.contains(r#"IP="10.9.0.2""#), "{answer}");
}

#[rstest]
#[case::redux(Policy::Redux, &[1, 2])]
#[case::plugin(Policy::Plugin, &[1, 2, 2, 2])]
#[tokio::test]
async fn a_computer_with_several_cards_is_woken_up_by_all(
    #[case] policy: Policy,
    #[case] said: &[u32],
) {
    let app = site(policy).await;
    app.db
        .set(
            "INSERT INTO glpi_networkports (items_id, itemtype, mac) VALUES (2, 'Computer', '02:00:00:00:00:02'), (2, 'Computer', ''), \
             (2, 'Computer', NULL), (2, 'Computer', '02:00:00:00:00:01'), (2, 'Printer', '02:00:00:00:00:09'), (1, 'Computer', '02:00:00:00:00:08')",
        )
        .await;
    app.db.job(2, "wakeonlan", COMPUTER, &[2]).await;
    app.db.run_on(1, 2, COMPUTER, 2).await;
    assert_eq!(
        options(&app.prolog("wks-1").await),
        [
            r#"<NAME>WAKEONLAN</NAME><PARAM MAC="02:00:00:00:00:02"/><PARAM MAC="02:00:00:00:00:01"/>"#
        ]
    );
    assert_eq!(app.db.state(1).await, 3);
    assert_eq!(app.db.log_states(1).await, said);
    assert_eq!(options(&app.prolog("wks-1").await), Vec::<String>::new());
}

#[rstest]
#[case::redux(Policy::Redux, 0)]
#[case::plugin(Policy::Plugin, 1)]
#[tokio::test]
async fn a_computer_without_a_card_is_not_woken_up(#[case] policy: Policy, #[case] orders: usize) {
    let app = site(policy).await;
    app.db.job(2, "wakeonlan", COMPUTER, &[2]).await;
    app.db.run_on(1, 2, COMPUTER, 2).await;
    assert_eq!(options(&app.prolog("wks-1").await).len(), orders);
    assert_eq!(app.db.state(1).await, 4);
    assert_eq!(app.db.log_states(1).await, [4]);
}

#[tokio::test]
async fn redux_sends_again_what_was_lost_and_so_often_only() {
    let app = site(Policy::Redux).await;
    prepare(&app).await;
    let sends = 3;
    let first = options(&app.prolog("wks-1").await);
    for _ in 1..sends {
        assert_eq!(options(&app.prolog("wks-1").await), first);
        assert_eq!(app.db.states().await, [1, 1]);
    }
    assert_eq!(options(&app.prolog("wks-1").await), Vec::<String>::new());
    assert_eq!(app.db.states().await, [4, 4]);
    assert_eq!(app.db.log_states(1).await, [1, 1, 1, 4]);
}

#[tokio::test]
async fn the_plugin_takes_a_second_prolog_for_a_failure() {
    let app = site(Policy::Plugin).await;
    prepare(&app).await;
    assert_eq!(options(&app.prolog("wks-1").await).len(), 2);
    assert_eq!(options(&app.prolog("wks-1").await), Vec::<String>::new());
    assert_eq!(app.db.states().await, [4, 4]);
}

#[tokio::test]
async fn redux_leaves_alone_what_is_under_way() {
    let app = site(Policy::Redux).await;
    prepare(&app).await;
    app.prolog("wks-1").await;
    super::discovered(&app, super::START).await;
    let orders = options(&app.prolog("wks-1").await);
    assert!(
        orders.len() == 1 && orders[0].contains("SNMPQUERY"),
        "{orders:?}"
    );
    assert_eq!(app.db.states().await, [2, 1]);
}

#[rstest]
#[case::start_date("UPDATE {p}tasks SET datetime_start = '2026-03-04 13:00:00'", 0, 5)]
#[case::execution_slot(SLOT_OPENS_AT_ONE, 0, 5)]
#[case::task_off("UPDATE {p}tasks SET is_active = 0", 5, 5)]
#[case::no_actor("UPDATE {p}taskjobs SET actors = '[]'", 5, 5)]
// PHP looks at these modules when it prepares, not here.
#[case::modules_off(
    "UPDATE {p}agentmodules SET is_active = 0 WHERE modulename IN ('NETWORKINVENTORY', 'NETWORKDISCOVERY', 'WAKEONLAN')",
    5,
    1
)]
#[tokio::test]
async fn what_may_not_go_out(
    #[values(Policy::Redux, Policy::Plugin)] policy: Policy,
    #[case] change: &str,
    #[case] redux: u32,
    #[case] plugin: u32,
) {
    let app = site(policy).await;
    prepare(&app).await;
    app.db.set(change).await;
    let state = if policy == Policy::Redux {
        redux
    } else {
        plugin
    };
    let orders = options(&app.prolog("wks-1").await).len();
    assert_eq!(app.db.states().await, [state; 2]);
    assert_eq!(orders, if state == 1 { 2 } else { 0 });
}

/// A locked agent gets its orders, as from PHP.
#[rstest]
#[tokio::test]
async fn a_locked_agent(#[values(Policy::Redux, Policy::Plugin)] policy: Policy) {
    let app = site(policy).await;
    prepare(&app).await;
    app.db.set("UPDATE {p}agents SET `lock` = 1").await;
    assert_eq!(options(&app.prolog("wks-1").await).len(), 2);
}

/// Of requests at once one gets an order.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn an_order_goes_out_once(#[values(Policy::Redux, Policy::Plugin)] policy: Policy) {
    let app = site(policy).await;
    prepare(&app).await;
    app.db
        .set("INSERT INTO glpi_networkports (items_id, itemtype, mac) VALUES (2, 'Computer', '02:00:00:00:00:02')")
        .await;
    app.db.job(4, "wakeonlan", COMPUTER, &[2]).await;
    app.db.run_on(3, 4, COMPUTER, 2).await;
    let answers = futures_util::future::join_all((0..8).map(|_| app.prolog("wks-1"))).await;
    let woken: usize = answers
        .iter()
        .map(|answer| answer.matches("WAKEONLAN").count())
        .sum();
    assert_eq!(woken, 1);
    assert_eq!(app.db.state(3).await, 3);
}
