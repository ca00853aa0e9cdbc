//! Moments and durations for people.

use chrono::NaiveDateTime;

use super::language::Language;

/// A moment to the second, local time, as GLPI shows it by default.
#[must_use]
pub fn moment(at: NaiveDateTime) -> String {
    at.format("%Y-%m-%d %H:%M:%S").to_string()
}

/// A moment of `<time>`.
#[must_use]
pub fn machine(at: NaiveDateTime) -> String {
    at.format("%Y-%m-%dT%H:%M:%S").to_string()
}

/// So many seconds in their two largest units; what lies ahead is no time.
#[must_use]
pub fn span(seconds: i64, language: Language) -> String {
    let seconds = seconds.max(0);
    let day = match language {
        Language::English => "d",
        Language::French => "j",
    };
    let (large, small) = match seconds {
        0..60 => ((seconds, "s"), (0, "")),
        60..3_600 => ((seconds / 60, "min"), (seconds % 60, "s")),
        3_600..86_400 => ((seconds / 3_600, "h"), (seconds % 3_600 / 60, "min")),
        _ => ((seconds / 86_400, day), (seconds % 86_400 / 3_600, "h")),
    };
    if small.0 > 0 {
        format!("{} {} {} {}", large.0, large.1, small.0, small.1)
    } else {
        format!("{} {}", large.0, large.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans() {
        for (seconds, english, french) in [
            (-5, "0 s", "0 s"),
            (59, "59 s", "59 s"),
            (60, "1 min", "1 min"),
            (3_599, "59 min 59 s", "59 min 59 s"),
            (7_200, "2 h", "2 h"),
            (7_290, "2 h 1 min", "2 h 1 min"),
            (90_000, "1 d 1 h", "1 j 1 h"),
            (864_000, "10 d", "10 j"),
        ] {
            assert_eq!(span(seconds, Language::English), english);
            assert_eq!(span(seconds, Language::French), french);
        }
    }
}
