//! The real agent's network tasks, collect and ESX against the sidecar.

use fusion_sidecar::domain::policy::Policy;
use rstest::rstest;

use crate::support::app::{self, TestApp};
use crate::support::network::{COLLECT, COMPUTER, HYPERVISOR, RANGE, SWITCH, site};
use crate::support::php::FakePhp;
use crate::support::real_agent::RealAgent;
use crate::support::site::{office, text};
use crate::support::snmpd::{NAME, Snmpd};
use fusion_sidecar::proto::envelope::open;

/// Runs agent `wks-1` once with these tasks; what it said.
async fn run_agent(app: &TestApp, tasks: &str) -> String {
    app.db
        .set(&format!(
            "UPDATE {{p}}entities SET agent_base_url = '{}' WHERE id = 1",
            app.origin()
        ))
        .await;
    let agent = RealAgent::new("wks-1").await;
    agent
        .run(&app.base_url(), &[&format!("--tasks={tasks}")])
        .await
}

/// A range from the device to the silent address, the wrong credential first; run 1 discovers it.
async fn discovery(app: &TestApp, device: &Snmpd) {
    app.db.community(1, 1, "wrong").await;
    app.db.community(2, 2, "public").await;
    let (first, last) = (device.address.to_string(), device.silent.to_string());
    app.db.range(1, &first, &last, &[1, 2]).await;
    app.db.job(2, "networkdiscovery", RANGE, &[1]).await;
    app.db.keep_states().await;
    app.db.run_on(1, 2, RANGE, 1).await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_range_is_discovered(#[values(Policy::Redux, Policy::Plugin)] policy: Policy) {
    let device = Snmpd::start("rocommunity public").await;
    let app = site(policy).await;
    discovery(&app, &device).await;

    let said = run_agent(&app, "netdiscovery").await;

    let found = format!("scanning {} with SNMP, credentials", device.address);
    assert!(said.contains(&format!("{found} 1: no result")), "{said}");
    assert!(said.contains(&format!("{found} 2: success")), "{said}");
    assert_eq!(app.db.seen(1).await, [0, 1, 2, 3], "{said}");
    let discoveries = app.db.discoveries().await;
    let [(2, devices @ 1..=2, true)] = discoveries[..] else {
        // Root's agent also pings, and every loopback address answers that.
        panic!("{discoveries:?}\n{said}")
    };
    let log = app.db.log(1).await;
    let of_devices = log
        .iter()
        .filter(|(_, text)| text == "1 ==devicesfound==")
        .count();
    assert_eq!(of_devices, devices as usize, "{log:?}");
    assert_eq!(
        (log[0].0, log.last().unwrap().0),
        (1, 2),
        "started first, ended once: {log:?}"
    );
    let versions: Vec<String> = app
        .db
        .ask("SELECT version FROM {p}agents WHERE id = 1")
        .await;
    assert_eq!(versions, [r#"{"NETWORKDISCOVERY":"4.2"}"#]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_discovered_reaches_php() {
    let device = Snmpd::start("rocommunity public").await;
    let php = FakePhp::start().await;
    let app = app::start(|settings| settings.upstream_url = Some(php.url.clone())).await;
    office(&app.db).await;
    discovery(&app, &device).await;

    let said = run_agent(&app, "netdiscovery").await;

    let messages: Vec<String> = php
        .got()
        .iter()
        .map(|got| {
            let opened = open(
                got.header("content-type").first().copied(),
                &got.body,
                1 << 20,
            );
            String::from_utf8(opened.unwrap().body).unwrap()
        })
        .collect();
    let has = |part: &str| {
        messages
            .iter()
            .filter(|message| message.contains(part))
            .count()
    };
    assert_eq!(has("<PROCESSNUMBER>1</PROCESSNUMBER>"), messages.len());
    assert_eq!(
        has(&format!("<SNMPHOSTNAME>{NAME}</SNMPHOSTNAME>")),
        1,
        "{said}"
    );
    assert_eq!((has("<START>"), has("<NBIP>2<"), has("<END>")), (1, 1, 2));
    // The rest is PHP's.
    assert_eq!(app.db.seen(1).await, [0, 1]);
    assert_eq!(app.db.discoveries().await, []);
}

/// One answer, a run for each device, each with its own PROCESSNUMBER.
#[rstest]
#[case::redux(Policy::Redux, &[0, 1, 2, 3])]
#[case::plugin(Policy::Plugin, &[0, 1, 3])]
#[tokio::test(flavor = "multi_thread")]
async fn devices_are_queried(#[case] policy: Policy, #[case] states: &[u32]) {
    let device = Snmpd::start("rocommunity public").await;
    let app = site(policy).await;
    app.db.community(1, 1, "other").await;
    app.db.community(2, 2, "public").await;
    let (address, silent) = (device.address.to_string(), device.silent.to_string());
    app.db.device(SWITCH, 1, &address, 2).await;
    app.db.device(SWITCH, 2, &silent, 2).await;
    app.db
        .set("UPDATE {p}agents SET timeout_networkinventory = 1")
        .await;
    app.db.job(2, "networkinventory", SWITCH, &[1, 2]).await;
    app.db.keep_states().await;
    app.db.run_on(1, 2, SWITCH, 1).await;
    app.db.run_on(2, 2, SWITCH, 2).await;

    let said = run_agent(&app, "netinventory").await;

    for run in [1, 2] {
        assert_eq!(app.db.seen(run).await, states, "{said}");
        let log = app.db.log(run).await;
        assert!(log.contains(&(6, "==inventorystarted==".into())), "{log:?}");
        assert!(log.contains(&(6, "1 ==devicesqueried==".into())), "{log:?}");
        assert_eq!(log.last().unwrap().0, 2, "{log:?}");
        let failed = log
            .iter()
            .find(|(_, text)| text.starts_with("[==detail==]"));
        assert_eq!(failed.is_some(), run == 2, "{log:?}");
        assert!(failed.is_none_or(|(_, text)| text.ends_with("[[NetworkEquipment::2]]")));
    }
}

/// GLPI stores `&` as `&#38;`, and PHP sends it out like that.
#[rstest]
#[case::version_2c("2", "rocommunity \"R&D\"")]
#[case::version_3(
    "3",
    "createUser inventory MD5 \"secret&12\" DES \"private&3\"\nrouser inventory priv"
)]
#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_sent_decoded(
    #[values(Policy::Redux, Policy::Plugin)] policy: Policy,
    #[case] version: &str,
    #[case] config: &str,
) {
    let device = Snmpd::start(config).await;
    let app = site(policy).await;
    app.db
        .set(&format!(
            "INSERT INTO {{p}}configsecurities (id, name, snmpversion, community, username, authentication, auth_passphrase, encryption, \
             priv_passphrase) VALUES (1, 'c', '{version}', 'R&#38;D', 'inventory', '1', 'secret&#38;12', '1', 'private&#38;3');
             UPDATE {{p}}agents SET timeout_networkinventory = 1"
        ))
        .await;
    app.db
        .device(SWITCH, 1, &device.address.to_string(), 1)
        .await;
    app.db.job(2, "networkinventory", SWITCH, &[1]).await;
    app.db.run_on(1, 2, SWITCH, 1).await;

    let said = run_agent(&app, "netinventory").await;

    assert_eq!(app.db.state(1).await, 3, "{said}");
    let log = app.db.log(1).await;
    let failed = log.iter().any(|(_, text)| text.starts_with("[==detail==]"));
    assert_eq!(failed, policy == Policy::Plugin, "{log:?}\n{said}");
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn files_are_found(#[values(Policy::Redux, Policy::Plugin)] policy: Policy) {
    let app = site(policy).await;
    let dir = tempfile::tempdir().unwrap();
    for (name, size) in [("a.log", 3), ("R&D.log", 5), ("c.txt", 7)] {
        std::fs::write(dir.path().join(name), "x".repeat(size)).unwrap();
    }
    let place = dir.path().to_str().unwrap();
    app.db
        .set(&format!(
            "INSERT INTO {{p}}collects (id, name, type, is_active) VALUES (1, 'logs', 'file', 1), (2, 'none', 'file', 1);
             INSERT INTO {{p}}collects_files (id, {{f}}collects_id, dir, `limit`, filter_is_file, filter_regex) VALUES \
             (7, 1, {place}, 10, 1, '[.]log$'), (8, 2, {place}, 10, 1, '[.]pdf$');
             INSERT INTO {{p}}collects_files_contents (computers_id, {{f}}collects_files_id, pathfile, size) VALUES (1, 7, '/gone', 1)",
            place = text(place)
        ))
        .await;
    app.db.job(2, "collect", COLLECT, &[1, 2]).await;
    app.db.keep_states().await;
    app.db.run_on(1, 2, COLLECT, 1).await;
    app.db.run_on(2, 2, COLLECT, 2).await;

    let said = run_agent(&app, "collect").await;

    assert_eq!(app.db.seen(1).await, [0, 1, 2, 3], "{said}");
    let nothing: &[u32] = match policy {
        Policy::Redux => &[0, 1, 2, 3],
        Policy::Plugin => &[0, 1, 3],
    };
    assert_eq!(app.db.seen(2).await, nothing, "{said}");
    let found: Vec<(u32, String, u32)> = app
        .db
        .ask("SELECT {f}collects_files_id, pathfile, size FROM {p}collects_files_contents WHERE computers_id = 1 ORDER BY size")
        .await;
    assert_eq!(
        found,
        [
            (7, format!("{place}/a.log"), 3),
            (7, format!("{place}/R&#38;D.log"), 5)
        ]
    );
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_hypervisor_that_refuses_ends_in_error(
    #[values(Policy::Redux, Policy::Plugin)] policy: Policy,
) {
    let app = site(policy).await;
    app.db
        .set(
            "INSERT INTO {p}credentials (id, username, password) VALUES (1, 'root', 'secret');
             INSERT INTO {p}credentialips (id, {f}credentials_id, ip) VALUES (1, 1, '127.0.0.9:9')",
        )
        .await;
    app.db
        .job(2, "InventoryComputerESX", HYPERVISOR, &[1])
        .await;
    app.db.keep_states().await;
    app.db.run_on(1, 2, HYPERVISOR, 1).await;

    let said = run_agent(&app, "esx").await;

    assert_eq!(app.db.seen(1).await, [0, 1, 4], "{said}");
    let log = app.db.log(1).await;
    let (state, text) = log.last().unwrap();
    assert!(
        *state == 4 && text.contains("Connection refused"),
        "{log:?}"
    );
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_computer_is_woken_up(#[values(Policy::Redux, Policy::Plugin)] policy: Policy) {
    let app = site(policy).await;
    app.db
        .set(
            "INSERT INTO glpi_networkports (items_id, itemtype, mac) VALUES (2, 'Computer', '00:00:5e:00:53:01'), (2, 'Computer', '00:00:5e:00:53:02')",
        )
        .await;
    app.db.job(2, "wakeonlan", COMPUTER, &[2]).await;
    app.db.keep_states().await;
    app.db.run_on(1, 2, COMPUTER, 2).await;

    let said = run_agent(&app, "wakeonlan").await;

    assert!(said.contains("running task WakeOnLan"), "{said}");
    assert!(!said.contains("MAC address"), "{said}");
    let states: &[u32] = &[0, 3];
    assert_eq!(
        app.db.seen(1).await,
        states,
        "sent and over in one transaction"
    );
}
