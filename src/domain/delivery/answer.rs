//! What becomes of a message by what PHP said: sorted by whether PHP received it and whether trying again can help.

use std::time::Duration;

/// What was heard of PHP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// No connection: PHP received nothing.
    Unreachable(String),
    /// No whole answer in time: PHP may have imported the message, or be at it.
    TimedOut,
    /// The connection broke after it was made.
    Broken(String),
    /// An answer.
    Answered {
        /// Its status.
        status: u16,
        /// Its Retry-After.
        retry_after: Option<Duration>,
        /// Its body.
        said: Said,
    },
}

/// What the body of an answer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// A REPLY of the plugin or of GLPI.
    Reply,
    /// A REPLY with an ERROR.
    Error(String),
    /// A page for people: GLPI in maintenance, a web server's own error, a login.
    Page,
    /// Nothing at all.
    Nothing,
    /// Neither XML nor packed, or cut off.
    Garbled,
}

/// What becomes of the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// PHP has it.
    Delivered,
    /// It is tried again, a bounded number of times. What is the matter may as well be PHP, which is asked then.
    Again {
        /// Whether PHP may have imported it all the same.
        received: bool,
    },
    /// PHP will never take it.
    Refused,
    /// PHP takes nothing at present: the message waits without having used up an attempt.
    Outage {
        /// When to ask again, if PHP said so.
        pause: Option<Duration>,
    },
}

/// Errors that are about all messages, as the plugin (10.0.6+1.1) and GLPI 10 word them.
const OF_ALL: [&str; 3] = [
    "SSL REQUIRED BY SERVER",
    "Plugin FusionInventory not installed!",
    "Inventory is disabled",
];

/// How the plugin says that another import of a computer of this name is under way.
const BUSY: &str = "Timeout for DB lock";

/// What becomes of a message of which this was heard.
#[must_use]
pub fn judge(heard: &Heard) -> Verdict {
    let (status, retry_after, said) = match heard {
        Heard::Unreachable(_) => return Verdict::Outage { pause: None },
        Heard::TimedOut | Heard::Broken(_) => return Verdict::Again { received: true },
        Heard::Answered {
            status,
            retry_after,
            said,
        } => (*status, *retry_after, said),
    };
    if let Said::Error(text) = said {
        if OF_ALL.iter().any(|of_all| text.contains(of_all)) {
            return Verdict::Outage { pause: retry_after };
        }
        if text.contains(BUSY) {
            return Verdict::Again { received: false };
        }
    }
    match (status, said) {
        (200..=299, Said::Reply) => Verdict::Delivered,
        // PHP may have died in the middle of its import, or shown its page instead of one.
        (200..=299, Said::Page | Said::Nothing | Said::Garbled) => {
            Verdict::Again { received: true }
        }
        // Elsewhere, where no message is sent; credentials that are missing are missing for all; too many requests, out of service.
        (300..=399 | 401 | 407 | 429 | 503, _) => Verdict::Outage { pause: retry_after },
        (408, _) => Verdict::Again { received: false },
        (200..=299, Said::Error(_)) | (400..=499, _) => Verdict::Refused,
        _ => Verdict::Again { received: true },
    }
}

