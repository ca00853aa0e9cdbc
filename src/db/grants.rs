//! What the user of `serve` must be allowed to do: one list, from which come the question whether the server allows it and the GRANT
//! statements for an admin.
//!
//! The server is asked with the statements themselves, on no rows. Reading SHOW GRANTS instead would mean to work out roles, wildcards
//! and levels as the server does.

use std::fmt;

use mysql_async::prelude::Queryable;

use super::names::{Names, quoted};
use super::needs::{Need, OWN, SEARCHED, SHARED, WEB};
use super::schema::{self, Missing};
use super::{Db, DbError};

/// A right on a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Privilege {
    /// Reading.
    Select,
    /// Adding rows.
    Insert,
    /// Changing rows.
    Update,
    /// Removing rows.
    Delete,
}

use Privilege::{Delete, Insert, Select, Update};

/// The tables that are written, and how. Every table that the sidecar needs is read besides.
const WRITTEN: [(&str, &[Privilege]); 28] = [
    ("{p}agents", &[Insert, Update]),
    ("{p}tasks", &[Update, Delete]),
    ("{p}taskjobs", &[Delete]),
    ("{p}taskjobstates", &[Insert, Update, Delete]),
    ("{p}taskjoblogs", &[Insert, Delete]),
    ("{p}deploygroups_dynamicdatas", &[Update]),
    ("{p}collects_registries_contents", &[Insert, Update, Delete]),
    ("{p}collects_wmis_contents", &[Insert, Update, Delete]),
    ("{p}collects_files_contents", &[Insert, Update, Delete]),
    ("{p}statediscoveries", &[Insert, Update]),
    ("{p}sidecar_nonces", &[Insert, Delete]),
    ("{p}sidecar_locks", &[Insert, Update]),
    ("{p}sidecar_runs", &[Insert, Update, Delete]),
    ("{p}sidecar_answers", &[Insert, Update, Delete]),
    ("{p}sidecar_downloads", &[Insert, Update, Delete]),
    ("{p}sidecar_jobs", &[Delete]),
    ("{p}sidecar_tasks", &[Delete]),
    ("{p}sidecar_sequence", &[Delete]),
    ("{p}sidecar_hours", &[Delete]),
    ("{p}sidecar_occurrences", &[Insert, Update, Delete]),
    ("{p}sidecar_agent_occurrences", &[Insert, Update, Delete]),
    ("{p}sidecar_spooled", &[Insert, Update, Delete]),
    ("{p}sidecar_leases", &[Insert, Update]),
    ("{p}sidecar_heartbeats", &[Insert, Update, Delete]),
    ("{p}sidecar_snapshots", &[Insert, Update, Delete]),
    ("{p}sidecar_changes", &[Insert, Delete]),
    ("{p}sidecar_sessions", &[Insert, Update, Delete]),
    ("glpi_logs", &[Insert]),
];

/// What only the pages write, of tables that are read without them too.
const EDITED: [(&str, &[Privilege]); 5] = [
    ("{p}sidecar_jobs", &[Insert, Update]),
    ("{p}sidecar_tasks", &[Insert, Update]),
    ("{p}sidecar_sequence", &[Insert, Update]),
    ("{p}sidecar_hours", &[Insert]),
    ("{p}taskjobs", &[Insert, Update]),
];

/// Errors by which MySQL and MariaDB refuse for want of a right: on the database, the table, a column.
pub(super) const REFUSALS: [u16; 3] = [1044, 1142, 1143];

/// Passwords and tokens lie here too: rights are given on single columns.
const SECRETIVE: &str = "glpi_users";

/// Rights on one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The table.
    pub table: String,
    /// The rights, in the order of their declaration.
    pub privileges: Vec<Privilege>,
    /// The columns that are read.
    columns: Vec<String>,
    /// The rights are on these columns alone.
    by_column: bool,
}

impl fmt::Display for Privilege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Select => "SELECT",
            Self::Insert => "INSERT",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
        })
    }
}

impl Grant {
    /// The rights as SQL writes them.
    #[must_use]
    pub fn list(&self) -> String {
        let words: Vec<String> = self.privileges.iter().map(ToString::to_string).collect();
        words.join(", ")
    }

    /// The statement that gives these rights on a table of `database` to `account`, such as `'sidecar'@'localhost'`.
    #[must_use]
    pub fn statement(&self, database: &str, account: &str) -> String {
        format!(
            "GRANT {}{} ON {}.{} TO {account};",
            self.list(),
            if self.by_column {
                format!(" (`{}`)", self.columns.join("`, `"))
            } else {
                String::new()
            },
            quoted(database),
            quoted(&self.table)
        )
    }

