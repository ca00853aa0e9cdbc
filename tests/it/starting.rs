//! What the built program says when a database does not let it start: once, which one, and what to do.

use fusion_sidecar::db::grants;

use crate::support::account::{self, revoke};
use crate::support::database::{TestDb, fresh, socket};
use crate::support::process::{run, told, url_as};

const SERVE: [&str; 3] = ["serve", "--listen", "127.0.0.1:0"];

/// Standard error of a command that fails with exit code 1.
#[track_caller]
fn refused(arguments: &[&str], url: &str) -> String {
    let (code, out, log) = told(&run(arguments, &[("FUSION_SIDECAR_DATABASE_URL", url)]));
    assert_eq!((code, out.as_str()), (1, ""), "{log}");
    log
}

/// The URL of `db` for an account with the rights that `serve` needs and a password that a URL takes; and the account.
async fn account(db: &TestDb) -> (account::Account, String) {
    let account = account::sidecar(db).await;
    db.exec(&format!(
        "ALTER USER {} IDENTIFIED BY 'secret'",
        account.name
    ))
    .await;
    let url = url_as(&format!("{}:secret", account.database.user), db);
    (account, url)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_and_where_is_said_when_there_is_no_connection() {
    let db = fresh().await;
    let (account, url) = account(&db).await;
    let user = &account.database.user;
    for command in [&SERVE[..], &["migrate"], &["once", "prepare"]] {
        let log = refused(command, &url.replace(":secret", ":wrong"));
        let place = socket().display();
        assert_eq!(
            log,
            format!(
                "fusion-sidecar: no connection to the database at {place} as {user}: the server refuses user and password \
                 (1045 Access denied for user '{user}'@'localhost' (using password: YES)); give the password of {user}, or one set anew with \
                 ALTER USER, and write special characters percent-encoded in a database URL\n"
            )
        );
        let name = &account.database.name;
        let log = refused(
            command,
            &url.replace(&format!("/{name}"), "/glpi_of_nobody"),
        );
        assert!(
            log.ends_with(&format!(
                "; name GLPI's database instead of glpi_of_nobody, and give {user} the rights that the README lists\n"
            )),
            "{log}"
        );
        let log = refused(command, "mysql://sidecar:secret@127.0.0.1:1/glpi");
        assert!(
            log.starts_with("fusion-sidecar: no connection to the database at 127.0.0.1:1 as sidecar: the server cannot be reached (")
                && log.contains("refused")
                && log.ends_with("; see that the server runs and answers at 127.0.0.1:1\n"),
            "{log}"
        );
    }
    // What is said later, of a login that is refused while the program runs.
    let mut wrong = account.database.clone();
    wrong.password = Some("wrong".into());
    let error = fusion_sidecar::db::Db::new(&wrong, "")
        .unwrap()
        .ping()
        .await;
    let error = error.unwrap_err();
    assert_eq!(error.code(), "db-unavailable", "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_may_not_be_read_is_not_said_to_be_gone() {
    let db = fresh().await;
    let (account, url) = account(&db).await;
    let groups = grants::needed()
        .into_iter()
        .find(|grant| grant.table == "glpi_groups")
        .unwrap();
    revoke(&db, &account, &groups).await;
    for command in [&SERVE[..], &["migrate"]] {
        assert_eq!(
            refused(command, &url),
            "fusion-sidecar: this account has no SELECT right on table glpi_groups, if that is there; `fusion-sidecar check` shows the GRANT\n"
        );
    }

    // One that is gone is, to an account that might read it.
    db.exec("DROP TABLE glpi_groups_users").await;
    assert_eq!(
        refused(&SERVE, &url),
        "fusion-sidecar: the database lacks table glpi_groups_users; this account has no SELECT right on table glpi_groups, \
         if that is there; `fusion-sidecar check` shows the GRANT\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_may_not_create_is_told_so_once() {
    let db = fresh().await;
    let (account, url) = account(&db).await;
    db.exec("DROP TABLE glpi_plugin_fusioninventory_sidecar_runs")
        .await;
    let log = refused(&["migrate"], &url);
    assert!(
        log.ends_with("; run `fusion-sidecar migrate` as an account that may CREATE tables, such as GLPI's own\n"),
        "{log}"
    );
    assert_eq!(log.matches("CREATE command denied").count(), 1, "{log}");
    assert!(log.contains(&account.database.user), "{log}");
}

#[test]
fn a_directory_that_cannot_be_made_is_named_once() {
    let (code, _, log) = told(&run(
        &["demo", "--listen", "127.0.0.1:0"],
        &[("TMPDIR", "/nonexistent")],
    ));
    assert_eq!(code, 1, "{log}");
    assert!(
        log.starts_with("fusion-sidecar: creating a directory in /nonexistent: "),
        "{log}"
    );
    assert_eq!(log.matches("No such file").count(), 1, "{log}");
}
