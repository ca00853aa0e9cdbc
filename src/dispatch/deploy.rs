//! getJobs of the deploy back end: the packages that an agent installs now.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use serde_json::{Map, Value};

use super::file_part::{is_sha512, manifest_path};
use super::hand_out::{Asked, HandOut};
use super::{Approach, Backend, DispatchError, Dispatcher};
use crate::db::writer::Step;
use crate::domain::actors::Agent;
use crate::domain::catalogue::Catalogue;
use crate::domain::ids::{EntityId, LocationId, PackageId};
use crate::domain::mirrors::{Place, choose};
use crate::domain::modules::Module;
use crate::domain::policy::Policy;
use crate::domain::run::{LogState, Run};
use crate::proto::deploy::{Order, Package, answer, assemble};

/// What this back end hands out.
pub(super) const DEPLOY: Asked = Asked {
    name: "Deploy",
    backend: Backend::Deploy,
    method: "deployinstall",
    itemtype: "PluginFusioninventoryDeployPackage",
    module: Module::Deploy,
};

/// A package as it was read.
type Read = Result<Package, Broken>;

/// Why a package cannot be handed out.
struct Broken {
    reason: String,
    /// PHP gives up on the answer here: what it has sent by then stays sent, and the others wait.
    stops_php: bool,
}

impl From<String> for Broken {
    fn from(reason: String) -> Self {
        Self {
            reason,
            stops_php: false,
        }
    }
}

/// An order that waits for its run to be claimed.
struct Ready {
    job: Value,
    files: Map<String, Value>,
}

impl Dispatcher {
    /// The answer to getJobs; `version` is that of the agent's deploy task.
    ///
    /// Runs are claimed by compare-and-set before they are answered: of two requests, also at two sidecars, one gets a run.
    ///
    /// # Errors
    ///
    /// When GLPI is closed or the database fails; then nothing was handed out.
    pub async fn deploy_jobs(
        &self,
        machineid: &str,
        version: &str,
        approach: &Approach,
    ) -> Result<Value, DispatchError> {
        let mut snapshot = self.open_catalogue().await?;
        let Some(agent) = self.any_agent(machineid).await? else {
            return Ok(answer(&[], &Map::new()));
        };
        let (deliver, ended) = self.deliverable(&mut snapshot, &agent, &DEPLOY).await?;
        let catalogue = &snapshot.catalogue;
        let mut hand_out = HandOut::new(ended);
        if !deliver.is_empty() {
            let packages = self.packages_of(&deliver).await?;
            let parts = self.multiparts(&packages).await;
            let mirrors = match self.mirrors(catalogue, &agent, approach) {
                Ok(mirrors) => mirrors,
                Err(refused) => {
                    if self.policy == Policy::Plugin {
                        // What PHP ends it has ended before it finds that it has no address.
                        hand_out
                            .claim(self, DEPLOY.method, |changes| self.request(changes))
                            .await?;
                    }
                    return Err(refused);
                }
            };
            for run in &deliver {
                match self.order(run, version, &packages, &mirrors, &parts, catalogue) {
                    Ok(order) => {
                        let mut sending = self.sending(run, &agent, Vec::new());
                        if let Step::Send { to, .. } = &mut sending.step {
                            // Its file parts are fetched from there, by one who does not say who it is.
                            *to = approach.client;
                        }
                        hand_out.send(sending, order);
                    }
                    Err(broken) if broken.stops_php && self.policy == Policy::Plugin => {
                        tracing::warn!(
                            agent.id = agent.id.0,
                            run.id = run.id.0,
                            reason = broken.reason,
                            "PHP would break off here: this run and those after it are not handed out"
                        );
                        break;
                    }
                    Err(Broken { reason, .. }) => {
                        // The reason may quote the package, which can hold anything of any length.
                        let text = format!("The package cannot be handed out: {reason}.");
                        hand_out.broken(run, self.foreign_line(LogState::Error, &text));
                    }
                }
            }
        }
        let (mut jobs, mut files) = (Vec::new(), Map::new());
        for (_, order) in hand_out
            .claim(self, DEPLOY.method, |changes| self.request(changes))
            .await?
        {
            jobs.push(order.job);
            for (hash, file) in order.files {
                files.entry(hash).or_insert(file);
            }
        }
        Ok(answer(&jobs, &files))
    }

