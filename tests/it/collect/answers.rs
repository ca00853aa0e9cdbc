//! What agents found.

use fusion_sidecar::domain::policy::Policy;
use rstest::rstest;

use super::{collecting, jobs, orders, posted};
use crate::support::agent::Answer;
use crate::support::app::TestApp;
use crate::support::heard::hearing;

/// As agents before 2.5.
async fn got(app: &TestApp, run: u64, query: &str) -> Answer {
    app.get(&format!(
        "/b/collect/?action=setAnswer&uuid=run-{run}&_cpt=1&{query}"
    ))
    .await
}

async fn done(app: &TestApp, query: &str) {
    let answer = app
        .get(&format!("/b/collect/?action=jobsDone&{query}"))
        .await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "{}"));
}

/// Keys and values of the registry that are stored for a computer.
async fn registry(app: &TestApp, order: u32) -> Vec<(String, String)> {
    app.db
        .ask(&format!(
            "SELECT `key`, value FROM {{p}}collects_registries_contents WHERE computers_id = 1 \
             AND {{f}}collects_registries_id = {order} ORDER BY `key`"
        ))
        .await
}

async fn stored(app: &TestApp) -> u32 {
    let counts: Vec<u32> = app
        .db
        .ask(
            "SELECT (SELECT COUNT(*) FROM {p}collects_registries_contents) + (SELECT COUNT(*) FROM {p}collects_wmis_contents) \
             + (SELECT COUNT(*) FROM {p}collects_files_contents)",
        )
        .await;
    counts[0]
}

