//! Who is let in.

use std::time::Duration;

use rstest::rstest;

use super::pages;
use crate::support::people::{Browser, PASSWORD};

const WRONG: &str = "Login or password is wrong";

#[tokio::test(flavor = "multi_thread")]
async fn a_right_password_lets_in() {
    let app = pages(|_| {}).await;
    let mut browser = Browser::at(app.pages());
    let answer = browser.get("/").await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, Some("/sidecar/"))
    );
    let answer = browser.get("/sidecar/").await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, Some("/sidecar/login"))
    );
    let answer = browser.sign_in(" admin ", PASSWORD).await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, Some("/sidecar/"))
    );
    let answer = browser.get("/sidecar/").await;
    assert!(
        answer.status == 200 && answer.body.contains("Signed in as Ada Min"),
        "{answer:?}"
    );
    // In already.
    let answer = browser.get("/sidecar/login").await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, Some("/sidecar/"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_does_not_tell_what_was_wrong() {
    let app = pages(|_| {}).await;
    app.db
        .set("INSERT INTO glpi_users (id, name, authtype, auths_id) VALUES (9, 'ldap', 3, 1), (10, 'empty', 1, 0)")
        .await;
    let mut bodies = Vec::new();
    let long = "x".repeat(5000);
    for (name, password) in [
        ("admin", "wrong"),
        ("admin", ""),
        ("admin", "glpi\0"),
        ("absent", PASSWORD),
        ("ldap", PASSWORD),
        ("empty", PASSWORD),
        ("' OR 1=1 -- ", PASSWORD),
        ("", PASSWORD),
        ("admin", &long),
    ] {
        let mut browser = Browser::at(app.pages());
        let answer = browser.sign_in(name, password).await;
        assert_eq!(answer.status, 403, "{name} {password:?}");
        assert!(answer.body.contains(WRONG), "{answer:?}");
        assert!(!browser.is_inside().await);
        // But for the name that is shown again and the token.
        let shown = name.trim().replace('\'', "&#39;");
        let body = answer
            .body
            .replace(&format!("value=\"{shown}\""), "value=\"\"");
        let start = body.find("name=\"token\"").unwrap();
        let token = &body[start + 20..start + 84];
        bodies.push(body.replace(token, ""));
    }
    for body in &bodies {
        assert_eq!(*body, bodies[0]);
    }
}

#[rstest]
#[case::inactive("UPDATE glpi_users SET is_active = 0", "is not active in GLPI")]
#[case::deleted("UPDATE glpi_users SET is_deleted = 1", "is not active in GLPI")]
#[case::ended(
    "UPDATE glpi_users SET end_date = '2026-03-04 11:59:59'",
    "is not active in GLPI"
)]
#[case::not_begun(
    "UPDATE glpi_users SET begin_date = '2026-03-04 12:00:01'",
    "is not active in GLPI"
)]
#[case::expired(
    "UPDATE glpi_users SET password_last_update = '2026-02-01'; \
     INSERT INTO glpi_configs (context, name, value) VALUES ('core', 'password_expiration_delay', '30')",
    "password has expired"
)]
#[case::without_right("DELETE FROM glpi_profilerights", "right to read")]
#[tokio::test(flavor = "multi_thread")]
async fn who_has_the_password_learns_why_not(#[case] change: &str, #[case] told: &str) {
    let app = pages(|_| {}).await;
    app.db.set(change).await;
    let mut browser = Browser::at(app.pages());
    let answer = browser.sign_in("admin", PASSWORD).await;
    assert!(
        answer.status == 403 && answer.body.contains(told),
        "{answer:?}"
    );
    assert!(!browser.is_inside().await);
    let answer = browser.sign_in("admin", "wrong").await;
    assert!(answer.body.contains(WRONG) && !answer.body.contains(told));
}

