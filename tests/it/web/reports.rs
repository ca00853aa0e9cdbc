//! Reports, as pages and as files.

use super::pages_on;
use crate::reports::campaign;
use crate::support::app::TestApp;
use crate::support::browser::Chromium;
use crate::support::database::fresh;
use crate::support::people::{Browser, PASSWORD};

const DEPLOY: &str = "/sidecar/reports/deploy?from=2026-03-01&to=2026-03-04";

async fn office() -> TestApp {
    let db = fresh().await;
    campaign(&db).await;
    let app = pages_on(db).await;
    app.count().await;
    app
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_see_tasks_sees_reports_of_their_entities() {
    let app = office().await;
    let answer = Browser::at(app.pages()).get(DEPLOY).await;
    assert_eq!(answer.status, 303);
    assert!(
        answer
            .header("location")
            .unwrap()
            .starts_with("/sidecar/login?to=")
    );
    let mut reader = Browser::of(app.pages(), "reader").await;
    let list = reader.get("/sidecar/reports").await;
    assert_eq!(list.status, 200);
    for name in [
        "deploy",
        "discovery",
        "inventory",
        "collect",
        "silent-agents",
    ] {
        assert!(
            list.body
                .contains(&format!("href=\"/sidecar/reports/{name}\"")),
            "{name}"
        );
        let page = reader.get(&format!("/sidecar/reports/{name}")).await;
        assert_eq!(page.status, 200, "{page:?}");
        assert!(
            page.body.contains("<table>") && page.body.contains("<svg viewBox=\"0 0 800 "),
            "{page:?}"
        );
        for never in [" style=", "<script", "<b>Viewer", "javascript:"] {
            assert!(!page.body.contains(never), "{name}: {never}");
        }
    }
    let all = reader.get(DEPLOY).await.body;
    assert!(all.contains("<td>2026-03-03</td><td class=\"number\">0</td><td class=\"number\">1</td><td class=\"number\">2</td>"));
    assert!(all.contains("&#60;script&#62;x&#60;/script&#62;") && all.contains("=exit 1"));
    assert!(all.contains("<option value=\"1\">1 – root task</option>"));
    // Of North alone.
    let mut local = Browser::of(app.pages(), "local").await;
    let page = local.get(DEPLOY).await.body;
    assert!(page.contains("<td>2026-03-03</td><td class=\"number\">0</td><td class=\"number\">0</td><td class=\"number\">1</td>"));
    assert!(!page.contains("=exit 1") && !page.contains("root task") && !page.contains("Editor"));
    assert!(page.contains("Root &#62; North") && !page.contains("Root &#62; South"));
    let silent = local.get("/sidecar/reports/silent-agents").await.body;
    assert!(
        silent.contains("agent-3") && !silent.contains("agent-4") && !silent.contains("agent-2")
    );
    for hidden in [
        "task=1",
        "entity=0",
        "entity=Root+%3E+South",
        "task=2&entity=2",
    ] {
        let page = local.get(&format!("{DEPLOY}&{hidden}")).await;
        assert_eq!(page.status, 400, "{hidden}");
        let file = local.get(&format!("{DEPLOY}&{hidden}&format=csv")).await;
        assert_eq!(file.status, 400, "{hidden}");
    }
    let mut nobody = Browser::at(app.pages());
    assert_eq!(nobody.sign_in("nobody", PASSWORD).await.status, 403);
    assert_eq!(nobody.get(DEPLOY).await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_files_too() {
    let app = office().await;
    let mut browser = Browser::of(app.pages(), "reader").await;
    let page = browser.get(&format!("{DEPLOY}&task=1")).await;
    assert!(page.body.contains("href=\"?from=2026-03-01&#38;to=2026-03-04&#38;task=1&#38;format=csv&#38;table=missing\""), "{page:?}");
    let csv = browser
        .get(&format!("{DEPLOY}&task=1&format=csv&table=failures"))
        .await;
    assert_eq!(csv.status, 200);
    assert_eq!(
        csv.header("content-type"),
        Some("text/csv; charset=utf-8; header=present")
    );
    assert_eq!(
        csv.header("content-disposition"),
        Some("attachment; filename=\"deploy-failures-2026-03-01-2026-03-04.csv\"")
    );
    assert_eq!(csv.header("cache-control"), Some("no-store"));
    assert_eq!(
        csv.body,
        "message,runs,last\r\n\"'=exit 1\",1,2026-03-03 11:00:00\r\n"
    );
    let json = browser.get(&format!("{DEPLOY}&task=1&format=json")).await;
    assert_eq!(json.header("content-type"), Some("application/json"));
    let report: serde_json::Value = serde_json::from_str(&json.body).unwrap();
    assert_eq!(report["tables"][3]["rows"][0]["host"], "pc-2");
    let silent = browser
        .get("/sidecar/reports/silent-agents?format=csv")
        .await;
    assert_eq!(
        silent.header("content-disposition"),
        Some("attachment; filename=\"silent-agents-silent-2026-03-04.csv\"")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_asked_is_said_and_nothing_of_it_is_obeyed() {
    let app = office().await;
    let mut browser = Browser::of(app.pages(), "reader").await;
    for (query, said) in [
        ("from=yesterday", "is no date"),
        ("from=2026-02-30", "is no date"),
        ("from=2026-03-04&to=2026-03-01", "ends before it begins"),
        ("from=1990-01-01", "longer than 3660 days"),
        ("task=999", "no task of this report"),
        ("task=4", "no task of this report"),
        ("task=1%20OR%201=1", "no task of this report"),
        ("entity=%27%20OR%201=1", "no entity that may be seen"),
        (
            "entity=%3Cscript%3Ealert(1)%3C/script%3E",
            "&#60;script&#62;alert",
        ),
        ("days=3", "has no days"),
        ("form=csv", "a field that this report does not know"),
        ("task=1&task=2", "a field that this report does not know"),
        ("format=%3Cimg%20src=x%3E", "&#60;img src=x&#62;"),
        ("format=csv&table=%3Cb%3E", "&#60;b&#62;"),
    ] {
        let page = browser
            .get(&format!("/sidecar/reports/deploy?{query}"))
            .await;
        assert_eq!(page.status, 400, "{query}");
        assert!(page.body.contains(said), "{query}: {page:?}");
        assert!(
            page.body.contains("id=\"error\"") && !page.body.contains("<table>"),
            "{query}"
        );
        for never in ["<script", "<img", "<b>"] {
            assert!(!page.body.contains(never), "{query}");
        }
    }
    for name in ["tea", "Deploy", "deploy%2F..", "%3Cscript%3E"] {
        let page = browser.get(&format!("/sidecar/reports/{name}")).await;
        assert_eq!(page.status, 404, "{name}");
        assert!(!page.body.contains("<script"), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_browser() {
    let app = office().await;
    let browser = Chromium::open(1280, 900).await;
    browser
        .goto(&format!("http://{}/sidecar/reports", app.pages()))
        .await;
    browser.sign_in("admin", PASSWORD).await;
    assert_eq!(browser.text("h1").await, "Reports");
    browser.keep("reports").await;
    browser.click("#report-deploy a").await;
    assert_eq!(browser.text("#progress h2").await, "Ended over time");
    browser
        .goto(&format!("http://{}{DEPLOY}&task=1", app.pages()))
        .await;
    assert_eq!(browser.text("#missing tbody td").await, "pc-2");
    let bars = "const of = getComputedStyle(document.querySelector('#progress rect.bad')); return of.fill + ' ' + \
                (document.querySelector('#progress rect.bad').getBoundingClientRect().height > 20)";
    assert_eq!(browser.value(bars).await, "rgb(198, 40, 40) true");
    let named = "const svg = document.querySelector('#progress svg'); return svg.getAttribute('aria-labelledby').split(' ')\
                 .map(id => document.getElementById(id).textContent).join('; ')";
    assert_eq!(
        browser.value(named).await,
        "Chart: Ended over time; Ok: 1, Unneeded: 1, Failed: 1"
    );
    browser.keep("report-deploy").await;
    browser
        .goto(&format!("http://{}{DEPLOY}", app.pages()))
        .await;
    assert_eq!(
        browser.text("#failures tbody td").await,
        "<script>x</script>"
    );
    for css in ["script", "td b", "main img"] {
        assert_eq!(browser.count(css).await, 0, "{css}");
    }
    browser
        .goto(&format!("http://{}/sidecar/reports/inventory", app.pages()))
        .await;
    browser.keep("report-inventory").await;
    browser.click("button[name=theme][value=dark]").await;
    browser.text("html[data-theme=dark] h1").await;
    browser.click("button[name=language][value=fr]").await;
    browser.text("html[lang=fr] h1").await;
    assert_eq!(browser.text("h1").await, "Couverture des inventaires");
    browser.client.set_window_size(500, 900).await.unwrap();
    let overhang =
        "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
    assert_eq!(
        browser.value(overhang).await,
        0,
        "only tables are scrolled sideways"
    );
    browser.keep("report-narrow-dark-french").await;
    browser.close().await;
}
