//! `fusion-sidecar tasks`.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::{OFFICE_APPS, office_apps};
use crate::support::database::fresh;
use crate::support::process::{run, told, url};

fn tasks(url: &str, more: &[&str]) -> (i32, String, String) {
    let arguments = [&["tasks"], more].concat();
    told(&run(&arguments, &[("FUSION_SIDECAR_DATABASE_URL", url)]))
}

#[tokio::test(flavor = "multi_thread")]
async fn it_shows_every_line_as_text_and_as_json() {
    let db = fresh().await;
    let url = url(&db);
    assert_eq!(
        tasks(&url, &[]),
        (0, "no tasks\n".to_owned(), String::new())
    );
    office_apps(&db).await;
    let (code, out, log) = tasks(&url, &[]);
    assert_eq!((code, log.as_str()), (0, ""));
    assert_eq!(out, format!("{OFFICE_APPS}\n"));
    let (code, out, log) = tasks(&url, &["--json"]);
    assert_eq!((code, log.as_str()), (0, ""));
    let board: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(board["pending"], 0);
    let counted_at = board["counted_at"].as_str().unwrap();
    counted_at.parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    let task = &board["tasks"][0];
    assert_eq!(task["name"], "Office Apps install");
    assert_eq!(task["completion"], 81);
    assert_eq!(task["sections"][0]["parts"][1]["counts"]["ko"], 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_ends_with_a_code_and_a_reason() {
    let db = fresh().await;
    let url = url(&db);
    let (code, out, log) = tasks(&url, &["--policy", "strict"]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(log.contains("'strict'"), "{log}");
    db.set("DROP TABLE {p}taskjoblogs").await;
    let (code, out, log) = tasks(&url, &["--json"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(
        log.contains("the database lacks table glpi_plugin_fusioninventory_taskjoblogs"),
        "{log}"
    );
}

/// Each document is a line; it ends well on a signal.
#[tokio::test(flavor = "multi_thread")]
async fn watching_goes_on_as_runs_change() {
    let db = fresh().await;
    office_apps(&db).await;
    let mut child = Command::new(env!("CARGO_BIN_EXE_fusion-sidecar"))
        .args(["tasks", "--watch", "--json", "--monitoring-period", "1"])
        .env_clear()
        .env("FUSION_SIDECAR_DATABASE_URL", url(&db))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut completion = || {
        let board: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        board["tasks"][0]["completion"].as_u64().unwrap()
    };
    assert_eq!(completion(), 81);
    db.set("UPDATE {p}taskjobstates SET state = 4 WHERE state <= 2")
        .await;
    assert_eq!(completion(), 100);
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
}

/// On a terminal there are bars. `script` makes one.
#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_gets_bars() {
    let db = fresh().await;
    office_apps(&db).await;
    let command = format!("{} tasks", env!("CARGO_BIN_EXE_fusion-sidecar"));
    let output = Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .env("FUSION_SIDECAR_DATABASE_URL", url(&db))
        .stdin(Stdio::null())
        .output()
        .expect("script is needed: apt-get install -y bsdutils");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains(" - completion : [################....] 81 % - <RUNNING icon>"),
        "{said}"
    );
    assert!(!said.contains('\u{1b}'), "{said:?}");
}
