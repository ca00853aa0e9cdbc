//! `mysql://USER:PASSWORD@HOST:PORT/NAME?socket=PATH…`: the address of GLPI's database.

use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use secrecy::SecretString;
use url::{Host, Url};

use super::{Database, DatabaseTls};

/// Why a database URL cannot be used. No variant quotes the URL: it holds a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseUrlError {
    /// Not a URL at all.
    #[error(
        "is no URL ({0}); in user and password write %40 for @, %3A for :, %2F for /, %3F for ?, %23 for #, %25 for %"
    )]
    Syntax(url::ParseError),
    /// Another database's URL.
    #[error("must begin with mysql:// or mariadb://")]
    Scheme,
    /// Nothing after the host.
    #[error("names no database: it ends in /NAME")]
    NoName,
    /// Something after the name.
    #[error("names no database: a name has no /")]
    Path,
    /// Nothing before the `@`.
    #[error("names no user: it begins with mysql://USER")]
    NoUser,
    /// A `#`.
    #[error("has a #; write %23 if it is part of the password")]
    Fragment,
    /// A part that percent-decodes to no UTF-8.
    #[error("{0} is not UTF-8")]
    NotUtf8(&'static str),
    /// A parameter that means nothing here; its name could be a piece of a password with a bare `?`, so it is only counted.
    #[error(
        "query parameter {0} is unknown: there are socket, ssl, ssl-ca, ssl-cert, ssl-key, ssl-verify"
    )]
    UnknownParameter(usize),
    /// A parameter given twice.
    #[error("query parameter {0} is given twice")]
    Twice(&'static str),
    /// A switch that is neither on nor off.
    #[error("query parameter {0} takes true or false")]
    NotBoolean(&'static str),
    /// `ssl=false` beside other words on TLS.
    #[error("ssl=false contradicts the other ssl parameters")]
    TlsOff,
    /// One half of a pair.
    #[error("ssl-cert and ssl-key only go together")]
    HalfIdentity,
}

/// Query parameters; each at most once.
#[derive(Default)]
struct Parameters {
    socket: Option<String>,
    ssl: Option<String>,
    ca: Option<String>,
    cert: Option<String>,
    key: Option<String>,
    verify: Option<String>,
}

/// Reads a database URL; bounds and time zone are the defaults of [`Database::new`].
pub fn parse(text: &str) -> Result<Database, DatabaseUrlError> {
    let url = Url::parse(text).map_err(DatabaseUrlError::Syntax)?;
    if !matches!(url.scheme(), "mysql" | "mariadb") {
        return Err(DatabaseUrlError::Scheme);
    }
    if url.fragment().is_some() {
        return Err(DatabaseUrlError::Fragment);
    }
    let name = decode(
        url.path().strip_prefix('/').unwrap_or_default(),
        "the database's name",
    )?;
    if name.is_empty() {
        return Err(DatabaseUrlError::NoName);
    }
    if name.contains('/') {
        return Err(DatabaseUrlError::Path);
    }
    let user = decode(url.username(), "the user")?;
    if user.is_empty() {
        return Err(DatabaseUrlError::NoUser);
    }
    let host = match url.host() {
        Some(Host::Ipv6(address)) => address.to_string(),
        Some(Host::Ipv4(address)) => address.to_string(),
        Some(Host::Domain(name)) if !name.is_empty() => decode(name, "the host")?,
        _ => "localhost".to_owned(),
    };
    let parameters = parameters(&url)?;
    let mut database = Database::new(host, user, name);
    if let Some(port) = url.port() {
        database.port = port;
    }
    if let Some(password) = url.password() {
        database.password = Some(SecretString::from(decode(password, "the password")?));
    }
    database.tls = tls(&parameters)?;
    database.socket = parameters.socket.map(PathBuf::from);
    Ok(database)
}

fn decode(text: &str, part: &'static str) -> Result<String, DatabaseUrlError> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded
        .map(String::from)
        .map_err(|_| DatabaseUrlError::NotUtf8(part))
}

fn parameters(url: &Url) -> Result<Parameters, DatabaseUrlError> {
    let mut parameters = Parameters::default();
    let query = url.query().unwrap_or_default();
    for (index, pair) in query.split('&').filter(|pair| !pair.is_empty()).enumerate() {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, slot) = match name {
            "socket" | "unix_socket" => ("socket", &mut parameters.socket),
            "ssl" => ("ssl", &mut parameters.ssl),
            "ssl-ca" => ("ssl-ca", &mut parameters.ca),
            "ssl-cert" => ("ssl-cert", &mut parameters.cert),
            "ssl-key" => ("ssl-key", &mut parameters.key),
            "ssl-verify" => ("ssl-verify", &mut parameters.verify),
            _ => return Err(DatabaseUrlError::UnknownParameter(index + 1)),
        };
        // Not decoded as a form: a + in a path is a +.
        if slot.replace(decode(value, name)?).is_some() {
            return Err(DatabaseUrlError::Twice(name));
        }
    }
    Ok(parameters)
}

