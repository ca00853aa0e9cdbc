//! What is missing and what is too much, written in pieces.

use std::ops::ControlFlow;

use chrono::NaiveDateTime;

use super::{Mode, Preparation};
use crate::db::DbError;
use crate::db::preparation::{Again, CANCELLED_AT_ONCE, PIECE, Prepared};
use crate::domain::actors::Target;
use crate::domain::catalogue::Job;
use crate::domain::ids::AgentId;
use crate::domain::prepare::{Step, Survey, count, pieces, without};
use crate::work::doors::Halt;

/// Rows that are read one after the other in the time that asking about one step takes, or less.
const ROWS_FOR_A_STEP: usize = 8;

impl Preparation {
    /// Cancels the runs whose agents left, and creates those that are missing.
    pub(super) async fn write(
        &self,
        job: &Job,
        survey: &Survey<'_>,
        missing: &[Step],
        again: Again,
        at: NaiveDateTime,
        prepared: &mut Prepared,
    ) -> Result<(), Halt> {
        for (target, runs) in survey.left() {
            for runs in runs.chunks(CANCELLED_AT_ONCE) {
                self.may_go_on(Mode::Write).await?;
                prepared.cancelled += self.db.cancel_runs(job.id, target, runs, at).await?;
            }
        }
        for piece in pieces(missing, PIECE) {
            self.may_go_on(Mode::Write).await?;
            prepared.created += self.db.create_runs(job.id, &piece, again, at).await?;
        }
        Ok(())
    }

    /// The steps that are left when runs that have ended stand in the way of others `again`.
    ///
    /// The job's newest runs are read in one go, as many as cost about what asking about each of `steps` does; only if there are older ones,
    /// it is asked about those steps that are still left.
    pub(super) async fn without_the_done(
        &self,
        job: &Job,
        survey: &mut Survey<'_>,
        steps: Vec<Step>,
        again: Again,
        may: impl Fn(AgentId) -> bool,
    ) -> Result<Vec<Step>, DbError> {
        let mut left = count(&steps);
        let most = left.saturating_mul(ROWS_FOR_A_STEP);
        let see = |agent, target: &Target| {
            left -= usize::from(survey.see_done(agent, target) && may(agent));
            if left == 0 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        let all_seen = self.db.ended_runs_of_job(job.id, again, most, see).await?;
        let steps = survey.missing(may);
        if all_seen {
            return Ok(steps);
        }
        let mut missing = Vec::new();
        for piece in pieces(&steps, PIECE) {
            let taken = self.db.taken(job.id, &piece, again).await?;
            missing.extend(without(piece, &taken));
        }
        Ok(missing)
    }
}
