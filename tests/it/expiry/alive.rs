//! What keeps a run alive whose agent says nothing of it.

use axum::http::Method;
use fusion_sidecar::proto::envelope::Coding;

use super::site;
use crate::support::agent::send;
use crate::support::app::TestApp;
use crate::support::network::RANGE;
use crate::support::php::FakePhp;
use crate::support::site::office;
use crate::support::until::until;

/// The client as a trusted proxy names it.
const CLIENT: &str = "x-forwarded-for";

/// Requests of one agent, from an address.
async fn get(app: &TestApp, from: &str, path: &str) -> u16 {
    let url = format!("{}{path}", app.base_url());
    send(Method::GET, &url, &[(CLIENT, from)], vec![])
        .await
        .status
}

async fn jobs(app: &TestApp, agent: u32, from: &str) {
    let path = format!("/b/deploy/?action=getJobs&machineid=wks-{agent}&version=2.8");
    assert_eq!(get(app, from, &path).await, 200);
}

/// When parts were fetched, by address.
async fn downloads(app: &TestApp) -> Vec<(String, String)> {
    app.db
        .ask("SELECT address, CAST(fetched_at AS CHAR) FROM {p}sidecar_downloads ORDER BY address")
        .await
}

/// The agent works off three runs, one after the other; another one has an answer of its own.
#[tokio::test]
async fn a_report_on_one_run_of_an_answer_keeps_the_others() {
    let app = site(|_| {}).await;
    app.db.job(3, "deployinstall", super::PACKAGE, &[1]).await;
    for (run, agent) in [(1, 1), (2, 1), (3, 1), (4, 2)] {
        let job = if agent == 1 {
            u32::try_from(run).unwrap()
        } else {
            2
        };
        app.db.run_of(run, job, agent, 0).await;
    }
    assert_eq!(app.handed_out("wks-1").await, ["run-1", "run-2", "run-3"]);
    assert_eq!(app.handed_out("wks-2").await, ["run-4"]);
    app.pass_minutes(119);
    app.report(1, 1, "").await;
    app.pass_minutes(2);
    assert_eq!(app.expire().await, 1);
    assert_eq!(app.db.states().await, [2, 1, 1, 4]);
    // The end of a run is a message too.
    app.pass_minutes(100);
    app.report(1, 1, "ok").await;
    app.pass_minutes(119);
    assert_eq!(app.expire().await, 0);
    // A second word on what is over is one as well.
    app.report(1, 1, "ok").await;
    app.pass_minutes(120);
    assert_eq!(app.expire().await, 0);
    app.tick();
    assert_eq!(app.expire().await, 2);
    assert_eq!(app.db.states().await, [3, 4, 4, 4]);
}

/// Of two answers to one agent each has its own clock.
#[tokio::test]
async fn another_answer_keeps_nothing() {
    let app = site(|_| {}).await;
    app.db.run(1, 1, 0).await;
    app.jobs("wks-1").await;
    app.report(1, 1, "").await;
    app.pass_minutes(100);
    app.db.run_of(2, 2, 1, 0).await;
    assert_eq!(app.handed_out("wks-1").await, ["run-2"]);
    app.pass_minutes(10);
    app.report(1, 2, "").await;
    app.pass_minutes(11);
    assert_eq!(app.expire().await, 1);
    assert_eq!(app.db.states().await, [4, 2]);
}

/// Being sent again begins anew.
#[tokio::test]
async fn a_run_that_is_sent_again_has_time_again() {
    let app = site(|_| {}).await;
    app.db.run(1, 1, 0).await;
    app.jobs("wks-1").await;
    app.pass_minutes(100);
    assert_eq!(app.handed_out("wks-1").await, ["run-1"]);
    app.pass_minutes(120);
    assert_eq!(app.expire().await, 0);
    app.tick();
    assert_eq!(app.expire().await, 1);
}

