//! Whom a pass asks.

use std::net::Ipv4Addr;
use std::time::Duration;

use fusion_sidecar::domain::policy::Policy;
use rstest::rstest;

use super::{Site, now};
use crate::support::fake_agents::Manner::{Busy, Foreign, Hangs, Obeys, Refuses};
use crate::support::site::SLOT_OPENS_AT_ONE;

/// The requests of the plugin: first whether they wait, then to come.
fn both(asked: &[u32], woken: &[u32]) -> Vec<(u32, String)> {
    let status = asked.iter().map(|id| (*id, "/status".to_owned()));
    let mut all: Vec<(u32, String)> = now(woken.iter().copied())
        .into_iter()
        .chain(status)
        .collect();
    all.sort();
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_wakes_up_so_many_in_its_interval() {
    let site = Site::new(Policy::Redux, 103, 2, |_| {}).await;
    let site = site
        .with(&[Obeys, Foreign, Obeys, Refuses, Obeys, Obeys])
        .await;
    let wakeup = site.app.wakeup();
    let pass = async || {
        site.agents.forget();
        let said = wakeup.pass().await.unwrap().to_string();
        (site.asked(), said)
    };
    // The place of one that is no agent goes on to the next.
    let (asked, said) = pass().await;
    let mut expected = now([1, 2, 3]);
    assert_eq!(asked, expected, "{said}");
    let last: Vec<String> = site
        .app
        .db
        .ask("SELECT CAST(last_agent_wakeup AS CHAR) FROM {p}tasks")
        .await;
    assert_eq!(last, ["2026-03-04 12:00:00"]);

    site.app.clock.advance(Duration::from_secs(299));
    let (asked, said) = pass().await;
    assert_eq!(
        (asked, said.starts_with("0 tasks")),
        (vec![], true),
        "{said}"
    );

    // Those that did not come are left alone for a while.
    site.app.clock.advance(Duration::from_secs(1));
    let (asked, said) = pass().await;
    assert_eq!(asked, now([4, 5, 6]), "{said}");
    assert!(said.contains("3 skipped: 3 asked in vain before"), "{said}");

    // One of them came, for something else.
    site.app
        .db
        .set("UPDATE {p}agents SET last_contact = '2026-03-04 12:06:00' WHERE id = 3")
        .await;
    site.app.clock.advance(Duration::from_mins(5));
    let (asked, said) = pass().await;
    expected.retain(|(id, _)| *id == 3);
    assert_eq!(asked, expected, "{said}");
}

/// Those that wait, in the order of their runs, until the places are taken.
#[tokio::test(flavor = "multi_thread")]
async fn as_the_plugin_chooses() {
    let site = Site::new(Policy::Plugin, 104, 2, |_| {}).await;
    let site = site.with(&[Busy, Obeys, Foreign, Refuses, Obeys]).await;
    let (asked, said) = site.pass().await;
    assert_eq!(asked, both(&[1, 2, 3, 4], &[2, 4]), "{said}");
    assert!(
        said.contains("4 agents asked: 1 awake, 1 refused, 1 unreachable, 1 busy; 0 skipped"),
        "{said}"
    );
    // The time is written down also when there is nobody.
    site.app.clock.advance(Duration::from_mins(5));
    site.app.db.set("DELETE FROM {p}taskjobstates").await;
    let (asked, _) = site.pass().await;
    assert_eq!(asked, []);
    let last = "SELECT CAST(last_agent_wakeup AS CHAR) FROM {p}tasks";
    assert_eq!(
        site.app.db.ask::<String>(last).await,
        ["2026-03-04 12:05:00"]
    );
}

/// Nobody has work: under `redux` the time is not used up by that.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_prepared_after_a_look_does_not_wait() {
    let site = Site::new(Policy::Redux, 105, 2, |_| {})
        .await
        .with(&[Obeys])
        .await;
    site.app
        .db
        .set("UPDATE {p}taskjobstates SET state = 3")
        .await;
    assert_eq!(site.pass().await.0, []);
    site.app
        .db
        .set("UPDATE {p}taskjobstates SET state = 0")
        .await;
    assert_eq!(site.pass().await.0, now([1]));
}

