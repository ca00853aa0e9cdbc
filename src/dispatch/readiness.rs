//! Whether agents are answered, and what stands in the way if not.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::{DispatchError, Dispatcher};
use crate::db::{Db, DbError};
use crate::domain::site::Closed;

/// How long it stands that tables and rights are complete. A look asks the server some hundred short questions.
const WHOLE_STANDS: Duration = Duration::from_secs(10);

/// How long it stands that something is missing, or that it could not be seen.
const MISSING_STANDS: Duration = Duration::from_secs(1);

/// Longest look: a server that is slow for a moment lacks nothing.
const LOOK: Duration = Duration::from_secs(1);

/// Why agents are not answered.
#[derive(Debug)]
pub enum Unready {
    /// GLPI is closed.
    Closed(Closed),
    /// The database lacks what the sidecar works on; what, in a line.
    Lacks(Arc<str>),
    /// The database fails.
    Db(DbError),
}

impl Unready {
    /// For whoever asks: one line, without addresses, accounts or statements.
    #[must_use]
    pub fn told(&self) -> String {
        match self {
            Self::Closed(closed) => closed.text().to_owned(),
            Self::Lacks(what) => what.to_string(),
            Self::Db(DbError::Refused(_) | DbError::CorruptRow { .. }) => {
                "the database refuses a statement: the sidecar's log says which".to_owned()
            }
            Self::Db(_) => "the database is not available".to_owned(),
        }
    }

    /// A stable short word for logs and metrics.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Closed(closed) => closed.code(),
            Self::Lacks(_) => "db-incomplete",
            Self::Db(error) => error.code(),
        }
    }
}

impl fmt::Display for Unready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(closed) => closed.fmt(f),
            Self::Lacks(what) => f.write_str(what),
            Self::Db(error) => error.fmt(f),
        }
    }
}

/// When it was looked last, and what was missing.
type Seen = Option<(Instant, Option<Arc<str>>)>;

/// What was missing at the last look.
#[derive(Debug, Default)]
pub struct Completeness(Mutex<Seen>);

impl Completeness {
    /// What is missing of tables and rights; `suspicious` if something has just been refused. Whoever asks while another looks waits for
    /// what that one sees.
    async fn missing(&self, db: &Db, suspicious: bool) -> Option<Arc<str>> {
        let mut seen = self.0.lock().await;
        if let Some((at, missing)) = seen.as_ref() {
            let stands = if suspicious || missing.is_some() {
                MISSING_STANDS
            } else {
                WHOLE_STANDS
            };
            if at.elapsed() < stands {
                return missing.clone();
            }
        }
        // What cannot be looked at is told by the question that failed, or by the next one.
        let looked = timeout(LOOK, db.lacks()).await;
        let missing = looked.ok().and_then(Result::ok).flatten().map(Arc::from);
        *seen = Some((Instant::now(), missing.clone()));
        missing
    }
}

impl Dispatcher {
    /// Whether agents are answered: GLPI and the plugin are in service, the database is there and has what every request needs.
    ///
    /// # Errors
    ///
    /// When they are not.
    pub async fn ready(&self) -> Result<(), Unready> {
        let answered = async {
            self.open_catalogue().await?;
            // The catalogue may be from before the database went away.
            Ok(self.db.ping().await?)
        };
        let failed = match answered.await {
            Err(DispatchError::Closed(closed)) => return Err(Unready::Closed(closed)),
            Err(DispatchError::Db(error @ DbError::Refused(_))) => Some(error),
            Err(DispatchError::Db(error)) => return Err(Unready::Db(error)),
            // The errors here are no answers to the questions above.
            Ok(())
            | Err(
                DispatchError::UnknownAgent
                | DispatchError::TooManyNewAgents
                | DispatchError::NoAddress
                | DispatchError::BadRequest(_),
            ) => None,
        };
        if let Some(what) = self.complete.missing(&self.db, failed.is_some()).await {
            return Err(Unready::Lacks(what));
        }
        failed.map_or(Ok(()), |error| Err(Unready::Db(error)))
    }
}
