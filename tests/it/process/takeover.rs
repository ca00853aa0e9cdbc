//! `migrate --take-over` and `--hand-back`: the plugin's cron tasks, in every state.

use crate::support::account;
use crate::support::database::{TestDb, fresh};
use crate::support::process::{run, told, url};
use fusion_sidecar::db::grants;

const TAKE: &[&str] = &["migrate", "--take-over"];
const GIVE: &[&str] = &["migrate", "--hand-back"];

/// The plugin's four cron tasks in these states, others beside them.
async fn site(states: [u32; 4]) -> TestDb {
    let db = fresh().await;
    let [scheduler, clean, demand, wakeup] = states;
    db.set(&format!(
        "INSERT INTO glpi_crontasks (itemtype, name, frequency, state, date_mod) VALUES \
         ('PluginFusioninventoryTask', 'taskscheduler', 60, {scheduler}, NULL), \
         ('PluginFusioninventoryTaskjobstate', 'cleantaskjob', 86400, {clean}, '2026-01-01'), \
         ('PluginFusioninventoryTask', 'cleanondemand', 86400, {demand}, '2026-01-01'), \
         ('PluginFusioninventoryAgentWakeup', 'wakeupAgents', 120, {wakeup}, '2026-01-01'), \
         ('PluginFusioninventoryAgent', 'cleanoldagents', 86400, 1, NULL), \
         ('PluginOtherTask', 'taskscheduler', 60, 1, NULL), ('CronTask', 'watcher', 86400, 2, NULL)"
    ))
    .await;
    db
}

/// The states of all cron tasks in the order in which they were made.
async fn states(db: &TestDb) -> Vec<u32> {
    db.ask("SELECT state FROM glpi_crontasks ORDER BY id").await
}

async fn remembered(db: &TestDb) -> Vec<(String, u32)> {
    db.ask("SELECT name, state FROM {p}sidecar_crontasks ORDER BY name")
        .await
}

#[track_caller]
fn says(db: &TestDb, command: &[&str], expected: &[(&str, &str)]) {
    let url = url(db);
    let output = told(&run(command, &[("FUSION_SIDECAR_DATABASE_URL", &url)]));
    let lines: Vec<String> = expected
        .iter()
        .map(|(name, said)| format!("GLPI's cron task '{name}': {said}\n"))
        .collect();
    assert_eq!(output, (0, lines.concat(), String::new()));
}

const STUCK: &str =
    "switched off; GLPI has it as at work for more than an hour, a pass that broke off";

