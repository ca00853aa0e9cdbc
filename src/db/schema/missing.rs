//! What is not there, and what this account may not read: the server lists neither.

use std::collections::{HashMap, HashSet};
use std::fmt;

use mysql_async::Conn;
use mysql_async::prelude::Queryable as _;

use super::list;
use crate::db::grants::REFUSALS;
use crate::db::names::{Names, quoted};
use crate::db::needs::{CHOSEN, Need, OWN, SHARED, WEB};

/// A table or column that the sidecar needs and the database lacks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Missing {
    /// The table.
    pub table: String,
    /// The column; the whole table if none.
    pub column: Option<String>,
    /// Whether `migrate` makes it.
    pub own: bool,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.column {
            Some(column) => write!(f, "{}.{column}", self.table)?,
            None => write!(f, "table {}", self.table)?,
        }
        if self.own {
            f.write_str(" (made by `fusion-sidecar migrate`)")
        } else {
            Ok(())
        }
    }
}

/// What keeps the sidecar from working on a database, told apart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lack {
    /// What is not there.
    pub gone: Vec<Missing>,
    /// What this account may not SELECT. To one without any right on a table the server does not say whether there is one.
    pub hidden: Vec<Missing>,
}

impl Lack {
    /// Asks the server about each of `missing`: it refuses before it looks whether the table is there.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn of(conn: &mut Conn, missing: Vec<Missing>) -> Result<Self, mysql_async::Error> {
        let mut lack = Self::default();
        for one in missing {
            let column = one.column.as_deref().map_or_else(|| "1".to_owned(), quoted);
            let probe = format!("SELECT {column} FROM {} LIMIT 0", quoted(&one.table));
            match conn.query_drop(probe).await {
                Err(mysql_async::Error::Server(error)) if REFUSALS.contains(&error.code) => {
                    lack.hidden.push(one);
                }
                Ok(()) | Err(mysql_async::Error::Server(_)) => lack.gone.push(one),
                Err(error) => return Err(error),
            }
        }
        Ok(lack)
    }
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.gone.is_empty() {
            write!(f, "the database lacks {}", list(&self.gone))?;
        }
        if self.hidden.is_empty() {
            return Ok(());
        }
        if !self.gone.is_empty() {
            f.write_str("; ")?;
        }
        write!(
            f,
            "this account has no SELECT right on {}, if that is there; `fusion-sidecar check` shows the GRANT",
            list(&self.hidden)
        )
    }
}

/// Which tables and columns that the sidecar needs are absent from `database`, the shared ones first. Columns it does not know are
/// fine: later versions of GLPI and of the plugin add some.
pub async fn missing(conn: &mut Conn, database: &str) -> Result<Vec<Missing>, mysql_async::Error> {
    Ok(absent(&present(conn, database).await?))
}

/// The same of what the pages for people need besides.
pub async fn missing_for_pages(
    conn: &mut Conn,
    database: &str,
) -> Result<Vec<Missing>, mysql_async::Error> {
    let present = present(conn, database).await?;
    let needed = WEB
        .iter()
        .chain(&CHOSEN)
        .map(|need| (need, need.0.starts_with("{p}sidecar_")));
    Ok(absent_of(needed, &present))
}

/// Tables and columns.
async fn present(
    conn: &mut Conn,
    database: &str,
) -> Result<Vec<(String, String)>, mysql_async::Error> {
    conn.exec(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = ?",
        (database,),
    )
    .await
}

fn absent(present: &[(String, String)]) -> Vec<Missing> {
    let needed = SHARED
        .iter()
        .map(|need| (need, false))
        .chain(OWN.iter().map(|need| (need, true)));
    absent_of(needed, present)
}

fn absent_of<'a>(
    needed: impl Iterator<Item = (&'a Need, bool)>,
    present: &[(String, String)],
) -> Vec<Missing> {
    let names = Names::fusioninventory();
    let mut tables: HashMap<&str, HashSet<&str>> = HashMap::new();
    for (table, column) in present {
        tables.entry(table).or_default().insert(column);
    }
    let mut found = Vec::new();
    for (&(table, columns), own) in needed {
        let table = names.replace(table);
        let Some(known) = tables.get(table.as_str()) else {
            found.push(Missing {
                table,
                column: None,
                own,
            });
            continue;
        };
        let columns = columns
            .split_whitespace()
            .map(|column| names.replace(column));
        found.extend(
            columns
                .filter(|column| !known.contains(column.as_str()))
                .map(|column| Missing {
                    table: table.clone(),
                    column: Some(column),
                    own,
                }),
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::{OWN_SQL, SHARED_SQL, created, expanded};
    use super::*;

    /// Every column that the SQL files create, as MariaDB would list it.
    fn all() -> Vec<(String, String)> {
        let mut columns = Vec::new();
        for statement in [SHARED_SQL, OWN_SQL].into_iter().flat_map(expanded) {
            let Some(table) = created(&statement) else {
                continue;
            };
            for line in statement
                .lines()
                .filter_map(|line| line.strip_prefix("  `"))
            {
                columns.push((table.to_owned(), line.split('`').next().unwrap().to_owned()));
            }
        }
        columns
    }

    #[test]
    fn the_sql_files_hold_all_that_is_needed() {
        assert_eq!(absent(&all()), []);
    }

    #[test]
    fn what_is_missing_is_named() {
        let mut columns = all();
        columns.retain(|(table, column)| {
            table != "glpi_groups_users"
                && (table.as_str(), column.as_str())
                    != ("glpi_plugin_fusioninventory_taskjobstates", "uniqid")
                && table != "glpi_plugin_fusioninventory_sidecar_runs"
        });
        columns.push(("glpi_computers".into(), "added_by_a_later_glpi".into()));
        let texts: Vec<String> = absent(&columns).iter().map(Missing::to_string).collect();
        assert_eq!(
            texts,
            [
                "table glpi_groups_users",
                "glpi_plugin_fusioninventory_taskjobstates.uniqid",
                "table glpi_plugin_fusioninventory_sidecar_runs (made by `fusion-sidecar migrate`)",
            ]
        );
    }

    #[test]
    fn what_is_gone_and_what_is_hidden_are_told_apart() {
        let missing = |table: &str, own| Missing {
            table: table.to_owned(),
            column: None,
            own,
        };
        let mut lack = Lack {
            gone: vec![missing("a", false)],
            hidden: Vec::new(),
        };
        assert_eq!(lack.to_string(), "the database lacks table a");
        lack.hidden = vec![missing("b", false), missing("c", true)];
        let hidden = "this account has no SELECT right on table b, table c (made by `fusion-sidecar migrate`), if that is there; \
                      `fusion-sidecar check` shows the GRANT";
        assert_eq!(
            lack.to_string(),
            format!("the database lacks table a; {hidden}")
        );
        lack.gone.clear();
        assert_eq!(lack.to_string(), hidden);
    }
}
