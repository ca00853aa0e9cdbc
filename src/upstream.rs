//! PHP: requests passed to it while the client waits, and messages from the spool.

mod place;
mod post;
mod progress;

pub mod api;

use std::error::Error;
use std::net::IpAddr;
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderName, TRANSFER_ENCODING};
use axum::http::{HeaderMap, HeaderValue, Method, Response};
use url::Url;

use crate::config::PluginBase;
pub use place::Place;
pub use post::{Answered, Posted, QUESTION, SIGNATURE};
use progress::{Noted, Progress, within};

/// Longest wait for a connection to PHP.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Headers that concern one connection only (RFC 9110, 7.6.1), beside those that `Connection` names.
const HOP_BY_HOP: [&str; 7] = [
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "upgrade",
];

/// Headers in which a proxy speaks of its client, beside all that begin with one of [`CLAIM_FAMILIES`]: PHP and GLPI believe some of them.
/// `Proxy` would become PHP's `HTTP_PROXY`, which its HTTP clients obey.
const CLAIMS: [&str; 17] = [
    "cf-connecting-ip",
    "client-ip",
    "fastly-client-ip",
    "forwarded",
    "forwarded-for",
    "front-end-https",
    "https",
    "proxy",
    "true-client-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-host",
    "x-real-ip",
    "x-remote-addr",
    "x-rewrite-url",
    "x-scheme",
    "x-url-scheme",
];

/// How the names of whole families of such headers begin.
const CLAIM_FAMILIES: [&str; 2] = ["x-forwarded", "x-original-"];

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Chooses the cryptography that every TLS connection of this process uses, both ways; without a choice reqwest panics. Done more than once
/// it changes nothing.
pub fn install_crypto() {
    // An error says that it is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A client as everything here needs it: straight to the named host, no redirect followed, no long wait for a connection.
pub fn client() -> reqwest::ClientBuilder {
    install_crypto();
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
}

/// GLPI's PHP.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// What is in memory, to which PHP answers in time or not.
    client: reqwest::Client,
    /// What may take as long as it gets on.
    streaming: reqwest::Client,
    place: Place,
    timeout: Duration,
}

/// What is passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What<'a> {
    /// An agent's message; it goes without a query.
    Message,
    /// A request to the plugin's own pages, with its query.
    Page(Option<&'a str>),
}

/// A request to be passed on.
#[derive(Debug)]
pub struct Passed<'a> {
    /// The client's address.
    pub client: IpAddr,
    /// It came over HTTPS.
    pub https: bool,
    /// Its method.
    pub method: Method,
    /// What stands behind the prefix.
    pub path: &'a str,
    /// What it is.
    pub what: What<'a>,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Body,
}

/// Why PHP gave no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpstreamError {
    /// It never received the request.
    #[error("GLPI cannot be reached: {0}")]
    Unreachable(String),
    /// It may have received the request, and did not answer in time.
    #[error("GLPI did not answer in time")]
    TimedOut,
    /// It may have received the request, and the connection broke.
    #[error("the connection to GLPI broke: {0}")]
    Broken(String),
    /// The client did not send its whole body, or not in time; it was passed on up to there.
    #[error("the request's body broke off")]
    BrokenOff,
}

impl UpstreamError {
    /// A stable short word for logs and metrics.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "upstream-unreachable",
            Self::TimedOut => "upstream-timeout",
            Self::Broken(_) => "upstream-broken",
            Self::BrokenOff => "body-broken",
        }
    }
}

impl From<reqwest::Error> for UpstreamError {
    fn from(error: reqwest::Error) -> Self {
        let first: &(dyn Error + 'static) = &error;
        let mut causes = std::iter::successors(Some(first), |&error| error.source());
        if causes.any(<dyn Error>::is::<axum::Error>) {
            Self::BrokenOff
        } else if error.is_connect() && error.is_timeout() {
            Self::Unreachable(format!(
                "no connection within {} s",
                CONNECT_TIMEOUT.as_secs()
            ))
        } else if error.is_connect() {
            Self::Unreachable(innermost(&error.without_url()))
        } else if error.is_timeout() {
            Self::TimedOut
        } else {
            Self::Broken(innermost(&error.without_url()))
        }
    }
}

/// The innermost reason, which is what an admin can act on: "connection refused", "certificate expired", "name not known".
#[must_use]
pub fn innermost(error: &reqwest::Error) -> String {
    let causes = std::iter::successors(error.source(), |&error| error.source());
    causes
        .last()
        .map_or_else(|| error.to_string(), ToString::to_string)
}

impl Upstream {
    /// PHP at `glpi`, see [`Place::of`]; `timeout` is the longest wait for an answer to begin, and the longest time in which a body may not
    /// get on.
    ///
    /// # Errors
    ///
    /// When TLS cannot be set up.
    pub fn new(
        glpi: &Url,
        plugin_base: Option<PluginBase>,
        timeout: Duration,
    ) -> Result<Self, reqwest::Error> {
        Ok(Self {
            client: client().read_timeout(timeout).build()?,
            streaming: client().build()?,
            place: Place::of(glpi, plugin_base),
            timeout,
        })
    }

