//! The address that is listened on, and those that agents are given.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use tokio::net::TcpListener;

use super::Report;
use super::probe::{Answer, Nonce, ask, fetch};
use crate::app::{self, Running};
use crate::cli;
use crate::clock::Clock;
use crate::config::{Faults, Settings};
use crate::dispatch::addresses::Addresses;
use crate::dispatch::{Approach, Backend};
use crate::domain::entities::Entities;
use crate::domain::ids::EntityId;

/// Addresses asked at the same time: unreachable ones take their whole time-out, and a large GLPI has dozens.
const AT_ONCE: usize = 16;

/// Entities that a line names.
const MOST_NAMED: usize = 5;

/// How long an answer may go on after the check.
const GRACE: Duration = Duration::from_secs(2);

/// Looks whether the address is free, or a sidecar's. If it is free and there is a database, a sidecar listens there from now on,
/// so that the addresses can be asked before the first start.
pub(super) async fn listen(
    settings: &Settings,
    clock: &Arc<dyn Clock>,
    nonce: Option<&Nonce>,
    report: &mut Report,
) -> Option<Running> {
    let listen = settings.server.listen;
    match TcpListener::bind(listen).await {
        Ok(listener) => {
            report.fine("listener", format!("{listen} is free"));
            nonce?;
            let mut settings = settings.clone();
            settings.scheduler.enabled = false;
            // It has its own finding.
            settings.server.ops_listen = None;
            settings.web.listen = None;
            settings.server.shutdown_grace = GRACE;
            match app::start(&settings, listener, Arc::clone(clock), None).await {
                Ok(running) => Some(running),
                // The certificate, which has its own finding.
                Err(error) if error.is::<Faults>() => None,
                Err(error) => {
                    report.error(
                        "listener",
                        format!("the sidecar does not start: {}", cli::reasons(&error)),
                        "mend what is said above",
                    );
                    None
                }
            }
        }
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            occupied(settings, nonce, report).await;
            None
        }
        Err(error) => {
            report.error(
                "listener",
                format!("cannot listen on {listen}: {error}"),
                refusal(&error, "--listen"),
            );
            None
        }
    }
}

/// What to do when an address given with `option` cannot be listened on.
pub(super) fn refusal(error: &io::Error, option: &str) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            format!(
                "take a port above 1023 with {option}, or give the service CAP_NET_BIND_SERVICE"
            )
        }
        _ => format!("name an address of this machine with {option}"),
    }
}

/// Asks who listens already.
async fn occupied(settings: &Settings, nonce: Option<&Nonce>, report: &mut Report) {
    let listen = settings.server.listen;
    let scheme = if settings.server.tls.is_some() {
        "https"
    } else {
        "http"
    };
    let prefix = settings.server.prefixes.first().map_or("", String::as_str);
    let address = format!("{scheme}://{}{prefix}/b/deploy/", reachable(listen));
    let elsewhere = "stop it, or take another address with --listen";
    match ask(&address, nonce).await {
        Answer::Here | Answer::HereUntrusted(_) => {
            report.fine("listener", format!("a sidecar answers on {listen}"));
        }
        Answer::OtherDatabase => report.error(
            "listener",
            format!("a sidecar on another database answers on {listen}"),
            elsewhere,
        ),
        // Without the database there is no nonce that would tell on which one it works.
        _ if nonce.is_none() && is_sidecar(scheme, listen).await => report.fine(
            "listener",
            format!("a sidecar answers on {listen}; on which database, nobody can tell now"),
        ),
        Answer::Redirect { .. } | Answer::Other { .. } | Answer::Nobody(_) => report.error(
            "listener",
            format!("another program listens on {listen}"),
            elsewhere,
        ),
    }
}

/// Whether a sidecar says at this address that it is alive.
pub(super) async fn is_sidecar(scheme: &str, at: SocketAddr) -> bool {
    let address = format!("{scheme}://{}/sidecar/health", reachable(at));
    // Whoever has its certificate: it is this machine.
    match fetch(&address, true).await {
        Ok(mut answer) => {
            let said = answer.chunk().await.ok().flatten();
            answer.status().is_success() && said.is_some_and(|said| said.as_ref() == b"ok\n")
        }
        Err(_) => false,
    }
}

