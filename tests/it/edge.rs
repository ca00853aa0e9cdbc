//! The edge requests: 83 that agents hardly ever send, and what the plugin's PHP answered. For each one is decided whether that is
//! imitated, mended or left to PHP; here every decision is held against the sidecar under policy `plugin`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use axum::http::Method;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono_tz::Tz;
use fusion_sidecar::domain::policy::Policy;
use fusion_sidecar::proto::envelope::{Coding, seal};
use fusion_sidecar::replay::{self, Answer, Base, Moment, Recording};
use rstest::rstest;
use serde::Deserialize;
use serde_json::Value;

use crate::support::agent::{self, send};
use crate::support::app::{self, TestApp};
use crate::support::php::FakePhp;

/// One request, and what the reference answered.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    method: String,
    /// Path and query.
    target: String,
    headers: BTreeMap<String, String>,
    body: Option<String>,
    status: u16,
    reply_headers: BTreeMap<String, String>,
    /// The body, inflated.
    reply: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Decisions {
    case: Vec<Decided>,
}

/// What is decided of one request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Decided {
    name: String,
    decision: Decision,
    reason: Option<String>,
    answer: Option<Expected>,
    alone: Option<Expected>,
    body: Option<String>,
    #[serde(default)]
    prepared: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Decision {
    Same,
    Mended,
    LeftToPhp,
}

/// An answer: content type where it tells how to decode, and one kind of body.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    status: u16,
    content_type: Option<String>,
    xml: Option<String>,
    json: Option<Value>,
    text: Option<String>,
}

fn fixture(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(name)
}

fn cases() -> Vec<(Case, Decided)> {
    let requests = std::fs::read_to_string(fixture("edge/requests.json")).unwrap();
    let requests: Vec<Case> = serde_json::from_str(&requests).unwrap();
    let decisions = std::fs::read_to_string(fixture("edge/decisions.toml")).unwrap();
    let decisions: Decisions = toml::from_str(&decisions).unwrap();
    let count = decisions.case.len();
    let mut decisions: BTreeMap<String, Decided> = decisions
        .case
        .into_iter()
        .map(|case| (case.name.clone(), case))
        .collect();
    assert_eq!(decisions.len(), count, "two decisions on one request");
    let cases: Vec<(Case, Decided)> = requests
        .into_iter()
        .map(|case| {
            let decided = decisions.remove(&case.name);
            let decided =
                decided.unwrap_or_else(|| panic!("nothing is decided on {:?}", case.name));
            (case, decided)
        })
        .collect();
    assert!(
        decisions.is_empty(),
        "no such requests: {:?}",
        decisions.keys()
    );
    cases
}

#[test]
fn every_request_has_one_decision_with_its_reason() {
    let cases = cases();
    let names: BTreeSet<&str> = cases.iter().map(|(case, _)| case.name.as_str()).collect();
    assert_eq!((cases.len(), names.len()), (83, 83));
    for (case, decided) in &cases {
        let reason = decided.reason.as_deref().unwrap_or_default();
        let whole = match decided.decision {
            Decision::Same => {
                reason.is_empty() && decided.answer.is_none() && decided.alone.is_none()
            }
            Decision::Mended => {
                reason.len() > 20 && decided.answer.is_some() && decided.alone.is_none()
            }
            Decision::LeftToPhp => {
                reason.len() > 20 && decided.answer.is_none() && decided.alone.is_some()
            }
        };
        assert!(whole, "{}: {decided:?}", case.name);
        if let Some(answer) = &decided.answer {
            assert_ne!(answer, &reference(case), "{}: not mended at all", case.name);
        }
    }
}

/// As the capture's site was: one agent, with a run of each kind.
async fn load(app: &TestApp) {
    let site = Recording::read(&fixture("edge/site.json")).unwrap();
    let base = Base::read(&fixture("recordings/base.json")).unwrap();
    let mut conn = app.db.conn().await;
    let moment = Moment::new(app.now(), Tz::UTC);
    let job = async |_| Err("no step".to_owned());
    replay::play(&site, &base, &app.subject(), &moment, &mut conn, job)
        .await
        .unwrap();
    conn.disconnect().await.unwrap();
}

async fn play(app: &TestApp, case: &Case, decided: &Decided) -> agent::Answer {
    if decided.prepared {
        app.db.set("UPDATE {p}taskjobstates SET state = 0").await;
    }
    let method: Method = case.method.parse().unwrap();
    let headers: Vec<(&str, &str)> = case
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let body = body(case, decided.body.as_deref());
    send(
        method,
        &format!("{}{}", app.origin(), case.target),
        &headers,
        body,
    )
    .await
}

/// The bytes that were sent. The capture holds texts; the name of a case or its content type says how they were packed.
fn body(case: &Case, instead: Option<&str>) -> Vec<u8> {
    let text = instead.or(case.body.as_deref()).unwrap_or_default();
    if let Some(coded) = text.strip_prefix("(base64) ") {
        return BASE64_STANDARD.decode(coded).unwrap();
    }
    assert!(!text.starts_with("(left out"), "{} needs a body", case.name);
    let kind = case.headers.get("Content-Type").map_or("", String::as_str);
    let coding = if text.is_empty() || case.name.ends_with("plain body") {
        Coding::Plain
    } else if kind.ends_with("zlib") || case.name.ends_with("content-type, zlib") {
        Coding::Zlib
    } else if kind.ends_with("gzip") || case.name.ends_with("content-type, gzip") {
        Coding::Gzip
    } else {
        Coding::Plain
    };
    seal(text, coding)
}

