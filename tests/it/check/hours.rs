//! Hour rows that make no sense.

use super::{Site, assert_says, lines};

#[tokio::test(flavor = "multi_thread")]
async fn hour_rows_that_open_nothing_are_named() {
    let site = Site::new().await;
    site.db
        .set(
            "INSERT INTO {p}tasks (id, name, is_active) VALUES (1, 'night', 1), (2, 'day', 1), (3, 'sound', 1);
             INSERT INTO {p}sidecar_hours ({f}tasks_id, weekday, hour_start, hour_end) VALUES (1, 7, 0, 24), (1, 2, 9, 9), (1, 0, 0, 7), \
             (2, 0, 3, 25), (2, 0, 4, 2), (2, 1, 4, 4), (2, 1, 5, 5), (2, 1, 6, 6), (3, 0, 0, 24), (99, 7, 0, 24)",
        )
        .await;
    let report = site.check().await;
    for line in [
        "warning: hours: hour rows of task 'night' (1) open nothing: weekday 2, hours 9 to 9; weekday 7, hours 0 to 24 -> ",
        "warning: hours: hour rows of task 'day' (2) open nothing: weekday 0, hours 3 to 25; weekday 0, hours 4 to 2; \
         weekday 1, hours 4 to 4; and 2 more -> weekdays go from 0",
    ] {
        assert_says(&report, line);
    }
    assert_eq!(lines(&report, "warning").len(), 2, "{report}");
}
