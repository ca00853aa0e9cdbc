//! The API, held against its description.

#[path = "api/lists.rs"]
mod lists;

use std::collections::BTreeSet;

use boon::{Compiler, Schemas};
use fusion_sidecar::config::options::{Key, Options, Source};
use fusion_sidecar::config::{Environment, Settings};
use serde_json::Value;

use super::pages;
use crate::monitoring::{buildings, office_apps};
use crate::support::app::TestApp;
use crate::support::people::{Browser, PASSWORD};
use crate::support::wire::{Answer, get, raw, request};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const OTHER: &str = "fedcba9876543210fedcba9876543210";

/// The tokens come as an admin writes them.
fn with_tokens(settings: &mut Settings) {
    let mut options = Options::default();
    options.set(Key::DatabaseUrl, "mysql://u@h/d", Source::Flag);
    options.set(Key::ApiTokens, format!("{TOKEN}, {OTHER}"), Source::Flag);
    let read = fusion_sidecar::config::load(&options, &Environment::default()).unwrap();
    settings.web.tokens = read.web.tokens;
}

async fn ask(app: &TestApp, path: &str, headers: &[(&str, &str)]) -> Answer {
    let bytes = request("GET", path, headers, b"");
    raw(app.pages(), &bytes).await.expect("no answer")
}

async fn with_token(app: &TestApp, path: &str) -> Answer {
    let shown = format!("Bearer {TOKEN}");
    ask(app, path, &[("Authorization", &shown)]).await
}

/// The description that the sidecar serves.
struct Description(Value);

