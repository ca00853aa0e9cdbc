//! The stack around small handlers, over real sockets where the client's pace matters.

use std::io;
use std::net::SocketAddr;
use std::sync::Mutex;

use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::HeaderMap;
use axum::http::header::RETRY_AFTER;
use axum::routing::{get, post};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt as _;
use tracing::subscriber::DefaultGuard;

use super::*;
use crate::http::client::Client;
use crate::http::server;
use crate::lifecycle::Stop;

fn settings() -> config::Server {
    config::Server {
        listen: ([127, 0, 0, 1], 0).into(),
        trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()],
        max_body: 1000,
        body_timeout: Duration::from_secs(3),
        request_timeout: Duration::from_millis(500),
        ..config::Server::default()
    }
}

fn router() -> Router {
    let size = async |body: Result<AgentBody, BodyRejection>| match body {
        Ok(AgentBody(bytes)) => bytes.len().to_string().into_response(),
        Err(rejection) => (rejection.status(), format!("{rejection:?}")).into_response(),
    };
    let stuck = async |body: Result<AgentBody, BodyRejection>| {
        assert!(body.is_ok());
        std::future::pending::<()>().await;
    };
    let filled = async |fields: LineFields| {
        fields.action("getJobs");
        fields.agent(&"d".repeat(1000));
        fields.query("PROLOG");
        fields.error("no-agent");
        "four"
    };
    let router = Router::new()
        .route("/size", post(size))
        .route("/stuck", post(stuck))
        .route("/panic", get(async || -> () { panic!("secret {}", 1) }))
        .route("/filled", get(filled))
        .route(
            "/raw",
            post(async |body: axum::body::Bytes| body.len().to_string()),
        )
        .route(
            "/client",
            get(async |client: Client| format!("{} {}", client.address, client.https)),
        );
    apply(router, &settings())
}

/// The log of the current thread, a JSON object a line.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn start() -> (Self, DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .with_writer(move || writer.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The fields of all request lines.
    fn lines(&self) -> Vec<Value> {
        let lines = self.text();
        let lines = lines
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines
            .map(|mut line| line["fields"].take())
            .filter(|fields| fields.get("path").is_some())
            .collect()
    }
}

async fn call(
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> (StatusCode, HeaderMap, String) {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let peer: SocketAddr = ([127, 0, 0, 1], 4000).into();
    let request = request
        .extension(ConnectInfo(peer))
        .body(body.into())
        .unwrap();
    let (parts, body) = router().oneshot(request).await.unwrap().into_parts();
    let body = to_bytes(body, 1000).await.unwrap();
    (
        parts.status,
        parts.headers,
        String::from_utf8(body.to_vec()).unwrap(),
    )
}

#[tokio::test]
async fn each_request_has_one_line_without_its_query() {
    let (log, _guard) = Log::start();
    let forwarded = [("x-forwarded-for", "198.51.100.7")];
    let (status, headers, _) = call(
        "GET",
        "/filled?action=getJobs&password=hunter2",
        &forwarded,
        Body::empty(),
    )
    .await;
    assert_eq!(status, StatusCode::OK);
    let lines = log.lines();
    assert_eq!(lines.len(), 1, "{}", log.text());
    let line = &lines[0];
    let expected: [(&str, Value); 12] = [
        ("message", "request".into()),
        ("method", "GET".into()),
        ("path", "/filled".into()),
        ("status", 200.into()),
        ("bytes_in", 0.into()),
        ("bytes_out", 4.into()),
        ("client", "198.51.100.7".into()),
        ("action", "getJobs".into()),
        ("agent.device_id", "d".repeat(200).into()),
        ("query", "PROLOG".into()),
        ("error", "no-agent".into()),
        (
            "request_id",
            headers["x-request-id"].to_str().unwrap().into(),
        ),
    ];
    for (name, value) in expected {
        assert_eq!(line[name], value, "{name}");
    }
    assert!(line["duration_ms"].is_u64() && line["sent_ms"].is_u64());
    assert!(!log.text().contains("hunter2"));
}

#[tokio::test]
async fn bytes_are_counted_in_both_directions() {
    let (log, _guard) = Log::start();
    let (status, _, body) = call("POST", "/size", &[], "x".repeat(900)).await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, "900"));
    let line = &log.lines()[0];
    assert_eq!(
        (&line["bytes_in"], &line["bytes_out"]),
        (&900.into(), &3.into())
    );
    assert!(line.get("action").is_none(), "an unset field is left out");
}

#[tokio::test]
async fn an_unknown_address_has_a_line_too() {
    let (log, _guard) = Log::start();
    let (status, ..) = call("GET", "/none", &[], Body::empty()).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(log.lines()[0]["status"], 404);
}

#[tokio::test]
async fn a_request_whose_client_leaves_has_a_line() {
    let (log, _guard) = Log::start();
    let request = Request::post("/stuck").body(Body::empty()).unwrap();
    let given_up = tokio::time::timeout(Duration::from_millis(20), router().oneshot(request)).await;
    assert!(given_up.is_err());
    let lines = log.lines();
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["message"], "request, client gone");
    assert!(lines[0].get("status").is_none());
}

