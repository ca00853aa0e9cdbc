//! The integration tests: one binary; its modules mirror addresses and workers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

#[path = "it/addresses.rs"]
mod addresses;
#[path = "it/conformance.rs"]
mod conformance;
#[path = "it/edge.rs"]
mod edge;
#[path = "it/fuzz.rs"]
mod fuzz;
#[path = "it/plugin.rs"]
mod plugin;
#[path = "it/queries.rs"]
mod queries;
#[path = "it/redux.rs"]
mod redux;
#[path = "it/replay.rs"]
mod replay;
#[path = "it/replay_command.rs"]
mod replay_command;
#[path = "it/schema.rs"]
mod schema;
#[path = "it/support/mod.rs"]
mod support;
