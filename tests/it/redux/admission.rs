//! How many unknown agents may register.

use std::time::Duration;

use fusion_sidecar::domain::policy::Policy;
use fusion_sidecar::proto::envelope::Coding;

use crate::support::agent::prolog;
use crate::support::app::{self, TestApp};

async fn status(app: &TestApp, device_id: &str) -> u16 {
    app.post(&prolog(device_id), Coding::Plain).await.status
}

#[tokio::test]
async fn so_many_unknown_agents_a_minute_and_known_ones_always() {
    let app = app::start(|settings| settings.dispatch.max_new_agents = 2).await;
    assert_eq!(
        [status(&app, "a").await, status(&app, "b").await],
        [200, 200]
    );
    let refused = app.post(&prolog("c"), Coding::Plain).await;
    assert_eq!(refused.status, 503);
    assert!(refused.header("retry-after").is_some());
    assert!(String::from_utf8_lossy(&refused.body).contains("<ERROR>"));
    assert_eq!(status(&app, "a").await, 200, "a known agent is no newcomer");
    assert_eq!(
        app.db.ask::<u32>("SELECT COUNT(*) FROM {p}agents").await,
        [2]
    );
    app.clock.advance(Duration::from_mins(1));
    assert_eq!(status(&app, "c").await, 200);
}

#[tokio::test]
async fn the_plugin_registers_everybody() {
    let app = app::start(|settings| {
        settings.dispatch.max_new_agents = 0;
        settings.dispatch.policy = Policy::Plugin;
    })
    .await;
    assert_eq!(status(&app, "a").await, 200);
}
