//! What nobody should send, and what nobody should store: every answer is one that an agent understands, tells nothing of the inside,
//! and nothing is written.

use std::fmt::Write as _;
use std::time::Duration;

use flate2::{Compress, Compression, FlushCompress};
use fusion_sidecar::domain::policy::Policy;
use fusion_sidecar::proto::envelope::{Coding, seal};
use futures_util::future::join_all;
use rstest::rstest;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::support::app::{self, TestApp};
use crate::support::fleet::{self, EMPTY, lines, state, sums};
use crate::support::wire::{DEPLOY, MAIN, get, post, prolog, raw, request, rest};
use crate::support::{database, server};

/// Messages in plain text, in zlib, and in whatever the sidecar finds out.
const XML: &str = "application/xml";
const ZLIB: &str = "application/x-compress-zlib";
const GZIP: &str = "application/x-compress-gzip";
const ANY: &str = "application/octet-stream";

/// A sidecar with one agent and one prepared run of it, `run-1-1`.
async fn stocked(policy: Policy) -> TestApp {
    let app = app::start(|settings| {
        settings.dispatch.policy = policy;
        settings.server.max_body = 2 << 20;
        settings.server.max_inflated = 4 << 20;
        settings.server.max_xml_elements = 200_000;
    })
    .await;
    app.db.exec(&fleet::agents(1)).await;
    app.db.exec(&fleet::package(1, EMPTY, &[1])).await;
    app
}

fn query(text: &str) -> String {
    format!("{MAIN}?{text}")
}

fn deploy(text: &str) -> String {
    format!("{DEPLOY}?{text}")
}

