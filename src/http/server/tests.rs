//! Over real sockets: what clients see of the bounds and of a stop.

use axum::Extension;
use axum::routing::get;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_rustls::TlsConnector;

use super::*;

/// What no test waits longer for: far above every time-out that is set here.
const SOON: Duration = Duration::from_secs(20);

const GET: &[u8] = b"GET /peer HTTP/1.1\r\nHost: x\r\n\r\n";
const GET_AND_CLOSE: &[u8] = b"GET /peer HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
const GET_GATE: &[u8] = b"GET /gate HTTP/1.1\r\nHost: x\r\n\r\n";

fn settings() -> config::Server {
    config::Server {
        listen: ([127, 0, 0, 1], 0).into(),
        header_timeout: Duration::from_mins(1),
        max_connections: 100,
        shutdown_grace: Duration::from_mins(1),
        ..config::Server::default()
    }
}

/// A running server. `/peer` tells the peer and whether it speaks TLS, `/gate` answers when the gate opens, `/big` with 64 MB.
struct Running {
    address: SocketAddr,
    stop: Stop,
    gate: watch::Sender<bool>,
    /// How many requests wait at the gate.
    waiting: watch::Receiver<usize>,
    served: JoinHandle<io::Result<()>>,
}

async fn start(settings: config::Server) -> Running {
    let (gate, gate_open) = watch::channel(false);
    let (arrived, waiting) = watch::channel(0);
    let at_gate = move || async move {
        arrived.send_modify(|count| *count += 1);
        gate_open
            .clone()
            .wait_for(|open| *open)
            .await
            .map_or("no gate", |_| "through")
    };
    let peer = async |ConnectInfo(peer): ConnectInfo<SocketAddr>,
                      Extension(secure): Extension<Secure>| {
        format!("{peer} {}", secure.0)
    };
    let big = async || vec![b'x'; 64 << 20];
    let router = Router::new()
        .route("/peer", get(peer))
        .route("/gate", get(at_gate))
        .route("/big", get(big));
    let listener = TcpListener::bind(settings.listen).await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = Stop::default();
    let token = stop.clone();
    let served = tokio::spawn(async move { serve(listener, router, &settings, token).await });
    Running {
        address,
        stop,
        gate,
        waiting,
        served,
    }
}

impl Running {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn at_gate(&mut self, count: usize) {
        timeout(SOON, self.waiting.wait_for(|waiting| *waiting == count))
            .await
            .unwrap()
            .unwrap();
    }

    async fn ended(self) {
        timeout(SOON, self.served)
            .await
            .expect("serve goes on")
            .unwrap()
            .unwrap();
    }
}

async fn ask(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), request: &[u8]) -> String {
    stream.write_all(request).await.unwrap();
    rest(stream).await
}

