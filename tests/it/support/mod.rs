//! What the tests stand on.

pub(crate) mod agent;
pub(crate) mod app;
pub(crate) mod database;
