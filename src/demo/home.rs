//! The demo's directory: one to keep, or the server's own that goes with it.

use std::fs::{File, Permissions, TryLockError};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// Says that the demo made what else is in a directory, and locked by the one that uses it. Made first.
const LOCK: &str = "fusion-sidecar-demo.lock";
/// The database server's directory.
const DATABASE: &str = "database";
/// Says that the fleet is in the database: a start that was cut off before begins again.
const LOADED: &str = "loaded";
/// Longest wait for the end of the server of a demo that was killed just now: its watcher takes up to five seconds.
const SERVER_LIMIT: Duration = Duration::from_secs(8);

/// Where everything of the demo lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    dir: PathBuf,
}

/// A directory that is kept, and nobody else's while this value lives.
#[derive(Debug)]
pub struct Kept {
    /// The directory, an absolute path.
    pub dir: PathBuf,
    /// The system unlocks it when the process ends, however it does.
    _lock: File,
}

/// The directory that is kept, made if need be: the named one, or with `keep` a new one.
///
/// # Errors
///
/// When it holds something else, is used by another demo, or cannot be made.
pub fn kept(named: Option<&Path>, keep: bool) -> anyhow::Result<Option<Kept>> {
    let dir = match named {
        Some(dir) => make(dir)?,
        None if keep => tempfile::Builder::new()
            .prefix("fusion-sidecar-demo-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir()
            .map(tempfile::TempDir::keep)
            .context("creating a directory for the data")?,
        None => return Ok(None),
    };
    let lock = lock(&dir)?;
    // Nobody else's: the database in it has no password.
    std::fs::set_permissions(&dir, Permissions::from_mode(0o700))
        .with_context(|| format!("closing {} to other users", dir.display()))?;
    if let Some(server) = lasting_server(&database(&dir), SERVER_LIMIT) {
        bail!(
            "the database server of an earlier demo still runs in {}; this ends it: kill {server}",
            dir.display()
        );
    }
    Ok(Some(Kept { dir, _lock: lock }))
}

/// Makes `dir` unless it is there, and sees that it is empty or the demo's; its absolute path, as the agent that gets it in a package has
/// another working directory.
fn make(dir: &Path) -> anyhow::Result<PathBuf> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .with_context(|| format!("creating {}", dir.display()))?;
    let dir = dir
        .canonicalize()
        .with_context(|| format!("opening {}", dir.display()))?;
    let mut entries = std::fs::read_dir(&dir)
        .with_context(|| format!("reading {}", dir.display()))?
        .map(|entry| Ok(entry?.file_name()))
        .collect::<io::Result<Vec<_>>>()
        .with_context(|| format!("reading {}", dir.display()))?;
    entries.retain(|name| name != "lost+found");
    if !entries.is_empty() && !entries.iter().any(|name| name == LOCK) {
        bail!(
            "{} holds something else; name an empty directory, a new one, or one that the demo made",
            dir.display()
        );
    }
    Ok(dir)
}

fn lock(dir: &Path) -> anyhow::Result<File> {
    let path = dir.join(LOCK);
    let mut options = File::options();
    let file = options
        .create(true)
        .append(true)
        .open(&path)
        .with_context(|| format!("opening {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            bail!(
                "another demo uses {}; end it, or name another directory",
                dir.display()
            )
        }
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("locking {}", path.display()))
        }
    }
}

