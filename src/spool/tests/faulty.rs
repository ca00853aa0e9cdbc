//! A disk in memory that fails as told, and that can be cut off at any byte.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard};

use super::super::files::{Appending, Files, Reading};

/// What a disk does beside working.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// No more than so many bytes go in, the last write in part.
    Full(usize),
    /// Nothing can be written, made or removed.
    ReadOnly,
    /// Syncs fail, and what they should have made durable is lost though it can still be read.
    Sync,
    /// After so many more bytes the process is gone, amid a write.
    Killed(usize),
}

#[derive(Debug, Clone, Default)]
struct Data {
    /// What is read.
    cache: Vec<u8>,
    /// What is on the disk.
    durable: Vec<u8>,
    /// From where on the disk does not have it yet, if a sync has not lost it.
    clean: usize,
    /// Its name is on the disk.
    named: bool,
}

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<String, Arc<Mutex<Data>>>,
    /// Removed or renamed away, which is not durable yet.
    removed: BTreeMap<String, Arc<Mutex<Data>>>,
    fault: Option<Fault>,
    gone: bool,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Disk(Arc<Mutex<State>>);

impl Disk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(super) fn fault(&self, fault: Option<Fault>) {
        self.state().fault = fault;
    }

    /// From now on nothing that the process does reaches the disk.
    pub(super) fn cut(&self) {
        self.state().gone = true;
    }

    pub(super) fn is_cut(&self) -> bool {
        self.state().gone
    }

    /// The machine starts again. After a power failure files are cut at a place between what was synced and what was written, which
    /// `chance` chooses, and names that were not synced may be lost.
    pub(super) fn restart(&self, power: bool, mut chance: u64) {
        let mut state = self.state();
        (state.fault, state.gone) = (None, false);
        let removed = std::mem::take(&mut state.removed);
        if !power {
            return;
        }
        let mut next = || {
            chance = chance
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (chance >> 33) as usize
        };
        for (name, data) in removed {
            if next() % 2 == 0 {
                state.files.entry(name).or_insert(data);
            }
        }
        state
            .files
            .retain(|_, data| data.lock().unwrap().named || next() % 2 == 0);
        for data in state.files.values() {
            let mut data = data.lock().unwrap();
            let (from, to) = (data.clean.min(data.cache.len()), data.cache.len());
            let cut = from + next() % (to - from + 1);
            let mut left = data.durable.clone();
            left.resize(from, 0);
            left.extend_from_slice(&data.cache[from..cut]);
            // A block in the middle may not have come.
            if cut > from && next() % 2 == 0 {
                let hole = from + next() % (cut - from);
                let end = cut.min(hole + 64);
                left[hole..end].fill(0);
            }
            *data = Data {
                cache: left.clone(),
                clean: left.len(),
                durable: left,
                named: true,
            };
        }
    }

    /// Flips a bit of one of the files; `false` if there is none.
    pub(super) fn flip(&self, chance: u64) -> bool {
        let state = self.state();
        let sizes = state.files.values();
        let total: usize = sizes.map(|data| data.lock().unwrap().cache.len()).sum();
        if total == 0 {
            return false;
        }
        let mut at = usize::try_from(chance >> 3).unwrap() % total;
        for data in state.files.values() {
            let mut data = data.lock().unwrap();
            if at < data.cache.len() {
                data.cache[at] ^= 1 << (chance & 7);
                if let Some(byte) = data.durable.get_mut(at) {
                    *byte ^= 1 << (chance & 7);
                }
                return true;
            }
            at -= data.cache.len();
        }
        false
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.state().files.keys().cloned().collect()
    }

    fn writable(state: &State) -> io::Result<()> {
        if state.gone {
            return Err(io::Error::other("the process is gone"));
        }
        match state.fault {
            Some(Fault::ReadOnly) => Err(ErrorKind::ReadOnlyFilesystem.into()),
            _ => Ok(()),
        }
    }
}

/// An open file: it stays the same one whatever becomes of its name.
#[derive(Debug)]
struct Handle {
    disk: Disk,
    data: Arc<Mutex<Data>>,
}

