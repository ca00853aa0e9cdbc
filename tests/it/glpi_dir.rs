//! `--glpi-dir`: from the directories that GLPI and its packagers make to a sidecar at work, with the built program.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use fusion_sidecar::upstream::client;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rstest::rstest;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, UnixStream};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::support::account::{self, PASSWORD};
use crate::support::database::{self, TestDb, fresh};

/// What PHP's rawurlencode leaves alone besides letters and digits.
const RAW: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Longest wait for the program to say or do something.
const PATIENCE: Duration = Duration::from_secs(30);

const DEVICE: &str = "wks-1-2026-03-01-09-30-00";

const PART: &[u8] = b"one part of a file";

/// A package for the agent itself.
const PACKAGE: &str = r#"
INSERT INTO glpi_plugin_fusioninventory_agents (id, name, device_id, entities_id) VALUES (1, 'wks-1', 'wks-1-2026-03-01-09-30-00', 0);
UPDATE glpi_plugin_fusioninventory_entities SET agent_base_url = 'http://glpi.example/glpi' WHERE id = 1;
INSERT INTO glpi_plugin_fusioninventory_deploypackages (id, name, entities_id, json)
VALUES (3, 'editor', 0, '{"jobs":{"checks":[],"associatedFiles":[],"actions":[]},"associatedFiles":{}}');
INSERT INTO glpi_plugin_fusioninventory_tasks (id, name, is_active) VALUES (1, 'office', 1);
INSERT INTO glpi_plugin_fusioninventory_taskjobs (id, plugin_fusioninventory_tasks_id, name, method, targets, actors)
VALUES (1, 1, 'job', 'deployinstall', '[{"PluginFusioninventoryDeployPackage":"3"}]', '[{"PluginFusioninventoryAgent":"1"}]');
"#;

/// How a GLPI lies on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// As unpacked; the database by its socket.
    Socket,
    /// As unpacked, with time zones; the database by address and port.
    Port,
    /// Configuration and data moved, as Linux distributions do.
    Moved,
    /// The plugin from the marketplace.
    Marketplace,
}

struct Glpi {
    dir: TempDir,
    db: TestDb,
}

