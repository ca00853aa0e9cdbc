//! Which tables there have to be, and making those that are ours to make.
//!
//! GLPI's and the plugin's tables belong to PHP: they are read and written, never altered. The sidecar's own are made by [`migrate`],
//! which is the only thing that needs the right to change the schema. For a database without a GLPI it makes the shared tables
//! too, if and only if nothing else lives there.

mod missing;

use std::collections::HashSet;
use std::fmt;

use chrono::{DateTime, Utc};
use mysql_async::Conn;
use mysql_async::prelude::Queryable as _;

use super::DbError;
use super::grants::REFUSALS;
use super::names::Names;
use super::scratch::claim;
use super::script::statements;

pub use self::missing::{Lack, Missing, missing, missing_for_pages};

/// The version of `sql/own.sql`; raised with each change of it.
pub const VERSION: u32 = 6;

/// How many lock rows agents are spread over for their registration: the bucket is a hash of the device id modulo this. More make
/// two agents wait for each other more rarely.
pub const AGENT_BUCKETS: u32 = 256;

/// How many lock rows findings are spread over, see `found_bucket`.
pub const FOUND_BUCKETS: u32 = 256;

const SHARED_SQL: &str = include_str!("../../sql/shared.sql");
const OWN_SQL: &str = include_str!("../../sql/own.sql");
const STANDALONE_SQL: &str = include_str!("../../sql/standalone.sql");

/// Why a schema is refused or was not made.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// The database failed.
    #[error("{0}")]
    Database(DbError),
    /// The account may not do what [`migrate`] has to.
    #[error(
        "{0}; run `fusion-sidecar migrate` as an account that may CREATE tables, such as GLPI's own"
    )]
    NotAllowed(DbError),
    /// The connection has no database selected.
    #[error("no database is selected")]
    NoDatabase,
    /// Something that is needed is not there, or may not be read.
    #[error("{0}")]
    Lacks(Lack),
    /// A later version of the sidecar has been here.
    #[error("the sidecar's tables have version {found}, this program knows {VERSION}: update it")]
    Newer {
        /// What the tables say.
        found: u32,
    },
    /// A database for stand-alone use has tables of others.
    #[error("not an empty database, it has {}; `--standalone` is for one without GLPI", list(.0))]
    Occupied(Vec<String>),
    /// A database for stand-alone use has some of the shared tables, not all.
    #[error("some of the shared tables exist, these do not: {}; begin with an empty database", list(.0))]
    Partial(Vec<String>),
}

impl From<mysql_async::Error> for SchemaError {
    fn from(error: mysql_async::Error) -> Self {
        match &error {
            mysql_async::Error::Server(server)
                if REFUSALS.contains(&server.code) && server.message.starts_with("CREATE ") =>
            {
                Self::NotAllowed(error.into())
            }
            _ => Self::Database(error.into()),
        }
    }
}

/// Names in a message: enough to know what is wrong, not a whole schema.
pub(crate) fn list<T: fmt::Display>(names: &[T]) -> String {
    const SHOWN: usize = 20;
    let text = names
        .iter()
        .take(SHOWN)
        .map(T::to_string)
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > SHOWN {
        format!("{text} and {} more", names.len() - SHOWN)
    } else {
        text
    }
}

/// What became of the shared tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SharedTables {
    /// They are PHP's: only looked at.
    Foreign,
    /// Made, with the rows they need.
    Created,
    /// Made by an earlier stand-alone migration, complete, left as they are.
    Kept,
}

/// What [`migrate`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What became of the shared tables.
    pub shared: SharedTables,
    /// The version of the own tables before; none if there were none.
    pub from: Option<u32>,
    /// Their version now.
    pub version: u32,
    /// Those of them that had been there and were gone.
    pub made_again: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.shared {
            SharedTables::Foreign => {}
            SharedTables::Created => f.write_str("shared tables created; ")?,
            SharedTables::Kept => f.write_str("shared tables are complete, left as they are; ")?,
        }
        match self.from {
            None => write!(f, "own tables created, version {}", self.version),
            Some(from) if from == self.version => {
                write!(f, "own tables are at version {}", self.version)
            }
            Some(from) => write!(
                f,
                "own tables moved from version {from} to {}",
                self.version
            ),
        }?;
        if self.made_again.is_empty() {
            Ok(())
        } else {
            write!(f, "; made again: {}", list(&self.made_again))
        }
    }
}

