//! What a page is sent while it is open.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::timeout;

use super::pages;
use crate::monitoring::office_apps;
use crate::support::app::TestApp;
use crate::support::people::Browser;
use crate::support::until::until;
use crate::support::wire::{SOON, get};

/// The staleness in these tests.
const PERIOD: Duration = Duration::from_secs(1);

/// What a loaded machine adds.
const SLACK: Duration = Duration::from_secs(5);

/// An open stream.
pub(crate) struct Stream {
    pub(crate) response: reqwest::Response,
    text: String,
}

/// A message.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) kind: String,
    id: String,
    pub(crate) data: Value,
    text: String,
}

impl Told {
    /// The ids of the lines.
    pub(crate) fn lines(&self) -> Vec<&str> {
        let lines = self.data["lines"].as_object().unwrap();
        lines.keys().map(String::as_str).collect()
    }
}

impl Stream {
    pub(crate) async fn ask(
        origin: &str,
        browser: &Browser,
        from: &str,
        last: &str,
    ) -> reqwest::Response {
        fusion_sidecar::upstream::install_crypto();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let cookies: Vec<String> = browser
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let mut request = client
            .get(format!("{origin}/sidecar/live?from={from}"))
            .header("cookie", cookies.join("; "));
        if !last.is_empty() {
            request = request.header("last-event-id", last);
        }
        request.send().await.unwrap()
    }

    pub(crate) async fn open(app: &TestApp, browser: &Browser, from: &str) -> Self {
        let origin = format!("http://{}", app.pages());
        Self::of(Self::ask(&origin, browser, from, "").await)
    }

    pub(crate) fn of(response: reqwest::Response) -> Self {
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        Self {
            response,
            text: String::new(),
        }
    }