#[rstest]
#[case::nothing("DO 1", true, true, "0 skipped")]
#[case::locked("UPDATE {p}agents SET `lock` = 1", false, true, "1 locked")]
#[case::module_off(
    "UPDATE {p}agentmodules SET is_active = 0 WHERE modulename = 'DEPLOY'",
    false,
    true,
    "1 with the module off"
)]
#[case::just_here(
    "UPDATE {p}agents SET last_contact = '2026-03-04 11:59:30'",
    false,
    true,
    "1 just in contact"
)]
#[case::at_work(
    "INSERT INTO {p}taskjobstates (id, state, {f}agents_id) VALUES (9, 2, 1); UPDATE {p}agents SET last_contact = '2026-03-04 11:00:00'",
    false,
    true,
    "1 at work"
)]
#[case::dead_at_work(
    "INSERT INTO {p}taskjobstates (id, state, {f}agents_id) VALUES (9, 2, 1); UPDATE {p}agents SET last_contact = '2026-03-04 09:00:00'",
    true,
    true,
    "0 skipped"
)]
#[case::not_yet(
    "UPDATE {p}tasks SET datetime_start = '2026-03-04 13:00:00'",
    false,
    true,
    "1 whose work may not go out now"
)]
#[case::put_off(
    "UPDATE {p}taskjobstates SET date_start = '2026-03-04 13:00:00'",
    false,
    true,
    "1 whose work may not go out now"
)]
#[case::no_actor(
    "UPDATE {p}taskjobs SET actors = '[{\"Computer\":\"7\"}]'",
    false,
    true,
    "1 whose work may not go out now"
)]
#[case::in_the_trash(
    "UPDATE glpi_computers SET is_deleted = 1",
    false,
    true,
    "1 whose work may not go out now"
)]
#[case::slot_closed(SLOT_OPENS_AT_ONE, false, false, "1 whose work may not go out now")]
#[case::task_off("UPDATE {p}tasks SET is_active = 0", false, false, "0 skipped")]
#[case::no_interval("UPDATE {p}tasks SET wakeup_agent_time = 0", false, false, "0 skipped")]
#[case::no_number(
    "UPDATE {p}tasks SET wakeup_agent_counter = 0",
    false,
    false,
    "0 skipped"
)]
#[case::max(
    "UPDATE {p}configs SET value = '0' WHERE type = 'wakeup_agent_max'",
    false,
    false,
    "0 skipped"
)]
#[case::no_work("UPDATE {p}taskjobstates SET state = 6", false, false, "0 skipped")]
#[case::address_gone(
    "UPDATE glpi_ipaddresses SET is_deleted = 1",
    false,
    false,
    "1 without an address"
)]
#[tokio::test(flavor = "multi_thread")]
async fn whom_it_leaves_alone(
    #[case] change: &str,
    #[case] redux: bool,
    #[case] plugin: bool,
    #[case] reason: &str,
) {
    for (policy, network, expected) in [(Policy::Redux, 106, redux), (Policy::Plugin, 107, plugin)]
    {
        let site = Site::new(policy, network, 5, |_| {})
            .await
            .with(&[Obeys])
            .await;
        site.app.db.set(change).await;
        let (asked, said) = site.pass().await;
        let woken = asked.contains(&(1, "/now/tok1".to_owned()));
        assert_eq!(woken, expected, "{policy}: {said}");
        if policy == Policy::Redux {
            assert!(said.contains(reason), "{said}");
        }
    }
}

