//! A private MariaDB server: its own data directory, a socket instead of a port, gone with the process that started it.
//!
//! The demo and the tests stand on it. [`PrivateServer`] owns one for the life of a value; [`Programs`] has the single steps for a
//! caller that must let a server outlive it (the tests, where every test is a process).
//!
//! What must hold: nothing is left behind. Dropping the value kills the server and removes what was not asked to be kept, and
//! should this process itself be killed, a watcher that holds the other end of a pipe does the same.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable as _;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};

use self::programs::command;
pub use self::programs::{Programs, load_time_zones};
use crate::config::Database;

mod programs;

/// The line that installs what [`StartError::Missing`] misses.
pub const INSTALL_LINE: &str = "apt-get install -y mariadb-server";

/// Longest wait for a started server to answer: a slow disk takes seconds, a hundred times that is a fault.
const START_LIMIT: Duration = Duration::from_mins(1);
/// Longest wait for a server to end by itself before it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(20);
/// Pause between two looks whether a server answers or has ended.
const POLL: Duration = Duration::from_millis(20);
/// Bytes of the server's log that an error carries: the last few lines say what was wrong.
const LOG_TAIL: usize = 2_000;
/// Longest directory for the socket: its path has to stay below the 108 bytes of `sockaddr_un`.
const SOCKET_DIR_LIMIT: usize = 70;

/// Waits for its standard input to close, which it does with the process that holds the pipe; then ends the process group whose id
/// it was last told there, if any, and removes `$1`.
const WATCHER: &str = r#"
group=
while read -r told; do group=$told; done
if [ -n "$group" ]; then
  kill -s TERM -- "-$group" 2>/dev/null
  tries=0
  while kill -s 0 -- "-$group" 2>/dev/null && [ "$tries" -lt 50 ]; do sleep 0.1; tries=$((tries + 1)); done
  kill -s KILL -- "-$group" 2>/dev/null
fi
rm -rf -- "$1"
"#;

/// Why there is no private server.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// One of MariaDB's programs is not installed.
    #[error("{program} is not installed; this installs it: {INSTALL_LINE}")]
    Missing {
        /// Its file name.
        program: &'static str,
    },
    /// A directory, file or process could not be made.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// A program that prepares the server failed.
    #[error("{program} failed ({status}): {log}")]
    Prepare {
        /// Its file name.
        program: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// The end of what it printed.
        log: String,
    },
    /// The server ended instead of answering.
    #[error("mariadbd ended ({status}): {log}")]
    Ended {
        /// How it ended.
        status: ExitStatus,
        /// The end of its log.
        log: String,
    },
    /// The server runs and does not answer.
    #[error("mariadbd does not answer after {} s: {log}", .waited.as_secs())]
    Silent {
        /// How long it was waited for.
        waited: Duration,
        /// The end of its log.
        log: String,
    },
}

/// What a commit is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// On disk when acknowledged.
    #[default]
    Durable,
    /// Nothing waits for the disk: for tests, whose data dies with the server.
    Fast,
}

/// How a private server is started.
#[derive(Debug, Clone, Default)]
pub struct Start {
    /// Directory for the data and the log, kept afterwards and taken up again if it has data; a temporary one if absent.
    pub dir: Option<PathBuf>,
    /// What a commit is worth.
    pub durability: Durability,
    /// The server's time zone, as MariaDB's `default-time-zone` takes it (`+00:00`); the machine's if absent.
    pub time_zone: Option<String>,
}

/// A running private server.
#[derive(Debug)]
pub struct PrivateServer {
    socket: PathBuf,
    server: Child,
    watcher: Child,
    /// The socket, and everything else unless a directory was named. Last, so that it goes after the processes.
    _scratch: TempDir,
}

