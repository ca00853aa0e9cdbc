//! The pages of a task, of its runs and of all jobs, in a real browser. What was seen is kept in `target/screenshots`.

use fantoccini::Locator;

use super::pages;
use super::task::campaign;
use crate::support::app::TestApp;
use crate::support::browser::Chromium;
use crate::support::people::PASSWORD;

/// Pixels by which the page is wider than the window.
pub(super) const OVERHANG: &str =
    "return document.documentElement.scrollWidth - document.documentElement.clientWidth";

/// Controls without a name, tables and pictures without one, and headings that leave out a level.
pub(super) const NAMELESS: &str = "
    const named = e => e.labels?.length || e.getAttribute('aria-label') || e.getAttribute('aria-labelledby') || e.textContent.trim();
    const bad = [...document.querySelectorAll('main input:not([type=hidden]), main select, main button, main a, table, meter, progress')].filter(e => !named(e));
    const svgs = [...document.querySelectorAll('main svg[role=img]')].filter(e => !e.querySelector('title'));
    const levels = [...document.querySelectorAll('h1, h2, h3')].map(e => +e.tagName[1]);
    const leaps = levels.filter((level, at) => level > (at ? levels[at - 1] : 0) + 1);
    const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
    return bad.length + svgs.length + leaps.length + (ids.length - new Set(ids).size);";

#[tokio::test(flavor = "multi_thread")]
async fn a_task_its_runs_and_all_jobs() {
    let app = pages(|settings| {
        settings.web.glpi_url = Some("http://127.0.0.1:1/glpi".parse().unwrap());
    })
    .await;
    seed(&app).await;
    app.count().await;
    let browser = Chromium::open(1280, 1400).await;
    browser
        .goto(&format!("http://{}/sidecar/", app.pages()))
        .await;
    browser.sign_in("admin", PASSWORD).await;
    browser.text("#task-1 .name a").await;
    browser.click("#task-1 .name a").await;
    how_it_is_set(&browser).await;
    searching(&browser).await;
    a_story(&app, &browser).await;
    dark_french_and_narrow(&app, &browser).await;
    all_jobs(&browser).await;
    nothing_keeps_anybody_out(&app, &browser).await;
    browser.close().await;
}

