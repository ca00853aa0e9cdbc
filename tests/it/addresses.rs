//! Under which addresses agents find the sidecar, which addresses it hands out, and what it passes on to PHP.

use axum::http::Method;
use fusion_sidecar::config::DEFAULT_PREFIXES;
use fusion_sidecar::domain::policy::Policy;
use fusion_sidecar::proto::envelope::{Coding, open, seal};
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::agent::{Answer, prolog, send};
use crate::support::app::{self, TestApp};
use crate::support::listen;
use crate::support::php::{FakePhp, NOT_GZIP};
use crate::support::site::office;
use crate::support::wire;

/// The main address, behind a prefix.
const MAIN: [&str; 4] = [
    "/",
    "/index.php",
    "/front/communication.php",
    "/front/plugin_fusioninventory.communication.php",
];

/// The deploy back end, behind a prefix.
const DEPLOY: [&str; 3] = ["/b/deploy", "/b/deploy/", "/b/deploy/index.php"];

async fn get(url: &str) -> Answer {
    send(Method::GET, url, &[], vec![]).await
}

/// Every address behind `prefixes` leads where it should.
async fn all_answer(app: &TestApp, prefixes: &[&str]) {
    for prefix in prefixes {
        let base = format!("{}{prefix}", app.origin());
        let directory = (!prefix.is_empty()).then_some("");
        for path in MAIN.into_iter().chain(directory) {
            let config = "?action=getConfig&machineid=wks-1&task[Deploy]=2.8";
            let url = format!("{base}{path}{config}");
            let answer = get(&url).await;
            assert_eq!(answer.status, 200, "{url}");
            assert_eq!(
                answer.json(),
                json!({"configValidityPeriod": 600, "schedule": []}),
                "{url}"
            );
            assert_eq!(
                answer.header("server-type"),
                Some("glpi/fusioninventory 10.0.6+1.1"),
                "{url}"
            );
            let head = send(Method::HEAD, &url, &[], vec![]).await;
            assert_eq!((head.status, head.body.len()), (200, 0), "HEAD {url}");

            let url = format!("{base}{path}");
            let kind = [("content-type", "application/xml")];
            let answer = send(Method::POST, &url, &kind, prolog("wks-1").into_bytes()).await;
            assert_eq!(answer.status, 200, "{url}");
            assert!(answer.text().contains("<PROLOG_FREQ>24</PROLOG_FREQ>"));
            let answer = send(Method::DELETE, &url, &[], vec![]).await;
            assert_eq!(answer.status, 405, "{url}");
        }
        for path in DEPLOY {
            let url = format!("{base}{path}?action=getJobs&machineid=wks-1&version=2.8");
            let answer = get(&url).await;
            assert_eq!(
                (answer.status, answer.text().as_str()),
                (200, "{}"),
                "{url}"
            );
            let head = send(Method::HEAD, &url, &[], vec![]).await;
            assert_eq!(head.status, 405, "an order without a body would be lost");
            let answer = send(Method::DELETE, &url, &[], vec![]).await;
            assert_eq!(answer.status, 405, "{url}");
        }
    }
}

#[tokio::test]
async fn agents_find_every_address_below_every_prefix() {
    let app = app::start(|_| {}).await;
    office(&app.db).await;
    all_answer(&app, &DEFAULT_PREFIXES).await;
}

#[tokio::test]
async fn prefixes_are_a_setting() {
    let app = app::start(|settings| {
        settings.server.prefixes = vec!["/agents".to_owned(), "/a/b".to_owned()];
    })
    .await;
    office(&app.db).await;
    all_answer(&app, &["/agents", "/a/b"]).await;
    for prefix in DEFAULT_PREFIXES {
        for path in MAIN.into_iter().chain(DEPLOY) {
            let url = format!(
                "{}{prefix}{path}?action=getConfig&machineid=wks-1",
                app.origin()
            );
            assert_eq!(get(&url).await.status, 404, "{url}");
        }
    }
}

#[tokio::test]
async fn what_is_nobodys_is_not_found() {
    let app = app::start(|_| {}).await;
    office(&app.db).await;
    for path in [
        "/nosuch",
        "/plugins",
        "/plugins/other/index.php",
        "/plugins/fusioninventoryx/",
        "/plugins/fusioninventory/front/agent.php",
        "/plugins/fusioninventory/b/",
        "/sidecar/nosuch",
    ] {
        let url = format!("{}{path}", app.origin());
        assert_eq!(get(&url).await.status, 404, "{path}");
    }
}

