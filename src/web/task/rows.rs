//! A run in a line, and what its log says in words.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, NaiveDateTime};
use chrono_tz::Tz;

use super::asked::word;
use crate::db::run_pages::{LogLine, RunRow};
use crate::domain::actors::Target;
use crate::domain::expiry::silence;
use crate::domain::run::RunState;
use crate::proto::coded::{Code, Piece, pieces};
use crate::web::language::Language;
use crate::web::links::Links;
use crate::web::moments::{machine, moment, span};
use crate::web::routes::BASE;
use crate::web::texts::task::{self, Texts};
use crate::web::texts::{fill, fill_texts};

/// A text that may lead somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::web) struct Named {
    pub(in crate::web) text: String,
    pub(in crate::web) href: Option<String>,
}

/// A moment, for people and for programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::web) struct Moment {
    pub(in crate::web) text: String,
    pub(in crate::web) machine: String,
}

impl Moment {
    pub(in crate::web) fn of(at: NaiveDateTime) -> Self {
        Self {
            text: moment(at),
            machine: machine(at),
        }
    }
}

/// The silence of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::web) struct Elapsed {
    pub(in crate::web) text: String,
    /// Seconds of it, and those after which the run is given up.
    pub(in crate::web) meter: Option<(i64, u64)>,
}

/// A run.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::web) struct Line {
    pub(in crate::web) id: u64,
    pub(in crate::web) href: String,
    pub(in crate::web) agent: Named,
    pub(in crate::web) computer: Option<Named>,
    pub(in crate::web) job: String,
    pub(in crate::web) target: Named,
    /// Class of the style, and its name.
    pub(in crate::web) state: (&'static str, &'static str),
    pub(in crate::web) not_before: Option<String>,
    pub(in crate::web) last: Option<String>,
    pub(in crate::web) began: Option<Moment>,
    pub(in crate::web) duration: Option<String>,
    pub(in crate::web) elapsed: Option<Elapsed>,
}

/// By what runs are shown.
#[derive(Debug)]
pub(in crate::web) struct Eyes<'a> {
    pub(in crate::web) language: Language,
    pub(in crate::web) links: &'a Links,
    /// Names of targets.
    pub(in crate::web) names: &'a HashMap<Target, String>,
    pub(in crate::web) now: DateTime<Tz>,
}

impl Eyes<'_> {
    fn t(&self) -> &'static Texts {
        task::of(self.language)
    }

    /// A run of the job `job`, which is given up after `timeout`.
    pub(in crate::web) fn line(&self, row: &RunRow, job: &str, timeout: Option<Duration>) -> Line {
        let t = self.t();
        let agent = if row.agent_name.is_empty() {
            fill(t.nobody, row.agent)
        } else {
            row.agent_name.clone()
        };
        let of_agent = (!row.agent_name.is_empty()).then_some(row.agent.0);
        let link = |class, id: Option<u32>| id.and_then(|id| self.links.item(class, id));
        Line {
            id: row.id.0,
            href: format!("{BASE}runs/{}", row.id),
            agent: Named {
                text: agent,
                href: link("PluginFusioninventoryAgent", of_agent),
            },
            computer: (!row.computer_name.is_empty()).then(|| Named {
                text: row.computer_name.clone(),
                href: link("Computer", Some(row.computer.0)),
            }),
            job: job.to_owned(),
            target: self.target(&row.target),
            state: state(row.state, t),
            not_before: not_before(row).map(|at| fill(t.not_before, moment(at))),
            last: row.last.as_ref().map(|line| self.plain(line)),
            began: row.began.map(Moment::of),
            duration: duration(row, self.now).map(|seconds| span(seconds, self.language)),
            elapsed: self.elapsed(row, timeout),
        }
    }

    /// A target by its name, else by its class and number.
    pub(in crate::web) fn target(&self, target: &Target) -> Named {
        let name = self.names.get(target).cloned();
        let numbered = || {
            let id = target.items_id.to_string();
            fill_texts(
                self.t().numbered,
                &[class(&target.itemtype, self.language), &id],
            )
        };
        Named {
            text: name.unwrap_or_else(numbered),
            href: self.links.item(&target.itemtype, target.items_id),
        }
    }

    /// A log line in words, without links; its state's name where it says nothing.
    pub(in crate::web) fn plain(&self, line: &LogLine) -> String {
        let text = self.text(&line.comment, "; ");
        text.unwrap_or_else(|| line_state(line.state, self.t()).1.to_owned())
    }

    /// A log line in words, without links, with `between` for new lines; none where it says nothing.
    pub(in crate::web) fn text(&self, comment: &str, between: &str) -> Option<String> {
        let parts = self.words(comment);
        let is_empty = parts.is_empty();
        let texts = parts
            .into_iter()
            .map(|part| part.map_or_else(|| between.to_owned(), |named| named.text));
        let text: String = texts.collect();
        (!is_empty).then_some(text)
    }

    /// A log line in words; none = a new line.
    pub(in crate::web) fn words(&self, comment: &str) -> Vec<Option<Named>> {
        let plain = |text: &str| {
            Some(Named {
                text: text.to_owned(),
                href: None,
            })
        };
        let parts = pieces(comment).into_iter().map(|piece| match piece {
            Piece::Text(text) => plain(text),
            Piece::Code(code) => plain(code_words(code, self.t())),
            Piece::Item { itemtype, items_id } => Some(self.target(&Target {
                itemtype: itemtype.to_owned(),
                items_id,
            })),
            Piece::Break => None,
        });
        parts.collect()
    }

    /// How long the agent of a run that is under way has been silent.
    fn elapsed(&self, row: &RunRow, timeout: Option<Duration>) -> Option<Elapsed> {
        let t = self.t();
        let silent = silent(row, self.now)?;
        let words = span(silent, self.language);
        let Some(timeout) = timeout.map(|timeout| timeout.as_secs()) else {
            return Some(Elapsed {
                text: fill(t.without_timeout, words),
                meter: None,
            });
        };
        let most = span(i64::try_from(timeout).unwrap_or(i64::MAX), self.language);
        Some(Elapsed {
            text: fill_texts(t.of_timeout, &[&words, &most]),
            meter: Some((silent, timeout)),
        })
    }
}

