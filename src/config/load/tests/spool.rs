use super::*;
use crate::config::SpoolBounds;

#[test]
fn the_bounds_of_the_spool_reach_their_settings() {
    let settings = load(
        &flags([
            (Key::DatabaseUrl, URL),
            (Key::SpoolMaxBytes, "26"),
            (Key::SpoolMaxAge, "27"),
            (Key::SpoolMinFree, "28"),
        ]),
        &Environment::default(),
    );
    let expected = SpoolBounds {
        max_bytes: 26,
        max_age: Duration::from_secs(27),
        min_free: 28,
    };
    assert_eq!(settings.unwrap().spool_bounds, expected);
}
