//! Waking agents up: whether they would obey this machine.
//!
//! An agent obeys the addresses that its server's name has for it, and those in its `httpd-trust`, which nobody knows here. The server's name
//! is taken to be that of the addresses that it is given.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;

use super::Report;
use crate::config::Settings;
use crate::db::{Db, DbError};
use crate::knock::{Knocker, Whereabouts};

/// Longest wait for the address of a name.
const LOOKUP: Duration = Duration::from_secs(5);

/// Computers whose addresses stand for all.
const SAMPLES: usize = 50;

pub(super) async fn examine(
    settings: &Settings,
    db: &Db,
    hosts: &BTreeSet<String>,
    report: &mut Report,
) {
    let here = match outgoing(settings, db).await {
        Ok(Some(here)) => here,
        // No task asks for it.
        Ok(None) => return,
        Err(error) => {
            report.error(
                "wake-up",
                error.to_string(),
                "mend the rights and tables first",
            );
            return;
        }
    };
    if here.is_empty() {
        report.warning(
            "wake-up",
            "tasks wake agents up, but of the computers seen last GLPI has no address that may be asked",
            "see wakeup-networks, or the computers' network ports in GLPI",
        );
        return;
    }
    for host in hosts {
        let found = tokio::time::timeout(LOOKUP, tokio::net::lookup_host((host.as_str(), 0))).await;
        let found: BTreeSet<IpAddr> = match found {
            Ok(Ok(found)) => found.map(|address| address.ip().to_canonical()).collect(),
            Ok(Err(_)) | Err(_) => BTreeSet::new(),
        };
        if here.is_subset(&found) {
            report.fine(
                "wake-up",
                format!(
                    "agents of {host} obey {}, from where they are asked",
                    listed(&here)
                ),
            );
        } else {
            let has = if found.is_empty() {
                "is not known here".to_owned()
            } else {
                format!("is {}", listed(&found))
            };
            report.warning(
                "wake-up",
                format!(
                    "agents are woken up from {}, but {host}, their server, {has}: they refuse, whatever their token",
                    listed(&here)
                ),
                "name this machine's address in httpd-trust of the agents, or let their server's name have it",
            );
        }
    }
}

fn listed(addresses: &BTreeSet<impl Display>) -> String {
    let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

/// The addresses of this machine from which some agents would be asked; none when no task asks for it.
async fn outgoing(settings: &Settings, db: &Db) -> Result<Option<BTreeSet<IpAddr>>, DbError> {
    if db.wakeup_wishes().await?.is_empty() {
        return Ok(None);
    }
    let computers = db.some_computers_of_agents(SAMPLES).await?;
    let knocker = Knocker::new(&settings.wakeup);
    let mut here = BTreeSet::new();
    for place in db.places(&computers).await?.into_values() {
        let place = Whereabouts {
            addresses: place.addresses,
            names: Vec::new(),
            port: 0,
            token: String::new(),
        };
        for address in knocker.addresses(&place) {
            here.extend(source(address).await);
        }
    }
    Ok(Some(here))
}

/// The address of this machine on the way to `address`. Nothing is sent.
async fn source(address: IpAddr) -> Option<IpAddr> {
    let any: IpAddr = match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await.ok()?;
    socket.connect(SocketAddr::new(address, 9)).await.ok()?;
    Some(socket.local_addr().ok()?.ip())
}
