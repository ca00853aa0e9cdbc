//! The database gone, hanging, coming back, and broken off in the middle of a request.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use fusion_sidecar::config::Settings;
use fusion_sidecar::domain::policy::Policy;
use futures_util::future::join_all;
use mysql_async::prelude::Queryable as _;
use rstest::rstest;

use crate::support::app::{self, TestApp};
use crate::support::cut::{Cut, Mode};
use crate::support::database;
use crate::support::fleet::{self, EMPTY, lines, state, sums};
use crate::support::listen;
use crate::support::process::run;
use crate::support::until::until;
use crate::support::wire::{Answer, DEPLOY, MAIN, get, post, prolog};

/// How long the sidecar waits for the database here.
const PATIENCE: Duration = Duration::from_millis(700);

/// How long an answer may take when the database hangs: a request whose own write waits behind a hanging one waits for both, which is 1.4 s.
const LONGEST: Duration = Duration::from_secs(2);

/// The statement, as it stands in a packet: session setups speak of `READ COMMITTED`.
const COMMIT: &str = "\u{3}COMMIT";

/// A sidecar that reaches its database through a proxy, with agents 1 to 3 and a prepared run of each.
async fn behind(configure: impl FnOnce(&mut Settings)) -> (Cut, TestApp) {
    let cut = Cut::start(database::socket()).await;
    let app = app::start(|settings| {
        cut.in_front_of(&mut settings.database);
        settings.database.timeout = PATIENCE;
        configure(settings);
    })
    .await;
    app.db.exec(&fleet::agents(3)).await;
    app.db.exec(&fleet::package(1, EMPTY, &[1, 2, 3])).await;
    (cut, app)
}

fn jobs(agent: u32) -> String {
    format!("{DEPLOY}?action=getJobs&machineid=wks-{agent}&version=2.8")
}

fn report(agent: u32, rest: &str) -> String {
    format!("{DEPLOY}?action=setStatus&machineid=wks-{agent}&uuid=run-1-{agent}&{rest}")
}

async fn hello(address: SocketAddr) -> Answer {
    post(address, "application/xml", prolog("wks-1").as_bytes()).await
}

/// Every kind of request says in its own dialect that it should be tried later.
async fn all_are_told_to_wait(app: &TestApp, within: Duration) {
    let address = app.address();
    for (target, body) in [
        (
            format!("{MAIN}?action=getConfig&machineid=wks-1&task[Deploy]=2.8"),
            "",
        ),
        (jobs(1), "{}"),
        (report(1, "status=ok&msg=x"), "{}"),
        (
            format!("{DEPLOY}?action=setUserEvent&machineid=wks-1&uuid=run-1-1&behavior=stop"),
            "{}",
        ),
    ] {
        let begun = Instant::now();
        let answer = get(address, &target).await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (503, body),
            "{target}"
        );
        assert_eq!(answer.header("retry-after"), Some("60"), "{target}");
        assert!(begun.elapsed() < within, "{target}: {:?}", begun.elapsed());
    }
    for device in ["wks-1", "wks-new"] {
        let begun = Instant::now();
        let answer = post(
            address,
            "application/x-compress-zlib",
            &zlib(&prolog(device)),
        )
        .await;
        assert_eq!(answer.status, 503, "{answer:?}");
        assert!(
            answer
                .body
                .contains("<ERROR>the database is not available</ERROR>"),
            "{answer:?}"
        );
        assert!(begun.elapsed() < within, "{device}: {:?}", begun.elapsed());
    }
    assert_eq!(get(address, "/sidecar/health").await.status, 200);
}

fn zlib(text: &str) -> Vec<u8> {
    use fusion_sidecar::proto::envelope::{Coding, seal};
    seal(text, Coding::Zlib)
}

