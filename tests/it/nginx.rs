//! The README's way to put the sidecar in front of GLPI, with Debian's nginx between agents, the built binary and a PHP that keeps
//! what it was asked.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::database::{TestDb, fresh};
use crate::support::nginx::{AGENT, Nginx, Php};
use crate::support::process::{Sidecar, url};
use crate::support::wire::raw;

/// Bytes of a file part, and of a message to PHP: more than nginx lets through, or keeps in memory, by default.
const LARGE: usize = 3 << 20;

/// The whole house: agents come to `nginx`.
struct House {
    nginx: Nginx,
    sidecar: Sidecar,
    php: Php,
    client: reqwest::Client,
    db: TestDb,
    documents: TempDir,
}

impl House {
    async fn new() -> Self {
        let db = fresh().await;
        let (php, php_address) = Php::start().await;
        let documents = tempfile::tempdir().unwrap();
        let sidecar = Sidecar::serve(
            &[
                "--scheduler",
                "off",
                "--catalogue-refresh",
                "0",
                "--log-format",
                "json",
                "--trusted-proxies",
                "127.0.0.1",
                "--upstream-url",
                &format!("http://{php_address}"),
                "--plugin-doc-dir",
                documents.path().to_str().unwrap(),
            ],
            &[("FUSION_SIDECAR_DATABASE_URL", &url(&db))],
        );
        let nginx = Nginx::start(&[sidecar.address], php_address);
        let client = nginx.client();
        Self {
            nginx,
            sidecar,
            php,
            client,
            db,
            documents,
        }
    }

    fn plain(&self, path: &str) -> String {
        format!("http://{}{path}", self.nginx.plain)
    }

    fn tls(&self, path: &str) -> String {
        format!("https://{}{path}", self.nginx.tls)
    }