/// What GLPI holds may come from anybody: this machine's own services are not asked, unless the admin says so.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_asked_outside_the_networks() {
    for networks in [&[][..], &["0.0.0.0/0"], &["10.0.0.0/8"]] {
        let site = Site::new(Policy::Redux, 108, 5, |settings| {
            settings.wakeup.networks = networks.iter().map(|net| net.parse().unwrap()).collect();
        });
        let site = site.await.with(&[Obeys, Hangs]).await;
        let (asked, said) = site.pass().await;
        assert_eq!(asked, []);
        assert!(
            said.ends_with("0 unreachable; 2 skipped: 2 without an address"),
            "{said}"
        );
        // Nothing was done: the task's time is not used up.
        let last: Vec<Option<String>> = site
            .app
            .db
            .ask("SELECT CAST(last_agent_wakeup AS CHAR) FROM {p}tasks")
            .await;
        assert_eq!(last, [None]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agents_own_port_and_a_token_that_is_none() {
    let site = Site::new(Policy::Redux, 109, 5, |_| {})
        .await
        .with(&[Obeys, Obeys])
        .await;
    site.app
        .db
        .set(&format!(
            "UPDATE {{p}}configs SET value = '1' WHERE type = 'agent_port'; UPDATE {{p}}agents SET agent_port = {} WHERE id = 2;
             UPDATE {{p}}agents SET token = 'a/../b c\r\nX: y' WHERE id = 2",
            site.agents.port
        ))
        .await;
    let (asked, said) = site.pass().await;
    assert_eq!(asked, [(2, "/now/".to_owned())]);
    assert!(
        said.contains("2 agents asked: 1 awake, 0 refused, 1 unreachable"),
        "{said}"
    );
}

/// By the name of its computer, which is this machine's here: whatever the resolver makes of it.
#[rstest]
#[case::on(true)]
#[case::off(false)]
#[tokio::test(flavor = "multi_thread")]
async fn an_agent_is_found_by_its_name(#[case] names: bool) {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let host = host.trim();
    let found = tokio::net::lookup_host((host, 0))
        .await
        .unwrap()
        .next()
        .unwrap();
    let std::net::IpAddr::V4(address) = found.ip() else {
        panic!("{host} is {found}")
    };
    let site = Site::new(Policy::Redux, 110, 5, |settings| {
        settings.wakeup.names = names;
        settings.wakeup.networks = vec![std::net::IpAddr::from(address).into()];
    });
    let site = site.await;
    site.agents.add(address, Obeys).await;
    site.known(1).await;
    site.app
        .db
        .set(&format!("UPDATE glpi_computers SET name = '{host}'"))
        .await;
    let summary = site.app.wakeup().pass().await.unwrap();
    assert_eq!(summary.awake, usize::from(names), "{summary}");
    assert_eq!(site.agents.asked().len(), usize::from(names));
}

/// Two tasks, two agents that have work of both.
#[tokio::test(flavor = "multi_thread")]
async fn an_agent_of_two_tasks_is_asked_once() {
    let site = Site::new(Policy::Redux, 111, 1, |_| {})
        .await
        .with(&[Obeys, Obeys, Obeys])
        .await;
    site.app
        .db
        .set(
            "INSERT INTO {p}tasks (id, name, is_active, wakeup_agent_counter, wakeup_agent_time) VALUES (2, 'second', 1, 2, 5);
             INSERT INTO {p}taskjobs (id, {f}tasks_id, name, method, targets, actors) SELECT 2, 2, name, method, targets, actors FROM {p}taskjobs;
             INSERT INTO {p}taskjobstates (id, {f}taskjobs_id, items_id, itemtype, {f}agents_id, uniqid) VALUES \
             (11, 2, 1, 'PluginFusioninventoryDeployPackage', 1, 'run-11'), (12, 2, 1, 'PluginFusioninventoryDeployPackage', 2, 'run-12')",
        )
        .await;
    let (asked, said) = site.pass().await;
    assert_eq!(asked, now([1, 2]), "{said}");
    assert!(
        said.starts_with("2 tasks, 2 agents asked: 2 awake"),
        "{said}"
    );
    let last: Vec<bool> = site
        .app
        .db
        .ask("SELECT last_agent_wakeup IS NOT NULL FROM {p}tasks")
        .await;
    assert_eq!(last, [true, true]);
}

/// Only addresses that GLPI has of the agent's own computer are asked.
#[tokio::test(flavor = "multi_thread")]
async fn other_machines_are_not_asked() {
    let site = Site::new(Policy::Redux, 112, 5, |_| {}).await;
    for number in 1..=3 {
        site.agents.add(site.address(number), Obeys).await;
    }
    site.known(1).await;
    let places: [(u32, Ipv4Addr); 2] = [(1, site.address(1)), (2, site.address(2))];
    site.at(places.into_iter()).await;
    site.app
        .db
        .set(&format!(
            "INSERT INTO glpi_networkports (id, items_id, itemtype) VALUES (9, 1, 'Printer');
             INSERT INTO glpi_networknames (id, items_id, itemtype) VALUES (9, 9, 'NetworkPort');
             INSERT INTO glpi_ipaddresses (id, items_id, itemtype, name) VALUES (9, 9, 'NetworkName', '{}')",
            site.address(3)
        ))
        .await;
    assert_eq!(site.pass().await.0, now([1]));
}
