//! The sidecars on the database: which one leads, and what was done last.

use super::Report;
use crate::config::Settings;
use crate::db::heartbeats::Beats;
use crate::db::leases::Holder;
use crate::db::{Db, DbError};
use crate::domain::crons::Chore;
use crate::work::gate::LEADER_LEASE;

/// How many periods a sidecar may be silent.
const SILENT_PERIODS: u64 = 3;

/// Seconds of silence after which a sidecar with a pass under way is taken to be gone.
const GONE: i64 = 120;

pub(super) async fn examine(settings: &Settings, db: &Db, report: &mut Report) {
    let looked = async {
        Ok::<_, DbError>((
            db.beats().await?,
            db.lease_holder(LEADER_LEASE).await?,
            match Chore::Prepare.cron() {
                Some(cron) => db.plugin_cron_is_on(cron).await?,
                None => false,
            },
        ))
    };
    match looked.await {
        Ok((beats, leader, cron)) => {
            let wanted = settings.scheduler.enabled && !cron;
            let period = settings.scheduler.period.max(settings.scheduler.lease);
            let most = wanted.then_some(period.as_secs() * SILENT_PERIODS);
            tell(&beats, leader.as_ref(), most, report);
        }
        Err(error) => report.error(
            "scheduler",
            error.to_string(),
            "mend the rights and tables first",
        ),
    }
}

/// `most` is how many seconds a sidecar may be silent, if one is needed.
fn tell(beats: &Beats, leader: Option<&Holder>, most: Option<u64>, report: &mut Report) {
    for pass in &beats.passes {
        let word = word(&pass.duty);
        let next = pass
            .next
            .map(|next| format!(", the next at {}", next.format("%F %T")));
        let text = format!(
            "last {word} by {} at {} UTC, {} runs, {}{}",
            pass.host,
            pass.ended.format("%F %T"),
            pass.runs,
            pass.result,
            next.unwrap_or_default()
        );
        if pass.result == "ok" || pass.result.starts_with("off ") {
            report.fine("scheduler", text);
        } else {
            report.warning("scheduler", text, "see that sidecar's log");
        }
    }
    for (duty, host, since, silence) in &beats.begun {
        let text = format!(
            "{} by {host} began at {} UTC and has not ended; that sidecar's last sign of life was {silence} s ago",
            word(duty),
            since.format("%F %T")
        );
        if *silence > GONE {
            let remedy =
                "it was killed or cannot reach the database: another sidecar goes on with the work";
            report.warning("scheduler", text, remedy);
        } else {
            report.fine("scheduler", text);
        }
    }
    if let Some(leader) = leader {
        report.fine("scheduler", format!("the sidecar at {} leads", leader.host));
    }
    let Some((host, version, silence)) = beats.serving.first() else {
        return;
    };
    let is_silent = most.is_some_and(|most| u64::try_from(*silence).is_ok_and(|s| s > most));
    if is_silent {
        report.warning(
            "scheduler",
            format!("nobody prepares runs: GLPI's cron task is off, and the last sign of life of a sidecar, at {host}, was {silence} s ago"),
            "start the service, or hand GLPI's cron tasks back (fusion-sidecar migrate --hand-back)",
        );
    } else {
        report.fine(
            "scheduler",
            format!("last sign of life of a sidecar ({version} at {host}) {silence} s ago"),
        );
    }
    for (host, version, silence) in &beats.serving[1..] {
        report.fine(
            "scheduler",
            format!("another one ({version} at {host}) was heard of {silence} s ago"),
        );
    }
}

fn word(duty: &str) -> &str {
    match duty {
        "prepare" => "preparation",
        "clean" => "cleaning",
        "expire" => "look for silent runs",
        "wakeup" => "look for agents to wake up",
        "changes" => "look for changes made in GLPI",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::heartbeats::LastPass;

    #[test]
    fn what_is_known_of_the_sidecars() {
        let pass = |duty: &str, result: &str| LastPass {
            duty: duty.to_owned(),
            host: "glpi-2".to_owned(),
            ended: "2026-03-04T12:00:00.25".parse().unwrap(),
            result: result.to_owned(),
            runs: 7,
            next: None,
        };
        let serving = |silence| vec![("glpi-2".to_owned(), "1.0".to_owned(), silence)];
        let said = |passes: Vec<LastPass>, serving, most| {
            let mut report = Report::default();
            let beats = Beats {
                passes,
                serving,
                ..Beats::default()
            };
            tell(&beats, None, most, &mut report);
            report
                .to_string()
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned()
        };
        for (line, expected) in [
            // Before the first start.
            (said(vec![], vec![], Some(180)), "0 errors, 0 warnings"),
            (
                said(vec![pass("prepare", "ok")], vec![], Some(180)),
                "ok: scheduler: last preparation by glpi-2 at 2026-03-04 12:00:00 UTC, 7 runs, ok",
            ),
            (
                said(vec![pass("clean", "2 tasks and rows failed")], vec![], None),
                "warning: scheduler: last cleaning by glpi-2 at 2026-03-04 12:00:00 UTC, 7 runs, 2 tasks and rows failed",
            ),
            (
                said(vec![], serving(180), Some(180)),
                "ok: scheduler: last sign of life",
            ),
            (
                said(vec![], serving(181), Some(180)),
                "warning: scheduler: nobody prepares runs",
            ),
            // GLPI's cron does it.
            (
                said(vec![], serving(181), None),
                "ok: scheduler: last sign of life",
            ),
        ] {
            assert!(line.starts_with(expected), "{line}");
        }
    }
    #[test]
    fn each_sidecar_and_each_pass_that_has_not_ended_is_named() {
        let silent = |silence| ("glpi-2".to_owned(), "1.0".to_owned(), silence);
        let begun = |duty: &str, silence| {
            let since = "2026-03-04T12:00:00".parse().unwrap();
            (duty.to_owned(), "glpi-3".to_owned(), since, silence)
        };
        let beats = Beats {
            begun: vec![begun("clean", 3), begun("prepare", 121)],
            serving: vec![silent(1), silent(500)],
            ..Beats::default()
        };
        let mut report = Report::default();
        tell(&beats, None, None, &mut report);
        let said = report.to_string();
        for expected in [
            "ok: scheduler: cleaning by glpi-3 began at 2026-03-04 12:00:00 UTC and has not ended; that sidecar's last sign of life was 3 s ago",
            "warning: scheduler: preparation by glpi-3 began at 2026-03-04 12:00:00 UTC and has not ended; that sidecar's last sign of life was 121 s ago",
            "ok: scheduler: another one (1.0 at glpi-2) was heard of 500 s ago",
        ] {
            assert!(said.contains(expected), "{said}");
        }
    }
}
