//! `--glpi-dir`: from the directories that GLPI and its packagers make to a sidecar at work, with the built program.

use std::fs;
use std::path::PathBuf;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rstest::rstest;
use tempfile::TempDir;

use crate::support::account::{self, PASSWORD};
use crate::support::cut::Cut;
use crate::support::database::{self, TestDb, fresh};
use crate::support::listen;
use crate::support::process::{Sidecar, run, told};

/// What PHP's rawurlencode leaves alone besides letters and digits.
const RAW: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

const DEVICE: &str = "wks-1-2026-03-01-09-30-00";

const PART: &str = "one part of a file";

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
            Layout::Port => Cut::start(database::socket()).await.address().to_string(),
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
        glpi.write(&format!("{files}/repository/{}", part()), PART);
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

    /// Gives `act` the program's `arguments` and those that tell of this directory; its environment tells nothing.
    fn told_of<T>(&self, arguments: &[&str], act: impl FnOnce(&[&str]) -> T) -> T {
        let dir = self.path("glpi");
        let dir = dir.to_str().unwrap();
        let more = [
            "--glpi-dir",
            dir,
            "--timezone",
            "UTC",
            "--log-format",
            "json",
        ];
        act(&[arguments, &more].concat())
    }

    /// Runs a command: exit code, standard output, standard error.
    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        self.told_of(arguments, |all| told(&run(all, &[])))
    }

    fn serve(&self) -> Sidecar {
        self.told_of(&["--scheduler", "off"], |all| Sidecar::serve(all, &[]))
    }
}

/// Name of the file part: `x/xx/SHA512`.
fn part() -> String {
    let digest = "ab12".repeat(32);
    format!("a/ab/{digest}")
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn glpis_directory_is_all_that_is_needed(
    #[values(Layout::Socket, Layout::Port, Layout::Moved, Layout::Marketplace)] layout: Layout,
) {
    let glpi = Glpi::new(layout).await;
    let (code, said, complaints) = glpi.run(&["once", "prepare"]);
    assert_eq!(code, 0, "{complaints}");
    assert!(
        said.contains("1 jobs: 1 runs prepared, 0 cancelled"),
        "{said}"
    );

    let sidecar = glpi.serve();
    let get = |path: String| {
        let (status, body) = sidecar.get(&format!("/glpi/plugins/fusioninventory{path}"));
        assert_eq!(status, 200, "{path}");
        body
    };
    let config = get(format!(
        "/?action=getConfig&machineid={DEVICE}&task[Deploy]=2.8"
    ));
    let config: serde_json::Value = serde_json::from_str(&config).unwrap();
    let place = if layout == Layout::Marketplace {
        "marketplace"
    } else {
        "plugins"
    };
    assert_eq!(
        config["schedule"][0]["remote"],
        format!("http://glpi.example/glpi/{place}/fusioninventory/b/deploy/")
    );
    let file = get(format!("/b/deploy/?action=getFilePart&file={}", part()));
    assert_eq!(file, PART);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_says_all_on_glpis_directory_and_ends_as_it_says() {
    let glpi = Glpi::new(Layout::Moved).await;
    let listen = listen::free().to_string();
    let check = |public: &str| {
        // The default may be more than the files that may be open here.
        let few = "--max-connections=100";
        let arguments = ["check", "--listen", &listen, "--public-url", public, few];
        let (code, said, log) = glpi.run(&arguments);
        // Its own listener, which starts and stops, is no news.
        assert_eq!(log, "");
        (code, said)
    };
    let (code, said) = check(&format!("http://{listen}"));
    assert_eq!(code, 0, "{said}");
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
    let (code, said) = check("http://127.0.0.1:9");
    assert_eq!(code, 1, "{said}");
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
    let (code, _, said) = glpi.run(&["check"]);
    assert_eq!(code, 2, "{said}");
    assert!(
        said.contains("glpi-dir") && said.contains("config/config_db.php does not exist"),
        "{said}"
    );
}
