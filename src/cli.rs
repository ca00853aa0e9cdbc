//! The command line: commands, and which function each one calls.

mod replay;
mod report;
mod spool;

use std::ffi::OsString;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};

use crate::app::{Migration, Show};
use crate::config::{self, Environment, LogFormat, Options, Settings};
use crate::domain::cleaning::Duty;
use crate::domain::policy::Policy;
use crate::domain::reports::ask::Wrong;
use crate::{app, check, demo, telemetry};

/// Exit code of wrong usage and wrong configuration, as clap's own.
const USAGE: u8 = 2;

/// Answers FusionInventory agents beside GLPI, on GLPI's own tables.
#[derive(Debug, Parser)]
#[command(
    name = "fusion-sidecar",
    version,
    about,
    after_help = "A flag counts before its variable, a variable before the file of --config."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer agents until told to stop
    Serve(Configured),
    /// Do one piece of background work now
    #[command(subcommand)]
    Once(Work),
    /// Create the sidecar's own tables
    Migrate {
        /// Create the tables shared with GLPI too, in a database without one
        #[arg(long)]
        standalone: bool,
        /// Switch off the plugin's cron tasks whose work the sidecar does, and remember which were on
        #[arg(long, conflicts_with_all = ["standalone", "hand_back"])]
        take_over: bool,
        /// Switch on again what --take-over switched off
        #[arg(long, conflicts_with = "standalone")]
        hand_back: bool,
        #[command(flatten)]
        configured: Configured,
    },
    /// Say everything that is wrong with the configuration, the database and GLPI
    Check(Configured),
    /// Show every task: what it does, how far it is and what became of its runs
    Tasks {
        /// Go on showing them as they change, until told to stop
        #[arg(long)]
        watch: bool,
        /// As JSON, with --watch one document a line
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        configured: Configured,
    },
    /// Write a report: of deploy campaigns, discoveries, inventories, collects, or silent agents
    Report {
        #[command(flatten)]
        arguments: report::ReportArgs,
        #[command(flatten)]
        configured: Configured,
    },
    /// Look after messages that wait for PHP
    #[command(subcommand)]
    Spool(spool::SpoolCommand),
    /// Show the whole thing on a private database
    Demo(DemoArgs),
    /// Play recorded exchanges against a server and show where it differs from the reference
    Replay(replay::ReplayArgs),
}

/// Background work that can be done by hand.
#[derive(Debug, Subcommand)]
enum Work {
    /// Prepare the runs of all active tasks
    Prepare {
        /// Only say what would be prepared and cancelled, and what GLPI's cron would do otherwise
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        configured: Configured,
    },
    /// End runs in error whose agents have been silent for too long
    Expire {
        /// Only say how many there are
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        configured: Configured,
    },
    /// Delete old runs with their log lines
    Clean(Configured),
    /// Delete tasks on demand that are done
    #[command(name = "cleanondemand")]
    CleanOnDemand(Configured),
    /// Ask agents that have work to come now
    #[command(name = "wakeup")]
    WakeUp(Configured),
}

/// The options that every command but `demo` and `replay` has.
#[derive(Debug, Args)]
struct Configured {
    #[command(flatten)]
    options: Options,
}

/// What `demo` can be told. It reads no variable and no file: it touches nothing of an installation.
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// Address to listen on
    #[arg(long, value_name = "ADDRESS:PORT", default_value_t = demo::DEFAULT_LISTEN)]
    pub listen: SocketAddr,
    /// End when the agent's run has ended; the exit code is 0 only if it finished well
    #[arg(long)]
    pub exit: bool,
    /// Keep the data at the end
    #[arg(long)]
    pub keep: bool,
    /// Directory for the data, which are kept; data of an earlier demo are taken up [default: a new temporary one]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Whose rules hold: redux or plugin
    #[arg(long, default_value_t)]
    pub policy: Policy,
}

/// Does what the command line of this process says.
pub async fn run() -> ExitCode {
    run_with(std::env::args_os(), &Environment::of_process()).await
}

