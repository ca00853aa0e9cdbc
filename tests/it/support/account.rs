//! Accounts of the test server with the rights that a test wants.

use fusion_sidecar::config::Database;
use fusion_sidecar::db::grants::{self, Grant};
use secrecy::SecretString;

use super::database::TestDb;

/// A password in which every character has a meaning to somebody: URLs, PHP, SQL, percent-encoding, UTF-8.
pub(crate) const PASSWORD: &str = "p@ss:w/ö?r#d%41+'\"\\$&";

/// An account of one test, named after its database.
pub(crate) struct Account {
    /// As GRANT writes it.
    pub(crate) name: String,
    /// How to log in with it.
    pub(crate) database: Database,
}

/// An account with exactly the rights that `serve` needs, given by the statements that the README shows.
pub(crate) async fn sidecar(db: &TestDb) -> Account {
    let account = without_rights(db).await;
    for grant in grants::needed() {
        db.exec(&grant.statement(&db.database.name, &account.name))
            .await;
    }
    account
}

/// An account without any right.
pub(crate) async fn without_rights(db: &TestDb) -> Account {
    let user = format!("u_{}", db.database.name);
    let name = format!("'{user}'@'localhost'");
    let quoted = PASSWORD.replace('\\', "\\\\").replace('\'', "''");
    db.exec(&format!("CREATE USER {name} IDENTIFIED BY '{quoted}'"))
        .await;
    let mut database = db.database.clone();
    database.user = user;
    database.password = Some(SecretString::from(PASSWORD));
    Account { name, database }
}

/// Takes the rights of `grant` away again.
pub(crate) async fn revoke(db: &TestDb, account: &Account, grant: &Grant) {
    let statement = grant.statement(&db.database.name, &account.name);
    let statement = statement
        .replacen("GRANT", "REVOKE", 1)
        .replacen(" TO ", " FROM ", 1);
    db.exec(&statement).await;
}
