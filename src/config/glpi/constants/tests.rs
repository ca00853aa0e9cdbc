use std::fs;

use proptest::prelude::*;

use super::*;

/// What `GLPI_VAR_DIR` is after `source` in `config/local_define.php`, `D` standing for its directory.
fn var_dir(source: &str) -> Result<String, String> {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("config");
    fs::create_dir(&directory).unwrap();
    fs::write(
        directory.join("local_define.php"),
        format!("<?php\n{source}"),
    )
    .unwrap();
    fs::write(
        directory.join("more.php"),
        "<?php define('GLPI_VAR_DIR', '/more');",
    )
    .unwrap();
    let constants = Constants::read(root.path(), |_| None).map_err(|error| error.to_string())?;
    let found = constants.directory("GLPI_VAR_DIR", || "/default".into());
    let found = found.map_err(|error| error.to_string())?;
    Ok(found
        .to_str()
        .unwrap()
        .replace(directory.to_str().unwrap(), "D")
        .replace(root.path().to_str().unwrap(), "R"))
}

#[test]
fn what_can_be_followed() {
    for (source, expected) in [
        ("", "/default"),
        ("define('GLPI_VAR_DIR', '/a');", "/a"),
        ("\\define( \"GLPI_VAR_DIR\" , '/a' ) ;", "/a"),
        ("const GLPI_VAR_DIR = '/a';", "/a"),
        ("const BASE = '/b', GLPI_VAR_DIR = BASE . '/a';", "/b/a"),
        (
            "define('GLPI_VAR_DIR', '/a'); define('GLPI_VAR_DIR', '/b');",
            "/a",
        ),
        ("define('GLPI_VAR_DIR', GLPI_ROOT . '/a');", "R/a"),
        ("define('GLPI_VAR_DIR', __DIR__ . '/a');", "D/a"),
        ("// define('GLPI_VAR_DIR', '/a');", "/default"),
        (
            "defined('GLPI_VAR_DIR') || define('GLPI_VAR_DIR', '/a');",
            "/a",
        ),
        (
            "if (!defined('GLPI_VAR_DIR')) { define('GLPI_VAR_DIR', '/a'); }",
            "/a",
        ),
        (
            "if (!defined('GLPI_VAR_DIR')): define('GLPI_VAR_DIR', '/a'); endif; $x = 1;",
            "/a",
        ),
        (
            "if (defined('X')) define('GLPI_VAR_DIR', '/a'); else define('GLPI_VAR_DIR', '/b');",
            "/b",
        ),
        (
            "if (defined('X')) {} elseif (is_dir(__DIR__)) { define('GLPI_VAR_DIR', '/a'); } else { f(); }",
            "/a",
        ),
        (
            "if (defined('GLPI_ROOT') && is_file(__DIR__ . '/more.php')) { define('GLPI_VAR_DIR', '/a'); }",
            "/a",
        ),
        (
            "if (file_exists(__DIR__ . '/no.php') && f()) { define('GLPI_VAR_DIR', '/a'); }",
            "/default",
        ),
        ("if (f()) { define('OTHER', '/a'); }", "/default"),
        ("require_once __DIR__ . '/more.php';", "/more"),
        ("include('more.php');", "/more"),
        ("include 'no.php';", "/default"),
        ("if (file_exists('more.php')) require 'more.php';", "/more"),
        (
            "include 'local_define.php'; define('GLPI_VAR_DIR', '/a');",
            "/a",
        ),
        ("return; define('GLPI_VAR_DIR', '/a');", "/default"),
        (
            "if (defined('TU_USER')) { return; } define('GLPI_VAR_DIR', '/a');",
            "/a",
        ),
        (
            "ini_set('x', 'y'); $a = ['b' => f()]; define('GLPI_VAR_DIR', '/a');",
            "/a",
        ),
        (
            "foreach ($a as $b) { f($b); } define('GLPI_VAR_DIR', '/a');",
            "/a",
        ),
        // Some instructions found on the web forget the last brace.
        (
            "if (file_exists(__DIR__ . '/more.php')) { require_once __DIR__ . '/more.php'; ?>",
            "/more",
        ),
    ] {
        assert_eq!(var_dir(source).as_deref(), Ok(expected), "{source}");
    }
}

#[test]
fn what_only_php_knows_is_an_error_with_file_and_constant() {
    for source in [
        "define('GLPI_VAR_DIR', getenv('X'));",
        "define('GLPI_VAR_DIR', GLPI_OTHER . '/a');",
        "define('GLPI_VAR_DIR', \"$x/a\");",
        "define('GLPI_VAR_DIR', ['/a']);",
        "define($name, '/a');",
        "if (f()) { define('GLPI_VAR_DIR', '/a'); }",
        "if (f()) { g(); } else { define('GLPI_VAR_DIR', '/a'); }",
        "if (f()) { return; } define('GLPI_VAR_DIR', '/a');",
        "foreach ($a as $b) { define('GLPI_VAR_DIR', $b); }",
        "(function () { define('GLPI_VAR_DIR', '/a'); })();",
        "require 'no.php'; define('GLPI_VAR_DIR', '/a');",
        "require $x;",
        "$y = require 'more.php';",
        "f() && define('GLPI_VAR_DIR', '/a');",
        "require $x; if (!defined('GLPI_VAR_DIR')) { define('GLPI_VAR_DIR', '/a'); }",
    ] {
        let error = var_dir(source).unwrap_err();
        assert!(
            error.contains("config/local_define.php") && error.contains("GLPI_VAR_DIR"),
            "{source}: {error}"
        );
    }
    let deep = format!("{} define('GLPI_VAR_DIR', '/a');", "{".repeat(100_000));
    assert!(var_dir(&deep).is_err());
}

proptest! {
    #[test]
    fn never_panics(
        source in "(if|else|elseif|endif|return|define|const|include|foreach|defined|'X'|!|&&|\\$x|[ (){}\\[\\];:,.=@])*"
    ) {
        let mut constants = Constants {
            known: BTreeMap::new(),
            unresolved: BTreeMap::new(),
            doubt: None,
            visited: BTreeSet::new(),
            depth: 0,
        };
        let tokens = php::tokens(&format!("<?php {source}"));
        let _ = constants.block(&mut tokens.as_slice(), Path::new("/nonexistent/a.php"), Run::Yes);
    }
}
