//! Waking agents up: what the tasks say, who has work, and where the agents are.

use std::collections::HashMap;

use chrono::NaiveDateTime;
use mysql_async::Row;
use mysql_async::prelude::Queryable;

use super::agents::read_agent;
use super::bulk::{LIST_MAX, list, marks};
use super::row::{Columns, readable};
use super::{Db, DbError};
use crate::domain::actors::Agent;
use crate::domain::ids::{AgentId, ComputerId, JobId, RunId, TaskId};
use crate::domain::wakeup::Wish;

/// A run that waits for its agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Prepared {
    /// Its row.
    pub run: RunId,
    /// Its job.
    pub job: JobId,
    /// Its agent.
    pub agent: AgentId,
    /// Not before this moment.
    pub date_start: Option<NaiveDateTime>,
}

/// A prepared run, and what of its agent's other runs stands in its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitingRun {
    /// Its row.
    pub run: RunId,
    /// Its agent.
    pub agent: AgentId,
    /// Not before this moment.
    pub date_start: Option<NaiveDateTime>,
    /// The agent has an open run of the job that was asked for beside.
    pub has_before: bool,
    /// An older open run of the same job, target and agent exists.
    pub is_duplicate: bool,
}

/// Some of a job's prepared runs, by id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingRuns {
    /// They.
    pub runs: Vec<WaitingRun>,
    /// Behind which id the next ones are, if there may be more.
    pub next: Option<u64>,
}

/// Prepared runs that are read at once.
const PAGE: usize = 4096;

/// Id, agent, not before, whether one of the job before is open, whether an older one is.
type WaitingRow = (u64, u32, Option<NaiveDateTime>, bool, bool);

/// What is known of an agent that may be woken up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Itself.
    pub agent: Agent,
    /// When it was in contact last.
    pub last_contact: Option<NaiveDateTime>,
    /// The token that it obeys.
    pub token: String,
    /// Port of its web server; none = as the general settings say.
    pub port: Option<u16>,
    /// Name of its computer.
    pub computer: String,
}

/// Where a computer may be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// Addresses of its network ports, oldest first.
    pub addresses: Vec<String>,
    /// Names of its domains.
    pub domains: Vec<String>,
}

