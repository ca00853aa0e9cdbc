//! How many unknown agents may register: whoever can reach the sidecar can invent names.

use std::collections::VecDeque;

use chrono::{DateTime, Duration, Utc};

/// Counts registrations of the last minute, whichever minute that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    most: u32,
    /// When so many registered, oldest first; together never more than `most`.
    admitted: VecDeque<(DateTime<Utc>, u32)>,
}

impl Admission {
    /// Admits `most` in any minute.
    #[must_use]
    pub const fn new(most: u32) -> Self {
        Self {
            most,
            admitted: VecDeque::new(),
        }
    }

    /// Whether one more may register at `now`; it is counted then.
    pub fn admit(&mut self, now: DateTime<Utc>) -> bool {
        // A clock that was set back says nothing of how long ago these were: they count for a minute from now, and not longer.
        for (at, _) in &mut self.admitted {
            *at = (*at).min(now);
        }
        while let Some((at, _)) = self.admitted.front()
            && now - *at >= Duration::minutes(1)
        {
            self.admitted.pop_front();
        }
        let counted: u32 = self.admitted.iter().map(|(_, count)| count).sum();
        if counted >= self.most {
            return false;
        }
        match self.admitted.back_mut() {
            Some((at, count)) if *at == now => *count += 1,
            _ => self.admitted.push_back((now, 1)),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn noon() -> DateTime<Utc> {
        "2026-11-24T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_minute_admits_so_many() {
        let mut admission = Admission::new(2);
        for (seconds, admitted) in [
            (0, true),
            (59, true),
            (59, false),
            // One is a minute old, the other is not.
            (60, true),
            (61, false),
            (118, false),
            (119, true),
            (119, false),
            // The clock was set back: a minute of the new time goes by.
            (-1000, false),
            (-941, false),
            (-940, true),
            (-940, true),
            (-940, false),
        ] {
            assert_eq!(
                admission.admit(noon() + Duration::seconds(seconds)),
                admitted,
                "{seconds}"
            );
        }
        assert!(!Admission::new(0).admit(noon()));
    }

    proptest! {
        #[test]
        fn no_minute_admits_more(most in 0..6_u32, steps in proptest::collection::vec(0..20_000_i64, 0..80)) {
            let mut admission = Admission::new(most);
            let mut now = noon();
            let mut admitted: Vec<DateTime<Utc>> = Vec::new();
            for step in steps {
                now += Duration::milliseconds(step);
                let last: Vec<_> = admitted.iter().filter(|at| now - **at < Duration::minutes(1)).collect();
                // Never more, and never fewer than may be.
                let room = last.len() < most as usize;
                prop_assert_eq!(admission.admit(now), room);
                if room {
                    admitted.push(now);
                }
                prop_assert!(admission.admitted.len() <= most as usize);
            }
        }

        #[test]
        fn whatever_the_clock_does_what_is_kept_is_bounded(most in 0..6_u32, moves in proptest::collection::vec(-90_000..90_000_i64, 0..80)) {
            let mut admission = Admission::new(most);
            let mut now = noon();
            for step in moves {
                now += Duration::milliseconds(step);
                let _ = admission.admit(now);
                prop_assert!(admission.admitted.len() <= most as usize);
                prop_assert!(admission.admitted.iter().all(|(at, _)| *at <= now));
            }
            // No jump shuts the door for longer than a minute.
            prop_assert_eq!(admission.admit(now + Duration::minutes(1)), most > 0);
        }
    }
}
