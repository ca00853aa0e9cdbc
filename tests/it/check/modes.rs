//! Modes of tasks that are none.

use super::{Site, assert_says, lines};

#[tokio::test(flavor = "multi_thread")]
async fn a_mode_that_is_none_is_named() {
    let site = Site::new().await;
    site.db
        .set(
            "INSERT INTO {p}tasks (id, name, is_active) VALUES (1, 'night', 1), (2, 'day', 1), (3, 'sound', 1);
             INSERT INTO {p}sidecar_tasks ({f}tasks_id, mode) VALUES (1, 'agents'), (2, 'server'), (3, NULL), (99, 'x')",
        )
        .await;
    let report = site.check().await;
    assert_says(
        &report,
        "warning: modes: the mode 'agents' of task 'night' (1) is none; 'server' counts, the default -> write server, agent or NULL",
    );
    assert_eq!(lines(&report, "warning: modes").len(), 1, "{report}");
}
