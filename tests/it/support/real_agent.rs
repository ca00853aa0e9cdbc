//! The real agent, with directories and a device id of its own.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use fusion_sidecar::demo::agent::Installed;
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// The slowest run here takes seconds.
const LIMIT: Duration = Duration::from_mins(2);

/// An agent that has not run yet, or has.
pub(crate) struct RealAgent {
    installed: Installed,
    home: TempDir,
    device_id: String,
}

impl RealAgent {
    /// One that calls itself `device_id`. A machine without the agent fails the test: installing it is part of running the tests.
    pub(crate) async fn new(device_id: &str) -> Self {
        let installed = match Installed::find().await {
            Ok(installed) => installed,
            Err(error) => panic!("this test needs the real agent: {error}"),
        };
        Self {
            installed,
            home: tempfile::tempdir().unwrap(),
            device_id: device_id.to_owned(),
        }
    }

    /// Runs it once against `server`; what it said.
    pub(crate) async fn run(&self, server: &str, more: &[&str]) -> String {
        let mut command = self
            .installed
            .command(self.home.path(), &self.device_id, server)
            .unwrap();
        let output = tokio::time::timeout(LIMIT, command.args(more).output())
            .await
            .expect("the agent ends in time")
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{}\n{said}", output.status);
        said
    }

    /// Starts it as a daemon that listens on `httpd` and does not ask `server` for an hour, unless it is woken up. It ends when what is
    /// returned is dropped.
    pub(crate) fn daemon(&self, server: &str, httpd: SocketAddr) -> Child {
        let once = self
            .installed
            .command(self.home.path(), &self.device_id, server)
            .unwrap();
        let once = once.as_std();
        let arguments = once
            .get_args()
            .filter(|argument| *argument != "--no-httpd" && *argument != "--force");
        let mut command = Command::new(once.get_program());
        command
            .args(arguments)
            .args(["--daemon", "--no-fork", "--delaytime=7200"])
            .arg(format!("--httpd-ip={}", httpd.ip()))
            .arg(format!("--httpd-port={}", httpd.port()))
            .env_clear()
            .envs(
                once.get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(self.home.path().join("daemon.log")).unwrap())
            .kill_on_drop(true);
        command.spawn().unwrap()
    }

    /// What it said as a daemon.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(self.home.path().join("daemon.log")).unwrap()
    }
}