impl Db {
    /// The active tasks that wake agents up, by id.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn wakeup_wishes(&self) -> Result<Vec<Wish>, DbError> {
        self.timed("wakeup_wishes", async {
            let sql = self.sql(
                "/* wakeup_wishes */ SELECT id, wakeup_agent_counter, wakeup_agent_time, last_agent_wakeup FROM {p}tasks \
                 WHERE is_active <> 0 AND wakeup_agent_counter > 0 AND wakeup_agent_time > 0 ORDER BY id",
            );
            let rows: Vec<Row> = self.conn().await?.query(sql.as_ref()).await?;
            let wishes = rows.into_iter().map(|row| {
                let mut columns = Columns::new("tasks", row);
                Ok(Wish {
                    task: TaskId(columns.take("id")?),
                    most: columns.take("wakeup_agent_counter")?,
                    minutes: columns.take("wakeup_agent_time")?,
                    last: columns.take("last_agent_wakeup")?,
                })
            });
            Ok(readable(wishes).collect())
        })
        .await
    }

    /// Writes that the task of `wish` wakes agents up at `at`, unless somebody else has done so since it was read.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn claim_wakeup(&self, wish: &Wish, at: NaiveDateTime) -> Result<bool, DbError> {
        self.timed("claim_wakeup", async {
            // Compared as local time: in the hour that comes twice in autumn a local time is no one moment.
            let sql = self.sql(
                "/* claim_wakeup */ UPDATE {p}tasks SET last_agent_wakeup = ? \
                 WHERE id = ? AND CAST(last_agent_wakeup AS DATETIME) <=> CAST(? AS DATETIME)",
            );
            let mut conn = self.conn().await?;
            conn.exec_drop(sql.as_ref(), (at, wish.task.0, wish.last))
                .await?;
            Ok(conn.affected_rows() > 0)
        })
        .await
    }

    /// Prepared runs of `jobs` behind `after`, by id, at most so many.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn prepared_runs(
        &self,
        jobs: &[JobId],
        after: RunId,
        most: usize,
    ) -> Result<Vec<Prepared>, DbError> {
        self.timed("prepared_runs", async {
            // One statement a job: of each the index has the runs in order.
            let sql = self.sql(
                "/* prepared_runs */ SELECT id, {f}taskjobs_id, {f}agents_id, date_start FROM {p}taskjobstates \
                 WHERE {f}taskjobs_id = ? AND state = 0 AND id > ? ORDER BY id LIMIT ?",
            );
            let mut conn = self.conn().await?;
            let mut found = Vec::new();
            for job in jobs {
                let rows: Vec<(u64, u32, u32, Option<NaiveDateTime>)> =
                    conn.exec(sql.as_ref(), (job.0, after.0, most)).await?;
                found.extend(rows.into_iter().map(|(run, job, agent, date_start)| Prepared {
                    run: RunId(run),
                    job: JobId(job),
                    agent: AgentId(agent),
                    date_start,
                }));
            }
            found.sort_unstable();
            found.truncate(most);
            Ok(found)
        })
        .await
    }

    /// The next prepared runs of `job` behind id `after`, and whether their agents have an open run of the job `before`.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn waiting_runs(
        &self,
        job: JobId,
        before: Option<JobId>,
        after: u64,
    ) -> Result<WaitingRuns, DbError> {
        self.timed("waiting_runs", async {
            // Both questions are answered by the first run that says yes, from the index on agent, job and target.
            let sql = self.sql(
                "/* waiting_runs */ SELECT r.id, r.{f}agents_id, r.date_start, (SELECT 1 FROM {p}taskjobstates b \
                 WHERE b.{f}agents_id = r.{f}agents_id AND b.{f}taskjobs_id = ? AND b.state IN (0, 1, 2) LIMIT 1) IS NOT NULL, \
                 (SELECT 1 FROM {p}taskjobstates o WHERE o.{f}agents_id = r.{f}agents_id AND o.{f}taskjobs_id = r.{f}taskjobs_id \
                 AND o.items_id = r.items_id AND o.itemtype = r.itemtype AND o.specificity <=> r.specificity AND o.id < r.id \
                 AND o.state IN (0, 1, 2) LIMIT 1) IS NOT NULL \
                 FROM {p}taskjobstates r WHERE r.{f}taskjobs_id = ? AND r.state = 0 AND r.id > ? ORDER BY r.id LIMIT ?",
            );
            // No job has this id.
            let before = before.map_or(0, |before| before.0);
            let values = (before, job.0, after, PAGE);
            let rows: Vec<WaitingRow> = self.conn().await?.exec(sql.as_ref(), values).await?;
            let next = rows.last().filter(|_| rows.len() == PAGE).map(|row| row.0);
            let runs = rows
                .into_iter()
                .map(|(run, agent, date_start, has_before, is_duplicate)| WaitingRun {
                    run: RunId(run),
                    agent: AgentId(agent),
                    date_start,
                    has_before,
                    is_duplicate,
                })
                .collect();
            Ok(WaitingRuns { runs, next })
        })
        .await
    }

    /// What is known of `agents`; those that are gone are left out.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn agents_to_wake(
        &self,
        agents: &[AgentId],
    ) -> Result<HashMap<AgentId, Known>, DbError> {
        self.timed("agents_to_wake", async {
            let mut conn = self.conn().await?;
            let mut known = HashMap::with_capacity(agents.len());
            for chunk in agents.chunks(LIST_MAX) {
                let text = self.names.replace(&format!(
                    "/* agents_to_wake */ SELECT a.id, a.device_id, a.entities_id, a.`lock`, c.id, c.entities_id, c.locations_id, \
                     c.groups_id, c.users_id, c.is_deleted, c.is_template, a.last_contact, a.token, a.agent_port, c.name FROM {{p}}agents a \
                     LEFT JOIN glpi_computers c ON c.id = a.computers_id WHERE a.id IN ({})",
                    marks(chunk.len())
                ));
                let ids: Vec<u32> = chunk.iter().map(|id| id.0).collect();
                let rows: Vec<Row> = conn.exec(text, list(&ids)).await?;
                let read = rows.into_iter().map(|row| {
                    let mut columns = Columns::new("agents", row);
                    let agent = read_agent(&mut columns)?;
                    let known = Known {
                        last_contact: columns.take("last_contact")?,
                        token: columns.text("token")?,
                        port: columns.take("agent_port")?,
                        computer: columns.text("name")?,
                        agent,
                    };
                    Ok((known.agent.id, known))
                });
                known.extend(readable(read));
            }
            Ok(known)
        })
        .await
    }

    /// Those of `agents` that have a run that was sent or has begun, with the moment when the last of these was sent, where it is known.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn agents_at_work(
        &self,
        agents: &[AgentId],
    ) -> Result<HashMap<AgentId, Option<NaiveDateTime>>, DbError> {
        self.timed("agents_at_work", async {
            let mut conn = self.conn().await?;
            let mut found = HashMap::new();
            for chunk in agents.chunks(LIST_MAX) {
                let text = self.names.replace(&format!(
                    "/* agents_at_work */ SELECT r.{{f}}agents_id, MAX(s.sent_at) FROM {{p}}taskjobstates r \
                     LEFT JOIN {{p}}sidecar_runs s ON s.{{f}}taskjobstates_id = r.id \
                     WHERE r.{{f}}agents_id IN ({}) AND r.state IN (1, 2) GROUP BY r.{{f}}agents_id",
                    marks(chunk.len())
                ));
                let ids: Vec<u32> = chunk.iter().map(|id| id.0).collect();
                let rows: Vec<(u32, Option<NaiveDateTime>)> = conn.exec(text, list(&ids)).await?;
                found.extend(rows.into_iter().map(|(agent, sent)| (AgentId(agent), sent)));
            }
            Ok(found)
        })
        .await
    }

    /// Where `computers` may be.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn places(
        &self,
        computers: &[ComputerId],
    ) -> Result<HashMap<ComputerId, Place>, DbError> {
        self.timed("places", async {
            let mut conn = self.conn().await?;
            let mut places: HashMap<ComputerId, Place> = HashMap::new();
            for chunk in computers.chunks(LIST_MAX) {
                let ids: Vec<u32> = chunk.iter().map(|id| id.0).collect();
                let text = format!(
                    "/* places */ SELECT p.items_id, a.name FROM glpi_networkports p \
                     JOIN glpi_networknames n ON n.itemtype = 'NetworkPort' AND n.items_id = p.id AND n.is_deleted = 0 \
                     JOIN glpi_ipaddresses a ON a.itemtype = 'NetworkName' AND a.items_id = n.id AND a.is_deleted = 0 \
                     WHERE p.itemtype = 'Computer' AND p.is_deleted = 0 AND p.items_id IN ({}) ORDER BY a.id",
                    marks(chunk.len())
                );
                let rows: Vec<(u32, Option<String>)> = conn.exec(text, list(&ids)).await?;
                for (computer, address) in rows {
                    let place = places.entry(ComputerId(computer)).or_default();
                    place.addresses.extend(address);
                }
                let text = format!(
                    "/* places */ SELECT i.items_id, d.name FROM glpi_domains_items i JOIN glpi_domains d ON d.id = i.domains_id \
                     WHERE i.itemtype = 'Computer' AND i.is_deleted = 0 AND i.items_id IN ({}) ORDER BY i.id",
                    marks(chunk.len())
                );
                let rows: Vec<(u32, Option<String>)> = conn.exec(text, list(&ids)).await?;
                for (computer, domain) in rows {
                    let place = places.entry(ComputerId(computer)).or_default();
                    place.domains.extend(domain);
                }
            }
            Ok(places)
        })
        .await
    }

    /// Some computers that agents are on, those seen last first.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn some_computers_of_agents(&self, most: usize) -> Result<Vec<ComputerId>, DbError> {
        self.timed("some_computers_of_agents", async {
            let sql = self.sql(
                "/* some_computers_of_agents */ SELECT computers_id FROM {p}agents WHERE computers_id > 0 \
                 ORDER BY last_contact DESC LIMIT ?",
            );
            let ids: Vec<u32> = self.conn().await?.exec(sql.as_ref(), (most,)).await?;
            Ok(ids.into_iter().map(ComputerId).collect())
        })
        .await
    }
}
