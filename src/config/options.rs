//! The options as they are written: one list for flags, variables and the keys of the TOML file.
//!
//! A value stays the text that it was, together with its [`Source`], until [`super::load()`] reads it: so every fault of every layer is
//! reported in one go and says where the value stands. That is also why the variables are read here and not by clap, which stops at the
//! first one it dislikes and forgets which layer a value came from.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use clap::{Arg, ArgMatches, Command, ValueEnum};

use super::{Environment, Fault, MAX_SECONDS};

/// What every variable of ours begins with.
pub const VARIABLE_PREFIX: &str = "FUSION_SIDECAR_";

const GIBIBYTE: u64 = 1 << 30;

/// An option's name. Its flag, variable and TOML key are derived from the variant; `--help` shows the documentation here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum)]
pub enum Key {
    /// TOML file with the same keys as the flags
    Config,
    /// GLPI's database: mysql://USER:PASSWORD@HOST:PORT/NAME with ?socket=PATH, ssl=true, ssl-ca=PATH, ssl-cert=PATH, ssl-key=PATH,
    /// ssl-verify=false; other users of this machine can read a flag, so prefer a file or variable for it
    DatabaseUrl,
    /// File whose first line is the database URL
    DatabaseUrlFile,
    /// GLPI's directory, instead of a database URL: everything is read from its `config_db.php`
    GlpiDir,
    /// Most connections to the database; two of them are kept for writing, so that fewer than three count as three [default: 16]
    DatabaseMaxConnections,
    /// Longest wait for the database [default: 10]
    DatabaseTimeout,
    /// Zone in which GLPI compares time slots, such as Europe/Berlin [default: the system's]
    Timezone,
    /// Address to listen on [default: 127.0.0.1:8086]
    Listen,
    /// Address for health, readiness and metrics (plain HTTP), instead of the one that agents reach
    OpsListen,
    /// Certificate chain (PEM), to speak TLS without a proxy
    TlsCert,
    /// Key of the certificate (PEM)
    TlsKey,
    /// Proxies whose X-Forwarded-For and X-Forwarded-Proto count [default: none]
    TrustedProxies,
    /// Paths below which agents find the plugin's addresses, the empty one being the root [default: the root and
    /// (/glpi)/(plugins|marketplace)/fusioninventory]
    Prefixes,
    /// Address that agents are given instead of `agent_base_url` in GLPI
    PublicUrl,
    /// Whose rules hold: redux, or plugin for what the plugin does to the row [default: redux]
    Policy,
    /// The plugin's document directory, with files/repository and files/manifests [default: GLPI's, with --glpi-dir]
    PluginDocDir,
    /// Age at which tasks, groups and settings are read again (up to five times it while that takes long); 0 = at every request [default: 5]
    CatalogueRefresh,
    /// How often a run is sent while its agent reports nothing, with policy redux [default: 3]
    MaxSends,
    /// Who drives a task that does not say it, with policy redux: server, which prepares its runs, or agent, for which they are made when it asks [default: server]
    TaskMode,
    /// Most unknown agents that may register in a minute, with policy redux [default: 600]
    MaxNewAgents,
    /// Whether serve prepares runs, ends silent ones, cleans and wakes agents up itself [default: on]
    Scheduler,
    /// Whether serve prepares, cleans and wakes agents up although GLPI's cron does it too [default: off]
    SchedulerBesideCron,
    /// Time between two preparations, two looks for silent runs, two for agents to wake up, and two for what was changed in GLPI [default: 60]
    SchedulerPeriod,
    /// How long an agent may say nothing of what it was sent before the run ends in error, with policy redux; 0 = for ever [default: 7200]
    RunTimeout,
    /// Time between two cleanings of old runs [default: 86400]
    CleaningPeriod,
    /// Most log lines that cleaning deletes in one transaction [default: 1000]
    CleaningBatch,
    /// Runs of each job, target and agent that cleaning keeps whatever their age, with policy redux [default: 1]
    KeepRuns,
    /// Days for which what was found to be changed in GLPI is kept [default: 365]
    KeepChanges,
    /// How long the sidecar that does the periodic work is taken to be there without a word, until another one does it [default: 30]
    Lease,
    /// Time between two counts of all runs for monitoring (up to five times it while they take more than a twentieth of it); 0 = none [default: 10]
    MonitoringPeriod,
    /// Networks that agents may be woken up in; addresses of this machine (127.0.0.0/8), link-local and multicast ones only where a network of
    /// these alone is named [default: all others]
    WakeupNetworks,
    /// Whether agents are looked for by the names of their computers, beside the addresses that GLPI has [default: on]
    WakeupNames,
    /// Most addresses of agents asked at once [default: 200]
    WakeupAtOnce,
    /// Most addresses of agents asked in a second [default: 100]
    WakeupRate,
    /// Longest wait for an agent's answer [default: 5]
    WakeupTimeout,
    /// Address for the pages for people, which are below /sidecar/ there; without it there are none
    WebListen,
    /// GLPI's own address, for links to its pages and for signing in with accounts of a directory
    GlpiUrl,
    /// How long somebody stays signed in to the pages without asking for one [default: 1800]
    WebIdle,
    /// How long somebody stays signed in to the pages at all [default: 43200]
    WebLifetime,
    /// Sign-ins to the pages that may fail for one account within web-login-window [default: 10]
    WebTriesPerName,
    /// Sign-ins to the pages that may fail from one address within web-login-window [default: 30]
    WebTriesPerAddress,
    /// How long a sign-in that failed counts [default: 600]
    WebLoginWindow,
    /// Most accounts, and most addresses, whose failed sign-ins are remembered [default: 10000]
    WebRemembered,
    /// Most passwords that are worked on at once; the others wait [default: 2]
    WebVerifyAtOnce,
    /// Most live pages open at once; more are refused with 503 and do not refresh by themselves [default: 500]
    WebStreams,
    /// Tokens that /api/v1 answers to beside people who are signed in, 32 characters or more each; other users of this machine can read a
    /// flag, so prefer a file or variable for them [default: none]
    ApiTokens,
    /// GLPI's own address, the plugin's, or that of GLPI's front/inventory.php, for what only PHP can do
    UpstreamUrl,
    /// Directory of the durable queue of messages to PHP
    SpoolDir,
    /// Most bytes of the spool's files; a message without room is refused with 503 [default: 4294967296]
    SpoolMaxBytes,
    /// How long a message may wait in the spool before it is parked [default: 2592000]
    SpoolMaxAge,
    /// Bytes of the disk that the spool leaves free; a message that would take of them is refused with 503 [default: 1073741824]
    SpoolMinFree,
    /// Most messages handed to PHP at once [default: 2]
    DeliverAtOnce,
    /// How often a message is handed to PHP before it is parked; while PHP is away no attempt counts [default: 10]
    DeliverAttempts,
    /// Longest wait for PHP to import a message [default: 300]
    DeliverTimeout,
    /// Whether a full inventory takes the place of an older one of the same device that still waits or is parked [default: on]
    DeliverSupersede,
    /// Longest wait of the end of a network run for messages about it that other sidecars still have [default: 600]
    DeliverRunWait,
    /// Largest body of a request [default: 16777216]
    MaxBody,
    /// Most bytes of bodies above 16 KiB in memory at once; more are refused with 503 [default: 268435456]
    MaxBodies,
    /// Largest body after inflating [default: 134217728]
    MaxInflated,
    /// Most large messages that are unpacked at once; the others wait [default: 4]
    MaxUnpacking,
    /// Most parameters in one query [default: 1000]
    MaxParameters,
    /// Most elements in one XML message [default: 1000000]
    MaxXmlElements,
    /// Deepest nesting of an XML message [default: 256]
    MaxXmlDepth,
    /// Most requests that wait to be written; more are refused with 503 [default: 4096]
    WriteQueue,
    /// Longest wait for the head of a request [default: 10]
    HeaderTimeout,
    /// Longest wait for the body of a request [default: 60]
    BodyTimeout,
    /// Longest wait for an answer to begin [default: 60]
    RequestTimeout,
    /// Most connections of agents at once [default: 20000]
    MaxConnections,
    /// How long running requests may go on after the first stop signal [default: 30]
    ShutdownGrace,
    /// What is logged, in tracing's words: `info`, or `warn,fusion_sidecar=debug` [default: info; warn for check]
    Log,
    /// Shape of a log line: text or json [default: text]
    LogFormat,
}

