//! What is posted, what is set beside the pages, languages and colours.

use rstest::rstest;

use super::pages;
use crate::support::people::{Browser, PASSWORD, token};

#[tokio::test(flavor = "multi_thread")]
async fn only_forms_of_a_page_that_was_shown_are_taken() {
    let app = pages(|_| {}).await;
    let mut browser = Browser::of(app.pages(), "admin").await;
    let page = browser.get("/sidecar/").await;
    let own = token(&page).unwrap();
    let others = token(
        &Browser::of(app.pages(), "reader")
            .await
            .get("/sidecar/")
            .await,
    )
    .unwrap();
    let here = ("Origin", "http://glpi.example.com");
    for (headers, fields) in [
        (vec![here], vec![]),
        (vec![here], vec![("token", "")]),
        (vec![here], vec![("token", others.as_str())]),
        (
            vec![("Origin", "http://evil.example")],
            vec![("token", own.as_str())],
        ),
        (vec![("Origin", "null")], vec![("token", own.as_str())]),
        (
            vec![("Sec-Fetch-Site", "cross-site")],
            vec![("token", own.as_str())],
        ),
    ] {
        let answer = browser
            .post_with(&headers, "/sidecar/logout", &fields)
            .await;
        assert!(
            answer.status == 403 && answer.body.contains("Nothing was done"),
            "{answer:?}"
        );
    }
    assert!(browser.is_inside().await);
    // A sign-in too: nobody is signed in as somebody else unawares.
    let fields = [
        ("name", "admin"),
        ("password", PASSWORD),
        ("token", own.as_str()),
    ];
    let mut stranger = Browser::at(app.pages());
    let answer = stranger.post_with(&[here], "/sidecar/login", &fields).await;
    assert_eq!(answer.status, 403);
    let answer = browser
        .post_with(&[here], "/sidecar/logout", &[("token", &own)])
        .await;
    assert_eq!(answer.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_is_too_large_is_none() {
    let app = pages(|_| {}).await;
    let mut browser = Browser::at(app.pages());
    let long = "x".repeat(100_000);
    let answer = browser.sign_in("admin", &long).await;
    assert!(
        answer.status == 403 && answer.body.contains("Nothing was done"),
        "{answer:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_protected() {
    let app = pages(|_| {}).await;
    let mut browser = Browser::of(app.pages(), "admin").await;
    for path in [
        "/",
        "/sidecar/",
        "/sidecar/login",
        "/sidecar/nothing",
        "/nothing",
    ] {
        let answer = browser.get(path).await;
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"));
        for (name, value) in [
            ("x-frame-options", "DENY"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path}");
        }
        // Nothing that the policy would have to allow.
        for text in ["<script>", "<style", " style=", " onclick", "javascript:"] {
            assert!(!answer.body.contains(text), "{path}: {text}");
        }
    }
    assert_eq!(browser.get("/sidecar/nothing").await.status, 404);
    assert_eq!(
        browser.get("/plugins/fusioninventory/").await.status,
        404,
        "no agents here"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn assets_are_kept_for_ever_under_names_that_change() {
    let app = pages(|_| {}).await;
    let mut browser = Browser::at(app.pages());
    let page = browser.get("/sidecar/login").await;
    let (_, rest) = page
        .body
        .split_once("<link rel=\"stylesheet\" href=\"")
        .unwrap();
    let style = rest.split('"').next().unwrap();
    let answer = browser.get(style).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("content-type"),
        Some("text/css; charset=utf-8")
    );
    assert_eq!(
        answer.header("cache-control"),
        Some("public, max-age=31536000, immutable")
    );
    assert_eq!(browser.get("/sidecar/assets/style-0.css").await.status, 404);
    assert_eq!(
        browser.get("/sidecar/assets/..%2Fstyle.css").await.status,
        404
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cookie_is_secure_behind_tls() {
    let app = pages(|settings| {
        settings.server.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    })
    .await;
    let mut browser = Browser::at(app.pages());
    browser.headers = vec![("X-Forwarded-Proto", "https".to_owned())];
    let answer = browser.sign_in("admin", PASSWORD).await;
    let cookie = answer
        .head
        .lines()
        .find(|line| line.contains("__Secure-sidecar_session="))
        .unwrap();
    for part in ["HttpOnly", "SameSite=Lax", "Secure", "Path=/sidecar/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(browser.is_inside().await);
    // Over plain HTTP it would be of no use.
    browser.headers.clear();
    assert!(!browser.is_inside().await);
}

#[rstest]
#[case("fr-FR,fr;q=0.9,en;q=0.5", "<html lang=\"fr\"", "Se connecter")]
#[case("de,en;q=0.5", "<html lang=\"en\"", "Sign in")]
#[tokio::test(flavor = "multi_thread")]
async fn the_browsers_language_is_spoken(
    #[case] accepted: &str,
    #[case] lang: &str,
    #[case] word: &str,
) {
    let app = pages(|_| {}).await;
    let mut browser = Browser::at(app.pages());
    browser.headers = vec![("Accept-Language", accepted.to_owned())];
    let page = browser.get("/sidecar/login").await;
    assert!(
        page.body.contains(lang) && page.body.contains(word),
        "{page:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn language_and_colours_are_chosen_and_kept() {
    let app = pages(|_| {}).await;
    app.db.set("UPDATE glpi_users SET language = 'fr_FR'").await;
    let mut browser = Browser::of(app.pages(), "admin").await;
    let page = browser.get("/sidecar/").await;
    assert!(page.body.contains("Supervision") && page.body.contains("data-theme=\"auto\""));
    let choice = [("language", "en"), ("theme", "dark"), ("to", "/sidecar/")];
    let answer = browser
        .post("/sidecar/", "/sidecar/preferences", &choice)
        .await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, Some("/sidecar/"))
    );
    let page = browser.get("/sidecar/").await;
    assert!(page.body.contains("Monitoring") && page.body.contains("data-theme=\"dark\""));
    for odd in ["x", "<script>", "auto"] {
        let choice = [
            ("language", odd),
            ("theme", odd),
            ("to", "https://evil.example"),
        ];
        let answer = browser
            .post("/sidecar/", "/sidecar/preferences", &choice)
            .await;
        assert_eq!(answer.header("location"), Some("/sidecar/"));
    }
    let page = browser.get("/sidecar/").await;
    assert!(page.body.contains("Monitoring") && page.body.contains("data-theme=\"auto\""));
    // Who is not signed in chooses too.
    let mut stranger = Browser::at(app.pages());
    let choice = [
        ("language", "fr"),
        ("to", "/sidecar/login?to=%2Fsidecar%2F"),
    ];
    let answer = stranger
        .post("/sidecar/login", "/sidecar/preferences", &choice)
        .await;
    assert_eq!(answer.header("location"), Some("/sidecar/login"));
    assert!(
        stranger
            .get("/sidecar/login")
            .await
            .body
            .contains("Se connecter")
    );
}
