//! The composition root: the only file that knows every concrete type.

mod changes;
mod instance;
mod migrate;
mod once;
mod pages;
mod report;
mod tasks;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::clock::{Clock, SystemClock};
use crate::config::{self, Settings};
use crate::db::diagnostics::OpenError;
use crate::db::writer::Writer;
use crate::db::{Db, schema};
use crate::delivery::{self, Deliverer, Intake};
use crate::dispatch::Dispatcher;
use crate::dispatch::catalogues::Catalogues;
use crate::dispatch::signs::Signs;
use crate::domain::admission::Admission;
use crate::http::routes::{Limits, Web, ops_router, router};
use crate::http::server;
use crate::http::unpack::Unpacking;
use crate::knock::Knocker;
use crate::lifecycle::{Lifecycle, Outcome, Stop, descriptors};
use crate::spool::Spool;
use crate::upstream::{Upstream, install_crypto};
use crate::work::actions::Actions;
use crate::work::clean::Cleaning;
use crate::work::expire::{self, Expiry};
use crate::work::gate::Gate;
use crate::work::monitor::{Monitor, Source};
use crate::work::prepare::Preparation;
use crate::work::wakeup::WakeUp;
use crate::{telemetry, work};
use instance::instance;
pub use migrate::{Migration, migrate};
pub use once::{once_clean, once_expire, once_prepare, once_wakeup};
pub use report::{Format, Wanted, report};
pub use tasks::{Show, tasks};

/// Longest wait for the connections to the database to be closed when the process ends.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);

/// A sidecar at work.
#[derive(Debug)]
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// Where it listens for who watches it, if not there.
    pub ops_address: Option<SocketAddr>,
    /// Where the pages for people are, if there are any.
    pub web_address: Option<SocketAddr>,
    /// Its database.
    pub db: Db,
    /// What prepares its jobs, and knows what became of each; none with the scheduler off.
    pub preparation: Option<Arc<Preparation>>,
    /// What counts its tasks.
    pub monitor: Arc<Monitor>,
    lifecycle: Lifecycle,
}

impl Running {
    /// What stops it from within: cancelling `soft` does.
    #[must_use]
    pub fn stop_handle(&self) -> Stop {
        self.lifecycle.stop()
    }

    /// Waits until it is told to stop, by a signal or from within.
    ///
    /// # Errors
    ///
    /// When signals cannot be waited for.
    pub async fn until_stopped(self) -> anyhow::Result<Outcome> {
        let outcome = self.lifecycle.run_until_stopped().await?;
        // After a hard stop a statement may still be under way. Nobody waits for its answer any more, and the server undoes what was
        // not committed.
        let _ = tokio::time::timeout(CLOSE_LIMIT, self.db.close()).await;
        Ok(outcome)
    }

    /// Stops it: running requests are finished.
    ///
    /// # Errors
    ///
    /// When signals cannot be waited for.
    pub async fn stop(self) -> anyhow::Result<Outcome> {
        self.lifecycle.stop().soft.cancel();
        self.until_stopped().await
    }
}

/// Opens the database and makes sure that it has what the sidecar needs.
///
/// # Errors
///
/// When it cannot be reached, or lacks something: all that is missing is named.
pub async fn open_database(settings: &Settings, clock: &Arc<dyn Clock>) -> anyhow::Result<Db> {
    let db = connected(settings, clock).await?;
    let mut conn = db.conn().await?;
    schema::verify(&mut conn, db.name()).await?;
    Ok(db)
}

/// Opens the database; without a connection the error says what to do about it.
async fn connected(settings: &Settings, clock: &Arc<dyn Clock>) -> anyhow::Result<Db> {
    let opened = Db::open(&settings.database, settings.timezone, clock).await;
    opened.map_err(|error| match &error {
        OpenError::Connect { cause, .. } => match cause.remedy(&settings.database) {
            Some(remedy) => anyhow::anyhow!("{error}; {remedy}"),
            None => error.into(),
        },
        OpenError::Database(_) => error.into(),
    })
}

/// GLPI's PHP, if it is configured.
fn upstream(settings: &Settings) -> anyhow::Result<Option<Upstream>> {
    let plugin_base = settings.glpi.as_ref().and_then(|glpi| glpi.plugin_base);
    let upstream = settings.upstream_url.as_ref().map(|url| {
        // Shorter than what is left of the request, so that its end is told as GLPI's and not as ours.
        Upstream::new(url, plugin_base, settings.server.request_timeout * 9 / 10)
    });
    upstream.transpose().context("the client for GLPI")
}

