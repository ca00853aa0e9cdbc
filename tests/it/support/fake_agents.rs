//! Agents' web servers on addresses of the loopback network, all on one port.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What an agent does when it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It waits, and obeys.
    Obeys,
    /// It waits, and does not.
    Refuses,
    /// It is at work, and obeys.
    Busy,
    /// It sends whoever asks to another address of these.
    Redirects(Ipv4Addr),
    /// It never stops talking, as an agent.
    Babbles,
    /// It never says anything.
    Hangs,
    /// It is no agent at all.
    Foreign,
}

/// What was seen.
#[derive(Debug, Default)]
struct Seen {
    /// Who was asked for what, and when.
    asked: Vec<(Instant, Ipv4Addr, String)>,
    open: usize,
    most_open: usize,
    babbled: usize,
}

/// Agents that answer until this is dropped.
#[derive(Debug, Clone)]
pub(crate) struct FakeAgents {
    pub(crate) port: u16,
    seen: Arc<Mutex<Seen>>,
}

impl FakeAgents {
    /// A port that is free on `network`, an address that no other test uses; nobody answers yet.
    pub(crate) fn on(network: Ipv4Addr) -> Self {
        let port = super::listen::free_on(&network.to_string()).port();
        Self {
            port,
            seen: Arc::default(),
        }
    }

    /// One more.
    pub(crate) async fn add(&self, address: Ipv4Addr, manner: Manner) {
        let listener = TcpListener::bind((address, self.port)).await.unwrap();
        let (port, seen) = (self.port, Arc::clone(&self.seen));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let seen = Arc::clone(&seen);
                tokio::spawn(async move {
                    {
                        let mut seen = seen.lock().unwrap();
                        seen.open += 1;
                        seen.most_open = seen.most_open.max(seen.open);
                    }
                    answer(stream, address, port, manner, &seen).await;
                    seen.lock().unwrap().open -= 1;
                });
            }
        });
    }

    /// Who was asked for what, in order.
    pub(crate) fn asked(&self) -> Vec<(Ipv4Addr, String)> {
        let seen = self.seen.lock().unwrap();
        let asked = seen.asked.iter();
        asked
            .map(|(_, address, path)| (*address, path.clone()))
            .collect()
    }

    /// The moments at which they were asked.
    pub(crate) fn moments(&self) -> Vec<Instant> {
        let seen = self.seen.lock().unwrap();
        seen.asked.iter().map(|(at, ..)| *at).collect()
    }

    /// Most connections at once.
    pub(crate) fn most_open(&self) -> usize {
        self.seen.lock().unwrap().most_open
    }

    /// Bytes that those who never stop have got rid of.
    pub(crate) fn babbled(&self) -> usize {
        self.seen.lock().unwrap().babbled
    }

    /// Forgets what was seen.
    pub(crate) fn forget(&self) {
        let mut seen = self.seen.lock().unwrap();
        seen.asked.clear();
        seen.most_open = seen.open;
    }
}

/// The page of an agent that answers `/now`.
fn page(status: &str, message: &str) -> String {
    let body = format!(
        "<html><head>\n<title>FusionInventory-Agent</title>\n</head><body><p>{message}</p></body></html>"
    );
    whole(status, &body)
}

fn whole(head: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

async fn answer(
    mut stream: TcpStream,
    address: Ipv4Addr,
    port: u16,
    manner: Manner,
    seen: &Mutex<Seen>,
) {
    let mut head = Vec::new();
    let mut buffer = [0; 1024];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut buffer).await {
            Ok(count) if count > 0 => head.extend_from_slice(&buffer[..count]),
            _ => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let path = head.strip_prefix("GET ").unwrap();
    let path = path.split(' ').next().unwrap().to_owned();
    let asks_status = path == "/status";
    let at = Instant::now();
    seen.lock().unwrap().asked.push((at, address, path));
    let text = match manner {
        Manner::Obeys | Manner::Refuses if asks_status => whole("200 OK", "status: waiting"),
        Manner::Busy if asks_status => whole("200 OK", "status: running task Deploy"),
        Manner::Obeys | Manner::Busy => page("200 OK", "OK"),
        Manner::Refuses => page("403 OK", "Access denied"),
        Manner::Redirects(to) => page(
            &format!("302 Found\r\nLocation: http://{to}:{port}/now"),
            "OK",
        ),
        Manner::Foreign => whole("200 OK", "It works!"),
        Manner::Hangs => {
            // Until the other side has had enough.
            while matches!(stream.read(&mut buffer).await, Ok(count) if count > 0) {}
            return;
        }
        Manner::Babbles => {
            let head = "HTTP/1.1 200 OK\r\n\r\n<title>FusionInventory-Agent</title>";
            let mut sent = stream.write_all(head.as_bytes()).await;
            while sent.is_ok() {
                seen.lock().unwrap().babbled += buffer.len();
                sent = stream.write_all(&buffer).await;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            return;
        }
    };
    // The other side may have gone.
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.shutdown().await;
}
