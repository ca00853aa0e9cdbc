//! Pictures of tables: where bars and words stand. Colours are classes, as no page holds a style.

use crate::domain::reports::{Chart, Table, Tongue};

/// Width of a picture, in its own units.
const WIDTH: u32 = 800;
/// Height of one whose bars stand side by side.
const HEIGHT: u32 = 260;
/// Left of the bars, where their scale stands.
const SCALE: u32 = 60;
/// Below the bars, where their names stand.
const NAMES: u32 = 30;
/// Above the bars.
const TOP: u32 = 12;
/// Left of bars that lie, where their names stand.
const BESIDE: u32 = 260;
/// Right of bars that lie, where their sums stand.
const SUMS: u32 = 60;
/// From one bar that lies to the next.
const LINE: u32 = 26;
/// Most bars that lie: the rest is in the table.
const MOST: usize = 15;
/// Most characters of a name beside a bar.
const LONGEST: usize = 34;
/// Most names below bars that stand.
const MOST_NAMES: usize = 8;

/// A picture.
#[derive(Debug, PartialEq)]
pub(super) struct Picture {
    pub(super) width: u32,
    pub(super) height: u32,
    /// What it shows, in words.
    pub(super) about: String,
    pub(super) bars: Vec<Bar>,
    pub(super) labels: Vec<Label>,
    /// Lines across it, by their height.
    pub(super) lines: Vec<u32>,
    /// Class and meaning of each colour.
    pub(super) legend: Vec<(&'static str, &'static str)>,
}

/// A part of a bar.
#[derive(Debug, PartialEq)]
pub(super) struct Bar {
    pub(super) class: &'static str,
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) title: String,
}

/// A word in it.
#[derive(Debug, PartialEq)]
pub(super) struct Label {
    pub(super) x: u32,
    pub(super) y: u32,
    /// `start`, `middle` or `end`.
    pub(super) anchor: &'static str,
    pub(super) text: String,
}

/// The picture of `table`; none if it has none, or nothing to draw.
pub(super) fn draw(table: &Table, tongue: Tongue) -> Option<Picture> {
    let chart = table.chart?;
    let sums: Vec<u64> = table.rows.iter().map(|row| sum(&chart, row)).collect();
    let most = sums.iter().copied().max().filter(|most| *most > 0)?;
    let mut picture = Picture {
        width: WIDTH,
        height: HEIGHT,
        about: about(table, &chart, tongue),
        bars: Vec::new(),
        labels: Vec::new(),
        lines: Vec::new(),
        legend: chart
            .series
            .iter()
            .map(|(column, colour)| (colour.class(), table.columns[*column].title.of(tongue)))
            .collect(),
    };
    if chart.upright {
        stand(&mut picture, table, &chart, tongue, most);
    } else {
        lie(&mut picture, table, &chart, tongue, &sums, most);
    }
    Some(picture)
}

fn sum(chart: &Chart, row: &[crate::domain::reports::Cell]) -> u64 {
    let columns = chart.series.iter();
    columns.map(|(column, _)| row[*column].number()).sum()
}

/// The sums of all colours.
fn about(table: &Table, chart: &Chart, tongue: Tongue) -> String {
    let said = chart.series.iter().map(|(column, _)| {
        let all: u64 = table.rows.iter().map(|row| row[*column].number()).sum();
        format!("{}: {all}", table.columns[*column].title.of(tongue))
    });
    said.collect::<Vec<_>>().join(", ")
}

/// As an axis ends: the next of 1, 2, 5, 10, 20, 50 …
fn round_up(most: u64) -> u64 {
    let mut step = 1_u64;
    loop {
        for factor in [1, 2, 5] {
            let end = step.saturating_mul(factor);
            if end >= most {
                return end;
            }
        }
        step = step.saturating_mul(10);
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a picture is as good to a ten-thousandth of its width"
)]
fn share(part: u64, all: u64, length: f64) -> f64 {
    let part = part as f64 * length / all.max(1) as f64;
    (part * 100.0).round() / 100.0
}

fn stand(picture: &mut Picture, table: &Table, chart: &Chart, tongue: Tongue, most: u64) {
    let end = round_up(most);
    let (bottom, length) = (HEIGHT - NAMES, f64::from(HEIGHT - NAMES - TOP));
    for (value, y) in [(0, bottom), (end, TOP)] {
        picture.lines.push(y);
        picture.labels.push(Label {
            x: SCALE - 8,
            y: y + 4,
            anchor: "end",
            text: value.to_string(),
        });
    }
    let count = table.rows.len();
    let place = f64::from(WIDTH - SCALE) / f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    let every = count.div_ceil(MOST_NAMES).max(1);
    let mut left = f64::from(SCALE);
    for (at, row) in table.rows.iter().enumerate() {
        let name = row[chart.label].text(tongue);
        let mut y = f64::from(bottom);
        for (column, colour) in chart.series {
            let value = row[*column].number();
            if value == 0 {
                continue;
            }
            let height = share(value, end, length);
            y -= height;
            picture.bars.push(Bar {
                class: colour.class(),
                x: share(1, 1, left + place * 0.1),
                y: share(1, 1, y),
                width: share(1, 1, place * 0.8),
                height,
                title: title(&name, table, *column, value, tongue),
            });
        }
        if at % every == 0 {
            picture.labels.push(Label {
                x: whole(left + place / 2.0),
                y: HEIGHT - 8,
                anchor: "middle",
                text: name,
            });
        }
        left += place;
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a place within the picture"
)]
fn whole(place: f64) -> u32 {
    place.clamp(0.0, f64::from(WIDTH)).round() as u32
}

fn title(name: &str, table: &Table, column: usize, value: u64, tongue: Tongue) -> String {
    format!(
        "{name} – {}: {value}",
        table.columns[column].title.of(tongue)
    )
}

fn lie(
    picture: &mut Picture,
    table: &Table,
    chart: &Chart,
    tongue: Tongue,
    sums: &[u64],
    most: u64,
) {
    let length = f64::from(WIDTH - BESIDE - SUMS);
    let mut y = TOP;
    for (row, sum) in table.rows.iter().zip(sums).take(MOST) {
        let name = row[chart.label].text(tongue);
        let mut x = f64::from(BESIDE);
        for (column, colour) in chart.series {
            let value = row[*column].number();
            if value == 0 {
                continue;
            }
            let width = share(value, most, length);
            picture.bars.push(Bar {
                class: colour.class(),
                x: share(1, 1, x),
                y: f64::from(y),
                width,
                height: f64::from(LINE - 8),
                title: title(&name, table, *column, value, tongue),
            });
            x += width;
        }
        picture.labels.push(Label {
            x: BESIDE - 8,
            y: y + 14,
            anchor: "end",
            text: short(&name),
        });
        picture.labels.push(Label {
            x: whole(x) + 6,
            y: y + 14,
            anchor: "start",
            text: sum.to_string(),
        });
        y += LINE;
    }
    picture.height = y + TOP;
}

/// A name that has its place beside a bar.
fn short(name: &str) -> String {
    if name.chars().count() <= LONGEST {
        return name.to_owned();
    }
    let mut short: String = name.chars().take(LONGEST - 1).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests;