impl Description {
    async fn of(app: &TestApp) -> Self {
        let answer = get(app.pages(), "/api/v1/openapi.json").await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, Some("application/json"))
        );
        Self(answer.json())
    }

    /// Whether `body` is what it says of an answer of `status` to GET of `path`.
    fn holds(&self, path: &str, status: u16, body: &Value) -> Result<(), String> {
        let status = status.to_string();
        let place = ["paths", path, "get", "responses", &status, "content"];
        let place = [&place[..], &["application/json", "schema"]].concat();
        let place: Vec<String> = place
            .iter()
            .map(|part| part.replace('~', "~0").replace('/', "~1"))
            .collect();
        let pointer = format!("/{}", place.join("/"));
        let schema = self.0.pointer(&pointer);
        let schema = schema.ok_or_else(|| format!("it has no {pointer}"))?;
        let pointer = match schema.get("$ref").and_then(Value::as_str) {
            Some(to) => to.trim_start_matches('#').to_owned(),
            None => pointer,
        };
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.enable_format_assertions();
        let address = "http://127.0.0.1/openapi.json";
        compiler.add_resource(address, self.0.clone()).unwrap();
        let at = format!("{address}#{pointer}")
            .replace('{', "%7B")
            .replace('}', "%7D");
        let index = compiler.compile(&at, &mut schemas);
        let index = index.unwrap_or_else(|error| panic!("{at}: {error}"));
        let held = schemas.validate(body, index);
        held.map_err(|error| format!("{path} {status}: {error}"))
    }

    /// All addresses that it has.
    fn paths(&self) -> Vec<String> {
        let paths = self.0["paths"].as_object().unwrap();
        paths.keys().cloned().collect()
    }

    /// The names of what GET of `path` can be asked with.
    fn parameters(&self, path: &str) -> BTreeSet<String> {
        let all = self.0["paths"][path]["get"]["parameters"].as_array();
        let of_query = all.unwrap().iter().filter(|one| one["in"] == "query");
        let names = of_query.map(|one| one["name"].as_str().unwrap().to_owned());
        names.collect()
    }

    fn check(&self, path: &str, answer: &Answer) {
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let held = self.holds(path, answer.status, &answer.json());
        held.unwrap_or_else(|fault| panic!("{fault}\n{answer:?}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_as_the_description_says() {
    let app = pages(with_tokens).await;
    let description = Description::of(&app).await;
    let early = with_token(&app, "/api/v1/tasks").await;
    assert_eq!(early.json()["counted_at"], Value::Null);
    description.check("/tasks", &early);
    office_apps(&app.db).await;
    buildings(&app.db).await;
    app.db
        .set("UPDATE {p}tasks SET is_active = 0 WHERE id = 2")
        .await;
    app.count().await;
    let board = with_token(&app, "/api/v1/tasks").await;
    description.check("/tasks", &board);
    let board = board.json();
    assert_eq!(
        board,
        serde_json::to_value(&*app.monitor().board()).unwrap(),
        "what the command prints"
    );
    let ids: Vec<u64> = board["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|task| task["id"].as_u64().unwrap())
        .collect();
    assert_eq!(ids, [10, 9, 8, 3, 2, 1]);
    for id in ids {
        let answer = with_token(&app, &format!("/api/v1/tasks/{id}")).await;
        assert_eq!(answer.status, 200);
        description.check("/tasks/{id}", &answer);
        let text = answer.json()["text"].as_str().unwrap().to_owned();
        if id == 8 {
            assert_eq!(text, crate::monitoring::OFFICE_APPS);
        }
    }
    let off = with_token(&app, "/api/v1/tasks/2").await.json();
    assert_eq!(off["reasons"][0], "its task is switched off");
    for id in ["7", "x", "-1", "8/9", "99999999999999999999", "%00", "8%27"] {
        let answer = with_token(&app, &format!("/api/v1/tasks/{id}")).await;
        assert_eq!(answer.status, 404, "{id}");
        description.check("/tasks/{id}", &answer);
    }
    let by_post = request(
        "POST",
        "/api/v1/tasks",
        &[("Authorization", &format!("Bearer {TOKEN}"))],
        b"",
    );
    let by_post = raw(app.pages(), &by_post).await.unwrap();
    assert_eq!(
        (by_post.status, &by_post.json()["error"]),
        (405, &"no-method".into())
    );
    // It would say so.
    for (path, change) in [
        ("/tasks", "pending"),
        ("/tasks", "tasks"),
        ("/tasks", "counted_at"),
    ] {
        let mut wrong = board.clone();
        wrong[change] = "x".into();
        assert!(description.holds(path, 200, &wrong).is_err(), "{change}");
        let mut wrong = board.clone();
        wrong.as_object_mut().unwrap().remove(change);
        assert!(description.holds(path, 200, &wrong).is_err(), "{change}");
    }
    let mut more = board.clone();
    more["tasks"][0]["counts"]["more"] = 1.into();
    assert!(description.holds("/tasks", 200, &more).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_tells_of_the_scheduler_and_of_all_sidecars() {
    let app = pages(|settings| {
        with_tokens(settings);
        settings.scheduler.enabled = true;
        settings.web.streams = 7;
    })
    .await;
    let description = Description::of(&app).await;
    let done = |status: &Value| {
        let passes = status["passes"].as_array().unwrap();
        passes.iter().any(|pass| pass["duty"] == "prepare")
    };
    let begun = std::time::Instant::now();
    let status = loop {
        let answer = with_token(&app, "/api/v1/status").await;
        description.check("/status", &answer);
        let status = answer.json();
        if done(&status) {
            break status;
        }
        assert!(
            begun.elapsed() < crate::support::process::LIMIT,
            "nothing is prepared: {status}"
        );
    };
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["closed"], Value::Null);
    assert_eq!(status["sidecars"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&status["live"]["open"], &status["live"]["most"]),
        (&0.into(), &7.into())
    );
    app.db
        .set("UPDATE glpi_configs SET value = '1' WHERE name = 'maintenance_mode'")
        .await;
    let answer = with_token(&app, "/api/v1/status").await;
    assert_eq!(answer.json()["closed"], "GLPI is in maintenance");
    description.check("/status", &answer);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_shows_no_token_gets_nothing() {
    let app = pages(with_tokens).await;
    app.count().await;
    let description = Description::of(&app).await;
    for path in description.paths() {
        if path != "/openapi.json" {
            let at = path.replace("{id}", "1").replace("{name}", "deploy");
            let answer = ask(&app, &format!("/api/v1{at}"), &[]).await;
            assert_eq!(answer.status, 401, "{path}");
            description.check(&path, &answer);
        }
    }
    let basic = "Basic YTpi".to_owned();
    let shown = |token: &str| format!("Bearer {token}");
    for (authorization, challenge) in [
        (None, "Bearer realm=\"fusion-sidecar\""),
        (Some(basic), INVALID),
        (Some(shown("")), INVALID),
        (Some(shown("x")), INVALID),
        (Some(shown(&TOKEN[1..])), INVALID),
        (Some(shown(&format!("{TOKEN}0"))), INVALID),
        (Some(shown(&TOKEN.to_uppercase())), INVALID),
        (Some(shown(&format!("{TOKEN}, {OTHER}"))), INVALID),
    ] {
        for (path, named) in [
            ("/api/v1/tasks", "/tasks"),
            ("/api/v1/tasks/1", "/tasks/{id}"),
            ("/api/v1/tasks/777", "/tasks/{id}"),
            ("/sidecar/api/v1/status", "/status"),
        ] {
            let headers: Vec<(&str, &str)> = authorization
                .iter()
                .map(|value| ("Authorization", value.as_str()))
                .collect();
            let answer = ask(&app, path, &headers).await;
            assert_eq!(
                (answer.status, answer.header("www-authenticate")),
                (401, Some(challenge)),
                "{path} {authorization:?}"
            );
            assert!(!answer.body.contains("task"), "{answer:?}");
            description.check(named, &answer);
        }
    }
    let other = ask(&app, "/api/v1/tasks", &[("Authorization", &shown(OTHER))]).await;
    assert_eq!(other.status, 200);
    // Without tokens none is right.
    let closed = pages(|_| {}).await;
    for token in ["", TOKEN] {
        let answer = ask(
            &closed,
            "/api/v1/tasks",
            &[("Authorization", &shown(token))],
        )
        .await;
        assert_eq!(answer.status, 401);
    }
}

const INVALID: &str = "Bearer realm=\"fusion-sidecar\", error=\"invalid_token\"";

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_is_signed_in_sees_what_the_pages_show() {
    let app = pages(with_tokens).await;
    app.count().await;
    let names = |answer: &Answer| -> Vec<String> {
        let board = answer.json();
        let tasks = board["tasks"].as_array().unwrap().iter();
        tasks
            .map(|task| task["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let mut local = Browser::of(app.pages(), "local").await;
    for root in ["/api/v1", "/sidecar/api/v1"] {
        let answer = local.get(&format!("{root}/tasks")).await;
        assert_eq!(names(&answer), ["north task"], "{root}");
        assert_eq!(local.get(&format!("{root}/tasks/2")).await.status, 200);
        let hidden = local.get(&format!("{root}/tasks/1")).await;
        assert_eq!(hidden.status, 404, "of another entity");
    }
    // A token that is wrong is not mended by a session, and a right one sees more than it.
    let wrong = format!("Bearer {OTHER}x");
    local.headers = vec![("Authorization", wrong)];
    assert_eq!(local.get("/api/v1/tasks").await.status, 401);
    local.headers = vec![("Authorization", format!("bearer {OTHER}"))];
    assert_eq!(names(&local.get("/api/v1/tasks").await).len(), 3);
    local.headers.clear();
    local.sign_out().await;
    assert_eq!(local.get("/api/v1/tasks").await.status, 401);
    // Who may not see tasks has no session to begin with.
    let mut nobody = Browser::at(app.pages());
    assert_eq!(nobody.sign_in("nobody", PASSWORD).await.status, 403);
    assert_eq!(nobody.get("/sidecar/api/v1/tasks").await.status, 401);
}