impl Key {
    /// Every option, in the order of `--help`.
    #[must_use]
    pub fn all() -> &'static [Self] {
        Self::value_variants()
    }

    /// The word of the flag (after `--`) and of the TOML file.
    #[must_use]
    pub fn name(self) -> String {
        self.to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// The environment variable.
    #[must_use]
    pub fn variable(self) -> String {
        format!(
            "{VARIABLE_PREFIX}{}",
            self.name().replace('-', "_").to_uppercase()
        )
    }

    /// The option that `name` means.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::all().iter().copied().find(|key| key.name() == name)
    }

    /// The whole numbers that it takes, if it takes one. Above the upper end there is no use, only memory or a sum that runs over.
    #[must_use]
    pub fn range(self) -> Option<RangeInclusive<u64>> {
        Some(match self {
            Self::CatalogueRefresh
            | Self::MonitoringPeriod
            | Self::RunTimeout
            | Self::DeliverRunWait
            | Self::ShutdownGrace => 0..=MAX_SECONDS,
            Self::Lease => 2..=MAX_SECONDS,
            Self::DatabaseTimeout
            | Self::SchedulerPeriod
            | Self::CleaningPeriod
            | Self::WakeupTimeout
            | Self::WebIdle
            | Self::WebLifetime
            | Self::WebLoginWindow
            | Self::DeliverTimeout
            | Self::HeaderTimeout
            | Self::BodyTimeout
            | Self::RequestTimeout
            | Self::SpoolMaxAge => 1..=MAX_SECONDS,
            Self::MaxSends
            | Self::MaxUnpacking
            | Self::WebVerifyAtOnce
            | Self::DeliverAtOnce
            | Self::DeliverAttempts => 1..=1000,
            Self::DatabaseMaxConnections
            | Self::KeepRuns
            | Self::KeepChanges
            | Self::WakeupAtOnce
            | Self::WakeupRate
            | Self::WebTriesPerName
            | Self::WebTriesPerAddress
            | Self::MaxXmlDepth => 1..=10_000,
            Self::CleaningBatch => 1..=100_000,
            Self::MaxNewAgents => 0..=1_000_000,
            Self::MaxParameters
            | Self::WriteQueue
            | Self::WebRemembered
            | Self::WebStreams
            | Self::MaxConnections => 1..=1_000_000,
            Self::MaxXmlElements => 1..=100_000_000,
            Self::MaxBody | Self::MaxInflated => 1..=GIBIBYTE,
            Self::MaxBodies => 1..=64 * GIBIBYTE,
            Self::SpoolMaxBytes => 1..=16_384 * GIBIBYTE,
            Self::SpoolMinFree => 0..=16_384 * GIBIBYTE,
            _ => return None,
        })
    }

    /// What it means, with its range and its default.
    #[must_use]
    pub fn help(self) -> String {
        let value = self.to_possible_value();
        let help = value.as_ref().and_then(|value| value.get_help());
        let help = help.map_or_else(String::new, ToString::to_string);
        let Some(range) = self.range() else {
            return help;
        };
        let (meaning, default) = help.split_at(help.find(" [default: ").unwrap_or(help.len()));
        format!("{meaning} ({} to {}){default}", range.start(), range.end())
    }

    fn value_name(self) -> &'static str {
        match self {
            Self::Config | Self::DatabaseUrlFile | Self::TlsCert | Self::TlsKey => "FILE",
            Self::DatabaseUrl | Self::PublicUrl | Self::UpstreamUrl | Self::GlpiUrl => "URL",
            Self::GlpiDir | Self::PluginDocDir | Self::SpoolDir => "DIR",
            Self::DatabaseMaxConnections
            | Self::MaxConnections
            | Self::MaxSends
            | Self::CleaningBatch
            | Self::KeepRuns
            | Self::KeepChanges
            | Self::WakeupAtOnce
            | Self::WakeupRate
            | Self::DeliverAtOnce
            | Self::DeliverAttempts
            | Self::MaxNewAgents
            | Self::MaxUnpacking
            | Self::MaxParameters
            | Self::MaxXmlElements
            | Self::MaxXmlDepth
            | Self::WebTriesPerName
            | Self::WebTriesPerAddress
            | Self::WebRemembered
            | Self::WebVerifyAtOnce
            | Self::WebStreams
            | Self::WriteQueue => "NUMBER",
            Self::DatabaseTimeout
            | Self::CatalogueRefresh
            | Self::SchedulerPeriod
            | Self::RunTimeout
            | Self::CleaningPeriod
            | Self::MonitoringPeriod
            | Self::WakeupTimeout
            | Self::DeliverTimeout
            | Self::DeliverRunWait
            | Self::Lease
            | Self::WebIdle
            | Self::WebLifetime
            | Self::WebLoginWindow
            | Self::HeaderTimeout
            | Self::BodyTimeout
            | Self::RequestTimeout
            | Self::SpoolMaxAge
            | Self::ShutdownGrace => "SECONDS",
            Self::MaxBody
            | Self::MaxBodies
            | Self::MaxInflated
            | Self::SpoolMaxBytes
            | Self::SpoolMinFree => "BYTES",
            Self::Timezone => "ZONE",
            Self::Listen | Self::OpsListen | Self::WebListen => "ADDRESS:PORT",
            Self::TrustedProxies | Self::WakeupNetworks => "ADDRESS[/BITS],…",
            Self::Prefixes => "PATH,…",
            Self::ApiTokens => "TOKEN,…",
            Self::Policy => "redux|plugin",
            Self::TaskMode => "server|agent",
            Self::Scheduler
            | Self::SchedulerBesideCron
            | Self::WakeupNames
            | Self::DeliverSupersede => "on|off",
            Self::Log => "FILTER",
            Self::LogFormat => "text|json",
        }
    }

    fn argument(self) -> Arg {
        Arg::new(self.name())
            .long(self.name())
            .value_name(self.value_name())
            .help(format!("{} [env: {}]", self.help(), self.variable()))
            .help_heading("Configuration")
            .value_parser(clap::value_parser!(OsString))
    }
}

