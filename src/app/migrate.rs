//! `migrate`: tables, and the plugin's cron tasks.

use std::process::ExitCode;
use std::sync::Arc;

use super::connected;
use crate::cli;
use crate::clock::{Clock, SystemClock};
use crate::config::Settings;
use crate::db::schema;

/// What `migrate` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Migration {
    /// The sidecar's own tables.
    Own,
    /// These, and the shared ones in a database without GLPI.
    Standalone,
    /// These, if they are not there; then the plugin's cron tasks are switched off.
    TakeOver,
    /// These, if they are not there; then the cron tasks that were switched off get their former state.
    HandBack,
}

/// `migrate`.
///
/// # Errors
///
/// When the database refuses, or holds something else.
pub async fn migrate(settings: Settings, migration: Migration) -> anyhow::Result<ExitCode> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let db = connected(&settings, &clock).await?;
    let mut conn = db.conn().await?;
    let standalone = migration == Migration::Standalone;
    let moves_crons = matches!(migration, Migration::TakeOver | Migration::HandBack);
    // An account that may only switch cron tasks need not be one that may CREATE.
    if !(moves_crons && schema::is_current(&mut conn, db.name()).await?) {
        let report = schema::migrate(&mut conn, standalone, clock.now()).await?;
        cli::say(&report.to_string());
    }
    drop(conn);
    match migration {
        Migration::Own | Migration::Standalone => {}
        Migration::TakeOver => cli::say(&db.take_over_crons().await?.to_string()),
        Migration::HandBack => cli::say(&db.hand_back_crons().await?.to_string()),
    }
    db.close().await;
    Ok(ExitCode::SUCCESS)
}
