//! The plugin's main address: XML messages, getConfig, and people who lost their way.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::response::{IntoResponse, Response};

use super::error::Dialect;
use super::forward::Head;
use super::request::Get;
use super::routes::Web;
use super::stack::{AgentBody, BodyRejection, LineFields};
use super::{error, forward, message};
use crate::dispatch::{Approach, DispatchError, Dispatcher};
use crate::proto::envelope::{self, Coding};
use crate::proto::query::{self, Query};

/// What a person's browser is told.
const FOR_PEOPLE: &str =
    "This is an address for FusionInventory agents. GLPI's own pages are in GLPI.\n";

/// A request to the main address: a query with `action` and `machineid`, neither empty, is REST, else a body is XML, else it
/// is a person.
pub async fn main(
    State(web): State<Web>,
    line: LineFields,
    head: Head,
    Get(query): Get,
    body: Result<AgentBody, BodyRejection>,
) -> Response {
    if !matches!(head.method, Method::GET | Method::HEAD | Method::POST) {
        return error::method_not_allowed();
    }
    let dispatcher = &web.dispatcher;
    let given = |name| query.has(name) && query.get(name) != Some("");
    if given("action") && given("machineid") {
        line.speaks(Dialect::Rest(""));
        let answer = rest(dispatcher, &query, &head.approach, &line).await;
        return signed(dispatcher, answer);
    }
    let body = match body {
        Ok(AgentBody(body)) => body,
        Err(rejection) => return error::unread(rejection, declared(&head.headers), &line),
    };
    // The answer to HEAD has no body, and orders that go out without one are lost.
    if body.is_empty() || head.method == Method::HEAD {
        return match &web.upstream {
            Some(_) if query.has("machineid") && head.uri.path().ends_with("communication.php") => {
                // That script takes a name without a value for a request too.
                let refused = DispatchError::BadRequest("machineid is empty");
                error::rest(&refused, "", &line)
            }
            Some(_) if repeats(head.uri.query(), &["action", "machineid"]) => {
                // A PHP that takes fewer parameters would see an earlier one.
                let refused = DispatchError::BadRequest("action or machineid is repeated");
                error::rest(&refused, "", &line)
            }
            Some(upstream) => forward::pass(upstream, head, Body::empty(), &line).await,
            None => FOR_PEOPLE.into_response(),
        };
    }
    line.speaks(Dialect::Xml(declared(&head.headers)));
    signed(dispatcher, message::answer(&web, head, body, &line).await)
}

/// Whether the query has one of these parameters more than once.
fn repeats(query: Option<&str>, names: &[&str]) -> bool {
    let pairs = query.unwrap_or_default().split('&');
    let pairs: Vec<Query> = pairs
        .filter_map(|pair| Query::parse(pair, &query::Limits::default()).ok())
        .collect();
    names
        .iter()
        .any(|name| pairs.iter().filter(|pair| pair.has(name)).count() > 1)
}

/// The header by which the plugin signs what comes from its main address.
fn signed(dispatcher: &Dispatcher, mut response: Response) -> Response {
    if let Some(version) = dispatcher.plugin_version()
        && let Ok(value) = HeaderValue::from_str(&format!("glpi/fusioninventory {version}"))
    {
        response.headers_mut().insert("server-type", value);
    }
    response
}

async fn rest(
    dispatcher: &Dispatcher,
    query: &Query,
    approach: &Approach,
    line: &LineFields,
) -> Response {
    let answer = match (query.get("action"), query.get("machineid")) {
        (Some("getConfig"), Some(machineid)) => {
            dispatcher
                .get_config(machineid, &query.keys("task"), approach)
                .await
        }
        (Some(_), Some(_)) => Err(DispatchError::BadRequest("unknown action")),
        _ => Err(DispatchError::BadRequest(
            "action and machineid must be plain text",
        )),
    };
    match answer {
        Ok(config) => Json(config).into_response(),
        Err(failed) => error::rest(&failed, "", line),
    }
}

/// The coding that a Content-Type declares, for errors before the body was seen.
fn declared(headers: &HeaderMap) -> Coding {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(envelope::declared)
        .unwrap_or(Coding::Plain)
}
