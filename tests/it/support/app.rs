//! The sidecar itself, in process: the real server on a port of its own, on a fresh database, with a clock that stands.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use fusion_sidecar::app::{self, Running};
use fusion_sidecar::clock::{Clock as _, ManualClock};
use fusion_sidecar::config::Settings;
use fusion_sidecar::domain::cleaning::Duty;
use fusion_sidecar::domain::policy::Policy;
use fusion_sidecar::knock::Knocker;
use fusion_sidecar::replay::{Limits, Subject};
use fusion_sidecar::work::clean::{Cleaning, Summary};
use fusion_sidecar::work::expire::Expiry;
use fusion_sidecar::work::monitor::Monitor;
use fusion_sidecar::work::prepare::Preparation;
use fusion_sidecar::work::wakeup::WakeUp;
use tokio::net::TcpListener;

use super::database::{self, TestDb};
use super::wire::SOON;

/// Noon of a Wednesday: no window of a day or week that a test opens around now crosses its border.
const NOON: &str = "2026-03-04T12:00:00Z";

/// A running sidecar and what it stands on.
pub(crate) struct TestApp {
    running: Running,
    settings: Settings,
    /// Its clock.
    pub(crate) clock: Arc<ManualClock>,
    /// Its database.
    pub(crate) db: TestDb,
    documents: tempfile::TempDir,
}

/// Starts a sidecar that does nothing on its own and reads the catalogue at every request, otherwise with the default settings but for
/// what `configure` changes.
pub(crate) async fn start(configure: impl FnOnce(&mut Settings)) -> TestApp {
    start_on(database::fresh().await, configure).await
}

/// As [`start`], on a database that was made ready before.
pub(crate) async fn start_on(db: TestDb, configure: impl FnOnce(&mut Settings)) -> TestApp {
    let documents = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(NOON.parse::<DateTime<Utc>>().unwrap()));
    let mut settings = Settings::for_database(db.database.clone());
    settings.server.listen = ([127, 0, 0, 1], 0).into();
    settings.scheduler.enabled = false;
    settings.scheduler.monitoring_period = std::time::Duration::ZERO;
    settings.dispatch.catalogue_refresh = std::time::Duration::ZERO;
    settings.dispatch.plugin_doc_dir = Some(documents.path().to_owned());
    configure(&mut settings);
    let listener = TcpListener::bind(settings.server.listen).await.unwrap();
    let running = app::start(&settings, listener, clock.clone(), None)
        .await
        .unwrap();
    TestApp {
        running,
        settings,
        clock,
        db,
        documents,
    }
}

impl TestApp {
    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.running.address
    }

    /// Where its pages for people are.
    pub(crate) fn pages(&self) -> SocketAddr {
        self.running.web_address.expect("it shows pages")
    }

    /// What its tasks came to is counted once.
    pub(crate) async fn count(&self) {
        self.running.monitor.round().await.unwrap();
    }

    /// Another sidecar on the same database, with the same settings but for what `configure` changes.
    pub(crate) async fn another(&self, configure: impl FnOnce(&mut Settings)) -> Running {
        let mut settings = self.settings.clone();
        configure(&mut settings);
        let listener = TcpListener::bind(settings.server.listen).await.unwrap();
        app::start(&settings, listener, self.clock.clone(), None)
            .await
            .unwrap()
    }

    /// What counts its tasks.
    pub(crate) fn monitor(&self) -> Arc<Monitor> {
        Arc::clone(&self.running.monitor)
    }

    /// The agents' address.
    pub(crate) fn base_url(&self) -> String {
        format!("{}/plugins/fusioninventory", self.origin())
    }

    /// Scheme, host and port of the listener.
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.running.address)
    }

    /// The plugin's `files` directory.
    pub(crate) fn files(&self) -> PathBuf {
        self.documents.path().join("files")
    }

    /// It as the one that a recording is replayed on.
    pub(crate) fn subject(&self) -> Subject {
        Subject {
            base_url: self.base_url(),
            files: self.files(),
            limits: Limits {
                timeout: SOON,
                answer: 1 << 20,
            },
        }
    }

    /// What the clock says.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// What prepares on its database.
    pub(crate) fn preparation(&self, policy: Policy) -> Preparation {
        let db = self.running.db.clone();
        Preparation::new(db, self.clock.clone(), self.settings.timezone, policy)
            .with_task_mode(self.settings.dispatch.task_mode)
    }

    /// One preparation pass, as the scheduler or `once prepare` makes it.
    pub(crate) async fn prepare(&self) -> Result<(), String> {
        self.prepare_at(&self.running).await
    }

    /// The same at another sidecar.
    pub(crate) async fn prepare_at(&self, running: &Running) -> Result<(), String> {
        let Settings {
            timezone, dispatch, ..
        } = &self.settings;
        let preparation = Preparation::new(
            running.db.clone(),
            self.clock.clone(),
            *timezone,
            dispatch.policy,
        )
        .with_task_mode(dispatch.task_mode);
        preparation
            .pass()
            .await
            .map(drop)
            .map_err(|error| error.to_string())
    }

    /// What wakes agents up on its database.
    pub(crate) fn wakeup(&self) -> WakeUp {
        let Settings {
            timezone,
            dispatch,
            wakeup,
            scheduler,
            ..
        } = &self.settings;
        let (db, clock) = (self.running.db.clone(), self.clock.clone());
        WakeUp::new(db, clock, *timezone, dispatch.policy, Knocker::new(wakeup))
            .with_task_mode(dispatch.task_mode)
            .with_run_timeout(scheduler.run_timeout)
    }

    /// What ends silent runs on its database.
    pub(crate) fn expiry(&self) -> Expiry {
        let Settings {
            timezone,
            dispatch,
            scheduler,
            ..
        } = &self.settings;
        let (db, clock) = (self.running.db.clone(), self.clock.clone());
        Expiry::new(db, clock, *timezone, dispatch.policy, scheduler.run_timeout)
    }

    /// One cleaning pass, as `serve` or `once` makes it.
    pub(crate) async fn clean(&self, duty: Duty) -> Result<Summary, String> {
        let Settings {
            timezone,
            dispatch,
            scheduler,
            ..
        } = &self.settings;
        let (db, clock) = (self.running.db.clone(), self.clock.clone());
        let cleaning = Cleaning::new(db, clock, *timezone, dispatch.policy, scheduler);
        let summary = cleaning.pass(duty).await;
        summary.map_err(|error| error.to_string())
    }
}
