//! How long somebody is let in, and what they may see.

use std::time::Duration;

use rstest::rstest;

use super::pages;
use crate::support::people::{Browser, PASSWORD};

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_a_random_secret_of_which_the_database_has_the_hash() {
    let app = pages(|_| {}).await;
    let one = Browser::of(app.pages(), "admin").await;
    let other = Browser::of(app.pages(), "admin").await;
    let (one, other) = (
        &one.cookies["sidecar_session"],
        &other.cookies["sidecar_session"],
    );
    assert!(one != other && one.len() == 43, "{one} {other}");
    let rows: Vec<String> = app.db.ask("SELECT id FROM {p}sidecar_sessions").await;
    assert_eq!(rows.len(), 2);
    assert!(
        rows.iter()
            .all(|id| id.len() == 64 && !id.contains(one.as_str()))
    );
    // Nobody comes in with what the database has.
    let mut thief = Browser::at(app.pages());
    thief
        .cookies
        .insert("sidecar_session".to_owned(), rows[0].clone());
    assert!(!thief.is_inside().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_somebody_was_given_is_never_taken() {
    let app = pages(|_| {}).await;
    let mut browser = Browser::at(app.pages());
    let given = "x".repeat(43);
    browser
        .cookies
        .insert("sidecar_session".to_owned(), given.clone());
    assert_eq!(browser.sign_in("admin", PASSWORD).await.status, 303);
    assert_ne!(browser.cookies["sidecar_session"], given);
    let mut attacker = Browser::at(app.pages());
    attacker.cookies.insert("sidecar_session".to_owned(), given);
    assert!(!attacker.is_inside().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn logging_out_ends_it_for_whoever_has_the_secret() {
    let app = pages(|_| {}).await;
    let mut browser = Browser::of(app.pages(), "admin").await;
    let mut twin = browser.clone();
    assert!(twin.is_inside().await);
    let answer = browser.sign_out().await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, Some("/sidecar/login"))
    );
    assert!(!browser.cookies.contains_key("sidecar_session"));
    assert!(!browser.is_inside().await && !twin.is_inside().await);
    let left: Vec<u32> = app.db.ask("SELECT COUNT(*) FROM {p}sidecar_sessions").await;
    assert_eq!(left, [0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn idleness_and_age_end_it() {
    let app = pages(|settings| {
        settings.web.idle = Duration::from_mins(10);
        settings.web.lifetime = Duration::from_hours(1);
    })
    .await;
    let mut browser = Browser::of(app.pages(), "admin").await;
    // Asked for every nine minutes, until an hour is over.
    for _ in 0..6 {
        app.clock.advance(Duration::from_mins(9));
        assert!(browser.is_inside().await);
    }
    app.clock.advance(Duration::from_mins(9));
    let answer = browser.get("/sidecar/").await;
    assert_eq!(answer.header("location"), Some("/sidecar/login?ended=1"));
    let answer = browser.get("/sidecar/login?ended=1").await;
    assert!(
        answer.body.contains("You are no longer signed in."),
        "{answer:?}"
    );

    let mut browser = Browser::of(app.pages(), "admin").await;
    app.clock.advance(Duration::from_mins(10));
    assert!(!browser.is_inside().await);
}

#[rstest]
#[case::inactive("UPDATE glpi_users SET is_active = 0")]
#[case::deleted("UPDATE glpi_users SET is_deleted = 1")]
#[case::purged("DELETE FROM glpi_users")]
#[case::ended("UPDATE glpi_users SET end_date = '2026-03-04 11:00:00'")]
#[case::right("UPDATE glpi_profilerights SET rights = 2")]
#[case::profile("DELETE FROM glpi_profiles_users")]
#[tokio::test(flavor = "multi_thread")]
async fn who_loses_it_in_glpi_is_out_at_once(#[case] change: &str) {
    let app = pages(|_| {}).await;
    let mut browser = Browser::of(app.pages(), "admin").await;
    assert!(browser.is_inside().await);
    app.db.set(change).await;
    assert!(!browser.is_inside().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_sidecars_know_it() {
    let app = pages(|_| {}).await;
    let mut browser = Browser::of(app.pages(), "admin").await;
    let other = app.another(|_| {}).await;
    let mut there = browser.clone();
    there.move_to(other.web_address.unwrap());
    assert!(there.is_inside().await);
    browser.sign_out().await;
    assert!(!there.is_inside().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_way_back_is_the_page_that_was_asked_for() {
    let app = pages(|_| {}).await;
    let mut browser = Browser::at(app.pages());
    let answer = browser.get("/sidecar/?state=ko").await;
    let login = answer.header("location").unwrap().to_owned();
    assert_eq!(login, "/sidecar/login?to=%2Fsidecar%2F%3Fstate%3Dko");
    let page = browser.get(&login).await;
    assert!(
        page.body
            .contains("name=\"to\" value=\"/sidecar/?state=ko\""),
        "{page:?}"
    );
    for (to, way) in [
        ("/sidecar/?state=ko", "/sidecar/?state=ko"),
        ("//evil.example", "/sidecar/"),
    ] {
        let fields = [("name", "admin"), ("password", PASSWORD), ("to", to)];
        let answer = Browser::at(app.pages())
            .post("/sidecar/login", "/sidecar/login", &fields)
            .await;
        assert_eq!((answer.status, answer.header("location")), (303, Some(way)));
    }
}
