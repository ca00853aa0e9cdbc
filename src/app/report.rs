//! `report`: a report for a terminal, a spreadsheet or a program.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;

use super::{monitor, open_database};
use crate::cli;
use crate::clock::{self, Clock, SystemClock};
use crate::config::Settings;
use crate::db::Db;
use crate::domain::access::Access;
use crate::domain::reports::ask::{Ask, Given, MOST_ROWS, Wrong};
use crate::domain::reports::{Name, Report, Tongue, write};
use crate::domain::summary::Board;
use crate::lifecycle::stop_signal;
use crate::work::monitor::Source;
use crate::work::reports::{Failure, Sources, make};

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// One of its tables, for spreadsheets.
    Csv,
    /// All of it, for programs.
    Json,
}

/// What is wanted.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// First day.
    pub from: Option<String>,
    /// Last day.
    pub to: Option<String>,
    /// Number or name of an entity.
    pub entity: Option<String>,
    /// Number of a task.
    pub task: Option<String>,
    /// Days of silence.
    pub days: Option<String>,
    /// One table alone.
    pub table: Option<String>,
    /// How it is written.
    pub format: Format,
}

/// `report`: makes the report `name` and writes it to standard output. What it leaves out is said in it, for CSV on standard error.
///
/// # Errors
///
/// A [`Wrong`] when something is asked that cannot be; when the database does not fit or fails.
pub async fn report(settings: Settings, name: Name, wanted: Wanted) -> anyhow::Result<ExitCode> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let today = clock::local(clock.as_ref(), settings.timezone).date();
    let fields = Given {
        from: wanted.from.as_deref(),
        to: wanted.to.as_deref(),
        entity: wanted.entity.as_deref(),
        task: wanted.task.as_deref(),
        days: wanted.days.as_deref(),
    };
    let ask = Ask::read(name, &fields, today, MOST_ROWS)?;
    let db = open_database(&settings, &clock).await?;
    let making = Box::pin(made(&settings, &db, &clock, &ask));
    let outcome = tokio::select! {
        outcome = making => outcome.map(Some),
        signal = stop_signal() => signal.map(|()| None).context("signals"),
    };
    let _ = tokio::time::timeout(super::CLOSE_LIMIT, db.close()).await;
    if let Some(report) = outcome? {
        let text = text(report, &wanted)?;
        let _ = cli::tell(&text);
    }
    Ok(ExitCode::SUCCESS)
}

async fn made(
    settings: &Settings,
    db: &Db,
    clock: &Arc<dyn Clock>,
    ask: &Ask,
) -> anyhow::Result<Report> {
    let catalogue = Arc::new(db.catalogue().await?);
    let board = if matches!(ask.name, Name::Deploy | Name::Collect) {
        let counted = Arc::clone(&catalogue);
        let source: Source = Arc::new(move || {
            let catalogue = Arc::clone(&counted);
            Box::pin(async move { Ok(catalogue) })
        });
        let monitor = monitor(settings, db.clone(), Arc::clone(clock), source);
        monitor.round().await?
    } else {
        Arc::new(Board::default())
    };
    let sources = Sources {
        db,
        catalogue: &catalogue,
        board: &board,
        now: clock.now(),
        local: clock::local(clock.as_ref(), settings.timezone),
        access: &Access::Open,
    };
    make(&sources, ask).await.map_err(|failure| match failure {
        Failure::Wrong(wrong) => wrong.into(),
        Failure::Db(error) => error.into(),
    })
}

fn text(mut report: Report, wanted: &Wanted) -> anyhow::Result<String> {
    if let Some(name) = wanted.table.as_deref() {
        if report.table(Some(name)).is_none() {
            let names = report.tables.iter().map(|table| table.name).collect();
            return Err(Wrong::Table(name.to_owned(), names).into());
        }
        report.tables.retain(|table| table.name == name);
    }
    Ok(match wanted.format {
        Format::Table => write::text(&report),
        Format::Json => {
            serde_json::to_string_pretty(&write::json(&report)).context("the report as JSON")?
        }
        Format::Csv => {
            for note in &report.notes {
                tracing::warn!("{}", note.text(Tongue::English));
            }
            let Some(table) = report.table(None) else {
                return Ok(String::new());
            };
            if let Some(cut) = write::cut(table, Tongue::English) {
                tracing::warn!("{cut}");
            }
            // Its last line ends as the others do.
            let mut csv = write::csv(table);
            csv.pop();
            csv
        }
    })
}
