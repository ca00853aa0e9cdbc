//! Bodies that are no XML messages: what is passed on to PHP, and answers to collect jobs.

use axum::http::Method;
use fusion_sidecar::config::Settings;

use crate::support::agent::send;
use crate::support::app::{self, TestApp};
use crate::support::php::FakePhp;
use crate::support::wire::raw;

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

#[tokio::test]
async fn what_is_passed_on_has_a_largest_size() {
    let (app, php) = with_php(|settings| settings.server.max_body = MAX).await;
    let url = format!("{}/front/task.form.php", app.base_url());

    let answer = send(Method::POST, &url, &[], vec![b'x'; MAX]).await;
    assert_eq!(answer.status, 302);
    let answer = raw(app.address(), &chunked(&[MAX - 1, 1])).await.unwrap();
    assert_eq!(answer.status, 302);
    let got = php.got();
    let sizes: Vec<usize> = got.iter().map(|got| got.body.len()).collect();
    assert_eq!(sizes, [MAX, MAX]);

    // PHP hears nothing of one that announces too much, and never the end of one that sends it.
    let answer = send(Method::POST, &url, &[], vec![b'x'; MAX + 1]).await;
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (413, "the message is too large\n")
    );
    let answer = raw(app.address(), &chunked(&[MAX, 1])).await.unwrap();
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (413, "the message is too large\n")
    );
    assert_eq!(php.got().len(), 2);
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
