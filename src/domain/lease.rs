//! Who does the periodic work when several sidecars serve one database: whoever holds a lease, a row with a holder and an end.
//!
//! All moments are the database server's: the clocks of the sidecars' machines do not count. A lease is changed by a compare-and-set on
//! holder and end as they were read, so that of two that take it only one has it.

use std::time::Duration;

use chrono::{NaiveDateTime, TimeDelta};

/// Longest time between two looks whether a lease of another has run out.
const LOOK: Duration = Duration::from_secs(1);

/// A lease as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Who has it; empty when it was given back.
    pub holder: String,
    /// Up to which moment, not including it.
    pub until: NaiveDateTime,
}

impl Lease {
    /// Whether somebody has it at `now`.
    #[must_use]
    pub fn is_held(&self, now: NaiveDateTime) -> bool {
        !self.holder.is_empty() && now < self.until
    }

    /// Whether `who` has it at `now`.
    #[must_use]
    pub fn is_of(&self, who: &str, now: NaiveDateTime) -> bool {
        self.is_held(now) && self.holder == who
    }
}

/// The lease that `who` may store in place of `stored`, to have it for `length` from `now` on; none while another has it.
#[must_use]
pub fn taken(
    stored: Option<&Lease>,
    who: &str,
    now: NaiveDateTime,
    length: Duration,
) -> Option<Lease> {
    if stored.is_some_and(|lease| lease.is_held(now) && lease.holder != who) {
        return None;
    }
    Some(Lease {
        holder: who.to_owned(),
        until: now.checked_add_signed(TimeDelta::from_std(length).ok()?)?,
    })
}

/// As [`taken`], for one who must have had it all the time: none as well once it has run out.
#[must_use]
pub fn renewed(
    stored: Option<&Lease>,
    who: &str,
    now: NaiveDateTime,
    length: Duration,
) -> Option<Lease> {
    let stored = stored.filter(|lease| lease.is_of(who, now));
    stored.and_then(|lease| taken(Some(lease), who, now, length))
}

/// Time between two renewals of a lease of `length`: two may fail before it runs out.
#[must_use]
pub fn renew_every(length: Duration) -> Duration {
    length / 3
}

/// Time between two looks of one who waits for a lease of `length`.
#[must_use]
pub fn look_every(length: Duration) -> Duration {
    LOOK.min(length / 10)
}

/// How long one who was called by hand waits for a lease of `length`: longer than a dead holder can have it.
#[must_use]
pub fn patience(length: Duration) -> Duration {
    length * 2
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    const LENGTH: Duration = Duration::from_secs(30);

    fn at(seconds: i64) -> NaiveDateTime {
        NaiveDateTime::default() + TimeDelta::seconds(seconds)
    }

    fn lease(holder: &str, until: i64) -> Lease {
        Lease {
            holder: holder.to_owned(),
            until: at(until),
        }
    }

    #[rstest]
    // Never held.
    #[case(None, Some(40), None)]
    // Given back.
    #[case(Some(("", 100)), Some(40), None)]
    // Another's: until its end, that moment not included.
    #[case(Some(("b", 11)), None, None)]
    #[case(Some(("b", 10)), Some(40), None)]
    #[case(Some(("b", 9)), Some(40), None)]
    // One's own; when it has run out it can be taken, but was lost.
    #[case(Some(("a", 11)), Some(40), Some(40))]
    #[case(Some(("a", 10)), Some(40), None)]
    fn who_may_take_and_renew(
        #[case] stored: Option<(&str, i64)>,
        #[case] take: Option<i64>,
        #[case] renew: Option<i64>,
    ) {
        let stored = stored.map(|(holder, until)| lease(holder, until));
        let expected = |until: Option<i64>| until.map(|until| lease("a", until));
        assert_eq!(
            taken(stored.as_ref(), "a", at(10), LENGTH),
            expected(take),
            "taken"
        );
        assert_eq!(
            renewed(stored.as_ref(), "a", at(10), LENGTH),
            expected(renew),
            "renewed"
        );
    }

    #[rstest]
    #[case(30, 10_000, 1000, 60)]
    #[case(3, 1000, 300, 6)]
    #[case(3600, 1_200_000, 1000, 7200)]
    fn periods(#[case] length: u64, #[case] renew: u64, #[case] look: u64, #[case] patient: u64) {
        let length = Duration::from_secs(length);
        assert_eq!(renew_every(length), Duration::from_millis(renew));
        assert_eq!(look_every(length), Duration::from_millis(look));
        assert_eq!(patience(length), Duration::from_secs(patient));
    }

    /// What one of several does: look, and later act on what it saw.
    #[derive(Debug, Clone, Copy)]
    enum Act {
        Look,
        Take,
        Renew,
        Release,
    }

    fn acts() -> impl Strategy<Value = Vec<(i64, usize, Act)>> {
        let act = prop_oneof![
            3 => Just(Act::Look),
            3 => Just(Act::Take),
            2 => Just(Act::Renew),
            1 => Just(Act::Release),
        ];
        proptest::collection::vec((0_i64..20, 0_usize..3, act), 1..80)
    }

    proptest! {
        /// Each acts on what it saw, however long ago, with a length of its own; the row changes only if it is as it was seen.
        #[test]
        fn there_are_never_two_holders(acts in acts()) {
            const WHO: [&str; 3] = ["a", "b", "c"];
            let mut row: Option<Lease> = None;
            let mut now = 0;
            let mut seen: [Option<(Option<Lease>, i64)>; 3] = [const { None }; 3];
            // Who was given it, from when, until when.
            let mut given: Vec<(usize, i64, NaiveDateTime)> = vec![];
            for (later, who, act) in acts {
                now += later;
                let length = Duration::from_secs(10 + 5 * who as u64);
                let next = match act {
                    Act::Look => {
                        seen[who] = Some((row.clone(), now));
                        None
                    }
                    Act::Release => {
                        if row.as_ref().is_some_and(|lease| lease.holder == WHO[who]) {
                            for (holder, _, until) in &mut given {
                                if *holder == who {
                                    *until = (*until).min(at(now));
                                }
                            }
                            row = Some(lease("", now));
                        }
                        None
                    }
                    Act::Take => seen[who].as_ref().and_then(|(seen, then)| taken(seen.as_ref(), WHO[who], at(*then), length)),
                    Act::Renew => seen[who].as_ref().and_then(|(seen, then)| renewed(seen.as_ref(), WHO[who], at(*then), length)),
                };
                if let Some(next) = next {
                    if seen[who].as_ref().is_some_and(|(seen, _)| *seen == row) {
                        given.push((who, now, next.until));
                        row = Some(next);
                    }
                    seen[who] = None;
                }
            }
            for (index, one) in given.iter().enumerate() {
                for other in &given[index + 1..] {
                    prop_assert!(one.0 == other.0 || one.2 <= at(other.1), "{one:?} and {other:?}");
                }
            }
        }
    }
}
