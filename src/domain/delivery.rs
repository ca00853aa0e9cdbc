//! Delivery: which messages of agents wait for PHP, which of them goes next, what PHP made of it, and when PHP is left alone.

pub mod answer;
pub mod kinds;
pub mod line;
pub mod queue;

use std::time::Duration;

/// The pause after the `tries`th failure in a row: `base` for the first, doubled for each more, `most` at the most; of that, a part between
/// half and all by `jitter` (0 to 1), so that what failed together does not come back together.
#[must_use]
pub fn pause(tries: u32, base: Duration, most: Duration, jitter: f64) -> Duration {
    let doubled = 2_u32.saturating_pow(tries.saturating_sub(1));
    let whole = base.saturating_mul(doubled).min(most);
    whole.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BASE: Duration = Duration::from_secs(30);
    const MOST: Duration = Duration::from_hours(1);

    #[test]
    fn pauses_double_up_to_a_bound() {
        for (tries, seconds) in [
            (0, 30),
            (1, 30),
            (2, 60),
            (3, 120),
            (7, 1920),
            (8, 3600),
            (99, 3600),
        ] {
            assert_eq!(
                pause(tries, BASE, MOST, 1.0),
                Duration::from_secs(seconds),
                "{tries}"
            );
            assert_eq!(
                pause(tries, BASE, MOST, 0.0),
                Duration::from_secs(seconds) / 2,
                "{tries}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_pause_is_shorter_than_half_nor_longer_than_all(tries: u32, jitter in 0.0..1.0_f64) {
            let longest = pause(tries, BASE, MOST, 1.0);
            let one = pause(tries, BASE, MOST, jitter);
            prop_assert!(one >= longest / 2 && one <= longest && longest <= MOST);
        }
    }
}
