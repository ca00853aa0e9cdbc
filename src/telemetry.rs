//! Logs and metrics.

use std::io;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

/// Why logging could not begin.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is not in tracing's words.
    #[error("log filter: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// Somebody else's subscriber is there already.
    #[error("logging was set up twice: {0}")]
    Twice(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Somebody else counts already.
    #[error("the recorder of metrics: {0}")]
    Recorder(#[from] BuildError),
}

/// Sends the whole process's logs to standard error, which a service manager keeps. Once a process.
pub fn init(filter: &str, format: LogFormat) -> Result<(), TelemetryError> {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(env_filter(filter)?)
        .with_writer(io::stderr);
    match format {
        LogFormat::Text => builder
            .with_ansi(io::IsTerminal::is_terminal(&io::stderr()))
            .try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    }
    .map_err(TelemetryError::Twice)
}

/// `filter`, without what the database's driver says unless it is named: that repeats every refused statement, expected or not, with
/// values in it. What matters of it is in our own lines.
fn env_filter(filter: &str) -> Result<EnvFilter, TelemetryError> {
    let parsed = EnvFilter::try_new(filter)?;
    if filter.contains("mysql_async") {
        Ok(parsed)
    } else {
        Ok(parsed.add_directive("mysql_async=off".parse()?))
    }
}

/// Counts the whole process's metrics, for `/sidecar/metrics`. Once a process.
pub fn install_metrics() -> Result<PrometheusHandle, TelemetryError> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
        .and_then(|builder| {
            builder.set_buckets_for_metric(Matcher::Full(metrics::BODY_BYTES.to_owned()), &BYTES)
        })
        .and_then(|builder| {
            builder
                .set_buckets_for_metric(Matcher::Full(metrics::WRITE_BATCH.to_owned()), &REQUESTS)
        })
        .and_then(PrometheusBuilder::install_recorder)?;
    metrics::describe();
    metrics::begin();
    Ok(handle)
}

/// Bounds of the histograms of requests and statements, seconds.
const SECONDS: [f64; 12] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0,
];

/// Bounds of the histogram of bodies, bytes.
const BYTES: [f64; 6] = [256.0, 1024.0, 16384.0, 131_072.0, 1_048_576.0, 16_777_216.0];
/// Bounds of the histogram of batches, requests.
const REQUESTS: [f64; 7] = [1.0, 2.0, 4.0, 8.0, 16.0, 64.0, 256.0];

