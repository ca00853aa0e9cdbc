//! Which sidecar this is.

use crate::db::leases::Instance;

/// This process among the sidecars on its database.
pub(super) fn instance() -> Instance {
    let id = uuid::Uuid::new_v4().to_string();
    Instance {
        row: id.clone(),
        id,
        host: host(),
    }
}

/// The machine's name.
fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "unknown".to_owned(),
        name => name.chars().take(255).collect(),
    }
}