#[rstest]
#[case::read_at_every_request(Duration::ZERO)]
#[case::read_before(Duration::from_mins(1))]
#[tokio::test(flavor = "multi_thread")]
async fn gone_and_back(#[case] catalogue_refresh: Duration) {
    let (cut, app) =
        behind(|settings| settings.dispatch.catalogue_refresh = catalogue_refresh).await;
    assert_eq!(hello(app.address()).await.status, 200);
    let before = sums(&app.db).await;
    cut.set(Mode::Cut);
    all_are_told_to_wait(&app, LONGEST).await;
    assert_eq!(before, sums(&app.db).await);
    assert_eq!(get(app.address(), "/sidecar/ready").await.status, 503);
    // Back: the very next request of each kind is answered.
    cut.set(Mode::Open);
    assert_eq!(hello(app.address()).await.status, 200);
    let answer = get(app.address(), &jobs(1)).await;
    assert_eq!(answer.json()["jobs"][0]["uuid"], "run-1-1", "{answer:?}");
    assert_eq!(
        get(app.address(), &report(1, "status=ok&msg=job+skipped"))
            .await
            .status,
        200
    );
    assert_eq!(state(&app.db, "run-1-1").await, 3);
}

#[rstest]
#[case::read_at_every_request(Duration::ZERO)]
#[case::read_before(Duration::from_mins(1))]
#[tokio::test(flavor = "multi_thread")]
async fn hanging_and_back(#[case] catalogue_refresh: Duration) {
    let (cut, app) =
        behind(|settings| settings.dispatch.catalogue_refresh = catalogue_refresh).await;
    assert_eq!(hello(app.address()).await.status, 200);
    let before = sums(&app.db).await;
    cut.set(Mode::Hung);
    all_are_told_to_wait(&app, LONGEST).await;
    assert_eq!(before, sums(&app.db).await);
    cut.set(Mode::Open);
    assert_eq!(hello(app.address()).await.status, 200);
    let answer = get(app.address(), &jobs(1)).await;
    assert_eq!(answer.json()["jobs"][0]["uuid"], "run-1-1", "{answer:?}");
}

/// When the catalogue has grown too old, all who come wait for the same attempt to read it.
#[tokio::test(flavor = "multi_thread")]
async fn many_do_not_wait_in_turn_for_a_database_that_hangs() {
    let refresh = Duration::from_millis(50);
    let (cut, app) = behind(|settings| settings.dispatch.catalogue_refresh = refresh).await;
    let address = app.address();
    assert_eq!(hello(address).await.status, 200);
    cut.set(Mode::Hung);
    tokio::time::sleep(refresh * 6).await;
    let begun = Instant::now();
    let answers = join_all((0..12).map(|_| hello(address))).await;
    for answer in answers {
        assert_eq!(answer.status, 503);
        assert!(
            answer.body.contains("the database is not available"),
            "{answer:?}"
        );
    }
    assert!(begun.elapsed() < LONGEST, "{:?}", begun.elapsed());
    cut.set(Mode::Open);
    until("it is answered again", async || {
        hello(address).await.status == 200
    })
    .await;
}

/// Longer than a request may take: the answer is that of the request's own bound, still in the agent's dialect and coding.
#[tokio::test(flavor = "multi_thread")]
async fn who_waits_too_long_is_told_in_its_dialect() {
    let (cut, app) = behind(|settings| {
        settings.database.timeout = Duration::from_secs(30);
        settings.server.request_timeout = Duration::from_millis(300);
    })
    .await;
    let address = app.address();
    cut.set(Mode::Hung);
    for (target, body) in [
        (
            format!("{MAIN}?action=getConfig&machineid=wks-1&task[Deploy]=2.8"),
            "",
        ),
        (jobs(1), "{}"),
        (report(1, "status=ok&msg=x"), "{}"),
        (
            "/plugins/fusioninventory/b/collect/?action=getJobs&machineid=wks-1".to_owned(),
            "{}",
        ),
        (
            "/plugins/fusioninventory/b/esx/?action=getJobs&machineid=wks-1".to_owned(),
            "{}",
        ),
    ] {
        let answer = get(address, &target).await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (503, body),
            "{target}"
        );
        let json = (!body.is_empty()).then_some("application/json");
        assert_eq!(answer.header("content-type"), json, "{target}");
        assert_eq!(answer.header("retry-after"), Some("60"), "{target}");
    }
    let packed = zlib(&prolog("wks-1"));
    // OCS agents declare a type of their own; what they sent shows how it is packed.
    for declared in ["application/x-compress-zlib", "application/x-compress"] {
        let answer = post(address, declared, &packed).await;
        assert_eq!(answer.status, 503, "{declared}");
        assert_eq!(
            answer.header("content-type"),
            Some("application/x-compress-zlib"),
            "{answer:?}"
        );
        assert_eq!(answer.header("retry-after"), Some("60"));
        let error = "<ERROR>the answer was not ready in time</ERROR>";
        assert!(answer.body.contains(error), "{answer:?}");
    }
}

