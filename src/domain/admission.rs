//! How many unknown agents may register: whoever can reach the sidecar can invent names.

use chrono::{DateTime, Duration, Utc};

/// Counts registrations in windows of a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admission {
    most: u32,
    begun: Option<DateTime<Utc>>,
    admitted: u32,
}

impl Admission {
    /// Admits `most` a minute.
    #[must_use]
    pub const fn new(most: u32) -> Self {
        Self {
            most,
            begun: None,
            admitted: 0,
        }
    }

    /// Whether one more may register at `now`; it is counted then.
    pub fn admit(&mut self, now: DateTime<Utc>) -> bool {
        let running = self
            .begun
            .is_some_and(|begun| (Duration::zero()..Duration::minutes(1)).contains(&(now - begun)));
        if !running {
            self.begun = Some(now);
            self.admitted = 0;
        }
        let admitted = self.admitted < self.most;
        self.admitted += u32::from(admitted);
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_admits_so_many() {
        let noon: DateTime<Utc> = "2026-11-24T12:00:00Z".parse().unwrap();
        let mut admission = Admission::new(2);
        for (seconds, admitted) in [
            (0, true),
            (1, true),
            (2, false),
            (59, false),
            (60, true),
            (61, true),
            (62, false),
            // The clock was set back.
            (-1000, true),
        ] {
            assert_eq!(
                admission.admit(noon + Duration::seconds(seconds)),
                admitted,
                "{seconds}"
            );
        }
    }
}
