//! The agents' addresses: decode, call, encode.

pub mod file;
