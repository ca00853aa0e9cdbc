//! Messages for PHP through the spool.

#[path = "delivery/append.rs"]
mod append;
#[path = "delivery/disk.rs"]
mod disk;
#[path = "delivery/kill.rs"]
mod kill;
#[path = "delivery/orders.rs"]
mod orders;
#[path = "delivery/outcomes.rs"]
mod outcomes;
#[path = "delivery/runs.rs"]
mod runs;
#[path = "delivery/speed.rs"]
mod speed;

use std::path::Path;
use std::time::Duration;

use fusion_sidecar::config::Settings;
use fusion_sidecar::proto::envelope::{Coding, seal};
use fusion_sidecar::spool::Entry;
use fusion_sidecar::spool::view::View;
use rstest::rstest;

use crate::support::agent::Answer;
use crate::support::app::{self, TestApp};
use crate::support::importer::{Importer, ZLIB, inventory};
use crate::support::real_agent::RealAgent;
use crate::support::site::office;
use crate::support::until::until;

/// A sidecar with a spool in `dir` before `php`, on the small site.
async fn sidecar(php: &Importer, dir: &Path, configure: impl FnOnce(&mut Settings)) -> TestApp {
    let app = app::start(|settings| {
        settings.upstream_url = Some(php.url.clone());
        settings.spool_dir = Some(dir.to_owned());
        configure(settings);
    })
    .await;
    office(&app.db).await;
    app
}

/// What lies in the spool, looked at from outside.
fn kept(dir: &Path) -> Vec<Entry> {
    let view = View::read(dir).unwrap();
    view.entries()
        .iter()
        .map(|entry| (**entry).clone())
        .collect()
}

/// Waits until nothing is left in the spool.
async fn until_empty(dir: &Path) {
    until("an empty spool", async || kept(dir).is_empty()).await;
}

fn is_thanked(answer: &Answer, coding: Coding) {
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some(coding.content_type()));
    assert!(
        answer
            .header("server-type")
            .unwrap()
            .starts_with("glpi/fusioninventory")
    );
    let reply = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<REPLY>\n</REPLY>\n";
    assert_eq!(answer.body, seal(reply, coding));
}

