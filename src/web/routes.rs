//! The table of pages.

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::response::Redirect;
use axum::routing::{get, post};
use chrono_tz::Tz;
use tokio_util::sync::CancellationToken;

use super::depth::SpoolDepth;
use super::live::Live;
use super::login::Tries;
use super::passwords::Passwords;
use super::{
    actions, api, assets, edit, guard, jobs, live, login, monitoring, preferences, reports, runs,
    task, visitor,
};
use crate::clock::Clock;
use crate::config::{self, Settings};
use crate::db::Db;
use crate::dispatch::catalogues::Catalogues;
use crate::domain::driven::TaskMode;
use crate::domain::policy::Policy;
use crate::http::stack;
use crate::upstream::UpstreamError;
use crate::upstream::api::GlpiApi;
use crate::work::actions::Actions;
use crate::work::monitor::Monitor;

/// Below what all pages are: a proxy in front of GLPI can pass it on as it is.
pub const BASE: &str = "/sidecar/";

/// Most bytes of a form: pages have a few fields.
const MOST_FORM: usize = 64 * 1024;

/// What pages work with.
#[derive(Debug, Clone)]
pub struct Pages(Arc<Inner>);

/// What pages show, and by which time.
#[derive(Debug)]
pub struct Parts {
    /// The tables.
    pub db: Db,
    /// What changes seldom.
    pub catalogues: Arc<Catalogues>,
    /// What became of tasks.
    pub monitor: Arc<Monitor>,
    /// What can be done at once.
    pub actions: Arc<Actions>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What waits in this sidecar's spool.
    pub spool: SpoolDepth,
    /// When what does not end by itself has to.
    pub stop: CancellationToken,
}

/// Whose rules hold, and what holds where a task or job does not say it.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Whose.
    pub policy: Policy,
    /// After what silence a run is given up.
    pub run_timeout: Duration,
    /// Who drives a task.
    pub task_mode: TaskMode,
}

/// See [`Pages`].
#[derive(Debug)]
pub struct Inner {
    /// The tables.
    pub db: Db,
    /// What changes seldom.
    pub catalogues: Arc<Catalogues>,
    /// What became of tasks.
    pub monitor: Arc<Monitor>,
    /// What can be done at once.
    pub actions: Arc<Actions>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What waits in this sidecar's spool.
    pub spool: SpoolDepth,
    /// GLPI's.
    pub zone: Tz,
    /// What an admin set.
    pub settings: config::Web,
    /// Where the plugin's own pages are; none if it is not known where GLPI's are.
    pub plugin_url: Option<String>,
    /// By which rules the sidecar works.
    pub rules: Rules,
    /// Pages that refresh by themselves.
    pub live: Live,
    /// Sign-ins that failed.
    pub tries: Tries,
    /// What works on passwords.
    pub passwords: Arc<Passwords>,
    /// GLPI, for accounts whose passwords it does not keep.
    pub api: Option<GlpiApi>,
}

impl Deref for Pages {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Pages {
    /// As configured.
    ///
    /// # Errors
    ///
    /// When the client for GLPI cannot be set up.
    pub fn new(settings: &Settings, parts: Parts) -> Result<Self, UpstreamError> {
        let web = settings.web.clone();
        let api = web.glpi_url.as_ref().map(GlpiApi::new).transpose()?;
        let base = settings.glpi.as_ref().and_then(|glpi| glpi.plugin_base);
        let directory = base.unwrap_or_default().directory();
        let plugin_url = web.glpi_url.as_ref().map(|url| {
            let glpi = url.as_str().trim_end_matches('/');
            format!("{glpi}/{directory}/fusioninventory")
        });
        Ok(Self(Arc::new(Inner {
            db: parts.db,
            catalogues: parts.catalogues,
            monitor: parts.monitor,
            actions: parts.actions,
            clock: parts.clock,
            spool: parts.spool,
            zone: settings.timezone,
            rules: Rules {
                policy: settings.dispatch.policy,
                run_timeout: settings.scheduler.run_timeout,
                task_mode: settings.dispatch.task_mode,
            },
            live: Live::new(web.streams, parts.stop),
            tries: Tries::new(&web),
            passwords: Passwords::new(web.verify_at_once),
            settings: web,
            plugin_url,
            api,
        })))
    }

    /// Whether nobody is asked who they are.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.settings.open
    }

    /// Whether they may be shown at `address`: without a sign-in to this machine alone.
    #[must_use]
    pub fn may_listen(settings: &config::Web, address: SocketAddr) -> bool {
        !settings.open || address.ip().is_loopback()
    }
}

/// All pages, with the stack around them.
pub fn router(pages: Pages, settings: &config::Server) -> Router {
    let at = |path: &str| format!("{BASE}{path}");
    let routes = Router::new()
        .route("/", get(|| async { Redirect::to(BASE) }))
        .route("/sidecar", get(|| async { Redirect::to(BASE) }))
        // Anybody.
        .route(&at("login"), get(login::form).post(login::sign_in))
        .route(&at("logout"), post(login::sign_out))
        .route(&at("preferences"), post(preferences::choose))
        .route(&at("assets/{name}"), get(assets::asset))
        // Who may see tasks.
        .route(BASE, get(monitoring::page))
        .route(&at("reports"), get(reports::list))
        .route(&at("reports/{name}"), get(reports::page))
        .route(&at("jobs"), get(jobs::page))
        .route(&at("tasks/{id}"), get(task::page))
        .route(&at("runs/{id}"), get(runs::page))
        .route(&at("live"), get(live::follow))
        .merge(api::routes())
        .merge(actions::routes())
        .merge(edit::routes())
        .fallback(visitor::nothing)
        .layer(DefaultBodyLimit::max(MOST_FORM))
        .layer(from_fn_with_state(pages.clone(), guard::protect))
        .with_state(pages);
    stack::apply(routes, settings)
}
