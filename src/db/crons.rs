//! The plugin's rows in GLPI's `glpi_crontasks`: whether they are on, and switching them off and on again.

use std::fmt;

use chrono::NaiveDateTime;
use mysql_async::prelude::Queryable;
use mysql_async::{Transaction, TxOpts};

use super::grants::{REFUSALS, for_take_over};
use super::{Db, DbError};
use crate::domain::crons::{
    Handback, TAKEN_OVER, Takeover, hand_back, state, take_over, to_give_back,
};

/// Why the plugin's cron tasks were left as they are.
#[derive(Debug, thiserror::Error)]
pub enum CronError {
    /// The account may not do it.
    #[error(
        "nothing was changed: {refusal}; run it as an account that may, such as GLPI's own, or give the rights:\n{}",
        statements(database)
    )]
    NotAllowed {
        /// What the server said.
        refusal: String,
        /// The database that it was about.
        database: String,
    },
    /// Somebody changed a task at the same moment.
    #[error("nothing was changed: GLPI's cron task '{0}' changed meanwhile, try again")]
    Meanwhile(String),
    /// GLPI works at a task just now: what it and the sidecar did at the same moment would be done twice.
    #[error(
        "nothing was changed: GLPI runs its cron task '{0}' at this moment; try again when it has ended"
    )]
    AtWork(String),
    /// The database failed.
    #[error("nothing was changed: {0}")]
    Database(#[from] DbError),
}

/// What became of each cron task, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcomes<T>(pub Vec<(String, T)>);

impl<T: fmt::Display> fmt::Display for Outcomes<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("no cron task of GLPI had been taken over");
        }
        for (index, (name, outcome)) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "GLPI's cron task '{name}': {outcome}")?;
        }
        Ok(())
    }
}

/// A row of `glpi_crontasks`, and whether GLPI began its last pass within [`LONGEST_PASS`].
type Found = (u32, i64, Option<NaiveDateTime>, bool);

/// Seconds after which a pass that GLPI has not ended is taken to have broken off.
const LONGEST_PASS: u32 = 3600;

/// A row of what was taken over: class, name, former state, the row's `date_mod`.
type Remembered = (String, String, i64, Option<NaiveDateTime>);

fn statements(database: &str) -> String {
    let grants = for_take_over();
    let lines: Vec<String> = grants
        .iter()
        .map(|grant| grant.statement(database, "'USER'@'HOST'"))
        .collect();
    lines.join("\n")
}

impl Db {
    /// Switches off the plugin's cron tasks that the sidecar does, all or none, and remembers which were on. Doing it again changes nothing.
    ///
    /// # Errors
    ///
    /// When the account may not, or the database fails.
    pub async fn take_over_crons(&self) -> Result<Outcomes<Takeover>, CronError> {
        let mut tx = self.cron_tx().await?;
        let outcomes = self.taken_over(&mut tx).await;
        all_or_none(tx, outcomes).await
    }

    /// Gives the cron tasks that were taken over their former state, all or none, but for those that somebody changed since.
    ///
    /// # Errors
    ///
    /// When the account may not, or the database fails.
    pub async fn hand_back_crons(&self) -> Result<Outcomes<Handback>, CronError> {
        let mut tx = self.cron_tx().await?;
        let outcomes = self.handed_back(&mut tx).await;
        all_or_none(tx, outcomes).await
    }

