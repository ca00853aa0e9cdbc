//! Language and colours, kept in the browser.

use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;

use super::cookies::{self, Name};
use super::forms::Posted;
use super::language::Language;
use super::page::Theme;
use super::visitor::{add_cookie, way_back};

/// What was chosen.
#[derive(Debug, Deserialize)]
pub struct Choice {
    language: Option<String>,
    theme: Option<String>,
    #[serde(default)]
    to: String,
}

/// `POST preferences`.
pub async fn choose(posted: Posted<Choice>) -> Response {
    let Posted { visitor, fields } = posted;
    let back = if fields.to.starts_with("/sidecar/login") {
        "/sidecar/login"
    } else {
        way_back(&fields.to)
    };
    let mut response = Redirect::to(back).into_response();
    let https = visitor.client.https;
    if let Some(language) = fields.language.as_deref().and_then(Language::of_tag) {
        add_cookie(
            &mut response,
            &cookies::set(Name::Language, language.code(), https),
        );
    }
    match fields.theme.map(|theme| Theme::of(Some(&theme))) {
        Some(Theme::Automatic) => add_cookie(&mut response, &cookies::end(Name::Theme, https)),
        Some(theme) => add_cookie(
            &mut response,
            &cookies::set(Name::Theme, theme.word(), https),
        ),
        None => {}
    }
    response
}
