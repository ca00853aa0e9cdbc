//! The built binary: how it starts, what it refuses, what it logs, how it ends.

use std::collections::BTreeSet;
use std::os::unix::net::UnixDatagram;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mysql_async::Conn;
use mysql_async::prelude::Queryable as _;
use serde_json::Value;

use crate::support::database::{TestDb, empty, fresh};
use crate::support::process::{LIMIT, Sidecar, ask, run, told, url, url_as};

const AGENT: &str = "pc-1-2026-01-01-00-00-00";
const RUN: &str = "/plugins/fusioninventory/b/deploy/?action=setStatus&machineid=pc-1-2026-01-01-00-00-00&uuid=run-1\
    &part=job&currentStep=checking&status=ok&msg=";

/// An agent with one run that was sent to it.
const SENT_RUN: &str = "\
    INSERT INTO glpi_plugin_fusioninventory_agents (id, name, device_id) VALUES (1, 'pc-1', 'pc-1-2026-01-01-00-00-00'); \
    INSERT INTO glpi_plugin_fusioninventory_taskjobstates (id, plugin_fusioninventory_taskjobs_id, items_id, itemtype, state, \
      plugin_fusioninventory_agents_id, uniqid) VALUES (1, 1, 1, 'PluginFusioninventoryDeployPackage', 1, 1, 'run-1')";

/// A database with [`SENT_RUN`], and its URL.
async fn with_sent_run() -> (TestDb, String) {
    let db = fresh().await;
    db.exec(SENT_RUN).await;
    let url = url(&db);
    (db, url)
}

fn serve(url: &str, more: &[&str]) -> Sidecar {
    let mut arguments = vec!["--scheduler", "off"];
    arguments.extend(more);
    Sidecar::serve(&arguments, &[("FUSION_SIDECAR_DATABASE_URL", url)])
}

/// Runs a command on a database: exit code, standard output, standard error.
fn on(url: &str, arguments: &[&str]) -> (i32, String, String) {
    told(&run(arguments, &[("FUSION_SIDECAR_DATABASE_URL", url)]))
}

/// Holds the row of the run, so that whoever writes to it waits.
async fn hold(db: &TestDb) -> Conn {
    let mut conn = db.conn().await;
    conn.query_drop("BEGIN").await.unwrap();
    conn.query_drop(
        "SELECT id FROM glpi_plugin_fusioninventory_taskjobstates WHERE id = 1 FOR UPDATE",
    )
    .await
    .unwrap();
    conn
}

