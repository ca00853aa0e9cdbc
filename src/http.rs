//! The agents' addresses: decode, call, encode.
//!
//! [`routes`] is the table, [`stack`] what stands around every route, [`agent`], [`deploy`], [`collect`] and [`esx`] the handlers, [`error`] what an error looks like to an
//! old agent. Nothing here decides anything about a run.

pub mod agent;
pub mod client;
pub mod collect;
pub mod deploy;
pub mod error;
pub mod esx;
pub mod file;
pub mod forward;
mod keep;
mod message;
pub mod ops;
mod place;
pub mod request;
pub mod routes;
pub mod server;
pub mod stack;
pub mod unpack;
