//! What GLPI's own directory says: the database, and where the plugin and its documents lie.
//!
//! The files are PHP, read as text: a program that may serve a whole network runs no code from a directory that a web server may
//! write. So values that are not written out cannot be had, and the error says what to set instead.

mod constants;
mod php;

use std::io;
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;
use secrecy::SecretString;

use self::constants::Constants;
use self::php::{Token, Value};
use super::file::{self, MAX_FILE};
use super::{Database, DatabaseTls, GlpiPlace, PluginBase, SessionZone};

/// Where MariaDB and MySQL put their socket: Debian, Red Hat, from source.
const USUAL_SOCKETS: [&str; 4] = [
    "/run/mysqld/mysqld.sock",
    "/var/run/mysqld/mysqld.sock",
    "/var/lib/mysql/mysql.sock",
    "/tmp/mysql.sock",
];

/// What GLPI's directory says.
#[derive(Debug, Clone)]
pub struct Glpi {
    /// The database of `config_db.php`, with default bounds.
    pub database: Database,
    /// The plugin's document directory, `GLPI_PLUGIN_DOC_DIR/fusioninventory`; it need not exist.
    pub plugin_doc_dir: PathBuf,
    /// The directory itself and where the plugin lies in it.
    pub place: GlpiPlace,
}

/// Why GLPI's directory could not be read, and how to mend it. Never a password.
#[derive(Debug, thiserror::Error)]
pub enum GlpiError {
    /// Not a directory.
    #[error("{} is no directory that can be entered: name GLPI's own, which has inc, front and config in it", .0.display())]
    NoDirectory(PathBuf),
    /// A file that is not there.
    #[error("{} does not exist: name the directory of an installed GLPI, or set GLPI_CONFIG_DIR if its configuration was moved", .0.display())]
    Missing(PathBuf),
    /// A file that the operating system refuses.
    #[error("{} cannot be read ({error}): the user who runs fusion-sidecar must be able to, for instance by setfacl -m u:USER:r", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file beyond any configuration's size.
    #[error("{} has more than {MAX_FILE} bytes: it is not GLPI's", .0.display())]
    TooLarge(PathBuf),
    /// A constant that only PHP can work out.
    #[error("{}: the value of {name} can only be worked out by PHP: set the environment variable {name} to it", file.display())]
    Constant {
        /// The file that defines it.
        file: PathBuf,
        /// The constant.
        name: &'static str,
    },
    /// No configuration of a database.
    #[error("{} has no class DB: GLPI's installation was not finished", .0.display())]
    NoClass(PathBuf),
    /// A property without which there is no connection.
    #[error("{}: ${property} of class DB is missing or empty", file.display())]
    NoProperty {
        /// The file.
        file: PathBuf,
        /// The property.
        property: &'static str,
    },
    /// A property that only PHP can work out.
    #[error("{}: ${property} of class DB can only be worked out by PHP: give database-url instead of glpi-dir", file.display())]
    Property {
        /// The file.
        file: PathBuf,
        /// The property.
        property: &'static str,
    },
    /// A property with an unusable value.
    #[error("{}: ${property} of class DB {reason}", file.display())]
    Value {
        /// The file.
        file: PathBuf,
        /// The property.
        property: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// Reads the directory `root` of a GLPI 9.5 to 11; `env` looks up an environment variable, for GLPI's directories can be moved by them.
pub fn read(root: &Path, env: impl Fn(&str) -> Option<String>) -> Result<Glpi, GlpiError> {
    let root = match std::path::absolute(root) {
        Ok(root) if root.is_dir() => root,
        _ => return Err(GlpiError::NoDirectory(root.to_owned())),
    };
    let constants = Constants::read(&root, env)?;
    let config = constants.directory("GLPI_CONFIG_DIR", || root.join("config"))?;
    let file = root.join(config).join("config_db.php");
    let Some(source) = source(&file)? else {
        return Err(GlpiError::Missing(file));
    };
    let class = Class::parse(&source, &file, &constants)?;
    let usual_socket = USUAL_SOCKETS
        .into_iter()
        .map(Path::new)
        .find(|path| path.exists());
    let (database, notes) = database(&class, usual_socket)?;

    let documents = match constants.directory("GLPI_PLUGIN_DOC_DIR", PathBuf::new)? {
        unset if unset.as_os_str().is_empty() => constants
            .directory("GLPI_VAR_DIR", || root.join("files"))?
            .join("_plugins"),
        moved => moved,
    };
    let marketplace = constants.directory("GLPI_MARKETPLACE_DIR", || root.join("marketplace"))?;
    // GLPI looks in the marketplace first (GLPI 10.0, Plugin::getPhpDir).
    let plugin_base = if root.join(marketplace).join("fusioninventory").is_dir() {
        Some(PluginBase::Marketplace)
    } else if root.join("plugins/fusioninventory").is_dir() {
        Some(PluginBase::Plugins)
    } else {
        None
    };
    Ok(Glpi {
        plugin_doc_dir: root.join(documents).join("fusioninventory"),
        place: GlpiPlace {
            root,
            plugin_base,
            use_timezones: database.session_zone == SessionZone::Timezone,
            notes,
        },
        database,
    })
}

/// The text of `path`, `None` if there is no such file. Bytes that are not UTF-8 become U+FFFD: comments may hold anything.
fn source(path: &Path) -> Result<Option<String>, GlpiError> {
    match file::contents(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Ok(None),
            io::ErrorKind::FileTooLarge => Err(GlpiError::TooLarge(path.to_owned())),
            _ => Err(GlpiError::Unreadable {
                file: path.to_owned(),
                error,
            }),
        },
    }
}

/// The class `DB` of `config_db.php`.
struct Class<'a> {
    body: Vec<Token>,
    file: &'a Path,
    constants: &'a Constants,
}

