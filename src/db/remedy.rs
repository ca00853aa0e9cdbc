//! What to do about a connection that does not come about.

use super::diagnostics::ConnectError;
use crate::config::Database;

impl ConnectError {
    /// How to come to a connection to `database`; none where only the server's log knows.
    #[must_use]
    pub fn remedy(&self, database: &Database) -> Option<String> {
        let (user, name) = (&database.user, &database.name);
        Some(match self {
            Self::Login(_) => {
                format!("give the password of {user}, or one set anew with ALTER USER, and write special characters percent-encoded in a database URL")
            }
            Self::NotAllowed(_) | Self::NoDatabase(_) => {
                format!("name GLPI's database instead of {name}, and give {user} the rights that the README lists")
            }
            Self::Host(_) => {
                format!("make an account for {user} that may come from this machine (CREATE USER '{user}'@'HOST'), or FLUSH HOSTS if it was blocked")
            }
            Self::WantsTls(_) => {
                "add ssl=true to the database URL, or $dbssl to config_db.php".to_owned()
            }
            Self::Tls(_) => {
                "name the authority that signed the server's certificate (ssl-ca), or switch TLS on in the server".to_owned()
            }
            Self::Plugin(_) => {
                format!("let {user} log in by mysql_native_password or caching_sha2_password")
            }
            Self::Unreachable(_) | Self::Silent => {
                format!("see that the server runs and answers at {}", database.place())
            }
            Self::Other(_) => return None,
        })
    }
}
