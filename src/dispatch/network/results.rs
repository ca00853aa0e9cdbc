//! Results.

use crate::db::agents::with_version;
use crate::db::network::Progress;
use crate::db::writer::{Change, Driven, Finding, Line, MAX_COMMENT, Request, Step};
use crate::dispatch::contact::Hello;
use crate::dispatch::network::{DISCOVERY, INVENTORY};
use crate::dispatch::{DispatchError, Dispatcher, cut, ignore_foreign, ignore_report, line};
use crate::domain::actors::{AGENT, Agent};
use crate::domain::ids::RunId;
use crate::domain::modules::Module;
use crate::domain::policy::Policy;
use crate::domain::run::{LogState, Reported, Run, RunState, StateSet};
use crate::proto::network::{Remark, Report};
use crate::proto::text;
use crate::telemetry::metrics::DEVICES_NOT_IMPORTED;

/// Most errors of devices that policy `redux` logs of one message; more would hold up all that is written meanwhile.
const MOST_ERRORS: usize = 1000;

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

    /// Takes a message where PHP does not move its run: it moves, and its log grows; the devices in it, if nobody imports them, are counted and
    /// logged, as only GLPI's rule engine could.
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
            .map(|version| (module.to_owned(), version.to_owned()));
        let contact = Some((agent.id, message.hello.contact(at, version)));
        let Some(run) = self.reported_run(&agent, message).await? else {
            if self.policy == Policy::Plugin && !self.imports {
                not_imported(&agent, None, &message.report);
            }
            let changes = self.unknown_run(&agent, message).await?;
            self.writer
                .write(Request {
                    at,
                    contact,
                    driven: Driven::default(),
                    changes,
                })
                .await?;
            return Ok(Taken::Foreign);
        };
        let report = &message.report;
        if !self.imports {
            not_imported(&agent, Some(run.id), report);
        }
        let changes = match message.query {
            NetworkQuery::Discovery => self.discovered(&agent, &run, report).await?,
            NetworkQuery::Inventory => {
                let under_way = match self.policy {
                    // PHP moves an inventory only at its end.
                    Policy::Plugin => Step::Note,
                    Policy::Redux => self.progress(),
                };
                let ended = Step::Report {
                    policy: self.policy,
                    reported: Reported::Success,
                };
                self.queried(&agent, run.id, report, &under_way, ended)
                    .await?
            }
        };
        self.writer
            .write(Request {
                at,
                contact,
                driven: Driven::default(),
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
        let number = self.process_number(message);
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

    /// The run's row as the message names it.
    fn process_number<'a>(&self, message: &NetworkMessage<'a>) -> &'a str {
        match (message.process_number, message.query, self.policy) {
            (Some(number), ..) => number,
            // What PHP assumes.
            (None, NetworkQuery::Inventory, Policy::Plugin) => "1",
            (None, ..) => "",
        }
    }

    /// What is written of a message about a run that the agent may not speak of, or that does not exist: PHP logs an inventory under the
    /// number that it names, whatever that is.
    async fn unknown_run(
        &self,
        agent: &Agent,
        message: &NetworkMessage<'_>,
    ) -> Result<Vec<Change>, DispatchError> {
        let number = self.process_number(message).trim().parse::<u32>();
        match (self.policy, message.query, number) {
            (Policy::Plugin, NetworkQuery::Inventory, Ok(number)) => {
                let run = RunId(number.into());
                self.queried(agent, run, &message.report, &Step::Note, Step::Note)
                    .await
            }
            _ => Ok(Vec::new()),
        }
    }

    async fn discovered(
        &self,
        agent: &Agent,
        run: &Run,
        report: &Report,
    ) -> Result<Vec<Change>, DispatchError> {
        let mut progress = Progress {
            started: report.start,
            addresses: report.addresses.unwrap_or_default(),
            found: report.devices,
            ended: report.end || report.exit,
            known_only: false,
        };
        if self.policy == Policy::Plugin {
            // Of these PHP takes one.
            let bounds = report.start || report.end;
            progress.ended = !report.start && progress.ended;
            progress.known_only = report.exit && !bounds && report.devices == 0;
            if bounds || report.exit {
                progress.addresses = 0;
            }
        }
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
        let mut under_way = filed_under(agent, run.id, self.progress(), lines);
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
            let step = Step::Report {
                policy: self.policy,
                reported: Reported::Success,
            };
            let lines = vec![line(LogState::Ok, text)];
            changes.push(filed_under(agent, run.id, step, lines));
        }
        // Agent 2.6 says the end of a discovery twice.
        for change in &mut changes {
            change.unless = StateSet::from(RunState::Finished);
        }
        Ok(changes)
    }

    /// What is written of an inventory's message: `under_way` is the step of what it says on its way, `ended` that of its end.
    async fn queried(
        &self,
        agent: &Agent,
        run: RunId,
        report: &Report,
        under_way: &Step,
        ended: Step,
    ) -> Result<Vec<Change>, DispatchError> {
        let mut lines: Vec<Line> = Vec::new();
        let bounds = report.start || report.end;
        if !bounds {
            lines.push(line(
                LogState::Running,
                format!("{} ==devicesqueried==", report.devices),
            ));
        }
        // PHP does not log what else a start or an end brings.
        if !bounds || self.policy == Policy::Redux {
            let remarks = report.remarks.iter();
            let mut said = remarks.filter_map(|remark| self.remark(report, remark));
            let most = match self.policy {
                Policy::Plugin => usize::MAX,
                Policy::Redux => MOST_ERRORS,
            };
            let told = said.by_ref().take(most);
            lines.extend(told.map(|text| line(LogState::Running, cut(&text, MAX_COMMENT))));
            let more = said.count();
            if more > 0 {
                lines.push(line(
                    LogState::Running,
                    format!("… and {more} more devices could not be queried."),
                ));
            }
        }
        let mut changes = Vec::new();
        if !lines.is_empty() {
            changes.push(filed_under(agent, run, under_way.clone(), lines));
        }
        if report.end {
            let updated = self.db.coded_lines(run, "[==detail==] Update ").await?;
            let lines = vec![line(LogState::Ok, format!("{updated} devices updated."))];
            changes.push(filed_under(agent, run, ended, lines));
        }
        if report.start {
            let lines = vec![line(LogState::Running, "==inventorystarted==")];
            changes.push(filed_under(agent, run, under_way.clone(), lines));
        }
        Ok(changes)
    }

    /// What is logged of a remark; `redux` logs errors only.
    fn remark(&self, report: &Report, remark: &Remark) -> Option<String> {
        // PHP escapes and encodes what agents say as it reads a message.
        let told = |said: &str| match self.policy {
            Policy::Plugin => text::encode(&text::sql_escape(said)).into_owned(),
            Policy::Redux => text::encode(said).into_owned(),
        };
        let about = match remark {
            Remark::Error(place) => {
                let error = report.errors.get(*place)?;
                let (message, id) = (told(&error.message), told(&error.id));
                format!("{message} [[{}::{id}]]", error.itemtype())
            }
            _ if self.policy == Policy::Redux => return None,
            Remark::Silent { class, id } => format!("No informations [[{class}::{}]]", told(id)),
            Remark::Unattended(name) => format!("Unattended element in CONTENT : {name}"),
        };
        Some(format!("[==detail==] {about}"))
    }
}

/// Counts and logs the devices of a message that GLPI would import.
fn not_imported(agent: &Agent, run: Option<RunId>, report: &Report) {
    let devices = u64::from(report.devices).saturating_sub(report.errors.len() as u64);
    if devices > 0 {
        metrics::counter!(DEVICES_NOT_IMPORTED).increment(devices);
        tracing::warn!(
            agent.id = agent.id.0,
            run.id = run.map(|run| run.0),
            devices,
            "devices were reported, but there is no GLPI to import them: set upstream-url"
        );
    }
}

/// A change whose lines are filed under the agent, as PHP does with network tasks.
fn filed_under(agent: &Agent, run: RunId, step: Step, lines: Vec<Line>) -> Change {
    Change {
        run,
        itemtype: AGENT.to_owned(),
        items_id: agent.id.0,
        step,
        unless: StateSet::default(),
        lines,
        finding: None,
    }
}
