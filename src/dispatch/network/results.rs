//! Results.

use crate::db::agents::with_version;
use crate::db::network::Progress;
use crate::db::writer::{Change, Finding, Line, MAX_COMMENT, Request, Step};
use crate::dispatch::contact::Hello;
use crate::dispatch::network::{DISCOVERY, INVENTORY};
use crate::dispatch::{
    DispatchError, Dispatcher, change, cut, ignore_foreign, ignore_report, line,
};
use crate::domain::actors::{AGENT, Agent};
use crate::domain::ids::RunId;
use crate::domain::modules::Module;
use crate::domain::policy::Policy;
use crate::domain::run::{LogState, Reported, Run, RunState, StateSet};
use crate::proto::network::Report;
use crate::proto::text;
use crate::telemetry::metrics::DEVICES_NOT_IMPORTED;

/// Which task reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkQuery {
    /// QUERY NETDISCOVERY, or the module of that task.
    Discovery,
    /// QUERY SNMPQUERY or SNMPINVENTORY, or the module of that task.
    Inventory,
}

impl NetworkQuery {
    /// By the word in QUERY.
    #[must_use]
    pub fn parse(query: &str) -> Option<Self> {
        match query {
            "NETDISCOVERY" | "NETWORKDISCOVERY" => Some(Self::Discovery),
            "SNMPQUERY" | "SNMPINVENTORY" | "NETWORKINVENTORY" => Some(Self::Inventory),
            _ => None,
        }
    }

    /// The key of its version in the agent's map.
    const fn module(self) -> &'static str {
        match self {
            Self::Discovery => Module::Discovery.name(),
            Self::Inventory => Module::NetworkInventory.name(),
        }
    }

    /// Method of its jobs.
    const fn method(self) -> &'static str {
        match self {
            Self::Discovery => DISCOVERY,
            Self::Inventory => INVENTORY,
        }
    }
}

/// A message about a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkMessage<'a> {
    /// Who sends it.
    pub hello: Hello<'a>,
    /// Which task reports.
    pub query: NetworkQuery,
    /// `PROCESSNUMBER`.
    pub process_number: Option<&'a str>,
    /// `MODULEVERSION`, else `VERSIONCLIENT` without the agent's name.
    pub version: Option<&'a str>,
    /// What it says.
    pub report: Report,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// The run is the agent's (or whose it is does not matter): the message may be passed on to PHP.
    Own,
    /// The run is another's, or none: nothing was changed, and nothing may be passed on.
    Foreign,
}

/// Class of the targets of discoveries.
const IP_RANGE: &str = "PluginFusioninventoryIPRange";

impl Dispatcher {
    /// Whether the run that the message is about is the sender's own. Every PROCESSNUMBER is one for `plugin`.
    ///
    /// # Errors
    ///
    /// When GLPI is closed or the database fails.
    pub async fn owns_run(&self, message: &NetworkMessage<'_>) -> Result<Taken, DispatchError> {
        self.open_catalogue().await?;
        if self.policy == Policy::Plugin {
            return Ok(Taken::Own);
        }
        let agent = self.any_agent(message.hello.device_id).await?;
        let run = match agent {
            Some(agent) => self.reported_run(&agent, message).await?,
            None => None,
        };
        Ok(run.map_or(Taken::Foreign, |run| {
            // PHP takes the report, and knows nothing of the other runs of the answer.
            self.signs.spoke_of(run.id);
            Taken::Own
        }))
    }

    /// Takes a message where there is no PHP to pass it to: its run moves, its log grows; the devices in it are counted and logged, as
    /// only GLPI's rule engine could import them.
    ///
    /// # Errors
    ///
    /// When the device id cannot be one, GLPI is closed, or the database fails.
    pub async fn network_result(
        &self,
        message: &NetworkMessage<'_>,
    ) -> Result<Taken, DispatchError> {
        message.hello.check()?;
        self.open_catalogue().await?;
        let at = self.now();
        let agent = match self.any_agent(message.hello.device_id).await? {
            Some(agent) => agent,
            None => {
                self.register(&message.hello, &message.hello.contact(at, None))
                    .await?
            }
        };
        let (_, stored) = self.db.agent_settings(agent.id).await?;
        let module = message.query.module();
        // Only whether there is something to change: it is changed under the row's lock.
        let version = message
            .version
            .filter(|version| with_version(&stored, module, version).is_some())
            .map(|version| (module, version.to_owned()));
        let contact = Some((agent.id, message.hello.contact(at, version)));
        let Some(run) = self.reported_run(&agent, message).await? else {
            self.writer
                .write(Request {
                    at,
                    contact,
                    changes: Vec::new(),
                })
                .await?;
            return Ok(Taken::Foreign);
        };
        let report = &message.report;
        let imported = u64::from(report.devices).saturating_sub(report.errors.len() as u64);
        if imported > 0 {
            metrics::counter!(DEVICES_NOT_IMPORTED).increment(imported);
            tracing::warn!(
                agent.id = agent.id.0,
                run.id = run.id.0,
                devices = imported,
                "devices were reported, but there is no GLPI to import them: set upstream-url"
            );
        }
        let changes = match message.query {
            NetworkQuery::Discovery => self.discovered(&agent, &run, report).await?,
            NetworkQuery::Inventory => self.queried(&agent, &run, report).await?,
        };
        self.writer
            .write(Request {
                at,
                contact,
                changes,
            })
            .await?;
        Ok(Taken::Own)
    }

