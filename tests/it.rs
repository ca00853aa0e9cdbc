//! The integration tests: one binary; its modules mirror addresses and workers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

#[path = "it/architecture.rs"]
mod architecture;
#[path = "it/conformance.rs"]
mod conformance;
#[path = "it/nginx.rs"]
mod nginx;
#[path = "it/process.rs"]
mod process;
#[path = "it/readme.rs"]
mod readme;
#[path = "it/replay.rs"]
mod replay;
#[path = "it/schema.rs"]
mod schema;
#[path = "it/support/mod.rs"]
mod support;
