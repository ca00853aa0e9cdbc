//! What the log says, and what it keeps to itself.

use serde_json::Value;

use super::{AGENT, RUN, with_sent_run};

use crate::support::database::fresh;
use crate::support::listen::free;
use crate::support::process::{Sidecar, ask, run, told, url_as};

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
    let db = with_sent_run().await;
    for format in ["text", "json"] {
        let mut sidecar = Sidecar::on(&db, &["--log-format", format]);
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

/// A failed request is one line at a level that is looked at, and no other line speaks of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_failed_is_one_line_with_its_reason_once() {
    let db = with_sent_run().await;
    let inventory = "<REQUEST><DEVICEID>pc-1</DEVICEID><QUERY>INVENTORY</QUERY></REQUEST>";
    let nobody = format!("http://{}", free());
    for (upstream, code, reason) in [
        (
            nobody.as_str(),
            "upstream-unreachable",
            "GLPI cannot be reached: Connection refused (os error 111)\"",
        ),
        (
            "http://glpi.invalid",
            "upstream-unreachable",
            "GLPI cannot be reached: failed to lookup address information: ",
        ),
    ] {
        let mut sidecar = Sidecar::on(&db, &["--upstream-url", upstream]);
        let (status, _) = ask(sidecar.address, "POST", "/", inventory).unwrap();
        assert_eq!(status, 502);
        sidecar.signal("TERM");
        let line = one_complaint(&sidecar.ended().1);
        assert!(line.contains(" WARN "), "{line}");
        assert!(line.contains(&format!("error=\"{code}\"")), "{line}");
        assert_eq!(line.matches(reason).count(), 1, "{line}");
    }

    // Nothing is counted for the pages meanwhile, which would complain of the table too.
    let mut sidecar = Sidecar::on(&db, &["--monitoring-period", "0"]);
    sidecar.line("answering agents");
    db.exec("DROP TABLE glpi_plugin_fusioninventory_taskjoblogs")
        .await;
    assert_eq!(sidecar.get(&format!("{RUN}hello")).0, 500);
    sidecar.signal("TERM");
    let line = one_complaint(&sidecar.ended().1);
    assert!(line.contains("ERROR"), "{line}");
    assert!(line.contains("error=\"db-refused\""), "{line}");
    assert_eq!(line.matches("doesn't exist").count(), 1, "{line}");
    assert_eq!(line.matches("refused a statement").count(), 1, "{line}");
}

/// The only line that is a warning or worse since agents are answered.
#[track_caller]
fn one_complaint(log: &[String]) -> String {
    let is_complaint = |line: &&String| line.contains(" WARN ") || line.contains("ERROR");
    let complaints: Vec<&String> = log
        .iter()
        .skip_while(|line| !line.contains("answering agents"))
        .filter(is_complaint)
        .collect();
    let [line] = complaints[..] else {
        panic!("{complaints:#?}")
    };
    assert!(line.contains("request failed"), "{line}");
    line.clone()
}
