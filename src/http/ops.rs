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
use crate::dispatch::{DispatchError, Dispatcher};

/// How long a probe waits for the database: whoever probes gives up after a few seconds, and learns more from a reason than from silence.
const PROBE: Duration = Duration::from_secs(2);

/// The process answers.
pub async fn health() -> &'static str {
    "ok\n"
}

/// What probes were told last. They come every few seconds: what matters in the log is when the answer becomes another.
#[derive(Debug, Default)]
pub struct Readiness(Mutex<Option<&'static str>>);

impl Readiness {
    /// Takes note of what a probe is told, and logs it if it is another thing than before.
    fn told(&self, error: Option<&DispatchError>) {
        let told = error.map(reason);
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match error {
            _ if *last == told => {}
            None => tracing::info!("agents are answered again"),
            Some(error) => {
                tracing::warn!(%error, code = error.code(), "agents are not answered");
            }
        }
        *last = told;
    }
}

/// What stands in the way of answering agents.
fn reason(error: &DispatchError) -> &'static str {
    match error {
        DispatchError::Closed(closed) => closed.text(),
        _ => "the database is not available",
    }
}

/// Agents are answered: the database is there, GLPI and the plugin are in service. 503 with the reason if not.
pub async fn ready(
    State(dispatcher): State<Arc<Dispatcher>>,
    State(readiness): State<Arc<Readiness>>,
    line: LineFields,
) -> Response {
    let in_time = tokio::time::timeout(PROBE, dispatcher.ready()).await;
    let answer = in_time.unwrap_or_else(|_| {
        let late = "no answer within the time of a probe".to_owned();
        Err(DbError::Unavailable(late).into())
    });
    readiness.told(answer.as_ref().err());
    match answer {
        Ok(()) => "ready\n".into_response(),
        Err(error) => {
            line.error(error.code());
            line.expected();
            (
                StatusCode::SERVICE_UNAVAILABLE,
                format!("{}\n", reason(&error)),
            )
                .into_response()
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
