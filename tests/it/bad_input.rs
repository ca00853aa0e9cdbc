//! What nobody should send: every answer is one that an agent understands, tells nothing of the inside,
//! and nothing is written.

#[path = "bad_input/odd.rs"]
mod odd;

use std::fmt::Write as _;

use fusion_sidecar::domain::policy::Policy;
use fusion_sidecar::proto::envelope::{Coding, seal};
use rstest::rstest;

use crate::support::app::{self, TestApp};
use crate::support::fleet::{self, EMPTY, sums};
use crate::support::wire::{DEPLOY, MAIN, get, post, prolog, raw, request};

/// Messages in plain text, in zlib, and in whatever the sidecar finds out.
pub(crate) const XML: &str = "application/xml";
pub(crate) const ZLIB: &str = "application/x-compress-zlib";
pub(crate) const GZIP: &str = "application/x-compress-gzip";
pub(crate) const ANY: &str = "application/octet-stream";

/// A sidecar with one agent and one prepared run of it, `run-1-1`.
pub(crate) async fn stocked(policy: Policy) -> TestApp {
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

pub(crate) fn query(text: &str) -> String {
    format!("{MAIN}?{text}")
}

pub(crate) fn deploy(text: &str) -> String {
    format!("{DEPLOY}?{text}")
}

/// What a person's browser is told.
const FOR_PEOPLE: &str =
    "This is an address for FusionInventory agents. GLPI's own pages are in GLPI.\n";

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
        ("a line end in DEVICEID", XML, prolog("wks-1\n").into_bytes(), 400, "control characters"),
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
        (
            "an inventory, with nobody to pass it on to",
            XML,
            hello.replace("PROLOG", "INVENTORY").into_bytes(),
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
        (query("action=getConfig&machineid="), 200, FOR_PEOPLE),
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
        (query("action=&machineid=wks-1"), 200, FOR_PEOPLE),
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
        (deploy("action=sidecarNonce"), 200, r#"{"secret":null}"#),
    ];
    let before = sums(&app.db).await;
    for (target, status, body) in cases {
        let answer = get(app.address(), &target).await;
        assert_eq!(answer.status, status, "{target}: {answer:?}");
        assert_eq!(answer.body, body, "{target}");
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
        let message = request(
            method,
            MAIN,
            &[("Content-Type", XML)],
            prolog("wks-2").as_bytes(),
        );
        let answer = raw(app.address(), &message).await.unwrap();
        // People's browsers and watchers ask for HEAD; a message that comes with it is none.
        let expected = if method == "HEAD" { 200 } else { 405 };
        assert_eq!(answer.status, expected, "{method}");
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
        assert!(!answer.body.contains("secret"), "{file}: {answer:?}");
        assert_eq!(answer.body == "part", status == 200, "{file}: {answer:?}");
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

/// PHP tries every coding where the type is written in another case, so those agents read what they wrote.
#[tokio::test]
async fn a_body_that_is_not_read_is_refused_in_the_coding_it_declares() {
    let app = app::start(|settings| settings.server.max_body = 1024).await;
    for (declared, coding) in [
        (ZLIB, Coding::Zlib),
        ("Application/X-Compress-ZLIB", Coding::Zlib),
        ("application/x-compress-gzip; charset=UTF-8", Coding::Gzip),
        ("APPLICATION/XML", Coding::Plain),
        ("application/x-compress-zlibber", Coding::Plain),
    ] {
        let answer = post(app.address(), declared, &[b' '; 1025]).await;
        assert_eq!(answer.status, 413, "{declared}: {answer:?}");
        let kind = answer.header("content-type");
        assert_eq!(kind, Some(coding.content_type()), "{declared}");
    }
}