fn pairs(values: &[(&str, &str)]) -> Vec<(String, String)> {
    values
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

#[rstest]
#[tokio::test]
async fn values_come_by_form_or_by_query(
    #[values(Policy::Redux, Policy::Plugin)] policy: Policy,
    #[values(true, false)] post: bool,
) {
    let app = collecting(policy).await;
    jobs(&app, "wks-1").await;
    let values = "_sid=11&Version=1.0&Flags=0x0000001f";
    let answer = if post {
        posted(&app, 1, values).await
    } else {
        got(&app, 1, values).await
    };
    assert_eq!(answer.status, 200);
    // A fresh token for the next form, and only for a form.
    let token = answer.json()["token"].as_str().map(str::len);
    assert_eq!(token.is_some_and(|length| length >= 32), post);
    assert_eq!(
        registry(&app, 11).await,
        pairs(&[("Flags", "31"), ("Version", "1.0")])
    );
    assert_eq!(app.db.state(1).await, 2);
    let (state, text) = app.db.log(1).await.pop().unwrap();
    assert_eq!(
        (state, text.as_str()),
        (5, r#"{"Version":"1.0","Flags":"0x0000001f"}"#)
    );
}

#[rstest]
#[case::redux(Policy::Redux, "47")]
// PHP makes numbers decimal only where the key is new.
#[case::plugin(Policy::Plugin, "0x2f")]
#[tokio::test]
async fn keys_that_are_not_sent_again_are_deleted(#[case] policy: Policy, #[case] again: &str) {
    let app = collecting(policy).await;
    app.db
        .set("INSERT INTO {p}collects_registries_contents (computers_id, {f}collects_registries_id, `key`, value) VALUES (2, 11, 'A', 'x')")
        .await;
    jobs(&app, "wks-1").await;
    posted(&app, 1, "_sid=11&A=0x1f&B=b").await;
    posted(&app, 1, "_sid=12&A=other").await;
    posted(&app, 1, "_sid=11&A=0x2f&C=0xzz").await;
    assert_eq!(
        registry(&app, 11).await,
        pairs(&[("A", again), ("C", "0xzz")])
    );
    assert_eq!(registry(&app, 12).await, pairs(&[("A", "other")]));
    assert_eq!(stored(&app).await, 4, "another computer's stay");
}

#[rstest]
#[tokio::test]
async fn where_nothing_is_found_any_more_nothing_is_kept(
    #[values(Policy::Redux, Policy::Plugin)] policy: Policy,
) {
    let app = collecting(policy).await;
    jobs(&app, "wks-1").await;
    posted(&app, 2, "_sid=21&Name=x").await;
    assert_eq!(stored(&app).await, 1);
    posted(&app, 2, "_sid=21").await;
    assert_eq!(stored(&app).await, 0);
    assert_eq!(app.db.log_states(2).await, [1, 5, 4]);
    assert_eq!(
        app.db.state(2).await,
        2,
        "the next order may find something"
    );
}

#[rstest]
#[case::redux(Policy::Redux, 2, &[1, 4])]
#[case::plugin(Policy::Plugin, 1, &[1])]
#[tokio::test]
async fn no_file_is_found(#[case] policy: Policy, #[case] state: u32, #[case] log: &[u32]) {
    let app = collecting(policy).await;
    app.db
        .set(
            "INSERT INTO {p}collects_files_contents (computers_id, {f}collects_files_id, pathfile, size) \
             VALUES (1, 31, '/old', 1), (1, 32, '/old', 1), (2, 31, '/theirs', 1)",
        )
        .await;
    jobs(&app, "wks-1").await;
    let answer = posted(&app, 3, "_sid=31").await;
    assert!(answer.json()["token"].is_string());
    assert_eq!(app.db.state(3).await, state);
    assert_eq!(app.db.log_states(3).await, log);
    assert_eq!(
        stored(&app).await,
        1,
        "what was found before is forgotten, another computer's stays"
    );
}

#[rstest]
#[tokio::test]
async fn files_are_added_one_by_one(#[values(Policy::Redux, Policy::Plugin)] policy: Policy) {
    let app = collecting(policy).await;
    jobs(&app, "wks-1").await;
    for file in [
        "path=C:\\a\\b&size=12",
        "path=/c//d&size=5000000000",
        "path=/e&size=many",
    ] {
        posted(&app, 3, &format!("_sid=31&{file}")).await;
    }
    let files: Vec<(String, u32)> = app
        .db
        .ask("SELECT pathfile, size FROM {p}collects_files_contents WHERE computers_id = 1 AND {f}collects_files_id = 31 ORDER BY id")
        .await;
    let of = |path: &str, size| (path.to_owned(), size);
    assert_eq!(
        files,
        [of("C:/a/b", 12), of("/c/d", u32::MAX), of("/e", 0)],
        "more than the column holds is as much as it holds"
    );
    assert_eq!(app.db.log_states(3).await, [1, 6, 5, 6, 5, 6, 5]);
    done(&app, "uuid=run-3").await;
    assert_eq!(app.db.state(3).await, 3);
}

#[rstest]
#[tokio::test]
async fn texts_are_stored_encoded(#[values(Policy::Redux, Policy::Plugin)] policy: Policy) {
    let app = collecting(policy).await;
    jobs(&app, "wks-1").await;
    posted(&app, 1, "_sid=11&Name=%3Cb%3E%26%27%22").await;
    assert_eq!(
        registry(&app, 11).await,
        pairs(&[("Name", "&#60;b&#62;&#38;'\"")])
    );
    posted(&app, 3, "_sid=31&path=/a%3Cb&size=1").await;
    let paths: Vec<String> = app
        .db
        .ask("SELECT pathfile FROM {p}collects_files_contents")
        .await;
    assert_eq!(paths, ["/a&#60;b"]);
}

/// PHP's pages print log lines as they are.
#[tokio::test]
async fn no_mark_up_of_an_agent_is_logged() {
    let app = collecting(Policy::Redux).await;
    jobs(&app, "wks-1").await;
    posted(&app, 1, "_sid=11&%3Cscript%3E=%3Cscript%3E").await;
    posted(
        &app,
        3,
        "_sid=31&path=%3Cscript%3E&size=%3Cscript%3E&%3Cscript%3E=1",
    )
    .await;
    for run in [1, 3] {
        let log = app.db.log(run).await;
        assert!(
            log.len() > 1 && log.iter().all(|(_, text)| !text.contains('<')),
            "{log:?}"
        );
    }
}

#[rstest]
#[tokio::test]
async fn long_values_are_cut(#[values(Policy::Redux, Policy::Plugin)] policy: Policy) {
    let app = collecting(policy).await;
    jobs(&app, "wks-1").await;
    let long = "é".repeat(10_000);
    let sent = "%C3%A9".repeat(10_000);
    let answer = posted(&app, 1, &format!("_sid=11&{sent}={sent}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let cut: String = long.chars().take(255).collect();
    assert_eq!(registry(&app, 11).await, [(cut.clone(), cut)]);
    // Encoded it is five times as long, more than the column holds.
    let path = "&".repeat(20_000);
    let answer = posted(
        &app,
        3,
        &format!("_sid=31&size=1&path={}", path.replace('&', "%26")),
    )
    .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let lengths: Vec<u32> = app
        .db
        .ask("SELECT LENGTH(pathfile) FROM {p}collects_files_contents")
        .await;
    assert_eq!(lengths, [65_535]);
    assert_eq!(app.db.state(3).await, 2);
}

#[rstest]
#[tokio::test]
async fn an_answer_over_the_limit_is_refused_and_changes_nothing(
    #[values(Policy::Redux, Policy::Plugin)] policy: Policy,
) {
    let app = collecting(policy).await;
    jobs(&app, "wks-1").await;
    let answer = posted(&app, 1, &format!("_sid=11&a={}", "x".repeat(65_536))).await;
    assert_eq!(answer.status, 400);
    assert_eq!((stored(&app).await, app.db.state(1).await), (0, 1));
}

#[rstest]
#[tokio::test]
async fn odd_values(#[values(Policy::Redux, Policy::Plugin)] policy: Policy) {
    let app = collecting(policy).await;
    jobs(&app, "wks-1").await;
    // A list is no value; bytes that are no UTF-8 are taken for Latin-1; of two values of a key the last counts.
    let answer = posted(
        &app,
        1,
        "_sid=11&list[]=1&list[a]=2&latin=%E9&twice=1&twice=2&empty=",
    )
    .await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        registry(&app, 11).await,
        pairs(&[("empty", ""), ("latin", "é"), ("twice", "2")])
    );
}

#[rstest]
#[case::redux(Policy::Redux, false)]
#[case::plugin(Policy::Plugin, true)]
#[tokio::test]
async fn an_answer_to_an_order_that_the_run_has_not(
    #[case] policy: Policy,
    #[case] accepted: bool,
    #[values("99", "-1", "x", "12&_sid=21", "99999999999999999999")] sid: &str,
) {
    let app = collecting(policy).await;
    jobs(&app, "wks-1").await;
    let answer = posted(&app, 1, &format!("_sid={sid}&Name=x")).await;
    assert_eq!(answer.status, 200);
    let token = answer.json()["token"].take();
    assert!(token.is_string(), "the agent is told nothing else");
    assert_eq!(stored(&app).await, u32::from(accepted));
    assert_eq!(app.db.state(1).await, if accepted { 2 } else { 1 });
}

#[test]
fn an_answer_to_an_order_that_the_run_has_not_is_counted() {
    hearing(async |heard| {
        let app = collecting(Policy::Redux).await;
        jobs(&app, "wks-1").await;
        posted(&app, 1, "_sid=21&Name=x").await;
        let counter = r#"fusion_sidecar_reports_ignored_total{reason="unknown-order"}"#;
        assert!(heard.counted(counter, 1));
        assert_eq!(heard.warnings("run-1").len(), 1);
    });
}

/// Agent 2.6 does not say who it is; one that does speaks of its own runs only.
#[rstest]
#[case::redux(Policy::Redux, false)]
#[case::plugin(Policy::Plugin, true)]
#[tokio::test]
async fn another_agents_run(#[case] policy: Policy, #[case] accepted: bool) {
    let app = collecting(policy).await;
    jobs(&app, "wks-1").await;
    let answer = got(&app, 1, "machineid=wks-2&_sid=11&Name=x").await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "{}"));
    assert_eq!(stored(&app).await > 0, accepted);
    done(&app, "machineid=wks-2&uuid=run-2").await;
    assert_eq!(app.db.state(2).await == 3, accepted);
    assert_eq!(app.db.log(2).await.len() > 1, accepted);

    got(&app, 1, "machineid=WKS-1&_sid=11&Name=own").await;
    let name = registry(&app, 11).await;
    assert!(
        name.contains(&("Name".to_owned(), "own".to_owned())),
        "{name:?}"
    );
    let told = name.iter().any(|(key, _)| key == "machineid");
    assert_eq!(
        told, accepted,
        "PHP takes the agent's name for something found"
    );
}

#[test]
fn what_is_said_of_another_agents_run_is_counted() {
    hearing(async |heard| {
        let app = collecting(Policy::Redux).await;
        jobs(&app, "wks-1").await;
        got(&app, 1, "machineid=wks-2&_sid=11&Name=x").await;
        done(&app, "machineid=wks-2&uuid=run-2").await;
        let counter = r#"fusion_sidecar_reports_ignored_total{reason="foreign-run"}"#;
        assert!(heard.counted(counter, 2));
    });
}

/// Whoever learns a run's name must not end it: neither one of another task, nor one that its agent has not been given.
#[rstest]
#[case::redux(Policy::Redux, &[0, 1, 2], &[0, 0, 0])]
#[case::plugin(Policy::Plugin, &[3, 3, 3], &[1, 1, 1])]
#[tokio::test]
async fn a_run_that_is_no_collect_or_was_not_handed_out(
    #[case] policy: Policy,
    #[case] states: &[u32],
    #[case] lines: &[usize],
) {
    let app = collecting(policy).await;
    app.db
        .set(
            "DELETE FROM {p}taskjobstates WHERE id = 3; UPDATE {p}taskjobstates SET state = 1, itemtype = 'PluginFusioninventoryDeployPackage' WHERE id = 2",
        )
        .await;
    app.db.run_on(9, 2, "Computer", 1).await;
    app.db
        .set("UPDATE {p}taskjobstates SET state = 2 WHERE id = 9")
        .await;
    let mut after = Vec::new();
    let mut logged = Vec::new();
    for run in [1, 2, 9] {
        let before = app.db.log(run).await.len();
        posted(&app, run, "_sid=11&Name=x").await;
        if policy == Policy::Redux {
            assert_eq!(
                (stored(&app).await, app.db.log(run).await.len()),
                (0, before),
                "{run}"
            );
        }
        let said = app.db.log(run).await.len();
        done(&app, &format!("uuid=run-{run}")).await;
        after.push(app.db.state(run).await);
        logged.push(app.db.log(run).await.len() - said);
    }
    assert_eq!((after.as_slice(), logged.as_slice()), (states, lines));
}

/// PHP's clock-derived names may be those of two agents' runs.
#[tokio::test]
async fn of_two_runs_with_one_name_an_agent_speaks_of_its_own() {
    let app = collecting(Policy::Redux).await;
    jobs(&app, "wks-1").await;
    app.db
        .set("UPDATE {p}taskjobstates SET uniqid = 'run-1', {f}agents_id = 2 WHERE id = 2")
        .await;
    // Nobody says whose it is.
    done(&app, "uuid=run-1").await;
    assert_eq!((app.db.state(1).await, app.db.state(2).await), (1, 1));
    done(&app, "machineid=wks-2&uuid=run-1").await;
    assert_eq!((app.db.state(1).await, app.db.state(2).await), (1, 3));
    done(&app, "uuid=run-1").await;
    assert_eq!(app.db.state(1).await, 3);
}

#[test]
fn what_is_said_of_a_run_that_was_not_handed_out_is_counted() {
    hearing(async |heard| {
        let app = collecting(Policy::Redux).await;
        done(&app, "uuid=run-1").await;
        let counter = r#"fusion_sidecar_reports_ignored_total{reason="not-handed-out"}"#;
        assert!(heard.counted(counter, 1));
        assert_eq!(heard.warnings("run-1").len(), 1);
    });
}

#[rstest]
#[tokio::test]
async fn a_run_is_done_once(#[values(Policy::Redux, Policy::Plugin)] policy: Policy) {
    let app = collecting(policy).await;
    jobs(&app, "wks-1").await;
    for _ in 0..2 {
        done(&app, "uuid=run-1").await;
        assert_eq!(app.db.state(1).await, 3);
        assert_eq!(app.db.log_states(1).await, [1, 2]);
    }
    // What comes after the end is not taken.
    let answer = got(&app, 1, "_sid=11&Name=late").await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "{}"));
    assert_eq!(stored(&app).await, 0);
}

