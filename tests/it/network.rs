//! Network tasks through the front door: orders in a PROLOG's answer, and what agents report of them.

#[path = "network/orders.rs"]
mod orders;
#[path = "network/results.rs"]
mod results;
#[path = "network/upstream.rs"]
mod upstream;

use fusion_sidecar::domain::policy::Policy;
use fusion_sidecar::proto::envelope::{Coding, open};

use crate::support::app::TestApp;
use crate::support::network::{RANGE, SWITCH, site};

/// What a message says that is taken and has no answer.
const EMPTY: &str = "<REPLY>\n</REPLY>";

/// Run 1 discovers range 1, run 2 queries switch 1, for agent 1; both were sent.
pub(crate) async fn under_way(policy: Policy) -> TestApp {
    let app = site(policy).await;
    prepare(&app).await;
    app.db.put(1, 1).await;
    app.db.put(2, 1).await;
    app
}

async fn prepare(app: &TestApp) {
    app.db.community(1, 2, "public").await;
    app.db.range(1, "10.0.0.1", "10.0.0.9", &[1]).await;
    app.db.device(SWITCH, 1, "10.0.0.1", 1).await;
    app.db.job(2, "networkdiscovery", RANGE, &[1]).await;
    app.db.job(3, "networkinventory", SWITCH, &[1]).await;
    app.db.run_on(1, 2, RANGE, 1).await;
    app.db.run_on(2, 3, SWITCH, 1).await;
}

/// A message of `agent` about a run.
pub(crate) fn message(agent: &str, query: &str, run: &str, content: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\n<REQUEST><CONTENT>{content}<MODULEVERSION>4.2</MODULEVERSION>\
         <PROCESSNUMBER>{run}</PROCESSNUMBER></CONTENT><DEVICEID>{agent}</DEVICEID><QUERY>{query}</QUERY></REQUEST>"
    )
}

/// Sends a message; the answer must be empty.
pub(crate) async fn tell(app: &TestApp, xml: &str) {
    let answer = app.post(xml, Coding::Zlib).await;
    assert_eq!(answer.status, 200, "{xml}");
    let opened = open(answer.header("content-type"), &answer.body, 1 << 20).unwrap();
    let text = String::from_utf8(opened.body).unwrap();
    assert!(text.trim_end().ends_with(EMPTY), "{xml}: {text}");
}

async fn discovered(app: &TestApp, content: &str) {
    tell(app, &message("wks-1", "NETDISCOVERY", "1", content)).await;
}

async fn queried(app: &TestApp, content: &str) {
    tell(app, &message("wks-1", "SNMPQUERY", "2", content)).await;
}

const START: &str = "<AGENT><AGENTVERSION>2.6-3</AGENTVERSION><START>1</START></AGENT>";
const END: &str = "<AGENT><END>1</END></AGENT>";
pub(crate) const DEVICE: &str = "<DEVICE><IP>10.0.0.1</IP><SNMPHOSTNAME>lab-switch</SNMPHOSTNAME><TYPE>NETWORKING</TYPE></DEVICE>";
const FAILED: &str = "<DEVICE><ERROR><ID>1</ID><MESSAGE>no response from host &lt;10.0.0.1&gt;</MESSAGE><TYPE>NETWORKING</TYPE></ERROR></DEVICE>";
