//! What the pages show of reports, runs, jobs and histories, as JSON.

use std::collections::BTreeSet;

use fusion_sidecar::domain::reports::Name;
use fusion_sidecar::domain::reports::ask::FIELDS;
use serde_json::{Value, json};

use super::super::task::{campaign, runs};
use super::{Description, pages, with_token, with_tokens};
use crate::support::app::{self, TestApp};
use crate::support::database::fresh;
use crate::support::people::Browser;

/// Asks with the token for `path` below the root, whose answer the description has as that of `named`.
async fn told(app: &TestApp, description: &Description, (path, named): (&str, &str)) -> Value {
    let answer = with_token(app, &format!("/api/v1{path}")).await;
    description.check(named, &answer);
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer.json()
}

/// All of `list` on all pages, and how many pages there are; `next` is given as `parameter`.
async fn all(
    app: &TestApp,
    description: &Description,
    at: (&str, &str),
    (list, parameter): (&str, &str),
) -> (Vec<Value>, usize) {
    let (mut found, mut pages, mut path) = (vec![], 0, at.0.to_owned());
    loop {
        let page = told(app, description, (&path, at.1)).await;
        found.extend(page[list].as_array().unwrap().iter().cloned());
        pages += 1;
        assert!(pages < 9, "{path}");
        let next = match &page["next"] {
            Value::Null => return (found, pages),
            Value::String(next) => next.clone(),
            next => next.to_string(),
        };
        let joined = if at.0.contains('?') { '&' } else { '?' };
        path = format!("{}{joined}{parameter}={next}", at.0);
    }
}