/// Every metric that there is.
pub mod metrics {
    use ::metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge};

    /// Requests, by route and status; status `gone` when the client left before the answer began.
    pub const REQUESTS: &str = "fusion_sidecar_requests_total";
    /// Time from a request's head to the head of its answer, by route.
    pub const REQUEST_DURATION: &str = "fusion_sidecar_request_duration_seconds";
    /// Size of XML messages as they came in.
    pub const BODY_BYTES: &str = "fusion_sidecar_body_bytes";
    /// Connections of clients that are open.
    pub const CONNECTIONS_OPEN: &str = "fusion_sidecar_connections_open";
    /// Idle connections closed to make room.
    pub const CONNECTIONS_EVICTED: &str = "fusion_sidecar_connections_evicted_total";
    /// Connections refused, as all others had a request running.
    pub const CONNECTIONS_REFUSED: &str = "fusion_sidecar_connections_refused_total";
    /// Time of a named piece of work on the database, by operation.
    pub const DB_DURATION: &str = "fusion_sidecar_db_seconds";
    /// Work on the database that failed, by operation and code.
    pub const DB_ERRORS: &str = "fusion_sidecar_db_errors_total";
    /// Time of a round of counting for the monitoring pages.
    pub const MONITORING_DURATION: &str = "fusion_sidecar_monitoring_seconds";
    /// Requests written in one transaction.
    pub const WRITE_BATCH: &str = "fusion_sidecar_write_batch_requests";
    /// Reports that changed nothing, by reason.
    pub const REPORTS_IGNORED: &str = "fusion_sidecar_reports_ignored_total";
    /// Unknown agents that were not registered, as too many had been.
    pub const AGENTS_REFUSED: &str = "fusion_sidecar_agents_refused_total";
    /// Devices that network tasks reported where there is no GLPI to import them.
    pub const DEVICES_NOT_IMPORTED: &str = "fusion_sidecar_devices_not_imported_total";
    /// Runs handed to an agent, by method.
    pub const RUNS_SENT: &str = "fusion_sidecar_runs_sent_total";
    /// Agents asked to come now, by result.
    pub const WAKEUPS: &str = "fusion_sidecar_wakeups_total";
    /// Runs that ended in error because their agents were silent, by method.
    pub const RUNS_EXPIRED: &str = "fusion_sidecar_runs_expired_total";
    /// Whether this sidecar leads: 0 or 1.
    pub const LEADER: &str = "fusion_sidecar_leader";
    /// When a pass of a duty last ended at this sidecar, by duty.
    pub const DUTY_LAST_END: &str = "fusion_sidecar_duty_last_end_timestamp_seconds";
    /// Sign-ins to the pages, by result.
    pub const SIGN_INS: &str = "fusion_sidecar_sign_ins_total";

    /// Monitoring pages that are open and refresh by themselves.
    pub const LIVE_STREAMS_OPEN: &str = "fusion_sidecar_live_streams_open";
    /// Most of them.
    pub const LIVE_STREAMS_MOST: &str = "fusion_sidecar_live_streams_most";

    /// Messages in the spool, by state.
    pub const SPOOL_MESSAGES: &str = "fusion_sidecar_spool_messages";
    /// Bytes of the spool's files.
    pub const SPOOL_BYTES: &str = "fusion_sidecar_spool_bytes";
    /// Age of the oldest message that waits.
    pub const SPOOL_OLDEST: &str = "fusion_sidecar_spool_oldest_seconds";
    /// Messages taken.
    pub const SPOOL_APPENDED: &str = "fusion_sidecar_spool_appended_total";
    /// Messages delivered.
    pub const SPOOL_DELIVERED: &str = "fusion_sidecar_spool_delivered_total";
    /// Messages parked.
    pub const SPOOL_PARKED: &str = "fusion_sidecar_spool_parked_total";
    /// Messages that a newer one made needless.
    pub const SPOOL_SUPERSEDED: &str = "fusion_sidecar_spool_superseded_total";
    /// Messages thrown away by hand.
    pub const SPOOL_DROPPED: &str = "fusion_sidecar_spool_dropped_total";
    /// Records that are not what was written, or cannot be read.
    pub const SPOOL_DAMAGED: &str = "fusion_sidecar_spool_damaged_total";
    /// Messages not taken, by reason.
    pub const SPOOL_REFUSED: &str = "fusion_sidecar_spool_refused_total";
    /// Time of a sync.
    pub const SPOOL_SYNC: &str = "fusion_sidecar_spool_sync_seconds";
    /// Messages handed to PHP, by outcome and what was heard.
    pub const DELIVERIES: &str = "fusion_sidecar_deliveries_total";
    /// Time in which PHP took a message.
    pub const DELIVERY_DURATION: &str = "fusion_sidecar_delivery_duration_seconds";
    /// Whether PHP takes no messages: 0 or 1.
    pub const PHP_DOWN: &str = "fusion_sidecar_php_down";

    /// What a metric counts.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Kind {
        /// Only grows.
        Counter,
        /// Goes up and down.
        Gauge,
        /// A distribution.
        Histogram,
    }

    /// A metric's description.
    #[derive(Debug, Clone, Copy)]
    pub struct Metric {
        /// Name, as Prometheus shows it.
        pub name: &'static str,
        /// What it counts.
        pub kind: Kind,
        /// In what.
        pub unit: Unit,
        /// For people.
        pub help: &'static str,
    }

    const fn metric(name: &'static str, kind: Kind, unit: Unit, help: &'static str) -> Metric {
        Metric {
            name,
            kind,
            unit,
            help,
        }
    }

    /// All of them.
    pub const ALL: [Metric; 35] = [
        metric(REQUESTS, Kind::Counter, Unit::Count, "Requests answered"),
        metric(
            REQUEST_DURATION,
            Kind::Histogram,
            Unit::Seconds,
            "Time until an answer begins",
        ),
        metric(
            BODY_BYTES,
            Kind::Histogram,
            Unit::Bytes,
            "Size of XML messages before inflating",
        ),
        metric(
            CONNECTIONS_OPEN,
            Kind::Gauge,
            Unit::Count,
            "Connections open",
        ),
        metric(
            CONNECTIONS_EVICTED,
            Kind::Counter,
            Unit::Count,
            "Idle connections closed to make room for others",
        ),
        metric(
            CONNECTIONS_REFUSED,
            Kind::Counter,
            Unit::Count,
            "Connections refused, as all others had a request running",
        ),
        metric(
            DB_DURATION,
            Kind::Histogram,
            Unit::Seconds,
            "Time that work on the database takes",
        ),
        metric(
            DB_ERRORS,
            Kind::Counter,
            Unit::Count,
            "Work on the database that failed",
        ),
        metric(
            MONITORING_DURATION,
            Kind::Histogram,
            Unit::Seconds,
            "Time that a round of counting runs for the monitoring pages takes",
        ),
        metric(
            WRITE_BATCH,
            Kind::Histogram,
            Unit::Count,
            "Requests whose changes were committed together",
        ),
        metric(
            REPORTS_IGNORED,
            Kind::Counter,
            Unit::Count,
            "Reports of agents that changed nothing",
        ),
        metric(
            AGENTS_REFUSED,
            Kind::Counter,
            Unit::Count,
            "Unknown agents that were not registered, as too many had been",
        ),
        metric(
            DEVICES_NOT_IMPORTED,
            Kind::Counter,
            Unit::Count,
            "Devices reported where there is no GLPI to import them",
        ),
        metric(
            RUNS_SENT,
            Kind::Counter,
            Unit::Count,
            "Runs handed to agents",
        ),
        metric(
            WAKEUPS,
            Kind::Counter,
            Unit::Count,
            "Agents asked to come now",
        ),
        metric(
            RUNS_EXPIRED,
            Kind::Counter,
            Unit::Count,
            "Runs that ended in error because their agents were silent",
        ),
        metric(
            LEADER,
            Kind::Gauge,
            Unit::Count,
            "1 at the sidecar that does the periodic work, else 0",
        ),
        metric(
            DUTY_LAST_END,
            Kind::Gauge,
            Unit::Seconds,
            "When this sidecar last ended a pass of a duty, in seconds since 1970",
        ),
        metric(
            SIGN_INS,
            Kind::Counter,
            Unit::Count,
            "Sign-ins to the pages for people",
        ),
        metric(
            LIVE_STREAMS_OPEN,
            Kind::Gauge,
            Unit::Count,
            "Monitoring pages that are open and refresh by themselves",
        ),
        metric(
            LIVE_STREAMS_MOST,
            Kind::Gauge,
            Unit::Count,
            "The most monitoring pages that may be open and refresh by themselves",
        ),
        metric(
            SPOOL_MESSAGES,
            Kind::Gauge,
            Unit::Count,
            "Messages in the spool",
        ),
        metric(
            SPOOL_BYTES,
            Kind::Gauge,
            Unit::Bytes,
            "Size of the spool's files",
        ),
        metric(
            SPOOL_OLDEST,
            Kind::Gauge,
            Unit::Seconds,
            "Age of the oldest message that waits in the spool",
        ),
        metric(
            SPOOL_APPENDED,
            Kind::Counter,
            Unit::Count,
            "Messages taken into the spool",
        ),
        metric(
            SPOOL_DELIVERED,
            Kind::Counter,
            Unit::Count,
            "Messages that left the spool because PHP has them",
        ),
        metric(
            SPOOL_PARKED,
            Kind::Counter,
            Unit::Count,
            "Messages parked in the spool",
        ),
        metric(
            SPOOL_SUPERSEDED,
            Kind::Counter,
            Unit::Count,
            "Messages that left the spool because a newer one says all that they said",
        ),
        metric(
            SPOOL_DROPPED,
            Kind::Counter,
            Unit::Count,
            "Messages thrown out of the spool by hand",
        ),
        metric(
            SPOOL_DAMAGED,
            Kind::Counter,
            Unit::Count,
            "Records found in the spool that are not what was written",
        ),
        metric(
            SPOOL_REFUSED,
            Kind::Counter,
            Unit::Count,
            "Messages that the spool did not take",
        ),
        metric(
            SPOOL_SYNC,
            Kind::Histogram,
            Unit::Seconds,
            "Time that a sync of messages to the disk takes",
        ),
        metric(
            DELIVERIES,
            Kind::Counter,
            Unit::Count,
            "Messages of the spool handed to PHP, by what became of them",
        ),
        metric(
            DELIVERY_DURATION,
            Kind::Histogram,
            Unit::Seconds,
            "Time in which PHP took a message of the spool",
        ),
        metric(
            PHP_DOWN,
            Kind::Gauge,
            Unit::Count,
            "1 while PHP takes no messages of the spool, else 0",
        ),
    ];

    /// Gives units and help of all metrics to the installed recorder.
    pub fn describe() {
        for metric in ALL {
            match metric.kind {
                Kind::Counter => describe_counter!(metric.name, metric.unit, metric.help),
                Kind::Gauge => describe_gauge!(metric.name, metric.unit, metric.help),
                Kind::Histogram => describe_histogram!(metric.name, metric.unit, metric.help),
            }
        }
    }

    /// Shows every counter and gauge as 0 before it counts anything: an absent one looks like another program. Those with labels are
    /// shown without one.
    pub fn begin() {
        for metric in ALL {
            match metric.kind {
                Kind::Counter => counter!(metric.name).absolute(0),
                Kind::Gauge => gauge!(metric.name).set(0.0),
                Kind::Histogram => {}
            }
        }
    }

    #[cfg(test)]
    mod tests {
        use std::collections::BTreeSet;

        use super::*;

        #[test]
        fn names_follow_the_rules_of_prometheus() {
            for metric in ALL {
                assert!(
                    metric.name.starts_with("fusion_sidecar_"),
                    "{}",
                    metric.name
                );
                assert_eq!(
                    metric.name.ends_with("_total"),
                    metric.kind == Kind::Counter,
                    "{}",
                    metric.name
                );
                assert_eq!(
                    metric.name.ends_with("_seconds"),
                    metric.unit == Unit::Seconds,
                    "{}",
                    metric.name
                );
                assert_eq!(
                    metric.name.ends_with("_bytes"),
                    metric.unit == Unit::Bytes,
                    "{}",
                    metric.name
                );
            }
            assert_eq!(
                ALL.iter()
                    .map(|metric| metric.name)
                    .collect::<BTreeSet<_>>()
                    .len(),
                ALL.len()
            );
        }

        #[test]
        fn descriptions_reach_the_recorder() {
            let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
            let handle = recorder.handle();
            ::metrics::with_local_recorder(&recorder, || {
                describe();
                ::metrics::counter!(REQUESTS).increment(1);
            });
            let shown = handle.render();
            assert!(
                shown.contains("# HELP fusion_sidecar_requests_total Requests answered"),
                "{shown}"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_filter_is_refused() {
        let error = init("fusion_sidecar=loud", LogFormat::Text).unwrap_err();
        assert!(matches!(error, TelemetryError::Filter(_)), "{error}");
    }

    #[test]
    fn the_driver_is_silent_unless_it_is_named() {
        for (filter, silent) in [
            ("info", true),
            ("warn,fusion_sidecar=debug", true),
            ("info,mysql_async=warn", false),
        ] {
            let shown = env_filter(filter).unwrap().to_string();
            assert_eq!(shown.contains("mysql_async=off"), silent, "{shown}");
        }
    }
}
