//! Signals, soft and hard stop, the service manager.
//!
//! A stop has two stages. *Soft*: take nothing new, finish what runs. *Hard*: drop everything. The first SIGTERM or
//! SIGINT, or a task that ended although nobody asked it to, begins the soft stage; a second signal, or the end of the
//! grace time, the hard one.

pub mod descriptors;

use std::fmt::Display;
use std::future::Future;
use std::io;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long tasks may take to notice a hard stop before the process ends under them. They only have to be polled once.
const HARD_WAIT: Duration = Duration::from_secs(2);

/// The two stages of a stop, to be watched by everything that runs.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    /// Take nothing new, finish what runs.
    pub soft: CancellationToken,
    /// Drop everything. Only ever cancelled after `soft`.
    pub hard: CancellationToken,
}

/// Why the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was told to.
    Stopped,
    /// A task ended before it was told to.
    Crashed,
}

impl From<Outcome> for ExitCode {
    /// 0 for a stop, 1 for a crash: systemd's `Restart=on-failure` tells them apart by it.
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Stopped => Self::SUCCESS,
            Outcome::Crashed => Self::FAILURE,
        }
    }
}

/// The tasks of the process and their end.
#[derive(Debug)]
pub struct Lifecycle {
    stop: Stop,
    tasks: TaskTracker,
    crashed: Arc<AtomicBool>,
    grace: Duration,
}

impl Lifecycle {
    /// `grace` is the longest time between soft and hard stop.
    #[must_use]
    pub fn new(grace: Duration) -> Self {
        Self {
            stop: Stop::default(),
            tasks: TaskTracker::new(),
            crashed: Arc::new(AtomicBool::new(false)),
            grace,
        }
    }

    /// What a task watches to know when to end; cancelling `soft` stops the process.
    #[must_use]
    pub fn stop(&self) -> Stop {
        self.stop.clone()
    }

    /// Starts a task that has to run until the soft stop.
    ///
    /// A panic, an error or an end before that is a crash: it is logged under `name` and stops the process, for a service
    /// with a part missing looks healthy and is not.
    pub fn spawn<E: Display + Send + 'static>(
        &self,
        name: &'static str,
        task: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        let soft = self.stop.soft.clone();
        let crashed = Arc::clone(&self.crashed);
        self.tasks.spawn(async move {
            let ended = AssertUnwindSafe(task).catch_unwind().await;
            match ended {
                Ok(Ok(())) if soft.is_cancelled() => return,
                Ok(Ok(())) => tracing::error!(task = name, "task ended by itself"),
                Ok(Err(error)) => tracing::error!(task = name, %error, "task failed"),
                Err(_) => tracing::error!(task = name, "task panicked"),
            }
            crashed.store(true, Ordering::SeqCst);
            soft.cancel();
        });
    }

    /// Tells the service manager that the process is ready, waits for a reason to stop, then for the tasks' end.
    ///
    /// # Errors
    ///
    /// When no handler can be installed for SIGTERM or SIGINT.
    pub async fn run_until_stopped(self) -> io::Result<Outcome> {
        let mut signals = Signals::install()?;
        Ok(self.run(async move || signals.next().await).await)
    }

    async fn run(self, mut next_signal: impl AsyncFnMut()) -> Outcome {
        let watchdog = watch(sd_notify::watchdog_enabled());
        let stages = async {
            notify(&NotifyState::Ready);
            tokio::select! {
                () = next_signal() => tracing::info!("stopping; a second signal stops at once"),
                () = self.stop.soft.cancelled() => tracing::info!("stopping"),
            }
            self.stop.soft.cancel();
            notify(&NotifyState::Stopping);
            self.tasks.close();
            tokio::select! {
                () = self.tasks.wait() => {}
                () = next_signal() => tracing::warn!("second signal"),
                () = self.stop.hard.cancelled() => {}
                () = tokio::time::sleep(self.grace) => tracing::warn!("grace time is over"),
            }
            self.stop.hard.cancel();
            if tokio::time::timeout(HARD_WAIT, self.tasks.wait())
                .await
                .is_err()
            {
                tracing::error!(tasks = self.tasks.len(), "tasks did not end");
            }
        };
        // The watchdog is fed in the same task that decides about the stop: when the runtime is stuck, neither goes on.
        tokio::select! {
            () = stages => {}
            () = watchdog => {}
        }
        if self.crashed.load(Ordering::SeqCst) {
            Outcome::Crashed
        } else {
            Outcome::Stopped
        }
    }
}

