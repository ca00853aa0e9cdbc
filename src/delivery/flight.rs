//! One message on its way to PHP.

use std::time::Duration;

use tokio::sync::Mutex;

use super::Intake;
use crate::config;
use crate::domain::delivery::answer::{Heard, Verdict, judge};
use crate::proto::charset::to_utf8;
use crate::proto::envelope::open;
use crate::proto::network;
use crate::proto::said::said;
use crate::spool::{Message, MessageId, SpoolError};
use crate::telemetry::metrics::{DELIVERIES, DELIVERY_DURATION};
use crate::upstream::{Posted, Upstream, UpstreamError};

/// Most bytes of an answer that are read: a reply has some dozen, warnings of PHP may stand in front.
const ANSWER: usize = 1 << 20;

/// Longest wait for PHP to say that it is there.
const ASKING: Duration = Duration::from_secs(10);

/// Time between two attempts to note a delivery on a disk that refuses to.
const NOTE_EVERY: Duration = Duration::from_secs(1);

/// How a flight ended.
#[derive(Debug)]
pub(super) enum Landed {
    /// PHP has it, and it is gone from the spool.
    Delivered,
    /// It was neither delivered nor refused for good.
    Again(String),
    /// What it says cannot be read, so that it was not handed over.
    Unfit(String),
    /// PHP will not take it.
    Refused(String),
    /// PHP takes nothing.
    Outage(String, Option<Duration>),
    /// It is about the end of a run of which messages are in other spools.
    Waits,
    /// It is not in the spool any more, or parked there.
    Gone,
    /// The disk cannot be read.
    Unreadable(String),
}

/// What a flight works with.
#[derive(Debug)]
pub(super) struct Airline {
    pub(super) intake: Intake,
    pub(super) upstream: Upstream,
    pub(super) settings: config::Delivery,
    pub(super) max_inflated: usize,
    /// One question to PHP at a time.
    asking: Mutex<()>,
}

impl Airline {
    pub(super) fn new(
        intake: Intake,
        upstream: Upstream,
        settings: config::Delivery,
        max_inflated: usize,
    ) -> Self {
        Self {
            intake,
            upstream,
            settings,
            max_inflated,
            asking: Mutex::default(),
        }
    }

    /// Brings message `id` to PHP; one that is the end of a run waits for messages elsewhere unless it has waited enough.
    pub(super) async fn fly(&self, id: u64, waited: bool) -> Landed {
        let message = match self.intake.spool().read(MessageId(id)).await {
            Ok(message) => message,
            Err(SpoolError::Unreadable { reason, .. } | SpoolError::Unwritable(reason)) => {
                return Landed::Unreadable(reason);
            }
            Err(error @ SpoolError::Damaged(_)) => {
                tracing::warn!(
                    message.id = id,
                    code = error.code(),
                    "a message is not what was written, and was parked"
                );
                return Landed::Gone;
            }
            Err(_) => return Landed::Gone,
        };
        if let Some(run) = message.run {
            let is_native = self.upstream.place().is_native();
            let report = match self.report(&message).await {
                Err(why) if is_native => return Landed::Unfit(why),
                report => report.unwrap_or_default(),
            };
            if is_native && report.devices == 0 {
                // It was kept when there was no upstream, and who takes the devices knows no runs.
                tracing::warn!(
                    run.id = run,
                    "GLPI's own address knows no runs: a message about one is not delivered, the run ends by its time-out"
                );
                self.note(id).await;
                return Landed::Gone;
            }
            if report.end && self.others_have(run).await {
                if !waited {
                    return Landed::Waits;
                }
                tracing::warn!(
                    run.id = run,
                    "the end of a run goes to PHP although other sidecars still have messages about it: GLPI may ignore their devices"
                );
            }
        }
        let begun = std::time::Instant::now();
        let heard = self.hand_over(message).await;
        let verdict = match judge(&heard) {
            verdict @ (Verdict::Again { .. } | Verdict::Refused) if heard.is_suspect() => {
                match self.ask().await {
                    Ok(()) => verdict,
                    Err(_) => Verdict::Outage { pause: None },
                }
            }
            verdict => verdict,
        };
        let outcome = match &verdict {
            Verdict::Delivered => "delivered",
            Verdict::Again { received: true } => "again-received",
            Verdict::Again { received: false } => "again",
            Verdict::Refused => "refused",
            Verdict::Outage { .. } => "outage",
        };
        metrics::counter!(DELIVERIES, "outcome" => outcome, "heard" => heard.code()).increment(1);
        match verdict {
            Verdict::Delivered => {
                metrics::histogram!(DELIVERY_DURATION).record(begun.elapsed().as_secs_f64());
                self.note(id).await;
                Landed::Delivered
            }
            Verdict::Again { .. } => Landed::Again(heard.reason()),
            Verdict::Refused => Landed::Refused(heard.reason()),
            Verdict::Outage { pause } => Landed::Outage(heard.reason(), pause),
        }
    }

    /// Whether PHP is there.
    pub(super) async fn ask(&self) -> Result<(), String> {
        let _one = self.asking.lock().await;
        self.upstream.ask(ASKING).await
    }

    /// Notes that PHP has the message. Until that is noted it is on its way: on a disk that refuses, no more messages than may be at once
    /// are delivered without a note, which the end of the process would have delivered again. The hard stop ends the wait.
    async fn note(&self, id: u64) {
        let spool = self.intake.spool();
        let mut noted = spool.done(MessageId(id)).await.map(drop);
        while let Err(error) = noted {
            if matches!(error, SpoolError::Closed) {
                return;
            }
            tracing::error!(message.id = id, error = %error, code = error.code(), "a delivery could not be noted, trying again");
            tokio::time::sleep(NOTE_EVERY).await;
            // The spool knows it as gone, and owes the note to the disk.
            noted = spool.settle().await;
        }
    }

    async fn others_have(&self, run: i64) -> bool {
        match self.intake.0.runs.elsewhere(run).await {
            Ok(messages) => messages > 0,
            Err(error) => {
                tracing::warn!(run.id = run, error = %error, code = error.code(), "whether others have messages about a run is not known");
                true
            }
        }
    }

    /// What the message says of its run, or why it cannot be read.
    async fn report(&self, message: &Message) -> Result<network::Report, String> {
        let (body, most) = (message.body.clone(), self.max_inflated);
        let kind = message.origin.content_type.clone();
        let read = tokio::task::spawn_blocking(move || {
            let opened = open(kind.as_deref(), &body, most).map_err(|error| error.to_string())?;
            Ok(network::read(&to_utf8(&opened.body)))
        });
        read.await.map_err(|error| error.to_string()).flatten()
    }

    async fn hand_over(&self, message: Message) -> Heard {
        let origin = message.origin;
        let posted = Posted {
            client: origin.client,
            https: origin.https,
            host: origin.host,
            path: origin.path,
            content_type: origin.content_type,
            user_agent: origin.user_agent,
            headers: origin.headers,
            body: message.body,
        };
        match self
            .upstream
            .post(posted, self.settings.timeout, ANSWER)
            .await
        {
            Ok(answer) => Heard::Answered {
                status: answer.status,
                retry_after: answer.retry_after,
                said: said(answer.content_type.as_deref(), &answer.body, ANSWER),
            },
            Err(UpstreamError::Unreachable(why)) => Heard::Unreachable(why),
            Err(UpstreamError::TimedOut) => Heard::TimedOut,
            Err(UpstreamError::Broken(why)) => Heard::Broken(why),
            Err(error @ UpstreamError::BrokenOff) => Heard::Broken(error.to_string()),
        }
    }
}
