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
