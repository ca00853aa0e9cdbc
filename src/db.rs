//! The only place with SQL.
//!
//! One [`Db`] is one pool of connections to GLPI's database. A read takes a connection for its one or few statements; what must hold
//! together runs in a transaction that is retried on deadlocks and lock waits. Changes that concurrent requests make to runs go through
//! [`writer`], which commits them together. Every operation has a name, under which its duration and failures are counted.
//!
//! Connections are not reset when they return to the pool (their prepared statements would be lost), so nothing here may change a
//! session; the session is set up once, when the connection is made.
//!
//! Texts are written with `{p}` and `{f}` for the plugin's table prefix and foreign-key stem, see [`names`].

pub mod accounts;
pub mod actions;
pub mod actors;
pub mod agents;
pub mod catalogue;
pub mod cleaning;
pub mod collect;
pub mod crons;
pub mod demo;
pub mod devices;
pub mod diagnostics;
pub mod driven;
pub mod editing;
pub mod esx;
pub mod expiry;
pub mod grants;
pub mod groups;
pub mod heartbeats;
pub mod history;
pub mod leases;
pub mod leftovers;
pub mod monitoring;
pub mod names;
pub mod network;
pub mod nonces;
pub mod preparation;
pub mod remedy;
pub mod reports;
pub mod row;
pub mod run_pages;
pub mod run_search;
pub mod runs;
pub mod schema;
pub mod scratch;
pub mod script;
pub mod sequence;
pub mod site;
pub mod spooled;
pub mod wakeup;
pub mod writer;
pub mod written;

mod bulk;
mod needs;
mod sessions;
mod skips;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use chrono_tz::Tz;
use futures_util::future::BoxFuture;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder, SslOpts, Transaction, TxOpts};
use rand::Rng;
use secrecy::ExposeSecret;

use crate::clock::Clock;
use crate::config::{Database, SessionZone};
use crate::telemetry::metrics::{DB_DURATION, DB_ERRORS};
use diagnostics::OpenError;
use names::Names;
use sessions::Sessions;
use written::Written;

/// More statements than this program has: a smaller cache would prepare some of them again and again.
const STATEMENT_CACHE: usize = 256;

/// How often a transaction is tried when the server refuses it for another's sake.
const TRANSACTION_TRIES: u32 = 5;

/// How long a statement waits for a row that another transaction (an import by PHP, a forgotten console) holds. Below the time that a
/// whole operation has, so that it is known what was in the way, and a batch of writes can go on without it.
const LOCK_WAIT_SECONDS: u32 = 1;

/// What can go wrong with the database.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum DbError {
    /// It cannot be reached, went away, or did not answer in time.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// Too many writes wait already.
    #[error("too many writes are waiting")]
    Busy,
    /// A row holds what no such row can hold.
    #[error("column {column} of a {table} row cannot be read: {value}")]
    CorruptRow {
        /// Table, without prefix.
        table: &'static str,
        /// Column.
        column: &'static str,
        /// What stood there.
        value: String,
    },
    /// The server refused a statement.
    #[error("the database refused a statement: {0}")]
    Refused(String),
    /// A deadlock: worth another try.
    #[error("another transaction was in the way: {0}")]
    Conflict(String),
    /// Another transaction has kept a row for longer than a statement waits.
    #[error("another transaction is in the way: {0}")]
    Locked(String),
    /// Another sidecar does this work now: the lease was lost.
    #[error("the turn is lost: another sidecar may do this work now")]
    LeaseLost,
}

