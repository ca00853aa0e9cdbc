//! How often somebody may try: a bound for each key, in bounded memory.
//!
//! A key may fail `tries` times at once; each failure is forgotten after its share of the window. Kept for each key is one moment only:
//! that at which all its failures will be forgotten (the generic cell rate algorithm).

use std::collections::HashMap;
use std::hash::Hash;

use chrono::{DateTime, TimeDelta, Utc};

/// Counts failures by key.
#[derive(Debug)]
pub struct Throttle<K> {
    tries: u32,
    window: TimeDelta,
    most: usize,
    /// When the failures of a key will all be forgotten.
    clear: HashMap<K, DateTime<Utc>>,
}

impl<K: Eq + Hash + Clone> Throttle<K> {
    /// Each key may fail `tries` times within `window`; `most` keys are remembered.
    #[must_use]
    pub fn new(tries: u32, window: std::time::Duration, most: usize) -> Self {
        Self {
            tries: tries.max(1),
            window: TimeDelta::from_std(window).unwrap_or(TimeDelta::MAX / 4),
            most: most.max(1),
            clear: HashMap::new(),
        }
    }

    /// Takes a try of `key` at `now`, as a failure for the time being; how long it has to wait if it has none left.
    ///
    /// # Errors
    ///
    /// The time until the next try.
    pub fn take(&mut self, key: &K, now: DateTime<Utc>) -> Result<(), TimeDelta> {
        let share = self.share();
        let clear = self.clear.get(key).copied().unwrap_or(now).max(now);
        let after = clear + share;
        // A millisecond a share is lost in the division at the most.
        let excess = after - now - share * i32::try_from(self.tries).unwrap_or(i32::MAX);
        if excess > TimeDelta::zero() {
            return Err(excess);
        }
        if self.clear.len() >= self.most && !self.clear.contains_key(key) {
            self.make_room(now);
        }
        self.clear.insert(key.clone(), after);
        Ok(())
    }

    /// The try was none: it went well.
    pub fn give_back(&mut self, key: &K) {
        let share = self.share();
        if let Some(clear) = self.clear.get_mut(key) {
            *clear -= share;
        }
    }

    /// Forgets all failures of `key`.
    pub fn forget(&mut self, key: &K) {
        self.clear.remove(key);
    }

    fn share(&self) -> TimeDelta {
        self.window / i32::try_from(self.tries).unwrap_or(i32::MAX)
    }

    /// Those whose failures are forgotten go; if there are none, the one with the least to forget.
    fn make_room(&mut self, now: DateTime<Utc>) {
        self.clear.retain(|_, clear| *clear > now);
        if self.clear.len() >= self.most
            && let Some(least) = self.clear.iter().min_by_key(|(_, clear)| **clear)
        {
            let least = least.0.clone();
            self.clear.remove(&least);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap()
    }

    #[test]
    fn tries_end_and_come_back_one_by_one() {
        let mut throttle = Throttle::new(3, Duration::from_mins(5), 10);
        for _ in 0..3 {
            assert_eq!(throttle.take(&"a", at(0)), Ok(()));
        }
        assert_eq!(throttle.take(&"a", at(0)), Err(TimeDelta::seconds(100)));
        assert_eq!(throttle.take(&"b", at(0)), Ok(()), "another key");
        assert_eq!(throttle.take(&"a", at(99)), Err(TimeDelta::seconds(1)));
        assert_eq!(throttle.take(&"a", at(100)), Ok(()));
        assert!(throttle.take(&"a", at(100)).is_err());
        throttle.give_back(&"a");
        assert_eq!(throttle.take(&"a", at(100)), Ok(()));
        throttle.forget(&"a");
        for _ in 0..3 {
            assert_eq!(throttle.take(&"a", at(100)), Ok(()));
        }
        assert!(throttle.take(&"a", at(100)).is_err());
        for _ in 0..3 {
            assert_eq!(throttle.take(&"a", at(400)), Ok(()));
        }
    }

    #[test]
    fn a_flood_of_keys_does_not_free_one_that_is_held() {
        let mut throttle = Throttle::new(3, Duration::from_mins(5), 4);
        for _ in 0..3 {
            throttle.take(&0, at(0)).unwrap();
        }
        for key in 1..100 {
            throttle.take(&key, at(0)).unwrap();
            assert!(throttle.clear.len() <= 4);
        }
        assert!(throttle.take(&0, at(0)).is_err());
    }

    proptest! {
        /// In no window are there more than twice the tries, and memory stays bounded.
        #[test]
        fn bounds_hold(steps in proptest::collection::vec((0_u8..6, 0_i64..40), 1..200), tries in 1_u32..5, most in 1_usize..5) {
            let mut throttle = Throttle::new(tries, Duration::from_mins(1), most.max(6));
            let mut now = 0;
            let mut taken: Vec<(u8, i64)> = Vec::new();
            for (key, pause) in steps {
                now += pause;
                if throttle.take(&key, at(now)).is_ok() {
                    taken.push((key, now));
                }
                let recent = taken.iter().filter(|(other, when)| *other == key && now - when < 60).count();
                prop_assert!(recent <= 2 * tries as usize);
                prop_assert!(throttle.clear.len() <= most.max(6));
            }
        }
    }
}