/// Where getConfig sends the deploy task of an agent, asked below `prefix` under the host name `host`.
async fn remote(app: &TestApp, prefix: &str, host: &str) -> Answer {
    let url = format!(
        "{}{prefix}/?action=getConfig&machineid=wks-1&task[Deploy]=2.8",
        app.origin()
    );
    send(Method::GET, &url, &[("host", host)], vec![]).await
}

fn remote_of(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["schedule"][0]["remote"].clone()
}

const MARKET: &str = "/glpi/marketplace/fusioninventory";

#[rstest]
#[case(
    None,
    "https://glpi.example.com",
    "",
    "https://glpi.example.com/plugins/fusioninventory"
)]
#[case(
    None,
    "https://glpi.example.com",
    MARKET,
    "https://glpi.example.com/marketplace/fusioninventory"
)]
#[case(
    None,
    "https://glpi.example.com/glpi/",
    "",
    "https://glpi.example.com/glpi/plugins/fusioninventory"
)]
#[case(None, "", "", "http://agents.example.com:8080")]
#[case(
    None,
    "",
    MARKET,
    "http://agents.example.com:8080/glpi/marketplace/fusioninventory"
)]
#[case(
    Some("https://sidecar.example.com"),
    "https://glpi.example.com",
    "",
    "https://sidecar.example.com"
)]
#[case(
    Some("https://sidecar.example.com/x/"),
    "",
    "",
    "https://sidecar.example.com/x"
)]
#[case(
    Some("https://sidecar.example.com/x"),
    "https://glpi.example.com",
    MARKET,
    "https://sidecar.example.com/x/glpi/marketplace/fusioninventory"
)]
#[tokio::test]
async fn addresses_handed_out(
    #[case] public_url: Option<&str>,
    #[case] base_url: &str,
    #[case] prefix: &str,
    #[case] expected: &str,
    #[values(Policy::Redux, Policy::Plugin)] policy: Policy,
) {
    let app = app::start(|settings| {
        settings.dispatch.policy = policy;
        settings.dispatch.public_url = public_url.map(|url| url.parse().unwrap());
    })
    .await;
    office(&app.db).await;
    app.db
        .set(&format!(
            "UPDATE {{p}}entities SET agent_base_url = '{base_url}'"
        ))
        .await;
    app.db.run(1, 1, 0).await;
    let answer = remote(&app, prefix, "agents.example.com:8080").await;
    if policy == Policy::Plugin && public_url.is_none() {
        if base_url.is_empty() {
            assert_eq!((answer.status, answer.body.len()), (400, 0));
            return;
        }
        // PHP puts its directory behind whatever is stored.
        let place = if prefix == MARKET {
            "marketplace"
        } else {
            "plugins"
        };
        let expected = format!("{base_url}/{place}/fusioninventory/b/deploy/");
        assert_eq!(remote_of(&answer), expected);
    } else {
        assert_eq!(remote_of(&answer), format!("{expected}/b/deploy/"));
    }
    // The server as a mirror is the same address.
    let own = remote_of(&answer).as_str().unwrap().to_owned();
    let sha512 = "b".repeat(128);
    app.db
        .set(&format!(
            "UPDATE {{p}}deploypackages SET json = '{{\"jobs\":{{\"checks\":[],\"actions\":[],\"associatedFiles\":[\"{sha512}\"]}},\
             \"associatedFiles\":{{\"{sha512}\":{{\"name\":\"x\"}}}}}}'"
        ))
        .await;
    let manifests = app.files().join("manifests");
    std::fs::create_dir_all(&manifests).unwrap();
    std::fs::write(manifests.join(&sha512), "part\n").unwrap();
    let url = format!(
        "{}{prefix}/b/deploy/?action=getJobs&machineid=wks-1&version=2.8",
        app.origin()
    );
    let host = [("host", "agents.example.com:8080")];
    let jobs = send(Method::GET, &url, &host, vec![]).await.json();
    assert_eq!(
        jobs["associatedFiles"][&sha512]["mirrors"],
        json!([format!("{own}?action=getFilePart&file=")])
    );
}

#[tokio::test]
async fn a_host_that_is_none_gets_into_no_address() {
    let app = app::start(|_| {}).await;
    office(&app.db).await;
    app.db
        .set("UPDATE {p}entities SET agent_base_url = ''")
        .await;
    app.db.run(1, 1, 0).await;
    let answer = remote(&app, "", "a/b?c").await;
    assert_eq!((answer.status, answer.body.len()), (400, 0));
}