    /// A statement that needs `privilege`, and no other, on this table, and does nothing.
    fn probe(&self, privilege: Privilege) -> String {
        let table = &self.table;
        let first = self.columns.first().map_or("id", String::as_str);
        match privilege {
            Select => format!(
                "SELECT `{}` FROM `{table}` LIMIT 0",
                self.columns.join("`,`")
            ),
            Insert => format!("INSERT INTO `{table}` (`{first}`) SELECT 1 FROM DUAL WHERE 1 = 0"),
            Update => format!("UPDATE `{table}` SET `{first}` = NULL WHERE 1 = 0"),
            Delete => format!("DELETE FROM `{table}` WHERE 1 = 0"),
        }
    }
}

/// Every right that `serve` needs, table by table: GLPI's and the plugin's, then the sidecar's own.
#[must_use]
pub fn needed() -> Vec<Grant> {
    SHARED.iter().chain(&OWN).map(grant).collect()
}

/// The rights without which only dynamic groups that ask about these tables are not evaluated.
#[must_use]
pub fn for_groups() -> Vec<Grant> {
    SEARCHED.iter().map(grant).collect()
}

/// The rights that `serve` needs besides for the pages for people.
#[must_use]
pub fn for_pages() -> Vec<Grant> {
    let edited = EDITED.iter().map(|(table, privileges)| {
        let need = OWN.iter().chain(&SHARED).find(|(of, _)| of == table);
        let mut grant = grant(need.unwrap_or(&(table, "")));
        grant.privileges = privileges.to_vec();
        grant
    });
    WEB.iter().map(grant).chain(edited).collect()
}

/// The rights that `migrate --take-over` and `migrate --hand-back` need besides, and nothing else does.
#[must_use]
pub fn for_take_over() -> Vec<Grant> {
    let names = Names::fusioninventory();
    let of = |table: &str, privileges: &[Privilege], columns: &[&str]| Grant {
        table: names.replace(table),
        privileges: privileges.to_vec(),
        columns: columns.iter().map(|column| (*column).to_owned()).collect(),
        by_column: !columns.is_empty(),
    };
    vec![
        of("glpi_crontasks", &[Update], &["state"]),
        of("{p}sidecar_crontasks", &[Insert, Delete], &[]),
    ]
}

fn grant((table, columns): &Need) -> Grant {
    let names = Names::fusioninventory();
    let written = WRITTEN.iter().find(|(written, _)| written == table);
    let written = written
        .map(|(_, privileges)| *privileges)
        .unwrap_or_default();
    Grant {
        table: names.replace(table),
        privileges: [Select]
            .into_iter()
            .chain(written.iter().copied())
            .collect(),
        columns: columns
            .split_whitespace()
            .map(|column| names.replace(column))
            .collect(),
        by_column: *table == SECRETIVE,
    }
}

impl Db {
    /// What of [`needed`] the server refuses; tables without a refusal are left out. Nothing is changed.
    ///
    /// A right on a table that does not exist may count as there: that the table is missing is for [`super::schema`] to say.
    ///
    /// # Errors
    ///
    /// When the database fails in another way.
    pub async fn refused(&self) -> Result<Vec<Grant>, DbError> {
        self.refused_of(needed()).await
    }

    /// The same of any `grants`.
    ///
    /// # Errors
    ///
    /// When the database fails in another way.
    pub async fn refused_of(&self, grants: Vec<Grant>) -> Result<Vec<Grant>, DbError> {
        self.timed("refused", async {
            let mut conn = self.conn().await?;
            let mut refused = Vec::new();
            for mut grant in grants {
                let mut lacking = Vec::new();
                for privilege in &grant.privileges {
                    match conn.query_drop(grant.probe(*privilege)).await {
                        Err(mysql_async::Error::Server(error))
                            if REFUSALS.contains(&error.code) =>
                        {
                            lacking.push(*privilege);
                        }
                        Ok(()) => {}
                        Err(error) => match DbError::from(error) {
                            // A missing table or column; a column without a default.
                            DbError::Refused(_) => {}
                            // It takes no writes, or not now.
                            error => return Err(error),
                        },
                    }
                }
                if !lacking.is_empty() {
                    grant.privileges = lacking;
                    refused.push(grant);
                }
            }
            Ok(refused)
        })
        .await
    }
}

impl Db {
    /// What is missing of rights, tables and columns that every `serve` needs, in a line; none if nothing is.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn lacks(&self) -> Result<Option<String>, DbError> {
        let refused = self.refused().await?;
        let absent = self
            .timed("lacks", async {
                let mut conn = self.conn().await?;
                Ok(schema::missing(&mut conn, self.name()).await?)
            })
            .await?;
        Ok(lacking(&refused, &absent))
    }
}

