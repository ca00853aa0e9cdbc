//! What an admin can set, checked.
//!
//! An option comes from a flag, else from its `FUSION_SIDECAR_…` variable, else from the TOML file, else from its default. [`options`] has
//! all of them as they are written; [`Settings`] is what the rest of the program sees: complete and checked, all faults reported
//! at once, each with the key it concerns.

pub mod database_url;
mod environment;
mod fault;
pub mod file;
pub mod glpi;
mod load;
pub mod options;
mod spool;
mod tokens;
mod value;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use chrono_tz::Tz;
use secrecy::SecretString;

pub use self::environment::Environment;
pub use self::fault::{Fault, Faults};
pub use self::load::load;
pub use self::options::Options;
pub use self::spool::{Delivery, SpoolBounds};
pub use self::tokens::Tokens;
use crate::domain::driven::TaskMode;
use crate::domain::policy::Policy;

/// Longest time that any option in seconds takes: 30 days. Longer is a slip of the keyboard, and sums of moments stay in range.
pub const MAX_SECONDS: u64 = 30 * 24 * 3600;

/// Paths that GLPI and the plugin are found below, each with GLPI at the root of its host and below `/glpi`; the root itself is for a
/// host name that is the sidecar's own.
pub const DEFAULT_PREFIXES: [&str; 5] = [
    "",
    "/plugins/fusioninventory",
    "/marketplace/fusioninventory",
    "/glpi/plugins/fusioninventory",
    "/glpi/marketplace/fusioninventory",
];

/// Everything `serve`, `once`, `migrate` and `check` need to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the tables are.
    pub database: Database,
    /// Addresses, limits and time-outs of the listener.
    pub server: Server,
    /// How the agents' requests are treated.
    pub dispatch: Dispatch,
    /// Work without a request.
    pub scheduler: Scheduler,
    /// How agents are woken up.
    pub wakeup: Wakeup,
    /// The pages for people.
    pub web: Web,
    /// GLPI's own directory, where the admin named it.
    pub glpi: Option<GlpiPlace>,
    /// GLPI's address for what only PHP can do.
    pub upstream_url: Option<url::Url>,
    /// Directory of the durable queue for messages to PHP.
    pub spool_dir: Option<PathBuf>,
    /// How large that queue may become.
    pub spool_bounds: SpoolBounds,
    /// How messages are handed to PHP.
    pub delivery: Delivery,
    /// The zone that PHP compares timeslots and schedules in.
    pub timezone: Tz,
    /// What is logged, and how.
    pub log: Log,
}

impl Settings {
    /// Every default, on `database`; the time zone is UTC.
    #[must_use]
    pub fn for_database(database: Database) -> Self {
        Self {
            database,
            server: Server::default(),
            dispatch: Dispatch::default(),
            scheduler: Scheduler::default(),
            wakeup: Wakeup::default(),
            web: Web::default(),
            glpi: None,
            upstream_url: None,
            spool_dir: None,
            spool_bounds: SpoolBounds::default(),
            delivery: Delivery::default(),
            timezone: Tz::UTC,
            log: Log::default(),
        }
    }
}

/// Connection to GLPI's database.
#[derive(Debug, Clone)]
pub struct Database {
    /// Host name or address; ignored when `socket` is set.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Path of a Unix socket.
    pub socket: Option<PathBuf>,
    /// User name.
    pub user: String,
    /// Password, if any.
    pub password: Option<SecretString>,
    /// Name of the database.
    pub name: String,
    /// TLS towards the database.
    pub tls: Option<DatabaseTls>,
    /// Which time zone the session has.
    pub session_zone: SessionZone,
    /// Most connections kept at once.
    pub max_connections: usize,
    /// Longest wait for a connection or an answer of the database.
    pub timeout: Duration,
}

impl Database {
    /// Database `name` at `host` on MariaDB's usual port, as `user` without a password, TLS or socket, in the server's time zone, with the
    /// default bounds.
    #[must_use]
    pub fn new(host: impl Into<String>, user: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            host: host.into(),
            port: 3306,
            socket: None,
            user: user.into(),
            password: None,
            name: name.into(),
            tls: None,
            session_zone: SessionZone::Server,
            max_connections: 16,
            timeout: Duration::from_secs(10),
        }
    }

    /// Where the server is, for people: its socket, or host and port.
    #[must_use]
    pub fn place(&self) -> String {
        match &self.socket {
            Some(socket) => socket.display().to_string(),
            None => format!("{}:{}", self.host, self.port),
        }
    }
}

/// TLS towards the database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DatabaseTls {
    /// Certificate authority to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// Own certificate and key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Take any certificate.
    pub accept_invalid: bool,
}

/// Which time zone the database session has: TIMESTAMP columns are stored and shown by it, so it must be GLPI's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionZone {
    /// The database server's: GLPI without `$use_timezones`.
    Server,
    /// The zone of [`Settings::timezone`].
    Timezone,
}

