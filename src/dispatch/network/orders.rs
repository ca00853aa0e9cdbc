//! Orders.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::db::network::DeviceKind;
use crate::db::writer::{Change, Step};
use crate::dispatch::catalogues::Snapshot;
use crate::dispatch::hand_out::HandOut;
use crate::dispatch::judge::{Judged, end};
use crate::dispatch::network::{DISCOVERY, INVENTORY};
use crate::dispatch::{DispatchError, Dispatcher, change, line};
use crate::dispatch::{collect, deploy, esx};
use crate::domain::actors::{AGENT, Agent};
use crate::domain::catalogue::PluginConfig;
use crate::domain::eligibility::{Decision, Ending, Occasion};
use crate::domain::modules::Module;
use crate::domain::policy::Policy;
use crate::domain::run::{LogState, Run, RunState, StateSet};
use crate::proto::network::{
    Credential, Device, NoOffset, Pace, Range, discovery, discovery_of_nothing, inventory, wake,
};
use crate::proto::text;
use crate::proto::xml::Element;

/// Class of what is woken up.
const COMPUTER: &str = "Computer";

/// Method of jobs that wake computers up.
const WAKE: &str = "wakeonlan";

/// What the orders of one answer are made of, read in a fixed number of statements.
#[derive(Default)]
struct Material {
    ranges: HashMap<u32, (Range, Vec<u32>)>,
    credentials: Vec<Credential>,
    addresses: HashMap<(String, u32), (String, Option<u32>)>,
    macs: HashMap<u32, Vec<String>>,
    discovery: Option<(Pace, String)>,
    inventory: Option<(Pace, String)>,
}

impl Dispatcher {
    /// The orders for `agent`, and what happens to its runs.
    ///
    /// For `redux` a PROLOG is to network runs what getJobs is to others: one whose order was lost is sent again.
    pub(in crate::dispatch) async fn network_orders(
        &self,
        snapshot: &mut Arc<Snapshot>,
        agent: &Agent,
    ) -> Result<HandOut<Element>, DispatchError> {
        let runs = self.db.open_runs(agent.id).await?;
        // PHP judges the runs of every method that it knows here, also those that are not handed out.
        let methods: &[&str] = match self.policy {
            Policy::Plugin => &[
                DISCOVERY,
                INVENTORY,
                WAKE,
                deploy::DEPLOY.method,
                collect::COLLECT.method,
                esx::ESX.method,
            ],
            Policy::Redux => &[DISCOVERY, INVENTORY, WAKE],
        };
        let judged = if runs.is_empty() {
            Vec::new()
        } else {
            self.judge(snapshot, agent, runs, Occasion::GetJobs, methods)
                .await?
        };
        let offered = self.offered(snapshot, agent, methods).await?;
        let catalogue = &snapshot.catalogue;
        let method_of = |run: &Run| {
            let job = catalogue.jobs.get(&run.job);
            job.map(|job| job.method.as_str()).unwrap_or_default()
        };
        let (mut deliver, mut ended) = (Vec::new(), Vec::new());
        for Judged {
            run,
            position,
            decision,
        } in judged
        {
            let method = method_of(&run);
            let module = match method {
                DISCOVERY => Module::Discovery,
                INVENTORY => Module::NetworkInventory,
                WAKE => Module::WakeOnLan,
                // Fetched from its back end.
                _ => {
                    if let Decision::End(ending) = decision {
                        ended.push(end(&run, ending));
                    }
                    continue;
                }
            };
            // PHP looks at these modules when it prepares, not here.
            let allowed =
                self.policy == Policy::Plugin || catalogue.modules.allows(module, agent.id);
            match decision {
                Decision::End(ending) => ended.push(end(&run, ending)),
                Decision::Deliver if !allowed => ended.push(end(&run, Ending::ModuleOff)),
                Decision::Deliver => deliver.push((position, run)),
                Decision::Wait(..) => {}
            }
        }
        deliver.extend(offered.runs);
        deliver.sort_by_key(|(position, _)| *position);
        let deliver: Vec<(String, Run)> = deliver
            .into_iter()
            .map(|(_, run)| (method_of(&run).to_owned(), run))
            .collect();
        let mut hand_out = HandOut::new((ended, offered.driven));
        if !deliver.is_empty() {
            let material = self.material(agent, &catalogue.config, &deliver).await?;
            for (method, run) in &deliver {
                match method.as_str() {
                    DISCOVERY => {
                        if self.discover(&mut hand_out, agent, run, &material).is_err() {
                            // PHP has no orders for what follows; what went before it has written.
                            break;
                        }
                    }
                    INVENTORY => self.query(&mut hand_out, agent, run, &material),
                    _ => self.wake(&mut hand_out, agent, run, &material),
                }
            }
        }
        Ok(hand_out)
    }

