//! The README says what is: its tables are those of the program, its commands run, its examples are taken.

#[path = "readme/elsewhere.rs"]
mod elsewhere;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use chrono::{DateTime, NaiveDateTime, TimeZone as _};
use chrono_tz::Tz;
use clap::Parser as _;
use fusion_sidecar::cli::Cli;
use fusion_sidecar::config::options::Key;
use fusion_sidecar::config::{Environment, Options, load, options::Source};
use fusion_sidecar::domain::driven::TaskMode;
use fusion_sidecar::domain::ids::TaskId;
use fusion_sidecar::domain::policy::Policy;
use fusion_sidecar::domain::timeslot::Week;
use fusion_sidecar::domain::timeslot::hours::HourRow;
use fusion_sidecar::telemetry::metrics;

use crate::support::app::start_on;
use crate::support::database::{TestDb, fresh, socket};
use crate::support::process::{Sidecar, ask, run, url_as};
use crate::support::readme::{README, blocks};
use elsewhere::RUN_ELSEWHERE;

fn commands() -> Vec<String> {
    let lines = blocks("sh").concat();
    lines.lines().map(str::to_owned).collect()
}

/// Fails with the whole table, to be pasted, if the README does not have it.
fn assert_has(table: &str) {
    assert!(README.contains(table), "the README lacks:\n{table}");
}

/// A text as a table's cell has it.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[test]
fn the_table_of_options_is_the_programs() {
    let mut table = "\n| Option | Variable | Default | Meaning |\n|---|---|---|---|\n".to_owned();
    for key in Key::all() {
        let help = key.help();
        let (meaning, default) = help
            .strip_suffix(']')
            .and_then(|help| help.split_once(" [default: "))
            .unwrap_or((&help, ""));
        let (name, variable) = (key.name(), key.variable());
        let (default, meaning) = (cell(default), cell(meaning));
        writeln!(table, "| `{name}` | `{variable}` | {default} | {meaning} |").unwrap();
    }
    assert_has(&(table + "\n"));
}

#[test]
fn the_table_of_metrics_is_the_programs() {
    let mut table = "\n| Metric | Kind | What |\n|---|---|---|\n".to_owned();
    for metric in metrics::ALL {
        let kind = format!("{:?}", metric.kind).to_lowercase();
        writeln!(
            table,
            "| `{}` | {kind} | {} |",
            metric.name,
            cell(metric.help)
        )
        .unwrap();
    }
    assert_has(&(table + "\n"));
}

#[test]
fn links_lead_somewhere() {
    let headings: BTreeSet<String> = README
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            line.trim_start_matches('#')
                .trim()
                .to_lowercase()
                .replace(' ', "-")
        })
        .collect();
    let mut links = 0;
    for link in README.split("](#").skip(1) {
        let link = link.split(')').next().unwrap();
        assert!(headings.contains(link), "no heading {link}");
        links += 1;
    }
    assert!(links > 0);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for named in ["fixtures/recordings", ".ci/run", "LICENSE"] {
        assert!(
            README.contains(named) && root.join(named).exists(),
            "{named}"
        );
    }
}

#[test]
fn commands_that_run_everything_are_run_by_ci() {
    let commands = commands();
    for (command, places) in RUN_ELSEWHERE {
        assert!(commands.iter().any(|line| line == command), "{command}");
        for (file, words) in places {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
            let text =
                std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{file}: {error}"));
            assert!(text.contains(words), "{command}: {file} has no {words}");
        }
    }
    Cli::try_parse_from(["fusion-sidecar", "demo"]).unwrap();
}

/// What the README's paths stand for in a test.
struct Stage {
    dir: tempfile::TempDir,
    db: TestDb,
}

