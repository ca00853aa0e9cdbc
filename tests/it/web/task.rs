//! The pages of a task, of its runs and of all jobs.

use std::time::Duration;

use fusion_sidecar::db::run_search::{PATIENCE, RunSearch};
use fusion_sidecar::domain::ids::{JobId, RunId};
use fusion_sidecar::domain::policy::Policy;
use fusion_sidecar::domain::run::RunState;

use super::pages;
use crate::support::database::TestDb;
use crate::support::people::Browser;
use crate::support::site::text;

/// Runs of [`campaign`].
const RUNS: u64 = 130;

/// Task 1 with two jobs, whose runs come in turn: odd ones of job 1 on package 11, even ones of job 10 on package 12. Each has an agent of
/// its own, all states come in turn, each tenth says what another one does not, and fifty begin each day from the first of March on.
pub(super) async fn campaign(db: &TestDb) {
    db.set(&format!(
        "INSERT INTO {{p}}deploypackages (id, name, json) VALUES (11, 'LibreOffice', '{{}}'), (12, 'Thunder &#38; bird', '{{}}');
         INSERT INTO glpi_computers (id, name, entities_id) SELECT seq, CONCAT('pc-', seq), 0 FROM seq_1_to_{RUNS};
         INSERT INTO {{p}}agents (id, name, device_id, computers_id) SELECT seq, CONCAT('wks_', LPAD(seq, 3, '0')), CONCAT('d-', seq), seq \
         FROM seq_1_to_{RUNS};
         UPDATE {{p}}taskjobs SET name = 'first', targets = '[{{\"PluginFusioninventoryDeployPackage\":\"11\"}}]' WHERE id = 1;
         INSERT INTO {{p}}taskjobs (id, {{f}}tasks_id, name, method, targets, actors) VALUES (10, 1, 'second', 'deployinstall', \
         '[{{\"PluginFusioninventoryDeployPackage\":\"12\"}}]', '[]');
         INSERT INTO {{p}}taskjobstates (id, {{f}}taskjobs_id, items_id, itemtype, state, {{f}}agents_id, uniqid) \
         SELECT seq, IF(seq % 2, 1, 10), IF(seq % 2, 11, 12), 'PluginFusioninventoryDeployPackage', seq % 7, seq, CONCAT('u-', seq) \
         FROM seq_1_to_{RUNS};
         INSERT INTO {{p}}taskjoblogs ({{f}}taskjobstates_id, date, items_id, itemtype, state, comment) \
         SELECT seq, '2026-03-01 23:59:59' + INTERVAL seq DIV 50 DAY, 0, '', 7, '' FROM seq_1_to_{RUNS};
         INSERT INTO {{p}}taskjoblogs ({{f}}taskjobstates_id, date, items_id, itemtype, state, comment) \
         SELECT seq, '2026-03-04 11:30:00', 0, '', 6, IF(seq % 10, 'fine', 'ended with &#60;100%&#62;') FROM seq_1_to_{RUNS}"
    ))
    .await;
}

/// Whether a run is meant.
type Test = Box<dyn Fn(u64) -> bool>;

/// The runs on a page, in their order.
pub(super) fn runs(body: &str) -> Vec<u64> {
    let parts = body.split("id=\"run-").skip(1);
    parts
        .map(|part| part.split('"').next().unwrap().parse().unwrap())
        .collect()
}