/// Starts answering on `listener`.
///
/// # Errors
///
/// When the database does not fit or something cannot be set up.
pub async fn start(
    settings: &Settings,
    listener: TcpListener,
    clock: Arc<dyn Clock>,
    metrics: Option<PrometheusHandle>,
) -> anyhow::Result<Running> {
    install_crypto();
    if let Some((chain, key)) = &settings.server.tls {
        // Read again by the listener's task, where a fault would come after the word that agents are answered.
        server::tls::acceptor(chain, key)?;
    }
    let ops = match settings.server.ops_listen {
        Some(address) => Some(bind(address).await?),
        None => None,
    };
    let for_people = pages::listener(settings).await?;
    let db = open_database(settings, &clock).await?;
    pages::verify(settings, &db).await?;
    let lifecycle = Lifecycle::new(settings.server.shutdown_grace);
    let stop = lifecycle.stop();
    let (writer, writing) =
        Writer::new(db.clone(), settings.dispatch.write_queue, stop.hard.clone());
    let catalogues = Arc::new(Catalogues::new(
        db.clone(),
        settings.dispatch.catalogue_refresh,
        settings.dispatch.policy,
        Arc::clone(&clock),
        settings.timezone,
    ));
    let plugin_base = settings.glpi.as_ref().and_then(|glpi| glpi.plugin_base);
    let signs = Arc::<Signs>::default();
    let dispatcher = Dispatcher {
        policy: settings.dispatch.policy,
        db: db.clone(),
        writer,
        catalogues: Arc::clone(&catalogues),
        clock: Arc::clone(&clock),
        zone: settings.timezone,
        public_url: settings.dispatch.public_url.clone(),
        plugin_base,
        doc_dir: settings.dispatch.plugin_doc_dir.clone(),
        max_sends: settings.dispatch.max_sends,
        task_mode: settings.dispatch.task_mode,
        signs: Arc::clone(&signs),
        imports: settings.upstream_url.is_some() || settings.spool_dir.is_some(),
        admission: Arc::new(Mutex::new(Admission::new(settings.dispatch.max_new_agents))),
        complete: Arc::default(),
    };
    let upstream = upstream(settings)?;
    let intake = open_spool(settings, &db, &clock)?;
    deliver(intake.as_ref(), upstream.as_ref(), settings, &lifecycle);
    let depth = pages::depth(intake.as_ref());
    let web = Web {
        dispatcher: Arc::new(dispatcher),
        limits: Limits::of(&settings.server),
        unpacking: Unpacking::start(settings.server.max_unpacking)
            .context("threads for large messages")?,
        upstream,
        intake,
        metrics,
        readiness: Arc::default(),
    };
    let address = listener.local_addr().context("the address listened on")?;
    let ops_address = ops.as_ref().map(TcpListener::local_addr).transpose();
    let ops_address = ops_address.context("the address of ops-listen")?;

    lifecycle.spawn("writer", async {
        writing.await;
        Ok::<(), std::convert::Infallible>(())
    });
    note_signs(signs, settings, &db, &clock, &lifecycle);
    answer(settings, web, listener, ops, &lifecycle);
    read_ahead(Arc::clone(&catalogues), &lifecycle);
    let enabled = settings.scheduler.enabled;
    let wakeup = wakeup(settings, db.clone(), Arc::clone(&clock));
    let actions = actions(settings, &db, &clock, wakeup.clone());
    let preparation = enabled.then(|| schedule(settings, &db, &clock, wakeup, &lifecycle));
    let reasons = preparation.as_ref();
    let of_watch = Arc::clone(&catalogues);
    let monitor = watch(settings, &db, &clock, &lifecycle, of_watch, reasons);
    let parts = pages::parts(&db, catalogues, &monitor, clock, actions, depth, &lifecycle);
    let web_address = pages::show(settings, for_people, parts, &lifecycle)?;
    Ok(Running {
        address,
        ops_address,
        web_address,
        db,
        preparation,
        monitor,
        lifecycle,
    })
}

/// Starts answering agents, and who watches if that has an address of its own.
fn answer(
    settings: &Settings,
    web: Web,
    listener: TcpListener,
    ops: Option<TcpListener>,
    lifecycle: &Lifecycle,
) {
    let stop = lifecycle.stop();
    if let Some(ops) = ops {
        let plain = config::Server {
            tls: None,
            ..settings.server.clone()
        };
        let (router, stop) = (ops_router(web.clone(), &plain), stop.clone());
        lifecycle.spawn("ops server", async move {
            server::serve(ops, router, &plain, stop).await
        });
    }
    let (settings, router) = (settings.server.clone(), router(web, &settings.server));
    lifecycle.spawn("server", async move {
        server::serve(listener, router, &settings, stop).await
    });
}

/// Starts reading catalogues before requests need them.
fn read_ahead(catalogues: Arc<Catalogues>, lifecycle: &Lifecycle) {
    let soft = lifecycle.stop().soft;
    lifecycle.spawn("catalogue", async move {
        // With age zero there is nothing to read ahead; the task then only waits for its end.
        catalogues.refresh_regularly(soft.clone()).await;
        soft.cancelled().await;
        Ok::<(), std::convert::Infallible>(())
    });
}

