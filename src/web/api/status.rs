//! How the sidecars on the database are.

use axum::extract::State;
use axum::response::Json;
use chrono::{DateTime, NaiveDateTime, Utc};
use serde::Serialize;

use super::Refusal;
use super::caller::Caller;
use crate::db::heartbeats::Beats;
use crate::web::routes::Pages;

/// The answer. Moments are UTC.
#[derive(Debug, Serialize)]
pub(super) struct Status {
    /// Of the sidecar that answers.
    version: &'static str,
    /// Why nothing is handed out or prepared now.
    closed: Option<String>,
    monitoring: Monitoring,
    /// The `serve` processes of the last days, the most recent sign of life first.
    sidecars: Vec<Sidecar>,
    /// The last pass of each duty of the scheduler, whichever sidecar made it.
    passes: Vec<Pass>,
    /// Passes under way, or broken off.
    under_way: Vec<UnderWay>,
    live: Live,
}

/// How old counts are.
#[derive(Debug, Serialize)]
struct Monitoring {
    counted_at: Option<DateTime<Utc>>,
    /// Seconds since then.
    age: Option<u64>,
    /// Seconds within which others' changes are counted; 0: never.
    period: u64,
    /// Tasks that are not counted yet.
    pending: usize,
}

/// Pages that refresh by themselves, at this sidecar.
#[derive(Debug, Serialize)]
struct Live {
    open: usize,
    most: usize,
}

/// A process.
#[derive(Debug, Serialize)]
struct Sidecar {
    host: String,
    version: String,
    /// Seconds since its last sign of life.
    silent: i64,
}

/// A pass that has ended.
#[derive(Debug, Serialize)]
struct Pass {
    duty: String,
    host: String,
    ended_at: DateTime<Utc>,
    result: String,
    /// Runs that were prepared or deleted.
    runs: u64,
    next_at: Option<DateTime<Utc>>,
}

/// A pass that has not.
#[derive(Debug, Serialize)]
struct UnderWay {
    duty: String,
    host: String,
    since: DateTime<Utc>,
    /// Seconds since that sidecar's last sign of life.
    silent: i64,
}

/// `GET status`.
pub(super) async fn status(State(pages): State<Pages>, _: Caller) -> Result<Json<Status>, Refusal> {
    let site = pages.db.site().await?;
    let Beats {
        passes,
        begun,
        serving,
    } = pages.db.beats().await?;
    let board = pages.monitor.board();
    let utc = |at: NaiveDateTime| at.and_utc();
    let live = pages.live.open();
    Ok(Json(Status {
        version: env!("CARGO_PKG_VERSION"),
        closed: site.open().err().map(|closed| closed.to_string()),
        monitoring: Monitoring {
            counted_at: board.counted_at,
            age: board.age(pages.clock.now()),
            period: pages.monitor.period().as_secs(),
            pending: board.pending,
        },
        sidecars: serving
            .into_iter()
            .map(|(host, version, silent)| Sidecar {
                host,
                version,
                silent,
            })
            .collect(),
        passes: passes
            .into_iter()
            .map(|pass| Pass {
                duty: pass.duty,
                host: pass.host,
                ended_at: utc(pass.ended),
                result: pass.result,
                runs: pass.runs,
                next_at: pass.next.map(utc),
            })
            .collect(),
        under_way: begun
            .into_iter()
            .map(|(duty, host, since, silent)| UnderWay {
                duty,
                host,
                since: utc(since),
                silent,
            })
            .collect(),
        live: Live {
            open: live.0,
            most: live.1,
        },
    }))
}