#[rstest]
#[tokio::test]
async fn an_inventory_is_acknowledged_as_by_php_and_handed_over_byte_for_byte(
    #[values(Coding::Zlib, Coding::Gzip, Coding::Plain)] coding: Coding,
) {
    let (php, dir) = (Importer::start().await, tempfile::tempdir().unwrap());
    php.is_down(true);
    let app = sidecar(&php, dir.path(), |_| {}).await;
    let xml = inventory("wks-1", "one");
    is_thanked(&app.post(&xml, coding).await, coding);
    assert_eq!(kept(dir.path()).len(), 1, "kept before it is acknowledged");
    assert_eq!(php.count(), 0);

    php.is_down(false);
    until("PHP is asked again", async || {
        app.clock.advance(Duration::from_mins(2));
        php.count() == 1
    })
    .await;
    let arrived = php.arrived().pop().unwrap();
    assert_eq!(arrived.body, seal(&xml, coding));
    assert_eq!(arrived.target, "/glpi/plugins/fusioninventory/");
    for (name, value) in [
        ("content-type", coding.content_type()),
        ("user-agent", "FusionInventory-Agent_v2.6"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-proto", "http"),
        (
            "x-forwarded-host",
            app.origin().trim_start_matches("http://"),
        ),
    ] {
        assert_eq!(arrived.headers[name], value, "{name}");
    }
    until_empty(dir.path()).await;
}

#[tokio::test]
async fn what_php_would_refuse_or_the_limits_do_is_not_kept() {
    let (php, dir) = (Importer::start().await, tempfile::tempdir().unwrap());
    let app = sidecar(&php, dir.path(), |settings| {
        settings.server.max_xml_elements = 50;
    })
    .await;
    let many = inventory("wks-1", "x").replace("<ACCOUNTINFO>", &"<A/>".repeat(60));
    for (xml, status) in [
        ("<REQUEST><DEVICEID>x</DEVICEID>".to_owned(), 200),
        (inventory("wks-1", "x").replace("</CONTENT>", ""), 200),
        (inventory("", "x"), 400),
        (
            inventory("wks-1", "x").replace("<QUERY>", "<QUERY>INVENTORY</QUERY><QUERY>"),
            400,
        ),
        (many, 200),
    ] {
        let answer = app.post(&xml, ZLIB).await;
        assert!(
            answer.status == status || answer.status == 413,
            "{xml}: {answer:?}"
        );
    }
    assert_eq!((kept(dir.path()).len(), php.count()), (0, 0));
}

#[tokio::test]
async fn an_hour_without_php_is_caught_up_in_order() {
    let (php, dir) = (Importer::start().await, tempfile::tempdir().unwrap());
    php.is_down(true);
    let app = sidecar(&php, dir.path(), |settings| {
        settings.delivery.supersede = false;
    })
    .await;
    for tag in 0..5 {
        for device in ["wks-1", "wks-2", "new-1"] {
            is_thanked(
                &app.post(&inventory(device, &tag.to_string()), ZLIB).await,
                ZLIB,
            );
        }
        app.clock.advance(Duration::from_mins(12));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    php.is_down(false);
    until("PHP is asked again", async || {
        app.clock.advance(Duration::from_mins(1));
        php.count() >= 15
    })
    .await;
    let imported = php.imported();
    for device in ["wks-1", "wks-2", "new-1"] {
        let own = imported.iter().filter(|(name, _)| name == device);
        let tags: Vec<&str> = own.map(|(_, tag)| tag.as_str()).collect();
        assert_eq!(tags, ["0", "1", "2", "3", "4"], "{device}");
    }
    assert_eq!(imported.len(), 15, "none twice");
    until_empty(dir.path()).await;
}

#[rstest]
#[case::on(true, &["1", "3"])]
#[case::off(false, &["1", "2", "3"])]
#[tokio::test]
async fn a_newer_inventory_takes_the_place_of_one_that_waits(
    #[case] supersede: bool,
    #[case] expected: &[&str],
) {
    let (php, dir) = (Importer::start().await, tempfile::tempdir().unwrap());
    let app = sidecar(&php, dir.path(), |settings| {
        settings.delivery.supersede = supersede;
    })
    .await;
    // The first is on its way when the others come.
    php.set(crate::support::importer::Manner::Takes(
        Duration::from_secs(1),
    ));
    app.post(&inventory("wks-1", "1"), ZLIB).await;
    until("it is on its way", async || php.arrived().len() == 1).await;
    app.post(&inventory("wks-1", "2"), ZLIB).await;
    app.post(&inventory("wks-1", "3"), ZLIB).await;
    php.until_imported(expected.len()).await;
    until_empty(dir.path()).await;
    let tags: Vec<String> = php.imported().into_iter().map(|(_, tag)| tag).collect();
    assert_eq!(tags, expected);
}

#[tokio::test]
async fn a_full_spool_is_to_be_asked_later() {
    let (php, dir) = (Importer::start().await, tempfile::tempdir().unwrap());
    php.is_down(true);
    let app = sidecar(&php, dir.path(), |settings| {
        settings.spool_bounds.max_bytes = 8000;
    })
    .await;
    let mut answers = Vec::new();
    for tag in 0..60 {
        answers.push(
            app.post(&inventory(&format!("pc-{tag}"), "1"), Coding::Plain)
                .await,
        );
    }
    let taken = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(kept(dir.path()).len(), taken);
    let refused = answers.last().unwrap();
    assert_eq!(
        (refused.status, refused.header("retry-after")),
        (503, Some("60"))
    );
    let text = refused.text();
    assert!(
        text.contains("<ERROR>there is no room for messages to GLPI</ERROR>"),
        "{text}"
    );
    php.is_down(false);
    until("all are delivered", async || {
        app.clock.advance(Duration::from_mins(2));
        php.count() == taken
    })
    .await;
    until("there is room again", async || {
        let answer = app.post(&inventory("pc-99", "1"), Coding::Plain).await;
        answer.status == 200
    })
    .await;
}

#[tokio::test]
async fn without_an_upstream_the_spool_collects() {
    let dir = tempfile::tempdir().unwrap();
    let app = app::start(|settings| settings.spool_dir = Some(dir.path().to_owned())).await;
    office(&app.db).await;
    is_thanked(&app.post(&inventory("wks-1", "1"), ZLIB).await, ZLIB);
    assert_eq!(kept(dir.path()).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_real_agents_inventory_reaches_php() {
    let (php, dir) = (Importer::start().await, tempfile::tempdir().unwrap());
    let app = sidecar(&php, dir.path(), |_| {}).await;
    let agent = RealAgent::new("wks-1").await;
    let said = agent.run(&app.base_url(), &["--tasks=inventory"]).await;
    php.until_imported(1).await;
    let arrived = php.arrived().pop().unwrap();
    assert_eq!(
        (arrived.device.as_str(), arrived.query.as_str()),
        ("wks-1", "INVENTORY"),
        "{said}"
    );
    assert_eq!(
        arrived.headers["content-type"],
        "application/x-compress-zlib"
    );
    assert!(
        arrived.headers["user-agent"]
            .to_str()
            .unwrap()
            .starts_with("FusionInventory-Agent_v2.6")
    );
    assert!(arrived.body.len() > 5_000, "{} bytes", arrived.body.len());
    assert!(!said.contains("[error]"), "{said}");
    until_empty(dir.path()).await;
}