/// Starts counting for who looks at tasks.
fn watch(
    settings: &Settings,
    db: &Db,
    clock: &Arc<dyn Clock>,
    lifecycle: &Lifecycle,
    catalogues: Arc<Catalogues>,
    preparation: Option<&Arc<Preparation>>,
) -> Arc<Monitor> {
    let source: Source = Arc::new(move || {
        let catalogues = Arc::clone(&catalogues);
        Box::pin(async move { Ok(Arc::clone(&catalogues.current().await?.catalogue)) })
    });
    let mut monitor = monitor(settings, db.clone(), Arc::clone(clock), source);
    if let Some(preparation) = preparation {
        let stands = settings.scheduler.period * 2 + settings.scheduler.lease;
        monitor = monitor.with_reasons(Arc::clone(preparation), stands);
    }
    let monitor = Arc::new(monitor);
    let (counting, soft) = (Arc::clone(&monitor), lifecycle.stop().soft);
    lifecycle.spawn("monitoring", async move {
        counting.regularly(soft).await;
        Ok::<(), std::convert::Infallible>(())
    });
    monitor
}

fn monitor(settings: &Settings, db: Db, clock: Arc<dyn Clock>, source: Source) -> Monitor {
    let (policy, period) = (
        settings.dispatch.policy,
        settings.scheduler.monitoring_period,
    );
    Monitor::new(db, clock, settings.timezone, policy, period, source)
}

/// Starts handing what is kept to PHP, if both are there.
fn deliver(
    intake: Option<&Intake>,
    upstream: Option<&Upstream>,
    settings: &Settings,
    lifecycle: &Lifecycle,
) {
    if let (Some(intake), Some(upstream)) = (intake, upstream) {
        let deliverer = Deliverer::new(
            intake.clone(),
            upstream.clone(),
            settings.delivery.clone(),
            settings.server.max_inflated,
        );
        lifecycle.spawn("delivery", deliverer.run(lifecycle.stop()));
    }
}

