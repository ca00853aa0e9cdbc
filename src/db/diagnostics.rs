//! What `check` asks the database: whether it can be reached and why not, what kind of server it is, and what GLPI says of itself.

use std::collections::HashMap;
use std::fmt;

use chrono::NaiveDateTime;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, DriverError, IoError, Opts, Row};

use super::names::Names;
use super::needs::{OWN, SHARED};
use super::row::Columns;
use super::{Db, DbError, connection};
use crate::config::Database;
use crate::domain::ids::DeployGroupId;

/// Oldest MariaDB and MySQL that GLPI 10.0 takes.
const OLDEST_MARIADB: (u32, u32) = (10, 2);
const OLDEST_MYSQL: (u32, u32) = (5, 7);

/// Why there is no connection; each asks for another remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// User or password.
    #[error("the server refuses user and password ({0})")]
    Login(String),
    /// The database is not there, or the user has no right at all on it.
    #[error("the user may not use the database, or it does not exist ({0})")]
    NotAllowed(String),
    /// The database is not there.
    #[error("there is no such database ({0})")]
    NoDatabase(String),
    /// No account for this machine.
    #[error("the server takes no connections from this machine ({0})")]
    Host(String),
    /// The server takes this user with TLS only.
    #[error("the server wants TLS ({0})")]
    WantsTls(String),
    /// TLS is wanted and not to be had.
    #[error("TLS failed ({0})")]
    Tls(String),
    /// The account logs in in a way that is not supported.
    #[error("the account's authentication plugin '{0}' is not supported")]
    Plugin(String),
    /// Nobody answers.
    #[error("the server cannot be reached ({0})")]
    Unreachable(String),
    /// Nobody answers in time.
    #[error("the server does not answer in time")]
    Silent,
    /// Anything else.
    #[error("the connection failed ({0})")]
    Other(String),
}

impl ConnectError {
    fn of(error: &mysql_async::Error, tls_wanted: bool) -> Self {
        match error {
            mysql_async::Error::Server(server) => {
                let said = format!("{} {}", server.code, server.message);
                match server.code {
                    // Also where the account is bound to a user of the operating system.
                    1045 | 1698 => Self::Login(said),
                    1044 => Self::NotAllowed(said),
                    1049 => Self::NoDatabase(said),
                    // Not allowed, or blocked after errors.
                    1130 | 1129 => Self::Host(said),
                    3159 => Self::WantsTls(said),
                    _ => Self::Other(said),
                }
            }
            mysql_async::Error::Io(IoError::Tls(tls)) => Self::Tls(tls.to_string()),
            mysql_async::Error::Io(IoError::Io(io)) => {
                // A failed handshake comes as an error of the stream.
                let of_tls = io
                    .get_ref()
                    .and_then(|inner| inner.downcast_ref::<rustls::Error>())
                    .is_some();
                if of_tls && tls_wanted {
                    Self::Tls(io.to_string())
                } else {
                    Self::Unreachable(io.to_string())
                }
            }
            mysql_async::Error::Driver(DriverError::NoClientSslFlagFromServer) => {
                Self::Tls("the server has none".to_owned())
            }
            mysql_async::Error::Driver(DriverError::UnknownAuthPlugin { name }) => {
                Self::Plugin(name.clone())
            }
            other => Self::Other(other.to_string()),
        }
    }
}

/// Why a database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no connection.
    #[error("no connection to the database at {place} as {user}: {cause}")]
    Connect {
        /// Where the server should be.
        place: String,
        /// The user's name.
        user: String,
        /// What is in the way.
        cause: ConnectError,
    },
    /// There was one, and then it failed.
    #[error(transparent)]
    Database(#[from] DbError),
}

/// Connects once, without a pool.
pub(super) async fn connect(settings: &Database) -> Result<Conn, OpenError> {
    let opening = Conn::new(Opts::from(connection(settings)));
    let opened = match tokio::time::timeout(settings.timeout, opening).await {
        Ok(opened) => opened.map_err(|error| ConnectError::of(&error, settings.tls.is_some())),
        Err(_) => Err(ConnectError::Silent),
    };
    opened.map_err(|cause| OpenError::Connect {
        place: settings.place(),
        user: settings.user.clone(),
        cause,
    })
}

/// What a server calls itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerVersion {
    /// As the server says it.
    pub text: String,
    /// MariaDB, not MySQL.
    pub is_mariadb: bool,
    /// Major and minor number, where they can be read.
    pub number: Option<(u32, u32)>,
}

impl ServerVersion {
    /// Reads `10.11.6-MariaDB`, `5.5.5-10.3.39-MariaDB` (replication's prefix) or `8.0.36`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let is_mariadb = text.to_ascii_lowercase().contains("mariadb");
        let digits = match text.strip_prefix("5.5.5-") {
            Some(rest) if is_mariadb => rest,
            _ => text,
        };
        let mut parts = digits.split(|c: char| !c.is_ascii_digit());
        let mut next = || parts.next().and_then(|part| part.parse().ok());
        let number = next().zip(next());
        Self {
            text: text.to_owned(),
            is_mariadb,
            number,
        }
    }

    /// Whether GLPI 10.0 runs on it; one whose number cannot be read counts as new.
    #[must_use]
    pub fn is_supported(&self) -> bool {
        let oldest = if self.is_mariadb {
            OLDEST_MARIADB
        } else {
            OLDEST_MYSQL
        };
        self.number.is_none_or(|number| number >= oldest)
    }
}

