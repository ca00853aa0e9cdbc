//! The real FusionInventory agent against the sidecar.

use std::path::Path;

use fusion_sidecar::config::Settings;
use fusion_sidecar::demo::files;
use fusion_sidecar::domain::driven::TaskMode;
use fusion_sidecar::domain::policy::Policy;
use fusion_sidecar::proto::text;
use mysql_async::prelude::Queryable as _;
use rstest::rstest;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::app::{self, TestApp};
use crate::support::listen::free_on;
use crate::support::real_agent::RealAgent;

const DEVICE_ID: &str = "wks-0042-2026-03-01-09-30-00";
const ROOT: &str = "/plugins/fusioninventory";

/// A sidecar, an agent that is known to it, and a directory for what packages write.
struct World {
    app: TestApp,
    agent: RealAgent,
    target: TempDir,
}

impl World {
    async fn new(policy: Policy, configure: impl FnOnce(&mut Settings)) -> Self {
        let app = app::start(|settings| {
            settings.dispatch.policy = policy;
            configure(settings);
        })
        .await;
        app.db
            .exec(&format!(
                "UPDATE glpi_plugin_fusioninventory_entities SET agent_base_url = 'http://{address}' WHERE id = 1;
                 INSERT INTO glpi_computers (id, name) VALUES (1, 'wks-0042');
                 INSERT INTO glpi_plugin_fusioninventory_agents (id, name, device_id, computers_id)
                 VALUES (1, '{DEVICE_ID}', '{DEVICE_ID}', 1);
                 INSERT INTO glpi_plugin_fusioninventory_tasks (id, name, is_active) VALUES (1, 'office', 1);
                 CREATE TABLE seen (id INT AUTO_INCREMENT PRIMARY KEY, run INT, state INT);
                 CREATE TRIGGER made AFTER INSERT ON glpi_plugin_fusioninventory_taskjobstates FOR EACH ROW
                 INSERT INTO seen (run, state) VALUES (NEW.id, NEW.state);
                 CREATE TRIGGER moved AFTER UPDATE ON glpi_plugin_fusioninventory_taskjobstates FOR EACH ROW
                 INSERT INTO seen (run, state) SELECT NEW.id, NEW.state FROM DUAL WHERE NEW.state <> OLD.state",
                address = app.address(),
            ))
            .await;
        Self {
            app,
            agent: RealAgent::new(DEVICE_ID).await,
            target: tempfile::tempdir().unwrap(),
        }
    }

    /// A package and a job for each definition, prepared: run n is that of definition n.
    async fn prepare(&self, packages: &[Value]) {
        self.publish(packages).await;
        self.app.prepare().await.unwrap();
    }

    /// The same without a preparation.
    async fn publish(&self, packages: &[Value]) {
        let mut conn = self.app.db.conn().await;
        for (id, package) in (1u32..).zip(packages) {
            conn.exec_drop(
                "INSERT INTO glpi_plugin_fusioninventory_deploypackages (id, name, entities_id, json) VALUES (?, 'p', 0, ?)",
                (id, package.to_string()),
            )
            .await
            .unwrap();
            let targets = format!(r#"[{{"PluginFusioninventoryDeployPackage":"{id}"}}]"#);
            conn.exec_drop(
                "INSERT INTO glpi_plugin_fusioninventory_taskjobs (id, plugin_fusioninventory_tasks_id, name, method, targets, actors) \
                 VALUES (?, 1, 'job', 'deployinstall', ?, '[{\"Computer\":\"1\"}]')",
                (id, targets),
            )
            .await
            .unwrap();
        }
        conn.disconnect().await.unwrap();
    }

    async fn run_agent(&self) -> String {
        let server = format!("http://{}{ROOT}", self.app.address());
        self.agent.run(&server, &[]).await
    }

    /// The states that a run has had, in order.
    async fn states(&self, run: u32) -> Vec<u32> {
        self.app
            .db
            .rows(&format!(
                "SELECT state FROM seen WHERE run = {run} ORDER BY id"
            ))
            .await
    }

    /// The log lines of a run: states and texts.
    async fn log(&self, run: u32) -> Vec<(u32, String)> {
        self.app
            .db
            .rows(&format!(
                "SELECT state, COALESCE(comment, '') FROM glpi_plugin_fusioninventory_taskjoblogs \
                 WHERE plugin_fusioninventory_taskjobstates_id = {run} ORDER BY id"
            ))
            .await
    }

    fn target(&self, name: &str) -> String {
        self.target.path().join(name).to_str().unwrap().to_owned()
    }

    /// Bytes of three parts, stored as the plugin does it, and the package's entry for them under `name`.
    fn file(&self, name: &str) -> (Vec<u8>, String, Value) {
        // What does not compress makes large parts: multiplicative noise.
        let content: Vec<u8> = (0u32..2_300_000)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0])
            .collect();
        let documents = self.app.files();
        let stored = files::store(&content, documents.parent().unwrap()).unwrap();
        assert_eq!(stored.parts.len(), 3);
        let entry = json!({"name": name, "p2p": 0, "p2p-retention-duration": 0, "uncompress": 0});
        (content, stored.sha512, entry)
    }
}