impl Files for Disk {
    fn list(&self) -> io::Result<Vec<(String, u64)>> {
        let state = self.state();
        let all = state.files.iter();
        Ok(all
            .map(|(name, data)| (name.clone(), data.lock().unwrap().cache.len() as u64))
            .collect())
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn Appending>> {
        let mut state = self.state();
        Self::writable(&state)?;
        if state.files.contains_key(name) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        if matches!(state.fault, Some(Fault::Full(0))) {
            return Err(ErrorKind::StorageFull.into());
        }
        let data = Arc::default();
        state.files.insert(name.to_owned(), Arc::clone(&data));
        Ok(Box::new(self.handle(data)))
    }

    fn append(&self, name: &str) -> io::Result<Box<dyn Appending>> {
        let state = self.state();
        Self::writable(&state)?;
        let data = state.files.get(name).ok_or(ErrorKind::NotFound)?;
        Ok(Box::new(self.handle(Arc::clone(data))))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Reading>> {
        let state = self.state();
        let data = state.files.get(name).ok_or(ErrorKind::NotFound)?;
        Ok(Box::new(self.handle(Arc::clone(data))))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        Self::writable(&state)?;
        let data = state.files.remove(from).ok_or(ErrorKind::NotFound)?;
        state.files.insert(to.to_owned(), data);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        Self::writable(&state)?;
        let data = state.files.remove(name).ok_or(ErrorKind::NotFound)?;
        if data.lock().unwrap().named {
            state.removed.insert(name.to_owned(), data);
        }
        Ok(())
    }

    fn sync_directory(&self) -> io::Result<()> {
        let mut state = self.state();
        Self::writable(&state)?;
        if state.fault == Some(Fault::Sync) {
            return Err(io::Error::other("input/output error"));
        }
        state.removed.clear();
        for data in state.files.values() {
            data.lock().unwrap().named = true;
        }
        Ok(())
    }

    fn free(&self) -> io::Result<u64> {
        Ok(match self.state().fault {
            Some(Fault::Full(left)) => left as u64,
            _ => 1 << 40,
        })
    }
}

impl Disk {
    fn handle(&self, data: Arc<Mutex<Data>>) -> Handle {
        Handle {
            disk: self.clone(),
            data,
        }
    }
}

impl Handle {
    fn data(&self) -> MutexGuard<'_, Data> {
        self.data.lock().unwrap()
    }
}

impl Appending for Handle {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.state();
        Disk::writable(&state)?;
        let (taken, error) = match &mut state.fault {
            Some(Fault::Full(left)) if *left < bytes.len() => {
                (std::mem::take(left), Some(ErrorKind::StorageFull))
            }
            Some(Fault::Killed(left)) if *left < bytes.len() => {
                (std::mem::take(left), Some(ErrorKind::Other))
            }
            Some(Fault::Full(left) | Fault::Killed(left)) => {
                *left -= bytes.len();
                (bytes.len(), None)
            }
            _ => (bytes.len(), None),
        };
        self.data().cache.extend_from_slice(&bytes[..taken]);
        if error == Some(ErrorKind::Other) {
            state.gone = true;
        }
        error.map_or(Ok(()), |kind| Err(kind.into()))
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        Disk::writable(&self.disk.state())?;
        let length = usize::try_from(length).unwrap();
        let mut data = self.data();
        data.cache.truncate(length);
        data.clean = data.clean.min(length);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let state = self.disk.state();
        Disk::writable(&state)?;
        let fails = state.fault == Some(Fault::Sync);
        let mut data = self.data();
        let data = &mut *data;
        let from = data.clean.min(data.cache.len());
        data.durable.resize(from, 0);
        if fails {
            // Taken for written by the system, and not there.
            data.durable.resize(data.cache.len(), 0);
        } else {
            data.durable.extend_from_slice(&data.cache[from..]);
        }
        data.clean = data.cache.len();
        if fails {
            return Err(io::Error::other("input/output error"));
        }
        Ok(())
    }
}

impl Reading for Handle {
    fn length(&self) -> io::Result<u64> {
        Ok(self.data().cache.len() as u64)
    }

    fn read_exact_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()> {
        let at = usize::try_from(at).unwrap();
        let data = self.data();
        let bytes = data.cache.get(at..at + buffer.len());
        buffer.copy_from_slice(bytes.ok_or(ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}
