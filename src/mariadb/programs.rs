//! The programs of MariaDB: where they are, how they are called.

use std::ffi::OsString;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::{Child, Command};

use super::{Durability, Start, StartError, failed, tail, tell};

/// MariaDB's programs on this machine.
#[derive(Debug, Clone)]
pub struct Programs {
    server: PathBuf,
    install: PathBuf,
}

impl Programs {
    /// Looks in `PATH` and, as users' paths often lack them, the system's directories.
    pub fn find() -> Result<Self, StartError> {
        Ok(Self {
            server: find("mariadbd")?,
            install: find("mariadb-install-db")?,
        })
    }

    /// Fills `data` with a new server's own tables; user `root` without password. Does nothing if there is such a directory.
    ///
    /// It gets its name when it is complete: one cut off half-way would be taken for a server's and never start.
    pub async fn install(&self, data: &Path, durability: Durability) -> Result<(), StartError> {
        self.install_watched(data, durability, None).await
    }

    /// As [`Programs::install`]; a `watcher` ends it together with this process, or when the future is dropped.
    pub(super) async fn install_watched(
        &self,
        data: &Path,
        durability: Durability,
        watcher: Option<&mut Child>,
    ) -> Result<(), StartError> {
        if data.is_dir() {
            return Ok(());
        }
        let part = data.with_extension("part");
        if part.exists() {
            std::fs::remove_dir_all(&part)
                .map_err(|source| failed(format!("removing {}", part.display()), source))?;
        }
        std::fs::create_dir_all(&part)
            .map_err(|source| failed(format!("creating {}", part.display()), source))?;
        let mut command = Command::new(&self.install);
        command.args([
            "--no-defaults",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        ]);
        command.arg(option("--datadir=", &part));
        command.args(own_tmpdir(data));
        if is_root() {
            command.arg("--user=root");
        }
        if durability == Durability::Fast {
            command.args(["--innodb-flush-method=nosync", "--loose-debug-no-sync"]);
        }
        command.stdin(Stdio::null());
        finish("mariadb-install-db", command, watcher).await?;
        std::fs::rename(&part, data)
            .map_err(|source| failed(format!("naming {}", data.display()), source))
    }

    /// The server's command line, program first.
    #[must_use]
    pub fn server_command(&self, data: &Path, socket: &Path, start: &Start) -> Vec<OsString> {
        let mut line = vec![
            self.server.clone().into_os_string(),
            "--no-defaults".into(),
            option("--datadir=", data),
            option("--socket=", socket),
            option("--pid-file=", &socket.with_extension("pid")),
        ];
        line.extend(own_tmpdir(socket));
        line.extend(SERVER_OPTIONS.iter().map(OsString::from));
        if is_root() {
            line.push("--user=root".into());
        }
        if let Some(zone) = &start.time_zone {
            line.push(format!("--default-time-zone={zone}").into());
        }
        match start.durability {
            Durability::Durable => {
                line.push("--innodb-flush-log-at-trx-commit=1".into());
            }
            Durability::Fast => line.extend(FAST_OPTIONS.iter().map(OsString::from)),
        }
        line
    }
}

/// A starting MariaDB deletes every `#sql*` file of its directory for temporary tables: in the machine's it would take those of other servers.
fn own_tmpdir(beside: &Path) -> Option<OsString> {
    Some(option("--tmpdir=", beside.parent()?))
}

/// Small, quiet, deaf to the network, GLPI's character set.
const SERVER_OPTIONS: [&str; 11] = [
    "--skip-networking",
    "--skip-log-bin",
    "--skip-name-resolve",
    "--character-set-server=utf8mb4",
    "--collation-server=utf8mb4_unicode_ci",
    "--innodb-buffer-pool-size=128M",
    "--innodb-log-file-size=32M",
    "--key-buffer-size=1M",
    "--aria-pagecache-buffer-size=8M",
    "--max-allowed-packet=64M",
    "--max-connections=500",
];

/// No waiting for the disk, and tables share one file: making a file for each is most of what creating a table costs.
const FAST_OPTIONS: [&str; 5] = [
    "--innodb-flush-log-at-trx-commit=0",
    "--skip-innodb-doublewrite",
    "--innodb-file-per-table=0",
    "--innodb-flush-method=nosync",
    "--loose-debug-no-sync",
];

