//! The sidecar's rows about tasks, jobs and agents that are gone: PHP deletes its own and knows nothing of them.
//!
//! They are found by plain reads along the primary key and deleted by it. A DELETE that asks itself whether the owner is there would lock the
//! rows of the owners until its end, all of them, and agents would wait for it.

use mysql_async::prelude::Queryable;
use mysql_async::{Params, Transaction, Value};

use super::bulk::{LIST_MAX, marks, pad};
use super::cleaning::Window;
use super::{Db, DbError, OnLock};

/// A table that cleaning keeps free of rows about what is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Occurrences of tasks.
    Occurrences,
    /// Occurrences of tasks that agents drive, for each of them.
    AgentOccurrences,
    /// What tasks say of themselves.
    Tasks,
    /// Places of jobs in their tasks' occurrences.
    Places,
    /// Time-outs of jobs.
    Timeouts,
    /// Hours of tasks, some rows each.
    Hours,
}

/// The primary key of such a row: the task or job, or the agent and then the task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key(u32, u32);

impl Key {
    fn from_number(number: u64) -> Self {
        let half = |number: u64| u32::try_from(number & u64::from(u32::MAX)).unwrap_or_default();
        Self(half(number >> 32), half(number))
    }

    /// In the order of the keys.
    fn number(self) -> u64 {
        (u64::from(self.0) << 32) | u64::from(self.1)
    }
}

impl Kept {
    /// All.
    pub const ALL: [Self; 6] = [
        Self::Occurrences,
        Self::AgentOccurrences,
        Self::Tasks,
        Self::Places,
        Self::Timeouts,
        Self::Hours,
    ];

    const fn table(self) -> &'static str {
        match self {
            Self::Occurrences => "{p}sidecar_occurrences",
            Self::AgentOccurrences => "{p}sidecar_agent_occurrences",
            Self::Tasks => "{p}sidecar_tasks",
            Self::Places => "{p}sidecar_sequence",
            Self::Timeouts => "{p}sidecar_jobs",
            Self::Hours => "{p}sidecar_hours",
        }
    }

    /// The column of the key, and whose id it is; none where it is two.
    const fn owner(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Occurrences | Self::Tasks | Self::Hours => Some(("{f}tasks_id", "{p}tasks")),
            Self::AgentOccurrences => None,
            Self::Places | Self::Timeouts => Some(("{f}taskjobs_id", "{p}taskjobs")),
        }
    }
}

/// Rows that somebody wrote about tasks or jobs that are gone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leftovers {
    /// Tasks with a row in `sidecar_tasks`.
    pub tasks: Vec<u32>,
    /// Jobs with a row in `sidecar_sequence`.
    pub places: Vec<u32>,
    /// Jobs with a row in `sidecar_jobs`.
    pub jobs: Vec<u32>,
}