impl Glpi {
    async fn new(layout: Layout) -> Self {
        let db = fresh().await;
        db.exec(PACKAGE).await;
        let account = account::sidecar(&db).await;
        let glpi = Self {
            dir: tempfile::tempdir().unwrap(),
            db,
        };
        let host = match layout {
            Layout::Port => forwarded(database::socket()).await.to_string(),
            _ => format!("localhost:{}", database::socket().display()),
        };
        let password = utf8_percent_encode(PASSWORD, RAW);
        let (user, name) = (&account.database.user, &glpi.db.database.name);
        let zones = if layout == Layout::Port {
            "public $use_timezones = true;"
        } else {
            ""
        };
        let config = format!(
            "<?php\nclass DB extends DBmysql {{\n   public $dbhost = '{host}';\n   public $dbuser = '{user}';\n   \
             public $dbpassword = '{password}';\n   public $dbdefault = '{name}';\n   public $use_utf8mb4 = true;\n   {zones}\n}}\n"
        );
        let place = if layout == Layout::Marketplace {
            "marketplace"
        } else {
            "plugins"
        };
        fs::create_dir_all(glpi.path("glpi").join(place).join("fusioninventory")).unwrap();
        let documents = if layout == Layout::Moved {
            let (etc, var) = (glpi.path("etc/glpi"), glpi.path("var/lib/glpi"));
            glpi.write(
                "glpi/inc/downstream.php",
                &format!(
                    "<?php\ndefine('GLPI_CONFIG_DIR', '{}/');\nif (file_exists(GLPI_CONFIG_DIR . '/local_define.php')) {{\n    \
                     require_once GLPI_CONFIG_DIR . '/local_define.php';\n}}\n",
                    etc.display()
                ),
            );
            glpi.write(
                "etc/glpi/local_define.php",
                &format!("<?php\ndefine('GLPI_VAR_DIR', '{}');\n", var.display()),
            );
            glpi.write("etc/glpi/config_db.php", &config);
            "var/lib/glpi/_plugins"
        } else {
            glpi.write("glpi/config/config_db.php", &config);
            "glpi/files/_plugins"
        };
        let files = format!("{documents}/fusioninventory/files");
        fs::create_dir_all(glpi.path(&files).join("manifests")).unwrap();
        glpi.write(
            &format!("{files}/repository/{}", part()),
            std::str::from_utf8(PART).unwrap(),
        );
        glpi
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, content: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// The built program with `arguments`, told of this directory, and of nothing else by its environment.
    fn program(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fusion-sidecar"));
        command
            .args(arguments)
            .arg("--glpi-dir")
            .arg(self.path("glpi"));
        command
            .args(["--timezone", "UTC", "--log-format", "json"])
            .env_clear();
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }
}

/// Name of the file part: `x/xx/SHA512`.
fn part() -> String {
    let digest = "ab12".repeat(32);
    format!("a/ab/{digest}")
}

/// A port from which connections go to `socket`.
async fn forwarded(socket: &'static Path) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut server = UnixStream::connect(socket).await.unwrap();
                // Either side may go first.
                let _ = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    address
}

/// Starts `serve`; the process, which ends with the value, and its address.
async fn serve(glpi: &Glpi) -> (Child, SocketAddr) {
    let mut child = glpi
        .program(&["serve", "--listen", "127.0.0.1:0", "--scheduler", "off"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let address = timeout(PATIENCE, async {
        let mut said = String::new();
        while let Some(line) = lines.next_line().await.unwrap() {
            let value: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
            if let Some(address) = value["address"].as_str() {
                return address.parse().unwrap();
            }
            said.push_str(&line);
        }
        panic!("serve ended: {said}")
    });
    let address = address.await.unwrap();
    // Somebody has to read on, or the program could not write.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    (child, address)
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn glpis_directory_is_all_that_is_needed(
    #[values(Layout::Socket, Layout::Port, Layout::Moved, Layout::Marketplace)] layout: Layout,
) {
    let glpi = Glpi::new(layout).await;
    let once = timeout(PATIENCE, glpi.program(&["once", "prepare"]).output())
        .await
        .unwrap()
        .unwrap();
    let (said, complaints) = (
        String::from_utf8_lossy(&once.stdout),
        String::from_utf8_lossy(&once.stderr),
    );
    assert!(once.status.success(), "{complaints}");
    assert!(
        said.contains("1 jobs: 1 runs prepared, 0 cancelled"),
        "{said}"
    );

    let (_child, address) = serve(&glpi).await;
    let get = async |path: String| {
        let url = format!("http://{address}/glpi/plugins/fusioninventory{path}");
        let response = client()
            .build()
            .unwrap()
            .get(url)
            .timeout(PATIENCE)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status().as_u16(), 200, "{path}");
        response.bytes().await.unwrap()
    };
    let config = get(format!(
        "/?action=getConfig&machineid={DEVICE}&task[Deploy]=2.8"
    ))
    .await;
    let config: serde_json::Value = serde_json::from_slice(&config).unwrap();
    let place = if layout == Layout::Marketplace {
        "marketplace"
    } else {
        "plugins"
    };
    assert_eq!(
        config["schedule"][0]["remote"],
        format!("http://glpi.example/glpi/{place}/fusioninventory/b/deploy/")
    );
    let file = get(format!("/b/deploy/?action=getFilePart&file={}", part())).await;
    assert_eq!(file, PART);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_says_all_on_glpis_directory_and_ends_as_it_says() {
    let glpi = Glpi::new(Layout::Moved).await;
    let listen = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string();
    let url = format!("http://{listen}");
    let run = async |public: &str| {
        let mut program = glpi.program(&["check", "--listen", &listen, "--public-url", public]);
        timeout(PATIENCE, program.output()).await.unwrap().unwrap()
    };
    let output = run(&url).await;
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    // Its own listener, which starts and stops, is no news.
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    for line in [
        "ok: glpi-dir: ",
        "ok: documents: ",
        "ok: database: ",
        "ok: addresses: ",
        "warning: upstream: ",
    ] {
        assert!(said.lines().any(|said| said.starts_with(line)), "{said}");
    }

    fs::remove_dir_all(glpi.path("var/lib/glpi/_plugins/fusioninventory/files/manifests")).unwrap();
    let output = run("http://127.0.0.1:9").await;
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.ends_with("2 errors, 1 warning\n"), "{said}");
    assert!(
        said.contains("error: documents: ")
            && said.contains("error: addresses: http://127.0.0.1:9"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_says_nothing_is_refused_with_its_name() {
    let glpi = Glpi::new(Layout::Socket).await;
    fs::remove_file(glpi.path("glpi/config/config_db.php")).unwrap();
    let output = timeout(PATIENCE, glpi.program(&["check"]).output())
        .await
        .unwrap()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("glpi-dir") && said.contains("config/config_db.php does not exist"),
        "{said}"
    );
}
