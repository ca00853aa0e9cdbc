use super::*;
use crate::config::{DEFAULT_PREFIXES, LogFormat, Wakeup, options::Source};
use crate::domain::policy::Policy;
use std::fs;

mod delivery;
mod listeners;
mod ranges;
mod spool;
mod wakeup;
mod web;

const URL: &str = "mysql://u:geheim@h/d";

fn flags<const N: usize>(values: [(Key, &str); N]) -> Options {
    let mut options = Options::default();
    for (key, text) in values {
        options.set(key, text, Source::Flag);
    }
    options
}

fn faults<const N: usize>(values: [(Key, &str); N]) -> Vec<String> {
    let faults = load(&flags(values), &Environment::default()).unwrap_err();
    faults.0.iter().map(ToString::to_string).collect()
}

#[test]
fn defaults() {
    let settings = load(&flags([(Key::DatabaseUrl, URL)]), &Environment::default()).unwrap();
    assert_eq!(settings.server.listen.to_string(), "127.0.0.1:8086");
    assert_eq!(settings.server.prefixes, DEFAULT_PREFIXES);
    assert_eq!(
        (settings.server.max_body, settings.server.max_inflated),
        (16 << 20, 128 << 20)
    );
    assert_eq!(
        (
            settings.server.max_connections,
            settings.database.max_connections
        ),
        (20_000, 16)
    );
    assert_eq!(settings.dispatch.policy, Policy::Redux);
    assert_eq!(settings.dispatch.catalogue_refresh, Duration::from_secs(5));
    assert!(settings.dispatch.max_sends == 3 && settings.scheduler.enabled);
    assert_eq!(settings.scheduler.period, Duration::from_mins(1));
    assert_eq!(settings.database.session_zone, SessionZone::Server);
    assert_eq!(
        (&settings.log.filter, settings.log.format),
        (&None, LogFormat::Text)
    );
    assert!(
        settings.glpi.is_none()
            && settings.server.tls.is_none()
            && settings.server.ops_listen.is_none()
            && settings.dispatch.public_url.is_none()
            && !format!("{settings:?}").contains("geheim")
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "a line or two an option")]
fn every_option_reaches_its_setting() {
    let settings = load(
        &flags([
            (Key::DatabaseUrl, URL),
            (Key::DatabaseMaxConnections, "2"),
            (Key::DatabaseTimeout, "3"),
            (Key::Timezone, "Europe/Berlin"),
            (Key::Listen, "127.0.0.2:1"),
            (Key::OpsListen, "127.0.0.3:2"),
            (Key::TlsCert, "/c"),
            (Key::TlsKey, "/k"),
            (Key::TrustedProxies, "127.0.0.1"),
            (Key::Prefixes, "/p"),
            (Key::PublicUrl, "https://p.example/"),
            (Key::Policy, "plugin"),
            (Key::PluginDocDir, "/docs"),
            (Key::CatalogueRefresh, "0"),
            (Key::MaxSends, "4"),
            (Key::Scheduler, "off"),
            (Key::SchedulerPeriod, "5"),
            (Key::RunTimeout, "22"),
            (Key::CleaningPeriod, "19"),
            (Key::CleaningBatch, "20"),
            (Key::KeepRuns, "21"),
            (Key::KeepChanges, "26"),
            (Key::WakeupNetworks, "10.0.0.0/8"),
            (Key::WakeupNames, "off"),
            (Key::WakeupAtOnce, "22"),
            (Key::WakeupRate, "23"),
            (Key::WakeupTimeout, "24"),
            (Key::Lease, "25"),
            (Key::SchedulerBesideCron, "on"),
            (Key::UpstreamUrl, "https://u.example/"),
            (Key::SpoolDir, "/spool"),
            (Key::MaxBody, "6"),
            (Key::MaxBodies, "18"),
            (Key::MaxInflated, "7"),
            (Key::MaxParameters, "12"),
            (Key::MaxXmlElements, "13"),
            (Key::MaxXmlDepth, "14"),
            (Key::WriteQueue, "15"),
            (Key::MaxNewAgents, "16"),
            (Key::MaxUnpacking, "17"),
            (Key::HeaderTimeout, "8"),
            (Key::BodyTimeout, "9"),
            (Key::RequestTimeout, "10"),
            (Key::MaxConnections, "11"),
            (Key::DeliverAtOnce, "5"),
            (Key::DeliverAttempts, "6"),
            (Key::DeliverTimeout, "7"),
            (Key::DeliverSupersede, "off"),
            (Key::DeliverRunWait, "0"),
            (Key::ShutdownGrace, "0"),
            (Key::Log, "warn"),
            (Key::LogFormat, "json"),
        ]),
        &Environment::default(),
    )
    .unwrap();
    let Settings {
        database,
        server,
        dispatch,
        scheduler,
        wakeup,
        web: _,
        glpi,
        upstream_url,
        spool_dir,
        delivery,
        spool_bounds: _,
        timezone,
        log,
    } = settings;
    delivery::is_as_given(&delivery);
    assert_eq!(
        (database.max_connections, database.timeout.as_secs()),
        (2, 3)
    );
    assert_eq!(
        (database.session_zone, timezone),
        (SessionZone::Timezone, chrono_tz::Europe::Berlin)
    );
    let listeners = [server.listen, server.ops_listen.unwrap()];
    assert_eq!(
        listeners.map(|at| at.to_string()),
        ["127.0.0.2:1", "127.0.0.3:2"]
    );
    assert_eq!(server.tls, Some(("/c".into(), "/k".into())));
    assert_eq!(
        (server.trusted_proxies.len(), server.prefixes),
        (1, vec!["/p".to_owned()])
    );
    assert_eq!(
        (server.max_body, server.max_inflated, server.max_connections),
        (6, 7, 11)
    );
    assert_eq!(
        (
            server.max_parameters,
            server.max_xml_elements,
            server.max_xml_depth,
            dispatch.write_queue,
            dispatch.max_new_agents,
            server.max_unpacking,
            server.max_bodies
        ),
        (12, 13, 14, 15, 16, 17, 18)
    );
    let timeouts = [
        server.header_timeout,
        server.body_timeout,
        server.request_timeout,
        server.shutdown_grace,
    ];
    assert_eq!(timeouts.map(|timeout| timeout.as_secs()), [8, 9, 10, 0]);
    assert_eq!(dispatch.public_url.unwrap().as_str(), "https://p.example/");
    assert_eq!((dispatch.policy, dispatch.max_sends), (Policy::Plugin, 4));
    assert_eq!(
        (dispatch.plugin_doc_dir, dispatch.catalogue_refresh),
        (Some("/docs".into()), Duration::ZERO)
    );
    assert_eq!((scheduler.enabled, scheduler.period.as_secs()), (false, 5));
    assert_eq!(
        (
            scheduler.cleaning_period.as_secs(),
            scheduler.cleaning_batch,
            scheduler.keep_runs,
            scheduler.keep_changes,
            scheduler.run_timeout.as_secs(),
            scheduler.lease.as_secs(),
            scheduler.beside_cron,
        ),
        (19, 20, 21, 26, 22, 25, true)
    );
    let expected = Wakeup {
        networks: vec!["10.0.0.0/8".parse().unwrap()],
        names: false,
        at_once: 22,
        rate: 23,
        timeout: Duration::from_secs(24),
    };
    assert_eq!(wakeup, expected);
    assert_eq!(
        (upstream_url.unwrap().as_str(), spool_dir),
        ("https://u.example/", Some("/spool".into()))
    );
    assert_eq!(
        (log.filter.as_deref(), log.format, glpi),
        (Some("warn"), LogFormat::Json, None)
    );
}

