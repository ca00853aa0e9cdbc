//! Open pages: in a real browser, behind a real nginx, and many of them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;

use super::live::Stream;
use super::pages;
use crate::monitoring::office_apps;
use crate::support::app::TestApp;
use crate::support::browser::Chromium;
use crate::support::chance::show;
use crate::support::database::fresh;
use crate::support::nginx::{Nginx, Php};
use crate::support::people::{Browser, PASSWORD, accounts};
use crate::support::process::{LIMIT, Sidecar};
use crate::support::real_agent::RealAgent;
use crate::support::site::text;
use crate::support::until::until;

const PERIOD: Duration = Duration::from_secs(1);

/// Waits for what a script of the test finds.
async fn shows(browser: &Chromium, what: &str, script: &str) {
    until(what, async || browser.value(script).await == json!(true)).await;
}

async fn open_streams(app: &TestApp, browser: &mut Browser) -> u64 {
    browser.move_to(app.pages());
    let answer = browser.get("/sidecar/api/v1/status").await;
    answer.json()["live"]["open"].as_u64().unwrap()
}

/// While the real agent runs a deployment, the page shows how it goes on; what has the focus keeps it.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_follows_a_real_deployment() {
    let app = pages(|settings| {
        settings.scheduler.monitoring_period = PERIOD;
        settings.web.glpi_url = Some("http://127.0.0.1:1/glpi".parse().unwrap());
    })
    .await;
    let package = json!({
        "jobs": {"checks": [], "associatedFiles": [], "userinteractions": [], "actions": [{"cmd": {"exec": "sleep 3", "name": "work"}}]},
        "associatedFiles": {},
    });
    app.db
        .set(&format!(
            "UPDATE {{p}}entities SET agent_base_url = 'http://{}' WHERE id = 1;
             INSERT INTO glpi_computers (id, name) VALUES (1, 'wks-7');
             INSERT INTO {{p}}agents (id, name, device_id, computers_id) VALUES (1, 'wks-7', 'wks-7', 1);
             INSERT INTO {{p}}deploypackages (id, name, json) VALUES (1, 'editor', {});
             UPDATE {{p}}taskjobs SET targets = '[{{\"PluginFusioninventoryDeployPackage\":\"1\"}}]', \
             actors = '[{{\"Computer\":\"1\"}}]' WHERE id = 1",
            app.address(),
            text(&package.to_string())
        ))
        .await;
    app.prepare().await.unwrap();
    app.count().await;
    let browser = Chromium::open(1280, 800).await;
    browser
        .goto(&format!("http://{}/sidecar/", app.pages()))
        .await;
    browser.sign_in("admin", PASSWORD).await;
    browser.text("#live[data-state=on]").await;
    assert!(browser.text("#live").await.contains("within 1 s"));
    browser
        .value(
            "const line = document.querySelector('#task-1'); line.querySelector('.name a').focus(); \
             window.kept = [line, document.activeElement]; window.seen = []; window.others = 0; \
             new MutationObserver(() => seen.push(line.className + ' ' + line.querySelector('.details').textContent)) \
             .observe(line, {subtree: true, childList: true, characterData: true, attributes: true}); \
             new MutationObserver((all) => { others += all.length; }) \
             .observe(document.querySelector('#task-2'), {subtree: true, childList: true, characterData: true, attributes: true});",
        )
        .await;
    browser.keep("live-before").await;
    let agent = RealAgent::new("wks-7").await;
    let server = format!("http://{}/plugins/fusioninventory", app.address());
    agent.run(&server, &[]).await;
    shows(
        &browser,
        "the page shows the end",
        "return document.querySelector('#task-1').classList.contains('finished')",
    )
    .await;
    let seen = browser.value("return seen").await.to_string();
    assert!(
        seen.contains("task running 1 deployments (ok: 0"),
        "while it ran: {seen}"
    );
    assert!(browser.text("#task-1 .details").await.contains("(ok: 1, "));
    let kept = "return kept[0] === document.querySelector('#task-1') && kept[1] === document.activeElement && others === 0";
    assert_eq!(browser.value(kept).await, json!(true), "nothing flickers");
    browser.keep("live-after").await;

    // A tab that is hidden closes its stream, and is brought up to date when it is shown.
    let mut watcher = Browser::of(app.pages(), "admin").await;
    assert_eq!(open_streams(&app, &mut watcher).await, 1);
    let turn = |hidden: bool| {
        format!(
            "Object.defineProperty(document, 'hidden', {{get: () => {hidden}, configurable: true}}); \
             document.dispatchEvent(new Event('visibilitychange'))"
        )
    };
    browser.value(&turn(true)).await;
    until("the stream is closed", async || {
        open_streams(&app, &mut Browser::clone(&watcher)).await == 0
    })
    .await;
    browser.text("#live[data-state=off]").await;
    app.db
        .set("DELETE FROM {p}taskjobstates; DELETE FROM {p}tasks WHERE id = 3; INSERT INTO {p}tasks (id, name, is_active) VALUES (4, '<i>x', 1)")
        .await;
    until("it is counted", async || {
        app.monitor().board().tasks[0].id.0 == 4
    })
    .await;
    assert_eq!(browser.count("#task-3").await, 1, "nothing is asked for");
    browser.value(&turn(false)).await;
    assert_eq!(browser.text("#task-4 .name a").await, "<i>x");
    let order = "return [...document.querySelectorAll('.task')].map((task) => task.id).join()";
    assert_eq!(browser.value(order).await, "task-4,task-2,task-1");
    until("the line follows", async || {
        browser.text("#task-1 .details").await.starts_with("0 ")
    })
    .await;
    // Without a session the page leads to the form.
    app.db
        .set("UPDATE glpi_users SET is_active = 0 WHERE id = 2")
        .await;
    browser.text("#password").await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nginx_passes_each_message_on_at_once() {
    let app = pages(|settings| settings.scheduler.monitoring_period = PERIOD).await;
    office_apps(&app.db).await;
    app.db
        .set("UPDATE {p}tasks SET entities_id = 0 WHERE id = 8")
        .await;
    app.count().await;
    let (_, php) = Php::start().await;
    let nginx = Nginx::with_pages(&[app.address()], Some(app.pages()), php);
    let admin = Browser::of(app.pages(), "admin").await;
    let origin = format!("http://{}", nginx.plain);
    let mut stream = Stream::of(Stream::ask(&origin, &admin, "", "").await);
    assert_eq!(stream.news().await.lines().len(), 4);
    let begun = Instant::now();
    app.db
        .set("DELETE FROM {p}taskjobstates WHERE {f}agents_id = 40")
        .await;
    assert_eq!(stream.news().await.lines(), ["8"]);
    let took = begun.elapsed();
    assert!(took < PERIOD + Duration::from_secs(5), "{took:?}");
    assert_eq!(nginx.errors(), "");
}

