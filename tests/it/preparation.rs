//! Preparation under both policies: every kind of job, actor and target; pieces; interruptions; reasons.

use std::time::Duration;

use fusion_sidecar::db::preparation::{PIECE, Prepared};
use fusion_sidecar::domain::ids::JobId;
use fusion_sidecar::domain::modules::Module;
use fusion_sidecar::domain::opening::Reason;
use fusion_sidecar::domain::policy::Policy;
use fusion_sidecar::work::prepare::Outcome;
use mysql_async::prelude::Queryable as _;
use rand::Rng as _;
use rstest::rstest;

use crate::support::app::TestApp;
use crate::support::network::{COLLECT, COMPUTER, HYPERVISOR, PRINTER, RANGE, SWITCH, site};
use crate::support::site::{expand, text};

const PACKAGE: &str = "PluginFusioninventoryDeployPackage";

/// How many rounds of interruptions there are, for one who has the time.
const ROUNDS: &str = "ROUNDS_OF_INTERRUPTIONS";

type Made = (u32, String, u32, u32, u32);

/// Job, kind and row of the target, agent, state of each run.
async fn runs(app: &TestApp) -> Vec<Made> {
    app.db
        .ask("SELECT {f}taskjobs_id, itemtype, items_id, {f}agents_id, state FROM {p}taskjobstates ORDER BY id")
        .await
}

async fn outcome(app: &TestApp, policy: Policy, job: u32) -> Outcome {
    let pass = app.preparation(policy).pass().await.unwrap();
    let mut jobs = pass.jobs.iter().cloned();
    jobs.find(|(id, _)| *id == JobId(job)).unwrap().1
}

fn created(created: usize) -> Outcome {
    let cancelled = 0;
    Outcome::Prepared(Prepared { created, cancelled })
}

#[rstest]
#[case::deploy("deployinstall", PACKAGE)]
#[case::collect("collect", COLLECT)]
#[case::esx("InventoryComputerESX", HYPERVISOR)]
#[case::discovery("networkdiscovery", RANGE)]
#[case::switches("networkinventory", SWITCH)]
#[case::printers("networkinventory", PRINTER)]
#[case::wake("wakeonlan", COMPUTER)]
#[tokio::test]
async fn jobs_of_every_kind(
    #[case] method: &str,
    #[case] class: &str,
    #[values(Policy::Plugin, Policy::Redux)] policy: Policy,
) {
    let app = site(policy).await;
    app.db.job(2, method, class, &[6, 5]).await;
    assert_eq!(outcome(&app, policy, 2).await, created(4));
    app.db
        .set("DELETE FROM {p}taskjobstates WHERE {f}taskjobs_id = 1")
        .await;
    let expected = [(6, 1), (6, 2), (5, 1), (5, 2)]
        .map(|(target, agent)| (2, class.to_owned(), target, agent, 0));
    assert_eq!(runs(&app).await, expected);
    let lines: Vec<u32> = app
        .db
        .ask(
            "SELECT l.state FROM {p}taskjobstates r JOIN {p}taskjoblogs l ON l.{f}taskjobstates_id = r.id",
        )
        .await;
    assert_eq!(lines, [7; 4]);
}

/// Group 3 has computer 2, and a member with computer 1; the static group 4 has both, the dynamic group 5 what is called `wks-2`.
const GROUPS: &str = "INSERT INTO glpi_groups (id, name) VALUES (3, 'g');
     INSERT INTO glpi_groups_users (users_id, groups_id) VALUES (9, 3);
     UPDATE glpi_computers SET users_id = 9 WHERE id = 1;
     UPDATE glpi_computers SET groups_id = 3 WHERE id = 2;
     INSERT INTO {p}deploygroups (id, name, type) VALUES (4, 's', 'STATIC'), (5, 'd', 'DYNAMIC');
     INSERT INTO {p}deploygroups_staticdatas ({f}deploygroups_id, itemtype, items_id) VALUES (4, 'Computer', 2), (4, 'Computer', 1);
     INSERT INTO {p}deploygroups_dynamicdatas ({f}deploygroups_id, fields_array, computers_id_cache) VALUES (5, \
     'a:1:{s:8:\"criteria\";a:1:{i:0;a:3:{s:5:\"field\";s:1:\"1\";s:10:\"searchtype\";s:8:\"contains\";s:5:\"value\";s:5:\"wks-2\";}}}', '')";