    async fn get(&self, url: String) -> (u16, String) {
        let answer = self.client.get(url).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    async fn post(&self, url: String, body: impl Into<reqwest::Body>) -> (u16, String) {
        let sent = self.client.post(url).body(body).send().await.unwrap();
        (sent.status().as_u16(), sent.text().await.unwrap())
    }

    /// The sidecar's lines of requests so far.
    fn requests(&mut self, last: &str) -> Vec<Value> {
        self.sidecar.line(&format!("\"path\":\"{last}\""));
        let log = self.sidecar.log();
        log.iter()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .filter(|line| line["path"].is_string())
            .collect()
    }
}

fn prolog(device: &str) -> String {
    format!("<REQUEST><DEVICEID>{device}</DEVICEID><QUERY>PROLOG</QUERY></REQUEST>")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_agents_ask_reaches_the_sidecar_and_the_rest_reaches_php() {
    let mut house = House::new().await;
    let places = [
        "/plugins/fusioninventory",
        "/marketplace/fusioninventory",
        "/glpi/plugins/fusioninventory",
        "/glpi/marketplace/fusioninventory",
    ];
    for place in places {
        for address in [
            "",
            "/",
            "/index.php",
            "/front/communication.php",
            "/front/plugin_fusioninventory.communication.php",
        ] {
            let (status, reply) = house
                .post(house.plain(&format!("{place}{address}")), prolog("pc-1"))
                .await;
            assert_eq!(status, 200, "{place}{address}");
            assert!(reply.contains("PROLOG_FREQ"), "{place}{address}: {reply}");
        }
        for address in ["/b/deploy", "/b/deploy/", "/b/deploy/index.php"] {
            let path = format!("{place}{address}?action=getJobs&machineid=pc-1&version=2.8");
            assert_eq!(
                house.get(house.plain(&path)).await,
                (200, "{}".to_owned()),
                "{path}"
            );
        }
    }
    assert!(house.php.take().is_empty(), "PHP was asked");
    let requests = house.requests("/glpi/marketplace/fusioninventory/b/deploy/index.php");
    assert_eq!(requests.len(), places.len() * 8);

    for path in [
        "/",
        "/index.php",
        "/front/central.php?x=1",
        "/plugins/fusioninventory/front/agent.php",
        "/plugins/fusioninventory/front/deploypackage.form.php?id=3",
        "/plugins/fusioninventory/js/footer.js",
        "/plugins/fusioninventory/b/",
        "/plugins/fusioninventory/b/other/?action=getJobs&machineid=pc-1",
        "/marketplace/fusioninventory/ajax/taskmonitoring.php",
        "/plugins/fusioninventory_other/",
        "/sidecar/metrics",
    ] {
        let (status, page) = house.get(house.plain(path)).await;
        assert_eq!((status, page.as_str()), (200, "<html>from PHP</html>"));
        let seen = house.php.take();
        let [seen] = &seen[..] else {
            panic!("{path}: {seen:?}")
        };
        assert_eq!((seen.method.as_str(), seen.uri.as_str()), ("GET", path));
    }
    let sidecars = house.requests("/glpi/marketplace/fusioninventory/b/deploy/index.php");
    // What lies beside the back ends is not plainly a page: the sidecar passes it on.
    let passed: Vec<&str> = sidecars[requests.len()..]
        .iter()
        .map(|line| line["path"].as_str().unwrap())
        .collect();
    let beside = [
        "/plugins/fusioninventory/b/",
        "/plugins/fusioninventory/b/other/",
    ];
    assert_eq!(passed, beside, "the sidecar was asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_keep_their_address_and_cannot_claim_another() {
    let mut house = House::new().await;
    let path = "/plugins/fusioninventory/index.php";
    let claimed = house
        .client
        .post(house.tls(path))
        .header("X-Forwarded-For", "203.0.113.9")
        .header("X-Forwarded-Proto", "http")
        .body(prolog("pc-1"));
    assert_eq!(claimed.send().await.unwrap().status(), 200);
    let requests = house.requests(path);
    assert_eq!(requests[0]["client"], AGENT.to_string());
    assert_eq!(requests[0]["agent.device_id"], "pc-1");

    // A message that only PHP can take: PHP too learns whose it is.
    let body = "<REQUEST><DEVICEID>pc-1</DEVICEID><QUERY>INVENTORY</QUERY><CONTENT/></REQUEST>";
    let (status, reply) = house
        .post(house.tls("/plugins/fusioninventory/"), body)
        .await;
    assert_eq!((status, reply.as_str()), (200, "<REPLY>from PHP</REPLY>"));
    let seen = house.php.take();
    let [seen] = &seen[..] else {
        panic!("{seen:?}")
    };
    assert_eq!(seen.uri, "/plugins/fusioninventory/");
    assert_eq!(seen.header("x-forwarded-for"), AGENT.to_string());
    assert_eq!(seen.header("x-forwarded-proto"), "https");
    assert_eq!(seen.header("x-forwarded-host"), house.nginx.tls.to_string());
    assert_eq!(seen.bytes, body.len());
}

/// Spellings of agents' addresses that some web server takes for one, behind nginx.
const RESPELT: [&str; 42] = [
    "/index.php/%2e%2e/front/agent.php",
    "/index.php/../front/agent.php",
    "/index.php/.%2E/front/agent.php",
    "/front/communication.php/%2e%2e/agent.php",
    "//",
    "//index.php",
    "/index.php/",
    "/index.php/x",
    "/index.php/x.css",
    "/index.php/front/agent.php",
    "/%69ndex.php",
    "/%2569ndex.php",
    "/INDEX.PHP",
    "/index",
    "/index.php;x",
    "/;x/index.php",
    "/index.php.",
    "/index.php%20",
    "/index.php::$DATA",
    "/index.php%0a",
    "/index.php/%0a",
    "/index.php%3fx",
    "/js/..%2findex.php",
    "/js/../index.php",
    "/js/..;/index.php",
    "/js/..%5cindex.php",
    "/js/%252e%252e/index.php",
    "/front/agent.php/..%2f..%2findex.php",
    "/front/communication",
    "/front/Communication.php",
    "/front/communication.php/x",
    "/front/communication.php/x.js",
    "/front/communication.php%0a",
    "/front/COMMUN~1.PHP",
    "/front/plugin_fusioninventory.communication.php/",
    "/front//communication.php/",
    "/b//deploy",
    "/b/deploy/index.php/",
    "/b/%64eploy/x",
    "/b/deploy/x.css",
    "/b/Esx/",
    "/b/collect;x/",
];

#[tokio::test(flavor = "multi_thread")]
async fn no_other_spelling_gets_past_the_sidecar() {
    let house = House::new().await;
    let places = [
        "/plugins/fusioninventory",
        "//x/plugins/fusioninventory",
        "/glpi/marketplace/fusioninventory",
        "/PLUGINS/FusionInventory",
        "/plugins/fusioninventory;x",
        "/plugins;x/fusioninventory",
        "/plugins//fusioninventory",
        "/plugins/%66usioninventory",
        "/marketplace/x/../fusioninventory",
    ];
    let body = "<REQUEST><DEVICEID>pc-1</DEVICEID><QUERY>INVENTORY</QUERY></REQUEST>";
    for path in places
        .into_iter()
        .flat_map(|place| RESPELT.map(|rest| format!("{place}{rest}")))
    {
        let request = format!(
            "POST {path}?action=getConfig&machineid=pc-1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = raw(house.nginx.plain, request.as_bytes()).await.unwrap();
        // Those that are no address at all are the sidecar's too, and so is the plain one that dots lead to.
        let seen = house.php.take();
        assert!(seen.is_empty(), "{path}: {seen:?}");
        assert_eq!(answer.status, 404, "{path}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_reach_php_with_or_without_the_sidecars_help() {
    let mut house = House::new().await;
    for (path, helped) in [
        ("/plugins/fusioninventory/front/agent.php?x=1", false),
        ("/plugins/fusioninventory/front/task.form.php", false),
        (
            "/marketplace/fusioninventory/ajax/jobstates_logs.php",
            false,
        ),
        ("/glpi/plugins/fusioninventory/css/views.css", false),
        ("/plugins/fusioninventory/pics/menu.png", false),
        ("/plugins/fusioninventory/lib/d3@3/d3.min.js", false),
        ("/plugins/fusioninventory-other/index.php/x", false),
        ("/plugins/fusioninventory/front/", true),
        ("/plugins/fusioninventory/report/x.php", true),
        ("/plugins/fusioninventory/front/agent.php/x", true),
    ] {
        let (status, page) = house.get(house.plain(path)).await;
        assert_eq!((status, page.as_str()), (200, "<html>from PHP</html>"));
        let seen = house.php.take();
        let [seen] = &seen[..] else {
            panic!("{path}: {seen:?}")
        };
        assert_eq!(seen.uri, path);
        // Only the sidecar speaks of the client.
        assert_eq!(!seen.header("x-forwarded-for").is_empty(), helped, "{path}");
    }
    let requests = house.requests("/plugins/fusioninventory/front/agent.php/x");
    assert_eq!(requests.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn https_to_nginx_is_https_to_the_sidecar() {
    let house = House::new().await;
    house
        .db
        .exec("UPDATE glpi_plugin_fusioninventory_configs SET value = '1' WHERE type = 'ssl_only'")
        .await;
    let path = "/plugins/fusioninventory/";
    let (_, refused) = house.post(house.plain(path), prolog("pc-1")).await;
    assert!(refused.contains("SSL REQUIRED BY SERVER"), "{refused}");
    let (_, welcome) = house.post(house.tls(path), prolog("pc-1")).await;
    assert!(welcome.contains("PROLOG_FREQ"), "{welcome}");
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_handed_out_lead_back_through_nginx() {
    let house = House::new().await;
    house
        .db
        .exec(
            "INSERT INTO glpi_plugin_fusioninventory_agents (id, name, device_id) VALUES (7, 'pc-7', 'pc-7'); \
             INSERT INTO glpi_plugin_fusioninventory_deploypackages (id, name, entities_id, json) \
               VALUES (3, 'p', 0, '{\"jobs\":{\"checks\":[],\"associatedFiles\":[],\"actions\":[]},\"associatedFiles\":{}}'); \
             INSERT INTO glpi_plugin_fusioninventory_tasks (id, name, is_active) VALUES (1, 'rollout', 1); \
             INSERT INTO glpi_plugin_fusioninventory_taskjobs (id, plugin_fusioninventory_tasks_id, name, method, targets, actors) \
               VALUES (1, 1, 'j', 'deployinstall', '[{\"PluginFusioninventoryDeployPackage\":\"3\"}]', \
               '[{\"PluginFusioninventoryAgent\":\"7\"}]'); \
             INSERT INTO glpi_plugin_fusioninventory_taskjobstates (id, plugin_fusioninventory_taskjobs_id, items_id, itemtype, state, \
               plugin_fusioninventory_agents_id, uniqid) VALUES (1, 1, 3, 'PluginFusioninventoryDeployPackage', 0, 7, 'run-1')",
        )
        .await;
    let ask = "/plugins/fusioninventory/?action=getConfig&machineid=pc-7&task[Deploy]=2.8";
    let remote = async |house: &House| -> String {
        let (_, config) = house.get(house.tls(ask)).await;
        let config: Value = serde_json::from_str(&config).unwrap();
        config["schedule"][0]["remote"]
            .as_str()
            .unwrap_or_else(|| panic!("{config}"))
            .to_owned()
    };
    // No entity has an address: the one by which the agent came.
    let own = house.tls("/plugins/fusioninventory/b/deploy/");
    assert_eq!(remote(&house).await, own);
    house
        .db
        .exec(&format!(
            "UPDATE glpi_plugin_fusioninventory_entities SET agent_base_url = '{}'",
            house.plain("")
        ))
        .await;
    let configured = remote(&house).await;
    assert_eq!(
        configured,
        house.plain("/plugins/fusioninventory/b/deploy/")
    );

    let (status, jobs) = house
        .get(format!(
            "{configured}?action=getJobs&machineid=pc-7&version=2.8"
        ))
        .await;
    assert_eq!(status, 200);
    let jobs: Value = serde_json::from_str(&jobs).unwrap();
    assert_eq!(jobs["jobs"][0]["uuid"], "run-1");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_come_whole_and_in_parts() {
    let house = House::new().await;
    let sha512 = "ab1f".repeat(32);
    let part = house
        .documents
        .path()
        .join("files/repository/a/ab")
        .join(&sha512);
    std::fs::create_dir_all(part.parent().unwrap()).unwrap();
    let content: Vec<u8> = (0..LARGE)
        .map(|at| at.to_le_bytes()[0] ^ at.to_le_bytes()[1])
        .collect();
    std::fs::write(part, &content).unwrap();
    let url = house.tls(&format!(
        "/plugins/fusioninventory/b/deploy/?action=getFilePart&file=a/ab/{sha512}"
    ));
    let whole = house.client.get(&url).send().await.unwrap();
    assert_eq!(whole.status(), 200);
    assert_eq!(whole.content_length(), Some(LARGE as u64));
    let etag = whole.headers()["etag"].clone();
    assert!(whole.bytes().await.unwrap() == content);

    let range = house
        .client
        .get(&url)
        .header("Range", "bytes=2000000-2000099");
    let range = range.send().await.unwrap();
    assert_eq!(range.status(), 206);
    assert_eq!(
        range.headers()["content-range"],
        format!("bytes 2000000-2000099/{LARGE}").as_str()
    );
    assert_eq!(range.bytes().await.unwrap(), content[2_000_000..2_000_100]);

    let known = house.client.get(&url).header("If-None-Match", etag);
    assert_eq!(known.send().await.unwrap().status(), 304);
    assert_eq!(house.nginx.errors(), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_inventory_reaches_php() {
    let house = House::new().await;
    let filler = "of a large machine ".repeat(LARGE / 19);
    let message = format!(
        "<REQUEST><DEVICEID>pc-1</DEVICEID><QUERY>INVENTORY</QUERY><CONTENT><A>{filler}</A></CONTENT></REQUEST>"
    );
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::none());
    zlib.write_all(message.as_bytes()).unwrap();
    let packed = zlib.finish().unwrap();
    let length = packed.len();
    assert!(length > 2 << 20);
    let sent = house
        .client
        .post(house.tls("/plugins/fusioninventory/"))
        .header("Content-Type", "application/x-compress-zlib")
        .body(packed);
    let answer = sent.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.text().await.unwrap(), "<REPLY>from PHP</REPLY>");
    let seen = house.php.take();
    let [seen] = &seen[..] else {
        panic!("{seen:?}")
    };
    assert_eq!(seen.bytes, length);
    assert_eq!(seen.header("content-length"), length.to_string());
    assert_eq!(seen.header("content-type"), "application/x-compress-zlib");

    // What is too large for the sidecar is refused on the way in.
    let (status, _) = house
        .post(
            house.tls("/plugins/fusioninventory/"),
            vec![b'x'; (16 << 20) + 1],
        )
        .await;
    assert_eq!(status, 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_stays_with_one_of_several_sidecars_while_it_is_there() {
    let db = fresh().await;
    let url = url(&db);
    let (_, php) = Php::start().await;
    let environment = [("FUSION_SIDECAR_DATABASE_URL", url.as_str())];
    let mut sidecars = [(); 2].map(|()| Sidecar::serve(&["--scheduler", "off"], &environment));
    let nginx = Nginx::start(&[sidecars[0].address, sidecars[1].address], php);
    let client = nginx.client();
    let path = "/plugins/fusioninventory/";
    let agents_ask = async || {
        for _ in 0..10 {
            let sent = client
                .post(format!("http://{}{path}", nginx.plain))
                .body(prolog("pc-1"));
            assert_eq!(sent.send().await.unwrap().status(), 200);
        }
    };
    agents_ask().await;
    let chosen = sidecars
        .iter()
        .position(|sidecar| sidecar.log().iter().any(|line| line.contains(path)))
        .unwrap();
    sidecars[chosen].signal("TERM");
    let (_, log) = sidecars[chosen].ended();
    let lines = log.iter().filter(|line| line.contains(path)).count();
    assert_eq!(lines, 10, "{}", log.join("\n"));

    agents_ask().await;
    sidecars[1 - chosen].signal("TERM");
    let (_, log) = sidecars[1 - chosen].ended();
    let lines = log.iter().filter(|line| line.contains(path)).count();
    assert_eq!(lines, 10, "{}", log.join("\n"));
    let agents: Vec<u32> = db
        .rows("SELECT COUNT(*) FROM glpi_plugin_fusioninventory_agents")
        .await;
    assert_eq!(agents, [1]);
}
