//! What the tests stand on.

pub(crate) mod agent;
pub(crate) mod app;
pub(crate) mod cut;
pub(crate) mod database;
pub(crate) mod fleet;
pub(crate) mod php;
pub(crate) mod server;
pub(crate) mod site;
pub(crate) mod wire;
