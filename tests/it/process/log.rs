//! What the log says, and what it keeps to itself.

use serde_json::Value;

use super::{AGENT, RUN, with_sent_run};

use crate::support::database::fresh;
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
