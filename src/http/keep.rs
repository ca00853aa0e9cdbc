//! Messages that are kept for PHP.

use axum::http::header::{CONTENT_TYPE, HOST, USER_AGENT};
use axum::http::{HeaderName, StatusCode};
use axum::response::Response;
use bytes::Bytes;

use super::error;
use super::forward::Head;
use super::routes::Web;
use super::stack::LineFields;
use crate::delivery::{Intake, IntakeError};
use crate::dispatch::network::NetworkQuery;
use crate::proto::envelope::Coding;
use crate::spool::{Kind, Message, Origin, SpoolError};

/// What a message is, as far as its order goes.
pub(super) struct Kept<'a> {
    /// The task that it reports of; none is an inventory.
    pub(super) query: Option<NetworkQuery>,
    /// Who sends it.
    pub(super) device: &'a str,
    /// The run that PHP moves by it.
    pub(super) run: Option<i64>,
    /// It is a full inventory.
    pub(super) full: bool,
}

/// Keeps a message, with what PHP has to see of its head: it is on the disk when this returns.
///
/// # Errors
///
/// With what the agent is told when it is not.
pub(super) async fn keep(
    web: &Web,
    intake: &Intake,
    head: &Head,
    kept: &Kept<'_>,
    body: Bytes,
    coding: Coding,
    line: &LineFields,
) -> Result<(), Response> {
    let text = |name: HeaderName| {
        let value = head.headers.get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let path = head.uri.path();
    let path = path.strip_prefix(&head.approach.prefix).unwrap_or(path);
    let message = Message {
        received_at: web.dispatcher.clock.now(),
        kind: match kept.query {
            None => Kind::Inventory,
            Some(NetworkQuery::Discovery) => Kind::Discovery,
            Some(NetworkQuery::Inventory) => Kind::NetworkInventory,
        },
        device: kept.device.to_owned(),
        run: kept.run,
        full: kept.full,
        origin: Origin {
            client: head.client.address,
            https: head.client.https,
            host: text(HOST),
            content_type: text(CONTENT_TYPE),
            user_agent: text(USER_AGENT),
            headers: Vec::new(),
            path: path.to_owned(),
            query: None,
        },
        body,
    };
    let Err(failed) = intake.accept(message).await else {
        return Ok(());
    };
    line.error(failed.code());
    line.reason(failed.to_string());
    let (status, text) = match &failed {
        IntakeError::Spool(SpoolError::TooLarge) => {
            (StatusCode::PAYLOAD_TOO_LARGE, "the message is too large")
        }
        IntakeError::Spool(SpoolError::Full(_)) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "there is no room for messages to GLPI",
        ),
        IntakeError::Spool(_) | IntakeError::Db(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "the message cannot be kept",
        ),
    };
    Err(error::xml_text(status, text, coding))
}