/// Where a listener on any address can be reached from here.
pub(super) fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// Asks every address that agents of any entity will be given whether it leads to a sidecar on this database.
pub(super) async fn examine(
    settings: &Settings,
    nonce: &Nonce,
    entities: &Entities,
    report: &mut Report,
) {
    let (handed_out, without) = handed_out(settings, entities);
    if !without.is_empty() {
        report.error(
            "addresses",
            format!("no address is configured for agents of {}", named(&without)),
            "set the agent's service URL of the root entity (FusionInventory's tab in GLPI's entity), or --public-url",
        );
    }
    let answers = stream::iter(handed_out).map(|(addresses, entities)| async move {
        let mut answers = Vec::with_capacity(addresses.len());
        // One after the other: the first that leads here is enough.
        for address in addresses {
            let answer = ask(&address, Some(nonce)).await;
            let here = matches!(answer, Answer::Here | Answer::HereUntrusted(_));
            answers.push((address, answer));
            if here {
                break;
            }
        }
        (answers, entities)
    });
    let mut answers = answers.buffered(AT_ONCE);
    while let Some((answers, entities)) = answers.next().await {
        judge(
            &answers,
            &entities,
            settings.dispatch.public_url.is_some(),
            report,
        );
    }
}

/// The addresses by the entities whose agents get them, and the entities whose agents get none.
///
/// Agents of one entity are given different addresses where these depend on the prefix by which they came in: it is enough that
/// one of them leads here, as the others are not in use then.
fn handed_out(
    settings: &Settings,
    entities: &Entities,
) -> (BTreeMap<Vec<String>, Vec<EntityId>>, Vec<EntityId>) {
    let addresses = Addresses {
        policy: settings.dispatch.policy,
        public_url: settings.dispatch.public_url.as_ref(),
        plugin_base: settings.glpi.as_ref().and_then(|glpi| glpi.plugin_base),
    };
    // What agents are usually configured with comes first.
    let mut prefixes: Vec<&String> = settings.server.prefixes.iter().collect();
    prefixes.sort_by_key(|prefix| prefix.is_empty());
    let mut found: BTreeMap<Vec<String>, Vec<EntityId>> = BTreeMap::new();
    let mut without = Vec::new();
    for entity in entities.ids() {
        let mut candidates: Vec<String> = Vec::new();
        for prefix in &prefixes {
            let approach = Approach {
                prefix: (*prefix).clone(),
                origin: None,
                client: None,
            };
            let address = addresses.address(entities, &approach, Backend::Deploy, entity);
            candidates.extend(address.filter(|address| !candidates.contains(address)));
        }
        if candidates.is_empty() {
            without.push(entity);
        } else {
            found.entry(candidates).or_default().push(entity);
        }
    }
    (found, without)
}

/// The hosts in the addresses that agents are given: the names of their server.
pub(super) fn hosts(settings: &Settings, entities: &Entities) -> BTreeSet<String> {
    let (handed_out, _) = handed_out(settings, entities);
    let addresses = handed_out.into_keys().flatten();
    addresses
        .filter_map(|address| {
            let url = url::Url::parse(&address).ok()?;
            let host = url.host_str()?.trim_matches(['[', ']']);
            Some(host.to_owned())
        })
        .collect()
}

fn named(entities: &[EntityId]) -> String {
    let ids: Vec<String> = entities
        .iter()
        .take(MOST_NAMED)
        .map(ToString::to_string)
        .collect();
    let word = if entities.len() == 1 {
        "entity"
    } else {
        "entities"
    };
    match entities.len().checked_sub(MOST_NAMED) {
        None | Some(0) => format!("{word} {}", ids.join(", ")),
        Some(more) => format!("{word} {} and {more} more", ids.join(", ")),
    }
}

