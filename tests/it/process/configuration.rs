//! Where the options come from, and how their faults are told.

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
