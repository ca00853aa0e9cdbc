//! Policy `plugin` beyond the recordings: what the plugin's PHP (10.0.6+1.1) does in cases that nobody recorded.

#[path = "plugin/agents.rs"]
mod agents;
#[path = "plugin/config.rs"]
mod config;
#[path = "plugin/jobs.rs"]
mod jobs;
#[path = "plugin/network.rs"]
mod network;
#[path = "plugin/prologs.rs"]
mod prologs;
#[path = "plugin/reports.rs"]
mod reports;

use fusion_sidecar::domain::policy::Policy;

use crate::support::app::TestApp;
use crate::support::network::site;

/// A sidecar on the small site that does as the plugin does.
async fn plugin() -> TestApp {
    site(Policy::Plugin).await
}

async fn status_code(app: &TestApp, path: &str) -> u16 {
    app.get(path).await.status
}
