//! The frame of every page, and turning a template into an answer.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse as _, Response};

use super::assets::{URLS, Urls};
use super::error::PageError;
use super::language::Language;
use super::texts::{self, Texts, fill};
use super::visitor::Visitor;

/// Colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Theme {
    /// As the machine has it.
    #[default]
    Automatic,
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

impl Theme {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Automatic, Self::Light, Self::Dark];

    /// Its word in cookie, form and style sheet.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Automatic => "auto",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    /// The one of that word.
    #[must_use]
    pub fn of(word: Option<&str>) -> Self {
        let known = Self::ALL
            .into_iter()
            .find(|theme| Some(theme.word()) == word);
        known.unwrap_or_default()
    }

    /// Its name.
    #[must_use]
    pub const fn name(self, texts: &Texts) -> &'static str {
        match self {
            Self::Automatic => texts.automatic,
            Self::Light => texts.light,
            Self::Dark => texts.dark,
        }
    }
}

/// What the frame shows.
#[derive(Debug)]
pub struct Frame {
    /// Every text.
    pub t: &'static Texts,
    /// The files.
    pub urls: &'static Urls,
    /// The language.
    pub language: Language,
    /// The colours.
    pub theme: Theme,
    /// What forms carry.
    pub token: String,
    /// The page itself, to come back to.
    pub here: String,
    /// "Signed in as …"; none where nobody is.
    pub signed_in: Option<String>,
    /// Somebody sees this page who is not asked who they are.
    pub open: bool,
    /// They may change nothing.
    pub read_only: bool,
}

impl Frame {
    /// For `visitor`.
    #[must_use]
    pub fn of(visitor: &Visitor) -> Self {
        let t = visitor.language.texts();
        let who = visitor.viewer.as_ref();
        let account = who.and_then(|who| who.account.as_ref());
        Self {
            t,
            urls: &URLS,
            language: visitor.language,
            theme: visitor.theme,
            token: visitor.token(),
            here: visitor.here.clone(),
            signed_in: account.map(|account| fill(t.signed_in_as, &account.shown)),
            open: who.is_some() && account.is_none(),
            read_only: who.is_some_and(|who| !who.access.may_change()),
        }
    }

    /// The languages, to choose from.
    #[must_use]
    pub fn languages(&self) -> [Language; 2] {
        Language::ALL
    }

    /// The colours, to choose from.
    #[must_use]
    pub fn themes(&self) -> [Theme; 3] {
        Theme::ALL
    }

    /// The texts of the pages of tasks, runs and jobs.
    #[must_use]
    pub const fn of_tasks(&self) -> &'static texts::task::Texts {
        texts::task::of(self.language)
    }

    /// Whether this is one of the pages of reports.
    #[must_use]
    pub fn is_in_reports(&self) -> bool {
        self.here.starts_with("/sidecar/reports")
    }

    /// Whether this is the page at `path`.
    #[must_use]
    pub fn is_at(&self, path: &str) -> bool {
        self.here.split('?').next() == Some(path)
    }

    /// Whether somebody may see more than the form to sign in.
    #[must_use]
    pub fn is_inside(&self) -> bool {
        self.open || self.signed_in.is_some()
    }
}

#[derive(Template)]
#[template(path = "message.html", config = "src/web/askama.toml")]
struct Message {
    frame: Frame,
    heading: &'static str,
    text: &'static str,
}

/// The answer that `template` makes, with `status`.
#[must_use]
pub fn answer(visitor: &Visitor, status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => {
            let mut response = (status, Html(html)).into_response();
            visitor.finish(&mut response);
            response
        }
        Err(error) => {
            tracing::error!(error = %error, "a template failed");
            PageError::Render.status().into_response()
        }
    }
}

/// The page of an error.
#[must_use]
pub fn message(visitor: &Visitor, error: &PageError) -> Response {
    let frame = Frame::of(visitor);
    let (heading, text) = error.words(frame.t);
    let page = Message {
        frame,
        heading,
        text,
    };
    answer(visitor, error.status(), &page)
}
