//! The plugin's automatic actions beside the sidecar's own work.

use super::{Site, assert_says, lines};

const ACTIONS: [(&str, &str, &str); 4] = [
    ("preparation", "taskscheduler", "runs"),
    ("cleaning", "cleantaskjob", "old runs"),
    ("cleaning", "cleanondemand", "tasks on demand"),
    ("waking up", "wakeupAgents", "agents"),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_automatic_action_that_keeps_the_sidecar_off_is_named() {
    let mut site = Site::new().await;
    for (topic, name, what) in ACTIONS {
        site.db
            .exec(&format!(
                "DELETE FROM glpi_crontasks; INSERT INTO glpi_crontasks (itemtype, name, frequency, state) VALUES \
                 ('PluginFusioninventoryTask', '{name}', 60, 1), ('PluginFusioninventoryTaskjobstate', 'other', 60, 1), \
                 ('PluginOther', 'cleantaskjob', 60, 1)"
            ))
            .await;
        site.settings.scheduler.enabled = true;
        let on = lines(&site.check().await, "warning");
        let about: Vec<&String> = on
            .iter()
            .filter(|line| line.contains("automatic"))
            .collect();
        let begins = format!(
            "warning: {topic}: GLPI's automatic action '{name}' is on: the sidecar keeps off "
        );
        assert!(
            about.len() == 1 && about[0].starts_with(&begins) && about[0].contains(what),
            "{about:?}"
        );

        site.settings.scheduler.beside_cron = true;
        let report = site.check().await;
        let both = format!(": by the sidecar, and by GLPI's automatic action '{name}' too");
        assert!(
            lines(&report, "ok")
                .iter()
                .any(|line| line.ends_with(&both)),
            "{report}"
        );
        site.settings.scheduler.beside_cron = false;

        // With its own scheduler off, the others are done by nobody.
        site.settings.scheduler.enabled = false;
        let report = site.check().await;
        for (topic, other, _) in ACTIONS {
            if other == name {
                let end = format!(": by GLPI's automatic action '{name}'");
                assert!(
                    lines(&report, "ok").iter().any(|line| line.ends_with(&end)),
                    "{report}"
                );
            } else {
                let nobody = lines(&report, "warning");
                let begins = format!("warning: {topic}: nobody ");
                assert!(
                    nobody.iter().any(|line| line.starts_with(&begins)
                        && line.contains(&format!("action '{other}'"))),
                    "{report}"
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_every_action_off_the_sidecar_does_the_work() {
    let site = Site::new().await;
    site.db
        .exec(
            "INSERT INTO glpi_crontasks (itemtype, name, frequency, state) VALUES \
             ('PluginFusioninventoryTask', 'taskscheduler', 60, 0), ('PluginFusioninventoryTaskjobstate', 'cleantaskjob', 60, 0)",
        )
        .await;
    let report = site.check().await;
    for line in [
        "ok: preparation: preparing runs: by the sidecar",
        "ok: cleaning: cleaning old runs: by the sidecar",
        "ok: cleaning: cleaning tasks on demand: by the sidecar",
        "ok: waking up: waking agents up: by the sidecar",
    ] {
        assert_says(&report, line);
    }
}
