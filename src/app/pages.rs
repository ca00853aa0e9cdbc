//! The pages for people, as a part of `serve` and of the demo.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use tokio::net::TcpListener;

use crate::clock::Clock;
use crate::config::Settings;
use crate::db::Db;
use crate::delivery::Intake;
use crate::dispatch::catalogues::Catalogues;
use crate::http::server;
use crate::lifecycle::Lifecycle;
use crate::web::depth::{Depth, SpoolDepth};
use crate::web::routes::{Pages, Parts, router};
use crate::work::actions::Actions;
use crate::work::monitor::Monitor;

/// A listener for them, if they are wanted.
///
/// # Errors
///
/// When there can be none.
pub(super) async fn listener(settings: &Settings) -> anyhow::Result<Option<TcpListener>> {
    let Some(address) = settings.web.listen else {
        return Ok(None);
    };
    ensure!(
        Pages::may_listen(&settings.web, address),
        "pages without a sign-in are for this machine alone, and {address} is not"
    );
    Ok(Some(super::bind(address).await?))
}

/// Refuses a database that lacks what they need.
///
/// # Errors
///
/// When it does.
pub(super) async fn verify(settings: &Settings, db: &Db) -> anyhow::Result<()> {
    if settings.web.listen.is_some()
        && let Some(lacks) = db.lacks_for_pages().await?
    {
        bail!(
            "the pages of web-listen cannot be shown: {lacks}; `fusion-sidecar check` says how to mend it"
        );
    }
    Ok(())
}

/// How full the spool behind `intake` is, whenever they ask.
pub(super) fn depth(intake: Option<&Intake>) -> SpoolDepth {
    let Some(intake) = intake.cloned() else {
        return SpoolDepth::default();
    };
    SpoolDepth::of(move || {
        let usage = intake.spool().usage();
        Depth {
            waiting: usage.waiting,
            parked: usage.parked,
            oldest: usage.oldest,
        }
    })
}

/// What they show.
pub(super) fn parts(
    db: &Db,
    catalogues: Arc<Catalogues>,
    monitor: &Arc<Monitor>,
    clock: Arc<dyn Clock>,
    actions: Actions,
    spool: SpoolDepth,
    lifecycle: &Lifecycle,
) -> Parts {
    Parts {
        db: db.clone(),
        catalogues,
        monitor: Arc::clone(monitor),
        actions: Arc::new(actions),
        clock,
        spool,
        stop: lifecycle.stop().soft,
    }
}

/// Starts showing them; where.
///
/// # Errors
///
/// When the client for GLPI cannot be set up.
pub(super) fn show(
    settings: &Settings,
    listener: Option<TcpListener>,
    parts: Parts,
    lifecycle: &Lifecycle,
) -> anyhow::Result<Option<SocketAddr>> {
    let Some(listener) = listener else {
        return Ok(None);
    };
    let address = listener.local_addr().context("the address of web-listen")?;
    let pages = Pages::new(settings, parts).context("the client for GLPI's API")?;
    let (server, stop) = (settings.server.clone(), lifecycle.stop());
    let router = router(pages, &server);
    lifecycle.spawn("pages", async move {
        server::serve(listener, router, &server, stop).await
    });
    Ok(Some(address))
}

/// Says where they are, and what is to be feared there.
pub(super) fn tell(settings: &Settings, address: SocketAddr) {
    tracing::info!(%address, "showing pages to people, below /sidecar/");
    let server = &settings.server;
    let is_private = server.tls.is_some() || address.ip().is_loopback();
    if !is_private && server.trusted_proxies.is_empty() {
        tracing::warn!(
            "passwords reach the pages in plain HTTP: set tls-cert and tls-key, or let web-listen be behind a proxy with TLS"
        );
    }
}