impl Db {
    /// What is missing of rights, tables and columns that the pages for people need besides, in a line; none if nothing is.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn lacks_for_pages(&self) -> Result<Option<String>, DbError> {
        let refused = self.refused_of(for_pages()).await?;
        let absent = self
            .timed("lacks_for_pages", async {
                let mut conn = self.conn().await?;
                Ok(schema::missing_for_pages(&mut conn, self.name()).await?)
            })
            .await?;
        Ok(lacking(&refused, &absent))
    }
}

/// How many things a line names.
const MOST_NAMED: usize = 3;

/// A table that may not be read looks as if it were absent: the right is named then.
fn lacking(refused: &[Grant], absent: &[Missing]) -> Option<String> {
    let rights = refused
        .iter()
        .map(|grant| format!("rights on {} ({})", grant.table, grant.list()));
    let may_be_there = |missing: &&Missing| {
        !refused
            .iter()
            .any(|grant| grant.table == missing.table && grant.privileges.contains(&Select))
    };
    let tables = absent.iter().filter(may_be_there).map(ToString::to_string);
    let all: Vec<String> = rights.chain(tables).collect();
    if all.is_empty() {
        return None;
    }
    // What every table of a plugin begins with says nothing.
    let named = all[..all.len().min(MOST_NAMED)]
        .join(", ")
        .replace("glpi_plugin_", "");
    Some(match all.len().saturating_sub(MOST_NAMED) {
        0 => format!("the database lacks {named}"),
        more => format!("the database lacks {named} and {more} more"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_is_read_and_what_is_written_is_known() {
        let needed = needed();
        assert_eq!(needed.len(), SHARED.len() + OWN.len());
        assert!(needed.iter().all(|grant| grant.privileges[0] == Select));
        let is_written = |grant: &&Grant| grant.privileges != [Select];
        let written = needed.iter().filter(is_written);
        // Those that only the pages need are the rest.
        let pages = for_pages();
        let more = pages.iter().filter(is_written);
        assert_eq!(written.count() + more.count(), WRITTEN.len() + EDITED.len());
    }

    #[test]
    fn statements() {
        let grant = Grant {
            table: "glpi_plugin_x".into(),
            privileges: vec![Select, Insert],
            columns: vec!["a".into(), "lock".into()],
            by_column: false,
        };
        assert_eq!(
            grant.statement("gl`pi", "'s'@'localhost'"),
            "GRANT SELECT, INSERT ON `gl``pi`.`glpi_plugin_x` TO 's'@'localhost';"
        );
        assert_eq!(
            grant.probe(Select),
            "SELECT `a`,`lock` FROM `glpi_plugin_x` LIMIT 0"
        );
    }

    #[test]
    fn what_is_missing_is_told_in_a_line() {
        let refused = |table: &str, privileges: &[Privilege]| Grant {
            table: table.into(),
            privileges: privileges.to_vec(),
            columns: vec![],
            by_column: false,
        };
        let absent = |table: &str, column: Option<&str>| Missing {
            table: table.into(),
            column: column.map(str::to_owned),
            own: false,
        };
        assert_eq!(lacking(&[], &[]), None);
        for (rights, tables, told) in [
            (vec![], vec![absent("t", None)], "table t"),
            (vec![], vec![absent("t", Some("c"))], "t.c"),
            (vec![], vec![absent("glpi_plugin_x_t", None)], "table x_t"),
            (
                vec![refused("t", &[Select, Insert])],
                vec![absent("t", None), absent("u", None)],
                "rights on t (SELECT, INSERT), table u",
            ),
            (
                vec![refused("t", &[Insert])],
                vec![absent("t", Some("c"))],
                "rights on t (INSERT), t.c",
            ),
            (
                vec![],
                ["a", "b", "c", "d", "e"]
                    .map(|table| absent(table, None))
                    .to_vec(),
                "table a, table b, table c and 2 more",
            ),
        ] {
            let told = format!("the database lacks {told}");
            assert_eq!(lacking(&rights, &tables), Some(told));
        }
    }

    #[test]
    fn of_users_only_what_groups_ask_about_is_read() {
        let users: Vec<String> = for_groups()
            .iter()
            .filter(|grant| grant.table == "glpi_users")
            .map(|grant| grant.statement("glpi", "'s'@'h'"))
            .collect();
        assert_eq!(
            users,
            [
                "GRANT SELECT (`id`, `name`, `realname`, `firstname`) ON `glpi`.`glpi_users` TO 's'@'h';"
            ]
        );
    }
}
