//! Who asks for a page, and what they may see.

use std::ops::Deref;

use axum::extract::FromRequestParts;
use axum::http::header::{ACCEPT_LANGUAGE, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};
use chrono::{DateTime, TimeDelta, Utc};

use super::cookies::{self, Name};
use super::error::PageError;
use super::forms::same;
use super::language::Language;
use super::page::{self, Theme};
use super::routes::{BASE, Pages};
use crate::clock;
use crate::db::DbError;
use crate::db::accounts::Account;
use crate::domain::access::Access;
use crate::http::client::Client;
use crate::http::stack::LineFields;

/// How long after the last time somebody is noted to have asked for something at the soonest, seconds; or a quarter of the time that they
/// may ask for nothing, if that is less.
const NOTED_AFTER: i64 = 60;

/// Anybody.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// What is read.
    pub language: Language,
    /// What is seen.
    pub theme: Theme,
    /// The client.
    pub client: Client,
    /// Who is signed in, for the head of the page.
    pub viewer: Option<Who>,
    /// Path and query.
    pub here: String,
    /// A session was shown that is over.
    pub ended: bool,
    /// The secret of the session cookie that was sent.
    session: Option<String>,
    /// That behind the page's forms.
    secret: String,
    /// It is new: the answer sets it.
    is_new: bool,
    line: LineFields,
}

/// Somebody who may see something.
#[derive(Debug, Clone)]
pub struct Who {
    /// Their account; none where nobody is asked.
    pub account: Option<Account>,
    /// What they may see and do.
    pub access: Access,
}

/// Somebody who may see something, or a way to sign in.
#[derive(Debug, Clone)]
pub struct Viewer {
    visitor: Visitor,
    who: Who,
}

impl Viewer {
    /// Who they are.
    #[must_use]
    pub const fn who(&self) -> &Who {
        &self.who
    }

    /// What they may see and do.
    #[must_use]
    pub const fn access(&self) -> &Access {
        &self.who.access
    }
}

impl Deref for Viewer {
    type Target = Visitor;

    fn deref(&self) -> &Visitor {
        &self.visitor
    }
}

impl Visitor {
    /// What the page's forms carry.
    #[must_use]
    pub fn token(&self) -> String {
        cookies::form_token(&self.secret)
    }

    /// Whether a form has it.
    #[must_use]
    pub fn has_token(&self, token: &str) -> bool {
        !self.is_new && same(token, &self.token())
    }

    /// The name under which their session lies in the database, if they showed one.
    #[must_use]
    pub fn session_id(&self) -> Option<String> {
        self.session.as_deref().map(cookies::session_id)
    }

    /// Sets what the answer has to set.
    pub fn finish(&self, response: &mut Response) {
        if self.is_new {
            let cookie = cookies::set(Name::Form, &self.secret, self.client.https);
            add_cookie(response, &cookie);
        }
    }

    /// The page that says what went wrong, which the log tells in full.
    #[must_use]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "its callers have no more use for it"
    )]
    pub fn refuse(&self, error: PageError) -> Response {
        self.line.error(error.code());
        match &error {
            PageError::Db(inner) => self.line.reason(inner.to_string()),
            PageError::BadForm(part) => self.line.reason(format!("the {part} of a form")),
            PageError::BadQuery(part) => self.line.reason(format!("the {part} of an address")),
            PageError::NotFound | PageError::Forbidden | PageError::Render => {}
        }
        page::message(self, &error)
    }
}

/// Adds a `Set-Cookie`.
pub(super) fn add_cookie(response: &mut Response, cookie: &str) {
    // Ours are ASCII.
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(SET_COOKIE, value);
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> &str {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default()
}

impl FromRequestParts<Pages> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, pages: &Pages) -> Result<Self, Response> {
        let no_page = axum::response::IntoResponse::into_response;
        let client = <Client as FromRequestParts<Pages>>::from_request_parts(parts, pages).await;
        let client = client.map_err(no_page)?;
        let line = LineFields::from_request_parts(parts, pages).await;
        let line = line.unwrap_or_default();
        let headers = &parts.headers;
        let https = client.https;
        let session = cookies::get(headers, Name::Session, https);
        let known = session
            .clone()
            .or_else(|| cookies::get(headers, Name::Form, https));
        let is_new = known.is_none();
        let mut visitor = Self {
            language: Language::English,
            theme: Theme::of(cookies::get(headers, Name::Theme, https).as_deref()),
            client,
            viewer: None,
            here: parts
                .uri
                .path_and_query()
                .map_or(BASE, |path| path.as_str())
                .to_owned(),
            ended: false,
            session,
            secret: known.unwrap_or_else(cookies::secret),
            is_new,
            line,
        };
        let found = who(pages, visitor.session_id()).await;
        let account = match &found {
            Ok(Some(who)) => who.account.as_ref().map(|account| account.language.clone()),
            Ok(None) | Err(_) => None,
        };
        visitor.language = Language::wanted(
            cookies::get(headers, Name::Language, https).as_deref(),
            account.as_deref(),
            text(headers, ACCEPT_LANGUAGE),
        );
        match found {
            Ok(who) => {
                visitor.ended = who.is_none() && visitor.session.is_some();
                visitor.viewer = who;
                Ok(visitor)
            }
            Err(error) => Err(visitor.refuse(error.into())),
        }
    }
}

