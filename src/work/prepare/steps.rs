//! What is missing and what is too much, written in pieces.

use chrono::NaiveDateTime;

use super::{Mode, Preparation};
use crate::db::DbError;
use crate::db::preparation::{Again, CANCELLED_AT_ONCE, PIECE, Prepared};
use crate::domain::catalogue::Job;
use crate::domain::prepare::{Step, Survey, pieces, without};
use crate::work::doors::Halt;

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

    /// `steps` without those in whose way a run stands.
    pub(super) async fn without_the_done(
        &self,
        job: &Job,
        steps: Vec<Step>,
        again: Again,
    ) -> Result<Vec<Step>, DbError> {
        let mut missing = Vec::new();
        for piece in pieces(&steps, PIECE) {
            let taken = self.db.taken(job.id, &piece, again).await?;
            missing.extend(without(piece, &taken));
        }
        Ok(missing)
    }
}
