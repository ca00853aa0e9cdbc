//! What handlers take from a request.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::header::HOST;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::client::Client;
use super::routes::Limits;
use super::stack::LineFields;
use crate::dispatch::Approach;
use crate::proto::query::{Query, QueryError};

/// The prefix below which a route lies.
#[derive(Debug, Clone)]
pub struct Prefix(pub Arc<str>);

/// PHP's `$_GET` of a request.
#[derive(Debug)]
pub struct Get(pub Query);

/// A query that is too much.
#[derive(Debug)]
pub struct QueryRejection(QueryError);

impl IntoResponse for QueryRejection {
    fn into_response(self) -> Response {
        (StatusCode::BAD_REQUEST, format!("{}\n", self.0)).into_response()
    }
}

impl<S> FromRequestParts<S> for Get
where
    S: Send + Sync,
    Limits: FromRef<S>,
{
    type Rejection = QueryRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let limits = Limits::from_ref(state);
        let query = Query::parse(parts.uri.query().unwrap_or_default(), &limits.query)
            .map_err(QueryRejection)?;
        if let Some(line) = parts.extensions.get::<LineFields>() {
            query.get("action").inspect(|action| line.action(action));
            query
                .get("machineid")
                .inspect(|device_id| line.agent(device_id));
        }
        Ok(Self(query))
    }
}

impl<S: Sync> FromRequestParts<S> for Approach {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let prefix = parts
            .extensions
            .get::<Prefix>()
            .map_or_else(String::new, |prefix| prefix.0.to_string());
        let client = parts.extensions.get::<Client>();
        let https = client.is_some_and(|client| client.https);
        Ok(Self {
            prefix,
            origin: origin(https, &parts.headers),
            client: client.map(|client| client.address),
        })
    }
}

/// Scheme and host as the agent used them; only a host that is plainly one, since it goes into addresses.
fn origin(https: bool, headers: &HeaderMap) -> Option<String> {
    let host = headers.get(HOST)?.to_str().ok()?;
    let plain = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']' | b'_')
    };
    let scheme = if https { "https" } else { "http" };
    (!host.is_empty() && host.bytes().all(plain)).then(|| format!("{scheme}://{host}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_plain_hosts_only() {
        for (host, https, expected) in [
            ("glpi.example.com", true, Some("https://glpi.example.com")),
            ("127.0.0.1:8086", false, Some("http://127.0.0.1:8086")),
            ("[::1]:80", false, Some("http://[::1]:80")),
            ("a/b", false, None),
            ("a\"b", false, None),
            ("", false, None),
        ] {
            let headers = HeaderMap::from_iter([(HOST, host.parse().unwrap())]);
            assert_eq!(origin(https, &headers).as_deref(), expected, "{host}");
        }
        assert_eq!(origin(false, &HeaderMap::new()), None);
    }
}
