//! The demo's directory: one to keep, or the server's own that goes with it.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// Its name in a directory says that the demo made what else is there.
const DATABASE: &str = "database";
/// Says that the fleet is in the database: a start that was cut off before begins again.
const LOADED: &str = "loaded";

/// Where everything of the demo lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    dir: PathBuf,
}

/// The directory that is kept, made if need be: the named one, or with `keep` a new one.
///
/// # Errors
///
/// When it holds something else or cannot be made.
pub fn kept(named: Option<&Path>, keep: bool) -> anyhow::Result<Option<PathBuf>> {
    let Some(dir) = named else {
        let make = || {
            tempfile::Builder::new()
                .prefix("fusion-sidecar-demo-")
                .permissions(Permissions::from_mode(0o700))
                .tempdir()
        };
        return keep
            .then(make)
            .transpose()
            .map(|dir| dir.map(tempfile::TempDir::keep))
            .context("creating a directory for the data");
    };
    // Nobody else's: the database in it has no password.
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .with_context(|| format!("creating {}", dir.display()))?;
    // An absolute path: the agent that gets it in a package has another working directory.
    let dir = dir
        .canonicalize()
        .with_context(|| format!("opening {}", dir.display()))?;
    let mut entries = std::fs::read_dir(&dir)
        .with_context(|| format!("reading {}", dir.display()))?
        .map(|entry| Ok(entry?.file_name()))
        .collect::<io::Result<Vec<_>>>()
        .with_context(|| format!("reading {}", dir.display()))?;
    entries.retain(|name| name != "lost+found");
    let ours = |name: &std::ffi::OsString| name.to_string_lossy().starts_with(DATABASE);
    if !entries.is_empty() && !entries.iter().any(ours) {
        bail!(
            "{} holds something else; name an empty directory, a new one, or one that the demo made",
            dir.display()
        );
    }
    Ok(Some(dir))
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

    #[test]
    fn a_directory_of_somebody_else_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (new, foreign) = (dir.path().join("a/b"), dir.path().join("c"));
        let made = kept(Some(&new), false).unwrap().unwrap();
        assert!(made.is_dir() && made.is_absolute());
        assert_eq!(made.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        std::fs::create_dir(database(&made)).unwrap();
        std::fs::create_dir(made.join("agent")).unwrap();
        assert_eq!(kept(Some(&new), true).unwrap(), Some(made));

        std::fs::create_dir(&foreign).unwrap();
        std::fs::write(foreign.join("thesis.txt"), "").unwrap();
        let error = kept(Some(&foreign), false).unwrap_err().to_string();
        assert!(error.contains("c holds something else"), "{error}");
    }

    #[test]
    fn nothing_is_kept_unless_asked_for() {
        assert_eq!(kept(None, false).unwrap(), None);
        let dir = kept(None, true).unwrap().unwrap();
        assert!(dir.is_dir());
        std::fs::remove_dir(dir).unwrap();
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