async fn run_with(
    arguments: impl IntoIterator<Item = OsString>,
    environment: &Environment,
) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come as errors too. A closed pipe is no reason to fail.
            let _ = error.print();
            return u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from);
        }
    };
    match dispatch(cli.command, environment).await {
        Ok(code) => code,
        Err(error) => {
            let code = if error.is::<config::Faults>() || error.is::<Wrong>() {
                ExitCode::from(USAGE)
            } else {
                ExitCode::FAILURE
            };
            complain(&reasons(&error));
            code
        }
    }
}

async fn dispatch(command: Command, environment: &Environment) -> anyhow::Result<ExitCode> {
    let settings = |configured: Configured| {
        start(&configured.options, environment, "info").inspect(|settings| {
            for note in settings.glpi.iter().flat_map(|glpi| &glpi.notes) {
                tracing::warn!("{note}");
            }
        })
    };
    match command {
        Command::Serve(configured) => app::serve(settings(configured)?).await,
        Command::Once(Work::Prepare {
            dry_run,
            configured,
        }) => app::once_prepare(settings(configured)?, dry_run).await,
        Command::Once(Work::Expire {
            dry_run,
            configured,
        }) => app::once_expire(settings(configured)?, dry_run).await,
        Command::Once(Work::Clean(configured)) => {
            app::once_clean(settings(configured)?, Duty::Runs).await
        }
        Command::Once(Work::CleanOnDemand(configured)) => {
            app::once_clean(settings(configured)?, Duty::OnDemand).await
        }
        Command::Once(Work::WakeUp(configured)) => app::once_wakeup(settings(configured)?).await,
        Command::Migrate {
            standalone,
            take_over,
            hand_back,
            configured,
        } => {
            let migration = match (standalone, take_over, hand_back) {
                (true, ..) => Migration::Standalone,
                (_, true, _) => Migration::TakeOver,
                (.., true) => Migration::HandBack,
                (false, false, false) => Migration::Own,
            };
            app::migrate(settings(configured)?, migration).await
        }
        // What it finds is in its report, and its own listener comes and goes unsaid.
        Command::Check(configured) => {
            check::run(start(&configured.options, environment, "warn")?).await
        }
        Command::Tasks {
            watch,
            json,
            configured,
        } => {
            let settings = start(&configured.options, environment, "warn")?;
            app::tasks(settings, Show { watch, json }).await
        }
        Command::Report {
            arguments,
            configured,
        } => {
            let settings = start(&configured.options, environment, "warn")?;
            let (name, wanted) = arguments.wanted();
            app::report(settings, name, wanted).await
        }
        Command::Spool(command) => {
            spool::run(command, |configured| {
                start(&configured.options, environment, "warn")
            })
            .await
        }
        Command::Replay(arguments) => {
            telemetry::init("warn", LogFormat::Text).context("logging")?;
            replay::run(arguments).await
        }
        Command::Demo(arguments) => {
            telemetry::init("warn", LogFormat::Text).context("logging")?;
            demo::run(arguments).await
        }
    }
}

/// Reads the configuration and starts logging as it says, or by `filter` where it says nothing.
fn start(options: &Options, environment: &Environment, filter: &str) -> anyhow::Result<Settings> {
    let settings = config::load(options, environment)?;
    let filter = settings.log.filter.as_deref().unwrap_or(filter);
    telemetry::init(filter, settings.log.format).context("logging")?;
    Ok(settings)
}

/// Writes to standard output what a command was asked for. A reader who has gone away is no error.
pub fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// The same, and whether somebody still reads.
#[must_use]
pub fn tell(text: &str) -> bool {
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{text}").is_ok() && stdout.flush().is_ok()
}

/// An error with its causes, but for those that its text has already: many errors of libraries repeat theirs.
#[must_use]
pub fn reasons(error: &anyhow::Error) -> String {
    let mut said = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if said.is_empty() {
            said = cause;
        } else if !said.contains(&cause) {
            said = format!("{said}: {cause}");
        }
    }
    said
}

