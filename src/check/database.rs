//! The database: whether it is there, what it is, what it allows, what it holds, and what time it has.

use std::sync::Arc;

use super::{Report, pages, time};
use crate::clock::Clock;
use crate::config::Settings;
use crate::db::diagnostics::{OpenError, ServerFacts, SiteFacts};
use crate::db::grants::{self, Grant, Privilege};
use crate::db::schema::{self, Missing};
use crate::db::{Db, DbError};
use crate::domain::catalogue::Catalogue;

/// What can be done when nothing else is known of a failure.
const SEE_SERVER: &str = "see the database server's log";

/// An open database, and what was read from it.
pub(super) struct Opened {
    pub(super) db: Db,
    /// All tables and columns are there and may be used: `serve` would start.
    pub(super) complete: bool,
    pub(super) site: Option<SiteFacts>,
    pub(super) catalogue: Option<Catalogue>,
}

pub(super) async fn examine(
    settings: &Settings,
    clock: &Arc<dyn Clock>,
    report: &mut Report,
) -> Option<Opened> {
    let db = match Db::open(&settings.database, settings.timezone, clock).await {
        Ok(db) => db,
        Err(error) => {
            let mend = match &error {
                OpenError::Connect { cause, .. } => cause.remedy(&settings.database),
                OpenError::Database(_) => None,
            };
            report.error(
                "database",
                error.to_string(),
                mend.unwrap_or_else(|| SEE_SERVER.to_owned()),
            );
            return None;
        }
    };
    let server = kept(db.server_facts().await, report);
    let now = clock.now();
    let account = server
        .as_ref()
        .map_or_else(|| "USER".to_owned(), |server| server.account.clone());
    if let Some(server) = &server {
        kind(server, report);
        time::clocks(server, now, report);
    }
    let refused = rights(&db, &account, report).await;
    pages::rights(settings, &db, &account, report).await;
    let whole = tables(&db, refused.as_deref().unwrap_or_default(), report).await;
    let writable = server
        .as_ref()
        .is_some_and(|server| !server.logs_statements);
    let complete = whole && writable && refused.is_some_and(|refused| refused.is_empty());
    let site = db.site_facts().await.ok();
    if let Some(server) = &server {
        time::zones(settings, server, site.as_ref(), now, report);
    }
    let catalogue = if complete {
        kept(db.catalogue().await, report)
    } else {
        None
    };
    Some(Opened {
        complete: complete && catalogue.is_some(),
        db,
        site,
        catalogue,
    })
}

/// The value, or an error in the report.
fn kept<T>(outcome: Result<T, DbError>, report: &mut Report) -> Option<T> {
    outcome.map_err(|error| failed(&error, report)).ok()
}

/// A query failed: what was asked for is in its text. One without an answer has another remedy than one that was refused.
pub(super) fn failed(error: &DbError, report: &mut Report) {
    let mend = match error {
        DbError::Unavailable(_) => {
            "see what the server is doing or waits for (SHOW FULL PROCESSLIST), then check again; if it is always so slow, raise database-timeout"
        }
        _ => SEE_SERVER,
    };
    report.error("database", error.to_string(), mend);
}

fn kind(server: &ServerFacts, report: &mut Report) {
    if !server.version.is_supported() {
        report.error(
            "database",
            format!("{} is too old", server.version),
            "use MariaDB 10.2 or MySQL 5.7 or later, as GLPI 10 does",
        );
    }
    if !server.innodb {
        report.error(
            "database",
            "the server has no InnoDB",
            "switch it on: without transactions nothing is safe",
        );
    }
    for (table, engine) in &server.other_engines {
        report.error(
            "database",
            format!("table {table} is {engine}, which has no transactions"),
            format!("move it to InnoDB: ALTER TABLE `{table}` ENGINE=InnoDB"),
        );
    }
    if server.read_only {
        report.error(
            "database",
            "the server is read-only",
            "name the primary server, not a replica",
        );
    }
    if server.logs_statements {
        report.error(
            "database",
            "the server writes statements into its binary log (binlog_format=STATEMENT), and refuses every write of sessions that are READ \
             COMMITTED, as the sidecar's are",
            "set binlog_format=MIXED (or ROW) in the server's configuration and by SET GLOBAL binlog_format='MIXED', then start the sidecar anew",
        );
    }
    if server.version.is_supported()
        && server.innodb
        && server.other_engines.is_empty()
        && !server.read_only
        && !server.logs_statements
    {
        report.fine(
            "database",
            format!("{}, InnoDB, as {}", server.version, server.account),
        );
    }
}

