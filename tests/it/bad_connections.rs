//! Connections, heads and sizes that nobody should send: refused, with little memory, and nobody else notices.

use flate2::{Compress, Compression, FlushCompress};
use fusion_sidecar::domain::policy::Policy;
use fusion_sidecar::proto::envelope::{Coding, seal};
use futures_util::future::join_all;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::bad_input::{ANY, GZIP, XML, ZLIB, query, stocked};
use crate::support::app;
use crate::support::database;
use crate::support::fleet::sums;
use crate::support::process::Sidecar;
use crate::support::wire::{MAIN, post, prolog, raw, request, rest};

#[tokio::test]
async fn heads_that_are_none() {
    let app = stocked(Policy::Redux).await;
    let before = sums(&app.db).await;
    let address = app.address();
    let config = query("action=getConfig&machineid=wks-1&task[Deploy]=2.8");
    // A huge header, rubbish instead of a request line, a body of two lengths: refused, and nothing is read on.
    let huge = request("GET", &config, &[("X-Huge", &"x".repeat(200_000))], b"");
    assert_eq!(raw(address, &huge).await.unwrap().status, 431);
    for bytes in [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".as_slice(),
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nBad Header: x\r\n\r\n",
    ] {
        let answer = raw(address, bytes).await;
        assert!(
            answer.as_ref().is_none_or(|answer| answer.status >= 400),
            "{answer:?}"
        );
    }
    assert_eq!(before, sums(&app.db).await);
    // HTTP/1.0, as an old monitoring script speaks it.
    let answer = raw(address, format!("GET {config} HTTP/1.0\r\n\r\n").as_bytes())
        .await
        .unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(
        answer.json()["schedule"][0]["remote"],
        "http://glpi.example.com/plugins/fusioninventory/b/deploy/"
    );
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let app = stocked(Policy::Redux).await;
    let config = query("action=getConfig&machineid=wks-1&task[Deploy]=2.8");
    let unknown = query("action=getConfig&machineid=nobody");
    let bytes = format!(
        "GET {config} HTTP/1.1\r\nHost: x\r\n\r\nGET {unknown} HTTP/1.1\r\nHost: x\r\n\r\nGET {config} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    );
    let answer = raw(app.address(), bytes.as_bytes()).await.unwrap();
    let all = format!("{}\r\n\r\n{}", answer.head, answer.body);
    let statuses: Vec<&str> = all
        .match_indices("HTTP/1.1 ")
        .map(|(at, _)| &all[at + 9..at + 12])
        .collect();
    assert_eq!(statuses, ["200", "400", "200"], "{all}");
}

/// Addresses handed out to agents are never made from what a stranger says.
#[tokio::test]
async fn a_host_header_does_not_reach_addresses() {
    let app = stocked(Policy::Redux).await;
    app.db
        .exec("UPDATE glpi_plugin_fusioninventory_entities SET agent_base_url = ''")
        .await;
    let config = query("action=getConfig&machineid=wks-1&task[Deploy]=2.8");
    let ask = async |hosts: &str| {
        let bytes = format!("GET {config} HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n");
        raw(app.address(), bytes.as_bytes()).await
    };
    let plain = ask("Host: glpi.example.com:8080\r\n").await.unwrap();
    assert_eq!(
        plain.json()["schedule"][0]["remote"],
        "http://glpi.example.com:8080/plugins/fusioninventory/b/deploy/"
    );
    for hosts in [
        "Host: evil.example.com/x?\r\n",
        "Host: user@evil.example.com\r\n",
        "Host: evil.example.com\"><script>\r\n",
        "Host: evil.example.com x\r\n",
        "Host: \u{e9}vil.example.com\r\n",
        "Host:\r\n",
        "",
    ] {
        let answer = ask(hosts).await;
        assert!(
            answer
                .as_ref()
                .is_none_or(|answer| answer.status == 400 && !answer.body.contains("evil")),
            "{hosts}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn https_is_believed_only_of_trusted_proxies() {
    for (trusted, said, told) in [
        (None, "https", "SSL REQUIRED BY SERVER"),
        (Some("192.0.2.0/24"), "https", "SSL REQUIRED BY SERVER"),
        (Some("127.0.0.0/8"), "http", "SSL REQUIRED BY SERVER"),
        (Some("127.0.0.0/8"), "https, http", "SSL REQUIRED BY SERVER"),
        (Some("127.0.0.0/8"), "rubbish", "SSL REQUIRED BY SERVER"),
        (Some("127.0.0.0/8"), "https", "<RESPONSE>SEND</RESPONSE>"),
    ] {
        let app = app::start(|settings| {
            settings.server.trusted_proxies = trusted
                .map(|net| net.parse().unwrap())
                .into_iter()
                .collect();
        })
        .await;
        app.db.exec("UPDATE glpi_plugin_fusioninventory_configs SET value = '1' WHERE type = 'ssl_only'").await;
        let before = sums(&app.db).await;
        let headers = [
            ("Content-Type", XML),
            ("X-Forwarded-Proto", said),
            ("X-Forwarded-For", "127.0.0.1"),
        ];
        let answer = raw(
            app.address(),
            &request("POST", MAIN, &headers, prolog("wks-1").as_bytes()),
        )
        .await
        .unwrap();
        assert_eq!(answer.status, 200);
        assert!(answer.body.contains(told), "{trusted:?} {said}: {answer:?}");
        assert_eq!(
            before == sums(&app.db).await,
            told.starts_with("SSL"),
            "{trusted:?} {said}"
        );
    }
}

#[tokio::test]
async fn slow_clients_are_sent_away() {
    let app = app::start(|settings| {
        settings.server.body_timeout = Duration::from_millis(300);
        settings.server.header_timeout = Duration::from_millis(300);
        settings.server.max_body = 1 << 20;
    })
    .await;
    let before = sums(&app.db).await;
    let head = format!("POST {MAIN} HTTP/1.1\r\nHost: x\r\nContent-Type: {ZLIB}\r\n");
    // A body in part, a chunked one without end, a head in part.
    for (sent, status) in [
        (format!("{head}Content-Length: 100\r\n\r\n<REQ"), Some(408)),
        (
            format!("{head}Transfer-Encoding: chunked\r\n\r\n4\r\n<REQ\r\n"),
            Some(408),
        ),
        (
            format!("{head}Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
            Some(400),
        ),
        (head.clone(), None),
    ] {
        let mut stream = TcpStream::connect(app.address()).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        let answer = rest(&mut stream).await;
        match status {
            Some(status) => {
                let answer = answer.unwrap_or_else(|| panic!("no answer to {sent:?}"));
                assert_eq!(answer.status, status, "{answer:?}");
                assert!(answer.body.contains("<ERROR>"), "{answer:?}");
            }
            None => assert!(answer.is_none_or(|answer| answer.status == 408), "{sent:?}"),
        }
    }
    // One that never stops: refused at the limit, not at the time-out.
    let mut stream = TcpStream::connect(app.address()).await.unwrap();
    stream
        .write_all(format!("{head}Transfer-Encoding: chunked\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let chunk = [b"10000\r\n".as_slice(), &vec![b'x'; 0x10000], b"\r\n"].concat();
    for _ in 0..40 {
        if stream.write_all(&chunk).await.is_err() {
            break;
        }
    }
    let answer = rest(&mut stream).await;
    assert!(
        answer.is_none_or(|answer| answer.status == 413),
        "sent without end"
    );
    assert_eq!(before, sums(&app.db).await);
    // The others never noticed.
    assert_eq!(
        post(app.address(), XML, prolog("wks-1").as_bytes())
            .await
            .status,
        200
    );
}

/// A MiB that inflates to a GiB, with the default limits, several times at once and in each coding.
#[tokio::test(flavor = "multi_thread")]
async fn a_bomb_is_refused_with_little_memory() {
    let db = database::fresh().await;
    let server = Sidecar::on(&db, &[]);
    assert_eq!(
        post(server.address, XML, prolog("wks-1").as_bytes())
            .await
            .status,
        200
    );
    let before = server.peak();
    // One block over and over; nobody gets as far as the checksum.
    let mut deflate = Compress::new(Compression::best(), false);
    let mut block = Vec::with_capacity(8192);
    deflate
        .compress_vec(&vec![0; 1 << 20], &mut block, FlushCompress::Full)
        .unwrap();
    let zeros = block.repeat(1024);
    let zlib = [b"x\x9c", zeros.as_slice()].concat();
    let gzip = [b"\x1f\x8b\x08\0\0\0\0\0\0\xff", zeros.as_slice()].concat();
    assert!(zeros.len() < 2 << 20, "{} bytes", zeros.len());
    let bombs = [(ZLIB, &zlib), (GZIP, &gzip), (ANY, &zlib), (ANY, &gzip)];
    for answer in join_all(
        bombs
            .iter()
            .map(|(kind, bomb)| post(server.address, kind, bomb)),
    )
    .await
    {
        assert_eq!(answer.status, 413, "{answer:?}");
        assert!(
            answer
                .body
                .contains("<ERROR>the message is too large</ERROR>"),
            "{answer:?}"
        );
    }
    let grown = (server.peak() - before) / 1024;
    assert!(grown < 40, "{grown} MiB");
}

/// Large messages that fit are unpacked a few at a time, however many come.
#[tokio::test(flavor = "multi_thread")]
async fn many_large_messages_take_the_memory_of_a_few() {
    const MIB: usize = 8;
    let db = database::fresh().await;
    let server = Sidecar::on(&db, &[]);
    let large = seal(&format!("</A>{}", "x".repeat(MIB << 20)), Coding::Zlib);
    assert_eq!(post(server.address, ZLIB, &large).await.status, 200);
    let before = server.peak();
    for answer in join_all((0..16).map(|_| post(server.address, ZLIB, &large))).await {
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.body.contains("XML not well formed!"), "{answer:?}");
    }
    let grown = (server.peak() - before) / 1024;
    assert!(grown < 8 * MIB as u64, "{grown} MiB");
}

/// Many clients that each hold back the end of a large body take no more memory than `max-bodies`; agents' everyday requests are answered
/// all the while, and large ones again once there is room.
#[tokio::test(flavor = "multi_thread")]
async fn all_bodies_together_are_bounded() {
    const SIZE: usize = 4 << 20;
    let db = database::fresh().await;
    let server = Sidecar::on(&db, &["--max-bodies", "16777216"]);
    let large = request("POST", MAIN, &[("Content-Type", XML)], &vec![b'x'; SIZE]);
    assert_eq!(raw(server.address, &large).await.unwrap().status, 200);
    let before = server.peak();
    // Four fit with all but their last byte; which ones is a matter of luck.
    let mut clients: FuturesUnordered<_> = (0..40)
        .map(|_| async {
            let mut stream = TcpStream::connect(server.address).await.unwrap();
            let _ = stream.write_all(&large[..large.len() - 1]).await;
            rest(&mut stream).await.unwrap()
        })
        .collect();
    for _ in 0..36 {
        let refused = clients.next().await.unwrap();
        assert_eq!(refused.status, 503, "{refused:?}");
        let head = refused.head.to_ascii_lowercase();
        assert!(head.contains("\r\nretry-after: "), "{refused:?}");
    }
    let everyday = post(server.address, XML, prolog("wks-1").as_bytes()).await;
    assert_eq!(everyday.status, 200, "{everyday:?}");
    let grown = (server.peak() - before) / 1024;
    assert!(grown < 40, "{grown} MiB");
    drop(clients);
    for _ in 0..100 {
        let again = raw(server.address, &large).await.unwrap();
        if again.status == 200 {
            return;
        }
        assert_eq!(again.status, 503, "{again:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("room that was given back is not there");
}
