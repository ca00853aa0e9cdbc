//! What the address of a task's page asks for.

use chrono::{Days, NaiveDate, NaiveDateTime, NaiveTime};
use url::form_urlencoded::{Serializer, parse};

use crate::db::run_search::RunSearch;
use crate::domain::actors::Target;
use crate::domain::ids::{JobId, RunId};
use crate::domain::run::RunState;
use crate::proto::coded::Code;
use crate::web::texts::task::Texts;

use super::rows::code_words;

/// Longest part of a name: the column has as many characters.
pub(in crate::web) const MOST_NAME: usize = 255;

/// Longest text that is looked for in log lines.
pub(in crate::web) const MOST_TEXT: usize = 200;

/// Longest class of a target: the column has as many characters.
const MOST_CLASS: usize = 100;

/// States by their words in an address, which are also classes of the style.
pub(in crate::web) const STATES: [(RunState, &str); 7] = [
    (RunState::Prepared, "prepared"),
    (RunState::Sent, "sent"),
    (RunState::Running, "running"),
    (RunState::Finished, "finished"),
    (RunState::InError, "inerror"),
    (RunState::Cancelled, "cancelled"),
    (RunState::Postponed, "postponed"),
];

/// Which runs are to be shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::web) struct Asked {
    pub(in crate::web) job: Option<JobId>,
    pub(in crate::web) state: Option<RunState>,
    pub(in crate::web) target: Option<Target>,
    pub(in crate::web) agent: Option<String>,
    /// First day.
    pub(in crate::web) from: Option<NaiveDate>,
    /// Last day.
    pub(in crate::web) until: Option<NaiveDate>,
    pub(in crate::web) text: Option<String>,
    /// Those before this one.
    pub(in crate::web) before: Option<RunId>,
}

impl Asked {
    /// Reads a query. What is empty is not asked for, as forms send all their fields; of a name that comes twice the last one counts, and other
    /// names mean nothing.
    ///
    /// # Errors
    ///
    /// The name of what is not what it can be.
    pub(in crate::web) fn parse(query: &str) -> Result<Self, &'static str> {
        let mut asked = Self::default();
        for (name, value) in parse(query.as_bytes()) {
            let value = value.trim();
            if value.is_empty() {
                continue;
            }
            match &*name {
                "job" => asked.job = Some(JobId(number(value, "job")?)),
                "state" => {
                    let known = STATES.iter().find(|(_, word)| *word == value);
                    asked.state = Some(known.ok_or("state")?.0);
                }
                "target" => asked.target = Some(target(value).ok_or("target")?),
                "agent" => asked.agent = Some(short(value, MOST_NAME, "agent")?),
                "from" => asked.from = Some(day(value).ok_or("from")?),
                "until" => asked.until = Some(day(value).ok_or("until")?),
                "text" => asked.text = Some(short(value, MOST_TEXT, "text")?),
                "before" => asked.before = Some(RunId(number(value, "before")?)),
                _ => {}
            }
        }
        Ok(asked)
    }

    /// The query of the same runs, those before `before`.
    pub(in crate::web) fn query(&self, before: Option<RunId>) -> String {
        let state = self.state.map(word);
        let target = self.target.as_ref().map(target_word);
        let pairs = [
            ("job", self.job.map(|job| job.to_string())),
            ("state", state.map(str::to_owned)),
            ("target", target),
            ("agent", self.agent.clone()),
            ("from", self.from.map(|day| day.to_string())),
            ("until", self.until.map(|day| day.to_string())),
            ("text", self.text.clone()),
            ("before", before.map(|run| run.to_string())),
        ];
        let mut query = Serializer::new(String::new());
        for (name, value) in pairs {
            if let Some(value) = value {
                query.append_pair(name, &value);
            }
        }
        match query.finish() {
            query if query.is_empty() => query,
            query => format!("?{query}"),
        }
    }

    /// Whether some runs are left out.
    pub(in crate::web) fn is_narrowed(&self) -> bool {
        !self.query(None).is_empty()
    }

    /// What the tables are asked. A text is looked for in the words of codes too.
    pub(in crate::web) fn search(&self, t: &Texts) -> RunSearch {
        let midnight = |day: NaiveDate| NaiveDateTime::new(day, NaiveTime::MIN);
        let after = self
            .until
            .and_then(|day| day.checked_add_days(Days::new(1)));
        let texts = self.text.iter().flat_map(|text| {
            let wanted = text.to_lowercase();
            let codes = Code::ALL.into_iter();
            let codes =
                codes.filter(move |code| code_words(*code, t).to_lowercase().contains(&wanted));
            let codes = codes.map(|code| format!("=={}==", code.word()));
            [text.clone()].into_iter().chain(codes)
        });
        RunSearch {
            state: self.state,
            target: self.target.clone(),
            agent: self.agent.clone(),
            from: self.from.map(midnight),
            until: after.map(midnight),
            texts: texts.collect(),
        }
    }
}

