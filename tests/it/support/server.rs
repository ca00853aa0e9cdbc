//! The built binary as a process of its own.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use super::database::{self, TestDb};

/// A running `fusion-sidecar serve`, killed with this value.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    /// The agents' address.
    pub(crate) address: SocketAddr,
}

/// `fusion-sidecar serve` on `db`, with `options` beside.
pub(crate) fn serve(db: &TestDb, options: &[&str]) -> Server {
    let url = format!(
        "mysql://root@localhost/{}?socket={}",
        db.database.name,
        database::socket().display()
    );
    let mut child = Command::new(env!("CARGO_BIN_EXE_fusion-sidecar"))
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--scheduler",
            "off",
            "--timezone",
            "UTC",
        ])
        .args([
            "--log",
            "info",
            "--log-format",
            "json",
            "--database-url",
            &url,
        ])
        .args(options)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut seen = Vec::new();
    let address = loop {
        let Some(Ok(line)) = log.next() else {
            let _ = child.wait();
            panic!("serve ended: {seen:#?}");
        };
        let json: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
        if line.contains("answering agents") {
            let found = json
                .pointer("/fields/address")
                .or_else(|| json.get("address"));
            break found
                .and_then(|text| text.as_str())
                .unwrap()
                .parse()
                .unwrap();
        }
        seen.push(line);
    };
    // Whoever logs into a full pipe waits.
    std::thread::spawn(move || log.for_each(drop));
    Server { child, address }
}

impl Server {
    /// Highest resident size so far, KiB.
    pub(crate) fn peak(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmHWM:"))
            .unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
