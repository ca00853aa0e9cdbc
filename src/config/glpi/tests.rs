use std::fs;
use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;
use secrecy::ExposeSecret;
use tempfile::TempDir;

use super::*;

/// A GLPI with these files.
fn glpi(files: &[(&str, &str)]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    root
}

/// `config_db.php` with a working connection, `more` following.
fn config(more: &str) -> String {
    format!(
        "<?php\nclass DB extends DBmysql {{\n   public $dbhost = 'db';\n   public $dbuser = 'glpi';\n   public $dbpassword = 'p%40ss%C3%A4';\n   \
         public $dbdefault = 'glpidb';\n{more}\n}}\n"
    )
}

fn read_config(config: &str) -> Result<Glpi, String> {
    let root = glpi(&[("config/config_db.php", config)]);
    read(root.path(), |_| None).map_err(|error| error.to_string())
}

#[test]
fn what_glpi_writes() {
    let root = glpi(&[(
        "config/config_db.php",
        &config("   public $use_utf8mb4 = true;"),
    )]);
    let found = read(root.path(), |_| None).unwrap();
    let database = &found.database;
    assert_eq!(
        (database.host.as_str(), database.port, &database.socket),
        ("db", 3306, &None)
    );
    assert_eq!(
        (database.user.as_str(), database.name.as_str()),
        ("glpi", "glpidb")
    );
    assert_eq!(database.password.as_ref().unwrap().expose_secret(), "p@ssä");
    assert_eq!(
        (database.session_zone, &database.tls),
        (SessionZone::Server, &None)
    );
    assert_eq!(
        found.plugin_doc_dir,
        root.path().join("files/_plugins/fusioninventory")
    );
    let place = GlpiPlace {
        root: root.path().to_owned(),
        plugin_base: None,
        use_timezones: false,
        notes: Vec::new(),
    };
    assert_eq!(found.place, place);
    assert!(!format!("{found:?}").contains("p@ss"));
}

#[test]
fn what_people_write() {
    let source = r#"<?php
        # class DB { public $dbuser = 'comment'; }
        class DBSlave extends DBmysql { public $dbhost = 'slave'; }
        final class db extends DBmysql
        {
            var $dbhost = array('first:3307', "second");
            protected ?string $dbuser = "gl\"pi"; // $dbuser = 'comment';
            public $dbpassword;
            public static string $dbdefault='glpi' . 'db' ;
            public $use_timezones = 1; public bool $dbssl = TRUE;
            public $dbsslca = GLPI_ROOT . '/ca.pem';
            public $dbsslcert = '/c.pem'; public $dbsslkey = '/k.pem'; public $dbsslcapath = NULL;
            function __construct($dbuser = 'default') {
                if ($this->dbuser == 'x') { $dbhost = 'local'; }
                parent::__construct();
            }
        }
    "#;
    let root = glpi(&[("config/config_db.php", source)]);
    let Glpi {
        database, place, ..
    } = read(root.path(), |_| None).unwrap();
    assert_eq!((database.host.as_str(), database.port), ("first", 3307));
    assert_eq!(
        (database.user.as_str(), database.name.as_str()),
        ("gl\"pi", "glpidb")
    );
    assert!(database.password.is_none());
    assert_eq!(database.session_zone, SessionZone::Timezone);
    let tls = DatabaseTls {
        ca: Some(root.path().join("ca.pem")),
        identity: Some(("/c.pem".into(), "/k.pem".into())),
        accept_invalid: false,
    };
    assert_eq!(database.tls, Some(tls));
    let note = "GLPI spreads its connections over 2 database hosts; the first, first:3307, is used";
    assert_eq!(place.notes, [note]);
}

#[test]
fn hosts() {
    let socket = Some(Path::new("/run/usual.sock"));
    for (text, host, port, expected) in [
        ("db", "db", None, None),
        ("db:3307", "db", Some(3307), None),
        ("db:", "db", None, None),
        ("localhost", "localhost", None, socket),
        ("LOCALHOST:3307", "LOCALHOST", Some(3307), socket),
        (
            "localhost:/run/x.sock",
            "localhost",
            None,
            Some(Path::new("/run/x.sock")),
        ),
        ("db:/run/x.sock", "db", None, Some(Path::new("/run/x.sock"))),
        (
            ":/run/x.sock",
            "localhost",
            None,
            Some(Path::new("/run/x.sock")),
        ),
        ("127.0.0.1", "127.0.0.1", None, None),
        ("[::1]:3306", "::1", Some(3306), None),
        ("[::1]", "::1", None, None),
        ("fe80::1", "fe80::1", None, None),
    ] {
        let expected = Address {
            host: host.to_owned(),
            port,
            socket: expected.map(Path::to_owned),
        };
        assert_eq!(Address::parse(text, socket), Ok(expected), "{text}");
    }
    assert_eq!(Address::parse("localhost", None).unwrap().socket, None);
    for text in ["db:port", "db:0", "db:65536", "p:db:3306", "[::1]x"] {
        assert!(Address::parse(text, None).is_err(), "{text}");
    }
}

