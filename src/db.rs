//! The only place with SQL.

pub mod names;
mod needs;
pub mod schema;
pub mod script;
