//! `fusion-sidecar` answers FusionInventory agents beside GLPI, on GLPI's own tables.
//!
//! # The path of a request
//!
//! 1. [`http`]'s table of routes takes an address below one of the configured prefixes; its stack bounds connections, bodies and
//!    time, finds out who the client really is, and writes one line a request.
//! 2. The handler decodes the message with [`proto`] (coding, charset, XML or PHP query) into a typed request. What cannot
//!    be decoded is refused here, with an error that the agent understands, and has changed nothing.
//! 3. [`dispatch`] has one use case a file. It reads what it needs (the catalogue from memory, the agent and its runs from the
//!    database), asks [`domain`] what follows, and hands the changes to [`db`].
//! 4. [`db`] applies changes by compare-and-set, the changes of concurrent requests in one transaction. Only after its commit is
//!    the answer encoded and sent: what an agent was told is durable.
//!
//! What happens without a request (preparation of runs, cleaning, waking agents up by [`knock`]) is in [`work`]; it asks the same rules in
//! [`domain`].
//!
//! People read [`web`]'s pages, on a listener of their own, over the same tables.
//!
//! Each room depends only on rooms below it: `main cli app` · `web` · `http` · `dispatch work` · `db` · `proto` · `domain`. `domain` and `proto`
//! know neither IO nor a clock. A test reads the `use` lines and holds this.

pub mod app;
pub mod check;
pub mod cli;
pub mod clock;
pub mod config;
pub mod db;
pub mod delivery;
pub mod demo;
pub mod dispatch;
pub mod domain;
pub mod http;
pub mod knock;
pub mod lifecycle;
pub mod mariadb;
pub mod proto;
pub mod replay;
pub mod spool;
pub mod telemetry;
pub mod upstream;
pub mod web;
pub mod work;