#[test]
fn what_cannot_be_used_is_refused_with_file_and_property() {
    for (source, expected) in [
        ("<?php // nothing".to_owned(), "has no class DB"),
        ("class DB { }".to_owned(), "has no class DB"),
        (
            "<?php class DB { }".to_owned(),
            "$dbhost of class DB is missing or empty",
        ),
        (
            config("public $dbuser = '';"),
            "$dbuser of class DB is missing or empty",
        ),
        (
            config("public $dbuser = DB_USER;"),
            "$dbuser of class DB can only be worked out by PHP",
        ),
        (
            config("function __construct() { $this->dbpassword = getenv('PW'); }"),
            "$dbpassword of class DB can only be worked out",
        ),
        (
            config("public $dbdefault = ['a'];"),
            "$dbdefault of class DB is an array",
        ),
        (
            config("public $dbhost = [];"),
            "$dbhost of class DB is missing or empty",
        ),
        (
            config("public $dbhost = 'db:x';"),
            "$dbhost of class DB has neither a port nor",
        ),
        (
            config("public $dbpassword = '%FF';"),
            "$dbpassword of class DB is not UTF-8 once decoded",
        ),
        (
            config("public $dbssl = true; public $dbsslkey = '/k';"),
            "$dbsslcert of class DB is missing beside $dbsslkey",
        ),
        (
            config("public $dbssl = true; public $dbsslcert = '/c';"),
            "$dbsslkey of class DB is missing beside $dbsslcert",
        ),
        (
            config("public $dbssl = true; public $dbsslcapath = '/c';"),
            "$dbsslcapath of class DB names a directory",
        ),
    ] {
        let error = read_config(&source).unwrap_err();
        assert!(
            error.contains("config/config_db.php") && error.contains(expected),
            "{source}: {error}"
        );
        assert!(
            !error.contains("p@ss") && !error.contains("p%40ss"),
            "{error}"
        );
    }
}

#[test]
fn latin1_is_fine_in_comments_only() {
    let root = glpi(&[]);
    fs::create_dir(root.path().join("config")).unwrap();
    let file = root.path().join("config/config_db.php");
    fs::write(
        &file,
        [b"<?php // \xe4\n".as_slice(), &config("").as_bytes()[5..]].concat(),
    )
    .unwrap();
    assert_eq!(read(root.path(), |_| None).unwrap().database.user, "glpi");
    fs::write(
        &file,
        [b"<?php class DB { public $dbhost = 'h'; public $dbuser = '\xe4'; }".as_slice()].concat(),
    )
    .unwrap();
    let error = read(root.path(), |_| None).unwrap_err().to_string();
    assert!(
        error.contains("$dbuser of class DB is not UTF-8"),
        "{error}"
    );
}