    async fn cron_tx(&self) -> Result<Transaction<'static>, DbError> {
        Ok(self
            .sessions
            .pool()
            .start_transaction(TxOpts::default())
            .await?)
    }

    async fn taken_over(
        &self,
        tx: &mut Transaction<'static>,
    ) -> Result<Outcomes<Takeover>, CronError> {
        let mut outcomes = vec![];
        for (itemtype, name) in TAKEN_OVER {
            let remembered = self.sql("/* take_over */ SELECT 1 FROM {p}sidecar_crontasks WHERE itemtype = ? AND name = ?");
            let remembered: Option<u8> = tx
                .exec_first(remembered.as_ref(), (itemtype, name))
                .await
                .map_err(DbError::from)?;
            let row = found(tx, itemtype, name).await?;
            let is_fresh = row.is_some_and(|row| row.3);
            let outcome = take_over(row.map(|row| row.1), remembered.is_some(), is_fresh);
            if outcome == Takeover::AtWork {
                return Err(CronError::AtWork(name.to_owned()));
            }
            if let Some((id, now, date_mod, _)) = row
                && outcome.switches_off()
            {
                self.set_cron(tx, name, id, now, state::OFF).await?;
                // Of one that was switched on meanwhile only later changes count when it is handed back.
                self.forget_cron(tx, itemtype, name).await?;
                let sql = self.sql(
                        "/* take_over */ INSERT INTO {p}sidecar_crontasks (itemtype, name, state, date_mod, taken_at) \
                         VALUES (?, ?, ?, ?, UTC_TIMESTAMP(6))",
                    );
                let values = (itemtype, name, to_give_back(now), date_mod);
                let stored = tx.exec_drop(sql.as_ref(), values).await;
                stored.map_err(|error| self.refusal(error))?;
            }
            outcomes.push((name.to_owned(), outcome));
        }
        Ok(Outcomes(outcomes))
    }

    async fn handed_back(
        &self,
        tx: &mut Transaction<'static>,
    ) -> Result<Outcomes<Handback>, CronError> {
        let sql = self.sql(
            "/* hand_back */ SELECT itemtype, name, state, date_mod FROM {p}sidecar_crontasks ORDER BY name FOR UPDATE",
        );
        let remembered: Vec<Remembered> = tx
            .query(sql.as_ref())
            .await
            .map_err(|error| self.refusal(error))?;
        let mut outcomes = vec![];
        for (itemtype, name, former, modified) in remembered {
            let row = found(tx, &itemtype, &name).await?;
            let is_changed = row.is_some_and(|row| row.2 != modified);
            let outcome = hand_back(row.map(|row| row.1), is_changed);
            if let (Some((id, now, ..)), Handback::Restored) = (row, outcome) {
                self.set_cron(tx, &name, id, now, former).await?;
            }
            self.forget_cron(tx, &itemtype, &name).await?;
            outcomes.push((name, outcome));
        }
        Ok(Outcomes(outcomes))
    }

    /// Sets the state of a cron task if it still is `from`.
    async fn set_cron(
        &self,
        tx: &mut Transaction<'static>,
        name: &str,
        id: u32,
        from: i64,
        to: i64,
    ) -> Result<(), CronError> {
        let sql = "/* set_cron */ UPDATE glpi_crontasks SET state = ? WHERE id = ? AND state = ?";
        let set = tx.exec_drop(sql, (to, id, from)).await;
        set.map_err(|error| self.refusal(error))?;
        if tx.affected_rows() == 1 {
            Ok(())
        } else {
            Err(CronError::Meanwhile(name.to_owned()))
        }
    }

    async fn forget_cron(
        &self,
        tx: &mut Transaction<'static>,
        itemtype: &str,
        name: &str,
    ) -> Result<(), CronError> {
        let sql = self.sql(
            "/* forget_cron */ DELETE FROM {p}sidecar_crontasks WHERE itemtype = ? AND name = ?",
        );
        let gone = tx.exec_drop(sql.as_ref(), (itemtype, name)).await;
        gone.map_err(|error| self.refusal(error))
    }

    fn refusal(&self, error: mysql_async::Error) -> CronError {
        match &error {
            mysql_async::Error::Server(server) if REFUSALS.contains(&server.code) => {
                CronError::NotAllowed {
                    refusal: server.message.clone(),
                    database: self.name().to_owned(),
                }
            }
            _ => CronError::Database(error.into()),
        }
    }
}

async fn found(
    tx: &mut Transaction<'static>,
    itemtype: &str,
    name: &str,
) -> Result<Option<Found>, DbError> {
    Ok(tx
        .exec_first(
            "/* crons */ SELECT id, state, date_mod, COALESCE(lastrun > NOW() - INTERVAL ? SECOND, 0) FROM glpi_crontasks \
             WHERE itemtype = ? AND name = ?",
            (LONGEST_PASS, itemtype, name),
        )
        .await?)
}

/// Commits what ended well, and undoes what did not.
async fn all_or_none<T>(
    tx: Transaction<'static>,
    outcome: Result<T, CronError>,
) -> Result<T, CronError> {
    match outcome {
        Ok(done) => {
            tx.commit().await.map_err(DbError::from)?;
            Ok(done)
        }
        Err(error) => {
            let _ = tx.rollback().await;
            Err(error)
        }
    }
}
