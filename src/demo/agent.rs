//! The real agent, run under an identity and directories of its own.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

/// The line that installs the agent and its deploy task.
pub const INSTALL_LINE: &str =
    "apt-get install -y fusioninventory-agent fusioninventory-agent-task-deploy";

/// What makes the agent ours: its directories and its device id, from the variables below.
const SETUP: &str = include_str!("../../fixtures/demo/setup.pm");

/// Longest time for the agent to say where it is installed: it loads all of itself first.
const ASK_LIMIT: Duration = Duration::from_secs(30);

/// Why the agent cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// Its program is not there.
    #[error("fusioninventory-agent is not installed; this installs it: {INSTALL_LINE}")]
    NoAgent,
    /// It is there, without the task that deploys.
    #[error("fusioninventory-agent lacks its deploy task; this installs it: {INSTALL_LINE}")]
    NoDeployTask,
    /// It does not say where it is installed.
    #[error("{program} --setup does not say where it is installed: {answer}")]
    NoAnswer {
        /// Its path.
        program: PathBuf,
        /// What it said instead.
        answer: String,
    },
    /// A file or process could not be made.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        source: io::Error,
    },
}

/// The agent of this machine (fusioninventory-agent 2.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    program: PathBuf,
    libdir: PathBuf,
    datadir: PathBuf,
}

impl Installed {
    /// Looks for it in `PATH`, and asks it for its directories.
    ///
    /// # Errors
    ///
    /// When it or its deploy task is missing.
    pub async fn find() -> Result<Self, AgentError> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let program = std::env::split_paths(&path)
            .map(|dir| dir.join("fusioninventory-agent"))
            .find(|file| file.is_file())
            .ok_or(AgentError::NoAgent)?;
        let mut ask = Command::new(&program);
        ask.arg("--setup").stdin(Stdio::null()).kill_on_drop(true);
        let output = tokio::time::timeout(ASK_LIMIT, ask.output())
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(|source| failed(format!("running {} --setup", program.display()), source))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let (Some(libdir), Some(datadir)) = (named(&text, "libdir"), named(&text, "datadir"))
        else {
            let answer = [output.stdout, output.stderr].concat();
            let answer = String::from_utf8_lossy(&answer).trim().to_owned();
            return Err(AgentError::NoAnswer { program, answer });
        };
        if !libdir
            .join("FusionInventory/Agent/Task/Deploy.pm")
            .is_file()
        {
            return Err(AgentError::NoDeployTask);
        }
        Ok(Self {
            program,
            libdir,
            datadir,
        })
    }

    /// A run that asks `server` once for what to deploy, as `device_id`, everything of its own below `home`. It tells its steps on
    /// standard error.
    ///
    /// An agent that has run in `home` keeps the device id that it had there.
    ///
    /// # Errors
    ///
    /// When `home` cannot be written.
    pub fn command(
        &self,
        home: &Path,
        device_id: &str,
        server: &str,
    ) -> Result<Command, AgentError> {
        let (own, state) = (home.join("lib"), home.join("var"));
        for dir in [&own, &state] {
            std::fs::create_dir_all(dir)
                .map_err(|source| failed(format!("creating {}", dir.display()), source))?;
        }
        let config = home.join("agent.cfg");
        for (file, content) in [(&own.join("setup.pm"), SETUP), (&config, "")] {
            std::fs::write(file, content)
                .map_err(|source| failed(format!("writing {}", file.display()), source))?;
        }
        let mut command = Command::new("perl");
        command
            .arg("-I")
            .arg(own)
            .arg("-Msetup")
            .arg(&self.program)
            .arg("--server")
            .arg(server)
            // Peers would be searched for in the network; proxies of the environment do not lead to this machine.
            .args([
                "--force",
                "--tasks=deploy",
                "--no-httpd",
                "--no-p2p",
                "--debug",
                "--logger=stderr",
            ])
            .arg("--conf-file")
            .arg(config)
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env("HOME", home)
            .env("FUSION_SIDECAR_AGENT_LIBDIR", &self.libdir)
            .env("FUSION_SIDECAR_AGENT_DATADIR", &self.datadir)
            .env("FUSION_SIDECAR_AGENT_VARDIR", state)
            .env("FUSION_SIDECAR_AGENT_DEVICEID", device_id)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        Ok(command)
    }
}

/// The directory that a line of `--setup` names.
fn named(text: &str, key: &str) -> Option<PathBuf> {
    text.lines().find_map(|line| {
        let (found, dir) = line.split_once(": ")?;
        (found == key).then(|| PathBuf::from(dir))
    })
}

fn failed(what: String, source: io::Error) -> AgentError {
    AgentError::Io { what, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_read_from_what_the_agent_says() {
        let text = "libdir: /usr/share/x/lib\nvardir: /var/lib/x\n";
        assert_eq!(named(text, "libdir"), Some("/usr/share/x/lib".into()));
        assert_eq!(named(text, "datadir"), None);
    }

    #[test]
    fn a_run_has_nothing_of_the_machines_own_agent() {
        let home = tempfile::tempdir().unwrap();
        let installed = Installed {
            program: "/usr/bin/fusioninventory-agent".into(),
            libdir: "/lib/agent".into(),
            datadir: "/share/agent".into(),
        };
        let command = installed
            .command(home.path(), "d-1", "http://127.0.0.1:1/x")
            .unwrap();
        let command = command.as_std();
        let variables: Vec<_> = command
            .get_envs()
            .filter_map(|(name, value)| Some((name.to_str()?, value?.to_str()?)))
            .collect();
        assert!(variables.contains(&("FUSION_SIDECAR_AGENT_DEVICEID", "d-1")));
        // No proxy of the caller's, nor anything else: `get_envs` does not show what would be inherited, Debug does.
        assert!(format!("{command:?}").starts_with("env -i "), "{command:?}");
        let arguments: Vec<_> = command
            .get_args()
            .map(|argument| argument.to_string_lossy().into_owned())
            .collect();
        assert!(arguments.contains(&home.path().join("agent.cfg").to_string_lossy().into_owned()));
        assert_eq!(
            std::fs::read_to_string(home.path().join("lib/setup.pm")).unwrap(),
            SETUP
        );
    }
}
