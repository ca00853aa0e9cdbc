use std::os::unix::ffi::OsStringExt;

use clap::{Args, FromArgMatches};
use proptest::prelude::*;

use super::*;

fn flags(arguments: &[&str]) -> Result<Options, clap::Error> {
    let command = Options::augment_args(Command::new("test").no_binary_name(true));
    Options::from_arg_matches(&command.try_get_matches_from(arguments)?)
}

#[test]
fn every_option_is_a_flag_a_variable_and_a_key() {
    let help = Options::augment_args(Command::new("test"))
        .render_long_help()
        .to_string();
    for key in Key::all() {
        let name = key.name();
        let options = flags(&[&format!("--{name}=x")]).unwrap();
        assert_eq!(
            options
                .get(*key)
                .map(|given| (given.text.as_str(), &given.source)),
            Some(("x", &Source::Flag))
        );

        let (options, faults) =
            Options::from_environment(&Environment::from_iter([(key.variable(), "x")]));
        assert_eq!(
            (options.get(*key).map(|given| given.text.as_str()), faults),
            (Some("x"), Vec::new())
        );

        let (options, faults) =
            super::super::file::parse(&format!("{name} = 'x'"), "a.toml".as_ref()).unwrap();
        if *key == Key::Config {
            assert_eq!(faults.len(), 1, "a file cannot name a file");
        } else {
            assert_eq!(
                (options.get(*key).map(|given| given.text.as_str()), faults),
                (Some("x"), Vec::new())
            );
        }

        assert!(
            help.contains(&format!("--{name} ")),
            "{name} is missing in the help"
        );
        assert!(
            help.contains(&key.variable()),
            "the variable of {name} is missing in the help"
        );
        assert_eq!(Key::from_name(&name), Some(*key));
    }
}

#[test]
fn names_are_the_words_of_the_manual() {
    let names: Vec<String> = Key::all().iter().map(|key| key.name()).collect();
    let manual = "config database-url database-url-file glpi-dir database-max-connections database-timeout timezone listen ops-listen tls-cert \
        tls-key trusted-proxies prefixes public-url policy plugin-doc-dir catalogue-refresh max-sends task-mode max-new-agents scheduler \
        scheduler-beside-cron scheduler-period run-timeout cleaning-period cleaning-batch keep-runs keep-changes lease monitoring-period wakeup-networks \
        wakeup-names wakeup-at-once wakeup-rate wakeup-timeout web-listen glpi-url web-idle web-lifetime web-tries-per-name web-tries-per-address \
        web-login-window web-remembered web-verify-at-once web-streams api-tokens \
        upstream-url spool-dir spool-max-bytes spool-max-age spool-min-free deliver-at-once deliver-attempts deliver-timeout \
        deliver-supersede deliver-run-wait max-body max-bodies max-inflated max-unpacking max-parameters max-xml-elements max-xml-depth write-queue header-timeout body-timeout request-timeout max-connections shutdown-grace \
        log log-format";
    assert_eq!(
        names.join(" "),
        manual.split_whitespace().collect::<Vec<_>>().join(" ")
    );
    assert_eq!(
        Key::DatabaseUrlFile.variable(),
        "FUSION_SIDECAR_DATABASE_URL_FILE"
    );
}

#[test]
fn an_unknown_variable_is_a_fault_and_a_foreign_one_is_not() {
    let environment = Environment::from_iter([
        ("FUSION_SIDECAR_LISTEM", "x"),
        ("FUSION_OTHER", "x"),
        ("PATH", "/bin"),
    ]);
    let (options, faults) = Options::from_environment(&environment);
    assert_eq!(options, Options::default());
    assert_eq!(
        faults.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["FUSION_SIDECAR_LISTEM: no option has this variable"]
    );
}

#[test]
fn a_value_that_is_not_utf8_is_a_fault() {
    let bytes = OsString::from_vec(vec![0xff]);
    let (_, faults) = Options::from_environment(&Environment::from_iter([(
        "FUSION_SIDECAR_LOG",
        bytes.clone(),
    )]));
    assert_eq!(
        faults[0].to_string(),
        "FUSION_SIDECAR_LOG: the value is not UTF-8"
    );

    let command = Options::augment_args(Command::new("test").no_binary_name(true));
    let matches = command
        .try_get_matches_from([OsString::from("--log"), bytes])
        .unwrap();
    let error = Options::from_arg_matches(&matches).unwrap_err();
    assert!(error.to_string().contains("--log is not UTF-8"), "{error}");
}

#[test]
fn the_upper_layer_wins_and_the_lower_one_fills_gaps() {
    let upper = flags(&["--listen", "1.2.3.4:5"]).unwrap();
    let (lower, _) = Options::from_environment(&Environment::from_iter([
        ("FUSION_SIDECAR_LISTEN", "lower"),
        ("FUSION_SIDECAR_LOG", "warn"),
    ]));
    let both = upper.over(lower);
    assert_eq!(
        both.get(Key::Listen).unwrap().place(Key::Listen),
        "--listen"
    );
    assert_eq!(
        both.get(Key::Log).unwrap().place(Key::Log),
        "FUSION_SIDECAR_LOG"
    );
}

#[test]
fn a_repeated_or_unknown_flag_is_refused() {
    assert!(flags(&["--log=a", "--log=b"]).is_err());
    assert!(flags(&["--logs=a"]).is_err());
}

#[test]
fn debug_output_hides_the_database_url() {
    let options = flags(&["--database-url=mysql://u:geheim@h/d", "--log=warn"]).unwrap();
    let shown = format!("{options:?}");
    assert!(
        !shown.contains("geheim") && shown.contains("warn"),
        "{shown}"
    );
}

proptest! {
    #[test]
    fn any_text_passes_through_a_flag(text in "[^\0]*") {
        let options = flags(&[&format!("--log={text}")]).unwrap();
        prop_assert_eq!(&options.get(Key::Log).unwrap().text, &text);
    }
}