/// By all of axe-core's rules in the light, and once more by that of colours in the dark.
async fn nothing_keeps_anybody_out(app: &TestApp, browser: &Chromium) {
    let pages = [
        "",
        "tasks/1",
        "tasks/1/edit",
        "tasks/1/week",
        "tasks/1/history",
        "tasks/1/actions",
        "tasks/1/jobs/new",
        "jobs/10/edit",
        "jobs/10/copy",
        "runs/130",
        "jobs",
        "reports",
        "reports/deploy?task=1",
    ];
    let mut found: Vec<String> = Vec::new();
    let mut look = async |page: &str, only| {
        let of_page = browser.violations(only).await;
        found.extend(of_page.into_iter().map(|one| format!("{page}: {one}")));
    };
    // Whose colours are their own.
    let coloured = [
        "",
        "tasks/1",
        "tasks/1/week",
        "runs/130",
        "reports/deploy?task=1",
    ];
    for (theme, only, pages) in [
        ("light", None, &pages[..]),
        ("dark", Some("color-contrast"), &coloured[..]),
    ] {
        browser
            .goto(&format!("http://{}/sidecar/", app.pages()))
            .await;
        browser
            .click(&format!("button[name=theme][value={theme}]"))
            .await;
        browser.text(&format!("html[data-theme={theme}] h1")).await;
        for page in pages {
            browser
                .goto(&format!("http://{}/sidecar/{page}", app.pages()))
                .await;
            browser.text("h1").await;
            look(page, only).await;
        }
    }
    browser.click("#logout").await;
    browser.text("#password").await;
    look("login", None).await;
    browser.sign_in("admin", "wrong").await;
    browser.text("#error").await;
    look("login", None).await;
    // It does look.
    let nameless = "document.querySelector('main').append(document.createElement('button'))";
    browser.value(nameless).await;
    let seen = browser.violations(Some("button-name")).await;
    assert!(seen.len() == 1 && seen[0].contains("button"), "{seen:?}");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

async fn seed(app: &TestApp) {
    campaign(&app.db).await;
    app.db
        .set(
            "INSERT INTO {p}timeslots (id, name) VALUES (1, 'Nights');
             INSERT INTO {p}timeslotentries ({f}timeslots_id, day, `begin`, `end`) VALUES (1, 5, 0, 18000), (1, 6, 79200, 86399);
             UPDATE {p}tasks SET {f}timeslots_prep_id = 1, {f}timeslots_exec_id = 1, datetime_start = '2026-03-01 08:00:00' WHERE id = 1;
             INSERT INTO {p}sidecar_tasks ({f}tasks_id, mode, max_duration) VALUES (1, 'server', 86400);
             INSERT INTO {p}sidecar_sequence ({f}taskjobs_id, `rank`, delay, after_success) VALUES (1, 0, 0, 0), (10, 0, 7200, 1);
             INSERT INTO {p}taskjoblogs ({f}taskjobstates_id, date, state, comment) VALUES \
             (130, '2026-03-04 11:31:30', 6, '3 ==devicesfound=='), (130, '2026-03-04 11:35:00', 4, '==importdenied== [name]:x,[ip]:10.0.0.1')",
        )
        .await;
}

/// The task: its settings, week, jobs in their order, why nothing happens and when the next time is.
async fn how_it_is_set(browser: &Chromium) {
    assert!(browser.text("h1.heading").await.contains("root task"));
    let why = browser.text("#why").await;
    assert!(
        why.contains("closed") && why.contains("The next time it can: 2026-03-06 00:00:00"),
        "{why}"
    );
    let settings = browser.text("section[aria-labelledby=settings]").await;
    for part in ["Server-driven", "from 2026-03-01 08:00:00", "Nights", "1 d"] {
        assert!(settings.contains(part), "{part}: {settings}");
    }
    assert_eq!(browser.count(".week").await, 2);
    let dark = "return document.querySelectorAll('.week[open] g[fill=\"#3f3f3f\"] rect').length";
    assert_eq!(browser.value(dark).await, 7);
    let second = browser.text("#job-10").await;
    for part in [
        "2. second",
        "2 h after the start",
        "After success of",
        "first",
        "Thunder & bird",
    ] {
        assert!(second.contains(part), "{part}: {second}");
    }
    assert_eq!(browser.count(".runs tr").await, 50);
    assert_eq!(browser.value(NAMELESS).await, 0);
    browser.keep("task").await;
}

/// A search by the form leads to an address that can be kept, and on by the link to older runs.
async fn searching(browser: &Chromium) {
    let agent = browser
        .client
        .find(Locator::Css("[name=agent]"))
        .await
        .unwrap();
    agent.send_keys("wks_0").await.unwrap();
    browser.click("#search").await;
    // What only the answer has.
    browser.text("[name=agent][value=wks_0]").await;
    browser.text("#run-99").await;
    let address = browser.client.current_url().await.unwrap();
    assert!(
        address.query().unwrap().contains("agent=wks_0"),
        "{address}"
    );
    browser.keep("task-runs").await;
    browser.click("#older").await;
    browser.text("#run-49").await;
    assert_eq!(browser.count(".runs tr").await, 49);
    let address = browser.client.current_url().await.unwrap();
    browser.goto(address.as_str()).await;
    browser.text("#run-49").await;
}

/// A run's story.
async fn a_story(app: &TestApp, browser: &Chromium) {
    browser
        .goto(&format!(
            "http://{}/sidecar/tasks/1?state=inerror",
            app.pages()
        ))
        .await;
    browser.text("#run-130").await;
    browser.click("#run-130 a").await;
    browser.text(".story").await;
    assert_eq!(browser.text("h1").await, "Run 130 In error");
    let story = browser.text(".story").await;
    for part in [
        "3 devices found",
        "1 min 30 s",
        "Import denied [name]:x\n[ip]:10.0.0.1",
    ] {
        assert!(story.contains(part), "{part}: {story}");
    }
    assert_eq!(browser.value(NAMELESS).await, 0);
    browser.keep("run").await;
}

/// Dark, French and narrow.
async fn dark_french_and_narrow(app: &TestApp, browser: &Chromium) {
    browser.click("button[name=theme][value=dark]").await;
    browser.text("html[data-theme=dark] h1").await;
    browser.click("button[name=language][value=fr]").await;
    browser.text("html[lang=fr] h1").await;
    assert!(
        browser
            .text(".story")
            .await
            .contains("3 équipements trouvés")
    );
    browser
        .goto(&format!("http://{}/sidecar/tasks/1", app.pages()))
        .await;
    browser.text(".runs").await;
    let why = browser.text("#why").await;
    assert!(
        why.contains("le créneau d’exécution est fermé jusqu’au 2026-03-06 00:00:00"),
        "{why}"
    );
    browser.keep("task-dark").await;
    browser.client.set_window_size(500, 1000).await.unwrap();
    for (page, picture) in [
        ("tasks/1#runs", "task-narrow-dark"),
        ("runs/130", "run-narrow-dark"),
        ("jobs", "jobs-narrow-dark"),
    ] {
        browser
            .goto(&format!("http://{}/sidecar/{page}", app.pages()))
            .await;
        browser.text("h1").await;
        assert_eq!(browser.value(OVERHANG).await, 0, "{page}");
        let head = "return document.querySelector('.wide thead').getBoundingClientRect().width";
        assert_eq!(browser.value(head).await, 1, "{page}");
        browser.keep(picture).await;
    }
    browser.client.set_window_size(1280, 900).await.unwrap();
}

/// All jobs, by when they start.
async fn all_jobs(browser: &Chromium) {
    browser.click("button[name=theme][value=light]").await;
    browser.text("html[data-theme=light] h1").await;
    let groups = browser
        .value("return [...document.querySelectorAll('h2.group')].map(e => e.textContent)")
        .await;
    assert_eq!(
        groups,
        serde_json::json!(["Au départ", "2 h après le départ"])
    );
    assert!(browser.text("#job-10").await.contains("root task"));
    assert_eq!(browser.count(".wide tbody tr").await, 4);
    assert_eq!(browser.value(NAMELESS).await, 0);
    assert_eq!(browser.text(".menu [aria-current]").await, "Travaux");
    browser.keep("jobs").await;
}
