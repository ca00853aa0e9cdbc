//! Orders from the command line to the process that has the spool open, through a socket in its directory: moves are made by one process, so
//! that none of them races with a delivery. A line of JSON goes in, one comes back. Who may write the socket is who may give orders; it is
//! the owner's alone.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::message::{MessageId, Move};
use super::shared::Shared;
use super::writer::Request;

/// The socket.
const SOCKET: &str = "control";
/// Longest wait for the other side.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest wait for the outcome, which has to be synced.
const OUTCOME: Duration = Duration::from_mins(1);
/// Longest order, bytes.
const LONGEST: u64 = 16 << 20;

/// What somebody wants of messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// Try these again.
    Retry(Vec<MessageId>),
    /// Try all parked ones again.
    RetryAll,
    /// Throw these away.
    Drop(Vec<MessageId>),
}

/// What came of an order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Messages for which it was done.
    pub done: Vec<MessageId>,
    /// Those that are not there.
    pub unknown: Vec<MessageId>,
    /// Why it was not done for the others.
    pub failed: Option<String>,
}

/// Whether a process has the spool in `dir` open and listens.
pub(super) fn is_served(dir: &Path) -> bool {
    UnixStream::connect(dir.join(SOCKET)).is_ok()
}

/// Gives an order to the process that has the spool in `dir` open; nothing if there is none. Blocks.
pub(super) fn ask(dir: &Path, order: &Order) -> io::Result<Option<Outcome>> {
    let mut stream = match UnixStream::connect(dir.join(SOCKET)) {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
            ) =>
        {
            return Ok(None);
        }
        stream => stream?,
    };
    stream.set_read_timeout(Some(OUTCOME))?;
    let mut line = serde_json::to_vec(order)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    Ok(Some(serde_json::from_str(&answer)?))
}

/// The thread that takes orders.
#[derive(Debug)]
pub(super) struct Control {
    stop: Arc<AtomicBool>,
    path: PathBuf,
    /// The listener's own descriptor: it can be woken up also when its file is gone.
    waker: UnixStream,
    thread: Option<JoinHandle<()>>,
}

impl Control {
    /// Listens in `dir`, whose lock this process has.
    pub(super) fn start(
        dir: &Path,
        shared: Arc<Shared>,
        requests: mpsc::Sender<Request>,
    ) -> io::Result<Self> {
        let path = dir.join(SOCKET);
        // That of a process that is gone.
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        let waker = UnixStream::from(OwnedFd::from(listener.try_clone()?));
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("spool-control".to_owned())
            .spawn(move || {
                for stream in listener.incoming() {
                    if stopped.load(Ordering::Acquire) {
                        break;
                    }
                    // One who goes away, or asks for what is none, gets nothing.
                    let _ = stream.and_then(|stream| answer(stream, &shared, &requests));
                }
            })?;
        Ok(Self {
            stop,
            path,
            waker,
            thread: Some(thread),
        })
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        let woken = self.waker.shutdown(Shutdown::Both).is_ok();
        let _ = std::fs::remove_file(&self.path);
        if let Some(thread) = self.thread.take()
            && woken
        {
            let _ = thread.join();
        }
    }
}

fn answer(
    mut stream: UnixStream,
    shared: &Shared,
    requests: &mpsc::Sender<Request>,
) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = String::new();
    BufReader::new(stream.try_clone()?)
        .take(LONGEST)
        .read_line(&mut line)?;
    if line.is_empty() {
        return Ok(());
    }
    let outcome = carry_out(serde_json::from_str(&line)?, shared, requests);
    let mut line = serde_json::to_vec(&outcome)?;
    line.push(b'\n');
    stream.write_all(&line)
}

/// Makes the moves that an order asks for, all with one sync. Blocks.
pub(super) fn carry_out(
    order: Order,
    shared: &Shared,
    requests: &mpsc::Sender<Request>,
) -> Outcome {
    let at = shared.now();
    let retried = |id| Move::Retried { id, at };
    let moves: Vec<Move> = match order {
        Order::Retry(ids) => ids.into_iter().map(retried).collect(),
        Order::RetryAll => {
            let entries = shared.entries();
            let parked = entries.iter().filter(|entry| !entry.is_waiting());
            parked.map(|entry| retried(entry.id)).collect()
        }
        Order::Drop(ids) => ids.into_iter().map(|id| Move::Dropped { id }).collect(),
    };
    let asked = moves.into_iter().filter_map(|what| {
        let (reply, answer) = oneshot::channel();
        let id = what.id()?;
        requests.send(Request::Move { what, reply }).ok()?;
        Some((id, answer))
    });
    let asked: Vec<_> = asked.collect();
    let mut outcome = Outcome::default();
    for (id, answer) in asked {
        match answer.blocking_recv() {
            Ok(Ok(true)) => outcome.done.push(id),
            Ok(Ok(false)) => outcome.unknown.push(id),
            Ok(Err(error)) => outcome.failed = Some(error.to_string()),
            Err(_) => outcome.failed = Some("the spool is closed".to_owned()),
        }
    }
    outcome
}
