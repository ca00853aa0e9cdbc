//! What people let be done at once: shown exactly, then done exactly, and told.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use rstest::rstest;

use super::pages;
use crate::monitoring::office_apps;
use crate::support::app::TestApp;
use crate::support::listen::closing;
use crate::support::people::Browser;
use crate::support::wire::Answer;

/// The task of the specification's first example, in the entity of task 1.
async fn campaign() -> TestApp {
    let app = pages(|_| {}).await;
    office_apps(&app.db).await;
    app.db
        .set("UPDATE {p}tasks SET entities_id = 0 WHERE id = 8")
        .await;
    app.count().await;
    app
}

fn unescaped(text: &str) -> String {
    text.replace("&#60;", "<").replace("&#62;", ">")
}

/// The text of the element of that id.
fn part(page: &Answer, id: &str) -> String {
    let Some((_, rest)) = page.body.split_once(&format!("id=\"{id}\"")) else {
        panic!("no #{id}: {page:?}");
    };
    let (_, rest) = rest.split_once('>').unwrap();
    unescaped(rest.split("</").next().unwrap())
}

/// The fields of the form that confirms.
fn fields(page: &Answer) -> BTreeMap<String, String> {
    let (_, form) = page
        .body
        .split_once("class=\"fields\"")
        .unwrap_or_else(|| panic!("no form: {page:?}"));
    form.split("<input type=\"hidden\" name=\"")
        .skip(1)
        .take(4)
        .map(|input| {
            let mut parts = input.split('"');
            let name = parts.next().unwrap().to_owned();
            (name, parts.nth(1).unwrap().to_owned())
        })
        .collect()
}

/// Sends what the page of `action` showed.
async fn confirm(browser: &mut Browser, action: &str, shown: &BTreeMap<String, String>) -> Answer {
    let shown: Vec<(&str, &str)> = shown
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    browser.post_with(&[], action, &shown).await
}