fn inventory(device: &str) -> String {
    // Long enough that reading it is left to another thread.
    let software = "<SOFTWARES><NAME>é</NAME></SOFTWARES>".repeat(5000);
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><REQUEST><CONTENT>{software}</CONTENT><DEVICEID>{device}</DEVICEID>\
         <QUERY>INVENTORY</QUERY></REQUEST>"
    )
}

mod upstream {
    use super::*;

    async fn with_php() -> (TestApp, FakePhp) {
        let php = FakePhp::start().await;
        let app = app::start(|settings| settings.upstream_url = Some(php.url.clone())).await;
        office(&app.db).await;
        (app, php)
    }

    #[rstest]
    #[case::zlib(Coding::Zlib)]
    #[case::gzip(Coding::Gzip)]
    #[case::plain(Coding::Plain)]
    #[tokio::test]
    async fn an_inventory_reaches_php_byte_for_byte(#[case] coding: Coding) {
        let (app, php) = with_php().await;
        for (number, path) in ["/", "/index.php", ""].into_iter().enumerate() {
            let device = format!("wks-{number}");
            let body = seal(&inventory(&device), coding);
            let answer = send(
                Method::POST,
                &format!("{}{path}", app.base_url()),
                &[
                    ("content-type", coding.content_type()),
                    ("user-agent", "FusionInventory-Agent_v2.6"),
                    ("x-forwarded-for", "203.0.113.9"),
                    ("x-forwarded-proto", "https"),
                    ("te", "deflate,gzip"),
                    ("x-hop", "1"),
                    ("keep-alive", "300"),
                    ("connection", "TE, X-Hop, Keep-Alive"),
                    ("x-mine", "kept"),
                ],
                body.clone(),
            )
            .await;
            let got = php.got().pop().unwrap();
            assert_eq!(got.body, body, "{path}");
            assert_eq!(got.method, Method::POST);
            // A directory without its slash would be answered by a redirection to an address that agents cannot reach.
            let path = if path.is_empty() { "/" } else { path };
            assert_eq!(got.target, format!("/glpi/plugins/fusioninventory{path}"));
            assert_eq!(got.header("content-type"), [coding.content_type()]);
            assert_eq!(got.header("content-length"), [body.len().to_string()]);
            assert_eq!(got.header("user-agent"), ["FusionInventory-Agent_v2.6"]);
            assert_eq!(got.header("x-mine"), ["kept"]);
            // Nobody made 127.0.0.1 a trusted proxy: what it claims about others does not count.
            assert_eq!(got.header("x-forwarded-for"), ["127.0.0.1"]);
            assert_eq!(got.header("x-forwarded-proto"), ["http"]);
            assert_eq!(
                got.header("x-forwarded-host"),
                [app.origin().trim_start_matches("http://")]
            );
            assert_eq!(
                got.header("host"),
                [php.url.authority()],
                "PHP sees its own name"
            );
            for name in [
                "te",
                "x-hop",
                "keep-alive",
                "connection",
                "transfer-encoding",
            ] {
                assert_eq!(got.header(name), Vec::<&str>::new(), "{name}");
            }
            assert_eq!(answer.status, 200);
            assert_eq!(answer.header("x-php"), Some("1"));
            assert_eq!(answer.header("content-type"), Some(coding.content_type()));
            assert_eq!(answer.body, seal("<REPLY><IMPORTED/></REPLY>", coding));
        }
        assert_eq!(php.imported(), ["wks-0", "wks-1", "wks-2"]);
    }

    #[tokio::test]
    async fn a_trusted_proxy_speaks_for_its_client() {
        let php = FakePhp::start().await;
        let app = app::start(|settings| {
            settings.upstream_url = Some(php.url.clone());
            settings.server.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
        })
        .await;
        let headers = [
            ("content-type", "application/xml"),
            ("x-forwarded-for", "203.0.113.9"),
            ("x-forwarded-proto", "https"),
        ];
        let url = format!("{}/", app.base_url());
        send(
            Method::POST,
            &url,
            &headers,
            inventory("wks-1").into_bytes(),
        )
        .await;
        let got = php.got().pop().unwrap();
        assert_eq!(got.header("x-forwarded-for"), ["203.0.113.9"]);
        assert_eq!(got.header("x-forwarded-proto"), ["https"]);
    }

