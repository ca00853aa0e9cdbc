//! What a pass did.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use chrono::NaiveDateTime;

use super::WAKEUPS;
use crate::domain::site::Closed;
use crate::domain::wakeup::{CRON, Skip};
use crate::knock::Heard;
use crate::work::turn::Outcome;

/// What a pass did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// Why it ended before it was done.
    pub closed: Option<Closed>,
    /// Tasks whose time had come.
    pub tasks: usize,
    /// Agents asked.
    pub asked: usize,
    /// Those that come now.
    pub awake: usize,
    /// Those that do not obey this machine.
    pub refused: usize,
    /// Those at none of whose addresses an agent answered.
    pub unreachable: usize,
    /// Those that said that they do something else (policy `plugin`).
    pub busy: usize,
    /// Agents with work that were not asked.
    pub skipped: BTreeMap<Skip, usize>,
    /// The addresses of this machine that were refused.
    pub here: BTreeSet<IpAddr>,
    /// When the first delay is over of the jobs that nothing else keeps from agents that drive their task, local time.
    pub due: Option<NaiveDateTime>,
}

impl Summary {
    /// Counts what became of an agent; whether it comes.
    pub(super) fn count(&mut self, heard: Heard) -> bool {
        let (count, result) = match heard {
            Heard::Awake => (&mut self.awake, "awake"),
            Heard::Refused(here) => {
                self.here.insert(here);
                (&mut self.refused, "refused")
            }
            Heard::Nobody => (&mut self.unreachable, "unreachable"),
        };
        *count += 1;
        metrics::counter!(WAKEUPS, "result" => result).increment(1);
        heard == Heard::Awake
    }

    /// Counts an agent that does something else.
    pub(super) fn count_busy(&mut self) -> bool {
        self.busy += 1;
        metrics::counter!(WAKEUPS, "result" => "busy").increment(1);
        false
    }

    /// Whether something has to be mended before agents come: they refuse, or GLPI is closed.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.refused > 0 || self.closed.is_some()
    }

    /// One line in the log for the pass, and one when agents refused.
    pub fn log(&self) {
        if self.asked > 0 {
            tracing::info!(duty = CRON, "{self}");
        } else {
            tracing::debug!(duty = CRON, "{self}");
        }
        if let Some(refusal) = self.refusal() {
            tracing::warn!(duty = CRON, "{refusal}");
        }
    }

    /// What to do about agents that refused.
    fn refusal(&self) -> Option<String> {
        let here: Vec<String> = self.here.iter().map(ToString::to_string).collect();
        (self.refused > 0).then(|| {
            format!(
                "{} agents refuse to be woken up from {}: they obey the addresses of their server's name and those in their httpd-trust",
                self.refused,
                here.join(", ")
            )
        })
    }
}

impl Outcome for Summary {
    fn result(&self) -> String {
        match self.closed {
            Some(closed) => format!("stopped: {closed}"),
            None if self.refused > 0 => format!("{} agents refused", self.refused),
            None => "ok".to_owned(),
        }
    }

    fn runs(&self) -> u64 {
        0
    }

    fn closed(&self) -> Option<Closed> {
        self.closed
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(closed) = self.closed.filter(|_| self.asked == 0) {
            return write!(f, "nobody was asked: {closed}");
        }
        write!(
            f,
            "{} tasks, {} agents asked: {} awake, {} refused, {} unreachable",
            self.tasks, self.asked, self.awake, self.refused, self.unreachable
        )?;
        if self.busy > 0 {
            write!(f, ", {} busy", self.busy)?;
        }
        let total: usize = self.skipped.values().sum();
        write!(f, "; {total} skipped")?;
        for (index, (skip, count)) in self.skipped.iter().enumerate() {
            let before = if index == 0 { ": " } else { ", " };
            write!(f, "{before}{count} {}", skip.text())?;
        }
        if let Some(refusal) = self.refusal() {
            write!(f, "; {refusal}")?;
        }
        match self.closed {
            Some(closed) => write!(f, "; {closed}: the next pass does the rest"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line() {
        let mut summary = Summary {
            tasks: 2,
            asked: 4,
            ..Summary::default()
        };
        for heard in [Heard::Awake, Heard::Awake, Heard::Nobody] {
            summary.count(heard);
        }
        assert!(!summary.has_failed());
        assert_eq!(
            summary.to_string(),
            "2 tasks, 4 agents asked: 2 awake, 0 refused, 1 unreachable; 0 skipped"
        );
        summary.count_busy();
        summary.count(Heard::Refused([10, 0, 0, 1].into()));
        summary.skipped = [(Skip::Locked, 3), (Skip::AtWork, 1)].into();
        assert!(summary.has_failed());
        assert_eq!(
            summary.to_string(),
            "2 tasks, 4 agents asked: 2 awake, 1 refused, 1 unreachable, 1 busy; 4 skipped: 3 locked, 1 at work; \
             1 agents refuse to be woken up from 10.0.0.1: they obey the addresses of their server's name and those in their httpd-trust"
        );
        let closed = Summary {
            closed: Some(Closed::Maintenance),
            ..Summary::default()
        };
        assert!(closed.has_failed());
        assert_eq!(
            closed.to_string(),
            "nobody was asked: GLPI is in maintenance"
        );
        let broken_off = Summary {
            asked: 1,
            awake: 1,
            ..closed
        };
        assert_eq!(
            broken_off.to_string(),
            "0 tasks, 1 agents asked: 1 awake, 0 refused, 0 unreachable; 0 skipped; GLPI is in maintenance: the next pass does the rest"
        );
    }
}
