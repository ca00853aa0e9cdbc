//! GLPI's accounts, what their profiles allow, and who is signed in to the pages.
//!
//! Sessions are rows, so that all sidecars on a database share them. Account and rights are read with each of them: who is switched off in
//! GLPI, or loses a right, has lost it with the next page.

use chrono::{DateTime, NaiveDateTime, Utc};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};

use super::row::Columns;
use super::{Db, DbError};
use crate::domain::access::{Access, Place, Standing};
use crate::domain::ids::{EntityId, UserId};
use crate::proto::text;

/// `authtype` of accounts whose passwords GLPI keeps itself.
const OF_DATABASE: i64 = 1;

/// Most accounts of one name that are read: one a directory.
const MOST_NAMESAKES: u32 = 20;

/// The right that counts, a name of `glpi_profilerights`.
const RIGHT: &str = "plugin_fusioninventory_task";

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its row.
    pub id: UserId,
    /// What its owner signs in with.
    pub name: String,
    /// First name and name; the sign-in name if there are none.
    pub shown: String,
    /// GLPI's word for the language, such as `fr_FR`; empty: GLPI's own.
    pub language: String,
    /// Whether it may be used.
    pub standing: Standing,
}

/// What an account signs in with.
#[derive(Debug, Clone)]
pub struct Credential {
    /// The account.
    pub account: Account,
    /// The hash of its password, if GLPI keeps it; see [`crate::proto::password`].
    pub hash: Option<String>,
    /// When the password was changed last.
    pub changed: Option<NaiveDateTime>,
}

/// Somebody who is signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Who.
    pub account: Account,
    /// What they may see and do.
    pub access: Access,
    /// When they signed in.
    pub began: DateTime<Utc>,
    /// When they last asked for something, a little earlier at the most.
    pub seen: DateTime<Utc>,
}

const ACCOUNT: &str = "u.id, u.name, u.realname, u.firstname, u.language, u.is_active, u.is_deleted, u.begin_date, u.end_date";

