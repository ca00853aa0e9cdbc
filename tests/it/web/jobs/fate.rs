//! Jobs copied, moved and deleted.

use fusion_sidecar::domain::cleaning::Duty;
use futures_util::future::join_all;

use super::super::edit::{history, places};
use super::{is_at, row, rows, send, site};
use crate::support::app::TestApp;
use crate::support::people::Browser;
use crate::support::until::until;

/// Task 2 has the jobs 2 and 20, which waits for it and has a run that has ended and one that waits.
async fn two_jobs() -> TestApp {
    let app = site().await;
    app.db
        .set(
            "INSERT INTO {p}taskjobs (id, {f}tasks_id, entities_id, name, method, targets, actors) VALUES (20, 2, 1, 'second', 'deployinstall', '[]', '[]');
             INSERT INTO {p}sidecar_sequence ({f}taskjobs_id, `rank`, delay, after_success) VALUES (2, 0, 0, 0), (20, 0, 60, 1);
             INSERT INTO {p}sidecar_jobs ({f}taskjobs_id, timeout) VALUES (20, 900);
             INSERT INTO {p}taskjobstates (id, {f}taskjobs_id, items_id, itemtype, state, {f}agents_id) VALUES (1, 20, 1, 'x', 3, 1), (2, 20, 1, 'x', 0, 2)",
        )
        .await;
    app
}