impl From<mysql_async::Error> for DbError {
    fn from(error: mysql_async::Error) -> Self {
        let said = said_once(&error.to_string());
        match &error {
            mysql_async::Error::Server(server) => match server.code {
                // ER_LOCK_DEADLOCK; a row that changed since this transaction read it.
                1213 | 1020 => Self::Conflict(said),
                // ER_LOCK_WAIT_TIMEOUT, MySQL's ER_LOCK_NOWAIT
                1205 | 3572 => Self::Locked(said),
                // Too many connections, of all, of this user, or in an hour; shutdown in progress.
                1040 | 1203 | 1226 | 1053
                // A connection killed or idle for too long: MariaDB's word, then MySQL's.
                | 1927 | 3169 | 4031
                // A read-only server, before and in the middle of a transaction.
                | 1290 | 1792 | 1836
                // A statement killed, or longer than max_statement_time or max_execution_time.
                | 1317 | 1969 | 3024
                // A node that is no part of its Galera cluster now.
                | 1047
                // A login refused: password, database, host, TLS.
                | 1045 | 1698 | 1049 | 1129 | 1130 | 3159 => Self::Unavailable(said),
                _ => Self::Refused(said),
            },
            _ => Self::Unavailable(said),
        }
    }
}

/// `text` without the words that the driver's errors take over from their causes: "a: a: b" is "a: b".
fn said_once(text: &str) -> String {
    let mut parts: Vec<&str> = text.split(": ").collect();
    parts.dedup();
    parts.join(": ")
}

impl DbError {
    /// A stable short word for logs and metrics.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "db-unavailable",
            Self::Busy => "db-busy",
            Self::CorruptRow { .. } => "db-corrupt-row",
            Self::Refused(_) => "db-refused",
            Self::Conflict(_) => "db-conflict",
            Self::Locked(_) => "db-locked",
            Self::LeaseLost => "lease-lost",
        }
    }
}

/// What a transaction does when it waited for a row's lock as long as the server lets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OnLock {
    /// Waits again, a few times: nobody else waits for it.
    TryAgain,
    /// Fails then: others stand behind it.
    GiveUp,
    /// Fails without a wait, in a session that is kept for that.
    NoWait,
}

/// GLPI's database.
#[derive(Debug, Clone)]
pub struct Db {
    sessions: Arc<Sessions>,
    names: &'static Names,
    name: Arc<str>,
    timeout: Duration,
    written: Arc<Written>,
    skips: Arc<OnceLock<bool>>,
}

impl Db {
    /// A pool for `settings` whose sessions are in `session_zone`, or in the server's own where it is empty; nothing is connected yet.
    ///
    /// # Errors
    ///
    /// When the settings make no pool.
    pub fn new(settings: &Database, session_zone: &str) -> Result<Self, DbError> {
        Self::with(settings, |opts, setup| {
            Sessions::in_zone(opts, setup, settings.max_connections, session_zone)
        })
    }

    fn with(
        settings: &Database,
        sessions: impl FnOnce(OptsBuilder, Vec<String>) -> Sessions,
    ) -> Result<Self, DbError> {
        if settings.max_connections == 0 {
            return Err(DbError::Unavailable(
                "the pool must hold at least one connection".to_owned(),
            ));
        }
        let opts = connection(settings).stmt_cache_size(STATEMENT_CACHE);
        let setup = vec![
            "SET SESSION sql_mode = 'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION'".to_owned(),
            // Row locks without gaps: requests of different agents must not wait for each other.
            "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED".to_owned(),
            format!("SET SESSION innodb_lock_wait_timeout = {LOCK_WAIT_SECONDS}"),
        ];
        Ok(Self {
            sessions: Arc::new(sessions(opts, setup)),
            names: Names::fusioninventory(),
            name: settings.name.as_str().into(),
            timeout: settings.timeout,
            written: Arc::default(),
            skips: Arc::default(),
        })
    }