#[rstest]
#[tokio::test]
async fn messages_that_are_none_get_an_error_and_change_nothing(
    #[values(Policy::Plugin, Policy::Redux)] policy: Policy,
) {
    let app = stocked(policy).await;
    let hello = prolog("wks-1");
    let zlib = seal(&hello, Coding::Zlib);
    let gzip = seal(&hello, Coding::Gzip);
    let laughs = (1..10).fold("<!ENTITY l0 'ha'>".to_owned(), |mut text, level| {
        write!(
            text,
            "<!ENTITY l{level} '{}'>",
            format!("&l{};", level - 1).repeat(10)
        )
        .unwrap();
        text
    });
    let malformed = "XML not well formed!";
    let cases: Vec<(&str, &str, Vec<u8>, u16, &str)> = vec![
        ("truncated zlib", ZLIB, zlib[..zlib.len() / 2].to_vec(), 200, malformed),
        ("zlib without its checksum", ZLIB, zlib[..zlib.len() - 4].to_vec(), 200, malformed),
        ("truncated gzip", GZIP, gzip[..gzip.len() / 2].to_vec(), 200, malformed),
        ("truncated zlib of any type", ANY, zlib[..zlib.len() / 2].to_vec(), 200, malformed),
        ("plain called zlib", ZLIB, hello.clone().into_bytes(), 200, malformed),
        ("zlib called plain", XML, zlib.clone(), 200, malformed),
        (
            "inflates beyond the limit",
            ZLIB,
            seal(&" ".repeat((4 << 20) + 1), Coding::Zlib),
            413,
            "too large",
        ),
        ("a body beyond the limit", XML, vec![b' '; (2 << 20) + 1], 413, "too large"),
        ("nothing but blanks", XML, b"  \r\n ".to_vec(), 200, malformed),
        ("one byte", XML, b"<".to_vec(), 200, malformed),
        ("zeros", ANY, vec![0; 64], 200, malformed),
        ("JSON", ANY, br#"{"deviceid":"wks-1","action":"contact"}"#.to_vec(), 200, malformed),
        ("an empty root", XML, b"<REQUEST/>".to_vec(), 200, malformed),
        ("cut off", XML, hello.as_bytes()[..hello.len() - 1].to_vec(), 200, malformed),
        ("two roots", XML, format!("{hello}<A/>").into_bytes(), 200, malformed),
        (
            "nested 100,000 deep",
            ZLIB,
            seal(&format!("{}{}", "<A>".repeat(100_000), "</A>".repeat(100_000)), Coding::Zlib),
            400,
            "nested too deeply",
        ),
        (
            "300,000 elements",
            ZLIB,
            seal(&format!("<REQUEST>{}</REQUEST>", "<A/>".repeat(300_000)), Coding::Zlib),
            413,
            "too many elements",
        ),
        (
            "entities that laugh",
            XML,
            format!("<!DOCTYPE a [{laughs}]><REQUEST><DEVICEID>&l9;</DEVICEID><QUERY>PROLOG</QUERY></REQUEST>").into_bytes(),
            400,
            "DOCTYPE",
        ),
        (
            "an external entity",
            XML,
            b"<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><REQUEST><DEVICEID>&x;</DEVICEID><QUERY>PROLOG</QUERY></REQUEST>".to_vec(),
            400,
            "DOCTYPE",
        ),
        ("an undefined entity", XML, prolog("a&nbsp;b").into_bytes(), 200, malformed),
        ("NUL in DEVICEID", XML, prolog("a\0b").into_bytes(), 200, malformed),
        ("a reference to NUL in DEVICEID", XML, prolog("a&#0;b").into_bytes(), 200, malformed),
        ("no DEVICEID", XML, b"<REQUEST><QUERY>PROLOG</QUERY></REQUEST>".to_vec(), 400, "DEVICEID"),
        ("an empty DEVICEID", XML, prolog("").into_bytes(), 400, "DEVICEID"),
        ("a blank DEVICEID", XML, prolog("  ").into_bytes(), 400, "DEVICEID"),
        ("elements as DEVICEID", XML, prolog("<A>wks-1</A>").into_bytes(), 400, "DEVICEID"),
        ("256 characters of DEVICEID", XML, prolog(&"é".repeat(256)).into_bytes(), 400, "DEVICEID"),
        ("10 kB of DEVICEID", XML, prolog(&"x".repeat(10_000)).into_bytes(), 400, "too long"),
        (
            "10 kB of TOKEN",
            XML,
            hello.replace("12345678", &"1".repeat(10_000)).into_bytes(),
            400,
            "too long",
        ),
        ("no QUERY", XML, b"<REQUEST><DEVICEID>wks-9</DEVICEID></REQUEST>".to_vec(), 400, "QUERY"),
        (
            "an unknown QUERY, with nobody to pass it on to",
            XML,
            hello.replace("PROLOG", "DROP TABLE").into_bytes(),
            503,
            "only GLPI",
        ),
    ];
    let before = sums(&app.db).await;
    for (name, kind, body, status, text) in cases {
        let answer = post(app.address(), kind, &body).await;
        assert_eq!(answer.status, status, "{name}: {answer:?}");
        assert!(
            answer.body.contains("<ERROR>") && answer.body.contains(text),
            "{name}: {answer:?}"
        );
        assert_eq!(before, sums(&app.db).await, "{name}");
    }
    // No body at all is a person's browser, or a form that was sent empty.
    let answer = post(app.address(), XML, b"").await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains("FusionInventory agents"), "{answer:?}");
    assert_eq!(before, sums(&app.db).await);
}

