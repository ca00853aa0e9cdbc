use super::*;
use crate::config::Delivery;

/// As the test of all options gives them.
pub(super) fn is_as_given(delivery: &Delivery) {
    assert_eq!(
        (
            delivery.at_once,
            delivery.attempts,
            delivery.timeout.as_secs(),
            delivery.supersede,
            delivery.run_wait.as_secs()
        ),
        (5, 6, 7, false, 0)
    );
}

#[test]
fn the_defaults_in_the_help_are_the_defaults() {
    let mut options = flags([(Key::DatabaseUrl, URL)]);
    let expected = load(&options, &Environment::default()).unwrap();
    let mut count = 0;
    for key in Key::all() {
        let help = key.help();
        let value = help
            .split_once("[default: ")
            .and_then(|(_, rest)| rest.strip_suffix(']'));
        // Defaults in words, which are told by their blanks, are tested elsewhere; so is none.
        if let Some(value) = value.filter(|value| !value.contains(' ') && *value != "none") {
            options.set(*key, value, Source::Flag);
            count += 1;
        }
    }
    assert_eq!(count, 52);
    let found = load(&options, &Environment::default()).unwrap();
    assert_eq!(format!("{found:?}"), format!("{expected:?}"));
}
