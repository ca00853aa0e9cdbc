//! A look at a spool from outside, also while another process writes it: takes no lock and changes nothing.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::files::{Directory, Files as _};
use super::message::{Entry, Message, MessageId};
use super::recover::{self, Loaded, Recovery};
use super::segment::Name;
use super::shared::{Index, Usage, read, summary};
use super::{SpoolError, control};

/// How often the directory is read again that changed while it was read.
const LOOKS: usize = 10;

/// A spool as it was at one moment.
#[derive(Debug)]
pub struct View {
    files: Directory,
    loaded: Loaded,
    bytes: u64,
    /// A process has it open and listens to orders.
    pub served: bool,
}

impl View {
    /// Looks at the spool in `dir`.
    ///
    /// # Errors
    ///
    /// When the directory cannot be read.
    pub fn read(dir: &Path) -> io::Result<Self> {
        let files = Directory::unlocked(dir);
        let served = control::is_served(dir);
        let mut looks = 0;
        loop {
            looks += 1;
            let before = files.list()?;
            let loaded = recover::load(&files);
            let after = files.list()?;
            let names = |all: &[(String, u64)]| {
                let mut names: Vec<String> = all.iter().map(|(name, _)| name.clone()).collect();
                names.sort_unstable();
                names
            };
            // A message may have gone from a segment that was read late to one that was not there early.
            if names(&before) != names(&after) && looks < LOOKS {
                continue;
            }
            let mut loaded = loaded?;
            if served {
                // What ends amid a record is being written just now.
                loaded.recovery.torn = 0;
            }
            let ours = |name: &str| {
                Name::parse(name)
                    .or_else(|| Name::parse_moves(name))
                    .is_some()
            };
            let bytes = after
                .iter()
                .filter(|(name, _)| ours(name))
                .map(|(_, size)| size)
                .sum();
            return Ok(Self {
                files,
                loaded,
                bytes,
                served,
            });
        }
    }

    /// What was found beside whole messages.
    #[must_use]
    pub fn recovery(&self) -> &Recovery {
        &self.loaded.recovery
    }

    /// All messages, by number.
    #[must_use]
    pub fn entries(&self) -> Vec<Arc<Entry>> {
        let slots = self.loaded.slots.values();
        slots.map(|slot| Arc::clone(&slot.entry)).collect()
    }

    /// How full it is.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let index = Index {
            bytes: self.bytes,
            ..Index::default()
        };
        let mut usage = summary(self.loaded.slots.values(), &index);
        usage.free = self.files.free().ok();
        usage
    }

    /// A message with its body.
    ///
    /// # Errors
    ///
    /// When it is not there, or not any more, or damaged.
    pub fn message(&self, id: MessageId) -> Result<Message, SpoolError> {
        let slot = self.loaded.slots.get(&id).ok_or(SpoolError::Unknown(id))?;
        match read(&self.files, slot) {
            Ok(Some(message)) => Ok(message),
            Ok(None) => Err(SpoolError::Damaged(id)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(SpoolError::Unknown(id)),
            Err(error) => Err(SpoolError::Unreadable {
                id,
                reason: error.to_string(),
            }),
        }
    }
}
