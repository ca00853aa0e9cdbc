//! Hands the spool's messages to PHP, several at once, and learns from what becomes of them.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::flight::{Airline, Landed};
use super::{Intake, LONGEST};
use crate::config;
use crate::domain::delivery::line::{Leave, Line};
use crate::domain::delivery::pause;
use crate::lifecycle::Stop;
use crate::spool::{MessageId, SpoolError};
use crate::telemetry::metrics::PHP_DOWN;
use crate::upstream::Upstream;

/// The first pause of a message that failed.
const FIRST: Duration = Duration::from_secs(30);

/// Time between two looks whether other sidecars still have messages about a run.
const LOOK: Duration = Duration::from_secs(1);

/// Longest time between two looks at the clock, which may be set.
const POLL: Duration = Duration::from_secs(1);

/// Time between two comparisons with the spool.
const COMPARE_EVERY: Duration = Duration::from_secs(5);

/// Time between two notes that the rows about this spool's runs are alive.
const KEEP_EVERY: Duration = Duration::from_hours(1);

/// Hands messages over until it is told to stop.
#[derive(Debug)]
pub struct Deliverer {
    airline: Arc<Airline>,
    line: Line,
    /// Since when an end waits for other sidecars' messages.
    waiting: HashMap<u64, DateTime<Utc>>,
    asking: bool,
}

/// What came back.
enum Back {
    Message(u64, Landed),
    Asked(Result<(), String>),
}

impl Deliverer {
    /// From `intake` to `upstream`; `max_inflated` bounds what is read of a message.
    #[must_use]
    pub fn new(
        intake: Intake,
        upstream: Upstream,
        settings: config::Delivery,
        max_inflated: usize,
    ) -> Self {
        Self {
            airline: Arc::new(Airline::new(intake, upstream, settings, max_inflated)),
            line: Line::default(),
            waiting: HashMap::new(),
            asking: false,
        }
    }

    /// Works until the soft stop; what is on its way then is waited for until the hard one.
    ///
    /// # Errors
    ///
    /// Never.
    pub async fn run(mut self, stop: Stop) -> Result<(), Infallible> {
        let mut flights: JoinSet<Back> = JoinSet::new();
        let (mut compared, mut kept) = (None, None);
        metrics::gauge!(PHP_DOWN).set(0.0);
        while !stop.soft.is_cancelled() {
            if is_due(compared, COMPARE_EVERY) {
                self.intake().compare();
                self.settle_runs().await;
                compared = Some(Instant::now());
            }
            if is_due(kept, KEEP_EVERY) && self.intake().0.runs.keep().await.is_ok() {
                kept = Some(Instant::now());
            }
            self.note_superseded().await;
            let until = self.start(&mut flights);
            tokio::select! {
                () = stop.soft.cancelled() => break,
                Some(back) = flights.join_next() => self.land(back.ok()).await,
                () = self.airline.intake.0.nudge.notified() => {}
                () = tokio::time::sleep(until.min(POLL)) => {}
            }
        }
        loop {
            tokio::select! {
                () = stop.hard.cancelled() => break,
                back = flights.join_next() => match back {
                    Some(back) => self.land(back.ok()).await,
                    None => break,
                }
            }
        }
        Ok(())
    }

    fn intake(&self) -> &Intake {
        &self.airline.intake
    }

    fn now(&self) -> DateTime<Utc> {
        self.intake().0.clock.now()
    }

    /// Starts what may go now; how long there is nothing more to do.
    fn start(&mut self, flights: &mut JoinSet<Back>) -> Duration {
        let now = self.now();
        match self.line.leave(now, self.airline.settings.at_once) {
            Leave::Send(most) => {
                while flights.len() < most {
                    let Some(id) = self.intake().queue().take(now) else {
                        break;
                    };
                    let airline = Arc::clone(&self.airline);
                    let wait = TimeDelta::from_std(airline.settings.run_wait).unwrap_or_default();
                    let waited = self
                        .waiting
                        .get(&id)
                        .is_some_and(|since| now - *since >= wait);
                    flights.spawn(async move { Back::Message(id, airline.fly(id, waited).await) });
                }
                let due = self.intake().queue().next_due();
                due.map_or(POLL, |due| (due - now).to_std().unwrap_or_default())
                    .max(Duration::from_millis(10))
            }
            // Not before the others are back: they may say the same.
            Leave::Ask if !self.asking && flights.is_empty() => {
                self.asking = true;
                let airline = Arc::clone(&self.airline);
                flights.spawn(async move { Back::Asked(airline.ask().await) });
                POLL
            }
            Leave::Ask => POLL,
            Leave::Wait(until) => (until - now).to_std().unwrap_or_default(),
        }
    }

    async fn land(&mut self, back: Option<Back>) {
        match back {
            Some(Back::Message(id, landed)) => self.settle(id, landed).await,
            Some(Back::Asked(answer)) => {
                self.asking = false;
                match answer {
                    Ok(()) => self.line.answers(),
                    Err(why) => self.fails(&why, None),
                }
            }
            // A flight that panicked was logged; the comparison with the spool finds its message when the process starts again.
            None => tracing::error!("a delivery ended without a result"),
        }
    }