impl Db {
    /// The accounts that are called `name`, those whose passwords GLPI keeps first, and GLPI's `password_expiration_delay` in days.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn sign_in_with(&self, name: &str) -> Result<(Vec<Credential>, i64), DbError> {
        self.timed("sign_in_with", async {
            let mut conn = self.conn().await?;
            let sql = format!(
                "/* sign_in_with */ SELECT {ACCOUNT}, IF(u.authtype = ? AND u.auths_id = 0, u.password, NULL), u.password_last_update \
                 FROM glpi_users u WHERE u.name = ? ORDER BY u.authtype <> ?, u.id LIMIT {MOST_NAMESAKES}"
            );
            let name = text::encode(name);
            let rows: Vec<Row> = conn.exec(sql, (OF_DATABASE, &*name, OF_DATABASE)).await?;
            let mut found = Vec::new();
            for row in rows {
                let mut columns = Columns::new("users", row);
                let account = account(&mut columns)?;
                let hash: Option<String> = columns.take("password")?;
                found.push(Credential {
                    account,
                    hash: hash.filter(|hash| !hash.is_empty()),
                    changed: columns.take("password_last_update")?,
                });
            }
            let days: Option<Option<String>> = conn
                .query_first(
                    "/* sign_in_with */ SELECT value FROM glpi_configs WHERE context = 'core' AND name = 'password_expiration_delay'",
                )
                .await?;
            let days = days.flatten().and_then(|days| days.trim().parse().ok());
            Ok((found, days.unwrap_or(-1)))
        })
        .await
    }

    /// What an account may see and do.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn access(&self, account: UserId) -> Result<Access, DbError> {
        self.timed("access", async {
            access(&mut self.conn().await?, account).await
        })
        .await
    }

    /// Notes that somebody signed in, under the hash of their secret. What has not been seen since `stale` goes.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn begin_session(
        &self,
        id: &str,
        account: UserId,
        now: DateTime<Utc>,
        stale: DateTime<Utc>,
    ) -> Result<(), DbError> {
        self.timed("begin_session", async {
            let mut conn = self.conn().await?;
            let sql = self.sql("/* begin_session */ DELETE FROM {p}sidecar_sessions WHERE seen_at < ? LIMIT 1000");
            conn.exec_drop(sql.as_ref(), (stale.timestamp(),)).await?;
            let sql = self.sql(
                "/* begin_session */ INSERT INTO {p}sidecar_sessions (id, users_id, began_at, seen_at) VALUES (?, ?, ?, ?)",
            );
            let (at, account) = (now.timestamp(), account.0);
            Ok(conn.exec_drop(sql.as_ref(), (id, account, at, at)).await?)
        })
        .await
    }

    /// Who is signed in under this hash, if anybody.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn session(&self, id: &str) -> Result<Option<Session>, DbError> {
        self.timed("session", async {
            let mut conn = self.conn().await?;
            let text = format!(
                "/* session */ SELECT {ACCOUNT}, s.began_at, s.seen_at FROM {{p}}sidecar_sessions s \
                 JOIN glpi_users u ON u.id = s.users_id WHERE s.id = ?"
            );
            let row: Option<Row> = conn.exec_first(self.names.replace(&text), (id,)).await?;
            let Some(row) = row else { return Ok(None) };
            let mut columns = Columns::new("users", row);
            let account = account(&mut columns)?;
            let access = access(&mut conn, account.id).await?;
            let mut moment = |column| {
                let at: i64 = columns.take(column)?;
                DateTime::from_timestamp(at, 0)
                    .ok_or_else(|| columns.corrupt(column, at.to_string()))
            };
            Ok(Some(Session {
                account,
                access,
                began: moment("began_at")?,
                seen: moment("seen_at")?,
            }))
        })
        .await
    }

    /// Somebody who is signed in asked for something.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn session_seen(&self, id: &str, now: DateTime<Utc>) -> Result<(), DbError> {
        self.timed("session_seen", async {
            let sql = self.sql("/* session_seen */ UPDATE {p}sidecar_sessions SET seen_at = GREATEST(seen_at, ?) WHERE id = ?");
            let mut conn = self.conn().await?;
            Ok(conn.exec_drop(sql.as_ref(), (now.timestamp(), id)).await?)
        })
        .await
    }

    /// Nobody is signed in under this hash any more.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn end_session(&self, id: &str) -> Result<(), DbError> {
        self.timed("end_session", async {
            let sql = self.sql("/* end_session */ DELETE FROM {p}sidecar_sessions WHERE id = ?");
            Ok(self.conn().await?.exec_drop(sql.as_ref(), (id,)).await?)
        })
        .await
    }
}

/// The columns of [`ACCOUNT`].
fn account(columns: &mut Columns) -> Result<Account, DbError> {
    let id = UserId(columns.take("id")?);
    let mut decoded = |column| Ok::<_, DbError>(text::decode(&columns.text(column)?).into_owned());
    let (name, last, first) = (
        decoded("name")?,
        decoded("realname")?,
        decoded("firstname")?,
    );
    let shown = format!("{} {}", first.trim(), last.trim());
    let shown = match shown.trim() {
        "" => name.clone(),
        shown => shown.to_owned(),
    };
    Ok(Account {
        id,
        name,
        shown,
        language: decoded("language")?,
        standing: Standing {
            active: columns.flag("is_active")?,
            deleted: columns.flag("is_deleted")?,
            begin: columns.take("begin_date")?,
            end: columns.take("end_date")?,
        },
    })
}

/// Profiles of the simplified interface have no rights on the plugin in GLPI, whatever rows they have.
async fn access(conn: &mut Conn, account: UserId) -> Result<Access, DbError> {
    let rows: Vec<(u32, bool, i64)> = conn
        .exec(
            "/* access */ SELECT u.entities_id, u.is_recursive <> 0, r.rights FROM glpi_profiles_users u \
             JOIN glpi_profiles p ON p.id = u.profiles_id AND p.interface = 'central' \
             JOIN glpi_profilerights r ON r.profiles_id = u.profiles_id AND r.name = ? WHERE u.users_id = ?",
            (RIGHT, account.0),
        )
        .await?;
    let place = |(entity, recursive, rights)| Place {
        entity: EntityId(entity),
        recursive,
        // GLPI's rights are sums of powers of two; what else stands there allows nothing.
        rights: u32::try_from(rights).unwrap_or_default(),
    };
    Ok(Access::Places(rows.into_iter().map(place).collect()))
}
