//! The options as they are written: one list for flags, variables and the keys of the TOML file.
//!
//! A value stays the text that it was, together with its [`Source`], until [`super::load()`] reads it: so every fault of every layer is
//! reported in one go and says where the value stands. That is also why the variables are read here and not by clap, which stops at the
//! first one it dislikes and forgets which layer a value came from.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;

use clap::{Arg, ArgMatches, Command, ValueEnum};

use super::Fault;

/// What every variable of ours begins with.
pub const VARIABLE_PREFIX: &str = "FUSION_SIDECAR_";

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
    /// Most connections to the database [default: 16]
    DatabaseMaxConnections,
    /// Longest wait for the database [default: 10]
    DatabaseTimeout,
    /// Zone in which GLPI compares time slots, such as Europe/Berlin [default: the system's]
    Timezone,
    /// Address to listen on [default: 127.0.0.1:8086]
    Listen,
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
    /// Most unknown agents that may register in a minute, with policy redux [default: 600]
    MaxNewAgents,
    /// Whether serve prepares runs itself [default: on]
    Scheduler,
    /// Time between two preparations [default: 60]
    SchedulerPeriod,
    /// GLPI's own address, for what only PHP can do
    UpstreamUrl,
    /// Directory of the durable queue of messages to PHP
    SpoolDir,
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

    /// What it means, with its default.
    #[must_use]
    pub fn help(self) -> String {
        let value = self.to_possible_value();
        let help = value.as_ref().and_then(|value| value.get_help());
        help.map_or_else(String::new, ToString::to_string)
    }

    fn value_name(self) -> &'static str {
        match self {
            Self::Config | Self::DatabaseUrlFile | Self::TlsCert | Self::TlsKey => "FILE",
            Self::DatabaseUrl | Self::PublicUrl | Self::UpstreamUrl => "URL",
            Self::GlpiDir | Self::PluginDocDir | Self::SpoolDir => "DIR",
            Self::DatabaseMaxConnections
            | Self::MaxConnections
            | Self::MaxSends
            | Self::MaxNewAgents
            | Self::MaxUnpacking
            | Self::MaxParameters
            | Self::MaxXmlElements
            | Self::MaxXmlDepth
            | Self::WriteQueue => "NUMBER",
            Self::DatabaseTimeout
            | Self::CatalogueRefresh
            | Self::SchedulerPeriod
            | Self::HeaderTimeout
            | Self::BodyTimeout
            | Self::RequestTimeout
            | Self::ShutdownGrace => "SECONDS",
            Self::MaxBody | Self::MaxBodies | Self::MaxInflated => "BYTES",
            Self::Timezone => "ZONE",
            Self::Listen => "ADDRESS:PORT",
            Self::TrustedProxies => "ADDRESS[/BITS],…",
            Self::Prefixes => "PATH,…",
            Self::Policy => "redux|plugin",
            Self::Scheduler => "on|off",
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
    /// Values of `database-url` are secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.0.iter().map(|(key, given)| match key {
                Key::DatabaseUrl => (key, "[REDACTED]"),
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
        for (name, value) in &environment.0 {
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

/// The environment's variables, handed in so that a test can have its own.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// Those of this process.
    #[must_use]
    pub fn of_process() -> Self {
        Self(std::env::vars_os().collect())
    }

    /// The value of `name`, if it is there and UTF-8.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<String> {
        self.0
            .get(OsStr::new(name))
            .and_then(|value| value.to_str())
            .map(str::to_owned)
    }
}