impl<'a> Class<'a> {
    fn parse(source: &str, file: &'a Path, constants: &'a Constants) -> Result<Self, GlpiError> {
        let tokens = php::tokens(source);
        let head = |pair: &[Token]| pair[0].is_word("class") && pair[1].is_word("DB");
        let start = tokens.windows(2).position(head).unwrap_or(tokens.len());
        let open = tokens[start..]
            .iter()
            .position(|token| *token == Token::Sign('{'));
        let Some(open) = open.map(|open| start + open) else {
            return Err(GlpiError::NoClass(file.to_owned()));
        };
        let end = open + php::bracketed(&tokens[open..]);
        let body = tokens[open + 1..end].to_vec();
        Ok(Self {
            body,
            file,
            constants,
        })
    }

    /// The value of `$property`, `None` if the class does not have it.
    fn property(&self, property: &'static str) -> Result<Option<Value>, GlpiError> {
        let unknown = || GlpiError::Property {
            file: self.file.to_owned(),
            property,
        };
        let mut value = None;
        let mut depth = 0_usize;
        for (index, token) in self.body.iter().enumerate() {
            let after = self.body.get(index + 1..).unwrap_or_default();
            match token {
                Token::Sign('{' | '(' | '[') => depth += 1,
                Token::Sign('}' | ')' | ']') => depth = depth.saturating_sub(1),
                Token::Variable(name) if name == property && depth == 0 => {
                    let end = after
                        .iter()
                        .position(|token| *token == Token::Sign(';'))
                        .unwrap_or(after.len());
                    value = match &after[..end] {
                        [] => None,
                        [Token::Sign('='), expression @ ..] => {
                            let value = self.constants.evaluate(expression, self.file);
                            Some(value.ok_or_else(unknown)?)
                        }
                        _ => return Err(unknown()),
                    };
                }
                Token::Variable(name) if name == "this" => {
                    let target = [
                        Token::Sign('-'),
                        Token::Sign('>'),
                        Token::Word(property.to_owned()),
                        Token::Sign('='),
                    ];
                    let compared = after.get(4) == Some(&Token::Sign('='));
                    if after.starts_with(&target) && !compared {
                        return Err(unknown());
                    }
                }
                _ => {}
            }
        }
        Ok(value)
    }

    /// The text of `$property`, empty if it is missing or `null`.
    fn text(&self, property: &'static str) -> Result<String, GlpiError> {
        let Some(value) = self.property(property)? else {
            return Ok(String::new());
        };
        let text = value
            .into_text()
            .ok_or_else(|| self.refuse(property, "is an array"))?;
        if text.contains(char::REPLACEMENT_CHARACTER) {
            return Err(self.refuse(property, "is not UTF-8"));
        }
        Ok(text)
    }

    fn needed(&self, property: &'static str) -> Result<String, GlpiError> {
        let text = self.text(property)?;
        if text.is_empty() {
            let file = self.file.to_owned();
            return Err(GlpiError::NoProperty { file, property });
        }
        Ok(text)
    }

    fn is_true(&self, property: &'static str) -> Result<bool, GlpiError> {
        Ok(self
            .property(property)?
            .is_some_and(|value| value.is_true()))
    }

