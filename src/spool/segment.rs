//! Segments: their names, and how their records are read.

use std::io;

use super::files::Reading;
use super::record::{HEAD, Head, Mark};

/// How the names of segments end.
const SEGMENT: &str = "spool";
/// How the names of the files of moves end.
const MOVES: &str = "moves";
/// How much is read at once where a mark is looked for.
const CHUNK: usize = 64 * 1024;
/// The same beside a place that cannot be read: a disk loses no less at once.
const SECTOR: usize = 512;

/// The name of a segment tells what its records cannot be read without, so that no damage to the file loses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Name {
    /// Segments are numbered as they were made.
    pub(super) number: u64,
    /// Messages that are new in it have this number or a higher one.
    pub(super) first: u64,
    /// What its records begin with.
    pub(super) mark: Mark,
}

impl Name {
    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::with_ending(text, SEGMENT)
    }

    pub(super) fn parse_moves(text: &str) -> Option<Self> {
        Self::with_ending(text, MOVES)
    }

    fn with_ending(text: &str, ending: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('.').collect();
        let [number, first, mark, end] = parts[..] else {
            return None;
        };
        let name = Self {
            number: number.parse().ok()?,
            first: first.parse().ok()?,
            mark: Mark(u64::from_str_radix(mark, 16).ok()?),
        };
        // Only what is written as we write it is ours.
        (end == ending && name.with(ending) == text).then_some(name)
    }

    fn with(&self, ending: &str) -> String {
        format!(
            "{:010}.{:020}.{:016x}.{ending}",
            self.number, self.first, self.mark.0
        )
    }

    pub(super) fn segment(&self) -> String {
        self.with(SEGMENT)
    }

    pub(super) fn moves(&self) -> String {
        self.with(MOVES)
    }

    /// Where the bytes from `at` on are kept that nobody could read.
    pub(super) fn damaged(&self, at: u64) -> String {
        self.with(&format!("{at}.damaged"))
    }
}

/// Something in a file of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// A record whose head and meta part are sound.
    Record {
        at: u64,
        head: Head,
        meta: Vec<u8>,
        /// Whether the body is what was written; `None` if it was not looked at, or could not be read.
        sound: Option<bool>,
    },
    /// Bytes that are no record.
    Damaged { from: u64, to: u64 },
    /// The last record ends before its end.
    Torn { from: u64, to: u64 },
}

impl Found {
    /// Where it begins.
    pub(super) const fn at(&self) -> u64 {
        match self {
            Self::Record { at, .. } => *at,
            Self::Damaged { from, .. } | Self::Torn { from, .. } => *from,
        }
    }
}

/// Reads all records of a file, of the bodies nothing unless `bodies`, and gives them to `each`. A place that cannot be read costs the record
/// that it is of: where that is its head or its meta part it is damaged, where it is its body that is unchecked.
pub(super) fn scan(
    file: &dyn Reading,
    mark: Mark,
    bodies: bool,
    mut each: impl FnMut(Found),
) -> io::Result<()> {
    let length = file.length()?;
    let mut at = 0;
    while at < length {
        let Some(head) = head_at(file, mark, at, length) else {
            let next = next_head(file, mark, at + 1, length);
            let torn = next == length && length - at < HEAD as u64;
            each(if torn {
                Found::Torn { from: at, to: next }
            } else {
                Found::Damaged { from: at, to: next }
            });
            at = next;
            continue;
        };
        let end = at + head.length();
        if end > length {
            // Nothing was written behind the last record, but for what a test of the disk's may have let in.
            let next = next_head(file, mark, at + 1, length);
            each(if next == length {
                Found::Torn { from: at, to: next }
            } else {
                Found::Damaged { from: at, to: next }
            });
            at = next;
            continue;
        }
        let mut meta = vec![0; head.meta as usize];
        let read = file.read_exact_at(&mut meta, at + HEAD as u64);
        if read.is_ok() && crc32fast::hash(&meta) == head.meta_sum {
            let sum = bodies.then(|| body_sum(file, &head, at).ok()).flatten();
            let sound = sum.map(|sum| sum == head.body_sum);
            each(Found::Record {
                at,
                head,
                meta,
                sound,
            });
            at = end;
        } else {
            // The rest of it may never have been written, and something else behind it later.
            let next = next_head(file, mark, at + 1, length);
            each(Found::Damaged { from: at, to: next });
            at = next;
        }
    }
    Ok(())
}

fn body_sum(file: &dyn Reading, head: &Head, at: u64) -> io::Result<u32> {
    let mut sum = crc32fast::Hasher::new();
    let mut buffer = vec![0; CHUNK.min(head.body as usize)];
    let mut from = at + head.body_at();
    let mut left = head.body as usize;
    while left > 0 {
        let part = left.min(CHUNK);
        file.read_exact_at(&mut buffer[..part], from)?;
        sum.update(&buffer[..part]);
        from += part as u64;
        left -= part;
    }
    Ok(sum.finalize())
}

/// The head at `at`, if one is there and can be read.
fn head_at(file: &dyn Reading, mark: Mark, at: u64, length: u64) -> Option<Head> {
    let mut bytes = [0; HEAD];
    if length - at < HEAD as u64 {
        return None;
    }
    file.read_exact_at(&mut bytes, at).ok()?;
    Head::decode(&bytes, mark)
}

/// Where the next head begins that can be read, from `from` on; `length` if there is none.
fn next_head(file: &dyn Reading, mark: Mark, from: u64, length: u64) -> u64 {
    let wanted = mark.0.to_le_bytes();
    let mut buffer = vec![0; CHUNK];
    let (mut from, mut most) = (from, CHUNK);
    while from + (HEAD as u64) <= length {
        let part = usize::try_from(length - from).map_or(most, |left| left.min(most));
        if file.read_exact_at(&mut buffer[..part], from).is_err() {
            if most == SECTOR {
                from = (from / SECTOR as u64 + 1) * SECTOR as u64;
            }
            most = SECTOR;
            continue;
        }
        for (at, window) in buffer[..part].windows(wanted.len()).enumerate() {
            let at = from + at as u64;
            if window == wanted && head_at(file, mark, at, length).is_some() {
                return at;
            }
        }
        // A mark may lie across the end of what was read.
        from += (part - (wanted.len() - 1)) as u64;
    }
    length
}
