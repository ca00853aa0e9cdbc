//! Preparation: which agents a job's actors are, and the runs that a job needs.

use std::collections::{BTreeSet, HashSet};

use chrono::NaiveDateTime;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Params, Transaction, Value};
use uuid::Uuid;

use super::bulk::{LIST_MAX, add_lines, insert, list, marks, pad};
use super::{Db, DbError, OnLock};
use crate::domain::actors::{Actor, Members, Target};
use crate::domain::ids::{AgentId, JobId, RunId};
use crate::domain::policy::Policy;
use crate::domain::prepare::{Existing, Step, plan};
use crate::domain::run::{LogState, RunState};

/// What the log of a run says whose agent left the actors before it ran.
const LEFT: &str = "Cancelled: the agent's computer is no longer among the actors of the job.";

/// What a preparation did for one job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Prepared {
    /// Runs created.
    pub created: usize,
    /// Runs cancelled.
    pub cancelled: usize,
}

impl Db {
    /// The agents that `actors` stand for: those named themselves first, then those of computers by id, each once.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn agents_of(
        &self,
        actors: &[Actor],
        members: &Members,
        policy: Policy,
    ) -> Result<Vec<AgentId>, DbError> {
        self.timed("agents_of", async {
            let mut conn = self.conn().await?;
            let (mut named, mut single, mut grouped, mut groups) =
                (vec![], BTreeSet::new(), BTreeSet::new(), vec![]);
            for actor in actors {
                match actor {
                    Actor::Agent(id) => named.push(id.0),
                    Actor::Computer(id) => drop(single.insert(id.0)),
                    Actor::DeployGroup(id) => grouped.extend(
                        members
                            .computers
                            .get(id)
                            .into_iter()
                            .flat_map(|ids| ids.iter()),
                    ),
                    Actor::Group(id) if members.users.contains_key(id) => groups.push(id.0),
                    Actor::Group(_) => {}
                }
            }
            grouped.extend(computers_of_groups(&mut conn, &groups).await?);
            let mut agents = existing_agents(self, &mut conn, &named).await?;
            let all: Vec<u32> = single.union(&grouped).copied().collect();
            let mut linked = BTreeSet::new();
            for (agent, computer, exists, usable) in
                agents_of_computers(self, &mut conn, &all).await?
            {
                // The plugin looks whether a computer that is named itself exists, but not at members of groups.
                let fits = match policy {
                    Policy::Plugin => exists || grouped.contains(&computer),
                    Policy::Redux => usable,
                };
                if fits {
                    linked.insert(agent);
                }
            }
            let known: HashSet<u32> = agents.iter().copied().collect();
            agents.extend(linked.into_iter().filter(|id| !known.contains(id)));
            Ok(agents.into_iter().map(AgentId).collect())
        })
        .await
    }

    /// Creates the runs that `job` needs for `agents` and cancels those that it no longer does, in one transaction; whoever else
    /// prepares the same job waits for it.
    ///
    /// # Errors
    ///
    /// When the database fails; then nothing was prepared.
    pub async fn prepare_job(
        &self,
        job: JobId,
        targets: &[Target],
        agents: &[AgentId],
        reprepare: bool,
        at: NaiveDateTime,
    ) -> Result<Prepared, DbError> {
        let input = (job, targets, agents, reprepare, at);
        self.tx(
            "prepare_job",
            OnLock::TryAgain,
            input,
            |db, (job, targets, agents, reprepare, at), tx| {
                Box::pin(prepare(db, tx, *job, targets, agents, *reprepare, *at))
            },
        )
        .await
    }

    /// State of the plugin's own preparation in GLPI's cron (`taskscheduler`): 0 off, 1 on, 2 running; none when it is not there.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn plugin_scheduler_state(&self) -> Result<Option<i64>, DbError> {
        self.timed("plugin_scheduler_state", async {
            let mut conn = self.conn().await?;
            Ok(conn
                .query_first(
                    "/* plugin_scheduler_state */ SELECT state FROM glpi_crontasks \
                     WHERE itemtype LIKE 'PluginFusioninventory%' AND name = 'taskscheduler'",
                )
                .await?)
        })
        .await
    }
}

