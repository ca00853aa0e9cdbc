//! Hour rows, as Tasks Redux stores the week of one task, and the week by whole hours, as an editor shows it.

use std::fmt;

use super::Week;

/// One row of `sidecar_hours`: the hours of a day from `start` up to, not including, `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct HourRow {
    /// 0 = Monday … 6 = Sunday.
    pub weekday: u8,
    /// First open hour, 0 to 23.
    pub start: u8,
    /// First hour that is closed again, 1 to 24 (midnight).
    pub end: u8,
}

impl HourRow {
    /// As stored: whatever the numbers are.
    #[must_use]
    pub const fn new(weekday: u8, start: u8, end: u8) -> Self {
        Self {
            weekday,
            start,
            end,
        }
    }

    /// Whether there are such hours.
    #[must_use]
    pub fn makes_sense(self) -> bool {
        self.weekday < 7 && self.start < self.end && self.end <= 24
    }
}

impl fmt::Display for HourRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "weekday {}, hours {} to {}",
            self.weekday, self.start, self.end
        )
    }
}

/// `rows` in words, such as `Mo 8–12, 14–18; Sa 0–24`.
#[must_use]
pub fn text(rows: &[HourRow]) -> String {
    const DAYS: [&str; 7] = ["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"];
    let days: Vec<String> = rows
        .chunk_by(|a, b| a.weekday == b.weekday)
        .map(|day| {
            let times: Vec<String> = day
                .iter()
                .map(|row| format!("{}–{}", row.start, row.end))
                .collect();
            let name = day
                .first()
                .and_then(|row| DAYS.get(usize::from(row.weekday)));
            format!("{} {}", name.unwrap_or(&"?"), times.join(", "))
        })
        .collect();
    days.join("; ")
}

/// The 168 hours of a week, by weekday (0 = Monday) and hour: whether each is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Grid(pub [[bool; 24]; 7]);

impl Grid {
    /// The hours that `rows` open; those that make no sense open nothing.
    #[must_use]
    pub fn from_rows(rows: impl IntoIterator<Item = HourRow>) -> Self {
        let mut grid = Self::default();
        for row in rows.into_iter().filter(|row| row.makes_sense()) {
            grid.0[usize::from(row.weekday)][usize::from(row.start)..usize::from(row.end)]
                .fill(true);
        }
        grid
    }

    /// The hours that `week` is open throughout, and whether it is open in these alone. Parts of a minute do not count.
    #[must_use]
    pub fn from_week(week: &Week) -> (Self, bool) {
        let mut grid = Self::default();
        let mut is_whole = true;
        for opening in week.openings() {
            let (begin, end) = (opening.begin.div_ceil(60), opening.end / 60);
            if begin >= end {
                continue;
            }
            is_whole &= begin % 60 == 0 && end % 60 == 0;
            let (first, last) = (begin.div_ceil(60) as usize, (end / 60) as usize);
            if first < last {
                grid.0[opening.weekday as usize][first..last].fill(true);
            }
        }
        (grid, is_whole)
    }

