//! The modes of tasks: words that are none.

use super::Report;
use crate::config::Settings;
use crate::db::names::Names;
use crate::domain::catalogue::Catalogue;

pub(super) fn examine(settings: &Settings, catalogue: &Catalogue, report: &mut Report) {
    for (task, word) in &catalogue.odd_modes {
        let Some(named) = catalogue.tasks.get(task) else {
            continue;
        };
        report.warning(
            "modes",
            format!(
                "the mode '{word}' of task '{}' ({task}) is none; '{}' counts, the default",
                named.name, settings.dispatch.task_mode
            ),
            format!(
                "write server, agent or NULL into the column mode of {}",
                Names::fusioninventory().expand("{p}sidecar_tasks")
            ),
        );
    }
}
