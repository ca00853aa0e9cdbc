//! Rows of a scratch database, which a replay may empty. Never GLPI's own.
//!
//! Names of tables and columns come from recordings. None reaches a statement that `information_schema` does not have.

pub mod claim;
pub(crate) mod tables;

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDateTime;
use mysql_async::consts::ColumnType;
use mysql_async::prelude::Queryable as _;
use mysql_async::{Column, Conn, FromValueError, Params, Value, params};

use super::names::quoted;

/// MySQL's number of the charset "binary": what a column of bytes has instead of a charset.
const BINARY: u16 = 63;
/// Columns by which own tables refer to rows that a replay empties.
const OWN_REFERENCES: [&str; 4] = ["tasks_id", "taskjobs_id", "taskjobstates_id", "agents_id"];

/// Value of a column.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// NULL.
    Null,
    /// Any integer type, as far as it fits.
    Integer(i64),
    /// FLOAT or DOUBLE.
    Float(f64),
    /// A text; also a DATE, TIME, DECIMAL or an integer out of range, in the database's writing.
    Text(String),
    /// BINARY or BLOB.
    Bytes(Vec<u8>),
    /// DATETIME or TIMESTAMP, in the session's zone.
    Time(NaiveDateTime),
}

impl Cell {
    /// The integer, if it is one.
    #[must_use]
    pub fn integer(&self) -> Option<i64> {
        if let Self::Integer(number) = self {
            Some(*number)
        } else {
            None
        }
    }
}

/// A row: values by column.
pub type Row = BTreeMap<String, Cell>;
/// Rows by table and id.
pub type Dump = BTreeMap<String, BTreeMap<i64, Row>>;

/// Keys of rows, by table: the values of the primary key, `/` between several.
pub type Keys = BTreeMap<String, BTreeSet<String>>;