/// Takes the lock row of `job`: whoever creates its runs, or deletes it, comes after this transaction.
pub(super) async fn lock_job(
    db: &Db,
    tx: &mut Transaction<'static>,
    job: JobId,
) -> Result<(), DbError> {
    let sql = db.sql(
        "/* lock_job */ INSERT INTO {p}sidecar_locks (name, counter) VALUES (?, 1) ON DUPLICATE KEY UPDATE counter = counter + 1",
    );
    Ok(tx.exec_drop(sql.as_ref(), (format!("job:{job}"),)).await?)
}

async fn prepare(
    db: &Db,
    tx: &mut Transaction<'static>,
    job: JobId,
    targets: &[Target],
    agents: &[AgentId],
    reprepare: bool,
    at: NaiveDateTime,
) -> Result<Prepared, DbError> {
    lock_job(db, tx, job).await?;
    let sql = db.sql("/* prepare_job */ SELECT 1 FROM {p}taskjobs WHERE id = ?");
    let job_is_there: Option<u8> = tx.exec_first(sql.as_ref(), (job.0,)).await?;
    if job_is_there.is_none() {
        // Deleted since the catalogue was read: a run of it would never end.
        return Ok(Prepared::default());
    }
    let existing = existing_runs(db, tx, job, reprepare).await?;
    let mut prepared = Prepared::default();
    for step in plan(targets, agents, &existing, reprepare) {
        prepared.cancelled += cancel(db, tx, &step, at).await?;
        create(db, tx, job, &step, at).await?;
        prepared.created += step.create.len();
    }
    Ok(prepared)
}

async fn existing_agents(db: &Db, conn: &mut Conn, named: &[u32]) -> Result<Vec<u32>, DbError> {
    let mut found = HashSet::new();
    for chunk in named.chunks(LIST_MAX) {
        let text = format!(
            "/* existing_agents */ SELECT id FROM {{p}}agents WHERE id IN ({})",
            marks(chunk.len())
        );
        let ids: Vec<u32> = conn.exec(db.names.replace(&text), list(chunk)).await?;
        found.extend(ids);
    }
    // `remove` keeps the order of the actors and each agent once.
    Ok(named
        .iter()
        .copied()
        .filter(|id| found.remove(id))
        .collect())
}

/// Computers in GLPI groups, and those of the groups' members.
async fn computers_of_groups(conn: &mut Conn, groups: &[u32]) -> Result<Vec<u32>, DbError> {
    let mut computers = Vec::new();
    for chunk in groups.chunks(LIST_MAX) {
        let marks = marks(chunk.len());
        let text = format!(
            "/* computers_of_groups */ SELECT id FROM glpi_computers WHERE groups_id IN ({marks}) UNION SELECT c.id FROM glpi_groups_users u \
             JOIN glpi_computers c ON c.users_id = u.users_id WHERE u.groups_id IN ({marks})"
        );
        let values = pad(chunk).chain(pad(chunk)).map(Value::from).collect();
        computers.extend(
            conn.exec::<u32, _, _>(text, Params::Positional(values))
                .await?,
        );
    }
    Ok(computers)
}

/// (agent, computer, the computer exists, it is neither in the trash nor a template).
async fn agents_of_computers(
    db: &Db,
    conn: &mut Conn,
    computers: &[u32],
) -> Result<Vec<(u32, u32, bool, bool)>, DbError> {
    let mut agents = Vec::new();
    for chunk in computers.chunks(LIST_MAX) {
        let text = format!(
            "/* agents_of_computers */ SELECT a.id, a.computers_id, c.id IS NOT NULL, COALESCE(c.is_deleted = 0 AND c.is_template = 0, 0) \
             FROM {{p}}agents a LEFT JOIN glpi_computers c ON c.id = a.computers_id WHERE a.computers_id IN ({})",
            marks(chunk.len())
        );
        agents.extend(
            conn.exec::<(u32, u32, bool, bool), _, _>(db.names.replace(&text), list(chunk))
                .await?,
        );
    }
    Ok(agents)
}