#[test]
fn flag_beats_variable_beats_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sidecar.toml");
    fs::write(
        &path,
        format!("database-url = '{URL}'\nmax-sends = 1\nmax-body = 1\nmax-inflated = 1\n"),
    )
    .unwrap();
    let environment = Environment::from_iter([
        ("FUSION_SIDECAR_CONFIG", path.to_str().unwrap()),
        ("FUSION_SIDECAR_MAX_SENDS", "2"),
        ("FUSION_SIDECAR_MAX_BODY", "2"),
    ]);
    let settings = load(&flags([(Key::MaxSends, "3")]), &environment).unwrap();
    assert_eq!(
        (
            settings.dispatch.max_sends,
            settings.server.max_body,
            settings.server.max_inflated
        ),
        (3, 2, 1)
    );
}

#[test]
fn all_faults_of_all_layers_are_reported_with_their_place() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sidecar.toml");
    fs::write(&path, "lisen = 1\nmax-body = 'x'\n").unwrap();
    let path = path.to_str().unwrap();
    let environment = Environment::from_iter([
        ("FUSION_SIDECAR_POLICY", "strict"),
        ("FUSION_SIDECAR_PORT", "1"),
    ]);
    let values = [
        (Key::Config, path),
        (Key::Timezone, "Mars"),
        (Key::DatabaseUrl, "mysql://u:geheim@h"),
    ];
    let shown = load(&flags(values), &environment).unwrap_err().to_string();
    assert_eq!(
        shown.lines().collect::<Vec<_>>(),
        [
            "FUSION_SIDECAR_PORT: no option has this variable",
            &format!("lisen: {path} line 1 column 1: no option has this name"),
            "timezone: --timezone: 'Mars' is no time zone such as Europe/Berlin",
            "database-url: --database-url: names no database: it ends in /NAME",
            &format!(
                "max-body: {path} line 2 column 1: 'x' is no whole number from 1 to 1073741824"
            ),
            "policy: FUSION_SIDECAR_POLICY: 'strict' is no policy: redux or plugin",
        ]
    );
}

