//! What a check found.

use std::fmt;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// As it should be.
    Fine,
    /// `serve` works, but perhaps not as wished.
    Warning,
    /// `serve` does not work, or not for all.
    Error,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is about, a word or two.
    pub topic: &'static str,
    /// What was found.
    pub text: String,
    /// How to mend it; empty where nothing needs it.
    pub mend: String,
}

/// Everything that a check found, in the order in which it looked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report(pub Vec<Finding>);

impl Report {
    pub(super) fn fine(&mut self, topic: &'static str, text: impl Into<String>) {
        self.add(Severity::Fine, topic, text.into(), String::new());
    }

    pub(super) fn warning(
        &mut self,
        topic: &'static str,
        text: impl Into<String>,
        mend: impl Into<String>,
    ) {
        self.add(Severity::Warning, topic, text.into(), mend.into());
    }

    pub(super) fn error(
        &mut self,
        topic: &'static str,
        text: impl Into<String>,
        mend: impl Into<String>,
    ) {
        self.add(Severity::Error, topic, text.into(), mend.into());
    }

    fn add(&mut self, severity: Severity, topic: &'static str, text: String, mend: String) {
        self.0.push(Finding {
            severity,
            topic,
            text,
            mend,
        });
    }

    /// How many findings are that bad.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.0
            .iter()
            .filter(|finding| finding.severity == severity)
            .count()
    }

    /// Whether anything keeps `serve` from working.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.count(Severity::Error) > 0
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fine => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

impl fmt::Display for Finding {
    /// One line, whatever line breaks a server's message brought along.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = if self.mend.is_empty() {
            format!("{}: {}: {}", self.severity, self.topic, self.text)
        } else {
            format!(
                "{}: {}: {} -> {}",
                self.severity, self.topic, self.text, self.mend
            )
        };
        f.write_str(&line.replace(|c: char| c.is_control(), " "))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.0 {
            writeln!(f, "{finding}")?;
        }
        let plural = |count: usize, word: &str| match count {
            1 => format!("1 {word}"),
            count => format!("{count} {word}s"),
        };
        write!(
            f,
            "{}, {}",
            plural(self.count(Severity::Error), "error"),
            plural(self.count(Severity::Warning), "warning")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_each_and_the_sum() {
        let mut report = Report::default();
        report.fine("listener", "127.0.0.1:8086 is free");
        assert!(!report.has_errors());
        report.warning("upstream", "none", "give one");
        assert!(!report.has_errors());
        report.error("database", "said\nno", "ask again");
        assert!(report.has_errors());
        assert_eq!(
            report.to_string(),
            "ok: listener: 127.0.0.1:8086 is free\n\
             warning: upstream: none -> give one\n\
             error: database: said no -> ask again\n\
             1 error, 1 warning"
        );
    }
}
