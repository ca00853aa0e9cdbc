//! What an agent's report on a deployment says: `setStatus` as agent 2.6 sends it.

use super::run::Reported;

/// The parameters of a setStatus request that matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status<'a> {
    /// `ok`, `ko`, or what a check said.
    pub status: Option<&'a str>,
    /// `checking`, `downloading`, `prepare`, `processing`, `end`.
    pub current_step: Option<&'a str>,
    /// What happened.
    pub msg: Option<&'a str>,
    /// Output lines of a command (agents before 2.3 send them as `log[]`).
    pub log: Vec<&'a str>,
}

/// What it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// How the run goes.
    pub reported: Reported,
    /// Text of the log line.
    pub text: String,
    /// Texts of the output lines, each with its step.
    pub output: Vec<String>,
}

/// Reads a report.
///
/// The messages `job successfully completed` and `job skipped` end a run well, unless `status` is `ko`; a line carries the label of
/// its step in front, except at a good end.
#[must_use]
pub fn read(status: &Status<'_>) -> Report {
    let msg = status.msg.unwrap_or_default();
    let labelled = |text: &str| match status.current_step {
        Some(step) if !step.is_empty() => format!("{}:{text}", label(step)),
        _ => text.to_owned(),
    };
    let (reported, text) = if status.status == Some("ko") {
        (Reported::Failure, labelled(msg))
    } else if matches!(msg, "job successfully completed" | "job skipped") {
        (Reported::Success, msg.to_owned())
    } else {
        (Reported::Progress, labelled(msg))
    };
    Report {
        reported,
        text,
        output: status.log.iter().map(|line| labelled(line)).collect(),
    }
}

/// Labels as the plugin's screens show them; a step that it does not know has none there either.
fn label(step: &str) -> &'static str {
    match step {
        "checking" => "Checks",
        "downloading" => "Files download",
        "prepare" => "Files preparation",
        "processing" => "Actions",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports() {
        use Reported::{Failure, Progress, Success};
        for (status, step, msg, reported, text) in [
            (
                None,
                Some("checking"),
                Some("starting"),
                Progress,
                "Checks:starting",
            ),
            (
                Some("ok"),
                Some("downloading"),
                Some("success"),
                Progress,
                "Files download:success",
            ),
            (
                Some("ok"),
                Some("prepare"),
                Some("success"),
                Progress,
                "Files preparation:success",
            ),
            (
                Some("ko"),
                Some("processing"),
                Some("boom"),
                Failure,
                "Actions:boom",
            ),
            (
                Some("ko"),
                None,
                Some("job successfully completed"),
                Failure,
                "job successfully completed",
            ),
            (
                Some("ok"),
                Some("end"),
                Some("job successfully completed"),
                Success,
                "job successfully completed",
            ),
            (
                Some("ok"),
                Some("checking"),
                Some("job skipped"),
                Success,
                "job skipped",
            ),
            (None, Some("nosuch"), Some("m"), Progress, ":m"),
            (None, Some(""), Some("m"), Progress, "m"),
            (None, None, None, Progress, ""),
        ] {
            let read = read(&Status {
                status,
                current_step: step,
                msg,
                log: vec![],
            });
            assert_eq!(
                (read.reported, read.text.as_str()),
                (reported, text),
                "{status:?} {step:?} {msg:?}"
            );
        }
    }

    #[test]
    fn output_lines_carry_their_step() {
        let read = read(&Status {
            current_step: Some("processing"),
            log: vec!["a", "b"],
            ..Status::default()
        });
        assert_eq!(read.output, ["Actions:a", "Actions:b"]);
    }
}
