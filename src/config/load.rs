//! From options to settings: lays the layers over each other and reads every value, collecting what is wrong.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono_tz::Tz;
use secrecy::zeroize::Zeroizing;

use super::options::{Given, Key, Options};
use super::value::{self, Refusal};
use super::{
    Database, Environment, Fault, Faults, GlpiPlace, SessionZone, Settings, database_url, file,
    glpi,
};

/// Reads everything an admin can set: `flags` over `environment` over the TOML file that one of the two names over the defaults.
///
/// Reads files: the TOML file, the one with the database URL, and with `glpi-dir` GLPI's configuration. All that is wrong is
/// reported together.
pub fn load(flags: &Options, environment: &Environment) -> Result<Settings, Faults> {
    let (variables, mut faults) = Options::from_environment(environment);
    let mut options = flags.clone().over(variables);
    let mut complete = true;
    if let Some(given) = options.get(Key::Config) {
        match file::read(Path::new(&given.text)) {
            Ok((lower, more)) => {
                faults.extend(more);
                options = options.over(lower);
            }
            Err(fault) => {
                faults.push(fault);
                complete = false;
            }
        }
    }
    let mut reader = Reader {
        options: &options,
        complete,
        faults,
    };
    let settings = reader.settings(environment);
    let faults = reader.faults;
    settings.filter(|_| faults.is_empty()).ok_or(Faults(faults))
}

/// How many letters of a misspelt name are wrong at the most.
const MOST_SLIPS: usize = 2;

/// Reads options one by one and keeps their faults.
struct Reader<'a> {
    options: &'a Options,
    /// Whether every layer could be read, so that what is not there is missing.
    complete: bool,
    faults: Vec<Fault>,
}

impl<'a> Reader<'a> {
    /// `None` only together with a fault.
    fn settings(&mut self, environment: &Environment) -> Option<Settings> {
        let timezone = self.read(Key::Timezone, value::timezone);
        let place = self.database(timezone.is_some(), environment);
        // Everything else is read even when there is no database, for the sake of its faults.
        let mut settings = Settings::for_database(Database::new("", "", ""));
        self.server(&mut settings);
        self.dispatch(&mut settings);
        self.web(&mut settings);
        settings.timezone = timezone.unwrap_or_else(system_timezone);
        settings.log.filter = self.read(Key::Log, value::log_filter);
        self.set(&mut settings.log.format, Key::LogFormat, value::log_format);

        let (mut database, glpi, glpi_doc_dir) = place?;
        self.number(&mut database.max_connections, Key::DatabaseMaxConnections);
        self.duration(&mut database.timeout, Key::DatabaseTimeout);
        settings.database = database;
        settings.glpi = glpi;
        settings.dispatch.plugin_doc_dir = settings.dispatch.plugin_doc_dir.or(glpi_doc_dir);
        Some(settings)
    }

    fn server(&mut self, settings: &mut Settings) {
        let server = &mut settings.server;
        self.set(&mut server.listen, Key::Listen, value::listen);
        server.ops_listen = self.read(Key::OpsListen, value::listen);
        if server.listeners_collide()
            && !self
                .faults
                .iter()
                .any(|fault| fault.key == Key::Listen.name())
            && let Some(given) = self.options.get(Key::OpsListen)
        {
            let reason = format!(
                "'{}' is taken by listen ({}): name another address or port",
                given.text, server.listen
            );
            self.fault(Key::OpsListen, given, &reason);
        }
        let certificate = self.read(Key::TlsCert, value::path);
        let key = self.read(Key::TlsKey, value::path);
        for (have, lack) in [(Key::TlsCert, Key::TlsKey), (Key::TlsKey, Key::TlsCert)] {
            if let (Some(given), None) = (self.options.get(have), self.options.get(lack))
                && !self.is_misspelt(lack)
            {
                let message = format!("is missing beside {} ({})", have.name(), given.place(have));
                self.faults.push(Fault::new(lack.name(), message));
            }
        }
        server.tls = certificate.zip(key);
        self.set(
            &mut server.trusted_proxies,
            Key::TrustedProxies,
            value::networks,
        );
        self.set(&mut server.prefixes, Key::Prefixes, value::prefixes);
        self.number(&mut server.max_body, Key::MaxBody);
        self.number(&mut server.max_bodies, Key::MaxBodies);
        self.number(&mut server.max_inflated, Key::MaxInflated);
        self.number(&mut server.max_connections, Key::MaxConnections);
        self.number(&mut server.max_unpacking, Key::MaxUnpacking);
        self.number(&mut server.max_parameters, Key::MaxParameters);
        self.number(&mut server.max_xml_elements, Key::MaxXmlElements);
        self.number(&mut server.max_xml_depth, Key::MaxXmlDepth);
        self.duration(&mut server.header_timeout, Key::HeaderTimeout);
        self.duration(&mut server.body_timeout, Key::BodyTimeout);
        self.duration(&mut server.request_timeout, Key::RequestTimeout);
        self.duration(&mut server.shutdown_grace, Key::ShutdownGrace);
    }

