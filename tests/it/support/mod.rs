//! What the tests stand on.

pub(crate) mod account;
pub(crate) mod agent;
pub(crate) mod app;
pub(crate) mod database;
pub(crate) mod php;
pub(crate) mod real_agent;
pub(crate) mod site;
