//! `demo`: the whole thing on a private MariaDB, with the real agent if it is installed.
//!
//! What must hold: it touches nothing of an installation, neither GLPI's nor the machine's agent's, and what it starts ends with it.

pub mod agent;
pub mod files;
pub mod home;
pub mod show;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use url::Url;

use self::agent::Installed;
use self::home::Home;
use self::show::{Player, Watch};
use crate::app;
use crate::cli::{DemoArgs, reasons, say};
use crate::clock::{self, Clock, SystemClock};
use crate::config::Settings;
use crate::db::demo::{DATABASE, ListedFile, make_database};
use crate::db::{Db, schema};
use crate::domain::ids::{AgentId, PackageId, RunId};
use crate::domain::run::RunState;
use crate::mariadb::{Durability, PrivateServer, Start};
use crate::work::prepare::Preparation;

/// Where the demo listens unless it is told otherwise.
pub const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8086);

const FLEET: &str = include_str!("../fixtures/demo/fleet.sql");
const PACKAGE: &str = include_str!("../fixtures/demo/package.json");
/// What a person should know of the fleet.
const FLEET_IN_WORDS: &str = "20 computers with agents in 4 entities, the static group 'Workshop machines', the package 'Staff handbook', \
     the task 'Staff handbook for everyone' for demo-laptop and that group";

/// The agent of the fleet that the demo plays.
const AGENT: AgentId = AgentId(1);
const DEVICE_ID: &str = "demo-laptop-2026-01-05-08-01-00";
/// The package that it gets.
const PACKAGE_ID: PackageId = PackageId(1);
/// Path below which agents find the plugin.
const PREFIX: &str = "/plugins/fusioninventory";

/// Runs `demo`.
///
/// # Errors
///
/// When something that it needs is missing or fails.
pub async fn run(arguments: DemoArgs) -> anyhow::Result<ExitCode> {
    // What costs nothing to find out comes first.
    let listener = listen(arguments.listen).await?;
    let address = listener.local_addr().context("the address listened on")?;
    let kept = home::kept(arguments.dir.as_deref(), arguments.keep)?;

    let told = told_to_stop()?;
    let start = Start {
        dir: kept.as_ref().map(|kept| home::database(&kept.dir)),
        durability: Durability::Durable,
        time_zone: Some("+00:00".to_owned()),
    };
    let code = match told.run_until_cancelled(PrivateServer::start(start)).await {
        None => stopped_early(&arguments),
        Some(server) => {
            let server = server?;
            // The socket's directory is removed with the server, even if this process is killed.
            let place = kept.as_ref().map(|kept| kept.dir.as_path());
            let place = place.or_else(|| server.socket().parent());
            let home = Home::new(place.context("the server has no directory")?);
            let code = serve(&arguments, listener, address, &server, &home, &told).await;
            server.stop().await.context("ending MariaDB")?;
            code?
        }
    };
    if let Some(kept) = &kept {
        let dir = &kept.dir;
        say(&format!(
            "demo: the data are kept in {}; again: {} demo --dir {}{}",
            dir.display(),
            program(),
            quoted(dir),
            listening(arguments.listen)
        ));
    }
    say("demo: stopped");
    Ok(code)
}

/// How `address` was given on the command line; nothing where it is the one that the demo has without a word.
fn listening(address: SocketAddr) -> String {
    if address == DEFAULT_LISTEN {
        String::new()
    } else {
        format!(" --listen {address}")
    }
}

/// Cancelled by the first SIGTERM or SIGINT. From here on no signal ends this process in the middle of something.
fn told_to_stop() -> anyhow::Result<CancellationToken> {
    let waiting = |kind| signal(kind).context("waiting for signals");
    let (mut terminate, mut interrupt) = (
        waiting(SignalKind::terminate())?,
        waiting(SignalKind::interrupt())?,
    );
    let told = CancellationToken::new();
    let teller = told.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        teller.cancel();
    });
    Ok(told)
}