    /// The fewest rows that open these hours, in the order of the week; a row ends at midnight at the latest.
    #[must_use]
    pub fn rows(&self) -> Vec<HourRow> {
        let mut rows: Vec<HourRow> = Vec::new();
        for (weekday, hours) in (0..).zip(&self.0) {
            for (hour, _) in (0..).zip(hours).filter(|(_, open)| **open) {
                match rows.last_mut() {
                    Some(last) if last.weekday == weekday && last.end == hour => last.end += 1,
                    _ => rows.push(HourRow::new(weekday, hour, hour + 1)),
                }
            }
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::timeslot::Entry;
    use proptest::prelude::*;

    #[test]
    fn rows_that_make_no_sense() {
        for ((weekday, start, end), sensible) in [
            ((0, 0, 24), true),
            ((6, 23, 24), true),
            ((7, 0, 24), false),
            ((255, 0, 24), false),
            ((0, 8, 8), false),
            ((0, 9, 8), false),
            ((0, 0, 25), false),
            ((0, 24, 24), false),
            ((0, 24, 25), false),
        ] {
            let row = HourRow::new(weekday, start, end);
            assert_eq!(row.makes_sense(), sensible, "{row}");
            let opened = Grid::from_rows([row]) != Grid::default();
            assert_eq!(opened, sensible, "{row}");
        }
    }

    #[test]
    fn overlapping_and_touching_rows_become_one() {
        let rows = |rows: &[(u8, u8, u8)]| -> Vec<HourRow> {
            let row = |&(weekday, start, end)| HourRow::new(weekday, start, end);
            rows.iter().map(row).collect()
        };
        let stored = [(2, 8, 10), (2, 9, 12), (2, 12, 13), (1, 20, 24), (2, 0, 1)];
        let fewest = [(1, 20, 24), (2, 0, 1), (2, 8, 13)];
        assert_eq!(Grid::from_rows(rows(&stored)).rows(), rows(&fewest));
    }

    #[test]
    fn rows_in_words() {
        let rows = [(0, 8, 12), (0, 14, 18), (5, 0, 24), (9, 1, 2)];
        let rows = rows.map(|(weekday, start, end)| HourRow::new(weekday, start, end));
        assert_eq!(text(&rows), "Mo 8–12, 14–18; Sa 0–24; ? 1–2");
        assert_eq!(text(&[]), "");
    }

    #[test]
    fn weeks_of_the_plugin_by_whole_hours() {
        let at = |hour: u32, minute: u32| hour * 3_600 + minute * 60;
        for (begin, end, first, last, is_whole) in [
            (at(8, 0), at(12, 0), 8, 12, true),
            (at(8, 0), at(12, 0) - 1, 8, 12, true),
            (0, at(24, 0), 0, 24, true),
            (at(8, 1), at(12, 0), 9, 12, false),
            (at(8, 0), at(12, 30), 8, 12, false),
            (at(8, 10), at(8, 50), 0, 0, false),
            (at(8, 10), at(9, 50), 0, 0, false),
            // The second that the plugin's end is open for.
            (at(8, 0), at(8, 0), 0, 0, true),
        ] {
            let week = Week::from_entries([Entry { day: 3, begin, end }]);
            let mut expected = Grid::default();
            expected.0[2][first..last].fill(true);
            assert_eq!(
                Grid::from_week(&week),
                (expected, is_whole),
                "{begin} {end}"
            );
        }
    }

    fn rows() -> impl Strategy<Value = Vec<HourRow>> {
        prop::collection::vec(
            (0u8..9, 0u8..27, 0u8..27).prop_map(|(day, start, end)| HourRow::new(day, start, end)),
            0..40,
        )
    }

    fn grid() -> impl Strategy<Value = Grid> {
        prop::array::uniform7(prop::array::uniform24(any::<bool>())).prop_map(Grid)
    }

    proptest! {
        #[test]
        fn to_rows_and_back(grid in grid()) {
            let rows = grid.rows();
            prop_assert!(rows.iter().all(|row| row.makes_sense()));
            prop_assert_eq!(Grid::from_rows(rows.iter().copied()), grid);
            // A row is needed for each open hour that follows a closed one or midnight, and no more are there.
            let needed = grid.0.iter().map(|hours| (0..24).filter(|hour| hours[*hour] && (*hour == 0 || !hours[hour - 1])).count());
            prop_assert_eq!(rows.len(), needed.sum::<usize>());
            prop_assert!(rows.is_sorted());
        }

        #[test]
        fn to_a_week_and_back(grid in grid()) {
            let week = Week::from_hours(grid.rows());
            prop_assert_eq!(Grid::from_week(&week), (grid, true));
        }

        #[test]
        fn an_hour_is_open_exactly_when_a_sensible_row_says_so(rows in rows(), weekday in 0u8..7, hour in 0u8..24) {
            let said = rows.iter().any(|row| row.weekday == weekday && row.start <= hour && hour < row.end && row.end <= 24);
            prop_assert_eq!(Grid::from_rows(rows).0[usize::from(weekday)][usize::from(hour)], said);
        }
    }
}