/// All until the server closes; what came before, if it resets the connection.
async fn rest(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    let _ = timeout(SOON, stream.read_to_end(&mut bytes))
        .await
        .expect("connection stays open");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// One answer on a connection that stays open; its body must be `body`.
async fn answer(stream: &mut TcpStream, body: &str) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(format!("\r\n\r\n{body}").as_bytes()) {
        let read = timeout(SOON, stream.read_buf(&mut bytes))
            .await
            .expect("no answer")
            .unwrap();
        assert!(
            read > 0,
            "closed after {:?}",
            String::from_utf8_lossy(&bytes)
        );
    }
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn a_connection_is_kept_for_several_requests_and_the_peer_is_known() {
    let server = start(settings()).await;
    let mut stream = server.connect().await;
    let body = format!("{} false", stream.local_addr().unwrap());
    for _ in 0..2 {
        stream.write_all(GET).await.unwrap();
        assert!(
            answer(&mut stream, &body)
                .await
                .starts_with("HTTP/1.1 200 OK\r\n")
        );
    }
}

#[tokio::test]
async fn http_1_0_is_answered_and_closed() {
    let server = start(settings()).await;
    let got = ask(&mut server.connect().await, b"GET /peer HTTP/1.0\r\n\r\n").await;
    assert!(
        got.starts_with("HTTP/1.0 200 OK\r\n") && got.ends_with(" false"),
        "{got}"
    );
}

#[tokio::test]
async fn a_head_that_takes_too_long_ends_the_connection() {
    let header_timeout = Duration::from_millis(200);
    let server = start(config::Server {
        header_timeout,
        ..settings()
    })
    .await;
    for part in [&b""[..], b"GET /peer HTTP/1.1\r\nHost: x\r\n"] {
        let begun = Instant::now();
        let got = ask(&mut server.connect().await, part).await;
        assert!(!got.contains("200 OK"), "{got}");
        assert!(begun.elapsed() >= header_timeout);
    }
    // The same between two requests.
    let mut stream = server.connect().await;
    let got = ask(&mut stream, GET).await;
    assert!(got.starts_with("HTTP/1.1 200 OK\r\n"), "{got}");
}

#[tokio::test]
async fn a_head_beyond_its_bound_is_refused() {
    let server = start(settings()).await;
    let head = format!(
        "GET /peer HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n",
        "x".repeat(2 * MAX_HEAD)
    );
    let got = ask(&mut server.connect().await, head.as_bytes()).await;
    assert!(got.starts_with("HTTP/1.1 431 "), "{got}");
}

#[tokio::test]
async fn idle_connections_make_room() {
    let server = start(settings()).await;
    let mut idle = Vec::new();
    for count in 0..300 {
        let mut stream = server.connect().await;
        if count % 2 == 0 {
            stream.write_all(b"GET /pe").await.unwrap();
        }
        idle.push(stream);
    }
    let got = ask(&mut server.connect().await, GET_AND_CLOSE).await;
    assert!(got.starts_with("HTTP/1.1 200 OK\r\n"), "{got}");
    // The first had to go, the last are still there.
    assert_eq!(rest(&mut idle[0]).await, "");
    let got = ask(&mut idle[299], GET_AND_CLOSE).await;
    assert!(got.starts_with("HTTP/1.1 200 OK\r\n"), "{got}");
}

#[tokio::test]
async fn a_connection_beyond_the_limit_is_refused_when_all_have_requests() {
    let mut server = start(config::Server {
        max_connections: 2,
        ..settings()
    })
    .await;
    let mut running = [server.connect().await, server.connect().await];
    for stream in &mut running {
        stream.write_all(GET_GATE).await.unwrap();
    }
    server.at_gate(2).await;
    let got = ask(&mut server.connect().await, GET).await;
    assert!(
        got.starts_with("HTTP/1.1 503 ") && got.contains("Connection: close\r\n"),
        "{got}"
    );
    server.gate.send(true).unwrap();
    for stream in &mut running {
        answer(stream, "through").await;
    }
    // Answered, they are idle and make room.
    let got = ask(&mut server.connect().await, GET_AND_CLOSE).await;
    assert!(got.starts_with("HTTP/1.1 200 OK\r\n"), "{got}");
}

#[tokio::test]
async fn a_client_that_does_not_take_its_answer_is_dropped() {
    let body_timeout = Duration::from_millis(200);
    let server = start(config::Server {
        body_timeout,
        ..settings()
    })
    .await;
    let mut stream = server.connect().await;
    stream
        .write_all(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    sleep(body_timeout * 10).await;
    let got = rest(&mut stream).await;
    assert!(got.starts_with("HTTP/1.1 200 OK\r\n"));
    assert!(got.len() < 64 << 20, "all was sent");
}

#[tokio::test]
async fn a_soft_stop_closes_idle_connections_and_finishes_requests() {
    let mut server = start(settings()).await;
    let mut fresh = server.connect().await;
    let mut idle = server.connect().await;
    idle.write_all(GET).await.unwrap();
    let local = idle.local_addr().unwrap();
    answer(&mut idle, &format!("{local} false")).await;
    let mut running = server.connect().await;
    running.write_all(GET_GATE).await.unwrap();
    server.at_gate(1).await;

    server.stop.soft.cancel();
    assert_eq!(rest(&mut fresh).await, "");
    assert_eq!(rest(&mut idle).await, "");
    assert!(
        TcpStream::connect(server.address).await.is_err(),
        "still listening"
    );
    assert!(!server.served.is_finished());

    server.gate.send(true).unwrap();
    let got = rest(&mut running).await;
    assert!(
        got.starts_with("HTTP/1.1 200 OK\r\n") && got.ends_with("through"),
        "{got}"
    );
    server.ended().await;
}

#[tokio::test]
async fn a_hard_stop_drops_requests() {
    let mut server = start(settings()).await;
    let mut running = server.connect().await;
    running.write_all(GET_GATE).await.unwrap();
    server.at_gate(1).await;
    server.stop.soft.cancel();
    server.stop.hard.cancel();
    assert_eq!(rest(&mut running).await, "");
    server.ended().await;
}

#[tokio::test]
async fn the_grace_time_drops_requests() {
    let shutdown_grace = Duration::from_millis(200);
    let mut server = start(config::Server {
        shutdown_grace,
        ..settings()
    })
    .await;
    let mut running = server.connect().await;
    running.write_all(GET_GATE).await.unwrap();
    server.at_gate(1).await;
    let begun = Instant::now();
    server.stop.soft.cancel();
    assert_eq!(rest(&mut running).await, "");
    assert!(begun.elapsed() >= shutdown_grace);
    server.ended().await;
}

/// Settings with a new certificate for `localhost`, and a client that trusts it.
fn with_tls(dir: &std::path::Path) -> (config::Server, TlsConnector) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let [chain, key] = ["chain.pem", "key.pem"].map(|name| dir.join(name));
    std::fs::write(&chain, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let client =
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
    let settings = config::Server {
        tls: Some((chain, key)),
        ..settings()
    };
    (settings, TlsConnector::from(Arc::new(client)))
}

#[tokio::test]
async fn over_tls_the_router_knows_it() {
    let dir = tempfile::tempdir().unwrap();
    let (settings, client) = with_tls(dir.path());
    let server = start(settings).await;
    let stream = server.connect().await;
    let local = stream.local_addr().unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = client.connect(name, stream).await.unwrap();
    let got = ask(&mut stream, GET_AND_CLOSE).await;
    assert!(
        got.starts_with("HTTP/1.1 200 OK\r\n") && got.ends_with(&format!("{local} true")),
        "{got}"
    );
}

#[tokio::test]
async fn a_handshake_is_bounded_and_plain_text_is_no_handshake() {
    let dir = tempfile::tempdir().unwrap();
    let (settings, _) = with_tls(dir.path());
    let header_timeout = Duration::from_millis(200);
    let server = start(config::Server {
        header_timeout,
        ..settings
    })
    .await;
    let begun = Instant::now();
    assert_eq!(rest(&mut server.connect().await).await, "");
    assert!(begun.elapsed() >= header_timeout);
    let got = ask(&mut server.connect().await, GET).await;
    assert!(!got.contains("200 OK"), "{got}");
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_is_an_error_of_serve() {
    let tls = Some((
        "/nonexistent/chain.pem".into(),
        "/nonexistent/key.pem".into(),
    ));
    let server = start(config::Server { tls, ..settings() }).await;
    let error = timeout(SOON, server.served)
        .await
        .unwrap()
        .unwrap()
        .unwrap_err();
    assert!(
        error.to_string().contains("/nonexistent/chain.pem"),
        "{error}"
    );
}