    /// As [`Db::new`], after connecting once, in the zone that the settings want. If that is `zone` and the server does not know it by name,
    /// sessions have its offset, and new ones take their place when `clock` comes to a change of the clocks there.
    ///
    /// # Errors
    ///
    /// When there is no connection; which fault is told apart.
    pub async fn open(
        settings: &Database,
        zone: Tz,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        let mut conn = diagnostics::connect(settings).await?;
        let asking = async {
            let known = match settings.session_zone {
                SessionZone::Server => Some(String::new()),
                SessionZone::Timezone => {
                    let is_known: Option<bool> = conn
                        .exec_first(
                            "SELECT CONVERT_TZ('2026-01-01 00:00:00', '+00:00', ?) IS NOT NULL",
                            (zone.name(),),
                        )
                        .await?;
                    (is_known == Some(true)).then(|| zone.name().to_owned())
                }
            };
            conn.disconnect().await?;
            Ok::<_, DbError>(known)
        };
        let known = tokio::time::timeout(settings.timeout, asking)
            .await
            .map_err(|_| DbError::Unavailable("no answer in time".to_owned()))??;
        let most = settings.max_connections;
        Ok(Self::with(settings, |opts, setup| match known {
            Some(known) => Sessions::in_zone(opts, setup, most, &known),
            None => Sessions::following(opts, setup, most, zone, Arc::clone(clock)),
        })?)
    }

    /// The zone that sessions should be in, if the server does not know it by name: they only have the offset that it has now.
    #[must_use]
    pub fn zone_by_offset(&self) -> Option<Tz> {
        self.sessions.followed()
    }

    /// Which jobs were written through this value and its clones.
    #[must_use]
    pub fn written(&self) -> &Written {
        &self.written
    }

    /// Name of the database.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A connection, within the time allowed.
    ///
    /// # Errors
    ///
    /// When none is to be had.
    pub async fn conn(&self) -> Result<Conn, DbError> {
        match tokio::time::timeout(self.timeout, self.sessions.pool().get_conn()).await {
            Ok(conn) => Ok(conn?),
            Err(_) => Err(DbError::Unavailable("no connection in time".to_owned())),
        }
    }

    /// Whether the database answers.
    ///
    /// # Errors
    ///
    /// When it does not.
    pub async fn ping(&self) -> Result<(), DbError> {
        self.timed("ping", async {
            Ok(self.conn().await?.query_drop("SELECT 1").await?)
        })
        .await
    }

    /// Closes all connections.
    pub async fn close(self) {
        for pool in [self.sessions.pool(), self.sessions.kept()] {
            if let Err(error) = pool.disconnect().await {
                tracing::debug!(error = %error, "connections did not close cleanly");
            }
        }
    }

    fn sql(&self, text: &'static str) -> Arc<str> {
        self.names.expand(text)
    }

    /// Runs `work` within the time allowed and counts it under `name`.
    async fn timed<T>(
        &self,
        name: &'static str,
        work: impl Future<Output = Result<T, DbError>>,
    ) -> Result<T, DbError> {
        let begun = Instant::now();
        let outcome = tokio::time::timeout(self.timeout, work)
            .await
            .unwrap_or_else(|_| {
                let limit = self.timeout.as_secs();
                let said = format!("{name} took longer than {limit} s (database-timeout)");
                Err(DbError::Unavailable(said))
            });
        metrics::histogram!(DB_DURATION, "operation" => name).record(begun.elapsed().as_secs_f64());
        if let Err(error) = &outcome {
            metrics::counter!(DB_ERRORS, "operation" => name, "code" => error.code()).increment(1);
        }
        outcome
    }

