//! Bodies that are no XML messages: what is passed on to PHP, and answers to collect jobs.

use std::time::Duration;

use axum::http::Method;
use fusion_sidecar::config::Settings;

use crate::support::agent::send;
use crate::support::app::{self, TestApp};
use crate::support::php::FakePhp;
use crate::support::wire::{raw, rest};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

const MAX: usize = 1000;

async fn with_php(configure: impl FnOnce(&mut Settings)) -> (TestApp, FakePhp) {
    let php = FakePhp::start().await;
    let app = app::start(|settings| {
        settings.upstream_url = Some(php.url.clone());
        configure(settings);
    })
    .await;
    (app, php)
}

/// A request for one of the plugin's pages whose body comes in chunks, so that its size is not announced.
fn chunked(sizes: &[usize]) -> Vec<u8> {
    let head = "POST /plugins/fusioninventory/front/task.form.php HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
                Transfer-Encoding: chunked\r\n\r\n";
    let mut bytes = head.as_bytes().to_vec();
    for size in sizes {
        bytes.extend_from_slice(format!("{size:x}\r\n{}\r\n", "x".repeat(*size)).as_bytes());
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

/// What people upload is not an agent's message: no size bounds it.
#[tokio::test]
async fn what_is_passed_on_may_be_larger_than_an_agents_message() {
    let (app, php) = with_php(|settings| settings.server.max_body = MAX).await;
    let url = format!("{}/front/task.form.php", app.base_url());
    let large = 3 << 20;
    let answer = send(Method::POST, &url, &[], vec![b'x'; large]).await;
    assert_eq!(answer.status, 302);
    let answer = raw(app.address(), &chunked(&[MAX, MAX, 1])).await.unwrap();
    assert_eq!(answer.status, 302);
    let got = php.got();
    let sizes: Vec<usize> = got.iter().map(|got| got.body.len()).collect();
    assert_eq!(sizes, [large, 2 * MAX + 1]);
    assert_eq!(got[0].header("content-length"), [large.to_string()]);
    // An agent's own is.
    let url = format!("{}/", app.base_url());
    let answer = send(Method::POST, &url, &[], vec![b'x'; MAX + 1]).await;
    assert_eq!((answer.status, php.got().len()), (413, 2));
}

/// It takes as long as it gets on, however long that is; one that does not is broken off.
#[tokio::test]
async fn an_upload_is_bounded_by_time_without_progress() {
    let (app, php) = with_php(|settings| {
        settings.server.request_timeout = Duration::from_secs(1);
        settings.server.body_timeout = Duration::from_secs(1);
    })
    .await;
    for (pieces, expected) in [(8, Some(302)), (2, None)] {
        let mut stream = TcpStream::connect(app.address()).await.unwrap();
        let head = "POST /plugins/fusioninventory/front/x.form.php HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 8\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        for _ in 0..pieces {
            stream.write_all(b"x").await.unwrap();
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        let answer = rest(&mut stream).await.unwrap();
        match expected {
            Some(status) => assert_eq!(answer.status, status),
            None => assert!((400..=599).contains(&answer.status), "{answer:?}"),
        }
    }
    assert_eq!(php.got().len(), 1, "PHP hears nothing whole of the other");
}

#[tokio::test]
async fn an_answer_for_which_there_is_no_room_is_to_be_sent_later() {
    let app = app::start(|settings| settings.server.max_bodies = 1024).await;
    let url = format!(
        "{}/b/collect/?action=setAnswer&uuid=run-1&machineid=wks-1&method=POST",
        app.base_url()
    );
    let answer = send(Method::POST, &url, &[], vec![b'x'; 32 << 10]).await;
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (503, "the server is busy\n")
    );
    assert_eq!(answer.header("retry-after"), Some("60"));
}
