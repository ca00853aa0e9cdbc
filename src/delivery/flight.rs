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
            Err(_) => return Landed::Gone,
        };
        if let Some(run) = message.run {
            let report = self.report(&message).await;
            if self.upstream.place().is_native() && report.devices == 0 {
                // It was kept when there was no upstream, and who takes the devices knows no runs.
                tracing::warn!(
                    run.id = run,
                    "GLPI's own address knows no runs: a message about one is not delivered, the run ends by its time-out"
                );
                return self.note(id).await;
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
                self.note(id).await
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

    /// Notes that PHP has the message: until that is noted nothing else is done with it, or it would be delivered twice.
    async fn note(&self, id: u64) -> Landed {
        loop {
            match self.intake.spool().done(MessageId(id)).await {
                Ok(_) | Err(SpoolError::Closed | SpoolError::Unknown(_)) => {
                    return Landed::Delivered;
                }
                Err(error) => {
                    tracing::error!(message.id = id, error = %error, code = error.code(), "a delivery could not be noted, trying again");
                    tokio::time::sleep(NOTE_EVERY).await;
                }
            }
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

    /// What the message says of its run; what cannot be read says nothing.
    async fn report(&self, message: &Message) -> network::Report {
        let (body, most) = (message.body.clone(), self.max_inflated);
        let kind = message.origin.content_type.clone();
        let read = tokio::task::spawn_blocking(move || {
            let opened = open(kind.as_deref(), &body, most).ok();
            opened.map(|opened| network::read(&to_utf8(&opened.body)))
        });
        read.await.ok().flatten().unwrap_or_default()
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