/// Where a value stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// On the command line.
    Flag,
    /// In the environment.
    Variable,
    /// In the TOML file.
    File {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
    },
}

/// A value and where it stands.
#[derive(Clone, PartialEq, Eq)]
pub struct Given {
    /// As it was written; parts of a list joined by commas.
    pub text: String,
    /// Where.
    pub source: Source,
}

impl Given {
    /// Says where the value of `key` stands.
    #[must_use]
    pub fn place(&self, key: Key) -> String {
        match &self.source {
            Source::Flag => format!("--{}", key.name()),
            Source::Variable => key.variable(),
            Source::File { path, line, column } => {
                format!("{} line {line} column {column}", path.display())
            }
        }
    }
}

/// Values of any of the options: one layer, or several laid over each other.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Options(BTreeMap<Key, Given>);

impl fmt::Debug for Options {
    /// Values of `database-url` and `api-tokens` are secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.0.iter().map(|(key, given)| match key {
                Key::DatabaseUrl | Key::ApiTokens => (key, "[REDACTED]"),
                _ => (key, given.text.as_str()),
            }))
            .finish()
    }
}

impl Options {
    /// The value of `key`.
    #[must_use]
    pub fn get(&self, key: Key) -> Option<&Given> {
        self.0.get(&key)
    }

