//! Numbers have both ends, in every layer.

use super::*;

/// Every option with a range, the text of its upper end and of what is refused, and how the refusal goes on.
fn ranges() -> Vec<(Key, String, Vec<String>, String)> {
    let with_range = |key: &Key| Some((*key, key.range()?.into_inner()));
    let ranges = Key::all().iter().filter_map(with_range);
    ranges
        .map(|(key, (least, most))| {
            let mut refused = vec![
                (most + 1).to_string(),
                u64::MAX.to_string(),
                "-1".to_owned(),
            ];
            refused.extend(least.checked_sub(1).map(|below| below.to_string()));
            (
                key,
                most.to_string(),
                refused,
                format!(" from {least} to {most}"),
            )
        })
        .collect()
}

#[test]
fn every_number_has_a_range() {
    for key in Key::all() {
        let help = key.help();
        let default = help.split_once("[default: ").map(|(_, default)| default);
        let is_number =
            default.is_some_and(|text| text.trim_end_matches(']').parse::<u64>().is_ok());
        assert_eq!(key.range().is_some(), is_number, "{help}");
    }
    assert!(ranges().len() > 20);
}

#[test]
fn numbers_out_of_their_range_are_refused_in_every_layer() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.toml");
    let path_text = path.to_str().unwrap();
    for (key, _, texts, range) in ranges() {
        let name = key.name();
        for text in texts {
            let mut given = flags([(Key::DatabaseUrl, URL)]);
            given.set(key, &text, Source::Flag);
            let variables = Environment::from_iter([
                ("FUSION_SIDECAR_DATABASE_URL".to_owned(), URL),
                (key.variable(), text.as_str()),
            ]);
            fs::write(&path, format!("database-url = '{URL}'\n{name} = {text}\n")).unwrap();
            for (flags, variables, place) in [
                (given, Environment::default(), format!("--{name}")),
                (Options::default(), variables, key.variable()),
                (
                    flags([(Key::Config, path_text)]),
                    Environment::default(),
                    format!("{path_text} line 2 column 1"),
                ),
            ] {
                let shown = load(&flags, &variables).unwrap_err().to_string();
                let begins = format!("{name}: {place}: '{text}' is no whole number");
                assert!(
                    shown.lines().count() == 1
                        && shown.starts_with(&begins)
                        && shown.ends_with(&range),
                    "{shown}"
                );
            }
        }
    }
}

#[test]
fn the_ends_of_every_range_are_taken() {
    let mut most = flags([(Key::DatabaseUrl, URL)]);
    let mut least = most.clone();
    for (key, text, ..) in ranges() {
        most.set(key, text, Source::Flag);
        let first = key.range().map(|range| range.start().to_string());
        least.set(key, first.unwrap(), Source::Flag);
    }
    let most = load(&most, &Environment::default()).unwrap();
    assert_eq!(most.server.max_bodies, 64 << 30);
    assert_eq!(most.server.request_timeout, Duration::from_hours(30 * 24));
    assert_eq!(most.dispatch.max_new_agents, 1_000_000);
    let longest = most.scheduler.monitoring_period;
    assert_eq!(longest, Duration::from_hours(30 * 24));
    let least = load(&least, &Environment::default()).unwrap();
    assert_eq!(
        (least.server.max_bodies, least.dispatch.max_new_agents),
        (1, 0)
    );
}
