//! Times of a recording, which are relative to the moment of its replay.

use chrono::{DateTime, Datelike, NaiveDateTime, SubsecRound, TimeDelta, Timelike, Utc};
use chrono_tz::Tz;
use serde_json::Value;

/// How far a written time may lie before the moment of the replay and still count as "now", seconds.
const NOW_BEFORE: i64 = 30;
/// The same after it: a replay of many steps takes a while.
const NOW_AFTER: i64 = 120;
/// Last second of a day.
const LAST_SECOND: i64 = 86_399;

/// The moment that a replay's relative times are counted from.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    now: DateTime<Utc>,
    zone: Tz,
}

impl Moment {
    /// `now`, cut to the second, seen in `zone`: the zone of the database session and of the server that is tried.
    #[must_use]
    pub fn new(now: DateTime<Utc>, zone: Tz) -> Self {
        Self {
            now: now.trunc_subsecs(0),
            zone,
        }
    }

    /// The moment in its zone.
    #[must_use]
    pub fn local(&self) -> NaiveDateTime {
        self.now.with_timezone(&self.zone).naive_local()
    }

    /// The zone's distance from UTC at the moment, as a database session takes it: `+01:00`.
    #[must_use]
    pub fn offset(&self) -> String {
        self.now.with_timezone(&self.zone).format("%:z").to_string()
    }

    /// What a row holds for `value`: `@now-3600` is a datetime, `@dow+1` an ISO weekday, `@sec-600` the second of the day,
    /// kept within the day. Any other value stays what it is.
    #[must_use]
    pub fn resolve(&self, value: &Value) -> Value {
        value
            .as_str()
            .and_then(|text| self.relative(text))
            .unwrap_or_else(|| value.clone())
    }

    /// Whether `value` means at the moment what it means at noon: a `@sec` within the day, a `@dow` of a day that is not about to end.
    #[must_use]
    pub fn suits(&self, value: &Value) -> bool {
        let second = i64::from(self.local().num_seconds_from_midnight());
        let text = value.as_str().unwrap_or_default();
        if let Some(by) = text.strip_prefix("@sec").and_then(distance) {
            second
                .checked_add(by)
                .is_some_and(|second| (0..LAST_SECOND - NOW_AFTER).contains(&second))
        } else if text.starts_with("@dow") {
            second < LAST_SECOND - NOW_AFTER
        } else {
            true
        }
    }

    fn relative(&self, text: &str) -> Option<Value> {
        let text = text.strip_prefix('@')?;
        let (unit, by) = text.split_at_checked(3)?;
        let by = distance(by)?;
        let local = self.local();
        match unit {
            "now" => {
                let at = local.checked_add_signed(TimeDelta::try_seconds(by)?)?;
                Some(at.format("%Y-%m-%d %H:%M:%S").to_string().into())
            }
            "dow" => {
                let monday_based = i64::from(local.weekday().num_days_from_monday());
                Some((monday_based.checked_add(by)?.rem_euclid(7) + 1).into())
            }
            "sec" => {
                let second = i64::from(local.num_seconds_from_midnight());
                Some(second.saturating_add(by).clamp(0, LAST_SECOND).into())
            }
            _ => None,
        }
    }

    /// How a recording writes the time `at` of a row: `@now` within the run, else the distance in whole minutes.
    #[must_use]
    pub fn written(&self, at: NaiveDateTime) -> String {
        let distance = at.signed_duration_since(self.local()).num_seconds();
        if (-NOW_BEFORE..=NOW_AFTER).contains(&distance) {
            return "@now".to_owned();
        }
        let minutes = (distance + 30).div_euclid(60);
        // Halves go to the even minute.
        let minutes = if (distance + 30).rem_euclid(60) == 0 {
            minutes - minutes.rem_euclid(2)
        } else {
            minutes
        };
        format!("@now{:+}", minutes * 60)
    }
}