/// What stands wrong in an address is named; `queries` have something wrong in every parameter that is described.
async fn refuses(
    app: &TestApp,
    description: &Description,
    (path, named): (&str, &str),
    queries: &[(&str, &str)],
) {
    for (query, said) in queries {
        let answer = with_token(app, &format!("/api/v1{path}?{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
        description.check(named, &answer);
        let problem = answer.json();
        assert_eq!(problem["error"], "bad-query", "{query}");
        let message = problem["message"].as_str().unwrap();
        assert!(message.contains(said), "{query}: {message}");
    }
    let tried = queries.iter().map(|(query, _)| {
        let (name, _) = query.split_once('=').unwrap();
        name.to_owned()
    });
    let tried: BTreeSet<String> = tried.collect();
    let missing: Vec<String> = description
        .parameters(named)
        .into_iter()
        .filter(|name| !tried.contains(name))
        .collect();
    assert!(missing.is_empty(), "{named}: {missing:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_are_those_of_the_pages() {
    let db = fresh().await;
    crate::reports::campaign(&db).await;
    let app = app::start_on(db, |settings| {
        settings.web.listen = Some(([127, 0, 0, 1], 0).into());
        with_tokens(settings);
    })
    .await;
    app.count().await;
    let description = Description::of(&app).await;
    let list = told(&app, &description, ("/reports", "/reports")).await;
    let list = list["reports"].as_array().unwrap();
    assert_eq!(list.len(), Name::ALL.len());
    assert_eq!(
        list[0]["parameters"],
        json!(["from", "to", "entity", "task"])
    );
    assert_eq!(list[4]["parameters"], json!(["entity", "days"]));
    let described = description.parameters("/reports/{name}");
    assert_eq!(described, FIELDS.map(str::to_owned).into());
    let mut reader = Browser::of(app.pages(), "reader").await;
    let mut local = Browser::of(app.pages(), "local").await;
    for entry in list {
        let name = entry["name"].as_str().unwrap();
        let query = match name {
            "silent-agents" => "days=7",
            _ => "from=2026-03-01&to=2026-03-04",
        };
        let path = format!("/reports/{name}?{query}");
        let report = told(&app, &description, (&path, "/reports/{name}")).await;
        let page = format!("/sidecar{path}&format=json");
        assert_eq!(report, reader.get(&page).await.json(), "{name}");
        let seen = local.get(&format!("/api/v1{path}")).await;
        assert_eq!(seen.json(), local.get(&page).await.json(), "{name}");
    }
    let deploy = "/reports/deploy?from=2026-03-01&to=2026-03-04&task=1";
    let report = told(&app, &description, (deploy, "/reports/{name}")).await;
    assert_eq!(report["tables"][3]["rows"][0]["host"], "pc-2");
    let hidden = local.get(&format!("/api/v1{deploy}")).await;
    assert_eq!(hidden.status, 400, "{hidden:?}");
    assert!(!hidden.body.contains("pc-2"));
    let at = ("/reports/deploy", "/reports/{name}");
    let wrong = [
        ("from=yesterday", "'yesterday' is no date"),
        ("from=2026-03-04&to=2026-03-01", "ends before it begins"),
        ("to=2026-02-30", "is no date"),
        ("task=999", "no task of this report"),
        ("entity=%27%20OR%201=1", "no entity that may be seen"),
        ("days=3", "has no days"),
        ("format=csv", "a field that this report does not know"),
        ("other=1", "a field that this report does not know"),
        ("task=1&task=2", "a field that this report does not know"),
    ];
    refuses(&app, &description, at, &wrong).await;
    for name in ["tea", "Deploy", "deploy%2F..", "%00"] {
        let answer = with_token(&app, &format!("/api/v1/reports/{name}")).await;
        assert_eq!(answer.status, 404, "{name}");
        description.check("/reports/{name}", &answer);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_are_those_of_the_page_of_their_task() {
    let app = pages(with_tokens).await;
    campaign(&app.db).await;
    app.db.run_of(500, 2, 2, 3).await;
    app.db.run_of(501, 99, 1, 3).await;
    let description = Description::of(&app).await;
    let mut admin = Browser::of(app.pages(), "admin").await;
    for query in [
        "",
        "?job=10",
        "?state=inerror&target=PluginFusioninventoryDeployPackage:12",
        "?agent=S_01",
        "?from=2026-03-02&until=2026-03-02",
        "?text=%3C100%25%3E&other=1",
        "?state=finished&agent=nobody",
    ] {
        let path = format!("/tasks/1/runs{query}");
        let at = (&*path, "/tasks/{id}/runs");
        let first = told(&app, &description, at).await;
        let ids = |runs: &[Value]| -> Vec<u64> {
            let ids = runs.iter().map(|run| run["id"].as_u64().unwrap());
            ids.collect()
        };
        let page = admin.get(&format!("/sidecar/tasks/1{query}")).await;
        let shown = runs(&page.body);
        assert_eq!(ids(first["runs"].as_array().unwrap()), shown, "{query}");
        assert_eq!(first["is_cut"], false);
        let (found, pages) = all(&app, &description, at, ("runs", "before")).await;
        if query.is_empty() {
            let every: Vec<u64> = (1..=130).rev().collect();
            assert_eq!((ids(&found), pages), (every, 3));
            let states: BTreeSet<&str> = found
                .iter()
                .map(|run| run["state"].as_str().unwrap())
                .collect();
            assert_eq!(states.len(), 7, "{states:?}");
        }
    }
    let at = ("/tasks/1/runs", "/tasks/{id}/runs");
    let long = (
        format!("agent={}", "x".repeat(256)),
        format!("text={}", "x".repeat(201)),
    );
    let wrong = [
        ("job=x", "'job'"),
        ("job=3", "'job'"),
        ("state=no", "'state'"),
        ("target=x", "'target'"),
        (&*long.0, "'agent'"),
        ("from=2026-02-30", "'from'"),
        ("until=no", "'until'"),
        (&*long.1, "'text'"),
        ("before=-1", "'before'"),
    ];
    refuses(&app, &description, at, &wrong).await;
    // What is wrong with an address is not told of a task that is not seen.
    let mut local = Browser::of(app.pages(), "local").await;
    for (path, named, status) in [
        ("/tasks/1/runs", "/tasks/{id}/runs", 404),
        ("/tasks/1/runs?state=no", "/tasks/{id}/runs", 404),
        ("/tasks/99/runs", "/tasks/{id}/runs", 404),
        ("/tasks/x/runs", "/tasks/{id}/runs", 404),
        ("/tasks/2/runs", "/tasks/{id}/runs", 200),
        ("/runs/80", "/runs/{id}", 404),
        ("/runs/80?from=x", "/runs/{id}", 404),
        ("/runs/500", "/runs/{id}", 200),
    ] {
        let answer = local.get(&format!("/api/v1{path}")).await;
        assert_eq!(answer.status, status, "{path}");
        description.check(named, &answer);
    }
    // A run whose job is gone is nobody's.
    for id in ["501", "999", "x", "99999999999999999999"] {
        let answer = with_token(&app, &format!("/api/v1/runs/{id}")).await;
        assert_eq!(answer.status, 404, "{id}");
        description.check("/runs/{id}", &answer);
    }
    stories(&app, &description).await;
}

async fn stories(app: &TestApp, description: &Description) {
    let story = told(app, description, ("/runs/80", "/runs/{id}")).await;
    let mut run = story["run"].clone();
    run.as_object_mut().unwrap().remove("timeout");
    assert_eq!(
        run,
        json!({
            "id": 80,
            "job": {"id": 10, "name": "second"},
            "target": {"itemtype": "PluginFusioninventoryDeployPackage", "items_id": 12, "name": "Thunder & bird"},
            "agent": {"id": 80, "name": "wks_080"},
            "computer": {"id": 80, "name": "pc-80"},
            "state": "finished",
            "not_before": null,
            "began": "2026-03-02T23:59:59",
            "last": "2026-03-04T11:30:00",
            "said": "ended with <100%>",
            "duration": 127_801,
            "silent": null,
        })
    );
    let lines = |lines: &Value| -> Vec<Value> {
        let lines = lines.as_array().unwrap().iter();
        lines
            .map(|line| json!([line["at"], line["after"], line["state"], line["text"]]))
            .collect()
    };
    assert_eq!(story["task"], json!({"id": 1, "name": "root task"}));
    assert_eq!(
        lines(&story["lines"]),
        [
            json!(["2026-03-02T23:59:59", null, "prepared", ""]),
            json!([
                "2026-03-04T11:30:00",
                127_801,
                "running",
                "ended with <100%>"
            ]),
        ]
    );
    // One that is under way, which says more than a page holds, in codes among it.
    app.db
        .set(
            "INSERT INTO {p}taskjoblogs ({f}taskjobstates_id, date, items_id, itemtype, state, comment) VALUES \
             (79, '2026-03-04 11:31:00', 0, '', 6, '[==detail==] ==addtheitem== [[PluginFusioninventoryDeployPackage::11]],[x]');
             INSERT INTO {p}taskjoblogs ({f}taskjobstates_id, date, items_id, itemtype, state, comment) \
             SELECT 79, '2026-03-04 11:32:00', 0, '', 6, seq FROM seq_1_to_600",
        )
        .await;
    let at = ("/runs/79", "/runs/{id}");
    let under_way = told(app, description, at).await;
    let run = &under_way["run"];
    assert_eq!(
        (&run["state"], &run["silent"], &run["said"]),
        (&json!("running"), &json!(28 * 60), &json!("600"))
    );
    assert_eq!(
        lines(&under_way["lines"])[2],
        json!([
            "2026-03-04T11:31:00",
            60,
            "running",
            "[Detail] Added: LibreOffice\n[x]"
        ])
    );
    let (found, pages) = all(app, description, at, ("lines", "from")).await;
    let ids: BTreeSet<u64> = found
        .iter()
        .map(|line| line["id"].as_u64().unwrap())
        .collect();
    assert_eq!((found.len(), ids.len(), pages), (603, 603, 2));
    refuses(app, description, at, &[("from=x", "'from'")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_those_of_the_page_of_all_jobs() {
    let app = pages(with_tokens).await;
    let description = Description::of(&app).await;
    app.db
        .set(
            "INSERT INTO {p}taskjobs (id, {f}tasks_id, name, method, targets, actors) \
             SELECT 100 + seq, 1, CONCAT('more &#38; ', seq), 'networkdiscovery', '[]', '[]' FROM seq_1_to_200;
             INSERT INTO {p}sidecar_sequence ({f}taskjobs_id, `rank`, delay, after_success) VALUES (1, 0, 0, 0), (101, 1, 0, 1), \
             (102, 2, 7200, 0)",
        )
        .await;
    let at = ("/jobs", "/jobs");
    let early = told(&app, &description, at).await;
    assert_eq!(
        (&early["counted_at"], &early["jobs"][0]["counts"]),
        (&Value::Null, &Value::Null)
    );
    app.db.run_of(1, 1, 1, 3).await;
    app.count().await;
    let (jobs, pages) = all(&app, &description, at, ("jobs", "after")).await;
    let ids: BTreeSet<u64> = jobs.iter().map(|job| job["id"].as_u64().unwrap()).collect();
    assert_eq!((jobs.len(), ids.len(), pages), (203, 203, 3));
    let job = |id: u64| jobs.iter().find(|job| job["id"] == id).unwrap();
    assert_eq!(
        (
            &job(1)["counts"]["ok"],
            &job(1)["completion"],
            &job(1)["kind"],
            &job(1)["task"]
        ),
        (
            &json!(1),
            &json!(100),
            &json!("deploy"),
            &json!({"id": 1, "name": "root task"})
        )
    );
    assert_eq!(
        (
            &job(101)["after"],
            &job(101)["name"],
            &job(101)["completion"]
        ),
        (
            &json!({"id": 300, "name": "more & 200"}),
            &json!("more & 1"),
            &Value::Null
        )
    );
    assert_eq!(jobs.last().unwrap()["id"], 102, "it starts last");
    assert_eq!(jobs.last().unwrap()["starts"], 7200);
    refuses(&app, &description, at, &[("after=1-2-3", "'after'")]).await;
    let mut local = Browser::of(app.pages(), "local").await;
    let seen = local.get("/api/v1/jobs").await.json();
    let seen: Vec<&Value> = seen["jobs"].as_array().unwrap().iter().collect();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0]["task"]["name"], "north task");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_is_that_of_its_page() {
    let app = pages(with_tokens).await;
    let description = Description::of(&app).await;
    app.db
        .set(
            "INSERT INTO {p}sidecar_changes ({f}tasks_id, since, `until`, field, old_value, new_value) \
             SELECT 1, '2026-03-04', '2026-03-05' + INTERVAL seq MINUTE, 'wakeup_agents', seq, seq + 1 FROM seq_1_to_60;
             INSERT INTO glpi_logs (itemtype, items_id, linked_action, user_name, date_mod, new_value) \
             SELECT 'PluginFusioninventoryTask', 1, 12, 'Ada &#60;i&#62; (2)', '2026-03-05' + INTERVAL seq MINUTE, CONCAT('log ', seq, ';') \
             FROM seq_1_to_60",
        )
        .await;
    let at = ("/tasks/1/history", "/tasks/{id}/history");
    let (changes, pages) = all(&app, &description, at, ("changes", "before")).await;
    assert_eq!((changes.len(), pages), (120, 3));
    let of = |source: &str| -> Vec<&Value> {
        let of = changes.iter().filter(|change| change["source"] == source);
        of.collect()
    };
    let (log, glpi) = (of("log"), of("glpi"));
    assert_eq!((log.len(), glpi.len()), (60, 60));
    assert_eq!(
        *log[0],
        json!({"source": "log", "at": "2026-03-05T01:00:00", "since": null, "user": "Ada <i> (2)", "text": "log 60;"})
    );
    assert_eq!(
        *glpi[59],
        json!({"source": "glpi", "at": "2026-03-05T00:01:00", "since": "2026-03-04T00:00:00", "user": null,
            "text": "agents to wake up: 1 → 2"})
    );
    let moments: Vec<&str> = changes
        .iter()
        .map(|change| change["at"].as_str().unwrap())
        .collect();
    assert!(
        moments.is_sorted_by(|one, other| one >= other),
        "the newest first"
    );
    refuses(&app, &description, at, &[("before=x", "'before'")]).await;
    let mut local = Browser::of(app.pages(), "local").await;
    for (id, status) in [("1", 404), ("2", 200), ("3", 404), ("99", 404), ("x", 404)] {
        let answer = local.get(&format!("/api/v1/tasks/{id}/history")).await;
        assert_eq!(answer.status, status, "{id}");
        description.check("/tasks/{id}/history", &answer);
    }
}
