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
#[path = "it/agent_network.rs"]
mod agent_network;
#[path = "it/architecture.rs"]
mod architecture;
#[path = "it/bad_connections.rs"]
mod bad_connections;
#[path = "it/bad_input.rs"]
mod bad_input;
#[path = "it/bad_rows.rs"]
mod bad_rows;
#[path = "it/bodies.rs"]
mod bodies;
#[path = "it/changes.rs"]
mod changes;
#[path = "it/check.rs"]
mod check;
#[path = "it/cleaning.rs"]
mod cleaning;
#[path = "it/clocks.rs"]
mod clocks;
#[path = "it/closed.rs"]
mod closed;
#[path = "it/collect.rs"]
mod collect;
#[path = "it/concurrency.rs"]
mod concurrency;
#[path = "it/conformance.rs"]
mod conformance;
#[path = "it/delivery.rs"]
mod delivery;
#[path = "it/demo.rs"]
mod demo;
#[path = "it/driven.rs"]
mod driven;
#[path = "it/edge.rs"]
mod edge;
#[path = "it/esx.rs"]
mod esx;
#[path = "it/expiry.rs"]
mod expiry;
#[path = "it/forwarded.rs"]
mod forwarded;
#[path = "it/fuzz.rs"]
mod fuzz;
#[path = "it/glpi_dir.rs"]
mod glpi_dir;
#[path = "it/groups.rs"]
mod groups;
#[path = "it/in_the_way.rs"]
mod in_the_way;
#[path = "it/kills.rs"]
mod kills;
#[path = "it/memory.rs"]
mod memory;
#[path = "it/monitoring.rs"]
mod monitoring;
#[path = "it/monitoring_speed.rs"]
mod monitoring_speed;
#[path = "it/network.rs"]
mod network;
#[path = "it/nginx.rs"]
mod nginx;
#[path = "it/ops.rs"]
mod ops;
#[path = "it/outage.rs"]
mod outage;
#[path = "it/plugin.rs"]
mod plugin;
#[path = "it/preparation.rs"]
mod preparation;
#[path = "it/preparation_speed.rs"]
mod preparation_speed;
#[path = "it/process.rs"]
mod process;
#[path = "it/properties.rs"]
mod properties;
#[path = "it/queries.rs"]
mod queries;
#[path = "it/readme.rs"]
mod readme;
#[path = "it/redux.rs"]
mod redux;
#[path = "it/relayed.rs"]
mod relayed;
#[path = "it/replay.rs"]
mod replay;
#[path = "it/replay_claim.rs"]
mod replay_claim;
#[path = "it/replay_command.rs"]
mod replay_command;
#[path = "it/reports.rs"]
mod reports;
#[path = "it/retries.rs"]
mod retries;
#[path = "it/schema.rs"]
mod schema;
#[path = "it/spool.rs"]
mod spool;
#[path = "it/starting.rs"]
mod starting;
#[path = "it/support/mod.rs"]
mod support;
#[path = "it/wakeup.rs"]
mod wakeup;
#[path = "it/web.rs"]
mod web;
#[path = "it/writer.rs"]
mod writer;