    #[tokio::test]
    async fn what_the_sidecar_answers_itself_never_reaches_php() {
        let (app, php) = with_php().await;
        all_answer(&app, &DEFAULT_PREFIXES).await;
        assert!(php.got().is_empty(), "{:?}", php.got());
    }

    #[tokio::test]
    async fn pages_and_other_messages_pass_with_path_and_query_as_they_are() {
        let (app, php) = with_php().await;
        for (prefix, path) in [
            (
                "/plugins/fusioninventory",
                "/front/agent.php?id=3&x=%2F%20+&y[]=1",
            ),
            ("/glpi/marketplace/fusioninventory", "/css/a%20b.css"),
            (
                "/plugins/fusioninventory",
                "/ajax/taskmonitoring.php?action=getJobs&machineid=wks-1",
            ),
            ("/plugins/fusioninventory", "/b/other/"),
            ("/plugins/fusioninventory", "/"),
            ("", "/"),
        ] {
            let answer = get(&format!("{}{prefix}{path}", app.origin())).await;
            let got = php.got().pop().unwrap();
            assert_eq!(got.target, format!("/glpi/plugins/fusioninventory{path}"));
            assert!(got.body.is_empty());
            assert_eq!(got.header("transfer-encoding"), Vec::<&str>::new());
            // Nothing is followed, decoded or dropped on the way back but what concerns the connection to PHP alone.
            assert_eq!(answer.status, 302);
            assert_eq!(
                answer.header("location"),
                Some("http://elsewhere.example.com/login?a=%20b")
            );
            assert_eq!(answer.header("content-encoding"), Some("gzip"));
            assert_eq!(answer.header("set-cookie"), Some("glpi=1"));
            assert_eq!(answer.header("keep-alive"), None);
            assert_eq!(answer.body, NOT_GZIP);
        }
        let form = b"a=1&b=%C3%A9".to_vec();
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("cookie", "glpi=1"),
        ];
        let url = format!("{}/front/task.form.php", app.base_url());
        assert_eq!(
            send(Method::POST, &url, &headers, form.clone())
                .await
                .status,
            302
        );
        let got = php.got().pop().unwrap();
        assert_eq!((got.body, got.method), (form, Method::POST));
        // What lies at the root beside the plugin is not the plugin's.
        let before = php.got().len();
        assert_eq!(
            get(&format!("{}/front/computer.php", app.origin()))
                .await
                .status,
            404
        );
        assert_eq!(php.got().len(), before);
    }

    /// GLPI's other pages are not the plugin's, however an address is written.
    #[rstest]
    #[tokio::test]
    async fn no_address_leaves_the_plugins_directory(
        #[values(
            "/../../front/computer.php",
            "/..",
            "/front/../../../front/computer.php",
            "/%2e%2e/%2E%2E/front/computer.php",
            "/.%2e/front/computer.php",
            "/./../../x"
        )]
        path: &str,
    ) {
        let (app, php) = with_php().await;
        let target = format!("/plugins/fusioninventory{path}");
        let answer = wire::get(app.address(), &target).await;
        assert_eq!(php.got().len(), 0, "{:?}", php.got());
        assert_eq!(answer.status, 404);
    }

    #[rstest]
    #[case::zlib(Coding::Zlib)]
    #[case::plain(Coding::Plain)]
    #[tokio::test]
    async fn without_php_an_inventory_is_refused_in_the_agents_own_words(#[case] coding: Coding) {
        let app = app::start(|_| {}).await;
        let answer = app.post(&inventory("wks-1"), coding).await;
        assert_eq!(answer.status, 503);
        assert_eq!(answer.header("retry-after"), Some("60"));
        assert_eq!(answer.header("content-type"), Some(coding.content_type()));
        let opened = open(answer.header("content-type"), &answer.body, 1 << 16).unwrap();
        let text = String::from_utf8(opened.body).unwrap();
        assert!(
            text.contains("<ERROR>only GLPI can take this message"),
            "{text}"
        );
    }

    #[tokio::test]
    async fn a_php_that_is_down_is_a_bad_gateway() {
        let url = format!("http://{}/glpi", listen::free());
        let app = app::start(|settings| settings.upstream_url = Some(url.parse().unwrap())).await;
        office(&app.db).await;
        assert_eq!(
            app.post(&inventory("wks-1"), Coding::Zlib).await.status,
            502
        );
        assert_eq!(app.get("/front/agent.php").await.status, 502);
        assert!(
            app.prolog("wks-1").await.contains("PROLOG_FREQ"),
            "agents are answered all the same"
        );
    }
}
