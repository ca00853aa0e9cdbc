//! getConfig.

use rstest::rstest;
use serde_json::Value;

use super::plugin;
use crate::support::app::TestApp;
use crate::support::site::SLOT_OPENS_AT_ONE;

/// Runs of the three kinds, prepared for agent 1.
async fn three_kinds(app: &TestApp) {
    app.db
        .set(
            "INSERT INTO {p}taskjobs (id, {f}tasks_id, method, targets, actors) VALUES \
             (2, 1, 'collect', '[{\"PluginFusioninventoryCollect\":\"1\"}]', '[{\"Computer\":\"1\"}]'), \
             (3, 1, 'InventoryComputerESX', '[{\"PluginFusioninventoryCredentialIp\":\"1\"}]', '[{\"Computer\":\"1\"}]');
             INSERT INTO {p}taskjobstates (id, {f}taskjobs_id, itemtype, items_id, state, {f}agents_id, uniqid) VALUES \
             (1, 1, 'PluginFusioninventoryDeployPackage', 1, 0, 1, 'run-1'), \
             (2, 2, 'PluginFusioninventoryCollect', 1, 0, 1, 'run-2'), \
             (3, 3, 'PluginFusioninventoryCredentialIp', 1, 0, 1, 'run-3')",
        )
        .await;
}

fn tasks(answer: &Value) -> Vec<&str> {
    let schedule = answer["schedule"].as_array().unwrap().iter();
    schedule
        .map(|task| task["task"].as_str().unwrap())
        .collect()
}

#[rstest]
#[case("task[deploy]=1&task[collect]=1&task[esx]=1", &["Deploy", "Collect", "ESX"])]
#[case("task[ESX]=1&task[DEPLOY]=1", &["ESX", "Deploy"])]
#[case("task%5BDeploy%5D=2.8&task%5bCollect%5d=2.7", &["Deploy", "Collect"])]
#[case("task[Deploy]=&task[Inventory]=2.6&task[NetDiscovery]=2", &["Deploy"])]
#[case("task[Deploy]=1&task[Deploy]=2", &["Deploy"])]
#[case("task[Deploy]=1&task[deploy]=2", &["Deploy", "Deploy"])]
#[case("task=Deploy", &[])]
#[case("task[]=Deploy", &[])]
#[case("", &[])]
#[tokio::test]
async fn tasks_as_agents_write_them(#[case] query: &str, #[case] expected: &[&str]) {
    let app = plugin().await;
    three_kinds(&app).await;
    // Parameters come in any order.
    let answer = app
        .get(&format!("/?{query}&machineid=wks-1&action=getConfig"))
        .await;
    assert_eq!(tasks(&answer.json()), expected);
    assert_eq!(app.db.states().await, [0, 0, 0]);
}

#[tokio::test]
async fn each_module_is_switched_by_itself() {
    let app = plugin().await;
    three_kinds(&app).await;
    for (module, left) in [
        ("DEPLOY", ["Collect", "ESX"]),
        ("Collect", ["Deploy", "ESX"]),
        ("InventoryComputerESX", ["Deploy", "Collect"]),
    ] {
        app.db
            .set(&format!(
                "UPDATE {{p}}agentmodules SET is_active = 1, exceptions = '[]';
                 UPDATE {{p}}agentmodules SET is_active = 0 WHERE modulename = '{module}'"
            ))
            .await;
        assert_eq!(app.config("wks-1").await, left, "{module}");
        app.db
            .set(&format!(
                "UPDATE {{p}}agentmodules SET exceptions = '[\"1\"]' WHERE modulename = '{module}'"
            ))
            .await;
        assert_eq!(app.config("wks-1").await, ["Deploy", "Collect", "ESX"]);
    }
}

/// A run counts by the kind of its target and its state alone: whether it may go out is not asked.
#[rstest]
#[case::task_off("UPDATE {p}tasks SET is_active = 0", true)]
#[case::slot_closed(SLOT_OPENS_AT_ONE, true)]
#[case::put_off("UPDATE {p}taskjobstates SET date_start = '2030-01-01'", true)]
#[case::without_its_job("DELETE FROM {p}taskjobs", true)]
#[case::sent("UPDATE {p}taskjobstates SET state = 1", false)]
#[case::another_agents("UPDATE {p}taskjobstates SET {f}agents_id = 2", false)]
#[tokio::test]
async fn a_prepared_run_is_enough(#[case] change: &str, #[case] named: bool) {
    let app = plugin().await;
    app.db.run(1, 1, 0).await;
    app.db.set(change).await;
    assert_eq!(app.config("wks-1").await.is_empty(), !named);
}

/// An entity's own address, else that of the nearest above, else row 1.
#[rstest]
#[case(0, "http://root")]
#[case(1, "http://north")]
#[case(2, "http://north")]
#[case(3, "http://root")]
#[case(9, "http://root")]
#[tokio::test]
async fn addresses_go_by_entity(#[case] entity: u32, #[case] base: &str) {
    let app = plugin().await;
    app.db
        .set(&format!(
            "INSERT INTO glpi_entities (id, name, entities_id, level) VALUES (1, 'North', 0, 2), (2, 'Lab', 1, 3), (3, 'South', 0, 2);
             UPDATE {{p}}entities SET agent_base_url = 'http://root';
             INSERT INTO {{p}}entities (entities_id, agent_base_url) VALUES (1, 'http://north'), (2, '');
             UPDATE {{p}}agents SET entities_id = {entity}"
        ))
        .await;
    app.db.run(1, 1, 0).await;
    let answer = app
        .get("/?action=getConfig&machineid=wks-1&task[Deploy]=1")
        .await
        .json();
    assert_eq!(
        answer["schedule"][0]["remote"],
        format!("{base}/plugins/fusioninventory/b/deploy/")
    );
}

/// `N/A`, which an older plugin wrote, is an address to PHP, and one that it does not hand out: whatever stands above.
#[rstest]
#[case("N/A", 400)]
#[case("0", 400)]
#[case("", 200)]
#[case("http://a", 200)]
#[tokio::test]
async fn an_address_that_is_none(#[case] url: &str, #[case] status: u16) {
    let app = plugin().await;
    app.db
        .set(&format!(
            "INSERT INTO glpi_entities (id, name, entities_id, level) VALUES (1, 'North', 0, 2);
             UPDATE {{p}}entities SET agent_base_url = 'http://root';
             INSERT INTO {{p}}entities (entities_id, agent_base_url) VALUES (1, '{url}');
             UPDATE {{p}}agents SET entities_id = 1"
        ))
        .await;
    app.db.run(1, 1, 0).await;
    let path = "/?action=getConfig&machineid=wks-1&task[Deploy]=1";
    let answer = app.get(path).await;
    assert_eq!(answer.status, status);
    if status == 400 {
        assert_eq!(answer.text(), "");
        // An answer without an address is given.
        let path = "/?action=getConfig&machineid=wks-1&task[Collect]=1";
        assert_eq!(
            app.get(path).await.json()["schedule"],
            serde_json::json!([])
        );
    } else {
        let base = if url.is_empty() { "http://root" } else { url };
        assert_eq!(
            answer.json()["schedule"][0]["remote"],
            format!("{base}/plugins/fusioninventory/b/deploy/")
        );
    }
}
