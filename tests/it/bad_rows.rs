//! What nobody should store: rows that cannot be read harm nobody but themselves.

use fusion_sidecar::domain::policy::Policy;
use futures_util::future::join_all;
use rstest::rstest;
use serde_json::{Value, json};

use crate::bad_input::{XML, deploy, query, stocked};
use crate::support::fleet::{self, EMPTY, lines, state};
use crate::support::wire::{get, post, prolog};

/// One agent, one job for each way in which stored rows can be broken, and two good ones around them.
#[rstest]
#[tokio::test]
async fn a_broken_package_does_not_stop_the_others(
    #[values(Policy::Plugin, Policy::Redux)] policy: Policy,
) {
    let app = stocked(policy).await;
    let db = &app.db;
    let hash = "ab".repeat(64);
    let with_file = |key: &str| {
        format!(
            r#"{{"jobs":{{"checks":[],"associatedFiles":["{key}"],"actions":[],"userinteractions":[]}},"associatedFiles":{{"{key}":{{"name":"a<b>.bin","p2p":0,"p2p-retention-duration":0,"uncompress":0}}}}}}"#
        )
    };
    // A manifest that lies outside, where a key with dots would lead.
    std::fs::create_dir_all(app.files().join("manifests")).unwrap();
    std::fs::write(app.files().join("outside"), "from-outside\n").unwrap();
    let broken: [(u32, String); 7] = [
        (2, r#"{"jobs":{"checks":[]"#.to_owned()),
        (3, String::new()),
        (4, "[[[[]]]]".to_owned()),
        (5, "null".to_owned()),
        (6, r#"{"jobs":{"checks":"none","actions":7}}"#.to_owned()),
        (7, "[".repeat(100_000)),
        // Longer than a log line can be.
        (
            8,
            with_file(&"k".repeat(70_000)).replace(r#""name":"a<b>.bin","#, ""),
        ),
    ];
    for (id, json) in &broken {
        db.exec(&fleet::package(*id, json, &[1])).await;
    }
    db.exec(&fleet::package(20, &with_file(&hash), &[1])).await;
    db.exec(&fleet::package(21, &with_file("../outside"), &[1]))
        .await;
    // A package that does not exist, a job whose task is gone, a run whose job is gone, rubbish as targets and actors.
    db.exec(&fleet::job(30, 1, &[1])).await;
    db.exec(&fleet::job(31, 99, &[1])).await;
    db.exec(&fleet::job(32, 1, &[1])).await;
    db.exec("DELETE FROM glpi_plugin_fusioninventory_taskjobs WHERE id = 32")
        .await;
    for (id, rubbish) in [
        (33, "{{{"),
        (34, r#"[{"Computer":"x"},7,null,{"a":{"b":[]}},{}]"#),
        (35, ""),
    ] {
        db.exec(&fleet::package(id, EMPTY, &[1])).await;
        db.exec(&format!(
            "UPDATE glpi_plugin_fusioninventory_taskjobs SET targets = '{rubbish}', actors = '{rubbish}' WHERE id = {id}"
        ))
        .await;
    }
    db.exec(&fleet::package(40, EMPTY, &[1])).await;

    let handed_out = async || {
        let query = deploy("action=getJobs&machineid=wks-1&version=2.8");
        let answer = get(app.address(), &query).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(!answer.body.contains("from-outside"));
        answer.json()
    };
    let mut json = handed_out().await;
    let mut sent = uuids(&json);
    let mut expected = vec!["run-1-1", "run-40-1"];
    let in_error = [2, 3, 4, 5, 6, 7, 8, 30];
    if policy == Policy::Plugin {
        // PHP breaks off at the first of them: what it has sent by then stays sent, and the others wait.
        assert_eq!(sent, ["run-1-1"]);
        for id in in_error.into_iter().chain([20, 21, 33, 34, 35, 40]) {
            assert_eq!(state(db, &format!("run-{id}-1")).await, 0, "run-{id}-1");
        }
        for id in in_error {
            db.exec(&format!(
                "DELETE FROM glpi_plugin_fusioninventory_taskjobstates WHERE uniqid = 'run-{id}-1'"
            ))
            .await;
        }
        // It hands out a file without parts; an actor of one job counts for all.
        json = handed_out().await;
        sent = uuids(&json);
        expected = vec![
            "run-20-1", "run-21-1", "run-33-1", "run-34-1", "run-35-1", "run-40-1",
        ];
        assert_eq!(json["associatedFiles"][&hash]["multiparts"], json!([]));
        assert_eq!(
            json["associatedFiles"]["../outside"]["multiparts"],
            json!([])
        );
    }
    sent.sort_unstable();
    assert_eq!(sent, expected);
    for uniqid in expected {
        assert_eq!(state(db, uniqid).await, 1, "{uniqid}");
    }
    if policy == Policy::Redux {
        for id in [33, 34, 35] {
            assert_eq!(state(db, &format!("run-{id}-1")).await, 5);
        }
        for id in in_error.into_iter().chain([20, 21]) {
            let uniqid = format!("run-{id}-1");
            assert_eq!(state(db, &uniqid).await, 4, "{uniqid}");
            let lines = lines(db, &uniqid).await;
            assert_eq!(lines.len(), 1, "{uniqid}: {lines:?}");
            let (state, text) = &lines[0];
            assert!(
                *state == 4 && text.starts_with("The package cannot be handed out: "),
                "{uniqid}: {lines:?}"
            );
            // PHP prints log lines raw, and no path of the host is GLPI's business.
            assert!(
                !text.contains('<') && !text.contains("/files/"),
                "{uniqid}: {text}"
            );
        }
    }
    assert_eq!(state(db, "run-32-1").await, 0, "run-32-1 is nobody's");
    // To the plugin a task that is gone is one that is switched off.
    let task_gone = if policy == Policy::Plugin { 5 } else { 0 };
    assert_eq!(state(db, "run-31-1").await, task_gone);
}

/// The runs of an answer.
fn uuids(answer: &Value) -> Vec<&str> {
    let jobs = answer["jobs"].as_array().unwrap().iter();
    jobs.map(|job| job["uuid"].as_str().unwrap()).collect()
}

/// Rubbish in the rows that every request reads must not put the whole service out of order.
#[rstest]
#[case::agent_modules(
    "UPDATE glpi_plugin_fusioninventory_agentmodules SET exceptions = '{\"a\":[[['"
)]
#[case::null_texts(
    "UPDATE glpi_plugin_fusioninventory_agentmodules SET exceptions = NULL;
     INSERT INTO glpi_plugin_fusioninventory_configs (type, value) VALUES ('wrong', NULL);
     UPDATE glpi_plugin_fusioninventory_configs SET value = NULL WHERE type IN ('mirror_match', 'server_as_mirror');
     UPDATE glpi_plugin_fusioninventory_tasks SET name = NULL;
     UPDATE glpi_plugin_fusioninventory_taskjobs SET name = NULL"
)]
#[case::template(
    "INSERT INTO glpi_plugin_fusioninventory_deployuserinteractiontemplates (name, json) VALUES ('x', '{{{'), ('y', NULL)"
)]
#[case::mirror(
    "INSERT INTO glpi_plugin_fusioninventory_deploymirrors (entities_id, is_active, is_recursive, locations_id, name, url) VALUES (77, 1, 3, 88, 'x', '')"
)]
#[case::timeslot(
    "INSERT INTO glpi_plugin_fusioninventory_timeslotentries (plugin_fusioninventory_timeslots_id, day, `begin`, `end`) VALUES (5, 9, 90000, 10)"
)]
#[case::numbers_below_zero(
    "ALTER TABLE glpi_entities MODIFY entities_id int NULL;
     UPDATE glpi_entities SET entities_id = -1, level = -1 WHERE id = 0;
     INSERT INTO glpi_plugin_fusioninventory_timeslotentries (plugin_fusioninventory_timeslots_id, day, `begin`, `end`) VALUES (5, -1, 1, 10)"
)]
#[case::flag_of_two(
    "UPDATE glpi_plugin_fusioninventory_tasks SET is_active = 2, reprepare_if_successful = -1"
)]
#[case::zero_date(
    "SET sql_mode = ''; INSERT INTO glpi_plugin_fusioninventory_tasks (id, entities_id, name, is_active, datetime_start, datetime_end)
     VALUES (50, 0, 'zero', 1, '0000-00-00 00:00:00', '0000-00-00 00:00:00')"
)]
#[case::entity_loop(
    "INSERT INTO glpi_entities (id, name, entities_id, level) VALUES (5, 'a', 6, 2), (6, 'b', 5, 2); UPDATE glpi_plugin_fusioninventory_agents SET entities_id = 5"
)]
#[tokio::test]
async fn rubbish_in_shared_rows_harms_nobody_else(#[case] rubbish: &str) {
    let app = stocked(Policy::Redux).await;
    app.db.exec(rubbish).await;
    let answer = get(
        app.address(),
        &query("action=getConfig&machineid=wks-1&task[Deploy]=2.8"),
    )
    .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = get(
        app.address(),
        &deploy("action=getJobs&machineid=wks-1&version=2.8"),
    )
    .await;
    assert_eq!(answer.json()["jobs"][0]["uuid"], "run-1-1", "{answer:?}");
    assert_eq!(
        post(app.address(), XML, prolog("wks-1").as_bytes())
            .await
            .status,
        200
    );
}

