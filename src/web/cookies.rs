//! The cookies: who is signed in, whose form it is, language and colours.

use axum::http::HeaderMap;
use axum::http::header::COOKIE;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cookie::time::Duration;
use cookie::{Cookie, SameSite};
use rand::RngCore as _;
use sha2::{Digest as _, Sha256};

use super::routes::BASE;

/// How long a choice is kept, days.
const CHOICE_DAYS: i64 = 365;

/// Bytes of a secret.
const SECRET: usize = 32;

/// Longest value that is looked at; a secret has 43 characters.
const MOST_BYTES: usize = 64;

/// Which cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    /// The secret of somebody who is signed in.
    Session,
    /// The secret behind the forms of somebody who is not.
    Form,
    /// The language that was chosen.
    Language,
    /// The colours that were chosen.
    Theme,
}

impl Name {
    /// Over HTTPS a name that no plain HTTP answer, of any host, can set.
    fn text(self, https: bool) -> &'static str {
        match (self, https) {
            (Self::Session, true) => "__Secure-sidecar_session",
            (Self::Session, false) => "sidecar_session",
            (Self::Form, true) => "__Secure-sidecar_form",
            (Self::Form, false) => "sidecar_form",
            (Self::Language, _) => "sidecar_language",
            (Self::Theme, _) => "sidecar_theme",
        }
    }
}

/// A cookie's value, if it is there and can be one of ours.
pub(super) fn get(headers: &HeaderMap, name: Name, https: bool) -> Option<String> {
    let name = name.text(https);
    let lines = headers.get_all(COOKIE).iter();
    let mut all = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(Cookie::split_parse)
        .filter_map(Result::ok);
    let value = all.find(|cookie| cookie.name() == name)?.value().to_owned();
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    (!value.is_empty() && value.len() <= MOST_BYTES && value.chars().all(plain)).then_some(value)
}

/// The header that sets a cookie. Below [`BASE`] only: GLPI on the same host never sees it.
pub(super) fn set(name: Name, value: &str, https: bool) -> String {
    let mut cookie = built(name, value, https);
    if matches!(name, Name::Language | Name::Theme) {
        cookie.set_max_age(Duration::days(CHOICE_DAYS));
    }
    cookie.to_string()
}

/// The header that ends a cookie.
pub(super) fn end(name: Name, https: bool) -> String {
    let mut cookie = built(name, "", https);
    cookie.set_max_age(Duration::ZERO);
    cookie.to_string()
}

fn built(name: Name, value: &str, https: bool) -> Cookie<'_> {
    Cookie::build((name.text(https), value))
        .path(BASE)
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(https)
        .build()
}

/// A new secret of 256 bits.
pub(super) fn secret() -> String {
    let mut bytes = [0_u8; SECRET];
    rand::rng().fill_bytes(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The name under which a session lies in the database: whoever reads it there has no secret.
pub(super) fn session_id(secret: &str) -> String {
    digest("session", secret)
}

/// What the forms of a page carry, for whom `secret` is that of the cookie.
pub(super) fn form_token(secret: &str) -> String {
    digest("form", secret)
}

fn digest(use_: &str, secret: &str) -> String {
    let digest = Sha256::new()
        .chain_update(use_)
        .chain_update([0])
        .chain_update(secret)
        .finalize();
    format!("{digest:x}")
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_secret_is_read_back_and_stands_nowhere_else() {
        let (one, other) = (secret(), secret());
        assert_ne!(one, other);
        assert_eq!(URL_SAFE_NO_PAD.decode(&one).unwrap().len(), SECRET);
        let mut headers = HeaderMap::new();
        let sent = format!("a=b; sidecar_session={one}; sidecar_theme=dark");
        headers.insert(COOKIE, HeaderValue::from_str(&sent).unwrap());
        assert_eq!(get(&headers, Name::Session, false).as_ref(), Some(&one));
        assert_eq!(get(&headers, Name::Session, true), None, "another name");
        assert_eq!(get(&headers, Name::Theme, true).as_deref(), Some("dark"));
        let (id, token) = (session_id(&one), form_token(&one));
        assert!(id != token && !id.contains(&one) && id.len() == 64);
    }

    #[test]
    fn what_is_none_of_ours_is_none() {
        for sent in [
            "sidecar_session=",
            "sidecar_session=a b",
            "sidecar_session=<script>",
            "sidecar_session2=abc",
            ";;=;sidecar_session",
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(COOKIE, HeaderValue::from_static(sent));
            assert_eq!(get(&headers, Name::Session, false), None, "{sent}");
        }
        let mut headers = HeaderMap::new();
        let long = format!("sidecar_session={}", "x".repeat(MOST_BYTES + 1));
        headers.insert(COOKIE, HeaderValue::from_str(&long).unwrap());
        assert_eq!(get(&headers, Name::Session, false), None);
    }

    #[test]
    fn cookies_are_kept_from_scripts_other_sites_and_plain_http() {
        assert_eq!(
            set(Name::Session, "s", true),
            "__Secure-sidecar_session=s; HttpOnly; SameSite=Lax; Secure; Path=/sidecar/"
        );
        assert_eq!(
            set(Name::Form, "s", false),
            "sidecar_form=s; HttpOnly; SameSite=Lax; Path=/sidecar/"
        );
        let ended = end(Name::Session, true);
        assert!(ended.starts_with("__Secure-sidecar_session=;") && ended.contains("Max-Age=0"));
        assert!(set(Name::Language, "fr", false).contains("Max-Age=31536000"));
    }
}
