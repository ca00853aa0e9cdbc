//! `replay`: recordings against a running server, from the command line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use chrono_tz::Tz;
use clap::Args;
use mysql_async::Conn;
use url::Url;

use super::say;
use crate::clock::{Clock, SystemClock};
use crate::config::database_url;
use crate::db::Db;
use crate::db::scratch::Keys;
use crate::db::scratch::claim::{self, Claim};
use crate::replay::{
    Base, Job, Limits, Moment, Recording, Step, Subject, ask, clean, differences,
    differences_of_ends, play,
};

/// The base of a directory that has none: the one under this project's own recordings.
const BASE: &str = include_str!("../../fixtures/recordings/base.json");
/// The base's file beside recordings.
const BASE_FILE: &str = "base.json";
/// Longest answer that is read, bytes, also after inflating.
const MOST_ANSWER: usize = 16 << 20;
/// How much of what a failed command wrote is shown, bytes: its end, where the reason stands.
const MOST_SAID: usize = 300;
/// What stands for the job in the command of `--cron`.
const JOB: &str = "{job}";

/// What `replay` can be told. It reads no variable and no file of the sidecar's configuration.
#[derive(Debug, Clone, Args)]
pub(super) struct ReplayArgs {
    /// Recordings: files, or directories of them
    #[arg(required = true, value_name = "DIR|FILE")]
    pub(super) recordings: Vec<PathBuf>,
    /// Agents' address of the server that is tried, such as `http://127.0.0.1:8086/plugins/fusioninventory`
    #[arg(long)]
    pub(super) url: String,
    /// The server's database, which is EMPTIED: `mysql://USER:PASSWORD@HOST:PORT/NAME`; without one, only recordings that need no rows are
    /// played, and only answers compared
    #[arg(long, value_name = "URL")]
    pub(super) database_url: Option<String>,
    /// Give the database to replays first; refused if it holds more than a fresh installation
    #[arg(long, requires = "database_url")]
    pub(super) init: bool,
    /// The plugin's `files` directory, as the server sees it; without one, recordings with files are left out
    #[arg(long, value_name = "DIR")]
    pub(super) files: Option<PathBuf>,
    /// Shell command that does the server's background work, `{job}` in it being prepare, clean or cleanondemand; without one,
    /// recordings with such work are left out
    #[arg(long, value_name = "COMMAND")]
    pub(super) cron: Option<String>,
    /// Play only recordings whose name contains this
    #[arg(long, value_name = "WORD", default_value = "")]
    pub(super) filter: String,
    /// Zone of the server and of its database sessions
    #[arg(long, value_name = "ZONE", default_value_t = Tz::UTC)]
    pub(super) timezone: Tz,
    /// Longest wait for an answer or for background work, seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(super) timeout: u64,
}

/// A recording, what it stands on, and the keys of the rows that it loads.
struct Case {
    recording: Recording,
    base: Arc<Base>,
    keys: Keys,
}

