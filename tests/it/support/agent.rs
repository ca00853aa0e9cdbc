//! An agent's side of the conversation: requests over real HTTP, and what came back.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::http::{HeaderMap, Method};
use fusion_sidecar::proto::envelope::{self, Coding};
use serde_json::Value;

use super::app::TestApp;

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {:?}", self.text()))
    }

    /// A header, if it is there.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// Sends a request as it is: no redirect is followed, no header added but Host, Accept and Content-Length.
pub(crate) async fn send(
    method: Method,
    url: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> Answer {
    let mut request = client().request(method.clone(), url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if !matches!(method, Method::GET | Method::HEAD) {
        request = request.body(body);
    }
    let answer = request.send().await.unwrap();
    Answer {
        status: answer.status().as_u16(),
        headers: answer.headers().clone(),
        body: answer.bytes().await.unwrap().to_vec(),
    }
}

/// A client of this test's runtime: a connection must not outlive the runtime that drives it, so none is kept.
fn client() -> reqwest::Client {
    // The sidecar must set up its own TLS: no provider is installed for the process here.
    static TLS: OnceLock<rustls::ClientConfig> = OnceLock::new();
    let tls = TLS.get_or_init(|| {
        rustls::ClientConfig::builder_with_provider(Arc::new(
            rustls::crypto::ring::default_provider(),
        ))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth()
    });
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls.clone())
        .no_proxy()
        .pool_max_idle_per_host(0)
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(20))
        .build()
        .unwrap()
}

impl TestApp {
    /// GET of what stands behind the plugin's web directory.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        send(
            Method::GET,
            &format!("{}{path}", self.base_url()),
            &[],
            vec![],
        )
        .await
    }

    /// What getJobs of a back end answers to `query`.
    pub(crate) async fn jobs_of(&self, back_end: &str, query: &str) -> Value {
        let answer = self
            .get(&format!("/b/{back_end}/?action=getJobs&{query}"))
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// The tasks that getConfig names for an agent that asks for all three.
    pub(crate) async fn config(&self, agent: &str) -> Vec<String> {
        let answer = self
            .get(&format!(
                "/?action=getConfig&machineid={agent}&task[Deploy]=2.8&task[Collect]=2.7&task[ESX]=2.2"
            ))
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let config = answer.json();
        let schedule = config["schedule"].as_array().unwrap().iter();
        schedule
            .map(|entry| entry["task"].as_str().unwrap().to_owned())
            .collect()
    }

    /// The whole answer to getJobs of a deploy task of agent 2.6.
    pub(crate) async fn jobs(&self, agent: &str) -> Value {
        self.jobs_of("deploy", &format!("machineid={agent}&version=2.8"))
            .await
    }

    /// The runs that getJobs hands out, as the agent calls them.
    pub(crate) async fn handed_out(&self, agent: &str) -> Vec<String> {
        runs(&self.jobs(agent).await)
    }

    /// A request of the deploy back end that is always answered by `{}`.
    pub(crate) async fn tell(&self, query: &str) {
        let answer = self.get(&format!("/b/deploy/?{query}")).await;
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (200, "{}"),
            "{query}"
        );
    }

    /// A PROLOG; the answer's XML.
    pub(crate) async fn prolog(&self, agent: &str) -> String {
        let answer = self.post(&prolog(agent), Coding::Zlib).await;
        assert_eq!(answer.status, 200);
        let opened = envelope::open(answer.header("content-type"), &answer.body, 1 << 20).unwrap();
        String::from_utf8(opened.body).unwrap()
    }

    /// An XML message in `coding`; the answer as it came.
    pub(crate) async fn post(&self, xml: &str, coding: Coding) -> Answer {
        send(
            Method::POST,
            &format!("{}/", self.base_url()),
            &[
                ("content-type", coding.content_type()),
                ("user-agent", "FusionInventory-Agent_v2.6"),
            ],
            envelope::seal(xml, coding),
        )
        .await
    }
}

/// A PROLOG message.
pub(crate) fn prolog(agent: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<REQUEST><DEVICEID>{agent}</DEVICEID><QUERY>PROLOG</QUERY>\
         <TOKEN>12345678</TOKEN></REQUEST>"
    )
}

/// The runs of an answer to getJobs, one for each of its orders.
pub(crate) fn runs(answer: &Value) -> Vec<String> {
    let jobs = answer["jobs"].as_array().map(Vec::as_slice);
    jobs.unwrap_or_default()
        .iter()
        .map(|job| job["uuid"].as_str().unwrap().to_owned())
        .collect()
}