/// For how many seconds the agent of a run that is under way has been silent.
pub(in crate::web) fn silent(row: &RunRow, now: DateTime<Tz>) -> Option<i64> {
    let under_way = matches!(row.state, Some(RunState::Sent | RunState::Running));
    let last = row.signs.last().filter(|_| under_way)?;
    Some(silence(last, now).num_seconds().max(0))
}

/// The moment before which a run that has not begun is not handed out.
pub(in crate::web) fn not_before(row: &RunRow) -> Option<NaiveDateTime> {
    let waits = matches!(row.state, Some(RunState::Prepared | RunState::Postponed));
    row.not_before.filter(|_| waits)
}

/// Seconds from a run's first log line to its last, or to `now` where it has not ended.
pub(in crate::web) fn duration(row: &RunRow, now: DateTime<Tz>) -> Option<i64> {
    let began = row.began?;
    let is_open = !matches!(
        row.state,
        Some(RunState::Finished | RunState::InError | RunState::Cancelled)
    );
    if is_open {
        return Some(silence(began, now).num_seconds());
    }
    let ended = row.last.as_ref()?.date?;
    Some((ended - began).num_seconds())
}

/// A state's class of the style and name.
pub(in crate::web) fn state(state: Option<RunState>, t: &Texts) -> (&'static str, &'static str) {
    let name = match state {
        Some(RunState::Prepared) => t.prepared,
        Some(RunState::Sent) => t.sent,
        Some(RunState::Running) => t.running,
        Some(RunState::Finished) => t.finished,
        Some(RunState::InError) => t.in_error,
        Some(RunState::Cancelled) => t.cancelled,
        Some(RunState::Postponed) => t.postponed,
        None => t.unknown_state,
    };
    (state.map_or("unknown", word), name)
}

/// The same of a log line, by the number of its state.
pub(in crate::web) fn line_state(state: u32, t: &Texts) -> (&'static str, &'static str) {
    match state {
        1 => ("sent", t.line_started),
        2 => ("finished", t.line_ok),
        4 => ("inerror", t.line_error),
        5 => ("prepared", t.line_info),
        6 => ("running", t.line_running),
        7 => ("prepared", t.line_prepared),
        _ => ("unknown", t.unknown_state),
    }
}

/// The state of a log line, for programs.
pub(in crate::web) const fn line_word(state: u32) -> &'static str {
    match state {
        1 => "started",
        2 => "ok",
        4 => "error",
        5 => "info",
        6 => "running",
        7 => "prepared",
        _ => "unknown",
    }
}

/// What a code stands for.
pub(in crate::web) fn code_words(code: Code, t: &Texts) -> &'static str {
    match code {
        Code::DevicesQueried => t.devicesqueried,
        Code::DevicesFound => t.devicesfound,
        Code::AddTheItem => t.addtheitem,
        Code::UpdateTheItem => t.updatetheitem,
        Code::InventoryStarted => t.inventorystarted,
        Code::Detail => t.detail,
        Code::BadToken => t.badtoken,
        Code::AgentCrashed => t.agentcrashed,
        Code::ImportDenied => t.importdenied,
    }
}

/// What one thing of a class is called; one of another class by the class's name.
fn class(itemtype: &str, language: Language) -> &str {
    let t = task::of(language);
    match itemtype {
        "Computer" => t.computer,
        "NetworkEquipment" => t.network_equipment,
        "Printer" => t.printer,
        "Phone" => t.phone,
        "Peripheral" => t.peripheral,
        "PluginFusioninventoryAgent" => t.agent,
        "PluginFusioninventoryCollect" => t.collects,
        "PluginFusioninventoryCredentialIp" => t.hosts,
        "PluginFusioninventoryDeployPackage" => t.packages,
        "PluginFusioninventoryIPRange" => t.ranges,
        "PluginFusioninventoryTask" => t.task,
        "PluginFusioninventoryUnmanaged" => t.unmanaged,
        other => other,
    }
}

#[cfg(test)]
mod tests;
