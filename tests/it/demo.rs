//! `demo`, the built program.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use fusion_sidecar::mariadb::{Durability, PrivateServer, Start};
use mysql_async::prelude::Queryable as _;
use rstest::rstest;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::support::database::connect;
use crate::support::wire::{MAIN, get};

/// A demo takes seconds; a slow disk many.
const LIMIT: Duration = Duration::from_secs(200);

/// A demo with a directory for temporary files of its own, so that what it leaves is seen.
struct Demo {
    child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
    said: Vec<String>,
    temporary: TempDir,
    /// Its processes when it got a signal: the agent's command line does not tell whose it is.
    children: Vec<PathBuf>,
}

impl Demo {
    fn start(arguments: &[&str], configure: impl FnOnce(&mut Command)) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_fusion-sidecar"));
        command
            .args(["demo", "--listen", "127.0.0.1:0"])
            .args(arguments)
            .env("TMPDIR", temporary.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        configure(&mut command);
        let mut child = command.spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        Self {
            child,
            stdout,
            said: Vec::new(),
            temporary,
            children: Vec::new(),
        }
    }

    /// Reads on until a line that contains `text`; that line.
    async fn line(&mut self, text: &str) -> String {
        let find = async {
            while let Some(line) = self.stdout.next_line().await.unwrap() {
                self.said.push(line.clone());
                if line.contains(text) {
                    return Some(line);
                }
            }
            None
        };
        match tokio::time::timeout(LIMIT, find).await {
            Ok(Some(line)) => line,
            Ok(None) => panic!("no line with '{text}' in {:#?}", self.said),
            Err(error) => panic!("no line with '{text}': {error}; {:#?}", self.said),
        }
    }

    async fn signal(&mut self, name: &str) {
        let pid = self.child.id().unwrap().to_string();
        self.children = children(&pid);
        let sent = Command::new("kill").args(["-s", name, &pid]).status().await;
        assert!(sent.unwrap().success());
    }

    /// Waits for its end, and for that of all that it started; what it said and how it ended.
    async fn end(mut self) -> (Vec<String>, ExitStatus) {
        let rest = async {
            while let Some(line) = self.stdout.next_line().await.unwrap() {
                self.said.push(line);
            }
            self.child.wait().await.unwrap()
        };
        let status = tokio::time::timeout(LIMIT, rest).await.unwrap();
        // Killed, it leaves the cleaning to the watcher, which needs a moment.
        let mut left = Vec::new();
        for _ in 0..200 {
            left = left_over(self.temporary.path());
            let children = self.children.iter().filter(|process| process.exists());
            left.extend(children.map(|process| format!("{}", process.display())));
            if left.is_empty() {
                return (self.said, status);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("left: {left:#?}\n{:#?}", self.said)
    }
}

/// The directories in `/proc` of the processes whose parent is `pid`.
fn children(pid: &str) -> Vec<PathBuf> {
    let processes = std::fs::read_dir("/proc").unwrap();
    let paths = processes.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| {
            // The name, in brackets, may hold blanks; then come state and parent.
            let stat = std::fs::read_to_string(path.join("stat")).unwrap_or_default();
            let parent = stat
                .rsplit_once(')')
                .and_then(|(_, rest)| rest.split_whitespace().nth(1));
            parent == Some(pid)
        })
        .collect()
}

/// Processes whose command line names `temporary`, and files in it but for kept data.
fn left_over(temporary: &Path) -> Vec<String> {
    let name = temporary.to_str().unwrap();
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let line = std::fs::read(entry.ok()?.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        line.contains(name).then_some(line)
    });
    let files = std::fs::read_dir(temporary).unwrap().filter_map(|entry| {
        let name = entry.ok()?.file_name().to_string_lossy().into_owned();
        (!name.starts_with("fusion-sidecar-demo-")).then_some(name)
    });
    processes.chain(files).collect()
}

/// Asserts that `expected` are lines of `said`, or ends of lines, in this order.
fn in_order(said: &[String], expected: &[&str]) {
    let mut rest = said.iter();
    for text in expected {
        assert!(
            rest.any(|line| line.contains(text)),
            "'{text}' is missing or not in order in {said:#?}"
        );
    }
}

const PARTS: [&str; 3] = ["action=getFilePart&file="; 3];

