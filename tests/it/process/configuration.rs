//! Where the options come from, and how their faults are told.

use fusion_sidecar::config::options::Key;

use crate::support::database::fresh;
use crate::support::process::{Sidecar, run, told, url};

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

#[test]
fn two_listeners_at_one_address_are_refused() {
    for command in ["serve", "check"] {
        let arguments = [
            command,
            "--listen",
            "127.0.0.1:8086",
            "--ops-listen",
            "0.0.0.0:8086",
            "--database-url",
            "mysql://u@localhost/d",
        ];
        let fault = "fusion-sidecar: ops-listen: --ops-listen: '0.0.0.0:8086' is taken by listen (127.0.0.1:8086): name another address or \
                     port\n";
        assert_eq!(
            told(&run(&arguments, &[])),
            (2, String::new(), fault.to_owned()),
            "{command}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_serves_with_every_number_at_its_upper_end() {
    let db = fresh().await;
    let mut arguments = vec!["--database-url".to_owned(), url(&db)];
    for key in Key::all() {
        if let Some(range) = key.range() {
            arguments.push(format!("--{}={}", key.name(), range.end()));
        }
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let sidecar = Sidecar::serve(&arguments, &[]);
    assert_eq!(sidecar.get("/sidecar/ready").0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_or_key_that_cannot_be_used_is_a_fault_before_anything_starts() {
    let db = fresh().await;
    let url = url(&db);
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let made = || rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (ours, theirs) = (made(), made());
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    for (name, text) in [
        ("cert", ours.cert.pem().as_str()),
        ("key", &ours.signing_key.serialize_pem()),
        ("other", &theirs.signing_key.serialize_pem()),
        ("encrypted", encrypted),
        ("empty", ""),
    ] {
        std::fs::write(at(name), text).unwrap();
    }
    std::fs::create_dir(at("unreadable")).unwrap();
    for (cert, key, option, fault) in [
        (
            "none",
            "key",
            "tls-cert",
            "none cannot be read: No such file",
        ),
        (
            "cert",
            "none",
            "tls-key",
            "none cannot be read: No such file",
        ),
        (
            "unreadable",
            "key",
            "tls-cert",
            "unreadable cannot be read: Is a directory",
        ),
        (
            "cert",
            "other",
            "tls-key",
            "other is not the key of the certificate in ",
        ),
        (
            "cert",
            "encrypted",
            "tls-key",
            "encrypted holds an encrypted key; openssl pkey ",
        ),
        ("empty", "key", "tls-cert", "empty is empty"),
        ("cert", "empty", "tls-key", "empty is empty"),
    ] {
        let fault = format!("{option}: {}/{fault}", dir.path().display());
        let (cert, key) = (at(cert), at(key));
        let pair = ["--tls-cert", &cert, "--tls-key", &key];
        // The database is not asked.
        let nowhere = "mysql://u@localhost/d?socket=/nonexistent/socket";
        let serve = [&["serve", "--database-url", nowhere][..], &pair].concat();
        let (code, out, log) = told(&run(&serve, &[]));
        assert_eq!(
            (code, out.as_str(), log.lines().count()),
            (2, "", 1),
            "{log}"
        );
        assert!(
            log.starts_with(&format!("fusion-sidecar: {fault}")),
            "{log}"
        );

        let check = [
            &["check", "--listen", "127.0.0.1:0", "--database-url", &url][..],
            &pair,
        ]
        .concat();
        let (code, out, log) = told(&run(&check, &[]));
        assert_eq!((code, log.as_str()), (1, ""), "{out}");
        let about: Vec<&str> = out.lines().filter(|line| line.contains("tls")).collect();
        assert!(
            about.len() == 1 && about[0].starts_with(&format!("error: tls: {fault}")),
            "{out}"
        );
    }
}
