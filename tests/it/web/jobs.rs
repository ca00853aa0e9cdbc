//! Jobs added, edited, copied, moved and deleted by the pages' forms: the rows that the plugin's form writes, and what is refused.

#[path = "jobs/fate.rs"]
mod fate;

use super::edit::{field, history, places};
use super::pages;
use crate::support::app::TestApp;
use crate::support::people::{Browser, token};
use crate::support::wire::Answer;

const NEW: &str = "/sidecar/tasks/2/jobs/new";

/// Things to name: in the root and for all below (1), in the root alone (2), in the north (3), in the south (4); `accounts` has the jobs
/// 1, 2 and 3 of the tasks 1 (root), 2 (north) and 3 (south).
async fn site() -> TestApp {
    let app = pages(|_| {}).await;
    app.db
        .set(
            "INSERT INTO {p}deploypackages (id, name, entities_id, is_recursive, json) VALUES (1, 'editor &#60;1&#62;', 0, 1, '{}'), \
             (2, 'editor 2', 0, 0, '{}'), (3, 'editor 3', 1, 0, '{}'), (4, 'editor 4', 2, 1, '{}');
             INSERT INTO glpi_computers (id, name, entities_id, is_deleted, is_template) VALUES (7, 'pc-7', 1, 0, 0), (8, 'pc-8', 1, 1, 0), \
             (9, 'pc-9', 1, 0, 1), (10, 'pc-10', 2, 0, 0);
             INSERT INTO {p}deploygroups (id, name, type) VALUES (5, 'lab', 'STATIC')",
        )
        .await;
    app
}

/// The form of `page`, as it was shown, with `fields`.
async fn send(browser: &mut Browser, page: &Answer, at: &str, fields: &[(&str, &str)]) -> Answer {
    let token = token(page).unwrap();
    let hidden = ["shown", "from", "total"].into_iter().filter_map(|name| {
        let has = page.body.contains(&format!("name=\"{name}\" value=\""));
        has.then(|| (name, field(page, name)))
    });
    let hidden: Vec<(&str, String)> = hidden.collect();
    let mut all: Vec<(&str, &str)> = vec![("token", &*token)];
    all.extend(hidden.iter().map(|(name, value)| (*name, value.as_str())));
    all.extend(fields);
    browser.post_with(&[], at, &all).await
}

type Row = (u32, u32, u32, String, String, String, String);

/// Job, task, entity, name, method, targets, actors.
async fn rows(app: &TestApp) -> Vec<Row> {
    app.db
        .ask("SELECT id, {f}tasks_id, entities_id, name, method, targets, actors FROM {p}taskjobs ORDER BY id")
        .await
}

fn row(id: u32, task: u32, entity: u32, name: &str, targets: &str, actors: &str) -> Row {
    let [name, method, targets, actors] =
        [name, "deployinstall", targets, actors].map(str::to_owned);
    (id, task, entity, name, method, targets, actors)
}

fn is_at(answer: &Answer, place: &str) -> bool {
    let place = format!("location: {place}");
    answer.status == 303 && answer.head.to_lowercase().lines().any(|line| line == place)
}

