//! One private MariaDB a test run, one fresh database a test.
//!
//! Under `cargo nextest` every test is a process: the first one starts the server and the others find it by the id of the run.
//! Under `cargo test` all tests are threads of one process and its id is the run's. Either way a watcher ends the server and removes
//! its directory as soon as the process that owns the run is gone, however it went.

use std::fs::File;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use chrono::{DateTime, TimeZone as _, Utc};
use fusion_sidecar::config::Database;
use fusion_sidecar::db::schema;
use fusion_sidecar::mariadb::{self, Durability, Programs, Start, StartError};
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, OptsBuilder};

/// Becomes the server (arguments 3 on) with a watcher as its child: once the owner of the run, `$1`, has gone, or after two hours, it
/// kills the server and removes the directory `$2`.
const SERVER: &str = r#"
owner=$1 run=$2
shift 2
(
  left=14400
  while kill -0 "$owner" 2>/dev/null && kill -0 "$$" 2>/dev/null && [ "$left" -gt 0 ]; do sleep 0.5; left=$((left - 1)); done
  kill -KILL "$$" 2>/dev/null
  rm -rf -- "$run"
) &
exec "$@"
"#;

/// KiB that the memory file system must have free to be used: a test database takes about ten MiB, a big one hundreds.
const MEMORY_NEEDED: u64 = 1 << 20;

/// A database of a test, dropped with this value.
#[derive(Debug)]
pub(crate) struct TestDb {
    /// How to reach it.
    pub(crate) database: Database,
}

/// A new database with the shared tables, the rows that a stand-alone one has, and the sidecar's own tables.
pub(crate) async fn fresh() -> TestDb {
    let db = empty().await;
    let mut conn = db.conn().await;
    schema::migrate(&mut conn, true, made_at()).await.unwrap();
    conn.disconnect().await.unwrap();
    db
}

fn made_at() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 1, 1, 0, 0, 0).unwrap()
}

/// A new database without tables.
pub(crate) async fn empty() -> TestDb {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!(
        "t{}_{}",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    );
    let mut conn = connect(socket(), None).await.unwrap();
    conn.query_drop(format!(
        "CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci"
    ))
    .await
    .unwrap();
    conn.disconnect().await.unwrap();
    TestDb {
        database: mariadb::database(socket(), &name),
    }
}

impl TestDb {
    /// A new connection of its own, outside any pool.
    pub(crate) async fn conn(&self) -> Conn {
        connect(socket(), Some(&self.database.name)).await.unwrap()
    }

    /// Runs one or more statements.
    pub(crate) async fn exec(&self, sql: &str) {
        let mut conn = self.conn().await;
        conn.query_drop(sql).await.unwrap();
        conn.disconnect().await.unwrap();
    }

    /// The rows of a query.
    pub(crate) async fn rows<T: mysql_async::prelude::FromRow + Send + 'static>(
        &self,
        sql: &str,
    ) -> Vec<T> {
        let mut conn = self.conn().await;
        let rows = conn.query(sql).await.unwrap();
        conn.disconnect().await.unwrap();
        rows
    }
}

impl Drop for TestDb {
    fn drop(&mut self) {
        // The runtime of the test may be the one that drops this, so another thread does the waiting. What cannot be dropped, because a
        // connection still holds a lock or the server is gone, ends with the server.
        let sql = format!(
            "SET lock_wait_timeout = 1; DROP DATABASE {}",
            self.database.name
        );
        let _ = std::thread::spawn(move || {
            block_on(async move {
                if let Ok(mut conn) = connect(socket(), None).await {
                    let _ = conn.query_drop(sql).await;
                }
            });
        })
        .join();
    }
}

/// A connection of root to the server on `socket`, to its database `name` if one is named.
pub(crate) async fn connect(socket: &Path, name: Option<&str>) -> mysql_async::Result<Conn> {
    let opts = OptsBuilder::default()
        .socket(Some(socket.to_string_lossy()))
        .user(Some("root"))
        .db_name(name);
    Conn::new(opts).await
}

/// The socket of the run's server, which is started if it is not there yet.
pub(crate) fn socket() -> &'static Path {
    static SOCKET: OnceLock<PathBuf> = OnceLock::new();
    SOCKET.get_or_init(|| {
        std::thread::spawn(|| block_on(shared_server()))
            .join()
            .unwrap()
            .unwrap()
    })
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(work)
}

async fn shared_server() -> Result<PathBuf, StartError> {
    let (key, owner) = match std::env::var("NEXTEST_RUN_ID") {
        Ok(run) => (run, std::os::unix::process::parent_id()),
        Err(_) => (std::process::id().to_string(), std::process::id()),
    };
    let run = parent_dir().join(format!("fusion-sidecar-test-{key}"));
    let (socket, ready) = (run.join("s"), run.join("ready"));
    // Nobody else's: whoever reaches a server without password writes files as the user that runs it.
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&run)
        .unwrap();
    let lock = File::create(run.join("lock")).unwrap();
    lock.lock().unwrap();
    if ready.exists() {
        return Ok(socket);
    }
    if let Err(error) = start(&run, &socket, owner).await {
        std::fs::remove_dir_all(&run).unwrap();
        return Err(error);
    }
    File::create(ready).unwrap();
    Ok(socket)
}

async fn start(run: &Path, socket: &Path, owner: u32) -> Result<(), StartError> {
    let (data, log) = (run.join("data"), run.join("mariadbd.log"));
    let programs = Programs::find()?;
    programs.install(&data, Durability::Fast).await?;
    let start = Start {
        durability: Durability::Fast,
        time_zone: Some("+00:00".into()),
        dir: None,
    };
    // No pipe of ours is inherited and the process group is its own: the runner neither waits for the server nor ends it with a test.
    let mut server = tokio::process::Command::new("/bin/sh")
        .args(["-c", SERVER, "sh", &owner.to_string()])
        .arg(run)
        .args(programs.server_command(&data, socket, &start))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(&log).unwrap())
        .process_group(0)
        .spawn()
        .unwrap();
    mariadb::wait_for_answer(&mut server, socket, &log).await
}

/// Memory if there is enough of it, else the directory for temporary files.
fn parent_dir() -> PathBuf {
    let memory = Path::new("/dev/shm");
    let free = std::process::Command::new("df")
        .args(["-Pk", "/dev/shm"])
        .output()
        .ok();
    let free = free.and_then(|output| {
        let text = String::from_utf8(output.stdout).ok()?;
        text.lines()
            .nth(1)?
            .split_whitespace()
            .nth(3)?
            .parse::<u64>()
            .ok()
    });
    if free.is_some_and(|kib| kib >= MEMORY_NEEDED) && tempfile::tempdir_in(memory).is_ok() {
        memory.to_owned()
    } else {
        std::env::temp_dir()
    }
}
