//! What the sidecar counts and logs, as far as it happens on the thread of a test.

use std::io::Write;
use std::sync::{Arc, Mutex};

use metrics::LocalRecorderGuard;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

/// Runs `test` on this thread alone, with a recorder and a subscriber that are those of the server's tasks, too.
pub(crate) fn hearing<T>(test: impl AsyncFnOnce(&Heard) -> T) -> T {
    let recorder: PrometheusRecorder = PrometheusBuilder::new().build_recorder();
    let counted = recorder.handle();
    let _counting: LocalRecorderGuard<'_> = metrics::set_default_local_recorder(&recorder);
    let logged = Logged::default();
    let _logging: DefaultGuard = tracing::subscriber::set_default(
        tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(logged.clone())
            .finish(),
    );
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(test(&Heard { counted, logged }))
}

/// What was heard so far.
pub(crate) struct Heard {
    counted: PrometheusHandle,
    logged: Logged,
}

impl Heard {
    /// Whether a counter, with its labels, stands at `value`; 0 also when it does not exist.
    pub(crate) fn counted(&self, counter: &str, value: u64) -> bool {
        let shown = self.counted.render();
        let stands = shown
            .lines()
            .find_map(|line| line.strip_prefix(counter)?.strip_prefix(' '));
        stands.unwrap_or("0") == value.to_string()
    }

    /// The warnings that have `text`.
    pub(crate) fn warnings(&self, text: &str) -> Vec<String> {
        let all = String::from_utf8(self.logged.0.lock().unwrap().clone()).unwrap();
        let warnings = all
            .lines()
            .filter(|line| line.contains(" WARN ") && line.contains(text));
        warnings.map(str::to_owned).collect()
    }
}

#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<u8>>>);

impl Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Logged {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