    /// Sets the value of `key`.
    pub fn set(&mut self, key: Key, text: impl Into<String>, source: Source) {
        let text = text.into();
        self.0.insert(key, Given { text, source });
    }

    /// These values, and those of `lower` for what is not set here.
    #[must_use]
    pub fn over(mut self, lower: Self) -> Self {
        for (key, given) in lower.0 {
            self.0.entry(key).or_insert(given);
        }
        self
    }

    /// The options among the variables of `environment`. A variable with our prefix that is no option is a fault: it is a misspelt one.
    #[must_use]
    pub fn from_environment(environment: &Environment) -> (Self, Vec<Fault>) {
        let mut options = Self::default();
        let mut faults = Vec::new();
        for (name, value) in environment.all() {
            let Some(name) = name
                .to_str()
                .filter(|name| name.starts_with(VARIABLE_PREFIX))
            else {
                continue;
            };
            match (
                Key::all().iter().find(|key| key.variable() == name),
                value.to_str(),
            ) {
                (Some(key), Some(value)) => options.set(*key, value, Source::Variable),
                (Some(_), None) => faults.push(Fault::new(name, "the value is not UTF-8")),
                (None, _) => faults.push(Fault::new(name, "no option has this variable")),
            }
        }
        (options, faults)
    }
}

impl clap::FromArgMatches for Options {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut options = Self::default();
        options.update_from_arg_matches(matches)?;
        Ok(options)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for key in Key::all() {
            if let Some(value) = matches.get_one::<OsString>(&key.name()) {
                let text = value.to_str().ok_or_else(|| {
                    let message = format!("the value of --{} is not UTF-8\n", key.name());
                    clap::Error::raw(clap::error::ErrorKind::InvalidUtf8, message)
                })?;
                self.set(*key, text, Source::Flag);
            }
        }
        Ok(())
    }
}

impl clap::Args for Options {
    fn augment_args(command: Command) -> Command {
        command.args(Key::all().iter().map(|key| key.argument()))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

#[cfg(test)]
mod tests;
