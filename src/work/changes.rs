//! What was changed in GLPI: the plugin writes no history of tasks, so that every task is compared with how it was last seen.
//!
//! A pass reads all tasks by a fixed number of statements, and writes where something is different. What a sidecar changes itself is no change
//! to be found: its transaction brings the snapshot up to date.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::{Days, NaiveDateTime};
use chrono_tz::Tz;
use tokio_util::sync::CancellationToken;

use super::doors::{Halt, look};
use super::gate::Gate;
use super::turn::Outcome;
use crate::clock::{Clock, local};
use crate::db::history::changes::{Find, Seen, Snapshots};
use crate::db::{Db, DbError};
use crate::domain::changes::{Change, Field, Packed, State};
use crate::domain::crons::Chore;
use crate::domain::ids::TaskId;
use crate::domain::site::Closed;

/// Most tasks that are stored in one transaction.
const PIECE: usize = 256;

/// Most bytes of snapshots that are, unless one alone has more.
const PIECE_BYTES: usize = 1 << 20;

/// How many tasks are compared before others get their turn.
const BREATH: usize = 64;

/// Looks for changes.
#[derive(Clone)]
pub struct Changes {
    db: Db,
    clock: Arc<dyn Clock>,
    zone: Tz,
    keep: u32,
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changes")
            .field("keep", &self.keep)
            .finish_non_exhaustive()
    }
}

/// What a pass did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Tasks that there are.
    pub tasks: usize,
    /// Changes that were stored.
    pub changes: usize,
    /// Why it ended before it was done.
    pub closed: Option<Closed>,
}

impl Outcome for Summary {
    fn result(&self) -> String {
        match self.closed {
            Some(closed) => format!("stopped: {closed}"),
            None => "ok".to_owned(),
        }
    }

    fn runs(&self) -> u64 {
        0
    }

    fn closed(&self) -> Option<Closed> {
        self.closed
    }
}

impl Changes {
    /// Looks on `db`, in local time of `zone`; changes are kept for `keep` days.
    #[must_use]
    pub fn new(db: Db, clock: Arc<dyn Clock>, zone: Tz, keep: u32) -> Self {
        Self {
            db,
            clock,
            zone,
            keep,
        }
    }

    /// One pass. It ends by itself, between two transactions, when GLPI is closed.
    ///
    /// # Errors
    ///
    /// When the database fails; what was stored before is.
    pub async fn pass(&self) -> Result<Summary, DbError> {
        let mut summary = Summary::default();
        match self.work(&mut summary).await {
            Ok(()) => {}
            Err(Halt::Closed(closed)) => summary.closed = Some(closed),
            Err(Halt::Db(error)) => return Err(error),
        }
        Ok(summary)
    }

    fn now(&self) -> NaiveDateTime {
        local(self.clock.as_ref(), self.zone)
    }

    async fn work(&self, summary: &mut Summary) -> Result<(), Halt> {
        look(&self.db).await?;
        let begun = self.now();
        // In this order: what is compared with a snapshot is never older than it.
        let known = self.db.snapshots().await?;
        let states = self.db.task_states().await?;
        let until = self.now();
        summary.tasks = states.len();
        let finds = self.finds(&known, states).await?;
        for piece in pieces(&finds) {
            look(&self.db).await?;
            summary.changes += self.db.store_finds(piece, begun, until).await?;
        }
        self.db.looked(begun).await?;
        let Some(before) = begun.checked_sub_days(Days::new(self.keep.into())) else {
            return Ok(());
        };
        let is_over = |seen: &Seen| seen.digest.is_none() && seen.at < Some(before);
        let gone = known.tasks.iter().filter(|(_, seen)| is_over(seen));
        let gone: Vec<TaskId> = gone.map(|(task, _)| *task).collect();
        Ok(self.db.forget_changes(before, &gone).await?)
    }

