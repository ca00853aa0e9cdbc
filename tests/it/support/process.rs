//! The built binary as a process of its own.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::database::{TestDb, socket};

/// Longest wait for anything that takes milliseconds when all is well.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

const BINARY: &str = env!("CARGO_BIN_EXE_fusion-sidecar");

/// The URL of a test's database.
pub(crate) fn url(db: &TestDb) -> String {
    url_as("root", db)
}

/// The same for another user, or `user:password`.
pub(crate) fn url_as(user: &str, db: &TestDb) -> String {
    format!(
        "mysql://{user}@localhost/{}?socket={}",
        db.database.name,
        socket().display()
    )
}

/// The binary with nothing of the caller's environment.
fn command(arguments: &[&str], environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(BINARY);
    command
        .args(arguments)
        .env_clear()
        .envs(environment.iter().copied())
        .stdin(Stdio::null());
    command
}

/// Runs a command that ends by itself, within [`LIMIT`].
pub(crate) fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    assert_cmd::Command::from_std(command(arguments, environment))
        .timeout(LIMIT)
        .output()
        .unwrap()
}

/// Starts a command that is not waited for.
pub(crate) fn spawn(arguments: &[&str], environment: &[(&str, &str)]) -> Child {
    command(arguments, environment)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Exit code, standard output, standard error.
pub(crate) fn told(output: &Output) -> (i32, String, String) {
    (
        output
            .status
            .code()
            .unwrap_or_else(|| panic!("{}", output.status)),
        String::from_utf8(output.stdout.clone()).unwrap(),
        String::from_utf8(output.stderr.clone()).unwrap(),
    )
}

/// `serve` on `db`, as the only process that sees a disk with these `options` (of tmpfs) at `place`; the disk goes with the process.
///
/// # Errors
///
/// With what the system says where its users may not mount anything.
pub(crate) fn command_on_disk(
    place: &Path,
    options: &str,
    db: &TestDb,
    more: &[&str],
) -> Result<Command, String> {
    let alone = ["--user", "--map-root-user", "--mount", "/bin/sh", "-c"];
    let allowed = Command::new("unshare")
        .args(alone)
        .args([r#"mount -t tmpfs none "$1""#, "sh"])
        .arg(place)
        .output()
        .map_err(|error| error.to_string())?;
    if !allowed.status.success() {
        return Err(String::from_utf8_lossy(&allowed.stderr).into_owned());
    }
    let mut command = Command::new("unshare");
    command
        .args(alone)
        .args([
            r#"mount -t tmpfs -o "$1" none "$2" && shift 2 && exec "$@""#,
            "sh",
            options,
        ])
        .arg(place)
        .args([BINARY, "serve", "--listen", "127.0.0.1:0"])
        .args(["--scheduler", "off", "--timezone", "UTC"])
        .args(more)
        .env("FUSION_SIDECAR_DATABASE_URL", url(db))
        .stdin(Stdio::null());
    Ok(command)
}

/// A running `serve`; killed when dropped.
pub(crate) struct Sidecar {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    lines: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
}

impl Sidecar {
    /// `serve` on `db`, in UTC, with `more` options; it does nothing on its own.
    pub(crate) fn on(db: &TestDb, more: &[&str]) -> Self {
        let mut all = vec!["--scheduler", "off", "--timezone", "UTC"];
        all.extend(more);
        Self::serve(&all, &[("FUSION_SIDECAR_DATABASE_URL", &url(db))])
    }

    /// `serve` on a free port with these arguments, once it says that it answers.
    pub(crate) fn serve(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut all = vec!["serve", "--listen", "127.0.0.1:0"];
        all.extend(arguments);
        Self::start(command(&all, environment))
    }

    /// The same within limits of open files, the soft and the hard one.
    pub(crate) fn within(files: (u32, u32), db: &TestDb, more: &[&str]) -> Self {
        let mut shell = Command::new("/bin/sh");
        shell
            .args([
                "-c",
                r#"ulimit -Sn "$1" && ulimit -Hn "$2" && shift 2 && exec "$@""#,
                "sh",
            ])
            .args([files.0.to_string(), files.1.to_string()])
            .args([
                BINARY,
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--scheduler",
                "off",
            ])
            .args(more)
            .env_clear()
            .env("FUSION_SIDECAR_DATABASE_URL", url(db))
            .stdin(Stdio::null());
        Self::start(shell)
    }

    /// What [`command_on_disk`] makes, once it says that it answers.
    pub(crate) fn on_disk(command: Command) -> Self {
        Self::start(command)
    }

    fn start(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let collected = Arc::clone(&lines);
        let reader = std::thread::spawn(move || {
            for line in stderr.lines() {
                collected.lock().unwrap().push(line.unwrap());
            }
        });
        let mut sidecar = Self {
            child,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            lines,
            reader: Some(reader),
        };
        let line = sidecar.line("answering agents");
        let address = line.split("127.0.0.1:").nth(1).unwrap();
        let digits: String = address.chars().take_while(char::is_ascii_digit).collect();
        sidecar.address.set_port(digits.parse().unwrap());
        sidecar
    }

    /// The first line of the log with `text`, waited for; if the process ends before, the test fails with its log.
    pub(crate) fn line(&mut self, text: &str) -> String {
        let found = |log: &[String]| log.iter().find(|line| line.contains(text)).cloned();
        let begun = Instant::now();
        while begun.elapsed() < LIMIT {
            if let Some(line) = found(&self.log()) {
                return line;
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                let log = self.finish();
                return found(&log)
                    .unwrap_or_else(|| panic!("ended ({status}):\n{}", log.join("\n")));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("no '{text}' in the log:\n{}", self.log().join("\n"));
    }

    /// The log so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// Its number among the processes.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How many files it may have open, the soft limit.
    pub(crate) fn files(&self) -> u32 {
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", self.child.id())).unwrap();
        let line = limits
            .lines()
            .find_map(|line| line.strip_prefix("Max open files"));
        line.unwrap()
            .split_whitespace()
            .next()
            .unwrap()
            .parse()
            .unwrap()
    }

    /// Highest resident size so far, KiB.
    pub(crate) fn peak(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmHWM:"))
            .unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Sends a signal: `TERM`, `INT`, `KILL`.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("/bin/sh")
            .args(["-c", r#"kill -"$1" "$2""#, "sh", name])
            .arg(self.child.id().to_string())
            .status()
            .unwrap();
        assert!(status.success());
    }

    /// Its end, within [`LIMIT`], and the whole log.
    pub(crate) fn ended(&mut self) -> (ExitStatus, Vec<String>) {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status, self.finish());
            }
            assert!(
                begun.elapsed() < LIMIT,
                "still running:\n{}",
                self.log().join("\n")
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The whole log of a process that has ended.
    fn finish(&mut self) -> Vec<String> {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        self.log()
    }

    /// Asks with GET: status and body.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        ask(self.address, "GET", path, "").unwrap()
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        // It has ended already, or is of no use any more.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One request on a connection of its own: status and body, or what went wrong with the connection.
pub(crate) fn ask(
    address: SocketAddr,
    method: &str,
    path: &str,
    body: &str,
) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(LIMIT))?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let cut = || std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "no whole answer");
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(cut)?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    Ok((status.ok_or_else(cut)?, body.to_owned()))
}
