//! Where the tasks that run in occurrences stand in a pass: the ones that are over end, the ones that are due begin.
//!
//! Each move is a compare-and-set on the task's one row, so that a pass can be broken off after any of them, and of two passes one makes it.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, TimeZone as _};
use chrono_tz::Tz;

use super::{Mode, Preparation};
use crate::db::Db;
use crate::db::preparation::Within;
use crate::db::sequence::{Occurrence, Stage};
use crate::domain::catalogue::{Catalogue, Task};
use crate::domain::ids::{JobId, TaskId};
use crate::domain::opening::Reason;
use crate::domain::policy::Policy;
use crate::domain::sequence::{Over, Sequence, after};
use crate::work::doors::{Halt, look};

/// An occurrence that is under way, and what this pass has found of it.
#[derive(Debug)]
pub(super) struct Round {
    /// Which one.
    pub(super) within: Within,
    /// When it began.
    t0: DateTime<Tz>,
    /// Jobs of which no run is still to be prepared.
    pub(super) settled: HashSet<JobId>,
    /// Where only is looked: what has not started from this run on is of the occurrence before, and would be cancelled.
    pub(super) gone_from: Option<u64>,
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
        if policy == Policy::Plugin {
            return Ok(rounds);
        }
        let last = self.db.occurrences().await?;
        let is_plain = |one: &Occurrence| !catalogue.sequences.contains_key(&one.within.task);
        let mut open = last.values().filter(|one| one.is_current());
        if mode == Mode::Write && open.any(is_plain) {
            self.may_go_on(mode).await?;
            self.db.end_plain_occurrences(at.timestamp()).await?;
        }
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
                    let code = error.code();
                    stuck::<()>(&self.db, *id, Err(Halt::Db(error))).await?;
                    Stand::Failed(code)
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
        let (mut over, mut gone_from) = (None, None);
        if let Some(one) = last {
            let t0 = begun(one);
            let reason = match one.stage {
                Stage::Ended(reason) | Stage::Ending(reason) => reason,
                Stage::Open => match catalogue.over(task, t0, at) {
                    Some(reason) => reason,
                    None => return Ok(Stand::Open(Round::new(one.within, t0))),
                },
            };
            if one.is_current() {
                let cancelled = &mut rounds.cancelled;
                if !wind_up(&self.db, sequence, one, reason, mode, at, cancelled).await? {
                    return Ok(Stand::Between(None));
                }
                gone_from = (mode == Mode::Look).then_some(one.within.first_run);
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
            return Ok(Stand::Open(Round {
                gone_from,
                ..Round::new(within, at)
            }));
        }
        let now = at.timestamp();
        let one = self.db.begin_occurrence(task.id, number, now).await?;
        Ok(match one.stage {
            Stage::Open => Stand::Open(Round::new(one.within, begun(one))),
            // Somebody else began one, and it is over already: the next pass sees it.
            Stage::Ending(_) | Stage::Ended(_) => Stand::Between(None),
        })
    }

    /// Ends the occurrences of which every job was prepared, if all runs have ended.
    pub(super) async fn end_rounds(
        &self,
        catalogue: &Catalogue,
        rounds: &Rounds,
        at: DateTime<Tz>,
    ) -> Result<(), Halt> {
        for stand in rounds.tasks.values() {
            let Stand::Open(round) = stand else {
                continue;
            };
            let sequence = catalogue.sequences.get(&round.within.task);
            let places = sequence.map(Sequence::places).unwrap_or_default();
            if places
                .iter()
                .all(|place| round.settled.contains(&place.job))
            {
                self.may_go_on(Mode::Write).await?;
                let now = at.timestamp();
                let finished = self.db.finish_occurrence(round.within, now).await;
                // The next pass finds it finished too.
                stuck(&self.db, round.within.task, finished.map_err(Halt::Db)).await?;
            }
        }
        Ok(())
    }
}

/// Ends an occurrence that is under way or being ended: what has not started is cancelled, and counted by job in `cancelled`. Broken off
/// anywhere, the next pass does the rest. Whether it was done; if not, somebody else has just ended it.
async fn wind_up(
    db: &Db,
    sequence: &Sequence,
    one: Occurrence,
    over: Over,
    mode: Mode,
    at: DateTime<Tz>,
    cancelled: &mut HashMap<JobId, usize>,
) -> Result<bool, Halt> {
    let within = one.within;
    if mode == Mode::Write && one.stage == Stage::Open {
        look(db).await?;
        if !db.end_occurrence(within, over, at.timestamp()).await? {
            return Ok(false);
        }
    }
    for place in sequence.places() {
        let Some(text) = over.text() else {
            break;
        };
        let sum = cancelled.entry(place.job).or_default();
        if mode == Mode::Look {
            *sum += db.unstarted_runs(place.job, within.first_run).await?;
            continue;
        }
        loop {
            look(db).await?;
            let at = at.naive_local();
            let count = db.cancel_unstarted(place.job, within, text, at).await?;
            *sum += count;
            if count == 0 {
                break;
            }
        }
    }
    if mode == Mode::Write {
        db.close_occurrence(within).await?;
    }
    Ok(true)
}

/// Whether `moved` is trouble with one task's rows (somebody has locked one), which must not keep the others from being done: it is logged.
/// Without a database there is no use in going on.
async fn stuck<T>(db: &Db, task: TaskId, moved: Result<T, Halt>) -> Result<bool, Halt> {
    match moved {
        Ok(_) => Ok(false),
        Err(Halt::Db(error)) => {
            tracing::error!(task.id = task.0, error = %error, code = error.code(), "a task's occurrence could not be moved on");
            db.ping().await?;
            Ok(true)
        }
        Err(closed) => Err(closed),
    }
}

/// Ends the occurrences whose time is over, or would with `mode` look: how many runs are cancelled for it, and of how many tasks that
/// failed.
pub(in crate::work) async fn end_late(
    db: &Db,
    mode: Mode,
    at: DateTime<Tz>,
) -> Result<(usize, usize), Halt> {
    let last = db.occurrences().await?;
    if !last.values().any(Occurrence::is_current) {
        return Ok((0, 0));
    }
    let catalogue = db.catalogue().await?;
    let (mut cancelled, mut failed) = (HashMap::new(), 0);
    for (id, one) in last {
        let (Some(task), Some(sequence)) = (catalogue.tasks.get(&id), catalogue.sequences.get(&id))
        else {
            continue;
        };
        let t0 = at.timezone().timestamp_opt(one.began_at, 0).single();
        let over = match one.stage {
            Stage::Open => catalogue.over(task, t0.unwrap_or(at), at),
            Stage::Ending(over) => Some(over),
            Stage::Ended(_) => None,
        };
        if let Some(over) = over {
            let wound_up = wind_up(db, sequence, one, over, mode, at, &mut cancelled).await;
            failed += usize::from(stuck(db, id, wound_up).await?);
        }
    }
    Ok((cancelled.values().sum(), failed))
}

impl Round {
    fn new(within: Within, t0: DateTime<Tz>) -> Self {
        Self {
            within,
            t0,
            settled: HashSet::new(),
            gone_from: None,
        }
    }
}