/// Ticks of the processor that a process has taken, a hundredth of a second each.
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let fields: Vec<&str> = fields.split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// States that a run goes through, one every half a second: not one that is there again when runs are counted the next time.
const STATES: u32 = 5;

/// What `serve` takes of a core while a run of a task of many changes every half a second.
async fn share(sidecar: &Sidecar, db: &crate::support::database::TestDb, time: Duration) -> f64 {
    let (begun, before) = (Instant::now(), ticks(sidecar.pid()));
    let mut turn = 0_u32;
    while begun.elapsed() < time {
        turn += 1;
        db.set(&format!(
            "UPDATE {{p}}taskjobstates SET state = {} WHERE {{f}}agents_id = 40",
            turn % STATES
        ))
        .await;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let taken = f64::from(u32::try_from(ticks(sidecar.pid()) - before).unwrap());
    taken / 100.0 / begun.elapsed().as_secs_f64()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_open_pages_cost_less_than_a_tenth_of_a_core() {
    let db = fresh().await;
    accounts(&db).await;
    office_apps(&db).await;
    db.set("UPDATE {p}tasks SET entities_id = 0 WHERE id = 8")
        .await;
    let mut sidecar = Sidecar::on(
        &db,
        &[
            "--monitoring-period=3",
            "--catalogue-refresh=1",
            "--web-listen=127.0.0.1:0",
        ],
    );
    let told = sidecar.line("showing pages to people");
    let (_, address) = told.split_once("address=").unwrap();
    let address = address.split_whitespace().next().unwrap();
    let address: SocketAddr = address.parse().unwrap();
    let time = Duration::from_secs(4);
    let alone = share(&sidecar, &db, time).await;
    let admin = Browser::of(address, "admin").await;
    let origin = format!("http://{address}");
    let open = (0..200).map(|_| async {
        let mut stream = Stream::of(Stream::ask(&origin, &admin, "", "").await);
        stream.next().await.unwrap();
        stream
    });
    let mut streams = join_all(open).await;
    let reading = streams.iter_mut().map(|stream| async {
        let mut lines = 0;
        while let Ok(Some(told)) = tokio::time::timeout(LIMIT, stream.next()).await {
            lines += told.lines().len();
            if told.data.get("order").is_some() {
                break;
            }
        }
        lines
    });
    let looking = async {
        let with = share(&sidecar, &db, time).await;
        // The last message.
        db.set("DELETE FROM {p}tasks WHERE id = 3").await;
        with
    };
    let (with, lines) = tokio::join!(looking, join_all(reading));
    show(&format!(
        "of a core: {alone:.3} with no page, {with:.3} with 200 pages"
    ));
    assert!(lines.iter().all(|lines| *lines >= 1), "{lines:?}");
    assert!(
        with - alone < 0.1,
        "of a core: {alone:.3} with no page, {with:.3} with 200 pages"
    );
}