/// The tables of the selected database.
async fn tables(conn: &mut Conn) -> Result<HashSet<String>, mysql_async::Error> {
    let names: Vec<String> = conn
        .query("SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()")
        .await?;
    Ok(names.into_iter().collect())
}

/// Whether the selected database has `table`.
pub(super) async fn has_table(conn: &mut Conn, table: &str) -> Result<bool, mysql_async::Error> {
    let found: Option<u8> = conn
        .exec_first(
            "SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ?",
            (table,),
        )
        .await?;
    Ok(found.is_some())
}

/// The version of the sidecar's own tables in the selected database; none if it was never migrated.
pub async fn version(conn: &mut Conn) -> Result<Option<u32>, mysql_async::Error> {
    let names = Names::fusioninventory();
    if !has_table(conn, &names.expand("{p}sidecar_schema")).await? {
        return Ok(None);
    }
    conn.query_first(&*names.expand("SELECT version FROM {p}sidecar_schema WHERE id = 1"))
        .await
}

/// Refuses a database on which this program cannot run: with all names of what is missing, or because a later version has been here.
pub async fn verify(conn: &mut Conn, database: &str) -> Result<(), SchemaError> {
    let lacks = missing(conn, database).await?;
    if !lacks.is_empty() {
        return Err(SchemaError::Lacks(Lack::of(conn, lacks).await?));
    }
    refuse_newer(version(conn).await?)
}

/// Whether everything is there, at this program's version.
pub async fn is_current(conn: &mut Conn, database: &str) -> Result<bool, SchemaError> {
    Ok(missing(conn, database).await?.is_empty() && version(conn).await? == Some(VERSION))
}

/// Makes the sidecar's own tables in the selected database, with `standalone` the shared ones too. Doing it again changes nothing.
///
/// MariaDB commits each change of a schema by itself. So a migration that was cut off leaves some tables; the next one makes the
/// rest of the own ones, and for shared ones says that it must begin with an empty database.
pub async fn migrate(
    conn: &mut Conn,
    standalone: bool,
    now: DateTime<Utc>,
) -> Result<Report, SchemaError> {
    let database: Option<String> = conn.query_first("SELECT DATABASE()").await?.flatten();
    let database = database.ok_or(SchemaError::NoDatabase)?;
    let from = version(conn).await?;
    refuse_newer(from)?;
    let shared = if standalone {
        make_shared(conn).await?
    } else {
        SharedTables::Foreign
    };
    // In a database without the plugin our tables would only hide that its name is wrong.
    let (own, lacks): (Vec<Missing>, Vec<Missing>) = missing(conn, &database)
        .await?
        .into_iter()
        .partition(|missing| missing.own);
    if !lacks.is_empty() {
        return Err(SchemaError::Lacks(Lack::of(conn, lacks).await?));
    }
    make_own(conn, now).await?;
    let gone = own.into_iter().filter(|own| own.column.is_none());
    Ok(Report {
        shared,
        from,
        version: VERSION,
        // A table that an older version did not have is not one that was lost.
        made_again: if from == Some(VERSION) {
            gone.map(|own| own.table).collect()
        } else {
            Vec::new()
        },
    })
}

fn refuse_newer(found: Option<u32>) -> Result<(), SchemaError> {
    match found {
        Some(found) if found > VERSION => Err(SchemaError::Newer { found }),
        _ => Ok(()),
    }
}

/// The tables that `sql/shared.sql` makes.
pub(super) fn shared_tables() -> Vec<String> {
    expanded(SHARED_SQL)
        .iter()
        .filter_map(|statement| created(statement))
        .map(str::to_owned)
        .collect()
}

fn expanded(script: &str) -> Vec<String> {
    statements(&Names::fusioninventory().replace(script))
}