/// Who probes does not wait as long as a statement may take.
#[tokio::test(flavor = "multi_thread")]
async fn a_probe_is_answered_before_the_database_is_given_up() {
    let (cut, app) = behind(|settings| settings.database.timeout = Duration::from_secs(15)).await;
    cut.set(Mode::Hung);
    let begun = Instant::now();
    let answer = get(app.address(), "/sidecar/ready").await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (503, "the database is not available\n")
    );
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
}

/// Restarted in between: connections that the pool kept are dead, and nobody but the pool notices.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_between_requests_is_not_noticed() {
    let (cut, app) = behind(|_| {}).await;
    let address = app.address();
    let warm = join_all((0..20).map(|_| hello(address))).await;
    assert!(warm.iter().all(|answer| answer.status == 200));
    cut.set(Mode::Cut);
    cut.is_empty().await;
    cut.set(Mode::Open);
    for count in 0..5 {
        let answer = hello(address).await;
        assert_eq!(
            answer.status, 200,
            "request {count} after the restart: {answer:?}"
        );
    }
}

/// The connection breaks at each statement of a write: nothing is half-written, and asking again works.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn broken_off_in_the_middle(
    #[values(Policy::Plugin, Policy::Redux)] policy: Policy,
    #[values(
        "agents_by_device_id",
        "open_runs",
        "packages",
        "lock_runs",
        "move_runs",
        COMMIT
    )]
    word: &'static str,
) {
    let (cut, app) = behind(|settings| settings.dispatch.policy = policy).await;
    let before = sums(&app.db).await;
    cut.cut_at(word, false);
    let answer = get(app.address(), &jobs(1)).await;
    assert_eq!((answer.status, answer.body.as_str()), (503, "{}"));
    cut.is_cut().await;
    assert_eq!(before, sums(&app.db).await);
    cut.set(Mode::Open);
    let answer = get(app.address(), &jobs(1)).await;
    assert_eq!(answer.json()["jobs"][0]["uuid"], "run-1-1", "{answer:?}");
    assert_eq!(state(&app.db, "run-1-1").await, 1);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_report_broken_off_in_the_middle(
    #[values(Policy::Plugin, Policy::Redux)] policy: Policy,
    #[values("lock_runs", "move_runs", "add_lines", COMMIT)] word: &'static str,
) {
    let (cut, app) = behind(|settings| settings.dispatch.policy = policy).await;
    let success = report(1, "status=ok&msg=job+successfully+completed");
    let before = sums(&app.db).await;
    cut.cut_at(word, false);
    assert_eq!(get(app.address(), &success).await.status, 503);
    cut.is_cut().await;
    assert_eq!(before, sums(&app.db).await);
    cut.set(Mode::Open);
    assert_eq!(get(app.address(), &success).await.status, 200);
    assert_eq!(state(&app.db, "run-1-1").await, 3);
    assert_eq!(
        lines(&app.db, "run-1-1").await,
        [(2, "job successfully completed".to_owned())]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_contact_broken_off_in_the_middle_registers_once() {
    for (word, heard) in [("register_agent", false), (COMMIT, false), (COMMIT, true)] {
        let (cut, app) = behind(|_| {}).await;
        cut.cut_at(word, heard);
        let new = async || {
            post(
                app.address(),
                "application/xml",
                prolog("wks-new").as_bytes(),
            )
            .await
            .status
        };
        assert_eq!(new().await, 503, "{word}");
        cut.set(Mode::Open);
        assert_eq!(new().await, 200, "{word}");
        let count: Vec<u32> = app
            .db
            .rows("SELECT COUNT(*) FROM glpi_plugin_fusioninventory_agents WHERE device_id = 'wks-new'")
            .await;
        assert_eq!(count, [1], "{word} {heard}");
    }
}

/// The commit was made, but nobody heard so: the agent asks again, and gets the run again.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_is_made_good() {
    let (cut, app) = behind(|_| {}).await;
    cut.cut_at(COMMIT, true);
    assert_eq!(get(app.address(), &jobs(1)).await.status, 503);
    cut.set(Mode::Open);
    let answer = get(app.address(), &jobs(1)).await;
    assert_eq!(answer.json()["jobs"][0]["uuid"], "run-1-1", "{answer:?}");
    let sends: Vec<u32> = app
        .db
        .rows("SELECT sends FROM glpi_plugin_fusioninventory_sidecar_runs")
        .await;
    assert_eq!(sends, [2]);

    let success = report(1, "status=ok&msg=job+successfully+completed");
    cut.cut_at(COMMIT, true);
    assert_eq!(get(app.address(), &success).await.status, 503);
    cut.set(Mode::Open);
    assert_eq!(get(app.address(), &success).await.status, 200);
    let ends = lines(&app.db, "run-1-1")
        .await
        .iter()
        .filter(|(state, _)| *state == 2)
        .count();
    assert_eq!((state(&app.db, "run-1-1").await, ends), (3, 1));
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn queued_writes_all_end(#[values(Mode::Cut, Mode::Hung)] mode: Mode) {
    let (cut, app) =
        behind(|settings| settings.dispatch.catalogue_refresh = Duration::from_mins(1)).await;
    let address = app.address();
    assert_eq!(hello(address).await.status, 200);
    let before = sums(&app.db).await;
    cut.set(mode);
    let begun = Instant::now();
    let targets: Vec<String> = (0..100)
        .map(|index| report(index % 3 + 1, &format!("status=ok&msg=m{index}")))
        .collect();
    let answers = join_all(targets.iter().map(|target| get(address, target))).await;
    assert!(
        answers
            .iter()
            .all(|answer| answer.status == 503 && answer.body == "{}")
    );
    assert!(begun.elapsed() < LONGEST, "{:?}", begun.elapsed());
    assert_eq!(before, sums(&app.db).await);
    cut.set(Mode::Open);
    assert_eq!(get(address, &targets[0]).await.status, 200);
}

/// A row that PHP or a forgotten console keeps locked is in nobody's way but its own agent's.
#[tokio::test(flavor = "multi_thread")]
async fn a_locked_row_does_not_stop_the_others() {
    let (_cut, app) = behind(|settings| settings.database.timeout = Duration::from_secs(10)).await;
    let address = app.address();
    let mut holder = app.db.conn().await;
    holder
        .query_drop("BEGIN; SELECT id FROM glpi_plugin_fusioninventory_taskjobstates WHERE uniqid = 'run-1-1' FOR UPDATE")
        .await
        .unwrap();
    let begun = Instant::now();
    let (first, second, third) = (
        report(1, "status=ok&msg=x"),
        report(2, "status=ok&msg=x"),
        jobs(3),
    );
    let (locked, others) = tokio::join!(get(address, &first), async {
        join_all([get(address, &second), get(address, &third)]).await
    });
    assert!(
        others.iter().all(|answer| answer.status == 200),
        "{others:?}"
    );
    assert_eq!(locked.status, 503);
    assert!(
        begun.elapsed() < Duration::from_secs(4),
        "{:?}",
        begun.elapsed()
    );
    holder.query_drop("ROLLBACK").await.unwrap();
    assert_eq!(get(address, &first).await.status, 200);
    holder.disconnect().await.unwrap();
}

#[test]
fn starting_without_a_database_says_so() {
    let address = listen::free();
    let begun = Instant::now();
    let output = run(
        &[
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--timezone",
            "UTC",
            "--database-timeout",
            "2",
            "--database-url",
            &format!("mysql://glpi:hush@{address}/glpi"),
        ],
        &[],
    );
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains(&format!("the database at {address} as glpi")) && said.contains("refused"),
        "{said}"
    );
    assert!(!said.contains("hush"), "{said}");
    assert!(begun.elapsed() < Duration::from_secs(5));
}
