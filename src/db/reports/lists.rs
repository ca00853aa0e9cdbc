//! Hosts, agents and entities.

use chrono::NaiveDateTime;
use mysql_async::Value;

use super::super::{Db, DbError};
use super::within;
use crate::domain::ids::{EntityId, TaskId};
use crate::domain::reports::counted::{AGES, Aged, Missing, Silent};
use crate::domain::run::RunState;
use crate::proto::text::decode;

/// Host, class and row of the target, state, last contact.
type MissingRow = (String, Option<String>, u32, u32, Option<NaiveDateTime>);

/// Agent, computer, entity, version, last contact.
type SilentRow = (
    String,
    Option<String>,
    String,
    String,
    Option<NaiveDateTime>,
);

impl Db {
    /// Hosts whose last run of a job of `task` with this method is open or in error, at most `most` of them, by name.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn report_missing(
        &self,
        task: TaskId,
        method: &str,
        most: usize,
    ) -> Result<Vec<Missing>, DbError> {
        // A list of states, so that the index on job and state is read.
        let text = "SELECT COALESCE(c.name, a.name, ''), r.itemtype, r.items_id, r.state, a.last_contact FROM {p}taskjobs j \
                    STRAIGHT_JOIN {p}taskjobstates r ON r.{f}taskjobs_id = j.id AND r.state IN (0, 1, 2, 4, 6) \
                    LEFT JOIN {p}agents a ON a.id = r.{f}agents_id LEFT JOIN glpi_computers c ON c.id = a.computers_id \
                    WHERE j.{f}tasks_id = ? AND j.method = ? AND NOT EXISTS (SELECT 1 FROM {p}taskjobstates n \
                    WHERE n.{f}agents_id = r.{f}agents_id AND n.{f}taskjobs_id = r.{f}taskjobs_id AND n.items_id = r.items_id \
                    AND n.itemtype <=> r.itemtype AND n.id > r.id) ORDER BY 1, r.id LIMIT ?";
        let values: Vec<Value> = vec![task.0.into(), method.into(), most.into()];
        let rows: Vec<MissingRow> = self.report("report_missing", text, values).await?;
        let rows = rows.into_iter();
        let missing = rows.filter_map(|(host, itemtype, items_id, state, last_contact)| {
            Some(Missing {
                host: decode(&host).into_owned(),
                target: (itemtype.unwrap_or_default(), items_id),
                state: RunState::from_code(state)?,
                last_contact,
            })
        });
        Ok(missing.collect())
    }

    /// Agents of `entities` by the time from their last contact to `now`.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn report_ages(
        &self,
        entities: Option<&[EntityId]>,
        now: NaiveDateTime,
    ) -> Result<Vec<Aged>, DbError> {
        let condition = within("entities_id", entities);
        let ends = AGES.iter().filter_map(|(days, _)| *days);
        let ends: Vec<Value> = ends
            .map(|days| (now - chrono::TimeDelta::days(days)).into())
            .collect();
        let text = format!(
            "SELECT CASE WHEN last_contact IS NULL THEN 5 WHEN last_contact >= ? THEN 0 WHEN last_contact >= ? THEN 1 \
             WHEN last_contact >= ? THEN 2 WHEN last_contact >= ? THEN 3 ELSE 4 END, computers_id > 0, COUNT(*) \
             FROM {{p}}agents WHERE {} GROUP BY 1, 2",
            condition.text
        );
        let values = [ends, condition.values].concat();
        let rows: Vec<(usize, bool, u64)> = self.report("report_ages", &text, values).await?;
        let rows = rows.into_iter();
        Ok(rows
            .map(|(age, known, agents)| Aged { age, known, agents })
            .collect())
    }

    /// Agents of `entities` that were not there since `since`, at most `most` of them, those silent longest first.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn report_silent(
        &self,
        entities: Option<&[EntityId]>,
        since: NaiveDateTime,
        most: usize,
    ) -> Result<Vec<Silent>, DbError> {
        let condition = within("a.entities_id", entities);
        let text = format!(
            "SELECT COALESCE(a.name, ''), c.name, COALESCE(e.completename, ''), COALESCE(a.version, ''), a.last_contact FROM \
             (SELECT id, name, computers_id, entities_id, version, last_contact FROM {{p}}agents a \
             WHERE (last_contact < ? OR last_contact IS NULL) AND {} ORDER BY last_contact, id LIMIT ?) AS a \
             LEFT JOIN glpi_computers c ON c.id = a.computers_id LEFT JOIN glpi_entities e ON e.id = a.entities_id \
             ORDER BY a.last_contact, a.id",
            condition.text
        );
        let mut values: Vec<Value> = vec![since.into()];
        values.extend(condition.values);
        values.push(most.into());
        let rows: Vec<SilentRow> = self.report("report_silent", &text, values).await?;
        let plain = |text: &str| decode(text).into_owned();
        let rows = rows.into_iter();
        let silent = rows.map(|(agent, computer, entity, version, last_contact)| Silent {
            agent: plain(&agent),
            computer: computer.as_deref().map(plain),
            entity: plain(&entity),
            version: plain(&version),
            last_contact,
        });
        Ok(silent.collect())
    }

    /// Number, name and complete name of every entity.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn entity_names(&self) -> Result<Vec<(EntityId, String, String)>, DbError> {
        let text = "SELECT id, COALESCE(name, ''), COALESCE(completename, '') FROM glpi_entities ORDER BY completename, id";
        let rows: Vec<(u32, String, String)> = self.report("entity_names", text, vec![]).await?;
        let plain = |text: &str| decode(text).into_owned();
        let rows = rows.into_iter();
        Ok(rows
            .map(|(id, name, complete)| (EntityId(id), plain(&name), plain(&complete)))
            .collect())
    }
}
