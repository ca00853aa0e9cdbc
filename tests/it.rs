//! The integration tests: one binary; its modules mirror addresses and workers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

#[path = "it/addresses.rs"]
mod addresses;
#[path = "it/agent.rs"]
mod agent;
#[path = "it/check.rs"]
mod check;
#[path = "it/conformance.rs"]
mod conformance;
#[path = "it/demo.rs"]
mod demo;
#[path = "it/glpi_dir.rs"]
mod glpi_dir;
#[path = "it/plugin.rs"]
mod plugin;
#[path = "it/queries.rs"]
mod queries;
#[path = "it/redux.rs"]
mod redux;
#[path = "it/replay.rs"]
mod replay;
#[path = "it/schema.rs"]
mod schema;
#[path = "it/support/mod.rs"]
mod support;
