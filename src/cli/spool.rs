//! `fusion-sidecar spool`: what waits for PHP, for people.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use serde_json::json;

use super::{Configured, say};
use crate::clock::SystemClock;
use crate::config::Settings;
use crate::proto::envelope;
use crate::spool::control::Order;
use crate::spool::view::View;
use crate::spool::{Entry, MessageId, Spool, State};

#[derive(Debug, Subcommand)]
pub(super) enum SpoolCommand {
    /// Say how full the spool is
    Status {
        /// As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        configured: Configured,
    },
    /// List the messages, waiting and parked
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        configured: Configured,
    },
    /// Show one message, inflated
    Show {
        /// Its number
        id: MessageId,
        #[command(flatten)]
        configured: Configured,
    },
    /// Have messages tried again
    Retry {
        /// Their numbers
        #[arg(required_unless_present = "all")]
        ids: Vec<MessageId>,
        /// All parked ones
        #[arg(long, conflicts_with = "ids")]
        all: bool,
        #[command(flatten)]
        configured: Configured,
    },
    /// Throw messages away
    Drop {
        /// Their numbers
        #[arg(required = true)]
        ids: Vec<MessageId>,
        #[command(flatten)]
        configured: Configured,
    },
    /// Write all messages as files that GLPI's own import takes; they stay in the spool
    Export {
        /// An existing directory
        dir: PathBuf,
        #[command(flatten)]
        configured: Configured,
    },
}

pub(super) async fn run(
    command: SpoolCommand,
    settings: impl FnOnce(Configured) -> anyhow::Result<Settings>,
) -> anyhow::Result<ExitCode> {
    match command {
        SpoolCommand::Status { json, configured } => status(&place(&settings(configured)?)?, json),
        SpoolCommand::List { json, configured } => list(&place(&settings(configured)?)?, json),
        SpoolCommand::Show { id, configured } => show(&settings(configured)?, id),
        SpoolCommand::Retry {
            ids,
            all,
            configured,
        } => {
            let order = if all {
                Order::RetryAll
            } else {
                Order::Retry(ids)
            };
            give(&settings(configured)?, order, "will be tried again").await
        }
        SpoolCommand::Drop { ids, configured } => {
            give(&settings(configured)?, Order::Drop(ids), "dropped").await
        }
        SpoolCommand::Export { dir, configured } => export(&settings(configured)?, &dir),
    }
}

fn place(settings: &Settings) -> anyhow::Result<PathBuf> {
    let dir = settings.spool_dir.clone();
    dir.context("there is no spool: spool-dir is not set")
}

fn view(dir: &Path) -> anyhow::Result<View> {
    View::read(dir).with_context(|| format!("{} cannot be read", dir.display()))
}

fn status(dir: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let view = view(dir)?;
    let (usage, recovery) = (view.usage(), view.recovery());
    if json {
        let all = json!({
            "dir": dir.display().to_string(),
            "served": view.served,
            "bytes": usage.bytes,
            "waiting": usage.waiting,
            "parked": usage.parked,
            "oldest": usage.oldest,
            "free": usage.free,
            "damage": recovery,
        });
        say(&all.to_string());
        return Ok(ExitCode::SUCCESS);
    }
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "none".to_owned());
    say(&format!(
        "spool      {}\nserved     {}\nwaiting    {}\nparked     {}\noldest     {}\nbytes      {}\nfree       {}\ntorn       {}\ndamaged    {} ({} bytes)\nmoves lost {}\nunreadable {}",
        dir.display(),
        if view.served { "yes" } else { "no" },
        usage.waiting,
        usage.parked,
        or_none(usage.oldest.map(|oldest| oldest.to_rfc3339())),
        usage.bytes,
        or_none(usage.free.map(|free| free.to_string())),
        recovery.torn,
        recovery.damaged,
        recovery.damaged_bytes,
        recovery.damaged_moves,
        or_none((!recovery.unreadable.is_empty()).then(|| recovery.unreadable.join(" "))),
    ));
    Ok(ExitCode::SUCCESS)
}

fn list(dir: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let entries = view(dir)?.entries();
    if json {
        let all: Vec<&Entry> = entries.iter().map(Arc::as_ref).collect();
        say(&serde_json::to_string(&all)?);
        return Ok(ExitCode::SUCCESS);
    }
    for entry in entries {
        let run = entry
            .run
            .map_or_else(|| "-".to_owned(), |run| run.to_string());
        let (state, reason) = match &entry.state {
            State::Waiting => ("waiting", ""),
            State::Parked { reason, .. } => ("parked", reason.as_str()),
        };
        let line = format!(
            "{} {state} {} {} {} {} {} {} {}",
            entry.id,
            entry.kind.word(),
            entry.received_at.to_rfc3339(),
            entry.size,
            entry.attempts,
            run,
            visible(&entry.device),
            visible(reason),
        );
        say(line.trim_end());
    }
    Ok(ExitCode::SUCCESS)
}

/// What agents and PHP wrote, without what a terminal would obey.
fn visible(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// The XML of a message, in the charset that it declares.
fn inflated(settings: &Settings, view: &View, id: MessageId) -> anyhow::Result<Vec<u8>> {
    let message = view.message(id)?;
    let content_type = message.origin.content_type.as_deref();
    let opened = envelope::open(content_type, &message.body, settings.server.max_inflated);
    Ok(opened.with_context(|| format!("message {id}"))?.body)
}

fn show(settings: &Settings, id: MessageId) -> anyhow::Result<ExitCode> {
    let xml = inflated(settings, &view(&place(settings)?)?, id)?;
    // A reader who has gone away is no error.
    let _ = std::io::stdout().write_all(&xml);
    Ok(ExitCode::SUCCESS)
}

async fn give(settings: &Settings, order: Order, done: &str) -> anyhow::Result<ExitCode> {
    let dir = place(settings)?;
    let bounds = settings.spool_bounds.into();
    let outcome = Spool::order(&dir, bounds, Arc::new(SystemClock), order).await?;
    for id in &outcome.done {
        say(&format!("{id} {done}"));
    }
    for id in &outcome.unknown {
        say(&format!("{id} is not in the spool"));
    }
    if let Some(reason) = outcome.failed {
        bail!("{reason}");
    }
    Ok(if outcome.unknown.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn export(settings: &Settings, dir: &Path) -> anyhow::Result<ExitCode> {
    let view = view(&place(settings)?)?;
    let (mut written, mut left) = (0, 0);
    for entry in view.entries() {
        let xml = match inflated(settings, &view, entry.id) {
            Ok(xml) => xml,
            Err(error) => {
                left += 1;
                say(&format!("{}: {}", entry.id, super::reasons(&error)));
                continue;
            }
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let device: String = entry
            .device
            .chars()
            .map(|c| if plain(c) { c } else { '_' })
            .take(100)
            .collect();
        let path = dir.join(format!("{}-{device}.ocs", entry.id));
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        file.and_then(|mut file| file.write_all(&xml))
            .with_context(|| path.display().to_string())?;
        written += 1;
    }
    say(&format!(
        "{written} written to {}, {left} left out",
        dir.display()
    ));
    Ok(if left == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
