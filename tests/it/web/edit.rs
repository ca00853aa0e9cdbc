//! Changing a task by its forms: who may, what is written and where, what others did meanwhile, and what is told.

use futures_util::future::join_all;

use super::pages;
use crate::support::app::TestApp;
use crate::support::people::{Browser, token};
use crate::support::wire::Answer;

/// Task 1 has jobs 1, 10 and 11.
pub(super) async fn three_jobs() -> TestApp {
    let app = pages(|_| {}).await;
    app.db
        .set(
            "UPDATE {p}taskjobs SET name = 'wake' WHERE id = 1;
             INSERT INTO {p}taskjobs (id, {f}tasks_id, name, method, targets, actors) VALUES (10, 1, 'a &#60;b&#62;', 'deployinstall', '[]', '[]'), \
             (11, 1, 'last', 'deployinstall', '[]', '[]')",
        )
        .await;
    app
}

/// The value of the field of that name.
pub(super) fn field(page: &Answer, name: &str) -> String {
    let start = format!("name=\"{name}\" value=\"");
    let Some((_, rest)) = page.body.split_once(&start) else {
        panic!("no {name}: {page:?}");
    };
    let value = rest.split('"').next().unwrap();
    [
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&#60;", "<"),
        ("&#62;", ">"),
        ("&#38;", "&"),
    ]
    .into_iter()
    .fold(value.to_owned(), |text, (entity, plain)| {
        text.replace(entity, plain)
    })
}

/// A form of the page, as it was shown, with `fields`.
pub(super) async fn send(
    browser: &mut Browser,
    page: &Answer,
    at: &str,
    fields: &[(&str, &str)],
) -> Answer {
    let (token, shown) = (token(page).unwrap(), field(page, "shown"));
    let own = [("token", &*token), ("shown", &*shown)];
    browser.post_with(&[], at, &[&own, fields].concat()).await
}

/// Jobs with delays, in this order; those with a star wait for the one before.
fn jobs<'a>(jobs: &[(&'a str, &'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let fields = jobs.iter().flat_map(|(job, delay, timeout)| {
        let (id, waits) = job.strip_suffix('*').map_or((*job, false), |id| (id, true));
        let after = waits.then_some(("after", "1"));
        [("job", id), ("delay", delay), ("timeout", timeout)]
            .into_iter()
            .chain(after)
    });
    fields.collect()
}

pub(super) async fn places(app: &TestApp) -> Vec<(u32, u32, u32, bool)> {
    app.db
        .ask("SELECT {f}taskjobs_id, `rank`, delay, after_success FROM {p}sidecar_sequence ORDER BY 1")
        .await
}

pub(super) async fn history(app: &TestApp) -> Vec<(u32, String, u32, String, String)> {
    app.db
        .ask("SELECT items_id, user_name, linked_action, old_value, new_value FROM glpi_logs ORDER BY id")
        .await
}

const EDIT: &str = "/sidecar/tasks/1/edit";
pub(super) const WEEK: &str = "/sidecar/tasks/1/week";

