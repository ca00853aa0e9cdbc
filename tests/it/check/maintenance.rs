//! GLPI in maintenance, or without its plugin: agents are put off, and served again without anybody doing anything to the sidecar.

use std::time::Duration;

use fusion_sidecar::proto::envelope::Coding;

use super::DEVICE;
use crate::support::agent::{Answer, prolog};
use crate::support::app::{self, TestApp};
use crate::support::database::fresh;
use crate::support::site::CLOSED;
use crate::support::until::until;

/// Status of one REST request, and status and text of one XML message.
async fn answers(app: &TestApp) -> (u16, u16, String) {
    let rest = app
        .get(&format!(
            "/?action=getConfig&machineid={DEVICE}&task[Deploy]=2.8"
        ))
        .await;
    let xml = contact(app).await;
    (rest.status, xml.status, xml.text())
}

async fn contact(app: &TestApp) -> Answer {
    app.post(&prolog(DEVICE), Coding::Plain).await
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_are_put_off_and_served_again_by_itself() {
    let app =
        app::start(|settings| settings.dispatch.catalogue_refresh = Duration::from_millis(100))
            .await;
    assert_eq!(contact(&app).await.status, 200);
    for (close, open, reason) in CLOSED {
        app.db.exec(close).await;
        let closed = async || {
            let (rest, xml, reply) = answers(&app).await;
            let told = reply.contains(&format!("<ERROR>{reason}</ERROR>"));
            rest == 503 && xml == 503 && told
        };
        until(close, closed).await;
        app.db.exec(open).await;
        let opened = async || {
            let (rest, xml, reply) = answers(&app).await;
            rest == 200 && xml == 200 && reply.contains("<PROLOG_FREQ>")
        };
        until(open, opened).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_starts_while_glpi_is_closed() {
    let db = fresh().await;
    db.exec(CLOSED[0].0).await;
    let app = app::start_on(db, |_| {}).await;
    assert_eq!(contact(&app).await.status, 503);
    let agents: Vec<u32> = app
        .db
        .rows("SELECT COUNT(*) FROM glpi_plugin_fusioninventory_agents")
        .await;
    assert_eq!(agents, [0], "who is put off is not registered");
    app.db.exec(CLOSED[0].1).await;
    assert_eq!(contact(&app).await.status, 200);
}