    fn web(&mut self, settings: &mut Settings) {
        settings.web.listen = self.read(Key::WebListen, value::listen);
        let web = &mut settings.web;
        web.glpi_url = self.read(Key::GlpiUrl, value::web_address);
        self.duration(&mut web.idle, Key::WebIdle);
        self.duration(&mut web.lifetime, Key::WebLifetime);
        self.number(&mut web.tries_per_name, Key::WebTriesPerName);
        self.number(&mut web.tries_per_address, Key::WebTriesPerAddress);
        self.duration(&mut web.window, Key::WebLoginWindow);
        self.number(&mut web.most_remembered, Key::WebRemembered);
        self.number(&mut web.verify_at_once, Key::WebVerifyAtOnce);
        self.number(&mut web.streams, Key::WebStreams);
        self.set(&mut web.tokens, Key::ApiTokens, value::tokens);
        let others = [Key::Listen.name(), Key::OpsListen.name()];
        if let Some((name, other)) = settings.web_collides()
            && !self.faults.iter().any(|fault| others.contains(&fault.key))
            && let Some(given) = self.options.get(Key::WebListen)
        {
            let reason = format!(
                "'{}' is taken by {name} ({other}): name another address or port",
                given.text
            );
            self.fault(Key::WebListen, given, &reason);
        }
    }

    fn dispatch(&mut self, settings: &mut Settings) {
        let dispatch = &mut settings.dispatch;
        self.set(&mut dispatch.policy, Key::Policy, |text| {
            text.parse().map_err(|error| format!("{error}"))
        });
        self.set(&mut dispatch.task_mode, Key::TaskMode, |text| {
            text.parse().map_err(|error| format!("{error}"))
        });
        dispatch.public_url = self.read(Key::PublicUrl, value::web_address);
        dispatch.plugin_doc_dir = self.read(Key::PluginDocDir, value::path);
        self.duration(&mut dispatch.catalogue_refresh, Key::CatalogueRefresh);
        self.number(&mut dispatch.max_sends, Key::MaxSends);
        self.number(&mut dispatch.max_new_agents, Key::MaxNewAgents);
        self.number(&mut dispatch.write_queue, Key::WriteQueue);
        self.set(
            &mut settings.scheduler.enabled,
            Key::Scheduler,
            value::switch,
        );
        let scheduler = &mut settings.scheduler;
        self.set(
            &mut scheduler.beside_cron,
            Key::SchedulerBesideCron,
            value::switch,
        );
        self.duration(&mut scheduler.period, Key::SchedulerPeriod);
        self.duration(&mut scheduler.run_timeout, Key::RunTimeout);
        self.duration(&mut scheduler.cleaning_period, Key::CleaningPeriod);
        self.number(&mut scheduler.cleaning_batch, Key::CleaningBatch);
        self.number(&mut scheduler.keep_runs, Key::KeepRuns);
        self.number(&mut scheduler.keep_changes, Key::KeepChanges);
        self.duration(&mut scheduler.lease, Key::Lease);
        self.duration(&mut scheduler.monitoring_period, Key::MonitoringPeriod);
        let wakeup = &mut settings.wakeup;
        self.set(&mut wakeup.networks, Key::WakeupNetworks, value::networks);
        self.set(&mut wakeup.names, Key::WakeupNames, value::switch);
        self.number(&mut wakeup.at_once, Key::WakeupAtOnce);
        self.number(&mut wakeup.rate, Key::WakeupRate);
        self.duration(&mut wakeup.timeout, Key::WakeupTimeout);
        settings.upstream_url = self.read(Key::UpstreamUrl, value::web_address);
        settings.spool_dir = self.read(Key::SpoolDir, value::path);
        let bounds = &mut settings.spool_bounds;
        self.number(&mut bounds.max_bytes, Key::SpoolMaxBytes);
        self.duration(&mut bounds.max_age, Key::SpoolMaxAge);
        self.number(&mut bounds.min_free, Key::SpoolMinFree);
        let delivery = &mut settings.delivery;
        self.number(&mut delivery.at_once, Key::DeliverAtOnce);
        self.number(&mut delivery.attempts, Key::DeliverAttempts);
        self.duration(&mut delivery.timeout, Key::DeliverTimeout);
        self.set(
            &mut delivery.supersede,
            Key::DeliverSupersede,
            value::switch,
        );
        self.duration(&mut delivery.run_wait, Key::DeliverRunWait);
    }

