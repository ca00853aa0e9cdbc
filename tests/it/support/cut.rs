//! A TCP proxy in front of the database that can be cut and hung.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use fusion_sidecar::config::Database;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::watch;

/// What the proxy does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Passes everything on.
    Open,
    /// Takes connections and passes nothing on.
    Hung,
    /// Breaks off every connection.
    Cut,
}

/// Breaks off everything when a client first says `word`.
#[derive(Debug)]
struct Trap {
    word: &'static str,
    /// Whether the server still hears it.
    heard: bool,
}

/// The proxy; ends with the test's runtime.
#[derive(Debug)]
pub(crate) struct Cut {
    address: SocketAddr,
    wire: Arc<Wire>,
}

#[derive(Debug)]
struct Wire {
    mode: watch::Sender<Mode>,
    trap: Mutex<Option<Trap>>,
}

impl Cut {
    /// A proxy to the server on `socket`.
    pub(crate) async fn start(socket: &Path) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let wire = Arc::new(Wire {
            mode: watch::Sender::new(Mode::Open),
            trap: Mutex::default(),
        });
        let (socket, to) = (socket.to_owned(), Arc::clone(&wire));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (wire, socket) = (Arc::clone(&to), socket.clone());
                tokio::spawn(async move {
                    let mut mode = wire.mode.subscribe();
                    if *mode.borrow() == Mode::Cut {
                        return;
                    }
                    let Ok(server) = UnixStream::connect(&socket).await else {
                        return;
                    };
                    let (from_client, to_client) = client.into_split();
                    let (from_server, to_server) = server.into_split();
                    tokio::select! {
                        () = wire.pump(from_client, to_server, true) => {}
                        () = wire.pump(from_server, to_client, false) => {}
                        _ = mode.wait_for(|mode| *mode == Mode::Cut) => {}
                    }
                });
            }
        });
        Self { address, wire }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Makes `database` be reached through the proxy.
    pub(crate) fn in_front_of(&self, database: &mut Database) {
        database.socket = None;
        database.host = self.address.ip().to_string();
        database.port = self.address.port();
    }

    /// Changes what it does; connections that were broken off stay so.
    pub(crate) fn set(&self, mode: Mode) {
        self.wire.mode.send_replace(mode);
    }

    /// Cuts when a client first says `word`; the server still hears it if `heard`, but its answer is lost.
    pub(crate) fn cut_at(&self, word: &'static str, heard: bool) {
        *self.wire.trap.lock().unwrap() = Some(Trap { word, heard });
    }

    /// Waits until no connection is left.
    pub(crate) async fn is_empty(&self) {
        // Each connection watches the mode as long as it lasts.
        self.wire.mode.closed().await;
    }

    /// Waits until it is cut.
    pub(crate) async fn is_cut(&self) {
        let mut mode = self.wire.mode.subscribe();
        mode.wait_for(|mode| *mode == Mode::Cut).await.unwrap();
    }
}

impl Wire {
    async fn pump(
        &self,
        mut from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
        asks: bool,
    ) {
        let mut mode = self.mode.subscribe();
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer).await {
            let said = &buffer[..count];
            let caught = asks.then(|| self.caught(said)).flatten();
            if caught == Some(false) {
                self.mode.send_replace(Mode::Cut);
                return;
            }
            if mode.wait_for(|mode| *mode != Mode::Hung).await.is_err()
                || to.write_all(said).await.is_err()
            {
                return;
            }
            if caught == Some(true) {
                // The server still reads what was written; its answer is on the other pump, which the cut ends.
                self.mode.send_replace(Mode::Cut);
                return;
            }
        }
    }

    /// Whether the trap closes on `said`, and if so, whether the server hears it.
    fn caught(&self, said: &[u8]) -> Option<bool> {
        let mut trap = self.trap.lock().unwrap();
        let word = trap.as_ref()?.word.as_bytes();
        let found = said.windows(word.len()).any(|part| part == word);
        found.then(|| trap.take().is_some_and(|trap| trap.heard))
    }
}
