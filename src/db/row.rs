//! Rows to types, checked: an error names table and column.

use mysql_async::Row;
use mysql_async::prelude::FromValue;

use super::DbError;

/// A row on its way into a type; columns are taken from left to right.
#[derive(Debug)]
pub struct Columns {
    table: &'static str,
    row: Row,
    next: usize,
}

impl Columns {
    /// The columns of a row of `table`.
    #[must_use]
    pub fn new(table: &'static str, row: Row) -> Self {
        Self {
            table,
            row,
            next: 0,
        }
    }

    /// The next column, which the caller calls `column`.
    ///
    /// # Errors
    ///
    /// When it is not there or not of that type.
    pub fn take<T: FromValue>(&mut self, column: &'static str) -> Result<T, DbError> {
        let index = self.next;
        self.next += 1;
        match self.row.take_opt::<T, _>(index) {
            Some(Ok(value)) => Ok(value),
            Some(Err(error)) => Err(self.corrupt(column, error.to_string())),
            None => Err(self.corrupt(column, "no such column".to_owned())),
        }
    }

    /// Leaves out the next `count` columns.
    pub fn pass(&mut self, count: usize) {
        self.next += count;
    }

    /// The next column as a text; NULL is an empty one, as in PHP.
    ///
    /// # Errors
    ///
    /// When it is not there or no text.
    pub fn text(&mut self, column: &'static str) -> Result<String, DbError> {
        Ok(self.take::<Option<String>>(column)?.unwrap_or_default())
    }

    /// The next column as a flag: whatever is not zero, as PHP and SQL read a TINYINT.
    ///
    /// # Errors
    ///
    /// When it is not there or no number.
    pub fn flag(&mut self, column: &'static str) -> Result<bool, DbError> {
        Ok(self.take::<i64>(column)? != 0)
    }

    /// An error about `column`.
    #[must_use]
    pub fn corrupt(&self, column: &'static str, value: String) -> DbError {
        DbError::CorruptRow {
            table: self.table,
            column,
            value,
        }
    }
}

/// The rows that can be read. Each other one is logged and left out, so that it harms nobody but itself.
pub fn readable<T>(rows: impl Iterator<Item = Result<T, DbError>>) -> impl Iterator<Item = T> {
    rows.filter_map(|row| {
        row.inspect_err(
            |error| tracing::warn!(error = %error, code = error.code(), "a row is left out"),
        )
        .ok()
    })
}
