//! Many runs in the tables, with their log lines, as multi-row inserts.

use super::database::TestDb;

/// Runs of one state, their agents one after the other.
pub(crate) struct Runs<'a> {
    pub(crate) job: u32,
    pub(crate) itemtype: &'a str,
    pub(crate) items_id: u32,
    pub(crate) first_agent: u32,
    pub(crate) count: u32,
    pub(crate) state: u32,
    /// The log line that ended them: state and text.
    pub(crate) line: Option<(u32, &'a str)>,
}

impl Runs<'_> {
    /// Of a job on a package.
    pub(crate) fn of_package(job: u32, package: u32, agents: (u32, u32), state: u32) -> Self {
        Self {
            job,
            itemtype: "PluginFusioninventoryDeployPackage",
            items_id: package,
            first_agent: agents.0,
            count: agents.1,
            state,
            line: (state == 3).then_some((2, "job successfully completed")),
        }
    }
}

/// Most rows of one insert.
const ROWS: usize = 1000;

/// Adds `runs`, with ids that follow those that are there: the first.
pub(crate) async fn add(db: &TestDb, runs: &[Runs<'_>]) -> u64 {
    let last: Vec<Option<u64>> = db.ask("SELECT MAX(id) FROM {p}taskjobstates").await;
    let first = last[0].unwrap_or_default() + 1;
    let (mut rows, mut lines, mut id) = (Vec::new(), Vec::new(), first);
    for runs in runs {
        let Runs {
            job,
            itemtype,
            items_id,
            first_agent,
            state,
            ..
        } = runs;
        for agent in (*first_agent..).take(runs.count as usize) {
            rows.push(format!(
                "({id},{job},{items_id},'{itemtype}',{state},{agent},'run-{id}')"
            ));
            lines.push(format!("({id},'2026-03-04 11:00:00',0,'',7,'')"));
            if let Some((state, text)) = runs.line {
                lines.push(format!(
                    "({id},'2026-03-04 11:30:00',0,'',{state},'{text}')"
                ));
            }
            id += 1;
        }
    }
    for (head, rows) in [
        (
            "INSERT INTO {p}taskjobstates (id, {f}taskjobs_id, items_id, itemtype, state, {f}agents_id, uniqid) VALUES",
            rows,
        ),
        (
            "INSERT INTO {p}taskjoblogs ({f}taskjobstates_id, date, items_id, itemtype, state, comment) VALUES",
            lines,
        ),
    ] {
        for piece in rows.chunks(ROWS) {
            db.set(&format!("{head} {}", piece.join(","))).await;
        }
    }
    first
}
