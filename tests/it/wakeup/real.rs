//! The real agent's own web server.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use fusion_sidecar::domain::policy::Policy;
use rstest::rstest;
use tokio::net::TcpStream;

use super::{Site, TestDb};
use crate::support::app::start_on;
use crate::support::database::fresh;
use crate::support::listen::free_on;
use crate::support::real_agent::RealAgent;
use crate::support::site::office;
use crate::support::until::until;

const DEVICE_ID: &str = "wks-1-2026-03-01-09-30-00";

/// It listens, is told to come, fetches its prepared deployment, and finishes it.
#[rstest]
#[case::redux(Policy::Redux, 119)]
#[case::plugin(Policy::Plugin, 120)]
#[tokio::test(flavor = "multi_thread")]
async fn it_comes_and_deploys(#[case] policy: Policy, #[case] network: u8) {
    let place = Ipv4Addr::new(127, network, 0, 1);
    let httpd = SocketAddr::from((place, free_on(&place.to_string()).port()));
    let db = fresh().await;
    office(&db).await;
    db.set(&format!(
        "UPDATE {{p}}agents SET device_id = '{DEVICE_ID}', agent_port = {} WHERE id = 1;
         UPDATE {{p}}tasks SET wakeup_agent_counter = 1, wakeup_agent_time = 5",
        httpd.port()
    ))
    .await;
    TestDb::at(&db, std::iter::once((1, place))).await;
    let app = start_on(db, |settings| {
        settings.dispatch.policy = policy;
        settings.wakeup.networks = vec!["127.0.0.0/8".parse().unwrap()];
        settings.wakeup.names = false;
    })
    .await;
    app.db
        .set(&format!(
            "UPDATE {{p}}entities SET agent_base_url = '{}' WHERE id = 1",
            app.origin()
        ))
        .await;
    app.prepare().await.unwrap();
    let agent = RealAgent::new(DEVICE_ID).await;
    let mut daemon = agent.daemon(&app.base_url(), httpd);
    until("the agent listens", async || {
        assert!(daemon.try_wait().unwrap().is_none(), "{}", agent.said());
        TcpStream::connect(httpd).await.is_ok()
    })
    .await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(app.db.states().await, [0], "{}", agent.said());

    let summary = app.wakeup().pass().await.unwrap();

    assert_eq!(summary.awake, 1, "{summary}\n{}", agent.said());
    until("its run has ended", async || {
        assert!(daemon.try_wait().unwrap().is_none(), "{}", agent.said());
        app.db.states().await == [3]
    })
    .await;
    daemon.kill().await.unwrap();
}

/// It obeys its server's address alone: the token in the address says nothing to it.
#[tokio::test(flavor = "multi_thread")]
async fn it_refuses_whom_it_does_not_know() {
    let site = Site::new(Policy::Redux, 121, 5, |_| {}).await;
    site.known(1).await;
    site.at(std::iter::once((1, site.address(1)))).await;
    let httpd = SocketAddr::from((site.address(1), site.agents.port));
    let agent = RealAgent::new(DEVICE_ID).await;
    // Nobody of that address asks it.
    let mut daemon = agent.daemon("http://127.121.0.9:9/plugins/fusioninventory", httpd);
    until("the agent listens", async || {
        assert!(daemon.try_wait().unwrap().is_none(), "{}", agent.said());
        TcpStream::connect(httpd).await.is_ok()
    })
    .await;
    let summary = site.app.wakeup().pass().await.unwrap();
    assert_eq!(
        (summary.awake, summary.refused, summary.unreachable),
        (0, 1, 0),
        "{}",
        agent.said()
    );
    daemon.kill().await.unwrap();
}
