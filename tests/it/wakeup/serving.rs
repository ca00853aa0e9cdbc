//! `once wakeup`, the duty inside `serve`, several sidecars, what is counted.

use std::time::Duration;

use fusion_sidecar::domain::policy::Policy;
use fusion_sidecar::telemetry::metrics::WAKEUPS;
use fusion_sidecar::work::wakeup::WakeUp;
use futures_util::future::join_all;
use mysql_async::prelude::Queryable as _;
use rstest::rstest;

use super::{Site, now};
use crate::support::fake_agents::Manner::{Foreign, Obeys, Refuses};
use crate::support::heard::hearing;
use crate::support::process::{run, told, url};
use crate::support::site::expand;
use crate::support::until::{until, until_waiting};

impl Site {
    /// `once wakeup` as a process: exit code, output, log.
    async fn once(&self) -> (i32, String, String) {
        self.once_by("redux").await
    }

    /// The same by a policy.
    async fn once_by(&self, policy: &'static str) -> (i32, String, String) {
        let url = url(&self.app.db);
        let arguments = [
            "once",
            "wakeup",
            "--wakeup-networks",
            "127.0.0.0/8",
            "--wakeup-names",
            "off",
            "--policy",
            policy,
        ];
        let output = tokio::task::spawn_blocking(move || {
            run(&arguments, &[("FUSION_SIDECAR_DATABASE_URL", &url)])
        });
        told(&output.await.unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn once_says_in_a_line_what_became_of_it() {
    let site = Site::new(Policy::Redux, 113, 5, |_| {})
        .await
        .with(&[Obeys, Foreign])
        .await;
    let again = "UPDATE {p}tasks SET last_agent_wakeup = NULL";
    let (code, out, log) = site.once().await;
    assert_eq!(
        (code, out.as_str(), log.as_str()),
        (
            0,
            "1 tasks, 2 agents asked: 1 awake, 0 refused, 1 unreachable; 0 skipped\n",
            ""
        )
    );
    assert_eq!(site.asked(), now([1, 2]));
    let (code, out, _) = site.once().await;
    assert_eq!(
        (code, out.as_str()),
        (
            0,
            "0 tasks, 0 agents asked: 0 awake, 0 refused, 0 unreachable; 0 skipped\n"
        )
    );

    site.app
        .db
        .set(&format!(
            "{again}; INSERT INTO glpi_configs (context, name, value) VALUES ('core', 'maintenance_mode', '1') \
             ON DUPLICATE KEY UPDATE value = '1'"
        ))
        .await;
    let (code, out, log) = site.once().await;
    assert_eq!(code, 1);
    assert!(format!("{out}{log}").contains("maintenance"), "{out}{log}");
    assert_eq!(site.asked(), now([1, 2]));
}

/// The pass waits at task 1 when it happens; task 2 is not its own to take any more.
#[rstest]
#[case::its_turn_is_lost(
    124,
    "UPDATE {p}sidecar_leases SET holder = 'another' WHERE name = 'wakeup'",
    "the turn is lost"
)]
#[case::glpi_is_closed(
    125,
    "UPDATE glpi_configs SET value = '1' WHERE context = 'core' AND name = 'maintenance_mode'",
    "GLPI is in maintenance"
)]
#[tokio::test(flavor = "multi_thread")]
async fn a_pass_takes_no_further_task_when(
    #[case] network: u8,
    #[case] happens: &str,
    #[case] says: &str,
) {
    let site = Site::new(Policy::Plugin, network, 5, |_| {})
        .await
        .with(&[Obeys])
        .await;
    let db = &site.app.db;
    db.set(
        "INSERT INTO glpi_configs (context, name, value) VALUES ('core', 'maintenance_mode', '0') ON DUPLICATE KEY UPDATE value = '0'; \
         INSERT INTO {p}tasks (id, name, is_active, wakeup_agent_counter, wakeup_agent_time) VALUES (2, 'second', 1, 2, 5)",
    )
    .await;
    let mut holder = db.conn().await;
    holder
        .query_drop(expand(
            "BEGIN; SELECT id FROM {p}tasks WHERE id = 1 FOR UPDATE",
        ))
        .await
        .unwrap();
    let breaks_in = async {
        until_waiting(db, "claim_wakeup").await;
        db.set(happens).await;
        holder.query_drop("ROLLBACK").await.unwrap();
    };
    let ((code, out, log), ()) = tokio::join!(site.once_by("plugin"), breaks_in);
    assert_eq!(code, 1, "{out}{log}");
    assert!(format!("{out}{log}").contains(says), "{out}{log}");
    let claimed: Vec<bool> = db
        .ask("SELECT last_agent_wakeup IS NOT NULL FROM {p}tasks ORDER BY id")
        .await;
    assert_eq!(claimed, [true, false]);
    holder.disconnect().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn once_fails_when_agents_refuse() {
    let site = Site::new(Policy::Redux, 114, 5, |_| {})
        .await
        .with(&[Refuses])
        .await;
    let (code, out, _) = site.once().await;
    assert_eq!(code, 1);
    assert_eq!(
        out,
        "1 tasks, 1 agents asked: 0 awake, 1 refused, 0 unreachable; 0 skipped; 1 agents refuse to be woken up from 127.0.0.1: \
         they obey the addresses of their server's name and those in their httpd-trust\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_wakes_agents_up_unless_the_plugin_does() {
    let site = Site::new(Policy::Redux, 115, 5, |_| {})
        .await
        .with(&[Obeys])
        .await;
    site.app
        .db
        .set(
            "INSERT INTO glpi_crontasks (itemtype, name, frequency, state) VALUES \
             ('PluginFusioninventoryAgentWakeup', 'wakeupAgents', 120, 1), ('PluginFusioninventoryTask', 'taskscheduler', 60, 1)",
        )
        .await;
    let serving = site
        .app
        .another(|settings| {
            settings.scheduler.enabled = true;
            settings.scheduler.period = Duration::from_millis(50);
        })
        .await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(site.asked(), []);
    site.app
        .db
        .set("UPDATE glpi_crontasks SET state = 0 WHERE name = 'wakeupAgents'")
        .await;
    until("the agent is asked", async || !site.asked().is_empty()).await;
    assert_eq!(site.asked(), now([1]));
    // Every period, whenever a task's time has come; it remembers whom it asked in vain.
    site.app
        .db
        .set("UPDATE {p}tasks SET last_agent_wakeup = NULL")
        .await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(site.asked(), now([1]));
    site.app.clock.advance(Duration::from_mins(15));
    until("it is asked again", async || site.asked().len() == 2).await;
    serving.stop().await.unwrap();
}

/// However many sidecars try at the same moment, a task wakes up no more agents than it says.
#[tokio::test(flavor = "multi_thread")]
async fn several_sidecars_keep_to_the_number_together() {
    for (policy, network) in [(Policy::Redux, 116), (Policy::Plugin, 117)] {
        let site = Site::new(policy, network, 3, |_| {})
            .await
            .with(&[Obeys; 20])
            .await;
        let sidecars: Vec<_> = (0..4).map(|_| site.app.wakeup()).collect();
        for round in 1..=5 {
            site.agents.forget();
            let passes = join_all(sidecars.iter().map(WakeUp::pass)).await;
            let awake: usize = passes.iter().map(|pass| pass.as_ref().unwrap().awake).sum();
            assert_eq!(awake, 3, "{policy}, round {round}");
            let woken = site
                .asked()
                .iter()
                .filter(|(_, path)| path != "/status")
                .count();
            assert_eq!(woken, 3, "{policy}, round {round}");
            site.app.clock.advance(Duration::from_mins(5));
        }
    }
}

#[test]
fn results_are_counted_and_refusals_warned_of() {
    hearing(async |heard| {
        let site = Site::new(Policy::Redux, 118, 5, |_| {}).await;
        let site = site.with(&[Obeys, Obeys, Refuses, Foreign]).await;
        let summary = site.app.wakeup().pass().await.unwrap();
        for (result, count) in [("awake", 2), ("refused", 1), ("unreachable", 1)] {
            assert!(
                heard.counted(&format!("{WAKEUPS}{{result=\"{result}\"}}"), count),
                "{result}"
            );
        }
        summary.log();
        let warnings = heard.warnings("refuse to be woken up from 127.0.0.1");
        assert_eq!(warnings.len(), 1, "{warnings:?}");
    });
}
