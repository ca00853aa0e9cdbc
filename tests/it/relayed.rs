//! What is passed on to PHP is what was judged: no other spelling of an address, and no message that PHP may read differently.

use std::path::Path;
use std::time::Duration;

use axum::Router;
use axum::http::Method;
use fusion_sidecar::config::Settings;
use fusion_sidecar::domain::policy::Policy;
use fusion_sidecar::proto::envelope::{Coding, open, seal};
use rstest::rstest;
use serde_json::Value;

use crate::support::agent::{Answer, send};
use crate::support::app::{self, TestApp};
use crate::support::listen::{free, serving};
use crate::support::php::FakePhp;
use crate::support::site::office;
use crate::support::wire;

async fn with_php(configure: impl FnOnce(&mut Settings)) -> (TestApp, FakePhp) {
    let php = FakePhp::start().await;
    let app = app::start(|settings| {
        settings.upstream_url = Some(php.url.clone());
        configure(settings);
    })
    .await;
    office(&app.db).await;
    (app, php)
}

fn inventory(device: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><REQUEST><CONTENT><VERSIONCLIENT>FusionInventory-Agent_v2.6</VERSIONCLIENT></CONTENT>\
         <DEVICEID>{device}</DEVICEID><QUERY>INVENTORY</QUERY></REQUEST>"
    )
}

/// The ERROR of an answer, which must be in `coding`.
fn error_in(answer: &Answer, coding: Coding) -> String {
    assert_eq!(answer.header("content-type"), Some(coding.content_type()));
    let opened = open(answer.header("content-type"), &answer.body, 1 << 16).unwrap();
    let text = String::from_utf8(opened.body).unwrap();
    let (_, rest) = text
        .split_once("<ERROR>")
        .unwrap_or_else(|| panic!("{text}"));
    rest.split_once("</ERROR>").unwrap().0.to_owned()
}

/// Other spellings of agents' addresses, below a prefix.
const RESPELT: [&str; 45] = [
    "//",
    "//index.php",
    "/index.php/",
    "/index.php/x",
    "/%69ndex.php",
    "/index%2ephp",
    "/index%2Ephp/x.css",
    "/%2569ndex.php",
    "/INDEX.PHP",
    "/Index.php",
    "/index",
    "/index.php;x",
    "/;x/index.php",
    "/index.php%00",
    "/index.php%00.css",
    "/index.php.",
    "/index.php%20",
    "/index.php::$DATA",
    "/index.php%3fx",
    "/index.php%0a",
    "/./index.php",
    "/%2e/index.php",
    "/%252e/index.php",
    "/front/../index.php",
    "/front/..;/index.php",
    "/front/..%2findex.php",
    "/front/..%5cindex.php",
    "/front\\communication.php",
    "/front%2fcommunication.php",
    "/front//communication.php",
    "/front/communication.php/x",
    "/front/Communication.php",
    "/front/communication",
    "/front/COMMUN~1.PHP",
    "/FRONT/plugin_fusioninventory.communication.php",
    "/front/plugin_fusioninventory.communication.php/x.js",
    "/b//deploy/",
    "/b/deploy/index.php/",
    "/b/deploy/index.php/x",
    "/b/deploy/x",
    "/b/./deploy/",
    "/b/%64eploy/",
    "/b/Collect/",
    "/b/esx;x/",
    "/B/ESX/index.php",
];