#[rstest]
#[tokio::test]
async fn queries_that_are_none_change_nothing(
    #[values(Policy::Plugin, Policy::Redux)] policy: Policy,
) {
    let app = stocked(policy).await;
    let long = "x".repeat(10_000);
    let report = "action=setStatus&status=ok&msg=job+successfully+completed";
    let cases: Vec<(String, u16, &str)> = vec![
        // The main address: 400 and an empty body.
        (
            query("action=getConfig&machineid[]=wks-1&task[Deploy]=2.8"),
            400,
            "",
        ),
        (query("action=getConfig&machineid[a][b]=wks-1"), 400, ""),
        (
            query("action=getConfig&machineid=wks-1&machineid=nobody"),
            400,
            "",
        ),
        (query("action=getConfig&machineid="), 400, ""),
        (query("action=getConfig&machineid=%ff%fe"), 400, ""),
        (query("action=getConfig&machineid=wks-1%00"), 400, ""),
        (query("action=getConfig&machineid=%zz%"), 400, ""),
        (
            query(&format!("action=getConfig&machineid={long}")),
            400,
            "",
        ),
        (query("action=getConfig&machineid='%20OR%20'1'='1"), 400, ""),
        (query("action=getConfig&machineid=wks-%25"), 400, ""),
        (query("action[]=getConfig&machineid=wks-1"), 400, ""),
        (query("action=&machineid=wks-1"), 400, ""),
        (query("action=reboot&machineid=wks-1"), 400, ""),
        (query("action=GETCONFIG&machineid=wks-1"), 400, ""),
        (query(&format!("action={long}&machineid=wks-1")), 400, ""),
        // The deploy back end: a JSON object always.
        (deploy("action=getJobs"), 200, "{}"),
        (deploy("action=getJobs&machineid[]=wks-1"), 200, "{}"),
        (deploy("action=getJobs&machineid=%ff"), 200, "{}"),
        (deploy("action=getJobs&machineid=wks-1%00"), 200, "{}"),
        (
            deploy(&format!("action=getJobs&machineid={long}")),
            200,
            "{}",
        ),
        (
            deploy("action=getJobs&machineid=wks-1&machineid=nobody"),
            200,
            "{}",
        ),
        (deploy("action[]=getJobs&machineid=wks-1"), 200, "{}"),
        (deploy("action=format&machineid=wks-1"), 200, "{}"),
        (deploy(""), 200, "{}"),
        (deploy("&&&=&=x&[]=1&[a]=2&%00=3"), 200, "{}"),
        (deploy("action=setStatus"), 400, "{}"),
        (deploy(&format!("{report}&uuid=run-1-1")), 400, "{}"),
        (
            deploy(&format!("{report}&uuid=run-1-1&machineid[]=wks-1")),
            400,
            "{}",
        ),
        (
            deploy(&format!("{report}&uuid=run-1-1&machineid={long}")),
            400,
            "{}",
        ),
        (
            deploy(&format!("{report}&uuid=run-1-1&machineid=wks-1%00")),
            400,
            "{}",
        ),
        (
            deploy(&format!("{report}&uuid=run-1-1&machineid=%ff")),
            400,
            "{}",
        ),
        (deploy(&format!("{report}&machineid=wks-1")), 200, "{}"),
        (
            deploy(&format!("{report}&machineid=wks-1&uuid[]=run-1-1")),
            200,
            "{}",
        ),
        (
            deploy(&format!("{report}&machineid=wks-1&uuid={long}")),
            200,
            "{}",
        ),
        (
            deploy(&format!("{report}&machineid=wks-1&uuid=run-1-1%00")),
            200,
            "{}",
        ),
        (
            deploy(&format!("{report}&machineid=wks-1&uuid=%ff")),
            200,
            "{}",
        ),
        (
            deploy(&format!("{report}&machineid=wks-1&uuid=run-1-%25")),
            200,
            "{}",
        ),
        (
            deploy("action=setUserEvent&machineid=wks-1&uuid=run-1-1"),
            200,
            "{}",
        ),
        (
            deploy("action=setUserEvent&machineid=wks-1&uuid=run-1-1&behavior=explode"),
            200,
            "{}",
        ),
        (
            deploy("action=setUserEvent&machineid=wks-1&uuid=run-1-1&behavior[]=stop"),
            200,
            "{}",
        ),
        (
            deploy("action=setUserEvent&machineid=wks-1&behavior=stop"),
            200,
            "{}",
        ),
        (deploy("action=sidecarNonce"), 200, "null"),
    ];
    let before = sums(&app.db).await;
    for (target, status, body) in cases {
        let answer = get(app.address(), &target).await;
        assert_eq!(answer.status, status, "{target}: {answer:?}");
        if body == "null" {
            assert!(!answer.body.contains("secret\":\""), "{target}: {answer:?}");
        } else {
            assert_eq!(answer.body, body, "{target}");
        }
        assert_eq!(before, sums(&app.db).await, "{target}");
    }
}

#[tokio::test]
async fn ten_thousand_parameters_are_refused() {
    let app = stocked(Policy::Redux).await;
    let before = sums(&app.db).await;
    let many = "a&".repeat(10_000);
    for target in [
        query(&format!("action=getConfig&machineid=wks-1&{many}")),
        deploy(&format!("action=getJobs&machineid=wks-1&{many}")),
    ] {
        let answer = get(app.address(), &target).await;
        assert_eq!(answer.status, 400);
        assert_eq!(answer.body, "more than 1000 parameters\n");
    }
    assert_eq!(before, sums(&app.db).await);
}

