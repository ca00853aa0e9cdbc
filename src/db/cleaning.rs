//! Cleaning: which rows come into question, found by plain reads in windows along an index.

use chrono::NaiveDateTime;
use mysql_async::prelude::Queryable;
use mysql_async::{Params, Value};

pub use self::delete::{Deleted, Lot};
pub(super) use self::gone::note_gone;
use super::bulk::{LIST_MAX, marks, pad};
use super::{Db, DbError};
use crate::domain::cleaning::{Demand, Past};
use crate::domain::ids::{JobId, RunId, TaskId};
use crate::domain::run::RunState;

/// States of runs that have ended, as SQL lists them.
macro_rules! ended {
    () => {
        "(3, 4, 5)"
    };
}

/// Whether a task `t` has runs, whether some have not ended, and whether an occurrence of it has not.
macro_rules! demand {
    () => {
        concat!(
            "EXISTS (SELECT 1 FROM {p}taskjobs j JOIN {p}taskjobstates r ON r.{f}taskjobs_id = j.id WHERE j.{f}tasks_id = t.id), \
             EXISTS (SELECT 1 FROM {p}taskjobs j JOIN {p}taskjobstates r ON r.{f}taskjobs_id = j.id WHERE j.{f}tasks_id = t.id \
             AND r.state NOT IN ",
            ended!(),
            "), EXISTS (SELECT 1 FROM {p}sidecar_occurrences o WHERE o.{f}tasks_id = t.id AND o.state < 2)"
        )
    };
}

mod delete;
mod gone;

/// A look at the next rows in the order of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window<T> {
    /// What was seen.
    pub seen: Vec<T>,
    /// Where the next look begins; none at the end.
    pub next: Option<u64>,
}

