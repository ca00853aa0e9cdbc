//! The directory of a spool: all that the spool asks of a file system, so that a test can let each of it fail.

use std::fmt::Debug;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::SpoolError;

/// The file that the process which writes holds a lock on.
const LOCK: &str = "lock";

/// Refuses to write into a spool of another user's: that one could not use the files that would be made.
///
/// # Errors
///
/// When this process is not of the user whom the directory belongs to.
pub(super) fn refuse_foreign(path: &Path) -> Result<(), SpoolError> {
    let failed = |reason: String| SpoolError::Directory {
        path: path.to_owned(),
        reason,
    };
    let owner = std::fs::metadata(path).map_err(|error| failed(error.to_string()))?;
    let (owner, own) = (owner.uid(), rustix::process::geteuid().as_raw());
    if owner == own {
        return Ok(());
    }
    Err(failed(format!(
        "it belongs to the user with the number {owner}, and no serve has it open: give the order as that user, not as the one with the number {own}"
    )))
}

/// The files of one spool, by their names.
pub trait Files: Debug + Send + Sync + 'static {
    /// Names and sizes of all files.
    fn list(&self) -> io::Result<Vec<(String, u64)>>;
    /// Makes a new file and opens it for writing; one that is there is an error.
    fn create(&self, name: &str) -> io::Result<Box<dyn Appending>>;
    /// Opens a file for writing at its end.
    fn append(&self, name: &str) -> io::Result<Box<dyn Appending>>;
    /// Opens a file for reading. What was opened can be read to its end also after the file was removed.
    fn open(&self, name: &str) -> io::Result<Box<dyn Reading>>;
    /// Gives a file another name, in place of a file that has it.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes durable which files there are.
    fn sync_directory(&self) -> io::Result<()>;
    /// Bytes that are free on the disk, for this user.
    fn free(&self) -> io::Result<u64>;
}

/// A file that grows.
pub trait Appending: Debug + Send {
    /// Writes at the end; after an error a part may have been written.
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Cuts the file to `length` bytes, where writing goes on.
    fn truncate(&mut self, length: u64) -> io::Result<()>;
    /// Makes durable what was written. After an error nothing is known of what was written since the last success, whatever a later
    /// call says.
    fn sync(&mut self) -> io::Result<()>;
}

/// A file that is read.
pub trait Reading: Debug + Send {
    /// Its length now.
    fn length(&self) -> io::Result<u64>;
    /// Fills `buffer` from byte `at` on.
    fn read_exact_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()>;
}

/// A directory on a disk.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    /// Its lock is held as long as the file is open, however the process ends.
    _lock: Option<File>,
}

impl Directory {
    /// Makes `path` if it is missing and takes its lock: one process writes to a spool.
    ///
    /// # Errors
    ///
    /// When another process has the lock, or the directory cannot be written.
    pub fn lock(path: &Path) -> Result<Self, SpoolError> {
        let failed = |error: io::Error| SpoolError::Directory {
            path: path.to_owned(),
            reason: error.to_string(),
        };
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(failed)?;
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path.join(LOCK))
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                _lock: Some(lock),
            }),
            Err(TryLockError::WouldBlock) => Err(SpoolError::InUse(path.to_owned())),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// The directory as it is, for reading beside a process that writes.
    #[must_use]
    pub fn unlocked(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            _lock: None,
        }
    }
}

impl Files for Directory {
    fn list(&self) -> io::Result<Vec<(String, u64)>> {
        let mut found = Vec::new();
        for file in std::fs::read_dir(&self.path)? {
            let file = file?;
            let data = match file.metadata() {
                Ok(data) => data,
                // It went away since its name was read.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            if data.is_file()
                && let Ok(name) = file.file_name().into_string()
            {
                found.push((name, data.len()));
            }
        }
        Ok(found)
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn Appending>> {
        let mut options = OpenOptions::new();
        options.append(true).create_new(true).mode(0o600);
        Ok(Box::new(OnDisk(options.open(self.path.join(name))?)))
    }

    fn append(&self, name: &str) -> io::Result<Box<dyn Appending>> {
        let file = OpenOptions::new().append(true).open(self.path.join(name))?;
        Ok(Box::new(OnDisk(file)))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Reading>> {
        Ok(Box::new(OnDisk(File::open(self.path.join(name))?)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.path.join(name))
    }

    fn sync_directory(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }

    fn free(&self) -> io::Result<u64> {
        let disk = rustix::fs::statvfs(&self.path)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }
}

#[derive(Debug)]
struct OnDisk(File);

impl Appending for OnDisk {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn sync(&mut self) -> io::Result<()> {
        // The length is among what it makes durable; times are not, and cost a second write.
        self.0.sync_data()
    }
}

impl Reading for OnDisk {
    fn length(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_exact_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()> {
        self.0.read_exact_at(buffer, at)
    }
}
