//! The agents' addresses: decode, call, encode.

pub mod file;
pub mod server;
