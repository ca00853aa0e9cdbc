//! One question to one address.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::header::{CONNECTION, HOST, SERVER, USER_AGENT};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Most bytes of an answer that are looked at; those of agents have some hundred.
const MOST_BYTES: usize = 16 * 1024;

/// What agents call themselves in the page that answers `/now`.
const NAMES: [&str; 2] = ["FusionInventory-Agent", "GLPI-Agent"];

/// The web server in them.
const SERVER_NAME: &str = "libwww-perl-daemon";

/// An answer, and the address of this machine that it came to.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) status: StatusCode,
    pub(super) text: String,
    pub(super) is_agent: bool,
    pub(super) here: IpAddr,
}

/// Why there is none. It says nothing more: half of a fleet may be switched off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Silence;

/// GET of `path`, which holds no blanks. No redirection is followed, nothing but the named address is connected to.
pub(super) async fn ask(address: SocketAddr, path: &str) -> Result<Said, Silence> {
    let stream = TcpStream::connect(address).await.map_err(|_| Silence)?;
    let here = stream.local_addr().map_err(|_| Silence)?.ip();
    let mut client = hyper::client::conn::http1::Builder::new();
    client.max_buf_size(MOST_BYTES);
    let (mut sender, connection) = client
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|_| Silence)?;
    let request = Request::get(path)
        .header(HOST, address.to_string())
        .header(
            USER_AGENT,
            concat!("fusion-sidecar/", env!("CARGO_PKG_VERSION")),
        )
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|_| Silence)?;
    let exchange = async {
        let answer = sender.send_request(request).await.map_err(|_| Silence)?;
        read(answer, here).await
    };
    // Its end is told to the exchange, which may still have something to read.
    let connection = async {
        let _ = connection.await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        said = exchange => said,
        () = connection => Err(Silence),
    }
}

async fn read(answer: Response<hyper::body::Incoming>, here: IpAddr) -> Result<Said, Silence> {
    let status = answer.status();
    let server = answer.headers().get(SERVER);
    let has_name = server.is_some_and(|name| name.as_bytes().starts_with(SERVER_NAME.as_bytes()));
    let mut body = answer.into_body();
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Silence)?;
        bytes.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
        if bytes.len() > MOST_BYTES {
            // No agent says so much, and the rest of it is not waited for.
            return Err(Silence);
        }
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Ok(Said {
        status,
        is_agent: has_name || NAMES.iter().any(|name| text.contains(name)),
        text,
        here,
    })
}
