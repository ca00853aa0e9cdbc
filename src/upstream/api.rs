//! GLPI's REST API, as far as it knows who somebody is.
//!
//! `apirest.php/initSession` takes name and password as HTTP's Basic scheme has them and answers 200 with a session token, or 401; GLPI asks
//! whatever directory the account is of. `getFullSession` has the number of the account in `session.glpiID`: names are those of several
//! accounts where several directories have them. The session is ended at once. See apirest.md of GLPI 10.

use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header::{ACCEPT, HeaderName};
use serde::Deserialize;
use url::Url;

use super::{UpstreamError, client};

/// Longest wait for an answer, which may wait for a directory.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Most bytes of an answer that are read.
const MOST_ANSWER: usize = 4 << 20;

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

/// What `getFullSession` answers, as far as it is read: with entities and profiles of the account it may be long.
#[derive(Deserialize)]
struct FullSession {
    session: Owner,
}

#[derive(Deserialize)]
struct Owner {
    #[serde(rename = "glpiID")]
    id: Number,
}

/// PHP's session has the number of an account as text or as a number.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Number(u32),
    Text(String),
}

impl Number {
    fn get(&self) -> Option<u32> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.parse().ok(),
        }
    }
}

/// The body of an answer; nothing if it is longer than is read.
async fn body(mut answer: reqwest::Response) -> Result<Vec<u8>, UpstreamError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if bytes.len() + chunk.len() > MOST_ANSWER {
            return Ok(Vec::new());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
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

    /// The number of the account that GLPI lets in with this name and password; none if it lets nobody in.
    ///
    /// # Errors
    ///
    /// When it does not say.
    pub async fn who(&self, name: &str, password: &str) -> Result<Option<u32>, ApiError> {
        // The Basic scheme has no way to write it in a name (RFC 7617).
        if name.contains(':') {
            return Ok(None);
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
            StatusCode::UNAUTHORIZED => return Ok(None),
            status => return Err(ApiError::Refused(status)),
        }
        let bytes = body(asked).await?;
        // Any other page may have this status: only a session shows that somebody was let in.
        let session: Option<Session> = serde_json::from_slice(&bytes).ok();
        let Some(session) = session.filter(|session| !session.session_token.is_empty()) else {
            return Err(ApiError::Refused(StatusCode::OK));
        };
        let owner = self.owner(&session.session_token).await;
        let ended = self
            .client
            .get(format!("{}/killSession", self.base))
            .header(SESSION, &session.session_token)
            .send()
            .await;
        if let Err(error) = ended {
            tracing::debug!(error = %error.without_url(), "a session of GLPI's API was left to its own end");
        }
        owner.map(Some)
    }

    /// The number of the account whose session it is.
    async fn owner(&self, session: &str) -> Result<u32, ApiError> {
        let asked = self
            .client
            .get(format!("{}/getFullSession", self.base))
            .header(SESSION, session)
            .header(ACCEPT, "application/json")
            .send()
            .await
            .map_err(UpstreamError::from)?;
        let status = asked.status();
        if status != StatusCode::OK {
            return Err(ApiError::Refused(status));
        }
        let session: Option<FullSession> = serde_json::from_slice(&body(asked).await?).ok();
        let id = session.and_then(|full| full.session.id.get());
        id.ok_or(ApiError::Refused(status))
    }
}
