//! Moments as GLPI's searches name them.

use chrono::{Datelike as _, Days, NaiveDate, NaiveDateTime, TimeDelta, Weekday};

/// A moment of local time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// As it stands in the search: `2026-03-01`, with or without a time of day.
    At(String),
    /// `NOW`.
    Now,
    /// `TODAY`.
    Today,
    /// `BEGINMONTH`.
    MonthBegin,
    /// `BEGINYEAR`.
    YearBegin,
    /// `LASTMONDAY`: the last such day before today.
    Last(Weekday),
    /// `-3MONTH`, `2DAY`: so many units from now.
    Shift(i32, Unit),
}

/// What a shift is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// 60 seconds.
    Minute,
    /// 60 minutes.
    Hour,
    /// A day of the calendar.
    Day,
    /// Seven days.
    Week,
    /// A month of the calendar; a day that it has not becomes one of the next.
    Month,
    /// Twelve months.
    Year,
}

const DAY: &str = "%Y-%m-%d";
const SECOND: &str = "%Y-%m-%d %H:%M:%S";

impl When {
    /// Reads a moment; none when it is not one.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        Some(match value {
            "NOW" => Self::Now,
            "TODAY" => Self::Today,
            "BEGINMONTH" => Self::MonthBegin,
            "BEGINYEAR" => Self::YearBegin,
            _ => {
                if let Some(day) = value.strip_prefix("LAST") {
                    return weekday(day).map(Self::Last);
                }
                if value.ends_with(|last: char| last.is_ascii_uppercase()) {
                    return shift(value);
                }
                let seconds = format!("{value}:00");
                let is_moment = NaiveDate::parse_from_str(value, DAY).is_ok()
                    || [value, &seconds]
                        .iter()
                        .any(|text| NaiveDateTime::parse_from_str(text, SECOND).is_ok());
                // Only what is written out in full: MySQL and MariaDB read other forms each in their way.
                return (is_moment && matches!(value.len(), 10 | 16 | 19))
                    .then(|| Self::At(value.to_owned()));
            }
        })
    }

    /// As SQL writes it, seen from `now`: a day where GLPI counts in days, else with the time of day. None beyond the calendar.
    #[must_use]
    pub fn resolve(&self, now: NaiveDateTime) -> Option<String> {
        let today = now.date();
        let day = |day: NaiveDate| Some(day.format(DAY).to_string());
        match self {
            Self::At(text) => Some(text.clone()),
            Self::Now => Some(now.format(SECOND).to_string()),
            Self::Today => day(today),
            Self::MonthBegin => day(today.with_day(1)?),
            Self::YearBegin => day(NaiveDate::from_ymd_opt(today.year(), 1, 1)?),
            Self::Last(weekday) => {
                let back = today.weekday().days_since(*weekday);
                let back = if back == 0 { 7 } else { back };
                day(today.checked_sub_days(Days::new(back.into()))?)
            }
            Self::Shift(count, unit) => {
                let moment = match unit {
                    Unit::Minute => now.checked_add_signed(TimeDelta::minutes((*count).into())),
                    Unit::Hour => now.checked_add_signed(TimeDelta::hours((*count).into())),
                    Unit::Day => now.checked_add_signed(TimeDelta::days((*count).into())),
                    Unit::Week => now.checked_add_signed(TimeDelta::weeks((*count).into())),
                    Unit::Month => months(now, (*count).into()),
                    Unit::Year => months(now, i64::from(*count) * 12),
                }?;
                let form = if *unit == Unit::Day { DAY } else { SECOND };
                Some(moment.format(form).to_string())
            }
        }
    }
}

fn weekday(name: &str) -> Option<Weekday> {
    Some(match name {
        "MONDAY" => Weekday::Mon,
        "TUESDAY" => Weekday::Tue,
        "WEDNESDAY" => Weekday::Wed,
        "THURSDAY" => Weekday::Thu,
        "FRIDAY" => Weekday::Fri,
        "SATURDAY" => Weekday::Sat,
        "SUNDAY" => Weekday::Sun,
        _ => return None,
    })
}

fn shift(value: &str) -> Option<When> {
    let unit = value.find(|c: char| c.is_ascii_uppercase())?;
    let (count, unit) = value.split_at(unit);
    let digits = count.strip_prefix('-').unwrap_or(count);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let unit = match unit {
        "MINUTE" => Unit::Minute,
        "HOUR" => Unit::Hour,
        "DAY" => Unit::Day,
        "WEEK" => Unit::Week,
        "MONTH" => Unit::Month,
        "YEAR" => Unit::Year,
        _ => return None,
    };
    Some(When::Shift(count.parse().ok()?, unit))
}

/// As PHP's `mktime` counts: 31 March less a month is 31 February, which is 3 March.
fn months(from: NaiveDateTime, count: i64) -> Option<NaiveDateTime> {
    let date = from.date();
    let month = i64::from(date.year()) * 12 + i64::from(date.month0()) + count;
    let year = i32::try_from(month.div_euclid(12)).ok()?;
    let first = NaiveDate::from_ymd_opt(year, u32::try_from(month.rem_euclid(12)).ok()? + 1, 1)?;
    let date = first.checked_add_days(Days::new(date.day0().into()))?;
    Some(date.and_time(from.time()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sunday, 31 March 2024.
    fn now() -> NaiveDateTime {
        NaiveDate::from_ymd_opt(2024, 3, 31)
            .unwrap()
            .and_hms_opt(1, 2, 3)
            .unwrap()
    }

    #[test]
    fn moments() {
        for (value, moment) in [
            ("NOW", "2024-03-31 01:02:03"),
            ("TODAY", "2024-03-31"),
            ("BEGINMONTH", "2024-03-01"),
            ("BEGINYEAR", "2024-01-01"),
            ("LASTSUNDAY", "2024-03-24"),
            ("LASTSATURDAY", "2024-03-30"),
            ("LASTMONDAY", "2024-03-25"),
            ("-1DAY", "2024-03-30"),
            ("1DAY", "2024-04-01"),
            ("-2HOUR", "2024-03-30 23:02:03"),
            ("-30MINUTE", "2024-03-31 00:32:03"),
            ("-1WEEK", "2024-03-24 01:02:03"),
            ("-1MONTH", "2024-03-02 01:02:03"),
            ("-2MONTH", "2024-01-31 01:02:03"),
            ("-13MONTH", "2023-03-03 01:02:03"),
            ("10MONTH", "2025-01-31 01:02:03"),
            ("-1YEAR", "2023-03-31 01:02:03"),
            ("2023-02-28", "2023-02-28"),
            ("2023-02-28 10:20", "2023-02-28 10:20"),
            ("2023-02-28 10:20:30", "2023-02-28 10:20:30"),
        ] {
            let when = When::parse(value).unwrap_or_else(|| panic!("{value}"));
            assert_eq!(when.resolve(now()).as_deref(), Some(moment), "{value}");
        }
        for value in [
            "",
            "5",
            "-5",
            "now",
            "LAST",
            "LASTDAY",
            "BEGINWEEK",
            "--1DAY",
            "DAY",
            "-DAY",
            "1CENTURY",
            "99999999999DAY",
            "2023-02-29",
            "2023-2-28",
            "28-02-2023",
            "2023-02-28 25:00",
            "2023-02-28 10",
        ] {
            assert_eq!(When::parse(value), None, "{value:?}");
        }
        let far = When::Shift(i32::MIN, Unit::Year);
        assert_eq!(far.resolve(now()), None);
    }
}
