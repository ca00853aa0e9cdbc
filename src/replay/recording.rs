//! The files: one recording a file, and the base that all recordings of a directory stand on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::changes::Changes;
use super::request::Request;
use crate::db::scratch::{Keys, ScratchError, tables};

/// A row to load: values by column, times relative.
pub type Row = Map<String, Value>;
/// Rows to load, by table.
pub type Rows = BTreeMap<String, Vec<Row>>;

/// One exchange between agents and the reference: FusionInventory 10.0.6+1.1 in GLPI 10.0.10.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recording {
    /// Name of the case.
    pub name: String,
    /// What it shows, where the name does not say it.
    #[serde(default)]
    pub note: String,
    /// Rows to load on top of the base.
    pub rows: Rows,
    /// Files below the plugin's `files` directory, by path, in base64.
    #[serde(default)]
    pub files: BTreeMap<PathBuf, String>,
    /// What is done, in order.
    pub steps: Vec<Step>,
    /// What the reference had changed at the end.
    pub reference_changes: Changes,
}

/// One thing done, and how the reference ended it.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Step {
    /// Work without a request.
    Job(JobStep),
    /// A request of an agent.
    Request(Box<Request>),
}

/// Work without a request.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobStep {
    /// Which.
    pub cron: Job,
    /// The reference's end.
    pub reference: JobEnd,
}

/// A job of the plugin that GLPI's cron runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Job {
    /// `taskscheduler`: prepares runs.
    Prepare,
    /// `cleantaskjob`: deletes old runs.
    Clean,
    /// `cleanondemand`: deletes what is left of tasks on demand.
    CleanOnDemand,
}

impl Job {
    /// Its word in recordings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Clean => "clean",
            Self::CleanOnDemand => "cleanondemand",
        }
    }
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobEnd {
    /// Exit code, 0 = well.
    pub rc: i32,
    /// What it said when it failed.
    #[serde(default, rename = "err", skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What all recordings stand on.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Base {
    /// Tables that a recording may fill or a server may change: emptied before, compared after.
    pub watched: Vec<String>,
    /// Tables whose rows of the base a recording overrides, by the column that names a row.
    pub natural_keys: BTreeMap<String, String>,
    /// Columns that hold the id of a row of a watched table.
    pub references: BTreeMap<String, String>,
    /// Columns whose changes do not matter, by table: caches of GLPI.
    pub ignored: BTreeMap<String, BTreeSet<String>>,
    /// Rows under every recording.
    pub rows: Rows,
}

/// Why a file is no recording or base.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}")]
pub struct ReadError {
    path: PathBuf,
    source: ReadFault,
}

#[derive(Debug, thiserror::Error)]
enum ReadFault {
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

impl Recording {
    /// Reads the recording at `path`.
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        read(path)
    }

    /// The rows to load: the base's, overridden by natural key where it has one, and the recording's.
    #[must_use]
    pub fn rows_on(&self, base: &Base) -> Rows {
        let mut rows = base.rows.clone();
        for (table, own) in &self.rows {
            let under = rows.entry(table.clone()).or_default();
            match base.natural_keys.get(table) {
                Some(key) => own.iter().for_each(|row| override_row(under, row, key)),
                None => under.extend(own.iter().cloned()),
            }
        }
        rows
    }
}

fn override_row(rows: &mut Vec<Row>, row: &Row, key: &str) {
    if let Some(under) = rows.iter_mut().find(|under| under.get(key) == row.get(key)) {
        under.extend(row.clone());
        return;
    }
    let last = rows
        .iter()
        .filter_map(|row| row.get("id")?.as_i64())
        .max()
        .unwrap_or(0);
    let mut added = Row::new();
    added.insert("id".to_owned(), (last + 1).into());
    added.extend(row.clone());
    rows.push(added);
}

impl Base {
    /// Reads the base at `path`.
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        read(path)
    }

    /// The keys of `rows`, which are to be loaded on this base.
    ///
    /// # Errors
    ///
    /// When this base watches a table that replays may not empty, or a row is in a table that it does not watch, or has no integer `id`.
    pub fn keys(&self, rows: &Rows) -> Result<Keys, ScratchError> {
        tables::permit(&self.watched, rows.keys())?;
        let keys = rows.iter().map(|(table, rows)| {
            let ids = rows
                .iter()
                .map(|row| Some(row.get("id")?.as_i64()?.to_string()));
            match ids.collect::<Option<_>>() {
                Some(ids) => Ok((table.clone(), ids)),
                None => Err(ScratchError::NoId(table.clone())),
            }
        });
        keys.collect()
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, ReadError> {
    let faulty = |source| ReadError {
        path: path.to_owned(),
        source,
    };
    let text = std::fs::read(path).map_err(|error| faulty(error.into()))?;
    serde_json::from_slice(&text).map_err(|error| faulty(error.into()))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn base() -> Base {
        serde_json::from_value(json!({
            "watched": ["settings", "computers"],
            "natural_keys": {"settings": "type"},
            "references": {},
            "ignored": {},
            "rows": {"settings": [{"id": 1, "type": "port", "value": "1"}, {"id": 4, "type": "age", "value": "2"}]}
        }))
        .unwrap()
    }

    fn recording(rows: &Value) -> Recording {
        let file =
            json!({"name": "a", "note": "", "rows": rows, "steps": [], "reference_changes": {}});
        serde_json::from_value(file).unwrap()
    }

    #[test]
    fn rows_override_by_natural_key_or_are_added() {
        let rows = recording(&json!({
            "settings": [{"type": "age", "value": "3"}, {"type": "new", "value": "x"}],
            "computers": [{"id": 1}]
        }))
        .rows_on(&base());
        assert_eq!(
            json!(rows),
            json!({
                "settings": [
                    {"id": 1, "type": "port", "value": "1"},
                    {"id": 4, "type": "age", "value": "3"},
                    {"id": 5, "type": "new", "value": "x"}
                ],
                "computers": [{"id": 1}]
            })
        );
    }

    #[test]
    fn a_file_that_is_none_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("broken.json");
        assert!(
            Recording::read(&path)
                .unwrap_err()
                .to_string()
                .contains("broken.json")
        );
        std::fs::write(&path, "{\"name\": 1}").unwrap();
        assert!(
            Base::read(&path)
                .unwrap_err()
                .to_string()
                .contains("line 1 column")
        );
    }

    #[test]
    fn jobs_have_the_words_of_recordings() {
        for job in [Job::Prepare, Job::Clean, Job::CleanOnDemand] {
            assert_eq!(
                serde_json::from_value::<Job>(json!(job.name())).unwrap(),
                job
            );
        }
    }

    #[rstest]
    #[case(json!({"path": "/", "reference": {"status": 200}}), true)]
    #[case(json!({"cron": "prepare", "reference": {"rc": 0}}), true)]
    #[case(json!({"path": "/", "bdy": "x", "reference": {"status": 200}}), false)]
    #[case(json!({"path": "/", "reference": {"status": 200, "jsn": {}}}), false)]
    #[case(json!({"cron": "another", "reference": {"rc": 0}}), false)]
    #[case(json!({"sql": "SELECT 1", "reference": {}}), false)]
    fn steps_with_unknown_parts_are_refused(#[case] step: Value, #[case] known: bool) {
        assert_eq!(serde_json::from_value::<Step>(step).is_ok(), known);
    }
}
