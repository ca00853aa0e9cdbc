//! What the tests stand on.

pub(crate) mod account;
pub(crate) mod agent;
pub(crate) mod app;
pub(crate) mod browser;
pub(crate) mod campaign;
pub(crate) mod chance;
pub(crate) mod cut;
pub(crate) mod database;
pub(crate) mod fake_agents;
pub(crate) mod fleet;
pub(crate) mod heard;
pub(crate) mod importer;
pub(crate) mod listen;
pub(crate) mod network;
pub(crate) mod nginx;
pub(crate) mod people;
pub(crate) mod php;
pub(crate) mod process;
pub(crate) mod readme;
pub(crate) mod real_agent;
pub(crate) mod site;
pub(crate) mod snmpd;
pub(crate) mod until;
pub(crate) mod wire;
