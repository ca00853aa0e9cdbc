//! A way in for the fuzz target of records: bytes as the files of a spool are read.

use std::io;

use super::files::{Appending, Files, Reading};
use super::record::{Mark, Type, put};
use super::recover::{self, Recovery};
use super::segment::{Found, Name, scan};

/// A part of a file of records, from byte to byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// Its first byte.
    pub from: u64,
    /// The one behind its last.
    pub to: u64,
    /// What it is.
    pub is: Is,
}

/// What a part of a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Is {
    /// A record with a sound head and this meta part.
    Record {
        /// The meta part.
        meta: Vec<u8>,
        /// Whether the body is what was written.
        sound: bool,
    },
    /// No record.
    Damaged,
    /// A record that ends before its end.
    Torn,
}

/// All of `file`, whose records begin with `mark`.
///
/// # Errors
///
/// Never, for bytes in memory; the reader's own otherwise.
pub fn stretches(file: &[u8], mark: u64) -> io::Result<Vec<Stretch>> {
    let mut found = Vec::new();
    scan(&Bytes(file.to_vec()), Mark(mark), true, |part| {
        found.push(match part {
            Found::Record {
                at,
                head,
                meta,
                sound,
            } => Stretch {
                from: at,
                to: at + head.length(),
                is: Is::Record {
                    meta,
                    sound: sound == Some(true),
                },
            },
            Found::Damaged { from, to } => Stretch {
                from,
                to,
                is: Is::Damaged,
            },
            Found::Torn { from, to } => Stretch {
                from,
                to,
                is: Is::Torn,
            },
        });
    })?;
    Ok(found)
}

/// The record of a message; none if a part is too long for one.
#[must_use]
pub fn message(mark: u64, meta: &[u8], body: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    put(&mut bytes, Mark(mark), Type::Message, meta, body).map(|_| bytes)
}

/// The record of a move; none if it is too long for one.
#[must_use]
pub fn moved(mark: u64, what: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    put(&mut bytes, Mark(mark), Type::Move, what, &[]).map(|_| bytes)
}

/// What a spool would be found to hold that has one segment and what became of its messages; the numbers of the messages, too.
///
/// # Errors
///
/// As [`stretches`].
pub fn found(segment: &[u8], moves: &[u8], mark: u64) -> io::Result<(Recovery, Vec<u64>)> {
    let name = Name {
        number: 1,
        first: 1,
        mark: Mark(mark),
    };
    let files = Memory([
        (name.segment(), segment.to_vec()),
        (name.moves(), moves.to_vec()),
    ]);
    let loaded = recover::load(&files)?;
    let ids = loaded.slots.keys().map(|id| id.0).collect();
    Ok((loaded.recovery, ids))
}

/// A file that is only read.
#[derive(Debug)]
struct Bytes(Vec<u8>);

impl Reading for Bytes {
    fn length(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn read_exact_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()> {
        let part = usize::try_from(at)
            .ok()
            .and_then(|at| self.0.get(at..at.checked_add(buffer.len())?));
        buffer.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// Two files that are only read.
#[derive(Debug)]
struct Memory([(String, Vec<u8>); 2]);

impl Files for Memory {
    fn list(&self) -> io::Result<Vec<(String, u64)>> {
        let files = self.0.iter();
        Ok(files
            .map(|(name, bytes)| (name.clone(), bytes.len() as u64))
            .collect())
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Reading>> {
        let file = self.0.iter().find(|(known, _)| known == name);
        let (_, bytes) = file.ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(Bytes(bytes.clone())))
    }

    fn create(&self, _: &str) -> io::Result<Box<dyn Appending>> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn append(&self, _: &str) -> io::Result<Box<dyn Appending>> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn rename(&self, _: &str, _: &str) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn remove(&self, _: &str) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync_directory(&self) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn free(&self) -> io::Result<u64> {
        Ok(0)
    }
}
