//! What reports count.
//!
//! Runs have no date: what is of a period is found in log lines. These have no index on their dates, but dates grow with their numbers, so the
//! numbers at both ends of a period are found by halving. From there a statement goes one of two [`Way`]s: over the runs of a few jobs to their
//! lines, or over so many of the newest lines of the period to their runs. The caller bounds the runs of the one and the lines of the other; how
//! many lines so few runs have is not bounded.

mod devices;
mod lists;

use chrono::NaiveDateTime;
use mysql_async::prelude::Queryable;
use mysql_async::{Params, Value};

use super::monitoring::SKIPPED;
use super::run_search::{SLACK, halve};
use super::{Db, DbError};
use crate::domain::ids::{EntityId, TaskId};
use crate::domain::reports::ask::Step;
use crate::domain::reports::counted::{Ended, Failed};
use crate::proto::text::decode;

/// Which runs a report is of.
#[derive(Debug, Clone, Copy)]
pub struct Of<'a> {
    /// Their jobs' method.
    pub method: &'a str,
    /// Their task.
    pub task: Option<TaskId>,
    /// Entities of their tasks.
    pub entities: Option<&'a [EntityId]>,
}

/// A period, as dates and as numbers of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// Its beginning.
    pub from: NaiveDateTime,
    /// Its end, which does not belong to it.
    pub until: NaiveDateTime,
    /// The lowest number.
    pub first: u64,
    /// The highest number.
    pub last: u64,
}

/// Which way a statement goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From runs to their lines.
    Runs,
    /// From lines to their runs.
    Lines,
}

/// A condition with its values.
#[derive(Debug, Default)]
struct Condition {
    text: String,
    values: Vec<Value>,
}

/// `column IN (…)`; all where there is no list.
fn within(column: &str, entities: Option<&[EntityId]>) -> Condition {
    match entities {
        None => Condition {
            text: "1 = 1".to_owned(),
            values: Vec::new(),
        },
        Some([]) => Condition {
            text: "1 = 0".to_owned(),
            values: Vec::new(),
        },
        // One list, however long: in pieces, groups would have to be put together again.
        Some(entities) => Condition {
            text: format!("{column} IN ({})", vec!["?"; entities.len()].join(",")),
            values: entities.iter().map(|entity| entity.0.into()).collect(),
        },
    }
}

impl Of<'_> {
    /// On tables `t` (tasks) and `j` (jobs).
    fn condition(&self) -> Condition {
        let mut condition = within("t.entities_id", self.entities);
        condition.text.push_str(" AND j.method = ?");
        condition.values.push(self.method.into());
        if let Some(task) = self.task {
            condition.text.push_str(" AND t.id = ?");
            condition.values.push(task.0.into());
        }
        condition
    }
}

/// Tables `t`, `j`, `r` (runs) and `l` (lines), and what is true of them.
fn joined(of: &Of<'_>, period: &Period, way: Way) -> Condition {
    let mut condition = of.condition();
    let tables = match way {
        Way::Runs => {
            "{p}tasks t STRAIGHT_JOIN {p}taskjobs j ON j.{f}tasks_id = t.id STRAIGHT_JOIN {p}taskjobstates r ON r.{f}taskjobs_id = j.id \
             STRAIGHT_JOIN {p}taskjoblogs l ON l.{f}taskjobstates_id = r.id"
        }
        Way::Lines => {
            "{p}taskjoblogs l FORCE INDEX (PRIMARY) STRAIGHT_JOIN {p}taskjobstates r ON r.id = l.{f}taskjobstates_id \
             STRAIGHT_JOIN {p}taskjobs j ON j.id = r.{f}taskjobs_id STRAIGHT_JOIN {p}tasks t ON t.id = j.{f}tasks_id"
        }
    };
    condition.text = format!(
        "{tables} WHERE {} AND l.id >= ? AND l.id <= ? AND l.date >= ? AND l.date < ?",
        condition.text
    );
    condition.values.extend([
        period.first.into(),
        period.last.into(),
        period.from.into(),
        period.until.into(),
    ]);
    condition
}

/// A line that ended its run as it stands, and no other did so after it.
const ENDED: &str = "l.state IN (2, 4) AND r.state IN (3, 4) AND (l.state = 2) = (r.state = 3) AND NOT EXISTS (SELECT 1 FROM {p}taskjoblogs n \
                     WHERE n.{f}taskjobstates_id = l.{f}taskjobstates_id AND n.state = l.state AND n.id > l.id)";

impl Db {
    /// Rows of a statement that is put together.
    async fn report<T>(
        &self,
        name: &'static str,
        text: &str,
        values: Vec<Value>,
    ) -> Result<Vec<T>, DbError>
    where
        T: mysql_async::prelude::FromRow + Send + 'static,
    {
        self.timed(name, async {
            let text = format!("/* {name} */ {}", self.names.replace(text));
            let mut conn = self.conn().await?;
            let params = if values.is_empty() {
                Params::Empty
            } else {
                Params::Positional(values)
            };
            Ok(conn.exec(text, params).await?)
        })
        .await
    }

