//! For those who watch the sidecar.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use metrics_exporter_prometheus::PrometheusHandle;

use super::stack::LineFields;
use crate::db::DbError;
use crate::dispatch::Dispatcher;
use crate::dispatch::readiness::Unready;

/// How long a probe waits for the database: whoever probes gives up after a few seconds, and learns more from a reason than from silence.
const PROBE: Duration = Duration::from_secs(2);

/// The process answers.
pub async fn health() -> &'static str {
    "ok\n"
}

/// What probes were told last. They come every few seconds: what matters in the log is when the answer becomes another.
#[derive(Debug, Default)]
pub struct Readiness(Mutex<Option<String>>);

impl Readiness {
    /// Takes note of what a probe is told, and logs it if it is another thing than before.
    fn told(&self, unready: Option<&Unready>) {
        let told = unready.map(Unready::told);
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match unready {
            _ if *last == told => {}
            None => tracing::info!("agents are answered again"),
            Some(unready) => {
                tracing::warn!(error = %unready, code = unready.code(), "agents are not answered");
            }
        }
        *last = told;
    }
}

/// Agents are answered: the database is there and complete, GLPI and the plugin are in service. 503 with the reason if not.
pub async fn ready(
    State(dispatcher): State<Arc<Dispatcher>>,
    State(readiness): State<Arc<Readiness>>,
    line: LineFields,
) -> Response {
    let in_time = tokio::time::timeout(PROBE, dispatcher.ready()).await;
    let answer = in_time.unwrap_or_else(|_| {
        let late = "no answer within the time of a probe".to_owned();
        Err(Unready::Db(DbError::Unavailable(late).into()))
    });
    readiness.told(answer.as_ref().err());
    match answer {
        Ok(()) => "ready\n".into_response(),
        Err(unready) => {
            line.error(unready.code());
            line.expected();
            let told = format!("{}\n", unready.told());
            (StatusCode::SERVICE_UNAVAILABLE, told).into_response()
        }
    }
}

/// What was counted, as Prometheus reads it.
pub async fn metrics(State(metrics): State<Option<PrometheusHandle>>) -> Response {
    match metrics {
        Some(handle) => (
            [(CONTENT_TYPE, "text/plain; version=0.0.4")],
            handle.render(),
        )
            .into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