fn judge(answers: &[(String, Answer)], entities: &[EntityId], public: bool, report: &mut Report) {
    let entities = named(entities);
    if let Some((address, Answer::HereUntrusted(reason))) = answers.last() {
        report.warning(
            "addresses",
            format!("{address} ({entities}) leads here, but this machine does not trust its certificate: {reason}"),
            "see that agents do (ca-cert-file), or renew it",
        );
        return;
    }
    if let Some((address, Answer::Here)) = answers.last() {
        report.fine("addresses", format!("{address} ({entities}) leads here"));
        return;
    }
    let Some((address, answer)) = answers.first() else {
        return;
    };
    let setting = if public {
        "--public-url"
    } else {
        "the agent's service URL in GLPI's entity (or give --public-url)"
    };
    let (what, mend) = match answer {
        Answer::Here | Answer::HereUntrusted(_) => return,
        Answer::Nobody(reason) => (
            format!("cannot be reached: {reason}"),
            format!("correct {setting}, or see why nothing answers there"),
        ),
        Answer::OtherDatabase => (
            "leads to a sidecar on another database".to_owned(),
            format!("correct {setting}, or the database of that sidecar"),
        ),
        Answer::Redirect { status, to } => (
            format!("redirects to {to} ({})", status.as_u16()),
            format!("correct {setting}: agents follow no redirect here"),
        ),
        Answer::Other { status, name } => (
            format!(
                "is answered by another server ({}, status {}), not by the sidecar",
                name.as_deref().unwrap_or("unnamed"),
                status.as_u16()
            ),
            format!("have the web server pass this path to the sidecar, or correct {setting}"),
        ),
    };
    report.error("addresses", format!("{address} ({entities}) {what}"), mend);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{DEFAULT_PREFIXES, Database};
    use crate::domain::entities::Entity;

    fn tree() -> Entities {
        let mut entities = Entities::default();
        for (id, parent) in [
            (0, None),
            (1, Some(EntityId(0))),
            (2, Some(EntityId(1))),
            (3, Some(EntityId(0))),
        ] {
            entities.insert(EntityId(id), Entity { parent, level: 1 });
        }
        entities
    }

    #[test]
    fn each_address_once_with_its_entities() {
        let settings = Settings::for_database(Database::new("h", "u", "d"));
        let mut entities = tree();
        entities.insert_base_url(2, EntityId(1), "http://north");
        let (found, without) = handed_out(&settings, &entities);
        assert_eq!(without, [EntityId(0), EntityId(3)]);
        let addresses = ["plugins", "marketplace"]
            .map(|place| format!("http://north/{place}/fusioninventory/b/deploy/"));
        assert_eq!(
            found,
            BTreeMap::from([(addresses.to_vec(), vec![EntityId(1), EntityId(2)])])
        );

        let mut public = settings;
        public.dispatch.public_url = Some("https://sidecar/".parse().unwrap());
        let (found, without) = handed_out(&public, &entities);
        assert!(without.is_empty());
        let (addresses, entities) = found.first_key_value().unwrap();
        assert_eq!(
            (found.len(), entities.len(), addresses.len()),
            (1, 4, DEFAULT_PREFIXES.len())
        );
        assert_eq!(
            addresses[0],
            "https://sidecar/plugins/fusioninventory/b/deploy/"
        );
        assert_eq!(addresses[4], "https://sidecar/b/deploy/");
    }

    #[test]
    fn entities_are_named_up_to_a_few() {
        let ids = |count| (0..count).map(EntityId).collect::<Vec<_>>();
        assert_eq!(named(&ids(1)), "entity 0");
        assert_eq!(named(&ids(5)), "entities 0, 1, 2, 3, 4");
        assert_eq!(named(&ids(7)), "entities 0, 1, 2, 3, 4 and 2 more");
    }

    #[test]
    fn any_address_is_asked_at_the_loopback() {
        for (listen, asked) in [
            ("0.0.0.0:80", "127.0.0.1:80"),
            ("[::]:80", "[::1]:80"),
            ("127.0.0.3:80", "127.0.0.3:80"),
        ] {
            assert_eq!(reachable(listen.parse().unwrap()).to_string(), asked);
        }
    }
}