fn tls(parameters: &Parameters) -> Result<Option<DatabaseTls>, DatabaseUrlError> {
    let switch = |name, value: &Option<String>| match value.as_deref() {
        None => Ok(None),
        Some("true" | "1") => Ok(Some(true)),
        Some("false" | "0") => Ok(Some(false)),
        Some(_) => Err(DatabaseUrlError::NotBoolean(name)),
    };
    let wanted = switch("ssl", &parameters.ssl)?;
    let verify = switch("ssl-verify", &parameters.verify)?;
    let identity = match (&parameters.cert, &parameters.key) {
        (None, None) => None,
        (Some(cert), Some(key)) => Some((PathBuf::from(cert), PathBuf::from(key))),
        _ => return Err(DatabaseUrlError::HalfIdentity),
    };
    let tls = DatabaseTls {
        ca: parameters.ca.as_ref().map(PathBuf::from),
        identity,
        accept_invalid: verify == Some(false),
    };
    let implied = verify.is_some() || tls != DatabaseTls::default();
    match wanted {
        Some(false) if implied => Err(DatabaseUrlError::TlsOff),
        Some(true) => Ok(Some(tls)),
        None if implied => Ok(Some(tls)),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn the_usual_forms() {
        for (text, host, port, socket, user, password, name) in [
            (
                "mysql://glpi:pw@db.example:3307/glpi",
                "db.example",
                3307,
                None,
                "glpi",
                Some("pw"),
                "glpi",
            ),
            (
                "mariadb://glpi@127.0.0.1/glpi",
                "127.0.0.1",
                3306,
                None,
                "glpi",
                None,
                "glpi",
            ),
            ("mysql://u:@[::1]:33/d", "::1", 33, None, "u", None, "d"),
            (
                "mysql://u%40x:p%3A%2F%40%C3%A4%25@h/d%20b",
                "h",
                3306,
                None,
                "u@x",
                Some("p:/@ä%"),
                "d b",
            ),
            (
                "mysql://u:p@localhost/d?socket=/run/my+sql.sock",
                "localhost",
                3306,
                Some("/run/my+sql.sock"),
                "u",
                Some("p"),
                "d",
            ),
            (
                "mysql://u:p@localhost/d?unix_socket=%2Frun%2Fx",
                "localhost",
                3306,
                Some("/run/x"),
                "u",
                Some("p"),
                "d",
            ),
        ] {
            let database = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(
                (database.host.as_str(), database.port),
                (host, port),
                "{text}"
            );
            assert_eq!(database.socket, socket.map(PathBuf::from), "{text}");
            assert_eq!(
                (database.user.as_str(), database.name.as_str()),
                (user, name),
                "{text}"
            );
            assert_eq!(
                database.password.as_ref().map(ExposeSecret::expose_secret),
                password,
                "{text}"
            );
            assert_eq!(database.tls, None, "{text}");
        }
    }

    #[test]
    fn tls_parameters() {
        let ca = Some(PathBuf::from("/ca.pem"));
        for (query, expected) in [
            ("ssl=false", None),
            ("ssl=true", Some(DatabaseTls::default())),
            (
                "ssl-ca=/ca.pem",
                Some(DatabaseTls {
                    ca,
                    ..DatabaseTls::default()
                }),
            ),
            (
                "ssl-verify=false",
                Some(DatabaseTls {
                    accept_invalid: true,
                    ..DatabaseTls::default()
                }),
            ),
            (
                "ssl-cert=/c&ssl-key=/k",
                Some(DatabaseTls {
                    identity: Some(("/c".into(), "/k".into())),
                    ..DatabaseTls::default()
                }),
            ),
        ] {
            assert_eq!(
                parse(&format!("mysql://u@h/d?{query}")).unwrap().tls,
                expected,
                "{query}"
            );
        }
    }

    #[test]
    fn what_cannot_be_used_is_refused_without_the_password() {
        use DatabaseUrlError as E;
        for (text, expected) in [
            ("geheim", E::Syntax(url::ParseError::RelativeUrlWithoutBase)),
            (
                "mysql://u:ge/heim@h/d",
                E::Syntax(url::ParseError::InvalidPort),
            ),
            ("mysql://u:geheim@/d", E::Syntax(url::ParseError::EmptyHost)),
            ("postgres://u:geheim@h/d", E::Scheme),
            ("mysql://u:geheim@h", E::NoName),
            ("mysql://u:geheim@h/", E::NoName),
            ("mysql://u:geheim@h/a/b", E::Path),
            ("mysql://:geheim@h/d", E::NoUser),
            ("mysql://u:geheim@h/d#x", E::Fragment),
            ("mysql://u:geheim%FF@h/d", E::NotUtf8("the password")),
            ("mysql://u:geheim@h/d?charset=utf8", E::UnknownParameter(1)),
            (
                "mysql://u:geheim@h/d?ssl=true&compress=1",
                E::UnknownParameter(2),
            ),
            (
                "mysql://u:geheim@h/d?socket=/a&unix_socket=/b",
                E::Twice("socket"),
            ),
            ("mysql://u:geheim@h/d?ssl=yes", E::NotBoolean("ssl")),
            ("mysql://u:geheim@h/d?ssl=false&ssl-ca=/x", E::TlsOff),
            ("mysql://u:geheim@h/d?ssl-cert=/x", E::HalfIdentity),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error, expected, "{text}");
            assert!(!error.to_string().contains("heim"), "{error}");
        }
    }

    #[test]
    fn debug_output_hides_the_password() {
        let shown = format!("{:?}", parse("mysql://u:geheim@h/d").unwrap());
        assert!(!shown.contains("geheim"), "{shown}");
    }

    proptest! {
        #[test]
        fn never_panics(text in "(mysql://)?[a-z:@/?&=%\\[\\]#.0-9ä]*") {
            let _ = parse(&text);
        }

        #[test]
        fn user_and_password_round_trip(user in ".{1,9}", password in ".{1,9}") {
            let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
            let database = parse(&format!("mysql://{}:{}@h/d", encode(&user), encode(&password))).unwrap();
            prop_assert_eq!(&database.user, &user);
            prop_assert_eq!(database.password.as_ref().map(ExposeSecret::expose_secret), Some(password.as_str()));
        }
    }
}