impl Heard {
    /// Whether PHP itself may be what is the matter, so that it is asked before the message is blamed. One that answers in the agents' own
    /// dialect is there.
    #[must_use]
    pub fn is_suspect(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::TimedOut | Self::Broken(_) => true,
            Self::Answered { said, .. } => !matches!(said, Said::Reply | Said::Error(_)),
        }
    }

    /// A stable short word for logs and metrics.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::TimedOut => "timeout",
            Self::Broken(_) => "broken",
            Self::Answered { status, said, .. } => match (status, said) {
                (_, Said::Error(_)) => "error",
                (200..=299, Said::Reply) => "reply",
                (200..=299, Said::Page) => "page",
                (200..=299, Said::Nothing) => "empty",
                (200..=299, Said::Garbled) => "garbled",
                (300..=399, _) => "redirect",
                (400..=499, _) => "status-4xx",
                _ => "status-5xx",
            },
        }
    }

    /// For people: why the message was not delivered.
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            Self::Unreachable(why) => format!("PHP cannot be reached: {why}"),
            Self::TimedOut => "PHP did not answer in time".to_owned(),
            Self::Broken(why) => format!("the connection to PHP broke: {why}"),
            Self::Answered { status, said, .. } => {
                let said = match said {
                    Said::Error(text) => return format!("PHP said \"{text}\" (status {status})"),
                    Said::Reply => "a reply",
                    Said::Page => "a page for people",
                    Said::Nothing => "nothing",
                    Said::Garbled => "no readable reply",
                };
                format!("PHP answered {said} (status {status})")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn answered(status: u16, said: Said) -> Heard {
        Heard::Answered {
            status,
            retry_after: None,
            said,
        }
    }

    fn error(text: &str) -> Said {
        Said::Error(text.to_owned())
    }

    const MAYBE: Verdict = Verdict::Again { received: true };
    const NO: Verdict = Verdict::Again { received: false };
    const OUTAGE: Verdict = Verdict::Outage { pause: None };

    #[rstest]
    #[case::refused_connection(Heard::Unreachable("x".into()), OUTAGE)]
    #[case::hanging(Heard::TimedOut, MAYBE)]
    #[case::cut(Heard::Broken("x".into()), MAYBE)]
    #[case::taken(answered(200, Said::Reply), Verdict::Delivered)]
    #[case::refused(answered(200, error("XML not well formed!")), Verdict::Refused)]
    #[case::refused_by_status(answered(400, error("XML not well formed!")), Verdict::Refused)]
    #[case::ssl(answered(200, error("SSL REQUIRED BY SERVER")), OUTAGE)]
    #[case::not_installed(answered(200, error("Plugin FusionInventory not installed!")), OUTAGE)]
    #[case::disabled(answered(400, error("Inventory is disabled")), OUTAGE)]
    #[case::same_name_at_once(answered(200, error("ERROR: Timeout for DB lock based on name")), NO)]
    #[case::page(answered(200, Said::Page), MAYBE)]
    #[case::empty(answered(200, Said::Nothing), MAYBE)]
    #[case::truncated(answered(200, Said::Garbled), MAYBE)]
    #[case::moved(answered(302, Said::Page), OUTAGE)]
    #[case::login(answered(401, Said::Page), OUTAGE)]
    #[case::proxy_login(answered(407, Said::Nothing), OUTAGE)]
    #[case::slow_sender(answered(408, Said::Nothing), NO)]
    #[case::too_many(answered(429, Said::Nothing), OUTAGE)]
    #[case::too_large(answered(413, Said::Page), Verdict::Refused)]
    #[case::missing(answered(404, Said::Page), Verdict::Refused)]
    #[case::failed(answered(500, Said::Page), MAYBE)]
    #[case::failed_in_words(answered(500, error("no rule")), MAYBE)]
    #[case::bad_gateway(answered(502, Said::Page), MAYBE)]
    #[case::gateway_timeout(answered(504, Said::Page), MAYBE)]
    #[case::out_of_service(answered(503, Said::Page), OUTAGE)]
    fn what_php_says_is_sorted(#[case] heard: Heard, #[case] verdict: Verdict) {
        assert_eq!(judge(&heard), verdict, "{}", heard.reason());
    }

    #[test]
    fn php_says_when_to_come_back() {
        let pause = Some(Duration::from_mins(2));
        let heard = Heard::Answered {
            status: 503,
            retry_after: pause,
            said: Said::Page,
        };
        assert_eq!(judge(&heard), Verdict::Outage { pause });
    }

    #[test]
    fn only_php_in_its_own_words_is_above_suspicion() {
        for (heard, suspect) in [
            (answered(200, Said::Reply), false),
            (answered(400, error("no")), false),
            (answered(404, Said::Page), true),
            (answered(200, Said::Nothing), true),
            (Heard::TimedOut, true),
        ] {
            assert_eq!(heard.is_suspect(), suspect, "{}", heard.reason());
        }
    }

    proptest! {
        /// Whatever the status: only a reply of a success is taken for delivered, and nothing is refused for good by a server's failure.
        #[test]
        fn nothing_is_lost_by_mistake(status in 100_u16..1000, kind in 0..5) {
            let said = match kind {
                0 => Said::Reply,
                1 => error("no"),
                2 => Said::Page,
                3 => Said::Nothing,
                _ => Said::Garbled,
            };
            let delivered = (200..300).contains(&status) && said == Said::Reply;
            let verdict = judge(&answered(status, said));
            prop_assert_eq!(verdict == Verdict::Delivered, delivered);
            if status >= 500 {
                prop_assert!(verdict != Verdict::Refused);
            }
        }
    }
}
