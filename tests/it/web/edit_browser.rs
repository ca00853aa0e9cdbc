//! Editing a task in a real browser: jobs dragged and moved by keys, added and deleted, a week ticked, and its history. What was seen is kept in
//! `target/screenshots`.

use std::time::Duration;

use fantoccini::Locator;
use fantoccini::actions::{InputSource as _, MOUSE_BUTTON_LEFT, MouseActions, PointerAction};
use serde_json::json;

use super::pages;
use super::task_browser::{NAMELESS, OVERHANG};
use crate::support::app::TestApp;
use crate::support::browser::Chromium;
use crate::support::people::PASSWORD;

const ORDER: &str = "return [...document.querySelectorAll('.place h3')].map(e => e.textContent)";

async fn order(browser: &Chromium) -> serde_json::Value {
    browser.value(ORDER).await
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_moved_and_a_week_is_ticked() {
    let app = pages(|_| {}).await;
    app.db
        .set(
            "UPDATE {p}taskjobs SET name = 'wake' WHERE id = 1;
             INSERT INTO {p}taskjobs (id, {f}tasks_id, name, method, targets, actors) VALUES (10, 1, '<i>x</i>', 'deployinstall', '[]', '[]'), \
             (11, 1, 'last', 'deployinstall', '[]', '[]');
             INSERT INTO {p}deploypackages (id, name, entities_id, json) VALUES (4, '&#60;i&#62;Thunder&#60;/i&#62;', 0, '{}');
             INSERT INTO {p}sidecar_sequence ({f}taskjobs_id, `rank`, delay) VALUES (11, 0, 3600)",
        )
        .await;
    let browser = Chromium::open(1280, 1100).await;
    browser
        .goto(&format!("http://{}/sidecar/tasks/1", app.pages()))
        .await;
    browser.sign_in("admin", PASSWORD).await;
    browser.text("#edit").await;
    browser.click("#edit").await;
    browser.text(".places").await;
    jobs(&app, &browser).await;
    one_more(&app, &browser).await;
    week(&app, &browser).await;
    browser
        .goto(&format!("http://{}/sidecar/tasks/1", app.pages()))
        .await;
    let history = browser.text(".history").await;
    for part in [
        "Ada Min (2)",
        "job 11 “last”: delay: 1 h → 0 s",
        "hours: those of its slot → ",
    ] {
        assert!(history.contains(part), "{part}: {history}");
    }
    assert_eq!(browser.value(NAMELESS).await, 0);
    browser.keep("task-history").await;
    dark_and_narrow(&app, &browser).await;
    browser.close().await;
}

async fn jobs(app: &TestApp, browser: &Chromium) {
    assert_eq!(order(browser).await, json!(["wake", "<i>x</i>", "last"]));
    assert_eq!(browser.value(NAMELESS).await, 0);
    // Dragged to the top, where it starts with what it stands above.
    let element = |css| browser.client.find(Locator::Css(css));
    let (handle, top) = (
        element("#job-11 .handle").await.unwrap(),
        element("#job-1 .head").await.unwrap(),
    );
    let to = |element, y| PointerAction::MoveToElement {
        element,
        duration: Some(Duration::from_millis(50)),
        x: 0.0,
        y,
    };
    let button = MOUSE_BUTTON_LEFT;
    let drag = MouseActions::new("mouse".to_owned())
        .then(to(handle, 0.0))
        .then(PointerAction::Down { button })
        .then(to(top.clone(), 20.0))
        .then(to(top, -10.0))
        .then(PointerAction::Up { button });
    browser.client.perform_actions(drag).await.unwrap();
    assert_eq!(order(browser).await, json!(["last", "wake", "<i>x</i>"]));
    assert_eq!(browser.text("#said").await, "last is now number 1");
    let delay = "return document.querySelector('#job-11 [name=delay]').value";
    assert_eq!(browser.value(delay).await, "0 s");
    // By the keyboard, with the focus staying where it was.
    let up = element("#job-10 [value=up-10]").await.unwrap();
    up.send_keys("\u{e007}").await.unwrap();
    assert_eq!(order(browser).await, json!(["last", "<i>x</i>", "wake"]));
    let focus = "return document.activeElement.value";
    assert_eq!(browser.value(focus).await, "up-10");
    browser.keep("edit").await;
    browser.click("#save").await;
    assert_eq!(browser.text("#done").await, "Saved. Changes: 2.");
    let rows: Vec<(u32, u32)> = app
        .db
        .ask("SELECT {f}taskjobs_id, delay FROM {p}sidecar_sequence ORDER BY `rank`")
        .await;
    assert_eq!(rows, [(11, 0), (10, 0), (1, 0)]);
}

/// A job is added by the plus, its target found by a part of its name with the Enter key, and deleted again.
async fn one_more(app: &TestApp, browser: &Chromium) {
    browser.click("#add").await;
    browser.text("#targets").await;
    let element = |css| browser.client.find(Locator::Css(css));
    let name = element("[name=name]").await.unwrap();
    name.send_keys("<b>new</b>").await.unwrap();
    let search = element("[name=target_text]").await.unwrap();
    search.send_keys("thunder\u{e007}").await.unwrap();
    assert_eq!(
        browser.text(".found li").await,
        "+ Package: <i>Thunder</i> (4)"
    );
    assert_eq!(browser.text("#done").await, "Nothing is saved yet.");
    browser.click(".found button").await;
    assert_eq!(
        browser.text(".chosen li").await,
        "Package: <i>Thunder</i> (4) −"
    );
    assert_eq!(browser.value(NAMELESS).await, 0);
    browser.keep("job").await;
    browser.click("#save").await;
    browser.text("#job-12 h3").await;
    assert_eq!(
        order(browser).await,
        json!(["last", "<i>x</i>", "wake", "<b>new</b>"])
    );
    let targets = "SELECT name, targets FROM {p}taskjobs WHERE id = 12";
    let row = app.db.ask::<(String, String)>(targets).await;
    let stored = (
        "&#60;b&#62;new&#60;/b&#62;".to_owned(),
        r#"[{"PluginFusioninventoryDeployPackage":"4"}]"#.to_owned(),
    );
    assert_eq!(row, [stored]);
    browser.click("#job-12 a[href$='/delete']").await;
    assert!(browser.text("h1").await.contains("<b>new</b>"));
    browser.text("#confirm").await;
    browser.keep("job-delete").await;
    browser.click("#confirm").await;
    assert_eq!(browser.text("#done").await, "Saved. Changes: 1.");
    assert_eq!(browser.count("#job-12").await, 0);
}

async fn week(app: &TestApp, browser: &Chromium) {
    browser.click("a[href$='/week']").await;
    browser.text(".grid").await;
    // Any hour, as there is no slot; then a column, a square, and a day.
    let first = "return document.querySelectorAll('.grid input:checked').length";
    assert_eq!(browser.value(first).await, 168);
    assert_eq!(browser.value(NAMELESS).await, 0);
    for day in 1..=7 {
        browser
            .click(&format!(".grid tbody tr:nth-child({day}) th button"))
            .await;
    }
    assert_eq!(browser.value(first).await, 0);
    browser.click("[data-column='22'] button").await;
    browser.click("input[value='0-21']").await;
    browser.click("input[value='6-22']").await;
    browser.click(".grid tbody tr:nth-child(6) th button").await;
    assert_eq!(browser.value(first).await, 6 + 1 + 23);
    browser.keep("week").await;
    browser.click("#save").await;
    assert_eq!(browser.text("#done").await, "Saved. Changes: 1.");
    let rows: Vec<(u32, u32, u32)> = app
        .db
        .ask("SELECT weekday, hour_start, hour_end FROM {p}sidecar_hours WHERE {f}tasks_id = 1 ORDER BY 1, 2")
        .await;
    let evening = |day| (day, 22, 23);
    let expected = [
        (0, 21, 23),
        evening(1),
        evening(2),
        evening(3),
        evening(4),
        (5, 0, 24),
    ];
    assert_eq!(rows, expected);
}

async fn dark_and_narrow(app: &TestApp, browser: &Chromium) {
    browser.click("button[name=theme][value=dark]").await;
    browser.text("html[data-theme=dark] h1").await;
    browser.client.set_window_size(500, 1000).await.unwrap();
    for (page, picture) in [
        ("tasks/1/edit", "edit"),
        ("tasks/1/week", "week"),
        ("tasks/1/history", "history"),
        ("tasks/1/jobs/new", "job"),
        ("jobs/10/copy", "job-copy"),
    ] {
        browser
            .goto(&format!("http://{}/sidecar/{page}", app.pages()))
            .await;
        browser.text("h1").await;
        assert_eq!(browser.value(OVERHANG).await, 0, "{page}");
        assert_eq!(browser.value(NAMELESS).await, 0, "{page}");
        browser.keep(&format!("{picture}-narrow-dark")).await;
    }
}
