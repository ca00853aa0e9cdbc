//! `check`: everything that is wrong, at once, and how to mend it.
//!
//! Each part looks at what it can: without a database the files, the listener and GLPI's own address are still looked at. Nothing is
//! changed but one row, the nonce; it goes with the check, and so does the sidecar that listens meanwhile where nobody does.

mod addresses;
mod database;
mod glpi;
mod hours;
mod instances;
mod local;
mod modes;
mod ops;
mod pages;
mod probe;
mod report;
mod sequence;
mod time;
mod upstream;
mod wakeup;

use std::process::ExitCode;
use std::sync::Arc;

use crate::cli;
use crate::clock::{Clock, SystemClock};
use crate::config::Settings;

pub use self::report::{Finding, Report, Severity};

/// Runs `check`: the findings on standard output; success unless one is an error.
///
/// # Errors
///
/// None: whatever fails is a finding.
pub async fn run(settings: Settings) -> anyhow::Result<ExitCode> {
    let report = examine(&settings, Arc::new(SystemClock)).await;
    cli::say(&report.to_string());
    Ok(if report.has_errors() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// Looks at everything.
pub async fn examine(settings: &Settings, clock: Arc<dyn Clock>) -> Report {
    let mut report = Report::default();
    local::examine(settings, &mut report);
    let opened = database::examine(settings, &clock, &mut report).await;
    if let Some(opened) = &opened {
        glpi::examine(settings, opened, &mut report).await;
        if opened.complete {
            instances::examine(settings, &opened.db, &mut report).await;
        }
    }
    let nonce = match &opened {
        Some(opened) if opened.complete => {
            probe::Nonce::store(&opened.db, clock.as_ref(), settings.timezone, &mut report).await
        }
        _ => None,
    };
    let catalogue = opened.as_ref().and_then(|opened| opened.catalogue.as_ref());
    if let Some(catalogue) = catalogue {
        hours::examine(catalogue, &mut report);
        modes::examine(settings, catalogue, &mut report);
    }
    if let (Some(opened), Some(catalogue)) = (&opened, catalogue) {
        sequence::examine(settings, &clock, &opened.db, catalogue, &mut report).await;
    }
    ops::examine(settings, &mut report).await;
    pages::listener(settings, &mut report).await;
    let listener = addresses::listen(settings, &clock, nonce.as_ref(), &mut report).await;
    if let (Some(nonce), Some(catalogue)) = (&nonce, catalogue) {
        addresses::examine(settings, nonce, &catalogue.entities, &mut report).await;
    }
    if let Some(opened) = &opened
        && let Some(catalogue) = catalogue
    {
        let hosts = addresses::hosts(settings, &catalogue.entities);
        wakeup::examine(settings, &opened.db, &hosts, &mut report).await;
    }
    upstream::examine(settings, nonce.as_ref(), catalogue, &mut report).await;
    if let Some(running) = listener
        && let Err(error) = running.stop().await
    {
        tracing::warn!(error = %error, "the listener of the check did not stop");
    }
    if let Some(nonce) = nonce {
        nonce.remove().await;
    }
    if let Some(opened) = opened {
        opened.db.close().await;
    }
    report
}