/// The seconds or days after `@now`: nothing, or a sign and digits.
fn distance(text: &str) -> Option<i64> {
    if text.is_empty() {
        return Some(0);
    }
    let digits = text.strip_prefix(['+', '-'])?;
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn moment(zone: Tz) -> Moment {
        // A Wednesday.
        Moment::new(
            Utc.with_ymd_and_hms(2026, 3, 4, 12, 0, 30)
                .single()
                .unwrap(),
            zone,
        )
    }

    #[rstest]
    #[case(12, "@sec-600", true)]
    #[case(12, "@sec+600", true)]
    #[case(12, "@sec-50000", false)]
    #[case(12, "@sec+50000", false)]
    #[case(12, "@dow", true)]
    #[case(23, "@sec+3600", false)]
    #[case(23, "@dow+1", false)]
    #[case(23, "@now+3600", true)]
    #[case(23, "a text", true)]
    fn values_that_need_a_day_around_them(
        #[case] hour: u32,
        #[case] value: &str,
        #[case] suits: bool,
    ) {
        let at = Utc.with_ymd_and_hms(2026, 3, 4, hour, 59, 0).unwrap();
        assert_eq!(Moment::new(at, Tz::UTC).suits(&json!(value)), suits);
    }

    #[rstest]
    #[case("@now", json!("2026-03-04 12:00:30"))]
    #[case("@now-3600", json!("2026-03-04 11:00:30"))]
    #[case("@now+86400", json!("2026-03-05 12:00:30"))]
    #[case("@dow", json!(3))]
    #[case("@dow+1", json!(4))]
    #[case("@dow+5", json!(1))]
    #[case("@dow-3", json!(7))]
    #[case("@sec", json!(43_230))]
    #[case("@sec-600", json!(42_630))]
    #[case("@sec+80000", json!(86_399))]
    #[case("@sec-80000", json!(0))]
    #[case("@now3600", json!("@now3600"))]
    #[case("@now+", json!("@now+"))]
    #[case("@now+1h", json!("@now+1h"))]
    #[case("@now+99999999999999999999", json!("@now+99999999999999999999"))]
    #[case("@now+9223372036854775807", json!("@now+9223372036854775807"))]
    #[case("@wedé", json!("@wedé"))]
    #[case("@", json!("@"))]
    #[case("now", json!("now"))]
    fn relative_times(#[case] written: &str, #[case] stored: Value) {
        assert_eq!(moment(Tz::UTC).resolve(&json!(written)), stored);
    }

    #[test]
    fn other_values_stay() {
        for value in [json!(null), json!(7), json!(["@now"])] {
            assert_eq!(moment(Tz::UTC).resolve(&value), value);
        }
    }

    #[test]
    fn the_zone_counts() {
        assert_eq!(moment(Tz::America__New_York).offset(), "-05:00");
        let moment = moment(Tz::Pacific__Auckland);
        assert_eq!(moment.offset(), "+13:00");
        assert_eq!(moment.resolve(&json!("@now")), json!("2026-03-05 01:00:30"));
        assert_eq!(moment.resolve(&json!("@dow")), json!(4));
        assert_eq!(moment.resolve(&json!("@sec")), json!(3630));
        assert_eq!(moment.written(moment.local()), "@now");
    }

    #[rstest]
    #[case(0, "@now")]
    #[case(-30, "@now")]
    #[case(120, "@now")]
    #[case(-31, "@now-60")]
    #[case(121, "@now+120")]
    #[case(3600, "@now+3600")]
    #[case(3570, "@now+3600")]
    #[case(3629, "@now+3600")]
    #[case(-3660, "@now-3660")]
    #[case(-3631, "@now-3660")]
    #[case(150, "@now+120")]
    #[case(210, "@now+240")]
    #[case(-90, "@now-120")]
    fn distances(#[case] seconds: i64, #[case] written: &str) {
        let moment = moment(Tz::UTC);
        assert_eq!(
            moment.written(moment.local() + TimeDelta::seconds(seconds)),
            written
        );
    }
}