impl Stage {
    async fn new() -> Self {
        let stage = Self {
            dir: tempfile::tempdir().unwrap(),
            db: fresh().await,
        };
        stage
            .db
            .exec(&sql_with("DROP TABLE").replace("IF EXISTS ", ""))
            .await;
        stage.write(
            "glpi/config/config_db.php",
            &format!(
                "<?php class DB extends DBmysql {{ public $dbhost = 'localhost:{}'; public $dbuser = 'root'; \
                 public $dbpassword = ''; public $dbdefault = '{}'; }}",
                socket().display(),
                stage.db.database.name
            ),
        );
        stage.write("sidecar.toml", &stage.placed(&blocks("toml")[0]));
        let copy = url_as("root", &stage.db).replace('?', "_copy?");
        stage.write("copy", &copy);
        for program in ["mariadb", "mariadb-admin", "mariadb-dump"] {
            let script = format!(
                "#!/bin/sh\nexec /usr/bin/{program} --no-defaults --socket={} --user=root \"$@\"\n",
                socket().display()
            );
            let path = stage.write(&format!("bin/{program}"), &script);
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let binary = stage.dir.path().join("bin/fusion-sidecar");
        symlink(env!("CARGO_BIN_EXE_fusion-sidecar"), binary).unwrap();
        stage
    }

    fn write(&self, name: &str, text: &str) -> std::path::PathBuf {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// A text of the README with this stage's paths and names.
    fn placed(&self, text: &str) -> String {
        let dir = self.dir.path().display();
        let name = &self.db.database.name;
        text.replace("/var/www/glpi", &format!("{dir}/glpi"))
            .replace("/etc/fusion-sidecar", &dir.to_string())
            .replace(" glpi_copy", &format!(" {name}_copy"))
            .replace(" glpi ", &format!(" {name} "))
    }

    /// Exit code and everything that was said.
    fn run(&self, line: &str) -> (Option<i32>, String) {
        let output = Command::new("/bin/sh")
            .args(["-c", &self.placed(line)])
            .env_clear()
            .env(
                "PATH",
                format!("{}/bin:/usr/bin:/bin", self.dir.path().display()),
            )
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap())
    }
}

/// The block of SQL that has `words` in it.
fn sql_with(words: &str) -> String {
    let mut blocks = blocks("sql");
    blocks.retain(|block| block.contains(words));
    assert_eq!(blocks.len(), 1, "{words}");
    blocks.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_other_command_runs() {
    let stage = Stage::new().await;
    let mut seen = BTreeSet::new();
    for line in commands() {
        if RUN_ELSEWHERE.iter().any(|(command, _)| line == *command) {
            continue;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        seen.insert(words[..2].join(" "));
        if words.starts_with(&["fusion-sidecar", "serve"]) {
            let placed = stage.placed(&line);
            let words: Vec<&str> = placed.split_whitespace().collect();
            let listen = words.iter().position(|word| *word == "--listen").unwrap();
            // Any free port instead of the one that is named.
            let arguments = [&words[2..listen], &words[listen + 2..]].concat();
            let sidecar = Sidecar::serve(&arguments, &[]);
            assert_eq!(sidecar.get("/sidecar/ready").0, 200);
            continue;
        }
        let (code, said) = stage.run(&line);
        // What `check` finds on this stage is no matter here, only that it looks.
        let fine = code == Some(0) || words[1] == "check" && code == Some(1);
        assert!(fine, "{line}: {code:?}\n{said}");
        assert!(
            words[1] != "check" || said.contains("ok: database: "),
            "{said}"
        );
    }
    stage
        .db
        .exec(&format!("DROP DATABASE {}_copy", stage.db.database.name))
        .await;
    for command in ["serve", "once", "migrate", "check", "tasks", "report"] {
        assert!(
            seen.contains(&format!("fusion-sidecar {command}")),
            "{command} is not shown"
        );
    }
}

#[test]
fn the_example_of_a_file_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let glpi = dir.path().join("config");
    std::fs::create_dir(&glpi).unwrap();
    std::fs::write(
        glpi.join("config_db.php"),
        "<?php class DB extends DBmysql { public $dbhost = 'h'; public $dbuser = 'u'; public $dbdefault = 'd'; }",
    )
    .unwrap();
    let file = dir.path().join("sidecar.toml");
    let example = &blocks("toml")[0];
    std::fs::write(
        &file,
        example.replace("/var/www/glpi", dir.path().to_str().unwrap()),
    )
    .unwrap();
    let mut flags = Options::default();
    flags.set(Key::Config, file.to_str().unwrap(), Source::Flag);
    let settings = load(&flags, &Environment::default()).unwrap();
    assert!(settings.upstream_url.is_some() && settings.glpi.is_some());
}

#[test]
fn the_unit_starts_what_there_is() {
    let blocks = blocks("ini");
    let unit = &blocks[0];
    let value = |key: &str| {
        let line = unit.lines().find(|line| line.starts_with(key));
        line.and_then(|line| line.split_once('='))
            .map(|(_, value)| value)
    };
    let start = value("ExecStart").unwrap();
    Cli::try_parse_from(start.split_whitespace()).unwrap();
    assert_eq!(value("Type"), Some("notify"));
    // Started again until the database is there, but not with a configuration that cannot become right.
    assert_eq!(value("Restart"), Some("on-failure"));
    assert_eq!(value("StartLimitIntervalSec"), Some("0"));
    assert_eq!(value("RestartSec"), Some("5"));
    let wrong = run(&["serve", "--policy", "strict"], &[]).status.code();
    assert_eq!(
        value("RestartPreventExitStatus").unwrap().parse().ok(),
        wrong
    );
    let settings = fusion_sidecar::config::Server::default();
    let stop: u64 = value("TimeoutStopSec").unwrap().parse().unwrap();
    assert!(stop > settings.shutdown_grace.as_secs());
    let files: usize = value("LimitNOFILE").unwrap().parse().unwrap();
    assert!(files > settings.max_connections);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_way_back_removes_the_own_tables_and_no_other() {
    let tables = async |db: &TestDb| -> BTreeSet<String> {
        let rows: Vec<String> = db
            .rows(
                "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()",
            )
            .await;
        rows.into_iter().collect()
    };
    let db = fresh().await;
    let before = tables(&db).await;
    // Twice: they may be gone already.
    for _ in 0..2 {
        db.exec(&sql_with("DROP TABLE")).await;
    }
    let after = tables(&db).await;
    let (own, shared): (BTreeSet<String>, BTreeSet<String>) = before
        .into_iter()
        .partition(|table| table.starts_with("glpi_plugin_fusioninventory_sidecar_"));
    assert_eq!(after, shared);
    assert!(own.len() > 2);
}

#[tokio::test]
async fn the_sequence_of_the_example_is_the_one_it_speaks_of() {
    let db = fresh().await;
    db.exec(
        "SET SESSION sql_mode = ''; INSERT INTO glpi_plugin_fusioninventory_tasks (id, is_active) VALUES (12, 1); \
         INSERT INTO glpi_plugin_fusioninventory_taskjobs (id, plugin_fusioninventory_tasks_id) VALUES (33, 12), (32, 12), (31, 12)",
    )
    .await;
    db.exec(&sql_with("sidecar_sequence (")).await;
    let app = start_on(db, |_| {}).await;
    let preparation = app.preparation(Policy::Redux);
    let catalogue = preparation.db().catalogue().await.unwrap();
    let sequence = &catalogue.sequences[&TaskId(12)];
    let places: Vec<(u32, u32, bool)> = sequence
        .places()
        .iter()
        .map(|place| (place.job.0, place.delay, place.after_success))
        .collect();
    assert_eq!(places, [(31, 0, false), (32, 0, false), (33, 7200, true)]);
    assert_eq!(
        (sequence.max_duration, sequence.min_period),
        (Some(8 * 3600), Some(7 * 86_400))
    );
    let timeouts: Vec<(u32, u32)> = app.db
        .rows("SELECT plugin_fusioninventory_taskjobs_id, timeout FROM glpi_plugin_fusioninventory_sidecar_jobs ORDER BY 1")
        .await;
    assert_eq!(timeouts, [(32, 3600), (33, 3600)]);
}

#[tokio::test]
async fn the_mode_of_the_example_is_the_one_it_speaks_of() {
    let db = fresh().await;
    db.exec(
        "SET SESSION sql_mode = ''; INSERT INTO glpi_plugin_fusioninventory_tasks (id, is_active) VALUES (12, 1); \
         INSERT INTO glpi_plugin_fusioninventory_taskjobs (id, plugin_fusioninventory_tasks_id) VALUES (31, 12)",
    )
    .await;
    db.exec(&sql_with("mode, min_period)")).await;
    let app = start_on(db, |_| {}).await;
    let preparation = app.preparation(Policy::Redux);
    let catalogue = preparation.db().catalogue().await.unwrap();
    let task = TaskId(12);
    assert_eq!(catalogue.mode(task, TaskMode::Server), TaskMode::Agent);
    assert_eq!(catalogue.sequences[&task].min_period, Some(6 * 3600));
}

#[tokio::test]
async fn the_hours_of_the_example_are_those_it_speaks_of() {
    let db = fresh().await;
    db.exec(&sql_with("sidecar_hours VALUES")).await;
    let stored: Vec<(u32, u8, u8, u8)> = db
        .rows(
            "SELECT plugin_fusioninventory_tasks_id, weekday, hour_start, hour_end FROM glpi_plugin_fusioninventory_sidecar_hours",
        )
        .await;
    assert!(stored.iter().all(|row| row.0 == 12));
    let rows = stored
        .iter()
        .map(|&(_, day, start, end)| HourRow::new(day, start, end));
    let week = Week::from_hours(rows);
    // A Monday.
    let at = |time: &str| -> DateTime<Tz> {
        let time: NaiveDateTime = format!("2026-03-{time}:00:00").parse().unwrap();
        Tz::UTC.from_utc_datetime(&time)
    };
    for (now, opens, closes) in [
        ("02T00", "02T19", "03T04"),
        ("03T04", "07T00", "08T00"),
        ("08T00", "09T19", "10T04"),
    ] {
        let opening = week.next_open(at(now)).unwrap();
        assert_eq!(opening, at(opens));
        assert_eq!(week.next_close(opening), Some(at(closes)));
    }
}

/// The way with an account of its own: statements, URL and file as they are shown.
#[tokio::test(flavor = "multi_thread")]
async fn an_account_of_its_own_suffices_to_serve_and_to_prepare() {
    let db = fresh().await;
    let name = &db.database.name;
    let user = format!("r_{name}");
    db.exec(
        &sql_with("`glpi_configs` TO")
            .replace("`glpi`", &format!("`{name}`"))
            .replace("'sidecar'@'localhost'", &format!("{user}@localhost")),
    )
    .await;
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().display().to_string();
    let theirs = blocks("text")[0]
        .replace("//sidecar:", &format!("//{user}:"))
        .replace("/glpi?", &format!("/{name}?"))
        .replace("/run/mysqld/mysqld.sock", &socket().display().to_string());
    std::fs::write(dir.path().join("database-url"), theirs).unwrap();
    let file = dir.path().join("own.toml");
    let example = blocks("toml")[1]
        .replace("/etc/fusion-sidecar", &place)
        .replace("/var/www/glpi", &place);
    std::fs::write(&file, example).unwrap();
    let config = ["--config", file.to_str().unwrap()];
    let output = run(&[&["once", "prepare"], &config[..]].concat(), &[]);
    assert!(output.status.success(), "{output:?}");
    let sidecar = Sidecar::serve(&[&["--scheduler", "off"], &config[..]].concat(), &[]);
    let body = "<REQUEST><DEVICEID>pc-1</DEVICEID><QUERY>PROLOG</QUERY></REQUEST>";
    // Registers, then knows.
    for _ in 0..2 {
        let (status, reply) = ask(sidecar.address, "POST", "/index.php", body).unwrap();
        assert!(
            status == 200 && reply.contains("PROLOG_FREQ"),
            "{status} {reply}"
        );
    }
    drop(sidecar);
    db.exec(&format!("DROP USER {user}@localhost")).await;
}