fn package(checks: &Value, actions: &Value) -> Value {
    json!({
        "jobs": {"checks": checks, "associatedFiles": [], "actions": actions, "userinteractions": []},
        "associatedFiles": {},
    })
}

fn with_file(mut package: Value, sha512: &str, entry: Value) -> Value {
    package["jobs"]["associatedFiles"] = json!([sha512]);
    package["associatedFiles"][sha512] = entry;
    package
}

fn command(exec: &str) -> Value {
    json!({"cmd": {"name": "run", "exec": exec, "logLineLimit": "0", "retChecks": [{"type": "okCode", "values": ["0"]}]}})
}

#[rstest]
#[case::redux(Policy::Redux, &[0, 1, 2, 3])]
#[case::plugin(Policy::Plugin, &[0, 1, 3])]
#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_several_parts_is_deployed(#[case] policy: Policy, #[case] states: &[u32]) {
    let world = World::new(policy, |_| {}).await;
    let (content, sha512, entry) = world.file("setup.bin");
    let (dir, copied) = (world.target("office"), world.target("office/setup.bin"));
    let checks =
        json!([{"name": "there", "type": "directoryExists", "path": "/", "return": "error"}]);
    let actions = json!([
        {"mkdir": {"name": "make", "list": [dir]}},
        {"copy": {"name": "copy", "from": "setup.bin", "to": dir}},
        command("cmp setup.bin setup.bin"),
    ]);
    let package = with_file(package(&checks, &actions), &sha512, entry);
    world.prepare(&[package]).await;

    let said = world.run_agent().await;

    assert_eq!(world.states(1).await, states, "{said}");
    assert!(std::fs::read(&copied).unwrap() == content);
    let started = (policy == Policy::Redux).then_some((1, "Sent to the agent."));
    let running = [
        "Checks:starting",
        "Checks:check #1, there passed",
        "Checks:all checks are ok",
        "Files download:downloading files",
        "Files download:fetching setup.bin",
        "Files download:setup.bin downloaded",
        "Files download:success",
        "Files preparation:success",
        "Actions:make, processing success",
        "Actions:copy, processing success",
        "Actions:run, processing success",
    ];
    let expected: Vec<(u32, String)> = std::iter::once((7, ""))
        .chain(started)
        .chain(running.map(|text| (6, text)))
        .chain([(2, "job successfully completed")])
        .map(|(state, text)| (state, text.to_owned()))
        .collect();
    assert_eq!(world.log(1).await, expected);
}

