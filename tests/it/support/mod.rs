//! What the tests stand on.

pub(crate) mod app;
pub(crate) mod cut;
pub(crate) mod database;
pub(crate) mod fleet;
pub(crate) mod server;
pub(crate) mod wire;