#[rstest]
#[case::computer(r#"{"Computer":"1"}"#, &[1])]
#[case::agent(r#"{"PluginFusioninventoryAgent":2}"#, &[2])]
#[case::group(r#"{"Group":"3"}"#, &[1, 2])]
#[case::static_group(r#"{"PluginFusioninventoryDeployGroup":"4"}"#, &[1, 2])]
#[case::dynamic_group(r#"{"PluginFusioninventoryDeployGroup":"5"}"#, &[2])]
#[case::each_once(
    r#"{"Computer":"1"},{"Group":"3"},{"PluginFusioninventoryDeployGroup":"5"},{"PluginFusioninventoryAgent":"2"}"#,
    &[2, 1]
)]
#[case::gone(r#"{"Computer":"77"},{"Group":"77"},{"PluginFusioninventoryDeployGroup":"77"},{"PluginFusioninventoryAgent":"77"},{"Tea":"1"}"#, &[])]
#[tokio::test]
async fn actors_of_every_kind(
    #[case] actors: &str,
    #[case] agents: &[u32],
    #[values(Policy::Plugin, Policy::Redux)] policy: Policy,
) {
    let app = site(policy).await;
    app.db.set(GROUPS).await;
    app.db
        .set(&format!(
            "UPDATE {{p}}taskjobs SET actors = {}",
            text(&format!("[{actors}]"))
        ))
        .await;
    let expected = match agents {
        [] => Outcome::Passed(Reason::NoAgents),
        agents => created(agents.len()),
    };
    // Looking comes to the same, and writes nothing.
    let outlook = app.preparation(policy).outlook().await.unwrap();
    assert_eq!(outlook.ours.jobs, [(JobId(1), expected.clone())]);
    assert_eq!(outlook.plugin.jobs, outlook.ours.jobs);
    assert_eq!(runs(&app).await, []);
    let written: Vec<u32> = app
        .db
        .ask(
            "SELECT COUNT(*) FROM {p}sidecar_locks WHERE name LIKE 'job:%' UNION ALL \
             SELECT COUNT(*) FROM {p}deploygroups_dynamicdatas WHERE computers_id_cache <> ''",
        )
        .await;
    assert_eq!(written, [0, 0]);

    assert_eq!(outcome(&app, policy, 1).await, expected);
    let made: Vec<u32> = runs(&app).await.into_iter().map(|run| run.3).collect();
    assert_eq!(made, agents);
}

