//! What a user answered to a question that a package asked: `setUserEvent` as agent 2.6 sends it.

use chrono::{DateTime, Duration, NaiveDateTime, TimeZone, Timelike};

use super::ids;

/// What the agent does about the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// The job goes on.
    Continue,
    /// The job is put off.
    Postpone,
    /// The job is given up.
    Stop,
    /// The agent did not understand the question.
    BadEvent,
}

impl Behaviour {
    /// Reads the parameter `behavior`.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "continue" => Some(Self::Continue),
            "postpone" => Some(Self::Postpone),
            "stop" => Some(Self::Stop),
            "error_bad_event" => Some(Self::BadEvent),
            _ => None,
        }
    }
}

/// The log line of an answer; `moment` is the parameter `type`.
#[must_use]
pub fn log_text(behaviour: Behaviour, moment: &str, event: &str, user: &str) -> String {
    let moment = match moment {
        "before" => "before the download",
        "after_download" => "after the download",
        "after" => "after the actions",
        "after_download_failure" => "after a failed download",
        "after_failure" => "after a failed action",
        _ => "at an unknown moment",
    };
    let who = if user.is_empty() { "nobody" } else { user };
    let what = match behaviour {
        Behaviour::Continue => format!("{who} let the job go on"),
        Behaviour::Postpone => format!("{who} put the job off"),
        Behaviour::Stop => format!("{who} gave the job up"),
        Behaviour::BadEvent => format!("the agent could not ask {who}"),
    };
    let how = match event {
        "on_ok" => "pressed OK",
        "on_yes" => "pressed Yes",
        "on_no" => "pressed No",
        "on_retry" => "pressed Retry",
        "on_tryagain" => "pressed Try again",
        "on_cancel" => "pressed Cancel",
        "on_abort" => "pressed Abort",
        "on_ignore" => "pressed Ignore",
        "on_continue" => "pressed Continue",
        "on_async" => "shown without waiting",
        "on_timeout" => "no answer in time",
        "on_nouser" => "no user logged in",
        "on_multiusers" => "several users logged in",
        _ => "unknown event",
    };
    format!("User interaction {moment}: {what} ({how})")
}

/// What the template of a question says about putting off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deferral {
    /// Seconds until the next try.
    pub retry_after: u32,
    /// How often at most; 0 = without end.
    pub max_retry: u32,
}

impl Deferral {
    /// What holds when the package no longer has a template for the event (policy `redux`): an hour, as often as before.
    pub const DEFAULT_RETRY_AFTER: u32 = 3600;

    /// Reads a template's JSON; numbers may be strings.
    #[must_use]
    pub fn from_template(json: &serde_json::Value) -> Self {
        let number = |key: &str| json.get(key).and_then(ids::number).unwrap_or(0);
        Self {
            retry_after: number("retry_after"),
            max_retry: number("nb_max_retry"),
        }
    }

    /// When the run may be handed out again, in the local time of `now`: the plugin cuts the moment to the minute. The time that passes
    /// is counted, so that a change of the clocks makes no difference and the moment is one that exists.
    #[must_use]
    pub fn next<Zone: TimeZone>(self, now: DateTime<Zone>) -> NaiveDateTime {
        let then = (now + Duration::seconds(i64::from(self.retry_after))).naive_local();
        then.with_second(0)
            .and_then(|t| t.with_nanosecond(0))
            .unwrap_or(then)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::NaiveDate;

    #[test]
    fn lines_name_the_user() {
        for behaviour in ["continue", "postpone", "stop", "error_bad_event"] {
            let text = log_text(
                Behaviour::parse(behaviour).unwrap(),
                "before",
                "on_yes",
                "jdoe",
            );
            assert!(
                text.contains("jdoe") && text.contains("before the download"),
                "{text}"
            );
        }
        assert_eq!(Behaviour::parse("dance"), None);
    }

    #[test]
    fn deferral_is_cut_to_the_minute() {
        let now = NaiveDate::from_ymd_opt(2026, 11, 24)
            .unwrap()
            .and_hms_milli_opt(10, 0, 59, 500)
            .unwrap();
        for (json, next, max) in [
            (r#"{"retry_after":3600,"nb_max_retry":2}"#, (11, 0), 2),
            (r#"{"retry_after":"61","nb_max_retry":"0"}"#, (10, 2), 0),
            ("{}", (10, 0), 0),
        ] {
            let deferral = Deferral::from_template(&serde_json::from_str(json).unwrap());
            assert_eq!(deferral.max_retry, max);
            assert_eq!(
                deferral.next(now.and_utc()),
                now.date().and_hms_opt(next.0, next.1, 0).unwrap(),
                "{json}"
            );
        }
    }
}
