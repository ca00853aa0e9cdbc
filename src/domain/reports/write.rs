//! A report as CSV, as JSON, and as text.

use serde_json::{Map, Value, json};

use super::{Cell, Report, Table, Tongue};

/// What a spreadsheet takes for the beginning of a formula.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// A table as CSV (RFC 4180): names of columns first, lines end with CR and LF, texts stand in quotation marks. A text that a spreadsheet would
/// take for a formula has an apostrophe before it.
#[must_use]
pub fn csv(table: &Table) -> String {
    let mut out = String::new();
    let names = table.columns.iter().map(|column| column.name.to_owned());
    line(&mut out, names);
    for row in &table.rows {
        line(&mut out, row.iter().map(field));
    }
    out
}

fn line(out: &mut String, fields: impl Iterator<Item = String>) {
    for (at, field) in fields.enumerate() {
        if at > 0 {
            out.push(',');
        }
        out.push_str(&field);
    }
    out.push_str("\r\n");
}

fn field(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => {
            let guard = if text.starts_with(FORMULA) { "'" } else { "" };
            format!("\"{guard}{}\"", text.replace('"', "\"\""))
        }
        Cell::Word(words) => format!("\"{}\"", words.en),
        Cell::Percent(percent) => percent.to_string(),
        other => other.text(Tongue::English),
    }
}

/// A report as JSON: each row an object with the names of columns as keys.
#[must_use]
pub fn json(report: &Report) -> Value {
    let period = report
        .period
        .map(|(from, to)| (from.to_string(), to.to_string()));
    let (from, to) = period.unzip();
    let notes = report.notes.iter().map(|note| note.text(Tongue::English));
    json!({
        "report": report.name.word(),
        "title": report.name.title().en,
        "made": report.made.format("%Y-%m-%dT%H:%M:%S").to_string(),
        "from": from,
        "to": to,
        "days": report.days,
        "notes": notes.collect::<Vec<_>>(),
        "tables": report.tables.iter().map(table).collect::<Vec<_>>(),
    })
}

fn table(table: &Table) -> Value {
    let columns = table.columns.iter().map(|column| {
        json!({"name": column.name, "title": column.title.en, "type": column.holds.word()})
    });
    let rows = table.rows.iter().map(|row| {
        let cells = table.columns.iter().zip(row);
        let cells = cells.map(|(column, cell)| (column.name.to_owned(), value(cell)));
        Value::Object(cells.collect::<Map<_, _>>())
    });
    json!({
        "name": table.name,
        "title": table.title.en,
        "columns": columns.collect::<Vec<_>>(),
        "rows": rows.collect::<Vec<_>>(),
        "cut": table.cut,
    })
}

fn value(cell: &Cell) -> Value {
    match cell {
        Cell::Count(_) | Cell::Percent(_) => cell.number().into(),
        Cell::None => Value::Null,
        Cell::Moment(moment) => moment.format("%Y-%m-%dT%H:%M:%S").to_string().into(),
        Cell::Text(_) | Cell::Word(_) => cell.text(Tongue::English).into(),
    }
}

/// Said below a table that was cut.
#[must_use]
pub fn cut(table: &Table, tongue: Tongue) -> Option<String> {
    let rows = table.rows.len();
    table.cut.then(|| match tongue {
        Tongue::English => format!("Only the first {rows} rows are shown; there are more."),
        Tongue::French => {
            format!("Seules les {rows} premières lignes sont affichées ; il y en a d’autres.")
        }
    })
}

/// A report for a terminal: tables of columns of equal width, numbers at the right. Control characters are blanks, since names come from
/// elsewhere.
#[must_use]
pub fn text(report: &Report) -> String {
    let mut lines = vec![report.name.title().en.to_owned()];
    if let Some((from, to)) = report.period {
        lines.push(format!("{from} to {to}"));
    }
    if let Some(days) = report.days {
        lines.push(format!("{days} days"));
    }
    lines.extend(report.notes.iter().map(|note| note.text(Tongue::English)));
    for table in &report.tables {
        lines.push(String::new());
        lines.push(format!("{} ({})", table.title.en, table.name));
        lines.extend(rows(table));
        lines.extend(cut(table, Tongue::English));
    }
    lines.join("\n")
}

fn rows(table: &Table) -> Vec<String> {
    if table.rows.is_empty() {
        return vec!["  nothing".to_owned()];
    }
    let plain = |text: String| text.replace(char::is_control, " ");
    let heads = table
        .columns
        .iter()
        .map(|column| column.title.en.to_owned());
    let mut all: Vec<Vec<String>> = vec![heads.collect()];
    for row in &table.rows {
        let cells = row.iter().map(|cell| plain(cell.text(Tongue::English)));
        all.push(cells.collect());
    }
    let width = |at: usize| {
        let lengths = all
            .iter()
            .map(|row| row.get(at).map_or(0, |cell| cell.chars().count()));
        lengths.max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..table.columns.len()).map(width).collect();
    let written = all.iter().map(|row| {
        let mut line = String::new();
        for ((cell, column), width) in row.iter().zip(table.columns).zip(&widths) {
            let cell = if column.holds.is_number() {
                format!("  {cell:>width$}")
            } else {
                format!("  {cell:<width$}")
            };
            line.push_str(&cell);
        }
        line.trim_end().to_owned()
    });
    written.collect()
}
