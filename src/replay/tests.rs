//! The comparison is as strict as it says, shown on every recording: the reference conforms to itself, and no change of its
//! outcome goes unseen but those that are free.

use std::path::Path;

use rstest::rstest;
use serde_json::{Value, json};

use super::*;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/recordings")
}

fn recordings() -> Vec<Recording> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(directory())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.retain(|path| path.file_stem().is_some_and(|stem| stem != "base"));
    paths.sort();
    paths
        .iter()
        .map(|path| Recording::read(path).unwrap())
        .collect()
}

fn recording(name: &str) -> Recording {
    Recording::read(&directory().join(format!("{name}.json"))).unwrap()
}

/// What the reference did.
fn reference(recording: &Recording) -> Outcome {
    let end = |step: &Step| match step {
        Step::Job(step) => End::Job(step.reference.clone()),
        Step::Request(step) => End::Answer(step.reference.clone()),
    };
    Outcome {
        ends: recording.steps.iter().map(end).collect(),
        changes: recording.reference_changes.clone(),
    }
}

fn found(recording: &Recording, outcome: &Outcome) -> Vec<String> {
    differences(recording, outcome)
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn the_reference_conforms_to_itself() {
    let recordings = recordings();
    assert!(!recordings.is_empty());
    for recording in recordings {
        assert_eq!(
            found(&recording, &reference(&recording)),
            Vec::<String>::new(),
            "{}",
            recording.name
        );
    }
}

#[test]
fn the_base_names_what_the_recordings_use() {
    let base = Base::read(&directory().join("base.json")).unwrap();
    for recording in recordings() {
        let tables = recording
            .rows
            .keys()
            .chain(recording.reference_changes.keys())
            .chain(base.rows.keys());
        for table in tables
            .chain(base.natural_keys.keys())
            .chain(base.references.values())
        {
            assert!(base.watched.contains(table), "{}: {table}", recording.name);
        }
    }
}

/// Replaces each leaf of `value` in turn and calls `check` with its path and the whole.
fn mutate_leaves(value: &Value, check: &mut dyn FnMut(&str, Value)) {
    fn pointers(value: &Value, at: &str, leaves: &mut Vec<String>) {
        match value {
            Value::Object(object) if !object.is_empty() => {
                object.iter().for_each(|(key, value)| {
                    pointers(
                        value,
                        &format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")),
                        leaves,
                    );
                });
            }
            Value::Array(array) if !array.is_empty() => {
                array
                    .iter()
                    .enumerate()
                    .for_each(|(i, value)| pointers(value, &format!("{at}/{i}"), leaves));
            }
            _ => leaves.push(at.to_owned()),
        }
    }
    let mut leaves = Vec::new();
    pointers(value, "", &mut leaves);
    for pointer in leaves {
        let mut mutated = value.clone();
        let leaf = mutated.pointer_mut(&pointer).unwrap();
        *leaf = match &*leaf {
            Value::Number(number) => json!(number.as_i64().unwrap() + 1),
            Value::String(text) => json!(format!("{text}x")),
            Value::Null => json!(0),
            Value::Bool(truth) => json!(!*truth),
            Value::Array(_) => json!({}),
            Value::Object(_) => json!([]),
        };
        check(&pointer, mutated);
    }
}

/// Free by design: texts of log lines without codes, ids of runs that the case made, tokens.
fn is_free(value: &Value, pointer: &str) -> bool {
    let text = value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default();
    match pointer.rsplit('/').next().unwrap() {
        "comment" => !text.contains("==") && !text.is_empty(),
        "uuid" => !text.starts_with("5f0c2ab"),
        "token" => pointer == "/token",
        _ => false,
    }
}

#[test]
fn every_change_of_an_answer_is_found() {
    let mut tried = 0;
    for recording in recordings() {
        let reference = reference(&recording);
        for (i, end) in reference.ends.iter().enumerate() {
            let mut check = |pointer: &str, end: End| {
                let mut outcome = reference.clone();
                outcome.ends[i] = end;
                assert!(
                    !found(&recording, &outcome).is_empty(),
                    "{}, step {i}: {pointer}",
                    recording.name
                );
                tried += 1;
            };
            match end {
                End::Answer(answer) => {
                    check(
                        "status",
                        End::Answer(Answer {
                            status: answer.status + 1,
                            ..answer.clone()
                        }),
                    );
                    if let Some(json) = &answer.json {
                        mutate_leaves(json, &mut |pointer, mutated| {
                            if !is_free(json, pointer) {
                                check(
                                    pointer,
                                    End::Answer(Answer {
                                        json: Some(mutated),
                                        ..answer.clone()
                                    }),
                                );
                            }
                        });
                    }
                    if let Some(xml) = &answer.xml {
                        let mutated = xml.replacen("</", "x</", 1);
                        assert_ne!(
                            xml, &mutated,
                            "{}: an empty REPLY would need another change",
                            recording.name
                        );
                        check(
                            "xml",
                            End::Answer(Answer {
                                xml: Some(mutated),
                                ..answer.clone()
                            }),
                        );
                    }
                    if answer.content_type.is_some() {
                        check(
                            "type",
                            End::Answer(Answer {
                                content_type: None,
                                ..answer.clone()
                            }),
                        );
                    }
                }
                End::Job(end) => check(
                    "exit code",
                    End::Job(JobEnd {
                        rc: end.rc + 1,
                        error: None,
                    }),
                ),
                End::NoAnswer(_) => unreachable!("the reference answered"),
            }
            check("no answer", End::NoAnswer("reset".to_owned()));
        }
    }
    assert!(tried > 300, "{tried}");
}

#[test]
fn every_change_of_a_row_is_found() {
    let mut tried = 0;
    for recording in recordings() {
        let reference = reference(&recording);
        let mut check = |pointer: &str, changes: Changes| {
            let outcome = Outcome {
                changes,
                ..reference.clone()
            };
            assert!(
                !found(&recording, &outcome).is_empty(),
                "{}: {pointer}",
                recording.name
            );
            tried += 1;
        };
        let changes = json!(reference.changes);
        mutate_leaves(&changes, &mut |pointer, mutated| {
            if !reference.changes.is_empty() && !is_free(&changes, pointer) {
                check(pointer, serde_json::from_value(mutated).unwrap());
            }
        });
        for (table, rows) in &reference.changes {
            for i in 0..rows.len() {
                let mut fewer = reference.changes.clone();
                fewer.get_mut(table).unwrap().remove(i);
                check("one row less", fewer);
            }
            let mut more = reference.changes.clone();
            more.get_mut(table)
                .unwrap()
                .push(Change::Removed { removed: 1 });
            check("one row more", more);
        }
        let mut more = reference.changes.clone();
        more.insert(
            "another_table".to_owned(),
            vec![Change::Removed { removed: 1 }],
        );
        check("another table", more);
    }
    assert!(tried > 300, "{tried}");
}

/// Gives the last log line of what `name`'s reference did another text.
fn with_comment(name: &str, comment: &str) -> Vec<String> {
    let recording = recording(name);
    let mut outcome = reference(&recording);
    let logs = outcome
        .changes
        .get_mut("glpi_plugin_fusioninventory_taskjoblogs")
        .unwrap();
    let Some(Change::Added { added }) = logs.last_mut() else {
        panic!("{name} adds no log line")
    };
    added.insert("comment".to_owned(), comment.into());
    found(&recording, &outcome)
}

#[rstest]
#[case("deploy-status-whole-run", "job successfully completed", true)]
#[case(
    "deploy-status-whole-run",
    "Ergebnis: job successfully completed",
    true
)]
#[case("deploy-status-whole-run", "well", false)]
#[case("deploy-status-whole-run", "", false)]
#[case("deploy-getjobs-inactive-task", "nicht aktiv", true)]
#[case("deploy-getjobs-inactive-task", " ", false)]
fn texts_of_log_lines(#[case] name: &str, #[case] comment: &str, #[case] conforms: bool) {
    let found = with_comment(name, comment);
    assert_eq!(found.is_empty(), conforms, "{found:?}");
}