/// Writes to standard error why a command failed, each line with the program's name.
fn complain(text: &str) {
    let mut stderr = std::io::stderr();
    for line in text.lines() {
        let _ = writeln!(stderr, "fusion-sidecar: {line}");
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::config::options::Key;

    fn parse(line: &str) -> Result<Cli, String> {
        Cli::try_parse_from(line.split_whitespace()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_help_of_every_configured_command_lists_every_option() {
        let mut command = Cli::command();
        for name in [
            "serve",
            "once prepare",
            "once expire",
            "migrate",
            "check",
            "tasks",
            "report",
        ] {
            let mut named = &mut command;
            for word in name.split(' ') {
                named = named.find_subcommand_mut(word).unwrap();
            }
            let help = named.render_help().to_string();
            for key in Key::all() {
                assert!(
                    help.contains(&format!("--{} ", key.name())),
                    "{name}: {} is missing",
                    key.name()
                );
            }
        }
        assert!(!command.render_help().to_string().contains("--database-url"));
    }

    #[test]
    fn commands_take_their_arguments() {
        let cli = parse("fusion-sidecar once prepare --dry-run --log-format json").unwrap();
        let Command::Once(Work::Prepare {
            dry_run,
            configured,
        }) = cli.command
        else {
            panic!("{cli:?}")
        };
        assert!(dry_run);
        assert_eq!(configured.options.get(Key::LogFormat).unwrap().text, "json");

        let cli = parse("fusion-sidecar once expire --dry-run").unwrap();
        assert!(
            matches!(
                cli.command,
                Command::Once(Work::Expire { dry_run: true, .. })
            ),
            "{cli:?}"
        );

        let cli = parse("fusion-sidecar migrate --standalone").unwrap();
        assert!(
            matches!(
                cli.command,
                Command::Migrate {
                    standalone: true,
                    ..
                }
            ),
            "{cli:?}"
        );

        let cli = parse(
            "fusion-sidecar demo --listen 127.0.0.1:0 --exit --keep --dir /d --policy plugin",
        )
        .unwrap();
        let Command::Demo(demo) = cli.command else {
            panic!("{cli:?}")
        };
        assert_eq!(
            (
                demo.listen.port(),
                demo.exit,
                demo.keep,
                demo.dir,
                demo.policy
            ),
            (0, true, true, Some("/d".into()), Policy::Plugin)
        );
    }

    #[test]
    fn wrong_usage_is_refused() {
        for (line, expected) in [
            ("fusion-sidecar", "Usage: "),
            (
                "fusion-sidecar serve --listem x",
                "unexpected argument '--listem'",
            ),
            ("fusion-sidecar once", "Usage: "),
            (
                "fusion-sidecar once everything",
                "unrecognized subcommand 'everything'",
            ),
            (
                "fusion-sidecar serve --dry-run",
                "unexpected argument '--dry-run'",
            ),
            (
                "fusion-sidecar demo --policy strict",
                "'strict' is no policy",
            ),
            (
                "fusion-sidecar demo --database-url x",
                "unexpected argument '--database-url'",
            ),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(expected), "{line}: {error}");
        }
    }

    #[test]
    fn no_reason_is_given_twice() {
        let io = || std::io::Error::from(std::io::ErrorKind::NotFound);
        let repeating = crate::mariadb::StartError::Io {
            what: "creating a directory in /x".to_owned(),
            source: io(),
        };
        for (error, said) in [
            (
                anyhow::Error::from(repeating),
                "creating a directory in /x: entity not found",
            ),
            (
                anyhow::Error::from(io()).context("opening /y"),
                "opening /y: entity not found",
            ),
            (anyhow::anyhow!("no more"), "no more"),
        ] {
            assert_eq!(reasons(&error), said);
        }
    }

    #[tokio::test]
    async fn a_wrong_configuration_ends_with_the_code_of_wrong_usage() {
        let environment = Environment::from_iter([("FUSION_SIDECAR_POLICY", "strict")]);
        for command in ["serve", "check", "migrate"] {
            let code = run_with(
                ["fusion-sidecar", command].map(OsString::from),
                &environment,
            )
            .await;
            assert_eq!(code, ExitCode::from(USAGE), "{command}");
        }
    }
}