/// The kind of a type that tells how to decode; PHP's default says nothing.
fn kind(content_type: &str) -> Option<String> {
    let name = content_type.split(';').next().unwrap_or_default();
    (name.contains("compress") || name.contains("xml")).then(|| name.to_owned())
}

fn reference(case: &Case) -> Expected {
    let kind = case
        .reply_headers
        .get("Content-Type")
        .and_then(|name| kind(name));
    let read = Answer::read(
        case.status,
        "",
        case.reply.as_deref().unwrap_or_default().as_bytes(),
        1 << 20,
    )
    .unwrap();
    expected(read, kind)
}

fn got(answer: &agent::Answer) -> Expected {
    let content_type = answer.header("content-type").unwrap_or_default();
    let read = Answer::read(answer.status, content_type, &answer.body, 1 << 20).unwrap();
    expected(read, kind(content_type))
}

fn expected(read: Answer, content_type: Option<String>) -> Expected {
    assert_eq!(read.sha256, None, "a long body has no place here");
    Expected {
        status: read.status,
        content_type,
        xml: read.xml.as_deref().map(squeezed),
        json: read.json.map(without_token),
        text: read.text,
    }
}

/// XML without what only lays it out.
fn squeezed(xml: &str) -> String {
    let document = xml.split_once("?>").map_or(xml, |(_, document)| document);
    document.split('\n').map(str::trim).collect()
}

/// JSON with a `*` for what is new each time.
fn without_token(mut json: Value) -> Value {
    if let Some(token) = json.get_mut("token") {
        let text = token.as_str().unwrap();
        assert!(
            text.len() >= 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "{text}"
        );
        *token = "*".into();
    }
    json
}

fn check(case: &Case, wanted: &Expected, answer: &agent::Answer) {
    let mut got = got(answer);
    if (&wanted.xml, &wanted.json, &wanted.text) == (&None, &None, &None) {
        assert!(
            got.text.take().is_some_and(|text| !text.is_empty()),
            "{}: {got:?}",
            case.name
        );
    }
    let wanted = Expected {
        xml: wanted.xml.as_deref().map(squeezed),
        ..wanted.clone()
    };
    assert_eq!(got, wanted, "{}", case.name);
    if let Some(signature) = case.reply_headers.get("server-type") {
        assert_eq!(
            answer.header("server-type"),
            Some(signature.as_str()),
            "{}",
            case.name
        );
    }
}

#[rstest]
#[case::beside_php(true)]
#[case::alone(false)]
#[tokio::test]
async fn each_is_answered_as_decided(#[case] beside_php: bool) {
    let php = FakePhp::start().await;
    let app = app::start(|settings| {
        settings.dispatch.policy = Policy::Plugin;
        settings.upstream_url = beside_php.then(|| php.url.clone());
    })
    .await;
    load(&app).await;
    for (case, decided) in cases() {
        let before = php.got().len();
        let answer = play(&app, &case, &decided).await;
        let passed = php.got().split_off(before);
        match decided.decision {
            Decision::LeftToPhp if beside_php => {
                let [got] = passed.as_slice() else {
                    panic!("{}: {passed:?}", case.name)
                };
                assert_eq!(got.target, format!("/glpi{}", case.target), "{}", case.name);
                assert_eq!(got.method.as_str(), case.method, "{}", case.name);
                assert_eq!(
                    got.body,
                    body(&case, decided.body.as_deref()),
                    "{}",
                    case.name
                );
                let (status, mark) = if got.body.is_empty() {
                    (302, "location")
                } else {
                    (200, "x-php")
                };
                assert_eq!(answer.status, status, "{}", case.name);
                assert!(answer.header(mark).is_some(), "{}: {answer:?}", case.name);
                continue;
            }
            Decision::LeftToPhp => check(&case, &decided.alone.unwrap(), &answer),
            Decision::Mended => check(&case, &decided.answer.unwrap(), &answer),
            Decision::Same => check(&case, &reference(&case), &answer),
        }
        assert!(passed.is_empty(), "{}: {passed:?}", case.name);
    }
}

#[tokio::test]
async fn an_empty_body_has_no_type_and_a_wrong_method_is_told_the_right_ones() {
    let app = app::start(|_| {}).await;
    let answer = app.get("/?action=getConfig&machineid=nobody").await;
    assert_eq!((answer.status, answer.body.len()), (400, 0));
    assert_eq!(answer.header("content-type"), None);
    for path in ["/", "/b/deploy/", "/b/collect/", "/b/esx/"] {
        let url = format!("{}{path}", app.base_url());
        let answer = send(Method::PUT, &url, &[], vec![]).await;
        assert_eq!(
            (answer.status, answer.header("allow")),
            (405, Some("GET, HEAD, POST")),
            "{path}"
        );
    }
}

#[rstest]
#[case("NETWORKDISCOVERY")]
#[case("NETWORKINVENTORY")]
#[tokio::test]
async fn a_result_may_be_named_after_its_module(#[case] query: &str) {
    let app = app::start(|settings| settings.dispatch.policy = Policy::Plugin).await;
    let xml = format!(
        "<REQUEST><CONTENT><MODULEVERSION>2.2</MODULEVERSION></CONTENT><DEVICEID>wks-1</DEVICEID><QUERY>{query}</QUERY></REQUEST>"
    );
    let answer = app.post(&xml, Coding::Plain).await;
    assert_eq!(squeezed(&answer.text()), "<REPLY></REPLY>");
    let versions: Vec<String> = app.db.ask("SELECT version FROM {p}agents").await;
    assert!(
        versions[0].contains(&format!("\"{query}\"")),
        "{versions:?}"
    );
}
