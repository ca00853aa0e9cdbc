//! Row ids, one type a table, so that none is taken for another.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident($inner:ty);)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )+};
}

ids! {
    /// A row of the plugin's `agents`.
    AgentId(u32);
    /// A row of `glpi_computers`.
    ComputerId(u32);
    /// A row of `glpi_entities`; 0 is the root.
    EntityId(u32);
    /// A row of `glpi_groups`.
    GroupId(u32);
    /// A row of `glpi_users`.
    UserId(u32);
    /// A row of `glpi_locations`; 0 is none.
    LocationId(u32);
    /// A row of the plugin's `tasks`.
    TaskId(u32);
    /// A row of the plugin's `taskjobs`.
    JobId(u32);
    /// A row of the plugin's `taskjobstates`: one job, one target, one agent.
    RunId(u64);
    /// A row of the plugin's `timeslots`; 0 in a task means any time.
    TimeslotId(u32);
    /// A row of the plugin's `deploygroups`.
    DeployGroupId(u32);
    /// A row of the plugin's `deploypackages`.
    PackageId(u32);
    /// A row of the plugin's `deployuserinteractiontemplates`.
    TemplateId(u32);
}

/// A number of JSON; PHP writes many as strings, which may have blanks around them.
#[must_use]
pub fn number(value: &serde_json::Value) -> Option<u32> {
    match value {
        serde_json::Value::Number(number) => number.as_u64()?.try_into().ok(),
        serde_json::Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_may_be_strings() {
        for (value, expected) in [
            (json!(7), Some(7)),
            (json!("7"), Some(7)),
            (json!(" 7 "), Some(7)),
            (json!(4_294_967_295_u32), Some(u32::MAX)),
            (json!(4_294_967_296_u64), None),
            (json!(-1), None),
            (json!("-1"), None),
            (json!(1.5), None),
            (json!(""), None),
            (json!(true), None),
            (json!(null), None),
            (json!([7]), None),
        ] {
            assert_eq!(number(&value), expected, "{value}");
        }
    }
}