    async fn material(
        &self,
        agent: &Agent,
        config: &PluginConfig,
        deliver: &[(String, Run)],
    ) -> Result<Material, DispatchError> {
        let of = |wanted: &str| -> Vec<u32> {
            deliver
                .iter()
                .filter(|(method, _)| method == wanted)
                .map(|(_, run)| run.items_id)
                .collect()
        };
        let (discover, wake) = (of(DISCOVERY), of(WAKE));
        let mut material = Material {
            ranges: self.db.ip_ranges(&discover).await?,
            macs: self.db.hardware_addresses(&wake).await?,
            ..Material::default()
        };
        if discover.is_empty() && deliver.iter().all(|(method, _)| method != INVENTORY) {
            return Ok(material);
        }
        // PHP asks devices of every class for their address.
        let is_queried = |itemtype: &str| {
            self.policy == Policy::Plugin || DeviceKind::from_itemtype(itemtype).is_some()
        };
        let mut queried: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
        for (method, run) in deliver {
            if method == INVENTORY && is_queried(&run.itemtype) {
                let ids = queried.entry(&run.itemtype).or_default();
                ids.push(run.items_id);
            }
        }
        let blank_counts = self.policy == Policy::Plugin;
        for (itemtype, ids) in queried {
            let found = self
                .db
                .device_addresses(itemtype, &ids, blank_counts)
                .await?;
            let found = found.into_iter();
            material
                .addresses
                .extend(found.map(|(id, address)| ((itemtype.to_owned(), id), address)));
        }
        material.credentials = self.db.credentials().await?;
        if self.policy == Policy::Redux {
            for credential in &mut material.credentials {
                for secret in [
                    &mut credential.community,
                    &mut credential.username,
                    &mut credential.auth_passphrase,
                    &mut credential.priv_passphrase,
                ] {
                    *secret = text::decode(secret).into_owned();
                }
            }
        }
        let (own, _) = self.db.agent_settings(agent.id).await?;
        let pace = |threads: u32, timeout: u32, general: &(String, String)| {
            let or = |own: u32, general: &str| {
                if own == 0 {
                    general.to_owned()
                } else {
                    own.to_string()
                }
            };
            let pace = Pace {
                threads: or(threads, &general.0),
                timeout: or(timeout, &general.1),
            };
            // The agent's own numbers, 0 for those that it has none of: what PHP writes into the log.
            (pace, format!("{threads} threads {timeout} timeout"))
        };
        material.discovery = Some(pace(
            own.discovery_threads,
            own.discovery_timeout,
            &config.discovery_pace,
        ));
        material.inventory = Some(pace(
            own.inventory_threads,
            own.inventory_timeout,
            &config.inventory_pace,
        ));
        Ok(material)
    }

