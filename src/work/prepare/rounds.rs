//! Where the tasks that run in occurrences stand in a pass: the ones that are over end, the ones that are due begin.
//!
//! Each move is a compare-and-set on the task's one row, so that a pass can be broken off after any of them, and of two passes one makes it.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, TimeZone as _};
use chrono_tz::Tz;

use super::{Mode, Preparation};
use crate::db::preparation::Within;
use crate::db::sequence::{Occurrence, Stage};
use crate::domain::catalogue::{Catalogue, Task};
use crate::domain::ids::{JobId, TaskId};
use crate::domain::opening::Reason;
use crate::domain::policy::Policy;
use crate::domain::schedule::Phase;
use crate::domain::sequence::{Over, Sequence, after};
use crate::work::doors::Halt;

/// An occurrence that is under way, and what this pass has found of it.
#[derive(Debug)]
pub(super) struct Round {
    /// Which one.
    pub(super) within: Within,
    /// When it began.
    t0: DateTime<Tz>,
    /// Jobs of which no run is still to be prepared.
    pub(super) settled: HashSet<JobId>,
    /// Those of them of which none is under way either.
    pub(super) quiet: HashSet<JobId>,
}

/// Where a task stands.
#[derive(Debug)]
pub(super) enum Stand {
    /// In an occurrence.
    Open(Round),
    /// Between two, or before the first.
    Between(Option<Reason>),
    /// The database did not say; the log has the error with this code.
    Failed(&'static str),
}

/// Where all tasks with occurrences stand.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    tasks: HashMap<TaskId, Stand>,
    /// Runs that were cancelled, by job.
    cancelled: HashMap<JobId, usize>,
}

impl Rounds {
    /// Where `task` stands, if it runs in occurrences.
    pub(super) fn of(&mut self, task: TaskId) -> Option<&mut Stand> {
        self.tasks.get_mut(&task)
    }

    /// How many runs of `job` were cancelled as an occurrence was over.
    pub(super) fn cancelled(&self, job: JobId) -> usize {
        self.cancelled.get(&job).copied().unwrap_or_default()
    }
}

impl Round {
    /// Until when `delay` seconds last, if they do.
    pub(super) fn delayed(&self, delay: u32, now: DateTime<Tz>) -> Option<DateTime<Tz>> {
        match after(self.t0, delay) {
            Some(due) => (due > now).then_some(due),
            None => Some(DateTime::<chrono::Utc>::MAX_UTC.with_timezone(&now.timezone())),
        }
    }
}

impl Preparation {
    /// Ends what is over and begins what is due.
    pub(super) async fn rounds(
        &self,
        catalogue: &Catalogue,
        mode: Mode,
        policy: Policy,
        at: DateTime<Tz>,
    ) -> Result<Rounds, Halt> {
        let mut rounds = Rounds::default();
        if policy == Policy::Plugin || catalogue.sequences.is_empty() {
            return Ok(rounds);
        }
        let last = self.db.occurrences().await?;
        for (id, sequence) in &catalogue.sequences {
            let Some(task) = catalogue.tasks.get(id) else {
                continue;
            };
            self.may_go_on(mode).await?;
            let last = last.get(id).copied();
            let stand = match self
                .round(catalogue, task, sequence, last, mode, at, &mut rounds)
                .await
            {
                Ok(stand) => stand,
                Err(Halt::Db(error)) => {
                    self.db.ping().await?;
                    tracing::error!(task.id = id.0, error = %error, code = error.code(), "a task's occurrence could not be moved on");
                    Stand::Failed(error.code())
                }
                Err(closed) => return Err(closed),
            };
            rounds.tasks.insert(*id, stand);
        }
        Ok(rounds)
    }

