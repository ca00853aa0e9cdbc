//! A real browser: Debian's chromium without a screen, driven over chromedriver.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::{Client, ClientBuilder, Locator};
use serde_json::json;

use super::process::LIMIT;

/// The accessibility engine axe-core 4.14.1 (MPL-2.0, `fixtures/axe`) as npm has it: see its licence there.
const AXE: &str = include_str!("../../../fixtures/axe/axe.min.js");

/// Tells of each serious or critical violation which rule, and where; `arguments[0]` = the only rule, if there is to be one.
const VIOLATIONS: &str = "
    const [only, done] = arguments;
    const options = {resultTypes: ['violations'], ...(only ? {runOnly: {type: 'rule', values: [only]}} : {})};
    axe.run(document, options).then(
        found => done(found.violations
            .filter(one => ['serious', 'critical'].includes(one.impact))
            .flatMap(one => one.nodes.map(node => `${one.id}: ${node.target.join(' ')}: ${node.failureSummary}`))),
        error => done([String(error)]),
    );";

/// A window of a browser with a profile of its own, which ends with it.
pub(crate) struct Chromium {
    pub(crate) client: Client,
    driver: Child,
    _profile: tempfile::TempDir,
}

impl Chromium {
    /// Opens a window of so many pixels.
    pub(crate) async fn open(width: u32, height: u32) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("tests/setup all installs chromedriver");
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = lines.find_map(|line| {
            let line = line.unwrap();
            let (_, port) = line.split_once("successfully on port ")?;
            Some(port.trim_end_matches('.').to_owned())
        });
        let port = port.expect("chromedriver names its port");
        // What else it says is read away, so that it never waits for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        let arguments = json!([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--lang=en",
            format!("--window-size={width},{height}"),
            format!("--user-data-dir={}", profile.path().display()),
        ]);
        let wanted = json!({"browserName": "chrome", "goog:chromeOptions": {"args": arguments}});
        let mut builder =
            ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new());
        builder.capabilities(wanted.as_object().unwrap().clone());
        let client = builder
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .unwrap();
        Self {
            client,
            driver,
            _profile: profile,
        }
    }

    pub(crate) async fn goto(&self, url: &str) {
        self.client.goto(url).await.unwrap();
    }

    /// The text of the first element that `css` finds, waited for.
    pub(crate) async fn text(&self, css: &str) -> String {
        let begun = Instant::now();
        loop {
            let wait = self.client.wait().at_most(LIMIT);
            let element = wait.for_element(Locator::Css(css)).await;
            let element = element.unwrap_or_else(|error| panic!("{css}: {error}"));
            match element.text().await {
                Ok(text) => return text,
                // The page has put another one in its place, or another page is coming.
                Err(_) if begun.elapsed() < LIMIT => {}
                Err(error) => panic!("{css}: {error}"),
            }
        }
    }

    /// How many elements `css` finds now.
    pub(crate) async fn count(&self, css: &str) -> usize {
        self.client.find_all(Locator::Css(css)).await.unwrap().len()
    }

    pub(crate) async fn click(&self, css: &str) {
        let found = self.client.find(Locator::Css(css)).await;
        let element = found.unwrap_or_else(|error| panic!("{css}: {error}"));
        element.click().await.unwrap();
    }

    /// Fills the form to sign in, sends it by the Enter key and waits for the page that answers: until then the old one can be read still.
    pub(crate) async fn sign_in(&self, name: &str, password: &str) {
        let wait = self.client.wait().at_most(LIMIT);
        let field = wait.for_element(Locator::Css("#name")).await.unwrap();
        field.clear().await.unwrap();
        field.send_keys(name).await.unwrap();
        let field = self.client.find(Locator::Css("#password")).await.unwrap();
        self.value("window.asked = true").await;
        field
            .send_keys(&format!("{password}\u{e007}"))
            .await
            .unwrap();
        let answered = "return !window.asked && document.readyState === 'complete'";
        let begun = Instant::now();
        while self.client.execute(answered, vec![]).await.ok() != Some(true.into()) {
            assert!(begun.elapsed() < LIMIT, "no page answers");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// What a script of the test finds out; the pages themselves may run none.
    pub(crate) async fn value(&self, script: &str) -> serde_json::Value {
        self.client.execute(script, vec![]).await.unwrap()
    }

    /// What axe-core finds on the page that keeps somebody from using it, by all its rules or by one.
    pub(crate) async fn violations(&self, only: Option<&str>) -> Vec<String> {
        self.client.execute(AXE, vec![]).await.unwrap();
        let found = self
            .client
            .execute_async(VIOLATIONS, vec![json!(only)])
            .await;
        serde_json::from_value(found.unwrap()).unwrap()
    }

    /// Keeps what is seen now, below `target`.
    pub(crate) async fn keep(&self, name: &str) -> PathBuf {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../screenshots");
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join(format!("{name}.png"));
        std::fs::write(&path, self.client.screenshot().await.unwrap()).unwrap();
        path
    }

    /// Closes it.
    pub(crate) async fn close(self) {
        self.client.clone().close().await.unwrap();
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // Its browser ends with it.
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
