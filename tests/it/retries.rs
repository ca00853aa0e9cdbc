//! What an agent says again, since the database failed when it said it first. All that one message brings is stored, or nothing.

use fusion_sidecar::domain::policy::Policy;
use fusion_sidecar::proto::envelope::Coding;
use rstest::rstest;

use crate::collect;
use crate::network;
use crate::support::database::TestDb;

impl TestDb {
    /// From now on the database refuses `what`, such as `INSERT ON {p}taskjoblogs`.
    async fn refuse(&self, what: &str) {
        self.refuse_with(what, 1644).await;
    }

    /// The same, with an error of this number.
    async fn refuse_with(&self, what: &str, number: u16) {
        self.set(&format!(
            "CREATE TRIGGER refused BEFORE {what} FOR EACH ROW SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = {number}, MESSAGE_TEXT = 'refused'"
        ))
        .await;
    }

    async fn allow(&self) {
        self.set("DROP TRIGGER refused").await;
    }
}

#[rstest]
#[tokio::test]
async fn a_file_is_stored_once(#[values(Policy::Redux, Policy::Plugin)] policy: Policy) {
    let app = collect::collecting(policy).await;
    collect::jobs(&app, "wks-1").await;
    let file = "_sid=31&path=/etc/hosts&size=12";
    app.db.refuse("INSERT ON {p}taskjoblogs").await;
    assert!(collect::posted(&app, 3, file).await.status >= 500);
    app.db.allow().await;
    assert_eq!(collect::posted(&app, 3, file).await.status, 200);
    let files: Vec<(String, u32)> = app
        .db
        .ask("SELECT pathfile, size FROM {p}collects_files_contents")
        .await;
    assert_eq!(files, [("/etc/hosts".to_owned(), 12)]);
    assert_eq!(app.db.log_states(3).await, [1, 6, 5]);
}

#[rstest]
#[tokio::test]
async fn a_discovery_is_added_up_once(#[values(Policy::Redux, Policy::Plugin)] policy: Policy) {
    let app = network::under_way(policy).await;
    let content = format!("<AGENT><NBIP>9</NBIP></AGENT>{}", network::DEVICE.repeat(2));
    let found = network::message("wks-1", "NETDISCOVERY", "1", &content);
    app.db.refuse("INSERT ON {p}taskjoblogs").await;
    let answer = app.post(&found, Coding::Plain).await;
    assert!(answer.text().contains("<ERROR>"), "{answer:?}");
    assert_eq!(app.db.discoveries().await, []);
    app.db.allow().await;
    network::tell(&app, &found).await;
    assert_eq!(app.db.discoveries().await, [(9, 2, false)]);
    assert_eq!(app.db.state(1).await, 2);
}

/// What the database refuses for now, an agent is told to try again, and not that something is broken.
#[rstest]
#[tokio::test]
async fn what_will_pass_is_unavailable(
    // A statement killed or too long (MariaDB, MySQL), a read-only transaction, a node of a cluster that is not ready.
    #[values(1317, 1969, 3024, 1792, 1047)] number: u16,
) {
    let app = collect::collecting(Policy::Redux).await;
    collect::jobs(&app, "wks-1").await;
    app.db.refuse_with("INSERT ON {p}taskjoblogs", number).await;
    for form in ["_sid=31&path=/etc/hosts&size=12", "_sid=31"] {
        let answer = collect::posted(&app, 3, form).await;
        assert_eq!(
            (answer.status, answer.header("retry-after")),
            (503, Some("60")),
            "{form}"
        );
    }
    app.db.allow().await;
    assert_eq!(collect::posted(&app, 3, "_sid=31").await.status, 200);
}

