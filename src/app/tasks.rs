//! `tasks`: the monitoring lines for a terminal, a file or a program.

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

use super::{monitor, open_database};
use crate::cli;
use crate::clock::{Clock, SystemClock};
use crate::config::Settings;
use crate::db::Db;
use crate::domain::summary::{Board, Style};
use crate::lifecycle::stop_signal;
use crate::work::monitor::{Monitor, Source};

/// How tasks are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Show {
    /// Again and again, as they change.
    pub watch: bool,
    /// As JSON.
    pub json: bool,
}

/// Shortest time between two pictures.
const SHORTEST: Duration = Duration::from_secs(1);

/// Clears a terminal and goes to its first line.
const CLEAR: &str = "\x1b[H\x1b[2J\x1b[3J";

/// `tasks`: every task's line with what stands below it.
///
/// # Errors
///
/// When the database does not fit or fails.
pub async fn tasks(settings: Settings, show: Show) -> anyhow::Result<ExitCode> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let db = open_database(&settings, &clock).await?;
    let read = db.clone();
    let source: Source = Arc::new(move || {
        let db = read.clone();
        Box::pin(async move { Ok(Arc::new(db.catalogue().await?)) })
    });
    let monitor = monitor(&settings, db.clone(), clock, source);
    let period = settings.scheduler.monitoring_period.max(SHORTEST);
    let showing = Box::pin(show_all(&monitor, show, period));
    let outcome = tokio::select! {
        outcome = showing => outcome,
        signal = stop_signal() => signal.map(drop).context("signals"),
    };
    close(db).await;
    outcome.map(|()| ExitCode::SUCCESS)
}

async fn close(db: Db) {
    let _ = tokio::time::timeout(super::CLOSE_LIMIT, db.close()).await;
}

async fn show_all(monitor: &Monitor, show: Show, period: Duration) -> anyhow::Result<()> {
    let is_terminal = std::io::stdout().is_terminal();
    let mut last: Option<Board> = None;
    loop {
        let board = monitor.round().await?;
        // What changes each time is when they were counted.
        let is_news = last.as_ref().is_none_or(|last| last.tasks != board.tasks);
        if is_news || is_terminal && !show.json {
            let text = text(&board, show, is_terminal)?;
            let text = match (show.watch, show.json, is_terminal) {
                (true, false, true) => format!("{CLEAR}{text}"),
                // An empty line between two pictures.
                (true, false, false) if last.is_some() => format!("\n{text}"),
                _ => text,
            };
            if !cli::tell(&text) {
                return Ok(());
            }
        }
        if !show.watch {
            return Ok(());
        }
        last = Some(Board::clone(&board));
        tokio::time::sleep(period).await;
    }
}

fn text(board: &Board, show: Show, is_terminal: bool) -> anyhow::Result<String> {
    if show.json {
        let json = if show.watch {
            serde_json::to_string(board)
        } else {
            serde_json::to_string_pretty(board)
        };
        return json.context("the tasks as JSON");
    }
    let style = if is_terminal {
        Style::Terminal
    } else {
        Style::Plain
    };
    let lines: Vec<String> = board.tasks.iter().map(|task| task.text(style)).collect();
    Ok(match &lines[..] {
        [] => "no tasks".to_owned(),
        lines => lines.join("\n"),
    })
}
