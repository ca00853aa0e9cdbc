//! Messages from the spool: handed to PHP whole, and its answer read whole.

use std::net::IpAddr;
use std::time::Duration;

use axum::http::header::{CONTENT_TYPE, HOST, HeaderName, RETRY_AFTER, USER_AGENT};
use axum::http::{HeaderMap, HeaderValue, Method};
use bytes::{Bytes, BytesMut};

use super::{Upstream, UpstreamError, forwarded};

/// A question to the plugin's main address that changes nothing: the configuration of an agent that is none. Where the query is missing the
/// plugin sends people to its pages, without a signature.
pub const QUESTION: &str = "action=getConfig&machineid=fusion-sidecar-check";

/// Header and beginning of its value by which the plugin signs what comes from its main address.
pub const SIGNATURE: (&str, &str) = ("server-type", "glpi/fusioninventory");

/// A message to be handed to PHP.
#[derive(Debug, Clone)]
pub struct Posted {
    /// The agent's address.
    pub client: IpAddr,
    /// It came over HTTPS.
    pub https: bool,
    /// The host that the agent named.
    pub host: Option<String>,
    /// What stood behind the prefix.
    pub path: String,
    /// Content type, under which PHP finds the same as was read here.
    pub content_type: Option<String>,
    /// Name of the agent.
    pub user_agent: Option<String>,
    /// Other headers that matter.
    pub headers: Vec<(String, String)>,
    /// The agent's own bytes.
    pub body: Bytes,
}

/// PHP's whole answer.
#[derive(Debug, Clone)]
pub struct Answered {
    /// Its status.
    pub status: u16,
    /// Seconds in its Retry-After.
    pub retry_after: Option<Duration>,
    /// Its content type.
    pub content_type: Option<String>,
    /// Its body, cut off at the bound that was given.
    pub body: Bytes,
}

impl Upstream {
    /// Hands a message to PHP and waits for its answer, of which at most `most` bytes are read, for `longest`.
    ///
    /// # Errors
    ///
    /// When PHP gives no whole answer.
    pub async fn post(
        &self,
        posted: Posted,
        longest: Duration,
        most: usize,
    ) -> Result<Answered, UpstreamError> {
        let target = self.place.of_message(&posted.path);
        let mut headers = HeaderMap::new();
        for (name, value) in &posted.headers {
            if let (Ok(name), Ok(value)) = (
                HeaderName::from_bytes(name.as_bytes()),
                HeaderValue::from_str(value),
            ) {
                headers.append(name, value);
            }
        }
        let known = [
            (CONTENT_TYPE, posted.content_type),
            (USER_AGENT, posted.user_agent),
            (HOST, posted.host),
        ];
        for (name, value) in known {
            if let Some(value) =
                value.and_then(|value| HeaderValue::from_bytes(value.as_bytes()).ok())
            {
                headers.insert(name, value);
            }
        }
        forwarded(&mut headers, posted.client, posted.https);
        let asking = async {
            let answer = self
                .streaming
                .request(Method::POST, target)
                .headers(headers)
                .body(posted.body)
                .send()
                .await?;
            whole(answer, most).await
        };
        let answered = tokio::time::timeout(longest, asking).await;
        answered.unwrap_or(Err(UpstreamError::TimedOut))
    }

    /// Asks PHP whether it is there, by a question that changes nothing; within `longest`.
    ///
    /// # Errors
    ///
    /// Why it is not, for people.
    pub async fn ask(&self, longest: Duration) -> Result<(), String> {
        let target = match &self.place.native {
            Some(native) => native.clone(),
            None => self.place.of_page("/", Some(QUESTION)),
        };
        let asking = async { self.streaming.get(target).send().await };
        let answer = match tokio::time::timeout(longest, asking).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(UpstreamError::from(error).to_string()),
            Err(_) => return Err(UpstreamError::TimedOut.to_string()),
        };
        let status = answer.status();
        if status.is_server_error() || status.is_redirection() {
            return Err(format!("GLPI answers with status {}", status.as_u16()));
        }
        // To the reader itself a question by GET is none of these, whatever else it says to it.
        if self.place.is_native() && matches!(status.as_u16(), 401 | 403 | 404) {
            return Err(format!(
                "what answers is not GLPI's own reader (status {})",
                status.as_u16()
            ));
        }
        let signature = answer.headers().get(SIGNATURE.0);
        let signed = signature
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.starts_with(SIGNATURE.1));
        // GLPI's own reader does not sign, and only takes POST.
        if signed || self.place.is_native() {
            Ok(())
        } else {
            Err("what answers is not the plugin".to_owned())
        }
    }
}

async fn whole(mut answer: reqwest::Response, most: usize) -> Result<Answered, UpstreamError> {
    let status = answer.status().as_u16();
    let text = |name| {
        let value = answer.headers().get(name)?;
        value.to_str().ok().map(str::to_owned)
    };
    let seconds = text(RETRY_AFTER).and_then(|text| text.trim().parse().ok());
    let content_type = text(CONTENT_TYPE);
    let mut body = BytesMut::new();
    while let Some(piece) = answer.chunk().await? {
        let room = most.saturating_sub(body.len());
        body.extend_from_slice(piece.get(..room).unwrap_or(&piece));
        if body.len() >= most {
            break;
        }
    }
    Ok(Answered {
        status,
        retry_after: seconds.map(Duration::from_secs),
        content_type,
        body: body.freeze(),
    })
}
