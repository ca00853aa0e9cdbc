//! Counting for the monitoring pages.
//!
//! Nothing here reads run by run. [`Db::marks`] reads the index on job and state alone and tells which jobs have changed since the last look;
//! only these are counted whole, by their last run of each target and agent. Whether a run was skipped by its checks, and what a discovery
//! found, stands in log lines: they are looked up by run, for the runs that count.

use std::collections::HashMap;

use mysql_async::prelude::Queryable;
use mysql_async::{Params, Value};

use super::bulk::{LIST_MAX, list, marks, pad};
use super::{Db, DbError};
use crate::domain::actors::Target;
use crate::domain::ids::{EntityId, JobId, TaskId};
use crate::domain::run::RunState;
use crate::domain::summary::{Counts, Found};
use crate::proto::text::decode;

/// The text of the log line by which agents end a run whose checks said that nothing is to be done (`setStatus` of agent 2.6); PHP stores
/// it as it comes, with [`crate::domain::run::LogState::Ok`].
pub const SKIPPED: &str = "job skipped";

/// Most log lines that one statement looks through for jobs.
const LINES: u64 = 200_000;

/// What the runs of a job looked like: of each state how many, and a sum over their ids. Equal ones stand for the same runs in the same
/// states, but for chances of one in billions.
pub type Mark = Vec<(u32, u64, u64)>;

/// The last runs of a job on one target or class, by what became of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// The target; row 0 where all of a class are taken together.
    pub target: Target,
    /// Their counts.
    pub counts: Counts,
}

/// Classes whose rows have names, and their tables.
const NAMED: [(&str, &str); 4] = [
    ("PluginFusioninventoryDeployPackage", "deploypackages"),
    ("PluginFusioninventoryCollect", "collects"),
    ("PluginFusioninventoryCredentialIp", "credentialips"),
    ("PluginFusioninventoryIPRange", "ipranges"),
];

/// The last run of each target and agent, as id × 16 + state; the columns that are kept of it stand before.
macro_rules! last_runs {
    ($columns:literal, $jobs:literal) => {
        concat!(
            "(SELECT ",
            $columns,
            " MAX(id * 16 + LEAST(state, 15)) AS last FROM {p}taskjobstates WHERE {f}taskjobs_id ",
            $jobs,
            " GROUP BY {f}taskjobs_id, itemtype, items_id, {f}agents_id) AS x"
        )
    };
}

