//! The rights that `check` asks for are those that `serve` needs: each is missed, all together are enough, and the README has them.

use std::path::Path;

use fusion_sidecar::db::{Db, grants, schema};
use fusion_sidecar::domain::policy::Policy;
use rstest::rstest;

use super::{DEVICE, Site, assert_errors};
use crate::support::account::{self, revoke};
use crate::support::app;
use crate::support::database::fresh;

#[tokio::test(flavor = "multi_thread")]
async fn each_right_that_is_missing_is_named_alone() {
    let db = fresh().await;
    let account = account::sidecar(&db).await;
    let probed = Db::new(&account.database, "").unwrap();
    assert_eq!(probed.refused().await.unwrap(), []);
    for grant in grants::needed() {
        for privilege in &grant.privileges {
            let mut one = grant.clone();
            one.privileges = vec![*privilege];
            revoke(&db, &account, &one).await;
            assert_eq!(probed.refused().await.unwrap(), std::slice::from_ref(&one));
            db.exec(&one.statement(&db.database.name, &account.name))
                .await;
        }
    }
    probed.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_is_missing_comes_with_the_statement_that_gives_it() {
    let db = fresh().await;
    let account = account::sidecar(&db).await;
    let site = Site::on(db, account.database.clone()).await;
    let report = site.check().await;
    assert!(!report.has_errors(), "{report}");

    let name = site.db.database.name.clone();
    let revoked: Vec<_> = grants::needed()
        .into_iter()
        .filter(|grant| {
            grant.table.ends_with("_taskjoblogs") || grant.table.ends_with("_sidecar_nonces")
        })
        .collect();
    for grant in &revoked {
        revoke(&site.db, &account, grant).await;
    }
    let statements: Vec<String> = revoked
        .iter()
        .map(|grant| grant.statement(&name, &account.name))
        .collect();
    let report = site.check().await;
    assert_errors(&report, &[&statements[0], &statements[1]]);
    for statement in statements {
        site.db.exec(&statement).await;
    }
    assert!(!site.check().await.has_errors());
}

#[test]
fn the_readme_has_the_statements_for_these_rights() {
    let readme =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let shown: Vec<&str> = readme
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("GRANT "))
        .collect();
    let rendered: Vec<String> = [
        grants::needed(),
        grants::for_groups(),
        grants::for_pages(),
        grants::for_take_over(),
    ]
    .iter()
    .flatten()
    .map(|grant| grant.statement("glpi", "'sidecar'@'localhost'"))
    .collect();
    assert_eq!(shown, rendered);
}

