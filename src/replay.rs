//! Recorded exchanges, played again against a server: what did it answer, what did it change, and where does that differ from
//! the reference.
//!
//! A recording is rows to load, steps, the reference's answer to each, and the rows it had changed at the end. [`play`] empties
//! and fills a scratch database, takes the steps and gives the [`Outcome`]; [`differences`] compares it, without IO. The subject may be
//! this sidecar under policy `plugin` or PHP itself: all that counts is its address, its database and its files.
//!
//! What may differ is decided in three places: `same` (values), `answer` (kinds of bodies) and `changes` (ids, times and random
//! values of rows).

mod answer;
mod changes;
mod moment;
mod recording;
mod request;
mod same;
mod stored;
mod xml;

use std::path::{Component, Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use mysql_async::Conn;

pub use self::answer::{Answer, BodyError};
pub use self::changes::{Change, Changes};
pub use self::moment::Moment;
pub use self::recording::{Base, Job, JobEnd, JobStep, ReadError, Recording, Row, Rows, Step};
use self::request::Sender;
pub use self::request::{Charset, Coding, Limits, Request, RequestError};
pub use self::same::Difference;
use self::same::{Said, same};
use crate::db::scratch::{Scratch, ScratchError};

/// Parameters whose values a log line need not repeat: they say who, which run and how far.
const UNSAID: [&str; 9] = [
    "machineid",
    "uuid",
    "action",
    "currentStep",
    "behavior",
    "type",
    "event",
    "status",
    "part",
];
/// Shortest value that a log line must repeat, characters.
const SAID_FROM: usize = 3;

/// The server that is tried.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The agents' address, such as `http://127.0.0.1:8080/plugins/fusioninventory`. Plain HTTP.
    pub base_url: String,
    /// The plugin's `files` directory, as the server sees it.
    pub files: PathBuf,
    /// Bounds of each request.
    pub limits: Limits,
}

/// What a subject did.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// How each step ended.
    pub ends: Vec<End>,
    /// The rows changed at the end.
    pub changes: Changes,
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq)]
pub enum End {
    /// A request: its answer.
    Answer(Answer),
    /// A request without an answer that could be read: why.
    NoAnswer(String),
    /// Work without a request.
    Job(JobEnd),
}