#[tokio::test(flavor = "multi_thread")]
async fn who_may_edit_what() {
    let app = three_jobs().await;
    for word in ["edit", "week"] {
        let at = |task: u32| format!("/sidecar/tasks/{task}/{word}");
        let mut stranger = Browser::at(app.pages());
        assert_eq!(stranger.get(&at(1)).await.status, 303);
        let mut admin = Browser::of(app.pages(), "admin").await;
        let page = admin.get(&at(1)).await;
        assert_eq!(page.status, 200);
        assert_eq!(admin.get(&at(99)).await.status, 404);
        let mut reader = Browser::of(app.pages(), "reader").await;
        let mut local = Browser::of(app.pages(), "local").await;
        assert_eq!(reader.get(&at(1)).await.status, 403);
        assert_eq!(local.get(&at(1)).await.status, 404);
        assert_eq!(local.get(&at(2)).await.status, 200);
        // What others were shown is no use to who may not.
        let shown = field(&page, "shown");
        for (browser, status) in [(&mut reader, 403), (&mut local, 404)] {
            let own = browser.get("/sidecar/").await;
            let token = token(&own).unwrap();
            let mut fields = vec![
                ("token", &*token),
                ("shown", &*shown),
                ("do", "save"),
                ("hour", "0-1"),
            ];
            fields.extend(jobs(&[("10", "0", ""), ("1", "0", ""), ("11", "0", "")]));
            assert_eq!(browser.post_with(&[], &at(1), &fields).await.status, status);
        }
        // No token, another origin.
        let answer = admin.post_with(&[], &at(1), &[("shown", &*shown)]).await;
        assert_eq!(answer.status, 403);
        let own = token(&page).unwrap();
        let fields = [
            ("token", &*own),
            ("shown", &*shown),
            ("do", "save"),
            ("hour", "0-1"),
        ];
        let origin = [("Origin", "http://evil.example")];
        assert_eq!(admin.post_with(&origin, &at(1), &fields).await.status, 403);
    }
    assert_eq!(places(&app).await, []);
    assert_eq!(history(&app).await, []);
    assert_eq!(
        app.db
            .ask::<u32>("SELECT COUNT(*) FROM {p}sidecar_hours")
            .await,
        [0]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sequence_is_written_with_its_history() {
    let app = three_jobs().await;
    let mut admin = Browser::of(app.pages(), "admin").await;
    let page = admin.get(EDIT).await;
    let mut fields = jobs(&[
        ("10", "0", ""),
        ("1", "5 min", "0"),
        ("11*", "1h", "30 min"),
    ]);
    fields.extend([
        ("mode", "server"),
        ("max_duration", "8 h"),
        ("min_period", ""),
    ]);
    let answer = send(&mut admin, &page, EDIT, &fields).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    assert_eq!(
        places(&app).await,
        [(1, 1, 300, false), (10, 0, 0, false), (11, 2, 3600, true)]
    );
    let timeouts = app
        .db
        .ask::<(u32, u32)>("SELECT {f}taskjobs_id, timeout FROM {p}sidecar_jobs ORDER BY 1")
        .await;
    assert_eq!(timeouts, [(1, 0), (11, 1800)]);
    let task = app
        .db
        .ask::<(u32, String, u32, Option<u32>)>(
            "SELECT {f}tasks_id, mode, max_duration, min_period FROM {p}sidecar_tasks",
        )
        .await;
    assert_eq!(task, [(1, "server".to_owned(), 28_800, None)]);
    // As GLPI writes them: who, a message, texts encoded.
    let rows = history(&app).await;
    let told: Vec<(&str, &str)> = rows.iter().map(|row| (&*row.3, &*row.4)).collect();
    assert!(
        rows.iter()
            .all(|row| (row.0, &*row.1, row.2) == (1, "Ada Min (2)", 12)),
        "{rows:?}"
    );
    assert_eq!(
        told,
        [
            ("default", "mode: default → server"),
            ("default", "maximum duration: default → 8 h"),
            (
                "job 1 “wake”, job 10 “a &#60;b&#62;”, job 11 “last”",
                "order of jobs: job 1 “wake”, job 10 “a &#60;b&#62;”, job 11 “last” → job 10 “a &#60;b&#62;”, job 1 “wake”, job 11 “last”"
            ),
            ("0 s", "job 1 “wake”: delay: 0 s → 5 min"),
            ("default", "job 1 “wake”: time-out: default → never"),
            ("0 s", "job 11 “last”: delay: 0 s → 1 h"),
            ("default", "job 11 “last”: time-out: default → 30 min"),
            (
                "no",
                "job 11 “last”: after success of the job before: no → yes"
            ),
        ]
    );
    // The form that was shown is old now: once more, or to something else.
    let stale = send(&mut admin, &page, EDIT, &fields).await;
    assert_eq!(stale.status, 409);
    assert!(
        stale.body.contains("maximum duration: default → 8 h"),
        "{stale:?}"
    );
    assert_eq!(history(&app).await.len(), 8);
    // What it shows now says the same: nothing is written.
    let page = admin.get(EDIT).await;
    assert_eq!(
        send(&mut admin, &page, EDIT, &fields)
            .await
            .head
            .lines()
            .next(),
        answer.head.lines().next()
    );
    assert_eq!(history(&app).await.len(), 8);
    // Back to how the plugin has it: no rows are left but for a time-out.
    let plain = jobs(&[("1", "0", ""), ("10", "", ""), ("11", "0 s", "30 min")]);
    let answer = send(&mut admin, &page, EDIT, &plain).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    assert_eq!(places(&app).await, []);
    for (table, count) in [("sidecar_tasks", 0), ("sidecar_jobs", 1)] {
        let sql = format!("SELECT COUNT(*) FROM {{p}}{table}");
        assert_eq!(app.db.ask::<u32>(&sql).await, [count], "{table}");
    }
    // Nothing of the plugin's changed, and the page of the task tells all.
    let shown = admin.get("/sidecar/tasks/1").await;
    assert!(
        shown.body.contains("job 1 “wake”: delay: 5 min → 0 s"),
        "{shown:?}"
    );
    assert!(
        shown.body.contains("<time datetime=\"2026-03-04T"),
        "{shown:?}"
    );
    let mut reader = Browser::of(app.pages(), "reader").await;
    let shown = reader.get("/sidecar/tasks/1").await;
    assert!(shown.body.contains("delay: 5 min → 0 s") && !shown.body.contains("tasks/1/edit"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_told_and_writes_nothing() {
    let app = three_jobs().await;
    let mut admin = Browser::of(app.pages(), "admin").await;
    let page = admin.get(EDIT).await;
    let plain = [("1", "0", ""), ("10", "0", ""), ("11", "0", "")];
    let with = |at: usize, job: (&'static str, &'static str, &'static str)| {
        let mut all = plain;
        all[at] = job;
        jobs(&all)
    };
    let more = |name, value| [jobs(&plain), vec![(name, value)]].concat();
    for (fields, status, told) in [
        (with(1, ("10", "soon", "")), 400, "“soon” is no time"),
        (with(1, ("10", "-1", "")), 400, "“-1” is no time"),
        (with(1, ("10", "367 d", "")), 400, "“367 d” is no time"),
        (with(1, ("10", "0", "x")), 400, "“x” is no time"),
        (
            with(0, ("1*", "0", "")),
            400,
            "The first job has none before it",
        ),
        (
            with(0, ("1", "1 h", "")),
            400,
            "2. a &#60;b&#62; would start before",
        ),
        (with(1, ("11", "0", "")), 403, ""),
        (with(1, ("12", "0", "")), 403, ""),
        (more("mode", "sometimes"), 400, "There is no such mode."),
        (more("max_duration", "0"), 400, "“0” is no time"),
        (more("shown", "[]"), 403, ""),
        (more("move", "left-1"), 403, ""),
    ] {
        let answer = send(&mut admin, &page, EDIT, &fields).await;
        assert_eq!(answer.status, status, "{fields:?} {answer:?}");
        assert!(answer.body.contains(told), "{fields:?} {answer:?}");
    }
    let mut late = with(2, ("11", "2 h", ""));
    late.push(("max_duration", "2 h"));
    let answer = send(&mut admin, &page, EDIT, &late).await;
    assert!(
        answer.status == 400
            && answer
                .body
                .contains("3. last would start when the maximum duration is over"),
        "{answer:?}"
    );
    // What was typed stays.
    assert!(answer.body.contains("value=\"2 h\""));
    // Without a script a button moves a job, keeps what was typed and saves nothing.
    let mut fields = with(1, ("10", "0", "7 min"));
    fields.push(("move", "up-10"));
    let answer = send(&mut admin, &page, EDIT, &fields).await;
    assert_eq!(answer.status, 200);
    let order: Vec<&str> = answer
        .body
        .split("name=\"job\" value=\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    assert_eq!(order, ["10", "1", "11"]);
    assert!(
        answer.body.contains("value=\"7 min\"") && answer.body.contains("It is not saved yet.")
    );
    let week = admin.get(WEEK).await;
    for (fields, status, told) in [
        (vec![("do", "save")], 400, "Tick one hour at the least."),
        (vec![("do", "save"), ("hour", "7-0")], 403, ""),
        (vec![("do", "drop"), ("hour", "1-0")], 403, ""),
        (
            vec![("do", "save"), ("hour", "1-0"), ("shown", "x")],
            303,
            "",
        ),
    ] {
        let answer = send(&mut admin, &week, WEEK, &fields).await;
        assert_eq!(answer.status, status, "{fields:?} {answer:?}");
        assert!(answer.body.contains(told), "{fields:?} {answer:?}");
        if status != 303 {
            assert_eq!(history(&app).await, []);
        }
    }
    assert_eq!(places(&app).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_at_once_one_is_told() {
    let app = three_jobs().await;
    let other = app.another(|_| {}).await;
    let mut admin = Browser::of(app.pages(), "admin").await;
    let page = admin.get(EDIT).await;
    let week = admin.get(WEEK).await;
    let both = [app.pages(), other.web_address.unwrap()];
    let sending = both.iter().zip(["1 h", "2 h"]).map(|(address, delay)| {
        let (mut browser, page) = (admin.clone(), &page);
        browser.move_to(*address);
        async move {
            let fields = jobs(&[("1", "0", ""), ("10", "0", ""), ("11", delay, "")]);
            send(&mut browser, page, EDIT, &fields).await.status
        }
    });
    let mut statuses = join_all(sending).await;
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 409]);
    assert_eq!(places(&app).await.len(), 3);
    let sending = both.iter().zip(["0-1", "0-2"]).map(|(address, hour)| {
        let (mut browser, week) = (admin.clone(), &week);
        browser.move_to(*address);
        async move {
            send(&mut browser, week, WEEK, &[("do", "save"), ("hour", hour)])
                .await
                .status
        }
    });
    let mut statuses = join_all(sending).await;
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 409]);
    assert_eq!(history(&app).await.len(), 2);
    // What a new job, or PHP, or an admin with SQL changes counts too.
    let page = admin.get(EDIT).await;
    app.db
        .set("INSERT INTO {p}taskjobs (id, {f}tasks_id, name, method, targets, actors) VALUES (12, 1, 'new', 'collect', '[]', '[]')")
        .await;
    let fields = jobs(&[("1", "0", ""), ("10", "0", ""), ("11", "0", "")]);
    let answer = send(&mut admin, &page, EDIT, &fields).await;
    assert!(
        answer.status == 409
            && answer
                .body
                .contains("job 12 “new”: none → a job of the task"),
        "{answer:?}"
    );
    app.db.set("DELETE FROM {p}tasks WHERE id = 1").await;
    assert_eq!(send(&mut admin, &page, EDIT, &fields).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn hours_of_one_task_leave_the_slot_to_the_others() {
    let app = three_jobs().await;
    app.db
        .set(
            "INSERT INTO {p}timeslots (id, name) VALUES (1, 'Nights &#38; days');
             INSERT INTO {p}timeslotentries ({f}timeslots_id, day, `begin`, `end`) VALUES (1, 1, 28800, 43200), (1, 2, 30600, 36000);
             UPDATE {p}tasks SET {f}timeslots_exec_id = 1 WHERE id < 4;
             INSERT INTO {p}tasks (id, name, entities_id, is_active, {f}timeslots_exec_id) VALUES (4, 'own', 1, 1, 1);
             INSERT INTO {p}sidecar_hours VALUES (4, 0, 0, 1)",
        )
        .await;
    let mut admin = Browser::of(app.pages(), "admin").await;
    let page = admin.get(WEEK).await;
    let ticked = |page: &Answer| -> Vec<String> {
        let cells = page.body.split("name=\"hour\" value=\"").skip(1);
        let cells = cells.filter(|cell| cell.split('>').next().unwrap().contains(" checked"));
        cells
            .map(|cell| cell.split('"').next().unwrap().to_owned())
            .collect()
    };
    assert_eq!(ticked(&page), ["0-8", "0-9", "0-10", "0-11", "1-9"]);
    for told in [
        "Nights &#38; days",
        "open in parts of hours",
        "north task",
        "south task",
    ] {
        assert!(page.body.contains(told), "{told}: {page:?}");
    }
    // One with hours of its own does not use the slot, and others' tasks are only counted.
    assert!(!page.body.contains(">own<"));
    let mut local = Browser::of(app.pages(), "local").await;
    let of_local = local.get("/sidecar/tasks/2/week").await;
    assert!(
        of_local.body.contains("and 2 more") && !of_local.body.contains("south task"),
        "{of_local:?}"
    );
    let hours = ["5-22", "5-23", "6-0", "6-1", "0-3"].map(|hour| ("hour", hour));
    let answer = send(
        &mut admin,
        &page,
        WEEK,
        &[&[("do", "save")], &hours[..]].concat(),
    )
    .await;
    assert_eq!(answer.status, 303, "{answer:?}");
    let rows =
        "SELECT {f}tasks_id, weekday, hour_start, hour_end FROM {p}sidecar_hours ORDER BY 1, 2, 3";
    let rows = || app.db.ask::<(u32, u32, u32, u32)>(rows);
    assert_eq!(
        rows().await,
        [(1, 0, 3, 4), (1, 5, 22, 24), (1, 6, 0, 2), (4, 0, 0, 1)]
    );
    assert_eq!(
        app.db
            .ask::<u32>("SELECT COUNT(*) FROM {p}timeslotentries")
            .await,
        [2]
    );
    let page = admin.get(WEEK).await;
    assert_eq!(ticked(&page), ["0-3", "5-22", "5-23", "6-0", "6-1"]);
    assert!(page.body.contains("The task has hours of its own."));
    let answer = send(&mut admin, &page, WEEK, &[("do", "give-back")]).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    assert_eq!(rows().await, [(4, 0, 0, 1)]);
    let told: Vec<(String, String)> = history(&app)
        .await
        .into_iter()
        .map(|row| (row.3, row.4))
        .collect();
    let (slot, own) = ("those of its slot", "Mo 3–4; Sa 22–24; Su 0–2");
    assert_eq!(
        told,
        [
            (slot.to_owned(), format!("hours: {slot} → {own}")),
            (own.to_owned(), format!("hours: {own} → {slot}")),
        ]
    );
}