    /// An error where PHP breaks off.
    fn discover(
        &self,
        hand_out: &mut HandOut<Element>,
        agent: &Agent,
        run: &Run,
        material: &Material,
    ) -> Result<(), NoOffset> {
        let Some((pace, said)) = &material.discovery else {
            return Ok(());
        };
        let Some((range, credentials)) = material.ranges.get(&run.items_id) else {
            match self.policy {
                // PHP sends an order without addresses.
                Policy::Plugin => hand_out.send(
                    self.sending_network(run, agent, said),
                    discovery_of_nothing(run.id.0, pace),
                ),
                Policy::Redux => {
                    let why = "The address range does not exist.";
                    hand_out.broken(run, line(LogState::Error, why));
                }
            }
            return Ok(());
        };
        let whole = Some((range.start.clone(), range.end.clone()));
        let part = match (run.specificity.as_deref(), self.policy) {
            (None, _) => whole,
            (Some(part), Policy::Plugin) => range.part_as_plugin(part)?,
            (Some(part), Policy::Redux) => range.part(part),
        };
        if self.policy == Policy::Redux && !part.as_ref().is_some_and(Range::is_walkable) {
            let why = "The address range, or the part of it, is none.";
            hand_out.broken(run, line(LogState::Error, why));
            return Ok(());
        }
        let known = credentials.iter().filter_map(|id| {
            material
                .credentials
                .iter()
                .find(|credential| credential.id == *id)
        });
        let order = discovery(
            run.id.0,
            pace,
            range,
            part.as_ref(),
            &known.collect::<Vec<_>>(),
        );
        hand_out.send(self.sending_network(run, agent, said), order);
        Ok(())
    }

    fn query(
        &self,
        hand_out: &mut HandOut<Element>,
        agent: &Agent,
        run: &Run,
        material: &Material,
    ) {
        let found = material
            .addresses
            .get(&(run.itemtype.clone(), run.items_id))
            .filter(|(ip, _)| !ip.is_empty());
        let (Some((ip, credential)), Some((pace, said))) = (found, &material.inventory) else {
            return hand_out.broken(run, line(LogState::Error, "The device has no IP address."));
        };
        let kind = DeviceKind::from_itemtype(&run.itemtype).map(|kind| match kind {
            DeviceKind::Switch => "NETWORKING",
            DeviceKind::Printer => "PRINTER",
        });
        let device = Device {
            kind,
            id: run.items_id,
            ip,
            credential: *credential,
        };
        // PHP repeats all credentials for every device; one is enough, and the others are none of the agent's business.
        let told: Vec<&Credential> = match self.policy {
            Policy::Plugin => material.credentials.iter().collect(),
            Policy::Redux => material
                .credentials
                .iter()
                .filter(|known| Some(known.id) == *credential)
                .collect(),
        };
        if told.is_empty() && self.policy == Policy::Redux {
            return hand_out.broken(
                run,
                line(LogState::Error, "The device has no SNMP credential."),
            );
        }
        hand_out.send(
            self.sending_network(run, agent, said),
            inventory(run.id.0, pace, device, &told),
        );
    }

    /// A wake-up is over once it is ordered: the sleeper cannot answer, and the agent says nothing.
    fn wake(&self, hand_out: &mut HandOut<Element>, agent: &Agent, run: &Run, material: &Material) {
        let macs = material
            .macs
            .get(&run.items_id)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let ended = |from: StateSet, to, lines| change(run, Step::Move { from, to }, lines);
        if macs.is_empty() {
            let lines = vec![line(
                LogState::Error,
                "The computer has no network card with a hardware address.",
            )];
            let change = ended(StateSet::from(run.state), RunState::InError, lines);
            match self.policy {
                // PHP sends the order without a card all the same.
                Policy::Plugin => hand_out.send(change, wake(macs)),
                Policy::Redux => hand_out.change(change),
            }
            return;
        }
        let mut sending = self.sending(run, agent, vec![line(LogState::Started, "")]);
        if self.policy == Policy::Plugin {
            COMPUTER.clone_into(&mut sending.itemtype);
            sending.items_id = 0;
        }
        hand_out.send(sending, wake(macs));
        // PHP writes one line for the first card and two for every other.
        let said = match self.policy {
            Policy::Plugin => macs.len() * 2 - 1,
            Policy::Redux => 1,
        };
        let lines = vec![
            line(
                LogState::Ok,
                "The wake-up packet was ordered; nothing answers it."
            );
            said
        ];
        hand_out.change(ended(
            StateSet::from(RunState::Sent),
            RunState::Finished,
            lines,
        ));
    }

    /// The change that sends a discovery or an inventory; PHP files its line under no agent in particular.
    fn sending_network(&self, run: &Run, agent: &Agent, said: &str) -> Change {
        let mut sending = self.sending(run, agent, vec![line(LogState::Started, said)]);
        if self.policy == Policy::Plugin {
            AGENT.clone_into(&mut sending.itemtype);
            sending.items_id = 0;
        }
        sending
    }
}
