//! The TOML file: a flat table with the options' names as keys.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::Fault;
use super::options::{Key, Options, Source};

/// Largest file that configuration is read from, bytes; real ones have a few thousand.
pub const MAX_FILE: u64 = 1024 * 1024;

/// The bytes of `path`.
///
/// # Errors
///
/// When it cannot be read; [`io::ErrorKind::FileTooLarge`] if they are more than [`MAX_FILE`].
pub fn contents(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(MAX_FILE + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        let message = format!("it has more than {MAX_FILE} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
}

/// The same as text.
pub(super) fn text(path: &Path) -> io::Result<String> {
    String::from_utf8(contents(path)?)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))
}

/// Reads the file at `path`, as [`parse`] does.
///
/// # Errors
///
/// When there is no text to be had.
pub fn read(path: &Path) -> Result<(Options, Vec<Fault>), Fault> {
    let text = text(path).map_err(|error| {
        let message = format!("{} cannot be read: {error}", path.display());
        Fault::new(Key::Config.name(), message)
    })?;
    parse(&text, path)
}

/// Reads `text`, the content of `path`. Every fault names its line and column.
///
/// Values are strings; numbers, `true` and `false` (for `on` and `off`) and lists of strings may stand bare.
///
/// # Errors
///
/// When it is no TOML, so that nothing of it is known.
pub fn parse(text: &str, path: &Path) -> Result<(Options, Vec<Fault>), Fault> {
    let table = DeTable::parse(text).map_err(|error| {
        // The error's own Display quotes the line, which may hold the database's password.
        let (line, column) = position(text, &error.span().unwrap_or_default());
        let message = format!("line {line} column {column}: {}", error.message().trim());
        Fault::new(path.display().to_string(), message)
    })?;
    let mut options = Options::default();
    let mut faults = Vec::new();
    let mut entries: Vec<_> = table.get_ref().iter().collect();
    entries.sort_by_key(|(name, _)| name.span().start);
    for (name, value) in entries {
        let (line, column) = position(text, &name.span());
        let mut fault = |reason: &str| {
            let message = format!("{} line {line} column {column}: {reason}", path.display());
            faults.push(Fault::new(name.get_ref().as_ref(), message));
        };
        match (Key::from_name(name.get_ref()), written(value.get_ref())) {
            (None, _) => fault("no option has this name"),
            (Some(Key::Config), _) => fault("a file cannot name another file"),
            (Some(_), None) => {
                fault("takes a string, a whole number, true, false or a list of strings");
            }
            (Some(key), Some(value)) => {
                let path = path.to_owned();
                options.set(key, value, Source::File { path, line, column });
            }
        }
    }
    Ok((options, faults))
}

/// The value as it would be written in a flag.
fn written(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().replace('_', "")),
        DeValue::Boolean(true) => Some("on".to_owned()),
        DeValue::Boolean(false) => Some("off".to_owned()),
        DeValue::Array(parts) => {
            let parts: Option<Vec<&str>> =
                parts.iter().map(|part| part.get_ref().as_str()).collect();
            parts.map(|parts| parts.join(","))
        }
        _ => None,
    }
}

/// Line and column of the beginning of `span`, both from 1, the column in characters.
fn position(text: &str, span: &Range<usize>) -> (usize, usize) {
    let before = text.get(..span.start).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (
        before.matches('\n').count() + 1,
        before[line_start..].chars().count() + 1,
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn faults(text: &str) -> Vec<String> {
        let faults =
            parse(text, Path::new("a.toml")).map_or_else(|fault| vec![fault], |(_, faults)| faults);
        faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn bare_values_read_like_flags() {
        let text = "max-body = 1_000\nscheduler = false\ntrusted-proxies = ['10.0.0.0/8', \"::1\"]\nlog = 'warn'\n";
        let (options, faults) = parse(text, Path::new("a.toml")).unwrap();
        assert_eq!(faults, Vec::new());
        for (key, expected, line) in [
            (Key::MaxBody, "1000", 1),
            (Key::Scheduler, "off", 2),
            (Key::TrustedProxies, "10.0.0.0/8,::1", 3),
            (Key::Log, "warn", 4),
        ] {
            let given = options.get(key).unwrap();
            assert_eq!(
                (given.text.as_str(), given.place(key)),
                (expected, format!("a.toml line {line} column 1"))
            );
        }
    }

    #[test]
    fn every_unknown_key_is_named_with_line_and_column() {
        let text = "log = 'info'\n  lisen = '1.2.3.4:5'\n[server]\nlisten = 'x'\n";
        assert_eq!(
            faults(text),
            [
                "lisen: a.toml line 2 column 3: no option has this name",
                "server: a.toml line 3 column 2: no option has this name",
            ]
        );
    }

    #[test]
    fn bad_values_and_syntax_are_named_with_line_and_column() {
        for (text, expected) in [
            (
                "\nmax-body = 1.5",
                "max-body: a.toml line 2 column 1: takes a string",
            ),
            (
                "max-body = 0x10",
                "max-body: a.toml line 1 column 1: takes a string",
            ),
            (
                "prefixes = [1]",
                "prefixes: a.toml line 1 column 1: takes a string",
            ),
            (
                "config = 'b.toml'",
                "config: a.toml line 1 column 1: a file cannot name another file",
            ),
            (
                "log = 'a'\nlog = 'b'",
                "a.toml: line 2 column 1: duplicate key",
            ),
            ("log = 'ä' x", "a.toml: line 1 column 11: "),
        ] {
            let faults = faults(text);
            assert!(faults[0].starts_with(expected), "{text}: {faults:?}");
        }
    }

    #[test]
    fn a_syntax_error_does_not_quote_the_line() {
        for text in [
            "database-url = \"mysql://u:geheim@h/d\n",
            "database-url = mysql://u:geheim@h/d\n",
            "database-url = geheim\n",
            "database-url = 'geheim'geheim\n",
            "database-url = \"\\geheim\"\n",
            "database-url 'geheim'\n",
            "database-url = ['geheim', 1]\n",
            "database-url = { geheim = 1 }\n",
        ] {
            let faults = faults(text);
            assert!(!faults.is_empty(), "{text}");
            assert!(!faults.join("\n").contains("geheim"), "{faults:?}");
        }
    }

    #[test]
    fn a_missing_file_is_a_fault() {
        let fault = read(Path::new("/nonexistent/a.toml")).unwrap_err();
        let shown = fault.to_string();
        assert!(
            shown.starts_with("config: /nonexistent/a.toml cannot be read: "),
            "{shown}"
        );
    }

    #[test]
    fn a_file_that_is_too_large_or_no_text_is_a_fault() {
        let fault = read(Path::new("/dev/zero")).unwrap_err();
        assert_eq!(
            fault.to_string(),
            "config: /dev/zero cannot be read: it has more than 1048576 bytes"
        );

        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.toml");
        std::fs::write(&path, b"log = '\xff'").unwrap();
        let fault = read(&path).unwrap_err();
        assert!(
            fault
                .to_string()
                .ends_with("a.toml cannot be read: it is not UTF-8"),
            "{fault}"
        );
    }

    proptest! {
        #[test]
        fn never_panics(text in "(log|max-body|x|[ =\n'\"\\[\\]{}.0-9ä#])*") {
            let _ = parse(&text, Path::new("a.toml"));
        }
    }
}
