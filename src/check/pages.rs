//! The pages for people: their listener, what they need of the database, and whether passwords come in the clear.

use std::io;

use tokio::net::TcpListener;

use super::Report;
use super::addresses::refusal;
use crate::config::Settings;
use crate::db::grants;
use crate::db::{Db, DbError};

const TOPIC: &str = "pages";

/// Before anything of the check listens.
pub(super) async fn listener(settings: &Settings, report: &mut Report) {
    let Some(web) = settings.web.listen else {
        return;
    };
    if let Some((name, other)) = settings.web_collides() {
        report.error(
            TOPIC,
            format!("--web-listen {web} is taken by --{name} {other}"),
            "name another address or port with --web-listen",
        );
        return;
    }
    match TcpListener::bind(web).await {
        Ok(_) => report.fine(TOPIC, format!("{web} is free")),
        // A sidecar that runs has it; its log says so if it is another program.
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            report.fine(TOPIC, format!("{web} is in use, by a sidecar if one runs"));
        }
        Err(error) => report.error(
            TOPIC,
            format!("cannot listen on {web}: {error}"),
            refusal(&error, "--web-listen"),
        ),
    }
    let server = &settings.server;
    if server.tls.is_none() && !web.ip().is_loopback() {
        if server.trusted_proxies.is_empty() {
            report.warning(
                TOPIC,
                format!("{web} is reached from elsewhere in plain HTTP: passwords can be read on their way"),
                "set --tls-cert and --tls-key, or listen on 127.0.0.1 behind a proxy with TLS that --trusted-proxies names",
            );
        } else {
            report.fine(
                TOPIC,
                format!("{web} speaks plain HTTP: see that only the proxy reaches it"),
            );
        }
    }
}

/// What the account may not do, with the statements that let it.
pub(super) async fn rights(settings: &Settings, db: &Db, account: &str, report: &mut Report) {
    if settings.web.listen.is_none() {
        return;
    }
    if let Err(error) = examine(db, account, report).await {
        report.error(TOPIC, error.to_string(), "see the database server's log");
    }
}

async fn examine(db: &Db, account: &str, report: &mut Report) -> Result<(), DbError> {
    let refused = db.refused_of(grants::for_pages()).await?;
    for grant in &refused {
        report.error(
            "grants",
            format!(
                "{} on {} is missing for the pages",
                grant.list(),
                grant.table
            ),
            grant.statement(db.name(), account),
        );
    }
    if refused.is_empty() {
        match db.lacks_for_pages().await? {
            Some(lacks) => report.error(
                "schema",
                lacks,
                "run fusion-sidecar migrate once, as a user who may CREATE tables",
            ),
            None => report.fine(
                "grants",
                format!(
                    "all rights on {} more tables for the pages",
                    grants::for_pages().len()
                ),
            ),
        }
    }
    Ok(())
}