/// Why the rows of a scratch database cannot be changed or read.
#[derive(Debug, thiserror::Error)]
pub enum ScratchError {
    /// A table that the database does not have.
    #[error("the database has no table {0}")]
    NoTable(String),
    /// A table that a replay must not empty.
    #[error("table {0} is none that replays may empty")]
    NotReplayed(String),
    /// A table that would be filled and never emptied.
    #[error("table {0} is not among those that its base watches: no row is loaded there")]
    NotWatched(String),
    /// A column that the table does not have.
    #[error("table {table} has no column {column}")]
    NoColumn {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// A row without an integer `id`, by which rows are compared.
    #[error("table {0} has a row without id")]
    NoId(String),
    /// A value that is none of its type.
    #[error("table {table}, column {column}: {source}")]
    Value {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// What it holds.
        source: FromValueError,
    },
    /// The database refused or is gone.
    #[error(transparent)]
    Database(#[from] mysql_async::Error),
}

/// A database whose watched tables may be emptied.
#[derive(Debug)]
pub struct Scratch {
    columns: BTreeMap<String, BTreeSet<String>>,
    watched: Vec<String>,
}

impl Scratch {
    /// Reads which tables the database has, and prepares the session: `offset` is its time zone (`+01:00`), foreign keys are not
    /// checked, values are cut to fit as GLPI's sessions do it, and 0 is an id like any other (the root entity's).
    /// Watched tables that the database does not have are left out.
    pub async fn open(
        conn: &mut Conn,
        watched: &[String],
        offset: &str,
    ) -> Result<Self, ScratchError> {
        conn.exec_drop(
            "SET SESSION time_zone = :offset, sql_mode = 'NO_AUTO_VALUE_ON_ZERO', foreign_key_checks = 0",
            params! { offset },
        )
        .await?;
        let all: Vec<(String, String)> = conn
            .query("SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = DATABASE()")
            .await?;
        let mut columns = BTreeMap::<String, BTreeSet<String>>::new();
        for (table, column) in all {
            columns.entry(table).or_default().insert(column);
        }
        let watched = watched
            .iter()
            .filter(|table| columns.contains_key(*table))
            .cloned()
            .collect();
        Ok(Self { columns, watched })
    }

    /// Empties the watched tables, and the sidecar's own ones that refer to tasks, jobs, runs or agents.
    pub async fn clear(&self, conn: &mut Conn) -> Result<(), ScratchError> {
        let own = self.columns.iter().filter(|(table, columns)| {
            let refers = |column: &String| {
                OWN_REFERENCES
                    .iter()
                    .any(|reference| column.ends_with(reference))
            };
            tables::is_own(table) && columns.iter().any(refers)
        });
        for table in self.watched.iter().chain(own.map(|(table, _)| table)) {
            let table = quoted(table);
            // Truncating costs the server file operations, a look costs nothing: most tables are empty.
            if conn
                .query_first::<i64, _>(format!("SELECT 1 FROM {table} LIMIT 1"))
                .await?
                .is_some()
            {
                conn.query_drop(format!("TRUNCATE TABLE {table}")).await?;
            }
        }
        Ok(())
    }

    /// Inserts `row` into `table`.
    pub async fn insert(
        &self,
        conn: &mut Conn,
        table: &str,
        row: &Row,
    ) -> Result<(), ScratchError> {
        let columns = self
            .columns
            .get(table)
            .ok_or_else(|| ScratchError::NoTable(table.to_owned()))?;
        if let Some(column) = row.keys().find(|column| !columns.contains(*column)) {
            return Err(ScratchError::NoColumn {
                table: table.to_owned(),
                column: column.clone(),
            });
        }
        let names: Vec<String> = row.keys().map(|column| quoted(column)).collect();
        let marks = vec!["?"; row.len()];
        let statement = format!(
            "INSERT INTO {} ({}) VALUES ({})",
            quoted(table),
            names.join(", "),
            marks.join(", ")
        );
        let values = row.values().map(bound).collect();
        Ok(conn
            .exec_drop(statement, Params::Positional(values))
            .await?)
    }

    /// All rows of the watched tables.
    pub async fn dump(&self, conn: &mut Conn) -> Result<Dump, ScratchError> {
        let mut dump = Dump::new();
        for table in &self.watched {
            // Prepared, so that values come with their types.
            let rows: Vec<mysql_async::Row> = conn
                .exec(format!("SELECT * FROM {}", quoted(table)), ())
                .await?;
            let rows = rows.into_iter().map(|row| {
                let row = cells(table, row)?;
                let id = row
                    .get("id")
                    .and_then(Cell::integer)
                    .ok_or_else(|| ScratchError::NoId(table.clone()))?;
                Ok((id, row))
            });
            dump.insert(table.clone(), rows.collect::<Result<_, ScratchError>>()?);
        }
        Ok(dump)
    }
}

fn bound(cell: &Cell) -> Value {
    match cell {
        Cell::Null => Value::NULL,
        Cell::Integer(number) => (*number).into(),
        Cell::Float(number) => (*number).into(),
        Cell::Text(text) => text.as_str().into(),
        Cell::Bytes(bytes) => bytes.as_slice().into(),
        Cell::Time(at) => (*at).into(),
    }
}

fn cells(table: &str, row: mysql_async::Row) -> Result<Row, ScratchError> {
    let columns = row.columns();
    columns
        .iter()
        .zip(row.unwrap())
        .map(|(column, value)| {
            let name = column.name_str().into_owned();
            match cell(column, value) {
                Ok(cell) => Ok((name, cell)),
                Err(source) => Err(ScratchError::Value {
                    table: table.to_owned(),
                    column: name,
                    source,
                }),
            }
        })
        .collect()
}

fn cell(column: &Column, value: Value) -> Result<Cell, FromValueError> {
    Ok(match value {
        Value::NULL => Cell::Null,
        Value::Int(number) => Cell::Integer(number),
        Value::UInt(number) => {
            i64::try_from(number).map_or_else(|_| Cell::Text(number.to_string()), Cell::Integer)
        }
        // By its shortest decimal, which is what was stored.
        Value::Float(number) => {
            Cell::Float(number.to_string().parse().unwrap_or_else(|_| number.into()))
        }
        Value::Double(number) => Cell::Float(number),
        Value::Bytes(bytes) if is_binary(column) => Cell::Bytes(bytes),
        Value::Bytes(bytes) => Cell::Text(mysql_async::from_value_opt(Value::Bytes(bytes))?),
        // MariaDB shows an impossible date as zeroes; that is no moment.
        Value::Date(year, month, day, ..)
            if column.column_type() == ColumnType::MYSQL_TYPE_DATE =>
        {
            Cell::Text(format!("{year:04}-{month:02}-{day:02}"))
        }
        date @ Value::Date(0, ..) => Cell::Text(date.as_sql(true)),
        date @ Value::Date(..) => Cell::Time(mysql_async::from_value_opt(date)?),
        time @ Value::Time(..) => Cell::Text(time.as_sql(true)),
    })
}

fn is_binary(column: &Column) -> bool {
    // Numbers that travel as text have no charset either.
    column.character_set() == BINARY && column.column_type() != ColumnType::MYSQL_TYPE_NEWDECIMAL
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn column(kind: ColumnType, charset: u16) -> Column {
        Column::new(kind).with_character_set(charset)
    }

    #[rstest]
    #[case(ColumnType::MYSQL_TYPE_LONG, BINARY, Value::Int(-1), Cell::Integer(-1))]
    #[case(ColumnType::MYSQL_TYPE_LONG, BINARY, Value::UInt(1), Cell::Integer(1))]
    #[case(ColumnType::MYSQL_TYPE_LONGLONG, BINARY, Value::UInt(u64::MAX), Cell::Text(u64::MAX.to_string()))]
    #[case(
        ColumnType::MYSQL_TYPE_FLOAT,
        BINARY,
        Value::Float(0.1),
        Cell::Float(0.1)
    )]
    #[case(ColumnType::MYSQL_TYPE_VAR_STRING, 45, Value::Bytes(b"a".to_vec()), Cell::Text("a".to_owned()))]
    #[case(ColumnType::MYSQL_TYPE_BLOB, BINARY, Value::Bytes(b"a".to_vec()), Cell::Bytes(b"a".to_vec()))]
    #[case(ColumnType::MYSQL_TYPE_NEWDECIMAL, BINARY, Value::Bytes(b"1.50".to_vec()), Cell::Text("1.50".to_owned()))]
    #[case(ColumnType::MYSQL_TYPE_DATE, BINARY, Value::Date(2026, 3, 4, 0, 0, 0, 0), Cell::Text("2026-03-04".to_owned()))]
    #[case(ColumnType::MYSQL_TYPE_TIMESTAMP, BINARY, Value::NULL, Cell::Null)]
    fn values_by_type(
        #[case] kind: ColumnType,
        #[case] charset: u16,
        #[case] value: Value,
        #[case] expected: Cell,
    ) {
        assert_eq!(cell(&column(kind, charset), value).unwrap(), expected);
    }

    #[test]
    fn moments_and_what_is_none() {
        let timestamp = column(ColumnType::MYSQL_TYPE_TIMESTAMP, BINARY);
        let noon = chrono::NaiveDate::from_ymd_opt(2026, 3, 4)
            .unwrap()
            .and_hms_opt(12, 0, 0)
            .unwrap();
        assert_eq!(
            cell(&timestamp, Value::Date(2026, 3, 4, 12, 0, 0, 0)).unwrap(),
            Cell::Time(noon)
        );
        assert!(matches!(
            cell(&timestamp, Value::Date(0, 0, 0, 0, 0, 0, 0)).unwrap(),
            Cell::Text(_)
        ));
        assert!(cell(&timestamp, Value::Date(2026, 13, 1, 0, 0, 0, 0)).is_err());
    }
}