    /// The next message; none at the end.
    pub(crate) async fn next(&mut self) -> Option<Told> {
        loop {
            if let Some((message, rest)) = self.text.clone().split_once("\n\n") {
                let field = |name: &str| {
                    let mut lines = message.lines();
                    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
                    value.unwrap_or_default().to_owned()
                };
                let told = Told {
                    kind: field("event"),
                    id: field("id"),
                    data: serde_json::from_str(&field("data")).unwrap_or(Value::Null),
                    text: field("data"),
                };
                let is_comment = message.starts_with(':');
                rest.clone_into(&mut self.text);
                if is_comment {
                    continue;
                }
                return Some(told);
            }
            let chunk = timeout(SOON, self.response.chunk()).await;
            let chunk = chunk.expect("nothing is sent").unwrap()?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The next message with a line or an order: those that only say when was counted are passed over.
    pub(crate) async fn news(&mut self) -> Told {
        loop {
            let told = self.next().await.expect("the stream ended");
            if !told.lines().is_empty() || told.data.get("order").is_some() {
                return told;
            }
        }
    }
}

/// What the page of somebody says that it shows.
async fn shown(browser: &mut Browser) -> (String, String) {
    let page = browser.get("/sidecar/").await;
    let (_, rest) = page.body.split_once("data-from=\"").unwrap();
    (rest.split('"').next().unwrap().to_owned(), page.body)
}

async fn counting() -> TestApp {
    let app = pages(|settings| settings.scheduler.monitoring_period = PERIOD).await;
    office_apps(&app.db).await;
    app.db
        .set("UPDATE {p}tasks SET entities_id = 0 WHERE id = 8")
        .await;
    app.count().await;
    app
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_write_comes_within_the_staleness_and_only_that() {
    let app = counting().await;
    let mut admin = Browser::of(app.pages(), "admin").await;
    let (from, page) = shown(&mut admin).await;
    assert!(page.contains("50, ko: 12, unneeded: 3"), "{page}");
    let mut stream = Stream::open(&app, &admin, &from).await;
    assert_eq!(stream.response.headers()["x-accel-buffering"], "no");
    let first = stream.next().await.unwrap();
    assert_eq!((first.kind.as_str(), &first.id), ("board", &from));
    assert_eq!((first.lines().len(), first.data.get("order")), (0, None));
    assert!(first.data["age"].is_u64());
    for (change, lines, order, text) in [
        (
            "UPDATE {p}taskjobstates SET state = 3 WHERE {f}agents_id = 40 AND items_id = 11",
            vec!["8"],
            None,
            "80 deployments (ok: 51, ko: 12, unneeded: 3)",
        ),
        (
            "DELETE FROM {p}taskjobstates WHERE {f}agents_id = 40",
            vec!["8"],
            None,
            "78 deployments (ok: 50, ko: 12, unneeded: 3)",
        ),
        (
            "INSERT INTO {p}tasks (id, name, is_active) VALUES (9, '<b>new</b>', 1)",
            vec!["9"],
            Some(json!([9, 8, 3, 2, 1])),
            "&#60;b&#62;new&#60;/b&#62;",
        ),
        (
            "DELETE FROM {p}tasks WHERE id = 8",
            vec![],
            Some(json!([9, 3, 2, 1])),
            "",
        ),
    ] {
        let begun = Instant::now();
        app.db.set(change).await;
        let told = stream.news().await;
        let took = begun.elapsed();
        assert!(took < PERIOD + SLACK, "{change}: {took:?}");
        assert_eq!(
            (told.lines(), told.data.get("order")),
            (lines.clone(), order.as_ref()),
            "{change}"
        );
        if let [line] = lines[..] {
            let html = told.data["lines"][line].as_str().unwrap();
            assert!(html.contains(text), "{html}");
            let (_, page) = shown(&mut admin).await;
            assert!(page.contains(html), "the page has the same");
        }
    }
    // A browser that lost its connection goes on where it was; one that shows something else is told everything.
    let (from, _) = shown(&mut admin).await;
    let origin = format!("http://{}", app.pages());
    let mut again = Stream::of(Stream::ask(&origin, &admin, "x", &from).await);
    assert_eq!(again.next().await.unwrap().lines().len(), 0);
    let local = Browser::of(app.pages(), "local").await;
    for (browser, from, lines) in [
        (&local, from.as_str(), vec!["2"]),
        (&admin, "", vec!["9", "3", "2", "1"]),
        (&admin, "nonsense-1", vec!["9", "3", "2", "1"]),
    ] {
        let mut stream = Stream::open(&app, browser, from).await;
        let told = stream.next().await.unwrap();
        assert_eq!(told.lines(), lines);
        assert_eq!(told.data["order"].as_array().unwrap().len(), lines.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_streams_than_allowed_are_refused() {
    let app = pages(|settings| settings.web.streams = 2).await;
    app.count().await;
    let admin = Browser::of(app.pages(), "admin").await;
    let origin = format!("http://{}", app.pages());
    let mut first = Stream::open(&app, &admin, "").await;
    let second = Stream::open(&app, &admin, "").await;
    let refused = Stream::ask(&origin, &admin, "", "").await;
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers()["retry-after"], "30");
    assert_eq!(first.next().await.unwrap().kind, "board", "others go on");
    // The page itself is there.
    assert!(Browser::of(app.pages(), "admin").await.is_inside().await);
    drop(second);
    until("a place is given back", async || {
        Stream::ask(&origin, &admin, "", "").await.status() == 200
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_its_session() {
    let app = counting().await;
    let mut leaving = Browser::of(app.pages(), "admin").await;
    let other = Browser::of(app.pages(), "admin").await;
    let mut of_leaving = Stream::open(&app, &leaving, "").await;
    let mut of_other = Stream::open(&app, &other, "").await;
    leaving.sign_out().await;
    assert!(ends(&mut of_leaving).await);
    of_other.next().await.unwrap();
    // By what GLPI says: found without a question of the page.
    for change in [
        "UPDATE glpi_profiles_users SET is_recursive = 0 WHERE users_id = 2",
        "UPDATE glpi_users SET is_active = 0 WHERE id = 2",
    ] {
        let mut stream =
            Stream::of(Stream::ask(&format!("http://{}", app.pages()), &other, "", "").await);
        app.db.set(change).await;
        assert!(ends(&mut stream).await, "{change}");
    }
    assert!(ends(&mut of_other).await);
    // Somebody who is not signed in is told so, and never led to a form that no script reads.
    let mut stream = Stream::open(&app, &Browser::at(app.pages()), "").await;
    assert!(ends(&mut stream).await);
    // An open page is no question: the session ends by idleness.
    let reader = Browser::of(app.pages(), "reader").await;
    let mut stream = Stream::open(&app, &reader, "").await;
    stream.next().await.unwrap();
    app.clock.advance(Duration::from_mins(29));
    stream.next().await.unwrap();
    app.clock.advance(Duration::from_mins(1));
    assert!(ends(&mut stream).await);
}

/// Whether it says that it is over, and is.
async fn ends(stream: &mut Stream) -> bool {
    loop {
        let told = stream.next().await.expect("it ends without a word");
        if told.kind == "end" {
            assert_eq!(told.text, "over", "without data no browser hears of it");
            return stream.next().await.is_none();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_that_stops_does_not_wait_for_its_streams() {
    let app = pages(|_| {}).await;
    let other = app.another(|_| {}).await;
    let admin = Browser::of(app.pages(), "admin").await;
    let origin = format!("http://{}", other.web_address.unwrap());
    let mut stream = Stream::of(Stream::ask(&origin, &admin, "", "").await);
    stream.next().await.unwrap();
    let begun = Instant::now();
    other.stop().await.unwrap();
    assert!(begun.elapsed() < SLACK, "{:?}", begun.elapsed());
    assert!(stream.next().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_script_is_a_file_of_its_own() {
    let app = pages(|_| {}).await;
    let mut admin = Browser::of(app.pages(), "admin").await;
    let page = admin.get("/sidecar/").await;
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("script-src 'self'") && !policy.contains("unsafe"));
    assert_eq!(page.body.matches("<script").count(), 1);
    let (_, rest) = page.body.split_once("<script src=\"").unwrap();
    let script = rest.split('"').next().unwrap();
    let file = get(app.pages(), script).await;
    assert_eq!(
        (file.status, file.header("content-type")),
        (200, Some("text/javascript; charset=utf-8"))
    );
}