#[test]
fn directories_moved_as_the_manual_of_glpi_says() {
    let etc = glpi(&[("config_db.php", &config(""))]);
    let etc_path = etc.path().to_str().unwrap();
    fs::write(
        etc.path().join("local_define.php"),
        "<?php\ndefine('GLPI_VAR_DIR', '/var/lib/glpi');\n",
    )
    .unwrap();
    let downstream = format!(
        "<?php\ndefine('GLPI_CONFIG_DIR', '{etc_path}/');\nif (file_exists(GLPI_CONFIG_DIR . '/local_define.php')) {{\n   require_once \
         GLPI_CONFIG_DIR . '/local_define.php';\n}}\n"
    );
    let root = glpi(&[
        ("inc/downstream.php", &downstream),
        ("plugins/fusioninventory/setup.php", ""),
    ]);
    let found = read(root.path(), |_| None).unwrap();
    assert_eq!(found.database.host, "db");
    assert_eq!(
        found.plugin_doc_dir,
        Path::new("/var/lib/glpi/_plugins/fusioninventory")
    );
    assert_eq!(found.place.plugin_base, Some(PluginBase::Plugins));

    // The environment comes first, then config/local_define.php, then inc/downstream.php.
    let local = "<?php define('GLPI_VAR_DIR', GLPI_ROOT . '/local'); define('GLPI_PLUGIN_DOC_DIR', GLPI_VAR_DIR . '/docs');";
    fs::create_dir(root.path().join("config")).unwrap();
    fs::write(root.path().join("config/local_define.php"), local).unwrap();
    let found = read(root.path(), |_| None).unwrap();
    assert_eq!(
        found.plugin_doc_dir,
        root.path().join("local/docs/fusioninventory")
    );
    let env = |name: &str| (name == "GLPI_VAR_DIR").then(|| "/env".to_owned());
    assert_eq!(
        read(root.path(), env).unwrap().plugin_doc_dir,
        Path::new("/env/docs/fusioninventory")
    );
}

#[test]
fn the_marketplace_comes_first_and_can_be_moved() {
    let root = glpi(&[
        ("config/config_db.php", &config("")),
        ("plugins/fusioninventory/setup.php", ""),
        ("marketplace/fusioninventory/setup.php", ""),
    ]);
    assert_eq!(
        read(root.path(), |_| None).unwrap().place.plugin_base,
        Some(PluginBase::Marketplace)
    );
    let moved = |name: &str| (name == "GLPI_MARKETPLACE_DIR").then(|| "/nonexistent".to_owned());
    assert_eq!(
        read(root.path(), moved).unwrap().place.plugin_base,
        Some(PluginBase::Plugins)
    );
}

#[test]
fn a_constant_that_is_not_needed_may_be_anything() {
    let local = "<?php define('GLPI_DUMP_DIR', getenv('DUMPS'));";
    let root = glpi(&[
        ("config/config_db.php", &config("")),
        ("config/local_define.php", local),
    ]);
    assert!(read(root.path(), |_| None).is_ok());

    let local = "<?php define('GLPI_PLUGIN_DOC_DIR', getenv('DOCS') . '/x');";
    fs::write(root.path().join("config/local_define.php"), local).unwrap();
    let error = read(root.path(), |_| None).unwrap_err().to_string();
    assert!(
        error.ends_with("set the environment variable GLPI_PLUGIN_DOC_DIR to it"),
        "{error}"
    );
}

#[test]
fn missing_and_unreadable_files_say_how_to_mend_it() {
    let error = read(Path::new("/nonexistent"), |_| None)
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("/nonexistent is no directory that can be entered"),
        "{error}"
    );

    let root = glpi(&[]);
    let error = read(root.path(), |_| None).unwrap_err().to_string();
    assert!(
        error.contains("config/config_db.php does not exist"),
        "{error}"
    );

    // A directory in the file's place is unreadable for root too, who may read any file.
    fs::create_dir_all(root.path().join("config/config_db.php")).unwrap();
    let error = read(root.path(), |_| None).unwrap_err().to_string();
    assert!(
        error.contains("config/config_db.php cannot be read (") && error.contains("setfacl"),
        "{error}"
    );

    let root = glpi(&[("config/config_db.php", &config(""))]);
    let file = root.path().join("config/config_db.php");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::File::open(&file).is_err() {
        let error = read(root.path(), |_| None).unwrap_err().to_string();
        assert!(
            error.contains("cannot be read (Permission denied"),
            "{error}"
        );
    }
}

#[test]
fn a_huge_file_is_refused() {
    let size = usize::try_from(MAX_FILE).unwrap() + 1;
    let error = read_config(&" ".repeat(size)).unwrap_err();
    assert!(error.contains("has more than 1048576 bytes"), "{error}");
}

proptest! {
    #[test]
    fn a_password_round_trips(password in "[^\0]{1,20}") {
        let encoded = percent_encoding::utf8_percent_encode(&password, percent_encoding::NON_ALPHANUMERIC);
        let found = read_config(&config(&format!("public $dbpassword = '{encoded}';"))).unwrap();
        let found = found.database.password.as_ref().map(ExposeSecret::expose_secret);
        prop_assert_eq!(found, Some(password.as_str()));
    }

    #[test]
    fn host_never_panics(text in "[\\[\\]:/a0-9.]*") {
        let _ = Address::parse(&text, None);
    }
}
