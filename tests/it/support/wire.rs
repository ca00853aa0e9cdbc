//! Requests as bytes on a connection: whatever a client may send, also what no HTTP library would.

use std::io::Read as _;
use std::net::SocketAddr;
use std::time::Duration;

use flate2::read::{GzDecoder, ZlibDecoder};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

pub(crate) use super::agent::prolog;

/// What no test waits longer for.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// What no client may read: paths of the host, SQL, names of tables, sources and types. In lower case.
const SECRETS: [&str; 16] = [
    "/work",
    "/tmp",
    "/dev/shm",
    "/etc",
    "src/",
    ".rs:",
    "select ",
    "insert ",
    "update ",
    "glpi_plugin",
    "mysql",
    "mariadb",
    "taskjobstates",
    "panick",
    "dberror",
    "os error",
];

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Status line and headers.
    pub(crate) head: String,
    /// Without its compression.
    pub(crate) body: String,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|part| part == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let body = &bytes[end + 4..];
        let mut plain = Vec::new();
        let lower = head.to_ascii_lowercase();
        if lower.contains("application/x-compress-zlib") {
            ZlibDecoder::new(body).read_to_end(&mut plain).ok()?;
        } else if lower.contains("application/x-compress-gzip") {
            GzDecoder::new(body).read_to_end(&mut plain).ok()?;
        } else {
            plain = body.to_vec();
        }
        let body = String::from_utf8_lossy(&plain).into_owned();
        let answer = Self { status, head, body };
        answer.keeps_secrets();
        Some(answer)
    }

    fn keeps_secrets(&self) {
        let said = format!("{}\n{}", self.head, self.body).to_ascii_lowercase();
        // A page's list of choices is no statement, nor is the rule for its looks.
        let said = said.replace("<select ", "").replace(" select {", "");
        for secret in SECRETS {
            assert!(!said.contains(secret), "tells {secret:?}: {self:?}");
        }
    }

    /// Body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The first value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// The answer to `request`, whose connection the server closes; `None` if it closes without one.
pub(crate) async fn raw(address: SocketAddr, request: &[u8]) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // A server that has refused already reads no further.
    let _ = stream.write_all(request).await;
    rest(&mut stream).await
}

/// What still comes on a connection until it is closed.
pub(crate) async fn rest(stream: &mut TcpStream) -> Option<Answer> {
    let mut bytes = Vec::new();
    let _ = timeout(SOON, stream.read_to_end(&mut bytes))
        .await
        .expect("the connection stays open");
    Answer::parse(&bytes)
}

/// The bytes of a request that closes its connection; `target` goes out as it is.
pub(crate) fn request(
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Vec<u8> {
    let mut bytes =
        format!("{method} {target} HTTP/1.1\r\nHost: glpi.example.com\r\nConnection: close\r\n")
            .into_bytes();
    for (name, value) in headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    if !body.is_empty() || method == "POST" {
        bytes.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}

/// GET.
pub(crate) async fn get(address: SocketAddr, target: &str) -> Answer {
    raw(address, &request("GET", target, &[], b""))
        .await
        .unwrap_or_else(|| panic!("no answer to {target}"))
}

/// POST of a message of type `kind` to the plugin's main address.
pub(crate) async fn post(address: SocketAddr, kind: &str, body: &[u8]) -> Answer {
    let bytes = request(
        "POST",
        MAIN,
        &[
            ("Content-Type", kind),
            ("User-Agent", "FusionInventory-Agent_v2.6"),
        ],
        body,
    );
    raw(address, &bytes).await.expect("no answer")
}

/// The plugin's main address and its deploy back end.
pub(crate) const MAIN: &str = "/plugins/fusioninventory/";
pub(crate) const DEPLOY: &str = "/plugins/fusioninventory/b/deploy/";
