//! Many values in one statement.
//!
//! Statements are cached by their text, so lists and inserts come in few lengths: a list is padded by repeating its last value, an
//! insert is cut into pieces of the lengths that exist.

use chrono::NaiveDateTime;
use mysql_async::prelude::Queryable;
use mysql_async::{Params, Transaction, Value};

use super::{Db, DbError};
use crate::domain::run::{LogState, RunState};

/// The lengths that statements exist in.
const SIZES: [usize; 3] = [1, 16, 256];

/// Largest list in one statement; longer ones go in several.
pub(super) const LIST_MAX: usize = 256;

/// The length that a list of `len` values is padded to.
fn padded(len: usize) -> usize {
    SIZES
        .into_iter()
        .find(|size| len <= *size)
        .unwrap_or(LIST_MAX)
}

/// `?,?,…` for a list of `len` values, padded.
pub(super) fn marks(len: usize) -> String {
    let mut text = "?,".repeat(padded(len));
    text.pop();
    text
}

/// `values` padded by repeating the last one: harmless in an IN list.
pub(super) fn pad<T: Copy>(values: &[T]) -> impl Iterator<Item = T> {
    let last = values.last().copied();
    let missing = padded(values.len()).saturating_sub(values.len());
    values
        .iter()
        .copied()
        .chain(last.into_iter().cycle().take(missing))
}

/// The parameters of an IN list of `values`, padded.
pub(super) fn list<T: Copy + Into<Value>>(values: &[T]) -> Params {
    Params::Positional(pad(values).map(Into::into).collect())
}

/// How many of `waiting` rows go into one insert.
fn piece(waiting: usize) -> usize {
    SIZES
        .into_iter()
        .rev()
        .find(|size| *size <= waiting)
        .unwrap_or(waiting)
}

/// Inserts `rows`, in order: `head` stands before VALUES, `tail` behind the rows.
pub(super) async fn insert<const N: usize>(
    db: &Db,
    tx: &mut Transaction<'static>,
    head: &str,
    rows: &[[Value; N]],
    tail: &str,
) -> Result<(), DbError> {
    let mut rest = rows;
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(piece(rest.len()));
        rest = after;
        let row = format!("({})", ["?"; N].join(","));
        let text = format!("{head} VALUES {} {tail}", vec![row; chunk.len()].join(","));
        let values = Params::Positional(chunk.iter().flatten().cloned().collect());
        tx.exec_drop(db.names.replace(&text), values).await?;
    }
    Ok(())
}

/// Adds log lines, in order: their ids are what screens sort by. A line is run, date, `items_id`, itemtype, state, comment.
pub(super) async fn add_lines(
    db: &Db,
    tx: &mut Transaction<'static>,
    lines: &[[Value; 6]],
) -> Result<(), DbError> {
    let head = "/* add_lines */ INSERT INTO {p}taskjoblogs ({f}taskjobstates_id, date, items_id, itemtype, state, comment)";
    insert(db, tx, head, lines, "").await
}

/// A run as its log names it: its row, `items_id`, itemtype.
pub(super) type Named = (u64, u32, Option<String>);

/// Cancels `runs`, which this transaction has locked and seen open, and says `text` in the log of each; how many it were.
pub(super) async fn cancel_locked(
    db: &Db,
    tx: &mut Transaction<'static>,
    runs: Vec<Named>,
    text: &str,
    at: NaiveDateTime,
) -> Result<usize, DbError> {
    if runs.is_empty() {
        return Ok(0);
    }
    let ids: Vec<u64> = runs.iter().map(|run| run.0).collect();
    for chunk in ids.chunks(LIST_MAX) {
        let sql = format!(
            "/* cancel_locked */ UPDATE {{p}}taskjobstates SET state = {} WHERE id IN ({})",
            RunState::Cancelled.code(),
            marks(chunk.len())
        );
        tx.exec_drop(db.names.replace(&sql), list(chunk)).await?;
    }
    let lines: Vec<[Value; 6]> = runs
        .into_iter()
        .map(|(run, items_id, itemtype)| {
            [
                run.into(),
                at.into(),
                items_id.into(),
                itemtype.unwrap_or_default().into(),
                LogState::Info.code().into(),
                text.into(),
            ]
        })
        .collect();
    add_lines(db, tx, &lines).await?;
    Ok(lines.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_come_in_few_lengths() {
        for (len, size) in [(1, 1), (2, 16), (16, 16), (17, 256), (256, 256)] {
            assert_eq!(padded(len), size);
            assert_eq!(marks(len).matches('?').count(), size);
            let values: Vec<usize> = (0..len).collect();
            let padded: Vec<usize> = pad(&values).collect();
            assert_eq!(
                (padded.len(), padded[len - 1], padded[size - 1]),
                (size, len - 1, len - 1)
            );
        }
    }

    #[test]
    fn inserts_come_in_few_lengths() {
        for (waiting, taken) in [
            (1, 1),
            (15, 1),
            (16, 16),
            (255, 16),
            (256, 256),
            (1000, 256),
        ] {
            assert_eq!(piece(waiting), taken);
        }
    }
}