/// A long download is silent; whoever fetches parts does not say who it is.
#[tokio::test]
async fn a_file_part_that_is_fetched_keeps_the_runs_of_its_address() {
    let app = site(|settings| {
        settings.server.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    })
    .await;
    let part = "ab".repeat(64);
    let folder = app.files().join("repository/a/ab");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(&part), "part").unwrap();
    let part = format!("/b/deploy/?action=getFilePart&file=a/ab/{part}");
    let missing = part.replace("a/ab/ab", "c/cd/cd");

    app.db.run_of(1, 2, 1, 0).await;
    app.db.run_of(2, 2, 2, 0).await;
    jobs(&app, 1, "192.0.2.1").await;
    jobs(&app, 2, "2001:db8::2").await;
    app.pass_minutes(90);
    assert_eq!(get(&app, "192.0.2.1", &part).await, 200);
    assert_eq!(get(&app, "192.0.2.9", &part).await, 200);
    // Whoever asks for what there is not downloads nothing.
    assert_eq!(get(&app, "2001:db8::2", &missing).await, 404);
    until("the downloads are noted", async || {
        downloads(&app).await.len() == 2
    })
    .await;
    app.pass_minutes(31);
    assert_eq!(app.expire().await, 1);
    assert_eq!(app.db.states().await, [1, 4]);
    assert_eq!(
        downloads(&app).await,
        ["192.0.2.1", "192.0.2.9"]
            .map(|address| (address.to_owned(), "2026-03-04 13:30:00".to_owned()))
    );

    // Part after part.
    assert_eq!(get(&app, "192.0.2.1", &part).await, 200);
    until("the download is noted", async || {
        downloads(&app).await[0].1 == "2026-03-04 14:01:00"
    })
    .await;
    app.pass_minutes(120);
    assert_eq!(app.expire().await, 0);
    app.tick();
    assert_eq!(app.expire().await, 1);
}

/// What PHP is handed is a word of the agent all the same.
#[tokio::test]
async fn a_message_for_php_keeps_the_other_runs_of_the_answer() {
    let php = FakePhp::start().await;
    let app = crate::support::app::start(|settings| {
        settings.upstream_url = Some(php.url.clone());
    })
    .await;
    office(&app.db).await;
    for job in [2, 3] {
        app.db.job(job, "networkdiscovery", RANGE, &[1]).await;
        app.db.run_on(job.into(), job, RANGE, 1).await;
    }
    app.db
        .set("INSERT INTO {p}ipranges (id, name, entities_id, ip_start, ip_end) VALUES (1, 'lab', 0, '192.0.2.1', '192.0.2.9')")
        .await;
    app.prolog("wks-1").await;
    assert_eq!(app.db.states().await, [1, 1]);
    app.pass_minutes(90);
    let message = "<REQUEST><DEVICEID>wks-1</DEVICEID><QUERY>NETDISCOVERY</QUERY>\
         <CONTENT><AGENT><START>1</START></AGENT><PROCESSNUMBER>2</PROCESSNUMBER></CONTENT></REQUEST>";
    assert_eq!(app.post(message, Coding::Zlib).await.status, 200);
    assert_eq!(php.got().len(), 1);
    until("the message is noted", async || {
        let heard: Vec<String> = app
            .db
            .ask("SELECT CAST(heard_at AS CHAR) FROM {p}sidecar_answers")
            .await;
        heard == ["2026-03-04 13:30:00"]
    })
    .await;
    app.pass_minutes(120);
    assert_eq!(app.expire().await, 0);
    app.tick();
    assert_eq!(app.expire().await, 2);
}

/// Runs 1 and 2 have messages in spools, the one of which was heard of lately, the other not for a week. Nobody here has a spool.
#[tokio::test]
async fn a_spool_that_is_gone_keeps_no_run() {
    let app = site(|_| {}).await;
    for (run, job) in [(1, 1), (2, 2)] {
        app.db.run_of(run, job, 1, 0).await;
    }
    assert_eq!(app.handed_out("wks-1").await, ["run-1", "run-2"]);
    app.db
        .set(
            "INSERT INTO {p}sidecar_spooled VALUES (1, 'alive', 1, UTC_TIMESTAMP(6) - INTERVAL 6 DAY), (2, 'gone', 1, UTC_TIMESTAMP(6) - INTERVAL 8 DAY)",
        )
        .await;
    app.pass_minutes(121);
    assert_eq!(app.expire().await, 1);
    assert_eq!(app.db.states().await, [1, 4]);
    let noted: Vec<u64> = app
        .db
        .ask("SELECT {f}taskjobstates_id FROM {p}sidecar_spooled")
        .await;
    assert_eq!(noted, [1]);
}