#[tokio::test]
async fn a_run_goes_from_prepared_to_finished() {
    let (said, status) = Demo::start(&["--exit"], |_| {}).end().await;
    assert!(status.success(), "{said:#?}");
    let before = [
        "demo: a sample fleet is loaded: 20 computers",
        "demo: prepared once: 8 new runs",
        "demo: serving http://127.0.0.1:",
        "demo: monitoring: http://127.0.0.1:",
        "  state  prepared",
        "  log    prepared",
        "  state  sent",
        "  log    started",
        "  log    running   Checks:check #1, Room on the disk passed",
        "  log    running   Files download:fetching handbook.txt",
    ];
    let after = [
        "  log    running   Files preparation:success",
        "  log    running   Actions:Look at it: Staff handbook",
        "  log    ok        job successfully completed",
        "  state  finished",
        "demo: run 1 finished (",
        "demo: stopped",
    ];
    in_order(&said, &[&before[..], &PARTS, &after].concat());
    in_order(
        &said,
        &["  state  sent", "  state  running", "  state  finished"],
    );
    assert_eq!(
        said.iter().filter(|line| line.contains(PARTS[0])).count(),
        3
    );
    assert_eq!(said.last().unwrap(), "demo: stopped");
    assert!(
        !said.iter().any(|line| line.contains("still serving")),
        "{said:#?}"
    );
}

#[tokio::test]
async fn under_the_plugins_policy_too() {
    let (said, status) = Demo::start(&["--exit", "--policy", "plugin"], |_| {})
        .end()
        .await;
    assert!(status.success(), "{said:#?}");
    let went: Vec<&str> = said
        .iter()
        .filter_map(|line| line.strip_prefix("  state  "))
        .collect();
    assert_eq!(went, ["prepared", "sent", "finished"], "{said:#?}");
}

#[tokio::test]
async fn kept_data_are_taken_up_again() {
    let kept = tempfile::tempdir().unwrap();
    let dir = kept.path().join("demo");
    let arguments = ["--exit", "--dir", dir.to_str().unwrap()];
    let (said, status) = Demo::start(&arguments, |_| {}).end().await;
    assert!(status.success(), "{said:#?}");
    in_order(
        &said,
        &["demo: run 1 finished", "demo: the data are kept in "],
    );

    let (said, status) = Demo::start(&arguments, |_| {}).end().await;
    assert!(status.success(), "{said:#?}");
    in_order(
        &said,
        &[
            "demo: the sample fleet is there already",
            "demo: prepared once: 1 new runs",
            "Checks:check #2, Not there yet",
            " finished (",
        ],
    );

    let server = PrivateServer::start(Start {
        dir: Some(dir.join("database")),
        durability: Durability::Fast,
        time_zone: None,
    })
    .await
    .unwrap();
    let mut conn = connect(server.socket(), Some("glpi")).await.unwrap();
    let counts: Option<(u32, u32, u32)> = conn
        .query_first(
            "SELECT (SELECT COUNT(*) FROM glpi_computers), (SELECT COUNT(*) FROM glpi_plugin_fusioninventory_agents), \
             (SELECT COUNT(*) FROM glpi_plugin_fusioninventory_taskjobstates WHERE state = 3)",
        )
        .await
        .unwrap();
    assert_eq!(counts, Some((20, 20, 2)));
    conn.disconnect().await.unwrap();
    server.stop().await.unwrap();
}

#[tokio::test]
async fn keep_says_where() {
    let mut demo = Demo::start(&["--exit", "--keep"], |_| {});
    let line = demo.line("the data are kept in").await;
    let dir = line
        .rsplit_once(" --dir ")
        .and_then(|(_, rest)| rest.strip_suffix(" --listen 127.0.0.1:0"))
        .map(PathBuf::from)
        .unwrap();
    assert!(dir.join("database").is_dir(), "{line}");
    assert!(dir.join("deployed/handbook.txt").is_file(), "{line}");
    // The name alone would lead nowhere: the program is not in PATH.
    let called = concat!("again: ", env!("CARGO_BIN_EXE_fusion-sidecar"), " demo ");
    assert!(line.contains(called), "{line}");
    demo.end().await;
}

#[tokio::test]
async fn it_is_called_by_its_name_where_that_leads_to_it() {
    let bin = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_fusion-sidecar");
    std::os::unix::fs::symlink(program, bin.path().join("fusion-sidecar")).unwrap();
    let path = format!(
        "{}:{}",
        bin.path().display(),
        std::env::var("PATH").unwrap()
    );
    let mut demo = Demo::start(&["--exit", "--keep"], |command| {
        command.env("PATH", path);
    });
    demo.line("; again: fusion-sidecar demo --dir ").await;
    demo.end().await;
}