/// Where the link of that id leads.
fn link(body: &str, id: &str) -> Option<String> {
    let (_, rest) = body.split_once(&format!("<a id=\"{id}\" href=\""))?;
    let (href, _) = rest.split_once('"')?;
    let href = href.replace("&#38;", "&");
    Some(href.split('#').next().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_see_what() {
    let app = pages(|_| {}).await;
    app.db.run_of(1, 1, 1, 3).await;
    app.db.run_of(2, 2, 1, 3).await;
    // A run whose job is gone is nobody's.
    app.db.run_of(3, 99, 1, 3).await;
    app.count().await;
    let mut stranger = Browser::at(app.pages());
    for path in ["tasks/1", "runs/1", "jobs"] {
        let answer = stranger.get(&format!("/sidecar/{path}")).await;
        assert_eq!(answer.status, 303, "{path}");
    }
    let mut admin = Browser::of(app.pages(), "admin").await;
    let mut local = Browser::of(app.pages(), "local").await;
    for (path, of_admin, of_local) in [
        ("tasks/1", 200, 404),
        ("tasks/2", 200, 200),
        ("tasks/3", 200, 404),
        // What is wrong with an address is not told of a task that is not seen.
        ("tasks/1?state=no", 400, 404),
        ("runs/1", 200, 404),
        ("runs/2", 200, 200),
        ("runs/3", 404, 404),
        ("tasks/99", 404, 404),
        ("tasks/x", 404, 404),
        ("tasks/4294967296", 404, 404),
        ("tasks/-1", 404, 404),
        ("tasks/", 404, 404),
        ("runs/99", 404, 404),
        ("runs/x", 404, 404),
        ("runs/18446744073709551616", 404, 404),
        ("tasks/2?state=no", 400, 400),
        ("tasks/2?job=1", 400, 400),
        ("tasks/2?job=x", 400, 400),
        ("tasks/2?from=2026-13-01", 400, 400),
        ("tasks/2?target=a'b:1", 400, 400),
        ("tasks/2?before=x", 400, 400),
        ("tasks/2?before=18446744073709551615&other=1", 200, 200),
        ("runs/2?from=x", 400, 400),
        ("jobs?after=x", 400, 400),
    ] {
        let path = format!("/sidecar/{path}");
        assert_eq!(admin.get(&path).await.status, of_admin, "{path}");
        let answer = local.get(&path).await;
        assert_eq!(answer.status, of_local, "{path}: {answer:?}");
        if of_local == 404 {
            assert!(!answer.body.contains("root task"), "{path}");
        }
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'"), "{policy}");
    }
    let jobs = |body: &str| body.matches("<tr role=\"row\" id=\"job-").count();
    assert_eq!(jobs(&admin.get("/sidecar/jobs").await.body), 3);
    let seen = local.get("/sidecar/jobs").await.body;
    assert_eq!(jobs(&seen), 1);
    assert!(seen.contains("north task") && !seen.contains("root task"));
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_are_found_page_by_page() {
    let app = pages(|_| {}).await;
    campaign(&app.db).await;
    app.count().await;
    let mut browser = Browser::of(app.pages(), "admin").await;
    let of_state = |state: u64| move |id: u64| id % 7 == state;
    let searches: [(&str, Test); 16] = [
        ("", Box::new(|_| true)),
        ("job=1", Box::new(|id| id % 2 == 1)),
        ("job=10", Box::new(|id| id % 2 == 0)),
        ("state=prepared", Box::new(of_state(0))),
        ("state=inerror", Box::new(of_state(4))),
        (
            "state=postponed&job=10",
            Box::new(|id| id % 7 == 6 && id % 2 == 0),
        ),
        (
            "target=PluginFusioninventoryDeployPackage:12",
            Box::new(|id| id % 2 == 0),
        ),
        (
            "target=PluginFusioninventoryCollect:12",
            Box::new(|_| false),
        ),
        // What stands for any sign in a pattern is a sign here.
        ("agent=S_01", Box::new(|id| (10..20).contains(&id))),
        ("agent=%25", Box::new(|_| false)),
        (
            "from=2026-03-02&until=2026-03-02",
            Box::new(|id| (50..100).contains(&id)),
        ),
        ("from=2026-03-03", Box::new(|id| id >= 100)),
        ("until=2026-03-01", Box::new(|id| id < 50)),
        ("text=%3C100%25%3E", Box::new(|id| id % 10 == 0)),
        (
            "text=ENDED+with&state=finished&from=2026-03-02",
            Box::new(|id| id % 10 == 0 && id % 7 == 3 && id >= 50),
        ),
        (
            "agent=wks&text=fine&job=1&until=2026-03-02",
            Box::new(|id| id % 2 == 1 && id < 100),
        ),
    ];
    for (query, is_meant) in searches {
        let expected: Vec<u64> = (1..=RUNS).rev().filter(|id| is_meant(*id)).collect();
        let mut found = Vec::new();
        let mut path = Some(format!("/sidecar/tasks/1?{query}"));
        let mut pages = 0;
        while let Some(at) = path {
            let answer = browser.get(&at).await;
            assert_eq!(answer.status, 200, "{at}");
            let page = runs(&answer.body);
            path = link(&answer.body, "older");
            assert!(page.len() == 50 || path.is_none(), "{at}: {}", page.len());
            found.extend(page);
            pages += 1;
            assert!(pages < 5, "{at}");
        }
        assert_eq!(found, expected, "{query}");
        assert_eq!(pages, expected.len().div_ceil(50).max(1), "{query}");
    }
    // The form shows what was asked for, and a page all there is to say of a run.
    let path = "/sidecar/tasks/1?job=10&state=finished&agent=wks&from=2026-03-01&target=PluginFusioninventoryDeployPackage:12";
    let body = browser.get(path).await.body;
    for part in [
        "<option value=\"10\" selected>second",
        "<option value=\"finished\" selected>Success",
        "name=\"agent\" value=\"wks\"",
        "name=\"from\" value=\"2026-03-01\"",
        "<option value=\"PluginFusioninventoryDeployPackage:12\" selected>Thunder &#38; bird",
        "wks_080",
        "pc-80",
        "ended with &#60;100%&#62;",
        "2026-03-02 23:59:59",
        "Prepared again after success",
        "No sidecar has prepared anything here yet.",
    ] {
        assert!(body.contains(part), "{part}: {body}");
    }
}

/// A search that takes too long is cut, and goes on where it was cut.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_search_is_cut_and_goes_on() {
    let app = pages(|_| {}).await;
    campaign(&app.db).await;
    let preparation = app.preparation(Policy::Redux);
    let db = preparation.db();
    let jobs = [JobId(1), JobId(10)];
    // Runs far outside of a period are not asked when they began.
    for (from, until, found, looked_at) in [
        (None, Some("2026-03-01T20:00:00"), 0, 0),
        (Some("2026-03-05T00:00:00"), None, 0, 0),
        (Some("2026-03-03T00:00:00"), None, RUNS - 99, RUNS - 49),
        (None, Some("2026-03-02T00:00:00"), 49, 49),
    ] {
        let moment = |text: &str| text.parse().unwrap();
        let search = RunSearch {
            from: from.map(moment),
            until: until.map(moment),
            ..RunSearch::default()
        };
        let page = db.find_runs(&jobs, &search, None, 1000, PATIENCE);
        let page = page.await.unwrap();
        assert_eq!(
            (page.runs.len() as u64, page.looked_at),
            (found, looked_at),
            "{from:?} {until:?}"
        );
    }
    // More than one statement looks at.
    app.db
        .set(
            "INSERT INTO {p}taskjobstates (id, {f}taskjobs_id, state, {f}agents_id, uniqid) \
             SELECT 1000 + seq, 1, 3, 1, 'x' FROM seq_1_to_2500",
        )
        .await;
    let search = RunSearch {
        texts: vec!["ended with".to_owned()],
        ..RunSearch::default()
    };
    let whole = db
        .find_runs(&jobs, &search, None, 50, PATIENCE)
        .await
        .unwrap();
    let expected: Vec<RunId> = (1..=13).rev().map(|tenth| RunId(tenth * 10)).collect();
    assert_eq!(
        (whole.runs, whole.next, whole.is_cut),
        (expected.clone(), None, false)
    );
    assert_eq!(whole.looked_at, RUNS + 2500);
    let (mut found, mut before, mut cuts) = (Vec::new(), None, 0);
    loop {
        let page = db.find_runs(&jobs, &search, before, 50, Duration::ZERO);
        let page = page.await.unwrap();
        found.extend(page.runs);
        let Some(next) = page.next else { break };
        assert!(page.is_cut && before.is_none_or(|before| next < before));
        before = Some(next);
        cuts += 1;
        assert!(cuts < 10);
    }
    assert_eq!(found, expected);
    assert!(cuts >= 2, "{cuts}");
    // Nothing but the index is asked where a state is enough.
    let sent = RunSearch {
        state: Some(RunState::Sent),
        ..RunSearch::default()
    };
    let page = db.find_runs(&jobs, &sent, None, 5, PATIENCE).await.unwrap();
    assert_eq!((page.runs.len(), page.looked_at), (5, 12));
    let none = db.find_runs(&[], &sent, None, 5, PATIENCE).await.unwrap();
    assert_eq!((none.runs, none.next), (vec![], None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_tells_its_story_in_two_languages() {
    let app = pages(|settings| {
        settings.web.glpi_url = Some("https://g.example/glpi/".parse().unwrap());
    })
    .await;
    campaign(&app.db).await;
    app.db
        .set(
            "UPDATE {p}taskjobstates SET state = 2 WHERE id = 2;
             INSERT INTO {p}sidecar_jobs ({f}taskjobs_id, timeout) VALUES (10, 3600);
             INSERT INTO {p}taskjoblogs ({f}taskjobstates_id, date, state, comment) VALUES \
             (2, '2026-03-04 11:31:30', 6, '3 ==devicesfound=='), \
             (2, '2026-03-04 11:32:30', 6, '[==detail==] ==addtheitem== [[Printer::7]]'), \
             (2, '2026-03-04 11:35:00', 6, '==importdenied== [name]:x,[ip]:10.0.0.1')",
        )
        .await;
    let mut browser = Browser::of(app.pages(), "admin").await;
    let body = browser.get("/sidecar/runs/2").await.body;
    for part in [
        "3 devices found",
        "[Detail] Added: <a href=\"https://g.example/glpi/front/printer.form.php?id=7\">Printer 7</a>",
        "Import denied [name]:x<br>[ip]:10.0.0.1",
        "<td role=\"cell\" data-label=\"After\">1 min 30 s</td>",
        "25 min of 1 h",
        "max=\"3600\" value=\"1500\"",
        "href=\"https://g.example/glpi/front/computer.form.php?id=2\">pc-2",
        "href=\"https://g.example/glpi/plugins/fusioninventory/front/deploypackage.form.php?id=12\">Thunder &#38; bird",
        "href=\"https://g.example/glpi/plugins/fusioninventory/front/task.form.php?id=1\"",
    ] {
        assert!(body.contains(part), "{part}: {body}");
    }
    browser.headers = vec![("Accept-Language", "fr".to_owned())];
    let body = browser.get("/sidecar/runs/2").await.body;
    for part in [
        "3 équipements trouvés",
        "Import refusé",
        "Ajouté :",
        "25 min sur 1 h",
    ] {
        assert!(body.contains(part), "{part}");
    }
    assert!(!body.contains("==importdenied=="));
    // A text is looked for in the words of codes too.
    let found = browser.get("/sidecar/tasks/1?text=refus%C3%A9").await.body;
    assert_eq!(runs(&found), [2]);

    // A discovery's log has as many lines as devices.
    app.db
        .set(
            "INSERT INTO {p}taskjoblogs ({f}taskjobstates_id, date, state, comment) \
             SELECT 4, '2026-03-04 11:40:00' + INTERVAL seq SECOND, 6, CONCAT('appliance-', seq, '.') FROM seq_1_to_1100",
        )
        .await;
    let (mut path, mut told) = (Some("/sidecar/runs/4".to_owned()), Vec::new());
    while let Some(at) = path {
        let body = browser.get(&at).await.body;
        let lines = body.split("appliance-").skip(1);
        told.extend(lines.map(|rest| rest.split('.').next().unwrap().parse::<u32>().unwrap()));
        // Each but the first has one before it, on whatever page.
        let first = usize::from(!at.contains("from="));
        assert_eq!(
            body.matches("data-label=\"Après\">–").count(),
            first,
            "{at}"
        );
        path = link(&body, "more");
        assert!(told.len() < 1200);
    }
    assert_eq!(told, (1..=1100).collect::<Vec<u32>>());
}

/// Names and texts that would do something if they were not shown as they are, in all places that can hold one.
#[tokio::test(flavor = "multi_thread")]
async fn texts_are_shown_and_never_obeyed() {
    let app = pages(|settings| {
        settings.web.glpi_url = Some("https://g.example/glpi/".parse().unwrap());
    })
    .await;
    for evil in [
        "<b onclick=x>",
        "&#60;b onclick=x&#62;",
        "&lt;b onclick=x&gt;",
        "\"'><b onclick=x>",
    ] {
        let evil = text(evil);
        app.db
            .set(&format!(
                "DELETE FROM {{p}}taskjobstates; DELETE FROM {{p}}taskjoblogs; DELETE FROM {{p}}agents; DELETE FROM glpi_computers; \
                 DELETE FROM {{p}}deploypackages; DELETE FROM {{p}}timeslots; DELETE FROM {{p}}timeslotentries; DELETE FROM {{p}}sidecar_heartbeats;
                 INSERT INTO glpi_computers (id, name, entities_id) VALUES (1, {evil}, 0);
                 INSERT INTO {{p}}agents (id, name, device_id, computers_id) VALUES (1, {evil}, 'd', 1);
                 INSERT INTO {{p}}deploypackages (id, name, json) VALUES (1, {evil}, '{{}}');
                 INSERT INTO {{p}}timeslots (id, name) VALUES (1, {evil});
                 INSERT INTO {{p}}timeslotentries ({{f}}timeslots_id, day, `begin`, `end`) VALUES (1, 5, 0, 3600);
                 UPDATE {{p}}tasks SET name = {evil}, {{f}}timeslots_exec_id = 1, {{f}}timeslots_prep_id = 1 WHERE id = 1;
                 UPDATE {{p}}taskjobs SET name = {evil}, targets = '[{{\"PluginFusioninventoryDeployPackage\":\"1\"}}]' WHERE id = 1;
                 INSERT INTO {{p}}taskjobstates (id, {{f}}taskjobs_id, items_id, itemtype, state, {{f}}agents_id, uniqid) VALUES \
                 (1, 1, 1, 'PluginFusioninventoryDeployPackage', 2, 1, {evil}), (2, 1, 2, {evil}, 2, 1, 'u');
                 INSERT INTO {{p}}taskjoblogs ({{f}}taskjobstates_id, date, state, comment) VALUES (1, '2026-03-04 11:00:00', 6, {evil}), \
                 (2, '2026-03-04 11:00:00', 6, CONCAT('==addtheitem== [[', {evil}, '::1]],[', {evil}));
                 INSERT INTO {{p}}sidecar_heartbeats (instance, duty, host, version, seen_at, started_at, ended_at, result) \
                 SELECT 'i', duty, {evil}, {evil}, UTC_TIMESTAMP(), UTC_TIMESTAMP(), UTC_TIMESTAMP(), {evil} \
                 FROM (SELECT 'serve' AS duty UNION SELECT 'prepare') AS d"
            ))
            .await;
        app.count().await;
        let mut browser = Browser::of(app.pages(), "admin").await;
        let asked = "agent=%22%3E%3Cb+onclick%3Dx%3E";
        for path in [
            "tasks/1",
            &format!("tasks/1?{asked}"),
            &format!("tasks/1?{}", asked.replace("agent", "text")),
            "tasks/1?target=a:1",
            "runs/1",
            "runs/2",
            "jobs",
        ] {
            let answer = browser.get(&format!("/sidecar/{path}")).await;
            assert_eq!(answer.status, 200, "{path}: {answer:?}");
            assert!(
                answer.body.contains("&#60;b onclick=x&#62;"),
                "{path}: {}",
                answer.body
            );
            assert!(
                !answer.body.contains("<b onclick"),
                "{path}: {}",
                answer.body
            );
        }
    }
}
