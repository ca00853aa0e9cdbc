//! What `check` says of the listener for those who watch the sidecar, and of open files.

use std::net::{Ipv4Addr, SocketAddr};

use fusion_sidecar::check::Severity;
use tokio::net::TcpListener;

use super::{Site, assert_errors, assert_says, lines};
use crate::support::app;
use crate::support::listen::free;

#[tokio::test(flavor = "multi_thread")]
async fn the_listener_of_operators_is_looked_at() {
    let mut site = Site::new().await;
    let report = site.check().await;
    assert!(!report.to_string().contains("ops-listen"), "{report}");

    let ops = free();
    site.settings.server.ops_listen = Some(ops);
    let report = site.check().await;
    assert_errors(&report, &[]);
    assert_says(
        &report,
        &format!("ok: ops-listen: {ops} is free, and reached from this machine only"),
    );

    let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, free().port()));
    site.settings.server.ops_listen = Some(any);
    let report = site.check().await;
    assert_errors(&report, &[]);
    assert_eq!(lines(&report, "warning").len(), 1, "{report}");
    assert_says(
        &report,
        &format!("warning: ops-listen: {any} is free, and everybody"),
    );

    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    site.settings.server.ops_listen = Some(address);
    drop(taken);
    let running = app::start(|settings| settings.server.listen = address).await;
    let report = site.check().await;
    assert_says(
        &report,
        &format!("ok: ops-listen: a sidecar answers on {address}"),
    );
    drop(running);

    site.settings.server.ops_listen = Some(([192, 0, 2, 77], 9086).into());
    let report = site.check().await;
    assert_says(
        &report,
        "error: ops-listen: cannot listen on 192.0.2.77:9086: ",
    );
    assert!(report.to_string().contains("with --ops-listen"), "{report}");

    let port = site.settings.server.listen.port();
    site.settings.server.ops_listen = Some((Ipv4Addr::UNSPECIFIED, port).into());
    let report = site.check().await;
    assert_says(
        &report,
        &format!("error: ops-listen: 0.0.0.0:{port} is taken by --listen 127.0.0.1:{port}"),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn another_program_there_is_told() {
    let mut site = Site::new().await;
    let other = crate::support::listen::serving(axum::Router::new()).await;
    site.settings.server.ops_listen = Some(other);
    let report = site.check().await;
    assert_says(
        &report,
        &format!("error: ops-listen: another program listens on {other}"),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn more_connections_than_files_are_a_warning() {
    let mut site = Site::new().await;
    let report = site.check().await;
    // 100 connections, 16 to the database, 200 questions to agents, and the reserve.
    assert_says(&report, "ok: files: 572 files may be open at once");
    site.settings.server.max_connections = usize::MAX;
    let report = site.check().await;
    let files = report.0.iter().find(|finding| finding.topic == "files");
    let files = files.unwrap();
    assert_eq!(files.severity, Severity::Warning, "{report}");
    assert!(files.mend.contains("LimitNOFILE"), "{report}");
}