impl fmt::Display for ServerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // MariaDB's text says so itself.
        let name = if self.is_mariadb { "" } else { "MySQL " };
        write!(f, "{name}{}", self.text)
    }
}

/// What the server says of itself and of this session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFacts {
    /// Its version.
    pub version: ServerVersion,
    /// The account in use, as GRANT writes it: `'glpi'@'localhost'`.
    pub account: String,
    /// Its clock, UTC.
    pub utc: NaiveDateTime,
    /// The session's time zone as it was set.
    pub session_zone: String,
    /// Local time less UTC in the session, seconds.
    pub session_offset: i64,
    /// The same in a session that sets no zone; none where the server cannot tell.
    pub global_offset: Option<i64>,
    /// It takes no changes.
    pub read_only: bool,
    /// Its binary log is on and holds statements: sessions below REPEATABLE READ may not write then.
    pub logs_statements: bool,
    /// InnoDB is there.
    pub innodb: bool,
    /// Tables that the sidecar uses and that are not InnoDB, with their engine.
    pub other_engines: Vec<(String, String)>,
}

/// What GLPI says of itself and of the plugin.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SiteFacts {
    /// GLPI's version.
    pub glpi_version: Option<String>,
    /// Maintenance mode is on.
    pub maintenance: bool,
    /// `core/timezone`, unless it says "the server's".
    pub timezone: Option<String>,
    /// The plugin's row: version and state.
    pub plugin: Option<(String, i64)>,
}

/// A dynamic group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DynamicGroup {
    /// Its row.
    pub id: DeployGroupId,
    /// Its name.
    pub name: String,
    /// Its stored search.
    pub search: Vec<u8>,
}

impl Db {
    /// What the server says of itself.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn server_facts(&self) -> Result<ServerFacts, DbError> {
        self.timed("server_facts", async {
            let mut conn = self.conn().await?;
            let row: Option<Row> = conn
                .query_first(
                    "/* server_facts */ SELECT VERSION(), CURRENT_USER(), UTC_TIMESTAMP(), @@session.time_zone, \
                     TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(), NOW()), \
                     TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(), CONVERT_TZ(UTC_TIMESTAMP(), '+00:00', @@global.time_zone)), \
                     CONCAT(@@global.read_only)",
                )
                .await?;
            let Some(row) = row else {
                return Err(DbError::Refused("the server says nothing of itself".to_owned()));
            };
            let mut server = Columns::new("server", row);
            // Not by `@@`: a server that has no such variable says nothing instead of failing.
            let log: HashMap<String, String> = conn
                .query("/* server_facts */ SHOW VARIABLES WHERE variable_name IN ('log_bin', 'binlog_format')")
                .await?
                .into_iter()
                .collect();
            let logs = |name: &str, value: &str| log.get(name).is_some_and(|found| found.eq_ignore_ascii_case(value));
            let innodb: Option<String> = conn
                .query_first("/* server_facts */ SELECT support FROM information_schema.engines WHERE engine = 'InnoDB'")
                .await?;
            let engines: Vec<(String, Option<String>)> = conn
                .query("/* server_facts */ SELECT table_name, engine FROM information_schema.tables WHERE table_schema = DATABASE()")
                .await?;
            let names = Names::fusioninventory();
            let ours: Vec<String> = SHARED.iter().chain(&OWN).map(|(table, _)| names.replace(table)).collect();
            let other_engines = engines
                .into_iter()
                .filter_map(|(table, engine)| Some((table, engine?)))
                .filter(|(table, engine)| ours.contains(table) && !engine.eq_ignore_ascii_case("InnoDB"))
                .collect();
            Ok(ServerFacts {
                version: ServerVersion::parse(&server.take::<String>("version")?),
                account: account(&server.take::<String>("current_user")?),
                utc: server.take("utc_timestamp")?,
                session_zone: server.take("time_zone")?,
                session_offset: server.take("session offset")?,
                global_offset: server.take("global offset")?,
                read_only: !matches!(server.take::<String>("read_only")?.as_str(), "0" | "OFF"),
                logs_statements: logs("log_bin", "ON") && logs("binlog_format", "STATEMENT"),
                innodb: innodb.is_some_and(|support| matches!(support.as_str(), "YES" | "DEFAULT")),
                other_engines,
            })
        })
        .await
    }

    /// What GLPI says of itself.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn site_facts(&self) -> Result<SiteFacts, DbError> {
        self.timed("site_facts", async {
            let mut conn = self.conn().await?;
            let plugin: Option<(Option<String>, i64)> = conn
                .query_first("/* site_facts */ SELECT version, state FROM glpi_plugins WHERE directory = 'fusioninventory'")
                .await?;
            let settings: Vec<(String, Option<String>)> = conn
                .query(
                    "/* site_facts */ SELECT name, value FROM glpi_configs WHERE context = 'core' \
                     AND name IN ('version', 'maintenance_mode', 'timezone')",
                )
                .await?;
            let mut facts = SiteFacts {
                plugin: plugin.map(|(version, state)| (version.unwrap_or_default(), state)),
                ..SiteFacts::default()
            };
            for (name, value) in settings {
                // "0" is GLPI's word for "the server's zone".
                let value = value.filter(|value| !matches!(value.as_str(), "" | "0"));
                match name.as_str() {
                    "version" => facts.glpi_version = value,
                    "maintenance_mode" => facts.maintenance = value.is_some(),
                    _ => facts.timezone = value,
                }
            }
            Ok(facts)
        })
        .await
    }

    /// All dynamic groups, whether or not a job names them.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn dynamic_groups(&self) -> Result<Vec<DynamicGroup>, DbError> {
        self.timed("dynamic_groups", async {
            let sql = self.sql(
                "/* dynamic_groups */ SELECT g.id, g.name, d.fields_array FROM {p}deploygroups g \
                 JOIN {p}deploygroups_dynamicdatas d ON d.{f}deploygroups_id = g.id WHERE g.type <> 'STATIC' ORDER BY g.id",
            );
            let rows: Vec<(u32, Option<String>, Option<Vec<u8>>)> =
                self.conn().await?.query(sql.as_ref()).await?;
            let group = |(id, name, search): (u32, Option<String>, Option<Vec<u8>>)| DynamicGroup {
                id: DeployGroupId(id),
                name: name.unwrap_or_default(),
                search: search.unwrap_or_default(),
            };
            Ok(rows.into_iter().map(group).collect())
        })
        .await
    }
}