#[test]
fn runs_may_be_silent_for_ever() {
    for (values, expected) in [
        (vec![], Duration::from_hours(2)),
        (vec![(Key::RunTimeout, "0")], Duration::ZERO),
    ] {
        let mut options = flags([(Key::DatabaseUrl, URL)]);
        for (key, value) in values {
            options.set(key, value, Source::Flag);
        }
        let settings = load(&options, &Environment::default()).unwrap();
        assert_eq!(settings.scheduler.run_timeout, expected);
    }
}

#[test]
fn exactly_one_database() {
    assert_eq!(
        faults([]),
        ["database-url: is missing: give database-url, database-url-file or glpi-dir"]
    );
    assert_eq!(
        faults([(Key::DatabaseUrl, URL), (Key::GlpiDir, "/glpi")]),
        [
            "database-url: only one can name the database, but there are database-url (--database-url) and glpi-dir (--glpi-dir)"
        ]
    );
}

#[test]
fn beside_a_file_that_cannot_be_read_nothing_is_said_to_be_missing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.toml");
    fs::write(&path, "database-url").unwrap();
    for (path, fault) in [
        (path.to_str().unwrap(), "line 1 column 13: "),
        ("/nonexistent/a.toml", "cannot be read: "),
    ] {
        let shown = faults([(Key::Config, path), (Key::MaxSends, "x")]);
        assert!(shown[0].contains(fault), "{shown:?}");
        assert_eq!(
            shown[1..],
            ["max-sends: --max-sends: 'x' is no whole number from 1 to 1000"]
        );
    }
    // One that can be read, and has no database in it.
    fs::write(&path, "lisen = 1").unwrap();
    let shown = faults([(Key::Config, path.to_str().unwrap())]);
    assert!(
        shown.len() == 2 && shown[1].starts_with("database-url: is missing"),
        "{shown:?}"
    );
}