#[rstest]
#[case(Policy::Plugin, &[(SWITCH, 1), (SWITCH, 2), (SWITCH, 8), (PRINTER, 1)])]
#[case(Policy::Redux, &[(SWITCH, 1), (SWITCH, 2), (PRINTER, 1)])]
#[tokio::test]
async fn an_ip_range_stands_for_its_devices(
    #[case] policy: Policy,
    #[case] devices: &[(&str, u32)],
) {
    let app = site(policy).await;
    app.db.community(2, 2, "public").await;
    app.db.range(5, "192.0.2.1", "192.0.2.62", &[]).await;
    app.db.range(6, "192.0.2.2", "192.0.2.2", &[]).await;
    for (class, id, address, credential) in [
        (SWITCH, 1, "192.0.2.1", 2),
        (SWITCH, 2, "192.0.2.62", 2),
        (SWITCH, 3, "192.0.2.63", 2),
        (SWITCH, 4, "192.0.2.3", 0),
        (SWITCH, 5, "192.0.2.3", 99),
        (SWITCH, 6, "192.0.2.3", 2),
        (SWITCH, 7, "2001:db8::1", 2),
        (SWITCH, 8, "192.0.2.3", 2),
        (SWITCH, 9, "192.0.2.3", 2),
        (PRINTER, 1, "192.0.2.2", 2),
        (PRINTER, 2, "", 2),
    ] {
        app.db.device(class, id, address, credential).await;
    }
    app.db
        .set(
            "INSERT INTO glpi_entities (id, name, entities_id, level) VALUES (1, 'North', 0, 2), (2, 'Lab', 1, 3);
             UPDATE {p}ipranges SET entities_id = 1;
             UPDATE glpi_networkequipments SET entities_id = 1 WHERE id = 2;
             UPDATE glpi_networkequipments SET is_deleted = 1 WHERE id = 6;
             UPDATE glpi_networkequipments SET is_template = 1 WHERE id = 8;
             UPDATE glpi_networkequipments SET entities_id = 2 WHERE id = 9;
             DELETE FROM {p}taskjobs",
        )
        .await;
    app.db.job(2, "networkinventory", RANGE, &[5, 6]).await;
    app.db
        .set(
            "UPDATE {p}taskjobs SET actors = '[{\"PluginFusioninventoryAgent\":\"1\"}]', \
             targets = CONCAT('[', SUBSTRING(targets, 2, LENGTH(targets) - 2), ',{\"Printer\":\"40\"}]')",
        )
        .await;
    // Devices stand behind the other targets; one that is in two ranges is prepared once.
    assert_eq!(outcome(&app, policy, 2).await, created(devices.len() + 1));
    let made: Vec<(String, u32)> = runs(&app)
        .await
        .into_iter()
        .map(|run| (run.1, run.2))
        .collect();
    let expected = [&[(PRINTER, 40)], devices].concat();
    let expected: Vec<(String, u32)> = expected
        .into_iter()
        .map(|(class, id)| (class.to_owned(), id))
        .collect();
    assert_eq!(made, expected);

    app.db.job(3, "networkinventory", RANGE, &[7]).await;
    assert_eq!(
        outcome(&app, policy, 3).await,
        Outcome::Passed(Reason::NoTargets)
    );
}

#[tokio::test]
async fn agents_whose_module_is_off_get_no_run() {
    let app = site(Policy::Redux).await;
    app.db.job(2, "deployinstall", PACKAGE, &[1]).await;
    app.db
        .set("UPDATE {p}agentmodules SET is_active = 0 WHERE modulename = 'DEPLOY'; DELETE FROM {p}taskjobs WHERE id = 1")
        .await;
    let off = Outcome::Passed(Reason::ModuleOff(Module::Deploy));
    assert_eq!(outcome(&app, Policy::Redux, 2).await, off);
    let outlook = app.preparation(Policy::Redux).outlook().await.unwrap();
    assert_eq!(
        outlook.to_string(),
        "nothing was written; a pass would do this:\njob 2: the module DEPLOY is off for its agents\n\
         1 jobs: 0 runs prepared, 0 cancelled\nprepared runs that agents would be sent if they asked now: 0\n\
         GLPI's cron would do otherwise:\njob 2: 2 prepared, 0 cancelled"
    );
    app.db
        .set("UPDATE {p}agentmodules SET exceptions = '[\"2\"]' WHERE modulename = 'DEPLOY'")
        .await;
    assert_eq!(outcome(&app, Policy::Redux, 2).await, created(1));
    assert_eq!(outcome(&app, Policy::Plugin, 2).await, created(1));
    let agents: Vec<u32> = runs(&app).await.into_iter().map(|run| run.3).collect();
    assert_eq!(agents, [2, 1]);
}

