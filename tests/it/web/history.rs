//! The history of a task: GLPI's log, and what was found to be changed in GLPI.

use std::time::Duration;

use fusion_sidecar::domain::policy::Policy;
use fusion_sidecar::work::changes::Changes;

use super::edit::{WEEK, send, three_jobs};
use super::pages;
use crate::support::app::TestApp;
use crate::support::people::{Browser, token};
use crate::support::wire::Answer;

#[tokio::test(flavor = "multi_thread")]
async fn history_is_shown_fifty_a_page_and_of_one_task() {
    let app = pages(|_| {}).await;
    app.db
        .set(
            "INSERT INTO glpi_logs (itemtype, items_id, linked_action, user_name, date_mod, id_search_option, old_value, new_value) \
             SELECT 'PluginFusioninventoryTask', 1, 12, 'Ada &#60;i&#62; (2)', '2026-03-01 10:00:00', 0, '', CONCAT('change ', seq, ';') FROM seq_1_to_120;
             INSERT INTO glpi_logs (itemtype, items_id, linked_action, user_name, date_mod, id_search_option, old_value, new_value) VALUES \
             ('PluginFusioninventoryTask', 2, 12, 'x', NULL, 0, '', 'of task 2'), ('Computer', 1, 12, 'x', NULL, 0, '', 'of a computer'), \
             ('PluginFusioninventoryTask', 1, 0, 'x', NULL, 1, 'old name', 'new name')",
        )
        .await;
    let mut reader = Browser::of(app.pages(), "reader").await;
    let shown = |page: &Answer| page.body.matches("\">change ").count();
    let first = reader.get("/sidecar/tasks/1").await;
    assert_eq!(shown(&first), 49);
    assert!(
        first.body.contains("field 1: old name → new name")
            && first.body.contains("Ada &#60;i&#62; (2)")
    );
    assert!(!first.body.contains("of task 2") && !first.body.contains("of a computer"));
    let mut page = first;
    let mut counts = vec![];
    while let Some((_, rest)) = page
        .body
        .split_once("href=\"/sidecar/tasks/1/history?before=")
    {
        assert!(counts.len() < 9, "{page:?}");
        let before = rest.split('"').next().unwrap().to_owned();
        page = reader
            .get(&format!("/sidecar/tasks/1/history?before={before}"))
            .await;
        counts.push(shown(&page));
    }
    assert_eq!(counts, [50, 21]);
    assert!(page.body.contains("change 1;"));
    assert_eq!(
        reader.get("/sidecar/tasks/1/history?before=x").await.status,
        400
    );
    let mut local = Browser::of(app.pages(), "local").await;
    assert_eq!(local.get("/sidecar/tasks/1/history").await.status, 404);
}

