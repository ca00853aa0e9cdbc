//! Signing in and out.
//!
//! A sign-in that is refused says the same whatever was wrong, takes as long for a name that there is not, and counts against the account and
//! against the address. Only who has shown the right password learns that an account is closed or has no right.

use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

use askama::Template;
use axum::extract::{Query, State};
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};
use chrono::TimeDelta;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::cookies::{self, Name};
use super::error::PageError;
use super::forms::Posted;
use super::page::{Frame, answer};
use super::routes::{BASE, Pages};
use super::texts::fill;
use super::visitor::{NOT_TAKEN, Visitor, add_cookie, way_back};
use crate::clock;
use crate::config;
use crate::db::DbError;
use crate::db::accounts::{Account, Credential};
use crate::domain::access::password_expired;
use crate::domain::throttle::Throttle;
use crate::telemetry::metrics::SIGN_INS;

/// Longest name that is looked for, bytes; GLPI's column has 255 characters.
const MOST_NAME: usize = 1020;

/// Who is counted: an account, or a name that nobody has.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Whose {
    Account(u32),
    Name(String),
}

/// The failures that count.
#[derive(Debug)]
pub struct Tries {
    names: Mutex<Throttle<Whose>>,
    addresses: Mutex<Throttle<IpAddr>>,
}

impl Tries {
    /// As configured.
    #[must_use]
    pub fn new(settings: &config::Web) -> Self {
        let (window, most) = (settings.window, settings.most_remembered);
        Self {
            names: Mutex::new(Throttle::new(settings.tries_per_name, window, most)),
            addresses: Mutex::new(Throttle::new(settings.tries_per_address, window, most)),
        }
    }
}

fn locked<K>(throttle: &Mutex<Throttle<K>>) -> std::sync::MutexGuard<'_, Throttle<K>> {
    throttle.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What counts as one address: of IPv6, the network that a customer has.
fn counted(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let network = u128::from(address) & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from(network))
        }
    }
}

/// Why somebody was not let in.
#[derive(Debug)]
enum Refusal {
    Wrong,
    Throttled(TimeDelta),
    Closed,
    Expired,
    NoRight,
    GlpiSilent,
    Db(DbError),
}

impl From<DbError> for Refusal {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

impl Refusal {
    const fn code(&self) -> &'static str {
        match self {
            Self::Wrong => "wrong",
            Self::Throttled(_) => "throttled",
            Self::Closed => "closed",
            Self::Expired => "expired",
            Self::NoRight => "no-right",
            Self::GlpiSilent => "glpi-silent",
            Self::Db(_) => "failed",
        }
    }
}

/// What the form was asked for with.
#[derive(Debug, Deserialize)]
pub struct Asked {
    #[serde(default)]
    to: String,
    ended: Option<String>,
}

/// What is posted.
#[derive(Debug, Deserialize)]
pub struct SignIn {
    name: String,
    password: SecretString,
    #[serde(default)]
    to: String,
}

#[derive(Template)]
#[template(path = "login.html", config = "src/web/askama.toml")]
struct LoginPage {
    frame: Frame,
    to: String,
    name: String,
    hint: &'static str,
    /// What went wrong.
    error: Option<String>,
    /// What else there is to say.
    note: Option<&'static str>,
}

impl LoginPage {
    fn new(visitor: &Visitor, pages: &Pages, to: &str) -> Self {
        let frame = Frame::of(visitor);
        let hint = if pages.settings.glpi_url.is_some() {
            frame.t.sign_in_with
        } else {
            frame.t.sign_in_with_database
        };
        Self {
            hint,
            to: way_back(to).to_owned(),
            name: String::new(),
            error: None,
            note: None,
            frame,
        }
    }
}

/// `GET login`.
pub async fn form(
    State(pages): State<Pages>,
    Query(asked): Query<Asked>,
    visitor: Visitor,
) -> Response {
    if visitor.viewer.is_some() {
        return Redirect::to(way_back(&asked.to)).into_response();
    }
    let mut page = LoginPage::new(&visitor, &pages, &asked.to);
    page.note = asked.ended.map(|_| page.frame.t.ended);
    answer(&visitor, StatusCode::OK, &page)
}

/// `POST login`.
pub async fn sign_in(State(pages): State<Pages>, posted: Posted<SignIn>) -> Response {
    let Posted { visitor, fields } = posted;
    if pages.is_open() {
        return Redirect::to(BASE).into_response();
    }
    let (address, name) = (visitor.client.address, fields.name.trim());
    let outcome = admitted(&pages, address, name, &fields.password).await;
    let told = outcome.as_ref().map_or_else(Refusal::code, |_| "ok");
    metrics::counter!(SIGN_INS, "result" => told).increment(1);
    match outcome {
        Ok((account, secret)) => {
            tracing::info!(account = account.id.0, name = account.name, %address, "signed in");
            // The one that was shown is of nobody any more.
            if let Some(id) = visitor.session_id()
                && let Err(error) = pages.db.end_session(&id).await
            {
                return visitor.refuse(error.into());
            }
            let mut response = Redirect::to(way_back(&fields.to)).into_response();
            let https = visitor.client.https;
            add_cookie(&mut response, &cookies::set(Name::Session, &secret, https));
            add_cookie(&mut response, &cookies::end(Name::Form, https));
            response
        }
        Err(Refusal::Db(error)) => visitor.refuse(error.into()),
        Err(refusal) => {
            // Not the name: a password is typed there sometimes.
            tracing::warn!(%address, reason = refusal.code(), "a sign-in was refused");
            refused(&pages, &visitor, &fields, &refusal)
        }
    }
}

