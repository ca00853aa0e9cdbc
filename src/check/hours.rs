//! The hour rows of tasks: those that open nothing, since there are no such hours.

use super::Report;
use crate::db::names::Names;
use crate::domain::catalogue::Catalogue;

/// How many rows of a task are shown.
const SHOWN: usize = 3;

pub(super) fn examine(catalogue: &Catalogue, report: &mut Report) {
    for rows in catalogue.odd_hours.chunk_by(|a, b| a.0 == b.0) {
        let task = rows[0].0;
        let name = catalogue
            .tasks
            .get(&task)
            .map(|task| task.name.as_str())
            .unwrap_or_default();
        let shown: Vec<String> = rows
            .iter()
            .take(SHOWN)
            .map(|(_, row)| row.to_string())
            .collect();
        let more = match rows.len().saturating_sub(SHOWN) {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        report.warning(
            "hours",
            format!("hour rows of task '{name}' ({task}) open nothing: {}{more}", shown.join("; ")),
            format!(
                "weekdays go from 0 (Monday) to 6, and hours from a first one to a later one, at most 24: mend or delete the rows in {}",
                Names::fusioninventory().expand("{p}sidecar_hours")
            ),
        );
    }
}