/// Opens the spool, if there is to be one.
fn open_spool(
    settings: &Settings,
    db: &Db,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Option<Intake>> {
    let Some(dir) = &settings.spool_dir else {
        return Ok(None);
    };
    let (spool, recovery) = Spool::open(dir, settings.spool_bounds.into(), Arc::clone(clock))?;
    tracing::info!(dir = %dir.display(), waiting = recovery.waiting, parked = recovery.parked, "the spool is open");
    if recovery.is_damaged() || recovery.torn > 0 {
        tracing::warn!(
            dir = %dir.display(),
            damaged = recovery.damaged,
            damaged_bytes = recovery.damaged_bytes,
            damaged_moves = recovery.damaged_moves,
            torn = recovery.torn,
            unreadable = recovery.unreadable.join(", "),
            "the spool is not as it was written: what could not be read is parked or kept aside, see `fusion-sidecar spool list`"
        );
    }
    let name = delivery::name_of(dir).with_context(|| format!("the spool in {}", dir.display()))?;
    let supersedes = settings.delivery.supersede;
    let intake = Intake::new(spool, name, db.clone(), Arc::clone(clock), supersedes);
    Ok(Some(intake))
}

/// Starts noting what is heard of runs beside reports.
fn note_signs(
    signs: Arc<Signs>,
    settings: &Settings,
    db: &Db,
    clock: &Arc<dyn Clock>,
    lifecycle: &Lifecycle,
) {
    let (db, clock, zone) = (db.clone(), Arc::clone(clock), settings.timezone);
    let soft = lifecycle.stop().soft;
    lifecycle.spawn("signs of life", async move {
        signs.note(&db, clock.as_ref(), zone, soft).await;
        Ok::<(), std::convert::Infallible>(())
    });
}

/// Starts what happens without a request; what prepares.
fn schedule(
    settings: &Settings,
    db: &Db,
    clock: &Arc<dyn Clock>,
    wakeup: WakeUp,
    lifecycle: &Lifecycle,
) -> Arc<Preparation> {
    let preparation = Arc::new(preparation(settings, db.clone(), Arc::clone(clock)));
    let cleaning = cleaning(settings, db.clone(), Arc::clone(clock));
    let scheduler = settings.scheduler.clone();
    let gate = Gate::new(db.clone(), instance(), Arc::clone(clock), &scheduler);
    let gate = Arc::new(gate);
    let (leading, soft) = (Arc::clone(&gate), lifecycle.stop().soft);
    lifecycle.spawn("leader", async move {
        leading.lead(soft).await;
        Ok::<(), std::convert::Infallible>(())
    });
    changes::look(settings, db, clock, &gate, lifecycle);
    let cleaning_gate = Arc::clone(&gate);
    let (expiring, expiry) = (
        Arc::clone(&gate),
        expiry(settings, db.clone(), Arc::clone(clock)),
    );
    let (period, soft) = (settings.scheduler.period, lifecycle.stop().soft);
    lifecycle.spawn("expiry", async move {
        expire::regularly(expiry, expiring, period, soft.clone()).await;
        soft.cancelled().await;
        Ok::<(), std::convert::Infallible>(())
    });
    let soft = lifecycle.stop().soft;
    lifecycle.spawn("cleaning", async move {
        let (period, look) = (scheduler.cleaning_period, scheduler.period);
        work::clean::regularly(cleaning, cleaning_gate, period, look, soft).await;
        Ok::<(), std::convert::Infallible>(())
    });
    let (period, soft) = (settings.scheduler.period, lifecycle.stop().soft);
    let waking = Arc::clone(&gate);
    let nudge = Arc::<Notify>::default();
    let nudged = Arc::clone(&nudge);
    lifecycle.spawn("wake-up", async move {
        work::wakeup::regularly(wakeup, waking, period, nudged, soft).await;
        Ok::<(), std::convert::Infallible>(())
    });
    let (period, soft) = (settings.scheduler.period, lifecycle.stop().soft);
    let preparing = Arc::clone(&preparation);
    lifecycle.spawn("scheduler", async move {
        work::prepare_regularly(preparing, gate, period, nudge, soft).await;
        Ok::<(), std::convert::Infallible>(())
    });
    preparation
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let bound = TcpListener::bind(address).await;
    bound.with_context(|| format!("cannot listen on {address}"))
}

/// `serve`: answers agents until told to stop.
///
/// # Errors
///
/// When it cannot start.
pub async fn serve(settings: Settings) -> anyhow::Result<ExitCode> {
    if let Some((chain, key)) = &settings.server.tls {
        // A fault of the configuration, whatever else keeps it from starting.
        server::tls::acceptor(chain, key)?;
    }
    let files = descriptors::raise();
    let metrics = telemetry::install_metrics()?;
    let listener = bind(settings.server.listen).await?;
    let running = start(&settings, listener, Arc::new(SystemClock), Some(metrics)).await?;
    if let Some(address) = running.ops_address {
        tracing::info!(%address, "answering operators");
    }
    if let Some(address) = running.web_address {
        pages::tell(&settings, address);
    }
    if let Some(zone) = running.db.zone_by_offset() {
        tracing::warn!(zone = %zone, "the database server does not know the zone by name: sessions have its offset, and dates beyond the next \
            change of the clocks are an hour off until then; `fusion-sidecar check` says how to load the server's time zones");
    }
    if let Some(limit) = files.filter(|files| *files < settings.descriptors()) {
        tracing::warn!(
            limit,
            needed = settings.descriptors(),
            "the limit of open files is below max-connections and what is needed beside: raise it (LimitNOFILE of the unit), or lower \
             max-connections"
        );
    }
    tracing::info!(address = %running.address, policy = %settings.dispatch.policy, "answering agents");
    Ok(running.until_stopped().await?.into())
}

fn preparation(settings: &Settings, db: Db, clock: Arc<dyn Clock>) -> Preparation {
    let (policy, mode) = (settings.dispatch.policy, settings.dispatch.task_mode);
    Preparation::new(db, clock, settings.timezone, policy).with_task_mode(mode)
}

/// What people let be done at once. It asks agents as the scheduler does, which remembers whom it asked.
fn actions(settings: &Settings, db: &Db, clock: &Arc<dyn Clock>, wakeup: WakeUp) -> Actions {
    let preparation = preparation(settings, db.clone(), Arc::clone(clock));
    let zone = settings.timezone;
    Actions::new(db.clone(), Arc::clone(clock), zone, preparation, wakeup)
}

fn cleaning(settings: &Settings, db: Db, clock: Arc<dyn Clock>) -> Cleaning {
    let policy = settings.dispatch.policy;
    Cleaning::new(db, clock, settings.timezone, policy, &settings.scheduler)
}

fn expiry(settings: &Settings, db: Db, clock: Arc<dyn Clock>) -> Expiry {
    let (policy, timeout) = (settings.dispatch.policy, settings.scheduler.run_timeout);
    Expiry::new(db, clock, settings.timezone, policy, timeout)
}

fn wakeup(settings: &Settings, db: Db, clock: Arc<dyn Clock>) -> WakeUp {
    let (zone, policy) = (settings.timezone, settings.dispatch.policy);
    WakeUp::new(db, clock, zone, policy, Knocker::new(&settings.wakeup))
        .with_task_mode(settings.dispatch.task_mode)
        .with_run_timeout(settings.scheduler.run_timeout)
}
