//! Many at once: each run goes out once, each agent has one row, nothing acknowledged is lost, nobody holds up the others.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use fusion_sidecar::domain::policy::Policy;
use fusion_sidecar::lifecycle::descriptors;
use futures_util::future::{join, join_all};
use mysql_async::prelude::Queryable as _;
use rstest::rstest;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::support::app::{self, TestApp};
use crate::support::database;
use crate::support::fleet::{self, EMPTY, lines, state};
use crate::support::process::Sidecar;
use crate::support::site::expand;
use crate::support::until::{until, until_waiting};
use crate::support::wire::{Answer, DEPLOY, MAIN, get, post, prolog, request};

const STATES: &str = "glpi_plugin_fusioninventory_taskjobstates";

async fn stocked(policy: Policy, agents: u32, packages: u32) -> TestApp {
    let app = app::start(|settings| settings.dispatch.policy = policy).await;
    app.db.exec(&fleet::agents(agents)).await;
    let all: Vec<u32> = (1..=agents).collect();
    for id in 1..=packages {
        app.db.exec(&fleet::package(id, EMPTY, &all)).await;
    }
    app
}

fn jobs(agent: u32) -> String {
    format!("{DEPLOY}?action=getJobs&machineid=wks-{agent}&version=2.8")
}

fn report(agent: u32, rest: &str) -> String {
    format!("{DEPLOY}?action=setStatus&machineid=wks-{agent}&uuid=run-1-{agent}&{rest}")
}

async fn hello(address: SocketAddr, device: &str) -> Answer {
    post(address, "application/xml", prolog(device).as_bytes()).await
}

fn delivered(answers: &[Answer]) -> HashMap<String, u32> {
    let mut counts = HashMap::new();
    for answer in answers {
        assert_eq!(answer.status, 200, "{answer:?}");
        for job in answer.json()["jobs"].as_array().into_iter().flatten() {
            *counts
                .entry(job["uuid"].as_str().unwrap().to_owned())
                .or_default() += 1;
        }
    }
    counts
}