#[tokio::test]
async fn an_interrupt_while_the_agent_runs_ends_everything() {
    let kept = tempfile::tempdir().unwrap();
    let dir = kept.path().to_str().unwrap();
    let mut demo = Demo::start(&["--dir", dir], |_| {});
    demo.line("Checks:starting").await;
    demo.signal("INT").await;
    assert!(demo.children.len() >= 3, "server, its watcher, agent");
    let (said, status) = demo.end().await;
    assert!(status.success(), "{said:#?}");
    assert!(
        !said.iter().any(|line| line.contains("finished (")),
        "{said:#?}"
    );

    // The run that was interrupted is in nobody's way.
    let (said, status) = Demo::start(&["--exit", "--dir", dir], |_| {}).end().await;
    assert!(status.success(), "{said:#?}");
    in_order(&said, &["demo: prepared once: 1 new runs", " finished ("]);
}

#[tokio::test]
async fn a_second_demo_in_the_same_directory_is_told_so_and_one_after_a_kill_goes_on() {
    let kept = tempfile::tempdir().unwrap();
    let dir = kept.path().to_str().unwrap();
    let mut first = Demo::start(&["--dir", dir], |_| {});
    first.line("finished (").await;
    let second = Command::new(env!("CARGO_BIN_EXE_fusion-sidecar"))
        .args(["demo", "--listen", "127.0.0.1:0", "--dir", dir])
        .output()
        .await
        .unwrap();
    let said = String::from_utf8([second.stdout, second.stderr].concat()).unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert_eq!(
        said,
        format!("fusion-sidecar: another demo uses {dir}; end it, or name another directory\n")
    );

    first.signal("KILL").await;
    first.child.wait().await.unwrap();
    // At once, while its server may still be ending.
    let (said, status) = Demo::start(&["--exit", "--dir", dir], |_| {}).end().await;
    assert!(status.success(), "{said:#?}");
    in_order(&said, &["demo: the sample fleet is there", " finished ("]);
    first.end().await;
}

#[rstest]
#[case(10)]
#[case(300)]
#[case(900)]
#[tokio::test]
async fn an_interrupt_while_it_starts_ends_everything(#[case] after: u64) {
    let mut demo = Demo::start(&["--exit"], |_| {});
    tokio::time::sleep(Duration::from_millis(after)).await;
    demo.signal("TERM").await;
    let (said, status) = demo.end().await;
    assert!(!status.success(), "{said:#?}");
}

#[tokio::test]
async fn killed_while_it_serves_it_leaves_nothing() {
    let mut demo = Demo::start(&[], |_| {});
    demo.line("finished (").await;
    demo.line("comes here with: fusioninventory-agent --server http://127.0.0.1:")
        .await;
    demo.line("demo: still serving http://127.0.0.1:").await;
    demo.signal("KILL").await;
    let (_, status) = demo.end().await;
    assert!(!status.success());
}

/// A directory with everything of `/usr/bin` but the agent.
fn path_without_agent() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir("/usr/bin").unwrap() {
        let entry = entry.unwrap();
        if !entry
            .file_name()
            .to_string_lossy()
            .starts_with("fusioninventory")
        {
            std::os::unix::fs::symlink(entry.path(), dir.path().join(entry.file_name())).unwrap();
        }
    }
    dir
}

#[tokio::test]
async fn without_the_agent_it_says_how_to_get_it_and_goes_on() {
    let path = path_without_agent();
    let mut demo = Demo::start(&[], |command| {
        command.env("PATH", path.path());
    });
    let serving = demo.line("demo: serving http://").await;
    demo.line("apt-get install -y fusioninventory-agent fusioninventory-agent-task-deploy")
        .await;
    demo.line("demo: still serving ").await;

    let address = serving
        .split(['/', ' '])
        .find(|word| word.starts_with("127."))
        .unwrap();
    let config =
        format!("{MAIN}?action=getConfig&machineid=desk-01-2026-01-05-08-02-00&task[Deploy]=2.8");
    let answer = get(address.parse().unwrap(), &config).await;
    assert_eq!(answer.status, 200, "{answer:?}");

    demo.signal("TERM").await;
    let (said, status) = demo.end().await;
    assert!(status.success(), "{said:#?}");
}

#[tokio::test]
async fn without_the_agent_exit_is_a_failure() {
    let path = path_without_agent();
    let demo = Demo::start(&["--exit"], |command| {
        command.env("PATH", path.path());
    });
    let (said, status) = demo.end().await;
    assert_eq!(status.code(), Some(1), "{said:#?}");
}