/// A run that cannot be read is left alone; reports on it fail alone, also when they are written together with others.
#[tokio::test]
async fn rubbish_in_one_run_harms_no_other() {
    let app = stocked(Policy::Redux).await;
    for id in 2..=4 {
        app.db.exec(&fleet::package(id, EMPTY, &[1])).await;
    }
    app.db
        .exec(
            "SET sql_mode = '';
             UPDATE glpi_plugin_fusioninventory_taskjobstates SET date_start = '0000-00-00' WHERE uniqid = 'run-2-1';
             UPDATE glpi_plugin_fusioninventory_taskjobstates SET state = 9 WHERE uniqid = 'run-3-1'",
        )
        .await;
    let answer = get(
        app.address(),
        &deploy("action=getJobs&machineid=wks-1&version=2.8"),
    )
    .await;
    let json = answer.json();
    let uuids: Vec<&str> = json["jobs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|job| job["uuid"].as_str().unwrap())
        .collect();
    assert_eq!(uuids, ["run-1-1", "run-4-1"]);
    let targets: Vec<String> = (0..40)
        .map(|index| {
            deploy(&format!(
                "action=setStatus&machineid=wks-1&uuid=run-{}-1&msg=m{index}",
                [1, 3, 4][index % 3]
            ))
        })
        .collect();
    let answers = join_all(targets.iter().map(|target| get(app.address(), target))).await;
    for (target, answer) in targets.iter().zip(answers) {
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (200, "{}"),
            "{target}"
        );
    }
    assert_eq!(lines(&app.db, "run-1-1").await.len(), 1 + 14);
    assert_eq!(lines(&app.db, "run-4-1").await.len(), 1 + 13);
    assert_eq!(lines(&app.db, "run-3-1").await.len(), 0);
    assert_eq!(state(&app.db, "run-3-1").await, 9);
}

