//! The real agent, with directories and a device id of its own.

use std::time::Duration;

use fusion_sidecar::demo::agent::Installed;
use tempfile::TempDir;

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
}
