//! Tasks that agents drive: what is stored of the agents that ask.

use std::collections::{BTreeMap, HashMap};

use chrono::NaiveDateTime;
use mysql_async::prelude::Queryable;
use mysql_async::{Params, Value};

use super::bulk::{LIST_MAX, list, marks, pad};
use super::{Db, DbError};
use crate::domain::actors::Target;
use crate::domain::driven::{Last, Occurrence, Past, Stored};
use crate::domain::ids::{AgentId, JobId, RunId, TaskId};
use crate::domain::run::RunState;

impl Db {
    /// The last occurrences of `tasks` for `agents`, and what the runs of each of them say of each of `pairs`: in two statements, one more where
    /// there are runs, and one for each further class of targets, as long as these are no more than 256 of each.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn driven(
        &self,
        agents: &[AgentId],
        tasks: &[TaskId],
        pairs: &[(JobId, Target)],
    ) -> Result<Stored, DbError> {
        self.timed("driven", async {
            let mut conn = self.conn().await?;
            let occurrences = occurrences(self, &mut conn, agents, tasks).await?;
            let mut pasts = HashMap::new();
            let mut lasts: BTreeMap<u64, (u32, u32, Target)> = BTreeMap::new();
            let mut by_type: HashMap<&str, Vec<(u32, u32)>> = HashMap::new();
            for (job, target) in pairs {
                let same = by_type.entry(target.itemtype.as_str()).or_default();
                same.push((job.0, target.items_id));
            }
            for (itemtype, pairs) in by_type {
                for pairs in pairs.chunks(LIST_MAX) {
                    for agents in agents.chunks(LIST_MAX) {
                        let rows = past_rows(self, &mut conn, itemtype, pairs, agents).await?;
                        for (agent, job, items_id, open, well, last) in rows {
                            let target = Target {
                                itemtype: itemtype.to_owned(),
                                items_id,
                            };
                            let past = Past {
                                open,
                                well,
                                last: None,
                            };
                            lasts.extend(last.map(|last| (last, (agent, job, target.clone()))));
                            pasts.insert((AgentId(agent), JobId(job), target), past);
                        }
                    }
                }
            }
            let runs: Vec<u64> = lasts.keys().copied().collect();
            for last in last_runs(self, &mut conn, &runs).await? {
                if let Some((agent, job, target)) = lasts.remove(&last.run.0)
                    && let Some(past) = pasts.get_mut(&(AgentId(agent), JobId(job), target))
                {
                    past.last = Some(last);
                }
            }
            Ok(Stored { occurrences, pasts })
        })
        .await
    }
}

impl Db {
    /// When the last occurrence of `task` for any agent began, in Unix time.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn last_agent_occurrence(&self, task: TaskId) -> Result<Option<i64>, DbError> {
        self.timed("last_agent_occurrence", async {
            let sql = self.sql(
                "/* last_agent_occurrence */ SELECT MAX(began_at) FROM {p}sidecar_agent_occurrences WHERE {f}tasks_id = ?",
            );
            let began_at: Option<Option<i64>> =
                self.conn().await?.exec_first(sql.as_ref(), (task.0,)).await?;
            Ok(began_at.flatten())
        })
        .await
    }
}

/// The last occurrences of `tasks` for `agents`.
pub(super) async fn occurrences(
    db: &Db,
    conn: &mut impl Queryable,
    agents: &[AgentId],
    tasks: &[TaskId],
) -> Result<HashMap<(TaskId, AgentId), Occurrence>, DbError> {
    let mut found = HashMap::new();
    for agents in agents.chunks(LIST_MAX) {
        for tasks in tasks.chunks(LIST_MAX) {
            let text = format!(
                "/* agent_occurrences */ SELECT {{f}}tasks_id, {{f}}agents_id, number, began_at, first_run FROM {{p}}sidecar_agent_occurrences \
                 WHERE {{f}}agents_id IN ({}) AND {{f}}tasks_id IN ({})",
                marks(agents.len()),
                marks(tasks.len())
            );
            let agents = pad(agents).map(|agent| Value::from(agent.0));
            let values = agents.chain(pad(tasks).map(|task| Value::from(task.0)));
            let values = Params::Positional(values.collect());
            let rows: Vec<(u32, u32, u32, i64, u64)> =
                conn.exec(db.names.replace(&text), values).await?;
            for (task, agent, number, began_at, first_run) in rows {
                let one = Occurrence {
                    number,
                    began_at,
                    first_run,
                };
                found.insert((TaskId(task), AgentId(agent)), one);
            }
        }
    }
    Ok(found)
}

/// Agent, job, target, whether a run is open, whether one ended well, the last run.
type PastRow = (u32, u32, u32, bool, bool, Option<u64>);

/// Each question is answered by the first run that says yes, from the index on agent, job and target: an agent's history is not read.
async fn past_rows(
    db: &Db,
    conn: &mut impl Queryable,
    itemtype: &str,
    pairs: &[(u32, u32)],
    agents: &[AgentId],
) -> Result<Vec<PastRow>, DbError> {
    let more = "UNION SELECT ?, ? ".repeat(pad(pairs).count() - 1);
    let of_pair = "FROM {p}taskjobstates r WHERE r.{f}agents_id = a.id AND r.{f}taskjobs_id = t.job AND r.items_id = t.items_id AND r.itemtype = ?";
    let text = format!(
        "/* pasts */ SELECT a.id, t.job, t.items_id, (SELECT 1 {of_pair} AND r.state IN (0, 1, 2) LIMIT 1) IS NOT NULL, \
         (SELECT 1 {of_pair} AND r.state = 3 LIMIT 1) IS NOT NULL, (SELECT r.id {of_pair} ORDER BY r.id DESC LIMIT 1) \
         FROM (SELECT CAST(? AS UNSIGNED) AS job, CAST(? AS UNSIGNED) AS items_id {more}) t JOIN {{p}}agents a WHERE a.id IN ({})",
        marks(agents.len())
    );
    let pairs = pad(pairs).flat_map(|(job, items_id)| [Value::from(job), items_id.into()]);
    let values = [Value::from(itemtype), itemtype.into(), itemtype.into()]
        .into_iter()
        .chain(pairs)
        .chain(pad(agents).map(|agent| Value::from(agent.0)));
    let values = Params::Positional(values.collect());
    Ok(conn.exec(db.names.replace(&text), values).await?)
}

/// What these `runs` say; one in a state that nobody knows says nothing, as everywhere.
async fn last_runs(db: &Db, conn: &mut impl Queryable, runs: &[u64]) -> Result<Vec<Last>, DbError> {
    let mut found = Vec::with_capacity(runs.len());
    for chunk in runs.chunks(LIST_MAX) {
        let text = format!(
            "/* last_runs */ SELECT r.id, r.state, s.sent_at FROM {{p}}taskjobstates r \
             LEFT JOIN {{p}}sidecar_runs s ON s.{{f}}taskjobstates_id = r.id WHERE r.id IN ({})",
            marks(chunk.len())
        );
        let rows: Vec<(u64, u32, Option<NaiveDateTime>)> =
            conn.exec(db.names.replace(&text), list(chunk)).await?;
        found.extend(rows.into_iter().filter_map(|(run, code, sent_at)| {
            Some(Last {
                run: RunId(run),
                state: RunState::from_code(code)?,
                sent_at,
            })
        }));
    }
    Ok(found)
}
