//! Connections: how many, how long, over TLS or not, and how they end.
//!
//! One task a connection, HTTP/1.1 and 1.0. What must hold:
//!
//! - At most `max_connections` are open. One more takes the place of the one that has been idle the longest, so that
//!   clients that hold connections without asking anything never keep out one that does. Only when every connection has a
//!   request running is the next one refused, with 503 (over TLS, where that would cost a handshake, without a word).
//! - No wait for a client is without end: TLS handshake and head have `header_timeout` (which also ends idle keep-alive
//!   connections), a client that does not take its answer has `body_timeout` for each step. Bodies are bounded where they
//!   are read.
//! - A soft stop closes idle connections at once and lets running requests end; a hard stop drops all.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service as _;

use crate::config;
use crate::lifecycle::Stop;

use connections::{Connections, Slot};
use tracked::{Answer, Tracked};

mod connections;
mod tracked;

pub mod tls;

/// How long the rest of a request is read and thrown away after the connection's last answer. Closing with bytes unread
/// makes the kernel reset the connection, and the client may lose the answer that told it why (an agent that posts too
/// much, for one).
const LINGER: Duration = Duration::from_secs(2);

/// How many refused connections are told so at the same time; the others are only closed.
const REFUSALS: usize = 64;

/// How much of a head is kept while the rest is awaited, bytes; beyond it the answer is 431. Set, as hyper's own 400 kB would
/// let 10,000 slow clients hold 4 GB.
const MAX_HEAD: usize = 64 * 1024;

/// Pause after `accept` failed for want of something (descriptors, memory) that other connections have to give back first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

const REFUSAL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 60\r\nContent-Length: 0\r\n\r\n";

/// Request extension: whether the connection to us is TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Secure(pub bool);

/// Serves `router` on `listener` until `stop` says otherwise; returns when the last connection is closed.
///
/// Each request has the extensions `ConnectInfo<SocketAddr>` (the peer of the connection) and [`Secure`].
///
/// # Errors
///
/// When the certificate or key that `settings` name cannot be used ([`config::Faults`] inside). Failures of single
/// connections are none.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    settings: &config::Server,
    stop: Stop,
) -> io::Result<()> {
    let tls = settings
        .tls
        .as_ref()
        .map(|(chain, key)| tls::acceptor(chain, key));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new());
    http.header_read_timeout(settings.header_timeout)
        .max_buf_size(MAX_HEAD);
    let server = Arc::new(Server {
        router: router.with_state(()),
        http,
        tls: tls.transpose().map_err(io::Error::other)?,
        header_timeout: settings.header_timeout,
        write_timeout: settings.body_timeout,
        soft: stop.soft.clone(),
    });
    let connections = Connections::new(settings.max_connections);
    let refusals = Arc::new(Semaphore::new(REFUSALS));
    let drop_all = stop.hard.child_token();
    let tasks = TaskTracker::new();

    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.soft.cancelled() => break,
            () = stop.hard.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if is_of_one_connection(&error) => continue,
            Err(error) => {
                tracing::error!(%error, "cannot accept connections");
                connections.evict();
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let drop_all = drop_all.clone();
        if let Some(slot) = connections.admit() {
            let server = Arc::clone(&server);
            tasks.spawn(drop_all.run_until_cancelled_owned(server.connection(stream, peer, slot)));
        } else if let (None, Ok(permit)) = (&server.tls, Arc::clone(&refusals).try_acquire_owned())
        {
            tasks.spawn(drop_all.run_until_cancelled_owned(async move {
                refuse(stream).await;
                drop(permit);
            }));
        }
    }

    drop(listener);
    tasks.close();
    tokio::select! {
        () = tasks.wait() => {}
        () = stop.hard.cancelled() => {}
        () = tokio::time::sleep(settings.shutdown_grace) => {}
    }
    drop_all.cancel();
    tasks.wait().await;
    Ok(())
}

/// Whether `accept` failed for the connection it was about to return, and may be called again at once.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

async fn refuse(mut stream: TcpStream) {
    let told = async {
        stream.write_all(REFUSAL).await?;
        stream.shutdown().await?;
        discard(&mut stream).await
    };
    // It is refused either way.
    let _ = timeout(LINGER, told).await;
}

/// Reads until the other side closes.
async fn discard(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    // Not part of the future, which each idle connection has.
    let mut buffer = vec![0; 4096];
    while stream.read(&mut buffer).await? > 0 {}
    Ok(())
}

struct Server {
    router: Router,
    http: http1::Builder,
    tls: Option<TlsAcceptor>,
    header_timeout: Duration,
    write_timeout: Duration,
    soft: CancellationToken,
}

impl Server {
    async fn connection(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, slot: Arc<Slot>) {
        // Answers are small and written at once; waiting to merge them would only delay them. Failing changes nothing else.
        let _ = stream.set_nodelay(true);
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(self.write_timeout));
        let stream = Box::pin(stream);
        let evicted = slot.evicted().clone();
        let whole = async {
            let Some(tls) = &self.tls else {
                return self.requests(stream, peer, &slot).await;
            };
            // Boxed, as the state of TLS is large and connections without it would hold room for it.
            let handshake = Box::pin(timeout(self.header_timeout, tls.accept(stream)));
            match self.soft.run_until_cancelled(handshake).await {
                Some(Ok(Ok(stream))) => Box::pin(self.requests(stream, peer, &slot)).await,
                Some(Ok(Err(error))) => tracing::debug!(%peer, %error, "TLS handshake failed"),
                Some(Err(_)) => tracing::debug!(%peer, "TLS handshake took too long"),
                None => {}
            }
        };
        // An evicted connection has no request running and nothing left to send, so it may be dropped anywhere.
        evicted.run_until_cancelled(whole).await;
    }

    async fn requests(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin,
        peer: SocketAddr,
        slot: &Arc<Slot>,
    ) {
        let secure = Secure(self.tls.is_some());
        let service =
            hyper::service::service_fn(|request| self.answer(request, peer, secure, slot));
        let io = TokioIo::new(Tracked::new(stream, Arc::clone(slot)));
        let mut connection = self.http.serve_connection(io, service);
        let served = tokio::select! {
            served = poll_fn(|context| connection.poll_without_shutdown(context)) => served,
            () = self.soft.cancelled() => {
                Pin::new(&mut connection).graceful_shutdown();
                poll_fn(|context| connection.poll_without_shutdown(context)).await
            }
        };
        if let Err(error) = served {
            tracing::debug!(%peer, %error, "connection failed");
        }
        let mut stream = connection.into_parts().io.into_inner();
        let closed = async {
            stream.shutdown().await?;
            discard(&mut stream).await
        };
        // The connection is over, whether or not the client saw it end.
        let _ = self.soft.run_until_cancelled(timeout(LINGER, closed)).await;
    }

    fn answer(
        &self,
        request: hyper::Request<Incoming>,
        peer: SocketAddr,
        secure: Secure,
        slot: &Arc<Slot>,
    ) -> Pin<Box<dyn Future<Output = Result<hyper::Response<Answer>, Evicted>> + Send>> {
        let running = slot.begin();
        let mut request = request.map(axum::body::Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(secure);
        let mut router = self.router.clone();
        Box::pin(async move {
            let running = running.ok_or(Evicted)?;
            let response = router
                .call(request)
                .await
                .unwrap_or_else(|never: Infallible| match never {});
            Ok(response.map(|body| Answer::new(body, running)))
        })
    }
}

/// The request came when its connection had already given its place away.
#[derive(Debug, thiserror::Error)]
#[error("connection was idle too long")]
struct Evicted;

#[cfg(test)]
mod tests;
