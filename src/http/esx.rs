//! The ESX back end: getJobs, setLog.

use std::sync::Arc;

use axum::extract::State;
use axum::http::Method;
use axum::response::Response;

use super::error::{self, Dialect, NOTHING, answered, done, nothing};
use super::request::Get;
use super::stack::LineFields;
use crate::dispatch::Dispatcher;

/// A request to the ESX back end.
pub async fn rest(
    State(dispatcher): State<Arc<Dispatcher>>,
    line: LineFields,
    method: Method,
    Get(query): Get,
) -> Response {
    // No HEAD: an order that is handed out without a body is lost.
    if !matches!(method, Method::GET | Method::POST) {
        return error::method_not_allowed();
    }
    line.speaks(Dialect::Rest(NOTHING));
    let Some(machineid) = query.get("machineid").filter(|name| !name.is_empty()) else {
        return nothing();
    };
    match query.get("action") {
        Some("getJobs") => answered(dispatcher.esx_jobs(machineid).await, &line),
        Some("setLog") => {
            let uuid = query.get("uuid").unwrap_or_default();
            let code = query.get("code").unwrap_or_default();
            done(
                dispatcher
                    .set_log(machineid, uuid, code, query.get("msg"))
                    .await,
                &line,
            )
        }
        Some(_) | None => nothing(),
    }
}