#[test]
fn an_end_of_another_kind_or_number_is_found() {
    let recording = recording("prepare-computers");
    let mut outcome = reference(&recording);
    outcome.ends[0] = End::Answer(Answer::default());
    assert_eq!(
        found(&recording, &outcome),
        ["step 0: end: expected a job's, got an answer"]
    );
    outcome.ends.clear();
    assert_eq!(found(&recording, &outcome), ["steps: expected 1, got 0"]);
}

#[rstest]
#[case("../outside")]
#[case("/outside")]
#[case("a/../../outside")]
#[tokio::test]
async fn files_stay_in_their_directory(#[case] path: &str) {
    let dir = tempfile::tempdir().unwrap();
    let written = write_file(&dir.path().join("files"), Path::new(path), "").await;
    assert!(
        matches!(written, Err(PlayError::FilePath(_))),
        "{written:?}"
    );
    assert!(std::fs::read_dir(dir.path()).unwrap().next().is_none());
}

#[tokio::test]
async fn files_are_written() {
    let dir = tempfile::tempdir().unwrap();
    write_file(dir.path(), Path::new("a/b"), "AP8=")
        .await
        .unwrap();
    assert_eq!(std::fs::read(dir.path().join("a/b")).unwrap(), [0, 255]);
    let written = write_file(dir.path(), Path::new("c"), "?").await;
    assert!(
        matches!(written, Err(PlayError::FileContent { .. })),
        "{written:?}"
    );
}
