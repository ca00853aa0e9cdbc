//! Who asks the API.

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;

use super::Refusal;
use crate::domain::access::Access;
use crate::http::client::Client;
use crate::web::cookies::{self, Name};
use crate::web::routes::Pages;
use crate::web::visitor::who;

/// Somebody who may see something.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    /// What they may see.
    pub(super) access: Access,
}

impl FromRequestParts<Pages> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, pages: &Pages) -> Result<Self, Refusal> {
        if let Some(shown) = parts.headers.get(AUTHORIZATION) {
            // Whoever shows something wrong is told so, whatever else they are.
            let token = shown.to_str().ok().and_then(bearer);
            let is_ours = token.is_some_and(|token| pages.settings.tokens.has(token));
            return if is_ours {
                Ok(Self {
                    access: Access::Open,
                })
            } else {
                Err(Refusal::Unauthorized { shown: true })
            };
        }
        let client = <Client as FromRequestParts<Pages>>::from_request_parts(parts, pages).await;
        let https = client.is_ok_and(|client| client.https);
        let session = cookies::get(&parts.headers, Name::Session, https);
        let session = session.as_deref().map(cookies::session_id);
        match who(pages, session).await? {
            Some(who) => Ok(Self { access: who.access }),
            None => Err(Refusal::Unauthorized { shown: false }),
        }
    }
}

/// What stands behind `Bearer`, in any case of letters (RFC 9110, 11.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim_matches(' ');
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bearers_have_tokens() {
        for (value, token) in [
            ("Bearer abc", Some("abc")),
            ("bearer  abc ", Some("abc")),
            ("BEARER abc", Some("abc")),
            ("Basic abc", None),
            ("Bearer", None),
            ("Bearer ", None),
            ("abc", None),
            ("", None),
        ] {
            assert_eq!(bearer(value), token, "{value:?}");
        }
    }
}
