//! Which databases a replay may empty: those that were given to it, and only as long as nobody else's rows are in them.
//!
//! The marker is a table of its own, `{p}sidecar_scratch`, which nothing but [`give`] makes. It remembers the name of its database, so that
//! a copy elsewhere is not taken for it, and the rows that the last replay left, so that any row that came since is noticed. GLPI in
//! production can never be given: its watched tables hold more than those of a fresh installation.

use std::collections::{BTreeMap, BTreeSet};

use mysql_async::Conn;
use mysql_async::prelude::Queryable as _;

use crate::db::names::{Names, quoted};
use crate::db::schema::{has_table, tables};

/// The marker.
pub const TABLE: &str = "{p}sidecar_scratch";

/// Most rows of one table that a replay which broke off can have left: recordings have some dozens.
const MOST_LEFT: u64 = 1000;

/// Tables in which a fresh GLPI 10.0 with the plugin 10.0.6+1.1 has rows, and how many at most.
const FRESH: [(&str, u64); 5] = [
    ("glpi_entities", 1),
    ("{p}entities", 1),
    ("{p}agentmodules", 20),
    ("{p}configs", 100),
    // Two communities that every installation begins with.
    ("{p}configsecurities", 2),
];

/// Ids of rows, by table.
type Left = BTreeMap<String, BTreeSet<i64>>;

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
        "table {table} holds other rows than the last replay left: nothing was touched; remove what is yours, or begin with a fresh database"
    )]
    Foreign {
        /// The table.
        table: String,
    },
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
    #[error("the marker of replays cannot be read: {0}")]
    Marker(#[from] serde_json::Error),
    /// The database refused or is gone.
    #[error(transparent)]
    Database(#[from] mysql_async::Error),
}

/// Gives the selected database to replays. One that was given already stays as it is.
///
/// # Errors
///
/// [`ClaimError::NotFresh`] when a watched table holds more than a fresh installation.
pub async fn give(conn: &mut Conn, watched: &[String]) -> Result<(), ClaimError> {
    let name = selected(conn).await?;
    if has_table(conn, &sql(TABLE)).await? {
        return Ok(());
    }
    present(conn, watched).await?;
    let fresh: BTreeMap<String, u64> = FRESH
        .iter()
        .map(|(table, most)| (Names::fusioninventory().replace(table), *most))
        .collect();
    for table in watched {
        let rows = count(conn, table).await?;
        if rows > fresh.get(table).copied().unwrap_or(0) {
            let table = table.clone();
            return Err(ClaimError::NotFresh { table, rows });
        }
    }
    let left = written(conn, watched).await?;
    conn.query_drop(&*sql(
        "CREATE TABLE {p}sidecar_scratch (id TINYINT NOT NULL PRIMARY KEY, name VARCHAR(64) NOT NULL, busy TINYINT NOT NULL, left_rows MEDIUMTEXT NOT NULL) \
         ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin",
    ))
    .await?;
    let text =
        sql("INSERT INTO {p}sidecar_scratch (id, name, busy, left_rows) VALUES (1, ?, 0, ?)");
    Ok(conn.exec_drop(&*text, (name, left)).await?)
}

/// Takes the selected database for a replay, whose every table in `watched` may then be emptied.
///
/// # Errors
///
/// When it was not given, or holds rows that no replay made. Then nothing was changed.
pub async fn take(conn: &mut Conn, watched: &[String]) -> Result<(), ClaimError> {
    let here = selected(conn).await?;
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
    present(conn, watched).await?;
    let left: Left = serde_json::from_str(&left)?;
    for table in watched {
        let own = match left.get(table) {
            // The last one broke off: what it left is not known, but there is little of it.
            Some(_) if busy => count(conn, table).await? <= MOST_LEFT,
            Some(left) => ids(conn, table).await? == *left,
            // A table that the last replay did not watch: nobody gave it.
            None => count(conn, table).await? == 0,
        };
        if !own {
            let table = table.clone();
            return Err(ClaimError::Foreign { table });
        }
    }
    let text = sql("UPDATE {p}sidecar_scratch SET busy = 1 WHERE id = 1");
    Ok(conn.query_drop(&*text).await?)
}

/// Gives the database back: its rows as they are now are what the replay leaves.
///
/// # Errors
///
/// When the database fails; the next replay then takes this one for broken off.
pub async fn leave(conn: &mut Conn, watched: &[String]) -> Result<(), ClaimError> {
    let left = written(conn, watched).await?;
    let text = sql("UPDATE {p}sidecar_scratch SET busy = 0, left_rows = ? WHERE id = 1");
    Ok(conn.exec_drop(&*text, (left,)).await?)
}

fn sql(text: &'static str) -> std::sync::Arc<str> {
    Names::fusioninventory().expand(text)
}

async fn selected(conn: &mut Conn) -> Result<String, ClaimError> {
    let name: Option<Option<String>> = conn.query_first("SELECT DATABASE()").await?;
    Ok(name.flatten().unwrap_or_default())
}

/// Refuses a database that lacks a watched table: so names from outside reach a statement only if the database has them.
async fn present(conn: &mut Conn, watched: &[String]) -> Result<(), ClaimError> {
    let tables = tables(conn).await?;
    match watched.iter().find(|table| !tables.contains(*table)) {
        Some(table) => Err(ClaimError::NoTable(table.clone())),
        None => Ok(()),
    }
}

async fn count(conn: &mut Conn, table: &str) -> Result<u64, ClaimError> {
    let text = format!("SELECT COUNT(*) FROM {}", quoted(table));
    Ok(conn.query_first(text).await?.unwrap_or(0))
}

async fn ids(conn: &mut Conn, table: &str) -> Result<BTreeSet<i64>, ClaimError> {
    let text = format!("SELECT id FROM {}", quoted(table));
    let ids: Vec<i64> = conn.query(text).await?;
    Ok(ids.into_iter().collect())
}

/// What the watched tables hold, as the marker remembers it.
async fn written(conn: &mut Conn, watched: &[String]) -> Result<String, ClaimError> {
    let mut left = Left::new();
    for table in watched {
        left.insert(table.clone(), ids(conn, table).await?);
    }
    Ok(serde_json::to_string(&left)?)
}