#[rstest]
#[case("action=setAnswer&_sid=11&Name=x")]
#[case("action=setAnswer&uuid=&_sid=11&Name=x")]
#[case("action=setAnswer&uuid=nobodys&_sid=11&Name=x")]
#[case("action=setAnswer&uuid[]=run-1&_sid=11&Name=x")]
#[case("action=jobsDone")]
#[case("action=jobsDone&uuid=nobodys")]
#[case("action=other&machineid=wks-1&uuid=run-1")]
#[case("machineid=wks-1")]
#[tokio::test]
async fn what_says_nothing_changes_nothing(
    #[values(Policy::Redux, Policy::Plugin)] policy: Policy,
    #[case] query: &str,
) {
    let app = collecting(policy).await;
    let answer = app.get(&format!("/b/collect/?{query}")).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "{}"));
    assert_eq!(app.db.states().await, [0, 0, 0]);
    assert_eq!(stored(&app).await, 0);
}

/// Two answers at once store each key once.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn answers_that_come_at_once(#[values(Policy::Redux, Policy::Plugin)] policy: Policy) {
    let app = collecting(policy).await;
    jobs(&app, "wks-1").await;
    let answers = (0..8).map(|_| posted(&app, 1, "_sid=11&A=1&B=2"));
    for answer in futures_util::future::join_all(answers).await {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert_eq!(registry(&app, 11).await, pairs(&[("A", "1"), ("B", "2")]));
}

/// What an agent says it found is named by the agent too.
#[tokio::test]
async fn names_of_what_was_found_are_stored_encoded() {
    let app = collecting(Policy::Redux).await;
    orders(&app).await;
    for (run, order) in [(1, 11), (3, 31)] {
        let answer = app
            .get(&format!(
                "/b/collect/?action=setAnswer&uuid=run-{run}&path=/a&size=1&_sid={order}&%3Cscript%3E=%3Ci%3E"
            ))
            .await;
        assert_eq!(answer.status, 200);
        let log = app.db.log(run).await;
        assert!(
            log.iter().any(|line| line.1.contains("&#60;script&#62;")),
            "{log:?}"
        );
        assert!(log.iter().all(|line| !line.1.contains('<')), "{log:?}");
    }
}
