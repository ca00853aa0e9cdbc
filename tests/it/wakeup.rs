//! Waking agents up: fake ones by the hundred, and the real one.

#[path = "wakeup/driven.rs"]
mod driven;
#[path = "wakeup/fleet.rs"]
mod fleet;
#[path = "wakeup/real.rs"]
mod real;
#[path = "wakeup/serving.rs"]
mod serving;
#[path = "wakeup/whom.rs"]
mod whom;

use std::net::Ipv4Addr;
use std::time::Duration;

use fusion_sidecar::config::Settings;
use fusion_sidecar::domain::policy::Policy;

use crate::support::app::{TestApp, start_on};
use crate::support::database::{TestDb, fresh};
use crate::support::fake_agents::{FakeAgents, Manner};
use crate::support::site::{office, text};

/// Agents on a loopback network of their own, a sidecar, and task 1 that wakes up to `most` of them every five minutes.
struct Site {
    app: TestApp,
    agents: FakeAgents,
    network: Ipv4Addr,
}

impl Site {
    /// `network` is the second number of addresses that no other test uses.
    async fn new(
        policy: Policy,
        network: u8,
        most: u32,
        configure: impl FnOnce(&mut Settings),
    ) -> Self {
        let network = Ipv4Addr::new(127, network, 0, 0);
        let agents = FakeAgents::on(Ipv4Addr::new(127, network.octets()[1], 255, 1));
        let db = fresh().await;
        office(&db).await;
        db.set(&format!(
            "DELETE FROM {{p}}agents; DELETE FROM glpi_computers;
             UPDATE {{p}}tasks SET wakeup_agent_counter = {most}, wakeup_agent_time = 5;
             UPDATE {{p}}configs SET value = '{}' WHERE type = 'agent_port';
             UPDATE {{p}}configs SET value = '1000' WHERE type = 'wakeup_agent_max'",
            agents.port
        ))
        .await;
        let app = start_on(db, |settings| {
            settings.dispatch.policy = policy;
            settings.wakeup.networks = vec!["127.0.0.0/8".parse().unwrap()];
            settings.wakeup.names = false;
            settings.wakeup.timeout = Duration::from_secs(1);
            configure(settings);
        })
        .await;
        Self {
            app,
            agents,
            network,
        }
    }

    /// Address `number` of the site, from 1.
    fn address(&self, number: u32) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.network) + number)
    }

    /// Agents 1 to N on address 1 to N, each with a run of its number in job 1.
    async fn with(self, manners: &[Manner]) -> Self {
        for (number, manner) in (1..).zip(manners) {
            self.agents.add(self.address(number), *manner).await;
        }
        let count = u32::try_from(manners.len()).unwrap();
        self.known(count).await;
        self.at((1..=count).map(|id| (id, self.address(id)))).await;
        self
    }

    /// Agents 1 to N with a computer and a run each, all actors of job 1.
    async fn known(&self, count: u32) {
        let rows = |row: fn(u32) -> String| (1..=count).map(row).collect::<Vec<_>>().join(",");
        let actors: Vec<String> = (1..=count)
            .map(|id| format!(r#"{{"Computer":"{id}"}}"#))
            .collect();
        self.app
            .db
            .set(&format!(
                "INSERT INTO glpi_computers (id, name) VALUES {};
                 INSERT INTO {{p}}agents (id, name, device_id, computers_id, token) VALUES {};
                 UPDATE {{p}}taskjobs SET actors = {};
                 INSERT INTO {{p}}taskjobstates (id, {{f}}taskjobs_id, items_id, itemtype, {{f}}agents_id, uniqid) VALUES {}",
                rows(|id| format!("({id}, 'wks-{id}')")),
                rows(|id| format!("({id}, 'wks-{id}', 'wks-{id}', {id}, 'tok{id}')")),
                text(&format!("[{}]", actors.join(","))),
                rows(|id| format!("({id}, 1, 1, 'PluginFusioninventoryDeployPackage', {id}, 'run-{id}')")),
            ))
            .await;
    }

    /// Gives computers addresses.
    async fn at(&self, places: impl Iterator<Item = (u32, Ipv4Addr)>) {
        self.app.db.at(places).await;
    }

    /// Whom a pass asked for what, sorted; what it said.
    async fn pass(&self) -> (Vec<(u32, String)>, String) {
        self.agents.forget();
        let summary = self.app.wakeup().pass().await.unwrap();
        (self.asked(), summary.to_string())
    }

    fn asked(&self) -> Vec<(u32, String)> {
        let network = u32::from(self.network);
        let asked = self.agents.asked().into_iter();
        let mut asked: Vec<(u32, String)> = asked
            .map(|(address, path)| (u32::from(address) - network, path))
            .collect();
        asked.sort();
        asked
    }
}

impl TestDb {
    /// Gives computers addresses, each on a network port of its own.
    pub(crate) async fn at(&self, places: impl Iterator<Item = (u32, Ipv4Addr)>) {
        let (mut ports, mut names, mut addresses) = (vec![], vec![], vec![]);
        let first: Vec<Option<u32>> = self.ask("SELECT MAX(id) FROM glpi_networkports").await;
        for (id, (computer, address)) in (first[0].unwrap_or_default() + 1..).zip(places) {
            ports.push(format!("({id}, {computer}, 'Computer')"));
            names.push(format!("({id}, {id}, 'NetworkPort')"));
            addresses.push(format!("({id}, {id}, 'NetworkName', '{address}')"));
        }
        self.set(&format!(
            "INSERT INTO glpi_networkports (id, items_id, itemtype) VALUES {};
             INSERT INTO glpi_networknames (id, items_id, itemtype) VALUES {};
             INSERT INTO glpi_ipaddresses (id, items_id, itemtype, name) VALUES {}",
            ports.join(","),
            names.join(","),
            addresses.join(",")
        ))
        .await;
    }
}

/// The requests that wake these agents up.
fn now(agents: impl IntoIterator<Item = u32>) -> Vec<(u32, String)> {
    let now = |id| (id, format!("/now/tok{id}"));
    agents.into_iter().map(now).collect()
}