impl<N: Into<OsString>, V: Into<OsString>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        Self(
            variables
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use clap::{Args, FromArgMatches};
    use proptest::prelude::*;

    use super::*;

    fn flags(arguments: &[&str]) -> Result<Options, clap::Error> {
        let command = Options::augment_args(Command::new("test").no_binary_name(true));
        Options::from_arg_matches(&command.try_get_matches_from(arguments)?)
    }

    #[test]
    fn every_option_is_a_flag_a_variable_and_a_key() {
        let help = Options::augment_args(Command::new("test"))
            .render_long_help()
            .to_string();
        for key in Key::all() {
            let name = key.name();
            let options = flags(&[&format!("--{name}=x")]).unwrap();
            assert_eq!(
                options
                    .get(*key)
                    .map(|given| (given.text.as_str(), &given.source)),
                Some(("x", &Source::Flag))
            );

            let (options, faults) =
                Options::from_environment(&Environment::from_iter([(key.variable(), "x")]));
            assert_eq!(
                (options.get(*key).map(|given| given.text.as_str()), faults),
                (Some("x"), Vec::new())
            );

            let (options, faults) =
                super::super::file::parse(&format!("{name} = 'x'"), "a.toml".as_ref());
            if *key == Key::Config {
                assert_eq!(faults.len(), 1, "a file cannot name a file");
            } else {
                assert_eq!(
                    (options.get(*key).map(|given| given.text.as_str()), faults),
                    (Some("x"), Vec::new())
                );
            }

            assert!(
                help.contains(&format!("--{name} ")),
                "{name} is missing in the help"
            );
            assert!(
                help.contains(&key.variable()),
                "the variable of {name} is missing in the help"
            );
            assert_eq!(Key::from_name(&name), Some(*key));
        }
    }

    #[test]
    fn names_are_the_words_of_the_manual() {
        let names: Vec<String> = Key::all().iter().map(|key| key.name()).collect();
        let manual = "config database-url database-url-file glpi-dir database-max-connections database-timeout timezone listen tls-cert \
            tls-key trusted-proxies prefixes public-url policy plugin-doc-dir catalogue-refresh max-sends max-new-agents scheduler scheduler-period \
            upstream-url spool-dir max-body max-bodies max-inflated max-unpacking max-parameters max-xml-elements max-xml-depth write-queue header-timeout body-timeout request-timeout max-connections shutdown-grace \
            log log-format";
        assert_eq!(
            names.join(" "),
            manual.split_whitespace().collect::<Vec<_>>().join(" ")
        );
        assert_eq!(
            Key::DatabaseUrlFile.variable(),
            "FUSION_SIDECAR_DATABASE_URL_FILE"
        );
    }

    #[test]
    fn an_unknown_variable_is_a_fault_and_a_foreign_one_is_not() {
        let environment = Environment::from_iter([
            ("FUSION_SIDECAR_LISTEM", "x"),
            ("FUSION_OTHER", "x"),
            ("PATH", "/bin"),
        ]);
        let (options, faults) = Options::from_environment(&environment);
        assert_eq!(options, Options::default());
        assert_eq!(
            faults.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["FUSION_SIDECAR_LISTEM: no option has this variable"]
        );
    }

    #[test]
    fn a_value_that_is_not_utf8_is_a_fault() {
        let bytes = OsString::from_vec(vec![0xff]);
        let (_, faults) = Options::from_environment(&Environment::from_iter([(
            "FUSION_SIDECAR_LOG",
            bytes.clone(),
        )]));
        assert_eq!(
            faults[0].to_string(),
            "FUSION_SIDECAR_LOG: the value is not UTF-8"
        );

        let command = Options::augment_args(Command::new("test").no_binary_name(true));
        let matches = command
            .try_get_matches_from([OsString::from("--log"), bytes])
            .unwrap();
        let error = Options::from_arg_matches(&matches).unwrap_err();
        assert!(error.to_string().contains("--log is not UTF-8"), "{error}");
    }

    #[test]
    fn the_upper_layer_wins_and_the_lower_one_fills_gaps() {
        let upper = flags(&["--listen", "1.2.3.4:5"]).unwrap();
        let (lower, _) = Options::from_environment(&Environment::from_iter([
            ("FUSION_SIDECAR_LISTEN", "lower"),
            ("FUSION_SIDECAR_LOG", "warn"),
        ]));
        let both = upper.over(lower);
        assert_eq!(
            both.get(Key::Listen).unwrap().place(Key::Listen),
            "--listen"
        );
        assert_eq!(
            both.get(Key::Log).unwrap().place(Key::Log),
            "FUSION_SIDECAR_LOG"
        );
    }

    #[test]
    fn a_repeated_or_unknown_flag_is_refused() {
        assert!(flags(&["--log=a", "--log=b"]).is_err());
        assert!(flags(&["--logs=a"]).is_err());
    }

    #[test]
    fn debug_output_hides_the_database_url() {
        let options = flags(&["--database-url=mysql://u:geheim@h/d", "--log=warn"]).unwrap();
        let shown = format!("{options:?}");
        assert!(
            !shown.contains("geheim") && shown.contains("warn"),
            "{shown}"
        );
    }

    proptest! {
        #[test]
        fn any_text_passes_through_a_flag(text in "[^\0]*") {
            let options = flags(&[&format!("--log={text}")]).unwrap();
            prop_assert_eq!(&options.get(Key::Log).unwrap().text, &text);
        }
    }
}
