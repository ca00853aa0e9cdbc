//! Which databases a replay may empty: those that were given to it, and only as long as nobody else's rows are in them.
//!
//! The marker is a table of its own, `{p}sidecar_scratch`, which nothing but [`give`] makes. It remembers the name of its database, so that
//! a copy elsewhere is not taken for it, and the keys of the rows that the last replay left, so that any row that came since is noticed. While
//! a replay is at work these are the rows that were there and those that it is about to load: whatever else a replay finds after one
//! that broke off is not its own. GLPI in production can never be given: it holds more than a fresh installation.

use std::collections::BTreeMap;

use mysql_async::Conn;
use mysql_async::prelude::Queryable as _;

use super::Keys;
use super::tables::{is_own, most_fresh, replayed};
use crate::db::names::{Names, quoted};
use crate::db::schema::has_table;

/// The marker.
pub const TABLE: &str = "{p}sidecar_scratch";

/// How long a replay waits for another one to end, seconds: the server may take a moment to see that one was killed.
const LOCK_WAIT: u8 = 2;

/// Most keys of one table that are looked at: recordings have some dozens.
const MOST_KEYS: u32 = 10_000;

/// Why a replay does not touch a database.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// Nobody gave it.
    #[error(
        "the database {0} was not given to replays, which empty it; --init gives it, if it holds no more than a fresh installation"
    )]
    NotGiven(String),
    /// It lacks the tables.
    #[error(
        "the database has no table {0}: begin with `fusion-sidecar migrate --standalone`, or with a fresh GLPI"
    )]
    NoTable(String),
    /// It holds more than a fresh installation.
    #[error(
        "table {table} holds {rows} rows, more than after a fresh installation: this database cannot be given to replays"
    )]
    NotFresh {
        /// The table.
        table: String,
        /// How many rows it has.
        rows: u64,
    },
    /// Rows came that no replay made.
    #[error(
        "table {table} holds {rows} rows that no replay put there: nothing was touched; remove what is yours, or begin with a fresh database"
    )]
    Foreign {
        /// The table.
        table: String,
        /// How many rows.
        rows: u64,
    },
    /// Rows went that the last replay left: the table was loaded from elsewhere.
    #[error(
        "table {table} lacks {rows} rows that the last replay left: nothing was touched; begin with a fresh database"
    )]
    Gone {
        /// The table.
        table: String,
        /// How many rows.
        rows: usize,
    },
    /// It is in use.
    #[error("another replay is at work on the database {0}")]
    Busy(String),
    /// Its marker came from elsewhere.
    #[error(
        "the database {here} is a copy of {given}, which was given to replays; this one was not"
    )]
    Copy {
        /// Its name.
        here: String,
        /// The name that the marker knows.
        given: String,
    },
    /// The marker cannot be read.
    #[error("the marker of replays, table sidecar_scratch, cannot be read: {0}")]
    Marker(#[from] serde_json::Error),
    /// The database refused or is gone.
    #[error(transparent)]
    Database(#[from] mysql_async::Error),
}

/// A database that a replay has taken. No other can take it as long as the connection lasts.
#[derive(Debug)]
pub struct Claim {
    guarded: Vec<Guarded>,
}

/// A table that must hold nobody else's rows.
#[derive(Debug)]
struct Guarded {
    name: String,
    /// The columns of its primary key, of all columns if it has none.
    key: Vec<String>,
}

/// Gives the selected database to replays. One that was given already, and holds more than a fresh installation, stays as it is.
///
/// # Errors
///
/// [`ClaimError::NotFresh`] when a table holds more than after a fresh installation, [`ClaimError::Busy`] while a replay is at work.
pub async fn give(conn: &mut Conn) -> Result<(), ClaimError> {
    let name = alone(conn).await?;
    let claim = Claim::new(conn).await?;
    let marked = has_table(conn, &sql(TABLE)).await?;
    let counts = claim.counts(conn).await?;
    let full = claim.guarded.iter().zip(counts);
    if let Some((table, rows)) = full
        .into_iter()
        .find(|(table, rows)| *rows > most_fresh(&table.name))
    {
        let table = table.name.clone();
        return if marked {
            Ok(())
        } else {
            Err(ClaimError::NotFresh { table, rows })
        };
    }
    let left = serde_json::to_string(&claim.held(conn).await?)?;
    conn.query_drop(&*sql(
        "CREATE TABLE IF NOT EXISTS {p}sidecar_scratch (id TINYINT NOT NULL PRIMARY KEY, name VARCHAR(64) NOT NULL, busy TINYINT NOT NULL, \
         left_rows MEDIUMTEXT NOT NULL) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin",
    ))
    .await?;
    let text =
        sql("REPLACE INTO {p}sidecar_scratch (id, name, busy, left_rows) VALUES (1, ?, 0, ?)");
    Ok(conn.exec_drop(&*text, (name, left)).await?)
}

/// Takes the selected database for a replay.
///
/// # Errors
///
/// When it was not given, another replay is at work, or it holds rows that no replay made. Then nothing was changed.
pub async fn take(conn: &mut Conn) -> Result<Claim, ClaimError> {
    let here = alone(conn).await?;
    if !has_table(conn, &sql(TABLE)).await? {
        return Err(ClaimError::NotGiven(here));
    }
    let marker: Option<(String, bool, String)> = conn
        .query_first(&*sql(
            "SELECT name, busy, left_rows FROM {p}sidecar_scratch WHERE id = 1",
        ))
        .await?;
    let Some((given, busy, left)) = marker else {
        return Err(ClaimError::NotGiven(here));
    };
    if given != here {
        return Err(ClaimError::Copy { here, given });
    }
    let claim = Claim::new(conn).await?;
    let left: Keys = serde_json::from_str(&left)?;
    let mut held = claim.held(conn).await?;
    for (i, table) in claim.guarded.iter().enumerate() {
        let found = held.remove(&table.name).unwrap_or_default();
        let known = left.get(&table.name).cloned().unwrap_or_default();
        let table = table.name.clone();
        if !found.is_subset(&known) {
            // Of a big table not every key was read.
            let counts = claim.counts(conn).await?;
            let own = found.intersection(&known).count();
            let rows = counts
                .get(i)
                .map_or(0, |rows| rows.saturating_sub(own as u64));
            return Err(ClaimError::Foreign { table, rows });
        }
        // One that broke off may not have loaded all that it meant to.
        let rows = known.difference(&found).count();
        if rows > 0 && !busy {
            return Err(ClaimError::Gone { table, rows });
        }
    }
    let text = sql("UPDATE {p}sidecar_scratch SET busy = 1 WHERE id = 1");
    conn.query_drop(&*text).await?;
    Ok(claim)
}

impl Claim {
    async fn new(conn: &mut Conn) -> Result<Self, ClaimError> {
        let columns: Vec<(String, String, bool)> = conn
            .query(
                "SELECT table_name, column_name, column_key = 'PRI' FROM information_schema.columns \
                 WHERE table_schema = DATABASE() ORDER BY table_name, ordinal_position",
            )
            .await?;
        let mut present = BTreeMap::<String, Vec<(String, bool)>>::new();
        for (table, column, primary) in columns {
            present.entry(table).or_default().push((column, primary));
        }
        let replayed = replayed();
        if let Some(table) = replayed.iter().find(|table| !present.contains_key(*table)) {
            return Err(ClaimError::NoTable(table.clone()));
        }
        present.retain(|table, _| replayed.contains(table) || is_own(table));
        let guarded = present.into_iter().map(|(name, columns)| {
            let keyless = columns.iter().all(|(_, primary)| !primary);
            let key = columns
                .into_iter()
                .filter(|(_, primary)| *primary || keyless)
                .map(|(column, _)| column)
                .collect();
            Guarded { name, key }
        });
        Ok(Self {
            guarded: guarded.collect(),
        })
    }

    /// Remembers, before they are loaded, which rows a recording has: what is there now and they are what a replay that breaks off
    /// from here on can have left, beside what the server made.
    ///
    /// # Errors
    ///
    /// When the database fails; then nothing may be loaded.
    pub async fn expect(&self, conn: &mut Conn, rows: &Keys) -> Result<(), ClaimError> {
        let mut known = self.held(conn).await?;
        for (table, keys) in rows {
            known
                .entry(table.clone())
                .or_default()
                .extend(keys.iter().cloned());
        }
        let text = sql("UPDATE {p}sidecar_scratch SET left_rows = ? WHERE id = 1");
        Ok(conn
            .exec_drop(&*text, (serde_json::to_string(&known)?,))
            .await?)
    }

    /// Gives the database back: its rows as they are now are what the replay leaves.
    ///
    /// # Errors
    ///
    /// When the database fails; the next replay then takes this one for broken off.
    pub async fn leave(&self, conn: &mut Conn) -> Result<(), ClaimError> {
        let left = serde_json::to_string(&self.held(conn).await?)?;
        let text = sql("UPDATE {p}sidecar_scratch SET busy = 0, left_rows = ? WHERE id = 1");
        Ok(conn.exec_drop(&*text, (left,)).await?)
    }

    /// How many rows each guarded table has.
    async fn counts(&self, conn: &mut Conn) -> Result<Vec<u64>, ClaimError> {
        let parts = self.guarded.iter().enumerate().map(|(i, table)| {
            let table = quoted(&table.name);
            format!("(SELECT {i} AS i, COUNT(*) FROM {table})")
        });
        let text = format!(
            "{} ORDER BY i",
            parts.collect::<Vec<_>>().join(" UNION ALL ")
        );
        let counts: Vec<(u32, u64)> = conn.query(text).await?;
        Ok(counts.into_iter().map(|(_, rows)| rows).collect())
    }

    /// The keys that each guarded table has.
    async fn held(&self, conn: &mut Conn) -> Result<Keys, ClaimError> {
        let parts = self.guarded.iter().enumerate().map(|(i, table)| {
            let key: Vec<String> = table.key.iter().map(|column| quoted(column)).collect();
            // Keys of one collation: texts of different ones do not go into one answer.
            format!(
                "(SELECT {i}, CONVERT(CONCAT_WS('/', {}) USING utf8mb4) COLLATE utf8mb4_bin FROM {} LIMIT {MOST_KEYS})",
                key.join(", "),
                quoted(&table.name)
            )
        });
        let text = parts.collect::<Vec<_>>().join(" UNION ALL ");
        let rows: Vec<(usize, String)> = conn.query(text).await?;
        let mut held = Keys::new();
        for (i, key) in rows {
            if let Some(table) = self.guarded.get(i) {
                held.entry(table.name.clone()).or_default().insert(key);
            }
        }
        Ok(held)
    }
}

/// The selected database, once no other replay is at work on it. The lock ends with the connection, however that ends.
async fn alone(conn: &mut Conn) -> Result<String, ClaimError> {
    let name: Option<String> = conn.query_first("SELECT DATABASE()").await?.flatten();
    let name = name.unwrap_or_default();
    // Names of locks are as short as those of databases: 64 characters.
    let locked: Option<Option<bool>> = conn
        .exec_first(
            "SELECT GET_LOCK(CONCAT('fusion-sidecar replay ', MD5(DATABASE())), ?)",
            (LOCK_WAIT,),
        )
        .await?;
    if locked.flatten() == Some(true) {
        Ok(name)
    } else {
        Err(ClaimError::Busy(name))
    }
}

fn sql(text: &'static str) -> std::sync::Arc<str> {
    Names::fusioninventory().expand(text)
}