    /// The tasks that are not as they were seen.
    async fn finds(
        &self,
        known: &Snapshots,
        states: Vec<(TaskId, State)>,
    ) -> Result<Vec<Find>, DbError> {
        let mut missing = known.tasks.clone();
        let mut finds: Vec<Find> = Vec::new();
        let mut changed: Vec<(TaskId, Seen, State, Packed)> = Vec::new();
        for (index, (task, state)) in states.into_iter().enumerate() {
            if index % BREATH == 0 {
                tokio::task::yield_now().await;
            }
            let packed = state.pack();
            match missing.remove(&task) {
                Some(seen) if seen.digest.as_ref() == Some(&packed.digest) => {}
                Some(seen) if seen.digest.is_some() => changed.push((task, seen, state, packed)),
                seen => {
                    let is_new = known.looked_at.is_some();
                    let created = Change::whole(Field::Created, state.name());
                    finds.push(Find {
                        task,
                        version: seen.map(|seen| seen.version),
                        now: Some(packed),
                        // What is there when somebody looks for the first time is not new.
                        changes: if is_new { vec![created] } else { vec![] },
                        since: known.looked_at,
                    });
                }
            }
        }
        for piece in changed.chunks(PIECE) {
            let tasks: Vec<TaskId> = piece.iter().map(|(task, ..)| *task).collect();
            let before = self.db.last_seen(&tasks).await?;
            finds.extend(piece.iter().map(|(task, seen, state, packed)| {
                Find {
                    task: *task,
                    version: Some(seen.version),
                    now: Some(packed.clone()),
                    changes: before
                        .get(task)
                        .map(|before| before.changes(state))
                        .unwrap_or_default(),
                    since: seen.at.max(known.looked_at),
                }
            }));
        }
        let gone = missing
            .into_iter()
            .filter(|(_, seen)| seen.digest.is_some());
        finds.extend(gone.map(|(task, seen)| Find {
            task,
            version: Some(seen.version),
            now: None,
            changes: vec![Change::whole(Field::Deleted, "")],
            since: seen.at.max(known.looked_at),
        }));
        // In the order of the table, as whoever else writes some.
        finds.sort_unstable_by_key(|find| find.task);
        Ok(finds)
    }
}

/// `finds` in pieces for one transaction each.
fn pieces(finds: &[Find]) -> Vec<&[Find]> {
    let mut pieces = Vec::new();
    let mut rest = finds;
    while !rest.is_empty() {
        let mut bytes = 0;
        let fit = rest.iter().take(PIECE).take_while(|find| {
            bytes += find.now.as_ref().map_or(0, |now| now.text.len());
            bytes <= PIECE_BYTES
        });
        let (piece, after) = rest.split_at(fit.count().max(1));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

/// Makes a pass every `period`, as far as `gate` lets it, until `stop`, which also ends one under way.
pub async fn regularly(
    changes: Changes,
    gate: Arc<Gate>,
    period: Duration,
    stop: CancellationToken,
) {
    let mut leading = gate.leading();
    let work = async {
        loop {
            leading.look();
            match gate.pass(Chore::Changes, period, changes.pass()).await {
                Ok(Some(Summary { changes, .. })) if changes > 0 => {
                    tracing::info!(changes, "tasks were changed in GLPI");
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::error!(error = %error, code = error.code(), "changes made in GLPI could not be looked for, trying again");
                }
            }
            leading.or_in(period).await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = work => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_have_bounds() {
        let find = |bytes: usize| Find {
            task: TaskId(1),
            version: None,
            now: Some(Packed {
                text: "x".repeat(bytes),
                digest: String::new(),
            }),
            changes: vec![],
            since: None,
        };
        let lengths = |finds: &[Find]| -> Vec<usize> {
            pieces(finds).into_iter().map(<[Find]>::len).collect()
        };
        assert_eq!(lengths(&[]), [0; 0]);
        assert_eq!(lengths(&vec![find(9); PIECE + 3]), [PIECE, 3]);
        let half = PIECE_BYTES / 2;
        let sizes = [half, half, 1, PIECE_BYTES * 2, 1];
        assert_eq!(lengths(&sizes.map(find)), [2, 1, 1, 1]);
    }
}