/// Waits until the sidecar waits for the row.
async fn until_waiting(db: &TestDb) {
    let begun = Instant::now();
    while begun.elapsed() < LIMIT {
        let waiting: Vec<u64> = db
            .rows(&format!(
                "SELECT COUNT(*) FROM information_schema.processlist WHERE db = '{}' AND info LIKE '%lock\\_runs%' \
                 AND id <> CONNECTION_ID()",
                db.database.name
            ))
            .await;
        if waiting != [0] {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("nobody waits for the run");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_starts_answers_and_stops() {
    let (_db, url) = with_sent_run().await;
    let mut sidecar = serve(&url, &[]);
    assert_eq!(sidecar.get("/sidecar/health"), (200, "ok\n".to_owned()));
    assert_eq!(sidecar.get("/sidecar/ready"), (200, "ready\n".to_owned()));
    assert_eq!(sidecar.get(&format!("{RUN}hello")), (200, "{}".to_owned()));
    let (status, metrics) = sidecar.get("/sidecar/metrics");
    assert_eq!(status, 200);
    assert!(
        metrics
            .contains("fusion_sidecar_requests_total{route=\"/sidecar/health\",status=\"200\"} 1"),
        "{metrics}"
    );
    sidecar.signal("INT");
    assert_eq!(sidecar.ended().0.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_finishes_the_running_request() {
    let (db, url) = with_sent_run().await;
    let mut sidecar = serve(&url, &[]);
    let mut held = hold(&db).await;
    let address = sidecar.address;
    let request = std::thread::spawn(move || ask(address, "GET", &format!("{RUN}late"), ""));
    until_waiting(&db).await;

    sidecar.signal("TERM");
    sidecar.line("a second signal stops at once");
    let refused_by = Instant::now() + LIMIT;
    while ask(address, "GET", "/sidecar/health", "").is_ok() {
        assert!(Instant::now() < refused_by, "new requests are still taken");
    }
    assert!(!request.is_finished());
    held.query_drop("COMMIT").await.unwrap();

    assert_eq!(request.join().unwrap().unwrap(), (200, "{}".to_owned()));
    assert_eq!(sidecar.ended().0.code(), Some(0));
    assert_eq!(comments(&db).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_stops_at_once() {
    let (db, url) = with_sent_run().await;
    let mut sidecar = serve(
        &url,
        &["--shutdown-grace", "600", "--database-timeout", "600"],
    );
    let held = hold(&db).await;
    let address = sidecar.address;
    let request = std::thread::spawn(move || ask(address, "GET", &format!("{RUN}late"), ""));
    until_waiting(&db).await;

    sidecar.signal("TERM");
    sidecar.line("a second signal stops at once");
    let begun = Instant::now();
    sidecar.signal("TERM");
    let (status, log) = sidecar.ended();
    assert_eq!(status.code(), Some(0), "{}", log.join("\n"));
    let took = begun.elapsed();
    assert!(
        took < Duration::from_secs(8),
        "{took:?}, as long as the database may take"
    );
    request.join().unwrap().unwrap_err();
    held.disconnect().await.unwrap();
}

async fn comments(db: &TestDb) -> BTreeSet<String> {
    let rows: Vec<String> = db
        .rows("SELECT comment FROM glpi_plugin_fusioninventory_taskjoblogs")
        .await;
    rows.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_outlives_a_kill() {
    const ENOUGH: usize = 200;
    let (db, url) = with_sent_run().await;
    let mut sidecar = serve(&url, &[]);
    let address = sidecar.address;
    let acknowledged: Arc<Mutex<Vec<String>>> = Arc::default();
    let over = Arc::new(AtomicBool::new(false));
    let agents: Vec<_> = (0..4)
        .map(|agent| {
            let (acknowledged, over) = (Arc::clone(&acknowledged), Arc::clone(&over));
            std::thread::spawn(move || {
                for number in 0..100_000 {
                    let text = format!("report-{agent}-{number}");
                    match ask(address, "GET", &format!("{RUN}{text}"), "") {
                        Ok((200, _)) => acknowledged.lock().unwrap().push(text),
                        _ if over.load(Ordering::SeqCst) => return,
                        other => panic!("{other:?}"),
                    }
                }
            })
        })
        .collect();
    let begun = Instant::now();
    while acknowledged.lock().unwrap().len() < ENOUGH {
        assert!(begun.elapsed() < LIMIT && agents.iter().all(|agent| !agent.is_finished()));
        std::thread::sleep(Duration::from_millis(1));
    }
    over.store(true, Ordering::SeqCst);
    sidecar.signal("KILL");
    assert_eq!(sidecar.ended().0.code(), None);
    for agent in agents {
        agent.join().unwrap();
    }

    let written = comments(&db).await;
    let acknowledged = acknowledged.lock().unwrap();
    let lost: Vec<&String> = acknowledged
        .iter()
        .filter(|text| !written.iter().any(|line| line.ends_with(text.as_str())))
        .collect();
    assert!(lost.is_empty(), "{} lost: {lost:?}", lost.len());
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

    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let arguments = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--tls-cert",
        path,
        "--tls-key",
        path,
    ];
    let (code, _, log) = on(&url, &arguments);
    assert_eq!(code, 1);
    assert!(
        log.contains(&format!("the certificate for TLS: {path}")),
        "{log}"
    );
    assert!(!log.contains("answering agents"), "{log}");
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
        (0, "own tables are at version 1\n".into(), String::new())
    );
    serve(&url, &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_that_it_does_not_know_are_fine() {
    let (db, url) = with_sent_run().await;
    db.exec(
        "ALTER TABLE glpi_plugin_fusioninventory_taskjobstates ADD COLUMN added_later int NOT NULL DEFAULT 0 FIRST; \
         ALTER TABLE glpi_plugin_fusioninventory_agents ADD COLUMN added_later varchar(20) DEFAULT NULL AFTER id",
    )
    .await;
    let sidecar = serve(&url, &[]);
    assert_eq!(sidecar.get(&format!("{RUN}hello")), (200, "{}".to_owned()));
    assert_eq!(comments(&db).await.len(), 1);
}

#[test]
fn every_fault_of_the_configuration_is_named_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sidecar.toml");
    std::fs::write(
        &path,
        "policy = 'redux'\n  listem = '127.0.0.1:1'\nmax-body = 'much'\n",
    )
    .unwrap();
    let path = path.to_str().unwrap();
    let environment = [
        ("FUSION_SIDECAR_TIMEZONE", "Mars/Olympus"),
        ("FUSION_SIDECAR_POLICI", "x"),
    ];
    for command in [
        &["serve"][..],
        &["check"],
        &["migrate"],
        &["once", "prepare"],
    ] {
        let arguments = [command, &["--config", path, "--shutdown-grace", "soon"]].concat();
        let (code, out, log) = told(&run(&arguments, &environment));
        assert_eq!((code, out.as_str()), (2, ""), "{command:?}");
        for fault in [
            format!("listem: {path} line 2 column 3: no option has this name"),
            format!("max-body: {path} line 3 column 1: "),
            "timezone: FUSION_SIDECAR_TIMEZONE: 'Mars/Olympus' is no time zone".to_owned(),
            "FUSION_SIDECAR_POLICI: no option has this variable".to_owned(),
            "shutdown-grace: --shutdown-grace: 'soon' is no whole number".to_owned(),
            "database-url: is missing".to_owned(),
        ] {
            assert!(
                log.contains(&format!("fusion-sidecar: {fault}")),
                "{fault} is not in:\n{log}"
            );
        }
    }
    let (code, _, log) = told(&run(&["serve", "--policy"], &[]));
    assert_eq!(code, 2);
    assert!(log.contains("--policy"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flag_counts_before_its_variable_and_that_before_the_file() {
    let db = fresh().await;
    let url = url(&db);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sidecar.toml");
    std::fs::write(
        &path,
        format!("database-url = '{url}'\npolicy = 'plugin'\nscheduler = false\n"),
    )
    .unwrap();
    let path = path.to_str().unwrap();
    let policy = |arguments: &[&str], environment: &[(&str, &str)]| {
        let line = Sidecar::serve(arguments, environment).line("answering agents");
        line.contains("policy=plugin")
    };
    let file = ("FUSION_SIDECAR_CONFIG", path);
    let variable = ("FUSION_SIDECAR_POLICY", "redux");
    assert!(policy(&[], &[file]));
    assert!(!policy(&[], &[file, variable]));
    assert!(policy(&["--policy", "plugin"], &[file, variable]));
    assert!(policy(
        &["--config", path],
        &[("FUSION_SIDECAR_CONFIG", "/none")]
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_password_of_a_file_is_seen_nowhere() {
    const PASSWORD: &str = "Tr0ub4dor-and-3";
    let db = fresh().await;
    let user = format!("u_{}", db.database.name);
    db.exec(&format!(
        "CREATE USER {user}@localhost IDENTIFIED BY '{PASSWORD}'; GRANT ALL ON {}.* TO {user}@localhost",
        db.database.name
    ))
    .await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("url");
    std::fs::write(&path, url_as(&format!("{user}:{PASSWORD}"), &db)).unwrap();
    let path = path.to_str().unwrap();

    let mut sidecar = Sidecar::serve(&["--database-url-file", path, "--log", "trace"], &[]);
    sidecar.get("/sidecar/ready");
    sidecar.signal("TERM");
    let (_, log) = sidecar.ended();
    let log = log.join("\n");
    assert!(log.contains(" DEBUG "), "details are off: {log}");
    assert!(!log.contains(PASSWORD));

    // A server that refuses the password, and a URL that cannot be read.
    db.exec(&format!(
        "SET PASSWORD FOR {user}@localhost = PASSWORD('another')"
    ))
    .await;
    let refused = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--log",
        "trace",
        "--database-url-file",
        path,
    ];
    let (code, out, log) = told(&run(&refused, &[]));
    assert_eq!(code, 1);
    assert!(log.contains("Access denied"), "{log}");
    assert!(!(out + &log).contains(PASSWORD));
    std::fs::write(path, format!("mysql://{user}:{PASSWORD}#@localhost/glpi")).unwrap();
    let (code, out, log) = told(&run(&refused, &[]));
    assert_eq!(code, 2);
    assert!(!(out + &log).contains(PASSWORD), "the password is shown");
    db.exec(&format!("DROP USER {user}@localhost")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_has_one_line_a_request_and_nothing_of_what_agents_say() {
    let (_db, url) = with_sent_run().await;
    for format in ["text", "json"] {
        let mut sidecar = serve(&url, &["--log-format", format]);
        sidecar.get(&format!("{RUN}a-secret-of-the-computer"));
        sidecar.get("/glpi/plugins/fusioninventory/?action=getConfig&machineid=unknown&task[Deploy]=2.8&x=a-secret-of-the-computer");
        let body = "<REQUEST><DEVICEID>pc-9</DEVICEID><QUERY>PROLOG</QUERY><TOKEN>a-secret-of-the-computer</TOKEN></REQUEST>";
        let (status, _) = ask(sidecar.address, "POST", "/index.php", body).unwrap();
        assert_eq!(status, 200);
        sidecar.signal("TERM");
        let (_, log) = sidecar.ended();
        assert!(!log.join("\n").contains("a-secret"), "{}", log.join("\n"));
        for (path, parts) in [
            (
                "/plugins/fusioninventory/b/deploy/",
                ["setStatus", AGENT, "127.0.0.1"],
            ),
            (
                "/glpi/plugins/fusioninventory/",
                ["getConfig", "unknown", "unknown-agent"],
            ),
            ("/index.php", ["PROLOG", "pc-9", "127.0.0.1"]),
        ] {
            let named = |line: &&String| {
                line.contains(&format!("path=\"{path}\""))
                    || line.contains(&format!("\"path\":\"{path}\""))
            };
            let lines: Vec<&String> = log.iter().filter(named).collect();
            let [line] = lines[..] else {
                panic!("{path}: {lines:?}")
            };
            for part in parts {
                assert!(line.contains(part), "{part} is not in {line}");
            }
        }
        if format == "json" {
            for line in &log {
                let entry: Value =
                    serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
                for key in ["timestamp", "level", "message", "target"] {
                    assert!(entry[key].is_string(), "{key} is missing in {line}");
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_manager_is_told() {
    let db = fresh().await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    let next = || {
        let mut buffer = [0; 256];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    };
    let mut sidecar = Sidecar::serve(
        &["--scheduler", "off"],
        &[
            ("FUSION_SIDECAR_DATABASE_URL", &url(&db)),
            ("NOTIFY_SOCKET", path.to_str().unwrap()),
            ("WATCHDOG_USEC", "200000"),
        ],
    );
    // The watchdog is fed from the beginning on, before and after.
    let mut seen = Vec::new();
    let mut until = |word: &str| {
        for _ in 0..1000 {
            seen.push(next());
            if seen.last().is_some_and(|said| said.trim() == word) {
                return;
            }
        }
        panic!("{word} was not said: {seen:?}");
    };
    until("READY=1");
    until("WATCHDOG=1");
    sidecar.signal("TERM");
    until("STOPPING=1");
    assert_eq!(sidecar.ended().0.code(), Some(0));
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
        "shared tables created; own tables created, version 1\n",
        "shared tables are complete, left as they are; own tables are at version 1\n",
    ] {
        assert_eq!(
            on(&url, &["migrate", "--standalone"]),
            (0, expected.to_owned(), String::new())
        );
    }
    let all = tables().await;
    db.exec("DROP TABLE glpi_plugin_fusioninventory_sidecar_schema")
        .await;
    assert_eq!(
        on(&url, &["migrate"]),
        (
            0,
            "own tables created, version 1\n".to_owned(),
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
                 1 jobs: 1 runs prepared, 0 cancelled\nGLPI's cron would do the same\n";
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