const PACKAGE_1: &str = "PluginFusioninventoryDeployPackage-1";
const PACKAGE_3: &str = "PluginFusioninventoryDeployPackage-3";

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_added_as_the_plugins_form_writes_it() {
    let app = site().await;
    let mut local = Browser::of(app.pages(), "local").await;
    let edit = local.get("/sidecar/tasks/2/edit").await;
    assert!(edit.body.contains(&format!("href=\"{NEW}\"")), "{edit:?}");
    let page = local.get(NEW).await;
    assert_eq!(page.status, 200);
    // Only what they see, or what reaches down to the task, is found: by name, or by number with the Enter key, which saves nothing.
    let base = [("name", "install &"), ("method", "deployinstall")];
    let more = |fields: &[(&'static str, &'static str)]| [&base, fields].concat();
    let find = more(&[("target_text", "editor"), ("do", "find-target")]);
    let found = send(&mut local, &page, NEW, &find).await;
    let adds = |page: &Answer| page.body.matches("name=\"add\"").count();
    assert_eq!((found.status, adds(&found)), (200, 2), "{found:?}");
    assert!(
        found.body.contains("editor &#60;1&#62; (1)") && found.body.contains("editor 3 (3)"),
        "{found:?}"
    );
    assert!(found.body.contains("value=\"install &#38;\""), "{found:?}");
    let find = more(&[
        ("actor_class", "Computer"),
        ("actor_text", "7"),
        ("do", "save"),
    ]);
    let found = send(&mut local, &page, NEW, &find).await;
    assert!(
        found.status == 200 && found.body.contains("value=\"actor:Computer-7\""),
        "{found:?}"
    );
    // Neither from the trash nor a template nor of another entity.
    let find = more(&[("actor_text", "pc-"), ("do", "find-actor")]);
    assert_eq!(adds(&send(&mut local, &page, NEW, &find).await), 1);
    let find = more(&[("target_text", "nothing <b>"), ("do", "find-target")]);
    let none = send(&mut local, &page, NEW, &find).await;
    assert!(
        none.body
            .contains("Nothing is called “nothing &#60;b&#62;”"),
        "{none:?}"
    );
    // Added and removed by buttons.
    let add = more(&[
        ("target", PACKAGE_1),
        ("add", "target:PluginFusioninventoryDeployPackage-3"),
    ]);
    let both = send(&mut local, &page, NEW, &add).await;
    assert_eq!(both.body.matches("name=\"target\"").count(), 2, "{both:?}");
    // Another method takes other things.
    let other = [("method", "networkinventory"), ("do", "method")];
    let other = send(&mut local, &page, NEW, &other).await;
    assert!(
        other.body.contains("value=\"NetworkEquipment\"") && !other.body.contains("\"Computer\""),
        "{other:?}"
    );
    assert_eq!(rows(&app).await.len(), 3);
    let save = more(&[
        ("comment", "a <b>\r\nc"),
        ("target", PACKAGE_1),
        ("target", PACKAGE_3),
        ("actor", "Computer-7"),
        ("actor", "PluginFusioninventoryDeployGroup-5"),
        ("do", "save"),
    ]);
    let answer = send(&mut local, &page, NEW, &save).await;
    assert!(
        is_at(&answer, "/sidecar/tasks/2/edit?saved=1"),
        "{answer:?}"
    );
    let targets = r#"[{"PluginFusioninventoryDeployPackage":"1"},{"PluginFusioninventoryDeployPackage":"3"}]"#;
    let actors = r#"[{"Computer":"7"},{"PluginFusioninventoryDeployGroup":"5"}]"#;
    assert_eq!(
        rows(&app).await[3],
        row(4, 2, 1, "install &#38;", targets, actors)
    );
    let rest = "SELECT CAST(date_creation AS CHAR), comment, rescheduled_taskjob_id, statuscomments IS NULL AND enduser IS NULL \
                FROM {p}taskjobs WHERE id = 4";
    let rest = app.db.ask::<(String, String, u32, bool)>(rest).await;
    let (created, comment, rescheduled, is_rest_null) = &rest[0];
    assert!(created.starts_with("2026-03-04 "), "{created}");
    assert_eq!((comment.as_str(), *rescheduled), ("a &#60;b&#62;\r\nc", 0));
    assert!(is_rest_null);
    // As GLPI writes that something got a part.
    let log: Vec<(u32, String, u32, String, String, String)> = app
        .db
        .ask("SELECT items_id, itemtype_link, linked_action, user_name, old_value, new_value FROM glpi_logs")
        .await;
    let told = ["", "install &#38; (4)"].map(str::to_owned);
    let (who, class) = (
        "local (4)".to_owned(),
        "PluginFusioninventoryTaskjob".to_owned(),
    );
    let [old, new] = told;
    assert_eq!(log, [(2, class, 17, who, old, new)]);
    assert_eq!(places(&app).await, []);
    let shown = local.get("/sidecar/tasks/2").await;
    assert!(shown.body.contains("added: install &#38; (4)"), "{shown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_job_cannot_be_writes_nothing() {
    let app = site().await;
    let before = rows(&app).await;
    let mut local = Browser::of(app.pages(), "local").await;
    let page = local.get(NEW).await;
    let long = "é".repeat(256);
    let collect = [("name", "n"), ("method", "collect"), ("do", "save")];
    let deploy = [("name", "n"), ("method", "deployinstall"), ("do", "save")];
    let with = |field: (&'static str, &'static str)| [&deploy[..], &[field]].concat();
    for (fields, status, told) in [
        (
            vec![("name", " "), ("do", "save")],
            400,
            "Give the job a name.",
        ),
        (
            vec![("name", long.as_str()), ("do", "save")],
            400,
            "longer than GLPI can keep",
        ),
        (
            vec![("name", "n"), ("method", "inventory"), ("do", "save")],
            400,
            "There is no such method.",
        ),
        (
            [&collect[..], &[("target", PACKAGE_1)]].concat(),
            400,
            "does not take Package 1",
        ),
        // In the trash, of another entity, not there, no class that it takes, no class.
        (
            with(("actor", "Computer-8")),
            400,
            "There is no Computer 8 that you may see.",
        ),
        (
            with(("actor", "Computer-10")),
            400,
            "There is no Computer 10 that you may see.",
        ),
        (
            with(("target", "PluginFusioninventoryDeployPackage-2")),
            400,
            "There is no Package 2",
        ),
        (
            with(("target", "PluginFusioninventoryDeployPackage-99")),
            400,
            "There is no Package 99",
        ),
        (
            with(("actor", "PluginFusioninventoryAgent-1")),
            400,
            "does not take FusionInventory agent 1",
        ),
        (with(("actor", "Computer")), 403, ""),
        (with(("add", "Computer-7")), 403, ""),
        (with(("do", "anything")), 403, ""),
    ] {
        let answer = send(&mut local, &page, NEW, &fields).await;
        assert_eq!(answer.status, status, "{fields:?} {answer:?}");
        assert!(answer.body.contains(told), "{fields:?} {answer:?}");
    }
    assert_eq!(rows(&app).await, before);
    assert_eq!(history(&app).await, []);
}

/// Not in another entity, with the right to read alone, without signing in, without a token, or from elsewhere.
#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_change_jobs() {
    let app = site().await;
    let before = rows(&app).await;
    let mut local = Browser::of(app.pages(), "local").await;
    let page = local.get(NEW).await;
    let save = [
        ("name", "n"),
        ("method", "deployinstall"),
        ("do", "save"),
        ("actor", "Computer-7"),
    ];
    let other = "/sidecar/tasks/3/jobs/new";
    assert_eq!(local.get(other).await.status, 404);
    assert_eq!(send(&mut local, &page, other, &save).await.status, 404);
    let mut reader = Browser::of(app.pages(), "reader").await;
    let own = reader.get("/sidecar/").await;
    for at in [
        NEW,
        "/sidecar/jobs/2/edit",
        "/sidecar/jobs/2/copy",
        "/sidecar/jobs/2/move",
        "/sidecar/jobs/2/delete",
    ] {
        assert_eq!(Browser::at(app.pages()).get(at).await.status, 303, "{at}");
        assert_eq!(reader.get(at).await.status, 403, "{at}");
        assert_eq!(send(&mut reader, &own, at, &save).await.status, 403, "{at}");
        assert_eq!(local.post_with(&[], at, &save).await.status, 403, "{at}");
        let token = token(&page).unwrap();
        let fields = [&save[..], &[("token", &*token)]].concat();
        let evil = [("Origin", "http://evil.example")];
        assert_eq!(
            local.post_with(&evil, at, &fields).await.status,
            403,
            "{at}"
        );
    }
    for (id, status) in [("1", 404), ("3", 404), ("99", 404), ("x", 404)] {
        for word in ["edit", "copy", "move", "delete"] {
            let at = format!("/sidecar/jobs/{id}/{word}");
            assert_eq!(local.get(&at).await.status, status, "{at}");
        }
    }
    let listed = reader.get("/sidecar/jobs").await;
    assert!(!listed.body.contains("/delete"), "{listed:?}");
    let listed = local.get("/sidecar/jobs").await;
    for word in ["edit", "copy", "move", "delete"] {
        assert!(
            listed
                .body
                .contains(&format!("href=\"/sidecar/jobs/2/{word}\"")),
            "{word}"
        );
    }
    assert_eq!(rows(&app).await, before);
    assert_eq!(history(&app).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_edited_where_it_is_as_it_was_shown() {
    let app = site().await;
    // A list that the plugin wrote in another way, with what only it knows, and an actor of another entity.
    let odd = r#"[{"PluginFusioninventoryDeployPackage":3},{"PluginFusioninventoryDeployPackage":"1"},{}]"#;
    app.db
        .set(&format!(
            "UPDATE {{p}}taskjobs SET targets = '{odd}', actors = '[{{\"Computer\":\"10\"}}]', comment = 'a\nb' WHERE id = 2"
        ))
        .await;
    let at = "/sidecar/jobs/2/edit";
    let mut local = Browser::of(app.pages(), "local").await;
    let page = local.get(at).await;
    assert!(
        page.body.contains("Package: editor 3 (3)") && page.body.contains("Computer 10"),
        "{page:?}"
    );
    assert!(!page.body.contains("pc-10"), "{page:?}");
    let lists = [
        ("target", PACKAGE_3),
        ("target", PACKAGE_1),
        ("actor", "Computer-10"),
    ];
    let base = [
        ("name", "j"),
        ("comment", "a\r\nb"),
        ("do", "save"),
        ("method", "collect"),
    ];
    let same = send(&mut local, &page, at, &[&base[..], &lists].concat()).await;
    assert!(is_at(&same, "/sidecar/jobs/2/edit?saved=0"), "{same:?}");
    assert_eq!(history(&app).await, []);
    // A name, and one actor more; the targets stay as they are stored.
    let more = [("actor", "Computer-7"), ("name", "k")];
    let answer = send(&mut local, &page, at, &[&base[..], &lists, &more].concat()).await;
    assert!(is_at(&answer, "/sidecar/jobs/2/edit?saved=2"), "{answer:?}");
    let actors = r#"[{"Computer":"10"},{"Computer":"7"}]"#;
    assert_eq!(
        rows(&app).await[1],
        (
            2,
            2,
            0,
            "k".into(),
            "deployinstall".into(),
            odd.into(),
            actors.into()
        )
    );
    let told: Vec<String> = history(&app).await.into_iter().map(|row| row.4).collect();
    assert_eq!(
        told,
        [
            "job 2 “j”: name: j → k",
            "job 2 “j”: actors: Computer 10 → Computer 10, Computer 7"
        ]
    );
    // The page that was shown is old now.
    let stale = send(&mut local, &page, at, &[&base[..], &lists].concat()).await;
    assert_eq!(stale.status, 409);
    assert!(stale.body.contains("job 2: name: j → k"), "{stale:?}");
    assert_eq!(history(&app).await.len(), 2);
    // Nobody may put in what is not there for them, or take a field for another job.
    let page = local.get(at).await;
    let wrong = [("actor", "Computer-8")];
    let answer = send(&mut local, &page, at, &[&base[..], &lists, &wrong].concat()).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    let mut admin = Browser::of(app.pages(), "admin").await;
    let of_another = admin.get("/sidecar/jobs/1/edit").await;
    let answer = send(&mut admin, &of_another, at, &base).await;
    assert_eq!(answer.status, 409, "{answer:?}");
    assert_eq!(history(&app).await.len(), 2);
}