/// An agent that did not hear that its answer was taken says it again. (To the plugin that is one more file.)
#[tokio::test]
async fn a_file_that_is_named_again_is_stored_once() {
    let app = collect::collecting(Policy::Redux).await;
    collect::jobs(&app, "wks-1").await;
    for found in [
        "_sid=31&path=/etc/hosts&size=12",
        "_sid=31&path=/etc/hosts&size=12",
        "_sid=31&path=/etc/HOSTS&size=12",
        "_sid=32&path=/etc/hosts&size=12",
        "_sid=31&path=/etc/hosts&size=13",
    ] {
        assert_eq!(collect::posted(&app, 3, found).await.status, 200);
    }
    let files: Vec<(u32, String, u32)> = app
        .db
        .ask("SELECT {f}collects_files_id, pathfile, size FROM {p}collects_files_contents ORDER BY id")
        .await;
    let expected = [
        (31, "/etc/hosts".to_owned(), 13),
        (31, "/etc/HOSTS".to_owned(), 12),
        (32, "/etc/hosts".to_owned(), 12),
    ];
    assert_eq!(files, expected);
}

/// What was found before is forgotten as the order goes out, or the order does not go out.
#[rstest]
#[tokio::test]
async fn an_order_waits_for_what_it_makes_forgotten(
    #[values(Policy::Redux, Policy::Plugin)] policy: Policy,
) {
    let app = collect::collecting(policy).await;
    app.db
        .set(
            "INSERT INTO {p}collects_files_contents (computers_id, {f}collects_files_id, pathfile, size) \
             VALUES (1, 31, '/old', 1), (1, 32, '/old', 1)",
        )
        .await;
    app.db.refuse("DELETE ON {p}collects_files_contents").await;
    let url = "/b/collect/?action=getJobs&machineid=wks-1";
    assert!(app.get(url).await.status >= 500);
    assert_eq!(app.db.states().await, [0, 0, 0]);
    app.db.allow().await;
    assert_eq!(collect::orders(&app).await.len(), 5);
    let files: Vec<u32> = app
        .db
        .ask("SELECT id FROM {p}collects_files_contents")
        .await;
    assert!(files.is_empty(), "{files:?}");
}

/// An agent that asks for jobs while it has them does not make forgotten what it has named since.
#[tokio::test]
async fn what_was_found_since_is_kept_where_nothing_is_handed_out() {
    let app = collect::collecting(Policy::Redux).await;
    collect::jobs(&app, "wks-1").await;
    collect::posted(&app, 3, "_sid=31&path=/etc/hosts&size=12").await;
    collect::jobs(&app, "wks-1").await;
    let files: Vec<String> = app
        .db
        .ask("SELECT pathfile FROM {p}collects_files_contents")
        .await;
    assert_eq!(files, ["/etc/hosts"]);
}

/// As a late success of a deployment: the run that timed out ends well, with all that was found.
#[tokio::test]
async fn what_comes_after_the_time_out_is_stored_with_its_line() {
    let app = collect::collecting(Policy::Redux).await;
    collect::jobs(&app, "wks-1").await;
    app.db.put(3, 4).await;
    collect::posted(&app, 3, "_sid=31&path=/etc/hosts&size=12").await;
    assert_eq!(app.db.state(3).await, 4, "an answer is no end");
    let files: Vec<String> = app
        .db
        .ask("SELECT pathfile FROM {p}collects_files_contents")
        .await;
    assert_eq!(files, ["/etc/hosts"]);
    assert_eq!(app.db.log_states(3).await, [1, 6, 5]);
    app.get("/b/collect/?action=jobsDone&uuid=run-3").await;
    assert_eq!(app.db.state(3).await, 3);
}

/// PHP makes several rows of one discovery when two messages come at once, and moves all of them.
#[rstest]
#[tokio::test]
async fn all_rows_of_a_discovery_move(#[values(Policy::Redux, Policy::Plugin)] policy: Policy) {
    let app = network::under_way(policy).await;
    app.db
        .set(
            "INSERT INTO {p}statediscoveries ({f}taskjob_id, {f}agents_id, nb_ip) VALUES (1, 1, 1), (1, 1, 2), (2, 1, 3), (1, 2, 4)",
        )
        .await;
    let found = network::message("wks-1", "NETDISCOVERY", "1", network::DEVICE);
    network::tell(&app, &found).await;
    let moved = [(1, 1, false), (2, 1, false), (3, 0, false), (4, 0, false)];
    assert_eq!(app.db.discoveries().await, moved);
}
