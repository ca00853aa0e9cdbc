//! One run, shown as it goes: its states and log lines from the database, the agent's downloads from the agent.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use super::agent::Installed;
use crate::cli::say;
use crate::db::{Db, DbError};
use crate::domain::ids::RunId;
use crate::domain::policy::Policy;
use crate::domain::run::RunState;
use crate::proto::text;

/// Pause between two looks at the run. The agent takes a few times that between two of its messages.
const LOOK: Duration = Duration::from_millis(5);
/// Longest run of the agent: the sample takes it seconds.
const LIMIT: Duration = Duration::from_mins(3);
/// Lines of the agent's own that are shown when the run did not end well.
const LAST_WORDS: usize = 15;
/// What the agent (2.6) writes before it fetches a part.
const FETCHES: &str = "File part URL: ";

/// How a run has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Its state when the agent was done.
    pub state: RunState,
    /// Log lines it has.
    pub lines: usize,
    /// Parts that the agent asked for.
    pub parts: usize,
    /// How long the agent took.
    pub took: Duration,
}

/// The agent to run, and as whom.
#[derive(Debug)]
pub struct Player<'a> {
    /// The agent.
    pub installed: &'a Installed,
    /// Its directory.
    pub home: &'a Path,
    /// Its device id.
    pub device_id: &'a str,
    /// The plugin's address that it is given.
    pub server: &'a str,
}

/// What of a run was shown already.
#[derive(Debug)]
pub struct Watch {
    db: Db,
    run: RunId,
    policy: Policy,
    state: Option<RunState>,
    last_line: u64,
    lines: usize,
}

impl Watch {
    /// Of `run`, of which nothing was shown yet.
    #[must_use]
    pub fn new(db: Db, run: RunId, policy: Policy) -> Self {
        Self {
            db,
            run,
            policy,
            state: None,
            last_line: 0,
            lines: 0,
        }
    }

    /// Shows what is new: a state before the lines that came with it, the last one after them.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn look(&mut self) -> Result<(), DbError> {
        let Some((state, lines)) = self.db.run_progress(self.run, self.last_line).await? else {
            return Ok(());
        };
        if !is_end(state) {
            self.show_state(state);
        }
        for line in lines {
            self.last_line = line.id;
            self.lines += 1;
            let text = text::decode(&line.text);
            let shown = format!("  log    {:<9} {text}", log_state(line.state));
            say(shown.trim_end());
        }
        self.show_state(state);
        Ok(())
    }

    fn show_state(&mut self, now: RunState) {
        for state in passed(self.state, now, self.policy) {
            say(&format!("  state  {}", state_name(state)));
        }
        self.state = Some(now);
    }
}

/// The states on the way from `before` to `now`, the latter included. An agent may be quicker than two looks; it reports on a run only
/// after that was sent, and under `redux` its first report makes it running.
fn passed(before: Option<RunState>, now: RunState, policy: Policy) -> Vec<RunState> {
    if before == Some(now) {
        return Vec::new();
    }
    let mut way = match (policy, now) {
        (_, RunState::Running) | (Policy::Plugin, RunState::Finished) => vec![RunState::Sent],
        (Policy::Redux, RunState::Finished) => vec![RunState::Sent, RunState::Running],
        _ => Vec::new(),
    };
    if let Some(before) = before {
        way.retain(|state| *state > before);
    }
    way.push(now);
    way
}

fn is_end(state: RunState) -> bool {
    matches!(
        state,
        RunState::Finished | RunState::InError | RunState::Cancelled
    )
}

/// A state of a run in words.
#[must_use]
pub fn state_name(state: RunState) -> &'static str {
    match state {
        RunState::Prepared => "prepared",
        RunState::Sent => "sent",
        RunState::Running => "running",
        RunState::Finished => "finished",
        RunState::InError => "in error",
        RunState::Cancelled => "cancelled",
        RunState::Postponed => "postponed",
    }
}

fn log_state(code: u32) -> &'static str {
    match code {
        1 => "started",
        2 => "ok",
        4 => "error",
        5 => "info",
        6 => "running",
        7 => "prepared",
        _ => "",
    }
}

/// Runs the agent once and shows what becomes of the run of `watch`.
///
/// # Errors
///
/// When the agent cannot be run or does not end, or the database fails.
pub async fn play(player: &Player<'_>, mut watch: Watch) -> anyhow::Result<Ended> {
    let begun = Instant::now();
    watch.look().await?;
    let mut command: Command =
        player
            .installed
            .command(player.home, player.device_id, player.server)?;
    // A group of its own: an interrupt typed at the terminal is for us, and ends the agent with us.
    let mut agent = command
        .process_group(0)
        .spawn()
        .context("starting the agent")?;
    let stderr = agent.stderr.take().context("the agent's messages")?;
    let mut messages = BufReader::new(stderr).split(b'\n');
    let mut said = Vec::new();
    let mut parts = 0;
    let mut tick = tokio::time::interval(LOOK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            message = messages.next_segment() => {
                let Some(message) = message.context("the agent's messages")? else { break };
                let message = String::from_utf8_lossy(&message).trim_end().to_owned();
                if let Some((_, url)) = message.split_once(FETCHES) {
                    watch.look().await?;
                    parts += 1;
                    say(&format!("  part   {url}"));
                }
                if said.len() == LAST_WORDS {
                    said.remove(0);
                }
                said.push(message);
            }
            _ = tick.tick() => watch.look().await?,
        }
        if begun.elapsed() > LIMIT {
            bail!("the agent has not ended after {} s", LIMIT.as_secs());
        }
    }
    let status = agent.wait().await.context("waiting for the agent")?;
    watch.look().await?;
    let state = watch.state.context("the run is gone")?;
    if !is_end(state) || !status.success() {
        say(&format!("demo: the agent ended ({status}); it said last:"));
        for message in said {
            say(&format!("  agent  {message}"));
        }
    }
    Ok(Ended {
        state,
        lines: watch.lines,
        parts,
        took: begun.elapsed(),
    })
}

#[cfg(test)]
mod tests {
    use RunState::{Cancelled, Finished, InError, Prepared, Running, Sent};
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(None, Prepared, Policy::Redux, &[Prepared])]
    #[case(Some(Prepared), Prepared, Policy::Redux, &[])]
    #[case(Some(Prepared), Sent, Policy::Redux, &[Sent])]
    #[case(Some(Prepared), Running, Policy::Redux, &[Sent, Running])]
    #[case(Some(Prepared), Finished, Policy::Redux, &[Sent, Running, Finished])]
    #[case(Some(Prepared), Finished, Policy::Plugin, &[Sent, Finished])]
    #[case(Some(Sent), Finished, Policy::Plugin, &[Finished])]
    #[case(Some(Running), Finished, Policy::Redux, &[Finished])]
    #[case(Some(Sent), InError, Policy::Redux, &[InError])]
    #[case(Some(Prepared), Cancelled, Policy::Redux, &[Cancelled])]
    fn states_on_the_way(
        #[case] before: Option<RunState>,
        #[case] now: RunState,
        #[case] policy: Policy,
        #[case] expected: &[RunState],
    ) {
        assert_eq!(passed(before, now, policy), expected);
    }
}