/// Who the session is of, if it and they are good.
pub(super) async fn who(pages: &Pages, session: Option<String>) -> Result<Option<Who>, DbError> {
    found(pages, session, true).await
}

/// The same, without being asked for something.
pub(super) async fn peek(pages: &Pages, session: Option<String>) -> Result<Option<Who>, DbError> {
    found(pages, session, false).await
}

async fn found(
    pages: &Pages,
    session: Option<String>,
    is_noted: bool,
) -> Result<Option<Who>, DbError> {
    if pages.is_open() {
        return Ok(Some(Who {
            account: None,
            access: Access::Open,
        }));
    }
    let Some(id) = session else { return Ok(None) };
    let Some(session) = pages.db.session(&id).await? else {
        return Ok(None);
    };
    let (now, settings) = (pages.clock.now(), &pages.settings);
    let is_fresh = is_fresh(
        now,
        session.began,
        session.seen,
        settings.lifetime,
        settings.idle,
    );
    let local = clock::local(pages.clock.as_ref(), pages.zone);
    if !is_fresh || !session.account.standing.is_good(local) || !session.access.may_see() {
        pages.db.end_session(&id).await?;
        return Ok(None);
    }
    let quarter = i64::try_from(settings.idle.as_secs() / 4).unwrap_or(NOTED_AFTER);
    if is_noted && (now - session.seen).num_seconds() >= NOTED_AFTER.min(quarter) {
        pages.db.session_seen(&id, now).await?;
    }
    Ok(Some(Who {
        account: Some(session.account),
        access: session.access,
    }))
}

/// Whether a session goes on.
fn is_fresh(
    now: DateTime<Utc>,
    began: DateTime<Utc>,
    seen: DateTime<Utc>,
    lifetime: std::time::Duration,
    idle: std::time::Duration,
) -> bool {
    let within =
        |since: DateTime<Utc>, most| TimeDelta::from_std(most).is_ok_and(|most| now - since < most);
    within(began, lifetime) && within(seen, idle)
}

impl FromRequestParts<Pages> for Viewer {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, pages: &Pages) -> Result<Self, Response> {
        let visitor =
            <Visitor as FromRequestParts<Pages>>::from_request_parts(parts, pages).await?;
        match visitor.viewer.clone() {
            Some(who) => Ok(Self { visitor, who }),
            None => Err(to_login(&visitor, &parts.method)),
        }
    }
}

/// To the form, which leads back afterwards to what can be asked for again.
pub(super) fn to_login(visitor: &Visitor, method: &Method) -> Response {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    if method == Method::GET && visitor.here != BASE {
        query.append_pair("to", &visitor.here);
    }
    if visitor.ended {
        query.append_pair("ended", "1");
    }
    let query = query.finish();
    let mark = if query.is_empty() { "" } else { "?" };
    let mut response = Redirect::to(&format!("{BASE}login{mark}{query}")).into_response();
    if visitor.ended {
        let cookie = cookies::end(Name::Session, visitor.client.https);
        add_cookie(&mut response, &cookie);
    }
    response
}

/// Where somebody is led after signing in: a page of ours, whatever was asked for.
#[must_use]
pub(super) fn way_back(to: &str) -> &str {
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '\\' | '"' | '<' | '>');
    let is_ours = to.starts_with(BASE) && to.len() < 2048 && to.chars().all(plain);
    let is_no_loop = !["login", "logout", "preferences"]
        .iter()
        .any(|page| to[BASE.len().min(to.len())..].starts_with(page));
    if is_ours && is_no_loop { to } else { BASE }
}

/// What does not exist.
pub(super) async fn nothing(visitor: Visitor) -> Response {
    visitor.refuse(PageError::NotFound)
}

/// The status of an answer to a sign-in that was not taken. A browser shows it; a program tells it from one that was.
pub(super) const NOT_TAKEN: StatusCode = StatusCode::FORBIDDEN;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn sessions_end_by_idleness_and_by_age() {
        let at = |seconds: i64| DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap();
        for (began, seen, fresh) in [
            (0, 0, true),
            (0, -99, true),
            (0, -100, false),
            (-999, 0, true),
            (-1000, 0, false),
            // A clock that was put back.
            (5, 5, true),
        ] {
            let (lifetime, idle) = (Duration::from_secs(1000), Duration::from_secs(100));
            assert_eq!(
                is_fresh(at(0), at(began), at(seen), lifetime, idle),
                fresh,
                "{began} {seen}"
            );
        }
    }

    #[test]
    fn the_way_back_leads_nowhere_else() {
        for (to, way) in [
            ("/sidecar/", "/sidecar/"),
            ("/sidecar/tasks/3?state=ko", "/sidecar/tasks/3?state=ko"),
            ("", BASE),
            ("/", BASE),
            ("/sidecar", BASE),
            ("//evil.example/sidecar/", BASE),
            ("https://evil.example/sidecar/", BASE),
            ("/sidecar/\\evil", BASE),
            ("/sidecar/a b", BASE),
            ("/sidecar/\r\nX: y", BASE),
            ("/sidecar/login?to=/sidecar/login", BASE),
            ("/sidecar/logout", BASE),
            ("/sidécar/", BASE),
        ] {
            assert_eq!(way_back(to), way, "{to:?}");
        }
    }
}