impl PrivateServer {
    /// Starts a server and waits until it answers.
    pub async fn start(start: Start) -> Result<Self, StartError> {
        let programs = Programs::find()?;
        let scratch = scratch_dir()?;
        // Before anything else: preparing the data takes seconds in which this process may be killed too.
        let mut watcher = watch(scratch.path())?;
        let home = start.dir.as_deref().unwrap_or_else(|| scratch.path());
        std::fs::create_dir_all(home)
            .map_err(|source| failed(format!("creating {}", home.display()), source))?;
        let home = home
            .canonicalize()
            .map_err(|source| failed(format!("opening {}", home.display()), source))?;
        let (data, log, socket) = (
            home.join("data"),
            home.join("mariadbd.log"),
            scratch.path().join("s"),
        );
        programs
            .install_watched(&data, start.durability, Some(&mut watcher))
            .await?;

        let mut command = command(&programs.server_command(&data, &socket, &start));
        let log_file = std::fs::File::create(&log)
            .map_err(|source| failed(format!("creating {}", log.display()), source))?;
        // Own process groups, as the watcher takes it: an interrupt typed at the terminal is for us, and we end the server in our own time.
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log_file)
            .kill_on_drop(true)
            .process_group(0);
        let server = command
            .spawn()
            .map_err(|source| failed("starting mariadbd".into(), source))?;
        tell(&mut watcher, Some(&server)).await?;
        let mut started = Self {
            socket,
            server,
            watcher,
            _scratch: scratch,
        };
        wait_for_answer(&mut started.server, &started.socket, &log).await?;
        Ok(started)
    }

    /// The path of its socket.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// How to reach the database `name` of this server.
    #[must_use]
    pub fn database(&self, name: &str) -> Database {
        database(&self.socket, name)
    }

    /// Makes named time zones known to the server; see [`load_time_zones`].
    pub async fn load_time_zones(&self) -> Result<(), StartError> {
        load_time_zones(&self.socket).await
    }

    /// Ends the server in an orderly way, or kills it after 20 s.
    pub async fn stop(mut self) -> io::Result<()> {
        if let Some(pid) = self.server.id() {
            Command::new("/bin/sh")
                .args(["-c", r#"kill -TERM "$1""#, "sh", &pid.to_string()])
                .status()
                .await?;
        }
        if tokio::time::timeout(STOP_LIMIT, self.server.wait())
            .await
            .is_err()
        {
            self.server.kill().await?;
        }
        self.watcher.kill().await
    }
}

impl Drop for PrivateServer {
    fn drop(&mut self) {
        // The watcher first: it must not outlive the process id it watches. Then wait shortly, so that a dying server does not
        // write into the directory that is being removed. Failures mean the process has ended already.
        let _ = self.watcher.start_kill();
        let _ = self.server.start_kill();
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(2) && matches!(self.server.try_wait(), Ok(None))
        {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// How to reach the database `name` of the private server on `socket`.
#[must_use]
pub fn database(socket: &Path, name: &str) -> Database {
    Database {
        socket: Some(socket.to_owned()),
        ..Database::new("localhost", "root", name)
    }
}

/// Waits, at most a minute, until the server on `socket` answers; its end while waiting is an error with the end of `log`.
pub async fn wait_for_answer(
    server: &mut Child,
    socket: &Path,
    log: &Path,
) -> Result<(), StartError> {
    let opts = mysql_async::OptsBuilder::default()
        .socket(Some(socket.to_string_lossy()))
        .user(Some("root"));
    let began = Instant::now();
    while began.elapsed() < START_LIMIT {
        if let Some(status) = server
            .try_wait()
            .map_err(|source| failed("waiting for mariadbd".into(), source))?
        {
            return Err(StartError::Ended {
                status,
                log: file_tail(log),
            });
        }
        if let Ok(Ok(mut conn)) = tokio::time::timeout(
            START_LIMIT.saturating_sub(began.elapsed()),
            mysql_async::Conn::new(opts.clone()),
        )
        .await
            && conn.ping().await.is_ok()
        {
            // The answer counts; how the goodbye went does not.
            let _ = conn.disconnect().await;
            return Ok(());
        }
        tokio::time::sleep(POLL).await;
    }
    Err(StartError::Silent {
        waited: began.elapsed(),
        log: file_tail(log),
    })
}

/// Starts the [`WATCHER`] of a directory. It acts when the returned child's standard input is closed, so for as long as it is not to,
/// that child has to be kept, or killed. A start that is given up drops it, and is cleaned up after.
fn watch(dir: &Path) -> Result<Child, StartError> {
    Command::new("/bin/sh")
        .args(["-c", WATCHER, "sh"])
        .arg(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(|source| failed("starting the watcher of mariadbd".into(), source))
}

/// Tells a watcher which process to end, the leader of its own group; none: there is none now.
async fn tell(watcher: &mut Child, leader: Option<&Child>) -> Result<(), StartError> {
    let group = leader
        .and_then(Child::id)
        .map_or_else(String::new, |id| id.to_string());
    if let Some(pipe) = watcher.stdin.as_mut() {
        let told = pipe.write_all(format!("{group}\n").as_bytes()).await;
        told.map_err(|source| failed("telling the watcher of mariadbd".into(), source))?;
    }
    Ok(())
}

/// A directory with a path short enough for a socket. Nobody else may enter it: the server has no password, and whoever reaches it
/// writes files as the user that runs it.
fn scratch_dir() -> Result<TempDir, StartError> {
    let wished = std::env::temp_dir();
    let parent = if wished.as_os_str().len() <= SOCKET_DIR_LIMIT {
        wished
    } else {
        PathBuf::from("/tmp")
    };
    tempfile::Builder::new()
        .prefix("fusion-sidecar-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(&parent)
        .map_err(|source| {
            failed(
                format!("creating a directory in {}", parent.display()),
                source,
            )
        })
}

fn failed(what: String, source: io::Error) -> StartError {
    StartError::Io { what, source }
}

fn file_tail(log: &Path) -> String {
    std::fs::read(log).map_or_else(
        |error| format!("{}: {error}", log.display()),
        |bytes| tail(&bytes),
    )
}

/// The last whole lines within [`LOG_TAIL`] bytes.
fn tail(bytes: &[u8]) -> String {
    let cut = bytes.len().saturating_sub(LOG_TAIL);
    let from = if cut == 0 {
        0
    } else {
        bytes[cut..]
            .iter()
            .position(|b| *b == b'\n')
            .map_or(cut, |at| cut + at + 1)
    };
    String::from_utf8_lossy(&bytes[from..]).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_starts_at_a_line() {
        assert_eq!(tail(b" one\ntwo\n"), "one\ntwo");
        let long = format!("{}\nlast\n", "x".repeat(LOG_TAIL - 3));
        assert_eq!(tail(long.as_bytes()), "last");
        let endless = "y".repeat(LOG_TAIL * 2);
        assert_eq!(tail(endless.as_bytes()).len(), LOG_TAIL);
    }

    #[test]
    fn nobody_else_may_enter_the_directory_of_the_socket() {
        let dir = scratch_dir().unwrap();
        let mode = dir.path().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    /// The kernel closes the pipe when this process dies, however it dies; here it is closed by hand.
    #[tokio::test]
    async fn the_watcher_ends_the_server_and_removes_its_directory() {
        let dir = tempfile::tempdir().unwrap();
        let gone = dir.path().join("scratch");
        std::fs::create_dir_all(gone.join("data")).unwrap();
        let mut server = Command::new("sleep")
            .arg("300")
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut watcher = watch(&gone).unwrap();
        tell(&mut watcher, Some(&server)).await.unwrap();
        assert!(server.try_wait().unwrap().is_none());

        drop(watcher.stdin.take());
        let limit = Duration::from_secs(20);
        assert!(
            !tokio::time::timeout(limit, server.wait())
                .await
                .unwrap()
                .unwrap()
                .success()
        );
        tokio::time::timeout(limit, watcher.wait())
            .await
            .unwrap()
            .unwrap();
        assert!(!gone.exists());
    }
}
