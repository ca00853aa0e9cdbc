//! What the commands say, and with which code they end.

use super::{RUN, comments, with_sent_run};

use fusion_sidecar::db::schema::VERSION;

use crate::support::database::{empty, fresh};
use crate::support::process::{Sidecar, run, told, url};

/// Runs a command on a database: exit code, standard output, standard error.
fn on(url: &str, arguments: &[&str]) -> (i32, String, String) {
    told(&run(arguments, &[("FUSION_SIDECAR_DATABASE_URL", url)]))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_ends_with_code_1_and_says_why() {
    let db = fresh().await;
    let url = url(&db);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, _, log) = on(&url, &["serve", "--listen", &address]);
    assert_eq!(code, 1);
    assert!(
        log.contains(&format!("cannot listen on {address}")),
        "{log}"
    );

    let nobody = url.replace("root", "nobody_of_that_name");
    let (code, _, log) = on(&nobody, &["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(code, 1);
    assert!(log.contains("nobody_of_that_name"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_lacks_something_is_refused_with_its_names() {
    let db = fresh().await;
    let url = url(&db);
    db.exec(
        "ALTER TABLE glpi_plugin_fusioninventory_taskjobstates DROP COLUMN date_start; \
         ALTER TABLE glpi_plugin_fusioninventory_agents ADD COLUMN of_a_later_version int; \
         DROP TABLE glpi_groups_users",
    )
    .await;
    for command in [
        &["serve", "--listen", "127.0.0.1:0"][..],
        &["once", "prepare"],
    ] {
        let (code, out, log) = on(&url, command);
        assert_eq!((code, out.as_str()), (1, ""), "{command:?}");
        assert!(
            log.contains(
                "the database lacks table glpi_groups_users, glpi_plugin_fusioninventory_taskjobstates.date_start"
            ),
            "{log}"
        );
        assert!(!log.contains("of_a_later_version"), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_own_tables_it_asks_for_migrate() {
    let db = fresh().await;
    let url = url(&db);
    db.exec("DROP TABLE glpi_plugin_fusioninventory_sidecar_runs")
        .await;
    let (code, _, log) = on(&url, &["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(code, 1);
    assert!(
        log.contains(
            "table glpi_plugin_fusioninventory_sidecar_runs (made by `fusion-sidecar migrate`)"
        ),
        "{log}"
    );
    assert_eq!(
        on(&url, &["migrate"]),
        (
            0,
            format!(
                "own tables are at version {VERSION}; made again: glpi_plugin_fusioninventory_sidecar_runs\n"
            ),
            String::new()
        )
    );
    Sidecar::on(&db, &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_that_it_does_not_know_are_fine() {
    let db = with_sent_run().await;
    db.exec(
        "ALTER TABLE glpi_plugin_fusioninventory_taskjobstates ADD COLUMN added_later int NOT NULL DEFAULT 0 FIRST; \
         ALTER TABLE glpi_plugin_fusioninventory_agents ADD COLUMN added_later varchar(20) DEFAULT NULL AFTER id",
    )
    .await;
    let sidecar = Sidecar::on(&db, &[]);
    assert_eq!(sidecar.get(&format!("{RUN}hello")), (200, "{}".to_owned()));
    assert_eq!(comments(&db).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn migrate_makes_only_what_it_is_asked_for() {
    let db = empty().await;
    let url = url(&db);
    let tables = async || -> Vec<String> {
        db.rows("SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY 1")
            .await
    };
    for expected in [
        format!("shared tables created; own tables created, version {VERSION}\n"),
        format!(
            "shared tables are complete, left as they are; own tables are at version {VERSION}\n"
        ),
    ] {
        assert_eq!(
            on(&url, &["migrate", "--standalone"]),
            (0, expected, String::new())
        );
    }
    let all = tables().await;
    db.exec("DROP TABLE glpi_plugin_fusioninventory_sidecar_schema")
        .await;
    assert_eq!(
        on(&url, &["migrate"]),
        (
            0,
            format!("own tables created, version {VERSION}\n"),
            String::new()
        )
    );
    assert_eq!(tables().await, all);

    let foreign = empty().await;
    foreign.exec("CREATE TABLE wp_posts (id int)").await;
    let (code, out, log) = on(
        &crate::support::process::url(&foreign),
        &["migrate", "--standalone"],
    );
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(
        log.contains("not an empty database, it has wp_posts"),
        "{log}"
    );
    let left: Vec<String> = foreign
        .rows("SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()")
        .await;
    assert_eq!(left, ["wp_posts"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn once_prepare_says_what_it_did() {
    let db = fresh().await;
    let url = url(&db);
    assert_eq!(
        on(&url, &["once", "prepare"]),
        (
            0,
            "0 jobs: 0 runs prepared, 0 cancelled\n".to_owned(),
            String::new()
        )
    );
    db.exec(
        "INSERT INTO glpi_plugin_fusioninventory_agents (id, name, device_id) VALUES (7, 'pc-7', 'pc-7'); \
         INSERT INTO glpi_plugin_fusioninventory_deploypackages (id, name, entities_id, json) VALUES (3, 'p', 0, '{}'); \
         INSERT INTO glpi_plugin_fusioninventory_tasks (id, name, is_active) VALUES (1, 'rollout', 1); \
         INSERT INTO glpi_plugin_fusioninventory_taskjobs (id, plugin_fusioninventory_tasks_id, name, method, targets, actors) \
           VALUES (1, 1, 'j', 'deployinstall', '[{\"PluginFusioninventoryDeployPackage\":\"3\"}]', \
           '[{\"PluginFusioninventoryAgent\":\"7\"}]')",
    )
    .await;
    let would = "nothing was written; a pass would do this:\njob 1: 1 prepared, 0 cancelled\n\
                 1 jobs: 1 runs prepared, 0 cancelled\nprepared runs that agents would be sent if they asked now: 0\n\
                 GLPI's cron would do the same\n";
    let (code, out, log) = on(&url, &["once", "prepare", "--dry-run"]);
    assert_eq!((code, out.as_str(), log.as_str()), (0, would, ""));
    for expected in [
        "job 1: 1 prepared, 0 cancelled\n1 jobs: 1 runs prepared, 0 cancelled\n",
        "job 1: up to date, 1 under way\n1 jobs: 0 runs prepared, 0 cancelled\n",
    ] {
        let (code, out, log) = on(&url, &["once", "prepare"]);
        assert_eq!((code, out.as_str(), log.as_str()), (0, expected, ""));
    }
    let runs: Vec<(u32, u32)> = db
        .rows("SELECT state, plugin_fusioninventory_agents_id FROM glpi_plugin_fusioninventory_taskjobstates")
        .await;
    assert_eq!(runs, [(0, 7)]);
}