    /// Runs `work` on `input` in a transaction; a conflict rolls back and tries again, with jitter, a few times.
    async fn tx<C, T, F>(
        &self,
        name: &'static str,
        on_lock: OnLock,
        input: C,
        work: F,
    ) -> Result<T, DbError>
    where
        F: for<'t> Fn(
                &'t Self,
                &'t C,
                &'t mut Transaction<'static>,
            ) -> BoxFuture<'t, Result<T, DbError>>
            + Send
            + Sync,
        C: Send + Sync,
        T: Send,
    {
        self.timed(name, async {
            let mut tries = 0;
            loop {
                tries += 1;
                let outcome = async {
                    let pool = match on_lock {
                        OnLock::NoWait => self.sessions.kept(),
                        OnLock::TryAgain | OnLock::GiveUp => self.sessions.pool(),
                    };
                    let mut tx = pool.start_transaction(TxOpts::default()).await?;
                    match work(self, &input, &mut tx).await {
                        Ok(value) => {
                            tx.commit().await?;
                            Ok(value)
                        }
                        Err(error) => {
                            // Dropping it would roll back too, but only when the connection is used next.
                            let _ = tx.rollback().await;
                            Err(error)
                        }
                    }
                }
                .await;
                let reason = match outcome {
                    Err(DbError::Conflict(reason)) if tries < TRANSACTION_TRIES => reason,
                    Err(DbError::Locked(reason))
                        if on_lock == OnLock::TryAgain && tries < TRANSACTION_TRIES =>
                    {
                        reason
                    }
                    other => return other,
                };
                tracing::debug!(
                    operation = name,
                    tries,
                    reason,
                    "transaction in conflict, trying again"
                );
                let wait = rand::rng().random_range(1..=u64::from(tries) * 20);
                tokio::time::sleep(Duration::from_millis(wait)).await;
            }
        })
        .await
    }
}

/// Connection options without a pool.
fn connection(settings: &Database) -> OptsBuilder {
    let ssl = settings.tls.as_ref().map(|tls| {
        let mut ssl = SslOpts::default().with_danger_accept_invalid_certs(tls.accept_invalid);
        if tls.accept_invalid {
            ssl = ssl.with_danger_skip_domain_validation(true);
        }
        if let Some(ca) = &tls.ca {
            ssl = ssl.with_root_certs(vec![ca.clone().into()]);
        }
        if let Some((certificate, key)) = &tls.identity {
            ssl = ssl.with_client_identity(Some(mysql_async::ClientIdentity::new(
                certificate.clone().into(),
                key.clone().into(),
            )));
        }
        ssl
    });
    OptsBuilder::default()
        .ip_or_hostname(settings.host.clone())
        .tcp_port(settings.port)
        .socket(
            settings
                .socket
                .as_ref()
                .map(|path| path.to_string_lossy().into_owned()),
        )
        // Only a named socket is used: switching to one that the server happens to name would surprise.
        .prefer_socket(settings.socket.is_some())
        .user(Some(settings.user.clone()))
        .pass(
            settings
                .password
                .as_ref()
                .map(|password| password.expose_secret().to_owned()),
        )
        .db_name(Some(settings.name.clone()))
        .tcp_nodelay(true)
        .ssl_opts(ssl)
}

#[cfg(test)]
mod tests {
    use mysql_async::{Error, ServerError};

    use super::*;

    #[test]
    fn causes_that_the_driver_repeats_are_said_once() {
        for (text, said) in [
            ("a: a: b (c: d)", "a: b (c: d)"),
            ("a: b: a", "a: b: a"),
            ("a", "a"),
        ] {
            assert_eq!(said_once(text), said);
        }
        let io = || std::io::Error::other("gone");
        let error = DbError::from(Error::Io(io().into()));
        assert_eq!(
            error.to_string(),
            "the database is not available: Input/output error: gone"
        );
    }

    #[test]
    fn what_the_server_says_and_what_it_means() {
        for (numbers, code) in [
            (&[1213, 1020][..], "db-conflict"),
            (&[1205, 3572], "db-locked"),
            (
                &[
                    1040, 1203, 1226, 1053, 1927, 3169, 4031, 1290, 1792, 1836, 1317, 1969, 3024,
                    1047,
                ],
                "db-unavailable",
            ),
            (&[1045, 1698, 1049, 1129, 1130, 3159], "db-unavailable"),
            (&[1064, 1054, 1062, 1142, 1406], "db-refused"),
        ] {
            for number in numbers {
                let error = Error::Server(ServerError {
                    code: *number,
                    message: String::new(),
                    state: "HY000".to_owned(),
                });
                assert_eq!(DbError::from(error).code(), code, "{number}");
            }
        }
    }
}
