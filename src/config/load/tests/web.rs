//! The pages for people.

use super::*;
use crate::config::Web;

const TOKENS: &str = "0123456789abcdef0123456789abcdef,ABCDEF0123456789-._~+/=ABCDEF0123";

#[test]
fn every_option_of_the_pages_reaches_its_setting() {
    let settings = load(
        &flags([
            (Key::DatabaseUrl, URL),
            (Key::WebListen, "127.0.0.4:3"),
            (Key::GlpiUrl, "https://g.example/glpi"),
            (Key::WebIdle, "31"),
            (Key::WebLifetime, "32"),
            (Key::WebTriesPerName, "33"),
            (Key::WebTriesPerAddress, "34"),
            (Key::WebLoginWindow, "35"),
            (Key::WebRemembered, "36"),
            (Key::WebVerifyAtOnce, "37"),
            (Key::WebStreams, "38"),
            (Key::ApiTokens, TOKENS),
        ]),
        &Environment::default(),
    )
    .unwrap();
    let expected = Web {
        listen: Some("127.0.0.4:3".parse().unwrap()),
        glpi_url: Some("https://g.example/glpi".parse().unwrap()),
        idle: Duration::from_secs(31),
        lifetime: Duration::from_secs(32),
        tries_per_name: 33,
        tries_per_address: 34,
        window: Duration::from_secs(35),
        most_remembered: 36,
        verify_at_once: 37,
        streams: 38,
        tokens: settings.web.tokens.clone(),
        open: false,
    };
    assert_eq!(settings.web, expected);
    let [one, other] = TOKENS.split(',').collect::<Vec<_>>()[..] else {
        panic!("two tokens");
    };
    assert!(settings.web.tokens.has(one) && settings.web.tokens.has(other));
    assert!(!settings.web.tokens.has("") && !settings.web.tokens.has(&one[1..]));
    assert!(
        !format!("{settings:?}").contains(one),
        "a secret is not shown"
    );
}

#[test]
fn tokens_that_are_none_are_refused_and_not_repeated() {
    for tokens in ["geheim", "0123456789abcdef0123456789abcde\u{e9}", "", ","] {
        let found = faults([(Key::DatabaseUrl, URL), (Key::ApiTokens, tokens)]);
        assert_eq!(
            found,
            [
                "api-tokens: --api-tokens: takes tokens of 32 or more letters, digits and the signs - . _ ~ + / =, separated by commas"
            ]
        );
    }
}

#[test]
fn there_are_none_unless_they_have_an_address() {
    let settings = load(&flags([(Key::DatabaseUrl, URL)]), &Environment::default()).unwrap();
    assert!(settings.web.listen.is_none() && !settings.web.open);
}

#[test]
fn their_address_is_nobody_elses() {
    for (web, other, fault) in [
        (
            "127.0.0.1:8086",
            (Key::Timezone, "UTC"),
            "--web-listen: '127.0.0.1:8086' is taken by listen (127.0.0.1:8086): name another address or port",
        ),
        (
            "[::]:9086",
            (Key::OpsListen, "127.0.0.1:9086"),
            "--web-listen: '[::]:9086' is taken by ops-listen (127.0.0.1:9086): name another address or port",
        ),
    ] {
        let found = faults([(Key::DatabaseUrl, URL), (Key::WebListen, web), other]);
        assert_eq!(found, [format!("web-listen: {fault}")]);
    }
    let found = faults([(Key::DatabaseUrl, URL), (Key::WebListen, "8088")]);
    assert_eq!(found.len(), 1, "{found:?}");
}
