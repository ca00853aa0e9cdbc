//! The only place with SQL.

pub mod scratch;