/// How a case ended.
enum Verdict {
    Conforms,
    /// Its first difference, and how many there are.
    Differs(String, usize),
    /// Why it was not played.
    LeftOut(&'static str),
}

/// Runs `replay`.
///
/// # Errors
///
/// When a recording cannot be read or sent, or the database may not be emptied, or fails.
pub(super) async fn run(arguments: ReplayArgs) -> anyhow::Result<ExitCode> {
    if !arguments.url.starts_with("http://") {
        bail!("--url must begin with http://: recordings are plain HTTP");
    }
    let cases = read(&arguments)?;
    if cases.is_empty() {
        bail!("no recording matches");
    }
    let mut database = match &arguments.database_url {
        Some(url) => Some(open(url, &arguments).await?),
        None => None,
    };
    let outcome = match reach(&arguments).await {
        Ok(()) => play_all(&arguments, &cases, database.as_mut()).await,
        Err(error) => Err(error),
    };
    if let Some(mut database) = database {
        // Also after a failure: what the replay leaves is then known, and the next one can begin.
        let left = database.leave(&cases, &arguments).await;
        database.conn.disconnect().await?;
        outcome.as_ref().map_or(Ok(()), |_| left)?;
    }
    let counts = outcome?;
    say(&format!(
        "{} conform, {} differ, {} left out",
        counts.conform, counts.differ, counts.left_out
    ));
    if counts.conform + counts.differ == 0 {
        bail!("nothing was played");
    }
    Ok(if counts.differ == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Fails unless somebody listens at `--url`: one error instead of a difference for each recording.
async fn reach(arguments: &ReplayArgs) -> anyhow::Result<()> {
    let url = Url::parse(&arguments.url).context("--url")?;
    let host = url.host_str().context("--url names no host")?;
    // An IPv6 address stands in brackets in a URL alone.
    let host = host.trim_matches(['[', ']']);
    let port = url.port_or_known_default().unwrap_or(80);
    let connecting = tokio::net::TcpStream::connect((host, port));
    let limit = Duration::from_secs(arguments.timeout);
    let answer = tokio::time::timeout(limit, connecting).await;
    let answer = answer.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
    answer
        .map(drop)
        .with_context(|| format!("nothing was played: no server at {}", arguments.url))
}

/// How many cases ended how.
#[derive(Default)]
struct Counts {
    conform: usize,
    differ: usize,
    left_out: usize,
}

/// A database that a replay has taken.
struct Taken {
    conn: Conn,
    claim: Claim,
}

impl Taken {
    async fn leave(&mut self, cases: &[Case], arguments: &ReplayArgs) -> anyhow::Result<()> {
        if let Some(case) = cases.last() {
            let keys = case.base.keys(&case.base.rows)?;
            self.claim.expect(&mut self.conn, &keys).await?;
            clean(&case.base, &moment(arguments), &mut self.conn).await?;
        }
        Ok(self.claim.leave(&mut self.conn).await?)
    }
}

async fn open(url: &str, arguments: &ReplayArgs) -> anyhow::Result<Taken> {
    let mut settings =
        database_url::parse(url).map_err(|error| anyhow::anyhow!("--database-url {error}"))?;
    settings.max_connections = 1;
    let mut conn = Db::new(&settings, "")?.conn().await?;
    if arguments.init {
        claim::give(&mut conn).await?;
    }
    let claim = claim::take(&mut conn).await?;
    Ok(Taken { conn, claim })
}

fn moment(arguments: &ReplayArgs) -> Moment {
    Moment::new(SystemClock.now(), arguments.timezone)
}

async fn play_all(
    arguments: &ReplayArgs,
    cases: &[Case],
    mut database: Option<&mut Taken>,
) -> anyhow::Result<Counts> {
    let limits = Limits {
        timeout: Duration::from_secs(arguments.timeout),
        answer: MOST_ANSWER,
    };
    let subject = Subject {
        base_url: arguments.url.clone(),
        files: arguments.files.clone().unwrap_or_default(),
        limits,
    };
    let width = cases
        .iter()
        .map(|case| case.recording.name.chars().count())
        .max();
    let width = width.unwrap_or_default();
    let mut counts = Counts::default();
    for Case {
        recording,
        base,
        keys,
    } in cases
    {
        let moment = moment(arguments);
        let job = async |job| work(arguments, job).await;
        let verdict = if let Some(why) = lacks(recording, arguments, &moment) {
            Verdict::LeftOut(why)
        } else {
            let found = if let Some(taken) = &mut database {
                let conn = &mut taken.conn;
                taken.claim.expect(conn, keys).await?;
                let outcome = play(recording, base, &subject, &moment, conn, job).await;
                outcome.map(|outcome| differences(recording, &outcome))
            } else {
                let ends = ask(recording, &subject, job).await;
                ends.map(|ends| differences_of_ends(recording, &ends))
            };
            let found = found.with_context(|| recording.name.clone())?;
            match found.first() {
                None => Verdict::Conforms,
                Some(first) => Verdict::Differs(one_line(&first.to_string()), found.len()),
            }
        };
        let count = match verdict {
            Verdict::Conforms => &mut counts.conform,
            Verdict::Differs(..) => &mut counts.differ,
            Verdict::LeftOut(_) => &mut counts.left_out,
        };
        *count += 1;
        say(&line(&recording.name, width, &verdict));
    }
    Ok(counts)
}

/// A row of the table.
fn line(name: &str, width: usize, verdict: &Verdict) -> String {
    match verdict {
        Verdict::Conforms => format!("conforms  {name}"),
        Verdict::Differs(first, 1) => format!("differs   {name:width$}  {first}"),
        Verdict::Differs(first, count) => {
            format!("differs   {name:width$}  {first} (and {} more)", count - 1)
        }
        Verdict::LeftOut(why) => format!("left out  {name:width$}  {why}"),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What `recording` needs and is not there.
fn lacks(recording: &Recording, arguments: &ReplayArgs, moment: &Moment) -> Option<&'static str> {
    let rows = || recording.rows.values().flatten();
    let jobs = recording
        .steps
        .iter()
        .any(|step| matches!(step, Step::Job(_)));
    if arguments.database_url.is_none() && (jobs || rows().next().is_some()) {
        Some("needs --database-url")
    } else if arguments.files.is_none() && !recording.files.is_empty() {
        Some("needs --files")
    } else if arguments.cron.is_none() && jobs {
        Some("needs --cron")
    } else if rows()
        .flat_map(serde_json::Map::values)
        .any(|value| !moment.suits(value))
    {
        Some("means something else at this time of the day")
    } else {
        None
    }
}

/// Does the server's background work by the command of `--cron`.
async fn work(arguments: &ReplayArgs, job: Job) -> Result<(), String> {
    let command = arguments.cron.as_deref().ok_or("needs --cron")?;
    let done = tokio::process::Command::new("sh")
        .args(["-c", &command.replace(JOB, job.name())])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(Duration::from_secs(arguments.timeout), done)
        .await
        .map_err(|_| format!("{} took too long", job.name()))?
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let said = &output.stderr[output.stderr.len().saturating_sub(MOST_SAID)..];
    Err(format!(
        "{}: {}",
        output.status,
        one_line(&String::from_utf8_lossy(said))
    ))
}

/// The recordings that match, those of a directory by name.
fn read(arguments: &ReplayArgs) -> anyhow::Result<Vec<Case>> {
    let mut bases = BTreeMap::<PathBuf, Arc<Base>>::new();
    let mut cases = Vec::new();
    for path in &arguments.recordings {
        for file in files(path).with_context(|| path.display().to_string())? {
            let recording = Recording::read(&file)?;
            if !recording.name.contains(&arguments.filter) {
                continue;
            }
            let dir = file.parent().unwrap_or_else(|| Path::new("")).to_owned();
            let base = match bases.get(&dir) {
                Some(base) => Arc::clone(base),
                None => Arc::clone(bases.entry(dir.clone()).or_insert(Arc::new(base(&dir)?))),
            };
            let keys = base.keys(&recording.rows_on(&base));
            let keys = keys.with_context(|| recording.name.clone())?;
            cases.push(Case {
                recording,
                base,
                keys,
            });
        }
    }
    Ok(cases)
}

fn files(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let file = entry?.path();
        if file
            .extension()
            .is_some_and(|extension| extension == "json")
            && !file.ends_with(BASE_FILE)
        {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

fn base(dir: &Path) -> anyhow::Result<Base> {
    let file = dir.join(BASE_FILE);
    if file.exists() {
        return Ok(Base::read(&file)?);
    }
    serde_json::from_str(BASE).context("the base that is built in")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(clap::Parser)]
    struct Replay {
        #[command(flatten)]
        arguments: ReplayArgs,
    }

    #[tokio::test]
    async fn of_a_failed_command_the_end_of_its_words_is_shown() {
        let command = "yes noise | head -n 1000 >&2; echo 'no {job} today' >&2; exit 3";
        let line = ["replay", "x.json", "--url", "http://h", "--cron", command];
        let Replay { arguments } = clap::Parser::parse_from(line);
        let error = work(&arguments, Job::Prepare).await.unwrap_err();
        assert!(error.starts_with("exit status: 3: "), "{error}");
        assert!(error.ends_with("noise noise no prepare today"), "{error}");
        assert!(error.len() < MOST_SAID + 20, "{error}");
    }
}