/// How this program is called from a shell: by its name, if that leads to it.
fn program() -> String {
    let name = env!("CARGO_PKG_NAME");
    let Ok(own) = std::env::current_exe().and_then(|own| own.canonicalize()) else {
        return name.to_owned();
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let called = std::env::split_paths(&path)
        .map(|dir| dir.join(name))
        .find(|file| file.is_file());
    if called.and_then(|file| file.canonicalize().ok()).as_ref() == Some(&own) {
        name.to_owned()
    } else {
        quoted(&own)
    }
}

/// A path as a word of a shell.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+,:@%".contains(c);
    if text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// The exit code of a demo that was stopped before it served.
fn stopped_early(arguments: &DemoArgs) -> ExitCode {
    if arguments.exit {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

async fn serve(
    arguments: &DemoArgs,
    listener: TcpListener,
    address: SocketAddr,
    server: &PrivateServer,
    home: &Home,
    told: &CancellationToken,
) -> anyhow::Result<ExitCode> {
    let mut settings = Settings::for_database(server.database(DATABASE));
    let url = format!("http://{address}");
    settings.server.listen = address;
    settings.dispatch.policy = arguments.policy;
    // Nobody but who sits here: the pages ask for no password.
    settings.web.listen = Some((Ipv4Addr::LOCALHOST, 0).into());
    settings.web.open = true;
    settings.dispatch.public_url = Some(Url::parse(&url).context("the address as a URL")?);
    settings.dispatch.plugin_doc_dir = Some(home.documents());
    let clock = Arc::new(SystemClock);

    let preparing = prepare(&settings, clock.clone(), home);
    let Some(run) = told.run_until_cancelled(preparing).await else {
        return Ok(stopped_early(arguments));
    };
    let run = run?;
    let running = app::start(&settings, listener, clock, None).await?;
    let pages = running.web_address.context("the pages have no address")?;
    let (db, stop) = (running.db.clone(), running.stop_handle());
    let agents_url = format!("{url}{PREFIX}");
    let policy = arguments.policy;
    say(&format!(
        "demo: serving {agents_url}, policy {policy}; Ctrl-C ends it"
    ));
    say(&format!("demo: monitoring: http://{pages}/sidecar/"));

    let shown = async {
        let ended = tokio::select! {
            ended = show_run(db, run, arguments, home, &agents_url) => ended,
            () = stop.soft.cancelled() => Ok(false),
            // A signal before the service waited for them itself.
            () = told.cancelled() => Ok(false),
        };
        let finished = ended.unwrap_or_else(|error| {
            say(&format!("demo: {}", reasons(&error)));
            false
        });
        if arguments.exit || told.is_cancelled() {
            stop.soft.cancel();
        }
        // What can be done now comes last, where it is read.
        if !stop.soft.is_cancelled() {
            say(&format!(
                "demo: an agent of yours comes here with: fusioninventory-agent --server {agents_url} --force --tasks=deploy"
            ));
            say(&format!(
                "demo: still serving {agents_url}, monitoring at http://{pages}/sidecar/; Ctrl-C ends it"
            ));
        }
        finished
    };
    let (outcome, finished) = tokio::join!(running.until_stopped(), shown);
    let code = ExitCode::from(outcome?);
    Ok(if arguments.exit && !finished {
        ExitCode::FAILURE
    } else {
        code
    })
}

/// Binds `address`, with words for the most likely refusal.
async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    if address.ip().is_unspecified() {
        bail!(
            "--listen {address} is no address that an agent can be sent to; name one of this machine"
        );
    }
    TcpListener::bind(address).await.map_err(|error| {
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        anyhow::anyhow!("cannot listen on {address}: {error}; any free port: --listen {free}")
    })
}

/// Fills the database unless it is a kept one, and prepares once; the run that the demo's agent will get.
async fn prepare(settings: &Settings, clock: Arc<dyn Clock>, home: &Home) -> anyhow::Result<RunId> {
    let loaded = home.is_loaded();
    if !loaded {
        make_database(&settings.database).await?;
    }
    let db = Db::open(&settings.database, settings.timezone, &clock).await?;
    let mut conn = db.conn().await?;
    schema::migrate(&mut conn, true, clock.now()).await?;
    drop(conn);
    if loaded {
        say("demo: the sample fleet is there already");
    } else {
        db.run_script(FLEET).await?;
        home.set_loaded()?;
        say(&format!("demo: a sample fleet is loaded: {FLEET_IN_WORDS}"));
    }
    let now = clock::local(clock.as_ref(), settings.timezone);
    db.cancel_interrupted(AGENT, now, "the demo was started again")
        .await?;
    put_package(&db, home).await?;
    let preparation = Preparation::new(
        db.clone(),
        clock,
        settings.timezone,
        settings.dispatch.policy,
    );
    let prepared = preparation.pass().await?.total();
    say(&format!(
        "demo: prepared once: {} new runs",
        prepared.created
    ));
    let run = db.open_runs(AGENT).await?.last().map(|run| run.id);
    db.close().await;
    run.context("nothing was prepared for the demo's agent")
}

/// Stores the sample file, and the package that refers to it and to a directory of this demo.
async fn put_package(db: &Db, home: &Home) -> anyhow::Result<()> {
    let stored = files::store(files::handbook().as_bytes(), &home.documents())
        .context("storing the sample file")?;
    let package = package(&stored.sha512, stored.size, &home.deployed())?;
    let file = ListedFile {
        name: "handbook.txt",
        mimetype: "text/plain",
        size: stored.size,
        sha512: stored.sha512,
    };
    Ok(db.put_package(PACKAGE_ID, &package, &file).await?)
}

/// The definition of the sample package: its file, and the directory where that is put.
fn package(sha512: &str, size: u64, target: &Path) -> anyhow::Result<String> {
    let target = target
        .to_str()
        .with_context(|| format!("{} is no UTF-8", target.display()))?;
    // A JSON text without its quotes.
    let target = serde_json::to_string(&*crate::proto::text::encode(target))?;
    let text = PACKAGE
        .replace("{target}", &target[1..target.len() - 1])
        .replace("{sha512}", sha512);
    let mut package: serde_json::Value = serde_json::from_str(&text)?;
    package["associatedFiles"][sha512]["filesize"] = size.into();
    Ok(package.to_string())
}

/// Runs the agent, if there is one, and shows `run` on its way; whether it ended well.
async fn show_run(
    db: Db,
    run: RunId,
    arguments: &DemoArgs,
    home: &Home,
    agents_url: &str,
) -> anyhow::Result<bool> {
    let installed = Installed::find().await?;
    say(&format!("demo: the agent runs as {DEVICE_ID}; run {run}:"));
    let player = Player {
        installed: &installed,
        home: &home.agent(),
        device_id: DEVICE_ID,
        server: agents_url,
    };
    let ended = show::play(&player, Watch::new(db, run, arguments.policy)).await?;
    say(&format!(
        "demo: run {run} {} ({} log lines, {} parts fetched, {:.1} s)",
        show::state_name(ended.state),
        ended.lines,
        ended.parts,
        ended.took.as_secs_f64()
    ));
    Ok(ended.state == RunState::Finished)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_names_its_file_and_directory() {
        let json = package("ab12", 7, Path::new(r#"/tmp/a & "b""#)).unwrap();
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["jobs"]["associatedFiles"][0], "ab12");
        assert_eq!(value["associatedFiles"]["ab12"]["filesize"], 7);
        assert_eq!(
            value["jobs"]["actions"][0]["mkdir"]["list"][0],
            r#"/tmp/a &#38; "b""#
        );
        assert!(!json.contains("{target}") && !json.contains("{sha512}"));
    }

    #[test]
    fn paths_as_words_of_a_shell() {
        for (path, word) in [
            ("/srv/demo-1", "/srv/demo-1"),
            ("/srv/my demo", "'/srv/my demo'"),
            ("/srv/it's", r"'/srv/it'\''s'"),
        ] {
            assert_eq!(quoted(Path::new(path)), word);
        }
    }

    #[test]
    fn an_address_that_was_named_is_named_again() {
        assert_eq!(listening(DEFAULT_LISTEN), "");
        let other = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        assert_eq!(listening(other), " --listen 127.0.0.1:0");
    }

    #[test]
    fn the_fleet_has_the_agent_that_is_played() {
        assert!(FLEET.contains(&format!("({AGENT}, 1, '{DEVICE_ID}', '{DEVICE_ID}', 1, ")));
    }

    #[tokio::test]
    async fn an_address_that_cannot_be_had_is_refused() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = taken.local_addr().unwrap();
        let error = format!("{:#}", listen(address).await.unwrap_err());
        assert!(
            error.starts_with(&format!(
                "cannot listen on {address}: Address already in use"
            )) && error.ends_with("; any free port: --listen 127.0.0.1:0"),
            "{error}"
        );
        assert_eq!(error.matches("in use").count(), 1, "{error}");
        let error = listen("0.0.0.0:0".parse().unwrap()).await.unwrap_err();
        assert!(
            error.to_string().contains("no address that an agent"),
            "{error}"
        );
    }
}