fn refused(pages: &Pages, visitor: &Visitor, fields: &SignIn, refusal: &Refusal) -> Response {
    let mut page = LoginPage::new(visitor, pages, &fields.to);
    page.name = fields.name.trim().chars().take(255).collect();
    let t = page.frame.t;
    let (status, text) = match refusal {
        Refusal::Throttled(wait) => (
            StatusCode::TOO_MANY_REQUESTS,
            fill(t.throttled, wait.num_seconds() / 60 + 1),
        ),
        Refusal::Closed => (NOT_TAKEN, t.account_closed.to_owned()),
        Refusal::Expired => (NOT_TAKEN, t.password_expired.to_owned()),
        Refusal::NoRight => (NOT_TAKEN, t.no_right.to_owned()),
        Refusal::GlpiSilent => (StatusCode::SERVICE_UNAVAILABLE, t.glpi_silent.to_owned()),
        Refusal::Wrong | Refusal::Db(_) => (NOT_TAKEN, t.wrong.to_owned()),
    };
    page.error = Some(text);
    let mut response = answer(visitor, status, &page);
    if let Refusal::Throttled(wait) = refusal {
        let seconds = HeaderValue::from(wait.num_seconds().unsigned_abs() + 1);
        response.headers_mut().insert(RETRY_AFTER, seconds);
    }
    response
}

/// The account, and the secret of its new session.
async fn admitted(
    pages: &Pages,
    address: IpAddr,
    name: &str,
    password: &SecretString,
) -> Result<(Account, String), Refusal> {
    let now = pages.clock.now();
    let address = counted(address);
    let throttled = |taken: Result<(), TimeDelta>| taken.map_err(Refusal::Throttled);
    throttled(locked(&pages.tries.addresses).take(&address, now))?;
    let (found, days) = if name.is_empty() || name.len() > MOST_NAME {
        (Vec::new(), -1)
    } else {
        pages.db.sign_in_with(name).await?
    };
    let whose = match found.first() {
        Some(first) => Whose::Account(first.account.id.0),
        None => Whose::Name(name.to_lowercase()),
    };
    throttled(locked(&pages.tries.names).take(&whose, now))?;

    let hash = found.iter().find_map(|found| found.hash.clone());
    let by_hash = pages.passwords.verify(password, hash).await;
    let Credential {
        account, changed, ..
    } = if by_hash {
        // The one with the hash comes first.
        found.into_iter().next().ok_or(Refusal::Wrong)?
    } else {
        by_glpi(pages, name, password).await?
    };
    // Right: neither counts any longer.
    locked(&pages.tries.addresses).give_back(&address);
    locked(&pages.tries.names).forget(&whose);
    let local = clock::local(pages.clock.as_ref(), pages.zone);
    if !account.standing.is_good(local) {
        return Err(Refusal::Closed);
    }
    if by_hash && password_expired(changed, days, local) {
        return Err(Refusal::Expired);
    }
    if !pages.db.access(account.id).await?.may_see() {
        return Err(Refusal::NoRight);
    }
    let secret = cookies::secret();
    let id = cookies::session_id(&secret);
    let stale = TimeDelta::from_std(pages.settings.idle).unwrap_or(TimeDelta::MAX / 4);
    pages
        .db
        .begin_session(&id, account.id, now, now - stale)
        .await?;
    Ok((account, secret))
}

/// Who GLPI itself says it is. It is asked after every password that the database does not confirm: so nobody learns by the time it takes
/// whether an account is there and of what kind.
async fn by_glpi(
    pages: &Pages,
    name: &str,
    password: &SecretString,
) -> Result<Credential, Refusal> {
    let Some(api) = &pages.api else {
        return Err(Refusal::Wrong);
    };
    let id = match api.who(name, password.expose_secret()).await {
        Ok(Some(id)) => id,
        Ok(None) => return Err(Refusal::Wrong),
        Err(error) => {
            tracing::warn!(error = %error, code = error.code(), "GLPI's API was asked about an account");
            return Err(Refusal::GlpiSilent);
        }
    };
    // Read again: GLPI may have made it just now. Of several accounts of that name it is the one that GLPI let in.
    let (found, _) = pages.db.sign_in_with(name).await?;
    let mut found = found.into_iter();
    let own = found.find(|found| found.account.id.0 == id);
    own.ok_or(Refusal::Wrong)
}

/// `POST logout`.
pub async fn sign_out(State(pages): State<Pages>, posted: Posted<Nothing>) -> Response {
    let visitor = posted.visitor;
    if let Some(id) = visitor.session_id() {
        if let Err(error) = pages.db.end_session(&id).await {
            return visitor.refuse(PageError::from(error));
        }
        pages.live.session_ended(&id);
    }
    let mut response = Redirect::to(&format!("{BASE}login")).into_response();
    let cookie = cookies::end(Name::Session, visitor.client.https);
    add_cookie(&mut response, &cookie);
    response
}

/// A form without fields of its own.
#[derive(Debug, Deserialize)]
pub struct Nothing {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        for (address, network) in [
            ("192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("::1", "::"),
        ] {
            assert_eq!(
                counted(address.parse().unwrap()),
                network.parse::<IpAddr>().unwrap()
            );
        }
    }
}
