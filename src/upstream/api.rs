//! GLPI's REST API, as far as it knows who somebody is.
//!
//! `apirest.php/initSession` takes name and password as HTTP's Basic scheme has them and answers 200 with a session token, or 401; GLPI asks
//! whatever directory the account is of. The session is ended at once. See apirest.md of GLPI 10.

use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header::{ACCEPT, HeaderName};
use serde::Deserialize;
use url::Url;

use super::{UpstreamError, client};

/// Longest wait for an answer, which may wait for a directory.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Most bytes of an answer that are read.
const MOST_ANSWER: usize = 64 * 1024;

const SESSION: HeaderName = HeaderName::from_static("session-token");

/// GLPI's API.
#[derive(Debug, Clone)]
pub struct GlpiApi {
    client: reqwest::Client,
    /// With `apirest.php`, without a slash at the end.
    base: String,
}

/// Why it did not say.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApiError {
    /// No answer.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// An answer that says neither yes nor no: the API is switched off, or its clients are limited.
    #[error(
        "GLPI's API answered {0}: switch it on with sign-in by credentials (Setup, General, API), with a client for this address and without application token"
    )]
    Refused(StatusCode),
}

impl ApiError {
    /// A stable short word for logs and metrics.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Upstream(error) => error.code(),
            Self::Refused(_) => "api-refused",
        }
    }
}

#[derive(Deserialize)]
struct Session {
    session_token: String,
}

impl GlpiApi {
    /// That of the GLPI at `glpi`.
    ///
    /// # Errors
    ///
    /// When TLS cannot be set up.
    pub fn new(glpi: &Url) -> Result<Self, UpstreamError> {
        Ok(Self {
            client: client().timeout(TIMEOUT).build()?,
            base: format!("{}/apirest.php", glpi.as_str().trim_end_matches('/')),
        })
    }

    /// Whether GLPI lets somebody in with this name and password.
    ///
    /// # Errors
    ///
    /// When it does not say.
    pub async fn knows(&self, name: &str, password: &str) -> Result<bool, ApiError> {
        // The Basic scheme has no way to write it in a name (RFC 7617).
        if name.contains(':') {
            return Ok(false);
        }
        let asked = self
            .client
            .get(format!("{}/initSession", self.base))
            .basic_auth(name, Some(password))
            .header(ACCEPT, "application/json")
            .send()
            .await
            .map_err(UpstreamError::from)?;
        match asked.status() {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED => return Ok(false),
            status => return Err(ApiError::Refused(status)),
        }
        let length = asked.content_length().unwrap_or_default();
        let bytes = if length > MOST_ANSWER as u64 {
            bytes::Bytes::new()
        } else {
            asked.bytes().await.map_err(UpstreamError::from)?
        };
        // Any other page may have this status: only a session shows that somebody was let in.
        let session: Option<Session> = serde_json::from_slice(&bytes).ok();
        let Some(session) = session.filter(|session| !session.session_token.is_empty()) else {
            return Err(ApiError::Refused(StatusCode::OK));
        };
        let ended = self
            .client
            .get(format!("{}/killSession", self.base))
            .header(SESSION, &session.session_token)
            .send()
            .await;
        if let Err(error) = ended {
            tracing::debug!(error = %error.without_url(), "a session of GLPI's API was left to its own end");
        }
        Ok(true)
    }
}