#[rstest]
#[case::public_url(true, "/glpi/marketplace/fusioninventory", 3)]
#[case::public_url_and_index(true, "/plugins/fusioninventory/index.php", 3)]
#[case::tables_alone(false, "/glpi/marketplace/fusioninventory", 0)]
#[tokio::test(flavor = "multi_thread")]
async fn the_public_url_stands_for_a_base_url_in_the_void(
    #[case] public: bool,
    #[case] root: &str,
    #[case] state: u32,
) {
    const VOID: &str = "127.99.0.1:9";
    let address = free_on("127.99.0.2");
    let world = World::new(Policy::Redux, |settings| {
        settings.server.listen = address;
        settings.dispatch.public_url = public.then(|| format!("http://{address}").parse().unwrap());
    })
    .await;
    world
        .app
        .db
        .exec(&format!(
            "UPDATE glpi_plugin_fusioninventory_entities SET agent_base_url = 'http://{VOID}' WHERE id = 1"
        ))
        .await;
    let (_, sha512, entry) = world.file("setup.bin");
    let package = package(&json!([]), &json!([command("test -s setup.bin")]));
    world.prepare(&[with_file(package, &sha512, entry)]).await;

    let said = world
        .agent
        .run(&format!("http://{address}{root}"), &[])
        .await;

    assert_eq!(world.states(1).await.last(), Some(&state), "{said}");
    assert_eq!(said.contains(VOID), !public, "{said}");
    let base = root.trim_end_matches("/index.php");
    let part = format!("File part URL: http://{address}{base}/b/deploy/?action=getFilePart");
    assert_eq!(
        said.matches(&part).count(),
        if public { 3 } else { 0 },
        "{said}"
    );
}

