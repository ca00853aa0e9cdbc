//! XML messages: read, and answered by what their QUERY says.

use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE, USER_AGENT};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use super::error::Dialect;
use super::forward::Head;
use super::keep::{self, Kept};
use super::routes::{Limits, Web};
use super::stack::LineFields;
use super::{error, forward};
use crate::dispatch::DispatchError;
use crate::dispatch::contact::Hello;
use crate::dispatch::network::{NetworkMessage, NetworkQuery, Taken};
use crate::dispatch::prolog::Welcome;
use crate::domain::delivery::kinds::{Kind, Target, Way, way, way_without_spool};
use crate::proto::charset::to_utf8;
use crate::proto::envelope::{Coding, OpenError, Opened, open};
use crate::proto::network::{self, Report};
use crate::proto::relayed::{reads_alike, relayed_as};
use crate::proto::xml::{Element, Reply, Request, XmlError, judge_request};
use crate::telemetry::metrics::BODY_BYTES;
use crate::upstream::What;

/// Messages up to this size, packed and unpacked, are read where they arrive, bytes: a PROLOG has some hundred.
const SMALL: usize = 4 * 1024;

/// The message that asks for orders. One that the plugin does not know is answered as this one (10.0.6+1.1), behind a line of text
/// that makes PHP's answer no XML; that line is not imitated.
const PROLOG: &str = "PROLOG";

/// The message that holds a computer's inventory.
const INVENTORY: &str = "INVENTORY";

/// A message as it is understood.
struct Message {
    request: Request,
    /// The content type under which PHP finds the same fields, if it does.
    clear: Option<&'static str>,
    /// What it says of a run, if it is about one.
    report: Report,
    /// It is a full inventory, if it is one.
    full: bool,
    /// Coding of the answer.
    coding: Coding,
}

/// Why a message is not understood.
enum Unreadable {
    Packed(OpenError),
    Xml(XmlError, Coding),
    /// The thread that read it is gone.
    Gone,
}

/// Answers the message in `body`.
pub(super) async fn answer(web: &Web, head: Head, body: Bytes, line: &LineFields) -> Response {
    metrics::histogram!(BODY_BYTES).record(u32::try_from(body.len()).unwrap_or(u32::MAX));
    let message = match read(web, &head, body.clone()).await {
        Ok(message) => message,
        Err(Unreadable::Packed(failed)) => return error::unpacked(&failed, line),
        Err(Unreadable::Xml(failed, coding)) => return error::unparsed(&failed, coding, line),
        Err(Unreadable::Gone) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    };
    let Message {
        request,
        clear,
        report,
        full,
        coding,
    } = message;
    line.speaks(Dialect::Xml(coding));
    request.query.as_deref().inspect(|query| line.query(query));
    request
        .device_id
        .as_deref()
        .inspect(|device_id| line.agent(device_id));
    match web.dispatcher.requires_ssl().await {
        Ok(true) if !head.client.https => {
            line.error("ssl-required");
            return error::xml_text(StatusCode::OK, "SSL REQUIRED BY SERVER", coding);
        }
        Ok(_) => {}
        Err(failed) => return error::xml(&failed, coding, line),
    }
    let Some(device_id) = request.device_id.as_deref() else {
        let missing = DispatchError::BadRequest("DEVICEID is missing");
        return error::xml(&missing, coding, line);
    };
    let useragent = head
        .headers
        .get(USER_AGENT)
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let hello = Hello {
        device_id,
        token: request.token.as_deref(),
        useragent: useragent.as_deref(),
    };
    let query = request.query.as_deref();
    let about = query.and_then(NetworkQuery::parse);
    if about.is_none() && query != Some(INVENTORY) {
        let mut told = None;
        if query != Some(PROLOG) {
            line.error("unknown-query");
            told = query.or(Some("")).zip(version(&request));
        }
        return match web.dispatcher.prolog(&hello, told).await {
            Ok(welcome) => error::xml_reply(&reply(welcome), coding),
            Err(failed) => error::xml(&failed, coding, line),
        };
    }
    let bound = Bound {
        hello,
        request: &request,
        about,
        report,
        full,
        clear,
        coding,
    };
    for_glpi(web, head, body, bound, line).await
}

/// A message that GLPI is to have a part in.
struct Bound<'a> {
    hello: Hello<'a>,
    request: &'a Request,
    /// The task that it reports of; none is an inventory.
    about: Option<NetworkQuery>,
    report: Report,
    full: bool,
    clear: Option<&'static str>,
    coding: Coding,
}

