//! The rules, as pure functions: no IO, no clock, no SQL, no HTTP.

pub mod policy;
