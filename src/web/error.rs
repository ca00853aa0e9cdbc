//! What a page says when it cannot be shown.

use axum::http::StatusCode;

use super::texts::Texts;
use crate::db::DbError;

/// Why there is no page.
#[derive(Debug)]
pub enum PageError {
    /// There is none of that name.
    NotFound,
    /// They may see it and not change it.
    Forbidden,
    /// What was posted is not of one of our forms; which part of it.
    BadForm(&'static str),
    /// A part of an address is not what it can be; which one.
    BadQuery(&'static str),
    /// The database.
    Db(DbError),
    /// A template; never, as they write into memory.
    Render,
}

impl From<DbError> for PageError {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

impl PageError {
    /// A stable short word for the log.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "no-page",
            Self::Forbidden => "read-only",
            Self::BadForm(_) => "bad-form",
            Self::BadQuery(_) => "bad-query",
            Self::Db(error) => error.code(),
            Self::Render => "render",
        }
    }

    /// The status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Forbidden | Self::BadForm(_) => StatusCode::FORBIDDEN,
            Self::BadQuery(_) => StatusCode::BAD_REQUEST,
            Self::Db(
                DbError::Unavailable(_) | DbError::Busy | DbError::Conflict(_) | DbError::Locked(_),
            ) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Db(DbError::CorruptRow { .. } | DbError::Refused(_) | DbError::LeaseLost)
            | Self::Render => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Heading and text; nothing of what went wrong inside.
    #[must_use]
    pub fn words(&self, texts: &Texts) -> (&'static str, &'static str) {
        match (self, self.status()) {
            (Self::NotFound, _) => (texts.not_found, texts.not_found_long),
            (Self::Forbidden, _) => (texts.read_only, texts.read_only_long),
            (Self::BadForm(_), _) => (texts.bad_form, texts.bad_form_long),
            (Self::BadQuery(_), _) => (texts.bad_query, texts.bad_query_long),
            (_, StatusCode::SERVICE_UNAVAILABLE) => (texts.unavailable, texts.unavailable_long),
            _ => (texts.failed, texts.failed_long),
        }
    }
}