    fn path(&self, property: &'static str) -> Result<Option<PathBuf>, GlpiError> {
        let text = self.text(property)?;
        Ok((!text.is_empty()).then(|| PathBuf::from(text)))
    }

    fn refuse(&self, property: &'static str, reason: &'static str) -> GlpiError {
        let file = self.file.to_owned();
        GlpiError::Value {
            file,
            property,
            reason,
        }
    }
}

/// The connection that GLPI makes (GLPI 10.0, `DBmysql::connect`), and what to tell the admin about it.
fn database(
    class: &Class<'_>,
    usual_socket: Option<&Path>,
) -> Result<(Database, Vec<String>), GlpiError> {
    let mut notes = Vec::new();
    let host = match class.property("dbhost")? {
        Some(Value::List(hosts)) => {
            let count = hosts.len();
            let first = hosts
                .into_iter()
                .next()
                .and_then(Value::into_text)
                .unwrap_or_default();
            if count > 1 {
                notes.push(format!("GLPI spreads its connections over {count} database hosts; the first, {first}, is used"));
            }
            first
        }
        Some(value) => value.into_text().unwrap_or_default(),
        None => String::new(),
    };
    if host.is_empty() {
        let file = class.file.to_owned();
        let property = "dbhost";
        return Err(GlpiError::NoProperty { file, property });
    }
    let address =
        Address::parse(&host, usual_socket).map_err(|reason| class.refuse("dbhost", reason))?;
    let mut database = Database::new(
        address.host,
        class.needed("dbuser")?,
        class.needed("dbdefault")?,
    );
    database.port = address.port.unwrap_or(database.port);
    database.socket = address.socket;
    // GLPI stores rawurlencode(password).
    let password = class.text("dbpassword")?;
    let password = percent_decode_str(&password).decode_utf8();
    let password = password.map_err(|_| class.refuse("dbpassword", "is not UTF-8 once decoded"))?;
    if !password.is_empty() {
        database.password = Some(SecretString::from(password.into_owned()));
    }
    if class.is_true("dbssl")? {
        database.tls = Some(tls(class)?);
    }
    if class.is_true("use_timezones")? {
        database.session_zone = SessionZone::Timezone;
    }
    Ok((database, notes))
}

fn tls(class: &Class<'_>) -> Result<DatabaseTls, GlpiError> {
    let ca = class.path("dbsslca")?;
    if ca.is_none() && class.path("dbsslcapath")?.is_some() {
        let reason =
            "names a directory of certificates, which is not supported: name one file in $dbsslca";
        return Err(class.refuse("dbsslcapath", reason));
    }
    let identity = match (class.path("dbsslcert")?, class.path("dbsslkey")?) {
        (None, None) => None,
        (Some(cert), Some(key)) => Some((cert, key)),
        (Some(_), None) => return Err(class.refuse("dbsslkey", "is missing beside $dbsslcert")),
        (None, Some(_)) => return Err(class.refuse("dbsslcert", "is missing beside $dbsslkey")),
    };
    Ok(DatabaseTls {
        ca,
        identity,
        accept_invalid: false,
    })
}

/// Where a `$dbhost` leads.
#[derive(Debug, PartialEq, Eq)]
struct Address {
    host: String,
    port: Option<u16>,
    socket: Option<PathBuf>,
}

impl Address {
    /// Reads `host`, `host:port`, `host:/socket`, and IPv6 addresses with or without brackets.
    fn parse(text: &str, usual_socket: Option<&Path>) -> Result<Self, &'static str> {
        let bracketed = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let (host, rest) = match bracketed {
            Some((host, rest)) => (host, rest.strip_prefix(':').unwrap_or(rest)),
            None if text.parse::<Ipv6Addr>().is_ok() => (text, ""),
            None => text.split_once(':').unwrap_or((text, "")),
        };
        let host = if host.is_empty() { "localhost" } else { host };
        let mut address = Self {
            host: host.to_owned(),
            port: None,
            socket: None,
        };
        if rest.starts_with('/') {
            address.socket = Some(PathBuf::from(rest));
            return Ok(address);
        }
        if !rest.is_empty() {
            let port = rest.parse().ok().filter(|port| *port > 0);
            address.port =
                Some(port.ok_or("has neither a port nor a socket's path after the colon")?);
        }
        // To PHP's driver the word localhost means the socket, whatever the port; a server that listens on its socket only is usual.
        if host.eq_ignore_ascii_case("localhost") {
            address.socket = usual_socket.map(Path::to_owned);
        }
        Ok(address)
    }
}

#[cfg(test)]
mod tests;
