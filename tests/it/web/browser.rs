//! The pages in a real browser. What was seen is kept in `target/screenshots`.

use std::time::Duration;

use super::pages;
use crate::support::browser::Chromium;
use crate::support::people::PASSWORD;
use crate::support::site::text;

#[tokio::test(flavor = "multi_thread")]
async fn signing_in_and_out() {
    let app = pages(|_| {}).await;
    app.count().await;
    let page = format!("http://{}/sidecar/", app.pages());
    let browser = Chromium::open(1280, 800).await;
    browser.goto(&page).await;
    assert_eq!(browser.text("h1").await, "Sign in");
    assert_eq!(
        browser.value("return document.activeElement.id").await,
        "name",
        "the keyboard writes where it should"
    );
    browser.keep("login").await;
    browser.sign_in("admin", "wrong").await;
    assert!(
        browser
            .text("#error")
            .await
            .starts_with("Login or password is wrong")
    );
    browser.keep("login-wrong").await;
    browser.sign_in("nobody", PASSWORD).await;
    browser
        .client
        .wait()
        .at_most(Duration::from_secs(20))
        .for_element(fantoccini::Locator::Css("#error"))
        .await
        .unwrap();
    assert!(browser.text("#error").await.contains("right to read"));
    browser.sign_in("admin", PASSWORD).await;
    assert_eq!(browser.text("#account").await, "Signed in as Ada Min");
    assert_eq!(browser.text("#task-1 .name").await, "root task");
    assert_eq!(browser.count(".task").await, 3);
    assert_eq!(
        browser.value("return document.cookie").await,
        "",
        "no script reads a cookie"
    );
    browser.keep("monitoring").await;
    browser.click("#logout").await;
    browser.text("#password").await;
    assert_eq!(browser.text("h1").await, "Sign in");
    browser.client.back().await.unwrap();
    browser.client.refresh().await.unwrap();
    assert_eq!(browser.text("h1").await, "Sign in", "nothing is kept");
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn throttled() {
    let app = pages(|settings| settings.web.tries_per_name = 2).await;
    let browser = Chromium::open(1280, 800).await;
    browser
        .goto(&format!("http://{}/sidecar/login", app.pages()))
        .await;
    for _ in 0..2 {
        browser.sign_in("admin", "wrong").await;
        assert!(browser.text("#error").await.contains("wrong"));
    }
    browser.sign_in("admin", PASSWORD).await;
    assert!(
        browser
            .text("#error")
            .await
            .starts_with("Too many sign-ins failed. Try again in 6 min")
    );
    browser.keep("login-throttled").await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_only_read_is_told_and_entities_limit_what_is_seen() {
    let app = pages(|_| {}).await;
    app.count().await;
    let page = format!("http://{}/sidecar/", app.pages());
    let browser = Chromium::open(1280, 800).await;
    browser.goto(&page).await;
    browser.sign_in("reader", PASSWORD).await;
    assert_eq!(browser.text(".badge").await, "read only");
    assert_eq!(browser.count(".task").await, 3);
    browser.keep("read-only").await;
    browser.click("#logout").await;
    browser.sign_in("local", PASSWORD).await;
    assert_eq!(browser.text("#task-2 .name").await, "north task");
    assert_eq!(
        (browser.count(".task").await, browser.count(".badge").await),
        (1, 0)
    );
    browser.close().await;
}

/// Names that would do something if they were not shown as they are; as GLPI stores them, and as somebody who writes past it would.
const NAMES: [&str; 4] = [
    "<script>document.title='had'</script>",
    "&#60;img src=x onerror=document.title='had'&#62;",
    "\"><svg onload=document.title='had'>",
    "&lt;iframe srcdoc=\"&lt;script>top.document.title='had'&lt;/script>\"&gt;",
];

#[tokio::test(flavor = "multi_thread")]
async fn names_are_shown_and_never_obeyed() {
    let app =
        pages(|settings| settings.web.glpi_url = Some("http://127.0.0.1:1/glpi".parse().unwrap()))
            .await;
    for (at, name) in NAMES.iter().enumerate() {
        let (id, name) = (at + 10, text(name));
        app.db
            .set(&format!(
                "INSERT INTO glpi_computers (id, name, entities_id) VALUES ({id}, {name}, 0);
                 INSERT INTO {{p}}agents (id, name, device_id, computers_id) VALUES ({id}, {name}, 'd{id}', {id});
                 INSERT INTO {{p}}deploypackages (id, name, json) VALUES ({id}, {name}, '{{}}');
                 INSERT INTO {{p}}tasks (id, name, is_active) VALUES ({id}, {name}, 1);
                 INSERT INTO {{p}}taskjobs (id, {{f}}tasks_id, name, method, targets, actors) VALUES \
                 ({id}, {id}, {name}, 'deployinstall', '[{{\"PluginFusioninventoryDeployPackage\":\"{id}\"}}]', '[{{\"Computer\":\"{id}\"}}]');
                 INSERT INTO {{p}}taskjobstates (id, {{f}}taskjobs_id, items_id, itemtype, state, {{f}}agents_id, uniqid) VALUES \
                 ({id}, {id}, {id}, 'PluginFusioninventoryDeployPackage', 2, {id}, {name});
                 UPDATE glpi_users SET realname = {name}, firstname = '' WHERE id = 2"
            ))
            .await;
    }
    app.count().await;
    let browser = Chromium::open(1280, 800).await;
    browser
        .goto(&format!("http://{}/sidecar/", app.pages()))
        .await;
    browser.sign_in("admin", PASSWORD).await;
    let decoded = [
        "<script>document.title='had'</script>",
        "<img src=x onerror=document.title='had'>",
        "\"><svg onload=document.title='had'>",
        "<iframe srcdoc=\"<script>top.document.title='had'</script>\">",
    ];
    for (at, name) in decoded.iter().enumerate() {
        let id = at + 10;
        assert_eq!(browser.text(&format!("#task-{id} .name a")).await, *name);
        let specifics = browser.text(&format!("#task-{id} .specifics")).await;
        assert!(specifics.contains(name), "{specifics}");
        assert!(
            browser
                .text(&format!("#task-{id} .status"))
                .await
                .contains("Running")
        );
    }
    assert!(browser.text("#account").await.contains(decoded[3]));
    assert_eq!(
        browser.value("return document.title").await,
        "Monitoring – fusion-sidecar"
    );
    for css in [
        "main img",
        "script:not([src])",
        "script ~ script",
        "iframe",
        "main svg:not(.icon)",
    ] {
        assert_eq!(browser.count(css).await, 0, "{css}");
    }
    let link = browser
        .value("return document.querySelector('#task-10 .name .glpi').href")
        .await;
    assert_eq!(
        link,
        "http://127.0.0.1:1/glpi/plugins/fusioninventory/front/task.form.php?id=10"
    );
    browser.keep("names").await;
    // A name that was typed comes back in the form.
    browser.click("#logout").await;
    browser.sign_in(NAMES[2], "wrong").await;
    browser.text("#error").await;
    assert_eq!(
        browser
            .value("return document.querySelector('#name').value")
            .await,
        NAMES[2]
    );
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dark_narrow_and_french() {
    let app = pages(|_| {}).await;
    app.count().await;
    let browser = Chromium::open(1280, 800).await;
    browser
        .goto(&format!("http://{}/sidecar/", app.pages()))
        .await;
    browser.sign_in("admin", PASSWORD).await;
    browser.text("#account").await;
    let ground = "return getComputedStyle(document.body).backgroundColor";
    assert_eq!(browser.value(ground).await, "rgb(244, 246, 250)");
    browser.click("button[name=theme][value=dark]").await;
    browser.text("html[data-theme=dark] h1").await;
    assert_eq!(browser.value(ground).await, "rgb(20, 24, 31)");
    browser.keep("dark").await;
    browser.click("button[name=language][value=fr]").await;
    browser.text("html[lang=fr] h1").await;
    assert_eq!(browser.text("h1").await, "Supervision");
    assert_eq!(browser.text("#logout").await, "Déconnexion");
    // Every button and link is reached by the keyboard, the way past the head first.
    let first = "document.querySelector('a, button').getAttribute('href')";
    assert_eq!(browser.value(&format!("return {first}")).await, "#content");
    browser.client.set_window_size(500, 900).await.unwrap();
    let overhang =
        "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
    assert_eq!(
        browser.value(overhang).await,
        0,
        "nothing has to be scrolled sideways"
    );
    browser.keep("narrow-dark-french").await;
    browser.click("button[name=theme][value=light]").await;
    browser.text("html[data-theme=light] h1").await;
    assert_eq!(browser.value(ground).await, "rgb(244, 246, 250)");
    browser.keep("narrow-light-french").await;
    browser.close().await;
}