    /// The period from `from` to before `until`; none if there are no log lines in it.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn report_period(
        &self,
        from: NaiveDateTime,
        until: NaiveDateTime,
    ) -> Result<Option<Period>, DbError> {
        self.timed("report_period", async {
            let mut conn = self.conn().await?;
            let sql = self.sql("/* report_period */ SELECT MIN(id), MAX(id) FROM {p}taskjoblogs");
            let ends: Option<(Option<u64>, Option<u64>)> = conn.query_first(sql.as_ref()).await?;
            let Some((Some(lowest), Some(highest))) = ends else {
                return Ok(None);
            };
            let sql = self.sql(
                "/* report_period_at */ SELECT id, date FROM {p}taskjoblogs WHERE id >= ? ORDER BY id LIMIT 1",
            );
            let numbers = lowest..=highest;
            let before = |moment| {
                move |date: Option<NaiveDateTime>| date.is_none_or(|date| date < moment)
            };
            let first = halve(&mut conn, &sql, numbers.clone(), before(from - SLACK)).await?;
            let behind = halve(&mut conn, &sql, numbers, before(until + SLACK)).await?;
            Ok((first < behind).then_some(Period {
                from,
                until,
                first,
                last: behind - 1,
            }))
        })
        .await
    }

    /// The date of the first line from `id` on.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn report_date(&self, id: u64) -> Result<Option<NaiveDateTime>, DbError> {
        let text = "SELECT date FROM {p}taskjoblogs WHERE id >= ? ORDER BY id LIMIT 1";
        let rows: Vec<Option<NaiveDateTime>> =
            self.report("report_date", text, vec![id.into()]).await?;
        Ok(rows.into_iter().next().flatten())
    }

    /// Whether there are more than `most` runs.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn report_is_large(&self, of: &Of<'_>, most: u64) -> Result<bool, DbError> {
        let condition = of.condition();
        let text = format!(
            "SELECT COUNT(*) FROM (SELECT 1 FROM {{p}}tasks t STRAIGHT_JOIN {{p}}taskjobs j ON j.{{f}}tasks_id = t.id \
             STRAIGHT_JOIN {{p}}taskjobstates r ON r.{{f}}taskjobs_id = j.id WHERE {} LIMIT ?) AS x",
            condition.text
        );
        let mut values = condition.values;
        values.push((most + 1).into());
        let rows: Vec<u64> = self.report("report_is_large", &text, values).await?;
        Ok(rows.first().is_some_and(|count| *count > most))
    }

    /// Runs that ended, by `step` of time.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn report_ended(
        &self,
        of: &Of<'_>,
        period: &Period,
        way: Way,
        step: Step,
    ) -> Result<Vec<Ended>, DbError> {
        let joined = joined(of, period, way);
        let text = format!(
            "SELECT LEFT(l.date, ?), r.state, COALESCE(l.comment = ?, 0), COUNT(*) FROM {} AND {ENDED} GROUP BY 1, 2, 3",
            joined.text
        );
        let mut values: Vec<Value> = vec![step.characters().into(), SKIPPED.into()];
        values.extend(joined.values);
        let rows: Vec<(String, u32, bool, u64)> =
            self.report("report_ended", &text, values).await?;
        let rows = rows.into_iter().map(|(step, state, skipped, runs)| {
            let well = state == 3;
            Ended {
                step,
                well,
                unneeded: well && skipped,
                runs,
            }
        });
        Ok(rows.collect())
    }

    /// Runs that ended badly, by what was said, the most frequent `most` of them.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn report_failed(
        &self,
        of: &Of<'_>,
        period: &Period,
        way: Way,
        most: usize,
    ) -> Result<Vec<Failed>, DbError> {
        let joined = joined(of, period, way);
        let text = format!(
            "SELECT COALESCE(l.comment, ''), COUNT(*), MAX(l.date) FROM {} AND {ENDED} AND l.state = 4 GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT ?",
            joined.text
        );
        let mut values = joined.values;
        values.push(most.into());
        self.failed("report_failed", &text, values).await
    }

    /// Devices that network inventories could not ask, by what was said, the most frequent `most` of them.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn report_not_queried(
        &self,
        of: &Of<'_>,
        period: &Period,
        way: Way,
        most: usize,
    ) -> Result<Vec<Failed>, DbError> {
        let joined = joined(of, period, way);
        // "[==detail==] MESSAGE [[Class::id]]"; what was updated is said in the same way.
        let text = format!(
            "SELECT SUBSTRING_INDEX(SUBSTRING(l.comment, 14), ' [[', 1), COUNT(DISTINCT SUBSTRING_INDEX(l.comment, '[[', -1)), MAX(l.date) \
             FROM {} AND l.comment LIKE '[==detail==] %' AND l.comment NOT LIKE '[==detail==] Update %' \
             GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT ?",
            joined.text
        );
        let mut values = joined.values;
        values.push(most.into());
        self.failed("report_not_queried", &text, values).await
    }

    async fn failed(
        &self,
        name: &'static str,
        text: &str,
        values: Vec<Value>,
    ) -> Result<Vec<Failed>, DbError> {
        let rows: Vec<(String, u64, Option<NaiveDateTime>)> =
            self.report(name, text, values).await?;
        let rows = rows.into_iter().map(|(message, count, last)| Failed {
            message: decode(&message).into_owned(),
            count,
            last,
        });
        Ok(rows.collect())
    }
}
