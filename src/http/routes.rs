//! The table of routes.

use std::sync::Arc;

use axum::extract::FromRef;
use axum::routing::{any, get};
use axum::{Extension, Router};
use metrics_exporter_prometheus::PrometheusHandle;

use super::ops::Readiness;
use super::request::Prefix;
use super::unpack::Unpacking;
use super::{agent, collect, deploy, esx, forward, ops, place, stack};
use crate::config;
use crate::delivery::Intake;
use crate::dispatch::Dispatcher;
use crate::domain::delivery::kinds::Target;
use crate::proto::{query, xml};
use crate::upstream::Upstream;

/// What handlers work with.
#[derive(Clone, Debug)]
pub struct Web {
    /// The use cases.
    pub dispatcher: Arc<Dispatcher>,
    /// How much of a message is read.
    pub limits: Limits,
    /// Where large messages are unpacked and read.
    pub unpacking: Unpacking,
    /// GLPI, for what only PHP can do.
    pub upstream: Option<Upstream>,
    /// Where messages for GLPI are kept, if they are.
    pub intake: Option<Intake>,
    /// What is counted.
    pub metrics: Option<PrometheusHandle>,
    /// What probes were told last.
    pub readiness: Arc<Readiness>,
}

impl Web {
    /// Who is to be given messages.
    #[must_use]
    pub fn target(&self) -> Target {
        match &self.upstream {
            None => Target::Nobody,
            Some(upstream) if upstream.place().is_native() => Target::Native,
            Some(_) => Target::Plugin,
        }
    }
}

/// How much of a message is read.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes after inflating.
    pub max_inflated: usize,
    /// Of a query.
    pub query: query::Limits,
    /// Of an XML message.
    pub xml: xml::Limits,
}

impl Limits {
    /// As configured.
    #[must_use]
    pub fn of(settings: &config::Server) -> Self {
        Self {
            max_inflated: settings.max_inflated,
            query: query::Limits {
                max_parameters: settings.max_parameters,
                ..query::Limits::default()
            },
            xml: xml::Limits {
                max_depth: settings.max_xml_depth,
                max_elements: settings.max_xml_elements,
                ..xml::Limits::default()
            },
        }
    }
}

impl FromRef<Web> for Arc<Dispatcher> {
    fn from_ref(web: &Web) -> Self {
        Self::clone(&web.dispatcher)
    }
}

impl FromRef<Web> for Limits {
    fn from_ref(web: &Web) -> Self {
        web.limits
    }
}

impl FromRef<Web> for Option<Upstream> {
    fn from_ref(web: &Web) -> Self {
        web.upstream.clone()
    }
}

impl FromRef<Web> for Arc<Readiness> {
    fn from_ref(web: &Web) -> Self {
        Self::clone(&web.readiness)
    }
}

impl FromRef<Web> for Option<PrometheusHandle> {
    fn from_ref(web: &Web) -> Self {
        web.metrics.clone()
    }
}

/// What agents reach: all routes below all prefixes, and those for who watches the sidecar unless these have a listener of their own; with
/// the stack around them.
pub fn router(web: Web, settings: &config::Server) -> Router {
    let routes = if settings.ops_listen.is_none() {
        watched()
    } else {
        Router::new()
    };
    let routes = settings
        .prefixes
        .iter()
        .fold(routes, |routes, prefix| routes.merge(below(prefix)));
    served(routes, web, settings)
}

/// What the listener of [`ops_listen`](config::Server::ops_listen) has, with the stack around it.
pub fn ops_router(web: Web, settings: &config::Server) -> Router {
    served(watched(), web, settings)
}

fn served(routes: Router<Web>, web: Web, settings: &config::Server) -> Router {
    stack::apply(routes.fallback(forward::fallback).with_state(web), settings)
}

/// People and programs that watch the sidecar.
fn watched() -> Router<Web> {
    Router::new()
        .route("/sidecar/health", get(ops::health))
        .route("/sidecar/ready", get(ops::ready))
        .route("/sidecar/metrics", get(ops::metrics))
}

/// The plugin's addresses below `prefix`.
fn below(prefix: &str) -> Router<Web> {
    let at = |path: &str| format!("{prefix}{path}");
    let mut router = Router::new();
    // Agents: XML by POST, getConfig by GET; with or without a trailing slash, as admins configure it.
    for path in place::MAIN {
        router = router.route(&at(path), any(agent::main));
    }
    for directory in place::BACKENDS {
        for index in place::INDEXES {
            let backend = match directory {
                "/b/deploy" => any(deploy::rest),
                "/b/collect" => any(collect::rest),
                _ => any(esx::rest),
            };
            router = router.route(&at(&format!("{directory}{index}")), backend);
        }
    }
    // What else lies at the root is not the plugin's.
    if !prefix.is_empty() {
        router = router
            .route(prefix, any(agent::main))
            // The plugin's screens, and what the sidecar does not serve itself.
            .route(&at("/{*rest}"), any(forward::rest));
    }
    router.layer(Extension(Prefix(prefix.into())))
}
