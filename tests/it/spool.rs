//! `fusion-sidecar spool`, beside a process that has the spool open and without one.

use std::path::Path;
use std::sync::Arc;

use assert_cmd::Command;
use fusion_sidecar::clock::{Clock as _, SystemClock};
use fusion_sidecar::proto::envelope::{Coding, seal};
use fusion_sidecar::spool::{Bounds, Kind, Message, Origin, Spool};
use serde_json::Value;

const XML: &str =
    "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\n<REQUEST><QUERY>INVENTORY</QUERY></REQUEST>\n";

fn message(device: &str) -> Message {
    Message {
        received_at: SystemClock.now(),
        kind: Kind::Inventory,
        device: device.to_owned(),
        run: None,
        full: true,
        origin: Origin {
            client: [127, 0, 0, 1].into(),
            https: false,
            host: None,
            content_type: Some(Coding::Zlib.content_type().to_owned()),
            user_agent: None,
            headers: Vec::new(),
            path: "/".to_owned(),
            query: None,
        },
        body: seal(XML, Coding::Zlib).into(),
    }
}

/// What the command says, and whether it succeeds.
fn spool(dir: &Path, arguments: &[&str]) -> (String, bool) {
    let output = Command::cargo_bin("fusion-sidecar")
        .unwrap()
        .arg("spool")
        .args(arguments)
        .args(["--database-url", "mysql://nobody@127.0.0.1/none"])
        .arg("--spool-dir")
        .arg(dir)
        .output()
        .unwrap();
    (
        String::from_utf8(output.stdout).unwrap(),
        output.status.success(),
    )
}

fn json(dir: &Path, command: &str) -> Value {
    serde_json::from_str(&spool(dir, &[command, "--json"]).0).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_looked_after_from_the_command_line() {
    let dir = tempfile::tempdir().unwrap();
    let bounds = Bounds {
        min_free: 0,
        ..Bounds::default()
    };
    let (open, _) = Spool::open(dir.path(), bounds, Arc::new(SystemClock)).unwrap();
    for device in ["a-2026-01-01", "../b", "c"] {
        open.append(message(device)).await.unwrap();
    }
    let parked = open.entries()[1].id;
    open.park(parked, "PHP says no\x1b[2J").await.unwrap();

    let status = json(dir.path(), "status");
    assert_eq!(
        (&status["served"], &status["waiting"], &status["parked"]),
        (&true.into(), &2.into(), &1.into())
    );
    assert_eq!(
        json(dir.path(), "list")[1]["reason"],
        "PHP says no\u{1b}[2J"
    );
    let (listed, _) = spool(dir.path(), &["list"]);
    let line = listed.lines().nth(1).unwrap();
    assert!(
        line.starts_with("2 parked inventory ") && line.ends_with(" ../b PHP says no [2J"),
        "{line}"
    );
    assert_eq!(spool(dir.path(), &["show", "3"]), (XML.to_owned(), true));
    let retried = spool(dir.path(), &["retry", "--all"]);
    assert_eq!(retried, ("2 will be tried again\n".to_owned(), true));
    assert!(open.entry(parked).unwrap().is_waiting());
    let dropped = spool(dir.path(), &["drop", "3", "9"]);
    assert_eq!(
        dropped,
        ("3 dropped\n9 is not in the spool\n".to_owned(), false)
    );
    assert_eq!(open.entries().len(), 2);
    drop(open);

    let out = tempfile::tempdir().unwrap();
    let (said, well) = spool(dir.path(), &["export", out.path().to_str().unwrap()]);
    assert!(well, "{said}");
    let mut names: Vec<String> = std::fs::read_dir(out.path())
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["1-a-2026-01-01.ocs", "2-___b.ocs"]);
    assert_eq!(
        std::fs::read_to_string(out.path().join(&names[0])).unwrap(),
        XML
    );
    assert!(spool(dir.path(), &["drop", "1"]).1);
    let status = json(dir.path(), "status");
    assert_eq!(
        (&status["served"], &status["waiting"]),
        (&false.into(), &1.into())
    );
    assert!(!spool(&dir.path().join("nowhere"), &["status"]).1);
}