/// Fifty requests of one agent at two sidecars.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_run_goes_out_as_often_as_it_was_claimed(
    #[values(Policy::Plugin, Policy::Redux)] policy: Policy,
) {
    let app = stocked(policy, 1, 5).await;
    let second = app.another(|_| {}).await;
    let target = jobs(1);
    let addresses = [app.address(), second.address];
    let answers = join_all((0..50).map(|index| get(addresses[index % 2], &target))).await;
    let counts = delivered(&answers);
    assert_eq!(counts.len(), 5, "{counts:?}");
    if policy == Policy::Plugin {
        assert!(counts.values().all(|count| *count == 1), "{counts:?}");
    } else {
        let sends: Vec<(String, u32)> = app
            .db
            .rows(&format!(
                "SELECT r.uniqid, s.sends FROM {STATES} r JOIN glpi_plugin_fusioninventory_sidecar_runs s
                 ON s.plugin_fusioninventory_taskjobstates_id = r.id"
            ))
            .await;
        assert_eq!(counts, sends.into_iter().collect());
        assert!(
            counts.values().all(|count| (1..=3).contains(count)),
            "{counts:?}"
        );
    }
    for id in 1..=5 {
        let uniqid = format!("run-{id}-1");
        let said: Vec<u32> = lines(&app.db, &uniqid)
            .await
            .iter()
            .map(|(state, _)| *state)
            .collect();
        let ends = said.iter().filter(|state| **state == 4).count();
        // Asked for once more than it may go out, it is in error, and says so once.
        assert!(ends <= 1, "{uniqid}: {said:?}");
        assert_eq!(
            state(&app.db, &uniqid).await == 4,
            ends == 1,
            "{uniqid}: {said:?}"
        );
    }
    second.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_first_contacts_make_one_agent() {
    let app = stocked(Policy::Redux, 1, 0).await;
    let second = app.another(|_| {}).await;
    let addresses = [app.address(), second.address];
    // The table compares without case.
    let names = ["new-device", "New-Device", "NEW-DEVICE"];
    let answers =
        join_all((0..100).map(|index| hello(addresses[index % 2], names[index % 3]))).await;
    for answer in answers {
        assert!(
            answer.status == 200 && answer.body.contains("<PROLOG_FREQ>"),
            "{answer:?}"
        );
    }
    let count: Vec<u32> = app
        .db
        .rows("SELECT COUNT(*) FROM glpi_plugin_fusioninventory_agents WHERE device_id = 'new-device'")
        .await;
    assert_eq!(count, [1]);
    second.stop().await.unwrap();
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn preparation_at_two_sidecars_makes_each_run_once(
    #[values(Policy::Plugin, Policy::Redux)] policy: Policy,
) {
    let app = stocked(policy, 60, 3).await;
    app.db.exec(&format!("DELETE FROM {STATES}")).await;
    let second = app.another(|_| {}).await;
    for _ in 0..2 {
        let (one, two) = join(app.prepare(), app.prepare_at(&second)).await;
        one.unwrap();
        two.unwrap();
    }
    let runs: Vec<(u32, u32)> = app
        .db
        .rows(&format!(
            "SELECT COUNT(*), COUNT(DISTINCT plugin_fusioninventory_taskjobs_id, plugin_fusioninventory_agents_id) FROM {STATES}"
        ))
        .await;
    assert_eq!(runs, [(180, 180)]);
    let said: Vec<u32> = app
        .db
        .rows("SELECT COUNT(*) FROM glpi_plugin_fusioninventory_taskjoblogs WHERE state = 7")
        .await;
    assert_eq!(said, [180]);
    second.stop().await.unwrap();
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn success_and_failure_racing_leave_one_end(
    #[values(Policy::Plugin, Policy::Redux)] policy: Policy,
) {
    let app = stocked(policy, 20, 1).await;
    let second = app.another(|_| {}).await;
    let ask: Vec<String> = (1..=20).map(jobs).collect();
    delivered(&join_all(ask.iter().map(|target| get(app.address(), target))).await);
    let ends: Vec<(SocketAddr, String)> = (1..=20)
        .flat_map(|agent| {
            [
                (
                    app.address(),
                    report(agent, "status=ok&msg=job+successfully+completed"),
                ),
                (second.address, report(agent, "status=ko&msg=failed")),
            ]
        })
        .collect();
    for answer in join_all(ends.iter().map(|(address, target)| get(*address, target))).await {
        assert_eq!((answer.status, answer.body.as_str()), (200, "{}"));
    }
    for agent in 1..=20 {
        let uniqid = format!("run-1-{agent}");
        let said: Vec<u32> = lines(&app.db, &uniqid)
            .await
            .iter()
            .map(|(state, _)| *state)
            .collect();
        let mut ends: Vec<u32> = said
            .iter()
            .copied()
            .filter(|state| [2, 4].contains(state))
            .collect();
        let expected = match (policy, ends.last()) {
            // A success is final, whichever came first.
            (Policy::Redux, _) | (_, Some(2)) => 3,
            _ => 4,
        };
        assert_eq!(
            state(&app.db, &uniqid).await,
            expected,
            "{uniqid}: {said:?}"
        );
        ends.sort_unstable();
        assert_eq!(ends, [2, 4], "{uniqid}: {said:?}");
    }
    second.stop().await.unwrap();
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_reports_at_once_are_all_kept(
    #[values(Policy::Plugin, Policy::Redux)] policy: Policy,
) {
    let app = stocked(policy, 1, 1).await;
    delivered(&[get(app.address(), &jobs(1)).await]);
    let sent = lines(&app.db, "run-1-1").await.len();
    let targets: Vec<String> = (0..200)
        .map(|index| report(1, &format!("status=ok&msg=m{index:03}")))
        .collect();
    for answer in join_all(targets.iter().map(|target| get(app.address(), target))).await {
        assert_eq!((answer.status, answer.body.as_str()), (200, "{}"));
    }
    let mut said: Vec<String> = lines(&app.db, "run-1-1")
        .await
        .split_off(sent)
        .into_iter()
        .map(|(_, text)| text)
        .collect();
    said.sort_unstable();
    assert_eq!(
        said,
        (0..200)
            .map(|index| format!("m{index:03}"))
            .collect::<Vec<_>>()
    );
    assert_eq!(
        state(&app.db, "run-1-1").await,
        if policy == Policy::Redux { 2 } else { 1 }
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses_and_keeps_what_it_took() {
    let app = app::start(|settings| {
        settings.dispatch.write_queue = 2;
        settings.dispatch.catalogue_refresh = Duration::from_mins(1);
    })
    .await;
    app.db.exec(&fleet::agents(2)).await;
    app.db.exec(&fleet::package(1, EMPTY, &[1, 2])).await;
    let address = app.address();
    // Keeps the writer waiting while the queue fills.
    let mut holder = app.db.conn().await;
    holder
        .query_drop(expand("LOCK TABLES {p}taskjoblogs WRITE"))
        .await
        .unwrap();
    let first = report(1, "status=ok&msg=first");
    let targets: Vec<String> = (0..60)
        .map(|index| report(2, &format!("status=ok&msg=m{index}")))
        .collect();
    let (first, answers) = join(get(address, &first), async {
        until_waiting(&app.db, "add_lines").await;
        let asking = join_all(targets.iter().map(|target| get(address, target)));
        let (answers, ()) = join(asking, async {
            // Those that are refused need not wait.
            tokio::time::sleep(Duration::from_secs(1)).await;
            holder.query_drop("UNLOCK TABLES").await.unwrap();
        })
        .await;
        answers
    })
    .await;
    let (taken, refused): (Vec<_>, Vec<_>) =
        answers.iter().partition(|answer| answer.status == 200);
    assert!(
        !taken.is_empty() && !refused.is_empty(),
        "{} taken",
        taken.len()
    );
    for answer in &refused {
        assert_eq!(
            (
                answer.status,
                answer.body.as_str(),
                answer.header("retry-after")
            ),
            (503, "{}", Some("60"))
        );
    }
    assert_eq!(lines(&app.db, "run-1-2").await.len(), taken.len());
    assert_eq!(first.status, 200);
    assert_eq!(lines(&app.db, "run-1-1").await.len(), 1);
    holder.disconnect().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_do_not_hold_the_others() {
    let app = stocked(Policy::Redux, 1, 1).await;
    let hash = "ab".repeat(64);
    let folder = app.files().join("repository/a/ab");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::File::create(folder.join(&hash))
        .unwrap()
        .set_len(64 << 20)
        .unwrap();
    let mut slow = Vec::new();
    for index in 0..200 {
        let mut stream = TcpStream::connect(app.address()).await.unwrap();
        let sent = match index % 3 {
            0 => format!("POST {MAIN} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n<REQ"),
            1 => format!("GET {MAIN}?act"),
            // Never reads what it asked for.
            _ => format!(
                "GET {DEPLOY}?action=getFilePart&file=a/ab/{hash} HTTP/1.1\r\nHost: x\r\n\r\n"
            ),
        };
        stream.write_all(sent.as_bytes()).await.unwrap();
        slow.push(stream);
    }
    let begun = Instant::now();
    for _ in 0..20 {
        assert_eq!(hello(app.address(), "wks-1").await.status, 200);
    }
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
}

/// The agent went away before it read the answer: its run is not lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_amid_get_jobs_gets_them_again() {
    let app = stocked(Policy::Redux, 1, 1).await;
    for delay in [0, 1, 3] {
        app.db
            .exec(&format!("UPDATE {STATES} SET state = 0; DELETE FROM glpi_plugin_fusioninventory_sidecar_runs"))
            .await;
        let mut stream = TcpStream::connect(app.address()).await.unwrap();
        stream
            .write_all(&request("GET", &jobs(1), &[], b""))
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_millis(delay)).await;
        drop(stream);
        let answer = get(app.address(), &jobs(1)).await;
        let counts = delivered(std::slice::from_ref(&answer));
        // Both asked at the same moment: one of them got it, and the next request gets it again.
        if counts.is_empty() {
            assert_eq!(delivered(&[get(app.address(), &jobs(1)).await]).len(), 1);
        }
        assert_eq!(state(&app.db, "run-1-1").await, 1);
    }
    // And the certain case: handed out and committed, and never read.
    app.db
        .exec(&format!(
            "UPDATE {STATES} SET state = 0; DELETE FROM glpi_plugin_fusioninventory_sidecar_runs"
        ))
        .await;
    let mut stream = TcpStream::connect(app.address()).await.unwrap();
    stream
        .write_all(&request("GET", &jobs(1), &[], b""))
        .await
        .unwrap();
    until("the run is sent", async || {
        state(&app.db, "run-1-1").await == 1
    })
    .await;
    drop(stream);
    assert_eq!(delivered(&[get(app.address(), &jobs(1)).await]).len(), 1);
}

/// Descriptors that this process may have open.
fn most_descriptors() -> usize {
    descriptors::raise().map_or(usize::MAX, |most| usize::try_from(most).unwrap())
}

/// Half of them say nothing, half begin a head. With fewer descriptors than that takes, as many as there are, but never below 4,000.
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_idle_connections_leave_room_for_a_prolog() {
    let count = (most_descriptors().saturating_sub(500)).min(10_000);
    assert!(
        count >= 4_000,
        "only {count} connections can be opened: raise the limit of open files"
    );
    let db = database::fresh().await;
    let server = Sidecar::on(&db, &["--header-timeout", "300"]);
    assert_eq!(hello(server.address, "wks-1").await.status, 200);
    let before = server.peak();
    let mut idle = Vec::with_capacity(count);
    while idle.len() < count {
        // As many as the listener surely has room for, whatever its backlog.
        let some = (0..100.min(count - idle.len())).map(async |index| {
            let mut stream = TcpStream::connect(server.address).await.unwrap();
            if index % 2 == 0 {
                stream
                    .write_all(b"POST / HTTP/1.1\r\nHost: x\r\nX: ")
                    .await
                    .unwrap();
            }
            stream
        });
        idle.extend(join_all(some).await);
    }
    let begun = Instant::now();
    let answer = hello(server.address, "wks-1").await;
    let took = begun.elapsed();
    assert_eq!(answer.status, 200);
    assert!(took < Duration::from_secs(1), "{took:?}");
    let each = (server.peak() - before) * 1024 / count as u64;
    // Of a debug build, whose futures are large; half of the connections have a buffer with the beginning of a head.
    assert!(each < 40 * 1024, "{each} bytes for each idle connection");
    // They are still there: nobody was sent away for it.
    let mut first = idle.swap_remove(0);
    first
        .write_all(b"y\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        .await
        .unwrap();
    let answer = crate::support::wire::rest(&mut first).await.unwrap();
    assert_eq!(answer.status, 200);
}