/// Why a recording cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum PlayError {
    /// The scratch database does not take the rows, or is gone.
    #[error(transparent)]
    Scratch(#[from] ScratchError),
    /// A request cannot be sent, whoever the subject.
    #[error("step {step}: {source}")]
    Request {
        /// Which step, from 0.
        step: usize,
        /// Why.
        source: RequestError,
    },
    /// The recording has a file whose path leads out of the directory.
    #[error("file {0}: not a path below the directory")]
    FilePath(PathBuf),
    /// The recording has a file that is not base64.
    #[error("file {path}: {source}")]
    FileContent {
        /// Its path.
        path: PathBuf,
        /// What is wrong.
        source: base64::DecodeError,
    },
    /// A file cannot be written.
    #[error("file {path}: {source}")]
    Write {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Loads `recording` into the database of `conn` (its watched tables are emptied first) and takes its steps against `subject`.
///
/// `job` does the work that GLPI's cron does, on the subject's side, and says what failed. The subject must do nothing on its own, and see
/// changes of the database at once. A recording with `@sec` or `@dow` in its rows is only good when the subject's day is not
/// about to end: the caller chooses `moment`.
pub async fn play(
    recording: &Recording,
    base: &Base,
    subject: &Subject,
    moment: &Moment,
    conn: &mut Conn,
    job: impl AsyncFn(Job) -> Result<(), String>,
) -> Result<Outcome, PlayError> {
    let rows = recording.rows_on(base);
    base.keys(&rows)?;
    let scratch = Scratch::open(conn, &base.watched, &moment.offset()).await?;
    scratch.clear(conn).await?;
    load(&scratch, &rows, moment, conn).await?;
    let before = scratch.dump(conn).await?;
    let ends = ask(recording, subject, job).await?;
    let after = scratch.dump(conn).await?;
    Ok(Outcome {
        ends,
        changes: changes::changes(&before, &after, base, moment),
    })
}

/// Takes the steps of `recording` against `subject`, whatever rows it has: for a recording that needs none.
pub async fn ask(
    recording: &Recording,
    subject: &Subject,
    job: impl AsyncFn(Job) -> Result<(), String>,
) -> Result<Vec<End>, PlayError> {
    let sender = Sender::new(&subject.base_url, subject.limits)
        .map_err(|source| PlayError::Request { step: 0, source })?;
    for (path, content) in &recording.files {
        write_file(&subject.files, path, content).await?;
    }
    let mut ends = Vec::with_capacity(recording.steps.len());
    for (i, step) in recording.steps.iter().enumerate() {
        ends.push(match step {
            Step::Job(step) => End::Job(match job(step.cron).await {
                Ok(()) => JobEnd { rc: 0, error: None },
                Err(error) => JobEnd {
                    rc: 1,
                    error: Some(error),
                },
            }),
            Step::Request(step) => match sender.send(step).await {
                Ok(answer) => End::Answer(answer),
                Err(source @ RequestError::Recording(_)) => {
                    return Err(PlayError::Request { step: i, source });
                }
                Err(error @ (RequestError::Http(_) | RequestError::Body(_))) => {
                    End::NoAnswer(told(&error))
                }
            },
        });
    }
    Ok(ends)
}

/// Empties the watched tables and leaves the rows that all recordings stand on.
pub async fn clean(base: &Base, moment: &Moment, conn: &mut Conn) -> Result<(), ScratchError> {
    base.keys(&base.rows)?;
    let scratch = Scratch::open(conn, &base.watched, &moment.offset()).await?;
    scratch.clear(conn).await?;
    load(&scratch, &base.rows, moment, conn).await
}

async fn load(
    scratch: &Scratch,
    rows: &Rows,
    moment: &Moment,
    conn: &mut Conn,
) -> Result<(), ScratchError> {
    for (table, rows) in rows {
        for row in rows {
            scratch
                .insert(conn, table, &stored::row(row, moment))
                .await?;
        }
    }
    Ok(())
}

fn told(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

async fn write_file(dir: &Path, path: &Path, content: &str) -> Result<(), PlayError> {
    if path
        .components()
        .any(|component| !matches!(component, Component::Normal(_)))
    {
        return Err(PlayError::FilePath(path.to_owned()));
    }
    let content = BASE64_STANDARD
        .decode(content)
        .map_err(|source| PlayError::FileContent {
            path: path.to_owned(),
            source,
        })?;
    let write = async {
        let file = dir.join(path);
        if let Some(parent) = file.parent() {
            tokio::fs::create_dir_all(parent).await?;
        }
        tokio::fs::write(file, content).await
    };
    write.await.map_err(|source| PlayError::Write {
        path: path.to_owned(),
        source,
    })
}

/// Where `outcome` differs from what the reference did; empty when the subject conforms.
#[must_use]
pub fn differences(recording: &Recording, outcome: &Outcome) -> Vec<Difference> {
    let said = said(recording);
    let mut found = differences_of_ends(recording, &outcome.ends);
    let (expected, got) = (&recording.reference_changes, &outcome.changes);
    let tables: std::collections::BTreeSet<&String> = expected.keys().chain(got.keys()).collect();
    for table in tables {
        let rows = |changes: &Changes| {
            serde_json::json!(changes.get(table).map_or(&[][..], Vec::as_slice))
        };
        found.extend(same(&rows(expected), &rows(got), table, &said));
    }
    found
}

/// Where `ends` differ from the reference's, whatever rows were changed.
#[must_use]
pub fn differences_of_ends(recording: &Recording, ends: &[End]) -> Vec<Difference> {
    let said = said(recording);
    let mut found = Vec::new();
    if recording.steps.len() != ends.len() {
        found.push(Difference::expected(
            "steps",
            recording.steps.len(),
            ends.len(),
        ));
    }
    for (i, (step, end)) in recording.steps.iter().zip(ends).enumerate() {
        let differ = match (step, end) {
            (Step::Request(step), End::Answer(answer)) => step.reference.differences(answer, &said),
            (Step::Job(step), End::Job(end)) if step.reference.rc == end.rc => Vec::new(),
            (Step::Job(step), End::Job(end)) => {
                let told = end.error.as_deref().unwrap_or("well");
                vec![Difference::expected(
                    "exit code",
                    step.reference.rc,
                    format_args!("{} ({told})", end.rc),
                )]
            }
            (Step::Request(_), End::NoAnswer(error)) => {
                vec![Difference::expected("answer", "one", error)]
            }
            (Step::Request(_), End::Job(_)) => {
                vec![Difference::expected("end", "an answer", "a job's")]
            }
            (Step::Job(_), End::Answer(_) | End::NoAnswer(_)) => {
                vec![Difference::expected("end", "a job's", "an answer")]
            }
        };
        found.extend(
            differ
                .into_iter()
                .map(|difference| difference.below(&format!("step {i}"))),
        );
    }
    found
}

/// What the agent told in its requests: values of parameters, and of the form that an answer to a collect job is.
fn said(recording: &Recording) -> Said {
    let requests = recording.steps.iter().filter_map(|step| match step {
        Step::Request(request) => Some(request.as_ref()),
        Step::Job(_) => None,
    });
    let forms = requests.flat_map(|request| {
        let query = request.path.split_once('?').map_or("", |(_, query)| query);
        let body = request
            .body
            .as_deref()
            .filter(|_| request.path.contains("setAnswer"));
        [query, body.unwrap_or_default()]
    });
    forms
        .flat_map(|form| url::form_urlencoded::parse(form.as_bytes()))
        .filter(|(name, value)| {
            value.chars().count() >= SAID_FROM && !UNSAID.contains(&name.as_ref())
        })
        .map(|(_, value)| value.into_owned())
        .collect()
}

#[cfg(test)]
mod tests;
