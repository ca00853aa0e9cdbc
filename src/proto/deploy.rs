//! Deployment orders: from a package's stored JSON to the answer of getJobs.
//!
//! The plugin stores `{"jobs":{checks, associatedFiles, actions, userinteractions},"associatedFiles":{SHA512:{…}}}`. Agent 2.6 refuses a *whole*
//! answer when one job lacks `uuid`, `associatedFiles`, `actions` or `checks`, or one file lacks a key (`Task::Deploy::_validateAnswer`), so one bad package
//! must never reach the others.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::{phpjson, text};
use crate::domain::ids::{self, TemplateId};
use crate::domain::policy::Policy;

/// A package, read.
#[derive(Debug, Clone, PartialEq)]
pub struct Package {
    job: Map<String, Value>,
    files: Map<String, Value>,
}

/// Why a package cannot be handed out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BrokenPackage {
    /// The stored text is no JSON.
    #[error("its stored definition is no JSON: {0}")]
    Json(String),
    /// A part is missing or of the wrong kind.
    #[error("its stored definition has no usable '{0}'")]
    Part(&'static str),
    /// A file that the agent would refuse.
    #[error("its file {0} is incomplete in the stored definition")]
    File(String),
}

/// Keys that agent 2.6 wants in every file, beside `mirrors`, `multiparts` and `name`.
const FILE_DEFAULTS: [&str; 3] = ["p2p", "p2p-retention-duration", "uncompress"];

impl Package {
    /// Reads the column `json`.
    ///
    /// # Errors
    ///
    /// When the text is no JSON or lacks what an agent needs.
    pub fn parse(stored: &str) -> Result<Self, BrokenPackage> {
        let value: Value =
            serde_json::from_str(stored).map_err(|error| BrokenPackage::Json(error.to_string()))?;
        let Value::Object(mut parts) = value else {
            return Err(BrokenPackage::Part("jobs"));
        };
        let Some(Value::Object(mut job)) = parts.remove("jobs") else {
            return Err(BrokenPackage::Part("jobs"));
        };
        for key in ["checks", "actions", "associatedFiles"] {
            match phpjson::reencode(job.remove(key).unwrap_or(Value::Null)) {
                Value::Null => job.insert(key.to_owned(), json!([])),
                list @ Value::Array(_) => job.insert(key.to_owned(), list),
                _ => return Err(BrokenPackage::Part(key)),
            };
        }
        // An empty map is stored as a list by PHP.
        let files = match parts.remove("associatedFiles") {
            Some(Value::Object(files)) => files,
            None | Some(Value::Null) => Map::new(),
            Some(Value::Array(list)) if list.is_empty() => Map::new(),
            Some(_) => return Err(BrokenPackage::Part("associatedFiles")),
        };
        for (hash, file) in &files {
            if !file
                .as_object()
                .is_some_and(|file| file.get("name").is_some_and(Value::is_string))
            {
                return Err(BrokenPackage::File(hash.clone()));
            }
        }
        Ok(Self { job, files })
    }

    /// Whether PHP 8 gets over a stored definition: it counts what is in `associatedFiles`, and gives each file its mirrors and the job its
    /// `uuid`. Where it cannot, it breaks off.
    #[must_use]
    pub fn php_gets_over(stored: &str) -> bool {
        let Ok(Value::Object(parts)) = serde_json::from_str(stored) else {
            return false;
        };
        let is_map = |value: &Value| value.is_object() || value.is_array();
        parts.get("associatedFiles").is_some_and(is_map)
            && parts
                .get("jobs")
                .is_none_or(|job| job.is_null() || is_map(job))
    }

    /// Whether every file that the job names is described: agent 2.6 silently drops a job that names another (`Bad job definition`).
    ///
    /// # Errors
    ///
    /// Names the file.
    pub fn complete(&self) -> Result<(), BrokenPackage> {
        let named = self
            .job
            .get("associatedFiles")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        match named
            .filter_map(Value::as_str)
            .find(|hash| !self.files.contains_key(*hash))
        {
            Some(hash) => Err(BrokenPackage::File(hash.to_owned())),
            None => Ok(()),
        }
    }

    /// Hashes of its files, with their names, in stored order.
    pub fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(hash, file)| {
            (
                hash.as_str(),
                file.get("name").and_then(Value::as_str).unwrap_or_default(),
            )
        })
    }

    /// Templates of its user interactions, by the moment (`before`, `after`, …) at which they are asked.
    pub fn interactions(&self) -> impl Iterator<Item = (&str, TemplateId)> {
        let listed = self
            .job
            .get("userinteractions")
            .and_then(Value::as_array)
            .map(Vec::as_slice)
            .unwrap_or_default();
        listed.iter().filter_map(|question| {
            let moment = question.get("type").and_then(Value::as_str)?;
            Some((moment, template_of(question)?))
        })
    }
}

/// What goes into an order beside the package.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    /// Whose rules for texts.
    pub policy: Policy,
    /// The run's `uniqid`.
    pub uuid: &'a str,
    /// Version of the agent's deploy task; `0` when it sent none.
    pub task_version: &'a str,
    /// How often a user has put the run off.
    pub nb_retry: u32,
    /// How often one may; 0 = without end.
    pub max_retry: u32,
    /// JSON of templates.
    pub templates: &'a HashMap<TemplateId, std::sync::Arc<str>>,
    /// Where parts are fetched, best first.
    pub mirrors: &'a [String],
    /// Parts of each file by its hash, in order.
    pub multiparts: &'a HashMap<String, Vec<String>>,
}