/// Beside the rows of GLPI's log, in one list by time: what PHP changed, between which moments, in the language of the page.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_in_glpi_stands_in_the_history() {
    let app = three_jobs().await;
    let db = app.preparation(Policy::Redux).db().clone();
    let changes = Changes::new(db, app.clock.clone(), chrono_tz::UTC, 365);
    let look = async || changes.pass().await.unwrap().changes;
    assert_eq!(look().await, 0);
    app.clock.advance(Duration::from_mins(10));
    let mut admin = Browser::of(app.pages(), "admin").await;
    let week = admin.get(WEEK).await;
    app.db
        .set(
            "INSERT INTO {p}timeslots (id, name) VALUES (5, 'Nights &#60;i&#62;'); INSERT INTO {p}deploypackages (id, name) VALUES (3, 'Editor');
             UPDATE {p}tasks SET {f}timeslots_prep_id = 5 WHERE id = 1",
        )
        .await;
    let answer = send(&mut admin, &week, WEEK, &[("do", "save"), ("hour", "0-1")]).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    app.clock.advance(Duration::from_mins(10));
    app.db
        .set(
            "UPDATE {p}taskjobs SET targets = '[{\"PluginFusioninventoryDeployPackage\":\"3\"}]' WHERE id = 10;
             DELETE FROM {p}tasks WHERE id = 2",
        )
        .await;
    assert_eq!(look().await, 2);
    let order = |page: &Answer, parts: [&str; 6]| {
        let mut at = page.body.find("class=\"history\"").unwrap();
        for part in parts {
            let found = page.body[at..].find(part);
            at += found.unwrap_or_else(|| panic!("{part}: {page:?}"));
        }
    };
    // The newest first.
    let page = admin.get("/sidecar/tasks/1").await;
    order(
        &page,
        [
            "changed in GLPI between 2026-03-04 12:10:00 and 2026-03-04 12:20:00",
            "job 10 “a &#60;b&#62;”: targets: with DeployPackage 3 “Editor”",
            "Ada Min (2)",
            "hours: those of its slot → Mo 1–2",
            "changed in GLPI between 2026-03-04 12:00:00 and 2026-03-04 12:10:00",
            "preparation timeslot: any time → Nights &#60;i&#62;",
        ],
    );
    assert!(!page.body.contains("<i>"));
    let (token, back) = (token(&page).unwrap(), "/sidecar/tasks/1/history");
    let fields = [("token", &*token), ("language", "fr"), ("to", back)];
    assert_eq!(
        admin
            .post_with(&[], "/sidecar/preferences", &fields)
            .await
            .status,
        303
    );
    order(
        &admin.get(back).await,
        [
            "modifié dans GLPI entre 2026-03-04 12:10:00 et 2026-03-04 12:20:00",
            "travail 10 « a &#60;b&#62; » : cibles : avec DeployPackage 3 “Editor”",
            "Ada Min (2)",
            "lang=\"en\">hours: those of its slot → Mo 1–2",
            "modifié dans GLPI entre 2026-03-04 12:00:00 et 2026-03-04 12:10:00",
            ">créneau de préparation : à tout moment → Nights &#60;i&#62;",
        ],
    );
    // Of a task that is gone its history is left, for who might see it.
    let of_gone = "/sidecar/tasks/2/history";
    assert!(
        admin
            .get(of_gone)
            .await
            .body
            .contains("la tâche a été supprimée")
    );
    let mut local = Browser::of(app.pages(), "local").await;
    assert!(
        local
            .get(of_gone)
            .await
            .body
            .contains("the task was deleted")
    );
    assert_eq!(local.get("/sidecar/tasks/1/history").await.status, 404);
    assert_eq!(admin.get("/sidecar/tasks/99/history").await.status, 404);
    pages_go_on_in_both_lists(&app, &mut admin).await;
}

async fn pages_go_on_in_both_lists(app: &TestApp, admin: &mut Browser) {
    app.db
        .set(
            "INSERT INTO {p}sidecar_changes ({f}tasks_id, since, `until`, field, old_value, new_value) \
             SELECT 1, '2026-03-05', '2026-03-05' + INTERVAL seq MINUTE, 'wakeup_agents', seq, seq + 1 FROM seq_1_to_60;
             INSERT INTO glpi_logs (itemtype, items_id, linked_action, user_name, date_mod, new_value) \
             SELECT 'PluginFusioninventoryTask', 1, 12, 'x', '2026-03-05' + INTERVAL seq MINUTE, CONCAT('log ', seq, ';') FROM seq_1_to_60",
        )
        .await;
    let (mut page, mut rows) = (admin.get("/sidecar/tasks/1").await, vec![]);
    loop {
        assert!(rows.len() < 9, "{page:?}");
        rows.push((
            page.body.matches("agents à réveiller : ").count(),
            page.body.matches(">log ").count(),
        ));
        let Some((_, rest)) = page
            .body
            .split_once("href=\"/sidecar/tasks/1/history?before=")
        else {
            break;
        };
        let before = rest.split('"').next().unwrap();
        page = admin
            .get(&format!("/sidecar/tasks/1/history?before={before}"))
            .await;
    }
    assert_eq!(rows, [(25, 25), (25, 25), (10, 10)]);
}