const TIMEOUTS: &str = "SELECT {f}taskjobs_id, timeout FROM {p}sidecar_jobs ORDER BY 1";

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_has_what_is_ours_of_the_job_and_no_runs() {
    let app = two_jobs().await;
    let mut admin = Browser::of(app.pages(), "admin").await;
    // A copy in the same task comes last, with its time-out; the job has runs that wait, which a copy leaves alone.
    let at = "/sidecar/jobs/20/copy";
    let page = admin.get(at).await;
    assert!(
        page.body
            .contains("<option value=\"3\">south task</option>"),
        "{page:?}"
    );
    let answer = send(&mut admin, &page, at, &[("to", "2"), ("name", "third")]).await;
    assert!(
        is_at(&answer, "/sidecar/tasks/2/edit?saved=1"),
        "{answer:?}"
    );
    assert_eq!(rows(&app).await[4], row(21, 2, 1, "third", "[]", "[]"));
    let first = [(2, 0, 0, false), (20, 1, 60, true), (21, 2, 60, true)];
    assert_eq!(places(&app).await, first);
    // To another task and entity, which has no order of its own: there is none whose success it waits for but the first.
    let answer = send(&mut admin, &page, at, &[("to", "3"), ("name", "far")]).await;
    assert!(
        is_at(&answer, "/sidecar/tasks/3/edit?saved=1"),
        "{answer:?}"
    );
    assert_eq!(rows(&app).await[5], row(22, 3, 2, "far", "[]", "[]"));
    let all = |rest: &[(u32, u32, u32, bool)]| {
        let mut all = [&first[..], rest].concat();
        all.sort_unstable();
        all
    };
    let with_far = all(&[(3, 0, 0, false), (22, 1, 60, true)]);
    assert_eq!(places(&app).await, with_far);
    let of_copies = [(20, 900), (21, 900), (22, 900)];
    assert_eq!(app.db.ask::<(u32, u32)>(TIMEOUTS).await, of_copies);
    let runs = "SELECT {f}taskjobs_id FROM {p}taskjobstates";
    assert_eq!(app.db.ask::<u32>(runs).await, [20, 20]);
    let told = history(&app).await;
    let told: Vec<(u32, u32, &str)> = told.iter().map(|row| (row.0, row.2, &*row.4)).collect();
    assert_eq!(told, [(2, 17, "third (21)"), (3, 17, "far (22)")]);
    let nameless = send(&mut admin, &page, at, &[("to", "3"), ("name", " ")]).await;
    assert!(
        nameless.status == 400 && nameless.body.contains("Give the job a name."),
        "{nameless:?}"
    );
    assert_eq!(rows(&app).await.len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_moves_with_what_is_ours_and_its_runs() {
    let app = two_jobs().await;
    let mut admin = Browser::of(app.pages(), "admin").await;
    // Where an occurrence would be over by then it is refused, and so is what is no task of theirs.
    app.db
        .set("INSERT INTO {p}sidecar_tasks ({f}tasks_id, max_duration) VALUES (1, 60)")
        .await;
    let before = (rows(&app).await, history(&app).await);
    let at = "/sidecar/jobs/20/move";
    app.db
        .set("UPDATE {p}taskjobstates SET state = 5 WHERE id = 2")
        .await;
    let page = admin.get(at).await;
    for (to, status, told) in [
        ("1", 409, "maximum duration of the task is over"),
        ("2", 400, "It is in this task already."),
        ("99", 400, "There is no task “99”"),
        ("x", 400, "There is no task “x”"),
        ("", 400, "There is no task “”"),
    ] {
        let answer = send(&mut admin, &page, at, &[("to", to)]).await;
        assert_eq!(answer.status, status, "{to} {answer:?}");
        assert!(answer.body.contains(told), "{to} {answer:?}");
    }
    let mut local = Browser::of(app.pages(), "local").await;
    let own = local.get(at).await;
    assert!(!own.body.contains("south task"), "{own:?}");
    let answer = send(&mut local, &own, at, &[("to", "3")]).await;
    assert!(
        answer.status == 400 && answer.body.contains("There is no task “3”"),
        "{answer:?}"
    );
    // Runs that have not ended hold a job; it moves with those that have.
    app.db
        .set("UPDATE {p}taskjobstates SET state = 0 WHERE id = 2")
        .await;
    let held = admin.get(at).await;
    assert!(
        held.body.contains("1 runs of the job have not ended")
            && !held.body.contains("id=\"confirm\""),
        "{held:?}"
    );
    let answer = send(&mut admin, &page, at, &[("to", "3")]).await;
    assert!(
        answer.status == 409 && answer.body.contains("have not ended"),
        "{answer:?}"
    );
    assert_eq!((rows(&app).await, history(&app).await), before);
    app.db
        .set("UPDATE {p}taskjobstates SET state = 5 WHERE id = 2")
        .await;
    let page = admin.get(at).await;
    assert!(
        page.body.contains("takes 2 runs with their log along"),
        "{page:?}"
    );
    // More runs than were told, or another job than was shown.
    app.db
        .set("INSERT INTO {p}taskjobstates (id, {f}taskjobs_id, items_id, itemtype, state, {f}agents_id) VALUES (3, 20, 1, 'x', 3, 1)")
        .await;
    let answer = send(&mut admin, &page, at, &[("to", "3")]).await;
    assert!(
        answer.status == 409 && answer.body.contains("takes 3 runs"),
        "{answer:?}"
    );
    assert_eq!((rows(&app).await, history(&app).await), before);
    let answer = send(&mut admin, &answer, at, &[("to", "3")]).await;
    assert!(
        is_at(&answer, "/sidecar/tasks/3/edit?saved=1"),
        "{answer:?}"
    );
    assert_eq!(rows(&app).await[3], row(20, 3, 2, "second", "[]", "[]"));
    // Its own place is the last there. The task that it left needs no places any more.
    assert_eq!(places(&app).await, [(3, 0, 0, false), (20, 1, 60, true)]);
    assert_eq!(app.db.ask::<(u32, u32)>(TIMEOUTS).await, [(20, 900)]);
    let told = history(&app).await;
    let told: Vec<(u32, u32, &str)> = told.iter().map(|row| (row.0, row.2, &*row.4)).collect();
    let text = "job 20 “second”: task: 2 → 3";
    assert_eq!(told, [(2, 12, text), (3, 12, text)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_job_goes_with_its_runs() {
    let app = site().await;
    app.db
        .set(
            "INSERT INTO {p}taskjobs (id, {f}tasks_id, entities_id, name, method, targets, actors) VALUES (20, 2, 1, 'a &#60;b&#62;', 'collect', '[]', '[]');
             INSERT INTO {p}sidecar_sequence ({f}taskjobs_id, `rank`, delay, after_success) VALUES (2, 0, 0, 0), (20, 0, 60, 1);
             INSERT INTO {p}sidecar_jobs ({f}taskjobs_id, timeout) VALUES (20, 900);
             INSERT INTO {p}taskjobstates (id, {f}taskjobs_id, items_id, itemtype, state, {f}agents_id) VALUES (1, 20, 1, 'x', 3, 1), \
             (2, 20, 1, 'x', 2, 2), (3, 2, 1, 'x', 3, 1);
             INSERT INTO {p}taskjoblogs (id, {f}taskjobstates_id, date, state, comment) VALUES (1, 1, '2026-03-04 10:00:00', 2, ''), \
             (2, 3, '2026-03-04 10:00:00', 2, '')",
        )
        .await;
    let mut local = Browser::of(app.pages(), "local").await;
    let at = "/sidecar/jobs/20/delete";
    let page = local.get(at).await;
    assert!(
        page.body.contains("1 runs of the job have not ended"),
        "{page:?}"
    );
    app.db
        .set("UPDATE {p}taskjobstates SET state = 4 WHERE id = 2")
        .await;
    let page = local.get(at).await;
    assert!(
        page.body.contains("with it 2 runs with their log"),
        "{page:?}"
    );
    // It was started meanwhile, or renamed: nothing goes.
    for (change, back, told) in [
        (
            "UPDATE {p}taskjobstates SET state = 0 WHERE id = 2",
            "UPDATE {p}taskjobstates SET state = 4 WHERE id = 2",
            "1 runs of the job have not ended",
        ),
        (
            "UPDATE {p}taskjobs SET name = 'b' WHERE id = 20",
            "UPDATE {p}taskjobs SET name = 'a &#60;b&#62;' WHERE id = 20",
            "have changed meanwhile",
        ),
    ] {
        app.db.set(change).await;
        let answer = send(&mut local, &page, at, &[]).await;
        assert_eq!(answer.status, 409, "{change} {answer:?}");
        assert!(answer.body.contains(told), "{change} {answer:?}");
        app.db.set(back).await;
    }
    assert_eq!(rows(&app).await.len(), 4);
    // Two at once, at two sidecars: one deletes it.
    let other = app.another(|_| {}).await;
    let both = [app.pages(), other.web_address.unwrap()];
    let sending = both.map(|address| {
        let (mut browser, page) = (local.clone(), &page);
        browser.move_to(address);
        async move { send(&mut browser, page, at, &[]).await.status }
    });
    let mut statuses = join_all(sending).await;
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 404]);
    assert_eq!(rows(&app).await.len(), 3);
    assert_eq!(places(&app).await, []);
    assert_eq!(
        app.db
            .ask::<u32>("SELECT COUNT(*) FROM {p}sidecar_jobs")
            .await,
        [0]
    );
    let told = history(&app).await;
    let told: Vec<_> = told
        .iter()
        .map(|row| (row.0, row.2, &*row.3, &*row.4))
        .collect();
    assert_eq!(told, [(2, 19, "a &#60;b&#62; (20)", "")]);
    assert!(
        local
            .get("/sidecar/tasks/2")
            .await
            .body
            .contains("deleted: a &#60;b&#62; (20)")
    );
    // Its runs go after it with their lines, and those of no other job.
    let left = async || app.db.ask::<u64>("SELECT id FROM {p}taskjobstates").await;
    until("its runs are gone", async || left().await == [3]).await;
    let lines = "SELECT id FROM {p}taskjoblogs";
    assert_eq!(app.db.ask::<u32>(lines).await, [2]);
    until("they are forgotten", async || {
        let noted = "SELECT counter FROM {p}sidecar_locks WHERE name = 'gone:20'";
        app.db.ask::<u32>(noted).await == [0]
    })
    .await;
    // What a stop has left goes with cleaning, whatever the settings keep.
    app.db
        .set(
            "DELETE FROM {p}configs WHERE type = 'clean_on_demand_tasks';
             UPDATE {p}sidecar_locks SET counter = 1 WHERE name = 'gone:20';
             INSERT INTO {p}taskjobstates (id, {f}taskjobs_id, items_id, itemtype, state, {f}agents_id) VALUES (4, 20, 1, 'x', 3, 1)",
        )
        .await;
    let summary = app.clean(Duty::OnDemand).await.unwrap();
    assert!(summary.off.is_some(), "{summary:?}");
    assert_eq!((summary.runs, left().await), (1, vec![3]));
    assert_eq!(app.clean(Duty::OnDemand).await.unwrap().runs, 0);
}

/// As the plugin's own form asks for them.
#[tokio::test(flavor = "multi_thread")]
async fn jobs_take_the_rights_to_create_and_to_purge() {
    let app = two_jobs().await;
    app.db
        .set("UPDATE {p}taskjobstates SET state = 5 WHERE id = 2")
        .await;
    let mut local = Browser::of(app.pages(), "local").await;
    let at = "/sidecar/jobs/20/delete";
    let page = local.get(at).await;
    for (rights, allowed) in [
        (3, [false, false, false, false, false]),
        (3 | 4, [true, true, true, false, false]),
        (3 | 4 | 16, [true; 5]),
        (3 | 16, [false, false, false, true, false]),
    ] {
        app.db
            .set(&format!(
                "UPDATE glpi_profilerights SET rights = {rights} WHERE profiles_id = 4"
            ))
            .await;
        for (at, is_allowed) in [
            "tasks/2/jobs/new",
            "jobs/20/edit",
            "jobs/20/copy",
            "jobs/20/delete",
            "jobs/20/move",
        ]
        .into_iter()
        .zip(allowed)
        {
            let answer = local.get(&format!("/sidecar/{at}")).await;
            let status = if is_allowed { 200 } else { 403 };
            assert_eq!(answer.status, status, "{at} with {rights}");
        }
        // What is sent is judged as what is shown.
        if rights & 16 == 0 {
            let answer = send(&mut local, &page, at, &[]).await;
            assert_eq!(answer.status, 403, "{answer:?}");
            assert_eq!(rows(&app).await.len(), 4);
        }
    }
    let answer = send(&mut local, &page, at, &[]).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    assert_eq!(rows(&app).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_chosen_there_does_not_come_along() {
    let app = two_jobs().await;
    app.db
        .set(
            "INSERT INTO {p}tasks (id, name, entities_id, is_active) VALUES (4, 'north too', 1, 1);
             INSERT INTO {p}deploypackages (id, name, entities_id, is_recursive, json) VALUES (900, 'of the south', 2, 0, '{}');
             UPDATE {p}taskjobs SET targets = '[{\"PluginFusioninventoryDeployPackage\":\"900\"}]' WHERE id = 20;
             UPDATE {p}taskjobstates SET state = 5 WHERE id = 2",
        )
        .await;
    let before = rows(&app).await;
    let mut local = Browser::of(app.pages(), "local").await;
    for (doing, fields) in [
        ("copy", &[("to", "4"), ("name", "mine")][..]),
        ("move", &[("to", "4")][..]),
    ] {
        let at = format!("/sidecar/jobs/20/{doing}");
        let page = local.get(&at).await;
        let answer = send(&mut local, &page, &at, fields).await;
        assert!(
            answer.status == 400 && answer.body.contains("900"),
            "{doing}: {answer:?}"
        );
    }
    assert_eq!(rows(&app).await, before);
    // Who sees the south may, and in its own task a job is copied as it is.
    let at = "/sidecar/jobs/20/copy";
    let page = local.get(at).await;
    let answer = send(&mut local, &page, at, &[("to", "2"), ("name", "again")]).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    let mut admin = Browser::of(app.pages(), "admin").await;
    let page = admin.get(at).await;
    let answer = send(&mut admin, &page, at, &[("to", "4"), ("name", "far")]).await;
    assert_eq!(answer.status, 303, "{answer:?}");
}