/// The listener.
#[derive(Debug, Clone)]
pub struct Server {
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// Address and port of a listener for health, readiness and metrics, which are then not on the one for agents; plain HTTP.
    pub ops_listen: Option<SocketAddr>,
    /// Certificate chain and key (PEM), for TLS without a proxy.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Proxies whose X-Forwarded-For and X-Forwarded-Proto count.
    pub trusted_proxies: Vec<ipnet::IpNet>,
    /// Paths below which agents find the plugin's addresses; empty = the root.
    pub prefixes: Vec<String>,
    /// Largest body of a request, bytes.
    pub max_body: usize,
    /// Most bytes of bodies in memory at once; small bodies do not count.
    pub max_bodies: usize,
    /// Largest body after inflating, bytes.
    pub max_inflated: usize,
    /// How many large messages are unpacked and parsed at once: each takes a few times `max_inflated` in memory at the most.
    pub max_unpacking: usize,
    /// Most parameters in one query.
    pub max_parameters: usize,
    /// Most elements in one XML message.
    pub max_xml_elements: usize,
    /// Deepest nesting of an XML message.
    pub max_xml_depth: usize,
    /// Longest wait for the whole head of a request.
    pub header_timeout: Duration,
    /// Longest wait for the whole body of a request.
    pub body_timeout: Duration,
    /// Longest time for an answer to begin.
    pub request_timeout: Duration,
    /// Most connections open at once.
    pub max_connections: usize,
    /// How long running requests may go on after the first stop signal.
    pub shutdown_grace: Duration,
}

/// Descriptors beside those of agents' connections, the database's and the questions to agents that are woken up: listeners, log, files being sent, connections to GLPI, refusals.
const OTHER_DESCRIPTORS: u64 = 256;

impl Settings {
    /// How many files and connections a process with these settings may come to have open.
    #[must_use]
    pub fn descriptors(&self) -> u64 {
        let count = |connections| u64::try_from(connections).unwrap_or(u64::MAX);
        count(self.server.max_connections)
            .saturating_add(count(self.database.max_connections))
            .saturating_add(count(self.wakeup.at_once))
            .saturating_add(OTHER_DESCRIPTORS)
    }
}

impl Server {
    /// Whether the two listeners are in each other's way.
    #[must_use]
    pub fn listeners_collide(&self) -> bool {
        self.ops_listen
            .is_some_and(|ops| value::collide(self.listen, ops))
    }
}

impl Settings {
    /// The listener that the one of the pages is in the way of: its option and address.
    #[must_use]
    pub fn web_collides(&self) -> Option<(&'static str, SocketAddr)> {
        let web = self.web.listen?;
        let others = [
            ("listen", Some(self.server.listen)),
            ("ops-listen", self.server.ops_listen),
        ];
        others
            .into_iter()
            .filter_map(|(name, other)| Some((name, other?)))
            .find(|(_, other)| value::collide(web, *other))
    }
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8086)),
            ops_listen: None,
            tls: None,
            trusted_proxies: Vec::new(),
            prefixes: DEFAULT_PREFIXES.map(str::to_owned).to_vec(),
            max_body: 16 * 1024 * 1024,
            max_bodies: 256 * 1024 * 1024,
            max_inflated: 128 * 1024 * 1024,
            max_unpacking: 4,
            max_parameters: 1000,
            max_xml_elements: 1_000_000,
            max_xml_depth: 256,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_mins(1),
            request_timeout: Duration::from_mins(1),
            max_connections: 20_000,
            shutdown_grace: Duration::from_secs(30),
        }
    }
}

/// How agents are treated.
#[derive(Debug, Clone)]
pub struct Dispatch {
    /// Whose rules hold.
    pub policy: Policy,
    /// Address handed out to agents instead of the `agent_base_url` in the tables.
    pub public_url: Option<url::Url>,
    /// The plugin's document directory: `files/repository` and `files/manifests` lie in it.
    pub plugin_doc_dir: Option<PathBuf>,
    /// Age at which the catalogue is read again; zero = at every request.
    pub catalogue_refresh: Duration,
    /// How often a run is sent while its agent reports nothing (policy `redux`).
    pub max_sends: u32,
    /// Who drives a task that does not say it (policy `redux`).
    pub task_mode: TaskMode,
    /// Most unknown agents that may register in a minute (policy `redux`).
    pub max_new_agents: u32,
    /// Most requests that wait to be written.
    pub write_queue: usize,
}

impl Default for Dispatch {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            public_url: None,
            plugin_doc_dir: None,
            catalogue_refresh: Duration::from_secs(5),
            max_sends: 3,
            task_mode: TaskMode::default(),
            max_new_agents: 600,
            write_queue: 4096,
        }
    }
}