impl Db {
    /// The rows about tasks and jobs that are gone.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn leftovers(&self) -> Result<Leftovers, DbError> {
        self.timed("leftovers", async {
            let mut conn = self.conn().await?;
            let mut ids = async |table: &str, key: &str, owner: &str| -> Result<Vec<u32>, DbError> {
                let text = format!(
                    "/* leftovers */ SELECT s.{key} FROM {table} s LEFT JOIN {owner} o ON o.id = s.{key} WHERE o.id IS NULL ORDER BY 1"
                );
                Ok(conn.query(self.names.replace(&text)).await?)
            };
            Ok(Leftovers {
                tasks: ids("{p}sidecar_tasks", "{f}tasks_id", "{p}tasks").await?,
                places: ids("{p}sidecar_sequence", "{f}taskjobs_id", "{p}taskjobs").await?,
                jobs: ids("{p}sidecar_jobs", "{f}taskjobs_id", "{p}taskjobs").await?,
            })
        })
        .await
    }

    /// Rows about what is gone among the next `most` of a table, from a key on. Nothing is locked.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn orphans(&self, kept: Kept, from: u64, most: u32) -> Result<Window<Key>, DbError> {
        self.timed("orphans", async {
            let table = kept.table();
            let Key(first, second) = Key::from_number(from);
            let (text, values) = match kept.owner() {
                Some((key, owner)) => (
                    // The key is the lower half, so that the next one is one more.
                    format!(
                        "/* orphans */ SELECT 0, s.{key}, o.id IS NULL FROM {table} s LEFT JOIN {owner} o ON o.id = s.{key} \
                         WHERE s.{key} >= ? ORDER BY s.{key} LIMIT ?"
                    ),
                    Params::from((from, most)),
                ),
                None => (
                    format!(
                        "/* orphans */ SELECT s.{{f}}agents_id, s.{{f}}tasks_id, a.id IS NULL OR t.id IS NULL FROM {table} s \
                         LEFT JOIN {{p}}agents a ON a.id = s.{{f}}agents_id LEFT JOIN {{p}}tasks t ON t.id = s.{{f}}tasks_id \
                         WHERE s.{{f}}agents_id >= ? AND (s.{{f}}agents_id > ? OR s.{{f}}tasks_id >= ?) \
                         ORDER BY s.{{f}}agents_id, s.{{f}}tasks_id LIMIT ?"
                    ),
                    Params::from((first, first, second, most)),
                ),
            };
            let rows: Vec<(u32, u32, bool)> =
                self.conn().await?.exec(self.names.replace(&text), values).await?;
            let next = rows.last().and_then(|row| Key(row.0, row.1).number().checked_add(1));
            let seen = rows.into_iter().filter(|row| row.2).map(|row| Key(row.0, row.1));
            let mut seen: Vec<Key> = seen.collect();
            // By its key all rows of a task go, also those behind the window.
            seen.dedup();
            Ok(Window { seen, next })
        })
        .await
    }

    /// Deletes rows of a table by their keys, in one transaction; how many there were.
    ///
    /// # Errors
    ///
    /// When the database fails; then none was deleted.
    pub async fn delete_orphans(&self, kept: Kept, keys: &[Key]) -> Result<u64, DbError> {
        self.tx(
            "delete_orphans",
            OnLock::TryAgain,
            (kept, keys),
            |db, (kept, keys), tx| Box::pin(delete(db, tx, *kept, keys)),
        )
        .await
    }
}

async fn delete(
    db: &Db,
    tx: &mut Transaction<'static>,
    kept: Kept,
    keys: &[Key],
) -> Result<u64, DbError> {
    let table = kept.table();
    let mut deleted = 0;
    for chunk in keys.chunks(LIST_MAX) {
        let marks = marks(chunk.len());
        let (which, values): (String, Vec<Value>) = match kept.owner() {
            Some((key, _)) => (
                format!("{key} IN ({marks})"),
                pad(chunk).map(|key| key.1.into()).collect(),
            ),
            None => (
                marks
                    .split(',')
                    .map(|_| "{f}agents_id = ? AND {f}tasks_id = ?")
                    .collect::<Vec<_>>()
                    .join(" OR "),
                pad(chunk)
                    .flat_map(|key| [key.0.into(), key.1.into()])
                    .collect(),
            ),
        };
        let text = format!("/* delete_orphans */ DELETE FROM {table} WHERE {which}");
        tx.exec_drop(db.names.replace(&text), Params::Positional(values))
            .await?;
        deleted += tx.affected_rows();
    }
    Ok(deleted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_numbers_in_their_order() {
        let keys = [(0, 0), (0, 7), (0, u32::MAX), (1, 0), (u32::MAX, u32::MAX)];
        let numbers = keys.map(|(first, second)| Key(first, second).number());
        assert!(numbers.is_sorted());
        for ((first, second), number) in keys.into_iter().zip(numbers) {
            assert_eq!(Key::from_number(number), Key(first, second));
        }
        assert_eq!(Key::from_number(7), Key(0, 7));
    }
}
