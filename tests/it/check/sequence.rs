//! Rows about jobs in sequence that are of no use, and a server that does not answer in time.

use std::time::Duration;

use fusion_sidecar::domain::policy::Policy;
use mysql_async::prelude::Queryable as _;

use super::{Site, assert_says, lines};

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_no_use_are_named() {
    let mut site = Site::new().await;
    site.db
        .set(
            "INSERT INTO {p}tasks (id, name, is_active) VALUES (1, 'rollout', 1), (2, 'bounded', 1), (3, 'sound', 1);
             INSERT INTO {p}taskjobs (id, {f}tasks_id, name, method) VALUES (11, 1, 'wake', 'wakeonlan'), (12, 1, 'late', 'deployinstall'),
             (21, 2, 'first', 'deployinstall'), (22, 2, 'second', 'deployinstall'), (31, 3, 'one', 'deployinstall'), (32, 3, 'two', 'deployinstall');
             INSERT INTO {p}sidecar_sequence ({f}taskjobs_id, `rank`, delay, after_success) VALUES (11, 0, 0, 1), (12, 0, 86400, 0), \
             (22, 0, 7200, 0), (31, 0, 0, 0), (32, 0, 3600, 1), (95, 0, 0, 0), (96, 0, 0, 0), (97, 0, 0, 0), (98, 0, 0, 0);
             INSERT INTO {p}sidecar_tasks ({f}tasks_id, max_duration) VALUES (2, 3600), (3, 7200), (99, 60);
             INSERT INTO {p}sidecar_jobs ({f}taskjobs_id, timeout) VALUES (31, 60), (94, 60)",
        )
        .await;
    let report = site.check().await;
    for line in [
        "warning: sequence: job 'wake' (11) of task 'rollout' (1) waits for the success of the job before it, and is the first -> ",
        "warning: sequence: jobs of task 'rollout' (1) never start: 'late' (12) after 86400 s, but the next occurrence begins within 86400 s -> ",
        "warning: sequence: jobs of task 'bounded' (2) never start: 'second' (22) after 7200 s, but max_duration is 3600 s -> ",
        "warning: sequence: glpi_plugin_fusioninventory_sidecar_tasks has rows of tasks that are gone: 99 -> ",
        "warning: sequence: glpi_plugin_fusioninventory_sidecar_sequence has rows of jobs that are gone: 95; 96; 97; and 1 more -> ",
        "warning: sequence: glpi_plugin_fusioninventory_sidecar_jobs has rows of jobs that are gone: 94 -> ",
    ] {
        assert_says(&report, line);
    }
    assert_eq!(lines(&report, "warning").len(), 6, "{report}");

    // The plugin knows no sequence.
    site.settings.dispatch.policy = Policy::Plugin;
    let report = site.check().await;
    assert_eq!(lines(&report, "warning").len(), 0, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_without_an_answer_in_time_is_named_with_what_to_do() {
    let mut site = Site::new().await;
    site.settings.database.timeout = Duration::from_secs(1);
    let mut other = site.db.conn().await;
    other
        .query_drop("LOCK TABLES glpi_plugin_fusioninventory_deploymirrors WRITE")
        .await
        .unwrap();
    let report = site.check().await;
    assert_says(
        &report,
        "error: database: the database is not available: refused took longer than 1 s (database-timeout) -> \
         see what the server is doing or waits for (SHOW FULL PROCESSLIST), then check again; if it is always so slow, raise database-timeout",
    );
}