/// Reports what the account may not do, and returns it.
async fn rights(db: &Db, account: &str, report: &mut Report) -> Option<Vec<Grant>> {
    let refused = kept(db.refused().await, report)?;
    for grant in &refused {
        report.error(
            "grants",
            format!("{} on {} is missing", grant.list(), grant.table),
            grant.statement(db.name(), account),
        );
    }
    if refused.is_empty() {
        report.fine(
            "grants",
            format!("all rights on {} tables", grants::needed().len()),
        );
    }
    Some(refused)
}

fn lacks(missing: &[Missing]) -> String {
    format!("the database lacks {}", schema::list(missing))
}

/// Whether all tables are there. Those that may not be read do not show in the server's lists; they were named among `refused`.
async fn tables(db: &Db, refused: &[Grant], report: &mut Report) -> bool {
    let looked = async {
        let mut conn = db.conn().await?;
        let missing = schema::missing(&mut conn, db.name()).await?;
        Ok::<_, DbError>((conn, missing))
    };
    let Some((mut conn, missing)) = kept(looked.await, report) else {
        return false;
    };
    let hidden = |table: &str| {
        let mut unreadable = refused
            .iter()
            .filter(|grant| grant.privileges.contains(&Privilege::Select));
        unreadable.any(|grant| grant.table == table)
    };
    let missing: Vec<Missing> = missing
        .into_iter()
        .filter(|missing| !hidden(&missing.table))
        .collect();
    let (own, shared): (Vec<Missing>, Vec<Missing>) =
        missing.into_iter().partition(|missing| missing.own);
    let whole = own.is_empty() && shared.is_empty();
    if !shared.is_empty() {
        report.error(
            "schema",
            lacks(&shared),
            "name GLPI's database, and install or update the FusionInventory plugin 10.0 in GLPI",
        );
    }
    if !own.is_empty() {
        report.error(
            "schema",
            lacks(&own),
            "run fusion-sidecar migrate once, as a user who may CREATE tables",
        );
    }
    if !whole {
        return false;
    }
    match schema::version(&mut conn).await {
        Ok(Some(schema::VERSION)) => {
            report.fine(
                "schema",
                format!("all tables, the sidecar's at version {}", schema::VERSION),
            );
            true
        }
        Ok(Some(found)) if found > schema::VERSION => {
            report.error(
                "schema",
                format!(
                    "the sidecar's tables have version {found}, this program knows {}",
                    schema::VERSION
                ),
                "update fusion-sidecar",
            );
            false
        }
        Ok(found) => {
            report.error(
                "schema",
                format!(
                    "the sidecar's tables have version {}, this program needs {}",
                    found.unwrap_or_default(),
                    schema::VERSION
                ),
                "run fusion-sidecar migrate, as a user who may CREATE and ALTER tables",
            );
            false
        }
        // Not readable: named among the grants.
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDateTime;

    use super::*;
    use crate::db::diagnostics::ServerVersion;

    fn server() -> ServerFacts {
        ServerFacts {
            version: ServerVersion::parse("10.11.6-MariaDB"),
            account: "'u'@'h'".into(),
            utc: NaiveDateTime::default(),
            session_zone: "SYSTEM".into(),
            session_offset: 0,
            global_offset: None,
            read_only: false,
            logs_statements: false,
            innodb: true,
            other_engines: Vec::new(),
        }
    }

    #[test]
    fn kinds_of_server() {
        let with = |change: fn(&mut ServerFacts)| {
            let mut server = server();
            change(&mut server);
            let mut report = Report::default();
            kind(&server, &mut report);
            report.to_string()
        };
        assert!(
            with(|_| {}).starts_with("ok: database: 10.11.6-MariaDB, InnoDB, as 'u'@'h'\n0 errors")
        );
        for (change, line) in [
            (
                (|server| server.version = ServerVersion::parse("5.6.51")) as fn(&mut ServerFacts),
                "error: database: MySQL 5.6.51 is too old",
            ),
            (
                |server| server.innodb = false,
                "error: database: the server has no InnoDB",
            ),
            (
                |server| server.read_only = true,
                "error: database: the server is read-only",
            ),
            (
                |server| server.logs_statements = true,
                "error: database: the server writes statements into its binary log",
            ),
            (
                |server| {
                    server
                        .other_engines
                        .push(("glpi_configs".into(), "MyISAM".into()));
                },
                "error: database: table glpi_configs is MyISAM",
            ),
        ] {
            let said = with(change);
            assert!(
                said.starts_with(line) && said.ends_with("1 error, 0 warnings"),
                "{said}"
            );
        }
    }
}