#[rstest]
#[tokio::test]
async fn no_other_spelling_of_an_agents_address_reaches_php(
    #[values("", "/plugins/fusioninventory", "/glpi/marketplace/fusioninventory")] prefix: &str,
) {
    let (app, php) = with_php(|_| {}).await;
    for path in RESPELT {
        let rest = format!("{prefix}{path}?action=getConfig&machineid=wks-1&task[Deploy]=2.8");
        assert_eq!(
            wire::get(app.address(), &rest).await.status,
            404,
            "{prefix}{path}"
        );
        let body = inventory("wks-1");
        let message = format!(
            "POST {prefix}{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/xml\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = wire::raw(app.address(), message.as_bytes()).await.unwrap();
        assert_eq!(answer.status, 404, "{prefix}{path}");
    }
    assert_eq!(php.got().len(), 0, "{:?}", php.got());
    for (at, page) in [
        "/front/agent.php",
        "/front/communication2.php?action=getConfig&machineid=wks-1",
        "/ajax/taskmonitoring.php?x=%2e%2e/",
        "/css/views.css",
        "/b/",
        "/x/index.php",
    ]
    .into_iter()
    .enumerate()
    {
        let answer = wire::get(app.address(), &format!("{prefix}{page}")).await;
        // Only the plugin's own directory has pages.
        let (status, passed) = if prefix.is_empty() {
            (404, 0)
        } else {
            (302, at + 1)
        };
        assert_eq!(
            (answer.status, php.got().len()),
            (status, passed),
            "{prefix}{page}"
        );
    }
}

/// Messages whose fields some readers find elsewhere: the plugin's parser another agent, or another kind of message.
const AMBIGUOUS: [&str; 19] = [
    "<R><DEVICEID>wks-1</DEVICEID><DEVICEID>x</DEVICEID><QUERY>INVENTORY</QUERY></R>",
    "<R><DEVICEID>wks-1</DEVICEID><QUERY>INVENTORY</QUERY><QUERY>PROLOG</QUERY></R>",
    "<R><DEVICEID>wks-1</DEVICEID><deviceid>x</deviceid><QUERY>INVENTORY</QUERY></R>",
    "<R><deviceid>wks-1</deviceid><QUERY>INVENTORY</QUERY></R>",
    "<R><DEVICEID>wks-1</DEVICEID><query>INVENTORY</query></R>",
    "<R xmlns:p='p'><p:DEVICEID>wks-1</p:DEVICEID><DEVICEID>x</DEVICEID><QUERY>INVENTORY</QUERY></R>",
    "<R xmlns:p='p'><DEVICEID>wks-1</DEVICEID><p:QUERY>INVENTORY</p:QUERY><A/></R>",
    "<R><DEVICEID a='1'>wks-1</DEVICEID><QUERY>INVENTORY</QUERY></R>",
    "<R><DEVICEID>wks-1</DEVICEID><DEVICEID><A>x</A></DEVICEID><QUERY>INVENTORY</QUERY></R>",
    "<R><DEVICEID><![CDATA[wks-1]]></DEVICEID><QUERY>INVENTORY</QUERY></R>",
    "<R><DEVICEID>wks<!-- -->-1</DEVICEID><QUERY>INVENTORY</QUERY></R>",
    "<R><DEVICEID>wks<?p i?>-1</DEVICEID><QUERY>INVENTORY</QUERY></R>",
    "<R><DEVICEID>wks-1</DEVICEID><QUERY>INVENTORY</QUERY><CONTENT/><CONTENT><PROCESSNUMBER>1</PROCESSNUMBER></CONTENT></R>",
    "<?xml version='2.0'?><R><DEVICEID>wks-1</DEVICEID><QUERY>INVENTORY</QUERY></R>",
    "<?xml version='1.0' encoding='UTF-7'?><R><DEVICEID>wks-1</DEVICEID><QUERY>INVENTORY</QUERY></R>",
    "<?xml version='1.0' encoding='nosuch'?><R><DEVICEID>wks-1</DEVICEID><QUERY>INVENTORY</QUERY></R>",
    "<R><DEVICEID>wks-1</DEVICEID><QUERY>INVENTORY</QUERY><é/></R>",
    "<R><DEVICEID>wks-1</DEVICEID><QUERY>INVENTORY</QUERY><A é=''/></R>",
    "<R><FOLDER/><A><FOLDER>a</FOLDER></A><DEVICEID>wks-1</DEVICEID><A><SOURCE>b</SOURCE></A><QUERY>INVENTORY</QUERY></R>",
];

#[rstest]
#[tokio::test]
async fn a_message_that_php_may_read_differently_is_refused(
    #[values(Policy::Redux, Policy::Plugin)] policy: Policy,
    #[values(Coding::Zlib, Coding::Gzip, Coding::Plain)] coding: Coding,
) {
    let (app, php) = with_php(|settings| settings.dispatch.policy = policy).await;
    for xml in AMBIGUOUS {
        for xml in [xml.to_owned(), xml.replace("INVENTORY", "NETDISCOVERY")] {
            let answer = app.post(&xml, coding).await;
            assert_eq!(answer.status, 400, "{xml}");
            assert_eq!(
                error_in(&answer, coding),
                "the message can be read in more than one way",
                "{xml}"
            );
        }
    }
    assert_eq!(php.got().len(), 0, "{:?}", php.got());
    assert_eq!(app.post(&inventory("wks-1"), coding).await.status, 200);
    assert_eq!(php.imported(), ["wks-1"]);
}

/// Alone, the sidecar's own reading is the only one.
#[tokio::test]
async fn without_php_nothing_is_ambiguous() {
    let app = app::start(|_| {}).await;
    office(&app.db).await;
    let answer = app.post(AMBIGUOUS[2], Coding::Plain).await;
    assert_eq!(answer.status, 503);
    assert!(error_in(&answer, Coding::Plain).starts_with("only GLPI can take"));
}

/// What real agents sent, of every kind that PHP takes.
#[tokio::test]
async fn no_message_of_a_real_agent_is_refused() {
    let (app, php) = with_php(|settings| settings.dispatch.policy = Policy::Plugin).await;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/relayed/messages.json");
    let messages: Vec<Value> =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    for message in &messages {
        let body = message["body"].as_str().unwrap();
        let answer = app.post(body, Coding::Zlib).await;
        assert_eq!(
            (answer.status, answer.header("x-php")),
            (200, Some("1")),
            "{body}"
        );
        assert_eq!(php.got().pop().unwrap().body, seal(body, Coding::Zlib));
    }
    assert_eq!(php.got().len(), messages.len());
    for query in ["INVENTORY", "NETDISCOVERY", "SNMPQUERY"] {
        assert!(
            messages.iter().any(|message| message["query"] == query),
            "{query}"
        );
    }
}

/// The inventory of this machine, as the real agent writes it.
#[tokio::test]
async fn a_whole_inventory_of_the_real_agent_is_not_refused() {
    let (app, php) = with_php(|_| {}).await;
    let mut agent = tokio::process::Command::new("fusioninventory-inventory");
    let made = agent.output().await.unwrap();
    let inventory = String::from_utf8(made.stdout).unwrap();
    assert!(
        inventory.contains("<QUERY>INVENTORY</QUERY>"),
        "{inventory}"
    );
    let answer = app.post(&inventory, Coding::Zlib).await;
    assert_eq!(
        (answer.status, answer.header("x-php")),
        (200, Some("1")),
        "{inventory}"
    );
    assert_eq!(php.imported().len(), 1);
}

#[rstest]
#[case::zlib("application/x-compress-zlib", Coding::Zlib)]
#[case::case_and_parameters("Application/X-Compress-Zlib; a=b", Coding::Zlib)]
#[case::found_out("application/octet-stream", Coding::Zlib)]
#[case::of_a_form("multipart/form-data; boundary=x", Coding::Gzip)]
#[case::with_a_charset("application/xml; charset=utf-7", Coding::Plain)]
#[case::another("text/xml", Coding::Plain)]
#[tokio::test]
async fn php_is_told_one_of_the_types_that_it_knows_and_no_query(
    #[case] kind: &str,
    #[case] coding: Coding,
    #[values("/", "/index.php", "/front/communication.php")] path: &str,
) {
    let (app, php) = with_php(|_| {}).await;
    for query in [
        "?action=&machineid=",
        "?action=getConfig&machineid",
        "?x=1",
        "",
    ] {
        let url = format!("{}{path}{query}", app.base_url());
        let headers = [("content-type", kind), ("content-encoding", "identity")];
        let answer = send(
            Method::POST,
            &url,
            &headers,
            seal(&inventory("wks-1"), coding),
        )
        .await;
        assert_eq!(answer.status, 200, "{query}");
        let got = php.got().pop().unwrap();
        assert_eq!(got.target, format!("/glpi/plugins/fusioninventory{path}"));
        assert_eq!(got.header("content-type"), [coding.content_type()]);
        assert_eq!(got.header("content-encoding"), Vec::<&str>::new());
    }
    assert_eq!(php.got().len(), 4);
}

#[tokio::test]
async fn a_type_that_is_given_twice_is_refused() {
    let (app, php) = with_php(|_| {}).await;
    let url = format!("{}/", app.base_url());
    let headers = [
        ("content-type", "application/xml"),
        ("content-type", "application/x-compress-zlib"),
    ];
    let answer = send(
        Method::POST,
        &url,
        &headers,
        inventory("wks-1").into_bytes(),
    )
    .await;
    assert_eq!(answer.status, 400);
    error_in(&answer, Coding::Plain);
    assert_eq!(php.got().len(), 0);
}

/// A PHP that takes fewer parameters would see the first ones only.
#[tokio::test]
async fn a_page_of_the_agents_addresses_names_nobody_twice() {
    let (app, php) = with_php(|_| {}).await;
    let filler = "&a=1".repeat(900);
    for path in ["/", "/index.php", "/front/communication.php"] {
        for query in [
            format!("action=getConfig&machineid=wks-1{filler}&machineid="),
            format!("action=getConfig&machineid=wks-1{filler}&action="),
            format!("machineid=wks-1&action=getConfig{filler}&%61ction="),
        ] {
            let answer = app.get(&format!("{path}?{query}")).await;
            assert_eq!(answer.status, 400, "{path}?{query}");
        }
    }
    assert_eq!(php.got().len(), 0);
    assert_eq!(app.get("/?x=1&x=2").await.status, 302);
}

#[rstest]
#[tokio::test]
async fn inventories_of_unknown_agents_count_as_registrations(
    #[values(Policy::Redux, Policy::Plugin)] policy: Policy,
) {
    let (app, php) = with_php(|settings| {
        settings.dispatch.policy = policy;
        settings.dispatch.max_new_agents = 1;
    })
    .await;
    app.db
        .set("UPDATE {p}agents SET `lock` = 1 WHERE id = 2")
        .await;
    assert_eq!(
        app.post(&inventory("new-1"), Coding::Zlib).await.status,
        200
    );
    let answer = app.post(&inventory("new-2"), Coding::Zlib).await;
    if policy == Policy::Redux {
        assert_eq!(answer.status, 503);
        assert_eq!(
            error_in(&answer, Coding::Zlib),
            "too many unknown agents at once"
        );
        assert_eq!(php.imported(), ["new-1"]);
    } else {
        assert_eq!(answer.status, 200);
        assert_eq!(php.imported(), ["new-1", "new-2"]);
    }
    // Whom GLPI knows is not held up, locked or not.
    for known in ["wks-1", "wks-2"] {
        assert_eq!(app.post(&inventory(known), Coding::Zlib).await.status, 200);
        assert!(php.imported().iter().any(|device| device == known));
    }
}

#[rstest]
#[case::down(false, 502)]
#[case::slow(true, 504)]
#[tokio::test]
async fn an_agent_hears_in_its_own_coding_that_php_did_not_answer(
    #[case] slow: bool,
    #[case] status: u16,
) {
    let address = if slow {
        serving(Router::new().fallback(std::future::pending::<()>)).await
    } else {
        free()
    };
    let app = app::start(|settings| {
        settings.upstream_url = Some(format!("http://{address}/glpi").parse().unwrap());
        settings.server.request_timeout = Duration::from_secs(2);
    })
    .await;
    office(&app.db).await;
    for coding in [Coding::Zlib, Coding::Gzip, Coding::Plain] {
        let answer = app.post(&inventory("wks-1"), coding).await;
        assert_eq!(answer.status, status);
        assert_eq!(error_in(&answer, coding), "GLPI did not answer");
    }
    let page = app.get("/front/agent.php").await;
    assert_eq!(
        (page.status, page.text().as_str()),
        (status, "GLPI did not answer\n")
    );
}
