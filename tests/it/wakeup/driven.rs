//! Tasks that agents drive: whoever would be given work is woken up, though no run is prepared.

use std::time::Duration;

use fusion_sidecar::domain::policy::Policy;

use mysql_async::prelude::Queryable as _;

use super::{Site, now};
use crate::support::fake_agents::Manner::Obeys;
use crate::support::site::expand;
use crate::support::until::until;

const BY_AGENT: &str = "DELETE FROM {p}taskjobstates;
    INSERT INTO {p}sidecar_tasks ({f}tasks_id, mode) VALUES (1, 'agent')";

#[tokio::test(flavor = "multi_thread")]
async fn agents_that_would_be_given_work_are_asked() {
    let site = Site::new(Policy::Redux, 126, 9, |_| {})
        .await
        .with(&[Obeys, Obeys, Obeys, Obeys])
        .await;
    let db = &site.app.db;
    db.set(BY_AGENT).await;
    // Agent 2 has had it, agent 3 is locked, agent 4 no actor.
    assert_eq!(site.app.handed_out("wks-2").await.len(), 1);
    db.set(
        "UPDATE {p}taskjobstates SET state = 3; UPDATE {p}agents SET `lock` = 1 WHERE id = 3;
         UPDATE {p}taskjobs SET actors = '[{\"Computer\":\"1\"},{\"Computer\":\"2\"},{\"Computer\":\"3\"}]'",
    )
    .await;
    let (asked, said) = site.pass().await;
    assert_eq!(asked, now([1]), "{said}");
    // A day later agent 2 would be given it again.
    site.app.clock.advance(Duration::from_hours(24));
    let (asked, said) = site.pass().await;
    assert_eq!(asked, now([1, 2]), "{said}");
    db.set("UPDATE {p}tasks SET is_active = 0, last_agent_wakeup = NULL")
        .await;
    assert_eq!(site.pass().await.0, []);
}

/// Job 2 has a delay of an hour; agent 1 began half an hour ago.
#[tokio::test(flavor = "multi_thread")]
async fn a_delay_that_is_over_wakes_its_agent_up() {
    let site = Site::new(Policy::Redux, 127, 9, |_| {})
        .await
        .with(&[Obeys, Obeys])
        .await;
    let db = &site.app.db;
    db.set(BY_AGENT).await;
    db.set(
        "INSERT INTO {p}taskjobs (id, {f}tasks_id, name, method, targets, actors) \
         SELECT 2, 1, 'later', method, targets, actors FROM {p}taskjobs WHERE id = 1;
         INSERT INTO {p}sidecar_sequence ({f}taskjobs_id, delay) VALUES (2, 3600)",
    )
    .await;
    for agent in ["wks-1", "wks-2"] {
        assert_eq!(site.app.handed_out(agent).await.len(), 1);
        db.set("UPDATE {p}taskjobstates SET state = 3").await;
        site.app.clock.advance(Duration::from_mins(30));
    }
    let summary = site.app.wakeup().pass().await.unwrap();
    assert_eq!(site.asked(), now([1]), "{summary}");
    assert_eq!(
        summary.due.map(|due| due.to_string()),
        Some("2026-03-04 13:30:00".to_owned()),
        "that of the other one"
    );
}

/// The period is an hour: the preparation that made runs, be it after a delay, says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_preparation_that_made_runs_nudges() {
    let site = Site::new(Policy::Redux, 128, 9, |_| {})
        .await
        .with(&[Obeys])
        .await;
    let db = &site.app.db;
    db.set("DELETE FROM {p}taskjobstates").await;
    let mut holder = db.conn().await;
    holder
        .query_drop(expand(
            "BEGIN; INSERT INTO {p}sidecar_locks (name) VALUES ('job:1')",
        ))
        .await
        .unwrap();
    let serving = site
        .app
        .another(|settings| {
            settings.scheduler.enabled = true;
            settings.scheduler.period = Duration::from_hours(1);
        })
        .await;
    until("a pass found nobody", async || {
        let ended: Vec<u32> = db
            .ask("SELECT COUNT(*) FROM {p}sidecar_heartbeats WHERE duty = 'wakeup' AND ended_at IS NOT NULL")
            .await;
        ended == [1]
    })
    .await;
    assert_eq!(site.asked(), []);
    holder.query_drop("COMMIT").await.unwrap();
    until("the agent is asked", async || !site.asked().is_empty()).await;
    assert_eq!(site.asked(), now([1]));
    serving.stop().await.unwrap();
}