/// `glpi@localhost`, as `CURRENT_USER()` says it, as GRANT writes it. A user may have an `@` in its name, a host may not.
fn account(current_user: &str) -> String {
    let (user, host) = current_user.rsplit_once('@').unwrap_or((current_user, "%"));
    let quoted = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"));
    format!("{}@{}", quoted(user), quoted(host))
}

#[cfg(test)]
mod tests {
    use std::io;

    use mysql_async::ServerError;

    use super::*;

    #[test]
    fn versions() {
        for (text, number, shown, supported) in [
            (
                "10.11.6-MariaDB-0+deb12u1",
                Some((10, 11)),
                "10.11.6-MariaDB-0+deb12u1",
                true,
            ),
            (
                "5.5.5-10.1.48-MariaDB",
                Some((10, 1)),
                "5.5.5-10.1.48-MariaDB",
                false,
            ),
            ("10.2.44-mariadb", Some((10, 2)), "10.2.44-mariadb", true),
            ("8.0.36", Some((8, 0)), "MySQL 8.0.36", true),
            ("5.6.51-log", Some((5, 6)), "MySQL 5.6.51-log", false),
            ("newest", None, "MySQL newest", true),
        ] {
            let version = ServerVersion::parse(text);
            assert_eq!(
                (
                    version.number,
                    version.to_string().as_str(),
                    version.is_supported()
                ),
                (number, shown, supported)
            );
        }
    }

    #[test]
    fn each_refusal_is_told_apart() {
        let server = |code| {
            mysql_async::Error::Server(ServerError {
                code,
                message: "said".into(),
                state: "HY000".into(),
            })
        };
        let said = |code: u16| format!("{code} said");
        for (code, expected) in [
            (1045, ConnectError::Login(said(1045))),
            (1698, ConnectError::Login(said(1698))),
            (1044, ConnectError::NotAllowed(said(1044))),
            (1049, ConnectError::NoDatabase(said(1049))),
            (1129, ConnectError::Host(said(1129))),
            (1130, ConnectError::Host(said(1130))),
            (3159, ConnectError::WantsTls(said(3159))),
            (1040, ConnectError::Other(said(1040))),
        ] {
            assert_eq!(ConnectError::of(&server(code), false), expected);
        }
        let refused = mysql_async::Error::Io(IoError::Io(io::ErrorKind::ConnectionRefused.into()));
        assert!(matches!(
            ConnectError::of(&refused, true),
            ConnectError::Unreachable(_)
        ));
        let handshake = || {
            let inner = rustls::Error::General("unknown issuer".into());
            mysql_async::Error::Io(IoError::Io(io::Error::new(
                io::ErrorKind::InvalidData,
                inner,
            )))
        };
        assert!(matches!(
            ConnectError::of(&handshake(), true),
            ConnectError::Tls(_)
        ));
        assert!(matches!(
            ConnectError::of(&handshake(), false),
            ConnectError::Unreachable(_)
        ));
    }

    #[test]
    fn accounts_as_grant_writes_them() {
        for (said, written) in [
            ("glpi@localhost", "'glpi'@'localhost'"),
            ("a@b@%", "'a@b'@'%'"),
            ("o'hara@10.%", "'o''hara'@'10.%'"),
        ] {
            assert_eq!(account(said), written);
        }
    }
}