impl Db {
    /// A setting of the plugin as it stands in the tables.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn plugin_setting(&self, name: &str) -> Result<Option<String>, DbError> {
        self.timed("plugin_setting", async {
            let sql =
                self.sql("/* plugin_setting */ SELECT value FROM {p}configs WHERE type = ? ORDER BY id LIMIT 1");
            let value: Option<Option<String>> =
                self.conn().await?.exec_first(sql.as_ref(), (name,)).await?;
            Ok(value.flatten())
        })
        .await
    }

    /// Whether GLPI's cron does a task of the plugin.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn plugin_cron_is_on(&self, name: &str) -> Result<bool, DbError> {
        self.timed("plugin_cron_is_on", async {
            // Earlier releases had the same name under another class, and may have left their row.
            let on: Option<u8> = self
                .conn()
                .await?
                .exec_first(
                    "/* plugin_cron_is_on */ SELECT 1 FROM glpi_crontasks \
                     WHERE itemtype LIKE 'PluginFusioninventory%' AND name = ? AND state <> 0 LIMIT 1",
                    (name,),
                )
                .await?;
            Ok(on.is_some())
        })
        .await
    }

    /// The next `most` runs, from id `from` on, as they are judged when `keep` of each job, target and agent stay.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn past_runs(
        &self,
        from: u64,
        keep: u32,
        most: u32,
    ) -> Result<Window<(RunId, Past)>, DbError> {
        self.timed("past_runs", async {
            // The run that is the last one to stay is read from the end of its group in an index that holds all columns named here.
            let sql = self.sql(concat!(
                "/* past_runs */ SELECT r.id, r.state, j.id IS NOT NULL, r.state IN ", ended!(), " AND COALESCE(r.id < (\
                   SELECT n.id FROM {p}taskjobstates n WHERE n.{f}agents_id = r.{f}agents_id AND n.{f}taskjobs_id = r.{f}taskjobs_id \
                   AND n.items_id = r.items_id AND n.itemtype <=> r.itemtype ORDER BY n.id DESC LIMIT 1 OFFSET ?), 0), \
                 COALESCE(r.state = 3 AND t.reprepare_if_successful = 0 AND NOT EXISTS (\
                   SELECT 1 FROM {p}taskjobstates n WHERE n.{f}agents_id = r.{f}agents_id AND n.{f}taskjobs_id = r.{f}taskjobs_id \
                   AND n.items_id = r.items_id AND n.itemtype <=> r.itemtype AND n.id > r.id AND n.state = 3), 0) \
                 FROM {p}taskjobstates r LEFT JOIN {p}taskjobs j ON j.id = r.{f}taskjobs_id LEFT JOIN {p}tasks t ON t.id = j.{f}tasks_id \
                 WHERE r.id >= ? ORDER BY r.id LIMIT ?"
            ));
            let rows: Vec<(u64, u32, bool, bool, bool)> = self
                .conn()
                .await?
                .exec(sql.as_ref(), (keep.saturating_sub(1), from, most))
                .await?;
            let next = rows.last().and_then(|row| row.0.checked_add(1));
            let seen = rows.into_iter().map(|(id, state, has_job, is_outnumbered, holds_off)| {
                let state = RunState::from_code(state);
                (RunId(id), Past { state, has_job, is_outnumbered, holds_off })
            });
            Ok(Window { seen: seen.collect(), next })
        })
        .await
    }

    /// Those of `runs` that have no log line of `since` or later.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn silent_runs(
        &self,
        runs: &[RunId],
        since: NaiveDateTime,
    ) -> Result<Vec<RunId>, DbError> {
        self.timed("silent_runs", async {
            let mut conn = self.conn().await?;
            let ids: Vec<u64> = runs.iter().map(|run| run.0).collect();
            let mut silent = Vec::new();
            for chunk in ids.chunks(LIST_MAX) {
                let text = format!(
                    "/* silent_runs */ SELECT r.id FROM {{p}}taskjobstates r WHERE r.id IN ({}) AND NOT EXISTS (\
                     SELECT 1 FROM {{p}}taskjoblogs l WHERE l.{{f}}taskjobstates_id = r.id AND l.date >= ?)",
                    marks(chunk.len())
                );
                let values = pad(chunk).map(Value::from).chain([since.into()]).collect();
                let found: Vec<u64> =
                    conn.exec(self.names.replace(&text), Params::Positional(values)).await?;
                silent.extend(found.into_iter().map(RunId));
            }
            Ok(silent)
        })
        .await
    }

    /// Whose lines the next `most` log lines are, from id `from` on, that were written before `before`.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn old_lines(
        &self,
        from: u64,
        before: NaiveDateTime,
        most: u32,
    ) -> Result<Window<RunId>, DbError> {
        let sql = self.sql(
            "/* old_lines */ SELECT MAX(w.id), w.run, COALESCE(MIN(w.date) < ?, 0) FROM (SELECT id, {f}taskjobstates_id AS run, date \
             FROM {p}taskjoblogs WHERE id >= ? ORDER BY id LIMIT ?) w GROUP BY w.run",
        );
        self.timed("old_lines", async {
            let rows: Vec<(u64, u64, bool)> = self
                .conn()
                .await?
                .exec(sql.as_ref(), (before, from, most))
                .await?;
            let next = rows.iter().filter_map(|row| row.0.checked_add(1)).max();
            let seen = rows.into_iter().filter(|row| row.2).map(|row| RunId(row.1));
            Ok(Window {
                seen: seen.collect(),
                next,
            })
        })
        .await
    }

    /// Runs that are gone, but not their log lines: among the next `most` runs with lines, from id `from` on.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn runs_of_stray_lines(
        &self,
        from: u64,
        most: u32,
    ) -> Result<Window<RunId>, DbError> {
        let sql = self.sql(
            "/* runs_of_stray_lines */ SELECT w.run, r.id IS NULL FROM (SELECT DISTINCT {f}taskjobstates_id AS run FROM {p}taskjoblogs \
             WHERE {f}taskjobstates_id >= ? ORDER BY {f}taskjobstates_id LIMIT ?) w LEFT JOIN {p}taskjobstates r ON r.id = w.run ORDER BY w.run",
        );
        self.flagged("runs_of_stray_lines", &sql, (from, most))
            .await
    }

    /// Runs that are gone, but not the sidecar's own row about them: among the next `most` of these, from id `from` on.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn runs_of_stray_rows(&self, from: u64, most: u32) -> Result<Window<RunId>, DbError> {
        let sql = self.sql(
            "/* runs_of_stray_rows */ SELECT s.{f}taskjobstates_id, r.id IS NULL FROM {p}sidecar_runs s \
             LEFT JOIN {p}taskjobstates r ON r.id = s.{f}taskjobstates_id WHERE s.{f}taskjobstates_id >= ? ORDER BY s.{f}taskjobstates_id LIMIT ?",
        );
        self.flagged("runs_of_stray_rows", &sql, (from, most)).await
    }

    /// Ended runs among the next `most` of `job`, from id `from` on; with `before`, only those with a line that is older.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn ended_runs(
        &self,
        job: JobId,
        before: Option<NaiveDateTime>,
        from: u64,
        most: u32,
    ) -> Result<Window<RunId>, DbError> {
        let sql = self.sql(concat!(
            "/* ended_runs */ SELECT r.id, r.state IN ",
            ended!(),
            " AND (? IS NULL OR EXISTS (\
             SELECT 1 FROM {p}taskjoblogs l WHERE l.{f}taskjobstates_id = r.id AND l.date < ?)) \
             FROM {p}taskjobstates r WHERE r.{f}taskjobs_id = ? AND r.id >= ? ORDER BY r.id LIMIT ?"
        ));
        self.flagged("ended_runs", &sql, (before, before, job.0, from, most))
            .await
    }

    /// The next `most` tasks on demand, from id `from` on.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn tasks_on_demand(
        &self,
        from: u64,
        most: u32,
    ) -> Result<Window<(TaskId, Demand)>, DbError> {
        self.timed("tasks_on_demand", async {
            let sql = self.sql(concat!(
                "/* tasks_on_demand */ SELECT t.id, ",
                demand!(),
                " FROM {p}tasks t WHERE t.id >= ? AND t.is_deploy_on_demand = 1 \
                 ORDER BY t.id LIMIT ?"
            ));
            let rows: Vec<(u32, bool, bool, bool)> =
                self.conn().await?.exec(sql.as_ref(), (from, most)).await?;
            let next = rows.last().map(|row| u64::from(row.0) + 1);
            let seen = rows
                .into_iter()
                .map(|(id, has_runs, has_open_runs, is_under_way)| {
                    (
                        TaskId(id),
                        Demand {
                            has_runs,
                            has_open_runs,
                            is_under_way,
                        },
                    )
                });
            Ok(Window {
                seen: seen.collect(),
                next,
            })
        })
        .await
    }

    /// The jobs of `task`, by id.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn jobs_of_task(&self, task: TaskId) -> Result<Vec<JobId>, DbError> {
        self.timed("jobs_of_task", async {
            jobs_of(self, &mut self.conn().await?, task).await
        })
        .await
    }

    /// The runs of a window whose rows are an id and whether it counts.
    async fn flagged(
        &self,
        name: &'static str,
        sql: &str,
        parameters: impl Into<Params> + Send,
    ) -> Result<Window<RunId>, DbError> {
        self.timed(name, async {
            let rows: Vec<(u64, bool)> = self.conn().await?.exec(sql, parameters).await?;
            let next = rows.last().and_then(|row| row.0.checked_add(1));
            let seen = rows.into_iter().filter(|row| row.1).map(|row| RunId(row.0));
            Ok(Window {
                seen: seen.collect(),
                next,
            })
        })
        .await
    }
}

async fn jobs_of(db: &Db, conn: &mut impl Queryable, task: TaskId) -> Result<Vec<JobId>, DbError> {
    let sql = db.sql("/* jobs_of */ SELECT id FROM {p}taskjobs WHERE {f}tasks_id = ? ORDER BY id");
    let ids: Vec<u32> = conn.exec(sql.as_ref(), (task.0,)).await?;
    Ok(ids.into_iter().map(JobId).collect())
}
