//! What the pages of a task and of all jobs take.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::{LOOK, show};
use crate::support::app::TestApp;
use crate::support::wire::{raw, request};

/// Agents of the task that is looked at.
const AGENTS: u64 = 6_000;

/// How often each page is asked for.
const TIMES: usize = 20;

/// A task of 6,000 agents with two jobs, one after the other, its runs the newest ones.
async fn add_task(app: &TestApp, task: u64, runs: u64) {
    let (first, second) = (task, task + 1);
    app.db
        .set(&format!(
            "INSERT IGNORE INTO {{p}}agents (id, name, device_id, computers_id) SELECT seq, CONCAT('wks-', seq), CONCAT('d-', seq), seq \
             FROM seq_1_to_{AGENTS};
             INSERT IGNORE INTO glpi_computers (id, name, entities_id) SELECT seq, CONCAT('pc-', seq), 0 FROM seq_1_to_{AGENTS};
             INSERT INTO {{p}}tasks (id, name, is_active) VALUES ({task}, 'the large one', 1);
             INSERT INTO {{p}}taskjobs (id, {{f}}tasks_id, name, method, targets, actors) VALUES \
             ({first}, {task}, 'first', 'deployinstall', '[{{\"PluginFusioninventoryDeployPackage\":\"1\"}}]', '[]'), \
             ({second}, {task}, 'second', 'deployinstall', '[{{\"PluginFusioninventoryDeployPackage\":\"2\"}}]', '[]');
             INSERT INTO {{p}}taskjobstates (id, {{f}}taskjobs_id, items_id, itemtype, state, {{f}}agents_id, uniqid) \
             SELECT {runs} + seq, IF(seq <= {AGENTS}, {first}, {second}), IF(seq <= {AGENTS}, 1, 2), 'PluginFusioninventoryDeployPackage', \
             IF(seq % 100, 3, 4), 1 + (seq - 1) % {AGENTS}, CONCAT('v', seq) FROM seq_1_to_{};
             INSERT INTO {{p}}taskjoblogs ({{f}}taskjobstates_id, date, items_id, itemtype, state, comment) \
             SELECT {runs} + 1 + s.seq DIV 5, '2026-03-04 10:00:00' + INTERVAL s.seq SECOND, 0, '', IF(s.seq % 5, 6, 7), 'a line' \
             FROM seq_0_to_{} s;
             ANALYZE TABLE {{p}}taskjobstates, {{p}}taskjoblogs",
            2 * AGENTS,
            10 * AGENTS - 1
        ))
        .await;
}

/// Asks for each page often; those of the full form within the time allowed, others within ten times that: they are not optimised.
pub(super) async fn answer_at_once(app: &TestApp, tasks: u64, runs: u64, is_full: bool) {
    let task = tasks + 1;
    add_task(app, task, runs).await;
    let server = app
        .another(|settings| {
            settings.web.listen = Some(([127, 0, 0, 1], 0).into());
            settings.web.open = true;
            settings.dispatch.catalogue_refresh = Duration::from_secs(5);
        })
        .await;
    server.monitor.round().await.unwrap();
    let address = server.web_address.unwrap();
    let host = address.to_string();
    let mut slow = String::new();
    for (path, shown) in [
        (format!("tasks/{task}"), "id=\"run-"),
        (
            format!("tasks/{task}?before={}", runs + AGENTS),
            "id=\"run-",
        ),
        (format!("tasks/{task}?job={task}"), "id=\"run-"),
        (format!("tasks/{task}?state=inerror"), "id=\"run-"),
        (format!("tasks/{task}?state=running"), "id=\"none\""),
        (
            format!("tasks/{task}?target=PluginFusioninventoryDeployPackage:1"),
            "id=\"run-",
        ),
        (format!("tasks/{task}?agent=-599"), "id=\"run-"),
        (format!("tasks/{task}?agent=nobody"), "id=\"none\""),
        (
            format!("tasks/{task}?from=2026-03-04&until=2026-03-04"),
            "id=\"run-",
        ),
        (format!("tasks/{task}?until=2026-03-03"), "id=\"none\""),
        (format!("runs/{}", runs + 1), "class=\"story\""),
        ("jobs".to_owned(), "id=\"job-"),
        (String::new(), "id=\"task-"),
    ] {
        let path = format!("/sidecar/{path}");
        let bytes = request("GET", &path, &[], b"");
        let text = String::from_utf8(bytes).unwrap();
        let bytes = text.replace("glpi.example.com", &host).into_bytes();
        let mut looks = Vec::with_capacity(TIMES);
        for _ in 0..TIMES {
            let begun = Instant::now();
            let answer = raw(address, &bytes).await.unwrap();
            looks.push(begun.elapsed());
            let is_cut = answer.body.contains("id=\"cut\"");
            assert!(
                answer.status == 200 && answer.body.contains(shown) && !is_cut,
                "{path}"
            );
        }
        looks.sort_unstable();
        let p95 = looks[TIMES * 95 / 100 - 1];
        show(&format!("{path}: {p95:?} (p95)"));
        if p95 >= if is_full { LOOK } else { LOOK * 10 } {
            write!(slow, "{path}: {p95:?}; ").unwrap();
        }
    }
    assert!(slow.is_empty(), "{slow}");
}
