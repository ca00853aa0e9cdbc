//! The plugin's main address: XML messages, getConfig, and people who lost their way.

use axum::Json;
use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, USER_AGENT};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use super::client::Client;
use super::request::Get;
use super::routes::{Limits, Web};
use super::stack::{AgentBody, BodyRejection, LineFields};
use super::{error, forward};
use crate::dispatch::contact::Hello;
use crate::dispatch::network::{NetworkMessage, NetworkQuery, Taken};
use crate::dispatch::prolog::Welcome;
use crate::dispatch::{Approach, DispatchError, Dispatcher};
use crate::proto::charset::to_utf8;
use crate::proto::envelope::{Coding, open};
use crate::proto::network;
use crate::proto::query::Query;
use crate::proto::xml::{Element, Reply, Request, parse_request};

/// What a person's browser is told.
const FOR_PEOPLE: &str =
    "This is an address for FusionInventory agents. GLPI's own pages are in GLPI.\n";

/// A request to the main address: a query with `action` and `machineid`, neither empty, is REST, else a body is XML, else it is a person.
pub async fn main(
    State(web): State<Web>,
    client: Client,
    approach: Approach,
    line: LineFields,
    (method, uri, headers): (Method, Uri, HeaderMap),
    Get(query): Get,
    body: Result<AgentBody, BodyRejection>,
) -> Response {
    if !matches!(method, Method::GET | Method::HEAD | Method::POST) {
        return error::wrong_method();
    }
    let dispatcher = &web.dispatcher;
    let given = |name| query.has(name) && query.get(name) != Some("");
    if given("action") && given("machineid") {
        return signed(dispatcher, rest(dispatcher, &query, &approach, &line).await);
    }
    let body = match body {
        Ok(AgentBody(body)) => body,
        Err(rejection) => return error::unread(rejection, declared(&headers), &line),
    };
    if body.is_empty() {
        return match &web.upstream {
            Some(upstream) => {
                forward::pass(
                    upstream,
                    client,
                    &approach,
                    &method,
                    &uri,
                    headers,
                    body.into(),
                    &line,
                )
                .await
            }
            None => FOR_PEOPLE.into_response(),
        };
    }
    let message = Message {
        client,
        approach: &approach,
        method: &method,
        uri: &uri,
        headers,
    };
    signed(dispatcher, message.answer(&web, body, &line).await)
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
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    [Coding::Zlib, Coding::Gzip]
        .into_iter()
        .find(|coding| kind.starts_with(coding.content_type()))
        .unwrap_or(Coding::Plain)
}

/// The message that asks for orders. One that the plugin does not know is answered as this one (10.0.6+1.1), behind a line of text
/// that makes PHP's answer no XML; that line is not imitated.
const PROLOG: &str = "PROLOG";

/// The message that holds a computer's inventory.
const INVENTORY: &str = "INVENTORY";

/// An XML message on its way.
struct Message<'a> {
    client: Client,
    approach: &'a Approach,
    method: &'a Method,
    uri: &'a Uri,
    headers: HeaderMap,
}

