//! Threads on which large messages are unpacked and read, behind all else that the process does: agents that ask for orders do not wait for the
//! inventories of others.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::{io, num::NonZero};

use tokio::sync::{Semaphore, oneshot};

/// How much less than the others these threads get of a processor that is wanted by more than one. On Linux the nice value is a thread's own
/// (sched(7)).
const NICER: i32 = 10;

/// Work for one of the threads.
type Job = Box<dyn FnOnce() + Send>;

/// Places for large messages on their way from bytes to a request, and the threads that bring them there. Clones are the same; the threads
/// end with the last.
#[derive(Clone, Debug)]
pub struct Unpacking {
    /// Each message takes several times its inflated size in memory.
    places: Arc<Semaphore>,
    jobs: Sender<Job>,
}

impl Unpacking {
    /// As many as `places` at once, on as many threads, but one processor is left to the others.
    ///
    /// # Errors
    ///
    /// When no thread can be started.
    pub fn start(places: usize) -> io::Result<Self> {
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        let threads = (processors - 1).clamp(1, places.max(1));
        let (jobs, received) = mpsc::channel();
        let received = Arc::new(Mutex::new(received));
        for _ in 0..threads {
            let received = Arc::clone(&received);
            thread::Builder::new()
                .name("unpacking".to_owned())
                .spawn(move || work(&received))?;
        }
        Ok(Self {
            places: Arc::new(Semaphore::new(places)),
            jobs,
        })
    }

    /// Does `read` once there is a place for it; `None` if it panicked. Whoever stops waiting for a place does not take one.
    pub async fn run<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let place = Arc::clone(&self.places).acquire_owned().await.ok()?;
        let (reply, answer) = oneshot::channel();
        let job = move || {
            let outcome = read();
            drop(place);
            // Whoever asked may have gone.
            let _ = reply.send(outcome);
        };
        self.jobs.send(Box::new(job)).ok()?;
        answer.await.ok()
    }
}

/// Does what comes, until nobody can ask any more.
fn work(received: &Mutex<Receiver<Job>>) {
    // Where the system does not allow it they are as the others.
    let _ = rustix::process::nice(NICER);
    loop {
        let next = received
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv();
        let Ok(job) = next else {
            return;
        };
        // What panics was said by the hook; the next one is done all the same.
        let _ = catch_unwind(AssertUnwindSafe(job));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_panics_leaves_its_place_and_its_thread_to_the_next() {
        let unpacking = Unpacking::start(1).unwrap();
        for _ in 0..3 {
            let outcome = unpacking
                .run(|| std::panic::resume_unwind(Box::new("bad")))
                .await;
            assert_eq!(outcome, None::<()>);
        }
        assert_eq!(unpacking.run(|| 7).await, Some(7));
    }

    #[tokio::test]
    async fn only_the_threads_themselves_are_nicer() {
        let nice = || rustix::process::getpriority_process(None).unwrap();
        let before = nice();
        let unpacking = Unpacking::start(2).unwrap();
        assert_eq!(unpacking.run(nice).await, Some((before + NICER).min(19)));
        assert_eq!(nice(), before);
    }
}