    fn fails(&mut self, why: &str, asked: Option<Duration>) {
        let now = self.now();
        if self.line.fails(now, asked, rand::random()) {
            metrics::gauge!(PHP_DOWN).set(1.0);
            tracing::warn!(
                reason = why,
                "PHP takes no messages: they wait in the spool, and it is asked now and then"
            );
        }
    }

    fn takes(&mut self) {
        let now = self.now();
        if let Some(outage) = self.line.takes() {
            metrics::gauge!(PHP_DOWN).set(0.0);
            let seconds = (now - outage.since).num_seconds();
            tracing::info!(
                seconds,
                waiting = self.intake().queue().len(),
                "PHP takes messages again"
            );
        }
    }

    async fn settle(&mut self, id: u64, landed: Landed) {
        let now = self.now();
        let run = self
            .intake()
            .spool()
            .entry(MessageId(id))
            .and_then(|entry| entry.run);
        match landed {
            Landed::Delivered => {
                self.takes();
                self.goes(id).await;
            }
            Landed::Gone => self.goes(id).await,
            Landed::Waits => {
                self.waiting.entry(id).or_insert(now);
                tracing::debug!(
                    message.id = id,
                    run.id = run,
                    "the end of a run waits for messages that other sidecars have"
                );
                self.again(id, LOOK, None);
            }
            Landed::Unreadable(why) => {
                tracing::error!(
                    message.id = id,
                    reason = why,
                    "a message cannot be read, trying again"
                );
                self.again(id, FIRST, None);
            }
            Landed::Outage(why, asked) => {
                self.fails(&why, asked);
                self.again(id, Duration::ZERO, None);
            }
            Landed::Unfit(why) => {
                self.park(id, format!("it cannot be read: {why}")).await;
            }
            Landed::Refused(why) => {
                self.takes();
                self.park(id, why).await;
            }
            Landed::Again(why) => {
                let attempts = self.intake().queue().attempts(id).saturating_add(1);
                let rest = pause(attempts, FIRST, LONGEST, rand::random());
                if !self.line.counts_attempts() {
                    // Whether PHP or the message is to blame will be seen by another one.
                    self.fails(&why, None);
                    self.again(id, rest, None);
                } else if attempts >= self.airline.settings.attempts {
                    self.park(id, format!("given up after {attempts} attempts: {why}"))
                        .await;
                } else {
                    tracing::warn!(
                        message.id = id,
                        attempts,
                        reason = why,
                        "a message was not delivered, trying again"
                    );
                    self.again(id, rest, Some(attempts));
                    let until = now + TimeDelta::from_std(rest).unwrap_or_default();
                    let noted = self
                        .intake()
                        .spool()
                        .failed(MessageId(id), attempts, Some(until))
                        .await;
                    if let Err(error) = noted {
                        tracing::warn!(message.id = id, error = %error, code = error.code(), "an attempt could not be noted");
                    }
                }
            }
        }
    }

    /// It goes again after `rest`.
    fn again(&self, id: u64, rest: Duration, attempts: Option<u32>) {
        let due = self.now() + TimeDelta::from_std(rest).unwrap_or_default();
        let mut queue = self.intake().queue();
        let attempts = attempts.unwrap_or_else(|| queue.attempts(id));
        queue.put_off(id, due, attempts);
    }

    async fn park(&mut self, id: u64, why: String) {
        tracing::warn!(
            message.id = id,
            reason = why,
            "a message was parked: see `fusion-sidecar spool list`"
        );
        match self.intake().spool().park(MessageId(id), why).await {
            Ok(_) | Err(SpoolError::Unknown(_)) => {
                self.intake().is_parked(MessageId(id));
                self.goes(id).await;
            }
            Err(error) => {
                tracing::error!(message.id = id, error = %error, code = error.code(), "a message could not be parked, trying again");
                self.again(id, FIRST, None);
            }
        }
    }

    /// It is not here any more.
    async fn goes(&mut self, id: u64) {
        self.waiting.remove(&id);
        let run = {
            let mut queue = self.intake().queue();
            let run = queue.run(id);
            queue.remove(id);
            run
        };
        if let Some(run) = run {
            let intake = self.intake();
            let noted = intake.0.runs.settle(run, |run| intake.queued(run)).await;
            if let Err(error) = noted {
                tracing::warn!(run.id = run, error = %error, code = error.code(), "that a message about a run is delivered was not noted, trying again");
            }
        }
    }

    async fn settle_runs(&self) {
        let intake = self.intake();
        let known = intake.queue().runs();
        let settled = intake
            .0
            .runs
            .settle_all(known, |run| intake.queued(run))
            .await;
        if let Err(error) = settled {
            tracing::warn!(error = %error, code = error.code(), "the runs of the spool's messages were not noted, trying again");
        }
    }

    async fn note_superseded(&self) {
        for (id, by) in self.intake().take_superseded() {
            let noted = self
                .intake()
                .spool()
                .supersede(MessageId(id), MessageId(by))
                .await;
            match noted {
                Ok(_) => tracing::debug!(
                    message.id = id,
                    by,
                    "a newer inventory took the place of an older one"
                ),
                Err(error) => {
                    tracing::warn!(message.id = id, error = %error, code = error.code(), "an older inventory goes to PHP too");
                }
            }
        }
    }
}

fn is_due(last: Option<Instant>, period: Duration) -> bool {
    last.is_none_or(|at| at.elapsed() >= period)
}
