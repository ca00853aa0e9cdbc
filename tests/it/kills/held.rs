//! What holds whatever is killed.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use super::agent::Told;
use super::fleet::{AGENTS, DRIVEN, ONCE, SEQUENCED};
use crate::support::database::TestDb;

/// What the log of a run says that was found to be another one's double.
const DOUBLE: &str = "the agent has another open run of this job on the same target";

/// Nothing of this may be seen, at any moment.
pub(crate) async fn at_any_time(db: &TestDb, round: u32) {
    for (what, sql) in [
        (
            "runs open twice",
            "SELECT CONCAT_WS(' ', COUNT(*), 'of job', {f}taskjobs_id, 'agent', {f}agents_id) FROM {p}taskjobstates WHERE state IN (0, 1, 2) \
             GROUP BY {f}taskjobs_id, itemtype, items_id, {f}agents_id HAVING COUNT(*) > 1"
                .to_owned(),
        ),
        (
            "runs that were doubles",
            format!("SELECT CONCAT_WS(' ', 'run', {{f}}taskjobstates_id, comment) FROM {{p}}taskjoblogs WHERE comment LIKE '%{DOUBLE}%'"),
        ),
        (
            "runs without the line of their creation, or with two",
            "SELECT CONCAT_WS(' ', 'run', r.id, 'state', r.state, 'lines', COUNT(l.id)) FROM {p}taskjobstates r LEFT JOIN {p}taskjoblogs l \
             ON l.{f}taskjobstates_id = r.id AND l.state = 7 GROUP BY r.id, r.state HAVING COUNT(l.id) <> 1"
                .to_owned(),
        ),
        (
            "runs of another one's name",
            "SELECT CONCAT_WS(' ', COUNT(*), uniqid) FROM {p}taskjobstates GROUP BY uniqid HAVING COUNT(*) > 1".to_owned(),
        ),
        (
            "runs that were sent and say nothing of it",
            "SELECT CONCAT_WS(' ', 'run', r.id, 'state', r.state) FROM {p}taskjobstates r WHERE r.state IN (1, 2) AND NOT EXISTS \
             (SELECT 1 FROM {p}sidecar_runs s WHERE s.{f}taskjobstates_id = r.id AND s.sends > 0 AND s.sent_at IS NOT NULL)"
                .to_owned(),
        ),
        (
            "occurrences that began twice",
            "SELECT CONCAT_WS(' ', 'occurrence', number, COUNT(*), 'times') FROM begun GROUP BY task, number HAVING COUNT(*) > 1".to_owned(),
        ),
        (
            "runs twice in an occurrence",
            format!(
                "SELECT CONCAT_WS(' ', COUNT(*), 'of job', job, 'agent', agent, 'occurrence', number) FROM (\
                 SELECT r.{{f}}taskjobs_id AS job, r.{{f}}agents_id AS agent, (SELECT MAX(b.number) FROM begun b WHERE b.first_run <= r.id) AS number \
                 FROM {{p}}taskjobstates r JOIN {{p}}taskjobs j ON j.id = r.{{f}}taskjobs_id WHERE j.{{f}}tasks_id = {SEQUENCED}) x \
                 GROUP BY job, agent, number HAVING COUNT(*) > 1"
            ),
        ),
        (
            "occurrences of agents that began twice",
            "SELECT CONCAT_WS(' ', 'agent', agent, 'occurrence', number, COUNT(*), 'times') FROM begun_of_agents GROUP BY agent, task, number \
             HAVING COUNT(*) > 1"
                .to_owned(),
        ),
        (
            "runs twice in an agent's occurrence",
            format!(
                "SELECT CONCAT_WS(' ', COUNT(*), 'of agent', agent, 'occurrence', number) FROM (\
                 SELECT r.{{f}}agents_id AS agent, (SELECT MAX(b.number) FROM begun_of_agents b WHERE b.agent = r.{{f}}agents_id AND b.first_run <= r.id) \
                 AS number FROM {{p}}taskjobstates r JOIN {{p}}taskjobs j ON j.id = r.{{f}}taskjobs_id WHERE j.{{f}}tasks_id = {DRIVEN}) x \
                 GROUP BY agent, number HAVING COUNT(*) > 1"
            ),
        ),
        (
            "runs of a task that agents drive which wait to be sent",
            format!(
                "SELECT CONCAT_WS(' ', 'run', r.id) FROM {{p}}taskjobstates r JOIN {{p}}taskjobs j ON j.id = r.{{f}}taskjobs_id \
                 WHERE j.{{f}}tasks_id = {DRIVEN} AND r.state = 0"
            ),
        ),
    ] {
        let found: Vec<String> = db.ask(&sql).await;
        assert!(found.is_empty(), "round {round}: {what}: {found:?}");
    }
}