/// One package for the dynamic group of all computers called `wks…`.
const PACKAGE: &str = r#"
INSERT INTO glpi_computers (id, name) VALUES (1, 'wks-1');
UPDATE glpi_plugin_fusioninventory_agents SET computers_id = 1;
UPDATE glpi_plugin_fusioninventory_entities SET agent_base_url = 'http://glpi.example' WHERE id = 1;
INSERT INTO glpi_plugin_fusioninventory_deploygroups (id, name, type) VALUES (5, 'Lab', 'DYNAMIC');
INSERT INTO glpi_plugin_fusioninventory_deploygroups_dynamicdatas (plugin_fusioninventory_deploygroups_id, fields_array)
VALUES (5, 'a:1:{s:8:"criteria";a:1:{i:0;a:3:{s:5:"field";s:1:"1";s:10:"searchtype";s:8:"contains";s:5:"value";s:4:"^wks";}}}');
INSERT INTO glpi_plugin_fusioninventory_deploypackages (id, name, entities_id, json) VALUES
(3, 'editor', 0, '{"jobs":{"checks":[],"associatedFiles":[],"actions":[],"userinteractions":[{"name":"ask","type":"before","template":"1"}]},"associatedFiles":{}}');
INSERT INTO glpi_plugin_fusioninventory_deployuserinteractiontemplates (id, name, entities_id, json)
VALUES (1, 'ask', 0, '{"retry_after":3600,"nb_max_retry":2}');
INSERT INTO glpi_plugin_fusioninventory_tasks (id, name, is_active) VALUES (1, 'office', 1);
INSERT INTO glpi_plugin_fusioninventory_taskjobs (id, plugin_fusioninventory_tasks_id, name, method, targets, actors)
VALUES (1, 1, 'job', 'deployinstall', '[{"PluginFusioninventoryDeployPackage":"3"}]', '[{"PluginFusioninventoryDeployGroup":"5"}]');
"#;

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn these_rights_are_enough(#[values(Policy::Plugin, Policy::Redux)] policy: Policy) {
    let db = fresh().await;
    let account = account::sidecar(&db).await;
    let app = app::start_on(db, |settings| {
        settings.database = account.database;
        settings.dispatch.policy = policy;
    })
    .await;

    for _ in ["new", "known"] {
        let reply = app.prolog(DEVICE).await;
        assert!(reply.contains("<PROLOG_FREQ>24</PROLOG_FREQ>"), "{reply}");
    }
    app.db.exec(PACKAGE).await;
    app.prepare().await.unwrap();

    let config = app
        .get(&format!(
            "/?action=getConfig&machineid={DEVICE}&task[Deploy]=2.8"
        ))
        .await;
    assert_eq!(config.status, 200, "{config:?}");
    assert!(
        config
            .text()
            .contains("http://glpi.example/plugins/fusioninventory/b/deploy/"),
        "{config:?}"
    );
    let order = app.jobs(DEVICE).await;
    let uuid = order["jobs"][0]["uuid"]
        .as_str()
        .expect("a job is handed out");
    // The plugin leaves a run that reports progress where it is.
    let running = if policy == Policy::Plugin { 1 } else { 2 };
    for (report, state) in [
        (
            "action=setStatus&currentStep=checking&status=ok&msg=fine",
            running,
        ),
        (
            "action=setUserEvent&behavior=postpone&type=before&event=on_no&user=jdoe",
            0,
        ),
    ] {
        app.tell(&format!("machineid={DEVICE}&uuid={uuid}&{report}"))
            .await;
        let states: Vec<u32> = app
            .db
            .rows("SELECT state FROM glpi_plugin_fusioninventory_taskjobstates")
            .await;
        assert_eq!(states, [state], "{report}");
    }
    let retries: Vec<u32> = app
        .db
        .rows("SELECT nb_retry FROM glpi_plugin_fusioninventory_taskjobstates")
        .await;
    assert_eq!(retries, [1]);
    let left: Vec<u32> = app
        .db
        .rows("SELECT COUNT(*) FROM glpi_plugin_fusioninventory_sidecar_runs")
        .await;
    assert_eq!(
        left,
        [0],
        "the sends of a run that was put off are forgotten"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_cannot_be_changed_with_these_rights() {
    let db = fresh().await;
    let account = account::sidecar(&db).await;
    let pool = Db::new(&account.database, "").unwrap();
    let mut conn = pool.conn().await.unwrap();
    let refused = schema::migrate(&mut conn, false, "2026-01-01T00:00:00Z".parse().unwrap()).await;
    let said = refused.unwrap_err().to_string();
    assert!(said.contains("CREATE command denied"), "{said}");
    drop(conn);
    pool.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn migrating_needs_the_right_to_create() {
    let db = fresh().await;
    db.exec("DROP TABLE glpi_plugin_fusioninventory_sidecar_nonces, glpi_plugin_fusioninventory_sidecar_schema").await;
    let account = account::without_rights(&db).await;
    let rights = format!(
        "SELECT, INSERT, UPDATE, CREATE ON `{}`.* TO {}",
        db.database.name, account.name
    );
    db.exec(&format!("GRANT {rights}")).await;
    let pool = Db::new(&account.database, "").unwrap();
    let mut conn = pool.conn().await.unwrap();
    schema::migrate(&mut conn, false, "2026-01-01T00:00:00Z".parse().unwrap())
        .await
        .unwrap();
    schema::verify(&mut conn, pool.name()).await.unwrap();
    drop(conn);
    pool.close().await;
}