/// Sends a message the way that it has to go.
async fn for_glpi(
    web: &Web,
    mut head: Head,
    body: Bytes,
    bound: Bound<'_>,
    line: &LineFields,
) -> Response {
    let Bound {
        hello,
        request,
        about,
        report,
        full,
        clear,
        coding,
    } = bound;
    let kind = match about {
        None => Kind::Inventory,
        Some(_) if report.has_devices() => Kind::Devices,
        Some(_) => Kind::Bounds,
    };
    let target = web.target();
    let way = match &web.intake {
        Some(_) => way(kind, target),
        None => way_without_spool(kind, target),
    };
    let relayed = !matches!(way, Way::Here | Way::Refuse);
    if relays(web) && clear.is_none() {
        line.error("xml-ambiguous");
        let text = "the message can be read in more than one way";
        return error::xml_text(StatusCode::BAD_REQUEST, text, coding);
    }
    let message = about.map(|query| NetworkMessage {
        hello,
        query,
        process_number: request.process_number.as_deref(),
        version: version(request),
        report,
    });
    if relayed {
        let admitted = match &message {
            Some(message) => web.dispatcher.owns_run(message).await,
            None => web
                .dispatcher
                .admit_inventory(&hello)
                .await
                .map(|()| Taken::Own),
        };
        match admitted {
            Ok(Taken::Own) => {}
            Ok(Taken::Foreign) => return error::xml_reply(&Reply::new(), coding),
            Err(failed) => return error::xml(&failed, coding, line),
        }
    }
    // The agent's own bytes, in its own coding; PHP compares the type to the letter, and a coding would be undone on the way.
    if let Some(kind) = clear {
        head.headers
            .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        head.headers.remove(CONTENT_ENCODING);
    }
    let mut answer = error::xml_reply(&Reply::new(), coding);
    match (way, &web.intake, &web.upstream) {
        (Way::Here, ..) => {}
        (Way::Spool | Way::SpoolAndHere, Some(intake), _) => {
            let run = (way == Way::Spool)
                .then_some(request.process_number.as_deref())
                .flatten();
            let kept = Kept {
                query: about,
                device: hello.device_id,
                run: run.and_then(|number| number.trim().parse().ok()),
                full,
            };
            if let Err(refused) = keep::keep(web, intake, &head, &kept, body, coding, line).await {
                return refused;
            }
        }
        (Way::Forward | Way::ForwardAndHere, _, Some(upstream)) => {
            match forward::ask(upstream, head, What::Message, body.into()).await {
                Ok(response) => answer = response,
                Err(failed) => return forward::no_answer_xml(&failed, coding, line),
            }
        }
        _ => {
            line.error("no-upstream");
            let text = "only GLPI can take this message, and no upstream is configured";
            return error::xml_text(StatusCode::SERVICE_UNAVAILABLE, text, coding);
        }
    }
    // What PHP would note of it, where it is not the plugin that takes it.
    let noted = match (&message, way) {
        (Some(message), Way::Here | Way::SpoolAndHere | Way::ForwardAndHere) => {
            web.dispatcher.network_result(message).await.map(drop)
        }
        (None, _) if target == Target::Native => {
            let told = version(request);
            web.dispatcher.heard_inventory(&hello, told).await
        }
        _ => Ok(()),
    };
    match noted {
        Ok(()) => answer,
        Err(failed) => error::xml(&failed, coding, line),
    }
}

/// Whether messages go on to somebody else, now or later.
const fn relays(web: &Web) -> bool {
    web.upstream.is_some() || web.intake.is_some()
}

/// Reads the message in `body`.
async fn read(web: &Web, head: &Head, body: Bytes) -> Result<Message, Unreadable> {
    let Limits {
        max_inflated,
        xml: limits,
        ..
    } = web.limits;
    let kind = head.headers.get(CONTENT_TYPE);
    let repeated = head.headers.get_all(CONTENT_TYPE).iter().nth(1).is_some();
    let kind = kind
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let relays = relays(web);
    let understand = move |opened: &Opened, body: &[u8]| {
        let coding = opened.answer;
        let text = to_utf8(&opened.body);
        let (request, clear) =
            judge_request(&text, &limits).map_err(|failed| Unreadable::Xml(failed, coding))?;
        let clear =
            (clear && relays && !repeated && reads_alike(&opened.body, &text, &request, &limits))
                .then(|| relayed_as(opened, body, max_inflated))
                .flatten();
        let about_run = request.query.as_deref().and_then(NetworkQuery::parse);
        let report = about_run.map(|_| network::read(&text)).unwrap_or_default();
        // Every full inventory has it, and none of a part or of devices.
        let full = about_run.is_none() && text.contains("<HARDWARE>");
        Ok(Message {
            request,
            clear,
            report,
            full,
            coding,
        })
    };
    // Inflating and parsing are work for the processor: a message that is large, packed or not, must not hold up the others of its thread.
    if body.len() <= SMALL
        && let Ok(opened) = open(kind.as_deref(), &body, max_inflated.min(SMALL))
    {
        return understand(&opened, &body);
    }
    // The others wait for a place as long as a request may take.
    let read = web.unpacking.run(move || {
        let opened = open(kind.as_deref(), &body, max_inflated).map_err(Unreadable::Packed);
        opened.and_then(|opened| understand(&opened, &body))
    });
    read.await.unwrap_or(Err(Unreadable::Gone))
}

/// The version that an agent reports in a message: of the task, else its own.
fn version(request: &Request) -> Option<&str> {
    let own = request.version_client.as_deref();
    let own = own.map(|name| name.strip_prefix("FusionInventory-Agent_").unwrap_or(name));
    request.module_version.as_deref().or(own)
}

/// The elements of a PROLOG's answer; their order is what agents know.
fn reply(welcome: Welcome) -> Reply {
    let mut reply = welcome.orders.into_iter().fold(Reply::new(), Reply::child);
    if welcome.inventory {
        reply = reply.child(Element::new("RESPONSE").text("SEND"));
    }
    reply.child(Element::new("PROLOG_FREQ").text(welcome.frequency))
}