#[test]
fn a_misspelt_name_is_one_fault() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.toml");
    for (text, name) in [
        ("glpi_dir = '/x'".to_owned(), "glpi_dir"),
        ("glpi-dri = '/x'".to_owned(), "glpi-dri"),
        ("database-ulr-file = '/x'".to_owned(), "database-ulr-file"),
        ("Database-URL = 'x'".to_owned(), "Database-URL"),
        ("glpi-dir = 1.5".to_owned(), "glpi-dir"),
        (
            format!("database-url = '{URL}'\ntls_cert = '/c'\ntls-key = '/k'"),
            "tls_cert",
        ),
    ] {
        fs::write(&path, &text).unwrap();
        let shown = faults([(Key::Config, path.to_str().unwrap())]);
        assert!(
            shown.len() == 1 && shown[0].starts_with(&format!("{name}: ")),
            "{text}: {shown:?}"
        );
    }
    let environment = Environment::from_iter([("FUSION_SIDECAR_GLPI_DIRR", "/x")]);
    let shown = load(&Options::default(), &environment).unwrap_err();
    assert_eq!(
        shown.to_string(),
        "FUSION_SIDECAR_GLPI_DIRR: no option has this variable"
    );
}

#[test]
fn half_a_tls_pair_is_a_fault() {
    let expected = ["tls-key: is missing beside tls-cert (--tls-cert)"];
    assert_eq!(
        faults([(Key::DatabaseUrl, URL), (Key::TlsCert, "/c")]),
        expected
    );
    let expected = ["tls-cert: is missing beside tls-key (--tls-key)"];
    assert_eq!(
        faults([(Key::DatabaseUrl, URL), (Key::TlsKey, "/k")]),
        expected
    );
}

#[test]
fn the_database_url_may_lie_in_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("url");
    let name = path.to_str().unwrap();
    fs::write(&path, format!("{URL}\nanything")).unwrap();
    let settings = load(
        &flags([(Key::DatabaseUrlFile, name)]),
        &Environment::default(),
    )
    .unwrap();
    assert_eq!(settings.database.host, "h");

    fs::write(&path, "mysql://u:geheim@h").unwrap();
    let expected = format!(
        "database-url-file: --database-url-file: the first line of {name} names no database: it ends in /NAME"
    );
    assert_eq!(faults([(Key::DatabaseUrlFile, name)]), [expected]);

    let missing = faults([(Key::DatabaseUrlFile, "/nonexistent/url")]);
    assert!(
        missing[0].contains("/nonexistent/url cannot be read: No such file"),
        "{missing:?}"
    );
}

#[test]
fn glpi_gives_everything_and_a_given_document_directory_wins() {
    let directory = tempfile::tempdir().unwrap();
    let config = "<?php class DB extends DBmysql { public $dbhost = 'h'; public $dbuser = 'u'; public $dbpassword = 'p';
        public $dbdefault = 'd'; public $use_timezones = true; }";
    fs::create_dir_all(directory.path().join("config")).unwrap();
    fs::write(directory.path().join("config/config_db.php"), config).unwrap();
    let root = directory.path().to_str().unwrap();
    let settings = load(
        &flags([(Key::GlpiDir, root), (Key::DatabaseTimeout, "7")]),
        &Environment::default(),
    )
    .unwrap();
    assert_eq!(
        (
            settings.database.host.as_str(),
            settings.database.timeout.as_secs()
        ),
        ("h", 7)
    );
    assert_eq!(settings.database.session_zone, SessionZone::Timezone);
    assert_eq!(
        settings.dispatch.plugin_doc_dir,
        Some(directory.path().join("files/_plugins/fusioninventory"))
    );
    assert!(settings.glpi.unwrap().use_timezones);

    let environment = Environment::from_iter([("GLPI_VAR_DIR", "/moved")]);
    let settings = load(&flags([(Key::GlpiDir, root)]), &environment).unwrap();
    assert_eq!(
        settings.dispatch.plugin_doc_dir,
        Some("/moved/_plugins/fusioninventory".into())
    );

    let settings = load(
        &flags([(Key::GlpiDir, root), (Key::PluginDocDir, "/docs")]),
        &Environment::default(),
    )
    .unwrap();
    assert_eq!(settings.dispatch.plugin_doc_dir, Some("/docs".into()));
}

#[test]
fn a_directory_without_glpi_is_a_fault() {
    let directory = tempfile::tempdir().unwrap();
    let shown = faults([(Key::GlpiDir, directory.path().to_str().unwrap())]);
    assert!(
        shown.len() == 1 && shown[0].starts_with("glpi-dir: --glpi-dir: "),
        "{shown:?}"
    );
}