/// Waits for SIGTERM or SIGINT, for a command that ends by itself otherwise.
///
/// # Errors
///
/// When no handler can be installed.
pub async fn stop_signal() -> io::Result<()> {
    Signals::install()?.next().await;
    Ok(())
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn install() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Feeds systemd's watchdog at half its period, as `sd_watchdog_enabled(3)` recommends; never returns.
async fn watch(period: Option<Duration>) {
    let Some(mut beat) = period.and_then(beat) else {
        return std::future::pending().await;
    };
    loop {
        beat.tick().await;
        notify(&NotifyState::Watchdog);
    }
}

fn beat(period: Duration) -> Option<Interval> {
    let half = period / 2;
    // An interval of zero panics.
    (!half.is_zero()).then(|| {
        let mut interval = tokio::time::interval(half);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        interval
    })
}

/// Does nothing without `NOTIFY_SOCKET`.
fn notify(state: &NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(std::slice::from_ref(state)) {
        tracing::warn!(%error, "cannot reach the service manager");
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::pending;

    use tokio::time::{Instant, timeout};

    use super::*;

    const GRACE: Duration = Duration::from_secs(20);

    fn never() -> impl AsyncFnMut() {
        async || pending().await
    }

    /// A task that ends at the soft stop.
    async fn obedient(stop: Stop) -> Result<(), Infallible> {
        stop.soft.cancelled().await;
        Ok(())
    }

    /// A task that only the hard stop ends.
    async fn stubborn(stop: Stop) -> Result<(), Infallible> {
        stop.hard.cancelled().await;
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn a_signal_stops_softly_and_waits_for_the_tasks() {
        let lifecycle = Lifecycle::new(GRACE);
        let stop = lifecycle.stop();
        let task = stop.clone();
        lifecycle.spawn("slow", async move {
            task.soft.cancelled().await;
            tokio::time::sleep(Duration::from_secs(5)).await;
            assert!(!task.hard.is_cancelled(), "hard stop within the grace time");
            Ok::<(), Infallible>(())
        });
        let begun = Instant::now();
        let mut signals = 0;
        let outcome = lifecycle
            .run(async move || {
                signals += 1;
                if signals > 1 {
                    pending::<()>().await;
                }
            })
            .await;
        assert_eq!(outcome, Outcome::Stopped);
        assert_eq!(begun.elapsed(), Duration::from_secs(5));
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_signal_stops_hard() {
        let lifecycle = Lifecycle::new(GRACE);
        lifecycle.spawn("stubborn", stubborn(lifecycle.stop()));
        let begun = Instant::now();
        let outcome = lifecycle
            .run(async || tokio::time::sleep(Duration::from_secs(1)).await)
            .await;
        assert_eq!(outcome, Outcome::Stopped);
        assert_eq!(begun.elapsed(), Duration::from_secs(2));
    }

    #[tokio::test(start_paused = true)]
    async fn the_grace_time_ends_in_a_hard_stop() {
        let lifecycle = Lifecycle::new(GRACE);
        lifecycle.spawn("stubborn", stubborn(lifecycle.stop()));
        lifecycle.stop().soft.cancel();
        let begun = Instant::now();
        assert_eq!(lifecycle.run(never()).await, Outcome::Stopped);
        assert_eq!(begun.elapsed(), GRACE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_ignores_the_hard_stop_does_not_hold_the_process() {
        let lifecycle = Lifecycle::new(GRACE);
        lifecycle.spawn("deaf", pending::<Result<(), Infallible>>());
        lifecycle.stop().soft.cancel();
        lifecycle.stop().hard.cancel();
        let ended = timeout(HARD_WAIT * 2, lifecycle.run(never())).await;
        assert_eq!(ended.unwrap(), Outcome::Stopped);
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_ends_unasked_is_a_crash() {
        for how in ["error", "panic", "end"] {
            let lifecycle = Lifecycle::new(GRACE);
            lifecycle.spawn("obedient", obedient(lifecycle.stop()));
            lifecycle.spawn("broken", async move {
                match how {
                    "error" => Err("out of luck"),
                    "panic" => panic!("on purpose"),
                    _ => Ok(()),
                }
            });
            let ended = timeout(Duration::from_secs(1), lifecycle.run(never())).await;
            assert_eq!(ended.expect(how), Outcome::Crashed, "{how}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_while_stopping_is_a_crash_too() {
        let lifecycle = Lifecycle::new(GRACE);
        let stop = lifecycle.stop();
        lifecycle.spawn("flush", async move {
            stop.soft.cancelled().await;
            Err("could not write")
        });
        lifecycle.stop().soft.cancel();
        assert_eq!(lifecycle.run(never()).await, Outcome::Crashed);
    }

    #[tokio::test(start_paused = true)]
    async fn the_watchdog_is_fed_at_half_its_period_and_never_at_zero() {
        assert!(beat(Duration::ZERO).is_none());
        assert!(beat(Duration::from_nanos(1)).is_none());
        let interval = beat(Duration::from_secs(30)).unwrap();
        assert_eq!(interval.period(), Duration::from_secs(15));
    }
}