#[rstest]
#[tokio::test]
async fn other_methods_change_nothing(#[values(Policy::Plugin, Policy::Redux)] policy: Policy) {
    let app = stocked(policy).await;
    let before = sums(&app.db).await;
    let jobs = deploy("action=getJobs&machineid=wks-1&version=2.8");
    let done = deploy("action=setStatus&machineid=wks-1&uuid=run-1-1&status=ok&msg=job+skipped");
    // HEAD has no answer that could carry the order, so it must not hand one out.
    for method in ["PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW", "HEAD"] {
        for target in [jobs.as_str(), done.as_str()] {
            let answer = raw(app.address(), &request(method, target, &[], b""))
                .await
                .unwrap();
            assert_eq!(answer.status, 405, "{method} {target}");
            assert!(answer.header("allow").is_some(), "{method}: {answer:?}");
        }
        if method != "HEAD" {
            let message = request(
                method,
                MAIN,
                &[("Content-Type", XML)],
                prolog("wks-2").as_bytes(),
            );
            let answer = raw(app.address(), &message).await.unwrap();
            assert_eq!(answer.status, 405, "{method}");
        }
    }
    assert_eq!(before, sums(&app.db).await);
}

#[tokio::test]
async fn no_file_parameter_leaves_the_repository() {
    let app = stocked(Policy::Redux).await;
    let (hash, linked, folder) = ("ab".repeat(64), "cd".repeat(64), "ef".repeat(64));
    let repository = app.files().join("repository");
    for name in [&hash, &linked, &folder] {
        std::fs::create_dir_all(repository.join(&name[..1]).join(&name[..2])).unwrap();
    }
    std::fs::write(repository.join("a/ab").join(&hash), "part").unwrap();
    std::fs::write(app.files().join("secret"), "secret").unwrap();
    std::os::unix::fs::symlink(
        app.files().join("secret"),
        repository.join("c/cd").join(&linked),
    )
    .unwrap();
    std::fs::create_dir(repository.join("e/ef").join(&folder)).unwrap();

    let part = |file: &str| deploy(&format!("action=getFilePart&file={file}"));
    let good = get(app.address(), &part(&format!("a/ab/{hash}"))).await;
    assert_eq!((good.status, good.body.as_str()), (200, "part"));
    let cases = [
        ("", 400),
        ("../../secret", 403),
        ("/../../secret", 403),
        ("%2e%2e%2f%2e%2e%2fsecret", 403),
        ("%252e%252e%252fsecret", 403),
        ("..%5c..%5csecret", 403),
        ("a/ab/../../../secret", 403),
        ("/etc/passwd", 403),
        ("file:///etc/passwd", 403),
        ("php://filter/resource=index.php", 403),
        ("%ff", 400),
        (&format!("a/ab/{hash}%00.txt"), 403),
        (&format!("a/ab/{hash}/../{hash}"), 403),
        (&format!("../ab/{hash}"), 403),
        // Only the hash counts.
        (&format!("a/../{hash}"), 200),
        (&format!("a/ab/{}", "00".repeat(64)), 404),
        (&format!("a/ab/{}", "x".repeat(10_000)), 403),
        (&format!("c/cd/{linked}"), 404),
        (&format!("e/ef/{folder}"), 404),
    ];
    for (file, status) in cases {
        let answer = get(app.address(), &part(file)).await;
        assert_eq!(answer.status, status, "{file}: {answer:?}");
        assert!(
            !answer.body.contains("secret") && !answer.body.contains("part\0"),
            "{file}: {answer:?}"
        );
    }
    for target in [
        deploy("action=getFilePart"),
        deploy(&format!("action=getFilePart&file[]=a/ab/{hash}")),
    ] {
        assert_eq!(get(app.address(), &target).await.status, 400, "{target}");
    }
    for path in [
        "../../../../etc/passwd",
        "%2e%2e/%2e%2e/etc/passwd",
        "b/deploy/../../../files/secret",
    ] {
        let answer = get(app.address(), &format!("{MAIN}{path}")).await;
        assert_eq!(answer.status, 404, "{path}: {answer:?}");
    }
}

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

    let answer = get(
        app.address(),
        &deploy("action=getJobs&machineid=wks-1&version=2.8"),
    )
    .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(!answer.body.contains("from-outside"));
    let json = answer.json();
    let uuids: Vec<&str> = json["jobs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|job| job["uuid"].as_str().unwrap())
        .collect();
    let mut expected = vec!["run-1-1", "run-40-1"];
    if policy == Policy::Plugin {
        // The plugin hands out a file without parts; an actor of one job counts for all.
        expected = vec![
            "run-1-1", "run-20-1", "run-21-1", "run-33-1", "run-34-1", "run-35-1", "run-40-1",
        ];
        assert_eq!(json["associatedFiles"][&hash]["multiparts"], json!([]));
        assert_eq!(
            json["associatedFiles"]["../outside"]["multiparts"],
            json!([])
        );
    }
    let mut sorted = uuids.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, expected);
    for uniqid in expected {
        assert_eq!(state(db, uniqid).await, 1, "{uniqid}");
    }
    let mut in_error = vec![2, 3, 4, 5, 6, 7, 8, 30];
    if policy == Policy::Redux {
        in_error.extend([20, 21]);
        for id in [33, 34, 35] {
            assert_eq!(state(db, &format!("run-{id}-1")).await, 5);
        }
    }
    for id in in_error {
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
    for id in [31, 32] {
        assert_eq!(
            state(db, &format!("run-{id}-1")).await,
            0,
            "run-{id}-1 is nobody's"
        );
    }
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

#[tokio::test]
async fn odd_names_of_devices_are_names() {
    let app = stocked(Policy::Redux).await;
    let count = async || {
        app.db
            .rows::<u32>("SELECT COUNT(*) FROM glpi_plugin_fusioninventory_agents")
            .await[0]
    };
    let names = [
        ("o'neil", "o'neil"),
        ("\"; DROP TABLE x; --", "\"; DROP TABLE x; --"),
        ("100%25 sure % of _", "100%25 sure % of _"),
        ("a&lt;b&gt;&amp;c", "a<b>&c"),
        ("back\\slash", "back\\slash"),
        ("gerät-été", "gerät-été"),
        ("💩-1", "💩-1"),
        ("../../etc", "../../etc"),
    ];
    for (index, (written, stored)) in names.iter().enumerate() {
        for _ in 0..2 {
            let answer = post(app.address(), XML, prolog(written).as_bytes()).await;
            assert_eq!(answer.status, 200, "{written}: {answer:?}");
            assert!(
                answer.body.contains("<RESPONSE>SEND</RESPONSE>"),
                "{answer:?}"
            );
        }
        let found: Vec<String> = app
            .db
            .rows(
                "SELECT device_id FROM glpi_plugin_fusioninventory_agents ORDER BY id DESC LIMIT 1",
            )
            .await;
        assert_eq!(found, [*stored]);
        assert_eq!(count().await as usize, index + 2, "{written}");
        let encoded =
            percent_encoding::utf8_percent_encode(stored, percent_encoding::NON_ALPHANUMERIC);
        let answer = get(
            app.address(),
            &query(&format!("action=getConfig&machineid={encoded}")),
        )
        .await;
        assert_eq!(answer.status, 200, "{stored}");
    }
    let before = count().await;
    // The table compares without case, so a variant is the same agent.
    assert_eq!(
        post(app.address(), XML, prolog("WKS-1").as_bytes())
            .await
            .status,
        200
    );
    // 255 characters are a name; a token that the table cannot hold is dropped; a message in Latin-1 is read.
    assert_eq!(count().await, before);
    let long = prolog(&"é".repeat(255)).replace("12345678", &"1".repeat(256));
    assert_eq!(post(app.address(), XML, long.as_bytes()).await.status, 200);
    let latin = prolog("caf@")
        .bytes()
        .map(|byte| if byte == b'@' { 0xe9 } else { byte })
        .collect::<Vec<_>>();
    assert_eq!(post(app.address(), XML, &latin).await.status, 200);
    let found: Vec<(String, Option<String>)> = app
        .db
        .rows("SELECT device_id, token FROM glpi_plugin_fusioninventory_agents ORDER BY id DESC LIMIT 2")
        .await;
    assert_eq!(
        found,
        [
            ("café".to_owned(), Some("12345678".to_owned())),
            ("é".repeat(255), None)
        ]
    );
}

#[rstest]
#[tokio::test]
async fn long_and_marked_up_reports_are_kept(
    #[values(Policy::Plugin, Policy::Redux)] policy: Policy,
) {
    let app = stocked(policy).await;
    let report = |rest: &str| {
        deploy(&format!(
            "action=setStatus&machineid=wks-1&uuid=run-1-1&status=ok&{rest}"
        ))
    };
    assert_eq!(
        get(
            app.address(),
            &deploy("action=getJobs&machineid=wks-1&version=2.8")
        )
        .await
        .status,
        200
    );
    let sent = lines(&app.db, "run-1-1").await.len();
    let emoji = "%F0%9F%92%A9".repeat(5_000);
    let long = "y".repeat(60_000);
    let marks = "%3C".repeat(20_000);
    for said in [
        "msg=%3Cscript%3Ealert(1)%3C/script%3E%26amp;&currentStep[]=checking",
        &format!("msg={emoji}&currentStep=checking&currentStep=processing"),
        &format!("msg={long}"),
        &format!("msg={marks}"),
        "msg=%ff%fe&currentStep=checking",
        "msg[]=a&currentStep=checking",
        "log[]=one&log[a]=two&log[b][c]=three&log[]=%ff",
    ] {
        let answer = get(app.address(), &report(said)).await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (200, "{}"),
            "{}",
            &said[..40.min(said.len())]
        );
    }
    let lines: Vec<(u32, String)> = lines(&app.db, "run-1-1").await.split_off(sent);
    let texts: Vec<&str> = lines.iter().map(|(_, text)| text.as_str()).collect();
    assert!(lines.iter().all(|(state, _)| *state == 6), "{lines:?}");
    let script = if policy == Policy::Redux {
        "&#60;script&#62;alert(1)&#60;/script&#62;&#38;amp;"
    } else {
        "<script>alert(1)</script>&amp;"
    };
    assert_eq!(texts[0], script);
    assert_eq!(texts[1], format!("Actions:{}", "💩".repeat(5_000)));
    assert_eq!(texts[2], long);
    if policy == Policy::Redux {
        assert!(texts[3].len() > 65_000 && texts[3].len() <= 65_535);
        assert!(!texts[3].contains('<'));
        assert_eq!(texts[6..], ["one", "two"]);
    } else {
        assert_eq!(texts[3], "<".repeat(20_000));
    }
    assert_eq!(texts[4], "Checks:");
    assert_eq!(texts[5], "Checks:");
    assert_eq!(
        state(&app.db, "run-1-1").await,
        if policy == Policy::Redux { 2 } else { 1 }
    );
}

