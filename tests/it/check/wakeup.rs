//! Whether agents would obey a wake-up from here.

use std::net::Ipv4Addr;

use rstest::rstest;

use super::Site;
use crate::support::site::office;

const WISH: &str = "UPDATE {p}tasks SET wakeup_agent_counter = 5, wakeup_agent_time = 5";

#[rstest]
#[case::nobody_wants_it("DO 1", None, "")]
#[case::the_server(
    WISH,
    None,
    "agents of 127.0.0.1 obey 127.0.0.1, from where they are asked"
)]
#[case::another_machine(
    WISH,
    Some("http://127.0.0.77:8086"),
    "agents are woken up from 127.0.0.1, but 127.0.0.77, their server, is 127.0.0.77: they refuse, whatever their token"
)]
#[case::a_name_that_is_none(
    WISH,
    Some("http://glpi.invalid"),
    "agents are woken up from 127.0.0.1, but glpi.invalid, their server, is not known here: they refuse, whatever their token"
)]
#[tokio::test(flavor = "multi_thread")]
async fn whom_agents_obey(
    #[case] change: &str,
    #[case] base_url: Option<&str>,
    #[case] expected: &str,
) {
    let mut site = Site::new().await;
    site.settings.wakeup.networks = vec!["127.0.0.0/8".parse().unwrap()];
    office(&site.db).await;
    let listen = format!("http://{}", site.settings.server.listen);
    site.send_agents_to(base_url.unwrap_or(&listen)).await;
    let place = (1, Ipv4Addr::new(127, 123, 0, 1));
    site.db.at(std::iter::once(place)).await;
    site.db.set(change).await;
    let said = site.check().await;
    let said: Vec<&str> = said
        .0
        .iter()
        .filter(|finding| finding.topic == "wake-up")
        .map(|finding| finding.text.as_str())
        .collect();
    let expected: Vec<&str> = Some(expected)
        .filter(|text| !text.is_empty())
        .into_iter()
        .collect();
    assert_eq!(said, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn nowhere_to_ask() {
    let site = Site::new().await;
    office(&site.db).await;
    site.db
        .at(std::iter::once((1, Ipv4Addr::new(127, 123, 0, 1))))
        .await;
    site.db.set(WISH).await;
    let said = site.check().await.to_string();
    assert!(
        said.contains("GLPI has no address that may be asked"),
        "{said}"
    );
}