#[tokio::test]
async fn what_is_done_is_told_from_what_is_under_way() {
    let app = site(Policy::Redux).await;
    app.db.job(2, "deployinstall", PACKAGE, &[1]).await;
    app.db
        .set(
            "UPDATE {p}tasks SET reprepare_if_successful = 0; DELETE FROM {p}taskjobs WHERE id = 1",
        )
        .await;
    assert_eq!(outcome(&app, Policy::Redux, 2).await, created(2));
    let told = async |open, done| {
        let expected = Outcome::UpToDate { open, done };
        assert_eq!(outcome(&app, Policy::Redux, 2).await, expected);
    };
    told(2, 0).await;
    app.db.put(1, 3).await;
    told(1, 1).await;
    app.db.put(2, 3).await;
    told(0, 2).await;
    app.db.put(2, 4).await;
    assert_eq!(outcome(&app, Policy::Redux, 2).await, created(1));
}

/// Agents 10 to `last`, all actors of job 1.
async fn many(app: &TestApp, last: u32) {
    app.db
        .set(&format!(
            "INSERT INTO {{p}}agents (id, name, device_id, computers_id) SELECT seq, seq, CONCAT('pc-', seq), seq FROM seq_10_to_{last};
             INSERT INTO glpi_computers (id, name) SELECT seq, seq FROM seq_10_to_{last};
             INSERT INTO {{p}}deploygroups (id, name, type) VALUES (1, 'all', 'STATIC');
             INSERT INTO {{p}}deploygroups_staticdatas ({{f}}deploygroups_id, itemtype, items_id) SELECT 1, 'Computer', seq FROM seq_10_to_{last};
             UPDATE {{p}}taskjobs SET actors = '[{{\"PluginFusioninventoryDeployGroup\":\"1\"}}]' WHERE id = 1"
        ))
        .await;
}

/// How often the lock of job 1 was taken.
async fn pieces(app: &TestApp) -> Option<u64> {
    let counters: Vec<u64> = app
        .db
        .ask("SELECT counter FROM {p}sidecar_locks WHERE name = 'job:1'")
        .await;
    counters.first().copied()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_big_job_is_prepared_in_pieces() {
    let app = site(Policy::Redux).await;
    let agents = PIECE + 10;
    many(&app, u32::try_from(agents).unwrap() + 9).await;
    assert_eq!(outcome(&app, Policy::Redux, 1).await, created(agents));
    assert_eq!(pieces(&app).await, Some(2));
    let up_to_date = Outcome::UpToDate {
        open: agents,
        done: 0,
    };
    assert_eq!(outcome(&app, Policy::Redux, 1).await, up_to_date);
    assert_eq!(pieces(&app).await, Some(2), "nothing to do takes no lock");

    // All but the first leave.
    app.db
        .set("DELETE FROM {p}deploygroups_staticdatas WHERE items_id > 10")
        .await;
    let cancelled = Outcome::Prepared(Prepared {
        created: 0,
        cancelled: agents - 1,
    });
    assert_eq!(outcome(&app, Policy::Redux, 1).await, cancelled);
    let states: Vec<(u32, usize)> = app
        .db
        .ask("SELECT state, COUNT(*) FROM {p}taskjobstates GROUP BY state ORDER BY state")
        .await;
    assert_eq!(states, [(0, 1), (5, agents - 1)]);
}

/// The server refuses the second piece: the first one is kept, and told.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_prepared_before_a_failure_is_kept() {
    let app = site(Policy::Redux).await;
    many(&app, u32::try_from(PIECE).unwrap() + 19).await;
    app.db
        .set(
            "CREATE TRIGGER the_second_piece BEFORE INSERT ON {p}taskjobstates FOR EACH ROW \
             IF NEW.{f}agents_id > 4105 THEN SIGNAL SQLSTATE '45000'; END IF",
        )
        .await;
    let failed = Outcome::Failed {
        code: "db-refused",
        before: Prepared {
            created: PIECE,
            cancelled: 0,
        },
    };
    assert_eq!(outcome(&app, Policy::Redux, 1).await, failed);
    app.db.set("DROP TRIGGER the_second_piece").await;
    assert_eq!(outcome(&app, Policy::Redux, 1).await, created(10));
}