/// The process id of a server on data in `database` that has not ended by itself within `limit`.
fn lasting_server(database: &Path, limit: Duration) -> Option<u32> {
    let began = Instant::now();
    loop {
        let server = server_on(database)?;
        if began.elapsed() >= limit {
            return Some(server);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The process id of a server on data in `database`: two on the same would only wait for each other.
fn server_on(database: &Path) -> Option<u32> {
    let mut option = b"--datadir=".to_vec();
    option.extend(database.as_os_str().as_bytes());
    let processes = std::fs::read_dir("/proc").ok()?;
    let ids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    ids.into_iter().find(|id: &u32| {
        // One that has just ended has none.
        let line = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|word| {
            let rest = word.strip_prefix(option.as_slice());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
        })
    })
}

/// Where the database server keeps its data in a kept directory.
#[must_use]
pub fn database(kept: &Path) -> PathBuf {
    kept.join(DATABASE)
}

impl Home {
    /// In `dir`, which exists.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
        }
    }

    /// The plugin's document directory.
    #[must_use]
    pub fn documents(&self) -> PathBuf {
        self.dir.join("documents")
    }

    /// Where the agent keeps its state.
    #[must_use]
    pub fn agent(&self) -> PathBuf {
        self.dir.join("agent")
    }

    /// Where the sample package puts its file.
    #[must_use]
    pub fn deployed(&self) -> PathBuf {
        self.dir.join("deployed")
    }

    /// Whether the fleet is in the database.
    #[must_use]
    pub fn is_loaded(&self) -> bool {
        self.dir.join(LOADED).exists()
    }

    /// Notes that the fleet is in the database.
    ///
    /// # Errors
    ///
    /// When the note cannot be written.
    pub fn set_loaded(&self) -> anyhow::Result<()> {
        std::fs::write(self.dir.join(LOADED), "").context("noting that the fleet is loaded")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(dir: &Path) -> u32 {
        dir.metadata().unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_directory_of_somebody_else_is_refused_and_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let (new, foreign) = (dir.path().join("a/b"), dir.path().join("c"));
        let made = kept(Some(&new), false).unwrap().unwrap().dir;
        assert!(made.is_dir() && made.is_absolute());
        std::fs::create_dir(database(&made)).unwrap();
        std::fs::create_dir(made.join("agent")).unwrap();
        assert_eq!(kept(Some(&new), true).unwrap().unwrap().dir, made);

        std::fs::create_dir(&foreign).unwrap();
        std::fs::set_permissions(&foreign, Permissions::from_mode(0o755)).unwrap();
        for name in ["thesis.txt", "database.sql"] {
            std::fs::write(foreign.join(name), "").unwrap();
            let error = kept(Some(&foreign), false).unwrap_err().to_string();
            assert!(error.contains("c holds something else"), "{error}");
            assert_eq!(std::fs::read_dir(&foreign).unwrap().count(), 1);
            assert_eq!(mode(&foreign), 0o755);
            std::fs::remove_file(foreign.join(name)).unwrap();
        }
        let error = kept(Some(Path::new("/proc/1")), false).unwrap_err();
        assert!(error.to_string().contains("/proc/1 holds something else"));
    }

    #[test]
    fn nobody_else_enters_it() {
        let dir = tempfile::tempdir().unwrap();
        let new = kept(Some(&dir.path().join("new")), false).unwrap().unwrap();
        assert_eq!(mode(&new.dir), 0o700);
        std::fs::set_permissions(dir.path(), Permissions::from_mode(0o777)).unwrap();
        drop(new);
        std::fs::remove_dir_all(dir.path().join("new")).unwrap();
        let there = kept(Some(dir.path()), false).unwrap().unwrap();
        assert_eq!(mode(&there.dir), 0o700);
    }

    #[test]
    fn one_demo_at_a_time_uses_it() {
        let dir = tempfile::tempdir().unwrap();
        let first = kept(Some(dir.path()), false).unwrap().unwrap();
        let error = kept(Some(dir.path()), false).unwrap_err().to_string();
        let expected = format!(
            "another demo uses {}; end it, or name another directory",
            first.dir.display()
        );
        assert_eq!(error, expected);
        drop(first);
        assert!(kept(Some(dir.path()), false).is_ok());
    }

    #[test]
    fn a_server_that_outlived_its_demo_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let database = database(dir.path());
        let server = |data: PathBuf| {
            let option = format!("--datadir={}", data.display());
            let line = ["-c", "read -r _", "mariadbd", &option];
            let mut command = std::process::Command::new("/bin/sh");
            command.args(line).stdin(std::process::Stdio::piped());
            command.spawn().unwrap()
        };
        // Of a neighbour whose name only begins the same.
        let mut other = server(dir.path().join("database-2/data"));
        let mut ours = server(database.join("data"));
        // The command line of a process that begins is not there at once.
        while server_on(&database).is_none() {
            std::thread::yield_now();
        }
        let found = lasting_server(&database, Duration::from_millis(60));
        assert_eq!(found, Some(ours.id()));
        drop(ours.stdin.take());
        ours.wait().unwrap();
        assert_eq!(lasting_server(&database, Duration::ZERO), None);
        drop(other.stdin.take());
        other.wait().unwrap();
    }

    #[test]
    fn nothing_is_kept_unless_asked_for() {
        assert!(kept(None, false).unwrap().is_none());
        let dir = kept(None, true).unwrap().unwrap().dir;
        assert_eq!(mode(&dir), 0o700);
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_start_that_was_cut_off_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path());
        assert!(!home.is_loaded());
        home.set_loaded().unwrap();
        assert!(home.is_loaded());
    }
}