/// Work without a request.
#[derive(Debug, Clone)]
pub struct Scheduler {
    /// Whether `serve` prepares, ends silent runs and cleans itself.
    pub enabled: bool,
    /// Time between two passes.
    pub period: Duration,
    /// How long an agent may be silent about a run that it was sent; zero = for ever (policy `redux`).
    pub run_timeout: Duration,
    /// Time between two cleanings.
    pub cleaning_period: Duration,
    /// Most log lines that cleaning deletes in one transaction, and rows that it looks at in one statement.
    pub cleaning_batch: u32,
    /// Runs of each job, target and agent that cleaning keeps whatever their age (policy `redux`).
    pub keep_runs: u32,
    /// Days for which changes found in GLPI are kept.
    pub keep_changes: u32,
    /// How long the sidecar that leads is believed to be there without a word.
    pub lease: Duration,
    /// Whether it prepares and cleans while GLPI's cron does it too.
    pub beside_cron: bool,
    /// Time between two counts of all runs, also with the scheduler off; zero = none.
    pub monitoring_period: Duration,
}

impl Default for Scheduler {
    fn default() -> Self {
        Self {
            enabled: true,
            period: Duration::from_mins(1),
            run_timeout: Duration::from_hours(2),
            cleaning_period: Duration::from_hours(24),
            cleaning_batch: 1000,
            keep_runs: 1,
            keep_changes: 365,
            lease: Duration::from_secs(30),
            beside_cron: false,
            monitoring_period: Duration::from_secs(10),
        }
    }
}

/// How agents are woken up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wakeup {
    /// Networks that agents may be asked in; none = all. Addresses of this machine, of the wire and of groups only where a network of these
    /// alone is named.
    pub networks: Vec<ipnet::IpNet>,
    /// Whether the names of computers are looked up beside their addresses.
    pub names: bool,
    /// Most addresses asked at once.
    pub at_once: usize,
    /// Most addresses asked in a second.
    pub rate: u32,
    /// Longest wait for an answer.
    pub timeout: Duration,
}

impl Default for Wakeup {
    fn default() -> Self {
        Self {
            networks: Vec::new(),
            names: true,
            at_once: 200,
            rate: 100,
            timeout: Duration::from_secs(5),
        }
    }
}

/// The pages for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Web {
    /// Address and port of their listener; without it there are none.
    pub listen: Option<SocketAddr>,
    /// GLPI's own address, for links to its pages and for accounts whose passwords it does not keep itself.
    pub glpi_url: Option<url::Url>,
    /// How long somebody stays signed in who asks for nothing.
    pub idle: Duration,
    /// How long somebody stays signed in at all.
    pub lifetime: Duration,
    /// Sign-ins that may fail for one account within [`Self::window`].
    pub tries_per_name: u32,
    /// The same from one address.
    pub tries_per_address: u32,
    /// How long a sign-in that failed counts.
    pub window: Duration,
    /// Most accounts, and most addresses, whose failures are remembered.
    pub most_remembered: usize,
    /// Most passwords that are worked on at once.
    pub verify_at_once: usize,
    /// Most live pages open at once.
    pub streams: usize,
    /// What programs show to the API; without one it answers people who are signed in alone.
    pub tokens: Tokens,
    /// Nobody is asked who they are. Not an option: for the demo, on the loopback network alone.
    pub open: bool,
}

impl Default for Web {
    fn default() -> Self {
        Self {
            listen: None,
            glpi_url: None,
            idle: Duration::from_mins(30),
            lifetime: Duration::from_hours(12),
            tries_per_name: 10,
            tries_per_address: 30,
            window: Duration::from_mins(10),
            most_remembered: 10_000,
            verify_at_once: 2,
            streams: 500,
            tokens: Tokens::default(),
            open: false,
        }
    }
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Log {
    /// Filter in tracing's words: `info`, `warn,fusion_sidecar=debug`; if absent, each command has its own.
    pub filter: Option<String>,
    /// Shape of a line.
    pub format: LogFormat,
}

/// Shape of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// What GLPI's directory says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GlpiPlace {
    /// The directory itself.
    pub root: PathBuf,
    /// Where the plugin lies: `plugins` or `marketplace`.
    pub plugin_base: Option<PluginBase>,
    /// `$use_timezones` of `config_db.php`.
    pub use_timezones: bool,
    /// What an admin should know about how the directory was read, a sentence each.
    pub notes: Vec<String>,
}

/// The directory below GLPI's in which the plugin lies; part of every address handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PluginBase {
    /// `plugins/fusioninventory`.
    #[default]
    Plugins,
    /// `marketplace/fusioninventory`.
    Marketplace,
}

impl PluginBase {
    /// The directory's name.
    #[must_use]
    pub const fn directory(self) -> &'static str {
        match self {
            Self::Plugins => "plugins",
            Self::Marketplace => "marketplace",
        }
    }
}