/// The word of a state.
pub(in crate::web) fn word(state: RunState) -> &'static str {
    let known = STATES.iter().find(|(of, _)| *of == state);
    known.map_or("", |(_, word)| word)
}

/// A target in an address.
pub(in crate::web) fn target_word(target: &Target) -> String {
    format!("{}:{}", target.itemtype, target.items_id)
}

fn target(value: &str) -> Option<Target> {
    let (itemtype, id) = value.rsplit_once(':')?;
    let is_class = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '\\');
    let sound =
        !itemtype.is_empty() && itemtype.len() <= MOST_CLASS && itemtype.chars().all(is_class);
    let items_id = id.parse().ok().filter(|_| sound)?;
    Some(Target {
        itemtype: itemtype.to_owned(),
        items_id,
    })
}

fn number<T: std::str::FromStr>(value: &str, name: &'static str) -> Result<T, &'static str> {
    value.parse().map_err(|_| name)
}

fn short(value: &str, most: usize, name: &'static str) -> Result<String, &'static str> {
    (value.chars().count() <= most)
        .then(|| value.to_owned())
        .ok_or(name)
}

/// A day that the database can hold.
fn day(value: &str) -> Option<NaiveDate> {
    use chrono::Datelike as _;
    let day = NaiveDate::parse_from_str(value, "%Y-%m-%d").ok()?;
    (1970..=9998).contains(&day.year()).then_some(day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::web::language::Language;
    use crate::web::texts;

    fn all() -> Asked {
        Asked {
            job: Some(JobId(80)),
            state: Some(RunState::InError),
            target: Some(Target {
                itemtype: "PluginFusioninventoryDeployPackage".to_owned(),
                items_id: 11,
            }),
            agent: Some("wks & é".to_owned()),
            from: NaiveDate::from_ymd_opt(2026, 3, 1),
            until: NaiveDate::from_ymd_opt(2026, 3, 4),
            text: Some("exit 1".to_owned()),
            before: Some(RunId(7)),
        }
    }

    #[test]
    fn addresses_are_read() {
        for (query, expected) in [
            ("", Ok(Asked::default())),
            (
                "job=&state=&target=&agent=+&from=&until=&text=",
                Ok(Asked::default()),
            ),
            (
                "other=1&agent=a&agent=b",
                Ok(Asked {
                    agent: Some("b".to_owned()),
                    ..Asked::default()
                }),
            ),
            (
                "job=80&state=inerror&target=PluginFusioninventoryDeployPackage:11&agent=wks+%26+%C3%A9&from=2026-03-01&until=2026-03-04\
                 &text=exit+1&before=7",
                Ok(all()),
            ),
            ("job=x", Err("job")),
            ("job=-1", Err("job")),
            ("job=4294967296", Err("job")),
            ("state=7", Err("state")),
            ("state=Prepared", Err("state")),
            ("target=x", Err("target")),
            ("target=:1", Err("target")),
            ("target=a'b:1", Err("target")),
            ("target=A:x", Err("target")),
            ("from=yesterday", Err("from")),
            ("from=1969-12-31", Err("from")),
            ("until=2026-02-30", Err("until")),
            ("until=9999-01-01", Err("until")),
            ("before=a", Err("before")),
        ] {
            assert_eq!(Asked::parse(query), expected, "{query}");
        }
        for (name, most) in [("agent", MOST_NAME), ("text", MOST_TEXT)] {
            assert!(Asked::parse(&format!("{name}={}", "x".repeat(most))).is_ok());
            assert_eq!(
                Asked::parse(&format!("{name}={}", "x".repeat(most + 1))),
                Err(name)
            );
        }
    }

    #[test]
    fn an_address_is_written_as_it_is_read() {
        let asked = all();
        let query = asked.query(asked.before);
        assert_eq!(Asked::parse(&query[1..]), Ok(asked.clone()));
        assert!(
            asked.is_narrowed()
                && !Asked {
                    before: asked.before,
                    ..Asked::default()
                }
                .is_narrowed()
        );
        assert_eq!(Asked::default().query(None), "");
    }

    #[test]
    fn days_are_whole_and_codes_are_found_by_their_words() {
        let asked = Asked {
            text: Some("Import".to_owned()),
            ..all()
        };
        let search = asked.search(texts::task::of(Language::French));
        assert_eq!(search.from, "2026-03-01T00:00:00".parse().ok());
        assert_eq!(search.until, "2026-03-05T00:00:00".parse().ok());
        assert_eq!(search.texts, ["Import", "==importdenied=="]);
    }

    proptest! {
        #[test]
        fn any_query_is_read_or_refused(query in "\\PC{0,80}") {
            if let Ok(asked) = Asked::parse(&query) {
                let again = asked.query(asked.before);
                prop_assert_eq!(Asked::parse(again.trim_start_matches('?')), Ok(asked));
            }
        }
    }
}
