//! What clients claim about their address, their host and proxies on the way: PHP hears of it only from the sidecar.

use axum::http::Method;
use rstest::rstest;

use crate::support::agent::send;
use crate::support::app;
use crate::support::php::FakePhp;

/// Headers that PHP must not see; those that the sidecar sets itself come under no other spelling either.
const CLAIMS: [&str; 30] = [
    "Forwarded",
    "Forwarded-For",
    "Front-End-Https",
    "Proxy",
    "X-Real-IP",
    "X-Forwarded",
    "X-Forwarded-By",
    "X-Forwarded-Port",
    "X-Forwarded-Prefix",
    "X-Forwarded-Scheme",
    "X-Forwarded-Server",
    "X-Forwarded-Ssl",
    "X-Forwarded-User",
    "X-Original-URL",
    "X-Original-Host",
    "X-Rewrite-URL",
    "X-Client-IP",
    "X-Cluster-Client-IP",
    "X-Url-Scheme",
    "Client-IP",
    "True-Client-IP",
    "X_Forwarded_For",
    "X_Forwarded-Proto",
    "X-Forwarded_Host",
    "X_Real_IP",
    "Front_End_Https",
    "X_Original_URL",
    "X.Forwarded.For",
    "X~Forwarded~Host",
    "Content_Type",
];

#[rstest]
#[case::from_anybody(false, "127.0.0.1", "http")]
#[case::from_a_trusted_proxy(true, "203.0.113.9", "https")]
#[tokio::test]
async fn only_the_sidecar_speaks_of_the_client(
    #[case] trusted: bool,
    #[case] address: &str,
    #[case] scheme: &str,
) {
    let php = FakePhp::start().await;
    let app = app::start(|settings| {
        settings.upstream_url = Some(php.url.clone());
        if trusted {
            settings.server.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
        }
    })
    .await;
    let mut headers = vec![
        ("content-type", "text/plain"),
        ("x-forwarded-for", "203.0.113.9"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "evil.example.com"),
        ("expect", "100-continue"),
        ("accept-language", "de"),
        ("x-mine", "kept"),
    ];
    headers.extend(CLAIMS.map(|name| (name, "evil.example.com")));
    let url = format!("{}/front/page.php?a=1", app.base_url());
    send(Method::POST, &url, &headers, b"body".to_vec()).await;

    let got = php.got().pop().unwrap();
    assert_eq!(got.body, b"body");
    let host = app.origin();
    let host = host.trim_start_matches("http://");
    for (name, value) in [
        ("x-forwarded-for", address),
        ("x-forwarded-proto", scheme),
        ("x-forwarded-host", host),
        ("content-type", "text/plain"),
        ("accept-language", "de"),
        ("x-mine", "kept"),
    ] {
        assert_eq!(got.header(name), [value], "{name}");
    }
    let mut names: Vec<&str> = got
        .headers
        .keys()
        .map(axum::http::HeaderName::as_str)
        .collect();
    names.sort_unstable();
    let expected = [
        "accept",
        "accept-language",
        "content-length",
        "content-type",
        "host",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-mine",
    ];
    assert_eq!(names, expected, "{:?}", got.headers);
}
