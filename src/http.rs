//! The agents' addresses: decode, call, encode.

pub mod client;
pub mod file;
pub mod server;
pub mod stack;
