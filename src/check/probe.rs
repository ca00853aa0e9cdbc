//! Who answers at an address: the nonce, and the question with it.

use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header::{LOCATION, SERVER};
use chrono::{NaiveDateTime, TimeDelta};
use chrono_tz::Tz;
use serde_json::Value;
use uuid::Uuid;

use super::Report;
use crate::clock::{Clock, local};
use crate::db::Db;
use crate::upstream;

/// Longest wait for an address, for the whole of its answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A sidecar's answer has some sixty bytes; more is not read.
const MOST_ANSWER: usize = 4096;

/// Age of a nonce whose check was interrupted.
const STALE: TimeDelta = TimeDelta::hours(1);

/// A secret in the database, for the time of the check.
pub(super) struct Nonce {
    db: Db,
    id: String,
    secret: String,
    stale: NaiveDateTime,
}

impl Nonce {
    pub(super) async fn store(
        db: &Db,
        clock: &dyn Clock,
        zone: Tz,
        report: &mut Report,
    ) -> Option<Self> {
        let now = local(clock, zone);
        let nonce = Self {
            db: db.clone(),
            id: Uuid::new_v4().to_string(),
            secret: Uuid::new_v4().to_string(),
            stale: now - STALE,
        };
        match db.store_nonce(&nonce.id, &nonce.secret, now).await {
            Ok(()) => Some(nonce),
            Err(error) => {
                report.error(
                    "database",
                    error.to_string(),
                    "see the database server's log",
                );
                None
            }
        }
    }

    pub(super) async fn remove(self) {
        if let Err(error) = self.db.remove_nonce(&self.id, self.stale).await {
            tracing::warn!(error = %error, "the nonce of the check stays for the next one to remove");
        }
    }
}

/// Who answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// A sidecar on this database.
    Here,
    /// The same, under a certificate that this machine does not trust.
    HereUntrusted(String),
    /// A sidecar on another database.
    OtherDatabase,
    /// Something that sends elsewhere.
    Redirect { status: StatusCode, to: String },
    /// Something else.
    Other {
        status: StatusCode,
        /// What it says it is: PHP, or the value of `Server`.
        name: Option<String>,
    },
    /// Nobody.
    Nobody(String),
}

/// Asks the deploy back end at `address` for the secret of `nonce`; without one only a sidecar that says it has none is recognised.
pub(super) async fn ask(address: &str, nonce: Option<&Nonce>) -> Answer {
    let id = nonce.map_or("", |nonce| nonce.id.as_str());
    let question = format!("{address}?action=sidecarNonce&id={id}");
    let secret = nonce.map(|nonce| nonce.secret.as_str());
    match fetch(&question, false).await {
        Ok(response) => judge(response, secret).await,
        Err(error) if error.is_connect() && question.starts_with("https:") => {
            let reason = causes(&error);
            match fetch(&question, true).await {
                Ok(response) => match judge(response, secret).await {
                    Answer::Here => Answer::HereUntrusted(reason),
                    other => other,
                },
                Err(_) => Answer::Nobody(reason),
            }
        }
        Err(error) => Answer::Nobody(causes(&error)),
    }
}

/// GETs `url`, over TLS without a look at the certificate if `any_certificate`.
pub(super) async fn fetch(
    url: &str,
    any_certificate: bool,
) -> Result<reqwest::Response, reqwest::Error> {
    let client = upstream::client()
        .timeout(PATIENCE)
        .tls_danger_accept_invalid_certs(any_certificate)
        .build()?;
    client.get(url).send().await
}

/// Why nothing answered.
pub(super) fn causes(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no answer within {} s", PATIENCE.as_secs());
    }
    upstream::innermost(error)
}

async fn judge(mut response: reqwest::Response, secret: Option<&str>) -> Answer {
    let status = response.status();
    let header = |name| {
        response
            .headers()
            .get(name)
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    if status.is_redirection() {
        let to = header(LOCATION.as_str()).unwrap_or_default();
        return Answer::Redirect { status, to };
    }
    let name = header("x-powered-by").or_else(|| header(SERVER.as_str()));
    let mut body = Vec::new();
    while body.len() < MOST_ANSWER {
        match response.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(error) => return Answer::Nobody(causes(&error)),
        }
    }
    match serde_json::from_slice::<Value>(&body) {
        Ok(Value::Object(answer)) if status == StatusCode::OK && answer.contains_key("secret") => {
            match (answer.get("secret").and_then(Value::as_str), secret) {
                (found, Some(_)) if found == secret => Answer::Here,
                (None, None) => Answer::Here,
                _ => Answer::OtherDatabase,
            }
        }
        _ => Answer::Other { status, name },
    }
}