impl Message<'_> {
    async fn answer(self, web: &Web, body: Bytes, line: &LineFields) -> Response {
        let Read {
            request,
            report,
            coding,
        } = match self.read(web, &body).await {
            Ok(read) => read,
            Err(Unreadable::Packed(failed)) => return error::unpacked(&failed, line),
            Err(Unreadable::Xml(failed, coding)) => return error::unparsed(&failed, coding, line),
            Err(Unreadable::Gone) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        };
        request.query.as_deref().inspect(|query| line.query(query));
        request
            .device_id
            .as_deref()
            .inspect(|device_id| line.agent(device_id));
        match web.dispatcher.requires_ssl().await {
            Ok(true) if !self.client.https => {
                line.error("ssl-required");
                return error::xml_text(StatusCode::OK, "SSL REQUIRED BY SERVER", coding);
            }
            Ok(_) => {}
            Err(failed) => return error::xml(&failed, coding, line),
        }
        let Some(device_id) = request.device_id.as_deref().filter(|id| !id.is_empty()) else {
            line.error("no-device-id");
            return error::xml_text(StatusCode::OK, "DEVICEID is missing", coding);
        };
        let useragent = self
            .headers
            .get(USER_AGENT)
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let hello = Hello {
            device_id,
            token: request.token.as_deref(),
            useragent: useragent.as_deref(),
        };
        let network = request.query.as_deref().and_then(NetworkQuery::parse);
        let imported = network.is_some() || request.query.as_deref() == Some(INVENTORY);
        if !imported {
            if request.query.as_deref() != Some(PROLOG) {
                line.error("unknown-query");
            }
            return match web.dispatcher.prolog(&hello).await {
                Ok(welcome) => error::xml_reply(&reply(welcome), coding),
                Err(failed) => error::xml(&failed, coding, line),
            };
        }
        if let Some(query) = network {
            let message = NetworkMessage {
                hello,
                query,
                process_number: request.process_number.as_deref(),
                version: version(&request),
                report: report.unwrap_or_default(),
            };
            let taken = match &web.upstream {
                // PHP moves the run and writes its log when it imports; nothing is done twice.
                Some(_) => web.dispatcher.owns_run(&message).await,
                None => web.dispatcher.network_result(&message).await,
            };
            match (taken, &web.upstream) {
                (Err(failed), _) => return error::xml(&failed, coding, line),
                (Ok(Taken::Foreign), _) | (Ok(Taken::Own), None) => {
                    return error::xml_reply(&Reply::new(), coding);
                }
                (Ok(Taken::Own), Some(_)) => {}
            }
        }
        // What GLPI's rule engine imports: the agent's own bytes, in its own coding.
        if let Some(upstream) = &web.upstream {
            return forward::pass(
                upstream,
                self.client,
                self.approach,
                self.method,
                self.uri,
                self.headers,
                body.into(),
                line,
            )
            .await;
        }
        line.error("no-upstream");
        error::xml_text(
            StatusCode::SERVICE_UNAVAILABLE,
            "only GLPI can take this message, and no upstream is configured",
            coding,
        )
    }

    async fn read(&self, web: &Web, body: &Bytes) -> Result<Read, Unreadable> {
        metrics::histogram!("fusion_sidecar_body_bytes")
            .record(u32::try_from(body.len()).unwrap_or(u32::MAX));
        let Limits {
            max_inflated,
            xml: limits,
            ..
        } = web.limits;
        let kind = self
            .headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        // Inflating and parsing are work for the processor: a large message must not hold up the others of its thread.
        let packed = body.clone();
        let work = move || {
            let opened =
                open(kind.as_deref(), &packed, max_inflated).map_err(Unreadable::Packed)?;
            let coding = opened.answer;
            let text = to_utf8(&opened.body);
            let request =
                parse_request(&text, &limits).map_err(|failed| Unreadable::Xml(failed, coding))?;
            let about_run = request.query.as_deref().and_then(NetworkQuery::parse);
            let report = about_run.map(|_| network::read(&text));
            Ok(Read {
                request,
                report,
                coding,
            })
        };
        if body.len() <= SMALL {
            work()
        } else {
            tokio::task::spawn_blocking(work)
                .await
                .unwrap_or(Err(Unreadable::Gone))
        }
    }
}

/// A message as far as it was read.
struct Read {
    request: Request,
    /// What it says of a network task's run.
    report: Option<network::Report>,
    /// Of the answer.
    coding: Coding,
}

/// The version that an agent reports in a message: of the task, else its own.
fn version(request: &Request) -> Option<&str> {
    let own = request.version_client.as_deref();
    let own = own.map(|name| name.strip_prefix("FusionInventory-Agent_").unwrap_or(name));
    request.module_version.as_deref().or(own)
}

/// Bodies up to this size are read where they arrive, bytes: a PROLOG has some hundred.
const SMALL: usize = 4 * 1024;

enum Unreadable {
    Packed(crate::proto::envelope::OpenError),
    Xml(crate::proto::xml::XmlError, Coding),
    /// The thread that read it is gone.
    Gone,
}

/// The elements of a PROLOG's answer; their order is what agents know.
fn reply(welcome: Welcome) -> Reply {
    let mut reply = welcome.orders.into_iter().fold(Reply::new(), Reply::child);
    if welcome.inventory {
        reply = reply.child(Element::new("RESPONSE").text("SEND"));
    }
    reply.child(Element::new("PROLOG_FREQ").text(welcome.frequency))
}