    /// The database, with GLPI's directory and the plugin's document directory if the former was given.
    fn database(
        &mut self,
        zone_given: bool,
        environment: &Environment,
    ) -> Option<(Database, Option<GlpiPlace>, Option<PathBuf>)> {
        let given: Vec<(Key, &Given)> = [Key::DatabaseUrl, Key::DatabaseUrlFile, Key::GlpiDir]
            .into_iter()
            .filter_map(|key| Some((key, self.options.get(key)?)))
            .collect();
        let database = match given[..] {
            [(Key::GlpiDir, given)] => return self.glpi(given, environment),
            [(Key::DatabaseUrl, _)] => self.read(Key::DatabaseUrl, |text| {
                database_url::parse(text).map_err(refusal)
            }),
            [(key, _)] => self.read(key, database_url_in_file),
            [] if !self.complete
                || [Key::DatabaseUrl, Key::DatabaseUrlFile, Key::GlpiDir]
                    .into_iter()
                    .any(|key| self.is_misspelt(key)) =>
            {
                None
            }
            [] => {
                let message = "is missing: give database-url, database-url-file or glpi-dir";
                self.faults
                    .push(Fault::new(Key::DatabaseUrl.name(), message));
                None
            }
            [(key, _), ..] => {
                let places: Vec<String> = given
                    .iter()
                    .map(|(key, given)| format!("{} ({})", key.name(), given.place(*key)))
                    .collect();
                let message = format!(
                    "only one can name the database, but there are {}",
                    places.join(" and ")
                );
                self.faults.push(Fault::new(key.name(), message));
                None
            }
        };
        let mut database = database?;
        if zone_given {
            database.session_zone = SessionZone::Timezone;
        }
        Some((database, None, None))
    }

    fn glpi(
        &mut self,
        given: &Given,
        environment: &Environment,
    ) -> Option<(Database, Option<GlpiPlace>, Option<PathBuf>)> {
        let root = self.read(Key::GlpiDir, value::path)?;
        match glpi::read(&root, |name| environment.get(name)) {
            Ok(glpi) => Some((glpi.database, Some(glpi.place), Some(glpi.plugin_doc_dir))),
            Err(error) => {
                self.fault(Key::GlpiDir, given, &error.to_string());
                None
            }
        }
    }

    /// The value of `key`, if it was given and is one.
    fn read<T>(
        &mut self,
        key: Key,
        parse: impl FnOnce(&'a str) -> Result<T, Refusal>,
    ) -> Option<T> {
        let given = self.options.get(key)?;
        match parse(&given.text) {
            Ok(value) => Some(value),
            Err(reason) => {
                self.fault(key, given, &reason);
                None
            }
        }
    }

    /// Sets `slot` to the value of `key`, if there is one.
    fn set<T>(
        &mut self,
        slot: &mut T,
        key: Key,
        parse: impl FnOnce(&'a str) -> Result<T, Refusal>,
    ) {
        if let Some(value) = self.read(key, parse) {
            *slot = value;
        }
    }

    /// Sets `slot` to the number that `key` is given, in the key's range.
    fn number<T: TryFrom<u64>>(&mut self, slot: &mut T, key: Key) {
        if let Some(range) = key.range() {
            self.set(slot, key, |text| value::number(text, &range, ""));
        }
    }

    fn duration(&mut self, slot: &mut Duration, key: Key) {
        if let Some(range) = key.range() {
            self.set(slot, key, |text| {
                value::number(text, &range, " of seconds").map(Duration::from_secs)
            });
        }
    }

    /// Whether a fault there is already may be about `key`: then it is not said to be missing too.
    fn is_misspelt(&self, key: Key) -> bool {
        self.faults.iter().any(|fault| {
            let name = fault.key.to_lowercase().replace('_', "-");
            let name = name.strip_prefix("fusion-sidecar-").unwrap_or(&name);
            strsim::osa_distance(name, &key.name()) <= MOST_SLIPS
        })
    }

    fn fault(&mut self, key: Key, given: &Given, reason: &str) {
        self.faults.push(Fault::new(
            key.name(),
            format!("{}: {reason}", given.place(key)),
        ));
    }
}

fn refusal(error: impl std::fmt::Display) -> Refusal {
    error.to_string()
}

fn database_url_in_file(path: &str) -> Result<Database, Refusal> {
    let text =
        file::text(Path::new(path)).map_err(|error| format!("{path} cannot be read: {error}"))?;
    let text = Zeroizing::new(text);
    let line = text.lines().next().unwrap_or_default().trim();
    database_url::parse(line).map_err(|error| format!("the first line of {path} {error}"))
}

/// The machine's zone; UTC where it has none that is known.
fn system_timezone() -> Tz {
    let name = iana_time_zone::get_timezone().ok();
    name.and_then(|name| name.parse().ok()).unwrap_or(Tz::UTC)
}

#[cfg(test)]
mod tests;