async fn make_shared(conn: &mut Conn) -> Result<SharedTables, SchemaError> {
    let present = tables(conn).await?;
    let scripts = (expanded(SHARED_SQL), expanded(OWN_SQL));
    let wanted: Vec<&str> = scripts
        .0
        .iter()
        .filter_map(|statement| created(statement))
        .collect();
    let scratch = Names::fusioninventory().expand(claim::TABLE);
    let own: Vec<&str> = scripts
        .1
        .iter()
        .filter_map(|statement| created(statement))
        .chain([&*scratch])
        .collect();

    let mut others: Vec<String> = present
        .iter()
        .filter(|name| !wanted.contains(&name.as_str()) && !own.contains(&name.as_str()))
        .cloned()
        .collect();
    if !others.is_empty() {
        others.sort();
        return Err(SchemaError::Occupied(others));
    }
    let absent: Vec<&str> = wanted
        .iter()
        .copied()
        .filter(|name| !present.contains(*name))
        .collect();
    let made = absent.len() == wanted.len();
    if !made && !absent.is_empty() {
        return Err(SchemaError::Partial(
            absent.into_iter().map(str::to_owned).collect(),
        ));
    }
    if made {
        for statement in &scripts.0 {
            conn.query_drop(statement).await?;
        }
    }
    // A migration cut off between tables and rows is taken up here: they come in one transaction, the root entity among them.
    let rows: Option<u32> = conn
        .query_first("SELECT id FROM glpi_entities LIMIT 1")
        .await?;
    if rows.is_none() {
        let mut tx = conn
            .start_transaction(mysql_async::TxOpts::default())
            .await?;
        for statement in expanded(STANDALONE_SQL) {
            tx.query_drop(statement).await?;
        }
        tx.commit().await?;
    }
    Ok(if made {
        SharedTables::Created
    } else {
        SharedTables::Kept
    })
}

async fn make_own(conn: &mut Conn, now: DateTime<Utc>) -> Result<(), mysql_async::Error> {
    for statement in expanded(OWN_SQL) {
        conn.query_drop(statement).await?;
    }
    conn.query_drop(lock_rows()).await?;
    // From seconds, as a literal date would be read in the session's time zone.
    let text = "INSERT INTO {p}sidecar_schema (id, version, migrated_at) VALUES (1, ?, FROM_UNIXTIME(?)) \
                ON DUPLICATE KEY UPDATE migrated_at = IF(version = VALUES(version), migrated_at, VALUES(migrated_at)), \
                version = VALUES(version)";
    conn.exec_drop(
        &*Names::fusioninventory().expand(text),
        (VERSION, now.timestamp()),
    )
    .await
}

/// The bucket of what is found for an order on a computer, or by a run for an agent: the upper bits of a multiplicative hash.
pub(super) fn found_bucket(of: u64, row: u32) -> u32 {
    let hash = (of ^ (u64::from(row) << 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (hash >> 32) as u32 % FOUND_BUCKETS
}

/// The lock rows of all buckets, made ahead so that taking one never inserts: two inserts into one gap deadlock.
fn lock_rows() -> String {
    let agents = (0..AGENT_BUCKETS).map(|bucket| format!("('agent:{bucket}')"));
    let found = (0..FOUND_BUCKETS).map(|bucket| format!("('found:{bucket}')"));
    let rows = agents.chain(found).collect::<Vec<_>>().join(", ");
    Names::fusioninventory().replace(&format!(
        "INSERT IGNORE INTO {{p}}sidecar_locks (name) VALUES {rows}"
    ))
}

/// The name of the table that `statement` creates.
fn created(statement: &str) -> Option<&str> {
    statement.strip_prefix("CREATE TABLE ")?.split('`').nth(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_is_cut() {
        let names: Vec<u32> = (0..23).collect();
        assert!(
            list(&names).ends_with("18, 19 and 3 more"),
            "{}",
            list(&names)
        );
        assert_eq!(list(&["a", "b"]), "a, b");
    }

    #[test]
    fn a_later_version_is_refused() {
        assert!(
            matches!(refuse_newer(Some(VERSION + 1)), Err(SchemaError::Newer { found }) if found == VERSION + 1)
        );
        for fine in [None, Some(0), Some(VERSION)] {
            assert!(refuse_newer(fine).is_ok());
        }
    }
}
