//! Monitoring: a line for each task.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::page::{Frame, answer};
use super::routes::Pages;
use super::visitor::Viewer;

#[derive(Template)]
#[template(path = "monitoring.html", config = "src/web/askama.toml")]
struct MonitoringPage {
    frame: Frame,
    lines: Vec<String>,
}

/// `GET /sidecar/`.
pub async fn page(State(_pages): State<Pages>, viewer: Viewer) -> Response {
    let page = MonitoringPage {
        frame: Frame::of(&viewer),
        lines: Vec::new(),
    };
    answer(&viewer, StatusCode::OK, &page)
}