async fn count(app: &TestApp, sql: &str) -> u64 {
    let sql = format!("SELECT COUNT(*) FROM {{p}}taskjobstates WHERE {sql}");
    app.db.ask::<u64>(&sql).await[0]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_cancelled_and_nothing_else() {
    let app = campaign().await;
    // One was put off by its user.
    app.db
        .set("UPDATE {p}taskjobstates SET state = 6 WHERE {f}agents_id = 36 AND items_id = 11; UPDATE glpi_users SET realname = '<i>Min' WHERE id = 2")
        .await;
    let mut admin = Browser::of(app.pages(), "admin").await;
    let at = "/sidecar/tasks/8/cancel";
    let page = admin.get(at).await;
    assert_eq!(part(&page, "of"), "<b>Office Apps install");
    assert_eq!(
        part(&page, "asked"),
        "13 runs that wait for their agents will be cancelled. Runs under way go on."
    );
    let shown = fields(&page);
    // Meanwhile one is handed out, and one comes.
    app.db
        .set(
            "UPDATE {p}taskjobstates SET state = 1 WHERE {f}agents_id = 37 AND items_id = 11;
             INSERT INTO {p}taskjobstates (id, {f}taskjobs_id, items_id, itemtype, state, {f}agents_id, uniqid) \
             VALUES (900, 80, 11, 'PluginFusioninventoryDeployPackage', 0, 77, 'new')",
        )
        .await;
    let done = confirm(&mut admin, at, &shown).await;
    assert_eq!(done.status, 200);
    assert_eq!(part(&done, "done"), "12 runs were cancelled.");
    assert!(
        done.body
            .contains("1 others have changed since you were asked, and were left as they are."),
        "{done:?}"
    );
    assert_eq!(count(&app, "state = 5").await, 12);
    assert_eq!(count(&app, "state = 1").await, 2);
    assert_eq!(app.db.state(900).await, 0);
    let lines: Vec<(u32, String, u32, String, u64)> = app
        .db
        .ask(
            "SELECT l.state, l.comment, l.items_id, l.itemtype, COUNT(*) FROM {p}taskjoblogs l JOIN {p}taskjobstates r \
             ON r.id = l.{f}taskjobstates_id WHERE r.state = 5 AND l.state = 5 GROUP BY 1, 2, 3, 4 ORDER BY 3",
        )
        .await;
    let line = |package, count| {
        let text = "Cancelled by Ada &#60;i&#62;Min.".to_owned();
        let class = "PluginFusioninventoryDeployPackage".to_owned();
        (5, text, package, class, count)
    };
    assert_eq!(lines, [line(11, 3), line(12, 9)]);
    // Once more: nothing is done twice.
    let again = confirm(&mut admin, at, &shown).await;
    assert_eq!(part(&again, "done"), "0 runs were cancelled.");
    assert_eq!(count(&app, "state = 5").await, 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_hosts_are_retried_once_by_however_many() {
    let app = campaign().await;
    // An older failure of an agent whose last run went well, and of one whose new run waits.
    app.db
        .set(
            "INSERT INTO {p}taskjobstates (id, {f}taskjobs_id, items_id, itemtype, state, {f}agents_id, uniqid) VALUES \
             (901, 80, 11, 'PluginFusioninventoryDeployPackage', 4, 41, 'a'), (902, 80, 11, 'PluginFusioninventoryDeployPackage', 3, 41, 'b'), \
             (903, 80, 11, 'PluginFusioninventoryDeployPackage', 4, 42, 'c'), (904, 80, 11, 'PluginFusioninventoryDeployPackage', 0, 42, 'd')",
        )
        .await;
    let at = "/sidecar/tasks/8/retry";
    let mut admin = Browser::of(app.pages(), "admin").await;
    let page = admin.get(at).await;
    assert_eq!(
        part(&page, "asked"),
        "12 runs will be prepared anew, for hosts whose last run ended in error."
    );
    let shown = fields(&page);
    // Meanwhile one of them is done after all.
    app.db
        .set("UPDATE {p}taskjobstates SET state = 3 WHERE {f}agents_id = 31 AND items_id = 11")
        .await;
    let other = app.another(|_| {}).await;
    let browsers = [app.pages(), app.pages(), other.web_address.unwrap()];
    let asking = browsers.map(|address| {
        let (mut browser, shown) = (admin.clone(), &shown);
        browser.move_to(address);
        async move { confirm(&mut browser, at, shown).await }
    });
    let mut said: Vec<String> = join_all(asking)
        .await
        .iter()
        .map(|done| part(done, "done"))
        .collect();
    said.sort();
    assert_eq!(
        said,
        [
            "0 runs were prepared anew.",
            "0 runs were prepared anew.",
            "11 runs were prepared anew."
        ]
    );
    let made: Vec<(u32, u32, u32, u64, u64)> = app
        .db
        .ask(
            "SELECT r.state, MIN(r.{f}agents_id), MAX(r.{f}agents_id), COUNT(*), COUNT(DISTINCT r.uniqid) FROM {p}taskjobstates r \
             WHERE r.id > 904 GROUP BY r.state, r.items_id ORDER BY r.items_id",
        )
        .await;
    assert_eq!(made, [(0, 32, 32, 1, 1), (0, 21, 30, 10, 10)]);
    let lines: Vec<(u32, String, u64)> = app
        .db
        .ask("SELECT state, comment, COUNT(*) FROM {p}taskjoblogs WHERE {f}taskjobstates_id > 904 GROUP BY 1, 2")
        .await;
    assert_eq!(lines, [(7, String::new(), 11)]);
    let page = admin.get(at).await;
    assert!(part(&page, "asked").starts_with("0 runs"), "{page:?}");
    assert!(!page.body.contains("id=\"confirm\""), "nothing to confirm");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_prepared_as_it_was_shown() {
    let app = pages(|_| {}).await;
    app.db
        .set(
            "INSERT INTO glpi_computers (id, name) SELECT seq, CONCAT('pc-', seq) FROM seq_1_to_3;
             INSERT INTO {p}agents (id, name, device_id, computers_id) SELECT seq, CONCAT('pc-', seq), CONCAT('pc-', seq), seq FROM seq_1_to_3;
             INSERT INTO {p}deploypackages (id, name, json) VALUES (1, 'editor', '{}');
             UPDATE {p}taskjobs SET targets = '[{\"PluginFusioninventoryDeployPackage\":\"1\"}]', actors = '[{\"Computer\":\"1\"},{\"Computer\":\"2\"}]'",
        )
        .await;
    let at = "/sidecar/tasks/1/prepare";
    let mut admin = Browser::of(app.pages(), "admin").await;
    let page = admin.get(at).await;
    assert_eq!(
        part(&page, "asked"),
        "2 runs will be prepared and 0 cancelled."
    );
    assert_eq!(count(&app, "1").await, 0, "nothing is written by looking");
    let shown = fields(&page);
    app.db
        .set("UPDATE {p}taskjobs SET actors = CONCAT(LEFT(actors, LENGTH(actors) - 1), ',{\"Computer\":\"3\"}]') WHERE id = 1")
        .await;
    let again = confirm(&mut admin, at, &shown).await;
    assert_eq!(
        part(&again, "asked"),
        "3 runs will be prepared and 0 cancelled."
    );
    assert!(again.body.contains("Nothing was done; confirm it again."));
    assert_eq!(count(&app, "1").await, 0);
    let done = confirm(&mut admin, at, &fields(&again)).await;
    assert_eq!(part(&done, "done"), "3 runs were prepared and 0 cancelled.");
    let made: Vec<(u32, u32)> = app
        .db
        .ask("SELECT {f}taskjobs_id, state FROM {p}taskjobstates")
        .await;
    assert_eq!(made, [(1, 0); 3], "of this task alone");
    app.db
        .set("UPDATE {p}tasks SET is_active = 0 WHERE id = 1; UPDATE glpi_configs SET value = '1' WHERE name = 'maintenance_mode'")
        .await;
    let page = admin.get(at).await;
    assert!(
        page.body.contains("job 1: its task is switched off"),
        "{page:?}"
    );
    assert!(page.body.contains("GLPI is in maintenance"));
    assert!(!page.body.contains("id=\"confirm\""));
    // What is sent all the same is not done.
    let page = admin.get("/sidecar/tasks/1/cancel").await;
    assert!(part(&page, "asked").starts_with("3 runs"));
    assert!(!page.body.contains("id=\"confirm\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_with_work_are_asked() {
    let app = pages(|settings| {
        settings.wakeup.networks = vec!["127.0.0.0/8".parse().unwrap()];
        settings.wakeup.names = false;
    })
    .await;
    let at_nobody = closing();
    let port = at_nobody.rsplit(':').next().unwrap().trim_end_matches("/x");
    app.db
        .set(&format!(
            "INSERT INTO glpi_computers (id, name) SELECT seq, CONCAT('pc-', seq) FROM seq_1_to_3;
             INSERT INTO {{p}}agents (id, name, device_id, computers_id, agent_port, token, `lock`) \
             SELECT seq, CONCAT('pc-', seq), CONCAT('pc-', seq), seq, {port}, 't', seq = 3 FROM seq_1_to_3;
             INSERT INTO glpi_networkports (id, itemtype, items_id) SELECT seq, 'Computer', seq FROM seq_1_to_3;
             INSERT INTO glpi_networknames (id, itemtype, items_id) SELECT seq, 'NetworkPort', seq FROM seq_1_to_3;
             INSERT INTO glpi_ipaddresses (itemtype, items_id, name) SELECT 'NetworkName', seq, '127.0.0.1' FROM seq_1_to_3;
             INSERT INTO {{p}}deploypackages (id, name, json) VALUES (1, 'editor', '{{}}');
             UPDATE {{p}}taskjobs SET targets = '[{{\"PluginFusioninventoryDeployPackage\":\"1\"}}]', \
             actors = '[{{\"Computer\":\"1\"}},{{\"Computer\":\"2\"}},{{\"Computer\":\"3\"}}]' WHERE id = 1"
        ))
        .await;
    app.prepare().await.unwrap();
    let at = "/sidecar/tasks/1/wake";
    let mut admin = Browser::of(app.pages(), "admin").await;
    let page = admin.get(at).await;
    assert_eq!(
        part(&page, "asked"),
        "2 agents with work of this task will be asked to come now."
    );
    assert!(page.body.contains("<li>1 locked</li>"), "{page:?}");
    let shown = fields(&page);
    app.db
        .set("UPDATE {p}taskjobstates SET state = 1 WHERE {f}agents_id = 2")
        .await;
    let done = confirm(&mut admin, at, &shown).await;
    assert_eq!(
        part(&done, "done"),
        "1 agents were asked: 0 come now, 0 refuse, 1 were not reached."
    );
    assert!(done.body.contains("1 others have changed"), "{done:?}");
    let asked: Vec<Option<String>> = app
        .db
        .ask("SELECT CAST(last_agent_wakeup AS CHAR) FROM {p}tasks WHERE id = 1")
        .await;
    assert_eq!(asked, [None], "the task's own time is not touched");
}

#[rstest]
#[case::nobody("", 303)]
#[case::reader("reader", 403)]
#[case::local("local", 404)]
#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_does_nothing(#[case] name: &str, #[case] status: u16) {
    let app = campaign().await;
    let mut admin = Browser::of(app.pages(), "admin").await;
    let mut browser = match name {
        "" => Browser::at(app.pages()),
        name => Browser::of(app.pages(), name).await,
    };
    for action in ["prepare", "retry", "cancel", "wake", "actions"] {
        let at = format!("/sidecar/tasks/8/{action}");
        assert_eq!(browser.get(&at).await.status, status, "{at}");
        if action == "actions" {
            continue;
        }
        let page = admin.get("/sidecar/tasks/8/cancel").await;
        let mut shown = fields(&page);
        // What admin confirmed, under the other's own token.
        let own = browser.get("/sidecar/login").await;
        let own = match crate::support::people::token(&own) {
            Some(token) => token,
            None => crate::support::people::token(&browser.get("/sidecar/").await).unwrap(),
        };
        let stolen = confirm(&mut browser, &at, &shown).await;
        assert_eq!(stolen.status, 403, "another's token: {at}");
        shown.insert("token".to_owned(), own);
        let answer = confirm(&mut browser, &at, &shown).await;
        assert_eq!(answer.status, status, "{at} {answer:?}");
    }
    assert_eq!(count(&app, "state = 5").await, 0);
    assert_eq!(count(&app, "1").await, 80);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_page_of_ours_sent_does_nothing() {
    let app = campaign().await;
    let mut admin = Browser::of(app.pages(), "admin").await;
    let all = admin.get("/sidecar/tasks/8/actions").await;
    for action in ["prepare", "retry", "cancel", "wake"] {
        let link = format!("href=\"/sidecar/tasks/8/{action}\"");
        assert!(all.body.contains(&link), "{all:?}");
    }
    let page = admin.get("/sidecar/tasks/8/cancel").await;
    let good = fields(&page);
    let token = good["token"].clone();
    for selected in [
        "x",
        "=",
        "AAAA",
        "zzzzzzzzzzzzzzzzzzzzzz",
        "'; DROP TABLE x",
        "\u{e9}",
    ] {
        for action in ["cancel", "retry", "wake"] {
            let wrong = BTreeMap::from([
                ("token".to_owned(), token.clone()),
                ("selected".to_owned(), selected.to_owned()),
            ]);
            let at = format!("/sidecar/tasks/8/{action}");
            let answer = confirm(&mut admin, &at, &wrong).await;
            assert_eq!(answer.status, 403, "{action} {selected}: {answer:?}");
        }
    }
    let mut wrong = good.clone();
    wrong.insert("created".to_owned(), "-1".to_owned());
    let answer = confirm(&mut admin, "/sidecar/tasks/8/prepare", &wrong).await;
    assert_eq!(answer.status, 403);
    for id in ["777", "x", "-1", "99999999999999999999"] {
        let at = format!("/sidecar/tasks/{id}/cancel");
        assert_eq!(admin.get(&at).await.status, 404, "{id}");
        assert_eq!(confirm(&mut admin, &at, &good).await.status, 404, "{id}");
    }
    // Runs of another task are none of this one's, whoever names them.
    let done = confirm(&mut admin, "/sidecar/tasks/1/cancel", &good).await;
    assert_eq!(part(&done, "done"), "0 runs were cancelled.");
    let huge = BTreeMap::from([
        ("token".to_owned(), token),
        ("selected".to_owned(), "A".repeat(2 << 20)),
    ]);
    let answer = confirm(&mut admin, "/sidecar/tasks/8/cancel", &huge).await;
    assert_eq!(answer.status, 403, "too long");
    assert_eq!(count(&app, "state = 5").await, 0);
}
