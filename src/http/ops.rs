//! For those who watch the sidecar.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use metrics_exporter_prometheus::PrometheusHandle;

use crate::dispatch::{DispatchError, Dispatcher};
use crate::domain::catalogue::Site;

/// The process answers.
pub async fn health() -> &'static str {
    "ok\n"
}

/// Agents are answered: the database is there, GLPI and the plugin are in service. 503 with the reason if not.
pub async fn ready(State(dispatcher): State<Arc<Dispatcher>>) -> Response {
    match dispatcher.ready().await {
        Ok(()) => "ready\n".into_response(),
        Err(error) => {
            let reason = match &error {
                DispatchError::Closed(Site::Maintenance) => "GLPI is in maintenance\n",
                DispatchError::Closed(_) => "the FusionInventory plugin is not in service\n",
                _ => "the database is not available\n",
            };
            (StatusCode::SERVICE_UNAVAILABLE, reason).into_response()
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