#[tokio::test(flavor = "multi_thread")]
async fn profiles_without_the_right_and_of_the_simplified_interface_are_not_let_in() {
    let app = pages(|_| {}).await;
    for name in ["nobody", "helpdesk"] {
        let answer = Browser::at(app.pages()).sign_in(name, PASSWORD).await;
        assert!(
            answer.status == 403 && answer.body.contains("right to read"),
            "{name}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn old_hashes_and_encoded_names_are_known() {
    let app = pages(|_| {}).await;
    app.db
        .set(
            "UPDATE glpi_users SET name = 'R&#38;D', password = '41ece51526515624ff89973668497d00' WHERE id = 2; \
             UPDATE glpi_users SET password = '0915bd0a5c6e56d8f38ca2b390857d4949073f41' WHERE id = 3",
        )
        .await;
    for name in ["R&D", "reader"] {
        assert!(
            Browser::of(app.pages(), name).await.is_inside().await,
            "{name}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_failures_of_an_account_are_throttled_and_forgotten() {
    let app = pages(|settings| settings.web.tries_per_name = 3).await;
    let mut browser = Browser::at(app.pages());
    // An account that there is and one that there is not: the same.
    for name in ["admin", "absent"] {
        for _ in 0..3 {
            assert_eq!(browser.sign_in(name, "wrong").await.status, 403);
        }
        let answer = browser.sign_in(name, PASSWORD).await;
        assert_eq!(answer.status, 429, "{name}");
        assert!(
            answer
                .body
                .contains("Too many sign-ins failed. Try again in 4 min."),
            "{answer:?}"
        );
        assert_eq!(answer.header("retry-after"), Some("201"));
    }
    assert!(!browser.is_inside().await);
    assert!(
        Browser::of(app.pages(), "reader").await.is_inside().await,
        "another account"
    );
    app.clock.advance(Duration::from_secs(201));
    let answer = browser.sign_in("ADMIN", PASSWORD).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    // What went well counts for nothing, however often.
    for _ in 0..4 {
        Browser::of(app.pages(), "admin").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_failures_from_an_address_are_throttled() {
    let app = pages(|settings| {
        settings.web.tries_per_address = 2;
        settings.server.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    })
    .await;
    let mut browser = Browser::at(app.pages());
    browser.headers = vec![("X-Forwarded-For", "2001:db8::1".to_owned())];
    for name in ["a", "b"] {
        assert_eq!(browser.sign_in(name, "wrong").await.status, 403);
    }
    // The same network.
    browser.headers = vec![("X-Forwarded-For", "2001:db8::2".to_owned())];
    assert_eq!(browser.sign_in("admin", PASSWORD).await.status, 429);
    browser.headers = vec![("X-Forwarded-For", "2001:db8:0:1::1".to_owned())];
    assert_eq!(browser.sign_in("admin", PASSWORD).await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_of_a_directory_are_let_in_by_glpi() {
    let glpi = super::needs::glpi_api().await;
    let app = pages(|settings| settings.web.glpi_url = Some(glpi)).await;
    app.db
        .set(
            "INSERT INTO glpi_users (id, name, authtype, auths_id) VALUES (9, 'ldap', 3, 1), (10, 'twice', 3, 1), (11, 'twice', 3, 2), \
             (12, 'twice', 3, 3); \
             INSERT INTO glpi_profiles_users (users_id, profiles_id, entities_id, is_recursive) VALUES (9, 4, 0, 1), (10, 4, 0, 1), \
             (11, 5, 0, 1), (12, 4, 0, 1)",
        )
        .await;
    assert!(
        Browser::of(app.pages(), "admin").await.is_inside().await,
        "without GLPI"
    );
    let mut browser = Browser::at(app.pages());
    assert_eq!(browser.sign_in("ldap", "wrong").await.status, 403);
    assert_eq!(
        browser.sign_in("ldap", "of the directory").await.status,
        303
    );
    assert!(browser.is_inside().await);
    // Two directories more have somebody of that name, who may change things.
    let mut twice = Browser::at(app.pages());
    assert_eq!(twice.sign_in("twice", "of the directory").await.status, 303);
    let owners: Vec<u32> = app
        .db
        .ask("SELECT users_id FROM {p}sidecar_sessions WHERE users_id > 9")
        .await;
    assert_eq!(owners, [11]);
    for (name, status) in [
        ("unheard of", 403),
        ("a:b", 403),
        ("broken", 503),
        ("not json", 503),
        ("odd", 503),
    ] {
        let answer = Browser::at(app.pages())
            .sign_in(name, "of the directory")
            .await;
        assert_eq!(answer.status, status, "{name}");
    }
}