    #[expect(clippy::too_many_arguments, reason = "all that a pass knows of a task")]
    async fn round(
        &self,
        catalogue: &Catalogue,
        task: &Task,
        sequence: &Sequence,
        last: Option<Occurrence>,
        mode: Mode,
        at: DateTime<Tz>,
        rounds: &mut Rounds,
    ) -> Result<Stand, Halt> {
        let week = catalogue.preparation_week(task);
        let local = at.naive_local();
        let begun = |one: Occurrence| {
            let t0 = at.timezone().timestamp_opt(one.began_at, 0).single();
            t0.unwrap_or(at)
        };
        let mut over = None;
        if let Some(one) = last {
            let t0 = begun(one);
            let reason = match one.stage {
                Stage::Ended(reason) | Stage::Ending(reason) => reason,
                Stage::Open if matches!(task.dates.phase(local, Policy::Redux), Phase::Over) => {
                    Over::Dates
                }
                Stage::Open if sequence.until(t0, week).is_some_and(|until| until <= at) => {
                    Over::Time
                }
                Stage::Open => return Ok(Stand::Open(Round::new(one.within, t0))),
            };
            if !matches!(one.stage, Stage::Ended(_)) {
                self.wind_up(sequence, one, reason, mode, at, rounds)
                    .await?;
            }
            over = Some((reason, sequence.next(t0, week)));
        }
        // What an earlier mode began ends in its time.
        if self.is_agent_driven(catalogue, task.id, Policy::Redux) {
            return Ok(Stand::Between(None));
        }
        let is_open = task.is_active
            && task.dates.prepares(local, Policy::Redux)
            && week.is_none_or(|week| week.is_open(local));
        match over {
            Some((reason, Some(next))) if next > at => {
                let why = Reason::OccurrenceOver(reason, next.naive_local());
                return Ok(Stand::Between(Some(why)));
            }
            _ if !is_open => return Ok(Stand::Between(None)),
            _ => {}
        }
        let number = last.map_or(0, |one| one.within.number);
        if mode == Mode::Look {
            let within = Within {
                task: task.id,
                number: number.wrapping_add(1),
                first_run: u64::MAX,
            };
            return Ok(Stand::Open(Round::new(within, at)));
        }
        let now = at.timestamp();
        let one = self.db.begin_occurrence(task.id, number, now).await?;
        Ok(match one.stage {
            Stage::Open => Stand::Open(Round::new(one.within, begun(one))),
            // Somebody else began one, and it is over already: the next pass sees it.
            Stage::Ending(_) | Stage::Ended(_) => Stand::Between(None),
        })
    }

    /// Ends an occurrence: what has not started is cancelled. Broken off anywhere, the next pass does the rest.
    pub(super) async fn wind_up(
        &self,
        sequence: &Sequence,
        one: Occurrence,
        over: Over,
        mode: Mode,
        at: DateTime<Tz>,
        rounds: &mut Rounds,
    ) -> Result<(), Halt> {
        let first = one.within.first_run;
        if mode == Mode::Look {
            for place in sequence.places() {
                let count = self.db.unstarted_runs(place.job, first).await?;
                *rounds.cancelled.entry(place.job).or_default() += count;
            }
            return Ok(());
        }
        if one.stage == Stage::Open {
            let now = at.timestamp();
            self.db.end_occurrence(one.within, over, now).await?;
        }
        for place in sequence.places() {
            loop {
                self.may_go_on(mode).await?;
                let at = at.naive_local();
                let count = self
                    .db
                    .cancel_unstarted(place.job, first, over.text(), at)
                    .await?;
                *rounds.cancelled.entry(place.job).or_default() += count;
                if count == 0 {
                    break;
                }
            }
        }
        Ok(self.db.close_occurrence(one.within).await?)
    }

    /// Ends the occurrences of which every job was prepared and no run is under way.
    pub(super) async fn end_rounds(
        &self,
        catalogue: &Catalogue,
        rounds: &mut Rounds,
        at: DateTime<Tz>,
    ) -> Result<(), Halt> {
        let done: Vec<Occurrence> = rounds
            .tasks
            .values()
            .filter_map(|stand| match stand {
                Stand::Open(round) => Some(round),
                Stand::Between(_) | Stand::Failed(_) => None,
            })
            .filter(|round| {
                let sequence = catalogue.sequences.get(&round.within.task);
                sequence.is_some_and(|sequence| {
                    let mut places = sequence.places().iter();
                    places.all(|place| round.quiet.contains(&place.job))
                })
            })
            .map(|round| Occurrence {
                within: round.within,
                began_at: round.t0.timestamp(),
                stage: Stage::Open,
            })
            .collect();
        for one in done {
            if let Some(sequence) = catalogue.sequences.get(&one.within.task) {
                self.wind_up(sequence, one, Over::Done, Mode::Write, at, rounds)
                    .await?;
            }
        }
        Ok(())
    }
}

impl Round {
    /// All runs of `job` are there, `open` of them under way.
    pub(super) fn rest(&mut self, job: JobId, open: usize) {
        self.settled.insert(job);
        if open == 0 {
            self.quiet.insert(job);
        }
    }

    fn new(within: Within, t0: DateTime<Tz>) -> Self {
        Self {
            within,
            t0,
            settled: HashSet::new(),
            quiet: HashSet::new(),
        }
    }
}