#[tokio::test]
async fn heads_that_are_none() {
    let app = stocked(Policy::Redux).await;
    let before = sums(&app.db).await;
    let address = app.address();
    let config = query("action=getConfig&machineid=wks-1&task[Deploy]=2.8");
    // A huge header, rubbish instead of a request line, a body of two lengths: refused, and nothing is read on.
    let huge = request("GET", &config, &[("X-Huge", &"x".repeat(200_000))], b"");
    assert_eq!(raw(address, &huge).await.unwrap().status, 431);
    for bytes in [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".as_slice(),
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nBad Header: x\r\n\r\n",
    ] {
        let answer = raw(address, bytes).await;
        assert!(
            answer.as_ref().is_none_or(|answer| answer.status >= 400),
            "{answer:?}"
        );
    }
    assert_eq!(before, sums(&app.db).await);
    // HTTP/1.0, as an old monitoring script speaks it.
    let answer = raw(address, format!("GET {config} HTTP/1.0\r\n\r\n").as_bytes())
        .await
        .unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(
        answer.json()["schedule"][0]["remote"],
        "http://glpi.example.com/plugins/fusioninventory/b/deploy/"
    );
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let app = stocked(Policy::Redux).await;
    let config = query("action=getConfig&machineid=wks-1&task[Deploy]=2.8");
    let unknown = query("action=getConfig&machineid=nobody");
    let bytes = format!(
        "GET {config} HTTP/1.1\r\nHost: x\r\n\r\nGET {unknown} HTTP/1.1\r\nHost: x\r\n\r\nGET {config} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    );
    let answer = raw(app.address(), bytes.as_bytes()).await.unwrap();
    let all = format!("{}\r\n\r\n{}", answer.head, answer.body);
    let statuses: Vec<&str> = all
        .match_indices("HTTP/1.1 ")
        .map(|(at, _)| &all[at + 9..at + 12])
        .collect();
    assert_eq!(statuses, ["200", "400", "200"], "{all}");
}

/// Addresses handed out to agents are never made from what a stranger says.
#[tokio::test]
async fn a_host_header_does_not_reach_addresses() {
    let app = stocked(Policy::Redux).await;
    app.db
        .exec("UPDATE glpi_plugin_fusioninventory_entities SET agent_base_url = ''")
        .await;
    let config = query("action=getConfig&machineid=wks-1&task[Deploy]=2.8");
    let ask = async |hosts: &str| {
        let bytes = format!("GET {config} HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n");
        raw(app.address(), bytes.as_bytes()).await
    };
    let plain = ask("Host: glpi.example.com:8080\r\n").await.unwrap();
    assert_eq!(
        plain.json()["schedule"][0]["remote"],
        "http://glpi.example.com:8080/plugins/fusioninventory/b/deploy/"
    );
    for hosts in [
        "Host: evil.example.com/x?\r\n",
        "Host: user@evil.example.com\r\n",
        "Host: evil.example.com\"><script>\r\n",
        "Host: evil.example.com x\r\n",
        "Host: \u{e9}vil.example.com\r\n",
        "Host:\r\n",
        "",
    ] {
        let answer = ask(hosts).await;
        assert!(
            answer
                .as_ref()
                .is_none_or(|answer| answer.status == 400 && !answer.body.contains("evil")),
            "{hosts}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn https_is_believed_only_of_trusted_proxies() {
    for (trusted, said, told) in [
        (None, "https", "SSL REQUIRED BY SERVER"),
        (Some("192.0.2.0/24"), "https", "SSL REQUIRED BY SERVER"),
        (Some("127.0.0.0/8"), "http", "SSL REQUIRED BY SERVER"),
        (Some("127.0.0.0/8"), "https, http", "SSL REQUIRED BY SERVER"),
        (Some("127.0.0.0/8"), "rubbish", "SSL REQUIRED BY SERVER"),
        (Some("127.0.0.0/8"), "https", "<RESPONSE>SEND</RESPONSE>"),
    ] {
        let app = app::start(|settings| {
            settings.server.trusted_proxies = trusted
                .map(|net| net.parse().unwrap())
                .into_iter()
                .collect();
        })
        .await;
        app.db.exec("UPDATE glpi_plugin_fusioninventory_configs SET value = '1' WHERE type = 'ssl_only'").await;
        let before = sums(&app.db).await;
        let headers = [
            ("Content-Type", XML),
            ("X-Forwarded-Proto", said),
            ("X-Forwarded-For", "127.0.0.1"),
        ];
        let answer = raw(
            app.address(),
            &request("POST", MAIN, &headers, prolog("wks-1").as_bytes()),
        )
        .await
        .unwrap();
        assert_eq!(answer.status, 200);
        assert!(answer.body.contains(told), "{trusted:?} {said}: {answer:?}");
        assert_eq!(
            before == sums(&app.db).await,
            told.starts_with("SSL"),
            "{trusted:?} {said}"
        );
    }
}

#[tokio::test]
async fn slow_clients_are_sent_away() {
    let app = app::start(|settings| {
        settings.server.body_timeout = Duration::from_millis(300);
        settings.server.header_timeout = Duration::from_millis(300);
        settings.server.max_body = 1 << 20;
    })
    .await;
    let before = sums(&app.db).await;
    let head = format!("POST {MAIN} HTTP/1.1\r\nHost: x\r\nContent-Type: {ZLIB}\r\n");
    // A body in part, a chunked one without end, a head in part.
    for (sent, status) in [
        (format!("{head}Content-Length: 100\r\n\r\n<REQ"), Some(408)),
        (
            format!("{head}Transfer-Encoding: chunked\r\n\r\n4\r\n<REQ\r\n"),
            Some(408),
        ),
        (
            format!("{head}Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
            Some(400),
        ),
        (head.clone(), None),
    ] {
        let mut stream = TcpStream::connect(app.address()).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        let answer = rest(&mut stream).await;
        match status {
            Some(status) => {
                let answer = answer.unwrap_or_else(|| panic!("no answer to {sent:?}"));
                assert_eq!(answer.status, status, "{answer:?}");
                assert!(answer.body.contains("<ERROR>"), "{answer:?}");
            }
            None => assert!(answer.is_none_or(|answer| answer.status == 408), "{sent:?}"),
        }
    }
    // One that never stops: refused at the limit, not at the time-out.
    let mut stream = TcpStream::connect(app.address()).await.unwrap();
    stream
        .write_all(format!("{head}Transfer-Encoding: chunked\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let chunk = [b"10000\r\n".as_slice(), &vec![b'x'; 0x10000], b"\r\n"].concat();
    for _ in 0..40 {
        if stream.write_all(&chunk).await.is_err() {
            break;
        }
    }
    let answer = rest(&mut stream).await;
    assert!(
        answer.is_none_or(|answer| answer.status == 413),
        "sent without end"
    );
    assert_eq!(before, sums(&app.db).await);
    // The others never noticed.
    assert_eq!(
        post(app.address(), XML, prolog("wks-1").as_bytes())
            .await
            .status,
        200
    );
}

/// A MiB that inflates to a GiB, with the default limits, several times at once and in each coding.
#[tokio::test(flavor = "multi_thread")]
async fn a_bomb_is_refused_with_little_memory() {
    let db = database::fresh().await;
    let server = server::serve(&db, &[]);
    assert_eq!(
        post(server.address, XML, prolog("wks-1").as_bytes())
            .await
            .status,
        200
    );
    let before = server.peak();
    // One block over and over; nobody gets as far as the checksum.
    let mut deflate = Compress::new(Compression::best(), false);
    let mut block = Vec::with_capacity(8192);
    deflate
        .compress_vec(&vec![0; 1 << 20], &mut block, FlushCompress::Full)
        .unwrap();
    let zeros = block.repeat(1024);
    let zlib = [b"x\x9c", zeros.as_slice()].concat();
    let gzip = [b"\x1f\x8b\x08\0\0\0\0\0\0\xff", zeros.as_slice()].concat();
    assert!(zeros.len() < 2 << 20, "{} bytes", zeros.len());
    let bombs = [(ZLIB, &zlib), (GZIP, &gzip), (ANY, &zlib), (ANY, &gzip)];
    for answer in join_all(
        bombs
            .iter()
            .map(|(kind, bomb)| post(server.address, kind, bomb)),
    )
    .await
    {
        assert_eq!(answer.status, 413, "{answer:?}");
        assert!(
            answer
                .body
                .contains("<ERROR>the message is too large</ERROR>"),
            "{answer:?}"
        );
    }
    let grown = (server.peak() - before) / 1024;
    assert!(grown < 40, "{grown} MiB");
}

/// Large messages that fit are unpacked a few at a time, however many come.
#[tokio::test(flavor = "multi_thread")]
async fn many_large_messages_take_the_memory_of_a_few() {
    const MIB: usize = 8;
    let db = database::fresh().await;
    let server = server::serve(&db, &[]);
    let large = seal(&format!("</A>{}", "x".repeat(MIB << 20)), Coding::Zlib);
    assert_eq!(post(server.address, ZLIB, &large).await.status, 200);
    let before = server.peak();
    for answer in join_all((0..16).map(|_| post(server.address, ZLIB, &large))).await {
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.body.contains("XML not well formed!"), "{answer:?}");
    }
    let grown = (server.peak() - before) / 1024;
    assert!(grown < 8 * MIB as u64, "{grown} MiB");
}