#[tokio::test]
async fn a_panic_is_an_empty_500_and_is_logged() {
    let (log, _guard) = Log::start();
    let (status, _, body) = call("GET", "/panic", &[], Body::empty()).await;
    assert_eq!(
        (status, body.as_str()),
        (StatusCode::INTERNAL_SERVER_ERROR, "")
    );
    assert!(
        log.text().contains("\"panic\":\"secret 1\""),
        "{}",
        log.text()
    );
    let lines = log.lines();
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["status"], 500);
    assert_eq!(lines[0]["message"], "request failed");
}

#[tokio::test]
async fn no_answer_in_time_is_a_503() {
    let (log, _guard) = Log::start();
    let (status, headers, body) = call("POST", "/stuck", &[], "x").await;
    assert_eq!(
        (status, body.as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "")
    );
    assert_eq!(headers[RETRY_AFTER], "60");
    assert_eq!(log.lines()[0]["status"], 503);
}

#[tokio::test]
async fn handlers_know_the_client() {
    let headers = [
        ("x-forwarded-for", "198.51.100.7"),
        ("x-forwarded-proto", "https"),
    ];
    let (_, _, body) = call("GET", "/client", &headers, Body::empty()).await;
    assert_eq!(body, "198.51.100.7 true");
    let request = Request::get("/client").body(Body::empty()).unwrap();
    let response = router().oneshot(request).await.unwrap();
    assert_eq!(
        response.status(),
        StatusCode::INTERNAL_SERVER_ERROR,
        "no connection, no client"
    );
}

#[tokio::test]
async fn a_body_has_a_largest_size() {
    for (size, expected) in [(1000, "1000"), (1001, "TooLarge")] {
        let (_, _, body) = call("POST", "/size", &[], "x".repeat(size)).await;
        assert_eq!(body, expected);
        // The same when its size is not announced.
        let chunks = vec![Ok::<_, io::Error>("x".repeat(size - 1)), Ok("x".to_owned())];
        let chunked = Body::from_stream(futures_util::stream::iter(chunks));
        let (_, _, body) = call("POST", "/size", &[], chunked).await;
        assert_eq!(body, expected, "in chunks");
    }
    let (status, ..) = call("POST", "/raw", &[], "x".repeat(1001)).await;
    assert_eq!(
        status,
        StatusCode::PAYLOAD_TOO_LARGE,
        "axum's own extractors are bounded too"
    );
}

#[tokio::test]
async fn a_body_that_breaks_off_is_told_apart() {
    let broken = Body::from_stream(futures_util::stream::iter([Err::<String, _>(
        io::Error::other("cut"),
    )]));
    let (status, _, body) = call("POST", "/size", &[], broken).await;
    assert_eq!((status, body.as_str()), (StatusCode::BAD_REQUEST, "Broken"));
}

#[tokio::test]
async fn statistics_count_routes_not_paths() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    // The test's runtime has one thread, so the local recorder sees all of it.
    let _guard = metrics::set_default_local_recorder(&recorder);
    call("GET", "/client", &[], Body::empty()).await;
    call("GET", "/any/thing", &[], Body::empty()).await;
    let text = handle.render();
    for line in [
        "requests_total{route=\"/client\",status=\"200\"} 1",
        "requests_total{route=\"unmatched\",status=\"404\"} 1",
        "request_duration_seconds_count{route=\"/client\"} 1",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    assert!(!text.contains("/any"), "{text}");
}

/// A connection to a server with the stack; the server ends with the test's runtime.
async fn connect() -> TcpStream {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(
        async move { server::serve(listener, router(), &settings(), Stop::default()).await },
    );
    TcpStream::connect(address).await.unwrap()
}

async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes);
    tokio::time::timeout(Duration::from_secs(20), read)
        .await
        .expect("connection stays open")
        .unwrap();
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn a_slow_body_is_told_so() {
    let mut stream = connect().await;
    let begun = Instant::now();
    stream
        .write_all(b"POST /size HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345")
        .await
        .unwrap();
    let got = rest(&mut stream).await;
    assert!(
        got.starts_with("HTTP/1.1 408 ") && got.ends_with("TooSlow"),
        "{got}"
    );
    assert!(begun.elapsed() >= settings().body_timeout);
}

#[tokio::test]
async fn time_for_the_body_is_not_time_for_the_answer() {
    let mut stream = connect().await;
    stream
        .write_all(
            b"POST /size HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n1",
        )
        .await
        .unwrap();
    // Longer than `request_timeout`, shorter than `body_timeout`.
    tokio::time::sleep(Duration::from_secs(1)).await;
    stream.write_all(b"2").await.unwrap();
    let got = rest(&mut stream).await;
    assert!(
        got.starts_with("HTTP/1.1 200 ") && got.ends_with("\r\n\r\n2"),
        "{got}"
    );
}

#[tokio::test]
async fn a_client_that_posts_too_much_learns_it_while_it_still_sends() {
    let mut stream = connect().await;
    let size = 8 << 20;
    let head = format!("POST /size HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    // FusionInventory agent 2.6 (LWP) sends all before it reads.
    stream.write_all(&vec![b'x'; size]).await.unwrap();
    let got = rest(&mut stream).await;
    assert!(
        got.starts_with("HTTP/1.1 413 ") && got.ends_with("TooLarge"),
        "{got}"
    );
}
