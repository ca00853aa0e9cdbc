//! Whether agents are answered, and what stands in the way if not.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::{DispatchError, Dispatcher};
use crate::db::{Db, DbError};
use crate::domain::site::Closed;

/// How long it stands that tables and rights are complete. A look asks the server some hundred short questions.
const WHOLE_STANDS: Duration = Duration::from_secs(10);

/// How long it stands that something is missing, or that a look failed.
const MISSING_STANDS: Duration = Duration::from_secs(1);

/// Longest wait for a look: whoever probes gives up after a few seconds.
const LOOK: Duration = Duration::from_secs(1);

/// Why agents are not answered.
#[derive(Debug)]
pub enum Unready {
    /// GLPI is closed.
    Closed(Closed),
    /// The database lacks what the sidecar works on; what, in a line.
    Lacks(Arc<str>),
    /// The database fails.
    Db(Arc<DbError>),
}

impl Unready {
    /// For whoever asks: one line, without addresses, accounts or statements.
    #[must_use]
    pub fn told(&self) -> String {
        match self {
            Self::Closed(closed) => closed.text().to_owned(),
            Self::Lacks(what) => what.to_string(),
            Self::Db(error) => match **error {
                DbError::Refused(_) | DbError::CorruptRow { .. } => {
                    "the database refuses a statement: the sidecar's log says which".to_owned()
                }
                _ => "the database is not available".to_owned(),
            },
        }
    }

    /// A stable short word for logs and metrics.
    #[must_use]
    pub fn code(&self) -> &'static str {
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

/// What a look saw: what is missing, if anything.
type Look = Result<Option<Arc<str>>, Arc<DbError>>;

/// What was missing at the last look.
#[derive(Debug, Default)]
pub struct Completeness {
    last: Mutex<Option<(Instant, Look)>>,
    looking: tokio::sync::Mutex<()>,
}

impl Completeness {
    /// What is missing of tables and rights; `suspicious` if something has just been refused. A look that takes long goes on by itself, and
    /// what was seen before stands until it has ended.
    async fn missing(self: &Arc<Self>, db: &Db, suspicious: bool) -> Look {
        let look = {
            let (this, db) = (Arc::clone(self), db.clone());
            async move {
                // Whoever asks while another looks waits for what that one sees.
                let _looking = this.looking.lock().await;
                if let Some(seen) = this.standing(suspicious) {
                    return seen;
                }
                let seen = db.lacks().await;
                let seen = seen.map(|lacks| lacks.map(Arc::from)).map_err(Arc::new);
                *this.last() = Some((Instant::now(), seen.clone()));
                seen
            }
        };
        let seen = timeout(LOOK, tokio::spawn(look)).await;
        let before = || self.last().as_ref().map(|(_, seen)| seen.clone());
        seen.ok()
            .and_then(Result::ok)
            .or_else(before)
            .unwrap_or(Ok(None))
    }

    /// What the last look saw, if that still stands.
    fn standing(&self, suspicious: bool) -> Option<Look> {
        let last = self.last();
        let (at, seen) = last.as_ref()?;
        let stands = if suspicious || !matches!(seen, Ok(None)) {
            MISSING_STANDS
        } else {
            WHOLE_STANDS
        };
        (at.elapsed() < stands).then(|| seen.clone())
    }

    fn last(&self) -> MutexGuard<'_, Option<(Instant, Look)>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
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
            Err(DispatchError::Db(error)) => return Err(Unready::Db(error.into())),
            // The errors here are no answers to the questions above.
            Ok(())
            | Err(
                DispatchError::UnknownAgent
                | DispatchError::TooManyNewAgents
                | DispatchError::NoAddress
                | DispatchError::BadRequest(_),
            ) => None,
        };
        match self.complete.missing(&self.db, failed.is_some()).await {
            Ok(Some(what)) => Err(Unready::Lacks(what)),
            Err(error) => Err(Unready::Db(error)),
            Ok(None) => failed.map_or(Ok(()), |error| Err(Unready::Db(error.into()))),
        }
    }
}