#[rstest]
#[case("error", 4, "check #1, failure on there, ")]
#[case("skip", 3, "job skipped")]
#[tokio::test(flavor = "multi_thread")]
async fn a_failing_check_ends_the_run(
    #[values(Policy::Redux, Policy::Plugin)] policy: Policy,
    #[case] on_failure: &str,
    #[case] state: u32,
    #[case] last: &str,
) {
    let world = World::new(policy, |_| {}).await;
    let written = world.target("written");
    let checks = json!([
        {"name": "there", "type": "directoryExists", "path": world.target("missing"), "return": on_failure}
    ]);
    let package = package(&checks, &json!([command(&format!("touch {written}"))]));
    world.prepare(&[package]).await;

    let said = world.run_agent().await;

    assert_eq!(world.states(1).await.last(), Some(&state), "{said}");
    let log = world.log(1).await;
    assert!(log.last().unwrap().1.contains(last), "{log:?}");
    assert!(!Path::new(&written).exists());
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn after_a_job_that_fails_the_next_one_of_the_answer_runs(
    #[values(Policy::Redux, Policy::Plugin)] policy: Policy,
) {
    let world = World::new(policy, |_| {}).await;
    let written = world.target("written");
    let packages = ["false".to_owned(), format!("touch {written}")]
        .map(|exec| package(&json!([]), &json!([command(&exec)])));
    world.prepare(&packages).await;

    let said = world.run_agent().await;

    assert_eq!(world.states(1).await.last(), Some(&4), "{said}");
    assert_eq!(world.states(2).await.last(), Some(&3), "{said}");
    assert!(Path::new(&written).exists());
    let log = world.log(1).await;
    assert!(
        log.last().unwrap().1.contains("run, processing failure"),
        "{log:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_arrive_as_they_were_meant() {
    let world = World::new(Policy::Redux, |_| {}).await;
    let written = world.target("written");
    let exec = format!(
        r#"echo "it's a > b && c < d \\ e" > '{written}' && wc -c < 'R&D <1>.bin' >> "{written}""#
    );
    let exec = text::encode(&exec);
    assert!(exec.contains("&#62;") && exec.contains("&#38;&#38;"));
    let (content, sha512, entry) = world.file("R&#38;D &#60;1&#62;.bin");
    let package = package(&json!([]), &json!([command(&exec)]));
    world.prepare(&[with_file(package, &sha512, entry)]).await;

    let said = world.run_agent().await;

    assert_eq!(world.states(1).await, [0, 1, 2, 3], "{said}");
    assert_eq!(
        std::fs::read_to_string(written).unwrap(),
        format!("it's a > b && c < d \\ e\n{}\n", content.len())
    );
}

#[rstest]
#[case::sent_again(Policy::Redux, &[0, 1, 2, 3])]
#[case::in_error(Policy::Plugin, &[0, 1, 4])]
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_got_lost(#[case] policy: Policy, #[case] states: &[u32]) {
    let world = World::new(policy, |_| {}).await;
    let written = world.target("written");
    let package = package(
        &json!([]),
        &json!([command(&format!("echo once >> {written}"))]),
    );
    world.prepare(&[package]).await;
    // As if the connection broke: the answer is read here, and the agent does not learn of it.
    let lost = world.app.jobs(DEVICE_ID).await.to_string();
    assert!(lost.contains("echo once"), "{lost}");

    let said = world.run_agent().await;

    assert_eq!(world.states(1).await, states, "{said}");
    let content = std::fs::read_to_string(&written).unwrap_or_default();
    assert_eq!(
        content,
        if policy == Policy::Redux {
            "once\n"
        } else {
            ""
        }
    );
}

#[rstest]
#[case::trusted(true, 3)]
#[case::any(false, 3)]
#[case::foreign(true, 0)]
#[tokio::test(flavor = "multi_thread")]
async fn behind_a_certificate_of_its_own(#[case] verified: bool, #[case] state: u32) {
    let dir = tempfile::tempdir().unwrap();
    let [chain, key, foreign] =
        ["chain.pem", "key.pem", "foreign.pem"].map(|name| dir.path().join(name));
    let address = free_on("127.99.0.3");
    let make = || rcgen::generate_simple_self_signed(["127.99.0.3".to_owned()]).unwrap();
    let made = make();
    std::fs::write(&chain, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    std::fs::write(&foreign, make().cert.pem()).unwrap();
    let world = World::new(Policy::Redux, |settings| {
        settings.server.listen = address;
        settings.server.tls = Some((chain.clone(), key));
        settings.dispatch.public_url = Some(format!("https://{address}").parse().unwrap());
    })
    .await;
    let (_, sha512, entry) = world.file("setup.bin");
    let package = package(&json!([]), &json!([command("test -s setup.bin")]));
    world.prepare(&[with_file(package, &sha512, entry)]).await;

    let authority = if state == 3 { &chain } else { &foreign };
    let authority = format!("--ca-cert-file={}", authority.display());
    let option = if verified {
        authority.as_str()
    } else {
        "--no-ssl-check"
    };
    let said = world
        .agent
        .run(&format!("https://{address}{ROOT}"), &[option])
        .await;

    assert_eq!(world.states(1).await.last(), Some(&state), "{said}");
}

/// No run is prepared: it is made as the agent asks for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_package_of_a_task_that_agents_drive_is_installed_once() {
    let world = World::new(Policy::Redux, |settings| {
        settings.dispatch.task_mode = TaskMode::Agent;
    })
    .await;
    let (content, sha512, entry) = world.file("setup.bin");
    let (dir, copied) = (world.target("office"), world.target("office/setup.bin"));
    let actions = json!([
        {"mkdir": {"name": "make", "list": [dir]}},
        {"copy": {"name": "copy", "from": "setup.bin", "to": dir}},
    ]);
    let package = with_file(package(&json!([]), &actions), &sha512, entry);
    world.publish(&[package]).await;
    world.app.prepare().await.unwrap();
    assert_eq!(world.states(1).await, Vec::<u32>::new());

    let said = world.run_agent().await;
    assert_eq!(world.states(1).await, [0, 1, 2, 3], "{said}");
    assert!(std::fs::read(&copied).unwrap() == content);
    let said = world.run_agent().await;
    assert_eq!(world.states(2).await, Vec::<u32>::new(), "{said}");
}