/// Fills the time zone tables of the private server on `socket` from the machine's zones, so that `Europe/Berlin` is known to it.
pub async fn load_time_zones(socket: &Path) -> Result<(), StartError> {
    let (tool, client) = (find("mariadb-tzinfo-to-sql")?, find("mariadb")?);
    let (reader, writer) = io::pipe().map_err(|source| failed("making a pipe".into(), source))?;
    let mut zones = Command::new(tool)
        .arg("/usr/share/zoneinfo")
        .stdin(Stdio::null())
        .stdout(writer)
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|source| failed("starting mariadb-tzinfo-to-sql".into(), source))?;
    let mut load = Command::new(client);
    load.arg("--no-defaults")
        .arg(option("--socket=", socket))
        .args(["--user=root", "mysql"])
        .stdin(reader);
    finish("mariadb", load, None).await?;
    // Files there that are no zones make it warn, never fail.
    match zones.wait().await {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(StartError::Prepare {
            program: "mariadb-tzinfo-to-sql",
            status,
            log: String::new(),
        }),
        Err(source) => Err(failed("waiting for mariadb-tzinfo-to-sql".into(), source)),
    }
}

/// Runs a program that prepares something to its end; its words are in the error.
async fn finish(
    program: &'static str,
    mut command: Command,
    mut watcher: Option<&mut Child>,
) -> Result<(), StartError> {
    if watcher.is_some() {
        // A script that starts a server is all of its group.
        command.process_group(0);
    }
    command
        .kill_on_drop(true)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = command
        .spawn()
        .map_err(|source| failed(format!("starting {program}"), source))?;
    if let Some(watcher) = watcher.as_deref_mut() {
        tell(watcher, Some(&child)).await?;
    }
    let output = child
        .wait_with_output()
        .await
        .map_err(|source| failed(format!("running {program}"), source))?;
    if let Some(watcher) = watcher {
        tell(watcher, None).await?;
    }
    if output.status.success() {
        return Ok(());
    }
    let log = [output.stdout, output.stderr].concat();
    Err(StartError::Prepare {
        program,
        status: output.status,
        log: tail(&log),
    })
}

pub(super) fn command(line: &[OsString]) -> Command {
    let mut words = line.iter();
    let mut command = Command::new(words.next().map_or_else(OsString::new, Clone::clone));
    command.args(words);
    command
}

fn find(program: &'static str) -> Result<PathBuf, StartError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    find_in(
        program,
        std::env::split_paths(&path).chain(["/usr/sbin", "/usr/bin"].map(PathBuf::from)),
    )
}

fn find_in(
    program: &'static str,
    dirs: impl Iterator<Item = PathBuf>,
) -> Result<PathBuf, StartError> {
    dirs.map(|dir| dir.join(program))
        .find(|file| file.is_file())
        .ok_or(StartError::Missing { program })
}

/// Whether this process runs as root: MariaDB then wants to be told that this is meant.
fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

fn option(name: &str, value: &Path) -> OsString {
    let mut text = OsString::from(name);
    text.push(value);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_named_with_the_line_that_installs_it() {
        let error = find_in("mariadbd", [PathBuf::from("/nonexistent")].into_iter()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "mariadbd is not installed; this installs it: apt-get install -y mariadb-server"
        );
    }

    #[test]
    fn only_the_fast_server_gives_up_durability() {
        let programs = Programs {
            server: "/x/mariadbd".into(),
            install: "/x/i".into(),
        };
        let line = |durability| {
            let start = Start {
                durability,
                time_zone: Some("+00:00".into()),
                dir: None,
            };
            let line = programs.server_command(Path::new("/d"), Path::new("/s/s"), &start);
            line.into_iter()
                .map(|word| word.into_string().unwrap())
                .collect::<Vec<_>>()
        };
        let durable = line(Durability::Durable);
        assert_eq!(
            durable[..3],
            ["/x/mariadbd", "--no-defaults", "--datadir=/d"]
        );
        for word in [
            "--socket=/s/s",
            "--tmpdir=/s",
            "--skip-networking",
            "--default-time-zone=+00:00",
            "--innodb-flush-log-at-trx-commit=1",
        ] {
            assert!(durable.iter().any(|w| w == word), "{word}");
        }
        assert!(
            !durable
                .iter()
                .any(|word| FAST_OPTIONS[..5].contains(&word.as_str()))
        );
        assert!(
            line(Durability::Fast)
                .iter()
                .any(|word| word == "--innodb-flush-log-at-trx-commit=0")
        );
    }
}
