//! How it starts and ends: signals, kills, and what the service manager is told.

use std::os::unix::net::UnixDatagram;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mysql_async::Conn;
use mysql_async::prelude::Queryable as _;

use super::{RUN, comments, with_sent_run};

use crate::support::database::{TestDb, fresh};
use crate::support::process::{LIMIT, Sidecar, ask, url};
use crate::support::until::until_waiting;

/// Holds the table of log lines, so that whoever writes one waits.
async fn hold(db: &TestDb) -> Conn {
    let mut conn = db.conn().await;
    conn.query_drop("LOCK TABLES glpi_plugin_fusioninventory_taskjoblogs WRITE")
        .await
        .unwrap();
    conn
}

#[tokio::test(flavor = "multi_thread")]
async fn it_starts_answers_and_stops() {
    let db = with_sent_run().await;
    let mut sidecar = Sidecar::on(&db, &[]);
    assert_eq!(sidecar.get("/sidecar/health"), (200, "ok\n".to_owned()));
    assert_eq!(sidecar.get("/sidecar/ready"), (200, "ready\n".to_owned()));
    assert_eq!(sidecar.get(&format!("{RUN}hello")), (200, "{}".to_owned()));
    let (status, metrics) = sidecar.get("/sidecar/metrics");
    assert_eq!(status, 200);
    assert!(
        metrics
            .contains("fusion_sidecar_requests_total{route=\"/sidecar/health\",status=\"200\"} 1"),
        "{metrics}"
    );
    sidecar.signal("INT");
    assert_eq!(sidecar.ended().0.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_finishes_the_running_request() {
    let db = with_sent_run().await;
    let mut sidecar = Sidecar::on(&db, &[]);
    let mut held = hold(&db).await;
    let address = sidecar.address;
    let request = std::thread::spawn(move || ask(address, "GET", &format!("{RUN}late"), ""));
    until_waiting(&db, "add_lines").await;

    sidecar.signal("TERM");
    sidecar.line("a second signal stops at once");
    let refused_by = Instant::now() + LIMIT;
    while ask(address, "GET", "/sidecar/health", "").is_ok() {
        assert!(Instant::now() < refused_by, "new requests are still taken");
    }
    assert!(!request.is_finished());
    held.query_drop("UNLOCK TABLES").await.unwrap();

    assert_eq!(request.join().unwrap().unwrap(), (200, "{}".to_owned()));
    assert_eq!(sidecar.ended().0.code(), Some(0));
    assert_eq!(comments(&db).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_stops_at_once() {
    let db = with_sent_run().await;
    let mut sidecar = Sidecar::on(
        &db,
        &["--shutdown-grace", "600", "--database-timeout", "600"],
    );
    let held = hold(&db).await;
    let address = sidecar.address;
    let request = std::thread::spawn(move || ask(address, "GET", &format!("{RUN}late"), ""));
    until_waiting(&db, "add_lines").await;

    sidecar.signal("TERM");
    sidecar.line("a second signal stops at once");
    let begun = Instant::now();
    sidecar.signal("TERM");
    let (status, log) = sidecar.ended();
    assert_eq!(status.code(), Some(0), "{}", log.join("\n"));
    let took = begun.elapsed();
    assert!(
        took < Duration::from_secs(8),
        "{took:?}, as long as the database may take"
    );
    // The connection breaks, or the refusal was still on its way; in no case was it taken.
    match request.join().unwrap() {
        Err(_) | Ok((503, _)) => {}
        acknowledged => panic!("{acknowledged:?}"),
    }
    held.disconnect().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_outlives_a_kill() {
    const ENOUGH: usize = 200;
    let db = with_sent_run().await;
    let mut sidecar = Sidecar::on(&db, &[]);
    let address = sidecar.address;
    let acknowledged: Arc<Mutex<Vec<String>>> = Arc::default();
    let over = Arc::new(AtomicBool::new(false));
    let agents: Vec<_> = (0..4)
        .map(|agent| {
            let (acknowledged, over) = (Arc::clone(&acknowledged), Arc::clone(&over));
            std::thread::spawn(move || {
                for number in 0..100_000 {
                    let text = format!("report-{agent}-{number}");
                    match ask(address, "GET", &format!("{RUN}{text}"), "") {
                        Ok((200, _)) => acknowledged.lock().unwrap().push(text),
                        _ if over.load(Ordering::SeqCst) => return,
                        other => panic!("{other:?}"),
                    }
                }
            })
        })
        .collect();
    let begun = Instant::now();
    while acknowledged.lock().unwrap().len() < ENOUGH {
        assert!(begun.elapsed() < LIMIT && agents.iter().all(|agent| !agent.is_finished()));
        std::thread::sleep(Duration::from_millis(1));
    }
    over.store(true, Ordering::SeqCst);
    sidecar.signal("KILL");
    assert_eq!(sidecar.ended().0.code(), None);
    for agent in agents {
        agent.join().unwrap();
    }

    let written = comments(&db).await;
    let acknowledged = acknowledged.lock().unwrap();
    let lost: Vec<&String> = acknowledged
        .iter()
        .filter(|text| !written.iter().any(|line| line.ends_with(text.as_str())))
        .collect();
    assert!(lost.is_empty(), "{} lost: {lost:?}", lost.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_manager_is_told() {
    let db = fresh().await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    let next = || {
        let mut buffer = [0; 256];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    };
    let mut sidecar = Sidecar::serve(
        &["--scheduler", "off"],
        &[
            ("FUSION_SIDECAR_DATABASE_URL", &url(&db)),
            ("NOTIFY_SOCKET", path.to_str().unwrap()),
            ("WATCHDOG_USEC", "200000"),
        ],
    );
    // The watchdog is fed from the beginning on, before and after.
    let mut seen = Vec::new();
    let mut until = |word: &str| {
        for _ in 0..1000 {
            seen.push(next());
            if seen.last().is_some_and(|said| said.trim() == word) {
                return;
            }
        }
        panic!("{word} was not said: {seen:?}");
    };
    until("READY=1");
    until("WATCHDOG=1");
    sidecar.signal("TERM");
    until("STOPPING=1");
    assert_eq!(sidecar.ended().0.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_files_as_may_be_are_open_and_too_few_are_told() {
    let db = fresh().await;
    let warning = |log: &[String]| log.iter().any(|line| line.contains("limit of open files"));
    let enough = Sidecar::within((300, 2000), &db, &["--max-connections", "1528"]);
    assert_eq!(enough.files(), 2000);
    assert!(!warning(&enough.log()), "{:?}", enough.log());
    let mut few = Sidecar::within((300, 2000), &db, &["--max-connections", "1529"]);
    assert_eq!(few.files(), 2000);
    let line = few.line("limit of open files");
    assert!(line.contains("limit=2000 needed=2001"), "{line}");
}