    /// The packages of `runs`, by row; what cannot be read is an error text.
    async fn packages_of(&self, runs: &[Run]) -> Result<HashMap<u32, Read>, DispatchError> {
        let mut ids: Vec<PackageId> = runs
            .iter()
            .filter(|run| self.is_package(run))
            .map(|run| PackageId(run.items_id))
            .collect();
        ids.sort_unstable();
        ids.dedup();
        let stored = self.db.packages(&ids).await?;
        Ok(stored
            .into_iter()
            .map(|(id, json)| {
                let read = Package::parse(&json).map_err(|error| error.to_string());
                let stops_php = !Package::php_gets_over(&json);
                let read = match read {
                    Ok(package) if self.policy == Policy::Redux || !stops_php => Ok(package),
                    Ok(_) => Err(Broken {
                        reason: "its stored definition has no 'associatedFiles'".to_owned(),
                        stops_php,
                    }),
                    Err(reason) => Err(Broken { reason, stops_php }),
                };
                (id.0, read)
            })
            .collect())
    }

    /// Whether the target of `run` is taken for a package. PHP looks at its row alone, whatever its class.
    fn is_package(&self, run: &Run) -> bool {
        self.policy == Policy::Plugin || run.itemtype == DEPLOY.itemtype
    }

    /// Parts of every file of `packages`, by hash; a file without a readable manifest has no entry.
    async fn multiparts(&self, packages: &HashMap<u32, Read>) -> HashMap<String, Vec<String>> {
        let hashes: HashSet<&str> = packages
            .values()
            .flatten()
            .flat_map(Package::files)
            .map(|(hash, _)| hash)
            .collect();
        let mut parts = HashMap::with_capacity(hashes.len());
        let Some(doc_dir) = &self.doc_dir else {
            if !hashes.is_empty() {
                tracing::warn!(
                    "packages have files, but no document directory is configured (--plugin-doc-dir)"
                );
            }
            return parts;
        };
        // A hash is a directory entry's name: whatever is none never reaches the file system.
        for hash in hashes.into_iter().filter(|hash| is_sha512(hash)) {
            let path: PathBuf = manifest_path(doc_dir, hash);
            match tokio::fs::read_to_string(&path).await {
                Ok(manifest) => {
                    parts.insert(
                        hash.to_owned(),
                        manifest
                            .lines()
                            .map(|line| line.trim().to_owned())
                            .collect(),
                    );
                }
                Err(error) => {
                    tracing::warn!(file.sha512 = hash, error = %error, "a file's manifest cannot be read");
                }
            }
        }
        parts
    }

    fn mirrors(
        &self,
        catalogue: &Catalogue,
        agent: &Agent,
        approach: &Approach,
    ) -> Result<Vec<String>, DispatchError> {
        // PHP's comparisons take an agent without a computer for one in the root entity; `redux` for one in its own.
        let without = match self.policy {
            Policy::Plugin => EntityId(0),
            Policy::Redux => agent.entity,
        };
        let place = Place {
            agent_entity: agent.entity,
            computer_entity: agent.computer.map_or(without, |computer| computer.entity),
            location: agent
                .computer
                .map_or(LocationId(0), |computer| computer.location),
        };
        let mut mirrors = choose(
            &catalogue.mirrors,
            place,
            catalogue.config.mirror_match,
            &catalogue.entities,
        );
        if catalogue.config.server_as_mirror {
            let own = self.address(catalogue, approach, Backend::Deploy, agent.entity)?;
            mirrors.push(format!("{own}?action=getFilePart&file="));
        }
        Ok(mirrors)
    }

    fn order(
        &self,
        run: &Run,
        version: &str,
        packages: &HashMap<u32, Read>,
        mirrors: &[String],
        multiparts: &HashMap<String, Vec<String>>,
        catalogue: &Catalogue,
    ) -> Result<Ready, Broken> {
        let package = match packages.get(&run.items_id).filter(|_| self.is_package(run)) {
            None => {
                return Err(Broken {
                    reason: "its package does not exist".to_owned(),
                    stops_php: true,
                });
            }
            Some(Err(broken)) => {
                return Err(Broken {
                    reason: broken.reason.clone(),
                    stops_php: broken.stops_php,
                });
            }
            Some(Ok(package)) => package,
        };
        if self.policy == Policy::Redux {
            // Without its parts the agent takes a file for fetched and runs the actions on nothing.
            if let Some((_, name)) = package
                .files()
                .find(|(hash, _)| !multiparts.contains_key(*hash))
            {
                let reason = format!("the manifest of its file '{name}' is missing on the server");
                return Err(reason.into());
            }
            package.complete().map_err(|error| error.to_string())?;
        }
        let order = Order {
            policy: self.policy,
            uuid: &run.uniqid,
            task_version: version,
            nb_retry: run.nb_retry,
            max_retry: run.max_retry,
            templates: &catalogue.templates,
            mirrors,
            multiparts,
        };
        let (job, files) = assemble(package, &order);
        Ok(Ready { job, files })
    }
}