#[tokio::test(flavor = "multi_thread")]
async fn what_was_on_is_switched_off_and_on_again() {
    let db = site([1, 2, 0, 1]).await;
    says(
        &db,
        TAKE,
        &[
            ("taskscheduler", "switched off"),
            ("cleantaskjob", STUCK),
            ("cleanondemand", "off already, left as it is"),
            ("wakeupAgents", "switched off"),
        ],
    );
    assert_eq!(states(&db).await, [0, 0, 0, 0, 1, 1, 2]);
    let kept = [
        ("cleantaskjob", 1),
        ("taskscheduler", 1),
        ("wakeupAgents", 1),
    ];
    let kept = kept.map(|(name, state)| (name.to_owned(), state));
    assert_eq!(remembered(&db).await, kept);
    // Again: nothing.
    says(
        &db,
        TAKE,
        &[
            ("taskscheduler", "taken over before"),
            ("cleantaskjob", "taken over before"),
            ("cleanondemand", "off already, left as it is"),
            ("wakeupAgents", "taken over before"),
        ],
    );
    assert_eq!(remembered(&db).await, kept);
    says(
        &db,
        GIVE,
        &[
            ("cleantaskjob", "on again"),
            ("taskscheduler", "on again"),
            ("wakeupAgents", "on again"),
        ],
    );
    assert_eq!(states(&db).await, [1, 1, 0, 1, 1, 1, 2]);
    let url = url(&db);
    let again = told(&run(GIVE, &[("FUSION_SIDECAR_DATABASE_URL", &url)]));
    let nothing = "no cron task of GLPI had been taken over\n";
    assert_eq!(again, (0, nothing.to_owned(), String::new()));
    assert_eq!(states(&db).await, [1, 1, 0, 1, 1, 1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_glpi_is_at_it_nothing_is_switched_off() {
    let db = site([1, 2, 0, 1]).await;
    db.set("UPDATE glpi_crontasks SET lastrun = NOW() - INTERVAL 50 MINUTE WHERE name = 'cleantaskjob'")
        .await;
    let url = url(&db);
    let environment = [("FUSION_SIDECAR_DATABASE_URL", url.as_str())];
    let (code, out, err) = told(&run(TAKE, &environment));
    assert_eq!((code, out.as_str()), (1, ""));
    let said = "nothing was changed: GLPI runs its cron task 'cleantaskjob' at this moment; try again when it has ended";
    assert!(err.contains(said), "{err}");
    assert_eq!(states(&db).await, [1, 2, 0, 1, 1, 1, 2]);
    assert_eq!(remembered(&db).await, []);
    db.set("UPDATE glpi_crontasks SET state = 1 WHERE name = 'cleantaskjob'")
        .await;
    assert_eq!(told(&run(TAKE, &environment)).0, 0);
    assert_eq!(states(&db).await, [0, 0, 0, 0, 1, 1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_since_is_left_alone_and_named() {
    let db = site([1, 1, 1, 1]).await;
    let url = url(&db);
    let environment = [("FUSION_SIDECAR_DATABASE_URL", url.as_str())];
    assert_eq!(told(&run(TAKE, &environment)).0, 0);
    db.set(
        "UPDATE glpi_crontasks SET state = 2 WHERE name = 'taskscheduler' AND itemtype LIKE 'PluginFusion%';
         UPDATE glpi_crontasks SET date_mod = '2026-02-02' WHERE name = 'cleantaskjob';
         DELETE FROM glpi_crontasks WHERE name = 'cleanondemand'",
    )
    .await;
    says(
        &db,
        GIVE,
        &[
            ("cleanondemand", "not there any more"),
            (
                "cleantaskjob",
                "changed in GLPI since it was taken over, left as it is: off (switch it on in GLPI, Setup, Automatic actions)",
            ),
            (
                "taskscheduler",
                "switched on in GLPI since it was taken over, left as it is",
            ),
            ("wakeupAgents", "on again"),
        ],
    );
    assert_eq!(states(&db).await, [2, 0, 1, 1, 1, 2]);
    assert_eq!(remembered(&db).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_switched_on_again_is_taken_over_again() {
    let db = site([1, 0, 0, 0]).await;
    let url = url(&db);
    let environment = [("FUSION_SIDECAR_DATABASE_URL", url.as_str())];
    assert_eq!(told(&run(TAKE, &environment)).0, 0);
    db.set("UPDATE glpi_crontasks SET state = 1, date_mod = '2026-02-02' WHERE itemtype = 'PluginFusioninventoryTask' AND name = 'taskscheduler'")
        .await;
    let (code, out, _) = told(&run(TAKE, &environment));
    assert!(
        code == 0 && out.contains("'taskscheduler': was on again, switched off\n"),
        "{out}"
    );
    assert_eq!(states(&db).await[0], 0);
    says(&db, GIVE, &[("taskscheduler", "on again")]);
    assert_eq!(states(&db).await, [1, 0, 0, 0, 1, 1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_own_tables_are_made_if_they_are_not_there() {
    let db = fresh().await;
    db.set("DROP TABLE {p}sidecar_crontasks").await;
    let url = url(&db);
    let (code, out, log) = told(&run(TAKE, &[("FUSION_SIDECAR_DATABASE_URL", &url)]));
    assert_eq!(code, 0, "{log}");
    assert!(
        out.contains("made again: ") && out.contains("'wakeupAgents': not there\n"),
        "{out}"
    );
}

/// The rights that `serve` has are not enough; with those that the refusal names they are.
#[tokio::test(flavor = "multi_thread")]
async fn it_is_refused_without_the_rights_and_nothing_is_changed() {
    let db = site([1, 1, 1, 1]).await;
    let account = account::sidecar(&db).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("url");
    let (user, name) = (&account.database.user, &db.database.name);
    db.exec(&format!(
        "ALTER USER {} IDENTIFIED BY 'simple'",
        account.name
    ))
    .await;
    std::fs::write(
        &file,
        crate::support::process::url_as(&format!("{user}:simple"), &db),
    )
    .unwrap();
    let on = |command: &[&str]| {
        let more = ["--database-url-file", file.to_str().unwrap()];
        told(&run(&[command, &more].concat(), &[]))
    };
    let (code, out, log) = on(TAKE);
    assert_eq!((code, out.as_str()), (1, ""));
    let statements: Vec<String> = grants::for_take_over()
        .iter()
        .map(|grant| grant.statement(name, "'USER'@'HOST'"))
        .collect();
    for line in [
        "nothing was changed: UPDATE command denied",
        &statements[0],
        &statements[1],
    ] {
        assert!(log.contains(line), "{line}\n{log}");
    }
    assert_eq!(states(&db).await, [1, 1, 1, 1, 1, 1, 2]);
    // All or nothing: the first right alone does nothing.
    for (count, grant) in grants::for_take_over().iter().enumerate() {
        db.exec(&grant.statement(name, &account.name)).await;
        let (code, _, log) = on(TAKE);
        assert_eq!(code, i32::from(count == 0), "{log}");
        let expected = if count == 0 { [1; 4] } else { [0; 4] };
        assert_eq!(states(&db).await[..4], expected);
    }
    assert_eq!(on(GIVE).0, 0);
    assert_eq!(states(&db).await, [1, 1, 1, 1, 1, 1, 2]);
}

#[test]
fn one_thing_at_a_time() {
    for two in [
        ["--take-over", "--hand-back"],
        ["--take-over", "--standalone"],
        ["--standalone", "--hand-back"],
    ] {
        let (code, _, log) = told(&run(&["migrate", two[0], two[1]], &[]));
        assert!(code == 2 && log.contains("cannot be used with"), "{log}");
    }
}