/// The runs of `job` that a preparation looks at; those that ended well only where it matters.
async fn existing_runs(
    db: &Db,
    tx: &mut Transaction<'static>,
    job: JobId,
    reprepare: bool,
) -> Result<Vec<Existing>, DbError> {
    let sql = if reprepare {
        db.sql(
            "/* existing_runs */ SELECT id, {f}agents_id, itemtype, items_id, state FROM {p}taskjobstates \
             WHERE {f}taskjobs_id = ? AND state IN (0, 1, 2, 6) ORDER BY id",
        )
    } else {
        db.sql(
            "/* existing_runs */ SELECT id, {f}agents_id, itemtype, items_id, state FROM {p}taskjobstates \
             WHERE {f}taskjobs_id = ? AND state IN (0, 1, 2, 3, 6) ORDER BY id",
        )
    };
    let rows: Vec<(u64, u32, Option<String>, u32, u32)> = tx.exec(sql.as_ref(), (job.0,)).await?;
    Ok(rows
        .into_iter()
        .filter_map(|(id, agent, itemtype, items_id, state)| {
            Some(Existing {
                id: RunId(id),
                agent: AgentId(agent),
                target: Target {
                    itemtype: itemtype.unwrap_or_default(),
                    items_id,
                },
                state: RunState::from_code(state)?,
            })
        })
        .collect())
}

async fn cancel(
    db: &Db,
    tx: &mut Transaction<'static>,
    step: &Step,
    at: NaiveDateTime,
) -> Result<usize, DbError> {
    let mut cancelled = 0;
    let wanted: Vec<u64> = step.cancel.iter().map(|run| run.0).collect();
    for chunk in wanted.chunks(LIST_MAX) {
        // Locked and looked at again: a report may have ended one since it was read.
        let text = format!(
            "/* cancel_runs */ SELECT id FROM {{p}}taskjobstates WHERE id IN ({}) AND state IN (0, 1, 2, 6) ORDER BY id FOR UPDATE",
            marks(chunk.len())
        );
        let open: Vec<u64> = tx.exec(db.names.replace(&text), list(chunk)).await?;
        if open.is_empty() {
            continue;
        }
        let text = format!(
            "/* cancel_runs */ UPDATE {{p}}taskjobstates SET state = 5 WHERE id IN ({})",
            marks(open.len())
        );
        tx.exec_drop(db.names.replace(&text), list(&open)).await?;
        let lines: Vec<[Value; 6]> = open
            .iter()
            .map(|run| {
                let (items_id, itemtype) = (step.target.items_id, step.target.itemtype.as_str());
                let state = LogState::Info.code();
                [
                    Value::from(*run),
                    at.into(),
                    items_id.into(),
                    itemtype.into(),
                    state.into(),
                    LEFT.into(),
                ]
            })
            .collect();
        add_lines(db, tx, &lines).await?;
        cancelled += open.len();
    }
    Ok(cancelled)
}

async fn create(
    db: &Db,
    tx: &mut Transaction<'static>,
    job: JobId,
    step: &Step,
    at: NaiveDateTime,
) -> Result<(), DbError> {
    for agents in step.create.chunks(LIST_MAX) {
        let uniqids: Vec<String> = agents.iter().map(|_| Uuid::new_v4().to_string()).collect();
        let (items_id, itemtype) = (step.target.items_id, step.target.itemtype.as_str());
        let state = RunState::Prepared.code();
        let runs: Vec<[Value; 6]> = agents
            .iter()
            .zip(&uniqids)
            .map(|(agent, uniqid)| {
                let uniqid = uniqid.as_str();
                [
                    job.0.into(),
                    items_id.into(),
                    itemtype.into(),
                    state.into(),
                    agent.0.into(),
                    uniqid.into(),
                ]
            })
            .collect();
        let head = "/* create_runs */ INSERT INTO {p}taskjobstates ({f}taskjobs_id, items_id, itemtype, state, {f}agents_id, uniqid)";
        insert(db, tx, head, &runs, "").await?;
        // Read back by uniqid: the ids of one insert are not consecutive on every server (Galera).
        let text = format!(
            "/* create_runs */ SELECT id FROM {{p}}taskjobstates WHERE uniqid IN ({}) ORDER BY id",
            marks(uniqids.len())
        );
        let wanted: Vec<&str> = uniqids.iter().map(String::as_str).collect();
        let ids: Vec<u64> = tx.exec(db.names.replace(&text), list(&wanted)).await?;
        let state = LogState::Prepared.code();
        let lines: Vec<[Value; 6]> = ids
            .into_iter()
            .map(|run| {
                [
                    run.into(),
                    at.into(),
                    0.into(),
                    Value::NULL,
                    state.into(),
                    "".into(),
                ]
            })
            .collect();
        add_lines(db, tx, &lines).await?;
    }
    Ok(())
}