    /// Passes a request on and its answer back; bodies are streamed, and pass as they are.
    ///
    /// The client's address and scheme and the host that it named go along; what the request's headers claim about these, or about
    /// proxies on its way, does not.
    ///
    /// # Errors
    ///
    /// When PHP gives no answer.
    pub async fn pass(&self, request: Passed<'_>) -> Result<Response<Body>, UpstreamError> {
        let Passed {
            client,
            https,
            method,
            path,
            what,
            mut headers,
            body,
        } = request;
        let target = match what {
            What::Message => self.place.of_message(path),
            What::Page(query) => self.place.of_page(path, query),
        };
        strip(&mut headers);
        disclaim(&mut headers);
        forwarded(&mut headers, client, https);
        // A length that is known is said: PHP behind some servers does not take chunks.
        if let Some(length) = body.size_hint().exact() {
            headers.insert(CONTENT_LENGTH, length.into());
        }
        let (client, progress) = match what {
            What::Message => (&self.client, None),
            // An upload takes its time, and the answer begins after it.
            What::Page(_) => (&self.streaming, Some(Progress::new())),
        };
        let request = client.request(method, target).headers(headers);
        let pieces = body.into_data_stream();
        let Some(progress) = progress else {
            let body = reqwest::Body::wrap_stream(pieces);
            let mut response = Response::from(request.body(body).send().await?).map(Body::new);
            strip(response.headers_mut());
            return Ok(response);
        };
        let noted = Noted {
            body: pieces,
            progress: progress.clone(),
        };
        let request = request.body(reqwest::Body::wrap_stream(noted));
        let answer = tokio::select! {
            answer = request.send() => answer?,
            () = progress.stalls(self.timeout) => return Err(UpstreamError::TimedOut),
        };
        let timeout = self.timeout;
        let mut response: Response<Body> =
            Response::from(answer).map(|body| within(Body::new(body).into_data_stream(), timeout));
        strip(response.headers_mut());
        Ok(response)
    }

    /// The plugin's address at PHP.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.place.plugin
    }

    /// Where it is.
    #[must_use]
    pub const fn place(&self) -> &Place {
        &self.place
    }
}

/// Says of the client what only we can: its address, its scheme, and the host that it named.
fn forwarded(headers: &mut HeaderMap, client: IpAddr, https: bool) {
    if let Some(host) = headers.remove(HOST) {
        headers.insert(FORWARDED_HOST, host);
    }
    if let Ok(address) = HeaderValue::from_str(&client.to_string()) {
        headers.insert(FORWARDED_FOR, address);
    }
    headers.insert(
        FORWARDED_PROTO,
        HeaderValue::from_static(if https { "https" } else { "http" }),
    );
}

/// Removes what concerns one connection only.
fn strip(headers: &mut HeaderMap) {
    let named: Vec<String> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .filter(|name| *name != CONTENT_LENGTH.as_str())
        .collect();
    for name in named.iter().map(String::as_str).chain(HOP_BY_HOP) {
        headers.remove(name);
    }
    headers.remove(CONNECTION);
    headers.remove(TRANSFER_ENCODING);
}

/// Removes what only a proxy may say, what is settled between the client and us, and names that servers of PHP would turn into the
/// variable of another header.
fn disclaim(headers: &mut HeaderMap) {
    let removed: Vec<HeaderName> = headers
        .keys()
        .filter(|name| {
            let name = name.as_str();
            *name == EXPECT
                || CLAIMS.contains(&name)
                || CLAIM_FAMILIES.iter().any(|family| name.starts_with(family))
                || !name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
        .cloned()
        .collect();
    for name in removed {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_made_without_a_provider_of_tls_for_the_process() {
        let glpi = "https://glpi.example/glpi/".parse().unwrap();
        let upstream =
            Upstream::new(&glpi, Some(PluginBase::Marketplace), CONNECT_TIMEOUT).unwrap();
        assert_eq!(
            upstream.address(),
            "https://glpi.example/glpi/marketplace/fusioninventory"
        );
    }

    #[test]
    fn connections_keep_their_headers_to_themselves() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Mine"),
            ("x-mine", "1"),
            ("te", "deflate"),
            ("transfer-encoding", "chunked"),
            ("content-type", "application/xml"),
            ("content-length", "3"),
        ] {
            headers.append(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        strip(&mut headers);
        let left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(left, ["content-type", "content-length"]);
    }
}