/// However many older runs of an agent wait or are stuck, what can be handed out is.
#[rstest]
#[case::stuck("state = 2")]
#[case::put_off("date_start = '2031-01-01 00:00:00'")]
#[tokio::test]
async fn old_runs_hide_no_newer_one(#[case] old: &str) {
    let app = stocked(Policy::Redux).await;
    app.db
        .exec(&format!(
            "INSERT INTO glpi_plugin_fusioninventory_taskjobstates \
               (plugin_fusioninventory_taskjobs_id, items_id, itemtype, state, plugin_fusioninventory_agents_id, uniqid, specificity)
             SELECT 1, 1, 'PluginFusioninventoryDeployPackage', 0, 1, CONCAT('old-', seq), seq FROM seq_1_to_5000;
             UPDATE glpi_plugin_fusioninventory_taskjobstates SET {old};"
        ))
        .await;
    app.db.exec(&fleet::package(2, EMPTY, &[1])).await;
    let answer = get(
        app.address(),
        &deploy("action=getJobs&machineid=wks-1&version=2.8"),
    )
    .await;
    let jobs = answer.json()["jobs"].as_array().unwrap().clone();
    assert_eq!(jobs.len(), 1, "{answer:?}");
    assert_eq!(jobs[0]["uuid"], "run-2-1");
}

/// What ends in one transaction is bounded, and the rest ends when the agent asks next.
#[tokio::test]
async fn very_many_runs_end_in_pieces() {
    let app = stocked(Policy::Redux).await;
    app.db
        .exec(
            "INSERT INTO glpi_plugin_fusioninventory_taskjobstates \
               (plugin_fusioninventory_taskjobs_id, items_id, itemtype, state, plugin_fusioninventory_agents_id, uniqid)
             SELECT 1, 1, 'PluginFusioninventoryDeployPackage', 0, 1, CONCAT('twin-', seq) FROM seq_1_to_5500;",
        )
        .await;
    let jobs = deploy("action=getJobs&machineid=wks-1&version=2.8");
    for left in [501, 0] {
        let answer = get(app.address(), &jobs).await;
        assert_eq!(answer.json()["jobs"][0]["uuid"], "run-1-1", "{answer:?}");
        let open: Vec<u32> = app
            .db
            .rows("SELECT COUNT(*) FROM glpi_plugin_fusioninventory_taskjobstates WHERE uniqid LIKE 'twin-%' AND state = 0")
            .await;
        assert_eq!(open, [left]);
    }
}