/// Passes at two sidecars at once, dropped at random in the middle, while agents fetch their runs; then one that ends.
#[tokio::test(flavor = "multi_thread")]
async fn no_run_is_created_twice_whoever_is_interrupted() {
    let app = site(Policy::Redux).await;
    many(&app, 309).await;
    app.db
        .set(
            "UPDATE {p}taskjobs SET targets = '[{\"PluginFusioninventoryDeployPackage\":\"1\"},\
             {\"PluginFusioninventoryDeployPackage\":\"2\"},{\"PluginFusioninventoryDeployPackage\":\"3\"}]';
             -- A run whose package is not there ends in error when it is fetched, and is prepared again.
             INSERT INTO {p}deploypackages (id, name, json) SELECT 2, name, json FROM {p}deploypackages WHERE id = 1;
             INSERT INTO {p}deploypackages (id, name, json) SELECT 3, name, json FROM {p}deploypackages WHERE id = 1",
        )
        .await;
    let other = app.another(|_| {}).await;
    let rounds = std::env::var(ROUNDS).map_or(8, |rounds| rounds.parse().unwrap());
    for _ in 0..rounds {
        app.db.set("DELETE FROM {p}taskjobstates").await;
        let within = || Duration::from_millis(rand::rng().random_range(5..150));
        let fetching = async {
            for agent in 10..14 {
                app.jobs(&format!("pc-{agent}")).await;
            }
        };
        let _ = tokio::join!(
            tokio::time::timeout(within(), app.prepare()),
            tokio::time::timeout(within(), app.prepare_at(&other)),
            tokio::time::timeout(within(), app.prepare()),
            fetching,
        );
        let (ended, also) = tokio::join!(app.prepare(), app.prepare_at(&other));
        assert_eq!((ended, also), (Ok(()), Ok(())));
        let counted: Vec<(u32, u32)> = app
            .db
            .ask(
                "SELECT COUNT(*), COUNT(DISTINCT {f}taskjobs_id, items_id, {f}agents_id) FROM {p}taskjobstates",
            )
            .await;
        assert_eq!(counted, [(900, 900)]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_pass_of_serve_can_be_asked_for() {
    let app = site(Policy::Redux).await;
    app.db.set("UPDATE {p}tasks SET is_active = 0").await;
    let other = app
        .another(|settings| {
            settings.scheduler.enabled = true;
            settings.scheduler.period = Duration::from_millis(50);
        })
        .await;
    let preparation = other.preparation.clone().unwrap();
    let expected = [(JobId(1), Outcome::Passed(Reason::TaskInactive))];
    for _ in 0..200 {
        if preparation.last().is_some_and(|pass| pass.jobs == expected) {
            other.stop().await.unwrap();
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{:?}", preparation.last());
}

/// A pass that waits for a lock ends with the process, not with the wait.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_a_pass_under_way() {
    let app = site(Policy::Redux).await;
    app.prepare().await.unwrap();
    app.db.set("DELETE FROM {p}taskjobstates").await;
    let mut holder = app.db.conn().await;
    holder
        .query_drop(expand(
            "BEGIN; SELECT * FROM {p}sidecar_locks WHERE name = 'job:1' FOR UPDATE",
        ))
        .await
        .unwrap();
    let other = app
        .another(|settings| {
            settings.scheduler.enabled = true;
            settings.server.shutdown_grace = Duration::from_mins(1);
        })
        .await;
    // Until it waits.
    for _ in 0..200 {
        let waiting: Vec<u32> = app
            .db
            .ask("SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'")
            .await;
        if waiting != [0] {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let begun = std::time::Instant::now();
    other.stop().await.unwrap();
    assert!(
        begun.elapsed() < Duration::from_secs(4),
        "{:?}",
        begun.elapsed()
    );
    holder.query_drop("ROLLBACK").await.unwrap();
    assert_eq!(runs(&app).await, []);
}