/// First version of the deploy task that knows `skip`, `info`, `warning` and user interactions.
const INTERACTIVE: &str = "2.2";

/// Assembles the job for the agent, and its files by hash.
#[must_use]
pub fn assemble(package: &Package, order: &Order<'_>) -> (Value, Map<String, Value>) {
    let mut job = package.job.clone();
    let old = phpjson::version_lt(order.task_version, INTERACTIVE);
    if old {
        soften_checks(&mut job);
    } else if order.max_retry > 0 && order.nb_retry >= order.max_retry {
        job.remove("userinteractions");
    } else {
        fill_interactions(&mut job, order.templates);
    }
    if order.policy == Policy::Plugin {
        escape_commands(&mut job);
    }
    job.insert("uuid".to_owned(), Value::from(order.uuid));
    let mut files = package.files.clone();
    for (hash, file) in &mut files {
        let Some(file) = file.as_object_mut() else {
            continue;
        };
        file.insert("mirrors".to_owned(), json!(order.mirrors));
        let parts = order
            .multiparts
            .get(hash)
            .map(Vec::as_slice)
            .unwrap_or_default();
        file.insert("multiparts".to_owned(), json!(parts));
        if order.policy == Policy::Redux {
            for key in FILE_DEFAULTS {
                file.entry(key).or_insert_with(|| json!(0));
            }
        }
    }
    let mut job = phpjson::reencode(Value::Object(job));
    for file in files.values_mut() {
        *file = phpjson::reencode(file.take());
        if order.policy == Policy::Redux {
            decode_texts(file);
        }
    }
    if order.policy == Policy::Redux {
        decode_texts(&mut job);
    }
    (job, files)
}

/// The whole answer: `{}` when there is nothing to do.
#[must_use]
pub fn answer(jobs: &[Value], files: &Map<String, Value>) -> Value {
    if jobs.is_empty() {
        json!({})
    } else {
        json!({ "jobs": jobs, "associatedFiles": files })
    }
}

/// Deploy tasks before 2.2 know only `error` and `ignore` as a check's `return`.
fn soften_checks(job: &mut Map<String, Value>) {
    for check in job
        .get_mut("checks")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        if let Some(verdict) = check.get_mut("return")
            && matches!(verdict.as_str(), Some("skip" | "info" | "warning"))
        {
            *verdict = json!("ignore");
        }
    }
}

/// Fields of a template that an agent gets.
const TEMPLATE_FIELDS: [&str; 19] = [
    "platform",
    "timeout",
    "buttons",
    "icon",
    "retry_after",
    "nb_max_retry",
    "on_timeout",
    "on_nouser",
    "on_multiusers",
    "on_ok",
    "on_no",
    "on_yes",
    "on_cancel",
    "on_abort",
    "on_retry",
    "on_tryagain",
    "on_ignore",
    "on_continue",
    "on_async",
];

/// How the plugin stores a line end inside a question's text.
const STORED_LINE_END: &str = "$#r$#n";

fn fill_interactions(
    job: &mut Map<String, Value>,
    templates: &HashMap<TemplateId, std::sync::Arc<str>>,
) {
    for question in job
        .get_mut("userinteractions")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        let Some(stored) = template_of(question).and_then(|id| templates.get(&id)) else {
            continue;
        };
        let fields = serde_json::from_str::<Map<String, Value>>(stored).unwrap_or_default();
        let Some(question) = question.as_object_mut() else {
            continue;
        };
        question.remove("template");
        for key in TEMPLATE_FIELDS {
            if let Some(value) = fields.get(key).filter(|value| !value.is_null()) {
                question.insert(key.to_owned(), value.clone());
            }
        }
        let wait = if question.get("buttons").and_then(Value::as_str) == Some("ok_async") {
            question.insert("buttons".to_owned(), json!("ok"));
            "no"
        } else {
            "yes"
        };
        question.insert("wait".to_owned(), json!(wait));
        let text = question
            .get("text")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .replace(STORED_LINE_END, "\r\n");
        question.insert("text".to_owned(), json!(text));
    }
}

fn template_of(question: &Value) -> Option<TemplateId> {
    let id = ids::number(question.get("template")?)?;
    (id != 0).then_some(TemplateId(id))
}

/// The plugin decodes a command and then escapes it as for SQL; everything else goes out as stored.
fn escape_commands(job: &mut Map<String, Value>) {
    for action in job
        .get_mut("actions")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        if let Some(exec) = action.get_mut("cmd").and_then(|cmd| cmd.get_mut("exec"))
            && let Some(command) = exec.as_str()
        {
            *exec = json!(text::sql_escape(&text::decode(command)));
        }
    }
}

/// Decodes every text once, keys excepted.
pub fn decode_texts(value: &mut Value) {
    match value {
        Value::String(stored) => {
            if let std::borrow::Cow::Owned(decoded) = text::decode(stored) {
                *stored = decoded;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(decode_texts),
        Value::Object(items) => items.values_mut().for_each(decode_texts),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests;