/// Numbers of the whole, once all of this holds: what was acknowledged is there, and what was to be done once was done once.
pub(super) async fn in_the_end(db: &TestDb, told: &[Told]) -> String {
    let runs: Vec<(u64, u32, u32, u32, String)> = db
        .ask("SELECT id, {f}taskjobs_id, {f}agents_id, state, uniqid FROM {p}taskjobstates")
        .await;
    let by_name: HashMap<&str, (u32, u32, u32)> = runs
        .iter()
        .map(|(_, job, agent, state, name)| (name.as_str(), (*job, *agent, *state)))
        .collect();
    let by_id: HashMap<String, (u32, u32)> = runs
        .iter()
        .map(|(id, _, agent, state, _)| (id.to_string(), (*agent, *state)))
        .collect();
    let lines: Vec<(String, String)> = db
        .ask("SELECT r.uniqid, l.comment FROM {p}taskjoblogs l JOIN {p}taskjobstates r ON r.id = l.{f}taskjobstates_id")
        .await;
    let lines: HashSet<(String, String)> = lines.into_iter().collect();
    let newest: Vec<String> = db
        .ask("SELECT uniqid FROM {p}taskjobstates WHERE id IN (SELECT MAX(id) FROM {p}taskjobstates GROUP BY {f}taskjobs_id, {f}agents_id)")
        .await;
    let newest: HashSet<String> = newest.into_iter().collect();
    let mut wrong = String::new();
    for one in told {
        for line in &one.lines {
            if !lines.contains(line) {
                writeln!(wrong, "wks-{}: lost {line:?}", one.agent).unwrap();
            }
        }
        for name in &one.well {
            let (_, agent, state) = by_name[name.as_str()];
            let said = lines.contains(&(name.clone(), "job successfully completed".to_owned()));
            // A result that came after the time-out, when another run had been made, stays a line.
            let late = state == 4 && !newest.contains(name);
            if agent != one.agent || !said || !(state == 3 || late) {
                writeln!(wrong, "wks-{agent}: {name} ended well and is in {state}").unwrap();
            }
        }
        for name in &one.ill {
            let (_, agent, state) = by_name[name.as_str()];
            if agent != one.agent || state != 4 || !lines.contains(&(name.clone(), "broken".into()))
            {
                writeln!(wrong, "wks-{agent}: {name} failed and is in {state}").unwrap();
            }
        }
        for id in &one.discovered {
            let (agent, state) = by_id[id];
            if agent != one.agent || state != 3 {
                writeln!(wrong, "wks-{agent}: discovery {id} is over and in {state}").unwrap();
            }
        }
        let once = |name: &&String| {
            let job = by_name.get(name.as_str()).map(|run| run.0);
            job == Some(ONCE)
        };
        let handed: HashSet<&String> = one.received.iter().filter(once).collect();
        let done = one.well.iter().filter(once).count();
        if done > 1 || handed.len() > 1 {
            writeln!(
                wrong,
                "wks-{}: the job that runs once ran {done} times, handed out as {handed:?}",
                one.agent
            )
            .unwrap();
        }
    }
    let (tasks, driven) = occurrences(db).await;
    if tasks.0 != tasks.1 {
        writeln!(wrong, "occurrences: {tasks:?}").unwrap();
    }
    assert!(wrong.is_empty(), "{wrong}");
    let of = |state| runs.iter().filter(|run| run.3 == state).count();
    let sum = |what: fn(&Told) -> usize| told.iter().map(what).sum::<usize>();
    let handed = sum(|one| one.received.len());
    let acknowledged = sum(|one| one.lines.len() + one.well.len() + one.ill.len());
    let once = runs
        .iter()
        .filter(|run| run.1 == ONCE && run.3 == 3)
        .count();
    // It has to have happened: the rounds of the short form are enough for this.
    assert!(
        handed > 20
            && acknowledged > 20
            && tasks.0 > 0
            && driven > 0
            && once > 0
            && once <= AGENTS as usize,
        "{handed} runs handed out, {acknowledged} reports, {tasks:?} occurrences, {once} runs of the job that runs once"
    );
    format!(
        "{} runs ({} well, {} in error, {} cancelled, {} not sent), {handed} handed out, {acknowledged} reports and {} discoveries \
         acknowledged, {} requests unanswered, silent on {}, {} occurrences, {} of agents",
        runs.len(),
        of(3),
        of(4),
        of(5),
        of(0),
        sum(|one| one.discovered.len()),
        sum(|one| one.unanswered),
        sum(|one| one.dropped),
        tasks.0,
        driven
    )
}

/// Occurrences of tasks that have begun and the number of the last, and how many of agents have.
async fn occurrences(db: &TestDb) -> ((u32, u32), u32) {
    let tasks: Vec<(u32, u32)> = db
        .ask("SELECT COUNT(*), CAST(MAX(number) AS UNSIGNED) FROM begun")
        .await;
    let driven: Vec<u32> = db
        .ask(&format!(
            "SELECT COUNT(*) FROM begun_of_agents WHERE task = {DRIVEN}"
        ))
        .await;
    (tasks[0], driven[0])
}
