//! What is posted: only from a page of this server, shown to who posts it.
//!
//! Two things must be right: the form's token, which goes with the cookie of the browser that got the page, and, where the browser says it,
//! the origin.

use axum::Form;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts as _, Request};
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderName};
use axum::response::Response;
use serde::de::DeserializeOwned;
use subtle::ConstantTimeEq as _;
use url::form_urlencoded;

use super::error::PageError;
use super::routes::Pages;
use super::visitor::Visitor;

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The field with the token.
const TOKEN: &str = "token";

/// A form of one of our pages.
#[derive(Debug)]
pub struct Posted<T> {
    /// Who posted it.
    pub visitor: Visitor,
    /// Its fields.
    pub fields: T,
}

impl<T: DeserializeOwned> FromRequest<Pages> for Posted<T> {
    type Rejection = Response;

    async fn from_request(request: Request, pages: &Pages) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let visitor = Visitor::from_request_parts(&mut parts, pages).await?;
        let refused = |error| visitor.refuse(error);
        if !is_from_here(&parts.headers) {
            return Err(refused(PageError::BadForm("origin")));
        }
        let bytes = Bytes::from_request(Request::from_parts(parts.clone(), body), pages).await;
        let bytes = bytes.map_err(|_| refused(PageError::BadForm("body")))?;
        let mut fields = form_urlencoded::parse(&bytes);
        let token = fields.find(|(name, _)| name == TOKEN);
        if !token.is_some_and(|(_, token)| visitor.has_token(&token)) {
            return Err(refused(PageError::BadForm("token")));
        }
        let request = Request::from_parts(parts, Body::from(bytes));
        match Form::<T>::from_request(request, pages).await {
            Ok(Form(fields)) => Ok(Self { visitor, fields }),
            Err(_) => Err(refused(PageError::BadForm("fields"))),
        }
    }
}

/// Whether both are the same token.
pub(super) fn same(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

/// Whether the browser says that one of this server's own pages asks. One that says nothing has only its token to show.
fn is_from_here(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or(""));
    match (text(ORIGIN), text(HOST)) {
        (Some(origin), Some(host)) => {
            let host_of = origin
                .strip_prefix("https://")
                .or_else(|| origin.strip_prefix("http://"));
            host_of.is_some_and(|origin| origin.eq_ignore_ascii_case(host))
        }
        (Some(_), None) => false,
        (None, _) => text(FETCH_SITE).is_none_or(|site| site == "same-origin"),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn origins() {
        for (origin, host, site, is) in [
            (
                Some("http://a.example:8088"),
                Some("a.example:8088"),
                None,
                true,
            ),
            (Some("https://A.example"), Some("a.example"), None, true),
            (
                Some("http://b.example:8088"),
                Some("a.example:8088"),
                None,
                false,
            ),
            (
                Some("http://a.example:80"),
                Some("a.example:8088"),
                None,
                false,
            ),
            (
                Some("http://a.example.evil"),
                Some("a.example"),
                None,
                false,
            ),
            (Some("null"), Some("a.example"), None, false),
            (Some("ftp://a.example"), Some("a.example"), None, false),
            (Some("http://a.example"), None, None, false),
            (None, Some("a.example"), Some("same-origin"), true),
            (None, Some("a.example"), Some("same-site"), false),
            (None, Some("a.example"), Some("cross-site"), false),
            (None, Some("a.example"), None, true),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in [(ORIGIN, origin), (HOST, host), (FETCH_SITE, site)] {
                if let Some(value) = value {
                    headers.insert(name, HeaderValue::from_static(value));
                }
            }
            assert_eq!(is_from_here(&headers), is, "{origin:?} {host:?} {site:?}");
        }
    }
}