impl Db {
    /// What the runs of `jobs` look like; jobs without runs are left out.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn marks(&self, jobs: &[JobId]) -> Result<HashMap<JobId, Mark>, DbError> {
        let mut found: HashMap<JobId, Mark> = HashMap::new();
        for chunk in jobs.chunks(LIST_MAX) {
            let text = format!(
                "/* marks */ SELECT {{f}}taskjobs_id, state, COUNT(*), CAST(SUM(CRC32(id)) AS UNSIGNED) FROM {{p}}taskjobstates \
                 WHERE {{f}}taskjobs_id IN ({}) GROUP BY {{f}}taskjobs_id, state",
                marks(chunk.len())
            );
            let ids: Vec<u32> = chunk.iter().map(|job| job.0).collect();
            let rows: Vec<(u32, u32, u64, u64)> = self
                .timed("marks", async {
                    let mut conn = self.conn().await?;
                    Ok(conn.exec(self.names.replace(&text), list(&ids)).await?)
                })
                .await?;
            for (job, state, runs, sum) in rows {
                found
                    .entry(JobId(job))
                    .or_default()
                    .push((state, runs, sum));
            }
        }
        Ok(found)
    }

    /// The last runs of `job` by target, or by the class of their targets. States that the plugin does not know are left out.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn counted(&self, job: JobId, by_class: bool) -> Result<Vec<Counted>, DbError> {
        self.timed("counted", async {
            let text = if by_class {
                concat!(
                    "/* counted */ SELECT itemtype, 0, last & 15, COUNT(*), 0 FROM ",
                    last_runs!("itemtype,", "= ?"),
                    " WHERE ? <> '' GROUP BY 1, 2, 3"
                )
            } else {
                concat!(
                    "/* counted */ SELECT itemtype, items_id, last & 15, COUNT(*), CAST(SUM(last & 15 = 3 AND EXISTS (SELECT 1 FROM \
                     {p}taskjoblogs l WHERE l.{f}taskjobstates_id = last >> 4 AND l.state = 2 AND l.comment = ?)) AS UNSIGNED) FROM ",
                    last_runs!("itemtype, items_id,", "= ?"),
                    " GROUP BY 1, 2, 3"
                )
            };
            let values: Vec<Value> = if by_class {
                vec![job.0.into(), SKIPPED.into()]
            } else {
                vec![SKIPPED.into(), job.0.into()]
            };
            let sql = self.sql(text);
            let mut conn = self.conn().await?;
            let rows: Vec<(Option<String>, u32, u32, u64, u64)> =
                conn.exec(sql.as_ref(), Params::Positional(values)).await?;
            let mut counted: Vec<Counted> = Vec::new();
            for (itemtype, items_id, state, runs, unneeded) in rows {
                let Some(state) = RunState::from_code(state) else {
                    continue;
                };
                let target = Target {
                    itemtype: itemtype.unwrap_or_default(),
                    items_id,
                };
                let known = counted.iter_mut().find(|known| known.target == target);
                if let Some(known) = known {
                    known.counts.add(state, runs, unneeded);
                } else {
                    let mut counts = Counts::default();
                    counts.add(state, runs, unneeded);
                    counted.push(Counted { target, counts });
                }
            }
            Ok(counted)
        })
        .await
    }

    /// How many devices the last runs of `jobs` are about, cancelled ones apart: their agents, or with `targets` their targets.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn devices_counted(&self, jobs: &[JobId], targets: bool) -> Result<u64, DbError> {
        if jobs.is_empty() {
            return Ok(0);
        }
        self.timed("devices_counted", async {
            let ids: Vec<u32> = jobs.iter().map(|job| job.0).collect();
            let device = if targets {
                "itemtype, items_id"
            } else {
                "{f}agents_id"
            };
            // One list, however long: the same device in two pieces would count twice.
            let text = format!(
                "/* devices_counted */ SELECT COUNT(DISTINCT {device}) FROM (SELECT itemtype, items_id, {{f}}agents_id, \
                 MAX(id * 16 + LEAST(state, 15)) AS last FROM {{p}}taskjobstates WHERE {{f}}taskjobs_id IN ({}) \
                 GROUP BY {{f}}taskjobs_id, itemtype, items_id, {{f}}agents_id) AS x WHERE last & 15 <> 5",
                vec!["?"; ids.len()].join(",")
            );
            let values = Params::Positional(ids.into_iter().map(Value::from).collect());
            let mut conn = self.conn().await?;
            let count: Option<u64> = conn.exec_first(self.names.replace(&text), values).await?;
            Ok(count.unwrap_or_default())
        })
        .await
    }

    /// What the last discoveries of `job` found, by class, from the coded lines that PHP writes as it imports
    /// (`==addtheitem== … [[Class::id]]`, `==updatetheitem== …`).
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn found_by(&self, job: JobId) -> Result<Vec<Found>, DbError> {
        self.timed("found_by", async {
            let sql = self.sql(concat!(
                "/* found_by */ SELECT SUBSTRING_INDEX(SUBSTRING_INDEX(l.comment, '[[', -1), '::', 1), \
                 CAST(SUM(INSTR(l.comment, '==addtheitem==') > 0) AS UNSIGNED), \
                 CAST(SUM(INSTR(l.comment, '==updatetheitem==') > 0) AS UNSIGNED) FROM ",
                last_runs!("", "= ?"),
                " JOIN {p}taskjoblogs l ON l.{f}taskjobstates_id = x.last >> 4 \
                 WHERE INSTR(l.comment, 'theitem==') > 0 AND INSTR(l.comment, '[[') > 0 GROUP BY 1"
            ));
            let mut conn = self.conn().await?;
            let rows: Vec<(Option<String>, u64, u64)> =
                conn.exec(sql.as_ref(), (job.0,)).await?;
            let rows = rows.into_iter().map(|(itemtype, new, updated)| Found {
                itemtype: itemtype.unwrap_or_default(),
                new,
                updated,
            });
            Ok(rows.collect())
        })
        .await
    }

    /// The highest id of a log line.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn last_line(&self) -> Result<u64, DbError> {
        self.timed("last_line", async {
            let sql = self.sql("/* last_line */ SELECT MAX(id) FROM {p}taskjoblogs");
            let id: Option<Option<u64>> = self.conn().await?.query_first(sql.as_ref()).await?;
            Ok(id.flatten().unwrap_or_default())
        })
        .await
    }

    /// Jobs with a log line behind `after` up to `last` that changes what is counted: one that ended a run well, or told of a device.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn jobs_with_lines(&self, after: u64, last: u64) -> Result<Vec<JobId>, DbError> {
        let sql = self.sql(
            "/* jobs_with_lines */ SELECT DISTINCT r.{f}taskjobs_id FROM {p}taskjoblogs l JOIN {p}taskjobstates r ON r.id = l.{f}taskjobstates_id \
             WHERE l.id > ? AND l.id <= ? AND (l.state = 2 OR INSTR(l.comment, 'theitem==') > 0)",
        );
        let (mut jobs, mut after) = (Vec::new(), after);
        while after < last {
            let until = last.min(after.saturating_add(LINES));
            let rows: Vec<u32> = self
                .timed("jobs_with_lines", async {
                    let mut conn = self.conn().await?;
                    Ok(conn.exec(sql.as_ref(), (after, until)).await?)
                })
                .await?;
            jobs.extend(rows.into_iter().map(JobId));
            after = until;
        }
        Ok(jobs)
    }

    /// Names of targets, for people; those without one are left out.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn target_names(
        &self,
        targets: &[Target],
    ) -> Result<HashMap<Target, String>, DbError> {
        let mut names = HashMap::new();
        for (class, table) in NAMED {
            let of_class = targets.iter().filter(|target| target.itemtype == class);
            let mut ids: Vec<u32> = of_class.map(|target| target.items_id).collect();
            ids.sort_unstable();
            ids.dedup();
            for chunk in ids.chunks(LIST_MAX) {
                let text = format!(
                    "/* target_names */ SELECT id, name FROM {{p}}{table} WHERE id IN ({})",
                    marks(chunk.len())
                );
                let values = Params::Positional(pad(chunk).map(Value::from).collect());
                let rows: Vec<(u32, Option<String>)> = self
                    .timed("target_names", async {
                        let mut conn = self.conn().await?;
                        Ok(conn.exec(self.names.replace(&text), values).await?)
                    })
                    .await?;
                for (items_id, name) in rows {
                    let target = Target {
                        itemtype: class.to_owned(),
                        items_id,
                    };
                    if let Some(name) = name.filter(|name| !name.is_empty()) {
                        names.insert(target, decode(&name).into_owned());
                    }
                }
            }
        }
        Ok(names)
    }

    /// The entity of every task.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn task_entities(&self) -> Result<HashMap<TaskId, EntityId>, DbError> {
        self.timed("task_entities", async {
            let sql = self.sql("/* task_entities */ SELECT id, entities_id FROM {p}tasks");
            let rows: Vec<(u32, u32)> = self.conn().await?.query(sql.as_ref()).await?;
            let rows = rows.into_iter();
            Ok(rows
                .map(|(task, entity)| (TaskId(task), EntityId(entity)))
                .collect())
        })
        .await
    }
}