    /// The run that the message is about, if the agent may speak of it.
    async fn reported_run(
        &self,
        agent: &Agent,
        message: &NetworkMessage<'_>,
    ) -> Result<Option<Run>, DispatchError> {
        let number = match (message.process_number, message.query, self.policy) {
            (Some(number), ..) => number,
            // What PHP assumes.
            (None, NetworkQuery::Inventory, Policy::Plugin) => "1",
            (None, ..) => "",
        };
        let run = match number.trim().parse() {
            Ok(id) => self.db.run(RunId(id)).await?,
            Err(_) => None,
        };
        let Some(run) = run else {
            ignore_report("unknown-run", number);
            return Ok(None);
        };
        if self.policy == Policy::Redux {
            let snapshot = self.catalogues.current().await?;
            let method = snapshot
                .catalogue
                .jobs
                .get(&run.job)
                .map(|job| job.method.as_str());
            if run.agent != agent.id
                || method.is_some_and(|method| method != message.query.method())
            {
                ignore_foreign(agent, number);
                return Ok(None);
            }
        }
        Ok(Some(run))
    }

    async fn discovered(
        &self,
        agent: &Agent,
        run: &Run,
        report: &Report,
    ) -> Result<Vec<Change>, DispatchError> {
        let progress = Progress {
            started: report.start,
            addresses: report.addresses.unwrap_or_default(),
            found: report.devices,
        };
        // A message of devices alone moves the row only by what it found.
        let got_on = report.start
            || report.end
            || report.exit
            || report.addresses.is_some()
            || report.devices > 0;
        let lines = match (report.start || report.end, report.addresses, self.policy) {
            (true, ..) => Vec::new(),
            // The number of addresses is no finding.
            (false, Some(_), Policy::Redux) if report.devices == 0 => Vec::new(),
            (false, ..) => vec![line(
                LogState::Running,
                format!("{} ==devicesfound==", report.devices),
            )],
        };
        let mut under_way = self.under_way(agent, run, lines);
        // In the same transaction: a message that is sent again after a failure must not be added twice.
        under_way.finding = got_on.then_some(Finding::Discovered {
            agent: agent.id,
            progress,
        });
        let mut changes = vec![under_way];
        if report.end {
            let created = self.db.coded_lines(run.id, "==addtheitem==").await?;
            let updated = self.db.coded_lines(run.id, "==updatetheitem==").await?;
            let text = format!(
                "{} devices: {created} created, {updated} updated.",
                created + updated
            );
            changes.push(self.network_ended(agent, run, text));
        }
        // Agent 2.6 says the end of a discovery twice.
        for change in &mut changes {
            change.unless = StateSet::from(RunState::Finished);
        }
        Ok(changes)
    }

    async fn queried(
        &self,
        agent: &Agent,
        run: &Run,
        report: &Report,
    ) -> Result<Vec<Change>, DispatchError> {
        let mut lines: Vec<Line> = Vec::new();
        if !report.start && !report.end {
            lines.push(line(
                LogState::Running,
                format!("{} ==devicesqueried==", report.devices),
            ));
        }
        for error in &report.errors {
            let (message, id) = match self.policy {
                Policy::Plugin => (error.message.clone(), error.id.clone()),
                Policy::Redux => (
                    text::encode(&error.message).into_owned(),
                    text::encode(&error.id).into_owned(),
                ),
            };
            let text = format!("[==detail==] {message} [[{}::{id}]]", error.itemtype());
            lines.push(line(LogState::Running, cut(&text, MAX_COMMENT)));
        }
        let mut changes = Vec::new();
        if !lines.is_empty() {
            changes.push(self.under_way(agent, run, lines));
        }
        if report.end {
            let updated = self.db.coded_lines(run.id, "[==detail==] Update ").await?;
            changes.push(self.network_ended(agent, run, format!("{updated} devices updated.")));
        }
        if report.start {
            changes.push(self.under_way(
                agent,
                run,
                vec![line(LogState::Running, "==inventorystarted==")],
            ));
        }
        Ok(changes)
    }

    /// The change of a message that ends nothing. PHP moves a discovery whatever its state, and an inventory never.
    fn under_way(&self, agent: &Agent, run: &Run, lines: Vec<Line>) -> Change {
        let discovery = run.itemtype == IP_RANGE;
        let step = match self.policy {
            Policy::Plugin if !discovery => Step::Log,
            _ => self.progress(),
        };
        filed_under(agent, run, step, lines)
    }

    fn network_ended(&self, agent: &Agent, run: &Run, text: String) -> Change {
        let step = Step::Report {
            policy: self.policy,
            reported: Reported::Success,
        };
        filed_under(agent, run, step, vec![line(LogState::Ok, text)])
    }
}

/// A change whose lines are filed under the agent, as PHP does with network tasks.
fn filed_under(agent: &Agent, run: &Run, step: Step, lines: Vec<Line>) -> Change {
    Change {
        itemtype: AGENT.to_owned(),
        items_id: agent.id.0,
        ..change(run, step, lines)
    }
}
